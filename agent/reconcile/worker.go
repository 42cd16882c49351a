package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/semaphore"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/agent/invariant"
	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/agent/metrics"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

const (
	// refresh is how often a switch is observed without any other reason.
	refresh = time.Minute

	// rounds is how many transactions a pass makes at most: a second one does what the first made possible.
	rounds = 3
)

// Guards returns what withholds changes of a device at this moment, given its intent. Drift tells the changes that undo
// what somebody else did from those that the exchange asks for. What hard withholds nobody's approval lets pass; what soft
// withholds waits for a person, and passes with a plan that a person approved.
type Guards func(d *config.Device, in *plan.Intent, drift func(plan.Change) bool) (hard, soft plan.Guard)

// Worker keeps one switch equal to its intent. Whoever holds busy, and nobody else, touches the switch.
type Worker struct {
	Device  *config.Device
	Open    func(ctx context.Context) (drivers.Driver, error)
	Guards  Guards              // nil: nothing is withheld by guards
	Orders  Orders              // nil: nobody approves anything
	Spans   *Spans              // switches that change services together; nil: this one stands alone
	Window  time.Duration       // least window of a transaction
	Slots   *semaphore.Weighted // see [Part]
	Turns   chan struct{}       // taken while a plan is made, so that not all workers need the memory at once; nil: for none
	Soak    time.Duration       // of a transaction
	Budget  *guard.Budget       // of transactions that no person approved
	Rules   *invariant.Rules    // what must hold on the switch; may be nil
	Journal *journal.Journal
	Metrics *metrics.Metrics
	Log     *slog.Logger
	Redact  func(string) string       // see [Part]
	Applied func()                    // called after transactions, and when other services have circuits; may be nil
	Settle  func(digest string)       // remembers the intent that the switch was last seen to have; may be nil
	Settled string                    // that Settle was last told, by an earlier process
	Passed  func()                    // called after each pass; may be nil
	Step    func(device, step string) // see [Transaction]

	busy sync.Mutex
	session

	mu         sync.Mutex
	intent     *plan.Intent
	status     Status
	unfinished []journal.Entry // changes whose process died, or whose end is not known: they are looked after first
	trigger    chan struct{}
	made       sync.Once
}

// Orders are what people allow. Both functions may be called concurrently.
type Orders interface {
	// Approved reports whether a person approved the plan of that digest for a device. The digest is asked for only if
	// something was approved.
	Approved(device string, digest func() string) bool
	// Used ends an approval.
	Used(device, digest string)
}

// Status is how a switch fares.
type Status struct {
	Intent     *plan.Intent          // that the rest is about; nil before the first pass
	Time       time.Time             // end of the last pass; zero before there is one
	Err        error                 // why it did not succeed
	Plan       plan.Plan             // of the last pass that got so far: what is left to do after it
	Waits      string                // why nothing of Plan is done; "" if it is
	Whole      plan.Plan             // does all that waits for a person; without changes if nothing does
	Approve    string                // digest of Whole; "" if nothing waits for a person
	Drift      int                   // objects that somebody else changed
	Held       bool                  // the plan was taken back because of whom it harmed
	Outcome    *Outcome              // of the last transaction
	Violations []invariant.Violation // of invariants, as last seen
	Joined     map[string]bool       // services with circuits on the switch when it was last observed; nil before that
}

// session is the open connection to the switch and what is remembered of the passes over it.
type session struct {
	driver   drivers.Driver
	watch    context.CancelFunc
	watched  sync.WaitGroup
	observed switchcfg.State               // as last seen
	ports    map[string]bool               // of the switch then; see [Ports]
	settled  *plan.Intent                  // the intent that the switch was last seen to have
	told     string                        // what was logged last
	harmful  string                        // digest of the plan that was taken back because of whom it harmed
	slowest  time.Duration                 // that an operation on the switch took
	sample   Sample                        // what the switch did when it was last looked at
	forgiven map[drivers.Station]time.Time // until when stations may be where they do not belong
	violated map[string]bool               // invariants and objects, as last told
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
	w.setIntent(in)
	w.Trigger()
}

