package ecx

import (
	"cmp"

	"github.com/ixagent/ixagent/models/ecx"
	"github.com/ixagent/ixagent/models/ixapi"
)

// draft is a connection on its way to the records of IX-API.
type draft struct {
	*ecx.Connection
	verdict
	a, z   *ecx.AccessPoint
	doubts []ixapi.StatusMessage // why everything of it stays as it is
	fault  func(tag, format string, args ...any)
}

// connection maps a connection to its configs, and to the service if that is its own.
func (m *mapping) connection(c *ecx.Connection) {
	d := &draft{Connection: c, verdict: connectionState(c), a: point(c.ASide), z: point(c.ZSide)}
	d.fault = func(tag, format string, args ...any) {
		if !over(d.state) { // of what is gone, nothing but that matters
			d.doubts = append(d.doubts, m.fault(ecx.Connections, c.UUID, tag, format, args...)...)
		}
	}
	if unread, faulty := m.unreadable[reference{ecx.Connections, c.UUID}]; c.Faulty || faulty {
		d.fault(tagUnreadable, "the connection is not readable: %s", unread)
	}
	if d.state == ixapi.StateError {
		d.fault(d.tag, "%s", d.message)
	}
	if c.Bandwidth == nil || *c.Bandwidth <= 0 {
		d.fault(tagNotShown, "the connection does not show its bandwidth")
	}
	switch {
	case c.Type == ecx.TypeEVPL || c.Type == ecx.TypeEPL:
		m.line(d)
	case c.Type == ecx.TypeIX:
		m.peering(d)
	case networkConnection(c.Type) != "":
		m.join(d)
	case c.Type == "":
		// Whatever it was, what stands for it stays.
		d.fault(tagNotShown, "the connection does not show its type")
		m.emit(d, m.config(d, "-a", ixapi.ServiceCloud, d.a))
		m.emit(d, m.config(d, "-z", ixapi.ServiceP2P, d.z))
	default:
		d.fault(tagNoSwitch, "a connection of type %q is not on switches", c.Type)
		m.emit(d, m.config(d, "-a", "", d.a))
	}
}

// point returns the access point of a side, or an empty one.
func point(s *ecx.Side) *ecx.AccessPoint {
	if s == nil || s.AccessPoint == nil {
		return &ecx.AccessPoint{}
	}
	return s.AccessPoint
}

func named(r *ecx.Reference) string {
	if r == nil {
		return ""
	}
	return r.UUID
}

// networkConnection returns the service that connections of a type join, if that is a network.
func networkConnection(t ecx.ConnectionType) ixapi.ServiceType {
	switch t {
	case ecx.TypeEVPLAN, ecx.TypeEPLAN:
		return ixapi.ServiceMP2MP
	case ecx.TypeEVPTREE, ecx.TypeEPTREE:
		return ixapi.ServiceP2MP
	}
	return ""
}

// config begins the config of one end, "-a" or "-z". A connection without a uuid has configs without ids, as nobody
// can tell them from those of another.
func (m *mapping) config(d *draft, end string, t ixapi.ServiceType, at *ecx.AccessPoint) *ixapi.NetworkServiceConfig {
	id := d.UUID + end
	if d.UUID == "" {
		id = ""
	}
	port := named(at.Port)
	var owner *ecx.Account
	if p := m.ports[port]; p != nil {
		owner = p.port.Account
	}
	consuming, managing := m.account(at.Account, owner, d.Account)
	return &ixapi.NetworkServiceConfig{
		ID: id, Type: t, State: d.state, Connection: port, Capacity: d.Bandwidth,
		ConsumingAccount: consuming, ManagingAccount: managing,
	}
}

// emit adds a config. If anything is in doubt about its connection it stays as it is.
func (m *mapping) emit(d *draft, n *ixapi.NetworkServiceConfig) {
	n.Status = remark(d.verdict)
	if len(d.doubts) > 0 {
		n.State, n.Status = ixapi.StateError, d.doubts
	}
	m.records.NetworkServiceConfigs = append(m.records.NetworkServiceConfigs, *n)
}

// needs finds fault with an end that is on no port.
func (d *draft) needs(at *ecx.AccessPoint, side string) {
	if named(at.Port) != "" {
		return
	}
	switch {
	case at.Type != "" && at.Type != "COLO" && at.Type != "SP":
		d.fault(tagNoSwitch, "%s is of type %s, which is not on switches", side, at.Type)
	default:
		d.fault(tagNoPort, "%s shows no port", side)
	}
}

