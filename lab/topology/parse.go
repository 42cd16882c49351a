package topology

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// defaultMTU is that of a data link, containerlab's.
	defaultMTU = 9500
	// onlyContainerlab is the hint for what the format has and a machine without containers has not.
	onlyContainerlab = "only containerlab can run it"
	maxNodes         = 512
)

// Parse reads the subset of containerlab's format, version 0.78 or later, that a lab without containers can keep. Name
// is that of the file, for messages. Every key that is not supported is refused by its name; the error is [Faults] and
// holds everything that is wrong.
//
// A node gets what defaults, its kind and itself say, in this order: single values replace earlier ones, environment
// and sysctls are merged key by key, capabilities are added. A node without a management address gets the next free
// one in the order of the file.
func Parse(name string, text []byte) (*Topology, error) {
	r := &reader{file: name}
	t := new(Topology)
	if root, ok := r.document(text); ok {
		r.topology(root, t)
	}
	if err := r.faults.err(); err != nil {
		return nil, err
	}
	return t, nil
}

// The patterns are functions, not variables, because they run once a file.
func labName() *regexp.Regexp  { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$`) }
func nodeName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`) }
func linkName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$`) }
func envName() *regexp.Regexp  { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`) }

// sysctlName matches the settings that belong to a network or IPC namespace; a container may set no others.
func sysctlName() *regexp.Regexp {
	return regexp.MustCompile(`^(net(\.[A-Za-z0-9_-]+)+|kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)|fs\.mqueue\.[a-z_]+)$`)
}

// CheckName reports what is wrong with a lab's name.
func CheckName(name string) error {
	if !labName().MatchString(name) {
		return fmt.Errorf("%q is no name of a lab: up to 40 letters, digits, - and _", name)
	}
	return nil
}

// settings is what defaults, a kind or a node say.
type settings struct {
	single  map[string]scalar
	env     map[string]scalar
	sysctls map[string]scalar
	caps    []string
}

type scalar struct {
	value
	text string
}

func (r *reader) topology(root value, t *Topology) {
	var topology, mgmt value
	named := false
	for _, e := range root.entries() {
		switch e.key {
		case "name":
			named = true
			if text, ok := e.text(); ok {
				if err := CheckName(text); err != nil {
					e.fault("", "%v", err)
				}
				t.Name = text
			}
		case "prefix":
			e.text() // containerlab names its containers with it; here are none
		case "mgmt":
			mgmt = e.value
		case "topology":
			topology = e.value
		default:
			e.unknown("here are supported: name, prefix, mgmt, topology", "this key is not supported")
		}
	}
	if !named {
		root.fault("", "name is missing")
	}
	r.mgmt(mgmt, &t.Mgmt)
	if topology.node == nil {
		root.fault("", "topology is missing")
		return
	}
	var defaults, linux settings
	var nodes, links value
	for _, e := range topology.entries() {
		switch e.key {
		case "defaults":
			defaults = e.settings()
		case "kinds":
			for _, k := range e.entries() {
				if k.key != "linux" {
					k.unknown(onlyContainerlab, "kind %s is not supported", k.key)
					continue
				}
				linux = k.settings()
			}
		case "nodes":
			nodes = e.value
		case "links":
			links = e.value
		default:
			e.unknown("here are supported: defaults, kinds, nodes, links", "this key is not supported")
		}
	}
	given := r.nodes(nodes, topology, t, defaults, linux)
	r.addresses(topology, t, given)
	if links.node != nil {
		r.links(links, t)
	}
}

