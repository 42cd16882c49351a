package junos

import (
	"crypto/tls"
	"testing"
	"time"

	"go.uber.org/goleak"
	gossh "golang.org/x/crypto/ssh"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/drivertest"
	"github.com/ixagent/ixagent/lab/cli"
	box "github.com/ixagent/ixagent/lab/cli/junos"
	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/models/secret"
)

func TestMain(m *testing.M) {
	// ygot imports glog, whose init starts a goroutine for ever.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

// lab is a lab switch with the command line of Junos.
type lab struct {
	sw     *switchd.Switch
	box    *box.NOS
	server *cli.Server
	faults *cli.Faults
	device drivers.Device

	asked func(command string) // after it was answered, if not nil
}

// Style implements [cli.NOS].
func (l *lab) Style() cli.Style { return l.box.Style() }

// Open implements [cli.NOS].
func (l *lab) Open(t *cli.Terminal) cli.Shell { return l.box.Open(t) }

// Exec implements [cli.NOS].
func (l *lab) Exec(e *cli.Exec) int {
	status := l.box.Exec(e)
	if l.asked != nil {
		l.asked(e.Command)
	}
	return status
}

// minute is what the lab switch takes for one.
const minute = 6 * time.Second

// newLab starts a switch.
func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{faults: new(cli.Faults)}
	o := box.Options{Name: "sw1", Ports: box.Ports(8), Minute: minute}
	var err error
	if l.box, err = box.New(o); err != nil {
		t.Fatal(err)
	}
	secrets := switchd.Secret("test")
	ca, err := secrets.Authority()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	users := map[string]string{"agent": "secret"}
	l.sw, err = switchd.New(switchd.Options{
		Name: o.Name, Listen: "127.0.0.1:0", Ports: o.Ports, TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
		Users: users, Native: l.box.Native(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.sw.Close)
	if err := l.box.Attach(l.sw); err != nil {
		t.Fatal(err)
	}
	key, err := gossh.NewSignerFromKey(secrets.HostKey(o.Name))
	if err != nil {
		t.Fatal(err)
	}
	l.server, err = cli.New(cli.Options{Name: o.Name, Listen: "127.0.0.1:0", NOS: l, HostKey: key, Users: users, Faults: l.faults})
	if err != nil {
		t.Fatal(err)
	}
	l.server.Start()
	t.Cleanup(l.server.Close)
	l.device = drivers.Device{
		Name: o.Name, Address: l.server.Addr().String(), Username: "agent", Password: secret.New("secret"),
		SSH: &drivers.SSH{KnownHosts: []byte(l.server.KnownHost())}, Capabilities: profile(t, "mx"), Timeout: 20 * time.Second,
	}
	return l
}

func (l *lab) open(t testing.TB) drivers.Driver {
	t.Helper()
	return drivertest.Session(t, Spec(), l.device)
}

func TestLabSwitchConforms(t *testing.T) {
	drivertest.Fewer(t, 10)
	caps := profile(t, "mx")
	o := options(&caps)
	drivertest.Run(t, drivertest.Harness{
		Caps: caps, Options: o, Scope: drivertest.Scope(o), Window: minute,
		New: func(t *testing.T) drivertest.Switch {
			l := newLab(t)
			return drivertest.Switch{
				Open: func() drivers.Driver {
					d, err := Spec().Open(t.Context(), l.device)
					if err != nil {
						t.Fatal(err)
					}
					return d
				},
				Truncate: func(on bool) {
					if on {
						l.faults.Add(cli.Fault{Kind: cli.End, Command: "show configuration", At: 2000})
					} else {
						l.faults.Clear()
					}
				},
				Native: l.box.Text,
			}
		},
	})
}
