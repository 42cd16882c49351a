package junos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/ssh"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Apply implements [drivers.Driver].
func (d *driver) Apply(ctx context.Context, changes []plan.Change) (drivers.Result, error) {
	return d.apply(ctx, changes, `commit comment "ixagent"`)
}

// ApplyConfirmed implements [drivers.Confirmer]. Junos counts whole minutes, at least one.
func (d *driver) ApplyConfirmed(ctx context.Context, id string, window time.Duration, changes []plan.Change) (drivers.Result, error) {
	minutes := max(1, (window+time.Minute-1)/time.Minute)
	return d.apply(ctx, changes, fmt.Sprintf("commit confirmed %d comment %q", minutes, comment(id)))
}

// comment is that of a commit which is pending under an id.
func comment(id string) string { return "ixagent " + switchcfg.Slug(id, 64) }

func (d *driver) apply(ctx context.Context, changes []plan.Change, commit string) (drivers.Result, error) {
	const op = "apply"
	var result drivers.Result
	err := d.candidate(ctx, op, changes, func(before history, commands []string) error {
		now, err := d.commits(ctx, op)
		if err != nil {
			return err
		}
		switch {
		case now.text != before.text:
			return d.session.Fail(op, drivers.Stale, errors.New("somebody committed since the configuration was read"))
		case now.pending:
			return d.pending(op, now)
		}
		result.Native = native(commands)
		if len(commands) == 0 && !strings.HasPrefix(commit, "commit confirmed") {
			return nil
		}
		if result.Warnings, err = d.session.Send(ctx, op, commands); err != nil {
			return err
		}
		if err := d.says(ctx, op, "commit check", "configuration check succeeds"); err != nil {
			return err
		}
		return d.commit(ctx, op, commit)
	})
	return result, err
}

// candidate opens the exclusive candidate for changes, with the commands that make them, and takes back in it whatever
// edit leaves. The history is that from before the configuration was read, which has to be what was last observed.
func (d *driver) candidate(ctx context.Context, op string, changes []plan.Change, edit func(history, []string) error) error {
	if err := d.carry(op, changes); err != nil {
		return err
	}
	if err := d.begin(ctx, op); err != nil {
		return err
	}
	before, err := d.commits(ctx, op)
	if err != nil {
		return err
	}
	state, r, err := d.observe(ctx, op)
	if err != nil {
		return err
	}
	if d.observed != nil && !d.observed.Equal(state) {
		return d.session.Fail(op, drivers.Stale, errors.New("it is another than it was when it was observed"))
	}
	commands, err := d.commands(op, state, r, changes)
	if err != nil {
		return err
	}
	return d.exclusive(ctx, op, func() error { return edit(before, commands) })
}

// exclusive calls edit with the configuration locked, and leaves no candidate behind.
func (d *driver) exclusive(ctx context.Context, op string, edit func() error) error {
	if _, err := d.session.Enter(ctx, op, configuration, "configure exclusive"); err != nil {
		return d.locked(op, err)
	}
	diff, err := d.session.Run(ctx, op, "show | compare | no-more")
	if err == nil && strings.TrimSpace(diff) != "" {
		// The lock is ours and these changes are not: they are left as they are.
		err = d.session.Fail(op, drivers.Stale, errors.New("somebody has changes that are not committed"))
		_, left := d.session.Enter(ctx, op, operational, "exit")
		return errors.Join(err, left)
	}
	if err == nil {
		err = edit()
	}
	return errors.Join(err, d.leave(ctx, op))
}

