package tree

import (
	"fmt"
	"slices"
)

// Branch is a container, list or entry that an edit writes to leaf by leaf. It costs what is written, which is a small
// part of what the same value costs in JSON. References are not checked. The first fault is that of [Edit.Err].
type Branch struct {
	edit *Edit
	node *node // nil after a fault
}

// Branch returns the root's descendant of these names, see [Branch.At].
func (e *Edit) Branch(names ...string) Branch {
	e.root = e.own(e.root)
	return Branch{e, e.root}.At(names...)
}

// Err returns the first fault of the branches of an edit, which must then be thrown away.
func (e *Edit) Err() error { return e.err }

// fresh returns an empty node with room for a few kids.
func (e *Edit) fresh(s *schemaNode) *node {
	n := e.node(s)
	n.kids = make([]*node, 0, min(len(s.children), 8))
	return n
}

// node returns a node. They are made many at a time.
func (e *Edit) node(s *schemaNode) *node {
	if len(e.spare) == 0 {
		e.spare = make([]node, 64)
	}
	n := &e.spare[0]
	e.spare = e.spare[1:]
	n.schema, n.owner = s, e.owner
	return n
}

func (b Branch) fail(name, format string, args ...any) Branch {
	if b.edit.err == nil {
		b.edit.err = &Error{b.node.schema.path + "/" + name, fmt.Sprintf(format, args...)}
	}
	return Branch{edit: b.edit}
}

// child returns the schema of a child that may be written.
func (b Branch) child(name string, leaves bool) *schemaNode {
	s := b.node.schema.byName[name]
	switch {
	case s == nil || b.node.schema.kind == list || leaves != (s.kind == leaf):
		b.fail(name, "is not in the schema here")
	case s.readOnly && !b.edit.state:
		b.fail(name, "is state and cannot be written")
	default:
		return s
	}
	return nil
}

// At descends by plain names through containers, to one of them or to a list, and makes what is missing.
func (b Branch) At(names ...string) Branch {
	for _, name := range names {
		if b.node == nil {
			return b
		}
		s := b.child(name, false)
		if s == nil {
			return Branch{edit: b.edit}
		}
		kid := b.node.child(s)
		if kid == nil {
			kid = b.edit.fresh(s)
		}
		kid = b.edit.own(kid)
		put(b.node, kid)
		b.node = kid
	}
	return b
}

// Entry returns the entry of a list with the given keys, as [Node.Entry] has them, and makes it if it is missing.
func (b Branch) Entry(keys ...string) Branch {
	if b.node == nil {
		return b
	}
	if b.node.schema.kind != list || len(keys) != len(b.node.schema.children[0].keys) {
		return b.fail("", "is no list of %d keys", len(keys))
	}
	s, key := b.node.schema.children[0], joinKeys(keys)
	i, ok := b.node.find(key)
	if ok {
		b.node.kids[i] = b.edit.own(b.node.kids[i])
		return Branch{b.edit, b.node.kids[i]}
	}
	made := b.edit.fresh(s)
	made.text = key
	for i, k := range s.keys {
		text, err := k.typ.canonical(scalar{text: keys[i]}, fromKey)
		if err != nil {
			return b.fail(k.name, "value %q %v", keys[i], err)
		}
		leaf := b.edit.node(k)
		leaf.text = text
		put(made, leaf)
	}
	b.node.kids = slices.Insert(b.node.kids, i, made)
	return Branch{b.edit, made}
}

// Set gives a leaf of the branch a value, written as in the keys of a path.
func (b Branch) Set(name, value string) {
	if b.node == nil {
		return
	}
	s := b.child(name, true)
	if s == nil {
		return
	}
	text, err := s.typ.canonical(scalar{text: value}, fromKey)
	if err != nil {
		b.fail(name, "value %q %v", value, err)
		return
	}
	n := b.edit.node(s)
	n.text = text
	put(b.node, n)
}
