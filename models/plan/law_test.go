package plan

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/models/switchcfg"
	"github.com/ixagent/ixagent/models/switchcfg/switchcfgtest"
)

func testScope(o switchcfgtest.Options) *Scope {
	s := &Scope{Ports: make(map[string]bool), LAGPrefix: o.LAGPrefix, LAGFirst: 1, LAGLast: 99}
	for _, p := range o.Ports {
		s.Ports[p] = true
	}
	return s
}

func drawInput(t *rapid.T) Input {
	o := switchcfgtest.Default()
	o.PortTPID = rapid.Bool().Draw(t, "port tpid")
	return Input{
		Device: "sw1", Scope: testScope(o),
		Observed: o.State(t, "observed"),
		Intent:   Intent{State: o.State(t, "desired")},
		Traits: Traits{
			Atomic:           rapid.Bool().Draw(t, "atomic"),
			LAGModeReplaces:  rapid.Bool().Draw(t, "lag mode replaces"),
			MatchReplaces:    rapid.Bool().Draw(t, "match replaces"),
			ServiceIsNotMove: rapid.Bool().Draw(t, "service replaces"),
		},
	}
}

func TestNothingDiffersFromItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := switchcfgtest.Default().State(t, "s")
		if d := Diff(s, switchcfgtest.Shuffled(t, s)); len(d) > 0 {
			t.Fatalf("Diff(s, s) = %v", d)
		}
	})
}

func TestApplyingADifferenceGivesTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		got, err := Apply(in.Observed, Diff(in.Observed, in.Intent.State))
		if err != nil {
			t.Fatal(err)
		}
		if !got.Equal(in.Intent.State) {
			t.Fatalf("got %s\nwant %s", got.AppendText(nil), in.Intent.State.AppendText(nil))
		}
	})
}

func TestLargeStatesAreComparedWhole(t *testing.T) {
	observed, desired := large(5_000, 0), large(6_000, 100)
	for _, d := range []struct{ from, to switchcfg.State }{{observed, desired}, {desired, observed}} {
		changes := Diff(d.from, d.to)
		got, err := Apply(d.from, changes)
		if err != nil || !got.Equal(d.to) {
			t.Fatalf("%d changes do not lead from one to the other: %v", len(changes), err)
		}
		if !slices.IsSortedFunc(changes, func(a, b Change) int { return a.Key.Compare(b.Key) }) {
			t.Error("the changes are not in order")
		}
	}
}

// A plan between two legal states that are ours withholds nothing, is proved, keeps every state on the way
// legal by the full check, arrives, and leaves nothing for a second plan.
func TestEveryStateOnTheWayIsLegal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		p := Build(in)
		if len(p.Withheld) > 0 {
			t.Fatalf("withheld %+v\nobserved:\n%s\ndesired:\n%s", p.Withheld, in.Observed.AppendText(nil), in.Intent.State.AppendText(nil))
		}
		if err := Prove(in.Observed, p); err != nil {
			t.Fatalf("%v\n%s", err, p.AppendText(nil))
		}
		now := in.Observed
		for i, c := range p.Changes {
			var err error
			if now, err = Apply(now, []Change{c}); err != nil {
				t.Fatal(err)
			}
			if faults := switchcfg.Check(now); len(faults) > 0 && !p.Atomic {
				t.Fatalf("after step %d of\n%s%v", i+1, p.AppendText(nil), faults)
			}
		}
		if !now.Equal(in.Intent.State) {
			t.Fatalf("arrived at\n%s\nnot at\n%s", now.AppendText(nil), in.Intent.State.AppendText(nil))
		}
		if now.Digest() != p.Target {
			t.Fatal("the target is not the digest of the state arrived at")
		}
		in.Observed = now
		if second := Build(in); !second.Empty() {
			t.Fatalf("second plan:\n%s", second.AppendText(nil))
		}
	})
}

func TestShuffledInputGivesTheSamePlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		first, err := json.Marshal(Build(in))
		if err != nil {
			t.Fatal(err)
		}
		in.Observed, in.Intent.State = switchcfgtest.Shuffled(t, in.Observed), switchcfgtest.Shuffled(t, in.Intent.State)
		second, err := json.Marshal(Build(in))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(first), string(second)); d != "" {
			t.Fatal(d)
		}
	})
}

func TestPlanSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Build(drawInput(t))
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back Plan
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(p.AppendText(nil)), string(back.AppendText(nil))); d != "" {
			t.Fatal(d)
		}
		want, _ := p.Digest()
		if got, _ := back.Digest(); got != want {
			t.Fatal("the digest changed on the way through JSON")
		}
	})
}

// Whatever a guard withholds and whatever is frozen or foreign, the rest is legal, and nothing foreign changes.
func TestWithholdingLeavesALegalRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		for _, k := range in.Observed.Keys() {
			if rapid.IntRange(0, 9).Draw(t, "fate of "+k.String()) != 0 {
				continue
			}
			if rapid.Bool().Draw(t, "frozen") {
				in.Intent.Frozen = append(in.Intent.Frozen, Freeze{Key: k, Under: true, Why: "its state is unknown"})
			} else {
				in.Observed[k] = foreign(in.Observed[k])
			}
		}
		held := make(map[switchcfg.Key]Hold)
		keys := in.Observed.Keys() // also of what does not differ: it may have to be taken down for others
		for _, d := range Diff(in.Observed, in.Intent.State) {
			if d.Verb == Create {
				keys = append(keys, d.Key)
			}
		}
		for _, k := range keys {
			if rapid.IntRange(0, 9).Draw(t, "hold "+k.String()) == 0 {
				held[k] = Hold{Limited, "too many"}
			}
		}
		in.Guard = func([]Change, switchcfg.State) map[switchcfg.Key]Hold { return held }
		before := switchcfg.Check(in.Observed)
		p := Build(in)
		if err := Prove(in.Observed, p); err != nil {
			t.Fatalf("%v\n%s", err, p.AppendText(nil))
		}
		after, err := Apply(in.Observed, p.Changes)
		if err != nil {
			t.Fatal(err)
		}
		if faults := switchcfg.Check(after); len(faults) > len(before) {
			t.Fatalf("plan\n%sleads to %v", p.AppendText(nil), faults)
		}
		for _, c := range p.Changes {
			if _, ok := held[c.Key]; ok {
				t.Fatalf("%s was held and is in the plan", c.Key)
			}
			if err := in.Scope.Permit(c); err != nil {
				t.Fatal(err)
			}
			if _, ok := freezes(in.Intent.Frozen).find(c); ok {
				t.Fatalf("%s is frozen and is in the plan", c.Key)
			}
		}
		wanted, there := circuitRecords(in.Intent.State), circuitRecords(after)
		for r := range circuitRecords(in.Observed) {
			if wanted[r] && !there[r] {
				t.Fatalf("%s has and is to have a circuit, and none after\n%s", r, p.AppendText(nil))
			}
		}
	})
}

// circuitRecords returns the records that have a circuit.
func circuitRecords(s switchcfg.State) map[string]bool {
	out := make(map[string]bool)
	for k, o := range s {
		if r := recordOf(o); k.Kind == switchcfg.KindCircuit && r != "" {
			out[r] = true
		}
	}
	return out
}

// foreign returns o as if somebody else had made it, where the kind can show that.
func foreign(o switchcfg.Object) switchcfg.Object {
	switch o := o.(type) {
	case *switchcfg.Interface:
		x := *o
		x.Description = "by hand"
		return &x
	case *switchcfg.LAG:
		x := *o
		x.Description = "by hand"
		return &x
	case *switchcfg.Circuit:
		x := *o
		x.Description = "by hand"
		return &x
	case *switchcfg.Service:
		x := *o
		x.Description = "by hand"
		return &x
	}
	return o
}
