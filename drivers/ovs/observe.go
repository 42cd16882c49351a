package ovs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/ssh"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Observe implements [drivers.Driver].
func (d *driver) Observe(ctx context.Context) (switchcfg.State, error) {
	_, s, err := d.observe(ctx, "observe")
	return s, err
}

// observe reads the database in one transaction, then the flows of the hub, and remembers both.
func (d *driver) observe(ctx context.Context, op string) (*found, switchcfg.State, error) {
	f, err := d.read(ctx, op)
	if err != nil {
		return nil, nil, err
	}
	s := f.state()
	d.seen, d.state = f, s
	return f, s, nil
}

func (d *driver) read(ctx context.Context, op string) (*found, error) {
	_, f, text, err := d.survey(ctx, op, d.ofctl(ctx, "--no-names", "--no-stats", "dump-flows", hub), "echo meters", d.ofctl(ctx, "dump-meters", hub), "echo end")
	if err != nil || !f.has(tableBridge, hub) {
		return f, err
	}
	if err := f.openflow(headless(text)); err != nil {
		return nil, d.fail(op, drivers.Incomplete, err)
	}
	return f, nil
}

// survey reads the database and, where there is a hub, what commands print.
func (d *driver) survey(ctx context.Context, op string, commands ...string) ([]answer, *found, string, error) {
	client := fmt.Sprintf("ovsdb-client --timeout=%d transact %s || return", d.seconds(ctx), shell(tables()))
	hubExists := fmt.Sprintf("ovs-vsctl --timeout=%d br-exists %s || return 0", d.seconds(ctx), hub)
	text, err := d.ask(ctx, op, client+"\n"+hubExists+"\n"+strings.Join(commands, " || return\n"))
	if err != nil {
		return nil, nil, "", err
	}
	rows, text, _ := strings.Cut(text, "\n")
	all, err := database([]byte(rows))
	if err != nil {
		return nil, nil, "", d.fail(op, drivers.Incomplete, err)
	}
	f, err := read(all)
	if err != nil {
		return nil, nil, "", d.fail(op, drivers.Incomplete, err)
	}
	return all, f, text, nil
}

// headless leaves out the lines that say what the answer is one to.
func headless(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "OFPST_") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// ofctl returns a command of ovs-ofctl(8).
func (d *driver) ofctl(ctx context.Context, args ...string) string {
	return command(append([]string{"ovs-ofctl", fmt.Sprintf("--timeout=%d", d.seconds(ctx)), "--protocols=OpenFlow15"}, args...)...)
}

// seconds is how long a command on the device may take.
func (d *driver) seconds(ctx context.Context) int {
	left := d.timeout
	if end, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(end))
	}
	return max(1, int(left/time.Second)-1)
}

// ask runs commands that change nothing and returns what they print. They must not complain.
func (d *driver) ask(ctx context.Context, op, commands string) (string, error) {
	if err := d.begin(ctx, op); err != nil {
		return "", err
	}
	out, err := d.session.Exec(ctx, op, runs, script(commands))
	if err != nil {
		return "", err
	}
	if out.Status != 0 || len(out.Stderr) > 0 {
		return "", d.fail(op, drivers.Transient, complaint(out))
	}
	return string(out.Stdout), nil
}

func complaint(out ssh.Output) error {
	text := strings.TrimSpace(string(out.Stderr))
	if len(text) > 500 {
		text = text[:500]
	}
	if text == "" {
		return fmt.Errorf("the device's command ended with status %d", out.Status)
	}
	return errors.New(text)
}
