package eos

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// translation writes a configuration into the OpenConfig tree of a switch whose ports are unused.
type translation struct {
	*config
	edit    *tree.Edit
	ports   map[string]bool
	members map[string][]*line   // of LAGs, by the number
	vlans   map[string]*line     // that forward
	joined  map[string][]circuit // circuits of VLANs
	lists   map[string]bool      // access lists that are written
	live    map[string]circuit   // subinterfaces that carry frames, by name
}

// circuit names a subinterface of the tree.
type circuit struct {
	parent string
	unit   string
}

func (c circuit) name() string { return c.parent + "." + c.unit }

func (n *NOS) translate(c *config, e *tree.Edit) error {
	t := &translation{
		config: c, edit: e, ports: n.ports, members: c.members(), vlans: make(map[string]*line),
		joined: make(map[string][]circuit), lists: make(map[string]bool), live: make(map[string]circuit),
	}
	for _, l := range c.kids {
		if l.command.opens == vlanMode && l.args[0] != "1" && !l.has("state") {
			t.vlans[l.args[0]] = l
		}
	}
	for _, l := range c.sorted() {
		var err error
		switch l.command.opens {
		case port, lag:
			err = t.port(l)
		case sub:
			err = t.sub(l)
		case macList:
			t.list(l.args[0])
		}
		if err != nil {
			return err
		}
	}
	for _, l := range c.sorted() {
		switch l.command.opens {
		case vlanMode:
			t.vlan(l)
		case panel:
			t.patches(l)
		}
	}
	return e.Err()
}

func (t *translation) interfaces() tree.Branch { return t.edit.Branch("interfaces", "interface") }

// port writes a physical port or a LAG.
func (t *translation) port(l *line) error {
	name := l.args[0]
	if l.command.opens == port && !t.ports[name] {
		return nil
	}
	out := t.interfaces().Entry(name)
	config := out.At("config")
	config.Set("name", name)
	config.Set("enabled", strconv.FormatBool(!l.has("shutdown")))
	if d := l.at("description"); d != nil {
		config.Set("description", d.args[0])
	}
	member := l.has("channel-group")
	if !member {
		if mtu := l.arg("l2 mtu"); mtu != "" {
			config.Set("mtu", mtu)
		}
		if pps, err := strconv.ParseUint(l.arg("storm-control all"), 10, 64); err == nil {
			config.Set("storm-control-kbps", strconv.FormatUint(4*pps, 10)) // frames of 500 octets
		}
		if tpid := l.arg("switchport dot1q ethertype"); tpid != "" {
			config.Set("tpid", "TPID_0X"+strings.ToUpper(tpid[2:]))
		}
	}
	if l.command.opens == lag {
		if err := t.lag(l, out); err != nil {
			return err
		}
	} else {
		config.Set("type", "ethernetCsmacd")
		if member {
			out.At("ethernet", "config").Set("aggregate-id", "Port-Channel"+l.at("channel-group").args[0])
		}
	}
	if !member && !l.has("switchport") {
		return t.switchport(l)
	}
	return nil
}

func (t *translation) lag(l *line, out tree.Branch) error {
	name := l.args[0]
	out.At("config").Set("type", "ieee8023adLag")
	modes, timers := make(map[string]bool), make(map[string]bool)
	for _, m := range t.members[strings.TrimPrefix(name, "Port-Channel")] {
		if t.ports[m.args[0]] {
			modes[m.at("channel-group").args[1]] = true
			timers[m.arg("lacp timer")] = true
		}
	}
	if len(modes) > 1 || !modes["on"] && len(timers) > 1 {
		return refuse("Error: members of %s differ in their mode or timer (not supported on this hardware platform)", name)
	}
	config := out.At("aggregation", "config")
	if min := l.arg("port-channel min-links"); min != "" {
		config.Set("min-links", min)
	}
	if modes["on"] {
		config.Set("lag-type", "STATIC")
		return nil
	}
	config.Set("lag-type", "LACP")
	lacp := t.edit.Branch("lacp", "interfaces", "interface").Entry(name).At("config")
	lacp.Set("name", name)
	lacp.Set("lacp-mode", map[bool]string{true: "PASSIVE", false: "ACTIVE"}[modes["passive"]])
	lacp.Set("interval", map[bool]string{true: "FAST", false: "SLOW"}[timers["fast"]])
	if id := l.arg("lacp system-id"); id != "" {
		lacp.Set("system-id-mac", colons(id))
	}
	return nil
}

