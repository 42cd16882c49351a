package junos

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/clitext"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// rest is what there is to know of a switch beside its state.
type rest struct {
	devices int             // LAGs ae0 up to this number, exclusive, can exist
	down    map[string]bool // unused ports that are shut down
	tunnels bool            // there is a source address for VXLAN

	// guests has an interface that joins each service without being a circuit of the state.
	guests map[string]string
}

// after returns what rest becomes when the switch goes from one state to another: ports that are given up are shut
// down, and LAGs are made room for.
func (r rest) after(before, after switchcfg.State) rest {
	out := rest{devices: r.devices, tunnels: r.tunnels, guests: r.guests, down: make(map[string]bool, len(r.down))}
	for name := range r.down {
		if _, used := after[switchcfg.Key{Kind: switchcfg.KindInterface, Name: name}]; !used {
			out.down[name] = true
		}
	}
	for k := range before {
		if _, kept := after[k]; k.Kind == switchcfg.KindInterface && !kept {
			out.down[k.Name] = true
		}
	}
	for k, o := range after {
		if _, understood := o.(*switchcfg.LAG); understood {
			if n, ok := aggregate(k.Name); ok {
				out.devices = max(out.devices, n+1)
			}
		}
	}
	return out
}

// physical reports whether name is that of a customer-facing Ethernet port: "xe-0/0/0", "et-0/1/2:3".
func physical(name string) bool {
	kind, place, ok := strings.Cut(name, "-")
	if !ok || kind != "ge" && kind != "xe" && kind != "et" && kind != "fe" && kind != "mge" {
		return false
	}
	place, channel, channelized := strings.Cut(place, ":")
	parts := strings.Split(place, "/")
	if channelized {
		parts = append(parts, channel)
	}
	for _, p := range parts {
		if _, ok := number(p, 999); !ok {
			return false
		}
	}
	return len(parts) == 3 || channelized && len(parts) == 4
}

// aggregate returns the number of a LAG, of "ae10" 10.
func aggregate(name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, "ae")
	if !ok {
		return 0, false
	}
	n, ok := number(digits, 1151)
	return int(n), ok
}

// number reads a decimal number without leading zeros, up to limit.
func number(s string, limit uint64) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && n <= limit && strconv.FormatUint(n, 10) == s
}

// word reports whether s can be a name without quotes.
func word(s string) bool {
	return s != "" && !strings.ContainsAny(s, " ()") && !strings.ContainsAny(s[:1], "./:@+=-") && drivers.Plain(s)
}

const (
	stormPrefix = switchcfg.Prefix + "storm-"
	reserved    = "01:80:c2:00:00:00/44" // addresses of IEEE 802.1Q-2022 8.6.3
)

func stormName(k switchcfg.Kbps) string {
	return stormPrefix + strconv.FormatUint(uint64(k), 10) + "k"
}

// burst returns the bucket of a policer in octets: what comes in 50 ms, and never less than a few frames.
func burst(k switchcfg.Kbps) uint64 { return max(64_000, uint64(k)*1000/8/20) }

// use is what the circuits of a port or LAG ask of it.
type use struct {
	tagged, untagged bool
	tpids            []switchcfg.TPID // to be declared, ascending
}

func (u *use) add(m switchcfg.Match) {
	if m.Form == switchcfg.Untagged {
		u.untagged = true
		return
	}
	u.tagged = true
	if m.TPID == switchcfg.TPIDCustomer {
		return
	}
	for _, t := range []switchcfg.TPID{switchcfg.TPIDCustomer, m.TPID} {
		if i, found := slices.BinarySearch(u.tpids, t); !found {
			u.tpids = slices.Insert(u.tpids, i, t)
		}
	}
}

