package metro

// The record types below carry the fields of IX-API 2.7.1 that an exchange fills in. Embedded structs are the
// mixins of the API: their fields appear in the record itself.

type message struct {
	Severity  int               `json:"severity"`
	Tag       string            `json:"tag"`
	Message   string            `json:"message"`
	Attrs     map[string]string `json:"attrs"`
	Timestamp string            `json:"timestamp"`
}

type stateful struct {
	State  string    `json:"state,omitempty"`
	Status []message `json:"status,omitzero"`
}

type ownable struct {
	ManagingAccount  string  `json:"managing_account"`
	ConsumingAccount string  `json:"consuming_account"`
	ExternalRef      *string `json:"external_ref"`
}

type invoiceable struct {
	BillingAccount string  `json:"billing_account"`
	PurchaseOrder  string  `json:"purchase_order"`
	ContractRef    *string `json:"contract_ref"`
}

type cancelable struct {
	DecommissionAt string `json:"decommission_at,omitempty"`
	ChargedUntil   string `json:"charged_until,omitempty"`
}

type address struct {
	Country       string  `json:"country"`
	Locality      string  `json:"locality"`
	Region        *string `json:"region"`
	PostalCode    string  `json:"postal_code"`
	StreetAddress string  `json:"street_address"`
}

type billing struct {
	Name    string  `json:"name"`
	Address address `json:"address"`
}

type account struct {
	ID string `json:"id"`
	stateful
	ManagingAccount *string  `json:"managing_account"`
	Name            string   `json:"name"`
	LegalName       *string  `json:"legal_name"`
	Billing         *billing `json:"billing_information,omitempty"`
	ExternalRef     *string  `json:"external_ref"`
	Discoverable    bool     `json:"discoverable"`
	Presence        []string `json:"metro_area_network_presence"`
	Address         address  `json:"address"`
	ASNs            []uint32 `json:"asns"`
}

type contact struct {
	ID string `json:"id"`
	ownable
	Name      string  `json:"name"`
	Telephone *string `json:"telephone"`
	Email     string  `json:"email"`
}

type role struct {
	ID             string   `json:"id"`
	Name           string   `json:"name"`
	RequiredFields []string `json:"required_fields"`
}

type roleAssignment struct {
	ID      string `json:"id"`
	Role    string `json:"role"`
	Contact string `json:"contact"`
}

type facility struct {
	ID             string   `json:"id"`
	Name           string   `json:"name"`
	MetroArea      string   `json:"metro_area"`
	Country        string   `json:"address_country"`
	Locality       string   `json:"address_locality"`
	Region         string   `json:"address_region"`
	PostalCode     string   `json:"postal_code"`
	StreetAddress  string   `json:"street_address"`
	PeeringDBID    *int     `json:"peeringdb_facility_id"`
	Organisation   string   `json:"organisation_name"`
	PointsPresence []string `json:"pops"`
	Latitude       float64  `json:"latitude"`
	Longitude      float64  `json:"longitude"`
}

type pop struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Facility string   `json:"facility"`
	Network  string   `json:"metro_area_network"`
	Devices  []string `json:"devices"`
}

type metroArea struct {
	ID          string   `json:"id"`
	UNLocode    string   `json:"un_locode"`
	IATACode    string   `json:"iata_code"`
	DisplayName string   `json:"display_name"`
	Facilities  []string `json:"facilities"`
	Networks    []string `json:"metro_area_networks"`
}

type metroAreaNetwork struct {
	ID              string   `json:"id"`
	Name            string   `json:"name"`
	MetroArea       string   `json:"metro_area"`
	ServiceProvider string   `json:"service_provider"`
	PointsPresence  []string `json:"pops"`
}

type capability struct {
	MediaType    string `json:"media_type"`
	Speed        int    `json:"speed"`
	MaxLAG       int    `json:"max_lag"`
	Availability int    `json:"availability"`
}

type device struct {
	ID           string       `json:"id"`
	Name         string       `json:"name"`
	Pop          string       `json:"pop"`
	Facility     string       `json:"facility"`
	Capabilities []capability `json:"capabilities"`

	used int // customer-facing ports handed out, Ethernet1 upwards
}

type port struct {
	ID string `json:"id"`
	stateful
	ownable
	invoiceable
	RoleAssignments  []string `json:"role_assignments"`
	Connection       *string  `json:"connection"`
	Name             *string  `json:"name"`
	Speed            int      `json:"speed"`
	MediaType        string   `json:"media_type"`
	OperationalState string   `json:"operational_state"`
	Device           string   `json:"device"`
	Pop              string   `json:"pop"`
}

