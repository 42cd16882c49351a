package ovs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/lab/dataplane/judge"
	"github.com/ixagent/ixagent/lab/namespace"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// aggregated is a state with a LAG of ports whose circuit meets that of Ethernet3.
func aggregated(l switchcfg.LAG) []switchcfg.Object {
	l.Name, l.Description = "lag1", "ixagent conn:1"
	objects := []switchcfg.Object{
		&l,
		&switchcfg.Service{Name: "ix-1", Description: "ixagent ns:1", Type: switchcfg.ServiceLAN},
		&switchcfg.Interface{Name: "Ethernet3", Description: "ixagent port:3"},
		&switchcfg.Circuit{Parent: "lag1", Unit: 100, Description: "ixagent nsc:1", Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, 100), Service: "ix-1"},
		&switchcfg.Circuit{Parent: "Ethernet3", Description: "ixagent nsc:2", Service: "ix-1"},
	}
	for _, m := range l.Members {
		objects = append(objects, &switchcfg.Interface{Name: m, Description: "ixagent port:1"})
	}
	return objects
}

// carrying waits until just these members carry traffic, for us and for the partner.
func (b *bench) carrying(partner *judge.OVS, members ...string) drivers.OperState {
	b.t.Helper()
	var o drivers.OperState
	judge.Poll(b.t, fmt.Sprintf("%v carry traffic", members), func() bool {
		var err error
		if o, err = b.driver.Operational(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
		var theirs []string
		for name, m := range partner.Bond("bond").Members {
			if strings.Contains(m.PartnerState, "synchronized collecting distributing") && m.State == "current attached" {
				theirs = append(theirs, name)
			}
		}
		slices.Sort(theirs)
		return slices.Equal(o.Ports["lag1"].Members, members) && slices.Equal(theirs, members)
	}, func() string {
		return fmt.Sprintf("%+v\n%s\n%s", o, b.Appctl("lacp/show"), partner.Appctl("lacp/show"))
	})
	return o
}

func carrier(t *testing.T, ns *namespace.Namespace, name string, up bool) {
	t.Helper()
	if err := ns.Do(func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if up {
			return netlink.LinkSetUp(link)
		}
		return netlink.LinkSetDown(link)
	}); err != nil {
		t.Fatal(err)
	}
}

func TestLACPIsNegotiatedAsOrdered(t *testing.T) {
	t.Parallel()
	system := switchcfg.MAC{2, 0x69, 0x78, 0, 0, 7}
	for _, c := range []struct {
		ours         switchcfg.LAG
		theirs, time string
	}{
		{switchcfg.LAG{Rate: switchcfg.RateFast, SystemID: system}, "active", "slow"},
		{switchcfg.LAG{Rate: switchcfg.RateSlow, Passive: true}, "active", "fast"},
	} {
		t.Run(fmt.Sprintf("passive %t %s", c.ours.Passive, c.ours.Rate), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "Ethernet1", "Ethernet2", "Ethernet3")
			m3 := b.station("Ethernet3")
			partner := judge.NewOVS(t, b.members)
			c.ours.Mode, c.ours.Members = switchcfg.ModeLACP, []string{"Ethernet1", "Ethernet2"}
			b.apply(aggregated(c.ours)...)
			partner.Vsctl("add-bond", "br0", "bond", "Ethernet1", "Ethernet2", "lacp="+c.theirs, "bond_mode=balance-tcp", "other_config:lacp-time="+c.time)
			o := b.carrying(partner, "Ethernet1", "Ethernet2")
			for name, m := range partner.Bond("bond").Members {
				if c.ours.SystemID != (switchcfg.MAC{}) && m.PartnerSystem != system.String() {
					t.Errorf("behind %s is the system %s", name, m.PartnerSystem)
				}
				if got := strings.Contains(m.PartnerState, "timeout"); got != (c.ours.Rate == switchcfg.RateFast) {
					t.Errorf("we ask to hear from %s fast: %t", name, got)
				}
				if got := strings.Contains(m.PartnerState, "activity"); got == c.ours.Passive {
					t.Errorf("we are active towards %s: %t", name, got)
				}
				if us := o.LACP[name]; !us.InSync || !us.Collecting || !us.Distributing || us.LAG != "lag1" || us.Partner.String() != m.ActorSystem {
					t.Errorf("%s: %+v", name, us)
				}
			}
			// Frames pass, tagged as ordered, by the partner's bridge.
			partner.Vsctl("add-port", "br0", "host", "tag=100", "--", "set", "interface", "host", "type=internal")
			there := letter(everybody, alice(1), 1)
			partner.Ofctl("packet-out", "br0", fmt.Sprintf("in_port=host,packet=%x,actions=NORMAL", there))
			m3.expect("through the LAG", there)
			carrier(t, b.members, "Ethernet1", false)
			b.carrying(partner, "Ethernet2")
			there = letter(everybody, alice(1), 2)
			partner.Ofctl("packet-out", "br0", fmt.Sprintf("in_port=host,packet=%x,actions=NORMAL", there))
			m3.expect("by the other member", there)
			carrier(t, b.members, "Ethernet1", true)
			b.carrying(partner, "Ethernet1", "Ethernet2")
			// A member that is taken away is no break for the other.
			carrier(t, b.members, "Ethernet1", false)
			c.ours.Members = []string{"Ethernet2"}
			b.apply(aggregated(c.ours)...)
			b.carrying(partner, "Ethernet2")
		})
	}
}

