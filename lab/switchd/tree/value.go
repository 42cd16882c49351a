package tree

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/openconfig/goyang/pkg/yang"

	"github.com/ixagent/ixagent/models/oc"
)

// valueType checks values of a leaf and writes them in one canonical form: the
// JSON text of RFC 7951.
type valueType struct {
	kind     yang.TypeKind
	min, max []int64 // signed ranges
	umin     []uint64
	umax     []uint64 // unsigned ranges
	lmin     []uint64
	lmax     []uint64 // string lengths in characters
	patterns []*pattern
	names    map[string]string // enumeration, identityref: accepted name -> canonical JSON text
	plain    map[string]string // identityref: plain name -> canonical JSON text
	union    []*valueType
	target   *valueType // leafref: type of what it names
}

type pattern struct {
	text string
	re   *regexp.Regexp
}

func (c *compiler) valueType(n *schemaNode, t *yang.YangType) (*valueType, error) {
	v := &valueType{kind: t.Kind}
	switch t.Kind {
	case yang.Ystring:
		for _, r := range t.Length {
			v.lmin, v.lmax = append(v.lmin, r.Min.Value), append(v.lmax, r.Max.Value)
		}
		texts := t.POSIXPattern
		if len(texts) == 0 {
			for _, p := range t.Pattern {
				texts = append(texts, "^(?:"+p+")$")
			}
		}
		for _, text := range texts {
			p := c.patterns[text]
			if p == nil {
				re, err := regexp.Compile(text)
				if err != nil {
					return nil, fmt.Errorf("schema: %s: %w", n.path, err)
				}
				p = &pattern{text, re}
				c.patterns[text] = p
			}
			v.patterns = append(v.patterns, p)
		}
	case yang.Yint8, yang.Yint16, yang.Yint32, yang.Yint64:
		for _, r := range t.Range {
			lo, err := r.Min.Int()
			if err != nil {
				return nil, fmt.Errorf("schema: %s: %w", n.path, err)
			}
			hi, err := r.Max.Int()
			if err != nil {
				return nil, fmt.Errorf("schema: %s: %w", n.path, err)
			}
			v.min, v.max = append(v.min, lo), append(v.max, hi)
		}
	case yang.Yuint8, yang.Yuint16, yang.Yuint32, yang.Yuint64:
		for _, r := range t.Range {
			v.umin, v.umax = append(v.umin, r.Min.Value), append(v.umax, r.Max.Value)
		}
	case yang.Ybool, yang.Ydecimal64, yang.Ybinary, yang.Yempty:
	case yang.Yenum:
		v.names = make(map[string]string)
		for name := range t.Enum.NameMap() {
			v.names[name] = strconv.Quote(name)
		}
	case yang.Yidentityref:
		v.names, v.plain = make(map[string]string), make(map[string]string)
		modules := oc.Identities(n.path)
		for _, id := range t.IdentityBase.Values {
			module := modules[id.Name]
			if module == "" {
				return nil, fmt.Errorf("schema: %s: module of identity %s is unknown", n.path, id.Name)
			}
			text := strconv.Quote(module + ":" + id.Name)
			v.names[module+":"+id.Name], v.plain[id.Name] = text, text
			if module == n.module {
				v.names[id.Name] = text
			}
		}
	case yang.Yunion:
		for _, m := range t.Type {
			mt, err := c.valueType(n, m)
			if err != nil {
				return nil, err
			}
			v.union = append(v.union, mt)
		}
	case yang.Yleafref:
		c.leafrefs = append(c.leafrefs, leafref{n, v, t.Path})
	default:
		return nil, fmt.Errorf("schema: %s: unsupported type %s", n.path, t.Kind)
	}
	return v, nil
}

func (v *valueType) integer() bool {
	switch v.kind {
	case yang.Yint8, yang.Yint16, yang.Yint32, yang.Yint64, yang.Yuint8, yang.Yuint16, yang.Yuint32, yang.Yuint64:
		return true
	case yang.Yleafref:
		return v.target != nil && v.target.integer()
	}
	return false
}

// strictness is how literally a value must follow RFC 7951.
type strictness uint8

const (
	fromJSON  strictness = iota
	fromTyped            // gNMI scalars: 64-bit integers are numbers, identities need no module
	fromKey              // gNMI path keys: everything is text
)

// scalar is a value as it came: one of string, number, bool or array.
type scalar struct {
	text   string
	number bool
	truth  bool // text is "true" or "false"
}

func (s scalar) String() string {
	if s.number || s.truth {
		return s.text
	}
	return strconv.Quote(s.text)
}

