package eos

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
	gossh "golang.org/x/crypto/ssh"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/drivertest"
	"github.com/ixagent/ixagent/lab/cli"
	labeos "github.com/ixagent/ixagent/lab/cli/eos"
	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/models/secret"
	"github.com/ixagent/ixagent/models/switchcfg"
)

func TestMain(m *testing.M) {
	// ygot imports glog, whose init starts a goroutine for ever.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

// lab is a lab switch with the command line of EOS, and what is needed to reach it.
type lab struct {
	nos    *labeos.NOS
	server *cli.Server
	faults *cli.Faults
	device drivers.Device
	cables map[string]*cable
}

// cable is a wire in memory: what is put into it comes in at its port, and what leaves by the port is gone.
type cable struct {
	in     chan []byte
	closed chan struct{}
}

// Read implements [dataplane.Wire].
func (c *cable) Read(fs []wire.Frame) (int, error) {
	select {
	case b := <-c.in:
		fs[0].Start = wire.Headroom
		fs[0].End = wire.Headroom + copy(fs[0].Buf[wire.Headroom:], b)
		return 1, nil
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

// Write implements [dataplane.Wire].
func (c *cable) Write(fs [][]byte) (int, error) { return len(fs), nil }

// frameOf returns a broadcast that a circuit matches.
func frameOf(m switchcfg.Match) []byte {
	f := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0x1a, 0, 0, 0, 1}
	if m.Form != switchcfg.Untagged {
		f = append(f, byte(m.TPID>>8), byte(m.TPID), byte(m.Outer>>8), byte(m.Outer))
	}
	if m.Form == switchcfg.Double {
		f = append(f, 0x81, 0, byte(m.Inner>>8), byte(m.Inner))
	}
	return append(append(f, 0x88, 0xb5), make([]byte, 50)...)
}

func newLab(t testing.TB, caps drivers.Capabilities, ports ...string) *lab {
	t.Helper()
	l := &lab{faults: new(cli.Faults), cables: make(map[string]*cable)}
	var err error
	if l.nos, err = labeos.New(labeos.Options{Name: "sw1", Ports: ports, Rebooted: func() { l.server.Cut() }}); err != nil {
		t.Fatal(err)
	}
	seed := switchd.Secret("test")
	ca, err := seed.Authority()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	plane := dataplane.New(dataplane.Options{})
	for i, name := range ports {
		c := &cable{make(chan []byte, 16), make(chan struct{})}
		l.cables[name] = c
		plane.Attach(name, c, [6]byte{2, 0, 0, 0, 9, byte(i)})
		plane.Link(name, true)
	}
	users := map[string]string{"agent": "secret"}
	sw, err := switchd.New(switchd.Options{
		Name: "sw1", Listen: "127.0.0.1:0", Ports: ports, TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
		Users: users, Native: l.nos.Native(), Plane: plane,
	})
	if err != nil {
		t.Fatal(err)
	}
	key, err := gossh.NewSignerFromKey(seed.HostKey("sw1"))
	if err != nil {
		t.Fatal(err)
	}
	l.server, err = cli.New(cli.Options{Name: "sw1", Listen: "127.0.0.1:0", NOS: l.nos, HostKey: key, Users: users, Faults: l.faults})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.nos.Attach(sw); err != nil {
		t.Fatal(err)
	}
	l.server.Start()
	t.Cleanup(func() {
		l.server.Close()
		sw.Close()
		for _, c := range l.cables {
			close(c.closed)
		}
		if err := plane.Close(); err != nil {
			t.Error(err)
		}
	})
	l.device = drivers.Device{
		Name: "sw1", Address: l.server.Addr().String(), Username: "agent", Password: secret.New("secret"),
		SSH: &drivers.SSH{KnownHosts: []byte(l.server.KnownHost())}, Capabilities: caps, Timeout: 20 * time.Second,
	}
	return l
}

func (l *lab) open(t testing.TB) drivers.Driver {
	t.Helper()
	return drivertest.Session(t, Spec(), l.device)
}

func TestLabSwitchConforms(t *testing.T) {
	drivertest.Fewer(t, 12)
	eachProfile(t, func(t *testing.T, caps drivers.Capabilities) {
		t.Parallel() // it waits, most of the time
		o := options(caps)
		drivertest.Run(t, drivertest.Harness{
			Caps: caps, Options: o, Scope: drivertest.Scope(o),
			New: func(t *testing.T) drivertest.Switch {
				l := newLab(t, caps, o.Ports...)
				sw := drivertest.Switch{
					Open: func() drivers.Driver {
						d, err := Spec().Open(t.Context(), l.device)
						if err != nil {
							t.Fatal(err)
						}
						return d
					},
					Truncate: func(on bool) {
						l.faults.Clear()
						if on {
							l.faults.Add(cli.Fault{Kind: cli.Omit, Command: showRunning, Text: "end"})
						}
					},
					Native: l.nos.Text,
				}
				if !caps.PortVLANs { // a port does not count by VLANs
					sw.Send = func(c *switchcfg.Circuit) { l.cables[c.Parent].in <- frameOf(c.Match) }
				}
				return sw
			},
		})
	})
}
