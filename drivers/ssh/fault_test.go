package ssh

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/secret"
)

// soon is the timeout of operations that are to fail by it.
const soon = 400 * time.Millisecond

// within fails the test if f takes longer than a second more than soon.
func within(t *testing.T, f func()) {
	t.Helper()
	begin := time.Now()
	f()
	if took := time.Since(begin); took > soon+time.Second {
		t.Errorf("took %s", took)
	}
}

func wantFault(t *testing.T, err error, f drivers.Fault, words string) {
	t.Helper()
	if drivers.FaultOf(err) != f || !strings.Contains(err.Error(), words) {
		t.Errorf("error %v, want fault %s and %q", err, f, words)
	}
	var e *drivers.Error
	if !errors.As(err, &e) || e.Device != "switch1" || e.Op == "" {
		t.Errorf("error %v does not name device and operation", err)
	}
}

// wantDead checks that nothing can be done with s any more.
func wantDead(t *testing.T, s *Session) {
	t.Helper()
	_, err := s.Run(t.Context(), "observe", "show version")
	wantFault(t, err, drivers.Transient, "no session")
	_, err = s.Exec(t.Context(), "observe", "show version", nil)
	wantFault(t, err, drivers.Transient, "no session")
}

func wait(t *terminal) { <-t.session.Context().Done() }

func TestPeerThatOnlyAcceptsIsTransient(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	within(t, func() {
		_, err := Dial(t.Context(), drivers.Device{Name: "switch1", Address: l.Addr().String(), SSH: &drivers.SSH{AnyHostKey: true}, Timeout: soon}, switchOS())
		wantFault(t, err, drivers.Transient, "no handshake in time")
	})
}

func TestNobodyThereIsTransient(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = Dial(t.Context(), drivers.Device{Name: "switch1", Address: l.Addr().String(), SSH: &drivers.SSH{AnyHostKey: true}, Timeout: soon}, switchOS())
	wantFault(t, err, drivers.Transient, "refused")
}

func TestCommandLineThatSaysNothingIsTransient(t *testing.T) {
	d := (&device{login: wait}).start(t, "127.0.0.1:0")
	d.Timeout = soon
	within(t, func() {
		_, err := Dial(t.Context(), d, switchOS())
		wantFault(t, err, drivers.Transient, "no answer in time")
	})
}

func TestNameIsNotLearnedFromTheBanner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, &device{banner: "\nWelcome\nother#\nsw1#\nother#", answers: map[string]string{"show": "a\nother#\nb\n"}})
		if out, err := s.Run(t.Context(), "observe", "show"); out != "a\nother#\nb\n" || err != nil {
			t.Errorf("read %q, %v", out, err)
		}
	})
}

// interrupted opens a session of short operations with a device that answers "show" by f.
func interrupted(t *testing.T, f func(*terminal)) *Session {
	t.Helper()
	s, done := (&device{serve: map[string]func(*terminal){"show": f}}).attach(t, soon)
	t.Cleanup(done)
	return s
}

func TestInterruptedAnswersHaveTheirFaults(t *testing.T) {
	for name, tt := range map[string]struct {
		f             func(*terminal)
		read, command drivers.Fault
		words         string
	}{
		"stops in the middle":       {func(t *terminal) { t.print("interface Ethernet1\n   desc"); wait(t) }, drivers.Transient, drivers.Unknown, `stopped at "desc"`},
		"stops at what is a prompt": {func(t *terminal) { t.print("interface Ethernet1\nsw1#"); wait(t) }, drivers.Transient, drivers.Unknown, "no answer in time"},
		"disconnects":               {func(t *terminal) { t.print("interface Ethernet1\n"); _ = t.session.Close() }, drivers.Transient, drivers.Unknown, "ended the session"},
		"sends too much":            {func(t *terminal) { t.print(strings.Repeat("0123456789\n", 20_000)) }, drivers.Incomplete, drivers.Unknown, "more than is allowed"},
		"sends without end": {func(t *terminal) {
			for t.session.Context().Err() == nil {
				t.print(strings.Repeat("0123456789", 1000))
			}
		}, drivers.Incomplete, drivers.Unknown, "more than is allowed"},
		"writes over its output": {func(t *terminal) { t.print("description important\r            \rnothing\n") }, drivers.Incomplete, drivers.Unknown, "written over"},
		"becomes another":        {func(t *terminal) { t.host = "sw2" }, drivers.Transient, drivers.Unknown, `stopped at "sw2#"`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := interrupted(t, tt.f)
				within(t, func() {
					out, err := s.Run(t.Context(), "observe", "show")
					wantFault(t, err, tt.read, tt.words)
					if out != "" {
						t.Errorf("read %q", out)
					}
				})
				wantDead(t, s)
				s = interrupted(t, tt.f)
				within(t, func() {
					_, err := s.Commit(t.Context(), "apply", "exec", "show")
					wantFault(t, err, tt.command, tt.words)
				})
				wantDead(t, s)
			})
		})
	}
}

