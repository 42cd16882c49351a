package junos

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// configurationCommands are those of the configuration mode.
func configurationCommands() []command {
	return []command{
		{words: "activate", args: true, quiet: true, run: (*call).change},
		{words: "commit", args: true, run: (*call).commit},
		{words: "copy", args: true, quiet: true, run: (*call).change},
		{words: "deactivate", args: true, quiet: true, run: (*call).change},
		{words: "delete", args: true, quiet: true, run: (*call).change},
		{words: "edit", args: true, quiet: true, run: (*call).edit},
		{words: "exit", args: true, quiet: true, run: (*call).exit},
		{words: "insert", args: true, quiet: true, run: (*call).change},
		{words: "load set terminal", quiet: true, run: (*call).loadTerminal},
		{words: "quit", args: true, quiet: true, run: (*call).exit},
		{words: "rename", args: true, quiet: true, run: (*call).change},
		{words: "rollback", args: true, quiet: true, run: (*call).rollback},
		{words: "run", args: true, run: (*call).operational},
		{words: "set", args: true, quiet: true, run: (*call).change},
		{words: "show", args: true, run: (*call).showCandidate},
		{words: "status", run: (*call).status},
		{words: "top", args: true, run: (*call).top},
		{words: "up", args: true, run: (*call).up},
	}
}

// configure enters the configuration mode.
func (c *call) configure(m mode) error {
	n := c.nos
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.t == nil {
		return errSaid("configuration mode needs a terminal")
	}
	running := n.running()
	switch {
	case m != shared && n.locked(c.session) != nil:
		return n.locked(c.session)
	case m == exclusive && n.modified():
		return errSaid("configuration database modified")
	case m == private && n.modified():
		return errSaid("shared configuration database modified")
	}
	if m == exclusive {
		if i := slices.IndexFunc(n.editors, func(s *session) bool { return s.mode == private }); i >= 0 {
			return errSaid("configuration database locked by:\n" + strings.TrimSuffix(n.editing(n.editors[i:i+1]), "\n"))
		}
		n.owner = c.session
	}
	if m != shared {
		c.printf("warning: uncommitted changes will be discarded on exit\n")
	}
	c.printf("Entering configuration mode\n")
	if len(n.editors) > 0 {
		c.printf("Users currently editing the configuration:\n%s", n.editing(n.editors))
	}
	if m == shared && n.modified() {
		c.printf("The configuration has been changed but not committed\n")
	}
	if m == private {
		c.base, c.candidate = running, newEdit(running)
	}
	c.mode, c.since = m, time.Now()
	n.editors = append(n.editors, c.session)
	return nil
}

// change runs a command that changes the candidate.
func (c *call) change() error {
	verb, ok := editVerb(c.command)
	if !ok {
		return errUnknown
	}
	if c.command == "delete" && c.done() {
		answer, err := c.t.Ask("Delete everything under this level? [yes,no] (no) ", true)
		if err != nil || !yes(answer, false) {
			return nil
		}
	}
	n := c.nos
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := c.writable(); err != nil {
		return err
	}
	err := verb(c.work(), &c.parser, c.path)
	if errors.Is(err, errNotFound) {
		c.printf("warning: statement not found\n")
		return nil
	}
	return err
}

// writable returns what runs, or why the candidate of the session cannot be changed or committed. The caller holds mu.
func (c *call) writable() (*node, error) {
	if c.mode != private {
		if err := c.nos.locked(c.session); err != nil {
			return nil, err
		}
	}
	return c.nos.running(), nil
}

func yes(answer string, unless bool) bool {
	answer = strings.ToLower(strings.TrimSpace(answer))
	if answer == "" {
		return unless
	}
	return strings.HasPrefix("yes", answer)
}

// loadTerminal runs `load set terminal`.
func (c *call) loadTerminal() error {
	if _, err := io.WriteString(c.t, "[Type ^D at a new line to end input]\n"); err != nil {
		return err
	}
	text, err := c.t.ReadText()
	if err != nil {
		return nil // the session is over, or what was typed is not wanted
	}
	n := c.nos
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := c.writable(); err != nil {
		return err
	}
	faults := n.load(c.work(), text)
	for _, f := range faults {
		c.printf("%s\n", f)
	}
	if len(faults) > 0 {
		c.printf("load complete (%d errors)\n", len(faults))
	} else {
		c.printf("load complete\n")
	}
	return nil
}

