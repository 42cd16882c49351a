package dataplane

import (
	"encoding/hex"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Reason says why a frame was dropped.
type Reason uint8

// Reasons to drop a frame. Those up to UnknownRemote are found where it comes in.
const (
	none          Reason = iota
	Malformed            // shorter than its header says, longer than any frame, or sent by a group
	AdminDown            // port, LAG or circuit is disabled, or the port is not configured
	NotCollecting        // the member's link is not in the LAG
	NoCircuit            // the port or LAG has no circuit at all
	Ethertype            // a tag of an ethertype that no circuit of the port or LAG has there
	OuterVLAN            // no circuit has the outer VLAN with this ethertype
	InnerVLAN            // no circuit has the inner VLAN behind this outer one
	Untagged             // no circuit takes untagged frames
	ExtraTag             // a VLAN tag behind those of the circuit, which does not let them through
	NoService            // the circuit is in no service
	Filtered             // the filter of the circuit refuses the addresses
	Storm                // too much broadcast, multicast and unknown unicast
	Policed              // above the rate of the circuit
	MACLimit             // a further source address
	MTU                  // longer than the port, the LAG or the service allows
	Leaf                 // from a leaf of a tree to a leaf
	SameCircuit          // to a station behind the circuit it came from
	SplitHorizon         // from one tunnel to a station behind a tunnel
	NoDestination        // nobody to send it to
	UnknownVNI           // a tunnel's frame for no service of this switch
	UnknownRemote        // a tunnel's frame from a switch that the service does not reach
	LinkDown             // the port it leaves by has no link
	NoMember             // the LAG it leaves by has no member that distributes
	Unsent               // the port it left by did not take it
	reasons
)

// String returns the words for r.
func (r Reason) String() string {
	return [...]string{
		"", "malformed", "admin down", "not collecting", "no circuit", "ethertype", "outer vlan", "inner vlan", "untagged",
		"extra tag", "no service", "filter", "storm", "policer", "mac limit", "mtu", "leaf", "same circuit",
		"split horizon", "no destination", "unknown vni", "unknown remote", "link down", "no member", "unsent",
	}[r]
}

// MarshalText returns the words for r.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Count is a number of frames and the octets in them, with tags and without frame check sequence.
type Count struct {
	Frames uint64 `json:"frames"`
	Octets uint64 `json:"octets"`
}

// Drops counts dropped frames by reason. Reasons that did not occur are not in it.
type Drops map[Reason]uint64

// counter is a Count that several goroutines add to.
type counter struct{ frames, octets atomic.Uint64 }

func (c *counter) add(octets int) {
	c.frames.Add(1)
	c.octets.Add(uint64(octets))
}

func (c *counter) load() Count { return Count{c.frames.Load(), c.octets.Load()} }

// counters are what is counted of a port, a circuit or the tunnels.
type counters struct {
	in, out counter
	drops   [reasons]atomic.Uint64
}

func (c *counters) dropped() Drops {
	d := Drops{}
	for r := range c.drops {
		if n := c.drops[r].Load(); n > 0 {
			d[Reason(r)] = n
		}
	}
	return d
}

// Drop is a frame that was dropped.
type Drop struct {
	Time    time.Time `json:"time"`
	Port    string    `json:"port"`              // where it came in, or [TunnelPort]
	Circuit string    `json:"circuit,omitempty"` // as "parent.unit", if it was found; of an outgoing frame the one it would have left by
	Out     bool      `json:"out,omitempty"`     // it was accepted, and dropped on its way out
	Reason  Reason    `json:"reason"`
	Length  int       `json:"length"` // octets of the whole frame
	Octets  Octets    `json:"octets"` // the first 128 of them, as they came in
}

// Octets are shown in hexadecimal.
type Octets []byte

// MarshalText returns o in hexadecimal.
func (o Octets) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, o), nil }

// UnmarshalText reads hexadecimal.
func (o *Octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.AppendDecode(nil, text)
	return err
}

// UnmarshalText reads what MarshalText wrote.
func (r *Reason) UnmarshalText(text []byte) error {
	for i := range reasons {
		if i.String() == string(text) {
			*r = i
			return nil
		}
	}
	return fmt.Errorf("%q is no reason to drop a frame", text)
}

// Bounds of what is remembered of dropped frames.
const (
	keptDrops  = 256
	keptOctets = 128
)

// ring remembers the last dropped frames.
type ring struct {
	mu   sync.Mutex
	next int // the slot of the next one; older ones are before it, going round
	last [keptDrops]struct {
		Drop
		octets [keptOctets]byte
	}
}

func (r *ring) add(d Drop, f []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slot := &r.last[r.next]
	r.next = (r.next + 1) % keptDrops
	slot.Drop = d
	slot.Length = len(f)
	slot.Octets = slot.octets[:copy(slot.octets[:], f)]
}

// list returns copies of the drops, the oldest first.
func (r *ring) list() []Drop {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Drop
	for i := range keptDrops {
		slot := &r.last[(r.next+i)%keptDrops]
		if slot.Reason == none {
			continue
		}
		d := slot.Drop
		d.Octets = append(Octets(nil), d.Octets...)
		all = append(all, d)
	}
	return all
}
