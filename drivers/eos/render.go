package eos

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/clitext"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// stormFrame is the size in kbit of the frames by which storm control counts: 500 octets.
const stormFrame = 4

const classDefault = "class class-default"

// police bounds a rate, with bursts of 50 ms and of at least 256 kbyte.
func police(r switchcfg.Kbps) string {
	burst := max(256, (uint64(r)*50/8+1023)/1024)
	return fmt.Sprintf("police rate %d kbps burst-size %d kbytes", r, burst)
}

// commands returns what makes of a switch that is as r one whose state is target, changes being the difference.
func (r *running) commands(c *drivers.Capabilities, target switchcfg.State, changes []plan.Change) ([]string, error) {
	members := groups(target)
	for _, ch := range changes {
		if err := r.says(c, target, members, ch.Key); err != nil {
			return nil, fmt.Errorf("%s: %w", ch.Key, err)
		}
	}
	before, after := r.site, r.site
	before.loose, after.loose = maps.Clone(r.loose), nil
	maps.DeleteFunc(before.loose, func(k switchcfg.Key, _ string) bool { return target[k] == nil })
	after.idle = maps.Clone(r.idle)
	maps.DeleteFunc(after.idle, func(name string, _ *port) bool {
		return target[switchcfg.Key{Kind: switchcfg.KindInterface, Name: name}] != nil
	})
	touched := r.touched(target, changes)
	if r.bridged {
		r.alongside(touched, target)
		if err := r.saysPorts(c, target, touched); err != nil {
			return nil, err
		}
	}
	from, to := before.render(r.state, touched), after.render(target, touched)
	if err := errors.Join(from.Err(), to.Err()); err != nil {
		return nil, err
	}
	return clitext.Patch(from, to), nil
}

// touched returns the keys of what changes, and of all that has lines in the same blocks or says where it stands.
func (r *running) touched(target switchcfg.State, changes []plan.Change) map[switchcfg.Key]bool {
	keys := make(map[switchcfg.Key]bool, len(changes))
	services := make(map[string]bool) // those whose circuits all count
	for _, ch := range changes {
		keys[ch.Key] = true
		for _, s := range []switchcfg.State{r.state, target} {
			switch o := s[ch.Key].(type) {
			case *switchcfg.LAG:
				for _, m := range o.Members {
					keys[switchcfg.Key{Kind: switchcfg.KindInterface, Name: m}] = true
				}
			case *switchcfg.Service:
				services[o.Name] = true
			case *switchcfg.Circuit:
				if svc, ok := s[serviceKey(o.Service)].(*switchcfg.Service); ok && svc.VLAN == 0 {
					services[o.Service] = true
				}
			}
		}
		if name, ok := r.loose[ch.Key]; ok {
			services[name] = true
		}
	}
	if len(services) == 0 {
		return keys
	}
	for name := range services {
		keys[serviceKey(name)] = true
	}
	for _, s := range []switchcfg.State{r.state, target} {
		for k, o := range s {
			if c, ok := o.(*switchcfg.Circuit); ok && services[c.Service] {
				keys[k] = true
			}
		}
	}
	return keys
}

// groups returns the channel-group line of each member.
func groups(s switchcfg.State) map[string]string {
	out := make(map[string]string)
	for _, o := range s {
		if l, ok := o.(*switchcfg.LAG); ok {
			for _, m := range l.Members {
				out[m] = channelGroup(l)
			}
		}
	}
	return out
}

func channelGroup(l *switchcfg.LAG) string {
	return "channel-group " + strings.TrimPrefix(l.Name, portChannel) + " mode " + mode(l)
}

func mode(l *switchcfg.LAG) string {
	switch {
	case l.Mode == switchcfg.ModeStatic:
		return "on"
	case l.Passive:
		return "passive"
	}
	return "active"
}

// says returns what keeps the object at k from being said on a switch that is to be as state, where members are in
// groups.
func (s *site) says(c *drivers.Capabilities, state switchcfg.State, members map[string]string, k switchcfg.Key) error {
	switch o := state[k].(type) {
	case *switchcfg.Interface:
		_, member := members[o.Name]
		return errors.Join(named(o.Name, ethernet), shown(c, o.TPID, member))
	case *switchcfg.LAG:
		return errors.Join(named(o.Name, portChannel), shown(c, o.TPID, false))
	case *switchcfg.Service:
		return s.saysService(c, o)
	case *switchcfg.Circuit:
		return saysCircuit(c, state, o)
	}
	return nil
}

func named(name, prefix string) error {
	if !portName(name) || !strings.HasPrefix(name, prefix) {
		return fmt.Errorf("%q is not a name such as %s1", name, prefix)
	}
	return nil
}

