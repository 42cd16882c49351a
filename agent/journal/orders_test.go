package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	bolt "go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// order is the environment variable that lets the test binary order something and end: what stands after the folder.
const order = "IXAGENT_TEST_ORDER"

func orderAndEnd(what string) int {
	dir, name, full := strings.Cut(what, " ")
	if full && name == "full" {
		// A file cannot grow, as if its disk were full.
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: 4096}); err != nil {
			fmt.Println(err)
			return 2
		}
	}
	j, err := Open(dir)
	if err == nil {
		err = j.Freeze(guard.Freeze{Scope: guard.ScopeAll, Why: "fibre works", Who: "noc"})
	}
	fmt.Println(err)
	if errors.Is(err, ErrFull) {
		return 3
	}
	return 0
}

func at(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// TestOrdersAreReadBack drives two journals of one folder and a model by the same orders.
func TestOrdersAreReadBack(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		folder := filepath.Join(dir, fmt.Sprint(n))
		var both [2]*Journal
		restart := func(i int) {
			j, err := Open(folder)
			if err != nil {
				t.Fatal(err)
			}
			both[i] = j
		}
		restart(0)
		restart(1)
		j := func() *Journal { return both[rapid.IntRange(0, 1).Draw(t, "process")] }
		freezes, approvals := make(map[string]guard.Freeze), make(map[string]guard.Approval)
		scope := func() guard.Scope {
			return rapid.SampledFrom([]guard.Scope{guard.ScopeAll, guard.ScopeSite, guard.ScopeMember}).Draw(t, "scope")
		}
		name := func() string { return rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "name") }
		t.Repeat(map[string]func(*rapid.T){
			"restart": func(t *rapid.T) { restart(rapid.IntRange(0, 1).Draw(t, "process")) },
			"freeze": func(t *rapid.T) {
				f := guard.Freeze{
					Scope: scope(), Name: name(), Why: "y", Who: "x", Since: at(rapid.Int64Range(0, 9).Draw(t, "since")),
					Keys: []switchcfg.Key{{Kind: switchcfg.KindCircuit, Name: "lag1", Unit: 7}},
				}
				if rapid.Bool().Draw(t, "ends") {
					f.Until = f.Since.Add(3 * time.Second)
				}
				if err := j().Freeze(f); err != nil {
					t.Fatal(err)
				}
				for k, old := range freezes {
					if !old.InForce(f.Since) {
						delete(freezes, k)
					}
				}
				freezes[f.String()] = f
			},
			"thaw": func(t *rapid.T) {
				f := guard.Freeze{Scope: scope(), Name: name()}
				_, want := freezes[f.String()]
				if found, err := j().Thaw(f.Scope, f.Name); found != want || err != nil {
					t.Fatal(found, err)
				}
				delete(freezes, f.String())
			},
			"approve": func(t *rapid.T) {
				a := guard.Approval{Device: name(), Digest: name(), Who: "x", At: at(rapid.Int64Range(0, 9).Draw(t, "hours") * 10_000)}
				if err := j().Approve(a); err != nil {
					t.Fatal(err)
				}
				for k, old := range approvals {
					if !old.InForce(a.At) {
						delete(approvals, k)
					}
				}
				approvals[a.Device+" "+a.Digest] = a
			},
			"use": func(t *rapid.T) {
				device, digest := name(), name()
				_, want := approvals[device+" "+digest]
				if found, err := j().Used(device, digest); found != want || err != nil {
					t.Fatal(found, err)
				}
				delete(approvals, device+" "+digest)
			},
			"": func(t *rapid.T) {
				j := both[0]
				f, err1 := j.Freezes()
				a, err2 := j.Approvals()
				if err := errors.Join(err1, err2); err != nil {
					t.Fatal(err)
				}
				if !slices.IsSortedFunc(f, guard.Freeze.Compare) {
					t.Fatalf("out of order: %v", f)
				}
				gotF, gotA := make(map[string]guard.Freeze), make(map[string]guard.Approval)
				for _, f := range f {
					gotF[f.String()] = f
				}
				for _, a := range a {
					gotA[a.Device+" "+a.Digest] = a
				}
				if d := cmp.Diff(freezes, gotF) + cmp.Diff(approvals, gotA); d != "" || len(f) != len(freezes) || len(a) != len(approvals) {
					t.Fatal(d)
				}
				version := ""
				if err := j.view(func(tx *bolt.Tx) error {
					version = string(tx.Bucket([]byte(bucketMeta)).Get([]byte(keySchema)))
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				if version != "1" && len(f) == 0 || version != "2" && len(f) > 0 {
					t.Fatalf("%d freezes, and an earlier release sees version %s", len(f), version)
				}
			},
		})
	})
}

