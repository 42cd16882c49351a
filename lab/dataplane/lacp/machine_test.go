package lacp_test

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ixagent/ixagent/lab/dataplane/lacp"
)

// pair returns two machines with so many links, in a network that has run for a while.
func pair(t *testing.T, a, b lacp.Config, links int) (*network, *node, *node) {
	t.Helper()
	n := newNetwork(t, 1)
	x, y := n.add(a, links), n.add(b, links)
	for i := range uint16(links) {
		n.wire(x, i+1, y, i+1)
	}
	n.run(10 * time.Second)
	return n, x, y
}

// alone returns a machine with one port that is up, a function that moves its time and calls Tick, and one that
// lets it hear the partner of the golden PDU with the flags given.
func alone(t *testing.T, c lacp.Config) (*lacp.Machine, func(time.Duration) []lacp.LACPDU, func(lacp.State)) {
	t.Helper()
	c.System, c.Key, c.Ports = system(1), 10, []lacp.PortConfig{{Number: 1}}
	m, err := lacp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1e9, 0)
	m.LinkUp(now, 1)
	tick := func(d time.Duration) []lacp.LACPDU {
		now = now.Add(d)
		out, _ := m.Tick(now)
		pdus := make([]lacp.LACPDU, len(out))
		for i, o := range out {
			if pdus[i], err = lacp.ParseLACPDU(o.Bytes); err != nil {
				t.Fatal(err)
			}
		}
		return pdus
	}
	tick(0)
	hear := func(flags lacp.State) {
		s, _ := m.Port(1)
		p := lacp.LACPDU{Actor: goldenPDU().Actor, Partner: s.Actor}
		p.Actor.System, p.Actor.State = system(2), flags
		m.Receive(now, 1, p.Append(nil))
	}
	return m, tick, hear
}

func receiving(m *lacp.Machine) lacp.ReceiveState {
	s, _ := m.Port(1)
	return s.Receive
}

func TestSilentPartnerTimesOut(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fast    bool
		timeout time.Duration
	}{{"fast", true, 3 * time.Second}, {"slow", false, 90 * time.Second}} {
		t.Run(tt.name, func(t *testing.T) {
			m, tick, hear := alone(t, lacp.Config{Mode: lacp.Active, Fast: tt.fast})
			hear(lacp.Activity | lacp.Aggregation)
			for _, step := range []struct {
				wait time.Duration
				want lacp.ReceiveState
			}{
				{tt.timeout - 1, lacp.RxCurrent},
				{1, lacp.RxExpired},
				{3*time.Second - 1, lacp.RxExpired},
				{1, lacp.RxDefaulted},
				{time.Hour, lacp.RxDefaulted},
			} {
				tick(step.wait)
				if got := receiving(m); got != step.want {
					t.Fatalf("after another %v: %v, want %v", step.wait, got, step.want)
				}
			}
			s, _ := m.Port(1)
			if s.Counters.Timeouts != 1 || s.LastTimeout.IsZero() || s.Selected != lacp.Unselected {
				t.Errorf("got %+v", s)
			}
			hear(lacp.Activity | lacp.Aggregation)
			hear(lacp.Activity | lacp.Aggregation)
			if s, _ := m.Port(1); s.Counters.Timeouts != 2 || s.Receive != lacp.RxCurrent {
				t.Errorf("heard again: %+v", s)
			}
		})
	}
}

func TestPartnerSetsThePace(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flags lacp.State
		mode  lacp.Mode
		want  int // PDUs in ten minutes
	}{
		{"short timeout", lacp.Activity | lacp.Timeout, lacp.Active, 600},
		{"long timeout", lacp.Activity, lacp.Active, 20},
		{"passive end", lacp.Activity, lacp.Passive, 20},
		{"passive partner", 0, lacp.Active, 20},
		{"both passive", 0, lacp.Passive, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, tick, hear := alone(t, lacp.Config{Mode: tt.mode})
			got := 0
			hear(tt.flags)
			tick(0)
			for i := range 600 {
				got += len(tick(time.Second))
				if i%10 == 9 {
					hear(tt.flags)
				}
			}
			if got < tt.want || got > tt.want+1 {
				t.Errorf("%d PDUs, want %d", got, tt.want)
			}
		})
	}
}

