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
)

// profiles returns the kinds of device: those that tell 0x8100 from 0x88a8 by circuit, and those whose ports have one
// outer ethertype each, whichever it is.
func profiles() []drivers.Profile {
	flexible := drivers.Capabilities{
		Forms:     []switchcfg.Form{switchcfg.Untagged, switchcfg.Single, switchcfg.Double},
		TPIDs:     []switchcfg.TPID{switchcfg.TPIDCustomer, switchcfg.TPIDService},
		TPIDScope: drivers.CircuitScope,
		Services:  []switchcfg.ServiceType{switchcfg.ServiceLAN, switchcfg.ServiceLine},
		LACP:      true, VLANTags: true, ServiceVLAN: true, VXLAN: true, Filters: true, RateIn: true, RateOut: true,
		StormControl: true, SystemID: true, PlainText: true, UntaggedUnit: 4095, Traits: plan.Traits{Atomic: true},
	}
	tpid := flexible
	tpid.TPIDs, tpid.TPIDScope = switchcfg.TPIDs(), drivers.PortScope
	return []drivers.Profile{
		{Name: profileFlexible, Capabilities: flexible},
		{Name: profileTPID, Capabilities: tpid, Experimental: true},
	}
}
