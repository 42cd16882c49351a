package ixpmanager

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/ixpmanager"
	"github.com/ixagent/ixagent/models/rest"
)

// Fault says why a record is not on switches as it asks, or at all, in the words of the status of the record that it
// became. Record is that one's: "connections/vi-7".
type Fault struct {
	Record  string
	Status  ixapi.StatusMessage
	Refused bool // the record is left as it is found, which is shown with the plan
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
// sorted too. Faults are those that [ixpmanager.Decode] found. The order of records does not matter.
func Map(r *ixpmanager.Records, faults []ixpmanager.RecordFault, extras []Extra) (map[ixapi.Collection]ixapi.Raw, []Fault, error) {
	m := &mapping{
		unreadable: make(map[name]string), extras: make(map[int]*Extra),
		accounts: make(map[ixapi.ID]bool), services: make(map[ixapi.ID]*ixapi.NetworkService), vlans: make(map[string]map[int]*vlan),
	}
	for _, f := range faults {
		at := name{f.Kind, f.Switch, f.Name}
		if was, known := m.unreadable[at]; !errors.Is(f.Err, ixpmanager.ErrTwice) && (!known || f.Err.Error() < was) {
			m.unreadable[at] = f.Err.Error()
		}
	}
	for i := range extras {
		m.extras[extras[i].VirtualInterface] = &extras[i]
	}
	m.lans(r)
	interfaces := make(map[ixapi.ID][]place)
	for i := range r.Switches {
		s := &r.Switches[i]
		m.out.Devices = append(m.out.Devices, ixapi.Device{ID: s.Name, Name: s.Name})
		list := r.Interfaces[s.Name]
		for k := range list {
			if list[k].Type != ixpmanager.Core {
				p := place{s.Name, &list[k]}
				interfaces[p.connection()] = append(interfaces[p.connection()], p)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(interfaces)) {
		m.connection(id, interfaces[id])
	}
	for _, v := range slices.Sorted(maps.Keys(m.extras)) {
		if id := connectionID(v); interfaces[id] == nil {
			m.fault("connections", id, severityNotice, tagContradicted, "the inventory adds to virtual interface %d, which IXP Manager does not list", v)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.accounts)) {
		m.out.Accounts = append(m.out.Accounts, ixapi.Account{ID: id, Name: id, State: ixapi.StateProduction})
	}
	for _, id := range slices.Sorted(maps.Keys(m.services)) {
		m.out.NetworkServices = append(m.out.NetworkServices, *m.services[id])
	}
	slices.SortFunc(m.faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Record, b.Record), cmp.Compare(a.Status.Severity, b.Status.Severity),
			cmp.Compare(a.Status.Tag, b.Status.Tag), cmp.Compare(a.Status.Message, b.Status.Message))
	})
	lists, err := ixapi.Encode(&m.out)
	return lists, m.faults, err
}

// name names a record of IXP Manager.
type name struct{ kind, device, name string }

// place is an interface of a switch.
type place struct {
	device string
	*ixpmanager.Interface
}

// String returns "Ethernet1 of sw1".
func (p place) String() string {
	return cmp.Or(p.Name, "an interface without a name") + " of " + p.device
}

// connection returns the id of the connection that an interface is a part of. One that does not show it has its own.
func (p place) connection() ixapi.ID {
	if p.VirtualInterface > 0 {
		return connectionID(int(p.VirtualInterface))
	}
	return "vi-of-" + portID(p.device, p.Name)
}

// compare orders interfaces by switch and name. Of those that have both in common, which is a fault of each, the text
// decides.
func (p place) compare(o place) int {
	if c := cmp.Or(cmp.Compare(p.device, o.device), cmp.Compare(p.Name, o.Name)); c != 0 {
		return c
	}
	x, _ := json.Marshal(p.Interface) // of a struct of plain fields
	y, _ := json.Marshal(o.Interface)
	return bytes.Compare(x, y)
}

// vlan is a VLAN as a switch has it, and the service that it is.
type vlan struct {
	*ixpmanager.VLAN
	service ixapi.ID
}

// mapping is what became of the records so far.
type mapping struct {
	unreadable map[name]string // what is wrong with them
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
func (m *mapping) fault(collection, id string, severity int, tag, format string, args ...any) ixapi.StatusMessage {
	s := ixapi.StatusMessage{Severity: severity, Tag: tag, Message: fmt.Sprintf(format, args...), Attrs: map[string]any{}}
	m.faults = append(m.faults, Fault{Record: collection + "/" + id, Status: s})
	return s
}

// why says what is wrong with a record. Of those that are listed twice Decode says so of the later one only.
func (m *mapping) why(kind, device, of string) string {
	return cmp.Or(m.unreadable[name{kind, device, of}], ixpmanager.ErrTwice.Error())
}

// refusal notes why a record is left as it is found.
func (m *mapping) refusal(collection, id string, severity int, tag, format string, args ...any) ixapi.StatusMessage {
	s := m.fault(collection, id, severity, tag, format, args...)
	m.faults[len(m.faults)-1].Refused = true
	return s
}

// account notes whose a record is.
func (m *mapping) account(name string) ixapi.ID {
	if name != "" {
		m.accounts[name] = true
	}
	return name
}

// lans finds the services that VLANs are. One tag with several names is several VLANs, each of its own switches.
func (m *mapping) lans(r *ixpmanager.Records) {
	names := make(map[int]map[string]bool)
	for _, list := range r.VLANs {
		for _, v := range list {
			tag := int(v.Tag)
			if names[tag] == nil {
				names[tag] = make(map[string]bool)
			}
			names[tag][cmp.Or(v.ConfigName, v.Name)] = true
		}
	}
	for _, device := range slices.Sorted(maps.Keys(r.VLANs)) {
		m.vlans[device] = make(map[int]*vlan)
		list := r.VLANs[device]
		for i := range list {
			v := &list[i]
			if tag(int(v.Tag)) == 0 {
				m.fault("devices", device, severityError, tagUnreadable, "a VLAN named %q has no tag", rest.Clip(v.Name))
				continue
			}
			id := "vlan-" + strconv.Itoa(int(v.Tag))
			if len(names[int(v.Tag)]) > 1 {
				id += "-" + cmp.Or(v.ConfigName, v.Name)
			}
			if known := m.vlans[device][int(v.Tag)]; known == nil || id < known.service {
				m.vlans[device][int(v.Tag)] = &vlan{v, id}
			}
			if v.Faulty {
				m.fault("network-services", id, severityError, tagUnreadable, "VLAN %d of %s is not readable: %s", v.Tag, device, m.why("vlan", device, v.Name))
			}
			if v.Private.Is() {
				continue
			}
			s := &ixapi.NetworkService{ID: id, Type: ixapi.ServiceExchangeLAN, Name: cmp.Or(v.Name, v.ConfigName), State: ixapi.StateProduction}
			if known := m.services[id]; known == nil || s.Name < known.Name {
				m.services[id] = s
			}
		}
	}
}

// tag returns a VLAN tag, or 0 for what is none.
func tag(n int) uint16 {
	if n < 1 || n > 4094 {
		return 0
	}
	return uint16(n)
}
