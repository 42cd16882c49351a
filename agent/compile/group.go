package compile

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// group is one service over all switches.
type group struct {
	joint
	name        string        // on switches
	sites       []site        // in the order of the devices' tunnel addresses
	attachments []*attachment // by config id, of services made per order; a peering LAN has too many to care
	nniCircuit  *switchcfg.Circuit
	refusal     *refusal
	touched     bool // it must be settled
}

// groupKey names a service: one of the inventory by its name, one made per order by the id of its network service,
// a cloud service with its handover.
type groupKey struct {
	id       string
	handover uint16
	fixed    bool
}

// joint is what an attachment asks of the service that it joins.
type joint struct {
	key   groupKey
	typ   switchcfg.ServiceType
	vni   uint32           // of the inventory; 0 to allocate when the service crosses the fabric
	vlan  switchcfg.VLANID // likewise
	mtu   uint16
	cloud switchcfg.VLANID // the provider's VLAN on the NNI
	nni   *config.NNI
}

// site is what a service has on one switch.
type site struct {
	device       *device
	made, frozen int32 // circuits, and what is left as it is and may be there
	settled      bool  // the group is among the device's
	carries      bool  // the switch had the service when it was last settled
}

type refusal struct {
	tag     Tag
	message string
	attrs   map[string]any
	freezes []plan.Freeze
}

func (r *refusal) equal(o *refusal) bool {
	return r == o || r != nil && o != nil && r.message == o.message && slices.Equal(r.freezes, o.freezes)
}

// nniKey is an encapsulation towards a cloud provider.
type nniKey struct {
	nni  *config.NNI
	vlan switchcfg.VLANID
}

// suffix tells the handovers of a cloud service apart.
func (k groupKey) suffix() string {
	if k.handover == 0 {
		return ""
	}
	return handoverSuffix(int(k.handover))
}

// owner names the service in allocations.
func (k groupKey) owner() string { return markService + ":" + k.id + k.suffix() }

// group returns the service of that joint. It may be called concurrently.
func (c *Compiler) group(j joint) *group {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.groups[j.key]
	switch {
	case g == nil:
		g = &group{joint: j, name: j.key.id}
		if !j.key.fixed {
			g.name = serviceName(j.key.id, j.key.suffix())
			if pin, ok := c.inv.ServiceName(j.key.id, j.key.handover); ok {
				g.name = pin.Name
			}
		}
		c.groups[j.key] = g
	case len(g.attachments) == 0 && !j.key.fixed:
		g.joint = j // it is another one than before
	}
	return g
}

// join enters an attachment into its group.
func (c *Compiler) join(a *attachment) {
	g := a.group
	c.touch(g)
	if s := g.at(a.unit.device); a.frozen {
		s.frozen++
	} else {
		s.made++
	}
	if !g.key.fixed {
		if g.attachments == nil {
			g.attachments = make([]*attachment, 0, switchcfg.LineEnds)
		}
		i, _ := slices.BinarySearchFunc(g.attachments, a, compareAttachments)
		g.attachments = slices.Insert(g.attachments, i, a)
	}
	c.compete(a, func(of map[ixapi.ID]*group) { of[a.config.ID] = g })
}

// part takes an attachment out of its group.
func (c *Compiler) part(a *attachment) {
	g := a.group
	c.touch(g)
	if s := g.at(a.unit.device); a.frozen {
		s.frozen--
	} else {
		s.made--
	}
	g.attachments = slices.DeleteFunc(g.attachments, func(o *attachment) bool { return o == a })
	c.compete(a, func(of map[ixapi.ID]*group) { delete(of, a.config.ID) })
}

func compareAttachments(a, b *attachment) int { return strings.Compare(a.config.ID, b.config.ID) }

// touch is a group that must be settled.
type touch struct {
	group *group
	was   *group // when it was last settled; nil if only its ends have changed since
}

// touch notes that a group is about to change and must be settled.
func (c *Compiler) touch(g *group) {
	if g.touched {
		return
	}
	c.trial.saveGroup(c, g)
	g.touched = true
	t := touch{group: g}
	if !g.key.fixed && slices.ContainsFunc(g.sites, func(s site) bool { return s.settled }) {
		t.was = g.before()
	}
	c.touched = append(c.touched, t)
}

// before returns the group as it was when it was last settled, provided that its joint is the same.
func (g *group) before() *group {
	was := *g
	was.sites = slices.DeleteFunc(slices.Clone(g.sites), func(s site) bool { return !s.settled })
	return &was
}

