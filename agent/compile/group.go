package compile

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// group is one service over all switches.
type group struct {
	joint
	ends        map[string]ends          // by device name
	placed      []string                 // sites when it was last settled
	attachments map[ixapi.ID]*attachment // of services made per order; a peering LAN has too many to care
	services    map[string]*switchcfg.Service
	nniCircuit  *switchcfg.Circuit // on the device of the NNI
	refusal     *refusal
	remarks     []Rejection
}

// ends counts what a service has on one switch: circuits, and what is left as it is and may be there.
type ends struct{ made, frozen int }

type refusal struct {
	tag     Tag
	message string
	attrs   map[string]any
}

// nniKey is an encapsulation towards a cloud provider.
type nniKey struct {
	nni  *config.NNI
	vlan switchcfg.VLANID
}

// join enters the attachments of a unit into their groups and adds those to touched.
func (c *Compiler) join(u *unit, touched map[*group]bool) {
	if u.device == nil {
		return
	}
	for _, a := range u.attachments {
		if a.join.name == "" {
			continue
		}
		g := c.groups[a.join.name]
		if g == nil {
			g = &group{ends: make(map[string]ends), attachments: make(map[ixapi.ID]*attachment)}
			c.groups[a.join.name] = g
		}
		if len(g.ends) == 0 {
			g.joint = a.join
		}
		a.group = g
		c.count(a, 1, touched)
	}
}

// part takes the attachments of a unit out of their groups and adds those to touched.
func (c *Compiler) part(u *unit, touched map[*group]bool) {
	for _, a := range u.attachments {
		if a.group != nil {
			c.count(a, -1, touched)
		}
	}
}

func (c *Compiler) count(a *attachment, by int, touched map[*group]bool) {
	g := a.group
	touched[g] = true
	if !g.fixed {
		if by > 0 {
			g.attachments[a.config.ID] = a
		} else {
			delete(g.attachments, a.config.ID)
		}
	}
	g.add(a.unit.device.Name, a.frozen, by)
	if a.join.nni == nil {
		return
	}
	k := nniKey{a.join.nni, a.join.cloud}
	if c.nnis[k] == nil {
		c.nnis[k] = make(map[ixapi.ID]*group)
	}
	if by > 0 {
		c.nnis[k][a.config.ID] = g
	} else {
		delete(c.nnis[k], a.config.ID)
	}
	for _, other := range c.nnis[k] {
		touched[other] = true // they collide, or no longer do
	}
}

func (g *group) add(device string, frozen bool, by int) {
	e := g.ends[device]
	if frozen {
		e.frozen += by
	} else {
		e.made += by
	}
	if g.ends[device] = e; e == (ends{}) {
		delete(g.ends, device)
	}
}

// settle decides whether a service can be made and what it is on each switch. It reports whether the answer for
// its attachments is another one than before.
func (c *Compiler) settle(g *group) bool {
	before := g.refusal
	g.refusal, g.remarks, g.services, g.nniCircuit = nil, nil, nil, nil
	g.placed = g.sites()
	if len(g.ends) == 0 {
		return before != nil
	}
	g.check(c)
	if g.refusal == nil {
		g.build(c)
	}
	return (before == nil) != (g.refusal == nil) || before != nil && before.message != g.refusal.message
}

func (g *group) refuse(tag Tag, attrs map[string]any, format string, args ...any) {
	if g.refusal == nil {
		g.refusal = &refusal{tag, fmt.Sprintf("service %s ", g.owner) + fmt.Sprintf(format, args...), attrs}
	}
}

// sites returns the devices that the service has ends on, the NNI's among them, sorted.
func (g *group) sites() []string {
	if len(g.ends) == 0 {
		return nil
	}
	names := slices.Collect(maps.Keys(g.ends))
	if g.nni != nil && !slices.Contains(names, g.nni.Device) {
		names = append(names, g.nni.Device)
	}
	slices.Sort(names)
	return names
}

func (g *group) check(c *Compiler) {
	if g.typ == switchcfg.ServiceLine {
		g.checkLine(c)
	}
	sites := g.sites()
	if len(sites) < 2 {
		return
	}
	switch c.inv.Fabric.Type {
	case config.FabricVLAN, config.FabricVXLAN:
		for _, name := range sites {
			d, _ := c.inv.Device(name)
			caps := d.Capabilities()
			if c.inv.Fabric.Type == config.FabricVLAN && !caps.VLANTags || c.inv.Fabric.Type == config.FabricVXLAN && (!caps.VXLAN || !d.TunnelAddress.IsValid()) {
				if !g.fixed {
					g.refuse(TagFabricUnsupported, map[string]any{"device": name}, "has ends on %d switches, and %s cannot take part in a %s fabric", len(sites), name, c.inv.Fabric.Type)
				}
			}
		}
		if !g.fixed && g.refusal == nil {
			g.number(c)
		}
	default:
		if !g.fixed {
			g.refuse(TagNoFabric, map[string]any{"devices": sites}, "has ends on %s, and the inventory names no fabric between switches", sites)
		}
	}
}

