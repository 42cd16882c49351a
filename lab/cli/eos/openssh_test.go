package eos_test

import (
	"crypto/ed25519"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"
)

// OpenSSH, which nobody here wrote, logs in with a key, checks the host key, and works at a terminal.
func TestOpenSSHWorksAtTheTerminal(t *testing.T) {
	if _, err := exec.LookPath("ssh"); err != nil {
		if os.Getenv("IXAGENT_REQUIRE") == "all" {
			t.Fatal(err)
		}
		t.Skip("SKIPPED, it needs OpenSSH's client")
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := gossh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	server := r.serve(t, map[string][]gossh.PublicKey{"admin": {key}})
	block, err := gossh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	identity, hosts := filepath.Join(dir, "key"), filepath.Join(dir, "hosts")
	for file, text := range map[string][]byte{identity: pem.EncodeToMemory(block), hosts: []byte(server.KnownHost())} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, port, err := net.SplitHostPort(server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ssh := func(input string, command ...string) string {
		t.Helper()
		args := []string{
			"-F", "none", "-tt", "-i", identity, "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + hosts,
			"-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-p", port, "admin@127.0.0.1",
		}
		c := exec.CommandContext(t.Context(), "ssh", append(args, command...)...)
		c.Stdin = strings.NewReader(input)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	if out := ssh("", "show hostname"); out != "Hostname: sw1\r\nFQDN:     sw1\r\n" {
		t.Errorf("a command shows %q", out)
	}
	out := ssh("configure session a\rvlan 600\rname seen\rcommit\rshow running-config section vlan 600\rexit\r")
	if !strings.HasSuffix(out, "section vlan 600\r\nvlan 600\r\n   name seen\r\nsw1#exit\r\n") {
		t.Errorf("the terminal shows %q", out)
	}
}
