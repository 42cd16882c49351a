package ecx

import (
	"cmp"
	"slices"

	"github.com/ixagent/ixagent/models/ecx"
	"github.com/ixagent/ixagent/models/ixapi"
)

// place is a port as a place for connections.
type place struct {
	port      *ecx.Port
	ethertype ixapi.Ethertype
	unfit     string // why nothing new can be on it; "" if it can
}

// port maps a port to a connection, and each of its physical ports to a port of IX-API.
func (m *mapping) port(p *ecx.Port) {
	consuming, managing := m.account(p.Account)
	c := ixapi.Connection{
		ID: p.UUID, Name: p.Name, State: portState(p.State), Speed: p.Speed,
		ConsumingAccount: consuming, ManagingAccount: managing,
	}
	record := ixapi.Port{
		ID: p.UUID, Name: p.Name, State: portState(p.State), Speed: p.Speed, MediaType: p.Media, Connection: p.UUID,
		ConsumingAccount: consuming, ManagingAccount: managing,
	}
	if p.Location != nil {
		record.PoP, c.PoP, c.MetroArea = p.Location.IBX, p.Location.IBX, p.Location.MetroCode
	}
	if p.Device != nil {
		record.Device = p.Device.Name
	}
	m.locate(&record)

	var faults []ixapi.StatusMessage
	fault := func(tag, format string, args ...any) {
		faults = append(faults, m.fault(ecx.Ports, p.UUID, tag, format, args...)...)
	}
	if unread, faulty := m.unreadable[reference{ecx.Ports, p.UUID}]; p.Faulty || faulty {
		fault(tagUnreadable, "the port is not readable: %s", unread)
	}
	switch {
	case p.LAGEnabled == nil:
		fault(tagNotShown, "the port does not show whether it is a LAG")
	case *p.LAGEnabled:
		c.Mode, c.LACPTimeout = ixapi.ModeLAGLACP, ixapi.LACPTimeoutSlow
	default:
		c.Mode = ixapi.ModeStandalone
	}
	c.Ports = m.physical(p, record, fault)
	at := &place{port: p}
	c.VLANTypes, at.ethertype = tagging(p.Encapsulation, fault)
	c.OuterVLANEthertypes = []ixapi.Ethertype{}
	if at.ethertype != "" {
		c.OuterVLANEthertypes = append(c.OuterVLANEthertypes, at.ethertype)
	}
	if len(faults) > 0 {
		at.unfit = faults[0].Message
	}
	switch {
	case len(faults) > 0 && !over(c.State):
		c.State, c.Status = ixapi.StateError, faults
	case c.State == ixapi.StateError:
		c.Status = m.fault(ecx.Ports, p.UUID, tagFailed, "the port is %s at the exchange", p.State)
	}
	m.records.Connections = append(m.records.Connections, c)
	m.ports[p.UUID] = cmp.Or(m.ports[p.UUID], at)
}

// locate notes the device and the building of a port.
func (m *mapping) locate(p *ixapi.Port) {
	if p.PoP != "" && m.pops[p.PoP] == nil {
		m.pops[p.PoP] = &ixapi.PointOfPresence{ID: p.PoP, Name: p.PoP, Facility: p.PoP}
	}
	if p.Device == "" {
		return
	}
	d := m.devices[p.Device]
	if d == nil {
		d = &ixapi.Device{ID: p.Device, Name: p.Device}
		m.devices[p.Device] = d
	}
	if p.PoP != "" {
		m.pops[p.PoP].Devices = append(m.pops[p.PoP].Devices, p.Device)
		d.PoP = first(d.PoP, p.PoP)
		d.Facility = d.PoP
	}
}

// physical maps the physical ports of a port, which are like it, and returns the ids of those that are in use now. A
// port that is no LAG and does not show its physical port is one.
func (m *mapping) physical(p *ecx.Port, like ixapi.Port, fault func(tag, format string, args ...any)) []ixapi.ID {
	lag := p.LAGEnabled != nil && *p.LAGEnabled
	switch s := portState(p.State); {
	case len(p.PhysicalPorts) > 0:
	case early(s):
		return []ixapi.ID{}
	case lag && over(s):
		return nil
	case lag:
		fault(tagMembers, "the port is a LAG and does not show its physical ports")
		return nil
	default:
		m.records.Ports = append(m.records.Ports, like)
		return []ixapi.ID{like.ID}
	}
	members := []ixapi.ID{}
	for i := range p.PhysicalPorts {
		is := &p.PhysicalPorts[i]
		like.ID, like.State, like.Speed = is.UUID, portState(is.State), cmp.Or(is.Speed, like.Speed)
		switch s := like.State; {
		case is.UUID == "":
			fault(tagMembers, "the port has a physical port without a uuid")
			continue
		case !lag, live(s), s == ixapi.StateTesting:
			members = append(members, is.UUID)
		case !s.Known() || s == ixapi.StateError || s == ixapi.StateOperator:
			fault(tagMembers, "physical port %s is in state %q: whether it is in the LAG is not known", is.UUID, is.State)
			members = append(members, is.UUID)
		}
		m.records.Ports = append(m.records.Ports, like)
	}
	slices.Sort(members)
	return members
}

// tagging returns what the configs of a port may match, and the ethertype of outer tags. A port of QinQ also takes
// those that match any frame with their S-tag, which are dot1q to IX-API.
func tagging(e *ecx.Encapsulation, fault func(tag, format string, args ...any)) ([]ixapi.VLANType, ixapi.Ethertype) {
	if e == nil || e.Type == "" {
		fault(tagNotShown, "the port does not show its encapsulation")
		return nil, ""
	}
	switch e.Type {
	case ecx.Untagged:
		return []ixapi.VLANType{ixapi.VLANTypePort}, ""
	case ecx.Dot1Q:
		if e.TagProtocolID != "" && e.TagProtocolID != ecx.TagProtocolID(ixapi.Ethertype8100) {
			fault(tagTagProtocol, "the port is %s with tag protocol id %q, and it is always 0x8100 there", e.Type, e.TagProtocolID)
			return nil, ""
		}
		return []ixapi.VLANType{ixapi.VLANTypeDot1Q}, ixapi.Ethertype8100
	case ecx.QinQ:
		switch _, err := e.TagProtocolID.TPID(); {
		case e.TagProtocolID == "":
			fault(tagNotShown, "the port is %s and does not show its tag protocol id", e.Type)
			return nil, ""
		case err != nil:
			fault(tagTagProtocol, "the port has a %s", err)
			return nil, ""
		}
		return []ixapi.VLANType{ixapi.VLANTypeDot1Q, ixapi.VLANTypeQinQ}, ixapi.Ethertype(e.TagProtocolID)
	}
	fault(tagTagging, "the port has encapsulation %q, which is not known", e.Type)
	return nil, ""
}
