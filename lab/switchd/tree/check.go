package tree

import (
	"fmt"
	"slices"
	"strings"
)

// maxFaults bounds how many faults one refusal names.
const maxFaults = 8

// Faults is why a tree is not valid.
type Faults []*Error

func (f Faults) Error() string {
	parts := make([]string, len(f))
	for i, e := range f {
		parts[i] = e.Error()
	}
	return strings.Join(parts, "; ")
}

// References knows which list entries the leaves of one tree refer to. It
// follows that tree from change to change, so that checking a change costs what
// the change is large.
type References struct {
	counts map[string][]refCount
}

type refCount struct {
	leaf *schemaNode
	n    int
}

// NewReferences returns the references of an empty tree.
func NewReferences() *References {
	return &References{counts: make(map[string][]refCount)}
}

func (r *References) add(target string, l *schemaNode, n int) {
	counts := r.counts[target]
	i := slices.IndexFunc(counts, func(c refCount) bool { return c.leaf == l })
	if i < 0 {
		r.counts[target] = append(counts, refCount{l, n})
		return
	}
	if counts[i].n += n; counts[i].n != 0 {
		return
	}
	if counts = slices.Delete(counts, i, i+1); len(counts) == 0 {
		delete(r.counts, target)
	} else {
		r.counts[target] = counts
	}
}

// To counts the references to the list entry at a path (in text form, keys in
// the order of the list's key statement) from leaves below a schema path.
func (r *References) To(path, below string) int {
	n := 0
	for _, c := range r.counts[path] {
		if strings.HasPrefix(c.leaf.path, below+"/") {
			n += c.n
		}
	}
	return n
}

// Move takes the references from the tree they are of to the next one, and
// checks the next one as far as it differs: list keys equal their config
// leaves, mandatory leaves exist, conditions hold, references name what exists.
// What is wrong is a Faults error, and the references stay where they were;
// otherwise undo takes them back.
func (r *References) Move(before, after *Tree) (undo func(), err error) {
	c := check{refs: r, root: after.root}
	diff(&place{node: before.root}, &place{node: after.root}, c.visit)
	for _, use := range c.added {
		if !use.ref.resolve(after.root, use.place, use.value) {
			c.fail(&place{use.place, use.leaf}, "value %s names nothing that exists", use.leaf.text)
		}
	}
	for _, gone := range c.removed {
		c.checkRemoved(gone)
	}
	undo = func() {
		for _, op := range slices.Backward(c.ops) {
			r.add(op.target, op.leaf, -op.n)
		}
	}
	if len(c.faults) > 0 {
		undo()
		return nil, c.faults
	}
	return undo, nil
}

type check struct {
	refs    *References
	root    *node
	faults  Faults
	added   []use
	removed []*place
	ops     []op
}

type use struct {
	ref   *reference
	place *place // the container of the leaf
	leaf  *node
	value string
}

type op struct {
	target string
	leaf   *schemaNode
	n      int
}

func (c *check) fail(at *place, format string, args ...any) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, &Error{Path: at.String(), Reason: fmt.Sprintf(format, args...)})
	}
}

func (c *check) visit(a, b *place) bool {
	some := b
	if some == nil {
		some = a
	}
	s := some.node.schema
	if s.readOnly {
		return false
	}
	if b == nil && s.kind == entry && s.targeted {
		c.removed = append(c.removed, a)
	}
	if len(s.refs) > 0 {
		c.count(a, -1)
		c.count(b, +1)
	}
	if b == nil {
		return true
	}
	if s.when != nil && a == nil {
		c.condition(b)
	}
	if s.kind == entry {
		c.keys(b)
		if a != nil && s.decider != nil && decision(a.node) != decision(b.node) {
			c.conditions(b, s)
		}
	}
	if s.kind == entry || s.when != nil {
		for _, leaf := range s.required {
			if below(b.node, leaf) == nil {
				c.fail(b, "lacks the mandatory leaf %s", strings.TrimPrefix(leaf.path, s.path+"/"))
			}
		}
	}
	return true
}