func (g *group) checkLine(c *Compiler) {
	total := 0
	for _, e := range g.ends {
		total += e.made + e.frozen
	}
	ids := slices.Sorted(maps.Keys(g.attachments))
	if g.nni != nil {
		total++
		if k := (nniKey{g.nni, g.cloud}); len(c.nnis[k]) > 1 {
			others := slices.Sorted(maps.Keys(c.nnis[k]))
			g.refuse(TagCollision, map[string]any{"cloud_vlan": g.cloud, "configs": others}, "needs VLAN %d on the NNI %s of %s, which several configs ask for: %v", g.cloud, g.nni.Interface, g.nni.Device, others)
		}
		d, _ := c.inv.Device(g.nni.Device)
		if caps := d.Capabilities(); !caps.Form(switchcfg.Single) || !caps.TPID(g.nni.Ethertype) || !caps.Service(g.typ) {
			g.refuse(TagServiceUnsupported, map[string]any{"device": d.Name}, "ends on the NNI %s, and %s cannot carry it", g.nni.Interface, d.Name)
		}
	}
	if total > switchcfg.LineEnds {
		g.refuse(TagLineEnds, map[string]any{"configs": ids}, "is a line between two ends and has %d: %v", total, ids)
	}
	if total == 1 {
		for _, a := range g.attachments {
			if !a.frozen {
				g.remarks = append(g.remarks, a.reject(TagLineOneSided, severityNotice, "network-service-config "+a.config.ID+" is one end of a line whose other end is not in service", nil))
			}
		}
	}
}

// number takes the VLAN or VNI in which a service made per order crosses the fabric.
func (g *group) number(c *Compiler) {
	scope, pool := "vlan", c.inv.Pools.VLAN
	if c.inv.Fabric.Type == config.FabricVXLAN {
		scope, pool = "vni", c.inv.Pools.VNI
	}
	n, ok := c.alloc.Take(scope, g.owner, pool, 0, c.now)
	switch {
	case !ok:
		g.refuse(TagFabricNumbers, map[string]any{"pool": scope}, "needs a %s to cross the fabric, and none in the pool is free", scope)
	case scope == "vlan":
		g.vlan = switchcfg.VLANID(n)
	default:
		g.vni = n
	}
}

// build makes the service for each switch that has a circuit of it.
func (g *group) build(c *Compiler) {
	sites := g.sites()
	made := 0
	for _, e := range g.ends {
		made += e.made
	}
	g.services = make(map[string]*switchcfg.Service, len(sites))
	for _, name := range sites {
		nniHere := g.nni != nil && g.nni.Device == name && made > 0
		if g.ends[name].made == 0 && !nniHere {
			continue
		}
		d, _ := c.inv.Device(name)
		caps := d.Capabilities()
		s := &switchcfg.Service{Name: g.name, Description: g.mark, Type: g.typ}
		if caps.ServiceMTU {
			s.MTU = g.mtu
		}
		crosses := len(sites) > 1 || g.fixed
		switch {
		case crosses && c.inv.Fabric.Type == config.FabricVLAN && caps.VLANTags:
			s.VLAN = g.vlan
		case crosses && c.inv.Fabric.Type == config.FabricVXLAN && caps.VXLAN:
			s.VNI = g.vni
			for _, other := range sites {
				if o, _ := c.inv.Device(other); other != name && o.TunnelAddress.IsValid() {
					s.Peers = append(s.Peers, o.TunnelAddress)
				}
			}
			slices.SortFunc(s.Peers, netip.Addr.Compare)
		}
		g.services[name] = s
		if nniHere {
			g.nniCircuit = g.providerSide(c, d)
		}
	}
}

// providerSide makes the circuit on the NNI of a cloud service.
func (g *group) providerSide(c *Compiler, d *config.Device) *switchcfg.Circuit {
	for _, id := range slices.Sorted(maps.Keys(g.attachments)) {
		a := g.attachments[id]
		if a.circuit == nil {
			continue
		}
		m := switchcfg.MatchSingle(g.nni.Ethertype, g.cloud)
		circuit := &switchcfg.Circuit{Parent: g.nni.Interface, Unit: uint32(g.cloud), Description: a.circuit.Description, Shutdown: a.circuit.Shutdown, Match: m, Service: g.name}
		if caps := d.Capabilities(); caps.TPIDScope != drivers.PortScope {
			circuit.Unit, _ = c.unitNumber(&unit{device: d, caps: caps, parent: g.nni.Interface}, a.config, m)
		}
		if d.Capabilities().Filters {
			circuit.Filter = controlFilter
		}
		return circuit
	}
	return nil
}

// on returns what the service is on one switch. Where it cannot be made, what stands for it stays as it is.
func (g *group) on(device string) *contribution {
	out := new(contribution)
	if g.refusal != nil {
		for _, id := range slices.Sorted(maps.Keys(g.attachments)) {
			n := g.attachments[id].config
			out.freezes = append(out.freezes, plan.Freeze{Record: switchcfg.NewTag(markConfig, id, "").Record, Why: g.refusal.message, Cause: configCause(n)})
		}
		return out
	}
	s := g.services[device]
	if s == nil {
		return nil
	}
	out.objects = append(out.objects, s)
	if g.nniCircuit != nil && g.nni.Device == device {
		out.circuit(g.nniCircuit, nil)
	}
	return out
}

// carried returns what a unit puts on its switch: its port, and the circuits whose service can be made.
func (u *unit) carried() *contribution {
	out := &contribution{objects: slices.Clip(u.objects), names: u.names}
	if !u.everywhere {
		out.freezes = u.freezes
	}
	for _, a := range u.attachments {
		if a.circuit != nil && a.group.refusal == nil {
			out.circuit(a.circuit, a.filter)
		}
	}
	return out
}
