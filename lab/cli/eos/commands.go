package eos

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// grammar is everything that can be said.
type grammar struct {
	in          map[mode][]*command
	vlan        *command
	portChannel *command
	ethernet    *command
	count       int
}

func newGrammar() *grammar {
	g := &grammar{in: make(map[mode][]*command)}
	g.addExec()
	add := g.add
	const ports, ends = "port lag", "port lag sub"
	const blocks = ends + " routed vxlan vlan patch mac-list policy-map class bgp management-ssh"

	add("global", "hostname <word>", command{key: 1})
	add("global", "ntp server <address>", command{})
	add("global", "logging host <address>", command{})
	add("global", "spanning-tree mode mstp|rstp|rapid-pvst|none", command{key: 2})
	add("global", "username <word> privilege <0-15> role <word> secret sha512 <word>", command{key: 2})
	add("global", "policy-map type quality-of-service <name>", command{opens: policyMap})
	g.vlan = add("global", "vlan <vlans>", command{opens: vlanMode, edit: editVLANs})
	g.portChannel = add("global", "interface <port-channel>", command{opens: lag, edit: editInterface})
	add("global", "interface <port-channel-sub>", command{opens: sub, edit: editInterface}).rank = g.portChannel.rank
	g.ethernet = add("global", "interface <ethernet>", command{opens: port, edit: editInterface})
	add("global", "interface <ethernet-sub>", command{opens: sub, edit: editInterface}).rank = g.ethernet.rank
	add("global", "interface <loopback>", command{opens: routed, edit: editInterface})
	add("global", "interface <management>", command{opens: routed, edit: editInterface})
	add("global", "interface <vlan-interface>", command{opens: routed, edit: editInterface})
	add("global", "interface <vxlan-interface>", command{opens: vxlan, edit: editInterface})
	add("global", "patch panel", command{opens: panel, empty: true})
	add("global", "mac access-list <name>", command{opens: macList, edit: editList})
	add("global", "ip routing", command{})
	add("global", "ip route <prefix> <address>", command{})
	add("global", "router bgp <1-4294967295>", command{opens: bgp})
	add("global", "management ssh", command{opens: mgmtSSH, empty: true})

	add(ends+" routed vxlan", "description <line>", command{key: 1})
	add(ends+" routed vxlan management-ssh", "shutdown", command{})
	add(ports, "mtu <68-65535>", command{key: 1})
	add(ports, "l2 mtu <68-65535>", command{key: 2})
	add("port", "load-interval <0-600>", command{key: 1})
	add(ports, "switchport", command{negated: true})
	add(ports, "switchport mode access|trunk", command{key: 2, standard: "switchport mode access"})
	add(ports, "switchport access vlan <1-4094>", command{key: 3, standard: "switchport access vlan 1"})
	add(ports, "switchport trunk native vlan <1-4094>", command{key: 4, standard: "switchport trunk native vlan 1"})
	add(ports, "switchport trunk native vlan tag", command{key: 4})
	add(ports, "switchport trunk allowed vlan <vlans>", command{key: 4})
	add(ports, "switchport trunk allowed vlan none|all", command{key: 4, standard: "switchport trunk allowed vlan all"})
	add(ports, "switchport trunk allowed vlan add|remove <vlans>", command{key: 4, edit: editAllowed})
	add(ports, "switchport vlan translation in required", command{})
	add(ports, "switchport vlan translation <1-4094> <1-4094>", command{key: 4, edit: editTranslation})
	add(ports, "switchport dot1q ethertype <ethertype>", command{key: 3, standard: "switchport dot1q ethertype 0x8100", edit: editEthertype})
	add("port", "channel-group <1-2000> mode active|passive|on", command{key: 1, edit: editChannelGroup})
	add("port", "lacp timer fast|normal", command{key: 2, standard: "lacp timer normal"})
	add("port", "lldp transmit|receive", command{negated: true})
	add(ports, "snmp trap link-change", command{negated: true})
	add("lag", "port-channel min-links <0-32>", command{key: 2, standard: "port-channel min-links 0"})
	add("lag", "lacp system-id <mac>", command{key: 2})
	add(ports+" routed", "ip address <prefix>", command{key: 2})
	add(ports, "storm-control all level pps <1-4294967295>", command{key: 2})
	add(ports, "storm-control broadcast|multicast|unknown-unicast level pps <1-4294967295>", command{key: 2, edit: unavailable})
	add("sub", "vlan id <1-4094>", command{key: 2, edit: editVLANID})
	add("sub", "encapsulation vlan", command{opens: encap, empty: true})
	add(ends, "mac access-group <name> in", command{key: 2, edit: editAccessGroup})
	add(ends, "service-policy type qos input <name>", command{key: 4})
	add(ends, "shape rate <8-1000000000> kbps", command{key: 2})

	for _, form := range []string{
		"client untagged", "client untagged network untagged",
		"client dot1q <1-4094>", "client dot1q outer <1-4094> inner <1-4094>",
		"client dot1ad <1-4094>", "client dot1ad outer <1-4094> inner dot1q <1-4094>",
	} {
		add("encap", form, command{key: 1})
	}
	for _, form := range []string{
		"client unmatched", "client dot1q <1-4094> network client", "client dot1ad <1-4094> network client",
		"client dot1q outer <1-4094> inner <1-4094> network client", "client dot1ad outer <1-4094> inner <1-4094>",
	} {
		add("encap", form, command{key: 1, edit: unavailable})
	}

	add("vlan", "name <name>", command{key: 1, edit: editName})
	add("vlan", "state active|suspend", command{key: 1, standard: "state active"})
	add("vlan", "mac address learning", command{negated: true})

	add("vxlan", "vxlan source-interface <loopback>", command{key: 2})
	add("vxlan", "vxlan udp-port <1024-65535>", command{key: 2})
	add("vxlan", "vxlan vlan <1-4094> vni <1-16777214>", command{key: 4})
	add("vxlan", "vxlan flood vtep <addresses>", command{key: 3, edit: editFlood})
	add("vxlan", "vxlan flood vtep add|remove <addresses>", command{key: 3, edit: editFlood})
	add("vxlan", "vxlan vlan <1-4094> flood vtep <addresses>", command{key: 5, edit: editFlood})
	add("vxlan", "vxlan vlan <1-4094> flood vtep add|remove <addresses>", command{key: 5, edit: editFlood})

	add("panel", "patch <name>", command{opens: patchMode})
	connector := add("patch", "connector <name> interface <ethernet-sub>", command{key: 2})
	add("patch", "connector <name> interface <port-channel-sub>", command{key: 2}).rank = connector.rank
	add("patch", "connector <name> interface <interface>", command{key: 2, edit: unavailable})
	add("patch", "connector <name> interface <interface> dot1q vlan <1-4094>", command{key: 2, edit: unavailable})

	add("mac-list", "counters per-entry", command{})
	const station = "<mac> <mac>"
	for _, from := range []string{"<any>", station} {
		for _, to := range []string{"<any>", station} {
			numbered := add("mac-list", "<1-4294967295> permit|deny "+from+" "+to, command{key: 1, edit: editEntry})
			other := add("mac-list", "permit|deny "+from+" "+to, command{edit: editEntry})
			numbered.rank, other.rank = 1, 1 // shown by their numbers
		}
	}

	add("policy-map", "class class-default", command{opens: classMode})
	add("class", "police rate <1-1000000000> bps|kbps|mbps|gbps burst-size <1-1000000000> bytes|kbytes|mbytes", command{key: 1})

	add("bgp", "router-id <address>", command{key: 1})
	add("bgp", "maximum-paths <1-600>", command{key: 1})
	add("bgp", "neighbor <address> remote-as <1-4294967295>", command{key: 3})
	add("bgp", "neighbor <address> description <line>", command{key: 3})
	add("management-ssh", "idle-timeout <0-86400>", command{key: 1})
	add("management-ssh", "connection limit <1-100>", command{key: 2})

	add(blocks, "comment", command{edit: editComment})
	return g
}