// shown refuses a port without an ethertype where ports have one: the device does not show its default, and none could
// not be told from it.
func shown(c *drivers.Capabilities, t switchcfg.TPID, member bool) error {
	if c.TPIDDefault && t == 0 && !member {
		return fmt.Errorf("its ports have an outer ethertype, if no other then %s", switchcfg.TPIDCustomer)
	}
	return nil
}

func (s *site) saysService(c *drivers.Capabilities, o *switchcfg.Service) error {
	switch {
	case o.VLAN == 0 && (o.Type != switchcfg.ServiceLine || o.VNI > 0 || c.LineVLAN):
		return errors.New("a service is a VLAN here, and it has none")
	case o.VNI > 0 && !s.tunnels:
		return fmt.Errorf("the switch has no interface %s for its tunnels", tunnelInterface)
	case o.VNI > 0 && len(o.Peers) == 0 && s.floods:
		return fmt.Errorf("it has no peers, and %s has some for all VLANs", tunnelInterface)
	}
	return nil
}

func saysCircuit(c *drivers.Capabilities, state switchcfg.State, o *switchcfg.Circuit) error {
	if !portName(o.Parent) || o.Unit == 0 {
		return fmt.Errorf("%s is not a name such as %s1.100", switchcfg.CircuitName(o.Parent, o.Unit), portChannel)
	}
	if _, ok := state[serviceKey(o.Service)].(*switchcfg.Service); !ok {
		return fmt.Errorf("its service %s is not understood", o.Service)
	}
	if o.Match.Form == switchcfg.Untagged {
		return nil
	}
	known := []switchcfg.TPID{switchcfg.TPIDCustomer, switchcfg.TPIDService}
	if c.TPIDScope == drivers.PortScope {
		known = []switchcfg.TPID{switchcfg.TPIDCustomer}
		known[0] = max(known[0], ethertype(state, o.Parent))
	}
	if !slices.Contains(known, o.Match.TPID) {
		return fmt.Errorf("an encapsulation cannot match outer ethertype %s there, only %v", o.Match.TPID, known)
	}
	return nil
}

// ethertype returns that of a port or Port-Channel, or 0.
func ethertype(s switchcfg.State, parent string) switchcfg.TPID {
	switch p, _ := s.Parent(parent); p := p.(type) {
	case *switchcfg.Interface:
		return p.TPID
	case *switchcfg.LAG:
		return p.TPID
	}
	return 0
}

func serviceKey(name string) switchcfg.Key {
	return switchcfg.Key{Kind: switchcfg.KindService, Name: name}
}

// canvas is a tree in the making.
type canvas struct {
	*clitext.Tree
	state    switchcfg.State
	site     *site
	ends     map[string]int                  // connectors of patches so far
	circuits map[string][]*switchcfg.Circuit // of ports, if they are VLANs of them
}

