package ecx

import (
	"fmt"
	"slices"

	"github.com/ixagent/ixagent/models/ecx"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/rest"
)

// unknown returns a state that no version of IX-API has, for a value that no version of Fabric has that is known here.
func unknown[S ~string](value S) ixapi.State { return ixapi.State("ECX " + rest.Clip(string(value))) }

// portState returns the state of a port or physical port.
func portState(s ecx.PortState) ixapi.State {
	switch s {
	case "":
		return ""
	case ecx.PortPending, ecx.PortToBeAdded:
		return ixapi.StateRequested
	case ecx.PortPendingCrossConnect:
		return ixapi.StateAllocated
	case ecx.PortProvisioning:
		return ixapi.StateTesting
	case ecx.PortProvisioned, ecx.PortActive, ecx.PortAdded:
		return ixapi.StateProduction
	case ecx.PortReprovisioning:
		return ixapi.StateProductionChangePending
	case ecx.PortToBeDeleted:
		return ixapi.StateDecommissionRequested
	case ecx.PortDeprovisioning, ecx.PortDeprovisioned:
		return ixapi.StateDecommissioned
	case ecx.PortDeleted:
		return ixapi.StateArchived
	case ecx.PortInactive:
		return ixapi.StateOperator
	case ecx.PortFailed:
		return ixapi.StateError
	}
	return unknown(s)
}

func circuitState(s ecx.ConnectionState) ixapi.State {
	switch s {
	case "":
		return ""
	case ecx.ConnectionDraft, ecx.ConnectionPending:
		return ixapi.StateRequested
	case ecx.ConnectionProvisioning:
		return ixapi.StateTesting
	case ecx.ConnectionProvisioned, ecx.ConnectionActive:
		return ixapi.StateProduction
	case ecx.ConnectionReprovisioning:
		return ixapi.StateProductionChangePending
	case ecx.ConnectionDeprovisioning:
		return ixapi.StateDecommissionRequested // until the exchange's status says that it is removed
	case ecx.ConnectionDeprovisioned:
		return ixapi.StateDecommissioned
	case ecx.ConnectionCancelled:
		return ixapi.StateCancelled
	case ecx.ConnectionFailed:
		return ixapi.StateError
	}
	return unknown(s)
}

func equinixState(s ecx.EquinixStatus) ixapi.State {
	switch s {
	case "":
		return ""
	case ecx.EquinixDraft, ecx.EquinixPendingApproval, ecx.EquinixPendingAutoApproval:
		return ixapi.StateRequested
	case ecx.EquinixPendingProviderVLAN, ecx.EquinixPendingInterface:
		return ixapi.StateAllocated
	case ecx.EquinixProvisioning, ecx.EquinixPendingBGPPeering:
		return ixapi.StateTesting
	case ecx.EquinixProvisioned:
		return ixapi.StateProduction
	case ecx.EquinixPendingDelete:
		return ixapi.StateDecommissionRequested
	case ecx.EquinixDeprovisioning, ecx.EquinixDeprovisioned:
		return ixapi.StateDecommissioned
	case ecx.EquinixDeleted:
		return ixapi.StateArchived
	case ecx.EquinixRejected, ecx.EquinixRejectedAck, ecx.EquinixCancelled:
		return ixapi.StateCancelled
	case ecx.EquinixAutoApprovalFailed, ecx.EquinixPendingProviderVLANError, ecx.EquinixNotProvisioned, ecx.EquinixNotDeprovisioned:
		return ixapi.StateError
	}
	return unknown(s)
}

func networkState(s ecx.NetworkState) ixapi.State {
	switch s {
	case "":
		return ""
	case ecx.NetworkActive:
		return ixapi.StateProduction
	case ecx.NetworkInactive:
		return ixapi.StateOperator
	case ecx.NetworkDeleted:
		return ixapi.StateArchived
	}
	return unknown(s)
}

func profileState(s ecx.ProfileState) ixapi.State {
	switch s {
	case "":
		return ""
	case ecx.ProfileActive:
		return ixapi.StateProduction
	case ecx.ProfilePendingApproval:
		return ixapi.StateRequested
	case ecx.ProfileDeleted:
		return ixapi.StateArchived
	case ecx.ProfileRejected:
		return ixapi.StateCancelled
	}
	return unknown(s)
}

func over(s ixapi.State) bool {
	return s == ixapi.StateDecommissioned || s == ixapi.StateArchived || s == ixapi.StateCancelled
}

// early reports whether nothing is on a switch yet in this state.
func early(s ixapi.State) bool { return s == ixapi.StateRequested || s == ixapi.StateAllocated }

// live reports whether something is on a switch in this state, and nobody doubts it.
func live(s ixapi.State) bool {
	return s == ixapi.StateProduction || s == ixapi.StateProductionChangePending || s == ixapi.StateDecommissionRequested
}

// verdict is a state, and a remark on how it came about.
type verdict struct {
	state   ixapi.State
	tag     string
	message string
}

