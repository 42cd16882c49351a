package junos

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// complaint is why a commit is refused, at one statement.
type complaint struct {
	path      []string // of the level
	statement string
	text      string
}

// refusal is why a configuration cannot run.
type refusal []complaint

func (r refusal) Error() string {
	var b strings.Builder
	for _, c := range r {
		fmt.Fprintf(&b, "[edit%s]\n  '%s'\n    %s\n", strings.Join(append([]string{""}, c.path...), " "), c.statement, c.text)
	}
	b.WriteString("error: configuration check-out failed")
	return b.String()
}

// translator writes what a configuration says into that of a switch. What the switch cannot do is a complaint.
type translator struct {
	root    *node
	ports   []string
	bundles uint64 // aggregated interfaces that exist
	e       *tree.Edit
	faults  refusal
	units   map[string]*unit // by name, "ae10.300"
	domains map[string]string
	profile map[string]string // storm control in kbit/s by name
}

// unit is a logical interface.
type unit struct {
	parent   string
	number   string
	node     *node
	bridged  bool
	circuit  tree.Branch // the subinterface, if bridged
	root     bool        // of a tree
	macLimit string
}

func (u *unit) name() string { return u.parent + "." + u.number }

// translate returns the function that builds the switch's configuration. It fails with a refusal.
func translate(root *node, ports []string) func(*tree.Edit) error {
	return func(e *tree.Edit) error {
		t := translator{
			root: root, ports: ports, e: e,
			units: make(map[string]*unit), domains: make(map[string]string), profile: make(map[string]string),
		}
		t.bundles, _ = strconv.ParseUint(root.value("chassis", "aggregated-devices", "ethernet", "device-count"), 10, 32)
		t.storms()
		t.policers()
		t.filters()
		t.interfaces()
		t.bridgeDomains()
		if len(t.faults) > 0 {
			return t.faults
		}
		return e.Err()
	}
}

func (t *translator) fail(statement, text string, path ...string) {
	t.faults = append(t.faults, complaint{path, statement, text})
}

// storms reads the profiles of storm control.
func (t *translator) storms() {
	for p := range t.root.get("forwarding-options").each("storm-control-profiles") {
		path := []string{"forwarding-options", "storm-control-profiles", p.text}
		level := p.value("all", "bandwidth-level")
		switch {
		case level == "" || level == "0":
			t.fail("all", "bandwidth-level must be specified, a percentage is not supported", path...)
		case p.get("action-shutdown") != nil:
			t.fail("action-shutdown", "action-shutdown is not supported", path...)
		case len(p.get("all").kids) > 1:
			t.fail("all", "only bandwidth-level is supported", path...)
		}
		t.profile[p.text] = level
	}
}

func (t *translator) policers() {
	for p := range t.root.get("firewall").each("policer") {
		path := []string{"firewall", "policer", p.text}
		rate, burst := p.value("if-exceeding", "bandwidth-limit"), p.value("if-exceeding", "burst-size-limit")
		switch {
		case rate == "" || burst == "":
			t.fail("if-exceeding", "bandwidth-limit and burst-size-limit must be specified", path...)
			continue
		case p.get("then", "discard") == nil:
			t.fail("then", "the only action that is supported is discard", path...)
		case p.get("then", "loss-priority") != nil:
			t.fail("then", "loss-priority is not supported", path...)
		case p.get("physical-interface-policer") != nil:
			t.fail("physical-interface-policer", "physical-interface-policer is not supported", path...)
		}
		bits, _ := parseAmount(rate)
		octets, _ := parseAmount(burst)
		if bits < 8000 || octets < 1500 {
			t.fail("if-exceeding", "bandwidth-limit must be 8000 or more, burst-size-limit 1500 or more", path...)
		}
		policy := t.e.Branch("qos", "scheduler-policies", "scheduler-policy").Entry(p.text)
		policy.At("config").Set("name", p.text)
		s := policy.At("schedulers", "scheduler").Entry("1")
		s.At("config").Set("sequence", "1")
		s.At("config").Set("type", "ONE_RATE_TWO_COLOR")
		s.At("one-rate-two-color", "config").Set("cir", strconv.FormatUint(bits, 10))
		s.At("one-rate-two-color", "config").Set("bc", strconv.FormatUint(octets, 10))
		s.At("one-rate-two-color", "exceed-action", "config").Set("drop", "true")
	}
}

