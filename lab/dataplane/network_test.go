package dataplane_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
)

func link(a, b *cable) {
	a.mu.Lock()
	a.far = b
	a.mu.Unlock()
	b.mu.Lock()
	b.far = a
	b.mu.Unlock()
}

func TestMiscabledMemberStaysOutOfTheLAG(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ports := []string{"p1", "p2", "p3"}
		var switches []*bench
		for i := range 3 {
			b := newBench(t, dataplane.Options{}, ports...)
			defer b.close()
			switches = append(switches, b)
			conf := &dataplane.Config{LAGs: []dataplane.LAG{{
				Name: "lag", Enabled: true, Members: ports, Mode: lacp.Active, Fast: true, System: [6]byte{2, 0, 0, 0, 1, byte(i)},
			}}}
			for _, p := range ports {
				conf.Ports = append(conf.Ports, dataplane.Port{Name: p, Enabled: true})
			}
			b.configure(conf)
		}
		a, b, c := switches[0], switches[1], switches[2]
		link(a.ports["p1"], b.ports["p1"])
		link(a.ports["p2"], b.ports["p2"])
		link(a.ports["p3"], c.ports["p3"])
		time.Sleep(20 * time.Second)
		synctest.Wait()
		for _, s := range []*bench{a, b} {
			if got, _ := s.LAGState("lag"); !slices.Equal(got.Distributing, []string{"p1", "p2"}) {
				t.Errorf("distributing on %v", got.Distributing)
			}
		}
		a.Link("p1", false)
		if got, _ := a.LAGState("lag"); !slices.Equal(got.Distributing, []string{"p2"}) {
			t.Errorf("distributing on %v after p1 lost its link", got.Distributing)
		}
		if s, ok := a.LACP("lag", "p3"); !ok || s.Distributing() {
			t.Errorf("miscabled member: %+v, %t", s, ok)
		}
	})
}

// ether is a network of UDP endpoints in memory.
type ether struct {
	mu  sync.Mutex
	all map[netip.Addr]*endpoint
}

type endpoint struct {
	ether *ether
	addr  netip.Addr
	in    chan datagram
	late  chan struct{}
	once  sync.Once
}

type datagram struct {
	from netip.Addr
	b    []byte
}

func (e *ether) open(a string) *endpoint {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := &endpoint{ether: e, addr: netip.MustParseAddr(a), in: make(chan datagram, 64), late: make(chan struct{})}
	e.all[p.addr] = p
	return p
}

func udpAddr(a netip.Addr) net.Addr {
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, dataplane.TunnelUDPPort))
}

func (p *endpoint) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-p.in:
		return copy(b, d.b), udpAddr(d.from), nil
	case <-p.late:
		return 0, nil, os.ErrDeadlineExceeded
	}
}

func (p *endpoint) WriteTo(b []byte, to net.Addr) (int, error) {
	p.ether.mu.Lock()
	defer p.ether.mu.Unlock()
	if far := p.ether.all[to.(*net.UDPAddr).AddrPort().Addr()]; far != nil {
		far.in <- datagram{p.addr, bytes.Clone(b)}
	}
	return len(b), nil
}

func (p *endpoint) Close() error                     { return nil }
func (p *endpoint) LocalAddr() net.Addr              { return udpAddr(p.addr) }
func (p *endpoint) SetDeadline(time.Time) error      { return nil }
func (p *endpoint) SetWriteDeadline(time.Time) error { return nil }
func (p *endpoint) SetReadDeadline(time.Time) error  { p.once.Do(func() { close(p.late) }); return nil }

func TestServicesSpanSwitches(t *testing.T) {
	for _, kind := range []dataplane.Kind{dataplane.LAN, dataplane.Line, dataplane.Tree} {
		for leaves := range 4 {
			t.Run(fmt.Sprintf("%v leaves %02b", kind, leaves), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { span(t, kind, leaves&1 != 0, leaves&2 != 0) })
			})
		}
	}
}

func span(t *testing.T, kind dataplane.Kind, leafA, leafB bool) {
	e := &ether{all: map[netip.Addr]*endpoint{}}
	open := func(own, far string, leaf bool) *bench {
		b := newBench(t, dataplane.Options{Tunnels: e.open(own), Tunnel: netip.MustParseAddr(own)}, "p")
		b.configure(&dataplane.Config{
			Ports:    []dataplane.Port{{Name: "p", Enabled: true, TPID: frame.QTag}},
			Services: []dataplane.Service{{Name: "s", Kind: kind, VNI: 5, Remotes: []netip.Addr{netip.MustParseAddr(far)}}},
			Circuits: []dataplane.Circuit{circuit("p", 1, "s", leaf)},
		})
		return b
	}
	a, b := open("10.0.0.1", "10.0.0.2", leafA), open("10.0.0.2", "10.0.0.1", leafB)
	defer a.close()
	defer b.close()
	f := build(broadcast, alice, tagged(frame.QTag, 1, 3), 46)
	a.send("p", f)
	got := b.ports["p"].take()
	if blocked := kind == dataplane.Tree && leafA && leafB; blocked && len(got) != 0 {
		t.Errorf("leaf reached leaf: %x", got)
	} else if !blocked && (len(got) != 1 || !bytes.Equal(got[0], f)) {
		t.Errorf("came out as %x, want %x", got, f)
	}
	// A switch that the service does not reach, and a VNI that is none.
	stranger := e.open("10.0.0.9")
	for vni, why := range map[byte]dataplane.Reason{5: dataplane.UnknownRemote, 6: dataplane.UnknownVNI} {
		if _, err := stranger.WriteTo(append([]byte{8, 0, 0, 0, 0, 0, vni, 0}, build(broadcast, alice, nil, 46)...), udpAddr(netip.MustParseAddr("10.0.0.2"))); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s, _ := b.PortState(dataplane.TunnelPort); s.Drops[why] != 1 || len(b.ports["p"].take()) != 0 {
			t.Errorf("VNI %d of a stranger: %v", vni, s.Drops)
		}
	}
}

func TestBystanderLosesNothingWhileOthersAreReconfigured(t *testing.T) {
	b := newBench(t, dataplane.Options{}, "a", "b", "c")
	config := func(i int) *dataplane.Config {
		c := &dataplane.Config{
			Ports:    []dataplane.Port{{Name: "a", Enabled: true}, {Name: "b", Enabled: true}, {Name: "c", Enabled: i%2 == 0}},
			Services: []dataplane.Service{{Name: "s"}, {Name: "other"}},
			Circuits: []dataplane.Circuit{circuit("a", 1, "s", false), circuit("b", 2, "s", false)},
		}
		if i%3 != 0 {
			c.Circuits = append(c.Circuits, dataplane.Circuit{
				Parent: "c", Unit: uint32(i), Enabled: true, Tags: 1, Outer: uint16(1 + i%4000), Service: "other",
			})
		}
		return c
	}
	b.configure(config(0))
	const frames = 20000
	go func() {
		f := build(broadcast, alice, tagged(frame.CTag, 1, 0), 46)
		for range frames {
			b.ports["a"].in <- f
		}
	}()
	for i := range 1000 {
		b.configure(config(i))
	}
	deadline := time.NewTimer(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	got := 0
	for got < frames {
		select {
		case <-tick.C:
			got += len(b.ports["b"].take())
		case <-deadline.C:
			t.Fatalf("%d of %d frames arrived; %+v", got, frames, b.CircuitStates())
		}
	}
}
