package switchcfg

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// VLANID is a VLAN identifier of IEEE 802.1Q-2022 9.6: 1 to 4094 when it names a VLAN, 0 for none.
type VLANID uint16

// Valid reports whether v can be put into a tag: 1 to 4094.
func (v VLANID) Valid() bool { return v >= 1 && v <= 4094 }

// TPID is the tag protocol identifier (outer ethertype) that marks a VLAN tag.
type TPID uint16

// The outer ethertypes that IX-API knows. The inner tag of a double-tagged frame is always [TPIDCustomer].
const (
	TPIDCustomer TPID = 0x8100 // IEEE 802.1Q customer tag
	TPIDService  TPID = 0x88a8 // IEEE 802.1ad service tag
	TPIDStacked  TPID = 0x9100 // pre-standard stacked tag
)

// TPIDs lists the ethertypes a circuit may be matched by.
func TPIDs() []TPID { return []TPID{TPIDCustomer, TPIDService, TPIDStacked} }

// Valid reports whether t is one of [TPIDs].
func (t TPID) Valid() bool { return t == TPIDCustomer || t == TPIDService || t == TPIDStacked }

// String returns the form IX-API uses, "0x88a8".
func (t TPID) String() string {
	switch t {
	case TPIDCustomer:
		return "0x8100"
	case TPIDService:
		return "0x88a8"
	case TPIDStacked:
		return "0x9100"
	}
	return fmt.Sprintf("0x%04x", uint16(t))
}

// ParseTPID reads "0x88a8", "0x88A8" or the decimal form "34984".
func ParseTPID(s string) (TPID, error) {
	n, err := strconv.ParseUint(s, 0, 16)
	if t := TPID(n); err == nil && t.Valid() {
		return t, nil
	}
	return 0, fmt.Errorf("ethertype %q is not one of 0x8100, 0x88a8, 0x9100", s)
}

// MarshalText returns the form of [TPID.String]; it is empty for the zero TPID.
func (t TPID) MarshalText() ([]byte, error) {
	if t == 0 {
		return nil, nil
	}
	return []byte(t.String()), nil
}

// UnmarshalText reads what [ParseTPID] reads, or nothing.
func (t *TPID) UnmarshalText(b []byte) (err error) {
	*t = 0
	if len(b) > 0 {
		*t, err = ParseTPID(string(b))
	}
	return err
}

// MAC is a 48-bit MAC address.
type MAC [6]byte

// ParseMAC reads six octets in hexadecimal, separated by colons or dashes or as three dotted groups.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	var digits [12]byte
	n := 0
	for i := range len(s) {
		if c := s[i]; c != ':' && c != '-' && c != '.' && n < len(digits) {
			digits[n] = c
			n++
		}
	}
	shape := len(s) == 17 && (strings.Count(s, ":") == 5 || strings.Count(s, "-") == 5) || len(s) == 14 && strings.Count(s, ".") == 2
	if _, err := hex.Decode(m[:], digits[:n]); err != nil || n != len(digits) || !shape {
		return MAC{}, fmt.Errorf("%q is not a MAC address", cut(s, 40))
	}
	return m, nil
}

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// Unicast reports whether m can be the source of a frame: the group bit is clear and m is not zero.
func (m MAC) Unicast() bool { return m[0]&1 == 0 && m != MAC{} }

// String returns the colon form in lower case.
func (m MAC) String() string { return string(m.append(nil)) }

func (m MAC) append(b []byte) []byte {
	const digits = "0123456789abcdef"
	for i, o := range m {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, digits[o>>4], digits[o&15])
	}
	return b
}

// MarshalText returns the form of [MAC.String].
func (m MAC) MarshalText() ([]byte, error) { return m.append(nil), nil }

// UnmarshalText reads what [ParseMAC] reads.
func (m *MAC) UnmarshalText(b []byte) (err error) {
	*m, err = ParseMAC(string(b))
	return err
}

// Kbps is a rate in kbit/s (1000 bit/s); 0 is no limit.
type Kbps uint64

// Mbps returns n Mbit/s, the unit of IX-API's capacity.
func Mbps(n int) Kbps { return Kbps(n) * 1000 }

// String returns the rate in the largest unit that keeps it whole: "10 Gbit/s", "1500 Mbit/s".
func (k Kbps) String() string { return string(k.append(nil)) }

func (k Kbps) append(b []byte) []byte {
	n, unit := uint64(k), " kbit/s"
	switch {
	case k == 0:
	case k%1_000_000 == 0:
		n, unit = n/1_000_000, " Gbit/s"
	case k%1000 == 0:
		n, unit = n/1000, " Mbit/s"
	}
	return append(strconv.AppendUint(b, n, 10), unit...)
}