// edit goes to another level.
func (c *call) edit() error {
	if c.done() {
		return c.missing()
	}
	path, f := c.target(c.path)
	if f != nil {
		return f
	}
	last := path[len(path)-1].schema
	if last.kind != container && last.kind != list || len(last.kids) == 0 {
		return &fault{c.end, errSyntax}
	}
	c.path, c.back = path, append(c.back, c.path)
	return nil
}

// top goes to the first level, or runs a command there.
func (c *call) top() error {
	if c.done() {
		c.back = nil
	}
	return c.from(nil)
}

// up goes one level up, or some, or runs a command there.
func (c *call) up() error {
	n := 1
	if !c.done() {
		if k, err := strconv.Atoi(c.words[0].text); err == nil && k > 0 {
			c.next()
			n = k
		}
	}
	path := c.path
	for range n {
		path = path[:max(0, len(path)-1)]
		if len(path) > 0 && path[len(path)-1].schema.prefix {
			path = path[:len(path)-1]
		}
	}
	return c.from(path)
}

// from runs the rest of a line at another level, and stays there if there is none.
func (c *call) from(path []step) error {
	if c.done() {
		c.path = path
		return nil
	}
	here := c.path
	c.path = path
	cmd, f := c.find(configurationCommands())
	if f != nil {
		c.path = here
		return f
	}
	c.command = cmd.words
	if !cmd.args && !c.done() {
		c.path = here
		return &fault{c.words[0].at, errSyntax}
	}
	err := cmd.run(c)
	if cmd.words != "edit" && c.mode != operational {
		c.path = here
	}
	return err
}

// exit leaves a level, or the configuration mode.
func (c *call) exit() error {
	if !c.done() {
		if w := c.next(); !w.is("configuration-mode") || !c.done() {
			return &fault{w.at, errSyntax}
		}
		return c.leaveMode()
	}
	if len(c.path) > 0 && c.command == "exit" {
		c.path = nil
		if i := len(c.back) - 1; i >= 0 {
			c.path, c.back = c.back[i], c.back[:i]
		}
		return nil
	}
	return c.leaveMode()
}

