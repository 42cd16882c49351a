package compile

import (
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/ixapi"
)

// fate is what a state means for a switch (IX-API lifecycle states; DESIGN.md section 5).
type fate uint8

const (
	gone       fate = iota // decommissioned, archived, cancelled: removed
	dormant                // not provisioned yet: nothing is made, and nothing that is there is removed
	prestaged              // made, with its interfaces shut
	quarantine             // made, on the LAN's quarantine service
	present                // made
	frozen                 // left as it is found
)

// connectionFate returns the fate of a connection in state s.
func connectionFate(s ixapi.State, p config.Policy) (fate, Tag) {
	switch s {
	case ixapi.StateTesting:
		if p.Testing.Other == config.TestNothing && p.Testing.ExchangeLAN == config.TestNothing {
			return dormant, ""
		}
		return present, ""
	}
	return commonFate(s, p)
}

// configFate returns the fate of a network service config of type t in state s.
func configFate(s ixapi.State, t ixapi.ServiceType, p config.Policy) (fate, Tag) {
	if s == ixapi.StateTesting {
		policy := p.Testing.Other
		if t == ixapi.ServiceExchangeLAN {
			policy = p.Testing.ExchangeLAN
		}
		switch policy {
		case config.TestQuarantine:
			return quarantine, ""
		case config.TestNothing:
			return dormant, ""
		}
		return present, ""
	}
	return commonFate(s, p)
}

func commonFate(s ixapi.State, p config.Policy) (fate, Tag) {
	switch s {
	case ixapi.StateRequested, ixapi.StateScheduled:
		return dormant, ""
	case ixapi.StateAllocated:
		if p.PrestageAllocated {
			return prestaged, ""
		}
		return dormant, ""
	case ixapi.StateProduction, ixapi.StateProductionChangePending, ixapi.StateDecommissionRequested:
		return present, ""
	case ixapi.StateDecommissioned, ixapi.StateArchived, ixapi.StateCancelled:
		return gone, ""
	case ixapi.StateError:
		return frozen, TagStateError
	case ixapi.StateOperator:
		return frozen, TagStateOperator
	case "":
		return frozen, TagStateRedacted
	}
	return frozen, TagStateUnknown
}

// made reports whether objects of this fate are on a switch because the agent wants them there.
func (f fate) made() bool { return f == prestaged || f == quarantine || f == present }
