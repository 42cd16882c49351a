// Package host is a member's router for the lab: it takes part in an exchange through one link or through a link
// aggregation group, and inside the tag stacks of its attachments it answers ARP, Neighbour Discovery and ping,
// pings others, sends streams of numbered frames, and counts what arrives of those of others.
//
// The kernel stays out of it. A [Host] works on wires, of which the kernel knows no addresses, so that a frame with
// the wrong ethertype, tag or address is seen as it is and nothing else answers. Inside an attachment the host answers
// only what has exactly its tags. Streams are counted whatever tags they arrive with, because what arrives where it
// should not is what one wants to know.
package host

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
)

// maxAttachments bounds the attachments of a host.
const maxAttachments = 1024

// batch is how many frames are read or written at once.
const batch = 64

// Wire is where a port's frames come in and go out; a [wire.Wire] is one. Read and Write are called by different
// goroutines, Write by several.
type Wire interface {
	// Read waits for at least one frame. After an error no frame will come any more.
	Read([]wire.Frame) (int, error)
	// Write sends frames and returns how many it sent.
	Write([][]byte) (int, error)
}

// Options are what a host is made of.
type Options struct {
	System   MAC       // identifies the host to its LACP partner, and is the MAC of attachments without one; zero for one made up
	Ports    []string  // names of the ports, in the order of their numbers in LACP, which begin at 1
	Mode     lacp.Mode // Static for one port without LACP, or for a group of several without
	Fast     bool      // ask the LACP partner for a PDU every second
	MinLinks int       // of the group, without which it carries nothing
	Logger   *slog.Logger
}

// Host is a member's router. It is safe for concurrent use.
type Host struct {
	system MAC
	log    *slog.Logger
	kick   chan struct{} // tells the goroutine that speaks LACP to look
	done   chan struct{}
	once   sync.Once
	owned  sync.WaitGroup

	mu          sync.Mutex // guards what follows and the fields of what it points to
	options     Options
	lacp        *lacp.Machine
	ports       []*port
	members     []*port // those that distribute
	attachments []*attachment
	unmatched   uint64 // frames that no attachment took
	noMember    uint64 // frames that were not sent because no port distributes
	streams     receiver
	pings       map[uint16]*session
	lastPing    uint16
	out         []outgoing // to be written once the lock is given back
}

// port is one link.
type port struct {
	name                     string
	number                   uint16
	wire                     Wire // nil while there is none
	up                       bool
	mac                      MAC
	collecting, distributing bool

	in, refused, malformed uint64
	sent, failed           atomic.Uint64
}

type outgoing struct {
	port  *port
	wire  Wire
	frame []byte
}

// New returns a host whose ports have no wires yet. [Host.Close] ends it.
func New(o Options) (*Host, error) {
	h := &Host{
		log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)), pings: make(map[uint16]*session),
		kick: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if o.System == (MAC{}) {
		if _, err := rand.Read(o.System[1:]); err != nil {
			return nil, err
		}
		o.System[0] = 2
	}
	h.system = o.System
	if err := h.Configure(o); err != nil {
		return nil, err
	}
	h.owned.Go(h.speak)
	return h, nil
}

// Configure replaces the ports and how they are bundled. A port that stays keeps its wire; the system stays that of
// [New]. After an error, which joins all faults, nothing has changed.
func (h *Host) Configure(o Options) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := lacp.Config{
		System: lacp.System{Priority: 0x8000, ID: h.system}, Key: 1,
		Mode: o.Mode, Fast: o.Fast, MinLinks: o.MinLinks,
	}
	var ports []*port
	for i, name := range o.Ports {
		if name == "" || slices.ContainsFunc(ports, func(p *port) bool { return p.name == name }) {
			return fmt.Errorf("port %q is without a name or named twice", name)
		}
		p := h.port(name)
		if p == nil {
			p = &port{name: name}
		}
		ports = append(ports, p)
		c.Ports = append(c.Ports, lacp.PortConfig{Number: uint16(i + 1), Priority: 0x8000})
	}
	if h.lacp == nil {
		m, err := lacp.New(c)
		if err != nil {
			return err
		}
		h.lacp = m
	} else if err := h.lacp.Configure(c); err != nil {
		return err
	}
	h.options, h.ports = o, ports
	now := time.Now()
	for i, p := range h.ports {
		p.number = uint16(i + 1)
		h.carrier(now, p)
	}
	h.settle()
	return nil
}

