package openconfig

import (
	"context"
	"fmt"

	gpb "github.com/openconfig/gnmi/proto/gnmi"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Operational implements [drivers.Operational].
func (d *driver) Operational(ctx context.Context) (drivers.OperState, error) {
	const op = "operational"
	var a answer
	names, into := []string{"interfaces"}, []*[]byte{&a.interfaces}
	if d.caps.LACP {
		names, into = append(names, "lacp"), append(into, &a.lacp)
	}
	if len(d.caps.Services) > 0 {
		names, into = append(names, "network-instances"), append(into, &a.instances)
	}
	if d.caps.Filters {
		names, into = append(names, "acl"), append(into, &a.acl)
	}
	values, err := d.get(ctx, op, gpb.GetRequest_STATE, names...)
	if err != nil {
		return drivers.OperState{}, err
	}
	for i, v := range values {
		*into[i] = v
	}
	s, err := parseOper(a)
	if err != nil {
		return drivers.OperState{}, d.fail(op, drivers.Incomplete, err)
	}
	return s, nil
}

// oper reads operational state.
type oper struct {
	drivers.OperState
	members map[string][]string          // ports of LAGs
	speaks  map[string]bool              // LAGs with LACP
	matches map[string][]match           // of filters of layer 2
	bound   map[string]map[uint32]uint64 // frames by filter and entry, over all interfaces, where devices count there
}

// match is how often an entry of a filter decided.
type match struct {
	sequence uint32
	action   string
	frames   uint64
	counted  bool // frames is from the device
}

// parseOper reads an answer, of state.
func parseOper(a answer) (drivers.OperState, error) {
	if a.interfaces == nil {
		return drivers.OperState{}, errNoInterfaces
	}
	o := oper{
		OperState: drivers.OperState{Ports: make(map[string]drivers.PortState), LACP: make(map[string]drivers.LACPState)},
		members:   make(map[string][]string), speaks: make(map[string]bool),
		matches: make(map[string][]match), bound: make(map[string]map[uint32]uint64),
	}
	for _, p := range []struct {
		path  string
		value []byte
		read  func(*scanner)
	}{
		{"/interfaces", a.interfaces, o.readInterfaces},
		{"/lacp", a.lacp, o.readLACP},
		{"/network-instances", a.instances, o.readInstances},
		{"/acl", a.acl, o.readACL},
	} {
		if p.value == nil {
			continue
		}
		s := &scanner{b: p.value}
		p.read(s)
		if s.end(); s.err != nil {
			return drivers.OperState{}, fmt.Errorf("%s: %w", p.path, s.err)
		}
	}
	for lag, ports := range o.members {
		p := o.Ports[lag]
		for _, m := range ports {
			if state, ok := o.LACP[m]; o.Ports[m].Up && (!o.speaks[lag] || ok && state.Distributing) {
				p.Members = append(p.Members, m)
			}
		}
		o.Ports[lag] = p
	}
	o.addFilters()
	return o.OperState, nil
}

func (o *oper) readInterfaces(s *scanner) {
	type unit struct {
		index uint32
		does  drivers.CircuitState
	}
	var units []unit
	s.list("interface", func() {
		var name string
		var of status
		var ports []string
		units = units[:0]
		s.object(func(n []byte) {
			switch string(n) {
			case "name":
				name = s.str()
			case "state":
				of = readStatus(s)
			case "aggregation":
				s.in("state", func() { s.list("member", func() { ports = append(ports, s.str()) }) })
			case "subinterfaces":
				s.list("subinterface", func() {
					var u unit
					indexed := false
					s.object(func(n []byte) {
						switch string(n) {
						case "index":
							u.index, indexed = uint32(s.uint(32)), true
						case "state":
							u.does = readStatus(s).circuit()
						default:
							s.skip()
						}
					})
					if !indexed {
						s.fail("a subinterface has no index")
					}
					units = append(units, u)
				})
			default:
				s.skip()
			}
		})
		if _, twice := o.Ports[name]; twice || name == "" {
			s.fail("interface %q has no name or is there twice", name)
			return
		}
		if len(ports) > 0 {
			o.members[name] = ports
		}
		o.Ports[name] = of.port()
		if len(units) > 0 && o.Circuits == nil {
			o.Circuits = make(map[switchcfg.Key]drivers.CircuitState)
		}
		for _, u := range units {
			k := circuitKey(name, u.index)
			if _, twice := o.Circuits[k]; twice {
				s.fail("subinterface %s is there twice", switchcfg.CircuitName(name, u.index))
				return
			}
			o.Circuits[k] = u.does
		}
	})
}

// state calls leaf for each leaf of state in the container that comes next.
func (s *scanner) state(leaf func(name []byte)) { s.in("state", func() { s.object(leaf) }) }

// status is the state of an interface or subinterface.
type status struct {
	adminUp, up bool
	counted     bool
	in, out     [4]uint64 // all, then those by kind, which devices give instead
	dropped     uint64
}

func (x *status) frames() (in, out uint64) {
	return max(x.in[0], x.in[1]+x.in[2]+x.in[3]), max(x.out[0], x.out[1]+x.out[2]+x.out[3])
}

func (x status) port() drivers.PortState {
	in, out := x.frames()
	return drivers.PortState{AdminUp: x.adminUp, Up: x.up, InFrames: in, OutFrames: out}
}

func (x status) circuit() drivers.CircuitState {
	in, out := x.frames()
	return drivers.CircuitState{AdminUp: x.adminUp, Up: x.up, Counted: x.counted, InFrames: in, OutFrames: out, Dropped: x.dropped}
}

func readStatus(s *scanner) (x status) {
	frames := func(into *uint64) {
		*into, x.counted = s.uint(64), true
	}
	s.object(func(n []byte) {
		switch string(n) {
		case "admin-status":
			x.adminUp = s.str() == "UP"
		case "oper-status":
			x.up = s.str() == "UP"
		case "counters":
			s.object(func(n []byte) {
				switch string(n) {
				case "in-pkts":
					frames(&x.in[0])
				case "in-unicast-pkts":
					frames(&x.in[1])
				case "in-broadcast-pkts":
					frames(&x.in[2])
				case "in-multicast-pkts":
					frames(&x.in[3])
				case "out-pkts":
					frames(&x.out[0])
				case "out-unicast-pkts":
					frames(&x.out[1])
				case "out-broadcast-pkts":
					frames(&x.out[2])
				case "out-multicast-pkts":
					frames(&x.out[3])
				case "in-discards", "out-discards":
					x.dropped += s.uint(64)
				default:
					s.skip()
				}
			})
		default:
			s.skip()
		}
	})
	return x
}

func (o *oper) readLACP(s *scanner) {
	s.in("interfaces", func() {
		s.list("interface", func() {
			var lag string
			found := make(map[string]drivers.LACPState)
			s.object(func(n []byte) {
				switch string(n) {
				case "name":
					lag = s.str()
				case "members":
					s.list("member", func() { readMember(s, found) })
				default:
					s.skip()
				}
			})
			o.speaks[lag] = true
			for port, m := range found {
				m.LAG = lag
				o.LACP[port] = m
			}
		})
	})
}

func readMember(s *scanner, into map[string]drivers.LACPState) {
	var port string
	var m drivers.LACPState
	s.object(func(n []byte) {
		switch string(n) {
		case "interface":
			port = s.str()
		case "state":
			s.object(func(n []byte) {
				switch string(n) {
				case "synchronization":
					m.InSync = s.str() == "IN_SYNC"
				case "collecting":
					m.Collecting = s.bool()
				case "distributing":
					m.Distributing = s.bool()
				case "partner-id":
					// A member without a partner may have no address or something else here.
					m.Partner, _ = switchcfg.ParseMAC(s.str())
				default:
					s.skip()
				}
			})
		default:
			s.skip()
		}
	})
	into[port] = m
}

// readInstances reads the MAC tables. A device that has an fdb shows its table, which is left out where it is empty.
func (o *oper) readInstances(s *scanner) {
	type learned struct {
		mac switchcfg.MAC
		at  switchcfg.Key
	}
	var all []learned
	s.list("network-instance", func() {
		var name string
		all = all[:0]
		s.object(func(n []byte) {
			switch string(n) {
			case "name":
				name = s.str()
			case "fdb":
				if o.Stations == nil {
					o.Stations = make(map[drivers.Station]switchcfg.Key)
				}
				s.in("mac-table", func() {
					s.in("entries", func() {
						s.list("entry", func() {
							m, at := readStation(s)
							all = append(all, learned{m, at})
						})
					})
				})
			default:
				s.skip()
			}
		})
		if len(all) > 0 && name == "" {
			s.fail("a network instance has no name")
		}
		for _, l := range all {
			o.Stations[drivers.Station{Service: name, MAC: l.mac}] = l.at
		}
	})
}

// readStation reads an entry of a MAC table: an address, and the circuit it is behind. One that refers to no interface
// is behind a tunnel.
func readStation(s *scanner) (m switchcfg.MAC, at switchcfg.Key) {
	known := false
	s.object(func(n []byte) {
		switch string(n) {
		case "mac-address":
			var err error
			if m, err = switchcfg.ParseMAC(s.str()); err != nil {
				s.fail("%w", err)
			}
			known = true
		case "interface":
			s.in("interface-ref", func() {
				s.state(func(n []byte) {
					switch string(n) {
					case "interface":
						at.Kind, at.Name = switchcfg.KindCircuit, s.str()
					case "subinterface":
						at.Unit = uint32(s.uint(32))
					default:
						s.skip()
					}
				})
			})
		default:
			s.skip()
		}
	})
	if !known {
		s.fail("a station has no address")
	}
	if at.Name == "" {
		at = switchcfg.Key{}
	}
	return m, at
}

func (o *oper) readACL(s *scanner) {
	s.object(func(n []byte) {
		switch string(n) {
		case "acl-sets":
			s.list("acl-set", func() {
				var k setKey
				var all []match
				s.object(func(n []byte) {
					if string(n) == "acl-entries" {
						s.list("acl-entry", func() { all = append(all, readMatch(s)) })
					} else {
						k.read(s, n, "name")
					}
				})
				if k.kind != kindL2 {
					return
				}
				if _, twice := o.matches[k.name]; twice || k.name == "" {
					s.fail("filter %q has no name or is there twice", k.name)
				}
				o.matches[k.name] = all
			})
		case "interfaces":
			s.list("interface", func() {
				s.in("ingress-acl-sets", func() { s.list("ingress-acl-set", func() { o.readBound(s) }) })
			})
		default:
			s.skip()
		}
	})
}

func (o *oper) readBound(s *scanner) {
	var k setKey
	var all []match
	s.object(func(n []byte) {
		if string(n) == "acl-entries" {
			s.list("acl-entry", func() { all = append(all, readMatch(s)) })
		} else {
			k.read(s, n, "set-name")
		}
	})
	if k.kind != kindL2 {
		return
	}
	for _, m := range all {
		if !m.counted {
			continue
		}
		if o.bound[k.name] == nil {
			o.bound[k.name] = make(map[uint32]uint64)
		}
		o.bound[k.name][m.sequence] += m.frames
	}
}

func readMatch(s *scanner) (m match) {
	s.object(func(n []byte) {
		switch string(n) {
		case "sequence-id":
			m.sequence = uint32(s.uint(32))
		case "state":
			s.in("matched-packets", func() { m.frames, m.counted = s.uint(64), true })
		case "actions":
			s.in("state", func() { s.in("forwarding-action", func() { m.action = s.name() }) })
		default:
			s.skip()
		}
	})
	return m
}

// addFilters adds up what the entries of filters matched. A filter is left out if the device does not count all its
// entries or does not say what they do.
func (o *oper) addFilters() {
	for name, all := range o.matches {
		var f drivers.FilterState
		whole := len(all) > 0
		for _, m := range all {
			n, counted := m.frames, m.counted
			if !counted {
				n, counted = o.bound[name][m.sequence]
			}
			switch {
			case counted && m.action == "ACCEPT":
				f.Permitted += n
			case counted && (m.action == "DROP" || m.action == "REJECT"):
				f.Dropped += n
			default:
				whole = false
			}
		}
		if !whole {
			continue
		}
		if o.Filters == nil {
			o.Filters = make(map[string]drivers.FilterState, len(o.matches))
		}
		o.Filters[name] = f
	}
}
