package eos

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/ssh"
	"github.com/ixagent/ixagent/models/plan"
)

// Spec returns the entry of the registry.
func Spec() drivers.Spec {
	return drivers.Spec{
		Name:        "eos",
		Summary:     "Arista EOS over SSH",
		Transport:   "ssh",
		DefaultPort: 22,
		Profiles:    profiles(),
		Open:        open,
	}
}

// driver is a session with an EOS switch.
type driver struct {
	session *ssh.Session
	device  drivers.Device
	last    *running // what was read last; nil before, and after a commit
}

// The modes of the command line.
const (
	modeExec    = "exec"
	modeSession = "session"
)

// platform describes the command line to the session.
func platform() *ssh.Platform {
	return &ssh.Platform{
		Name:    "eos",
		Comment: "!",
		Modes: []ssh.Mode{
			{Name: modeExec, Prompt: `{host}#`, Command: "enable"},
			{Name: "login", Prompt: `{host}>`},
			{Name: modeSession, Prompt: `{host}\(config-s-[^()\n]{1,80}\)#`},
		},
		Setup:     []string{"terminal length 0", "terminal width 32767"},
		Errors:    []string{`% `},
		Questions: []ssh.Question{{Pattern: `Password: ?`, Password: true}},
		Forbidden: "?",
	}
}

func open(ctx context.Context, d drivers.Device) (drivers.Driver, error) {
	s, err := ssh.Dial(ctx, d, platform())
	if err != nil {
		return nil, err
	}
	return &driver{session: s, device: d}, nil
}

// Close implements [drivers.Driver].
func (d *driver) Close() error { return d.session.Close() }

// begin makes sure of a session at the beginning of an operation.
func (d *driver) begin(ctx context.Context, op string) (err error) {
	d.session, err = d.session.Again(ctx, op)
	return err
}

func (d *driver) fail(op string, f drivers.Fault, err error) error {
	return &drivers.Error{Device: d.session.Device(), Op: op, Fault: f, Err: err}
}

// Render implements [drivers.Renderer].
func (d *driver) Render(changes []plan.Change) ([]byte, error) {
	const op = "render"
	if d.last == nil {
		return nil, d.fail(op, drivers.Stale, errors.New("the switch was not observed"))
	}
	commands, err := d.commands(op, changes)
	return lines(commands), err
}

var (
	_ drivers.Confirmer   = (*driver)(nil)
	_ drivers.Renderer    = (*driver)(nil)
	_ drivers.Previewer   = (*driver)(nil)
	_ drivers.Operational = (*driver)(nil)
)

// Apply implements [drivers.Driver].
func (d *driver) Apply(ctx context.Context, changes []plan.Change) (drivers.Result, error) {
	const op = "apply"
	basis, commands, err := d.prepare(ctx, op, changes)
	if err != nil || len(commands) == 0 {
		return drivers.Result{}, err
	}
	name, err := d.vacate(ctx, op, fresh())
	if err != nil {
		return drivers.Result{}, err
	}
	result, err := d.commit(ctx, name, basis, commands, "commit")
	if err == nil {
		result.Warnings = append(result.Warnings, d.save(ctx, op)...)
	}
	return result, err
}

// ApplyConfirmed implements [drivers.Confirmer]. The window is rounded up to whole seconds.
func (d *driver) ApplyConfirmed(ctx context.Context, id string, window time.Duration, changes []plan.Change) (drivers.Result, error) {
	const op = "apply"
	basis, commands, err := d.prepare(ctx, op, changes)
	if err != nil {
		return drivers.Result{}, err
	}
	name, err := d.vacate(ctx, op, sessionName(id))
	if err != nil {
		return drivers.Result{}, err
	}
	result, err := d.commit(ctx, name, basis, commands, "commit timer "+clock(window))
	if err != nil {
		return result, err
	}
	all, err := d.sessions(ctx, op)
	if err != nil {
		return result, d.fail(op, drivers.Unknown, cause(err))
	}
	if all[name].State != stateTimer {
		return result, d.fail(op, drivers.Unknown, errors.New("the device took the changes, and no timer runs"))
	}
	return result, nil
}

// Confirm implements [drivers.Confirmer].
func (d *driver) Confirm(ctx context.Context, id string) error {
	const op = "confirm"
	if err := d.end(ctx, op, id, "commit"); err != nil {
		return err
	}
	for _, w := range d.save(ctx, op) {
		if d.device.Log != nil {
			d.device.Log.WarnContext(ctx, "confirmed and not saved", "device", d.device.Name, "err", w)
		}
	}
	return nil
}

// Revert implements [drivers.Confirmer].
func (d *driver) Revert(ctx context.Context, id string) error {
	return d.end(ctx, "revert", id, "abort")
}

// Preview implements [drivers.Previewer]. The device shows what is changed with the lines around it, which may hold secrets.
func (d *driver) Preview(ctx context.Context, changes []plan.Change) (string, error) {
	const op = "preview"
	_, commands, err := d.prepare(ctx, op, changes)
	if err != nil || len(commands) == 0 {
		return "", err
	}
	name, err := d.vacate(ctx, op, fresh())
	if err != nil {
		return "", err
	}
	if _, err := d.stage(ctx, op, name, commands); err != nil {
		return "", err
	}
	text, err := d.session.Run(ctx, op, "show session-config diffs")
	if err = errors.Join(err, d.abandon(ctx, op, name)); err != nil {
		return "", err
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(redact(strings.TrimSuffix(line, "\n")) + "\n")
	}
	return b.String(), nil
}
