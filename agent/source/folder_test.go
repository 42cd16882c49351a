package source

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	memorydriver "github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/models/ixapi"
)

// write puts the lists of l into a folder, each file at once.
func write(t *testing.T, dir string, l lists) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for c, b := range l.bodies() {
		put(t, filepath.Join(dir, string(c)+".json"), string(b.raw[0]))
	}
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name+".part", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".part", name); err != nil {
		t.Fatal(err)
	}
}

func open(dir string) *Source {
	f := &folder{path: dir, limit: 1 << 20, log: slog.New(slog.DiscardHandler)}
	return newSource("files", f, time.Hour, guard{source: "files", limits: Limits{MaxShrink: 10, Allowance: 3}}, f.log)
}

func TestHalfWrittenFileIsRefusedWithItsPlace(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, metro(3))
	s := open(dir)
	first, _ := accepted(t, s)

	whole := string(metro(3).bodies()[ixapi.Connections].raw[0])
	path := filepath.Join(dir, "connections.json")
	put(t, path, whole[:len(whole)/2])
	var at *FileError
	if err := refused(t, s, path+":2:"); !errors.As(err, &at) || at.Line != 2 || at.Column < 2 {
		t.Errorf("%v", err)
	}
	put(t, path, whole)
	if again, changed := accepted(t, s); changed || again != first {
		t.Error("the folder that is whole again is another one")
	}
}

func TestEveryBrokenFileIsNamed(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, metro(3))
	put(t, filepath.Join(dir, "ports.json"), `[{"id":"p0"}`)
	put(t, filepath.Join(dir, "macs.json"), "{}")
	s := open(dir)
	err := refused(t, s, "ports.json:1:13")
	if !strings.Contains(err.Error(), "macs.json:1:2: not a JSON array") {
		t.Error(err)
	}
}

func TestMissingFileIsNotAnEmptyList(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, metro(3))
	s := open(dir)
	accepted(t, s)
	if err := os.Remove(filepath.Join(dir, "macs.json")); err != nil {
		t.Fatal(err)
	}
	refused(t, s, "macs.json: the file is missing; a list without records is []")
	put(t, filepath.Join(dir, "macs.json"), "[]")
	if err := os.Remove(filepath.Join(dir, "accounts.json")); err != nil {
		t.Fatal(err)
	}
	accepted(t, s)
}

func TestUnreadableFolderIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there")
	s := open(dir)
	refused(t, s, dir+": no such file or directory")
	put(t, filepath.Join(t.TempDir(), "x"), "")
	write(t, dir, metro(1))
	if err := os.Remove(filepath.Join(dir, "ports.json")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "ports.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, s, "ports.json: not a regular file")
	if err := os.Remove(filepath.Join(dir, "ports.json")); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "ports.json"), "["+strings.Repeat(" ", 1<<20)+"]")
	if err := refused(t, s, "ports.json: answer is too large"); !errors.Is(err, ixapi.ErrTooLarge) {
		t.Error(err)
	}
}

func TestFolderBehindALinkIsReadAsOne(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), metro(3))
	write(t, filepath.Join(dir, "b"), metro(5))
	link := filepath.Join(dir, "current")
	if err := os.Symlink("a", link); err != nil {
		t.Fatal(err)
	}
	s := open(link)
	accepted(t, s)
	relink(t, link, "b")
	if snapshot, changed := accepted(t, s); !changed || snapshot.Counts[ixapi.Ports] != 5 {
		t.Errorf("%v", snapshot.Counts)
	}
}

func relink(t *testing.T, link, target string) {
	t.Helper()
	if err := os.Symlink(target, link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
}

// watched runs a source that polls once an hour and returns what it delivers.
func watched(t *testing.T, dir string) (snapshots <-chan *Snapshot, failures <-chan error) {
	t.Helper()
	s := open(dir)
	delivered, failed := make(chan *Snapshot, 100), make(chan error, 100)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx, func(s *Snapshot) { delivered <- s }, func(err error) { failed <- err })
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		s.Close()
	})
	return delivered, failed
}

func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing within 20 s")
		panic("unreachable")
	}
}

func TestChangeOfAFolderIsNoticed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "records")
	write(t, dir, metro(3))
	snapshots, failures := watched(t, dir)
	next(t, snapshots)
	if err := os.WriteFile(filepath.Join(dir, "ports.json"), []byte(`[{"id":`), 0o644); err != nil {
		t.Fatal(err)
	}
	next(t, failures)
	write(t, dir, metro(4))
	if s := next(t, snapshots); s.Counts[ixapi.Ports] != 4 {
		t.Errorf("%v", s.Counts)
	}
}

func TestFolderInPlaceOfAnotherIsWatched(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), metro(3))
	write(t, filepath.Join(dir, "b"), metro(4))
	link := filepath.Join(dir, "current")
	if err := os.Symlink("a", link); err != nil {
		t.Fatal(err)
	}
	snapshots, _ := watched(t, link)
	next(t, snapshots)
	relink(t, link, "b")
	if s := next(t, snapshots); s.Counts[ixapi.Ports] != 4 {
		t.Errorf("%v", s.Counts)
	}
	write(t, filepath.Join(dir, "b"), metro(5))
	if s := next(t, snapshots); s.Counts[ixapi.Ports] != 5 {
		t.Errorf("%v", s.Counts)
	}
}

func TestSourceIsMadeFromItsConfiguration(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "records"), metro(30))
	put(t, filepath.Join(dir, "ixagent.yaml"), `
sources:
  - {name: lab, type: file, path: records, max_shrink: 50%, shrink_allowance: 0}
credentials:
  none: {username: admin, password: env:PW}
inventory:
  devices:
    - {name: sw1, driver: memory, address: 192.0.2.1, credentials: none}
`)
	c, err := config.Load(filepath.Join(dir, "ixagent.yaml"), drivers.Registry{"memory": memorydriver.Spec()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(c.Sources[0], Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if accepted(t, s); s.Name() != "lab" {
		t.Errorf("name %q", s.Name())
	}
	write(t, filepath.Join(dir, "records"), metro(14))
	refused(t, s, "16 of 30 are gone, at most 15 may be")
	write(t, filepath.Join(dir, "records"), metro(15))
	accepted(t, s)
}
