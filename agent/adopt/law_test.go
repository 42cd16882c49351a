package adopt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// registry has one driver with two kinds of device.
func registry() drivers.Registry {
	all := drivers.Capabilities{
		Forms: []switchcfg.Form{switchcfg.Untagged, switchcfg.Single, switchcfg.Double}, TPIDs: switchcfg.TPIDs(), TPIDScope: drivers.CircuitScope,
		Services: []switchcfg.ServiceType{switchcfg.ServiceLAN, switchcfg.ServiceLine, switchcfg.ServiceTree},
		LACP:     true, VLANTags: true, ServiceMTU: true, VXLAN: true, Filters: true, RateIn: true, RateOut: true, StormControl: true,
	}
	vlans := all
	vlans.ServiceVLAN, vlans.UntaggedUnit, vlans.ServiceMTU = true, 4095, false
	return drivers.Registry{"test": {Name: "test", Transport: "gnmi", DefaultPort: 9339, Profiles: []drivers.Profile{{Name: "all", Capabilities: all}, {Name: "vlans", Capabilities: vlans}}}}
}

// base is what an operator says before anything is found, of devices sw1 and sw2.
const base = `
sources: [{name: exchange, type: file, path: records}]
credentials: {lab: {username: ixagent, password: "env:IXAGENT_PASSWORD"}}
inventory:
  devices:
    - {name: sw1, driver: test, address: 192.0.2.1, credentials: lab}
    - {name: sw2, driver: test, profile: vlans, address: 192.0.2.2, credentials: lab}
`

