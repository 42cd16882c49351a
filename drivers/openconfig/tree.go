package openconfig

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// tree is what is read of a device's configuration: the parts of the models that stand for objects, and a word
// about each part that has no place in one.
type tree struct {
	ports     []port
	lacp      map[string]lacp // by interface name
	instances []instance
	sets      map[setKey]*set
	filtered  []binding // entries of /acl/interfaces
	policies  []policy
	policed   []binding // entries of /qos/interfaces
}

// odd is why something cannot be expressed in the model, "" if it can.
type odd string

// note keeps the first reason.
func (o *odd) note(format string, args ...any) {
	if *o == "" {
		*o = odd(fmt.Sprintf(format, args...))
	}
}

type port struct {
	name, kind, description string
	down                    bool
	mtu                     uint16
	tpid                    switchcfg.TPID
	storm                   switchcfg.Kbps
	aggregate               string // the LAG it is a member of
	lagType                 string
	minLinks                uint16
	subs                    []sub
	odd                     odd
	raw                     []byte
}

type sub struct {
	index       uint32
	description string
	down        bool
	match       switchcfg.Match // without TPID
	transparent bool            // which the form of the match does not say yet
	macLimit    uint32
	odd         odd
	raw         []byte
}

type lacp struct {
	fast, passive bool
	systemID      switchcfg.MAC
}

type instance struct {
	name, kind, description string
	mtu                     uint16
	macLimit                uint32
	tree                    bool
	vlans                   []switchcfg.VLANID
	points                  []point
	odd                     odd
	raw                     []byte
}

type point struct {
	id, role  string
	endpoints []endpoint
}

type endpoint struct {
	id, kind   string
	precedence uint16
	port       string
	unit       uint32
	remote     netip.Addr
	vni        uint32
	odd        odd
}

type setKey struct{ name, kind string }

type set struct {
	entries []entry
	odd     odd
	raw     []byte
}

type entry struct {
	sequence           uint32
	source, sourceMask string
	target, targetMask string
	action             string
	more               bool // it matches by more than that
}

// binding is an entry of /acl/interfaces or /qos/interfaces.
type binding struct {
	id      string
	port    string
	unit    uint32
	whole   bool // no subinterface is named
	ingress []setKey
	in, out string // scheduler policies
	odd     odd
}

type policy struct {
	name       string
	schedulers int
	sequence   uint32
	cir        uint64 // bit/s
	bc         uint64 // bytes
	drop       bool
	odd        odd
	raw        []byte
}

// list reads the container around a list: name is that of the list.
func (s *scanner) list(name string, element func()) {
	s.in(name, func() { s.array(element) })
}

// in reads one member of the container that comes next.
func (s *scanner) in(name string, read func()) {
	s.object(func(n []byte) {
		if string(n) == name {
			read()
		} else {
			s.skip()
		}
	})
}

// whole calls read, which must read one value, and returns the text of that value.
func (s *scanner) whole(read func()) []byte {
	s.peek()
	start := s.i
	read()
	if s.err != nil {
		return nil
	}
	return s.b[start:s.i]
}

// leaves calls leaf for each configured leaf of the container that comes next.
func (s *scanner) leaves(leaf func(name []byte)) { s.in("config", func() { s.object(leaf) }) }

func (t *tree) readInterfaces(s *scanner) {
	s.list("interface", func() {
		var p port
		p.raw = s.whole(func() { s.object(func(name []byte) { p.read(s, name) }) })
		t.ports = append(t.ports, p)
	})
}

func (p *port) read(s *scanner, name []byte) {
	switch string(name) {
	case "name":
		p.name = s.str()
	case "config":
		s.object(func(name []byte) {
			switch string(name) {
			case "type":
				p.kind = s.name()
			case "description":
				p.description = s.str()
			case "enabled":
				p.down = !s.bool()
			case "mtu":
				p.mtu = uint16(s.uint(16))
			case "tpid":
				p.readTPID(s)
			case "storm-control-kbps":
				p.storm = switchcfg.Kbps(s.uint(64))
			default:
				s.skip()
			}
		})
	case "ethernet":
		p.readKind(s, func(name []byte) {
			if string(name) == "aggregate-id" {
				p.aggregate = s.str()
			} else {
				s.skip()
			}
		})
	case "aggregation":
		p.readKind(s, func(name []byte) {
			switch string(name) {
			case "lag-type":
				p.lagType = s.str()
			case "min-links":
				p.minLinks = uint16(s.uint(16))
			default:
				s.skip()
			}
		})
	case "subinterfaces":
		s.list("subinterface", func() {
			var u sub
			u.raw = s.whole(func() { s.object(func(name []byte) { u.read(s, name) }) })
			p.subs = append(p.subs, u)
		})
	default:
		s.skip()
	}
}

