package ssh_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gliderlabs/ssh"
	"github.com/google/go-cmp/cmp"
	gossh "golang.org/x/crypto/ssh"

	"github.com/ixagent/ixagent/drivers"
	cli "github.com/ixagent/ixagent/drivers/ssh"
)

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// execOnly opens a session without a command line with a device that serves its exec channels by f.
func execOnly(t *testing.T, timeout time.Duration, f func(ssh.Session)) *cli.Session {
	t.Helper()
	d := (&device{exec: f}).start(t, "127.0.0.1:0")
	d.Timeout, d.MaxMessage = timeout, 10_000
	s, err := cli.Dial(t.Context(), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestExecKeepsItsStreamsApart(t *testing.T) {
	s := execOnly(t, time.Minute, func(s ssh.Session) {
		in, _ := io.ReadAll(s)
		fmt.Fprintf(s, "ran %q with %q", s.RawCommand(), in)
		fmt.Fprint(s.Stderr(), "warning")
		_ = s.Exit(3)
	})
	for range 3 {
		out, err := s.Exec(t.Context(), "observe", `show 'x y' "$z"`, []byte("a\nb\n"))
		want := cli.Output{Stdout: []byte(`ran "show 'x y' \"$z\"" with "a\nb\n"`), Stderr: []byte("warning"), Status: 3}
		if diff := cmp.Diff(want, out); diff != "" || err != nil {
			t.Error(err, diff)
		}
	}
}

func TestExecRunsBesideTheCommandLine(t *testing.T) {
	d := &device{answers: map[string]string{"show": "a\n"}, exec: func(s ssh.Session) { fmt.Fprint(s, s.RawCommand()) }}
	s := open(t, d)
	for range 2 {
		if out, err := s.Exec(t.Context(), "observe", "show", nil); err != nil || string(out.Stdout) != "show" {
			t.Errorf("%+v, %v", out, err)
		}
		if out, err := s.Run(t.Context(), "observe", "show"); out != "a\n" || err != nil {
			t.Errorf("read %q, %v", out, err)
		}
	}
}

// signal ends the command by a signal (RFC 4254 6.10).
func signal(s ssh.Session, name string) {
	payload := struct {
		Signal  string
		Core    bool
		Message string
		Lang    string
	}{Signal: name}
	_, _ = s.SendRequest("exit-signal", false, gossh.Marshal(payload))
	_ = s.Close()
}

func TestExecThatDoesNotEndProperlyFails(t *testing.T) {
	for name, tt := range map[string]struct {
		f             func(ssh.Session)
		read, command drivers.Fault
		words         string
		open          bool // the session can still be used
	}{
		"signal":    {func(s ssh.Session) { fmt.Fprint(s, "half"); signal(s, "KILL") }, drivers.Incomplete, drivers.Unknown, "signal KILL", true},
		"no status": {func(s ssh.Session) { fmt.Fprint(s, "half"); _ = s.Close() }, drivers.Incomplete, drivers.Unknown, "without a status", true},
		"silent":    {func(s ssh.Session) { fmt.Fprint(s, "half"); <-s.Context().Done() }, drivers.Transient, drivers.Unknown, "no answer in time", false},
		"too much":  {func(s ssh.Session) { fmt.Fprint(s, strings.Repeat("x", 20_000)) }, drivers.Incomplete, drivers.Unknown, "more than is allowed", false},
		"too much on stderr": {func(s ssh.Session) {
			for s.Context().Err() == nil {
				fmt.Fprint(s.Stderr(), strings.Repeat("x", 1000))
			}
		}, drivers.Incomplete, drivers.Unknown, "more than is allowed", false},
		"disconnect": {func(s ssh.Session) {
			_ = s.Context().Value(ssh.ContextKeyConn).(io.Closer).Close()
		}, drivers.Transient, drivers.Unknown, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, func() {
				s := execOnly(t, soon, tt.f)
				out, err := s.Exec(t.Context(), "observe", "show", nil)
				wantFault(t, err, tt.read, tt.words)
				if len(out.Stdout)+len(out.Stderr) > 0 {
					t.Errorf("read %d octets", len(out.Stdout)+len(out.Stderr))
				}
				if !tt.open {
					_, err := s.Exec(t.Context(), "observe", "show", nil)
					wantFault(t, err, drivers.Transient, "no session")
				}
			})
			within(t, func() {
				s := execOnly(t, soon, tt.f)
				_, err := s.ExecCommit(t.Context(), "apply", "set", nil)
				wantFault(t, err, tt.command, tt.words)
			})
		})
	}
}

func TestCancelledContextEndsExec(t *testing.T) {
	s := execOnly(t, time.Minute, func(s ssh.Session) { <-s.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	within(t, func() {
		_, err := s.Exec(ctx, "observe", "show", nil)
		wantFault(t, err, drivers.Transient, "no answer in time")
	})
}
