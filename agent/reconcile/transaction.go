package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/agent/invariant"
	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/agent/metrics"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Transaction makes the plans of one switch or of several real, on all of them or on none.
type Transaction struct {
	Window  time.Duration    // in which switches take changes back unless they are confirmed
	Soak    time.Duration    // for which what was changed is watched before it is confirmed, a part of Window
	Journal *journal.Journal // nil: the plans are not recorded
	Budget  *guard.Budget    // what plans of the last hour may cost, these included; nil for those that a person wants
	Metrics *metrics.Metrics // nil: nothing is counted
	Who     string           // has the plans applied, as the journal says: a user's name, or "daemon"
	Command string           // what was typed; "" for the daemon

	// Step is called before each step on a device: "begin" and "end", which are written down, and the phases between
	// them; nil for nobody. Those of several devices may be called concurrently.
	Step func(device, step string)
}

// Part is what a transaction does on one switch.
type Part struct {
	Driver   drivers.Driver
	Scope    *plan.Scope // what may be changed
	Plan     plan.Plan
	Slots    *semaphore.Weighted      // shared by those who ask switches what they do; nil: any number
	Observed switchcfg.State          // that the plan was made for; nil: what is read is kept
	Earlier  Sample                   // what the switch did some time ago, if that is known
	Rules    *invariant.Rules         // what must hold on the switch; nil: nothing is looked for
	Stale    map[drivers.Station]bool // stations that the switch may remember from another configuration
	Redact   func(string) string      // takes secrets out of the text of an error; nil: there are none

	// What became of it, set by [Transaction.Apply].
	Outcome Outcome
	Err     error

	entry     journal.Entry
	id        string            // of the commit
	confirmer drivers.Confirmer // nil for a switch that does not take changes back by itself
	before    switchcfg.State
	want      switchcfg.State // that the plan leads to
	after     switchcfg.State // as last read since it was changed; nil if it was not
	others    bystanders
	sent      bool  // the switch may have the change
	unsure    error // why it is not known whether it took it
	result    journal.Result
	native    string // digest of what was sent
}

// Outcome is what became of a plan.
type Outcome struct {
	Device    string        `json:"device"`
	Digest    string        `json:"digest"` // of the plan
	Changes   int           `json:"changes"`
	Confirmed bool          `json:"confirmed"` // the switch would have taken it back by itself
	Reverted  bool          `json:"reverted,omitempty"`
	With      []string      `json:"with,omitempty"` // other switches of the same transaction
	Phases    []Phase       `json:"phases"`
	Warnings  []string      `json:"warnings,omitempty"` // the switch's remarks
	Took      time.Duration `json:"took"`               // in nanoseconds
}

// Phase is one part of a transaction.
type Phase = journal.Phase

const (
	// grace is how long a transaction that has begun goes on after its context ended and its window has passed, to be
	// confirmed or taken back.
	grace = 30 * time.Second

	// retry is the wait between two attempts to confirm.
	retry = 250 * time.Millisecond
)

var (
	// ErrUnverified says that a switch did not become what the plan leads to.
	ErrUnverified = errors.New("the switch is not in the state the plan leads to")

	// ErrTogether says that a switch is as it was because of another one that was to change with it.
	ErrTogether = errors.New("another switch that was to change with it could not")

	errLate    = errors.New("it took so long that the switch would soon take the change back by itself")
	errLapsed  = errors.New("the switch took the change back by itself before it was confirmed")
	errNotMade = errors.New("the switch accepted the change and did not make it")
)

// Apply makes the plans of all parts real, or leaves every switch as it was. The error of a part says which, unless
// the session was lost at the one moment when that cannot be known: then its fault is [drivers.Unknown]. A plan made
// for another state than the switch is in fails with [drivers.Stale] before anything is sent, one that touches what is
// not the agent's with [drivers.Denied]. One that took down what it does not touch fails with [ErrHarmed]. A part that
// failed only because of another fails with [ErrTogether].
//
// The error is that of all parts together.
func (t *Transaction) Apply(ctx context.Context, parts ...*Part) error {
	start := time.Now()
	parts = slices.DeleteFunc(slices.Clone(parts), func(p *Part) bool {
		p.Outcome = Outcome{Device: p.Plan.Device, Changes: len(p.Plan.Changes)}
		p.Outcome.Digest, p.Err = p.Plan.Digest()
		return p.Err == nil && len(p.Plan.Changes) == 0
	})
	if len(parts) == 0 {
		return nil
	}
	for _, p := range parts {
		for _, o := range parts {
			if o != p {
				p.Outcome.With = append(p.Outcome.With, o.Plan.Device)
			}
		}
	}
	if t.apart(parts) && t.begin(parts, start) {
		t.run(ctx, parts)
		for _, p := range parts {
			t.step(p, "end")
			p.Outcome.Took = time.Since(start)
			t.Metrics.Transaction(p.Plan.Device, p.result, p.Outcome.Took)
			if p.Err == nil {
				t.Metrics.Applied(p.Plan.Device, p.Plan)
			}
		}
		t.end(parts)
	}
	errs := make([]error, len(parts))
	for i, p := range parts {
		errs[i] = p.Err
	}
	return errors.Join(errs...)
}