func (p *port) readTPID(s *scanner) {
	switch id := s.name(); id {
	case "TPID_0X8100":
		p.tpid = switchcfg.TPIDCustomer
	case "TPID_0X88A8":
		p.tpid = switchcfg.TPIDService
	case "TPID_0X9100":
		p.tpid = switchcfg.TPIDStacked
	default:
		p.odd.note("its outer ethertype is %s", id)
	}
}

// readKind reads what an Ethernet port or a LAG has of its own, and notes one that bridges by itself, other than
// untagged in the VLAN that devices begin with.
func (p *port) readKind(s *scanner, leaf func(name []byte)) {
	s.object(func(name []byte) {
		switch string(name) {
		case "config":
			s.object(leaf)
		case "switched-vlan":
			s.leaves(func(name []byte) {
				switch string(name) {
				case "interface-mode":
					if m := s.str(); m != "ACCESS" {
						p.odd.note("it is a %s port of VLANs", m)
					}
				case "access-vlan":
					if v := s.uint(16); v > 1 {
						p.odd.note("it is an access port of VLAN %d", v)
					}
				default:
					s.skip()
				}
			})
		default:
			s.skip()
		}
	})
}

func (u *sub) read(s *scanner, name []byte) {
	switch string(name) {
	case "index":
		u.index = uint32(s.uint(32))
	case "config":
		s.object(func(name []byte) {
			switch string(name) {
			case "description":
				u.description = s.str()
			case "enabled":
				u.down = !s.bool()
			case "mac-limit":
				u.macLimit = uint32(s.uint(32))
			case "transparent":
				u.transparent = s.bool()
			case "tpid":
				u.odd.note("it has the outer ethertype %s of its own", s.name())
			default:
				s.skip()
			}
		})
	case "vlan":
		s.object(func(name []byte) {
			switch string(name) {
			case "match":
				s.object(func(name []byte) { u.readMatch(s, name) })
			case "config":
				if s.substance() {
					u.odd.note("it has a VLAN in the deprecated form")
				}
			case "ingress-mapping", "egress-mapping":
				n := string(name)
				if s.substance() {
					u.odd.note("it has an %s", n)
				}
			default:
				s.skip()
			}
		})
	case "ipv4", "ipv6":
		s.object(func(name []byte) {
			if string(name) == "addresses" && s.substance() {
				u.odd.note("it has IP addresses")
			} else if string(name) != "addresses" {
				s.skip()
			}
		})
	default:
		s.skip()
	}
}

func (u *sub) readMatch(s *scanner, name []byte) {
	form := switchcfg.Untagged
	switch string(name) {
	case "single-tagged":
		form = switchcfg.Single
	case "double-tagged":
		form = switchcfg.Double
	case "state":
		s.skip()
		return
	default:
		n := string(name)
		if s.substance() {
			u.odd.note("it matches by %s", n)
		}
		return
	}
	var m switchcfg.Match
	s.leaves(func(name []byte) {
		switch string(name) {
		case "vlan-id", "outer-vlan-id":
			m.Form, m.Outer = form, switchcfg.VLANID(s.uint(16))
		case "inner-vlan-id":
			m.Form, m.Inner = form, switchcfg.VLANID(s.uint(16))
		default:
			s.skip()
		}
	})
	switch {
	case m.Form == switchcfg.Untagged:
		return
	case u.match.Form != switchcfg.Untagged:
		u.odd.note("it matches in two ways")
	case !m.Outer.Valid() || form == switchcfg.Double && !m.Inner.Valid():
		u.odd.note("it matches VLANs that do not exist")
	default:
		u.match = m
	}
}

// pass has the form of the match say whether further tags of its frames pass.
func (u *sub) pass() {
	switch {
	case !u.transparent:
	case u.match.Form == switchcfg.Untagged:
		u.match.Form = switchcfg.Whole
	case u.match.Form == switchcfg.Single:
		u.match.Form = switchcfg.Stacked
	default:
		u.odd.note("it matches two tags and lets further ones pass")
	}
}

