package adopt

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/switchcfg"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// market is a small exchange with all that can be wrong with one.
func market() *world {
	w := &world{records: records{}, hand: map[string]switchcfg.State{"sw1": {}, "sw2": {}}}
	w.records.add(ixapi.NetworkServices, map[string]any{"id": "lan", "type": "exchange_lan", "state": "production", "name": "Peering"})
	w.records.add(ixapi.NetworkServices, map[string]any{"id": "line", "type": "p2p_vc", "state": "production"})
	macs := 0
	member := func(device, id, mode string, vlan int, ports ...string) switchcfg.MAC {
		var ids []string
		for _, p := range ports {
			pid := fmt.Sprintf("port-%s-%d", id, len(ids)+1)
			w.records.add(ixapi.Ports, map[string]any{"id": pid, "name": p, "device": device, "state": "production"})
			ids = append(ids, pid)
		}
		w.records.add(ixapi.Connections, map[string]any{"id": id, "state": "production", "mode": mode, "ports": ids, "consuming_account": "as-" + id, "lacp_timeout": "fast", "vlan_types": []string{"dot1q"}})
		macs++
		mac := switchcfg.MAC{2, 0, 0, 0, 0, byte(macs)}
		w.records.add(ixapi.MACs, map[string]any{"id": fmt.Sprint("mac", macs), "address": mac.String()})
		w.records.add(ixapi.NetworkServiceConfigs, map[string]any{
			"id": "nsc-" + id, "type": "exchange_lan", "state": "production", "network_service": "lan", "connection": id, "consuming_account": "as-" + id,
			"vlan_config": map[string]any{"vlan_type": "dot1q", "vlan": vlan, "vlan_ethertype": "0x8100"}, "macs": []string{fmt.Sprint("mac", macs)},
		})
		return mac
	}
	line := func(id, connection string, vlan int) {
		w.records.add(ixapi.NetworkServiceConfigs, map[string]any{
			"id": id, "type": "p2p_vc", "state": "production", "network_service": "line", "connection": connection, "consuming_account": "as-" + connection,
			"vlan_config": map[string]any{"vlan_type": "dot1q", "vlan": vlan, "vlan_ethertype": "0x8100"},
		})
	}
	carry := func(device, parent string, unit uint32, vlan switchcfg.VLANID, service string, macs ...switchcfg.MAC) {
		c := &switchcfg.Circuit{Parent: parent, Unit: unit, Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, vlan), Service: service, Filter: "CONTROL"}
		w.hand[device].Put(&switchcfg.Filter{Name: "CONTROL", AnySource: true})
		if len(macs) > 0 {
			c.Filter = fmt.Sprintf("IN-%s-%d", parent, unit)
			w.hand[device].Put(&switchcfg.Filter{Name: c.Filter, Sources: macs})
		}
		w.hand[device].Put(c)
	}
	port := func(device, name, description string) {
		w.hand[device].Put(&switchcfg.Interface{Name: name, Description: description, MTU: 9100, StormControl: 5000})
	}
	lag := func(device, name, description string, members ...string) {
		w.hand[device].Put(&switchcfg.LAG{Name: name, Description: description, Members: members, Mode: switchcfg.ModeLACP, Rate: switchcfg.RateFast, MTU: 9100, StormControl: 5000})
		for _, m := range members {
			w.hand[device].Put(&switchcfg.Interface{Name: m, Description: "cable " + m, MTU: 9100})
		}
	}
	for i, d := range []string{"sw1", "sw2"} {
		peer := []netip.Addr{netip.AddrFrom4([4]byte{198, 51, 100, byte(2 - i)})}
		w.hand[d].Put(
			&switchcfg.Service{Name: "IXP", Type: switchcfg.ServiceLAN, VLAN: switchcfg.VLANID(7 * i), VNI: 70007, Peers: peer},
			&switchcfg.Service{Name: "XC-7", Type: switchcfg.ServiceLine, VLAN: switchcfg.VLANID(8 * i), VNI: 70008, Peers: peer},
			&switchcfg.Interface{Name: "Ethernet49", Description: "uplink"},
		)
	}

	// In good order, but for its odd numbers: a LAG with a line.
	a := member("sw1", "good", "lag_lacp", 100, "Ethernet1", "Ethernet2")
	lag("sw1", "Port-Channel17", "good people", "Ethernet1", "Ethernet2")
	carry("sw1", "Port-Channel17", 5, 100, "IXP", a)
	line("line-a", "good", 800)
	carry("sw1", "Port-Channel17", 800, 800, "XC-7")
	// A LAG one of whose cables is in another port than is sold.
	b := member("sw1", "miscabled", "lag_lacp", 100, "Ethernet3", "Ethernet4")
	lag("sw1", "Port-Channel3", "", "Ethernet3", "Ethernet9")
	carry("sw1", "Port-Channel3", 100, 100, "IXP", b)
	// The VLAN was changed at the exchange only.
	c := member("sw1", "moved", "standalone", 101, "Ethernet5")
	port("sw1", "Ethernet5", "moved")
	carry("sw1", "Ethernet5", 100, 100, "IXP", c)
	// Two members in each other's ports.
	d1, d2 := member("sw1", "swapped-1", "standalone", 100, "Ethernet6"), member("sw1", "swapped-2", "standalone", 100, "Ethernet7")
	port("sw1", "Ethernet6", "one")
	port("sw1", "Ethernet7", "other")
	carry("sw1", "Ethernet6", 100, 100, "IXP", d2)
	carry("sw1", "Ethernet7", 100, 100, "IXP", d1)
	// Somebody who left.
	port("sw1", "Ethernet8", "left in spring")
	carry("sw1", "Ethernet8", 100, 100, "IXP", switchcfg.MAC{2, 0, 0, 0, 1, 1})

	// Names that say nothing: found by addresses, by a description, and not at all.
	e := member("sw2", "unnamed", "standalone", 100, "rack 7 / 3")
	port("sw2", "Ethernet1", "xx")
	carry("sw2", "Ethernet1", 100, 100, "IXP", e)
	f := member("sw2", "guess", "lag_lacp", 100, "rack 7 / 4", "rack 7 / 5")
	lag("sw2", "Port-Channel9", "", "Ethernet2", "Ethernet3")
	carry("sw2", "Port-Channel9", 100, 100, "IXP", f)
	g := member("sw2", "described-1", "standalone", 100, "rack 7 / 6")
	port("sw2", "Ethernet4", "cust (port-described-1-1); ask Bea")
	carry("sw2", "Ethernet4", 100, 100, "IXP", g)
	line("line-b", "described-1", 800)
	carry("sw2", "Ethernet4", 800, 800, "XC-7")
	member("sw2", "nowhere", "standalone", 100, "rack 7 / 8")
	return w
}

