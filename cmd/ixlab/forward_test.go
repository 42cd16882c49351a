package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/judge"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
	"github.com/ixagent/ixagent/lab/namespace"
	"github.com/ixagent/ixagent/lab/namespace/namespacetest"
	"github.com/ixagent/ixagent/lab/sandbox"
	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/lab/switchd/tree"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// deadline is how long a test waits for what must come.
const deadline = 30 * time.Second

// eventually waits until f reports true.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	limit := time.NewTimer(deadline)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatal("never: " + what)
		}
	}
}

// wired is a switch as ixlab switch --wires runs it, in a namespace of its own, and the driver that configures it. Its
// n-th port is cabled to the interface m<n> in the namespace of all members.
type wired struct {
	system
	t       testing.TB
	caps    drivers.Capabilities
	inside  *namespace.Namespace
	members *namespace.Namespace
	plane   *dataplane.Plane
	sw      *switchd.Switch
	driver  drivers.Driver
	state   switchcfg.State
}

func newWired(t testing.TB, s system, ports int) *wired {
	t.Helper()
	x := &wired{system: s, t: t, caps: s.capabilities(t), inside: namespacetest.New(t), members: namespacetest.New(t)}
	names := s.ports(ports)
	for n := range names {
		x.cable(n + 1)
	}
	var sw atomic.Pointer[switchd.Switch]
	x.plane = dataplane.New(dataplane.Options{Changed: func() {
		if s := sw.Load(); s != nil {
			s.Refresh()
		}
	}})
	t.Cleanup(func() {
		if err := x.plane.Close(); err != nil {
			t.Error(err)
		}
	})
	lab := switchd.Secret("a test")
	conf, err := secretTLS(lab, "sw1")
	if err != nil {
		t.Fatal(err)
	}
	var device drivers.Device
	x.sw, device = s.start(t, switchd.Options{
		Name: "sw1", Listen: sandbox.Loopback + ":0", Ports: names, TLS: conf, Plane: x.plane,
		Users: map[string]string{switchd.SecretUser: lab.Password()},
	}, lab)
	sw.Store(x.sw)

	w := newWiring(x.plane, names, netip.Addr{}, nil, slog.New(slog.DiscardHandler))
	t.Cleanup(w.close)
	t.Cleanup(x.sw.OnCommit(func(before, after *tree.Tree) {
		if err := x.inside.Do(func() error { w.commit(before, after); return nil }); err != nil {
			t.Error(err)
		}
	}))
	watch(t, x.inside, w.link)
	for _, name := range names {
		x.linked(name, true)
	}
	x.open(device)
	return x
}

// open logs in at the switch as the agent does.
func (x *wired) open(d drivers.Device) {
	d.Name, d.Capabilities, d.Timeout = "sw1", x.caps, deadline
	var err error
	if x.driver, err = x.spec.Open(x.t.Context(), d); err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() {
		if err := x.driver.Close(); err != nil {
			x.t.Error(err)
		}
	})
	if x.state, err = x.driver.Observe(x.t.Context()); err != nil {
		x.t.Fatal(err)
	}
}

