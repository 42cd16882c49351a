package ixapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/ixagent/ixagent/models/rest"
)

// In the types of this file an empty string, a nil pointer and a nil slice stand
// for a field that is null, missing or redacted, a slice that is empty but not
// nil for a list the exchange gave as empty. Speeds and capacities are in Mbit/s.
// Dates are YYYY-MM-DD, as the exchange wrote them. Faulty marks a record that
// Decode could not read completely or that shares its id with another; what
// could be read of it is there, but nothing may be concluded from the rest.

// StatusMessage explains the state of a record to people. Severity is that of
// syslog, 0 (emergency) to 7 (debug). What cannot be read of a message is left
// zero: a message decides nothing on a switch, so it never makes a record faulty.
type StatusMessage struct {
	Severity  int            `json:"severity"`
	Tag       string         `json:"tag"`
	Message   string         `json:"message"`
	Attrs     map[string]any `json:"attrs"`
	Timestamp time.Time      `json:"timestamp,omitzero"`
}

// UnmarshalJSON reads a message as far as it is readable. Numbers within Attrs
// are json.Number.
func (m *StatusMessage) UnmarshalJSON(text []byte) error {
	var w struct {
		Severity     int
		Tag, Message string
		Attrs        map[string]any
		Timestamp    string
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&w); err != nil && !wrongType(err) {
		return err
	}
	*m = StatusMessage{Severity: w.Severity, Tag: w.Tag, Message: w.Message, Attrs: w.Attrs}
	if m.Timestamp.UnmarshalText([]byte(w.Timestamp)) != nil {
		m.Timestamp = time.Time{}
	}
	return nil
}

// Account is a company that buys at the exchange, or the exchange itself.
type Account struct {
	ID                       ID              `json:"id"`
	State                    State           `json:"state,omitzero"`
	Status                   []StatusMessage `json:"status,omitzero"`
	ManagingAccount          ID              `json:"managing_account,omitzero"`
	Name                     string          `json:"name,omitzero"`
	LegalName                string          `json:"legal_name,omitzero"`
	ExternalRef              string          `json:"external_ref,omitzero"`
	Discoverable             bool            `json:"discoverable,omitzero"`
	MetroAreaNetworkPresence []ID            `json:"metro_area_network_presence,omitzero"`
	ASNs                     []uint32        `json:"asns,omitzero"`
	Faulty                   bool            `json:"-"`
}

// Facility is a building.
type Facility struct {
	ID                  ID       `json:"id"`
	Name                string   `json:"name,omitzero"`
	MetroArea           ID       `json:"metro_area,omitzero"`
	AddressCountry      string   `json:"address_country,omitzero"`
	AddressLocality     string   `json:"address_locality,omitzero"`
	AddressRegion       string   `json:"address_region,omitzero"`
	PostalCode          string   `json:"postal_code,omitzero"`
	StreetAddress       string   `json:"street_address,omitzero"`
	PeeringDBFacilityID *int     `json:"peeringdb_facility_id,omitzero"`
	OrganisationName    string   `json:"organisation_name,omitzero"`
	PoPs                []ID     `json:"pops,omitzero"`
	Latitude            *float64 `json:"latitude,omitzero"`
	Longitude           *float64 `json:"longitude,omitzero"`
	Faulty              bool     `json:"-"`
}

// PointOfPresence is the exchange's presence in a facility.
type PointOfPresence struct {
	ID               ID     `json:"id"`
	Name             string `json:"name,omitzero"`
	Facility         ID     `json:"facility,omitzero"`
	MetroAreaNetwork ID     `json:"metro_area_network,omitzero"`
	Devices          []ID   `json:"devices,omitzero"`
	AvailabilityZone ID     `json:"availability_zone,omitzero"`
	Faulty           bool   `json:"-"`
}

