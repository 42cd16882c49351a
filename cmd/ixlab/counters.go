package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/exchange"
	"github.com/ixagent/ixagent/lab/topology"
)

// countsAge is how old the state of a switch may be that counters are read from, and countsTime how long a switch may
// take to tell it.
const (
	countsAge  = time.Second
	countsTime = 2 * time.Second
)

// planeCounts are what the switches with wires of a lab count for an exchange.
type planeCounts struct {
	probes *probing

	mu     sync.Mutex
	states map[string]*planeState
	read   map[string]time.Time
}

// newPlaneCounts returns the counters of the switches of a lab that is up on this machine. Close ends them.
func newPlaneCounts(ctx context.Context, lab string) (*planeCounts, error) {
	l, err := topology.Find(ctx, lab)
	if err != nil {
		return nil, err
	}
	p, err := newProbing(ctx, l)
	if err != nil {
		return nil, err
	}
	return &planeCounts{probes: p, states: make(map[string]*planeState), read: make(map[string]time.Time)}, nil
}

// on returns the state of a switch, or nil if it does not tell.
func (c *planeCounts) on(device string) *planeState {
	c.mu.Lock()
	defer c.mu.Unlock()
	ns := c.probes.spaces[device]
	if ns == nil {
		return nil
	}
	if now := time.Now(); now.Sub(c.read[device]) >= countsAge {
		c.read[device], c.states[device] = now, nil
		ctx, cancel := context.WithTimeout(context.Background(), countsTime)
		defer cancel()
		body, err := askSwitch(ctx, ns.Do, http.MethodGet, "state")
		if err != nil {
			return nil
		}
		defer body.Close()
		var s planeState
		if json.NewDecoder(body).Decode(&s) == nil {
			c.states[device] = &s
		}
	}
	return c.states[device]
}

// Port returns what a port has counted (see [exchange.Counters]).
func (c *planeCounts) Port(device, port string) (exchange.Count, bool) {
	return c.on(device).port(port)
}

// Circuit returns what the circuit has counted that matches the tags, of a port or of the LAG that it is in (see
// [exchange.Counters]).
func (c *planeCounts) Circuit(device, port string, outer, inner uint16) (exchange.Count, bool) {
	return c.on(device).circuit(port, outer, inner)
}

// port returns what a port has counted, if the switch has told.
func (s *planeState) port(name string) (exchange.Count, bool) {
	if s == nil {
		return exchange.Count{}, false
	}
	i := slices.IndexFunc(s.Ports, func(p dataplane.PortState) bool { return p.Name == name })
	if i < 0 {
		return exchange.Count{}, false
	}
	return counted(s.Ports[i].In, s.Ports[i].Out, s.Ports[i].Drops), true
}

// circuit returns what a circuit of a port or of its LAG has counted, if the switch has told.
func (s *planeState) circuit(port string, outer, inner uint16) (exchange.Count, bool) {
	if s == nil {
		return exchange.Count{}, false
	}
	parent := cmp.Or(s.Members[port], port)
	i := slices.IndexFunc(s.Circuits, func(x dataplane.CircuitState) bool {
		tags, known := s.Tags[fmt.Sprintf("%s.%d", x.Parent, x.Unit)]
		return known && x.Parent == parent && tags == [2]uint16{outer, inner}
	})
	if i < 0 {
		return exchange.Count{}, false
	}
	return counted(s.Circuits[i].In, s.Circuits[i].Out, s.Circuits[i].Drops), true
}

// counted returns counts as an exchange has them.
func counted(in, out dataplane.Count, drops dataplane.Drops) (c exchange.Count) {
	c.In.Packets, c.In.Octets = in.Frames, in.Octets
	c.Out.Packets, c.Out.Octets = out.Frames, out.Octets
	for reason, n := range drops {
		if reason == dataplane.Unsent {
			c.Out.Discards += n
		} else {
			c.In.Discards += n
		}
	}
	return c
}

// Close ends them.
func (c *planeCounts) Close() error {
	c.probes.close()
	return nil
}
