package dataplane_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
)

var members = []string{"m1", "m2", "m3"}

// trunk configures a port "a" and a LAG in one LAN, after change had its way, and waits until the LAG is up.
func trunk(t *testing.T, change func(*dataplane.Config)) *bench {
	b := newBench(t, dataplane.Options{}, append(slices.Clone(members), "a")...)
	c := &dataplane.Config{
		LAGs:     []dataplane.LAG{{Name: "lag", Enabled: true, Members: members, Mode: lacp.Static, System: [6]byte{2}}},
		Services: []dataplane.Service{{Name: "s"}},
		Circuits: []dataplane.Circuit{circuit("a", 0, "s", false), circuit("lag", 1, "s", false)},
	}
	for _, p := range append([]string{"a"}, members...) {
		c.Ports = append(c.Ports, dataplane.Port{Name: p, Enabled: true})
	}
	change(c)
	b.configure(c)
	<-time.After(5 * time.Second)
	synctest.Wait()
	return b
}

// spread sends ten numbered frames of each of 60 flows and returns the member of each flow. No frame may be lost, and
// those of a flow must leave by one member, in order.
func (b *bench) spread() (by [60]string) {
	b.t.Helper()
	for number := range byte(10) {
		for flow := range by {
			f := build(broadcast, station(byte(flow)), nil, 46)
			f[len(f)-1] = number
			out := b.send("a", f)
			var member string
			for m, fs := range out {
				if want := tagAs(f, 100); len(out) != 1 || len(fs) != 1 || !bytes.Equal(fs[0], want) {
					b.t.Fatalf("flow %d came out as %x, want %x", flow, out, want)
				}
				member = m
			}
			if number > 0 && member != by[flow] || member == "" {
				b.t.Fatalf("frame %d of flow %d left by %q, those before by %q", number, flow, member, by[flow])
			}
			by[flow] = member
		}
	}
	return by
}

func tagAs(f []byte, vid uint16) []byte {
	out, _ := frame.Append(nil, f, 0, frame.Tag{TPID: frame.CTag, TCI: vid})
	return out
}

func TestFlowsOfALAGSpreadOverItsMembersInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := trunk(t, func(*dataplane.Config) {})
		defer b.close()
		users := func() map[string]int {
			n := map[string]int{}
			for _, m := range b.spread() {
				n[m]++
			}
			return n
		}
		all := users()
		for _, m := range members {
			if all[m] < 10 {
				t.Errorf("%s has %d of 60 flows", m, all[m])
			}
		}
		b.Link("m2", false)
		if n := users(); n["m2"] != 0 || n["m1"] == 0 || n["m3"] == 0 {
			t.Errorf("flows are spread as %v without m2", n)
		}
		b.Link("m2", true)
		time.Sleep(5 * time.Second)
		if n := users(); n["m2"] != all["m2"] {
			t.Errorf("flows are spread as %v with m2 again", n)
		}
	})
}

func TestLAGWithoutMembersThatDistributeTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := trunk(t, func(c *dataplane.Config) { c.LAGs[0].MinLinks = 2 })
		defer b.close()
		f := build(broadcast, station(1), nil, 46)
		for left, p := range []string{"m1", "m2"} {
			if s, _ := b.LAGState("lag"); !s.Operational || len(s.Distributing) != 3-left {
				t.Errorf("%d links: %+v", 3-left, s)
			}
			if out := b.send("a", f); len(out) != 1 {
				t.Errorf("%d links: came out at %v", 3-left, out)
			}
			b.Link(p, false)
		}
		b.reaches("a", f)
		b.expectDrops(1, dataplane.NoMember, 1)
		if s, _ := b.LAGState("lag"); s.Operational {
			t.Errorf("1 link: %+v", s)
		}
	})
}

func TestStationsBehindALAGAreForgottenWithItsLastLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := trunk(t, func(c *dataplane.Config) {
			c.Ports = append(c.Ports, dataplane.Port{Name: "b", Enabled: true})
			c.Circuits = append(c.Circuits, circuit("b", 0, "s", false))
		})
		defer b.close()
		b.ports["b"] = newCable()
		b.Attach("b", b.ports["b"], [6]byte{})
		b.Link("b", true)
		b.send("m1", tagAs(build(broadcast, station(1), nil, 46), 100))
		to := build(station(1), station(2), nil, 46)
		for _, p := range members {
			if out := b.send("a", to); len(out) != 1 || out["b"] != nil {
				t.Errorf("before %s lost its link: came out at %v", p, out)
			}
			b.Link(p, false)
			synctest.Wait()
		}
		b.reaches("a", to, "b")
		b.expectDrops(1, dataplane.NoMember, 1)
	})
}

