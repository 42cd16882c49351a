package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/models/ixapi"
)

// shop is a feed that lists what it has and of which single records can be read.
type shop struct {
	script
	has   lists
	fails map[Ref]error
	asked []Ref // single records
}

func (s *shop) lists(context.Context) (map[ixapi.Collection]body, error) {
	if s.read != nil {
		s.read()
	}
	return s.has.bodies(), nil
}

func (s *shop) record(_ context.Context, r Ref) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r)
	if err := s.fails[r]; err != nil {
		return nil, err
	}
	for _, text := range s.has[r.Collection] {
		if strings.HasPrefix(text, fmt.Sprintf(`{"id":%q`, r.ID)) {
			return []byte(text + "\n"), nil
		}
	}
	return nil, fmt.Errorf("GET /%s/%s: %w", r.Collection, r.ID, ixapi.ErrNotFound)
}

func newShop(has lists) (*Source, *shop) {
	s, _ := scripted()
	f := &shop{has: has}
	s.feed = f
	return s, f
}

// put replaces the record of that id, or adds it.
func (l lists) put(c ixapi.Collection, text string) {
	id, _, _ := strings.Cut(text, ",")
	l[c] = slices.Clone(l[c])
	if i := slices.IndexFunc(l[c], func(t string) bool { return strings.HasPrefix(t, id+",") }); i >= 0 {
		l[c][i] = text
	} else {
		l[c] = append(l[c], text)
	}
}

func ref(c ixapi.Collection, id ixapi.ID) Ref { return Ref{c, id} }

func TestNamedRecordIsPutIntoTheSnapshot(t *testing.T) {
	s, f := newShop(metro(20))
	before, _ := accepted(t, s)
	f.has.put(ixapi.Connections, connection(7, ixapi.StateDecommissioned))
	f.has.put(ixapi.Connections, connection(8, ixapi.StateTesting))
	after, changed, err := s.Reread(t.Context(), ref(ixapi.Connections, "c7"), ref(ixapi.Connections, "c7"))
	if err != nil || !changed || s.Status().Snapshot != after || after.Version == before.Version {
		t.Fatal(changed, err)
	}
	d := Delta(before, after)
	if len(d.Changed.Connections) != 1 || d.Changed.Connections[0].State != ixapi.StateDecommissioned || len(d.Removed) != 0 {
		t.Errorf("delta %+v", d)
	}
	if after.Records.Connections[8].State != ixapi.StateProduction || before.Records.Connections[7].State != ixapi.StateProduction {
		t.Error("another record, or another snapshot, has changed")
	}
	if again, changed, err := s.Reread(t.Context(), ref(ixapi.Connections, "c7")); again != after || changed || err != nil {
		t.Error("the same again: ", changed, err)
	}
	f.has.put(ixapi.Ports, port(20))
	f.has.put(ixapi.Connections, connection(20, ixapi.StateProduction))
	added, _, err := s.Reread(t.Context(), ref(ixapi.Connections, "c20"), ref(ixapi.Ports, "p20"))
	if err != nil || added.Counts[ixapi.Connections] != 21 || added.Counts[ixapi.Ports] != 21 {
		t.Fatal(err)
	}
	if read, changed := accepted(t, s); !changed || read.Records.Connections[8].State != ixapi.StateTesting || read.Counts[ixapi.Connections] != 21 {
		t.Error("what was not named is not read later")
	}
}

func TestRereadDecidesNothingThatListsMustDecide(t *testing.T) {
	c3 := ref(ixapi.Connections, "c3")
	for name, c := range map[string]struct {
		text  string
		named []Ref
		err   error
	}{
		"it is gone":             {named: []Ref{ref(ixapi.Connections, "c99")}},
		"it cannot be read":      {named: []Ref{c3}, err: errors.New("503 Service Unavailable")},
		"it is redacted":         {named: []Ref{c3}, text: `{"id":"c3","state":"production","ports":["p3"]}`},
		"its state is redacted":  {named: []Ref{c3}, text: `{"id":"c3","mode":"lag_lacp","ports":["p3"]}`},
		"it is faulty":           {named: []Ref{c3}, text: `{"id":"c3","state":"production","mode":3}`},
		"it is of another time":  {named: []Ref{c3}, text: `{"id":"c3","state":"production","mode":"lag_lacp","ports":["p99"]}`},
		"it is cut short":        {named: []Ref{c3}, text: `{"id":"c3","state":"production","mode":"lag_lacp","ports":["p3"`},
		"it is several":          {named: []Ref{c3}, text: `{"id":"c3","state":"testing","mode":"lag_lacp","ports":["p3"]},` + connection(4, ixapi.StateTesting)},
		"its state is unknown":   {named: []Ref{c3}, text: `{"id":"c3","state":"lost","mode":"lag_lacp","ports":["p3"]}`},
		"nobody reads such":      {named: []Ref{ref("routers", "1")}},
		"too many are named":     {named: make([]Ref, maxNamed+1)},
		"another of them is bad": {named: []Ref{ref(ixapi.Connections, "c4"), ref(ixapi.Connections, "c99")}, text: connection(4, ixapi.StateTesting)},
	} {
		s, f := newShop(metro(20))
		before, _ := accepted(t, s)
		if c.text != "" {
			f.has.put(ixapi.Connections, c.text)
		}
		f.fails = map[Ref]error{c3: c.err}
		after, changed, err := s.Reread(t.Context(), c.named...)
		if err == nil || after != nil || changed || s.Status().Snapshot != before || s.Status().Err != nil {
			t.Errorf("%s: accepted", name)
		}
	}
	s, f := newShop(metro(20))
	if _, _, err := s.Reread(t.Context(), c3); err == nil {
		t.Error("accepted before there was a snapshot")
	}
	accepted(t, s)
	f.has = metro(5)
	refused(t, s, "15 of 20")
	f.has.put(ixapi.Connections, connection(3, ixapi.StateTesting))
	if _, _, err := s.Reread(t.Context(), c3); err == nil {
		t.Error("accepted while the exchange shrinks")
	}
}

