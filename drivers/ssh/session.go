package ssh

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"time"

	"github.com/scrapli/scrapligo/driver/network"
	"github.com/scrapli/scrapligo/driver/options"
	"github.com/scrapli/scrapligo/platform"

	"github.com/ixagent/ixagent/drivers"
)

// The defaults of a session.
const (
	DefaultTimeout    = time.Minute
	DefaultMaxMessage = 64 << 20
)

// How long a device must be silent.
const (
	quiet   = 30 * time.Millisecond  // behind what looks like its prompt, before it is asked whether it is
	settled = 100 * time.Millisecond // in a question that has an answer, before it is given
	puzzled = time.Second            // in what looks like a question that has none, before the operation fails
	shy     = 3 * time.Second        // after the login, before it is spoken to without a prompt
)

// errNoCommandLine is the error of a session that was opened without a platform.
var errNoCommandLine = errors.New("the session has no command line")

// linesPerTimeout is how many lines of configuration one timeout is for.
const linesPerTimeout = 1000

// Session is one session. Its methods are never called concurrently.
type Session struct {
	device  drivers.Device
	os      *Platform // nil without a command line
	timeout time.Duration
	most    int
	log     *slog.Logger
	conn    *connection

	grammar *grammar        // nil without a command line, as the next four
	shell   *shell          //
	driver  *network.Driver // of scrapligo
	screen  screen          // what has come since the last line was sent
	mode    string          //
	proof   string          // the line that proved the last end
	gaps    map[string]int  // newlines between such a line and the prompt, by mode
	ring    ring
	dead    error // why nothing can be done any more
}

// Refusal is a device's no to a line that it understood, or did not.
type Refusal struct {
	Line string
	Text string // the device's words
}

// Error implements error.
func (r *Refusal) Error() string { return fmt.Sprintf("%q is refused: %s", r.Line, r.Text) }

// Unanswered is a question of the device to which the platform has no answer.
type Unanswered struct {
	Line string
	Text string // the device's words
}

// Error implements error.
func (u *Unanswered) Error() string {
	return fmt.Sprintf("%q is answered with a question: %s", u.Line, u.Text)
}

