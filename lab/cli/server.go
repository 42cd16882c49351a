package cli

import (
	"bufio"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"

	"github.com/ixagent/ixagent/lab/switchd"
)

const (
	maxConns   = 64
	maxRecords = 1 << 16
	idle       = 30 * time.Minute
)

// Options describe a server.
type Options struct {
	Name   string // of the switch, for the log
	Listen string // address of the SSH server, such as "127.0.0.1:0"
	NOS    NOS

	HostKey gossh.Signer
	// Users are names and passwords, which are asked for as password and as keyboard-interactive authentication.
	Users map[string]string
	// Keys are the public keys with which a user may log in instead.
	Keys map[string][]gossh.PublicKey

	Banner string        // shown before the authentication
	Idle   time.Duration // without a byte for so long a connection is closed; zero: 30 minutes
	Faults *Faults       // nil: a healthy device
	Logger *slog.Logger
}

// Server serves command lines.
type Server struct {
	name   string
	nos    NOS
	style  Style
	faults *Faults
	users  map[string]string
	keys   map[string][]gossh.PublicKey
	key    gossh.Signer
	log    *slog.Logger
	lis    net.Listener
	ssh    *ssh.Server
	serve  sync.Once
	done   sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	conns   map[net.Conn]bool
	records []Record
}

// Record is a line that somebody has entered, or the command of an exec channel.
type Record struct {
	Time time.Time
	User string
	Line string
}

// New makes a server that listens and does not serve yet. Close must be called.
func New(o Options) (*Server, error) {
	if o.HostKey == nil {
		return nil, fmt.Errorf("command line of %s: needs a host key", o.Name)
	}
	if len(o.Users) == 0 && len(o.Keys) == 0 {
		return nil, fmt.Errorf("command line of %s: needs users", o.Name)
	}
	lis, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("command line of %s: %w", o.Name, err)
	}
	s := &Server{
		name: o.Name, nos: o.NOS, style: o.NOS.Style(), faults: o.Faults, users: maps.Clone(o.Users), keys: maps.Clone(o.Keys),
		key: o.HostKey, log: o.Logger, lis: lis, conns: make(map[net.Conn]bool),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.faults == nil {
		s.faults = new(Faults)
	}
	s.ssh = &ssh.Server{
		Handler: s.session, HostSigners: []ssh.Signer{o.HostKey}, Banner: o.Banner, IdleTimeout: o.Idle,
		ChannelHandlers: map[string]ssh.ChannelHandler{"session": ssh.DefaultSessionHandler},
		SessionRequestCallback: func(sess ssh.Session, kind string) bool {
			return kind == "shell" || kind == "exec" && !s.style.NoExec
		},
		PublicKeyHandler: func(ctx ssh.Context, key ssh.PublicKey) bool {
			return slices.ContainsFunc(s.keys[ctx.User()], func(k gossh.PublicKey) bool { return ssh.KeysEqual(k, key) })
		},
	}
	if s.ssh.IdleTimeout <= 0 {
		s.ssh.IdleTimeout = idle
	}
	if len(s.users) > 0 {
		s.ssh.PasswordHandler = func(ctx ssh.Context, password string) bool { return s.check(ctx.User(), password) }
		s.ssh.KeyboardInteractiveHandler = func(ctx ssh.Context, ask gossh.KeyboardInteractiveChallenge) bool {
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			return err == nil && len(answers) == 1 && s.check(ctx.User(), answers[0])
		}
	}
	return s, nil
}

func (s *Server) check(user, password string) bool {
	want, known := s.users[user]
	return subtle.ConstantTimeCompare([]byte(password), []byte(want)) == 1 && known
}

// Start begins to serve and returns.
func (s *Server) Start() { s.serve.Do(func() { s.done.Go(s.accept) }) }

// Addr is the address of the server.
func (s *Server) Addr() net.Addr { return s.lis.Addr() }

// KnownHost is the line of a known_hosts file that names the server's host key.
func (s *Server) KnownHost() string { return KnownHost(s.Addr().String(), s.key.PublicKey()) }

// KnownHost is the line of a known_hosts file for an address such as "127.0.0.1:2222".
func KnownHost(addr string, key gossh.PublicKey) string {
	host, port, err := net.SplitHostPort(addr)
	switch {
	case err != nil:
		host = addr
	case port != "22":
		host = "[" + host + "]:" + port
	}
	return host + " " + strings.TrimSpace(string(gossh.MarshalAuthorizedKey(key))) + "\n"
}

// Cut ends all connections without a farewell, as a reboot does.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// Close ends all sessions and waits for them. It may be called twice.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.lis.Close()
	s.Cut()
	s.done.Wait()
}

// Log returns the last lines that were entered, oldest first.
func (s *Server) Log() []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.records)
}

