package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/agent/metrics"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Transaction applies plans through one session.
type Transaction struct {
	Driver  drivers.Driver
	Scope   *plan.Scope      // what may be changed
	Window  time.Duration    // in which the switch takes changes back unless they are confirmed
	Journal *journal.Journal // nil: the plan is not recorded
	Metrics *metrics.Metrics // nil: nothing is counted
	By      By               // who the journal says it was

	// Step is called before each step on a device: "begin" and "end", which are written down, and the phases between
	// them; nil for nobody.
	Step func(device, step string)
}

// By is whoever has a plan applied.
type By struct {
	Who     string              // a user's name, or "daemon"
	Command string              // what was typed; "" for the daemon
	Redact  func(string) string // takes secrets out of the text of an error; nil: there are none
}

// Outcome is what became of a plan.
type Outcome struct {
	Device    string        `json:"device"`
	Digest    string        `json:"digest"` // of the plan
	Changes   int           `json:"changes"`
	Confirmed bool          `json:"confirmed"` // the switch would have taken it back by itself
	Reverted  bool          `json:"reverted,omitempty"`
	Phases    []Phase       `json:"phases"`
	Warnings  []string      `json:"warnings,omitempty"` // the switch's remarks
	Took      time.Duration `json:"took"`               // in nanoseconds

	after switchcfg.State // as it was verified; nil if it was not
}

// Phase is one part of a transaction.
type Phase = journal.Phase

// grace is how long a transaction that has begun goes on after its context ended, to be confirmed or taken back.
const grace = 30 * time.Second

// ErrUnverified says that a switch did not become what the plan leads to.
var ErrUnverified = errors.New("the switch is not in the state the plan leads to")

// Apply makes p real, or leaves the switch as it was. Its error says which, unless the session was lost at the one
// moment when that cannot be known: then its fault is [drivers.Unknown]. A plan made for another state than the
// switch is in fails with [drivers.Stale] before anything is sent, one that touches what is not the agent's with
// [drivers.Denied]. One that took down what it does not touch fails with [ErrHarmed].
func (t *Transaction) Apply(ctx context.Context, p plan.Plan) (Outcome, error) {
	start := time.Now()
	out := Outcome{Device: p.Device, Changes: len(p.Changes)}
	var err error
	if out.Digest, err = p.Digest(); err != nil {
		return out, err
	}
	if len(p.Changes) == 0 {
		return out, nil
	}
	t.step(p.Device, "begin")
	entry, err := t.begin(p, out.Digest, start)
	if err != nil {
		return out, err
	}
	native, err := t.run(ctx, p, &out)
	out.Took = time.Since(start)
	t.step(p.Device, "end")
	if err == nil {
		t.Metrics.Applied(p.Device, p)
	}
	return out, errors.Join(err, t.end(entry, out, native, err))
}

// begin writes down what is about to be done, before the switch is asked anything.
func (t *Transaction) begin(p plan.Plan, digest string, start time.Time) (e journal.Entry, err error) {
	if t.Journal == nil {
		return e, nil
	}
	members := make(map[string]bool)
	for _, c := range p.Changes {
		for _, account := range append([]string{c.Cause.Account}, c.Members...) {
			if account != "" {
				members[account] = true
			}
		}
	}
	text, err := json.Marshal(p)
	if err != nil {
		return e, err
	}
	e = journal.Entry{
		Device: p.Device, Begun: start.UTC(), Who: t.By.Who, Command: t.By.Command, Digest: digest,
		Members: slices.Sorted(maps.Keys(members)), Plan: text,
	}
	if e.ID, err = t.Journal.Begin(e); err != nil {
		return e, fmt.Errorf("nothing was sent to %s: %w", p.Device, err)
	}
	return e, nil
}

// end writes down what became of it.
func (t *Transaction) end(e journal.Entry, out Outcome, native []byte, failure error) error {
	if t.Journal == nil {
		return nil
	}
	e.Ended, e.Phases, e.Result = e.Begun.Add(out.Took), out.Phases, resultOf(out, failure)
	if len(native) > 0 {
		h := sha256.Sum256(native)
		e.Native = hex.EncodeToString(h[:])
	}
	if failure != nil {
		e.Error = failure.Error()
		if t.By.Redact != nil {
			e.Error = t.By.Redact(e.Error)
		}
	}
	return t.Journal.End(e)
}

// resultOf says in one word what became of a plan.
func resultOf(out Outcome, failure error) journal.Result {
	last := out.Phases[len(out.Phases)-1].Name
	switch fault := drivers.FaultOf(failure); {
	case failure == nil && out.Confirmed:
		return journal.Confirmed
	case failure == nil:
		return journal.Applied
	case out.Reverted:
		return journal.Reverted
	case last == "revert", last != "check" && fault == drivers.Unknown:
		return journal.Unknown
	case fault == drivers.Transient, fault == drivers.Incomplete:
		if last == "check" {
			return journal.Failed
		}
		return journal.Unknown
	default:
		return journal.Refused
	}
}

