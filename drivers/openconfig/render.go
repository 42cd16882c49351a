package openconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"unicode/utf8"

	gpb "github.com/openconfig/gnmi/proto/gnmi"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/gnmi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// The modules of members whose module is not that of their parent (RFC 7951 4).
const (
	inInterfaces = "openconfig-interfaces:"
	inEthernet   = "openconfig-if-ethernet:"
	inAggregate  = "openconfig-if-aggregate:"
	inVLAN       = "openconfig-vlan:"
	inLACP       = "openconfig-lacp:"
	inInstances  = "openconfig-network-instance:"
	inACL        = "openconfig-acl:"
	inQoS        = "openconfig-qos:"
	inExt        = "ixagent-openconfig-ext:"
	ianaType     = "iana-if-type:"
	niType       = "openconfig-network-instance-types:"
	vlanType     = "openconfig-vlan-types:"
	qosType      = "openconfig-qos-types:"
)

// members are the members of a JSON object, or the elements of an array, separated by commas.
type members []byte

func (m *members) name(name string) *members {
	if len(*m) > 0 {
		*m = append(*m, ',')
	}
	*m = append(appendString(*m, name), ':')
	return m
}

func (m *members) text(name, v string)       { m.name(name); *m = appendString(*m, v) }
func (m *members) flag(name string, v bool)  { m.name(name); *m = strconv.AppendBool(*m, v) }
func (m *members) num(name string, n uint64) { m.name(name); *m = strconv.AppendUint(*m, n, 10) }

// long adds a number of 64 bits, which RFC 7951 6.1 writes as a string.
func (m *members) long(name string, n uint64) { m.text(name, strconv.FormatUint(n, 10)) }

// object adds an object unless it is empty.
func (m *members) object(name string, of members) {
	if len(of) > 0 {
		m.wrap(name, '{', of, '}')
	}
}

// wrap adds a member with a value between brackets.
func (m *members) wrap(name string, open byte, of members, end byte) {
	*m = slices.Grow(*m, len(name)+len(of)+6)
	m.name(name)
	*m = append(append(append(*m, open), of...), end)
}

// list adds a list unless it is empty.
func (m *members) list(name string, of members) {
	if len(of) > 0 {
		m.wrap(name, '[', of, ']')
	}
}

// element adds an object to an array.
func (m *members) element(of members) {
	if len(*m) > 0 {
		*m = append(*m, ',')
	}
	*m = append(append(append(*m, '{'), of...), '}')
}

