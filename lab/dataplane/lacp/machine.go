package lacp

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Intervals of the protocol (6.4.4).
const (
	FastPeriodicTime  = 1 * time.Second
	SlowPeriodicTime  = 30 * time.Second
	ShortTimeoutTime  = 3 * time.Second
	LongTimeoutTime   = 90 * time.Second
	AggregateWaitTime = 2 * time.Second
)

// maxStep bounds how far one call moves the timers, so that no jump of a clock can overflow them.
const maxStep = time.Hour

// burst is the number of LACPDUs that a port sends in one [FastPeriodicTime] at most (6.4.16).
const burst = 3

// Mode says how the group of links is formed.
type Mode uint8

// Modes of an Aggregator.
const (
	Passive Mode = iota // speak LACP once the partner does
	Active              // speak LACP unasked
	Static              // no LACP: every port that is up belongs to the group
)

// Config describes an Aggregator.
type Config struct {
	System   System
	Key      uint16 // not 0
	Mode     Mode
	Fast     bool   // ask the partner for a PDU every second, and time out after 3 seconds instead of 90 (6.4.7)
	MinLinks int    // links that must be in synchronisation before any collects or distributes
	MaxLinks int    // links that may be selected, the others stand by; 0 for all
	MaxDelay uint16 // CollectorMaxDelay in tens of microseconds
	Ports    []PortConfig
}

// PortConfig describes a port of an Aggregator.
type PortConfig struct {
	Number     uint16 // not 0, different for each port of a system
	Priority   uint16 // the lower one is the better one
	Key        uint16 // 0 for the key of the Aggregator; a port with another key never joins it
	Individual bool   // never aggregate the link
}

func (c *Config) validate() error {
	var faults []error
	if c.Key == 0 {
		faults = append(faults, errors.New("key is 0"))
	}
	if c.System.ID == [6]byte{} || c.System.ID[0]&1 != 0 {
		faults = append(faults, fmt.Errorf("system id %x is no station's address", c.System.ID))
	}
	if c.Mode > Static {
		faults = append(faults, fmt.Errorf("mode %d is unknown", c.Mode))
	}
	if c.MinLinks < 0 || c.MaxLinks < 0 || c.MaxLinks != 0 && c.MinLinks > c.MaxLinks {
		faults = append(faults, fmt.Errorf("at least %d links of at most %d", c.MinLinks, c.MaxLinks))
	}
	seen := make(map[uint16]bool, len(c.Ports))
	for _, p := range c.Ports {
		if p.Number == 0 || seen[p.Number] {
			faults = append(faults, fmt.Errorf("port number %d is 0 or not the only one", p.Number))
		}
		seen[p.Number] = true
	}
	return errors.Join(faults...)
}

// PDU is what a port has to send: the octets after the ethertype.
type PDU struct {
	Port  uint16
	Bytes []byte
}

// Machine is the Link Aggregation Control of one Aggregator and its ports. It is not safe for concurrent use.
// Calls for a port that it does not have do nothing.
type Machine struct {
	conf  Config
	ports []*port // by number

	wall  time.Time     // the latest time told
	clock time.Duration // the sum of the steps forward of the time told; all timers are instants of it

	bound   bool
	lag     lag                   // the partner the Aggregator is bound to, if bound
	boundAt time.Duration         // since when, or until when frames were collected from it
	rebind  time.Duration         // when patience with it ends, 0 for never
	given   map[lag]time.Duration // the partners given up and when, of those that are still heard
}

// New returns a machine whose ports are down.
func New(c Config) (*Machine, error) {
	m := &Machine{given: map[lag]time.Duration{}}
	if err := m.Configure(c); err != nil {
		return nil, err
	}
	return m, nil
}

// Configure replaces the configuration. A new port is down. A port whose own part, system and key are unchanged
// goes on as if nothing had happened. Any other is detached, which its partner is told, and negotiates anew with
// what it knows of the partner (6.4.14.1); if the mode becomes or was [Static], it forgets the partner. After an
// error, which joins all faults, nothing has changed.
func (m *Machine) Configure(c Config) error {
	if err := c.validate(); err != nil {
		return fmt.Errorf("aggregator: %w", err)
	}
	c.Ports = slices.Clone(c.Ports)
	slices.SortFunc(c.Ports, func(a, b PortConfig) int { return cmp.Compare(a.Number, b.Number) })
	forget := (m.conf.Mode == Static) != (c.Mode == Static)

	ports := make([]*port, len(c.Ports))
	for i, pc := range c.Ports {
		p := m.port(pc.Number)
		if p == nil {
			p = &port{ntt: true}
		}
		ports[i] = p
	}
	m.conf, m.ports = c, ports
	for i, p := range m.ports {
		was := p.actor
		p.configure(&m.conf, c.Ports[i])
		p.ntt = p.ntt || p.actor != was
		changed := !p.actor.same(was, Aggregation)
		switch {
		case forget, p.receive == rxInitialize, changed && c.Mode == Static:
			m.begin(p)
		case changed:
			p.selected = Unselected
			p.partner.State.set(Synchronization, false)
		}
	}
	m.settle()
	return nil
}

