package openconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// An answer is what a device says of its configuration: the value of each of these containers, nil where it has
// nothing there.
type answer struct {
	interfaces, lacp, instances, acl, qos []byte
}

// parse returns the state that an answer stands for, and the physical ports of the device. An answer that is not
// well-formed, or in which something refers to what is not there, is an error.
func parse(a answer, c *drivers.Capabilities) (switchcfg.State, []string, error) {
	if a.interfaces == nil {
		return nil, nil, errNoInterfaces
	}
	var t tree
	for _, p := range []struct {
		path  string
		value []byte
		read  func(*scanner)
	}{
		{"/interfaces", a.interfaces, t.readInterfaces},
		{"/lacp", a.lacp, t.readLACP},
		{"/network-instances", a.instances, t.readInstances},
		{"/acl", a.acl, t.readACL},
		{"/qos", a.qos, t.readQoS},
	} {
		if p.value == nil {
			continue
		}
		s := &scanner{b: p.value}
		p.read(s)
		s.end()
		if s.err != nil {
			return nil, nil, fmt.Errorf("%s: %w", p.path, s.err)
		}
	}
	return t.state(c)
}

// builder puts a state together from a tree.
type builder struct {
	tree
	caps     *drivers.Capabilities
	state    switchcfg.State
	ports    map[string]*port
	subs     map[switchcfg.Key]*sub
	circuits map[switchcfg.Key]*switchcfg.Circuit
}

func (t *tree) state(c *drivers.Capabilities) (switchcfg.State, []string, error) {
	n := 0
	for i := range t.ports {
		n += len(t.ports[i].subs)
	}
	b := &builder{
		tree: *t, caps: c, state: make(switchcfg.State, n+len(t.ports)+len(t.instances)),
		ports: make(map[string]*port, len(t.ports)), subs: make(map[switchcfg.Key]*sub, n),
		circuits: make(map[switchcfg.Key]*switchcfg.Circuit, n),
	}
	for _, step := range []func() error{b.index, b.policers, b.filters, b.services, b.bindings, b.interfaces} {
		if err := step(); err != nil {
			return nil, nil, err
		}
	}
	var physical []string
	for _, p := range t.ports {
		if p.physical() {
			physical = append(physical, p.name)
		}
	}
	if len(physical) == 0 {
		return nil, nil, errors.New("the answer has no physical port")
	}
	return b.state, physical, nil
}

func (b *builder) put(o switchcfg.Object) error {
	k := o.Key()
	if _, twice := b.state[k]; twice {
		return fmt.Errorf("%s is there twice", k)
	}
	b.state.Put(o)
	return nil
}

func (b *builder) putOdd(k switchcfg.Key, why odd, raw []byte) error {
	return b.put(&switchcfg.Opaque{At: k, Why: string(why), Text: native(raw)})
}

// native returns the device's words for an object that cannot be expressed, one line of JSON of bounded length.
func native(raw []byte) []string {
	const most = 4000
	var out bytes.Buffer
	if json.Compact(&out, raw) != nil || out.Len() == 0 {
		return nil
	}
	text := out.String()
	if len(text) > most {
		text = text[:most] + "..."
	}
	return []string{text}
}

const (
	typeEthernet = "ethernetCsmacd"
	typeLAG      = "ieee8023adLag"
)

func (p *port) lag() bool      { return p.kind == typeLAG || p.kind == "" && p.lagType != "" }
func (p *port) physical() bool { return p.kind == typeEthernet || p.kind == "" && p.lagType == "" }

func circuitKey(port string, unit uint32) switchcfg.Key {
	return switchcfg.Key{Kind: switchcfg.KindCircuit, Name: port, Unit: unit}
}

// index makes the ports and their circuits known by name.
func (b *builder) index() error {
	for i := range b.tree.ports {
		p := &b.tree.ports[i]
		if p.name == "" {
			return errors.New("an interface has no name")
		}
		if _, twice := b.ports[p.name]; twice {
			return fmt.Errorf("interface %s is there twice", p.name)
		}
		b.ports[p.name] = p
		tpid := p.tpid
		if tpid == 0 {
			tpid = switchcfg.TPIDCustomer
		}
		for j := range p.subs {
			u := &p.subs[j]
			k := circuitKey(p.name, u.index)
			if _, twice := b.subs[k]; twice {
				return fmt.Errorf("subinterface %s is there twice", switchcfg.CircuitName(p.name, u.index))
			}
			b.subs[k] = u
			u.pass()
			if u.match.Tagged() {
				u.match.TPID = tpid
			}
			b.circuits[k] = &switchcfg.Circuit{
				Parent: p.name, Unit: u.index, Description: u.description, Shutdown: u.down, Match: u.match, MACLimit: u.macLimit,
			}
		}
	}
	for _, p := range b.tree.ports {
		if p.aggregate != "" && b.ports[p.aggregate] == nil {
			return fmt.Errorf("interface %s is a member of %s, which is not in the answer", p.name, p.aggregate)
		}
	}
	return nil
}

