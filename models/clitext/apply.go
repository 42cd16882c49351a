package clitext

import (
	"errors"
	"fmt"
	"strings"
)

// Apply returns what a device with that configuration has after the commands, as far as the dialect says what they
// mean. It is how a patch is proved. A line opens a block if it has one in the tree, or if a rule names something in
// it or has it as a whole.
func Apply(t *Tree, commands []string) (*Tree, error) {
	if t.err != nil {
		return nil, t.err
	}
	a := applier{t: t.clone()}
	for i := 0; i < len(commands); {
		n, err := 1, error(nil)
		if t.g.Style == Indented {
			n, err = a.line(commands[i:])
		} else {
			err = a.command(commands[i])
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %w", commands[i], err)
		}
		i += n
	}
	a.leave(0)
	return a.t, nil
}

var errNotFound = errors.New("statement not found")

type applier struct {
	t    *Tree
	mode []mode // the blocks that are open
}

// mode is an open block. One that is emptied, and is not whole, is nothing when it is left.
type mode struct {
	block   int32
	emptied bool
}

func (a *applier) leave(depth int) {
	for len(a.mode) > depth {
		m := a.mode[len(a.mode)-1]
		a.mode = a.mode[:len(a.mode)-1]
		if m.emptied && a.t.nodes[m.block].first == 0 && !a.t.rule(m.block, a.t.g).stays() {
			a.remove(m.block)
		}
	}
}

// remove drops a node and notes in the modes that its block is empty.
func (a *applier) remove(n int32) {
	block := a.t.nodes[n].parent
	a.t.drop(n)
	for i := range a.mode {
		if a.mode[i].block == block && a.t.nodes[block].first == 0 {
			a.mode[i].emptied = true
		}
	}
}

// line enters the first of some commands and returns how many it took.
func (a *applier) line(commands []string) (int, error) {
	t, g, c := a.t, a.t.g, commands[0]
	block, depth := int32(0), len(a.mode)
	if depth > 0 {
		block = a.mode[depth-1].block
	}
	if c == exit {
		if depth == 0 {
			return 0, errors.New("no block is open")
		}
		a.leave(depth - 1)
		return 1, nil
	}
	if err := g.checkLine(c, depth); err != nil {
		return 0, err
	}
	if depth == maxDepth-1 {
		return 0, errDepth
	}
	if r := t.rule(block, g); block != 0 && r != nil && r.Ordered && a.entry(block, c) {
		return 1, nil
	}
	if a.numbers(block, depth, c) {
		return 1, nil
	}
	if n, lines := a.negated(block, c); n != 0 {
		for n != 0 {
			a.remove(n)
			n, _ = a.negated(block, c)
		}
		for i, l := range lines {
			if i == len(commands) || commands[i] != l {
				return i, nil
			}
		}
		return len(lines), nil
	}
	if g.remark != nil && strings.HasPrefix(c, g.Remark) {
		r := reader{t: t}
		r.remark(block, c)
		return 1, nil
	}
	n := a.put(block, c)
	if r := g.text(t, n, depth); r != nil {
		for i, l := range commands {
			if l == r.Until {
				t.drop(n)
				t.put(block, strings.Join(commands[:i+1], "\n"), 0)
				return i + 1, nil
			}
		}
		return 0, fmt.Errorf("the text ends without %q", r.Until)
	}
	if t.opens(n) {
		a.mode = append(a.mode, mode{block: n})
	}
	return 1, nil
}

// put returns the child with that text. One that is new takes the place of another value, and a block that is new
// has what nobody has set up yet.
func (a *applier) put(block int32, text string) int32 {
	t, g := a.t, a.t.g
	if n := t.child(block, text); n != 0 {
		return n
	}
	n := t.put(block, text, 0)
	r := t.rule(n, g)
	if r == nil {
		return n
	}
	if r.valued() {
		key := g.key(r, text)
		for c := t.nodes[block].first; c != n; {
			next := t.nodes[c].next
			if t.rule(c, g) == r && g.key(r, t.nodes[c].text) == key {
				t.drop(c)
			}
			c = next
		}
	}
	for _, left := range r.Left {
		t.put(n, left, 0)
	}
	return n
}

// negated returns the line of a block that a command takes away, and all commands that take it away.
func (a *applier) negated(block int32, c string) (int32, []string) {
	t, g := a.t, a.t.g
	try := func(n int32) []string {
		if n != 0 {
			if lines := g.removal(t.rule(n, g), t.nodes[n].text); lines[0] == c {
				return lines
			}
		}
		return nil
	}
	positive, isNo := strings.CutPrefix(c, "no ")
	if isNo {
		if n := t.child(block, positive); try(n) != nil {
			return n, try(n)
		}
	} else if n := t.child(block, "no "+c); try(n) != nil {
		return n, try(n)
	}
	if !isNo && !g.removes(c) {
		return 0, nil
	}
	for n := t.nodes[block].first; n != 0; n = t.nodes[n].next {
		if lines := try(n); lines != nil {
			return n, lines
		}
	}
	return 0, nil
}

// removes reports whether a command begins like one that a rule takes something away with.
func (g *grammar) removes(c string) bool {
	for _, rules := range g.byDepth {
		for _, r := range rules {
			if len(r.Remove) > 0 {
				if literal, _, _ := strings.Cut(r.Remove[0], "{"); strings.HasPrefix(c, literal) {
					return true
				}
			}
		}
	}
	return g.remark != nil && c == g.NoRemark
}