func TestPartnerThatWantsToHearMoreIsServedAtOnce(t *testing.T) {
	_, tick, hear := alone(t, lacp.Config{Mode: lacp.Active})
	hear(lacp.Activity)
	for i, want := range []int{0, 0, 0, 1, 0} {
		if i == 3 {
			hear(lacp.Activity | lacp.Timeout)
		}
		if got := len(tick(0)); got != want {
			t.Errorf("step %d: %d PDUs, want %d", i, got, want)
		}
		if got := len(tick(900 * time.Millisecond)); got != 0 {
			t.Errorf("after step %d: %d PDUs", i, got)
		}
		if i == 3 {
			if got := len(tick(100 * time.Millisecond)); got != 1 {
				t.Errorf("after a second: %d PDUs", got)
			}
		}
	}
}

func TestNoMoreThanThreePDUsInASecond(t *testing.T) {
	m, tick, hear := alone(t, lacp.Config{Mode: lacp.Active})
	var sent []lacp.LACPDU
	for range 40 {
		hear(lacp.Activity | lacp.Aggregation)
		stranger := goldenPDU() // who knows nothing of this port, so that it needs to be told
		stranger.Actor.System = system(3)
		s, _ := m.Port(1)
		stranger.MaxDelay = uint16(s.Counters.In)
		m.Receive(time.Unix(1e9, 0), 1, stranger.Append(nil))
		sent = append(sent, tick(0)...)
	}
	if len(sent) != 3 {
		t.Fatalf("%d PDUs at once", len(sent))
	}
	hear(lacp.Activity | lacp.Aggregation)
	if held := tick(time.Second - 1); len(held) != 0 {
		t.Fatalf("%d PDUs too early", len(held))
	}
	last := tick(1)
	if len(last) != 1 || last[0].Partner.System != system(2) {
		t.Fatalf("the PDU held back is %+v, not what is so now", last)
	}
}

// agreed are the flags of a partner that frames may be sent to.
const agreed = lacp.Activity | lacp.Aggregation | lacp.Synchronization | lacp.Collecting

func TestPartnerIsInSynchronisationOnlyOverThisPort(t *testing.T) {
	for _, tt := range []struct {
		name   string
		mode   lacp.Mode
		change func(*lacp.LACPDU)
		want   bool
	}{
		{"agreed", lacp.Passive, func(*lacp.LACPDU) {}, true},
		{"not in sync", lacp.Active, func(p *lacp.LACPDU) { p.Actor.State &^= lacp.Synchronization }, false},
		{"of another system", lacp.Active, func(p *lacp.LACPDU) { p.Partner.System = system(9) }, false},
		{"of another key", lacp.Active, func(p *lacp.LACPDU) { p.Partner.Key++ }, false},
		{"of another port", lacp.Active, func(p *lacp.LACPDU) { p.Partner.Port++ }, false},
		{"of another priority", lacp.Active, func(p *lacp.LACPDU) { p.Partner.PortPriority++ }, false},
		{"of an individual port", lacp.Active, func(p *lacp.LACPDU) { p.Partner.State &^= lacp.Aggregation }, false},
		{"other flags do not matter", lacp.Active, func(p *lacp.LACPDU) { p.Partner.State |= lacp.Expired | lacp.Timeout }, true},
		{"itself individual", lacp.Active, func(p *lacp.LACPDU) {
			p.Actor.State &^= lacp.Aggregation
			p.Partner = lacp.Info{State: lacp.Activity}
		}, true},
		{"nobody would go on sending", lacp.Passive, func(p *lacp.LACPDU) { p.Actor.State &^= lacp.Activity }, false},
		{"this end would go on sending", lacp.Active, func(p *lacp.LACPDU) { p.Actor.State &^= lacp.Activity }, true},
		{"it does not know that this end would", lacp.Active, func(p *lacp.LACPDU) {
			p.Actor.State &^= lacp.Activity
			p.Partner.State &^= lacp.Activity
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, _, _ := alone(t, lacp.Config{Mode: tt.mode})
			s, _ := m.Port(1)
			p := lacp.LACPDU{Actor: goldenPDU().Actor, Partner: s.Actor}
			p.Actor.System, p.Actor.State = system(2), agreed
			tt.change(&p)
			m.Receive(time.Unix(1e9, 0), 1, p.Append(nil))
			if s, _ := m.Port(1); s.Partner.State.Has(lacp.Synchronization) != tt.want {
				t.Errorf("the partner is %v", s.Partner.State)
			}
		})
	}
}

