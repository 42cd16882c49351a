package ecx

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/models/ecx"
	"github.com/ixagent/ixagent/models/ixapi"
)

// Fault says why a record is not on switches as it asks, in the words of the status of the records that it became.
type Fault struct {
	Collection ecx.Collection
	UUID       string
	Status     ixapi.StatusMessage
}

func (f Fault) Error() string {
	return fmt.Sprintf("%s %q: %s", f.Collection, f.UUID, f.Status.Message)
}

// The tags of status messages.
const (
	tagUnreadable      = "record_unreadable"
	tagNotShown        = "not_shown"
	tagNoSwitch        = "not_on_switches"
	tagContradiction   = "contradiction"
	tagFailed          = "failed"
	tagPendingApproval = "pending_approval"
	tagNoPort          = "no_port"
	tagTagging         = "tagging"
	tagTagProtocol     = "tag_protocol"
	tagVLANRange       = "vlan_out_of_range"
	tagMembers         = "lag_members"
	tagReference       = "reference"
	tagRole            = "role"
)

// The severities of syslog.
const (
	severityError  = 3
	severityNotice = 5
)

// Map returns the records as lists of IX-API, one for each collection, each sorted by id, and what is wrong with them,
// sorted too. Faults are those that [ecx.Decode] found.
func Map(r *ecx.Records, faults []ecx.RecordFault) (map[ixapi.Collection]ixapi.Raw, []Fault, error) {
	m := &mapping{
		unreadable: make(map[reference]string),
		ports:      make(map[string]*place, len(r.Ports)),
		networks:   make(map[string]*ecx.Network, len(r.Networks)),
		profiles:   make(map[string]*ecx.ServiceProfile, len(r.ServiceProfiles)),
		members:    make(map[string][]*ecx.ExchangeService),
		accounts:   make(map[string]*ixapi.Account),
		pops:       make(map[string]*ixapi.PointOfPresence),
		devices:    make(map[string]*ixapi.Device),
	}
	m.records.NetworkServices = make([]ixapi.NetworkService, 0, len(r.Networks)+len(r.Connections))
	m.records.NetworkServiceConfigs = make([]ixapi.NetworkServiceConfig, 0, 2*len(r.Connections))
	for _, f := range faults {
		why := f.Err.Error()
		if errors.Is(f.Err, ecx.ErrDuplicateUUID) {
			why = ecx.ErrDuplicateUUID.Error() // wherever in the list
		}
		at := reference{f.Collection, f.UUID}
		m.unreadable[at] = first(m.unreadable[at], strings.TrimSpace(f.Pointer+" "+why))
	}
	for _, p := range ordered(r.Ports, func(p *ecx.Port) string { return p.UUID }) {
		m.port(p)
	}
	for _, n := range ordered(r.Networks, func(n *ecx.Network) string { return n.UUID }) {
		m.network(n)
	}
	for _, p := range ordered(r.ServiceProfiles, func(p *ecx.ServiceProfile) string { return p.UUID }) {
		m.profile(p)
	}
	for _, s := range ordered(r.ExchangeServices, func(s *ecx.ExchangeService) string { return s.UUID }) {
		m.exchangeService(s)
	}
	for _, c := range ordered(r.Connections, func(c *ecx.Connection) string { return c.UUID }) {
		m.connection(c)
	}
	lists, err := m.lists()
	return lists, m.faults, err
}

// ordered returns the records by uuid. Of several with one uuid, which is a fault of each, the text decides.
func ordered[T any](records []T, uuid func(*T) string) []*T {
	out := make([]*T, len(records))
	for i := range records {
		out[i] = &records[i]
	}
	slices.SortFunc(out, func(a, b *T) int {
		if c := cmp.Compare(uuid(a), uuid(b)); c != 0 {
			return c
		}
		x, _ := json.Marshal(a) // of a struct of plain fields
		y, _ := json.Marshal(b)
		return bytes.Compare(x, y)
	})
	return out
}

type reference struct {
	collection ecx.Collection
	uuid       string
}

// mapping is what became of the records so far.
type mapping struct {
	unreadable map[reference]string // what is wrong with them
	ports      map[string]*place
	networks   map[string]*ecx.Network
	profiles   map[string]*ecx.ServiceProfile
	members    map[string][]*ecx.ExchangeService // by connection
	accounts   map[string]*ixapi.Account
	pops       map[string]*ixapi.PointOfPresence
	devices    map[string]*ixapi.Device
	records    ixapi.Records
	faults     []Fault
}

