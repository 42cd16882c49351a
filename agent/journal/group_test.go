package journal

import (
	"errors"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// together has every one of fs wait for the file, in their order, before any is stored.
func together(j *Journal, fs ...func()) {
	var g sync.WaitGroup
	j.mu.Lock()
	for i, f := range fs {
		g.Go(f)
		for waiting := 0; waiting <= i; runtime.Gosched() {
			j.group.mu.Lock()
			waiting = len(j.group.waiting)
			j.group.mu.Unlock()
		}
	}
	j.mu.Unlock()
	g.Wait()
}

// commit returns the number of the latest commit.
func commit(t *testing.T, j *Journal) (id int) {
	t.Helper()
	if err := j.view(func(tx *bolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return id
}

func note(key, value string) func(*bolt.Tx) error {
	return func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketMeta)).Put([]byte(key), []byte(value)) }
}

var errFails = errors.New("not this one")

func TestWhatWaitsIsStoredTogetherAndWhatFailsIsNot(t *testing.T) {
	j := open(t, t.TempDir())
	before := commit(t, j)
	var errs [3]error
	together(j,
		func() { errs[0] = j.update(note("a", "1")) },
		func() {
			errs[1] = j.update(func(tx *bolt.Tx) error { return errors.Join(note("a", "2")(tx), note("b", "2")(tx), errFails) })
		},
		func() { errs[2] = j.update(note("c", "3")) },
	)
	if n := commit(t, j) - before; errs[0] != nil || !errors.Is(errs[1], errFails) || errs[2] != nil || n != 1 {
		t.Errorf("%v, in %d commits", errs, n)
	}
	err := j.view(func(tx *bolt.Tx) error {
		for key, want := range map[string]string{"a": "1", "b": "", "c": "3"} {
			if got := string(tx.Bucket([]byte(bucketMeta)).Get([]byte(key))); got != want {
				t.Errorf("%s is %q, want %q", key, got, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The ids that entries got before another failed are given anew.
func TestEntriesBegunTogetherAreWholeAlsoWhenOneFails(t *testing.T) {
	j := open(t, t.TempDir())
	ids := make([]uint64, 8)
	fs := []func(){func() { _ = j.update(func(*bolt.Tx) error { return errFails }) }}
	for i := range ids {
		fs = append(fs, func() {
			entries := []Entry{{Device: strconv.Itoa(i), Begun: time.Now()}}
			if err := j.Begin(entries...); err != nil {
				t.Error(err)
			}
			ids[i] = entries[0].ID
		})
	}
	fs[0], fs[5] = fs[5], fs[0]
	together(j, fs...)
	if gone, err := j.Recover(); err != nil || len(gone) > 0 {
		t.Errorf("taken for interrupted while they are under way: %v %v", gone, err)
	}
	all, err := j.History(Filter{})
	if err != nil || len(all) != len(ids) {
		t.Fatalf("%d entries, %v", len(all), err)
	}
	for _, e := range all {
		if i, err := strconv.Atoi(e.Device); err != nil || ids[i] != e.ID || e.Result != Begun {
			t.Errorf("entry %d of %s, which got %d, is %s", e.ID, e.Device, ids[i], e.Result)
		}
		if err := j.End(e); err != nil {
			t.Error(err)
		}
	}
}

// BenchmarkApplies writes down that plans for 200 switches begin and end: at once, as a pass over all switches does it,
// and one after the other, which is the baseline. The time is that of all 200.
func BenchmarkApplies(b *testing.B) {
	const switches = 200
	plan := make([]byte, 0, 32<<10)
	for plan = append(plan, '"'); len(plan) < cap(plan)-1; {
		plan = append(plan, 'x')
	}
	plan = append(plan, '"')
	one := func(b *testing.B, j *Journal, i int) {
		entries := []Entry{{Device: strconv.Itoa(i), Begun: time.Now(), Plan: plan}}
		err := j.Begin(entries...)
		if err == nil {
			err = j.End(entries...)
		}
		if err != nil {
			b.Error(err)
		}
	}
	for name, all := range map[string]func(*testing.B, *Journal){
		"at-once": func(b *testing.B, j *Journal) {
			var g sync.WaitGroup
			for i := range switches {
				g.Go(func() { one(b, j, i) })
			}
			g.Wait()
		},
		"one-by-one": func(b *testing.B, j *Journal) {
			for i := range switches {
				one(b, j, i)
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			j := open(b, b.TempDir())
			b.ReportAllocs()
			for b.Loop() {
				all(b, j)
			}
		})
	}
}
