package eos

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/ixagent/ixagent/lab/switchd"
)

// state is what has become of a session.
type state string

const (
	pending   state = "pending"
	timer     state = "pendingCommitTimer"
	completed state = "completed"
	aborted   state = "aborted"
)

// session is a configuration session: a candidate that was a snapshot of what ran when it was opened.
type session struct {
	name      string
	state     state
	candidate *config
	user      string
	lines     []string // terminals that are in it
	ended     time.Time
	by        string // who has committed
	deadline  time.Time
}

const maxCompleted = 1

// find returns a session by name; nil if there is none. The caller holds mu.
func (n *NOS) find(name string) *session {
	n.expire()
	for _, s := range n.sessions {
		if s.name == name {
			return s
		}
	}
	return nil
}

// expire notices commits that were taken back since, and forgets sessions that are over. The caller holds mu.
func (n *NOS) expire() {
	id, _, waits := n.sw.Unconfirmed()
	over := 0
	for _, s := range slices.Backward(n.sessions) {
		if s.state == timer && (!waits || s.name != id) {
			s.state, s.ended = aborted, time.Now()
		}
		if s.state == completed || s.state == aborted {
			if over++; over > maxCompleted {
				n.sessions = slices.DeleteFunc(n.sessions, func(o *session) bool { return o == s })
			}
		}
	}
}

// setConfig moves the user to another mode.
func (s *shell) setConfig(m *configMode) {
	s.nos.mu.Lock()
	defer s.nos.mu.Unlock()
	s.moveTo(m)
}

func (s *shell) moveTo(m *configMode) {
	if s.config != nil && s.config.session != nil {
		old := s.config.session
		old.lines = slices.DeleteFunc(old.lines, func(l string) bool { return l == s.line })
	}
	s.config = m
	if m != nil && m.session != nil {
		m.session.lines = append(m.session.lines, s.line)
	}
}

// open enters a session, a new one if there is none of the name.
func (s *shell) open(name string) error {
	n := s.nos
	running := n.running()
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := 1; name == ""; i++ {
		if try := fmt.Sprintf("sess-%d", i); n.find(try) == nil {
			name = try
		}
	}
	at := n.find(name)
	if at != nil && at.state != pending {
		return refuse("Cannot enter session %s (session already %s)", name, at.state)
	}
	if at == nil {
		open := 0
		for _, o := range n.sessions {
			if o.state == pending {
				open++
			}
		}
		if open >= n.o.Pending {
			return refuse("Maximum number of pending sessions has been reached. Please commit or abort previous sessions before creating a new one.")
		}
		at = &session{name: name, state: pending, candidate: running.clone(), user: s.user}
		n.sessions = append(n.sessions, at)
	}
	s.moveTo(&configMode{session: at, stack: []frame{{mode: global}}})
	return nil
}

// commit makes the candidate of a session run, for a while only if d is not zero.
func (s *shell) commit(at *session, d time.Duration) error {
	n := s.nos
	n.mu.Lock()
	if at.state != pending {
		n.mu.Unlock()
		return refuse("Error: session %s is no longer open", at.name)
	}
	candidate := at.candidate.clone()
	n.mu.Unlock()

	n.live.Lock()
	var err error
	if d > 0 {
		err = n.installConfirmed(at.name, d, candidate)
	} else {
		err = n.install(candidate)
	}
	n.live.Unlock()

	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil && !errors.Is(err, switchd.ErrCut) {
		return failed(err)
	}
	if id, _, waits := n.sw.Unconfirmed(); err == nil || waits && id == at.name || n.running() == candidate {
		at.state, at.ended, at.by = completed, time.Now(), s.user
		if d > 0 {
			at.state, at.deadline = timer, time.Now().Add(d)
		}
	}
	return err
}

// confirm keeps what a session with a commit timer has committed.
func (s *shell) confirm(at *session) error {
	err := s.nos.sw.Confirm(at.name)
	s.nos.mu.Lock()
	defer s.nos.mu.Unlock()
	if err == nil || errors.Is(err, switchd.ErrCut) {
		if _, _, waits := s.nos.sw.Unconfirmed(); !waits && at.state == timer {
			at.state, at.ended, at.by = completed, time.Now(), s.user
		}
	}
	return failed(err)
}

// abort gives a session up, or takes back what it has committed.
func (s *shell) abort(at *session) error {
	n := s.nos
	n.mu.Lock()
	was := at.state
	if was == pending {
		n.sessions = slices.DeleteFunc(n.sessions, func(o *session) bool { return o == at })
		at.state = aborted
	}
	n.mu.Unlock()
	if was != timer {
		return nil
	}
	err := n.sw.Cancel(at.name)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil {
		at.state, at.ended = aborted, time.Now()
	}
	return failed(err)
}

// named returns a session for a command of exec mode.
func (s *shell) named(name string) (*session, state, error) {
	s.nos.mu.Lock()
	defer s.nos.mu.Unlock()
	at := s.nos.find(name)
	if at == nil {
		return nil, "", refuse("Session %s not found", name)
	}
	return at, at.state, nil
}

func (s *shell) commitNamed(name string, d time.Duration) error {
	at, state, err := s.named(name)
	switch {
	case err != nil:
		return err
	case state == timer && d == 0:
		return s.confirm(at)
	case state != pending:
		return refuse("Cannot commit session %s (session already %s)", name, state)
	}
	return s.commit(at, d)
}