// Dial logs in to d, learns its prompt and sets the command line up. With p nil there is no command line, but Exec.
// The host is verified unless d.SSH says otherwise. Credentials that are refused and a host that is not the one that
// was meant have fault [drivers.Denied].
func Dial(ctx context.Context, d drivers.Device, p *Platform) (*Session, error) {
	s := &Session{device: d, os: p, timeout: d.Timeout, most: d.MaxMessage, log: d.Log}
	if s.timeout <= 0 {
		s.timeout = DefaultTimeout
	}
	if s.most <= 0 {
		s.most = DefaultMaxMessage
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var err error
	if s.conn, err = connect(ctx, d, s.log); err != nil {
		fault := drivers.Transient
		if errors.As(err, new(denied)) {
			fault = drivers.Denied
		}
		return nil, s.Fail("dial", fault, err)
	}
	if p == nil {
		return s, nil
	}
	if err := s.start(ctx, p); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// start opens the command line.
func (s *Session) start(ctx context.Context, p *Platform) error {
	o, err := s.begin(ctx, "dial", reads, 1)
	if err != nil {
		return err
	}
	defer o.done()
	if s.grammar, err = p.with(aHost, s.device.Username); err != nil {
		return s.Fail("dial", drivers.Unsupported, err)
	}
	s.gaps = make(map[string]int)
	s.shell = &shell{conn: s.conn, buf: make([]byte, 32<<10), log: &s.ring, most: int64(s.most), arrived: make(chan struct{}, 1)}
	if s.driver, err = s.network(); err != nil {
		return s.Fail("dial", drivers.Unsupported, err)
	}
	if err := s.driver.Open(); err != nil {
		return o.broken(drivers.Transient, err)
	}
	if err := o.learn(p); err != nil {
		return err
	}
	if first := s.grammar.modes[0]; s.mode != first.Name {
		if first.Command == "" {
			return o.broken(drivers.Transient, fmt.Errorf("the session begins in mode %s", s.mode))
		}
		if _, err := s.Enter(o.ctx, "dial", first.Name, first.Command); err != nil {
			return err
		}
	}
	for _, command := range p.Setup {
		if _, err := s.Run(o.ctx, "dial", command); err != nil {
			return err
		}
	}
	return nil
}

// network returns scrapligo's driver for the grammar.
func (s *Session) network() (*network.Driver, error) {
	definition, err := s.grammar.definition()
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(s.device.Address)
	if err != nil {
		return nil, err
	}
	p, err := platform.NewPlatform(definition, host, options.WithCustomTransport(s.shell))
	if err != nil {
		return nil, err
	}
	return p.GetNetworkDriver()
}

// learn finds out the device's prompt: it is what stands before and behind a line that nobody could foresee.
func (o *operation) learn(p *Platform) error {
	s := o.session
	for {
		if err := o.look(); err != nil {
			return err
		}
		line := s.nonce()
		if err := o.key(line + "\n"); err != nil { // the prompt before it stays on the screen
			return err
		}
		for {
			if host, ok := s.learned(line); ok {
				var err error
				if s.grammar, err = p.with(regexp.QuoteMeta(host), s.device.Username); err != nil {
					return s.Fail("dial", drivers.Unsupported, err)
				}
				named, err := s.network()
				if err != nil {
					return s.Fail("dial", drivers.Unsupported, err)
				}
				s.driver.PrivilegeLevels = named.PrivilegeLevels
				s.driver.UpdatePrivileges()
				// What was typed before the device listened may come twice.
				if err := o.settle("", quiet); err != nil {
					return err
				}
				_, err = o.prove()
				return err
			}
			more, err := o.more(puzzled)
			if err != nil {
				return err
			}
			if !more {
				break // it was not listening yet
			}
		}
	}
}

// look waits until the device seems to wait for a command.
func (o *operation) look() error {
	s := o.session
	for {
		wait := shy
		at, _ := s.grammar.prompt(s.screen.text())
		if at >= 0 {
			wait = quiet
		}
		asked := o.question()
		if asked > 0 {
			wait = asked
		}
		more, err := o.more(wait)
		if err != nil {
			return err
		}
		if !more {
			if asked == 0 {
				return nil
			}
			if err := o.answer(""); err != nil {
				return err
			}
		}
	}
}

// learned returns the device's name and sets the mode, if the screen ends in the line between two equal prompts.
func (s *Session) learned(line string) (string, bool) {
	before, after, ok := bytes.Cut(s.screen.text(), []byte(line+"\n"))
	if !ok {
		return "", false
	}
	at, name := s.grammar.prompt(before)
	if at < 0 {
		return "", false
	}
	prompt := bytes.TrimLeft(before[at:], "\n")
	if again := bytes.TrimLeft(after, "\n"); !bytes.Equal(prompt, again) || !s.grammar.is(name, again) {
		return "", false
	}
	for _, m := range s.grammar.modes {
		if m.Name != name {
			continue
		}
		s.mode = name
		found := m.whole.FindSubmatch(prompt)
		if i := m.whole.SubexpIndex("host"); i > 0 && found != nil {
			return string(found[i]), true
		}
	}
	return "", true // its prompt does not name it
}

// nonce returns a line that the device reads over and that nobody could foresee.
func (s *Session) nonce() string {
	return s.grammar.Comment + " ixagent-" + strings.ToLower(rand.Text()[:16])
}

// Run sends one command and returns its whole output, lines that each end in a newline, without echo and prompt. The
// mode must stay. A refusal has fault [drivers.Rejected] and is a [*Refusal]; it is looked for at the beginning and at
// the end of the output, not in the middle of a configuration. Of questions only a pager's are answered.
func (s *Session) Run(ctx context.Context, op, command string) (string, error) {
	return s.command(ctx, op, reads, toPager, s.mode, command)
}

// Enter sends a command that leads to mode, which may be the present one, and returns what the device remarked. All
// questions are answered that the platform has an answer for.
func (s *Session) Enter(ctx context.Context, op, mode, command string) (string, error) {
	return s.command(ctx, op, reads, toAll, mode, command)
}

// Commit is Enter for a command that changes the device: once it is sent, any failure but a refusal has fault
// [drivers.Unknown]. The password is not given.
func (s *Session) Commit(ctx context.Context, op, mode, command string) (string, error) {
	return s.command(ctx, op, commits, toQuestions, mode, command)
}

func (s *Session) command(ctx context.Context, op string, e effect, a answers, mode, command string) (string, error) {
	o, err := s.begin(ctx, op, e, 1)
	if err != nil {
		return "", err
	}
	defer o.done()
	if s.grammar == nil {
		return "", s.Fail(op, drivers.Unsupported, errNoCommandLine)
	}
	o.answers = a
	if err := s.grammar.sendable(command); err != nil {
		return "", s.Fail(op, drivers.Rejected, err)
	}
	if err := o.forget(); err != nil {
		return "", err
	}
	if err := o.write(command); err != nil {
		return "", err
	}
	if err := o.settle(command, quiet); err != nil {
		return "", err
	}
	out, err := o.prove()
	if err != nil {
		return "", err
	}
	if words := s.grammar.refused(edges(out)); words != "" {
		return "", s.Fail(op, drivers.Rejected, &Refusal{command, words})
	}
	if s.mode != mode {
		if before := o.mode; s.mode == before {
			return "", s.Fail(op, drivers.Rejected, &Refusal{command, printable(string(out))})
		}
		return "", o.broken(drivers.Incomplete, fmt.Errorf("%q leads to mode %s", command, s.mode))
	}
	return string(out), nil
}

// Send sends lines of configuration, each of which must leave the device in the present mode, and returns what it
// remarked. The first refusal ends it: fault [drivers.Rejected] and a [*Refusal]. The timeout is for each thousand lines.
func (s *Session) Send(ctx context.Context, op string, lines []string) ([]string, error) {
	o, err := s.begin(ctx, op, reads, 1+len(lines)/linesPerTimeout)
	if err != nil {
		return nil, err
	}
	defer o.done()
	if s.grammar == nil {
		return nil, s.Fail(op, drivers.Unsupported, errNoCommandLine)
	}
	if len(lines) == 0 {
		return nil, nil // there is no prompt to wait for
	}
	o.answers = toQuestions
	for _, line := range lines {
		if err := s.grammar.sendable(line); err != nil {
			return nil, s.Fail(op, drivers.Rejected, err)
		}
	}
	if err := o.forget(); err != nil {
		return nil, err
	}
	var remarks []string
	var refusal *Refusal
	for _, line := range lines {
		if err := o.write(line); err != nil {
			return nil, err
		}
		if err := o.settle(line, 0); err != nil {
			return nil, err
		}
		at, mode := s.grammar.prompt(s.screen.text())
		if mode != s.mode {
			return nil, o.broken(drivers.Incomplete, fmt.Errorf("%q leads to mode %s", line, mode))
		}
		out := s.screen.text()[:at]
		if words := s.grammar.refused(out); words != "" {
			refusal = &Refusal{line, words}
			break
		}
		if words := printable(string(out)); words != "" {
			remarks = append(remarks, words)
		}
	}
	if _, err := o.prove(); err != nil {
		return nil, err
	}
	if s.mode != o.mode {
		return nil, o.broken(drivers.Incomplete, fmt.Errorf("the lines lead to mode %s", s.mode))
	}
	if refusal != nil {
		return nil, s.Fail(op, drivers.Rejected, refusal)
	}
	return remarks, nil
}

// refused returns the device's words if out has a line that is a refusal, or "".
func (g *grammar) refused(out []byte) string {
	if g.refusal == nil || !g.refusal.Match(out) {
		return ""
	}
	return printable(string(out))
}

// edges returns the first and the last lines of a long output.
func edges(out []byte) []byte {
	const lines, most = 8, 4 << 10
	if bytes.Count(out, []byte("\n")) <= 2*lines {
		return out
	}
	var head, tail int
	for i := 0; i < lines; i++ {
		head += bytes.IndexByte(out[head:], '\n') + 1
	}
	for tail = len(out) - 1; tail > head && bytes.Count(out[tail:], []byte("\n")) <= lines; tail-- {
	}
	return append(bytes.Clone(out[:head]), out[tail+1:]...)
}

// Mode returns the name of the present mode.
func (s *Session) Mode() string { return s.mode }

// Device returns the name of the device.
func (s *Session) Device() string { return s.device.Name }

// Log returns the last of what the command line has shown, for an error report: whole lines without secrets.
func (s *Session) Log() []byte {
	secrets := regexp.MustCompile(usualSecrets)
	if s.grammar != nil {
		secrets = s.grammar.secrets
	}
	words := []string{s.device.Password.Reveal()}
	if s.device.SSH != nil {
		words = append(words, s.device.SSH.Passphrase.Reveal())
	}
	return s.ring.text(secrets, words)
}

// Close ends the session and returns when nothing of it is left.
func (s *Session) Close() error {
	s.conn.end(errClosed)
	var err error
	if s.driver != nil {
		err = s.driver.Close()
	}
	s.conn.wait()
	return err
}

// Again returns the session if it lives, and otherwise a new one with the same device. A driver begins each of its
// operations with it: what was under way when the session ended is over, and is never gone on with.
func (s *Session) Again(ctx context.Context, op string) (*Session, error) {
	if err := ctx.Err(); err != nil {
		return s, s.Fail(op, drivers.Transient, err)
	}
	if s.alive() {
		return s, nil
	}
	if errors.Is(s.conn.cause, errClosed) {
		return s, s.Fail(op, drivers.Transient, errClosed)
	}
	again, err := Dial(ctx, s.device, s.os)
	if err != nil {
		return s, err
	}
	_ = s.Close() // it has ended, and why was told
	return again, nil
}

// Fail returns err as an error of the device.
func (s *Session) Fail(op string, f drivers.Fault, err error) error {
	return &drivers.Error{Device: s.device.Name, Op: op, Fault: f, Err: err}
}

func (s *Session) alive() bool {
	select {
	case <-s.conn.ended:
		return false
	default:
		return s.dead == nil
	}
}
