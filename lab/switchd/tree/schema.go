package tree

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/openconfig/goyang/pkg/yang"

	"github.com/ixagent/ixagent/models/oc"
)

type kind uint8

const (
	container kind = iota
	list           // the list as a whole; its kids are entries
	entry          // one list entry
	leaf
	leafList
)

// schemaNode describes the data nodes at one schema path. An entry has the
// path of its list.
type schemaNode struct {
	name      string
	module    string
	path      string
	kind      kind
	readOnly  bool // config false
	mandatory bool
	index     int // position among the parent's children
	parent    *schemaNode
	children  []*schemaNode          // container and entry: sorted by name; list: its entry
	byName    map[string]*schemaNode // plain names
	jsonName  string                 // name as a member of its parent, qualified where RFC 7951 wants it
	qualified string
	typ       *valueType
	keys      []*schemaNode // entry: its key leaves in the order of the key statement
	config    []*schemaNode // entry: for each key the leaf of config it must equal, nil where there is none
	numeric   bool          // entry: its only key is an integer
	refs      []reference   // container: references of its leaves to list entries
	when      *condition
	required  []*schemaNode // entry and container: descendants that must exist, no list in between
	decider   []string      // entry: the leaf that conditions below depend on
	targeted  bool          // entry: references may name it
}

// maxChildren lets a parser remember in one word which members it has seen.
const maxChildren = 64

// Schema is a compiled YANG schema. It is immutable.
type Schema struct {
	root *schemaNode
}

// OpenConfig returns the schema of package oc. It is compiled once, in some ten
// milliseconds, and shared.
func OpenConfig() (*Schema, error) { return openConfig() }

var openConfig = sync.OnceValues(compile)

func compile() (*Schema, error) {
	e, err := oc.Root()
	if err != nil {
		return nil, err
	}
	c := compiler{modules: oc.Modules(), patterns: make(map[string]*pattern)}
	root := &schemaNode{kind: container, path: ""}
	if err := c.children(root, e); err != nil {
		return nil, err
	}
	s := &Schema{root: root}
	if err := c.link(s); err != nil {
		return nil, err
	}
	return s, nil
}

type compiler struct {
	modules  map[string]string
	patterns map[string]*pattern
	leafrefs []leafref
}

type leafref struct {
	node *schemaNode
	typ  *valueType
	path string
}

func (c *compiler) children(parent *schemaNode, e *yang.Entry) error {
	names := make([]string, 0, len(e.Dir))
	for name := range e.Dir {
		names = append(names, name)
	}
	slices.Sort(names)
	parent.byName = make(map[string]*schemaNode, len(names))
	for _, name := range names {
		child, err := c.node(parent, e.Dir[name])
		if err != nil {
			return err
		}
		if child == nil {
			continue
		}
		child.index = len(parent.children)
		parent.children = append(parent.children, child)
		parent.byName[name] = child
	}
	if len(parent.children) > maxChildren {
		return fmt.Errorf("schema: %s has more than %d children", parent.path, maxChildren)
	}
	return nil
}

func (c *compiler) node(parent *schemaNode, e *yang.Entry) (*schemaNode, error) {
	path := parent.path + "/" + e.Name
	module, ok := c.modules[path]
	if !ok {
		return nil, nil // a container emptied by the trim
	}
	n := &schemaNode{
		name: e.Name, module: module, path: path, parent: parent,
		readOnly:  parent.readOnly || e.Config == yang.TSFalse,
		mandatory: e.Mandatory == yang.TSTrue,
		qualified: module + ":" + e.Name, jsonName: e.Name,
	}
	if module != parent.module {
		n.jsonName = n.qualified
	}
	var err error
	switch {
	case e.IsLeaf(), e.IsLeafList():
		n.kind = leaf
		if e.IsLeafList() {
			n.kind = leafList
		}
		n.typ, err = c.valueType(n, e.Type)
		return n, err
	case e.IsList():
		n.kind = list
		one := &schemaNode{name: e.Name, module: module, path: path, kind: entry, readOnly: n.readOnly, parent: n}
		if err := c.children(one, e); err != nil {
			return nil, err
		}
		n.children = []*schemaNode{one}
		return n, c.keys(one, strings.Fields(e.Key))
	case e.IsContainer():
		n.kind = container
		return n, c.children(n, e)
	}
	return nil, fmt.Errorf("schema: %s: unsupported kind of node", path)
}

func (c *compiler) keys(one *schemaNode, names []string) error {
	for _, name := range names {
		key := one.byName[name]
		if key == nil {
			return fmt.Errorf("schema: %s: no key leaf %s", one.path, name)
		}
		one.keys = append(one.keys, key)
		var config *schemaNode
		if box := one.byName["config"]; box != nil {
			config = box.byName[name]
		}
		one.config = append(one.config, config)
	}
	if len(one.keys) == 1 && len(one.config) == 1 && one.config[0] != nil {
		one.numeric = one.config[0].typ.integer()
	}
	return nil
}

// link resolves what needs the whole tree: leafrefs, conditions and the
// mandatory leaves.
func (c *compiler) link(s *Schema) error {
	for _, l := range c.leafrefs {
		if err := s.linkLeafref(l); err != nil {
			return fmt.Errorf("schema: leafref %s: %w", l.node.path, err)
		}
	}
	if err := s.linkConditions(); err != nil {
		return err
	}
	s.root.linkMandatory()
	return nil
}

func (n *schemaNode) linkMandatory() {
	for _, c := range n.children {
		c.linkMandatory()
		switch {
		case c.readOnly:
		case c.kind == leaf && c.mandatory:
			n.required = append(n.required, c)
		case c.kind == container:
			// Containers without presence exist as soon as their parent does,
			// unless a condition takes them away.
			if c.when == nil {
				n.required = append(n.required, c.required...)
			}
		}
	}
}

// lookup finds a schema node by path; entries are found as their list.
func (s *Schema) lookup(path string) *schemaNode {
	n := s.root
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if n = n.child(name); n == nil {
			return nil
		}
	}
	return n
}

// child finds a child by plain name, or by a name qualified with its module.
// A list is seen through to its entries.
func (n *schemaNode) child(name string) *schemaNode {
	if n.kind == list {
		n = n.children[0]
	}
	if c := n.byName[name]; c != nil {
		return c
	}
	if module, plain, ok := strings.Cut(name, ":"); ok {
		if c := n.byName[plain]; c != nil && c.module == module {
			return c
		}
	}
	return nil
}

// member finds a child by its name in RFC 7951 JSON: qualified, or plain where
// the namespace is that of the parent.
func (n *schemaNode) member(name string) *schemaNode {
	if c := n.byName[name]; c != nil {
		if c.module == n.module {
			return c
		}
		return nil
	}
	if module, plain, ok := strings.Cut(name, ":"); ok {
		if c := n.byName[plain]; c != nil && c.module == module {
			return c
		}
	}
	return nil
}
