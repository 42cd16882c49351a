package reconcile

import (
	"context"
	"maps"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/ixagent/ixagent/agent/invariant"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Sample is what a switch did at one time.
type Sample struct {
	Time time.Time
	drivers.OperState
}

// operational is a switch that tells what it does, and a share of the work at once that asking it takes.
type operational struct {
	drivers.Operational
	slots *semaphore.Weighted // nil: any number
}

// operationalOf returns the switch behind a driver, if it tells.
func operationalOf(d drivers.Driver, slots *semaphore.Weighted) (*operational, bool) {
	o, ok := drivers.As[drivers.Operational](d)
	return &operational{o, slots}, ok
}

// ask returns what the switch does now.
func (o *operational) ask(ctx context.Context) (drivers.OperState, error) {
	if o.slots != nil {
		if err := o.slots.Acquire(ctx, 1); err != nil {
			return drivers.OperState{}, err
		}
		defer o.slots.Release(1)
	}
	return o.Operational.Operational(ctx)
}

// aging is how long a switch may remember a station that it does not hear any more.
const aging = 10 * time.Minute

// probe looks at what the switch does, as far as it tells. What it cannot tell is no fault of the pass.
func (w *Worker) probe(ctx context.Context, status *Status) {
	driver, ok := operationalOf(w.driver, w.Slots)
	if !ok {
		return
	}
	state, err := driver.ask(ctx)
	if err != nil {
		w.Log.Debug("operational state was not read", "device", w.Device.Name, "err", err)
		return
	}
	before := w.sample
	w.sample = Sample{time.Now(), state}
	in, out := 0, 0
	for _, m := range state.LACP {
		if m.InSync {
			in++
		} else {
			out++
		}
	}
	w.Metrics.LACP(w.Device.Name, in, out)
	if w.Rules == nil {
		return
	}
	if before.Stations == nil {
		// What was configured when these were learned is not known.
		w.forgive(state.Stations, func(drivers.Station) bool { return true })
	}
	w.violations(status, append(w.Rules.Configured(w.observed), w.Rules.Seen(w.observed, before.OperState, state, w.stale())...))
}

// violations tells of them, each that is new in the log.
func (w *Worker) violations(status *Status, all []invariant.Violation) {
	count := make(map[string]int)
	for _, n := range invariant.Names() {
		count[string(n)] = 0
	}
	now := make(map[string]bool, len(all))
	for _, v := range all {
		count[string(v.Invariant)]++
		key := string(v.Invariant) + " " + v.Key.String()
		now[key] = true
		if !w.violated[key] {
			w.Log.Error("INVARIANT VIOLATED", "device", w.Device.Name, "object", v.Key.String(), "fault", string(v.Invariant), "cause", v.Text)
		}
	}
	w.violated, status.Violations = now, all
	w.Metrics.Invariants(w.Device.Name, count)
}

// forgive lets stations be what they are for as long as the switch may remember them from another configuration.
func (w *Worker) forgive(stations map[drivers.Station]switchcfg.Key, which func(drivers.Station) bool) {
	if w.forgiven == nil {
		w.forgiven = make(map[drivers.Station]time.Time)
	}
	until := time.Now().Add(aging)
	for st := range stations {
		if which(st) {
			w.forgiven[st] = until
		}
	}
}

// stale returns the stations that are forgiven now.
func (w *Worker) stale() map[drivers.Station]bool {
	now := time.Now()
	maps.DeleteFunc(w.forgiven, func(_ drivers.Station, until time.Time) bool { return now.After(until) })
	out := make(map[drivers.Station]bool, len(w.forgiven))
	for st := range w.forgiven {
		out[st] = true
	}
	return out
}
