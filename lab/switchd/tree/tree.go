// Package tree keeps an immutable tree of OpenConfig data that obeys its
// schema. A Tree is never changed: an Edit makes the next one, sharing what did
// not change, so that snapshots, comparison and rollback cost what changed and
// not what there is.
package tree

import (
	"iter"
	"slices"
	"strings"
)

// node is one data node. Containers and entries hold kids in the order of
// their schema, lists hold entries in the order of their keys, leaves hold
// canonical RFC 7951 text.
type node struct {
	schema *schemaNode
	owner  *owner // the edit that made it and may still change it
	text   string // leaf and leaf-list: canonical JSON; entry: joined keys
	kids   []*node
}

// owner identifies one edit. It has a size, so that each has its own address.
type owner struct{ _ byte }

const keySeparator = "\x00"

func joinKeys(keys []string) string {
	if len(keys) == 1 {
		return keys[0]
	}
	return strings.Join(keys, keySeparator)
}

func (n *node) keyValue(i int) string {
	if len(n.schema.keys) == 1 {
		return n.text
	}
	rest := n.text
	for ; i > 0; i-- {
		_, rest, _ = strings.Cut(rest, keySeparator)
	}
	value, _, _ := strings.Cut(rest, keySeparator)
	return value
}

// under returns the entries of a list of several keys whose joined keys begin
// with a prefix.
func (n *node) under(prefix string) []*node {
	lo, _ := n.find(prefix)
	hi := lo
	for hi < len(n.kids) && strings.HasPrefix(n.kids[hi].text, prefix) {
		hi++
	}
	return n.kids[lo:hi]
}

// child returns the kid of a container or entry with the given schema.
func (n *node) child(s *schemaNode) *node {
	for _, k := range n.kids {
		if k.schema == s {
			return k
		}
	}
	return nil
}

func (n *node) childByName(name string) *node {
	if s := n.schema.byName[name]; s != nil {
		return n.child(s)
	}
	return nil
}

func (n *node) leafByName(name string) *node {
	if k := n.childByName(name); k != nil && k.schema.kind == leaf {
		return k
	}
	return nil
}

// find returns where an entry with the joined keys is in a list, or belongs.
func (n *node) find(key string) (int, bool) {
	numeric := n.schema.children[0].numeric
	return slices.BinarySearchFunc(n.kids, key, func(k *node, key string) int {
		return compareKeys(numeric, k.text, key)
	})
}

func (n *node) entry(key string) *node {
	if i, ok := n.find(key); ok {
		return n.kids[i]
	}
	return nil
}

// place is a node and the way to it.
type place struct {
	parent *place
	node   *node
}

// entryOf returns the list entry of the given schema among the ancestors.
func (p *place) entryOf(s *schemaNode) *node {
	for ; p != nil; p = p.parent {
		if p.node.schema == s {
			return p.node
		}
	}
	return nil
}

// String is the path of the place in gNMI's text form.
func (p *place) String() string {
	var parts []string
	for ; p != nil; p = p.parent {
		if p.node.schema.kind != list && p.node.schema.parent != nil {
			parts = append(parts, p.node.step())
		}
	}
	if len(parts) == 0 {
		return "/"
	}
	slices.Reverse(parts)
	return "/" + strings.Join(parts, "/")
}

func (n *node) step() string {
	if n.schema.kind != entry {
		return n.schema.name
	}
	var b strings.Builder
	b.WriteString(n.schema.name)
	for i, k := range n.schema.keys {
		b.WriteByte('[')
		b.WriteString(k.name)
		b.WriteByte('=')
		b.WriteString(escapeKey(n.keyValue(i)))
		b.WriteByte(']')
	}
	return b.String()
}

func escapeKey(s string) string {
	if !strings.ContainsAny(s, `]\`) {
		return s
	}
	return strings.NewReplacer(`\`, `\\`, `]`, `\]`).Replace(s)
}

// Tree is an immutable snapshot of data.
type Tree struct {
	schema *Schema
	root   *node
}

// New returns an empty tree.
func New(s *Schema) *Tree {
	return &Tree{schema: s, root: &node{schema: s.root}}
}

// Root returns the root of the tree, which always exists.
func (t *Tree) Root() Node { return Node{t.root} }

// At returns the node with the given names below the root, see Node.At.
func (t *Tree) At(names ...string) Node { return t.Root().At(names...) }

// Node is a place in a snapshot. The zero Node stands for what does not exist;
// every method works on it.
type Node struct{ n *node }

// Exists reports whether there is such a node.
func (n Node) Exists() bool { return n.n != nil }

// At descends by plain names through containers, to a leaf or to a list as a
// whole.
func (n Node) At(names ...string) Node {
	at := n.n
	for _, name := range names {
		if at == nil || at.schema.kind == list {
			return Node{}
		}
		at = at.childByName(name)
	}
	return Node{at}
}

// Entry returns the entry of a list with the given keys, in the order of the
// list's key statement, identities without their module.
func (n Node) Entry(keys ...string) Node {
	if n.n == nil || n.n.schema.kind != list {
		return Node{}
	}
	return Node{n.n.entry(joinKeys(keys))}
}

// Entries iterates over a list in the order of its keys.
func (n Node) Entries() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if n.n == nil || n.n.schema.kind != list {
			return
		}
		for _, k := range n.n.kids {
			if !yield(Node{k}) {
				return
			}
		}
	}
}

// Len is the number of entries of a list.
func (n Node) Len() int {
	if n.n == nil || n.n.schema.kind != list {
		return 0
	}
	return len(n.n.kids)
}

// Key returns the i-th key of a list entry.
func (n Node) Key(i int) string {
	if n.n == nil || n.n.schema.kind != entry || i >= len(n.n.schema.keys) {
		return ""
	}
	return n.n.keyValue(i)
}

// Text returns the value of a leaf below n as plain text: identities without
// their module, numbers in decimal, empty when the leaf does not exist.
func (n Node) Text(names ...string) string {
	at := n.At(names...)
	if at.n == nil || at.n.schema.kind != leaf {
		return ""
	}
	return at.n.schema.typ.keyText(at.n.text)
}

// Same reports whether both are the same unchanged data. It compares
// addresses: true is certain, false means that something was written.
func (n Node) Same(o Node) bool { return n.n == o.n }

// ReadOnly reports whether the node is state.
func (n Node) ReadOnly() bool { return n.n != nil && n.n.schema.readOnly }

// Schema returns the schema of the tree.
func (t *Tree) Schema() *Schema { return t.schema }
