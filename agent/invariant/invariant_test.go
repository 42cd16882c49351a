package invariant

import (
	"strings"
	"testing"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

const inventory = `
sources: [{name: x, type: file, path: .}]
credentials: {none: {username: x, password: "env:X"}}
inventory:
  storm_control: 1000
  exchange_lans: [{network_service: "1", name: peering, quarantine: {name: quarantine}}]
  devices: [{name: sw1, driver: memory, address: 192.0.2.1, credentials: none, ports: [{id: p1, interface: Ethernet1}, {id: p2, interface: Ethernet2}]}]
`

// rules are those of a switch that can do everything, but for what without takes away.
func rules(t *testing.T, without func(*drivers.Capabilities)) *Rules {
	t.Helper()
	spec := memory.Spec()
	if without != nil {
		without(&spec.Profiles[0].Capabilities)
	}
	c, err := config.Parse("test.yaml", []byte(inventory), nil, drivers.Registry{"memory": spec})
	if err != nil {
		t.Fatal(err)
	}
	return New(&c.Inventory, c.Inventory.Devices[0])
}

var (
	member   = switchcfg.MAC{2, 0, 0, 0, 0, 1}
	stranger = switchcfg.MAC{2, 0, 0, 0, 0, 2}
)

func tag(id string) string { return switchcfg.NewTag("nsc", id, "acct").String() }

// good has one member on the peering LAN and one in quarantine.
func good() switchcfg.State {
	s := make(switchcfg.State)
	s.Put(
		&switchcfg.Service{Name: "peering", Description: tag("lan"), Type: switchcfg.ServiceLAN},
		&switchcfg.Service{Name: "quarantine", Description: tag("lan"), Type: switchcfg.ServiceLAN},
		&switchcfg.Filter{Name: "ix-control", AnySource: true},
		&switchcfg.Filter{Name: "ix-Ethernet1.1", Sources: []switchcfg.MAC{member}},
		&switchcfg.Interface{Name: "Ethernet1", Description: tag("c1"), StormControl: 1000},
		&switchcfg.Interface{Name: "Ethernet2", Description: tag("c2"), StormControl: 1000},
		&switchcfg.Interface{Name: "Ethernet9", Description: "by hand"},
		&switchcfg.Circuit{Parent: "Ethernet1", Unit: 1, Description: tag("n1"), Service: "peering", Filter: "ix-Ethernet1.1"},
		&switchcfg.Circuit{Parent: "Ethernet2", Unit: 2, Description: tag("n2"), Service: "quarantine", Filter: "ix-Ethernet1.1"},
		&switchcfg.Circuit{Parent: "Ethernet9", Unit: 9, Description: "by hand", Service: "peering"},
	)
	return s
}

var first, second = switchcfg.Key{Kind: switchcfg.KindCircuit, Name: "Ethernet1", Unit: 1}, switchcfg.Key{Kind: switchcfg.KindCircuit, Name: "Ethernet2", Unit: 2}

func circuit(s switchcfg.State, change func(*switchcfg.Circuit)) {
	c := *s[first].(*switchcfg.Circuit)
	change(&c)
	s.Put(&c)
}

func names(all []Violation) string {
	var out []string
	for _, v := range all {
		out = append(out, string(v.Invariant)+" "+v.Key.String())
	}
	return strings.Join(out, ", ")
}

func TestConfigurationKeepsTheInvariantsOrIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		spoil   func(switchcfg.State)
		without func(*drivers.Capabilities)
		want    string
	}{
		"in good order": {func(switchcfg.State) {}, nil, ""},
		"no filter": {
			func(s switchcfg.State) { circuit(s, func(c *switchcfg.Circuit) { c.Filter = "" }) }, nil, "control_protocols circuit Ethernet1.1",
		},
		"a filter that is not there": {
			func(s switchcfg.State) { circuit(s, func(c *switchcfg.Circuit) { c.Filter = "ix-x" }) }, nil, "control_protocols circuit Ethernet1.1",
		},
		"any address on a peering LAN": {
			func(s switchcfg.State) { circuit(s, func(c *switchcfg.Circuit) { c.Filter = "ix-control" }) }, nil, "registered_addresses circuit Ethernet1.1",
		},
		"any address elsewhere": {
			func(s switchcfg.State) {
				circuit(s, func(c *switchcfg.Circuit) { c.Filter, c.Service = "ix-control", "ix-line" })
			}, nil, "",
		},
		"no storm control": {
			func(s switchcfg.State) { s.Put(&switchcfg.Interface{Name: "Ethernet1", Description: tag("c1")}) }, nil, "storm_control circuit Ethernet1.1",
		},
		"no storm control on a switch that has none": {
			func(s switchcfg.State) { s.Put(&switchcfg.Interface{Name: "Ethernet1", Description: tag("c1")}) },
			func(c *drivers.Capabilities) { c.StormControl = false }, "",
		},
		"no filter on a switch that has none": {
			func(s switchcfg.State) { circuit(s, func(c *switchcfg.Circuit) { c.Filter = "" }) },
			func(c *drivers.Capabilities) { c.Filters = false }, "",
		},
	} {
		s, r := good(), rules(t, c.without)
		c.spoil(s)
		if got := names(r.Configured(s)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		// What is found on a switch is withheld from it.
		var changes []plan.Change
		for _, k := range s.Keys() {
			changes = append(changes, plan.Change{Verb: plan.Create, Key: k, After: s[k]})
		}
		holds := r.Guard(s)(changes, nil)
		if len(holds) > 0 != (c.want != "") {
			t.Errorf("%s: withheld %v", name, holds)
		}
		for k, h := range holds {
			if h.Reason != plan.Illegal || k != first {
				t.Errorf("%s: %s is withheld: %+v", name, k, h)
			}
		}
	}
}