// alike reports whether two settled groups are the same on every switch.
func (g *group) alike(o *group) bool {
	return g.joint == o.joint && g.refusal.equal(o.refusal) &&
		(g.nniCircuit == o.nniCircuit || g.nniCircuit != nil && o.nniCircuit != nil && *g.nniCircuit == *o.nniCircuit) &&
		slices.EqualFunc(g.sites, o.sites, func(a, b site) bool { return a.device == b.device && a.carries == b.carries })
}

// compete changes the configs that ask for a's VLAN on the NNI. The services of them collide, or no longer do.
func (c *Compiler) compete(a *attachment, change func(map[ixapi.ID]*group)) {
	if a.group.nni == nil {
		return
	}
	k := nniKey{a.group.nni, a.cloud}
	of := c.nnis[k]
	if of == nil {
		of = make(map[ixapi.ID]*group)
	}
	save(c.trial, c.nnis, k)
	save(c.trial, of, a.config.ID)
	if change(of); len(of) == 0 {
		delete(c.nnis, k)
		return
	}
	c.nnis[k] = of
	for _, id := range slices.Sorted(maps.Keys(of)) {
		c.touch(of[id])
	}
}

// at returns the site on a device. It is valid until the next call.
func (g *group) at(d *device) *site {
	i, ok := slices.BinarySearchFunc(g.sites, d.rank, compareSite)
	if !ok {
		if g.sites == nil {
			g.sites = make([]site, 0, switchcfg.LineEnds)
		}
		g.sites = slices.Insert(g.sites, i, site{device: d})
	}
	return &g.sites[i]
}

func compareSite(s site, rank int) int { return s.device.rank - rank }

// byName returns the sites in the order of device names.
func (g *group) byName() []site {
	return slices.SortedFunc(slices.Values(g.sites), func(a, b site) int { return strings.Compare(a.device.Name, b.device.Name) })
}

// settledOn reports whether the group is among those of a device.
func (g *group) settledOn(d *device) bool {
	i, ok := slices.BinarySearchFunc(g.sites, d.rank, compareSite)
	return ok && g.sites[i].settled
}

// ends returns how many circuits the service has, and how many ends that are left as they are.
func (g *group) ends() (made, frozen int) {
	for i := range g.sites {
		made, frozen = made+int(g.sites[i].made), frozen+int(g.sites[i].frozen)
	}
	return made, frozen
}

// unmoved reports whether a peering LAN is on the same switches as when it was last settled: then it is what it was.
func (g *group) unmoved() bool {
	return g.key.fixed && !slices.ContainsFunc(g.sites, func(s site) bool {
		return s.settled != (s.made+s.frozen > 0) || s.carries != (s.made > 0)
	})
}

// settle decides whether a service can be made, and takes the numbers for it.
func (c *Compiler) settle(g *group) {
	g.touched, g.refusal, g.nniCircuit = false, nil, nil
	made, frozen := g.ends()
	var provider *device
	if g.nni != nil && made+frozen > 0 {
		g.cloud = g.attachments[0].cloud
		provider = c.devices[g.nni.Device]
		g.at(provider)
	}
	g.sites = slices.DeleteFunc(g.sites, func(s site) bool {
		stays := s.made+s.frozen > 0 || s.device == provider
		if s.settled && !stays {
			s.device.groups = drop(s.device.groups, g)
		}
		return !stays
	})
	for i := range g.sites {
		s := &g.sites[i]
		if !s.settled {
			s.settled = true
			s.device.groups = append(s.device.groups, g)
		}
		s.carries = s.made > 0 || s.device == provider && made > 0
	}
	if len(g.sites) == 0 {
		delete(c.groups, g.key)
		return
	}
	if g.check(c, made+frozen); g.refusal == nil && provider != nil && made > 0 {
		g.nniCircuit = g.providerSide(c, provider)
	}
	if g.refusal != nil {
		for _, a := range g.attachments {
			g.refusal.freezes = append(g.refusal.freezes, plan.Freeze{Record: switchcfg.NewTag(markConfig, a.config.ID, "").Record, Why: g.refusal.message, Cause: configCause(a.config)})
		}
	}
}

func (g *group) refuse(tag Tag, attrs map[string]any, format string, args ...any) {
	if g.refusal == nil {
		g.refusal = &refusal{tag: tag, message: fmt.Sprintf("service %s ", g.key.owner()) + fmt.Sprintf(format, args...), attrs: attrs}
	}
}

func (g *group) check(c *Compiler, ends int) {
	if g.typ == switchcfg.ServiceLine {
		g.checkLine(c, ends)
	}
	if g.key.fixed {
		return
	}
	if len(g.sites) > 1 {
		g.checkFabric(c)
	}
	if g.refusal == nil {
		g.number(c)
	}
}