// nested adds objects in each other: nested(x, "a", "b") adds "a":{"b":{x}}.
func (m *members) nested(of members, names ...string) {
	if len(of) == 0 {
		return
	}
	for _, n := range slices.Backward(names[1:]) {
		var outer members
		outer.object(n, of)
		of = outer
	}
	m.object(names[0], of)
}

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			q, _ := json.Marshal(s) // a string always has a JSON form
			return append(b, q...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// keyed is one element of a path.
func keyed(name string, kv ...string) *gpb.PathElem {
	e := &gpb.PathElem{Name: name}
	if len(kv) > 0 {
		e.Key = make(map[string]string, len(kv)/2)
		for i := 0; i < len(kv); i += 2 {
			e.Key[kv[i]] = kv[i+1]
		}
	}
	return e
}

type path []*gpb.PathElem

func at(elems ...*gpb.PathElem) path { return elems }

// to returns p continued by plain names.
func (p path) to(names ...string) path {
	out := slices.Clip(p)
	for _, n := range names {
		out = append(out, &gpb.PathElem{Name: n})
	}
	return out
}

func (p path) elem(name string, kv ...string) path { return append(slices.Clip(p), keyed(name, kv...)) }

func interfacePath(name string) path {
	return at(keyed("interfaces"), keyed("interface", "name", name))
}

func subPath(c *switchcfg.Circuit) path {
	return interfacePath(c.Parent).to("subinterfaces").elem("subinterface", "index", strconv.FormatUint(uint64(c.Unit), 10))
}

func instancePath(name string) path {
	return at(keyed("network-instances"), keyed("network-instance", "name", name))
}

func pointPath(service, id string) path {
	return instancePath(service).to("connection-points").elem("connection-point", "connection-point-id", id)
}

func lacpPath(lag string) path {
	return at(keyed("lacp"), keyed("interfaces"), keyed("interface", "name", lag))
}

func setPath(filter string) path {
	return at(keyed("acl"), keyed("acl-sets"), keyed("acl-set", "name", filter, "type", kindL2))
}

func filteredPath(circuit string) path {
	return at(keyed("acl"), keyed("interfaces"), keyed("interface", "id", circuit))
}

func policyPath(p *switchcfg.Policer) path {
	return at(keyed("qos"), keyed("scheduler-policies"), keyed("scheduler-policy", "name", p.Key().Name))
}

func policedPath(circuit string) path {
	return at(keyed("qos"), keyed("interfaces"), keyed("interface", "interface-id", circuit))
}

// edit is a SetRequest in the making: what is deleted, the filters, which are replaced whole, and one tree of what
// is new or other for each container, so that a LAG and its members are in one update.
type edit struct {
	deletes   []*gpb.Path
	filters   []*gpb.Update
	ports     sorted[portEdit]
	instances sorted[instanceEdit]
	lacp      members
	filtered  members
	policies  members
	policed   members
}

type portEdit struct{ config, ethernet, aggregation, subs members }

type instanceEdit struct{ config, fdb, vlans, points members }

// sorted holds edits by name in the order they were first asked for.
type sorted[T any] struct {
	names []string
	by    map[string]*T
}

func (s *sorted[T]) get(name string) *T {
	if e := s.by[name]; e != nil {
		return e
	}
	if s.by == nil {
		s.by = make(map[string]*T)
	}
	e := new(T)
	s.names, s.by[name] = append(s.names, name), e
	return e
}

func (e *edit) remove(p path) { e.deletes = append(e.deletes, &gpb.Path{Elem: p}) }

// render returns the request that makes all changes at once, or why it cannot be made. Equal changes give an
// equal request.
func render(c *drivers.Capabilities, changes []plan.Change) (*gpb.SetRequest, error) {
	var e edit
	for _, n := range collapse(changes) {
		if o, opaque := n.before.(*switchcfg.Opaque); opaque {
			return nil, fmt.Errorf("%s: what is not understood is never changed: %s", o.At, o.Why)
		}
		if n.after != nil {
			if err := carry(c, n.after); err != nil {
				return nil, fmt.Errorf("%s: %w", n.after.Key(), err)
			}
		}
		if n.anew {
			e.change(n.before, nil)
			n.before = nil
		}
		e.change(n.before, n.after)
	}
	return e.request(), nil
}

// netChange is what all changes of one object come to. With anew it is taken away and made again.
type netChange struct {
	before, after switchcfg.Object
	anew          bool
}

// collapse returns one change for each object, in the order in which the objects come up.
func collapse(changes []plan.Change) []*netChange {
	out := make([]*netChange, 0, len(changes))
	seen := make(map[switchcfg.Key]*netChange, len(changes))
	for _, c := range changes {
		n := seen[c.Key]
		if n == nil {
			n = &netChange{before: c.Before}
			seen[c.Key], out = n, append(out, n)
		} else if n.after == nil && c.After != nil && n.before != nil {
			n.anew = true
		}
		n.after = c.After
		// A physical port cannot be taken away.
		n.anew = (n.anew || c.Verb == plan.Replace) && c.Key.Kind != switchcfg.KindInterface
	}
	return slices.DeleteFunc(out, func(n *netChange) bool { return n.before == nil && n.after == nil })
}

// carry returns what of o has no place in OpenConfig or on the device.
func carry(c *drivers.Capabilities, o switchcfg.Object) error {
	if err := c.Carry(o); err != nil {
		return err
	}
	if s, ok := o.(*switchcfg.Service); ok {
		switch {
		case s.MACLimit > math.MaxUint16:
			return fmt.Errorf("OpenConfig limits addresses of a service to at most %d", math.MaxUint16)
		case s.VNI != 0 && len(s.Peers) == 0:
			return errors.New("OpenConfig has no place for a VNI without peers")
		}
	}
	return nil
}

// change renders one object; before or after is nil.
func (e *edit) change(before, after switchcfg.Object) {
	some := before
	if some == nil {
		some = after
	}
	switch some.(type) {
	case *switchcfg.Interface:
		b, a := pair[switchcfg.Interface](before, after)
		e.port(b, a)
	case *switchcfg.LAG:
		b, a := pair[switchcfg.LAG](before, after)
		e.lag(b, a)
	case *switchcfg.Circuit:
		b, a := pair[switchcfg.Circuit](before, after)
		e.circuit(b, a)
	case *switchcfg.Service:
		b, a := pair[switchcfg.Service](before, after)
		e.service(b, a)
	case *switchcfg.Filter:
		b, a := pair[switchcfg.Filter](before, after)
		e.filter(b, a)
	case *switchcfg.Policer:
		b, a := pair[switchcfg.Policer](before, after)
		e.policer(b, a)
	}
}

// pair returns the objects as what they are, nil for none.
func pair[T any, P interface {
	*T
	switchcfg.Object
}](before, after switchcfg.Object) (P, P) {
	b, _ := before.(P)
	a, _ := after.(P)
	return b, a
}

// leaves renders the leaves of one config container that differ. Everything is rendered where create is set.
type leaves struct {
	e      *edit
	at     path // of the container
	to     *members
	create bool
}

func (l leaves) text(module, name, before, after string) {
	switch {
	case before == after:
	case after == "":
		l.e.remove(l.at.to(name))
	default:
		l.to.text(module+name, after)
	}
}

func (l leaves) num(name string, before, after uint64) {
	switch {
	case before == after:
	case after == 0:
		l.e.remove(l.at.to(name))
	default:
		l.to.num(name, after)
	}
}

func (l leaves) ext(name string, before, after uint64, long bool) {
	switch {
	case before == after:
	case after == 0:
		l.e.remove(l.at.to(name))
	case long:
		l.to.long(inExt+name, after)
	default:
		l.to.num(inExt+name, after)
	}
}

func (l leaves) extFlag(name string, before, after bool) {
	switch {
	case before == after:
	case !after:
		l.e.remove(l.at.to(name))
	default:
		l.to.flag(inExt+name, after)
	}
}

// enabled is sent with everything that is made: devices differ in the default.
func (l leaves) enabled(before, after bool) {
	if l.create || before != after {
		l.to.flag("enabled", !after)
	}
}

func tpidName(t switchcfg.TPID) string {
	switch t {
	case switchcfg.TPIDCustomer:
		return vlanType + "TPID_0X8100"
	case switchcfg.TPIDService:
		return vlanType + "TPID_0X88A8"
	case switchcfg.TPIDStacked:
		return vlanType + "TPID_0X9100"
	}
	return ""
}

// port renders a physical port, which can neither be made nor removed.
func (e *edit) port(before, after *switchcfg.Interface) {
	name := nameOf(before, after)
	to := &e.ports.get(name).config
	l := leaves{e: e, at: interfacePath(name).to("config"), to: to, create: before == nil}
	if before == nil {
		before = &switchcfg.Interface{}
		to.text("name", name)
		to.text("type", ianaType+typeEthernet)
		if after.MTU == 0 {
			e.remove(l.at.to("mtu")) // an unused port may have one
		}
	}
	if after == nil {
		after = &switchcfg.Interface{Shutdown: true}
		l.create = true
	}
	l.text("", "description", before.Description, after.Description)
	l.enabled(before.Shutdown, after.Shutdown)
	l.num("mtu", uint64(before.MTU), uint64(after.MTU))
	l.text(inVLAN, "tpid", tpidName(before.TPID), tpidName(after.TPID))
	l.ext("storm-control-kbps", uint64(before.StormControl), uint64(after.StormControl), true)
}

func nameOf[T any, P interface {
	*T
	switchcfg.Object
}](before, after P) string {
	if before != nil {
		return before.Key().Name
	}
	return after.Key().Name
}

func (e *edit) lag(before, after *switchcfg.LAG) {
	name := nameOf(before, after)
	var had, has []string
	if before != nil {
		had = before.Members
	}
	if after != nil {
		has = after.Members
	}
	for _, m := range had {
		if !slices.Contains(has, m) {
			e.remove(interfacePath(m).to("ethernet", "config", "aggregate-id"))
		}
	}
	for _, m := range has {
		if !slices.Contains(had, m) {
			e.ports.get(m).ethernet.text(inAggregate+"aggregate-id", name)
		}
	}
	if after == nil {
		e.remove(interfacePath(name))
		if before.Mode == switchcfg.ModeLACP {
			e.remove(lacpPath(name))
		}
		return
	}
	p := e.ports.get(name)
	l := leaves{e: e, at: interfacePath(name).to("config"), to: &p.config, create: before == nil}
	if before == nil {
		before = &switchcfg.LAG{}
		p.config.text("name", name)
		p.config.text("type", ianaType+typeLAG)
		e.remove(lacpPath(name)) // what an earlier group of that name may have left
	}
	l.text("", "description", before.Description, after.Description)
	l.enabled(before.Shutdown, after.Shutdown)
	l.num("mtu", uint64(before.MTU), uint64(after.MTU))
	l.text(inVLAN, "tpid", tpidName(before.TPID), tpidName(after.TPID))
	l.ext("storm-control-kbps", uint64(before.StormControl), uint64(after.StormControl), true)

	l.at, l.to = interfacePath(name).to("aggregation", "config"), &p.aggregation
	l.text("", "lag-type", lagType(before.Mode), lagType(after.Mode))
	l.num("min-links", uint64(before.MinLinks), uint64(after.MinLinks))

	if after.Mode != switchcfg.ModeLACP {
		if before.Mode == switchcfg.ModeLACP {
			e.remove(lacpPath(name))
		}
		return
	}
	if before.Mode != switchcfg.ModeLACP {
		before = &switchcfg.LAG{}
	}
	var config members
	l.at, l.to = lacpPath(name).to("config"), &config
	l.text("", "interval", interval(before), interval(after))
	l.text("", "lacp-mode", activity(before), activity(after))
	l.text("", "system-id-mac", systemID(before), systemID(after))
	if len(config) > 0 {
		var entry, all members
		entry.text("name", name)
		all.text("name", name)
		all = append(append(all, ','), config...)
		entry.object("config", all)
		e.lacp.element(entry)
	}
}

func lagType(m switchcfg.LAGMode) string {
	switch m {
	case switchcfg.ModeLACP:
		return "LACP"
	case switchcfg.ModeStatic:
		return "STATIC"
	}
	return ""
}

// interval and the next two are empty for a group that is not an LACP group.
func interval(l *switchcfg.LAG) string {
	switch {
	case l.Mode != switchcfg.ModeLACP:
		return ""
	case l.Rate == switchcfg.RateFast:
		return "FAST"
	}
	return "SLOW"
}

func activity(l *switchcfg.LAG) string {
	switch {
	case l.Mode != switchcfg.ModeLACP:
		return ""
	case l.Passive:
		return "PASSIVE"
	}
	return "ACTIVE"
}

func systemID(l *switchcfg.LAG) string {
	if l.SystemID == (switchcfg.MAC{}) {
		return ""
	}
	return l.SystemID.String()
}

// circuit renders the subinterface and, elsewhere in the tree, what refers to it.
func (e *edit) circuit(before, after *switchcfg.Circuit) {
	if after == nil {
		e.attach(before, &switchcfg.Circuit{})
		e.remove(subPath(before))
		return
	}
	create := before == nil
	if create {
		before = &switchcfg.Circuit{}
	}
	var config, match members
	l := leaves{e: e, at: subPath(after).to("config"), to: &config, create: create}
	if create {
		config.num("index", uint64(after.Unit))
	}
	l.text("", "description", before.Description, after.Description)
	l.enabled(before.Shutdown, after.Shutdown)
	l.ext("mac-limit", uint64(before.MACLimit), uint64(after.MACLimit), false)
	l.extFlag("transparent", before.Match.Transparent(), after.Match.Transparent())

	was, is := tagsOf(before.Match), tagsOf(after.Match)
	if was.Form != is.Form && was.Form != switchcfg.Untagged {
		e.remove(subPath(after).to("vlan", "match", formName(was.Form)))
		was = switchcfg.Match{}
	}
	if was != is && is.Form != switchcfg.Untagged {
		var leaf members
		if is.Form == switchcfg.Single {
			leaf.num("vlan-id", uint64(is.Outer))
		} else {
			leaf.num("inner-vlan-id", uint64(is.Inner))
			leaf.num("outer-vlan-id", uint64(is.Outer))
		}
		match.nested(leaf, inVLAN+"vlan", "match", formName(is.Form), "config")
	}
	if len(config)+len(match) > 0 {
		var entry members
		entry.num("index", uint64(after.Unit))
		entry.object("config", config)
		if len(match) > 0 {
			entry = append(append(entry, ','), match...)
		}
		e.ports.get(after.Parent).subs.element(entry)
	}
	e.attach(before, after)
}

// tagsOf returns what the VLAN match of a subinterface says of m: neither the ethertype, which the parent knows, nor what
// becomes of further tags.
func tagsOf(m switchcfg.Match) switchcfg.Match {
	m.TPID = 0
	switch m.Form {
	case switchcfg.Stacked:
		m.Form = switchcfg.Single
	case switchcfg.Whole:
		m.Form = switchcfg.Untagged
	}
	return m
}

func formName(f switchcfg.Form) string {
	if f == switchcfg.Single {
		return "single-tagged"
	}
	return "double-tagged"
}

// attach renders the service, filter and policers of a circuit; after is empty for one that goes.
func (e *edit) attach(before, after *switchcfg.Circuit) {
	c := after
	if c.Parent == "" {
		c = before
	}
	name := switchcfg.CircuitName(c.Parent, c.Unit)
	var ref members
	ref.text("interface", c.Parent)
	ref.num("subinterface", uint64(c.Unit))
	e.join(name, ref, before, after)
	e.bindFilter(name, ref, before.Filter, after.Filter)
	e.bindPolicers(name, ref, before, after)
}

func (e *edit) join(name string, ref members, before, after *switchcfg.Circuit) {
	if before.Service != "" && before.Service != after.Service {
		e.remove(pointPath(before.Service, name))
	}
	if after.Service == "" {
		return
	}
	var entry, config members
	entry.text("connection-point-id", name)
	if before.Service == after.Service {
		l := leaves{e: e, at: pointPath(after.Service, name).to("config"), to: &config}
		l.text(inExt, "etree-role", roleName(before.Role), roleName(after.Role))
		if len(config) == 0 {
			return
		}
		entry.object("config", config)
	} else {
		config.text("connection-point-id", name)
		if after.Role != "" {
			config.text(inExt+"etree-role", roleName(after.Role))
		}
		entry.object("config", config)
		var endpoint, what, list, endpoints members
		endpoint.text("endpoint-id", name)
		what.text("endpoint-id", name)
		what.num("precedence", 0)
		what.text("type", niType+"LOCAL")
		endpoint.object("config", what)
		endpoint.nested(ref, "local", "config")
		list.element(endpoint)
		endpoints.list("endpoint", list)
		entry.object("endpoints", endpoints)
	}
	e.instances.get(after.Service).points.element(entry)
}

func (e *edit) bindFilter(name string, ref members, before, after string) {
	switch {
	case before == after:
		return
	case after == "":
		e.remove(filteredPath(name))
		return
	case before != "":
		e.remove(filteredPath(name).to("ingress-acl-sets").elem("ingress-acl-set", "set-name", before, "type", kindL2))
	}
	var entry, id, key, set, list, sets members
	entry.text("id", name)
	id.text("id", name)
	entry.object("config", id)
	entry.nested(ref, "interface-ref", "config")
	key.text("set-name", after)
	key.text("type", inACL+kindL2)
	set = append(set, key...)
	set.object("config", key)
	list.element(set)
	sets.list("ingress-acl-set", list)
	entry.object("ingress-acl-sets", sets)
	e.filtered.element(entry)
}

func (e *edit) bindPolicers(name string, ref members, before, after *switchcfg.Circuit) {
	if before.RateIn|before.RateOut != 0 && after.RateIn|after.RateOut == 0 {
		e.remove(policedPath(name))
		return
	}
	rate := func(dir string, before, after switchcfg.Kbps) (config members) {
		switch {
		case before == after:
		case after == 0:
			e.remove(policedPath(name).to(dir))
		default:
			config.text("name", switchcfg.PolicerName(after))
		}
		return config
	}
	in, out := rate("input", before.RateIn, after.RateIn), rate("output", before.RateOut, after.RateOut)
	if len(in)+len(out) == 0 {
		return
	}
	var entry, id members
	entry.text("interface-id", name)
	id.text("interface-id", name)
	entry.object("config", id)
	entry.nested(ref, "interface-ref", "config")
	entry.nested(in, "input", "scheduler-policy", "config")
	entry.nested(out, "output", "scheduler-policy", "config")
	e.policed.element(entry)
}

func roleName(r switchcfg.Role) string {
	switch r {
	case switchcfg.RoleRoot:
		return "ROOT"
	case switchcfg.RoleLeaf:
		return "LEAF"
	}
	return ""
}

func (e *edit) service(before, after *switchcfg.Service) {
	if after == nil {
		e.remove(instancePath(before.Name))
		return
	}
	n := e.instances.get(after.Name)
	l := leaves{e: e, at: instancePath(after.Name).to("config"), to: &n.config, create: before == nil}
	if before == nil {
		before = &switchcfg.Service{}
		n.config.text("name", after.Name)
	}
	l.text("", "type", serviceType(before.Type), serviceType(after.Type))
	l.text("", "description", before.Description, after.Description)
	l.ext("mtu", uint64(before.MTU), uint64(after.MTU), false)
	if tree := after.Type == switchcfg.ServiceTree; tree != (before.Type == switchcfg.ServiceTree) {
		n.config.flag(inExt+"etree", tree)
	}

	l.at, l.to = instancePath(after.Name).to("fdb", "config"), &n.fdb
	if l.create && after.Type != switchcfg.ServiceLine {
		n.fdb.flag("mac-learning", true)
	}
	l.num("maximum-entries", uint64(before.MACLimit), uint64(after.MACLimit))

	if before.VLAN != after.VLAN {
		if before.VLAN != 0 {
			e.remove(instancePath(after.Name).to("vlans").elem("vlan", "vlan-id", strconv.Itoa(int(before.VLAN))))
		}
		if after.VLAN != 0 {
			var entry, config members
			entry.num("vlan-id", uint64(after.VLAN))
			config.num("vlan-id", uint64(after.VLAN))
			entry.object("config", config)
			n.vlans.element(entry)
		}
	}
	e.tunnels(n, before, after)
}

// tunnels renders the ends of a service on other switches.
func (e *edit) tunnels(n *instanceEdit, before, after *switchcfg.Service) {
	if len(after.Peers) == 0 {
		if len(before.Peers) > 0 {
			e.remove(pointPath(after.Name, remotePoint))
		}
		return
	}
	for _, p := range before.Peers {
		if !slices.Contains(after.Peers, p) {
			e.remove(pointPath(after.Name, remotePoint).to("endpoints").elem("endpoint", "endpoint-id", p.String()))
		}
	}
	var endpoints members
	for _, p := range after.Peers {
		if !slices.Contains(before.Peers, p) {
			endpoints.element(tunnel(p, after.VNI, true))
		} else if before.VNI != after.VNI {
			endpoints.element(tunnel(p, after.VNI, false))
		}
	}
	if len(endpoints) == 0 {
		return
	}
	var entry, config, list members
	entry.text("connection-point-id", remotePoint)
	if len(before.Peers) == 0 {
		config.text("connection-point-id", remotePoint)
		entry.object("config", config)
	}
	list.list("endpoint", endpoints)
	entry.object("endpoints", list)
	n.points.element(entry)
}

func tunnel(peer netip.Addr, vni uint32, create bool) (endpoint members) {
	var config, remote members
	endpoint.text("endpoint-id", peer.String())
	if create {
		config.text("endpoint-id", peer.String())
		config.num("precedence", 0)
		config.text("type", niType+"REMOTE")
		endpoint.object("config", config)
		remote.text("remote-system", peer.String())
	}
	remote.num("virtual-circuit-identifier", uint64(vni))
	endpoint.nested(remote, "remote", "config")
	return endpoint
}

func serviceType(t switchcfg.ServiceType) string {
	switch t {
	case switchcfg.ServiceLine:
		return niType + "L2P2P"
	case switchcfg.ServiceLAN, switchcfg.ServiceTree:
		return niType + "L2VSI"
	}
	return ""
}

// filter renders a filter whole: it is the agent's alone, and a replacement also heals what was added by hand.
func (e *edit) filter(before, after *switchcfg.Filter) {
	if after == nil {
		e.remove(setPath(before.Name))
		return
	}
	var set, config, entries, list members
	key := func(m *members, module string) {
		m.text(module+"name", after.Name)
		m.text(module+"type", inACL+kindL2)
	}
	key(&set, inACL)
	key(&config, "")
	set.object(inACL+"config", config)
	add := func(seq uint32, l2 members, action string) {
		var entry, id, act members
		entry.num("sequence-id", uint64(seq))
		id.num("sequence-id", uint64(seq))
		entry.object("config", id)
		entry.nested(l2, "l2", "config")
		act.text("forwarding-action", inACL+action)
		entry.nested(act, "actions", "config")
		entries.element(entry)
	}
	var control members
	control.text("destination-mac", controlMAC)
	control.text("destination-mac-mask", controlMask)
	add(controlSequence, control, "DROP")
	sequences(after, func(seq uint32, m switchcfg.MAC) {
		var source members
		source.text("source-mac", m.String())
		add(seq, source, "ACCEPT")
	})
	if after.AnySource {
		add(restSequence, nil, "ACCEPT")
	} else {
		add(restSequence, nil, "DROP")
	}
	list.list("acl-entry", entries)
	set.object(inACL+"acl-entries", list)
	e.filters = append(e.filters, update(setPath(after.Name), set))
}

func (e *edit) policer(before, after *switchcfg.Policer) {
	if after == nil {
		e.remove(policyPath(before))
		return
	}
	var entry, id, schedulers, scheduler, config, rate, exceed, both, list members
	name := after.Key().Name
	entry.text("name", name)
	id.text("name", name)
	entry.object("config", id)
	scheduler.num("sequence", schedulerSequence)
	config.num("sequence", schedulerSequence)
	config.text("type", qosType+"ONE_RATE_TWO_COLOR")
	scheduler.object("config", config)
	rate.long("cir", uint64(after.Rate)*1000)
	rate.num("bc", uint64(burst(after.Rate)))
	both.object("config", rate)
	exceed.flag("drop", true)
	both.nested(exceed, "exceed-action", "config")
	scheduler.object("one-rate-two-color", both)
	schedulers.element(scheduler)
	list.list("scheduler", schedulers)
	entry.object("schedulers", list)
	e.policies.element(entry)
}

func update(p path, m members) *gpb.Update {
	value := make([]byte, 0, len(m)+2)
	value = append(append(append(value, '{'), m...), '}')
	return &gpb.Update{Path: &gpb.Path{Elem: p}, Val: &gpb.TypedValue{Value: &gpb.TypedValue_JsonIetfVal{JsonIetfVal: value}}}
}

// request puts the parts together.
func (e *edit) request() *gpb.SetRequest {
	var ports, instances members
	for _, name := range e.ports.names {
		p := e.ports.by[name]
		if len(p.config)+len(p.ethernet)+len(p.aggregation)+len(p.subs) == 0 {
			continue
		}
		var entry, subs members
		entry.text("name", name)
		entry.object("config", p.config)
		entry.nested(p.ethernet, inEthernet+"ethernet", "config")
		entry.nested(p.aggregation, inAggregate+"aggregation", "config")
		subs.list("subinterface", p.subs)
		entry.object("subinterfaces", subs)
		ports.element(entry)
	}
	for _, name := range e.instances.names {
		n := e.instances.by[name]
		if len(n.config)+len(n.fdb)+len(n.vlans)+len(n.points) == 0 {
			continue
		}
		var entry, vlans, points members
		entry.text("name", name)
		entry.object("config", n.config)
		entry.nested(n.fdb, "fdb", "config")
		vlans.list("vlan", n.vlans)
		entry.object("vlans", vlans)
		points.list("connection-point", n.points)
		entry.object("connection-points", points)
		instances.element(entry)
	}
	req := &gpb.SetRequest{Delete: e.deletes, Replace: e.filters}
	add := func(container string, m members) {
		if len(m) > 0 {
			req.Update = append(req.Update, update(at(keyed(container)), m))
		}
	}
	list := func(name string, elements members) (m members) {
		m.list(name, elements)
		return m
	}
	var lacp, acl, qos members
	lacp.object(inLACP+"interfaces", list("interface", e.lacp))
	acl.object(inACL+"interfaces", list("interface", e.filtered))
	qos.object(inQoS+"scheduler-policies", list("scheduler-policy", e.policies))
	qos.object(inQoS+"interfaces", list("interface", e.policed))
	add("interfaces", list(inInterfaces+"interface", ports))
	add("lacp", lacp)
	add("network-instances", list(inInstances+"network-instance", instances))
	add("acl", acl)
	add("qos", qos)
	return req
}

// nativeText returns the request as a person reads it: a line for each path, and under it the value as JSON, which is
// indented and otherwise exactly what is sent.
func nativeText(req *gpb.SetRequest) []byte {
	var out bytes.Buffer
	for _, p := range req.GetDelete() {
		fmt.Fprintf(&out, "delete %s\n", gnmi.PathString(p))
	}
	write := func(verb string, all []*gpb.Update) {
		for _, u := range all {
			fmt.Fprintf(&out, "%s %s\n  ", verb, gnmi.PathString(u.GetPath()))
			value := u.GetVal().GetJsonIetfVal()
			if json.Indent(&out, value, "  ", "  ") != nil {
				out.Write(value)
			}
			out.WriteByte('\n')
		}
	}
	write("replace", req.GetReplace())
	write("update", req.GetUpdate())
	return out.Bytes()
}
