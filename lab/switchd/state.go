package switchd

import (
	"encoding/json"
	"slices"
	"strconv"

	gpb "github.com/openconfig/gnmi/proto/gnmi"

	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// Operational supplies what only a forwarding plane knows. Its methods are
// called from several goroutines and must not call the switch.
type Operational interface {
	// LinkUp reports whether a physical port has carrier.
	LinkUp(port string) bool
	// LACP returns the state of LACP on a member port; ok is false where no
	// LACP runs.
	LACP(lag, port string) (state LACPState, ok bool)
}

// LACPState is the state of one member of a LAG, as /lacp reports it.
type LACPState struct {
	Active       bool // ACTIVE rather than PASSIVE
	Short        bool // timeout SHORT rather than LONG
	InSync       bool
	Aggregatable bool
	Collecting   bool
	Distributing bool
	SystemID     string // "02:00:00:00:00:01", empty when unknown
	PartnerID    string
	OperKey      uint16
	PartnerKey   uint16
	Port         uint16
	PartnerPort  uint16
}

// cabled is the operational state of a switch without a forwarding plane:
// every port has a link, and every LACP partner agrees.
type cabled struct{}

func (cabled) LinkUp(string) bool { return true }

func (cabled) LACP(string, string) (LACPState, bool) {
	return LACPState{InSync: true, Aggregatable: true, Collecting: true, Distributing: true}, true
}

// view is configuration and state in one tree. It remembers what it was made
// from, so that the next one is made from what changed.
type view struct {
	running *tree.Tree
	facts   int
	tree    *tree.Tree
	status  map[string]linkStatus
}

type linkStatus struct {
	up      bool
	members []string
}

func (a linkStatus) equal(b linkStatus) bool {
	return a.up == b.up && slices.Equal(a.members, b.members)
}

// view returns the current configuration with the state that goes with it.
func (s *store) view() (*tree.Tree, <-chan struct{}, error) {
	s.viewMu.Lock()
	defer s.viewMu.Unlock()
	running, facts, changed := s.current()
	last := s.lastView
	if last.tree != nil && last.running == running && last.facts == facts {
		return last.tree, changed, nil
	}
	next := view{running: running, facts: facts, status: s.status(running)}
	e := running.EditState()
	names := []string{"interfaces", "interface"}
	for i := range running.At(names...).Entries() {
		name := i.Key(0)
		st, was := next.status[name], last.status[name]
		if last.tree != nil && was.equal(st) && i.Same(last.running.At(names...).Entry(name)) {
			e.Adopt(last.tree.At(names...).Entry(name), names...)
			continue
		}
		if err := update(e, interfaceState(i, st), "interfaces", "interface", name); err != nil {
			return nil, nil, err
		}
	}
	for l := range running.At("lacp", "interfaces", "interface").Entries() {
		if err := update(e, s.lacpState(l.Key(0), next.status[l.Key(0)].members), "lacp", "interfaces", "interface", l.Key(0)); err != nil {
			return nil, nil, err
		}
	}
	if s.counters != nil {
		s.learning(running, last, e)
	}
	if next.tree = e.Tree(); e.Err() != nil {
		return nil, nil, e.Err()
	}
	s.lastView = next
	return next.tree, changed, nil
}

// learning adds whether services learn addresses: that they have a MAC table, which is not in the view.
func (s *store) learning(running *tree.Tree, last view, e *tree.Edit) {
	names := []string{"network-instances", "network-instance"}
	for i := range running.At(names...).Entries() {
		if last.tree != nil && i.Same(last.running.At(names...).Entry(i.Key(0))) {
			e.Adopt(last.tree.At(names...).Entry(i.Key(0)), names...)
			continue
		}
		learns := i.Text("config", "type") != "L2P2P"
		e.Branch(names...).Entry(i.Key(0)).At("fdb", "state").Set("mac-learning", strconv.FormatBool(learns))
	}
}

// live returns the view with the counters of this moment. They are not part of
// the view itself, because nobody is told of each of their changes.
func (s *store) live() (*tree.Tree, error) {
	t, _, err := s.view()
	if err != nil || s.counters == nil {
		return t, err
	}
	return s.counters(t)
}

// update merges state into the container of one name, or into the list entry
// that the last of several names is the key of.
func update(e *tree.Edit, state any, names ...string) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	p := &gpb.Path{Elem: []*gpb.PathElem{{Name: names[0]}}}
	if last := len(names) - 1; last > 0 {
		for _, n := range names[1:last] {
			p.Elem = append(p.Elem, &gpb.PathElem{Name: n})
		}
		p.Elem[len(p.Elem)-1].Key = map[string]string{"name": names[last]}
	}
	return e.Update(p, tree.JSONValue(text, gpb.Encoding_JSON_IETF))
}