// line maps a connection of two ports, or of one with a provider, to a service of its own.
func (m *mapping) line(d *draft) {
	d.needs(d.a, "aSide")
	provider, region := d.z.AuthenticationKey, d.z.SellerRegion
	profile := m.profiles[named(d.z.Profile)]
	cloud := named(d.z.Port) == "" && named(d.z.Profile) != "" && provider+region != "" && profile != nil && len(profile.Ports) == 0
	given := named(d.z.Port) != "" || cloud && d.z.LinkProtocol != nil && outer(d.z.LinkProtocol) != 0
	if named(d.z.Profile) != "" && !given && (early(d.state) || d.state == ixapi.StateTesting) {
		// Its seller gives a port or VLAN when it approves; nothing is made before.
		d.verdict = verdict{ixapi.StateRequested, tagPendingApproval, "its seller has not approved it yet"}
	}
	early := early(d.state)
	if !cloud && (live(d.state) || d.state == ixapi.StateTesting) {
		d.needs(d.z, "zSide")
	}
	service := ixapi.NetworkService{ID: d.UUID, Type: ixapi.ServiceP2P, DisplayName: d.Name, Capacity: d.Bandwidth}
	if cloud {
		service.Type = ixapi.ServiceCloud
	}
	// Where an end is not shown, it may be with a provider: then what stands for it is held on every switch.
	kind := service.Type
	if named(d.z.Port) == "" && !early && !over(d.state) {
		kind = ixapi.ServiceCloud
	}
	a := m.config(d, "-a", kind, d.a)
	a.NetworkService = d.UUID
	service.ConsumingAccount, service.ManagingAccount = a.ConsumingAccount, a.ManagingAccount
	blind := !cloud && tags(d.a) == tags(d.z) && tags(d.a) != ecx.Dot1Q
	a.VLANConfig = m.vlan(d, d.a, "aSide", blind)
	var z *ixapi.NetworkServiceConfig
	switch {
	case cloud:
		service.CloudKey, service.ProductOffering = provider, profile.UUID
		m.handover(d, &service, a)
	case named(d.z.Port) != "" || !over(d.state):
		z = m.config(d, "-z", ixapi.ServiceP2P, d.z)
		z.NetworkService = d.UUID
		z.VLANConfig = m.vlan(d, d.z, "zSide", blind)
		service.JoiningMemberAccount = z.ConsumingAccount
	}
	service.State, service.Status = d.state, remark(d.verdict)
	if len(d.doubts) > 0 {
		service.State, service.Status = ixapi.StateError, d.doubts
	}
	m.records.NetworkServices = append(m.records.NetworkServices, service)
	m.emit(d, a)
	if z != nil {
		m.emit(d, z)
	}
}

// handover settles where a cloud service meets its provider: the first of two that stand in for each other at the
// provider's first handover, the second at the second.
func (m *mapping) handover(d *draft, s *ixapi.NetworkService, n *ixapi.NetworkServiceConfig) {
	n.Handover, s.Diversity, n.Capacity = 1, 1, nil
	switch r := d.Redundancy; {
	case r == nil || r.Priority == "":
		d.fault(tagNotShown, "the connection does not show whether it is the primary or the secondary one to its provider")
	case r.Priority == ecx.Secondary:
		n.Handover, s.Diversity = 2, 2
	case r.Priority != ecx.Primary:
		d.fault(tagContradiction, "the connection has priority %q, which is not known", r.Priority)
	}
	if d.z.LinkProtocol == nil {
		return
	}
	if v := outer(d.z.LinkProtocol); v != 0 && d.inRange(v, "zSide") {
		n.CloudVLAN = uint16(v)
	}
}

// join maps a connection to a network.
func (m *mapping) join(d *draft) {
	port, network := d.a, d.z
	if named(d.a.Network) != "" {
		port, network = d.z, d.a
	}
	t := networkConnection(d.Type)
	n := m.config(d, "-a", t, port)
	n.NetworkService = named(network.Network)
	d.needs(port, "the side that is not the network")
	switch to := m.networks[n.NetworkService]; {
	case n.NetworkService == "":
		d.fault(tagReference, "the connection shows no network")
	case to != nil && to.Type != "" && networkService(to.Type) != t:
		d.fault(tagContradiction, "the connection is of type %s, and its network %s of type %s", d.Type, to.UUID, to.Type)
	}
	if t == ixapi.ServiceP2MP {
		n.Role = m.role(d)
	}
	n.VLANConfig = m.vlan(d, port, "the side that is not the network", false)
	m.emit(d, n)
}

