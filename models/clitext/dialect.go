package clitext

import (
	"strconv"
	"strings"
)

// Style is how a configuration is written.
type Style uint8

const (
	// Indented has one line per statement, blocks by indentation, and is changed with lines and their "no" forms
	// in the mode of the block (EOS, IOS, NX-OS). A node is a line.
	Indented Style = iota
	// Braced has statements that end in a semicolon and blocks in braces, and is changed with set and delete
	// (Junos). A node is a statement without its end.
	Braced
	// Flat has one "set" line per statement with its whole path (Junos, display set). A node is a word.
	Flat
)

// When says when what is gone or replaced is taken away.
type When uint8

const (
	// InTurn is with the other changes of the block that holds it; a whole block goes before anything is set. In
	// styles Braced and Flat everything that goes does so before anything is set. A value that is replaced is not
	// taken away at all: the new one takes its place.
	InTurn When = iota
	// Early is before anything is set, also where another value follows: of all lines that change, the value is
	// taken away first (members of an EOS port channel, whose mode cannot change while there is one).
	Early
	// Contested is Early for a value that another line is about to take or that nothing replaces, else InTurn: what
	// two circuits swap both let go of before either takes it.
	Contested
	// Late is after everything that is set: what others refer to goes when nobody does any more.
	Late
)

// A Dialect is how a network OS writes its configuration and what must be known to change it. It is data; nothing
// changes it.
type Dialect struct {
	Style Style
	// End is the last line of a complete text ("end"); text without it is refused. Empty: there is none.
	End string
	// Indent is by how many spaces a block is indented in canonical text, 0 for 3.
	Indent int
	// Remark begins a comment that the device stores with its block ("!!"); NoRemark takes it away ("no comment").
	// A new one is entered after the old one is gone. Other lines that begin with "!" are not configuration. Only
	// of style Indented.
	Remark, NoRemark string
	// Rules are tried in order; the first that matches holds.
	Rules []Rule
}

// A Rule says what is special about some lines (nodes) of a configuration.
//
// Path names them. In styles Indented and Braced it has a pattern for each level, parted by " / ":
// "interface * / mac access-group ? in". In style Flat it is one pattern, of which each word is a level:
// "interfaces * unit * vlan-id ?". In a pattern
//
//   - is any one word that tells one thing from another, Po* one that begins with Po
//     ?       is a value of one word
//     ...     is a value of one or more words, up to the end
//
// Of lines that are the same up to their first value there is one in a block: a new one replaces the old one.
type Rule struct {
	Path string
	// Rank orders what is set, from the lowest up, and what is taken away, from the highest down. 0 is the rank of
	// the block around. Within a rank the order is that of the text.
	Rank int
	// When is the moment at which it is taken away.
	When When
	// Whole marks a block (an entry of a list) that is taken away as one and that stays, empty, when all in it is
	// taken away. What is not Whole is taken away statement by statement, and is nothing when it is empty.
	Whole bool
	// Anew marks a block that is Whole and never changed: it is taken away and written again.
	Anew bool
	// Renew marks a value that must be taken away right before another is set.
	Renew bool
	// Ordered marks a block in which the order of its entries is their meaning. In style Indented these are the lines
	// that begin with a number, and only the order of the numbers is meaning. In style Braced they are statements
	// of two words ("term rest"), in style Flat everything in it ("... filter * term"); a rule must say that they
	// are Whole.
	Ordered bool
	// Remove are the commands that take it away, in the mode of the block around. {line} stands for the line,
	// {key} for the line up to its first value, {1} to {9} for what the wildcards and values of the last pattern
	// match. Empty: "no {key}" for a line with a value, the line without its "no" for a line that has one, else
	// "no {line}". Only of style Indented.
	Remove []string
	// Left are the lines of a block, which is Whole, that was taken away or that nobody has set up yet ("shutdown").
	// They are entered after it is taken away, and taken away when it is set up without them. A block with only
	// these is the same as none.
	Left []string
	// Add and Cut mark a value that is a set of numbers ("30-40,50"), and change it by what is new and by what is
	// gone: {set} stands for the numbers ("switchport trunk allowed vlan add {set}"). What is new is added first.
	// Several such lines in a block are one set; a value may begin with the word "add". Only of style Indented.
	Add, Cut string
	// Until is the line that ends the text that follows such a line ("EOF" after "banner login"). The text is
	// part of the line and never configuration. Only of style Indented.
	Until string
}

