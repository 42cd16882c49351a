package ovs

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// cookie marks our flows: "ixag".
const cookie = "cookie=0x69786167, "

// The tables of flows in the hub.
const (
	tablePorts  = 0 // by port: from a parent to tableOuter, from a circuit to the parent
	tableOuter  = 1 // by parent and outer tag
	tableInner  = 2 // by parent, outer and inner tag
	tableNoMore = 3 // frames with further tags end here
	tableEnter  = 4 // by circuit: its rate, its filter
	tableFilter = 5 // by filter and addresses
	tableLeave  = 6 // to the circuit
)

// control are the reserved addresses of IEEE 802.1Q-2022 8.6.3.
const control = "dl_dst=01:80:c2:00:00:00/ff:ff:ff:ff:ff:f0"

// again is the group through which a frame goes to tableInner, and is looked at anew: its hash is asked for, of which
// there is none before the frame is as it has become.
const again = 1

// maxMTU leaves room for the tags within the 16 bits of an MTU of Linux.
const maxMTU = 65535 - tagRoom

// maxName is the length of the name of an interface of Linux.
const maxName = 15

// tagRoom is what two tags take of the MTU of an interface, which is without them for no frame.
const tagRoom = 8

// rendering makes the configuration of a state.
type rendering struct {
	*config
	state   switchcfg.State
	numbers map[string]int // OpenFlow ports of the hub by interface
	taken   map[int]bool   // numbers that are or were in use
	next    int
	outers  map[string][]string       // VLANs of the circuits of a LAG
	lags    map[string]*switchcfg.LAG // by member
	errs    map[switchcfg.Key]error
}

// render returns what a switch is told of a state, in which every object is as in the model. What cannot be said of
// an object is an error. Interfaces that are in numbers keep their OpenFlow port, others get one that is not taken.
func render(s switchcfg.State, numbers map[string]int, taken map[int]bool) (*config, map[switchcfg.Key]error) {
	r := &rendering{config: newConfig(), state: s, numbers: numbers, taken: taken, next: 1, outers: make(map[string][]string), lags: make(map[string]*switchcfg.LAG), errs: make(map[switchcfg.Key]error)}
	if !slices.ContainsFunc(slices.Collect(maps.Values(s)), func(o switchcfg.Object) bool { _, odd := o.(*switchcfg.Opaque); return !odd }) {
		return r.config, r.errs
	}
	r.base()
	for _, o := range s {
		if l, ok := o.(*switchcfg.LAG); ok {
			for _, m := range l.Members {
				r.lags[m] = l
			}
		}
	}
	keys := s.Keys()
	for _, k := range slices.Backward(keys) { // LAGs need to know of their circuits
		if c, ok := s[k].(*switchcfg.Circuit); ok {
			r.fails(k, r.circuit(c))
		}
	}
	for _, k := range keys {
		switch o := s[k].(type) {
		case *switchcfg.Policer:
			r.rows[rowKey{tableBridge, hub}].columns[noteOf(k)] = quoted("")
		case *switchcfg.Filter:
			r.filter(o)
		case *switchcfg.Service:
			r.fails(k, r.service(o))
		case *switchcfg.Interface:
			r.fails(k, r.port(o))
		case *switchcfg.LAG:
			r.fails(k, r.lag(o))
		}
	}
	return r.config, r.errs
}

func (r *rendering) fails(k switchcfg.Key, err error) {
	if err != nil {
		r.errs[k] = err
	}
}

// noteOf is the column for an object that has no row of its own.
func noteOf(k switchcfg.Key) string { return "external_ids:" + quoted("ixagent "+k.String()) }

// base makes the hub, and the flows that all circuits share.
func (r *rendering) base() {
	// Of two tags Open vSwitch may look at the outer one only. Were it told to look at both, what it caches for frames with
	// one tag would serve those with two as well.
	r.put(&row{rowKey: rowKey{tableSwitch, "."}, columns: make(map[string]string)})
	r.put(&row{rowKey: rowKey{tableBridge, hub}, columns: map[string]string{"datapath_type": "netdev", "fail_mode": "secure", note: quoted(part)}})
	for _, f := range baseFlows() {
		r.flows[f] = nil
	}
}

func flow(table, priority int, match, actions string) string {
	var t string
	if table > 0 {
		t = fmt.Sprintf("table=%d, ", table)
	}
	if match != "" {
		match = "," + match
	}
	return fmt.Sprintf("%s%spriority=%d%s actions=%s", cookie, t, priority, match, actions)
}

func baseFlows() []string {
	out := []string{
		flow(tableNoMore, 200, "vlan_tci=0x1000/0x1000", "drop"),
		flow(tableNoMore, 100, "", fmt.Sprintf("goto_table:%d", tableEnter)),
		flow(tableLeave, 100, "", "output:NXM_NX_REG0[]"),
	}
	for _, t := range switchcfg.TPIDs() {
		out = append(out, flow(tableNoMore, 200, "dl_type="+t.String(), "drop"))
	}
	return out
}

