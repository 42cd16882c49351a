package lacp_test

import (
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/lab/dataplane/lacp"
)

// calm is the time within which machines agree once nothing is lost any more: a slow period, until the silent
// end hears something, another, until the answer that was lost is repeated, and the waits in between.
const calm = 2*lacp.SlowPeriodicTime + 15*time.Second

func modes() *rapid.Generator[lacp.Mode] {
	return rapid.SampledFrom([]lacp.Mode{lacp.Active, lacp.Passive})
}

// storm loses PDUs, flaps links, sets clocks and changes keys and priorities, then takes all links up and ends the losses.
func storm(t *rapid.T, n *network) {
	for range rapid.IntRange(0, 25).Draw(t, "events") {
		switch rapid.IntRange(0, 4).Draw(t, "event") {
		case 0:
			n.loss = rapid.Float64Range(0, 1).Draw(t, "loss")
		case 1:
			w := rapid.SampledFrom(n.wires).Draw(t, "wire")
			n.set(w, rapid.IntRange(0, 1).Draw(t, "end"), rapid.Bool().Draw(t, "up"))
		case 2:
			by := rapid.Int64Range(-int64(2*time.Hour), int64(2*time.Hour)).Draw(t, "step")
			n.step(rapid.SampledFrom(n.nodes).Draw(t, "node"), time.Duration(by))
		case 3:
			a := rapid.SampledFrom(n.nodes).Draw(t, "node")
			a.conf.Key += rapid.SampledFrom([]uint16{0, 100}).Draw(t, "key")
			a.conf.Ports[0].Priority = rapid.Uint16Range(90, 110).Draw(t, "priority")
			n.configure(a)
		}
		n.run(time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "wait")))
	}
	for _, w := range n.wires {
		n.set(w, 0, true)
		n.set(w, 1, true)
	}
	n.loss = 0
}

func TestTwoEndsAgreeUnlessBothArePassive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := newNetwork(t, rapid.Uint64().Draw(t, "seed"))
		links := rapid.IntRange(1, 4).Draw(t, "links")
		for range 2 {
			n.add(lacp.Config{
				Mode: modes().Draw(t, "mode"), Fast: rapid.Bool().Draw(t, "fast"),
				MinLinks: rapid.IntRange(0, links).Draw(t, "min links"),
			}, links)
		}
		var all []uint16
		for i := range uint16(links) {
			n.wire(n.nodes[0], i+1, n.nodes[1], i+1)
			all = append(all, i+1)
		}
		storm(t, n)
		n.run(calm)
		if n.nodes[0].conf.Mode == lacp.Passive && n.nodes[1].conf.Mode == lacp.Passive {
			all = nil
		}
		n.distributes(n.nodes[0], all...)
		n.distributes(n.nodes[1], all...)
		n.run(5 * time.Minute)
		n.distributes(n.nodes[0], all...)
		n.distributes(n.nodes[1], all...)
	})
}

func TestBothEndsChooseTheSameLinksOfTooMany(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := newNetwork(t, rapid.Uint64().Draw(t, "seed"))
		for range 2 {
			c := lacp.Config{Mode: lacp.Active, Fast: rapid.Bool().Draw(t, "fast"), MaxLinks: rapid.SampledFrom([]int{0, 2}).Draw(t, "max links")}
			for i := range uint16(4) {
				c.Ports = append(c.Ports, lacp.PortConfig{Number: i + 1, Priority: rapid.Uint16Range(1, 3).Draw(t, "priority")})
			}
			n.add(c, 4)
		}
		for i := range uint16(4) {
			n.wire(n.nodes[0], i+1, n.nodes[1], 4-i)
		}
		storm(t, n)
		n.run(calm)
		a, b := n.nodes[0].Aggregator().Distributing, n.nodes[1].Aggregator().Distributing
		want := 4
		if n.nodes[0].conf.MaxLinks+n.nodes[1].conf.MaxLinks > 0 {
			want = 2
		}
		if len(a) != want || len(b) != want {
			t.Fatalf("%v and %v distribute, want %d links", a, b, want)
		}
	})
}

// Whatever the cabling and the weather, no end ever distributes to two partners or to one that does not agree;
// the network checks that at every instant. Once it is calm no group changes that carries frames, and no two
// systems that a wire joins are both left without one.
func TestNoCablingJoinsTwoPartners(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := newNetwork(t, rapid.Uint64().Draw(t, "seed"))
		const nodes, ports = 4, 3
		var ends []end
		for range nodes {
			a := n.add(lacp.Config{Mode: lacp.Active, Fast: rapid.Bool().Draw(t, "fast")}, ports)
			for i := range uint16(ports) {
				ends = append(ends, end{a, i + 1})
			}
		}
		ends = rapid.Permutation(ends).Draw(t, "cabling")
		for i := 0; i < len(ends); i += 2 {
			n.wire(ends[i].node, ends[i].port, ends[i+1].node, ends[i+1].port)
		}
		storm(t, n)
		n.run(calm + 2*time.Minute)
		first := groups(n)
		for _, w := range n.wires {
			a, b := w.ends[0].node, w.ends[1].node
			if a != b && first[a] == (lacp.System{}) && first[b] == (lacp.System{}) {
				t.Fatalf("%s and %s have no group", a.name, b.name)
			}
		}
		n.run(5 * time.Minute)
		if second := groups(n); !maps.Equal(first, second) {
			t.Fatalf("groups go on changing: %v, then %v", first, second)
		}
	})
}

// groups returns the partner of each node that distributes.
func groups(n *network) map[*node]lacp.System {
	g := map[*node]lacp.System{}
	for _, a := range n.nodes {
		if agg := a.Aggregator(); len(agg.Distributing) > 0 {
			g[a] = agg.PartnerSystem
		}
	}
	return g
}
