package lacp

import (
	"cmp"
	"time"
)

// ReceiveState is the state of a port's Receive machine (6.4.12).
type ReceiveState uint8

// States of the Receive machine.
const (
	rxInitialize   ReceiveState = iota // left at once
	RxPortDisabled                     // the link is down
	RxExpired                          // the partner has not been heard in time
	RxLACPDisabled                     // the port does not speak LACP
	RxDefaulted
	RxCurrent // what is known of the partner was heard in time
)

// String returns the standard's name of s.
func (s ReceiveState) String() string {
	return [...]string{"INITIALIZE", "PORT_DISABLED", "EXPIRED", "LACP_DISABLED", "DEFAULTED", "CURRENT"}[s]
}

// PeriodicState is the state of a port's Periodic Transmission machine (6.4.13).
type PeriodicState uint8

// States of the Periodic Transmission machine; PERIODIC_TX is left at once.
const (
	NoPeriodic PeriodicState = iota
	FastPeriodic
	SlowPeriodic
)

// String returns the standard's name of s.
func (s PeriodicState) String() string {
	return [...]string{"NO_PERIODIC", "FAST_PERIODIC", "SLOW_PERIODIC"}[s]
}

// Selection is the verdict of the Selection logic on a port (6.4.8).
type Selection uint8

// Verdicts of the Selection logic.
const (
	Unselected Selection = iota
	Standby              // the port would be selected if there were fewer links
	Selected             // the port belongs to the Aggregator
)

// String returns the standard's name of s.
func (s Selection) String() string {
	return [...]string{"UNSELECTED", "STANDBY", "SELECTED"}[s]
}

// MuxState is the state of a port's Mux machine with independent control (6.4.15).
type MuxState uint8

// States of the Mux machine, each further from being detached than the one before.
const (
	MuxDetached MuxState = iota
	MuxWaiting
	MuxAttached
	MuxCollecting
	MuxDistributing
)

// String returns the standard's name of s.
func (s MuxState) String() string {
	return [...]string{"DETACHED", "WAITING", "ATTACHED", "COLLECTING", "DISTRIBUTING"}[s]
}

// Counters count what happened at a port since its number was first configured.
type Counters struct {
	In         uint64 // LACPDUs received
	Out        uint64 // LACPDUs handed out for sending
	InErrors   uint64 // LACPDUs and Marker PDUs that were malformed
	OutErrors  uint64 // PDUs that could not be sent
	Unknown    uint64 // PDUs of another slow protocol
	Illegal    uint64 // PDUs of a subtype that none may have
	Timeouts   uint64 // times the partner fell silent, and times it was heard again after that
	MarkersIn  uint64 // Marker PDUs received
	MarkersOut uint64 // Marker Response PDUs handed out for sending
}

// PortState is what is known of a port and its link.
type PortState struct {
	Number      uint16
	Up          bool
	Receive     ReceiveState
	Periodic    PeriodicState
	Selected    Selection
	Mux         MuxState
	Actor       Info // as a LACPDU sent now would say
	Partner     Info // as last heard, or the default
	Counters    Counters
	LastTimeout time.Time // when Counters.Timeouts last changed, zero for never
}

// Collecting reports whether frames that arrive at the port are accepted.
func (s *PortState) Collecting() bool { return s.Actor.State.Has(Collecting) }

// Distributing reports whether frames may be sent from the port.
func (s *PortState) Distributing() bool { return s.Actor.State.Has(Distributing) }

// Port returns the state of a port, and whether there is such a port.
func (m *Machine) Port(number uint16) (PortState, bool) {
	p := m.port(number)
	if p == nil {
		return PortState{}, false
	}
	return p.state(), true
}

// AggregatorState is what is known of the Aggregator.
type AggregatorState struct {
	Bound         bool   // whether there is a partner
	PartnerSystem System // zero in static mode
	PartnerKey    uint16
	Collecting    []uint16 // ports that accept frames, by number
	Distributing  []uint16 // ports that send frames, by number; the Aggregator is operational if there are any
}

// Aggregator returns the state of the Aggregator.
func (m *Machine) Aggregator() AggregatorState {
	s := AggregatorState{Bound: m.bound, PartnerSystem: m.lag.system, PartnerKey: m.lag.key}
	for _, p := range m.ports {
		if p.actor.State.Has(Collecting) {
			s.Collecting = append(s.Collecting, p.Number)
		}
		if p.actor.State.Has(Distributing) {
			s.Distributing = append(s.Distributing, p.Number)
		}
	}
	return s
}

// port is an Aggregation Port. A timer is the instant at which it expires, 0 while it does not run.
type port struct {
	PortConfig
	up        bool
	actor     Info
	partner   Info
	responses [][]byte // Marker Response PDUs to be sent
	counters  Counters

	receive      ReceiveState
	currentWhile time.Duration
	silent       bool // timed out and not heard since
	lastTimeout  time.Time

	periodic      PeriodicState
	periodicTimer time.Duration

	selected Selection

	mux       MuxState
	waitWhile time.Duration

	ntt  bool
	free [burst]time.Duration // when each of the LACPDUs sent last no longer counts against the limit
}

// configure sets what the port says of itself.
func (p *port) configure(c *Config, pc PortConfig) {
	p.PortConfig = pc
	p.actor.System, p.actor.Key = c.System, cmp.Or(pc.Key, c.Key)
	p.actor.PortPriority, p.actor.Port = pc.Priority, pc.Number
	p.actor.State.set(Activity, c.Mode == Active)
	p.actor.State.set(Timeout, c.Fast)
	p.actor.State.set(Aggregation, !pc.Individual)
}

func (p *port) state() PortState {
	return PortState{
		Number: p.Number, Up: p.up,
		Receive: p.receive, Periodic: p.periodic, Selected: p.selected, Mux: p.mux,
		Actor: p.actor, Partner: p.partner,
		Counters: p.counters, LastTimeout: p.lastTimeout,
	}
}
