package eos

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// switchport is what a port without subinterfaces says of its VLANs, each of which is a circuit. That of untagged frames
// is the access VLAN, the others are those of a trunk, which drops untagged frames. Where one of them differs from its
// tag all are translated, and what is not is dropped: a VLAN would let in frames with its own number as well.
type switchport struct {
	marks      string // the comment: a line for each circuit
	access     switchcfg.VLANID
	trunk      bool
	tagged     bool // frames without a tag are dropped
	listed     bool // not every VLAN is allowed
	allowed    []switchcfg.VLANID
	translated bool                                  // frames of other tags than those of a translation are dropped
	tags       map[switchcfg.VLANID]switchcfg.VLANID // of the VLANs that are translated
	twice      bool                                  // a VLAN is that of two tags
	filter     string
	in, out    switchcfg.Kbps
}

// The lines of a trunk. In any other state it would carry something that nobody has ordered.
const (
	trunkMode   = "switchport mode trunk"
	trunkNative = "switchport trunk native vlan tag"
	trunkVLANs  = "switchport trunk allowed vlan "
	noVLANs     = "none"
	translation = "switchport vlan translation "
	translated  = translation + "in required"
)

// read takes in a line, if that is understood.
func (o *switchport) read(line string) bool {
	word, rest, _ := strings.Cut(line, " ")
	ok := true
	switch {
	case word == "!!":
		o.marks = line
	case line == trunkMode:
		o.trunk = true
	case line == trunkNative:
		o.tagged = true
	case line == translated:
		o.translated = true
	case strings.HasPrefix(line, trunkVLANs):
		list := strings.TrimPrefix(line, trunkVLANs)
		if o.listed = true; list != noVLANs {
			o.allowed, ok = vlanList(list)
		}
	case strings.HasPrefix(line, translation):
		tag, vlan, _ := strings.Cut(strings.TrimPrefix(line, translation), " ")
		t, isTag := number[uint16](tag, "", "")
		v, isVLAN := number[uint16](vlan, "", "")
		ok = isTag && isVLAN && switchcfg.VLANID(t).Valid() && switchcfg.VLANID(v).Valid()
		if o.tags == nil {
			o.tags = make(map[switchcfg.VLANID]switchcfg.VLANID)
		}
		o.twice = o.twice || o.tags[switchcfg.VLANID(v)] != 0
		o.tags[switchcfg.VLANID(v)] = switchcfg.VLANID(t)
	case word == "switchport":
		var v uint16
		v, ok = number[uint16](rest, "access vlan ", "")
		o.access = switchcfg.VLANID(v)
		ok = ok && o.access.Valid()
	default:
		var limits switchcfg.Circuit
		ok = limit(&limits, line)
		o.filter, o.in, o.out = o.filter+limits.Filter, o.in+limits.RateIn, o.out+limits.RateOut
	}
	return ok
}

// limit takes in a line that says which frames of a circuit pass, if it is one.
func limit(c *switchcfg.Circuit, line string) bool {
	switch word, rest, _ := strings.Cut(line, " "); word {
	case "mac":
		name, is := strings.CutPrefix(rest, "access-group ")
		name, in := strings.CutSuffix(name, " in")
		c.Filter = name
		return is && in
	case "service-policy":
		name, is := strings.CutPrefix(rest, "type qos input ")
		rate, ours := switchcfg.ParsePolicerName(name)
		c.RateIn = rate
		return is && ours
	case "shape":
		rate, is := number[uint64](rest, "rate ", " kbps")
		c.RateOut = switchcfg.Kbps(rate)
		return is
	}
	return false
}

// limits returns the lines of what a circuit says of which frames pass.
func limits(c *switchcfg.Circuit) (lines []string) {
	if c.Filter != "" {
		lines = append(lines, "mac access-group "+c.Filter+" in")
	}
	if c.RateIn > 0 {
		lines = append(lines, "service-policy type qos input "+switchcfg.PolicerName(c.RateIn))
	}
	if c.RateOut > 0 {
		lines = append(lines, "shape rate "+strconv.FormatUint(uint64(c.RateOut), 10)+" kbps")
	}
	return lines
}

