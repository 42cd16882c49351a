package config

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"
)

// sshFiles writes what overSSH names: known hosts, a key and one with a passphrase.
func sshFiles(t *testing.T, dir string) {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	host, err := gossh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	open, err := gossh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	locked, err := gossh.MarshalPrivateKeyWithPassphrase(key, "", []byte("sesame"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "known_hosts"), "# ours\n192.0.2.1 "+string(gossh.MarshalAuthorizedKey(host)), 0o644)
	write(t, filepath.Join(dir, "ssh/key"), string(pem.EncodeToMemory(open)), 0o600)
	write(t, filepath.Join(dir, "ssh/locked"), string(pem.EncodeToMemory(locked)), 0o600)
	write(t, filepath.Join(dir, "ssh/passphrase"), "sesame\n", 0o600)
	write(t, filepath.Join(dir, "ssh/password"), "jump\n", 0o600)
}

const overSSH = `
sources: [{name: exchange, type: file, path: .}]
credentials:
  lab:
    username: ixagent
    ssh:
      known_hosts: known_hosts
      key: ssh/locked
      passphrase: "file:ssh/passphrase"
      agent: true
      jump:
        address: 2001:db8::9
        username: jumper
        password: "file:ssh/password"
        host_keys: ["SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"]
        key: ssh/key
        agent: agent.sock
inventory: {devices: [{name: sw1, driver: srlinux, address: 192.0.2.1, credentials: lab}]}
`

func TestSessionsOverSSHHaveWhatTheFileRefersTo(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SSH_AUTH_SOCK", "/run/agent")
	sshFiles(t, dir)
	write(t, filepath.Join(dir, "ixagent.yaml"), overSSH, 0o644)
	c := load(t, dir)
	if err := c.CheckFiles(); err != nil {
		t.Fatal(report(err))
	}
	s, err := c.Session(c.Inventory.Devices[0])
	if err != nil {
		t.Fatal(err)
	}
	if s.Address != "192.0.2.1:22" || s.Username != "ixagent" || s.TLS != nil || !strings.HasPrefix(string(s.SSH.KnownHosts), "# ours") ||
		s.SSH.AnyHostKey || s.SSH.Key.Empty() || s.SSH.Passphrase.Reveal() != "sesame" || s.SSH.Agent != "/run/agent" {
		t.Errorf("session: %+v, %+v", s, s.SSH)
	}
	j := s.SSH.Jump
	if j == nil || j.Address != "[2001:db8::9]:22" || j.Username != "jumper" || j.Password.Reveal() != "jump" || len(j.SSH.HostKeys) != 1 ||
		j.SSH.KnownHosts != nil || j.SSH.Key.Empty() || j.SSH.Agent != filepath.Join(dir, "agent.sock") {
		t.Errorf("jump: %+v", j)
	}
	if text := fmt.Sprintf("%+v %+v %+v", s, s.SSH, j); strings.Contains(text, "sesame") || strings.Contains(text, "PRIVATE") {
		t.Errorf("a secret shows in %s", text)
	}
}

func TestFilesOfSSHAreCheckedWithTheirPlace(t *testing.T) {
	for _, tt := range []struct{ file, text, at, want string }{
		{"known_hosts", "192.0.2.1 ssh-ed25519 AAAA\n", "7:20", "line 1: "},
		{"known_hosts", "@unknown * ssh-ed25519 AAAA\n", "7:20", "line 1: "},
		{"ssh/locked", "no key\n", "8:12", "no key found"},
		{"ssh/passphrase", "wrong\n", "8:12", "decryption"},
		{"ssh/passphrase", "\n", "9:19", "the secret is empty"},
		{"ssh/key", "no key\n", "16:14", "no key found"},
	} {
		dir := t.TempDir()
		t.Setenv("SSH_AUTH_SOCK", "/run/agent")
		sshFiles(t, dir)
		write(t, filepath.Join(dir, "ixagent.yaml"), overSSH, 0o644)
		c := load(t, dir)
		write(t, filepath.Join(dir, tt.file), tt.text, 0o600)
		err := c.CheckFiles()
		if err == nil || !strings.Contains(report(err), filepath.Join(dir, "ixagent.yaml:")+tt.at+": ") || !strings.Contains(report(err), tt.want) {
			t.Errorf("%s %q: %s, want %s %s", tt.file, tt.text, report(err), tt.at, tt.want)
		}
	}
}

func TestPrivateKeyIsTheAgentsAlone(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SSH_AUTH_SOCK", "")
	sshFiles(t, dir)
	write(t, filepath.Join(dir, "ixagent.yaml"), overSSH, 0o644)
	write(t, filepath.Join(dir, "ssh/key"), "", 0o644)
	got := report(load(t, dir).CheckFiles())
	for _, want := range []string{
		"ixagent.yaml:16:14: " + filepath.Join(dir, "ssh/key") + ": everybody on this machine can read or write the file\n\thint: chmod 600 " + filepath.Join(dir, "ssh/key"),
		"ixagent.yaml:10:14: $SSH_AUTH_SOCK is not set",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}