// canonical returns the canonical JSON text of a value, or why it is not one
// of this type.
func (v *valueType) canonical(s scalar, how strictness) (string, error) {
	switch v.kind {
	case yang.Yleafref:
		return v.target.canonical(s, how)
	case yang.Yunion:
		for _, m := range v.union {
			if text, err := m.canonical(s, how); err == nil {
				return text, nil
			}
		}
		return "", errors.New("is of no member type of the union")
	case yang.Ybool:
		if s.truth || how == fromKey && (s.text == "true" || s.text == "false") {
			return s.text, nil
		}
		return "", errors.New("is not a boolean")
	case yang.Yint8, yang.Yint16, yang.Yint32, yang.Yint64, yang.Yuint8, yang.Yuint16, yang.Yuint32, yang.Yuint64:
		return v.canonicalInt(s, how)
	case yang.Ydecimal64:
		if s.truth || s.number == (how == fromJSON) {
			return "", errors.New("is not a decimal")
		}
		if _, err := strconv.ParseFloat(s.text, 64); err != nil {
			return "", errors.New("is not a decimal")
		}
		return strconv.Quote(s.text), nil
	}
	if s.number || s.truth {
		return "", errors.New("is not a string")
	}
	switch v.kind {
	case yang.Yenum, yang.Yidentityref:
		if text, ok := v.names[s.text]; ok {
			return text, nil
		}
		text, ok := v.plain[s.text]
		switch {
		case ok && how != fromJSON:
			return text, nil
		case ok:
			return "", fmt.Errorf("needs the prefix of its module (%s)", text)
		case v.kind == yang.Yenum:
			return "", errors.New("is not a name of the enumeration")
		}
		return "", errors.New("is not a known identity")
	case yang.Ystring:
		if err := v.checkString(s.text); err != nil {
			return "", err
		}
		return quote(s.text), nil
	}
	return "", fmt.Errorf("has a type that is not supported (%s)", v.kind)
}

func (v *valueType) canonicalInt(s scalar, how strictness) (string, error) {
	wide := v.kind == yang.Yint64 || v.kind == yang.Yuint64
	if s.truth || how == fromJSON && s.number == wide || how == fromTyped && !s.number {
		if wide && s.number {
			return "", errors.New("is a 64-bit integer and must be a string")
		}
		return "", errors.New("is not an integer")
	}
	var text string
	ok := false
	if v.kind >= yang.Yint8 && v.kind <= yang.Yint64 {
		x, err := strconv.ParseInt(s.text, 10, 64)
		if err != nil {
			return "", errors.New("is not an integer of its type")
		}
		for i := range v.min {
			ok = ok || v.min[i] <= x && x <= v.max[i]
		}
		text = strconv.FormatInt(x, 10)
	} else {
		x, err := strconv.ParseUint(s.text, 10, 64)
		if err != nil {
			return "", errors.New("is not an unsigned integer of its type")
		}
		for i := range v.umin {
			ok = ok || v.umin[i] <= x && x <= v.umax[i]
		}
		if text = s.text; len(text) > 1 && text[0] == '0' {
			text = strconv.FormatUint(x, 10)
		}
	}
	if !ok {
		return "", fmt.Errorf("is out of range %s", v.ranges())
	}
	if wide {
		return `"` + text + `"`, nil
	}
	return text, nil
}

func (v *valueType) ranges() string {
	var parts []string
	for i := range v.min {
		parts = append(parts, fmt.Sprintf("%d..%d", v.min[i], v.max[i]))
	}
	for i := range v.umin {
		parts = append(parts, fmt.Sprintf("%d..%d", v.umin[i], v.umax[i]))
	}
	return strings.Join(parts, " | ")
}

func (v *valueType) checkString(s string) error {
	for _, r := range s {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return errors.New("holds a character YANG forbids (RFC 7950 section 9.4)")
		}
	}
	if len(v.lmin) > 0 {
		n := uint64(utf8.RuneCountInString(s))
		if !slices.ContainsFunc(v.lmin, func(lo uint64) bool { return lo <= n }) || n < v.lmin[0] || n > v.lmax[len(v.lmax)-1] {
			return fmt.Errorf("has a length of %d characters, out of range", n)
		}
	}
	for _, p := range v.patterns {
		if !p.re.MatchString(s) {
			return fmt.Errorf("does not match %s", p.text)
		}
	}
	return nil
}

// quote writes a JSON string.
func quote(s string) string {
	plain := true
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			plain = false
			break
		}
	}
	if plain {
		return `"` + s + `"`
	}
	text, err := json.Marshal(s)
	if err != nil {
		return strconv.Quote(s)
	}
	return string(text)
}

// unquote returns the value of canonical JSON text as plain text: a string's
// characters, or the digits of a number.
func unquote(text string) string {
	if len(text) < 2 || text[0] != '"' {
		return text
	}
	if inner := text[1 : len(text)-1]; strings.IndexByte(inner, '\\') < 0 {
		return inner
	}
	var s string
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return text
	}
	return s
}

// identity reports whether canonical text of this type is that of an identity.
func (v *valueType) identity(text string) bool {
	switch v.kind {
	case yang.Yidentityref:
		return true
	case yang.Yleafref:
		return v.target.identity(text)
	case yang.Yunion:
		return slices.ContainsFunc(v.union, func(m *valueType) bool {
			_, ok := m.names[unquote(text)]
			return ok && m.kind == yang.Yidentityref
		})
	}
	return false
}

// keyText is the form of a value in a path: plain text, identities without
// their module.
func (v *valueType) keyText(text string) string {
	plain := unquote(text)
	if v.identity(text) {
		if _, name, ok := strings.Cut(plain, ":"); ok {
			return name
		}
	}
	return plain
}

// compareKeys orders list entries: integers by value, others by text.
func compareKeys(numeric bool, a, b string) int {
	if numeric && len(a) != len(b) {
		return cmp.Compare(len(a), len(b))
	}
	return cmp.Compare(a, b)
}
