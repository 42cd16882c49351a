package switchd

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// forwarder makes a plane follow configurations, and is the operational state
// of the switch that has the plane. Its methods need no lock of the switch.
type forwarder struct {
	plane      *dataplane.Plane
	system     [6]byte
	translator *translator
}

var errTwoPlanes = errors.New("operational state comes from a plane or from Operational, not from both")

// newForwarder returns the forwarder of the switch with a name, whose LACP
// system is derived from the name.
func newForwarder(name string, p *dataplane.Plane) (*forwarder, error) {
	schema, err := tree.OpenConfig()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte("system of " + name))
	f := &forwarder{plane: p, translator: newTranslator(tree.New(schema))}
	copy(f.system[:], sum[:])
	f.system[0] = f.system[0]&^1 | 2 // one station, locally administered
	return f, nil
}

// follow configures the plane, with the named ports shut. After an error it
// does what it did before. It is not for concurrent use.
func (f *forwarder) follow(t *tree.Tree, down []string) error {
	c := *f.translator.translate(t)
	c.System = f.system
	if len(down) > 0 {
		c.Ports = slices.Clone(c.Ports)
		for i := range c.Ports {
			c.Ports[i].Enabled = c.Ports[i].Enabled && !slices.Contains(down, c.Ports[i].Name)
		}
	}
	return f.plane.Configure(&c)
}

// LinkUp implements [Operational].
func (f *forwarder) LinkUp(port string) bool {
	s, ok := f.plane.PortState(port)
	return ok && s.Link
}

// LACP implements [Operational]. A static LAG has no LACP.
func (f *forwarder) LACP(lag, port string) (LACPState, bool) {
	s, ok := f.plane.LACP(lag, port)
	if !ok {
		return LACPState{}, false
	}
	a, p := &s.Actor, &s.Partner
	return LACPState{
		Active: a.State.Has(lacp.Activity), Short: a.State.Has(lacp.Timeout), InSync: a.State.Has(lacp.Synchronization),
		Aggregatable: a.State.Has(lacp.Aggregation), Collecting: s.Collecting(), Distributing: s.Distributing(),
		SystemID: address(a.System.ID), PartnerID: address(p.System.ID),
		OperKey: a.Key, PartnerKey: p.Key, Port: a.Port, PartnerPort: p.Port,
	}, true
}

// address writes an address; nothing for the zero one.
func address(a [6]byte) string {
	if a == [6]byte{} {
		return ""
	}
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3], a[4], a[5])
}

// counters adds what the plane has counted and learned by now to a tree of state.
func (f *forwarder) counters(view *tree.Tree) (*tree.Tree, error) {
	e := view.EditState()
	f.interfaces(view, e)
	f.members(view, e)
	f.stations(view, e)
	f.hits(view, e)
	return e.Tree(), e.Err()
}

// interfaces adds the counters of ports, LAGs and circuits.
func (f *forwarder) interfaces(view *tree.Tree, e *tree.Edit) {
	list := view.At("interfaces", "interface")
	if list.Len() == 0 {
		return
	}
	out := e.Branch("interfaces", "interface")
	sums := make(map[string]*dataplane.PortState) // of LAGs
	for i := range list.Entries() {
		s, ok := f.plane.PortState(i.Key(0))
		if !ok {
			continue
		}
		counts(out.Entry(i.Key(0)), s.In, s.Out, s.Drops)
		lag := i.Text("ethernet", "config", "aggregate-id")
		if lag == "" {
			continue
		}
		sum := sums[lag]
		if sum == nil {
			sum = &dataplane.PortState{Drops: dataplane.Drops{}}
			sums[lag] = sum
		}
		sum.In.Frames, sum.In.Octets = sum.In.Frames+s.In.Frames, sum.In.Octets+s.In.Octets
		sum.Out.Frames, sum.Out.Octets = sum.Out.Frames+s.Out.Frames, sum.Out.Octets+s.Out.Octets
		for r, n := range s.Drops {
			sum.Drops[r] += n
		}
	}
	for name, s := range sums {
		counts(out.Entry(name), s.In, s.Out, s.Drops)
	}
	var parent string
	var subs tree.Node
	var into tree.Branch
	for _, c := range f.plane.CircuitStates() {
		if c.Parent != parent {
			parent, subs = c.Parent, list.Entry(c.Parent).At("subinterfaces", "subinterface")
			if subs.Exists() {
				into = out.Entry(parent).At("subinterfaces", "subinterface")
			}
		}
		if unit := strconv.FormatUint(uint64(c.Unit), 10); subs.Entry(unit).Exists() { // if not, a commit is under way
			counts(into.Entry(unit), c.In, c.Out, c.Drops)
		}
	}
}

