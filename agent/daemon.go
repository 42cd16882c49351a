package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/agent/metrics"
	"github.com/ixagent/ixagent/agent/reconcile"
	"github.com/ixagent/ixagent/agent/report"
	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/agent/web"
)

// glance is how often the compiler is asked whether the clock has changed anything, since clocks jump.
const glance = 10 * time.Second

// daemon carries snapshots to the compiler and intents to the workers.
type daemon struct {
	*parts
	workers   map[string]*reconcile.Worker
	spans     *reconcile.Spans
	ordered   *ordered
	reporter  *report.Reporter
	notices   http.Handler          // takes events
	snapshots chan *source.Snapshot // the latest that is not compiled yet
	asked     chan func()           // done with the compiler between its work
	stopped   chan struct{}         // closed when nobody does it any more
	started   time.Time             // with a configuration that had just been read

	mu         sync.Mutex
	rejections []compile.Rejection
	err        error                // why the latest snapshot could not be compiled
	numbers    *compile.Allocations // with which the latest was
	failure    string               // why a read of the exchange was not accepted, as last told
	failedAt   time.Time
	stats      metrics.Journal // at counted
	counted    time.Time
}

// deliver hands a snapshot over; one that waits is superseded.
func (d *daemon) deliver(s *source.Snapshot) {
	d.Log.Info("snapshot accepted", "source", s.Source, "version", s.Version[:12], "faults", len(s.Faults))
	select {
	case <-d.snapshots:
	default:
	}
	d.snapshots <- s
}

// failed tells of a read that was not accepted, once for as long as the reason is the same.
func (d *daemon) failed(err error) {
	d.mu.Lock()
	known := d.failure == err.Error() && !d.source.Status().Read.After(d.failedAt)
	d.failure, d.failedAt = err.Error(), time.Now()
	d.mu.Unlock()
	if known {
		return
	}
	d.Log.Error("exchange was not read, and what it said last stays", "source", d.source.Name(), "err", err)
}

// compile compiles what is delivered, again when an address window begins or ends, and again after a failure.
func (d *daemon) compile(ctx context.Context) {
	const retry = 10 * time.Second
	var latest *source.Snapshot
	clock := time.NewTimer(0)
	defer clock.Stop()
	again := time.NewTicker(time.Minute)
	defer again.Stop()
	beat, stop := d.beats()
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat:
			// Asking everybody takes every lock, so that one that is held for ever ends the beat.
			_ = d.ready()
			d.Alive()
			continue
		case do := <-d.asked:
			do()
			continue
		case latest = <-d.snapshots:
		case <-clock.C:
		case <-again.C:
			d.recover()
			continue
		}
		if latest == nil {
			continue
		}
		changed, err := d.parts.compile(latest)
		d.mu.Lock()
		if d.err = err; err == nil {
			d.rejections, d.numbers = d.compiler.Rejections(), d.alloc
		}
		d.mu.Unlock()
		if err != nil {
			d.Log.Error("snapshot could not be compiled, and every switch keeps its intent", "source", d.source.Name(), "err", err)
			clock.Reset(retry)
			continue
		}
		d.spans.Want(d.compiled(changed))
		wait := glance
		if next := d.compiler.Next(); !next.IsZero() {
			wait = min(max(next.Sub(d.Now()), time.Second), glance)
		}
		clock.Reset(wait)
	}
}

// try finds out what would become of an order; see [compile.Compiler.Try]. It is done between what else is compiled, so
// that nobody sees anything of it.
func (d *daemon) try(ctx context.Context, order []byte) (t *compile.Trial, err error) {
	start, done := time.Now(), make(chan struct{})
	try := func() {
		defer close(done)
		if d.alloc == nil || d.last == nil {
			err = errors.New("what the switches should carry is not known yet: see /-/ready")
			return
		}
		t, err = d.compiler.Try(order, d.Now())
	}
	select {
	case d.asked <- try:
		<-done
	case <-ctx.Done():
		err = ctx.Err()
	case <-d.stopped:
		err = errors.New("the agent stops")
	}
	result := metrics.TrialRefused
	var wrong *compile.OrderError
	switch {
	case errors.As(err, &wrong):
		result = metrics.TrialInvalid
	case err != nil:
		result = metrics.TrialUnavailable
	case t.Possible:
		result = metrics.TrialPossible
	}
	d.metrics.Tried(result, time.Since(start))
	return t, err
}

