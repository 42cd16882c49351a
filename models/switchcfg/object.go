package switchcfg

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Object is one managed piece of a switch. The implementations are *[Interface], *[LAG], *[Circuit],
// *[Service], *[Filter], *[Policer] and *[Opaque].
type Object interface {
	// Key names the object on its switch.
	Key() Key
	// Lines returns the canonical text, one attribute a line; attributes at their default are left out.
	Lines() []string

	appendLines([]byte) []byte
}

// Interface is a physical customer port. A port without description, tag ethertype or storm control that
// belongs to no LAG is unused, and no object stands for it: deleting an Interface returns the port to that
// state and shuts it down.
type Interface struct {
	Name         string `json:"name"`
	Description  string `json:"description,omitempty"`
	Shutdown     bool   `json:"shutdown,omitempty"`
	MTU          uint16 `json:"mtu,omitempty"`           // octets of the layer-2 payload; 0 leaves the device's default
	TPID         TPID   `json:"tpid,omitzero"`           // outer ethertype of every tagged circuit, where the device knows one per port
	StormControl Kbps   `json:"storm_control,omitempty"` // broadcast, multicast and unknown unicast together
}

// LAGMode says how a LAG is brought up.
type LAGMode string

// The LAG modes, after IX-API's lag_lacp and lag_static.
const (
	ModeLACP   LAGMode = "lacp"
	ModeStatic LAGMode = "static"
)

// LACPRate is the interval at which LACPDUs are asked for: slow is 30 s, fast is 1 s (IEEE 802.1AX-2020 6.4.7).
type LACPRate string

// The LACP rates.
const (
	RateSlow LACPRate = "slow"
	RateFast LACPRate = "fast"
)

// LAG is a link aggregation group (IEEE 802.1AX-2020).
type LAG struct {
	Name         string   `json:"name"`
	Description  string   `json:"description,omitempty"`
	Shutdown     bool     `json:"shutdown,omitempty"`
	Members      []string `json:"members"`             // interface names, ordered by [CompareNames]
	Mode         LAGMode  `json:"mode"`                //
	Passive      bool     `json:"passive,omitempty"`   // LACP_Activity passive; LACP only
	Rate         LACPRate `json:"rate,omitempty"`      // LACP only
	MinLinks     uint16   `json:"min_links,omitempty"` // links below which the group is down; 0 and 1 mean any one
	SystemID     MAC      `json:"system_id,omitzero"`  // LACP system identifier; zero is the device's own
	MTU          uint16   `json:"mtu,omitempty"`       //
	TPID         TPID     `json:"tpid,omitzero"`       // as in [Interface]
	StormControl Kbps     `json:"storm_control,omitempty"`
}

// Form says how many tags a circuit's frames carry.
type Form uint8

// The forms of a match. Frames of the last two keep the tags that are not matched: they pass unseen.
const (
	Untagged Form = iota // no tag
	Single               // one tag
	Double               // two tags
	Stacked              // one tag, and behind it none or any others
	Whole                // all frames of the port, with whatever tags they have
)

// Match is the encapsulation by which a circuit knows its frames.
type Match struct {
	Form  Form
	TPID  TPID // ethertype of the outer tag
	Outer VLANID
	Inner VLANID // behind ethertype 0x8100
}

// MatchUntagged returns the match of frames without a tag.
func MatchUntagged() Match { return Match{} }

// MatchSingle returns the match of frames with one tag.
func MatchSingle(t TPID, v VLANID) Match { return Match{Form: Single, TPID: t, Outer: v} }

// MatchDouble returns the match of frames with two tags.
func MatchDouble(t TPID, outer, inner VLANID) Match {
	return Match{Form: Double, TPID: t, Outer: outer, Inner: inner}
}

// MatchStacked returns the match of frames with one tag and whatever is behind it.
func MatchStacked(t TPID, v VLANID) Match { return Match{Form: Stacked, TPID: t, Outer: v} }

// MatchWhole returns the match of all frames of a port.
func MatchWhole() Match { return Match{Form: Whole} }

// Tagged reports whether m knows its frames by a tag.
func (m Match) Tagged() bool { return m.Form != Untagged && m.Form != Whole }

