// Package memory drives a switch that exists in memory only. It is strict: a plan that is stale, illegal on the
// way or beyond the capabilities is refused. Tests and trials of a configuration use it.
package memory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Faults are switches that make a [Switch] misbehave. The zero value behaves.
type Faults struct {
	Observe   error    // every observation fails with it
	Apply     error    // every application fails with it, and changes nothing
	Lost      bool     // applications are made, and their answer is lost
	Stall     bool     // nothing answers until the context ends
	Truncated bool     // observations are cut short
	Permanent bool     // confirmed applications are refused: the device has no such thing
	Ignored   bool     // applications are accepted and change nothing
	Down      []string // ports and LAGs that are down
	Idle      []string // filters that match no frame
	Terse     bool     // nothing is said of circuits, stations and filters

	// Harms are what suffers, pending or not, for as long as the object at the key is not what it was when the faults
	// were set.
	Harms map[switchcfg.Key]Harm
}

// Switch is a switch in memory. Its methods may be called concurrently; several sessions may be open on it.
type Switch struct {
	caps drivers.Capabilities

	mu      sync.Mutex
	state   switchcfg.State
	faults  Faults
	pending *pending
	watch   map[chan struct{}]struct{}

	unharmed switchcfg.State // when the faults were set
	traffic  Traffic
	counted  time.Time               // until when
	passed   map[switchcfg.Key]tally // by circuit
	filtered map[switchcfg.Key]tally // by filter
}

type pending struct {
	id     string
	before switchcfg.State
	timer  *time.Timer
}

// New returns a switch that carries initial and is able to carry what caps says.
func New(caps drivers.Capabilities, initial switchcfg.State) *Switch {
	return &Switch{
		caps: caps, state: cloned(initial), watch: make(map[chan struct{}]struct{}),
		passed: make(map[switchcfg.Key]tally), filtered: make(map[switchcfg.Key]tally),
	}
}

func cloned(s switchcfg.State) switchcfg.State {
	if s == nil {
		return make(switchcfg.State)
	}
	return maps.Clone(s)
}

// State returns what the switch carries.
func (s *Switch) State() switchcfg.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cloned(s.state)
}

// Put puts objects on the switch, as somebody other than the agent would.
func (s *Switch) Put(objects ...switchcfg.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := cloned(s.state)
	state.Put(objects...)
	s.become(state)
}

// Remove takes what is at the keys off the switch, as somebody other than the agent would.
func (s *Switch) Remove(keys ...switchcfg.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := cloned(s.state)
	for _, k := range keys {
		delete(state, k)
	}
	s.become(state)
}

// SetFaults makes the switch misbehave from now on.
func (s *Switch) SetFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count()
	s.faults, s.unharmed = f, s.state
}

// Open returns a session under the name of device.
func (s *Switch) Open(device string) drivers.Driver { return &session{s, device} }

// revert takes the pending commit back.
func (s *Switch) revert() {
	s.pending.timer.Stop()
	before := s.pending.before
	s.pending = nil
	s.become(before)
}

// next returns the state that the changes lead to, or why they are refused.
func (s *Switch) next(changes []plan.Change) (switchcfg.State, drivers.Fault, error) {
	if s.pending != nil {
		return nil, drivers.Rejected, fmt.Errorf("commit %q is pending", s.pending.id)
	}
	for _, c := range changes {
		if c.After != nil {
			if err := s.caps.Carry(c.After); err != nil {
				return nil, drivers.Unsupported, fmt.Errorf("%s: %w", c.Key, err)
			}
		}
	}
	after, err := plan.Apply(s.state, changes)
	if err != nil {
		return nil, drivers.Stale, err
	}
	if err := plan.Prove(s.state, plan.Plan{Changes: changes, Atomic: s.caps.Traits.Atomic}); err != nil {
		return nil, drivers.Rejected, err
	}
	if len(switchcfg.Check(s.state)) == 0 {
		if faults := switchcfg.Check(after); len(faults) > 0 {
			return nil, drivers.Rejected, faults[0]
		}
	}
	return after, "", nil
}

// session is one session with a Switch.
type session struct {
	sw     *Switch
	device string
}

func (d *session) fail(op string, f drivers.Fault, err error) error {
	return &drivers.Error{Device: d.device, Op: op, Fault: f, Err: err}
}

// begin locks the switch unless it stalls or ctx has ended.
func (d *session) begin(ctx context.Context, op string) error {
	d.sw.mu.Lock()
	if d.sw.faults.Stall {
		d.sw.mu.Unlock()
		<-ctx.Done()
	} else if ctx.Err() == nil {
		return nil
	} else {
		d.sw.mu.Unlock()
	}
	return d.fail(op, drivers.Transient, ctx.Err())
}

