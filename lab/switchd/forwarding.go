package switchd

import (
	"cmp"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// Forwarding says what a forwarding plane does under a configuration. The
// tree must be one that a switch accepts. LAGs without a system of their own
// have that of the plane's Config, which is left to the caller.
func Forwarding(t *tree.Tree) *dataplane.Config {
	return newTranslator(tree.New(t.Schema())).translate(t)
}

// translator turns configurations into what a plane does, each from the one
// before it, so that a commit costs what it changes. It always gives what
// [Forwarding] gives.
type translator struct {
	tree     *tree.Tree
	config   *dataplane.Config
	circuits [][]dataplane.Circuit // by interface, in the order of the list
	services []dataplane.Service   // of each network instance
	filters  []filter              // of each ACL set
	policers map[string]dataplane.Policer
	claims   map[circuitID][]claim
}

// circuitID names a subinterface.
type circuitID struct {
	parent string
	unit   uint32
}

// claim is what one list entry elsewhere says of a subinterface.
type claim struct {
	source  string // the entry
	service string
	leaf    bool
	filter  string
	in, out string // scheduler policies
}

// filter is an ACL set; other kinds than those of layer 2 are left out.
type filter struct {
	dataplane.Filter
	layer2 bool
}

// newTranslator starts from an empty tree.
func newTranslator(empty *tree.Tree) *translator {
	return &translator{tree: empty, config: &dataplane.Config{}, claims: make(map[circuitID][]claim)}
}

// change is one step of a translator.
type change struct {
	*translator
	before, after *tree.Tree
	parents       map[string]bool    // of the subinterfaces below
	touched       map[circuitID]bool // subinterfaces of which something else says something new
}

func (t *translator) translate(next *tree.Tree) *dataplane.Config {
	if next.Root().Same(t.tree.Root()) {
		return t.config
	}
	c := change{
		translator: t, before: t.tree, after: next,
		parents: make(map[string]bool), touched: make(map[circuitID]bool),
	}
	config := &dataplane.Config{
		Ports: t.config.Ports, LAGs: t.config.LAGs, Circuits: t.config.Circuits, Filters: t.config.Filters,
	}
	was, is := c.both("interfaces", "interface")
	wasLACP, isLACP := c.both("lacp", "interfaces", "interface")
	if !is.Same(was) || !isLACP.Same(wasLACP) {
		config.Ports, config.LAGs = parents(is, isLACP)
	}
	c.doInstances()
	c.doBindings()
	c.doPolicers()
	if !is.Same(was) || len(c.touched) > 0 {
		c.doCircuits()
		config.Circuits = slices.Concat(t.circuits...)
	}
	config.Services = t.services
	if was, is := c.both("acl", "acl-sets", "acl-set"); !is.Same(was) {
		config.Filters = make([]dataplane.Filter, 0, len(t.filters))
		for _, f := range t.filters {
			if f.layer2 {
				config.Filters = append(config.Filters, f.Filter)
			}
		}
	}
	t.tree, t.config = next, config
	return config
}

func (c *change) both(names ...string) (was, is tree.Node) {
	return c.before.At(names...), c.after.At(names...)
}

// rework makes the values of a list's entries from those of the list before,
// with f for each entry that differs, those that are gone included. The old
// values are left as they are.
func rework[T any](was, is tree.Node, old []T, f func(was, is tree.Node, value T) T) []T {
	return reworkIf(was, is, old, func(tree.Node) bool { return false }, f)
}

// reworkIf is rework that also calls f for entries that are stale although they
// are the same.
func reworkIf[T any](was, is tree.Node, old []T, stale func(tree.Node) bool, f func(was, is tree.Node, value T) T) []T {
	values := make([]T, 0, is.Len())
	i := 0
	for a, b := range tree.Pairs(was, is) {
		var value T
		if a.Exists() {
			value = old[i]
			i++
		}
		if !a.Same(b) || stale(b) {
			value = f(a, b, value)
		}
		if b.Exists() {
			values = append(values, value)
		}
	}
	return values
}

// claim takes back what an entry said of a subinterface, or adds what it says.
// Of several that say the same, the first by name is heard.
func (c *change) claim(id circuitID, said claim, add bool) {
	list := c.claims[id]
	i, found := slices.BinarySearchFunc(list, said.source, func(o claim, source string) int { return cmp.Compare(o.source, source) })
	switch {
	case add:
		list = slices.Insert(list, i, said)
	case found:
		list = slices.Delete(list, i, i+1)
	}
	if c.claims[id] = list; len(list) == 0 {
		delete(c.claims, id)
	}
	c.touch(id)
}

func (c *change) touch(id circuitID) {
	c.touched[id] = true
	c.parents[id.parent] = true
}

func (c *change) doInstances() {
	was, is := c.both("network-instances", "network-instance")
	if is.Same(was) {
		return
	}
	c.services = rework(was, is, c.services, func(was, is tree.Node, _ dataplane.Service) dataplane.Service {
		points := []string{"connection-points", "connection-point"}
		for a, b := range tree.Pairs(was.At(points...), is.At(points...)) {
			if a.Same(b) {
				continue
			}
			c.ends(was.Key(0), a, false)
			c.ends(is.Key(0), b, true)
		}
		return instance(is)
	})
}

// ends claims the subinterfaces of a connection point for its service.
func (c *change) ends(name string, point tree.Node, add bool) {
	leaf := point.Text("config", "etree-role") == "LEAF"
	for e := range point.At("endpoints", "endpoint").Entries() {
		local := e.At("local", "config")
		if e.Text("config", "type") != "LOCAL" || !local.Exists() {
			continue
		}
		id := circuitID{local.Text("interface"), number[uint32](local.Text("subinterface"))}
		c.claim(id, claim{
			source:  strings.Join([]string{"instance", name, point.Key(0), e.Key(0)}, "\x00"),
			service: name, leaf: leaf,
		}, add)
	}
}

func instance(i tree.Node) dataplane.Service {
	s := dataplane.Service{
		Name: i.Key(0), MTU: number[int](i.Text("config", "mtu")),
		MACLimit: number[int](i.Text("fdb", "config", "maximum-entries")),
	}
	switch {
	case i.Text("config", "type") == "L2P2P":
		s.Kind = dataplane.Line
	case i.Text("config", "etree") == "true":
		s.Kind = dataplane.Tree
	}
	for point := range i.At("connection-points", "connection-point").Entries() {
		for e := range point.At("endpoints", "endpoint").Entries() {
			remote := e.At("remote", "config")
			if !remote.Exists() || e.Text("config", "type") != "REMOTE" {
				continue
			}
			s.VNI = cmp.Or(s.VNI, number[uint32](remote.Text("virtual-circuit-identifier")))
			if a, err := netip.ParseAddr(remote.Text("remote-system")); err == nil && !slices.Contains(s.Remotes, a) {
				s.Remotes = append(s.Remotes, a)
			}
		}
	}
	return s
}

// doBindings follows the filters and policers of subinterfaces, and the
// filters themselves.
func (c *change) doBindings() {
	was, is := c.both("acl", "interfaces", "interface")
	for a, b := range tree.Pairs(was, is) {
		if a.Same(b) {
			continue
		}
		for add, n := range []tree.Node{a, b} {
			for set := range n.At("ingress-acl-sets", "ingress-acl-set").Entries() {
				if set.Key(1) == "ACL_L2" {
					c.bind(n, claim{source: "acl\x00" + n.Key(0) + "\x00" + set.Key(0), filter: set.Key(0)}, add == 1)
				}
			}
		}
	}
	was, is = c.both("qos", "interfaces", "interface")
	for a, b := range tree.Pairs(was, is) {
		if a.Same(b) {
			continue
		}
		for add, n := range []tree.Node{a, b} {
			in, out := n.Text("input", "scheduler-policy", "config", "name"), n.Text("output", "scheduler-policy", "config", "name")
			if n.Exists() {
				c.bind(n, claim{source: "qos\x00" + n.Key(0), in: in, out: out}, add == 1)
			}
		}
	}
	was, is = c.both("acl", "acl-sets", "acl-set")
	if is.Same(was) {
		return
	}
	c.filters = rework(was, is, c.filters, func(_, is tree.Node, _ filter) filter {
		f := filter{Filter: dataplane.Filter{Name: is.Key(0)}, layer2: is.Key(1) == "ACL_L2"}
		for e := range is.At("acl-entries", "acl-entry").Entries() {
			f.Rules = append(f.Rules, rule(e))
		}
		return f
	})
}

func (c *change) bind(n tree.Node, said claim, add bool) {
	ref := n.At("interface-ref", "config")
	if unit := ref.Text("subinterface"); unit != "" {
		c.claim(circuitID{ref.Text("interface"), number[uint32](unit)}, said, add)
	}
}

func rule(e tree.Node) dataplane.Rule {
	l2 := e.At("l2", "config")
	r := dataplane.Rule{Accept: e.Text("actions", "config", "forwarding-action") == "ACCEPT"}
	r.Dst, r.DstMask = masked(l2.Text("destination-mac"), l2.Text("destination-mac-mask"))
	r.Src, r.SrcMask = masked(l2.Text("source-mac"), l2.Text("source-mac-mask"))
	return r
}

// masked reads an address and its mask. An address without a mask is one
// station.
func masked(address, mask string) (a, m [6]byte) {
	if address == "" {
		return a, m
	}
	a, m = mac(address), [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if mask != "" {
		m = mac(mask)
	}
	return a, m
}

// mac reads an address the schema has checked; zero when there is none.
func mac(text string) (a [6]byte) {
	b, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	if err == nil && len(b) == len(a) {
		copy(a[:], b)
	}
	return a
}

func (c *change) doPolicers() {
	was, is := c.both("qos", "scheduler-policies", "scheduler-policy")
	if is.Same(was) {
		return
	}
	old := c.policers
	c.policers = make(map[string]dataplane.Policer, is.Len())
	for p := range is.Entries() {
		c.policers[p.Key(0)] = policer(p)
	}
	for id, list := range c.claims {
		for _, said := range list {
			if old[said.in] != c.policers[said.in] || old[said.out] != c.policers[said.out] {
				c.touch(id)
			}
		}
	}
}

// policer is the scheduler of a policy, which has one at most and drops what is
// above its rate.
func policer(policy tree.Node) (p dataplane.Policer) {
	for s := range policy.At("schedulers", "scheduler").Entries() {
		rate := s.At("one-rate-two-color", "config")
		p.Rate, p.Burst = number[uint64](rate.Text("cir")), number[int](rate.Text("bc"))
	}
	return p
}

func (c *change) doCircuits() {
	was, is := c.both("interfaces", "interface")
	c.circuits = reworkIf(was, is, c.circuits,
		func(i tree.Node) bool { return c.parents[i.Key(0)] },
		func(was, is tree.Node, old []dataplane.Circuit) []dataplane.Circuit {
			name, list := is.Key(0), []string{"subinterfaces", "subinterface"}
			return reworkIf(was.At(list...), is.At(list...), old,
				func(sub tree.Node) bool { return c.touched[circuitID{name, number[uint32](sub.Key(0))}] },
				func(_, sub tree.Node, _ dataplane.Circuit) dataplane.Circuit { return c.circuit(name, sub) })
		})
}

// circuit joins what a subinterface says with what is said of it.
func (c *change) circuit(parent string, sub tree.Node) dataplane.Circuit {
	id := circuitID{parent, number[uint32](sub.Key(0))}
	out := dataplane.Circuit{
		Parent: parent, Unit: id.unit, Enabled: enabled(sub), TPID: ethertype(sub.Text("config", "tpid")),
		MACLimit: number[int](sub.Text("config", "mac-limit")), Through: sub.Text("config", "transparent") == "true",
	}
	match := sub.At("vlan", "match")
	if single := match.At("single-tagged", "config"); single.Exists() {
		out.Tags, out.Outer = 1, number[uint16](single.Text("vlan-id"))
	} else if double := match.At("double-tagged", "config"); double.Exists() {
		out.Tags = 2
		out.Outer, out.Inner = number[uint16](double.Text("outer-vlan-id")), number[uint16](double.Text("inner-vlan-id"))
	}
	var in, egress string
	for _, said := range c.claims[id] {
		if out.Service == "" {
			out.Service, out.Leaf = said.service, said.leaf
		}
		out.Filter = cmp.Or(out.Filter, said.filter)
		in, egress = cmp.Or(in, said.in), cmp.Or(egress, said.out)
	}
	out.In, out.Out = c.policers[in], c.policers[egress]
	return out
}

// parents are the ports and LAGs.
func parents(interfaces, speakers tree.Node) (ports []dataplane.Port, lags []dataplane.LAG) {
	members := make(map[string][]string)
	for i := range interfaces.Entries() {
		if lag := i.Text("ethernet", "config", "aggregate-id"); lag != "" {
			members[lag] = append(members[lag], i.Key(0))
		}
	}
	for i := range interfaces.Entries() {
		config := i.At("config")
		mtu, tpid := number[int](config.Text("mtu")), ethertype(config.Text("tpid"))
		storm := 1000 * number[uint64](config.Text("storm-control-kbps"))
		name := i.Key(0)
		if config.Text("type") != typeLAG {
			ports = append(ports, dataplane.Port{Name: name, Enabled: enabled(i), MTU: mtu, TPID: tpid, Storm: storm})
			continue
		}
		lag := dataplane.LAG{
			Name: name, Enabled: enabled(i), MTU: mtu, TPID: tpid, Storm: storm,
			Members: members[name], Mode: lacp.Active,
			MinLinks: number[int](i.Text("aggregation", "config", "min-links")),
		}
		speaker := speakers.Entry(name).At("config")
		lag.Fast, lag.System = speaker.Text("interval") == "FAST", mac(speaker.Text("system-id-mac"))
		switch {
		case i.Text("aggregation", "config", "lag-type") == "STATIC":
			lag.Mode = lacp.Static
		case speaker.Text("lacp-mode") == "PASSIVE":
			lag.Mode = lacp.Passive
		}
		lags = append(lags, lag)
	}
	return ports, lags
}

// ethertype reads the identity of a tag's ethertype, such as TPID_0X88A8; 0
// when there is none.
func ethertype(identity string) uint16 {
	v, err := strconv.ParseUint(strings.TrimPrefix(identity, "TPID_0X"), 16, 16)
	if err != nil {
		return 0
	}
	return uint16(v)
}

// number reads an unsigned number the schema has checked; 0 when there is
// none.
func number[T int | uint16 | uint32 | uint64](text string) T {
	v, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0
	}
	return T(v)
}
