package drivers_test

import (
	"strings"
	"testing"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/drivertest"
	"github.com/ixagent/ixagent/models/switchcfg"
)

func TestPlainTextMeansNothingInACommandLine(t *testing.T) {
	for _, text := range []string{"", "ixagent nsc:01HX/7 acct:a@b.c", "Port-Channel10.100", "AS64500 (primary) 10G+1=ok"} {
		if !drivers.Plain(text) {
			t.Errorf("%q is refused", text)
		}
	}
	harmless := map[string]bool{"EOF": true, "error: a": true, "no shutdown": true, "exit": true, "quit": true}
	for _, text := range drivertest.Hostile() {
		if drivers.Plain(text) && !harmless[text] {
			t.Errorf("%.60q is let through", text)
		}
	}
	if drivers.Plain(strings.Repeat("a", switchcfg.MaxDescription+1)) {
		t.Error("a text that is too long is let through")
	}
}

func TestEveryTextOfAnObjectIsLookedAt(t *testing.T) {
	plain := drivers.Capabilities{
		Forms: []switchcfg.Form{switchcfg.Untagged}, Services: []switchcfg.ServiceType{switchcfg.ServiceLAN}, Filters: true, LACP: true, PlainText: true,
	}
	any := plain
	any.PlainText = false
	for _, o := range []switchcfg.Object{
		&switchcfg.Interface{Name: "eth1", Description: "a?"},
		&switchcfg.Interface{Name: "eth 1"},
		&switchcfg.LAG{Name: "lag1", Members: []string{"eth1", "eth2;"}, Mode: switchcfg.ModeStatic},
		&switchcfg.LAG{Name: "lag1", Description: "a\"", Mode: switchcfg.ModeStatic},
		&switchcfg.Circuit{Parent: "eth1|", Service: "ix-1"},
		&switchcfg.Circuit{Parent: "eth1", Service: "ix 1"},
		&switchcfg.Circuit{Parent: "eth1", Service: "ix-1", Filter: "ix-$"},
		&switchcfg.Circuit{Parent: "eth1", Service: "ix-1", Description: "#"},
		&switchcfg.Service{Name: "ix-1", Description: " a", Type: switchcfg.ServiceLAN},
		&switchcfg.Service{Name: "-x", Type: switchcfg.ServiceLAN},
		&switchcfg.Filter{Name: "ix-!", AnySource: true},
	} {
		if err := plain.Carry(o); err == nil {
			t.Errorf("%s is carried: %q", o.Key(), o.Lines())
		}
		if err := any.Carry(o); err != nil {
			t.Errorf("%s: %v", o.Key(), err)
		}
	}
	if err := any.Carry(&switchcfg.Service{Name: "ix-\n", Type: switchcfg.ServiceLAN}); err == nil {
		t.Error("a line end is carried")
	}
}

func TestLimitsAreThoseOfTheDevice(t *testing.T) {
	lag := &switchcfg.LAG{Name: "lag1", Members: []string{"eth1", "eth2"}, Mode: switchcfg.ModeStatic, MinLinks: 2}
	tree := &switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceTree, VNI: 7}
	caps := drivers.Capabilities{Services: []switchcfg.ServiceType{switchcfg.ServiceTree}, VXLAN: true}
	for _, o := range []switchcfg.Object{lag, tree} {
		if err := caps.Carry(o); err != nil {
			t.Error(err)
		}
	}
	caps.Limits.MinLinks, caps.LocalTrees = 1, true
	for _, o := range []switchcfg.Object{lag, tree} {
		if caps.Carry(o) == nil {
			t.Errorf("%s is carried", o.Key())
		}
	}
}
