package switchd

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// rules are what a switch refuses although the schema allows it. They look
// only at what differs between two snapshots.
type rules struct {
	ports  map[string]bool
	refs   *tree.References // of after
	before *tree.Tree
	after  *tree.Tree
	faults tree.Faults
}

func (r *rules) fail(path, format string, args ...any) {
	r.faults = append(r.faults, &tree.Error{Path: path, Reason: fmt.Sprintf(format, args...)})
}

func interfacePath(name string) string {
	return tree.KeyedPath("/interfaces/interface", "name", name)
}

func subinterfacePath(name, index string) string {
	return tree.KeyedPath(interfacePath(name)+"/subinterfaces/subinterface", "index", index)
}

// check returns why a switch would refuse to go from before to after.
func (r *rules) check() error {
	r.changed(r.checkInterface, "interfaces", "interface")
	r.checkLACP()
	r.checkRules()
	r.changed(r.checkFilter, "acl", "interfaces", "interface")
	r.changed(r.checkPolicy, "qos", "scheduler-policies", "scheduler-policy")
	r.changed(r.checkPolicer, "qos", "interfaces", "interface")
	r.changed(r.checkInstance, "network-instances", "network-instance")
	if len(r.faults) > 0 {
		return r.faults
	}
	return nil
}

// changed calls check for every entry of a list that is new or differs.
func (r *rules) changed(check func(old, n tree.Node), names ...string) {
	was, is := r.before.At(names...), r.after.At(names...)
	if is.Same(was) {
		return
	}
	for n := range is.Entries() {
		if old := was.Entry(n.Key(0)); !n.Same(old) {
			check(old, n)
		}
	}
}

const (
	typePort = "ethernetCsmacd"
	typeLAG  = "ieee8023adLag"
)

// users are the parts of the tree whose references make an interface or a
// subinterface used.
var users = []string{"/network-instances", "/acl", "/qos"}

func (r *rules) used(path string) bool {
	return slices.ContainsFunc(users, func(below string) bool { return r.refs.To(path, below) > 0 })
}

func (r *rules) checkInterface(_, i tree.Node) {
	name := i.Key(0)
	path := interfacePath(name)
	lag := i.Text("ethernet", "config", "aggregate-id")
	switch kind := i.Text("config", "type"); kind {
	case typePort:
		if !r.ports[name] {
			r.fail(path, "the switch has no physical port of this name")
		}
		if r.refs.To(path, "/interfaces") > 0 {
			r.fail(path, "is named by members of a LAG but is not one")
		}
	case typeLAG:
		if r.ports[name] {
			r.fail(path+"/config/type", "is a physical port and cannot be a LAG")
		}
		if lag != "" {
			r.fail(path+"/ethernet/config/aggregate-id", "a LAG cannot be a member of a LAG")
		}
	default:
		r.fail(path+"/config/type", "type %s is not supported", kind)
	}
	if lag != "" {
		if r.after.At("interfaces", "interface").Entry(lag).Text("config", "type") != typeLAG {
			r.fail(path+"/ethernet/config/aggregate-id", "%s is not a LAG", lag)
		}
		if i.At("subinterfaces", "subinterface").Len() > 0 {
			r.fail(path+"/subinterfaces", "a member of LAG %s cannot have subinterfaces", lag)
		}
		if r.used(path) {
			r.fail(path, "a member of LAG %s cannot have another use", lag)
		}
	}
	r.checkMatches(i, path)
}

// tags are what a subinterface matches; inner is 0 for a single tag.
type tags struct{ tpid, outer, inner uint16 }

