package eos

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/lab/cli"
	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// shell is the command line of one user.
type shell struct {
	nos        *NOS
	term       *cli.Terminal // nil without one
	user       string
	line       string // of the terminal, such as vty1
	privileged bool
	config     *configMode // nil outside of it
	out        io.Writer   // of the command that is executed
	pipes      [][]string  // that its output goes through
}

// configMode is where configuration is entered.
type configMode struct {
	session *session // nil: what runs
	stack   []frame
}

// frame is a mode that was entered, and the blocks that are meant in it.
type frame struct {
	mode   mode
	calls  []*call // each opens a block of the frame above
	draft  *line   // takes the place of the block when the mode is left
	prompt string
}

// Prompt implements [cli.Shell].
func (s *shell) Prompt() string {
	host := s.nos.running().arg("hostname")
	if host == "" {
		host = "localhost"
	}
	if s.config == nil {
		if s.privileged {
			return host + "#"
		}
		return host + ">"
	}
	mode := "config"
	if s.config.session != nil {
		mode += "-s-" + s.config.session.name[:min(6, len(s.config.session.name))]
	}
	if top := s.config.top(); top.prompt != "" {
		mode += "-" + top.prompt
	}
	return host + "(" + mode + ")#"
}

func (m *configMode) top() *frame { return &m.stack[len(m.stack)-1] }

// Run implements [cli.Shell].
func (s *shell) Run(t *cli.Terminal, text string) error {
	var out bytes.Buffer
	err := s.enter(&out, text)
	if errors.Is(err, switchd.ErrCut) {
		return err
	}
	if _, werr := t.Write(out.Bytes()); werr != nil {
		return werr
	}
	return err
}

// Close implements [cli.Shell]. A session that was left open stays; what takes effect when its mode is left does not.
func (s *shell) Close() { s.setConfig(nil) }

// Key implements [cli.Shell].
func (s *shell) Key(text string, key byte) cli.Reaction {
	switch key {
	case cli.CtrlD:
		return cli.Reaction{Line: "exit", Enter: true}
	case cli.CtrlZ:
		if s.config != nil {
			return cli.Reaction{Line: "end", Enter: true}
		}
		return cli.Reaction{Line: text}
	case cli.Space:
		return cli.Reaction{Line: text + " "}
	}
	all, partial := tokens(text), ""
	if len(all) > 0 && !strings.HasSuffix(text, " ") {
		partial, all = all[len(all)-1].text, all[:len(all)-1]
	}
	commands := s.commands()
	if len(all) > 0 && (all[0].text == "no" || all[0].text == "default") {
		all = all[1:]
	}
	words := following(commands, all, partial)
	if key == cli.Tab {
		words = slices.DeleteFunc(words, func(w string) bool { return !strings.HasPrefix(w, strings.ToLower(partial)) })
		if partial != "" && len(words) == 1 {
			return cli.Reaction{Line: text[:len(text)-len(partial)] + words[0] + " "}
		}
		return cli.Reaction{Line: text}
	}
	if len(words) == 0 {
		return cli.Reaction{Text: "% Unrecognized command", Line: text}
	}
	return cli.Reaction{Text: "  " + strings.Join(words, "\n  "), Line: text}
}

// commands are all that can be entered where the user is.
func (s *shell) commands() []*command {
	if s.config == nil {
		return s.nos.grammar.in[exec]
	}
	all := slices.Clone(s.nos.grammar.in[configuring])
	if s.config.session != nil {
		all = append(all, s.nos.grammar.in[inSession]...)
	}
	if s.config.top().mode == macList {
		all = append(all, s.nos.grammar.in[drafting]...)
	}
	for _, f := range slices.Backward(s.config.stack) {
		all = append(all, s.nos.grammar.in[f.mode]...)
	}
	return all
}

// enter executes a line. Refusals are written; an error ends the user's session.
func (s *shell) enter(out io.Writer, text string) error {
	err := s.execute(out, text)
	var r refusal
	var i *invalid
	switch {
	case errors.As(err, &i):
		r = i.refusal
	case !errors.As(err, &r):
		return err
	}
	_, err = io.WriteString(out, string(r)+"\n")
	return err
}

func (s *shell) execute(out io.Writer, text string) error {
	text = strings.Trim(text, " \t\r")
	if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' }); i >= 0 {
		return refuse("Invalid input")
	}
	if comment, ok := strings.CutPrefix(text, "!!"); ok && s.config != nil {
		return s.comment(strings.TrimSpace(comment))
	}
	if text == "" || text[0] == '!' {
		return nil
	}
	if s.config != nil {
		return s.configure(out, text)
	}
	s.out = out
	return s.command(s.nos.grammar.in[exec], text)
}

// command executes a line that is no configuration.
func (s *shell) command(commands []*command, text string) error {
	text, pipes, err := cutPipes(text)
	if err != nil {
		return err
	}
	c, err := match(commands, joined(tokens(text)), "", 0)
	if err != nil {
		return err
	}
	if !s.privileged && !c.plain {
		return refuse("Invalid input (privileged mode required)")
	}
	s.pipes = pipes
	return c.run(s, c)
}

