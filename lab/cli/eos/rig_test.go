package eos_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"go.uber.org/goleak"

	"github.com/ixagent/ixagent/lab/cli"
	"github.com/ixagent/ixagent/lab/cli/eos"
	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/switchd"
)

func TestMain(m *testing.M) {
	// ygot imports glog, whose init starts a goroutine for ever.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

// rig is a lab switch with a plane and a command line.
type rig struct {
	sw     *switchd.Switch
	nos    *eos.NOS
	server *cli.Server
	faults *cli.Faults
	harm   *switchd.Faults
	plane  *dataplane.Plane
}

func newRig(t testing.TB, more ...func(*eos.Options)) *rig {
	t.Helper()
	o := eos.Options{Name: "sw1"}
	for i := range 8 {
		o.Ports = append(o.Ports, fmt.Sprintf("Ethernet%d", i+1))
	}
	for _, f := range more {
		f(&o)
	}
	r := &rig{faults: new(cli.Faults), harm: new(switchd.Faults), plane: dataplane.New(dataplane.Options{})}
	o.Rebooted = func() { r.server.Cut() }
	var err error
	if r.nos, err = eos.New(o); err != nil {
		t.Fatal(err)
	}
	secret := switchd.Secret("test")
	ca, err := secret.Authority()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	r.sw, err = switchd.New(switchd.Options{
		Name: o.Name, Listen: "127.0.0.1:0", Ports: o.Ports, TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
		Users: map[string]string{"admin": "secret"}, Native: r.nos.Native(), Plane: r.plane, Faults: r.harm,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.nos.Attach(r.sw); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.sw.Close()
		if err := r.plane.Close(); err != nil {
			t.Error(err)
		}
	})
	r.server = r.serve(t, nil)
	return r
}

// serve starts a server of the command line, which ends with the test.
func (r *rig) serve(t testing.TB, keys map[string][]gossh.PublicKey) *cli.Server {
	t.Helper()
	key, err := gossh.NewSignerFromKey(switchd.Secret("test").HostKey("sw1"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := cli.New(cli.Options{
		Name: "sw1", Listen: "127.0.0.1:0", NOS: r.nos, HostKey: key, Users: map[string]string{"admin": "secret"}, Keys: keys, Faults: r.faults,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.Start()
	return s
}

// user is somebody at a terminal.
type user struct {
	t      testing.TB
	client *gossh.Client
	in     io.Writer
	out    chan []byte
	have   []byte
}

func (r *rig) dial(t testing.TB) *gossh.Client {
	t.Helper()
	key, err := gossh.NewSignerFromKey(switchd.Secret("test").HostKey("sw1"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := gossh.Dial("tcp", r.server.Addr().String(), &gossh.ClientConfig{
		User: "admin", Auth: []gossh.AuthMethod{gossh.Password("secret")}, HostKeyCallback: gossh.FixedHostKey(key.PublicKey()),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func (r *rig) login(t testing.TB) *user {
	t.Helper()
	u := r.terminal(t)
	u.wait("sw1#")
	u.run("terminal length 0")
	u.run("terminal width 32767")
	return u
}

func (r *rig) terminal(t testing.TB) *user {
	t.Helper()
	client := r.dial(t)
	sess, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := sess.RequestPty("xterm", 24, 80, nil); err != nil {
		t.Fatal(err)
	}
	in, err := sess.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := sess.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sess.Shell(); err != nil {
		t.Fatal(err)
	}
	u := &user{t: t, client: client, in: in, out: make(chan []byte, 1024)}
	go func() {
		defer close(u.out)
		for {
			b := make([]byte, 4096)
			n, err := out.Read(b)
			if n > 0 {
				u.out <- b[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	return u
}

// wait returns what came up to the end marker, which must be the last that came.
func (u *user) wait(end string) string {
	u.t.Helper()
	timeout := time.After(10 * time.Second)
	for !bytes.HasSuffix(u.have, []byte(end)) {
		select {
		case b, ok := <-u.out:
			if !ok {
				u.t.Fatalf("the session ended while waiting for %q, with %q", end, u.have)
			}
			u.have = append(u.have, b...)
		case <-timeout:
			u.t.Fatalf("no %q, but %q", end, u.have)
		}
	}
	text := strings.ReplaceAll(strings.TrimSuffix(string(u.have), end), "\r\n", "\n")
	u.have = nil
	return text
}

func (u *user) send(text string) {
	u.t.Helper()
	if _, err := io.WriteString(u.in, text); err != nil {
		u.t.Fatal(err)
	}
}

// run enters a line and returns what it says, without the echo and the prompt.
func (u *user) run(line string) string {
	u.t.Helper()
	u.send(line + "\r")
	text := u.wait("#")
	if _, after, ok := strings.Cut(text, "\n"); ok {
		text = after
	}
	i := strings.LastIndexByte(text, '\n')
	return text[:i+1]
}

// must enters lines of which nothing is refused.
func (u *user) must(lines ...string) {
	u.t.Helper()
	for _, l := range lines {
		if out := u.run(l); strings.Contains(out, "%") {
			u.t.Fatalf("%s: %s", l, out)
		}
	}
}

// gone waits until the session has ended.
func (u *user) gone() {
	u.t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case _, ok := <-u.out:
			if !ok {
				return
			}
		case <-timeout:
			u.t.Fatal("the session did not end")
		}
	}
}