func TestOtherPortOfTheSamePartnerIsAttachedAnew(t *testing.T) {
	m, tick, hear := alone(t, lacp.Config{Mode: lacp.Active})
	hear(agreed)
	tick(2 * time.Second)
	hear(agreed)
	s, _ := m.Port(1)
	if !s.Distributing() {
		t.Fatalf("got %+v", s)
	}
	p := lacp.LACPDU{Actor: s.Partner, Partner: s.Actor}
	p.Actor.Port++
	m.Receive(time.Unix(1e9, 0), 1, p.Append(nil))
	if s, _ := m.Port(1); s.Mux != lacp.MuxWaiting || s.Actor.State.Has(lacp.Synchronization) {
		t.Errorf("got %+v", s)
	}
}

func TestPartnerThatIsWrongOfThisPortIsToldAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*lacp.LACPDU)
		want   int
	}{
		{"right", func(*lacp.LACPDU) {}, 0},
		{"system", func(p *lacp.LACPDU) { p.Partner.System.Priority++ }, 1},
		{"key", func(p *lacp.LACPDU) { p.Partner.Key++ }, 1},
		{"activity", func(p *lacp.LACPDU) { p.Partner.State ^= lacp.Activity }, 1},
		{"timeout", func(p *lacp.LACPDU) { p.Partner.State ^= lacp.Timeout }, 1},
		{"sync", func(p *lacp.LACPDU) { p.Partner.State ^= lacp.Synchronization }, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, tick, hear := alone(t, lacp.Config{Mode: lacp.Active})
			for range 2 {
				hear(agreed)
				tick(2 * time.Second)
			}
			s, _ := m.Port(1)
			p := lacp.LACPDU{Actor: s.Partner, Partner: s.Actor}
			tt.change(&p)
			m.Receive(time.Unix(1e9+4, 0), 1, p.Append(nil))
			if got := len(tick(0)); got != tt.want {
				t.Errorf("%d PDUs", got)
			}
		})
	}
}

func TestChangedTimeoutIsToldAtOnce(t *testing.T) {
	m, tick, hear := alone(t, lacp.Config{Mode: lacp.Active})
	hear(lacp.Activity)
	tick(2 * time.Second)
	tick(2 * time.Second)
	c := lacp.Config{System: system(1), Key: 10, Mode: lacp.Active, Fast: true, Ports: []lacp.PortConfig{{Number: 1}}}
	for i, want := range []int{1, 0} {
		if err := m.Configure(c); err != nil {
			t.Fatal(err)
		}
		got := tick(0)
		if len(got) != want || want > 0 && !got[0].Actor.State.Has(lacp.Timeout) {
			t.Errorf("configured %d times: %+v", i+1, got)
		}
	}
}

