package dataplane_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
)

// own are the tags of a customer's own behind those of a circuit.
func own() [][]frame.Tag {
	return [][]frame.Tag{
		nil,
		{{TPID: frame.CTag, TCI: 3<<13 | 7}},
		{{TPID: frame.CTag, TCI: 6 << 13}}, // of no VLAN, with a priority
		{{TPID: frame.STag, TCI: 9}},
		{{TPID: frame.QTag, TCI: 1<<12 | 9}, {TPID: frame.CTag, TCI: 8}},
		{{TPID: frame.CTag, TCI: 7}, {TPID: frame.CTag, TCI: 8}, {TPID: frame.STag, TCI: 9}},
	}
}

// through returns a circuit of a port's S-tag, or of the whole port.
func through(port string, tags int, vlan uint16) dataplane.Circuit {
	c := circuit(port, tags, "s", false)
	c.Through, c.Outer = true, vlan
	return c
}

func TestTagsBehindTheCircuitsOwnPassUnseen(t *testing.T) {
	for _, tags := range []int{0, 1} {
		for _, kind := range []dataplane.Kind{dataplane.LAN, dataplane.Line} { // one copies, one does not
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, dataplane.Options{}, "a", "b")
				defer b.close()
				b.configure(&dataplane.Config{
					Ports:    []dataplane.Port{{Name: "a", Enabled: true, TPID: frame.STag}, {Name: "b", Enabled: true, TPID: frame.QTag}},
					Services: []dataplane.Service{{Name: "s", Kind: kind}},
					Circuits: []dataplane.Circuit{through("a", tags, 100), through("b", tags, 300)},
				})
				for _, inside := range own() {
					in, want := slices.Clone(inside), slices.Clone(inside)
					if tags == 1 {
						in = append([]frame.Tag{{TPID: frame.STag, TCI: 5<<13 | 100}}, inside...)
						want = append([]frame.Tag{{TPID: frame.QTag, TCI: 5<<13 | 300}}, inside...)
					}
					for _, way := range []struct {
						from, to string
						in, out  []frame.Tag
					}{{"a", "b", in, want}, {"b", "a", want, in}} {
						out := b.send(way.from, build(broadcast, alice, way.in, 46))
						if f := build(broadcast, alice, way.out, 46); len(out) != 1 || len(out[way.to]) != 1 || !bytes.Equal(out[way.to][0], f) {
							t.Errorf("%v: %v at %s came out as %x, want %x at %s", kind, way.in, way.from, out, f, way.to)
						}
					}
				}
			})
		}
	}
}

func TestFramesOfAnotherSTagAreDroppedWhateverIsInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dataplane.Options{}, "a", "b")
		defer b.close()
		b.configure(&dataplane.Config{
			Ports:    []dataplane.Port{{Name: "a", Enabled: true, TPID: frame.STag}, {Name: "b", Enabled: true}},
			Services: []dataplane.Service{{Name: "s", Kind: dataplane.Line}},
			Circuits: []dataplane.Circuit{through("a", 1, 100), through("b", 1, 300)},
		})
		for _, inside := range own() {
			for why, outer := range map[dataplane.Reason][]frame.Tag{
				dataplane.OuterVLAN: {{TPID: frame.STag, TCI: 101}},
				dataplane.Ethertype: {{TPID: frame.QTag, TCI: 100}},
			} {
				before, _ := b.PortState("a")
				b.reaches("a", build(broadcast, alice, append(outer, inside...), 46))
				if after, _ := b.PortState("a"); after.Drops[why] != before.Drops[why]+1 {
					t.Errorf("%v: drops were %v and are %v, want one more %v", inside, before.Drops, after.Drops, why)
				}
			}
		}
		b.reaches("a", build(broadcast, alice, nil, 46))
		if s, _ := b.PortState("a"); s.Drops[dataplane.Untagged] != 1 {
			t.Errorf("a frame without a tag: %v", s.Drops)
		}
	})
}

// TestTagsThatPassUnseenArePayload: a circuit does not know them, so it cannot leave them out of what it counts.
func TestTagsThatPassUnseenArePayload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dataplane.Options{}, "a", "b")
		defer b.close()
		b.configure(&dataplane.Config{
			Ports:    []dataplane.Port{{Name: "a", Enabled: true, MTU: 1504}, {Name: "b", Enabled: true, MTU: 1504}},
			Services: []dataplane.Service{{Name: "s", Kind: dataplane.Line}},
			Circuits: []dataplane.Circuit{through("a", 1, 100), through("b", 1, 300)},
		})
		inside := []frame.Tag{{TPID: frame.CTag, TCI: 100}, {TPID: frame.CTag, TCI: 7}}
		b.reaches("a", build(broadcast, alice, inside[:1], 1504), "b")
		b.reaches("a", build(broadcast, alice, inside, 1500), "b")
		b.reaches("a", build(broadcast, alice, inside, 1501))
		b.expectDrops(0, dataplane.MTU, 1)
	})
}

func TestTagsOfOnesOwnCrossTheFabric(t *testing.T) {
	for _, tags := range []int{0, 1} {
		for _, pcp := range []uint16{0, 5} {
			t.Run(fmt.Sprintf("%d tags, priority %d", tags, pcp), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := &ether{all: map[netip.Addr]*endpoint{}}
					open := func(own, far string, vlan uint16) *bench {
						b := newBench(t, dataplane.Options{Tunnels: e.open(own), Tunnel: netip.MustParseAddr(own)}, "p")
						b.configure(&dataplane.Config{
							Ports:    []dataplane.Port{{Name: "p", Enabled: true, TPID: frame.STag}},
							Services: []dataplane.Service{{Name: "s", Kind: dataplane.Line, VNI: 5, Remotes: []netip.Addr{netip.MustParseAddr(far)}}},
							Circuits: []dataplane.Circuit{through("p", tags, vlan)},
						})
						return b
					}
					a, b := open("10.0.0.1", "10.0.0.2", 100), open("10.0.0.2", "10.0.0.1", 300)
					defer a.close()
					defer b.close()
					for _, inside := range own() {
						near := append([]frame.Tag{{TPID: frame.STag, TCI: pcp<<13 | 100}}[:tags], inside...)
						far := append([]frame.Tag{{TPID: frame.STag, TCI: pcp<<13 | 300}}[:tags], inside...)
						a.send("p", build(broadcast, alice, near, 46))
						if got, want := b.ports["p"].take(), build(broadcast, alice, far, 46); len(got) != 1 || !bytes.Equal(got[0], want) {
							t.Errorf("%v came out as %x, want %x", near, got, want)
						}
					}
				})
			})
		}
	}
}
