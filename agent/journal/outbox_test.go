package journal

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/ixagent/ixagent/agent/report"
	"github.com/ixagent/ixagent/models/ixapi"
)

func notice(id string, s report.State) report.Notice {
	return report.Notice{ID: id + " " + string(s), Result: report.Result{Collection: ixapi.Connections, ID: ixapi.ID(id), State: s, Devices: []string{"sw1"}, Status: []ixapi.StatusMessage{}}}
}

func TestOutboxOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	if results, waiting, err := j.Reported(); len(results) != 0 || len(waiting) != 0 || err != nil {
		t.Fatalf("a new journal has %v, %v, %v", results, waiting, err)
	}
	first := []report.Notice{notice("1", report.Pending), notice("2", report.Provisioned), notice("1", report.Provisioned)}
	if err := j.Post(first, nil); err != nil {
		t.Fatal(err)
	}
	if first[0].Seq == 0 || first[1].Seq <= first[0].Seq || first[2].Seq <= first[1].Seq {
		t.Errorf("numbers %d, %d, %d", first[0].Seq, first[1].Seq, first[2].Seq)
	}
	expect := func(what string, wantResults []report.Result, want []report.Notice) {
		t.Helper()
		results, waiting, err := open(t, dir).Reported()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, waiting); d != "" {
			t.Errorf("%s: there wait (-want +got)\n%s", what, d)
		}
		if d := cmp.Diff(wantResults, results); d != "" {
			t.Errorf("%s: reported are (-want +got)\n%s", what, d)
		}
	}
	expect("posted", []report.Result{first[2].Result, first[1].Result}, first)

	last := notice("2", report.Removed)
	last.Last = true
	second := []report.Notice{last}
	if err := j.Post(second, []uint64{first[0].Seq, first[1].Seq}); err != nil {
		t.Fatal(err)
	}
	if second[0].Seq <= first[2].Seq {
		t.Errorf("number %d after %d", second[0].Seq, first[2].Seq)
	}
	expect("delivered, and gone", []report.Result{first[2].Result}, []report.Notice{first[2], second[0]})

	if err := j.Post(nil, []uint64{first[2].Seq, second[0].Seq, 4711}); err != nil {
		t.Fatal(err)
	}
	third := []report.Notice{notice("3", report.Failed)}
	if err := j.Post(third, nil); err != nil {
		t.Fatal(err)
	}
	if third[0].Seq <= second[0].Seq {
		t.Errorf("number %d is given again", third[0].Seq)
	}
}

func TestJournalWithoutAnOutboxGetsOne(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	n := []report.Notice{notice("1", report.Pending)}
	if err := j.Post(n, nil); err != nil {
		t.Fatal(err)
	}
	if err := j.update(func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte(bucketOutbox)) }); err != nil {
		t.Fatal(err)
	}
	if err := j.Post(n, nil); err != nil {
		t.Fatal(err)
	}
	if _, waiting, err := open(t, dir).Reported(); err != nil || !slices.EqualFunc(waiting, n, func(a, b report.Notice) bool { return a.ID == b.ID }) {
		t.Errorf("there wait %v, %v", waiting, err)
	}
}