// decision is the value that conditions below an entry depend on.
func decision(n *node) string {
	for _, name := range n.schema.decider {
		if n = n.childByName(name); n == nil {
			return ""
		}
	}
	return n.text
}

func (c *check) condition(at *place) {
	when := at.node.schema.when
	if scope := at.entryOf(when.scope); scope == nil || !when.holds(scope) {
		c.fail(at, "may exist only where %s", when.text)
	}
}

// conditions checks everything below an entry that depends on it.
func (c *check) conditions(at *place, scope *schemaNode) {
	for _, kid := range at.node.kids {
		down := &place{at, kid}
		if kid.schema.when != nil && kid.schema.when.scope == scope {
			c.condition(down)
		}
		c.conditions(down, scope)
	}
}

func (c *check) keys(at *place) {
	for i, config := range at.node.schema.config {
		if config == nil || config.readOnly {
			continue
		}
		key := at.node.schema.keys[i]
		have := below(at.node, config)
		switch {
		case have == nil:
			c.fail(at, "lacks config/%s, which must repeat the key", config.name)
		case config.typ.keyText(have.text) != at.node.keyValue(i):
			c.fail(at, "has config/%s %s, which is not its key %s", config.name, have.text, key.name)
		}
	}
}

// below returns the node of schema s under n, with no list in between.
func below(n *node, s *schemaNode) *node {
	if s.parent != n.schema {
		if n = below(n, s.parent); n == nil {
			return nil
		}
	}
	return n.child(s)
}

// count adds n to the references of a container's leaves.
func (c *check) count(at *place, n int) {
	if at == nil {
		return
	}
	for i := range at.node.schema.refs {
		ref := &at.node.schema.refs[i]
		l := at.node.child(ref.leaf)
		if l == nil {
			continue
		}
		value := ref.leaf.typ.keyText(l.text)
		target, _ := ref.target(at, value)
		c.refs.add(target, ref.leaf, n)
		c.ops = append(c.ops, op{target, ref.leaf, n})
		if n > 0 {
			c.added = append(c.added, use{ref, at, l, value})
		}
	}
}

// checkRemoved refuses the removal of an entry that something still names,
// either by all its keys or by the first one where no other entry has it.
func (c *check) checkRemoved(gone *place) {
	path := gone.String()
	if len(c.refs.counts[path]) > 0 {
		c.fail(gone, "cannot be removed: %s names it", c.user(path))
		return
	}
	one := gone.node
	if len(one.schema.keys) < 2 {
		return
	}
	wild := *one
	keys := make([]string, len(one.schema.keys))
	for i := range keys {
		keys[i] = anyKey
	}
	keys[0] = one.keyValue(0)
	wild.text = joinKeys(keys)
	path = (&place{gone.parent, &wild}).String()
	if len(c.refs.counts[path]) == 0 {
		return
	}
	list := below(c.root, one.schema.parent)
	if list == nil || len(list.under(keys[0]+keySeparator)) == 0 {
		c.fail(gone, "cannot be removed: %s names it", c.user(path))
	}
}

// user finds one leaf that refers to a target, for the message.
func (c *check) user(target string) string {
	found := "something"
	diff(nil, &place{node: c.root}, func(_, b *place) bool {
		for i := range b.node.schema.refs {
			ref := &b.node.schema.refs[i]
			if l := b.node.child(ref.leaf); l != nil {
				if t, _ := ref.target(b, ref.leaf.typ.keyText(l.text)); t == target {
					found = (&place{b, l}).String()
					return false
				}
			}
		}
		return true
	})
	return found
}

// Equal reports whether both know the same references.
func (r *References) Equal(o *References) bool {
	if len(r.counts) != len(o.counts) {
		return false
	}
	for target, counts := range r.counts {
		others := o.counts[target]
		if len(counts) != len(others) {
			return false
		}
		for _, c := range counts {
			if !slices.Contains(others, c) {
				return false
			}
		}
	}
	return true
}
