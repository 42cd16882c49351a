package junos

import (
	"context"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/ssh"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Spec returns the entry of the registry.
func Spec() drivers.Spec {
	return drivers.Spec{
		Name:        "junos",
		Summary:     "Juniper Junos over SSH",
		Transport:   "ssh",
		DefaultPort: 22,
		Profiles:    profiles(),
		Open:        open,
	}
}

// The modes of the command line.
const (
	operational   = "operational"
	configuration = "configuration"
)

// platform returns what a session must know of Junos. Its prompts have lines of their own above them, and an empty one.
func platform() *ssh.Platform {
	return &ssh.Platform{
		Name:    "junos",
		Comment: "#",
		Modes: []ssh.Mode{
			{Name: operational, Prompt: `\n?(?:\{[^}\n]{1,80}\}\n)?{user}@{host}> ?`},
			{Name: configuration, Prompt: `\n?(?:# commit confirmed [^\n]{1,80}\n)?(?:\{[^}\n]{1,80}\})?\[edit[^\]\n]{0,200}\]\n{user}@{host}# ?`},
		},
		Setup: []string{"set cli screen-length 0", "set cli screen-width 0", "set cli complete-on-space off"},
		Errors: []string{
			`\s*error: `, `\s*syntax error`, `\s*unknown command`, `\s*missing argument`, `\s*invalid value`, `\s*'[^'\n]*' is ambiguous`,
		},
		Questions: []ssh.Question{{Pattern: `---\(more[^)\n]{0,20}\)---`, Answer: " ", Bare: true}},
		Secrets:   []string{`\$9\$`, `\$6\$`},
		Forbidden: "?;{}",
	}
}

// driver is a session with a Junos switch.
type driver struct {
	session *ssh.Session
	caps    drivers.Capabilities
	words   *words

	observed switchcfg.State // by the last Observe; nil before, and after a commit
	rest     rest
}

func open(ctx context.Context, d drivers.Device) (drivers.Driver, error) {
	s, err := ssh.Dial(ctx, d, platform())
	if err != nil {
		return nil, err
	}
	return &driver{session: s, caps: d.Capabilities, words: speech(&d.Capabilities)}, nil
}

// Close implements [drivers.Driver].
func (d *driver) Close() error { return d.session.Close() }

// Render implements [drivers.Renderer].
func (d *driver) Render(changes []plan.Change) ([]byte, error) {
	const op = "render"
	if err := d.carry(op, changes); err != nil {
		return nil, err
	}
	commands, err := d.commands(op, d.observed, d.rest, changes)
	if err != nil {
		return nil, err
	}
	return native(commands), nil
}

// begin makes sure of a session at the beginning of an operation.
func (d *driver) begin(ctx context.Context, op string) (err error) {
	d.session, err = d.session.Again(ctx, op)
	return err
}

// carry refuses changes to what the device cannot carry, whatever state it is in.
func (d *driver) carry(op string, changes []plan.Change) error {
	for _, c := range changes {
		if c.After == nil {
			continue
		}
		if err := d.caps.Carry(c.After); err != nil {
			return d.session.Fail(op, drivers.Unsupported, &fault{c.Key, err})
		}
	}
	return nil
}

// commands returns the commands that make the changes to a switch that is as observed.
func (d *driver) commands(op string, now switchcfg.State, r rest, changes []plan.Change) ([]string, error) {
	target, err := plan.Apply(now, changes)
	if err != nil {
		return nil, d.session.Fail(op, drivers.Stale, err)
	}
	if err := sayable(&d.caps, now, target, r); err != nil {
		return nil, d.session.Fail(op, drivers.Unsupported, err)
	}
	return commands(d.words, now, target, r), nil
}

// fault is what is wrong with one object.
type fault struct {
	key switchcfg.Key
	err error
}

func (f *fault) Error() string { return f.key.String() + ": " + f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// native returns commands as one text.
func native(commands []string) []byte {
	var out []byte
	for _, c := range commands {
		out = append(append(out, c...), '\n')
	}
	return out
}

var (
	_ drivers.Confirmer   = (*driver)(nil)
	_ drivers.Renderer    = (*driver)(nil)
	_ drivers.Previewer   = (*driver)(nil)
	_ drivers.Operational = (*driver)(nil)
)
