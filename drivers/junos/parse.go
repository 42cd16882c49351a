package junos

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/clitext"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// parse reads the answer to `show configuration | display set`.
func parse(c *drivers.Capabilities, text []byte) (switchcfg.State, rest, error) {
	w := speech(c)
	text, err := checked(text)
	if err != nil {
		return nil, rest{}, err
	}
	tree, err := clitext.Parse(dialect(w), text)
	if err != nil {
		return nil, rest{}, err
	}
	if !tree.Root().Child("version").Valid() {
		return nil, rest{}, errors.New("the answer says nothing of the version")
	}
	r := reader{
		words: w, caps: c, state: make(switchcfg.State), rest: rest{down: make(map[string]bool), guests: make(map[string]string)},
		joins: make(map[string]join), members: make(map[string][]string), odd: make(map[string]string), harmless: harmless(),
		hidden: hidden{names: make(map[switchcfg.Key]string)},
	}
	r.read(tree.Root())
	return r.state, r.rest, nil
}

// checked returns the answer with each line's form proved: a line is one statement, or takes one out of force. A protected
// statement is one that is not ours to change, as one that is not in force, and becomes such.
func checked(text []byte) ([]byte, error) {
	if len(text) == 0 || text[len(text)-1] != '\n' {
		return nil, errors.New("the answer ends within a line")
	}
	out := make([]byte, 0, len(text))
	n := 0
	for line := range bytes.Lines(text) {
		n++
		verb, what, _ := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(" "))
		switch v := string(verb); {
		case len(what) > 0 && (v == "set" || v == "deactivate"):
			out = append(append(out, v...), ' ')
		case len(what) > 0 && v == "protect":
			out = append(out, "deactivate "...)
		default:
			return nil, fmt.Errorf("line %d of the answer is no statement: %.60q", n, line)
		}
		out = append(append(out, what...), '\n')
	}
	return out, nil
}

// reader turns a configuration into a state.
type reader struct {
	*words
	caps     *drivers.Capabilities
	state    switchcfg.State
	rest     rest
	hidden   hidden
	harmless map[string]bool
	joins    map[string]join     // what services say of subinterfaces, by "ae10.300"
	members  map[string][]string // ports by LAG
	odd      map[string]string   // why a member is not understood, by LAG
	storms   clitext.Node
	filters  clitext.Node
}

// join is what services say of one subinterface.
type join struct {
	service string
	times   int
	limit   uint32
	drop    bool
	off     bool
}

func (r *reader) read(root clitext.Node) {
	r.hidden.read(r.words, root)
	n, _ := number(value(down(root, "chassis", "aggregated-devices", "ethernet", "device-count")), 1152)
	r.rest.devices = int(n)
	r.rest.tunnels = value(down(root, "switch-options", "vtep-source-interface")) != ""
	r.storms = down(root, "forwarding-options", "storm-control-profiles")
	r.hidden.storms = r.hidden.storms || root.Child("forwarding-options").Inactive() || r.storms.Inactive()
	r.filters = down(root, "firewall", "family", r.family, "filter")
	for n := range down(root, "firewall", "policer").Children() {
		r.policer(n)
	}
	for n := range r.filters.Children() {
		r.filter(n)
	}
	for n := range root.Child(r.services).Children() {
		r.service(n)
	}
	ports := make(map[string]*port)
	var lags []string
	interfaces := root.Child("interfaces")
	for n := range interfaces.Children() {
		name := n.Text()
		if _, lag := aggregate(name); lag {
			lags = append(lags, name)
		} else if !physical(name) {
			continue
		}
		p := r.port(n)
		ports[name] = p
		if p.lag != "" {
			r.members[p.lag] = append(r.members[p.lag], name)
			if ports[p.lag] == nil && !interfaces.Child(p.lag).Valid() {
				ports[p.lag] = new(port)
				lags = append(lags, p.lag)
			}
		}
	}
	for name, p := range ports {
		if _, lag := aggregate(name); !lag {
			r.settlePort(name, p)
		}
	}
	for _, name := range lags {
		r.settleLAG(name, ports[name])
	}
	for k, why := range r.hidden.names {
		if _, lag := aggregate(k.Name); k.Kind == switchcfg.KindInterface && ports[k.Name] == nil && (lag || physical(k.Name)) {
			r.opaque(portKey(k.Name), clitext.Node{}, "", why)
		}
	}
	for name, j := range r.joins {
		k, err := switchcfg.ParseKey("circuit " + name)
		if _, ok := r.state[k].(*switchcfg.Circuit); err != nil || !ok {
			r.rest.guests[j.service] = name
		}
	}
}