// grammar is a dialect with its rules made ready.
type grammar struct {
	Dialect
	remark  *rule
	byDepth [][]*rule // rules by the number of their levels
	texts   []*rule   // rules with Until
	words   bool      // words may be quoted
}

type rule struct {
	Rule
	path []pattern
}

func newGrammar(d *Dialect) *grammar {
	g := &grammar{Dialect: *d, words: d.Style != Indented}
	if g.Indent == 0 {
		g.Indent = 3
	}
	if d.Remark != "" {
		g.remark = &rule{Rule: Rule{Renew: true, Remove: []string{d.NoRemark}}, path: []pattern{newPattern(d.Remark + "...")}}
	}
	for _, r := range d.Rules {
		c := &rule{Rule: r}
		levels := strings.Split(r.Path, " / ")
		if d.Style == Flat {
			levels = strings.Fields(r.Path)
		}
		for _, l := range levels {
			c.path = append(c.path, newPattern(l))
		}
		for len(g.byDepth) <= len(levels) {
			g.byDepth = append(g.byDepth, nil)
		}
		g.byDepth[len(levels)] = append(g.byDepth[len(levels)], c)
		if r.Until != "" {
			g.texts = append(g.texts, c)
		}
	}
	return g
}

func (r *rule) last() *pattern { return &r.path[len(r.path)-1] }

// valued reports whether the line holds a value that another can replace.
func (r *rule) valued() bool { return r != nil && r.last().value }

// stays reports whether a block is taken away as one, and stays when it is emptied.
func (r *rule) stays() bool { return r != nil && (r.Whole || r.Anew) }

// pattern is what one level of a path matches.
type pattern struct {
	prefix string // literal text before the first word that is none
	tail   []string
	value  bool // has a value
}

func newPattern(text string) pattern {
	words := strings.Fields(text)
	n := 0
	for n < len(words) && !strings.ContainsAny(words[n], "*?") && !strings.HasSuffix(words[n], "...") {
		n++
	}
	p := pattern{prefix: strings.Join(words[:n], " "), tail: words[n:]}
	for _, w := range p.tail {
		p.value = p.value || w == "?" || strings.HasSuffix(w, "...")
	}
	return p
}

// match reports whether the pattern matches a text, and how much of the text comes before its first value. What
// the wildcards and values match is stored in captures, if there are any.
func (p *pattern) match(text string, quoted bool, captures *[9]string) (key int, ok bool) {
	rest, ok := strings.CutPrefix(text, p.prefix)
	if !ok {
		return 0, false
	}
	if len(p.tail) == 0 {
		return len(text), rest == ""
	}
	if p.prefix != "" {
		if rest, ok = strings.CutPrefix(rest, " "); !ok {
			return 0, false
		}
	}
	key, found := -1, 0
	for _, t := range p.tail {
		at := len(text) - len(rest)
		begin, open := strings.CutSuffix(t, "...")
		if open {
			if !strings.HasPrefix(rest, begin) || rest == "" {
				return 0, false
			}
			if key < 0 {
				key = at + len(begin)
			}
			if captures != nil && found < len(captures) {
				captures[found] = rest[len(begin):]
			}
			return key, true
		}
		var w string
		w, rest = cutWord(rest, quoted)
		switch {
		case w == "":
			return 0, false
		case t == "?":
			if key < 0 {
				key = at
			}
		case w == t:
			continue
		case !glob(t, w):
			return 0, false
		}
		if captures != nil && found < len(captures) {
			captures[found] = w
		}
		found++
	}
	if key < 0 {
		key = len(text)
	}
	return key, rest == ""
}

