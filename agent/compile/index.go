package compile

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/ixagent/ixagent/models/ixapi"
)

// index finds records by id and by what refers to them.
type index struct {
	connections map[ixapi.ID]*ixapi.Connection
	configs     map[ixapi.ID][]*ixapi.NetworkServiceConfig // by connection id, sorted by id
	configByID  map[ixapi.ID]*ixapi.NetworkServiceConfig   // made when needed
	ports       map[ixapi.ID]*ixapi.Port
	services    map[ixapi.ID]*ixapi.NetworkService
	offerings   map[ixapi.ID]*ixapi.ProductOffering
	macs        map[ixapi.ID]*ixapi.MAC
	rules       map[joining]*ixapi.MemberJoiningRule
	user        map[ixapi.ID]ixapi.ID                    // connection by port id
	sharers     map[ixapi.ID][]ixapi.ID                  // connections by id of a port that several use, sorted
	faults      map[ixapi.Collection]map[ixapi.ID]string // what makes a record faulty
}

// joining is an account that may or may not join a service.
type joining struct{ service, account ixapi.ID }

func newIndex(r *ixapi.Records, faults []ixapi.RecordFault) *index {
	x := &index{
		connections: make(map[ixapi.ID]*ixapi.Connection, len(r.Connections)),
		ports:       make(map[ixapi.ID]*ixapi.Port, len(r.Ports)),
		services:    make(map[ixapi.ID]*ixapi.NetworkService, len(r.NetworkServices)),
		offerings:   make(map[ixapi.ID]*ixapi.ProductOffering, len(r.ProductOfferings)),
		macs:        make(map[ixapi.ID]*ixapi.MAC, len(r.MACs)),
		rules:       make(map[joining]*ixapi.MemberJoiningRule, len(r.MemberJoiningRules)),
		user:        make(map[ixapi.ID]ixapi.ID, len(r.Ports)),
		sharers:     make(map[ixapi.ID][]ixapi.ID),
		faults:      make(map[ixapi.Collection]map[ixapi.ID]string),
	}
	var wg sync.WaitGroup
	wg.Go(func() { x.configs = byConnection(r.NetworkServiceConfigs) })
	x.put(r, faults)
	wg.Wait()
	return x
}

// byConnection returns the configs of each connection, sorted by id, in one piece of memory.
func byConnection(all []ixapi.NetworkServiceConfig) map[ixapi.ID][]*ixapi.NetworkServiceConfig {
	number := make(map[ixapi.ID]int32)
	connection := make([]int32, len(all)) // its number, by config
	var count []int
	for i := range all {
		if i > 0 && all[i].Connection == all[i-1].Connection {
			connection[i] = connection[i-1]
		} else if n, ok := number[all[i].Connection]; ok {
			connection[i] = n
		} else {
			connection[i] = int32(len(count))
			number[all[i].Connection] = connection[i]
			count = append(count, 0)
		}
		count[connection[i]]++
	}
	lists, rest := make([][]*ixapi.NetworkServiceConfig, len(count)), make([]*ixapi.NetworkServiceConfig, len(all))
	for n, length := range count {
		lists[n], rest = rest[:0:length], rest[length:]
	}
	for i, n := range connection {
		lists[n] = append(lists[n], &all[i])
	}
	out := make(map[ixapi.ID][]*ixapi.NetworkServiceConfig, len(count))
	for id, n := range number {
		if !slices.IsSortedFunc(lists[n], compareConfigs) {
			slices.SortStableFunc(lists[n], compareConfigs)
		}
		out[id] = lists[n]
	}
	return out
}

func compareConfigs(a, b *ixapi.NetworkServiceConfig) int { return strings.Compare(a.ID, b.ID) }

// findConfig returns the place of the config of that id in a list sorted by id.
func findConfig(list []*ixapi.NetworkServiceConfig, id ixapi.ID) (int, bool) {
	return slices.BinarySearchFunc(list, id, func(n *ixapi.NetworkServiceConfig, id ixapi.ID) int { return strings.Compare(n.ID, id) })
}

