// Package switchcfgtest makes random legal switch states for property tests.
package switchcfgtest

import (
	"fmt"
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// Options bound what a generated state may contain.
type Options struct {
	Ports        []string // physical ports, in the order they are taken
	LAGPrefix    string   // LAGs are named LAGPrefix1 to LAGPrefix4
	PortTPID     bool     // the device knows one ethertype per port
	NoStorm      bool     // no storm control
	NoMACLimit   bool     // no MAC limits
	NoSystemID   bool     // no LACP system identifiers
	NoServiceMTU bool     // services have no MTU
	NoPeers      bool     // no tunnels
	NoVLAN       bool     // services have no VLAN
	ServiceVLAN  bool     // every service has a VLAN, but for lines without peers, which have none
	LineVLAN     bool     // and these lines too
	PortVLANs    bool     // a circuit is a VLAN of its port: all of a port have one filter and other services, one with a rate is alone
	NoThrough    bool     // no circuits whose frames keep tags of their own
	PortAlone    bool     // a circuit of untagged frames suffers no other beside it
	UntaggedUnit uint32   // number of the subinterface of untagged frames
}

// Default returns the options of a device that can do everything.
func Default() Options {
	var ports []string
	for i := 1; i <= 8; i++ {
		ports = append(ports, fmt.Sprintf("Ethernet%d", i))
	}
	return Options{Ports: ports, LAGPrefix: "lag", PortTPID: true}
}

// State draws a legal state, all of whose objects carry the agent's mark. Few names and numbers are in play,
// so that two states drawn with the same options have many conflicts between them.
func (o Options) State(t *rapid.T, label string) switchcfg.State {
	pick := func(name string, n int) int { return rapid.IntRange(0, n-1).Draw(t, label+" "+name) }
	yes := func(name string) bool { return rapid.Bool().Draw(t, label+" "+name) }
	chosen := func(name string, of ...uint16) uint16 { return of[pick(name, len(of))] }

	s := make(switchcfg.State)
	tpid := func() switchcfg.TPID { return switchcfg.TPIDs()[pick("tpid", 3)] }
	portTPID := func() switchcfg.TPID {
		if !o.PortTPID {
			return 0
		}
		return tpid()
	}
	storm := func() switchcfg.Kbps {
		if o.NoStorm {
			return 0
		}
		return switchcfg.Kbps(pick("storm", 3)) * 1000
	}
	mark := func(kind string, id, account int) string {
		return switchcfg.NewTag(kind, fmt.Sprint(id), fmt.Sprint(account)).String()
	}

	s.Put(&switchcfg.Filter{Name: switchcfg.Prefix + "control", AnySource: true})
	for i := range pick("filters", 3) {
		f := &switchcfg.Filter{Name: fmt.Sprintf("%sfilter-%d", switchcfg.Prefix, i)}
		for m := range pick("sources", 4) {
			f.Sources = append(f.Sources, switchcfg.MAC{2, 0, 0, 0, byte(pick("mac", 2)), byte(m)})
		}
		s.Put(f)
	}
	rates := []switchcfg.Kbps{0, 100_000, 1_000_000}
	for _, r := range rates[1:] {
		s.Put(&switchcfg.Policer{Rate: r})
	}
	types := []switchcfg.ServiceType{switchcfg.ServiceLAN, switchcfg.ServiceLine, switchcfg.ServiceTree}
	var services []*switchcfg.Service
	for i := range 1 + pick("services", 4) {
		svc := &switchcfg.Service{Name: fmt.Sprintf("%ssvc-%d", switchcfg.Prefix, i), Description: mark("ns", i, i), Type: types[pick("type", 3)]}
		if !o.NoVLAN {
			svc.VLAN = switchcfg.VLANID(chosen("vlan", 0, 100, 101, 102))
		}
		if !o.NoPeers && yes("remote") {
			svc.VNI = 1000 + uint32(pick("vni", 3))
			svc.Peers = append(svc.Peers, netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + pick("peer", 3))}))
		}
		if o.ServiceVLAN {
			svc.VLAN = switchcfg.VLANID(600 + i)
			if o.PortVLANs {
				svc.VLAN = switchcfg.VLANID(10 + i) // which is the tag of some circuits
			}
			if svc.Type == switchcfg.ServiceLine && len(svc.Peers) == 0 && !o.LineVLAN {
				svc.VLAN = 0
			}
		}
		if !o.NoServiceMTU {
			svc.MTU = chosen("mtu", 0, 1500, 9000)
		}
		s.Put(svc)
		services = append(services, svc)
	}
	free := slices.Clone(o.Ports)
	var parents []string
	tpids := make(map[string]switchcfg.TPID)
	for i := range pick("lags", 4) {
		n := min(len(free), 1+pick("members", 3))
		if n == 0 {
			break
		}
		at := pick("at", len(free)-n+1)
		l := &switchcfg.LAG{Name: fmt.Sprintf("%s%d", o.LAGPrefix, 1+(i+pick("lag", 4))%4), Description: mark("conn", i, pick("account", 4)), Mode: switchcfg.ModeStatic, MTU: chosen("lag mtu", 0, 9000), TPID: portTPID(), StormControl: storm(), Shutdown: pick("down", 8) == 0}
		if _, dup := s[l.Key()]; dup {
			continue
		}
		l.Members = slices.Clone(free[at : at+n])
		free = slices.Delete(free, at, at+n)
		if yes("lacp") {
			l.Mode, l.Rate, l.Passive = switchcfg.ModeLACP, switchcfg.RateSlow, yes("passive")
			if yes("fast") {
				l.Rate = switchcfg.RateFast
			}
			if !o.NoSystemID && yes("system-id") {
				l.SystemID = switchcfg.MAC{2, 0, 0, 0, 1, byte(i)}
			}
		}
		l.MinLinks = uint16(pick("min", n+1))
		for _, m := range l.Members {
			s.Put(&switchcfg.Interface{Name: m, Description: mark("port", i, 0)})
		}
		s.Put(l)
		parents, tpids[l.Name] = append(parents, l.Name), l.TPID
	}
	for _, p := range free {
		if !yes("standalone") {
			continue
		}
		port := &switchcfg.Interface{Name: p, Description: mark("conn", 100, pick("account", 4)), MTU: chosen("port mtu", 0, 9000), TPID: portTPID(), StormControl: storm(), Shutdown: pick("down", 8) == 0}
		s.Put(port)
		parents, tpids[p] = append(parents, p), port.TPID
	}
	for _, parent := range parents {
		alone := false
		var first *switchcfg.Circuit
		joined := make(map[string]bool)
		for i := range pick("circuits", 5) {
			svc := services[pick("service", len(services))]
			c := &switchcfg.Circuit{Parent: parent, Unit: uint32(1 + i), Description: mark("nsc", i, pick("account", 4)), Service: svc.Name, Filter: switchcfg.Prefix + "control", Shutdown: pick("down", 8) == 0}
			et := tpids[parent]
			if et == 0 {
				et = tpid()
			}
			outer := switchcfg.VLANID(10 + pick("outer", 4))
			forms := 6
			if o.NoThrough {
				forms = 4
			}
			switch pick("form", forms) {
			case 0:
				c.Unit = o.UntaggedUnit
			case 4:
				c.Match = switchcfg.MatchStacked(et, outer)
			case 5:
				c.Unit, c.Match = o.UntaggedUnit, switchcfg.MatchWhole()
			case 1:
				c.Match = switchcfg.MatchDouble(et, outer, switchcfg.VLANID(20+pick("inner", 3)))
			default:
				c.Match = switchcfg.MatchSingle(et, outer)
			}
			if svc.Type == switchcfg.ServiceTree {
				c.Role = switchcfg.RoleLeaf
				if yes("root") {
					c.Role = switchcfg.RoleRoot
				}
			}
			if f := pick("filter", 3); f < 2 {
				name := fmt.Sprintf("%sfilter-%d", switchcfg.Prefix, f)
				if _, ok := s[switchcfg.Key{Kind: switchcfg.KindFilter, Name: name}]; ok {
					c.Filter = name
				}
			}
			c.RateIn, c.RateOut = rates[pick("in", 3)], rates[pick("out", 3)]
			if !o.NoMACLimit {
				c.MACLimit = uint32(pick("limit", 3))
			}
			untagged := !c.Match.Tagged()
			if _, dup := s[c.Key()]; dup || o.PortAlone && (alone || untagged && first != nil) {
				continue
			}
			if o.PortVLANs && first != nil {
				if joined[c.Service] || max(first.RateIn, first.RateOut) > 0 {
					continue
				}
				c.Filter, c.RateIn, c.RateOut = first.Filter, 0, 0
			}
			s.Put(c)
			alone, joined[c.Service] = untagged, true
			if first == nil {
				first = c
			}
		}
	}
	return legalPart(s)
}

// legalPart removes what is at fault until the state is legal, and the policers that nobody uses.
func legalPart(s switchcfg.State) switchcfg.State {
	for {
		faults := switchcfg.Check(s)
		if len(faults) == 0 {
			break
		}
		// Circuits go first: a service or port may be legal without them.
		slices.SortStableFunc(faults, func(a, b switchcfg.Violation) int { return int(b.Key.Kind) - int(a.Key.Kind) })
		delete(s, faults[0].Key)
	}
	used := make(map[switchcfg.Key]bool)
	for _, o := range s {
		switchcfg.Refs(o, func(k switchcfg.Key) bool { used[k] = true; return true })
	}
	for k := range s {
		if k.Kind == switchcfg.KindPolicer && !used[k] {
			delete(s, k)
		}
	}
	return s
}

// Shuffled returns a state equal to s that was put together in another order.
func Shuffled(t *rapid.T, s switchcfg.State) switchcfg.State {
	out := make(switchcfg.State, len(s))
	for _, k := range rapid.Permutation(s.Keys()).Draw(t, "order") {
		out[k] = s[k]
	}
	return out
}