func (w *Worker) setIntent(in *plan.Intent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.intent = in
}

// Intent returns what the switch should carry, as last set.
func (w *Worker) Intent() *plan.Intent {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.intent
}

// Status returns how the switch fares.
func (w *Worker) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

func (w *Worker) setStatus(s Status) {
	w.mu.Lock()
	w.status = s
	w.mu.Unlock()
	if w.Passed != nil {
		w.Passed()
	}
}

// Interrupted has the worker look after a change of the switch whose process died.
func (w *Worker) Interrupted(e journal.Entry) {
	w.mu.Lock()
	w.unfinished = append(w.unfinished, e)
	w.mu.Unlock()
	w.Trigger()
}

// Run makes passes until ctx is done. A transaction that has begun by then is brought to its end.
func (w *Worker) Run(ctx context.Context) {
	defer func() {
		w.busy.Lock()
		defer w.busy.Unlock()
		w.close()
	}()
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
		in := w.Intent()
		if in == nil {
			continue
		}
		wait := refresh + rand.N(refresh/10)
		if err := w.pass(ctx, in); err != nil && ctx.Err() == nil {
			wait = retry.NextBackOff()
		} else {
			retry.Reset()
		}
		timer.Reset(wait)
	}
}

// open opens a session unless there is one, and settles what an earlier one left open.
func (w *Worker) open(ctx context.Context) error {
	if w.driver == nil {
		d, err := w.Open(ctx)
		w.Metrics.Up(w.Device.Name, err == nil)
		if err != nil {
			return err
		}
		w.driver = d
		if watcher, ok := drivers.As[drivers.Watcher](d); ok {
			watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
			w.watch = cancel
			w.watched.Go(func() { w.follow(watching, watcher) })
		}
	}
	return w.recover(ctx)
}

// follow watches the switch until ctx ends, again and again, since a session may outlive a subscription.
func (w *Worker) follow(ctx context.Context, watcher drivers.Watcher) {
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = 100*time.Millisecond, 10*time.Second
	first := true // of the session, which is looked at anyway
	for {
		err := watcher.Watch(ctx, func() {
			retry.Reset()
			if !first {
				w.Trigger() // also for what was missed before this subscription
			}
			first = false
		})
		if ctx.Err() != nil {
			return
		}
		w.Log.Debug("switch is no longer watched", "device", w.Device.Name, "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(retry.NextBackOff()):
		}
	}
}

// recover ends commits that are perhaps pending on the switch.
func (w *Worker) recover(ctx context.Context) error {
	w.mu.Lock()
	left := w.unfinished
	w.mu.Unlock()
	for i, e := range left {
		ended, err := Finish(ctx, w.driver, e)
		if err != nil {
			return err
		}
		if ended {
			w.Log.Warn("pending commit of an interrupted change is ended", "device", w.Device.Name, "change", e.ID, "confirmed", e.Decided)
		}
		if i == len(left)-1 {
			w.mu.Lock()
			w.unfinished = w.unfinished[len(left):]
			w.mu.Unlock()
		}
	}
	return nil
}

// Finish ends the commit of a change whose process died, if it is pending on the switch: one that was decided on stays,
// any other is taken back. It reports whether there was one.
func Finish(ctx context.Context, d drivers.Driver, e journal.Entry) (ended bool, err error) {
	c, ok := drivers.As[drivers.Confirmer](d)
	if !ok {
		return false, nil
	}
	end := c.Revert
	if e.Decided {
		end = c.Confirm
	}
	err = end(ctx, e.Commit())
	switch drivers.FaultOf(err) {
	case drivers.Transient, drivers.Unknown, drivers.Denied:
		return false, err
	}
	return err == nil, nil
}

