package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/ixagent/ixagent/drivers"
)

// effect says what is lost with the answer to a command.
type effect bool

const (
	reads   effect = false // nothing
	commits effect = true  // whether the device has changed
)

// fault returns the fault of a failure after or before a command was sent.
func (e effect) fault(f drivers.Fault, sent bool) drivers.Fault {
	if e == commits && sent {
		return drivers.Unknown
	}
	return f
}

// answers are the questions that are answered. What a device shows may look like a question, and an answer given to
// it is a command.
type answers int

const (
	toPager     answers = iota // only those that want a key
	toQuestions                // and those that want a line, but for the password
	toAll
)

// operation is one exchange with the device within one deadline.
type operation struct {
	session *Session
	ctx     context.Context // of the operation alone, and no longer than it
	cancel  context.CancelFunc
	stop    func() bool
	op      string
	effect  effect
	mode    string // at its beginning
	sent    bool
	answers answers
	told    bool // the password was given
	looked  int  // where the question stands that was answered last
}

// begin opens an operation with a deadline of so many timeouts. When it passes, or ctx ends, the connection does.
func (s *Session) begin(ctx context.Context, op string, e effect, timeouts int) (*operation, error) {
	if !s.alive() {
		err := s.dead
		if err == nil {
			err = s.conn.cause
		}
		return nil, s.Fail(op, drivers.Transient, fmt.Errorf("no session: %w", err))
	}
	o := &operation{session: s, op: op, effect: e, mode: s.mode, looked: -1}
	o.ctx, o.cancel = context.WithTimeout(ctx, time.Duration(timeouts)*s.timeout)
	o.stop = context.AfterFunc(o.ctx, func() { s.conn.end(o.ctx.Err()) })
	return o, nil
}

func (o *operation) done() {
	o.stop()
	o.cancel()
}

// broken ends the session, as nobody knows what the device will say next, and returns the failure.
func (o *operation) broken(f drivers.Fault, err error) error {
	s := o.session
	switch ended := o.ctx.Err(); {
	case ended != nil:
		f, err = drivers.Transient, fmt.Errorf("no answer in time: %w", ended)
		if last := printable(string(s.screen.partial())); last != "" {
			err = fmt.Errorf("no answer in time, the device stopped at %q: %w", last, ended)
		}
	case !s.alive() && errors.Is(s.conn.cause, errTooMuch):
		f, err = drivers.Incomplete, s.conn.cause
	case !s.alive() && s.conn.cause != nil:
		err = s.conn.cause
	}
	s.dead = err
	o.stop()
	s.conn.end(err)
	if s.grammar != nil && s.log.Enabled(o.ctx, slog.LevelDebug) {
		s.log.Debug("session ends in doubt", "device", s.device.Name, "op", o.op, "err", err, "said", string(s.Log()))
	}
	return s.Fail(o.op, o.effect.fault(f, o.sent), err)
}

// write sends a line. What has come before is forgotten.
func (o *operation) write(line string) error {
	o.session.screen.reset()
	o.looked, o.told = -1, false
	o.sent = true
	return o.key(line + "\n")
}

// key sends octets as they are.
func (o *operation) key(text string) error {
	if err := o.session.driver.Channel.Write([]byte(text), true); err != nil {
		return o.broken(drivers.Transient, err)
	}
	return nil
}

// drain takes what scrapligo has put away.
func (o *operation) drain() error {
	s := o.session
	for {
		b, err := s.driver.Channel.Read()
		if err != nil {
			return o.broken(drivers.Transient, err)
		}
		if len(b) == 0 {
			return nil
		}
		s.shell.waiting.Add(-int64(len(b)))
		s.screen.write(b)
		if len(s.screen.out) > s.most {
			return o.broken(drivers.Incomplete, errTooMuch)
		}
	}
}