func (t *translator) filters() {
	for f := range t.root.get("firewall", "family", "bridge").each("filter") {
		set := t.e.Branch("acl", "acl-sets", "acl-set").Entry(f.text, "ACL_L2")
		set.At("config").Set("name", f.text)
		set.At("config").Set("type", "ACL_L2")
		number := 0
		for term := range f.each("term") {
			for _, r := range t.rules(f, term) {
				number += 10
				id := strconv.Itoa(number)
				entry := set.At("acl-entries", "acl-entry").Entry(id)
				entry.At("config").Set("sequence-id", id)
				r.write(entry)
			}
		}
	}
}

// rule is an entry of a filter.
type rule struct {
	dst, src string // with the length of a prefix, empty for any
	accept   bool
}

// rules are the entries that a term stands for: one for each pair of a destination and a source that it names.
func (t *translator) rules(f, term *node) []rule {
	path := []string{"firewall", "family", "bridge", "filter", f.text, "term", term.text}
	then := term.get("then")
	switch {
	case term.get("from").has("ether-type"):
		t.fail("from", "ether-type is not supported", path...)
	case then.get("policer") != nil:
		t.fail("then", "policer is not supported", path...)
	case then.get("next") != nil:
		t.fail("then", "next term is not supported", path...)
	}
	all := func(name string) []string {
		var texts []string
		for m := range term.get("from").each(name) {
			texts = append(texts, m.text)
		}
		if texts == nil {
			return []string{""}
		}
		return texts
	}
	var rules []rule
	for _, dst := range all("destination-mac-address") {
		for _, src := range all("source-mac-address") {
			rules = append(rules, rule{dst, src, then.get("discard") == nil})
		}
	}
	return rules
}

// has reports whether there is an active entry or value of a name.
func (n *node) has(name string) bool {
	for range n.each(name) {
		return true
	}
	return false
}

func (r rule) write(entry tree.Branch) {
	for _, side := range []struct{ leaf, text string }{{"destination-mac", r.dst}, {"source-mac", r.src}} {
		if side.text == "" {
			continue
		}
		m, bits, err := parseMACPrefix(side.text)
		if err != nil {
			continue // it was checked when it was set
		}
		l2 := entry.At("l2", "config")
		l2.Set(side.leaf, formatMAC(m))
		if bits < 48 {
			l2.Set(side.leaf+"-mask", formatMAC(maskOf(bits)))
		}
	}
	action := "DROP"
	if r.accept {
		action = "ACCEPT"
	}
	entry.At("actions", "config").Set("forwarding-action", action)
}

// physical reports whether interfaces of a name are hardware of which this box would forward frames.
func physical(name string) bool {
	return strings.HasPrefix(name, "ge-") || strings.HasPrefix(name, "xe-") || strings.HasPrefix(name, "et-")
}

func (t *translator) interfaces() {
	joined := make(map[string]bool) // aggregated interfaces that have members
	for i := range t.root.get("interfaces").each("interface") {
		_, ae := aeNumber(i.text)
		switch {
		case slices.Contains(t.ports, i.text):
			joined[t.port(i)] = true
		case ae && t.exists(i.text):
			t.bundle(i)
		case physical(i.text):
			t.fail(i.text, "there is no such port in this box", "interfaces")
		}
	}
	for name := range joined {
		if name != "" {
			t.aggregated(name)
		}
	}
}

// exists reports whether there is an aggregated interface of a name.
func (t *translator) exists(name string) bool {
	n, ok := aeNumber(name)
	return ok && n < t.bundles
}

func (t *translator) branch(name string) tree.Branch {
	return t.e.Branch("interfaces", "interface").Entry(name)
}

// aggregated makes an aggregated interface, which is there whether it is configured or not.
func (t *translator) aggregated(name string) tree.Branch {
	b := t.branch(name)
	b.At("config").Set("name", name)
	b.At("config").Set("type", "ieee8023adLag")
	if t.root.get("interfaces").entry("interface", name).get("aggregated-ether-options", "lacp") == nil {
		b.At("aggregation", "config").Set("lag-type", "STATIC")
	}
	return b
}

