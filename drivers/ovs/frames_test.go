package ovs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// deadline is how long a test waits for what must come.
const deadline = 30 * time.Second

// bench is a switch, its driver and what it was brought to.
type bench struct {
	*lab
	t      testing.TB
	driver *driver
	state  switchcfg.State
}

func newBench(t testing.TB, ports ...string) *bench {
	t.Helper()
	l := newLab(t, ports...)
	return &bench{lab: l, t: t, driver: l.open(t), state: switchcfg.State{}}
}

// apply has the driver bring the switch to a state, which is legal.
func (b *bench) apply(objects ...switchcfg.Object) {
	b.t.Helper()
	next := switchcfg.State{}
	next.Put(objects...)
	if faults := switchcfg.Check(next); len(faults) > 0 {
		b.t.Fatal(faults)
	}
	if _, err := b.driver.Apply(b.t.Context(), plan.Diff(b.state, next)); err != nil {
		b.t.Fatal(err)
	}
	if got := observed(b.t, b.driver); !got.Equal(next) {
		b.t.Fatal(cmp.Diff(string(next.AppendText(nil)), string(got.AppendText(nil))))
	}
	b.state = next
}

// station is a member's end of a cable: it sends what it is told and keeps what other stations sent.
type station struct {
	t    testing.TB
	wire *wire.Wire
	in   chan []byte
}

func (b *bench) station(port string) *station {
	b.t.Helper()
	s := &station{t: b.t, in: make(chan []byte, 1<<12)}
	if err := b.members.Do(func() (err error) {
		s.wire, err = wire.Open(port)
		return err
	}); err != nil {
		b.t.Fatal(err)
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
				if f := fs[i].Bytes(); bytes.HasPrefix(f[6:], stations) {
					s.in <- bytes.Clone(f)
				}
			}
		}
	}()
	b.t.Cleanup(func() {
		_ = s.wire.Close()
		<-ended
	})
	return s
}

// stations begin the addresses of stations, other than those of interfaces.
var stations = []byte{2, 0, 0, 0}

var everybody = frame.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// Three stations of the run n. Each run has its own, because Open vSwitch forgets where one was in its own time.
func alice(n uint16) frame.MAC { return frame.MAC{2, 0, 0, 0, byte(n), 1 + byte(n>>8)<<2} }
func bob(n uint16) frame.MAC   { return frame.MAC{2, 0, 0, 0, byte(n), 2 + byte(n>>8)<<2} }
func carol(n uint16) frame.MAC { return frame.MAC{2, 0, 0, 0, byte(n), 3 + byte(n>>8)<<2} }

func (s *station) send(f []byte) {
	s.t.Helper()
	limit := time.NewTimer(deadline)
	defer limit.Stop()
	for {
		n, err := s.wire.Write([][]byte{f})
		if err != nil {
			s.t.Fatal(err)
		}
		if n == 1 {
			return
		}
		select {
		case <-limit.C:
			s.t.Fatal("the wire takes no frame")
		default:
		}
	}
}

// next returns the next frame that comes, or nil when the test's patience is over.
func (s *station) next() []byte {
	limit := time.NewTimer(deadline)
	defer limit.Stop()
	select {
	case got := <-s.in:
		return got
	case <-limit.C:
		return nil
	}
}

