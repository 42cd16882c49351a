package judge_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/judge"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
	"github.com/ixagent/ixagent/lab/namespace"
	"github.com/ixagent/ixagent/lab/namespace/namespacetest"
)

var ours = [6]byte{0x02, 0x69, 0x78, 0, 0, 1}

const (
	oursText     = "02:69:78:00:00:01"
	neighbour    = "02:6e:62:00:00:01"
	lagName      = "lag"
	firstMember  = "m1"
	secondMember = "m2"
	thirdMember  = "m3"
)

// lab is our switch in a namespace, with a second namespace for what it is judged by.
type lab struct {
	*dataplane.Plane
	t    testing.TB
	here *namespace.Namespace
	far  *namespace.Namespace
}

func newLab(t testing.TB, o dataplane.Options) *lab {
	t.Helper()
	return join(t, o, namespacetest.New(t), namespacetest.New(t))
}

// join puts a switch into one namespace, with its neighbours in another.
func join(t testing.TB, o dataplane.Options, here, far *namespace.Namespace) *lab {
	t.Helper()
	l := &lab{dataplane.New(o), t, here, far}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// cable joins port of our switch with an interface of the other namespace, which has "x" in front of the name.
func (l *lab) cable(ports ...string) {
	l.t.Helper()
	for _, port := range ports {
		if err := namespace.Veth(l.here, port, l.far, "x"+port, 0); err != nil {
			l.t.Fatal(err)
		}
		w := open(l.t, l.here, port)
		l.Attach(port, w, w.MAC())
	}
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() {
		if err := l.here.Do(func() error {
			return wire.Watch(ctx, func(k wire.Link) {
				if slices.Contains(ports, k.Name) {
					l.Link(k.Name, k.Up)
				}
			})
		}); err != nil {
			l.t.Error(err)
		}
	})
	l.t.Cleanup(func() { cancel(); watching.Wait() })
}

func open(t testing.TB, ns *namespace.Namespace, ifname string) (w *wire.Wire) {
	t.Helper()
	if err := ns.Do(func() (err error) {
		w, err = wire.Open(ifname)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() }) // a second close, after that of the switch, says so
	return w
}

func (l *lab) configure(c *dataplane.Config) {
	l.t.Helper()
	if err := l.Configure(c); err != nil {
		l.t.Fatal(err)
	}
}

// aggregate gives our switch one LAG of those members.
func (l *lab) aggregate(mode lacp.Mode, fast bool, members ...string) {
	l.t.Helper()
	c := &dataplane.Config{System: ours, LAGs: []dataplane.LAG{{Name: lagName, Enabled: true, Members: members, Mode: mode, Fast: fast}}}
	for _, m := range members {
		c.Ports = append(c.Ports, dataplane.Port{Name: m, Enabled: true})
	}
	l.configure(c)
}

// carrier sets an interface of a namespace up or down, which its other end sees.
func carrier(t testing.TB, ns *namespace.Namespace, ifname string, up bool) {
	t.Helper()
	if err := ns.Do(func() error { return wire.SetUp(ifname, up) }); err != nil {
		t.Fatal(err)
	}
}

// members returns which members of our LAG pass frames in both directions.
func (l *lab) members() []string {
	s, _ := l.LAGState(lagName)
	if !slices.Equal(s.Collecting, s.Distributing) {
		return nil
	}
	return s.Distributing
}

// machines tells what our switch knows of members.
func (l *lab) machines(members ...string) string {
	var said string
	for _, m := range members {
		s, _ := l.LACP(lagName, m)
		said += fmt.Sprintf("ours %s: %+v\n", m, s)
	}
	return said
}

// agrees waits until exactly these members pass frames by the account of both ends.
func (l *lab) agrees(ovs *judge.OVS, want ...string) judge.Bond {
	l.t.Helper()
	var b judge.Bond
	judge.Poll(l.t, fmt.Sprintf("both ends use %v", want), func() bool {
		if !slices.Equal(l.members(), want) {
			return false
		}
		b = ovs.Bond("bond")
		used := 0
		for name, m := range b.Members {
			if usable(m.ActorState) && usable(m.PartnerState) {
				if !slices.Contains(want, name[1:]) {
					return false
				}
				used++
			}
		}
		return used == len(want) && b.Status != ""
	}, func() string {
		return fmt.Sprintf("%s%s", l.machines(firstMember, secondMember, thirdMember), ovs.Appctl("lacp/show"))
	})
	return b
}