// port writes a physical port and returns the aggregated interface that it is a member of, if any that exists.
func (t *translator) port(i *node) string {
	path := []string{"interfaces", i.text}
	if i.get("aggregated-ether-options") != nil {
		t.fail("aggregated-ether-options", "aggregated-ether-options are for aggregated interfaces", path...)
	}
	b := t.branch(i.text)
	ether, giga := i.get("ether-options"), i.get("gigether-options")
	bundle := cmp.Or(ether.value("802.3ad", "bundle"), giga.value("802.3ad", "bundle"))
	if bundle == "" {
		t.parent(i, b, ether, giga)
		return ""
	}
	if other := giga.value("802.3ad", "bundle"); other != "" && other != bundle {
		t.fail("802.3ad "+other, "interface is a member of "+bundle, append(path, "gigether-options")...)
	}
	for _, name := range []string{"encapsulation", "flexible-vlan-tagging", "vlan-tagging", "stacked-vlan-tagging", "native-vlan-id"} {
		if i.get(name) != nil {
			t.fail(name, "may not be configured on a member of an aggregated interface", path...)
		}
	}
	if ether.get("ethernet-switch-profile") != nil || giga.get("ethernet-switch-profile") != nil {
		t.fail("ethernet-switch-profile", "may not be configured on a member of an aggregated interface", path...)
	}
	for u := range i.each("unit") {
		t.fail("unit "+u.text, "logical interfaces may not be configured on a member of an aggregated interface", path...)
	}
	t.common(i, b)
	if !t.exists(bundle) {
		return ""
	}
	b.At("ethernet", "config").Set("aggregate-id", bundle)
	return bundle
}

// common writes what every port has.
func (t *translator) common(i *node, b tree.Branch) {
	if d := i.value("description"); d != "" {
		b.At("config").Set("description", d)
	}
	if i.get("disable") != nil {
		b.At("config").Set("enabled", "false")
	}
}

// bundle writes an aggregated interface.
func (t *translator) bundle(i *node) {
	path := []string{"interfaces", i.text}
	b := t.aggregated(i.text)
	for _, name := range []string{"ether-options", "gigether-options"} {
		if i.get(name) != nil {
			t.fail(name, "aggregated interfaces have aggregated-ether-options", path...)
		}
	}
	options := i.get("aggregated-ether-options")
	if n := options.value("minimum-links"); n != "" {
		b.At("aggregation", "config").Set("min-links", n)
	}
	if lacp := options.get("lacp"); lacp != nil {
		b.At("aggregation", "config").Set("lag-type", "LACP")
		speaker := t.e.Branch("lacp", "interfaces", "interface").Entry(i.text).At("config")
		speaker.Set("name", i.text)
		mode, interval := "PASSIVE", "FAST"
		if lacp.get("active") != nil {
			mode = "ACTIVE"
		}
		if lacp.value("periodic") == "slow" {
			interval = "SLOW"
		}
		speaker.Set("lacp-mode", mode)
		speaker.Set("interval", interval)
		if id := lacp.value("system-id"); id != "" {
			speaker.Set("system-id-mac", id)
		}
	}
	t.parent(i, b, options)
}

const (
	headers    = 14 + 8 // octets of Ethernet and two tags, which an MTU counts
	maxTPIDs   = 8
	ctag       = 0x8100
	untaggedIn = "ethernet-bridge"
)

// parent writes a port or aggregated interface that may have units. options are where its switch profile may be.
func (t *translator) parent(i *node, b tree.Branch, options ...*node) {
	path := []string{"interfaces", i.text}
	t.common(i, b)
	if text := i.value("mtu"); text != "" {
		n, _ := strconv.Atoi(text)
		b.At("config").Set("mtu", strconv.Itoa(n-headers))
	}
	if i.get("native-vlan-id") != nil {
		t.fail("native-vlan-id", "untagged frames next to tagged ones are not supported", path...)
	}
	tpids := map[uint16]bool{ctag: true}
	declared := 0
	for _, o := range options {
		for v := range o.get("ethernet-switch-profile").each("tag-protocol-id") {
			n, _ := parseTagProtocol(v.text)
			tpids[n] = true
			declared++
		}
		if p := o.value("ethernet-switch-profile", "storm-control", "profile-name"); p != "" {
			level, ok := t.profile[p]
			if !ok {
				t.fail("storm-control "+p, "storm-control profile '"+p+"' is not defined", append(path, o.schema.name, "ethernet-switch-profile")...)
				continue
			}
			b.At("config").Set("storm-control-kbps", level)
		}
	}
	if declared > maxTPIDs {
		t.fail("tag-protocol-id", fmt.Sprintf("at most %d tag protocol ids may be configured", maxTPIDs), path...)
	}
	p := parent{translator: t, node: i, branch: b, tpids: tpids, taken: make(map[string]string)}
	p.encapsulation = i.value("encapsulation")
	p.tagged = i.get("flexible-vlan-tagging") != nil || i.get("vlan-tagging") != nil || i.get("stacked-vlan-tagging") != nil
	switch e := p.encapsulation; {
	case e == untaggedIn && p.tagged:
		t.fail("encapsulation "+e, "encapsulation "+e+" is not allowed with vlan tagging", path...)
	case (e == "flexible-ethernet-services" || e == "extended-vlan-bridge") && !p.tagged:
		t.fail("encapsulation "+e, "encapsulation "+e+" needs flexible-vlan-tagging or vlan-tagging", path...)
	case strings.HasSuffix(e, "-ccc") || strings.HasSuffix(e, "-vpls"):
		t.fail("encapsulation "+e, "encapsulation "+e+" is not supported", path...)
	}
	for u := range i.each("unit") {
		p.unit(u)
	}
}