// Transparent reports whether frames of m may have tags beside those that are matched.
func (m Match) Transparent() bool { return m.Form == Stacked || m.Form == Whole }

// String returns "untagged", "dot1q 0x8100 100", "qinq 0x88a8 100.7", "qinq 0x88a8 100.*" or "port".
func (m Match) String() string { return string(m.append(nil)) }

func (m Match) append(b []byte) []byte {
	switch m.Form {
	case Untagged:
		return append(b, "untagged"...)
	case Whole:
		return append(b, "port"...)
	case Single:
		b = append(append(append(b, "dot1q "...), m.TPID.String()...), ' ')
		return strconv.AppendUint(b, uint64(m.Outer), 10)
	default:
		b = append(append(append(b, "qinq "...), m.TPID.String()...), ' ')
		b = append(strconv.AppendUint(b, uint64(m.Outer), 10), '.')
		if m.Form == Stacked {
			return append(b, '*')
		}
		return strconv.AppendUint(b, uint64(m.Inner), 10)
	}
}

// Role is the part a circuit plays in a tree service.
type Role string

// The roles of MEF E-Tree, as IX-API names them. A leaf reaches only roots.
const (
	RoleRoot Role = "root"
	RoleLeaf Role = "leaf"
)

// Circuit is an attachment circuit: the frames of one parent (an [Interface] or [LAG]) that match an
// encapsulation and are handed to a service without their tags.
type Circuit struct {
	Parent      string `json:"parent"`
	Unit        uint32 `json:"unit"` // number of the subinterface
	Description string `json:"description,omitempty"`
	Shutdown    bool   `json:"shutdown,omitempty"`
	Match       Match  `json:"match"`
	Service     string `json:"service"`
	Role        Role   `json:"role,omitempty"`      // tree services only
	Filter      string `json:"filter,omitempty"`    // name of the [Filter] on ingress
	RateIn      Kbps   `json:"rate_in,omitempty"`   // from the member; its [Policer] must exist
	RateOut     Kbps   `json:"rate_out,omitempty"`  // to the member; its [Policer] must exist
	MACLimit    uint32 `json:"mac_limit,omitempty"` // addresses learned; 0 leaves the device's default
}

// ServiceType says which circuits of a service reach each other.
type ServiceType string

// The service types: every circuit all others, two circuits each other, leaves only roots.
const (
	ServiceLAN  ServiceType = "lan"
	ServiceLine ServiceType = "line"
	ServiceTree ServiceType = "tree"
)

// Service is what circuits join. One that has ends on several switches crosses the fabric in the VLAN, or
// in the VXLAN (RFC 7348) of VNI, whose flood list is Peers.
type Service struct {
	Name        string       `json:"name"`
	Description string       `json:"description,omitempty"`
	Type        ServiceType  `json:"type"`
	VLAN        VLANID       `json:"vlan,omitempty"`
	VNI         uint32       `json:"vni,omitempty"`
	Peers       []netip.Addr `json:"peers,omitempty"` // tunnel addresses of the other switches, ascending
	MTU         uint16       `json:"mtu,omitempty"`
	MACLimit    uint32       `json:"mac_limit,omitempty"`
}

// Crosses reports whether the service reaches other switches.
func (o *Service) Crosses() bool { return o.VLAN != 0 || o.VNI != 0 || len(o.Peers) > 0 }

// Filter decides which frames of a circuit enter the switch. Frames to the reserved addresses of IEEE
// 802.1Q-2022 8.6.3 (01:80:c2:00:00:00 to 0f: BPDUs, slow protocols, LLDP) never do. Of the others, those from
// Sources do, or all where AnySource is set.
type Filter struct {
	Name      string `json:"name"`
	AnySource bool   `json:"any_source,omitempty"`
	Sources   []MAC  `json:"sources,omitempty"` // ascending; empty with AnySource
}

// Policer bounds a rate. One policer serves every circuit of that rate; [PolicerName] is its name.
type Policer struct {
	Rate Kbps `json:"rate"`
}

// Opaque stands for something found on a switch at a key of ours that the model cannot express. It equals
// no desired object and is never changed.
type Opaque struct {
	At   Key      `json:"at"`
	Why  string   `json:"why"`
	Text []string `json:"text,omitempty"` // the device's own words
}

