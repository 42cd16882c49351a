package dataplane

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
)

const (
	batch     = 64       // frames read at once
	arenaSize = 64 << 10 // octets of copies before what is collected is written
)

// reader forwards what comes in at one port, or out of the tunnels. What it holds is its own, and is reused.
type reader struct {
	plane *Plane
	port  *port

	busy  sync.Mutex // held while a batch is under way, so that others can wait for its end
	table *table
	now   time.Time

	queues [][][]byte // frames to be sent, by the number of the port
	ports  []*port    // those with frames to be sent
	arena  []byte     // where copies of frames are, that are to be sent
	packet packet
	tunnel []byte // a datagram to be sent
}

// packet is a frame on its way through the plane.
type packet struct {
	buf        []byte // the frame is buf[start:], with room for tags before it
	start      int
	head       frame.Header
	from       *circuit // where it came in; nil for a tunnel
	service    *service
	leaf       bool // sent by a leaf of a tree
	priorities priorities
	flow       uint32
}

func (k *packet) bytes() []byte { return k.buf[k.start:] }

// payload is the length in octets of what follows the tags.
func (k *packet) payload() int { return len(k.buf) - k.start - k.head.Size() }

// hasPriorityTag reports whether behind the tags of its circuit the packet has a customer tag of no VLAN.
func (k *packet) hasPriorityTag() bool {
	behind := k.bytes()[k.head.Size()-2:] // with the ethertype of that tag
	return k.head.Type == frame.CTag && len(behind) >= frame.TagSize && binary.BigEndian.Uint16(behind[2:])&0xfff == 0
}

// priorities are the PCP and DEI of the tags a frame came with, in the bits that they have in a TCI. A frame with
// one tag has its priority as both, one without has none.
type priorities struct{ outer, inner uint16 }

// tags returns how many priority tags tell them: those of a frame with one tag are alike.
func (p priorities) tags() int {
	switch {
	case p.outer != p.inner:
		return 2
	case p.outer != 0:
		return 1
	}
	return 0
}

func prioritiesOf(h *frame.Header) priorities {
	const mask = 0xf000
	switch h.Depth {
	case 0:
		return priorities{}
	case 1:
		return priorities{h.Tags[0].TCI & mask, h.Tags[0].TCI & mask}
	}
	return priorities{h.Tags[0].TCI & mask, h.Tags[1].TCI & mask}
}

// begin starts a batch.
func (r *reader) begin() {
	r.busy.Lock()
	r.table = r.plane.table.Load()
	r.now = time.Now()
}

// end sends what the batch led to.
func (r *reader) end() {
	r.flush()
	r.table = nil
	r.packet = packet{}
	r.busy.Unlock()
}

// settle waits for the end of the batch that is under way, if one is.
func (r *reader) settle() {
	r.busy.Lock()
	defer r.busy.Unlock()
}

// forward passes on the frames of one batch.
func (r *reader) forward(fs []wire.Frame) {
	r.begin()
	defer r.end()
	e := r.table.ports[r.port]
	for i := range fs {
		r.arrive(e, &fs[i])
	}
}

// arrive is what happens to a frame that comes in at the port with entrance e, nil if it is not configured.
func (r *reader) arrive(e *entrance, f *wire.Frame) {
	b := f.Bytes()
	r.port.in.add(len(b))
	if e == nil || !e.enabled || !e.parent.enabled {
		r.refuse(AdminDown, nil, b)
		return
	}
	if e.lacp && speaksLACP(b) {
		e.parent.lag.receive(r.now, r.port, b[frame.HeaderSize:])
		r.plane.wake()
		return
	}
	if l := e.parent.lag; l != nil && !slices.Contains(l.links.Load().collecting, r.port) {
		r.refuse(NotCollecting, nil, b)
		return
	}
	k := &r.packet
	h, err := frame.Parse(b, e.parent.tpids...)
	if err != nil || h.Src.Group() {
		r.refuse(Malformed, nil, b)
		return
	}
	c, why := e.parent.classify(&h)
	if why != none {
		r.refuse(why, c, b)
		return
	}
	flow := h.Flow(b)
	if c.Through {
		h.Keep(c.Tags)
	}
	*k = packet{buf: f.Buf[:f.End], start: f.Start, head: h, from: c, service: c.service, leaf: c.leaf, priorities: prioritiesOf(&h), flow: flow}
	if why := r.admit(k); why != none {
		r.refuse(why, c, b)
		return
	}
	c.state.in.add(len(b))
	r.deliver(k, place{circuit: c.state})
}

func speaksLACP(b []byte) bool {
	return len(b) >= frame.HeaderSize && [6]byte(b) == lacp.Address() &&
		b[12] == byte(lacp.EtherType>>8) && b[13] == byte(lacp.EtherType&0xff)
}

// admit asks everything that a circuit asks of a frame that comes in.
func (r *reader) admit(k *packet) Reason {
	c, s, size := k.from, k.service, len(k.bytes())
	switch {
	case !c.Enabled:
		return AdminDown
	case s == nil:
		return NoService
	case exceeds(k.payload(), c.parent.mtu) || exceeds(k.payload(), s.MTU):
		return MTU
	case c.filter != nil && !c.filter.accepts(&k.head, size):
		return Filtered
	case c.parent.storm != nil && r.floods(k) && !c.parent.storm.admit(r.now, size):
		return Storm
	case !c.in.admit(r.now, size):
		return Policed
	case s.Kind != Line && c.parent.live() &&
		!s.learn(k.head.Src, place{circuit: c.state}, r.now, c.MACLimit, s.Service.MACLimit):
		return MACLimit
	}
	return none
}

