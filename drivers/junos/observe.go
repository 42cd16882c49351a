package junos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Observe implements [drivers.Driver].
func (d *driver) Observe(ctx context.Context) (switchcfg.State, error) {
	const op = "observe"
	if err := d.begin(ctx, op); err != nil {
		return nil, err
	}
	state, r, err := d.observe(ctx, op)
	if err != nil {
		return nil, err
	}
	d.observed, d.rest = state, r
	return state, nil
}

func (d *driver) observe(ctx context.Context, op string) (switchcfg.State, rest, error) {
	text, err := d.exec(ctx, op, "show configuration | display set | no-more")
	if err != nil {
		return nil, rest{}, err
	}
	state, r, err := parse(&d.caps, text)
	if err != nil {
		return nil, rest{}, d.session.Fail(op, drivers.Incomplete, err)
	}
	return state, r, nil
}

// Parse returns the state that a configuration in the form of `display set` stands for, as a session with a switch of these
// capabilities observes it.
func Parse(text []byte, c *drivers.Capabilities) (switchcfg.State, error) {
	state, _, err := parse(c, text)
	return state, err
}

// exec returns the answer to one command, if the device says that it is whole.
func (d *driver) exec(ctx context.Context, op, command string) ([]byte, error) {
	out, err := d.session.Exec(ctx, op, command, nil)
	if err != nil {
		return nil, err
	}
	said := bytes.TrimSpace(out.Stderr)
	switch {
	case out.Status != 0:
		return nil, d.session.Fail(op, drivers.Incomplete, fmt.Errorf("%q ended with status %d: %.200s", command, out.Status, said))
	case len(said) > 0:
		return nil, d.session.Fail(op, drivers.Incomplete, fmt.Errorf("%q: %.200s", command, said))
	}
	return out.Stdout, nil
}

// history is what the device says of its commits, the last one first.
type history struct {
	text    string // without what only passes: how long the last commit waits still
	pending bool   // the last one waits to be confirmed
	comment string // of the last one
	before  string // comment of the one before it
}

// commits returns the history of the device.
func (d *driver) commits(ctx context.Context, op string) (history, error) {
	out, err := d.exec(ctx, op, "show system commit | no-more")
	if err != nil {
		return history{}, err
	}
	h, err := parseCommits(string(out))
	if err != nil {
		return h, d.session.Fail(op, drivers.Incomplete, err)
	}
	return h, nil
}

const confirmed = "commit confirmed, rollback in"

// parseCommits reads the answer to `show system commit`. A line without indentation is a commit, those with one below are
// its comment.
func parseCommits(text string) (history, error) {
	var h history
	var out strings.Builder
	n := 0
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n ")
		said, _, pending := strings.Cut(line, confirmed)
		switch {
		case line == "":
			continue
		case line[0] == ' ' || line[0] == '\t':
			comment := strings.TrimSpace(line)
			switch n {
			case 0:
				return h, errors.New("a comment before any commit")
			case 1:
				h.comment = strings.TrimSpace(h.comment + " " + comment)
			case 2:
				h.before = strings.TrimSpace(h.before + " " + comment)
			}
		default:
			if n++; n == 1 {
				if !strings.HasPrefix(line, "0 ") {
					return h, fmt.Errorf("%.60q is not the last commit", line)
				}
				h.pending = pending
			}
			line = said
		}
		out.WriteString(line)
		out.WriteByte('\n')
	}
	h.text = out.String()
	return h, nil
}
