package plan

import (
	"fmt"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// ledger counts who holds, on the switch as it is, the claims that some candidate takes up, and who refers to
// what some candidate removes. The rest of the switch cannot become illegal, and is passed over quickly: that
// is what keeps planning for 10,000 circuits in milliseconds.
type ledger struct {
	claims  map[switchcfg.Claim]*slot
	removed map[switchcfg.Key]*link // by node
}

// slot is one claim. The counts are of objects that stay as they are.
type slot struct {
	shared, exclusive int
	holder            switchcfg.Key // the least of those counted
	cands             []switchcfg.Key
}

// link is one thing that a candidate removes.
type link struct {
	used bool
	user switchcfg.Key // the least of the objects that stay and refer to it
}

func newLedger(observed switchcfg.State, cands map[switchcfg.Key]*cand) *ledger {
	l := &ledger{make(map[switchcfg.Claim]*slot), make(map[switchcfg.Key]*link)}
	var want interest
	for k, c := range cands {
		if c.After == nil {
			l.removed[node(k)] = new(link)
			want.removal(c.Before)
			continue
		}
		claimsNot(c.After, c.Before, func(cl switchcfg.Claim, _ bool) {
			if l.claims[cl] == nil && (!cl.OfLine() || mayBeLine(observed, cands, cl.A)) {
				l.claims[cl] = new(slot)
				want.claim(cl)
			}
		})
	}
	if len(l.claims)+len(l.removed) == 0 {
		return l
	}
	for k, o := range observed {
		if c, ok := o.(*switchcfg.Circuit); ok && !want.circuit(c) {
			continue
		}
		if _, changes := cands[k]; !changes {
			l.enter(k, o)
		}
	}
	return l
}

// mayBeLine reports whether the service of that name is a line now or would become one.
func mayBeLine(observed switchcfg.State, cands map[switchcfg.Key]*cand, name string) bool {
	k := switchcfg.Key{Kind: switchcfg.KindService, Name: name}
	line := func(o switchcfg.Object) bool {
		svc, ok := o.(*switchcfg.Service)
		return ok && svc.Type == switchcfg.ServiceLine
	}
	c, ok := cands[k]
	return line(observed[k]) || ok && line(c.After)
}

func (l *ledger) enter(k switchcfg.Key, o switchcfg.Object) {
	switchcfg.Claims(o, func(c switchcfg.Claim, exclusive bool) bool {
		s := l.claims[c]
		if s == nil {
			return true
		}
		if s.shared+s.exclusive == 0 || k.Compare(s.holder) < 0 {
			s.holder = k
		}
		if exclusive {
			s.exclusive++
		} else {
			s.shared++
		}
		return true
	})
	if len(l.removed) == 0 {
		return
	}
	switchcfg.Refs(o, func(ref switchcfg.Key) bool {
		if r := l.removed[node(ref)]; r != nil && (!r.used || k.Compare(r.user) < 0) {
			r.used, r.user = true, k
		}
		return true
	})
}

// interest tells the circuits that may matter to a ledger from those that cannot.
type interest struct {
	encapsulations set[uint64]
	services       set[string] // lines that gain an end, or removed
	ports          set[string] // claimed, or removed
	filters        set[string]
	rates          set[switchcfg.Kbps]
}

type set[T comparable] map[T]struct{}

func (s *set[T]) add(x T) {
	if *s == nil {
		*s = make(set[T])
	}
	(*s)[x] = struct{}{}
}

func (s set[T]) has(x T) bool {
	if len(s) == 0 {
		return false
	}
	_, ok := s[x]
	return ok
}

func (i *interest) claim(c switchcfg.Claim) {
	switch c.Space {
	case switchcfg.ClaimMatch:
		i.encapsulations.add(c.N)
	case switchcfg.ClaimJoin, switchcfg.ClaimEnd:
		i.services.add(c.A)
	case switchcfg.ClaimPort, switchcfg.ClaimTPID:
		i.ports.add(c.A)
	}
}

func (i *interest) removal(o switchcfg.Object) {
	switch o := o.(type) {
	case *switchcfg.Filter:
		i.filters.add(o.Name)
	case *switchcfg.Policer:
		i.rates.add(o.Rate)
	case *switchcfg.Service:
		i.services.add(o.Name)
	case *switchcfg.Interface:
		i.ports.add(o.Name)
	case *switchcfg.LAG:
		i.ports.add(o.Name)
	}
}

func (i *interest) circuit(c *switchcfg.Circuit) bool {
	return i.encapsulations.has(c.Match.Encapsulation()) || i.services.has(c.Service) ||
		i.ports.has(c.Parent) || i.filters.has(c.Filter) || i.rates.has(c.RateIn) || i.rates.has(c.RateOut)
}

// withholdIllegal withholds every active change that the state the others lead to does not allow, and
// reports whether there was one.
func (b *builder) withholdIllegal() bool {
	l := newLedger(b.in.Observed, b.cands)
	any := false
	for again := true; again; {
		again = b.withholdOnce(l)
		any = any || again
	}
	return any
}

// final returns the object that will be at c's key, or nil.
func (c *cand) final() switchcfg.Object {
	if c.active() {
		return c.After
	}
	return c.Before
}

func (b *builder) withholdOnce(l *ledger) bool {
	type count struct{ shared, exclusive int }
	held := make(map[switchcfg.Claim]count, len(l.claims))
	used := make(map[switchcfg.Key]switchcfg.Key)
	for _, s := range l.claims {
		s.cands = s.cands[:0]
	}
	for _, k := range b.keys {
		o := b.cands[k].final()
		if o == nil {
			continue
		}
		switchcfg.Claims(o, func(cl switchcfg.Claim, exclusive bool) bool {
			s := l.claims[cl]
			if s == nil {
				return true
			}
			n := held[cl]
			if exclusive {
				n.exclusive++
			} else {
				n.shared++
			}
			held[cl] = n
			s.cands = append(s.cands, k)
			return true
		})
		switchcfg.Refs(o, func(ref switchcfg.Key) bool {
			if _, ok := used[node(ref)]; !ok {
				used[node(ref)] = k
			}
			return true
		})
	}

	changed := false
	hold := func(c *cand, r Reason, format string, args ...any) {
		c.hold = &Hold{r, fmt.Sprintf(format, args...)}
		changed = true
	}
	for _, k := range b.keys {
		c := b.cands[k]
		if !c.active() {
			continue
		}
		if c.After == nil {
			if user, ok := used[node(k)]; ok {
				hold(c, Depends, "%s still refers to it", user)
			} else if r := l.removed[node(k)]; r.used {
				hold(c, Conflict, "%s still refers to it", r.user)
			}
			continue
		}
		switchcfg.Refs(c.After, func(ref switchcfg.Key) bool {
			there, w := b.provider(ref)
			switch {
			case w != nil && (!there || !b.in.Scope.mayChange(w.Before)):
				// What stays there because somebody else made it is not what c is meant to stand on.
				hold(c, Depends, "%s is withheld: %s", w.Key, w.hold.Detail)
			case !there:
				hold(c, Illegal, "it refers to %s, which does not exist", ref)
			}
			return c.active()
		})
		if circuit, ok := c.After.(*switchcfg.Circuit); ok && c.active() {
			if svc, ok := b.finalObject(switchcfg.Key{Kind: switchcfg.KindService, Name: circuit.Service}).(*switchcfg.Service); ok {
				if err := switchcfg.Suits(circuit, svc); err != nil {
					hold(c, Illegal, "%v", err)
				}
			}
		}
		if !c.active() {
			continue
		}
		claimsNot(c.After, c.Before, func(cl switchcfg.Claim, exclusive bool) {
			s, n := l.claims[cl], held[cl]
			if s == nil || !c.active() {
				return
			}
			if cl.OfLine() && !b.line(cl.A) {
				return
			}
			if cl.Space == switchcfg.ClaimEnd {
				if s.shared+n.shared <= switchcfg.LineEnds {
					return
				}
			} else if exclusive && s.shared+s.exclusive+n.shared+n.exclusive == 1 || !exclusive && s.exclusive+n.exclusive == 0 {
				return
			}
			if s.shared+s.exclusive > 0 && (exclusive || s.exclusive > 0 || cl.Space == switchcfg.ClaimEnd) {
				_, text := cl.Against(s.holder)
				hold(c, Conflict, "%s", text)
			} else if other, reason := b.rival(cl, s.cands, k); reason != "" {
				_, text := cl.Against(other)
				hold(c, reason, "%s", text)
			}
		})
	}
	return changed
}

// provider reports whether something will be at ref, and the withheld candidate there if there is one.
func (b *builder) provider(ref switchcfg.Key) (there bool, withheld *cand) {
	keys := []switchcfg.Key{ref}
	if ref.Kind == switchcfg.KindLAG {
		keys = append(keys, switchcfg.Key{Kind: switchcfg.KindInterface, Name: ref.Name})
	}
	for _, k := range keys {
		there = there || b.finalObject(k) != nil
		if c, ok := b.cands[k]; ok && !c.active() && c.After != nil {
			withheld = c
		}
	}
	return there, withheld
}

// rival picks, among candidates that hold a claim, one with a better right to it than k: one that is
// withheld and so stays, one that holds it already, or the least of those that take it up.
func (b *builder) rival(cl switchcfg.Claim, holders []switchcfg.Key, k switchcfg.Key) (switchcfg.Key, Reason) {
	for _, h := range holders {
		if h != k && !b.cands[h].active() {
			return h, Depends
		}
	}
	for _, h := range holders {
		if h != k && (h.Compare(k) < 0 || !takes(b.cands[h].Before, cl, true) || !takes(b.cands[h].Before, cl, false)) {
			return h, Illegal
		}
	}
	return k, ""
}

// takes reports whether the claim is new to what was there before, or held in another way.
func takes(before switchcfg.Object, cl switchcfg.Claim, exclusive bool) bool {
	takes := true
	if before != nil {
		switchcfg.Claims(before, func(old switchcfg.Claim, x bool) bool {
			takes = old != cl || x != exclusive
			return takes
		})
	}
	return takes
}

// claimsNot calls f for each claim of o that other does not hold in the same way.
func claimsNot(o, other switchcfg.Object, f func(switchcfg.Claim, bool)) {
	if o == nil {
		return
	}
	switchcfg.Claims(o, func(cl switchcfg.Claim, exclusive bool) bool {
		if takes(other, cl, exclusive) {
			f(cl, exclusive)
		}
		return true
	})
}

// finalObject returns what will be at k, or nil.
func (b *builder) finalObject(k switchcfg.Key) switchcfg.Object {
	if c, ok := b.cands[k]; ok {
		return c.final()
	}
	return b.in.Observed[k]
}

// line reports whether the service of that name will be a line.
func (b *builder) line(name string) bool {
	svc, ok := b.finalObject(switchcfg.Key{Kind: switchcfg.KindService, Name: name}).(*switchcfg.Service)
	return ok && svc.Type == switchcfg.ServiceLine
}
