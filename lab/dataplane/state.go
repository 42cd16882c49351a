package dataplane

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
)

// PortState is what is known of a port.
type PortState struct {
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"` // by configuration
	Link    bool   `json:"link"`
	MAC     MAC    `json:"mac"` // zero without a wire
	In      Count  `json:"in"`
	Out     Count  `json:"out"`
	Drops   Drops  `json:"drops"` // of frames that came in, and of frames that the wire did not take
}

// MAC is an address that is shown as people write it.
type MAC [6]byte

// String returns a as six octets in hexadecimal with colons between them.
func (a MAC) String() string { return net.HardwareAddr(a[:]).String() }

// MarshalText returns the form of [MAC.String].
func (a MAC) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what [MAC.MarshalText] writes.
func (a *MAC) UnmarshalText(text []byte) error {
	m, err := net.ParseMAC(string(text))
	if err != nil || len(m) != len(a) {
		return fmt.Errorf("%q is no MAC address", text)
	}
	*a = MAC(m)
	return nil
}

// PortState returns the state of a port, or of the tunnels by the name of [TunnelPort], and whether there is one.
func (p *Plane) PortState(name string) (PortState, bool) {
	if name == TunnelPort && p.tunnel != nil {
		s := p.tunnel.state()
		s.Enabled, s.Link = true, true
		return s, true
	}
	p.mu.Lock()
	pt := p.ports[name]
	p.mu.Unlock()
	if pt == nil {
		return PortState{}, false
	}
	s := pt.state()
	e := p.table.Load().ports[pt]
	s.Enabled = e != nil && e.enabled
	return s, true
}

func (pt *port) state() PortState {
	return PortState{
		Name: pt.name, Link: pt.up.Load(), MAC: pt.mac(),
		In: pt.in.load(), Out: pt.out.load(), Drops: pt.dropped(),
	}
}

// LACP returns what the machine of a LAG knows of a member, and whether the port is one.
func (p *Plane) LACP(lag, port string) (lacp.PortState, bool) {
	p.mu.Lock()
	l, pt := p.lags[lag], p.ports[port]
	p.mu.Unlock()
	if l == nil || pt == nil {
		return lacp.PortState{}, false
	}
	return l.state(pt)
}

// LAGState is what is known of a LAG.
type LAGState struct {
	Name          string   `json:"name"`
	Enabled       bool     `json:"enabled"`     // by configuration
	Operational   bool     `json:"operational"` // frames can leave by it
	Key           uint16   `json:"key"`
	PartnerSystem MAC      `json:"partner-system"` // zero without a partner, and in static mode
	PartnerKey    uint16   `json:"partner-key"`
	Collecting    []string `json:"collecting"`   // members that frames are accepted from
	Distributing  []string `json:"distributing"` // members that frames leave by
}

// LAGState returns the state of a LAG, and whether there is one.
func (p *Plane) LAGState(name string) (LAGState, bool) {
	t := p.table.Load()
	l := t.lag(name)
	if l == nil {
		return LAGState{}, false
	}
	a, links := l.aggregator(), l.links.Load()
	s := LAGState{
		Name: name, Operational: len(links.distributing) > 0, Key: l.key,
		PartnerSystem: a.PartnerSystem.ID, PartnerKey: a.PartnerKey,
	}
	for i := range t.lags {
		if t.lags[i] == l {
			s.Enabled = t.config.LAGs[i].Enabled
		}
	}
	for _, pt := range links.collecting {
		s.Collecting = append(s.Collecting, pt.name)
	}
	for _, pt := range links.distributing {
		s.Distributing = append(s.Distributing, pt.name)
	}
	return s, true
}

// CircuitState is what is known of a circuit.
type CircuitState struct {
	Parent      string `json:"parent"`
	Unit        uint32 `json:"unit"`
	Service     string `json:"service,omitempty"`
	Operational bool   `json:"operational"` // enabled, and its port or LAG can send
	Stations    int    `json:"stations"`    // learned behind it
	In          Count  `json:"in"`          // accepted
	Out         Count  `json:"out"`         // handed to a port
	Drops       Drops  `json:"drops"`       // of frames that came in by it or would have left by it
}

// CircuitStates returns the states of all circuits, in the order of the configuration.
func (p *Plane) CircuitStates() []CircuitState {
	t := p.table.Load()
	all := make([]CircuitState, 0, len(t.circuits))
	for _, c := range t.circuits {
		s := CircuitState{
			Parent: c.Parent, Unit: c.Unit, Service: c.Circuit.Service, Operational: c.Enabled && c.parent.live(),
			In: c.state.in.load(), Out: c.state.out.load(), Drops: c.state.dropped(),
		}
		if c.service != nil {
			s.Stations = c.service.behind(c.state)
		}
		all = append(all, s)
	}
	return all
}

// StationState is an address that a service has learned.
type StationState struct {
	MAC     MAC        `json:"mac"`
	Service string     `json:"service"`
	Parent  string     `json:"parent,omitempty"` // of the circuit it is behind; empty for one behind a tunnel
	Unit    uint32     `json:"unit,omitempty"`
	Remote  netip.Addr `json:"remote,omitzero"` // the tunnel endpoint it is behind
}

// StationStates returns the stations that are known, by service in the order of the configuration, then by address.
// Those behind a circuit that has just gone are not among them.
func (p *Plane) StationStates() []StationState {
	t, now := p.table.Load(), time.Now()
	var all []StationState
	for _, s := range t.services {
		first := len(all)
		s.each(now, func(a frame.MAC, at place) {
			st := StationState{MAC: MAC(a), Service: s.Name, Remote: at.remote}
			if at.circuit != nil {
				c := s.of[at.circuit]
				if c == nil {
					return
				}
				st.Parent, st.Unit = c.Parent, c.Unit
			}
			all = append(all, st)
		})
		slices.SortFunc(all[first:], func(a, b StationState) int { return bytes.Compare(a.MAC[:], b.MAC[:]) })
	}
	return all
}

// FilterState is how often the rules of a filter decided.
type FilterState struct {
	Name string  `json:"name"`
	Hits []Count `json:"hits"` // by rule
}

// FilterStates returns the states of all filters, in the order of the configuration.
func (p *Plane) FilterStates() []FilterState {
	t := p.table.Load()
	all := make([]FilterState, 0, len(t.filters))
	for _, f := range t.filters {
		s := FilterState{Name: f.Name}
		for i := range f.hits {
			s.Hits = append(s.Hits, f.hits[i].load())
		}
		all = append(all, s)
	}
	return all
}

// Drops returns the last frames that were dropped, 256 at most, the oldest first.
func (p *Plane) Drops() []Drop { return p.drops.list() }