// agree combines two words for one thing: its state a, and how far the exchange is with it, b. What one takes for gone
// and the other for in service is an error. What is about to go goes when b says so.
func agree(a, b ixapi.State) verdict {
	switch {
	case a == "" || a == b:
		return verdict{state: b}
	case b == "":
		return verdict{state: a}
	case !a.Known():
		return verdict{state: a}
	case !b.Known():
		return verdict{state: b}
	case over(b) && (over(a) || a == ixapi.StateDecommissionRequested):
		return verdict{state: b}
	case over(a) || over(b):
		gone, not := a, b
		if over(b) {
			gone, not = b, a
		}
		switch {
		case not == ixapi.StateDecommissionRequested, not == ixapi.StateError, not == ixapi.StateOperator:
			return verdict{state: not}
		case early(not) && gone == ixapi.StateCancelled:
			return verdict{state: gone}
		}
		return verdict{ixapi.StateError, tagContradiction, fmt.Sprintf("its state means %s, and its status at the exchange %s", a, b)}
	}
	if (a == ixapi.StateProduction || a == ixapi.StateProductionChangePending) && b == ixapi.StateTesting {
		return verdict{state: ixapi.StateProductionChangePending} // what is in service is worked on
	}
	// The more careful word counts.
	order := []ixapi.State{
		ixapi.StateError, ixapi.StateOperator, ixapi.StateRequested, ixapi.StateAllocated, ixapi.StateTesting,
		ixapi.StateDecommissionRequested, ixapi.StateProductionChangePending, ixapi.StateProduction,
	}
	return verdict{state: order[min(slices.Index(order, a), slices.Index(order, b))]}
}

// connectionState concludes from all that a connection says about how far it is.
func connectionState(c *ecx.Connection) verdict {
	var equinix ecx.EquinixStatus
	var provider ecx.ProviderStatus
	if c.Operation != nil {
		equinix, provider = c.Operation.EquinixStatus, c.Operation.ProviderStatus
	}
	v := agree(circuitState(c.State), equinixState(equinix))
	if v.state == ixapi.StateError && v.tag == "" {
		v.tag, v.message = tagFailed, fmt.Sprintf("it is %s at the exchange", word(c.State, equinix))
	}
	switch {
	case equinix == ecx.EquinixPendingApproval || equinix == ecx.EquinixPendingAutoApproval:
		v.tag, v.message = tagPendingApproval, "its seller has not approved it yet"
	case !v.state.Known() || over(v.state) || v.state == ixapi.StateError:
		return v
	}
	if c.Change != nil && v.state != ixapi.StateRequested {
		v = changed(v, c.Change)
	}
	return asProvider(v, provider, c)
}

// word returns the value that tells of a failure.
func word(s ecx.ConnectionState, e ecx.EquinixStatus) string {
	if equinixState(e) == ixapi.StateError {
		return string(e)
	}
	return string(s)
}

// changed takes account of a change that is not done yet.
func changed(v verdict, c *ecx.Change) verdict {
	switch pending := c.Status == ecx.ChangeRequested || c.Status == ecx.ChangeSubmitted || c.Status == ecx.ChangeApproved; {
	case !pending || !live(v.state):
	case c.Type == ecx.ChangeDeletion:
		v.state = ixapi.StateDecommissionRequested
	case c.Type == ecx.ChangeUpdate && v.state == ixapi.StateProduction:
		v.state = ixapi.StateProductionChangePending
	}
	return v
}

// asProvider takes account of how far the seller is. What it decides about a change leaves what there is in service.
func asProvider(v verdict, s ecx.ProviderStatus, c *ecx.Connection) verdict {
	change := c.Change != nil && (c.Change.Type == ecx.ChangeUpdate || c.Change.Type == ecx.ChangeDeletion)
	ofChange := live(v.state) && (change || live(circuitState(c.State)))
	switch s {
	case "", ecx.ProviderNotAvailable, ecx.ProviderNone, ecx.ProviderOrdering, ecx.ProviderPendingConfig, ecx.ProviderPendingBGP,
		ecx.ProviderProvisioning, ecx.ProviderAvailable, ecx.ProviderProvisioned:
		return v
	case ecx.ProviderPendingApprove:
		if ofChange {
			return v
		}
		return verdict{ixapi.StateRequested, tagPendingApproval, "its seller has not approved it yet"}
	case ecx.ProviderRejected:
		switch {
		case ofChange:
			return v
		case early(v.state):
			return verdict{state: ixapi.StateCancelled}
		}
		return verdict{ixapi.StateError, tagContradiction, "its seller has rejected it, and the exchange has not"}
	case ecx.ProviderFailed, ecx.ProviderError:
		return verdict{ixapi.StateError, tagFailed, fmt.Sprintf("it is %s at its seller", s)}
	case ecx.ProviderPendingDelete, ecx.ProviderDeleting, ecx.ProviderDeprovisioning, ecx.ProviderDeprovisioned:
		if live(v.state) {
			v.state = ixapi.StateDecommissionRequested
		}
		return v
	}
	return verdict{state: unknown(s)}
}
