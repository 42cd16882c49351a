package frame_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/lab/dataplane/frame"
)

var tpids = []uint16{frame.CTag, frame.STag, frame.QTag}

func macs() *rapid.Generator[frame.MAC] {
	return rapid.Custom(func(t *rapid.T) frame.MAC {
		return frame.MAC(rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "mac"))
	})
}

// stack draws the tags of a frame as the standard orders them: any outer ethertype, 0x8100 inside.
func stack(t *rapid.T) []frame.Tag {
	tags := make([]frame.Tag, rapid.IntRange(0, frame.MaxTags).Draw(t, "depth"))
	for i := range tags {
		tags[i] = frame.Tag{TPID: frame.CTag, TCI: rapid.Uint16().Draw(t, "tci")}
	}
	if len(tags) > 0 {
		tags[0].TPID = rapid.SampledFrom(tpids).Draw(t, "tpid")
	}
	return tags
}

func build(dst, src frame.MAC, tags []frame.Tag, rest []byte) []byte {
	f := append(slices.Clone(dst[:]), src[:]...)
	for _, t := range tags {
		f = append(f, byte(t.TPID>>8), byte(t.TPID), byte(t.TCI>>8), byte(t.TCI))
	}
	return append(f, rest...)
}

// payload draws an ethertype that opens no tag, and what follows it.
func payload(t *rapid.T) []byte {
	typ := rapid.Uint16().Filter(func(v uint16) bool { return !slices.Contains(tpids, v) }).Draw(t, "type")
	return append([]byte{byte(typ >> 8), byte(typ)}, rapid.SliceOfN(rapid.Byte(), 0, 80).Draw(t, "payload")...)
}

func TestParseReadsWhatWasBuilt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dst, src, tags, rest := macs().Draw(t, "dst"), macs().Draw(t, "src"), stack(t), payload(t)
		f := build(dst, src, tags, rest)
		h, err := frame.Parse(f, tpids...)
		if err != nil {
			t.Fatal(err)
		}
		want := frame.Header{Dst: dst, Src: src, Depth: len(tags), Type: uint16(rest[0])<<8 | uint16(rest[1])}
		copy(want.Tags[:], tags)
		if d := cmp.Diff(want, h); d != "" {
			t.Fatal(d)
		}
		if !bytes.Equal(f[h.Size():], rest[2:]) || !slices.Equal(h.Stack(), tags) {
			t.Fatalf("size %d, stack %v of %x", h.Size(), h.Stack(), f)
		}
	})
}

func TestForeignOuterEthertypeIsNoTag(t *testing.T) {
	for _, sent := range tpids {
		f := build(frame.MAC{2}, frame.MAC{4}, []frame.Tag{{TPID: sent, TCI: 100}, {TPID: frame.CTag, TCI: 7}}, []byte{8, 0})
		for _, asked := range tpids {
			h, err := frame.Parse(f, asked)
			if err != nil {
				t.Fatal(err)
			}
			if want := map[bool]int{true: 2, false: 0}[sent == asked]; h.Depth != want || h.Opaque() == (sent == asked) {
				t.Errorf("sent %#x, asked for %#x: %d tags, opaque %t", sent, asked, h.Depth, h.Opaque())
			}
		}
		if h, err := frame.Parse(f); err != nil || h.Depth != 0 || h.Type != sent {
			t.Errorf("asked for none: %+v, %v", h, err)
		}
	}
}

func TestInnerTagIsCustomerTagOnly(t *testing.T) {
	for _, inner := range tpids {
		f := build(frame.MAC{}, frame.MAC{}, []frame.Tag{{TPID: frame.STag, TCI: 1}, {TPID: inner, TCI: 2}, {TPID: frame.CTag, TCI: 3}}, []byte{8, 0})
		h, err := frame.Parse(f, frame.STag)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{true: 2, false: 1}[inner == frame.CTag]; h.Depth != want || !h.Opaque() {
			t.Errorf("inner %#x: %d tags, opaque %t", inner, h.Depth, h.Opaque())
		}
	}
}

func TestFrameThatEndsInsideATagIsShort(t *testing.T) {
	f := build(frame.MAC{2}, frame.MAC{4}, []frame.Tag{{TPID: frame.STag, TCI: 1}, {TPID: frame.CTag, TCI: 2}}, []byte{8, 0})
	for n := range f {
		_, err := frame.Parse(f[:n:n], frame.STag)
		if !errors.Is(err, frame.ErrShort) {
			t.Errorf("%d octets: %v", n, err)
		}
	}
}

func TestTagsThatAreNotKeptFollowTheOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tags := stack(t)
		f := build(macs().Draw(t, "dst"), macs().Draw(t, "src"), tags, payload(t))
		h, err := frame.Parse(f, tpids...)
		if err != nil {
			t.Fatal(err)
		}
		n := rapid.IntRange(0, frame.MaxTags).Draw(t, "kept")
		whole := h
		h.Keep(n)
		if n >= len(tags) {
			if h != whole {
				t.Fatalf("%+v became %+v", whole, h)
			}
			return
		}
		if !slices.Equal(h.Stack(), tags[:n]) || h.Type != tags[n].TPID || !h.Opaque() || h.Tags[n] != (frame.Tag{}) {
			t.Fatalf("%d of %v kept: %+v", n, tags, h)
		}
	})
}

func TestPushUndoesPop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tags := stack(t)
		f := build(macs().Draw(t, "dst"), macs().Draw(t, "src"), tags, payload(t))
		room := rapid.IntRange(0, 3).Draw(t, "room")
		n := rapid.IntRange(0, len(tags)).Draw(t, "pop")

		buf := append(make([]byte, room), f...)
		popped, err := frame.Pop(buf[room:], n)
		if err != nil {
			t.Fatal(err)
		}
		if want := build(frame.MAC(f[:6]), frame.MAC(f[6:12]), tags[n:], f[12+4*len(tags):]); !bytes.Equal(popped, want) {
			t.Fatalf("popped %x, want %x", popped, want)
		}
		copied, err := frame.Append(nil, f, n)
		if err != nil || !bytes.Equal(copied, popped) {
			t.Fatalf("appended %x, %v, popped %x", copied, err, popped)
		}
		start, err := frame.Push(buf, room+n*frame.TagSize, tags[:n]...)
		if err != nil || start != room || !bytes.Equal(buf[start:], f) {
			t.Fatalf("pushed back %x at %d, %v, want %x", buf[start:], start, err, f)
		}
	})
}

func TestAppendReplacesTheStack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := stack(t), stack(t)
		dst, src, rest := macs().Draw(t, "dst"), macs().Draw(t, "src"), payload(t)
		got, err := frame.Append([]byte("head"), build(dst, src, from, rest), len(from), to...)
		if err != nil {
			t.Fatal(err)
		}
		if want := append([]byte("head"), build(dst, src, to, rest)...); !bytes.Equal(got, want) {
			t.Fatalf("got %x, want %x", got, want)
		}
	})
}

func TestRefusedTagLeavesTheBufferAlone(t *testing.T) {
	buf := build(frame.MAC{2}, frame.MAC{4}, nil, []byte{8, 0, 1, 2, 3, 4})
	was := slices.Clone(buf)
	if start, err := frame.Push(buf, 3, frame.Tag{TPID: frame.CTag}); start != 3 || !errors.Is(err, frame.ErrRoom) {
		t.Errorf("no room: %d, %v", start, err)
	}
	if start, err := frame.Push(buf, 7, frame.Tag{TPID: frame.CTag}); start != 7 || !errors.Is(err, frame.ErrShort) {
		t.Errorf("short: %d, %v", start, err)
	}
	for _, n := range []int{-1, 2, 1 << 40, 1 << 62} {
		if _, err := frame.Pop(buf, n); !errors.Is(err, frame.ErrShort) {
			t.Errorf("pop %d: %v", n, err)
		}
		if got, err := frame.Append(nil, buf, n); !errors.Is(err, frame.ErrShort) || got != nil {
			t.Errorf("append %d: %x, %v", n, got, err)
		}
	}
	if !bytes.Equal(buf, was) {
		t.Errorf("buffer changed to %x", buf)
	}
}

// The rows are what a packet socket reports for frames sent with these tags.
func TestStrippedTagIsRestored(t *testing.T) {
	for _, tt := range []struct {
		name      string
		status    uint32
		tci, tpid uint16
		want      frame.Tag
		stripped  bool
	}{
		{"customer tag", 0x51, 0x000a, 0x8100, frame.Tag{TPID: 0x8100, TCI: 0x000a}, true},
		{"priority tag", 0x51, 0xa000, 0x8100, frame.Tag{TPID: 0x8100, TCI: 0xa000}, true},
		{"null tag", 0x51, 0, 0x8100, frame.Tag{TPID: 0x8100}, true},
		{"service tag", 0x51, 0x000a, 0x88a8, frame.Tag{TPID: 0x88a8, TCI: 0x000a}, true},
		{"kernel that tells no ethertype", 0x11, 0x000a, 0, frame.Tag{TPID: 0x8100, TCI: 0x000a}, true},
		{"0x9100 stays in the frame", 0x01, 0, 0, frame.Tag{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := frame.Stripped(tt.status, tt.tci, tt.tpid)
			if got != tt.want || ok != tt.stripped {
				t.Fatalf("got %+v, %t", got, ok)
			}
			if !ok {
				return
			}
			sent := build(frame.MAC{2}, frame.MAC{4}, []frame.Tag{tt.want, {TPID: frame.CTag, TCI: 9}}, []byte{8, 0})
			buf := append(make([]byte, 4), build(frame.MAC{2}, frame.MAC{4}, []frame.Tag{{TPID: frame.CTag, TCI: 9}}, []byte{8, 0})...)
			start, err := frame.Push(buf, 4, got)
			if err != nil || !bytes.Equal(buf[start:], sent) {
				t.Fatalf("restored %x, %v, want %x", buf[start:], err, sent)
			}
		})
	}
}