func (w *Worker) close() {
	if w.driver == nil {
		return
	}
	if w.watch != nil {
		w.watch()
		w.watched.Wait()
		w.watch = nil
	}
	if err := w.driver.Close(); err != nil {
		w.Log.Debug("closing a session", "device", w.Device.Name, "err", err)
	}
	w.driver = nil
}

// look observes the switch.
func (w *Worker) look(ctx context.Context) (switchcfg.State, error) {
	if err := w.open(ctx); err != nil {
		return nil, err
	}
	start := time.Now()
	observed, err := w.driver.Observe(ctx)
	if err != nil {
		return nil, err
	}
	took := time.Since(start)
	w.Metrics.Phase("observe", took)
	if in := w.Intent(); in != nil {
		// What is as it should be is kept once.
		for k, o := range observed {
			if want, ok := in.State[k]; ok && switchcfg.Equal(o, want) {
				observed[k] = want
			}
		}
	}
	w.slowest = max(w.slowest, took)
	w.observed, w.ports = observed, Ports(ctx, w.Device, w.driver, w.Slots, observed, w.Intent())
	return observed, nil
}

// pass observes, plans, and where it may applies, until nothing is left that the switch can do by itself.
func (w *Worker) pass(ctx context.Context, in *plan.Intent) error {
	w.busy.Lock()
	defer w.busy.Unlock()
	start := time.Now()
	w.Spans.looking(w, in)
	status := w.Status()
	out, err := w.reconcile(ctx, in, &status)
	if err != nil {
		// What it will need when it is back is seen from what it had.
		w.Spans.propose(w, w.decide(w.observed, in), err)
		status.Intent = in
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return err
	}
	w.ended(status, out, err, time.Since(start))
	return err
}