// switchport writes the circuits of a port that is bridged: unit 0 for untagged frames, and the VLAN's number for others.
func (t *translation) switchport(l *line) error {
	if !l.has("switchport mode") {
		return t.bridge(l, or(l.arg("switchport access vlan"), "1"), "")
	}
	native := or(l.arg("switchport trunk native vlan"), "1")
	allowed := l.arg("switchport trunk allowed vlan")
	numbers, _ := parseVLANs(allowed)
	tags, required := l.translations(), l.has("switchport vlan translation in required")
	if len(tags) > 0 && !required {
		return refuse("Error: %s lets in the VLANs it translates by their own tags too (not supported on this hardware platform)", l.args[0])
	}
	carried := 0
	for vlan := range t.vlans {
		tag := vlan
		if required {
			tag = tags[vlan]
		}
		n, _ := strconv.Atoi(vlan)
		if tag == "" && vlan != native || allowed != "" && !slices.Contains(numbers, n) {
			continue
		}
		if vlan == native {
			tag = ""
		}
		if err := t.bridge(l, vlan, tag); err != nil {
			return err
		}
		carried++
	}
	if carried > 1 && (l.has("service-policy type qos input") || l.has("shape rate")) {
		return refuse("Error: %s has a rate for several VLANs (not supported on this hardware platform)", l.args[0])
	}
	return nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// bridge writes what a port has of a VLAN: the frames with a tag, or those without one if that is empty.
func (t *translation) bridge(l *line, vlan, tag string) error {
	if t.vlans[vlan] == nil {
		return nil
	}
	c := circuit{l.args[0], vlan}
	if tag == "" {
		c.unit = "0"
	}
	out := t.subinterface(c)
	out.At("config").Set("enabled", "true")
	if tag != "" {
		out.At("vlan", "match", "single-tagged", "config").Set("vlan-id", tag)
	}
	t.joined[vlan] = append(t.joined[vlan], c)
	t.filter(l, c)
	return t.rate(l, c)
}

func (t *translation) subinterface(c circuit) tree.Branch {
	out := t.interfaces().Entry(c.parent).At("subinterfaces", "subinterface").Entry(c.unit)
	out.At("config").Set("index", c.unit)
	return out
}

// sub writes a subinterface that carries frames: the others are down on EOS.
func (t *translation) sub(l *line) error {
	name := l.args[0]
	parent, unit, _ := strings.Cut(name, ".")
	above := t.at("interface " + parent)
	client := l.at("encapsulation vlan").at("client")
	switch {
	case client == nil || kindOf(parent) == ethernet && !t.ports[parent]:
		return nil
	case above == nil:
		return refuse("Error: parent interface %s of %s does not exist", parent, name)
	case !above.has("switchport"):
		return nil
	}
	c := circuit{parent, unit}
	out := t.subinterface(c)
	config := out.At("config")
	config.Set("enabled", strconv.FormatBool(!l.has("shutdown")))
	if d := l.at("description"); d != nil {
		config.Set("description", d.args[0])
	}
	words := strings.Fields(client.text)
	match := out.At("vlan")
	switch {
	case words[1] == "untagged":
	case words[2] == "outer":
		double := match.At("match", "double-tagged", "config")
		double.Set("outer-vlan-id", client.args[0])
		double.Set("inner-vlan-id", client.args[1])
	default:
		match.At("match", "single-tagged", "config").Set("vlan-id", client.args[0])
		config.Set("transparent", "true") // whatever tags are behind it
	}
	if words[1] == "dot1ad" {
		config.Set("tpid", "TPID_0X88A8")
	}
	if vlan := l.arg("vlan id"); t.vlans[vlan] != nil {
		t.joined[vlan] = append(t.joined[vlan], c)
	}
	t.live[name] = c
	t.filter(l, c)
	return t.rate(l, c)
}

// filter writes which access list the frames of a subinterface pass.
func (t *translation) filter(l *line, c circuit) {
	list := l.arg("mac access-group")
	if list == "" {
		return
	}
	t.list(list)
	b := t.edit.Branch("acl", "interfaces", "interface").Entry(c.name())
	b.At("config").Set("id", c.name())
	t.refer(b, c)
	set := b.At("ingress-acl-sets", "ingress-acl-set").Entry(list, "ACL_L2").At("config")
	set.Set("set-name", list)
	set.Set("type", "ACL_L2")
}

func (t *translation) refer(b tree.Branch, c circuit) {
	ref := b.At("interface-ref", "config")
	ref.Set("interface", c.parent)
	ref.Set("subinterface", c.unit)
}

// rate writes what polices and shapes a subinterface.
func (t *translation) rate(l *line, c circuit) error {
	in, out := l.arg("service-policy type qos input"), l.arg("shape rate")
	if in == "" && out == "" {
		return nil
	}
	b := t.edit.Branch("qos", "interfaces", "interface").Entry(c.name())
	b.At("config").Set("interface-id", c.name())
	t.refer(b, c)
	if in != "" {
		policy := t.at("policy-map type quality-of-service " + in)
		if policy == nil {
			return refuse("Error: policy-map %s of %s does not exist", in, c.name())
		}
		police := policy.at("class class-default").at("police")
		if police != nil {
			rate, _ := strconv.ParseUint(police.args[0], 10, 64)
			burst, _ := strconv.ParseUint(police.args[2], 10, 64)
			rate *= map[string]uint64{"bps": 1, "kbps": 1e3, "mbps": 1e6, "gbps": 1e9}[police.args[1]]
			burst *= map[string]uint64{"bytes": 1, "kbytes": 1 << 10, "mbytes": 1 << 20}[police.args[3]]
			t.policy(in, rate, burst)
			b.At("input", "scheduler-policy", "config").Set("name", in)
		}
	}
	if out != "" {
		rate, _ := strconv.ParseUint(out, 10, 64)
		name := "shape rate " + out
		t.policy(name, rate*1000, 0)
		b.At("output", "scheduler-policy", "config").Set("name", name)
	}
	return nil
}

func (t *translation) policy(name string, rate, burst uint64) {
	p := t.edit.Branch("qos", "scheduler-policies", "scheduler-policy").Entry(name)
	p.At("config").Set("name", name)
	s := p.At("schedulers", "scheduler").Entry("1")
	s.At("config").Set("sequence", "1")
	s.At("one-rate-two-color", "exceed-action", "config").Set("drop", "true")
	config := s.At("one-rate-two-color", "config")
	config.Set("cir", strconv.FormatUint(rate, 10))
	if burst > 0 {
		config.Set("bc", strconv.FormatUint(burst, 10))
	}
}

// list writes an access list; one that does not exist has no entry, and so permits nothing.
func (t *translation) list(name string) {
	if t.lists[name] {
		return
	}
	t.lists[name] = true
	set := t.edit.Branch("acl", "acl-sets", "acl-set").Entry(name, "ACL_L2")
	set.At("config").Set("name", name)
	set.At("config").Set("type", "ACL_L2")
	l := t.at("mac access-list " + name)
	if l == nil {
		return
	}
	for slot, entry := range l.kids {
		if digits(slot) == 0 {
			continue
		}
		out := set.At("acl-entries", "acl-entry").Entry(slot)
		out.At("config").Set("sequence-id", slot)
		out.At("actions", "config").Set("forwarding-action", map[string]string{"permit": "ACCEPT", "deny": "DROP"}[entry.args[0]])
		rest := entry.args[1:]
		for _, end := range []string{"source-mac", "destination-mac"} {
			if rest[0] == "any" {
				rest = rest[1:]
				continue
			}
			out.At("l2", "config").Set(end, colons(rest[0]))
			out.At("l2", "config").Set(end+"-mask", colons(inverse(rest[1])))
			rest = rest[2:]
		}
	}
}

// colons writes an address such as 0200.0012.3456 with colons.
func colons(dotted string) string {
	d := strings.ReplaceAll(dotted, ".", "")
	return strings.Join([]string{d[:2], d[2:4], d[4:6], d[6:8], d[8:10], d[10:12]}, ":")
}

// inverse turns the bits that do not matter into those that do.
func inverse(dotted string) string {
	n, _ := strconv.ParseUint(strings.ReplaceAll(dotted, ".", ""), 16, 64)
	d := fmt.Sprintf("%012x", ^n&(1<<48-1))
	return d[:4] + "." + d[4:8] + "." + d[8:]
}

func (t *translation) instance(name string, learns bool) tree.Branch {
	out := t.edit.Branch("network-instances", "network-instance").Entry(name)
	config := out.At("config")
	config.Set("name", name)
	config.Set("type", map[bool]string{true: "L2VSI", false: "L2P2P"}[learns])
	return out
}

// vlan writes a bridging domain. One that does not learn is a line of two ends.
func (t *translation) vlan(l *line) {
	number := l.args[0]
	if t.vlans[number] == nil {
		return
	}
	out := t.instance("vlan-"+number, !l.has("mac address learning"))
	vlan := out.At("vlans", "vlan").Entry(number).At("config")
	vlan.Set("vlan-id", number)
	for _, c := range t.joined[number] {
		t.join(out, c)
	}
	tunnels := t.at("interface Vxlan1")
	vni := tunnels.arg("vxlan vlan " + number + " vni")
	if vni == "" || !tunnels.has("vxlan source-interface") || tunnels.has("shutdown") {
		return
	}
	peers := or(tunnels.arg("vxlan vlan "+number+" flood vtep"), tunnels.arg("vxlan flood vtep"))
	if peers == "" {
		return
	}
	point := out.At("connection-points", "connection-point").Entry("remote")
	point.At("config").Set("connection-point-id", "remote")
	for _, peer := range strings.Fields(peers) {
		end := point.At("endpoints", "endpoint").Entry(peer)
		end.At("config").Set("endpoint-id", peer)
		end.At("config").Set("type", "REMOTE")
		end.At("remote", "config").Set("remote-system", peer)
		end.At("remote", "config").Set("virtual-circuit-identifier", vni)
	}
}

func (t *translation) join(instance tree.Branch, c circuit) {
	point := instance.At("connection-points", "connection-point").Entry(c.name())
	point.At("config").Set("connection-point-id", c.name())
	end := point.At("endpoints", "endpoint").Entry(c.name())
	end.At("config").Set("endpoint-id", c.name())
	end.At("config").Set("type", "LOCAL")
	end.At("local", "config").Set("interface", c.parent)
	end.At("local", "config").Set("subinterface", c.unit)
}

func (t *translation) patches(l *line) {
	for _, p := range l.kids {
		out := t.instance("patch-"+p.args[0], false)
		for _, connector := range p.kids {
			if c, ok := t.live[connector.args[1]]; ok {
				t.join(out, c)
			}
		}
	}
}
