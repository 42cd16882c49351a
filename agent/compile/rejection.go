package compile

import (
	"cmp"
	"slices"
	"time"

	"github.com/ixagent/ixagent/models/ixapi"
)

// Rejection says that a record, or something it asks for, is not on the switches, or is there with a remark.
// It has the parts of an IX-API status message (IX-API 2.1, schema Status).
type Rejection struct {
	Collection ixapi.Collection `json:"collection"`
	ID         ixapi.ID         `json:"id"`
	Account    ixapi.ID         `json:"account,omitempty"` // the consuming account
	Device     string           `json:"device,omitempty"`  // in the inventory; empty if it is not known
	Severity   int              `json:"severity"`          // of syslog: 3 error, 4 warning, 5 notice, 6 informational
	Tag        Tag              `json:"tag"`               // for machines; stable
	Message    string           `json:"message"`           // one sentence for an operator
	Attrs      map[string]any   `json:"attrs,omitempty"`   // the values the sentence is about
}

// Status returns r as an IX-API status message.
func (r Rejection) Status(at time.Time) ixapi.StatusMessage {
	attrs := r.Attrs
	if attrs == nil {
		attrs = map[string]any{}
	}
	return ixapi.StatusMessage{Severity: r.Severity, Tag: string(r.Tag), Message: r.Message, Attrs: attrs, Timestamp: at}
}

// Refused reports whether the record is kept off the switches, as opposed to a remark about one that is there.
func (r Rejection) Refused() bool { return r.Severity <= severityWarning }

// Tag is the machine's word for a reason.
type Tag string

// The tags.
const (
	TagUnreadable          Tag = "record_unreadable"
	TagStateUnknown        Tag = "state_unknown"
	TagStateRedacted       Tag = "state_redacted"
	TagStateError          Tag = "state_error"
	TagStateOperator       Tag = "state_operator"
	TagModeUnsupported     Tag = "connection_mode_unsupported"
	TagModeUnknown         Tag = "connection_mode_unknown"
	TagLACPTimeout         Tag = "lacp_timeout_unknown"
	TagPortsMissing        Tag = "ports_missing"
	TagPortsNotOne         Tag = "standalone_needs_one_port"
	TagPortsApart          Tag = "ports_on_several_devices"
	TagPortUnmapped        Tag = "port_not_in_inventory"
	TagPortShared          Tag = "port_in_two_connections"
	TagPortMoved           Tag = "port_on_another_device"
	TagLAGTooLarge         Tag = "lag_too_large"
	TagLAGNumbers          Tag = "lag_numbers_exhausted"
	TagLACPUnsupported     Tag = "lacp_unsupported"
	TagConnectionUnknown   Tag = "connection_unknown"
	TagConnectionInactive  Tag = "connection_not_in_service"
	TagConnectionRefused   Tag = "connection_refused"
	TagRoutedOnly          Tag = "routing_function_only"
	TagServiceUnknown      Tag = "network_service_unknown"
	TagServiceInactive     Tag = "network_service_not_in_service"
	TagServiceType         Tag = "network_service_type_unknown"
	TagServiceMismatch     Tag = "network_service_type_differs"
	TagServiceUnsupported  Tag = "network_service_type_unsupported"
	TagServiceUnmapped     Tag = "exchange_lan_not_in_inventory"
	TagNoQuarantine        Tag = "no_quarantine_lan"
	TagVLANConfigMissing   Tag = "vlan_config_missing"
	TagVLANTypeUnknown     Tag = "vlan_type_unknown"
	TagVLANTypeNotOffered  Tag = "vlan_type_not_offered"
	TagVLANTypeUnsupported Tag = "vlan_type_unsupported"
	TagTransparency        Tag = "transparency_unsupported"
	TagVLANNotChosen       Tag = "vlan_not_chosen"
	TagVLANOutOfRange      Tag = "vlan_out_of_range"
	TagEthertypeUnknown    Tag = "ethertype_unknown"
	TagEthertypeNotOffered Tag = "ethertype_not_offered"
	TagEthertypeNoSupport  Tag = "ethertype_unsupported"
	TagEthertypeMixed      Tag = "ethertype_mixed"
	TagCollision           Tag = "vlan_collision"
	TagPortNotAlone        Tag = "port_not_alone"
	TagNotTogether         Tag = "not_together_on_port"
	TagSelfLoop            Tag = "bridged_to_itself"
	TagCapacityLimit       Tag = "capacity_above_limit"
	TagCapacityBounds      Tag = "capacity_out_of_bounds"
	TagCapacityNotOffered  Tag = "capacity_not_offered"
	TagCapacityUnenforced  Tag = "capacity_not_enforceable"
	TagRoleUnknown         Tag = "role_unknown"
	TagMACsMissing         Tag = "macs_missing"
	TagMACUnknown          Tag = "mac_unknown"
	TagMACInvalid          Tag = "mac_invalid"
	TagMACsNotValidNow     Tag = "macs_not_valid_now"
	TagMACsTooMany         Tag = "macs_too_many"
	TagFilterUnsupported   Tag = "mac_filter_unsupported"
	TagJoiningDenied       Tag = "joining_denied"
	TagLineEnds            Tag = "line_has_too_many_ends"
	TagLineOneSided        Tag = "line_one_sided"
	TagNoFabric            Tag = "no_fabric"
	TagFabricUnsupported   Tag = "fabric_unsupported"
	TagFabricNumbers       Tag = "fabric_numbers_exhausted"
	TagNoNNI               Tag = "nni_not_in_inventory"
	TagHandover            Tag = "handover_out_of_range"
	TagCloudVLANMissing    Tag = "cloud_vlan_missing"
	TagUnits               Tag = "units_exhausted"
)

const (
	severityError   = 3
	severityWarning = 4
	severityNotice  = 5
	severityInfo    = 6
)

func compareRejections(a, b Rejection) int {
	return cmp.Or(cmp.Compare(a.Collection, b.Collection), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.Message, b.Message), cmp.Compare(a.Device, b.Device), cmp.Compare(a.Account, b.Account))
}

func sortRejections(all []Rejection) []Rejection {
	slices.SortStableFunc(all, compareRejections)
	return all
}
