package compile

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// pinned compiles r with an inventory in which text is replaced, by numbers that were handed out before.
func pinned(t *testing.T, r records, known []Allocation, replace ...string) *Compiler {
	t.Helper()
	text, err := os.ReadFile("testdata/inventory.yaml")
	if err != nil {
		t.Fatal(err)
	}
	conf, err := config.Parse("inventory.yaml", []byte(strings.NewReplacer(replace...).Replace(string(text))), nil, registry())
	if err != nil {
		t.Fatal(err)
	}
	list, faults := r.decode(t)
	c := New(&conf.Inventory, conf.Policy, NewAllocations(known, time.Hour))
	c.Set(list, faults, now)
	return c
}

const (
	lags = "lags: {prefix: lag, range: 10-12}"
	sw1  = "tunnel_address: 198.51.100.1\n"
)

func TestPinnedLAGKeepsItsNumberAndNoOtherGetsIt(t *testing.T) {
	r := exchange()
	r.connection("c0", "lag_static", "a5")
	c := pinned(t, r, nil, sw1+"      "+lags, sw1+"      lags: {prefix: lag, range: 10-12, numbers: [{connection: c1, number: 7}, {connection: c8, number: 10}]}")
	s := c.Intent("sw1").State
	for name, account := range map[string]string{"lag7": "acct-c1", "lag11": "acct-c0"} {
		l, ok := s[switchcfg.Key{Kind: switchcfg.KindLAG, Name: name}].(*switchcfg.LAG)
		if tag, _ := switchcfg.ParseTag(switchcfg.Description(l)); !ok || tag.Account != account {
			t.Errorf("%s is %+v, not of %s", name, l, account)
		}
	}
	if _, ok := s[switchcfg.Key{Kind: switchcfg.KindCircuit, Name: "lag7", Unit: 100}]; !ok {
		t.Error("the circuit is not on the LAG")
	}
	if d, _ := c.inv.Device("sw1"); !d.Scope().Covers(switchcfg.Key{Kind: switchcfg.KindLAG, Name: "lag7"}) {
		t.Error("the LAG is not the agent's")
	}
}

func TestNumberThatIsPinnedForAnotherIsNotUsedOn(t *testing.T) {
	known := []Allocation{{Scope: "lag/sw1", Owner: "conn:c1", Number: 10}}
	c := pinned(t, exchange(), known, sw1+"      "+lags, sw1+"      lags: {prefix: lag, range: 10-12, numbers: [{connection: c8, number: 10}]}")
	if r := c.Rejections(); len(r) == 0 || r[0].Tag != TagLAGNumbers || !strings.Contains(r[0].Message, "pins for connection c8") {
		t.Errorf("rejections %+v", r)
	}
	if in := c.Intent("sw1"); in.State[switchcfg.Key{Kind: switchcfg.KindLAG, Name: "lag10"}] != nil || len(in.Frozen) == 0 {
		t.Error("the LAG is not left as it is")
	}
}

func TestPinnedSubinterfaceKeepsItsNumberAndAnotherGetsItsOwn(t *testing.T) {
	r := exchange()
	r.config("n5", "mp2mp_vc", "group", "c1", dot1q(5))
	c := pinned(t, r, nil, sw1, sw1+"      units: [{network_service_config: n1, interface: lag10, unit: 5}, {network_service_config: n2, interface: lag10, unit: 6}]\n")
	s := c.Intent("sw1").State
	if x, ok := s[switchcfg.Key{Kind: switchcfg.KindCircuit, Name: "lag10", Unit: 5}].(*switchcfg.Circuit); !ok || x.Match.Outer != 100 || x.Filter != "ix-lag10.5" {
		t.Errorf("the pinned one is %+v", x)
	}
	if x, ok := s[switchcfg.Key{Kind: switchcfg.KindCircuit, Name: "lag10", Unit: 4096}].(*switchcfg.Circuit); !ok || x.Match.Outer != 5 {
		t.Errorf("the other one is %+v", x)
	}
	if _, ok := s[switchcfg.Key{Kind: switchcfg.KindCircuit, Name: "Ethernet3"}]; !ok {
		t.Error("a pin counts on another port than its own")
	}
}

func TestPinnedServiceKeepsItsNameAndNumbers(t *testing.T) {
	r := exchange()
	r.config("l1", "p2p_vc", "line", "c1", dot1q(7))
	r.config("l2", "p2p_vc", "line", "c3", dot1q(7))
	c := pinned(t, r, nil, "\n  storm", "\n  services: [{network_service: line, name: A-B, vlan: 77, vni: 70077}]\n  storm")
	for _, name := range []string{"sw1", "sw2"} {
		s, ok := c.Intent(name).State[switchcfg.Key{Kind: switchcfg.KindService, Name: "A-B"}].(*switchcfg.Service)
		if d, _ := c.inv.Device(name); !ok || s.VNI != 70077 || !d.Scope().Covers(s.Key()) {
			t.Errorf("on %s it is %+v", name, s)
		}
	}
	delta := Delta{Removed: map[ixapi.Collection][]ixapi.ID{ixapi.NetworkServiceConfigs: {"l2"}}}
	c.Update(delta, now)
	if s, ok := c.Intent("sw1").State[switchcfg.Key{Kind: switchcfg.KindService, Name: "A-B"}].(*switchcfg.Service); !ok || s.VNI != 0 {
		t.Errorf("with one end it is %+v", s)
	}
}
