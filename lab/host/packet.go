package host

import (
	"encoding/binary"
	"net/netip"
)

// arp is an ARP packet for IPv4 over Ethernet (RFC 826).
type arp struct {
	op                 uint16
	sender, target     MAC
	senderIP, targetIP netip.Addr
}

const (
	arpRequest uint16 = 1
	arpReply   uint16 = 2
	arpSize           = 28
)

func (p arp) append(b []byte) []byte {
	b = append(b, 0, 1, 8, 0, 6, 4)
	b = binary.BigEndian.AppendUint16(b, p.op)
	b = append(append(b, p.sender[:]...), p.senderIP.AsSlice()...)
	return append(append(b, p.target[:]...), p.targetIP.AsSlice()...)
}

func parseARP(b []byte) (arp, bool) {
	if len(b) < arpSize || [6]byte(b) != [6]byte{0, 1, 8, 0, 6, 4} {
		return arp{}, false
	}
	return arp{
		op:     binary.BigEndian.Uint16(b[6:]),
		sender: MAC(b[8:14]), senderIP: netip.AddrFrom4([4]byte(b[14:18])),
		target: MAC(b[18:24]), targetIP: netip.AddrFrom4([4]byte(b[24:28])),
	}, true
}

// IP protocols and the ICMP and ICMPv6 types that a host knows.
const (
	protoICMP   = 1
	protoICMPv6 = 58

	icmpEchoReply   = 0
	icmpEchoRequest = 8

	icmp6EchoRequest            = 128
	icmp6EchoReply              = 129
	icmp6NeighbourSolicitation  = 135
	icmp6NeighbourAdvertisement = 136
)

// Sizes of headers in octets, and the hop limit that proves that no router was in between (RFC 4861 7.1).
const (
	ipv4Size = 20
	ipv6Size = 40
	icmpSize = 8
	hopLimit = 255
)

// sum adds the 16 bit words of b to the ones' complement sum s, as the Internet checksum does (RFC 1071).
func sum(s uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) > 0 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return s
}

// sum6 is the sum of the pseudo header of an ICMPv6 message and the message itself (RFC 8200 8.1).
func sum6(src, dst netip.Addr, message []byte) uint32 {
	a, b := src.As16(), dst.As16()
	s := sum(sum(0, a[:]), b[:])
	return sum(s+uint32(len(message))+protoICMPv6, message)
}

// packet is an ICMP or ICMPv6 message and its IP addresses.
type packet struct {
	src, dst netip.Addr
	hops     byte   // time to live or hop limit
	message  []byte // from the type on
}

// parseIPv4 reads a whole, unfragmented ICMP packet whose checksums are right.
func parseIPv4(b []byte) (packet, bool) {
	if len(b) < ipv4Size || b[0]>>4 != 4 {
		return packet{}, false
	}
	header, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < ipv4Size || total < header+icmpSize || total > len(b) || sum(0, b[:header]) != 0xffff {
		return packet{}, false
	}
	message := b[header:total]
	if b[9] != protoICMP || binary.BigEndian.Uint16(b[6:])&0x3fff != 0 || sum(0, message) != 0xffff {
		return packet{}, false
	}
	return packet{netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20])), b[8], message}, true
}

// parseIPv6 reads an ICMPv6 packet without extension headers whose checksum is right.
func parseIPv6(b []byte) (packet, bool) {
	if len(b) < ipv6Size || b[0]>>4 != 6 || b[6] != protoICMPv6 {
		return packet{}, false
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length < icmpSize || ipv6Size+length > len(b) {
		return packet{}, false
	}
	p := packet{netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40])), b[7], b[ipv6Size : ipv6Size+length]}
	return p, sum6(p.src, p.dst, p.message) == 0xffff
}

// appendICMP appends an IP packet with a message of this type, whose other octets are given in two parts: the four
// behind the checksum, and the rest.
func appendICMP(b []byte, src, dst netip.Addr, hops, kind byte, word [4]byte, rest []byte) []byte {
	start := len(b)
	size := icmpSize + len(rest)
	if dst.Is4() {
		b = append(b, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(ipv4Size+size))
		b = append(b, 0, 0, 0x40, 0, hops, protoICMP, 0, 0) // do not fragment
		b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
		binary.BigEndian.PutUint16(b[start+10:], ^uint16(sum(0, b[start:])))
	} else {
		b = append(b, 0x60, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(size))
		b = append(b, protoICMPv6, hops)
		b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	}
	at := len(b)
	b = append(b, kind, 0, 0, 0)
	b = append(append(b, word[:]...), rest...)
	s := sum(0, b[at:])
	if dst.Is6() {
		s = sum6(src, dst, b[at:])
	}
	binary.BigEndian.PutUint16(b[at+2:], ^uint16(s))
	return b
}

// Options of Neighbour Discovery and flags of an advertisement (RFC 4861 4.4, 4.6.1).
const (
	optionSource = 1
	optionTarget = 2

	flagRouter    = 0x80
	flagSolicited = 0x40
	flagOverride  = 0x20
)

// neighbourMessage returns what follows the first eight octets of a solicitation or an advertisement.
func neighbourMessage(target netip.Addr, option byte, m MAC) []byte {
	return append(append(target.AsSlice(), option, 1), m[:]...)
}

// parseNeighbour reads the target of a solicitation or an advertisement and the link-layer address in the option of
// that kind, and whether there is one. It refuses what RFC 4861 7.1.1 and 7.1.2 tell to discard.
func parseNeighbour(p packet, kind byte) (target netip.Addr, m MAC, has, ok bool) {
	if p.hops != hopLimit || p.message[1] != 0 || len(p.message) < 24 {
		return target, m, false, false
	}
	target = netip.AddrFrom16([16]byte(p.message[8:24]))
	if target.IsMulticast() {
		return target, m, false, false
	}
	for options := p.message[24:]; len(options) > 0; {
		if len(options) < 8 || options[1] == 0 || len(options) < int(options[1])*8 {
			return target, m, false, false
		}
		if options[0] == kind {
			m, has = MAC(options[2:8]), true
		}
		options = options[int(options[1])*8:]
	}
	return target, m, has, true
}

// solicitedNode returns the multicast address that the station with an address listens to (RFC 4291 2.7.1).
func solicitedNode(ip netip.Addr) netip.Addr {
	a := ip.As16()
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: a[13], 14: a[14], 15: a[15]})
}

// allNodes returns the multicast address of all nodes on a link (RFC 4291 2.7.1).
func allNodes() netip.Addr { return netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 15: 1}) }

// groupMAC returns the address that carries an IPv6 multicast address (RFC 2464 7).
func groupMAC(ip netip.Addr) MAC {
	a := ip.As16()
	return MAC{0x33, 0x33, a[12], a[13], a[14], a[15]}
}

// appendListenerReport appends an MLD report by which a station tells that it listens to a group, so that a switch
// that snoops lets the group through (RFC 2710 3; the router alert of RFC 2711 precedes it).
func appendListenerReport(b []byte, src, group netip.Addr) []byte {
	const alert, message = 8, 24
	b = append(b, 0x60, 0, 0, 0, 0, alert+message, 0, 1)
	b = append(append(b, src.AsSlice()...), group.AsSlice()...)
	b = append(b, protoICMPv6, 0, 5, 2, 0, 0, 1, 0)
	at := len(b)
	b = append(append(b, 131, 0, 0, 0, 0, 0, 0, 0), group.AsSlice()...)
	binary.BigEndian.PutUint16(b[at+2:], ^uint16(sum6(src, group, b[at:])))
	return b
}
