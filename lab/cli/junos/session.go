package junos

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ixagent/ixagent/lab/cli"
	"github.com/ixagent/ixagent/lab/switchd"
)

type mode uint8

const (
	operational mode = iota
	shared           // configuration, as are those below
	exclusive
	private
)

// terminal is what a session needs of [cli.Terminal].
type terminal interface {
	io.Writer
	Ask(question string, echo bool) (string, error)
	ReadText() (string, error)
	SetLength(lines int)
	SetWidth(columns int)
	Size() (width, length int)
}

// session is somebody's command line. It implements [cli.Shell].
type session struct {
	nos       *NOS
	user      string
	t         terminal // nil on an exec channel
	pid       int
	mode      mode
	since     time.Time // in configuration mode
	path      []step    // where in the configuration
	back      [][]step  // where `edit` was entered, which `exit` goes back to
	candidate *edit     // of private
	base      *node     // of private: what ran when it began
	noSpace   bool      // a space completes nothing
}

// Open implements [cli.NOS].
func (n *NOS) Open(t *cli.Terminal) cli.Shell {
	s := n.session(t.User())
	s.t = t
	return s
}

func (n *NOS) session(user string) *session {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pids++
	return &session{nos: n, user: user, pid: 4000 + n.pids}
}

// Exec implements [cli.NOS].
func (n *NOS) Exec(e *cli.Exec) int {
	s := n.session(e.User)
	out, err := s.execute(e.Command)
	if errors.Is(err, switchd.ErrCut) {
		e.Cut = true
		return 1
	}
	if _, failed := e.Stdout.Write(out); failed != nil {
		return 1
	}
	if err == nil || errors.Is(err, io.EOF) {
		return 0
	}
	text := err.Error()
	var f *fault
	if errors.As(err, &f) && !strings.HasPrefix(text, "error: ") {
		text = "error: " + strings.TrimSuffix(text, ".")
		if f.at < len(e.Command) {
			text += ": " + e.Command[f.at:]
		}
	}
	fmt.Fprintln(e.Stderr, text)
	return 1
}

// Prompt implements [cli.Shell].
func (s *session) Prompt() string {
	name := s.user + "@" + s.nos.o.Name
	if s.mode == operational {
		return "\n" + name + "> "
	}
	s.nos.mu.Lock()
	defer s.nos.mu.Unlock()
	text := "\n"
	if n := s.nos.waiting(); n > 0 {
		text += fmt.Sprintf("# commit confirmed will be rolled back in %d minutes\n", n)
	}
	return text + "[edit" + spaced(s.path) + "]\n" + name + "# "
}

// caret is how far from the left edge the prompt's last line puts what is typed.
func (s *session) caret() int { return len(s.user) + 1 + len(s.nos.o.Name) + 2 }

// Run implements [cli.Shell].
func (s *session) Run(t *cli.Terminal, line string) error { return s.enter(t, line) }

// enter executes a line and shows its output.
func (s *session) enter(t io.Writer, line string) error {
	out, err := s.execute(line)
	if errors.Is(err, switchd.ErrCut) {
		return err
	}
	if _, failed := t.Write(out); failed != nil {
		return failed
	}
	var f *fault
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return err
	case errors.As(err, &f):
		_, err = fmt.Fprintf(t, "%s^\n%s\n", strings.Repeat(" ", s.caret()+f.at), f)
	default:
		_, err = fmt.Fprintln(t, err)
	}
	return err
}

// Close implements [cli.Shell].
func (s *session) Close() {
	s.nos.mu.Lock()
	defer s.nos.mu.Unlock()
	s.leave()
}

// leave ends the configuration mode. Changes that are nobody else's are discarded. The caller holds the box's mu.
func (s *session) leave() {
	if s.mode == operational {
		return
	}
	n := s.nos
	n.editors = slices.DeleteFunc(n.editors, func(o *session) bool { return o == s })
	if n.owner == s {
		n.owner = nil
		n.shared = newEdit(n.running())
	}
	s.mode, s.path, s.back, s.candidate, s.base = operational, nil, nil, nil, nil
}

// work returns the candidate of the session. The caller holds the box's mu.
func (s *session) work() *edit {
	if s.mode == private {
		return s.candidate
	}
	return s.nos.shared
}

// reset makes the candidate another configuration. The caller holds the box's mu.
func (s *session) reset(to *node) {
	if s.mode == private {
		s.candidate = newEdit(to)
		return
	}
	s.nos.shared = newEdit(to)
}

