package host_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/host"
)

// Whatever a network does to a stream, the receiver tells what is missing, came twice, and came late.
func TestReceiverTellsWhatTheNetworkDid(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		// How many copies of each frame arrive, and how many frames later each of them.
		count := rapid.IntRange(1, 60).Draw(rt, "count")
		copies := rapid.SliceOfN(rapid.IntRange(0, 3), count, count).Draw(rt, "copies")
		arrivals := map[int][]int{} // numbers by when they arrive
		for number, n := range copies {
			for range n {
				at := number + rapid.IntRange(0, 10).Draw(rt, "delay")
				arrivals[at] = append(arrivals[at], number)
			}
		}
		var order []int
		for _, at := range slices.Sorted(maps.Keys(arrivals)) {
			order = append(order, arrivals[at]...)
		}
		want := host.Received{}
		seen, highest := map[int]bool{}, -1
		for _, number := range order {
			switch {
			case seen[number]:
				want.Duplicated++
				continue
			case number < highest:
				want.Reordered++
			}
			seen[number] = true
			highest = max(highest, number)
			want.Received++
		}
		want.Lost = uint64(highest + 1 - len(seen))

		synctest.Test(t, func(t *testing.T) {
			x, y, xw, _ := pair(t, "lan=untagged", "lan=untagged")
			var all [][]byte
			xw.set(false, func(f []byte) [][]byte {
				if all = append(all, f); len(all) < count {
					return nil
				}
				var arrive [][]byte
				for _, number := range order {
					arrive = append(arrive, all[number])
				}
				return arrive
			})
			s := send(t, x, host.Send{Count: count, Rate: 1e6})
			synctest.Wait()
			got := y.Received(s.Stream)
			if d := cmp.Diff(want, got, cmpopts.IgnoreFields(host.Received{}, "Stream", "First", "Last", "MinDelay", "MaxDelay", "Variants")); d != "" {
				t.Error(d)
			}
		})
	})
}

func TestStreamArrivesAsItWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y, _, _ := pair(t, "lan=0x88a8:100,mac=02:00:00:00:00:aa", "other=untagged")
		for _, text := range append(tagStacks(), "0x9100:1/0x9200:2/0x8100:3/0x88a8:4/0x8100:5/0x8100:6/0x8100:7/0xffff:4095:7:dei") {
			var tags host.Stack
			if err := tags.UnmarshalText([]byte(text)); err != nil {
				t.Fatal(err)
			}
			src := host.MAC{2, 0, 0, 0, 0, 0xbb}
			s := send(t, x, host.Send{Count: 3, Rate: 100, Tags: &tags, Src: &src, Dst: host.MAC{2, 1, 1, 1, 1, 1}, Size: 1522})
			synctest.Wait()
			want := []host.Variant{{Dst: host.MAC{2, 1, 1, 1, 1, 1}, Src: src, Tags: slices.Clip(append(host.Stack{}, tags...)), Frames: 3}}
			if got := y.Received(s.Stream); got.Received != 3 || s.Size != 1522 || cmp.Diff(want, got.Variants) != "" {
				t.Errorf("%s: %+v", text, got)
			}
		}
		s := send(t, x, host.Send{Count: 1, Rate: 1})
		synctest.Wait()
		got := y.Received(s.Stream)
		if s.Size != 64 || fmt.Sprint(got.Variants) != "[{ff:ff:ff:ff:ff:ff 02:00:00:00:00:aa 0x88a8:100 1}]" {
			t.Errorf("from the attachment: %+v %v", s, got.Variants)
		}
	})
}

func TestSendKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y, xw, _ := pair(t, "lan=untagged", "lan=untagged")
		for _, rate := range []float64{2, 100, 2500, 100_000} {
			synctest.Wait()
			xw.frames()
			began := time.Now()
			s := send(t, x, host.Send{Count: int(2*rate) + 1, Rate: rate})
			if took := time.Since(began); took < 1999*time.Millisecond || took > 2001*time.Millisecond || s.Took != took {
				t.Errorf("at %v a second the frames of two seconds take %v", rate, took)
			}
			synctest.Wait()
			if r := y.Received(s.Stream); r.Received != uint64(s.Sent) || r.Last.Sub(r.First) < 1999*time.Millisecond {
				t.Errorf("%+v, %+v", s, r)
			}
		}
	})
}

func TestSendThatMakesNoSenseIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, _, _, _ := pair(t, "lan=untagged,ip=192.0.2.1/24", "lan=untagged")
		deep := make(host.Stack, host.MaxDepth+1)
		for want, s := range map[string]host.Send{
			"0 frames":               {Kind: host.Stream, Rate: 1},
			"0 frames a second":      {Kind: host.Stream, Count: 1},
			"no attachment wan":      {Kind: host.Stream, Count: 1, Rate: 1, At: "wan"},
			"no port eth9":           {Kind: host.Stream, Count: 1, Rate: 1, Port: "eth9"},
			"51 octets: want 52 to":  {Kind: host.Stream, Count: 1, Rate: 1, Size: 51},
			"9601 octets":            {Kind: host.Stream, Count: 1, Rate: 1, Size: 9601},
			"9 tags, at most 8":      {Kind: host.Stream, Count: 1, Rate: 1, Tags: &deep},
			`"pigeon" is no kind`:    {Kind: "pigeon", Count: 1, Rate: 1},
			"a frame of 3 octets":    {Kind: host.Raw, Count: 1, Rate: 1, Frame: []byte{1, 2, 3}},
			"does not answer ARP in": {Kind: host.Stream, Count: 1, Rate: 1, To: asks("192.0.2.9").Addr},
		} {
			if r, err := x.Send(t.Context(), s); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %+v %v", want, r, err)
			}
		}
	})
}

func TestFramesThatMembersShouldNotSendAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y, xw, _ := pair(t, "lan=untagged", "lan=untagged")
		send(t, x, host.Send{Kind: host.LACP, Port: "eth1", Count: 2, Rate: 10})
		synctest.Wait()
		if c := y.State().Links[0].PDUs; c.In != 2 || c.InErrors != 0 {
			t.Errorf("%+v", c)
		}
		xw.frames()
		send(t, x, host.Send{Kind: host.BPDU, At: "lan", Count: 1, Rate: 10})
		raw, err := host.ParseFrame("02:00:00:00:00:02 02:00:00:00:00:01 88cc 00 00")
		if err != nil {
			t.Fatal(err)
		}
		send(t, x, host.Send{Kind: host.Raw, Frame: raw, Count: 1, Rate: 10})
		want := []string{
			"0180c2000000" + "020000000001" + "0026" + "424203" + "0000" + "00" + "00" + "00" + "0000020000000001" + "00000000" + "0000020000000001" + "8001" +
				"0000" + "1400" + "0200" + "0f00" + strings.Repeat("00", 8),
			"020000000002" + "020000000001" + "88cc" + "0000",
		}
		if d := cmp.Diff(want, xw.frames()); d != "" {
			t.Error(d)
		}
	})
}

func TestDamagedFramesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y, xw, _ := pair(t, "lan=untagged", "lan=untagged")
		i := 0
		xw.set(false, func(f []byte) [][]byte {
			f = slices.Clone(f)
			switch i++; {
			case i <= len(f)-36: // every octet behind the number of the stream and what is before it
				f[35+i] ^= 0x10
			case i == len(f)-35:
				f = f[:60]
			case i == len(f)-34:
				f = append(f, 0, 0, 0) // padding is no damage
			}
			return [][]byte{f}
		})
		s := send(t, x, host.Send{Count: 30, Rate: 1000, Size: 64})
		synctest.Wait()
		if r := y.Received(s.Stream); r.Damaged != 29 || r.Received != 1 {
			t.Errorf("%+v", r)
		}
	})
}

func TestStreamsAreKeptInBoundedMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y, _, _ := pair(t, "lan=untagged", "lan=untagged")
		first := send(t, x, host.Send{Count: 1, Rate: 1000})
		for i := range 400 {
			time.Sleep(time.Millisecond)
			send(t, x, host.Send{Count: 1, Rate: 1000, Stream: host.StreamID(i + 1)})
		}
		for i := range 40 {
			src := host.MAC{2, 9, 9, 9, 9, byte(i)}
			send(t, x, host.Send{Count: 1, Rate: 1000, Stream: 400, Src: &src})
		}
		synctest.Wait()
		all := y.Streams()
		if len(all) != 256 || all[255].Stream != 400 || y.Received(first.Stream).Received != 0 {
			t.Errorf("%d streams", len(all))
		}
		if r := y.Received(400); len(r.Variants) != 16 || r.Others != 25 || r.Duplicated != 40 {
			t.Errorf("%+v", r)
		}
		y.Forget()
		if len(y.Streams()) != 0 {
			t.Error("streams are remembered")
		}
	})
}

// A jump to a number that no sender reaches leaves the counts as they are.
func TestNumbersThatNobodySendsAreDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y, xw, _ := pair(t, "lan=untagged", "lan=untagged")
		numbers := []uint64{0, 1<<64 - 1, 1 << 63, 1 << 62, 1<<62 - 200_000, 1<<62 - 1, 1<<62 - 1}
		i := 0
		xw.set(false, func([]byte) [][]byte { i++; return [][]byte{sealed(numbers[i-1])} })
		send(t, x, host.Send{Count: len(numbers), Rate: 1000})
		synctest.Wait()
		r := y.Received(7)
		if r.Received != 3 || r.Damaged != 2 || r.Late != 1 || r.Reordered != 1 || r.Duplicated != 1 || r.Lost != 1<<62+1-3 {
			t.Errorf("%+v", r)
		}
	})
}