// Device is a switch. IX-API gives no management address for it.
type Device struct {
	ID           ID           `json:"id"`
	Name         string       `json:"name,omitzero"`
	PoP          ID           `json:"pop,omitzero"`
	Facility     ID           `json:"facility,omitzero"`
	Capabilities []Capability `json:"capabilities,omitzero"`
	Faulty       bool         `json:"-"`
}

// Capability is one kind of port of a device. Availability counts its free ports.
type Capability struct {
	MediaType    string `json:"media_type,omitzero"`
	Speed        int    `json:"speed,omitzero"`
	MaxLAG       int    `json:"max_lag,omitzero"`
	Availability int    `json:"availability,omitzero"`
}

// Port is the demarcation between a customer and the exchange. Name is free text
// of the exchange's.
type Port struct {
	ID               ID              `json:"id"`
	State            State           `json:"state,omitzero"`
	Status           []StatusMessage `json:"status,omitzero"`
	ManagingAccount  ID              `json:"managing_account,omitzero"`
	ConsumingAccount ID              `json:"consuming_account,omitzero"`
	BillingAccount   ID              `json:"billing_account,omitzero"`
	ExternalRef      string          `json:"external_ref,omitzero"`
	RoleAssignments  []ID            `json:"role_assignments,omitzero"`
	Connection       ID              `json:"connection,omitzero"`
	Name             string          `json:"name,omitzero"`
	Speed            *int            `json:"speed,omitzero"`
	MediaType        string          `json:"media_type,omitzero"`
	OperationalState string          `json:"operational_state,omitzero"`
	Device           ID              `json:"device,omitzero"`
	PoP              ID              `json:"pop,omitzero"`
	Faulty           bool            `json:"-"`
}

// Connection is the bundle of ports that network service configs join: the LAG,
// or the single port when Mode is standalone. CapacityAllocated is the sum over
// its configs; a nil CapacityAllocationLimit means none.
type Connection struct {
	ID                      ID              `json:"id"`
	State                   State           `json:"state,omitzero"`
	Status                  []StatusMessage `json:"status,omitzero"`
	DecommissionAt          string          `json:"decommission_at,omitzero"`
	ManagingAccount         ID              `json:"managing_account,omitzero"`
	ConsumingAccount        ID              `json:"consuming_account,omitzero"`
	BillingAccount          ID              `json:"billing_account,omitzero"`
	ExternalRef             string          `json:"external_ref,omitzero"`
	RoleAssignments         []ID            `json:"role_assignments,omitzero"`
	Name                    string          `json:"name,omitzero"`
	Mode                    Mode            `json:"mode,omitzero"`
	LACPTimeout             LACPTimeout     `json:"lacp_timeout,omitzero"`
	ProductOffering         ID              `json:"product_offering,omitzero"`
	Ports                   []ID            `json:"ports,omitzero"`
	PortReservations        []ID            `json:"port_reservations,omitzero"`
	PortQuantity            *int            `json:"port_quantity,omitzero"`
	PoP                     ID              `json:"pop,omitzero"`
	Speed                   *int            `json:"speed,omitzero"`
	CapacityAllocated       *int            `json:"capacity_allocated,omitzero"`
	CapacityAllocationLimit *int            `json:"capacity_allocation_limit,omitzero"`
	VLANTypes               []VLANType      `json:"vlan_types,omitzero"`
	OuterVLANEthertypes     []Ethertype     `json:"outer_vlan_ethertypes,omitzero"`
	SubscriberSideDemarcs   []string        `json:"subscriber_side_demarcs,omitzero"`
	MetroArea               ID              `json:"metro_area,omitzero"`
	MetroAreaNetwork        ID              `json:"metro_area_network,omitzero"`
	Faulty                  bool            `json:"-"`
}

