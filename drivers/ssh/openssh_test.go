package ssh_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	gossh "golang.org/x/crypto/ssh"

	"github.com/ixagent/ixagent/drivers"
	cli "github.com/ixagent/ixagent/drivers/ssh"
	"github.com/ixagent/ixagent/models/secret"
)

// openSSH runs Debian's sshd on a loopback address, which lets the user of the test in by key, and returns how it is
// reached. Its command line is bash with the prompt of a switch. Without sshd the test is skipped, or fails under
// IXAGENT_REQUIRE=all.
func openSSH(t *testing.T) drivers.Device {
	t.Helper()
	for _, path := range []string{"/usr/sbin/sshd", "/bin/bash"} {
		if _, err := os.Stat(path); err != nil {
			if os.Getenv("IXAGENT_REQUIRE") == "all" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // sshd wants it there
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := func(name string) (string, gossh.PublicKey) {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		block, err := gossh.MarshalPrivateKey(private, "")
		if err != nil {
			t.Fatal(err)
		}
		p, err := gossh.NewPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		text := string(pem.EncodeToMemory(block))
		write(name, text)
		return text, p
	}
	_, host := key("host")
	mine, public := key("mine")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	write("authorized_keys", string(gossh.MarshalAuthorizedKey(public)))
	shell := write("shell", `[ -n "$SSH_ORIGINAL_COMMAND" ] && exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"
export HISTFILE= PS1='sw1# '
exec /bin/bash --noprofile --norc -i
`)
	config := write("sshd_config", strings.Join([]string{
		"ListenAddress 127.0.0.1", "Port " + strconv.Itoa(port), "HostKey " + filepath.Join(dir, "host"), "PidFile none",
		"AuthorizedKeysFile " + filepath.Join(dir, "authorized_keys"), "StrictModes no", "PermitRootLogin prohibit-password",
		"PasswordAuthentication no", "KbdInteractiveAuthentication no", "PrintMotd no", "ForceCommand /bin/sh " + shell, "",
	}, "\n"))
	var log lockedBuffer
	server := exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", config)
	server.Stderr = &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for range 100 {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return drivers.Device{
		Name: "switch1", Address: address, Username: me.Username, Timeout: 10 * time.Second,
		SSH: &drivers.SSH{KnownHosts: []byte(known(address, host)), Key: secret.New(mine)},
	}
}

// shellOS is the platform of openSSH's command line.
func shellOS() *cli.Platform {
	return &cli.Platform{
		Name: "shell", Comment: "#",
		Modes:  []cli.Mode{{Name: "shell", Prompt: `{host}# `}},
		Errors: []string{`bash: `},
	}
}

func TestOpenSSHRunsCommands(t *testing.T) {
	d := openSSH(t)
	s, err := cli.Dial(t.Context(), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out, err := s.Exec(t.Context(), "observe", `cat; printf '%s|' "it's" 'a"b' '$(id)'; echo warning >&2; exit 7`, []byte("from us\n"))
	want := cli.Output{Stdout: []byte("from us\nit's|a\"b|$(id)|"), Stderr: []byte("warning\n"), Status: 7}
	if diff := cmp.Diff(want, out); diff != "" || err != nil {
		t.Error(err, diff)
	}
	out, err = s.Exec(t.Context(), "observe", "seq 1 100000", nil)
	if err != nil || len(out.Stdout) != 588895 || len(out.Stderr) > 0 {
		t.Errorf("%d octets, %v", len(out.Stdout), err)
	}
	_, err = s.Exec(t.Context(), "observe", "echo half; kill -9 $$", nil)
	wantFault(t, err, drivers.Incomplete, "signal KILL")
	ended, err := s.ExecCommit(t.Context(), "apply", "true", nil)
	if err != nil || ended.Status != 0 {
		t.Error(ended, err)
	}
	_, err = s.ExecCommit(t.Context(), "apply", "echo half; kill -9 $PPID", nil)
	wantFault(t, err, drivers.Unknown, "")
}

func TestOpenSSHThatIsSilentEndsInTime(t *testing.T) {
	d := openSSH(t)
	d.Timeout = soon
	within(t, func() {
		s, err := cli.Dial(t.Context(), d, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, err = s.Exec(t.Context(), "observe", "echo half; sleep 3", nil)
		wantFault(t, err, drivers.Transient, "no answer in time")
	})
}

func TestOpenSSHRefusesAStrangersKey(t *testing.T) {
	d := openSSH(t)
	d.SSH.Key, d.Password = secret.Text{}, secret.New("guess")
	_, err := cli.Dial(t.Context(), d, nil)
	wantFault(t, err, drivers.Denied, "unable to authenticate")
	d.SSH.KnownHosts = []byte(known(d.Address, newSigner(t).PublicKey()))
	_, err = cli.Dial(t.Context(), d, nil)
	wantFault(t, err, drivers.Denied, "has changed")
}

// A real terminal, with the echo of a kernel and the line editing of readline.
func TestShellBehindOpenSSHIsReadCompletely(t *testing.T) {
	s, err := cli.Dial(t.Context(), openSSH(t), shellOS())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	var many strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&many, "%d\n", i+1)
	}
	for command, want := range map[string]string{
		"true":        "",
		"seq 1 20000": many.String(),
		`printf 'a\nsw1# \nsw1# end\n  description sw1# \nb\n'`: "a\nsw1# \nsw1# end\n  description sw1# \nb\n",
		"echo a; sleep 0.2; echo b":                             "a\nb\n",
		"echo " + strings.Repeat("long ", 300):                  strings.Repeat("long ", 299) + "long\n",
	} {
		if out, err := s.Run(t.Context(), "observe", command); out != want || err != nil {
			t.Errorf("%.60s: read %d octets of %d, %v", command, len(out), len(want), err)
		}
	}
	_, err = s.Run(t.Context(), "observe", "shov version")
	wantFault(t, err, drivers.Rejected, "command not found")

	// The kernel echoes what is typed while nobody reads it: this may be refused, but not be read in part.
	for range 3 {
		out, err := s.Run(t.Context(), "observe", `printf 'a\nsw1# '; sleep 0.15; printf '\nb\n'`)
		if err != nil {
			wantFault(t, err, drivers.Incomplete, "")
			break
		}
		if !strings.HasSuffix(out, "\nb\n") {
			t.Errorf("read %q", out)
		}
	}
}