func (r *rendering) flow(owner switchcfg.Key, f string) { r.flows[f] = append(r.flows[f], owner) }

// ofport returns the number of an interface in the hub.
func (r *rendering) ofport(name string) int {
	n, ok := r.numbers[name]
	if !ok {
		for r.taken[r.next] {
			r.next++
		}
		n = r.next
		r.numbers[name], r.taken[n] = n, true
	}
	return n
}

func object(o switchcfg.Object) string {
	b, _ := json.Marshal(switchcfg.Any{Object: o}) // the model's objects have a form in JSON
	return quoted(string(b))
}

func (r *rendering) filter(f *switchcfg.Filter) {
	k := f.Key()
	kind := "sources"
	if f.AnySource {
		kind = "any"
	}
	r.rows[rowKey{tableBridge, hub}].columns[noteOf(k)] = quoted(kind)
	for _, line := range filterFlows(f) {
		r.flow(k, line)
	}
}

func filterMatch(name string) string { return fmt.Sprintf("metadata=%#x", number(name)) }

func filterFlows(f *switchcfg.Filter) []string {
	match, pass := filterMatch(f.Name), fmt.Sprintf("goto_table:%d", tableLeave)
	out := []string{flow(tableFilter, 300, match+","+control, "drop")}
	if f.AnySource {
		return append(out, flow(tableFilter, 100, match, pass))
	}
	for _, m := range f.Sources {
		out = append(out, flow(tableFilter, 200, match+",dl_src="+m.String(), pass))
	}
	return append(out, flow(tableFilter, 50, match, "drop"))
}

func (r *rendering) service(s *switchcfg.Service) error {
	if s.MACLimit > 0 {
		return errors.New("its services have no limit of addresses")
	}
	bridge, k := serviceBridge(s.Name), s.Key()
	columns := map[string]string{"datapath_type": "netdev", note: object(s)}
	if s.Type == switchcfg.ServiceLine {
		columns["flood_vlans"] = "[0]" // nothing is learned: what enters at one end leaves at the other
	}
	r.put(&row{rowKey: rowKey{tableBridge, bridge}, owner: k, columns: columns})
	for _, p := range s.Peers {
		name := tunnel(s.Name, p.String())
		// What comes from one switch is not sent to another, which has it from the first.
		r.put(&row{rowKey: rowKey{tablePort, name}, in: bridge, owner: k, columns: map[string]string{"protected": "true", note: quoted(part)}})
		r.put(&row{rowKey: rowKey{tableInterface, name}, in: name, owner: k, columns: map[string]string{
			"type": "vxlan", "options:remote_ip": quoted(p.String()), "options:key": quoted(strconv.FormatUint(uint64(s.VNI), 10)), note: quoted(part),
		}})
	}
	return nil
}

func mtu(columns map[string]string, of ...uint16) {
	for _, n := range of {
		if n > 0 {
			columns["mtu_request"] = strconv.Itoa(int(n) + tagRoom)
			return
		}
	}
}

// aggregationKey is the column for the key of IEEE 802.1AX-2020 6.3.5. By itself Open vSwitch gives a LAG that of one of its members,
// and another when that member goes, which is a break for all.
const aggregationKey = "other_config:lacp-aggregation-key"

func keyOf(l *switchcfg.LAG) string {
	return quoted(strconv.FormatUint(1+number(l.Name)%65535, 10))
}

// netdev makes the row of a physical interface, in a port.
func (r *rendering) netdev(p *switchcfg.Interface, port string, inHub bool, lag *switchcfg.LAG) {
	columns := map[string]string{note: object(p)}
	if inHub {
		columns["ofport_request"] = strconv.Itoa(r.ofport(p.Name))
	}
	if lag != nil {
		mtu(columns, p.MTU, lag.MTU)
		if lag.Mode == switchcfg.ModeLACP {
			columns[aggregationKey] = keyOf(lag)
		}
	} else {
		mtu(columns, p.MTU)
	}
	r.put(&row{rowKey: rowKey{tableInterface, p.Name}, in: port, owner: p.Key(), columns: columns})
}

func (r *rendering) port(p *switchcfg.Interface) error {
	if len(p.Name) > maxName || strings.ContainsAny(p.Name, "/:") {
		return errors.New("no interface of Linux has this name")
	}
	if lag := r.lags[p.Name]; lag != nil {
		if p.Shutdown {
			return errors.New("a member of a LAG cannot be shut by itself")
		}
		r.netdev(p, lag.Name, lag.Mode == switchcfg.ModeStatic, lag)
		return nil
	}
	r.put(&row{rowKey: rowKey{tablePort, p.Name}, in: hub, owner: p.Key(), columns: map[string]string{note: quoted(part)}})
	r.netdev(p, p.Name, true, nil)
	if !p.Shutdown {
		r.enters(p.Key(), p.Name, p.Name)
	}
	return nil
}

