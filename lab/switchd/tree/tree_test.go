package tree_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/openconfig/ygot/ygot"
	"github.com/openconfig/ygot/ytypes"

	"github.com/ixagent/ixagent/lab/switchd/tree"
	"github.com/ixagent/ixagent/models/oc"
	"github.com/ixagent/ixagent/models/oc/octest"
)

func schema(t testing.TB) *tree.Schema {
	t.Helper()
	s, err := tree.OpenConfig()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func path(t testing.TB, text string) *gpb.Path {
	t.Helper()
	p, err := ygot.StringToStructuredPath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ietf(text string) *gpb.TypedValue { return tree.JSONValue([]byte(text), gpb.Encoding_JSON_IETF) }

// load replaces the whole tree and checks it.
func load(s *tree.Schema, text string) (*tree.Tree, *tree.References, error) {
	before := tree.New(s)
	e := before.Edit()
	if err := e.Replace(&gpb.Path{}, ietf(text)); err != nil {
		return nil, nil, err
	}
	after := e.Tree()
	refs := tree.NewReferences()
	if _, err := refs.Move(before, after); err != nil {
		return nil, nil, err
	}
	return after, refs, nil
}

func jsonOf(t testing.TB, tr *tree.Tree) string {
	t.Helper()
	b, ok := tr.Root().AppendJSON(nil, tree.Config)
	if !ok {
		return "{}"
	}
	return string(b)
}

const small = `{
 "openconfig-interfaces:interfaces": {"interface": [
  {"name": "eth1", "config": {"name": "eth1", "type": "iana-if-type:ethernetCsmacd"},
   "openconfig-if-ethernet:ethernet": {"config": {"openconfig-if-aggregate:aggregate-id": "ae1"}}},
  {"name": "ae1", "config": {"name": "ae1", "type": "iana-if-type:ieee8023adLag", "openconfig-vlan:tpid": "openconfig-vlan-types:TPID_0X88A8", "ixagent-openconfig-ext:storm-control-kbps": "5000"},
   "openconfig-if-aggregate:aggregation": {"config": {"lag-type": "LACP", "min-links": 1}},
   "subinterfaces": {"subinterface": [
     {"index": 10, "config": {"index": 10, "enabled": true}, "openconfig-vlan:vlan": {"match": {"double-tagged": {"config": {"outer-vlan-id": 10, "inner-vlan-id": 7}}}}},
     {"index": 9, "config": {"index": 9, "description": "a \"quoted\" <näme>", "ixagent-openconfig-ext:mac-limit": 1}, "openconfig-vlan:vlan": {"match": {"single-tagged": {"config": {"vlan-id": 9}}}}}
   ]}}
 ]},
 "openconfig-lacp:lacp": {"interfaces": {"interface": [{"name": "ae1", "config": {"name": "ae1", "interval": "SLOW", "lacp-mode": "ACTIVE"}}]}},
 "openconfig-network-instance:network-instances": {"network-instance": [
  {"name": "lan", "config": {"name": "lan", "type": "openconfig-network-instance-types:L2VSI"},
   "fdb": {"config": {"mac-learning": true, "maximum-entries": 500}},
   "connection-points": {"connection-point": [
    {"connection-point-id": "ae1.10", "config": {"connection-point-id": "ae1.10", "ixagent-openconfig-ext:etree-role": "LEAF"},
     "endpoints": {"endpoint": [{"endpoint-id": "ae1.10", "config": {"endpoint-id": "ae1.10", "precedence": 0, "type": "openconfig-network-instance-types:LOCAL"}, "local": {"config": {"interface": "ae1", "subinterface": 10}}}]}},
    {"connection-point-id": "remote", "config": {"connection-point-id": "remote"},
     "endpoints": {"endpoint": [{"endpoint-id": "192.0.2.1", "config": {"endpoint-id": "192.0.2.1", "type": "openconfig-network-instance-types:REMOTE"}, "remote": {"config": {"remote-system": "192.0.2.1", "virtual-circuit-identifier": 5000}}}]}}
   ]}}
 ]},
 "openconfig-acl:acl": {
  "acl-sets": {"acl-set": [{"name": "f", "type": "ACL_L2", "config": {"name": "f", "type": "ACL_L2"}, "acl-entries": {"acl-entry": [
    {"sequence-id": 10, "config": {"sequence-id": 10}, "l2": {"config": {"source-mac": "02:00:00:00:00:01"}}, "actions": {"config": {"forwarding-action": "openconfig-acl:ACCEPT"}}}]}}]},
  "interfaces": {"interface": [{"id": "ae1.10", "config": {"id": "ae1.10"}, "interface-ref": {"config": {"interface": "ae1", "subinterface": 10}},
    "ingress-acl-sets": {"ingress-acl-set": [{"set-name": "f", "type": "ACL_L2", "config": {"set-name": "f", "type": "openconfig-acl:ACL_L2"}}]}}]}},
 "openconfig-qos:qos": {
  "scheduler-policies": {"scheduler-policy": [{"name": "p", "config": {"name": "p"}, "schedulers": {"scheduler": [{"sequence": 1, "config": {"sequence": 1}, "one-rate-two-color": {"config": {"cir": "100000000", "bc": 12500}}}]}}]},
  "interfaces": {"interface": [{"interface-id": "ae1.10", "config": {"interface-id": "ae1.10"}, "interface-ref": {"config": {"interface": "ae1", "subinterface": 10}},
    "input": {"scheduler-policy": {"config": {"name": "p"}}}, "output": {"scheduler-policy": {"config": {"name": "p"}}}}]}}
}`

func TestWhatIsWrittenIsReadAndValid(t *testing.T) {
	tr, _, err := load(schema(t), small)
	if err != nil {
		t.Fatal(err)
	}
	text := jsonOf(t, tr)
	again, _, err := load(schema(t), text)
	if err != nil {
		t.Fatal(err)
	}
	if got := jsonOf(t, again); got != text {
		t.Errorf("second rendering differs:\n%s\n%s", got, text)
	}
	var d oc.Device
	if err := oc.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal("ygot:", err)
	}
	if err := d.Validate(&ytypes.LeafrefOptions{}); err != nil {
		t.Fatal("ygot:", err)
	}
	octest.Validate(t, []byte(text), "config")
}

// Each mutation of the small tree breaks one rule of the schema. The judge
// must agree with us on every one.
func TestSchemaRefusals(t *testing.T) {
	for _, tc := range []struct{ name, old, new, want string }{
		{"vlan out of range", `"vlan-id": 9}`, `"vlan-id": 5000}`, "subinterface[index=9]/vlan/match/single-tagged/config/vlan-id: value 5000 is out of range 1..4094"},
		{"unknown tpid", "TPID_0X88A8", "TPID_0X1234", "tpid"},
		{"tpid without module", "openconfig-vlan-types:TPID_0X88A8", "TPID_0X88A8", "needs the prefix"},
		{"dangling aggregate", `aggregate-id": "ae1"`, `aggregate-id": "ae9"`, `/interfaces/interface[name=eth1]/ethernet/config/aggregate-id: value "ae9" names nothing`},
		{"aggregation on a port", `"ae1", "type": "iana-if-type:ieee8023adLag"`, `"ae1", "type": "iana-if-type:ethernetCsmacd"`, "/interfaces/interface[name=ae1]/aggregation: may exist only"},
		{"bad enum", `"SLOW"`, `"slow"`, "interval"},
		{"index is not config/index", `"config": {"index": 10`, `"config": {"index": 11`, "is not its key"},
		{"mac pattern", "02:00:00:00:00:01", "0200.0000.0001", "does not match"},
		{"dangling subinterface", `"subinterface": 10}}}]}}`, `"subinterface": 11}}}]}}`, "local/config/subinterface: value 11 names nothing"},
		{"dangling policer", `"input": {"scheduler-policy": {"config": {"name": "p"`, `"input": {"scheduler-policy": {"config": {"name": "q"`, "names nothing"},
		{"dangling filter", `"set-name": "f", "type": "ACL_L2", "config": {"set-name": "f"`, `"set-name": "g", "type": "ACL_L2", "config": {"set-name": "g"`, "names nothing"},
		{"filter without action", `, "actions": {"config": {"forwarding-action": "openconfig-acl:ACCEPT"}}`, ``, "mandatory leaf actions/config/forwarding-action"},
		{"instance without type", `"config": {"name": "lan", "type": "openconfig-network-instance-types:L2VSI"}`, `"config": {"name": "lan"}`, "mandatory leaf config/type"},
		{"local part of a remote end", `"type": "openconfig-network-instance-types:LOCAL"`, `"type": "openconfig-network-instance-types:REMOTE"`, "local: may exist only"},
		{"number as string", `"min-links": 1`, `"min-links": "1"`, "is not an integer"},
		{"64-bit as number", `"cir": "100000000"`, `"cir": 100000000`, "must be a string"},
		{"unknown member", `"min-links"`, `"max-links"`, `has no member "max-links"`},
		{"missing prefix", `"openconfig-vlan:tpid"`, `"tpid"`, "needs the prefix"},
		{"missing key", `{"index": 10, `, `{`, "without its key"},
		{"missing config", `"config": {"connection-point-id": "remote"},`, ``, "lacks config/connection-point-id"},
		{"same entry twice", `"index": 9, "config": {"index": 9`, `"index": 10, "config": {"index": 10`, "twice"},
		{"cut in half", `"scheduler-policies"`, ``, "is not JSON"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := strings.Replace(small, tc.old, tc.new, 1)
			if text == small {
				t.Fatal("the mutation does not apply")
			}
			if tc.name == "cut in half" {
				text = small[:len(small)/2]
			}
			_, _, err := load(schema(t), text)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("refused with %q, want %q in it", err, tc.want)
			}
			if octest.Complaint(t, []byte(text), "config") == "" {
				t.Errorf("refused with %q, but yanglint accepts it", err)
			}
		})
	}
}