func (t *tree) readLACP(s *scanner) {
	t.lacp = make(map[string]lacp)
	s.object(func(name []byte) {
		if string(name) != "interfaces" {
			s.skip()
			return
		}
		s.list("interface", func() {
			var name string
			var l lacp
			s.object(func(n []byte) {
				switch string(n) {
				case "name":
					name = s.str()
				case "config":
					s.object(func(n []byte) {
						switch string(n) {
						case "interval":
							l.fast = s.str() == "FAST"
						case "lacp-mode":
							l.passive = s.str() == "PASSIVE"
						case "system-id-mac":
							mac, err := switchcfg.ParseMAC(s.str())
							if err != nil {
								s.fail("%w", err)
							}
							l.systemID = mac
						default:
							s.skip()
						}
					})
				default:
					s.skip()
				}
			})
			if _, twice := t.lacp[name]; twice {
				s.fail("the LACP of %q is there twice", name)
			}
			t.lacp[name] = l
		})
	})
}

func (t *tree) readInstances(s *scanner) {
	s.list("network-instance", func() {
		var n instance
		n.raw = s.whole(func() { s.object(func(name []byte) { n.read(s, name) }) })
		t.instances = append(t.instances, n)
	})
}

func (n *instance) read(s *scanner, name []byte) {
	switch string(name) {
	case "name":
		n.name = s.str()
	case "config":
		s.object(func(name []byte) {
			switch string(name) {
			case "type":
				n.kind = s.name()
			case "description":
				n.description = s.str()
			case "mtu":
				n.mtu = uint16(s.uint(16))
			case "etree":
				n.tree = s.bool()
			case "enabled":
				if !s.bool() {
					n.odd.note("it is disabled")
				}
			default:
				s.skip()
			}
		})
	case "fdb":
		s.leaves(func(name []byte) {
			switch string(name) {
			case "mac-learning":
				if !s.bool() {
					n.odd.note("it does not learn addresses")
				}
			case "maximum-entries":
				n.macLimit = uint32(s.uint(16))
			default:
				s.skip()
			}
		})
	case "vlans":
		s.list("vlan", func() {
			s.object(func(name []byte) {
				if string(name) == "vlan-id" {
					n.vlans = append(n.vlans, switchcfg.VLANID(s.uint(16)))
				} else {
					s.skip()
				}
			})
		})
	case "connection-points":
		s.list("connection-point", func() {
			var p point
			s.object(func(name []byte) { p.read(s, name) })
			n.points = append(n.points, p)
		})
	default:
		s.skip()
	}
}

func (p *point) read(s *scanner, name []byte) {
	switch string(name) {
	case "connection-point-id":
		p.id = s.str()
	case "config":
		s.object(func(name []byte) {
			if string(name) == "etree-role" {
				p.role = s.str()
			} else {
				s.skip()
			}
		})
	case "endpoints":
		s.list("endpoint", func() {
			var e endpoint
			s.object(func(name []byte) { e.read(s, name) })
			p.endpoints = append(p.endpoints, e)
		})
	default:
		s.skip()
	}
}

func (e *endpoint) read(s *scanner, name []byte) {
	switch string(name) {
	case "endpoint-id":
		e.id = s.str()
	case "config":
		s.object(func(name []byte) {
			switch string(name) {
			case "type":
				e.kind = s.name()
			case "precedence":
				e.precedence = uint16(s.uint(16))
			default:
				s.skip()
			}
		})
	case "local":
		s.leaves(func(name []byte) {
			switch string(name) {
			case "interface":
				e.port = s.str()
			case "subinterface":
				e.unit = uint32(s.uint(32))
			default:
				s.skip()
			}
		})
	case "remote":
		s.leaves(func(name []byte) {
			switch string(name) {
			case "remote-system":
				text := s.str()
				a, err := netip.ParseAddr(text)
				if err != nil {
					e.odd.note("its remote system is %q", text)
				}
				e.remote = a
			case "virtual-circuit-identifier":
				e.vni = uint32(s.uint(32))
			default:
				s.skip()
			}
		})
	default:
		n := string(name)
		if s.substance() && n != "state" {
			e.odd.note("it has %s", n)
		}
	}
}

