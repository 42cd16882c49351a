package openconfig

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/gnmi"
	"github.com/ixagent/ixagent/models/oc/octest"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files")

// made returns the request that makes a state on an empty switch, and what that switch answers afterwards.
func made(t interface{ Fatal(...any) }, c *drivers.Capabilities, s switchcfg.State) (*gpb.SetRequest, answer) {
	req, err := render(c, plan.Diff(nil, s))
	if err != nil {
		t.Fatal(err)
	}
	return req, values(req)
}

// values returns what a request writes: on an empty switch, all there is afterwards.
func values(req *gpb.SetRequest) (a answer) {
	for _, u := range req.GetUpdate() {
		*a.at(gnmi.PathString(u.GetPath())) = u.GetVal().GetJsonIetfVal()
	}
	var sets members
	for _, u := range req.GetReplace() {
		v := u.GetVal().GetJsonIetfVal()
		sets.element(v[1 : len(v)-1])
	}
	if len(sets) == 0 {
		return a
	}
	var list, acl members
	list.list("acl-set", sets)
	acl.object(inACL+"acl-sets", list)
	if len(a.acl) > 0 {
		acl = append(append(acl, ','), a.acl[1:len(a.acl)-1]...)
	}
	a.acl = slices.Concat([]byte("{"), acl, []byte("}"))
	return a
}

func (a *answer) at(path string) *[]byte {
	switch path {
	case "/interfaces":
		return &a.interfaces
	case "/lacp":
		return &a.lacp
	case "/network-instances":
		return &a.instances
	case "/acl":
		return &a.acl
	default:
		return &a.qos
	}
}

// document returns the answer as one RFC 7951 document.
func (a *answer) document() []byte {
	var m members
	for _, c := range []struct {
		name  string
		value []byte
	}{
		{inInterfaces + "interfaces", a.interfaces},
		{inLACP + "lacp", a.lacp},
		{inInstances + "network-instances", a.instances},
		{inACL + "acl", a.acl},
		{inQoS + "qos", a.qos},
	} {
		if c.value != nil {
			m.name(c.name)
			m = append(m, c.value...)
		}
	}
	return slices.Concat([]byte("{"), m, []byte("}"))
}

// withPort adds a port to a state that has none: a switch without a port is not believed.
func withPort(s switchcfg.State) switchcfg.State {
	s.Put(&switchcfg.Interface{Name: "Ethernet99", Description: "ixagent port:99", TPID: switchcfg.TPIDStacked})
	return s
}

func TestParsingWhatIsRenderedGivesTheSame(t *testing.T) {
	c := profile(t, "ixlab")
	rapid.Check(t, func(t *rapid.T) {
		want := withPort(options(c).State(t, "state"))
		_, a := made(t, &c, want)
		got, _, err := parse(a, &c)
		if err != nil {
			t.Fatalf("%v\n%s", err, a.document())
		}
		if !got.Equal(want) {
			t.Fatal(cmp.Diff(string(want.AppendText(nil)), string(got.AppendText(nil))))
		}
	})
}

func TestRenderedTreeIsValidOpenConfig(t *testing.T) {
	c := profile(t, "ixlab")
	gen := rapid.Custom(func(t *rapid.T) switchcfg.State { return withPort(options(c).State(t, "state")) }).
		Filter(func(s switchcfg.State) bool { return len(s) > 25 })
	for seed := range 4 {
		_, a := made(t, &c, gen.Example(seed))
		octest.Validate(t, a.document(), "config")
	}
}

func TestAnswerCutAnywhereIsAnError(t *testing.T) {
	c := profile(t, "ixlab")
	s := withPort(rapid.Custom(func(t *rapid.T) switchcfg.State { return options(c).State(t, "state") }).
		Filter(func(s switchcfg.State) bool { return len(s) > 15 }).Example(1))
	_, whole := made(t, &c, s)
	for _, path := range []string{"/interfaces", "/lacp", "/network-instances", "/acl", "/qos"} {
		for n := range *whole.at(path) {
			cut := whole
			*cut.at(path) = (*whole.at(path))[:n]
			if got, _, err := parse(cut, &c); err == nil {
				t.Fatalf("%s cut after %d bytes gives %d objects", path, n, len(got))
			}
		}
	}
}

