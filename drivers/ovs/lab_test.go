package ovs

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/drivertest"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/judge"
	"github.com/ixagent/ixagent/lab/namespace"
	"github.com/ixagent/ixagent/lab/namespace/namespacetest"
	"github.com/ixagent/ixagent/models/secret"
	"github.com/ixagent/ixagent/models/switchcfg"
	"github.com/ixagent/ixagent/models/switchcfg/switchcfgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func capabilities() drivers.Capabilities { return profiles()[0].Capabilities }

func options() switchcfgtest.Options {
	o := switchcfgtest.Default()
	o.NoStorm, o.NoMACLimit, o.NoServiceMTU, o.NoVLAN = true, true, true, true
	return o
}

// lab is Open vSwitch behind OpenSSH. Each of its ports is cabled to an interface of the same name in the namespace of
// members. What it has cached is compared with its flows every 100 ms, which is as often as may be, because every plan waits
// for that.
type lab struct {
	*judge.Server
	inside, members *namespace.Namespace
}

func newLab(t testing.TB, ports ...string) *lab {
	t.Helper()
	l := &lab{inside: namespacetest.New(t), members: namespacetest.New(t)}
	for _, p := range ports {
		if err := namespace.Veth(l.inside, p, l.members, p, 0); err != nil {
			t.Fatal(err)
		}
	}
	l.Server = judge.NewServer(t, l.inside)
	l.Vsctl("set", "Open_vSwitch", ".", "other_config:max-revalidator=100")
	return l
}

func (l *lab) device() drivers.Device {
	return drivers.Device{
		Name: "sw1", Address: l.Address, Username: l.User, Capabilities: capabilities(), Timeout: 30 * time.Second,
		SSH: &drivers.SSH{KnownHosts: l.KnownHosts, Key: secret.New(string(l.Key))},
	}
}

func (l *lab) open(t testing.TB) *driver {
	t.Helper()
	d, err := Spec().Open(t.Context(), l.device())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d.(*driver)
}

func observed(t testing.TB, d drivers.Driver) switchcfg.State {
	t.Helper()
	s, err := d.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOpenVSwitchConforms(t *testing.T) {
	t.Parallel()
	drivertest.Fewer(t, 8)
	o := options()
	drivertest.Run(t, drivertest.Harness{
		Caps: capabilities(), Options: o, Scope: drivertest.Scope(o), Window: 2 * time.Second, Apart: true,
		New: func(t *testing.T) drivertest.Switch {
			b := newBench(t, o.Ports...)
			return drivertest.Switch{
				Open: func() drivers.Driver {
					d, err := Spec().Open(t.Context(), b.device())
					if err != nil {
						t.Fatal(err)
					}
					return d
				},
				Send: b.sendBy,
			}
		},
	})
}

// sendBy has a frame come in by a circuit.
func (b *bench) sendBy(c *switchcfg.Circuit) {
	b.t.Helper()
	port := c.Parent
	if l, ok := observed(b.t, b.driver)[switchcfg.Key{Kind: switchcfg.KindLAG, Name: port}].(*switchcfg.LAG); ok {
		port = l.Members[0]
	}
	tags := []frame.Tag{{TPID: uint16(c.Match.TPID), TCI: uint16(c.Match.Outer)}, {TPID: frame.CTag, TCI: uint16(c.Match.Inner)}}
	switch c.Match.Form {
	case switchcfg.Untagged:
		tags = nil
	case switchcfg.Single:
		tags = tags[:1]
	case switchcfg.Stacked:
		tags[1].TCI = 7
	}
	b.station(port).send(letter(everybody, alice(1), 1, tags...))
}
