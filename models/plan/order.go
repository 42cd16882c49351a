package plan

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// step is one node of the order: a whole change, or one half of a split one.
type step struct {
	c             *cand
	before, after switchcfg.Object // of this step: a taking-down has no after, a putting-back no before
	next          []int            // steps that wait for this one
	waits         int
}

// rank orders steps that do not wait for each other: what circuits stand on is made first and removed last,
// and circuits go before others come.
func (s *step) rank() int {
	circuit := s.c.Key.Kind == switchcfg.KindCircuit
	switch {
	case s.after != nil && !circuit:
		return int(s.c.Key.Kind)
	case circuit && s.after == nil:
		return 10
	case circuit && s.before != nil:
		return 11
	case circuit:
		return 12
	default:
		return 30 - int(s.c.Key.Kind)
	}
}

func compareSteps(a, b *step) int {
	return cmp.Or(cmp.Compare(a.rank(), b.rank()), a.c.Key.Compare(b.c.Key))
}

// order returns the active changes as steps that may be made one after the other. Where no order exists, it
// splits a change and begins again, unless the device makes all changes at once. It reports false if a change
// had to be withheld instead, after which the rest must be settled anew.
func (b *builder) order() ([]Change, bool) {
	for {
		steps := b.steps()
		b.link(steps)
		sorted, left := topological(steps)
		if len(left) == 0 || b.in.Traits.Atomic {
			return b.emit(append(sorted, left...)), true
		}
		if !b.breakCycles(steps, left) {
			return nil, false
		}
	}
}

func (b *builder) steps() []*step {
	var out []*step
	for _, k := range b.keys {
		switch c := b.cands[k]; {
		case !c.active():
		case c.split != "":
			out = append(out, &step{c: c, before: c.Before}, &step{c: c, after: c.After})
		default:
			out = append(out, &step{c: c, before: c.Before, after: c.After})
		}
	}
	return out
}

// link makes each step wait for those that release what it takes up, provide what it refers to, or stop
// referring to what it removes.
func (b *builder) link(steps []*step) {
	type use struct {
		step      int
		exclusive bool
	}
	releases, takes := make(map[switchcfg.Claim][]use), make(map[switchcfg.Claim][]use)
	provides, removes := make(map[switchcfg.Key][]int), make(map[switchcfg.Key][]int)
	for i, s := range steps {
		if k := node(s.c.Key); s.before == nil && s.after != nil {
			provides[k] = append(provides[k], i)
		} else if s.after == nil {
			removes[k] = append(removes[k], i)
		}
		claimsNot(s.before, s.after, func(c switchcfg.Claim, x bool) { releases[c] = append(releases[c], use{i, x}) })
		claimsNot(s.after, s.before, func(c switchcfg.Claim, x bool) { takes[c] = append(takes[c], use{i, x}) })
	}
	wait := func(first, then int) {
		if first != then {
			steps[first].next = append(steps[first].next, then)
			steps[then].waits++
		}
	}
	for c, ts := range takes {
		if c.OfLine() && !b.line(c.A) {
			continue
		}
		for _, t := range ts {
			for _, r := range releases[c] {
				if t.exclusive || r.exclusive || c.Space == switchcfg.ClaimEnd {
					wait(r.step, t.step)
				}
			}
		}
	}
	for i, s := range steps {
		if s.after != nil {
			switchcfg.Refs(s.after, func(ref switchcfg.Key) bool {
				for _, p := range provides[node(ref)] {
					wait(p, i)
				}
				return true
			})
		}
		if s.before != nil {
			switchcfg.Refs(s.before, func(ref switchcfg.Key) bool {
				for _, r := range removes[node(ref)] {
					wait(i, r)
				}
				return true
			})
		}
		if s.c.split != "" && s.after == nil {
			wait(i, i+1) // its other half
		}
	}
}

type ready []*step

func (r ready) Len() int           { return len(r) }
func (r ready) Less(i, j int) bool { return compareSteps(r[i], r[j]) < 0 }
func (r ready) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *ready) Push(x any)        { *r = append(*r, x.(*step)) }
func (r *ready) Pop() any {
	last := len(*r) - 1
	s := (*r)[last]
	*r = (*r)[:last]
	return s
}