// put enters records that are not there yet, all but configs.
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
		all := x.sharers[p]
		if first, used := x.user[p]; !used {
			x.user[p] = c.ID
			continue
		} else if all == nil && first == c.ID {
			continue
		} else if all == nil {
			all = []ixapi.ID{first}
		}
		if i, ok := slices.BinarySearch(all, c.ID); !ok {
			x.sharers[p] = slices.Insert(slices.Clip(all), i, c.ID)
		}
	}
}

func (x *index) dropConnection(id ixapi.ID) {
	c := x.connections[id]
	if c == nil {
		return
	}
	delete(x.connections, id)
	for _, p := range c.Ports {
		switch left := slices.DeleteFunc(slices.Clone(x.sharers[p]), func(u ixapi.ID) bool { return u == id }); len(left) {
		case 0:
			if x.user[p] == id {
				delete(x.user, p)
			}
		case 1:
			x.user[p] = left[0]
			delete(x.sharers, p)
		default:
			x.user[p], x.sharers[p] = left[0], left
		}
	}
}

// users returns the connections that use a port.
func (x *index) users(port ixapi.ID) []ixapi.ID {
	if all := x.sharers[port]; all != nil {
		return all
	}
	if id, ok := x.user[port]; ok {
		return []ixapi.ID{id}
	}
	return nil
}

func (x *index) putConfig(n *ixapi.NetworkServiceConfig) {
	list := x.configs[n.Connection]
	i, _ := findConfig(list, n.ID)
	x.configs[n.Connection] = slices.Insert(list, i, n)
	if x.configByID != nil {
		x.configByID[n.ID] = n
	}
}

// dropConfig forgets the config of that id, which is likely to be on the connection given.
func (x *index) dropConfig(id, likely ixapi.ID) (connection ixapi.ID, ok bool) {
	if _, ok := findConfig(x.configs[likely], id); !ok {
		n := x.config(id)
		if n == nil {
			return "", false
		}
		likely = n.Connection
	}
	list := slices.DeleteFunc(x.configs[likely], func(n *ixapi.NetworkServiceConfig) bool { return n.ID == id })
	if x.configs[likely] = list; len(list) == 0 {
		delete(x.configs, likely)
	}
	delete(x.configByID, id)
	return likely, true
}

// config returns the config of that id, or nil.
func (x *index) config(id ixapi.ID) *ixapi.NetworkServiceConfig {
	if x.configByID == nil {
		n := 0
		for _, list := range x.configs {
			n += len(list)
		}
		x.configByID = make(map[ixapi.ID]*ixapi.NetworkServiceConfig, n)
		for _, list := range x.configs {
			for _, n := range list {
				x.configByID[n.ID] = n
			}
		}
	}
	return x.configByID[id]
}

// apply changes the index and returns the ids of the connections that must be compiled anew.
func (x *index) apply(d Delta) map[ixapi.ID]bool {
	dirty := make(map[ixapi.ID]bool)
	portUsers := func(id ixapi.ID) {
		for _, c := range x.users(id) {
			dirty[c] = true
		}
		if p := x.ports[id]; p != nil && p.Connection != "" {
			dirty[p.Connection] = true // see portOf
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
		for connection, list := range x.configs {
			if slices.ContainsFunc(list, match) {
				dirty[connection] = true
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
				if conn, ok := x.dropConfig(id, ""); ok {
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
		n := &r.NetworkServiceConfigs[i]
		forget(ixapi.NetworkServiceConfigs, n.ID)
		if conn, ok := x.dropConfig(n.ID, n.Connection); ok {
			dirty[conn] = true
		}
		dirty[n.Connection] = true
	}
	for i := range r.Ports {
		forget(ixapi.Ports, r.Ports[i].ID)
		portUsers(r.Ports[i].ID)
		if c := r.Ports[i].Connection; c != "" {
			dirty[c] = true
		}
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
		x.putConfig(&r.NetworkServiceConfigs[i])
	}
	for i := range r.Connections {
		connection(r.Connections[i].ID)
	}
	return dirty
}

// portOf returns the port, of those the least by id, that says it is in a connection. It looks at all ports.
func (x *index) portOf(connection ixapi.ID) *ixapi.Port {
	var found *ixapi.Port
	for _, p := range x.ports {
		if p.Connection == connection && (found == nil || p.ID < found.ID) {
			found = p
		}
	}
	return found
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
