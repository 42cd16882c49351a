package compile

import (
	"slices"
	"time"

	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// attempt is a change that will be taken back. Whatever it changes is noted before, so that all is then as it was, and
// costs what it touches. Units need no note: they do not change once they are compiled.
type attempt struct {
	devices []string   // whose intent it changes
	ids     []ixapi.ID // of the connections that it compiles anew
	groups  []*group   // that it touches
	back    []func()   // puts back what it changes, the latest first
}

// attempt makes a change, and returns it with a function that takes it back. In between nothing else must be done than
// looking.
func (c *Compiler) attempt(changed *ixapi.Records, now time.Time) (t *attempt, undo func()) {
	t = new(attempt)
	t.saveRecords(c.records, changed)
	dirty := c.records.apply(Delta{Changed: *changed})
	old := make([]*unit, 0, len(dirty))
	for id := range dirty {
		t.ids = append(t.ids, id)
		old = append(old, c.units[id])
	}
	alloc, before := c.alloc, c.now
	c.trial, c.alloc, c.now = t, newTentative(c.given), now
	t.devices = c.recompile(dirty)
	return t, func() {
		for i, id := range t.ids {
			if u := c.units[id]; u != nil {
				c.remove(u)
			}
			if old[i] != nil {
				c.add(old[i])
			}
		}
		for _, f := range slices.Backward(t.back) {
			f()
		}
		c.trial, c.alloc, c.now = nil, alloc, before
	}
}

// save notes what is at a place of a map. It does nothing on nil, as nothing then is taken back.
func save[K comparable, V any](t *attempt, m map[K]V, key K) {
	if t == nil {
		return
	}
	was, known := m[key]
	t.back = append(t.back, func() {
		if known {
			m[key] = was
		} else {
			delete(m, key)
		}
	})
}

// saveRecords notes what the records of an order take the place of.
func (t *attempt) saveRecords(x *index, r *ixapi.Records) {
	for i := range r.Connections {
		c := &r.Connections[i]
		ports := c.Ports
		if old := x.connections[c.ID]; old != nil {
			ports = slices.Concat(ports, old.Ports)
		}
		for _, p := range ports {
			save(t, x.user, p)
			save(t, x.sharers, p)
		}
		save(t, x.connections, c.ID)
		save(t, x.faults[ixapi.Connections], c.ID)
	}
	for i := range r.NetworkServices {
		id := r.NetworkServices[i].ID
		save(t, x.services, id)
		save(t, x.faults[ixapi.NetworkServices], id)
	}
	for i := range r.MACs {
		id := r.MACs[i].ID
		save(t, x.macs, id)
		save(t, x.faults[ixapi.MACs], id)
	}
	for i := range r.NetworkServiceConfigs {
		n := &r.NetworkServiceConfigs[i]
		on := []ixapi.ID{n.Connection}
		if old := x.config(n.ID); old != nil {
			on = append(on, old.Connection)
		}
		for _, id := range on {
			save(t, x.configs, id)
			if list, ok := x.configs[id]; ok {
				x.configs[id] = slices.Clone(list) // it is changed where it lies
			}
		}
		save(t, x.configByID, n.ID)
		save(t, x.faults[ixapi.NetworkServiceConfigs], n.ID)
	}
}

// saveGroup notes a group. It does nothing on nil.
func (t *attempt) saveGroup(c *Compiler, g *group) {
	if t == nil {
		return
	}
	was := *g
	g.sites, g.attachments = slices.Clone(g.sites), slices.Clone(g.attachments)
	t.groups = append(t.groups, g)
	t.back = append(t.back, func() {
		for _, s := range g.sites {
			if s.settled && !was.settledOn(s.device) {
				s.device.groups = drop(s.device.groups, g)
			}
		}
		for _, s := range was.sites {
			if s.settled && !g.settledOn(s.device) {
				s.device.groups = append(s.device.groups, g)
			}
		}
		if *g = was; len(g.sites) > 0 {
			c.groups[g.key] = g
		} else {
			delete(c.groups, g.key) // it was made for this
		}
	})
}

// rejectionsOf returns the rejections of what an attempt touches, also once it is taken back, in the order of collection and id.
func (c *Compiler) rejectionsOf(t *attempt) []Rejection {
	var out []Rejection
	for _, id := range t.ids {
		if u := c.units[id]; u != nil {
			out = append(out, u.rejections...)
		}
	}
	for _, g := range t.groups {
		if len(g.sites) > 0 {
			out = g.appendRejections(out)
		}
	}
	return sortRejections(out)
}

// units returns those that an attempt compiles anew, and those with ends of services that it touches.
func (t *attempt) units(c *Compiler) map[*unit]bool {
	out := make(map[*unit]bool)
	for _, id := range t.ids {
		if u := c.units[id]; u != nil {
			out[u] = true
		}
	}
	for _, g := range t.groups {
		for _, a := range g.attachments {
			out[a.unit] = true
		}
	}
	return out
}

// parts returns what the units and services that an attempt touches put on the switches that it changes.
func (c *Compiler) parts(t *attempt) map[string]switchcfg.State {
	out := make(map[string]switchcfg.State, len(t.devices))
	units := t.units(c)
	for _, name := range t.devices {
		d, in := c.devices[name], newDraft(0, len(t.groups))
		for u := range units {
			if u.device == d {
				u.contribute(in)
			}
		}
		for _, g := range t.groups {
			g.contribute(in, d)
		}
		out[name] = in.State
	}
	return out
}

// elsewhere reports whether something on a switch other than these units, and the services that an attempt touches, needs
// an object that circuits share.
func (c *Compiler) elsewhere(t *attempt, units map[*unit]bool, d *device, o switchcfg.Object) bool {
	var rate switchcfg.Kbps
	var filter string
	switch o := o.(type) {
	case *switchcfg.Policer:
		rate = o.Rate
	case *switchcfg.Filter:
		if filter = o.Name; filter != controlFilter {
			return false
		}
	default:
		return false
	}
	needs := func(circuit *switchcfg.Circuit) bool {
		return rate != 0 && (circuit.RateIn == rate || circuit.RateOut == rate) || filter != "" && circuit.Filter == filter
	}
	for _, u := range d.units {
		if units[u] {
			continue
		}
		for i := range u.attachments {
			if a := &u.attachments[i]; a.circuit != nil && a.group.refusal == nil && needs(a.circuit) {
				return true
			}
		}
	}
	return slices.ContainsFunc(d.groups, func(g *group) bool {
		return g.nniCircuit != nil && g.nni.Device == d.Name && needs(g.nniCircuit) && !slices.Contains(t.groups, g)
	})
}
