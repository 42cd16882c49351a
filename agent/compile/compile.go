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

// Compiler holds the records of an exchange and what they compile to. It is not safe for concurrent use, but for
// [Compiler.Intent]; the intents it returns are immutable.
type Compiler struct {
	inv     *config.Inventory
	policy  config.Policy
	given   *Allocations
	alloc   numbering // given, but during a trial
	now     time.Time
	records *index
	units   map[ixapi.ID]*unit // by connection id; "" holds configs without one
	loose   map[ixapi.ID]*unit // those whose freezes hold on every device
	devices map[string]*device // by inventory name
	nnis    map[nniKey]map[ixapi.ID]*group
	touched []touch  // services that must be settled
	trial   *attempt // what must be noted to take the present change back; nil if it stays

	mu     sync.Mutex // guards groups while units are compiled
	groups map[groupKey]*group
}

// New returns a compiler without records: all its intents are empty.
func New(inv *config.Inventory, policy config.Policy, alloc *Allocations) *Compiler {
	c := &Compiler{inv: inv, policy: policy, given: alloc, alloc: alloc}
	c.reset(new(ixapi.Records), nil)
	return c
}

func (c *Compiler) reset(records *ixapi.Records, faults []ixapi.RecordFault) {
	c.records = newIndex(records, faults)
	c.units, c.loose = make(map[ixapi.ID]*unit, len(records.Connections)), make(map[ixapi.ID]*unit)
	c.groups, c.nnis = make(map[groupKey]*group, len(records.NetworkServices)), make(map[nniKey]map[ixapi.ID]*group)
	c.devices = make(map[string]*device, len(c.inv.Devices))
	for _, d := range c.inv.Devices {
		c.devices[d.Name] = newDevice(d, c.inv.Fabric.Type)
	}
	for rank, d := range slices.SortedFunc(maps.Values(c.devices), compareDevices) {
		d.rank = rank
	}
}

// Set compiles all of records anew, as they are at the time now. The compiler keeps pointers into records.
// Faults are those found while the records were decoded.
func (c *Compiler) Set(records *ixapi.Records, faults []ixapi.RecordFault, now time.Time) {
	c.now = now
	c.reset(records, faults)

	ids := slices.AppendSeq(make([]ixapi.ID, 0, len(c.records.connections)), maps.Keys(c.records.connections))
	for id := range c.records.configs {
		if c.records.connections[id] == nil {
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
	c.touched = make([]touch, 0, len(c.groups))
	for _, u := range units {
		c.enter(u)
	}
	for _, t := range c.touched {
		c.settle(t.group)
	}
	c.touched = nil
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

// Advance moves the clock and recompiles what depends on it: MAC addresses whose window begins or ends, also because
// a clock that was wrong has been put back. It returns the names of the devices whose intent is another one now, sorted.
func (c *Compiler) Advance(now time.Time) []string {
	dirty := make(map[ixapi.ID]bool)
	for id, u := range c.units {
		if !u.next.IsZero() && !now.Before(u.next) || now.Before(u.last) {
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
	changed := make(map[*device]bool)
	ids := slices.Sorted(maps.Keys(dirty))
	everywhere := c.heldEverywhere(ids)
	old, carried := make([]*unit, len(ids)), make([]*plan.Intent, len(ids))
	for i, id := range ids {
		if u := c.units[id]; u != nil {
			old[i], carried[i] = u, u.carried()
			c.leave(u)
		}
	}
	for _, id := range ids {
		conn := c.records.connections[id]
		if conn != nil {
			c.number(conn)
		}
		if conn != nil || len(c.records.configs[id]) > 0 {
			c.enter(c.compile(id))
		}
	}
	for _, t := range c.touched {
		c.resettle(t, changed)
	}
	c.touched = nil
	for i, id := range ids {
		was, u := old[i], c.units[id]
		if was != nil && u != nil && was.device == u.device && sameIntent(carried[i], u.carried()) {
			continue
		}
		for _, u := range []*unit{was, u} {
			if u != nil && u.device != nil {
				changed[u.device] = true
			}
		}
	}
	if !slices.Equal(everywhere, c.heldEverywhere(ids)) {
		for _, d := range c.devices {
			changed[d] = true
		}
	}
	names := make([]string, 0, len(changed))
	for d := range changed {
		names = append(names, d.Name)
	}
	slices.Sort(names)
	return names
}

// heldEverywhere returns the freezes of these connections that hold on every device.
func (c *Compiler) heldEverywhere(ids []ixapi.ID) (out []plan.Freeze) {
	for _, id := range ids {
		if u := c.loose[id]; u != nil {
			out = append(out, u.freezes...)
		}
	}
	return out
}

// resettle settles a group and adds the devices on which it is another one now to changed.
func (c *Compiler) resettle(t touch, changed map[*device]bool) {
	g, was := t.group, t.was
	if g.unmoved() {
		g.touched = false
		return
	}
	if was == nil {
		was = g.before()
	}
	if c.settle(g); g.alike(was) {
		return
	}
	for _, sites := range [][]site{was.sites, g.sites} {
		for i := range sites {
			if d := sites[i].device; !sameIntent(was.on(d), g.on(d)) {
				changed[d] = true
			}
		}
	}
}

// enter makes a compiled unit known and joins it to its groups.
func (c *Compiler) enter(u *unit) {
	c.add(u)
	for i := range u.attachments {
		if a := &u.attachments[i]; a.group != nil {
			c.join(a)
		}
	}
}

// leave undoes what enter did.
func (c *Compiler) leave(u *unit) {
	c.remove(u)
	for i := range u.attachments {
		if a := &u.attachments[i]; a.group != nil {
			c.part(a)
		}
	}
}

// add makes a compiled unit known.
func (c *Compiler) add(u *unit) {
	c.units[u.id] = u
	if len(u.freezes) > 0 && (u.device == nil || u.everywhere) {
		c.loose[u.id] = u
	}
	if u.device != nil {
		u.device.units = append(u.device.units, u)
	}
}

// remove undoes what add did.
func (c *Compiler) remove(u *unit) {
	delete(c.units, u.id)
	delete(c.loose, u.id)
	if u.device != nil {
		u.device.units = drop(u.device.units, u)
	}
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
	}
	for _, g := range c.groups {
		out = g.appendRejections(out)
	}
	return sortRejections(out)
}