// checkMatches refuses two subinterfaces that want the same frames. A single
// tag and a double one with the same outer tag overlap.
func (r *rules) checkMatches(i tree.Node, path string) {
	subs := i.At("subinterfaces", "subinterface")
	owners, outers := make(map[tags]string, subs.Len()), make(map[tags]string, subs.Len()) // of outers, inner is 0
	own := cmp.Or(ethertype(i.Text("config", "tpid")), 0x8100)
	untagged, whole := "", ""
	for sub := range subs.Entries() {
		index := sub.Key(0)
		at := subinterfacePath(i.Key(0), index)
		match := sub.At("vlan", "match")
		single, double := match.At("single-tagged"), match.At("double-tagged")
		tpid, transparent := ethertype(sub.Text("config", "tpid")), sub.Text("config", "transparent") == "true"
		is := tags{tpid: cmp.Or(tpid, own)}
		switch {
		case single.Exists() && double.Exists():
			r.fail(at+"/vlan/match", "has two matches")
		case single.Exists():
			is.outer = vlan(single.Text("config", "vlan-id"))
			if other, ok := outers[is]; ok {
				r.fail(at+"/vlan/match", "overlaps subinterface %s: both match outer VLAN %d", other, is.outer)
			}
			outers[is], owners[is] = index, index
		case double.Exists():
			if transparent {
				r.fail(at+"/config/transparent", "lets tags pass behind two that are matched")
			}
			outer, inner := vlan(double.Text("config", "outer-vlan-id")), vlan(double.Text("config", "inner-vlan-id"))
			if outer == 0 || inner == 0 {
				r.fail(at+"/vlan/match/double-tagged", "needs both an outer and an inner VLAN")
				continue
			}
			is.outer = outer
			if other, ok := owners[is]; ok {
				r.fail(at+"/vlan/match", "overlaps subinterface %s: both match outer VLAN %d", other, outer)
			}
			outers[is] = index
			is.inner = inner
			if other, ok := owners[is]; ok {
				r.fail(at+"/vlan/match", "is the same as that of subinterface %s: VLAN %d.%d", other, outer, inner)
			}
			owners[is] = index
		default:
			if tpid != 0 {
				r.fail(at+"/config/tpid", "is the ethertype of a tag, and there is none")
			}
			if untagged != "" {
				r.fail(at, "matches untagged frames, as does subinterface %s", untagged)
			}
			untagged = index
			if transparent {
				whole = index
			}
		}
	}
	if whole != "" && subs.Len() > 1 {
		r.fail(subinterfacePath(i.Key(0), whole), "takes all frames of %s, which has other subinterfaces", i.Key(0))
	}
}

// vlan reads a VLAN id the schema has checked; 0 when there is none.
func vlan(text string) uint16 {
	v, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(v)
}

func (r *rules) checkLACP() {
	if r.after.At("lacp").Same(r.before.At("lacp")) && r.after.At("interfaces").Same(r.before.At("interfaces")) {
		return
	}
	for l := range r.after.At("lacp", "interfaces", "interface").Entries() {
		if name := l.Key(0); r.after.At("interfaces", "interface").Entry(name).Text("config", "type") != typeLAG {
			r.fail(tree.KeyedPath("/lacp/interfaces/interface", "name", name), "%s is not a LAG", name)
		}
	}
}

// member returns the LAG that an interface is a member of, if any.
func (r *rules) member(name string) string {
	return r.after.At("interfaces", "interface").Entry(name).Text("ethernet", "config", "aggregate-id")
}

// checkRules refuses filters by what the forwarding plane does not look at.
func (r *rules) checkRules() {
	was, is := r.before.At("acl", "acl-sets", "acl-set"), r.after.At("acl", "acl-sets", "acl-set")
	if is.Same(was) {
		return
	}
	for old, set := range tree.Pairs(was, is) {
		if set.Same(old) {
			continue
		}
		for e := range set.At("acl-entries", "acl-entry").Entries() {
			if e.Text("l2", "config", "ethertype") != "" {
				at := fmt.Sprintf("/acl/acl-sets/acl-set[name=%s][type=%s]/acl-entries/acl-entry[sequence-id=%s]", set.Key(0), set.Key(1), e.Key(0))
				r.fail(at+"/l2/config/ethertype", "frames are not filtered by ethertype")
			}
		}
	}
}

