package eos

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/clitext"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// running is what a configuration says, as far as it bears on what the agent does.
type running struct {
	state switchcfg.State
	site
}

// site is what is no object and yet decides on commands.
type site struct {
	ports   int              // physical ones
	bridged bool             // circuits are VLANs of their ports
	tunnels bool             // the interface of the tunnels is there
	floods  bool             // it has a flood list for all VLANs
	idle    map[string]*port // physical ports that stand for nothing

	// loose are the connectors of patches to subinterfaces that are not there, by the circuits they would be.
	loose map[switchcfg.Key]string

	// named are the VLANs by their names, also those that are not understood.
	named map[string]switchcfg.VLANID
}

// port is a physical port or Port-Channel as it stands in a configuration.
type port struct {
	name        string
	description string
	shutdown    bool
	routed      bool // "no switchport"
	mtu         uint16
	tpid        switchcfg.TPID
	storm       switchcfg.Kbps
	group       string // the Port-Channel it belongs to
	mode        string // in which it does: active, passive or on
	fast        bool
	minLinks    uint16
	systemID    switchcfg.MAC
	carries     bool // it has subinterfaces
	vlans       *switchport
	odd         []string
}

func (p *port) physical() bool { return strings.HasPrefix(p.name, ethernet) }

const (
	ethernet    = "Ethernet"
	portChannel = "Port-Channel"
)

// portName reports whether name is that of a physical port or Port-Channel, as the device writes it.
func portName(name string) bool {
	if n, ok := strings.CutPrefix(name, portChannel); ok {
		return ordinal(n)
	}
	rest, ok := strings.CutPrefix(name, ethernet)
	for depth := 0; ok && depth < 3; depth++ {
		var n string
		n, rest, ok = strings.Cut(rest, "/")
		if !ordinal(n) {
			return false
		}
		if !ok {
			return true
		}
	}
	return false
}

// ordinal reports whether s is a number above 0 in canonical form.
func ordinal(s string) bool {
	n, err := strconv.ParseUint(s, 10, 32)
	return err == nil && n > 0 && s[0] != '0' && s[0] != '+'
}

// parser puts together what a configuration says.
type parser struct {
	running
	caps     *drivers.Capabilities
	parents  map[string]*port
	subs     []clitext.Node
	services map[switchcfg.VLANID]*vlan
	vxlan    []clitext.Node           // lines of the tunnels' interface
	patched  map[switchcfg.Key]string // the line within the switch that a circuit is an end of
}

// vlan is a VLAN as it stands in a configuration.
type vlan struct {
	switchcfg.Service
	odd []string
}

// parse returns what a whole configuration says.
func parse(c *drivers.Capabilities, t *clitext.Tree) running {
	p := &parser{
		caps: c, running: running{state: make(switchcfg.State), site: site{
			bridged: c.PortVLANs, idle: make(map[string]*port), loose: make(map[switchcfg.Key]string), named: make(map[string]switchcfg.VLANID),
		}},
		parents: make(map[string]*port), services: make(map[switchcfg.VLANID]*vlan), patched: make(map[switchcfg.Key]string),
	}
	for n := range t.Root().Children() {
		line := n.Text()
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "interface":
			p.iface(n, rest)
		case "vlan":
			p.vlans(n, rest)
		case "mac":
			if name, ok := strings.CutPrefix(rest, "access-list "); ok {
				p.filter(n, name)
			}
		case "policy-map":
			if name, ok := strings.CutPrefix(rest, "type quality-of-service "); ok {
				p.policer(n, name)
			}
		case "patch":
			if rest == "panel" {
				for patch := range n.Children() {
					p.patch(patch)
				}
			}
		}
	}
	for _, n := range p.vxlan {
		p.tunnel(n.Text())
	}
	for _, v := range slices.Sorted(maps.Keys(p.services)) {
		if name := p.services[v].Name; p.named[name] == 0 {
			p.named[name] = v
		}
		p.service(p.services[v])
	}
	for _, n := range p.subs {
		p.circuit(n)
	}
	for k, name := range p.patched {
		if p.state[k] == nil {
			p.loose[k] = name
		}
	}
	p.attach()
	return p.running
}

