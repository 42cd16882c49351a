package judge_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/judge"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
	"github.com/ixagent/ixagent/lab/namespace"
	"github.com/ixagent/ixagent/lab/namespace/namespacetest"
)

// experimental is the ethertype of all frames here (IEEE 802 local experimental ethertype 1).
const experimental = 0x88b5

// station is a member's interface.
type station struct {
	t     testing.TB
	wire  *wire.Wire
	mac   [6]byte
	heard chan []byte // frames of the experimental ethertype
}

func newStation(t testing.TB, ns *namespace.Namespace, ifname string, number byte) *station {
	t.Helper()
	s := &station{t, open(t, ns, ifname), [6]byte{2, 0, 0, 0, 0, number}, make(chan []byte, 64)}
	go func() {
		frames := wire.NewFrames(8)
		for {
			n, err := s.wire.Read(frames)
			if err != nil {
				return // it is closed
			}
			for _, f := range frames[:n] {
				h, err := frame.Parse(f.Bytes(), frame.CTag, frame.STag, frame.QTag)
				if err == nil && h.Type == experimental {
					s.heard <- bytes.Clone(f.Bytes())
				}
			}
		}
	}()
	return s
}

// send sends a broadcast frame with tags and returns the octets behind them.
func (s *station) send(tags ...frame.Tag) {
	s.t.Helper()
	bare := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, s.mac[:]...)
	bare = append(bare, experimental>>8, experimental&0xff)
	bare = append(bare, bytes.Repeat([]byte{0xa5}, 100)...)
	f, err := frame.Append(nil, bare, 0, tags...)
	if err != nil {
		s.t.Fatal(err)
	}
	if n, err := s.wire.Write([][]byte{f}); n != 1 || err != nil {
		s.t.Fatalf("%d sent: %v", n, err)
	}
}

// hears waits for a frame.
func (s *station) hears() {
	s.t.Helper()
	judge.Poll(s.t, s.wire.Name()+" hears a frame", func() bool {
		select {
		case <-s.heard:
			return true
		default:
			return false
		}
	}, func() string { return "" })
}

// seen returns the tags of the frames of the experimental ethertype from one station, as tshark sees them.
func seen(ps []judge.Packet, from *station) [][]judge.Tag {
	var all [][]judge.Tag
	for _, p := range ps {
		if _, src, tags, ethertype := p.Header(); src == net.HardwareAddr(from.mac[:]).String() && ethertype == experimental {
			all = append(all, tags)
		}
	}
	return all
}

// ready waits until ports have a link.
func (l *lab) ready(ports ...string) {
	l.t.Helper()
	judge.Poll(l.t, "ports have a link", func() bool {
		for _, p := range ports {
			if s, _ := l.PortState(p); !s.Link {
				return false
			}
		}
		return true
	}, func() string { return fmt.Sprint(ports) })
}

func tag(tpid int, vlan, priority, dropEligible int) frame.Tag {
	return frame.Tag{TPID: uint16(tpid), TCI: uint16(priority<<13 | dropEligible<<12 | vlan)}
}

