package plan

import (
	"testing"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// A circuit that was made by hand gets a mark and a filter of the agent's name, and nobody feels it unless the filter
// admits less.
func TestFilterOfAnotherNameDisruptsOnlyWhomItKeepsOut(t *testing.T) {
	one, two := switchcfg.MAC{2, 0, 0, 0, 0, 1}, switchcfg.MAC{2, 0, 0, 0, 0, 2}
	scope := &Scope{Ports: map[string]bool{"Ethernet1": true}, Services: map[string]bool{"lan": true}, Adopt: true}
	circuit := switchcfg.Circuit{Parent: "Ethernet1", Unit: 7, Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, 7), Service: "lan"}
	for _, c := range []struct {
		name     string
		was, now *switchcfg.Filter
		want     Disruption
	}{
		{"the same", &switchcfg.Filter{Sources: []switchcfg.MAC{one}}, &switchcfg.Filter{Sources: []switchcfg.MAC{one}}, DisruptsNone},
		{"one more", &switchcfg.Filter{Sources: []switchcfg.MAC{one}}, &switchcfg.Filter{Sources: []switchcfg.MAC{one, two}}, DisruptsNone},
		{"one less", &switchcfg.Filter{Sources: []switchcfg.MAC{one, two}}, &switchcfg.Filter{Sources: []switchcfg.MAC{one}}, DisruptsCircuit},
		{"any and all", &switchcfg.Filter{AnySource: true}, &switchcfg.Filter{AnySource: true}, DisruptsNone},
		{"some of all", &switchcfg.Filter{AnySource: true}, &switchcfg.Filter{Sources: []switchcfg.MAC{one}}, DisruptsCircuit},
		{"all of some", &switchcfg.Filter{Sources: []switchcfg.MAC{one}}, &switchcfg.Filter{AnySource: true}, DisruptsNone},
	} {
		c.was.Name, c.now.Name = "acl-17", "ix-Ethernet1.7"
		before, after := circuit, circuit
		before.Filter, after.Filter, after.Description = c.was.Name, c.now.Name, "ixagent nsc:1 acct:2"
		in := Input{Scope: scope, Observed: switchcfg.State{}, Intent: Intent{State: switchcfg.State{}}}
		in.Observed.Put(&switchcfg.Interface{Name: "Ethernet1", Description: "ixagent conn:1"}, &switchcfg.Service{Name: "lan", Type: switchcfg.ServiceLAN}, c.was, &before)
		in.Intent.State.Put(&switchcfg.Interface{Name: "Ethernet1", Description: "ixagent conn:1"}, &switchcfg.Service{Name: "lan", Type: switchcfg.ServiceLAN}, c.now, &after)
		p := Build(in)
		if len(p.Changes) != 2 || p.Changes[1].Key != after.Key() || p.Changes[1].Disruption != c.want {
			t.Errorf("%s: %s", c.name, p.AppendText(nil))
		}
		if p.Changes[1].Before != &before {
			t.Errorf("%s: the change begins with what is not there", c.name)
		}
	}
}

func TestOneLinkThatIsAskedForIsNoMoreThanNone(t *testing.T) {
	lag := &switchcfg.LAG{Name: "lag1", Members: []string{"Ethernet1"}, Mode: switchcfg.ModeStatic}
	for links, want := range map[uint16]Disruption{1: DisruptsNone, 2: DisruptsLAG} {
		after := *lag
		after.MinLinks = links
		if got := disruption(Change{Verb: Update, Key: lag.Key(), Before: lag, After: &after}); got != want {
			t.Errorf("from none to %d: %s", links, got)
		}
	}
}