func enabled(n tree.Node) bool { return n.Text("config", "enabled") != "false" }

// status computes which interfaces are up: a port that is enabled and has a
// link, a LAG with at least min-links (and one) distributing members.
func (s *store) status(running *tree.Tree) map[string]linkStatus {
	all := make(map[string]linkStatus)
	interfaces := running.At("interfaces", "interface")
	for i := range interfaces.Entries() {
		if i.Text("config", "type") == typePort {
			all[i.Key(0)] = linkStatus{up: enabled(i) && s.oper.LinkUp(i.Key(0))}
		}
	}
	for i := range interfaces.Entries() {
		if lag := i.Text("ethernet", "config", "aggregate-id"); lag != "" {
			st := all[lag]
			st.members = append(st.members, i.Key(0))
			all[lag] = st
		}
	}
	for i := range interfaces.Entries() {
		if i.Text("config", "type") != typeLAG {
			continue
		}
		name, links := i.Key(0), 0
		st := all[name]
		static := i.Text("aggregation", "config", "lag-type") == "STATIC"
		for _, port := range st.members {
			lacp, ok := s.oper.LACP(name, port)
			if all[port].up && (static || ok && lacp.Distributing) {
				links++
			}
		}
		st.up = enabled(i) && links >= max(1, int(vlan(i.Text("aggregation", "config", "min-links"))))
		all[name] = st
	}
	return all
}

func upDown(up bool) string {
	if up {
		return "UP"
	}
	return "DOWN"
}

type object = map[string]any

func interfaceState(i tree.Node, st linkStatus) object {
	admin := enabled(i)
	state := object{
		"name": i.Key(0), "type": "iana-if-type:" + i.Text("config", "type"), "enabled": admin,
		"admin-status": upDown(admin), "oper-status": upDown(st.up),
	}
	out := object{"state": state}
	if i.Text("config", "type") == typeLAG && len(st.members) > 0 {
		out["openconfig-if-aggregate:aggregation"] = object{"state": object{"member": st.members}}
	}
	var subs []object
	for sub := range i.At("subinterfaces", "subinterface").Entries() {
		admin := enabled(sub)
		index := json.Number(sub.Key(0))
		subs = append(subs, object{"index": index, "state": object{
			"index": index, "enabled": admin, "admin-status": upDown(admin), "oper-status": upDown(admin && st.up),
		}})
	}
	if subs != nil {
		out["subinterfaces"] = object{"subinterface": subs}
	}
	return out
}

func (s *store) lacpState(lag string, ports []string) object {
	members := []object{}
	for _, port := range ports {
		st, ok := s.oper.LACP(lag, port)
		if !ok {
			continue
		}
		state := object{
			"interface": port, "activity": "PASSIVE", "timeout": "LONG", "synchronization": "OUT_SYNC",
			"aggregatable": st.Aggregatable, "collecting": st.Collecting, "distributing": st.Distributing,
			"oper-key": st.OperKey, "partner-key": st.PartnerKey, "port-num": st.Port, "partner-port-num": st.PartnerPort,
		}
		if st.Active {
			state["activity"] = "ACTIVE"
		}
		if st.Short {
			state["timeout"] = "SHORT"
		}
		if st.InSync {
			state["synchronization"] = "IN_SYNC"
		}
		if st.SystemID != "" {
			state["system-id"] = st.SystemID
		}
		if st.PartnerID != "" {
			state["partner-id"] = st.PartnerID
		}
		members = append(members, object{"interface": port, "state": state})
	}
	return object{"state": object{"name": lag}, "members": object{"member": members}}
}

// State returns the running configuration with the state that goes with it and the counters of this moment.
func (s *Switch) State() (*tree.Tree, error) { return s.store.live() }
