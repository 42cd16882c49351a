package switchd

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/switchd/tree"
)

var golden = flag.Bool("update", false, "write the golden files")

func lines(c *dataplane.Config) string {
	var b strings.Builder
	for _, p := range c.Ports {
		fmt.Fprintf(&b, "port %+v\n", p)
	}
	for _, l := range c.LAGs {
		fmt.Fprintf(&b, "lag %+v\n", l)
	}
	for _, s := range c.Services {
		fmt.Fprintf(&b, "service %+v\n", s)
	}
	for _, f := range c.Filters {
		fmt.Fprintf(&b, "filter %s\n", f.Name)
		for _, r := range f.Rules {
			fmt.Fprintf(&b, "  dst %x/%x src %x/%x accept %t\n", r.Dst, r.DstMask, r.Src, r.SrcMask, r.Accept)
		}
	}
	for _, x := range c.Circuits {
		fmt.Fprintf(&b, "circuit %+v\n", x)
	}
	return b.String()
}

func all(text string) func(*tree.Edit) error {
	return func(e *tree.Edit) error {
		return e.Update(&gpb.Path{}, tree.JSONValue([]byte(text), gpb.Encoding_JSON_IETF))
	}
}

func TestForwardingOfAConfiguration(t *testing.T) {
	file := filepath.Join("testdata", "forwarding.txtar")
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newStore([]string{"eth1", "eth2", "eth3"}, nil, cabled{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	if err := s.set(edit(all(string(a.Files[0].Data)))); err != nil {
		t.Fatal(err)
	}
	got := lines(Forwarding(s.running))
	if *golden {
		a.Files[1].Data = []byte(got)
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(a.Files[1].Data), got); diff != "" {
		t.Error(diff)
	}
}

// randomEdit is a change of a small switch that may well be refused.
func randomEdit(t *rapid.T) func(*tree.Edit) error {
	pick := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
	parent := pick("parent", "eth1", "eth2", "eth3", "ae1", "ae2")
	unit := pick("unit", "1", "2", "3")
	service, set, rate := pick("service", "s1", "s2"), pick("set", "f1", "f2"), pick("rate", "p1", "p2")
	id := parent + "." + unit
	ref := fmt.Sprintf(`"interface-ref":{"config":{"interface":%q,"subinterface":%s}}`, parent, unit)
	texts := []string{
		fmt.Sprintf(`{"openconfig-interfaces:interfaces":{"interface":[{"name":%q,"subinterfaces":{"subinterface":[{"index":%s,"config":{"index":%[2]s,"enabled":%s,"ixagent-openconfig-ext:transparent":%s,"ixagent-openconfig-ext:tpid":"openconfig-vlan-types:TPID_0X%s"},"openconfig-vlan:vlan":{"match":{"single-tagged":{"config":{"vlan-id":1%[2]s}}}}}]}}]}}`, parent, unit, pick("enabled", "true", "false"), pick("transparent", "true", "false"), pick("tpid", "8100", "88A8")),
		fmt.Sprintf(`{"openconfig-interfaces:interfaces":{"interface":[{"name":%q,"config":{"name":%[1]q,"type":"iana-if-type:ieee8023adLag","mtu":%s}}]}}`, pick("lag", "ae1", "ae2"), pick("mtu", "1500", "9000")),
		fmt.Sprintf(`{"openconfig-interfaces:interfaces":{"interface":[{"name":%q,"openconfig-if-ethernet:ethernet":{"config":{"openconfig-if-aggregate:aggregate-id":%q}}}]}}`, pick("member", "eth2", "eth3"), pick("lag", "ae1", "ae2")),
		fmt.Sprintf(`{"openconfig-network-instance:network-instances":{"network-instance":[{"name":%q,"config":{"name":%[1]q,"type":"openconfig-network-instance-types:L2VSI","ixagent-openconfig-ext:etree":%s}}]}}`, service, pick("tree", "true", "false")),
		fmt.Sprintf(`{"openconfig-network-instance:network-instances":{"network-instance":[{"name":%q,"connection-points":{"connection-point":[{"connection-point-id":%q,"config":{"connection-point-id":%[2]q,"ixagent-openconfig-ext:etree-role":%q},"endpoints":{"endpoint":[{"endpoint-id":%[2]q,"config":{"endpoint-id":%[2]q,"precedence":0,"type":"openconfig-network-instance-types:LOCAL"},"local":{"config":{"interface":%q,"subinterface":%s}}}]}}]}}]}}`, service, id, pick("role", "ROOT", "LEAF"), parent, unit),
		fmt.Sprintf(`{"openconfig-acl:acl":{"acl-sets":{"acl-set":[{"name":%q,"type":"ACL_L2","config":{"name":%[1]q,"type":"ACL_L2"},"acl-entries":{"acl-entry":[{"sequence-id":%s,"config":{"sequence-id":%[2]s},"actions":{"config":{"forwarding-action":%q}}}]}}]}}}`, set, unit, pick("action", "ACCEPT", "DROP")),
		fmt.Sprintf(`{"openconfig-acl:acl":{"interfaces":{"interface":[{"id":%q,"config":{"id":%[1]q},%s,"ingress-acl-sets":{"ingress-acl-set":[{"set-name":%q,"type":"ACL_L2","config":{"set-name":%[3]q,"type":"ACL_L2"}}]}}]}}}`, id, ref, set),
		fmt.Sprintf(`{"openconfig-qos:qos":{"scheduler-policies":{"scheduler-policy":[{"name":%q,"config":{"name":%[1]q},"schedulers":{"scheduler":[{"sequence":1,"config":{"sequence":1,"type":"openconfig-qos-types:ONE_RATE_TWO_COLOR"},"one-rate-two-color":{"config":{"cir":"%s000000","bc":10000},"exceed-action":{"config":{"drop":true}}}}]}}]}}}`, rate, unit),
		fmt.Sprintf(`{"openconfig-qos:qos":{"interfaces":{"interface":[{"interface-id":%q,"config":{"interface-id":%[1]q},%s,"input":{"scheduler-policy":{"config":{"name":%q}}}}]}}}`, pick("binding", id, "other"), ref, rate),
	}
	gone := [][]string{
		{"interfaces", "interface", "name", parent, "subinterfaces", "subinterface", "index", unit},
		{"interfaces", "interface", "name", parent},
		{"network-instances", "network-instance", "name", service, "connection-points", "connection-point", "connection-point-id", id},
		{"acl", "interfaces", "interface", "id", id},
		{"qos", "interfaces", "interface", "interface-id", id},
	}
	n := rapid.IntRange(0, len(texts)+len(gone)-1).Draw(t, "kind")
	if n < len(texts) {
		return all(texts[n])
	}
	return func(e *tree.Edit) error { return e.Delete(pathOf(gone[n-len(texts)])) }
}

// pathOf makes a path of names and, after the name of a list, a key and its
// value.
func pathOf(words []string) *gpb.Path {
	keys := map[string]bool{"name": true, "index": true, "id": true, "connection-point-id": true, "interface-id": true}
	p := &gpb.Path{}
	for i := 0; i < len(words); i++ {
		if keys[words[i]] {
			p.Elem[len(p.Elem)-1].Key = map[string]string{words[i]: words[i+1]}
			i++
			continue
		}
		p.Elem = append(p.Elem, &gpb.PathElem{Name: words[i]})
	}
	return p
}

func TestTranslatingAChangeEqualsTranslatingAnew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, err := newStore([]string{"eth1", "eth2", "eth3"}, nil, cabled{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.stop()
		tr := newTranslator(tree.New(s.schema))
		for range rapid.IntRange(1, 60).Draw(t, "changes") {
			before := s.running
			_ = s.set(edit(randomEdit(t))) // what is refused changes nothing
			got := tr.translate(s.running)
			if diff := cmp.Diff(Forwarding(s.running), got, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Fatal(diff)
			}
			if rapid.Bool().Draw(t, "back") {
				tr.translate(before)
				tr.translate(s.running)
			}
		}
	})
}

func BenchmarkTranslate10000(b *testing.B) {
	s, err := newStore([]string{"eth1"}, nil, cabled{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.stop)
	var subs, points []string
	for i := range 10_000 {
		subs = append(subs, fmt.Sprintf(`{"index":%d,"config":{"index":%[1]d},"openconfig-vlan:vlan":{"match":{"double-tagged":{"config":{"outer-vlan-id":%d,"inner-vlan-id":%d}}}}}`, i, i/4000+1, i%4000+1))
		points = append(points, fmt.Sprintf(`{"connection-point-id":"%d","config":{"connection-point-id":"%[1]d"},"endpoints":{"endpoint":[{"endpoint-id":"%[1]d","config":{"endpoint-id":"%[1]d","precedence":0,"type":"openconfig-network-instance-types:LOCAL"},"local":{"config":{"interface":"eth1","subinterface":%[1]d}}}]}}`, i))
	}
	if err := s.set(edit(all(`{"openconfig-interfaces:interfaces":{"interface":[{"name":"eth1","subinterfaces":{"subinterface":[` + strings.Join(subs, ",") + `]}}]},
		"openconfig-network-instance:network-instances":{"network-instance":[{"name":"lan","config":{"name":"lan","type":"openconfig-network-instance-types:L2VSI"},"connection-points":{"connection-point":[` + strings.Join(points, ",") + `]}}]}}`))); err != nil {
		b.Fatal(err)
	}
	one := s.running
	if err := s.set(edit(all(`{"openconfig-interfaces:interfaces":{"interface":[{"name":"eth1","subinterfaces":{"subinterface":[{"index":7,"config":{"index":7,"enabled":false}}]}}]}}`))); err != nil {
		b.Fatal(err)
	}
	b.Run("anew", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Forwarding(one)
		}
	})
	b.Run("one circuit changed", func(b *testing.B) {
		b.ReportAllocs()
		tr := newTranslator(tree.New(s.schema))
		tr.translate(one)
		for i := 0; b.Loop(); i++ {
			tr.translate([]*tree.Tree{s.running, one}[i%2])
		}
	})
}
