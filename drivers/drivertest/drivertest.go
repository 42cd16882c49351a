// Package drivertest is the suite that every driver must pass: the laws of a [drivers.Driver] as tests on a
// switch or a faithful stand-in.
package drivertest

import (
	"bytes"
	"context"
	"flag"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
	"github.com/ixagent/ixagent/models/switchcfg/switchcfgtest"
)

// Harness is what the suite must know of a driver.
type Harness struct {
	// New returns a fresh switch, which is taken down by the clean-up of t.
	New     func(t *testing.T) Switch
	Caps    drivers.Capabilities
	Scope   *plan.Scope           // must cover what Options generate
	Options switchcfgtest.Options // of the states the switch is brought to
	Window  time.Duration         // the shortest window of a confirmed commit; 0 is a second
	Apart   bool                  // one switch does not wait for another, so that tests run at once
}

// Switch is one switch under test.
type Switch struct {
	Open     func() drivers.Driver // a new session, closed by the suite
	Truncate func(on bool)         // makes observations incomplete; nil if it cannot be done
	Native   func() []byte         // everything the switch has to show of its configuration and candidates; nil if it cannot be told

	// Send has a frame come in by a circuit that is up; nil if it cannot be done.
	Send func(*switchcfg.Circuit)
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	if h.Window == 0 {
		h.Window = time.Second
	}
	h.run(t, "EveryPlanArrivesAndTheNextIsEmpty", h.converge)
	h.run(t, "StalePlanIsRefused", h.stale)
	h.run(t, "WhatCannotBeCarriedIsRefused", h.unsupported)
	h.run(t, "TextIsCarriedAsItIsOrRefused", h.hostile)
	h.run(t, "EndedContextEndsEveryOperation", h.cancelled)
	h.run(t, "TruncatedReadIsAnError", h.truncated)
	h.run(t, "ConfirmedStays", h.confirmed)
	h.run(t, "RevertedIsAsBefore", h.reverted)
	h.run(t, "UnconfirmedIsTakenBack", h.expired)
	h.run(t, "RenderingIsWhatIsSent", h.rendered)
	h.run(t, "PreviewLeavesNoTrace", h.previewed)
	h.run(t, "ChangeIsAnnounced", h.announced)
	h.run(t, "WhatIsDoneIsOfWhatIsThere", h.operational)
	h.run(t, "CountersOnlyGrow", h.counted)
}

func (h Harness) run(t *testing.T, law string, f func(*testing.T)) {
	t.Run(law, func(t *testing.T) {
		if h.Apart {
			t.Parallel()
		}
		f(t)
	})
}

// Fewer has rapid check what it checks in t, and until t ends, only so often, unless somebody has said how often: each
// check on a command line is a session's worth of waiting.
func Fewer(t testing.TB, checks int) {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	if f.Value.String() != f.DefValue {
		return
	}
	set := func(v string) {
		if err := f.Value.Set(v); err != nil {
			t.Error(err)
		}
	}
	set(strconv.Itoa(checks))
	t.Cleanup(func() { set(f.DefValue) })
}

// Scope returns what an inventory would give to the agent of a switch on which states of o come.
func Scope(o switchcfgtest.Options) *plan.Scope {
	s := &plan.Scope{Ports: make(map[string]bool), LAGPrefix: o.LAGPrefix, LAGFirst: 1, LAGLast: 99}
	for _, p := range o.Ports {
		s.Ports[p] = true
	}
	return s
}