// members adds the counters of LACP.
func (f *forwarder) members(view *tree.Tree, e *tree.Edit) {
	for l := range view.At("lacp", "interfaces", "interface").Entries() {
		for m := range l.At("members", "member").Entries() {
			s, ok := f.plane.LACP(l.Key(0), m.Key(0))
			if !ok {
				continue
			}
			at := e.Branch("lacp", "interfaces", "interface").Entry(l.Key(0)).At("members", "member").Entry(m.Key(0)).At("state", "counters")
			for name, n := range map[string]uint64{
				"lacp-in-pkts": s.Counters.In, "lacp-out-pkts": s.Counters.Out, "lacp-rx-errors": s.Counters.InErrors,
				"lacp-tx-errors": s.Counters.OutErrors, "lacp-unknown-errors": s.Counters.Unknown, "lacp-errors": s.Counters.Illegal,
				"lacp-timeout-transitions": s.Counters.Timeouts,
			} {
				at.Set(name, strconv.FormatUint(n, 10))
			}
		}
	}
}

// stations adds the addresses that services have learned. One that is behind a tunnel refers to no interface. Where a
// service has no VLAN of its own, the key has [noVLAN].
func (f *forwarder) stations(view *tree.Tree, e *tree.Edit) {
	instances := view.At("network-instances", "network-instance")
	var service, vlan string
	var table tree.Branch
	for _, s := range f.plane.StationStates() {
		instance := instances.Entry(s.Service)
		if !instance.Exists() {
			continue // a commit is under way
		}
		if s.Service != service {
			service, vlan = s.Service, noVLAN
			for v := range instance.At("vlans", "vlan").Entries() {
				vlan = v.Key(0)
			}
			table = e.Branch("network-instances", "network-instance").Entry(service).At("fdb", "mac-table", "entries", "entry")
		}
		address := s.MAC.String()
		entry := table.Entry(address, vlan)
		state := entry.At("state")
		state.Set("mac-address", address)
		state.Set("vlan", vlan)
		state.Set("entry-type", "DYNAMIC")
		if s.Parent != "" {
			ref := entry.At("interface", "interface-ref", "state")
			ref.Set("interface", s.Parent)
			ref.Set("subinterface", strconv.FormatUint(uint64(s.Unit), 10))
		}
	}
}

// noVLAN stands for the VLAN of a service that has none, in a key that cannot do without.
const noVLAN = "1"

// hits adds how often each entry of a filter decided, over all circuits that the filter is bound to, and what it does.
func (f *forwarder) hits(view *tree.Tree, e *tree.Edit) {
	for _, s := range f.plane.FilterStates() {
		all := view.At("acl", "acl-sets", "acl-set").Entry(s.Name, "ACL_L2").At("acl-entries", "acl-entry")
		if all.Len() != len(s.Hits) {
			continue // a commit is under way
		}
		acl := e.Branch("acl")
		acl.At("state").Set("counter-capability", "AGGREGATE_ONLY")
		entries, i := acl.At("acl-sets", "acl-set").Entry(s.Name, "ACL_L2").At("acl-entries", "acl-entry"), 0
		for entry := range all.Entries() {
			out := entries.Entry(entry.Key(0))
			out.At("state").Set("matched-packets", strconv.FormatUint(s.Hits[i].Frames, 10))
			out.At("state").Set("matched-octets", strconv.FormatUint(s.Hits[i].Octets, 10))
			out.At("actions", "state").Set("forwarding-action", entry.Text("actions", "config", "forwarding-action"))
			i++
		}
	}
}

// counts adds counters to an entry of /interfaces. Frames that the wire did not take are the only ones dropped on the
// way out.
func counts(to tree.Branch, in, out dataplane.Count, drops dataplane.Drops) {
	var refused uint64
	for r, n := range drops {
		if r != dataplane.Unsent {
			refused += n
		}
	}
	at := to.At("state", "counters")
	set := func(name string, n uint64) { at.Set(name, strconv.FormatUint(n, 10)) }
	set("in-pkts", in.Frames)
	set("in-octets", in.Octets)
	set("in-discards", refused)
	set("out-pkts", out.Frames)
	set("out-octets", out.Octets)
	set("out-discards", drops[dataplane.Unsent])
}
