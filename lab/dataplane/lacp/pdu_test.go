package lacp_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/lab/dataplane/lacp"
)

// golden is a LACPDU written out by hand from the figure in IEEE 802.1AX-2020 6.4.2.3.
const golden = `
	01 01
	01 14 8000 020000000001 000a 0040 0007 3d 000000
	02 14 7fff 020000000002 1234 00ff 0102 c7 000000
	03 10 0032 000000000000000000000000
	00 00
	0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
`

func octets(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func goldenPDU() lacp.LACPDU {
	return lacp.LACPDU{
		Version: 1,
		Actor: lacp.Info{
			System: lacp.System{Priority: 0x8000, ID: [6]byte{2, 0, 0, 0, 0, 1}}, Key: 10, PortPriority: 64, Port: 7,
			State: lacp.Activity | lacp.Aggregation | lacp.Synchronization | lacp.Collecting | lacp.Distributing,
		},
		Partner: lacp.Info{
			System: lacp.System{Priority: 0x7fff, ID: [6]byte{2, 0, 0, 0, 0, 2}}, Key: 0x1234, PortPriority: 255, Port: 258,
			State: lacp.Activity | lacp.Timeout | lacp.Aggregation | lacp.Defaulted | lacp.Expired,
		},
		MaxDelay: 50,
	}
}

func TestLACPDUHasTheLayoutOfTheFigure(t *testing.T) {
	want := octets(t, golden)
	if len(want) != lacp.PDUSize {
		t.Fatalf("golden PDU of %d octets", len(want))
	}
	if d := cmp.Diff(want, goldenPDU().Append(nil)); d != "" {
		t.Error(d)
	}
	got, err := lacp.ParseLACPDU(want)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(goldenPDU(), got); d != "" {
		t.Error(d)
	}
}

func TestFrameGoesToTheSlowProtocolsAddress(t *testing.T) {
	got := lacp.AppendFrame(nil, [6]byte{2, 0, 0, 0, 0, 9}, octets(t, golden))
	if want := octets(t, "0180c2000002 020000000009 8809 0101"); !bytes.HasPrefix(got, want) || len(got) != 124 {
		t.Errorf("%d octets, % x", len(got), got[:len(want)])
	}
}

func TestLaterVersionIsReadForItsCommonFields(t *testing.T) {
	b := octets(t, golden)
	b[1] = 2                                       // version
	b[2], b[22] = 0xa1, 0xa2                       // types
	b[19], b[39], b[46] = 1, 2, 3                  // reserved
	copy(b[58:], octets(t, "04 06 01020304 0000")) // a TLV of version 2 in place of the terminator
	want := goldenPDU()
	want.Version = 2
	got, err := lacp.ParseLACPDU(append(b, 0xff))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestMalformedLACPDUIsRefused(t *testing.T) {
	good := octets(t, golden)
	for name, b := range map[string][]byte{
		"empty":          nil,
		"one octet less": good[:lacp.PDUSize-1],
		"marker":         with(good, 0, 2),
		"actor length":   with(good, 3, 19),
		"partner length": with(good, 23, 21),
	} {
		if _, err := lacp.ParseLACPDU(b); !errors.Is(err, lacp.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func with(b []byte, at int, v byte) []byte {
	b = slices.Clone(b)
	b[at] = v
	return b
}

func TestStateNamesItsFlags(t *testing.T) {
	for state, want := range map[lacp.State]string{
		0:    "",
		0x3d: "activity,aggregation,synchronization,collecting,distributing",
		0xc2: "timeout,defaulted,expired",
	} {
		if got := state.String(); got != want {
			t.Errorf("%#x: %q", uint8(state), got)
		}
	}
}

func infos() *rapid.Generator[lacp.Info] {
	return rapid.Custom(func(t *rapid.T) lacp.Info {
		return lacp.Info{
			System: lacp.System{
				Priority: rapid.Uint16().Draw(t, "system priority"),
				ID:       [6]byte(rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "system")),
			},
			Key:          rapid.Uint16().Draw(t, "key"),
			PortPriority: rapid.Uint16().Draw(t, "port priority"),
			Port:         rapid.Uint16().Draw(t, "port"),
			State:        lacp.State(rapid.Byte().Draw(t, "state")),
		}
	})
}

func TestParseReadsWhatAppendWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := lacp.LACPDU{
			Version: 1, Actor: infos().Draw(t, "actor"), Partner: infos().Draw(t, "partner"),
			MaxDelay: rapid.Uint16().Draw(t, "delay"),
		}
		got, err := lacp.ParseLACPDU(want.Append(nil))
		if err != nil || got != want {
			t.Fatalf("got %+v, %v, want %+v", got, err, want)
		}
	})
}

// FuzzParseLACPDU holds that whatever is read means the same when it is written and read again, and that
// writing it restores the octets but for those that no receiver looks at.
func FuzzParseLACPDU(f *testing.F) {
	f.Add(octets(f, golden))
	f.Add([]byte{1, 1, 1, 20})
	f.Fuzz(func(t *testing.T, in []byte) {
		p, err := lacp.ParseLACPDU(slices.Clip(in))
		if err != nil {
			if !errors.Is(err, lacp.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		out := p.Append(nil)
		again, err := lacp.ParseLACPDU(out)
		p.Version = 1
		if err != nil || again != p {
			t.Fatalf("%+v became %+v: %v", p, again, err)
		}
		for _, field := range [][2]int{{0, 1}, {3, 19}, {23, 39}, {44, 46}} {
			if a, b := in[field[0]:field[1]], out[field[0]:field[1]]; !bytes.Equal(a, b) {
				t.Fatalf("octets %v: % x became % x", field, a, b)
			}
		}
	})
}
