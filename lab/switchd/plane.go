package switchd

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
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

// follow configures the plane. After an error it does what it did before. It
// is not for concurrent use.
func (f *forwarder) follow(t *tree.Tree) error {
	c := *f.translator.translate(t)
	c.System = f.system
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
	subs := make(map[string][]object)
	for _, c := range f.plane.CircuitStates() {
		subs[c.Parent] = append(subs[c.Parent], object{"index": c.Unit, "state": object{"counters": counts(c.In, c.Out, c.Drops)}})
	}
	sums := make(map[string]*dataplane.PortState) // of LAGs
	var names []string
	for i := range view.At("interfaces", "interface").Entries() {
		name := i.Key(0)
		names = append(names, name)
		s, ok := f.plane.PortState(name)
		lag := i.Text("ethernet", "config", "aggregate-id")
		if !ok || lag == "" {
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
	for _, name := range names {
		out := object{}
		if s, ok := f.plane.PortState(name); ok {
			out["state"] = object{"counters": counts(s.In, s.Out, s.Drops)}
		} else if s := sums[name]; s != nil {
			out["state"] = object{"counters": counts(s.In, s.Out, s.Drops)}
		}
		if list := subs[name]; list != nil {
			out["subinterfaces"] = object{"subinterface": list}
		}
		if err := update(e, out, "interfaces", "interface", name); err != nil {
			return nil, err
		}
	}
	for l := range view.At("lacp", "interfaces", "interface").Entries() {
		members := []object{}
		for m := range l.At("members", "member").Entries() {
			if s, ok := f.plane.LACP(l.Key(0), m.Key(0)); ok {
				members = append(members, object{"interface": m.Key(0), "state": object{"counters": pdus(&s.Counters)}})
			}
		}
		if err := update(e, object{"members": object{"member": members}}, "lacp", "interfaces", "interface", l.Key(0)); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(f.stations(view, e), f.hits(view, e)); err != nil {
		return nil, err
	}
	return e.Tree(), nil
}

// stations adds whether services learn addresses, and those they have learned. One that is behind a tunnel refers to no
// interface. Where a service has no VLAN of its own, the key has [noVLAN].
func (f *forwarder) stations(view *tree.Tree, e *tree.Edit) error {
	instances := view.At("network-instances", "network-instance")
	learned := make(map[string][]object)
	for _, s := range f.plane.StationStates() {
		vlan := json.Number(noVLAN)
		for v := range instances.Entry(s.Service).At("vlans", "vlan").Entries() {
			vlan = json.Number(v.Key(0))
		}
		entry := object{
			"mac-address": s.MAC, "vlan": vlan,
			"state": object{"mac-address": s.MAC, "vlan": vlan, "entry-type": "DYNAMIC"},
		}
		if s.Parent != "" {
			entry["interface"] = object{"interface-ref": object{"state": object{"interface": s.Parent, "subinterface": s.Unit}}}
		}
		learned[s.Service] = append(learned[s.Service], entry)
	}
	var list []object
	for i := range instances.Entries() {
		fdb := object{"state": object{"mac-learning": i.Text("config", "type") != "L2P2P"}}
		if entries := learned[i.Key(0)]; entries != nil {
			fdb["mac-table"] = object{"entries": object{"entry": entries}}
		}
		list = append(list, object{"name": i.Key(0), "fdb": fdb})
	}
	if list == nil {
		return nil
	}
	return update(e, object{"network-instance": list}, "network-instances")
}

// noVLAN stands for the VLAN of a service that has none, in a key that cannot do without.
const noVLAN = "1"

// hits adds how often each entry of a filter decided, over all circuits that the filter is bound to, and what it does.
func (f *forwarder) hits(view *tree.Tree, e *tree.Edit) error {
	filters := f.plane.FilterStates()
	if len(filters) == 0 {
		return nil
	}
	text := func(n uint64) string { return strconv.FormatUint(n, 10) } // RFC 7951 6.1
	sets := make([]object, 0, len(filters))
	all := view.At("acl", "acl-sets", "acl-set")
	for _, s := range filters {
		set := all.Entry(s.Name, "ACL_L2").At("acl-entries", "acl-entry")
		if set.Len() != len(s.Hits) {
			continue // a commit is under way
		}
		entries, i := make([]object, 0, len(s.Hits)), 0
		for entry := range set.Entries() {
			entries = append(entries, object{
				"sequence-id": json.Number(entry.Key(0)),
				"state":       object{"matched-packets": text(s.Hits[i].Frames), "matched-octets": text(s.Hits[i].Octets)},
				"actions":     object{"state": object{"forwarding-action": "openconfig-acl:" + entry.Text("actions", "config", "forwarding-action")}},
			})
			i++
		}
		sets = append(sets, object{"name": s.Name, "type": "ACL_L2", "acl-entries": object{"acl-entry": entries}})
	}
	return update(e, object{
		"state":    object{"counter-capability": "AGGREGATE_ONLY"},
		"acl-sets": object{"acl-set": sets},
	}, "acl")
}

// pdus are the counters of a member as /lacp has them.
func pdus(c *lacp.Counters) object {
	text := func(n uint64) string { return strconv.FormatUint(n, 10) } // RFC 7951 6.1
	return object{
		"lacp-in-pkts": text(c.In), "lacp-out-pkts": text(c.Out), "lacp-rx-errors": text(c.InErrors),
		"lacp-tx-errors": text(c.OutErrors), "lacp-unknown-errors": text(c.Unknown), "lacp-errors": text(c.Illegal),
		"lacp-timeout-transitions": text(c.Timeouts),
	}
}

// counts are counters as /interfaces has them. Frames that the wire did not
// take are the only ones dropped on the way out.
func counts(in, out dataplane.Count, drops dataplane.Drops) object {
	text := func(n uint64) string { return strconv.FormatUint(n, 10) } // RFC 7951 6.1
	var refused uint64
	for r, n := range drops {
		if r != dataplane.Unsent {
			refused += n
		}
	}
	return object{
		"in-pkts": text(in.Frames), "in-octets": text(in.Octets), "in-discards": text(refused),
		"out-pkts": text(out.Frames), "out-octets": text(out.Octets), "out-discards": text(drops[dataplane.Unsent]),
	}
}