type connection struct {
	ID string `json:"id"`
	stateful
	cancelable
	ownable
	invoiceable
	RoleAssignments    []string `json:"role_assignments"`
	Name               string   `json:"name"`
	Mode               string   `json:"mode"`
	LACPTimeout        *string  `json:"lacp_timeout"`
	ProductOffering    string   `json:"product_offering"`
	Ports              []string `json:"ports"`
	PortReservations   []string `json:"port_reservations"`
	Pop                string   `json:"pop"`
	Speed              *int     `json:"speed"`
	CapacityAllocated  int      `json:"capacity_allocated"`
	CapacityLimit      *int     `json:"capacity_allocation_limit"`
	VLANTypes          []string `json:"vlan_types"`
	Ethertypes         []string `json:"outer_vlan_ethertypes"`
	PortQuantity       int      `json:"port_quantity"`
	SubscriberDemarcs  []string `json:"subscriber_side_demarcs"`
	MetroArea          string   `json:"metro_area"`
	MetroAreaNetworkID string   `json:"metro_area_network"`

	owner *member
	tags  int // tag values handed out
}

type exchangeLAN struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	stateful
	ownable
	RequiredRoles    []string `json:"nsc_required_contact_roles"`
	Name             string   `json:"name"`
	MetroAreaNetwork string   `json:"metro_area_network"`
	PeeringDBID      *int     `json:"peeringdb_ixid"`
	IXFDBID          *int     `json:"ixfdb_ixid"`
	Features         []string `json:"network_features"`
	SubnetV4         string   `json:"subnet_v4"`
	SubnetV6         string   `json:"subnet_v6"`
	ProductOffering  string   `json:"product_offering"`
}

// service is every network service a member orders. Name and DisplayName say the same: schema 2.1 requires the one,
// 2.7 the other.
type service struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	stateful
	cancelable
	ownable
	invoiceable
	RequiredRoles   []string `json:"nsc_required_contact_roles"`
	ProductOffering string   `json:"product_offering"`
	Offerings       []string `json:"nsc_product_offerings,omitzero"`
	Name            string   `json:"name,omitempty"`
	DisplayName     string   `json:"display_name,omitempty"`
	*multipoint
	JoiningMember    string `json:"joining_member_account,omitempty"`
	Capacity         *int   `json:"capacity,omitempty"`
	MACACLProtection *bool  `json:"mac_acl_protection,omitempty"`
	*cloudService
}

type multipoint struct {
	Public             bool     `json:"public"`
	MemberJoiningRules []string `json:"member_joining_rules"`
	NetworkFeatures    []string `json:"network_features"`
}

type cloudService struct {
	CloudKey    string  `json:"cloud_key"`
	Diversity   int     `json:"diversity"`
	ProviderRef *string `json:"provider_ref"`
}

type dot1q struct {
	VLANType  string `json:"vlan_type"`
	VLAN      *int   `json:"vlan"`
	Ethertype string `json:"vlan_ethertype"`
}

type qinq struct {
	VLANType  string `json:"vlan_type"`
	Outer     int    `json:"outer_vlan"`
	Ethertype string `json:"outer_vlan_ethertype"`
	Inner     int    `json:"inner_vlan"`
}

type untagged struct {
	VLANType string `json:"vlan_type"`
}

type l3Config struct {
	NeighborASN     uint32 `json:"bgp_neighbor_asn"`
	NeighborAddress string `json:"bgp_neighbor_address"`
	LocalASN        uint32 `json:"local_asn"`
	LocalAddress    string `json:"local_address"`
}

type cloudPart struct {
	Handover  int  `json:"handover"`
	CloudVLAN *int `json:"cloud_vlan"`
}

type config struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	stateful
	cancelable
	ownable
	invoiceable
	RoleAssignments []string  `json:"role_assignments"`
	NetworkService  string    `json:"network_service"`
	Connection      *string   `json:"connection"`
	RoutingFunction *string   `json:"routing_function,omitempty"`
	L3Config        *l3Config `json:"l3_config,omitempty"`
	VLANConfig      any       `json:"vlan_config"`
	FeatureConfigs  []string  `json:"network_feature_configs"`
	ProductOffering *string   `json:"product_offering,omitempty"`
	Capacity        *int      `json:"capacity,omitempty"`
	ASNs            []uint32  `json:"asns,omitzero"`
	MACs            []string  `json:"macs,omitzero"`
	IPs             []string  `json:"ips,omitzero"`
	Listed          *bool     `json:"listed,omitempty"`
	Ready           *bool     `json:"consumer_side_ready,omitempty"`
	Role            string    `json:"role,omitempty"`
	*cloudPart
}

