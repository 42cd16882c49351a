package ecx

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/models/rest"
)

// PortState is the lifecycle state of a port, and of a physical port.
type PortState string

// The states of ports.
const (
	PortPending             PortState = "PENDING"
	PortProvisioning        PortState = "PROVISIONING"
	PortReprovisioning      PortState = "REPROVISIONING"
	PortPendingCrossConnect PortState = "PENDING_CROSS_CONNECT"
	PortProvisioned         PortState = "PROVISIONED"
	PortActive              PortState = "ACTIVE"
	PortDeprovisioning      PortState = "DEPROVISIONING"
	PortDeprovisioned       PortState = "DEPROVISIONED"
	PortInactive            PortState = "INACTIVE"
	PortFailed              PortState = "FAILED"
	PortAdded               PortState = "ADDED"
	PortDeleted             PortState = "DELETED"
	PortToBeAdded           PortState = "TO_BE_ADDED"
	PortToBeDeleted         PortState = "TO_BE_DELETED"
)

// ConnectionState is the lifecycle state of a connection.
type ConnectionState string

// The states of connections.
const (
	ConnectionDraft          ConnectionState = "DRAFT"
	ConnectionPending        ConnectionState = "PENDING"
	ConnectionProvisioning   ConnectionState = "PROVISIONING"
	ConnectionReprovisioning ConnectionState = "REPROVISIONING"
	ConnectionProvisioned    ConnectionState = "PROVISIONED"
	ConnectionActive         ConnectionState = "ACTIVE"
	ConnectionDeprovisioning ConnectionState = "DEPROVISIONING"
	ConnectionDeprovisioned  ConnectionState = "DEPROVISIONED"
	ConnectionCancelled      ConnectionState = "CANCELLED"
	ConnectionFailed         ConnectionState = "FAILED"
)

// EquinixStatus is how far the exchange is with a connection or network.
type EquinixStatus string

// The statuses at the exchange.
const (
	EquinixDraft                    EquinixStatus = "DRAFT"
	EquinixPendingApproval          EquinixStatus = "PENDING_APPROVAL"
	EquinixPendingAutoApproval      EquinixStatus = "PENDING_AUTO_APPROVAL"
	EquinixAutoApprovalFailed       EquinixStatus = "AUTO_APPROVAL_FAILED"
	EquinixRejected                 EquinixStatus = "REJECTED"
	EquinixRejectedAck              EquinixStatus = "REJECTED_ACK"
	EquinixProvisioning             EquinixStatus = "PROVISIONING"
	EquinixNotProvisioned           EquinixStatus = "NOT_PROVISIONED"
	EquinixProvisioned              EquinixStatus = "PROVISIONED"
	EquinixPendingBGPPeering        EquinixStatus = "PENDING_BGP_PEERING"
	EquinixPendingProviderVLAN      EquinixStatus = "PENDING_PROVIDER_VLAN"
	EquinixPendingProviderVLANError EquinixStatus = "PENDING_PROVIDER_VLAN_ERROR"
	EquinixPendingInterface         EquinixStatus = "PENDING_INTERFACE_CONFIGURATION"
	EquinixPendingDelete            EquinixStatus = "PENDING_DELETE"
	EquinixDeprovisioning           EquinixStatus = "DEPROVISIONING"
	EquinixNotDeprovisioned         EquinixStatus = "NOT_DEPROVISIONED"
	EquinixDeprovisioned            EquinixStatus = "DEPROVISIONED"
	EquinixDeleted                  EquinixStatus = "DELETED"
	EquinixCancelled                EquinixStatus = "CANCELLED"
)

// ProviderStatus is how far the seller is with a connection.
type ProviderStatus string

// The statuses at the seller.
const (
	ProviderNotAvailable   ProviderStatus = "NOT_AVAILABLE"
	ProviderNone           ProviderStatus = "N/A"
	ProviderOrdering       ProviderStatus = "ORDERING"
	ProviderPendingApprove ProviderStatus = "PENDING_APPROVAL"
	ProviderPendingConfig  ProviderStatus = "PENDING_CONFIGURATION"
	ProviderPendingBGP     ProviderStatus = "PENDING_BGP"
	ProviderProvisioning   ProviderStatus = "PROVISIONING"
	ProviderAvailable      ProviderStatus = "AVAILABLE"
	ProviderProvisioned    ProviderStatus = "PROVISIONED"
	ProviderRejected       ProviderStatus = "REJECTED"
	ProviderFailed         ProviderStatus = "FAILED"
	ProviderError          ProviderStatus = "ERROR"
	ProviderPendingDelete  ProviderStatus = "PENDING DELETE"
	ProviderDeleting       ProviderStatus = "DELETING"
	ProviderDeprovisioning ProviderStatus = "DEPROVISIONING"
	ProviderDeprovisioned  ProviderStatus = "DEPROVISIONED"
)

// ConnectionType says what a connection is. Types that no switch of an exchange carries are not listed.
type ConnectionType string

