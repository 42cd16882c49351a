package lacp_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane/lacp"
)

// network is machines and wires between their ports in a time of its own.
type network struct {
	t      fataler
	now    time.Duration
	nodes  []*node
	wires  []*wire
	flight []flying
	rnd    *rand.Rand
	loss   float64
	events int
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// delay is how long a PDU is under way.
const delay = 3 * time.Millisecond

// node is a machine with a clock of its own and, per port, what was last heard there.
type node struct {
	*lacp.Machine
	name  string
	conf  lacp.Config
	clock time.Duration // ahead of the network's
	steps bool          // the clock was set since the machine began
	wake  time.Duration // of the network's time, 0 for never
	ports map[uint16]*heard
}

type heard struct {
	pdu  *lacp.LACPDU
	at   time.Duration
	sent []time.Duration
}

type end struct {
	node *node
	port uint16
}

type wire struct {
	ends [2]end
	up   [2]bool
}

type flying struct {
	to  end
	at  time.Duration
	pdu []byte
}

func newNetwork(t fataler, seed uint64) *network {
	return &network{t: t, now: time.Hour, rnd: rand.New(rand.NewPCG(seed, 1))}
}

// system returns the system identifier of the node i.
func system(i int) lacp.System {
	return lacp.System{Priority: 0x8000, ID: [6]byte{2, 0, 0, 0, 0, byte(i)}}
}

// add adds a node with ports 1 to ports.
func (n *network) add(c lacp.Config, ports int) *node {
	n.t.Helper()
	c.System = system(len(n.nodes) + 1)
	if c.Key == 0 {
		c.Key = uint16(len(n.nodes) + 10)
	}
	for i := len(c.Ports); i < ports; i++ {
		c.Ports = append(c.Ports, lacp.PortConfig{Number: uint16(i + 1), Priority: 100})
	}
	m, err := lacp.New(c)
	if err != nil {
		n.t.Fatalf("%v", err)
	}
	a := &node{Machine: m, name: fmt.Sprintf("node %d", len(n.nodes)+1), conf: c, ports: map[uint16]*heard{}}
	for _, p := range c.Ports {
		a.ports[p.Number] = &heard{}
	}
	n.nodes = append(n.nodes, a)
	return a
}

// wire joins two ports and takes the link up.
func (n *network) wire(a *node, p uint16, b *node, q uint16) *wire {
	w := &wire{ends: [2]end{{a, p}, {b, q}}}
	n.wires = append(n.wires, w)
	n.set(w, 0, true)
	n.set(w, 1, true)
	return w
}

// set takes one end of a wire up or down.
func (n *network) set(w *wire, side int, up bool) {
	e := w.ends[side]
	w.up[side] = up
	if up {
		e.node.LinkUp(n.local(e.node), e.port)
	} else {
		e.node.LinkDown(n.local(e.node), e.port)
		e.node.ports[e.port].pdu = nil
	}
	n.tick(e.node)
}

// configure makes the machine of a node follow its configuration.
func (n *network) configure(a *node) {
	n.t.Helper()
	if err := a.Configure(a.conf); err != nil {
		n.t.Fatalf("%v", err)
	}
	n.tick(a)
}

func (n *network) local(a *node) time.Time { return time.Unix(1e9, 0).Add(n.now + a.clock) }

// step sets the clock of a node; the timer it waits for runs on.
func (n *network) step(a *node, by time.Duration) {
	a.clock += by
	a.steps = true
}

func (n *network) tick(a *node) {
	n.t.Helper()
	now := n.local(a)
	pdus, next := a.Tick(now)
	a.wake = 0
	if !next.IsZero() {
		if !next.After(now) {
			n.t.Fatalf("%v: %s wants to be called at %v, at %v", n.now, a.name, next, now)
		}
		a.wake = n.now + next.Sub(now)
	}
	for _, pdu := range pdus {
		h := a.ports[pdu.Port]
		h.sent = append(slices.DeleteFunc(h.sent, func(at time.Duration) bool { return at <= n.now-lacp.FastPeriodicTime }), n.now)
		if len(h.sent) > 3 && !a.steps {
			n.t.Fatalf("%v: %s port %d sends %d PDUs in a second", n.now, a.name, pdu.Port, len(h.sent))
		}
		for _, w := range n.wires {
			for i, e := range w.ends {
				if e == (end{a, pdu.Port}) && w.up[i] && n.rnd.Float64() >= n.loss {
					n.flight = append(n.flight, flying{w.ends[1-i], n.now + delay, pdu.Bytes})
				}
			}
		}
	}
	n.check()
}

func (n *network) deliver(f flying) {
	h := f.to.node.ports[f.to.port]
	if s, _ := f.to.node.Port(f.to.port); s.Up {
		pdu, err := lacp.ParseLACPDU(f.pdu)
		if err != nil {
			n.t.Fatalf("%v", err)
		}
		h.pdu, h.at = &pdu, n.now
	}
	f.to.node.Receive(n.local(f.to.node), f.to.port, f.pdu)
	n.tick(f.to.node)
}

// run lets d go by.
func (n *network) run(d time.Duration) {
	n.t.Helper()
	until := n.now + d
	for {
		next := until
		for _, a := range n.nodes {
			if a.wake != 0 {
				next = min(next, a.wake)
			}
		}
		for _, f := range n.flight {
			next = min(next, f.at)
		}
		n.now = next
		if n.events++; n.events > 1e6 {
			n.t.Fatalf("a million events by %v", n.now)
		}
		due := func(f flying) bool { return f.at <= n.now }
		if i := slices.IndexFunc(n.flight, due); i >= 0 {
			f := n.flight[i]
			n.flight = slices.Delete(n.flight, i, i+1)
			n.deliver(f)
			continue
		}
		if i := slices.IndexFunc(n.nodes, func(a *node) bool { return a.wake != 0 && a.wake <= n.now }); i >= 0 {
			n.tick(n.nodes[i])
			continue
		}
		if n.now == until {
			return
		}
	}
}

// check asserts what must hold at every instant, from what was delivered and not from what the machine says of
// its partner.
func (n *network) check() {
	n.t.Helper()
	for _, a := range n.nodes {
		agg := a.Aggregator()
		var partner *lacp.Info
		distributing := 0
		for number, h := range a.ports {
			s, _ := a.Port(number)
			flags := s.Actor.State
			if flags.Has(lacp.Distributing) && !flags.Has(lacp.Collecting) || flags.Has(lacp.Collecting) && !flags.Has(lacp.Synchronization) {
				n.t.Fatalf("%v: %s port %d is %v", n.now, a.name, number, flags)
			}
			if !s.Distributing() {
				continue
			}
			distributing++
			switch {
			case h.pdu == nil:
				n.t.Fatalf("%v: %s port %d distributes to a partner it has not heard", n.now, a.name, number)
			case !h.pdu.Actor.State.Has(lacp.Synchronization | lacp.Collecting):
				n.t.Fatalf("%v: %s port %d distributes to a partner that is %v", n.now, a.name, number, h.pdu.Actor.State)
			case h.pdu.Partner.System != a.conf.System || h.pdu.Partner.Key != a.conf.Key || h.pdu.Partner.Port != number:
				n.t.Fatalf("%v: %s port %d distributes to the partner of %+v", n.now, a.name, number, h.pdu.Partner)
			case !a.steps && n.now-h.at > timeout(a.conf):
				n.t.Fatalf("%v: %s port %d distributes to a partner not heard for %v", n.now, a.name, number, n.now-h.at)
			case partner != nil && (partner.System != h.pdu.Actor.System || partner.Key != h.pdu.Actor.Key):
				n.t.Fatalf("%v: %s distributes to two partners", n.now, a.name)
			}
			partner = &h.pdu.Actor
		}
		if distributing != len(agg.Distributing) || distributing > 0 && (agg.PartnerSystem != partner.System || agg.PartnerKey != partner.Key) {
			n.t.Fatalf("%v: %s: %d ports distribute, %+v", n.now, a.name, distributing, agg)
		}
		if c := a.conf; distributing > 0 && c.MaxLinks > 0 && distributing > c.MaxLinks {
			n.t.Fatalf("%v: %s: %d ports of %d distribute", n.now, a.name, distributing, c.MaxLinks)
		}
	}
}

func timeout(c lacp.Config) time.Duration {
	if c.Fast {
		return lacp.ShortTimeoutTime
	}
	return lacp.LongTimeoutTime
}

// distributes fails the test unless exactly these ports of a distribute.
func (n *network) distributes(a *node, ports ...uint16) {
	n.t.Helper()
	if got := a.Aggregator().Distributing; !slices.Equal(got, ports) {
		for number := range a.ports {
			s, _ := a.Port(number)
			if t, ok := n.t.(testing.TB); ok {
				t.Logf("port %d: %v %v %v, actor %v, partner %+v", number, s.Receive, s.Selected, s.Mux, s.Actor.State, s.Partner)
			}
		}
		n.t.Fatalf("%v: %s distributes on %v, want %v", n.now, a.name, got, ports)
	}
}
