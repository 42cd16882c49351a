package openconfig

import (
	"context"
	"errors"
	"fmt"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/gnmi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Spec returns the entry of the registry.
func Spec() drivers.Spec {
	return drivers.Spec{
		Name:        "openconfig",
		Summary:     "OpenConfig over gNMI",
		Transport:   "gnmi",
		DefaultPort: 9339,
		Profiles:    profiles(),
		Open:        open,
	}
}

// driver is a session with an OpenConfig switch.
type driver struct {
	session *gnmi.Session
	caps    drivers.Capabilities
	ports   map[string]bool // physical ports seen before
	missing string          // of those, the first that the last answer lacked
}

func open(ctx context.Context, d drivers.Device) (drivers.Driver, error) {
	s, err := gnmi.Dial(ctx, d)
	if err != nil {
		return nil, err
	}
	if err := suits(ctx, s, &d.Capabilities); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &driver{session: s, caps: d.Capabilities}, nil
}

// suits makes sure that the device speaks what this driver does.
func suits(ctx context.Context, s *gnmi.Session, c *drivers.Capabilities) error {
	has, err := s.Capabilities(ctx)
	if err != nil {
		return err
	}
	lacks := func(what string) error {
		return &drivers.Error{Device: s.Device(), Op: "dial", Fault: drivers.Unsupported, Err: fmt.Errorf("the device does not announce %s", what)}
	}
	if !has.Encoding(gpb.Encoding_JSON_IETF) {
		return lacks("the encoding JSON_IETF")
	}
	models := []string{"openconfig-interfaces"}
	if c.LACP {
		models = append(models, "openconfig-lacp")
	}
	if len(c.Services) > 0 {
		models = append(models, "openconfig-network-instance")
	}
	if c.StormControl || c.MACLimit || c.ServiceMTU || c.Service(switchcfg.ServiceTree) {
		models = append(models, "ixagent-openconfig-ext")
	}
	for _, m := range models {
		if _, ok := has.Models[m]; !ok {
			return lacks("the model " + m)
		}
	}
	return nil
}

// Close implements [drivers.Driver].
func (d *driver) Close() error { return d.session.Close() }

func (d *driver) fail(op string, f drivers.Fault, err error) error {
	return &drivers.Error{Device: d.session.Device(), Op: op, Fault: f, Err: err}
}

// Render implements [drivers.Renderer].
func (d *driver) Render(changes []plan.Change) ([]byte, error) {
	req, err := d.render(changes)
	if err != nil {
		return nil, err
	}
	return nativeText(req), nil
}

// Confirm implements [drivers.Confirmer].
func (d *driver) Confirm(ctx context.Context, id string) error { return d.session.Confirm(ctx, id) }

// Revert implements [drivers.Confirmer].
func (d *driver) Revert(ctx context.Context, id string) error { return d.session.Cancel(ctx, id) }

// Watch implements [drivers.Watcher].
func (d *driver) Watch(ctx context.Context, changed func()) error {
	return d.session.Watch(ctx, changed, watched(&d.caps)...)
}

var (
	_ drivers.Confirmer   = (*driver)(nil)
	_ drivers.Renderer    = (*driver)(nil)
	_ drivers.Watcher     = (*driver)(nil)
	_ drivers.Operational = (*driver)(nil)
)

// Apply implements [drivers.Driver].
func (d *driver) Apply(ctx context.Context, changes []plan.Change) (drivers.Result, error) {
	return d.apply(ctx, changes, func(req *gpb.SetRequest) error { return d.session.Set(ctx, "apply", req) })
}

// ApplyConfirmed implements [drivers.Confirmer].
func (d *driver) ApplyConfirmed(ctx context.Context, id string, window time.Duration, changes []plan.Change) (drivers.Result, error) {
	return d.apply(ctx, changes, func(req *gpb.SetRequest) error { return d.session.SetConfirmed(ctx, id, window, req) })
}
