package eos

import (
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// The names of the profiles.
const (
	profileFlexible = "eos"
	profileTPID     = "eos-tpid"
	profileBridged  = "eos-switchport"
)

// profiles returns the kinds of device: those that tell 0x8100 from 0x88a8 by circuit, and those whose ports have one
// outer ethertype each, whichever it is. Those of the third kind have no flexible encapsulation: their circuits are VLANs
// of switchports.
func profiles() []drivers.Profile {
	flexible := drivers.Capabilities{
		Forms: []switchcfg.Form{switchcfg.Untagged, switchcfg.Single, switchcfg.Double}, SinglePasses: true,
		TPIDs:     []switchcfg.TPID{switchcfg.TPIDCustomer, switchcfg.TPIDService},
		TPIDScope: drivers.CircuitScope,
		Services:  []switchcfg.ServiceType{switchcfg.ServiceLAN, switchcfg.ServiceLine},
		LACP:      true, VLANTags: true, ServiceVLAN: true, VXLAN: true, Filters: true, RateIn: true, RateOut: true,
		StormControl: true, SystemID: true, AllPorts: true, PlainText: true, UntaggedUnit: 4095, Traits: plan.Traits{Atomic: true},
		VXLANv4: true, Limits: drivers.Limits{StormStep: stormFrame},
	}
	tpid := flexible
	tpid.TPIDs, tpid.TPIDScope, tpid.TPIDDefault = switchcfg.TPIDs(), drivers.PortScope, true
	bridged := tpid
	bridged.SinglePasses = false // no document says so of a trunk
	bridged.Forms = []switchcfg.Form{switchcfg.Untagged, switchcfg.Single}
	bridged.LineVLAN, bridged.PortVLANs = true, true
	return []drivers.Profile{
		{Name: profileFlexible, Capabilities: flexible},
		{Name: profileTPID, Capabilities: tpid, Experimental: true},
		{Name: profileBridged, Capabilities: bridged, Experimental: true},
	}
}
