package source

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/testdata"
)

// ledger is what somebody knows who is told of deltas only.
type ledger map[string][]string

func ledgerOf(s *Snapshot) ledger {
	l := make(ledger)
	l.apply(Delta(nil, s))
	return l
}

func (l ledger) apply(d compile.Delta) {
	for c, ids := range d.Removed {
		for _, id := range ids {
			delete(l, string(c)+" "+id)
			delete(l, "faults of "+string(c)+" "+id)
		}
	}
	told := make(map[string]bool)
	tell := func(c ixapi.Collection, id ixapi.ID, record any) {
		key := string(c) + " " + id
		if !told[key] {
			delete(l, key)
			delete(l, "faults of "+key)
			told[key] = true
		}
		l[key] = append(l[key], fmt.Sprintf("%+v", record))
		slices.Sort(l[key])
	}
	for _, r := range d.Changed.Ports {
		tell(ixapi.Ports, r.ID, r)
	}
	for _, r := range d.Changed.Accounts {
		tell(ixapi.Accounts, r.ID, r)
	}
	for _, r := range d.Changed.MACs {
		tell(ixapi.MACs, r.ID, r)
	}
	for _, f := range d.Faults {
		key := "faults of " + string(f.Collection) + " " + f.ID
		l[key] = append(l[key], f.Pointer+": "+f.Err.Error())
	}
}

// records draws lists of few ids in any order, some of them twice, some of them faulty.
func records(t *rapid.T) lists {
	draw := func(texts ...string) []string {
		var out []string
		for range rapid.IntRange(0, 8).Draw(t, "records") {
			text := rapid.SampledFrom(texts).Draw(t, "record")
			out = append(out, strings.Replace(text, "ID", fmt.Sprint(rapid.IntRange(1, 6).Draw(t, "id")), 1))
		}
		return out
	}
	return lists{
		ixapi.Ports:    draw(`{"id":"ID","state":"production","device":"a"}`, `{"id":"ID","state":"error"}`),
		ixapi.Accounts: draw(`{"id":"ID","name":"x"}`, `{"id":"ID","state":"jolly"}`, `{"id":"ID","state":"sad"}`),
		ixapi.MACs:     draw(`{"id":"ID","address":"02:00:00:00:00:01"}`, `{"id":"ID","address":7}`, `{"id":"ID","address":[]}`),
	}
}

func TestDeltaTurnsOneSnapshotIntoTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, f := scripted(records(t), records(t))
		s.guard.limits.MaxShrink = 100
		then, _, err := s.Read(t.Context())
		if err != nil {
			t.Skip(err)
		}
		now, _, err := s.Read(t.Context())
		if err != nil {
			t.Skip(err)
		}
		got := ledgerOf(then)
		got.apply(Delta(then, now))
		clean := func(l ledger) ledger {
			maps.DeleteFunc(l, func(_ string, v []string) bool { return len(v) == 0 })
			for k, v := range l {
				// The place in the list is part of what is said about a duplicate.
				if strings.HasPrefix(k, "faults") {
					for i := range v {
						v[i], _, _ = strings.Cut(v[i], ": the records at")
					}
				}
			}
			return l
		}
		if diff := cmp.Diff(clean(ledgerOf(now)), clean(got)); diff != "" {
			t.Fatalf("after %d reads (-want +got):\n%s", f.reads, diff)
		}
	})
}

func TestDeltaOfTheSameIsEmpty(t *testing.T) {
	one, other := snapshotOf(t, &script{steps: []any{metro(5)}}), snapshotOf(t, &script{steps: []any{metro(5)}})
	for _, now := range []*Snapshot{one, other} {
		if d := Delta(one, now); !cmp.Equal(d, compile.Delta{Removed: d.Removed}) || len(d.Removed) != 0 {
			t.Errorf("%+v", d)
		}
	}
}

func TestDeltaNamesWhatChanged(t *testing.T) {
	changed := metro(5)
	changed[ixapi.Connections] = append(changed[ixapi.Connections][1:], connection(7, ixapi.StateTesting))
	changed[ixapi.Ports] = []string{port(4), port(1), port(2), port(3), `{"id":"p0","state":"error"}`}
	d := Delta(snapshotOf(t, &script{steps: []any{metro(5)}}), snapshotOf(t, &script{steps: []any{changed}}))
	if want := map[ixapi.Collection][]ixapi.ID{ixapi.Connections: {"c0"}}; !cmp.Equal(d.Removed, want) {
		t.Errorf("removed: %v", d.Removed)
	}
	if len(d.Changed.Connections) != 1 || d.Changed.Connections[0].ID != "c7" {
		t.Errorf("connections: %+v", d.Changed.Connections)
	}
	if len(d.Changed.Ports) != 1 || d.Changed.Ports[0].ID != "p0" {
		t.Errorf("ports: %+v", d.Changed.Ports)
	}
}

func TestShippedMetroIsRead(t *testing.T) {
	set, err := testdata.Exchange("metro")
	if err != nil {
		t.Fatal(err)
	}
	all := make(fixed)
	for _, k := range kinds() {
		text, err := fs.ReadFile(set, string(k.collection())+".json")
		if err != nil {
			t.Fatal(err)
		}
		all[k.collection()] = newBody(ixapi.Raw{text})
	}
	start := time.Now()
	snapshot := snapshotOf(t, all)
	for c, n := range snapshot.Counts {
		if n == 0 {
			t.Errorf("no %s", c)
		}
	}
	if snapshot.Read.Before(start) || len(snapshot.Version) != 32 {
		t.Errorf("read at %v, version %q", snapshot.Read, snapshot.Version)
	}
}
