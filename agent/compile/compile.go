package compile

import (
	"cmp"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
)

// Compiler holds the records of an exchange and what they compile to. It is not safe for concurrent use; the
// intents it returns are immutable.
type Compiler struct {
	inv     *config.Inventory
	policy  config.Policy
	alloc   *Allocations
	now     time.Time
	records index
	units   map[ixapi.ID]*unit // by connection id; "" holds configs without one
	loose   map[ixapi.ID]*unit // those whose freezes hold on every device
	groups  map[string]*group  // by service name
	devices map[string]*device // by inventory name
	nnis    map[nniKey]map[ixapi.ID]*group
}

// New returns a compiler without records: all its intents are empty.
func New(inv *config.Inventory, policy config.Policy, alloc *Allocations) *Compiler {
	c := &Compiler{inv: inv, policy: policy, alloc: alloc}
	c.reset()
	return c
}

func (c *Compiler) reset() {
	c.units, c.loose = make(map[ixapi.ID]*unit), make(map[ixapi.ID]*unit)
	c.groups, c.nnis = make(map[string]*group), make(map[nniKey]map[ixapi.ID]*group)
	c.devices = make(map[string]*device, len(c.inv.Devices))
	for _, d := range c.inv.Devices {
		c.devices[d.Name] = newDevice(d)
	}
}

// Set compiles all of records anew, as they are at the time now. The compiler keeps pointers into records.
// Faults are those found while the records were decoded.
func (c *Compiler) Set(records *ixapi.Records, faults []ixapi.RecordFault, now time.Time) {
	c.now = now
	c.records = newIndex(records, faults)
	c.reset()

	ids := slices.Sorted(maps.Keys(c.records.configs))
	for id := range c.records.connections {
		if _, ok := c.records.configs[id]; !ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for i := range records.NetworkServices {
		c.retire(&records.NetworkServices[i])
	}
	for _, id := range ids {
		if conn := c.records.connections[id]; conn != nil {
			c.number(conn)
		}
	}
	units := make([]*unit, len(ids))
	parallel(len(ids), func(i int) { units[i] = c.compile(ids[i]) })
	touched := make(map[*group]bool)
	for _, u := range units {
		c.enter(u, touched)
	}
	for _, name := range slices.Sorted(maps.Keys(c.groups)) {
		c.settle(c.groups[name])
	}
	byDevice := make(map[*device][]*unit, len(c.devices))
	for _, u := range units {
		if u.device != nil {
			d := c.devices[u.device.Name]
			byDevice[d] = append(byDevice[d], u)
		}
	}
	groups := make(map[*device][]*group, len(c.devices))
	for _, g := range c.groups {
		for _, name := range g.placed {
			groups[c.devices[name]] = append(groups[c.devices[name]], g)
		}
	}
	all := slices.SortedFunc(maps.Values(c.devices), func(a, b *device) int { return cmp.Compare(a.conf.Name, b.conf.Name) })
	parallel(len(all), func(i int) {
		d := all[i]
		for _, u := range byDevice[d] {
			d.set("unit "+u.id, u.carried())
		}
		for _, g := range groups[d] {
			d.set("group "+g.name, g.on(d.conf.Name))
		}
	})
}

// parallel calls f for 0 to n-1 on all processors.
func parallel(n int, f func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), max(n, 1))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w * n / workers; i < (w+1)*n/workers; i++ {
				f(i)
			}
		})
	}
	wg.Wait()
}

// Delta is a change of some records. A record is named by its id, in the collection it belongs to; one that is
// given replaces that of the same id.
type Delta struct {
	Changed ixapi.Records
	Removed map[ixapi.Collection][]ixapi.ID
	Faults  []ixapi.RecordFault // of the changed records
}

// Update applies a change and recompiles what it touches. It returns the names of the devices whose intent is
// another one now, sorted.
func (c *Compiler) Update(delta Delta, now time.Time) []string {
	c.now = now
	for i := range delta.Changed.NetworkServices {
		c.retire(&delta.Changed.NetworkServices[i])
	}
	return c.recompile(c.records.apply(delta))
}