// NetworkService is what network service configs join. Its fields are the union
// over the five types; Type says which apply. It carries no VLAN or VNI.
type NetworkService struct {
	ID                  ID              `json:"id"`
	Type                ServiceType     `json:"type,omitzero"`
	State               State           `json:"state,omitzero"`
	Status              []StatusMessage `json:"status,omitzero"`
	DecommissionAt      string          `json:"decommission_at,omitzero"`
	ManagingAccount     ID              `json:"managing_account,omitzero"`
	ConsumingAccount    ID              `json:"consuming_account,omitzero"`
	BillingAccount      ID              `json:"billing_account,omitzero"`
	ExternalRef         string          `json:"external_ref,omitzero"`
	ProductOffering     ID              `json:"product_offering,omitzero"`
	NSCProductOfferings []ID            `json:"nsc_product_offerings,omitzero"`
	NetworkFeatures     []ID            `json:"network_features,omitzero"`

	// exchange_lan has a Name, the other types a DisplayName (before IX-API 2.4
	// p2mp_vc and mp2mp_vc have a Name too).
	Name             string `json:"name,omitzero"`
	DisplayName      string `json:"display_name,omitzero"`
	MetroAreaNetwork ID     `json:"metro_area_network,omitzero"`
	PeeringDBIXID    *int   `json:"peeringdb_ixid,omitzero"`
	IXFDBIXID        *int   `json:"ixfdb_ixid,omitzero"`

	// exchange_lan and mp2mp_vc; CIDR text.
	SubnetV4 string `json:"subnet_v4,omitzero"`
	SubnetV6 string `json:"subnet_v6,omitzero"`

	// p2p_vc: the account of the B side; p2p_vc and cloud_vc: Capacity.
	JoiningMemberAccount ID   `json:"joining_member_account,omitzero"`
	Capacity             *int `json:"capacity,omitzero"`

	// p2mp_vc and mp2mp_vc.
	Public             bool  `json:"public,omitzero"`
	MemberJoiningRules []ID  `json:"member_joining_rules,omitzero"`
	MACACLProtection   *bool `json:"mac_acl_protection,omitzero"`

	// cloud_vc. Diversity is the number of handovers.
	CloudKey    string `json:"cloud_key,omitzero"`
	Diversity   int    `json:"diversity,omitzero"`
	ProviderRef string `json:"provider_ref,omitzero"`

	Faulty bool `json:"-"`
}

// NetworkServiceConfig joins a connection to a network service. Its fields are
// the union over the five types; Type says which apply.
//
// Since IX-API 2.7 a config may hang on a RoutingFunction instead of a
// Connection; it then has no VLANConfig. An exchange has up to a million of
// these, so contacts, billing and feature configs are left out.
type NetworkServiceConfig struct {
	ID               ID              `json:"id"`
	Type             ServiceType     `json:"type,omitzero"`
	State            State           `json:"state,omitzero"`
	Status           []StatusMessage `json:"status,omitzero"`
	DecommissionAt   string          `json:"decommission_at,omitzero"`
	ManagingAccount  ID              `json:"managing_account,omitzero"`
	ConsumingAccount ID              `json:"consuming_account,omitzero"`
	ExternalRef      string          `json:"external_ref,omitzero"`
	NetworkService   ID              `json:"network_service,omitzero"`
	Connection       ID              `json:"connection,omitzero"`
	RoutingFunction  ID              `json:"routing_function,omitzero"`
	ProductOffering  ID              `json:"product_offering,omitzero"`
	VLANConfig       *VLANConfig     `json:"vlan_config,omitzero"`
	Capacity         *int            `json:"capacity,omitzero"`

	// exchange_lan; MACs since 2.7 for p2p_vc and p2mp_vc, and for mp2mp_vc.
	MACs              []ID     `json:"macs,omitzero"`
	IPs               []ID     `json:"ips,omitzero"`
	ASNs              []uint32 `json:"asns,omitzero"`
	ConsumerSideReady *bool    `json:"consumer_side_ready,omitzero"`

	// p2mp_vc.
	Role Role `json:"role,omitzero"`

	// cloud_vc. Handover is 1 to the service's Diversity; CloudVLAN is 0 for null.
	CloudConfig *CloudConfig `json:"cloud_config,omitzero"`
	Handover    uint16       `json:"handover,omitzero"`
	CloudVLAN   uint16       `json:"cloud_vlan,omitzero"`

	Listed bool `json:"listed,omitzero"`
	Faulty bool `json:"-"`
}