// Every port sends one frame; what leaves by every other one has the tags of that port, with the priorities that the
// frame came with. A frame without a tag has none, and one with a single tag has that for both.
func TestTsharkSeesTheTagsOfEachCircuit(t *testing.T) {
	t.Parallel()
	l := newLab(t, dataplane.Options{})
	kinds := []struct {
		port string
		tpid int
		tags int
	}{
		{"u", 0x8100, 0}, {"c1", 0x8100, 1}, {"s1", 0x88a8, 1}, {"q1", 0x9100, 1}, {"c2", 0x8100, 2}, {"s2", 0x88a8, 2}, {"q2", 0x9100, 2},
	}
	c := &dataplane.Config{System: ours, Services: []dataplane.Service{{Name: "lan"}}}
	var ports []string
	for i, k := range kinds {
		ports = append(ports, k.port)
		c.Ports = append(c.Ports, dataplane.Port{Name: k.port, Enabled: true, TPID: uint16(k.tpid)})
		circuit := dataplane.Circuit{Parent: k.port, Enabled: true, Tags: k.tags, Service: "lan"}
		if k.tags > 0 {
			circuit.Outer = uint16(100 + i)
		}
		if k.tags > 1 {
			circuit.Inner = uint16(200 + i)
		}
		c.Circuits = append(c.Circuits, circuit)
	}
	l.cable(ports...)
	l.configure(c)
	l.ready(ports...)
	var stations []*station
	var captures []*judge.Capture
	for i, k := range kinds {
		stations = append(stations, newStation(t, l.far, "x"+k.port, byte(i+1)))
		captures = append(captures, judge.NewCapture(t, l.far, "x"+k.port))
	}
	// stack returns the tags on port i of a frame whose outer and inner priorities are given.
	stack := func(i int, outer, inner [2]int) []judge.Tag {
		tags := []judge.Tag{{Type: kinds[i].tpid, VLAN: 100 + i, Priority: outer[0], DropEligible: outer[1]}, {Type: 0x8100, VLAN: 200 + i, Priority: inner[0], DropEligible: inner[1]}}
		return append([]judge.Tag(nil), tags[:kinds[i].tags]...)
	}
	outer, inner := [2]int{5, 1}, [2]int{3, 0}
	for i, s := range stations {
		var tags []frame.Tag
		for _, g := range stack(i, outer, inner) {
			tags = append(tags, tag(g.Type, g.VLAN, g.Priority, g.DropEligible))
		}
		s.send(tags...)
		for j, other := range stations {
			if j != i {
				other.hears()
			}
		}
	}
	for j, capture := range captures {
		ps := capture.Stop()
		for i, s := range stations {
			var want [][]judge.Tag
			switch kinds[i].tags {
			case 0:
				want = append(want, stack(j, [2]int{}, [2]int{}))
			case 1:
				want = append(want, stack(j, outer, outer))
			case 2:
				want = append(want, stack(j, outer, inner))
			}
			if i == j { // it went in here, and only in
				want = [][]judge.Tag{stack(i, outer, inner)}
			}
			if d := cmp.Diff(want, seen(ps, s)); d != "" {
				t.Errorf("from %s to %s: %s", kinds[i].port, kinds[j].port, d)
			}
		}
	}
}

// A line from a QinQ circuit of one switch to a QinQ circuit of another ethertype on the next.
func TestTsharkSeesAServiceOnACoreLink(t *testing.T) {
	t.Parallel()
	here, there := namespacetest.New(t), namespacetest.New(t)
	if err := namespace.Veth(here, "core", there, "core", 0); err != nil {
		t.Fatal(err)
	}
	type end struct {
		ns      *namespace.Namespace
		address string
		tpid    uint16
		vlan    uint16
	}
	ends := []end{{here, "192.0.2.1", frame.STag, 100}, {there, "192.0.2.2", frame.QTag, 300}}
	var stations []*station
	for i, e := range ends {
		l := join(t, dataplane.Options{Tunnel: netip.MustParseAddr(e.address), Tunnels: tunnels(t, e.ns, e.address)}, e.ns, namespacetest.New(t))
		l.cable("member")
		l.configure(&dataplane.Config{
			System:   ours,
			Ports:    []dataplane.Port{{Name: "member", Enabled: true, TPID: e.tpid}},
			Services: []dataplane.Service{{Name: "line", Kind: dataplane.Line, VNI: 7001, Remotes: []netip.Addr{netip.MustParseAddr(ends[1-i].address)}}},
			Circuits: []dataplane.Circuit{{Parent: "member", Enabled: true, Tags: 2, Outer: e.vlan, Inner: e.vlan + 1, Service: "line"}},
		})
		l.ready("member")
		stations = append(stations, newStation(t, l.far, "xmember", byte(i+1)))
	}
	core := judge.NewCapture(t, here, "core")
	members := judge.NewCapture(t, there, "member")
	stations[0].send(tag(0x88a8, 100, 6, 0), tag(0x8100, 101, 2, 0))
	stations[1].hears()
	stations[1].send(tag(0x9100, 300, 0, 0), tag(0x8100, 301, 0, 0))
	stations[0].hears()

	want := [][]judge.Tag{{{Type: 0x9100, VLAN: 300, Priority: 6}, {Type: 0x8100, VLAN: 301, Priority: 2}}}
	if d := cmp.Diff(want, seen(members.Stop(), stations[0])); d != "" {
		t.Errorf("at the far end: %s", d)
	}
	var inside []string
	for _, p := range core.Stop() {
		v, ok := p.Layer("vxlan")
		if !ok {
			continue
		}
		ip, _ := p.Layer("ip")
		udp, _ := p.Layer("udp")
		dst, src, tags, ethertype := p.Inside("vxlan").Header()
		inside = append(inside, fmt.Sprintf("%s > %s:%d vni %d: %s > %s %v %#x", ip.Fields["ip.src"], ip.Fields["ip.dst"], udp.Number("udp.dstport"), v.Number("vxlan.vni"),
			src, dst, tags, ethertype))
	}
	wantInside := []string{
		"192.0.2.1 > 192.0.2.2:4789 vni 7001: 02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff [{33024 0 6 0} {33024 0 2 0}] 0x88b5",
		"192.0.2.2 > 192.0.2.1:4789 vni 7001: 02:00:00:00:00:02 > ff:ff:ff:ff:ff:ff [] 0x88b5",
	}
	if d := cmp.Diff(wantInside, inside); d != "" {
		t.Error(d)
	}
}

