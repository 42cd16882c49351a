package agent

import (
	"context"
	"sync"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/agent/reconcile"
	"github.com/ixagent/ixagent/models/plan"
)

// look is how often the journal is asked what persons ordered, without any other reason.
const look = 30 * time.Second

var _ reconcile.Orders = (*ordered)(nil)

// ordered is what persons ordered, and what the last hour has cost, as last read from the journal.
type ordered struct {
	*parts
	remains func(device, service string) bool // see [guard.Tunnels]

	mu        sync.Mutex
	freezes   []guard.Freeze
	approvals []guard.Approval
	spent     guard.Cost
	counted   time.Time // when spent was read
	ordered   time.Time // as [journal.Journal.Ordered] had it before that
}

// refresh reads the journal. What cannot be read stays as it was.
func (o *ordered) refresh() {
	ordered := o.journal.Ordered()
	freezes, err := o.journal.Freezes()
	var approvals []guard.Approval
	if err == nil {
		approvals, err = o.journal.Approvals()
	}
	var spent guard.Cost
	if err == nil {
		spent, err = o.journal.Spent(o.Now().Add(-time.Hour))
	}
	if err != nil {
		o.Log.Error("what persons ordered was not read, and what was read last stays", "err", err)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.freezes, o.approvals, o.spent, o.counted, o.ordered = freezes, approvals, spent, time.Now(), ordered
}

// watch keeps it up to date, and has workers act on it, until ctx ends.
func (o *ordered) watch(ctx context.Context, workers map[string]*reconcile.Worker) {
	changed := func() {
		o.refresh()
		for _, w := range workers {
			w.Trigger()
		}
	}
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() {
		if err := o.journal.WatchOrders(ctx, changed); err != nil {
			o.Log.Warn("orders of persons are seen late", "err", err)
		}
	})
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			o.refresh()
		}
	}
}

// guards is a [reconcile.Guards].
func (o *ordered) guards(d *config.Device, in *plan.Intent, drift func(plan.Change) bool) (hard, soft plan.Guard) {
	o.mu.Lock()
	old := time.Since(o.counted) > time.Second || !o.journal.Ordered().Equal(o.ordered)
	o.mu.Unlock()
	if old {
		o.refresh() // what others spent, and what was frozen this very moment
	}
	o.mu.Lock()
	s := guard.Situation{Config: o.Config, Device: d, Intent: in, Freezes: o.freezes, Spent: o.spent, Now: o.Now(), Remains: o.remains, Drift: drift}
	o.mu.Unlock()
	return s.Hard(), s.Soft()
}

// Approved implements [reconcile.Orders].
func (o *ordered) Approved(device string, digest func() string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.Now()
	for _, a := range o.approvals {
		if a.Device == device && a.InForce(now) && a.Digest == digest() {
			return true
		}
	}
	return false
}

// Used implements [reconcile.Orders].
func (o *ordered) Used(device, digest string) {
	if _, err := o.journal.Used(device, digest); err != nil {
		o.Log.Error("approval was used, and is not ended", "device", device, "plan", digest[:12], "err", err)
	}
	o.refresh()
}

// count returns the freezes in force by scope, and the approvals that wait to be used.
func (o *ordered) count() (freezes map[string]int, approvals int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	freezes = make(map[string]int)
	for _, s := range guard.Scopes() {
		freezes[string(s)] = 0
	}
	for _, f := range o.freezes {
		if f.InForce(o.Now()) {
			freezes[string(f.Scope)]++
		}
	}
	for _, a := range o.approvals {
		if a.InForce(o.Now()) {
			approvals++
		}
	}
	return freezes, approvals
}