// What comes by a member without LACP is not the LAG's, also where there is one member only.
func TestNothingPassesBeforeLACPHasSettled(t *testing.T) {
	t.Parallel()
	for _, members := range [][]string{{"Ethernet1"}, {"Ethernet1", "Ethernet2"}} {
		t.Run(fmt.Sprint(members), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "Ethernet1", "Ethernet2", "Ethernet3")
			m1, m3 := b.station("Ethernet1"), b.station("Ethernet3")
			_, right := stack(switchcfg.TPIDCustomer, 1)
			l := switchcfg.LAG{Mode: switchcfg.ModeLACP, Rate: switchcfg.RateFast, Members: members}
			b.apply(aggregated(l)...)
			m1.send(letter(everybody, alice(1), 1, right...))
			m3.send(letter(everybody, bob(1), 1))
			var o drivers.OperState
			judge.Poll(t, "the frame has come", func() bool {
				var err error
				if o, err = b.driver.Operational(t.Context()); err != nil {
					t.Fatal(err)
				}
				return o.Ports["Ethernet1"].InFrames > 0
			}, func() string { return fmt.Sprintf("%+v", o) })
			l.Mode, l.Rate = switchcfg.ModeStatic, ""
			b.apply(aggregated(l)...)
			there, back := letter(everybody, alice(1), 2, right...), letter(everybody, bob(1), 2, right...)
			m1.send(there)
			m3.expect("once it is static", letter(everybody, alice(1), 2))
			if len(members) == 1 {
				m3.send(letter(everybody, bob(1), 2))
				m1.expect("once it is static", back)
			}
		})
	}
}