// tunnels gives the core interface of a namespace an address and returns a socket bound to it.
func tunnels(t testing.TB, ns *namespace.Namespace, address string) (c net.PacketConn) {
	t.Helper()
	if err := ns.Do(func() error {
		link, err := netlink.LinkByName("core")
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(address + "/24")
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(link, a); err != nil {
			return err
		}
		c, err = net.ListenPacket("udp4", address+":4789")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Open vSwitch pushes and pops the outer tag for a customer of its own; our circuit is at the other end of the trunk.
func TestOpenVSwitchPushesWhatWePop(t *testing.T) {
	for _, c := range []struct {
		ethertype string
		tpid      uint16
	}{{"802.1ad", frame.STag}, {"802.1q", frame.CTag}} {
		t.Run(c.ethertype, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, dataplane.Options{})
			l.cable("trunk", "member")
			customer := namespacetest.New(t)
			if err := namespace.Veth(l.far, "tunnel", customer, "customer", 0); err != nil {
				t.Fatal(err)
			}
			ovs := judge.NewOVS(t, l.far)
			ovs.Vsctl("add-port", "br0", "xtrunk", "--", "set", "port", "xtrunk", "vlan_mode=trunk", "trunks=100")
			ovs.Vsctl("add-port", "br0", "tunnel", "--", "set", "port", "tunnel", "vlan_mode=dot1q-tunnel", "tag=100", "cvlans=20", "other_config:qinq-ethtype="+c.ethertype)
			configure := func(tpid, outer, inner uint16) {
				t.Helper()
				l.configure(&dataplane.Config{
					System:   ours,
					Ports:    []dataplane.Port{{Name: "trunk", Enabled: true, TPID: tpid}, {Name: "member", Enabled: true}},
					Services: []dataplane.Service{{Name: "line", Kind: dataplane.Line}},
					Circuits: []dataplane.Circuit{
						{Parent: "trunk", Enabled: true, Tags: 2, Outer: outer, Inner: inner, Service: "line"},
						{Parent: "member", Enabled: true, Service: "line"},
					},
				})
			}
			configure(c.tpid, 100, 20)
			l.ready("trunk", "member")
			theirs, ours := newStation(t, customer, "customer", 1), newStation(t, l.far, "xmember", 2)
			trunk, end := judge.NewCapture(t, l.here, "trunk"), judge.NewCapture(t, customer, "customer")
			theirs.send(tag(0x8100, 20, 3, 0))
			ours.hears()
			ours.send()
			theirs.hears()

			// Each wrong expectation of ours is counted for what it is.
			trunkDrops := func() map[string]uint64 {
				said := map[string]uint64{}
				for _, d := range drops(l) {
					said[d]++
				}
				return said
			}
			other := frame.STag
			if c.tpid == frame.STag {
				other = frame.CTag
			}
			for i, wrong := range []struct {
				tpid, outer, inner uint16
				reason             string
			}{
				{other, 100, 20, "ethertype"},
				{frame.QTag, 100, 20, "ethertype"},
				{c.tpid, 101, 20, "outer vlan"},
				{c.tpid, 100, 21, "inner vlan"},
			} {
				configure(wrong.tpid, wrong.outer, wrong.inner)
				before := trunkDrops()[wrong.reason]
				theirs.send(tag(0x8100, 20, 3, 0))
				judge.Poll(t, "a frame is dropped for its "+wrong.reason, func() bool { return trunkDrops()[wrong.reason] == before+1 }, func() string {
					return fmt.Sprintf("%d: %v", i, drops(l))
				})
			}
			select {
			case f := <-ours.heard:
				t.Errorf("% x passed", f)
			default:
			}

			frames := trunk.Stop()
			pushed := seen(frames, theirs)
			for _, tags := range pushed {
				if len(tags) != 2 || tags[0].Type != int(c.tpid) || tags[0].VLAN != 100 || tags[1].Type != 0x8100 || tags[1].VLAN != 20 || tags[1].Priority != 3 {
					t.Errorf("Open vSwitch sends %v", tags)
				}
			}
			if len(pushed) != 5 {
				t.Errorf("%d frames on the trunk", len(pushed))
			}
			if d := cmp.Diff([][]judge.Tag{{{Type: int(c.tpid), VLAN: 100}, {Type: 0x8100, VLAN: 20}}}, seen(frames, ours)); d != "" {
				t.Errorf("we send %s", d)
			}
			if d := cmp.Diff([][]judge.Tag{{{Type: 0x8100, VLAN: 20}}}, seen(end.Stop(), ours)); d != "" {
				t.Errorf("the customer of Open vSwitch hears %s", d)
			}
		})
	}
}

// drops returns the reasons of what the trunk dropped of the experimental ethertype.
func drops(l *lab) []string {
	var all []string
	for _, d := range l.Drops() {
		if d.Port == "trunk" && strings.Contains(fmt.Sprintf("%x", []byte(d.Octets)), "88b5a5a5") {
			all = append(all, d.Reason.String())
		}
	}
	return all
}

// A QinQ line leaves by a LAG to a bond of Open vSwitch. It goes on when either member is lost, by the other one.
func TestFramesPassByTheMemberThatIsLeft(t *testing.T) {
	t.Parallel()
	l := newLab(t, dataplane.Options{})
	l.cable(firstMember, secondMember, "member")
	customer := namespacetest.New(t)
	if err := namespace.Veth(l.far, "tunnel", customer, "customer", 0); err != nil {
		t.Fatal(err)
	}
	ovs := judge.NewOVS(t, l.far)
	ovs.Vsctl("add-port", "br0", "tunnel", "--", "set", "port", "tunnel", "vlan_mode=dot1q-tunnel", "tag=100", "cvlans=20", "other_config:qinq-ethtype=802.1ad")
	l.configure(&dataplane.Config{
		System:   ours,
		Ports:    []dataplane.Port{{Name: firstMember, Enabled: true}, {Name: secondMember, Enabled: true}, {Name: "member", Enabled: true}},
		LAGs:     []dataplane.LAG{{Name: lagName, Enabled: true, TPID: frame.STag, Members: []string{firstMember, secondMember}, Mode: lacp.Active, Fast: true}},
		Services: []dataplane.Service{{Name: "line", Kind: dataplane.Line}},
		Circuits: []dataplane.Circuit{
			{Parent: lagName, Enabled: true, Tags: 2, Outer: 100, Inner: 20, Service: "line"},
			{Parent: "member", Enabled: true, Service: "line"},
		},
	})
	bond(ovs, "br0", "bond", neighbour, "active", "fast", "xm1", "xm2")
	ovs.Vsctl("set", "port", "bond", "vlan_mode=trunk", "trunks=100")
	l.agrees(ovs, firstMember, secondMember)
	l.ready("member")
	theirs, mine := newStation(t, customer, "customer", 1), newStation(t, l.far, "xmember", 2)
	for lost, left := range map[string]string{firstMember: secondMember, secondMember: firstMember} {
		carrier(t, l.far, "x"+lost, false)
		l.agrees(ovs, left)
		link := judge.NewCapture(t, l.here, left)
		theirs.send(tag(0x8100, 20, 0, 0))
		mine.hears()
		mine.send()
		theirs.hears()
		frames := link.Stop()
		want := [][]judge.Tag{{{Type: 0x88a8, VLAN: 100}, {Type: 0x8100, VLAN: 20}}}
		for _, s := range []*station{theirs, mine} {
			if d := cmp.Diff(want, seen(frames, s)); d != "" {
				t.Errorf("without %s, from %s: %s", lost, s.wire.Name(), d)
			}
		}
		carrier(t, l.far, "x"+lost, true)
		l.agrees(ovs, firstMember, secondMember)
	}
}
