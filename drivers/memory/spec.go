package memory

import (
	"context"
	"sync"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Capabilities returns those of a switch that can carry everything, at once, with one ethertype per port.
func Capabilities() drivers.Capabilities {
	return drivers.Capabilities{
		Forms: []switchcfg.Form{switchcfg.Untagged, switchcfg.Single, switchcfg.Double, switchcfg.Stacked, switchcfg.Whole},
		TPIDs: switchcfg.TPIDs(), TPIDScope: drivers.PortScope,
		Services: []switchcfg.ServiceType{switchcfg.ServiceLAN, switchcfg.ServiceLine, switchcfg.ServiceTree},
		LACP:     true, VLANTags: true, ServiceMTU: true, ServiceMACs: true, VXLAN: true, Filters: true, RateIn: true, RateOut: true,
		StormControl: true, MACLimit: true, SystemID: true,
		Traits: plan.Traits{Atomic: true},
	}
}

// Spec returns the entry of the registry. Devices of one name are sessions with one switch, which is empty at
// first and lasts as long as the Spec.
func Spec() drivers.Spec {
	var mu sync.Mutex
	switches := make(map[string]*Switch)
	stepwise := Capabilities()
	stepwise.Traits = plan.Traits{LAGModeReplaces: true, MatchReplaces: true, ServiceIsNotMove: true}
	stepwise.TPIDScope = drivers.CircuitScope
	return drivers.Spec{
		Name:      "memory",
		Summary:   "a switch in memory, for tests and trials",
		Transport: "none",
		Profiles:  []drivers.Profile{{Name: "default", Capabilities: Capabilities()}, {Name: "stepwise", Capabilities: stepwise}},
		Open: func(_ context.Context, d drivers.Device) (drivers.Driver, error) {
			mu.Lock()
			defer mu.Unlock()
			if switches[d.Name] == nil {
				switches[d.Name] = New(d.Capabilities, nil)
			}
			return switches[d.Name].Open(d.Name), nil
		},
	}
}
