package guard

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Tunnels returns the guard that keeps a service's tunnel to another switch for as long as that switch has circuits
// of it. A service that leaves a switch is taken from there first; if that waits for a person, or the switch cannot
// be reached, those who are still on it are not cut off from the others. Remains reports whether the device of that
// name has, or may have, circuits of a service.
func Tunnels(inv *config.Inventory, remains func(device, service string) bool) plan.Guard {
	devices := make(map[netip.Addr]string, len(inv.Devices))
	for _, d := range inv.Devices {
		if d.TunnelAddress.IsValid() {
			devices[d.TunnelAddress] = d.Name
		}
	}
	return func(changes []plan.Change, _ switchcfg.State) map[switchcfg.Key]plan.Hold {
		holds := make(map[switchcfg.Key]plan.Hold)
		for _, c := range changes {
			before, _ := c.Before.(*switchcfg.Service)
			after, _ := c.After.(*switchcfg.Service)
			if before == nil || after == nil {
				continue
			}
			for _, peer := range before.Peers {
				if device, known := devices[peer]; known && !slices.Contains(after.Peers, peer) && remains(device, c.Key.Name) {
					holds[c.Key] = plan.Hold{Reason: plan.Depends, Detail: fmt.Sprintf("%s still has circuits of the service, or cannot say, and would be cut off", device)}
				}
			}
		}
		return holds
	}
}

// All returns the guard that withholds what any of guards does, none of which holds what is not among the changes.
// They are asked in turn, as a plan is built: each decides on, and counts, only what those before it have let pass.
func All(guards ...plan.Guard) plan.Guard {
	return func(changes []plan.Change, observed switchcfg.State) map[switchcfg.Key]plan.Hold {
		for _, g := range guards {
			if holds := g(changes, observed); len(holds) > 0 {
				return holds
			}
		}
		return nil
	}
}

// Joined returns the services that have circuits on a switch.
func Joined(s switchcfg.State) map[string]bool {
	joined := make(map[string]bool)
	for _, o := range s {
		if c, ok := o.(*switchcfg.Circuit); ok {
			joined[c.Service] = true
		}
	}
	return joined
}
