package fabric

import "encoding/json"

// The records below carry the fields of Fabric v4 that are looked at. What else a request says is not kept.

type location struct {
	MetroCode string `json:"metroCode,omitempty"`
	MetroName string `json:"metroName,omitempty"`
	Region    string `json:"region,omitempty"`
	IBX       string `json:"ibx,omitempty"`
}

type changeLog struct {
	CreatedBy string `json:"createdBy,omitempty"`
	Created   string `json:"createdDateTime,omitempty"`
	UpdatedBy string `json:"updatedBy,omitempty"`
	Updated   string `json:"updatedDateTime,omitempty"`
	DeletedBy string `json:"deletedBy,omitempty"`
	Deleted   string `json:"deletedDateTime,omitempty"`
}

// A change is the latest that was asked for of a record.
type change struct {
	UUID    string     `json:"uuid"`
	Type    string     `json:"type"`
	Status  string     `json:"status,omitempty"`
	Created string     `json:"createdDateTime"`
	Updated string     `json:"updatedDateTime,omitempty"`
	Info    string     `json:"information,omitempty"`
	Data    *operation `json:"data,omitempty"`
}

// An operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value,omitempty"`
}

type project struct {
	ID string `json:"projectId"`
}

type notification struct {
	Type     string   `json:"type"`
	Interval string   `json:"sendInterval,omitempty"`
	Emails   []string `json:"emails"`
}

type keyValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// An encapsulation says how the frames of a port are tagged.
type encapsulation struct {
	Type string `json:"type"`
	TPID tpid   `json:"tagProtocolId,omitempty"`
}

// A tpid is the ethertype of an outer tag: a decimal number as text, as in "33024". It is also read from a number.
type tpid string

// UnmarshalJSON reads a tpid.
func (t *tpid) UnmarshalJSON(text []byte) error {
	var n json.Number
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	*t = tpid(n)
	return nil
}

// A place is an interface of a switch of the exchange, at which a customer can be connected.
type place struct {
	UUID   string `json:"uuid"`
	Device string `json:"device"`
	Name   string `json:"name"`
	Speed  int    `json:"speed"` // Mbit/s
	Metro  string `json:"metroCode"`
	IBX    string `json:"ibx"`
	Port   string `json:"port,omitempty"` // that has it; none when it is free
}

type port struct {
	Href          string         `json:"href,omitempty"`
	Type          string         `json:"type"`
	UUID          string         `json:"uuid"`
	Name          string         `json:"name"`
	Speed         int            `json:"physicalPortsSpeed"`
	Count         int            `json:"physicalPortsCount"`
	Connections   int            `json:"connectionsCount"`
	Media         string         `json:"physicalPortsType"`
	Source        string         `json:"connectivitySourceType"`
	Project       *project       `json:"project,omitempty"`
	State         string         `json:"state"`
	Order         *portOrder     `json:"order,omitempty"`
	Operation     *portOperation `json:"operation,omitempty"`
	Account       *owner         `json:"account"`
	Change        *change        `json:"change,omitempty"`
	Log           changeLog      `json:"changeLog"`
	ServiceType   string         `json:"serviceType"`
	ServiceCode   string         `json:"serviceCode"`
	Bandwidth     int64          `json:"bandwidth"`
	Available     int64          `json:"availableBandwidth"`
	Used          int64          `json:"usedBandwidth"`
	Location      location       `json:"location"`
	Device        *device        `json:"device,omitempty"`
	Demarcation   string         `json:"demarcationPointIbx,omitempty"`
	Redundancy    *redundancy    `json:"redundancy,omitempty"`
	Encapsulation encapsulation  `json:"encapsulation"`
	LAGEnabled    bool           `json:"lagEnabled"`
	LAG           *lag           `json:"lag,omitempty"`
	Package       portPackage    `json:"package"`
	Settings      settings       `json:"settings"`
	PhysicalPorts []physicalPort `json:"physicalPorts"`
}

type portOrder struct {
	Reference string `json:"customerReferenceId,omitempty"`
}

type portOperation struct {
	Status      string `json:"operationalStatus,omitempty"`
	Connections int    `json:"connectionCount"`
}

type device struct {
	Name string `json:"name"`
}

type redundancy struct {
	Group    string `json:"group,omitempty"`
	Priority string `json:"priority,omitempty"`
}

type lag struct {
	ID      string `json:"id"`
	Enabled bool   `json:"enabled"`
	Name    string `json:"name"`
	Status  string `json:"memberStatus"`
}

type portPackage struct {
	Code string `json:"code"`
}