// portKey returns the key of a port or LAG.
func portKey(name string) switchcfg.Key {
	if _, lag := aggregate(name); lag {
		return switchcfg.Key{Kind: switchcfg.KindLAG, Name: name}
	}
	return switchcfg.Key{Kind: switchcfg.KindInterface, Name: name}
}

// opaque puts what is not understood into the state.
func (r *reader) opaque(k switchcfg.Key, n clitext.Node, at, why string) {
	const most = 8
	var text []string
	if n.Valid() {
		text = statements(nil, n, at, most)
	}
	r.state.Put(&switchcfg.Opaque{At: k, Why: why, Text: text})
}

// statements appends the statements below a node, at most a number.
func statements(out []string, n clitext.Node, at string, most int) []string {
	at += " " + n.Text()
	leaf := true
	for c := range n.Children() {
		leaf = false
		if len(out) < most && (c.Text() != "unit" || n.Len() == 1) { // subinterfaces are objects of their own
			out = statements(out, c, at, most)
		}
	}
	if leaf && len(out) < most {
		out = append(out, fmt.Sprintf("%.200s", at))
	}
	return out
}

// down returns the node that is reached by the names, which may be none.
func down(n clitext.Node, names ...string) clitext.Node {
	for _, name := range names {
		n = n.Child(name)
	}
	return n
}

// value returns the word that ends a statement; "" if there is none or more than one.
func value(n clitext.Node) string {
	out := ""
	for c := range n.Children() {
		if out != "" || c.Len() > 0 {
			return ""
		}
		out = clitext.Unquote(c.Text())
	}
	return out
}

// name returns the word that n is, without quotes.
func name(n clitext.Node) string { return clitext.Unquote(n.Text()) }

// ends reports whether a statement ends with n.
func ends(n clitext.Node) bool { return n.Valid() && n.Len() == 0 }

// quantity reads a number as Junos shows it: 100000000 or 100m.
func quantity(s string) (uint64, bool) {
	factor := uint64(1)
	if s != "" {
		switch s[len(s)-1] {
		case 'k':
			factor = 1000
		case 'm':
			factor = 1_000_000
		case 'g':
			factor = 1_000_000_000
		}
		if factor > 1 {
			s = s[:len(s)-1]
		}
	}
	n, ok := number(s, 1<<40)
	return n * factor, ok
}

func (r *reader) policer(n clitext.Node) {
	rate, ok := switchcfg.ParsePolicerName(name(n))
	if !ok {
		return
	}
	o := &switchcfg.Policer{Rate: rate}
	why := r.hidden.why(o.Key())
	limits, then := n.Child("if-exceeding"), n.Child("then")
	bandwidth, ok1 := quantity(value(limits.Child("bandwidth-limit")))
	size, ok2 := quantity(value(limits.Child("burst-size-limit")))
	switch {
	case why != "":
	case off(n):
		why = inactive
	case !ok1 || !ok2 || bandwidth != uint64(rate)*1000 || size != burst(rate) || limits.Len() != 2:
		why = "its limits are not those of its name"
	case n.Len() != 2 || then.Len() != 1 || !ends(then.Child("discard")):
		why = "it does not just discard"
	default:
		r.state.Put(o)
		return
	}
	r.opaque(o.Key(), n, "firewall policer", why)
}

func (r *reader) filter(n clitext.Node) {
	name := name(n)
	o := &switchcfg.Filter{Name: name}
	why := r.hidden.why(o.Key())
	if why == "" && off(n) {
		why = inactive
	}
	if why == "" {
		why = terms(o, n)
	}
	switch {
	case why == "":
		r.state.Put(o)
	case strings.HasPrefix(name, switchcfg.Prefix):
		r.opaque(o.Key(), n, "firewall family "+r.family+" filter", why)
	}
}

