package reconcile

import (
	"context"

	"golang.org/x/sync/semaphore"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Ports returns the ports and LAGs that a switch has, by name, where it tells of all and the intent has interfaces that
// are not configured yet; otherwise nil. A switch that does not answer has not told.
func Ports(ctx context.Context, d *config.Device, driver drivers.Driver, slots *semaphore.Weighted, observed switchcfg.State, in *plan.Intent) map[string]bool {
	caps := d.Capabilities()
	oper, tells := operationalOf(driver, slots)
	if in == nil || !caps.AllPorts || !tells || !fresh(observed, in) {
		return nil
	}
	state, err := oper.ask(ctx)
	if err != nil || len(state.Ports) == 0 {
		return nil
	}
	has := make(map[string]bool, len(state.Ports))
	for name := range state.Ports {
		has[name] = true
	}
	return has
}

// fresh reports whether an intent has an interface that was not found.
func fresh(observed switchcfg.State, in *plan.Intent) bool {
	for k := range in.State {
		if k.Kind == switchcfg.KindInterface && observed[k] == nil {
			return true
		}
	}
	return false
}