// Close ends the host and waits until it does nothing any more. The wires are their owner's, who has to close them
// before, because only that ends a read.
func (h *Host) Close() {
	h.once.Do(func() { close(h.done) })
	h.owned.Wait()
}

// Attach gives a port its wire, in the place of one that it had, and the address of the interface behind it, from
// which it speaks LACP. The port carries nothing before [Host.Link] says that the link is up.
func (h *Host) Attach(name string, w Wire, mac MAC) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.port(name)
	if p == nil {
		return fmt.Errorf("there is no port %s", name)
	}
	p.wire, p.mac = w, mac
	h.owned.Go(func() { h.read(p, w) })
	return nil
}

// Detach takes the wire of a port away.
func (h *Host) Detach(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.port(name); p != nil {
		p.wire, p.up = nil, false
		h.carrier(time.Now(), p)
		h.settle()
	}
}

// Link tells whether a port's link is up.
func (h *Host) Link(name string, up bool) {
	h.do(func() {
		if p := h.port(name); p != nil && p.wire != nil && p.up != up {
			h.log.Info("link changed", "port", name, "up", up)
			p.up = up
			h.carrier(time.Now(), p)
			h.settle()
		}
	})
}

// carrier tells LACP whether a port is operable.
func (h *Host) carrier(now time.Time, p *port) {
	if p.up && p.wire != nil {
		h.lacp.LinkUp(now, p.number)
	} else {
		h.lacp.LinkDown(now, p.number)
	}
}

// settle follows what LACP says of the ports, after anything that may have changed it.
func (h *Host) settle() {
	had := len(h.members)
	h.members = nil
	for _, p := range h.ports {
		s, _ := h.lacp.Port(p.number)
		p.collecting, p.distributing = s.Collecting(), s.Distributing()
		if p.distributing && p.wire != nil {
			h.members = append(h.members, p)
		}
	}
	if had == 0 && len(h.members) > 0 {
		h.log.Info("carries frames now")
		for _, a := range h.attachments {
			h.announce(a)
		}
	}
	select {
	case h.kick <- struct{}{}:
	default:
	}
}

// speak runs LACP until the host is closed.
func (h *Host) speak() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-h.done:
			return
		case <-h.kick:
		case <-timer.C:
		}
		h.do(func() {
			now := time.Now()
			pdus, next := h.lacp.Tick(now)
			for _, pdu := range pdus {
				if p := h.ports[pdu.Port-1]; p.wire != nil {
					h.out = append(h.out, outgoing{p, p.wire, lacp.AppendFrame(nil, p.mac, pdu.Bytes)})
				} else {
					h.lacp.SendFailed(pdu.Port)
				}
			}
			if len(pdus) > 0 {
				h.settle()
			}
			if next.IsZero() {
				timer.Stop()
			} else {
				timer.Reset(next.Sub(now))
			}
		})
	}
}

// do runs f under the lock and then writes what f has put out.
func (h *Host) do(f func()) {
	h.mu.Lock()
	f()
	out := h.out
	h.out = nil
	h.mu.Unlock()
	for _, o := range out {
		o.port.write(o.wire, [][]byte{o.frame})
	}
}

// write writes frames and returns how many were sent.
func (p *port) write(w Wire, frames [][]byte) int {
	n, err := w.Write(frames)
	if err != nil {
		n = max(n, 0)
	}
	p.sent.Add(uint64(n))
	p.failed.Add(uint64(len(frames) - n))
	return n
}

// has reports whether the host has a port of that name.
func (h *Host) has(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.port(name) != nil
}

func (h *Host) port(name string) *port {
	i := slices.IndexFunc(h.ports, func(p *port) bool { return p.name == name })
	if i < 0 {
		return nil
	}
	return h.ports[i]
}

