package plan

import (
	"fmt"
	"slices"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// Traits are the ways in which a device differs that a plan must know.
type Traits struct {
	Atomic           bool // a plan takes effect at once, so that no order within it shows
	LAGModeReplaces  bool // a LAG changes between static and LACP only by being made anew
	MatchReplaces    bool // a circuit changes its encapsulation only by being made anew
	ServiceIsNotMove bool // a circuit changes its service only by being made anew
}

// Hold is a guard's reason to withhold a change.
type Hold struct {
	Reason Reason
	Detail string
}

// Guard decides which of the changes of one pass are withheld. It must be pure.
type Guard func(changes []Change, observed switchcfg.State) map[switchcfg.Key]Hold

// Input is all that a plan depends on.
type Input struct {
	Observed switchcfg.State // everything understood of the switch, owned or not
	Basis    switchcfg.Sum   // of Observed where the caller knows it; computed if zero
	Intent   Intent
	Device   string
	Scope    *Scope
	Traits   Traits
	Guard    Guard // may be nil
}

// Build returns the plan that brings the observed state to the intent as far as that is allowed, legal and
// owned. Equal input gives an equal plan.
func Build(in Input) Plan {
	b := newBuilder(in)
	b.collect()
	p := Plan{Device: in.Device, Atomic: in.Traits.Atomic, Changes: []Change{}}
	if len(b.cands) == 0 {
		return p
	}
	p.Changes = b.changes()
	p.Withheld = b.withheld()
	sum := in.Basis
	if sum == (switchcfg.Sum{}) {
		sum = in.Observed.Sum()
	}
	p.Basis = sum.String()
	// The builder emits each change with the object it found, so the plan applies to what was observed.
	for _, c := range p.Changes {
		if c.Before != nil {
			sum.Remove(c.Before)
		}
		if c.After != nil {
			sum.Add(c.After)
		}
	}
	p.Target = sum.String()
	return p
}

// cand is a change under consideration. A split one is taken down in one step and put back in a later one.
type cand struct {
	Change
	hold  *Hold
	split string // why it is split, or ""
}

func (c *cand) active() bool { return c.hold == nil }

type builder struct {
	in     Input
	cands  map[switchcfg.Key]*cand
	keys   []switchcfg.Key // of cands, sorted
	frozen frozen
	users  map[switchcfg.Key][]switchcfg.Key // observed objects by what they refer to; made when needed
	holds  map[switchcfg.Key]*Hold           // the guard's
}

func newBuilder(in Input) *builder {
	return &builder{in: in, cands: make(map[switchcfg.Key]*cand), frozen: freezes(in.Intent.Frozen), holds: make(map[switchcfg.Key]*Hold)}
}

func (b *builder) each(f func(c *cand)) {
	for _, k := range slices.Clone(b.keys) {
		f(b.cands[k])
	}
}

// collect makes a candidate of every difference that concerns the agent: what it wants, and what it made.
func (b *builder) collect() {
	for _, d := range Diff(b.in.Observed, b.in.Intent.State) {
		if d.Verb == Delete && !b.in.Scope.Owns(d.Before) {
			continue
		}
		d.Cause = b.in.Intent.cause(d.Key, d.After, d.Before)
		d.Span = b.span(d)
		c := &cand{Change: d}
		switch {
		case !b.in.Scope.Covers(d.Key):
			c.hold = &Hold{Unowned, "the inventory does not give " + d.Key.String() + " to the agent"}
		case d.Verb == Update && !b.in.Scope.mayChange(d.Before):
			c.hold = &Hold{Conflict, stranger(d.Before)}
		}
		if f, ok := b.frozen.find(d); ok && c.hold == nil {
			c.hold = &Hold{Frozen, f.Why}
			if c.Cause == (Cause{}) {
				c.Cause = f.Cause
			}
		}
		if d.After != nil && c.hold == nil {
			if err := switchcfg.Validate(d.After); err != nil {
				c.hold = &Hold{Illegal, err.Error()}
			}
		}
		b.cands[d.Key], b.keys = c, append(b.keys, d.Key)
	}
}

func stranger(o switchcfg.Object) string {
	if op, ok := o.(*switchcfg.Opaque); ok {
		return "what is configured there is not understood: " + op.Why
	}
	if d := switchcfg.Description(o); d != "" {
		return fmt.Sprintf("it exists and was made by somebody else (description %q)", d)
	}
	return "it exists and was made by somebody else"
}

// changes withholds until what is left is legal, can be ordered and passes the guard. It ends because every
// round but the last withholds at least one change more.
func (b *builder) changes() []Change {
	for {
		b.settle()
		changes, ok := b.order()
		if ok && !b.guard(changes) {
			return changes
		}
	}
}

// guard applies the guard's holds and reports whether there was a new one.
func (b *builder) guard(changes []Change) bool {
	if b.in.Guard == nil {
		return false
	}
	held := false
	for k, h := range b.in.Guard(changes, b.in.Observed) {
		if c, ok := b.cands[k]; ok && c.active() {
			b.holds[k] = &h // also when it is no candidate any more: see untouched
			c.hold, held = &h, true
		}
	}
	return held
}

// settle withholds until the state that the active changes lead to is legal, and splits what must be made anew.
func (b *builder) settle() {
	for again := true; again; {
		b.join()
		b.each(func(c *cand) {
			if c.active() && c.split == "" && c.Verb == Update && b.in.Traits.replaces(c.Before, c.After) {
				b.split(c, "the device cannot change it in place")
			}
		})
		again = b.withholdIllegal()
		again = b.keepReplaced() || again
	}
}

// keepReplaced withholds what takes a circuit from a record that is to have another one, which is withheld: what moves is
// not taken away before it can arrive. The same goes for the filter of a circuit that is to become another record's and
// does not yet. It reports whether there was any.
func (b *builder) keepReplaced() bool {
	arrives := make(map[string]*cand) // withheld circuits by the record that they would become the one of
	b.each(func(c *cand) {
		if to := recordOf(c.After); !c.active() && c.Key.Kind == switchcfg.KindCircuit && to != "" && to != recordOf(c.Before) {
			arrives[to] = c
		}
	})
	kept := false
	b.each(func(c *cand) {
		if k, own := switchcfg.FilterCircuit(c.Key.Name); own && c.active() && c.Verb == Update && c.Key.Kind == switchcfg.KindFilter {
			if a := b.cands[k]; a != nil && !a.active() && a.Verb == Update && recordOf(a.Before) != recordOf(a.After) {
				c.hold, kept = &Hold{Depends, fmt.Sprintf("%s does not become another member's yet: %s", k, a.hold.Detail)}, true
			}
		}
		from := recordOf(c.Before)
		if a := arrives[from]; a != nil && c.active() && c.Key.Kind == switchcfg.KindCircuit && recordOf(c.After) != from {
			c.hold, kept = &Hold{Depends, fmt.Sprintf("%s, which takes its place, is withheld: %s", a.Key, a.hold.Detail)}, true
		}
	})
	return kept
}

// recordOf returns the record in an object's mark; "" without one, or without an object.
func recordOf(o switchcfg.Object) string {
	if o == nil {
		return ""
	}
	t, _ := switchcfg.ParseTag(switchcfg.Description(o))
	return t.Record
}

// join undoes all splits.
func (b *builder) join() {
	for k, c := range b.cands {
		if c.Verb == Replace {
			delete(b.cands, k)
		}
		c.split = ""
	}
	b.keys = slices.DeleteFunc(b.keys, func(k switchcfg.Key) bool { return b.cands[k] == nil })
}

func (t Traits) replaces(before, after switchcfg.Object) bool {
	switch before := before.(type) {
	case *switchcfg.Service:
		return before.Type != after.(*switchcfg.Service).Type
	case *switchcfg.LAG:
		return t.LAGModeReplaces && before.Mode != after.(*switchcfg.LAG).Mode
	case *switchcfg.Circuit:
		return t.MatchReplaces && before.Match != after.(*switchcfg.Circuit).Match ||
			t.ServiceIsNotMove && before.Service != after.(*switchcfg.Circuit).Service
	}
	return false
}

// split marks c to be taken down and put back, with everything that refers to it, and reports whether it
// may be. If something that refers to it must not be touched, c is withheld.
func (b *builder) split(c *cand, why string) bool {
	down := []*cand{c}
	seen := map[switchcfg.Key]bool{c.Key: true}
	for i := 0; i < len(down); i++ {
		for _, k := range b.usersOf(down[i].Key) {
			if seen[k] {
				continue
			}
			seen[k] = true
			user, ok := b.cands[k]
			if !ok {
				user = b.untouched(k)
			}
			if !user.active() {
				c.hold = &Hold{Depends, fmt.Sprintf("%s would have to be taken down for it, and that is withheld: %s", k, user.hold.Detail)}
				return false
			}
			if user.Verb != Delete && user.split == "" {
				down = append(down, user)
			}
		}
	}
	for _, d := range down {
		d.split = why
		if d != c {
			d.split = "taken down because " + c.Key.String() + " is made anew"
		}
		if _, ok := b.cands[d.Key]; !ok {
			b.cands[d.Key] = d
			i, _ := slices.BinarySearchFunc(b.keys, d.Key, switchcfg.Key.Compare)
			b.keys = slices.Insert(b.keys, i, d.Key)
		}
	}
	return true
}

// untouched returns a candidate that takes an object down and puts the same back.
func (b *builder) untouched(k switchcfg.Key) *cand {
	o := b.in.Observed[k]
	c := &cand{Change: Change{Verb: Replace, Key: k, Before: o, After: o}}
	c.Cause, c.Span = b.in.Intent.cause(k, o), b.span(c.Change)
	if !b.in.Scope.mayChange(o) {
		c.hold = &Hold{Conflict, stranger(o)}
	} else if f, ok := b.frozen.find(c.Change); ok {
		c.hold = &Hold{Frozen, f.Why}
	} else {
		c.hold = b.holds[k]
	}
	return c
}

func (b *builder) usersOf(k switchcfg.Key) []switchcfg.Key {
	if b.users == nil {
		b.users = make(map[switchcfg.Key][]switchcfg.Key)
		for k, o := range b.in.Observed {
			switchcfg.Refs(o, func(ref switchcfg.Key) bool {
				b.users[node(ref)] = append(b.users[node(ref)], k)
				return true
			})
		}
		for _, u := range b.users {
			slices.SortFunc(u, switchcfg.Key.Compare)
		}
	}
	return b.users[node(k)]
}

// node gives interfaces and LAGs, which share a name space, one key.
func node(k switchcfg.Key) switchcfg.Key {
	if k.Kind == switchcfg.KindInterface {
		k.Kind = switchcfg.KindLAG
	}
	return k
}

func (b *builder) withheld() []Withheld {
	var out []Withheld
	b.each(func(c *cand) {
		if !c.active() {
			w := Withheld{Verb: c.Verb, Key: c.Key, Reason: c.hold.Reason, Detail: c.hold.Detail, Cause: c.Cause, Span: c.Span}
			if c.Cause.Account != "" {
				w.Members = []string{c.Cause.Account}
			}
			out = append(out, w)
		}
	})
	return out
}

// span returns what [Change.Span] says.
func (b *builder) span(c Change) string {
	for _, o := range []switchcfg.Object{c.After, c.Before} {
		switch o := o.(type) {
		case *switchcfg.Service:
			if o.Crosses() {
				return o.Name
			}
		case *switchcfg.Circuit:
			key := switchcfg.Key{Kind: switchcfg.KindService, Name: o.Service}
			for _, s := range []switchcfg.State{b.in.Intent.State, b.in.Observed} {
				if svc, ok := s[key].(*switchcfg.Service); ok && svc.Type == switchcfg.ServiceLine && svc.Crosses() {
					return svc.Name
				}
			}
		}
	}
	return ""
}

// frozen finds the freeze that covers a change.
type frozen struct {
	keys    map[switchcfg.Key]*Freeze
	under   map[string]*Freeze
	records map[string]*Freeze
}

func freezes(all []Freeze) frozen {
	f := frozen{make(map[switchcfg.Key]*Freeze), make(map[string]*Freeze), make(map[string]*Freeze)}
	for i := range all {
		z := &all[i]
		if z.Key != (switchcfg.Key{}) {
			f.keys[z.Key] = z
			if z.Under {
				f.under[z.Key.Name] = z
			}
		}
		if z.Record != "" {
			f.records[z.Record] = z
		}
	}
	return f
}

func (f frozen) find(c Change) (*Freeze, bool) {
	if z, ok := f.keys[c.Key]; ok {
		return z, true
	}
	if c.Key.Kind == switchcfg.KindCircuit {
		if z, ok := f.under[c.Key.Name]; ok {
			return z, true
		}
	}
	if c.Before != nil {
		if t, ok := switchcfg.ParseTag(switchcfg.Description(c.Before)); ok {
			if z, ok := f.records[t.Record]; ok {
				return z, true
			}
		}
	}
	return nil, false
}