func parse(t rapid.TB, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("ixagent.yaml", []byte(text), nil, registry())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

type records map[ixapi.Collection][]map[string]any

func (r records) add(c ixapi.Collection, record map[string]any) { r[c] = append(r[c], record) }

func (r records) decode(t rapid.TB) (*ixapi.Records, []ixapi.RecordFault) {
	t.Helper()
	raw := make(map[ixapi.Collection]ixapi.Raw)
	for _, c := range ixapi.Collections() {
		raw[c] = ixapi.Raw{[]byte("[]")}
	}
	for c, list := range r {
		b, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		raw[c] = ixapi.Raw{b}
	}
	out, faults, err := ixapi.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	return out, faults
}

// world is an exchange that was configured by hand.
type world struct {
	records records
	truth   string                            // the inventory that it has, if anybody had written it down
	hand    map[string]switchcfg.State        // what its switches carry
	foreign map[string]switchcfg.State        // and what of it is nobody's business
	real    map[string]map[switchcfg.Key]bool // where they differ from what is sold
	named   map[string]bool                   // devices whose ports are called at the exchange as they are
}

func drawWorld(t *rapid.T) *world {
	w := &world{
		records: records{}, hand: make(map[string]switchcfg.State), foreign: make(map[string]switchcfg.State),
		real: make(map[string]map[switchcfg.Key]bool), named: make(map[string]bool),
	}
	w.records.add(ixapi.NetworkServices, map[string]any{"id": "lan", "type": "exchange_lan", "state": "production", "name": "Peering"})
	w.records.add(ixapi.NetworkServices, map[string]any{"id": "group", "type": "mp2mp_vc", "state": "production"})
	lines := rapid.IntRange(0, 2).Draw(t, "lines")
	for i := range lines {
		w.records.add(ixapi.NetworkServices, map[string]any{"id": fmt.Sprint("line", i), "type": "p2p_vc", "state": "production"})
	}
	var y yaml
	y.line(0, "sources: [{name: exchange, type: file, path: records}]")
	y.line(0, "credentials: {lab: {username: ixagent, password: \"env:IXAGENT_PASSWORD\"}}")
	y.line(0, "inventory:")
	y.line(1, "fabric: {type: vxlan}")
	y.line(1, "storm_control: 5000")
	y.line(1, "exchange_lans: [{network_service: lan, name: IXP-LAN, vlan: 77, vni: 70077, quarantine: {name: IXP-QUARANTINE, vlan: 78, vni: 70078}}]")
	y.line(1, "services:")
	y.line(2, "- {network_service: group, name: CLOSED, vlan: 301, vni: 70301}")
	for i := range lines {
		y.line(2, "- {network_service: line%d, name: A-B-%d, vlan: %d, vni: %d}", i, i, 310+i, 70310+i)
	}
	y.line(1, "devices:")
	macs := 0
	var ends []string
	for d, name := range []string{"sw1", "sw2"} {
		w.named[name] = rapid.Bool().Draw(t, name+" is named")
		y.line(2, "- name: %s", name)
		y.line(3, "driver: test\n      profile: %s\n      address: 192.0.2.%d\n      credentials: lab\n      adopt: true\n      mtu: 9100", []string{"all", "vlans"}[d], d+1)
		y.line(3, "tunnel_address: 198.51.100.%d", d+1)
		var lags, units, ports []string
		n := 0
		for c := range rapid.IntRange(1, 4).Draw(t, name+" connections") {
			id := fmt.Sprintf("conn-%s-%d", name, c)
			size := rapid.IntRange(1, 3).Draw(t, id+" ports")
			mode := "standalone"
			parent := ""
			if size > 1 {
				mode = rapid.SampledFrom([]string{"lag_lacp", "lag_static"}).Draw(t, id+" mode")
				number := 10*c + rapid.IntRange(2, 9).Draw(t, id+" number")
				lags = append(lags, fmt.Sprintf("{connection: %s, number: %d}", id, number))
				parent = fmt.Sprintf("Port-Channel%d", number)
			}
			var ids []string
			for range size {
				n++
				p := fmt.Sprintf("demarc-%s-%d", name, n)
				place := fmt.Sprintf("Ethernet%d", n)
				called := fmt.Sprintf("panel %c, %d", 'A'+d, n)
				if w.named[name] {
					called = rapid.SampledFrom([]string{place, fmt.Sprintf("Et%d", n)}).Draw(t, p+" name")
				}
				w.records.add(ixapi.Ports, map[string]any{"id": p, "name": called, "device": name, "state": "production"})
				ports = append(ports, fmt.Sprintf("{id: %s, interface: %s}", p, place))
				ids = append(ids, p)
				if mode == "standalone" {
					parent = place
				}
			}
			w.records.add(ixapi.Connections, map[string]any{
				"id": id, "state": "production", "mode": mode, "ports": ids, "consuming_account": "acct-" + id, "lacp_timeout": "slow",
				"vlan_types": []string{"port", "dot1q", "qinq"}, "outer_vlan_ethertypes": []string{"0x8100", "0x88a8", "0x9100"},
			})
			config := func(kind, service string, vlan map[string]any) map[string]any {
				x := map[string]any{
					"id": fmt.Sprintf("%s-in-%s", id, service), "type": kind, "state": "production", "network_service": service, "connection": id,
					"vlan_config": vlan, "consuming_account": "acct-" + id,
				}
				w.records.add(ixapi.NetworkServiceConfigs, x)
				if rapid.IntRange(0, 3).Draw(t, id+" unit") == 0 {
					units = append(units, fmt.Sprintf("{network_service_config: %s, interface: %s, unit: %d}", x["id"], parent, 4200+len(units)))
				}
				return x
			}
			macs++
			mac := fmt.Sprintf("mac%d", macs)
			w.records.add(ixapi.MACs, map[string]any{"id": mac, "address": fmt.Sprintf("02:00:00:00:00:%02x", macs)})
			config("exchange_lan", "lan", map[string]any{"vlan_type": "dot1q", "vlan": rapid.IntRange(100, 103).Draw(t, id+" vlan"), "vlan_ethertype": "0x8100"})["macs"] = []string{mac}
			if rapid.Bool().Draw(t, id+" in group") {
				config("mp2mp_vc", "group", map[string]any{"vlan_type": "qinq", "outer_vlan": 200, "inner_vlan": 1 + macs, "outer_vlan_ethertype": "0x88a8"})
			}
			ends = append(ends, id)
			if i := len(ends) - 1; i < 2*lines {
				x := config("p2p_vc", fmt.Sprint("line", i/2), map[string]any{"vlan_type": "dot1q", "vlan": 500 + i, "vlan_ethertype": "0x8100"})
				if rapid.Bool().Draw(t, id+" limited") {
					x["capacity"] = 100
				}
			}
		}
		y.line(3, "lags: {prefix: Port-Channel, range: 500-599, numbers: [%s]}", strings.Join(lags, ", "))
		y.line(3, "units: [%s]", strings.Join(units, ", "))
		y.line(3, "ports: [%s]", strings.Join(ports, ", "))
	}
	w.truth = string(y.bytes())
	w.configure(t)
	return w
}

// configure makes the switches what somebody has made them by hand.
func (w *world) configure(t *rapid.T) {
	c := parse(t, w.truth)
	list, faults := w.records.decode(t)
	compiler := compile.New(&c.Inventory, c.Policy, compile.NewAllocations(nil, compile.Cooling))
	compiler.Set(list, faults, noon)
	for _, d := range c.Inventory.Devices {
		s, real := make(switchcfg.State), make(map[switchcfg.Key]bool)
		for _, o := range compiler.Intent(d.Name).State {
			s.Put(unmarked(o))
		}
		foreign := make(switchcfg.State)
		foreign.Put(
			&switchcfg.Interface{Name: "Ethernet49", Description: "uplink to spine 1", MTU: 9216},
			&switchcfg.Interface{Name: "Ethernet50", Description: "to the other side"},
			&switchcfg.LAG{Name: "Port-Channel1", Description: "core", Members: []string{"Ethernet50"}, Mode: switchcfg.ModeLACP, Rate: switchcfg.RateFast},
			&switchcfg.Service{Name: "office", Type: switchcfg.ServiceLAN, VLAN: 900},
			&switchcfg.Circuit{Parent: "Port-Channel1", Unit: 900, Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, 900), Service: "office"},
			&switchcfg.Interface{Name: "Ethernet40", Description: "left last year"},
			&switchcfg.Circuit{Parent: "Ethernet40", Unit: 666, Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, 666), Service: "office"},
		)
		for _, o := range foreign {
			s.Put(o)
		}
		w.spoil(t, d.Name, s, real)
		w.hand[d.Name], w.foreign[d.Name], w.real[d.Name] = s, foreign, real
	}
}