// enters has the frames from an interface of the hub be those of a parent.
func (r *rendering) enters(k switchcfg.Key, parent, from string) {
	r.flow(k, flow(tablePorts, 100, fmt.Sprintf("in_port=%d", r.ofport(from)), fmt.Sprintf("write_metadata:%#x,goto_table:%d", number(parent), tableOuter)))
}

func (r *rendering) lag(l *switchcfg.LAG) error {
	k := l.Key()
	for _, m := range l.Members {
		if r.state[switchcfg.Key{Kind: switchcfg.KindInterface, Name: m}] == nil {
			return fmt.Errorf("there is no interface %s", m)
		}
	}
	if o := r.state[switchcfg.Key{Kind: switchcfg.KindInterface, Name: l.Name}]; o != nil {
		return errors.New("an interface has the same name")
	}
	columns := map[string]string{note: object(l)}
	if l.Mode == switchcfg.ModeStatic {
		columns["lacp"], columns["bond_mode"] = "off", "balance-slb"
		r.put(&row{rowKey: rowKey{tablePort, l.Name}, in: hub, owner: k, columns: columns})
		if !l.Shutdown {
			for _, m := range l.Members {
				r.enters(k, l.Name, m)
			}
		}
		return nil
	}
	bridge := lagBridge(l.Name)
	columns["bond_mode"], columns["lacp"] = "balance-tcp", "active"
	switch {
	case l.Shutdown:
		columns["lacp"] = "off" // the partner shall not send
	case l.Passive:
		columns["lacp"] = "passive"
	}
	columns["other_config:lacp-time"] = quoted(string(l.Rate))
	if l.SystemID != (switchcfg.MAC{}) {
		columns["other_config:lacp-system-id"] = quoted(l.SystemID.String())
	}
	about := map[string]string{"datapath_type": "netdev", "other_config:forward-bpdu": quoted("true"), note: quoted(part)}
	if vlans := r.outers[l.Name]; len(vlans) > 0 {
		// Stations behind two circuits of one LAG reach each other through the service, so the bond must not know them.
		slices.SortFunc(vlans, switchcfg.CompareNames)
		about["flood_vlans"] = "[" + strings.Join(slices.Compact(vlans), ",") + "]"
	}
	r.put(&row{rowKey: rowKey{tableBridge, bridge}, owner: k, columns: about})
	r.put(&row{rowKey: rowKey{tablePort, l.Name}, in: bridge, owner: k, columns: columns})
	if len(l.Members) == 1 {
		name := idle(l.Name)
		r.put(&row{rowKey: rowKey{tableInterface, name}, in: l.Name, owner: k, columns: map[string]string{"type": "internal", aggregationKey: keyOf(l), note: quoted(part)}})
	}
	near, far := lagPatch(l.Name)
	r.patch(k, near, hub, far)
	r.patch(k, far, bridge, near)
	if !l.Shutdown {
		r.enters(k, l.Name, near)
	}
	return nil
}

// patch makes one end of a patch.
func (r *rendering) patch(k switchcfg.Key, name, bridge, peer string) {
	r.put(&row{rowKey: rowKey{tablePort, name}, in: bridge, owner: k, columns: map[string]string{note: quoted(part)}})
	columns := map[string]string{"type": "patch", "options:peer": quoted(peer), note: quoted(part)}
	if bridge == hub {
		columns["ofport_request"] = strconv.Itoa(r.ofport(name))
	}
	r.put(&row{rowKey: rowKey{tableInterface, name}, in: name, owner: k, columns: columns})
}

// leaves returns the actions that send a frame out by a parent, and whether the parent is in use.
func (r *rendering) leaves(parent string) (string, bool, error) {
	o, _ := r.state.Parent(parent)
	switch o := o.(type) {
	case *switchcfg.Interface:
		return fmt.Sprintf("output:%d", r.ofport(o.Name)), !o.Shutdown, nil
	case *switchcfg.LAG:
		if o.Mode == switchcfg.ModeLACP {
			near, _ := lagPatch(o.Name)
			return fmt.Sprintf("output:%d", r.ofport(near)), !o.Shutdown, nil
		}
		var members []string
		for _, m := range o.Members {
			members = append(members, strconv.Itoa(r.ofport(m)))
		}
		return "bundle(symmetric_l4,0,hrw,ofport,members:" + strings.Join(members, ",") + ")", !o.Shutdown, nil
	}
	return "", false, fmt.Errorf("there is no port or LAG %s", parent)
}