func (t *Transaction) fail(p plan.Plan, f drivers.Fault, err error) error {
	return &drivers.Error{Device: p.Device, Op: "apply", Fault: f, Err: err}
}

func (t *Transaction) step(device, step string) {
	if t.Step != nil {
		t.Step(device, step)
	}
}

// phase times one part of the transaction.
func (t *Transaction) phase(out *Outcome, name string, f func() error) error {
	t.step(out.Device, name)
	start := time.Now()
	err := f()
	took := time.Since(start)
	out.Phases = append(out.Phases, Phase{Name: name, Took: took})
	t.Metrics.Phase(name, took)
	return err
}

func (t *Transaction) run(ctx context.Context, p plan.Plan, out *Outcome) (native []byte, err error) {
	var before switchcfg.State
	var others bystanders
	err = t.phase(out, "check", func() error {
		var err error
		if before, err = t.Driver.Observe(ctx); err != nil {
			return err
		}
		if before.Digest() != p.Basis {
			return t.fail(p, drivers.Stale, plan.ErrStale)
		}
		for _, c := range p.Changes {
			if err := t.Scope.Permit(c); err != nil {
				return t.fail(p, drivers.Denied, err)
			}
		}
		if err := plan.Prove(before, p); err != nil {
			return err
		}
		others, err = t.bystanders(ctx, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	// From here on the switch is brought to one of two states, also when the agent is told to stop.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := time.AfterFunc(max(grace, t.Window), cancel)
	defer stop.Stop()

	id := out.Digest[:32]
	confirmer, confirmed := drivers.As[drivers.Confirmer](t.Driver)
	var result drivers.Result
	err = t.phase(out, "apply", func() error {
		if confirmed {
			var err error
			if result, err = confirmer.ApplyConfirmed(ctx, id, t.Window, p.Changes); drivers.FaultOf(err) != drivers.Unsupported {
				return err
			}
			confirmed = false // nothing was changed
		}
		var err error
		result, err = t.Driver.Apply(ctx, p.Changes)
		return err
	})
	out.Confirmed, out.Warnings = confirmed, result.Warnings
	if err != nil && drivers.FaultOf(err) != drivers.Unknown {
		return result.Native, err
	}
	unsure := err

	var after switchcfg.State
	verified := t.phase(out, "verify", func() error {
		var err error
		if after, err = t.Driver.Observe(ctx); err != nil {
			return err
		}
		switch after.Digest() {
		case p.Target:
			if err := others.well(ctx); err != nil {
				return t.fail(p, drivers.Rejected, err)
			}
			out.after = after
			return nil
		case p.Basis:
			return t.fail(p, drivers.Rejected, errors.New("the switch accepted the change and did not make it"))
		}
		return t.fail(p, drivers.Rejected, fmt.Errorf("%w: %s", ErrUnverified, firstDifference(p, before, after)))
	})
	if unsure != nil && after != nil && after.Digest() == p.Basis {
		return result.Native, unsure
	}
	if verified == nil && confirmed {
		verified = t.phase(out, "confirm", func() error { return confirmer.Confirm(ctx, id) })
		if verified == nil {
			return result.Native, nil
		}
		if drivers.FaultOf(verified) == drivers.Unknown {
			return result.Native, verified // it is confirmed, or the switch takes it back by itself
		}
	}
	if verified == nil {
		return result.Native, nil
	}
	err = t.phase(out, "revert", func() error {
		if confirmed {
			return confirmer.Revert(ctx, id)
		}
		if after == nil {
			return errors.New("the switch could not be read, so nothing was taken back")
		}
		_, err := t.Driver.Apply(ctx, plan.Inverse(p.Changes))
		return err
	})
	if err != nil {
		if confirmed {
			err = fmt.Errorf("and was not told to take it back, which it does by itself within %v: %w", t.Window, err)
		}
		return result.Native, errors.Join(verified, err)
	}
	out.Reverted = true
	return result.Native, fmt.Errorf("taken back: %w", others.blame(ctx, verified))
}

// firstDifference says where what was observed is not what the plan leads to.
func firstDifference(p plan.Plan, before, after switchcfg.State) string {
	want, err := plan.Apply(before, p.Changes)
	if err != nil {
		return err.Error()
	}
	d := plan.Diff(after, want)
	if len(d) == 0 {
		return "no object differs"
	}
	text := fmt.Sprintf("%d objects differ, the first is %s", len(d), d[0].Key)
	if d[0].Before != nil {
		text += fmt.Sprintf(", found %q", d[0].Before.Lines())
	}
	if d[0].After != nil {
		text += fmt.Sprintf(", wanted %q", d[0].After.Lines())
	}
	return text
}