// execute runs a line and returns its output, which may come with an error.
func (s *session) execute(line string) ([]byte, error) {
	if trimmed := strings.TrimSpace(line); trimmed == "" || trimmed[0] == '#' {
		return nil, nil
	}
	words, f := split(line)
	if f != nil {
		return nil, f
	}
	segments, f := pipes(words, len(line))
	if f != nil {
		return nil, f
	}
	c := call{session: s, parser: parser{root: s.nos.schema, words: segments[0].words, end: segments[0].end}, line: line}
	return c.run(segments[1:])
}

// pipes cuts words at bars. Each part has words.
func pipes(words []word, end int) ([]parser, *fault) {
	var parts []parser
	for {
		i := slices.IndexFunc(words, func(w word) bool { return w.is("|") })
		if i < 0 {
			parts = append(parts, parser{words: words, end: end})
			break
		}
		parts = append(parts, parser{words: words[:i], end: words[i].at})
		words = words[i+1:]
	}
	for i, p := range parts {
		if p.done() && i == 0 {
			return nil, &fault{p.end, errUnknown}
		}
		if p.done() {
			return nil, &fault{p.end, errMissing}
		}
	}
	return parts, nil
}

// call is a command that is executed.
type call struct {
	*session
	parser
	line    string
	command string // in full
	result  result
}

// result is what a command says, as far as it can be said in other ways.
type result struct {
	text     []byte
	node     *node  // a part of a configuration
	path     []step // to it
	data     *item  // what is said, for machines
	noLonger bool   // the session ends
}

// render returns the text of a result, as it is said if nothing else is wanted.
func (r *result) render() []byte {
	if r.node != nil {
		r.text, r.node = append(r.text, appendBraces(nil, r.node)...), nil
	}
	return r.text
}

func (c *call) printf(format string, args ...any) {
	c.result.text = fmt.Appendf(c.result.text, format, args...)
}

// run finds the command and executes it, and what stands behind its bars.
func (c *call) run(filters []parser) ([]byte, error) {
	all := operationalCommands()
	if c.mode != operational {
		all = configurationCommands()
	}
	cmd, f := c.find(all)
	if f != nil {
		return nil, f
	}
	c.command = cmd.words
	if !cmd.args && !c.done() {
		return nil, &fault{c.words[0].at, errSyntax}
	}
	if cmd.quiet && len(filters) > 0 {
		return nil, &fault{filters[0].words[0].at, errSyntax}
	}
	stages, f := c.filters(filters)
	if f != nil {
		return nil, f
	}
	err := cmd.run(c)
	for i := 0; i < len(stages) && err == nil; i++ {
		err = stages[i](&c.result)
	}
	switch {
	case err != nil:
		return nil, err
	case c.result.noLonger:
		err = io.EOF
	}
	return c.result.render(), err
}

// command is a command with its words.
type command struct {
	words string
	args  bool // may be followed by others
	quiet bool // its output cannot be piped
	run   func(*call) error
}

// find reads the words of a command, each of which may be shortened.
func (c *call) find(all []command) (command, *fault) {
	left := all
	for depth := 0; ; depth++ {
		ends := slices.IndexFunc(left, func(k command) bool { return len(strings.Fields(k.words)) == depth })
		if c.done() {
			if ends >= 0 {
				return left[ends], nil
			}
			return command{}, &fault{c.end, errors.New("syntax error, expecting <command>.")}
		}
		w := c.words[0]
		var next []command
		names := make(map[string]bool)
		for _, k := range left {
			fields := strings.Fields(k.words)
			if len(fields) <= depth || w.quoted {
				continue
			}
			if fields[depth] == w.text && !names[w.text] {
				next, names = nil, map[string]bool{w.text: true}
			}
			if fields[depth] == w.text || strings.HasPrefix(fields[depth], w.text) && !names[w.text] {
				next = append(next, k)
				names[fields[depth]] = true
			}
		}
		switch {
		case len(names) > 1:
			var b strings.Builder
			fmt.Fprintf(&b, "'%s' is ambiguous.\nPossible completions:", w.text)
			seen := make(map[string]bool)
			for _, k := range next {
				if name := strings.Fields(k.words)[depth]; !seen[name] {
					seen[name] = true
					b.WriteString("\n  " + name)
				}
			}
			return command{}, &fault{w.at, errors.New(b.String())}
		case len(names) == 0 && ends >= 0:
			return left[ends], nil
		case len(names) == 0 && depth == 0:
			return command{}, &fault{w.at, errUnknown}
		case len(names) == 0:
			return command{}, &fault{w.at, errSyntax}
		}
		left = next
		c.next()
	}
}
