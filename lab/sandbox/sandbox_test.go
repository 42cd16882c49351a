package sandbox_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/ixagent/ixagent/lab/cli"
	"github.com/ixagent/ixagent/lab/sandbox"
	"github.com/ixagent/ixagent/lab/switchd"
)

func TestMain(m *testing.M) {
	// ygot imports glog, whose init starts a goroutine for ever.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

// What the folder of the sandbox holds is what a client of a command line needs.
func TestCommandLineIsReachedWithWhatTheFolderHolds(t *testing.T) {
	dir := t.TempDir()
	s, err := sandbox.Start(sandbox.Options{Dir: dir, Records: fstest.MapFS{}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, name := range []string{"sw1", "sw2"} {
		if _, err := s.AddCommandLine(name, sandbox.PortNames(4), "eos"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.AddCommandLine("sw3", sandbox.PortNames(4), "another"); err == nil {
		t.Error("there is a command line of everything")
	}
	check, err := knownhosts.New(filepath.Join(dir, "ssh", "known_hosts"))
	if err != nil {
		t.Fatal(err)
	}
	password, err := os.ReadFile(filepath.Join(dir, "secrets", "switch-password"))
	if err != nil {
		t.Fatal(err)
	}
	say := func(name, command string) string {
		t.Helper()
		client, err := ssh.Dial("tcp", s.Switches[name].SSH.Addr().String(), &ssh.ClientConfig{
			User: switchd.SecretUser, Auth: []ssh.AuthMethod{ssh.Password(string(password))}, HostKeyCallback: check,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		sess, err := client.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		out, err := sess.Output(command)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	s.Switches["sw2"].Lines.Add(cli.Fault{Kind: cli.Answer, Text: "out of order\n"})
	for name, want := range map[string]string{"sw1": "Hostname: sw1\nFQDN:     sw1\n", "sw2": "out of order\n"} {
		if out := say(name, "show hostname"); out != want {
			t.Errorf("%s says %q", name, out)
		}
	}
	if err := s.ClearFaults(); err != nil {
		t.Fatal(err)
	}
	if out := say("sw2", "configure terminal\nvlan 5"); out != "" || s.Switches["sw2"].Running().At("network-instances", "network-instance").Len() != 1 {
		t.Errorf("sw2 says %q to a VLAN", out)
	}
}