// parent is a port or aggregated interface whose units are written.
type parent struct {
	*translator
	node          *node
	branch        tree.Branch
	encapsulation string
	tagged        bool
	tpids         map[uint16]bool
	taken         map[string]string // unit by tags
}

func (p *parent) unit(n *node) {
	path := []string{"interfaces", p.node.text, "unit", n.text}
	u := &unit{parent: p.node.text, number: n.text, node: n}
	p.units[u.name()] = u
	bridge := n.get("family", "bridge")
	routed := n.get("family", "inet") != nil || n.get("family", "inet6") != nil
	encapsulation := n.value("encapsulation")
	tags, ok := p.tags(n, path)
	switch {
	case !ok:
		return
	case encapsulation != "" && encapsulation != "vlan-bridge":
		p.fail("encapsulation "+encapsulation, "encapsulation "+encapsulation+" is not supported", path...)
	case encapsulation != "" && p.encapsulation != "flexible-ethernet-services":
		p.fail("encapsulation "+encapsulation, "Link encapsulation type is not valid for device type", path...)
	case routed && (bridge != nil || encapsulation != ""):
		p.fail("family bridge", "family bridge and family inet may not be configured together", path...)
	case p.encapsulation == untaggedIn:
		u.bridged = bridge != nil
		if n.text != "0" {
			p.fail("unit "+n.text, "only unit 0 is valid for encapsulation ethernet-bridge", path[:2]...)
		}
	case p.encapsulation == "extended-vlan-bridge":
		u.bridged = true
	default:
		u.bridged = encapsulation == "vlan-bridge"
		if bridge != nil && !u.bridged {
			p.fail("family bridge", "family bridge needs encapsulation vlan-bridge, extended-vlan-bridge or ethernet-bridge", path...)
		}
	}
	if u.bridged {
		p.circuit(u, tags, path)
		p.bindings(u, bridge, path)
	}
}

// tags returns the tags of a unit, the outer one first. ok is false if it has been complained of.
func (p *parent) tags(n *node, path []string) (tags []string, ok bool) {
	single, double := n.value("vlan-id"), n.get("vlan-tags")
	statement, key := "vlan-id "+single, single
	if double != nil {
		outer, inner := double.value("outer"), double.value("inner")
		statement = "vlan-tags"
		if outer == "" {
			p.fail(statement, "vlan-tags need an outer tag", path...)
			return nil, false
		}
		tags = append(tags, outer)
		if inner != "" {
			tags = append(tags, inner)
		}
		_, vlan, _, _ := parseTag(outer)
		key = strconv.Itoa(int(vlan))
		if inner != "" {
			_, vlan, _, _ := parseTag(inner)
			key += "." + strconv.Itoa(int(vlan))
		}
	} else if single != "" {
		tags = append(tags, single)
	}
	switch {
	case len(tags) > 0 && !p.tagged:
		p.fail(statement, "VLAN-ID can only be specified on tagged ethernet interfaces", path...)
		return nil, false
	case len(tags) == 0 && p.tagged:
		p.fail("unit "+n.text, "VLAN-ID must be specified on tagged ethernet interfaces", path[:2]...)
		return nil, false
	case single == "0":
		p.fail(statement, "VLAN-ID 0 is not supported", path...)
		return nil, false
	case len(tags) == 2 && p.node.get("vlan-tagging") != nil:
		p.fail(statement, "two tags need flexible-vlan-tagging or stacked-vlan-tagging", path...)
		return nil, false
	}
	if len(tags) > 0 {
		tpid, _, _, _ := parseTag(tags[0])
		key = fmt.Sprintf("%#04x.%s", tpid, key)
		if other, taken := p.taken[key]; taken {
			p.fail(statement, "duplicate VLAN-ID on interface: unit "+other+" has the same", path...)
			return nil, false
		}
		// A single tag and two with the same outer one would both match.
		outer, inner := key, ""
		if len(tags) == 2 {
			i := strings.LastIndexByte(key, '.')
			outer, inner = key[:i], key[:i]+".*"
		}
		other, taken := p.taken[outer]
		if inner == "" {
			other, taken = p.taken[outer+".*"]
		}
		if taken {
			p.fail(statement, "VLAN-ID overlaps unit "+other+": the outer tag is the same", path...)
			return nil, false
		}
		p.taken[key] = n.text
		if inner != "" {
			p.taken[inner] = n.text
		}
		if !p.tpids[tpid] {
			p.fail(statement, fmt.Sprintf("tag-protocol-id %#04x is not configured under ethernet-switch-profile", tpid), path...)
		}
	}
	return tags, true
}

