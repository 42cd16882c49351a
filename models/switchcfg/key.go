package switchcfg

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Kind is the sort of an [Object]. Kinds are numbered in dependency order: an object refers only to
// objects of lower kinds.
type Kind uint8

// The kinds.
const (
	KindPolicer Kind = iota + 1
	KindFilter
	KindService
	KindInterface
	KindLAG
	KindCircuit
)

var kindNames = [...]string{KindPolicer: "policer", KindFilter: "filter", KindService: "service", KindInterface: "interface", KindLAG: "lag", KindCircuit: "circuit"}

// String returns the lower-case word for k.
func (k Kind) String() string {
	if int(k) < len(kindNames) && k > 0 {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Key names one object of a switch. Unit is the subinterface number of a circuit and 0 for other kinds.
type Key struct {
	Kind Kind
	Name string
	Unit uint32
}

// String returns "lag lag10" or, for a circuit, "circuit lag10.100".
func (k Key) String() string { return string(k.append(nil)) }

func (k Key) append(b []byte) []byte {
	b = append(append(append(b, k.Kind.String()...), ' '), k.Name...)
	if k.Kind == KindCircuit {
		b = strconv.AppendUint(append(b, '.'), uint64(k.Unit), 10)
	}
	return b
}

// CircuitName returns the customary name of a circuit, "lag10.100".
func CircuitName(parent string, unit uint32) string {
	return parent + "." + strconv.FormatUint(uint64(unit), 10)
}

// ParseKey reads the form of [Key.String].
func ParseKey(s string) (Key, error) {
	kind, name, ok := strings.Cut(s, " ")
	if !ok || name == "" {
		return Key{}, fmt.Errorf("%q is not a key: want KIND NAME", s)
	}
	for k := KindPolicer; k <= KindCircuit; k++ {
		if kindNames[k] != kind {
			continue
		}
		if k != KindCircuit {
			return Key{Kind: k, Name: name}, nil
		}
		if i := strings.LastIndexByte(name, '.'); i > 0 {
			if n, err := strconv.ParseUint(name[i+1:], 10, 32); err == nil {
				return Key{Kind: k, Name: name[:i], Unit: uint32(n)}, nil
			}
		}
		return Key{}, fmt.Errorf("%q is not a key: want circuit PARENT.UNIT", s)
	}
	return Key{}, fmt.Errorf("%q is not a key: unknown kind %q", s, kind)
}

// MarshalText returns the form of [Key.String].
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what [ParseKey] reads.
func (k *Key) UnmarshalText(b []byte) (err error) {
	*k, err = ParseKey(string(b))
	return err
}

// Compare orders keys by kind, then by name as a person counts (Ethernet2 before Ethernet10), then by unit.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Kind, o.Kind), CompareNames(k.Name, o.Name), cmp.Compare(k.Unit, o.Unit))
}

// CompareNames orders device names as a person counts: runs of digits compare as numbers.
func CompareNames(a, b string) int {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		if !digit(a[i]) || !digit(b[j]) {
			if a[i] != b[j] {
				return cmp.Compare(a[i], b[j])
			}
			i, j = i+1, j+1
			continue
		}
		m, n := run(a, i), run(b, j)
		x, y := strings.TrimLeft(a[i:m], "0"), strings.TrimLeft(b[j:n], "0")
		if c := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); c != 0 {
			return c
		}
		i, j = m, n
	}
	return cmp.Or(cmp.Compare(len(a)-i, len(b)-j), strings.Compare(a, b))
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func run(s string, i int) int {
	for i < len(s) && digit(s[i]) {
		i++
	}
	return i
}