// watch tells f of the interfaces in a namespace until the test ends.
func watch(t testing.TB, ns *namespace.Namespace, f func(wire.Link)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ns.Do(func() error { return wire.Watch(ctx, f) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// cable lays the cable of a port.
func (x *wired) cable(n int) {
	x.t.Helper()
	if err := namespace.Veth(x.inside, fmt.Sprintf("eth%d", n), x.members, fmt.Sprintf("m%d", n), 0); err != nil {
		x.t.Fatal(err)
	}
}

// linked waits until a port has a link, or none.
func (x *wired) linked(port string, up bool) {
	x.t.Helper()
	eventually(x.t, fmt.Sprintf("the link of %s is %t", port, up), func() bool {
		s, _ := x.plane.PortState(port)
		return s.Link == up
	})
}

// apply has the driver bring the switch to a state, which is legal.
func (x *wired) apply(objects ...switchcfg.Object) {
	x.t.Helper()
	next := switchcfg.State{}
	next.Put(objects...)
	if faults := switchcfg.Check(next); len(faults) > 0 {
		x.t.Fatal(faults)
	}
	x.change(plan.Diff(x.state, next))
	if got, err := x.driver.Observe(x.t.Context()); err != nil {
		x.t.Fatal(err)
	} else if !got.Equal(next) {
		x.t.Fatal(cmp.Diff(string(next.AppendText(nil)), string(got.AppendText(nil))))
	}
	x.state = next
}

// change has the driver make changes.
func (x *wired) change(changes []plan.Change) {
	x.t.Helper()
	if _, err := x.driver.Apply(x.t.Context(), changes); err != nil {
		x.t.Fatal(err)
	}
}

// station is a member's end of a cable: it sends what it is told and keeps what other stations sent.
type station struct {
	t      testing.TB
	wire   *wire.Wire
	in     chan []byte
	number uint32 // of the last letter sent to it, where it is to have letters of its own
}

func (x *wired) station(n int) *station {
	x.t.Helper()
	s := &station{t: x.t, in: make(chan []byte, 1<<16)}
	if err := x.members.Do(func() (err error) {
		s.wire, err = wire.Open(fmt.Sprintf("m%d", n))
		return err
	}); err != nil {
		x.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		fs := wire.NewFrames(64)
		for {
			n, err := s.wire.Read(fs)
			if err != nil {
				return
			}
			for i := range fs[:n] {
				if b := fs[i].Bytes(); bytes.HasPrefix(b[6:], stations) {
					s.in <- bytes.Clone(b)
				}
			}
		}
	}()
	x.t.Cleanup(func() {
		_ = s.wire.Close()
		<-ended
	})
	return s
}

// stations begin the addresses of stations, other than those of interfaces.
var stations = []byte{2, 0, 0, 0}

func (s *station) send(f []byte) {
	s.t.Helper()
	eventually(s.t, "the wire takes a frame", func() bool {
		n, err := s.wire.Write([][]byte{f})
		if err != nil {
			s.t.Fatal(err)
		}
		return n == 1
	})
}

// expect waits for the next frame, which must be f.
func (s *station) expect(what string, f []byte) {
	s.t.Helper()
	limit := time.NewTimer(deadline)
	defer limit.Stop()
	select {
	case got := <-s.in:
		if !bytes.Equal(got, f) {
			s.t.Errorf("%s: got\n%x, want\n%x", what, got, f)
		}
	case <-limit.C:
		s.t.Fatalf("%s: nothing came", what)
	}
}

// letter is a frame from one station to another, number n.
func letter(dst, src frame.MAC, n uint32, tags ...frame.Tag) []byte {
	f := append(slices.Clone(dst[:]), src[:]...)
	f = append(f, 0x88, 0xb5) // for experiments (IEEE 802-2014 9.2.3)
	f = append(binary.BigEndian.AppendUint32(f, n), make([]byte, 42)...)
	out, _ := frame.Append(nil, f, 0, tags...) // it has what it takes
	return out
}

var (
	everybody = frame.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	alice     = frame.MAC{2, 0, 0, 0, 0, 1}
	bob       = frame.MAC{2, 0, 0, 0, 0, 2}
	carol     = frame.MAC{2, 0, 0, 0, 0, 3}
)

// stack returns the match of a circuit with so many tags, and the tags of its frames.
func stack(tpid switchcfg.TPID, tags int) (switchcfg.Match, []frame.Tag) {
	all := []frame.Tag{{TPID: uint16(tpid), TCI: 100}, {TPID: frame.CTag, TCI: 7}}
	switch tags {
	case 0:
		return switchcfg.MatchUntagged(), nil
	case 1:
		return switchcfg.MatchSingle(tpid, 100), all[:1]
	}
	return switchcfg.MatchDouble(tpid, 100, 7), all
}

// Everything is configured by the driver, passes as frames between network interfaces, and is seen by tshark.
func TestOnlyFramesAsOrderedPass(t *testing.T) {
	each(t, func(t *testing.T, m *matrix) {
		for _, kind := range []switchcfg.ServiceType{switchcfg.ServiceLAN, switchcfg.ServiceLine, switchcfg.ServiceTree} {
			m.cases(t, kind, m.run)
		}
	})
}

// Between two circuits that know their frames by one tag, what is behind it passes as it is.
func TestTagsBehindAnSTagPassUnseen(t *testing.T) {
	tried := false
	each(t, func(t *testing.T, m *matrix) {
		for _, tpid := range switchcfg.TPIDs() {
			for _, parent := range []string{m.portName(1), m.lag} {
				other := m.caps.TPIDs[len(m.caps.TPIDs)-1]
				right := []frame.Tag{{TPID: uint16(tpid), TCI: 100}}
				far := []frame.Tag{{TPID: uint16(other), TCI: 300}}
				objects := m.line(parent, tpid, m.stag(tpid, 100), other, m.stag(other, 300))
				if m.carries(objects...) {
					t.Run(fmt.Sprintf("%v on %s", tpid, parent), func(t *testing.T) { m.unseen(t, objects, uint16(tpid), right, far) })
					tried = true
				}
			}
		}
	})
	if !tried {
		t.Error("no switch has such circuits")
	}
}

// Between two whole ports everything passes as it is.
func TestAllOfAWholePortPasses(t *testing.T) {
	tried := false
	each(t, func(t *testing.T, m *matrix) {
		for _, parent := range []string{m.portName(1), m.lag} {
			objects := m.line(parent, 0, switchcfg.MatchWhole(), switchcfg.TPIDStacked, switchcfg.MatchWhole())
			if m.carries(objects...) {
				t.Run(parent, func(t *testing.T) { m.unseen(t, objects, 0, nil, nil) })
				tried = true
			}
		}
	})
	if !tried {
		t.Error("no switch has such circuits")
	}
}

// line makes a line between the parent in question and the second port.
func (m *matrix) line(parent string, tpid switchcfg.TPID, near switchcfg.Match, farTPID switchcfg.TPID, far switchcfg.Match) []switchcfg.Object {
	name := "ix-line"
	port, other := m.port(1, "in question", tpid), m.port(2, "far end", farTPID)
	objects := []switchcfg.Object{
		m.service(name, switchcfg.ServiceLine, 600), port, other, m.circuit(parent, 1, near, name), m.circuit(other.Name, 2, far, name),
	}
	if parent != port.Name {
		port.Description, port.TPID = "member", 0
		objects = append(objects, &switchcfg.LAG{Name: parent, Description: "in question", Mode: switchcfg.ModeStatic, Members: []string{port.Name}, TPID: m.portTPID(tpid)})
	}
	return objects
}

// stag returns the match of frames with a tag and whatever is behind it.
func (m *matrix) stag(tpid switchcfg.TPID, v switchcfg.VLANID) switchcfg.Match {
	if m.caps.SinglePasses {
		return switchcfg.MatchSingle(tpid, v)
	}
	return switchcfg.MatchStacked(tpid, v)
}

// inside are the tags of members' own that frames have behind those of a circuit.
func inside() [][]frame.Tag {
	return [][]frame.Tag{
		nil,
		{{TPID: frame.CTag, TCI: 3<<13 | 7}},
		{{TPID: frame.CTag, TCI: 5 << 13}}, // of no VLAN, with a priority
		{{TPID: frame.STag, TCI: 9}},
		{{TPID: frame.CTag, TCI: 7}, {TPID: frame.CTag, TCI: 8}},
		{{TPID: frame.QTag, TCI: 9}, {TPID: frame.CTag, TCI: 8}, {TPID: frame.CTag, TCI: 7}},
	}
}

// unseen sends frames with tags of members' own both ways, and such as are of another S-tag.
func (m *matrix) unseen(t *testing.T, objects []switchcfg.Object, tpid uint16, near, far []frame.Tag) {
	m.t, m.m1.t, m.m2.t, m.m3.t = t, t, t, t
	m.apply(objects...)
	m.linked(m.portName(1), true)
	m.linked(m.portName(2), true)
	for _, own := range inside() {
		there := m.letter(everybody, alice, slices.Concat(near, own)...)
		m.m1.send(there)
		m.m2.expect(fmt.Sprintf("%v there", own), m.retag(there, near, far))
		back := m.letter(alice, bob, slices.Concat(far, own)...)
		m.m2.send(back)
		m.m1.expect(fmt.Sprintf("%v back", own), m.retag(back, far, near))
		if tpid == 0 {
			continue
		}
		wrong := map[dataplane.Reason]frame.Tag{dataplane.OuterVLAN: {TPID: tpid, TCI: 101}, dataplane.Ethertype: {TPID: frame.STag, TCI: 100}}
		if tpid == frame.STag {
			wrong[dataplane.Ethertype] = frame.Tag{TPID: frame.CTag, TCI: 100}
		}
		for why, outer := range wrong {
			was := m.drops(why)
			m.m1.send(m.letter(everybody, alice, append([]frame.Tag{outer}, own...)...))
			mark := m.letter(everybody, alice, near...)
			m.m1.send(mark)
			m.m2.expect("after another S-tag", m.retag(mark, near, far))
			if got := m.drops(why); got != was+1 {
				t.Errorf("%v behind %v: %d are dropped for %v, want 1", own, outer, got-was, why)
			}
		}
	}
}

func TestJudgeSeesTheTagsThatWereOrdered(t *testing.T) {
	each(t, func(t *testing.T, m *matrix) { m.cases(t, switchcfg.ServiceLAN, m.judged) })
}

// each runs f with a switch of every network OS.
func each(t *testing.T, f func(t *testing.T, m *matrix)) {
	for _, s := range systems() {
		t.Run(s.name, func(t *testing.T) { f(t, newMatrix(t, s)) })
	}
}

func newMatrix(t *testing.T, s system) *matrix {
	x := newWired(t, s, 3)
	match, tags := x.tags(300, 30)
	return &matrix{wired: x, m1: x.station(1), m2: x.station(2), m3: x.station(3), far: match, farTags: tags}
}

// trial is a service that was ordered, in which the port in question has a circuit.
type trial struct {
	kind  switchcfg.ServiceType
	tpid  switchcfg.TPID
	right []frame.Tag // of the frames of that circuit
}

// cases tries all circuits that the switch can have in a service of a kind, on a port and on a LAG.
func (m *matrix) cases(t *testing.T, kind switchcfg.ServiceType, try func(*testing.T, trial)) {
	for _, tpid := range switchcfg.TPIDs() {
		for tags := range 3 {
			for _, parent := range []string{m.portName(1), m.lag} {
				objects, right := m.order(kind, parent, tpid, tags)
				if !m.carries(objects...) {
					continue
				}
				t.Run(fmt.Sprintf("%v %d tags %s on %s", tpid, tags, kind, parent), func(t *testing.T) {
					m.t, m.m1.t, m.m2.t, m.m3.t = t, t, t, t
					m.apply(objects...)
					try(t, trial{kind, tpid, right})
				})
			}
		}
	}
}

// matrix is a switch of three ports. The first is the one in question, or the only member of a LAG that is, the second has
// the far end of its service, with other tags, and the third a further circuit of the service where it is no line.
type matrix struct {
	*wired
	m1, m2, m3 *station
	far        switchcfg.Match
	farTags    []frame.Tag
	n          uint32 // of the last letter
}

func (m *matrix) letter(dst, src frame.MAC, tags ...frame.Tag) []byte {
	m.n++
	return letter(dst, src, m.n, tags...)
}

// order makes a service, in which the parent has a circuit as given.
func (m *matrix) order(kind switchcfg.ServiceType, parent string, tpid switchcfg.TPID, tags int) ([]switchcfg.Object, []frame.Tag) {
	match, right := stack(tpid, tags)
	name := fmt.Sprintf("ix-%v-%d-%s", tpid, tags, kind)
	far, third := m.port(2, "far end", switchcfg.TPIDService), m.port(3, "third", 0)
	near := m.circuit(parent, 1, match, name)
	end := m.circuit(far.Name, 2, m.far, name)
	more := m.circuit(third.Name, 3, switchcfg.MatchUntagged(), name)
	if kind == switchcfg.ServiceTree {
		near.Role, end.Role, more.Role = switchcfg.RoleLeaf, switchcfg.RoleRoot, switchcfg.RoleLeaf
	}
	objects := []switchcfg.Object{m.service(name, kind, 600), far, third, near, end}
	if port := m.port(1, "in question", tpid); parent == port.Name {
		objects = append(objects, port)
	} else {
		port.Description, port.TPID = "member", 0
		objects = append(objects, port,
			&switchcfg.LAG{Name: parent, Description: "in question", Mode: switchcfg.ModeStatic, Members: []string{port.Name}, TPID: m.portTPID(tpid)})
	}
	if kind != switchcfg.ServiceLine {
		objects = append(objects, more)
	}
	return objects, right
}

// drops counts what the port in question has dropped for a reason.
func (m *matrix) drops(why dataplane.Reason) uint64 {
	s, _ := m.plane.PortState(m.portName(1))
	return s.Drops[why]
}

func (m *matrix) run(t *testing.T, c trial) {
	kind, right := c.kind, c.right
	there := m.letter(everybody, alice, right...)
	m.m1.send(there)
	m.m2.expect("to the far end", m.retag(there, right, m.farTags))
	if kind == switchcfg.ServiceLAN {
		m.m3.expect("to everybody", m.retag(there, right, nil))
	}
	back := m.letter(alice, bob, m.farTags...)
	m.m2.send(back)
	m.m1.expect("back", m.retag(back, m.farTags, right))

	for _, w := range wrong(uint16(c.tpid), right) {
		if w.why == dataplane.ExtraTag && len(right) == 1 && m.caps.SinglePasses {
			continue // it does not miss this circuit
		}
		was := m.drops(w.why)
		m.m1.send(m.letter(everybody, alice, w.tags...))
		mark := m.letter(bob, alice, right...) // arrives after what should not
		m.m1.send(mark)
		m.m2.expect("after "+w.name, m.retag(mark, right, m.farTags))
		if got := m.drops(w.why); got != was+1 {
			s, _ := m.plane.PortState(m.portName(1))
			t.Errorf("%s: dropped as %v, want one more than %d as %v", w.name, s.Drops, was, w.why)
		}
	}
	if kind == switchcfg.ServiceTree {
		m.leaves(t, right)
	}
	mark := m.letter(everybody, bob, m.farTags...)
	m.m2.send(mark)
	m.m1.expect("nothing else came", m.retag(mark, m.farTags, right))
	if kind != switchcfg.ServiceLine {
		m.m3.expect("nothing else came", m.retag(mark, m.farTags, nil))
	}
}

// leaves makes sure that a leaf does not reach another one whose station is known, nor by a broadcast.
func (m *matrix) leaves(t *testing.T, right []frame.Tag) {
	hello := m.letter(everybody, carol)
	m.m3.send(hello)
	m.m2.expect("from the other leaf", m.retag(hello, nil, m.farTags))
	was := m.drops(dataplane.Leaf)
	m.m1.send(m.letter(carol, alice, right...))
	mark := m.letter(everybody, alice, right...)
	m.m1.send(mark)
	m.m2.expect("from the leaf", m.retag(mark, right, m.farTags))
	if got := m.drops(dataplane.Leaf); got != was+1 {
		t.Errorf("%d frames from leaf to leaf dropped, want 1", got-was)
	}
}

// retag is what becomes of a frame between circuits.
func (m *matrix) retag(f []byte, from, to []frame.Tag) []byte {
	out, err := frame.Append(nil, f, len(from), to...)
	if err != nil {
		m.t.Fatal(err)
	}
	return out
}

type mistake struct {
	name string
	tags []frame.Tag
	why  dataplane.Reason
}

// wrong returns each way in which a frame can miss a circuit whose frames have the tags right.
func wrong(tpid uint16, right []frame.Tag) []mistake {
	all := []uint16{frame.CTag, frame.STag, frame.QTag}
	with := func(i int, tag frame.Tag) []frame.Tag {
		tags := slices.Clone(right)
		tags[i] = tag
		return tags
	}
	var ways []mistake
	for _, extra := range all {
		ways = append(ways, mistake{fmt.Sprintf("extra %#x", extra), append(slices.Clone(right), frame.Tag{TPID: extra, TCI: 9}), dataplane.ExtraTag})
	}
	if len(right) == 0 {
		return ways
	}
	for _, other := range all {
		if other != tpid {
			ways = append(ways, mistake{fmt.Sprintf("ethertype %#x", other), with(0, frame.Tag{TPID: other, TCI: 100}), dataplane.Ethertype})
		}
	}
	ways = append(ways,
		mistake{"outer VLAN", with(0, frame.Tag{TPID: tpid, TCI: 101}), dataplane.OuterVLAN},
		mistake{"VLAN of the service", with(0, frame.Tag{TPID: tpid, TCI: 600}), dataplane.OuterVLAN},
		mistake{"VLAN 0", with(0, frame.Tag{TPID: tpid, TCI: 5 << 13}), dataplane.OuterVLAN},
		mistake{"untagged", nil, dataplane.Untagged})
	if len(right) == 2 {
		ways = append(ways,
			mistake{"inner VLAN", with(1, frame.Tag{TPID: frame.CTag, TCI: 8}), dataplane.InnerVLAN},
			mistake{"inner ethertype", with(1, frame.Tag{TPID: frame.STag, TCI: 7}), dataplane.Ethertype},
			mistake{"no inner tag", right[:1], dataplane.InnerVLAN})
	}
	return ways
}

// judged asks tshark what is on the member's cable.
func (m *matrix) judged(t *testing.T, c trial) {
	right := c.right
	capture := judge.NewCapture(t, m.members, "m1")
	there, back := m.letter(everybody, alice, right...), m.letter(everybody, bob, m.farTags...)
	m.m1.send(there)
	m.m2.expect("to the far end", m.retag(there, right, m.farTags))
	m.m3.expect("to everybody", m.retag(there, right, nil))
	m.m2.send(back)
	m.m1.expect("back", m.retag(back, m.farTags, right))
	m.m3.expect("to everybody", m.retag(back, m.farTags, nil))
	var want []judge.Tag
	for _, tag := range right {
		want = append(want, judge.Tag{Type: int(tag.TPID), VLAN: int(tag.VID())})
	}
	seen := map[string]int{}
	for _, p := range capture.Stop() {
		_, src, got, ethertype := p.Header()
		if ethertype != 0x88b5 {
			continue
		}
		seen[src]++
		if !slices.Equal(got, want) {
			t.Errorf("frame of %s has the tags %+v, want %+v", src, got, want)
		}
	}
	if diff := cmp.Diff(map[string]int{"02:00:00:00:00:01": 1, "02:00:00:00:00:02": 1}, seen); diff != "" {
		t.Errorf("frames on the member's cable by source: %s", diff)
	}
}

// stream sends numbered frames from one station to another, so many in 2 ms, until the function that it returns is called.
// That waits until all have come, in their order, and returns how many there were.
func (x *wired) stream(m1, m2 *station, perTick int, right, farTags []frame.Tag) func() uint32 {
	t := x.t
	came, wrong := make(chan uint32), make(chan error, 1)
	go func() { // reads while they are sent, because they are many
		n := uint32(0)
		for {
			select {
			case got := <-m2.in:
				if want := letter(everybody, alice, n, farTags...); !bytes.Equal(got, want) {
					wrong <- fmt.Errorf("frame %d: got\n%x, want\n%x", n, got, want)
					return
				}
				n++
			case came <- n:
			case <-t.Context().Done():
				return
			}
		}
	}()
	stop, count := make(chan struct{}), make(chan uint32, 1)
	go func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		n := uint32(0)
		defer func() { count <- n }()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			fs := make([][]byte, perTick)
			for i := range fs {
				fs[i] = letter(everybody, alice, n+uint32(i), right...)
			}
			taken, err := m1.wire.Write(fs) // what a full queue does not take was not sent
			if err != nil {
				t.Error(err)
				return
			}
			n += uint32(taken)
		}
	}()
	return func() uint32 {
		close(stop)
		n := <-count
		limit := time.NewTimer(deadline)
		defer limit.Stop()
		for got := uint32(0); got < n; {
			select {
			case err := <-wrong:
				t.Fatal(err)
			case got = <-came:
			case <-limit.C:
				one, _ := x.plane.PortState(x.portName(1))
				two, _ := x.plane.PortState(x.portName(2))
				heard, _ := m2.wire.Drops()
				t.Fatalf("%d of %d frames came, %d were not read in time\n%+v\n%+v", got, n, heard, one, two)
			}
		}
		return n
	}
}

// The other circuits come, go, get another VLAN or policer, and are shut and opened, one in each of up to 1,000 changes.
func TestBystanderLosesNoFrameWhileOthersAreReconfigured(t *testing.T) {
	for _, s := range systems() {
		t.Run(s.name, func(t *testing.T) { bystander(t, newWired(t, s, 3)) })
	}
}

func bystander(t *testing.T, x *wired) {
	others, perTick := x.changes/20, 10 // frames in 2 ms: 5,000 a second
	m1, m2 := x.station(1), x.station(2)
	first, second, third := x.port(1, "sends", switchcfg.TPIDService), x.port(2, "receives", switchcfg.TPIDService), x.port(3, "of others", 0)
	circuit := func(i, version int) *switchcfg.Circuit {
		match := switchcfg.MatchSingle(switchcfg.TPIDCustomer, switchcfg.VLANID(1+i+others*(version%7)))
		if x.caps.PortVLANs {
			return x.circuit(third.Name, uint32(i+1), match, fmt.Sprintf("ix-other-%d", i))
		}
		c := x.circuit(third.Name, uint32(i+1), match, "ix-other")
		c.Shutdown, c.RateIn = version%3 == 1, []switchcfg.Kbps{0, 1000}[version%2]
		return c
	}
	sent, right := x.tags(100, 7)
	received, farTags := x.tags(300, 30)
	objects := []switchcfg.Object{
		&switchcfg.Policer{Rate: 1000},
		x.service("ix-bystander", switchcfg.ServiceLAN, 600), x.service("ix-other", switchcfg.ServiceLAN, 601),
		first, second, third,
		x.circuit(first.Name, 1, sent, "ix-bystander"),
		x.circuit(second.Name, 1, received, "ix-bystander"),
	}
	for i := range others {
		objects = append(objects, circuit(i, 0))
		if x.caps.PortVLANs {
			objects = append(objects, x.service(fmt.Sprintf("ix-other-%d", i), switchcfg.ServiceLAN, switchcfg.VLANID(610+i)))
		}
	}
	x.apply(objects...)

	stop := x.stream(m1, m2, perTick, right, farTags)
	began := time.Now()
	was := make([]switchcfg.Object, others)
	for i := range was {
		was[i] = circuit(i, 0)
	}
	for i := range x.changes {
		k, version := i%others, i/others+1
		c := plan.Change{Verb: plan.Replace, Key: circuit(k, 0).Key(), Before: was[k], After: circuit(k, version)}
		switch {
		case version%4 == 3:
			c.Verb, c.After = plan.Delete, nil
		case was[k] == nil:
			c.Verb = plan.Create
		}
		x.change([]plan.Change{c})
		was[k] = c.After
	}
	took := time.Since(began)
	n := stop()
	t.Logf("%d of %d frames passed beside %d changes in %v", n, n, x.changes, took)
}

// What is ordered of a circuit beside its tags is kept, and counted where it is not.
func TestLimitsAreThoseThatWereOrdered(t *testing.T) { each(t, limits) }

func limits(t *testing.T, x *matrix) {
	m1, m2 := x.m1, x.m2
	long := func(f []byte, size int) []byte { return append(f, make([]byte, size-len(f))...) }
	bpdu := frame.MAC{0x01, 0x80, 0xc2}
	filter := &switchcfg.Filter{Name: "ix-f", Sources: []switchcfg.MAC{switchcfg.MAC(alice)}}
	for name, c := range map[string]struct {
		order func(p *switchcfg.Interface, s *switchcfg.Service, c *switchcfg.Circuit)
		more  switchcfg.Object
		bad   []byte
		times int // that the bad frame is sent until it must have been dropped
		why   dataplane.Reason
	}{
		"source": {
			order: func(_ *switchcfg.Interface, _ *switchcfg.Service, c *switchcfg.Circuit) { c.Filter = "ix-f" },
			more:  filter, bad: letter(everybody, bob, 1), times: 1, why: dataplane.Filtered,
		},
		"reserved": {
			order: func(_ *switchcfg.Interface, _ *switchcfg.Service, c *switchcfg.Circuit) { c.Filter = "ix-f" },
			more:  filter, bad: letter(bpdu, alice, 1), times: 1, why: dataplane.Filtered,
		},
		"stations": {
			order: func(_ *switchcfg.Interface, _ *switchcfg.Service, c *switchcfg.Circuit) { c.MACLimit = 1 },
			bad:   letter(everybody, bob, 1), times: 1, why: dataplane.MACLimit,
		},
		"in a service": {
			order: func(_ *switchcfg.Interface, s *switchcfg.Service, _ *switchcfg.Circuit) { s.MACLimit = 1 },
			bad:   letter(everybody, bob, 1), times: 1, why: dataplane.MACLimit,
		},
		"size": {
			order: func(_ *switchcfg.Interface, s *switchcfg.Service, _ *switchcfg.Circuit) { s.MTU = 1000 },
			bad:   long(letter(everybody, alice, 1), 1015), times: 1, why: dataplane.MTU,
		},
		"size of port": {
			order: func(p *switchcfg.Interface, _ *switchcfg.Service, _ *switchcfg.Circuit) { p.MTU = 1500 },
			bad:   long(letter(everybody, alice, 1), 1515), times: 1, why: dataplane.MTU,
		},
		"rate": {
			order: func(_ *switchcfg.Interface, _ *switchcfg.Service, c *switchcfg.Circuit) { c.RateIn = 1000 },
			more:  &switchcfg.Policer{Rate: 1000}, bad: long(letter(everybody, alice, 1), 9000), times: 100, why: dataplane.Policed,
		},
		"storm": {
			order: func(p *switchcfg.Interface, _ *switchcfg.Service, _ *switchcfg.Circuit) { p.StormControl = 1000 },
			bad:   long(letter(everybody, alice, 1), 9000), times: 100, why: dataplane.Storm,
		},
		"shut circuit": {
			order: func(_ *switchcfg.Interface, _ *switchcfg.Service, c *switchcfg.Circuit) { c.Shutdown = true },
			bad:   letter(everybody, alice, 1), times: 1, why: dataplane.AdminDown,
		},
	} {
		port, far, service := x.port(1, "in question", 0), x.port(2, "far end", 0), x.service("ix-s", switchcfg.ServiceLAN, 600)
		circuit, end := x.circuit(port.Name, 0, switchcfg.MatchUntagged(), "ix-s"), x.circuit(far.Name, 0, switchcfg.MatchUntagged(), "ix-s")
		c.order(port, service, circuit)
		objects := []switchcfg.Object{port, far, service, circuit, end}
		if c.more != nil {
			objects = append(objects, c.more)
		}
		if !x.carries(objects...) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			x.t, m1.t, m2.t = t, t, t
			x.apply() // forget what was learned
			x.apply(objects...)
			x.linked(port.Name, true)
			x.linked(far.Name, true)
			if !circuit.Shutdown {
				reaches(t, m1, m2)
			}
			before := x.drops(c.why)
			for range c.times {
				m1.send(c.bad)
			}
			eventually(t, "the frame is counted as "+c.why.String(), func() bool { return x.drops(c.why) > before })
		})
	}
}

