package clitext

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

const exit = "exit"

// Patch returns the commands that make a device with the first configuration have the second, in order, from and to
// the mode in which configuration begins. Both trees must be of one dialect. The patch of equal trees is empty.
func Patch(before, after *Tree) []string {
	if before.err != nil || after.err != nil {
		return nil
	}
	p := patch{g: after.g, a: before, b: after}
	p.pair(0, 0)
	p.contest()
	slices.SortStableFunc(p.edits, func(x, y edit) int {
		if x.phase != y.phase || x.phase == inTurn {
			return cmp.Or(cmp.Compare(x.phase, y.phase), cmp.Compare(x.rank, y.rank))
		}
		return cmp.Compare(y.rank, x.rank)
	})
	return p.commands()
}

// Equal reports whether nothing must be entered to make one configuration the other.
func Equal(a, b *Tree) bool { return a.err == nil && b.err == nil && len(Patch(a, b)) == 0 }

type phase uint8

const (
	early phase = iota
	inTurn
	late
)

type op uint8

const (
	opRemove     op = iota // a node of before
	opSet                  // a node of after that holds nothing
	opCommand              // text, in the mode of the block that is node
	opActivate             // a node of after
	opDeactivate           // a node of after
)

// edit is one statement of a patch.
type edit struct {
	op    op
	phase phase
	old   bool // node is one of before
	node  int32
	rank  int32
	text  string // of opCommand, for which node is the block
}

type patch struct {
	g     *grammar
	a, b  *Tree
	edits []edit

	gone, fresh []int32            // stacks: what of a block is only in a, only in b
	scopes      [2][maxDepth]scope // of either tree, by depth

	contested []int32        // lines of a whose value is replaced, and may be wanted by another
	wanted    map[value]bool // values that are set
}

// value is a line that not two may have at a time.
type value struct {
	rule *rule
	text string
}

// scope is the rank of a block that was asked for last.
type scope struct{ node, rank int32 }

func (p *patch) tree(old bool) *Tree {
	if old {
		return p.a
	}
	return p.b
}

// rank returns the rank of a node whose rule is known.
func (p *patch) rank(old bool, n int32, r *rule) int32 {
	if r != nil && r.Rank != 0 {
		return int32(r.Rank)
	}
	return p.blockRank(old, p.tree(old).nodes[n].parent)
}

func (p *patch) blockRank(old bool, block int32) int32 {
	if block == 0 {
		return 0
	}
	t, side := p.tree(old), 0
	if old {
		side = 1
	}
	s := &p.scopes[side][t.depth(block)]
	if s.node != block {
		*s = scope{block, p.rank(old, block, t.rule(block, p.g))}
	}
	return s.rank
}

func (p *patch) add(op op, ph phase, old bool, n int32, rank int32) {
	p.edits = append(p.edits, edit{op: op, phase: ph, old: old, node: n, rank: rank})
}

func (p *patch) command(ph phase, old bool, block int32, rank int32, text string) {
	p.edits = append(p.edits, edit{op: opCommand, phase: ph, old: old, node: block, rank: rank, text: text})
}

// pair compares two nodes that are the same but for what they hold.
func (p *patch) pair(x, y int32) {
	a, b := &p.a.nodes[x], &p.b.nodes[y]
	from := len(p.edits)
	if a.inactive != b.inactive {
		op := opActivate
		if b.inactive {
			op = opDeactivate
		}
		p.add(op, inTurn, false, y, math.MaxInt32)
	}
	if a.first == 0 && b.first == 0 {
		return
	}
	within := len(p.edits)
	p.children(x, y)
	if len(p.edits) == within || x == 0 {
		return
	}
	r := p.b.rule(y, p.g)
	switch {
	case p.a.vacant(x, r):
		p.edits = p.edits[:from]
		p.set(y)
	case p.b.vacant(y, r):
		p.edits = p.edits[:from]
		p.remove(x, r)
	case r != nil && r.Anew:
		p.edits = p.edits[:from]
		p.add(opRemove, inTurn, true, x, p.rank(true, x, r))
		p.set(y)
	case !r.stays() && !p.survives(x, y): // as it was emptied, it was nothing for a moment
		if b.first == 0 || a.inactive || b.inactive {
			p.add(opSet, inTurn, false, y, p.rank(false, y, r))
		}
		if a.inactive && b.inactive {
			p.add(opDeactivate, inTurn, false, y, math.MaxInt32)
		}
	}
}

// survives reports whether something in a block is there all the time.
func (p *patch) survives(x, y int32) bool {
	for c := p.a.nodes[x].first; c != 0; c = p.a.nodes[c].next {
		other := p.b.child(y, p.a.nodes[c].text)
		if other != 0 && (p.a.nodes[c].first == 0 || p.survives(c, other) || p.a.rule(c, p.g).stays()) {
			return true
		}
	}
	return false
}