// sayable returns what of the objects that changed cannot be said to the switch, in one sentence for an operator.
func sayable(c *drivers.Capabilities, before, after switchcfg.State, r rest) error {
	members, uses := relations(after)
	alone := make(map[string]int)
	for k := range after {
		if k.Kind == switchcfg.KindCircuit {
			alone[k.Name]++
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(touched(before, after)), switchcfg.Key.Compare) {
		o, was := after[k], before[k]
		if o == was || o != nil && was != nil && switchcfg.Equal(was, o) {
			continue
		}
		if _, opaque := was.(*switchcfg.Opaque); opaque {
			return &fault{k, errors.New("what is not understood is not changed")}
		}
		if o == nil {
			continue
		}
		err := c.Carry(o)
		if err == nil {
			err = said(c, o, r, members)
		}
		if ci, ok := o.(*switchcfg.Circuit); err == nil && ok && uses[ci.Parent].untagged && alone[ci.Parent] > 1 {
			err = errors.New("a circuit of untagged frames suffers no other on its port")
		}
		if err != nil {
			return &fault{k, err}
		}
	}
	return unburdened(before, after, r)
}

// unburdened returns an error if something would go that carries what is not understood.
func unburdened(before, after switchcfg.State, r rest) error {
	foreign := make(map[string]switchcfg.Key)
	for k, o := range before {
		if _, opaque := o.(*switchcfg.Opaque); opaque && k.Kind == switchcfg.KindCircuit {
			foreign[k.Name] = k
		}
	}
	for k := range before {
		if _, kept := after[k]; kept {
			continue
		}
		switch k.Kind {
		case switchcfg.KindInterface, switchcfg.KindLAG:
			if on, ok := foreign[k.Name]; ok {
				return &fault{k, fmt.Errorf("%s is on it and is not understood", on)}
			}
		case switchcfg.KindService:
			if guest := r.guests[k.Name]; guest != "" {
				return &fault{k, fmt.Errorf("%s joins it and is not understood", guest)}
			}
		}
	}
	return nil
}

// said is what [sayable] has against one object.
func said(c *drivers.Capabilities, o switchcfg.Object, r rest, members map[string]string) error {
	switch o := o.(type) {
	case *switchcfg.Interface:
		switch {
		case !physical(o.Name):
			return errors.New("no port has such a name")
		case members[o.Name] != "" && o.StormControl != 0:
			return errors.New("the storm control of a member is that of its LAG")
		}
	case *switchcfg.LAG:
		if _, ok := aggregate(o.Name); !ok {
			return errors.New("LAGs are called ae0 to ae1151")
		}
	case *switchcfg.Circuit:
		if o.Match.Form == switchcfg.Untagged && o.Unit != c.UntaggedUnit {
			return fmt.Errorf("the subinterface of untagged frames is number %d", c.UntaggedUnit)
		}
	case *switchcfg.Service:
		switch {
		case !word(o.Name):
			return errors.New("its name is no word")
		case c.ServiceVLAN && o.VLAN == 0 && o.Type != switchcfg.ServiceLine:
			return errors.New("a service is a VLAN, and it has none")
		case o.VNI > 1<<24-2:
			return fmt.Errorf("VNI %d is above 16777214", o.VNI)
		case o.VNI != 0 && !r.tunnels:
			return errors.New("the switch has no vtep-source-interface for tunnels")
		case len(o.Peers) > 1024:
			return fmt.Errorf("%d tunnel peers are above its limit of 1024", len(o.Peers))
		case o.MACLimit != 0:
			return errors.New("its services have no limit of addresses of their own")
		}
	case *switchcfg.Filter:
		if !word(o.Name) || len(o.Name) > 64 {
			return errors.New("its name is no word of at most 64 characters")
		}
	}
	return nil
}

// relations returns the LAG of each member and what circuits ask of each parent.
func relations(s switchcfg.State) (members map[string]string, uses map[string]*use) {
	members, uses = make(map[string]string), make(map[string]*use)
	for _, o := range s {
		switch o := o.(type) {
		case *switchcfg.LAG:
			for _, m := range o.Members {
				members[m] = o.Name
			}
		case *switchcfg.Circuit:
			u := uses[o.Parent]
			if u == nil {
				u = new(use)
				uses[o.Parent] = u
			}
			u.add(o.Match)
		}
	}
	return members, uses
}

// commands returns the commands that lead from one state to another. Only what has changed is compared, with what its
// statements stand in.
func commands(w *words, before, after switchcfg.State, r rest) []string {
	t := touched(before, after)
	return clitext.Patch(renderPart(w, before, r, t), renderPart(w, after, r.after(before, after), t))
}

// touched returns the keys of the objects whose statements may differ between two states, and of those whose entries
// these stand in.
func touched(before, after switchcfg.State) map[switchcfg.Key]bool {
	out := make(map[switchcfg.Key]bool)
	add := func(o switchcfg.Object) {
		if o == nil {
			return
		}
		out[o.Key()] = true
		switch o := o.(type) {
		case *switchcfg.LAG:
			for _, m := range o.Members {
				out[switchcfg.Key{Kind: switchcfg.KindInterface, Name: m}] = true
			}
		case *switchcfg.Circuit:
			out[portKey(o.Parent)] = true
			out[switchcfg.Key{Kind: switchcfg.KindService, Name: o.Service}] = true
		}
	}
	for k, o := range after {
		if was := before[k]; was == nil || !switchcfg.Equal(was, o) {
			add(was)
			add(o)
		}
	}
	for k, o := range before {
		if after[k] == nil {
			add(o)
		}
	}
	return out
}

// render returns the configuration of a switch that is in state s.
func render(w *words, s switchcfg.State, r rest) *clitext.Tree {
	all := make(map[switchcfg.Key]bool, len(s))
	for k := range s {
		all[k] = true
	}
	return renderPart(w, s, r, all)
}

// renderPart is [render] for the objects at some keys, and for what is no object.
func renderPart(w *words, s switchcfg.State, r rest, keys map[switchcfg.Key]bool) *clitext.Tree {
	x := renderer{words: w, tree: clitext.New(dialect(w))}
	x.members, x.uses = relations(s)
	if r.devices > 0 {
		x.put("chassis aggregated-devices ethernet device-count", strconv.Itoa(r.devices))
	}
	for _, k := range slices.SortedFunc(maps.Keys(keys), switchcfg.Key.Compare) {
		x.anchor(k, s[k])
		switch o := s[k].(type) {
		case *switchcfg.Policer:
			x.policer(o)
		case *switchcfg.Filter:
			x.filter(o)
		case *switchcfg.Service:
			x.service(o)
		case *switchcfg.Interface:
			x.port(o)
		case *switchcfg.LAG:
			x.lag(o)
		case *switchcfg.Circuit:
			x.circuit(o)
		}
	}
	for _, k := range profilesOf(s) {
		x.put("forwarding-options storm-control-profiles", stormName(k), "all bandwidth-level", strconv.FormatUint(uint64(k), 10))
	}
	for _, name := range slices.Sorted(maps.Keys(r.down)) {
		if _, used := s[switchcfg.Key{Kind: switchcfg.KindInterface, Name: name}]; !used {
			x.put("interfaces", name, "disable")
		}
	}
	return x.tree
}

// profilesOf returns the limits of storm control in use, ascending.
func profilesOf(s switchcfg.State) []switchcfg.Kbps {
	used := make(map[switchcfg.Kbps]bool)
	for _, o := range s {
		switch o := o.(type) {
		case *switchcfg.Interface:
			used[o.StormControl] = true
		case *switchcfg.LAG:
			used[o.StormControl] = true
		}
	}
	delete(used, 0)
	return slices.Sorted(maps.Keys(used))
}

type renderer struct {
	*words
	tree    *clitext.Tree
	members map[string]string
	uses    map[string]*use
}

// anchor writes the entry alone that statements of several objects stand in. It is there as long as its object is,
// also one that is not understood, and is not taken away with the last statement of another.
func (x *renderer) anchor(k switchcfg.Key, o switchcfg.Object) {
	switch {
	case o == nil:
	case k.Kind == switchcfg.KindLAG:
		x.put("interfaces", clitext.Quote(k.Name))
	case k.Kind == switchcfg.KindService:
		x.put(x.services, clitext.Quote(k.Name))
	}
}

// put writes one statement. Its parts are words of ours, one or several, and names.
func (x *renderer) put(parts ...string) { x.tree.Put(strings.Join(parts, " ")) }

// text writes a statement that ends in free text.
func (x *renderer) text(at, statement, value string) {
	if value != "" {
		x.put(at, statement, clitext.Quote(value))
	}
}

func (x *renderer) policer(o *switchcfg.Policer) {
	at := "firewall policer " + switchcfg.PolicerName(o.Rate)
	x.put(at, "if-exceeding bandwidth-limit", strconv.FormatUint(uint64(o.Rate)*1000, 10))
	x.put(at, "if-exceeding burst-size-limit", strconv.FormatUint(burst(o.Rate), 10))
	x.put(at, "then discard")
}

func (x *renderer) filter(o *switchcfg.Filter) {
	at := "firewall family " + x.family + " filter " + clitext.Quote(o.Name)
	x.put(at, "term control from destination-mac-address", reserved)
	x.put(at, "term control then count control")
	x.put(at, "term control then discard")
	if o.AnySource {
		x.put(at, "term any then count any")
		x.put(at, "term any then accept")
		return
	}
	for _, m := range o.Sources {
		x.put(at, "term members from source-mac-address", m.String()+"/48")
	}
	if len(o.Sources) > 0 {
		x.put(at, "term members then count members")
		x.put(at, "term members then accept")
	}
	x.put(at, "term rest then count rest")
	x.put(at, "term rest then discard")
}

func (x *renderer) service(o *switchcfg.Service) {
	at := x.services + " " + clitext.Quote(o.Name)
	x.text(at, "description", o.Description)
	if o.VLAN != 0 {
		x.put(at, "vlan-id", strconv.Itoa(int(o.VLAN)))
	} else if x.noVLAN != "" {
		x.put(at, "vlan-id", x.noVLAN)
	}
	switch o.Type {
	case switchcfg.ServiceLine:
		x.put(at, x.options, "no-mac-learning")
	case switchcfg.ServiceTree:
		x.put(at, "no-local-switching")
	}
	if o.VNI != 0 {
		x.put(at, "vxlan vni", strconv.FormatUint(uint64(o.VNI), 10))
		x.put(at, "vxlan ingress-node-replication")
	}
	for _, p := range o.Peers {
		x.put(at, "vxlan static-remote-vtep-list", p.String())
	}
}

func (x *renderer) port(o *switchcfg.Interface) {
	at := "interfaces " + o.Name
	x.text(at, "description", o.Description)
	if o.Shutdown {
		x.put(at, "disable")
	}
	if lag := x.members[o.Name]; lag != "" {
		x.put(at, x.words.port, "802.3ad", lag)
	}
	x.parent(o.Name, o.MTU, o.StormControl, x.words.port, x.storm)
}

func (x *renderer) lag(o *switchcfg.LAG) {
	at := "interfaces " + o.Name
	x.text(at, "description", o.Description)
	if o.Shutdown {
		x.put(at, "disable")
	}
	if o.MinLinks > 0 {
		x.put(at, x.aggregate, "minimum-links", strconv.Itoa(int(o.MinLinks)))
	}
	if o.Mode == switchcfg.ModeLACP {
		mode := "active"
		if o.Passive {
			mode = "passive"
		}
		x.put(at, x.aggregate, "lacp", mode)
		x.put(at, x.aggregate, "lacp periodic", string(o.Rate))
		if o.SystemID != (switchcfg.MAC{}) {
			x.put(at, x.aggregate, "lacp system-id", o.SystemID.String())
		}
	}
	x.parent(o.Name, o.MTU, o.StormControl, x.aggregate, x.aggregate)
}

// parent writes what a port and a LAG have in common. Ethertypes and storm control are options of different names.
func (x *renderer) parent(name string, mtu uint16, storm switchcfg.Kbps, tpids, profile string) {
	at := "interfaces " + name
	if mtu > 0 {
		x.put(at, "mtu", strconv.Itoa(int(mtu)+headroom))
	}
	if storm > 0 {
		x.put(at, profile, "ethernet-switch-profile storm-control", stormName(storm))
	}
	u := x.uses[name]
	switch {
	case u == nil:
	case u.tagged:
		x.put(at, "flexible-vlan-tagging")
		x.put(at, "encapsulation", x.tagged)
		for _, t := range u.tpids {
			x.put(at, tpids, "ethernet-switch-profile tag-protocol-id", t.String())
		}
	default:
		x.put(at, "encapsulation", x.untagged)
	}
}

func (x *renderer) circuit(o *switchcfg.Circuit) {
	at := "interfaces " + o.Parent + " unit " + strconv.FormatUint(uint64(o.Unit), 10)
	x.text(at, "description", o.Description)
	if o.Shutdown {
		x.put(at, "disable")
	}
	m := o.Match
	if m.Form != switchcfg.Untagged && x.unit != "" {
		x.put(at, "encapsulation", x.unit)
	}
	outer := strconv.Itoa(int(m.Outer))
	switch {
	case m.Form == switchcfg.Untagged:
	case m.Form == switchcfg.Single && m.TPID == switchcfg.TPIDCustomer:
		x.put(at, "vlan-id", outer)
	default:
		x.put(at, "vlan-tags outer", m.TPID.String()+"."+outer)
		if m.Form == switchcfg.Double {
			x.put(at, "vlan-tags inner", switchcfg.TPIDCustomer.String()+"."+strconv.Itoa(int(m.Inner)))
		}
	}
	x.put(at, "family", x.family)
	if o.Role == switchcfg.RoleRoot {
		x.put(at, "family", x.family, "core-facing")
	}
	if o.Filter != "" {
		x.put(at, "family", x.family, "filter input", clitext.Quote(o.Filter))
	}
	if o.RateIn > 0 {
		x.put(at, "layer2-policer input-policer", switchcfg.PolicerName(o.RateIn))
	}
	if o.RateOut > 0 {
		x.put(at, "layer2-policer output-policer", switchcfg.PolicerName(o.RateOut))
	}
	name := switchcfg.CircuitName(o.Parent, o.Unit)
	in := x.services + " " + clitext.Quote(o.Service)
	x.put(in, "interface", name)
	if o.MACLimit > 0 {
		x.put(in, x.options, "interface", name, "interface-mac-limit", strconv.FormatUint(uint64(o.MACLimit), 10))
		x.put(in, x.options, "interface", name, "interface-mac-limit packet-action drop")
	}
}