// puppets returns a machine whose ports lead to one system each, and a function that lets it hear them all and
// a second go by; the ports in synced hear that their partner is in synchronisation.
func puppets(t *testing.T, ports int) (*lacp.Machine, func(synced ...uint16) lacp.System) {
	t.Helper()
	c := lacp.Config{System: system(1), Key: 10, Mode: lacp.Active}
	for i := range uint16(ports) {
		c.Ports = append(c.Ports, lacp.PortConfig{Number: i + 1})
	}
	m, err := lacp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1e9, 0)
	for _, p := range c.Ports {
		m.LinkUp(now, p.Number)
	}
	return m, func(synced ...uint16) lacp.System {
		for _, p := range c.Ports {
			s, _ := m.Port(p.Number)
			pdu := lacp.LACPDU{Actor: lacp.Info{System: system(int(p.Number) + 1), Key: 1, Port: 1, State: lacp.Activity | lacp.Aggregation}, Partner: s.Actor}
			if slices.Contains(synced, p.Number) {
				pdu.Actor.State = agreed
			}
			m.Receive(now, p.Number, pdu.Append(nil))
		}
		m.Tick(now)
		now = now.Add(time.Second)
		return m.Aggregator().PartnerSystem
	}
}

func TestSilentlyRefusingPartnersAreTriedInTurn(t *testing.T) {
	_, second := puppets(t, 3)
	tried := map[lacp.System]int{}
	for range 48 {
		tried[second()]++
	}
	want := map[lacp.System]int{system(2): 16, system(3): 16, system(4): 16}
	if d := cmp.Diff(want, tried); d != "" {
		t.Error(d)
	}
}

func TestAttachedPartnerHasTimeToAgree(t *testing.T) {
	m, second := puppets(t, 2)
	for range 3 {
		second()
	}
	if s, _ := m.Port(1); s.Mux != lacp.MuxAttached {
		t.Fatalf("got %+v", s)
	}
	for i := range 5 {
		if got := second(2); got != system(2) {
			t.Fatalf("gave way after %d seconds", i+3)
		}
	}
	if got := second(2); got != system(3) {
		t.Error("did not give way after 8 seconds")
	}
}

func TestPassiveEndIsSilent(t *testing.T) {
	n, a, b := pair(t, lacp.Config{Mode: lacp.Passive}, lacp.Config{Mode: lacp.Passive}, 2)
	n.run(time.Hour)
	for _, x := range []*node{a, b} {
		if s, _ := x.Port(1); s.Counters.Out != 0 || s.Periodic != lacp.NoPeriodic || x.wake != 0 {
			t.Errorf("%s: %+v, wakes at %v", x.name, s, x.wake)
		}
	}
}

// A member router with a LAG of its own elsewhere is joined to one port of a LAG of three; whichever port it
// is and whoever comes first, the two right ones carry frames.
func TestMiscabledMemberStaysOut(t *testing.T) {
	for wrong := uint16(1); wrong <= 3; wrong++ {
		for _, early := range []bool{true, false} {
			n := newNetwork(t, 1)
			lag, right, other, switch2 := n.add(lacp.Config{Mode: lacp.Active}, 3), n.add(lacp.Config{Mode: lacp.Active}, 2),
				n.add(lacp.Config{Mode: lacp.Active}, 2), n.add(lacp.Config{Mode: lacp.Passive}, 1)
			n.wire(other, 1, switch2, 1)
			n.run(10 * time.Second)
			if early {
				n.wire(lag, wrong, other, 2)
				n.run(30 * time.Second)
			}
			var want []uint16
			for i := uint16(1); i <= 3; i++ {
				if i != wrong {
					want = append(want, i)
					n.wire(lag, i, right, uint16(len(want)))
				}
			}
			if !early {
				n.wire(lag, wrong, other, 2)
			}
			n.run(20 * time.Second)
			n.distributes(lag, want...)
			n.distributes(right, 1, 2)
			n.distributes(other, 1)
			if s, _ := lag.Port(wrong); s.Selected != lacp.Unselected || s.Collecting() {
				t.Errorf("port %d: %+v", wrong, s)
			}
		}
	}
}

