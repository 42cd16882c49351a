package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/agent/web"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/switchcfg"
)

const soon = 50 * time.Millisecond

// converged has a pass bring the switch to its intent, and returns the name of its LAG, a copy of the journal, and
// the journal's path.
func (e *exchange) converged() (lag string, text []byte, path string) {
	e.t.Helper()
	p, err := NewPass(e.t.Context(), e.options())
	if err != nil {
		e.t.Fatal(err)
	}
	defer p.Close()
	pl, err := p.Plan(e.t.Context(), "sw1")
	if err == nil {
		err = p.Apply(e.t.Context(), pl)[0].Err
	}
	var b bytes.Buffer
	if err == nil {
		_, err = p.journal.Backup(&b)
	}
	if err != nil {
		e.t.Fatal(err)
	}
	return lagOf(e.sw("sw1").State()).Name, b.Bytes(), p.journal.Path()
}

func (e *exchange) fast() {
	e.edit("connections", func(all []map[string]any) []map[string]any {
		all[0]["lacp_timeout"] = "fast"
		return all
	})
}

func says(t testing.TB, url, reason string) func() bool {
	return func() bool {
		code, body := get(t, url+"/-/ready")
		return code == http.StatusServiceUnavailable && strings.Contains(body, reason)
	}
}

func TestDaemonWaitsForAJournalThatItCanUse(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(path string) error
		reason string
		hint   string
	}{
		"damaged": {func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("damage"), 9000), 0o600) }, "journal is damaged", "ixagent journal restore FILE"},
		"cut off": {func(path string) error { return os.Truncate(path, 9000) }, "journal is damaged", "ixagent journal restore FILE"},
		"newer": {func(path string) error {
			db, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				return err
			}
			return errors.Join(db.Update(func(tx *bolt.Tx) error {
				return tx.Bucket([]byte("meta")).Put([]byte("schema"), []byte("99"))
			}), db.Close())
		}, "later release", "use the release that wrote it"},
		"unreadable": {func(path string) error { return errors.Join(os.Remove(path), os.Symlink(path, path)) }, "symbolic links", ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := newExchange(t)
			lag, text, path := e.converged()
			if err := c.spoil(path); err != nil {
				t.Fatal(err)
			}
			e.fast()
			o := e.options()
			var opened, alive, started atomic.Int32
			spec := o.Drivers["memory"]
			open := spec.Open
			spec.Open = func(ctx context.Context, d drivers.Device) (drivers.Driver, error) {
				opened.Add(1)
				return open(ctx, d)
			}
			o.Drivers["memory"] = spec
			o.journalRetry, o.Beat = soon, time.Millisecond
			o.Alive, o.Started = func() { alive.Add(1) }, func() { started.Add(1) }
			url := e.run(o)
			eventually(t, "the reason", says(t, url, c.reason))
			if _, body := get(t, url+"/-/ready"); !strings.Contains(body, c.hint) || c.hint != "" && !strings.Contains(body, "\nhint: ") {
				t.Errorf("ready: %s", body)
			}
			if code, _ := get(t, url+"/-/healthy"); code != http.StatusOK {
				t.Errorf("healthy: %d", code)
			}
			if _, body := get(t, url+"/metrics"); !strings.Contains(body, "ixagent_build_info{") {
				t.Errorf("metrics: %s", body)
			}
			var status web.Status
			if _, body := get(t, url+"/api/v1/status"); json.Unmarshal([]byte(body), &status) != nil || !strings.Contains(status.JournalError, c.reason) || len(status.Devices) != 1 {
				t.Errorf("status: %s", body)
			}
			beats := alive.Load()
			eventually(t, "beats", func() bool { return alive.Load() > beats+3 })
			// A person takes it away: that makes no new one.
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			eventually(t, "that it is gone", says(t, url, "no such file"))
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("a journal was made: %v", err)
			}
			if n := strings.Count(e.log.String(), "journal cannot be used"); n != 2 {
				t.Errorf("told %d times", n)
			}
			if opened.Load() > 0 || lagOf(e.sw("sw1").State()).Rate != switchcfg.RateSlow {
				t.Error("the switch was asked or changed without a journal")
			}
			if _, err := journal.Restore(filepath.Dir(path), bytes.NewReader(text), journal.RestoreOptions{}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the change", func() bool { return lagOf(e.sw("sw1").State()).Rate == switchcfg.RateFast })
			eventually(t, "ready", func() bool { code, _ := get(t, url+"/-/ready"); return code == http.StatusOK })
			if got := lagOf(e.sw("sw1").State()).Name; got != lag {
				t.Errorf("%s became %s", lag, got)
			}
			if started.Load() != 1 {
				t.Errorf("started %d times", started.Load())
			}
		})
	}
}

