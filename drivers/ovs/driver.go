package ovs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/ssh"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Spec returns the entry of the registry.
func Spec() drivers.Spec {
	return drivers.Spec{
		Name:        "ovs",
		Summary:     "Open vSwitch, by ovs-vsctl and ovs-ofctl over SSH",
		Transport:   "ssh",
		DefaultPort: 22,
		Profiles:    profiles(),
		Open:        open,
	}
}

// driver is a session with a switch.
type driver struct {
	session *ssh.Session
	caps    drivers.Capabilities
	timeout time.Duration
	seen    *found // at the last observation
	state   switchcfg.State
}

func open(ctx context.Context, d drivers.Device) (drivers.Driver, error) {
	s, err := ssh.Dial(ctx, d, nil)
	if err != nil {
		return nil, err
	}
	o := &driver{session: s, caps: d.Capabilities, timeout: d.Timeout}
	if o.timeout == 0 {
		o.timeout = ssh.DefaultTimeout
	}
	if err := o.suits(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return o, nil
}

// suits makes sure that the device is one for this driver.
func (d *driver) suits(ctx context.Context) error {
	out, err := d.session.Exec(ctx, "dial", runs, script("command -v ovs-vsctl ovs-ofctl ovs-appctl ovsdb-client"))
	if err != nil {
		return err
	}
	if out.Status != 0 {
		return d.fail("dial", drivers.Unsupported, errors.New("the device lacks one of ovs-vsctl, ovs-ofctl, ovs-appctl, ovsdb-client"))
	}
	return nil
}

// begin makes sure of a session at the beginning of an operation.
func (d *driver) begin(ctx context.Context, op string) (err error) {
	d.session, err = d.session.Again(ctx, op)
	return err
}

// Close implements [drivers.Driver].
func (d *driver) Close() error { return d.session.Close() }

func (d *driver) fail(op string, f drivers.Fault, err error) error {
	return &drivers.Error{Device: d.session.Device(), Op: op, Fault: f, Err: err}
}

var (
	_ drivers.Confirmer   = (*driver)(nil)
	_ drivers.Renderer    = (*driver)(nil)
	_ drivers.Operational = (*driver)(nil)
)

// Render implements [drivers.Renderer].
func (d *driver) Render(changes []plan.Change) ([]byte, error) {
	if d.seen == nil {
		return nil, d.fail("render", drivers.Stale, errors.New("the switch was not observed"))
	}
	text, err := d.render(d.seen, d.state, changes, d.steps(), nil)
	return text, err
}

// carried returns an error if the device cannot carry what the changes make.
func (d *driver) carried(changes []plan.Change) error {
	for _, c := range changes {
		if _, odd := c.Before.(*switchcfg.Opaque); odd {
			return fmt.Errorf("%s: what is not understood is not changed", c.Key)
		}
		if c.After == nil {
			continue
		}
		if err := d.caps.Carry(c.After); err != nil {
			return fmt.Errorf("%s: %w", c.Key, err)
		}
	}
	return nil
}
