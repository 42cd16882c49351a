// Package frame reads and retags Ethernet frames that carry VLAN tags. It works on the caller's bytes and
// allocates nothing.
//
// A frame here begins with the destination address and ends before the frame check sequence. Which ethertype
// opens a VLAN tag is not a property of the frame but of the port it came through: [Parse] recognises as outer
// tag only what it is asked for, so a frame with the right VLAN behind the wrong ethertype is not mistaken for
// a tagged one. The inner tag of a stack is always a C-TAG, 0x8100 (IEEE 802.1Q-2022 9.5).
package frame

import (
	"encoding/binary"
	"errors"
	"slices"
)

// Ethertypes of VLAN tags.
const (
	CTag uint16 = 0x8100 // customer VLAN tag, IEEE 802.1Q-2022 table 9-1
	STag uint16 = 0x88a8 // service VLAN tag, IEEE 802.1Q-2022 table 9-1
	QTag uint16 = 0x9100 // stacked tag from before 802.1ad, in no standard
)

// Sizes in octets, without the frame check sequence.
const (
	HeaderSize = 14 // addresses and ethertype of an untagged frame
	TagSize    = 4
	MinSize    = 60 // the least a medium carries, IEEE Std 802.3 3.2.8; a virtual link may hand over less
	MaxTags    = 2  // the deepest stack [Parse] recognises

	addresses = 12
)

var (
	// ErrShort is returned for a frame that ends inside its header or inside a tag it has begun.
	ErrShort = errors.New("frame ends inside its header")
	// ErrRoom is returned where a tag does not fit in front of a frame.
	ErrRoom = errors.New("no room for the tag in front of the frame")
)

// MAC is a 48 bit address in the order of transmission.
type MAC [6]byte

// Group reports whether a is a multicast address or the broadcast address.
func (a MAC) Group() bool { return a[0]&1 != 0 }

// Reserved reports whether a is one of the sixteen group addresses 01-80-C2-00-00-00 to -0F that a VLAN bridge
// never forwards (IEEE 802.1Q-2022 8.6.3, table 8-1).
func (a MAC) Reserved() bool {
	return [5]byte(a[:5]) == [5]byte{0x01, 0x80, 0xc2} && a[5] < 0x10
}

// Tag is a VLAN tag: its ethertype and its tag control information (IEEE 802.1Q-2022 9.6).
type Tag struct {
	TPID uint16
	TCI  uint16
}

// VID returns the VLAN id, 0 for a tag that carries only a priority.
func (t Tag) VID() uint16 { return t.TCI & 0xfff }

// PCP returns the priority, 0 to 7.
func (t Tag) PCP() uint8 { return uint8(t.TCI >> 13) }

// DEI reports whether the frame may be dropped first.
func (t Tag) DEI() bool { return t.TCI&0x1000 != 0 }

// To returns a tag of another ethertype and VLAN with the priority and drop eligibility of t.
func (t Tag) To(tpid, vid uint16) Tag {
	return Tag{tpid, t.TCI&0xf000 | vid&0xfff}
}

// Header is what stands before the payload of a frame.
type Header struct {
	Dst, Src MAC
	Tags     [MaxTags]Tag // outermost first, of which the first Depth are present
	Depth    int
	Type     uint16 // what follows the recognised tags: an ethertype, or below 1536 a length
}

// Size returns the length of the header in octets; the payload follows it.
func (h *Header) Size() int { return HeaderSize + h.Depth*TagSize }

// Stack returns the recognised tags, outermost first, as a view of h.
func (h *Header) Stack() []Tag { return h.Tags[:h.Depth] }

// Opaque reports whether another VLAN tag follows the recognised ones: a foreign outer ethertype, or a third
// tag.
func (h *Header) Opaque() bool { return h.Type == CTag || h.Type == STag || h.Type == QTag }

// Keep forgets all but the n outermost tags, so that the others are what follows those.
func (h *Header) Keep(n int) {
	if n < h.Depth {
		h.Type, h.Depth = h.Tags[n].TPID, n
		clear(h.Tags[n:])
	}
}