func (t *Transaction) step(p *Part, step string) {
	if t.Step != nil {
		t.Step(p.Plan.Device, step)
	}
}

// each does one phase on all parts, side by side, and reports whether all parts are well after it.
func (t *Transaction) each(parts []*Part, phase string, f func(*Part) error) bool {
	var wg sync.WaitGroup
	for _, p := range parts {
		do := func() {
			t.step(p, phase)
			start := time.Now()
			if err := f(p); err != nil {
				p.Err = errors.Join(p.Err, err)
			}
			took := time.Since(start)
			t.Metrics.Phase(phase, took)
			if n := len(p.Outcome.Phases); n > 0 && p.Outcome.Phases[n-1].Name == phase {
				p.Outcome.Phases[n-1].Took += took
				return
			}
			p.Outcome.Phases = append(p.Outcome.Phases, Phase{Name: phase, Took: took})
		}
		if len(parts) == 1 {
			do()
		} else {
			wg.Go(do)
		}
	}
	wg.Wait()
	return t.apart(parts)
}

// apart reports whether all parts are well. If not, those that are fail because of the others.
func (t *Transaction) apart(parts []*Part) bool {
	var failed []string
	for _, p := range parts {
		if p.Err != nil && !errors.Is(p.Err, ErrTogether) {
			failed = append(failed, p.Plan.Device)
		}
	}
	if len(failed) == 0 {
		return true
	}
	for _, p := range parts {
		if p.Err == nil {
			p.Err = fmt.Errorf("%s: %w: %s", p.Plan.Device, ErrTogether, strings.Join(failed, ", "))
		}
	}
	return false
}

func (p *Part) fail(f drivers.Fault, err error) error {
	return &drivers.Error{Device: p.Plan.Device, Op: "apply", Fault: f, Err: err}
}

func (t *Transaction) run(ctx context.Context, parts []*Part) {
	if !t.each(parts, "check", func(p *Part) error { return p.check(ctx, t.Window) }) {
		return
	}
	// From here on the switches are brought to one of two states, also when the agent is told to stop.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.Window+grace)
	defer cancel()
	end := time.Now().Add(t.Window) // earlier than that of any switch
	if t.made(ctx, parts) && t.verified(ctx, parts, end) && t.decided(parts) {
		t.confirm(ctx, parts, end)
		return
	}
	t.revert(ctx, parts)
}

// check makes sure that the plan may be applied to what the switch is.
func (p *Part) check(ctx context.Context, window time.Duration) (err error) {
	p.result = journal.Failed
	if p.before, err = p.Driver.Observe(ctx); err != nil {
		return err
	}
	if err := p.permitted(); err != nil {
		p.result = journal.Refused
		return err
	}
	if p.Observed != nil {
		p.before = p.Observed // the same, and not twice in memory
	}
	if p.want, err = plan.Apply(p.before, p.Plan.Changes); err == nil {
		p.others, err = p.bystanders(ctx, window)
	}
	return err
}

// permitted returns why the plan must not be applied to what the switch is, or nil.
func (p *Part) permitted() error {
	if p.before.Digest() != p.Plan.Basis {
		return p.fail(drivers.Stale, plan.ErrStale)
	}
	for _, c := range p.Plan.Changes {
		if err := p.Scope.Permit(c); err != nil {
			return p.fail(drivers.Denied, err)
		}
	}
	return plan.Prove(p.before, p.Plan)
}