// put adds o to the state. What has the name of something else is not understood.
func (p *parser) put(o switchcfg.Object) {
	k := o.Key()
	if _, twice := p.state[k]; twice {
		o = &switchcfg.Opaque{At: k, Why: "there are two of that name"}
	}
	p.state.Put(o)
}

func (p *parser) opaque(k switchcfg.Key, why string, odd []string) {
	for i, line := range odd {
		odd[i] = redact(line)
	}
	p.put(&switchcfg.Opaque{At: k, Why: why, Text: odd})
}

// redact hides what stands behind a word for a secret.
func redact(line string) string {
	at := 0
	for word := range strings.SplitSeq(line, " ") {
		at += len(word) + 1
		for _, s := range [...]string{"secret", "password", "passphrase", "community", "key", "md5", "sha512"} {
			if at < len(line) && strings.Contains(word, s) {
				return line[:at] + "(hidden)"
			}
		}
	}
	return line
}

const whyOdd = "it has lines that are not understood"

// harmless reports whether a line of an interface, as it were none, changes nothing of what the model says.
func harmless(line string) bool {
	line = strings.TrimPrefix(line, "no ")
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "load-interval", "lldp", "speed", "error-correction", "flowcontrol", "transceiver", "phy", "sflow", "link-debounce",
		"mtu", "spanning-tree", "ptp":
		return true
	case "snmp":
		return strings.HasPrefix(rest, "trap ")
	case "logging":
		return strings.HasPrefix(rest, "event ")
	}
	return false
}

func (p *parser) iface(n clitext.Node, name string) {
	switch {
	case name == tunnelInterface:
		p.tunnels = true
		for l := range n.Children() {
			p.vxlan = append(p.vxlan, l)
		}
	case portName(name):
		p.parents[name] = p.port(n, name)
	default:
		if _, ok := subName(name); ok {
			p.subs = append(p.subs, n)
		}
	}
}

// subName returns the key of the circuit whose subinterface has that name.
func subName(name string) (switchcfg.Key, bool) {
	parent, unit, ok := strings.Cut(name, ".")
	if !ok || !ordinal(unit) || !portName(parent) {
		return switchcfg.Key{}, false
	}
	u, _ := strconv.ParseUint(unit, 10, 32)
	return switchcfg.Key{Kind: switchcfg.KindCircuit, Name: parent, Unit: uint32(u)}, true
}

func (p *parser) port(n clitext.Node, name string) *port {
	o := &port{name: name}
	for l := range n.Children() {
		if !o.read(l.Text(), p.caps) && !harmless(l.Text()) {
			o.odd = append(o.odd, l.Text())
		}
	}
	return o
}

// read takes in a line, if that is understood.
func (o *port) read(line string, c *drivers.Capabilities) bool {
	ok := true
	switch word, rest, _ := strings.Cut(line, " "); word {
	case "description":
		o.description = rest
	case "shutdown":
		o.shutdown, ok = true, rest == ""
	case "!!", "mac", "service-policy", "shape":
		ok = o.bridge(line, c)
	case "no":
		ok = rest == "switchport"
		o.routed = o.routed || ok
	case "l2":
		o.mtu, ok = number[uint16](rest, "mtu ", "")
	case "storm-control":
		var pps uint64
		pps, ok = number[uint64](rest, "all level pps ", "")
		o.storm = switchcfg.Kbps(pps * stormFrame)
	case "switchport":
		var t string
		if t, ok = strings.CutPrefix(rest, "dot1q ethertype "); !ok {
			return o.bridge(line, c)
		}
		ok = c.TPIDScope == drivers.PortScope
		if tpid, err := switchcfg.ParseTPID(t); ok && err == nil {
			o.tpid = tpid
		} else {
			ok = false
		}
	case "channel-group":
		group, mode, _ := strings.Cut(rest, " mode ")
		ok = o.physical() && ordinal(group) && (mode == "active" || mode == "passive" || mode == "on")
		if ok {
			o.group, o.mode = portChannel+group, mode
		}
	case "port-channel":
		o.minLinks, ok = number[uint16](rest, "min-links ", "")
		ok = ok && !o.physical()
	case "lacp":
		if id, is := strings.CutPrefix(rest, "system-id "); is {
			m, err := switchcfg.ParseMAC(id)
			o.systemID, ok = m, err == nil && !o.physical()
		} else {
			o.fast, ok = true, rest == "timer fast" && o.physical()
		}
	default:
		ok = false
	}
	return ok
}

