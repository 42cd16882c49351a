package guard

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

func TestTunnelStaysWhileItsFarEndHasCircuits(t *testing.T) {
	a, b, elsewhere := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.9")
	inv := &config.Inventory{Devices: []*config.Device{{Name: "sw1", TunnelAddress: a}, {Name: "sw2", TunnelAddress: b}, {Name: "sw3"}}}
	lan := func(peers ...netip.Addr) *switchcfg.Service {
		return &switchcfg.Service{Name: "lan", Type: switchcfg.ServiceLAN, VNI: 1, Peers: peers}
	}
	for name, c := range map[string]struct {
		before, after *switchcfg.Service
		remains       string
		held          bool
	}{
		"far end has circuits":    {lan(a, b), lan(a), "sw2", true},
		"far end has none":        {lan(a, b), lan(a), "", false},
		"another has circuits":    {lan(a, b), lan(a), "sw1", false},
		"a peer is added":         {lan(a), lan(a, b), "sw2", false},
		"the peer is nobody's":    {lan(a, elsewhere), lan(a), "sw2", false},
		"one stays, one must not": {lan(a, b, elsewhere), lan(a), "sw2", true},
	} {
		remains := func(device, service string) bool { return device == c.remains && service == "lan" }
		change := plan.Change{Verb: plan.Update, Key: c.before.Key(), Before: c.before, After: c.after}
		if _, held := Tunnels(inv, remains)([]plan.Change{change}, nil)[change.Key]; held != c.held {
			t.Errorf("%s: held %v", name, held)
		}
	}
	always := func(string, string) bool { return true }
	gone := plan.Change{Verb: plan.Delete, Key: lan(a).Key(), Before: lan(a)}
	made := plan.Change{Verb: plan.Create, Key: lan(a).Key(), After: lan(a)}
	if holds := Tunnels(inv, always)([]plan.Change{gone, made}, nil); len(holds) > 0 {
		t.Errorf("held %v: a service that comes or goes has no circuits here", holds)
	}
}

func TestGuardsAreAskedInTurn(t *testing.T) {
	guard := func(r plan.Reason, names ...string) plan.Guard {
		return each(func(c plan.Change) (plan.Hold, bool) { return plan.Hold{Reason: r}, slices.Contains(names, c.Key.Name) })
	}
	state := make(switchcfg.State)
	for _, name := range []string{"ix-a", "ix-b", "ix-c", "ix-d", "ix-e"} {
		state.Put(&switchcfg.Service{Name: name, Description: switchcfg.NewTag("ns", name, "").String(), Type: switchcfg.ServiceLAN, VNI: 7})
	}
	p := plan.Build(plan.Input{
		Device: "sw1", Scope: new(plan.Scope), Observed: state, Intent: plan.Intent{State: switchcfg.State{}},
		// The last counts what those before it leave, which is not too much.
		Guard: All(guard(plan.Held, "ix-a", "ix-b"), guard(plan.Window, "ix-b", "ix-c"), Limits(config.Limits{MaxDeletes: 2})),
	})
	var got []plan.Reason
	for _, w := range p.Withheld {
		got = append(got, w.Reason)
	}
	if want := []plan.Reason{plan.Held, plan.Held, plan.Window}; !slices.Equal(got, want) || len(p.Changes) != 2 {
		t.Errorf("%s", p.AppendText(nil))
	}
}
