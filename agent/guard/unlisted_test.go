package guard_test

import (
	"strings"
	"testing"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// port returns an interface and a circuit on it, as the agent makes them for a connection with one config.
func port(name, connection, config string) []switchcfg.Object {
	return []switchcfg.Object{
		&switchcfg.Interface{Name: name, Description: switchcfg.NewTag("conn", connection, "7").String()},
		&switchcfg.Filter{Name: "ix-" + name + ".0"},
		&switchcfg.Circuit{Parent: name, Description: switchcfg.NewTag("nsc", config, "7").String(), Service: "peering", Filter: "ix-" + name + ".0"},
	}
}

func state(objects ...[]switchcfg.Object) switchcfg.State {
	s := make(switchcfg.State)
	s.Put(&switchcfg.Service{Name: "peering", Description: switchcfg.NewTag("lan", "peering", "").String(), Type: switchcfg.ServiceLAN})
	for _, list := range objects {
		s.Put(list...)
	}
	return s
}

// bundle returns a LAG of a connection with its ports.
func bundle(name, connection string, ports ...string) (out []switchcfg.Object) {
	for _, p := range ports {
		out = append(out, &switchcfg.Interface{Name: p, Description: switchcfg.NewTag("port", "sw1/"+p, "7").String()})
	}
	return append(out, &switchcfg.LAG{Name: name, Description: switchcfg.NewTag("conn", connection, "7").String(), Members: ports, Mode: switchcfg.ModeLACP, Rate: switchcfg.RateSlow, MinLinks: 1})
}

func TestWhatIsNotListedIsHeldInWordsForAPerson(t *testing.T) {
	scope := &plan.Scope{
		Ports: map[string]bool{"Ethernet1": true, "Ethernet2": true, "Ethernet3": true}, LAGPrefix: "Port-Channel", LAGFirst: 1, LAGLast: 9,
		Services: map[string]bool{"peering": true},
	}
	shut := func(objects []switchcfg.Object) []switchcfg.Object {
		objects[0].(*switchcfg.Interface).Shutdown = true
		return objects
	}
	line := func(vlan switchcfg.VLANID) []switchcfg.Object {
		return []switchcfg.Object{&switchcfg.Service{Name: "ix-line", Description: switchcfg.NewTag("ns", "line", "").String(), Type: switchcfg.ServiceLine, VLAN: vlan}}
	}
	for _, c := range []struct {
		name             string
		observed, wanted switchcfg.State
		held             string // what is not listed, by the words of what is held for it; "" for nothing
	}{
		{"a connection is left out", state(port("Ethernet1", "vi-1", "vli-1"), port("Ethernet2", "vi-2", "vli-2")), state(port("Ethernet2", "vi-2", "vli-2")), "conn:vi-1 nsc:vli-1"},
		{"a config is left out", state(port("Ethernet1", "vi-1", "vli-1")), state(port("Ethernet1", "vi-1", "vli-1")[:1]), "nsc:vli-1"},
		{"its port is another's", state(port("Ethernet1", "vi-1", "vli-1")), state(port("Ethernet1", "vi-2", "vli-2")), "conn:vi-1 nsc:vli-1"},
		{"it has moved to another port", state(port("Ethernet1", "vi-1", "vli-1")), state(port("Ethernet2", "vi-1", "vli-1")), ""},
		{"it is shut", state(port("Ethernet1", "vi-1", "vli-1")), state(shut(port("Ethernet1", "vi-1", "vli-1"))), ""},
		{"its port is shut, and a config is left out", state(port("Ethernet1", "vi-1", "vli-1")), state(shut(port("Ethernet1", "vi-1", "vli-1"))[:1]), "nsc:vli-1"},
		{"a port of a LAG is left out", state(bundle("Port-Channel1", "vi-1", "Ethernet1", "Ethernet2")), state(bundle("Port-Channel1", "vi-1", "Ethernet1")), "port:sw1/Ethernet2"},
		{"a LAG is one port now", state(bundle("Port-Channel1", "vi-1", "Ethernet1")), state(port("Ethernet1", "vi-1", "vli-1")), ""},
		{"a port of a LAG is another's", state(bundle("Port-Channel1", "vi-1", "Ethernet1")), state(port("Ethernet1", "vi-2", "vli-2")), "conn:vi-1"},
		{"a LAG grows", state(bundle("Port-Channel1", "vi-1", "Ethernet1")), state(bundle("Port-Channel1", "vi-1", "Ethernet1", "Ethernet2")), ""},
		{"a line has one end", state(line(300)), state(line(0)), "another end of ns:line"},
		{"somebody is new", state(), state(port("Ethernet1", "vi-1", "vli-1")), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := &plan.Intent{State: c.wanted}
			p := plan.Build(plan.Input{Device: "sw1", Observed: c.observed, Intent: *in, Scope: scope, Guard: guard.Unlisted(in)})
			words := make(map[string]bool)
			for _, w := range p.Withheld {
				what, rest, _ := strings.Cut(w.Detail, " is not listed for this switch any more: ")
				if w.Reason != plan.Unlisted {
					continue // it depends on what is
				}
				words[what] = true
				if !strings.Contains(rest, "have a person approve the plan") {
					t.Errorf("%s: %s", w.Key, w.Detail)
				}
			}
			for what := range words {
				if !strings.Contains(c.held, what) {
					t.Errorf("held for %s:\n%s", what, p.AppendText(nil))
				}
			}
			if c.held != "" && len(words) == 0 || c.held == "" && len(p.Withheld) > 0 {
				t.Errorf("want %q:\n%s", c.held, p.AppendText(nil))
			}
			for _, change := range p.Changes {
				if c.held != "" && change.Verb != plan.Create && change.Key.Kind != switchcfg.KindService {
					t.Errorf("%s %s is not held:\n%s", change.Verb, change.Key, p.AppendText(nil))
				}
			}
		})
	}
}

func TestAbsenceMeansTheEndUnlessTheSourceIsAnIXPManager(t *testing.T) {
	in := &plan.Intent{State: state()}
	change := []plan.Change{{Verb: plan.Delete, Key: port("Ethernet1", "vi-1", "vli-1")[0].Key(), Before: port("Ethernet1", "vi-1", "vli-1")[0]}}
	for typ, held := range map[config.SourceType]int{config.SourceIXAPI: 0, config.SourceFile: 0, config.SourceIXPManager: 1} {
		witness := &config.Source{Type: config.SourceIXPManager, Witness: true}
		s := guard.Situation{Config: &config.Config{Sources: []*config.Source{{Type: typ}, witness}}, Intent: in}
		if got := s.Unlisted()(change, state(port("Ethernet1", "vi-1", "vli-1"))); len(got) != held {
			t.Errorf("%s: %v", typ, got)
		}
	}
}
