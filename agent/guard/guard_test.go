package guard_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
	"github.com/ixagent/ixagent/models/switchcfg/switchcfgtest"
)

// circuits returns a switch that carries n circuits of the agent, and as many of somebody else.
func circuits(n int) switchcfg.State {
	s := make(switchcfg.State)
	for i := range n {
		unit := uint32(i)
		s.Put(&switchcfg.Circuit{Parent: "lag1", Unit: unit, Description: switchcfg.NewTag("nsc", fmt.Sprint(i), "7").String(), Service: "ix-a"},
			&switchcfg.Circuit{Parent: "lag9", Unit: unit, Description: "made by hand", Service: "x"},
			&switchcfg.Filter{Name: fmt.Sprint("ix-lag1.", i)})
	}
	return s
}

// gone returns deletions of the first n circuits and of their filters.
func gone(n int) []plan.Change {
	var out []plan.Change
	for i := range n {
		c := &switchcfg.Circuit{Parent: "lag1", Unit: uint32(i)}
		f := &switchcfg.Filter{Name: fmt.Sprint("ix-lag1.", i)}
		out = append(out, plan.Change{Verb: plan.Delete, Key: c.Key(), Before: c}, plan.Change{Verb: plan.Delete, Key: f.Key(), Before: f})
	}
	return out
}

func back(n int) []plan.Change {
	var out []plan.Change
	for i := range n {
		c := &switchcfg.Circuit{Parent: "lag1", Unit: uint32(i)}
		out = append(out, plan.Change{Verb: plan.Create, Key: c.Key(), After: c})
	}
	return out
}

func TestTooManyDeletionsWaitForAPerson(t *testing.T) {
	limits := func(deletes int, percent config.Percent) plan.Guard {
		return guard.Limits(config.Limits{MaxDeletes: deletes, MaxDeletePercent: percent})
	}
	for _, c := range []struct {
		name    string
		guard   plan.Guard
		objects int
		changes []plan.Change
		held    int
		detail  string
	}{
		{"nothing is deleted", limits(0, 0), 10, back(10), 0, ""},
		{"as many as the limit", limits(10, 100), 100, gone(10), 0, ""},
		{
			"one more than the limit", limits(10, 100), 100, gone(11), 11,
			"11 objects (11 circuits) would be deleted, and a pass may delete 10 by itself (limits.max_deletes); to approve it, run ixagent apply --max-deletes 11",
		},
		{
			"a limit of none", limits(0, 100), 100, gone(1), 1,
			"1 object (1 circuit) would be deleted, and a pass may delete 0 by itself (limits.max_deletes); to approve it, run ixagent apply --max-deletes 1",
		},
		{"taken down and put back", limits(0, 0), 100, append(gone(50), back(50)...), 0, ""},
		{
			"some of them put back", limits(4, 100), 100, append(gone(50), back(45)...), 5,
			"5 objects (5 circuits) would be deleted, and a pass may delete 4 by itself (limits.max_deletes); to approve it, run ixagent apply --max-deletes 5",
		},
		{"one connection of a small switch", limits(10, 5), 4, gone(4), 0, ""},
		{
			"one more than a connection of a small switch", limits(10, 5), 20, gone(5), 5,
			"5 objects (5 circuits) would be deleted, and a pass may delete 5% of the agent's 20 objects on the switch by itself (limits.max_delete_percent); to approve it, run ixagent apply --max-deletes 5",
		},
		{"as many percent as the limit", limits(10, 5), 100, gone(5), 0, ""},
		{
			"a percent more than the limit", limits(10, 5), 100, gone(6), 6,
			"6 objects (6 circuits) would be deleted, and a pass may delete 5% of the agent's 100 objects on the switch by itself (limits.max_delete_percent); to approve it, run ixagent apply --max-deletes 6",
		},
		{"as many as approved", guard.Approved(50), 50, gone(50), 0, ""},
		{
			"more than approved", guard.Approved(50), 100, gone(51), 51,
			"51 objects (51 circuits) would be deleted, and 50 were approved; to approve it, run ixagent apply --max-deletes 51",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			held := c.guard(c.changes, circuits(c.objects))
			if len(held) != c.held {
				t.Errorf("%d changes are held, want %d: %v", len(held), c.held, held)
			}
			for k, h := range held {
				if want := (plan.Hold{Reason: plan.Limited, Detail: c.detail}); h != want {
					t.Errorf("%s\ngot  %v\nwant %v", k, h, want)
				}
			}
		})
	}
}