// Whatever is reread and read, in any order: a reread takes no record away, the next read brings what a source brings
// that never reread anything, and the deltas lead there.
func TestRereadsLeadWhereReadsLead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		has := metro(6)
		s, f := newShop(has)
		s.guard.limits = Limits{MaxShrink: 100, Allowance: 1000}
		known := compiled{}
		var last *Snapshot
		step := func(next *Snapshot) {
			known.apply(Delta(last, next))
			last = next
		}
		first, _, err := s.Read(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		step(first)
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			n := rapid.IntRange(0, 8).Draw(rt, "member")
			switch rapid.SampledFrom([]string{"change", "config", "remove", "reread", "read"}).Draw(rt, "step") {
			case "change":
				has.put(ixapi.Ports, port(n))
				has.put(ixapi.Connections, connection(n, rapid.SampledFrom([]ixapi.State{ixapi.StateProduction, ixapi.StateTesting, ixapi.StateArchived}).Draw(rt, "state")))
			case "config":
				has.put(ixapi.NetworkServiceConfigs, nsc(n, rapid.IntRange(0, 8).Draw(rt, "connection")))
			case "remove":
				has[ixapi.Connections] = slices.DeleteFunc(slices.Clone(has[ixapi.Connections]), func(text string) bool { return strings.HasPrefix(text, fmt.Sprintf(`{"id":"c%d"`, n)) })
			case "reread":
				c := rapid.SampledFrom([]ixapi.Collection{ixapi.Connections, ixapi.NetworkServiceConfigs, ixapi.Ports}).Draw(rt, "list")
				next, _, err := s.Reread(t.Context(), Ref{c, ixapi.ID(fmt.Sprintf("%c%d", c[0], n))})
				if err != nil {
					continue
				}
				for c, count := range last.Counts {
					if next.Counts[c] < count {
						rt.Fatalf("%s: %d records of %d", c, next.Counts[c], count)
					}
				}
				step(next)
			case "read":
				next, _, err := s.Read(t.Context())
				if err != nil {
					rt.Fatal(err)
				}
				step(next)
			}
		}
		end, _, err := s.Read(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		step(end)
		fresh, _ := newShop(f.has)
		want, _, err := fresh.Read(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(want.Records, end.Records); d != "" {
			rt.Fatalf("(-read +reread)\n%s", d)
		}
		if d := cmp.Diff(want.Counts, end.Counts); d != "" {
			rt.Fatalf("(-read +reread)\n%s", d)
		}
		all := compiled{}
		all.apply(Delta(nil, want))
		if d := cmp.Diff(all, known); d != "" {
			rt.Fatalf("the deltas lead elsewhere (-read +reread)\n%s", d)
		}
	})
}

// compiled is what a compiler knows from deltas.
type compiled map[string]any

func (k compiled) apply(d compile.Delta) {
	for c, ids := range d.Removed {
		for _, id := range ids {
			delete(k, string(c)+"/"+string(id))
		}
	}
	for _, c := range d.Changed.Connections {
		k["connections/"+c.ID] = c
	}
	for _, c := range d.Changed.NetworkServiceConfigs {
		k["network-service-configs/"+c.ID] = c
	}
	for _, p := range d.Changed.Ports {
		k["ports/"+p.ID] = p
	}
}

func TestNudgeWithNamesReadsThemAtOnceAndPutsNothingOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newShop(metro(20))
		r := runWith(t, s, &f.script, func() {})
		r.until(10 * time.Second)
		f.has.put(ixapi.Connections, connection(7, ixapi.StateTesting))
		r.Nudge(ref(ixapi.Connections, "c7"))
		r.until(10 * time.Second)
		if len(r.reads) != 1 || len(f.asked) != 1 || len(r.delivered) != 2 {
			t.Fatalf("lists read at %v, asked for %v, %d delivered", r.reads, f.asked, len(r.delivered))
		}
		for i := range 1000 {
			r.Nudge(ref(ixapi.Connections, fmt.Sprint("c", i%5)))
			r.until(10*time.Second + time.Duration(i+1)*50*time.Millisecond)
		}
		if len(r.reads) < 2 || r.reads[1] > 33*time.Second+gap {
			t.Errorf("lists read at %v", r.reads)
		}
		if len(f.asked) > 600*5 || len(r.failures) != 0 {
			t.Errorf("%d records read in 50 s, failures %v", len(f.asked), r.failures)
		}
	})
}

func TestNudgeThatNamesDoNotSettleReadsEverything(t *testing.T) {
	for name, nudge := range map[string]func(r *runner){
		"unknown record": func(r *runner) { r.Nudge(ref(ixapi.Connections, "c99")) },
		"no names":       func(r *runner) { r.Nudge() },
		"many names": func(r *runner) {
			var named []Ref
			for i := range maxNamed + 1 {
				named = append(named, ref(ixapi.Connections, fmt.Sprint("c", i)))
			}
			r.Nudge(named...)
		},
		"names and none": func(r *runner) {
			r.Nudge(ref(ixapi.Connections, "c1"))
			r.Nudge()
			r.Nudge(ref(ixapi.Connections, "c2"))
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, f := newShop(metro(20))
			r := runWith(t, s, &f.script, func() {})
			r.until(10 * time.Second)
			nudge(r)
			r.until(10*time.Second + 2*gap)
			if len(r.reads) != 2 || len(r.failures) != 0 {
				t.Errorf("%s: lists read at %v, failures %v", name, r.reads, r.failures)
			}
		})
	}
}
