package ssh_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ixagent/ixagent/drivers"
	cli "github.com/ixagent/ixagent/drivers/ssh"
)

// open starts d and opens a session with it.
func open(t testing.TB, d *device) *cli.Session {
	t.Helper()
	return dial(t, d.start(t, "127.0.0.1:0"))
}

func dial(t testing.TB, d drivers.Device) *cli.Session {
	t.Helper()
	s, err := cli.Dial(t.Context(), d, switchOS())
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
}