// marks returns the circuits that a comment names, by their VLANs.
func marks(comment string) (map[switchcfg.VLANID]*switchcfg.Circuit, bool) {
	circuits, units := make(map[switchcfg.VLANID]*switchcfg.Circuit), make(map[uint32]bool)
	if comment == "" {
		return circuits, true
	}
	for line := range strings.SplitSeq(comment, "\n") {
		line, ours := strings.CutPrefix(line, "!! circuit ")
		unit, line, _ := strings.Cut(line, " vlan ")
		vlan, description, _ := strings.Cut(line, " ")
		n, err := strconv.ParseUint(unit, 10, 32)
		v, ok := number[uint16](vlan, "", "")
		if !ours || !ok || err != nil || !ordinal(unit) || circuits[switchcfg.VLANID(v)] != nil || units[uint32(n)] {
			return nil, false
		}
		units[uint32(n)] = true
		circuits[switchcfg.VLANID(v)] = &switchcfg.Circuit{Unit: uint32(n), Description: description}
	}
	return circuits, true
}

// switchport returns the circuits of a port that has no subinterfaces, or says why it is not understood.
func (p *parser) switchport(o *port) (circuits []*switchcfg.Circuit, why string) {
	s := o.vlans
	if s == nil || !s.trunk && s.access == 0 {
		return nil, "it is bridged in VLAN 1"
	}
	all, ok := marks(s.marks)
	vlans, match := s.allowed, func(v switchcfg.VLANID) switchcfg.Match { return switchcfg.MatchSingle(p.tpid(o), v) }
	switch {
	case !ok:
		return nil, "its comment names other things than its circuits"
	case !s.trunk && (s.tagged || s.listed || s.translated || s.tags != nil), s.trunk && s.access != 0:
		return nil, "it has lines for another mode than its own"
	case !s.trunk:
		vlans, match = []switchcfg.VLANID{s.access}, func(switchcfg.VLANID) switchcfg.Match { return switchcfg.MatchUntagged() }
	case !s.tagged:
		return nil, "it lets in frames without a tag too"
	case !s.listed:
		return nil, "it carries every VLAN"
	case s.translated:
		if len(s.tags) != len(vlans) || s.twice || !differ(s.tags) {
			return nil, "it translates not all of its VLANs or more"
		}
		match = func(v switchcfg.VLANID) switchcfg.Match { return switchcfg.MatchSingle(p.tpid(o), s.tags[v]) }
	case s.tags != nil:
		return nil, "it lets in the VLANs it translates by their own tags too"
	}
	if len(all) != len(vlans) {
		return nil, "its comment does not name the circuits of its VLANs"
	}
	for _, v := range vlans {
		c := all[v]
		name, ok := p.name(v)
		switch {
		case c == nil:
			return nil, "its comment does not name the circuits of its VLANs"
		case s.translated && s.tags[v] == 0:
			return nil, "it translates not all of its VLANs or more"
		case !ok || p.services[v] != nil && p.named[name] != v:
			return nil, "one of its VLANs has no name of its own"
		}
		c.Parent, c.Service, c.Match = o.name, name, match(v)
		c.Filter, c.RateIn, c.RateOut = s.filter, s.in, s.out
		circuits = append(circuits, c)
	}
	if n := len(circuits); n == 0 && s.filter != "" || n != 1 && max(s.in, s.out) > 0 {
		return nil, "it has a filter or rate that is not one of a circuit"
	}
	return circuits, ""
}

// differ reports whether a VLAN has another number than its tag.
func differ(tags map[switchcfg.VLANID]switchcfg.VLANID) bool {
	for v, tag := range tags {
		if v != tag {
			return true
		}
	}
	return false
}

// joins returns the VLAN that a circuit joins, or 0 if it is not known.
func (s *site) joins(state switchcfg.State, c *switchcfg.Circuit) switchcfg.VLANID {
	if svc, ok := state[serviceKey(c.Service)].(*switchcfg.Service); ok {
		return svc.VLAN
	}
	if v, ok := s.named[c.Service]; ok {
		return v
	}
	v, _ := vlanOf(c.Service)
	return v
}

