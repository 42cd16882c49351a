package switchcfg

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// State is what one switch carries, or should carry. The objects in it are immutable.
type State map[Key]Object

// Put adds objects under their keys, bringing each into canonical order first.
func (s State) Put(objects ...Object) {
	for _, o := range objects {
		canonical(o)
		s[o.Key()] = o
	}
}

// Keys returns the keys in dependency order: what is referred to stands before what refers to it.
func (s State) Keys() []Key { return slices.SortedFunc(maps.Keys(s), Key.Compare) }

// Parent returns the interface or LAG of that name.
func (s State) Parent(name string) (Object, bool) {
	if o, ok := s[Key{Kind: KindLAG, Name: name}]; ok {
		return o, true
	}
	o, ok := s[Key{Kind: KindInterface, Name: name}]
	return o, ok
}

// Equal reports whether two states hold equal objects.
func (s State) Equal(t State) bool { return maps.EqualFunc(s, t, Equal) }

// AppendText appends the canonical text of all objects in dependency order.
func (s State) AppendText(b []byte) []byte {
	for _, k := range s.Keys() {
		b = AppendText(b, s[k])
	}
	return b
}

// Digest returns the [Sum] of s in hexadecimal.
func (s State) Digest() string { return s.Sum().String() }

// Sum returns the sum of all objects.
func (s State) Sum() Sum {
	var sum Sum
	var b []byte
	for _, o := range s {
		b = AppendText(b[:0], o)
		sum.add(sha256.Sum256(b))
	}
	return sum
}

// Sum identifies a state: it is the sum, modulo 2^256, of the SHA-256 of the canonical text of each object. Unlike
// a hash of the whole it needs no order, and that of a changed state follows from the change. It tells states
// apart that differ by chance or by anybody's configuration; it does not withstand somebody who may choose both
// states to be alike. The zero Sum is that of the empty state.
type Sum [4]uint64 // least significant first

// Add adds o to the state.
func (s *Sum) Add(o Object) { s.add(sha256.Sum256(AppendText(nil, o))) }

// Remove takes o from the state.
func (s *Sum) Remove(o Object) {
	h := sha256.Sum256(AppendText(nil, o))
	var borrow uint64
	for i := range s {
		s[i], borrow = bits.Sub64(s[i], binary.LittleEndian.Uint64(h[8*i:]), borrow)
	}
}

func (s *Sum) add(h [sha256.Size]byte) {
	var carry uint64
	for i := range s {
		s[i], carry = bits.Add64(s[i], binary.LittleEndian.Uint64(h[8*i:]), carry)
	}
}

// String returns 64 hexadecimal digits.
func (s Sum) String() string { return fmt.Sprintf("%016x%016x%016x%016x", s[3], s[2], s[1], s[0]) }

// MarshalJSON returns an array of objects in dependency order, each in the form of [Any].
func (s State) MarshalJSON() ([]byte, error) {
	all := make([]Any, 0, len(s))
	for _, k := range s.Keys() {
		all = append(all, Any{s[k]})
	}
	return json.Marshal(all)
}

// UnmarshalJSON reads the form of [State.MarshalJSON]; two objects of one key are an error.
func (s *State) UnmarshalJSON(b []byte) error {
	var all []Any
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	*s = make(State, len(all))
	for _, a := range all {
		if _, dup := (*s)[a.Key()]; dup {
			return fmt.Errorf("%s: twice in one state", a.Key())
		}
		s.Put(a.Object)
	}
	return nil
}

// Any is an Object in JSON: {"circuit": {...}}, the one member named after the kind, or "opaque".
type Any struct{ Object }

type union struct {
	Policer   *Policer   `json:"policer,omitempty"`
	Filter    *Filter    `json:"filter,omitempty"`
	Service   *Service   `json:"service,omitempty"`
	Interface *Interface `json:"interface,omitempty"`
	LAG       *LAG       `json:"lag,omitempty"`
	Circuit   *Circuit   `json:"circuit,omitempty"`
	Opaque    *Opaque    `json:"opaque,omitempty"`
}

// MarshalJSON implements [json.Marshaler]; no object is null.
func (a Any) MarshalJSON() ([]byte, error) {
	var u union
	switch o := a.Object.(type) {
	case nil:
		return []byte("null"), nil
	case *Policer:
		u.Policer = o
	case *Filter:
		u.Filter = o
	case *Service:
		u.Service = o
	case *Interface:
		u.Interface = o
	case *LAG:
		u.LAG = o
	case *Circuit:
		u.Circuit = o
	case *Opaque:
		u.Opaque = o
	}
	return json.Marshal(u)
}

// UnmarshalJSON implements [json.Unmarshaler]. Exactly one member must be present, and no unknown field.
func (a *Any) UnmarshalJSON(b []byte) error {
	a.Object = nil
	if bytes.Equal(bytes.TrimSpace(b), []byte("null")) {
		return nil
	}
	var u union
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&u); err != nil {
		return err
	}
	n := 0
	set := func(o Object, present bool) {
		if present {
			a.Object, n = o, n+1
		}
	}
	set(u.Policer, u.Policer != nil)
	set(u.Filter, u.Filter != nil)
	set(u.Service, u.Service != nil)
	set(u.Interface, u.Interface != nil)
	set(u.LAG, u.LAG != nil)
	set(u.Circuit, u.Circuit != nil)
	set(u.Opaque, u.Opaque != nil)
	if n != 1 {
		return fmt.Errorf("an object has one member named after its kind, found %d", n)
	}
	canonical(a.Object)
	return nil
}

// MarshalText returns the form of [Match.String].
func (m Match) MarshalText() ([]byte, error) { return m.append(nil), nil }

// UnmarshalText reads the form of [Match.String].
func (m *Match) UnmarshalText(b []byte) error {
	bad := fmt.Errorf("%q is not a match: want untagged, port, dot1q TPID VLAN, qinq TPID OUTER.INNER or qinq TPID OUTER.*", cut(string(b), 60))
	form, rest, _ := strings.Cut(string(b), " ")
	ethertype, tags, _ := strings.Cut(rest, " ")
	outer, inner, double := strings.Cut(tags, ".")
	var found Match
	switch form {
	case "untagged":
	case "port":
		found = MatchWhole()
	default:
		t, err := ParseTPID(ethertype)
		if err != nil {
			return errors.Join(bad, err)
		}
		o, err := strconv.ParseUint(outer, 10, 16)
		if err != nil {
			return bad
		}
		found = MatchSingle(t, VLANID(o))
		switch {
		case inner == "*":
			found = MatchStacked(t, VLANID(o))
		case double:
			i, err := strconv.ParseUint(inner, 10, 16)
			if err != nil {
				return bad
			}
			found = MatchDouble(t, VLANID(o), VLANID(i))
		}
	}
	if found.String() != string(b) {
		return bad // another form than the canonical one
	}
	*m = found
	return nil
}