// expect waits for the next frame, which must be f.
func (s *station) expect(what string, f []byte) {
	s.t.Helper()
	if got := s.next(); !bytes.Equal(got, f) {
		s.t.Errorf("%s: got\n%x, want\n%x", what, got, f)
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

// matrix is a switch of four ports. The first is the one in question, or the only member of a LAG that is, the second has
// the far end of its service, with other tags, the third a further circuit of the service where it is no line, and the fourth
// a second root where it is a tree.
type matrix struct {
	*bench
	m1, m2, m3, m4 *station
	n              uint32 // of the last letter
	runs           uint16

	alice, bob, carol frame.MAC
}

var farTags = []frame.Tag{{TPID: frame.STag, TCI: 300}, {TPID: frame.CTag, TCI: 30}}

func (m *matrix) letter(dst, src frame.MAC, tags ...frame.Tag) []byte {
	m.n++
	return letter(dst, src, m.n, tags...)
}

// retag is what becomes of a frame between circuits.
func (m *matrix) retag(f []byte, from, to []frame.Tag) []byte {
	out, err := frame.Append(nil, f, len(from), to...)
	if err != nil {
		m.t.Fatal(err)
	}
	return out
}

func TestOnlyFramesAsOrderedPass(t *testing.T) {
	t.Parallel()
	b := newBench(t, "Ethernet1", "Ethernet2", "Ethernet3", "Ethernet4")
	m := &matrix{bench: b, m1: b.station("Ethernet1"), m2: b.station("Ethernet2"), m3: b.station("Ethernet3"), m4: b.station("Ethernet4")}
	for _, tpid := range capabilities().TPIDs {
		for tags := range 3 {
			for _, kind := range capabilities().Services {
				for _, parent := range []string{"Ethernet1", "lag1"} {
					t.Run(fmt.Sprintf("%v %d tags %s on %s", tpid, tags, kind, parent), func(t *testing.T) { m.run(t, kind, parent, tpid, tags) })
				}
			}
		}
	}
}

// order configures a service, in which the parent has a circuit as given.
func (m *matrix) order(t *testing.T, kind switchcfg.ServiceType, parent string, tpid switchcfg.TPID, tags int) []frame.Tag {
	t.Helper()
	m.t = t
	for _, s := range []*station{m.m1, m.m2, m.m3, m.m4} {
		s.t = t
	}
	m.runs++
	m.alice, m.bob, m.carol = alice(m.runs), bob(m.runs), carol(m.runs)
	match, right := stack(tpid, tags)
	root, leaf := switchcfg.Role(""), switchcfg.Role("")
	if kind == switchcfg.ServiceTree {
		root, leaf = switchcfg.RoleRoot, switchcfg.RoleLeaf
	}
	name := fmt.Sprintf("ix-%v-%d-%s", tpid, tags, kind)
	objects := []switchcfg.Object{
		&switchcfg.Service{Name: name, Type: kind},
		&switchcfg.Interface{Name: "Ethernet2", Description: "far end", TPID: switchcfg.TPIDService},
		&switchcfg.Interface{Name: "Ethernet3", Description: "third"},
		&switchcfg.Interface{Name: "Ethernet4", Description: "fourth"},
		&switchcfg.Circuit{Parent: parent, Unit: 1, Match: match, Service: name, Role: leaf},
		&switchcfg.Circuit{Parent: "Ethernet2", Unit: 2, Match: switchcfg.MatchDouble(switchcfg.TPIDService, 300, 30), Service: name, Role: root},
	}
	if parent == "Ethernet1" {
		objects = append(objects, &switchcfg.Interface{Name: "Ethernet1", Description: "in question", TPID: tpid})
	} else {
		objects = append(objects, &switchcfg.Interface{Name: "Ethernet1", Description: "member"},
			&switchcfg.LAG{Name: parent, Description: "in question", Mode: switchcfg.ModeStatic, Members: []string{"Ethernet1"}, TPID: tpid})
	}
	if kind != switchcfg.ServiceLine {
		objects = append(objects, &switchcfg.Circuit{Parent: "Ethernet3", Unit: 3, Match: switchcfg.MatchUntagged(), Service: name, Role: leaf})
	}
	if kind == switchcfg.ServiceTree {
		objects = append(objects, &switchcfg.Circuit{Parent: "Ethernet4", Unit: 4, Match: switchcfg.MatchUntagged(), Service: name, Role: root})
	}
	m.apply(objects...)
	return right
}

func (m *matrix) run(t *testing.T, kind switchcfg.ServiceType, parent string, tpid switchcfg.TPID, tags int) {
	right := m.order(t, kind, parent, tpid, tags)
	there := m.letter(everybody, m.alice, right...)
	m.m1.send(there)
	m.m2.expect("to the far end", m.retag(there, right, farTags))
	if kind == switchcfg.ServiceLAN {
		m.m3.expect("to everybody", m.retag(there, right, nil))
	}
	if kind == switchcfg.ServiceTree {
		m.m4.expect("to the other root", m.retag(there, right, nil))
	}
	back := m.letter(m.alice, m.bob, farTags...)
	m.m2.send(back)
	m.m1.expect("back", m.retag(back, farTags, right))

	for _, w := range wrong(uint16(tpid), right) {
		m.m1.send(m.letter(everybody, m.alice, w.tags...))
		mark := m.letter(m.bob, m.alice, right...) // arrives after what should not
		m.m1.send(mark)
		m.m2.expect("after "+w.name, m.retag(mark, right, farTags))
	}
	if kind == switchcfg.ServiceTree {
		m.leaves(right)
	}
	mark := m.letter(everybody, m.bob, farTags...)
	m.m2.send(mark)
	m.m1.expect("nothing else came", m.retag(mark, farTags, right))
	if kind != switchcfg.ServiceLine {
		m.m3.expect("nothing else came", m.retag(mark, farTags, nil))
	}
	if kind == switchcfg.ServiceTree {
		m.m4.expect("nothing else came", m.retag(mark, farTags, nil))
	}
}

// leaves makes sure that a leaf does not reach another one whose station is known, nor by a broadcast.
func (m *matrix) leaves(right []frame.Tag) {
	hello := m.letter(everybody, m.carol)
	m.m3.send(hello)
	m.m2.expect("from the other leaf", m.retag(hello, nil, farTags))
	m.m4.expect("from the other leaf", hello)
	m.m1.send(m.letter(m.carol, m.alice, right...))
	mark := m.letter(everybody, m.alice, right...)
	m.m1.send(mark)
	m.m2.expect("from the leaf", m.retag(mark, right, farTags))
	m.m4.expect("from the leaf", m.retag(mark, right, nil))
}

// own are the tags of a member's own behind the one of a circuit.
func own() [][]frame.Tag {
	return [][]frame.Tag{
		nil,
		{{TPID: frame.CTag, TCI: 3<<13 | 7}},
		{{TPID: frame.CTag, TCI: 5 << 13}}, // of no VLAN, with a priority
		{{TPID: frame.STag, TCI: 9}},
		{{TPID: frame.CTag, TCI: 7}, {TPID: frame.CTag, TCI: 8}},
		{{TPID: frame.QTag, TCI: 9}, {TPID: frame.CTag, TCI: 8}, {TPID: frame.CTag, TCI: 7}},
	}
}

func TestTagsBehindAnSTagPassUnseen(t *testing.T) {
	t.Parallel()
	b := newBench(t, "Ethernet1", "Ethernet2", "Ethernet3")
	m := &matrix{bench: b, m1: b.station("Ethernet1"), m2: b.station("Ethernet2"), m3: b.station("Ethernet3")}
	control := &switchcfg.Filter{Name: "ix-control", AnySource: true}
	for _, tpid := range capabilities().TPIDs {
		for _, parent := range []string{"Ethernet1", "lag1"} {
			for _, filter := range []string{"", control.Name} {
				t.Run(fmt.Sprintf("%v on %s, filter %q", tpid, parent, filter), func(t *testing.T) {
					m.t, m.m1.t, m.m2.t, m.m3.t = t, t, t, t
					m.runs++
					m.alice, m.bob = alice(m.runs), bob(m.runs)
					name := fmt.Sprintf("ix-stag-%d", m.runs)
					objects := []switchcfg.Object{
						control, &switchcfg.Service{Name: name, Type: switchcfg.ServiceLine},
						&switchcfg.Service{Name: "ix-other", Type: switchcfg.ServiceLAN},
						&switchcfg.Interface{Name: "Ethernet2", Description: "far end", TPID: switchcfg.TPIDService},
						&switchcfg.Interface{Name: "Ethernet3", Description: "of another"},
						&switchcfg.Circuit{Parent: parent, Unit: 100, Match: switchcfg.MatchStacked(tpid, 100), Service: name, Filter: filter},
						&switchcfg.Circuit{Parent: parent, Unit: 7, Match: switchcfg.MatchSingle(tpid, 7), Service: "ix-other"},
						&switchcfg.Circuit{Parent: "Ethernet2", Unit: 300, Match: switchcfg.MatchStacked(switchcfg.TPIDService, 300), Service: name, Filter: filter},
						&switchcfg.Circuit{Parent: "Ethernet3", Unit: 1, Match: switchcfg.MatchUntagged(), Service: "ix-other"},
					}
					if parent == "Ethernet1" {
						objects = append(objects, &switchcfg.Interface{Name: "Ethernet1", Description: "in question", TPID: tpid})
					} else {
						objects = append(objects, &switchcfg.Interface{Name: "Ethernet1", Description: "member"},
							&switchcfg.LAG{Name: parent, Description: "in question", Mode: switchcfg.ModeStatic, Members: []string{"Ethernet1"}, TPID: tpid})
					}
					m.apply(objects...)
					m.unseen(uint16(tpid))
				})
			}
		}
	}
}

// unseen sends frames with tags of their own both ways, and such as are not of the S-tag.
func (m *matrix) unseen(tpid uint16) {
	near, far := frame.Tag{TPID: tpid, TCI: 5<<13 | 100}, frame.Tag{TPID: frame.STag, TCI: 5<<13 | 300}
	for round := range 2 { // the switch goes by what it has decided before
		for i, inside := range own() {
			for _, dst := range []frame.MAC{everybody, m.bob} {
				there := m.letter(dst, m.alice, append([]frame.Tag{near}, inside...)...)
				m.m1.send(there)
				// The priority of the outer tag is not kept, which is that of the circuit.
				m.m2.expect(fmt.Sprintf("%d, %d there", round, i), m.retag(there, []frame.Tag{near}, []frame.Tag{{TPID: far.TPID, TCI: far.VID()}}))
			}
			back := m.letter(m.alice, m.bob, append([]frame.Tag{far}, inside...)...)
			m.m2.send(back)
			m.m1.expect(fmt.Sprintf("%d, %d back", round, i), m.retag(back, []frame.Tag{far}, []frame.Tag{{TPID: near.TPID, TCI: near.VID()}}))
			for what, outer := range map[string]frame.Tag{"another VLAN": {TPID: tpid, TCI: 101}, "VLAN 0": {TPID: tpid, TCI: 1 << 13}, "0x9100": {TPID: frame.QTag, TCI: 100}} {
				m.m1.send(m.letter(everybody, m.alice, append([]frame.Tag{outer}, inside...)...))
				mark := m.letter(everybody, m.alice, near)
				m.m1.send(mark)
				m.m2.expect("after "+what, m.retag(mark, []frame.Tag{near}, []frame.Tag{{TPID: far.TPID, TCI: far.VID()}}))
			}
		}
	}
	// A circuit of one tag beside it takes frames with no other.
	m.m1.send(m.letter(everybody, m.alice, frame.Tag{TPID: tpid, TCI: 7}, frame.Tag{TPID: frame.CTag, TCI: 100}))
	mark := m.letter(everybody, m.alice, frame.Tag{TPID: tpid, TCI: 7})
	m.m1.send(mark)
	m.m3.expect("after two tags", m.retag(mark, []frame.Tag{{}}, nil))
}

type mistake struct {
	name string
	tags []frame.Tag
}

// wrong returns each way in which a frame can miss a circuit whose frames have the tags right, but for those that Open
// vSwitch cannot tell: 0x8100 where 0x88a8 is right, and the reverse.
func wrong(tpid uint16, right []frame.Tag) []mistake {
	with := func(i int, tag frame.Tag) []frame.Tag {
		tags := slices.Clone(right)
		tags[i] = tag
		return tags
	}
	var ways []mistake
	for _, extra := range []uint16{frame.CTag, frame.STag, frame.QTag} {
		ways = append(ways, mistake{fmt.Sprintf("extra %#x", extra), append(slices.Clone(right), frame.Tag{TPID: extra, TCI: 9})})
	}
	if len(right) == 0 {
		return ways
	}
	ways = append(ways,
		mistake{"ethertype 0x9100", with(0, frame.Tag{TPID: frame.QTag, TCI: 100})},
		mistake{"outer VLAN", with(0, frame.Tag{TPID: tpid, TCI: 101})},
		mistake{"VLAN 0", with(0, frame.Tag{TPID: tpid, TCI: 5 << 13})},
		mistake{"untagged", nil})
	if len(right) == 2 {
		ways = append(ways,
			mistake{"inner VLAN", with(1, frame.Tag{TPID: frame.CTag, TCI: 8})},
			mistake{"inner ethertype 0x88a8", with(1, frame.Tag{TPID: frame.STag, TCI: 7})},
			mistake{"inner ethertype 0x9100", with(1, frame.Tag{TPID: frame.QTag, TCI: 7})},
			mistake{"no inner tag", right[:1]})
	}
	return ways
}

// The switch has decided on frames like these before, and goes by that until it is told otherwise.
func TestWhatIsClosedPassesNothingAfterTheAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t, "Ethernet1", "Ethernet2")
	m1, m2 := b.station("Ethernet1"), b.station("Ethernet2")
	const sources = 8000
	n := uint32(0)
	send := func() {
		n++
		m1.send(letter(everybody, frame.MAC{2, 0, 0, 0, byte(n % sources >> 8), byte(n % sources)}, n))
	}
	opened, closed := make(switchcfg.State), make(switchcfg.State)
	opened.Put(lan("")...)
	closed.Put(lan("")...)
	closed.Put(&switchcfg.Circuit{Parent: "Ethernet1", Description: "ixagent nsc:1", Service: "ix-1", Shutdown: true})
	apply := func(from, to switchcfg.State) {
		if _, err := b.driver.Apply(t.Context(), plan.Diff(from, to)); err != nil {
			t.Fatal(err)
		}
	}
	apply(nil, opened)
	for range 4 {
		for range 2 * sources {
			send()
			for len(m2.in) > 0 {
				<-m2.in
			}
		}
		apply(opened, closed)
		answered := n
		for range sources {
			send()
		}
		apply(closed, opened)
		mark := letter(everybody, bob(1), 0)
		m1.send(mark)
		for f := m2.next(); !bytes.Equal(f, mark); f = m2.next() {
			if f == nil || binary.BigEndian.Uint32(f[14:]) > answered {
				t.Fatalf("%x came, and the last before the answer was %d", f, answered)
			}
		}
	}
}
