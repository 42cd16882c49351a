package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/agent/metrics"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// refresh is how often a switch is observed without any other reason.
const refresh = time.Minute

// Worker keeps one switch equal to its intent. Only Run touches the switch.
type Worker struct {
	Device  *config.Device
	Open    func(ctx context.Context) (drivers.Driver, error)
	Guard   plan.Guard
	Window  time.Duration // of a transaction
	Heal    bool          // undo what others changed
	Journal *journal.Journal
	Metrics *metrics.Metrics
	Log     *slog.Logger
	Redact  func(string) string       // see [By]
	Applied func()                    // called after each transaction that succeeded; may be nil
	Step    func(device, step string) // see [Transaction]

	mu      sync.Mutex
	intent  *plan.Intent
	status  Status
	trigger chan struct{}
	made    sync.Once
}

// Status is how a switch fares.
type Status struct {
	Time    time.Time       // end of the last pass; zero before there is one
	Err     error           // why it did not succeed
	Plan    plan.Plan       // of the last pass that got so far: what is left to do after it
	Drift   bool            // the plan undoes what somebody else changed
	Outcome *Outcome        // of the last transaction
	Joined  map[string]bool // services with circuits on the switch when it was last observed; nil before that
}

func (w *Worker) wake() chan struct{} {
	w.made.Do(func() { w.trigger = make(chan struct{}, 1) })
	return w.trigger
}

// Trigger makes a pass due. Triggers that come while one is due amount to one.
func (w *Worker) Trigger() {
	select {
	case w.wake() <- struct{}{}:
	default:
	}
}

// SetIntent tells the worker what the switch should carry, and triggers it.
func (w *Worker) SetIntent(in *plan.Intent) {
	w.mu.Lock()
	w.intent = in
	w.mu.Unlock()
	w.Trigger()
}

// Status returns how the switch fares.
func (w *Worker) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// Run makes passes until ctx is done. A transaction that has begun by then is brought to its end.
func (w *Worker) Run(ctx context.Context) {
	s := session{worker: w}
	defer s.close()
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = time.Second, 5*time.Minute
	timer := time.NewTimer(0)
	defer timer.Stop()
	if !timer.Stop() {
		<-timer.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake():
		case <-timer.C:
		}
		w.mu.Lock()
		in := w.intent
		w.mu.Unlock()
		if in == nil {
			continue
		}
		wait := refresh + rand.N(refresh/10)
		if err := w.pass(ctx, &s, in); err != nil && ctx.Err() == nil {
			s.close()
			w.Metrics.Up(w.Device.Name, false)
			wait = retry.NextBackOff()
		} else {
			retry.Reset()
		}
		timer.Reset(wait)
	}
}

// session is the open connection to the switch and what is remembered of the passes over it.
type session struct {
	worker  *Worker
	driver  drivers.Driver
	watch   context.CancelFunc
	watched sync.WaitGroup
	settled *plan.Intent // the intent for which there was nothing left to do
	told    string       // digest of the plan logged last
	harmful string       // digest of the plan that was taken back because of whom it harmed
}

func (s *session) open(ctx context.Context) error {
	if s.driver != nil {
		return nil
	}
	d, err := s.worker.Open(ctx)
	s.worker.Metrics.Up(s.worker.Device.Name, err == nil)
	if err != nil {
		return err
	}
	s.driver = d
	if watcher, ok := drivers.As[drivers.Watcher](d); ok {
		watching, cancel := context.WithCancel(ctx)
		s.watch = cancel
		s.watched.Go(func() {
			// A subscription that ends is no fault: the next pass opens a session that works, or says why not.
			if err := watcher.Watch(watching, s.worker.Trigger); err != nil && watching.Err() == nil {
				s.worker.Log.Debug("switch is no longer watched", "device", s.worker.Device.Name, "err", err)
				s.worker.Trigger()
			}
		})
	}
	return nil
}

func (s *session) close() {
	if s.driver == nil {
		return
	}
	if s.watch != nil {
		s.watch()
		s.watched.Wait()
		s.watch = nil
	}
	if err := s.driver.Close(); err != nil {
		s.worker.Log.Debug("closing a session", "device", s.worker.Device.Name, "err", err)
	}
	s.driver = nil
}

