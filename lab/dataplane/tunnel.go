package dataplane

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
)

// TunnelUDPPort is the UDP port that VXLAN is sent to (RFC 7348 section 4.2).
const TunnelUDPPort = 4789

// TunnelPort is what the tunnels are called where a port is named.
const TunnelPort = "tunnel"

// header is a VXLAN header: RFC 7348 section 5, with the group of draft-smith-vxlan-group-policy section 2.1.
type header struct {
	vni   uint32
	group uint16 // Group Policy ID, 0 for none
}

const (
	headerSize = 8

	flagVNI   = 0x08 // I
	flagGroup = 0x80 // G

	groupLeaf = 1 // the Group Policy ID of what a leaf of a tree sent
)

var errHeader = errors.New("no VXLAN header")

// parseHeader reads the header of a datagram; the frame follows it. Flags and fields that are reserved are not
// looked at, as the RFC asks.
func parseHeader(b []byte) (header, []byte, error) {
	if len(b) < headerSize || b[0]&flagVNI == 0 {
		return header{}, nil, fmt.Errorf("%w: %d octets", errHeader, len(b))
	}
	h := header{vni: binary.BigEndian.Uint32(b[4:]) >> 8}
	if b[0]&flagGroup != 0 {
		h.group = binary.BigEndian.Uint16(b[2:])
	}
	return h, b[headerSize:], nil
}

func (h header) append(b []byte) []byte {
	flags := byte(flagVNI)
	if h.group != 0 {
		flags |= flagGroup
	}
	b = append(b, flags, 0)
	b = binary.BigEndian.AppendUint16(b, h.group)
	return binary.BigEndian.AppendUint32(b, h.vni<<8)
}

// tunnel is where frames go to other switches, and come from them.
type tunnel struct {
	port // counts; it has no wire
	conn net.PacketConn
	udp  udp // conn, where it has methods that allocate nothing
}

type udp interface {
	ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error)
}

func newTunnel(c net.PacketConn) *tunnel {
	t := &tunnel{port: port{name: TunnelPort}, conn: c}
	t.udp, _ = c.(udp)
	return t
}

func (t *tunnel) read(b []byte) (int, netip.Addr, error) {
	if t.udp != nil {
		n, from, err := t.udp.ReadFromUDPAddrPort(b)
		return n, from.Addr().Unmap(), err
	}
	n, from, err := t.conn.ReadFrom(b)
	if a, ok := from.(*net.UDPAddr); ok {
		return n, a.AddrPort().Addr().Unmap(), err
	}
	return n, netip.Addr{}, err
}

func (t *tunnel) write(b []byte, to netip.Addr) error {
	at := netip.AddrPortFrom(to, TunnelUDPPort)
	if t.udp != nil {
		_, err := t.udp.WriteToUDPAddrPort(b, at)
		return err
	}
	_, err := t.conn.WriteTo(b, net.UDPAddrFromAddrPort(at))
	return err
}

// encapsulate sends a packet to the switch at the tunnel endpoint remote.
func (r *reader) encapsulate(remote netip.Addr, k *packet) {
	t := r.plane.tunnel
	if t == nil {
		r.refuseOut(LinkDown, k.from, k)
		return
	}
	h := header{vni: k.service.VNI}
	if k.leaf {
		h.group = groupLeaf
	}
	tags := [frame.MaxTags]frame.Tag{{TPID: frame.CTag, TCI: k.priorities.outer}, {TPID: frame.CTag, TCI: k.priorities.inner}}
	n := k.priorities.tags()
	if k.hasPriorityTag() {
		n = 1 // or the frame's own tag would be taken for one of ours
	}
	r.tunnel = h.append(r.tunnel[:0])
	r.tunnel, _ = frame.Append(r.tunnel, k.bytes(), k.head.Depth, tags[:n]...)
	if err := t.write(r.tunnel, remote); err != nil {
		t.drops[Unsent].Add(1)
		return
	}
	t.out.add(len(r.tunnel) - headerSize)
}

// readTunnels forwards what other switches send.
func (p *Plane) readTunnels(r *reader) {
	const longest = headerSize + wire.MaxFrame
	buf := make([]byte, wire.Headroom+longest+1) // with room to see that a datagram was longer
	for {
		n, from, err := p.tunnel.read(buf[wire.Headroom:])
		select {
		case <-p.done:
			return
		default:
		}
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // of one datagram, such as an ICMP error that an earlier one came back with
			p.opt.Logger.Debug("tunnel", "err", err)
			continue
		}
		r.begin()
		if n > longest {
			r.refuse(Malformed, nil, buf[wire.Headroom:])
		} else {
			r.decapsulate(buf[:wire.Headroom+n], from)
		}
		r.end()
	}
}

// decapsulate forwards the datagram that follows the headroom in buf.
func (r *reader) decapsulate(buf []byte, from netip.Addr) {
	datagram := buf[wire.Headroom:]
	h, b, err := parseHeader(datagram)
	if err != nil {
		r.refuse(Malformed, nil, datagram)
		return
	}
	r.port.in.add(len(b))
	s := r.table.vnis[h.vni]
	if s == nil {
		r.refuse(UnknownVNI, nil, b)
		return
	}
	if !s.reaches(from) {
		r.refuse(UnknownRemote, nil, b)
		return
	}
	head, err := frame.Parse(b, frame.CTag)
	if err != nil || head.Src.Group() {
		r.refuse(Malformed, nil, b)
		return
	}
	flow := head.Flow(b)
	switch {
	case s.through && head.Depth > 0 && head.Tags[0].VID() == 0:
		head.Keep(1)
	case s.through:
		head.Keep(0)
	case head.Opaque() || slices.ContainsFunc(head.Stack(), func(t frame.Tag) bool { return t.VID() != 0 }):
		r.refuse(ExtraTag, nil, b)
		return
	}
	k := &r.packet
	*k = packet{
		buf: buf, start: wire.Headroom + headerSize, head: head, service: s,
		leaf: s.Kind == Tree && h.group == groupLeaf, priorities: prioritiesOf(&head), flow: flow,
	}
	at := place{remote: from}
	if s.Kind != Line && !s.learn(head.Src, at, r.now, 0, s.Service.MACLimit) {
		r.refuse(MACLimit, nil, b)
		return
	}
	r.deliver(k, at)
}

func (s *service) reaches(remote netip.Addr) bool {
	for _, r := range s.remotes {
		if r == remote {
			return true
		}
	}
	return false
}
