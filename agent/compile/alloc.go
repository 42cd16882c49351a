package compile

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/ixagent/ixagent/agent/config"
)

// Allocation is a number given to an object of the exchange for as long as the object lives, and not given to
// another until a cooling time after that.
type Allocation struct {
	Scope    string    `json:"scope"` // "lag/DEVICE", "unit/DEVICE/PARENT", "vlan", "vni"
	Owner    string    `json:"owner"` // "conn:ID", "nsc:ID", "ns:ID"
	Number   uint32    `json:"number"`
	Released time.Time `json:"released,omitzero"` // when the owner ended; zero while it lives
}

// Allocations remembers numbers. It is safe for concurrent use; the numbers it gives depend on the order in
// which they are asked for, so compilation asks in a fixed order.
type Allocations struct {
	mu      sync.Mutex
	cooling time.Duration
	scopes  map[string]*numbers
	owners  map[string][]*Allocation // over all scopes
	dirty   map[*Allocation]bool
}

type numbers struct {
	owner  map[string]*Allocation
	number map[uint32]*Allocation
	free   uint32 // every number of the pool below it is taken
}

// NewAllocations returns a memory that holds known. A released number is given again after cooling.
func NewAllocations(known []Allocation, cooling time.Duration) *Allocations {
	a := &Allocations{cooling: cooling, scopes: make(map[string]*numbers), owners: make(map[string][]*Allocation), dirty: make(map[*Allocation]bool)}
	for _, k := range known {
		a.put(&k)
	}
	return a
}

func (a *Allocations) put(n *Allocation) {
	s := a.scopes[n.Scope]
	if s == nil {
		s = &numbers{owner: make(map[string]*Allocation), number: make(map[uint32]*Allocation)}
		a.scopes[n.Scope] = s
	}
	s.owner[n.Owner], s.number[n.Number] = n, n
	a.owners[n.Owner] = append(a.owners[n.Owner], n)
}

// Lookup returns the number that owner has in scope.
func (a *Allocations) Lookup(scope, owner string) (uint32, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.scopes[scope]; s != nil {
		if n := s.owner[owner]; n != nil {
			return n.Number, true
		}
	}
	return 0, false
}

// Take returns the number that owner has in scope, or gives it the preferred one (unless 0) or else the least
// of pool that is free. It reports false if there is none.
func (a *Allocations) Take(scope, owner string, pool []config.Range, prefer uint32, now time.Time) (uint32, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.scopes[scope]
	if s != nil {
		if n := s.owner[owner]; n != nil {
			if !n.Released.IsZero() {
				n.Released = time.Time{}
				a.dirty[n] = true
			}
			return n.Number, true
		}
	}
	give := func(number uint32) bool {
		if s != nil {
			if old := s.number[number]; old != nil {
				if old.Released.IsZero() || now.Sub(old.Released) < a.cooling {
					return false
				}
				delete(s.owner, old.Owner)
				delete(a.dirty, old)
				a.owners[old.Owner] = slices.DeleteFunc(a.owners[old.Owner], func(n *Allocation) bool { return n == old })
			}
		}
		n := &Allocation{Scope: scope, Owner: owner, Number: number}
		a.put(n)
		a.dirty[n] = true
		return true
	}
	if prefer != 0 && give(prefer) {
		return prefer, true
	}
	for _, r := range pool {
		first := r.First
		if s != nil {
			first = max(first, s.free)
		}
		for n := first; !r.Empty() && n <= r.Last; n++ {
			if give(n) {
				a.scopes[scope].free = n + 1
				return n, true
			}
		}
	}
	return 0, false
}

// Release notes that owner ended. Its numbers stay its own until they have cooled.
func (a *Allocations) Release(owner string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range a.owners[owner] {
		if n.Released.IsZero() {
			n.Released = now
			a.dirty[n] = true
			s := a.scopes[n.Scope]
			s.free = min(s.free, n.Number)
		}
	}
}

// Dirty returns what was given or released since it was last called, in a fixed order. It must be stored
// durably before a plan that uses it is applied.
func (a *Allocations) Dirty() []Allocation {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]Allocation, 0, len(a.dirty))
	for n := range a.dirty {
		out = append(out, *n)
	}
	clear(a.dirty)
	slices.SortFunc(out, func(x, y Allocation) int {
		return cmp.Or(cmp.Compare(x.Scope, y.Scope), cmp.Compare(x.Number, y.Number), cmp.Compare(x.Owner, y.Owner))
	})
	return out
}
