package guard_test

import (
	"testing"

	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

func TestPortThatASwitchDoesNotHaveHoldsUpNobodyElse(t *testing.T) {
	intent := plan.Intent{State: make(switchcfg.State)}
	service := &switchcfg.Service{Name: "ix-a", Type: switchcfg.ServiceLAN}
	intent.State.Put(service)
	for _, name := range []string{"Ethernet1", "Ethernet99"} {
		tag := switchcfg.NewTag("conn", name, "7").String()
		intent.State.Put(&switchcfg.Interface{Name: name, Description: tag}, &switchcfg.Circuit{Parent: name, Description: tag, Service: "ix-a"})
	}
	in := plan.Input{
		Device: "sw1", Observed: switchcfg.State{}, Intent: intent, Scope: &plan.Scope{Ports: map[string]bool{"Ethernet1": true, "Ethernet99": true}},
		Guard: guard.Ports("sw1", map[string]bool{"Ethernet1": true, "Ethernet2": true}),
	}
	p := plan.Build(in)
	if len(p.Changes) != 3 || len(p.Withheld) != 2 {
		t.Fatalf("%s", p.AppendText(nil))
	}
	for _, w := range p.Withheld {
		switch {
		case w.Key.Kind == switchcfg.KindInterface && (w.Reason != plan.NoPort || w.Detail != "sw1 has no interface Ethernet99: correct the name in the inventory or at the exchange"):
			t.Errorf("%s: %s", w.Key, w.Detail)
		case w.Key.Kind == switchcfg.KindCircuit && w.Reason != plan.Depends:
			t.Errorf("%s: %s", w.Key, w.Reason)
		}
	}
	in.Guard = guard.Ports("sw1", nil)
	if p := plan.Build(in); len(p.Withheld) != 0 {
		t.Errorf("it is not known which ports there are: %s", p.AppendText(nil))
	}
}