func (t *tree) readACL(s *scanner) {
	t.sets = make(map[setKey]*set)
	s.object(func(name []byte) {
		switch string(name) {
		case "acl-sets":
			s.list("acl-set", func() {
				var k setKey
				var x set
				x.raw = s.whole(func() {
					s.object(func(name []byte) {
						if string(name) == "acl-entries" {
							s.list("acl-entry", func() { x.entries = append(x.entries, readEntry(s)) })
						} else {
							k.read(s, name, "name")
						}
					})
				})
				if _, twice := t.sets[k]; twice {
					s.fail("filter %q is there twice", k.name)
				}
				t.sets[k] = &x
			})
		case "interfaces":
			s.list("interface", func() {
				var b binding
				s.object(func(name []byte) {
					switch string(name) {
					case "ingress-acl-sets":
						s.list("ingress-acl-set", func() {
							var k setKey
							s.object(func(name []byte) { k.read(s, name, "set-name") })
							b.ingress = append(b.ingress, k)
						})
					case "egress-acl-sets":
						if s.substance() {
							b.odd.note("it has a filter on egress")
						}
					default:
						b.read(s, name)
					}
				})
				t.filtered = append(t.filtered, b)
			})
		default:
			s.skip()
		}
	})
}

// read reads the keys of a filter, of which the first is named key.
func (k *setKey) read(s *scanner, name []byte, key string) {
	switch string(name) {
	case key:
		k.name = s.str()
	case "type":
		k.kind = s.name()
	default:
		s.skip()
	}
}

// read reads what the entries of /acl/interfaces and /qos/interfaces have in common.
func (b *binding) read(s *scanner, name []byte) {
	switch string(name) {
	case "id", "interface-id":
		b.id = s.str()
	case "interface-ref":
		b.whole = true
		s.leaves(func(name []byte) {
			switch string(name) {
			case "interface":
				b.port = s.str()
			case "subinterface":
				b.unit, b.whole = uint32(s.uint(32)), false
			default:
				s.skip()
			}
		})
	default:
		s.skip()
	}
}

func readEntry(s *scanner) entry {
	var e entry
	s.object(func(name []byte) {
		switch string(name) {
		case "sequence-id":
			e.sequence = uint32(s.uint(32))
		case "l2":
			s.leaves(func(name []byte) {
				switch string(name) {
				case "source-mac":
					e.source = s.str()
				case "source-mac-mask":
					e.sourceMask = s.str()
				case "destination-mac":
					e.target = s.str()
				case "destination-mac-mask":
					e.targetMask = s.str()
				default:
					s.skip()
					e.more = true
				}
			})
		case "actions":
			s.leaves(func(name []byte) {
				if string(name) == "forwarding-action" {
					e.action = s.name()
				} else {
					s.skip()
				}
			})
		case "config", "state":
			s.skip()
		default:
			if s.substance() {
				e.more = true
			}
		}
	})
	return e
}

func (t *tree) readQoS(s *scanner) {
	s.object(func(name []byte) {
		switch string(name) {
		case "scheduler-policies":
			s.list("scheduler-policy", func() {
				var p policy
				p.raw = s.whole(func() { s.object(func(name []byte) { p.read(s, name) }) })
				t.policies = append(t.policies, p)
			})
		case "interfaces":
			s.list("interface", func() {
				var b binding
				s.object(func(name []byte) {
					switch string(name) {
					case "input":
						b.in = readPolicyName(s)
					case "output":
						b.out = readPolicyName(s)
					default:
						b.read(s, name)
					}
				})
				t.policed = append(t.policed, b)
			})
		default:
			s.skip()
		}
	})
}

func readPolicyName(s *scanner) (out string) {
	s.object(func(name []byte) {
		if string(name) != "scheduler-policy" {
			s.skip()
			return
		}
		s.leaves(func(name []byte) {
			if string(name) == "name" {
				out = s.str()
			} else {
				s.skip()
			}
		})
	})
	return out
}

func (p *policy) read(s *scanner, name []byte) {
	switch string(name) {
	case "name":
		p.name = s.str()
	case "schedulers":
		s.list("scheduler", func() {
			p.schedulers++
			s.object(func(name []byte) {
				switch string(name) {
				case "sequence":
					p.sequence = uint32(s.uint(32))
				case "one-rate-two-color":
					s.object(func(name []byte) { p.readRate(s, name) })
				case "config", "state":
					s.skip()
				default:
					n := string(name)
					if s.substance() {
						p.odd.note("it has %s", n)
					}
				}
			})
		})
	default:
		s.skip()
	}
}

func (p *policy) readRate(s *scanner, name []byte) {
	switch string(name) {
	case "config":
		s.object(func(name []byte) {
			switch string(name) {
			case "cir":
				p.cir = s.uint(64)
			case "bc":
				p.bc = s.uint(32)
			default:
				s.skip()
			}
		})
	case "exceed-action":
		s.leaves(func(name []byte) {
			if string(name) == "drop" {
				p.drop = s.bool()
			} else {
				s.skip()
			}
		})
	default:
		s.skip()
	}
}

var errNoInterfaces = errors.New("the answer has no interfaces")
