package junos

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/lab/switchd/tree"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// operationalCommands are those of the operational mode.
func operationalCommands() []command {
	return []command{
		{words: "configure", quiet: true, run: func(c *call) error { return c.configure(shared) }},
		{words: "configure exclusive", quiet: true, run: func(c *call) error { return c.configure(exclusive) }},
		{words: "configure private", quiet: true, run: func(c *call) error { return c.configure(private) }},
		{words: "exit", quiet: true, run: (*call).logout},
		{words: "quit", quiet: true, run: (*call).logout},
		{words: "set cli complete-on-space", args: true, quiet: true, run: (*call).completeOnSpace},
		{words: "set cli screen-length", args: true, quiet: true, run: (*call).screenLength},
		{words: "set cli screen-width", args: true, quiet: true, run: (*call).screenWidth},
		{words: "show bridge mac-table", run: (*call).showStations},
		{words: "show cli", run: (*call).showCLI},
		{words: "show configuration", args: true, run: (*call).showRunning},
		{words: "show firewall", args: true, run: (*call).showFirewall},
		{words: "show interfaces", args: true, run: (*call).showInterfaces},
		{words: "show lacp interfaces", args: true, run: (*call).showLACP},
		{words: "show system commit", run: (*call).showCommits},
		{words: "show system rollback", args: true, run: (*call).showRollback},
		{words: "show system users", run: (*call).showUsers},
		{words: "show version", run: (*call).showVersion},
	}
}

func (c *call) logout() error {
	c.result.noLonger = true
	return nil
}

// number reads the only argument of a command.
func (c *call) number(allowed func(int) bool, limits string) (int, error) {
	if c.done() {
		return 0, c.missing()
	}
	w := c.next()
	n, err := strconv.Atoi(w.text)
	switch {
	case err != nil || w.quoted:
		return 0, &fault{w.at, fmt.Errorf("invalid numeric value: '%s'", w.text)}
	case !allowed(n):
		return 0, &fault{w.at, fmt.Errorf("error: Value %d is not within range (%s)", n, limits)}
	case !c.done():
		return 0, &fault{c.words[0].at, errSyntax}
	}
	return n, nil
}

func (c *call) screenLength() error {
	n, err := c.number(func(n int) bool { return n >= 0 && n <= 100000 }, "0..100000")
	if err != nil {
		return err
	}
	if c.t != nil {
		c.t.SetLength(n)
	}
	c.printf("Screen length set to %d\n", n)
	return nil
}

func (c *call) screenWidth() error {
	n, err := c.number(func(n int) bool { return n == 0 || n >= 40 && n <= 1024 }, "40..1024")
	if err != nil {
		return err
	}
	if c.t != nil {
		c.t.SetWidth(n)
	}
	c.printf("Screen width set to %d\n", n)
	return nil
}

func (c *call) completeOnSpace() error {
	if c.done() {
		return c.missing()
	}
	w := c.next()
	if !w.is("on") && !w.is("off") || !c.done() {
		return &fault{w.at, errSyntax}
	}
	c.noSpace = w.text == "off"
	if c.noSpace {
		c.printf("Disabling complete-on-space\n")
	} else {
		c.printf("Enabling complete-on-space\n")
	}
	return nil
}

func (c *call) showCLI() error {
	space := "on"
	if c.noSpace {
		space = "off"
	}
	c.printf("CLI complete-on-space set to %s\n", space)
	if c.t != nil {
		width, length := c.t.Size()
		c.printf("CLI screen-length set to %d\nCLI screen-width set to %d\n", length, width)
	}
	return nil
}

// showRunning runs `show configuration`.
func (c *call) showRunning() error {
	n := c.nos
	n.mu.Lock()
	defer n.mu.Unlock()
	root := n.running()
	if len(c.words) == 0 {
		c.result.text = fmt.Appendf(nil, "## Last commit: %s by %s\n", stamp(n.history[0].time), n.history[0].by)
	}
	return c.showFrom(root, nil)
}

// showRollback runs `show system rollback N`.
func (c *call) showRollback() error {
	number, err := c.number(func(n int) bool { return n >= 0 && n < maxHistory }, "0..49")
	if err != nil {
		return err
	}
	n := c.nos
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running()
	if number >= len(n.history) {
		return errNoRollback
	}
	c.result.node = n.history[number].root
	return nil
}