// checkFabric refuses a service that cannot cross from switch to switch.
func (g *group) checkFabric(c *Compiler) {
	switch fabric := c.inv.Fabric.Type; fabric {
	case config.FabricVLAN, config.FabricVXLAN:
		unfit := func(s site) bool {
			caps := &s.device.caps
			return fabric == config.FabricVLAN && !caps.VLANTags || fabric == config.FabricVXLAN && (!caps.VXLAN || s.device.tunnel == nil) ||
				g.typ == switchcfg.ServiceTree && caps.LocalTrees
		}
		if slices.ContainsFunc(g.sites, unfit) {
			all := g.byName()
			name := all[slices.IndexFunc(all, unfit)].device.Name
			g.refuse(TagFabricUnsupported, map[string]any{"device": name}, "has ends on %d switches, and %s cannot take part in a %s fabric", len(all), name, fabric)
		}
	default:
		var names []string
		for _, s := range g.byName() {
			names = append(names, s.device.Name)
		}
		g.refuse(TagNoFabric, map[string]any{"devices": names}, "has ends on %s, and the inventory names no fabric between switches", names)
	}
}

func (g *group) checkLine(c *Compiler, ends int) {
	g.checkTransparency()
	if g.nni != nil {
		ends++
		if of := c.nnis[nniKey{g.nni, g.cloud}]; len(of) > 1 {
			others := slices.Sorted(maps.Keys(of))
			g.refuse(TagCollision, map[string]any{"cloud_vlan": g.cloud, "configs": others}, "needs VLAN %d on the NNI %s of %s, which several configs ask for: %v", g.cloud, g.nni.Interface, g.nni.Device, others)
		}
		if d := c.devices[g.nni.Device]; !d.caps.Form(switchcfg.Single) || !d.caps.TPID(g.nni.Ethertype) || !d.caps.Service(g.typ) {
			g.refuse(TagServiceUnsupported, map[string]any{"device": d.Name}, "ends on the NNI %s, and %s cannot carry it", g.nni.Interface, d.Name)
		}
	}
	if ends > switchcfg.LineEnds {
		var ids []ixapi.ID
		for _, a := range g.attachments {
			ids = append(ids, a.config.ID)
		}
		g.refuse(TagLineEnds, map[string]any{"configs": ids}, "is a line between two ends and has %d: %v", ends, ids)
	}
}

// checkTransparency refuses a line of which one end lets tags pass that the other does not.
func (g *group) checkTransparency() {
	var passes, bars *attachment
	for _, a := range g.attachments {
		switch {
		case a.circuit == nil:
		case a.config.VLANConfig.Transparent:
			passes = a
		default:
			bars = a
		}
	}
	if passes != nil && bars != nil {
		g.refuse(TagTransparency, map[string]any{"configs": []ixapi.ID{passes.config.ID, bars.config.ID}},
			"lets further tags of frames pass at the end of %s and not at that of %s", passes.config.ID, bars.config.ID)
	}
}

// appendRejections appends what is not made of a settled service and why, and remarks on what is.
func (g *group) appendRejections(out []Rejection) []Rejection {
	for _, a := range g.attachments {
		if g.refusal != nil && !a.frozen {
			out = append(out, a.reject(g.refusal.tag, severityWarning, g.refusal.message, g.refusal.attrs))
		}
	}
	if r, ok := g.remark(); ok {
		out = append(out, r)
	}
	return out
}

// remark says that a line has one end only.
func (g *group) remark() (Rejection, bool) {
	if g.typ != switchcfg.ServiceLine || g.nni != nil || len(g.attachments) != 1 || g.attachments[0].frozen {
		return Rejection{}, false
	}
	a := g.attachments[0]
	return a.reject(TagLineOneSided, severityNotice, "network-service-config "+a.config.ID+" is one end of a line whose other end is not in service", nil), true
}

// number takes the numbers of a service made per order: the VNI or VLAN in which it crosses the fabric, and the VLAN
// that it is on switches whose services are VLANs.
func (g *group) number(c *Compiler) {
	pin, _ := c.inv.ServiceName(g.key.id, g.key.handover)
	if pin == nil {
		pin = new(config.ServiceName)
	}
	take := func(scope string, pinned uint32, pool []config.Range, what string) uint32 {
		if pinned != 0 {
			return pinned
		}
		n, ok := c.alloc.Take(scope, g.key.owner(), pool, 0, c.now)
		if !ok {
			g.refuse(TagFabricNumbers, map[string]any{"pool": scope}, "needs a %s %s, and none in the pool is free", scope, what)
		}
		return n
	}
	fabric := config.FabricNone
	if len(g.sites) > 1 {
		fabric = c.inv.Fabric.Type
	}
	if fabric == config.FabricVXLAN {
		g.vni = take("vni", pin.VNI, c.inv.Pools.VNI, "to cross the fabric")
	}
	switch i := slices.IndexFunc(g.sites, func(s site) bool { return g.isVLAN(s.device) }); {
	case fabric == config.FabricVLAN:
		g.vlan = switchcfg.VLANID(take("vlan", uint32(pin.VLAN), c.inv.Pools.VLAN, "to cross the fabric"))
	case i >= 0:
		g.vlan = switchcfg.VLANID(take("vlan", uint32(pin.VLAN), c.inv.Pools.VLAN, "on "+g.sites[i].device.Name))
	}
}