// ended tells of the end of a pass, or of a transaction over several switches.
func (w *Worker) ended(status Status, out *Outcome, err error, took time.Duration) {
	if err != nil {
		w.close()
		w.Metrics.Up(w.Device.Name, false)
	}
	status.Time, status.Err = time.Now(), err
	if out != nil {
		status.Outcome = out
	}
	w.Metrics.Pass(w.Device.Name, result(out, err, status.Plan), took)
	joined := !maps.Equal(w.Status().Joined, status.Joined)
	w.setStatus(status)
	if err != nil {
		w.Log.Error("pass did not succeed", "device", w.Device.Name, "driver", w.Device.Driver, "fault", string(drivers.FaultOf(err)), "err", err)
	} else if (out != nil || joined) && w.Applied != nil {
		w.Applied()
	}
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

// decision is what there is to do on a switch.
type decision struct {
	in       *plan.Intent
	observed switchcfg.State
	whole    plan.Plan // all that could be done if a person approved it
	plan     plan.Plan // what may be done now
	guard    plan.Guard
	approved bool   // a person approved whole
	waits    string // why nothing of plan is done; "" if it is
	drift    int
}

// digest returns that of the whole plan.
func (d *decision) digest() string {
	digest, _ := d.whole.Digest() // a plan that was built can be written
	return digest
}

// decide plans.
func (w *Worker) decide(observed switchcfg.State, in *plan.Intent) *decision {
	start := time.Now()
	d := &decision{in: in, observed: observed}
	if w.settled == nil && w.Settled != "" && in.State.Digest() == w.Settled {
		w.settled = in
	}
	drift := guard.Drift(w.settled, in)
	hard, soft := w.guards(in, drift)
	ports := guard.Ports(w.Device.Name, w.ports)
	hard, soft = guard.All(ports, hard), guard.All(ports, soft)
	d.guard = hard
	d.whole = w.build(observed, in, hard)
	d.plan = d.whole
	for _, c := range d.whole.Changes {
		if drift(c) {
			d.drift++
		}
	}
	if len(d.whole.Changes) == 0 {
		return d
	}
	switch {
	case w.Device.Mode == config.Observe:
		d.waits = "mode observe"
	case w.Orders != nil && w.Orders.Approved(w.Device.Name, d.digest):
		d.approved = true
	case len(soft(d.whole.Changes, observed)) > 0:
		d.plan = w.build(observed, in, guard.All(hard, soft))
		fallthrough
	default:
		d.guard = guard.All(hard, soft)
	}
	w.Metrics.Phase("plan", time.Since(start))
	return d
}

func noGuard([]plan.Change, switchcfg.State) map[switchcfg.Key]plan.Hold { return nil }

// guards returns what withholds changes at this moment; see [Guards].
func (w *Worker) guards(in *plan.Intent, drift func(plan.Change) bool) (hard, soft plan.Guard) {
	hard, soft = noGuard, noGuard
	if w.Guards != nil {
		hard, soft = w.Guards(w.Device, in, drift)
	}
	return hard, soft
}

func (w *Worker) build(observed switchcfg.State, in *plan.Intent, g plan.Guard) plan.Plan {
	if w.Turns != nil {
		w.Turns <- struct{}{}
		defer func() { <-w.Turns }()
	}
	return Build(w.Device, w.Rules, observed, in, g)
}

// Build returns the plan that brings a device from what was observed to its intent, as far as a guard allows it and
// rules, which may be nil, are kept.
func Build(d *config.Device, rules *invariant.Rules, observed switchcfg.State, in *plan.Intent, g plan.Guard) plan.Plan {
	if rules != nil {
		g = guard.All(g, rules.Guard(in.State))
	}
	return plan.Build(plan.Input{Device: d.Name, Observed: observed, Intent: *in, Scope: d.Scope(), Traits: d.Capabilities().Traits, Guard: g})
}

// without returns what may be done now but for some spans, with the reason of each.
func (w *Worker) without(d *decision, spans map[string]string) plan.Plan {
	switch {
	case len(spans) == 0:
		return d.plan
	case d.approved:
		// What a person approved is done as a whole.
		hold := func(changes []plan.Change, _ switchcfg.State) map[switchcfg.Key]plan.Hold {
			out := make(map[switchcfg.Key]plan.Hold, len(changes))
			for _, c := range changes {
				out[c.Key] = plan.Hold{Reason: plan.Spans, Detail: "it was approved together with what waits: " + first(spans)}
			}
			return out
		}
		return w.build(d.observed, d.in, guard.All(d.guard, holdSpans(spans), hold))
	}
	return w.build(d.observed, d.in, guard.All(d.guard, holdSpans(spans)))
}

// harms reports whether a plan was taken back before because of whom it harmed.
func (w *Worker) harms(p plan.Plan) bool {
	if w.harmful == "" {
		return false
	}
	digest, err := p.Digest()
	return err == nil && digest == w.harmful
}

const waitsHarmful = "it was taken back, because it took down what it does not touch; ixagent apply tries it once more"

// reconcile makes one pass. The outcome is nil if there was no transaction.
func (w *Worker) reconcile(ctx context.Context, in *plan.Intent, status *Status) (*Outcome, error) {
	observed, err := w.look(ctx)
	if err != nil {
		return nil, err
	}
	var out *Outcome
	for range rounds {
		d := w.decide(observed, in)
		mine := w.without(d, w.Spans.propose(w, d, nil))
		if d.waits == "" && w.harms(mine) {
			d.waits = waitsHarmful
		}
		w.fares(status, d, mine)
		if len(mine.Changes) == 0 || d.waits != "" {
			w.probe(ctx, status)
			return out, nil
		}
		part := w.part(mine)
		_ = w.transaction(d.approved).Apply(ctx, part) // the part has it
		out = &part.Outcome
		if err := w.applied(d, part); err != nil {
			return out, err
		}
		observed = w.observed
	}
	return out, errors.New("plans were applied and verified, and there is still something to do: " + status.Plan.Summary())
}

// fares enters what is left to do.
func (w *Worker) fares(status *Status, d *decision, left plan.Plan) {
	status.Intent, status.Joined = d.in, guard.Joined(d.observed)
	status.Plan, status.Waits, status.Drift, status.Held = left, d.waits, d.drift, w.harms(left) || w.harms(d.plan)
	status.Whole, status.Approve = plan.Plan{}, ""
	if !d.approved && d.waits == "" && len(d.plan.Changes) < len(d.whole.Changes) {
		status.Whole, status.Approve = d.whole, d.digest()
	}
	if len(d.whole.Changes) == 0 && w.settled != d.in {
		if w.settled = d.in; w.Settle != nil {
			w.Settle(d.in.State.Digest())
		}
	}
	w.Metrics.Observed(w.Device.Name, left)
	w.Metrics.Drift(w.Device.Name, d.drift)
	w.Metrics.Held(w.Device.Name, status.Held)
	w.tell(*status)
}

// part returns the part of a transaction that makes p real.
func (w *Worker) part(p plan.Plan) *Part {
	return &Part{Driver: w.driver, Scope: w.Device.Scope(), Plan: p, Slots: w.Slots, Observed: w.observed, Earlier: w.sample, Rules: w.Rules, Stale: w.stale(), Redact: w.Redact}
}

func (w *Worker) transaction(approved bool) *Transaction {
	t := &Transaction{Window: w.Window, Soak: w.Soak, Journal: w.Journal, Metrics: w.Metrics, Who: "daemon", Step: w.Step}
	if !approved {
		t.Budget = w.Budget
	}
	return t
}

// applied takes note of what became of a part.
func (w *Worker) applied(d *decision, p *Part) error {
	for _, ph := range p.Outcome.Phases {
		w.slowest = max(w.slowest, ph.Took)
	}
	switch {
	case p.result == journal.Unknown:
		w.Interrupted(p.entry)
	case errors.Is(p.Err, ErrHarmed):
		w.harmful = p.Outcome.Digest
	}
	if p.Err != nil {
		return p.Err
	}
	if d.approved && w.Orders != nil {
		w.Orders.Used(w.Device.Name, d.digest())
	}
	w.observed = p.after
	w.forgive(p.others.before.Stations, func(st drivers.Station) bool { return p.others.stale[st] })
	w.Log.Info("plan applied", "device", w.Device.Name, "plan", p.Outcome.Digest[:12], "changes", p.Outcome.Changes, "drift", d.drift, "duration", p.Outcome.Took)
	return nil
}

// tell logs a plan that waits, or that withholds something, and what somebody else changed, once.
func (w *Worker) tell(s Status) {
	if s.Plan.Empty() && s.Drift == 0 {
		w.told = ""
		return
	}
	digest, err := s.Plan.Digest()
	if err != nil {
		return
	}
	key := digest + s.Waits
	for _, x := range s.Plan.Withheld {
		key += string(x.Reason)
	}
	if key == w.told {
		return
	}
	w.told = key
	if s.Drift > 0 {
		w.Log.Warn("somebody else changed what the agent made", "device", w.Device.Name, "objects", s.Drift, "cause", examples(s.Plan))
	}
	if s.Waits != "" || len(s.Plan.Withheld) > 0 {
		w.Log.Warn("not everything is as it should be", "device", w.Device.Name, "plan", digest[:12], "changes", len(s.Plan.Changes), "withheld", len(s.Plan.Withheld), "cause", s.Waits)
	}
}

// examples names a few objects that a plan is about.
func examples(p plan.Plan) string {
	const some = 3
	var text string
	n := 0
	add := func(k switchcfg.Key) {
		if n++; n > some {
			return
		}
		if text != "" {
			text += ", "
		}
		text += k.String()
	}
	for _, c := range p.Changes {
		add(c.Key)
	}
	for _, x := range p.Withheld {
		add(x.Key)
	}
	if n > some {
		text += ", ..."
	}
	return text
}
