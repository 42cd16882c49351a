package junos

import (
	"slices"
	"strings"
)

const indent = "    "

// printer writes configurations as Junos shows them.
type printer struct {
	b      []byte
	margin string // at the beginning of every line
}

func (p *printer) line(depth int, text ...string) {
	p.b = append(p.b, p.margin...)
	for range depth {
		p.b = append(p.b, indent...)
	}
	for _, t := range text {
		p.b = append(p.b, t...)
	}
	p.b = append(p.b, '\n')
}

// braces writes the statements below n.
func (p *printer) braces(n *node, depth int) {
	for i := 0; i < len(n.kids); {
		j := i + 1
		if s := n.kids[i].schema; s.kind == leafList || s.block {
			for j < len(n.kids) && n.kids[j].schema == s {
				j++
			}
		}
		p.statement(n.kids[i:j], "", depth)
		i = j
	}
}

func dead(n *node) string {
	if n.inactive {
		return "inactive: "
	}
	return ""
}

// statement writes one statement, or all of a leaf-list or a block.
func (p *printer) statement(group []*node, before string, depth int) {
	n := group[0]
	s := n.schema
	words := strings.Join(n.words(nil), " ")
	switch {
	case s.kind == leafList && len(group) > 1:
		values := make([]string, len(group))
		for i, v := range group {
			values[i] = quote(v.text)
		}
		p.line(depth, dead(n), before, s.name, " [ ", strings.Join(values, " "), " ];")
	case s.block:
		p.line(depth, before, s.name, " {")
		for _, v := range group {
			p.line(depth+1, dead(v), quote(v.text), ";")
		}
		p.line(depth, "}")
	case s.prefix:
		for _, k := range n.kids {
			p.statement([]*node{k}, dead(n)+s.name+" ", depth)
		}
	case s.oneLine:
		for _, k := range n.kids {
			words += " " + strings.Join(k.words(nil), " ")
		}
		p.line(depth, dead(n), before, words, ";")
	case len(n.kids) == 0:
		p.line(depth, dead(n), before, words, ";")
	default:
		p.line(depth, dead(n), before, words, " {")
		p.braces(n, depth+1)
		p.line(depth, "}")
	}
}

// appendBraces appends n as `show` prints it: what is below it, or itself where it is a value.
func appendBraces(b []byte, n *node) []byte {
	p := printer{b: b}
	if len(n.kids) == 0 && n.schema.kind != container {
		p.statement([]*node{n}, "", 0)
	} else {
		p.braces(n, 0)
	}
	return p.b
}

// appendSet appends the lines that make n, which is at the end of a path, as `display set` prints them.
func appendSet(b []byte, n *node, path []string) []byte {
	if len(n.kids) == 0 && n.schema.present && len(path) > 0 {
		b = appendLine(b, "set", path)
	}
	for _, k := range n.kids {
		b = appendSet(b, k, k.words(path[:len(path):len(path)]))
	}
	if n.inactive {
		b = appendLine(b, "deactivate", path)
	}
	return b
}

func appendLine(b []byte, verb string, words []string) []byte {
	b = append(b, verb...)
	for _, w := range words {
		b = append(append(b, ' '), w...)
	}
	return append(b, '\n')
}

// comparison writes how two configurations differ.
type comparison struct {
	printer
	head string // of the level that the last line is of
}

// compare returns what `show | compare` prints for a change of what is at a path.
func compare(before, after *node, path []string) []byte {
	var c comparison
	c.level(before, after, path, "")
	return c.b
}

// under writes below the head of a level.
func (c *comparison) under(path []string, margin string, print func()) {
	head := "[edit"
	for _, w := range path {
		head += " " + w
	}
	if head += "]"; head != c.head {
		c.margin, c.head = "", head
		c.line(0, head)
	}
	c.margin = margin
	print()
}

const (
	added   = "+   "
	removed = "-   "
	altered = "!   "
	newText = "+  "
	oldText = "-  "
)

// level writes the differences of the statements below one that both have. before is written before each of them.
func (c *comparison) level(a, b *node, path []string, before string) {
	for i, j := 0, 0; i < len(a.kids) || j < len(b.kids); {
		var s *schema
		switch {
		case i == len(a.kids):
			s = b.kids[j].schema
		case j == len(b.kids) || a.kids[i].schema.index <= b.kids[j].schema.index:
			s = a.kids[i].schema
		default:
			s = b.kids[j].schema
		}
		was, is := a.of(s), b.of(s)
		i, j = i+len(was), j+len(is)
		if s.kind == list {
			c.entries(a, b, was, is, path, before)
			continue
		}
		c.values(was, is, path, before)
	}
}

// values compares statements that are no list.
func (c *comparison) values(was, is []*node, path []string, before string) {
	if slices.EqualFunc(was, is, same) {
		return
	}
	switch {
	case len(is) == 0:
		c.under(path, removed, func() { c.statement(was, before, 0) })
	case len(was) == 0:
		c.under(path, added, func() { c.statement(is, before, 0) })
	case was[0].schema.kind == container && !was[0].schema.oneLine:
		c.both(was[0], is[0], path, before)
	case was[0].inactive != is[0].inactive:
		c.under(path, altered, func() { c.statement(is, before, 0) })
	default:
		c.under(path, oldText, func() { c.statement(was, before, 0) })
		c.under(path, newText, func() { c.statement(is, before, 0) })
	}
}

// both compares what is below a container or entry that both have.
func (c *comparison) both(was, is *node, path []string, before string) {
	if was.inactive != is.inactive {
		mark := "active: "
		if is.inactive {
			mark = ""
		}
		c.under(path, altered, func() {
			c.statement([]*node{{schema: is.schema, text: is.text, inactive: is.inactive}}, mark+before, 0)
		})
	}
	if is.schema.prefix {
		c.level(was, is, path, before+is.schema.name+" ")
		return
	}
	below := path[:len(path):len(path)]
	if before != "" {
		below = append(below, strings.TrimSpace(before))
	}
	c.level(was, is, is.words(below), "")
}

// entries compares a list.
func (c *comparison) entries(a, b *node, was, is []*node, path []string, before string) {
	for _, n := range was {
		if b.at(n.schema, n.text) == nil {
			c.under(path, removed, func() { c.statement([]*node{n}, before, 0) })
		}
	}
	var kept []*node
	for _, n := range was {
		if b.at(n.schema, n.text) != nil {
			kept = append(kept, n)
		}
	}
	next := 0
	for _, n := range is {
		old := a.at(n.schema, n.text)
		if old == nil {
			c.under(path, added, func() { c.statement([]*node{n}, before, 0) })
			continue
		}
		if kept[next].text != n.text {
			words := strings.Join(n.words(nil), " ")
			c.under(path, altered, func() { c.line(0, before, words, " { ... }") })
		}
		next++
		if !same(old, n) {
			c.both(old, n, path, before)
		}
	}
}
