package eos

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// cutPipes returns a command and what its output is piped through.
func cutPipes(text string) (command string, pipes [][]string, err error) {
	parts := strings.Split(text, " | ")
	for _, p := range parts[1:] {
		verb, arg, _ := strings.Cut(strings.TrimSpace(p), " ")
		arg = strings.Trim(arg, " \"")
		switch verb {
		case "json", "no-more", "nz":
			if arg != "" {
				return "", nil, refuse("Invalid input (at token 1: '%s')", arg)
			}
		case "include", "exclude", "begin", "section":
			if _, err := regexp.Compile(arg); err != nil || arg == "" {
				return "", nil, refuse("Invalid regular expression: '%s'", arg)
			}
		default:
			return "", nil, refuse("Invalid input (at token 0: '%s')", verb)
		}
		pipes = append(pipes, []string{verb, arg})
	}
	return parts[0], pipes, nil
}

// print writes output that is text.
func (s *shell) print(text string) error {
	for _, p := range s.pipes {
		if p[0] == "json" {
			return refuse("This is an unconverted command")
		}
		text = filter(text, p[0], p[1])
	}
	_, err := io.WriteString(s.out, text)
	return err
}

func filter(text, verb, arg string) string {
	if verb == "no-more" || verb == "nz" {
		return text
	}
	found := regexp.MustCompile("(?i)" + arg) // cutPipes has tried it
	if verb == "section" {
		return section(text, found)
	}
	var out strings.Builder
	begun := false
	for l := range strings.Lines(text) {
		hit := found.MatchString(strings.TrimRight(l, "\n"))
		begun = begun || hit
		if verb == "include" && hit || verb == "exclude" && !hit || verb == "begin" && begun {
			out.WriteString(l)
		}
	}
	return out.String()
}

// section returns the blocks of which a line is found: the heads above it, it, and what is below it.
func section(text string, found *regexp.Regexp) string {
	type open struct {
		indent int
		text   string
	}
	var out strings.Builder
	var heads []open // not shown yet
	below := -1      // the indent of a line that was found
	for l := range strings.Lines(text) {
		indent := len(l) - len(strings.TrimLeft(l, " "))
		if below >= 0 && indent > below {
			out.WriteString(l)
			continue
		}
		below = -1
		heads = slices.DeleteFunc(heads, func(o open) bool { return o.indent >= indent })
		if strings.HasPrefix(l, "!") || !found.MatchString(strings.TrimRight(l, "\n")) {
			heads = append(heads, open{indent, l})
			continue
		}
		for i := range heads {
			out.WriteString(heads[i].text)
			heads[i].text = ""
		}
		out.WriteString(l)
		below = indent
	}
	return out.String()
}

// tell writes output that is a value: as JSON, or else as text.
func (s *shell) tell(value any, text func() string) error {
	if len(s.pipes) == 0 || s.pipes[0][0] != "json" {
		return s.print(text())
	}
	s.pipes = s.pipes[1:]
	b, err := json.MarshalIndent(value, "", "    ")
	if err != nil {
		return err
	}
	return s.print(string(b) + "\n")
}

// head is a configuration as it is shown, from the lines at its head to the end marker.
func (s *shell) head(c *config, command string) string {
	return fmt.Sprintf("! Command: %s\n! device: %s (vEOS-lab, EOS-%s)\n!\n! boot system flash:/vEOS-lab.swi\n!\n%send\n",
		command, or(c.arg("hostname"), "localhost"), version, c.text())
}

type object = map[string]any

