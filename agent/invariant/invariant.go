// Package invariant knows what must hold on every switch of an exchange, whatever was ordered: that control protocols
// stay on the port of a member, that only registered addresses speak on a peering LAN, that a port cannot flood the
// others, and that a quarantine isolates. It is looked for in what a switch is to be, in what it is configured to be, and
// in what it does.
package invariant

import (
	"fmt"
	"slices"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Name is the name of an invariant.
type Name string

// The invariants. The first three are of configurations, the others of what a switch does.
const (
	ControlProtocols    Name = "control_protocols"    // every circuit has a filter, which drops slow protocols and BPDUs
	RegisteredAddresses Name = "registered_addresses" // a circuit of a peering LAN admits the member's addresses only
	StormControl        Name = "storm_control"        // the port of a circuit has a limit of floods
	Stations            Name = "stations"             // no other address speaks on a peering LAN
	Isolation           Name = "isolation"            // a station is in the service of its circuit only
	FiltersCount        Name = "filters_count"        // a filter whose circuits receive frames decides about frames
)

// Names returns all.
func Names() []Name {
	return []Name{ControlProtocols, RegisteredAddresses, StormControl, Stations, Isolation, FiltersCount}
}

// Violation is one breach of an invariant.
type Violation struct {
	Invariant Name          `json:"invariant"`
	Key       switchcfg.Key `json:"key"`
	Text      string        `json:"text"` // one sentence for an operator
}

// Rules are the invariants of one switch.
type Rules struct {
	caps  drivers.Capabilities
	storm bool
	lans  map[string]bool // peering LANs and their quarantines
}

// New returns the rules of a device. What the device cannot do is not asked of it.
func New(inv *config.Inventory, d *config.Device) *Rules {
	r := &Rules{caps: d.Capabilities(), lans: make(map[string]bool)}
	r.storm = inv.StormControl > 0 && r.caps.StormControl
	for _, lan := range inv.ExchangeLANs {
		r.lans[lan.Name] = true
		if lan.Quarantine != nil {
			r.lans[lan.Quarantine.Name] = true
		}
	}
	return r
}

// Configured returns the violations of a configuration, by what the agent made in it, in the order of keys.
func (r *Rules) Configured(s switchcfg.State) []Violation {
	var out []Violation
	for k, o := range s {
		if v, bad := r.object(s, o); bad {
			v.Key = k
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b Violation) int { return a.Key.Compare(b.Key) })
	return out
}

// object looks at one object of a configuration.
func (r *Rules) object(s switchcfg.State, o switchcfg.Object) (v Violation, bad bool) {
	c, ok := o.(*switchcfg.Circuit)
	if !ok || !switchcfg.Made(o) {
		return v, false
	}
	f, filtered := s[switchcfg.Key{Kind: switchcfg.KindFilter, Name: c.Filter}].(*switchcfg.Filter)
	switch {
	case r.caps.Filters && !filtered:
		return Violation{Invariant: ControlProtocols, Text: "it has no filter, so that control protocols of the member reach others"}, true
	case r.caps.Filters && r.lans[c.Service] && f.AnySource:
		return Violation{Invariant: RegisteredAddresses, Text: "any address may speak through it on " + c.Service}, true
	case r.storm && unlimited(s, c.Parent):
		return Violation{Invariant: StormControl, Text: "its port has no limit of broadcast, multicast and unknown unicast"}, true
	}
	return v, false
}

// unlimited reports whether a port or LAG of the agent may send floods without a limit.
func unlimited(s switchcfg.State, parent string) bool {
	o, ok := s.Parent(parent)
	if !ok || !switchcfg.Made(o) {
		return false
	}
	switch o := o.(type) {
	case *switchcfg.Interface:
		return o.StormControl == 0
	case *switchcfg.LAG:
		return o.StormControl == 0
	}
	return false
}

// Guard withholds what would violate an invariant in what the switch is to be.
func (r *Rules) Guard(intent switchcfg.State) plan.Guard {
	return func(changes []plan.Change, _ switchcfg.State) map[switchcfg.Key]plan.Hold {
		out := make(map[switchcfg.Key]plan.Hold)
		for _, c := range changes {
			if c.After == nil {
				continue
			}
			if v, bad := r.object(intent, c.After); bad {
				out[c.Key] = plan.Hold{Reason: plan.Illegal, Detail: "invariant " + string(v.Invariant) + ": " + v.Text}
			}
		}
		return out
	}
}

// enough is how many frames say something about a counter that does not move.
const enough = 100

// Seen returns the violations in what a switch does, beside its configuration s. Before is what it did some time
// earlier; nothing is concluded from what it lacks. Stale are stations that the switch may remember from another
// configuration. The order is that of keys.
func (r *Rules) Seen(s switchcfg.State, before, now drivers.OperState, stale map[drivers.Station]bool) []Violation {
	var out []Violation
	for st, k := range now.Stations {
		c, ok := s[k].(*switchcfg.Circuit)
		if !ok || !switchcfg.Made(c) || stale[st] {
			continue // behind a tunnel, not the agent's, or gone
		}
		if c.Service != st.Service {
			out = append(out, Violation{Isolation, k, fmt.Sprintf("station %s behind it is in %s, and it belongs to %s", st.MAC, st.Service, c.Service)})
			continue
		}
		f, ok := s[switchcfg.Key{Kind: switchcfg.KindFilter, Name: c.Filter}].(*switchcfg.Filter)
		if r.lans[c.Service] && ok && !f.AnySource && !slices.Contains(f.Sources, st.MAC) {
			out = append(out, Violation{Stations, k, fmt.Sprintf("station %s behind it speaks on %s and is not registered: its filter does not work", st.MAC, c.Service)})
		}
	}
	received := make(map[string]uint64) // by filter
	for k, is := range now.Circuits {
		was, known := before.Circuits[k]
		if c, ok := s[k].(*switchcfg.Circuit); ok && known && was.Counted && is.Counted && is.InFrames > was.InFrames {
			received[c.Filter] += is.InFrames - was.InFrames
		}
	}
	for name, n := range received {
		is, counts := now.Filters[name]
		was, counted := before.Filters[name]
		if n >= enough && counts && counted && is == was {
			out = append(out, Violation{FiltersCount, switchcfg.Key{Kind: switchcfg.KindFilter, Name: name}, fmt.Sprintf("its circuits received %d frames, and it decided about none", n)})
		}
	}
	slices.SortFunc(out, func(a, b Violation) int { return a.Key.Compare(b.Key) })
	return out
}
