package sandbox

import (
	"fmt"

	"github.com/ixagent/ixagent/lab/cli"
	"github.com/ixagent/ixagent/lab/cli/eos"
)

// NewDevice makes the command line of a network operating system, "eos", for a switch with a name and ports. When it
// reboots, cut is called.
func NewDevice(nos, name string, ports []string, cut func()) (cli.Device, error) {
	switch nos {
	case "eos":
		return eos.New(eos.Options{Name: name, Ports: ports, Rebooted: cut})
	default:
		return nil, fmt.Errorf("there is no command line of %q, but of eos", nos)
	}
}