// The types of connections between ports, and of ports to networks and to a peering LAN.
const (
	TypeEVPL    ConnectionType = "EVPL_VC"
	TypeEPL     ConnectionType = "EPL_VC"
	TypeEVPLAN  ConnectionType = "EVPLAN_VC"
	TypeEPLAN   ConnectionType = "EPLAN_VC"
	TypeEVPTREE ConnectionType = "EVPTREE_VC"
	TypeEPTREE  ConnectionType = "EPTREE_VC"
	TypeIX      ConnectionType = "IX_VC"
)

// NetworkType says who reaches whom in a network.
type NetworkType string

// The types of networks at layer 2.
const (
	NetworkEVPLAN  NetworkType = "EVPLAN"
	NetworkEPLAN   NetworkType = "EPLAN"
	NetworkEVPTREE NetworkType = "EVPTREE"
	NetworkEPTREE  NetworkType = "EPTREE"
)

// NetworkState is the lifecycle state of a network.
type NetworkState string

// The states of networks.
const (
	NetworkActive   NetworkState = "ACTIVE"
	NetworkInactive NetworkState = "INACTIVE"
	NetworkDeleted  NetworkState = "DELETED"
)

// ProfileType says what a service profile sells.
type ProfileType string

// The types of profiles that connections at layer 2 are ordered against.
const (
	ProfileL2 ProfileType = "L2_PROFILE"
	ProfileIX ProfileType = "IX_PROFILE"
)

// ProfileState is the lifecycle state of a service profile.
type ProfileState string

// The states of service profiles.
const (
	ProfileActive          ProfileState = "ACTIVE"
	ProfilePendingApproval ProfileState = "PENDING_APPROVAL"
	ProfileDeleted         ProfileState = "DELETED"
	ProfileRejected        ProfileState = "REJECTED"
)

// Tagging says how the frames of a port or connection are tagged.
type Tagging string

// The taggings: none, one tag, or two tags.
const (
	Untagged Tagging = "UNTAGGED"
	Dot1Q    Tagging = "DOT1Q"
	QinQ     Tagging = "QINQ"
)

// Priority tells the two connections of a redundancy group apart.
type Priority string

// The priorities.
const (
	Primary   Priority = "PRIMARY"
	Secondary Priority = "SECONDARY"
)

// Role is the place of a connection in a tree. A leaf reaches only roots.
type Role string

// The roles.
const (
	RoleRoot Role = "ROOT"
	RoleLeaf Role = "LEAF"
)

// Change is what is to become of a connection.
type Change struct {
	Type   string `json:"type"`
	Status string `json:"status"`
}

// The types of a [Change], and its statuses while it is under way.
const (
	ChangeUpdate    = "CONNECTION_UPDATE"
	ChangeDeletion  = "CONNECTION_DELETION"
	ChangeRequested = "REQUESTED"
	ChangeSubmitted = "SUBMITTED_FOR_APPROVAL"
	ChangeApproved  = "APPROVED"
)

// TagProtocolID is the ethertype of an outer VLAN tag. It is written "0x88a8" here whether a server wrote it so, in
// capitals, or in decimal as version 4 of the API has it, in a string or not. Anything else is kept as it was written.
type TagProtocolID string

// ErrTagProtocolID says that a [TagProtocolID] is none that is in use.
var ErrTagProtocolID = errors.New("not a tag protocol id of 0x8100, 0x88a8, 0x9100 or 0x9200")

// ParseTagProtocolID returns the one form of what was written as s.
func ParseTagProtocolID(s string) TagProtocolID {
	t := TagProtocolID(s)
	if n, err := t.TPID(); err == nil {
		return TagProtocolID(fmt.Sprintf("%#04x", n))
	}
	return t
}

// TPID returns the number of the ethertype. A bare "8100" is the decimal number, and so an error.
func (t TagProtocolID) TPID() (uint16, error) {
	digits, base := string(t), 10
	if hex, ok := strings.CutPrefix(strings.ToLower(digits), "0x"); ok {
		digits, base = hex, 16
	}
	if n, err := strconv.ParseUint(digits, base, 16); err == nil {
		switch n {
		case 0x8100, 0x88a8, 0x9100, 0x9200:
			return uint16(n), nil
		}
	}
	return 0, fmt.Errorf("%w: %q", ErrTagProtocolID, rest.Clip(string(t)))
}

// UnmarshalJSON reads a string or a number. What is neither is kept as its text, so that nothing else of a record is
// lost with it.
func (t *TagProtocolID) UnmarshalJSON(text []byte) error {
	var s string
	switch {
	case string(text) == "null":
	case json.Unmarshal(text, &s) == nil:
		*t = ParseTagProtocolID(s)
	default:
		*t = ParseTagProtocolID(string(text))
	}
	return nil
}

// MarshalJSON writes the decimal number in a string, as version 4 of the API has it.
func (t TagProtocolID) MarshalJSON() ([]byte, error) {
	if n, err := t.TPID(); err == nil {
		return json.Marshal(strconv.Itoa(int(n)))
	}
	return json.Marshal(string(t))
}