// terms reads the terms of a filter, in their order, and returns why they are not understood, or "".
func terms(o *switchcfg.Filter, n clitext.Node) string {
	var names []string
	list := n.Child("term")
	for t := range list.Children() {
		names = append(names, t.Text())
	}
	order := strings.Join(names, " ")
	o.AnySource = order == "control any"
	if n.Len() != 1 || !o.AnySource && order != "control rest" && order != "control members rest" {
		return "its terms are not control, members and rest or any"
	}
	does := func(term, action string) bool {
		t, then := list.Child(term), down(list, term, "then")
		from := 0
		if t.Child("from").Valid() {
			from = 1
		}
		return t.Len() == 1+from && then.Len() == 2 && value(then.Child("count")) == term && ends(then.Child(action))
	}
	control := down(list, "control", "from")
	if control.Len() != 1 || value(control.Child("destination-mac-address")) != reserved || !does("control", "discard") {
		return "it does not drop the reserved addresses first"
	}
	last, action := "rest", "discard"
	if o.AnySource {
		last, action = "any", "accept"
	}
	if down(list, last, "from").Valid() || !does(last, action) {
		return "its last term does not count and " + action + " all that is left"
	}
	if len(names) == 2 {
		return ""
	}
	from := down(list, "members", "from")
	if from.Len() != 1 || from.Child("source-mac-address").Len() == 0 || !does("members", "accept") {
		return "its members are not just known by their addresses"
	}
	for a := range from.Child("source-mac-address").Children() {
		text, _ := strings.CutSuffix(a.Text(), "/48")
		m, err := switchcfg.ParseMAC(text)
		if err != nil || a.Len() > 0 || m.String() != text || !m.Unicast() {
			return fmt.Sprintf("%.60q is not the address of one member", a.Text())
		}
		o.Sources = append(o.Sources, m)
	}
	return ""
}

func (r *reader) service(n clitext.Node) {
	o := &switchcfg.Service{Name: name(n), Type: switchcfg.ServiceLAN}
	for i := range n.Child("interface").Children() {
		j := r.joins[i.Text()]
		j.service = o.Name
		j.times++
		j.off = j.off || i.Inactive() || n.Inactive() || r.hidden.why(o.Key()) == inactive
		r.joins[i.Text()] = j
	}
	why := r.hidden.why(o.Key())
	if why == "" && off(n) {
		why = inactive
	}
	if why == "" {
		why = r.learns(o, n)
	}
	if why == "" {
		r.state.Put(o)
		return
	}
	r.opaque(o.Key(), n, r.services, why)
}

// learns reads a service into o and returns why it is not understood, or "".
func (r *reader) learns(o *switchcfg.Service, n clitext.Node) string {
	vlan := ""
	line, tree := false, false
	for c := range n.Children() {
		ok := true
		switch c.Text() {
		case "description":
			o.Description = value(c)
			ok = o.Description != ""
		case "vlan-id":
			vlan = value(c)
			ok = vlan != ""
		case "no-local-switching":
			tree, ok = true, ends(c)
		case "interface":
			for i := range c.Children() {
				ok = ok && i.Len() == 0
			}
		case r.options:
			for x := range c.Children() {
				switch x.Text() {
				case "no-mac-learning":
					line = true
					ok = ok && ends(x)
				case "interface":
					for i := range x.Children() {
						ok = r.limit(o.Name, i) && ok
					}
				default:
					ok = false
				}
			}
		case "vxlan":
			ok = tunnel(o, c)
		default:
			ok = false
		}
		if !ok {
			return fmt.Sprintf("its %.60s is not understood", c.Text())
		}
	}
	if vlan != r.noVLAN {
		v, ok := number(vlan, 4094)
		if !ok || v == 0 {
			return fmt.Sprintf("%.60q is not one VLAN", vlan)
		}
		o.VLAN = switchcfg.VLANID(v)
	}
	switch {
	case line && tree:
		return "it is a line and a tree"
	case line:
		o.Type = switchcfg.ServiceLine
	case tree:
		o.Type = switchcfg.ServiceTree
	}
	return ""
}

// limit reads what a service says of the addresses of one subinterface.
func (r *reader) limit(service string, n clitext.Node) bool {
	limits := n.Child("interface-mac-limit")
	if n.Len() != 1 || limits.Len() == 0 || limits.Len() > 2 || limits.Len() == 2 && !limits.Child("packet-action").Valid() {
		return false
	}
	j := r.joins[n.Text()]
	if j.service != service {
		return false
	}
	for c := range limits.Children() {
		if c.Text() == "packet-action" {
			j.drop = value(c) == "drop"
			continue
		}
		v, ok := number(c.Text(), 1<<32-1)
		if !ok || v == 0 || c.Len() > 0 {
			return false
		}
		j.limit = uint32(v)
	}
	r.joins[n.Text()] = j
	return true
}

