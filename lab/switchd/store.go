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

var (
	errPending    = errors.New("a commit waits for its confirmation")
	errNotPending = errors.New("no commit waits for a confirmation")
	errWrongID    = errors.New("the commit that waits for a confirmation has another id")
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
	down     []string      // ports that are hurt
	facts    int           // counts changes of operational state
	changed  chan struct{} // closed and renewed when running or facts change
	viewMu   sync.Mutex    // one view is computed at a time
	lastView view
}

type hook struct {
	f func(before, after *tree.Tree)
}

type pending struct {
	id     string
	before *tree.Tree
	timer  *time.Timer
}

func newStore(ports []string, oper Operational, follow func(*tree.Tree, []string) error) (*store, error) {
	schema, err := tree.OpenConfig()
	if err != nil {
		return nil, err
	}
	s := &store{
		schema: schema, ports: slices.Sorted(slices.Values(ports)), follow: follow,
		refs: tree.NewReferences(), running: tree.New(schema), changed: make(chan struct{}),
	}
	s.oper = hurting{oper, s}
	if err := s.apply(s.running.Edit()); err != nil {
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

// publish makes a tree, with ports that are hurt, what everybody sees.
func (s *store) publish(t *tree.Tree, down []string) {
	s.now.Lock()
	defer s.now.Unlock()
	s.running, s.down = t, down
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

// apply makes an edit the running configuration, or says why it cannot be.
// The caller holds mu.
func (s *store) apply(e *tree.Edit) error {
	if err := s.ensurePorts(e); err != nil {
		return err
	}
	return s.install(e.Tree())
}

// install makes a tree the running configuration. The caller holds mu.
func (s *store) install(next *tree.Tree) error {
	before, _, _ := s.current()
	if next.Root().Same(before.Root()) {
		return nil
	}
	undo, err := s.refs.Move(before, next)
	if err != nil {
		return err
	}
	r := rules{ports: make(map[string]bool, len(s.ports)), refs: s.refs, before: before, after: next}
	for _, p := range s.ports {
		r.ports[p] = true
	}
	if err := r.check(); err != nil {
		undo()
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
	s.publish(next, down)
	for _, h := range s.hooks {
		h.f(before, next)
	}
	return nil
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
func (s *store) set(change func(*tree.Edit) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending != nil {
		return errPending
	}
	return s.change(change)
}

func (s *store) change(change func(*tree.Edit) error) error {
	running, _, _ := s.current()
	e := running.Edit()
	if err := change(e); err != nil {
		return err
	}
	return s.apply(e)
}

// begin runs a change that is undone unless it is confirmed within d.
func (s *store) begin(id string, d time.Duration, change func(*tree.Edit) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending != nil {
		return errPending
	}
	before, _, _ := s.current()
	if err := s.change(change); err != nil {
		return err
	}
	p := &pending{id: id, before: before}
	p.timer = time.AfterFunc(d, func() { s.expire(p) })
	s.pending = p
	return nil
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
		return nil, errNotPending
	case s.pending.id != id:
		return nil, errWrongID
	}
	return s.pending, nil
}

func (s *store) isPending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending != nil
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
	next := &pending{id: p.id, before: p.before}
	next.timer = time.AfterFunc(d, func() { s.expire(next) })
	s.pending = next
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
func (s *store) undo(to *tree.Tree) {
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
