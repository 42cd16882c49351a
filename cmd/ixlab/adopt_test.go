package main

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/ixagent/ixagent/agent/adopt"
	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// A switch that was configured by hand, with odd numbers and a cable in the wrong port, is taken over: the members that
// were right lose no frame, and then there is nothing to do.
func TestMembersLoseNoFrameWhileTheirExchangeIsAdopted(t *testing.T) {
	for _, s := range systems() {
		if s.capabilities(t).PortVLANs {
			continue // it has no subinterfaces whose numbers could be odd
		}
		t.Run(s.name, func(t *testing.T) { adoption(t, newWired(t, s, 5)) })
	}
}

func adoption(t *testing.T, x *wired) {
	filter := func(name string, m frame.MAC) *switchcfg.Filter {
		return &switchcfg.Filter{Name: name, Sources: []switchcfg.MAC{switchcfg.MAC(m)}}
	}
	circuit := func(parent string, unit uint32, vlan switchcfg.VLANID, acl string) *switchcfg.Circuit {
		c := x.circuit(parent, unit, switchcfg.MatchSingle(switchcfg.TPIDCustomer, vlan), "IXP")
		c.Filter = acl
		return c
	}
	one, two := x.port(1, "rack 1 Mr Smith", switchcfg.TPIDCustomer), x.port(2, "xx", switchcfg.TPIDCustomer)
	m, wrong := x.port(3, "LAG of somebody", 0), x.port(5, "LAG of somebody", 0)
	m.TPID, wrong.TPID = 0, 0
	// The second cable of the LAG is in port 5, and port 4 is sold.
	lag := &switchcfg.LAG{Name: x.lag, Mode: switchcfg.ModeLACP, Rate: switchcfg.RateSlow, Members: []string{m.Name, wrong.Name}, TPID: x.portTPID(switchcfg.TPIDCustomer)}
	x.apply(x.service("IXP", switchcfg.ServiceLAN, 600), one, two, m, wrong, lag,
		filter("acl-1", alice), filter("acl-2", bob), filter("acl-3", carol),
		circuit(one.Name, 7, 100, "acl-1"), circuit(two.Name, 300, 300, "acl-2"), circuit(lag.Name, 9, 400, "acl-3"))

	in := x.sold([][]int{{1}, {2}, {3, 4}}, []int{100, 300, 400}, []frame.MAC{alice, bob, carol})
	a, err := adopt.Find(in)
	if err != nil {
		t.Fatal(err)
	}
	if !a.Report.Fits() {
		t.Errorf("%s", a.Report.AppendText(nil))
	}
	build := func() plan.Plan {
		compiler := compile.New(&a.Config.Inventory, a.Config.Policy, compile.NewAllocations(nil, compile.Cooling))
		compiler.Set(in.Records, nil, in.Now)
		d, _ := a.Config.Inventory.Device("sw1")
		observed, err := x.driver.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return plan.Build(plan.Input{Device: "sw1", Observed: observed, Intent: *compiler.Intent("sw1"), Scope: d.Scope(), Traits: x.caps.Traits})
	}
	p := build()
	for _, c := range p.Changes {
		if c.Disruption != plan.DisruptsNone && c.Key != lag.Key() {
			t.Errorf("%s %s disrupts %s", c.Verb, c.Key, c.Disruption)
		}
	}
	m1, m2 := x.station(1), x.station(2)
	stop := x.stream(m1, m2, 10, []frame.Tag{{TPID: frame.CTag, TCI: 100}}, []frame.Tag{{TPID: frame.CTag, TCI: 300}})
	came := func() uint64 {
		s, _ := x.plane.PortState(x.portName(1))
		return s.In.Frames
	}
	more := func(than uint64) { eventually(t, "frames are on their way", func() bool { return came() > than+50 }) }
	more(came())
	x.change(p.Changes)
	more(came())
	n := stop()
	if second := build(); !second.Empty() {
		t.Errorf("after it\n%s", second.AppendText(nil))
	}
	t.Logf("%d of %d frames passed beside %d changes\n%s", n, n, len(p.Changes), a.Report.AppendText(nil))
}

// sold returns what adoption is given of a switch on which each connection has some ports, by their numbers, and one VLAN
// of a peering LAN with one address.
func (x *wired) sold(connections [][]int, vlans []int, macs []frame.MAC) adopt.Input {
	records := map[ixapi.Collection][]map[string]any{
		ixapi.NetworkServices: {{"id": "lan", "type": "exchange_lan", "state": "production", "name": "Peering"}},
	}
	add := func(c ixapi.Collection, r map[string]any) { records[c] = append(records[c], r) }
	for i, ports := range connections {
		id, mode := fmt.Sprint("conn", i), "standalone"
		var ids []string
		for _, n := range ports {
			ids = append(ids, fmt.Sprint("port", n))
			add(ixapi.Ports, map[string]any{"id": fmt.Sprint("port", n), "name": x.portName(n), "device": "sw1", "state": "production"})
		}
		if len(ports) > 1 {
			mode = "lag_lacp"
		}
		add(ixapi.Connections, map[string]any{"id": id, "state": "production", "mode": mode, "ports": ids, "consuming_account": "as" + id, "outer_vlan_ethertypes": []string{"0x8100"}, "vlan_types": []string{"dot1q"}})
		add(ixapi.MACs, map[string]any{"id": fmt.Sprint("mac", i), "address": switchcfg.MAC(macs[i]).String()})
		add(ixapi.NetworkServiceConfigs, map[string]any{
			"id": "nsc" + id, "type": "exchange_lan", "state": "production", "network_service": "lan", "connection": id, "consuming_account": "as" + id,
			"vlan_config": map[string]any{"vlan_type": "dot1q", "vlan": vlans[i], "vlan_ethertype": "0x8100"}, "macs": []string{fmt.Sprint("mac", i)},
		})
	}
	raw := make(map[ixapi.Collection]ixapi.Raw)
	for _, c := range ixapi.Collections() {
		raw[c] = ixapi.Raw{[]byte("[]")}
		if list, ok := records[c]; ok {
			text, err := json.Marshal(list)
			if err != nil {
				x.t.Fatal(err)
			}
			raw[c] = ixapi.Raw{text}
		}
	}
	list, _, err := ixapi.Decode(raw)
	if err != nil {
		x.t.Fatal(err)
	}
	text := fmt.Sprintf(`
sources: [{name: exchange, type: file, path: records}]
credentials: {lab: {username: ixagent, password: "env:PASSWORD", ssh: {insecure_ignore_host_key: true}}}
inventory:
  devices: [{name: sw1, driver: %s, profile: %s, address: 192.0.2.1, credentials: lab}]
`, x.spec.Name, x.profile)
	known := drivers.Registry{x.spec.Name: x.spec}
	c, err := config.Parse("ixagent.yaml", []byte(text), nil, known)
	if err != nil {
		x.t.Fatal(err)
	}
	return adopt.Input{
		Config: c, Path: "ixagent.yaml", Text: []byte(text), Drivers: known, Records: list,
		Switches: map[string]adopt.Switch{"sw1": {State: x.state, Ports: x.ports(5)}}, Now: time.Now(),
	}
}