// unmarked returns an object as a person would have made it.
func unmarked(o switchcfg.Object) switchcfg.Object {
	byHand := func(name string) string { return strings.Replace(name, switchcfg.Prefix, "acl-", 1) }
	switch o := o.(type) {
	case *switchcfg.Interface:
		x := *o
		x.Description = "member"
		return &x
	case *switchcfg.LAG:
		x := *o
		x.Description = ""
		return &x
	case *switchcfg.Circuit:
		x := *o
		x.Description, x.Filter = "their VLAN", byHand(o.Filter)
		return &x
	case *switchcfg.Service:
		x := *o
		x.Description = ""
		return &x
	case *switchcfg.Filter:
		x := *o
		x.Name = byHand(o.Name)
		return &x
	}
	return o
}

// spoil makes the switch differ from what is sold: a cable of a LAG is in the wrong port, and a circuit is missing.
func (w *world) spoil(t *rapid.T, device string, s switchcfg.State, real map[switchcfg.Key]bool) {
	if !w.named[device] {
		return
	}
	closed := 0
	for _, o := range s {
		if c, ok := o.(*switchcfg.Circuit); ok && c.Service == "CLOSED" {
			closed++
		}
	}
	for _, k := range s.Keys() {
		switch o := s[k].(type) {
		case *switchcfg.LAG:
			if len(o.Members) < 2 || o.Name == "Port-Channel1" || !rapid.Bool().Draw(t, k.String()+" is miscabled") {
				continue
			}
			x := *o
			x.Members = slices.Clone(o.Members)
			was := switchcfg.Key{Kind: switchcfg.KindInterface, Name: x.Members[1]}
			x.Members[1] = "Ethernet30"
			slices.SortFunc(x.Members, switchcfg.CompareNames)
			delete(s, was)
			s.Put(&x, &switchcfg.Interface{Name: "Ethernet30", Description: "member"})
			real[k], real[was] = true, true
			return
		case *switchcfg.Circuit:
			if o.Service == "CLOSED" && closed > 1 && rapid.Bool().Draw(t, k.String()+" is missing") {
				delete(s, k)
				closed--
				k.Unit = uint32(o.Match.Outer)*10000 + uint32(o.Match.Inner) + 100_000_000 // nothing is left of another one
				real[k] = true
			}
		}
	}
}