func (r *reader) mgmt(v value, m *Mgmt) {
	*m = Mgmt{Network: "clab", IPv4: netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 20, 20, 0}), 24)}
	if v.node == nil {
		return
	}
	for _, e := range v.entries() {
		if e.key != "network" && e.key != "ipv4-subnet" {
			e.unknown("here are supported: network, ipv4-subnet", "this key is not supported")
			continue
		}
		text, ok := e.text()
		switch {
		case !ok:
		case e.key == "network":
			if m.Network = text; !labName().MatchString(text) {
				e.fault("", "%q is no name of a network: up to 40 letters, digits, - and _", text)
			}
		default:
			p, err := netip.ParsePrefix(text)
			switch {
			case err != nil || !p.Addr().Is4():
				e.fault("write it as 172.31.9.0/24", "%q is no IPv4 subnet", text)
			case p != p.Masked():
				e.fault("", "the subnet of %s is %s", text, p.Masked())
			case p.Bits() < 8 || p.Bits() > 29:
				e.fault("", "a subnet of between 8 and 29 bits is needed")
			default:
				m.IPv4 = p
			}
		}
	}
}

// settings reads what can stand in defaults, a kind and a node.
func (v value) settings() settings {
	s := settings{single: make(map[string]scalar), env: make(map[string]scalar), sysctls: make(map[string]scalar)}
	for _, e := range v.entries() {
		switch e.key {
		case "kind", "image", "image-pull-policy", "restart-policy", "privileged", "cmd", "mgmt-ipv4", "network-mode":
			if text, ok := e.text(); ok {
				s.single[e.key] = scalar{e.value, text}
				e.check(e.key, text)
			}
		case "env":
			for _, x := range e.entries() {
				if text, ok := x.text(); ok {
					s.env[x.key] = scalar{x.value, text}
				}
				if !envName().MatchString(x.key) {
					x.unknown("", "this is no name of an environment variable")
				}
			}
		case "sysctls":
			for _, x := range e.entries() {
				if text, ok := x.text(); ok {
					s.sysctls[x.key] = scalar{x.value, text}
					if strings.ContainsAny(text, "\r\n") {
						x.fault("", "a sysctl has one line")
					}
				}
				if !sysctlName().MatchString(x.key) {
					x.unknown("net.* and what belongs to an IPC namespace can be set", "this sysctl is not the node's own")
				}
			}
		case "cap-add":
			for _, x := range e.items() {
				text, ok := x.text()
				if !ok {
					continue
				}
				name := strings.TrimPrefix(strings.ToUpper(text), "CAP_")
				if _, known := capability(name); !known {
					x.fault("", "%q is no capability", text)
					continue
				}
				s.caps = append(s.caps, name)
			}
		default:
			e.unknown("here are supported: kind, image, image-pull-policy, restart-policy, privileged, cap-add, cmd, env, "+
				"sysctls, mgmt-ipv4, network-mode", "this key is not supported")
		}
	}
	return s
}

// check reports what is wrong with a single value, wherever it stands.
func (v value) check(key, text string) {
	switch key {
	case "kind":
		if text != "linux" {
			v.fault(onlyContainerlab, "kind %s is not supported", text)
		}
	case "image":
		if text != "ixlab" && text != "ixlab:latest" {
			v.fault(onlyContainerlab, "image %s is not supported: a node's program is ixlab itself", text)
		}
	case "image-pull-policy":
		switch strings.ToLower(text) {
		case "never", "ifnotpresent":
		default:
			v.fault("write never: the image is made on this machine", "image-pull-policy %s is not supported", text)
		}
	case "restart-policy":
		if text != "no" {
			v.fault(`write "no": a program that comes back does not get its links back`, "restart-policy %s is not supported", text)
		}
	case "privileged":
		if text != "true" && text != "false" {
			v.fault("", "privileged is true or false")
		}
	case "cmd":
		if args, err := words(text); err != nil {
			v.fault("", "%v", err)
		} else if len(args) == 0 {
			v.fault("", "cmd is empty")
		}
	case "mgmt-ipv4":
		if a, err := netip.ParseAddr(text); err != nil || !a.Is4() {
			v.fault("", "%q is no IPv4 address", text)
		}
	case "network-mode":
		if text != "none" {
			v.fault(onlyContainerlab, "network-mode %s is not supported", text)
		}
	}
}