func TestAnswerThatLacksWhatIsReferredToIsAnError(t *testing.T) {
	caps := profile(t, "ixlab")
	s := make(switchcfg.State)
	s.Put(sampleObjects()...)
	_, whole := made(t, &caps, s)
	if _, _, err := parse(whole, &caps); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, list, entry string }{
		{"/interfaces", "interface", "eth42"},  // has a circuit in a service
		{"/interfaces", "interface", "lag10"},  // has members
		{"/interfaces", "subinterface", "100"}, // is in a service
		{"/acl", "acl-set", "ix-control"},      // is bound
		{"/qos", "scheduler-policy", "ix-rate-10000000k"},
	} {
		part := whole
		*part.at(c.path) = without(t, *whole.at(c.path), c.list, c.entry)
		if state, _, err := parse(part, &caps); err == nil {
			t.Errorf("without %s %s the answer gives %d objects", c.list, c.entry, len(state))
		}
	}
	noInterfaces := whole
	noInterfaces.interfaces = nil
	if _, _, err := parse(noInterfaces, &caps); err == nil {
		t.Error("an answer without interfaces is believed")
	}
}

// without returns a document without the entries of a list whose first key has the value.
func without(t *testing.T, doc []byte, list, value string) []byte {
	t.Helper()
	var tree any
	if err := json.Unmarshal(doc, &tree); err != nil {
		t.Fatal(err)
	}
	list = string(local([]byte(list)))
	dropped := 0
	is := func(e any) bool {
		for _, key := range []string{"name", "index", "openconfig-acl:name"} {
			if v, ok := e.(map[string]any)[key]; ok && fmt.Sprint(v) == value {
				dropped++
				return true
			}
		}
		return false
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, child := range v {
				if all, ok := child.([]any); ok && string(local([]byte(name))) == list {
					v[name] = slices.DeleteFunc(all, is)
				}
				walk(v[name])
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(tree)
	out, err := json.Marshal(tree)
	if err != nil || dropped != 1 {
		t.Fatalf("%d entries %s of %s dropped, %v", dropped, value, list, err)
	}
	return out
}

// sampleObjects returns at least one object of each kind, with every attribute in use somewhere.
func sampleObjects() []switchcfg.Object {
	tag := func(record, account string) string { return switchcfg.Tag{Record: record, Account: account}.String() }
	return []switchcfg.Object{
		&switchcfg.Policer{Rate: 100_000},
		&switchcfg.Policer{Rate: 10_000_000},
		&switchcfg.Filter{Name: "ix-control", AnySource: true},
		&switchcfg.Filter{Name: "ix-nsc-7", Sources: []switchcfg.MAC{{2, 0, 0, 0x12, 0x34, 0x56}, {2, 1, 0, 0x12, 0x34, 0x56}}},
		&switchcfg.Service{Name: "ix-lan", Description: tag("ns:1", ""), Type: switchcfg.ServiceLAN, VLAN: 600, VNI: 10600, Peers: []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::3")}, MTU: 1500, MACLimit: 5000},
		&switchcfg.Service{Name: "ix-line", Description: tag("ns:2", "5"), Type: switchcfg.ServiceLine},
		&switchcfg.Service{Name: "ix-tree", Description: tag("ns:3", "5"), Type: switchcfg.ServiceTree},
		&switchcfg.Interface{Name: "eth5", Description: tag("port:5", "")},
		&switchcfg.Interface{Name: "eth23", Description: tag("port:23", "")},
		&switchcfg.Interface{Name: "eth42", Description: tag("conn:9", "7"), Shutdown: true, MTU: 9000, TPID: switchcfg.TPIDService, StormControl: 10_000},
		&switchcfg.LAG{Name: "lag10", Description: tag("conn:10", "7"), Members: []string{"eth5", "eth23"}, Mode: switchcfg.ModeLACP, Rate: switchcfg.RateFast, Passive: true, MinLinks: 2, SystemID: switchcfg.MAC{2, 0, 0, 0, 0, 10}, MTU: 9000, TPID: switchcfg.TPIDStacked, StormControl: 20_000},
		&switchcfg.Circuit{Parent: "lag10", Unit: 0, Description: tag("nsc:6", "7"), Service: "ix-tree", Role: switchcfg.RoleLeaf, Filter: "ix-control"},
		&switchcfg.Circuit{Parent: "lag10", Unit: 100, Description: tag("nsc:7", "7"), Match: switchcfg.MatchSingle(switchcfg.TPIDStacked, 100), Service: "ix-lan", Filter: "ix-nsc-7", RateIn: 100_000, RateOut: 10_000_000, MACLimit: 2},
		&switchcfg.Circuit{Parent: "eth42", Unit: 7, Description: tag("nsc:8", "7"), Shutdown: true, Match: switchcfg.MatchDouble(switchcfg.TPIDService, 200, 7), Service: "ix-line"},
	}
}

// change returns the changes from one object to another.
func change(before, after switchcfg.Object) []plan.Change {
	from, to := make(switchcfg.State), make(switchcfg.State)
	if before != nil {
		from.Put(before)
	}
	if after != nil {
		to.Put(after)
	}
	return plan.Diff(from, to)
}

// with returns a changed copy.
func with[T any](o *T, f func(*T)) *T {
	c := *o
	f(&c)
	return &c
}

func TestRequestIsExactlyTheDifference(t *testing.T) {
	caps := profile(t, "ixlab")
	s := make(switchcfg.State)
	s.Put(sampleObjects()...)
	at := func(key string) switchcfg.Object {
		k, err := switchcfg.ParseKey(key)
		if err != nil || s[k] == nil {
			t.Fatal(key, err)
		}
		return s[k]
	}
	port, _ := at("interface eth42").(*switchcfg.Interface)
	lag, _ := at("lag lag10").(*switchcfg.LAG)
	circuit, _ := at("circuit lag10.100").(*switchcfg.Circuit)
	leaf, _ := at("circuit lag10.0").(*switchcfg.Circuit)
	service, _ := at("service ix-lan").(*switchcfg.Service)
	filter, _ := at("filter ix-nsc-7").(*switchcfg.Filter)
	policer, _ := at("policer ix-rate-100000k").(*switchcfg.Policer)
	type golden struct {
		name    string
		changes []plan.Change
	}
	for kind, cases := range map[string][]golden{
		"interface": {
			{"create", change(nil, port)},
			{"update", change(port, with(port, func(p *switchcfg.Interface) { p.Shutdown, p.MTU, p.TPID = false, 0, switchcfg.TPIDCustomer }))},
			{"delete", change(port, nil)},
		},
		"lag": {
			{"create", change(nil, lag)},
			{"member comes and another goes", change(lag, with(lag, func(l *switchcfg.LAG) { l.Members = []string{"eth23", "eth42"} }))},
			{"lacp to static", change(lag, with(lag, func(l *switchcfg.LAG) {
				l.Mode, l.Rate, l.Passive, l.SystemID = switchcfg.ModeStatic, "", false, switchcfg.MAC{}
			}))},
			{"timers and minimum", change(lag, with(lag, func(l *switchcfg.LAG) { l.Rate, l.MinLinks, l.SystemID = switchcfg.RateSlow, 0, switchcfg.MAC{} }))},
			{"delete", change(lag, nil)},
		},
		"circuit": {
			{"create", change(nil, circuit)},
			{"create untagged leaf", change(nil, leaf)},
			{"create double tagged", change(nil, at("circuit eth42.7"))},
			{"single to double", change(circuit, with(circuit, func(c *switchcfg.Circuit) { c.Match = switchcfg.MatchDouble(switchcfg.TPIDStacked, 100, 8) }))},
			{"single to s-tag", change(circuit, with(circuit, func(c *switchcfg.Circuit) { c.Match = switchcfg.MatchStacked(switchcfg.TPIDStacked, 100) }))},
			{"s-tag to double", change(with(circuit, func(c *switchcfg.Circuit) { c.Match = switchcfg.MatchStacked(switchcfg.TPIDStacked, 100) }), with(circuit, func(c *switchcfg.Circuit) { c.Match = switchcfg.MatchDouble(switchcfg.TPIDStacked, 100, 8) }))},
			{"untagged to whole port", change(leaf, with(leaf, func(c *switchcfg.Circuit) { c.Match = switchcfg.MatchWhole() }))},
			{"other vlan", change(circuit, with(circuit, func(c *switchcfg.Circuit) { c.Match.Outer = 101 }))},
			{"moves to another service", change(circuit, with(circuit, func(c *switchcfg.Circuit) { c.Service = "ix-line" }))},
			{"leaf to root", change(leaf, with(leaf, func(c *switchcfg.Circuit) { c.Role = switchcfg.RoleRoot }))},
			{"other filter and rates", change(circuit, with(circuit, func(c *switchcfg.Circuit) { c.Filter, c.RateIn, c.RateOut = "ix-control", 0, 100_000 }))},
			{"no filter and rates", change(circuit, with(circuit, func(c *switchcfg.Circuit) { c.Filter, c.RateIn, c.RateOut, c.MACLimit = "", 0, 0, 0 }))},
			{"delete", change(circuit, nil)},
			{"replace", []plan.Change{{Verb: plan.Replace, Key: leaf.Key(), Before: leaf, After: leaf}}},
		},
		"service": {
			{"create", change(nil, service)},
			{"create tree", change(nil, at("service ix-tree"))},
			{"update", change(service, with(service, func(s *switchcfg.Service) {
				s.VLAN, s.VNI, s.MTU, s.MACLimit, s.Peers = 601, 10601, 0, 0, []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.4")}
			}))},
			{"local only", change(service, with(service, func(s *switchcfg.Service) { s.VNI, s.Peers = 0, nil }))},
			{"delete", change(service, nil)},
		},
		"filter": {
			{"create", change(nil, filter)},
			{"any source", change(filter, &switchcfg.Filter{Name: filter.Name, AnySource: true})},
			{"delete", change(filter, nil)},
		},
		"policer": {{"create", change(nil, policer)}, {"delete", change(policer, nil)}},
	} {
		t.Run(kind, func(t *testing.T) {
			var got txtar.Archive
			for i, g := range cases {
				req, err := render(&caps, g.changes)
				if err != nil {
					t.Fatal(err)
				}
				got.Files = append(got.Files, txtar.File{Name: g.name, Data: nativeText(req)})
				if a := values(req); i < 2 && len(req.GetUpdate()) > 0 {
					t.Run(g.name, func(t *testing.T) { octest.Validate(t, a.document(), "edit") })
				}
			}
			file := filepath.Join("testdata", kind+".txtar")
			if *rewrite {
				if err := os.WriteFile(file, txtar.Format(&got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(txtar.Format(&got))); d != "" {
				t.Errorf("%s differs; -update rewrites it (-want +got):\n%s", file, d)
			}
		})
	}
}

func TestWhatTheModelCannotSayIsOpaque(t *testing.T) {
	const (
		ports    = `{"interface":[{"name":"eth1","config":{"name":"eth1","type":"iana-if-type:ethernetCsmacd","description":"x"%s},"subinterfaces":{"subinterface":[{"index":5,"config":{"index":5}%s}]}%s}]}`
		instance = `{"network-instance":[{"name":"ix-1","config":{"name":"ix-1","type":"L2VSI"%s}%s}]}`
		point    = `,"connection-points":{"connection-point":[{"connection-point-id":"%s","endpoints":{"endpoint":[%s]}}]}`
		local    = `{"endpoint-id":"eth1.5","config":{"type":"LOCAL"},"local":{"config":{"interface":"eth1","subinterface":5}}}`
	)
	entries := func(e ...string) string {
		return `{"acl-sets":{"acl-set":[{"name":"ix-f","type":"ACL_L2","acl-entries":{"acl-entry":[` + strings.Join(e, ",") + `]}}]}}`
	}
	control := `{"sequence-id":1,"l2":{"config":{"destination-mac":"01:80:C2:00:00:00","destination-mac-mask":"ff:ff:ff:ff:ff:f0"}},"actions":{"config":{"forwarding-action":"openconfig-acl:DROP"}}}`
	rest := `{"sequence-id":9,"actions":{"config":{"forwarding-action":"DROP"}}}`
	policy := func(name, rate, burst, more string) string {
		return fmt.Sprintf(`{"scheduler-policies":{"scheduler-policy":[{"name":%q,"schedulers":{"scheduler":[{"sequence":1,"one-rate-two-color":{"config":{"cir":%q,"bc":%s},"exceed-action":{"config":{"drop":true}}}%s}]}}]}}`, name, rate, burst, more)
	}
	plainPorts := fmt.Sprintf(ports, "", "", "")
	for _, c := range []struct {
		name, key, why string
		a              answer
	}{
		{"list of VLANs", "circuit eth1.5", "matches by single-tagged-list", answer{interfaces: []byte(fmt.Sprintf(ports, "", `,"openconfig-vlan:vlan":{"match":{"single-tagged-list":{"config":{"vlan-ids":[1,2]}}}}`, ""))}},
		{"two matches", "circuit eth1.5", "in two ways", answer{interfaces: []byte(fmt.Sprintf(ports, "", `,"vlan":{"match":{"single-tagged":{"config":{"vlan-id":1}},"double-tagged":{"config":{"outer-vlan-id":2,"inner-vlan-id":3}}}}`, ""))}},
		{"half a double tag", "circuit eth1.5", "do not exist", answer{interfaces: []byte(fmt.Sprintf(ports, "", `,"vlan":{"match":{"double-tagged":{"config":{"outer-vlan-id":2}}}}`, ""))}},
		{"rewriting", "circuit eth1.5", "egress-mapping", answer{interfaces: []byte(fmt.Sprintf(ports, "", `,"vlan":{"egress-mapping":{"config":{"vlan-stack-action":"PUSH"}}}`, ""))}},
		{"own ethertype", "circuit eth1.5", "TPID_0X88A8 of its own", answer{interfaces: []byte(strings.Replace(plainPorts, `{"index":5}`, `{"index":5,"ixagent-openconfig-ext:tpid":"openconfig-vlan-types:TPID_0X88A8"}`, 1))}},
		{"routed", "circuit eth1.5", "IP addresses", answer{interfaces: []byte(fmt.Sprintf(ports, "", `,"openconfig-if-ip:ipv4":{"addresses":{"address":[{"ip":"192.0.2.1"}]}}`, ""))}},
		{"trunk", "interface eth1", "TRUNK port", answer{interfaces: []byte(fmt.Sprintf(ports, "", "", `,"ethernet":{"switched-vlan":{"config":{"interface-mode":"TRUNK"}}}`))}},
		{"strange ethertype", "interface eth1", "TPID_ANY", answer{interfaces: []byte(fmt.Sprintf(ports, `,"tpid":"oc-vlan-types:TPID_ANY"`, "", ""))}},
		{"LAG without type", "lag eth1", "lag-type", answer{interfaces: []byte(strings.Replace(plainPorts, "ethernetCsmacd", "ieee8023adLag", 1) + "")}},
		{"named otherwise", "circuit eth1.5", "named other", answer{interfaces: []byte(plainPorts), instances: []byte(fmt.Sprintf(instance, "", fmt.Sprintf(point, "other", local)))}},
		{"two ends of one point", "circuit eth1.5", "other ends", answer{interfaces: []byte(plainPorts), instances: []byte(fmt.Sprintf(instance, "", fmt.Sprintf(point, "eth1.5", local+`,{"endpoint-id":"b","config":{"type":"REMOTE"}}`)))}},
		{"backup tunnel", "service ix-1", "no tunnel", answer{interfaces: []byte(plainPorts), instances: []byte(fmt.Sprintf(instance, "", fmt.Sprintf(point, "remote", `{"endpoint-id":"b","config":{"type":"REMOTE"}}`)))}},
		{"no learning", "service ix-1", "does not learn", answer{interfaces: []byte(plainPorts), instances: []byte(fmt.Sprintf(instance, "", `,"fdb":{"config":{"mac-learning":false}}`))}},
		{"filter without control entry", "filter ix-f", "control protocols", answer{interfaces: []byte(plainPorts), acl: []byte(entries(rest, strings.Replace(rest, "9", "10", 1)))}},
		{"filter by ethertype", "filter ix-f", "entry 5", answer{interfaces: []byte(plainPorts), acl: []byte(entries(control, `{"sequence-id":5,"l2":{"config":{"source-mac":"02:00:00:00:00:01","ethertype":2048}},"actions":{"config":{"forwarding-action":"ACCEPT"}}}`, rest))}},
		{"filter that permits the rest", "filter ix-f", "permits the rest", answer{interfaces: []byte(plainPorts), acl: []byte(entries(control, `{"sequence-id":5,"l2":{"config":{"source-mac":"02:00:00:00:00:01"}},"actions":{"config":{"forwarding-action":"ACCEPT"}}}`, strings.Replace(rest, "DROP", "ACCEPT", 1)))}},
		{"policer of another rate", "policer ix-rate-1000000k", "its rate is 5", answer{interfaces: []byte(plainPorts), qos: []byte(policy("ix-rate-1000000k", "5", "1250000", ""))}},
		{"policer of another burst", "policer ix-rate-1000000k", "its burst is 7", answer{interfaces: []byte(plainPorts), qos: []byte(policy("ix-rate-1000000k", "1000000000", "7", ""))}},
		{"policer of somebody else", "policer gold", "not named after a rate", answer{interfaces: []byte(plainPorts), qos: []byte(policy("gold", "5", "7", ""))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			caps := profile(t, "ixlab")
			s, _, err := parse(c.a, &caps)
			if c.key == "lag eth1" { // it is the only interface
				c.a.interfaces = bytes.Replace(c.a.interfaces, []byte(`[{"name"`), []byte(`[{"name":"eth2"},{"name"`), 1)
				s, _, err = parse(c.a, &caps)
			}
			if err != nil {
				t.Fatal(err)
			}
			k, err := switchcfg.ParseKey(c.key)
			if err != nil {
				t.Fatal(err)
			}
			o, ok := s[k].(*switchcfg.Opaque)
			if !ok || !strings.Contains(o.Why, c.why) || len(o.Text) == 0 {
				t.Fatalf("got %T of\n%s\nwant %s opaque because %q", s[k], s.AppendText(nil), c.key, c.why)
			}
		})
	}
}

func TestWhatIsNoObjectIsNotReported(t *testing.T) {
	caps := profile(t, "ixlab")
	s, ports, err := parse(answer{
		interfaces: []byte(`{"openconfig-interfaces:interface":[
			{"name":"eth1","config":{"name":"eth1","type":"iana-if-type:ethernetCsmacd","enabled":true,"openconfig-vlan:tpid":"openconfig-vlan-types:TPID_0X8100","mtu":9000},
			 "hold-time":{"config":{"up":0}},"subinterfaces":{"subinterface":[{"index":0,"config":{"index":0,"enabled":true},"openconfig-if-ip:ipv6":{"config":{"enabled":false}}}]}},
			{"name":"lo0","config":{"name":"lo0","type":"iana-if-type:softwareLoopback","description":"router id"}}]}`),
		instances: []byte(`{"network-instance":[{"name":"default","config":{"name":"default","type":"openconfig-network-instance-types:DEFAULT_INSTANCE"}}]}`),
		acl:       []byte(`{"acl-sets":{"acl-set":[{"name":"mgmt","type":"openconfig-acl:ACL_IPV4"}]}}`),
	}, &caps)
	if err != nil || len(s) != 0 || !slices.Equal(ports, []string{"eth1"}) {
		t.Fatalf("ports %v, error %v, state:\n%s", ports, err, s.AppendText(nil))
	}
}

func TestTheSameThingTwiceIsAnError(t *testing.T) {
	caps := profile(t, "ixlab")
	for _, interfaces := range []string{
		`{"interface":[{"name":"eth1"},{"name":"eth1"}]}`,
		`{"interface":[{"name":"eth1","subinterfaces":{"subinterface":[{"index":1},{"index":1}]}}]}`,
		`{"interface":[{"config":{"description":"no name"}}]}`,
		`{"interface":[]}`,
		`{}`,
		`[]`,
		`null`,
		`{"interface":[{"name":"eth1"}]} {}`,
	} {
		if s, _, err := parse(answer{interfaces: []byte(interfaces)}, &caps); err == nil {
			t.Errorf("%s gives %d objects", interfaces, len(s))
		}
	}
}

func FuzzParse(f *testing.F) {
	caps := profile(f, "ixlab")
	s := make(switchcfg.State)
	s.Put(sampleObjects()...)
	_, a := made(f, &caps, s)
	f.Add(a.interfaces, a.lacp, a.instances, a.acl, a.qos)
	f.Add([]byte(`{"interface":[{"name":"\u0065th1","config":{"description":"\ud800 é"}}]}`), []byte(`{}`), []byte(`{"network-instance":[{"name":"ix-"}]}`), []byte(`{}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, interfaces, lacp, instances, acl, qos []byte) {
		a := answer{interfaces, lacp, instances, acl, qos}
		s, _, err := parse(a, &caps)
		if err != nil {
			return
		}
		for _, v := range []*[]byte{&a.interfaces, &a.lacp, &a.instances, &a.acl, &a.qos} {
			if *v != nil && !json.Valid(*v) {
				t.Fatalf("%q is believed", *v)
			}
		}
		again, _, err := parse(a, &caps)
		if err != nil || !bytes.Equal(s.AppendText(nil), again.AppendText(nil)) {
			t.Fatalf("two readings differ: %v", err)
		}
		// What is understood can be rendered and comes back the same.
		for k, o := range s {
			if carry(&caps, o) != nil || switchcfg.Validate(o) != nil {
				delete(s, k)
			}
		}
		if _, err := render(&caps, plan.Diff(nil, s)); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzOper(f *testing.F) {
	a := operational()
	f.Add(a.interfaces, a.lacp, a.instances, a.acl)
	f.Fuzz(func(t *testing.T, interfaces, lacp, instances, acl []byte) {
		a := answer{interfaces: interfaces, lacp: lacp, instances: instances, acl: acl}
		got, err := parseOper(a)
		if err != nil {
			return
		}
		for _, v := range [][]byte{interfaces, lacp, instances, acl} {
			if v != nil && !json.Valid(v) {
				t.Fatalf("%q is believed", v)
			}
		}
		if again, err := parseOper(a); err != nil || !cmp.Equal(got, again) {
			t.Fatalf("two readings differ: %v", err)
		}
	})
}

func TestSequencesStayWithTheirSource(t *testing.T) {
	numbers := func(f *switchcfg.Filter) map[switchcfg.MAC]uint32 {
		out := make(map[switchcfg.MAC]uint32)
		sequences(f, func(seq uint32, m switchcfg.MAC) { out[m] = seq })
		return out
	}
	a, b, c := switchcfg.MAC{2, 0, 0, 0, 0, 1}, switchcfg.MAC{2, 0, 0, 0, 0, 2}, switchcfg.MAC{4, 0, 0, 0, 0, 1}
	all := numbers(&switchcfg.Filter{Sources: []switchcfg.MAC{a, b, c}})
	if len(all) != 3 || all[a] == all[c] || all[a] == all[b] {
		t.Errorf("not three numbers: %v", all)
	}
	if got := numbers(&switchcfg.Filter{Sources: []switchcfg.MAC{b}}); got[b] != 1002 {
		t.Errorf("%v", got)
	}
}
