package ecx

import "encoding/json"

// In the types of this file an empty string, a nil pointer and a nil slice stand for a field that is null, missing or
// redacted. Speeds and bandwidths are in Mbit/s. Faulty marks a record that [Decode] could not read completely or that
// shares its uuid with another.

// Port is what a customer bought: a physical port, or if LAGEnabled a LAG of PhysicalPorts.
type Port struct {
	UUID          string         `json:"uuid"`
	Name          string         `json:"name,omitzero"`
	State         PortState      `json:"state,omitzero"`
	Speed         *int           `json:"physicalPortsSpeed,omitzero"`
	Media         string         `json:"physicalPortsType,omitzero"`
	Account       *Account       `json:"account,omitzero"`
	Location      *Location      `json:"location,omitzero"`
	Device        *Device        `json:"device,omitzero"`
	Encapsulation *Encapsulation `json:"encapsulation,omitzero"`
	LAGEnabled    *bool          `json:"lagEnabled,omitzero"`
	PhysicalPorts []PhysicalPort `json:"physicalPorts,omitzero"`
	Faulty        bool           `json:"-"`
}

// Device is a switch.
type Device struct {
	Name string `json:"name,omitzero"`
}

// Location is a building, IBX, in a metro.
type Location struct {
	MetroCode string `json:"metroCode,omitzero"`
	MetroName string `json:"metroName,omitzero"`
	IBX       string `json:"ibx,omitzero"`
}

// Encapsulation says how all frames of a port are tagged.
type Encapsulation struct {
	Type          Tagging       `json:"type,omitzero"`
	TagProtocolID TagProtocolID `json:"tagProtocolId,omitzero"`
}

// PhysicalPort is a member of a LAG, or the one port that a port is.
type PhysicalPort struct {
	UUID  string    `json:"uuid"`
	State PortState `json:"state,omitzero"`
	Speed *int      `json:"interfaceSpeed,omitzero"`
}

// Account is who something belongs to, and through which reseller.
type Account struct {
	Number           json.Number `json:"accountNumber,omitzero"`
	Name             string      `json:"accountName,omitzero"`
	OrganizationName string      `json:"organizationName,omitzero"`
	ResellerNumber   json.Number `json:"resellerAccountNumber,omitzero"`
	ResellerName     string      `json:"resellerAccountName,omitzero"`
}

// Connection is a virtual circuit from the buyer, ASide, to the seller or whatever else, ZSide.
type Connection struct {
	UUID       string          `json:"uuid"`
	Type       ConnectionType  `json:"type,omitzero"`
	Name       string          `json:"name,omitzero"`
	State      ConnectionState `json:"state,omitzero"`
	Change     *Change         `json:"change,omitzero"`
	Operation  *Operation      `json:"operation,omitzero"`
	Account    *Account        `json:"account,omitzero"`
	Bandwidth  *int            `json:"bandwidth,omitzero"`
	Redundancy *Redundancy     `json:"redundancy,omitzero"`
	ASide      *Side           `json:"aSide,omitzero"`
	ZSide      *Side           `json:"zSide,omitzero"`
	Faulty     bool            `json:"-"`
}

// Operation is how far the exchange and the seller are.
type Operation struct {
	EquinixStatus  EquinixStatus  `json:"equinixStatus,omitzero"`
	ProviderStatus ProviderStatus `json:"providerStatus,omitzero"`
}

// Redundancy is the place of a connection among two that stand in for each other.
type Redundancy struct {
	Group    string   `json:"group,omitzero"`
	Priority Priority `json:"priority,omitzero"`
}

// Side is one end of a connection.
type Side struct {
	AccessPoint *AccessPoint `json:"accessPoint,omitzero"`
}

// AccessPoint is where a connection ends: at a Port, in a Network, or at a Profile, whose seller gives the port when it
// approves. Other ends are not on a switch.
type AccessPoint struct {
	Type              string        `json:"type,omitzero"`
	Account           *Account      `json:"account,omitzero"`
	Port              *Reference    `json:"port,omitzero"`
	Profile           *Reference    `json:"profile,omitzero"`
	Network           *Reference    `json:"network,omitzero"`
	LinkProtocol      *LinkProtocol `json:"linkProtocol,omitzero"`
	Role              Role          `json:"role,omitzero"`
	AuthenticationKey string        `json:"authenticationKey,omitzero"`
	SellerRegion      string        `json:"sellerRegion,omitzero"`
}

// Reference names another record.
type Reference struct {
	UUID string `json:"uuid"`
	Name string `json:"name,omitzero"`
}

// LinkProtocol says by which tags a port knows the frames of a connection: VLANTag of [Dot1Q], VLANSTag and VLANCTag,
// outer and inner, of [QinQ].
type LinkProtocol struct {
	Type     Tagging `json:"type,omitzero"`
	VLANTag  int     `json:"vlanTag,omitzero"`
	VLANSTag int     `json:"vlanSTag,omitzero"`
	VLANCTag int     `json:"vlanCTag,omitzero"`
}

// Network is a LAN or tree that connections join.
type Network struct {
	UUID      string            `json:"uuid"`
	Type      NetworkType       `json:"type,omitzero"`
	Name      string            `json:"name,omitzero"`
	State     NetworkState      `json:"state,omitzero"`
	Operation *NetworkOperation `json:"operation,omitzero"`
	Account   *Account          `json:"account,omitzero"`
	Location  *Location         `json:"location,omitzero"`
	Faulty    bool              `json:"-"`
}

// NetworkOperation is how far the exchange is with a network.
type NetworkOperation struct {
	EquinixStatus EquinixStatus `json:"equinixStatus,omitzero"`
}

// ServiceProfile is what connections are ordered against. Ports are those of a seller that has its own.
type ServiceProfile struct {
	UUID    string       `json:"uuid"`
	Type    ProfileType  `json:"type,omitzero"`
	Name    string       `json:"name,omitzero"`
	State   ProfileState `json:"state,omitzero"`
	Account *Account     `json:"account,omitzero"`
	Ports   []Reference  `json:"ports,omitzero"`
	Faulty  bool         `json:"-"`
}

// ExchangeService is the use of a peering LAN through a connection of type [TypeIX].
type ExchangeService struct {
	UUID             string           `json:"uuid"`
	State            ConnectionState  `json:"state,omitzero"`
	Account          *Account         `json:"account,omitzero"`
	PublicConnection *Reference       `json:"publicPeeringConnection,omitzero"`
	RoutingProtocol  *RoutingProtocol `json:"routingProtocol,omitzero"`
	Faulty           bool             `json:"-"`
}

// RoutingProtocol is the router of a member on a peering LAN.
type RoutingProtocol struct {
	MACAddress  string `json:"macAddress,omitzero"`
	CustomerASN uint32 `json:"customerAsn,omitzero"`
}
