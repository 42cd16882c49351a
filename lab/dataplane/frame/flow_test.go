package frame_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/lab/dataplane/frame"
)

func flow(t testing.TB, f []byte) uint32 {
	t.Helper()
	h, err := frame.Parse(f, tpids...)
	if err != nil {
		t.Fatal(err)
	}
	return h.Flow(f)
}

func TestFramesOfAConversationStayTogether(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dst, src, tags := macs().Draw(rt, "dst"), macs().Draw(rt, "src"), stack(rt)
		kind := rapid.SampledFrom([]struct {
			typ      uint16
			from, to int // where the IP addresses stand
		}{{0x0800, 12, 20}, {0x86dd, 8, 40}, {0x0806, 0, 0}}).Draw(rt, "kind")
		ip := rapid.SliceOfN(rapid.Byte(), kind.to-kind.from, kind.to-kind.from).Draw(rt, "addresses")

		draw := func() []byte {
			body := rapid.SliceOfN(rapid.Byte(), kind.to, kind.to+30).Draw(rt, "body")
			copy(body[kind.from:], ip)
			for i := range tags {
				tags[i].TCI = tags[i].VID() | rapid.Uint16Range(0, 15).Draw(rt, "priority")<<12
			}
			return build(dst, src, tags, append([]byte{byte(kind.typ >> 8), byte(kind.typ)}, body...))
		}
		if a, b := draw(), draw(); flow(t, a) != flow(t, b) {
			rt.Fatalf("%x and %x part", a, b)
		}
	})
}

func TestConversationsSpreadOverTheMembers(t *testing.T) {
	for name, set := range map[string]func(f []byte, i int){
		"station":      func(f []byte, i int) { f[11] = byte(i) },
		"vlan":         func(f []byte, i int) { f[15] = byte(i) },
		"IPv4 address": func(f []byte, i int) { f[37] = byte(i) },
	} {
		for members := 2; members <= 8; members++ {
			counts := make([]int, members)
			for i := range 256 {
				f := build(frame.MAC{2, 0, 0, 0, 0, 1}, frame.MAC{2, 0, 0, 0, 1, 0}, []frame.Tag{{TPID: frame.CTag, TCI: 5}}, append([]byte{8, 0}, make([]byte, 40)...))
				set(f, i)
				counts[int(flow(t, f)%uint32(members))]++
			}
			for m, c := range counts {
				if fair := 256 / members; c < fair/2 || c > fair*2 {
					t.Errorf("by %s: member %d of %d has %d of 256", name, m, members, c)
				}
			}
		}
	}
}

func TestFlowReadsNoFurtherThanTheFrame(t *testing.T) {
	for _, typ := range [][]byte{{0x08, 0x00}, {0x86, 0xdd}} {
		f := build(frame.MAC{2}, frame.MAC{4}, nil, append(typ, make([]byte, 40)...))
		for n := frame.HeaderSize; n <= len(f); n++ {
			flow(t, f[:n:n])
		}
	}
}