// fault notes what is wrong with a record and returns it as the status of what it became.
func (m *mapping) fault(c ecx.Collection, uuid, tag, format string, args ...any) []ixapi.StatusMessage {
	s := ixapi.StatusMessage{
		Severity: severityError, Tag: tag, Message: fmt.Sprintf(format, args...),
		Attrs: map[string]any{"collection": c, "uuid": uuid},
	}
	m.faults = append(m.faults, Fault{c, uuid, s})
	return []ixapi.StatusMessage{s}
}

// remark returns the status of a record that is in good order.
func remark(v verdict) []ixapi.StatusMessage {
	if v.tag == "" {
		return nil
	}
	return []ixapi.StatusMessage{{Severity: severityNotice, Tag: v.tag, Message: v.message, Attrs: map[string]any{}}}
}

// account notes whose a record is. Managing is the reseller, if there is one. The first that is given counts.
func (m *mapping) account(given ...*ecx.Account) (consuming, managing ixapi.ID) {
	for _, a := range given {
		if a == nil || a.Number == "" {
			continue
		}
		consuming, managing = a.Number.String(), a.Number.String()
		owner := &ixapi.Account{ID: consuming, Name: cmp.Or(a.Name, a.OrganizationName), State: ixapi.StateProduction}
		if a.ResellerNumber != "" {
			managing = a.ResellerNumber.String()
			owner.ManagingAccount = managing
			m.know(&ixapi.Account{ID: managing, Name: a.ResellerName, State: ixapi.StateProduction})
		}
		m.know(owner)
		return consuming, managing
	}
	return "", ""
}

// know remembers an account. Of what records say about it, what says most counts, and then what sorts first.
func (m *mapping) know(a *ixapi.Account) {
	known := m.accounts[a.ID]
	if known == nil {
		m.accounts[a.ID] = a
		return
	}
	known.Name = first(known.Name, a.Name)
	known.ManagingAccount = first(known.ManagingAccount, a.ManagingAccount)
}

func first(a, b string) string {
	if a == "" || b == "" {
		return cmp.Or(a, b)
	}
	return min(a, b)
}

// network maps a network to a service.
func (m *mapping) network(n *ecx.Network) {
	m.networks[n.UUID] = cmp.Or(m.networks[n.UUID], n)
	consuming, managing := m.account(n.Account)
	s := ixapi.NetworkService{ID: n.UUID, DisplayName: n.Name, ConsumingAccount: consuming, ManagingAccount: managing}
	v := verdict{state: networkState(n.State)}
	if n.Operation != nil {
		v = agree(v.state, equinixState(n.Operation.EquinixStatus))
	}
	s.State, s.Type = v.state, networkService(n.Type)
	switch unread, faulty := m.unreadable[reference{ecx.Networks, n.UUID}]; {
	case n.Faulty || faulty:
		s.State, s.Status = ixapi.StateError, m.fault(ecx.Networks, n.UUID, tagUnreadable, "the network is not readable: %s", unread)
	case n.Type == "":
		s.State, s.Status = ixapi.StateError, m.fault(ecx.Networks, n.UUID, tagNotShown, "the network does not show its type")
	case s.Type == "":
		s.State, s.Status = ixapi.StateError, m.fault(ecx.Networks, n.UUID, tagNoSwitch, "a network of type %s is not on switches", n.Type)
	case v.tag != "" || v.state == ixapi.StateError:
		s.Status = m.fault(ecx.Networks, n.UUID, cmp.Or(v.tag, tagFailed), "%s", cmp.Or(v.message, "the exchange has failed with it"))
	}
	m.records.NetworkServices = append(m.records.NetworkServices, s)
}

// networkService returns the service that a network is, or nothing.
func networkService(t ecx.NetworkType) ixapi.ServiceType {
	switch t {
	case ecx.NetworkEVPLAN, ecx.NetworkEPLAN:
		return ixapi.ServiceMP2MP
	case ecx.NetworkEVPTREE, ecx.NetworkEPTREE:
		return ixapi.ServiceP2MP
	}
	return ""
}