// diffs is what a commit of the candidate would change.
func (s *shell) diffs(at *session) []byte {
	before := s.nos.running().text()
	s.nos.mu.Lock()
	after := at.candidate.text()
	s.nos.mu.Unlock()
	text := diff.Diff("system:/running-config", before, "session:/"+at.name+"-session-config", after)
	_, text, _ = bytes.Cut(text, []byte("\n"))
	return text
}

func duration(text string) time.Duration {
	parts := strings.Split(text, ":")
	var d time.Duration
	for i, unit := range []time.Duration{time.Hour, time.Minute, time.Second} {
		n, _ := strconv.Atoi(parts[i]) // the grammar has let only numbers in
		d += time.Duration(n) * unit
	}
	return d
}

// addExec adds what is no configuration.
func (g *grammar) addExec() {
	add := func(text string, run func(*shell, *call) error) { g.add("exec", text, command{run: run}) }
	plain := func(text string, run func(*shell, *call) error) { g.add("exec", text, command{run: run, plain: true}) }
	anywhere := func(text string, run func(*shell, *call) error) { g.add("exec configuring", text, command{run: run}) }

	plain("enable", (*shell).enable)
	plain("disable", func(s *shell, _ *call) error { s.privileged = false; return nil })
	for _, word := range []string{"exit", "logout", "quit"} {
		plain(word, func(*shell, *call) error { return io.EOF })
	}
	add("configure", func(s *shell, _ *call) error { s.setConfig(&configMode{stack: []frame{{mode: global}}}); return nil })
	add("configure terminal", func(s *shell, _ *call) error {
		s.setConfig(&configMode{stack: []frame{{mode: global}}})
		return nil
	})
	add("configure session", func(s *shell, _ *call) error { return s.open("") })
	add("configure session <name>", func(s *shell, c *call) error { return s.open(c.args[0]) })
	add("configure session <name> commit", func(s *shell, c *call) error { return s.commitNamed(c.args[0], 0) })
	add("configure session <name> commit timer <clock>", func(s *shell, c *call) error {
		d := duration(c.args[1])
		if d <= 0 {
			return refuse("Invalid input (at token 5: '%s')", c.args[1])
		}
		return s.commitNamed(c.args[0], d)
	})
	add("configure session <name> abort", func(s *shell, c *call) error {
		at, _, err := s.named(c.args[0])
		if err != nil {
			return err
		}
		return s.abort(at)
	})
	add("reload now", func(s *shell, _ *call) error { s.nos.Reboot(); return switchd.ErrCut })

	plain("terminal length <0-32767>", func(s *shell, c *call) error { return s.resize(c) })
	plain("terminal width <10-32767>", func(s *shell, c *call) error { return s.resize(c) })
	for _, text := range []string{"write", "write memory", "copy running-config startup-config"} {
		anywhere(text, func(s *shell, _ *call) error { return s.print("Copy completed successfully.\n") })
	}
	g.addShow()

	g.add("configuring", "exit", command{run: func(s *shell, _ *call) error {
		if n := len(s.config.stack); n > 1 {
			return s.pop(n - 1)
		}
		s.setConfig(nil)
		return nil
	}})
	g.add("configuring", "end", command{run: func(s *shell, _ *call) error {
		err := s.pop(1)
		s.setConfig(nil)
		return err
	}})
	g.add("drafting", "abort", command{run: func(s *shell, _ *call) error {
		s.config.stack = s.config.stack[:len(s.config.stack)-1]
		return nil
	}})
	g.add("in-session", "abort", command{run: func(s *shell, _ *call) error {
		at := s.config.session
		s.setConfig(nil)
		return s.abort(at)
	}})
	commit := func(s *shell, d time.Duration) error {
		if err := s.pop(1); err != nil {
			return err
		}
		if err := s.commit(s.config.session, d); err != nil {
			return err
		}
		s.setConfig(nil)
		return nil
	}
	g.add("in-session", "commit", command{run: func(s *shell, _ *call) error { return commit(s, 0) }})
	g.add("in-session", "commit timer <clock>", command{run: func(s *shell, c *call) error {
		d := duration(c.args[0])
		if d <= 0 {
			return refuse("Invalid input (at token 2: '%s')", c.args[0])
		}
		return commit(s, d)
	}})
	g.add("in-session", "rollback clean-config", command{run: func(s *shell, _ *call) error {
		s.nos.mu.Lock()
		defer s.nos.mu.Unlock()
		s.config.stack = s.config.stack[:1]
		s.config.session.candidate = s.nos.clean()
		return nil
	}})
	g.add("in-session", "show session-config", command{run: func(s *shell, _ *call) error {
		s.nos.mu.Lock()
		text := s.head(s.config.session.candidate, "show session-config")
		s.nos.mu.Unlock()
		return s.print(text)
	}})
	g.add("in-session", "show session-config diffs", command{run: func(s *shell, _ *call) error {
		return s.print(string(s.diffs(s.config.session)))
	}})
}

func (s *shell) enable(*call) error {
	if want := s.nos.o.Enable; want != "" && !s.privileged {
		if s.term == nil {
			return refuse("Authorization denied for command 'enable'")
		}
		got, err := s.term.Ask("Password: ", false)
		if err != nil || got != want {
			return refuse("Bad secret")
		}
	}
	s.privileged = true
	return nil
}

func (s *shell) resize(c *call) error {
	n, err := strconv.Atoi(c.args[0])
	if err != nil || s.term == nil {
		return err
	}
	if c.words[1] == "length" {
		s.term.SetLength(n)
	} else {
		s.term.SetWidth(n)
	}
	return nil
}