func TestOrderOfAnotherProcessIsHeardOfAtOnce(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	heard, ended := make(chan int, 9), make(chan error, 1)
	go func() {
		ended <- j.WatchOrders(ctx, func() {
			f, err := j.Freezes()
			if err != nil {
				t.Error(err)
			}
			heard <- len(f)
		})
	}()
	await := func(want int) {
		t.Helper()
		for {
			select {
			case n := <-heard:
				if n == want {
					return
				}
			case <-time.After(5 * time.Second):
				t.Fatal("nothing is heard")
			}
		}
	}
	await(0)
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), order+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "<nil>\n" {
		t.Fatalf("%v: %s", err, out)
	}
	await(1)
	if found, err := open(t, dir).Thaw(guard.ScopeAll, ""); !found || err != nil {
		t.Fatal(found, err)
	}
	await(0)
	// What is no order is not heard of.
	if _, err := add(j, Entry{Plan: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-heard:
		t.Error("an entry of the history is taken for an order")
	case <-time.After(50 * time.Millisecond):
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestOrderOnAFullDiskIsRefused(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), order+"="+dir+" full")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("%v: %s", err, out)
	}
	if f, err := j.Freezes(); err != nil || len(f) != 0 {
		t.Errorf("%v, %v", f, err)
	}
	if _, err := os.Stat(filepath.Join(dir, ordersFile)); err == nil {
		t.Error("others are told of an order that is not stored")
	}
}

func TestSettledIntentIsRememberedByDevice(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	if all, err := j.Settled(); err != nil || len(all) > 0 {
		t.Fatal(all, err)
	}
	for _, x := range [][2]string{{"sw1", "a"}, {"sw2", "b"}, {"sw1", "c"}} {
		if err := j.Settle(x[0], x[1]); err != nil {
			t.Fatal(err)
		}
	}
	all, err := open(t, dir).Settled()
	if d := cmp.Diff(map[string]string{"sw1": "c", "sw2": "b"}, all); d != "" || err != nil {
		t.Error(d, err)
	}
}

func TestWhatCostsNothingInTheEndIsNotCounted(t *testing.T) {
	j := open(t, t.TempDir())
	for i, result := range []Result{Confirmed, Applied, Reverted, Refused, Failed, Unknown} {
		entries := []Entry{{Begun: at(int64(i)), Plan: []byte("{}"), Cost: guard.Cost{Deletes: 1 << i, Members: []string{string(result)}}}}
		if err := j.Begin(entries...); err != nil {
			t.Fatal(err)
		}
		e := entries[0]
		if spent, err := j.Spent(at(int64(i))); err != nil || spent.Deletes != 1<<i {
			t.Errorf("%s, while it is applied: %+v, %v", result, spent, err)
		}
		e.Result = result
		if err := j.End(e); err != nil {
			t.Fatal(err)
		}
	}
	for since, want := range map[int64]guard.Cost{
		0: {Deletes: 1 + 2 + 4 + 32, Members: []string{"applied", "confirmed", "reverted", "unknown"}},
		2: {Deletes: 4 + 32, Members: []string{"reverted", "unknown"}},
		6: {},
	} {
		got, err := open(t, filepath.Dir(j.Path())).Spent(at(since))
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || err != nil {
			t.Errorf("since %d: %s, %v", since, d, err)
		}
	}
	// What is a day old is forgotten.
	if _, err := add(j, Entry{Begun: at(48 * 3600), Plan: []byte("{}"), Cost: guard.Cost{Deletes: 1}}); err != nil {
		t.Fatal(err)
	}
	if got, err := j.Spent(at(0)); err != nil || got.Deletes != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	found, err := j.History(Filter{ID: 1})
	if err != nil || len(found) != 1 || found[0].Cost.Deletes != 1 {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestBudgetBoundsThoseWhoBeginAtTheSameTime(t *testing.T) {
	dir := t.TempDir()
	budget := &guard.Budget{Deletes: 10, Members: 100}
	var wg sync.WaitGroup
	var mu sync.Mutex
	begun, refused := 0, 0
	journals := []*Journal{open(t, dir), open(t, dir)}
	for i := range 12 {
		wg.Go(func() {
			entries := []Entry{{Begun: at(int64(i)), Device: fmt.Sprint("sw", i), Plan: []byte("{}"), Cost: guard.Cost{Deletes: 3}, Budget: budget}}
			err := journals[i%2].Begin(entries...)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				begun++
				entries[0].Result = Applied
				if err := journals[i%2].End(entries...); err != nil {
					t.Error(err)
				}
			case errors.Is(err, ErrBudget):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if begun != 3 || refused != 9 {
		t.Errorf("%d began and %d were refused", begun, refused)
	}
	j := journals[0]
	err := j.Begin(Entry{Begun: at(20), Plan: []byte("{}"), Cost: guard.Cost{Deletes: 2}, Budget: budget})
	want := ErrBudget.Error() + ": 2 objects would be deleted, 9 were in the last hour, and 10 may be (limits.max_deletes_per_hour)"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if found, err := j.History(Filter{}); err != nil || len(found) != begun {
		t.Errorf("%d entries, %v: what is refused leaves one", len(found), err)
	}
	// What persons want counts, and is not bounded; what costs nothing always goes.
	for _, e := range []Entry{{Begun: at(20), Cost: guard.Cost{Deletes: 50}}, {Begun: at(21), Budget: budget}, {Begun: at(22 + 3600), Cost: guard.Cost{Deletes: 10}, Budget: budget}} {
		e.Plan = []byte("{}")
		if _, err := add(j, e); err != nil {
			t.Errorf("%+v: %v", e, err)
		}
	}
}