// addShow adds the commands that show something.
func (g *grammar) addShow() {
	add := func(text string, run func(*shell, *call) error) { g.add("exec configuring", text, command{run: run}) }
	plain := func(text string, run func(*shell, *call) error) {
		g.add("exec configuring", text, command{run: run, plain: true})
	}

	config := func(s *shell, c *call) error { return s.print(s.head(s.nos.running(), c.text())) }
	add("show running-config", config)
	add("show startup-config", config)
	add("show running-config section <line>", func(s *shell, c *call) error {
		found, err := regexp.Compile("(?i)" + c.args[0])
		if err != nil {
			return refuse("Invalid regular expression: '%s'", c.args[0])
		}
		return s.print(section(string(s.nos.running().text()), found))
	})
	add("show session-config named <name>", func(s *shell, c *call) error {
		at, _, err := s.named(c.args[0])
		if err != nil {
			return err
		}
		s.nos.mu.Lock()
		text := s.head(at.candidate, c.text())
		s.nos.mu.Unlock()
		return s.print(text)
	})
	add("show session-config named <name> diffs", func(s *shell, c *call) error {
		at, _, err := s.named(c.args[0])
		if err != nil {
			return err
		}
		return s.print(string(s.diffs(at)))
	})
	add("show configuration sessions", (*shell).showSessions)
	add("show configuration sessions detail", (*shell).showSessions)
	plain("show version", (*shell).showVersion)
	plain("show hostname", func(s *shell, _ *call) error {
		name := or(s.nos.running().arg("hostname"), "localhost")
		return s.tell(object{"hostname": name, "fqdn": name}, func() string {
			return "Hostname: " + name + "\nFQDN:     " + name + "\n"
		})
	})
	plain("show clock", func(s *shell, _ *call) error {
		now := time.Now().UTC()
		return s.tell(object{"utcTime": seconds(now), "timezone": "UTC"}, func() string {
			return now.Format("Mon Jan _2 15:04:05 2006") + "\nTimezone: UTC\nClock source: local\n"
		})
	})
	plain("show interfaces", func(s *shell, _ *call) error { return s.showInterfaces("") })
	plain("show interfaces <interface>", func(s *shell, c *call) error { return s.showInterfaces(c.args[0]) })
	plain("show interfaces status", (*shell).showStatus)
	plain("show port-channel dense", (*shell).showPortChannels)
	plain("show port-channel detailed", (*shell).showPortChannels)
	plain("show lacp neighbor", (*shell).showLACP)
	plain("show lacp peer", (*shell).showLACP)
	plain("show mac address-table", (*shell).showStations)
	plain("show vlan", (*shell).showVLANs)
	plain("show mac access-lists", (*shell).showLists)
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func (s *shell) showVersion(*call) error {
	s.nos.mu.Lock()
	up := time.Since(s.nos.booted)
	s.nos.mu.Unlock()
	return s.tell(object{
		"mfgName": "Arista", "modelName": "vEOS-lab", "version": version, "architecture": "x86_64",
		"serialNumber": "LAB-" + s.nos.o.Name, "systemMacAddress": "02:1a:b0:00:00:01", "uptime": up.Seconds(),
		"bootupTimestamp": seconds(time.Now().Add(-up)),
	}, func() string {
		return fmt.Sprintf("Arista vEOS-lab\nHardware version:\nSerial number: LAB-%s\nSystem MAC address: 021a.b000.0001\n\n"+
			"Software image version: %s\nArchitecture: x86_64\n\nUptime: %s\n", s.nos.o.Name, version, up.Round(time.Second))
	})
}

func (s *shell) showSessions(*call) error {
	n := s.nos
	n.mu.Lock()
	n.expire()
	sessions := make([]session, len(n.sessions))
	for i, o := range n.sessions {
		sessions[i] = *o
		sessions[i].lines = slices.Clone(o.lines)
	}
	n.mu.Unlock()
	slices.SortFunc(sessions, func(a, b session) int { return strings.Compare(a.name, b.name) })
	all := object{}
	for _, o := range sessions {
		inside := object{}
		for i, l := range o.lines {
			inside[strconv.Itoa(1000+i)] = object{"user": o.user, "terminal": l, "currentTerminal": l == s.line}
		}
		entry := object{"state": o.state, "commitUser": o.by, "description": "", "instances": inside}
		if !o.ended.IsZero() {
			entry["completedTime"] = seconds(o.ended)
		}
		if o.state == timer {
			entry["commitBy"] = seconds(o.deadline)
		}
		all[o.name] = entry
	}
	return s.tell(object{
		"sessions": all, "maxSavedSessions": maxCompleted, "maxOpenSessions": n.o.Pending,
		"mergeOnCommit": false, "saveToStartupConfigOnCommit": false,
	}, func() string {
		var b strings.Builder
		fmt.Fprintf(&b, "Maximum number of completed sessions: %d\nMaximum number of pending sessions: %d\n", maxCompleted, n.o.Pending)
		b.WriteString("Merge on commit is disabled\nAutosave to startup-config on commit is disabled\n\n")
		for _, o := range sessions {
			if o.state == timer {
				left := time.Until(o.deadline).Round(time.Second)
				fmt.Fprintf(&b, "Session with pending commit timer: %s\nTime left until commit timer expiry: in %d:%02d:%02d\n\n",
					o.name, int(left.Hours()), int(left.Minutes())%60, int(left.Seconds())%60)
			}
		}
		const row = "%s %-24s %-19s %-10s %-10s %-20s %s\n"
		fmt.Fprintf(&b, row, " ", "Name", "State", "User", "Terminal", "Completed Time", "Committed By")
		fmt.Fprintf(&b, row, "-", strings.Repeat("-", 24), strings.Repeat("-", 19), strings.Repeat("-", 10), strings.Repeat("-", 10),
			strings.Repeat("-", 20), strings.Repeat("-", 12))
		for _, o := range sessions {
			mark, user, ended := " ", "", ""
			if slices.Contains(o.lines, s.line) {
				mark = "*"
			}
			if len(o.lines) > 0 {
				user = o.user
			}
			if !o.ended.IsZero() {
				ended = o.ended.UTC().Format(time.DateTime)
			}
			b.WriteString(strings.TrimRight(fmt.Sprintf(row, mark, o.name, o.state, user, strings.Join(o.lines, ","), ended, o.by), " \n") + "\n")
		}
		return b.String()
	})
}

// operational is what is shown of interfaces.
type operational struct {
	config *config
	tree   *tree.Tree
}

func (s *shell) operational() (*operational, error) {
	c := s.nos.running()
	t, err := s.nos.sw.State()
	if err != nil {
		return nil, err
	}
	return &operational{c, t}, nil
}

// interfaces returns what EOS says of interfaces, by name.
func (o *operational) interfaces() map[string]object {
	all := make(map[string]object)
	for _, l := range o.config.kids {
		if !strings.HasPrefix(l.text, "interface ") {
			continue
		}
		name := l.args[0]
		state := o.state(name)
		enabled, up := !l.has("shutdown"), state.Text("state", "oper-status") == "UP"
		if k := kindOf(name); k == loopback || k == management || k == tunnel || k == svi {
			up = enabled
		}
		out := object{"name": name, "interfaceStatus": status(enabled, up), "lineProtocolStatus": map[bool]string{true: "up", false: "down"}[up]}
		if d := l.at("description"); d != nil {
			out["description"] = d.args[0]
		} else {
			out["description"] = ""
		}
		counters := state.At("state", "counters")
		if counters.Exists() {
			out["interfaceCounters"] = object{
				"inOctets": count(counters, "in-octets"), "inUcastPkts": count(counters, "in-pkts"), "inMulticastPkts": 0, "inBroadcastPkts": 0,
				"inDiscards": count(counters, "in-discards"), "outOctets": count(counters, "out-octets"), "outUcastPkts": count(counters, "out-pkts"),
				"outMulticastPkts": 0, "outBroadcastPkts": 0, "outDiscards": count(counters, "out-discards"),
			}
		}
		if kindOf(name) == portChannel {
			carrying := object{}
			for _, m := range o.carrying(name) {
				carrying[m] = object{}
			}
			out["memberInterfaces"] = carrying
		}
		all[name] = out
	}
	return all
}

func status(enabled, up bool) string {
	switch {
	case !enabled:
		return "disabled"
	case up:
		return "connected"
	}
	return "notconnect"
}

func count(n tree.Node, name string) uint64 {
	v, _ := strconv.ParseUint(n.Text(name), 10, 64) // the schema has only numbers there
	return v
}

// state returns what the tree says of an interface.
func (o *operational) state(name string) tree.Node {
	parent, unit, dotted := strings.Cut(name, ".")
	i := o.tree.At("interfaces", "interface").Entry(parent)
	if dotted {
		return i.At("subinterfaces", "subinterface").Entry(unit)
	}
	return i
}

// carrying returns the members of a LAG by which frames leave.
func (o *operational) carrying(name string) []string {
	var all []string
	for _, m := range o.config.members()[strings.TrimPrefix(name, "Port-Channel")] {
		at := o.member(name, m.args[0])
		static := m.at("channel-group").args[1] == "on" && o.state(m.args[0]).Text("state", "oper-status") == "UP"
		if static || at.Text("distributing") == "true" && o.state(m.args[0]).Text("state", "oper-status") == "UP" {
			all = append(all, m.args[0])
		}
	}
	return all
}

func (o *operational) member(lag, port string) tree.Node {
	return o.tree.At("lacp", "interfaces", "interface").Entry(lag).At("members", "member").Entry(port).At("state")
}

func sortedNames[T any](all map[string]T) []string { return slices.SortedFunc(maps.Keys(all), natural) }

func (s *shell) showInterfaces(only string) error {
	o, err := s.operational()
	if err != nil {
		return err
	}
	all := o.interfaces()
	if only != "" {
		if all[only] == nil {
			return refuse("Interface does not exist")
		}
		all = map[string]object{only: all[only]}
	}
	return s.tell(object{"interfaces": all}, func() string {
		var b strings.Builder
		for _, name := range sortedNames(all) {
			i := all[name]
			fmt.Fprintf(&b, "%s is %s, line protocol is %s (%s)\n", name, map[bool]string{true: "administratively down", false: i["lineProtocolStatus"].(string)}[i["interfaceStatus"] == "disabled"],
				i["lineProtocolStatus"], i["interfaceStatus"])
			if i["description"] != "" {
				fmt.Fprintf(&b, "  Description: %s\n", i["description"])
			}
			if c, ok := i["interfaceCounters"].(object); ok {
				fmt.Fprintf(&b, "     %d packets input, %d bytes\n     %d input discards\n", c["inUcastPkts"], c["inOctets"], c["inDiscards"])
				fmt.Fprintf(&b, "     %d packets output, %d bytes\n     %d output discards\n", c["outUcastPkts"], c["outOctets"], c["outDiscards"])
			}
		}
		return b.String()
	})
}

func (s *shell) showStatus(*call) error {
	o, err := s.operational()
	if err != nil {
		return err
	}
	all := o.interfaces()
	statuses := object{}
	for name, i := range all {
		statuses[name] = object{"description": i["description"], "linkStatus": i["interfaceStatus"], "lineProtocolStatus": i["lineProtocolStatus"]}
	}
	return s.tell(object{"interfaceStatuses": statuses}, func() string {
		var b strings.Builder
		fmt.Fprintf(&b, "%-14s %-30s %-12s\n", "Port", "Name", "Status")
		for _, name := range sortedNames(all) {
			fmt.Fprintf(&b, "%-14s %-30s %-12s\n", shortName(name), all[name]["description"], all[name]["interfaceStatus"])
		}
		return b.String()
	})
}

func (s *shell) showPortChannels(*call) error {
	o, err := s.operational()
	if err != nil {
		return err
	}
	all := make(map[string]object)
	members := o.config.members()
	for _, l := range o.config.kids {
		if l.command.opens != lag {
			continue
		}
		name := l.args[0]
		carrying := o.carrying(name)
		active, inactive := object{}, object{}
		for _, m := range members[strings.TrimPrefix(name, "Port-Channel")] {
			entry := object{"protocol": map[bool]string{true: "static", false: "lacp"}[m.at("channel-group").args[1] == "on"]}
			if slices.Contains(carrying, m.args[0]) {
				active[m.args[0]] = entry
			} else {
				inactive[m.args[0]] = entry
			}
		}
		all[name] = object{"activePorts": active, "inactivePorts": inactive}
	}
	return s.tell(object{"portChannels": all}, func() string {
		var b strings.Builder
		for _, name := range sortedNames(all) {
			fmt.Fprintf(&b, "Port Channel %s:\n", name)
			for _, kind := range []string{"activePorts", "inactivePorts"} {
				ports := all[name][kind].(object)
				fmt.Fprintf(&b, "  %s: %s\n", map[string]string{"activePorts": "Active Ports", "inactivePorts": "Configured, but inactive ports"}[kind],
					strings.Join(sortedNames(ports), " "))
			}
		}
		return b.String()
	})
}

func (s *shell) showLACP(*call) error {
	o, err := s.operational()
	if err != nil {
		return err
	}
	all := make(map[string]object)
	for group, members := range o.config.members() {
		name := "Port-Channel" + group
		ports := object{}
		for _, m := range members {
			at := o.member(name, m.args[0])
			if !at.Exists() {
				continue
			}
			partner := strings.ReplaceAll(or(at.Text("partner-id"), "00:00:00:00:00:00"), ":", "-")
			carrying := at.Text("collecting") == "true" && at.Text("distributing") == "true"
			flag := func(leaf, on string) bool { return at.Text(leaf) == on }
			ports[m.args[0]] = object{
				"actorPortStatus": map[bool]string{true: "bundled", false: "unselected"}[carrying],
				"partnerSystemId": "8000," + partner, "partnerPortId": count(at, "partner-port-num"), "partnerPortPriority": 32768,
				"partnerOperKey": fmt.Sprintf("0x%04x", count(at, "partner-key")),
				"partnerPortState": object{
					"aggregation": flag("aggregatable", "true"), "synchronization": flag("synchronization", "IN_SYNC"),
					"collecting": flag("collecting", "true"), "distributing": flag("distributing", "true"),
				},
			}
		}
		if len(ports) > 0 {
			all[name] = object{"interfaces": ports}
		}
	}
	return s.tell(object{"portChannels": all}, func() string {
		var b strings.Builder
		for _, name := range sortedNames(all) {
			fmt.Fprintf(&b, "Port Channel %s:\n", name)
			ports := all[name]["interfaces"].(object)
			for _, p := range sortedNames(ports) {
				entry := ports[p].(object)
				fmt.Fprintf(&b, "  %-8s %-12s %s\n", shortName(p), entry["actorPortStatus"], entry["partnerSystemId"])
			}
		}
		return b.String()
	})
}

func (s *shell) showStations(*call) error {
	o, err := s.operational()
	if err != nil {
		return err
	}
	entries := []object{}
	for i := range o.tree.At("network-instances", "network-instance").Entries() {
		vlan, err := strconv.Atoi(strings.TrimPrefix(i.Key(0), "vlan-"))
		if err != nil {
			continue
		}
		for e := range i.At("fdb", "mac-table", "entries", "entry").Entries() {
			ref := e.At("interface", "interface-ref", "state")
			name := "Vxlan1"
			if parent := ref.Text("interface"); parent != "" {
				if name = parent; o.config.at("interface " + parent).has("switchport") {
					name += "." + ref.Text("subinterface")
				}
			}
			entries = append(entries, object{"macAddress": e.Key(0), "vlanId": vlan, "interface": name, "entryType": "dynamic"})
		}
	}
	return s.tell(object{"unicastTable": object{"tableEntries": entries}, "multicastTable": object{"tableEntries": []object{}}}, func() string {
		var b strings.Builder
		b.WriteString("          Mac Address Table\n------------------------------------------------------------------\n\nVlan    Mac Address       Type        Ports\n----    -----------       ----        -----\n")
		for _, e := range entries {
			mac, _ := macAddress(e["macAddress"].(string))
			fmt.Fprintf(&b, "%4d    %s    DYNAMIC     %s\n", e["vlanId"], mac, shortName(e["interface"].(string)))
		}
		fmt.Fprintf(&b, "Total Mac Addresses for this criterion: %d\n", len(entries))
		return b.String()
	})
}

func (s *shell) showVLANs(*call) error {
	c := s.nos.running()
	all := map[string]object{"1": {"name": "default", "status": "active", "interfaces": object{}}}
	for _, l := range c.kids {
		if l.command.opens == vlanMode {
			n, _ := strconv.Atoi(l.args[0])
			all[l.args[0]] = object{
				"name": or(l.arg("name"), fmt.Sprintf("VLAN%04d", n)), "status": map[bool]string{true: "suspended", false: "active"}[l.has("state")],
				"interfaces": object{},
			}
		}
	}
	for _, l := range c.kids {
		if v := all[l.arg("vlan id")]; v != nil && l.command.opens == sub {
			v["interfaces"].(object)[l.args[0]] = object{}
		}
	}
	return s.tell(object{"vlans": all}, func() string {
		var b strings.Builder
		fmt.Fprintf(&b, "%-5s %-32s %-9s %s\n", "VLAN", "Name", "Status", "Ports")
		for _, n := range sortedNames(all) {
			var ports []string
			for _, p := range sortedNames(all[n]["interfaces"].(object)) {
				ports = append(ports, shortName(p))
			}
			b.WriteString(strings.TrimRight(fmt.Sprintf("%-5s %-32s %-9s %s", n, all[n]["name"], all[n]["status"], strings.Join(ports, ", ")), " ") + "\n")
		}
		return b.String()
	})
}

func (s *shell) showLists(*call) error {
	o, err := s.operational()
	if err != nil {
		return err
	}
	lists := []object{}
	var b strings.Builder
	for _, l := range o.config.sorted() {
		if l.command.opens != macList {
			continue
		}
		state := o.tree.At("acl", "acl-sets", "acl-set").Entry(l.args[0], "ACL_L2")
		fmt.Fprintf(&b, "MAC Access List %s\n", l.args[0])
		entries := []object{}
		for _, e := range l.sorted() {
			sequence, _, _ := strings.Cut(e.text, " ")
			hits := count(state.At("acl-entries", "acl-entry").Entry(sequence).At("state"), "matched-packets")
			fmt.Fprintf(&b, "        %s [match %d packets]\n", e.text, hits)
			entries = append(entries, object{"text": e.text, "counterData": object{"packetCount": hits}})
		}
		lists = append(lists, object{"name": l.args[0], "sequence": entries})
	}
	return s.tell(object{"aclList": lists}, b.String)
}
