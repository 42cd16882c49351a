package dataplane_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
)

// TestEverythingMayHappenAtOnce is for the race detector, and for locks that are taken in different orders.
func TestEverythingMayHappenAtOnce(t *testing.T) {
	e := &ether{all: map[netip.Addr]*endpoint{}}
	var b *bench
	changed := make(chan struct{}, 1)
	b = newBench(t, dataplane.Options{Tunnel: netip.MustParseAddr(here), Tunnels: e.open(here), Changed: func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}}, jacks[:4]...)
	configs := make([]*dataplane.Config, 20)
	for i := range configs {
		c := &dataplane.Config{
			System:   [6]byte{2},
			Services: []dataplane.Service{{Name: "s", VNI: 5, Remotes: []netip.Addr{netip.MustParseAddr(remotes[0])}}},
			Circuits: []dataplane.Circuit{circuit("a", 1, "s", false), circuit("b", 2, "s", false), circuit("l", i%3, "s", false)},
			LAGs:     []dataplane.LAG{{Name: "l", Enabled: true, Members: []string{"c", "d"}, Mode: lacp.Mode(i % 3), Fast: true}},
		}
		for _, p := range jacks[:4] {
			c.Ports = append(c.Ports, dataplane.Port{Name: p, Enabled: i%5 != 0 || p == "b"})
		}
		configs[i] = c
	}
	ctx, cancel := context.WithCancel(t.Context())
	var others sync.WaitGroup
	always := func(f func(i int)) {
		others.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				f(i)
			}
		})
	}
	for _, p := range jacks[:4] {
		always(func(i int) {
			select {
			case b.ports[p].in <- build(station(byte(i%5)), station(byte(i%7)), tagged(frame.CTag, i%3, 0), 46):
			case <-ctx.Done():
			}
			if i%64 == 0 {
				b.ports[p].take()
			}
		})
	}
	always(func(i int) { b.Link(jacks[i%4], i%3 != 0) })
	always(func(int) {
		b.CircuitStates()
		b.FilterStates()
		b.Drops()
		b.LAGState("l")
		b.LACP("l", "c")
		b.PortState("a")
		b.PortState(dataplane.TunnelPort)
	})
	always(func(i int) {
		if i%2 == 0 {
			b.Detach("d")
		} else {
			w := newCable()
			b.Attach("d", w, [6]byte{2})
			w.close()
		}
	})
	for i := range 100 {
		b.configure(configs[i%len(configs)])
	}
	cancel()
	others.Wait()
	b.close()
	select {
	case <-changed:
	default:
		t.Error("nobody was told that a link came or went")
	}
}