// leaveMode leaves the configuration mode. Changes that were not committed need an answer.
func (c *call) leaveMode() error {
	n := c.nos
	n.mu.Lock()
	changed := !same(c.work().root, n.running())
	alone := c.mode != shared
	if c.mode == private {
		changed = !same(c.candidate.root, c.base)
	}
	n.mu.Unlock()
	if changed {
		question := "The configuration has been changed but not committed\nExit with uncommitted changes? [yes,no] (yes) "
		if alone {
			question = "The configuration has been changed but not committed\nDiscard uncommitted changes? [yes,no] (yes) "
		}
		answer, err := c.t.Ask(question, true)
		if err != nil || !yes(answer, true) {
			return nil
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	c.leave()
	c.printf("Exiting configuration mode\n")
	return nil
}

// rollback makes the candidate an earlier configuration.
func (c *call) rollback() error {
	number := 0
	if !c.done() {
		w := c.next()
		var err error
		if number, err = strconv.Atoi(w.text); err != nil || number < 0 || number >= maxHistory || w.quoted {
			return &fault{w.at, errSyntax}
		}
		if !c.done() {
			return &fault{c.words[0].at, errSyntax}
		}
	}
	n := c.nos
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := c.writable(); err != nil {
		return err
	}
	if number >= len(n.history) {
		return errNoRollback
	}
	c.reset(n.history[number].root)
	c.printf("load complete\n")
	return nil
}

// showCandidate shows the candidate, below the level.
func (c *call) showCandidate() error {
	n := c.nos
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running()
	return c.showFrom(c.work().snapshot(), c.path)
}

// showFrom shows a part of a configuration.
func (c *call) showFrom(root *node, at []step) error {
	path, f := c.showPath(at)
	if f != nil {
		return f
	}
	n := root
	for i := range path {
		if path[i].any && path[i].schema.keyed() {
			// All entries of a list, or values of a statement.
			part := &node{schema: n.schema, text: n.text, kids: n.of(path[i].schema)}
			if len(part.kids) > 0 {
				c.result.node, c.result.path = part, path[:i]
			}
			return nil
		}
		if n = n.at(path[i].schema, path[i].text); n == nil {
			return nil
		}
	}
	c.result.node, c.result.path = n, path
	return nil
}

// showPath reads a path of which the last list needs no key.
func (p *parser) showPath(at []step) ([]step, *fault) {
	if last := len(p.words) - 1; last >= 0 {
		above := parser{root: p.root, words: p.words[:last], end: p.end}
		path, f := above.target(at)
		if f == nil && (len(path) == len(at) || !path[len(path)-1].any) {
			if k, f := above.keyword(above.schemaOf(path), p.words[last]); f == nil && k != nil && k.kind == list {
				return append(path, step{schema: k, any: true}), nil
			}
		}
	}
	return p.target(at)
}

// status shows who edits.
func (c *call) status() error {
	n := c.nos
	n.mu.Lock()
	defer n.mu.Unlock()
	c.printf("Users currently editing the configuration:\n%s", n.editing(n.editors))
	return nil
}

// operational runs a command of the operational mode.
func (c *call) operational() error {
	if c.done() {
		return &fault{c.end, errExpected}
	}
	cmd, f := c.find(operationalCommands())
	switch {
	case f != nil:
		return f
	case cmd.words == "configure" || cmd.words == "exit" || cmd.words == "quit":
		return &fault{c.end, errSyntax}
	case !cmd.args && !c.done():
		return &fault{c.words[0].at, errSyntax}
	}
	return cmd.run(c)
}

// commit reads the options of `commit` and commits.
func (c *call) commit() error {
	r := request{session: c.session}
	quit, comment := false, false
	for !c.done() {
		switch w := c.next(); {
		case w.is("check") && !r.check:
			r.check = true
		case w.is("and-quit") && !quit:
			quit = true
		case w.is("synchronize"), w.is("no-synchronize"):
		case w.is("confirmed") && r.confirmed == 0:
			r.confirmed = 10
			if !c.done() {
				if n, err := strconv.Atoi(c.words[0].text); err == nil {
					if n < 1 || n > 65535 {
						return &fault{c.words[0].at, fmt.Errorf("error: Value %d is not within range (1..65535)", n)}
					}
					c.next()
					r.confirmed = n
				}
			}
		case w.is("comment") && !comment:
			if c.done() {
				return c.missing()
			}
			comment, r.comment = true, c.next().text
		default:
			return &fault{w.at, errSyntax}
		}
	}
	if r.check && (quit || r.confirmed > 0 || comment) {
		return &fault{c.end, errSyntax}
	}
	if c.mode == private && r.confirmed > 0 {
		return errSaid("commit confirmed is not allowed in private mode")
	}
	n := c.nos
	n.mu.Lock()
	defer n.mu.Unlock()
	running, err := c.writable()
	if err != nil {
		return err
	}
	r.root = c.work().snapshot()
	if c.mode == private && running != c.base {
		merged := newEdit(running)
		if err := merge(merged, c.base, r.root, nil); err != nil {
			return err
		}
		r.root = merged.snapshot()
	}
	text, err := n.commit(r)
	if err != nil {
		return err
	}
	c.printf("%s", text)
	if r.check {
		return nil
	}
	now := n.history[0].root
	if c.mode == private {
		c.base = now
		if !n.modifiedSince(running) {
			n.shared = newEdit(now)
		}
	}
	c.reset(now)
	if quit {
		c.leave()
		c.printf("Exiting configuration mode\n")
	}
	return nil
}

// modifiedSince reports whether the shared candidate differs from what ran. The caller holds mu.
func (n *NOS) modifiedSince(ran *node) bool { return !same(n.shared.root, ran) }

// merge makes the changes from one configuration to another in a third, in which what they touch must be as it was.
func merge(e *edit, before, after *node, path []step) error {
	at := func(n *node) []step { return append(path[:len(path):len(path)], step{schema: n.schema, text: n.text}) }
	for _, was := range before.kids {
		if after.at(was.schema, was.text) == nil {
			if err := e.remove(at(was)); err != nil {
				return errSaid("the configuration has been changed by others: " + written(at(was)))
			}
		}
	}
	for _, is := range after.kids {
		was := before.at(is.schema, is.text)
		switch {
		case was == nil && is.schema.kind == leaf:
			if now := e.root.follow(at(is)); now != nil && now.text != is.text {
				return errSaid("the configuration has been changed by others: " + written(at(now)))
			}
			e.place(at(is)).inactive = is.inactive
		case was == nil:
			e.place(at(is)).inactive = is.inactive
			if err := merge(e, &node{schema: is.schema}, is, at(is)); err != nil {
				return err
			}
		case same(was, is):
		case was.schema.kind == leaf:
			if now := e.root.follow(at(was)); now == nil || now.text != was.text {
				return errSaid("the configuration has been changed by others: " + written(at(was)))
			}
			e.place(at(is)).inactive = is.inactive
		default:
			if was.inactive != is.inactive {
				if err := e.mark(at(is), is.inactive); err != nil {
					return errSaid("the configuration has been changed by others: " + written(at(was)))
				}
			}
			if err := merge(e, was, is, at(is)); err != nil {
				return err
			}
		}
	}
	return nil
}
