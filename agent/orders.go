package agent

import (
	"context"
	"slices"
	"time"

	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/agent/metrics"
	"github.com/ixagent/ixagent/agent/web"
	"github.com/ixagent/ixagent/models/plan"
)

var _ web.Orders = orders{}

// orders are what persons have the daemon do over HTTP. They go through the journal like those from a shell.
type orders struct{ *daemon }

// Freezes implements [web.Orders].
func (o orders) Freezes() ([]guard.Freeze, error) {
	all, err := o.journal.Freezes()
	now := o.Now()
	return slices.DeleteFunc(all, func(f guard.Freeze) bool { return !f.InForce(now) }), err
}

// Freeze implements [web.Orders].
func (o orders) Freeze(_ context.Context, f guard.Freeze, lasts time.Duration) (guard.Freeze, error) {
	f.Since = o.Now().UTC().Truncate(time.Second)
	if lasts > 0 {
		f.Until = f.Since.Add(lasts)
	}
	err := f.Check(&o.Config.Inventory)
	if err == nil {
		err = o.journal.Freeze(f)
	}
	if err == nil {
		o.Log.Info("freeze was ordered", "object", f.String(), "who", f.Who, "cause", f.Why)
	}
	return f, err
}

// Thaw implements [web.Orders].
func (o orders) Thaw(_ context.Context, who string, scope guard.Scope, name string) (bool, error) {
	found, err := o.journal.Thaw(scope, name)
	if found {
		o.Log.Info("freeze was ended", "object", guard.Freeze{Scope: scope, Name: name}.String(), "who", who)
	}
	return found, err
}

// Approve implements [web.Orders].
func (o orders) Approve(_ context.Context, who, digest string) (a guard.Approval, err error) {
	defer func() {
		if err != nil {
			o.metrics.Approval(metrics.ApprovalRefused)
		} else {
			o.metrics.Approval(metrics.ApprovalAccepted)
		}
	}()
	var whole []plan.Plan
	for _, d := range o.Config.Inventory.Devices {
		whole = append(whole, o.workers[d.Name].Status().Whole)
	}
	p, digest, err := guard.Match(whole, digest)
	if err != nil {
		return a, err
	}
	d, _ := o.Config.Inventory.Device(p.Device)
	if err := guard.Approvable(d); err != nil {
		return a, err
	}
	a = guard.Approval{Device: p.Device, Digest: digest, Who: who, At: o.Now().UTC()}
	if err := o.journal.Approve(a); err != nil {
		return a, err
	}
	o.Log.Info("plan was approved", "device", a.Device, "plan", a.Digest[:12], "who", who)
	return a, nil
}