func (c *call) showCommits() error {
	n := c.nos
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running()
	info := tell("commit-information")
	for i, h := range n.history {
		c.printf("%-3d %s by %s via %s%s\n", i, stamp(h.time), h.by, h.via, h.note)
		entry := tell("commit-history",
			fact("sequence-number", strconv.Itoa(i)), fact("user", h.by), fact("client", h.via), fact("date-time", stamp(h.time)))
		if note := strings.TrimSpace(h.note); note != "" {
			entry.add(fact("comment", note))
		}
		if h.comment != "" {
			c.printf("    %s\n", h.comment)
			entry.add(fact("log", h.comment))
		}
		info.add(entry)
	}
	c.result.data = info
	return nil
}

func (c *call) showUsers() error {
	n := c.nos
	n.mu.Lock()
	defer n.mu.Unlock()
	c.printf("Users currently editing the configuration:\n%s", n.editing(n.editors))
	return nil
}

func (c *call) showVersion() error {
	n := c.nos
	n.mu.Lock()
	defer n.mu.Unlock()
	host := cmp.Or(n.running().value("system", "host-name"), n.o.Name)
	version := n.running().value("version")
	c.printf("Hostname: %s\nModel: mx204\nJunos: %s\n", host, version)
	c.result.data = tell("software-information",
		fact("host-name", host), fact("product-model", "mx204"), fact("product-name", "mx204"), fact("junos-version", version))
	return nil
}

// styles are how much `show interfaces` may say. All but terse and descriptions are the same here.
func styles() []string {
	return []string{"brief", "descriptions", "detail", "extensive", "media", "statistics", "terse"}
}

// selection reads the name of an interface, and a style, from the end of a command.
func (c *call) selection(styles []string) (name, style string, err error) {
	for !c.done() {
		w := c.next()
		switch {
		case style == "" && slices.Contains(styles, w.text):
			style = w.text
		case name == "" && style == "" && !w.quoted:
			name = w.text
		default:
			return "", "", &fault{w.at, errSyntax}
		}
	}
	return name, style, nil
}

func upOrDown(text string) string {
	if text == "UP" {
		return "up"
	}
	return "down"
}

func orZero(text string) string { return cmp.Or(text, "0") }

// statistics are the counters of an interface.
func statistics(n tree.Node) *item {
	at := n.At("state", "counters")
	return tell("traffic-statistics",
		fact("input-bytes", orZero(at.Text("in-octets"))), fact("output-bytes", orZero(at.Text("out-octets"))),
		fact("input-packets", orZero(at.Text("in-pkts"))), fact("output-packets", orZero(at.Text("out-pkts"))))
}

func (c *call) showInterfaces() error {
	name, style, err := c.selection(styles())
	if err != nil {
		return err
	}
	state, err := c.nos.sw.State()
	if err != nil {
		return errSaid(err.Error())
	}
	c.nos.mu.Lock()
	configured := c.nos.running().get("interfaces")
	c.nos.mu.Unlock()
	var names []string
	list := state.At("interfaces", "interface")
	for i := range list.Entries() {
		names = append(names, i.Key(0))
	}
	slices.SortFunc(names, switchcfg.CompareNames)
	parent, unit := cutUnit(name)
	info := tell("interface-information")
	switch style {
	case "terse":
		c.printf("%-24sAdmin Link Proto    Local                 Remote\n", "Interface")
	case "descriptions":
		c.printf("%-16sAdmin Link Description\n", "Interface")
	}
	for _, n := range names {
		if name == "" || n == parent {
			info.add(c.physical(list.Entry(n), configured.entry("interface", n), style, unit))
		}
	}
	if name != "" && len(info.kids) == 0 {
		return errSaid("device " + parent + " not found")
	}
	c.result.data = info
	return nil
}

// physical says what a device and its units do.
func (c *call) physical(n tree.Node, configured *node, style, unit string) *item {
	admin, oper := upOrDown(n.Text("state", "admin-status")), upOrDown(n.Text("state", "oper-status"))
	counters := n.At("state", "counters")
	device := tell("physical-interface", fact("name", n.Key(0)), fact("admin-status", admin), fact("oper-status", oper))
	description := configured.value("description")
	if description != "" {
		device.add(fact("description", description))
	}
	device.add(statistics(n))
	switch {
	case style == "terse":
		c.printf("%-24s%-6s%s\n", n.Key(0), admin, oper)
	case style == "descriptions" && description != "":
		c.printf("%-16s%-6s%-5s%s\n", n.Key(0), admin, oper, description)
	case style == "descriptions":
	default:
		enabled := "Enabled"
		if admin != "up" {
			enabled = "Administratively down"
		}
		c.printf("Physical interface: %s, %s, Physical link is %s\n", n.Key(0), enabled, strings.ToUpper(oper[:1])+oper[1:])
		if description != "" {
			c.printf("  Description: %s\n", description)
		}
		c.printf("  Input packets : %s\n  Output packets: %s\n", orZero(counters.Text("in-pkts")), orZero(counters.Text("out-pkts")))
	}
	for sub := range n.At("subinterfaces", "subinterface").Entries() {
		if unit == "" || sub.Key(0) == unit {
			device.add(c.logical(n.Key(0), sub, configured.entry("unit", sub.Key(0)), style))
		}
	}
	return device
}