// By whichever member of a static LAG a frame comes, broadcast or not, it is the LAG's, and each frame leaves by one.
func TestStaticLAGTakesFramesFromEveryMember(t *testing.T) {
	t.Parallel()
	b := newBench(t, "Ethernet1", "Ethernet2", "Ethernet3")
	m1, m2, m3 := b.station("Ethernet1"), b.station("Ethernet2"), b.station("Ethernet3")
	_, right := stack(switchcfg.TPIDCustomer, 1)
	b.apply(aggregated(switchcfg.LAG{Mode: switchcfg.ModeStatic, Members: []string{"Ethernet1", "Ethernet2"}})...)
	for n, m := range []*station{m1, m2} {
		m.send(letter(everybody, alice(uint16(n)), uint32(n), right...))
		m3.expect("a broadcast", letter(everybody, alice(uint16(n)), uint32(n)))
	}
	const frames = 64
	for n := range uint32(frames) {
		m3.send(letter(everybody, bob(uint16(n)), n))
	}
	judge.Poll(t, "all have left", func() bool { return len(m1.in)+len(m2.in) == frames }, func() string { return fmt.Sprint(len(m1.in), len(m2.in)) })
	if len(m1.in) == 0 || len(m2.in) == 0 {
		t.Errorf("%d and %d frames left by the members", len(m1.in), len(m2.in))
	}
	// Those of a member without carrier leave by the other.
	for len(m1.in)+len(m2.in) > 0 {
		select {
		case <-m1.in:
		case <-m2.in:
		}
	}
	carrier(t, b.members, "Ethernet2", false)
	judge.Poll(t, "the member is known to be down", func() bool {
		o, err := b.driver.Operational(t.Context())
		return err == nil && slices.Equal(o.Ports["lag1"].Members, []string{"Ethernet1"})
	}, func() string { return b.Vsctl("list", "interface", "Ethernet2") })
	for n := range uint32(frames) {
		m3.send(letter(everybody, bob(uint16(n)), frames+n))
	}
	judge.Poll(t, "all have left by the one", func() bool { return len(m1.in) == frames }, func() string { return fmt.Sprint(len(m1.in)) })
}

// A port is never without an interface, and an interface is never in two ports.
func TestLAGsMayTakeEachOthersMembers(t *testing.T) {
	t.Parallel()
	b := newBench(t, "Ethernet1", "Ethernet2", "Ethernet3")
	for _, mode := range []switchcfg.LAGMode{switchcfg.ModeStatic, switchcfg.ModeLACP} {
		for _, members := range [][2]string{{"Ethernet1", "Ethernet2"}, {"Ethernet2", "Ethernet3"}, {"Ethernet1", "Ethernet2"}, {"Ethernet2", "Ethernet1"}} {
			var objects []switchcfg.Object
			for i, m := range members {
				l := &switchcfg.LAG{Name: fmt.Sprintf("lag%d", 1+i), Description: "ixagent conn:1", Mode: mode, Members: []string{m}}
				if mode == switchcfg.ModeLACP {
					l.Rate = switchcfg.RateFast
				}
				objects = append(objects, l, &switchcfg.Interface{Name: m, Description: "ixagent port:1"})
			}
			b.apply(objects...)
		}
	}
}

func TestRatesAreThoseThatWereOrdered(t *testing.T) {
	t.Parallel()
	for _, in := range []bool{true, false} {
		t.Run(fmt.Sprintf("from the member %t", in), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "Ethernet1", "Ethernet2")
			m1, m2 := b.station("Ethernet1"), b.station("Ethernet2")
			objects := lan("", &switchcfg.Policer{Rate: 1000})
			c := objects[3].(*switchcfg.Circuit)
			from, to := m1, m2
			if in {
				c.RateIn = 1000
			} else {
				c.RateOut = 1000
				from, to = m2, m1
			}
			b.apply(objects...)
			// 200 frames of 9,000 octets are 14.4 Mbit. A burst of 524 kbit has room for 7, and a second for 14 more.
			const frames, size = 200, 9000
			came := 0
			for n := range uint32(frames) {
				f := letter(everybody, alice(1), n)
				from.send(append(f, make([]byte, size-len(f))...))
			}
			f := letter(everybody, alice(2), frames)
			judge.Poll(t, "the last is let through", func() bool {
				from.send(f)
				for len(to.in) > 0 {
					if got := <-to.in; len(got) == len(f) {
						return true
					}
					came++
				}
				return false
			}, func() string { return "" })
			if came < 3 || came > 60 {
				t.Errorf("%d of %d frames came", came, frames)
			} else {
				t.Logf("%d of %d frames came", came, frames)
			}
		})
	}
}
