package dataplane

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
)

// Config is what a plane does. It must not be changed once it was given to [Plane.Configure].
type Config struct {
	System   [6]byte // the LACP system of LAGs that have none of their own
	Ports    []Port
	LAGs     []LAG
	Circuits []Circuit
	Services []Service
	Filters  []Filter
}

// Port is the configuration of a physical port.
type Port struct {
	Name    string
	Enabled bool
	MTU     int    // the longest payload in octets, tags not counted; 0 for no bound
	TPID    uint16 // the ethertype of outer tags of circuits that do not say; 0 for 0x8100
	Storm   uint64 // broadcast, multicast and unknown unicast in bit/s; 0 for no bound
}

// LAG is the configuration of a link aggregation group. Its ports have no circuits of their own, and of their own
// configuration only Enabled counts.
type LAG struct {
	Name     string
	Enabled  bool
	MTU      int    // as of a port
	TPID     uint16 // as of a port
	Storm    uint64 // as of a port, over all members
	Members  []string
	Mode     lacp.Mode
	Fast     bool
	MinLinks int
	System   [6]byte // zero for that of the Config
}

// Circuit is an attachment of a port or LAG to a service: the frames with certain tags.
type Circuit struct {
	Parent  string // a port or LAG
	Unit    uint32 // tells the circuits of a parent apart
	Enabled bool
	Tags    int    // 0, 1 or 2
	TPID    uint16 // the ethertype of the outer tag, of circuits with a tag; 0 for that of the port or LAG
	Outer   uint16 // VLAN id 1 to 4094, of circuits with a tag
	Inner   uint16 // VLAN id 1 to 4094, of circuits with two tags
	Through bool   // of circuits with no or one tag: further tags of its frames pass as a part of their payload
	Service string // empty for none: its frames are dropped
	Leaf    bool   // of a Tree: reaches roots only
	Filter  string // empty for none
	In, Out Policer

	MACLimit int // stations learned, 0 for no bound
}

// Policer bounds a rate with a token bucket, over the octets of frames with tags and without frame check sequence.
type Policer struct {
	Rate  uint64 // bit/s, 0 for no bound
	Burst int    // octets, 0 for what comes in 50 ms, at least two of the longest frames
}

// Kind says how a service forwards.
type Kind uint8

// Kinds of services.
const (
	LAN  Kind = iota // everybody reaches everybody
	Line             // two ends
	Tree             // leaves reach roots only
)

// String returns the name of k in lower case.
func (k Kind) String() string { return [...]string{"lan", "line", "tree"}[k] }

// Service joins circuits, on one switch or several.
type Service struct {
	Name     string
	Kind     Kind
	VNI      uint32       // VXLAN network identifier, 24 bits; 0 for a service that does not leave the switch
	Remotes  []netip.Addr // tunnel endpoints of other switches
	MTU      int          // the longest payload in octets; 0 for no bound
	MACLimit int          // stations learned, local and remote; 0 for no bound
}

// Filter decides by address what a circuit accepts from outside. The first rule that matches decides; a frame
// that none matches is dropped.
type Filter struct {
	Name  string
	Rules []Rule
}

// Rule matches addresses in the bits that are set in the masks.
type Rule struct {
	Dst, DstMask [6]byte
	Src, SrcMask [6]byte
	Accept       bool
}

func (r *Rule) matches(h *frame.Header) bool {
	var differ byte
	for i := range 6 {
		differ |= (h.Dst[i]^r.Dst[i])&r.DstMask[i] | (h.Src[i]^r.Src[i])&r.SrcMask[i]
	}
	return differ == 0
}

const maxVNI = 1<<24 - 1

// checker collects what is wrong with a Config.
type checker struct {
	faults   []error
	parents  map[string]uint16 // the ethertype of ports and LAGs
	ports    map[string]bool   // ports
	members  map[string]string // LAG by port
	services map[string]*Service
	filters  map[string]bool
	ends     map[string]int // of services
}

func (k *checker) fail(format string, args ...any) {
	k.faults = append(k.faults, fmt.Errorf(format, args...))
}

// validate returns all faults that leave no meaning to c, joined.
func (c *Config) validate() error {
	k := &checker{
		parents: map[string]uint16{}, ports: map[string]bool{}, members: map[string]string{},
		services: map[string]*Service{}, filters: map[string]bool{}, ends: map[string]int{},
	}
	for i := range c.Ports {
		p := &c.Ports[i]
		k.parent("port", p.Name, p.MTU, p.TPID)
		k.ports[p.Name] = true
	}
	for i := range c.LAGs {
		k.lag(c, &c.LAGs[i])
	}
	vnis := map[uint32]string{}
	for i := range c.Services {
		k.service(&c.Services[i], vnis)
	}
	for _, f := range c.Filters {
		if f.Name == "" || k.filters[f.Name] {
			k.fail("filter %q: name is empty or not the only one", f.Name)
		}
		k.filters[f.Name] = true
	}
	taken := map[string]*taken{}
	for i := range c.Circuits {
		k.circuit(&c.Circuits[i], taken)
	}
	for name, n := range k.ends {
		if k.services[name].Kind == Line && n > 2 {
			k.fail("service %q: %d ends on a line", name, n)
		}
	}
	return errors.Join(k.faults...)
}

func (k *checker) parent(kind, name string, mtu int, tpid uint16) {
	if name == "" || k.parents[name] != 0 {
		k.fail("%s %q: name is empty or not the only one", kind, name)
	}
	k.parents[name] = cmp.Or(tpid, frame.CTag)
	if mtu < 0 {
		k.fail("%s %q: MTU %d", kind, name, mtu)
	}
	if tpid != 0 && !isTag(tpid) {
		k.fail("%s %q: %#04x is no ethertype of a tag", kind, name, tpid)
	}
}