// forget drops what the device has said since the last operation: nobody asked. If it is the line that proved the last
// end once more, then that was none.
func (o *operation) forget() error {
	s := o.session
	s.screen.reset()
	if err := o.drain(); err != nil {
		return err
	}
	if s.proof != "" && bytes.Contains(s.screen.out, []byte(s.proof)) {
		return o.broken(drivers.Incomplete, errRepeats)
	}
	return nil
}

// more waits for data, and reports whether some came before the device was silent for so long.
func (o *operation) more(silent time.Duration) (bool, error) {
	s := o.session
	timer := time.NewTimer(silent)
	defer timer.Stop()
	for before := s.screen.taken; ; {
		if err := o.drain(); err != nil {
			return false, err
		}
		if s.screen.taken != before {
			return true, nil
		}
		select {
		case <-s.shell.arrived:
		case <-timer.C:
			return false, nil
		case <-s.conn.ended:
			return false, o.broken(drivers.Transient, s.conn.cause)
		case <-o.ctx.Done():
			return false, o.broken(drivers.Transient, o.ctx.Err())
		}
	}
}

// settle reads until the device, having echoed the line, shows a prompt and says nothing more for a while. Questions
// are answered on the way.
func (o *operation) settle(line string, silent time.Duration) error {
	s := o.session
	echoed := line == ""
	for {
		if !echoed {
			var before []byte
			before, echoed = s.screen.cutEcho(line)
			if echoed && silent == 0 && len(before) > 0 && !s.grammar.is(s.mode, before) {
				return o.broken(drivers.Incomplete, fmt.Errorf("the device said %q without being asked", printable(string(before))))
			}
		}
		const never = time.Hour // the operation ends before
		wait := never
		at, asked := -1, time.Duration(0)
		if echoed {
			if at, _ = s.grammar.prompt(s.screen.text()); at >= 0 {
				if silent == 0 || at == 0 && line != "" { // nothing came that could look like it
					return o.undamaged()
				}
				wait = silent
			} else {
				if asked = o.question(); asked > 0 {
					wait = asked
				}
			}
		}
		more, err := o.more(wait)
		if err != nil {
			return err
		}
		switch {
		case more:
		case at >= 0:
			return o.undamaged()
		case asked > 0:
			if err := o.answer(line); err != nil {
				return err
			}
		}
	}
}

// undamaged fails if the device has written over its own output.
func (o *operation) undamaged() error {
	if o.session.screen.damaged > 0 {
		return o.broken(drivers.Incomplete, errors.New("the device has written over its own output"))
	}
	return nil
}

// cutEcho takes the line that was sent, and what stands before it, off the screen, returns that, without space around
// it, and reports whether the line was there.
func (s *screen) cutEcho(line string) ([]byte, bool) {
	for from := 0; ; {
		i := bytes.Index(s.out[from:], []byte(line))
		if i < 0 {
			return nil, false
		}
		from += i
		behind := s.out[from+len(line):]
		end := bytes.IndexByte(behind, '\n')
		if end < 0 {
			return nil, false
		}
		if len(bytes.TrimSpace(behind[:end])) == 0 {
			before := bytes.Clone(bytes.TrimSpace(s.out[:from]))
			s.cut(from + len(line) + end + 1)
			return before, true
		}
		from++
	}
}

// cut takes the first n octets, which are whole lines, off the screen.
func (s *screen) cut(n int) {
	s.out = append(s.out[:0], s.out[n:]...)
	s.line -= n
	s.damaged = max(s.damaged-n, 0)
}

// aQuestion is what most questions end in.
var aQuestion = regexp.MustCompile(`(?i)(\?|\[[^\]]*\]|\([^()]*/[^()]*\)|pass(word|phrase|code)[^:]*:|-- ?more ?--|---\(more[^)]*\)---|press .* key.*)[ :.]*\z`)

// question returns how long the device must be silent until its last line is taken for a question: 0 if it is none.
func (o *operation) question() time.Duration {
	s := o.session
	partial := s.screen.partial()
	if len(partial) == 0 || o.looked == s.screen.line {
		return 0
	}
	if o.known(partial) != nil {
		return settled
	}
	if aQuestion.Match(partial) {
		return puzzled
	}
	return 0
}

