package ssh

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/secret"
)

// signers returns a key of each kind.
func signers(t testing.TB) []gossh.Signer {
	t.Helper()
	two, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	out := []gossh.Signer{newSigner(t)}
	for _, key := range []any{two, curve} {
		s, err := gossh.NewSignerFromKey(key)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// known returns a line of known_hosts.
func known(address string, key gossh.PublicKey) string {
	return knownhosts.Line([]string{knownhosts.Normalize(address)}, key) + "\n"
}

func TestHostIsVerified(t *testing.T) {
	keys := signers(t)
	other := newSigner(t).PublicKey()
	d := (&device{keys: keys}).start(t, "127.0.0.1:0")
	address := d.Address
	pin := gossh.FingerprintSHA256
	hashed := knownhosts.HashHostname(knownhosts.Normalize(address))
	for name, tt := range map[string]struct {
		ssh   drivers.SSH
		words string // of the refusal; empty if there is none
	}{
		"any":                         {drivers.SSH{AnyHostKey: true}, ""},
		"nothing is known":            {drivers.SSH{}, "nothing is known"},
		"known, first key":            {drivers.SSH{KnownHosts: []byte(known(address, keys[0].PublicKey()))}, ""},
		"known, RSA only":             {drivers.SSH{KnownHosts: []byte(known(address, keys[1].PublicKey()))}, ""},
		"known, ECDSA only":           {drivers.SSH{KnownHosts: []byte(known(address, keys[2].PublicKey()))}, ""},
		"known, hashed":               {drivers.SSH{KnownHosts: []byte(knownhosts.Line([]string{hashed}, keys[0].PublicKey()))}, ""},
		"known, among others":         {drivers.SSH{KnownHosts: []byte("# ours\n\n" + known("192.0.2.1:22", other) + known(address, keys[1].PublicKey()))}, ""},
		"known, changed":              {drivers.SSH{KnownHosts: []byte(known(address, other))}, "has changed"},
		"known, other port":           {drivers.SSH{KnownHosts: []byte(known("127.0.0.1:1", keys[0].PublicKey()))}, "not among the known hosts"},
		"known, damaged":              {drivers.SSH{KnownHosts: []byte(known(address, keys[0].PublicKey()) + "@revoked * ssh-ed25519 AAAA\n")}, "line 2"},
		"revoked":                     {drivers.SSH{KnownHosts: []byte(known(address, keys[0].PublicKey()) + "@revoked " + knownhosts.Line([]string{"*"}, keys[0].PublicKey()))}, "revoked"},
		"pinned, first key":           {drivers.SSH{HostKeys: []string{pin(keys[0].PublicKey())}}, ""},
		"pinned, RSA only":            {drivers.SSH{HostKeys: []string{pin(keys[1].PublicKey())}}, ""},
		"pinned, ECDSA only":          {drivers.SSH{HostKeys: []string{pin(keys[2].PublicKey())}}, ""},
		"pinned, one of two":          {drivers.SSH{HostKeys: []string{pin(other), pin(keys[2].PublicKey())}}, ""},
		"pinned, changed":             {drivers.SSH{HostKeys: []string{pin(other)}}, "none of those that are pinned"},
		"pinned, unknown host":        {drivers.SSH{HostKeys: []string{pin(keys[0].PublicKey())}, KnownHosts: []byte(known("192.0.2.1:22", other))}, ""},
		"pinned, but revoked":         {drivers.SSH{HostKeys: []string{pin(keys[0].PublicKey())}, KnownHosts: []byte("@revoked " + knownhosts.Line([]string{"*"}, keys[0].PublicKey()))}, "revoked"},
		"pinned, but known otherwise": {drivers.SSH{HostKeys: []string{pin(keys[0].PublicKey())}, KnownHosts: []byte(known(address, other))}, "has changed"},
	} {
		t.Run(name, func(t *testing.T) {
			d := d
			d.SSH = &tt.ssh
			s, err := Dial(t.Context(), d, nil)
			if tt.words != "" {
				wantFault(t, err, drivers.Denied, tt.words)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
		})
	}
}

func TestHostIsVerifiedWhereNoFileCanBeWritten(t *testing.T) {
	t.Setenv("TMPDIR", "/dev/null")
	host := new(device)
	d := host.start(t, "127.0.0.1:0")
	d.SSH = &drivers.SSH{KnownHosts: []byte(strings.Repeat("# a long file\n", 10_000) + known(d.Address, host.keys[0].PublicKey()))}
	logIn(t, d)
}

func TestHostWithACertificateIsVerified(t *testing.T) {
	authority := newSigner(t)
	certify := func(key gossh.Signer, change func(*gossh.Certificate)) gossh.Signer {
		cert := &gossh.Certificate{
			Key: key.PublicKey(), CertType: gossh.HostCert, ValidPrincipals: []string{"127.0.0.1"}, ValidBefore: gossh.CertTimeInfinity,
		}
		if change != nil {
			change(cert)
		}
		if err := cert.SignCert(rand.Reader, authority); err != nil {
			t.Fatal(err)
		}
		s, err := gossh.NewCertSigner(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	key := newSigner(t)
	for name, tt := range map[string]struct {
		change func(*gossh.Certificate)
		known  string
		words  string
	}{
		"by its authority":   {nil, "@cert-authority ADDRESS", ""},
		"of another host":    {func(c *gossh.Certificate) { c.ValidPrincipals = []string{"192.0.2.1"} }, "@cert-authority ADDRESS", "principal"},
		"out of date":        {func(c *gossh.Certificate) { c.ValidBefore = 1 }, "@cert-authority ADDRESS", "expired"},
		"whose key is known": {nil, "ADDRESS KEY", ""},
		"whose key is out":   {nil, "@cert-authority ADDRESS\n@revoked KEY", "revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			d := (&device{keys: []gossh.Signer{certify(key, tt.change), key}}).start(t, "127.0.0.1:0")
			at := knownhosts.Normalize(d.Address)
			text := strings.ReplaceAll(tt.known, "ADDRESS KEY", knownhosts.Line([]string{at}, key.PublicKey()))
			text = strings.ReplaceAll(text, "ADDRESS", knownhosts.Line([]string{at}, authority.PublicKey()))
			text = strings.ReplaceAll(text, "KEY", knownhosts.Line([]string{"*"}, key.PublicKey()))
			d.SSH = &drivers.SSH{KnownHosts: []byte(text)}
			s, err := Dial(t.Context(), d, nil)
			if tt.words != "" {
				wantFault(t, err, drivers.Denied, tt.words)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
		})
	}
}

func TestAddressMayBeIPv6(t *testing.T) {
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		if os.Getenv("IXAGENT_REQUIRE") == "all" {
			t.Fatal(err)
		}
		t.Skip("no IPv6 here: ", err)
	} else {
		l.Close()
	}
	d := (&device{answers: map[string]string{"show": "a\n"}}).start(t, "[::1]:0")
	s := logIn(t, d)
	if out, err := s.Run(t.Context(), "observe", "show"); out != "a\n" || err != nil {
		t.Errorf("read %q, %v", out, err)
	}
}

// only lets nobody in but the holder of key.
func only(key gossh.PublicKey) []ssh.Option {
	return []ssh.Option{
		func(s *ssh.Server) error { s.PasswordHandler = nil; return nil },
		ssh.PublicKeyAuth(func(_ ssh.Context, k ssh.PublicKey) bool { return ssh.KeysEqual(k, key) }),
	}
}

func TestAgentLogsInWithItsKey(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gossh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	open, err := gossh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	locked, err := gossh.MarshalPrivateKeyWithPassphrase(key, "", []byte("open sesame"))
	if err != nil {
		t.Fatal(err)
	}
	text := func(b *pem.Block) secret.Text { return secret.New(string(pem.EncodeToMemory(b))) }
	keyring := agent.NewKeyring()
	if err := keyring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	socket := serveAgent(t, keyring)
	d := (&device{options: only(signer.PublicKey())}).start(t, "127.0.0.1:0")
	for name, tt := range map[string]struct {
		ssh   drivers.SSH
		fault drivers.Fault
		words string
	}{
		"key":                 {drivers.SSH{Key: text(open)}, "", ""},
		"key with passphrase": {drivers.SSH{Key: text(locked), Passphrase: secret.New("open sesame")}, "", ""},
		"wrong passphrase":    {drivers.SSH{Key: text(locked), Passphrase: secret.New("sesame")}, drivers.Denied, "private key"},
		"no passphrase":       {drivers.SSH{Key: text(locked)}, drivers.Denied, "private key"},
		"no key at all":       {drivers.SSH{Key: secret.New("key")}, drivers.Denied, "private key"},
		"SSH agent":           {drivers.SSH{Agent: socket}, "", ""},
		"no SSH agent":        {drivers.SSH{Agent: socket + "x"}, drivers.Transient, "SSH agent"},
		"neither":             {drivers.SSH{}, drivers.Denied, "unable to authenticate"},
	} {
		t.Run(name, func(t *testing.T) {
			d := d
			tt.ssh.HostKeys = d.SSH.HostKeys
			d.Timeout = time.Minute // a passphrase takes its time
			d.SSH = &tt.ssh
			s, err := Dial(t.Context(), d, nil)
			if tt.fault != "" {
				wantFault(t, err, tt.fault, tt.words)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
		})
	}
}

// serveAgent serves the keyring and returns the path of its socket.
func serveAgent(t *testing.T, keyring agent.Agent) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_ = agent.ServeAgent(keyring, c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return path
}

func TestSilentAgentIsTransient(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "agent"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := (&device{options: only(newSigner(t).PublicKey())}).start(t, "127.0.0.1:0")
	d.SSH.Agent, d.Timeout = l.Addr().String(), soon
	within(t, func() {
		_, err := Dial(t.Context(), d, nil)
		wantFault(t, err, drivers.Transient, "in time")
	})
}

func TestPasswordMayBeAskedForInteractively(t *testing.T) {
	ask := func(questions []string, echos []bool) []ssh.Option {
		return []ssh.Option{
			func(s *ssh.Server) error { s.PasswordHandler = nil; return nil },
			ssh.KeyboardInteractiveAuth(func(_ ssh.Context, challenge gossh.KeyboardInteractiveChallenge) bool {
				answers, err := challenge("", "", questions, echos)
				return err == nil && len(answers) == 1 && answers[0] == password
			}),
		}
	}
	s, err := Dial(t.Context(), (&device{options: ask([]string{"Password: "}, []bool{false})}).start(t, "127.0.0.1:0"), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, err = Dial(t.Context(), (&device{options: ask([]string{"Password: ", "Token: "}, []bool{false, true})}).start(t, "127.0.0.1:0"), nil)
	wantFault(t, err, drivers.Denied, "Token")
}

func TestDeviceIsReachedThroughAJumpHost(t *testing.T) {
	d := (&device{answers: map[string]string{"show": "a\n"}}).start(t, "127.0.0.1:0")
	pass := []ssh.Option{func(s *ssh.Server) error {
		s.LocalPortForwardingCallback = func(ssh.Context, string, uint32) bool { return true }
		s.ChannelHandlers = map[string]ssh.ChannelHandler{"session": ssh.DefaultSessionHandler, "direct-tcpip": ssh.DirectTCPIPHandler}
		return nil
	}}
	j := (&device{options: pass}).start(t, "127.0.0.1:0")
	d.SSH.Jump = &drivers.Jump{Address: j.Address, Username: "jumper", Password: j.Password, SSH: *j.SSH}
	s := logIn(t, d)
	if out, err := s.Run(t.Context(), "observe", "show"); out != "a\n" || err != nil {
		t.Errorf("read %q, %v", out, err)
	}

	d.SSH.Jump.Password = secret.New("guess")
	_, err := Dial(t.Context(), d, nil)
	wantFault(t, err, drivers.Denied, "jump host")
	d.SSH.Jump.Password = j.Password
	d.SSH.Jump.SSH.HostKeys = d.SSH.HostKeys
	_, err = Dial(t.Context(), d, nil)
	wantFault(t, err, drivers.Denied, "jump host: the host key")

	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	d.SSH.Jump.SSH = *j.SSH
	d.Address, d.Timeout = silent.Addr().String(), soon
	within(t, func() {
		_, err := Dial(t.Context(), d, nil)
		wantFault(t, err, drivers.Transient, "no handshake in time")
	})
}

func TestUnverifiedHostIsLoud(t *testing.T) {
	d := (&device{}).start(t, "127.0.0.1:0")
	d.SSH = &drivers.SSH{AnyHostKey: true}
	var log lockedBuffer
	d.Log = log.logger()
	s, err := Dial(t.Context(), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "not verified") {
		t.Error(log.String())
	}
}

func TestClosingTwiceIsHarmless(t *testing.T) {
	s, err := Dial(t.Context(), (&device{}).start(t, "127.0.0.1:0"), switchOS())
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("took %s", took)
	}
	wantDead(t, s)
}