// Of two links one leads to a router that never agrees. It comes first, on the better port; the right one is
// used after the patience with it has ended.
func TestPartnerThatNeverAgreesGivesWay(t *testing.T) {
	n := newNetwork(t, 1)
	lag := n.add(lacp.Config{Mode: lacp.Active}, 2)
	other, far := n.add(lacp.Config{Mode: lacp.Active}, 2), n.add(lacp.Config{Mode: lacp.Active}, 1)
	n.wire(other, 1, far, 1)
	n.run(10 * time.Second)
	n.wire(lag, 1, other, 2)
	n.run(10 * time.Second)
	right := n.add(lacp.Config{Mode: lacp.Active}, 1)
	n.wire(lag, 2, right, 1)
	n.run(20 * time.Second)
	n.distributes(lag, 2)
	n.distributes(right, 1)
	n.distributes(other, 1)
}

// Four systems in a ring, each with one link to two others, could follow one another for ever.
func TestRingOfPartnersComesToRest(t *testing.T) {
	n := newNetwork(t, 1)
	for range 4 {
		n.add(lacp.Config{Mode: lacp.Active, Fast: true}, 2)
	}
	for i := range 4 {
		n.wire(n.nodes[i], 1, n.nodes[(i+1)%4], 2)
	}
	n.run(30 * time.Second)
	before := groups(n)
	n.run(time.Hour)
	if after := groups(n); !maps.Equal(before, after) {
		t.Errorf("%v, then %v", before, after)
	}
	for _, a := range n.nodes {
		if len(a.Aggregator().Distributing) != 1 {
			t.Errorf("%s: %+v", a.name, a.Aggregator())
		}
	}
}

func TestIndividualLinkIsBlocked(t *testing.T) {
	individual := lacp.Config{Mode: lacp.Active, Ports: []lacp.PortConfig{{Number: 1, Individual: true}}}
	n, a, b := pair(t, lacp.Config{Mode: lacp.Active}, individual, 2)
	n.distributes(a, 2)
	n.distributes(b, 2)
	for _, x := range []*node{a, b} {
		if s, _ := x.Port(1); s.Selected != lacp.Unselected || s.Mux != lacp.MuxDetached {
			t.Errorf("%s: %+v", x.name, s)
		}
	}
}

func TestPortOfAnotherKeyStaysOut(t *testing.T) {
	n, a, b := pair(t, lacp.Config{Mode: lacp.Active, Ports: []lacp.PortConfig{{Number: 1, Key: 99}}}, lacp.Config{Mode: lacp.Active}, 3)
	n.distributes(a, 2, 3)
	n.distributes(b, 2, 3)
}

func TestLoopedLinkStaysOut(t *testing.T) {
	n := newNetwork(t, 1)
	a := n.add(lacp.Config{Mode: lacp.Active}, 2)
	n.wire(a, 1, a, 2)
	n.run(time.Minute)
	n.distributes(a)
	if s, _ := a.Port(1); s.Selected != lacp.Unselected || s.Receive != lacp.RxCurrent {
		t.Errorf("got %+v", s)
	}
}

func TestTooFewLinksCarryNothing(t *testing.T) {
	n, a, b := pair(t, lacp.Config{Mode: lacp.Active, MinLinks: 2}, lacp.Config{Mode: lacp.Passive}, 3)
	n.distributes(a, 1, 2, 3)
	n.set(n.wires[0], 0, false)
	n.set(n.wires[0], 1, false)
	n.distributes(a, 2, 3)
	n.set(n.wires[1], 1, false)
	n.set(n.wires[1], 0, false)
	n.distributes(a)
	n.run(100 * time.Millisecond)
	n.distributes(b)
	if s, _ := a.Port(3); !s.Actor.State.Has(lacp.Synchronization) {
		t.Errorf("the last link is %v", s.Actor.State)
	}
	n.set(n.wires[1], 0, true)
	n.set(n.wires[1], 1, true)
	n.run(10 * time.Second)
	n.distributes(a, 2, 3)
	n.distributes(b, 2, 3)
}