// known returns the question that partial is, if it may be answered.
func (o *operation) known(partial []byte) *question {
	for i := range o.session.grammar.questions {
		q := &o.session.grammar.questions[i]
		if (q.Bare || o.answers >= toQuestions) && (!q.Password || o.answers >= toAll) && q.whole.Match(partial) {
			return q
		}
	}
	return nil
}

// answer answers the question in the last line, or fails.
func (o *operation) answer(line string) error {
	s := o.session
	q := o.known(s.screen.partial())
	if q == nil {
		return o.broken(drivers.Rejected, &Unanswered{line, printable(string(s.screen.partial()))})
	}
	text := q.Answer
	if q.Password {
		if o.told {
			return o.broken(drivers.Denied, &Unanswered{line, printable(string(s.screen.partial()))})
		}
		o.told, text = true, s.device.Password.Reveal()
	}
	if err := printableASCII(text); err != nil {
		return o.broken(drivers.Rejected, err)
	}
	o.looked = s.screen.line
	s.screen.answered(q.Bare)
	if !q.Bare {
		text += "\n"
	}
	return o.key(text)
}

// prove makes sure that the prompt at the end of the screen is the device's: it sends a line that nobody could foresee
// and reads until that stands between two prompts. It returns what stands before the first.
func (o *operation) prove() ([]byte, error) {
	s := o.session
	line := s.nonce()
	if err := o.key(line + "\n"); err != nil {
		return nil, err
	}
	for {
		out, mode, proved := s.grammar.proved(s.screen.text(), line, s.gaps)
		if proved {
			if err := o.undamaged(); err != nil {
				return nil, err
			}
			s.mode, s.proof = mode, line
			return bytes.Clone(out), nil
		}
		more, err := o.more(puzzled)
		switch before, after, _ := bytes.Cut(s.screen.text(), []byte(line)); {
		case err != nil:
			return nil, err
		case bytes.Contains(after, []byte(line)):
			return nil, o.broken(drivers.Incomplete, errRepeats)
		case more:
		case aQuestion.Match(s.screen.partial()):
			return nil, o.broken(drivers.Rejected, &Unanswered{line, printable(string(s.screen.partial()))})
		case len(bytes.TrimSpace(after)) > 0: // and no prompt
			return nil, o.broken(drivers.Incomplete, fmt.Errorf("the end is not where it seemed: %q, then %q", lastLine(before), lastLine(after)))
		}
	}
}

// errRepeats is the error of a device that echoes a line twice: when it is typed, and when it is read.
var errRepeats = errors.New("the device repeats what it is sent")

// proved returns what stands before the first prompt, and the mode, if text ends in the line between two prompts of one
// mode. Between the line and the second stand as many newlines as gaps has for the mode; if it has none, it learns them.
// A terminal that echoes ahead breaks the line in which the device pauses, which makes one more.
func (g *grammar) proved(text []byte, line string, gaps map[string]int) ([]byte, string, bool) {
	before, after, found := bytes.Cut(text, []byte(line))
	if !found {
		return nil, "", false
	}
	at, mode := g.prompt(before)
	after = bytes.TrimLeft(after, " ")
	prompt := bytes.TrimLeft(after, "\n")
	gap := len(after) - len(prompt)
	if at < 0 || gap == 0 || !g.is(mode, prompt) || gaps[mode] != 0 && gaps[mode] != gap {
		return nil, "", false
	}
	gaps[mode] = gap
	if before[at] == '\n' {
		at++ // it ends the line before the prompt
	}
	return before[:at], mode, true
}

// is reports whether text is a prompt of the mode, and nothing else.
func (g *grammar) is(mode string, text []byte) bool {
	for i := range g.modes {
		if g.modes[i].Name == mode {
			return g.modes[i].whole.Match(text)
		}
	}
	return false
}

func lastLine(text []byte) string {
	return printable(string(text[bytes.LastIndexByte(text, '\n')+1:]))
}
