package judge

import (
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/ixagent/ixagent/lab/namespace"
)

// Server is an Open vSwitch behind an OpenSSH server, as a switch that is reached by its shell.
type Server struct {
	*OVS
	Address    string // "127.0.0.1:port", outside of the namespace
	User       string
	Key        []byte // private, that lets one in, in OpenSSH's form
	KnownHosts []byte // a line of known_hosts(5)
	sshd       *process
}

// NewServer starts an Open vSwitch with an empty database in a namespace, and a server whose shell has its commands.
func NewServer(t testing.TB, ns *namespace.Namespace) *Server {
	t.Helper()
	need(t, "openssh-server", "/usr/sbin/sshd")
	s := &Server{OVS: newOVS(t, ns)}
	who, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s.User = who.Username
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Address = free.Addr().String()
	_, port, _ := net.SplitHostPort(s.Address)
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	hostKey, host := s.key("host")
	var login ssh.PublicKey
	s.Key, login = s.key("login")
	s.file("host_key", hostKey)
	s.file("authorized_keys", ssh.MarshalAuthorizedKey(login))
	s.KnownHosts = append([]byte("[127.0.0.1]:"+port+" "), ssh.MarshalAuthorizedKey(host)...)
	// HOME is not the user's, whose shell may have much to do at the beginning of each session.
	s.file("sshd_config", fmt.Appendf(nil, `ListenAddress %s
HostKey %s
AuthorizedKeysFile %s
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxSessions 100
SetEnv HOME=%s OVS_RUNDIR=%[4]s OVS_LOGDIR=%[4]s OVS_DBDIR=%[4]s
`, s.Address, filepath.Join(s.dir, "host_key"), filepath.Join(s.dir, "authorized_keys"), s.dir))
	_ = os.MkdirAll("/run/sshd", 0o755) // of Debian's unit; without it sshd says what it lacks
	here, err := namespace.Current()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = here.Close() })
	s.sshd = start(t, here, exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", filepath.Join(s.dir, "sshd_config")))
	Poll(t, "sshd listens", func() bool {
		c, err := net.Dial("tcp", s.Address)
		return err == nil && c.Close() == nil
	}, s.sshd.said.String)
	return s
}

func (s *Server) key(comment string) ([]byte, ssh.PublicKey) {
	s.t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		s.t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(private.Public())
	if err != nil {
		s.t.Fatal(err)
	}
	return pem.EncodeToMemory(block), public
}

func (s *Server) file(name string, b []byte) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), b, 0o600); err != nil {
		s.t.Fatal(err)
	}
}
