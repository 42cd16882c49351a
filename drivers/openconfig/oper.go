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
	names := []string{"interfaces"}
	if d.caps.LACP {
		names = append(names, "lacp")
	}
	values, err := d.get(ctx, op, gpb.GetRequest_STATE, names...)
	if err != nil {
		return drivers.OperState{}, err
	}
	var lacp []byte
	if d.caps.LACP {
		lacp = values[1]
	}
	s, err := parseOper(values[0], lacp)
	if err != nil {
		return drivers.OperState{}, d.fail(op, drivers.Incomplete, err)
	}
	return s, nil
}

// parseOper reads the state of /interfaces and, unless it is nil, of /lacp.
func parseOper(interfaces, lacp []byte) (drivers.OperState, error) {
	out := drivers.OperState{Ports: make(map[string]drivers.PortState), LACP: make(map[string]drivers.LACPState)}
	if interfaces == nil {
		return out, errNoInterfaces
	}
	members := make(map[string][]string)
	s := &scanner{b: interfaces}
	s.list("interface", func() {
		var name string
		var p drivers.PortState
		var ports []string
		s.object(func(n []byte) {
			switch string(n) {
			case "name":
				name = s.str()
			case "state":
				p = readPortState(s)
			case "aggregation":
				s.state(func(n []byte) {
					if string(n) != "member" {
						s.skip()
						return
					}
					s.array(func() { ports = append(ports, s.str()) })
				})
			default:
				s.skip()
			}
		})
		if len(ports) > 0 {
			members[name] = ports
		}
		out.Ports[name] = p
	})
	if s.end(); s.err != nil {
		return out, fmt.Errorf("/interfaces: %w", s.err)
	}
	speaks := make(map[string]bool) // LAGs with LACP
	if lacp != nil {
		s = &scanner{b: lacp}
		s.object(func(n []byte) {
			if string(n) != "interfaces" {
				s.skip()
				return
			}
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
				speaks[lag] = true
				for port, m := range found {
					m.LAG = lag
					out.LACP[port] = m
				}
			})
		})
		if s.end(); s.err != nil {
			return out, fmt.Errorf("/lacp: %w", s.err)
		}
	}
	for lag, ports := range members {
		p := out.Ports[lag]
		for _, m := range ports {
			if state, ok := out.LACP[m]; out.Ports[m].Up && (!speaks[lag] || ok && state.Distributing) {
				p.Members = append(p.Members, m)
			}
		}
		out.Ports[lag] = p
	}
	return out, nil
}

// state calls leaf for each leaf of state in the container that comes next.
func (s *scanner) state(leaf func(name []byte)) {
	s.object(func(name []byte) {
		if string(name) == "state" {
			s.object(leaf)
		} else {
			s.skip()
		}
	})
}

func readPortState(s *scanner) (p drivers.PortState) {
	var in, out [4]uint64 // all, then those by kind, which devices give instead
	s.object(func(n []byte) {
		switch string(n) {
		case "admin-status":
			p.AdminUp = s.str() == "UP"
		case "oper-status":
			p.Up = s.str() == "UP"
		case "counters":
			s.object(func(n []byte) {
				switch string(n) {
				case "in-pkts":
					in[0] = s.uint(64)
				case "in-unicast-pkts":
					in[1] = s.uint(64)
				case "in-broadcast-pkts":
					in[2] = s.uint(64)
				case "in-multicast-pkts":
					in[3] = s.uint(64)
				case "out-pkts":
					out[0] = s.uint(64)
				case "out-unicast-pkts":
					out[1] = s.uint(64)
				case "out-broadcast-pkts":
					out[2] = s.uint(64)
				case "out-multicast-pkts":
					out[3] = s.uint(64)
				default:
					s.skip()
				}
			})
		default:
			s.skip()
		}
	})
	p.InFrames, p.OutFrames = max(in[0], in[1]+in[2]+in[3]), max(out[0], out[1]+out[2]+out[3])
	return p
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