func TestEachKindIsNamed(t *testing.T) {
	var changes []plan.Change
	for k := switchcfg.KindPolicer; k <= switchcfg.KindCircuit; k++ {
		for i := range int(k) {
			changes = append(changes, plan.Change{Verb: plan.Delete, Key: switchcfg.Key{Kind: k, Name: fmt.Sprint(i)}})
		}
	}
	held := guard.Approved(0)(changes, nil)
	want := "18 objects (3 services, 4 interfaces, 5 lags, 6 circuits) would be deleted, and 0 were approved; to approve it, run ixagent apply --max-deletes 18"
	for k, h := range held {
		if h.Detail != want {
			t.Fatalf("%s: %s", k, h.Detail)
		}
	}
	if len(held) != 18 {
		t.Errorf("%d are held", len(held))
	}
}

// lost counts what members miss after changes, and what the agent had made for them before, without regard to how
// the changes get there.
func lost(before, after switchcfg.State) (gone, made int) {
	for k, o := range before {
		switch o.(type) {
		case *switchcfg.Filter, *switchcfg.Policer:
			continue
		}
		if switchcfg.Made(o) {
			made++
		}
		if _, still := after[k]; !still {
			gone++
		}
	}
	return gone, made
}

// The plan that passes a guard loses no more than its limits allow, and one that would not anyway is left alone.
func TestWhatPassesKeepsTheLimits(t *testing.T) {
	within, beyond := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		o := switchcfgtest.Default()
		scope := &plan.Scope{Ports: make(map[string]bool), LAGPrefix: o.LAGPrefix, LAGFirst: 1, LAGLast: 99}
		for _, p := range o.Ports {
			scope.Ports[p] = true
		}
		in := plan.Input{
			Device: "sw1", Scope: scope,
			Observed: o.State(t, "observed"), Intent: plan.Intent{State: o.State(t, "desired")},
			Traits: plan.Traits{Atomic: rapid.Bool().Draw(t, "atomic"), MatchReplaces: rapid.Bool().Draw(t, "match replaces")},
		}
		for _, k := range in.Observed.Keys() {
			if rapid.IntRange(0, 9).Draw(t, "fate of "+k.String()) == 0 {
				in.Intent.Frozen = append(in.Intent.Frozen, plan.Freeze{Key: k, Under: true, Why: "its state is unknown"})
			}
		}
		limits := config.Limits{
			MaxDeletes:       rapid.IntRange(0, 15).Draw(t, "max deletes"),
			MaxDeletePercent: config.Percent(rapid.IntRange(0, 100).Draw(t, "max delete percent")),
		}
		build := func(g plan.Guard) (p plan.Plan, gone, made int) {
			in.Guard = g
			p = plan.Build(in)
			after, err := plan.Apply(in.Observed, p.Changes)
			if err != nil {
				t.Fatal(err)
			}
			gone, made = lost(in.Observed, after)
			return p, gone, made
		}
		exceeds := func(gone, made int) bool {
			return gone > limits.MaxDeletes || gone > 4 && float64(gone) > float64(limits.MaxDeletePercent)/100*float64(made)+1e-9
		}
		free, gone, made := build(nil)
		guarded, left, _ := build(guard.Limits(limits))
		if exceeds(left, made) {
			t.Fatalf("%d of %d deleted within %+v:\n%s", left, made, limits, guarded.AppendText(nil))
		}
		if exceeds(gone, made) {
			beyond++
			if left != 0 {
				t.Fatalf("%d deleted of %d that are too many:\n%s", left, gone, guarded.AppendText(nil))
			}
		} else {
			within++
			if d := cmp.Diff(string(free.AppendText(nil)), string(guarded.AppendText(nil))); d != "" {
				t.Fatalf("%d of %d deleted within %+v, and something is held: %s", gone, made, limits, d)
			}
		}
		if p, _, _ := build(guard.Approved(gone)); string(p.AppendText(nil)) != string(free.AppendText(nil)) {
			t.Fatalf("approved, and held all the same:\n%s", p.AppendText(nil))
		}
	})
	if within < 10 || beyond < 10 {
		t.Errorf("%d plans within limits and %d beyond: the law says little", within, beyond)
	}
}
