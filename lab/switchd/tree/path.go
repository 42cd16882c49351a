package tree

import (
	"maps"
	"slices"
	"strings"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
)

// PathString is a gNMI path in text form, for messages.
func PathString(p *gpb.Path) string {
	if len(p.GetElem()) == 0 {
		return "/"
	}
	var b strings.Builder
	for _, e := range p.GetElem() {
		b.WriteByte('/')
		b.WriteString(e.GetName())
		for _, k := range slices.Sorted(maps.Keys(e.GetKey())) {
			b.WriteString("[" + k + "=" + escapeKey(e.GetKey()[k]) + "]")
		}
	}
	return b.String()
}

// Path returns the gNMI path of a place.
func (p *place) path() *gpb.Path {
	var elems []*gpb.PathElem
	for ; p != nil; p = p.parent {
		s := p.node.schema
		if s.kind == list || s.parent == nil {
			continue
		}
		e := &gpb.PathElem{Name: s.name}
		if s.kind == entry {
			e.Key = make(map[string]string, len(s.keys))
			for i, k := range s.keys {
				e.Key[k.name] = p.node.keyValue(i)
			}
		}
		elems = append(elems, e)
	}
	slices.Reverse(elems)
	return &gpb.Path{Elem: elems}
}

// Pattern is a gNMI path checked against the schema. Names and keys may be
// wildcards; a missing key is one.
type Pattern struct {
	text   string
	steps  []patternStep
	root   *schemaNode
	single bool // names exactly one node
}

type patternStep struct {
	schemas []*schemaNode // what the step may name: containers, leaves, lists
	keys    []string      // for a list: canonical values, "*" for any
	listed  bool          // the step gave at least one key
}

const anyKey = "*"

// Pattern checks a path against the schema. Every path that no data could ever
// have is an *Error.
func (s *Schema) Pattern(p *gpb.Path) (*Pattern, error) {
	pat := &Pattern{text: PathString(p), root: s.root, single: true}
	at := []*schemaNode{s.root}
	for _, e := range p.GetElem() {
		var next []*schemaNode
		switch e.GetName() {
		case "...":
			return nil, &Error{pat.text, `wildcard "..." is not supported`}
		case "*":
			pat.single = false
			for _, n := range at {
				next = append(next, n.inner().children...)
			}
		default:
			for _, n := range at {
				if c := n.child(e.GetName()); c != nil {
					next = append(next, c)
				}
			}
		}
		if len(next) == 0 {
			return nil, &Error{pat.text, "no element " + e.GetName() + " in the schema"}
		}
		step := patternStep{schemas: next}
		for _, n := range next {
			if n.kind != list {
				if len(e.GetKey()) > 0 {
					return nil, &Error{pat.text, n.name + " is not a list and has no keys"}
				}
				continue
			}
			one := n.children[0]
			step.keys = make([]string, len(one.keys))
			named := 0
			for i, k := range one.keys {
				value, ok := e.GetKey()[k.name]
				if ok {
					named++
					step.listed = true
				}
				if !ok || value == anyKey {
					step.keys[i] = anyKey
					pat.single = false
					continue
				}
				text, err := k.typ.canonical(scalar{text: value}, fromKey)
				if err != nil {
					return nil, &Error{pat.text, "key " + k.name + ": " + err.Error()}
				}
				step.keys[i] = k.typ.keyText(text)
			}
			if named != len(e.GetKey()) {
				return nil, &Error{pat.text, "list " + n.name + " has no such key"}
			}
		}
		pat.steps = append(pat.steps, step)
		at = next
	}
	return pat, nil
}

// inner is the schema of what holds children: the entry of a list, else the
// node itself.
func (n *schemaNode) inner() *schemaNode {
	if n.kind == list {
		return n.children[0]
	}
	return n
}

// Single reports whether the pattern can match one node only.
func (p *Pattern) Single() bool { return p.single }

func (p *Pattern) String() string { return p.text }

func (s *patternStep) fits(n *node) bool {
	for i, want := range s.keys {
		if want != anyKey && n.keyValue(i) != want {
			return false
		}
	}
	return true
}

// Match calls f for every node of the tree that the pattern names, with its
// path, until f returns false.
func (t *Tree) Match(p *Pattern, f func(path *gpb.Path, n Node) bool) {
	match(&place{node: t.root}, p.steps, func(at *place) bool { return f(at.path(), Node{at.node}) })
}

func match(at *place, steps []patternStep, f func(*place) bool) bool {
	if len(steps) == 0 {
		return f(at)
	}
	step := &steps[0]
	for _, kid := range at.node.kids {
		if !slices.Contains(step.schemas, kid.schema) {
			continue
		}
		if kid.schema.kind != list {
			if !match(&place{at, kid}, steps[1:], f) {
				return false
			}
			continue
		}
		down := &place{at, kid}
		entries := kid.kids
		if !slices.Contains(step.keys, anyKey) {
			i, ok := kid.find(joinKeys(step.keys))
			if !ok {
				continue
			}
			entries = kid.kids[i : i+1]
		}
		for _, e := range entries {
			if step.fits(e) && !match(&place{down, e}, steps[1:], f) {
				return false
			}
		}
	}
	return true
}

// relation says how a place stands to a pattern.
type relation uint8

const (
	apart  relation = iota
	above           // the pattern may name something below the place
	within          // the pattern names the place or something above it
)

// relate compares the way to a place with the pattern.
func (p *Pattern) relate(way []*node) relation {
	for i, n := range way {
		if i == len(p.steps) {
			return within
		}
		step := &p.steps[i]
		s := n.schema
		if s.kind == entry {
			s = s.parent
		}
		if !slices.Contains(step.schemas, s) || n.schema.kind == entry && !step.fits(n) {
			return apart
		}
	}
	if len(way) >= len(p.steps) {
		return within
	}
	return above
}

// way lists the nodes from below the root to the place, lists left out.
func (p *place) way() []*node {
	var nodes []*node
	for ; p != nil; p = p.parent {
		if p.node.schema.kind != list && p.node.schema.parent != nil {
			nodes = append(nodes, p.node)
		}
	}
	slices.Reverse(nodes)
	return nodes
}

// KeyedPath writes the text form of one entry of the list at a path.
func KeyedPath(list, key, value string) string {
	return list + "[" + key + "=" + escapeKey(value) + "]"
}