func TestStandbyLinkReplacesOneThatFails(t *testing.T) {
	n, a, b := pair(t, lacp.Config{Mode: lacp.Active, MaxLinks: 2}, lacp.Config{Mode: lacp.Active}, 3)
	n.distributes(a, 1, 2)
	n.distributes(b, 1, 2)
	if s, _ := a.Port(3); s.Selected != lacp.Standby {
		t.Errorf("got %+v", s)
	}
	n.set(n.wires[0], 0, false)
	n.set(n.wires[0], 1, false)
	n.run(3 * time.Second)
	n.distributes(a, 2, 3)
	n.distributes(b, 2, 3)
}

func TestShortOutageDoesNotDetach(t *testing.T) {
	n, a, b := pair(t, lacp.Config{Mode: lacp.Active, Fast: true}, lacp.Config{Mode: lacp.Active, Fast: true}, 2)
	n.set(n.wires[0], 0, false)
	n.distributes(a, 2)
	n.run(500 * time.Millisecond)
	n.set(n.wires[0], 0, true)
	if s, _ := a.Port(1); s.Mux != lacp.MuxAttached || s.Selected != lacp.Selected {
		t.Errorf("got %+v", s)
	}
	n.run(1200 * time.Millisecond) // less than a detached port would wait
	n.distributes(a, 1, 2)
	n.distributes(b, 1, 2)
}

func TestPartnerThatMovedIsForgottenWhereItWas(t *testing.T) {
	n := newNetwork(t, 1)
	a, b := n.add(lacp.Config{Mode: lacp.Active}, 2), n.add(lacp.Config{Mode: lacp.Active}, 1)
	w := n.wire(a, 1, b, 1)
	n.run(10 * time.Second)
	n.set(w, 0, false)
	n.set(w, 1, false)
	n.wires = nil
	if s, _ := a.Port(1); s.Selected != lacp.Selected {
		t.Fatalf("got %+v", s)
	}
	n.wire(a, 2, b, 1)
	n.run(10 * time.Second)
	n.distributes(a, 2)
	if s, _ := a.Port(1); s.Selected != lacp.Unselected || s.Partner.Port != 0 || !s.Actor.State.Has(lacp.Defaulted) {
		t.Errorf("got %+v", s)
	}
}

