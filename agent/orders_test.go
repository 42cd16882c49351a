package agent

import (
	"errors"
	"strings"
	"testing"

	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// applied returns a pass whose first change has brought sw1 to its intent.
func applied(t *testing.T, o Options) *Pass {
	t.Helper()
	o.Who = "noc"
	p, err := NewPass(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	pl, err := p.Plan(t.Context(), "sw1")
	if err != nil || len(pl.Changes) == 0 {
		t.Fatalf("%v\n%s", err, pl.AppendText(nil))
	}
	if err := p.Apply(t.Context(), pl)[0].Err; err != nil {
		t.Fatal(err)
	}
	return p
}

// rollback takes change 1 back, and returns what is frozen after that.
func rollback(t *testing.T, p *Pass) ([]guard.Freeze, error) {
	t.Helper()
	e, err := p.Change(1)
	if err != nil {
		t.Fatal(err)
	}
	pl, err := p.PlanRollback(t.Context(), e, true)
	if err != nil || len(pl.Withheld) > 0 {
		t.Fatalf("%v\n%s", err, pl.AppendText(nil))
	}
	failure := p.Rollback(t.Context(), e, pl, "members lost their routes").Err
	frozen, err := p.journal.Freezes()
	if err != nil {
		t.Fatal(err)
	}
	return frozen, failure
}

func TestRollbackPutsBackWhatTheChangeReplacedAndNothingElse(t *testing.T) {
	e := newExchange(t)
	o := e.options("max_deletes: 2", "max_deletes: 0") // limits do not count
	before := e.sw("sw1").State()
	p := applied(t, o)
	foreign := &switchcfg.Interface{Name: "Ethernet49", Description: "uplink"}
	e.sw("sw1").Put(foreign)
	frozen, err := rollback(t, p)
	if err != nil {
		t.Fatal(err)
	}
	before.Put(foreign)
	if d := plan.Diff(before, e.sw("sw1").State()); len(d) > 0 {
		t.Errorf("something else is there: %v", d[0].Key)
	}
	if len(frozen) != 1 || frozen[0].String() != "change 1" || frozen[0].Why != "members lost their routes" || frozen[0].Device != "sw1" || len(frozen[0].Keys) == 0 {
		t.Errorf("frozen is %+v", frozen)
	}
	// The next pass wants the change again, and is held; so is a plan that was made without knowing.
	next, err := NewPass(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	all, err := next.Plans(t.Context(), "sw1")
	if err != nil {
		t.Fatal(err)
	}
	for name, pl := range map[string]plan.Plan{"here": all.Here, "whole": all.Whole, "alone": all.Alone} {
		if len(pl.Changes) > 0 || len(pl.Withheld) == 0 || pl.Withheld[0].Reason != plan.Held {
			t.Errorf("%s: %s", name, pl.AppendText(nil))
		}
	}
	stale, err := p.Plan(t.Context(), "sw1")
	if err != nil || len(stale.Changes) == 0 {
		t.Fatalf("%v\n%s", err, stale.AppendText(nil))
	}
	if err := p.Apply(t.Context(), stale)[0].Err; drivers.FaultOf(err) != drivers.Denied || !strings.Contains(err.Error(), "change 1 is frozen by") {
		t.Errorf("a plan of before the freeze: %v", err)
	}
}

func TestRollbackThatChangedNothingLeavesNothingFrozen(t *testing.T) {
	e := newExchange(t)
	p := applied(t, e.options())
	after := e.sw("sw1").State()
	e.sw("sw1").SetFaults(memory.Faults{Apply: &drivers.Error{Device: "sw1", Op: "apply", Fault: drivers.Rejected, Err: errors.New("no")}})
	frozen, err := rollback(t, p)
	if drivers.FaultOf(err) != drivers.Rejected || len(frozen) > 0 {
		t.Errorf("%v, frozen is %v", err, frozen)
	}
	if len(plan.Diff(after, e.sw("sw1").State())) > 0 {
		t.Error("the switch has changed")
	}
}

func TestRollbackOfUnknownEndStaysFrozen(t *testing.T) {
	e := newExchange(t)
	o := e.options()
	p := applied(t, o)
	// The switch takes nothing back by itself, and once the change is made it is not seen again.
	e.sw("sw1").SetFaults(memory.Faults{Permanent: true})
	p.Step = func(device, step string) {
		if step == "verify" {
			e.sw(device).SetFaults(memory.Faults{Permanent: true, Observe: &drivers.Error{Device: device, Op: "observe", Fault: drivers.Transient, Err: errors.New("gone")}})
		}
	}
	frozen, err := rollback(t, p)
	if err == nil || !strings.Contains(err.Error(), "; what the change touched stays frozen until ixagent thaw change 1") || len(frozen) != 1 {
		t.Errorf("%v, frozen is %v", err, frozen)
	}
	found, err := p.journal.History(journal.Filter{Limit: 1})
	if err != nil || len(found) != 1 || found[0].Result != journal.Unknown {
		t.Errorf("%d entries, %v", len(found), err)
	}
}

func TestWhatLeftNothingIsNotRolledBack(t *testing.T) {
	e := newExchange(t)
	p := applied(t, e.options())
	done, err := p.Change(1)
	if err != nil {
		t.Fatal(err)
	}
	for result, want := range map[journal.Result]string{
		journal.Begun:    "change 1 has not ended yet",
		journal.Refused:  "change 1 was refused, and left nothing on sw1 to be rolled back",
		journal.Failed:   "change 1 was failed, and left nothing on sw1 to be rolled back",
		journal.Reverted: "change 1 was reverted, and left nothing on sw1 to be rolled back",
	} {
		x := done
		x.Result = result
		var order *guard.OrderError
		if _, err := p.PlanRollback(t.Context(), x, true); !errors.As(err, &order) || err.Error() != want {
			t.Errorf("%s: %v", result, err)
		}
	}
	done.Device = "sw9"
	if _, err := p.PlanRollback(t.Context(), done, true); err == nil || err.Error() != "change 1 was of sw9, which the inventory does not have any more" {
		t.Errorf("%v", err)
	}
}

func TestWholePlanIsWhatIsApproved(t *testing.T) {
	e := newExchange(t)
	o := e.options("mode: enforce", "mode: approve")
	o.Who = "noc"
	p, err := NewPass(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	all, err := p.Plans(t.Context(), "sw1")
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Alone.Changes) > 0 || len(all.Whole.Changes) == 0 || len(all.Whole.Withheld) > 0 {
		t.Fatalf("by itself:\n%s\nwhole:\n%s", all.Alone.AppendText(nil), all.Whole.AppendText(nil))
	}
	if whole, _, err := guard.Match([]plan.Plan{all.Alone, all.Whole}, ""); err == nil {
		t.Fatalf("no digest is one: %s", whole.Device)
	}
	digest, err := all.Whole.Digest()
	if err != nil {
		t.Fatal(err)
	}
	whole, found, err := guard.Match([]plan.Plan{all.Alone, all.Whole}, strings.ToUpper(digest[:guard.LeastDigits]))
	if err != nil || found != digest || whole.Device != "sw1" {
		t.Errorf("%s %s: %v", whole.Device, found, err)
	}
	if _, _, err := guard.Match([]plan.Plan{all.Whole, all.Whole}, digest); err == nil {
		t.Error("one of two is chosen")
	}
	if _, err := p.Approve("sw1", digest); err != nil {
		t.Fatal(err)
	}
	stored, err := p.journal.Approvals()
	if err != nil || len(stored) != 1 || stored[0].Digest != digest || stored[0].Who != "noc" || !stored[0].InForce(p.Now()) {
		t.Errorf("%+v, %v", stored, err)
	}
}
