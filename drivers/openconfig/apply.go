package openconfig

import (
	"context"
	"fmt"

	gpb "github.com/openconfig/gnmi/proto/gnmi"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

func (d *driver) render(changes []plan.Change) (*gpb.SetRequest, error) {
	req, err := render(&d.caps, changes)
	if err != nil {
		return nil, d.fail("apply", drivers.Unsupported, err)
	}
	return req, nil
}

// apply sends the changes if the device is, at this moment, as the plan supposes. gNMI has no lock, so somebody may
// still come between the reading and the request, which names only what differs and so leaves the rest alone.
func (d *driver) apply(ctx context.Context, changes []plan.Change, send func(*gpb.SetRequest) error) (drivers.Result, error) {
	req, err := d.render(changes)
	if err != nil {
		return drivers.Result{}, err
	}
	now, err := d.observe(ctx, "apply")
	if err != nil {
		return drivers.Result{}, err
	}
	target, err := plan.Apply(now, changes)
	if err != nil {
		return drivers.Result{}, d.fail("apply", drivers.Stale, err)
	}
	if err := sameTPIDs(target, changes); err != nil {
		return drivers.Result{}, d.fail("apply", drivers.Unsupported, err)
	}
	return drivers.Result{Native: nativeText(req)}, send(req)
}

// sameTPIDs returns an error if a changed circuit has another outer ethertype than its port will have.
func sameTPIDs(target switchcfg.State, changes []plan.Change) error {
	for _, ch := range changes {
		c, ok := target[ch.Key].(*switchcfg.Circuit)
		if !ok || !c.Match.Tagged() {
			continue
		}
		tpid := switchcfg.TPIDCustomer
		switch p, _ := target.Parent(c.Parent); p := p.(type) {
		case *switchcfg.Interface:
			tpid = max(tpid, p.TPID)
		case *switchcfg.LAG:
			tpid = max(tpid, p.TPID)
		}
		if c.Match.TPID != tpid {
			return fmt.Errorf("%s: its outer ethertype is %s, that of its port %s", ch.Key, c.Match.TPID, tpid)
		}
	}
	return nil
}