// Settings say what a sub-account may do with a port that its reseller assigned to it.
type settings struct {
	View  bool `json:"viewPortPermission"`
	Order bool `json:"placeVcOrderPermission"`
}

type physicalPort struct {
	Type      string         `json:"type"`
	UUID      string         `json:"uuid"`
	State     string         `json:"state"`
	Speed     int            `json:"interfaceSpeed"`
	Interface portInterface  `json:"interface"`
	Tether    *tether        `json:"tether,omitempty"`
	Operation *portOperation `json:"operation,omitempty"`
}

type portInterface struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type tether struct {
	CrossConnect string `json:"crossConnectId,omitempty"`
	IBX          string `json:"ibx,omitempty"`
}

type profile struct {
	Href          string         `json:"href,omitempty"`
	Type          string         `json:"type"`
	UUID          string         `json:"uuid"`
	Name          string         `json:"name"`
	Description   string         `json:"description"`
	State         string         `json:"state"`
	Account       *owner         `json:"account,omitempty"`
	Project       *project       `json:"project,omitempty"`
	Log           changeLog      `json:"changeLog"`
	Notifications []notification `json:"notifications,omitempty"`
	Tags          []string       `json:"tags,omitempty"`
	Visibility    string         `json:"visibility"`
	AllowedEmails []string       `json:"allowedEmails,omitempty"`
	Configs       []accessConfig `json:"accessPointTypeConfigs"`
	CustomFields  []customField  `json:"customFields,omitempty"`
	Marketing     *marketing     `json:"marketingInfo,omitempty"`
	Ports         []profilePort  `json:"ports,omitempty"`
	Metros        []profileMetro `json:"metros,omitempty"`
	Self          bool           `json:"selfProfile"`
}

type marketing struct {
	Logo      string `json:"logo,omitempty"`
	Promotion bool   `json:"promotion"`
}

// An accessConfig says how a profile can be ordered.
type accessConfig struct {
	UUID                string        `json:"uuid"`
	Type                string        `json:"type"`
	Bandwidths          []int         `json:"supportedBandwidths,omitempty"`
	Remote              bool          `json:"allowRemoteConnections"`
	CustomBandwidth     bool          `json:"allowCustomBandwidth"`
	AlertThreshold      *float64      `json:"bandwidthAlertThreshold,omitempty"`
	AutoApproval        bool          `json:"allowBandwidthAutoApproval"`      // of another bandwidth
	Upgrade             *bool         `json:"allowBandwidthUpgrade,omitempty"` // may be raised, unless it is false
	LinkProtocol        *linkConfig   `json:"linkProtocolConfig,omitempty"`
	GenerateKey         bool          `json:"enableAutoGenerateServiceKey"`
	RedundancyRequired  bool          `json:"connectionRedundancyRequired"`
	SelectiveRedundancy bool          `json:"selectiveRedundancy"`
	API                 *apiConfig    `json:"apiConfig,omitempty"`
	Label               string        `json:"connectionLabel,omitempty"`
	Key                 *keyCondition `json:"authenticationKey,omitempty"`
}

type linkConfig struct {
	Strategy      string   `json:"encapsulationStrategy,omitempty"`
	NamedTags     []string `json:"namedTags,omitempty"`
	CTagLabel     string   `json:"vlanCTagLabel,omitempty"`
	ReuseVLANSTag bool     `json:"reuseVlanSTag"`
	Encapsulation string   `json:"encapsulation,omitempty"`
}

type apiConfig struct {
	Available             bool   `json:"apiAvailable"`
	Integration           string `json:"integrationId,omitempty"`
	ManagedPort           bool   `json:"equinixManagedPort"`
	ManagedVLAN           bool   `json:"equinixManagedVlan"`
	OverSubscription      bool   `json:"allowOverSubscription"`
	OverSubscriptionLimit int64  `json:"overSubscriptionLimit,omitempty"`
	BandwidthFromAPI      bool   `json:"bandwidthFromApi"`
}

type keyCondition struct {
	Required    bool   `json:"required"`
	Label       string `json:"label,omitempty"`
	Description string `json:"description,omitempty"`
}

// A customField is what a seller wants to know of whoever orders. The schema requires isRequired, and lists required.
type customField struct {
	Label       string   `json:"label"`
	Description string   `json:"description,omitempty"`
	Required    bool     `json:"required"`
	IsRequired  bool     `json:"isRequired"`
	DataType    string   `json:"dataType"`
	Options     []string `json:"options,omitempty"`
	InEmail     bool     `json:"captureInEmail"`
}

