package junos

import (
	"errors"
	"fmt"
	"slices"
)

// edit changes a configuration. What it started from, and every snapshot of it, stays as it is.
type edit struct {
	root  *node
	owner *owner
}

func newEdit(root *node) *edit { return &edit{root, new(owner)} }

// snapshot returns the configuration as it is now.
func (e *edit) snapshot() *node {
	e.owner = new(owner)
	return e.root
}

// own returns n itself when this edit made it, else a copy that it may change.
func (e *edit) own(n *node) *node {
	if n.owner == e.owner {
		return n
	}
	return &node{schema: n.schema, owner: e.owner, text: n.text, inactive: n.inactive, kids: slices.Clone(n.kids)}
}

// kid returns the kid of a step for changes. It is made if there is none.
func (e *edit) kid(n *node, s step) *node {
	i, ok := n.find(s.schema, s.text)
	if ok {
		n.kids[i] = e.own(n.kids[i])
		return n.kids[i]
	}
	if s.schema.choice != "" {
		n.kids = slices.DeleteFunc(n.kids, func(k *node) bool { return k.schema != s.schema && k.schema.choice == s.schema.choice })
		i, _ = n.find(s.schema, s.text)
	}
	made := &node{schema: s.schema, owner: e.owner, text: s.text}
	n.kids = slices.Insert(n.kids, i, made)
	return made
}

// place returns the node of a path for changes, and makes it.
func (e *edit) place(path []step) *node {
	e.root = e.own(e.root)
	n := e.root
	for _, s := range path {
		n = e.kid(n, s)
		if s.schema.kind == leaf {
			n.text = s.text
		}
	}
	return n
}

// set makes what a path says true.
func (e *edit) set(path []step) { e.place(path) }

var errNotFound = errors.New("statement not found")

// remove deletes what a path names, and the containers above it that do not exist without kids. A step whose text may be
// any removes all of its statements.
func (e *edit) remove(path []step) error {
	if len(path) == 0 {
		e.root = &node{schema: e.root.schema, owner: e.owner}
		return nil
	}
	above, last := path[:len(path)-1], path[len(path)-1]
	parent := e.root.follow(above)
	if parent == nil {
		return errNotFound
	}
	gone := slices.ContainsFunc(parent.of(last.schema), func(k *node) bool {
		return last.any || k.text == last.text || !last.schema.keyed() && last.schema.kind != leaf
	})
	if !gone {
		return errNotFound
	}
	n := e.place(above)
	n.kids = slices.DeleteFunc(n.kids, func(k *node) bool {
		return k.schema == last.schema && (last.any || k.text == last.text || !last.schema.keyed())
	})
	if len(n.kids) == 0 && len(above) > 0 && !n.schema.present {
		return e.remove(above)
	}
	return nil
}

// mark makes what a path names inactive, or active.
func (e *edit) mark(path []step, inactive bool) error {
	if len(path) == 0 || e.root.follow(path) == nil {
		return errNotFound
	}
	e.place(path).inactive = inactive
	return nil
}

// move puts an entry before or after another of its list.
func (e *edit) move(path []step, before bool, other string) error {
	last := path[len(path)-1]
	if e.root.follow(path) == nil {
		return errNotFound
	}
	above := path[:len(path)-1]
	if e.root.follow(above).at(last.schema, other) == nil {
		return errNotFound
	}
	if last.text == other {
		return nil
	}
	n := e.place(above)
	i, _ := n.find(last.schema, last.text)
	moved := n.kids[i]
	n.kids = slices.Delete(n.kids, i, i+1)
	i, _ = n.find(last.schema, other)
	if !before {
		i++
	}
	n.kids = slices.Insert(n.kids, i, moved)
	return nil
}

// rename gives an entry of a list another key; a copy leaves the old one too.
func (e *edit) rename(path []step, key string, copied bool) error {
	last := path[len(path)-1]
	old := e.root.follow(path)
	if old == nil {
		return errNotFound
	}
	above := path[:len(path)-1]
	if e.root.follow(above).at(last.schema, key) != nil {
		return fmt.Errorf("target '%s' already exists", key)
	}
	n := e.place(above)
	i, _ := n.find(last.schema, last.text)
	at := i
	if !copied {
		n.kids = slices.Delete(n.kids, i, i+1)
	}
	if copied || !last.schema.ordered {
		at, _ = n.find(last.schema, key)
	}
	made := e.own(old)
	if made == old {
		made = &node{schema: old.schema, owner: e.owner, inactive: old.inactive, kids: slices.Clone(old.kids)}
		for j, k := range made.kids {
			made.kids[j] = e.share(k)
		}
	}
	made.text = key
	n.kids = slices.Insert(n.kids, at, made)
	return nil
}

// share returns a copy of n that no edit may change in place, with all that is below it.
func (e *edit) share(n *node) *node {
	c := &node{schema: n.schema, text: n.text, inactive: n.inactive, kids: slices.Clone(n.kids)}
	for i, k := range c.kids {
		c.kids[i] = e.share(k)
	}
	return c
}