// children compares what two blocks hold. As long as both are in step nothing must be looked up.
func (p *patch) children(x, y int32) {
	a, b := p.a, p.b
	from := len(p.edits)
	ca, cb := a.nodes[x].first, b.nodes[y].first
	for ca != 0 && cb != 0 && a.nodes[ca].text == b.nodes[cb].text {
		p.pair(ca, cb)
		ca, cb = a.nodes[ca].next, b.nodes[cb].next
	}
	if ca == 0 && cb == 0 {
		return
	}
	r := b.rule(y, p.g)
	if y != 0 && r != nil && r.Ordered {
		p.edits = p.edits[:from]
		if p.g.Style == Indented {
			p.entries(x, y)
		} else {
			p.order(x, y)
		}
		return
	}
	gone, fresh := len(p.gone), len(p.fresh)
	for next := cb; ca != 0; ca = a.nodes[ca].next {
		c := next
		if c == 0 || a.nodes[ca].text != b.nodes[c].text {
			c = b.child(y, a.nodes[ca].text)
		}
		if c == 0 {
			p.gone = append(p.gone, ca)
			continue
		}
		next = b.nodes[c].next
		p.pair(ca, c)
	}
	for ; cb != 0; cb = b.nodes[cb].next {
		if a.child(x, b.nodes[cb].text) == 0 {
			p.fresh = append(p.fresh, cb)
		}
	}
	p.settle(x, y, p.gone[gone:], p.fresh[fresh:])
	p.gone, p.fresh = p.gone[:gone], p.fresh[:fresh]
}

// slotKey is what two lines have in common of which there can be only one.
type slotKey struct {
	rule *rule
	key  string
}

// done is the place of a slot for which nothing is left to do.
const done = -1

// settle says what becomes of the lines of a block that are only in before and those that are only in after.
func (p *patch) settle(x, y int32, gone, fresh []int32) {
	var slots map[slotKey]int // of fresh
	if len(gone) > 0 {
		slots = make(map[slotKey]int)
		for i, n := range fresh {
			if r := p.b.rule(n, p.g); r.valued() {
				slots[slotKey{r, p.g.key(r, p.b.nodes[n].text)}] = i
			}
		}
	}
	for _, n := range gone {
		r := p.a.rule(n, p.g)
		if !r.valued() {
			p.remove(n, r)
			continue
		}
		s := slotKey{r, p.g.key(r, p.a.nodes[n].text)}
		i, known := slots[s]
		switch {
		case known && i == done:
			continue
		case r.Add != "" && p.numbers(x, y, s, fresh):
		case known && fresh[i] != 0:
			p.replace(n, fresh[i], r)
			fresh[i] = 0
		default:
			if p.remove(n, r); len(r.Remove) > 0 {
				continue
			}
		}
		slots[s] = done // by one command for all lines
	}
	for _, n := range fresh {
		if n != 0 {
			p.set(n)
		}
	}
}

// replace sets a value in the place of another.
func (p *patch) replace(x, y int32, r *rule) {
	switch {
	case r.When == Early:
		p.add(opRemove, early, true, x, p.rank(true, x, r))
	case r.Renew:
		p.add(opRemove, inTurn, true, x, p.rank(true, x, r))
	case r.When == Contested:
		p.contested = append(p.contested, x)
	}
	p.set(y)
}

// contest lets go of values early that others are about to take.
func (p *patch) contest() {
	for _, n := range p.contested {
		if r := p.a.rule(n, p.g); p.wanted[value{r, p.a.nodes[n].text}] {
			p.add(opRemove, early, true, n, p.rank(true, n, r))
		}
	}
}

// phase returns the phase in which what is gone is taken away.
func (p *patch) phase(r *rule) phase {
	switch {
	case r != nil && r.When == Late:
		return late
	case p.g.Style != Indented || r != nil && (r.Whole || r.When != InTurn):
		return early
	}
	return inTurn
}

// remove takes away a node that is only in before.
func (p *patch) remove(n int32, r *rule) {
	switch {
	case p.a.vacant(n, r):
	case p.a.nodes[n].first == 0 || r.stays():
		p.add(opRemove, p.phase(r), true, n, p.rank(true, n, r))
	default:
		from := len(p.gone)
		for c := p.a.nodes[n].first; c != 0; c = p.a.nodes[c].next {
			p.gone = append(p.gone, c)
		}
		p.settle(n, 0, p.gone[from:], nil)
		p.gone = p.gone[:from]
	}
}

// set enters a node that is only in after.
func (p *patch) set(n int32) {
	t := p.b
	r := t.rule(n, p.g)
	if t.vacant(n, r) {
		return
	}
	from := len(p.edits)
	if r != nil && r.When == Contested {
		if p.wanted == nil {
			p.wanted = make(map[value]bool)
		}
		p.wanted[value{r, t.nodes[n].text}] = true
	}
	for c := t.nodes[n].first; c != 0; c = t.nodes[c].next {
		p.set(c)
	}
	if len(p.edits) == from && (t.nodes[n].first == 0 || t.nodes[n].inactive || r.stays()) {
		p.add(opSet, inTurn, false, n, p.rank(false, n, r))
	}
	p.setUp(n, r)
	if t.nodes[n].inactive {
		p.add(opDeactivate, inTurn, false, n, math.MaxInt32)
	}
}