func TestStaticGroupNeedsNoPartner(t *testing.T) {
	m, err := lacp.New(lacp.Config{System: system(1), Key: 1, Mode: lacp.Static, MinLinks: 2, Ports: []lacp.PortConfig{
		{Number: 1}, {Number: 2}, {Number: 3}, {Number: 4, Individual: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1e9, 0)
	for _, step := range []struct {
		port uint16
		up   bool
		want []uint16
	}{
		{1, true, nil},
		{2, true, []uint16{1, 2}},
		{4, true, []uint16{1, 2}},
		{3, true, []uint16{1, 2, 3}},
		{1, false, []uint16{2, 3}},
		{1, true, []uint16{1, 2, 3}},
		{3, false, []uint16{1, 2}},
		{2, false, nil},
	} {
		if step.up {
			m.LinkUp(now, step.port)
		} else {
			m.LinkDown(now, step.port)
		}
		m.Receive(now, step.port, octets(t, golden))
		if got := m.Aggregator().Distributing; !slices.Equal(got, step.want) {
			t.Errorf("port %d up %t: %v distribute, want %v", step.port, step.up, got, step.want)
		}
		if out, next := m.Tick(now); len(out) != 0 || !next.IsZero() {
			t.Errorf("%d PDUs, next at %v", len(out), next)
		}
	}
}

func TestStaticGroupFollowsItsConfiguration(t *testing.T) {
	c := lacp.Config{System: system(1), Key: 1, Mode: lacp.Static, Ports: []lacp.PortConfig{{Number: 1}, {Number: 2}}}
	m, err := lacp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1e9, 0)
	m.LinkUp(now, 1)
	m.LinkUp(now, 2)
	for _, step := range []struct {
		name   string
		change func()
		want   []uint16
	}{
		{"as it is", func() {}, []uint16{1, 2}},
		{"key", func() { c.Key = 2 }, []uint16{1, 2}},
		{"individual port", func() { c.Ports[0].Individual = true }, []uint16{2}},
		{"aggregated again", func() { c.Ports[0].Individual = false }, []uint16{1, 2}},
		{"port gone", func() { c.Ports = c.Ports[1:] }, []uint16{2}},
		{"LACP", func() { c.Mode = lacp.Active }, nil},
		{"static again", func() { c.Mode = lacp.Static }, []uint16{2}},
	} {
		step.change()
		if err := m.Configure(c); err != nil {
			t.Fatal(err)
		}
		if got := m.Aggregator().Distributing; !slices.Equal(got, step.want) {
			t.Errorf("%s: %v distribute, want %v", step.name, got, step.want)
		}
	}
}

func TestMarkerIsAnswered(t *testing.T) {
	m, tick, _ := alone(t, lacp.Config{Mode: lacp.Passive})
	now := time.Unix(1e9, 0)
	marker := append(octets(t, "02 01 01 10 0007 020000000002 deadbeef 0000 0000"), make([]byte, 90)...)
	m.Receive(now, 1, marker)
	out, _ := m.Tick(now)
	want := bytes.Clone(marker)
	want[2] = 2
	if d := cmp.Diff([]lacp.PDU{{Port: 1, Bytes: want}}, out); d != "" {
		t.Fatal(d)
	}
	m.Receive(now, 1, want)
	m.Receive(now, 1, with(marker, 3, 15))
	m.Receive(now, 1, marker[:100])
	m.Receive(now, 1, marker)
	m.LinkDown(now, 1)
	m.Receive(now, 1, marker)
	if got := tick(0); len(got) != 0 {
		t.Errorf("%d PDUs", len(got))
	}
	s, _ := m.Port(1)
	if d := cmp.Diff(lacp.Counters{MarkersIn: 2, MarkersOut: 1, InErrors: 2}, s.Counters); d != "" {
		t.Error(d)
	}
}

func TestCountersTellWhatArrived(t *testing.T) {
	m, tick, hear := alone(t, lacp.Config{Mode: lacp.Active})
	now := time.Unix(1e9, 0)
	hear(lacp.Activity)
	for _, pdu := range [][]byte{
		{},                               // illegal
		{0},                              // illegal
		{11},                             // illegal
		{3, 0, 0},                        // OAM
		{10},                             // organisation specific
		octets(t, golden)[:109],          // cut
		with(octets(t, golden), 23, 100), // wrong length
	} {
		m.Receive(now, 1, pdu)
		m.Receive(now, 2, pdu) // no such port
	}
	m.SendFailed(1)
	m.SendFailed(2)
	sent := len(tick(0))
	s, ok := m.Port(1)
	want := lacp.Counters{In: 1, Out: uint64(sent), InErrors: 2, OutErrors: 1, Unknown: 2, Illegal: 3}
	if d := cmp.Diff(want, s.Counters); d != "" || !ok {
		t.Error(d)
	}
	if _, ok := m.Port(2); ok {
		t.Error("there is a port 2")
	}
}

func TestPDUOfALaterVersionIsHeard(t *testing.T) {
	m, _, _ := alone(t, lacp.Config{Mode: lacp.Active})
	b := with(octets(t, golden), 1, 2)
	binary.BigEndian.PutUint16(b[58:], 0x0406)
	m.Receive(time.Unix(1e9, 0), 1, b)
	if s, _ := m.Port(1); s.Receive != lacp.RxCurrent || s.Partner.Key != 10 {
		t.Errorf("got %+v", s)
	}
}

// A port is added, its neighbour is taken away, and the thresholds change, under links that go on.
func TestChangeElsewhereDoesNotDisturbALink(t *testing.T) {
	n, a, b := pair(t, lacp.Config{Mode: lacp.Active, Ports: []lacp.PortConfig{{Number: 1}, {Number: 3}}}, lacp.Config{Mode: lacp.Active}, 2)
	n.distributes(a, 1)
	configure := func(change func(*lacp.Config), want ...uint16) {
		t.Helper()
		change(&a.conf)
		n.configure(a)
		n.distributes(a, want...)
	}
	configure(func(c *lacp.Config) {
		c.Ports = append([]lacp.PortConfig{{Number: 2}}, c.Ports...)
		a.ports[2] = &heard{}
	}, 1)
	n.wire(a, 2, b, 2)
	for range 100 {
		n.run(100 * time.Millisecond)
		if got := a.Aggregator().Distributing; !slices.Contains(got, 1) {
			t.Fatalf("%v: %v distribute", n.now, got)
		}
	}
	n.distributes(a, 1, 2)
	configure(func(c *lacp.Config) { c.MinLinks = 2 }, 1, 2)
	configure(func(c *lacp.Config) { c.MinLinks = 3 })
	configure(func(c *lacp.Config) { c.MinLinks, c.Mode = 0, lacp.Passive }, 1, 2)
	n.run(10 * time.Second)
	n.distributes(a, 1, 2)
	if s, _ := b.Port(1); s.Partner.State.Has(lacp.Activity) {
		t.Errorf("the partner was not told: %v", s.Partner.State)
	}
	configure(func(c *lacp.Config) { c.Ports[0].Priority = 7 }, 1)
	n.run(10 * time.Second)
	n.distributes(a, 1, 2)
	configure(func(c *lacp.Config) { c.Key = 77 })
	n.run(10 * time.Second)
	n.distributes(a, 1, 2)
	n.distributes(b, 1, 2)
	if s := b.Aggregator(); s.PartnerKey != 77 {
		t.Errorf("got %+v", s)
	}
}

func TestTimeThatGoesBackStandsStill(t *testing.T) {
	n, a, b := pair(t, lacp.Config{Mode: lacp.Active, Fast: true}, lacp.Config{Mode: lacp.Active, Fast: true}, 2)
	n.step(a, -24*time.Hour)
	for range 100 {
		n.run(100 * time.Millisecond)
		n.distributes(a, 1, 2)
		n.distributes(b, 1, 2)
	}
}

func TestFaultyConfigurationIsRefusedWhole(t *testing.T) {
	good := lacp.Config{System: system(1), Key: 1, Mode: lacp.Static, Ports: []lacp.PortConfig{{Number: 1}}}
	m, err := lacp.New(good)
	if err != nil {
		t.Fatal(err)
	}
	m.LinkUp(time.Unix(1e9, 0), 1)
	for want, change := range map[string]func(*lacp.Config){
		"key is 0":            func(c *lacp.Config) { c.Key = 0 },
		"system id 0000":      func(c *lacp.Config) { c.System.ID = [6]byte{} },
		"system id 0180":      func(c *lacp.Config) { c.System.ID = lacp.Address() },
		"mode 9":              func(c *lacp.Config) { c.Mode = 9 },
		"at least 3 links":    func(c *lacp.Config) { c.MinLinks, c.MaxLinks = 3, 2 },
		"at least -1 links":   func(c *lacp.Config) { c.MinLinks = -1 },
		"port number 0":       func(c *lacp.Config) { c.Ports = []lacp.PortConfig{{}} },
		"port number 1 is 0 ": func(c *lacp.Config) { c.Ports = []lacp.PortConfig{{Number: 1}, {Number: 1}} },
	} {
		c := good
		change(&c)
		if err := m.Configure(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if got := m.Aggregator().Distributing; len(got) != 1 {
			t.Errorf("%s: %v distribute", want, got)
		}
	}
}