// Advance moves the clock and recompiles what depends on it: MAC addresses whose window begins or ends. It
// returns the names of the devices whose intent is another one now, sorted.
func (c *Compiler) Advance(now time.Time) []string {
	dirty := make(map[ixapi.ID]bool)
	for id, u := range c.units {
		if !u.next.IsZero() && !now.Before(u.next) {
			dirty[id] = true
		}
	}
	c.now = now
	return c.recompile(dirty)
}

// Next returns when [Compiler.Advance] has something to do, or the zero time.
func (c *Compiler) Next() time.Time {
	var next time.Time
	for _, u := range c.units {
		next = sooner(next, u.next)
	}
	return next
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// recompile compiles the connections of these ids anew, with the services and switches that they touch.
func (c *Compiler) recompile(dirty map[ixapi.ID]bool) []string {
	touched := make(map[*group]bool)
	rebuilt := make(map[ixapi.ID]bool)
	var left []*unit
	ids := slices.Sorted(maps.Keys(dirty))
	for _, id := range ids {
		if old := c.units[id]; old != nil {
			c.part(old, touched)
			left = append(left, old)
			delete(c.units, id)
			delete(c.loose, id)
		}
	}
	for _, id := range ids {
		conn := c.records.connections[id]
		if conn != nil {
			c.number(conn)
		}
		if conn == nil && len(c.records.configs[id]) == 0 {
			continue
		}
		rebuilt[id] = true
		c.enter(c.compile(id), touched)
	}
	changed := make(map[string]bool)
	for _, u := range left {
		if now := c.units[u.id]; u.device != nil && (now == nil || now.device != u.device) {
			c.devices[u.device.Name].set("unit "+u.id, nil)
			changed[u.device.Name] = true
		}
	}
	for _, g := range slices.SortedFunc(maps.Keys(touched), func(a, b *group) int { return strings.Compare(a.name, b.name) }) {
		before := g.placed
		if refusalChanged := c.settle(g); refusalChanged {
			for _, a := range g.attachments {
				rebuilt[a.unit.id] = true
			}
		}
		for _, name := range before {
			if !slices.Contains(g.placed, name) && c.devices[name].set("group "+g.name, nil) {
				changed[name] = true
			}
		}
		for _, name := range g.placed {
			if c.devices[name].set("group "+g.name, g.on(name)) {
				changed[name] = true
			}
		}
		if len(g.ends) == 0 {
			delete(c.groups, g.name)
		}
	}
	for id := range rebuilt {
		u := c.units[id]
		if u.device != nil && c.devices[u.device.Name].set("unit "+id, u.carried()) {
			changed[u.device.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(changed))
}

// enter makes a compiled unit known and adds the groups that it joins to touched.
func (c *Compiler) enter(u *unit, touched map[*group]bool) {
	c.units[u.id] = u
	if len(u.freezes) > 0 && (u.device == nil || u.everywhere) {
		c.loose[u.id] = u
	}
	c.join(u, touched)
}

// Intent returns what the device of that name should carry, or nil if the inventory has none.
func (c *Compiler) Intent(name string) *plan.Intent {
	d := c.devices[name]
	if d == nil {
		return nil
	}
	in := d.intent()
	for _, u := range c.loose {
		in.Frozen = append(in.Frozen, u.freezes...)
	}
	slices.SortFunc(in.Frozen, func(a, b plan.Freeze) int {
		return cmp.Or(a.Key.Compare(b.Key), strings.Compare(a.Record, b.Record), strings.Compare(a.Why, b.Why))
	})
	return in
}

// Rejections returns what is not provisioned and why, and remarks on what is, in the order of collection and id.
func (c *Compiler) Rejections() []Rejection {
	var out []Rejection
	for _, u := range c.units {
		out = append(out, u.rejections...)
		for _, a := range u.attachments {
			if a.group != nil && a.group.refusal != nil && !a.frozen {
				out = append(out, a.reject(a.group.refusal.tag, severityWarning, a.group.refusal.message, a.group.refusal.attrs))
			}
		}
	}
	for _, g := range c.groups {
		out = append(out, g.remarks...)
	}
	return sortRejections(out)
}