func TestReportAndInventory(t *testing.T) {
	const golden = "testdata/market.txtar"
	in := market().input(t)
	a, err := Find(in)
	if err != nil {
		t.Fatal(err)
	}
	in.Guesses = true
	guessed, err := Find(in)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.MarshalIndent(a.Report, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got := txtar.Format(&txtar.Archive{
		Comment: []byte("What is found of an exchange with all that can be wrong with one.\n"),
		Files: []txtar.File{
			{Name: "report.txt", Data: a.Report.AppendText(nil)},
			{Name: "inventory.yaml", Data: a.Inventory},
			{Name: "report.json", Data: append(asJSON, '\n')},
			{Name: "with-guesses.txt", Data: guessed.Report.AppendText(nil)},
		},
	})
	if *update {
		if err := os.MkdirAll("testdata", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s", diff.Diff("want", want, "got", got))
	}
}

func TestWhatTheConfigurationSaysIsKept(t *testing.T) {
	in := market().input(t)
	text := strings.NewReplacer(
		"  devices:", "  storm_control: 1000\n  exchange_lans: [{network_service: lan, name: OTHER, vlan: 70, vni: 700, quarantine: {name: Q, vlan: 71, vni: 701}}]\n  devices:",
		"address: 192.0.2.1,", "address: 192.0.2.1, site: fra1, timeout: 30s, mtu: 1500, capabilities: {max_unit: 4094, tpids: [\"0x8100\"]}, lags: {prefix: Port-Channel, range: 30-39, numbers: [{connection: miscabled, number: 77}]}, ports: [{id: port-swapped-1-1, interface: Ethernet7}],",
	).Replace(base)
	in.Config, in.Text = parse(t, text), []byte(text)
	a, err := Find(in)
	if err != nil {
		t.Fatal(err)
	}
	d, _ := a.Config.Inventory.Device("sw1")
	lan, _ := a.Config.Inventory.ExchangeLAN("lan")
	at, _ := a.Config.Inventory.Attachment(&ixapi.Port{ID: "port-swapped-1-1"})
	caps := d.Capabilities()
	if d.Site != "fra1" || d.MTU != 1500 || d.Timeout.String() != "30s" || d.LAGs.Range.String() != "30-39" || d.LAGOwner(77) != "miscabled" || caps.Limits.MaxUnit != 4094 || len(caps.TPIDs) != 1 ||
		lan.Name != "OTHER" || lan.VNI != 700 || at.Port == nil || at.Port.Interface != "Ethernet7" || a.Config.Inventory.StormControl != 1000 {
		t.Errorf("%s", a.Inventory)
	}
}

func TestDescriptionNamesAnIDOnlyAsAWord(t *testing.T) {
	for _, c := range []struct {
		text, id string
		want     bool
	}{
		{"cust (port-7-1); ask Bea", "port-7-1", true},
		{"PORT-7-1", "port-7-1", true},
		{"port-7-12", "port-7-1", false},
		{"xport-7-1", "port-7-1", false},
		{"port-7-12 port-7-1", "port-7-1", true},
		{"", "port-7-1", false},
	} {
		if got := mentions(c.text, c.id); got != c.want {
			t.Errorf("%q in %q: %t", c.id, c.text, got)
		}
	}
	for id, want := range map[string]bool{"17": false, "12345": false, "123456": true, "peering": false, "p-17": true, "p1": false} {
		if telling(id) != want {
			t.Errorf("%q tells: %t", id, !want)
		}
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{{"Et1", "Ethernet1", true}, {"Ethernet 1/2", "eth1/2", true}, {"Et1", "Ethernet11", false}, {"E1", "Ethernet1", false}, {"xe-0/0/0", "Ethernet0", false}} {
		if got := sameName(c.a, c.b); got != c.want {
			t.Errorf("%s is %s: %t", c.a, c.b, got)
		}
	}
}

// What the model cannot express stands in the way of what is sold at its place; nothing is put beside it that takes the
// same frames.
func TestCircuitThatIsNotUnderstoodHoldsWhatIsSold(t *testing.T) {
	w := market()
	odd := switchcfg.Key{Kind: switchcfg.KindCircuit, Name: "Port-Channel17", Unit: 5}
	w.hand["sw1"][odd] = &switchcfg.Opaque{At: odd, Why: "it has lines that are not understood", Text: []string{"qos trust cos"}}
	a, err := Find(w.input(t))
	if err != nil {
		t.Fatal(err)
	}
	d, _ := a.Config.Inventory.Device("sw1")
	if unit, ok := d.Unit("nsc-good", "Port-Channel17"); !ok || unit != 5 {
		t.Errorf("%s", a.Inventory)
	}
	text := string(a.Report.AppendText(nil))
	if strings.Contains(text, "Port-Channel17.100") || !strings.Contains(text, "circuit Port-Channel17.5 (nsc:nsc-good): conflict: what is configured there is not understood") {
		t.Errorf("%s", text)
	}
}

func TestProvidersSideIsFoundWithItsNumber(t *testing.T) {
	w := market()
	w.records.add(ixapi.ProductOfferings, map[string]any{"id": "po", "type": "cloud_vc", "service_provider": "Nimbus, Inc."})
	w.records.add(ixapi.NetworkServices, map[string]any{"id": "cloud", "type": "cloud_vc", "state": "production", "diversity": 1, "product_offering": "po"})
	w.records.add(ixapi.NetworkServiceConfigs, map[string]any{
		"id": "nsc-cloud", "type": "cloud_vc", "state": "production", "network_service": "cloud", "connection": "moved", "handover": 1, "cloud_vlan": 40,
		"vlan_config": map[string]any{"vlan_type": "dot1q", "vlan": 900, "vlan_ethertype": "0x8100"},
	})
	w.hand["sw1"].Put(
		&switchcfg.Service{Name: "NIMBUS-1", Type: switchcfg.ServiceLine},
		&switchcfg.Circuit{Parent: "Ethernet5", Unit: 900, Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, 900), Service: "NIMBUS-1", Filter: "CONTROL"},
		&switchcfg.Interface{Name: "Ethernet48", Description: "to Nimbus"},
		&switchcfg.Circuit{Parent: "Ethernet48", Unit: 3, Match: switchcfg.MatchSingle(switchcfg.TPIDService, 40), Service: "NIMBUS-1", Filter: "CONTROL"},
	)
	a, err := Find(w.input(t))
	if err != nil {
		t.Fatal(err)
	}
	d, _ := a.Config.Inventory.Device("sw1")
	if unit, ok := d.Unit("nsc-cloud", "Ethernet48"); !ok || unit != 3 || len(a.Config.Inventory.NNIs) != 1 || a.Config.Inventory.NNIs[0].ServiceProvider != "Nimbus, Inc." {
		t.Errorf("%s", a.Inventory)
	}
	if text := string(a.Report.AppendText(nil)); strings.Contains(text, "Ethernet48") || strings.Contains(text, "NIMBUS") {
		t.Errorf("%s", text)
	}
}

// A name at the exchange that is that of somebody else's port gives nothing of that to the agent.
func TestNameAloneTakesNothingThatIsInUseForSomethingElse(t *testing.T) {
	office := func(s switchcfg.State, parent string) {
		s.Put(&switchcfg.Service{Name: "office", Type: switchcfg.ServiceLAN, VLAN: 900},
			&switchcfg.Circuit{Parent: parent, Unit: 900, Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, 900), Service: "office"})
	}
	for _, c := range []struct {
		name, mode string
		ports      []string
		edit       func(switchcfg.State)
		place, why string
	}{
		{"a port with another's circuit", "standalone", []string{"Ethernet49"}, func(s switchcfg.State) { office(s, "Ethernet49") }, "Ethernet49", "it is called so, and carries what is not sold there"},
		{"a member of a LAG", "standalone", []string{"Ethernet50"}, func(switchcfg.State) {}, "Ethernet50", "it is a member of Port-Channel1, and sold as a single port"},
		{"a LAG with another's circuit", "lag_lacp", []string{"Ethernet50", "Ethernet51"}, func(s switchcfg.State) { office(s, "Port-Channel1") }, "Port-Channel1", "ports that are called so are in a LAG that carries what is not sold there"},
		{"a part of a LAG", "lag_lacp", []string{"Ethernet30", "Ethernet50"}, func(switchcfg.State) {}, "Port-Channel1", "ports that are called so are in a LAG with others, and nothing else speaks for it"},
	} {
		w := market()
		var ids []string
		for i, p := range c.ports {
			ids = append(ids, fmt.Sprint("port-new-", i))
			w.records.add(ixapi.Ports, map[string]any{"id": ids[i], "name": p, "device": "sw1", "state": "production"})
		}
		w.records.add(ixapi.Connections, map[string]any{"id": "new", "state": "production", "mode": c.mode, "ports": ids, "lacp_timeout": "slow"})
		w.records.add(ixapi.NetworkServiceConfigs, map[string]any{
			"id": "nsc-new", "type": "p2p_vc", "state": "production", "network_service": "line", "connection": "new",
			"vlan_config": map[string]any{"vlan_type": "dot1q", "vlan": 901, "vlan_ethertype": "0x8100"},
		})
		w.records[ixapi.NetworkServices][1]["id"] = "other-line"
		w.records.add(ixapi.NetworkServices, map[string]any{"id": "line", "type": "p2p_vc", "state": "production"})
		for _, n := range w.records[ixapi.NetworkServiceConfigs] {
			if n["network_service"] == "line" && n["id"] != "nsc-new" {
				n["network_service"] = "other-line"
			}
		}
		w.hand["sw1"].Put(&switchcfg.LAG{Name: "Port-Channel1", Description: "core", Members: []string{"Ethernet50", "Ethernet51"}, Mode: switchcfg.ModeLACP, Rate: switchcfg.RateFast})
		c.edit(w.hand["sw1"])
		a, err := Find(w.input(t))
		if err != nil {
			t.Fatal(err)
		}
		d, _ := a.Config.Inventory.Device("sw1")
		for _, k := range []switchcfg.Key{{Kind: switchcfg.KindInterface, Name: c.place}, {Kind: switchcfg.KindLAG, Name: c.place}} {
			if d.Scope().Covers(k) {
				t.Errorf("%s: %s is given to the agent", c.name, k)
			}
		}
		if text := string(a.Report.AppendText(nil)); !strings.Contains(text, c.why) {
			t.Errorf("%s: it does not say %q\n%s", c.name, c.why, text)
		}
	}
}

func TestDeviceThatWasNotLookedAtIsTold(t *testing.T) {
	w := market()
	w.records.add(ixapi.Ports, map[string]any{"id": "far-1", "name": "Ethernet1", "device": "sw9", "state": "production"})
	a, err := Find(w.input(t))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(a.Report.AppendText(nil)); strings.Count(text, "    device sw9: it is no switch of the configuration") != 1 {
		t.Errorf("%s", text)
	}
}

func TestTunnelAddressThatNothingTellsIsAskedFor(t *testing.T) {
	w := market()
	for _, s := range w.hand {
		for _, k := range s.Keys() {
			if o, ok := s[k].(*switchcfg.Service); ok {
				x := *o
				x.Peers = nil
				s.Put(&x)
			}
		}
	}
	_, err := Find(w.input(t))
	var hinted interface{ Hint() string }
	if err == nil || !errors.As(err, &hinted) || !strings.Contains(err.Error(), "sw1") || !strings.Contains(hinted.Hint(), "tunnel_address") {
		t.Errorf("error %v", err)
	}
}
