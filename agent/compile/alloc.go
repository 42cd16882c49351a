package compile

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/ixagent/ixagent/agent/config"
)

// Cooling is how long a number is not given again after its owner has ended.
const Cooling = 30 * 24 * time.Hour

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
	owners  map[string]*holding // the first of each owner's
	scopes  map[string]*numbers
	dirty   []*holding
}

// holding is an allocation in memory.
type holding struct {
	Allocation
	next  *holding // of the same owner in another scope
	dirty bool
	gone  bool // the number was given to another
}

// cooled reports whether the number can be given to another.
func (h *holding) cooled(cooling time.Duration, now time.Time) bool {
	return !h.Released.IsZero() && now.Sub(h.Released) >= cooling
}

// numbers are those of one scope.
type numbers struct {
	holders  map[uint32]*holding
	released []*holding // not cooled yet when last looked at, in the order of release
	free     uint32     // every number of the pool below it is taken or cools
}

// cool makes the numbers that have cooled free.
func (s *numbers) cool(cooling time.Duration, now time.Time) {
	for len(s.released) > 0 && now.Sub(s.released[0].Released) >= cooling {
		s.free = min(s.free, s.released[0].Number)
		s.released = s.released[1:]
	}
}

// NewAllocations returns a memory that holds known. A released number is given again after cooling.
func NewAllocations(known []Allocation, cooling time.Duration) *Allocations {
	a := &Allocations{cooling: cooling, owners: make(map[string]*holding, len(known)), scopes: make(map[string]*numbers)}
	for _, k := range known {
		a.put(&holding{Allocation: k})
	}
	for _, s := range a.scopes {
		for _, h := range s.holders {
			if !h.Released.IsZero() {
				s.released = append(s.released, h)
			}
		}
		slices.SortFunc(s.released, func(x, y *holding) int { return x.Released.Compare(y.Released) })
	}
	return a
}

func (a *Allocations) put(h *holding) {
	s := a.scopes[h.Scope]
	if s == nil {
		s = &numbers{holders: make(map[uint32]*holding)}
		a.scopes[h.Scope] = s
	}
	s.holders[h.Number] = h
	h.next = a.owners[h.Owner]
	a.owners[h.Owner] = h
}

// drop forgets what h holds.
func (a *Allocations) drop(h *holding) {
	h.gone = true
	first := a.owners[h.Owner]
	if first == h {
		if first = h.next; first == nil {
			delete(a.owners, h.Owner)
		} else {
			a.owners[h.Owner] = first
		}
		return
	}
	for ; first != nil; first = first.next {
		if first.next == h {
			first.next = h.next
		}
	}
}

func (a *Allocations) find(scope, owner string) *holding {
	for h := a.owners[owner]; h != nil; h = h.next {
		if h.Scope == scope {
			return h
		}
	}
	return nil
}

func (a *Allocations) touch(h *holding) {
	if !h.dirty {
		h.dirty = true
		a.dirty = append(a.dirty, h)
	}
}

// Lookup returns the number that owner has in scope.
func (a *Allocations) Lookup(scope, owner string) (uint32, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h := a.find(scope, owner); h != nil {
		return h.Number, true
	}
	return 0, false
}

// Take returns the number that owner has in scope, or gives it the preferred one (unless 0) or else the least
// of pool that is free. It reports false if there is none.
func (a *Allocations) Take(scope, owner string, pool []config.Range, prefer uint32, now time.Time) (uint32, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h := a.find(scope, owner); h != nil {
		if !h.Released.IsZero() {
			h.Released = time.Time{}
			a.touch(h)
		}
		return h.Number, true
	}
	s := a.scopes[scope]
	if s != nil {
		s.cool(a.cooling, now)
	}
	give := func(number uint32) bool {
		if s != nil {
			if old := s.holders[number]; old != nil {
				if !old.cooled(a.cooling, now) {
					return false
				}
				a.drop(old)
			}
		}
		h := &holding{Allocation: Allocation{Scope: scope, Owner: owner, Number: number}}
		a.put(h)
		a.touch(h)
		return true
	}
	if prefer != 0 && give(prefer) {
		return prefer, true
	}
	free := uint32(0)
	if s != nil {
		free = s.free
	}
	n, ok := least(pool, free, give)
	if ok {
		a.scopes[scope].free = n + 1
	}
	return n, ok
}

// least returns the least number of pool, but for those below free, that can be given.
func least(pool []config.Range, free uint32, give func(uint32) bool) (uint32, bool) {
	for _, r := range pool {
		for n := max(r.First, free); !r.Empty() && n <= r.Last; n++ {
			if give(n) {
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
	for h := a.owners[owner]; h != nil; h = h.next {
		if h.Released.IsZero() {
			h.Released = now
			a.touch(h)
			s := a.scopes[h.Scope]
			s.released = append(s.released, h)
		}
	}
}

// Dirty returns what was given or released since it was last called, in a fixed order. It must be stored
// durably before a plan that uses it is applied.
func (a *Allocations) Dirty() []Allocation {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]Allocation, 0, len(a.dirty))
	for _, h := range a.dirty {
		if h.dirty = false; !h.gone {
			out = append(out, h.Allocation)
		}
	}
	a.dirty = nil
	slices.SortFunc(out, func(x, y Allocation) int {
		return cmp.Or(cmp.Compare(x.Scope, y.Scope), cmp.Compare(x.Number, y.Number), cmp.Compare(x.Owner, y.Owner))
	})
	return out
}

// Pool is how full a pool of the inventory is.
type Pool struct {
	Name    string // "vlan", "vni" or "lag"
	Device  string // of LAG numbers; "" for what the whole exchange has in common
	Size    int    // numbers in it
	Used    int    // of them, by what lives
	Cooling int    // not given again yet
}

// Pools returns how full the pools of an inventory are, in its order. Numbers that lie in no pool do not count.
func (a *Allocations) Pools(inv *config.Inventory, now time.Time) []Pool {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []Pool
	add := func(name, device, scope string, ranges ...config.Range) {
		p := Pool{Name: name, Device: device}
		for _, r := range ranges {
			p.Size += r.Len()
		}
		if p.Size == 0 {
			return
		}
		if s := a.scopes[scope]; s != nil {
			for n, h := range s.holders {
				switch in := func(r config.Range) bool { return r.Contains(n) }; {
				case !slices.ContainsFunc(ranges, in):
				case h.Released.IsZero():
					p.Used++
				case now.Sub(h.Released) < a.cooling:
					p.Cooling++
				}
			}
		}
		out = append(out, p)
	}
	add("vlan", "", "vlan", inv.Pools.VLAN...)
	add("vni", "", "vni", inv.Pools.VNI...)
	for _, d := range inv.Devices {
		add("lag", d.Name, "lag/"+d.Name, d.LAGs.Range)
	}
	return out
}
