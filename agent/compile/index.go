package compile

import (
	"errors"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/models/ixapi"
)

// index finds records by id and by what refers to them.
type index struct {
	connections map[ixapi.ID]*ixapi.Connection
	configs     map[ixapi.ID][]*ixapi.NetworkServiceConfig // by connection id, sorted by id
	configByID  map[ixapi.ID]*ixapi.NetworkServiceConfig
	ports       map[ixapi.ID]*ixapi.Port
	services    map[ixapi.ID]*ixapi.NetworkService
	offerings   map[ixapi.ID]*ixapi.ProductOffering
	macs        map[ixapi.ID]*ixapi.MAC
	rules       map[joining]*ixapi.MemberJoiningRule
	users       map[ixapi.ID][]ixapi.ID                  // connections by port id
	faults      map[ixapi.Collection]map[ixapi.ID]string // what makes a record faulty
}

// joining is an account that may or may not join a service.
type joining struct{ service, account ixapi.ID }

func newIndex(r *ixapi.Records, faults []ixapi.RecordFault) index {
	x := index{
		connections: make(map[ixapi.ID]*ixapi.Connection, len(r.Connections)),
		configs:     make(map[ixapi.ID][]*ixapi.NetworkServiceConfig, len(r.Connections)),
		configByID:  make(map[ixapi.ID]*ixapi.NetworkServiceConfig, len(r.NetworkServiceConfigs)),
		ports:       make(map[ixapi.ID]*ixapi.Port, len(r.Ports)),
		services:    make(map[ixapi.ID]*ixapi.NetworkService, len(r.NetworkServices)),
		offerings:   make(map[ixapi.ID]*ixapi.ProductOffering, len(r.ProductOfferings)),
		macs:        make(map[ixapi.ID]*ixapi.MAC, len(r.MACs)),
		rules:       make(map[joining]*ixapi.MemberJoiningRule, len(r.MemberJoiningRules)),
		users:       make(map[ixapi.ID][]ixapi.ID, len(r.Ports)),
		faults:      make(map[ixapi.Collection]map[ixapi.ID]string),
	}
	x.put(r, faults)
	for _, list := range x.configs {
		slices.SortFunc(list, func(a, b *ixapi.NetworkServiceConfig) int { return strings.Compare(a.ID, b.ID) })
	}
	return x
}

// put enters records that are not there yet.
func (x *index) put(r *ixapi.Records, faults []ixapi.RecordFault) {
	for _, f := range faults {
		if f.ID == "" || errors.Is(f.Err, ixapi.ErrUnknownValue) {
			continue
		}
		if x.faults[f.Collection] == nil {
			x.faults[f.Collection] = make(map[ixapi.ID]string)
		}
		if x.faults[f.Collection][f.ID] == "" {
			x.faults[f.Collection][f.ID] = f.Error()
		}
	}
	for i := range r.Connections {
		x.putConnection(&r.Connections[i])
	}
	for i := range r.NetworkServiceConfigs {
		n := &r.NetworkServiceConfigs[i]
		x.configs[n.Connection] = append(x.configs[n.Connection], n)
		x.configByID[n.ID] = n
	}
	for i := range r.Ports {
		x.ports[r.Ports[i].ID] = &r.Ports[i]
	}
	for i := range r.NetworkServices {
		x.services[r.NetworkServices[i].ID] = &r.NetworkServices[i]
	}
	for i := range r.ProductOfferings {
		x.offerings[r.ProductOfferings[i].ID] = &r.ProductOfferings[i]
	}
	for i := range r.MACs {
		x.macs[r.MACs[i].ID] = &r.MACs[i]
	}
	for i := range r.MemberJoiningRules {
		rule := &r.MemberJoiningRules[i]
		x.rules[joining{rule.NetworkService, rule.ConsumingAccount}] = rule
	}
}

func (x *index) putConnection(c *ixapi.Connection) {
	x.connections[c.ID] = c
	if f, _ := commonFate(c.State, noPolicy); f == gone {
		return
	}
	for _, p := range c.Ports {
		if !slices.Contains(x.users[p], c.ID) {
			x.users[p] = append(x.users[p], c.ID)
			slices.Sort(x.users[p])
		}
	}
}

func (x *index) dropConnection(id ixapi.ID) {
	if c := x.connections[id]; c != nil {
		for _, p := range c.Ports {
			x.users[p] = slices.DeleteFunc(x.users[p], func(u ixapi.ID) bool { return u == id })
		}
		delete(x.connections, id)
	}
}

func (x *index) dropConfig(id ixapi.ID) (connection ixapi.ID, ok bool) {
	n := x.configByID[id]
	if n == nil {
		return "", false
	}
	list := slices.DeleteFunc(slices.Clone(x.configs[n.Connection]), func(o *ixapi.NetworkServiceConfig) bool { return o.ID == id })
	if x.configs[n.Connection] = list; len(list) == 0 {
		delete(x.configs, n.Connection)
	}
	delete(x.configByID, id)
	return n.Connection, true
}

