package plan

import (
	"fmt"
	"maps"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// Prove returns nil if every state that the changes of p lead s through is legal as far as p changes it, or
// the last one if p is atomic. It follows the steps and trusts nothing of how the plan was made; its time grows with the size of
// s plus that of p. What is illegal in s already and not touched is not p's fault.
func Prove(s switchcfg.State, p Plan) error {
	w := newWalk(s, p.Changes)
	for i, c := range p.Changes {
		if err := w.step(c); err != nil {
			return fmt.Errorf("step %d, %s %s: %w", i+1, c.Verb, c.Key, err)
		}
		if p.Atomic {
			continue
		}
		if c.Verb == Replace {
			// The object is absent for a moment.
			without := c
			without.After = nil
			if err := w.check(without); err != nil {
				return fmt.Errorf("step %d, %s %s: %w", i+1, c.Verb, c.Key, err)
			}
		}
		if err := w.check(c); err != nil {
			return fmt.Errorf("step %d, %s %s: %w", i+1, c.Verb, c.Key, err)
		}
	}
	if p.Atomic {
		for _, c := range p.Changes {
			c.After = w.now[c.Key]
			if err := w.check(c); err != nil {
				return fmt.Errorf("%s: %w", c.Key, err)
			}
		}
	}
	return nil
}

// walk is a state in motion, with the holders and users of what the changes touch.
type walk struct {
	now     switchcfg.State
	holders map[switchcfg.Claim]map[switchcfg.Key]bool // to whether it holds exclusively
	users   map[switchcfg.Key]map[switchcfg.Key]bool   // by node
}

func newWalk(s switchcfg.State, changes []Change) *walk {
	w := &walk{maps.Clone(s), make(map[switchcfg.Claim]map[switchcfg.Key]bool), make(map[switchcfg.Key]map[switchcfg.Key]bool)}
	for _, c := range changes {
		w.users[node(c.Key)] = make(map[switchcfg.Key]bool)
		for _, o := range []switchcfg.Object{c.Before, c.After} {
			if o != nil {
				switchcfg.Claims(o, func(cl switchcfg.Claim, _ bool) bool {
					w.holders[cl] = make(map[switchcfg.Key]bool)
					return true
				})
			}
		}
	}
	for k, o := range s {
		w.enter(k, o)
	}
	return w
}

func (w *walk) enter(k switchcfg.Key, o switchcfg.Object) {
	switchcfg.Claims(o, func(cl switchcfg.Claim, exclusive bool) bool {
		if h := w.holders[cl]; h != nil {
			h[k] = exclusive
		}
		return true
	})
	switchcfg.Refs(o, func(ref switchcfg.Key) bool {
		if u := w.users[node(ref)]; u != nil {
			u[k] = true
		}
		return true
	})
}

func (w *walk) leave(k switchcfg.Key, o switchcfg.Object) {
	switchcfg.Claims(o, func(cl switchcfg.Claim, _ bool) bool {
		delete(w.holders[cl], k)
		return true
	})
	switchcfg.Refs(o, func(ref switchcfg.Key) bool {
		delete(w.users[node(ref)], k)
		return true
	})
}

func (w *walk) step(c Change) error {
	now, exists := w.now[c.Key]
	if exists != (c.Before != nil) || exists && !switchcfg.Equal(now, c.Before) {
		return ErrStale
	}
	if exists {
		w.leave(c.Key, now)
		delete(w.now, c.Key)
	}
	if c.After != nil {
		w.enter(c.Key, c.After)
		w.now[c.Key] = c.After
	}
	return nil
}

// check examines what c has put on the switch or taken from it.
func (w *walk) check(c Change) error {
	if c.After == nil {
		for user := range w.users[node(c.Key)] {
			return switchcfg.Violation{Key: user, Other: c.Key, Rule: switchcfg.RuleReference, Text: "it still refers to " + c.Key.String()}
		}
		return nil
	}
	if err := switchcfg.Validate(c.After); err != nil {
		return err
	}
	var err error
	switchcfg.Refs(c.After, func(ref switchcfg.Key) bool {
		if !w.now.Resolves(ref) {
			err = switchcfg.Violation{Key: c.Key, Other: ref, Rule: switchcfg.RuleReference, Text: "it refers to " + ref.Name + ", which does not exist"}
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	if svc, ok := c.After.(*switchcfg.Service); ok {
		if err := w.suits(svc); err != nil {
			return err
		}
	}
	if circuit, ok := c.After.(*switchcfg.Circuit); ok {
		if svc, ok := w.service(circuit.Service); ok {
			if err := switchcfg.Suits(circuit, svc); err != nil {
				return err
			}
		}
	}
	switchcfg.Claims(c.After, func(cl switchcfg.Claim, exclusive bool) bool {
		if !takes(c.Before, cl, exclusive) {
			return true // held since before the plan
		}
		if cl.OfLine() {
			if svc, ok := w.service(cl.A); !ok || svc.Type != switchcfg.ServiceLine {
				return true
			}
		}
		h := w.holders[cl]
		if cl.Space == switchcfg.ClaimEnd && len(h) <= switchcfg.LineEnds {
			return true
		}
		for other, alsoExclusive := range h {
			if other != c.Key && (exclusive || alsoExclusive || cl.Space == switchcfg.ClaimEnd) {
				rule, text := cl.Against(other)
				err = switchcfg.Violation{Key: c.Key, Other: other, Rule: rule, Text: text}
				return false
			}
		}
		return true
	})
	return err
}

func (w *walk) service(name string) (*switchcfg.Service, bool) {
	svc, ok := w.now[switchcfg.Key{Kind: switchcfg.KindService, Name: name}].(*switchcfg.Service)
	return svc, ok
}

// suits examines the circuits of a service that has changed.
func (w *walk) suits(svc *switchcfg.Service) error {
	for user := range w.users[node(svc.Key())] {
		if circuit, ok := w.now[user].(*switchcfg.Circuit); ok {
			if err := switchcfg.Suits(circuit, svc); err != nil {
				return err
			}
		}
	}
	return nil
}
