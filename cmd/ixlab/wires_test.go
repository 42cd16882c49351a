package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// operational asks the driver until what it says is as f wants it.
func (x *wired) operational(what string, f func(drivers.OperState) bool) {
	x.t.Helper()
	d, ok := drivers.As[drivers.Operational](x.driver)
	if !ok {
		x.t.Fatal("the driver cannot tell what the switch does")
	}
	var last drivers.OperState
	defer func() {
		if x.t.Failed() {
			x.t.Logf("%+v", last)
		}
	}()
	eventually(x.t, what, func() bool {
		var err error
		if last, err = d.Operational(x.t.Context()); err != nil {
			x.t.Fatal(err)
		}
		return f(last)
	})
}

// partner is a member with a LAG over the first cables, that asks for a PDU every second.
func (x *wired) partner(id [6]byte, cables int) *dataplane.Plane {
	x.t.Helper()
	p := dataplane.New(dataplane.Options{})
	x.t.Cleanup(func() {
		if err := p.Close(); err != nil {
			x.t.Error(err)
		}
	})
	lag := dataplane.LAG{Name: "lag", Enabled: true, Mode: lacp.Active, Fast: true, System: id}
	conf := &dataplane.Config{}
	for n := range cables {
		name := fmt.Sprintf("m%d", n+1)
		conf.Ports = append(conf.Ports, dataplane.Port{Name: name, Enabled: true})
		lag.Members = append(lag.Members, name)
	}
	conf.LAGs = []dataplane.LAG{lag}
	if err := p.Configure(conf); err != nil {
		x.t.Fatal(err)
	}
	for _, name := range lag.Members {
		var w *wire.Wire
		if err := x.members.Do(func() (err error) { w, err = wire.Open(name); return err }); err != nil {
			x.t.Fatal(err)
		}
		x.t.Cleanup(func() { _ = w.Close() })
		p.Attach(name, w, w.MAC())
		p.Link(name, true)
	}
	return p
}

func TestDriverTellsWhatPlaneAndPartnerDo(t *testing.T) {
	for _, s := range systems() {
		t.Run(s.name, func(t *testing.T) { tells(newWired(t, s, 3)) })
	}
}

func tells(x *wired) {
	m3 := x.station(3)
	one, two, three := x.port(1, "first", 0), x.port(2, "second", 0), x.port(3, "alone", 0)
	one.TPID, two.TPID = 0, 0 // which is that of the LAG
	lag := &switchcfg.LAG{
		Name: x.lag, Description: "of two", Mode: switchcfg.ModeLACP, Rate: switchcfg.RateFast, Members: []string{one.Name, two.Name}, TPID: x.portTPID(0),
	}
	left, entered := x.circuit(lag.Name, 0, switchcfg.MatchUntagged(), "ix-s"), x.circuit(three.Name, 0, switchcfg.MatchUntagged(), "ix-s")
	x.apply(x.service("ix-s", switchcfg.ServiceLAN, 600), one, two, three, lag, left, entered)
	x.operational("a LAG without a partner is down", func(s drivers.OperState) bool {
		return s.Ports[one.Name].Up && !s.Ports[lag.Name].Up && len(s.Ports[lag.Name].Members) == 0 &&
			s.LACP[one.Name].LAG == lag.Name && s.LACP[one.Name].Partner == switchcfg.MAC{}
	})
	id := switchcfg.MAC{2, 0, 0, 0, 7, 7}
	far := x.partner(id, 2)
	agrees := drivers.LACPState{LAG: lag.Name, InSync: true, Collecting: true, Distributing: true}
	if x.system.partner {
		agrees.Partner = id
	}
	x.operational("both members distribute", func(s drivers.OperState) bool {
		return s.Ports[lag.Name].Up && slices.Equal(s.Ports[lag.Name].Members, lag.Members) &&
			s.LACP[one.Name] == agrees && s.LACP[two.Name] == agrees
	})
	const frames = 20
	for n := range uint32(frames) {
		m3.send(letter(everybody, alice, n))
	}
	x.operational("what came in by a port has left by the LAG", func(s drivers.OperState) bool {
		return s.Ports[three.Name].InFrames >= frames && s.Ports[lag.Name].OutFrames >= frames && s.Ports[lag.Name].InFrames > 0
	})
	in, out := entered.Key(), left.Key()
	x.operational("the circuits have counted it, and whoever sent it is known", func(s drivers.OperState) bool {
		at, known := s.Stations[drivers.Station{Service: "ix-s", MAC: switchcfg.MAC(alice)}]
		counted := s.Circuits[in].InFrames >= frames && s.Circuits[out].OutFrames >= frames
		return (s.Circuits == nil || s.Circuits[in].Up) && (counted || !s.Circuits[in].Counted) && (known && at == in || s.Stations == nil)
	})
	far.Link("m2", false)
	x.operational("a member that is not heard any more is out", func(s drivers.OperState) bool {
		return s.Ports[lag.Name].Up && slices.Equal(s.Ports[lag.Name].Members, []string{one.Name}) && !s.LACP[two.Name].Distributing
	})
}

