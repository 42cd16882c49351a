// Package all lists the drivers.
package all

import (
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/eos"
	"github.com/ixagent/ixagent/drivers/junos"
	"github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/drivers/openconfig"
	"github.com/ixagent/ixagent/drivers/ovs"
)

// Registry returns every driver by name. Each Registry has memory switches of its own.
func Registry() drivers.Registry {
	r := make(drivers.Registry)
	for _, s := range []drivers.Spec{eos.Spec(), junos.Spec(), memory.Spec(), openconfig.Spec(), ovs.Spec()} {
		r[s.Name] = s
	}
	return r
}