// entry enters or takes away a numbered entry.
func (a *applier) entry(block int32, c string) bool {
	t := a.t
	number, _, ok := cutNumber(c)
	positive, isNo := strings.CutPrefix(c, "no ")
	if isNo {
		number, _, ok = cutNumber(positive + " entry")
	}
	if !ok {
		return false
	}
	after := int32(0)
	for n := t.nodes[block].first; n != 0; {
		next := t.nodes[n].next
		switch other, _, ok := cutNumber(t.nodes[n].text); {
		case ok && other == number:
			a.remove(n)
		case ok && other < number:
			after = n
		}
		n = next
	}
	if !isNo {
		n := t.put(block, c, 0)
		t.unlink(n)
		t.link(n, block, after)
	}
	return true
}

// numbers adds to a set or cuts from it.
func (a *applier) numbers(block int32, depth int, c string) bool {
	t, g := a.t, a.t.g
	if depth+1 >= len(g.byDepth) {
		return false
	}
	for _, r := range g.byDepth[depth+1] {
		if r.Add == "" || block != 0 && !r.above(t, block) {
			continue
		}
		add, isAdd := cutSet(r.Add, c)
		cut, isCut := cutSet(r.Cut, c)
		if !isAdd && !isCut {
			continue
		}
		s := slotKey{r, r.last().prefix}
		has, _ := t.united(block, s, g)
		for n := t.nodes[block].first; n != 0; {
			next := t.nodes[n].next
			if t.rule(n, g) == r {
				t.drop(n)
			}
			n = next
		}
		if has = append(has, add...).normal().minus(cut); len(has) > 0 {
			t.put(block, s.key+" "+has.String(), 0)
		}
		return true
	}
	return false
}

// above reports whether a rule is for lines in that block.
func (r *rule) above(t *Tree, block int32) bool {
	var path [maxDepth]string
	return r.matches(path[:t.texts(block, &path)], t.g.words)
}

// cutSet returns the numbers that a command of that template has.
func cutSet(template, c string) (numbers, bool) {
	before, after, _ := strings.Cut(template, "{set}")
	rest, ok := strings.CutPrefix(c, before)
	rest, ok2 := strings.CutSuffix(rest, after)
	if !ok || !ok2 {
		return nil, false
	}
	return parseNumbers(rest)
}

// command enters a command that names the whole path.
func (a *applier) command(c string) error {
	verb, rest, _ := strings.Cut(c, " ")
	switch verb {
	case "set":
		return a.set(rest)
	case "insert":
		return a.insert(rest)
	case "delete", "activate", "deactivate":
		n, err := a.find(rest)
		if err != nil {
			return err
		}
		if verb != "delete" {
			a.t.nodes[n].inactive = verb == "deactivate"
			return nil
		}
		a.prune(n)
		return nil
	}
	return errors.New("unknown command")
}

// prune drops a node, and what is around it and is nothing without it.
func (a *applier) prune(n int32) {
	t := a.t
	for {
		block := t.nodes[n].parent
		t.drop(n)
		if block == 0 || t.nodes[block].first != 0 || t.rule(block, t.g).stays() {
			return
		}
		n = block
	}
}

func (a *applier) set(path string) error {
	if path == "" {
		return errEmpty
	}
	at, depth := int32(0), 0
	for path != "" {
		text, rest, err := a.cut(at, depth, path)
		if err != nil {
			return err
		}
		at, path = a.put(at, text), rest
		depth++
	}
	return nil
}

// cut cuts what is one node off a path: in style Braced as much as a child or a rule has in one.
func (a *applier) cut(block int32, depth int, path string) (text, rest string, err error) {
	switch {
	case depth == maxDepth:
		return "", "", errDepth
	case a.t.g.Style == Flat:
		return nextWord(path)
	}
	if path, err = canonical(path); err != nil {
		return "", "", err
	}
	var texts [maxDepth]string
	a.t.texts(block, &texts)
	text = path
	for left := path; left != ""; {
		_, left = cutWord(left, true)
		head := strings.TrimSuffix(path[:len(path)-len(left)], " ")
		texts[depth] = head
		if a.t.child(block, head) != 0 || a.t.g.holds(texts[:depth+1]) && left != "" {
			text, rest = head, left
		}
	}
	return text, rest, nil
}

// find returns the node with that path. A value need not be named.
func (a *applier) find(path string) (int32, error) {
	t := a.t
	at, depth := int32(0), 0
	for path != "" {
		text, rest, err := a.cut(at, depth, path)
		if err != nil {
			return 0, err
		}
		n := t.child(at, text)
		for c := t.nodes[at].first; n == 0 && c != 0 && rest == ""; c = t.nodes[c].next {
			if r := t.rule(c, t.g); r.valued() && t.g.key(r, t.nodes[c].text) == text {
				n = c
			}
		}
		if n == 0 {
			return 0, errNotFound
		}
		at, path = n, rest
		depth++
	}
	if at == 0 {
		return 0, errEmpty
	}
	return at, nil
}

// insert moves an entry to before or behind another.
func (a *applier) insert(c string) error {
	t := a.t
	i := max(strings.LastIndex(c, " after "), strings.LastIndex(c, " before "))
	if i < 0 {
		return errors.New("neither before nor after")
	}
	n, err := a.find(c[:i])
	if err != nil {
		return err
	}
	block := t.nodes[n].parent
	where, to, _ := strings.Cut(c[i+1:], " ")
	if t.g.Style == Flat {
		_, to = cutWord(to, true)
	}
	other := t.child(block, to)
	if other == 0 || other == n {
		return errNotFound
	}
	t.unlink(n)
	if where == "before" {
		other = t.nodes[other].prev
	}
	t.link(n, block, other)
	return nil
}