func TestFirstJournalIsMadeWhenItCanBe(t *testing.T) {
	e := newExchange(t)
	o := e.options()
	o.journalRetry = soon
	state := filepath.Join(e.dir, "state")
	if err := os.WriteFile(state, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	url := e.run(o)
	eventually(t, "the reason", says(t, url, "not a directory"))
	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the LAG", func() bool { return lagOf(e.sw("sw1").State()) != nil })
}

func TestDaemonThatWaitsStopsWhenTold(t *testing.T) {
	e := newExchange(t)
	_, _, path := e.converged()
	if err := os.Truncate(path, 1); err != nil {
		t.Fatal(err)
	}
	url := e.run(e.options()) // and stops at the end of the test
	eventually(t, "the reason", says(t, url, "journal is damaged"))
}

// overwritten damages a file between two transactions, and returns what is in it then.
func overwritten(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	text := bytes.Repeat([]byte{0xff}, int(info.Size()))
	if _, err := f.WriteAt(text, 0); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestJournalDamagedMeanwhileSendsNothingUntilItIsRestored(t *testing.T) {
	e := newExchange(t)
	lag, text, path := e.converged()
	o := e.options()
	o.journalRetry = soon
	url := e.run(o)
	eventually(t, "ready", func() bool { code, _ := get(t, url+"/-/ready"); return code == http.StatusOK })
	damaged := overwritten(t, path)
	e.fast()
	eventually(t, "the reason", says(t, url, "journal is damaged"))
	eventually(t, "waiting", func() bool { return strings.Contains(e.log.String(), "no plan is made") })
	if rate := lagOf(e.sw("sw1").State()).Rate; rate != switchcfg.RateSlow {
		t.Errorf("the switch was changed without a journal: %s", rate)
	}
	var out journal.Restored
	eventually(t, "that nobody uses it", func() bool {
		var err error
		out, err = journal.Restore(filepath.Dir(path), bytes.NewReader(text), journal.RestoreOptions{})
		if err != nil && !errors.Is(err, journal.ErrBusy) {
			t.Fatal(err)
		}
		return err == nil
	})
	if kept, err := os.ReadFile(out.Aside); err != nil || !bytes.Equal(kept, damaged) {
		t.Error("the damaged file was changed", err)
	}
	eventually(t, "the change", func() bool { return lagOf(e.sw("sw1").State()).Rate == switchcfg.RateFast })
	if got := lagOf(e.sw("sw1").State()).Name; got != lag {
		t.Errorf("%s became %s", lag, got)
	}
}

// fullDisk is the environment variable that says that the test binary was started for a test that limits what its
// process can write.
const fullDisk = "IXAGENT_TEST_FULL_DISK"

func TestFullDiskSendsNothingUntilThereIsRoom(t *testing.T) {
	if os.Getenv(fullDisk) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), fullDisk+"=here")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	e := newExchange(t)
	e.converged()
	o := e.options()
	o.journalRetry = soon
	url := e.run(o)
	eventually(t, "ready", func() bool { code, _ := get(t, url+"/-/ready"); return code == http.StatusOK })
	e.fast() // while there is room for the record, and applied when there is none for the journal
	eventually(t, "the fast LAG", func() bool { return lagOf(e.sw("sw1").State()).Rate == switchcfg.RateFast })
	slow := filepath.Join(e.dir, "slow.json")
	text, err := os.ReadFile(filepath.Join(e.dir, "records", "connections.json"))
	if err == nil {
		err = os.WriteFile(slow, bytes.ReplaceAll(text, []byte(`"fast"`), []byte(`"slow"`)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	room := func(n uint64) {
		t.Helper()
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: before.Max}); err != nil {
			t.Fatal(err)
		}
	}
	defer signal.Reset(syscall.SIGXFSZ)
	defer room(before.Cur)
	room(4096)
	if err := os.Rename(slow, filepath.Join(e.dir, "records", "connections.json")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the reason", says(t, url, "no space for the journal"))
	eventually(t, "it in the log", func() bool {
		return strings.Contains(e.log.String(), "journal cannot be written, and no switch is changed")
	})
	if _, body := get(t, url+"/-/ready"); !strings.Contains(body, "hint: make room on its disk") {
		t.Errorf("ready: %s", body)
	}
	var status web.Status
	if _, body := get(t, url+"/api/v1/status"); json.Unmarshal([]byte(body), &status) != nil || !strings.Contains(status.JournalError, "no space") {
		t.Errorf("status: %s", body)
	}
	if code, _ := get(t, url+"/-/healthy"); code != http.StatusOK {
		t.Errorf("healthy: %d", code)
	}
	if rate := lagOf(e.sw("sw1").State()).Rate; rate != switchcfg.RateFast {
		t.Errorf("the switch was changed without room for the journal: %s", rate)
	}
	room(before.Cur)
	eventually(t, "the change", func() bool { return lagOf(e.sw("sw1").State()).Rate == switchcfg.RateSlow })
	eventually(t, "ready", func() bool { code, _ := get(t, url+"/-/ready"); return code == http.StatusOK })
}

// A number that was given and could not be stored is not one that was given.
func TestNumberThatWasNotStoredIsGivenAgain(t *testing.T) {
	e := newExchange(t)
	o := e.options()
	p, err := assemble(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	s, _, err := p.source.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hidden := p.journal.Path() + ".away"
	if err := os.Rename(p.journal.Path(), hidden); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := p.compile(s); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("compiled without a journal: %v", err)
		}
	}
	if err := os.Rename(hidden, p.journal.Path()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.compile(s); err != nil {
		t.Fatal(err)
	}
	if known, err := p.journal.Allocations(); err != nil || len(known) == 0 {
		t.Errorf("%v, %v", known, err)
	}
}