func tunnel(o *switchcfg.Service, n clitext.Node) bool {
	vni, ok := number(value(n.Child("vni")), 1<<24-2)
	if !ok || vni == 0 || !ends(n.Child("ingress-node-replication")) {
		return false
	}
	o.VNI = uint32(vni)
	peers := n.Child("static-remote-vtep-list")
	for p := range peers.Children() {
		a, err := netip.ParseAddr(p.Text())
		if err != nil || a.String() != p.Text() || p.Len() > 0 {
			return false
		}
		o.Peers = append(o.Peers, a)
	}
	return n.Len() == 2 || n.Len() == 3 && peers.Valid()
}

// port is what the configuration says of a port or LAG.
type port struct {
	node          clitext.Node
	description   string
	down          bool
	mtu           uint16
	tpids         []switchcfg.TPID
	storm         switchcfg.Kbps
	flexible      bool
	encapsulation string
	lag           string
	group         switchcfg.LAG // what a LAG says of itself
	idle          bool          // nothing is said but whether it is shut down
	uses          use           // what its subinterfaces ask of it
	routed        bool
	off           bool   // it is not in force
	why           string // it is not understood, if not ""
}

func (r *reader) port(n clitext.Node) *port {
	name := n.Text()
	p := &port{node: n, idle: true, off: n.Inactive() || n.Child("unit").Inactive()}
	_, isLAG := aggregate(name)
	for c := range n.Children() {
		ok, idle := true, false
		switch c.Text() {
		case "description":
			p.description = value(c)
			ok = p.description != ""
		case "disable":
			p.down, idle, ok = true, true, ends(c)
		case "mtu":
			m, good := number(value(c), 1<<16-1+headroom)
			ok = good && m > headroom
			p.mtu = uint16(m - headroom)
		case "flexible-vlan-tagging":
			p.flexible, ok = true, ends(c)
		case "encapsulation":
			p.encapsulation = value(c)
			ok = p.encapsulation != ""
		case "unit":
			for u := range c.Children() {
				r.unit(p, name, u)
			}
		default:
			switch {
			case !isLAG && (c.Text() == r.words.port || c.Text() == r.storm) || isLAG && c.Text() == r.aggregate:
				idle = true
				for x := range c.Children() {
					if r.harmless[x.Text()] {
						continue
					}
					idle = false
					ok = r.option(p, c.Text(), x) && ok
				}
			case r.harmless[c.Text()]:
				idle = true
			default:
				ok = false
			}
		}
		p.idle = p.idle && idle
		if p.off || c.Text() != "unit" && off(c) {
			p.why = inactive
		}
		if !ok && p.why == "" {
			p.why = fmt.Sprintf("its %.60s is not understood", c.Text())
		}
	}
	if why := r.hidden.why(switchcfg.Key{Kind: switchcfg.KindInterface, Name: name}); why != "" {
		p.why = why
	}
	return p
}

// option reads one of the options of a port or LAG.
func (r *reader) option(p *port, in string, n clitext.Node) bool {
	switch n.Text() {
	case "802.3ad":
		if _, ok := aggregate(value(n)); ok {
			p.lag = value(n)
		}
		return p.lag != "" && in == r.words.port
	case "minimum-links":
		v, ok := number(value(n), 1<<16-1)
		p.group.MinLinks = uint16(v)
		return ok && v > 0 && in == r.aggregate
	case "lacp":
		return in == r.aggregate && lacp(&p.group, n)
	case "ethernet-switch-profile":
		for c := range n.Children() {
			switch c.Text() {
			case "tag-protocol-id":
				for t := range c.Children() {
					v, err := switchcfg.ParseTPID(t.Text())
					if err != nil || v.String() != t.Text() || t.Len() > 0 || in != r.words.port && in != r.aggregate {
						return false
					}
					p.tpids = append(p.tpids, v)
				}
			case "storm-control":
				var ok bool
				if p.storm, ok = r.profile(value(c)); !ok || in != r.storm && in != r.aggregate {
					return false
				}
			default:
				return false
			}
		}
		return true
	}
	return false
}