// pass observes, plans, and where the mode allows it applies, until nothing is left to do.
func (w *Worker) pass(ctx context.Context, s *session, in *plan.Intent) error {
	start := time.Now()
	status := w.Status()
	out, err := w.reconcile(ctx, s, in, &status)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return err
	}
	status.Time, status.Err = time.Now(), err
	if out != nil {
		status.Outcome = out
	}
	w.mu.Lock()
	w.status = status
	w.mu.Unlock()
	w.Metrics.Pass(w.Device.Name, result(out, err, status.Plan), time.Since(start))
	if err != nil {
		w.Log.Error("pass did not succeed", "device", w.Device.Name, "driver", w.Device.Driver, "fault", string(drivers.FaultOf(err)), "err", err)
	} else if out != nil && w.Applied != nil {
		w.Applied()
	}
	return err
}

// result says in one word how a pass ended.
func result(out *Outcome, err error, left plan.Plan) metrics.Result {
	switch {
	case out != nil && out.Reverted:
		return metrics.Reverted
	case err != nil:
		return metrics.Failed
	case out != nil:
		return metrics.Applied
	case len(left.Changes) > 0:
		return metrics.Pending
	}
	return metrics.Converged
}

// reconcile makes one pass. The outcome is nil if there was no transaction.
func (w *Worker) reconcile(ctx context.Context, s *session, in *plan.Intent, status *Status) (*Outcome, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	observed, err := s.driver.Observe(ctx)
	if err != nil {
		return nil, err
	}
	status.Joined = guard.Joined(observed)
	p := w.Plan(observed, in)
	status.Plan, status.Drift = p, s.settled == in && len(p.Changes) > 0
	w.Metrics.Observed(w.Device.Name, p)
	drifted := 0
	if status.Drift {
		drifted = len(p.Changes)
	}
	w.Metrics.Drift(w.Device.Name, drifted)
	if len(p.Changes) == 0 {
		s.settled = in
		s.tell(w, p, "")
		return nil, nil
	}
	switch {
	case w.Device.Mode != config.Enforce:
		s.tell(w, p, "plan waits: mode "+string(w.Device.Mode))
		return nil, nil
	case status.Drift && !w.Heal:
		s.tell(w, p, "plan waits: drift is not healed")
		return nil, nil
	}
	if digest, err := p.Digest(); err == nil && digest == s.harmful {
		s.tell(w, p, "plan waits: "+ErrHarmed.Error()+", and was taken back; ixagent apply tries it once more")
		return nil, nil
	}
	t := Transaction{Driver: s.driver, Scope: w.Device.Scope(), Window: w.Window, Journal: w.Journal, Metrics: w.Metrics, By: By{Who: "daemon", Redact: w.Redact}, Step: w.Step}
	out, err := t.Apply(ctx, p)
	if errors.Is(err, ErrHarmed) {
		s.harmful = out.Digest
	}
	if err != nil {
		return &out, err
	}
	w.Log.Info("plan applied", "device", w.Device.Name, "plan", out.Digest[:12], "changes", out.Changes, "drift", status.Drift, "duration", out.Took)
	status.Joined = guard.Joined(out.after)
	status.Plan = w.Plan(out.after, in)
	out.after = nil // the outcome is kept, the whole of a switch need not be
	w.Metrics.Observed(w.Device.Name, status.Plan)
	w.Metrics.Drift(w.Device.Name, 0)
	if len(status.Plan.Changes) > 0 {
		return &out, errors.New("a plan was applied and verified, and there is still something to do: " + status.Plan.Summary())
	}
	s.settled = in
	s.tell(w, status.Plan, "")
	return &out, nil
}

// tell logs a plan that waits, or that withholds something, once.
func (s *session) tell(w *Worker, p plan.Plan, waits string) {
	if p.Empty() {
		s.told = ""
		return
	}
	digest, err := p.Digest()
	if err != nil {
		return
	}
	if key := digest + waits; key != s.told {
		s.told = key
		w.Log.Warn("not everything is as it should be", "device", w.Device.Name, "plan", digest[:12], "changes", len(p.Changes), "withheld", len(p.Withheld), "cause", waits)
	}
}

// Plan returns the plan of one pass.
func (w *Worker) Plan(observed switchcfg.State, in *plan.Intent) plan.Plan {
	return plan.Build(plan.Input{Device: w.Device.Name, Observed: observed, Intent: *in, Scope: w.Device.Scope(), Traits: w.Device.Capabilities().Traits, Guard: w.Guard})
}
