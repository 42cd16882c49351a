package sandbox

import (
	"fmt"
	"time"

	"github.com/ixagent/ixagent/lab/cli"
	"github.com/ixagent/ixagent/lab/cli/eos"
	"github.com/ixagent/ixagent/lab/cli/junos"
)

// NewDevice makes the command line of a network operating system, "eos" or "junos", for a switch with a name and ports. Where
// it counts in minutes, minute is how long one takes; 0 for as long as elsewhere. When it reboots, cut is called.
func NewDevice(nos, name string, ports []string, minute time.Duration, cut func()) (cli.Device, error) {
	switch nos {
	case "eos":
		return eos.New(eos.Options{Name: name, Ports: ports, Rebooted: cut})
	case "junos":
		return junos.New(junos.Options{Name: name, Ports: ports, Minute: minute, Rebooted: cut})
	default:
		return nil, fmt.Errorf("there is no command line of %q, but of eos and junos", nos)
	}
}

// DevicePorts returns the first n ports of a switch as its network operating system calls them.
func DevicePorts(nos string, n int) []string {
	if nos == "junos" {
		return junos.Ports(n)
	}
	return PortNames(n)
}
