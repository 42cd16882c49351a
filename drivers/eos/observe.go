package eos

import (
	"context"
	"errors"
	"strings"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/clitext"
	"github.com/ixagent/ixagent/models/switchcfg"
)

const showRunning = "show running-config"

// Observe implements [drivers.Driver].
func (d *driver) Observe(ctx context.Context) (switchcfg.State, error) {
	const op = "observe"
	if err := d.begin(ctx, op); err != nil {
		return nil, err
	}
	if _, err := d.observe(ctx, op); err != nil {
		return nil, err
	}
	return d.last.state, nil
}

// observe reads the running configuration and returns its text.
func (d *driver) observe(ctx context.Context, op string) (string, error) {
	text, err := d.run(ctx, op, showRunning)
	if err != nil {
		return "", err
	}
	r, err := read(&d.device.Capabilities, text)
	if err != nil {
		return "", d.fail(op, drivers.Incomplete, err)
	}
	d.last = r
	return text, nil
}

// run sends a command unless ctx has ended, which would end the session.
func (d *driver) run(ctx context.Context, op, command string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", d.fail(op, drivers.Transient, err)
	}
	return d.session.Run(ctx, op, command)
}

// read returns what a whole running configuration says.
func read(c *drivers.Capabilities, text string) (*running, error) {
	t, err := clitext.Parse(dialect(), []byte(text))
	if err != nil {
		return nil, err
	}
	r := parse(c, t)
	if r.ports == 0 {
		return nil, errors.New("the configuration has no physical port")
	}
	return &r, nil
}

// Parse returns the state that a running configuration stands for, as a session with a switch of these capabilities
// observes it.
func Parse(text []byte, c *drivers.Capabilities) (switchcfg.State, error) {
	r, err := read(c, string(text))
	if err != nil {
		return nil, err
	}
	return r.state, nil
}

// sameText reports whether two running configurations are the same but for the comments at their head.
func sameText(a, b string) bool { return body(a) == body(b) }

func body(text string) string {
	for strings.HasPrefix(text, "!") {
		_, text, _ = strings.Cut(text, "\n")
	}
	return strings.TrimRight(text, "\r\n")
}
