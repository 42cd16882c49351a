package junos_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/ixagent/ixagent/lab/cli"
	"github.com/ixagent/ixagent/lab/cli/junos"
	"github.com/ixagent/ixagent/lab/switchd"
)

func TestMain(m *testing.M) {
	// ygot imports glog, whose init starts a goroutine for ever.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

// bench is a lab switch with the command line of Junos.
type bench struct {
	nos    *junos.NOS
	sw     *switchd.Switch
	server *cli.Server
	faults *cli.Faults
}

func newBench(t testing.TB, more ...func(*junos.Options, *switchd.Options)) *bench {
	t.Helper()
	o := junos.Options{Name: "sw1", Ports: junos.Ports(8), Minute: 200 * time.Millisecond}
	so := switchd.Options{Name: "sw1", Listen: "127.0.0.1:0", Users: map[string]string{"lab": "secret"}}
	for _, f := range more {
		f(&o, &so)
	}
	box, err := junos.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := switchd.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	so.TLS, so.Ports, so.Native = &tls.Config{Certificates: []tls.Certificate{pair}}, o.Ports, box.Native()
	sw, err := switchd.New(so)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sw.Close)
	if err := box.Attach(sw); err != nil {
		t.Fatal(err)
	}
	b := &bench{nos: box, sw: sw, faults: new(cli.Faults)}
	key, err := ssh.NewSignerFromKey(switchd.Secret("secret").HostKey("sw1"))
	if err != nil {
		t.Fatal(err)
	}
	b.server, err = cli.New(cli.Options{Name: "sw1", Listen: "127.0.0.1:0", NOS: box, HostKey: key, Users: map[string]string{"lab": "secret", "eve": "secret"}, Faults: b.faults})
	if err != nil {
		t.Fatal(err)
	}
	b.server.Start()
	t.Cleanup(b.server.Close)
	return b
}

func (b *bench) dial(t testing.TB, user string) *ssh.Client {
	t.Helper()
	c, err := ssh.Dial("tcp", b.server.Addr().String(), &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.Password("secret")}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// exec runs one command on a channel of its own.
func (b *bench) exec(t testing.TB, command string) (stdout, stderr string, status int) {
	t.Helper()
	s, err := b.dial(t, "lab").NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var out, errs bytes.Buffer
	s.Stdout, s.Stderr = &out, &errs
	err = s.Run(command)
	var exit *ssh.ExitError
	switch {
	case errors.As(err, &exit):
		status = exit.ExitStatus()
	case err != nil:
		t.Fatal(err)
	}
	return out.String(), errs.String(), status
}

// terminal is a person at a terminal.
type terminal struct {
	t    testing.TB
	in   io.Writer
	mu   sync.Mutex
	got  strings.Builder
	more chan struct{}
	over bool
	seen int
	who  string
}

func (x *terminal) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	n, err := x.got.Write(p)
	select {
	case x.more <- struct{}{}:
	default:
	}
	return n, err
}

// open logs in and waits for the prompt.
func (b *bench) open(t testing.TB, user string) *terminal {
	t.Helper()
	s, err := b.dial(t, user).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RequestPty("vt100", 1000, 500, ssh.TerminalModes{}); err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, more: make(chan struct{}, 1), who: user + "@sw1"}
	s.Stdout, s.Stderr = x, x
	if x.in, err = s.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.Shell(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.Wait()
		x.mu.Lock()
		x.over = true
		x.mu.Unlock()
		x.Write(nil)
	}()
	x.until(x.who + "> ")
	return x
}

// until returns what was shown since the last time, up to one of some ends.
func (x *terminal) until(ends ...string) string {
	x.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		x.mu.Lock()
		text, over := strings.ReplaceAll(x.got.String()[x.seen:], "\r", ""), x.over
		n := x.got.Len()
		x.mu.Unlock()
		for _, end := range ends {
			if strings.HasSuffix(text, end) || over {
				x.seen = n
				return text
			}
		}
		select {
		case <-x.more:
		case <-limit:
			x.t.Fatalf("no %q after %q", ends, text)
		}
	}
}

func (x *terminal) typed(text string) {
	x.t.Helper()
	if _, err := io.WriteString(x.in, text); err != nil {
		x.t.Fatal(err)
	}
}

// run enters a line and returns its output without echo and prompt.
func (x *terminal) run(line string) string {
	x.t.Helper()
	x.typed(line + "\n")
	out := x.until(x.who+"> ", x.who+"# ")
	_, out, _ = strings.Cut(out, "\n")
	if i := strings.LastIndex(out, "\n"); i >= 0 {
		out = out[:i+1]
	}
	head := strings.LastIndex(out, "[edit")
	if head < 0 || !strings.HasSuffix(out, "]\n") {
		head = len(out)
	}
	out = strings.TrimSuffix(out[:head], "\n")
	if i := strings.LastIndex(out, "\n# commit confirmed will be rolled back in "); i >= 0 {
		out = out[:i]
	}
	return strings.TrimSuffix(out, "\n")
}

// must runs lines that have no output.
func (x *terminal) must(lines ...string) {
	x.t.Helper()
	for _, l := range lines {
		if out := x.run(l); out != "" {
			x.t.Errorf("%s: %s", l, out)
		}
	}
}

// exclusive opens the exclusive candidate. A session that was cut may have its lock for a moment more.
func (x *terminal) exclusive() {
	x.t.Helper()
	for strings.Contains(x.run("configure exclusive"), "locked") {
	}
}

// want runs a line of which the output must contain a text.
func (x *terminal) want(line, text string) {
	x.t.Helper()
	if out := x.run(line); !strings.Contains(out, text) {
		x.t.Errorf("%s:\n%s\nlacks:\n%s", line, out, text)
	}
}