// Prefix begins the name of every filter, policer and per-order service that the agent makes.
const Prefix = "ix-"

// FilterCircuit returns the circuit that a filter is named after, if it is one's own.
func FilterCircuit(name string) (Key, bool) {
	k, err := ParseKey("circuit " + strings.TrimPrefix(name, Prefix))
	return k, err == nil
}

// PolicerName returns the name of the policer for a rate, "ix-rate-1000000k".
func PolicerName(r Kbps) string { return Prefix + "rate-" + strconv.FormatUint(uint64(r), 10) + "k" }

// ParsePolicerName returns the rate in a name made by [PolicerName].
func ParsePolicerName(name string) (Kbps, bool) {
	s, ok := strings.CutPrefix(name, Prefix+"rate-")
	s, k := strings.CutSuffix(s, "k")
	n, err := strconv.ParseUint(s, 10, 64)
	return Kbps(n), ok && k && err == nil && n > 0 && PolicerName(Kbps(n)) == name
}

// Key implements [Object].
func (o *Interface) Key() Key { return Key{Kind: KindInterface, Name: o.Name} }

// Key implements [Object].
func (o *LAG) Key() Key { return Key{Kind: KindLAG, Name: o.Name} }

// Key implements [Object].
func (o *Circuit) Key() Key { return Key{KindCircuit, o.Parent, o.Unit} }

// Key implements [Object].
func (o *Service) Key() Key { return Key{Kind: KindService, Name: o.Name} }

// Key implements [Object].
func (o *Filter) Key() Key { return Key{Kind: KindFilter, Name: o.Name} }

// Key implements [Object].
func (o *Policer) Key() Key { return Key{Kind: KindPolicer, Name: PolicerName(o.Rate)} }

// Key implements [Object].
func (o *Opaque) Key() Key { return o.At }

// Equal reports whether two objects have the same key and the same canonical text, without making it.
func Equal(a, b Object) bool {
	switch a := a.(type) {
	case *Circuit:
		b, ok := b.(*Circuit)
		return ok && *a == *b
	case *Interface:
		b, ok := b.(*Interface)
		return ok && *a == *b
	case *Filter:
		b, ok := b.(*Filter)
		return ok && a.Name == b.Name && a.AnySource == b.AnySource && slices.Equal(a.Sources, b.Sources)
	case *Policer:
		b, ok := b.(*Policer)
		return ok && *a == *b
	case *LAG:
		b, ok := b.(*LAG)
		if !ok || !slices.Equal(a.Members, b.Members) {
			return false
		}
		x, y := *a, *b
		return x.Name == y.Name && x.Description == y.Description && x.Shutdown == y.Shutdown && x.Mode == y.Mode &&
			x.Passive == y.Passive && x.Rate == y.Rate && x.MinLinks == y.MinLinks && x.SystemID == y.SystemID &&
			x.MTU == y.MTU && x.TPID == y.TPID && x.StormControl == y.StormControl
	case *Service:
		b, ok := b.(*Service)
		return ok && a.Name == b.Name && a.Description == b.Description && a.Type == b.Type && a.VLAN == b.VLAN &&
			a.VNI == b.VNI && slices.Equal(a.Peers, b.Peers) && a.MTU == b.MTU && a.MACLimit == b.MACLimit
	case *Opaque:
		b, ok := b.(*Opaque)
		return ok && a.At == b.At && a.Why == b.Why && slices.Equal(a.Text, b.Text)
	}
	return false
}

// canonical sorts the parts of o whose order has no meaning, in place.
func canonical(o Object) {
	switch o := o.(type) {
	case *LAG:
		if !slices.IsSortedFunc(o.Members, CompareNames) {
			slices.SortFunc(o.Members, CompareNames)
		}
	case *Filter:
		slices.SortFunc(o.Sources, func(a, b MAC) int { return slices.Compare(a[:], b[:]) })
		o.Sources = slices.Compact(o.Sources)
	case *Service:
		slices.SortFunc(o.Peers, netip.Addr.Compare)
		o.Peers = slices.Compact(o.Peers)
	}
}
