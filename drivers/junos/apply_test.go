package junos

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/lab/cli"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// one and two are states of a switch.
func one() switchcfg.State { return described("ixagent port:1") }
func two() switchcfg.State { return described("ixagent port:2") }

func described(description string) switchcfg.State {
	s := make(switchcfg.State)
	s.Put(&switchcfg.Interface{Name: "xe-0/0/1", Description: description})
	return s
}

func observe(t *testing.T, d drivers.Driver) switchcfg.State {
	t.Helper()
	s, err := d.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// carries fails the test unless the switch is in a state, seen from a new session.
func (l *lab) carries(t *testing.T, want switchcfg.State) {
	t.Helper()
	if got := observe(t, l.open(t)); !got.Equal(want) {
		t.Fatalf("(-want +got):\n%s", cmp.Diff(string(want.AppendText(nil)), string(got.AppendText(nil))))
	}
	if text := string(l.box.Text()); strings.Contains(text, "candidate") {
		t.Fatalf("a candidate was left behind:\n%s", text)
	}
}

func bring(t *testing.T, d drivers.Driver, before, after switchcfg.State) {
	t.Helper()
	if _, err := d.Apply(t.Context(), plan.Diff(before, after)); err != nil {
		t.Fatal(err)
	}
}

func TestRefusedChangeLeavesNothingBehind(t *testing.T) {
	for command, text := range map[string]string{
		"set interfaces": "error: not today", "commit check": "error: configuration check-out failed", "commit comment": "error: commit failed",
	} {
		t.Run(command, func(t *testing.T) {
			l := newLab(t)
			d := l.open(t)
			bring(t, d, nil, one())
			l.faults.Add(cli.Fault{Kind: cli.Answer, Command: command, Text: text + "\n"})
			_, err := d.Apply(t.Context(), plan.Diff(one(), two()))
			if drivers.FaultOf(err) != drivers.Rejected || !strings.Contains(err.Error(), text) {
				t.Fatalf("%v, want fault %s", err, drivers.Rejected)
			}
			l.faults.Clear()
			l.carries(t, one())
			bring(t, d, one(), two())
			l.carries(t, two())
		})
	}
}

func TestLostAnswerToACommitIsUnknown(t *testing.T) {
	for kind, want := range map[cli.Kind]switchcfg.State{cli.CutBefore: one(), cli.CutAfter: two()} {
		l := newLab(t)
		bring(t, l.open(t), nil, one())
		l.faults.Add(cli.Fault{Kind: kind, Command: "commit comment"})
		_, err := l.open(t).Apply(t.Context(), plan.Diff(one(), two()))
		if drivers.FaultOf(err) != drivers.Unknown {
			t.Fatalf("%v, want fault %s", err, drivers.Unknown)
		}
		l.faults.Clear()
		l.carries(t, want)
	}
}

func TestSomebodyElsesWorkIsRespected(t *testing.T) {
	type busy struct {
		name  string
		mode  string
		edits []string
		fault drivers.Fault
		says  string
	}
	for _, b := range []busy{
		{"exclusive", "configure exclusive", nil, drivers.Transient, "agent"},
		{"uncommitted", "configure", []string{"set interfaces xe-0/0/5 description mine"}, drivers.Stale, "not committed"},
	} {
		t.Run(b.name, func(t *testing.T) {
			l := newLab(t)
			d := l.open(t)
			bring(t, d, nil, one())
			person := l.open(t).(*driver).session
			if _, err := person.Enter(t.Context(), "test", configuration, b.mode); err != nil {
				t.Fatal(err)
			}
			if _, err := person.Send(t.Context(), "test", b.edits); err != nil {
				t.Fatal(err)
			}
			before := l.box.Text()
			_, err := d.Apply(t.Context(), plan.Diff(one(), two()))
			if drivers.FaultOf(err) != b.fault || !strings.Contains(err.Error(), b.says) {
				t.Fatalf("%v, want fault %s and %q", err, b.fault, b.says)
			}
			if now := l.box.Text(); !bytes.Equal(before, now) {
				t.Fatalf("the candidate of somebody else changed:\n%s", cmp.Diff(string(before), string(now)))
			}
			if _, err := person.Run(t.Context(), "test", "rollback 0"); err != nil {
				t.Fatal(err)
			}
			if _, err := person.Enter(t.Context(), "test", operational, "exit"); err != nil {
				t.Fatal(err)
			}
			bring(t, d, one(), two())
			l.carries(t, two())
		})
	}
}

func TestCommitOfSomebodySinceTheReadingIsStale(t *testing.T) {
	l := newLab(t)
	d, other := l.open(t), l.open(t)
	bring(t, d, nil, one())
	foreign := make(switchcfg.State)
	foreign.Put(&switchcfg.Interface{Name: "xe-0/0/5", Description: "ixagent port:5"})
	l.asked = func(command string) {
		if strings.HasPrefix(command, "show configuration") {
			l.asked = nil
			if _, err := other.Apply(context.Background(), plan.Diff(nil, foreign)); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := d.Apply(t.Context(), plan.Diff(one(), two())); drivers.FaultOf(err) != drivers.Stale {
		t.Fatalf("%v, want fault %s", err, drivers.Stale)
	}
	l.carries(t, edited(one(), func(s switchcfg.State) {
		for k, o := range foreign {
			s[k] = o
		}
	}))
}

func TestAnotherStateThanObservedIsStale(t *testing.T) {
	l := newLab(t)
	d, other := l.open(t), l.open(t)
	bring(t, d, nil, one())
	observe(t, d)
	bring(t, other, one(), two())
	beside := make(switchcfg.State)
	beside.Put(&switchcfg.Interface{Name: "xe-0/0/5", Description: "ixagent port:5"})
	if _, err := d.Apply(t.Context(), plan.Diff(nil, beside)); drivers.FaultOf(err) != drivers.Stale {
		t.Fatalf("%v, want fault %s", err, drivers.Stale)
	}
	l.carries(t, two())
}

func TestAnotherProcessSettlesACommitByItsID(t *testing.T) {
	l := newLab(t)
	id := strings.Repeat("0123456789abcdef", 2)
	for name, settle := range map[string]func(drivers.Confirmer) error{
		"confirm": func(c drivers.Confirmer) error { return c.Confirm(t.Context(), id) },
		"revert":  func(c drivers.Confirmer) error { return c.Revert(t.Context(), id) },
	} {
		t.Run(name, func(t *testing.T) {
			now := observe(t, l.open(t))
			first, err := Spec().Open(t.Context(), l.device)
			if err != nil {
				t.Fatal(err)
			}
			_, err = first.(drivers.Confirmer).ApplyConfirmed(t.Context(), id, 90*time.Second, plan.Diff(now, sampleHere()))
			if err != nil {
				t.Fatal(err)
			}
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			second := l.open(t)
			if _, err := second.Apply(t.Context(), plan.Diff(sampleHere(), one())); drivers.FaultOf(err) != drivers.Transient {
				t.Fatalf("a commit over a pending one: %v, want fault %s", err, drivers.Transient)
			}
			if _, left, waits := l.sw.Unconfirmed(); !waits || left <= minute {
				t.Fatalf("%v of two minutes are left", left)
			}
			if err := settle(second.(drivers.Confirmer)); err != nil {
				t.Fatal(err)
			}
			want := sampleHere()
			if name == "revert" {
				want = now
			}
			if _, _, waits := l.sw.Unconfirmed(); waits {
				t.Fatal("the commit still waits")
			}
			l.carries(t, want)
			bring(t, second, want, nil)
		})
	}
}

// sampleHere is the sample with ports that the lab switch has.
func sampleHere() switchcfg.State {
	s := make(switchcfg.State)
	for _, o := range sample() {
		switch o := o.(type) {
		case *switchcfg.Interface:
			x := *o
			if x.Name == "et-0/1/0:2" {
				x.Name = "xe-0/0/4"
			}
			s.Put(&x)
		case *switchcfg.Circuit:
			x := *o
			if x.Parent == "et-0/1/0:2" {
				x.Parent = "xe-0/0/4"
			}
			s.Put(&x)
		default:
			s.Put(o)
		}
	}
	return s
}

func TestWhatIsNotOursIsLeftAlone(t *testing.T) {
	foreign := []string{
		"set interfaces xe-0/0/7 description uplink", "set interfaces xe-0/0/7 mtu 9192", "set interfaces xe-0/0/7 unit 0 family inet address 10.1.1.1/31",
		"set protocols lldp interface xe-0/0/7",
	}
	l := newLab(t)
	d := l.open(t)
	person := l.open(t).(*driver)
	if err := person.exclusive(t.Context(), "test", func() error {
		if _, err := person.session.Send(t.Context(), "test", foreign); err != nil {
			return err
		}
		return person.commit(t.Context(), "test", "commit")
	}); err != nil {
		t.Fatal(err)
	}
	before := observe(t, d)
	with := func(s switchcfg.State) switchcfg.State {
		return edited(s, func(s switchcfg.State) {
			for k, o := range before {
				s[k] = o
			}
		})
	}
	base := l.box.Text()
	bring(t, d, before, with(sampleHere()))
	bring(t, d, with(sampleHere()), before)
	now := string(l.box.Text())
	for line := range strings.Lines(string(base)) {
		if !strings.Contains(now, line) {
			t.Errorf("gone: %s", line)
		}
	}
	for line := range strings.Lines(now) {
		if !strings.Contains(string(base), line) && !strings.HasSuffix(line, " disable\n") && !strings.Contains(line, "device-count") {
			t.Errorf("left behind: %s", line)
		}
	}
}
