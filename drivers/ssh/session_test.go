package ssh

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ixagent/ixagent/drivers"
)

// open opens a session with d in a test that has a time of its own.
func open(t *testing.T, d *device) *Session {
	t.Helper()
	s, done := d.attach(t, time.Minute)
	t.Cleanup(done)
	return s
}

// logIn opens a session over the network.
func logIn(t testing.TB, d drivers.Device) *Session {
	t.Helper()
	s, err := Dial(t.Context(), d, switchOS())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSessionReadsEntersAndSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{answers: map[string]string{"show running-config": "interface Ethernet1\n   description x\nend\n"}}
		s := open(t, d)
		out, err := s.Run(t.Context(), "observe", "show running-config")
		if want := "interface Ethernet1\n   description x\nend\n"; out != want || err != nil {
			t.Fatalf("read %q, %v", out, err)
		}
		if _, err := s.Enter(t.Context(), "apply", "config", "configure"); err != nil {
			t.Fatal(err)
		}
		lines := []string{"interface Ethernet1", "description y", "exit"}
		if _, err := s.Send(t.Context(), "apply", lines); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Commit(t.Context(), "apply", "exec", "end"); err != nil {
			t.Fatal(err)
		}
		want := append(append([]string{"! terminal length 0", "show running-config", "configure"}, lines...), "end")
		if diff := cmp.Diff(want, d.lines()); diff != "" {
			t.Error("the device received (-want +got):\n", diff)
		}
	})
}

func TestPromptMayHaveSeveralLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, &device{
			prompts: func(mode string) string {
				if mode != "" {
					return "\n[edit]\nagent@r1.fra# "
				}
				return "agent@r1.fra> "
			},
			platform: &Platform{Name: "test", Comment: "#", Modes: []Mode{
				{Name: "exec", Prompt: `{user}@{host}> `},
				{Name: "config", Prompt: `\n?(\[edit[^\]\n]*\]\n)?{user}@{host}# `},
			}},
			answers: map[string]string{"show | compare": "[edit]\n+  vlan 7;\n\n[edit]\nagent@r1.fra# \n[edit]\n"},
		})
		if _, err := s.Enter(t.Context(), "apply", "config", "configure"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Send(t.Context(), "apply", []string{"set vlan 7", "set vlan 8"}); err != nil {
			t.Fatal(err)
		}
		out, err := s.Run(t.Context(), "apply", "show | compare")
		if want := "[edit]\n+  vlan 7;\n\n[edit]\nagent@r1.fra# \n[edit]\n"; out != want || err != nil {
			t.Errorf("read %q, %v", out, err)
		}
		if s.Mode() != "config" {
			t.Error(s.Mode())
		}
	})
}

func TestSendingNothingSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{answers: map[string]string{"show": "a\n"}}
		s := open(t, d)
		if remarks, err := s.Send(t.Context(), "apply", nil); remarks != nil || err != nil {
			t.Fatalf("%q, %v", remarks, err)
		}
		if out, err := s.Run(t.Context(), "observe", "show"); out != "a\n" || err != nil {
			t.Fatalf("read %q, %v", out, err)
		}
		if diff := cmp.Diff([]string{"! terminal length 0", "show"}, d.lines()); diff != "" {
			t.Error("the device received (-want +got):\n", diff)
		}
	})
}

func TestSessionBeginsInTheFirstMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{
			login: func(t *terminal) {
				for {
					t.print("sw1>")
					if line, ok := t.line(); !ok || line == "enable" {
						return
					}
				}
			},
		}
		if s := open(t, d); s.Mode() != "exec" {
			t.Error(s.Mode())
		}
	})
}

func TestEmptyLineBeforeThePromptIsSuffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{blank: true, answers: map[string]string{"show running-config": "interface Ethernet1\nend\n"}}
		s := open(t, d)
		if out, err := s.Run(t.Context(), "observe", "show running-config"); out != "interface Ethernet1\nend\n" || err != nil {
			t.Fatalf("read %q, %v", out, err)
		}
		if _, err := s.Enter(t.Context(), "apply", "config", "configure"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Send(t.Context(), "apply", []string{"interface Ethernet1", "description y"}); err != nil {
			t.Fatal(err)
		}
	})
}
