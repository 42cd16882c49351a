package plan

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// Intent is what one switch should carry and why.
type Intent struct {
	State  switchcfg.State
	Frozen []Freeze
	Names  map[string]string // the exchange's own id, "nsc:ID", of a [switchcfg.Tag] record that had to be shortened
}

// Freeze keeps objects as they are found: neither added, changed nor removed. It holds the object at Key
// and, with Under, the circuits of the port or LAG of that name; and whatever carries the mark of Record.
type Freeze struct {
	Key    switchcfg.Key `json:"key,omitzero"`
	Under  bool          `json:"under,omitempty"`
	Record string        `json:"record,omitempty"` // as in [switchcfg.Tag]
	Why    string        `json:"why"`              // one sentence for an operator
	Cause  Cause         `json:"cause,omitzero"`
}

// Scope is the part of a switch that the inventory gives to the agent.
type Scope struct {
	Ports     map[string]bool // physical ports
	LAGPrefix string          // "Port-Channel", "ae", "lag"
	LAGFirst  uint32          // first LAG number of the agent's range
	LAGLast   uint32          // last, inclusive; 0 for no range
	LAGs      map[string]bool // LAGs besides
	Services  map[string]bool // services named in the inventory; those that begin with [switchcfg.Prefix] are included
	Adopt     bool            // objects in scope without the agent's mark may be taken over
}

// Covers reports whether k lies in the scope.
func (s *Scope) Covers(k switchcfg.Key) bool {
	switch k.Kind {
	case switchcfg.KindPolicer, switchcfg.KindFilter:
		return strings.HasPrefix(k.Name, switchcfg.Prefix)
	case switchcfg.KindService:
		return s.Services[k.Name] || strings.HasPrefix(k.Name, switchcfg.Prefix)
	case switchcfg.KindInterface:
		return s.Ports[k.Name]
	case switchcfg.KindLAG:
		return s.coversLAG(k.Name)
	case switchcfg.KindCircuit:
		return s.Ports[k.Name] || s.coversLAG(k.Name)
	}
	return false
}

// cause returns the record behind the object that is or will be at k, as far as its mark tells. The cause of a
// filter is that of the circuit it is named after.
func (i *Intent) cause(k switchcfg.Key, objects ...switchcfg.Object) Cause {
	if k.Kind == switchcfg.KindFilter {
		if circuit, own := switchcfg.FilterCircuit(k.Name); own {
			return i.cause(circuit, i.State[circuit])
		}
	}
	for _, o := range objects {
		if o == nil {
			continue
		}
		if t, ok := switchcfg.ParseTag(switchcfg.Description(o)); ok {
			c := Cause(t)
			if name, ok := i.Names[t.Record]; ok {
				c.Record = name
			}
			return c
		}
	}
	return Cause{}
}

func (s *Scope) coversLAG(name string) bool {
	if s.LAGs[name] {
		return true
	}
	digits, ok := strings.CutPrefix(name, s.LAGPrefix)
	n, err := strconv.ParseUint(digits, 10, 32)
	return ok && err == nil && uint32(n) >= s.LAGFirst && uint32(n) <= s.LAGLast
}

// Owns reports whether the agent made o within its scope, and so may change or remove it.
func (s *Scope) Owns(o switchcfg.Object) bool { return s.Covers(o.Key()) && switchcfg.Made(o) }

// mayChange reports whether o may be changed into what is wanted at its key. What somebody else made may be,
// where the scope allows adoption; it is still never removed. What the model cannot express never is.
func (s *Scope) mayChange(o switchcfg.Object) bool {
	if _, opaque := o.(*switchcfg.Opaque); opaque {
		return false
	}
	return s.Owns(o) || s.Adopt && s.Covers(o.Key())
}

// Permit returns why the agent may not make c, or nil. [Build] makes no other changes; a plan that was kept in a file
// or came from elsewhere may have some.
func (s *Scope) Permit(c Change) error {
	switch {
	case !s.Covers(c.Key):
		return fmt.Errorf("%s %s: the inventory does not give it to the agent", c.Verb, c.Key)
	case c.After == nil && !s.Owns(c.Before), c.Before != nil && !s.mayChange(c.Before):
		return fmt.Errorf("%s %s: %s", c.Verb, c.Key, stranger(c.Before))
	}
	return nil
}

// Owned returns the part of a switch's state that the agent owns.
func (s *Scope) Owned(all switchcfg.State) switchcfg.State {
	out := make(switchcfg.State, len(all))
	for k, o := range all {
		if s.Owns(o) {
			out[k] = o
		}
	}
	return out
}