// Parse reads the header of f. The first tag is recognised if its ethertype is one of outer, a second one
// behind it if its ethertype is [CTag]; any other tag is left as payload. The error is [ErrShort].
func Parse(f []byte, outer ...uint16) (Header, error) {
	var h Header
	if len(f) < HeaderSize {
		return Header{}, ErrShort
	}
	h.Dst, h.Src = MAC(f[0:6]), MAC(f[6:12])
	h.Type = binary.BigEndian.Uint16(f[addresses:])
	if !slices.Contains(outer, h.Type) {
		return h, nil
	}
	for h.Depth < MaxTags && (h.Depth == 0 || h.Type == CTag) {
		at := h.Size()
		if len(f) < at+TagSize {
			return Header{}, ErrShort
		}
		h.Tags[h.Depth] = Tag{h.Type, binary.BigEndian.Uint16(f[at:])}
		h.Type = binary.BigEndian.Uint16(f[at+2:])
		h.Depth++
	}
	return h, nil
}

// Pop takes the n outermost tags off the frame f in place: the addresses move towards the payload and the frame
// returned begins 4n octets later in the same memory. The error is [ErrShort].
func Pop(f []byte, n int) ([]byte, error) {
	if n < 0 || n > len(f) || len(f) < HeaderSize+n*TagSize {
		return nil, ErrShort
	}
	copy(f[n*TagSize:], f[:addresses])
	return f[n*TagSize:], nil
}

// Push puts tags, outermost first, on the frame that begins at buf[start], in place: the addresses move into
// the room before it. It returns where the frame begins now, 4 octets earlier for each tag. The error is
// [ErrRoom] or [ErrShort], and buf is then unchanged.
func Push(buf []byte, start int, tags ...Tag) (int, error) {
	to := start - len(tags)*TagSize
	if to < 0 {
		return start, ErrRoom
	}
	if len(buf)-start < HeaderSize {
		return start, ErrShort
	}
	copy(buf[to:], buf[start:start+addresses])
	put(buf[to+addresses:], tags)
	return to, nil
}

// Append appends to dst the frame f without its pop outermost tags and with tags, outermost first, in their
// place. It allocates only if dst has no capacity for that. The error is [ErrShort], and dst is then returned
// as it was. The two must not overlap.
func Append(dst, f []byte, pop int, tags ...Tag) ([]byte, error) {
	if pop < 0 || pop > len(f) || len(f) < HeaderSize+pop*TagSize {
		return dst, ErrShort
	}
	dst = append(dst, f[:addresses]...)
	for _, t := range tags {
		dst = binary.BigEndian.AppendUint16(dst, t.TPID)
		dst = binary.BigEndian.AppendUint16(dst, t.TCI)
	}
	return append(dst, f[addresses+pop*TagSize:]...), nil
}

func put(b []byte, tags []Tag) {
	for i, t := range tags {
		binary.BigEndian.PutUint16(b[i*TagSize:], t.TPID)
		binary.BigEndian.PutUint16(b[i*TagSize+2:], t.TCI)
	}
}

// Pad appends zeros to f up to [MinSize], as a medium does with a frame that lost a tag.
func Pad(f []byte) []byte {
	var zero [MinSize]byte
	return append(f, zero[:max(0, MinSize-len(f))]...)
}

// MaxSize returns the length in octets of the longest frame with the given number of tags whose payload is no
// longer than mtu; tags do not count against the payload (IEEE Std 802.3 3.2.7).
func MaxSize(mtu, tags int) int { return HeaderSize + tags*TagSize + mtu }

// Bits of the status that a packet socket reports beside a frame (packet(7), PACKET_AUXDATA).
const (
	statusVLANValid     = 0x10 // TP_STATUS_VLAN_VALID
	statusVLANTPIDValid = 0x40 // TP_STATUS_VLAN_TPID_VALID
)

// Stripped returns the tag that the kernel took off a frame before it handed it to a packet socket, from the
// status and tag fields of the socket's auxiliary data, and whether it took one. A tag of priority 0 on VLAN 0
// was there if the status says so. The tag is the outermost: [Push] restores the frame.
func Stripped(status uint32, tci, tpid uint16) (Tag, bool) {
	switch {
	case status&statusVLANValid == 0:
		return Tag{}, false
	case status&statusVLANTPIDValid == 0:
		return Tag{CTag, tci}, true
	}
	return Tag{tpid, tci}, true
}