// topological returns the steps in order, and those that wait in a circle or for one.
func topological(steps []*step) (sorted, left []*step) {
	var r ready
	waits := make(map[*step]int, len(steps))
	for _, s := range steps {
		if waits[s] = s.waits; s.waits == 0 {
			r = append(r, s)
		}
	}
	heap.Init(&r)
	for len(r) > 0 {
		s := heap.Pop(&r).(*step)
		sorted = append(sorted, s)
		for _, n := range s.next {
			if waits[steps[n]]--; waits[steps[n]] == 0 {
				heap.Push(&r, steps[n])
			}
		}
	}
	for _, s := range steps {
		if waits[s] > 0 {
			left = append(left, s)
		}
	}
	slices.SortStableFunc(left, compareSteps)
	return sorted, left
}

// breakCycles splits one change of every circle among left: the least disruptive, which is a circuit where
// there is one. It reports false if one could not be split and was withheld.
func (b *builder) breakCycles(steps, left []*step) bool {
	for _, circle := range circles(steps, left) {
		var victim *cand
		for _, s := range circle {
			if s.before == nil || s.after == nil {
				continue // a creation, a deletion or half of what is split already
			}
			if victim == nil || s.c.Key.Kind > victim.Key.Kind || s.c.Key.Kind == victim.Key.Kind && s.c.Key.Compare(victim.Key) < 0 {
				victim = s.c
			}
		}
		if victim == nil {
			// Creations wait only for removals and lower kinds, so a circle has an update in it. Should that
			// ever be untrue, the changes in it are withheld rather than made in an unsafe order.
			for _, s := range circle {
				s.c.hold = &Hold{Illegal, "no safe order of changes was found"}
			}
			return false
		}
		if !b.split(victim, "taken down to let others pass") {
			return false
		}
	}
	return true
}

// circles returns the strongly connected components of more than one step among left (Tarjan).
func circles(steps, left []*step) [][]*step {
	among := make(map[*step]bool, len(left))
	for _, s := range left {
		among[s] = true
	}
	index, low, onStack := make(map[*step]int), make(map[*step]int), make(map[*step]bool)
	var stack []*step
	var out [][]*step
	var visit func(s *step)
	visit = func(s *step) {
		index[s] = len(index) + 1
		low[s] = index[s]
		stack, onStack[s] = append(stack, s), true
		for _, n := range s.next {
			t := steps[n]
			if !among[t] {
				continue
			}
			if index[t] == 0 {
				visit(t)
				low[s] = min(low[s], low[t])
			} else if onStack[t] {
				low[s] = min(low[s], index[t])
			}
		}
		if low[s] != index[s] {
			return
		}
		at := slices.Index(stack, s)
		if circle := slices.Clone(stack[at:]); len(circle) > 1 {
			out = append(out, circle)
		}
		for _, t := range stack[at:] {
			onStack[t] = false
		}
		stack = stack[:at]
	}
	for _, s := range left {
		if index[s] == 0 {
			visit(s)
		}
	}
	return out
}

// emit turns steps into changes and gives each its disruption and members. A removal directly followed by the
// creation of the same object is one replacement.
func (b *builder) emit(sorted []*step) []Change {
	out := make([]Change, 0, len(sorted))
	touched := newTouched(b.in)
	for i := 0; i < len(sorted); i++ {
		s := sorted[i]
		c := s.c.Change
		c.Before, c.After, c.Reason = s.before, s.after, s.c.split
		switch {
		case s.c.split == "":
		case s.after == nil && i+1 < len(sorted) && sorted[i+1].c == s.c:
			c.Verb, c.After = Replace, sorted[i+1].after
			i++
		case s.after == nil:
			c.Verb = Delete
		default:
			c.Verb = Create
		}
		c.Disruption = disruption(b.refiltered(c))
		c.Members = touched.members(c)
		out = append(out, c)
	}
	return out
}
