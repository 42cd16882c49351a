package ixpmanager

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/ixpmanager"
)

// Fault says why a record is not on switches as it asks, or at all, in the words of the status of the record that it
// became. Record is that one's: "connections/vi-7".
type Fault struct {
	Record string
	Status ixapi.StatusMessage
}

func (f Fault) Error() string { return f.Record + ": " + f.Status.Message }

// The tags of status messages.
const (
	tagUnreadable   = "record_unreadable"
	tagTwoSwitches  = "spans_switches"
	tagMembers      = "lag_members"
	tagStatus       = "interface_status"
	tagShutdown     = "interface_shutdown"
	tagNoVLAN       = "no_vlan"
	tagPrivate      = "private_vlan"
	tagVLANUnknown  = "vlan_unknown"
	tagVLANs        = "vlans"
	tagAddress      = "address"
	tagContradicted = "contradiction"
)

// The severities of syslog.
const (
	severityError  = 3
	severityNotice = 5
)

// Extra is what an operator adds to a virtual interface that IXP Manager cannot express.
type Extra struct {
	VirtualInterface int
	Ethertype        ixapi.Ethertype // of the tags of its VLANs; 0x8100 if it is empty
	Inner            map[int]int     // inner tag of frames in a VLAN: they have two
	Services         []Service
}

// Service is a service beside the shared LANs.
type Service struct {
	ID       ixapi.ID // of the network service
	Type     ixapi.ServiceType
	VLAN     int // outer tag, 0 for untagged
	Inner    int // inner tag, 0 for none
	Role     ixapi.Role
	Capacity int // Mbit/s; 0 for no limit
}