// alongside adds to keys the ports of all circuits in it, and all circuits of the ports.
func (r *running) alongside(keys map[switchcfg.Key]bool, target switchcfg.State) {
	ports := make(map[string]bool)
	for k := range keys {
		switch k.Kind {
		case switchcfg.KindCircuit, switchcfg.KindInterface, switchcfg.KindLAG:
			ports[k.Name] = true
		}
	}
	for name := range ports {
		keys[switchcfg.Key{Kind: switchcfg.KindInterface, Name: name}] = true
		keys[switchcfg.Key{Kind: switchcfg.KindLAG, Name: name}] = true
	}
	for _, s := range []switchcfg.State{r.state, target} {
		for k := range s {
			if k.Kind == switchcfg.KindCircuit && ports[k.Name] {
				keys[k] = true
			}
		}
	}
}

// byPort returns the circuits at keys in order, by the ports they are on.
func byPort(state switchcfg.State, keys map[switchcfg.Key]bool) map[string][]*switchcfg.Circuit {
	out := make(map[string][]*switchcfg.Circuit)
	for k := range keys {
		if c, ok := state[k].(*switchcfg.Circuit); ok {
			out[c.Parent] = append(out[c.Parent], c)
		}
	}
	for _, all := range out {
		slices.SortFunc(all, func(a, b *switchcfg.Circuit) int { return a.Key().Compare(b.Key()) })
	}
	return out
}

// saysPorts returns what keeps the circuits at keys from being together on their ports, in a switch that is to be as
// state.
func (s *site) saysPorts(c *drivers.Capabilities, state switchcfg.State, keys map[switchcfg.Key]bool) error {
	ports := byPort(state, keys)
	for _, name := range slices.Sorted(maps.Keys(ports)) {
		circuits := ports[name]
		first, joined := circuits[0], make(map[string]*switchcfg.Circuit)
		if _, ok := state.Parent(name); !ok {
			return fmt.Errorf("%s: its port is not understood", first.Key())
		}
		for _, o := range circuits {
			for _, other := range [...]*switchcfg.Circuit{first, joined[o.Service]} {
				if other == nil || other == o {
					continue
				}
				if err := c.Beside(other, o); err != nil {
					return fmt.Errorf("%s: beside %s: %w", o.Key(), other.Key(), err)
				}
			}
			joined[o.Service] = o
			if s.joins(state, o) == 0 {
				return fmt.Errorf("%s: its service %s is not understood", o.Key(), o.Service)
			}
		}
	}
	return nil
}

// bridge renders the circuits of a port.
func (c *canvas) bridge(parent string) {
	block, circuits := "interface "+parent, c.circuits[parent]
	var marks []string
	var vlans []switchcfg.VLANID
	tags := make(map[switchcfg.VLANID]switchcfg.VLANID)
	for _, o := range circuits {
		v := c.site.joins(c.state, o)
		mark := fmt.Sprintf("!! circuit %d vlan %d", o.Unit, v)
		if o.Description != "" {
			mark += " " + o.Description
		}
		marks = append(marks, mark)
		vlans = append(vlans, v)
		tags[v] = o.Match.Outer
	}
	if len(marks) > 0 {
		c.Put(block, strings.Join(marks, "\n"))
	}
	if len(circuits) == 1 && circuits[0].Match.Form == switchcfg.Untagged {
		c.Put(block, "switchport access vlan "+strconv.Itoa(int(vlans[0])))
	} else {
		slices.Sort(vlans)
		c.Put(block, trunkNative)
		c.Put(block, trunkVLANs+vlanText(vlans))
		if differ(tags) {
			c.Put(block, translated)
			for _, v := range vlans {
				c.Put(block, fmt.Sprintf("%s%d %d", translation, tags[v], v))
			}
		}
		c.Put(block, trunkMode)
	}
	if len(circuits) > 0 {
		for _, line := range limits(circuits[0]) {
			c.Put(block, line)
		}
	}
}

// vlanText returns ascending VLANs as a list such as "10,20-30", or "none".
func vlanText(vlans []switchcfg.VLANID) string {
	var parts []string
	for i := 0; i < len(vlans); {
		j := i + 1
		for j < len(vlans) && vlans[j] == vlans[j-1]+1 {
			j++
		}
		part := strconv.Itoa(int(vlans[i]))
		if j-i > 1 {
			part += "-" + strconv.Itoa(int(vlans[j-1]))
		}
		parts, i = append(parts, part), j
	}
	if len(parts) == 0 {
		return noVLANs
	}
	return strings.Join(parts, ",")
}
