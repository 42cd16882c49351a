package source

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/models/ixapi"
)

// TestReadAfterReadIsAsGoodAsTheFirst compares what a source makes of its third read with what another one makes
// of the same lists without having read before.
func TestReadAfterReadIsAsGoodAsTheFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := []any{records(t), records(t), records(t)}
		for i := range 2 {
			if rapid.Bool().Draw(t, "similar") {
				next := steps[i].(lists)
				for c, records := range next {
					at := rapid.IntRange(0, len(records)).Draw(t, "at")
					next = next.with(c, slices.Insert(slices.Clone(records), at, `{"id":"new","state":"jolly","address":"a,]}\"{["}`)...)
				}
				steps[i+1] = next
			}
		}
		s, _ := scripted(steps...)
		s.guard.limits.MaxShrink = 100
		fresh, _ := scripted(steps[2])
		want, _, err := fresh.Read(t.Context())
		if err != nil {
			t.Skip(err)
		}
		for range 2 {
			if _, _, err := s.Read(t.Context()); err != nil {
				t.Skip(err)
			}
		}
		got, _, err := s.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Records, got.Records); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		text := func(faults []ixapi.RecordFault) (out []string) {
			for _, f := range faults {
				out = append(out, f.Error())
			}
			return out
		}
		if diff := cmp.Diff(text(want.Faults), text(got.Faults)); diff != "" {
			t.Errorf("faults (-want +got):\n%s", diff)
		}
		if want.Version != got.Version || !cmp.Equal(want.Counts, got.Counts) {
			t.Errorf("version %s, want %s", got.Version, want.Version)
		}
	})
}

func TestOnlyNewRecordsAreDecoded(t *testing.T) {
	changed := metro(50)
	changed[ixapi.Connections][7] = connection(7, ixapi.StateTesting)
	changed[ixapi.Connections] = slices.Insert(changed[ixapi.Connections], 20, connection(99, ixapi.StateProduction))
	s, _ := scripted(metro(50), changed)
	first, _ := accepted(t, s)
	second, _ := accepted(t, s)
	for i, c := range second.Records.Connections {
		j := slices.IndexFunc(first.Records.Connections, func(o ixapi.Connection) bool { return o.ID == c.ID })
		shared := j >= 0 && &first.Records.Connections[j].Ports[0] == &c.Ports[0]
		if shared == (c.ID == "c7" || c.ID == "c99") {
			t.Errorf("connection %d, %s, is that of the read before: %v", i, c.ID, shared)
		}
	}
}

// FuzzSplit holds the reader of texts against encoding/json.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		`[]`, ` [ ] `, `[{}]`, `[{"a":"]"},{"b":[{}]}]`, `[{"\"":1} , {}]`, `[{},]`, `[1]`, `{}`, `[{}`, `[{}]x`, `[{"a":[}]}]`, `["]"]`, "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		texts, ok := split(ixapi.Raw{[]byte(text)})
		var want []json.RawMessage
		err := json.Unmarshal([]byte(text), &want)
		isList := err == nil && want != nil
		objects := !slices.ContainsFunc(want, func(r json.RawMessage) bool { return !strings.HasPrefix(string(r), "{") })
		switch {
		case isList && objects && !ok:
			t.Fatalf("%q is a list of objects", text)
		case isList && !objects && ok:
			t.Fatalf("%q is a list with other things than objects", text)
		case isList && ok:
			if !slices.EqualFunc(texts, want, func(a []byte, b json.RawMessage) bool { return string(a) == string(b) }) {
				t.Fatalf("%q was split to %q", text, texts)
			}
		case ok:
			for _, text := range texts {
				if !json.Valid(text) {
					return
				}
			}
			t.Fatalf("%q is no list, but its parts %q are valid", text, texts)
		}
	})
}
