package eos

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/ssh"
	"github.com/ixagent/ixagent/lab/cli"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

const op = "test"

// operator is somebody who is logged in besides.
type operator struct {
	t *testing.T
	*ssh.Session
}

const modeConfig = "config"

func (l *lab) operator(t *testing.T) *operator {
	t.Helper()
	p := platform()
	p.Modes = append(p.Modes, ssh.Mode{Name: modeConfig, Prompt: `{host}\(config(-[^s()\n][^()\n]*)?\)#`})
	s, err := ssh.Dial(t.Context(), l.device, p)
	if err != nil {
		t.Fatal(err)
	}
	return &operator{t, s}
}

// configure enters lines that take effect at once.
func (o *operator) configure(lines ...string) {
	o.t.Helper()
	o.enter(modeConfig, "configure terminal")
	if _, err := o.Send(o.t.Context(), op, lines); err != nil {
		o.t.Fatal(err)
	}
	o.enter(modeExec, "end")
}

func (o *operator) enter(mode, command string) {
	o.t.Helper()
	if _, err := o.Enter(o.t.Context(), op, mode, command); err != nil {
		o.t.Fatal(err)
	}
}

func (o *operator) leave() {
	o.t.Helper()
	if err := o.Close(); err != nil {
		o.t.Error(err)
	}
}

// workbench is a lab switch and a session with it.
func workbench(t *testing.T) (*lab, *driver, []plan.Change, switchcfg.State) {
	t.Helper()
	c := profile(t, profileFlexible)
	l := newLab(t, c, options(c).Ports...)
	want := some(c, 3, 20)
	return l, l.open(t).(*driver), plan.Diff(nil, want), want
}