func (w *world) input(t rapid.TB) Input {
	list, faults := w.records.decode(t)
	in := Input{
		Config: parse(t, base), Path: "ixagent.yaml", Text: []byte(base), Drivers: registry(), Records: list, Faults: faults,
		Switches: make(map[string]Switch), Now: noon,
	}
	var names []string
	for n := range 52 {
		names = append(names, fmt.Sprintf("Ethernet%d", n+1))
	}
	for name, s := range w.hand {
		in.Switches[name] = Switch{State: s, Ports: names}
	}
	return in
}

// What was configured by hand, in whatever way, is found as it is: the first plan has the marks and the real differences,
// what is nobody's business is out of scope, and after it there is nothing to do.
func TestFirstPlanHasOnlyRealDifferences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		in := w.input(t)
		a, err := Find(in)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Find(in)
		if err != nil || !bytes.Equal(a.Inventory, again.Inventory) || !bytes.Equal(a.Report.AppendText(nil), again.Report.AppendText(nil)) {
			t.Fatalf("it is found in another way the second time: %v", err)
		}
		list, faults := w.records.decode(t)
		compiler := compile.New(&a.Config.Inventory, a.Config.Policy, compile.NewAllocations(nil, compile.Cooling))
		compiler.Set(list, faults, noon)
		for _, d := range a.Config.Inventory.Devices {
			observed := w.hand[d.Name]
			for k := range w.foreign[d.Name] {
				if d.Scope().Covers(k) {
					t.Errorf("%s: %s is given to the agent", d.Name, k)
				}
			}
			whole := w.named[d.Name] && w.named["sw1"] && w.named["sw2"]
			if whole && !a.Report.Fits() {
				t.Errorf("%s: a person has to decide:\n%s", d.Name, a.Report.AppendText(nil))
			}
			intent := compiler.Intent(d.Name)
			p := plan.Build(plan.Input{Device: d.Name, Observed: observed, Intent: *intent, Scope: d.Scope()})
			for _, c := range p.Changes {
				if c.Key.Kind == switchcfg.KindFilter && c.Before == nil || w.real[d.Name][c.Key] || !whole && c.Key.Kind == switchcfg.KindService {
					continue
				}
				if c.Before == nil || c.After == nil {
					t.Errorf("%s: %s %s\n%s\n%s", d.Name, c.Verb, c.Key, a.Report.AppendText(nil), a.Inventory)
					continue
				}
				if is, sold := differences(asMarked(c.Before, c.After, observed, intent.State), c.After); len(is)+len(sold) > 0 {
					t.Errorf("%s: %s is said to differ: %q %q\n%s", d.Name, c.Key, is, sold, a.Inventory)
				}
			}
			for _, x := range p.Withheld {
				if !whole && x.Key.Kind == switchcfg.KindPolicer {
					continue // of a circuit whose place is for a person to decide
				}
				t.Errorf("%s: withheld %+v", d.Name, x)
			}
			for k := range w.real[d.Name] {
				if !slices.ContainsFunc(p.Changes, func(c plan.Change) bool { return c.Key == k }) {
					t.Errorf("%s: %s differs, and the plan does not say so", d.Name, k)
				}
			}
			after, err := plan.Apply(observed, p.Changes)
			if err != nil {
				t.Fatal(err)
			}
			if second := plan.Build(plan.Input{Device: d.Name, Observed: after, Intent: *intent, Scope: d.Scope()}); len(second.Changes) > 0 || whole && !second.Empty() {
				t.Errorf("%s: second plan\n%s", d.Name, second.AppendText(nil))
			}
		}
	})
}

