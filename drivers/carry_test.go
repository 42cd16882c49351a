package drivers_test

import (
	"net/netip"
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

func TestFormsThatADeviceLacksAreNotCarried(t *testing.T) {
	c := drivers.Capabilities{
		Forms: []switchcfg.Form{switchcfg.Untagged, switchcfg.Single, switchcfg.Double}, TPIDs: []switchcfg.TPID{switchcfg.TPIDService},
		Services: []switchcfg.ServiceType{switchcfg.ServiceLine},
	}
	stag := &switchcfg.Circuit{Parent: "eth1", Unit: 100, Match: switchcfg.MatchStacked(switchcfg.TPIDService, 100), Service: "ix-1"}
	whole := &switchcfg.Circuit{Parent: "eth1", Match: switchcfg.MatchWhole(), Service: "ix-1"}
	for _, o := range []*switchcfg.Circuit{stag, whole} {
		if err := c.Carry(o); err == nil || !strings.Contains(err.Error(), o.Match.String()) {
			t.Errorf("%s: %v", o.Match, err)
		}
	}
	c.Forms = append(c.Forms, switchcfg.Stacked, switchcfg.Whole)
	for _, o := range []*switchcfg.Circuit{stag, whole} {
		if err := c.Carry(o); err != nil {
			t.Errorf("%s: %v", o.Match, err)
		}
	}
	stag.Match.TPID = switchcfg.TPIDStacked
	if c.Carry(stag) == nil {
		t.Error("an S-tag of an ethertype that the device does not know is carried")
	}
}

func TestServiceKeepsWhatTheDeviceHasOfIt(t *testing.T) {
	full := drivers.Capabilities{Services: []switchcfg.ServiceType{switchcfg.ServiceLAN}, ServiceMTU: true, ServiceMACs: true}
	for what, lacks := range map[string]func(*drivers.Capabilities){
		"MTU": func(c *drivers.Capabilities) { c.ServiceMTU = false }, "limit of addresses": func(c *drivers.Capabilities) { c.ServiceMACs = false },
	} {
		s, c := &switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceLAN, MTU: 1500, MACLimit: 5}, full
		if err := c.Carry(s); err != nil {
			t.Error(err)
		}
		lacks(&c)
		if err := c.Carry(s); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("without an %s it answers: %v", what, err)
		}
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

func TestWhatIsTooFineOrTooNewIsNotCarried(t *testing.T) {
	c := drivers.Capabilities{
		Services: []switchcfg.ServiceType{switchcfg.ServiceLAN}, VXLAN: true, VXLANv4: true, StormControl: true, Limits: drivers.Limits{StormStep: 4},
	}
	peer := func(a string) *switchcfg.Service {
		return &switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceLAN, VNI: 7, Peers: []netip.Addr{netip.MustParseAddr(a)}}
	}
	for o, carried := range map[switchcfg.Object]bool{
		&switchcfg.Interface{Name: "eth1", StormControl: 1000}: true,
		&switchcfg.Interface{Name: "eth1", StormControl: 1001}: false,
		peer("192.0.2.1"):   true,
		peer("2001:db8::1"): false,
	} {
		if err := c.Carry(o); (err == nil) != carried {
			t.Errorf("%q: %v", o.Lines(), err)
		}
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

func TestCircuitsOfAPortSuitEachOtherWhereTheyAreItsVLANs(t *testing.T) {
	apart := drivers.Capabilities{
		Forms: []switchcfg.Form{switchcfg.Untagged, switchcfg.Single}, TPIDs: switchcfg.TPIDs(), Filters: true, RateOut: true,
	}
	together := apart
	together.PortVLANs = true
	circuit := func(v switchcfg.VLANID, service string) *switchcfg.Circuit {
		return &switchcfg.Circuit{Parent: "eth1", Unit: uint32(v), Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, v), Service: service, Filter: "ix-control"}
	}
	one := circuit(1, "ix-1")
	for why, change := range map[string]func(*switchcfg.Circuit){
		"":              func(*switchcfg.Circuit) {},
		"once":          func(c *switchcfg.Circuit) { c.Service = "ix-1" },
		"MAC filter":    func(c *switchcfg.Circuit) { c.Filter = "ix-f" },
		"rate":          func(c *switchcfg.Circuit) { c.RateOut = 1000 },
		"without a tag": func(c *switchcfg.Circuit) { c.Match = switchcfg.MatchUntagged() },
	} {
		two := circuit(2, "ix-2")
		change(two)
		if err := apart.Beside(one, two); err != nil {
			t.Errorf("subinterfaces: %v", err)
		}
		for _, err := range []error{together.Beside(one, two), together.Beside(two, one)} {
			if (err == nil) != (why == "") || err != nil && !strings.Contains(err.Error(), why) {
				t.Errorf("%v, want %q", err, why)
			}
		}
	}
	one.Shutdown = true
	if apart.Carry(one) != nil || together.Carry(one) == nil {
		t.Errorf("shut alone: %v where it is a subinterface, %v where it is a VLAN", apart.Carry(one), together.Carry(one))
	}
}
