package tree

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a document; the models need under 20 levels.
const maxDepth = 64

// parser reads one RFC 7951 document straight into nodes of the schema.
type parser struct {
	lexer
	owner *owner
	state bool // config false nodes are allowed
	way   []string
}

// Error is data that the schema forbids.
type Error struct {
	Path   string
	Reason string
}

func (e *Error) Error() string { return e.Path + ": " + e.Reason }

func (p *parser) fail(format string, args ...any) error {
	return &Error{Path: strings.Join(p.way, ""), Reason: fmt.Sprintf(format, args...)}
}

// parse reads text as the value of a node of schema s at the given path.
func parse(s *schemaNode, path string, text []byte, o *owner, state bool) (*node, error) {
	p := parser{lexer: lexer{text: string(text)}, owner: o, state: state, way: []string{strings.TrimSuffix(path, "/")}}
	if !utf8.Valid(text) {
		return nil, p.fail("is not UTF-8")
	}
	t, err := p.token()
	if err != nil {
		return nil, err
	}
	n, err := p.value(s, t)
	if err != nil {
		return nil, err
	}
	if t, err = p.token(); err != nil || t.kind != kindEnd {
		return nil, p.fail("is not JSON: there is text after the value")
	}
	return n, nil
}

func (p *parser) token() (token, error) {
	t, err := p.next()
	if err != nil {
		return t, p.fail("%v", err)
	}
	return t, nil
}

// element reads the first token of the next member or element; ok is false
// when the object or array ends instead.
func (p *parser) element(first bool, end byte) (t token, ok bool, err error) {
	if t, err = p.token(); err != nil || t.kind == end {
		return t, false, err
	}
	if first {
		return t, true, nil
	}
	if t.kind != ',' {
		return t, false, p.fail("is not JSON")
	}
	t, err = p.token()
	return t, err == nil, err
}

// value reads the value of a node that begins with t; nil without an error is an empty container
// or list.
func (p *parser) value(s *schemaNode, t token) (*node, error) {
	switch t.kind {
	case '{', '[', kindString, kindNumber, kindBool, kindNull:
	default:
		return nil, p.fail("is not JSON")
	}
	switch s.kind {
	case container, entry:
		if t.kind != '{' {
			return nil, p.fail("must be a JSON object")
		}
		return p.object(s)
	case list:
		if t.kind != '[' {
			return nil, p.fail("must be a JSON array of entries")
		}
		return p.list(s)
	case leafList:
		if t.kind != '[' {
			return nil, p.fail("must be a JSON array")
		}
		return p.leafList(s)
	}
	text, err := p.scalar(s, t)
	if err != nil {
		return nil, err
	}
	return &node{schema: s, owner: p.owner, text: text}, nil
}

func (p *parser) object(s *schemaNode) (*node, error) {
	if len(p.way) > maxDepth {
		return nil, p.fail("is nested too deeply")
	}
	n := &node{schema: s, owner: p.owner}
	var seen uint64 // by child index, see maxChildren
	depth := len(p.way)
	for first := true; ; first = false {
		t, ok, err := p.element(first, '}')
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		name := t.text
		if t.kind != kindString {
			return nil, p.fail("is not JSON")
		}
		if t, err = p.token(); err != nil || t.kind != ':' {
			return nil, p.fail("is not JSON")
		}
		if t, err = p.token(); err != nil {
			return nil, err
		}
		child := s.member(name)
		if child == nil {
			if c := s.byName[name]; c != nil {
				return nil, p.fail("member %q needs the prefix of its module: %q", name, c.qualified)
			}
			return nil, p.fail("has no member %q", name)
		}
		p.way = append(p.way, "/", child.name)
		if child.readOnly && !p.state {
			return nil, p.fail("is state and cannot be written")
		}
		if seen&(1<<child.index) != 0 {
			return nil, p.fail("appears twice in one object")
		}
		seen |= 1 << child.index
		kid, err := p.value(child, t)
		if err != nil {
			return nil, err
		}
		p.way = p.way[:depth]
		if kid != nil {
			n.kids = append(n.kids, kid)
		}
		if depth > 1 && s.kind == entry && slices.Contains(s.keys, child) {
			// From here on faults can name the entry.
			if p.setKey(n); n.text != "" {
				p.way[depth-1] = n.step()
			}
		}
	}
	slices.SortFunc(n.kids, func(a, b *node) int { return a.schema.index - b.schema.index })
	if s.kind == entry {
		p.setKey(n)
		return n, nil
	}
	if len(n.kids) == 0 {
		return nil, nil
	}
	return n, nil
}

// setKey takes the keys of an entry from its leaves. Keys still missing are
// left to the caller, who may know them from a path.
func (p *parser) setKey(n *node) {
	keys := make([]string, len(n.schema.keys))
	for i, k := range n.schema.keys {
		l := n.child(k)
		if l == nil {
			return
		}
		keys[i] = k.typ.keyText(l.text)
	}
	n.text = joinKeys(keys)
}

