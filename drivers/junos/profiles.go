package junos

import (
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// headroom is what Junos counts to the MTU of a port beside the payload: the addresses, the type and two tags.
const headroom = 14 + 8

// profiles returns the kinds of device, first the one that has everything.
func profiles() []drivers.Profile {
	mx := drivers.Capabilities{
		Forms: []switchcfg.Form{switchcfg.Untagged, switchcfg.Single, switchcfg.Double},
		TPIDs: switchcfg.TPIDs(), TPIDScope: drivers.CircuitScope,
		Services: []switchcfg.ServiceType{switchcfg.ServiceLAN, switchcfg.ServiceLine, switchcfg.ServiceTree},
		LACP:     true, VLANTags: true, VXLAN: true, Filters: true, RateIn: true, RateOut: true,
		StormControl: true, MACLimit: true, SystemID: true, AllPorts: true, PlainText: true,
		Traits: plan.Traits{Atomic: true},
		Limits: drivers.Limits{MaxUnit: 16385, LAGMembers: 64, MaxMTU: 9500 - headroom},
	}
	qfx := mx
	qfx.ServiceVLAN = true
	qfx.Services = []switchcfg.ServiceType{switchcfg.ServiceLAN, switchcfg.ServiceLine}
	qfx.RateIn, qfx.RateOut, qfx.StormControl = false, false, false
	qfx.Limits.MaxMTU = 9216 - headroom
	ex := qfx
	ex.VXLAN = false
	ex.Limits.LAGMembers = 16
	return []drivers.Profile{
		{Name: "mx", Capabilities: mx},
		{Name: "qfx", Capabilities: qfx, Experimental: true},
		{Name: "ex", Capabilities: ex, Experimental: true},
	}
}