// isVLAN reports whether the service is a VLAN on a switch.
func (g *group) isVLAN(d *device) bool {
	return d.caps.ServiceVLAN && (g.typ != switchcfg.ServiceLine || len(g.sites) > 1 || d.caps.LineVLAN)
}

// service makes the service for a switch.
func (g *group) service(in *draft, d *device) *switchcfg.Service {
	kind := markService
	if g.key.fixed {
		kind = markLAN
	}
	var b [switchcfg.MaxDescription]byte
	description := keep(&in.text, switchcfg.AppendDescription(b[:0], kind, g.key.id, ""))
	in.services = append(in.services, switchcfg.Service{Name: g.name, Description: description, Type: g.typ})
	s := &in.services[len(in.services)-1]
	if d.caps.ServiceMTU {
		s.MTU = g.mtu
	}
	crosses := len(g.sites) > 1 || g.key.fixed
	switch {
	case crosses && d.fabric == config.FabricVLAN && d.caps.VLANTags:
		s.VLAN = g.vlan
	case crosses && d.fabric == config.FabricVXLAN && d.caps.VXLAN:
		// A tunnel with nobody at its other end is none.
		if s.Peers = g.peers(d); len(s.Peers) > 0 {
			s.VNI = g.vni
		}
	}
	if g.isVLAN(d) {
		s.VLAN = g.vlan
	}
	return s
}

// peers returns the tunnel addresses of all sites but that on d, ascending.
func (g *group) peers(d *device) []netip.Addr {
	if len(g.sites) == 2 {
		if g.sites[0].device == d {
			return g.sites[1].device.tunnel
		}
		return g.sites[0].device.tunnel
	}
	var out []netip.Addr
	for i := range g.sites {
		if o := g.sites[i].device; o != d {
			out = append(slices.Grow(out, len(g.sites)-i), o.tunnel...)
		}
	}
	return out
}

// providerSide makes the circuit on the NNI of a cloud service, unless it is to be shut and cannot be.
func (g *group) providerSide(c *Compiler, d *device) *switchcfg.Circuit {
	i := slices.IndexFunc(g.attachments, func(a *attachment) bool { return a.circuit != nil })
	if i < 0 {
		return nil
	}
	a := g.attachments[i]
	if a.circuit.Shutdown && d.caps.PortVLANs {
		return nil
	}
	m := switchcfg.MatchSingle(g.nni.Ethertype, g.cloud)
	circuit := &switchcfg.Circuit{Parent: g.nni.Interface, Unit: uint32(g.cloud), Description: a.circuit.Description, Shutdown: a.circuit.Shutdown, Match: m, Service: g.name}
	if _, pinned := d.Unit(a.config.ID, g.nni.Interface); pinned || d.caps.TPIDScope != drivers.PortScope {
		circuit.Unit, _ = c.unitNumber(&unit{device: d, parent: g.nni.Interface}, a.config, m)
	}
	if d.caps.Filters {
		circuit.Filter = controlFilter
	}
	return circuit
}

// contribute adds what the service is on one switch since it was last settled. Where it cannot be made, what stands
// for it stays as it is.
func (g *group) contribute(in *draft, d *device) {
	i, ok := slices.BinarySearchFunc(g.sites, d.rank, compareSite)
	switch {
	case !ok || !g.sites[i].settled:
	case g.refusal != nil:
		in.Frozen = append(in.Frozen, g.refusal.freezes...)
	case g.sites[i].carries:
		in.put(g.service(in, d))
		if g.nniCircuit != nil && g.nni.Device == d.Name {
			in.put(g.nniCircuit)
			if g.nniCircuit.Filter != "" {
				in.put(sharedControl)
			}
		}
	}
}

// on returns what the service is on one switch.
func (g *group) on(d *device) *plan.Intent {
	in := newDraft(1, 1)
	g.contribute(in, d)
	return &in.Intent
}