// role returns the place in a tree, which either side may show.
func (m *mapping) role(d *draft) ixapi.Role {
	switch r := cmp.Or(d.z.Role, d.a.Role); {
	case r == "":
		d.fault(tagRole, "the connection does not show whether it is a root or a leaf")
	case d.a.Role != "" && d.a.Role != r:
		d.fault(tagRole, "the connection is %s on one side and %s on the other", d.a.Role, r)
	case r == ecx.RoleRoot:
		return ixapi.RoleRoot
	case r == ecx.RoleLeaf:
		return ixapi.RoleLeaf
	default:
		d.fault(tagRole, "the connection has role %q, which is not known", r)
	}
	return ""
}

// peering maps a connection to a peering LAN.
func (m *mapping) peering(d *draft) {
	n := m.config(d, "-a", ixapi.ServiceExchangeLAN, d.a)
	n.NetworkService = named(d.z.Profile)
	d.needs(d.a, "aSide")
	switch to := m.profiles[n.NetworkService]; {
	case n.NetworkService == "":
		d.fault(tagReference, "the connection shows no profile of a peering LAN")
	case to != nil && to.Type != "" && to.Type != ecx.ProfileIX:
		d.fault(tagContradiction, "the connection is of type %s, and its profile %s of type %s", d.Type, to.UUID, to.Type)
	}
	n.VLANConfig = m.vlan(d, d.a, "aSide", false)
	for _, s := range m.members[d.UUID] {
		n.MACs = append(n.MACs, s.UUID)
		if s.RoutingProtocol != nil && s.RoutingProtocol.CustomerASN != 0 {
			n.ASNs = append(n.ASNs, s.RoutingProtocol.CustomerASN)
		}
	}
	m.emit(d, n)
}

// tags returns how the frames of an end are tagged.
func tags(at *ecx.AccessPoint) ecx.Tagging {
	if at.LinkProtocol == nil {
		return ""
	}
	return at.LinkProtocol.Type
}

// outer returns the outer tag of an end, 0 if it is not given.
func outer(l *ecx.LinkProtocol) int {
	if l.Type == ecx.QinQ {
		return l.VLANSTag
	}
	return l.VLANTag
}

// inRange reports whether v is a VLAN that Fabric has, and finds fault with another.
func (d *draft) inRange(v int, side string) bool {
	if v < 2 || v > 4092 {
		d.fault(tagVLANRange, "%s has VLAN %d, which is not within 2 to 4092", side, v)
		return false
	}
	return true
}

// vlan returns which frames of a port an end takes, or nil if that is in doubt. Blind is an end that is known by its
// S-tag alone, or takes all that comes by an untagged port. A tag that is not given yet is left out.
func (m *mapping) vlan(d *draft, at *ecx.AccessPoint, side string, blind bool) *ixapi.VLANConfig {
	l := at.LinkProtocol
	p := m.ports[named(at.Port)]
	switch {
	case named(at.Port) == "":
		return nil // that is fault enough
	case p == nil:
		d.fault(tagReference, "%s is on port %s, which the exchange does not list", side, at.Port.UUID)
		return nil
	case p.unfit != "":
		d.fault(tagReference, "%s is on port %s, and %s", side, at.Port.UUID, p.unfit)
		return nil
	case l == nil || l.Type == "":
		d.fault(tagNotShown, "%s does not show its link protocol", side)
		return nil
	case l.Type != ecx.Untagged && l.Type != ecx.Dot1Q && l.Type != ecx.QinQ:
		d.fault(tagTagging, "%s has link protocol %s, which is not on switches", side, l.Type)
		return nil
	case l.Type != p.port.Encapsulation.Type:
		d.fault(tagTagging, "%s has link protocol %s on a port of %s", side, l.Type, p.port.Encapsulation.Type)
		return nil
	case l.Type == ecx.Untagged:
		return &ixapi.VLANConfig{Type: ixapi.VLANTypePort, Transparent: blind}
	}
	needed := []int{outer(l)}
	if l.Type == ecx.QinQ && !blind {
		needed = append(needed, l.VLANCTag)
	}
	for _, v := range needed {
		switch {
		case v == 0 && early(d.state): // it may still be chosen
		case v == 0:
			d.fault(tagNotShown, "%s does not show all its VLANs", side)
			return nil
		case !d.inRange(v, side):
			return nil
		}
	}
	v := &ixapi.VLANConfig{Type: ixapi.VLANTypeDot1Q, Ethertype: p.ethertype, VLAN: uint16(outer(l)), Transparent: blind}
	if l.Type == ecx.QinQ && !blind {
		v = &ixapi.VLANConfig{Type: ixapi.VLANTypeQinQ, Ethertype: p.ethertype, OuterVLAN: uint16(outer(l)), InnerVLAN: uint16(l.VLANCTag)}
	}
	return v
}