func (c *call) logical(parent string, sub tree.Node, configured *node, style string) *item {
	name := parent + "." + sub.Key(0)
	admin, oper := upOrDown(sub.Text("state", "admin-status")), upOrDown(sub.Text("state", "oper-status"))
	flags := tell("if-config-flags")
	if oper == "up" {
		flags.add(mark("iff-up"))
	} else {
		flags.add(mark("iff-down"))
	}
	unit := tell("logical-interface", fact("name", name), fact("admin-status", admin), fact("oper-status", oper), flags)
	description := configured.value("description")
	if description != "" {
		unit.add(fact("description", description))
	}
	unit.add(statistics(sub))
	switch {
	case style == "terse":
		c.printf("%-24s%-6s%-5s%s\n", name, admin, oper, "bridge")
	case style == "descriptions" && description != "":
		c.printf("%-16s%-6s%-5s%s\n", name, admin, oper, description)
	case style == "descriptions":
	default:
		c.printf("  Logical interface %s\n    Flags: %s\n", name, strings.ToUpper(oper[:1])+oper[1:])
	}
	return unit
}

func yesNo(text string) string {
	if text == "true" {
		return "Yes"
	}
	return "No"
}

func (c *call) showLACP() error {
	name, _, err := c.selection(nil)
	if err != nil {
		return err
	}
	state, err := c.nos.sw.State()
	if err != nil {
		return errSaid(err.Error())
	}
	list := tell("lacp-interface-information-list")
	for l := range state.At("lacp", "interfaces", "interface").Entries() {
		if name == "" || name == l.Key(0) {
			list.add(c.lacp(l))
		}
	}
	if name != "" && len(list.kids) == 0 {
		return errSaid("device " + name + " not found or LACP does not run on it")
	}
	c.result.data = list
	return nil
}

// lacp says what LACP does on the members of an aggregated interface.
func (c *call) lacp(l tree.Node) *item {
	info := tell("lacp-interface-information", tell("lag-lacp-header", fact("aggregate-name", l.Key(0))))
	c.printf("Aggregated interface: %s\n    LACP state:       Role   Exp   Def  Dist  Col  Syn  Aggr  Timeout  Activity\n", l.Key(0))
	var protocol []string
	for m := range l.At("members", "member").Entries() {
		s := m.At("state")
		timeout, activity := "Slow", "Passive"
		if s.Text("timeout") == "SHORT" {
			timeout = "Fast"
		}
		if s.Text("activity") == "ACTIVE" {
			activity = "Active"
		}
		sync := "No"
		if s.Text("synchronization") == "IN_SYNC" {
			sync = "Yes"
		}
		dist, col, aggr := yesNo(s.Text("distributing")), yesNo(s.Text("collecting")), yesNo(s.Text("aggregatable"))
		defaulted := "No"
		if s.Text("partner-id") == "" {
			defaulted = "Yes"
		}
		c.printf("      %-12s   Actor    No  %4s  %4s %4s %4s  %4s  %7s  %8s\n", m.Key(0), defaulted, dist, col, sync, aggr, timeout, activity)
		info.add(tell("lag-lacp-state",
			fact("name", m.Key(0)), fact("lacp-role", "Actor"), fact("lacp-expired", "No"), fact("lacp-defaulted", defaulted),
			fact("lacp-distributing", dist), fact("lacp-collecting", col), fact("lacp-synchronization", sync),
			fact("lacp-aggregation", aggr), fact("lacp-timeout", timeout), fact("lacp-activity", activity)))
		mux := "Detached"
		switch {
		case dist == "Yes":
			mux = "Collecting distributing"
		case col == "Yes":
			mux = "Collecting"
		case sync == "Yes":
			mux = "Attached"
		}
		receive := "Current"
		if defaulted == "Yes" {
			receive = "Defaulted"
		}
		protocol = append(protocol, fmt.Sprintf("      %-12s%15s  %16s %s\n", m.Key(0), receive, timeout+" periodic", mux))
		info.add(tell("lag-lacp-protocol", fact("name", m.Key(0)), fact("lacp-receive-state", receive),
			fact("lacp-transmit-state", timeout+" periodic"), fact("lacp-mux-state", mux)))
	}
	c.printf("    LACP protocol:        Receive State  Transmit State          Mux State\n%s", strings.Join(protocol, ""))
	return info
}