// EffectiveCloudVLAN returns the VLAN towards the cloud provider, from the
// cloud_config of IX-API 2.7 or the older cloud_vlan, and 0 when neither is given.
func (c *NetworkServiceConfig) EffectiveCloudVLAN() uint16 {
	if c.CloudConfig != nil && c.CloudConfig.VLAN != 0 {
		return c.CloudConfig.VLAN
	}
	return c.CloudVLAN
}

type (
	plainConfig NetworkServiceConfig
	configWire  struct {
		*plainConfig
		VLANConfig *vlanWire `json:"vlan_config"`
	}
)

func (c *NetworkServiceConfig) decode(dec *json.Decoder) error {
	w := configWire{plainConfig: (*plainConfig)(c)}
	err := dec.Decode(&w)
	if w.VLANConfig != nil {
		c.VLANConfig = w.VLANConfig.config()
	}
	return err
}

// UnmarshalJSON reads what can be read of a config and returns the first field
// of a wrong type as its error.
func (c *NetworkServiceConfig) UnmarshalJSON(text []byte) error {
	return c.decode(json.NewDecoder(bytes.NewReader(text)))
}

// CloudConfig is the provider side of a cloud_vc config (IX-API 2.7). VLAN is 0
// for null.
type CloudConfig struct {
	VLAN        uint16 `json:"vlan,omitzero"`
	PeeringType string `json:"peering_type,omitzero"`
}

// VLANConfig says which frames of the connection a config takes. VLAN is the tag
// of dot1q, OuterVLAN and InnerVLAN those of qinq; 0 stands for null, which asks
// the exchange to choose. Ethertype is that of the VLAN or the OuterVLAN; the
// inner tag is always 0x8100.
//
// Transparent is an extension that no server of IX-API sends: tags that frames
// have behind the one of dot1q, or on a port, pass unseen. Other exchanges sell
// that, and are mapped to IX-API's records.
type VLANConfig struct {
	Type      VLANType
	Ethertype Ethertype
	VLAN      uint16
	OuterVLAN uint16
	InnerVLAN uint16

	Transparent bool
}

// TPID returns the tag protocol identifier of the outer tag; see Ethertype.TPID.
func (v VLANConfig) TPID() (uint16, error) { return v.Ethertype.TPID() }

// vlanWire is a VLANConfig in the specification's field names.
type vlanWire struct {
	Type               VLANType  `json:"vlan_type,omitzero"`
	VLAN               uint16    `json:"vlan,omitzero"`
	VLANEthertype      Ethertype `json:"vlan_ethertype,omitzero"`
	OuterVLAN          uint16    `json:"outer_vlan,omitzero"`
	OuterVLANEthertype Ethertype `json:"outer_vlan_ethertype,omitzero"`
	InnerVLAN          uint16    `json:"inner_vlan,omitzero"`
	Transparent        bool      `json:"transparent,omitzero"`
}

func (w *vlanWire) config() *VLANConfig {
	ethertype := w.VLANEthertype
	if w.Type == VLANTypeQinQ {
		ethertype = w.OuterVLANEthertype
	}
	return &VLANConfig{
		Type:      w.Type,
		Ethertype: ethertype,
		VLAN:      w.VLAN,
		OuterVLAN: w.OuterVLAN,
		InnerVLAN: w.InnerVLAN,

		Transparent: w.Transparent,
	}
}