func (b *builder) policers() error {
	for _, p := range b.policies {
		rate, ours := switchcfg.ParsePolicerName(p.name)
		p.odd.check(ours, "it is not named after a rate")
		p.odd.check(p.schedulers == 1 && p.sequence == schedulerSequence, "it has %d schedulers", p.schedulers)
		p.odd.check(p.cir == uint64(rate)*1000, "its rate is %d bit/s", p.cir)
		p.odd.check(p.bc == uint64(burst(rate)), "its burst is %d bytes", p.bc)
		p.odd.check(p.drop, "it does not drop what exceeds it")
		var err error
		if p.odd != "" {
			err = b.putOdd(switchcfg.Key{Kind: switchcfg.KindPolicer, Name: p.name}, p.odd, p.raw)
		} else {
			err = b.put(&switchcfg.Policer{Rate: rate})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *odd) check(ok bool, format string, args ...any) {
	if !ok {
		o.note(format, args...)
	}
}

// schedulerSequence is the number of the one scheduler of a policer.
const schedulerSequence = 1

// burst returns the committed burst of a policer in bytes: what arrives in 10 ms, which lets TCP come near the
// rate, but at least 64 KiB, which is seven jumbo frames.
func burst(r switchcfg.Kbps) uint32 {
	return uint32(min(max(r/8*10, 64<<10), math.MaxUint32))
}

// The entries of a filter: first what is dropped in any case, then the permitted sources, numbered by the part of
// their address that is the station's own, so that one can come or go while the others keep their numbers.
const (
	controlSequence = 10
	sourceSequence  = 1000
	restSequence    = 20_000_000
	controlMAC      = "01:80:c2:00:00:00"
	controlMask     = "ff:ff:ff:ff:ff:f0"
	exactMask       = "ff:ff:ff:ff:ff:ff"
	kindL2          = "ACL_L2"
)

// sequences calls yield with the number of each source of f, ascending by source.
func sequences(f *switchcfg.Filter, yield func(seq uint32, m switchcfg.MAC)) {
	taken := make(map[uint32]bool, len(f.Sources))
	for _, m := range f.Sources {
		seq := sourceSequence + (uint32(m[3])<<16 | uint32(m[4])<<8 | uint32(m[5]))
		for taken[seq] {
			seq++
		}
		taken[seq] = true
		yield(seq, m)
	}
}

func (b *builder) filters() error {
	for k, x := range b.sets {
		if k.kind != kindL2 {
			continue
		}
		f, why := x.filter(k.name)
		var err error
		if why != "" {
			err = b.putOdd(switchcfg.Key{Kind: switchcfg.KindFilter, Name: k.name}, why, x.raw)
		} else {
			err = b.put(f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// filter reads entries by what they do in their order, whatever their numbers.
func (x *set) filter(name string) (*switchcfg.Filter, odd) {
	entries := slices.SortedFunc(slices.Values(x.entries), func(a, b entry) int { return int(a.sequence) - int(b.sequence) })
	why := x.odd
	if len(entries) < 2 {
		why.note("it has %d entries", len(entries))
		return nil, why
	}
	f := &switchcfg.Filter{Name: name}
	first, last, sources := entries[0], entries[len(entries)-1], entries[1:len(entries)-1]
	why.check(first.action == "DROP" && first.source == "" && !first.more && sameMAC(first.target, controlMAC) && sameMAC(first.targetMask, controlMask),
		"its first entry does not drop control protocols")
	for _, e := range sources {
		m, err := switchcfg.ParseMAC(e.source)
		exact := e.sourceMask == "" || sameMAC(e.sourceMask, exactMask)
		why.check(err == nil && exact && e.target == "" && !e.more && e.action == "ACCEPT", "entry %d is no permitted source", e.sequence)
		f.Sources = append(f.Sources, m)
	}
	why.check(last.source == "" && last.target == "" && !last.more, "its last entry does not cover the rest")
	switch {
	case last.action == "ACCEPT" && len(sources) == 0:
		f.AnySource = true
	default:
		why.check(last.action == "DROP", "it permits the rest")
	}
	return f, why
}

func sameMAC(a, b string) bool {
	x, err := switchcfg.ParseMAC(a)
	y, err2 := switchcfg.ParseMAC(b)
	return err == nil && err2 == nil && x == y
}

const remotePoint = "remote"

func (b *builder) services() error {
	joined := make(map[switchcfg.Key]bool)
	for i := range b.instances {
		n := &b.instances[i]
		if n.name == "" {
			return errors.New("a network instance has no name")
		}
		svc := &switchcfg.Service{Name: n.name, Description: n.description, MTU: n.mtu, MACLimit: n.macLimit}
		ours := true
		switch {
		case n.kind == "L2P2P" && !n.tree:
			svc.Type = switchcfg.ServiceLine
		case n.kind == "L2VSI" && n.tree:
			svc.Type = switchcfg.ServiceTree
		case n.kind == "L2VSI":
			svc.Type = switchcfg.ServiceLAN
		default:
			ours = n.kind == "L2L3" || strings.HasPrefix(n.name, switchcfg.Prefix)
			n.odd.note("it is of type %s", n.kind)
		}
		n.odd.check(len(n.vlans) <= 1, "it has %d VLANs", len(n.vlans))
		if len(n.vlans) == 1 {
			svc.VLAN = n.vlans[0]
		}
		for _, p := range n.points {
			if err := b.point(n, svc, p, joined); err != nil {
				return err
			}
		}
		if !ours {
			continue
		}
		var err error
		if n.odd != "" {
			err = b.putOdd(svc.Key(), n.odd, n.raw)
		} else {
			err = b.put(svc)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// point reads a connection point: that of a circuit, or the one that has all tunnels to other switches.
func (b *builder) point(n *instance, svc *switchcfg.Service, p point, joined map[switchcfg.Key]bool) error {
	if p.id == remotePoint {
		tunnels(n, svc, p)
		return nil
	}
	for _, e := range p.endpoints {
		if e.kind != "LOCAL" && e.port == "" {
			n.odd.note("its connection point %s is not a circuit", p.id)
			continue
		}
		k := circuitKey(e.port, e.unit)
		u, c := b.subs[k], b.circuits[k]
		if u == nil {
			return fmt.Errorf("network instance %s joins %s, which is not in the answer", n.name, switchcfg.CircuitName(e.port, e.unit))
		}
		name := switchcfg.CircuitName(e.port, e.unit)
		u.odd.check(!joined[k], "it joins two services")
		u.odd.check(p.id == name && e.id == name, "its connection point is named %s", p.id)
		u.odd.check(len(p.endpoints) == 1 && e.precedence == 0, "its connection point has other ends")
		u.odd.check(strings.HasPrefix(n.kind, "L2"), "it is routed in %s", n.name)
		if e.odd != "" {
			u.odd.note("%s", e.odd)
		}
		joined[k] = true
		c.Service = n.name
		switch p.role {
		case "":
		case "ROOT":
			c.Role = switchcfg.RoleRoot
		case "LEAF":
			c.Role = switchcfg.RoleLeaf
		default:
			u.odd.note("its role is %s", p.role)
		}
	}
	return nil
}

func tunnels(n *instance, svc *switchcfg.Service, p point) {
	for i, e := range p.endpoints {
		n.odd.check(e.kind == "REMOTE" && e.remote.IsValid() && e.odd == "", "its remote end %s is no tunnel", e.id)
		n.odd.check(e.precedence == 0 && e.id == e.remote.String(), "its remote end %s is a backup or not named after its address", e.id)
		n.odd.check(i == 0 || e.vni == svc.VNI, "its remote ends have different VNIs")
		svc.VNI = e.vni
		svc.Peers = append(svc.Peers, e.remote)
	}
	n.odd.check(len(p.endpoints) == 0 || svc.VNI != 0, "its remote ends have no VNI")
}

func (b *builder) bindings() error {
	for _, x := range b.filtered {
		k, c, u, err := b.bound(x, "filter")
		if err != nil {
			return err
		}
		for _, set := range x.ingress {
			if b.sets[set] == nil {
				return fmt.Errorf("%s has filter %s, which is not in the answer", k, set.name)
			}
		}
		if c == nil {
			continue
		}
		u.odd.check(len(x.ingress) <= 1, "it has %d filters", len(x.ingress))
		if x.odd != "" {
			u.odd.note("%s", x.odd)
		}
		if len(x.ingress) == 1 {
			u.odd.check(x.ingress[0].kind == kindL2, "its filter %s is of type %s", x.ingress[0].name, x.ingress[0].kind)
			c.Filter = x.ingress[0].name
		}
	}
	policies := make(map[string]bool, len(b.policies))
	for _, p := range b.policies {
		policies[p.name] = true
	}
	for _, x := range b.policed {
		k, c, u, err := b.bound(x, "policer")
		if err != nil {
			return err
		}
		for _, name := range []string{x.in, x.out} {
			if name != "" && !policies[name] {
				return fmt.Errorf("%s has policer %s, which is not in the answer", k, name)
			}
		}
		if c == nil {
			continue
		}
		for _, dir := range []struct {
			name string
			rate *switchcfg.Kbps
		}{{x.in, &c.RateIn}, {x.out, &c.RateOut}} {
			rate, ours := switchcfg.ParsePolicerName(dir.name)
			u.odd.check(dir.name == "" || ours, "its policer is %s", dir.name)
			*dir.rate = rate
		}
	}
	return nil
}

// bound returns the circuit that an entry under /acl/interfaces or /qos/interfaces is about. One that is about a
// whole port makes the port something that cannot be expressed.
func (b *builder) bound(x binding, what string) (switchcfg.Key, *switchcfg.Circuit, *sub, error) {
	none := len(x.ingress) == 0 && x.in == "" && x.out == "" && x.odd == ""
	if x.port == "" && b.ports[x.id] != nil {
		x.port, x.whole = x.id, true // devices may leave out the reference to a whole port
	}
	k := circuitKey(x.port, x.unit)
	switch p := b.ports[x.port]; {
	case none && p == nil:
		return k, nil, nil, nil
	case p == nil:
		return k, nil, nil, fmt.Errorf("a %s is bound to interface %q, which is not in the answer", what, x.port)
	case x.whole:
		if !none {
			p.odd.note("a %s is bound to the whole port", what)
		}
		return k, nil, nil, nil
	}
	u := b.subs[k]
	if u == nil {
		return k, nil, nil, fmt.Errorf("a %s is bound to %s, which is not in the answer", what, switchcfg.CircuitName(x.port, x.unit))
	}
	u.odd.check(none || x.id == switchcfg.CircuitName(x.port, x.unit), "its %s is bound under the name %s", what, x.id)
	return k, b.circuits[k], u, nil
}

// interfaces puts ports, LAGs and circuits.
func (b *builder) interfaces() error {
	members := make(map[string][]string)
	for _, p := range b.tree.ports {
		if p.aggregate != "" {
			members[p.aggregate] = append(members[p.aggregate], p.name)
		}
	}
	for i := range b.tree.ports {
		p := &b.tree.ports[i]
		if !p.lag() && !p.physical() {
			continue
		}
		circuits := 0
		for j := range p.subs {
			u := &p.subs[j]
			k := circuitKey(p.name, u.index)
			c := b.circuits[k]
			if bare := (switchcfg.Circuit{Parent: p.name, Shutdown: c.Shutdown}); *c == bare && u.odd == "" {
				continue // the subinterface that many devices make with a port
			}
			circuits++
			var err error
			if u.odd != "" {
				err = b.putOdd(k, u.odd, u.raw)
			} else {
				err = b.put(c)
			}
			if err != nil {
				return err
			}
		}
		var o switchcfg.Object
		if p.lag() {
			o = b.lag(p, members[p.name])
		} else {
			if p.tpid == switchcfg.TPIDCustomer && (p.aggregate != "" || b.caps.TPIDScope != drivers.PortScope) {
				p.tpid = 0 // the default, where nothing depends on it
			}
			if p.description == "" && p.storm == 0 && p.aggregate == "" && circuits == 0 && p.odd == "" &&
				(p.tpid == 0 || p.tpid == switchcfg.TPIDCustomer) {
				continue // unused
			}
			o = &switchcfg.Interface{
				Name: p.name, Description: p.description, Shutdown: p.down, MTU: p.mtu, TPID: p.tpid, StormControl: p.storm,
			}
		}
		if p.odd != "" {
			o = &switchcfg.Opaque{At: o.Key(), Why: string(p.odd), Text: native(p.raw)}
		}
		if err := b.put(o); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) lag(p *port, members []string) *switchcfg.LAG {
	if p.tpid == switchcfg.TPIDCustomer && b.caps.TPIDScope != drivers.PortScope {
		p.tpid = 0
	}
	l := &switchcfg.LAG{
		Name: p.name, Description: p.description, Shutdown: p.down, Members: members, Mode: switchcfg.ModeStatic,
		MinLinks: p.minLinks, MTU: p.mtu, TPID: p.tpid, StormControl: p.storm,
	}
	conf, hasLACP := b.tree.lacp[p.name]
	switch p.lagType {
	case "LACP":
		p.odd.check(hasLACP, "it is an LACP group without an entry under /lacp")
		l.Mode, l.Rate, l.Passive, l.SystemID = switchcfg.ModeLACP, switchcfg.RateSlow, conf.passive, conf.systemID
		if conf.fast {
			l.Rate = switchcfg.RateFast
		}
	case "STATIC":
		p.odd.check(!hasLACP, "it is a static group with an entry under /lacp")
	default:
		p.odd.note("its lag-type is %q", p.lagType)
	}
	return l
}