// apply changes the index and returns the ids of the connections that must be compiled anew.
func (x *index) apply(d Delta) map[ixapi.ID]bool {
	dirty := make(map[ixapi.ID]bool)
	portUsers := func(id ixapi.ID) {
		for _, c := range x.users[id] {
			dirty[c] = true
		}
	}
	connection := func(id ixapi.ID) {
		dirty[id] = true
		if c := x.connections[id]; c != nil {
			for _, p := range c.Ports {
				portUsers(p) // others that use its ports, or no longer do so alone
			}
		}
	}
	uses := func(match func(*ixapi.NetworkServiceConfig) bool) {
		for _, n := range x.configByID {
			if match(n) {
				dirty[n.Connection] = true
			}
		}
	}
	forget := func(c ixapi.Collection, id ixapi.ID) { delete(x.faults[c], id) }

	for collection, ids := range d.Removed {
		for _, id := range ids {
			forget(collection, id)
			switch collection {
			case ixapi.Connections:
				connection(id)
				x.dropConnection(id)
			case ixapi.NetworkServiceConfigs:
				if conn, ok := x.dropConfig(id); ok {
					dirty[conn] = true
				}
			case ixapi.Ports:
				portUsers(id)
				delete(x.ports, id)
			case ixapi.NetworkServices:
				uses(func(n *ixapi.NetworkServiceConfig) bool { return n.NetworkService == id })
				delete(x.services, id)
			case ixapi.ProductOfferings:
				uses(func(n *ixapi.NetworkServiceConfig) bool { return x.offers(n, id) })
				delete(x.offerings, id)
			case ixapi.MACs:
				uses(func(n *ixapi.NetworkServiceConfig) bool { return slices.Contains(n.MACs, id) })
				delete(x.macs, id)
			case ixapi.MemberJoiningRules:
				for k, rule := range x.rules {
					if rule.ID == id {
						uses(func(n *ixapi.NetworkServiceConfig) bool {
							return n.NetworkService == k.service && n.ConsumingAccount == k.account
						})
						delete(x.rules, k)
					}
				}
			}
		}
	}

	r := &d.Changed
	for i := range r.Connections {
		id := r.Connections[i].ID
		forget(ixapi.Connections, id)
		connection(id)
		x.dropConnection(id)
	}
	for i := range r.NetworkServiceConfigs {
		id := r.NetworkServiceConfigs[i].ID
		forget(ixapi.NetworkServiceConfigs, id)
		if conn, ok := x.dropConfig(id); ok {
			dirty[conn] = true
		}
		dirty[r.NetworkServiceConfigs[i].Connection] = true
	}
	for i := range r.Ports {
		forget(ixapi.Ports, r.Ports[i].ID)
		portUsers(r.Ports[i].ID)
	}
	for i := range r.NetworkServices {
		id := r.NetworkServices[i].ID
		forget(ixapi.NetworkServices, id)
		uses(func(n *ixapi.NetworkServiceConfig) bool { return n.NetworkService == id })
	}
	for i := range r.ProductOfferings {
		id := r.ProductOfferings[i].ID
		forget(ixapi.ProductOfferings, id)
		uses(func(n *ixapi.NetworkServiceConfig) bool { return x.offers(n, id) })
	}
	for i := range r.MACs {
		id := r.MACs[i].ID
		forget(ixapi.MACs, id)
		uses(func(n *ixapi.NetworkServiceConfig) bool { return slices.Contains(n.MACs, id) })
	}
	for i := range r.MemberJoiningRules {
		rule := &r.MemberJoiningRules[i]
		uses(func(n *ixapi.NetworkServiceConfig) bool {
			return n.NetworkService == rule.NetworkService && n.ConsumingAccount == rule.ConsumingAccount
		})
	}
	x.put(r, d.Faults)
	for i := range r.NetworkServiceConfigs {
		list := x.configs[r.NetworkServiceConfigs[i].Connection]
		slices.SortFunc(list, func(a, b *ixapi.NetworkServiceConfig) int { return strings.Compare(a.ID, b.ID) })
	}
	for i := range r.Connections {
		connection(r.Connections[i].ID)
	}
	return dirty
}

// offers reports whether the offering of that id bears on n, by itself or through the service.
func (x *index) offers(n *ixapi.NetworkServiceConfig, id ixapi.ID) bool {
	s := x.services[n.NetworkService]
	return n.ProductOffering == id || s != nil && s.ProductOffering == id
}

// fault returns what is wrong with a record.
func (x *index) fault(c ixapi.Collection, id ixapi.ID) string {
	if f := x.faults[c][id]; f != "" {
		return f
	}
	return string(c) + " " + id + " could not be read completely"
}
