package dataplane

import (
	"bytes"
	"testing"
)

// FuzzParseHeader holds for any octets that a header says what the octets say, and is written as it was read.
func FuzzParseHeader(f *testing.F) {
	f.Add(header{vni: 5, group: groupLeaf}.append(nil))
	f.Add([]byte{0x08, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, rest, err := parseHeader(b)
		if err != nil {
			if len(b) >= headerSize && b[0]&flagVNI != 0 {
				t.Fatalf("%x: %v", b, err)
			}
			return
		}
		if !bytes.Equal(rest, b[headerSize:]) || h.vni > maxVNI {
			t.Fatalf("%x read as %+v, %x", b, h, rest)
		}
		again, _, err := parseHeader(h.append(nil))
		if err != nil || again != h {
			t.Fatalf("%+v came back as %+v: %v", h, again, err)
		}
	})
}