func (r *rendering) circuit(c *switchcfg.Circuit) error {
	k := c.Key()
	if c.MACLimit > 0 {
		return errors.New("it cannot limit the addresses of a circuit")
	}
	if r.state[switchcfg.Key{Kind: switchcfg.KindService, Name: c.Service}] == nil {
		return fmt.Errorf("there is no service %s", c.Service)
	}
	if t := parentTPID(r.state, c.Parent); c.Match.Tagged() && c.Match.TPID != t {
		return fmt.Errorf("its outer ethertype is %s, that of its port %s", c.Match.TPID, t)
	}
	out, open, err := r.leaves(c.Parent)
	if err != nil {
		return err
	}
	near, far := circuitPatch(k)
	bridge := serviceBridge(c.Service)
	r.patch(k, near, hub, far)
	r.patch(k, far, bridge, near)
	r.rows[rowKey{tableInterface, near}].columns[note] = object(c)
	if c.Role == switchcfg.RoleLeaf {
		r.rows[rowKey{tablePort, far}].columns["protected"] = "true"
	}
	r.outers[c.Parent] = append(r.outers[c.Parent], strconv.Itoa(int(c.Match.Outer)))
	if open && !c.Shutdown {
		r.opened(c, r.ofport(near), out)
	}
	return nil
}

// opened makes the flows of a circuit with OpenFlow port n.
func (r *rendering) opened(c *switchcfg.Circuit, n int, out string) {
	k := c.Key()
	enter, parent := fmt.Sprintf("set_field:%#x->reg0,goto_table:%d", n, tableNoMore), number(c.Parent)
	here := fmt.Sprintf("metadata=%#x", parent)
	tags := ""
	push := func(t switchcfg.TPID, v switchcfg.VLANID) string {
		return fmt.Sprintf("push_vlan:%s,set_field:%d->vlan_vid,", t, 4096+int(v))
	}
	switch m := c.Match; m.Form {
	case switchcfg.Untagged:
		r.flow(k, flow(tableOuter, 100, here+",vlan_tci=0x0000/0x1fff", enter))
	case switchcfg.Stacked:
		// A bridge takes a frame for malformed whose tag was popped from before another, and takes a tag of VLAN 0 off itself that
		// has no priority.
		r.flow(k, flow(tableOuter, 100, fmt.Sprintf("%s,dl_vlan=%d", here, m.Outer), fmt.Sprintf("set_field:4096->vlan_vid,set_field:0->vlan_pcp,set_field:%#x->reg0,goto_table:%d", n, tableEnter)))
		tags = push(m.TPID, m.Outer)
	case switchcfg.Single:
		r.flow(k, flow(tableOuter, 100, fmt.Sprintf("%s,dl_vlan=%d", here, m.Outer), "pop_vlan,"+enter))
		tags = push(m.TPID, m.Outer)
	default:
		both := parent<<16 | uint64(m.Outer)
		r.flow(k, flow(tableOuter, 100, fmt.Sprintf("%s,dl_vlan=%d,dl_type=0x8100", here, m.Outer), fmt.Sprintf("pop_vlan,set_field:%#x->metadata,group:%d", both, again)))
		r.flow(k, flow(tableInner, 100, fmt.Sprintf("metadata=%#x,dl_vlan=%d", both, m.Inner), "pop_vlan,"+enter))
		tags = push(switchcfg.TPIDCustomer, m.Inner) + push(m.TPID, m.Outer)
	}
	pass := fmt.Sprintf("goto_table:%d", tableLeave)
	if c.Filter != "" {
		pass = fmt.Sprintf("write_metadata:%#x,goto_table:%d", number(c.Filter), tableFilter)
	}
	r.flow(k, flow(tableEnter, 100, fmt.Sprintf("reg0=%#x", n), r.metered(2*uint32(n), c.RateIn)+pass))
	r.flow(k, flow(tablePorts, 100, fmt.Sprintf("in_port=%d", n), r.metered(2*uint32(n)+1, c.RateOut)+tags+out))
}

// metered makes a meter, if there is a rate, and returns the action for it. It lets through a burst of 100 ms, and of at
// least the longest frame.
func (r *rendering) metered(id uint32, rate switchcfg.Kbps) string {
	if rate == 0 {
		return ""
	}
	r.meters[id] = meter{uint64(rate), max(uint64(rate)/10, 8*maxMTU/1000)}
	return fmt.Sprintf("meter:%d,", id)
}

// parentTPID returns the outer ethertype of a port or LAG.
func parentTPID(s switchcfg.State, parent string) switchcfg.TPID {
	tpid := switchcfg.TPIDCustomer
	switch p, _ := s.Parent(parent); p := p.(type) {
	case *switchcfg.Interface:
		tpid = max(tpid, p.TPID)
	case *switchcfg.LAG:
		tpid = max(tpid, p.TPID)
	}
	return tpid
}
