package switchd

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"

	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// defaultRollback is how long a confirmed commit waits when the client does
// not say (gNMI commit confirmed 0.1.0, 3.2.1).
const defaultRollback = 10 * time.Minute

// Why a change, a confirmation or a cancellation has no place.
var (
	ErrPending    = errors.New("a commit waits for its confirmation")
	ErrNotPending = errors.New("no commit waits for a confirmation")
	ErrWrongID    = errors.New("the commit that waits for a confirmation has another id")
)

// store holds the configuration: one snapshot that runs, and the one to return
// to while a commit is not confirmed.
type store struct {
	schema *tree.Schema
	ports  []string
	oper   Operational
	// follow makes the forwarding plane follow, with the named ports down; nil without one.
	follow func(t *tree.Tree, down []string) error
	// counters adds what is counted to a view; nil without a plane.
	counters func(view *tree.Tree) (*tree.Tree, error)

	mu      sync.Mutex // serialises changes
	refs    *tree.References
	pending *pending
	hooks   []*hook
	harm    *harm // nil if nobody is hurt

	now      sync.RWMutex // guards what follows; never held while working
	running  *tree.Tree
	native   any           // what running was made from, nil where gNMI makes it
	down     []string      // ports that are hurt
	facts    int           // counts changes of operational state
	changed  chan struct{} // closed and renewed when running or facts change
	viewMu   sync.Mutex    // one view is computed at a time
	lastView view
}

type hook struct {
	f func(before, after *tree.Tree)
}

// snapshot is a configuration, and the native one that it was made from.
type snapshot struct {
	tree   *tree.Tree
	native any
}

// rewrite edits the running configuration, and returns the native one that goes with the result.
type rewrite func(e *tree.Edit, native any) (any, error)

// edit is a rewrite that leaves the native configuration as it is.
func edit(f func(*tree.Edit) error) rewrite {
	return func(e *tree.Edit, native any) (any, error) { return native, f(e) }
}

type pending struct {
	id     string
	before snapshot
	until  time.Time
	timer  *time.Timer
}

func newStore(ports []string, native any, oper Operational, follow func(*tree.Tree, []string) error) (*store, error) {
	schema, err := tree.OpenConfig()
	if err != nil {
		return nil, err
	}
	s := &store{
		schema: schema, ports: slices.Sorted(slices.Values(ports)), follow: follow,
		refs: tree.NewReferences(), running: tree.New(schema), native: native, changed: make(chan struct{}),
	}
	s.oper = hurting{oper, s}
	if err := s.change(edit(func(*tree.Edit) error { return nil })); err != nil {
		return nil, fmt.Errorf("physical ports: %w", err)
	}
	return s, nil
}

// current returns the running configuration and a channel that is closed when
// it, or operational state, is no longer current.
func (s *store) current() (*tree.Tree, int, <-chan struct{}) {
	s.now.RLock()
	defer s.now.RUnlock()
	return s.running, s.facts, s.changed
}

// snapshot returns what runs.
func (s *store) snapshot() snapshot {
	s.now.RLock()
	defer s.now.RUnlock()
	return snapshot{s.running, s.native}
}

// publish makes a configuration, with ports that are hurt, what everybody sees.
func (s *store) publish(c snapshot, down []string) {
	s.now.Lock()
	defer s.now.Unlock()
	s.running, s.native, s.down = c.tree, c.native, down
	s.facts++
	s.wake()
}

// refresh makes the next view ask the forwarding plane again.
func (s *store) refresh() {
	s.now.Lock()
	defer s.now.Unlock()
	s.facts++
	s.wake()
}

func (s *store) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// make returns what a rewrite makes of the running configuration. What it leaves equal stays the same nodes, also where
// it was written anew. The caller holds mu.
func (s *store) make(do rewrite) (snapshot, error) {
	running := s.snapshot()
	e := running.tree.Edit()
	native, err := do(e, running.native)
	if err == nil {
		err = e.Err()
	}
	if err == nil {
		err = s.ensurePorts(e)
	}
	if err != nil {
		return snapshot{}, err
	}
	e.Share(running.tree)
	return snapshot{e.Tree(), native}, nil
}

// change makes a change of the running configuration, or says why it cannot be. The caller holds mu.
func (s *store) change(do rewrite) error {
	next, err := s.make(do)
	if err != nil {
		return err
	}
	return s.install(next)
}

// accept moves the references to a tree that obeys the rules. The caller holds mu.
func (s *store) accept(before, next *tree.Tree) (undo func(), err error) {
	undo, err = s.refs.Move(before, next)
	if err != nil {
		return nil, err
	}
	r := rules{ports: make(map[string]bool, len(s.ports)), refs: s.refs, before: before, after: next}
	for _, p := range s.ports {
		r.ports[p] = true
	}
	if err := r.check(); err != nil {
		undo()
		return nil, err
	}
	return undo, nil
}

