package journal

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/models/ixapi"
)

// full is the environment variable that lets the test binary fill a journal on a disk that is too small.
const full = "IXAGENT_TEST_FULL_DISK"

func TestMain(m *testing.M) {
	if dir := os.Getenv(full); dir != "" {
		os.Exit(fill(dir))
	}
	if dir := os.Getenv(begin); dir != "" {
		os.Exit(beginAndWait(dir))
	}
	if what := os.Getenv(upkeep); what != "" {
		os.Exit(keepUp(what))
	}
	if dir := os.Getenv(order); dir != "" {
		os.Exit(orderAndEnd(dir))
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, dir string) *Journal {
	t.Helper()
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// noise returns JSON that cannot be compressed to less than half of so many bytes.
func noise(n int) []byte {
	b := make([]byte, n/2)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(b)
	return fmt.Appendf(nil, "%q", hex.EncodeToString(b))
}

// add begins an entry and ends it.
func add(j *Journal, e Entry) (uint64, error) {
	entries := []Entry{e}
	if err := j.Begin(entries...); err != nil {
		return 0, err
	}
	return entries[0].ID, j.End(entries...)
}

func TestJournalIsReadableByItsOwnerAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "ixagent")
	j := open(t, dir)
	for path, want := range map[string]os.FileMode{dir: 0o750 | os.ModeDir, j.Path(): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("the folder holds %v, %v", files, err)
	}
}

// TestWhatIsStoredIsReadBack drives two journals of one folder and a model by the same steps.
func TestWhatIsStoredIsReadBack(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		folder := filepath.Join(dir, fmt.Sprint(n))
		var both [2]*Journal
		for i := range both {
			j, err := Open(folder)
			if err != nil {
				t.Fatal(err)
			}
			both[i] = j
		}
		var history []Entry
		numbers := make(map[string]compile.Allocation)
		j := func() *Journal { return both[rapid.IntRange(0, 1).Draw(t, "process")] }
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				e := Entry{
					Begun:  time.Unix(rapid.Int64Range(0, 9).Draw(t, "time"), 0).UTC(),
					Device: rapid.SampledFrom([]string{"sw1", "sw2"}).Draw(t, "device"),
					Plan:   json.RawMessage(fmt.Sprintf(`{"n":%d}`, len(history))),
					Result: Applied,
				}
				id, err := add(j(), e)
				if err != nil || id <= uint64(len(history)) {
					t.Fatal(id, err)
				}
				e.ID = id
				history = append(history, e)
			},
			"allocate": func(t *rapid.T) {
				a := compile.Allocation{
					Scope:  rapid.SampledFrom([]string{"vlan", "vlan2", "lag/sw1"}).Draw(t, "scope"),
					Number: rapid.Uint32Range(1, 4).Draw(t, "number"),
				}
				a.Owner = fmt.Sprint("ns:", a.Number)
				if rapid.Bool().Draw(t, "released") {
					a.Released = time.Unix(1, 0).UTC()
				}
				if err := j().StoreAllocations([]compile.Allocation{a}); err != nil {
					t.Fatal(err)
				}
				numbers[fmt.Sprint(a.Scope, a.Number)] = a
			},
			"": func(t *rapid.T) {
				filter := Filter{
					Device: rapid.SampledFrom([]string{"", "sw1"}).Draw(t, "filter"),
					Limit:  rapid.IntRange(0, 3).Draw(t, "limit"),
					Since:  time.Unix(rapid.Int64Range(0, 5).Draw(t, "since"), 0).UTC(),
				}
				var want []Entry
				for _, e := range slices.Backward(history) {
					if filter.matches(e) && (filter.Limit == 0 || len(want) < filter.Limit) {
						want = append(want, e)
					}
				}
				got, err := j().History(filter)
				if diff := cmp.Diff(want, got); diff != "" || err != nil {
					t.Fatal(err, diff)
				}
				stored, err := j().Allocations()
				if err != nil || len(stored) != len(numbers) {
					t.Fatalf("%d of %d numbers: %v", len(stored), len(numbers), err)
				}
				for _, a := range stored {
					if want := numbers[fmt.Sprint(a.Scope, a.Number)]; want != a {
						t.Fatalf("%+v, want %+v", a, want)
					}
				}
			},
		})
	})
}