// sealed returns an untagged frame of stream 7.
func sealed(number uint64) []byte {
	f := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5}, "ixlab\x00st"...)
	f = binary.BigEndian.AppendUint64(f, 7)
	f = binary.BigEndian.AppendUint64(f, number)
	f = binary.BigEndian.AppendUint64(f, 0)
	f = binary.BigEndian.AppendUint16(f, 38)
	return binary.BigEndian.AppendUint32(f, host.Seal(append(slices.Clone(f[14:]), 0, 0, 0, 0)))
}

func FuzzReceive(f *testing.F) {
	golden := []string{
		"ffffffffffff 020000000009 0806 0001080006040001 020000000009 c0000209 000000000000 c0000201",
		"020000000001 020000000009 0800 4500001e000000004001f6d4c0000209c0000201 0800e38512345678abcd",
		"3333ff000001 020000000009 86dd 6000000000203aff20010db8000000000000000000000009ff0200000000000000000001ff000001 87001c190000000020010db80000000000000000000000010101020000000009",
		"0180c2000002 020000000009 8809 0101",
		"ffffffffffff 020000000009 88a80064 81000007 0806 0001080006040001 020000000009 c0000209 000000000000 c0000201",
	}
	for _, g := range golden {
		frame, err := host.ParseFrame(g)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame)
	}
	f.Add(sealed(3))
	o := options(1, lacp.Static)
	w, _ := cables()
	h := start(f, o, []*cable{w}, "lan=untagged,ip=192.0.2.1/24,ip=2001:db8::1/64", "q=0x88a8:100/0x8100:7,ip=192.0.2.1/24")
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) > 9600 {
			return
		}
		h.Take("eth1", frame)
		w.frames()
		before := h.Received(7)
		h.Take("eth1", sealed(1))
		after := h.Received(7)
		if after.Received+after.Duplicated+after.Late != before.Received+before.Duplicated+before.Late+1 {
			t.Error("a frame of a stream is not counted any more")
		}
		if s := h.State(); len(s.Attachments[0].Neighbours) > 4096 || s.Streams > 256 {
			t.Errorf("%+v", s)
		}
	})
}

func FuzzParseAttachment(f *testing.F) {
	for _, text := range []string{
		"lan=untagged", "lan=0x88a8:100/0x8100:7:5:dei,mac=02:00:5e:10:00:01,ip=192.0.2.1/24,ip=2001:db8::1/64", "a=0x8100:1,mac=", "=,ip=0/0",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := host.ParseAttachment(text)
		if err != nil {
			return
		}
		b, err := host.ParseAttachment(a.String())
		if err != nil || a.String() != b.String() {
			t.Fatalf("%q is read as %s, and that as %s (%v)", text, a, b, err)
		}
	})
}

func TestFaultsOfAnAttachmentAreNamed(t *testing.T) {
	for text, wants := range map[string][]string{
		"lan":                                 {"is not a name"},
		"a b=untagged,ip=192.0.2.1,mac=02:00": {"192.0.2.1\" is no address with its prefix length", "\"02:00\" is no MAC"},
		"lan=":                                {`tag ""`},
		"lan=0x8100:4096":                     {"no VLAN from 0 to 4095"},
		"lan=100:1":                           {`"100" is no ethertype`},
		"lan=0x8100:1:8":                      {"no priority"},
		"lan=0x8100:1:7:die":                  {"is not ETHERTYPE:VLAN"},
		"lan=untagged,vlan=7":                 {`"vlan=7" is neither`},
		"lan=untagged,mac=01:00:00:00:00:01":  {"group address"},
		"lan=untagged,mac=02:00:00:00:00:01,mac=02:00:00:00:00:01":    {"more than one mac="},
		"lan=untagged,ip=192.0.2.1/24,ip=192.0.2.1/25,ip=224.0.0.1/4": {"192.0.2.1 is given twice", "224.0.0.1/4 is no address of a station"},
		"l/n=untagged": {"a name has 1 to 32"},
		"lan=" + strings.Repeat("0x8100:1/", 8) + "0x8100:1": {"9 tags"},
	} {
		_, err := host.ParseAttachment(text)
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", text, err, want)
			}
		}
	}
}

func BenchmarkReceive(b *testing.B) {
	w, _ := cables()
	h := start(b, options(1, lacp.Static), []*cable{w}, "lan=untagged")
	// The baseline is what taking a frame costs that nobody wants.
	for name, f := range map[string][]byte{"stream": sealed(1), "nobody's": make([]byte, 64)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.Take("eth1", f)
			}
		})
	}
}