// made sends the changes: first to the switches that take them back by themselves, then to the others.
func (t *Transaction) made(ctx context.Context, parts []*Part) bool {
	var plain, confirmed []*Part
	for _, p := range parts {
		p.id = journal.Entry{Digest: p.Outcome.Digest}.Commit()
		if c, ok := drivers.As[drivers.Confirmer](p.Driver); ok {
			p.confirmer = c
			confirmed = append(confirmed, p)
		} else {
			plain = append(plain, p)
		}
	}
	t.each(confirmed, "apply", func(p *Part) error {
		result, err := p.confirmer.ApplyConfirmed(ctx, p.id, t.Window, p.Plan.Changes)
		if drivers.FaultOf(err) == drivers.Unsupported {
			p.confirmer = nil // nothing was changed
			return nil
		}
		p.Outcome.Confirmed = true
		return p.sentWith(result, err)
	})
	for _, p := range confirmed {
		if p.confirmer == nil && p.Err == nil {
			plain = append(plain, p)
		}
	}
	if !t.apart(parts) {
		return false
	}
	t.each(plain, "apply", func(p *Part) error {
		return p.sentWith(p.Driver.Apply(ctx, p.Plan.Changes))
	})
	return t.apart(parts)
}

// sentWith notes the switch's answer to a change.
func (p *Part) sentWith(r drivers.Result, err error) error {
	p.Outcome.Warnings = r.Warnings
	if len(r.Native) > 0 {
		h := sha256.Sum256(r.Native)
		p.native = hex.EncodeToString(h[:])
	}
	switch fault := drivers.FaultOf(err); {
	case err == nil:
		p.sent = true
	case fault == drivers.Unknown:
		p.sent, p.unsure = true, err // to be seen
	case fault != drivers.Transient && fault != drivers.Incomplete:
		p.result = journal.Refused
		return err
	default:
		return err
	}
	return nil
}

// verified looks whether every switch has become what was planned, and nobody else was hurt.
func (t *Transaction) verified(ctx context.Context, parts []*Part, end time.Time) bool {
	until := time.Now().Add(t.Soak)
	return t.each(parts, "verify", func(p *Part) (err error) {
		if p.after, err = p.Driver.Observe(ctx); err != nil {
			return err
		}
		switch different := p.differences(p.after, p.want); {
		case len(different) == 0:
			if p.after.Digest() == p.Plan.Target {
				p.after = p.want // the same
			}
			if err := p.others.well(ctx, until); err != nil {
				return p.fail(drivers.Rejected, err)
			}
		case len(p.differences(p.after, p.before)) > 0:
			return p.fail(drivers.Rejected, fmt.Errorf("%w: %s", ErrUnverified, firstOf(different)))
		case p.unsure != nil:
			return p.unsure
		default:
			return p.fail(drivers.Rejected, errNotMade)
		}
		if p.confirmer != nil && time.Until(end) < t.Window/8 {
			return p.fail(drivers.Rejected, errLate)
		}
		return nil
	})
}

// decided writes down that all switches keep the change, so that a process that comes after this one goes on with it.
// One switch needs no decision: it keeps the change once it is confirmed.
func (t *Transaction) decided(parts []*Part) bool {
	if len(parts) == 1 || t.Journal == nil {
		return true
	}
	var entries []journal.Entry
	for _, p := range parts {
		t.step(p, "decide")
		p.entry.Decided = true
		entries = append(entries, p.entry)
	}
	if err := t.Journal.Decide(entries...); err != nil {
		for _, p := range parts {
			p.entry.Decided = false
			p.Err = err
		}
		return false
	}
	return true
}

// confirm makes the switches keep what they have.
func (t *Transaction) confirm(ctx context.Context, parts []*Part, end time.Time) {
	var confirmed []*Part
	for _, p := range parts {
		if p.result = journal.Applied; p.confirmer != nil {
			confirmed = append(confirmed, p)
		}
	}
	if len(confirmed) == 0 || t.each(confirmed, "confirm", func(p *Part) error { return p.confirm(ctx, end) }) {
		for _, p := range confirmed {
			p.result = journal.Confirmed
		}
		return
	}
	t.apart(parts)
	unknown := slices.ContainsFunc(parts, func(p *Part) bool { return drivers.FaultOf(p.Err) == drivers.Unknown })
	for _, p := range confirmed {
		switch {
		case errors.Is(p.Err, errLapsed):
			p.result, p.Outcome.Reverted = journal.Reverted, true
		case drivers.FaultOf(p.Err) == drivers.Unknown:
			p.result = journal.Unknown
		default:
			p.result = journal.Confirmed
		}
	}
	var keep []*Part
	for _, p := range parts {
		if p.result == journal.Confirmed || p.result == journal.Applied {
			keep = append(keep, p)
		}
	}
	if unknown {
		// It was decided, and whoever cannot be asked has it or gets it with the next plan.
		for _, p := range keep {
			p.Err = nil
		}
		return
	}
	t.each(keep, "revert", func(p *Part) error {
		if _, err := p.Driver.Apply(ctx, plan.Inverse(p.Plan.Changes)); err != nil {
			return fmt.Errorf("it was confirmed and could not be taken back: %w", err)
		}
		p.result, p.Outcome.Reverted = journal.Reverted, true
		return nil
	})
}