// setUp takes away what a block has that nobody has set up yet.
func (p *patch) setUp(n int32, r *rule) {
	if r == nil {
		return
	}
	for _, left := range r.Left {
		if p.b.child(n, left) != 0 {
			continue
		}
		rank := p.rank(false, n, r)
		if p.g.Style == Indented {
			p.command(inTurn, false, n, rank, p.g.removal(nil, left)[0])
		} else {
			p.command(inTurn, false, n, rank, "delete "+string(p.b.appendPath(nil, n))+" "+left)
		}
	}
}

// vacant reports whether a node is the same as none: what is left of a block that was taken away, or a block that is
// nothing when it is empty.
func (t *Tree) vacant(n int32, r *rule) bool {
	switch {
	case t.nodes[n].inactive:
		return false
	case r != nil && len(r.Left) > 0:
		if int(t.nodes[n].size) != len(r.Left) {
			return false
		}
		for _, left := range r.Left {
			if c := t.child(n, left); c == 0 || t.nodes[c].first != 0 || t.nodes[c].inactive {
				return false
			}
		}
		return true
	}
	return t.nodes[n].first == 0 && !r.stays() && t.opens(n)
}

// writer collects commands.
type writer struct {
	p    *patch
	text []byte
	ends []int
	mode []string // the headers of the blocks that are open
	old  bool     // the last block
	node int32
}

// commands returns the text of the edits.
func (p *patch) commands() []string {
	if len(p.edits) == 0 {
		return nil
	}
	w := writer{p: p, ends: make([]int, 0, len(p.edits)+len(p.edits)/2)}
	for i := range p.edits {
		if p.g.Style == Indented {
			w.indented(&p.edits[i])
		} else {
			w.paths(&p.edits[i])
		}
	}
	w.leave(0)
	all, from := string(w.text), 0
	commands := make([]string, len(w.ends))
	for i, end := range w.ends {
		commands[i], from = all[from:end], end
	}
	return commands
}

// put ends a command that was appended.
func (w *writer) put(text ...string) {
	for _, s := range text {
		w.text = append(w.text, s...)
	}
	w.ends = append(w.ends, len(w.text))
}

func (w *writer) lines(text string) {
	for line := range strings.SplitSeq(text, "\n") {
		w.put(line)
	}
}

// leave leaves modes until so many are open.
func (w *writer) leave(depth int) {
	for len(w.mode) > depth {
		w.put(exit)
		w.mode = w.mode[:len(w.mode)-1]
	}
}

// enter goes to the mode of a block.
func (w *writer) enter(old bool, block int32) {
	if w.old == old && w.node == block && len(w.ends) > 0 {
		return
	}
	var path [maxDepth]string
	depth := w.p.tree(old).texts(block, &path)
	same := 0
	for same < depth && same < len(w.mode) && path[same] == w.mode[same] {
		same++
	}
	w.leave(same)
	for _, header := range path[same:depth] {
		w.put(header)
		w.mode = append(w.mode, header)
	}
	w.old, w.node = old, block
}

// indented writes an edit as lines in the mode of its block.
func (w *writer) indented(e *edit) {
	t := w.p.tree(e.old)
	n := &t.nodes[e.node]
	switch e.op {
	case opCommand:
		w.enter(e.old, e.node)
		w.put(e.text)
	case opSet:
		if w.enter(e.old, n.parent); t.opens(e.node) {
			w.enter(e.old, e.node)
		} else {
			w.lines(n.text)
		}
	case opRemove:
		w.enter(e.old, n.parent)
		r := t.rule(e.node, w.p.g)
		for _, c := range w.p.g.removal(r, n.text) {
			w.put(c)
		}
		if r != nil && len(r.Left) > 0 {
			w.put(n.text)
			for _, left := range r.Left {
				w.put(left)
			}
			w.put(exit)
		}
	}
}

// paths writes an edit as a command that names the whole path.
func (w *writer) paths(e *edit) {
	t := w.p.tree(e.old)
	switch e.op {
	case opCommand:
		w.put(e.text)
		return
	case opSet:
		w.text = append(w.text, "set "...)
	case opRemove:
		w.text = append(w.text, "delete "...)
	case opActivate:
		w.text = append(w.text, "activate "...)
	case opDeactivate:
		w.text = append(w.text, "deactivate "...)
	}
	from := len(w.text)
	w.text = t.appendPath(w.text, e.node)
	if e.op != opRemove {
		w.put()
		return
	}
	r := t.rule(e.node, w.p.g)
	if r.valued() {
		text := t.nodes[e.node].text
		w.text = w.text[:len(w.text)-len(text)+len(w.p.g.key(r, text))]
		w.text = w.text[:from+len(strings.TrimRight(string(w.text[from:]), " "))]
	}
	path := string(w.text[from:])
	w.put()
	if r != nil {
		for _, left := range r.Left {
			w.put("set ", path, " ", left)
		}
	}
}