// circuit writes a unit that is bridged.
func (p *parent) circuit(u *unit, tags, path []string) {
	u.circuit = p.branch.At("subinterfaces", "subinterface").Entry(u.number)
	config := u.circuit.At("config")
	config.Set("index", u.number)
	if u.node.get("disable") != nil {
		config.Set("enabled", "false")
	}
	if d := u.node.value("description"); d != "" {
		config.Set("description", d)
	}
	if len(tags) == 0 {
		return
	}
	tpid, outer, _, _ := parseTag(tags[0])
	if tpid != ctag && tpid != 0x88a8 && tpid != 0x9100 {
		p.fail("vlan-tags", fmt.Sprintf("tag-protocol-id %#04x is not supported", tpid), path...)
		return
	}
	config.Set("tpid", fmt.Sprintf("TPID_0X%04X", tpid))
	match := u.circuit.At("vlan", "match")
	if len(tags) == 1 {
		match.At("single-tagged", "config").Set("vlan-id", strconv.Itoa(int(outer)))
		return
	}
	innerTPID, inner, _, _ := parseTag(tags[1])
	if innerTPID != ctag {
		p.fail("vlan-tags", "an inner tag-protocol-id other than 0x8100 is not supported", path...)
	}
	double := match.At("double-tagged", "config")
	double.Set("outer-vlan-id", strconv.Itoa(int(outer)))
	double.Set("inner-vlan-id", strconv.Itoa(int(inner)))
}

// bindings write the filter and policers of a unit.
func (p *parent) bindings(u *unit, bridge *node, path []string) {
	at := append(slices.Clone(path), "family", "bridge")
	for _, name := range []string{"interface-mode", "vlan-id", "storm-control"} {
		if bridge.get(name) != nil {
			p.fail(name, name+" is not supported", at...)
		}
	}
	u.root = bridge.get("core-facing") != nil
	if bridge.get("filter", "output") != nil {
		p.fail("output", "filters on output are not supported", append(at, "filter")...)
	}
	if f := bridge.value("filter", "input", "filter-name"); f != "" {
		if p.root.get("firewall", "family", "bridge").entry("filter", f) == nil {
			p.fail("input "+f, "Referenced filter '"+f+"' is not defined", append(at, "filter")...)
		} else {
			b := p.e.Branch("acl", "interfaces", "interface").Entry(u.name())
			b.At("config").Set("id", u.name())
			u.refer(b)
			set := b.At("ingress-acl-sets", "ingress-acl-set").Entry(f, "ACL_L2").At("config")
			set.Set("set-name", f)
			set.Set("type", "ACL_L2")
		}
	}
	for statement, side := range map[string]string{"input-policer": "input", "output-policer": "output"} {
		name := u.node.value("layer2-policer", statement)
		if name == "" {
			continue
		}
		if p.root.get("firewall").entry("policer", name) == nil {
			p.fail(statement+" "+name, "Referenced policer '"+name+"' is not defined", append(slices.Clone(path), "layer2-policer")...)
			continue
		}
		b := p.e.Branch("qos", "interfaces", "interface").Entry(u.name())
		b.At("config").Set("interface-id", u.name())
		u.refer(b)
		b.At(side, "scheduler-policy", "config").Set("name", name)
	}
}

// refer makes an entry of another list refer to the unit.
func (u *unit) refer(b tree.Branch) {
	ref := b.At("interface-ref", "config")
	ref.Set("interface", u.parent)
	ref.Set("subinterface", u.number)
}