func (p *parser) list(s *schemaNode) (*node, error) {
	n := &node{schema: s, owner: p.owner}
	one := s.children[0]
	if len(one.keys) == 0 {
		return nil, p.fail("is a list without keys and cannot be written")
	}
	base := p.way[len(p.way)-1]
	for first := true; ; first = false {
		p.way[len(p.way)-1] = base
		t, ok, err := p.element(first, ']')
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		kid, err := p.value(one, t)
		if err != nil {
			return nil, err
		}
		for _, k := range one.keys {
			if kid.child(k) == nil {
				return nil, p.fail("has an entry without its key %q", k.name)
			}
		}
		n.kids = append(n.kids, kid)
	}
	byKey := func(a, b *node) int { return compareKeys(one.numeric, a.text, b.text) }
	if !slices.IsSortedFunc(n.kids, byKey) {
		slices.SortFunc(n.kids, byKey)
	}
	for i := 1; i < len(n.kids); i++ {
		if n.kids[i].text == n.kids[i-1].text {
			return nil, p.fail("has the entry %s twice", n.kids[i].step())
		}
	}
	if len(n.kids) == 0 {
		return nil, nil
	}
	return n, nil
}

func (p *parser) leafList(s *schemaNode) (*node, error) {
	var texts []string
	for first := true; ; first = false {
		t, ok, err := p.element(first, ']')
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		text, err := p.scalar(s, t)
		if err != nil {
			return nil, err
		}
		if slices.Contains(texts, text) {
			return nil, p.fail("has the value %s twice", text)
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return nil, nil
	}
	return &node{schema: s, owner: p.owner, text: "[" + strings.Join(texts, ",") + "]"}, nil
}

func (p *parser) scalar(s *schemaNode, t token) (string, error) {
	v := scalar{text: t.text}
	switch t.kind {
	case kindString:
	case kindNumber:
		v.number = true
	case kindBool:
		v.truth = true
	default:
		return "", p.fail("must be a single value")
	}
	text, err := s.typ.canonical(v, fromJSON)
	if err != nil {
		return "", p.fail("value %s %v", v, err)
	}
	return text, nil
}

// Filter selects configuration, state or both.
type Filter uint8

// The filters, as gNMI's Get types name them.
const (
	All Filter = iota
	Config
	State
)

func (f Filter) shows(s *schemaNode) bool {
	switch {
	case f == Config:
		return !s.readOnly
	case f == State && (s.kind == leaf || s.kind == leafList):
		return s.readOnly
	}
	return true
}

// AppendJSON appends the RFC 7951 text of a node to b. Members of the outermost
// object carry the name of their module, as does every member whose module is
// not its parent's. ok is false, and b unchanged, when the filter leaves
// nothing.
func (n Node) AppendJSON(b []byte, f Filter) (_ []byte, ok bool) {
	if n.n == nil {
		return b, false
	}
	return n.n.appendJSON(slices.Grow(b, n.n.size()), f, true)
}

// size is about the length of the JSON text, so that a buffer for megabytes of
// it need not grow and be copied again and again.
func (n *node) size() int {
	size := len(n.text)
	if n.schema.kind != entry {
		size += len(n.schema.jsonName) + len(`"":{},`)
	}
	for _, k := range n.kids {
		size += k.size()
	}
	return size
}

func (n *node) appendJSON(b []byte, f Filter, outermost bool) ([]byte, bool) {
	switch n.schema.kind {
	case leaf, leafList:
		if !f.shows(n.schema) {
			return b, false
		}
		return append(b, n.text...), true
	case list:
		start := len(b)
		b = append(b, '[')
		empty := true
		for _, k := range n.kids {
			if !empty {
				b = append(b, ',')
			}
			mark := len(b)
			var ok bool
			if b, ok = k.appendJSON(b, f, false); ok {
				empty = false
			} else if b = b[:mark]; !empty {
				b = b[:mark-1]
			}
		}
		if empty {
			return b[:start], false
		}
		return append(b, ']'), true
	}
	start := len(b)
	b = append(b, '{')
	content := false
	for _, k := range n.kids {
		key := n.schema.kind == entry && slices.Contains(n.schema.keys, k.schema)
		if !key && !f.shows(k.schema) {
			continue
		}
		mark := len(b)
		if mark > start+1 {
			b = append(b, ',')
		}
		name := k.schema.jsonName
		if outermost {
			name = k.schema.qualified
		}
		b = append(b, '"')
		b = append(b, name...)
		b = append(b, '"', ':')
		if key {
			b = append(b, k.text...)
			content = content || f != State
			continue
		}
		var ok bool
		if b, ok = k.appendJSON(b, f, false); ok {
			content = true
		} else {
			b = b[:mark]
		}
	}
	if !content {
		return b[:start], false
	}
	return append(b, '}'), true
}