func TestPriorityOutlivesTranslation(t *testing.T) {
	from := frame.Tag{TPID: frame.CTag, TCI: 5<<13 | 1<<12 | 100}
	got := from.To(frame.QTag, 4094)
	if got.TPID != frame.QTag || got.VID() != 4094 || got.PCP() != 5 || !got.DEI() {
		t.Errorf("got %+v", got)
	}
}

func TestSixteenGroupAddressesAreReserved(t *testing.T) {
	for i := range 256 {
		a := frame.MAC{0x01, 0x80, 0xc2, 0, 0, byte(i)}
		if a.Reserved() != (i < 16) || !a.Group() {
			t.Errorf("%x: reserved %t, group %t", a, a.Reserved(), a.Group())
		}
	}
	for _, a := range []frame.MAC{{0x01, 0x80, 0xc2, 0, 1, 0}, {0x00, 0x80, 0xc2}, {0x01, 0x00, 0x5e}} {
		if a.Reserved() {
			t.Errorf("%x is reserved", a)
		}
	}
}

func TestSizes(t *testing.T) {
	if got := frame.MaxSize(1500, 2); got != 1522 {
		t.Errorf("largest double tagged frame of MTU 1500: %d octets", got)
	}
	for _, n := range []int{14, 59, 60, 61} {
		if got := frame.Pad(make([]byte, n)); len(got) != max(n, 60) {
			t.Errorf("%d octets padded to %d", n, len(got))
		}
	}
}

// FuzzParse holds for any octets that what is recognised is what the octets say, was asked for, and can be
// taken off and put back.
func FuzzParse(f *testing.F) {
	f.Add(build(frame.MAC{2}, frame.MAC{4}, []frame.Tag{{TPID: frame.STag, TCI: 1}, {TPID: frame.CTag, TCI: 2}}, []byte{8, 0, 1}), byte(7))
	f.Add([]byte{}, byte(0))
	f.Fuzz(func(t *testing.T, in []byte, mask byte) {
		var outer []uint16
		for i, v := range tpids {
			if mask>>i&1 != 0 {
				outer = append(outer, v)
			}
		}
		in = slices.Clip(in)
		h, err := frame.Parse(in, outer...)
		if err != nil {
			if !errors.Is(err, frame.ErrShort) || len(in) >= frame.MaxSize(0, frame.MaxTags) {
				t.Fatalf("%d octets: %v", len(in), err)
			}
			return
		}
		if h.Depth > 0 && !slices.Contains(outer, h.Tags[0].TPID) || h.Depth > 1 && h.Tags[1].TPID != frame.CTag {
			t.Fatalf("%+v was not asked for", h)
		}
		again := build(h.Dst, h.Src, h.Stack(), append([]byte{byte(h.Type >> 8), byte(h.Type)}, in[h.Size():]...))
		if !bytes.Equal(again, in) {
			t.Fatalf("%x read as %+v", in, h)
		}
		buf := slices.Clone(in)
		if _, err := frame.Pop(buf, h.Depth); err != nil {
			t.Fatal(err)
		}
		start, err := frame.Push(buf, h.Depth*frame.TagSize, h.Stack()...)
		if err != nil || start != 0 || !bytes.Equal(buf, in) {
			t.Fatalf("%x came back as %x at %d: %v", in, buf, start, err)
		}
	})
}

func TestRetaggingAllocatesNothing(t *testing.T) {
	buf, retag := retagger()
	if n := testing.AllocsPerRun(100, func() { retag(buf) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRetag64(b *testing.B) {
	buf, retag := retagger()
	b.ReportAllocs()
	for b.Loop() {
		retag(buf)
	}
}

// retagger returns a 64 octet frame in a buffer, and a function that reads its two tags and replaces them.
func retagger() ([]byte, func([]byte)) {
	f := build(frame.MAC{2}, frame.MAC{4}, []frame.Tag{{TPID: frame.STag, TCI: 1}, {TPID: frame.CTag, TCI: 2}}, make([]byte, 44))
	return f, func(buf []byte) {
		h, err := frame.Parse(buf, frame.STag)
		if err != nil {
			return
		}
		if _, err := frame.Pop(buf, h.Depth); err != nil {
			return
		}
		_, _ = frame.Push(buf, h.Depth*frame.TagSize, h.Tags[0].To(frame.STag, 5), h.Tags[1].To(frame.CTag, 6))
	}
}
