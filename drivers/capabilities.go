package drivers

import (
	"slices"

	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// TPIDScope says where a device knows outer ethertypes.
type TPIDScope string

// The scopes. With port scope all tagged circuits of a port or LAG share one ethertype, and the desired state
// carries it in the parent's TPID.
const (
	PortScope    TPIDScope = "port"
	CircuitScope TPIDScope = "circuit"
)

// Capabilities is what a device can carry, as data. The zero value can carry nothing.
type Capabilities struct {
	Forms        []switchcfg.Form        // of circuits
	SinglePasses bool                    // circuits of one tag let further tags pass, so that [switchcfg.Stacked] is [switchcfg.Single] there
	TPIDs        []switchcfg.TPID        // of outer tags
	TPIDScope    TPIDScope               //
	TPIDDefault  bool                    // of port scope: a port without an ethertype of its own has 0x8100, and nothing tells them apart
	Services     []switchcfg.ServiceType //
	LACP         bool                    //
	VLANTags     bool                    // services can have a VLAN across the fabric
	ServiceVLAN  bool                    // a service is a VLAN: each must have one, but for lines within the switch
	LineVLAN     bool                    // and those lines too
	PortVLANs    bool                    // a circuit is a VLAN of its port, whose others it must suit, see [Capabilities.Beside]
	LocalTrees   bool                    // trees stay within the switch
	ServiceMTU   bool                    // services can have an MTU of their own
	ServiceMACs  bool                    // services can have a limit of addresses of their own
	VXLAN        bool                    // services can cross the fabric in VXLAN with a static flood list
	VXLANv4      bool                    // the ends of its tunnels have IPv4 addresses only
	Filters      bool                    // MAC filters on circuits
	RateIn       bool                    // policing of what a member sends
	RateOut      bool                    // policing or shaping of what it receives
	StormControl bool                    // on ports and LAGs
	MACLimit     bool                    // per circuit
	SystemID     bool                    // LACP system identifier per LAG
	AllPorts     bool                    // [Operational] tells of every port, also of those that nobody has configured
	PlainText    bool                    // names and descriptions must be harmless in a command line, see [Plain]
	UntaggedUnit uint32                  // number of the subinterface of untagged frames
	Traits       plan.Traits             // how plans for it are made
	Limits       Limits                  //
}

// Limits are the sizes of a device; 0 is no limit but that of the model.
type Limits struct {
	MaxUnit    uint32 // greatest subinterface number
	LAGMembers int
	MaxMTU     uint16
	FilterMACs int            // entries of one filter
	MinLinks   uint16         // links below which a LAG can be told to be down
	StormStep  switchcfg.Kbps // bounds of storm control are multiples of it
}

// Form reports whether circuits of form f can be carried.
func (c *Capabilities) Form(f switchcfg.Form) bool { return slices.Contains(c.Forms, f) }

// TPID reports whether t can mark outer tags.
func (c *Capabilities) TPID(t switchcfg.TPID) bool { return slices.Contains(c.TPIDs, t) }

// Service reports whether services of type t can be carried.
func (c *Capabilities) Service(t switchcfg.ServiceType) bool { return slices.Contains(c.Services, t) }