func TestEchoAheadBehindAFalsePromptIsFoundOut(t *testing.T) {
	for name, d := range map[string]*device{"once": {eager: true}, "and again": {again: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d.serve = map[string]func(*terminal){"show": func(t *terminal) {
					t.print("a\nsw1#")
					<-time.After(10 * quiet)
					t.print("\nb\nend\n")
				}}
				s := open(t, d)
				out, err := s.Run(t.Context(), "observe", "show")
				wantFault(t, err, drivers.Incomplete, "")
				if out != "" {
					t.Errorf("read %q", out)
				}
				wantDead(t, s)
			})
		})
	}
}

func TestCommitThatWasNotSentIsNotUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := interrupted(t, wait)
		_, err := s.Run(t.Context(), "observe", "show")
		wantFault(t, err, drivers.Transient, "")
		_, err = s.Commit(t.Context(), "apply", "exec", "commit")
		wantFault(t, err, drivers.Transient, "no session")
	})
}

func TestCancelledContextEndsTheOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{serve: map[string]func(*terminal){"show": wait}}
		s := open(t, d)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		within(t, func() {
			_, err := s.Run(ctx, "observe", "show")
			wantFault(t, err, drivers.Transient, "")
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		wantDead(t, s)
	})
}

func TestQuestionsAreAnsweredByRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ask := func(question string, answer byte) func(*terminal) {
			return func(t *terminal) {
				t.print(question)
				if got, ok := t.line(); ok && got == string(answer) {
					t.print("done\n")
				}
			}
		}
		d := &device{serve: map[string]func(*terminal){
			"reload": ask("Proceed? [y/n] ", 'y'),
			"enable": func(t *terminal) {
				t.print("Password: ")
				got := t.keys()
				t.print("\n")
				if got != password {
					t.print("% Bad secret\n")
				}
			},
			"show": func(t *terminal) {
				for i, text := range []string{"one\ntwo\n", "three is longer\n", "4\n", "five\n"} {
					t.print(text)
					if i == 3 {
						break
					}
					t.print("--More--")
					t.key()
					t.print([]string{"\r        \r", "\b\b\b\b\b\b\b\b        \b\b\b\b\b\b\b\b", "\x1b[2K\r"}[i])
				}
			},
			"more": func(t *terminal) { t.print("one\n--More--"); t.key(); t.print("\ntwo\n") },
			"last": func(t *terminal) { t.print("one\n--More--"); t.key(); t.print("\r          \r") },
		}}
		s := open(t, d)
		for command, want := range map[string]string{
			"reload": "Proceed? [y/n] y\ndone\n",
			"enable": "Password: \n",
			"show":   "one\ntwo\nthree is longer\n4\nfive\n",
			"more":   "one\n\ntwo\n",
			"last":   "one\n",
		} {
			if out, err := s.Enter(t.Context(), "observe", "exec", command); out != want || err != nil {
				t.Errorf("%s: %q, %v", command, out, err)
			}
		}
	})
}

func TestQuestionWithoutRuleFailsWithItsText(t *testing.T) {
	for _, question := range []string{"Save? [yes/no]: ", "Are you sure (y/n) ", "Delete everything?", "New password: ", "--- more ---(more 12%)---", "Press any key to continue"} {
		t.Run(question, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, &device{serve: map[string]func(*terminal){"reload": func(t *terminal) { t.print(question); wait(t) }}})
				begin := time.Now()
				_, err := s.Run(t.Context(), "apply", "reload")
				wantFault(t, err, drivers.Rejected, strings.TrimSpace(question))
				if !errors.As(err, new(*Unanswered)) {
					t.Errorf("error %v is no question", err)
				}
				if took := time.Since(begin); took > 2*puzzled {
					t.Errorf("took %s", took)
				}
				wantDead(t, s)
			})
		})
	}
}

func TestPasswordIsGivenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, &device{serve: map[string]func(*terminal){"enable": func(t *terminal) {
			for t.session.Context().Err() == nil {
				t.print("Password: ")
				t.keys()
				t.print("\n")
			}
		}}})
		_, err := s.Enter(t.Context(), "dial", "exec", "enable")
		wantFault(t, err, drivers.Denied, "Password:")
	})
}

func TestWhatLooksLikeAQuestionInAReadIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, question := range []string{"Password: ", "Proceed? [y/n] "} {
			d := &device{serve: map[string]func(*terminal){"show banner": func(t *terminal) {
				t.print(question)
				time.Sleep(300 * time.Millisecond)
				t.print("\nend\n")
			}}}
			s := open(t, d)
			if out, err := s.Run(t.Context(), "observe", "show banner"); out != question+"\nend\n" || err != nil {
				t.Errorf("read %q, %v", out, err)
			}
			if diff := cmp.Diff([]string{"! terminal length 0", "show banner"}, d.lines()); diff != "" {
				t.Error("the device received (-want +got):\n", diff)
			}
		}
	})
}

func TestLinesThatCouldBeMoreThanOneAreNeverSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{}
		s := open(t, d)
		for _, line := range []string{"a\nreload now", "a\rreload", "a\treload", "show ?", "a\x1b[A", "a\x03", "a\x7f", "caf\u00e9", "a\u2028b", "a\x00"} {
			_, err := s.Run(t.Context(), "observe", line)
			wantFault(t, err, drivers.Rejected, "in a line for the device")
			_, err = s.Send(t.Context(), "apply", []string{"vlan 7", line})
			wantFault(t, err, drivers.Rejected, "in a line for the device")
			_, err = s.Exec(t.Context(), "apply", "\n"+line, nil)
			wantFault(t, err, drivers.Rejected, "in a line for the device")
			_, err = s.Exec(t.Context(), "apply", "load", []byte("a\n\x01"+line))
			wantFault(t, err, drivers.Rejected, "in a line for the device")
		}
		if diff := cmp.Diff([]string{"! terminal length 0"}, d.lines()); diff != "" {
			t.Error("the device received (-want +got):\n", diff)
		}
	})
}

func TestRefusalsLeaveTheSessionOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{answers: map[string]string{"show version": "sw 1\n", "show config": "a\nerror: configuration check-out failed\n"}}
		s := open(t, d)
		refused := func(err error, line, text string) {
			t.Helper()
			wantFault(t, err, drivers.Rejected, text)
			var r *Refusal
			if !errors.As(err, &r) || r.Line != line || r.Text != text {
				t.Errorf("refusal %+v", r)
			}
		}
		_, err := s.Run(t.Context(), "observe", "shov version")
		refused(err, "shov version", "% Invalid input")
		_, err = s.Run(t.Context(), "observe", "show config")
		refused(err, "show config", "a error: configuration check-out failed")
		_, err = s.Enter(t.Context(), "apply", "config", "show version")
		refused(err, "show version", "sw 1")
		if _, err := s.Enter(t.Context(), "apply", "config", "configure"); err != nil {
			t.Fatal(err)
		}
		_, err = s.Send(t.Context(), "apply", []string{"vlan 7", "wrong line", "vlan 8"})
		refused(err, "wrong line", "% Invalid input")
		_, err = s.Commit(t.Context(), "apply", "exec", "wrong commit")
		refused(err, "wrong commit", "% Invalid input")
		if _, err := s.Enter(t.Context(), "apply", "exec", "end"); err != nil {
			t.Fatal(err)
		}
		if out, err := s.Run(t.Context(), "observe", "show version"); out != "sw 1\n" || err != nil {
			t.Errorf("read %q, %v", out, err)
		}
		if slices.Contains(d.lines(), "vlan 8") {
			t.Error("what follows a refused line was sent")
		}
	})
}

func TestLineThatLeadsElsewhereEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, &device{})
		_, err := s.Run(t.Context(), "observe", "configure")
		wantFault(t, err, drivers.Incomplete, "leads to mode config")
		wantDead(t, s)
		s = open(t, &device{})
		if _, err := s.Enter(t.Context(), "apply", "config", "configure"); err != nil {
			t.Fatal(err)
		}
		_, err = s.Send(t.Context(), "apply", []string{"vlan 7", "end", "vlan 8"})
		wantFault(t, err, drivers.Incomplete, "leads to mode exec")
		wantDead(t, s)
	})
}

func TestRemarksOfTheDeviceAreReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, &device{answers: map[string]string{"vlan 7": "! this VLAN is old\n"}})
		remarks, err := s.Send(t.Context(), "apply", []string{"! a", "vlan 7", "! b"})
		if diff := cmp.Diff([]string{"! this VLAN is old"}, remarks); diff != "" || err != nil {
			t.Error(err, diff)
		}
	})
}

func TestNoiseOfATerminalIsNoOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cut := new(pieces)
		d := &device{write: cut.write, banner: "\x1b[2J\x1b[H\x1b]0;title\x07welcome\n", answers: map[string]string{
			"show": "\x1b[1minterface\x1b[0m Ethernet1\n\x1b[32m   description x\x1b[39;49m\x1b[K\r\n\x1b(Bend\x00\x07\x1b[?25h\n",
		}}
		s := open(t, d)
		for size := 1; size < 8; size++ {
			cut.set([]int{size}, []int{0, 0, 0, 1}, nil)
			if out, err := s.Run(t.Context(), "observe", "show"); out != "interface Ethernet1\n   description x\nend\n" || err != nil {
				t.Fatalf("read %q, %v", out, err)
			}
		}
	})
}

func TestLogIsBoundedAndHasNoSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{answers: map[string]string{
			"show": strings.Repeat("interface Ethernet1 of many\n", 2000) + "username admin secret sha512 $6$abcdef\nsnmp-server community hidden ro\necho " + password + "\n\x1b[1mend\n",
		}}
		s := open(t, d)
		if _, err := s.Run(t.Context(), "observe", "show"); err != nil {
			t.Fatal(err)
		}
		log := string(s.Log())
		if len(log) > 20_000 || !strings.Contains(log, "\nend\n") {
			t.Errorf("%d octets, ends in %q", len(log), log[max(0, len(log)-100):])
		}
		for _, word := range []string{"$6$", "hidden", password, "\x1b"} {
			if strings.Contains(log, word) {
				t.Errorf("the log has %q", word)
			}
		}
	})
}

func TestSessionThatEndsInDoubtTellsWhatTheDeviceSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, &device{serve: map[string]func(*terminal){"show": func(t *terminal) {
			t.print("interface Ethernet1\nsnmp-server community hidden ro\n")
			_ = t.key()
		}}})
		var told bytes.Buffer
		s.log = slog.New(slog.NewTextHandler(&told, &slog.HandlerOptions{Level: slog.LevelDebug}))
		if _, err := s.Run(t.Context(), "observe", "show"); drivers.FaultOf(err) != drivers.Transient {
			t.Fatal(err)
		}
		if text := told.String(); !strings.Contains(text, "interface Ethernet1") || !strings.Contains(text, "op=observe") || strings.Contains(text, "hidden") {
			t.Error(text)
		}
	})
}

func TestSpeakingUnaskedDoesNotSpoilTheNextRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spoke := make(chan struct{})
		d := &device{answers: map[string]string{"show": "a\nb\n"}, serve: map[string]func(*terminal){"tell": func(t *terminal) {
			go func() {
				time.Sleep(150 * time.Millisecond)
				t.print("\nNov 26 14:00:00 sw1 ports: Ethernet1 is up\n")
				close(spoke)
			}()
		}}}
		s := open(t, d)
		if _, err := s.Run(t.Context(), "observe", "tell"); err != nil {
			t.Fatal(err)
		}
		<-spoke
		if out, err := s.Run(t.Context(), "observe", "show"); out != "a\nb\n" || err != nil {
			t.Errorf("read %q, %v", out, err)
		}
	})
}

func TestWrongPasswordIsDenied(t *testing.T) {
	d := (&device{}).start(t, "127.0.0.1:0")
	d.Password = secret.New("guess")
	_, err := Dial(t.Context(), d, switchOS())
	wantFault(t, err, drivers.Denied, "unable to authenticate")
	if strings.Contains(err.Error(), "guess") {
		t.Error(err)
	}
}