// add lets a command in some modes, which are written with blanks between them.
func (g *grammar) add(modes, text string, c command) *command {
	c.words = pattern(text)
	g.count++
	c.rank = g.count
	for _, m := range strings.Fields(modes) {
		g.in[mode(m)] = append(g.in[mode(m)], &c)
	}
	return &c
}

func unavailable(_ *edit, _ *line, _ *call) error {
	return refuse("Unavailable command (not supported on this hardware platform)")
}

func editComment(e *edit, at *line, c *call) error {
	if c.undo == "" {
		return refuse("Unavailable command (a comment is entered as a line that begins with !!)")
	}
	e.changed = e.changed || len(at.comment) > 0
	at.comment = nil
	return nil
}

// each returns the commands for one VLAN each that a command for several stands for.
func (c *call) each() []*call {
	numbers, _ := parseVLANs(c.args[0])
	var all []*call
	for _, n := range numbers {
		one := *c
		number := strconv.Itoa(n)
		one.words, one.args = []string{"vlan", number}, []string{number}
		all = append(all, &one)
	}
	return all
}

func editVLANs(e *edit, at *line, c *call) error {
	for _, one := range c.each() {
		if c.undo != "" {
			e.remove(at, one.name())
		} else {
			e.ensure(at, one)
		}
	}
	return nil
}