// glob reports whether a word is one of a pattern in which each * stands for any text.
func glob(pattern, w string) bool {
	begin, pattern, _ := strings.Cut(pattern, "*")
	w, ok := strings.CutPrefix(w, begin)
	for ok {
		part, rest, more := strings.Cut(pattern, "*")
		if !more {
			return strings.HasSuffix(w, part)
		}
		pattern = rest
		_, w, ok = strings.Cut(w, part)
	}
	return false
}

// cutWord cuts the first word off a line of a tree.
func cutWord(s string, quoted bool) (word, rest string) {
	end := strings.IndexByte(s, ' ')
	if quoted && strings.HasPrefix(s, `"`) {
		end = len(quotedPart(s))
	}
	if end < 0 || end >= len(s) {
		return s, ""
	}
	return s[:end], strings.TrimPrefix(s[end:], " ")
}

// key returns a line up to its first value.
func (g *grammar) key(r *rule, text string) string {
	n, _ := r.last().match(text, g.words, nil)
	return strings.TrimSuffix(text[:n], " ")
}

// removal returns the commands that take a line away.
func (g *grammar) removal(r *rule, text string) []string {
	switch {
	case r != nil && len(r.Remove) > 0:
		var captures [9]string
		r.last().match(text, g.words, &captures)
		old := []string{"{line}", text, "{key}", g.key(r, text)}
		for i, c := range captures {
			old = append(old, "{"+strconv.Itoa(i+1)+"}", c)
		}
		replace := strings.NewReplacer(old...)
		commands := make([]string, len(r.Remove))
		for i, c := range r.Remove {
			commands[i] = replace.Replace(c)
		}
		return commands
	case r.valued():
		text = g.key(r, text)
	}
	text, _, _ = strings.Cut(text, "\n")
	if positive, ok := strings.CutPrefix(text, "no "); ok {
		return []string{positive}
	}
	return []string{"no " + text}
}

// opens reports whether a line opens the mode of a block.
func (t *Tree) opens(n int32) bool {
	if t.nodes[n].first != 0 {
		return true
	}
	var path [maxDepth]string
	return t.g.holds(path[:t.texts(n, &path)])
}

// holds reports whether by a rule such a line is a block.
func (g *grammar) holds(texts []string) bool {
	for d := len(texts); d < len(g.byDepth); d++ {
		for _, r := range g.byDepth[d] {
			if (d > len(texts) || r.stays()) && r.matches(texts, g.words) {
				return true
			}
		}
	}
	return false
}

// matches reports whether the rule's path begins with what matches the texts.
func (r *rule) matches(texts []string, quoted bool) bool {
	for d := len(texts) - 1; d >= 0; d-- {
		if _, ok := r.path[d].match(texts[d], quoted, nil); !ok {
			return false
		}
	}
	return true
}

// texts stores the texts from the root down to a node and returns how many there are.
func (t *Tree) texts(n int32, path *[maxDepth]string) int {
	depth := t.depth(n)
	for d := depth - 1; d >= 0; d-- {
		path[d] = t.nodes[n].text
		n = t.nodes[n].parent
	}
	return depth
}

func (t *Tree) depth(n int32) int {
	d := 0
	for ; n != 0; n = t.nodes[n].parent {
		d++
	}
	return d
}

// rule returns the rule that holds for a node, nil for none.
func (t *Tree) rule(n int32, g *grammar) *rule {
	if g.remark != nil && strings.HasPrefix(t.nodes[n].text, g.Remark) {
		return g.remark
	}
	var path [maxDepth]string
	depth := t.texts(n, &path)
	if depth >= len(g.byDepth) {
		return nil
	}
	for _, r := range g.byDepth[depth] {
		if r.matches(path[:depth], g.words) {
			return r
		}
	}
	return nil
}
