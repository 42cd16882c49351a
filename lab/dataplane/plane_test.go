package dataplane_test

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
)

// cable is a wire in memory: frames that are put in are read by a plane, what the plane writes is kept.
type cable struct {
	in   chan []byte
	done chan struct{}
	stop sync.Once

	mu  sync.Mutex
	out [][]byte
	far *cable // where frames go that are written, nil for nowhere
	cut bool   // what is written is lost

	lost chan int // how much of it, unless it is nil
}

func newCable() *cable { return &cable{in: make(chan []byte, 4096), done: make(chan struct{})} }

func (c *cable) Read(fs []wire.Frame) (int, error) {
	put := func(i int, b []byte) {
		fs[i].Start = wire.Headroom
		fs[i].End = fs[i].Start + copy(fs[i].Buf[wire.Headroom:], b)
	}
	select {
	case b := <-c.in:
		put(0, b)
	case <-c.done:
		return 0, net.ErrClosed
	}
	for n := 1; n < len(fs); n++ {
		select {
		case b := <-c.in:
			put(n, b)
		default:
			return n, nil
		}
	}
	return len(fs), nil
}

func (c *cable) Write(fs [][]byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut && c.lost != nil {
		c.lost <- len(fs)
	}
	for i, f := range fs {
		switch {
		case c.cut:
		case c.far == nil:
			c.out = append(c.out, slices.Clone(f))
		default:
			select {
			case c.far.in <- slices.Clone(f):
			default:
				return i, nil
			}
		}
	}
	return len(fs), nil
}

func (c *cable) close() { c.stop.Do(func() { close(c.done) }) }

// take returns the frames that were written, and forgets them.
func (c *cable) take() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.out
	c.out = nil
	return out
}

// bench is a plane with ports in memory.
type bench struct {
	*dataplane.Plane
	t     testing.TB
	ports map[string]*cable
}

// newBench must be called in a bubble.
func newBench(t testing.TB, o dataplane.Options, ports ...string) *bench {
	b := &bench{Plane: dataplane.New(o), t: t, ports: map[string]*cable{}}
	t.Cleanup(b.close)
	for i, name := range ports {
		b.ports[name] = newCable()
		b.Attach(name, b.ports[name], [6]byte{2, 0, 0, 0, 9, byte(i)})
		b.Link(name, true)
	}
	return b
}

func (b *bench) close() {
	for _, c := range b.ports {
		c.close()
	}
	if err := b.Close(); err != nil {
		b.t.Error(err)
	}
}

func (b *bench) configure(c *dataplane.Config) {
	b.t.Helper()
	if err := b.Configure(c); err != nil {
		b.t.Fatal(err)
	}
}

// send lets a frame in at a port and returns what came out, by port.
func (b *bench) send(port string, f []byte) map[string][][]byte {
	b.ports[port].in <- f
	synctest.Wait()
	out := map[string][][]byte{}
	for name, c := range b.ports {
		if fs := c.take(); len(fs) > 0 {
			out[name] = fs
		}
	}
	return out
}

func build(dst, src frame.MAC, tags []frame.Tag, size int) []byte {
	f := append(slices.Clone(dst[:]), src[:]...)
	for _, t := range tags {
		f = append(f, byte(t.TPID>>8), byte(t.TPID), byte(t.TCI>>8), byte(t.TCI))
	}
	f = append(f, 0x88, 0xb5)
	return append(f, bytes.Repeat([]byte{0xaa}, size)...)
}

var (
	broadcast = frame.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	alice     = frame.MAC{2, 0, 0, 0, 0, 1}
	tpids     = []uint16{frame.CTag, frame.STag, frame.QTag}
)

func circuit(parent string, tags int, service string, leaf bool) dataplane.Circuit {
	return dataplane.Circuit{Parent: parent, Unit: 1, Enabled: true, Tags: tags, Outer: 100, Inner: 7, Service: service, Leaf: leaf}
}

// TestCircuitsOfOnePortMayHaveOuterEthertypesOfTheirOwn: three circuits with the same VLANs, and none of them for the
// frames of the port's own ethertype.
func TestCircuitsOfOnePortMayHaveOuterEthertypesOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dataplane.Options{}, "a", "b", "c", "d")
		defer b.close()
		c := &dataplane.Config{Ports: []dataplane.Port{{Name: "a", Enabled: true}}}
		for i, to := range []string{"b", "c", "d"} {
			near, far := circuit("a", 1+i%2, to, false), circuit(to, 0, to, false)
			near.Unit, near.TPID = uint32(i), tpids[i]
			c.Ports = append(c.Ports, dataplane.Port{Name: to, Enabled: true})
			c.Services = append(c.Services, dataplane.Service{Name: to})
			c.Circuits = append(c.Circuits, near, far)
		}
		b.configure(c)
		for i, to := range []string{"b", "c", "d"} {
			tags := tagged(tpids[i], 1+i%2, 0)
			out := b.send("a", build(broadcast, alice, tags, 46))
			if want := build(broadcast, alice, nil, 46); len(out) != 1 || len(out[to]) != 1 || !bytes.Equal(out[to][0], want) {
				t.Errorf("%#x came out as %x", tpids[i], out)
			}
			out = b.send(to, build(broadcast, frame.MAC{2, 0, 0, 0, 0, 9}, nil, 46))
			if want := build(broadcast, frame.MAC{2, 0, 0, 0, 0, 9}, tags, 46); len(out) != 1 || len(out["a"]) != 1 || !bytes.Equal(out["a"][0], want) {
				t.Errorf("to %#x came out as %x", tpids[i], out)
			}
		}
		c = &dataplane.Config{Ports: c.Ports, Services: c.Services, Circuits: c.Circuits[2:]} // no 0x8100 any more
		b.configure(c)
		if out := b.send("a", build(broadcast, alice, tagged(frame.CTag, 1, 0), 46)); len(out) != 0 {
			t.Errorf("0x8100 came out as %x", out)
		}
		if s, _ := b.PortState("a"); s.Drops[dataplane.Ethertype] != 1 {
			t.Errorf("0x8100 is dropped as %v", s.Drops)
		}
	})
}

