package config

import (
	"path/filepath"
	"slices"

	"github.com/goccy/go-yaml/ast"

	"github.com/ixagent/ixagent/drivers"
)

// Adopted is [Parse] of a configuration with another inventory in place of what its own says of the same things.
func Adopted(path string, text, inventory []byte, known drivers.Registry) (*Config, error) {
	name := string(filepath.Separator) + "adopted" // of a file that is not read
	read := func(path string) ([]byte, error) {
		if path == name {
			return inventory, nil
		}
		return readFile(path)
	}
	l := &loader{decoder: newDecoder(), read: read, files: map[string]Position{path: {File: path}}}
	doc, other, include := l.parse(path, text), l.parse(name, inventory), l.parse(path, []byte("inventory: {include: ["+name+"]}"))
	if l.faults == nil && l.adopt(doc, other, include) {
		c := new(Config)
		if l.decode(doc, c) {
			l.include(&c.Inventory)
			l.finish(c)
			l.check(c, known)
		}
		if l.faults == nil {
			return c, nil
		}
	}
	return nil, l.faults.err()
}

// adopt has a document include other, and takes what that says out of its inventory.
func (l *loader) adopt(doc, other, include *document) bool {
	root, ok := doc.root.(*ast.MappingNode)
	if !ok {
		l.fault(Fault{Position: position(doc.file, start(doc.root)), Message: kindOf(doc.root) + " where a configuration is expected"})
		return false
	}
	says := entriesOf(other.root)
	entry := entriesOf(include.root)["inventory"]
	if own := entriesOf(doc.root)["inventory"]; own != nil {
		mapping := entry.Value.(*ast.MappingNode)
		for key, e := range entriesOf(own.Value) {
			if says[key] == nil && key != "include" {
				mapping.Values = append(mapping.Values, e)
			}
		}
	}
	root.Values = slices.DeleteFunc(root.Values, func(e *ast.MappingValueNode) bool { return e.Key.GetToken().Value == "inventory" })
	root.Values = append(root.Values, entry)
	return true
}

// entriesOf returns the entries of a mapping by their keys; of anything else there are none.
func entriesOf(n ast.Node) map[string]*ast.MappingValueNode {
	var all []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		all = n.Values
	case *ast.MappingValueNode:
		all = []*ast.MappingValueNode{n}
	}
	out := make(map[string]*ast.MappingValueNode, len(all))
	for _, e := range all {
		out[e.Key.GetToken().Value] = e
	}
	return out
}