// Session opens a session that ends with t.
func Session(t testing.TB, spec drivers.Spec, device drivers.Device) drivers.Driver {
	t.Helper()
	d, err := spec.Open(t.Context(), device)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Carried takes out of s what a device cannot carry, and what is not legal without that.
func Carried(s switchcfg.State, c *drivers.Capabilities) switchcfg.State {
	for k, o := range s {
		if c.Carry(o) != nil {
			delete(s, k)
		}
	}
	for {
		faults := switchcfg.Check(s)
		if len(faults) == 0 {
			return s
		}
		for _, f := range faults {
			delete(s, f.Key)
		}
	}
}

func open(t *testing.T, s Switch) drivers.Driver {
	t.Helper()
	d := s.Open()
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

// draw returns a state that the switch can carry.
func (h Harness) draw(t *rapid.T, label string) switchcfg.State {
	return Carried(h.Options.State(t, label), &h.Caps)
}

// some returns a fixed state with circuits in it.
func (h Harness) some(seed int) switchcfg.State {
	return h.such(seed, func(s switchcfg.State) bool { return len(s) > 5 })
}

// such returns a fixed state that fits.
func (h Harness) such(seed int, fits func(switchcfg.State) bool) switchcfg.State {
	return rapid.Custom(func(t *rapid.T) switchcfg.State { return h.draw(t, "state") }).Filter(fits).Example(seed)
}

type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

func (h Harness) build(observed, desired switchcfg.State) plan.Plan {
	return plan.Build(plan.Input{Observed: observed, Intent: plan.Intent{State: desired}, Device: "switch", Scope: h.Scope, Traits: h.Caps.Traits})
}

func observe(t tb, d drivers.Driver) switchcfg.State {
	t.Helper()
	s, err := d.Observe(context.Background())
	if err != nil {
		t.Fatalf("observe: %v", err)
	}
	return s
}

func same(t tb, got, want switchcfg.State) {
	t.Helper()
	if !got.Equal(want) {
		t.Fatalf("the switch is not as it should be (-want +got):\n%s", cmp.Diff(string(want.AppendText(nil)), string(got.AppendText(nil))))
	}
}

// plan returns the proved plan from what the switch carries to the desired state, and the former.
func (h Harness) plan(t tb, d drivers.Driver, desired switchcfg.State) (plan.Plan, switchcfg.State) {
	t.Helper()
	now := observe(t, d)
	p := h.build(now, desired)
	if len(p.Withheld) > 0 {
		t.Fatalf("the plan withholds:\n%s", p.AppendText(nil))
	}
	if err := plan.Prove(now, p); err != nil {
		t.Fatalf("the plan is not safe: %v", err)
	}
	return p, now
}

// bring brings the switch to the desired state.
func (h Harness) bring(t tb, d drivers.Driver, desired switchcfg.State) {
	t.Helper()
	p, _ := h.plan(t, d, desired)
	if _, err := d.Apply(context.Background(), p.Changes); err != nil {
		t.Fatalf("apply: %v\n%s", err, p.AppendText(nil))
	}
}

func (h Harness) converge(t *testing.T) {
	d := open(t, h.New(t))
	rapid.Check(t, func(t *rapid.T) {
		h.bring(t, d, nil)
		for range rapid.IntRange(1, 3).Draw(t, "steps") {
			desired := h.draw(t, "desired")
			h.bring(t, d, desired)
			now := observe(t, d)
			same(t, now, desired)
			if second := h.build(now, desired); !second.Empty() {
				t.Fatalf("second plan:\n%s", second.AppendText(nil))
			}
		}
	})
}

func (h Harness) stale(t *testing.T) {
	sw := h.New(t)
	d, other := open(t, sw), open(t, sw)
	desired := h.some(1)
	p, _ := h.plan(t, d, desired)
	h.bring(t, other, desired)
	if _, err := d.Apply(t.Context(), p.Changes); drivers.FaultOf(err) != drivers.Stale {
		t.Fatalf("a plan for another state: %v, want fault %s", err, drivers.Stale)
	}
	same(t, observe(t, d), desired)
}

func (h Harness) unsupported(t *testing.T) {
	d := open(t, h.New(t))
	before := observe(t, d)
	k := switchcfg.Key{Kind: switchcfg.KindFilter, Name: switchcfg.Prefix + "strange"}
	_, err := d.Apply(t.Context(), []plan.Change{{Verb: plan.Create, Key: k, After: &switchcfg.Opaque{At: k, Why: "unknown"}}})
	if drivers.FaultOf(err) != drivers.Unsupported {
		t.Fatalf("an object that cannot be made: %v, want fault %s", err, drivers.Unsupported)
	}
	same(t, observe(t, d), before)
}

func (h Harness) cancelled(t *testing.T) {
	d := open(t, h.New(t))
	p, before := h.plan(t, d, h.some(2))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	start := time.Now()
	if s, err := d.Observe(ctx); drivers.FaultOf(err) != drivers.Transient || s != nil {
		t.Errorf("observe: %d objects and %v, want fault %s", len(s), err, drivers.Transient)
	}
	if _, err := d.Apply(ctx, p.Changes); drivers.FaultOf(err) != drivers.Transient {
		t.Errorf("apply: %v, want fault %s", err, drivers.Transient)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	same(t, observe(t, d), before)
}

func (h Harness) truncated(t *testing.T) {
	sw := h.New(t)
	if sw.Truncate == nil {
		t.Skip("this switch cannot be made to answer short")
	}
	d := open(t, sw)
	desired := h.some(3)
	h.bring(t, d, desired)
	sw.Truncate(true)
	if s, err := d.Observe(t.Context()); drivers.FaultOf(err) != drivers.Incomplete || s != nil {
		t.Errorf("observe: %d objects and %v, want fault %s", len(s), err, drivers.Incomplete)
	}
	sw.Truncate(false)
	same(t, observe(t, d), desired)
}

func confirmer(t *testing.T, d drivers.Driver) drivers.Confirmer {
	t.Helper()
	c, ok := drivers.As[drivers.Confirmer](d)
	if !ok {
		t.Skip("this driver has no confirmed commits")
	}
	return c
}

func (h Harness) confirmed(t *testing.T) {
	d := open(t, h.New(t))
	c := confirmer(t, d)
	desired := h.some(4)
	p, _ := h.plan(t, d, desired)
	if _, err := c.ApplyConfirmed(t.Context(), "commit-1", time.Minute, p.Changes); err != nil {
		t.Fatal(err)
	}
	same(t, observe(t, d), desired)
	next, _ := h.plan(t, d, nil)
	if _, err := c.ApplyConfirmed(t.Context(), "commit-2", time.Minute, next.Changes); err == nil {
		t.Error("a second commit was accepted while one is pending")
	}
	if err := c.Confirm(t.Context(), "another"); err == nil {
		t.Error("a commit that is not pending was confirmed")
	}
	if err := c.Confirm(t.Context(), "commit-1"); err != nil {
		t.Fatal(err)
	}
	if err := c.Revert(t.Context(), "commit-1"); err == nil {
		t.Error("a confirmed commit was reverted")
	}
	same(t, observe(t, d), desired)
	h.bring(t, d, nil)
}

func (h Harness) reverted(t *testing.T) {
	d := open(t, h.New(t))
	c := confirmer(t, d)
	before := h.some(5)
	h.bring(t, d, before)
	p, _ := h.plan(t, d, h.some(6))
	if _, err := c.ApplyConfirmed(t.Context(), "commit-1", time.Minute, p.Changes); err != nil {
		t.Fatal(err)
	}
	if err := c.Revert(t.Context(), "another"); err == nil {
		t.Error("a commit that is not pending was reverted")
	}
	if err := c.Revert(t.Context(), "commit-1"); err != nil {
		t.Fatal(err)
	}
	same(t, observe(t, d), before)
	h.bring(t, d, nil)
}

func (h Harness) expired(t *testing.T) {
	sw := h.New(t)
	d := open(t, sw)
	c := confirmer(t, d)
	before := h.some(7)
	h.bring(t, d, before)
	desired := h.some(8)
	p, _ := h.plan(t, d, desired)
	start := time.Now()
	if _, err := c.ApplyConfirmed(t.Context(), "commit-1", h.Window, p.Changes); err != nil {
		t.Fatal(err)
	}
	same(t, observe(t, d), desired)
	poll := time.NewTicker(h.Window / 20)
	defer poll.Stop()
	for {
		// A reading while the switch changes is whole or is refused.
		s, err := d.Observe(t.Context())
		if err != nil && drivers.FaultOf(err) != drivers.Incomplete {
			t.Fatal(err)
		}
		if err == nil && s.Equal(before) {
			break
		}
		if time.Since(start) > h.Window+10*time.Second {
			t.Fatal("the switch keeps an unconfirmed commit")
		}
		<-poll.C
	}
	if took := time.Since(start); took < h.Window/2 {
		t.Errorf("the commit was taken back after %v of %v", took, h.Window)
	}
	if err := c.Confirm(t.Context(), "commit-1"); err == nil {
		t.Error("a commit that was taken back was confirmed")
	}
}

func (h Harness) rendered(t *testing.T) {
	d := open(t, h.New(t))
	r, ok := drivers.As[drivers.Renderer](d)
	if !ok {
		t.Skip("this driver renders nothing")
	}
	for seed := range 3 {
		p, _ := h.plan(t, d, h.some(10+seed))
		text, err := r.Render(p.Changes)
		if err != nil {
			t.Fatal(err)
		}
		again, err := r.Render(p.Changes)
		if err != nil || !bytes.Equal(text, again) {
			t.Fatalf("two renderings differ (%v):\n%s", err, cmp.Diff(string(text), string(again)))
		}
		res, err := d.Apply(t.Context(), p.Changes)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(text, res.Native) {
			t.Fatalf("what was sent is not what was rendered:\n%s", cmp.Diff(string(text), string(res.Native)))
		}
	}
}

func (h Harness) previewed(t *testing.T) {
	sw := h.New(t)
	d := open(t, sw)
	v, ok := drivers.As[drivers.Previewer](d)
	if !ok {
		t.Skip("this device cannot show what would change without changing it")
	}
	before := h.some(13)
	h.bring(t, d, before)
	native := func() []byte {
		if sw.Native == nil {
			return nil
		}
		return sw.Native()
	}
	was := native()
	p, _ := h.plan(t, d, h.some(14))
	text, err := v.Preview(t.Context(), p.Changes)
	if err != nil || text == "" {
		t.Fatalf("preview: %q, %v", text, err)
	}
	same(t, observe(t, d), before)
	if now := native(); !bytes.Equal(was, now) {
		t.Fatalf("the preview left a trace:\n%s", cmp.Diff(string(was), string(now)))
	}
	// Neither it nor another session is kept from working by what the preview may have left open.
	h.bring(t, open(t, sw), h.some(14))
	same(t, observe(t, d), h.some(14))
	if text, err = v.Preview(t.Context(), nil); err != nil || text != "" {
		t.Fatalf("preview of nothing: %q, %v", text, err)
	}
}

func (h Harness) announced(t *testing.T) {
	sw := h.New(t)
	d, watching := open(t, sw), open(t, sw)
	w, ok := drivers.As[drivers.Watcher](watching)
	if !ok {
		t.Skip("this driver does not watch")
	}
	ctx, cancel := context.WithCancel(t.Context())
	nudges, done := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		done <- w.Watch(ctx, func() {
			select {
			case nudges <- struct{}{}:
			default:
			}
		})
	}()
	// Once it hears, it hears of the change that comes after that.
	for _, what := range []string{"the watch does not begin", "a change is not announced"} {
		select {
		case <-nudges:
		case err := <-done:
			t.Fatalf("watch ended: %v", err)
		case <-time.After(20 * time.Second):
			t.Fatal(what)
		}
		h.bring(t, d, h.some(20))
	}
	cancel()
	if err := <-done; drivers.FaultOf(err) != drivers.Transient {
		t.Errorf("watch ended with %v, want fault %s", err, drivers.Transient)
	}
}

func operational(t *testing.T, d drivers.Driver) drivers.OperState {
	t.Helper()
	o, ok := drivers.As[drivers.Operational](d)
	if !ok {
		t.Skip("this driver cannot tell what its device does")
	}
	s, err := o.Operational(t.Context())
	if err != nil {
		t.Fatalf("operational: %v", err)
	}
	return s
}

func (h Harness) operational(t *testing.T) {
	d := open(t, h.New(t))
	for _, desired := range []switchcfg.State{h.some(30), h.some(31), nil} {
		h.bring(t, d, desired)
		now, oper := observe(t, d), operational(t, d)
		for k, o := range now {
			_, isPort := oper.Ports[k.Name]
			_, isCircuit := oper.Circuits[k]
			if lag, ok := o.(*switchcfg.LAG); ok && lag.Mode == switchcfg.ModeLACP {
				for _, m := range lag.Members {
					if oper.LACP[m].LAG != lag.Name {
						t.Errorf("%s has the member %s, of which it says %+v", k, m, oper.LACP[m])
					}
				}
			}
			switch k.Kind {
			case switchcfg.KindInterface, switchcfg.KindLAG:
				if !isPort {
					t.Errorf("nothing is said of %s", k)
				}
			case switchcfg.KindCircuit:
				if !isCircuit && oper.Circuits != nil {
					t.Errorf("nothing is said of %s", k)
				}
			}
		}
		for k := range oper.Circuits {
			if now[k] == nil {
				t.Errorf("%s is not there and is said to do something", k)
			}
		}
		for name := range oper.Filters {
			if k := (switchcfg.Key{Kind: switchcfg.KindFilter, Name: name}); now[k] == nil {
				t.Errorf("%s is not there and is said to do something", k)
			}
		}
		for s, k := range oper.Stations {
			if now[switchcfg.Key{Kind: switchcfg.KindService, Name: s.Service}] == nil || k != (switchcfg.Key{}) && now[k] == nil {
				t.Errorf("%s of %s is said to be behind %s, which is not there", s.MAC, s.Service, k)
			}
		}
	}
}

func (h Harness) counted(t *testing.T) {
	sw := h.New(t)
	if sw.Send == nil {
		t.Skip("no frames can be sent through this switch")
	}
	d := open(t, sw)
	if len(h.Caps.Forms) == 0 {
		t.Skip("this device has no circuits")
	}
	h.bring(t, d, h.such(32, func(s switchcfg.State) bool {
		for _, o := range s {
			if c, ok := o.(*switchcfg.Circuit); ok && !c.Shutdown {
				p, ok := s[switchcfg.Key{Kind: switchcfg.KindInterface, Name: c.Parent}].(*switchcfg.Interface)
				if ok && !p.Shutdown {
					return true
				}
			}
		}
		return false
	}))
	now, first := observe(t, d), operational(t, d)
	waiting := make(map[switchcfg.Key]bool)
	for k, c := range first.Circuits {
		if c.Up && c.Counted {
			sw.Send(now[k].(*switchcfg.Circuit))
			waiting[k] = true
		}
	}
	if len(waiting) == 0 {
		t.Fatal("no circuit is up and counted")
	}
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(20 * time.Second)
	for before := first; len(waiting) > 0; {
		after := operational(t, d)
		for name, p := range after.Ports {
			if was := before.Ports[name]; p.InFrames < was.InFrames || p.OutFrames < was.OutFrames {
				t.Errorf("port %s: %+v was %+v", name, p, was)
			}
		}
		for k, c := range after.Circuits {
			was := before.Circuits[k]
			if c.Counted != was.Counted || c.InFrames < was.InFrames || c.OutFrames < was.OutFrames || c.Dropped < was.Dropped {
				t.Errorf("%s: %+v was %+v", k, c, was)
			}
			if c.InFrames+c.Dropped > first.Circuits[k].InFrames+first.Circuits[k].Dropped {
				delete(waiting, k)
			}
		}
		for name, f := range after.Filters {
			if was := before.Filters[name]; f.Permitted < was.Permitted || f.Dropped < was.Dropped {
				t.Errorf("filter %s: %+v was %+v", name, f, was)
			}
		}
		before = after
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("frames came in by %v and are not counted", slices.SortedFunc(maps.Keys(waiting), switchcfg.Key.Compare))
		}
	}
}
