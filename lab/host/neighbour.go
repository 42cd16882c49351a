package host

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane/frame"
)

// How a host finds its neighbours. RFC 4861 10 asks three times, a second apart; a lab does not wait so long.
const (
	solicitations  = 4
	retransmission = 250 * time.Millisecond
	reachableTime  = 30 * time.Second // how long an answer is believed (RFC 4861 10)
	maxNeighbours  = 4096             // of an attachment
)

// neighbour is what a host knows of a station beside it.
type neighbour struct {
	mac   MAC
	at    time.Time     // when it was last heard, zero while it is asked for
	known chan struct{} // closed once it has been heard
}

// learn keeps the address of a neighbour; only if it is asked for or known already, unless create is set.
func (a *attachment) learn(now time.Time, ip netip.Addr, m MAC, create bool) {
	n := a.neighbours[ip]
	switch {
	case frame.MAC(m).Group() || m == (MAC{}) || ip.IsUnspecified() || n == nil && !create:
		return
	case n == nil:
		if len(a.neighbours) >= maxNeighbours {
			return
		}
		n = &neighbour{known: make(chan struct{})}
		a.neighbours[ip] = n
	}
	if n.at.IsZero() {
		close(n.known)
	}
	n.mac, n.at = m, now
}

// solicit asks who has an address, by ARP or by Neighbour Discovery.
func (h *Host) solicit(a *attachment, src, ip netip.Addr) {
	if ip.Is4() {
		h.put(a, Broadcast(), etherARP, arp{op: arpRequest, sender: a.MAC, senderIP: src, targetIP: ip}.append(nil))
		return
	}
	group := solicitedNode(ip)
	h.put(a, groupMAC(group), etherIPv6, appendICMP(nil, src, group, hopLimit,
		icmp6NeighbourSolicitation, [4]byte{}, neighbourMessage(ip, optionSource, a.MAC)))
}

// announce tells the neighbours, and the switches that learn from it, where the addresses of an attachment are: by an
// ARP announcement (RFC 5227 2.3) or an unsolicited advertisement (RFC 4861 7.2.6).
func (h *Host) announce(a *attachment) {
	for _, p := range a.Prefixes {
		ip := p.Addr()
		if ip.Is4() {
			h.put(a, Broadcast(), etherARP, arp{op: arpRequest, sender: a.MAC, senderIP: ip, targetIP: ip}.append(nil))
			continue
		}
		group := solicitedNode(ip)
		h.put(a, groupMAC(group), etherIPv6, appendListenerReport(nil, linkLocal(a.MAC), group))
		h.put(a, groupMAC(allNodes()), etherIPv6, appendICMP(nil, ip, allNodes(), hopLimit,
			icmp6NeighbourAdvertisement, [4]byte{flagRouter | flagOverride}, neighbourMessage(ip, optionTarget, a.MAC)))
	}
}

// handle takes what arrived with exactly the tags of an attachment. It reports whether it was for the attachment.
func (h *Host) handle(now time.Time, a *attachment, dst, src MAC, etherType uint16, payload []byte) bool {
	group := frame.MAC(dst).Group()
	switch {
	case dst != a.MAC && !group:
	case etherType == etherARP:
		if p, ok := parseARP(payload); ok {
			return h.handleARP(now, a, p)
		}
	case etherType == etherIPv4 && !group:
		if p, ok := parseIPv4(payload); ok && a.owns(p.dst) {
			return h.handleICMP(now, a, src, p)
		}
	case etherType == etherIPv6:
		if p, ok := parseIPv6(payload); ok {
			return h.handleICMPv6(now, a, dst, src, p)
		}
	}
	return false
}

func (h *Host) handleARP(now time.Time, a *attachment, p arp) bool {
	if a.owns(p.senderIP) {
		if p.sender != a.MAC {
			a.conflicts++
		}
		return true
	}
	ours := a.owns(p.targetIP)
	a.learn(now, p.senderIP, p.sender, ours)
	if ours && p.op == arpRequest {
		h.put(a, p.sender, etherARP, arp{arpReply, a.MAC, p.sender, p.targetIP, p.senderIP}.append(nil))
	}
	return true
}

// handleICMP answers a ping, to the station that it came from.
func (h *Host) handleICMP(now time.Time, a *attachment, src MAC, p packet) bool {
	switch {
	case p.message[0] == icmpEchoRequest && p.message[1] == 0:
		h.put(a, src, etherIPv4, appendICMP(nil, p.dst, p.src, 64, icmpEchoReply, [4]byte(p.message[4:]), p.message[icmpSize:]))
		return true
	case p.message[0] == icmpEchoReply:
		return h.pong(now, a, p)
	}
	return false
}

