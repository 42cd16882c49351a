package ixpmanager

import (
	"cmp"
	"slices"

	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/ixpmanager"
	"github.com/ixagent/ixagent/models/rest"
)

// doubtFunc says why a record stays on switches as it is found.
type doubtFunc = func(tag, format string, args ...any)

// link is a connection in the making.
type link struct {
	*mapping
	ixapi.Connection
	lead place // the LAG, or the one port
	all  []place
}

// doubt freezes the connection: what is said of it cannot be right, or cannot be read.
func (l *link) doubt(tag, format string, args ...any) {
	l.State = ixapi.StateError
	l.Status = append(l.Status, l.refusal("connections", l.ID, severityError, tag, format, args...))
}

// idle leaves the connection alone: it is not in use.
func (l *link) idle(tag, format string, args ...any) {
	if l.State != ixapi.StateError {
		l.State = ixapi.StateAllocated
	}
	l.Status = append(l.Status, l.refusal("connections", l.ID, severityNotice, tag, format, args...))
}

// remark says what is not as it asks, without an effect on the rest.
func (l *link) remark(tag, format string, args ...any) {
	l.Status = append(l.Status, l.fault("connections", l.ID, severityNotice, tag, format, args...))
}

// connection maps a virtual interface: a LAG with its member ports, or one port.
func (m *mapping) connection(id ixapi.ID, all []place) {
	slices.SortFunc(all, place.compare)
	l := &link{mapping: m, lead: all[0], all: all}
	if i := slices.IndexFunc(all, func(p place) bool { return p.LAGMaster.Is() }); i >= 0 {
		l.lead = all[i]
	}
	account := m.account(l.lead.Description)
	l.Connection = ixapi.Connection{
		ID: id, State: ixapi.StateProduction, Name: l.lead.Description, ConsumingAccount: account, ManagingAccount: account,
		Mode: ixapi.ModeStandalone, OuterVLANEthertypes: []ixapi.Ethertype{ixapi.Ethertype8100},
	}
	l.judge()
	members := l.all
	if l.lead.LAGMaster.Is() {
		members = l.bundle()
	} else {
		l.alone()
	}
	l.ports(members)
	configs := l.configs()
	l.settle(len(configs))
	for i := range configs {
		n := &configs[i]
		if !slices.Contains(l.VLANTypes, n.VLANConfig.Type) {
			l.VLANTypes = append(l.VLANTypes, n.VLANConfig.Type)
		}
		if e := cmp.Or(n.VLANConfig.Ethertype, ixapi.Ethertype8100); !slices.Contains(l.OuterVLANEthertypes, e) {
			l.OuterVLANEthertypes = append(l.OuterVLANEthertypes, e)
		}
	}
	slices.Sort(l.VLANTypes)
	slices.SortStableFunc(l.Status, func(a, b ixapi.StatusMessage) int { return cmp.Compare(a.Severity, b.Severity) })
	m.out.Connections = append(m.out.Connections, l.Connection)
	m.out.NetworkServiceConfigs = append(m.out.NetworkServiceConfigs, configs...)
}

// judge finds what cannot be right whatever the connection is.
func (l *link) judge() {
	lead := l.lead
	for _, p := range l.all {
		if p.Faulty {
			l.doubt(tagUnreadable, "%s is not readable: %s", p, l.why("interface", p.device, p.Name))
		}
	}
	for _, p := range l.all {
		if p.device != lead.device {
			l.doubt(tagTwoSwitches, "it is on %s and on %s, as while a member moves: what is said of its ports is not to be trusted", lead.device, p.device)
			break
		}
	}
	if lead.Type != ixpmanager.Edge {
		l.doubt(tagContradicted, "%s is of type %q, which is not known", lead, rest.Clip(lead.Type))
	}
	if lead.VirtualInterface <= 0 {
		l.doubt(tagContradicted, "%s does not show its virtual interface", lead)
	}
}

// alone finds what cannot be right with a connection that is no LAG.
func (l *link) alone() {
	switch {
	case l.lead.LAGFraming.Is():
		l.doubt(tagMembers, "%s is in a LAG, and the LAG is not listed", l.lead)
	case len(l.all) > 1:
		l.doubt(tagMembers, "it has %d ports and no LAG", len(l.all))
	}
}

// bundle maps a LAG and returns the member ports that are in use.
func (l *link) bundle() (used []place) {
	lead := l.lead
	l.Mode, l.LACPTimeout = ixapi.ModeLAGLACP, ixapi.LACPTimeoutSlow
	if lead.FastLACP.Is() {
		l.LACPTimeout = ixapi.LACPTimeoutFast
	}
	var listed []string
	for _, p := range l.all {
		switch {
		case p.LAGMaster.Is():
			if p.Interface != lead.Interface && p.device == lead.device {
				l.doubt(tagMembers, "it has two LAGs, %s and %s", lead, p)
			}
			continue
		case p.device != lead.device:
			continue
		case p.Status == "":
			l.doubt(tagStatus, "%s does not show its status", p)
		case p.Status != lead.Status || p.Shutdown.Is():
			if inUse(lead.Status) {
				l.remark(tagStatus, "%s is in status %q, and its LAG in %q: it is no member for now", p, rest.Clip(p.Status), lead.Status)
				listed = append(listed, p.Name)
				continue
			}
		}
		listed, used = append(listed, p.Name), append(used, p)
	}
	slices.Sort(listed)
	members := slices.Sorted(slices.Values(lead.LAGMembers))
	if len(members) == 0 || !slices.Equal(members, listed) {
		l.doubt(tagMembers, "LAG %s is said to have the members %q, and %q are listed", lead, members, listed)
	} else if len(used) == 0 {
		l.doubt(tagMembers, "LAG %s is in status %q, and none of its members is", lead, rest.Clip(lead.Status))
	}
	return used
}

// ports maps the ports of the connection.
func (l *link) ports(used []place) {
	speed := 0
	for _, p := range used {
		if p.Speed != nil {
			speed += int(*p.Speed)
		}
		id := portID(p.device, p.Name)
		if p.Name == "" || slices.Contains(l.Ports, id) {
			continue // which is a fault by itself
		}
		l.out.Ports = append(l.out.Ports, ixapi.Port{
			ID: id, State: ixapi.StateProduction, Connection: l.ID, Name: p.Name, Device: p.device, Speed: megabits(p.Speed),
			ConsumingAccount: l.ConsumingAccount, ManagingAccount: l.ManagingAccount,
		})
		l.Ports = append(l.Ports, id)
	}
	if speed > 0 {
		l.Speed = &speed
	}
	n := len(l.Ports)
	l.PortQuantity = &n
}

func megabits(n *ixpmanager.Number) *int {
	if n == nil || *n <= 0 {
		return nil
	}
	v := int(*n)
	return &v
}

// inUse reports whether an interface in a status carries traffic.
func inUse(status string) bool {
	return status == ixpmanager.Connected || status == ixpmanager.Quarantine
}

// settle finds out whether the connection is in use. What is not is left alone.
func (l *link) settle(configs int) {
	lead := l.lead
	switch {
	case lead.Status == "":
		l.doubt(tagStatus, "%s does not show its status", lead)
	case !inUse(lead.Status):
		l.idle(tagStatus, "%s is in status %q: what stands for it on the switch is left as it is", lead, rest.Clip(lead.Status))
	case lead.Shutdown.Is():
		l.idle(tagShutdown, "%s is shut down in IXP Manager: what stands for it on the switch is left as it is", lead)
	case configs == 0:
		l.idle(tagNoVLAN, "%s is in no VLAN of members: what stands for it on the switch is left as it is", lead)
	}
}
