package lacp

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// EtherType is what a Slow Protocols frame is known by (IEEE 802.3 annex 57A).
const EtherType uint16 = 0x8809

// PDUSize is the length in octets of a LACPDU or a Marker PDU after the ethertype.
const PDUSize = 110

const (
	subtypeLACP   = 1
	subtypeMarker = 2
	subtypeLast   = 10 // the highest subtype that is not illegal, table 57A-3

	version = 1
)

// Address returns the group address that LACPDUs and Marker PDUs are sent to, Slow_Protocols_Multicast
// (IEEE 802.3 57A.3).
func Address() [6]byte { return [6]byte{0x01, 0x80, 0xc2, 0x00, 0x00, 0x02} }

// AppendFrame appends to b the Ethernet frame that carries pdu from the station src.
func AppendFrame(b []byte, src [6]byte, pdu []byte) []byte {
	dst := Address()
	b = append(append(b, dst[:]...), src[:]...)
	return append(binary.BigEndian.AppendUint16(b, EtherType), pdu...)
}

// ErrMalformed is returned for octets that are no PDU of the kind they claim to be.
var ErrMalformed = errors.New("malformed slow protocols PDU")

// State is the octet of flags that a LACPDU carries for the actor and for the partner (6.4.2.3).
type State uint8

// Flags of a State, from the least significant bit on.
const (
	Activity        State = 1 << iota // sends without being asked: Active LACP
	Timeout                           // wants to hear a PDU every second: Short Timeout
	Aggregation                       // the link may aggregate; otherwise it is individual
	Synchronization                   // the link is attached to the right Aggregator
	Collecting                        // frames that arrive are accepted
	Distributing                      // frames are sent
	Defaulted                         // what is known of the partner is configured, not heard
	Expired                           // the partner has fallen silent
)

// Has reports whether all of flags are set.
func (s State) Has(flags State) bool { return s&flags == flags }

// String returns the names of the flags that are set, joined by commas.
func (s State) String() string {
	var set []string
	for i, name := range [...]string{
		"activity", "timeout", "aggregation", "synchronization", "collecting", "distributing", "defaulted", "expired",
	} {
		if s>>i&1 != 0 {
			set = append(set, name)
		}
	}
	return strings.Join(set, ",")
}

func (s *State) set(flags State, on bool) {
	*s &^= flags
	if on {
		*s |= flags
	}
}

// System is a system identifier (6.3.2). The lower one is the better one.
type System struct {
	Priority uint16
	ID       [6]byte
}

// Compare orders systems, the better one first.
func (s System) Compare(t System) int {
	return cmp.Or(cmp.Compare(s.Priority, t.Priority), bytes.Compare(s.ID[:], t.ID[:]))
}

// Info is what a LACPDU says of one end of a link.
type Info struct {
	System       System
	Key          uint16
	PortPriority uint16
	Port         uint16
	State        State
}

// same reports whether a and b are the same port of the same system and key, with equal flags among those.
func (a Info) same(b Info, flags State) bool {
	a.State &= flags
	b.State &= flags
	return a == b
}

// LACPDU is a Link Aggregation Control PDU (6.4.2.3).
type LACPDU struct {
	Version  uint8
	Actor    Info
	Partner  Info
	MaxDelay uint16 // CollectorMaxDelay in tens of microseconds
}

// Offsets of the TLVs of a LACPDU and their lengths, as the figure in 6.4.2.3 lays them out.
const (
	tlvActor     = 2
	tlvPartner   = 22
	tlvCollector = 42

	infoLength      = 20
	collectorLength = 16
)

// Append appends the [PDUSize] octets of p, as version 1 whatever Version says.
func (p LACPDU) Append(b []byte) []byte {
	var o [PDUSize]byte
	o[0], o[1] = subtypeLACP, version
	o[tlvActor], o[tlvActor+1] = 1, infoLength
	p.Actor.put(o[tlvActor+2:])
	o[tlvPartner], o[tlvPartner+1] = 2, infoLength
	p.Partner.put(o[tlvPartner+2:])
	o[tlvCollector], o[tlvCollector+1] = 3, collectorLength
	binary.BigEndian.PutUint16(o[tlvCollector+2:], p.MaxDelay)
	return append(b, o[:]...)
}

func (a Info) put(b []byte) {
	binary.BigEndian.PutUint16(b[0:], a.System.Priority)
	copy(b[2:8], a.System.ID[:])
	binary.BigEndian.PutUint16(b[8:], a.Key)
	binary.BigEndian.PutUint16(b[10:], a.PortPriority)
	binary.BigEndian.PutUint16(b[12:], a.Port)
	b[14] = byte(a.State)
}

func info(b []byte) Info {
	return Info{
		System:       System{binary.BigEndian.Uint16(b[0:]), [6]byte(b[2:8])},
		Key:          binary.BigEndian.Uint16(b[8:]),
		PortPriority: binary.BigEndian.Uint16(b[10:]),
		Port:         binary.BigEndian.Uint16(b[12:]),
		State:        State(b[14]),
	}
}

// ParseLACPDU reads a LACPDU that begins with its subtype. As 6.4.12 asks, the version, the TLV types, the
// reserved octets, the terminator and whatever follows are not looked at, so that a PDU of a later version is
// read for the fields that every version has in the same place. The length octets of the actor and the partner
// must be right. The error is [ErrMalformed].
func ParseLACPDU(b []byte) (LACPDU, error) {
	switch {
	case len(b) < PDUSize:
		return LACPDU{}, fmt.Errorf("%w: %d octets", ErrMalformed, len(b))
	case b[0] != subtypeLACP:
		return LACPDU{}, fmt.Errorf("%w: subtype %d", ErrMalformed, b[0])
	case b[tlvActor+1] != infoLength || b[tlvPartner+1] != infoLength:
		return LACPDU{}, fmt.Errorf("%w: actor length %d, partner length %d", ErrMalformed, b[tlvActor+1], b[tlvPartner+1])
	}
	return LACPDU{
		Version:  b[1],
		Actor:    info(b[tlvActor+2:]),
		Partner:  info(b[tlvPartner+2:]),
		MaxDelay: binary.BigEndian.Uint16(b[tlvCollector+2:]),
	}, nil
}

// A Marker PDU is its subtype, its version, one TLV of 16 octets and the terminator (6.5.3.3).
const (
	tlvMarker         = 2
	markerLength      = 16
	markerInformation = 1
	markerResponse    = 2
)

// respond returns the Marker Response PDU to a Marker PDU: the same requester and transaction under another
// TLV type (6.5.4). It reports false for a PDU that asks for no response.
func respond(b []byte) ([]byte, bool, error) {
	switch {
	case len(b) < PDUSize:
		return nil, false, fmt.Errorf("%w: %d octets", ErrMalformed, len(b))
	case b[tlvMarker+1] != markerLength:
		return nil, false, fmt.Errorf("%w: marker length %d", ErrMalformed, b[tlvMarker+1])
	case b[tlvMarker] != markerInformation:
		return nil, false, nil
	}
	r := make([]byte, PDUSize)
	r[0], r[1] = subtypeMarker, version
	r[tlvMarker], r[tlvMarker+1] = markerResponse, markerLength
	copy(r[tlvMarker+2:tlvMarker+markerLength], b[tlvMarker+2:])
	return r, true, nil
}