func (h *Host) handleICMPv6(now time.Time, a *attachment, dst, src MAC, p packet) bool {
	switch p.message[0] {
	case icmp6NeighbourSolicitation:
		target, m, has, ok := parseNeighbour(p, optionSource)
		group := solicitedNode(target)
		if !ok || !a.owns(target) || p.dst != target && p.dst != group || dst != a.MAC && dst != groupMAC(group) {
			return false
		}
		return h.advertise(now, a, src, p.src, target, m, has)
	case icmp6NeighbourAdvertisement:
		target, m, has, ok := parseNeighbour(p, optionTarget)
		solicited := len(p.message) > 4 && p.message[4]&flagSolicited != 0
		if !ok || solicited && p.dst.IsMulticast() {
			return false
		}
		if a.owns(target) {
			if has && m != a.MAC {
				a.conflicts++
			}
		} else if has {
			a.learn(now, target, m, false)
		}
		return true
	case icmp6EchoRequest:
		if dst != a.MAC || !a.owns(p.dst) || p.message[1] != 0 || p.src.IsMulticast() || p.src.IsUnspecified() {
			return false
		}
		h.put(a, src, etherIPv6, appendICMP(nil, p.dst, p.src, 64, icmp6EchoReply, [4]byte(p.message[4:]), p.message[icmpSize:]))
		return true
	case icmp6EchoReply:
		return dst == a.MAC && a.owns(p.dst) && h.pong(now, a, p)
	}
	return false
}

// advertise answers a solicitation of an address of a. One without a source is from a station that is about to take
// the address itself, and is answered to all (RFC 4861 7.2.4).
func (h *Host) advertise(now time.Time, a *attachment, to MAC, src, target netip.Addr, m MAC, has bool) bool {
	flags := [4]byte{flagRouter | flagSolicited | flagOverride}
	switch {
	case src.IsMulticast() || src.IsUnspecified() && has:
		return false
	case src.IsUnspecified():
		a.conflicts++
		flags[0] &^= flagSolicited
		src, to = allNodes(), groupMAC(allNodes())
	case has && !frame.MAC(m).Group():
		a.learn(now, src, m, true)
		to = m
	}
	h.put(a, to, etherIPv6, appendICMP(nil, target, src, hopLimit, icmp6NeighbourAdvertisement, flags,
		neighbourMessage(target, optionTarget, a.MAC)))
	return true
}

// Resolve returns the MAC of a neighbour of an attachment, asking for it if it is not known. The error says that
// nobody answered, or that the attachment has no address from which to ask.
func (h *Host) Resolve(ctx context.Context, at string, ip netip.Addr) (MAC, error) {
	tick := time.NewTicker(retransmission)
	defer tick.Stop()
	for asked := 0; ; asked++ {
		var m MAC
		var err error
		var known chan struct{}
		h.do(func() { m, known, err = h.lookup(at, ip, asked == solicitations) })
		if known == nil || err != nil {
			return m, err
		}
		select {
		case <-known:
		case <-tick.C:
		case <-ctx.Done():
			return MAC{}, ctx.Err()
		case <-h.done:
			return MAC{}, errClosed
		}
	}
}

// lookup returns the MAC of a neighbour, or asks for it and returns what is closed once it is known. With last set it
// gives up instead.
func (h *Host) lookup(at string, ip netip.Addr, last bool) (MAC, chan struct{}, error) {
	a := h.attachment(at)
	if a == nil {
		return MAC{}, nil, fmt.Errorf("there is no attachment %s", at)
	}
	src, ok := a.source(ip)
	if !ok {
		return MAC{}, nil, fmt.Errorf("attachment %s has no address in a prefix of %s", at, ip)
	}
	n := a.neighbours[ip]
	switch {
	case n != nil && time.Since(n.at) < reachableTime:
		return n.mac, nil, nil
	case last:
		delete(a.neighbours, ip)
		return MAC{}, nil, fmt.Errorf("%w: %s does not answer %s in attachment %s", errUnreachable, ip, protocolOf(ip), at)
	case n == nil && len(a.neighbours) >= maxNeighbours:
		return MAC{}, nil, fmt.Errorf("attachment %s knows %d neighbours, and no more fit", at, maxNeighbours)
	case n == nil || !n.at.IsZero():
		again := &neighbour{known: make(chan struct{})}
		if n != nil {
			again.mac = n.mac // good until something else is heard
		}
		n, a.neighbours[ip] = again, again
	}
	h.solicit(a, src, ip)
	return MAC{}, n.known, nil
}

func protocolOf(ip netip.Addr) string {
	if ip.Is4() {
		return "ARP"
	}
	return "Neighbour Discovery"
}
