package memory

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Harm is what a change does to those it does not touch.
type Harm struct {
	Down   []switchcfg.Key // ports, LAGs and circuits that are down
	Silent []switchcfg.Key // circuits that are up and pass no frames
}

// Traffic is what is sent through a switch. Frames pass a circuit that is up, from the moment it is there.
type Traffic struct {
	Circuits map[switchcfg.Key]Flow
	Stations map[drivers.Station]switchcfg.Key // that are heard: the circuit each is behind, as in [drivers.OperState]
}

// Flow is the traffic of one circuit, in frames per second.
type Flow struct {
	In, Out uint64
	Refused uint64 // by its filter, besides In
}

// tally is what has passed a circuit or a filter so far, in frames and parts of them.
type tally struct{ in, out, refused float64 }

// SetTraffic makes traffic flow from now on.
func (s *Switch) SetTraffic(t Traffic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count()
	s.traffic = Traffic{maps.Clone(t.Circuits), maps.Clone(t.Stations)}
}

// become changes the configuration and tells the watchers.
func (s *Switch) become(state switchcfg.State) {
	s.count()
	for _, all := range []map[switchcfg.Key]tally{s.passed, s.filtered} {
		maps.DeleteFunc(all, func(k switchcfg.Key, _ tally) bool { return state[k] == nil })
	}
	s.state = state
	for c := range s.watch {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// count counts the frames since it was last called, during which nothing has changed.
func (s *Switch) count() {
	now := time.Now()
	seconds := now.Sub(s.counted).Seconds()
	s.counted = now
	if len(s.traffic.Circuits) == 0 {
		return
	}
	up, silent := s.operational(), s.suffering().silent
	for k, flow := range s.traffic.Circuits {
		c, ok := s.state[k].(*switchcfg.Circuit)
		if !ok || !up.Circuits[k].Up || silent[k] {
			continue
		}
		add := func(to map[switchcfg.Key]tally, k switchcfg.Key) {
			n := to[k]
			to[k] = tally{n.in + seconds*float64(flow.In), n.out + seconds*float64(flow.Out), n.refused + seconds*float64(flow.Refused)}
		}
		add(s.passed, k)
		if c.Filter != "" && !slices.Contains(s.faults.Idle, c.Filter) {
			add(s.filtered, switchcfg.Key{Kind: switchcfg.KindFilter, Name: c.Filter})
		}
	}
}

// suffering is who does not fare as the configuration says.
type suffering struct {
	down   map[switchcfg.Key]bool
	silent map[switchcfg.Key]bool
}

func (s *Switch) suffering() suffering {
	out := suffering{make(map[switchcfg.Key]bool), make(map[switchcfg.Key]bool)}
	for _, name := range s.faults.Down {
		out.down[switchcfg.Key{Kind: switchcfg.KindInterface, Name: name}] = true
		out.down[switchcfg.Key{Kind: switchcfg.KindLAG, Name: name}] = true
	}
	for k, h := range s.faults.Harms {
		if same(s.unharmed[k], s.state[k]) {
			continue
		}
		for _, d := range h.Down {
			out.down[d] = true
		}
		for _, c := range h.Silent {
			out.silent[c] = true
		}
	}
	return out
}

func same(a, b switchcfg.Object) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.Equal(a.Lines(), b.Lines())
}

// operational returns how everything fares, with the frames that were counted.
func (s *Switch) operational() drivers.OperState {
	out := drivers.OperState{
		Ports: make(map[string]drivers.PortState), LACP: make(map[string]drivers.LACPState),
		Circuits: make(map[switchcfg.Key]drivers.CircuitState),
		Stations: make(map[drivers.Station]switchcfg.Key), Filters: make(map[string]drivers.FilterState),
	}
	down := s.suffering().down
	port := func(name string) bool { return !down[switchcfg.Key{Kind: switchcfg.KindInterface, Name: name}] }
	for k, o := range s.state {
		switch o := o.(type) {
		case *switchcfg.Interface:
			out.Ports[o.Name] = drivers.PortState{AdminUp: !o.Shutdown, Up: !o.Shutdown && port(o.Name)}
		case *switchcfg.LAG:
			p := drivers.PortState{AdminUp: !o.Shutdown}
			for _, m := range o.Members {
				up := !o.Shutdown && port(m) && !down[k]
				if up {
					p.Members = append(p.Members, m)
				}
				if o.Mode == switchcfg.ModeLACP {
					out.LACP[m] = drivers.LACPState{LAG: o.Name, InSync: up, Collecting: up, Distributing: up}
				}
			}
			p.Up = len(p.Members) >= max(1, int(o.MinLinks))
			out.Ports[o.Name] = p
		case *switchcfg.Filter:
			n := s.filtered[k]
			out.Filters[o.Name] = drivers.FilterState{Permitted: uint64(n.in), Dropped: uint64(n.refused)}
		}
	}
	for k, o := range s.state {
		if c, ok := o.(*switchcfg.Circuit); ok {
			n := s.passed[k]
			out.Circuits[k] = drivers.CircuitState{
				AdminUp: !c.Shutdown, Up: !c.Shutdown && out.Ports[c.Parent].Up && !down[k],
				Counted: true, InFrames: uint64(n.in), OutFrames: uint64(n.out), Dropped: uint64(n.refused),
			}
		}
	}
	for st, k := range s.traffic.Stations {
		c, local := s.state[k].(*switchcfg.Circuit)
		_, served := s.state[switchcfg.Key{Kind: switchcfg.KindService, Name: st.Service}]
		if k == (switchcfg.Key{}) && served || local && c.Service == st.Service && out.Circuits[k].Up {
			out.Stations[st] = k
		}
	}
	return out
}

// Operational implements [drivers.Operational]: what is not shut down is up and passes its [Traffic], unless [Faults]
// say otherwise.
func (d *session) Operational(ctx context.Context) (drivers.OperState, error) {
	if err := d.begin(ctx, "operational"); err != nil {
		return drivers.OperState{}, err
	}
	defer d.sw.mu.Unlock()
	d.sw.count()
	out := d.sw.operational()
	if d.sw.faults.Terse {
		out.Circuits, out.Stations, out.Filters = nil, nil, nil
	}
	return out, nil
}
