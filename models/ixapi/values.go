package ixapi

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/models/rest"
)

// ID identifies one record within its collection. It is opaque text: exchanges
// use numbers, URNs and base64, with slashes and spaces among them.
type ID = string

// State is the lifecycle state of a stateful record. The empty State stands for
// a state that is missing or redacted.
type State string

// The lifecycle states of IX-API 2.2 and later.
const (
	StateRequested               State = "requested"
	StateAllocated               State = "allocated"
	StateTesting                 State = "testing"
	StateProduction              State = "production"
	StateProductionChangePending State = "production_change_pending"
	StateDecommissionRequested   State = "decommission_requested"
	StateDecommissioned          State = "decommissioned"
	StateArchived                State = "archived"
	StateError                   State = "error"
	StateOperator                State = "operator"
	StateScheduled               State = "scheduled"
	StateCancelled               State = "cancelled"
)

// Known reports whether s is a state of the specification.
func (s State) Known() bool {
	switch s {
	case StateRequested, StateAllocated, StateTesting, StateProduction,
		StateProductionChangePending, StateDecommissionRequested,
		StateDecommissioned, StateArchived, StateError, StateOperator,
		StateScheduled, StateCancelled:
		return true
	}
	return false
}

// Mode says how the ports of a connection are bundled.
type Mode string

// The connection modes. A standalone connection has exactly one port.
const (
	ModeLAGLACP      Mode = "lag_lacp"
	ModeLAGStatic    Mode = "lag_static"
	ModeFlexEthernet Mode = "flex_ethernet"
	ModeStandalone   Mode = "standalone"
)

// Known reports whether m is a mode of the specification.
func (m Mode) Known() bool {
	switch m {
	case ModeLAGLACP, ModeLAGStatic, ModeFlexEthernet, ModeStandalone:
		return true
	}
	return false
}

// LACPTimeout is the LACP timeout of a connection; it is empty unless the mode
// is lag_lacp.
type LACPTimeout string

// The LACP timeouts: three missed PDUs at one per 30 s, or at one per second.
const (
	LACPTimeoutSlow LACPTimeout = "slow"
	LACPTimeoutFast LACPTimeout = "fast"
)

// Known reports whether t is a timeout of the specification.
func (t LACPTimeout) Known() bool { return t == LACPTimeoutSlow || t == LACPTimeoutFast }

// VLANType says which frames of a connection belong to a network service config.
type VLANType string

// The VLAN types: the whole untagged port, one tag, or two tags.
const (
	VLANTypePort  VLANType = "port"
	VLANTypeDot1Q VLANType = "dot1q"
	VLANTypeQinQ  VLANType = "qinq"
)

// Known reports whether t is a VLAN type of the specification.
func (t VLANType) Known() bool {
	return t == VLANTypePort || t == VLANTypeDot1Q || t == VLANTypeQinQ
}

// ServiceType tells the five network services, and the configs that join them,
// apart.
type ServiceType string

// The network service types.
const (
	ServiceExchangeLAN ServiceType = "exchange_lan"
	ServiceP2P         ServiceType = "p2p_vc"
	ServiceP2MP        ServiceType = "p2mp_vc"
	ServiceMP2MP       ServiceType = "mp2mp_vc"
	ServiceCloud       ServiceType = "cloud_vc"
)

// Known reports whether t is a service type of the specification.
func (t ServiceType) Known() bool {
	switch t {
	case ServiceExchangeLAN, ServiceP2P, ServiceP2MP, ServiceMP2MP, ServiceCloud:
		return true
	}
	return false
}

// OfferingType is what a product offering sells: a service type, a connection
// or a routing function.
type OfferingType string

// The offering types that are not also a ServiceType.
const (
	OfferingConnection      OfferingType = "connection"
	OfferingRoutingFunction OfferingType = "routing_function"
)

// Known reports whether t is an offering type of the specification.
func (t OfferingType) Known() bool {
	return t == OfferingConnection || t == OfferingRoutingFunction || ServiceType(t).Known()
}

// Role is the place of a config in a point-to-multipoint service. The
// specification's default, for an empty Role, is leaf.
type Role string

// The roles. A leaf reaches only roots.
const (
	RoleRoot Role = "root"
	RoleLeaf Role = "leaf"
)

// Known reports whether r is a role of the specification.
func (r Role) Known() bool { return r == RoleRoot || r == RoleLeaf }

// RuleType says whether a member joining rule lets an account in or keeps it out.
type RuleType string

// The rule types.
const (
	RuleAllow RuleType = "allow"
	RuleDeny  RuleType = "deny"
)

// Known reports whether t is a rule type of the specification.
func (t RuleType) Known() bool { return t == RuleAllow || t == RuleDeny }

// FeatureType tells network features apart.
type FeatureType string

// FeatureRouteServer is the only feature type of IX-API 2.7.1.
const FeatureRouteServer FeatureType = "route_server"

// Known reports whether t is a feature type of the specification.
func (t FeatureType) Known() bool { return t == FeatureRouteServer }

// Ethertype is the tag protocol identifier of an outer VLAN tag, as the exchange
// wrote it.
type Ethertype string

// The ethertypes of the specification.
const (
	Ethertype8100 Ethertype = "0x8100"
	Ethertype88A8 Ethertype = "0x88a8"
	Ethertype9100 Ethertype = "0x9100"
)

// TPID returns the number e stands for. Hexadecimal after 0x, in either case,
// and decimal are understood; an empty Ethertype is 0x8100, the specification's
// default. Any number other than 0x8100, 0x88a8, 0x9100 and 0x9200 is an error
// that wraps ErrUnknownValue: no other is in use as a VLAN tag, and a bare
// "8100" must not be taken for the decimal number.
func (e Ethertype) TPID() (uint16, error) {
	switch e {
	case "", Ethertype8100:
		return 0x8100, nil
	case Ethertype88A8:
		return 0x88a8, nil
	case Ethertype9100:
		return 0x9100, nil
	}
	digits, base := string(e), 10
	if hex, ok := strings.CutPrefix(strings.ToLower(digits), "0x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 16)
	if err == nil {
		switch n {
		case 0x8100, 0x88a8, 0x9100, 0x9200:
			return uint16(n), nil
		}
	}
	return 0, fmt.Errorf("ethertype: %w %q", ErrUnknownValue, rest.Clip(string(e)))
}

// Known reports whether e names a tag protocol identifier; see TPID.
func (e Ethertype) Known() bool {
	_, err := e.TPID()
	return err == nil
}