func exceeds(payload, mtu int) bool { return mtu > 0 && payload > mtu }

// floods reports whether a packet is of the traffic that storm control bounds.
func (r *reader) floods(k *packet) bool {
	if k.head.Dst.Group() {
		return true
	}
	if k.service.Kind == Line {
		return false
	}
	_, known := k.service.find(k.head.Dst, r.now)
	return !known
}

// deliver passes an admitted packet on as its service says.
func (r *reader) deliver(k *packet, from place) {
	s := k.service
	if s.Kind != Line && !k.head.Dst.Group() {
		if at, known := s.find(k.head.Dst, r.now); known {
			r.unicast(k, from, at)
			return
		}
	}
	sent := false
	for _, c := range s.circuits {
		if c != k.from && !(k.leaf && c.leaf) {
			r.send(c, k, s.Kind != Line)
			sent = true
		}
	}
	if k.from != nil {
		for _, remote := range s.remotes {
			r.encapsulate(remote, k)
			sent = true
		}
	}
	if !sent {
		r.refuse(NoDestination, k.from, k.bytes())
	}
}

// unicast passes a packet on to a station that is known.
func (r *reader) unicast(k *packet, from, at place) {
	var why Reason
	c := k.service.of[at.circuit]
	switch {
	case at.circuit != nil && at == from:
		why = SameCircuit
	case c != nil && k.leaf && c.leaf:
		why = Leaf
	case c != nil:
		r.send(c, k, false)
		return
	case at.circuit != nil: // learned by a table that has gone
		why = NoDestination
	case k.from == nil:
		why = SplitHorizon
	default:
		r.encapsulate(at.remote, k)
		return
	}
	r.refuse(why, k.from, k.bytes())
}

// send passes a packet out of a circuit: a copy, or the packet itself if nobody else is to get it.
func (r *reader) send(c *circuit, k *packet, again bool) {
	to, why := c.exit(k, r.now)
	if why != none {
		r.refuseOut(why, c, k)
		return
	}
	tags := c.tags(k.priorities)
	var out []byte
	if again {
		r.reserve(len(k.bytes()) + frame.MaxTags*frame.TagSize)
		at := len(r.arena)
		r.arena, _ = frame.Append(r.arena, k.bytes(), k.head.Depth, tags[:c.Tags]...)
		out = r.arena[at:]
	} else {
		start := k.start + k.head.Depth*frame.TagSize
		_, _ = frame.Pop(k.bytes(), k.head.Depth)
		start, _ = frame.Push(k.buf, start, tags[:c.Tags]...)
		out = k.buf[start:]
	}
	c.state.out.add(len(out))
	r.queue(to, out)
}

// exit returns the port by which a packet leaves c, or why it does not.
func (c *circuit) exit(k *packet, now time.Time) (*port, Reason) {
	if !c.Enabled {
		return nil, AdminDown
	}
	to, why := c.parent.exit(k.flow)
	switch size := frame.MaxSize(k.payload(), c.Tags); {
	case why != none:
		return nil, why
	case exceeds(k.payload(), c.parent.mtu) || exceeds(k.payload(), c.service.MTU):
		return nil, MTU
	case !c.out.admit(now, size):
		return nil, Policed
	}
	return to, none
}

// exit returns the port by which frames of a flow leave p, or why they do not.
func (p *parent) exit(flow uint32) (*port, Reason) {
	switch {
	case !p.enabled:
		return nil, AdminDown
	case p.lag == nil && !p.port.up.Load():
		return nil, LinkDown
	case p.lag == nil:
		return p.port, none
	}
	links := p.lag.links.Load().distributing
	if len(links) == 0 {
		return nil, NoMember
	}
	return links[flow%uint32(len(links))], none
}

// live reports whether frames can leave by p. Stations behind it are forgotten when they cannot any more, and not
// learned from what was still on its way in.
func (p *parent) live() bool {
	_, why := p.exit(0)
	return why == none
}

// reserve makes room in the arena. Frames that wait to be sent may be in it, so it is not moved but emptied.
func (r *reader) reserve(n int) {
	if cap(r.arena)-len(r.arena) < n {
		r.flush()
	}
}

func (r *reader) queue(to *port, f []byte) {
	for int(to.number) >= len(r.queues) {
		r.queues = append(r.queues, nil)
	}
	q := r.queues[to.number]
	if len(q) == 0 {
		r.ports = append(r.ports, to)
	}
	r.queues[to.number] = append(q, f)
}

// flush sends what is queued, each port's in the order it was queued.
func (r *reader) flush() {
	for _, to := range r.ports {
		to.send(r.queues[to.number])
		r.queues[to.number] = r.queues[to.number][:0]
	}
	r.ports = r.ports[:0]
	r.arena = r.arena[:0]
}

// refuse drops the frame f where it came in. c is its circuit, if that was found.
func (r *reader) refuse(why Reason, c *circuit, f []byte) {
	r.port.drops[why].Add(1)
	if c != nil {
		c.state.drops[why].Add(1)
	}
	r.remember(why, c, false, f)
}

// refuseOut drops an admitted packet where it would have left.
func (r *reader) refuseOut(why Reason, c *circuit, k *packet) {
	c.state.drops[why].Add(1)
	r.remember(why, c, true, k.bytes())
}

func (r *reader) remember(why Reason, c *circuit, out bool, f []byte) {
	d := Drop{Time: r.now, Port: r.port.name, Reason: why, Out: out}
	if c != nil {
		d.Circuit = c.name
	}
	r.plane.drops.add(d, f)
}