// confirm asks until it has an answer, or it is too late for one.
func (p *Part) confirm(ctx context.Context, end time.Time) error {
	for {
		err := p.confirmer.Confirm(ctx, p.id)
		if err == nil {
			return nil
		}
		if drivers.FaultOf(err) == drivers.Rejected {
			// There is nothing to confirm: an earlier attempt did it, or the switch was faster.
			now, failed := p.Driver.Observe(ctx)
			switch {
			case failed != nil:
			case len(p.differences(now, p.want)) == 0:
				return nil
			case len(p.differences(now, p.before)) == 0:
				return p.fail(drivers.Rejected, errLapsed)
			}
			return p.fail(drivers.Unknown, errors.Join(err, failed))
		}
		select {
		case <-time.After(min(retry, time.Until(end))):
			if time.Now().Before(end) {
				continue
			}
		case <-ctx.Done():
		}
		// It is confirmed, or the switch takes it back by itself.
		return p.fail(drivers.Unknown, err)
	}
}

// revert takes back what was sent, and says whose fault it was.
func (t *Transaction) revert(ctx context.Context, parts []*Part) {
	var back []*Part
	for _, p := range parts {
		switch {
		case !p.sent:
		case p.after != nil && len(p.differences(p.after, p.before)) == 0 && p.unsure != nil:
			p.result = journal.Failed // it never arrived
		default:
			back = append(back, p)
		}
	}
	why := make(map[*Part]error, len(back))
	for _, p := range back {
		why[p] = p.Err
	}
	t.each(back, "revert", func(p *Part) error {
		p.result = journal.Unknown
		if err := p.takeBack(ctx); err != nil {
			if p.confirmer != nil {
				err = fmt.Errorf("and was not told to take it back, which it does by itself within %v: %w", t.Window, err)
			}
			return err
		}
		p.result, p.Outcome.Reverted = journal.Reverted, true
		p.Err = fmt.Errorf("taken back: %w", p.others.blame(ctx, why[p]))
		return nil
	})
}

func (p *Part) takeBack(ctx context.Context) error {
	if p.confirmer != nil {
		return p.confirmer.Revert(ctx, p.id)
	}
	if p.after == nil {
		// Whether it has the change was not looked at, or could not be.
		var err error
		if p.after, err = p.Driver.Observe(ctx); err != nil {
			return fmt.Errorf("nothing was taken back, because the switch could not be read: %w", err)
		}
	}
	if len(p.differences(p.after, p.before)) == 0 {
		return nil
	}
	_, err := p.Driver.Apply(ctx, plan.Inverse(p.Plan.Changes))
	return err
}

// differences returns where two states of the switch differ in what the plan touches, or in what is the agent's. What
// others do elsewhere at the same time is their affair.
func (p *Part) differences(is, should switchcfg.State) []plan.Change {
	touched := make(map[switchcfg.Key]bool, len(p.Plan.Changes))
	for _, c := range p.Plan.Changes {
		touched[c.Key] = true
	}
	owned := func(o switchcfg.Object) bool { return o != nil && p.Scope.Owns(o) }
	return slices.DeleteFunc(plan.Diff(is, should), func(c plan.Change) bool {
		return !touched[c.Key] && !owned(c.Before) && !owned(c.After)
	})
}

// firstOf says what differs.
func firstOf(d []plan.Change) string {
	text := fmt.Sprintf("%d objects differ, the first is %s", len(d), d[0].Key)
	if d[0].Before != nil {
		text += fmt.Sprintf(", found %q", d[0].Before.Lines())
	}
	if d[0].After != nil {
		text += fmt.Sprintf(", wanted %q", d[0].After.Lines())
	}
	return text
}
