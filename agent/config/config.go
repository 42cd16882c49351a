package config

import (
	"net/netip"
	"time"

	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// The types below are the file: their yaml tags are its keys, their jsonschema tags its rules and defaults, and
// the comments at their fields the descriptions an editor shows.

// Config is everything an operator tells the agent. It does not change once it is loaded.
type Config struct {
	Sources     []*Source               `yaml:"sources" jsonschema:"required,minItems=1"`        // where the exchange's records come from: the first provisions, any other is a witness
	StateDir    Path                    `yaml:"state_dir" jsonschema:"default=/var/lib/ixagent"` // folder of the agent's own records
	Listen      netip.AddrPort          `yaml:"listen" jsonschema:"default=127.0.0.1:9809"`      // where metrics, health and the status API are served
	WebConfig   Path                    `yaml:"web_config"`                                      // file with TLS and users of what is served, in the format of Prometheus exporters; needed where listen is not loopback
	Limits      Limits                  `yaml:"limits"`                                          // how much one pass may do
	Guard       Guard                   `yaml:"guard"`                                           // what waits for a time or a person, whatever the limits say
	Policy      Policy                  `yaml:"policy"`                                          // what the exchange leaves open
	Credentials map[string]*Credentials `yaml:"credentials"`                                     // how the agent proves itself to devices, by name
	Events      Events                  `yaml:"events"`                                          // notices that something changed at the exchange
	Report      Report                  `yaml:"report"`                                          // where it is told what became of the exchange's records
	Inventory   Inventory               `yaml:"inventory" jsonschema:"required"`                 // the exchange's switches, here or in files beside this one
}

// SourceType says how records are read.
type SourceType string

// The types of source.
const (
	SourceIXAPI      SourceType = "ixapi"      // polled from an IX-API v2 server
	SourceECX        SourceType = "ecx"        // polled from a server of ECX, Equinix Fabric v4
	SourceIXPManager SourceType = "ixpmanager" // polled from an IXP Manager
	SourceFile       SourceType = "file"       // a folder of IX-API records as JSON, one file a collection
)

// ListsAll reports whether a record that such a source does not list has ended. IXP Manager leaves out what waits for a
// cross connect or is in no VLAN, and more.
func (t SourceType) ListsAll() bool { return t != SourceIXPManager }

// Source is where the records of an exchange come from.
type Source struct {
	Name            string        `yaml:"name" jsonschema:"required,pattern=^[a-z0-9][a-z0-9_-]*$"`                 // of your choice, in logs and metrics
	Type            SourceType    `yaml:"type" jsonschema:"required,enum=ixapi,enum=ecx,enum=ixpmanager,enum=file"` // ixapi: polled from a server; ecx: likewise, of Equinix Fabric v4; ixpmanager: likewise, from an IXP Manager; file: a folder of JSON files
	URL             string        `yaml:"url" jsonschema:"format=uri"`                                              // of ixapi: where the collections are, https://ixapi.example.net/api/v2; of ecx: the root, https://fabric.example.net; of ixpmanager: https://ixp.example.net/api/v4
	Path            Path          `yaml:"path"`                                                                     // of file: the folder
	Auth            *Auth         `yaml:"auth"`                                                                     // of ixapi and ecx; without it requests carry no credentials. Of ixpmanager: type static, with the API key as secret
	TLS             *TLS          `yaml:"tls"`                                                                      // of ixapi, ecx and ixpmanager; without it the system's roots are trusted
	Poll            time.Duration `yaml:"poll" jsonschema:"default=30s"`                                            // time between two reads, at least 1s; jitter is added
	MaxShrink       Percent       `yaml:"max_shrink" jsonschema:"default=10%"`                                      // a read that lost a larger part of its records than this is refused
	ShrinkAllowance int           `yaml:"shrink_allowance" jsonschema:"default=3,minimum=0"`                        // a loss of this many records is never refused, whatever part of all it is
	StaleAfter      time.Duration `yaml:"stale_after" jsonschema:"default=15m"`                                     // age of the last complete read at which the agent reports itself not ready

	Witness   bool     `yaml:"witness"`                                                                                                                          // of every source but the first: it provisions nothing, and the daemon counts where it disagrees with the first
	IDs       IDs      `yaml:"ids"`                                                                                                                              // of a witness: ids that it has for what the inventory names
	CannotSay []Matter `yaml:"cannot_say" jsonschema:"enum=lag_static,enum=lacp,enum=qinq,enum=ethertype,enum=vlan,enum=services,enum=idle,enum=macs,enum=rate"` // what an audit does not compare with it; without it, of ixpmanager all but lacp, macs and rate, of others nothing
}

// IDs are those that a witness has for what the inventory names. What is not in them is found by the ids of the
// inventory, devices by their names too, ports by their device and interface, and the peering LANs of an ixpmanager by
// their VLANs.
type IDs struct {
	Devices      map[string]ixapi.ID `yaml:"devices"`       // by name of the device
	Ports        map[string]ixapi.ID `yaml:"ports"`         // by DEVICE/INTERFACE
	ExchangeLANs map[string]ixapi.ID `yaml:"exchange_lans"` // of their network services, by name of the LAN
}

// Matter is something that not every source has words for.
type Matter string

// The matters.
const (
	MatterStatic    Matter = "lag_static" // a LAG without LACP
	MatterLACP      Matter = "lacp"       // how often LACP speaks
	MatterQinQ      Matter = "qinq"       // frames with two tags
	MatterEthertype Matter = "ethertype"  // outer tags of another ethertype than 0x8100
	MatterVLAN      Matter = "vlan"       // a tag other than the one that all of a peering LAN have
	MatterServices  Matter = "services"   // services other than peering LANs
	MatterIdle      Matter = "idle"       // connections without a service
	MatterMACs      Matter = "macs"       // MAC addresses
	MatterRate      Matter = "rate"       // limits of what a member sends and receives
)

// AuthType is a way to prove who asks an exchange's server.
type AuthType string

// The types of authentication.
const (
	AuthToken  AuthType = "token"
	AuthOAuth2 AuthType = "oauth2"
	AuthStatic AuthType = "static"
)

// Auth is how a source authenticates.
type Auth struct {
	Type     AuthType  `yaml:"type" jsonschema:"required,enum=token,enum=oauth2,enum=static"` // token: API key and secret at /auth/token, of ixapi only; oauth2: client credentials; static: a bearer token, or an API key, made elsewhere
	Key      SecretRef `yaml:"key"`                                                           // of token: the API key; of oauth2: the client id
	Secret   SecretRef `yaml:"secret" jsonschema:"required"`                                  // the API secret, client secret, bearer token, or API key of ixpmanager
	TokenURL string    `yaml:"token_url" jsonschema:"format=uri"`                             // of oauth2 with ixapi
	Scopes   []string  `yaml:"scopes"`                                                        // of oauth2 with ixapi; the default is ix-api
}

// TLS is how the far end is verified and how the agent proves itself. The files are PEM.
type TLS struct {
	CA                 Path   `yaml:"ca"`                   // certificates to trust instead of the system's
	Cert               Path   `yaml:"cert"`                 // certificate to show, with key
	Key                Path   `yaml:"key"`                  // private key, readable by the agent alone
	ServerName         string `yaml:"server_name"`          // name to expect in the far end's certificate instead of its address
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify"` // accept any certificate: for a lab only
}

// Limits bound what one pass may do by itself; beyond them a person has to approve.
type Limits struct {
	MaxDeletes       int           `yaml:"max_deletes" jsonschema:"default=10,minimum=0"`           // objects deleted on one switch
	MaxDeletePercent Percent       `yaml:"max_delete_percent" jsonschema:"default=5"`               // part of the objects on one switch
	DeletesPerHour   int           `yaml:"max_deletes_per_hour" jsonschema:"default=50,minimum=0"`  // objects deleted on all switches together in an hour
	MembersPerHour   int           `yaml:"max_members_per_hour" jsonschema:"default=100,minimum=0"` // accounts whose traffic is disrupted on all switches together in an hour
	ConfirmWindow    time.Duration `yaml:"confirm_window" jsonschema:"default=2m"`                  // time in which a switch takes a change back unless it is confirmed, 10s to 1h
	Soak             time.Duration `yaml:"soak"`                                                    // time for which a change is watched before it is confirmed, at most half of confirm_window
	Parallel         int           `yaml:"parallel" jsonschema:"default=16,minimum=1,maximum=1024"` // switches worked on at once
}

// Guard says what waits for a time or a person.
type Guard struct {
	Windows   []*Window  `yaml:"windows"`   // when changes that disrupt may be made; where one applies, they wait for it
	Protected []ixapi.ID `yaml:"protected"` // accounts of which nothing is disrupted, changed or taken away without a person
}

// Window is a time of the week in which disruptive changes may be made. It is open when a clock in its time zone
// shows so: not in an hour that a change of the clocks leaves out, and twice in one that comes twice.
type Window struct {
	Name       string          `yaml:"name" jsonschema:"required,pattern=^[A-Za-z0-9][A-Za-z0-9_.-]*$"`                                 // of your choice, unique
	Sites      []string        `yaml:"sites"`                                                                                           // where it applies; without sites and devices, everywhere
	Devices    []string        `yaml:"devices"`                                                                                         // where it applies besides
	Days       []Day           `yaml:"days" jsonschema:"enum=mon,enum=tue,enum=wed,enum=thu,enum=fri,enum=sat,enum=sun"`                // on which it opens; without them every day
	From       TimeOfDay       `yaml:"from" jsonschema:"required"`                                                                      // 22:00
	To         TimeOfDay       `yaml:"to" jsonschema:"required"`                                                                        // 04:00, of the next day if it is not after from
	TimeZone   TimeZone        `yaml:"timezone" jsonschema:"required"`                                                                  // as in the IANA database, Europe/Berlin
	Disruption plan.Disruption `yaml:"disruption" jsonschema:"default=circuit,enum=none,enum=circuit,enum=member,enum=lag,enum=switch"` // least class of disruption that waits for it
}

// TestPolicy is what becomes of a service in state testing.
type TestPolicy string

// The test policies.
const (
	TestQuarantine TestPolicy = "quarantine"
	TestProduction TestPolicy = "production"
	TestNothing    TestPolicy = "nothing"
)

// Policy decides what the exchange's records leave open.
type Policy struct {
	Testing           Testing `yaml:"testing"`                              // what is configured for a service in state testing
	PrestageAllocated bool    `yaml:"prestage_allocated"`                   // configure services in state allocated, with their interfaces shut
	HealDrift         bool    `yaml:"heal_drift" jsonschema:"default=true"` // undo what others changed on the agent's objects, where a device does not say otherwise
}

// Testing says what is configured for services in state testing.
type Testing struct {
	ExchangeLAN TestPolicy `yaml:"exchange_lan" jsonschema:"default=quarantine,enum=quarantine,enum=production,enum=nothing"` // on a peering LAN
	Other       TestPolicy `yaml:"other" jsonschema:"default=production,enum=production,enum=nothing"`                        // of the other types
}

// Events are CloudEvents posted to the agent, each of which makes it read at once what the event names.
type Events struct {
	Token SecretRef `yaml:"token"` // bearer token they are accepted with, where web_config has no users; with neither none is
}

// Report is where the agent tells what became of the exchange's records.
type Report struct {
	Webhook *Webhook `yaml:"webhook"` // without it results are only served
}

// Webhook receives results as CloudEvents.
type Webhook struct {
	URL     string        `yaml:"url" jsonschema:"required,format=uri"` // results are posted there; https, or http to this machine
	Token   SecretRef     `yaml:"token"`                                // bearer token to show
	TLS     *TLS          `yaml:"tls"`                                  // without it the system's roots are trusted
	Timeout time.Duration `yaml:"timeout" jsonschema:"default=10s"`     // of one delivery, 1s to 2m
}

// Credentials are how the agent proves itself to devices.
type Credentials struct {
	Username string    `yaml:"username"` // account on the device
	Password SecretRef `yaml:"password"` // its password
	TLS      *TLS      `yaml:"tls"`      // how a device that is reached over TLS is verified, and the agent's certificate
	SSH      *SSH      `yaml:"ssh"`      // how a device that is reached over SSH is verified, and the agent's key
}

// SSH is how a device is verified that is reached over SSH, and how the agent proves itself beside its password.
type SSH struct {
	KnownHosts            Path      `yaml:"known_hosts"`              // file of host keys and authorities, as ssh reads it
	HostKeys              []string  `yaml:"host_keys"`                // fingerprints SHA256:..., of which the device must have one
	InsecureIgnoreHostKey bool      `yaml:"insecure_ignore_host_key"` // accept any host key: for a lab only
	Key                   Path      `yaml:"key"`                      // private key, readable by the agent alone
	Passphrase            SecretRef `yaml:"passphrase"`               // of the key
	Agent                 Path      `yaml:"agent"`                    // socket of an SSH agent that holds the key
	Jump                  *Jump     `yaml:"jump"`                     // host through which devices are reached
}

// Jump is a host through which devices are reached.
type Jump struct {
	Address     Address `yaml:"address" jsonschema:"required"`     // host or host:port
	Credentials string  `yaml:"credentials" jsonschema:"required"` // name of an entry of credentials, with ssh
}

// Inventory is what the exchange's records do not say about its switches.
type Inventory struct {
	Include      Paths          `yaml:"include"`       // further inventory files, relative to this one
	Fabric       Fabric         `yaml:"fabric"`        // how switches reach each other
	Pools        Pools          `yaml:"pools"`         // numbers the agent may hand out
	ExchangeLANs []*ExchangeLAN `yaml:"exchange_lans"` // the peering LANs
	Services     []*ServiceName `yaml:"services"`      // services made per order that have a name or number already
	StormControl switchcfg.Kbps `yaml:"storm_control"` // kbit/s of broadcast, multicast and unknown unicast a customer port may send, where the device can; 0 for no limit
	Devices      []*Device      `yaml:"devices"`       // the switches
	NNIs         []*NNI         `yaml:"nnis"`          // the cloud providers' side of cloud_vc services

	VirtualInterfaces []*VirtualInterface `yaml:"virtual_interfaces"` // what an IXP Manager cannot say of its virtual interfaces

	index index
}

// FabricType is how a service crosses from switch to switch.
type FabricType string

// The types of fabric.
const (
	FabricNone  FabricType = "none"  // it does not
	FabricVLAN  FabricType = "vlan"  // in a VLAN on uplinks that are not the agent's
	FabricVXLAN FabricType = "vxlan" // in VXLAN between tunnel addresses
)

// Fabric is how switches reach each other.
type Fabric struct {
	Type FabricType `yaml:"type" jsonschema:"default=none,enum=none,enum=vlan,enum=vxlan"` // none, vlan, or vxlan with static flood lists
}

// Pools hold the numbers from which services made per order take theirs.
type Pools struct {
	VLAN []Range `yaml:"vlan"` // within 1-4094
	VNI  []Range `yaml:"vni"`  // within 1-16777215
}

// ExchangeLAN is a peering LAN.
type ExchangeLAN struct {
	NetworkService ixapi.ID         `yaml:"network_service" jsonschema:"required,oneof_type=string;integer"`              // id of the network service at the exchange
	Name           string           `yaml:"name" jsonschema:"required,pattern=^[A-Za-z0-9][A-Za-z0-9_.-]*$,maxLength=31"` // of the service on switches
	VLAN           switchcfg.VLANID `yaml:"vlan" jsonschema:"minimum=1,maximum=4094"`                                     // across a vlan fabric
	VNI            uint32           `yaml:"vni" jsonschema:"minimum=1,maximum=16777215"`                                  // across a vxlan fabric
	MTU            uint16           `yaml:"mtu" jsonschema:"minimum=1280"`                                                // octets of the layer-2 payload; without it the device's default
	Quarantine     *Quarantine      `yaml:"quarantine"`                                                                   // where members are tested before they join
}

// Quarantine is the service that members of a peering LAN are tested in.
type Quarantine struct {
	Name string           `yaml:"name" jsonschema:"required,pattern=^[A-Za-z0-9][A-Za-z0-9_.-]*$,maxLength=31"` // of the service on switches
	VLAN switchcfg.VLANID `yaml:"vlan" jsonschema:"minimum=1,maximum=4094"`                                     // across a vlan fabric
	VNI  uint32           `yaml:"vni" jsonschema:"minimum=1,maximum=16777215"`                                  // across a vxlan fabric
}

// Mode is how far the agent goes on a device.
type Mode string

// The modes.
const (
	Observe Mode = "observe" // plan only
	Approve Mode = "approve" // apply what a person approved
	Enforce Mode = "enforce" // apply by itself, within the limits
)

// Device is a switch.
type Device struct {
	Name          string        `yaml:"name" jsonschema:"required,pattern=^[A-Za-z0-9][A-Za-z0-9_.-]*$,maxLength=63"` // of your choice, unique
	ID            ixapi.ID      `yaml:"id" jsonschema:"oneof_type=string;integer"`                                    // of the device at the exchange; without it the name
	Driver        string        `yaml:"driver" jsonschema:"required"`                                                 // see ixagent drivers
	Profile       string        `yaml:"profile"`                                                                      // kind or release of the device; without it the driver's first
	Address       Address       `yaml:"address" jsonschema:"required"`                                                // host or host:port of its management; without a port the driver's
	Credentials   string        `yaml:"credentials" jsonschema:"required"`                                            // name of an entry of credentials
	Mode          Mode          `yaml:"mode" jsonschema:"default=observe,enum=observe,enum=approve,enum=enforce"`     // observe: plan only; approve: apply what a person approved; enforce: apply by itself
	HealDrift     *bool         `yaml:"heal_drift"`                                                                   // undo what others changed on the agent's objects; without it as policy.heal_drift says
	Adopt         bool          `yaml:"adopt"`                                                                        // take over what is found on the agent's ports and numbers without its mark
	TunnelAddress netip.Addr    `yaml:"tunnel_address"`                                                               // end of its VXLAN tunnels
	LAGs          LAGs          `yaml:"lags"`                                                                         // the LAGs the agent may make; without it none
	MTU           uint16        `yaml:"mtu" jsonschema:"minimum=1280"`                                                // of customer ports, octets of the layer-2 payload; without it the device's default
	Site          string        `yaml:"site"`                                                                         // of your choice
	Timeout       time.Duration `yaml:"timeout"`                                                                      // of one operation on the device, 1s to 10m; without it the driver's
	Override      Override      `yaml:"capabilities"`                                                                 // where this device differs from its profile
	Units         []*UnitNumber `yaml:"units"`                                                                        // subinterfaces that have a number already
	Ports         []*Port       `yaml:"ports"`                                                                        // the customer ports; what is not listed is never touched

	derived derived
}

// LAGs are the link aggregation groups that belong to the agent.
type LAGs struct {
	Prefix  string       `yaml:"prefix" jsonschema:"pattern=^[A-Za-z]([A-Za-z0-9/_. -]*[A-Za-z/_. -])?$,maxLength=32"` // of their names on the device, Port-Channel for Port-Channel100
	Range   Range        `yaml:"range"`                                                                                // numbers the agent may hand out
	Numbers []*LAGNumber `yaml:"numbers"`                                                                              // LAGs that have a number already, which may lie outside range
}

// Port is a customer port: what the exchange calls it and what the device calls it.
type Port struct {
	ID        ixapi.ID `yaml:"id" jsonschema:"oneof_type=string;integer"`                                            // of the port at the exchange
	Name      string   `yaml:"name" jsonschema:"oneof_type=string;integer"`                                          // of the port at the exchange, used where no id is given
	Interface string   `yaml:"interface" jsonschema:"required,pattern=^[A-Za-z0-9][A-Za-z0-9/:._ -]*$,maxLength=63"` // name on the device
}

// LAGNumber is the number that the LAG of a connection has already. As the other two below it pins what stands on a switch,
// whatever the agent would have chosen; ixagent adopt writes them for an exchange that ran before the agent came.
type LAGNumber struct {
	Connection ixapi.ID `yaml:"connection" jsonschema:"required,oneof_type=string;integer"` // id of the connection at the exchange
	Number     uint32   `yaml:"number" jsonschema:"required"`                               // in the name of the LAG on the device
}

// UnitNumber is the number that the subinterface of a network service config has already.
type UnitNumber struct {
	NetworkServiceConfig ixapi.ID `yaml:"network_service_config" jsonschema:"required,oneof_type=string;integer"`               // id at the exchange
	Interface            string   `yaml:"interface" jsonschema:"required,pattern=^[A-Za-z0-9][A-Za-z0-9/:._ -]*$,maxLength=63"` // port or LAG; on another one it has the usual number
	Unit                 uint32   `yaml:"unit" jsonschema:"required"`                                                           // number of the subinterface
}

// ServiceName is what a service made per order is called on switches already, and its numbers there.
type ServiceName struct {
	NetworkService ixapi.ID         `yaml:"network_service" jsonschema:"required,oneof_type=string;integer"`              // id of the network service at the exchange
	Handover       uint16           `yaml:"handover" jsonschema:"minimum=1"`                                              // of a cloud_vc service: number of the handover
	Name           string           `yaml:"name" jsonschema:"required,pattern=^[A-Za-z0-9][A-Za-z0-9_.-]*$,maxLength=31"` // of the service on switches
	VLAN           switchcfg.VLANID `yaml:"vlan" jsonschema:"minimum=1,maximum=4094"`                                     // where it has one; without it one of the pool when it needs one
	VNI            uint32           `yaml:"vni" jsonschema:"minimum=1,maximum=16777215"`                                  // likewise
}

// VirtualInterface is what an IXP Manager cannot say of one of its virtual interfaces.
type VirtualInterface struct {
	ID        int             `yaml:"id" jsonschema:"required,minimum=1"`    // of the virtual interface in IXP Manager
	Ethertype switchcfg.TPID  `yaml:"ethertype" jsonschema:"default=0x8100"` // of the outer tag of its frames
	Inner     []*InnerVLAN    `yaml:"inner"`                                 // VLANs in which its frames have two tags
	Services  []*AddedService `yaml:"services"`                              // what it joins beside its VLANs
}

// InnerVLAN gives the frames of a virtual interface in a VLAN a second tag.
type InnerVLAN struct {
	VLAN  switchcfg.VLANID `yaml:"vlan" jsonschema:"required,minimum=1,maximum=4094"`  // in which IXP Manager has the virtual interface
	Inner switchcfg.VLANID `yaml:"inner" jsonschema:"required,minimum=1,maximum=4094"` // inner tag
}

// AddedService is a service that IXP Manager does not know. All that name its id join it.
type AddedService struct {
	ID       ixapi.ID          `yaml:"id" jsonschema:"required,oneof_type=string;integer"`                // of your choice
	Type     ixapi.ServiceType `yaml:"type" jsonschema:"required,enum=p2p_vc,enum=p2mp_vc,enum=mp2mp_vc"` // p2p_vc: a line between two; p2mp_vc: a tree; mp2mp_vc: a closed group
	VLAN     switchcfg.VLANID  `yaml:"vlan" jsonschema:"minimum=1,maximum=4094"`                          // outer tag of its frames; without it they have none
	Inner    switchcfg.VLANID  `yaml:"inner" jsonschema:"minimum=1,maximum=4094"`                         // inner tag of its frames; without it they have one at most
	Role     ixapi.Role        `yaml:"role" jsonschema:"enum=root,enum=leaf"`                             // in a p2mp_vc
	Capacity int               `yaml:"capacity" jsonschema:"minimum=1"`                                   // Mbit/s it may send and receive; without it no limit
}

// Encapsulation is a form of circuit, in IX-API's words where it has one.
type Encapsulation string

// The encapsulations.
const (
	EncapPort  Encapsulation = "port"
	EncapDot1Q Encapsulation = "dot1q"
	EncapQinQ  Encapsulation = "qinq"
	EncapSTag  Encapsulation = "stag"  // one tag, whatever is behind it
	EncapWhole Encapsulation = "whole" // all that comes by the port, tags and all
)

// Override replaces parts of a profile's capabilities. What is left out stays as in the profile.
type Override struct {
	Encapsulations []Encapsulation         `yaml:"encapsulations" jsonschema:"enum=port,enum=dot1q,enum=qinq,enum=stag,enum=whole"` // forms of circuits
	TPIDs          []switchcfg.TPID        `yaml:"tpids"`                                                                           // outer ethertypes
	TPIDScope      string                  `yaml:"tpid_scope" jsonschema:"enum=port,enum=circuit"`                                  // whether all circuits of a port share one ethertype
	Services       []switchcfg.ServiceType `yaml:"services" jsonschema:"enum=lan,enum=line,enum=tree"`                              // service types
	LACP           *bool                   `yaml:"lacp"`                                                                            // LAGs can run LACP
	VLANTags       *bool                   `yaml:"vlan_tags"`                                                                       // services can cross a vlan fabric
	VXLAN          *bool                   `yaml:"vxlan"`                                                                           // services can cross a vxlan fabric
	Filters        *bool                   `yaml:"filters"`                                                                         // MAC filters on circuits
	RateIn         *bool                   `yaml:"rate_in"`                                                                         // policing of what a member sends
	RateOut        *bool                   `yaml:"rate_out"`                                                                        // policing or shaping of what a member receives
	StormControl   *bool                   `yaml:"storm_control"`                                                                   // on ports and LAGs
	MACLimit       *bool                   `yaml:"mac_limit"`                                                                       // per circuit
	SystemID       *bool                   `yaml:"system_id"`                                                                       // LACP system identifier per LAG
	MaxUnit        *uint32                 `yaml:"max_unit"`                                                                        // greatest subinterface number; 0 for no limit
	MaxLAGMembers  *int                    `yaml:"max_lag_members" jsonschema:"minimum=0"`                                          // ports of one LAG; 0 for no limit
	MaxMTU         *uint16                 `yaml:"max_mtu"`                                                                         // octets; 0 for no limit
	MaxFilterMACs  *int                    `yaml:"max_filter_macs" jsonschema:"minimum=0"`                                          // addresses in one filter; 0 for no limit
}

// NNI is the port or LAG that carries cloud_vc services to their provider. Exactly one of Service,
// ProductOffering and ServiceProvider says which, the first taking precedence over the others in this order.
type NNI struct {
	Service         ixapi.ID       `yaml:"service" jsonschema:"oneof_type=string;integer"`                                       // id of one network service at the exchange
	ProductOffering ixapi.ID       `yaml:"product_offering" jsonschema:"oneof_type=string;integer"`                              // id of an offering, for all its services
	ServiceProvider string         `yaml:"service_provider"`                                                                     // as in product offerings, for all its services
	Handover        uint16         `yaml:"handover" jsonschema:"default=1,minimum=1"`                                            // number of the handover, 1 for services without diversity
	Device          string         `yaml:"device" jsonschema:"required"`                                                         // name of a device
	Interface       string         `yaml:"interface" jsonschema:"required,pattern=^[A-Za-z0-9][A-Za-z0-9/:._ -]*$,maxLength=63"` // port, or LAG made by hand, on that device
	Ethertype       switchcfg.TPID `yaml:"ethertype" jsonschema:"default=0x8100"`                                                // of the provider's outer tag
}