func editInterface(e *edit, at *line, c *call) error {
	name := c.args[0]
	switch k := kindOf(name); {
	case c.undo == "":
		physical, _, _ := strings.Cut(name, ".")
		if (k == ethernet || k == ethernetSub) && !e.ports[physical] {
			e.warn = append(e.warn, "! Interface does not exist. The configuration will not take effect until the module is inserted.")
		}
		e.ensure(at, c)
	case c.undo == "no" && (k == ethernet || k == management):
		return refuse("Interface %s is physical and cannot be deleted", name)
	case k == portChannel:
		e.remove(at, c.name())
		for slot, l := range at.kids {
			switch {
			case strings.HasPrefix(slot, c.name()+"."):
				e.remove(at, slot)
			case l.at("channel-group") != nil && "Port-Channel"+l.at("channel-group").args[0] == name:
				e.remove(l, "channel-group")
			}
		}
	default:
		if e.remove(at, c.name()); k == ethernet || k == management {
			e.ensure(at, c)
		}
	}
	return nil
}

func editEthertype(e *edit, at *line, c *call) error {
	if c.undo == "" && !slices.Contains([]string{"0x8100", "0x88a8", "0x9100"}, c.args[0]) {
		return unavailable(e, at, c)
	}
	return e.plain(at, c)
}

// editAllowed changes what a trunk carries, which is every VLAN unless something is said.
func editAllowed(e *edit, at *line, c *call) error {
	if c.undo != "" {
		return e.plain(at, c)
	}
	was := at.arg(c.name())
	if was == "" {
		was = "1-4094"
	}
	have, _ := parseVLANs(was)
	said, _ := parseVLANs(c.args[1])
	have = slices.DeleteFunc(have, func(v int) bool { return slices.Contains(said, v) })
	if c.args[0] == "add" {
		have = append(have, said...)
		slices.Sort(have)
	}
	list := or(formatVLANs(have), "none")
	if list == "1-4094" {
		e.remove(at, c.name())
	} else if list != was {
		at.put(c.name(), &line{command: c.command, text: c.name() + " " + list, args: []string{list}})
		e.changed = true
	}
	return nil
}

// translations returns the tag of each VLAN that has another on a port, or is said to have the same.
func (l *line) translations() map[string]string {
	tags := make(map[string]string)
	for _, kid := range l.kids {
		if len(kid.args) == 2 && strings.HasPrefix(kid.text, "switchport vlan translation ") {
			tags[kid.args[1]] = kid.args[0]
		}
	}
	return tags
}

func editTranslation(e *edit, at *line, c *call) error {
	if c.undo == "" {
		if tag, ok := at.translations()[c.args[1]]; ok && tag != c.args[0] {
			return refuse("Error: VLAN %s is translated from %s already", c.args[1], tag)
		}
	}
	return e.plain(at, c)
}

func editChannelGroup(e *edit, at *line, c *call) error {
	if c.undo != "" {
		return e.plain(at, c)
	}
	for _, l := range e.config.kids {
		other := l.at("channel-group")
		if other != nil && other.args[0] == c.args[0] && (other.args[1] == "on") != (c.args[1] == "on") {
			return refuse("Cannot change mode; remove all members and try again.")
		}
	}
	name := "Port-Channel" + c.args[0]
	e.ensure(&e.config.line, &call{command: e.grammar.portChannel, words: []string{"interface", name}, args: []string{name}})
	return e.plain(at, c)
}