// install makes a configuration the running one. The caller holds mu.
func (s *store) install(c snapshot) error {
	before, next := s.snapshot().tree, c.tree
	if next.Root().Same(before.Root()) {
		s.rename(c.native)
		return nil
	}
	undo, err := s.accept(before, next)
	if err != nil {
		return err
	}
	down := s.hurt(next)
	if s.follow != nil {
		// First, so that no state is computed from a configuration that the
		// plane does not have yet.
		if err := s.follow(next, down); err != nil {
			undo()
			return err
		}
	}
	s.publish(c, down)
	s.tell(before, next)
	return nil
}

// rename makes another native configuration that which the running one was made from. The caller holds mu.
func (s *store) rename(native any) {
	s.now.Lock()
	was := s.native
	s.native = native
	s.now.Unlock()
	if native != was {
		s.tell(s.running, s.running)
	}
}

// tell calls the hooks after a change. The caller holds mu.
func (s *store) tell(before, after *tree.Tree) {
	for _, h := range s.hooks {
		h.f(before, after)
	}
}

// ensurePorts puts physical ports back that an edit removed: they are there as
// long as the hardware is, at least with their name and type.
func (s *store) ensurePorts(e *tree.Edit) error {
	have := e.Peek().At("interfaces", "interface")
	var missing []string
	for _, name := range s.ports {
		if !have.Entry(name).At("config").Exists() {
			missing = append(missing, name)
		}
	}
	for _, name := range missing {
		quoted, err := json.Marshal(name)
		if err != nil {
			return err
		}
		path := &gpb.Path{Elem: []*gpb.PathElem{{Name: "interfaces"}, {Name: "interface", Key: map[string]string{"name": name}}, {Name: "config"}}}
		value := tree.JSONValue(fmt.Appendf(nil, `{"name":%s,"type":"iana-if-type:ethernetCsmacd"}`, quoted), gpb.Encoding_JSON_IETF)
		if err := e.Update(path, value); err != nil {
			return err
		}
	}
	return nil
}

// set runs one plain change.
func (s *store) set(do rewrite) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending != nil {
		return ErrPending
	}
	return s.change(do)
}

// check returns why a change would be refused, and changes nothing.
func (s *store) check(do rewrite) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := s.make(do)
	if err != nil {
		return err
	}
	undo, err := s.accept(s.snapshot().tree, next.tree)
	if err != nil {
		return err
	}
	undo()
	return nil
}

// begin runs a change that is undone unless it is confirmed within d.
func (s *store) begin(id string, d time.Duration, do rewrite) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending != nil {
		return ErrPending
	}
	before := s.snapshot()
	if err := s.change(do); err != nil {
		return err
	}
	s.wait(id, d, before)
	return nil
}

// wait gives the commit that ran after before the time d to be confirmed in. The caller holds mu.
func (s *store) wait(id string, d time.Duration, before snapshot) {
	p := &pending{id: id, before: before, until: time.Now().Add(d)}
	p.timer = time.AfterFunc(d, func() { s.expire(p) })
	s.pending = p
}

func (s *store) expire(p *pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending == p {
		s.revert()
	}
}

// revert undoes the pending commit. Both snapshots have been accepted before,
// so that going back cannot fail. The caller holds mu.
func (s *store) revert() {
	p := s.pending
	s.pending = nil
	p.timer.Stop()
	_ = s.install(p.before)
}

func (s *store) waiting(id string) (*pending, error) {
	switch {
	case s.pending == nil:
		return nil, ErrNotPending
	case s.pending.id != id:
		return nil, ErrWrongID
	}
	return s.pending, nil
}

// unconfirmed returns the id of the commit that waits for its confirmation, and how long it still does.
func (s *store) unconfirmed() (id string, left time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending == nil {
		return "", 0, false
	}
	return s.pending.id, max(0, time.Until(s.pending.until)), true
}

func (s *store) confirm(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.waiting(id)
	if err != nil {
		return err
	}
	p.timer.Stop()
	s.pending = nil
	return nil
}

func (s *store) cancel(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.waiting(id); err != nil {
		return err
	}
	s.revert()
	return nil
}

func (s *store) setRollback(id string, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.waiting(id)
	if err != nil {
		return err
	}
	p.timer.Stop()
	s.wait(id, d, p.before)
	return nil
}

// abandon loses an unconfirmed commit, as a reboot does.
func (s *store) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending != nil {
		s.revert()
	}
}

// undo takes the configuration silently back to an earlier snapshot.
func (s *store) undo(to snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending != nil {
		s.revert()
	}
	_ = s.install(to)
}

// stop ends the timer of a pending commit; the configuration stays.
func (s *store) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending != nil {
		s.pending.timer.Stop()
		s.pending = nil
	}
}

func (s *store) onCommit(f func(before, after *tree.Tree)) (cancel func()) {
	h := &hook{f}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = append(slices.Clone(s.hooks), h)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hooks = slices.DeleteFunc(slices.Clone(s.hooks), func(o *hook) bool { return o == h })
	}
}
