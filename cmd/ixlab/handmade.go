package main

import (
	"fmt"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// switchPorts is the number of physical interfaces of a lab switch: Ethernet1 to Ethernet52.
const switchPorts = 52

// handmade returns what somebody has configured on a switch before ixagent came: the ports that lead to cloud
// providers and, on the first switch, an uplink and a LAG, which are nobody's business but that somebody's.
func handmade(inv *config.Inventory, device string) []switchcfg.Object {
	var all []switchcfg.Object
	for _, n := range inv.NNIs {
		if n.Device == device {
			all = append(all, &switchcfg.Interface{
				Name: n.Interface, Description: fmt.Sprintf("NNI %s %c", n.ServiceProvider, 'A'+rune(n.Handover)-1), TPID: n.Ethertype,
			})
		}
	}
	if device == inv.Devices[0].Name {
		all = append(all,
			&switchcfg.Interface{Name: "Ethernet49", Description: "uplink to spine 1", MTU: 9216},
			&switchcfg.Interface{Name: "Ethernet51"},
			&switchcfg.Interface{Name: "Ethernet52"},
			&switchcfg.LAG{
				Name: "Port-Channel1", Description: "interconnect", Members: []string{"Ethernet51", "Ethernet52"},
				Mode: switchcfg.ModeLACP, Rate: switchcfg.RateFast, MinLinks: 1,
			},
		)
	}
	return all
}
