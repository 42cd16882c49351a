package eos

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// line is a line of configuration with the block below it.
type line struct {
	command *command
	text    string
	args    []string
	comment []string // lines that begin with "!!"
	kids    map[string]*line
}

// config is a whole configuration. One that runs, or did, never changes.
type config struct{ line }

func (l *line) clone() *line {
	c := *l
	c.comment = slices.Clone(l.comment)
	c.kids = make(map[string]*line, len(l.kids))
	for name, kid := range l.kids {
		c.kids[name] = kid.clone()
	}
	return &c
}

func (c *config) clone() *config { return &config{*c.line.clone()} }

// at returns the line in a slot; nil if there is none, or no l.
func (l *line) at(slot string) *line {
	if l == nil {
		return nil
	}
	return l.kids[slot]
}

// arg returns the last argument of the line in a slot; empty if there is none.
func (l *line) arg(slot string) string {
	if kid := l.at(slot); kid != nil && len(kid.args) > 0 {
		return kid.args[len(kid.args)-1]
	}
	return ""
}

func (l *line) has(slot string) bool { return l.at(slot) != nil }

func (l *line) put(slot string, kid *line) {
	if l.kids == nil {
		l.kids = make(map[string]*line)
	}
	l.kids[slot] = kid
}

// sorted returns the lines of a block in the order in which they are shown.
func (l *line) sorted() []*line {
	return slices.SortedFunc(maps.Values(l.kids), func(a, b *line) int {
		return cmp.Or(cmp.Compare(a.command.rank, b.command.rank), natural(a.text, b.text))
	})
}

// natural compares texts with numbers in them by their value.
func natural(a, b string) int {
	for a != "" && b != "" {
		x, y := digits(a), digits(b)
		if x > 0 && y > 0 {
			m, n := strings.TrimLeft(a[:x], "0"), strings.TrimLeft(b[:y], "0")
			if c := cmp.Or(cmp.Compare(len(m), len(n)), cmp.Compare(m, n)); c != 0 {
				return c
			}
			a, b = a[x:], b[y:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// block is a top-level piece of a configuration as it is shown.
type block struct {
	head  string
	body  []string
	rank  int
	alone bool // one line of several of a kind
}

// blocks returns the pieces of a configuration in the order in which they are shown. VLANs of which nothing is said
// share a line where they are neighbours.
func (c *config) blocks() []block {
	var all []block
	var bare []int // VLANs
	flush := func() {
		if len(bare) > 0 {
			all = append(all, block{head: "vlan " + formatVLANs(bare)})
			bare = nil
		}
	}
	for _, l := range c.sorted() {
		body := l.body(nil, "   ")
		if l.command.empty && len(body) == 0 {
			continue
		}
		if l.command.opens == vlanMode && len(body) == 0 {
			v, _ := parseVLANs(l.args[0])
			bare = append(bare, v...)
			continue
		}
		flush()
		all = append(all, block{l.text, body, l.command.rank, l.command.opens == ""})
	}
	flush()
	return all
}

// body appends the lines of a block.
func (l *line) body(to []string, indent string) []string {
	for _, c := range l.comment {
		to = append(to, indent+"!! "+c)
	}
	between := l.command != nil && l.command.opens == panel
	for i, kid := range l.sorted() {
		if kid.command.empty && len(kid.kids) == 0 {
			continue
		}
		if between && i > 0 {
			to = append(to, indent+"!")
		}
		to = append(to, indent+kid.text)
		to = kid.body(to, indent+"   ")
	}
	return to
}

// text is a configuration without the lines at its head and the end marker.
func (c *config) text() []byte { return textOf(c.blocks()) }

func textOf(blocks []block) []byte {
	var b []byte
	for i, k := range blocks {
		if i > 0 && !(k.alone && blocks[i-1].alone && blocks[i-1].rank == k.rank) {
			b = append(b, "!\n"...)
		}
		b = append(append(b, k.head...), '\n')
		for _, l := range k.body {
			b = append(append(b, l...), '\n')
		}
	}
	if len(blocks) > 0 {
		b = append(b, "!\n"...)
	}
	return b
}

// edit changes a configuration.
type edit struct {
	config  *config
	ports   map[string]bool // that are there
	changed bool
	warn    []string
	draft   *line // of a block that takes effect as a whole when its mode is left
	grammar *grammar
}

// ensure returns the block that a command opens, and makes it if it is not there.
func (e *edit) ensure(at *line, c *call) *line {
	name := c.name()
	if l := at.at(name); l != nil {
		return l
	}
	l := &line{command: c.command, text: c.text(), args: c.args}
	at.put(name, l)
	e.changed = true
	return l
}

func (e *edit) remove(at *line, slot string) {
	if at.has(slot) {
		delete(at.kids, slot)
		e.changed = true
	}
}

// apply does what a command says in a block.
func (e *edit) apply(at *line, c *call) error {
	if c.edit != nil {
		return c.edit(e, at, c)
	}
	return e.plain(at, c)
}

// plain sets the line that a command stands for, or takes it away.
func (e *edit) plain(at *line, c *call) error {
	gone := c.undo != ""
	text := c.text()
	if c.negated {
		gone, text = c.undo != "no", "no "+text
	}
	switch {
	case gone || text == c.standard:
		e.remove(at, c.name())
	case c.opens != "":
		e.ensure(at, c)
	default:
		if old := at.at(c.name()); old == nil || old.text != text {
			at.put(c.name(), &line{command: c.command, text: text, args: c.args})
			e.changed = true
		}
	}
	return nil
}