// member returns the port that carries the conversation of f, nil if none distributes.
func (h *Host) member(f []byte) *port {
	if len(h.members) == 0 {
		return nil
	}
	header, err := frame.Parse(f, frame.CTag, frame.STag, frame.QTag)
	if err != nil {
		return h.members[0]
	}
	return h.members[header.Flow(f)%uint32(len(h.members))]
}

// put sends a packet from an attachment once the lock is given back.
func (h *Host) put(a *attachment, dst MAC, etherType uint16, packet []byte) {
	f := a.Tags.appendHeader(make([]byte, 0, frame.HeaderSize+4*len(a.Tags)+max(len(packet), frame.MinSize)), dst, a.MAC, etherType)
	f = frame.Pad(append(f, packet...))
	p := h.member(f)
	if p == nil {
		h.noMember++
		return
	}
	a.out++
	h.out = append(h.out, outgoing{p, p.wire, f})
}

// read hands over what arrives on a wire until the wire ends.
func (h *Host) read(p *port, w Wire) {
	frames := wire.NewFrames(batch)
	for {
		n, err := w.Read(frames)
		h.do(func() {
			if p.wire != w {
				return
			}
			now := time.Now()
			for i := range frames[:n] {
				h.receive(now, p, frames[i].Bytes())
			}
		})
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				h.log.Info("wire ended", "port", p.name, "err", err)
			}
			return
		}
	}
}

// receive takes a frame that arrived at a port. It does not keep f.
func (h *Host) receive(now time.Time, p *port, f []byte) {
	p.in++
	if len(f) < frame.HeaderSize || f[6]&1 != 0 {
		p.malformed++
		return
	}
	etherType := uint16(f[12])<<8 | uint16(f[13])
	if [6]byte(f) == lacp.Address() && etherType == lacp.EtherType {
		h.lacp.Receive(now, p.number, f[frame.HeaderSize:])
		h.settle()
		return
	}
	if !p.collecting {
		p.refused++
		return
	}
	if h.streams.receive(now, f) {
		return
	}
	taken := false
	for _, a := range h.attachments {
		if etherType, payload, ok := a.Tags.strip(f); ok && h.handle(now, a, MAC(f[0:6]), MAC(f[6:12]), etherType, payload) {
			a.in++
			taken = true
		}
	}
	if !taken {
		h.unmatched++
	}
}

// attachment is an [Attachment] and what the host knows in it.
type attachment struct {
	Attachment
	neighbours map[netip.Addr]*neighbour
	in, out    uint64
	conflicts  uint64 // times another station claimed an address of the attachment
}

func (h *Host) attachment(name string) *attachment {
	i := slices.IndexFunc(h.attachments, func(a *attachment) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return h.attachments[i]
}

// Add adds an attachment, or replaces the one of its name, and announces its addresses. Another one may have the same
// tags, with another MAC.
func (h *Host) Add(a Attachment) error {
	if err := a.validate(); err != nil {
		return err
	}
	if a.MAC == (MAC{}) {
		a.MAC = h.system
	}
	var fault error
	h.do(func() {
		for _, b := range h.attachments {
			if b.Name != a.Name && b.Tags.Equal(a.Tags) && b.MAC == a.MAC {
				fault = fmt.Errorf("attachment %s: %s has the same tags and MAC", a.Name, b.Name)
				return
			}
		}
		at := &attachment{Attachment: a, neighbours: make(map[netip.Addr]*neighbour)}
		if i := slices.IndexFunc(h.attachments, func(b *attachment) bool { return b.Name == a.Name }); i >= 0 {
			h.attachments[i] = at
		} else if len(h.attachments) < maxAttachments {
			h.attachments = append(h.attachments, at)
		} else {
			fault = fmt.Errorf("attachment %s: a host has at most %d", a.Name, maxAttachments)
			return
		}
		h.announce(at)
	})
	return fault
}

// Remove takes an attachment away.
func (h *Host) Remove(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.attachments)
	h.attachments = slices.DeleteFunc(h.attachments, func(a *attachment) bool { return a.Name == name })
	if len(h.attachments) == n {
		return fmt.Errorf("there is no attachment %s", name)
	}
	return nil
}
