package ssh_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gliderlabs/ssh"
	"go.uber.org/goleak"
	gossh "golang.org/x/crypto/ssh"

	"github.com/ixagent/ixagent/drivers"
	cli "github.com/ixagent/ixagent/drivers/ssh"
	"github.com/ixagent/ixagent/models/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "correct horse"

// device is a switch with a command line that says what it is told to. What it does not know it refuses.
type device struct {
	host    string
	banner  string
	newline string                      // what ends its lines; CR LF
	answers map[string]string           // commands to what they print
	serve   map[string]func(*terminal)  // commands that do more
	exec    func(ssh.Session)           // the exec channel
	write   func(w io.Writer, b []byte) // how bytes leave it
	eager   bool                        // it echoes what is typed when it comes, not when it is read
	login   func(t *terminal)           // before the first prompt
	options []ssh.Option                // of the server
	keys    []gossh.Signer              // host keys; one is made without any
	mu      sync.Mutex
	got     []string // lines it has received
}

// terminal is one session with a device.
type terminal struct {
	*device
	session ssh.Session
	mode    string // "" or "(config)"
	in      chan byte
	out     sync.Mutex
}

func (t *terminal) print(text string) {
	t.out.Lock()
	defer t.out.Unlock()
	b := []byte(strings.ReplaceAll(text, "\n", t.newline))
	if t.write != nil {
		t.write(t.session, b)
		return
	}
	_, _ = t.session.Write(b)
}

// key waits for one key.
func (t *terminal) key() byte { return <-t.in }

// line reads one line, and echoes it.
func (t *terminal) line() (string, bool) {
	var line []byte
	for c := range t.in {
		switch {
		case c == '\n' || c == '\r':
			if !t.eager {
				t.print(string(line) + "\n")
			}
			return string(line), true
		default:
			line = append(line, c)
		}
	}
	return "", false
}

func (t *terminal) prompt() string { return t.host + t.mode + "#" }

func (t *terminal) run() {
	t.print(t.banner)
	if t.login != nil {
		t.login(t)
	}
	for {
		t.print(t.prompt())
		line, ok := t.line()
		if !ok {
			return
		}
		t.mu.Lock()
		t.got = append(t.got, line)
		t.mu.Unlock()
		answer, known := t.answers[line]
		switch f := t.serve[line]; {
		case f != nil:
			f(t)
		case known:
			t.print(answer)
		case line == "" || line[0] == '!':
		case line == "configure":
			t.mode = "(config)"
		case line == "end":
			t.mode = ""
		case t.mode != "" && !strings.HasPrefix(line, "wrong"):
		default:
			t.print("% Invalid input\n")
		}
	}
}

func (d *device) handle(s ssh.Session) {
	if len(s.Command()) > 0 {
		d.exec(s)
		return
	}
	t := &terminal{device: d, session: s, in: make(chan byte, 1<<16)}
	go func() {
		defer close(t.in)
		b := make([]byte, 1<<10)
		for {
			n, err := s.Read(b)
			if t.eager {
				t.print(strings.ReplaceAll(string(b[:n]), "\r", "\n"))
			}
			for _, c := range b[:n] {
				t.in <- c
			}
			if err != nil {
				return
			}
		}
	}()
	t.run()
}

// start serves the device on address and returns how it is reached.
func (d *device) start(t testing.TB, address string) drivers.Device {
	t.Helper()
	if d.newline == "" {
		d.newline = "\r\n"
	}
	if d.host == "" {
		d.host = "sw1"
	}
	if len(d.keys) == 0 {
		d.keys = []gossh.Signer{newSigner(t)}
	}
	server := &ssh.Server{Handler: d.handle, PasswordHandler: func(_ ssh.Context, p string) bool { return p == password }}
	for _, o := range d.options {
		if err := server.SetOption(o); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range d.keys {
		server.AddHostKey(k)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skip("no such address here: ", err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() {
		_ = server.Close()
		wg.Wait()
	})
	return drivers.Device{
		Name:     "switch1",
		Address:  l.Addr().String(),
		Username: "agent",
		Password: secret.New(password),
		SSH:      &drivers.SSH{HostKeys: []string{gossh.FingerprintSHA256(d.keys[0].PublicKey())}},
		Timeout:  5 * time.Second,
	}
}

// lines returns what the device has been sent, without what the session asks to make sure.
func (d *device) lines() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	for _, l := range d.got {
		if !strings.HasPrefix(l, "! ixagent-") {
			out = append(out, l)
		}
	}
	return out
}

func newSigner(t testing.TB) gossh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gossh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// switchOS is the platform of a device.
func switchOS() *cli.Platform {
	return &cli.Platform{
		Name:    "test",
		Comment: "!",
		Modes: []cli.Mode{
			{Name: "exec", Prompt: `{host}#`, Command: "enable"},
			{Name: "config", Prompt: `{host}\(config\)#`},
			{Name: "login", Prompt: `{host}>`},
		},
		Setup:     []string{"! terminal length 0"},
		Errors:    []string{`% `, `error: `},
		Questions: []cli.Question{{Pattern: `--More-- ?`, Answer: " ", Bare: true}, {Pattern: `Proceed\? \[y/n\] ?`, Answer: "y"}, {Pattern: `Password: ?`, Password: true}},
		Forbidden: "?",
	}
}
