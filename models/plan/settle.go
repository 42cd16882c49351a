package plan

import (
	"fmt"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// ledger counts, for the claims and references that candidates touch and no others, who holds them on the
// switch. What no candidate touches cannot become illegal.
type ledger struct {
	claims map[switchcfg.Claim]*slot
	refs   map[switchcfg.Key]*link // by node
}

// slot is one claim. The counts are of objects that stay as they are.
type slot struct {
	shared, exclusive int
	holder            switchcfg.Key // one of those counted, the least
	cands             []switchcfg.Key
}

// link is one thing that may be referred to.
type link struct {
	user     switchcfg.Key // an object that stays and refers to it, the least
	used     bool
	provided bool // by an object that stays
}

func (s *slot) stays(k switchcfg.Key, exclusive bool) {
	if s.shared+s.exclusive == 0 || k.Compare(s.holder) < 0 {
		s.holder = k
	}
	if exclusive {
		s.exclusive++
	} else {
		s.shared++
	}
}

// newLedger reads the observed state once.
func newLedger(observed switchcfg.State, cands map[switchcfg.Key]*cand) *ledger {
	l := &ledger{make(map[switchcfg.Claim]*slot), make(map[switchcfg.Key]*link)}
	parents, names, rates := make(map[string]bool), make(map[string]bool), make(map[switchcfg.Kbps]bool)
	touch := func(o switchcfg.Object) {
		if o == nil {
			return
		}
		switchcfg.Claims(o, func(c switchcfg.Claim, _ bool) bool {
			if l.claims[c] == nil {
				l.claims[c] = new(slot)
			}
			parents[c.A] = true
			return true
		})
		switchcfg.Refs(o, func(ref switchcfg.Key) bool {
			if l.refs[node(ref)] == nil {
				l.refs[node(ref)] = new(link)
			}
			names[ref.Name] = true
			return true
		})
		switch o := o.(type) {
		case *switchcfg.Policer:
			rates[o.Rate] = true
		case *switchcfg.Circuit:
			rates[o.RateIn], rates[o.RateOut] = o.RateIn != 0, o.RateOut != 0
		}
		k := o.Key()
		if l.refs[node(k)] == nil {
			l.refs[node(k)] = new(link)
		}
		names[k.Name] = true
	}
	for _, c := range cands {
		touch(c.Before)
		touch(c.After)
	}
	for k, o := range observed {
		if _, changed := cands[k]; changed {
			continue
		}
		if names[k.Name] {
			if r := l.refs[node(k)]; r != nil && k.Kind != switchcfg.KindCircuit {
				r.provided = true
			}
		}
		if c, ok := o.(*switchcfg.Circuit); ok && !parents[c.Parent] && !parents[c.Service] &&
			!names[c.Parent] && !names[c.Service] && !names[c.Filter] && !rates[c.RateIn] && !rates[c.RateOut] {
			continue
		}
		switchcfg.Claims(o, func(c switchcfg.Claim, exclusive bool) bool {
			if s := l.claims[c]; s != nil {
				s.stays(k, exclusive)
			}
			return true
		})
		switchcfg.Refs(o, func(ref switchcfg.Key) bool {
			if r := l.refs[node(ref)]; r != nil && (!r.used || k.Compare(r.user) < 0) {
				r.used, r.user = true, k
			}
			return true
		})
	}
	return l
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
	provided, used := make(map[switchcfg.Key]bool), make(map[switchcfg.Key]switchcfg.Key)
	withheldAt := make(map[switchcfg.Key]*cand)
	for _, s := range l.claims {
		s.cands = s.cands[:0]
	}
	for _, k := range b.keys {
		c := b.cands[k]
		o := c.final()
		if !c.active() {
			withheldAt[node(k)] = c
		}
		if o == nil {
			continue
		}
		if k.Kind != switchcfg.KindCircuit {
			provided[node(k)] = true
		}
		switchcfg.Claims(o, func(cl switchcfg.Claim, exclusive bool) bool {
			n := held[cl]
			if exclusive {
				n.exclusive++
			} else {
				n.shared++
			}
			held[cl] = n
			l.claims[cl].cands = append(l.claims[cl].cands, k)
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
		if c.active() {
			c.hold = &Hold{r, fmt.Sprintf(format, args...)}
			changed = true
		}
	}
	for _, k := range b.keys {
		c := b.cands[k]
		if !c.active() {
			continue
		}
		if c.After == nil {
			if user, ok := used[node(k)]; ok {
				hold(c, Depends, "%s still refers to it", user)
			} else if r := l.refs[node(k)]; r.used {
				hold(c, Conflict, "%s still refers to it", r.user)
			}
			continue
		}
		switchcfg.Refs(c.After, func(ref switchcfg.Key) bool {
			if l.refs[node(ref)].provided || provided[node(ref)] {
				return true
			}
			if w := withheldAt[node(ref)]; w != nil {
				hold(c, Depends, "%s is withheld: %s", w.Key, w.hold.Detail)
			} else {
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
		switchcfg.Claims(c.After, func(cl switchcfg.Claim, exclusive bool) bool {
			s, n := l.claims[cl], held[cl]
			if !c.takes(cl, exclusive) {
				return true
			}
			if cl.Space == switchcfg.ClaimEnd {
				svc, _ := b.finalObject(switchcfg.Key{Kind: switchcfg.KindService, Name: cl.A}).(*switchcfg.Service)
				if svc == nil || svc.Type != switchcfg.ServiceLine || s.shared+n.shared <= switchcfg.LineEnds {
					return true
				}
			} else if exclusive && s.shared+s.exclusive+n.shared+n.exclusive == 1 || !exclusive && s.exclusive+n.exclusive == 0 {
				return true
			}
			other, stays := s.holder, s.shared+s.exclusive > 0 && (exclusive || s.exclusive > 0 || cl.Space == switchcfg.ClaimEnd)
			reason := Conflict
			if !stays {
				other, reason = b.rival(cl, s.cands, k)
				if reason == "" {
					return true
				}
			}
			_, text := cl.Against(other)
			hold(c, reason, "%s", text)
			return false
		})
	}
	return changed
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
		if h != k && (h.Compare(k) < 0 || !b.cands[h].takes(cl, true) || !b.cands[h].takes(cl, false)) {
			return h, Illegal
		}
	}
	return k, ""
}

// takes reports whether c takes up a claim it does not hold now, or not in that way.
func (c *cand) takes(cl switchcfg.Claim, exclusive bool) bool {
	takes := true
	if c.Before != nil {
		switchcfg.Claims(c.Before, func(old switchcfg.Claim, x bool) bool {
			takes = old != cl || x != exclusive
			return takes
		})
	}
	return takes
}

// finalObject returns what will be at k.
func (b *builder) finalObject(k switchcfg.Key) switchcfg.Object {
	if c, ok := b.cands[k]; ok {
		return c.final()
	}
	return b.in.Observed[k]
}