// bridge takes in a line of a port whose circuits are its VLANs, if that is understood.
func (o *port) bridge(line string, c *drivers.Capabilities) bool {
	if !c.PortVLANs {
		return false
	}
	if o.vlans == nil {
		o.vlans = new(switchport)
	}
	return o.vlans.read(line)
}

// number returns the number above 0 between prefix and suffix.
func number[T uint16 | uint64](s, prefix, suffix string) (T, bool) {
	s, ok := strings.CutPrefix(s, prefix)
	s, end := strings.CutSuffix(s, suffix)
	n, err := strconv.ParseUint(s, 10, 64)
	return T(n), ok && end && err == nil && n > 0 && n == uint64(T(n))
}

// attach makes objects of ports and Port-Channels.
func (p *parser) attach() {
	members := make(map[string][]*port)
	for _, name := range slices.SortedFunc(maps.Keys(p.parents), switchcfg.CompareNames) {
		o := p.parents[name]
		if o.group != "" {
			members[o.group] = append(members[o.group], o)
		}
		if o.physical() {
			p.ports++
			p.physical(o)
		}
	}
	for name := range members {
		if p.parents[name] == nil {
			p.opaque(switchcfg.Key{Kind: switchcfg.KindLAG, Name: name}, "ports belong to it, and it is not there", nil)
		}
	}
	for name, o := range p.parents {
		if !o.physical() {
			p.lag(o, members[name])
		}
	}
}

func (p *parser) physical(o *port) {
	k := switchcfg.Key{Kind: switchcfg.KindInterface, Name: o.name}
	var circuits []*switchcfg.Circuit
	why := ""
	switch {
	case len(o.odd) > 0:
		why = whyOdd
	case o.description == "" && o.tpid == 0 && o.storm == 0 && o.group == "" && !o.fast && !o.carries && o.vlans == nil:
		p.idle[o.name] = o
		return
	case o.group == "" && o.fast:
		why = "it has an LACP timer and belongs to no group"
	case o.group != "" && o.vlans != nil:
		why = "it belongs to a group and has VLANs of its own"
	case o.group == "":
		circuits, why = p.carried(o)
	}
	if why != "" {
		p.opaque(k, why, o.odd)
		return
	}
	tpid := o.tpid
	if o.group == "" {
		tpid = p.tpid(o)
	}
	p.put(&switchcfg.Interface{Name: o.name, Description: o.description, Shutdown: o.shutdown, MTU: o.mtu, TPID: tpid, StormControl: o.storm})
	for _, c := range circuits {
		p.put(c)
	}
}

// carried returns the circuits of a port that are VLANs, or says why it cannot carry any.
func (p *parser) carried(o *port) ([]*switchcfg.Circuit, string) {
	switch {
	case p.caps.PortVLANs && o.routed:
		return nil, "it is no switchport"
	case p.caps.PortVLANs:
		return p.switchport(o)
	case !o.routed:
		return nil, "it is a switchport"
	}
	return nil, ""
}

// tpid returns the outer ethertype of a port that is not a member. The device does not show its default.
func (p *parser) tpid(o *port) switchcfg.TPID {
	if p.caps.TPIDScope == drivers.PortScope {
		return max(o.tpid, switchcfg.TPIDCustomer)
	}
	return 0
}