// Observe implements [drivers.Driver].
func (d *session) Observe(ctx context.Context) (switchcfg.State, error) {
	if err := d.begin(ctx, "observe"); err != nil {
		return nil, err
	}
	defer d.sw.mu.Unlock()
	switch f := d.sw.faults; {
	case f.Observe != nil:
		return nil, f.Observe
	case f.Truncated:
		return nil, d.fail("observe", drivers.Incomplete, errors.New("the answer ends in the middle"))
	}
	return cloned(d.sw.state), nil
}

// Apply implements [drivers.Driver].
func (d *session) Apply(ctx context.Context, changes []plan.Change) (drivers.Result, error) {
	if err := d.begin(ctx, "apply"); err != nil {
		return drivers.Result{}, err
	}
	defer d.sw.mu.Unlock()
	return d.apply(changes)
}

func (d *session) apply(changes []plan.Change) (drivers.Result, error) {
	if err := d.sw.faults.Apply; err != nil {
		return drivers.Result{}, err
	}
	after, fault, err := d.sw.next(changes)
	if err != nil {
		return drivers.Result{}, d.fail("apply", fault, err)
	}
	if !d.sw.faults.Ignored {
		d.sw.become(after)
	}
	if d.sw.faults.Lost {
		return drivers.Result{}, d.fail("apply", drivers.Unknown, errors.New("the session ended before the answer"))
	}
	return drivers.Result{Native: render(changes)}, nil
}

// ApplyConfirmed implements [drivers.Confirmer].
func (d *session) ApplyConfirmed(ctx context.Context, id string, window time.Duration, changes []plan.Change) (drivers.Result, error) {
	if err := d.begin(ctx, "apply"); err != nil {
		return drivers.Result{}, err
	}
	defer d.sw.mu.Unlock()
	if d.sw.faults.Permanent {
		return drivers.Result{}, d.fail("apply", drivers.Unsupported, errors.New("it does not take changes back by itself"))
	}
	before := d.sw.state
	res, err := d.apply(changes)
	if f := drivers.FaultOf(err); err != nil && f != drivers.Unknown {
		return res, err
	}
	p := &pending{id: id, before: before}
	p.timer = time.AfterFunc(window, func() {
		d.sw.mu.Lock()
		defer d.sw.mu.Unlock()
		if d.sw.pending == p {
			d.sw.revert()
		}
	})
	d.sw.pending = p
	return res, err
}

// named locks the switch if the commit of that id is pending.
func (d *session) named(ctx context.Context, op, id string) error {
	if err := d.begin(ctx, op); err != nil {
		return err
	}
	if p := d.sw.pending; p == nil || p.id != id {
		d.sw.mu.Unlock()
		return d.fail(op, drivers.Rejected, fmt.Errorf("commit %q is not pending", id))
	}
	return nil
}

// Confirm implements [drivers.Confirmer].
func (d *session) Confirm(ctx context.Context, id string) error {
	if err := d.named(ctx, "confirm", id); err != nil {
		return err
	}
	defer d.sw.mu.Unlock()
	d.sw.pending.timer.Stop()
	d.sw.pending = nil
	return nil
}

// Revert implements [drivers.Confirmer].
func (d *session) Revert(ctx context.Context, id string) error {
	if err := d.named(ctx, "revert", id); err != nil {
		return err
	}
	defer d.sw.mu.Unlock()
	d.sw.revert()
	return nil
}

// Watch implements [drivers.Watcher].
func (d *session) Watch(ctx context.Context, changed func()) error {
	c := make(chan struct{}, 1)
	d.sw.mu.Lock()
	d.sw.watch[c] = struct{}{}
	d.sw.mu.Unlock()
	defer func() {
		d.sw.mu.Lock()
		delete(d.sw.watch, c)
		d.sw.mu.Unlock()
	}()
	changed()
	for {
		select {
		case <-c:
			changed()
		case <-ctx.Done():
			return d.fail("watch", drivers.Transient, ctx.Err())
		}
	}
}

// Render implements [drivers.Renderer].
func (d *session) Render(changes []plan.Change) ([]byte, error) { return render(changes), nil }

// Close implements [drivers.Driver].
func (d *session) Close() error { return nil }

// render returns the changes in canonical text, which is all that this switch understands.
func render(changes []plan.Change) []byte {
	var b []byte
	for _, c := range changes {
		b = append(append(append(b, c.Verb...), ' '), c.Key.String()...)
		b = append(b, '\n')
		if c.After != nil {
			for _, l := range c.After.Lines() {
				b = append(append(append(b, "  "...), l...), '\n')
			}
		}
	}
	return b
}
