package compile

import (
	"time"

	"github.com/ixagent/ixagent/agent/config"
)

// numbering gives numbers to objects of the exchange, as [Allocations] do.
type numbering interface {
	Lookup(scope, owner string) (uint32, bool)
	Take(scope, owner string, pool []config.Range, prefer uint32, now time.Time) (uint32, bool)
	Release(owner string, now time.Time)
}

// tentative gives the numbers that known would give, and leaves known as it is. What is released stays its owner's,
// as it has not cooled yet.
type tentative struct {
	known *Allocations
	given map[scoped[string]]uint32 // by owner
	taken map[scoped[uint32]]string // owners
}

// scoped is an owner or a number in a scope.
type scoped[T comparable] struct {
	scope string
	of    T
}

func newTentative(known *Allocations) *tentative {
	return &tentative{known: known, given: make(map[scoped[string]]uint32), taken: make(map[scoped[uint32]]string)}
}

// Lookup implements [numbering].
func (t *tentative) Lookup(scope, owner string) (uint32, bool) {
	if n, ok := t.given[scoped[string]{scope, owner}]; ok {
		return n, true
	}
	n, ok := t.known.Lookup(scope, owner)
	if other, given := t.taken[scoped[uint32]{scope, n}]; ok && given && other != owner {
		return 0, false // it had cooled
	}
	return n, ok
}

// Take implements [numbering].
func (t *tentative) Take(scope, owner string, pool []config.Range, prefer uint32, now time.Time) (uint32, bool) {
	n, ok := t.Lookup(scope, owner)
	if !ok {
		given := func(n uint32) bool { _, ok := t.taken[scoped[uint32]{scope, n}]; return ok }
		n, ok = t.known.free(scope, pool, prefer, now, given)
	}
	if ok {
		t.given[scoped[string]{scope, owner}], t.taken[scoped[uint32]{scope, n}] = n, owner
	}
	return n, ok
}

// Release implements [numbering].
func (t *tentative) Release(string, time.Time) {}

// free returns the number that [Allocations.Take] gives to an owner who has none, where some are given meanwhile.
func (a *Allocations) free(scope string, pool []config.Range, prefer uint32, now time.Time, given func(uint32) bool) (uint32, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := numbers{}
	if known := a.scopes[scope]; known != nil {
		s = *known
		s.cool(a.cooling, now)
	}
	can := func(n uint32) bool {
		old := s.holders[n]
		return !given(n) && (old == nil || old.cooled(a.cooling, now))
	}
	if prefer != 0 && can(prefer) {
		return prefer, true
	}
	return least(pool, s.free, can)
}
