package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/agent/reconcile"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Approve lets the daemon apply the whole plan of a switch that has that digest.
func (p *Pass) Approve(device, digest string) (guard.Approval, error) {
	a := guard.Approval{Device: device, Digest: digest, Who: p.Who, At: p.Now().UTC()}
	return a, p.journal.Approve(a)
}

// Change returns a change of the history. The error is a [guard.OrderError] if there is none.
func (p *Pass) Change(id uint64) (e journal.Entry, err error) {
	found, err := p.journal.History(journal.Filter{ID: id})
	if err == nil && len(found) == 0 {
		err = &guard.OrderError{What: fmt.Sprintf("the history has no change %d", id)}
	}
	if err != nil {
		return e, err
	}
	return found[0], nil
}

// PlanRollback returns the plan that puts back what a change of the history replaced, on the switch as it is now and
// within freezes. Limits do not hold it: it deletes no more than the change has made. The exchange is not asked. Unless
// forced, it is refused if a later change touched the same objects, because that would be undone with it. The error is
// a [guard.OrderError] if it is refused, or if there is nothing to put back.
func (p *Pass) PlanRollback(ctx context.Context, e journal.Entry, force bool) (out plan.Plan, err error) {
	d, ok := p.Config.Inventory.Device(e.Device)
	switch {
	case !ok:
		return out, &guard.OrderError{What: fmt.Sprintf("change %d was of %s, which the inventory does not have any more", e.ID, e.Device)}
	case e.Result == journal.Begun:
		return out, &guard.OrderError{What: fmt.Sprintf("change %d has not ended yet", e.ID)}
	case nothingDone(e):
		return out, &guard.OrderError{What: fmt.Sprintf("change %d was %s, and left nothing on %s to be rolled back", e.ID, e.Result, e.Device)}
	}
	before, err := replaced(e)
	if err != nil {
		return out, err
	}
	if !force {
		if err := p.latest(e, before); err != nil {
			return out, err
		}
	}
	observed, err := p.Observe(ctx, e.Device)
	if err != nil {
		return out, err
	}
	wanted := maps.Clone(observed)
	for k, o := range before {
		if o == nil {
			delete(wanted, k)
		} else {
			wanted[k] = o
		}
	}
	return p.build(d, observed, &plan.Intent{State: wanted}, p.situation(ctx, d).Hard()), nil
}

// Rollback applies a plan of [Pass.PlanRollback]. Before that it freezes what the change touched, so that the daemon
// does not make it again; if nothing was applied in the end, it takes the freeze back.
func (p *Pass) Rollback(ctx context.Context, e journal.Entry, pl plan.Plan, why string) (out Applied) {
	fail := func(err error) Applied { return Applied{reconcile.Outcome{Device: e.Device}, err} }
	before, err := replaced(e)
	if err != nil {
		return fail(err)
	}
	f := guard.Freeze{
		Scope: guard.ScopeChange, Name: strconv.FormatUint(e.ID, 10), Device: e.Device, Why: why, Who: p.Who, Since: p.Now().UTC(),
		Keys: slices.SortedFunc(maps.Keys(before), switchcfg.Key.Compare),
	}
	if err := f.Check(&p.Config.Inventory); err != nil {
		return fail(err)
	}
	if err := p.journal.Freeze(f); err != nil {
		return fail(err)
	}
	anyway := func(plan.Plan) error { return nil } // it is frozen for everybody else
	if out = p.apply(ctx, anyway, pl)[0]; out.Err == nil {
		return out
	}
	const lately = 10
	found, unread := p.journal.History(journal.Filter{Device: e.Device, Limit: lately})
	i := slices.IndexFunc(found, func(e journal.Entry) bool { return e.Digest == out.Digest })
	if unread == nil && (i < 0 || nothingDone(found[i])) {
		if _, unread = p.journal.Thaw(f.Scope, f.Name); unread == nil {
			return out
		}
	}
	out.Err = fmt.Errorf("%w; what the change touched stays frozen until ixagent thaw %s", errors.Join(out.Err, unread), f)
	return out
}

// nothingDone reports whether an entry that has ended left the switch as it was.
func nothingDone(e journal.Entry) bool {
	return e.Result == journal.Reverted || e.Result == journal.Refused || e.Result == journal.Failed
}

// replaced returns what was there before a change, by key; nil for what it made.
func replaced(e journal.Entry) (map[switchcfg.Key]switchcfg.Object, error) {
	var p plan.Plan
	if err := json.Unmarshal(e.Plan, &p); err != nil {
		return nil, fmt.Errorf("change %d: %w", e.ID, err)
	}
	before := make(map[switchcfg.Key]switchcfg.Object)
	for _, c := range p.Changes {
		if _, again := before[c.Key]; !again {
			before[c.Key] = c.Before
		}
	}
	return before, nil
}

// latest returns an error if a change after e touched the same objects.
func (p *Pass) latest(e journal.Entry, before map[switchcfg.Key]switchcfg.Object) error {
	since, err := p.journal.History(journal.Filter{Device: e.Device})
	if err != nil {
		return err
	}
	for _, x := range since {
		if x.ID <= e.ID || nothingDone(x) {
			continue
		}
		touched, err := replaced(x)
		if err != nil {
			return err
		}
		for _, k := range slices.SortedFunc(maps.Keys(touched), switchcfg.Key.Compare) {
			if _, both := before[k]; both {
				return &guard.OrderError{
					What: fmt.Sprintf("change %d has changed %s since", x.ID, k),
					Todo: fmt.Sprintf("roll that back first: ixagent rollback %d; or put back what was before change %d all the same: --force", x.ID, e.ID),
				}
			}
		}
	}
	return nil
}