// render returns what the configuration of a state says of the objects at keys. Blocks in which others have lines of
// their own are always there, so that they are never removed.
func (s *site) render(state switchcfg.State, keys map[switchcfg.Key]bool) *clitext.Tree {
	c := &canvas{Tree: clitext.New(dialect()), state: state, site: s, ends: make(map[string]int)}
	if s.bridged {
		c.circuits = byPort(state, keys)
	}
	c.Put("patch panel")
	if s.tunnels {
		c.Put("interface " + tunnelInterface)
	}
	for _, name := range slices.SortedFunc(maps.Keys(s.idle), switchcfg.CompareNames) {
		c.port(s.idle[name])
	}
	member := groups(state)
	for _, k := range slices.SortedFunc(maps.Keys(keys), switchcfg.Key.Compare) {
		switch o := state[k].(type) {
		case *switchcfg.Policer:
			c.Put("policy-map type quality-of-service "+k.Name, classDefault, police(o.Rate))
		case *switchcfg.Filter:
			c.filter(o)
		case *switchcfg.Service:
			c.service(o)
		case *switchcfg.Interface:
			_, isMember := member[o.Name]
			c.port(&port{
				name: o.Name, description: o.Description, shutdown: o.Shutdown, routed: !isMember && !s.bridged,
				mtu: o.MTU, tpid: o.TPID, storm: o.StormControl,
			})
			if s.bridged && !isMember {
				c.bridge(o.Name)
			}
		case *switchcfg.LAG:
			c.port(&port{
				name: o.Name, description: o.Description, shutdown: o.Shutdown, routed: !s.bridged, mtu: o.MTU, tpid: o.TPID,
				storm: o.StormControl, minLinks: o.MinLinks, systemID: o.SystemID,
			})
			if s.bridged {
				c.bridge(o.Name)
			}
			for _, m := range o.Members {
				c.Put("interface "+m, channelGroup(o))
				if o.Rate == switchcfg.RateFast {
					c.Put("interface "+m, "lacp timer fast")
				}
			}
		case *switchcfg.Circuit:
			if !s.bridged {
				c.circuit(o)
			}
		case *switchcfg.Opaque:
			if k.Kind == switchcfg.KindInterface {
				c.Put("interface " + k.Name)
			}
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(s.loose), switchcfg.Key.Compare) {
		c.connect(s.loose[k], k)
	}
	return c.Tree
}

func (c *canvas) port(p *port) {
	block := "interface " + p.name
	c.Put(block)
	put := func(yes bool, line string) {
		if yes {
			c.Put(block, line)
		}
	}
	put(p.description != "", "description "+p.description)
	put(p.shutdown, "shutdown")
	put(p.mtu > 0, "l2 mtu "+strconv.Itoa(int(p.mtu)))
	put(p.routed, "no switchport")
	put(p.tpid > switchcfg.TPIDCustomer, "switchport dot1q ethertype "+p.tpid.String())
	put(p.minLinks > 0, "port-channel min-links "+strconv.Itoa(int(p.minLinks)))
	put(p.systemID != switchcfg.MAC{}, "lacp system-id "+dotted(p.systemID))
	put(p.storm > 0, "storm-control all level pps "+strconv.FormatUint(uint64(p.storm/stormFrame), 10))
}

// dotted returns the form in which EOS writes addresses, "0200.0012.3456".
func dotted(m switchcfg.MAC) string {
	return fmt.Sprintf("%02x%02x.%02x%02x.%02x%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

func (c *canvas) filter(f *switchcfg.Filter) {
	block := "mac access-list " + f.Name
	n := 0
	put := func(rule string) {
		n += 10
		c.Put(block, strconv.Itoa(n)+" "+rule)
	}
	put(control)
	for _, m := range f.Sources {
		put("permit " + dotted(m) + exactly)
	}
	if f.AnySource {
		put("permit any any")
	} else {
		put("deny any any")
	}
}

func (c *canvas) service(s *switchcfg.Service) {
	path := []string{"patch panel", "patch " + s.Name}
	if s.VLAN != 0 {
		path = []string{"vlan " + strconv.Itoa(int(s.VLAN))}
	}
	put := func(line string) { c.Put(append(slices.Clip(path), line)...) }
	c.Put(path...)
	if s.Description != "" {
		put("!! " + s.Description)
	}
	if s.VLAN == 0 {
		return
	}
	if s.Name != vlanName(s.VLAN) {
		put("name " + s.Name)
	}
	if s.Type == switchcfg.ServiceLine {
		put("no mac address learning")
	}
	vxlan := "vxlan " + path[0]
	if s.VNI > 0 {
		c.Put("interface "+tunnelInterface, vxlan+" vni "+strconv.FormatUint(uint64(s.VNI), 10))
	}
	if len(s.Peers) > 0 {
		line := vxlan + " flood vtep"
		for _, a := range s.Peers {
			line += " " + a.String()
		}
		c.Put("interface "+tunnelInterface, line)
	}
}

func (c *canvas) circuit(o *switchcfg.Circuit) {
	block := "interface " + switchcfg.CircuitName(o.Parent, o.Unit)
	c.Put(block, "encapsulation vlan", client(o.Match, ethertype(c.state, o.Parent) != 0))
	if o.Description != "" {
		c.Put(block, "description "+o.Description)
	}
	if o.Shutdown {
		c.Put(block, "shutdown")
	}
	if v := c.vlan(o.Service); v != 0 {
		c.Put(block, "vlan id "+strconv.Itoa(int(v)))
	} else if o.Service != "" {
		c.connect(o.Service, o.Key())
	}
	for _, line := range limits(o) {
		c.Put(block, line)
	}
}

// vlan returns that of a service, or 0 for one without, or one that is not understood.
func (c *canvas) vlan(service string) switchcfg.VLANID {
	switch s := c.state[serviceKey(service)].(type) {
	case *switchcfg.Service:
		return s.VLAN
	case nil:
		v, _ := vlanOf(service)
		return v
	}
	return 0
}

// connect makes a circuit the next end of a patch that is understood.
func (c *canvas) connect(service string, k switchcfg.Key) {
	if s, ok := c.state[serviceKey(service)].(*switchcfg.Service); ok && s.VLAN == 0 {
		c.ends[service]++
		c.Put("patch panel", "patch "+service, fmt.Sprintf("connector %d interface %s", c.ends[service], switchcfg.CircuitName(k.Name, k.Unit)))
	}
}

// client returns the line of a match. Where the port has an ethertype of its own, that is what dot1q stands for.
func client(m switchcfg.Match, ported bool) string {
	word, between := "dot1q", "inner"
	if m.TPID == switchcfg.TPIDService && !ported {
		word, between = "dot1ad", "inner dot1q"
	}
	switch m.Form {
	case switchcfg.Untagged:
		return "client untagged network untagged"
	case switchcfg.Single:
		return fmt.Sprintf("client %s %d", word, m.Outer)
	default:
		return fmt.Sprintf("client %s outer %d %s %d", word, m.Outer, between, m.Inner)
	}
}