func (c *call) showStations() error {
	state, err := c.nos.sw.State()
	if err != nil {
		return errSaid(err.Error())
	}
	info := tell("l2ald-rtb-macdb")
	for i := range state.At("network-instances", "network-instance").Entries() {
		entries := i.At("fdb", "mac-table", "entries", "entry")
		if entries.Len() == 0 {
			continue
		}
		c.printf("Routing instance : default-switch\n Bridging domain : %s, VLAN : NA\n   MAC                 MAC      Logical\n   address             flags    interface\n", i.Key(0))
		for e := range entries.Entries() {
			ref := e.At("interface", "interface-ref", "state")
			name := "vtep.32769"
			if parent := ref.Text("interface"); parent != "" {
				name = parent + "." + ref.Text("subinterface")
			}
			address := strings.ToLower(e.Key(0))
			c.printf("   %s   D        %s\n", address, name)
			info.add(tell("l2ald-mac-entry",
				fact("l2-mac-routing-instance", "default-switch"), fact("l2-mac-bridging-domain", i.Key(0)),
				fact("l2-bridge-vlan", "none"), fact("l2-mac-address", address), fact("l2-mac-flags", "D"),
				fact("l2-mac-logical-interface", name)))
		}
		c.printf("\n")
	}
	c.result.data = info
	return nil
}

// tally is a counter of a filter.
type tally struct {
	name            string
	packets, octets uint64
}

func (c *call) showFirewall() error {
	name := ""
	if !c.done() {
		if w := c.next(); !w.is("filter") || c.done() {
			return &fault{w.at, errSyntax}
		}
		name = c.next().text
		if !c.done() {
			return &fault{c.words[0].at, errSyntax}
		}
	}
	state, err := c.nos.sw.State()
	if err != nil {
		return errSaid(err.Error())
	}
	c.nos.mu.Lock()
	filters := c.nos.running().get("firewall", "family", "bridge")
	c.nos.mu.Unlock()
	info := tell("firewall-information")
	for f := range filters.each("filter") {
		if name != "" && name != f.text {
			continue
		}
		c.printf("\nFilter: %s\nCounters:\n%-48s %14s %14s\n", f.text, "Name", "Bytes", "Packets")
		filter := tell("filter-information", fact("filter-name", f.text))
		for _, t := range tallies(f, state.At("acl", "acl-sets", "acl-set").Entry(f.text, "ACL_L2")) {
			c.printf("%-48s %14d %14d\n", t.name, t.octets, t.packets)
			filter.add(tell("counter", fact("counter-name", t.name),
				fact("packet-count", strconv.FormatUint(t.packets, 10)), fact("byte-count", strconv.FormatUint(t.octets, 10))))
		}
		info.add(filter)
	}
	if name != "" && len(info.kids) == 0 {
		return errSaid("filter " + name + " not found")
	}
	c.result.data = info
	return nil
}

// tallies adds what the entries of a filter have counted for each of its counters.
func tallies(f *node, set tree.Node) []tally {
	var all []tally
	var t translator
	number := 0
	for term := range f.each("term") {
		sum := tally{name: term.value("then", "count")}
		for range t.rules(f, term) {
			number += 10
			state := set.At("acl-entries", "acl-entry").Entry(strconv.Itoa(number)).At("state")
			packets, _ := strconv.ParseUint(state.Text("matched-packets"), 10, 64)
			octets, _ := strconv.ParseUint(state.Text("matched-octets"), 10, 64)
			sum.packets, sum.octets = sum.packets+packets, sum.octets+octets
		}
		i := slices.IndexFunc(all, func(o tally) bool { return o.name == sum.name })
		switch {
		case sum.name == "":
		case i >= 0:
			all[i].packets, all[i].octets = all[i].packets+sum.packets, all[i].octets+sum.octets
		default:
			all = append(all, sum)
		}
	}
	return all
}
