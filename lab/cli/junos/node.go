package junos

import (
	"iter"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// node is a statement. Kids are in the order of the schema, entries of a list in theirs. A node is changed only by the
// edit that made it.
type node struct {
	schema   *schema
	owner    *owner
	text     string // value or key
	inactive bool
	kids     []*node
}

// owner identifies an edit. It has a size, so that each has its own address.
type owner struct{ _ byte }

// step is a statement on a path, with its value or key.
type step struct {
	schema *schema
	text   string
	any    bool // leaf, leafList and list: whatever the text is
}

// find returns where the node of a step is among the kids, or belongs.
func (n *node) find(s *schema, text string) (int, bool) {
	from, _ := slices.BinarySearchFunc(n.kids, s.index, func(k *node, index int) int { return k.schema.index - index })
	if !s.keyed() {
		return from, from < len(n.kids) && n.kids[from].schema == s
	}
	to, _ := slices.BinarySearchFunc(n.kids, s.index+1, func(k *node, index int) int { return k.schema.index - index })
	if s.ordered {
		if i := slices.IndexFunc(n.kids[from:to], func(k *node) bool { return k.text == text }); i >= 0 {
			return from + i, true
		}
		return to, false
	}
	i, ok := slices.BinarySearchFunc(n.kids[from:to], text, func(k *node, text string) int { return switchcfg.CompareNames(k.text, text) })
	return from + i, ok
}

// at returns the kid of a step; nil if there is none, or n is nil.
func (n *node) at(s *schema, text string) *node {
	if n == nil || s == nil {
		return nil
	}
	if i, ok := n.find(s, text); ok {
		return n.kids[i]
	}
	return nil
}

// of returns the statements of one schema.
func (n *node) of(s *schema) []*node {
	if n == nil || s == nil {
		return nil
	}
	from, _ := slices.BinarySearchFunc(n.kids, s.index, func(k *node, index int) int { return k.schema.index - index })
	to, _ := slices.BinarySearchFunc(n.kids, s.index+1, func(k *node, index int) int { return k.schema.index - index })
	return n.kids[from:to]
}

// get descends by the names of statements that are not lists, to what is active; nil if there is nothing.
func (n *node) get(names ...string) *node {
	for _, name := range names {
		if n == nil {
			return nil
		}
		if n = n.at(n.schema.kid(name), ""); n != nil && n.inactive {
			return nil
		}
	}
	return n
}

// value is the text of what get returns.
func (n *node) value(names ...string) string {
	if n = n.get(names...); n == nil {
		return ""
	}
	return n.text
}

// each iterates over the active entries of a list, or the values of a statement, of a name.
func (n *node) each(name string) iter.Seq[*node] {
	return func(yield func(*node) bool) {
		if n == nil {
			return
		}
		for _, k := range n.of(n.schema.kid(name)) {
			if !k.inactive && !yield(k) {
				return
			}
		}
	}
}

// entry returns the active entry of a list with a key.
func (n *node) entry(name, key string) *node {
	if n == nil {
		return nil
	}
	if n = n.at(n.schema.kid(name), key); n == nil || n.inactive {
		return nil
	}
	return n
}

// follow descends along a path; nil if there is nothing.
func (n *node) follow(path []step) *node {
	for _, s := range path {
		if n = n.at(s.schema, s.text); n == nil {
			return nil
		}
	}
	return n
}

// same reports whether two statements have the same text and the same below them, in the same order.
func same(a, b *node) bool {
	if a == b {
		return true
	}
	return a.schema == b.schema && a.text == b.text && a.inactive == b.inactive && slices.EqualFunc(a.kids, b.kids, same)
}

// words appends the words with which a statement is written.
func (n *node) words(to []string) []string { return step{schema: n.schema, text: n.text}.words(to) }

func (s step) words(to []string) []string {
	if !s.schema.bare {
		to = append(to, s.schema.name)
	}
	if s.schema.kind != container && s.schema.kind != empty && !s.any {
		to = append(to, quote(s.text))
	}
	return to
}

// written is a path as it is written.
func written(path []step) string {
	var words []string
	for _, s := range path {
		words = s.words(words)
	}
	return strings.Join(words, " ")
}

// quote writes a word with quotation marks if it needs them.
func quote(text string) string {
	plain := text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._:/@+=,*-", r))
	})
	if plain {
		return text
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