func TestMemberThatDoesNotCollectTakesNothing(t *testing.T) {
	f := tagAs(build(broadcast, station(1), nil, 46), 100)
	for name, change := range map[string]func(*dataplane.Config){
		"no partner":    func(c *dataplane.Config) { c.LAGs[0].Mode = lacp.Active },
		"disabled port": func(c *dataplane.Config) { c.Ports[1].Enabled = false },
		"disabled LAG":  func(c *dataplane.Config) { c.LAGs[0].Enabled = false },
	} {
		synctest.Test(t, func(t *testing.T) {
			b := trunk(t, change)
			defer b.close()
			out := b.send("m1", f)
			if len(out["a"]) != 0 {
				t.Errorf("%s: came out as %x", name, out)
			}
			want := dataplane.AdminDown
			if name == "no partner" {
				want = dataplane.NotCollecting
			}
			if s, _ := b.PortState("m1"); s.Drops[want] != 1 {
				t.Errorf("%s: dropped as %v", name, s.Drops)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		b := trunk(t, func(*dataplane.Config) {})
		defer b.close()
		b.reaches("m1", f, "a")
		b.Link("m1", false)
		b.reaches("m1", f)
		b.reaches("m2", f, "a")
	})
}

func TestMembersFramesReachCircuitsOfTheLAGOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var conf *dataplane.Config
		b := trunk(t, func(c *dataplane.Config) { conf = c })
		defer b.close()
		own := *conf
		own.LAGs = nil
		own.Circuits = []dataplane.Circuit{conf.Circuits[0], circuit("m1", 0, "s", false)}
		b.configure(&own)
		bare := build(broadcast, station(1), nil, 46)
		b.reaches("m1", bare, "a")
		b.configure(conf)
		time.Sleep(5 * time.Second)
		b.reaches("m1", bare)
		if s, _ := b.PortState("m1"); s.Drops[dataplane.Untagged] != 1 {
			t.Errorf("dropped as %v", s.Drops)
		}
		b.reaches("m1", tagAs(bare, 100), "a")
		if s := b.CircuitStates()[1]; s.Parent != "lag" || s.In.Frames != 1 {
			t.Errorf("circuit of the LAG: %+v", s)
		}
	})
}

func TestStaticLAGForwardsSlowProtocolsAndSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := trunk(t, func(c *dataplane.Config) { c.Circuits[1].Tags = 0 })
		defer b.close()
		time.Sleep(time.Minute)
		for _, m := range members {
			if fs := b.ports[m].take(); len(fs) != 0 {
				t.Errorf("%s said %x", m, fs)
			}
		}
		b.reaches("m1", lacp.AppendFrame(nil, alice, make([]byte, 110)), "a")
	})
}

func TestFlowsStayInOrderWhileLinksComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := trunk(t, func(*dataplane.Config) {})
		defer b.close()
		for i := range 6 {
			m := members[i%3]
			b.Link(m, false)
			for flow, by := range b.spread() {
				if by == m {
					t.Fatalf("flow %d left by %s, which has no link", flow, m)
				}
			}
			b.Link(m, true)
			time.Sleep(5 * time.Second)
			if s, _ := b.LAGState("lag"); fmt.Sprint(s.Distributing) != "[m1 m2 m3]" {
				t.Errorf("distributing on %v", s.Distributing)
			}
		}
	})
}

func TestStationsBehindASilentPartnerAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var switches [2]*bench
		for i := range switches {
			b := newBench(t, dataplane.Options{}, "m", "a", "b")
			defer b.close()
			switches[i] = b
			b.configure(&dataplane.Config{
				Ports: []dataplane.Port{{Name: "m", Enabled: true}, {Name: "a", Enabled: true}, {Name: "b", Enabled: true}},
				LAGs: []dataplane.LAG{{
					Name: "lag", Enabled: true, Members: []string{"m"}, Mode: lacp.Active, Fast: true, System: [6]byte{2, byte(i)},
				}},
				Services: []dataplane.Service{{Name: "s"}},
				Circuits: []dataplane.Circuit{circuit("lag", 1, "s", false), circuit("a", 0, "s", false), circuit("b", 0, "s", false)},
			})
		}
		near, far := switches[0], switches[1]
		link(near.ports["m"], far.ports["m"])
		time.Sleep(20 * time.Second)
		far.reaches("a", build(broadcast, station(1), nil, 46), "b")
		if n := len(near.ports["b"].take()); n != 1 {
			t.Fatalf("%d frames crossed the LAG", n)
		}
		near.ports["a"].take()
		to := build(station(1), station(2), nil, 46)
		near.reaches("a", to)
		if n := len(far.ports["a"].take()); n != 1 {
			t.Errorf("%d frames came to the station", n)
		}
		for _, b := range switches {
			b.ports["m"].mu.Lock()
			b.ports["m"].cut = true
			b.ports["m"].mu.Unlock()
		}
		time.Sleep(20 * time.Second) // the links are there, but nobody is heard
		near.reaches("a", to, "b")
		near.expectDrops(0, dataplane.NoMember, 1)
	})
}
