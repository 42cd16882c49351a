package ovs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// The statuses of a script that did not do what it is for.
const (
	statusUndone = 3 // everything is as it was
	statusHalf   = 4 // it is not known what was done
	statusNone   = 5 // no commit of that id is pending
	statusOther  = 6 // another commit is pending
)

var errPending = errors.New("another commit waits for confirmation")

// Apply implements [drivers.Driver].
func (d *driver) Apply(ctx context.Context, changes []plan.Change) (drivers.Result, error) {
	return d.apply(ctx, changes, nil)
}

// pending is a commit that the device takes back.
type pending struct {
	id     string
	window time.Duration
}

func (d *driver) apply(ctx context.Context, changes []plan.Change, p *pending) (drivers.Result, error) {
	const op = "apply"
	if err := d.carried(changes); err != nil {
		return drivers.Result{}, d.fail(op, drivers.Unsupported, err)
	}
	f, now, err := d.observe(ctx, op)
	if err != nil {
		return drivers.Result{}, err
	}
	text, err := d.render(f, now, changes, d.steps(), p)
	if err != nil {
		return drivers.Result{}, err
	}
	out, err := d.session.ExecCommit(ctx, op, runs, text)
	if err != nil {
		return drivers.Result{}, err
	}
	switch {
	case out.Status == statusUndone:
		return drivers.Result{}, d.fail(op, drivers.Rejected, complaint(out))
	case out.Status == statusOther:
		return drivers.Result{}, d.fail(op, drivers.Rejected, errPending)
	case out.Status != 0:
		return drivers.Result{}, d.fail(op, drivers.Unknown, complaint(out))
	}
	return drivers.Result{Native: text, Warnings: sentences(out.Stderr)}, nil
}

func sentences(stderr []byte) (out []string) {
	for line := range strings.Lines(string(stderr)) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// steps is how many seconds a command on the device may take, so that a script with what is likely to go wrong ends in time.
func (d *driver) steps() int { return max(1, int(d.timeout/time.Second)/4) }

// render returns the script that makes the changes, or has everything be as it was.
func (d *driver) render(f *found, now switchcfg.State, changes []plan.Change, seconds int, p *pending) ([]byte, error) {
	const op = "apply"
	if err := d.carried(changes); err != nil {
		return nil, d.fail(op, drivers.Unsupported, err)
	}
	after, err := plan.Apply(now, changes)
	if err != nil {
		return nil, d.fail(op, drivers.Stale, err)
	}
	was, _ := render(now, maps.Clone(f.numbers), maps.Clone(f.taken))
	target, errs := render(after, maps.Clone(f.numbers), maps.Clone(f.taken))
	for _, c := range changes {
		if err := errs[c.Key]; err != nil {
			return nil, d.fail(op, drivers.Unsupported, fmt.Errorf("%s: %w", c.Key, err))
		}
	}
	for k, err := range errs {
		if after[k] != nil {
			return nil, d.fail(op, drivers.Unsupported, fmt.Errorf("%s: %w", k, err))
		}
	}
	if err := f.spares(was, target); err != nil {
		return nil, d.fail(op, drivers.Unsupported, err)
	}
	w := &writer{seconds: seconds}
	w.script(f, was, target, p)
	return []byte(w.text.String()), nil
}

// spares returns an error if somebody else's port would go with a bridge of ours.
func (f *found) spares(was, target *config) error {
	for port, bridge := range f.guests {
		if was.has(tableBridge, bridge) && !target.has(tableBridge, bridge) {
			return fmt.Errorf("bridge %s has the port %s, which ixagent has not made, and would be removed", bridge, port)
		}
	}
	return nil
}