func tagged(tpid uint16, tags int, pcp uint16) []frame.Tag {
	return []frame.Tag{{TPID: tpid, TCI: pcp<<13 | 100}, {TPID: frame.CTag, TCI: pcp<<13 | 7}}[:tags]
}

func TestOnlyFramesAsConfiguredPass(t *testing.T) {
	for _, kind := range []dataplane.Kind{dataplane.LAN, dataplane.Line, dataplane.Tree} {
		for _, tpid := range tpids {
			for tags := range 3 {
				for far := range 3 {
					t.Run(fmt.Sprintf("%v %#x %d to %d tags", kind, tpid, tags, far), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { matrix(t, kind, tpid, tags, far, false) })
						synctest.Test(t, func(t *testing.T) { matrix(t, kind, tpid, tags, far, true) })
					})
				}
			}
		}
	}
}

// matrix tries a circuit whose outer ethertype is that of its port, or its own on a port of another.
func matrix(t *testing.T, kind dataplane.Kind, tpid uint16, tags, far int, own bool) {
	b := newBench(t, dataplane.Options{}, "a", "b")
	defer b.close()
	c := &dataplane.Config{
		Ports:    []dataplane.Port{{Name: "a", Enabled: true, TPID: tpid}, {Name: "b", Enabled: true, TPID: frame.STag}},
		Services: []dataplane.Service{{Name: "s", Kind: kind}},
		Circuits: []dataplane.Circuit{circuit("a", tags, "s", kind == dataplane.Tree), circuit("b", far, "s", false)},
	}
	if own {
		for i, other := range []uint16{tpids[(slices.Index(tpids, tpid)+1)%3], frame.QTag} {
			if c.Circuits[i].Tags > 0 {
				c.Circuits[i].TPID = c.Ports[i].TPID
			}
			c.Ports[i].TPID = other
		}
	}
	b.configure(c)
	pcp := uint16(5)
	got := b.send("a", build(broadcast, alice, tagged(tpid, tags, pcp), 46))["b"]
	if tags == 0 {
		pcp = 0
	}
	if want := build(broadcast, alice, tagged(frame.STag, far, pcp), 46); len(got) != 1 || !bytes.Equal(got[0], want) {
		t.Errorf("right frame came out as %x, want %x", got, want)
	}

	wrong := map[string]struct {
		tags []frame.Tag
		why  dataplane.Reason
	}{}
	set := func(name string, why dataplane.Reason, tags ...frame.Tag) {
		wrong[name] = struct {
			tags []frame.Tag
			why  dataplane.Reason
		}{tags, why}
	}
	right := tagged(tpid, tags, 0)
	for _, extra := range tpids {
		set(fmt.Sprintf("extra %#x", extra), dataplane.ExtraTag, append(slices.Clone(right), frame.Tag{TPID: extra, TCI: 9})...)
	}
	if tags > 0 {
		for _, other := range tpids {
			if other != tpid {
				set(fmt.Sprintf("ethertype %#x", other), dataplane.Ethertype, tagged(other, tags, 0)...)
			}
		}
		bad := slices.Clone(right)
		bad[0].TCI++
		set("outer", dataplane.OuterVLAN, bad...)
		bad = slices.Clone(right)
		bad[0].TCI = 5 << 13
		set("VLAN 0", dataplane.OuterVLAN, bad...)
		set("untagged", dataplane.Untagged)
	}
	if tags == 2 {
		bad := slices.Clone(right)
		bad[1].TCI++
		set("inner", dataplane.InnerVLAN, bad...)
		set("no inner", dataplane.InnerVLAN, right[:1]...)
		set("inner ethertype", dataplane.Ethertype, right[0], frame.Tag{TPID: frame.STag, TCI: 7})
	}
	for name, w := range wrong {
		was, _ := b.PortState("a")
		if out := b.send("a", build(broadcast, alice, w.tags, 46)); len(out) != 0 {
			t.Errorf("%s: came out as %x", name, out)
		}
		is, _ := b.PortState("a")
		if is.Drops[w.why] != was.Drops[w.why]+1 {
			t.Errorf("%s: dropped as %v, want %v", name, is.Drops, w.why)
		}
		drops := b.Drops()
		if last := drops[len(drops)-1]; last.Reason != w.why || last.Port != "a" {
			t.Errorf("%s: last drop is %+v", name, last)
		}
	}
}