func (s *Server) record(user, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.records) >= maxRecords {
		s.records = slices.Delete(s.records, 0, maxRecords/2)
	}
	s.records = append(s.records, Record{time.Now(), user, line})
}

func (s *Server) accept() {
	for {
		conn, err := s.lis.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				s.log.Error("command line stopped serving", "device", s.name, "err", err)
			}
			return
		}
		if !s.admit(conn) {
			conn.Close()
		}
	}
}

// admit serves a connection unless the server is closed or has too many.
func (s *Server) admit(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= maxConns {
		return false
	}
	s.conns[conn] = true
	s.done.Go(func() {
		s.ssh.HandleConn(conn)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, conn)
	})
	return true
}

// hold keeps Close waiting until the function that it returns is called; nil if the server is closed.
func (s *Server) hold() func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.done.Add(1)
	return s.done.Done
}

func (s *Server) session(sess ssh.Session) {
	release := s.hold()
	if release == nil {
		return
	}
	defer release()
	conn, _ := sess.Context().Value(ssh.ContextKeyConn).(gossh.Conn)
	cut := func() { conn.Close() }
	if sess.RawCommand() != "" {
		s.exec(sess, cut)
		return
	}
	t := &Terminal{
		ctx: sess.Context(), user: sess.User(), style: s.style, faults: s.faults, cut: cut,
		in: bufio.NewReader(sess), out: bufio.NewWriterSize(sess, 32<<10), width: -1, length: -1,
	}
	pty, resized, ok := sess.Pty()
	if ok {
		t.echo = true
		t.resize(pty.Window.Width, pty.Window.Height)
		s.done.Go(func() {
			for w := range resized {
				t.resize(w.Width, w.Height)
			}
		})
	}
	s.shell(t)
	t.flush()
}

// shell serves the lines of a session.
func (s *Server) shell(t *Terminal) {
	if s.faults.muted() {
		<-t.ctx.Done()
		return
	}
	shell := s.nos.Open(t)
	defer shell.Close()
	t.raw(s.faults.current().Banner)
	for t.err == nil {
		e := editor{t: t, prompt: shell.Prompt, key: shell.Key}
		line, err := e.read()
		switch {
		case errors.Is(err, errAbort):
			continue
		case err != nil:
			return
		}
		s.record(t.user, line)
		if err := s.run(shell, t, line); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, errGone) {
				s.log.Error("command failed", "device", s.name, "err", err)
			}
			return
		}
	}
}

// run executes a line with the fault that strikes it.
func (s *Server) run(shell Shell, t *Terminal, line string) error {
	fault := s.faults.take(strings.TrimSpace(line))
	t.begin(nil)
	t.flush()
	switch fault.Kind {
	case CutBefore:
		t.cut()
		return errGone
	case Meanwhile:
		fault.Do()
	case Ask:
		answer, err := t.Ask(fault.Text, true)
		if errors.Is(err, errAbort) {
			return nil
		}
		if yes := strings.ToLower(strings.TrimSpace(answer)); err != nil || yes != "y" && yes != "yes" {
			return err
		}
	case Answer:
		_, err := io.WriteString(t, fault.Text)
		return err
	case CutAfter:
		t.quit = true
	default:
		t.begin(newStrike(fault))
	}
	err := shell.Run(t, line)
	if fault.Kind == CutAfter || errors.Is(err, switchd.ErrCut) {
		t.cut()
		return errGone
	}
	if err == nil {
		err = t.err
	}
	return err
}

// exec serves an exec channel.
func (s *Server) exec(sess ssh.Session, cut func()) {
	s.record(sess.User(), sess.RawCommand())
	fault := s.faults.take(strings.TrimSpace(sess.RawCommand()))
	t := &Terminal{
		ctx: sess.Context(), user: sess.User(), style: s.style, faults: s.faults, cut: cut,
		out: bufio.NewWriterSize(sess, 32<<10), in: bufio.NewReader(sess), strike: newStrike(fault),
	}
	defer t.flush()
	if s.faults.muted() {
		<-t.ctx.Done()
		return
	}
	switch fault.Kind {
	case CutBefore:
		cut()
		return
	case Meanwhile:
		fault.Do()
	case Answer:
		t.raw(fault.Text)
		return
	case CutAfter:
		t.quit = true
	case Ask:
		t.raw(fault.Text)
		t.flush()
		<-t.ctx.Done()
		return
	}
	e := &Exec{Context: t.ctx, User: t.user, Command: sess.RawCommand(), Stdin: t.in, Stdout: t, Stderr: sess.Stderr()}
	status := s.nos.Exec(e)
	if fault.Kind == CutAfter || e.Cut {
		cut()
		return
	}
	if t.flush(); t.err == nil {
		_ = sess.Exit(status)
	}
}
