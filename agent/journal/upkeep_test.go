package journal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/source"
)

// content of a journal that somebody would miss.
type kept struct {
	Allocations []compile.Allocation
	History     []Entry
	Baseline    *source.Baseline
	Others      map[string]string
}

func keptIn(t testing.TB, dir string) (k kept) {
	t.Helper()
	j, err := Existing(dir)
	if err == nil {
		err = j.Check()
	}
	if err == nil {
		k.Allocations, err = j.Allocations()
	}
	if err == nil {
		k.History, err = j.History(Filter{})
	}
	if err == nil {
		k.Baseline, err = j.Baseline("ix")
	}
	if err == nil {
		k.Others = make(map[string]string)
		err = j.view(func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte("later"))
			if b != nil {
				b = b.Bucket([]byte("inner"))
			}
			if b == nil {
				return nil
			}
			k.Others["sequence"] = fmt.Sprint(b.Sequence())
			return b.ForEach(func(key, value []byte) error {
				k.Others[string(key)] = string(value)
				return nil
			})
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// rich returns a journal with something of everything, also of what a later release adds.
func rich(t testing.TB) (j *Journal, dir string) {
	t.Helper()
	j = filled(t)
	err := errors.Join(
		j.StoreAllocations([]compile.Allocation{{Scope: "lag/sw1", Owner: "conn:1", Number: 10, Released: time.Unix(1000, 0).UTC()}}),
		j.StoreBaseline("ix", &source.Baseline{Version: "v1", Read: time.Unix(2000, 0).UTC()}),
		j.update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucket([]byte("later"))
			if err != nil {
				return err
			}
			if b, err = b.CreateBucket([]byte("inner")); err != nil {
				return err
			}
			return errors.Join(b.SetSequence(77), b.Put([]byte("key"), bytes.Repeat([]byte("v"), 5000)), b.Put([]byte("empty"), []byte{}))
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
	return j, filepath.Dir(j.path)
}

func backup(t testing.TB, j *Journal) []byte {
	t.Helper()
	var b bytes.Buffer
	if n, err := j.Backup(&b); err != nil || n != int64(b.Len()) {
		t.Fatal(n, err)
	}
	return b.Bytes()
}

func TestRestoredJournalIsTheOneThatWasBackedUp(t *testing.T) {
	j, from := rich(t)
	to := filepath.Join(t.TempDir(), "state")
	out, err := Restore(to, bytes.NewReader(backup(t, j)), RestoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(keptIn(t, from), keptIn(t, to)); diff != "" {
		t.Error(diff)
	}
	if out.Aside != "" || out.Stats.Entries != 10 || out.Stats.Schema != schemaFree {
		t.Errorf("%+v", out)
	}
	if info, err := os.Stat(filepath.Join(to, fileName)); err != nil || info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if id, err := add(open(t, to), Entry{Plan: []byte("{}")}); err != nil || id != 11 {
		t.Error(id, err)
	}
}

// TestUpkeepChangesNothing compacts a journal, and restores a copy at once, between steps that are counted.
func TestUpkeepChangesNothing(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	random := rand.New(rand.NewPCG(9, 10))
	count, numbers := 0, make(map[uint32]bool)
	for range 150 {
		var err error
		switch random.IntN(4) {
		case 0:
			size := []int{1, 3000, 20_000}[random.IntN(3)]
			_, err = add(j, Entry{Plan: []byte(`"` + strings.Repeat("x", size) + `"`)})
			count++
		case 1:
			n := random.Uint32N(100)
			numbers[n] = true
			err = j.StoreAllocations([]compile.Allocation{{Scope: "vlan", Owner: fmt.Sprint("ns:", n), Number: n}})
		case 2:
			_, err = j.Compact()
		case 3:
			text := backup(t, j)
			j.Close()
			var out Restored
			if out, err = Restore(dir, bytes.NewReader(text), RestoreOptions{}); err == nil {
				err = os.Remove(out.Aside)
			}
			j = open(t, dir)
		}
		if err != nil {
			t.Fatal(err)
		}
		found, err := j.History(Filter{})
		if err != nil || len(found) != count || count > 0 && found[0].ID != uint64(count) {
			t.Fatalf("%d entries, want %d: %v", len(found), count, err)
		}
		known, err := j.Allocations()
		if err != nil || len(known) != len(numbers) {
			t.Fatalf("%d numbers, want %d: %v", len(known), len(numbers), err)
		}
	}
}

func TestBackupIsOfOneMomentWhileOthersWrite(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	var writer sync.WaitGroup
	writer.Go(func() {
		other := open(t, dir)
		for i := range uint32(60) {
			if _, err := add(other, Entry{Plan: []byte("{}")}); err != nil {
				t.Error(err)
			}
			if err := other.StoreAllocations([]compile.Allocation{{Scope: "vlan", Owner: fmt.Sprint(i), Number: i}}); err != nil {
				t.Error(err)
			}
		}
	})
	copies := [][]byte{}
	for range 10 {
		copies = append(copies, backup(t, j))
	}
	writer.Wait()
	for _, text := range append(copies, backup(t, j)) {
		to := t.TempDir()
		if _, err := Restore(to, bytes.NewReader(text), RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		k := keptIn(t, to)
		if n := len(k.History) - len(k.Allocations); n != 0 && n != 1 || len(k.History) > 0 && k.History[0].ID != uint64(len(k.History)) {
			t.Errorf("%d entries and %d numbers are of no moment", len(k.History), len(k.Allocations))
		}
	}
}

// upkeep is the environment variable that lets the test binary look after a journal: what it does, the step at
// which it is killed, and the folder.
const upkeep = "IXAGENT_TEST_UPKEEP"

func keepUp(arguments string) int {
	what := strings.SplitN(arguments, " ", 3)
	step := func(step string) error {
		if step == what[1] {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}
	var err error
	switch what[0] {
	case "compact":
		var j *Journal
		if j, err = Existing(what[2]); err == nil {
			j.step = step
			_, err = j.Compact()
		}
	case "restore":
		_, err = Restore(what[2], os.Stdin, RestoreOptions{Force: true, step: step})
	case "append":
		var j *Journal
		j, err = Open(what[2])
		for n := 0; n < 100 && err == nil; n++ {
			_, err = add(j, Entry{Device: fmt.Sprint("other", os.Getpid()), Plan: []byte(`"` + strings.Repeat("x", 1000) + `"`)})
		}
	case "full":
		err = fillAndCompact(what[2])
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func helper(what, step, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), upkeep+"="+what+" "+step+" "+dir)
	return cmd
}

func TestKilledUpkeepLeavesTheOldOrTheNewWhole(t *testing.T) {
	for what, steps := range map[string][]string{
		"compact": {"copy", "check", "sync", "rename", "renamed"},
		"restore": {"link", "sync", "rename", "renamed"},
	} {
		for _, step := range steps {
			j, dir := rich(t)
			older := backup(t, j)
			old := keptIn(t, dir)
			if what == "restore" {
				if _, err := add(j, Entry{Device: fmt.Sprint("sw", os.Getpid()), Plan: []byte("{}")}); err != nil {
					t.Fatal(err)
				}
			}
			newer := keptIn(t, dir)
			j.Close()
			cmd := helper(what, step, dir)
			cmd.Stdin = bytes.NewReader(older)
			if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("%s was not killed at %s: %v: %s", what, step, err, out)
			}
			if got := keptIn(t, dir); !cmp.Equal(got, newer) && !cmp.Equal(got, old) {
				t.Errorf("%s killed at %s: %s", what, step, cmp.Diff(newer, got))
			} else if done := cmp.Equal(got, old); what == "restore" && done != (step == "renamed") {
				t.Errorf("%s killed at %s is done: %v", what, step, done)
			}
			// The next attempt is not hindered by what is left, and leaves nothing.
			cmd = helper(what, "-", dir)
			cmd.Stdin = bytes.NewReader(older)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s after it was killed at %s: %v: %s", what, step, err, out)
			}
			if got := keptIn(t, dir); !cmp.Equal(got, old) {
				t.Errorf("%s again: %s", what, cmp.Diff(old, got))
			}
			if left, err := filepath.Glob(filepath.Join(dir, fileName+"?*")); err != nil || len(left) > 0 {
				t.Errorf("%s leaves %v, %v", what, left, err)
			}
		}
	}
}

func TestProcessesGoOnInACompactedJournal(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	var others []*exec.Cmd
	for range 2 {
		cmd := helper("append", "-", dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		others = append(others, cmd)
	}
	ended := make(chan error, len(others))
	for _, cmd := range others {
		go func() { ended <- cmd.Wait() }()
	}
	compactions := 0
	for left := len(others); left > 0; {
		select {
		case err := <-ended:
			if left--; err != nil {
				t.Error(err)
			}
		default:
			if _, err := j.Compact(); err != nil {
				t.Error(err)
				left = 0
			}
			compactions++
		}
	}
	found, err := j.History(Filter{})
	if err != nil || len(found) != 200 || found[0].ID != 200 {
		t.Errorf("%d of 200 entries, %v", len(found), err)
	}
	if compactions < 3 {
		t.Errorf("compacted %d times beside them", compactions)
	}
	if err := j.Check(); err != nil {
		t.Error(err)
	}
}

func TestSparseJournalIsCompacted(t *testing.T) {
	j := open(t, t.TempDir())
	if _, did, err := j.CompactIfSparse(); did || err != nil {
		t.Error("a new one was compacted", err)
	}
	big := noise(2 << 20)
	start := time.Unix(1_700_000_000, 0).UTC()
	for range 60 { // far more than the file grows by at a time
		if _, err := add(j, Entry{Begun: start, Plan: big}); err != nil {
			t.Fatal(err)
		}
	}
	if _, did, err := j.CompactIfSparse(); did || err != nil {
		t.Error("a full one was compacted", err)
	}
	if _, err := add(j, Entry{Begun: start.Add(2 * KeepAge), Plan: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	s, err := j.Stats()
	if err != nil || s.Entries != 1 || s.FreeBytes < s.Bytes/2 {
		t.Fatalf("%+v, %v", s, err)
	}
	c, did, err := j.CompactIfSparse()
	if err != nil || !did || c.Before != s.Bytes || c.After > 256<<10 {
		t.Errorf("%+v, %v, %v", c, did, err)
	}
	if id, err := add(j, Entry{Begun: start.Add(2 * KeepAge), Plan: []byte("{}")}); err != nil || id != 62 {
		t.Error(id, err)
	}
}

func TestStatsCountWhatIsInUseAndWhatCools(t *testing.T) {
	j, _ := rich(t)
	now := time.Now()
	if err := j.StoreAllocations([]compile.Allocation{
		{Scope: "lag/sw2", Owner: "conn:1", Number: 1, Released: now.Add(-time.Hour)},
		{Scope: "lag/sw2", Owner: "conn:2", Number: 2},
		{Scope: "unit/sw2/lag1", Owner: "nsc:2", Number: 2},
	}); err != nil {
		t.Fatal(err)
	}
	if err := j.Begin(Entry{Plan: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	s, err := j.Stats()
	if err != nil || s.Entries != 11 || s.Begun != 1 || len(s.Baselines) != 1 || s.Baselines[0].Version != "v1" || s.Buckets["later"] == 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if info, err := os.Stat(j.path); err != nil || info.Size() != s.Bytes {
		t.Error(s.Bytes, err)
	}
	scopes := []Usage{{"lag/sw1", 0, 0}, {"lag/sw2", 1, 1}, {"unit/sw2/lag1", 1, 0}, {"vlan", 200, 0}}
	if diff := cmp.Diff(scopes, s.Allocations); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Usage{{"lag", 1, 1}, {"unit", 1, 0}, {"vlan", 200, 0}}, s.ByKind()); diff != "" {
		t.Error(diff)
	}
}

func TestRestoreWaitsForNobodyWhoUsesTheJournal(t *testing.T) {
	j, dir := rich(t)
	text := backup(t, j)
	if _, err := Restore(dir, bytes.NewReader(text), RestoreOptions{Force: true}); !errors.Is(err, ErrBusy) {
		t.Errorf("while it is open: %v", err)
	}
	j.Close()
	_, err := Restore(dir, bytes.NewReader(text), RestoreOptions{Agree: func(Restored) error {
		if _, err := Open(dir); !errors.Is(err, ErrBusy) {
			t.Errorf("opened meanwhile: %v", err)
		}
		return errors.New("no")
	}})
	if err == nil || err.Error() != "no" {
		t.Error(err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Error(files, err)
	}
	if _, err := Restore(dir, bytes.NewReader(text), RestoreOptions{}); err != nil {
		t.Error(err)
	}
}

func TestNothingIsLostInSilence(t *testing.T) {
	j, dir := rich(t)
	text := backup(t, j)
	if err := j.StoreAllocations([]compile.Allocation{
		{Scope: "lag/sw1", Owner: "conn:1", Number: 10}, // is in use again
		{Scope: "vni", Owner: "ns:9", Number: 1000},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := add(j, Entry{Device: "sw3", Plan: []byte("{}"), Result: Confirmed}); err != nil {
		t.Fatal(err)
	}
	if err := j.StoreBaseline("ix", &source.Baseline{Version: "v2"}); err != nil {
		t.Fatal(err)
	}
	if err := j.update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("later")).Bucket([]byte("inner")).Put([]byte("order"), []byte("freeze"))
	}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	before := content(t, j)
	_, err := Restore(dir, bytes.NewReader(text), RestoreOptions{})
	var loss *LossError
	if !errors.As(err, &loss) {
		t.Fatal(err)
	}
	want := []Loss{
		{"allocations", "lag/sw1 10 of conn:1"},
		{"allocations", "vni 1000 of ns:9"},
		{"history", "change 11 of sw3: confirmed"},
		{"later/inner", `"order"`},
	}
	if diff := cmp.Diff(want, loss.Lost); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(err.Error(), "vni 1000 of ns:9") || !bytes.Equal(content(t, j), before) {
		t.Errorf("%v", err)
	}
	out, err := Restore(dir, bytes.NewReader(text), RestoreOptions{Force: true})
	if err != nil || !cmp.Equal(out.Lost, want) {
		t.Fatal(err, out.Lost)
	}
	if kept, err := os.ReadFile(out.Aside); err != nil || !bytes.Equal(kept, before) {
		t.Errorf("the one before is not aside: %v", err)
	}
	// Change 11 was another one.
	if id, err := add(open(t, dir), Entry{Plan: []byte("{}")}); err != nil || id != 12 {
		t.Error(id, err)
	}
}

func TestDamagedJournalIsReplacedAndKept(t *testing.T) {
	j, dir := rich(t)
	text, want := backup(t, j), keptIn(t, dir)
	damaged := slices.Clone(content(t, j))
	copy(damaged[2*os.Getpagesize():], bytes.Repeat([]byte{0xff}, len(damaged)-3*os.Getpagesize()))
	if err := os.WriteFile(j.path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := j.History(Filter{}); !errors.Is(err, ErrCorrupt) || !errors.Is(j.Trouble(), ErrCorrupt) {
		t.Fatal(err, j.Trouble())
	}
	j.Close()
	out, err := Restore(dir, bytes.NewReader(text), RestoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(out.Aside); err != nil || !bytes.Equal(kept, damaged) {
		t.Error("the damaged file is gone", err)
	}
	if diff := cmp.Diff(want, keptIn(t, dir)); diff != "" {
		t.Error(diff)
	}
	// Whoever found the damage goes on with the new file.
	if _, err := add(j, Entry{Plan: []byte("{}")}); err != nil || j.Trouble() != nil {
		t.Error(err, j.Trouble())
	}
}

func TestNewerJournalIsReplacedByForceOnly(t *testing.T) {
	j, dir := rich(t)
	text := backup(t, j)
	if err := j.update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(bucketMeta)).Put([]byte(keySchema), []byte(strconv.Itoa(schema+1)))
	}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	later := content(t, j)
	if _, err := Restore(dir, bytes.NewReader(text), RestoreOptions{}); !errors.Is(err, ErrNewer) || !bytes.Equal(content(t, j), later) {
		t.Error(err)
	}
	if _, err := Restore(dir, bytes.NewReader(text), RestoreOptions{Force: true}); err != nil {
		t.Error(err)
	}
	if _, err := Restore(dir, bytes.NewReader(later), RestoreOptions{Force: true}); !errors.Is(err, ErrNewer) {
		t.Errorf("a copy of a later release: %v", err)
	}
}

// spoil makes bad copies of a good one.
func spoil(random *rand.Rand, good []byte) []byte {
	text := slices.Clone(good)
	page := os.Getpagesize()
	switch random.IntN(4) {
	case 0:
		text = text[:random.IntN(len(text))]
	case 1: // one page is another
		a, b := random.IntN(len(text)/page), random.IntN(len(text)/page)
		copy(text[a*page:(a+1)*page], good[b*page:])
	case 2:
		for range 1 + random.IntN(20) {
			text[random.IntN(len(text))] = byte(random.Uint32())
		}
	case 3: // where pages say what they are
		at := random.IntN(len(text)/page)*page + random.IntN(64)
		text[at] = byte(random.Uint32())
	}
	return text
}

// restoresOrLeaves restores any bytes, and the journal is as it was unless they were one.
func restoresOrLeaves(t *testing.T, dir string, text []byte) (restored bool) {
	t.Helper()
	path := filepath.Join(dir, fileName)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out, err := Restore(dir, bytes.NewReader(text), RestoreOptions{Force: true})
	after, readErr := os.ReadFile(path)
	if readErr != nil {
		t.Fatal(readErr)
	}
	if err == nil {
		keptIn(t, dir)
		if err := os.Rename(out.Aside, path); err != nil {
			t.Fatal(err)
		}
		return true
	}
	if !bytes.Equal(before, after) {
		t.Errorf("it was replaced, and the answer is %v", err)
	}
	return false
}

func TestBadCopyNeverReplacesAJournal(t *testing.T) {
	j, dir := rich(t)
	good := backup(t, j)
	j.Close()
	random := rand.New(rand.NewPCG(5, 6))
	refused := 0
	for range 300 {
		if !restoresOrLeaves(t, dir, spoil(random, good)) {
			refused++
		}
	}
	if refused < 150 {
		t.Errorf("%d of 300 bad copies were refused", refused)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Error(files, err)
	}
}

func FuzzRestore(f *testing.F) {
	j, dir := rich(f)
	good := backup(f, j)
	j.Close()
	for _, seed := range [][]byte{nil, []byte("journal"), good, good[:len(good)/2]} {
		f.Add(seed)
	}
	random := rand.New(rand.NewPCG(7, 8))
	for range 20 {
		f.Add(spoil(random, good))
	}
	f.Fuzz(func(t *testing.T, text []byte) { restoresOrLeaves(t, dir, text) })
}

// A page that leads to itself would be followed until the stack is used up, which ends a process.
func TestPageThatLeadsToItselfIsDamage(t *testing.T) {
	j, dir := rich(t)
	text := content(t, j)
	page, found := os.Getpagesize(), 0
	for at := 2 * page; at < len(text); at += page {
		if text[at+8] == pageBranch && text[at+9] == 0 && !bytes.Equal(text[at:at+8], make([]byte, 8)) {
			copy(text[at+pageHeader+8:at+pageHeader+16], text[at:at+8])
			found++
		}
	}
	if found == 0 {
		t.Fatal("there is no page that leads to others")
	}
	if err := os.WriteFile(j.path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "used twice") {
		t.Error(err)
	}
}

func TestCheckFindsEntriesThatAreNotWhatTheirKeysSay(t *testing.T) {
	for what, f := range map[string]func(tx *bolt.Tx) error{
		"it is vlan 7 of": func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte(bucketAllocations))
			return b.Put(allocationKey(compile.Allocation{Scope: "vlan", Number: 9}), b.Get(allocationKey(compile.Allocation{Scope: "vlan", Number: 7})))
		},
		"it is change 3 of 10": func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte(bucketHistory))
			return b.Put(entryKey(4), b.Get(entryKey(3)))
		},
		`baselines "ix": unexpected end`: func(tx *bolt.Tx) error {
			return tx.Bucket([]byte(bucketBaselines)).Put([]byte("ix"), []byte("{"))
		},
	} {
		j, _ := rich(t)
		if err := j.Check(); err != nil {
			t.Fatal(err)
		}
		if err := j.update(f); err != nil {
			t.Fatal(err)
		}
		if err := j.Check(); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
		if n, err := j.Backup(new(bytes.Buffer)); n != 0 || !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: it was backed up: %d, %v", what, n, err)
		}
	}
}

// fillAndCompact fills a journal on a disk that is too small, and says what can be done then and when there is room.
func fillAndCompact(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	j, err := Open(dir)
	if err != nil {
		return err
	}
	room := func(n uint64) error {
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: 1 << 30})
	}
	if err := room(1 << 20); err != nil {
		return err
	}
	for err == nil {
		err = j.Begin(Entry{Device: fmt.Sprint(rand.Int()), Plan: noise(10_000)})
	}
	found, readErr := j.History(Filter{})
	fmt.Println("trouble", errors.Is(j.Trouble(), ErrFull), "probe", errors.Is(j.Probe(), ErrFull), readErr, len(found) > 10)
	if err := room(256 << 10); err != nil {
		return err
	}
	_, err = j.Compact()
	fmt.Println("compact", errors.Is(err, ErrFull), j.Check())
	if err := room(1 << 30); err != nil {
		return err
	}
	fmt.Println("again", j.Probe(), j.Trouble())
	_, err = j.Compact()
	return err
}

func TestFullDiskIsToldAndRecoversFrom(t *testing.T) {
	dir := t.TempDir()
	out, err := helper("full", "-", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := []string{"trouble true probe true <nil> true", "compact true <nil>", "again <nil> <nil>"}
	var got []string
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		got = append(got, s.Text())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if left, err := filepath.Glob(filepath.Join(dir, fileName+"?*")); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
}

func TestUpkeepLeavesTheFileToItsOwner(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("IXAGENT_REQUIRE") == "all" {
			t.Fatal("only root can give files away")
		}
		t.Skip("only root can give files away")
	}
	j, dir := rich(t)
	text := backup(t, j)
	owner := func(what string) {
		t.Helper()
		info, err := os.Stat(j.path)
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != 1234 || info.Mode() != 0o600 {
			t.Errorf("%s: it is not 1234's any more: %v, %v", what, info, err)
		}
	}
	if err := os.Chown(j.path, 1234, 1234); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Compact(); err != nil {
		t.Fatal(err)
	}
	owner("compact")
	j.Close()
	if _, err := Restore(dir, bytes.NewReader(text), RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	owner("restore")
	if err := errors.Join(os.Remove(j.path), os.Chown(dir, 1234, 1234)); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(dir, bytes.NewReader(text), RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	owner("restore of what was gone")
	if _, err := os.Stat(filepath.Join(dir, fileName+".restore")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
