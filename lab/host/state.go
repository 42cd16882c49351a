package host

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane/lacp"
)

// State is what a host knows of itself and its neighbours.
type State struct {
	System MAC `json:"system"`
	Group
	Links       []Link            `json:"links"`
	Attachments []AttachmentState `json:"attachments"`
	Unmatched   uint64            `json:"unmatched"` // frames that arrived and that no attachment took
	NotSent     uint64            `json:"not_sent"`  // frames that no port was there for
	Streams     int               `json:"streams"`   // that something arrived of
	PartnerID   MAC               `json:"partner"`   // the group's LACP partner, zero without one
	PartnerKey  uint16            `json:"partner_key"`
	Working     bool              `json:"working"` // whether frames go out
}

// Group says which ports a host has and how they are bundled.
type Group struct {
	Ports    []string `json:"ports"` // names of interfaces
	LACP     Mode     `json:"lacp"`
	Fast     bool     `json:"fast"` // ask the LACP partner for a PDU every second
	MinLinks int      `json:"min_links"`
}

// Mode is how the ports of a host form a group: active, passive or static as text.
type Mode lacp.Mode

func modes() []string {
	return []string{lacp.Passive: "passive", lacp.Active: "active", lacp.Static: "static"}
}

// String returns the text form of m.
func (m Mode) String() string {
	if all := modes(); int(m) < len(all) {
		return all[m]
	}
	return fmt.Sprintf("mode %d", uint8(m))
}

// MarshalText returns the text form of m.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads the text form of a mode.
func (m *Mode) UnmarshalText(b []byte) error {
	i := slices.Index(modes(), string(b))
	if i < 0 {
		return fmt.Errorf("LACP mode %q is not active, passive or static", b)
	}
	*m = Mode(i)
	return nil
}

// Link is the state of a port.
type Link struct {
	Port         string `json:"port"`
	Present      bool   `json:"present"` // the interface is there
	Up           bool   `json:"up"`
	MAC          MAC    `json:"mac"`
	Collecting   bool   `json:"collecting"`   // what arrives is taken
	Distributing bool   `json:"distributing"` // frames go out here
	Selected     string `json:"selected"`     // as IEEE 802.1AX-2020 names it, like what follows
	Mux          string `json:"mux"`
	Receive      string `json:"receive"`
	Actor        End    `json:"actor"`
	Partner      End    `json:"partner"` // as last heard, or the default

	In        uint64        `json:"in"`
	Out       uint64        `json:"out"`
	Failed    uint64        `json:"failed"`    // frames that the link did not take
	Refused   uint64        `json:"refused"`   // frames that arrived while the port did not collect
	Malformed uint64        `json:"malformed"` // frames that are none
	Missed    uint64        `json:"missed"`    // frames that came faster than they were read
	PDUs      lacp.Counters `json:"pdus"`
}

// End is one end of a link as LACP knows it.
type End struct {
	System       MAC    `json:"system"`
	Priority     uint16 `json:"priority"`
	Key          uint16 `json:"key"`
	Port         uint16 `json:"port"`
	PortPriority uint16 `json:"port_priority"`
	State        string `json:"state"` // flags, joined by commas
}

func endOf(i lacp.Info) End {
	return End{MAC(i.System.ID), i.System.Priority, i.Key, i.Port, i.PortPriority, i.State.String()}
}

// AttachmentState is an attachment and what the host knows in it.
type AttachmentState struct {
	Attachment
	In         uint64      `json:"in"` // frames that it took; streams are not among them
	Out        uint64      `json:"out"`
	Conflicts  uint64      `json:"conflicts"` // times another station claimed one of its addresses
	Neighbours []Neighbour `json:"neighbours,omitempty"`
}

// Neighbour is a station that a host has heard of.
type Neighbour struct {
	Addr netip.Addr `json:"addr"`
	MAC  MAC        `json:"mac"`
	Seen time.Time  `json:"seen"`
}

// State returns what the host knows.
func (h *Host) State() State {
	h.mu.Lock()
	defer h.mu.Unlock()
	group := h.lacp.Aggregator()
	s := State{
		System:    h.system,
		Group:     Group{slices.Clone(h.options.Ports), Mode(h.options.Mode), h.options.Fast, h.options.MinLinks},
		Unmatched: h.unmatched, NotSent: h.noMember, Streams: len(h.streams.streams),
		PartnerID: MAC(group.PartnerSystem.ID), PartnerKey: group.PartnerKey, Working: len(h.members) > 0,
	}
	for _, p := range h.ports {
		l, _ := h.lacp.Port(p.number)
		link := Link{
			Port: p.name, Present: p.wire != nil, Up: p.up, MAC: p.mac,
			Collecting: p.collecting, Distributing: p.distributing,
			Selected: l.Selected.String(), Mux: l.Mux.String(), Receive: l.Receive.String(), Actor: endOf(l.Actor), Partner: endOf(l.Partner),
			In: p.in, Out: p.sent.Load(), Failed: p.failed.Load(), Refused: p.refused, Malformed: p.malformed, PDUs: l.Counters,
		}
		if w, ok := p.wire.(interface{ Drops() (uint64, error) }); ok {
			link.Missed, _ = w.Drops() // only a wire that has ended does not know
		}
		s.Links = append(s.Links, link)
	}
	for _, a := range h.attachments {
		as := AttachmentState{Attachment: a.Attachment, In: a.in, Out: a.out, Conflicts: a.conflicts}
		for ip, n := range a.neighbours {
			if !n.at.IsZero() {
				as.Neighbours = append(as.Neighbours, Neighbour{ip, n.mac, n.at})
			}
		}
		slices.SortFunc(as.Neighbours, func(a, b Neighbour) int { return a.Addr.Compare(b.Addr) })
		s.Attachments = append(s.Attachments, as)
	}
	slices.SortFunc(s.Attachments, func(a, b AttachmentState) int { return cmp.Compare(a.Name, b.Name) })
	return s
}
