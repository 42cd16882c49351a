package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/lab/dataplane/frame"
)

// MaxDepth is the deepest stack of tags that a host puts on a frame or tells of one.
const MaxDepth = 8

// maxPrefixes bounds the prefixes of an attachment.
const maxPrefixes = 16

// Ethertypes that open what a tag stack holds.
const (
	etherIPv4   uint16 = 0x0800
	etherARP    uint16 = 0x0806
	etherIPv6   uint16 = 0x86dd
	etherStream uint16 = 0x88b5 // Local Experimental Ethertype 1, IEEE Std 802-2014 9.2.3
)

// leastEtherType is the lowest number that is an ethertype and not a length (IEEE Std 802.3 3.2.6).
const leastEtherType = 0x0600

// MAC is a 48 bit address. Its text form is 02:00:5e:10:00:01.
type MAC frame.MAC

// Broadcast returns the address of every station.
func Broadcast() MAC { return MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} }

// String returns the text form of m.
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// MarshalText returns the text form of m.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads the text form, also with hyphens or dots in it.
func (m *MAC) UnmarshalText(b []byte) error {
	a, err := net.ParseMAC(string(b))
	if err != nil || len(a) != len(m) {
		return fmt.Errorf("%q is no MAC address such as 02:00:5e:10:00:01", b)
	}
	*m = MAC(a)
	return nil
}

// Tag is a VLAN tag. Its text form is its ethertype and its VLAN, 0x88a8:100, with a priority other than 0 behind
// it, 0x88a8:100:5, and "dei" behind that if the frame may be dropped first, 0x88a8:100:5:dei.
type Tag struct{ frame.Tag }

// String returns the text form of t.
func (t Tag) String() string {
	s := fmt.Sprintf("%#04x:%d", t.TPID, t.VID())
	if t.PCP() != 0 || t.DEI() {
		s += fmt.Sprintf(":%d", t.PCP())
	}
	if t.DEI() {
		s += ":dei"
	}
	return s
}

func parseTag(text string) (Tag, error) {
	fields := strings.Split(text, ":")
	if len(fields) < 2 || len(fields) > 4 || len(fields) == 4 && fields[3] != "dei" {
		return Tag{}, fmt.Errorf("tag %q is not ETHERTYPE:VLAN[:PRIORITY[:dei]], such as 0x88a8:100", text)
	}
	tpid, err := strconv.ParseUint(fields[0], 0, 16)
	if err != nil || tpid < leastEtherType {
		return Tag{}, fmt.Errorf("tag %q: %q is no ethertype such as 0x8100, 0x88a8 or 0x9100", text, fields[0])
	}
	vid, err := strconv.ParseUint(fields[1], 10, 16)
	if err != nil || vid > 0xfff {
		return Tag{}, fmt.Errorf("tag %q: %q is no VLAN from 0 to 4095", text, fields[1])
	}
	tci := uint16(vid)
	if len(fields) > 2 {
		pcp, err := strconv.ParseUint(fields[2], 10, 8)
		if err != nil || pcp > 7 {
			return Tag{}, fmt.Errorf("tag %q: %q is no priority from 0 to 7", text, fields[2])
		}
		tci |= uint16(pcp) << 13
	}
	if len(fields) > 3 {
		tci |= 0x1000
	}
	return Tag{frame.Tag{TPID: uint16(tpid), TCI: tci}}, nil
}

// Stack is the tags of a frame, the outermost first. Its text form is "untagged", or the tags joined by slashes:
// 0x88a8:100/0x8100:7.
type Stack []Tag

const untagged = "untagged"

// String returns the text form of s.
func (s Stack) String() string {
	if len(s) == 0 {
		return untagged
	}
	text := make([]string, len(s))
	for i, t := range s {
		text[i] = t.String()
	}
	return strings.Join(text, "/")
}

// MarshalText returns the text form of s.
func (s Stack) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the text form of a stack no deeper than [MaxDepth].
func (s *Stack) UnmarshalText(b []byte) error {
	*s = nil
	if string(b) == untagged {
		return nil
	}
	fields := strings.Split(string(b), "/")
	if len(fields) > MaxDepth {
		return fmt.Errorf("%d tags, at most %d go on a frame", len(fields), MaxDepth)
	}
	for _, f := range fields {
		t, err := parseTag(f)
		if err != nil {
			return err
		}
		*s = append(*s, t)
	}
	return nil
}

// Equal reports whether s and t are the same ethertypes and VLANs; priorities do not count.
func (s Stack) Equal(t Stack) bool {
	return slices.EqualFunc(s, t, func(a, b Tag) bool { return a.TPID == b.TPID && a.VID() == b.VID() })
}

// strip returns the ethertype that follows exactly the tags of s in f, and what follows that.
func (s Stack) strip(f []byte) (etherType uint16, payload []byte, ok bool) {
	at := 12
	if len(f) < at+4*len(s)+2 {
		return 0, nil, false
	}
	for _, t := range s {
		if binary.BigEndian.Uint16(f[at:]) != t.TPID || binary.BigEndian.Uint16(f[at+2:])&0xfff != t.VID() {
			return 0, nil, false
		}
		at += 4
	}
	return binary.BigEndian.Uint16(f[at:]), f[at+2:], true
}