func (k *checker) lag(c *Config, l *LAG) {
	k.parent("LAG", l.Name, l.MTU, l.TPID)
	for _, m := range l.Members {
		switch other, taken := k.members[m]; {
		case !k.ports[m]:
			k.fail("LAG %q: no port %q", l.Name, m)
		case taken:
			k.fail("LAG %q: port %q is a member of %q", l.Name, m, other)
		}
		k.members[m] = l.Name
	}
	if s := l.system(c); s == [6]byte{} || s[0]&1 != 0 {
		k.fail("LAG %q: system %x is no station's address", l.Name, s)
	}
	if l.Mode > lacp.Static || l.MinLinks < 0 {
		k.fail("LAG %q: mode %d, at least %d links", l.Name, l.Mode, l.MinLinks)
	}
}

func (l *LAG) system(c *Config) [6]byte {
	if l.System != [6]byte{} {
		return l.System
	}
	return c.System
}

func (k *checker) service(s *Service, vnis map[uint32]string) {
	if s.Name == "" || k.services[s.Name] != nil {
		k.fail("service %q: name is empty or not the only one", s.Name)
	}
	k.services[s.Name] = s
	k.ends[s.Name] += len(s.Remotes)
	if s.Kind > Tree || s.MTU < 0 || s.MACLimit < 0 {
		k.fail("service %q: kind %d, MTU %d, at most %d stations", s.Name, s.Kind, s.MTU, s.MACLimit)
	}
	if other, taken := vnis[s.VNI]; s.VNI > maxVNI || taken && s.VNI != 0 {
		k.fail("service %q: VNI %d is too great or that of %q", s.Name, s.VNI, other)
	}
	vnis[s.VNI] = s.Name
	if len(s.Remotes) > 0 && s.VNI == 0 {
		k.fail("service %q: remote tunnel endpoints without a VNI", s.Name)
	}
	for i, r := range s.Remotes {
		if !r.IsValid() || r.Is4In6() || slices.Contains(s.Remotes[:i], r) {
			k.fail("service %q: remote %v is no address or not the only one", s.Name, r)
		}
	}
}

// taken is what the circuits of a parent use.
type taken struct {
	units map[uint32]bool
	whole bool                 // one takes all frames
	tags  map[[3]uint16]uint32 // unit by outer ethertype, outer and inner VLAN, 0 where there is no tag
}

// someInner stands for any VLAN behind an outer one, and is none itself.
const someInner = 0xfff

func (k *checker) circuit(c *Circuit, by map[string]*taken) {
	key := circuitKey{c.Parent, c.Unit}
	of := by[c.Parent]
	if of == nil {
		of = &taken{units: map[uint32]bool{}, tags: map[[3]uint16]uint32{}}
		by[c.Parent] = of
	}
	if of.units[c.Unit] {
		k.fail("circuit %v: not the only one", key)
	}
	of.units[c.Unit] = true
	if k.parents[c.Parent] == 0 {
		k.fail("circuit %v: no such port or LAG", key)
	}
	if lag, member := k.members[c.Parent]; member {
		k.fail("circuit %v: on a member of %q", key, lag)
	}
	if c.Service != "" {
		if k.services[c.Service] == nil {
			k.fail("circuit %v: no service %q", key, c.Service)
		} else {
			k.ends[c.Service]++
		}
	}
	if c.Filter != "" && !k.filters[c.Filter] {
		k.fail("circuit %v: no filter %q", key, c.Filter)
	}
	if c.In.Burst < 0 || c.Out.Burst < 0 || c.MACLimit < 0 {
		k.fail("circuit %v: a bound is negative", key)
	}
	var tags [3]uint16 // 0 where there is no tag
	tpid := cmp.Or(c.TPID, k.parents[c.Parent])
	switch c.Tags {
	case 0:
		if c.TPID != 0 {
			k.fail("circuit %v: an ethertype without a tag", key)
		}
	case 1:
		tags = [3]uint16{tpid, c.Outer}
	case 2:
		tags = [3]uint16{tpid, c.Outer, c.Inner}
	default:
		k.fail("circuit %v: %d tags", key, c.Tags)
		return
	}
	if c.Through && c.Tags == 2 {
		k.fail("circuit %v: further tags behind two", key)
	}
	of.whole = of.whole || c.Through && c.Tags == 0
	if of.whole && len(of.units) > 1 {
		k.fail("circuit %v: one of %q takes all frames, and it is not the only one", key, c.Parent)
	}
	if c.TPID != 0 && !isTag(c.TPID) {
		k.fail("circuit %v: %#04x is no ethertype of a tag", key, c.TPID)
	}
	for _, v := range tags[1 : 1+c.Tags] {
		if v == 0 || v > 4094 {
			k.fail("circuit %v: VLAN %d", key, v)
		}
	}
	other, used := of.tags[tags]
	if !used && c.Tags == 2 {
		other, used = of.tags[[3]uint16{tpid, c.Outer}]
	} else if !used && c.Tags == 1 {
		other, used = of.tags[[3]uint16{tpid, c.Outer, someInner}]
	}
	if used {
		k.fail("circuit %v: matches frames of unit %d", key, other)
		return
	}
	of.tags[tags] = c.Unit
	if c.Tags == 2 {
		of.tags[[3]uint16{tpid, c.Outer, someInner}] = c.Unit
	}
}

func isTag(ethertype uint16) bool {
	return ethertype == frame.CTag || ethertype == frame.STag || ethertype == frame.QTag
}