// configure executes a line in a mode of configuration: what the mode does not know, one of those above it may.
func (s *shell) configure(out io.Writer, text string) error {
	s.out = out
	all := tokens(text)
	undo, skipped := "", 0
	if len(all) > 1 && (all[0].text == "no" || all[0].text == "default") {
		undo, skipped, all = all[0].text, 1, all[1:]
	}
	all = unpiped(joined(all))
	g, top := s.nos.grammar, len(s.config.stack)-1
	var first error
	far := -1
	for depth := top; depth >= 0; depth-- {
		mode := s.config.stack[depth].mode
		commands := g.in[mode]
		if depth == top && undo == "" {
			commands = slices.Concat(commands, g.in[configuring])
			if s.config.session != nil {
				commands = append(commands, g.in[inSession]...)
			}
			if mode == macList {
				commands = append(g.in[drafting], commands...)
			}
		}
		c, err := match(commands, all, undo, skipped)
		var i *invalid
		switch {
		case errors.As(err, &i):
			if i.at > far {
				far, first = i.at, err
			}
			continue
		case err != nil:
			return err
		case c.run != nil:
			return s.command(commands, text)
		}
		if depth < top {
			if err := s.pop(depth + 1); err != nil {
				return err
			}
		}
		return s.change(c)
	}
	return first
}

// unpiped leaves away what the output of a `show` is piped through.
func unpiped(all []token) []token {
	if len(all[0].text) < 2 || !strings.HasPrefix("show", all[0].text) {
		return all
	}
	for i, t := range all {
		if t.text == "|" {
			return all[:i]
		}
	}
	return all
}

// pop leaves modes until only n of them are left above the global one.
func (s *shell) pop(n int) error {
	n = max(n, 1)
	for len(s.config.stack) > n {
		f := *s.config.top()
		s.config.stack = s.config.stack[:len(s.config.stack)-1]
		if f.draft == nil {
			continue
		}
		err := s.edit(func(e *edit) error {
			for _, at := range s.blocks(e) {
				name := f.calls[0].name()
				if old := at.at(name); old == nil || !slices.Equal(old.body(nil, ""), f.draft.body(nil, "")) {
					at.put(name, f.draft)
					e.changed = true
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// change does what a command of configuration says in the blocks that are open.
func (s *shell) change(c *call) error {
	var opened *line
	apply := func(e *edit) error {
		for _, at := range s.blocks(e) {
			if err := e.apply(at, c); err != nil {
				return err
			}
		}
		opened = e.draft
		return nil
	}
	if f := s.config.top(); f.draft != nil {
		e := &edit{grammar: s.nos.grammar}
		if err := e.apply(f.draft, c); err != nil {
			return err
		}
	} else if err := s.edit(apply); err != nil {
		return err
	}
	if c.opens == "" || c.undo != "" {
		return nil
	}
	f := frame{mode: c.opens, calls: []*call{c}, draft: opened, prompt: promptOf(s.config.top(), c)}
	if c.opens == vlanMode {
		f.calls = c.each()
	}
	s.config.stack = append(s.config.stack, f)
	return nil
}

// blocks returns the blocks that the open modes mean, and makes those that have gone.
func (s *shell) blocks(e *edit) []*line {
	at := []*line{&e.config.line}
	for _, f := range s.config.stack {
		if f.draft != nil {
			break
		}
		var next []*line
		for _, l := range at {
			for _, c := range f.calls {
				next = append(next, e.ensure(l, c))
			}
		}
		if len(f.calls) > 0 {
			at = next
		}
	}
	return at
}

// edit changes the candidate of the session, or what runs.
func (s *shell) edit(change func(*edit) error) error {
	n := s.nos
	e := &edit{ports: n.ports, grammar: n.grammar}
	defer func() {
		for _, w := range e.warn {
			_, _ = io.WriteString(s.out, w+"\n")
		}
	}()
	if session := s.config.session; session != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		if session.state != pending {
			return refuse("Error: session %s is no longer open", session.name)
		}
		e.config = session.candidate
		return change(e)
	}
	n.live.Lock()
	defer n.live.Unlock()
	e.config = n.running().clone()
	if err := change(e); err != nil || !e.changed {
		return err
	}
	return failed(n.install(e.config))
}

func (s *shell) comment(text string) error {
	f := s.config.top()
	if len(s.config.stack) == 1 {
		return nil
	}
	if f.draft != nil {
		f.draft.comment = append(f.draft.comment, text)
		return nil
	}
	return s.edit(func(e *edit) error {
		for _, at := range s.blocks(e) {
			at.comment = append(at.comment, text)
			e.changed = true
		}
		return nil
	})
}

// failed is what the device says when a configuration cannot run.
func failed(err error) error {
	var r refusal
	var faults tree.Faults
	switch {
	case err == nil || errors.Is(err, switchd.ErrCut):
		return err
	case errors.As(err, &r):
		return r
	case errors.Is(err, switchd.ErrPending):
		return refuse("Error: another session waits for its commit timer")
	case errors.As(err, &faults):
		var lines []string
		for _, f := range faults {
			lines = append(lines, "% Error: "+f.Error())
		}
		return refusal(strings.Join(lines, "\n"))
	}
	return refusal("% Error: " + strings.ReplaceAll(err.Error(), "\n", "\n% Error: "))
}

// promptOf is what the prompt says of a mode.
func promptOf(above *frame, c *call) string {
	switch c.opens {
	case vlanMode:
		return "vlan-" + c.args[0]
	case port, lag, sub, routed, vxlan:
		return "if-" + shortName(c.args[0])
	case encap:
		return above.prompt + "-encap-vlan"
	case panel:
		return "patch-panel"
	case patchMode:
		return "patch-" + c.args[0]
	case macList:
		return "mac-acl-" + c.args[0]
	case policyMap:
		return "pmap-qos-" + c.args[0]
	case classMode:
		return above.prompt + "-c-class-default"
	case bgp:
		return "router-bgp"
	}
	return "mgmt-ssh"
}