// LinkUp tells that a port became operable.
func (m *Machine) LinkUp(now time.Time, number uint16) { m.link(now, number, true) }

// LinkDown tells that a port became inoperable, by its medium or by configuration.
func (m *Machine) LinkDown(now time.Time, number uint16) { m.link(now, number, false) }

func (m *Machine) link(now time.Time, number uint16, up bool) {
	m.advance(now)
	if p := m.port(number); p != nil && p.up != up {
		p.up = up
		m.enable(p)
		m.settle()
	}
}

// Receive tells that pdu, the octets after the ethertype of a Slow Protocols frame, arrived at a port. What it
// cannot read it counts. It does not keep pdu.
func (m *Machine) Receive(now time.Time, number uint16, pdu []byte) {
	m.advance(now)
	p := m.port(number)
	if p == nil || !p.up {
		return
	}
	switch {
	case len(pdu) == 0 || pdu[0] == 0 || pdu[0] > subtypeLast:
		p.counters.Illegal++
	case pdu[0] == subtypeLACP:
		l, err := ParseLACPDU(pdu)
		if err != nil {
			p.counters.InErrors++
			return
		}
		p.counters.In++
		if m.conf.Mode != Static {
			m.hear(p, l)
		}
	case pdu[0] == subtypeMarker:
		r, ok, err := respond(pdu)
		switch {
		case err != nil:
			p.counters.InErrors++
		case ok:
			p.counters.MarkersIn++
			p.responses = append(p.responses, r)
		}
	default:
		p.counters.Unknown++
	}
	m.settle()
}

// SendFailed tells that a PDU which [Machine.Tick] returned for a port could not be sent.
func (m *Machine) SendFailed(number uint16) {
	if p := m.port(number); p != nil {
		p.counters.OutErrors++
	}
}

// Tick runs what is due and returns what is to be sent now, in order, and the instant at which something will
// be due again if nothing happens before, which is the zero time if nothing will. Time that goes back counts as
// time that stands still.
func (m *Machine) Tick(now time.Time) ([]PDU, time.Time) {
	m.advance(now)
	var out []PDU
	for _, p := range m.ports {
		for _, r := range p.responses {
			p.counters.MarkersOut++
			out = append(out, PDU{p.Number, r})
		}
		p.responses = nil
		if p.mayTransmit(m.clock) {
			p.transmitted(m.clock)
			pdu := LACPDU{Actor: p.actor, Partner: p.partner, MaxDelay: m.conf.MaxDelay}
			out = append(out, PDU{p.Number, pdu.Append(nil)})
		}
	}
	return out, m.next()
}

func (m *Machine) port(number uint16) *port {
	i, ok := slices.BinarySearchFunc(m.ports, number, func(p *port, n uint16) int { return cmp.Compare(p.Number, n) })
	if !ok {
		return nil
	}
	return m.ports[i]
}

// advance moves the clock to now and runs the timers that expired by then.
func (m *Machine) advance(now time.Time) {
	if !m.wall.IsZero() {
		m.clock += min(max(0, now.Sub(m.wall)), maxStep)
	}
	m.wall = now
	for _, p := range m.ports {
		m.expire(p)
	}
	m.settle()
}

// settle runs the Selection logic and the Mux machines until none of them moves, then the Periodic machines.
func (m *Machine) settle() {
	for moved := true; moved; {
		moved = m.selection()
		ready, enough := m.ready(), m.enough()
		for _, p := range m.ports {
			moved = m.multiplex(p, ready, enough) || moved
		}
	}
	for _, p := range m.ports {
		p.period(m.clock)
	}
}

// next returns the first instant at which a timer expires, in the time told.
func (m *Machine) next() time.Time {
	var first time.Duration
	due := func(at time.Duration) {
		if at > m.clock && (first == 0 || at < first) {
			first = at
		}
	}
	for _, p := range m.ports {
		due(p.currentWhile)
		if p.mux == MuxWaiting {
			due(p.waitWhile)
		}
		if p.periodic != NoPeriodic {
			due(p.periodicTimer)
		}
		if p.ntt {
			due(p.free[0])
		}
	}
	due(m.rebind)
	if first == 0 {
		return time.Time{}
	}
	return m.wall.Add(first - m.clock)
}