// over returns s with what is said by o, which stands nearer to the node.
func (s settings) over(o settings) settings {
	merged := settings{single: make(map[string]scalar), env: make(map[string]scalar), sysctls: make(map[string]scalar)}
	for _, x := range []settings{s, o} {
		maps.Copy(merged.single, x.single)
		maps.Copy(merged.env, x.env)
		maps.Copy(merged.sysctls, x.sysctls)
		merged.caps = append(merged.caps, x.caps...)
	}
	slices.Sort(merged.caps)
	merged.caps = slices.Compact(merged.caps)
	return merged
}

func texts(m map[string]scalar) map[string]string {
	if len(m) == 0 {
		return nil
	}
	all := make(map[string]string, len(m))
	for k, s := range m {
		all[k] = s.text
	}
	return all
}

// nodes reads the nodes, and returns where each states its address.
func (r *reader) nodes(v, topology value, t *Topology, defaults, linux settings) map[string]value {
	given := make(map[string]value)
	if v.node == nil {
		topology.fault("", "nodes are missing")
		return given
	}
	entries := v.entries()
	if len(entries) == 0 {
		v.fault("", "there are no nodes")
	}
	if len(entries) > maxNodes {
		v.fault("", "there are %d nodes, more than %d", len(entries), maxNodes)
		return given
	}
	for _, e := range entries {
		if !nodeName().MatchString(e.key) {
			e.unknown("", "%q is no name of a node: up to 63 letters, digits, - and _", e.key)
		} else if special(e.key) {
			e.unknown("", "%s is a name that is taken", e.key)
		}
		s := defaults.over(linux).over(e.settings())
		n := Node{
			Name: e.key, Image: s.single["image"].text, NetworkMode: s.single["network-mode"].text,
			// A container of containerlab is privileged unless its file says otherwise.
			Privileged: s.single["privileged"].text != "false",
			CapAdd:     s.caps, Env: texts(s.env), Sysctls: texts(s.sysctls),
		}
		for _, key := range []string{"kind", "image", "cmd"} {
			if _, ok := s.single[key]; !ok {
				e.unknown("", "%s is missing", key)
			}
		}
		n.Args, _ = words(s.single["cmd"].text)
		if a, ok := s.single["mgmt-ipv4"]; ok {
			given[n.Name] = a.value
			n.MgmtIPv4, _ = netip.ParseAddr(a.text)
			if n.NetworkMode == "none" {
				a.fault("", "%s has network-mode none and so no address", n.Name)
			}
		}
		t.Nodes = append(t.Nodes, n)
	}
	return given
}

// addresses checks the management addresses that are given, and gives one to each node that has none.
func (r *reader) addresses(topology value, t *Topology, given map[string]value) {
	taken := map[netip.Addr]string{t.Mgmt.Gateway(): "the host"}
	for _, n := range t.Nodes {
		at, ok := given[n.Name]
		if !ok || !n.MgmtIPv4.IsValid() {
			continue
		}
		switch owner := taken[n.MgmtIPv4]; {
		case !t.Mgmt.IPv4.Contains(n.MgmtIPv4) || n.MgmtIPv4 == t.Mgmt.IPv4.Addr() || n.MgmtIPv4 == broadcast(t.Mgmt.IPv4):
			at.fault("", "%s is no address of the management subnet %s", n.MgmtIPv4, t.Mgmt.IPv4)
		case owner != "":
			at.fault("", "%s is the address of %s", n.MgmtIPv4, owner)
		default:
			taken[n.MgmtIPv4] = n.Name
		}
	}
	next := t.Mgmt.Gateway()
	for i := range t.Nodes {
		n := &t.Nodes[i]
		if n.MgmtIPv4.IsValid() || n.NetworkMode == "none" {
			continue
		}
		for taken[next] != "" {
			next = next.Next()
		}
		if !t.Mgmt.IPv4.Contains(next) || next == broadcast(t.Mgmt.IPv4) {
			topology.fault("", "the management subnet %s has no address left for %s", t.Mgmt.IPv4, n.Name)
			return
		}
		n.MgmtIPv4 = next
		taken[next] = n.Name
	}
}