// Circuits with the same VLANs, which only their outer ethertypes tell apart, are on one port.
func TestCircuitsOfOnePortAreToldApartByTheirEthertypes(t *testing.T) {
	for _, s := range systems() {
		if s.capabilities(t).TPIDScope == drivers.CircuitScope {
			t.Run(s.name, func(t *testing.T) { newMatrix(t, s).mixed(t) })
		}
	}
}

// mixed gives the first port a circuit of each ethertype, with one tag or two, and each of them a way to the second port.
func (m *matrix) mixed(t *testing.T) {
	near, far := m.port(1, "in question", 0), m.port(2, "far end", 0)
	objects := []switchcfg.Object{near, far}
	var ways [][2][]frame.Tag
	var tpids []uint16
	for i, tpid := range m.caps.TPIDs {
		for parent := range 2 { // the ways cross, so that both ports have all ethertypes
			n := uint32(1 + i + parent*len(m.caps.TPIDs))
			name := fmt.Sprintf("ix-%d", n)
			there, right := stack(tpid, 1+i%2)
			back := switchcfg.MatchSingle(m.caps.TPIDs[len(m.caps.TPIDs)-1-i], switchcfg.VLANID(300+n))
			tags := []frame.Tag{{TPID: uint16(back.TPID), TCI: uint16(back.Outer)}}
			ends := []string{near.Name, far.Name}
			objects = append(objects, m.service(name, switchcfg.ServiceLAN, switchcfg.VLANID(600+n)),
				m.circuit(ends[parent], n, there, name), m.circuit(ends[1-parent], n, back, name))
			way := [2][]frame.Tag{right, tags}
			if parent == 1 {
				way = [2][]frame.Tag{tags, right}
			}
			ways = append(ways, way)
		}
		tpids = append(tpids, uint16(tpid))
	}
	m.apply(objects...)
	pass := func() {
		t.Helper()
		for _, w := range ways {
			there, back := m.letter(everybody, alice, w[0]...), m.letter(alice, bob, w[1]...)
			m.m1.send(there)
			m.m2.expect("to the far end", m.retag(there, w[0], w[1]))
			m.m2.send(back)
			m.m1.expect("back", m.retag(back, w[1], w[0]))
		}
	}
	pass()
	bad := func(name string, why dataplane.Reason, tags ...frame.Tag) {
		t.Helper()
		was := m.drops(why)
		m.m1.send(m.letter(everybody, alice, tags...))
		mark := m.letter(bob, alice, ways[0][0]...) // arrives after what should not
		m.m1.send(mark)
		m.m2.expect("after "+name, m.retag(mark, ways[0][0], ways[0][1]))
		if got := m.drops(why); got != was+1 {
			t.Errorf("%s: %d frames are dropped as %v, want 1", name, got-was, why)
		}
	}
	for i, tpid := range tpids {
		tag := frame.Tag{TPID: tpid, TCI: 100}
		bad(fmt.Sprintf("%#x and another VLAN", tpid), dataplane.OuterVLAN, frame.Tag{TPID: tpid, TCI: 99})
		switch {
		case i%2 == 0 && m.caps.SinglePasses:
		case i%2 == 0:
			bad(fmt.Sprintf("%#x and a tag more", tpid), dataplane.ExtraTag, tag, frame.Tag{TPID: frame.CTag, TCI: 7})
		default:
			bad(fmt.Sprintf("%#x and a tag less", tpid), dataplane.InnerVLAN, tag)
		}
	}
	for _, tpid := range switchcfg.TPIDs() {
		if !m.caps.TPID(tpid) {
			bad(fmt.Sprintf("%v, which no circuit has", tpid), dataplane.Ethertype, frame.Tag{TPID: uint16(tpid), TCI: 100})
		}
	}
	pass()
}