func (p *parser) lag(o *port, members []*port) {
	l := &switchcfg.LAG{
		Name: o.name, Description: o.description, Shutdown: o.shutdown, Mode: switchcfg.ModeLACP, Rate: switchcfg.RateSlow,
		MinLinks: o.minLinks, SystemID: o.systemID, MTU: o.mtu, TPID: p.tpid(o), StormControl: o.storm,
	}
	circuits, why := p.carried(o)
	switch {
	case len(o.odd) > 0:
		why = whyOdd
	case why != "":
	case len(members) == 0:
		why = "it has no members"
	}
	for _, m := range members {
		l.Members = append(l.Members, m.name)
		if m.mode != members[0].mode || m.fast != members[0].fast {
			why = "its members differ in mode or LACP timer"
		}
	}
	if len(members) > 0 {
		if members[0].fast {
			l.Rate = switchcfg.RateFast
		}
		l.Passive = members[0].mode == "passive"
		if members[0].mode == "on" {
			l.Mode = switchcfg.ModeStatic
			if l.Rate == switchcfg.RateFast || l.SystemID != (switchcfg.MAC{}) {
				why = "it is static and has LACP attributes"
			}
			l.Rate = ""
		}
	}
	if why != "" {
		p.opaque(l.Key(), why, o.odd)
		return
	}
	p.put(l)
	for _, c := range circuits {
		p.put(c)
	}
}

// vlanName returns the name of a VLAN that was given none.
func vlanName(v switchcfg.VLANID) string { return fmt.Sprintf("VLAN%04d", v) }

// vlanOf returns the VLAN whose name by default that is.
func vlanOf(name string) (switchcfg.VLANID, bool) {
	v, ok := number[uint16](name, "VLAN", "")
	return switchcfg.VLANID(v), ok && switchcfg.VLANID(v).Valid() && vlanName(switchcfg.VLANID(v)) == name
}

// vlans reads a block of one VLAN, or of several that are alike.
func (p *parser) vlans(n clitext.Node, list string) {
	var common vlan
	common.Type = switchcfg.ServiceLAN
	for l := range n.Children() {
		switch word, rest, _ := strings.Cut(l.Text(), " "); {
		case word == "name":
			common.Name = rest
		case word == "!!" && !strings.Contains(rest, "\n"):
			common.Description = rest
		case l.Text() == "no mac address learning":
			common.Type = switchcfg.ServiceLine
		default:
			common.odd = append(common.odd, l.Text())
		}
	}
	all, _ := vlanList(list)
	for _, v := range all {
		one := common
		one.VLAN = v
		if one.Name == "" {
			one.Name = vlanName(v)
		}
		p.services[v] = &one
	}
}

// vlanList returns the VLANs of a list such as "10,20-30", and whether it is one.
func vlanList(list string) (vlans []switchcfg.VLANID, ok bool) {
	for part := range strings.SplitSeq(list, ",") {
		first, last, span := strings.Cut(part, "-")
		a, ok := number[uint16](first, "", "")
		b := a
		if span {
			b, span = number[uint16](last, "", "")
			ok = ok && span
		}
		if !ok || !switchcfg.VLANID(b).Valid() {
			return vlans, false
		}
		for v := a; v <= b; v++ {
			vlans = append(vlans, switchcfg.VLANID(v))
		}
	}
	return vlans, true
}

// tunnelInterface is the operator's; the agent adds to it what its services need.
const tunnelInterface = "Vxlan1"

func (p *parser) tunnel(line string) {
	rest, ok := strings.CutPrefix(line, "vxlan ")
	if !ok {
		return
	}
	if strings.HasPrefix(rest, "flood vtep ") {
		p.floods = true
		return
	}
	if rest, ok = strings.CutPrefix(rest, "vlan "); !ok {
		return
	}
	list, rest, _ := strings.Cut(rest, " ")
	all, _ := vlanList(list)
	for _, v := range all {
		s := p.services[v]
		if s == nil {
			continue
		}
		vni, is := number[uint64](rest, "vni ", "")
		peers, flood := strings.CutPrefix(rest, "flood vtep ")
		switch {
		case is && s.VNI == 0 && vni < 1<<24 && list == strconv.Itoa(int(v)):
			s.VNI = uint32(vni)
		case flood && len(s.Peers) == 0 && s.peers(peers):
		default:
			s.odd = append(s.odd, line)
		}
	}
}