func editVLANID(e *edit, at *line, c *call) error {
	if c.undo == "" && c.args[0] != "1" && !e.config.has("vlan "+c.args[0]) {
		e.warn = append(e.warn, "! VLAN does not exist. Creating vlan "+c.args[0])
		e.ensure(&e.config.line, &call{command: e.grammar.vlan, words: []string{"vlan", c.args[0]}, args: []string{c.args[0]}})
	}
	return e.plain(at, c)
}

func editAccessGroup(e *edit, at *line, c *call) error {
	if c.undo == "" && !e.config.has("mac access-list "+c.args[0]) {
		e.warn = append(e.warn, fmt.Sprintf("! MAC access list %s does not exist; until it does, nothing is permitted", c.args[0]))
	}
	return e.plain(at, c)
}

func editName(e *edit, at *line, c *call) error {
	if n, err := strconv.Atoi(at.args[0]); c.undo == "" && err == nil && c.args[0] == fmt.Sprintf("VLAN%04d", n) {
		e.remove(at, c.name())
		return nil
	}
	return e.plain(at, c)
}

// editFlood keeps the list of tunnel endpoints in ascending order.
func editFlood(e *edit, at *line, c *call) error {
	name := strings.Join(c.words[:c.key], " ")
	var list, said []string
	if old := at.at(name); old != nil {
		list = strings.Fields(old.args[len(old.args)-1])
	}
	rest := c.words[c.key:]
	if len(rest) > 0 {
		said = strings.Fields(rest[len(rest)-1])
	}
	remove := c.undo != "" || len(rest) > 1 && rest[0] == "remove"
	switch {
	case c.undo != "" && len(said) == 0:
		list = nil
	case remove:
		list = slices.DeleteFunc(list, func(a string) bool { return slices.Contains(said, a) })
	case len(rest) > 1:
		list = append(list, said...)
	default:
		list = said
	}
	slices.SortFunc(list, func(a, b string) int { return netip.MustParseAddr(a).Compare(netip.MustParseAddr(b)) })
	list = slices.Compact(list)
	if len(list) == 0 {
		e.remove(at, name)
		return nil
	}
	all := strings.Join(list, " ")
	if old := at.at(name); old == nil || old.args[len(old.args)-1] != all {
		at.put(name, &line{command: c.command, text: name + " " + all, args: []string{all}})
		e.changed = true
	}
	return nil
}

// editList opens an access list. What is said in its mode takes effect when that is left.
func editList(e *edit, at *line, c *call) error {
	if c.undo != "" {
		e.remove(at, c.name())
		return nil
	}
	if old := at.at(c.name()); old != nil {
		e.draft = old.clone()
	} else {
		e.draft = &line{command: c.command, text: c.text(), args: c.args}
	}
	return nil
}

func editEntry(e *edit, at *line, c *call) error {
	sequence, rule := "", strings.Join(c.words, " ")
	if c.key == 1 {
		sequence, rule = c.words[0], strings.Join(c.words[1:], " ")
	}
	numbers := slices.SortedFunc(maps.Keys(at.kids), natural)
	numbers = slices.DeleteFunc(numbers, func(slot string) bool { return digits(slot) == 0 })
	if c.undo != "" {
		for _, n := range numbers {
			if n == sequence || sequence == "" && at.kids[n].text == n+" "+rule {
				e.remove(at, n)
			}
		}
		return nil
	}
	if sequence == "" {
		last := uint64(0)
		if len(numbers) > 0 {
			last, _ = strconv.ParseUint(numbers[len(numbers)-1], 10, 64)
		}
		sequence = strconv.FormatUint(last+10, 10)
		if last+10 > 1<<32-1 {
			return refuse("Error: no sequence number is left")
		}
	}
	text := sequence + " " + rule
	if old := at.at(sequence); old != nil {
		if old.text == text {
			return nil
		}
		return refuse("Error: sequence number %s is in use", sequence)
	}
	at.put(sequence, &line{command: c.command, text: text, args: strings.Fields(rule)})
	e.changed = true
	return nil
}

// members returns the names of the ports of each channel group, and what their blocks say.
func (c *config) members() map[string][]*line {
	all := make(map[string][]*line)
	for _, l := range c.kids {
		if g := l.at("channel-group"); g != nil {
			all[g.args[0]] = append(all[g.args[0]], l)
		}
	}
	for _, list := range all {
		slices.SortFunc(list, func(a, b *line) int { return natural(a.text, b.text) })
	}
	return all
}
