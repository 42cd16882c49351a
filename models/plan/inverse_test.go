package plan

import (
	"testing"

	"pgregory.net/rapid"
)

func TestInverseRestoresAndIsAsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		p := Build(in)
		there, err := Apply(in.Observed, p.Changes)
		if err != nil {
			t.Fatal(err)
		}
		back := Plan{Device: p.Device, Atomic: p.Atomic, Changes: Inverse(p.Changes)}
		if err := Prove(there, back); err != nil {
			t.Fatalf("%v\n%s", err, back.AppendText(nil))
		}
		again, err := Apply(there, back.Changes)
		if err != nil {
			t.Fatal(err)
		}
		if !again.Equal(in.Observed) {
			t.Fatalf("back at\n%s\nnot at\n%s", again.AppendText(nil), in.Observed.AppendText(nil))
		}
	})
}