// Map returns the records as lists of IX-API, one for each collection, each sorted by id, and what is wrong with them,
// sorted too. Faults are those that [ixpmanager.Decode] found.
func Map(r *ixpmanager.Records, faults []ixpmanager.RecordFault, extras []Extra) (map[ixapi.Collection]ixapi.Raw, []Fault, error) {
	m := &mapping{
		records: r, unreadable: make(map[string]string), interfaces: make(map[int][]place), extras: make(map[int]*Extra),
		accounts: make(map[ixapi.ID]bool), services: make(map[ixapi.ID]*ixapi.NetworkService), vlans: make(map[string]map[int]*vlan),
	}
	for _, f := range faults {
		m.unreadable[f.Kind+" "+f.Switch+" "+f.Name] = f.Err.Error()
	}
	for i := range extras {
		m.extras[extras[i].VirtualInterface] = &extras[i]
	}
	m.lans()
	for i := range r.Switches {
		s := &r.Switches[i]
		m.out.Devices = append(m.out.Devices, ixapi.Device{ID: s.Name, Name: s.Name})
		list := r.Interfaces[s.Name]
		for k := range list {
			if list[k].Type != ixpmanager.Core {
				v := int(list[k].VirtualInterface)
				m.interfaces[v] = append(m.interfaces[v], place{s.Name, &list[k]})
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.interfaces)) {
		m.connection(id, m.interfaces[id])
	}
	for _, id := range slices.Sorted(maps.Keys(m.extras)) {
		if m.interfaces[id] == nil {
			m.fault("connections", connectionID(id), severityNotice, tagContradicted, "the inventory adds to a virtual interface that is not listed")
		}
	}
	lists, err := m.lists()
	return lists, m.faults, err
}

// place is an interface of a switch.
type place struct {
	device string
	*ixpmanager.Interface
}

// vlan is a VLAN as a switch has it, and the service that it is.
type vlan struct {
	*ixpmanager.VLAN
	service ixapi.ID
}

// mapping is what became of the records so far.
type mapping struct {
	records    *ixpmanager.Records
	unreadable map[string]string // by "KIND SWITCH NAME"
	interfaces map[int][]place   // by virtual interface
	extras     map[int]*Extra
	accounts   map[ixapi.ID]bool
	services   map[ixapi.ID]*ixapi.NetworkService
	vlans      map[string]map[int]*vlan // by switch and tag
	out        ixapi.Records
	faults     []Fault
}

func connectionID(v int) ixapi.ID { return "vi-" + strconv.Itoa(v) }

func portID(device, name string) ixapi.ID { return device + "/" + name }

// fault notes what is wrong with a record and returns it as a status.
func (m *mapping) fault(collection, id string, severity int, tag, format string, args ...any) []ixapi.StatusMessage {
	s := ixapi.StatusMessage{Severity: severity, Tag: tag, Message: fmt.Sprintf(format, args...), Attrs: map[string]any{}}
	m.faults = append(m.faults, Fault{collection + "/" + id, s})
	return []ixapi.StatusMessage{s}
}

// lans finds the services that VLANs are. One tag with several names is several VLANs, each of its own switches.
func (m *mapping) lans() {
	names := make(map[int]map[string]bool)
	for _, list := range m.records.VLANs {
		for _, v := range list {
			tag := int(v.Tag)
			if names[tag] == nil {
				names[tag] = make(map[string]bool)
			}
			names[tag][cmp.Or(v.ConfigName, v.Name)] = true
		}
	}
	for device, list := range m.records.VLANs {
		m.vlans[device] = make(map[int]*vlan)
		for i := range list {
			v := &list[i]
			id := "vlan-" + strconv.Itoa(int(v.Tag))
			if len(names[int(v.Tag)]) > 1 {
				id += "-" + cmp.Or(v.ConfigName, v.Name)
			}
			m.vlans[device][int(v.Tag)] = &vlan{v, id}
			if v.Private.Is() {
				continue
			}
			s := &ixapi.NetworkService{ID: id, Type: ixapi.ServiceExchangeLAN, Name: cmp.Or(v.Name, v.ConfigName), State: ixapi.StateProduction}
			if known := m.services[id]; known != nil && known.Name <= s.Name {
				s.Name = known.Name
			}
			m.services[id] = s
		}
	}
}

// connection maps a virtual interface: a LAG with its member ports, or one port.
func (m *mapping) connection(v int, all []place) {
	slices.SortFunc(all, func(a, b place) int { return cmp.Or(cmp.Compare(a.device, b.device), cmp.Compare(a.Name, b.Name)) })
	id := connectionID(v)
	c := &ixapi.Connection{ID: id, State: ixapi.StateProduction, OuterVLANEthertypes: []ixapi.Ethertype{ixapi.Ethertype8100}}
	doubt := func(tag, format string, args ...any) {
		c.State, c.Status = ixapi.StateError, append(c.Status, m.fault("connections", id, severityError, tag, format, args...)...)
	}
	lead := all[0]
	for _, p := range all {
		if p.LAGMaster.Is() {
			lead = p
		}
	}
	for _, p := range all {
		if why, unread := m.unreadable["interface "+p.device+" "+p.Name]; p.Faulty || unread {
			doubt(tagUnreadable, "%s of %s is not readable: %s", p.Name, p.device, why)
		}
		if p.device != lead.device {
			doubt(tagTwoSwitches, "it is on %s and on %s, as while a member moves: names of ports are not to be trusted then", lead.device, p.device)
			break
		}
	}
	if lead.Type != ixpmanager.Edge {
		doubt(tagContradicted, "%s of %s is of type %q, which is not known", lead.Name, lead.device, lead.Type)
	}
	if v == 0 {
		doubt(tagContradicted, "%s of %s does not show its virtual interface", lead.Name, lead.device)
	}
	account := m.account(lead.Description)
	c.ConsumingAccount, c.ManagingAccount, c.Name = account, account, lead.Description
	ports := m.bundle(c, lead, all, doubt)
	m.settle(c, lead, doubt)
	configs := m.configs(c, v, lead)
	c.VLANTypes = types(configs)
	for _, n := range configs {
		if e := ethertype(n); !slices.Contains(c.OuterVLANEthertypes, e) {
			c.OuterVLANEthertypes = append(c.OuterVLANEthertypes, e)
		}
	}
	m.out.Connections = append(m.out.Connections, *c)
	m.out.Ports = append(m.out.Ports, ports...)
	m.out.NetworkServiceConfigs = append(m.out.NetworkServiceConfigs, configs...)
}

func (m *mapping) account(name string) ixapi.ID {
	if name == "" {
		return ""
	}
	m.accounts[name] = true
	return name
}

// bundle finds the ports of a connection, and how they are bundled.
func (m *mapping) bundle(c *ixapi.Connection, lead place, all []place, doubt func(tag, format string, args ...any)) (ports []ixapi.Port) {
	members := []string{lead.Name}
	c.Mode = ixapi.ModeStandalone
	switch {
	case lead.LAGMaster.Is():
		members = slices.Sorted(slices.Values(lead.LAGMembers))
		c.Mode, c.LACPTimeout = ixapi.ModeLAGLACP, ixapi.LACPTimeoutSlow
		if lead.FastLACP.Is() {
			c.LACPTimeout = ixapi.LACPTimeoutFast
		}
		var listed []string
		for _, p := range all {
			if !p.LAGMaster.Is() {
				listed = append(listed, p.Name)
			} else if p.Interface != lead.Interface {
				doubt(tagMembers, "it has two LAGs, %s and %s", lead.Name, p.Name)
			}
		}
		slices.Sort(listed)
		if len(members) == 0 || !slices.Equal(members, listed) {
			doubt(tagMembers, "LAG %s of %s is said to have the members %q, and %q are listed", lead.Name, lead.device, members, listed)
		}
	case lead.LAGFraming.Is():
		doubt(tagMembers, "%s of %s is a LAG, and its master is not listed", lead.Name, lead.device)
	case len(all) > 1:
		doubt(tagMembers, "it has %d ports and no LAG", len(all))
	}
	speed := 0
	for _, p := range all {
		if !p.LAGMaster.Is() && p.Speed != nil {
			speed += int(*p.Speed)
		}
	}
	if speed > 0 {
		c.Speed = &speed
	}
	for _, name := range slices.Compact(members) {
		if name == "" {
			continue
		}
		id := portID(lead.device, name)
		ports = append(ports, ixapi.Port{
			ID: id, State: ixapi.StateProduction, Connection: c.ID, Name: name, Device: lead.device,
			ConsumingAccount: c.ConsumingAccount, ManagingAccount: c.ManagingAccount,
		})
		c.Ports = append(c.Ports, id)
	}
	n := len(c.Ports)
	c.PortQuantity = &n
	return ports
}

// settle finds out whether a connection is in use. What is not is left alone.
func (m *mapping) settle(c *ixapi.Connection, lead place, doubt func(tag, format string, args ...any)) {
	idle := func(tag, format string, args ...any) {
		if c.State != ixapi.StateError {
			c.State, c.Status = ixapi.StateAllocated, m.fault("connections", c.ID, severityNotice, tag, format, args...)
		}
	}
	switch lead.Status {
	case ixpmanager.Connected, ixpmanager.Quarantine:
	case "":
		doubt(tagStatus, "%s of %s does not show its status", lead.Name, lead.device)
	default:
		idle(tagStatus, "%s of %s is in status %q: what stands for it on the switch is left as it is", lead.Name, lead.device, lead.Status)
	}
	if lead.Shutdown.Is() {
		idle(tagShutdown, "%s of %s is shut down in IXP Manager: what stands for it on the switch is left as it is", lead.Name, lead.device)
	}
	if len(lead.VLANs) == 0 && m.extras[int(lead.VirtualInterface)] == nil {
		idle(tagNoVLAN, "%s of %s is in no VLAN: what stands for it on the switch is left as it is", lead.Name, lead.device)
	}
}

// configs maps the VLANs of a connection, and what the inventory adds.
func (m *mapping) configs(c *ixapi.Connection, v int, lead place) (out []ixapi.NetworkServiceConfig) {
	extra := m.extras[v]
	if extra == nil {
		extra = &Extra{}
	}
	state := ixapi.StateProduction
	if lead.Status == ixpmanager.Quarantine {
		state = ixapi.StateTesting
	}
	begin := func(id, service ixapi.ID, t ixapi.ServiceType) ixapi.NetworkServiceConfig {
		n := ixapi.NetworkServiceConfig{
			ID: id, Type: t, State: state, NetworkService: service, Connection: c.ID, ConsumingAccount: c.ConsumingAccount, ManagingAccount: c.ManagingAccount,
		}
		if lead.RateLimit != nil && *lead.RateLimit > 0 {
			rate := int(*lead.RateLimit)
			n.Capacity = &rate
		}
		return n
	}
	vlans := slices.Clone(lead.VLANs)
	slices.SortFunc(vlans, func(a, b ixpmanager.InterfaceVLAN) int { return cmp.Compare(a.VLANInterface, b.VLANInterface) })
	for i := range vlans {
		w := &vlans[i]
		number := int(w.Number)
		known := m.vlans[lead.device][number]
		if known != nil && known.Private.Is() {
			m.fault("connections", c.ID, severityNotice, tagPrivate, "VLAN %d of %s is private: it is left alone", number, lead.device)
			continue
		}
		n := begin("vli-"+strconv.Itoa(int(w.VLANInterface)), "vlan-"+strconv.Itoa(number), ixapi.ServiceExchangeLAN)
		doubt := func(tag, format string, args ...any) {
			n.State, n.Status = ixapi.StateError, append(n.Status, m.fault("network-service-configs", n.ID, severityError, tag, format, args...)...)
		}
		switch {
		case known == nil:
			doubt(tagVLANUnknown, "VLAN %d is not among those of %s", number, lead.device)
		case known.Faulty:
			doubt(tagUnreadable, "VLAN %d of %s is not readable", number, lead.device)
			n.NetworkService = known.service
		default:
			n.NetworkService = known.service
		}
		if w.VLANInterface == 0 {
			doubt(tagContradicted, "a VLAN of %s of %s does not show its VLAN interface", lead.Name, lead.device)
			n.ID += "-" + c.ID + "-" + strconv.Itoa(number)
		}
		n.VLANConfig = tagging(lead.Dot1Q, number, extra)
		switch {
		case lead.Dot1Q == nil:
			doubt(tagVLANs, "%s of %s does not show whether its frames are tagged", lead.Name, lead.device)
		case n.VLANConfig.Type == ixapi.VLANTypePort && len(vlans) > 1:
			doubt(tagVLANs, "%s of %s is untagged and in %d VLANs", lead.Name, lead.device, len(vlans))
		}
		m.addresses(&n, w, doubt)
		out = append(out, n)
	}
	for _, s := range extra.Services {
		n := begin(c.ID+"-"+s.ID, s.ID, s.Type)
		n.Role = s.Role
		n.VLANConfig = &ixapi.VLANConfig{Type: ixapi.VLANTypePort}
		switch {
		case s.Inner != 0:
			n.VLANConfig = &ixapi.VLANConfig{Type: ixapi.VLANTypeQinQ, Ethertype: cmp.Or(extra.Ethertype, ixapi.Ethertype8100), OuterVLAN: uint16(s.VLAN), InnerVLAN: uint16(s.Inner)}
		case s.VLAN != 0:
			n.VLANConfig = &ixapi.VLANConfig{Type: ixapi.VLANTypeDot1Q, Ethertype: cmp.Or(extra.Ethertype, ixapi.Ethertype8100), VLAN: uint16(s.VLAN)}
		}
		if s.Capacity > 0 {
			n.Capacity = &s.Capacity
		}
		if m.services[s.ID] == nil {
			m.services[s.ID] = &ixapi.NetworkService{ID: s.ID, Type: s.Type, DisplayName: s.ID, State: ixapi.StateProduction}
		}
		out = append(out, n)
	}
	return out
}

// tagging returns which frames belong to a VLAN of an interface.
func tagging(dot1q *ixpmanager.Flag, number int, extra *Extra) *ixapi.VLANConfig {
	ethertype := cmp.Or(extra.Ethertype, ixapi.Ethertype8100)
	switch inner := extra.Inner[number]; {
	case inner != 0:
		return &ixapi.VLANConfig{Type: ixapi.VLANTypeQinQ, Ethertype: ethertype, OuterVLAN: uint16(number), InnerVLAN: uint16(inner)}
	case dot1q.Is():
		return &ixapi.VLANConfig{Type: ixapi.VLANTypeDot1Q, Ethertype: ethertype, VLAN: uint16(number)}
	}
	return &ixapi.VLANConfig{Type: ixapi.VLANTypePort}
}

func ethertype(n ixapi.NetworkServiceConfig) ixapi.Ethertype {
	return cmp.Or(n.VLANConfig.Ethertype, ixapi.Ethertype8100)
}

// types returns the ways in which configs are tagged.
func types(configs []ixapi.NetworkServiceConfig) (out []ixapi.VLANType) {
	for _, n := range configs {
		if !slices.Contains(out, n.VLANConfig.Type) {
			out = append(out, n.VLANConfig.Type)
		}
	}
	slices.Sort(out)
	return out
}

// addresses maps the addresses of a member in a VLAN.
func (m *mapping) addresses(n *ixapi.NetworkServiceConfig, w *ixpmanager.InterfaceVLAN, doubt func(tag, format string, args ...any)) {
	for _, text := range w.MACs {
		mac, err := net.ParseMAC(hex(text))
		if err != nil || len(mac) != 6 {
			doubt(tagAddress, "%q is not a MAC address", clip(text))
			continue
		}
		id := n.ID + "-" + strings.ReplaceAll(mac.String(), ":", "")
		if slices.Contains(n.MACs, id) {
			continue
		}
		n.MACs = append(n.MACs, id)
		m.out.MACs = append(m.out.MACs, ixapi.MAC{ID: id, Address: mac.String(), ConsumingAccount: n.ConsumingAccount, ManagingAccount: n.ManagingAccount})
	}
	for _, text := range []string{w.IPs.IPv4, w.IPs.IPv6} {
		if text == "" {
			continue
		}
		ip, err := netip.ParseAddr(text)
		if err != nil {
			m.fault("network-service-configs", n.ID, severityNotice, tagAddress, "%q is not an IP address", clip(text))
			continue
		}
		id := n.ID + "-" + ip.String()
		n.IPs = append(n.IPs, id)
		m.out.IPs = append(m.out.IPs, ixapi.IP{ID: id, Address: ip.String(), ConsumingAccount: n.ConsumingAccount, ManagingAccount: n.ManagingAccount})
	}
}

// hex puts colons into a MAC address that has none.
func hex(text string) string {
	if len(text) != 12 {
		return text
	}
	var parts []string
	for i := 0; i < 12; i += 2 {
		parts = append(parts, text[i:i+2])
	}
	return strings.Join(parts, ":")
}

func clip(text string) string { return text[:min(len(text), 40)] }

// lists returns the records as text, a line each.
func (m *mapping) lists() (map[ixapi.Collection]ixapi.Raw, error) {
	for _, id := range slices.Sorted(maps.Keys(m.accounts)) {
		m.out.Accounts = append(m.out.Accounts, ixapi.Account{ID: id, Name: id, State: ixapi.StateProduction})
	}
	for _, id := range slices.Sorted(maps.Keys(m.services)) {
		m.out.NetworkServices = append(m.out.NetworkServices, *m.services[id])
	}
	slices.SortFunc(m.faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Record, b.Record), cmp.Compare(a.Status.Tag, b.Status.Tag), cmp.Compare(a.Status.Message, b.Status.Message))
	})
	m.faults = slices.CompactFunc(m.faults, func(a, b Fault) bool { return a.Error() == b.Error() })
	return text(&m.out)
}