// carriers is what is known of the carrier of interfaces.
type carriers struct {
	mu sync.Mutex
	up map[string]bool
}

func (c *carriers) link(l wire.Link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up[l.Name] = l.Present && l.Up
}

func (c *carriers) has(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.up[name]
}

// untaggedLAN joins the first two ports without tags.
func (x *wired) untaggedLAN(shut bool) {
	x.t.Helper()
	x.apply(
		&switchcfg.Service{Name: "ix-s", Type: switchcfg.ServiceLAN},
		&switchcfg.Interface{Name: "Ethernet1", Description: "first", Shutdown: shut},
		&switchcfg.Interface{Name: "Ethernet2", Description: "second"},
		&switchcfg.Circuit{Parent: "Ethernet1", Match: switchcfg.MatchUntagged(), Service: "ix-s"},
		&switchcfg.Circuit{Parent: "Ethernet2", Match: switchcfg.MatchUntagged(), Service: "ix-s"},
	)
}

// reaches sends untagged frames until one of them arrives.
func reaches(t *testing.T, from, to *station) {
	t.Helper()
	to.number += 1 << 20 // numbers that nobody has seen
	first := to.number
	eventually(t, "a frame passes", func() bool {
		to.number++
		from.send(letter(everybody, alice, to.number))
		for {
			select {
			case f := <-to.in:
				if n := binary.BigEndian.Uint32(f[frame.HeaderSize:]); n > first && n <= to.number {
					return true
				}
			default:
				return false
			}
		}
	})
}

func TestMemberLosesItsCarrierWhenItsPortIsShut(t *testing.T) {
	x := newWired(t, overGNMI(), 2)
	seen := &carriers{up: map[string]bool{}}
	watch(t, x.members, seen.link)
	m1, m2 := x.station(1), x.station(2)
	x.untaggedLAN(false)
	reaches(t, m1, m2)
	for range 3 {
		x.untaggedLAN(true)
		eventually(t, "the member has no carrier", func() bool { return !seen.has("m1") })
		x.linked("Ethernet1", false)
		if !seen.has("m2") {
			t.Error("the other member has none either")
		}
		x.untaggedLAN(false)
		eventually(t, "the member has a carrier", func() bool { return seen.has("m1") })
		x.linked("Ethernet1", true)
		reaches(t, m1, m2)
		reaches(t, m2, m1)
	}
}

func TestInterfaceThatComesAgainIsItsPortAgain(t *testing.T) {
	x := newWired(t, overGNMI(), 2)
	m2 := x.station(2)
	x.untaggedLAN(false)
	for range 3 {
		reaches(t, x.station(1), m2)
		if err := x.inside.Do(func() error {
			l, err := netlink.LinkByName("eth1")
			if err != nil {
				return err
			}
			return netlink.LinkDel(l)
		}); err != nil {
			t.Fatal(err)
		}
		x.linked("Ethernet1", false)
		x.cable(1)
		x.linked("Ethernet1", true)
	}
	reaches(t, x.station(1), m2)
}

// A port that was shut is shut when its interface comes, too.
func TestInterfaceThatComesToAShutPortHasNoCarrier(t *testing.T) {
	x := newWired(t, overGNMI(), 2)
	seen := &carriers{up: map[string]bool{}}
	watch(t, x.members, seen.link)
	x.untaggedLAN(true)
	eventually(t, "the member has no carrier", func() bool { return !seen.has("m1") && seen.has("m2") })
	if err := x.inside.Do(func() error {
		l, err := netlink.LinkByName("eth1")
		if err != nil {
			return err
		}
		if err := netlink.LinkDel(l); err != nil {
			return err
		}
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: "eth1"}, PeerName: "m1", PeerNamespace: netlink.NsFd(x.members.FD()),
		})
	}); err != nil {
		t.Fatal(err)
	}
	if err := x.members.Do(func() error { return wire.SetUp("m1", true) }); err != nil {
		t.Fatal(err)
	}
	if err := x.inside.Do(func() error { return wire.SetUp("eth1", true) }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the interface is shut, too", func() bool {
		up := true
		if err := x.inside.Do(func() error {
			l, err := netlink.LinkByName("eth1")
			if err == nil {
				up = l.Attrs().Flags&net.FlagUp != 0
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return !up
	})
	x.untaggedLAN(false)
	eventually(t, "the member has a carrier", func() bool { return seen.has("m1") })
}