func observed(t *testing.T, d drivers.Driver) switchcfg.State {
	t.Helper()
	s, err := d.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fails(t *testing.T, err error, f drivers.Fault, words string) {
	t.Helper()
	if drivers.FaultOf(err) != f || !strings.Contains(fmt.Sprint(err), words) {
		t.Fatalf("%v, want fault %s and %q", err, f, words)
	}
}

// candidates returns the names of the sessions that are open.
func (l *lab) candidates() (names string) {
	for line := range bytes.Lines(l.nos.Text()) {
		if name, ok := strings.CutPrefix(string(line), "session "); ok {
			names += strings.TrimSpace(name) + " "
		}
	}
	return names
}

func TestWhatSomebodyElseChangesDuringASessionStays(t *testing.T) {
	l, d, changes, _ := workbench(t)
	basis, commands, err := d.prepare(t.Context(), op, changes)
	if err != nil {
		t.Fatal(err)
	}
	o := l.operator(t)
	defer o.leave()
	o.configure("interface Loopback0", "description changed")
	before := l.nos.Text()
	_, err = d.commit(t.Context(), sessionName("a"), basis, commands, "commit")
	fails(t, err, drivers.Stale, "somebody else")
	if now := l.nos.Text(); !bytes.Equal(now, before) {
		t.Fatalf("%s\nbecame\n%s", before, now)
	}
}

func TestAnotherStateThanObservedIsStale(t *testing.T) {
	l, d, changes, want := workbench(t)
	if _, err := d.Apply(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	changes = plan.Diff(observed(t, d), nil)
	other := l.open(t)
	if _, err := other.Apply(t.Context(), plan.Diff(want, some(d.device.Capabilities, 4, 20))); err != nil {
		t.Fatal(err)
	}
	before := l.nos.Text()
	_, err := d.Apply(t.Context(), changes)
	fails(t, err, drivers.Stale, "observed")
	if now := l.nos.Text(); !bytes.Equal(now, before) {
		t.Fatalf("%s\nbecame\n%s", before, now)
	}
}

func TestOnlyStaleSessionsOfTheAgentAreTakenAway(t *testing.T) {
	l, d, changes, want := workbench(t)
	for _, name := range []string{"ixagent-dead", "theirs"} {
		o := l.operator(t)
		o.enter(modeSession, "configure session "+name)
		o.leave()
	}
	inUse := l.operator(t)
	defer inUse.leave()
	inUse.enter(modeSession, "configure session ixagent-used")
	if _, err := d.Apply(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	same(t, observed(t, d), want, "")
	if got := l.candidates(); got != "theirs ixagent-used " {
		t.Errorf("the sessions %sare open", got)
	}
}

func TestTooManySessionsIsSaidAndTransient(t *testing.T) {
	l, d, changes, _ := workbench(t)
	for i := range 5 {
		o := l.operator(t)
		defer o.leave()
		o.enter(modeSession, fmt.Sprintf("configure session theirs-%d", i))
	}
	before := l.nos.Text()
	_, err := d.Apply(t.Context(), changes)
	fails(t, err, drivers.Transient, "show configuration sessions")
	if now := l.nos.Text(); !bytes.Equal(now, before) {
		t.Fatalf("%s\nbecame\n%s", before, now)
	}
}

func TestRefusedLineChangesNothingAndIsNamed(t *testing.T) {
	for _, line := range []string{"vlan id", "20 permit", "police rate", "commit", showRunning, "configure session ixagent"} {
		t.Run(line, func(t *testing.T) {
			l, d, changes, want := workbench(t)
			before := l.nos.Text()
			l.faults.Add(cli.Fault{Kind: cli.Answer, Command: line, Text: "% Invalid input (at token 0: 'x')\n", Count: 1})
			_, err := d.Apply(t.Context(), changes)
			fails(t, err, drivers.Rejected, "Invalid input")
			if r := (*ssh.Refusal)(nil); !errors.As(err, &r) || !strings.HasPrefix(r.Line, line) {
				t.Errorf("%v does not name the line", err)
			}
			if now := l.nos.Text(); !bytes.Equal(now, before) {
				t.Fatalf("%s\nbecame\n%s", before, now)
			}
			l.faults.Clear()
			if _, err := d.Apply(t.Context(), changes); err != nil {
				t.Fatal(err)
			}
			same(t, observed(t, d), want, "")
		})
	}
}

func TestLostAnswerOfACommitIsUnknownAndTheNextSessionEndsIt(t *testing.T) {
	for _, c := range []struct {
		name string
		kind cli.Kind
		end  func(d drivers.Confirmer) error
		done bool
	}{
		{"it took effect and is confirmed", cli.CutAfter, func(d drivers.Confirmer) error { return d.Confirm(t.Context(), "a") }, true},
		{"it took effect and is taken back", cli.CutAfter, func(d drivers.Confirmer) error { return d.Revert(t.Context(), "a") }, false},
		{"it took no effect", cli.CutBefore, func(d drivers.Confirmer) error {
			if err := d.Confirm(t.Context(), "a"); drivers.FaultOf(err) != drivers.Rejected {
				return fmt.Errorf("confirmed: %w", err)
			}
			return nil
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, d, changes, want := workbench(t)
			l.faults.Add(cli.Fault{Kind: c.kind, Command: "commit timer", Count: 1})
			_, err := d.ApplyConfirmed(t.Context(), "a", time.Minute, changes)
			fails(t, err, drivers.Unknown, "")
			next := l.open(t).(*driver)
			if err := c.end(next); err != nil {
				t.Fatal(err)
			}
			if !c.done {
				same(t, observed(t, next), nil, "")
				if _, err := next.ApplyConfirmed(t.Context(), "a", time.Minute, changes); err != nil {
					t.Fatal(err)
				}
				if err := next.Confirm(t.Context(), "a"); err != nil {
					t.Fatal(err)
				}
			}
			same(t, observed(t, next), want, "")
			if got := l.candidates(); got != "" {
				t.Errorf("the sessions %sare open", got)
			}
		})
	}
}

func TestRebootBeforeTheConfirmationTakesTheCommitBack(t *testing.T) {
	l, d, changes, _ := workbench(t)
	if _, err := d.ApplyConfirmed(t.Context(), "a", time.Minute, changes); err != nil {
		t.Fatal(err)
	}
	l.nos.Reboot()
	// Its session is found to be lost, or has been and there is another.
	if f := drivers.FaultOf(d.Confirm(t.Context(), "a")); f != drivers.Transient && f != drivers.Rejected {
		t.Errorf("fault %s, want %s or %s", f, drivers.Transient, drivers.Rejected)
	}
	next := l.open(t).(*driver)
	fails(t, next.Confirm(t.Context(), "a"), drivers.Rejected, "not pending")
	same(t, observed(t, next), nil, "")
}

func TestNothingIsAppliedWhileAConfirmationIsDue(t *testing.T) {
	l, d, changes, want := workbench(t)
	if _, err := d.ApplyConfirmed(t.Context(), "a", time.Minute, changes); err != nil {
		t.Fatal(err)
	}
	next := l.open(t)
	_, err := next.Apply(t.Context(), plan.Diff(want, nil))
	fails(t, err, drivers.Transient, sessionName("a"))
	if err := next.(drivers.Confirmer).Confirm(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	same(t, observed(t, next), want, "")
}

func TestConfigurationThatIsNotSavedIsAWarning(t *testing.T) {
	l, d, changes, want := workbench(t)
	l.faults.Add(cli.Fault{Kind: cli.Answer, Command: "write memory", Text: "% Error copying file\n", Count: 1})
	result, err := d.Apply(t.Context(), changes)
	if err != nil || len(result.Warnings) != 1 || !strings.Contains(result.Warnings[0], "not saved") {
		t.Fatalf("%q, %v", result.Warnings, err)
	}
	same(t, observed(t, d), want, "")
}

func TestSecretsOfOthersAreNotShown(t *testing.T) {
	l, d, changes, _ := workbench(t)
	hash := "$6$lab$notarealhash"
	if !bytes.Contains(l.nos.Text(), []byte(hash)) {
		t.Fatal("the switch has no secret")
	}
	text, err := d.Preview(t.Context(), changes)
	if err != nil || !strings.Contains(text, "secret (hidden)") || strings.Contains(text, hash) {
		t.Errorf("%v\n%s", err, text)
	}
	c := profile(t, profileFlexible)
	s, err := Parse([]byte("interface Ethernet1\n   ip ospf authentication-key 7 "+hash+"\nend\n"), &c)
	if err != nil || len(s) != 1 || bytes.Contains(s.AppendText(nil), []byte(hash)) {
		t.Errorf("%v\n%s", err, s.AppendText(nil))
	}
}

func TestTextsOfOthersThatLookLikePromptsAreReadWhole(t *testing.T) {
	l, d, changes, want := workbench(t)
	if _, err := d.Apply(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	o := l.operator(t)
	defer o.leave()
	texts := []string{"sw1#", "sw1>", "sw1(config)#", "sw1(config-s-ixagen)#", "Acme-transit#", "100%", "% Invalid input", "end", "! x", "--More--"}
	for i, text := range texts {
		o.configure(fmt.Sprintf("interface Loopback%d", i+1), "description "+text)
	}
	o.configure("interface Ethernet8", "description sw1#")
	l.faults.SetNoise(cli.Noise{Chunk: 700, Pause: time.Millisecond, ANSI: true})
	got := observed(t, l.open(t))
	for k, o := range want {
		if k.Name != "Ethernet8" && !switchcfg.Equal(got[k], o) {
			t.Errorf("%s\nis read as\n%v", switchcfg.AppendText(nil, o), got[k])
		}
	}
	if got := switchcfg.Description(got[switchcfg.Key{Kind: switchcfg.KindInterface, Name: "Ethernet8"}]); want[switchcfg.Key{Kind: switchcfg.KindInterface, Name: "Ethernet8"}] != nil && got != "sw1#" {
		t.Errorf("the description is read as %q", got)
	}
}