// text returns records as JSON lists, a record a line.
func text(r *ixapi.Records) (map[ixapi.Collection]ixapi.Raw, error) {
	out := make(map[ixapi.Collection]ixapi.Raw)
	for _, c := range ixapi.Collections() {
		out[c] = ixapi.Raw{[]byte("[]")}
	}
	var err error
	put := func(c ixapi.Collection, list []byte, fault error) {
		out[c], err = ixapi.Raw{list}, cmp.Or(err, fault)
	}
	a, fault := list(r.Accounts, func(x *ixapi.Account) ixapi.ID { return x.ID })
	put(ixapi.Accounts, a, fault)
	a, fault = list(r.Devices, func(x *ixapi.Device) ixapi.ID { return x.ID })
	put(ixapi.Devices, a, fault)
	a, fault = list(r.Ports, func(x *ixapi.Port) ixapi.ID { return x.ID })
	put(ixapi.Ports, a, fault)
	a, fault = list(r.Connections, func(x *ixapi.Connection) ixapi.ID { return x.ID })
	put(ixapi.Connections, a, fault)
	a, fault = list(r.NetworkServices, func(x *ixapi.NetworkService) ixapi.ID { return x.ID })
	put(ixapi.NetworkServices, a, fault)
	a, fault = list(r.NetworkServiceConfigs, func(x *ixapi.NetworkServiceConfig) ixapi.ID { return x.ID })
	put(ixapi.NetworkServiceConfigs, a, fault)
	a, fault = list(r.MACs, func(x *ixapi.MAC) ixapi.ID { return x.ID })
	put(ixapi.MACs, a, fault)
	a, fault = list(r.IPs, func(x *ixapi.IP) ixapi.ID { return x.ID })
	put(ixapi.IPs, a, fault)
	return out, err
}

func list[T any](records []T, id func(*T) ixapi.ID) ([]byte, error) {
	slices.SortStableFunc(records, func(a, b T) int { return cmp.Compare(id(&a), id(&b)) })
	var b bytes.Buffer
	b.WriteByte('[')
	for i := range records {
		if i > 0 {
			b.WriteString(",\n")
		}
		line, err := json.Marshal(&records[i])
		if err != nil {
			return nil, err
		}
		b.Write(line)
	}
	b.WriteByte(']')
	return b.Bytes(), nil
}