// lacp reads the protocol's statements. Without a word of activity a LAG is passive, and without one of the interval
// it asks for fast LACPDUs: these are the defaults of Junos.
func lacp(o *switchcfg.LAG, n clitext.Node) bool {
	o.Mode, o.Rate, o.Passive = switchcfg.ModeLACP, switchcfg.RateFast, true
	for c := range n.Children() {
		switch c.Text() {
		case "active":
			if o.Passive = false; !ends(c) || n.Child("passive").Valid() {
				return false
			}
		case "passive":
			if !ends(c) {
				return false
			}
		case "periodic":
			if o.Rate = switchcfg.LACPRate(value(c)); o.Rate != switchcfg.RateFast && o.Rate != switchcfg.RateSlow {
				return false
			}
		case "system-id":
			m, err := switchcfg.ParseMAC(value(c))
			if err != nil || m == (switchcfg.MAC{}) || m.String() != value(c) {
				return false
			}
			o.SystemID = m
		default:
			return false
		}
	}
	return true
}

// profile returns the limit of a storm control profile of ours.
func (r *reader) profile(name string) (switchcfg.Kbps, bool) {
	digits, ok := strings.CutPrefix(name, stormPrefix)
	digits, k := strings.CutSuffix(digits, "k")
	limit, good := number(digits, 1<<32-1)
	p := r.storms.Child(name)
	level, same := quantity(value(down(p, "all", "bandwidth-level")))
	return switchcfg.Kbps(limit), ok && k && good && limit > 0 && same && level == limit && p.Len() == 1 && p.Child("all").Len() == 1 && !off(p) && !r.hidden.storms
}

// unit reads one subinterface.
func (r *reader) unit(p *port, parent string, n clitext.Node) {
	v, ok := number(n.Text(), 1<<32-1)
	if !ok {
		p.why = fmt.Sprintf("its unit %.60q has no number", n.Text())
		return
	}
	o := &switchcfg.Circuit{Parent: parent, Unit: uint32(v)}
	why, core := r.match(o, n)
	name := switchcfg.CircuitName(parent, o.Unit)
	j := r.joins[name]
	service := switchcfg.Key{Kind: switchcfg.KindService, Name: j.service}
	svc, _ := r.state[service].(*switchcfg.Service)
	switch {
	case p.off:
		why = inactive
	case r.hidden.why(o.Key()) != "":
		why = r.hidden.why(o.Key())
	case why != "":
	case j.times != 1:
		why = fmt.Sprintf("it joins %d services", j.times)
	case off(n) || j.off:
		why = inactive
	case (j.limit > 0) != j.drop:
		why = "its limit of addresses does not drop what is above"
	case core && (svc == nil || svc.Type != switchcfg.ServiceTree):
		why = "it faces the core and its service is no tree"
	}
	if svc != nil && svc.Type == switchcfg.ServiceTree {
		o.Role = switchcfg.RoleLeaf
		if core {
			o.Role = switchcfg.RoleRoot
		}
	}
	for f := range n.Child("family").Children() {
		p.routed = p.routed || f.Text() != r.family
	}
	if why != "" {
		tagged := false
		for c := range n.Children() {
			tagged = tagged || strings.HasPrefix(c.Text(), "vlan-")
		}
		p.uses.tagged, p.uses.untagged = p.uses.tagged || tagged, p.uses.untagged || !tagged
		r.opaque(o.Key(), n, "interfaces "+parent+" unit", why)
		return
	}
	o.Service, o.MACLimit = j.service, j.limit
	p.uses.add(o.Match)
	r.state.Put(o)
}

