package dataplane

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane/lacp"
)

// priority is what the exchange's ports and systems say of themselves where nobody chose (6.3.2, 6.3.4).
const priority = 0x8000

// lag is a link aggregation group. Its machine is driven by the readers of its ports, by [Plane.Link] and by the
// clock, one at a time.
type lag struct {
	name  string
	key   uint16
	storm *bucket // of the latest table

	links atomic.Pointer[links]
	lost  atomic.Bool // no member distributes any more, and the stations behind it are still to be forgotten

	mu      sync.Mutex
	machine *lacp.Machine
	ports   map[uint16]*port
	said    map[uint16]lacp.PortState // of each port, what was last published
	frame   []byte                    // a PDU to be sent
}

// links are the members that frames may pass, never changed.
type links struct{ collecting, distributing []*port }

func newLAG(name string, key uint16) *lag {
	l := &lag{name: name, key: key}
	l.links.Store(&links{})
	return l
}

// configure makes the machine follow. It reports whether anything that is published changed.
func (l *lag) configure(now time.Time, c lacp.Config, members []*port, up func(*port) bool) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.machine == nil {
		m, err := lacp.New(c)
		if err != nil {
			return false, fmt.Errorf("LAG %q: %w", l.name, err)
		}
		l.machine = m
	} else if err := l.machine.Configure(c); err != nil {
		return false, fmt.Errorf("LAG %q: %w", l.name, err)
	}
	l.ports = map[uint16]*port{}
	for _, p := range members {
		l.ports[p.number] = p
		l.link(now, p, up(p))
	}
	return l.publish(), nil
}

func (l *lag) link(now time.Time, p *port, up bool) {
	if up {
		l.machine.LinkUp(now, p.number)
	} else {
		l.machine.LinkDown(now, p.number)
	}
}

// setLink tells the machine that a member has a link that may be used, or has none.
func (l *lag) setLink(now time.Time, p *port, up bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.link(now, p, up)
	return l.publish()
}

// receive hands a PDU to the machine. What that leads to is published at once and said at the next tick.
func (l *lag) receive(now time.Time, p *port, pdu []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.machine.Receive(now, p.number, pdu)
	l.publishLinks()
}

// tick sends what is due. It returns when the next is, the zero time for never, and whether anything that is
// published changed.
func (l *lag) tick(now time.Time) (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	pdus, next := l.machine.Tick(now)
	changed := l.publish()
	for _, pdu := range pdus {
		p := l.ports[pdu.Port]
		l.frame = lacp.AppendFrame(l.frame[:0], p.mac(), pdu.Bytes)
		if !p.send([][]byte{l.frame}) {
			l.machine.SendFailed(pdu.Port)
		}
	}
	return next, changed
}

// publish tells the fast path which members pass frames. It reports whether anything a person would want to know
// of a member changed, since it was last called.
func (l *lag) publish() bool {
	l.publishLinks()
	said := make(map[uint16]lacp.PortState, len(l.ports))
	changed := len(l.said) != len(l.ports)
	for number := range l.ports {
		s, _ := l.machine.Port(number)
		s.Counters, s.LastTimeout = lacp.Counters{}, time.Time{}
		changed = changed || l.said[number] != s
		said[number] = s
	}
	l.said = said
	return changed
}

func (l *lag) publishLinks() {
	a := l.machine.Aggregator()
	of := func(numbers []uint16) []*port {
		var ps []*port
		for _, n := range numbers {
			ps = append(ps, l.ports[n])
		}
		return ps
	}
	is, was := &links{of(a.Collecting), of(a.Distributing)}, l.links.Load()
	if !slices.Equal(is.collecting, was.collecting) || !slices.Equal(is.distributing, was.distributing) {
		l.links.Store(is)
	}
	if len(is.distributing) == 0 && len(was.distributing) > 0 {
		l.lost.Store(true)
	}
}

// state returns what the machine knows of a member.
func (l *lag) state(p *port) (lacp.PortState, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.machine.Port(p.number)
}

func (l *lag) aggregator() lacp.AggregatorState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.machine.Aggregator()
}
