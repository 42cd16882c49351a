package openconfig

import (
	"math"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// profiles returns the kinds of device, first the one that has everything. Those of vendors say what the deviation
// modules of the release leave of OpenConfig.
func profiles() []drivers.Profile {
	atomic := plan.Traits{Atomic: true}
	customer := []switchcfg.TPID{switchcfg.TPIDCustomer}
	limits := drivers.Limits{MaxUnit: math.MaxUint32}

	full := drivers.Capabilities{
		Forms: []switchcfg.Form{switchcfg.Untagged, switchcfg.Single, switchcfg.Double, switchcfg.Stacked, switchcfg.Whole},
		TPIDs: switchcfg.TPIDs(), TPIDScope: drivers.PortScope,
		Services: []switchcfg.ServiceType{switchcfg.ServiceLAN, switchcfg.ServiceLine, switchcfg.ServiceTree},
		LACP:     true, VLANTags: true, ServiceMTU: true, ServiceMACs: true, VXLAN: true, Filters: true, RateIn: true, RateOut: true,
		StormControl: true, MACLimit: true, SystemID: true, AllPorts: true, Traits: atomic, Limits: limits,
	}
	plain := full
	plain.Forms = full.Forms[:3:3]
	plain.Services = []switchcfg.ServiceType{switchcfg.ServiceLAN, switchcfg.ServiceLine}
	plain.StormControl, plain.MACLimit, plain.ServiceMTU = false, false, false

	// Without endpoints of connection points no circuit can join a service, and so none is offered.
	ports := drivers.Capabilities{TPIDScope: drivers.CircuitScope, TPIDs: customer, LACP: true, SystemID: true, Traits: atomic}
	eos := ports
	eos.TPIDScope, eos.TPIDs = drivers.PortScope, switchcfg.TPIDs()
	sonic := drivers.Capabilities{TPIDScope: drivers.CircuitScope, TPIDs: customer, Traits: atomic}

	// These have the matches; that connection points carry them is not shown by any document.
	circuits := drivers.Capabilities{
		Forms: []switchcfg.Form{switchcfg.Single, switchcfg.Double}, TPIDScope: drivers.CircuitScope, TPIDs: customer,
		Services: plain.Services, LACP: true, Traits: atomic,
	}
	xr := circuits
	xr.SystemID = true
	junos := circuits
	nxos := circuits
	nxos.TPIDScope, nxos.TPIDs = drivers.PortScope, switchcfg.TPIDs()

	return []drivers.Profile{
		{Name: "ixlab", Capabilities: full},
		{Name: "openconfig", Capabilities: plain},
		{Name: "eos-4.36", Capabilities: eos, Experimental: true},
		{Name: "srlinux-25.3", Capabilities: ports, Experimental: true},
		{Name: "junos-24.4", Capabilities: junos, Experimental: true},
		{Name: "iosxr-26.2", Capabilities: xr, Experimental: true},
		{Name: "nxos-10.6", Capabilities: nxos, Experimental: true},
		{Name: "sonic", Capabilities: sonic, Experimental: true},
	}
}