func (s *vlan) peers(list string) bool {
	for word := range strings.FieldsSeq(list) {
		a, err := netip.ParseAddr(word)
		if err != nil || !a.Is4() {
			return false
		}
		s.Peers = append(s.Peers, a)
	}
	return len(s.Peers) > 0
}

func (p *parser) service(v *vlan) {
	why := whyOdd
	switch {
	case len(v.odd) > 0:
	case v.VNI == 0 && len(v.Peers) > 0:
		why = "it has tunnel peers and no VNI"
	case v.VNI > 0 && len(v.Peers) == 0 && p.floods:
		why = "it is flooded to the peers of all VLANs"
	default:
		o := v.Service
		p.put(&o)
		return
	}
	p.opaque(v.Key(), why, v.odd)
}

func (p *parser) patch(n clitext.Node) {
	name, ok := strings.CutPrefix(n.Text(), "patch ")
	if !ok {
		return
	}
	s := &switchcfg.Service{Name: name, Type: switchcfg.ServiceLine}
	var odd []string
	var ends []switchcfg.Key
	for l := range n.Children() {
		word, rest, _ := strings.Cut(l.Text(), " ")
		switch _, what, _ := strings.Cut(rest, " "); {
		case word == "!!" && !strings.Contains(rest, "\n"):
			s.Description = rest
			continue
		case word == "connector":
			of, is := strings.CutPrefix(what, "interface ")
			if k, sub := subName(of); is && sub {
				ends = append(ends, k)
				continue
			}
		}
		odd = append(odd, l.Text())
	}
	for _, k := range ends {
		p.patched[k] = name
	}
	if len(odd) > 0 {
		p.opaque(s.Key(), whyOdd, odd)
		return
	}
	p.put(s)
}

func (p *parser) circuit(n clitext.Node) {
	k, _ := subName(strings.TrimPrefix(n.Text(), "interface "))
	c := &switchcfg.Circuit{Parent: k.Name, Unit: k.Unit, Service: p.patched[k]}
	var odd []string
	var why string
	matched := false
	for l := range n.Children() {
		line, ok := l.Text(), true
		switch word, rest, _ := strings.Cut(line, " "); word {
		case "description":
			c.Description = rest
		case "shutdown":
			c.Shutdown, ok = true, rest == ""
		case "vlan":
			var v uint16
			if v, ok = number[uint16](rest, "id ", ""); ok {
				if c.Service != "" {
					why = "it is in a VLAN and in a patch"
				}
				if c.Service, ok = p.name(switchcfg.VLANID(v)); !ok {
					why, ok = "its VLAN is not there", true
				}
			}
		case "encapsulation":
			if ok = rest == "vlan" && l.Len() == 1; ok {
				for client := range l.Children() {
					line = client.Text()
					c.Match, matched = clientMatch(line, p.outer(k.Name), p.caps.TPIDScope == drivers.CircuitScope)
				}
				ok = matched
			}
		case "mac", "service-policy", "shape":
			ok = limit(c, line)
		default:
			ok = harmless(line)
		}
		if !ok {
			odd = append(odd, line)
		}
	}
	switch {
	case len(odd) > 0:
		why = whyOdd
	case !matched:
		why = "it has no encapsulation"
	case p.bridged:
		why = "it is a subinterface"
	}
	if parent := p.parents[k.Name]; parent != nil {
		parent.carries = true
	}
	if why != "" {
		p.opaque(k, why, odd)
		return
	}
	p.put(c)
}

// name returns that of the service whose VLAN it is. One that is not there has the name it would have by default, unless
// another has it.
func (p *parser) name(v switchcfg.VLANID) (string, bool) {
	if s := p.services[v]; s != nil {
		return s.Name, true
	}
	name := vlanName(v)
	return name, p.state[serviceKey(name)] == nil
}

