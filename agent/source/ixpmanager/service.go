package ixpmanager

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/ixpmanager"
	"github.com/ixagent/ixagent/models/rest"
)

// configs maps the VLANs of a connection, and what the inventory adds.
func (l *link) configs() (out []ixapi.NetworkServiceConfig) {
	extra := l.extras[int(l.lead.VirtualInterface)]
	if extra == nil {
		extra = new(Extra)
	}
	vlans := slices.Clone(l.lead.VLANs)
	slices.SortStableFunc(vlans, func(a, b ixpmanager.InterfaceVLAN) int {
		return cmp.Or(cmp.Compare(a.VLANInterface, b.VLANInterface), cmp.Compare(a.Number, b.Number))
	})
	for i := range vlans {
		w := &vlans[i]
		known := l.vlans[l.lead.device][int(w.Number)]
		if known != nil && known.Private.Is() {
			l.remark(tagPrivate, "VLAN %d of %s is private and left alone", w.Number, l.lead.device)
			continue
		}
		out = append(out, l.lan(w, known, extra))
	}
	for i := range extra.Services {
		out = append(out, l.service(&extra.Services[i], extra))
	}
	return out
}

// config returns a config of the connection that does not join anything yet.
func (l *link) config(id ixapi.ID, t ixapi.ServiceType) ixapi.NetworkServiceConfig {
	n := ixapi.NetworkServiceConfig{
		ID: id, Type: t, State: ixapi.StateProduction, Connection: l.ID, ConsumingAccount: l.ConsumingAccount, ManagingAccount: l.ManagingAccount,
	}
	if l.lead.Status == ixpmanager.Quarantine {
		n.State = ixapi.StateTesting
	}
	n.Capacity = megabits(l.lead.RateLimit)
	return n
}

// lan maps the membership in a VLAN, which is nil if the switch does not have it.
func (l *link) lan(w *ixpmanager.InterfaceVLAN, known *vlan, extra *Extra) ixapi.NetworkServiceConfig {
	number := int(w.Number)
	n := l.config("vli-"+strconv.Itoa(int(w.VLANInterface)), ixapi.ServiceExchangeLAN)
	if w.VLANInterface <= 0 {
		n.ID = "vli-of-" + l.ID + "-" + strconv.Itoa(number)
	}
	doubt := func(tag, format string, args ...any) {
		n.State = ixapi.StateError
		n.Status = append(n.Status, l.refusal("network-service-configs", n.ID, severityError, tag, format, args...))
	}
	n.NetworkService = "vlan-" + strconv.Itoa(number)
	if known != nil {
		n.NetworkService = known.service
	}
	switch {
	case w.VLANInterface <= 0:
		doubt(tagContradicted, "VLAN %d of %s does not show its VLAN interface", number, l.lead)
	case known == nil:
		doubt(tagVLANUnknown, "VLAN %d is not among those of %s", number, l.lead.device)
	case known.Faulty:
		doubt(tagUnreadable, "VLAN %d of %s is not readable", number, l.lead.device)
	}
	n.VLANConfig = &ixapi.VLANConfig{Type: ixapi.VLANTypePort}
	switch inner := extra.Inner[number]; {
	case inner != 0:
		n.VLANConfig = extra.double(number, inner)
	case l.lead.Dot1Q.Is():
		n.VLANConfig = extra.single(number)
	case l.lead.Dot1Q == nil:
		doubt(tagVLANs, "%s does not show whether its frames are tagged", l.lead)
	case len(l.lead.VLANs) > 1:
		doubt(tagVLANs, "%s is untagged and in %d VLANs", l.lead, len(l.lead.VLANs))
	}
	l.addresses(&n, w, doubt)
	return n
}

// service maps a service that the inventory adds.
func (l *link) service(s *Service, extra *Extra) ixapi.NetworkServiceConfig {
	n := l.config(l.ID+"-"+s.ID, s.Type)
	n.NetworkService, n.Role = s.ID, s.Role
	n.VLANConfig = &ixapi.VLANConfig{Type: ixapi.VLANTypePort}
	switch {
	case s.Inner != 0:
		n.VLANConfig = extra.double(s.VLAN, s.Inner)
	case s.VLAN != 0:
		n.VLANConfig = extra.single(s.VLAN)
	}
	if s.Capacity > 0 {
		n.Capacity = &s.Capacity
	}
	if l.services[s.ID] == nil {
		l.services[s.ID] = &ixapi.NetworkService{ID: s.ID, Type: s.Type, DisplayName: s.ID, State: ixapi.StateProduction}
	}
	return n
}

func (e *Extra) single(vlan int) *ixapi.VLANConfig {
	return &ixapi.VLANConfig{Type: ixapi.VLANTypeDot1Q, Ethertype: cmp.Or(e.Ethertype, ixapi.Ethertype8100), VLAN: tag(vlan)}
}

func (e *Extra) double(outer, inner int) *ixapi.VLANConfig {
	return &ixapi.VLANConfig{Type: ixapi.VLANTypeQinQ, Ethertype: cmp.Or(e.Ethertype, ixapi.Ethertype8100), OuterVLAN: tag(outer), InnerVLAN: tag(inner)}
}

// addresses maps the addresses of a member in a VLAN.
func (l *link) addresses(n *ixapi.NetworkServiceConfig, w *ixpmanager.InterfaceVLAN, doubt doubtFunc) {
	for _, text := range w.MACs {
		mac, err := net.ParseMAC(colons(text))
		if err != nil || len(mac) != 6 {
			doubt(tagAddress, "%q is not a MAC address", rest.Clip(text))
			continue
		}
		id := n.ID + "-" + strings.ReplaceAll(mac.String(), ":", "")
		if slices.Contains(n.MACs, id) {
			continue
		}
		n.MACs = append(n.MACs, id)
		l.out.MACs = append(l.out.MACs, ixapi.MAC{ID: id, Address: mac.String(), ConsumingAccount: n.ConsumingAccount, ManagingAccount: n.ManagingAccount})
	}
	slices.Sort(n.MACs)
	for _, text := range []string{w.IPs.IPv4, w.IPs.IPv6} {
		if text == "" {
			continue
		}
		ip, err := netip.ParseAddr(text)
		if err != nil {
			n.Status = append(n.Status, l.fault("network-service-configs", n.ID, severityNotice, tagAddress, "%q is not an IP address", rest.Clip(text)))
			continue
		}
		id := n.ID + "-" + ip.String()
		n.IPs = append(n.IPs, id)
		l.out.IPs = append(l.out.IPs, ixapi.IP{ID: id, Address: ip.String(), ConsumingAccount: n.ConsumingAccount, ManagingAccount: n.ManagingAccount})
	}
}

// colons puts colons into a MAC address that has none.
func colons(text string) string {
	if len(text) != 12 {
		return text
	}
	var parts []string
	for i := 0; i < 12; i += 2 {
		parts = append(parts, text[i:i+2])
	}
	return strings.Join(parts, ":")
}
