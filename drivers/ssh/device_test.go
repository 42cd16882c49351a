package ssh

import (
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gliderlabs/ssh"
	"go.uber.org/goleak"
	gossh "golang.org/x/crypto/ssh"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "correct horse"

// device is a switch with a command line that says what it is told to. What it does not know it refuses.
type device struct {
	host     string
	prompts  func(mode string) string // nil for those of switchOS
	platform *Platform                // nil for switchOS
	banner   string
	newline  string                      // what ends its lines; CR LF
	answers  map[string]string           // commands to what they print
	serve    map[string]func(*terminal)  // commands that do more
	exec     func(ssh.Session)           // the exec channel
	write    func(w io.Writer, b []byte) // how bytes leave it
	eager    bool                        // it echoes what is typed when it comes, not when it is read
	again    bool                        // as eager, but while it listens, and what it reads once more, as readline does
	login    func(t *terminal)           // before the first prompt
	options  []ssh.Option                // of the server
	keys     []gossh.Signer              // host keys; one is made without any
	mu       sync.Mutex
	got      []string       // lines it has received
	busy     sync.WaitGroup // its sessions
	blank    bool           // an empty line stands before each prompt, as on Junos
}

// terminal is one session with a device.
type terminal struct {
	*device
	session ssh.Session
	mode    string // "" or "(config)"
	in      chan byte
	out     sync.Mutex
	listens atomic.Bool
}

// Write writes one piece. Between two, what is typed may be echoed.
func (t *terminal) Write(b []byte) (int, error) {
	t.out.Lock()
	defer t.out.Unlock()
	return t.session.Write(b)
}

func (t *terminal) print(text string) {
	b := []byte(strings.ReplaceAll(text, "\n", t.newline))
	if t.write != nil {
		t.write(t, b)
		return
	}
	_, _ = t.Write(b)
}

// key waits for one key.
func (t *terminal) key() byte { return <-t.in }

// keys reads one line without echo.
func (t *terminal) keys() string {
	var line []byte
	for c := range t.in {
		if c == '\n' {
			break
		}
		line = append(line, c)
	}
	return string(line)
}

// line reads one line, and echoes it.
func (t *terminal) line() (string, bool) {
	t.listens.Store(true)
	defer t.listens.Store(false)
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

func (t *terminal) prompt() string {
	if t.prompts != nil {
		return t.prompts(t.mode)
	}
	return t.host + t.mode + "#"
}

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
		answer, known := t.answers[line]
		t.mu.Unlock()
		switch f := t.serve[line]; {
		case f != nil:
			f(t)
		case known:
			t.print(answer)
		case line == "" || line[0] == '!' || line[0] == '#':
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
	d.busy.Add(1)
	defer d.busy.Done()
	if len(s.Command()) > 0 {
		if d.exec != nil {
			d.exec(s)
		}
		return
	}
	t := &terminal{device: d, session: s, in: make(chan byte, 1<<16)}
	go func() {
		defer close(t.in)
		b := make([]byte, 1<<10)
		for {
			n, err := s.Read(b)
			if t.eager || t.again && !t.listens.Load() {
				_, _ = t.Write([]byte(strings.ReplaceAll(string(b[:n]), "\n", t.newline)))
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

// server returns the device's SSH server.
func (d *device) server(t testing.TB) *ssh.Server {
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
	server.ChannelHandlers = map[string]ssh.ChannelHandler{"session": ssh.DefaultSessionHandler}
	for _, o := range d.options {
		if err := server.SetOption(o); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range d.keys {
		server.AddHostKey(k)
	}
	return server
}

// start serves the device on address and returns how it is reached.
func (d *device) start(t testing.TB, address string) drivers.Device {
	t.Helper()
	server := d.server(t)
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
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
		Timeout:  10 * time.Second,
	}
}

// attach opens a session with the device through a pipe, for tests that have a time of their own, and returns what
// closes it.
func (d *device) attach(t testing.TB, timeout time.Duration) (*Session, func()) {
	t.Helper()
	server := d.server(t)
	near, far := pipe()
	var wg sync.WaitGroup
	wg.Go(func() { server.HandleConn(far) })
	conn, channels, requests, err := gossh.NewClientConn(near, "switch1:22", &gossh.ClientConfig{
		User: "agent", Auth: []gossh.AuthMethod{gossh.Password(password)}, HostKeyCallback: gossh.FixedHostKey(d.keys[0].PublicKey()),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &Session{
		device: drivers.Device{Name: "switch1", Address: "switch1:22", Username: "agent", Password: secret.New(password)}, timeout: timeout, most: 100_000,
		log: slog.New(slog.DiscardHandler), conn: &connection{client: gossh.NewClient(conn, channels, requests), ended: make(chan struct{})},
	}
	s.conn.start()
	p := d.platform
	if p == nil {
		p = switchOS()
	}
	if err := s.start(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return s, func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		_ = far.Close()
		wg.Wait()
		d.busy.Wait()
	}
}

// answer says what the device prints at a command from now on.
func (d *device) answer(command, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answers[command] = text
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
func switchOS() *Platform {
	return &Platform{
		Name:    "test",
		Comment: "!",
		Modes: []Mode{
			{Name: "exec", Prompt: `{host}#`, Command: "enable"},
			{Name: "config", Prompt: `{host}\(config\)#`},
			{Name: "login", Prompt: `{host}>`},
		},
		Setup:     []string{"! terminal length 0"},
		Errors:    []string{`% `, `error: `},
		Questions: []Question{{Pattern: `--More-- ?`, Answer: " ", Bare: true}, {Pattern: `Proceed\? \[y/n\] ?`, Answer: "y"}, {Pattern: `Password: ?`, Password: true}},
		Forbidden: "?",
	}
}