// appendHeader appends to b the header of a frame with these tags.
func (s Stack) appendHeader(b []byte, dst, src MAC, etherType uint16) []byte {
	b = append(append(b, dst[:]...), src[:]...)
	for _, t := range s {
		b = binary.BigEndian.AppendUint16(b, t.TPID)
		b = binary.BigEndian.AppendUint16(b, t.TCI)
	}
	return binary.BigEndian.AppendUint16(b, etherType)
}

// Attachment is where a host takes part in a service: a tag stack, and who the host is inside it. Its text form is
// NAME=TAGS, and behind it in any order at most one mac=MAC and any number of ip=ADDRESS/LENGTH, all joined by commas:
//
//	lan=0x88a8:100/0x8100:7,mac=02:00:5e:10:00:01,ip=192.0.2.1/24,ip=2001:db8::1/64
type Attachment struct {
	Name     string         `json:"name"`
	Tags     Stack          `json:"tags"`
	MAC      MAC            `json:"mac"` // the zero address stands for the address of the host's system
	Prefixes []netip.Prefix `json:"prefixes,omitempty"`
}

// String returns the text form of a.
func (a Attachment) String() string {
	s := a.Name + "=" + a.Tags.String()
	if a.MAC != (MAC{}) {
		s += ",mac=" + a.MAC.String()
	}
	for _, p := range a.Prefixes {
		s += ",ip=" + p.String()
	}
	return s
}

// ParseAttachment reads the text form of an attachment. The error joins all faults.
func ParseAttachment(text string) (Attachment, error) {
	name, rest, ok := strings.Cut(text, "=")
	if !ok {
		return Attachment{}, fmt.Errorf("attachment %q is not a name, an equals sign and tags, such as lan=untagged", text)
	}
	a := Attachment{Name: name}
	fields := strings.Split(rest, ",")
	var faults []error
	if err := a.Tags.UnmarshalText([]byte(fields[0])); err != nil {
		faults = append(faults, err)
	}
	for _, f := range fields[1:] {
		key, value, _ := strings.Cut(f, "=")
		switch key {
		case "mac":
			if a.MAC != (MAC{}) {
				faults = append(faults, errors.New("more than one mac="))
			}
			if err := a.MAC.UnmarshalText([]byte(value)); err != nil {
				faults = append(faults, err)
			}
		case "ip":
			p, err := netip.ParsePrefix(value)
			if err != nil {
				faults = append(faults, fmt.Errorf("%q is no address with its prefix length such as 192.0.2.1/24", value))
				continue
			}
			a.Prefixes = append(a.Prefixes, p)
		default:
			faults = append(faults, fmt.Errorf("%q is neither mac=MAC nor ip=ADDRESS/LENGTH", f))
		}
	}
	if len(faults) == 0 {
		return a, a.validate()
	}
	return a, fmt.Errorf("attachment %s: %w", a.Name, errors.Join(faults...))
}

// validate joins all faults of a.
func (a Attachment) validate() error {
	var faults []error
	named := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
	}
	if a.Name == "" || len(a.Name) > 32 || strings.ContainsFunc(a.Name, func(r rune) bool { return !named(r) }) {
		faults = append(faults, errors.New("a name has 1 to 32 letters, digits, dots, hyphens and underscores"))
	}
	if len(a.Tags) > MaxDepth {
		faults = append(faults, fmt.Errorf("%d tags, at most %d go on a frame", len(a.Tags), MaxDepth))
	}
	if frame.MAC(a.MAC).Group() {
		faults = append(faults, fmt.Errorf("%s is a group address and no station's", a.MAC))
	}
	if len(a.Prefixes) > maxPrefixes {
		faults = append(faults, fmt.Errorf("%d addresses, at most %d", len(a.Prefixes), maxPrefixes))
	}
	for i, p := range a.Prefixes {
		switch ip := p.Addr(); {
		case !p.IsValid() || ip.Is4In6() || ip.IsUnspecified() || ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
			faults = append(faults, fmt.Errorf("%s is no address of a station", p))
		case slices.ContainsFunc(a.Prefixes[:i], func(q netip.Prefix) bool { return q.Addr() == ip }):
			faults = append(faults, fmt.Errorf("%s is given twice", ip))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("attachment %s: %w", a.Name, errors.Join(faults...))
}

// linkLocal returns the link-local address of a station (RFC 4291 2.5.6 and appendix A).
func linkLocal(m MAC) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})
}

// owns reports whether ip is an address of a.
func (a *Attachment) owns(ip netip.Addr) bool {
	for _, p := range a.Prefixes {
		if p.Addr() == ip {
			return true
		}
	}
	return a.speaksIPv6() && ip == linkLocal(a.MAC)
}

func (a *Attachment) speaksIPv6() bool {
	return slices.ContainsFunc(a.Prefixes, func(p netip.Prefix) bool { return p.Addr().Is6() })
}

// source returns the address from which a speaks to its neighbour ip, and whether it has one.
func (a *Attachment) source(ip netip.Addr) (netip.Addr, bool) {
	for _, p := range a.Prefixes {
		if p.Contains(ip) {
			return p.Addr(), true
		}
	}
	return linkLocal(a.MAC), ip.IsLinkLocalUnicast() && ip.Is6() && a.speaksIPv6()
}