// Whatever the switches carry and however it is called, nothing is a place of two ports.
func TestNoPlaceIsTakenTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		// Descriptions and names that point to each other's ports, and addresses that moved.
		for _, device := range []string{"sw1", "sw2"} {
			s := w.hand[device]
			for _, k := range s.Keys() {
				if i, ok := s[k].(*switchcfg.Interface); ok && rapid.Bool().Draw(t, k.String()) {
					x := *i
					x.Description = fmt.Sprintf("cable of demarc-%s-%d", device, rapid.IntRange(1, 9).Draw(t, "port"))
					s.Put(&x)
				}
			}
		}
		for _, p := range w.records[ixapi.Ports] {
			if rapid.IntRange(0, 2).Draw(t, "renamed") == 0 {
				p["name"] = fmt.Sprintf("Ethernet%d", rapid.IntRange(1, 9).Draw(t, "name"))
			}
		}
		in := w.input(t)
		a, err := Find(in)
		if err != nil {
			t.Fatal(err) // two that are the same would not pass the check
		}
		for _, d := range a.Config.Inventory.Devices {
			for _, p := range d.Ports {
				if !slices.Contains(in.Switches[d.Name].Ports, p.Interface) {
					t.Errorf("%s has no port %q", d.Name, p.Interface)
				}
			}
			for k := range w.foreign[d.Name] {
				if k.Kind != switchcfg.KindInterface && d.Scope().Covers(k) && k.Name != "Ethernet40" {
					t.Errorf("%s: %s is given to the agent", d.Name, k)
				}
			}
		}
	})
}

// Ids and names that others chose become values and comments, and nothing else.
func TestForeignTextIsNeverStructure(t *testing.T) {
	hostile := rapid.OneOf(rapid.SampledFrom([]string{
		"a\nports: []", "]}", "# x", "- {id: 1}", "'", `"`, `\`, "x: y", "&a", "*a", "!!binary", "\u2028", "\u0085", "%", "@", "`", "true", "0x10", "1e3", "~", "\x00", "ä", "😀", " a ", "{{", "\xff",
	}), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		rename := make(map[string]string)
		taken := make(map[string]bool)
		for _, c := range []ixapi.Collection{ixapi.Ports, ixapi.Connections, ixapi.NetworkServices, ixapi.NetworkServiceConfigs} {
			for _, r := range w.records[c] {
				if id := hostile.Draw(t, "id"); id != "" && !taken[id] && rapid.Bool().Draw(t, "hostile") {
					rename[r["id"].(string)], taken[id] = id, true
					r["id"] = id
				}
				if c == ixapi.Ports {
					r["name"] = hostile.Draw(t, "name")
				}
			}
		}
		to := func(id any) any {
			if x, ok := rename[id.(string)]; ok {
				return x
			}
			return id
		}
		for _, r := range w.records[ixapi.Connections] {
			for i, p := range r["ports"].([]string) {
				r["ports"].([]string)[i] = to(p).(string)
			}
		}
		for _, r := range w.records[ixapi.NetworkServiceConfigs] {
			r["connection"], r["network_service"] = to(r["connection"]), to(r["network_service"])
		}
		for _, s := range w.hand {
			for _, k := range s.Keys() {
				if i, ok := s[k].(*switchcfg.Interface); ok {
					x := *i
					x.Description = hostile.Draw(t, "description")
					s.Put(&x)
				}
			}
		}
		in := w.input(t)
		a, err := Find(in)
		if err != nil {
			t.Fatal(err)
		}
		ids := make(map[string]bool)
		for _, p := range in.Records.Ports {
			ids[p.ID] = true
		}
		for _, d := range a.Config.Inventory.Devices {
			for _, p := range d.Ports {
				if !ids[p.ID] {
					t.Errorf("port %q is none of the exchange's\n%s", p.ID, a.Inventory)
				}
			}
		}
		text := append(bytes.Clone(a.Inventory), a.Report.AppendText(nil)...)
		for _, r := range string(text) {
			if r != '\n' && (r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0xfeff) {
				t.Errorf("the text has %U", r)
			}
		}
	})
}

func TestQuotedTextIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.String().Draw(t, "id")
		if !writable(id) {
			return
		}
		text := strings.Replace(base, "credentials: lab}", "credentials: lab, site: "+quote(id)+"}", 1)
		c := parse(t, text)
		if got := c.Inventory.Devices[0].Site; got != id {
			t.Fatalf("%q is read as %q", id, got)
		}
	})
}

func TestSwitchThatWasNotReadEndsIt(t *testing.T) {
	in := Input{Config: parse(t, base), Path: "ixagent.yaml", Text: []byte(base), Drivers: registry(), Records: new(ixapi.Records), Switches: map[string]Switch{"sw1": {}}, Now: noon}
	if _, err := Find(in); err == nil || !strings.Contains(err.Error(), "sw2") {
		t.Errorf("error %v", err)
	}
}