// MarshalJSON writes v in the specification's field names.
func (v VLANConfig) MarshalJSON() ([]byte, error) {
	w := vlanWire{Type: v.Type, VLAN: v.VLAN, OuterVLAN: v.OuterVLAN, InnerVLAN: v.InnerVLAN, Transparent: v.Transparent}
	if v.Type == VLANTypeQinQ {
		w.OuterVLANEthertype = v.Ethertype
	} else {
		w.VLANEthertype = v.Ethertype
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what can be read of v and returns the first field of a
// wrong type as its error.
func (v *VLANConfig) UnmarshalJSON(text []byte) error {
	var w vlanWire
	err := json.Unmarshal(text, &w)
	*v = *w.config()
	return err
}

// MAC is an Ethernet address a member has registered. It may be used from
// ValidNotBefore until ValidNotAfter; a zero time leaves that end open.
type MAC struct {
	ID               ID        `json:"id"`
	ManagingAccount  ID        `json:"managing_account,omitzero"`
	ConsumingAccount ID        `json:"consuming_account,omitzero"`
	ExternalRef      string    `json:"external_ref,omitzero"`
	Address          string    `json:"address,omitzero"`
	ValidNotBefore   time.Time `json:"valid_not_before,omitzero"`
	ValidNotAfter    time.Time `json:"valid_not_after,omitzero"`
	Faulty           bool      `json:"-"`
}

// Valid reports whether at lies within the address's window, both ends included.
func (m *MAC) Valid(at time.Time) bool { return within(at, m.ValidNotBefore, m.ValidNotAfter) }

// HardwareAddr returns the six bytes of the address. It is an error when the
// text is not an EUI-48, or is one no station may send from: a group address
// (IEEE 802-2014 8.2) or all zeros.
func (m *MAC) HardwareAddr() ([6]byte, error) {
	hw, err := net.ParseMAC(m.Address)
	if err != nil || len(hw) != 6 {
		return [6]byte{}, fmt.Errorf("mac %q: not an ethernet address: %q", rest.Clip(m.ID), rest.Clip(m.Address))
	}
	addr := [6]byte(hw)
	if addr[0]&1 != 0 || addr == [6]byte{} {
		return [6]byte{}, fmt.Errorf("mac %q: not a unicast address: %q", rest.Clip(m.ID), rest.Clip(m.Address))
	}
	return addr, nil
}

// UnmarshalJSON reads what can be read of a MAC and returns the first field of a
// wrong type as its error.
func (m *MAC) UnmarshalJSON(text []byte) error {
	type plainMAC MAC
	w := struct {
		*plainMAC
		ValidNotBefore *string `json:"valid_not_before"`
		ValidNotAfter  *string `json:"valid_not_after"`
	}{plainMAC: (*plainMAC)(m)}
	err := json.Unmarshal(text, &w)
	return cmp.Or(err,
		parseTime("/valid_not_before", w.ValidNotBefore, &m.ValidNotBefore),
		parseTime("/valid_not_after", w.ValidNotAfter, &m.ValidNotAfter))
}

// IP is an address assigned to a member or to a feature of the exchange. It may
// be used from ValidNotBefore until ValidNotAfter; a zero time leaves that end
// open.
type IP struct {
	ID               ID        `json:"id"`
	ManagingAccount  ID        `json:"managing_account,omitzero"`
	ConsumingAccount ID        `json:"consuming_account,omitzero"`
	ExternalRef      string    `json:"external_ref,omitzero"`
	Version          int       `json:"version,omitzero"`
	Address          string    `json:"address,omitzero"`
	PrefixLength     int       `json:"prefix_length,omitzero"`
	FQDN             string    `json:"fqdn,omitzero"`
	ValidNotBefore   time.Time `json:"valid_not_before,omitzero"`
	ValidNotAfter    time.Time `json:"valid_not_after,omitzero"`
	Faulty           bool      `json:"-"`
}

// Valid reports whether at lies within the address's window, both ends included.
func (ip *IP) Valid(at time.Time) bool { return within(at, ip.ValidNotBefore, ip.ValidNotAfter) }

// Prefix returns the address with its prefix length, host bits kept.
func (ip *IP) Prefix() (netip.Prefix, error) {
	addr, err := netip.ParseAddr(ip.Address)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("ip %q: not an address: %q", rest.Clip(ip.ID), rest.Clip(ip.Address))
	}
	prefix := netip.PrefixFrom(addr, ip.PrefixLength)
	if !prefix.IsValid() {
		return netip.Prefix{}, fmt.Errorf("ip %q: prefix length %d does not fit %s", rest.Clip(ip.ID), ip.PrefixLength, addr)
	}
	return prefix, nil
}

// UnmarshalJSON reads what can be read of an IP and returns the first field of a
// wrong type as its error.
func (ip *IP) UnmarshalJSON(text []byte) error {
	type plainIP IP
	w := struct {
		*plainIP
		ValidNotBefore *string `json:"valid_not_before"`
		ValidNotAfter  *string `json:"valid_not_after"`
	}{plainIP: (*plainIP)(ip)}
	err := json.Unmarshal(text, &w)
	return cmp.Or(err,
		parseTime("/valid_not_before", w.ValidNotBefore, &ip.ValidNotBefore),
		parseTime("/valid_not_after", w.ValidNotAfter, &ip.ValidNotAfter))
}

// ProductOffering is what the exchange sells. A BandwidthMax is a rate limit
// that is always enforced. Its fields are the union over the types.
type ProductOffering struct {
	ID                        ID           `json:"id"`
	Type                      OfferingType `json:"type,omitzero"`
	Name                      string       `json:"name,omitzero"`
	DisplayName               string       `json:"display_name,omitzero"`
	ResourceType              string       `json:"resource_type,omitzero"`
	HandoverMetroAreaNetwork  ID           `json:"handover_metro_area_network,omitzero"`
	HandoverMetroArea         ID           `json:"handover_metro_area,omitzero"`
	HandoverPoP               ID           `json:"handover_pop,omitzero"`
	ServiceMetroAreaNetwork   ID           `json:"service_metro_area_network,omitzero"`
	ServiceMetroArea          ID           `json:"service_metro_area,omitzero"`
	ServiceProvider           string       `json:"service_provider,omitzero"`
	ServiceProviderRegion     string       `json:"service_provider_region,omitzero"`
	ServiceProviderPoP        string       `json:"service_provider_pop,omitzero"`
	ServiceProviderWorkflow   string       `json:"service_provider_workflow,omitzero"`
	DeliveryMethod            string       `json:"delivery_method,omitzero"`
	ProviderVLANs             string       `json:"provider_vlans,omitzero"`
	PhysicalPortSpeed         *int         `json:"physical_port_speed,omitzero"`
	MaximumPortQuantity       *int         `json:"maximum_port_quantity,omitzero"`
	BandwidthMin              *int         `json:"bandwidth_min,omitzero"`
	BandwidthMax              *int         `json:"bandwidth_max,omitzero"`
	Diversity                 int          `json:"diversity,omitzero"`
	DowngradeAllowed          bool         `json:"downgrade_allowed,omitzero"`
	UpgradeAllowed            bool         `json:"upgrade_allowed,omitzero"`
	ExchangeLANNetworkService ID           `json:"exchange_lan_network_service,omitzero"`
	Faulty                    bool         `json:"-"`
}

// NetworkFeature is something a network service offers to its members; a
// Required one must be configured before a config reaches production.
type NetworkFeature struct {
	ID                       ID            `json:"id"`
	Type                     FeatureType   `json:"type,omitzero"`
	Name                     string        `json:"name,omitzero"`
	Required                 bool          `json:"required,omitzero"`
	NetworkService           ID            `json:"network_service,omitzero"`
	Flags                    []FeatureFlag `json:"flags,omitzero"`
	ASN                      uint32        `json:"asn,omitzero"`
	FQDN                     string        `json:"fqdn,omitzero"`
	LookingGlassURL          string        `json:"looking_glass_url,omitzero"`
	AddressFamilies          []string      `json:"address_families,omitzero"`
	SessionMode              string        `json:"session_mode,omitzero"`
	AvailableBGPSessionTypes []string      `json:"available_bgp_session_types,omitzero"`
	IPv4                     string        `json:"ip_v4,omitzero"`
	IPv6                     string        `json:"ip_v6,omitzero"`
	Faulty                   bool          `json:"-"`
}

// FeatureFlag is an exchange-specific option: of a NetworkFeature when it has a
// description, of a NetworkFeatureConfig when it is Enabled or not.
type FeatureFlag struct {
	Name        string `json:"name"`
	Description string `json:"description,omitzero"`
	Mandatory   *bool  `json:"mandatory,omitzero"`
	Enabled     *bool  `json:"enabled,omitzero"`
}

// NetworkFeatureConfig is a member's use of a NetworkFeature through one of its
// network service configs. Its session password is not read.
type NetworkFeatureConfig struct {
	ID                   ID              `json:"id"`
	Type                 FeatureType     `json:"type,omitzero"`
	State                State           `json:"state,omitzero"`
	Status               []StatusMessage `json:"status,omitzero"`
	ManagingAccount      ID              `json:"managing_account,omitzero"`
	ConsumingAccount     ID              `json:"consuming_account,omitzero"`
	BillingAccount       ID              `json:"billing_account,omitzero"`
	ExternalRef          string          `json:"external_ref,omitzero"`
	RoleAssignments      []ID            `json:"role_assignments,omitzero"`
	NetworkFeature       ID              `json:"network_feature,omitzero"`
	NetworkServiceConfig ID              `json:"network_service_config,omitzero"`
	ASN                  uint32          `json:"asn,omitzero"`
	ASSetV4              string          `json:"as_set_v4,omitzero"`
	ASSetV6              string          `json:"as_set_v6,omitzero"`
	MaxPrefixV4          *int            `json:"max_prefix_v4,omitzero"`
	MaxPrefixV6          *int            `json:"max_prefix_v6,omitzero"`
	InsertIXPASN         *bool           `json:"insert_ixp_asn,omitzero"`
	SessionMode          string          `json:"session_mode,omitzero"`
	BGPSessionType       string          `json:"bgp_session_type,omitzero"`
	IP                   ID              `json:"ip,omitzero"`
	Flags                []FeatureFlag   `json:"flags,omitzero"`
	Faulty               bool            `json:"-"`
}

// MemberJoiningRule lets an account join a network service, or keeps it out. The
// CapacityMax of an allow rule overrides the capacity of the account's configs.
type MemberJoiningRule struct {
	ID               ID       `json:"id"`
	Type             RuleType `json:"type,omitzero"`
	ManagingAccount  ID       `json:"managing_account,omitzero"`
	ConsumingAccount ID       `json:"consuming_account,omitzero"`
	ExternalRef      string   `json:"external_ref,omitzero"`
	NetworkService   ID       `json:"network_service,omitzero"`
	CapacityMin      *int     `json:"capacity_min,omitzero"`
	CapacityMax      *int     `json:"capacity_max,omitzero"`
	Faulty           bool     `json:"-"`
}

// parseTime reads a time that was decoded as text, so that a bad one does not end
// the decoding of its record. It leaves at alone when text is nil: null is an
// open end.
func parseTime(pointer string, text *string, at *time.Time) error {
	if text == nil {
		return nil
	}
	if err := at.UnmarshalText([]byte(*text)); err != nil {
		*at = time.Time{}
		return &fieldError{pointer: pointer, err: fmt.Errorf("not a date-time of RFC 3339: %q", rest.Clip(*text))}
	}
	return nil
}

func within(at, notBefore, notAfter time.Time) bool {
	return (notBefore.IsZero() || !at.Before(notBefore)) && (notAfter.IsZero() || !at.After(notAfter))
}