type mac struct {
	ID string `json:"id"`
	ownable
	Address        string  `json:"address"`
	ValidNotBefore *string `json:"valid_not_before"`
	ValidNotAfter  *string `json:"valid_not_after"`
}

type ip struct {
	ID string `json:"id"`
	ownable
	Version        int     `json:"version"`
	Address        string  `json:"address"`
	PrefixLength   int     `json:"prefix_length"`
	FQDN           *string `json:"fqdn"`
	ValidNotBefore *string `json:"valid_not_before"`
	ValidNotAfter  *string `json:"valid_not_after"`
}

type offering struct {
	Type             string  `json:"type"`
	ID               string  `json:"id"`
	Name             string  `json:"name"`
	DisplayName      string  `json:"display_name"`
	ResourceType     string  `json:"resource_type"`
	HandoverNetwork  string  `json:"handover_metro_area_network"`
	HandoverArea     string  `json:"handover_metro_area"`
	ServiceProvider  string  `json:"service_provider"`
	PortSpeed        *int    `json:"physical_port_speed"`
	DowngradeAllowed bool    `json:"downgrade_allowed"`
	UpgradeAllowed   bool    `json:"upgrade_allowed"`
	ContractTerms    *string `json:"contract_terms"`
	OrderableFrom    string  `json:"orderable_not_before,omitempty"`
	OrderableUntil   string  `json:"orderable_not_after,omitempty"`
	*contract
	*connectionOffering
	*serviceOffering
	ExchangeLAN string `json:"exchange_lan_network_service,omitempty"`
	*cloudOffering
}

// contract are the terms of an offering, as periods of ISO 8601.
type contract struct {
	InitialPeriod       string `json:"contract_initial_period"`
	InitialNoticePeriod string `json:"contract_initial_notice_period"`
	RenewalPeriod       string `json:"contract_renewal_period"`
	RenewalNoticePeriod string `json:"contract_renewal_notice_period"`
}

type connectionOffering struct {
	CrossConnectInitiator string   `json:"cross_connect_initiator"`
	HandoverPop           *string  `json:"handover_pop"`
	MaximumPortQuantity   int      `json:"maximum_port_quantity"`
	RequiredContactRoles  []string `json:"required_contact_roles"`
}

type serviceOffering struct {
	ProviderVLANs  string `json:"provider_vlans"`
	ServiceNetwork string `json:"service_metro_area_network"`
	ServiceArea    string `json:"service_metro_area"`
	BandwidthMin   *int   `json:"bandwidth_min"`
	BandwidthMax   *int   `json:"bandwidth_max"`
}

type cloudOffering struct {
	Region         *string `json:"service_provider_region"`
	ProviderPop    *string `json:"service_provider_pop"`
	Workflow       string  `json:"service_provider_workflow"`
	DeliveryMethod string  `json:"delivery_method"`
	Diversity      int     `json:"diversity"`
}

type flag struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Mandatory   bool   `json:"mandatory"`
}

type feature struct {
	Type            string   `json:"type"`
	ID              string   `json:"id"`
	Name            string   `json:"name"`
	Required        bool     `json:"required"`
	NetworkService  string   `json:"network_service"`
	RequiredRoles   []string `json:"nfc_required_contact_roles"`
	Flags           []flag   `json:"flags"`
	ASN             uint32   `json:"asn"`
	FQDN            string   `json:"fqdn"`
	AddressFamilies []string `json:"address_families"`
	SessionMode     string   `json:"session_mode"`
	SessionTypes    []string `json:"available_bgp_session_types"`
	IPv4            string   `json:"ip_v4"`
	IPv6            string   `json:"ip_v6"`
}

type flagValue struct {
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"`
}

type featureConfig struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	stateful
	ownable
	invoiceable
	RoleAssignments []string    `json:"role_assignments"`
	NetworkFeature  string      `json:"network_feature"`
	Config          string      `json:"network_service_config"`
	ASN             uint32      `json:"asn"`
	ASSetV4         *string     `json:"as_set_v4"`
	ASSetV6         *string     `json:"as_set_v6"`
	MaxPrefixV4     *int        `json:"max_prefix_v4"`
	MaxPrefixV6     *int        `json:"max_prefix_v6"`
	InsertIXPASN    bool        `json:"insert_ixp_asn"`
	SessionMode     string      `json:"session_mode"`
	SessionType     string      `json:"bgp_session_type"`
	IP              string      `json:"ip"`
	Flags           []flagValue `json:"flags"`
}

type joiningRule struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	ownable
	NetworkService string `json:"network_service"`
	CapacityMin    *int   `json:"capacity_min,omitempty"`
	CapacityMax    *int   `json:"capacity_max,omitempty"`
}
