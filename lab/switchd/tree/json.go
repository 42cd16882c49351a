package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a document; the models need under 20 levels.
const maxDepth = 64

// parser reads one RFC 7951 document straight into nodes of the schema.
type parser struct {
	dec   *json.Decoder
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
	p := parser{dec: json.NewDecoder(bytes.NewReader(text)), owner: o, state: state, way: []string{strings.TrimSuffix(path, "/")}}
	p.dec.UseNumber()
	if !utf8.Valid(text) {
		return nil, p.fail("is not UTF-8")
	}
	n, err := p.value(s)
	if err != nil {
		return nil, err
	}
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, p.fail("has text after the JSON value")
	}
	return n, nil
}

func (p *parser) token() (json.Token, error) {
	t, err := p.dec.Token()
	if err != nil {
		return nil, p.fail("is not JSON: %v", err)
	}
	return t, nil
}

// value reads the value of a node; nil without an error is an empty container
// or list.
func (p *parser) value(s *schemaNode) (*node, error) {
	t, err := p.token()
	if err != nil {
		return nil, err
	}
	switch s.kind {
	case container, entry:
		if t != json.Delim('{') {
			return nil, p.fail("must be a JSON object")
		}
		return p.object(s)
	case list:
		if t != json.Delim('[') {
			return nil, p.fail("must be a JSON array of entries")
		}
		return p.list(s)
	case leafList:
		if t != json.Delim('[') {
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
	for p.dec.More() {
		t, err := p.token()
		if err != nil {
			return nil, err
		}
		name, ok := t.(string)
		if !ok {
			return nil, p.fail("is not JSON")
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
		kid, err := p.value(child)
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
	if _, err := p.token(); err != nil {
		return nil, err
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
	for p.dec.More() {
		p.way[len(p.way)-1] = base
		kid, err := p.value(one)
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
	p.way[len(p.way)-1] = base
	if _, err := p.token(); err != nil {
		return nil, err
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
	for p.dec.More() {
		t, err := p.token()
		if err != nil {
			return nil, err
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
	if _, err := p.token(); err != nil {
		return nil, err
	}
	if len(texts) == 0 {
		return nil, nil
	}
	return &node{schema: s, owner: p.owner, text: "[" + strings.Join(texts, ",") + "]"}, nil
}

func (p *parser) scalar(s *schemaNode, t json.Token) (string, error) {
	var v scalar
	switch t := t.(type) {
	case string:
		v.text = t
	case json.Number:
		v.text, v.number = t.String(), true
	case bool:
		v.text, v.truth = "false", true
		if t {
			v.text = "true"
		}
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
	return n.n.appendJSON(b, f, true)
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
