package ovs

import (
	"math"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// profiles returns the one kind of device: Open vSwitch forwarding in userspace. That a port knows one outer ethertype keeps
// circuits apart that the device could not tell from each other. There is no circuit of a whole port, because a bridge takes
// off the tags of VLAN 0, which are a member's own there.
func profiles() []drivers.Profile {
	return []drivers.Profile{{Name: "netdev", Capabilities: drivers.Capabilities{
		Forms: []switchcfg.Form{switchcfg.Untagged, switchcfg.Single, switchcfg.Double, switchcfg.Stacked},
		TPIDs: []switchcfg.TPID{switchcfg.TPIDCustomer, switchcfg.TPIDService}, TPIDScope: drivers.PortScope,
		Services: []switchcfg.ServiceType{switchcfg.ServiceLAN, switchcfg.ServiceLine, switchcfg.ServiceTree},
		LACP:     true, VXLAN: true, Filters: true, RateIn: true, RateOut: true, SystemID: true, PlainText: true,
		LocalTrees: true, // a tunnel does not say which frames are of leaves

		Traits: plan.Traits{Atomic: true},
		Limits: drivers.Limits{MaxUnit: math.MaxUint32, MaxMTU: maxMTU, MinLinks: 1},
	}}}
}