func TestEntryKeepsThePlanItWasBegunWith(t *testing.T) {
	j := open(t, t.TempDir())
	entries := []Entry{{Device: "sw1", Begun: time.Now().UTC(), Plan: json.RawMessage(`{"device":"sw1"}`)}}
	if err := j.Begin(entries...); err != nil {
		t.Fatal(err)
	}
	e, whole := entries[0], entries[0]
	e.Plan, e.Result, whole.Result = nil, Applied, Applied
	if err := j.End(e); err != nil {
		t.Fatal(err)
	}
	got, err := j.History(Filter{})
	if diff := cmp.Diff([]Entry{whole}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestHistoryIsSearched(t *testing.T) {
	j := open(t, t.TempDir())
	for i := range 10 {
		if _, err := add(j, Entry{Begun: time.Unix(int64(i), 0), Device: fmt.Sprint("sw", i%2), Plan: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	for want, f := range map[string]Filter{
		"[10 9 8]": {Limit: 3},
		"[7]":      {ID: 7},
		"[9 7]":    {Device: "sw0", Since: time.Unix(6, 0)},
		"[2 1]":    {Until: time.Unix(1, 0)},
		"[]":       {Device: "sw7"},
	} {
		found, err := j.History(f)
		ids := []uint64{}
		for _, e := range found {
			ids = append(ids, e.ID)
		}
		if err != nil || fmt.Sprint(ids) != want {
			t.Errorf("%+v: %v, %v, want %s", f, ids, err, want)
		}
	}
}

func TestAllocatedNumbersSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	memory := compile.NewAllocations(nil, time.Hour)
	now := time.Unix(1000, 0).UTC()
	memory.Take("lag/sw1", "conn:1", nil, 7, now)
	memory.Take("lag/sw1", "conn:2", nil, 8, now)
	memory.Release("conn:1", now)
	if err := open(t, dir).StoreAllocations(memory.Dirty()); err != nil {
		t.Fatal(err)
	}
	memory.Take("lag/sw1", "conn:3", nil, 7, now.Add(2*time.Hour)) // which has cooled
	memory.Take("lag/sw1", "conn:1", nil, 3, now.Add(2*time.Hour)) // which came back
	if err := open(t, dir).StoreAllocations(memory.Dirty()); err != nil {
		t.Fatal(err)
	}
	known, err := open(t, dir).Allocations()
	if err != nil {
		t.Fatal(err)
	}
	again := compile.NewAllocations(known, time.Hour)
	for owner, want := range map[string]uint32{"conn:1": 3, "conn:2": 8, "conn:3": 7} {
		if n, ok := again.Lookup("lag/sw1", owner); !ok || n != want {
			t.Errorf("%s has %d, %v", owner, n, ok)
		}
	}
}

func TestNumberGivenTwiceIsAConflict(t *testing.T) {
	j := open(t, t.TempDir())
	given := []compile.Allocation{{Scope: "vlan", Owner: "ns:1", Number: 5}, {Scope: "vlan", Owner: "ns:2", Number: 6}}
	if err := j.StoreAllocations(given); err != nil {
		t.Fatal(err)
	}
	for _, second := range []compile.Allocation{
		{Scope: "vlan", Owner: "ns:3", Number: 5}, // another owner
		{Scope: "vlan", Owner: "ns:1", Number: 9}, // another number
	} {
		var conflict *ConflictError
		err := j.StoreAllocations([]compile.Allocation{{Scope: "vlan", Owner: "ns:4", Number: 4}, second})
		if !errors.As(err, &conflict) || conflict.Given != second || conflict.Stored != given[0] {
			t.Errorf("%+v: %v", second, err)
		}
	}
	if known, err := j.Allocations(); err != nil || !cmp.Equal(known, given) {
		t.Errorf("half of it was stored: %v, %v", known, err)
	}
}

func TestBaselineIsKept(t *testing.T) {
	j := open(t, t.TempDir())
	if b, err := j.Baseline("ix"); b != nil || err != nil {
		t.Fatal(b, err)
	}
	b := &source.Baseline{Version: "v1", Lists: map[ixapi.Collection]source.Census{
		ixapi.Connections: {Live: []uint64{1, 2, 1 << 63}, Redacted: []uint64{2}},
	}}
	if err := j.StoreBaseline("ix", b); err != nil {
		t.Fatal(err)
	}
	got, err := j.Baseline("ix")
	if err != nil || got.Version != "v1" || !slices.Equal(got.Lists[ixapi.Connections].Live, b.Lists[ixapi.Connections].Live) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestProcessesTakeTurns(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			j, err := Open(dir) // by itself, as another process would
			for n := 0; n < 5 && err == nil; n++ {
				_, err = add(j, Entry{Device: fmt.Sprint(i), Plan: []byte("{}")})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	entries, err := open(t, dir).History(Filter{})
	if err != nil || len(entries) != 20 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}

func TestLockThatIsNotGivenUpIsToldOf(t *testing.T) {
	j := open(t, t.TempDir())
	db, err := bolt.Open(j.Path(), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	j.timeout = 10 * time.Millisecond
	if _, err := j.Allocations(); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), j.Path()) {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Allocations(); err != nil {
		t.Error(err)
	}
}

func TestNewerJournalIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	if err := j.update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(bucketMeta)).Put([]byte(keySchema), []byte("3"))
	}); err != nil {
		t.Fatal(err)
	}
	before := content(t, j)
	if _, err := Open(dir); !errors.Is(err, ErrNewer) {
		t.Error(err)
	}
	if _, err := add(j, Entry{Plan: []byte("{}")}); !errors.Is(err, ErrNewer) {
		t.Error(err)
	}
	if !bytes.Equal(content(t, j), before) {
		t.Error("the file was written to")
	}
}

func content(t testing.TB, j *Journal) []byte {
	t.Helper()
	text, err := os.ReadFile(j.Path())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestForeignFileIsLeftAlone(t *testing.T) {
	for name, text := range map[string]string{
		"empty":  "",
		"text":   "sources:\n  - name: this is not a journal\n",
		"random": string(bytes.Repeat([]byte{0xed, 0xda, 0x0c, 0xed}, 8192)),
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, fileName)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != text {
			t.Errorf("%s: the file was written to: %v", name, err)
		}
	}
}

// filled returns a journal with something of everything.
func filled(t testing.TB) *Journal {
	j := open(t, t.TempDir())
	var numbers []compile.Allocation
	for i := range uint32(200) {
		numbers = append(numbers, compile.Allocation{Scope: "vlan", Owner: fmt.Sprint("ns:", i), Number: i})
	}
	if err := j.StoreAllocations(numbers); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := add(j, Entry{Device: "sw1", Plan: []byte(`"` + strings.Repeat("x", 3000) + `"`)}); err != nil {
			t.Fatal(err)
		}
	}
	return j
}

// TestDamagedJournalIsAnErrorAndNeverTheEnd cuts and garbles the file at random: what is read of it is an error or
// an answer, and the process goes on.
func TestDamagedJournalIsAnErrorAndNeverTheEnd(t *testing.T) {
	j := filled(t)
	whole := content(t, j)
	random := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	path := filepath.Join(dir, fileName)
	refused := 0
	for i := range 300 {
		text := slices.Clone(whole)
		if i%2 == 0 {
			text = text[:random.IntN(len(text))]
		}
		for n := random.IntN(20); n > 0 && len(text) > 0; n-- {
			text[random.IntN(len(text))] = byte(random.Uint32())
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		damaged := func() *Journal { return &Journal{path: path, timeout: time.Second} }
		_, err1 := damaged().Allocations()
		_, err2 := damaged().History(Filter{})
		_, err3 := add(damaged(), Entry{Plan: []byte("{}")})
		if err1 != nil || err2 != nil || err3 != nil {
			refused++
		}
		if errors.Is(err1, ErrBusy) || errors.Is(err2, ErrBusy) || errors.Is(err3, ErrBusy) {
			t.Fatalf("the lock of a damaged file was kept: %v; %v; %v", err1, err2, err3)
		}
	}
	// A cut may take free pages only, and a changed octet may mean nothing.
	if refused < 100 {
		t.Errorf("%d of 300 damaged journals were refused", refused)
	}
}

// TestPowerCutLeavesTheOldOrTheNew rebuilds the states in which a stop of the machine can leave the file while a
// transaction is written: any of its pages before the sync, then any part of the page that makes it valid.
func TestPowerCutLeavesTheOldOrTheNew(t *testing.T) {
	j := filled(t)
	before := content(t, j)
	if err := j.Begin(Entry{Device: "sw2", Plan: noise(9000)}); err != nil {
		t.Fatal(err)
	}
	after := content(t, j)
	page := os.Getpagesize()
	old := slices.Concat(before, make([]byte, len(after)-len(before)))

	random := rand.New(rand.NewPCG(3, 4))
	dir := t.TempDir()
	entries := func(text []byte) int {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, fileName), text, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		found, err := j.History(Filter{})
		if err != nil {
			t.Fatal(err)
		}
		known, err := j.Allocations()
		if err != nil || len(known) != 200 {
			t.Fatalf("%d numbers, %v", len(known), err)
		}
		if _, err := add(j, Entry{Plan: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	for range 100 {
		text := slices.Clone(old)
		for at := 2 * page; at < len(after); at += page {
			if random.IntN(2) == 0 {
				copy(text[at:at+page], after[at:at+page])
			}
		}
		if n := entries(text); n != 10 {
			t.Fatalf("%d entries before the transaction was valid", n)
		}
	}
	for range 100 {
		text := slices.Concat(old[:2*page], after[2*page:])
		for at := 0; at < 2*page; at += page {
			n := random.IntN(page + 1)
			copy(text[at:at+n], after[at:at+n])
		}
		if n := entries(text); n != 10 && n != 11 {
			t.Fatalf("%d entries", n)
		}
	}
}

// begin is the environment variable that lets the test binary begin an entry and be killed.
const begin = "IXAGENT_TEST_BEGIN"

func TestChangeOfAKilledProcessIsInterrupted(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), begin+"="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "1 <nil>\n" {
		t.Fatal(line, err)
	}
	result := func() Result {
		found, err := j.History(Filter{})
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		return found[0].Result
	}
	if gone, err := j.Recover(); err != nil || len(gone) != 0 || result() != Begun {
		t.Errorf("while it is being applied: %v, %v, %s", gone, err, result())
	}
	if err := j.Begin(Entry{Device: "sw1", Plan: []byte("{}")}); !errors.Is(err, ErrApplying) || !strings.Contains(err.Error(), "change 1 of sw1") {
		t.Errorf("a second process may begin: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if got := result(); got != Begun {
		t.Errorf("%s", got)
	}
	gone, err := open(t, dir).Recover()
	if err != nil || len(gone) != 1 || gone[0].Device != "sw1" || result() != Interrupted {
		t.Errorf("after the restart: %v, %v, %s", gone, err, result())
	}
	if gone, err := j.Recover(); err != nil || len(gone) != 0 {
		t.Errorf("told twice: %v, %v", gone, err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("the folder holds %v, %v", files, err)
	}
}

func beginAndWait(dir string) int {
	j, err := Open(dir)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	entries := []Entry{{Device: "sw1", Plan: []byte("{}")}}
	err = j.Begin(entries...)
	fmt.Println(entries[0].ID, err)
	_, _ = io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(j)
	return 1
}

func TestHistoryIsKeptByCountAndAge(t *testing.T) {
	j := open(t, t.TempDir())
	start := time.Unix(1_700_000_000, 0).UTC()
	err := j.update(func(tx *bolt.Tx) error {
		bucket := tx.Bucket([]byte(bucketHistory))
		for id := uint64(1); id <= KeepEntries; id++ {
			value, err := json.Marshal(Entry{ID: id, Begun: start.Add(time.Duration(id) * time.Second), Plan: []byte("{}")})
			if err != nil {
				return err
			}
			if err := bucket.Put(entryKey(id), value); err != nil {
				return err
			}
		}
		return bucket.SetSequence(KeepEntries)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		begun time.Time
		want  int
	}{
		{start.Add(KeepEntries * time.Second), KeepEntries},
		{start.Add(KeepAge + (KeepEntries-9)*time.Second), 12}, // ten of before, and the two that are new
		{start.Add(3 * KeepAge), 1},
	} {
		if _, err := add(j, Entry{Begun: c.begun, Plan: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		if found, err := j.History(Filter{}); err != nil || len(found) != c.want || !found[0].Begun.Equal(c.begun) {
			t.Errorf("%d entries, want %d: %v", len(found), c.want, err)
		}
	}
}

func TestReadingMakesNoJournal(t *testing.T) {
	dir := t.TempDir()
	if _, err := Existing(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("the folder holds %v, %v", files, err)
	}
}

// fill appends to a journal until it fails, and ends with 0 when the journal is as it was before the failure.
func fill(dir string) int {
	signal.Ignore(syscall.SIGXFSZ)
	j, err := Open(dir)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	limit := syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Println(err)
		return 1
	}
	stored := 0
	for range 1000 {
		if err = j.Begin(Entry{Device: fmt.Sprint(stored), Plan: noise(10_000)}); err != nil {
			break
		}
		stored++
	}
	fmt.Println(stored, err)
	found, readErr := j.History(Filter{})
	if !errors.Is(err, ErrFull) || readErr != nil || len(found) != stored || stored == 0 {
		fmt.Println(len(found), readErr)
		return 1
	}
	return 0
}

func TestFullDiskLosesNothing(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), full+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.Contains(string(out), "journal.db: ") {
		t.Errorf("the error does not name the file: %s", out)
	}
	if _, err := add(open(t, dir), Entry{Plan: []byte("{}")}); err != nil {
		t.Errorf("the journal does not recover when there is room again: %v", err)
	}
}

func TestFolderThatCannotBeMadeIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(file, "state")); !errors.Is(err, syscall.ENOTDIR) {
		t.Error(err)
	}
}

func BenchmarkAppend(b *testing.B) {
	j := open(b, b.TempDir())
	for b.Loop() {
		if _, err := add(j, Entry{Device: "sw1", Plan: []byte("{}")}); err != nil {
			b.Fatal(err)
		}
	}
}
