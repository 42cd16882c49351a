package dataplane_test

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
)

func TestAllFaultsOfAConfigurationAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lan(t, func(*dataplane.Config) {})
		defer b.close()
		far := netip.MustParseAddr("10.0.0.2")
		c := func(parent string, unit uint32, tags int, outer, inner uint16) dataplane.Circuit {
			return dataplane.Circuit{Parent: parent, Unit: unit, Enabled: true, Tags: tags, Outer: outer, Inner: inner}
		}
		with := func(c dataplane.Circuit, f func(*dataplane.Circuit)) dataplane.Circuit {
			f(&c)
			return c
		}
		err := b.Configure(&dataplane.Config{
			Ports: []dataplane.Port{{Name: "p"}, {Name: "p"}, {}, {Name: "q", MTU: -1}, {Name: "r", TPID: 0x800}, {Name: "m"}, {Name: "n"}},
			LAGs: []dataplane.LAG{
				{Name: "p", System: [6]byte{2}},
				{Name: "l", System: [6]byte{2}, Members: []string{"m", "nowhere"}},
				{Name: "l2", Members: []string{"m"}},
				{Name: "l3", System: [6]byte{1}, MinLinks: -1},
				{Name: "l4", System: [6]byte{2}, Mode: lacp.Static + 1},
			},
			Filters: []dataplane.Filter{{Name: "f"}, {Name: "f"}},
			Services: []dataplane.Service{
				{Name: "s", VNI: 5, Remotes: []netip.Addr{far, far, {}}},
				{Name: "s"},
				{Name: "t", VNI: 5},
				{Name: "u", VNI: 1 << 24},
				{Name: "v", Remotes: []netip.Addr{far}},
				{Name: "w", Kind: dataplane.Tree + 1},
				{Name: "line", Kind: dataplane.Line, VNI: 6, Remotes: []netip.Addr{far}},
			},
			Circuits: []dataplane.Circuit{
				c("q", 1, 0, 0, 0), c("q", 1, 1, 5, 0), c("q", 2, 0, 0, 0),
				c("q", 3, 2, 5, 7), c("q", 4, 2, 6, 7), c("q", 5, 1, 6, 0), c("q", 6, 2, 6, 7), c("q", 7, 1, 5, 0), c("q", 8, 3, 0, 0),
				c("q", 9, 1, 4095, 0), c("q", 10, 2, 9, 0), c("m", 1, 0, 0, 0), c("gone", 1, 0, 0, 0),
				with(c("r", 1, 1, 1, 0), func(c *dataplane.Circuit) { c.Service = "nothing" }),
				with(c("r", 2, 1, 2, 0), func(c *dataplane.Circuit) { c.Filter = "none" }),
				with(c("r", 3, 1, 3, 0), func(c *dataplane.Circuit) { c.MACLimit = -1 }),
				with(c("r", 4, 1, 4, 0), func(c *dataplane.Circuit) { c.Service = "line" }),
				with(c("r", 5, 1, 5, 0), func(c *dataplane.Circuit) { c.Service = "line" }),
				with(c("q", 11, 1, 5, 0), func(c *dataplane.Circuit) { c.TPID = frame.STag }),
				with(c("q", 12, 2, 5, 7), func(c *dataplane.Circuit) { c.TPID = frame.STag }),
				with(c("q", 13, 1, 5, 0), func(c *dataplane.Circuit) { c.TPID = frame.CTag }),
				with(c("q", 14, 2, 14, 7), func(c *dataplane.Circuit) { c.Through = true }),
				with(c("n", 1, 0, 0, 0), func(c *dataplane.Circuit) { c.Through = true }), c("n", 2, 1, 5, 0),
				with(c("r", 6, 1, 6, 0), func(c *dataplane.Circuit) { c.TPID = 0x800 }),
				with(c("p", 1, 0, 0, 0), func(c *dataplane.Circuit) { c.TPID = frame.CTag }),
			},
		})
		if err == nil {
			t.Fatal("it has a meaning")
		}
		for _, want := range []string{
			`port "p": name is empty or not the only one`, `port "": name`, `port "q": MTU -1`, `port "r": 0x0800 is no ethertype of a tag`,
			`LAG "p": name`, `LAG "l": no port "nowhere"`, `LAG "l2": port "m" is a member of "l"`, `LAG "l2": system 000000000000`,
			`LAG "l3": system 010000000000`, `LAG "l3": mode 0, at least -1 links`, `LAG "l4": mode`,
			`filter "f": name`, `service "s": name`, `service "s": remote 10.0.0.2`, `service "s": remote invalid IP`,
			`service "t": VNI 5 is too great or that of "s"`, `service "u": VNI 16777216`, `service "v": remote tunnel endpoints without a VNI`,
			`service "w": kind 3`, `service "line": 3 ends on a line`,
			`circuit q.1: not the only one`, `circuit q.2: matches frames of unit 1`, `circuit q.3: matches frames of unit 1`,
			`circuit q.5: matches frames of unit 4`, `circuit q.6: matches frames of unit 4`, `circuit q.7: matches frames of unit 1`,
			`circuit q.8: 3 tags`, `circuit q.9: VLAN 4095`, `circuit q.10: VLAN 0`, `circuit m.1: on a member of "l`, `circuit gone.1: no such port or LAG`,
			`circuit q.12: matches frames of unit 11`, `circuit q.13: matches frames of unit 1`,
			`circuit r.6: 0x0800 is no ethertype of a tag`, `circuit p.1: an ethertype without a tag`,
			`circuit q.14: further tags behind two`, `circuit n.2: one of "n" takes all frames`,
			`circuit r.1: no service "nothing"`, `circuit r.2: no filter "none"`, `circuit r.3: a bound is negative`,
		} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("not told: %s", want)
			}
		}
		if n := strings.Count(err.Error(), "matches frames"); n != 7 {
			t.Errorf("%d circuits are said to match the frames of others", n)
		}
		if t.Failed() {
			t.Log(err)
		}
		b.reaches("a", build(broadcast, alice, nil, 46), "b", "c") // as before
	})
}