// outer returns the ethertype that a parent's circuits without a word for it have.
func (p *parser) outer(parent string) switchcfg.TPID {
	if o := p.parents[parent]; o != nil {
		return max(o.tpid, switchcfg.TPIDCustomer)
	}
	return switchcfg.TPIDCustomer
}

// clientMatch reads what a flexible encapsulation matches; dot1q is the ethertype that the word dot1q stands for, and
// dot1ad says whether that word is known.
func clientMatch(line string, dot1q switchcfg.TPID, dot1ad bool) (switchcfg.Match, bool) {
	if line == "client untagged network untagged" {
		return switchcfg.MatchUntagged(), true
	}
	rest, ok := strings.CutPrefix(line, "client ")
	word, rest, _ := strings.Cut(rest, " ")
	tpid, between := dot1q, " inner "
	switch {
	case word == "dot1q":
	case word == "dot1ad" && dot1ad:
		tpid, between = switchcfg.TPIDService, " inner dot1q "
	default:
		return switchcfg.Match{}, false
	}
	m := switchcfg.MatchSingle(tpid, 0)
	outer := rest
	if tags, double := strings.CutPrefix(rest, "outer "); double {
		var inner string
		outer, inner, _ = strings.Cut(tags, between)
		v, is := number[uint16](inner, "", "")
		m, ok = switchcfg.MatchDouble(tpid, 0, switchcfg.VLANID(v)), ok && is && switchcfg.VLANID(v).Valid()
	}
	v, is := number[uint16](outer, "", "")
	m.Outer = switchcfg.VLANID(v)
	return m, ok && is && m.Outer.Valid()
}

// control matches the addresses that stay on their link (IEEE 802.1Q-2022 8.6.3).
const control = "deny any 0180.c200.0000 0000.0000.000f"

const exactly = " 0000.0000.0000 any"

// filter reads an access list. The numbers of its entries have no meaning but their order.
func (p *parser) filter(n clitext.Node, name string) {
	f := &switchcfg.Filter{Name: name}
	type entry struct {
		seq  uint64
		rule string
	}
	var entries []entry
	var text []string
	for l := range n.Children() {
		if l.Text() == "counters per-entry" {
			continue
		}
		text = append(text, l.Text())
		number, rule, _ := strings.Cut(l.Text(), " ")
		if seq, err := strconv.ParseUint(number, 10, 32); err == nil {
			entries = append(entries, entry{seq, strings.Join(strings.Fields(rule), " ")})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.seq, b.seq) })
	last := len(entries) - 1
	understood := last >= 1 && len(entries) == len(text) && entries[0].rule == control
	switch {
	case !understood:
	case last == 1 && entries[1].rule == "permit any any":
		f.AnySource = true
	case entries[last].rule == "deny any any":
		for _, e := range entries[1:last] {
			source, ok := strings.CutSuffix(e.rule, exactly)
			source, permit := strings.CutPrefix(source, "permit ")
			m, err := switchcfg.ParseMAC(source)
			understood = understood && ok && permit && err == nil && m.Unicast()
			f.Sources = append(f.Sources, m)
		}
	default:
		understood = false
	}
	if !understood {
		p.opaque(f.Key(), "its entries are not understood", text)
		return
	}
	p.put(f)
}

// policer reads a policy map that is named as the agent names them.
func (p *parser) policer(n clitext.Node, name string) {
	rate, ours := switchcfg.ParsePolicerName(name)
	if !ours {
		return
	}
	o := &switchcfg.Policer{Rate: rate}
	var lines []string
	for class := range n.Children() {
		lines = append(lines, class.Text())
		for l := range class.Children() {
			lines = append(lines, l.Text())
		}
	}
	if !slices.Equal(lines, []string{classDefault, police(rate)}) {
		p.opaque(o.Key(), "it does not bound the rate of its name", lines)
		return
	}
	p.put(o)
}
