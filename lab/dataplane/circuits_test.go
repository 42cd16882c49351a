package dataplane_test

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
)

// reaches lets a frame in at a port and expects one copy of it at each port of want and nowhere else.
func (b *bench) reaches(port string, f []byte, want ...string) {
	b.t.Helper()
	out := b.send(port, f)
	for _, p := range want {
		if len(out[p]) != 1 {
			b.t.Errorf("%x at %s came out as %x, want it at %v", f[:14], port, out, want)
		}
	}
	if len(out) != len(want) {
		b.t.Errorf("%x at %s came out as %x, want it at %v", f[:14], port, out, want)
	}
}

func (b *bench) expectDrops(circuit int, why dataplane.Reason, n uint64) {
	b.t.Helper()
	if got := drops(b, circuit, why); got != n {
		b.t.Errorf("circuit %d dropped %d as %v, want %d", circuit, got, why, n)
	}
}

func TestFirstRuleThatMatchesDecides(t *testing.T) {
	all := [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	synctest.Test(t, func(t *testing.T) {
		b := lan(t, func(c *dataplane.Config) {
			c.Circuits[0].Filter = "f"
			c.Filters = []dataplane.Filter{{Name: "f", Rules: []dataplane.Rule{
				{Dst: [6]byte{1, 0x80, 0xc2}, DstMask: [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xf0}},
				{Src: station(1), SrcMask: all, Accept: true},
				{Src: station(1), SrcMask: all},
				{Src: station(2), SrcMask: all, Dst: broadcast, DstMask: all, Accept: true},
			}}}
		})
		defer b.close()
		reserved := frame.MAC{1, 0x80, 0xc2, 0, 0, 0xe}
		b.reaches("a", build(broadcast, station(1), nil, 46), "b", "c")
		b.reaches("a", build(broadcast, station(2), nil, 46), "b", "c")
		b.reaches("a", build(reserved, station(1), nil, 46))
		b.reaches("a", build(station(9), station(2), nil, 46))
		b.reaches("a", build(broadcast, station(3), nil, 46))
		b.expectDrops(0, dataplane.Filtered, 3)
		b.reaches("b", build(reserved, station(8), nil, 46), "a", "c")
		one := dataplane.Count{Frames: 1, Octets: 60}
		want := []dataplane.FilterState{{Name: "f", Hits: []dataplane.Count{one, one, {}, one}}}
		if diff := cmp.Diff(want, b.FilterStates()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestLeavesOfATreeReachRootsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dataplane.Options{}, "root", "x", "y", "z")
		defer b.close()
		c := &dataplane.Config{Services: []dataplane.Service{{Name: "s", Kind: dataplane.Tree}}}
		for _, p := range []string{"root", "x", "y", "z"} {
			c.Ports = append(c.Ports, dataplane.Port{Name: p, Enabled: true})
			c.Circuits = append(c.Circuits, circuit(p, 0, "s", p != "root"))
		}
		b.configure(c)
		b.reaches("x", build(broadcast, station(1), nil, 46), "root")
		b.reaches("root", build(broadcast, station(9), nil, 46), "x", "y", "z")
		b.reaches("y", build(station(9), station(2), nil, 46), "root")
		b.reaches("root", build(station(1), station(9), nil, 46), "x")
		b.reaches("z", build(station(7), station(3), nil, 46), "root") // unknown
		b.reaches("z", build(station(1), station(3), nil, 46))
		b.expectDrops(3, dataplane.Leaf, 1)
	})
}

func TestCircuitsOfAPortReachEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dataplane.Options{}, "p")
		defer b.close()
		c := &dataplane.Config{
			Ports:    []dataplane.Port{{Name: "p", Enabled: true, TPID: frame.STag}},
			Services: []dataplane.Service{{Name: "s"}},
			Circuits: []dataplane.Circuit{circuit("p", 1, "s", false), circuit("p", 2, "s", false)},
		}
		c.Circuits[1].Unit, c.Circuits[1].Outer = 2, 200
		b.configure(c)
		to := []frame.Tag{{TPID: frame.STag, TCI: 3<<13 | 200}, {TPID: frame.CTag, TCI: 3<<13 | 7}}
		for _, dst := range []frame.MAC{broadcast, station(9)} {
			got := b.send("p", build(dst, alice, tagged(frame.STag, 1, 3), 46))["p"]
			if want := build(dst, alice, to, 46); len(got) != 1 || !bytes.Equal(got[0], want) {
				t.Errorf("came out as %x, want %x", got, want)
			}
		}
		if got := b.send("p", build(alice, station(9), to, 46))["p"]; len(got) != 1 || !bytes.Equal(got[0], build(alice, station(9), tagged(frame.STag, 1, 3), 46)) {
			t.Errorf("the answer came out as %x", got)
		}
		b.reaches("p", build(alice, station(8), tagged(frame.STag, 1, 0), 46))
		b.expectDrops(0, dataplane.SameCircuit, 1)
	})
}

func TestPrioritiesOfBothTagsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, kind := range []dataplane.Kind{dataplane.LAN, dataplane.Line} { // one copies, one does not
			b := newBench(t, dataplane.Options{}, "a", "b")
			c := &dataplane.Config{
				Ports:    []dataplane.Port{{Name: "a", Enabled: true, TPID: frame.QTag}, {Name: "b", Enabled: true, TPID: frame.STag}},
				Services: []dataplane.Service{{Name: "s", Kind: kind}},
				Circuits: []dataplane.Circuit{circuit("a", 2, "s", false), circuit("b", 2, "s", false)},
			}
			c.Circuits[1].Outer, c.Circuits[1].Inner = 300, 30
			b.configure(c)
			in := []frame.Tag{{TPID: frame.QTag, TCI: 5<<13 | 1<<12 | 100}, {TPID: frame.CTag, TCI: 2<<13 | 7}}
			want := build(broadcast, alice, []frame.Tag{{TPID: frame.STag, TCI: 5<<13 | 1<<12 | 300}, {TPID: frame.CTag, TCI: 2<<13 | 30}}, 46)
			if got := b.send("a", build(broadcast, alice, in, 46))["b"]; len(got) != 1 || !bytes.Equal(got[0], want) {
				t.Errorf("%v: came out as %x, want %x", kind, got, want)
			}
			b.close()
		}
	})
}

func TestFrameThatCannotLeaveIsDroppedForAReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conf := func() *dataplane.Config {
			return &dataplane.Config{
				Ports:    []dataplane.Port{{Name: "a", Enabled: true}, {Name: "b", Enabled: true}},
				Services: []dataplane.Service{{Name: "s"}},
				Circuits: []dataplane.Circuit{circuit("a", 0, "s", false), circuit("b", 1, "s", false)},
			}
		}
		b := newBench(t, dataplane.Options{}, "a", "b")
		defer b.close()
		f := build(broadcast, alice, nil, 46)
		for _, x := range []struct {
			why    dataplane.Reason
			change func(*dataplane.Config)
		}{
			{dataplane.AdminDown, func(c *dataplane.Config) { c.Circuits[1].Enabled = false }},
			{dataplane.AdminDown, func(c *dataplane.Config) { c.Ports[1].Enabled = false }},
			{dataplane.MTU, func(c *dataplane.Config) { c.Ports[1].MTU = 45 }},
			{dataplane.Policed, func(c *dataplane.Config) { c.Circuits[1].Out = dataplane.Policer{Rate: 8, Burst: 63} }},
			{dataplane.NoMember, func(c *dataplane.Config) {
				c.LAGs = []dataplane.LAG{{Name: "l", Enabled: true, Members: []string{"b"}, System: [6]byte{2}}}
				c.Circuits[1].Parent = "l"
			}},
			{dataplane.LinkDown, func(*dataplane.Config) { b.Link("b", false) }},
		} {
			c := conf()
			x.change(c)
			b.configure(c)
			was := drops(b, 1, x.why)
			b.reaches("a", f)
			b.expectDrops(1, x.why, was+1)
			all := b.Drops()
			if d := all[len(all)-1]; d.Reason != x.why || !d.Out || d.Port != "a" || !bytes.Equal(d.Octets, f) {
				t.Errorf("remembered as %+v", d)
			}
			if s := b.CircuitStates()[1]; s.Operational != (x.why == dataplane.MTU || x.why == dataplane.Policed) {
				t.Errorf("%v: %+v", x.why, s)
			}
		}
		b.Link("b", true)
		c := conf()
		c.Circuits = c.Circuits[:1]
		b.configure(c)
		b.reaches("a", f)
		b.expectDrops(0, dataplane.NoDestination, 1)
	})
}

func TestPayloadFitsServiceAndBothPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lan(t, func(c *dataplane.Config) {
			c.Ports[0].MTU, c.Ports[1].MTU, c.Services[0].MTU = 1500, 1400, 1450
			for i := range c.Circuits {
				c.Circuits[i].Tags, c.Circuits[i].Outer, c.Circuits[i].Inner = i, 100, 7
			}
		})
		defer b.close()
		b.reaches("a", build(broadcast, station(1), nil, 1400), "b", "c") // tags do not count
		b.reaches("a", build(broadcast, station(1), nil, 1401), "c")
		b.reaches("a", build(broadcast, station(1), nil, 1450), "c")
		b.expectDrops(1, dataplane.MTU, 2)
		b.reaches("a", build(broadcast, station(1), nil, 1451))
		b.expectDrops(0, dataplane.MTU, 1)
	})
}

func TestFrameFromATunnelEntersNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{all: map[netip.Addr]*endpoint{}}
		b := newBench(t, dataplane.Options{Tunnels: e.open("10.0.0.1"), Tunnel: netip.MustParseAddr("10.0.0.1")}, "p")
		defer b.close()
		far := []*endpoint{e.open("10.0.0.2"), e.open("10.0.0.3")}
		b.configure(&dataplane.Config{
			Ports:    []dataplane.Port{{Name: "p", Enabled: true}},
			Services: []dataplane.Service{{Name: "s", VNI: 5, Remotes: []netip.Addr{far[0].addr, far[1].addr}}},
			Circuits: []dataplane.Circuit{circuit("p", 0, "s", false)},
		})
		from := func(i int, dst, src frame.MAC) {
			t.Helper()
			d := append([]byte{8, 0, 0, 0, 0, 0, 5, 0}, build(dst, src, nil, 46)...)
			if _, err := far[i].WriteTo(d, udpAddr(netip.MustParseAddr("10.0.0.1"))); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if n := len(far[0].in) + len(far[1].in); n != 0 {
				t.Errorf("%d frames entered another tunnel", n)
			}
		}
		from(0, broadcast, station(2))
		from(1, broadcast, station(3))
		if n := len(b.ports["p"].take()); n != 2 {
			t.Errorf("%d frames came out at the port", n)
		}
		from(1, station(2), station(3))
		if s, _ := b.PortState(dataplane.TunnelPort); s.Drops[dataplane.SplitHorizon] != 1 || len(b.ports["p"].take()) != 0 {
			t.Errorf("frame between tunnels: %v", s.Drops)
		}
		b.send("p", build(station(3), station(1), nil, 46))
		if len(far[0].in) != 0 || len(far[1].in) != 1 {
			t.Errorf("frame to a station behind one tunnel entered %d and %d", len(far[0].in), len(far[1].in))
		}
	})
}

func TestWhatDidNotChangeIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var conf dataplane.Config
		b := lan(t, func(c *dataplane.Config) {
			c.Circuits[0].In = dataplane.Policer{Rate: 8, Burst: 100} // one frame of 60 octets
			conf = *c
		})
		defer b.close()
		b.reaches("a", build(broadcast, station(1), nil, 46), "b", "c")
		b.reaches("b", build(broadcast, station(2), nil, 46), "a", "c")
		conf.Ports, conf.Circuits = slices.Clone(conf.Ports), slices.Clone(conf.Circuits)
		conf.Circuits[2].MACLimit = 5 // of another one
		b.configure(&conf)
		b.reaches("a", build(broadcast, station(1), nil, 46))
		b.expectDrops(0, dataplane.Policed, 1)
		if s := b.CircuitStates()[0]; s.In.Frames != 1 || s.Out.Frames != 1 || s.Stations != 1 {
			t.Errorf("circuit that did not change: %+v", s)
		}
		b.reaches("c", build(station(1), station(3), nil, 46), "a")

		next := conf
		next.Circuits = slices.Clone(conf.Circuits)
		next.Circuits[0].In.Burst = 200
		b.configure(&next) // another bucket, but the stations are the same
		b.reaches("a", build(station(3), station(1), nil, 46), "c")
		b.reaches("c", build(station(1), station(3), nil, 46), "a")
	})
}

func TestStationsOfACircuitThatChangesAreForgotten(t *testing.T) {
	for name, change := range map[string]func(*dataplane.Config){
		"tags":     func(c *dataplane.Config) { c.Circuits[0].Tags, c.Circuits[0].Outer = 1, 100 },
		"TPID":     func(c *dataplane.Config) { c.Ports[0].TPID = frame.STag },
		"filter":   func(c *dataplane.Config) { c.Circuits[0].Filter = "f" },
		"limit":    func(c *dataplane.Config) { c.Circuits[0].MACLimit = 1 },
		"service":  func(c *dataplane.Config) { c.Circuits[0].Service = "other" },
		"shutdown": func(c *dataplane.Config) { c.Circuits[0].Enabled = false },
		"port":     func(c *dataplane.Config) { c.Ports[0].Enabled = false },
		"none":     func(c *dataplane.Config) { c.Circuits = c.Circuits[1:] },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var conf *dataplane.Config
				b := lan(t, func(c *dataplane.Config) {
					c.Filters = []dataplane.Filter{{Name: "f"}}
					c.Services = append(c.Services, dataplane.Service{Name: "other"})
					conf = c
				})
				defer b.close()
				b.reaches("a", build(broadcast, station(1), nil, 46), "b", "c")
				b.reaches("b", build(station(1), station(2), nil, 46), "a")
				next := *conf
				next.Ports, next.Circuits = slices.Clone(conf.Ports), slices.Clone(conf.Circuits)
				change(&next)
				b.configure(&next)
				if out := b.send("b", build(station(1), station(2), nil, 46)); len(out["c"]) != 1 {
					t.Errorf("frame to a station that must be forgotten came out at %v", out)
				}
				b.reaches("c", build(station(2), station(3), nil, 46), "b")
			})
		})
	}
}

func TestStationsBehindALostLinkAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lan(t, func(*dataplane.Config) {})
		defer b.close()
		b.reaches("a", build(broadcast, station(1), nil, 46), "b", "c")
		b.reaches("b", build(broadcast, station(2), nil, 46), "a", "c")
		b.Link("a", false)
		b.reaches("b", build(station(1), station(2), nil, 46), "c")
		b.expectDrops(0, dataplane.LinkDown, 1)
		b.reaches("a", build(station(2), station(1), nil, 46), "b") // it was on its way in, and is not learned from
		b.Link("a", true)
		b.reaches("b", build(station(1), station(2), nil, 46), "a", "c")
		b.reaches("c", build(station(2), station(3), nil, 46), "b")
	})
}

func TestPortFollowsItsWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lan(t, func(*dataplane.Config) {})
		defer b.close()
		f := build(broadcast, station(1), nil, 46)
		was := b.ports["b"]
		defer was.close()
		b.Detach("b")
		b.reaches("a", f, "c")
		if s, _ := b.PortState("b"); s.Drops[dataplane.Unsent] != 1 || s.MAC != (dataplane.MAC{}) {
			t.Errorf("port without a wire: %+v", s)
		}
		was.in <- f
		synctest.Wait()
		if n := len(b.ports["a"].take()); n != 0 {
			t.Errorf("%d frames came from a wire that was taken away", n)
		}

		b.ports["b"] = newCable()
		b.Attach("b", b.ports["b"], [6]byte{2, 0, 0, 0, 9, 9})
		b.reaches("a", f, "b", "c")
		b.reaches("b", build(broadcast, station(2), nil, 46), "a", "c")
		if s, _ := b.PortState("b"); s.Out.Frames != 1 || s.MAC != (dataplane.MAC{2, 0, 0, 0, 9, 9}) {
			t.Errorf("port with another wire: %+v", s)
		}

		next := newCable()
		old := b.ports["b"]
		defer old.close()
		b.Attach("b", next, [6]byte{})
		old.in <- f
		synctest.Wait()
		if n := len(b.ports["a"].take()) + len(old.take()); n != 0 {
			t.Errorf("%d frames passed by the wire that was replaced", n)
		}
		b.ports["b"] = next
		b.reaches("a", f, "b", "c")
	})
}

func TestPlanesReachEachOtherOverUDP(t *testing.T) {
	var conns [2]*net.UDPConn
	var addrs [2]netip.Addr
	for i := range conns {
		c, err := listen()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns[i], addrs[i] = c, c.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
	}
	// A datagram without a VXLAN header, which a plane drops.
	if _, err := conns[0].WriteToUDPAddrPort([]byte{0}, netip.AddrPortFrom(addrs[1], dataplane.TunnelUDPPort)); err != nil {
		if os.Getenv("IXAGENT_REQUIRE") == "all" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED, it needs a loopback that is up: %v", err)
	}
	var b [2]*bench
	for i := range b {
		b[i] = newBench(t, dataplane.Options{Tunnel: addrs[i], Tunnels: conns[i]}, "p")
		b[i].configure(&dataplane.Config{
			Ports:    []dataplane.Port{{Name: "p", Enabled: true, TPID: tpids[i+1]}},
			Services: []dataplane.Service{{Name: "s", Kind: dataplane.Tree, VNI: 7, Remotes: []netip.Addr{addrs[1-i]}}},
			Circuits: []dataplane.Circuit{circuit("p", 1+i, "s", i == 0)},
		})
	}
	for _, size := range []int{46, 1500, 9000} {
		b[0].ports["p"].in <- build(broadcast, alice, tagged(tpids[1], 1, 5), size)
		want := build(broadcast, alice, tagged(tpids[2], 2, 5), size)
		if got := b[1].await("p"); !bytes.Equal(got, want) {
			t.Errorf("came out as %x, want %x", got, want)
		}
		b[1].ports["p"].in <- build(alice, station(1), tagged(tpids[2], 2, 0), size)
		want = build(alice, station(1), tagged(tpids[1], 1, 0), size)
		if got := b[0].await("p"); !bytes.Equal(got, want) {
			t.Errorf("the answer came out as %x, want %x", got, want)
		}
	}
}

// listen opens the UDP port of tunnels on an address of the loopback that nobody else has.
func listen() (c *net.UDPConn, err error) {
	for range 100 {
		a := netip.AddrFrom4([4]byte{127, 47, byte(rand.N(256)), byte(1 + rand.N(254))})
		if c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, dataplane.TunnelUDPPort))); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// await returns the next frame that comes out at a port.
func (b *bench) await(port string) []byte {
	b.t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if fs := b.ports[port].take(); len(fs) > 0 {
				return fs[0]
			}
		case <-deadline:
			b.t.Fatal("no frame came out")
		}
	}
}