func (r *rules) checkFilter(_, b tree.Node) {
	path := tree.KeyedPath("/acl/interfaces/interface", "id", b.Key(0))
	r.checkBinding(path, "/acl", b)
	if n := b.At("ingress-acl-sets", "ingress-acl-set").Len(); n > 1 {
		r.fail(path+"/ingress-acl-sets", "one filter at most is supported, not %d", n)
	}
	for set := range b.At("ingress-acl-sets", "ingress-acl-set").Entries() {
		if set.Key(1) != "ACL_L2" {
			r.fail(path+"/ingress-acl-sets", "a filter of type %s is not supported", set.Key(1))
		}
	}
	if b.At("egress-acl-sets", "egress-acl-set").Len() > 0 {
		r.fail(path+"/egress-acl-sets", "filters on egress are not supported")
	}
}

// checkPolicy refuses everything but one scheduler that drops what is above a
// rate.
func (r *rules) checkPolicy(_, p tree.Node) {
	path := tree.KeyedPath("/qos/scheduler-policies/scheduler-policy", "name", p.Key(0)) + "/schedulers"
	schedulers := p.At("schedulers", "scheduler")
	if n := schedulers.Len(); n > 1 {
		r.fail(path, "one scheduler at most is supported, not %d", n)
	}
	for s := range schedulers.Entries() {
		rate := s.At("one-rate-two-color")
		config := rate.At("config")
		switch {
		case config.Text("cir") == "" || rate.Text("exceed-action", "config", "drop") != "true":
			r.fail(path, "a scheduler must drop what exceeds its cir")
		case config.Text("queuing-behavior") == "SHAPE":
			r.fail(path, "a scheduler cannot shape")
		}
	}
}

func (r *rules) checkPolicer(_, b tree.Node) {
	r.checkBinding(tree.KeyedPath("/qos/interfaces/interface", "interface-id", b.Key(0)), "/qos", b)
}

// checkBinding refuses filters and policers on anything but subinterfaces, and two of a kind on one.
func (r *rules) checkBinding(path, kind string, b tree.Node) {
	name, index := b.Text("interface-ref", "config", "interface"), b.Text("interface-ref", "config", "subinterface")
	if lag := r.member(name); lag != "" {
		r.fail(path+"/interface-ref/config/interface", "%s is a member of LAG %s", name, lag)
	}
	if name == "" || index == "" {
		r.fail(path+"/interface-ref/config", "must name an interface and a subinterface")
		return
	}
	if r.refs.To(subinterfacePath(name, index), kind) > 1 {
		r.fail(path+"/interface-ref/config/subinterface", "%s.%s is bound twice", name, index)
	}
}

func (r *rules) checkInstance(old, n tree.Node) {
	path := tree.KeyedPath("/network-instances/network-instance", "name", n.Key(0))
	ends := 0
	was := old.At("connection-points", "connection-point")
	for cp := range n.At("connection-points", "connection-point").Entries() {
		ends += cp.At("endpoints", "endpoint").Len()
		if cp.Same(was.Entry(cp.Key(0))) {
			continue
		}
		at := tree.KeyedPath(path+"/connection-points/connection-point", "connection-point-id", cp.Key(0))
		for e := range cp.At("endpoints", "endpoint").Entries() {
			r.checkEndpoint(tree.KeyedPath(at+"/endpoints/endpoint", "endpoint-id", e.Key(0)), e)
		}
	}
	if n.Text("config", "type") == "L2P2P" && ends > 2 {
		r.fail(path, "a point-to-point instance has at most two endpoints, not %d", ends)
	}
}

func (r *rules) checkEndpoint(path string, e tree.Node) {
	switch e.Text("config", "type") {
	case "LOCAL":
		name, index := e.Text("local", "config", "interface"), e.Text("local", "config", "subinterface")
		if name == "" || index == "" {
			r.fail(path+"/local/config", "a local endpoint needs an interface and a subinterface")
			return
		}
		if lag := r.member(name); lag != "" {
			r.fail(path+"/local/config/interface", "%s is a member of LAG %s", name, lag)
		}
		if r.refs.To(subinterfacePath(name, index), "/network-instances") > 1 {
			r.fail(path+"/local/config/subinterface", "%s.%s is in another service already", name, index)
		}
	case "REMOTE":
		if e.Text("remote", "config", "remote-system") == "" {
			r.fail(path+"/remote/config", "a remote endpoint needs a remote-system")
		}
	default:
		r.fail(path+"/config/type", "an endpoint is LOCAL or REMOTE")
	}
}