// leave takes back what the candidate holds, which is nothing after a commit, and gives up the lock. A session that
// cannot do so is closed, which does both as well.
func (d *driver) leave(ctx context.Context, op string) error {
	if d.session.Mode() != configuration {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, err := d.session.Run(ctx, op, "rollback 0")
	if err == nil {
		_, err = d.session.Enter(ctx, op, operational, "exit")
	}
	if err != nil {
		return d.session.Close()
	}
	return nil
}

// locked gives the refusal of the lock its fault.
func (d *driver) locked(op string, err error) error {
	var refusal *ssh.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	said := strings.Join(strings.Fields(refusal.Text), " ")
	switch {
	case strings.Contains(said, "database modified"):
		return d.session.Fail(op, drivers.Stale, fmt.Errorf("somebody has changes that are not committed: %.300s", said))
	case strings.Contains(said, "locked"):
		return d.session.Fail(op, drivers.Transient, fmt.Errorf("somebody holds the configuration: %.300s", said))
	}
	return err
}

func (d *driver) pending(op string, h history) error {
	return d.session.Fail(op, drivers.Transient, fmt.Errorf("a commit waits to be confirmed: %.100q", h.comment))
}

// says runs a command that has to be answered with some words.
func (d *driver) says(ctx context.Context, op, command, words string) error {
	text, err := d.session.Run(ctx, op, command)
	if err == nil && !strings.Contains(text, words) {
		err = d.session.Fail(op, drivers.Rejected, fmt.Errorf("%q: %.300s", command, strings.TrimSpace(text)))
	}
	return err
}

// commit runs a command after which it is either known what became of it, or the fault is Unknown.
func (d *driver) commit(ctx context.Context, op, command string) error {
	d.observed, d.rest = nil, rest{}
	text, err := d.session.Commit(ctx, op, configuration, command)
	if err == nil && !strings.Contains(text, "commit complete") {
		err = d.session.Fail(op, drivers.Unknown, fmt.Errorf("%q: %.300s", command, strings.TrimSpace(text)))
	}
	return err
}

// Preview implements [drivers.Previewer].
func (d *driver) Preview(ctx context.Context, changes []plan.Change) (string, error) {
	const op = "preview"
	var diff string
	err := d.candidate(ctx, op, changes, func(_ history, commands []string) error {
		if len(commands) == 0 {
			return nil
		}
		if _, err := d.session.Send(ctx, op, commands); err != nil {
			return err
		}
		var err error
		diff, err = d.session.Run(ctx, op, "show | compare | no-more")
		return err
	})
	if err != nil {
		return "", err
	}
	return diff, nil
}

// Confirm implements [drivers.Confirmer].
func (d *driver) Confirm(ctx context.Context, id string) error {
	return d.settle(ctx, "confirm", id, func() error { return nil })
}

// Revert implements [drivers.Confirmer].
func (d *driver) Revert(ctx context.Context, id string) error {
	const op = "revert"
	return d.settle(ctx, op, id, func() error { return d.says(ctx, op, "rollback 1", "load complete") })
}

// settle ends the pending commit of that id by another commit, of what edit leaves in the candidate. That the first one
// was still pending then, and the device had not taken it back by itself, is seen in the history afterwards.
func (d *driver) settle(ctx context.Context, op, id string, edit func() error) error {
	if err := d.begin(ctx, op); err != nil {
		return err
	}
	waits := func() error {
		h, err := d.commits(ctx, op)
		switch {
		case err != nil:
			return err
		case !h.pending || h.comment != comment(id):
			return d.session.Fail(op, drivers.Rejected, fmt.Errorf("no commit %q is pending", id))
		}
		return nil
	}
	if err := waits(); err != nil {
		return err
	}
	return d.exclusive(ctx, op, func() error {
		if err := waits(); err != nil {
			return err
		}
		if err := edit(); err != nil {
			return err
		}
		mine := "ixagent " + op + " " + switchcfg.Slug(id, 64)
		if err := d.commit(ctx, op, fmt.Sprintf("commit comment %q", mine)); err != nil {
			return err
		}
		h, err := d.commits(ctx, op)
		if err == nil && (h.pending || h.comment != mine || h.before != comment(id)) {
			err = d.session.Fail(op, drivers.Unknown, fmt.Errorf("the last commits are %q and %q", h.comment, h.before))
		}
		return err
	})
}