// match reads a subinterface into o. It returns why that is not understood, and whether it faces the core.
func (r *reader) match(o *switchcfg.Circuit, n clitext.Node) (why string, core bool) {
	encapsulation := ""
	for c := range n.Children() {
		ok := true
		switch c.Text() {
		case "description":
			o.Description = value(c)
			ok = o.Description != ""
		case "disable":
			o.Shutdown, ok = true, ends(c)
		case "encapsulation":
			encapsulation = value(c)
		case "vlan-id":
			v, good := number(value(c), 4094)
			ok = good && v > 0 && !n.Child("vlan-tags").Valid()
			o.Match = switchcfg.MatchSingle(switchcfg.TPIDCustomer, switchcfg.VLANID(v))
		case "vlan-tags":
			o.Match, ok = tags(c)
		case "family":
			f := c.Child(r.family)
			ok = c.Len() == 1 && f.Valid()
			for x := range f.Children() {
				switch x.Text() {
				case "core-facing":
					core = true
					ok = ok && ends(x)
				case "filter":
					o.Filter = value(x.Child("input"))
					if ok = ok && x.Len() == 1 && o.Filter != ""; ok && r.state[switchcfg.Key{Kind: switchcfg.KindFilter, Name: o.Filter}] == nil {
						return fmt.Sprintf("its filter %.60s is not understood", o.Filter), core
					}
				default:
					ok = false
				}
			}
		case "layer2-policer":
			for x := range c.Children() {
				rate, good := switchcfg.ParsePolicerName(value(x))
				switch x.Text() {
				case "input-policer":
					o.RateIn = rate
				case "output-policer":
					o.RateOut = rate
				default:
					good = false
				}
				ok = ok && good
			}
		default:
			ok = r.harmless[c.Text()]
		}
		if !ok {
			return fmt.Sprintf("its %.60s is not understood", c.Text()), core
		}
	}
	want := r.words.unit
	if o.Match.Form == switchcfg.Untagged {
		want = ""
	}
	switch {
	case encapsulation != want:
		return fmt.Sprintf("its encapsulation is %.60q, not %q", encapsulation, want), core
	case o.Match.Form == switchcfg.Untagged && o.Unit != r.caps.UntaggedUnit:
		return fmt.Sprintf("frames without a tag are those of unit %d", r.caps.UntaggedUnit), core
	}
	return "", core
}

// tags reads vlan-tags.
func tags(n clitext.Node) (switchcfg.Match, bool) {
	tag := func(s string) (t switchcfg.TPID, v switchcfg.VLANID, ok bool) {
		ethertype, id, ok := strings.Cut(s, ".")
		t, err := switchcfg.ParseTPID(ethertype)
		x, good := number(id, 4094)
		return t, switchcfg.VLANID(x), ok && err == nil && t.String() == ethertype && good && x > 0
	}
	t, outer, ok := tag(value(n.Child("outer")))
	switch inner := n.Child("inner"); {
	case !ok:
		return switchcfg.Match{}, false
	case !inner.Valid():
		return switchcfg.MatchSingle(t, outer), n.Len() == 1 && t != switchcfg.TPIDCustomer
	default:
		it, v, ok := tag(value(inner))
		return switchcfg.MatchDouble(t, outer, v), ok && it == switchcfg.TPIDCustomer && n.Len() == 2
	}
}

// suits returns why a port is not set up for its subinterfaces, or "".
func (r *reader) suits(p *port) string {
	u := &p.uses
	slices.Sort(p.tpids)
	encapsulation := ""
	switch {
	case u.tagged:
		encapsulation = r.tagged
	case u.untagged:
		encapsulation = r.untagged
	}
	switch {
	case p.why != "":
		return p.why
	case p.lag != "" && p.node.Child("unit").Valid():
		return "it is in a LAG and has subinterfaces"
	case p.routed:
		return "one of its subinterfaces does not bridge"
	case u.tagged && u.untagged:
		return "it has a subinterface of untagged frames and others"
	case p.encapsulation != encapsulation:
		return fmt.Sprintf("its encapsulation is %.60q, for its subinterfaces it would be %q", p.encapsulation, encapsulation)
	case p.flexible != u.tagged:
		return "flexible-vlan-tagging does not suit its subinterfaces"
	case !slices.Equal(p.tpids, u.tpids):
		return fmt.Sprintf("it knows the ethertypes %v, for its subinterfaces these would be %v", p.tpids, u.tpids)
	}
	return ""
}

func (r *reader) settlePort(name string, p *port) {
	o := &switchcfg.Interface{Name: name, Description: p.description, Shutdown: p.down, MTU: p.mtu, StormControl: p.storm}
	why := r.suits(p)
	switch {
	case why != "":
		if p.lag != "" {
			r.odd[p.lag] = "its member " + name + " is not understood"
		}
		r.opaque(o.Key(), p.node, "interfaces", why)
	case p.idle && p.down:
		r.rest.down[name] = true
	case !p.idle:
		r.state.Put(o)
	}
}

