package openconfig

import (
	"crypto/tls"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/drivertest"
	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/switchd"
	labtree "github.com/ixagent/ixagent/lab/switchd/tree"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/secret"
	"github.com/ixagent/ixagent/models/switchcfg"
	"github.com/ixagent/ixagent/models/switchcfg/switchcfgtest"
)

func TestMain(m *testing.M) {
	// ygot imports glog, whose init starts a goroutine for ever.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

// lab is a lab switch and what is needed to reach it.
type lab struct {
	*switchd.Switch
	faults *switchd.Faults
	device drivers.Device
}

func newLab(t testing.TB, caps drivers.Capabilities, ports ...string) *lab {
	t.Helper()
	return newLabOn(t, caps, nil, ports...)
}

// newLabOn has a forwarding plane, if that is not nil.
func newLabOn(t testing.TB, caps drivers.Capabilities, plane *dataplane.Plane, ports ...string) *lab {
	t.Helper()
	ca, err := switchd.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{faults: new(switchd.Faults)}
	l.Switch, err = switchd.New(switchd.Options{
		Name: "sw1", Listen: "127.0.0.1:0", Ports: ports, Faults: l.faults, Plane: plane,
		TLS: &tls.Config{Certificates: []tls.Certificate{cert}}, Users: map[string]string{"agent": "secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.Start()
	t.Cleanup(l.Switch.Close)
	l.device = drivers.Device{
		Name: "sw1", Address: l.Addr().String(), Username: "agent", Password: secret.New("secret"),
		TLS: &tls.Config{RootCAs: ca.Pool()}, Capabilities: caps, Timeout: 20 * time.Second,
	}
	return l
}

func (l *lab) open(t testing.TB) drivers.Driver {
	t.Helper()
	return drivertest.Session(t, Spec(), l.device)
}

func options(c drivers.Capabilities) switchcfgtest.Options {
	o := switchcfgtest.Default()
	o.PortTPID = c.TPIDScope == drivers.PortScope
	return o
}

func profile(t testing.TB, name string) drivers.Capabilities {
	t.Helper()
	p, ok := Spec().Profile(name)
	if !ok {
		t.Fatalf("no profile %q", name)
	}
	return p.Capabilities
}

func TestLabSwitchConforms(t *testing.T) {
	for _, p := range []string{"ixlab", "openconfig", "srlinux-25.3"} {
		t.Run(p, func(t *testing.T) {
			conforms(t, profile(t, p), func(t *testing.T, caps drivers.Capabilities, ports []string) (*lab, func(*switchcfg.Circuit)) {
				return newLab(t, caps, ports...), nil
			})
		})
	}
	t.Run("forwarding", func(t *testing.T) {
		conforms(t, profile(t, "ixlab"), func(t *testing.T, caps drivers.Capabilities, ports []string) (*lab, func(*switchcfg.Circuit)) {
			l, cables := cabled(t, caps, ports...)
			return l, func(c *switchcfg.Circuit) {
				cables[c.Parent].in <- frameFrom(switchcfg.MAC{2, 0x1a, 0, 0, 0, 1}, tags(c.Match)...)
			}
		})
	})
}

func conforms(t *testing.T, caps drivers.Capabilities, start func(*testing.T, drivers.Capabilities, []string) (*lab, func(*switchcfg.Circuit))) {
	o := options(caps)
	drivertest.Run(t, drivertest.Harness{
		Caps: caps, Options: o, Scope: drivertest.Scope(o),
		New: func(t *testing.T) drivertest.Switch {
			l, send := start(t, caps, o.Ports)
			return drivertest.Switch{
				Open: func() drivers.Driver {
					d, err := Spec().Open(t.Context(), l.device)
					if err != nil {
						t.Fatal(err)
					}
					return d
				},
				Truncate: func(on bool) {
					n := 0
					if on {
						n = 1
					}
					l.faults.TruncateGets(n)
				},
				Send: send,
			}
		},
	})
}

func TestParsingAConfigurationIsObservingIt(t *testing.T) {
	caps := profile(t, "ixlab")
	o := options(caps)
	rapid.Check(t, func(rt *rapid.T) {
		l := newLab(t, caps, o.Ports...)
		defer l.Switch.Close()
		d, err := Spec().Open(t.Context(), l.device)
		if err != nil {
			rt.Fatal(err)
		}
		defer d.Close()
		if _, err := d.Apply(t.Context(), plan.Diff(nil, o.State(rt, "state"))); err != nil {
			rt.Fatal(err)
		}
		observed, err := d.Observe(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		text, _ := l.Running().Root().AppendJSON(nil, labtree.Config)
		if parsed, err := Parse(text, &caps); err != nil || !parsed.Equal(observed) {
			rt.Errorf("%v\nparsed:\n%s\nobserved:\n%s", err, parsed.AppendText(nil), observed.AppendText(nil))
		}
	})
	for _, bad := range []string{"", "[]", "{}", `{"openconfig-interfaces:interfaces": {}}`} {
		if _, err := Parse([]byte(bad), &caps); err == nil {
			t.Errorf("%q is taken for a configuration", bad)
		}
	}
}