// profile maps a service profile to a peering LAN or to an offering.
func (m *mapping) profile(p *ecx.ServiceProfile) {
	m.profiles[p.UUID] = cmp.Or(m.profiles[p.UUID], p)
	consuming, managing := m.account(p.Account)
	unread, faulty := m.unreadable[reference{ecx.ServiceProfiles, p.UUID}]
	faulty = faulty || p.Faulty
	switch p.Type {
	case ecx.ProfileIX:
		s := ixapi.NetworkService{
			ID: p.UUID, Type: ixapi.ServiceExchangeLAN, Name: p.Name, State: profileState(p.State),
			ConsumingAccount: consuming, ManagingAccount: managing,
		}
		if faulty {
			s.State, s.Status = ixapi.StateError, m.fault(ecx.ServiceProfiles, p.UUID, tagUnreadable, "the profile is not readable: %s", unread)
		}
		m.records.NetworkServices = append(m.records.NetworkServices, s)
		return
	case ecx.ProfileL2:
	case "":
		m.fault(ecx.ServiceProfiles, p.UUID, tagNotShown, "the profile does not show its type")
	default:
		m.fault(ecx.ServiceProfiles, p.UUID, tagNoSwitch, "what a profile of type %s sells is not on switches", p.Type)
	}
	o := ixapi.ProductOffering{ID: p.UUID, Type: ixapi.OfferingType(ixapi.ServiceCloud), Name: p.Name, ResourceType: "network_service"}
	if p.Account != nil {
		o.ServiceProvider = cmp.Or(p.Account.OrganizationName, p.Account.Name)
	}
	if faulty {
		m.fault(ecx.ServiceProfiles, p.UUID, tagUnreadable, "the profile is not readable: %s", unread)
		o.Type = ""
	}
	m.records.ProductOfferings = append(m.records.ProductOfferings, o)
}

// exchangeService maps the router of a member on a peering LAN to its MAC address.
func (m *mapping) exchangeService(s *ecx.ExchangeService) {
	consuming, managing := m.account(s.Account)
	mac := ixapi.MAC{ID: s.UUID, ConsumingAccount: consuming, ManagingAccount: managing}
	if s.RoutingProtocol != nil {
		mac.Address = s.RoutingProtocol.MACAddress
	}
	m.records.MACs = append(m.records.MACs, mac)
	unread, faulty := m.unreadable[reference{ecx.ExchangeServices, s.UUID}]
	switch {
	case s.Faulty || faulty:
		m.fault(ecx.ExchangeServices, s.UUID, tagUnreadable, "the exchange service is not readable: %s", unread)
	case s.PublicConnection == nil || s.PublicConnection.UUID == "":
		m.fault(ecx.ExchangeServices, s.UUID, tagNotShown, "the exchange service does not show its connection")
	case mac.Address == "":
		m.fault(ecx.ExchangeServices, s.UUID, tagNotShown, "the exchange service does not show its MAC address")
	}
	if s.PublicConnection != nil && s.PublicConnection.UUID != "" && !over(circuitState(s.State)) {
		m.members[s.PublicConnection.UUID] = append(m.members[s.PublicConnection.UUID], s)
	}
}

// lists returns the records as text, a line each.
func (m *mapping) lists() (map[ixapi.Collection]ixapi.Raw, error) {
	r := &m.records
	for _, id := range slices.Sorted(maps.Keys(m.accounts)) {
		r.Accounts = append(r.Accounts, *m.accounts[id])
	}
	facilities := make(map[ixapi.ID]bool)
	for _, id := range slices.Sorted(maps.Keys(m.pops)) {
		pop := m.pops[id]
		slices.Sort(pop.Devices)
		pop.Devices = slices.Compact(pop.Devices)
		r.PoPs = append(r.PoPs, *pop)
		if !facilities[pop.Facility] {
			facilities[pop.Facility] = true
			r.Facilities = append(r.Facilities, ixapi.Facility{ID: pop.Facility, Name: pop.Facility, PoPs: []ixapi.ID{pop.ID}})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.devices)) {
		r.Devices = append(r.Devices, *m.devices[id])
	}
	slices.SortFunc(m.faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Collection, b.Collection), cmp.Compare(a.UUID, b.UUID), cmp.Compare(a.Status.Message, b.Status.Message))
	})
	return ixapi.Encode(r)
}