func (r *reader) settleLAG(name string, p *port) {
	o := &p.group
	if o.Name = name; o.Mode == "" {
		o.Mode = switchcfg.ModeStatic
	}
	o.Description, o.Shutdown, o.MTU, o.StormControl = p.description, p.down, p.mtu, p.storm
	o.Members = r.members[name]
	why := r.suits(p)
	switch {
	case why != "":
	case r.odd[name] != "":
		why = r.odd[name]
	case len(o.Members) == 0 && p.idle && !p.down:
		return
	case len(o.Members) == 0:
		why = "it has no members"
	default:
		r.state.Put(o)
		return
	}
	r.opaque(o.Key(), p.node, "interfaces", why)
}

// inactive is why an object is not understood of which a part is deactivated or protected.
const inactive = "a part of it is deactivated or protected"

// off reports whether a statement or a part of it is not in force.
func off(n clitext.Node) bool {
	if n.Inactive() {
		return true
	}
	for c := range n.Children() {
		if off(c) {
			return true
		}
	}
	return false
}

// hidden says which objects are not just as their own statements say.
type hidden struct {
	names  map[switchcfg.Key]string // by key; circuits under their parent's as well
	some   []pattern
	storms bool
}

// pattern is a beginning of names.
type pattern struct {
	kind   switchcfg.Kind
	prefix string
	why    string
}

// why returns why an object may be other than its statements say, or "".
func (h *hidden) why(k switchcfg.Key) string {
	if why := h.names[k]; why != "" {
		return why
	}
	if k.Kind == switchcfg.KindCircuit {
		k = switchcfg.Key{Kind: switchcfg.KindInterface, Name: k.Name}
		if why := h.names[k]; why != "" {
			return why
		}
	}
	for _, p := range h.some {
		if p.kind == k.Kind && strings.HasPrefix(k.Name, p.prefix) {
			return p.why
		}
	}
	return ""
}

// hide marks the objects of a kind whose name is given, or that a wildcard in it may mean.
func (h *hidden) hide(kind switchcfg.Kind, name, why string) {
	name = clitext.Unquote(name)
	if i := strings.IndexAny(name, "*?["); i >= 0 || strings.HasPrefix(name, "<") {
		if i < 0 {
			i = len(name)
		}
		h.some = append(h.some, pattern{kind, strings.TrimPrefix(name[:i], "<"), why})
		return
	}
	h.names[switchcfg.Key{Kind: kind, Name: name}] = why
}

// read finds what groups and interface ranges add to the statements of objects, and all of a kind that is not in force.
func (h *hidden) read(w *words, root clitext.Node) {
	for kind, path := range map[switchcfg.Kind][]string{
		switchcfg.KindInterface: {"interfaces"},
		switchcfg.KindService:   {w.services},
		switchcfg.KindFilter:    {"firewall", "family", w.family, "filter"},
		switchcfg.KindPolicer:   {"firewall", "policer"},
	} {
		for n, names := root, path; len(names) > 0; names = names[1:] {
			if n = n.Child(names[0]); n.Inactive() {
				h.hide(kind, "*", inactive)
			}
		}
	}
	groups := make(map[string]bool)
	apply := func(n clitext.Node) {
		for g := range n.Child("apply-groups").Children() {
			groups[g.Text()] = true
		}
	}
	apply(root)
	for n := range root.Children() {
		apply(n)
	}
	for g := range groups {
		why := "it inherits from group " + g
		n := down(root, "groups", g)
		for i := range n.Child("interfaces").Children() {
			h.hide(switchcfg.KindInterface, i.Text(), why)
		}
		for s := range n.Child(w.services).Children() {
			h.hide(switchcfg.KindService, s.Text(), why)
		}
		for f := range down(n, "firewall", "family", w.family, "filter").Children() {
			h.hide(switchcfg.KindFilter, f.Text(), why)
		}
		for p := range down(n, "firewall", "policer").Children() {
			h.hide(switchcfg.KindPolicer, p.Text(), why)
		}
		h.storms = h.storms || down(n, "forwarding-options", "storm-control-profiles").Valid()
	}
	for n := range down(root, "interfaces", "interface-range").Children() {
		why := "it is in interface-range " + name(n)
		for m := range n.Child("member").Children() {
			h.hide(switchcfg.KindInterface, m.Text(), why)
		}
		for m := range n.Child("member-range").Children() {
			first := name(m)
			h.hide(switchcfg.KindInterface, first[:strings.LastIndexByte(first, '/')+1]+"*", why)
		}
	}
}