type profilePort struct {
	Type         string    `json:"type"`
	UUID         string    `json:"uuid"`
	Location     *location `json:"location,omitempty"`
	SellerRegion string    `json:"sellerRegion,omitempty"`
}

type profileMetro struct {
	Code    string            `json:"code"`
	Name    string            `json:"name,omitempty"`
	IBXs    []string          `json:"ibxs,omitempty"`
	Regions map[string]string `json:"sellerRegions,omitempty"`
}

type connection struct {
	Href          string         `json:"href,omitempty"`
	Type          string         `json:"type"`
	UUID          string         `json:"uuid"`
	Name          string         `json:"name"`
	State         string         `json:"state"`
	Change        *change        `json:"change,omitempty"`
	Operation     progress       `json:"operation"`
	Order         *order         `json:"order,omitempty"`
	Notifications []notification `json:"notifications,omitempty"`
	Account       *owner         `json:"account,omitempty"`
	Log           changeLog      `json:"changeLog"`
	Bandwidth     int64          `json:"bandwidth"`
	Redundancy    *redundancy    `json:"redundancy,omitempty"`
	Remote        bool           `json:"isRemote"`
	Direction     string         `json:"direction,omitempty"`
	ASide         side           `json:"aSide"`
	ZSide         side           `json:"zSide"`
	Info          []keyValue     `json:"additionalInfo,omitempty"`
	Project       *project       `json:"project,omitempty"`
	EndCustomer   *endCustomer   `json:"endCustomer,omitempty"`

	Inside *inside `json:"inside,omitempty"`
}

// An inside is what the exchange knows of a connection and nobody is shown.
type inside struct {
	Customer int64    `json:"customer,omitempty"` // account whose authorization key its reseller used
	Consumes bool     `json:"consumes"`           // whether it takes VLANs and bandwidth of its ports
	Done     []string `json:"done,omitempty"`     // sides that the agent is done with
}

type progress struct {
	Equinix     string  `json:"equinixStatus"`
	Provider    string  `json:"providerStatus"`
	Operational string  `json:"operationalStatus,omitempty"`
	Errors      []fault `json:"errors,omitempty"`
}

type order struct {
	PurchaseOrder string `json:"purchaseOrderNumber,omitempty"`
	Reference     string `json:"customerReferenceNumber,omitempty"`
}

// An endCustomer is for whom a reseller orders. Its seller learns of it only when it is disclosed.
type endCustomer struct {
	Disclosed bool   `json:"isDisclosed"`
	Name      string `json:"name,omitempty"`
}

type side struct {
	Point *accessPoint `json:"accessPoint,omitempty"`
	Info  []keyValue   `json:"additionalInfo,omitempty"`
}

type accessPoint struct {
	Type         string     `json:"type"`
	Account      *owner     `json:"account,omitempty"`
	Location     *location  `json:"location,omitempty"`
	Port         *reference `json:"port,omitempty"`
	Profile      *reference `json:"profile,omitempty"`
	Network      *reference `json:"network,omitempty"`
	Link         *link      `json:"linkProtocol,omitempty"`
	SellerRegion string     `json:"sellerRegion,omitempty"`
	PeeringType  string     `json:"peeringType,omitempty"`
	Key          string     `json:"authenticationKey,omitempty"`
	ProviderID   string     `json:"providerConnectionId,omitempty"`
	Role         string     `json:"role,omitempty"`
}

type reference struct {
	Href string `json:"href,omitempty"`
	Type string `json:"type,omitempty"`
	UUID string `json:"uuid"`
	Name string `json:"name,omitempty"`
}

// A link says how the frames of a connection are tagged at one of its ends.
type link struct {
	Type string `json:"type"`
	VLAN int    `json:"vlanTag,omitempty"`
	S    int    `json:"vlanSTag,omitempty"`
	C    int    `json:"vlanCTag,omitempty"`
}

type network struct {
	Href          string           `json:"href"`
	UUID          string           `json:"uuid"`
	Type          string           `json:"type"`
	Name          string           `json:"name"`
	Scope         string           `json:"scope"`
	State         string           `json:"state"`
	Connections   int              `json:"connectionsCount"`
	Account       *owner           `json:"account"`
	Change        *networkChange   `json:"change,omitempty"`
	Operation     networkOperation `json:"operation"`
	Location      *location        `json:"location,omitempty"`
	Log           changeLog        `json:"changeLog"`
	Project       *project         `json:"project,omitempty"`
	Notifications []notification   `json:"notifications"`
}

type networkChange struct {
	UUID string `json:"uuid"`
	Type string `json:"type"`
}

type networkOperation struct {
	Equinix string `json:"equinixStatus"`
}