func TestRemovingWhatIsNamedIsRefused(t *testing.T) {
	s := schema(t)
	tr, refs, err := load(s, small)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ path, want string }{
		{"/interfaces/interface[name=ae1]/subinterfaces/subinterface[index=10]", "names it"},
		{"/interfaces/interface[name=ae1]", "names it"},
		{"/acl/acl-sets/acl-set[name=f][type=ACL_L2]", "/acl/interfaces/interface[id=ae1.10]"},
		{"/qos/scheduler-policies/scheduler-policy[name=p]", "/qos/interfaces/interface[interface-id=ae1.10]"},
	} {
		e := tr.Edit()
		if err := e.Delete(path(t, tc.path)); err != nil {
			t.Fatal(err)
		}
		_, err := refs.Move(tr, e.Tree())
		var faults tree.Faults
		if !errors.As(err, &faults) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("delete %s: %v, want %q", tc.path, err, tc.want)
		}
	}
	e := tr.Edit()
	for _, p := range []string{
		"/network-instances/network-instance[name=lan]/connection-points/connection-point[connection-point-id=ae1.10]",
		"/acl", "/qos/interfaces", "/interfaces/interface[name=ae1]/subinterfaces/subinterface[index=10]",
	} {
		if err := e.Delete(path(t, p)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := refs.Move(tr, e.Tree()); err != nil {
		t.Errorf("user and used in one edit: %v", err)
	}
}

func TestSnapshotsDoNotChange(t *testing.T) {
	tr, _, err := load(schema(t), small)
	if err != nil {
		t.Fatal(err)
	}
	before := jsonOf(t, tr)
	e := tr.Edit()
	for _, op := range []struct{ path, value string }{
		{"/interfaces/interface[name=ae1]/config/mtu", "9000"},
		{"/interfaces/interface[name=ae1]/subinterfaces/subinterface[index=9]", `{"index": 9, "config": {"index": 9}}`},
		{"/interfaces/interface[name=eth2]", `{"config": {"name": "eth2", "type": "iana-if-type:ethernetCsmacd"}}`},
	} {
		if err := e.Replace(path(t, op.path), ietf(op.value)); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Delete(path(t, "/acl/acl-sets/acl-set[name=*]/acl-entries")); err != nil {
		t.Fatal(err)
	}
	after := e.Tree()
	if jsonOf(t, tr) != before {
		t.Error("the edit reached into the old snapshot")
	}
	if !after.At("qos").Same(tr.At("qos")) {
		t.Error("what was not edited was copied")
	}
	got := jsonOf(t, after)
	for _, want := range []string{`"mtu":9000`, `{"config":{"index":9},"index":9}`, `"name":"eth2"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if strings.Contains(got, "acl-entries") {
		t.Error("wildcard delete left something")
	}
}

// exchange is the JSON of a switch with that many circuits on 48 ports and 24
// LAGs, each in a service of its own.
func exchange(circuits int) string {
	const ports, lags = 48, 24
	var ifs, nis []string
	for i := range ports {
		ifs = append(ifs, fmt.Sprintf(`{"name":"eth%d","config":{"name":"eth%[1]d","type":"iana-if-type:ethernetCsmacd"},"openconfig-if-ethernet:ethernet":{"config":{"openconfig-if-aggregate:aggregate-id":"ae%d"}}}`, i+1, i%lags+1))
	}
	for l := range lags {
		var subs []string
		for c := l; c < circuits; c += lags {
			index := c/lags + 1
			subs = append(subs, fmt.Sprintf(`{"index":%d,"config":{"index":%[1]d,"description":"nsc-%d","enabled":true},"openconfig-vlan:vlan":{"match":{"double-tagged":{"config":{"outer-vlan-id":%d,"inner-vlan-id":%d}}}}}`, index, c, index%4094+1, index/4094+1))
			nis = append(nis, fmt.Sprintf(`{"name":"s%d","config":{"name":"s%[1]d","type":"openconfig-network-instance-types:L2VSI"},"connection-points":{"connection-point":[{"connection-point-id":"ae%d.%d","config":{"connection-point-id":"ae%[2]d.%[3]d"},"endpoints":{"endpoint":[{"endpoint-id":"ae%[2]d.%[3]d","config":{"endpoint-id":"ae%[2]d.%[3]d","precedence":0,"type":"openconfig-network-instance-types:LOCAL"},"local":{"config":{"interface":"ae%[2]d","subinterface":%[3]d}}}]}}]}}`, c, l+1, index))
		}
		ifs = append(ifs, fmt.Sprintf(`{"name":"ae%d","config":{"name":"ae%[1]d","type":"iana-if-type:ieee8023adLag"},"openconfig-if-aggregate:aggregation":{"config":{"lag-type":"LACP"}},"subinterfaces":{"subinterface":[%s]}}`, l+1, strings.Join(subs, ",")))
	}
	return fmt.Sprintf(`{"openconfig-interfaces:interfaces":{"interface":[%s]},"openconfig-network-instance:network-instances":{"network-instance":[%s]}}`, strings.Join(ifs, ","), strings.Join(nis, ","))
}

func BenchmarkLoad10000(b *testing.B) {
	s := schema(b)
	text := exchange(10_000)
	if !json.Valid([]byte(text)) {
		b.Fatal("bad text")
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := load(s, text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReplaceEqual10000(b *testing.B) {
	tr, refs, err := load(schema(b), exchange(10_000))
	if err != nil {
		b.Fatal(err)
	}
	text := jsonOf(b, tr)
	b.ReportAllocs()
	for b.Loop() {
		e := tr.Edit()
		if err := e.Replace(&gpb.Path{}, ietf(text)); err != nil {
			b.Fatal(err)
		}
		after := e.Tree()
		if _, err := refs.Move(tr, after); err != nil {
			b.Fatal(err)
		}
		tr = after
	}
}

func BenchmarkDelta10000(b *testing.B) {
	tr, refs, err := load(schema(b), exchange(10_000))
	if err != nil {
		b.Fatal(err)
	}
	sub := path(b, "/interfaces/interface[name=ae7]/subinterfaces/subinterface[index=9999]")
	value := ietf(`{"config":{"index":9999},"openconfig-vlan:vlan":{"match":{"single-tagged":{"config":{"vlan-id":77}}}}}`)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e := tr.Edit()
		if i%2 == 0 {
			err = e.Replace(sub, value)
		} else {
			err = e.Delete(sub)
		}
		if err != nil {
			b.Fatal(err)
		}
		after := e.Tree()
		if _, err := refs.Move(tr, after); err != nil {
			b.Fatal(err)
		}
		tr = after
	}
}

func BenchmarkRender10000(b *testing.B) {
	tr, _, err := load(schema(b), exchange(10_000))
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = tr.Root().AppendJSON(buf[:0], tree.Config)
	}
	b.SetBytes(int64(len(buf)))
}