// broadcast returns the last address of an IPv4 prefix.
func broadcast(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		a[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(a)
}

// special reports whether containerlab or the lab means something else than a node by that name.
func special(name string) bool {
	switch name {
	case HostNode, "mgmt-net", "macvlan", "vxlan", "vxlan-stitch", "dummy":
		return true
	}
	return false
}

func (r *reader) links(v value, t *Topology) {
	used := make(map[Endpoint]bool)
	names := make(map[string]bool, len(t.Nodes))
	for _, n := range t.Nodes {
		names[n.Name] = true
	}
	for _, item := range v.items() {
		var l Link
		var ends []scalarEnd
		veth, mtu := false, defaultMTU
		var endpoints value
		for _, e := range item.entries() {
			switch e.key {
			case "endpoints":
				endpoints = e.value
			case "type":
				veth = true
				if text, ok := e.text(); ok && text != "veth" {
					e.fault(onlyContainerlab, "a link of type %s is not supported", text)
				}
			case "mtu":
				text, ok := e.text()
				if !ok {
					continue
				}
				n, err := strconv.Atoi(text)
				if err != nil || n < 68 || n > 65535 {
					e.fault("", "%q is no MTU between 68 and 65535 octets", text)
					continue
				}
				mtu = n
			default:
				e.unknown("here are supported: type, endpoints, mtu", "this key is not supported")
			}
		}
		if endpoints.node == nil {
			item.fault("", "endpoints are missing")
			continue
		}
		for _, x := range endpoints.items() {
			if end, ok := x.endpoint(veth); ok {
				ends = append(ends, end)
			}
		}
		for _, end := range ends {
			switch {
			case special(end.Node) && !names[end.Node]:
				end.fault(onlyContainerlab, "a link to %s is not supported", end.Node)
			case !names[end.Node]:
				end.fault("", "there is no node %s", end.Node)
			}
			switch {
			case end.Interface == "eth0" || end.Interface == "lo":
				end.fault("data links begin at eth1", "%s is not for links", end.Interface)
			case !linkName().MatchString(end.Interface):
				end.fault("", "%q is no name of an interface: up to 15 letters, digits, ., - and _", end.Interface)
			case used[end.Endpoint]:
				end.fault("", "%s is already in a link", end)
			}
			used[end.Endpoint] = true
		}
		if s := endpoints.items(); len(s) != 2 {
			endpoints.fault("", "a link has two endpoints, not %d", len(s))
		} else if len(ends) == 2 {
			l.A, l.B, l.MTU = ends[0].Endpoint, ends[1].Endpoint, mtu
			t.Links = append(t.Links, l)
		}
	}
}

// scalarEnd is an endpoint and where it stands.
type scalarEnd struct {
	value
	Endpoint
}

// String returns "node:interface".
func (e scalarEnd) String() string { return e.Endpoint.String() }

// endpoint reads "node:interface", or in the extended form of links a mapping.
func (v value) endpoint(extended bool) (scalarEnd, bool) {
	if !extended {
		text, ok := v.text()
		if !ok {
			return scalarEnd{}, false
		}
		node, name, ok := strings.Cut(text, ":")
		if !ok || node == "" || name == "" {
			v.fault(`write "node:interface"`, "%q is no endpoint", text)
			return scalarEnd{}, false
		}
		return scalarEnd{v, Endpoint{node, name}}, true
	}
	var e Endpoint
	for _, x := range v.entries() {
		switch x.key {
		case "node":
			e.Node, _ = x.text()
		case "interface":
			e.Interface, _ = x.text()
		default:
			x.unknown("here are supported: node, interface", "this key is not supported")
		}
	}
	if e.Node == "" || e.Interface == "" {
		v.fault("", "an endpoint needs node and interface")
		return scalarEnd{}, false
	}
	return scalarEnd{v, e}, true
}