// recover has workers look after changes of processes that died: of this daemon before, or of somebody at a shell.
func (d *daemon) recover() {
	gone, err := d.journal.Recover()
	if err != nil {
		d.Log.Error("whether changes were interrupted is not known", "err", err)
	}
	for _, e := range gone {
		d.Log.Warn("change was interrupted, and the switch is looked at again", "device", e.Device, "change", e.ID, "begun", e.Begun.Format(time.RFC3339), "who", e.Who)
		d.metrics.Transaction(e.Device, journal.Interrupted, 0)
		if w := d.workers[e.Device]; w != nil {
			w.Interrupted(e)
		}
	}
}

// ready returns nil once the exchange was read lately and every switch was looked at, while the journal can be written.
func (d *daemon) ready() error {
	var faults []error
	s := d.source.Status()
	switch limit := d.Config.Sources[0].StaleAfter; {
	case s.Snapshot == nil && s.Err != nil:
		faults = append(faults, fmt.Errorf("source %s was never read: %w", d.source.Name(), s.Err))
	case s.Snapshot == nil:
		faults = append(faults, fmt.Errorf("source %s is not read yet", d.source.Name()))
	case time.Since(s.Read) > limit:
		faults = append(faults, fmt.Errorf("source %s was read last at %s: %w", d.source.Name(), s.Read.Format(time.RFC3339), s.Err))
	}
	if err := d.journal.Trouble(); err != nil {
		faults = append(faults, hinted(err))
	}
	d.mu.Lock()
	if d.err != nil {
		faults = append(faults, d.err)
	}
	d.mu.Unlock()
	for _, dev := range d.Config.Inventory.Devices {
		if st := d.workers[dev.Name].Status(); st.Time.IsZero() {
			faults = append(faults, fmt.Errorf("device %s was not looked at yet", dev.Name))
		}
	}
	return errors.Join(faults...)
}

func (d *daemon) status() web.Status {
	out := web.Status{Version: d.Version, Source: web.SourceOf(d.source.Name(), d.source.Status())}
	for _, dev := range d.Config.Inventory.Devices {
		st := d.workers[dev.Name].Status()
		x := web.Device{Name: dev.Name, Driver: dev.Driver, Mode: dev.Mode, LastPass: st.Time, Drift: st.Drift > 0, Waits: st.Waits, Approve: st.Approve, Violations: st.Violations}
		if st.Err != nil {
			x.Error = st.Err.Error()
		}
		if err := x.SetPlan(st.Plan); err != nil {
			d.Log.Error("plan has no digest", "device", dev.Name, "err", err)
		}
		out.Devices = append(out.Devices, x)
	}
	if err := d.journal.Trouble(); err != nil {
		out.JournalError = err.Error()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	out.Rejections = d.rejections
	return out
}

// state is what the metrics tell of the agent as a whole.
func (d *daemon) state() metrics.State {
	out := metrics.State{Ready: d.ready() == nil, Configured: d.started, Refused: d.Refused != nil && d.Refused()}
	d.mu.Lock()
	numbers := d.numbers
	d.mu.Unlock()
	if numbers != nil {
		out.Pools = numbers.Pools(&d.Config.Inventory, d.Now())
	}
	out.Freezes, out.Approvals = d.ordered.count()
	out.Windows = &metrics.Windows{}
	for _, w := range d.Config.Guard.Windows {
		if guard.Open(w, d.Now()) {
			out.Windows.Open++
		} else {
			out.Windows.Closed++
		}
	}
	out.Journal = d.journalState()
	if d.Config.Report.Webhook != nil {
		out.Outbox = new(metrics.Outbox)
		out.Outbox.Messages, out.Outbox.Oldest = d.reporter.Waiting()
	}
	return out
}

// journalState tells how the journal fares. Its whole is counted once in a while only.
func (d *daemon) journalState() *metrics.Journal {
	const seldom = time.Minute
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.counted) > seldom {
		if s, err := d.journal.Stats(); err == nil {
			d.stats, d.counted = metrics.Journal{Size: s.Bytes, Entries: s.Entries}, time.Now()
		}
	}
	out := d.stats
	out.Up = d.journal.Trouble() == nil
	return &out
}

func (d *daemon) handler() web.Options {
	return web.Options{
		Gatherer: d.Registerer, Ready: d.ready, Status: d.status, Reload: d.Reload,
		Record: d.record, Try: d.try, Events: d.notices,
		WebConfig: d.Config.WebConfig.String(), Log: d.Log, Orders: orders{d},
	}
}