func TestWhatASwitchDoesKeepsTheInvariantsOrIsNamed(t *testing.T) {
	at := func(service string, m switchcfg.MAC, k switchcfg.Key) map[drivers.Station]switchcfg.Key {
		return map[drivers.Station]switchcfg.Key{{Service: service, MAC: m}: k}
	}
	counts := func(frames, decided uint64) drivers.OperState {
		return drivers.OperState{
			Circuits: map[switchcfg.Key]drivers.CircuitState{first: {Up: true, Counted: true, InFrames: frames}},
			Filters:  map[string]drivers.FilterState{"ix-Ethernet1.1": {Permitted: decided}},
		}
	}
	for name, c := range map[string]struct {
		before, now drivers.OperState
		stale       map[drivers.Station]bool
		want        string
	}{
		"nothing is told":                 {},
		"a member speaks":                 {now: drivers.OperState{Stations: at("peering", member, first)}},
		"a member speaks from afar":       {now: drivers.OperState{Stations: at("peering", stranger, switchcfg.Key{})}},
		"a stranger speaks":               {now: drivers.OperState{Stations: at("peering", stranger, first)}, want: "stations circuit Ethernet1.1"},
		"a stranger spoke before":         {now: drivers.OperState{Stations: at("peering", stranger, first)}, stale: map[drivers.Station]bool{{Service: "peering", MAC: stranger}: true}},
		"quarantine leaks":                {now: drivers.OperState{Stations: at("peering", member, second)}, want: "isolation circuit Ethernet2.2"},
		"quarantine holds":                {now: drivers.OperState{Stations: at("quarantine", member, second)}},
		"somebody else's circuit":         {now: drivers.OperState{Stations: at("peering", stranger, switchcfg.Key{Kind: switchcfg.KindCircuit, Name: "Ethernet9", Unit: 9})}},
		"a filter decides":                {before: counts(0, 0), now: counts(1000, 1000)},
		"a filter decides about nothing":  {before: counts(0, 7), now: counts(1000, 7), want: "filters_count filter ix-Ethernet1.1"},
		"a filter has nothing to decide":  {before: counts(0, 7), now: counts(3, 7)},
		"a filter that was not asked yet": {now: counts(1000, 7)},
		"a counter that began anew":       {before: counts(5000, 7), now: counts(1000, 7)},
	} {
		if got := names(rules(t, nil).Seen(good(), c.before, c.now, c.stale)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestEveryInvariantHasAName(t *testing.T) {
	seen := make(map[Name]bool)
	for _, n := range Names() {
		if n == "" || seen[n] {
			t.Errorf("%q is no name, or there twice", n)
		}
		seen[n] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d names", len(seen))
	}
}
