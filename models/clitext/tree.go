package clitext

import (
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"strings"
)

// maxDepth bounds how deep blocks are nested, and how many words a flat statement has.
const maxDepth = 64

// A Tree is a configuration. All of it lives in one slice: a node knows its place by numbers, texts are pieces of
// what was parsed, and one table finds the child of a node by its text.
type Tree struct {
	g     *grammar
	nodes []node  // the first is the root, whose number also stands for none
	table []int32 // open addressing, by parent and text
	seed  maphash.Seed
	path  []int32 // the nodes of the last line that was put
	err   error
}

type node struct {
	text                            string
	parent, first, last, prev, next int32
	size                            int32 // children
	line                            int32
	inactive                        bool
}

// New returns an empty configuration.
func New(d *Dialect) *Tree { return newTree(newGrammar(d), 64) }

func newTree(g *grammar, size int) *Tree {
	t := &Tree{g: g, seed: maphash.MakeSeed(), nodes: make([]node, 1, size+1)}
	t.grow(size)
	return t
}

func (t *Tree) clone() *Tree {
	c := *t
	c.nodes, c.table, c.path = slices.Clone(t.nodes), slices.Clone(t.table), nil
	return &c
}

// grow makes the table one that is at most half full with so many nodes.
func (t *Tree) grow(size int) {
	n := 16
	for n < 2*size {
		n *= 2
	}
	t.table = make([]int32, n)
	for i := 1; i < len(t.nodes); i++ {
		if t.nodes[i].parent >= 0 {
			t.table[t.slot(t.nodes[i].parent, t.nodes[i].text)] = int32(i)
		}
	}
}

// slot returns where in the table the child is, or is to be.
func (t *Tree) slot(parent int32, text string) uint64 {
	mask := uint64(len(t.table) - 1)
	h := maphash.String(t.seed, text) ^ uint64(parent)*0x9e3779b97f4a7c15
	for i := (h ^ h>>32) & mask; ; i = (i + 1) & mask {
		if n := t.table[i]; n == 0 || t.nodes[n].parent == parent && t.nodes[n].text == text {
			return i
		}
	}
}

// child returns the child with that text, 0 for none.
func (t *Tree) child(parent int32, text string) int32 { return t.table[t.slot(parent, text)] }

// put returns the child with that text, which it adds at the end if there is none.
func (t *Tree) put(parent int32, text string, line int) int32 {
	if 2*len(t.nodes) >= len(t.table) {
		t.grow(2 * len(t.nodes))
	}
	s := t.slot(parent, text)
	if t.table[s] == 0 {
		n := int32(len(t.nodes))
		t.nodes = append(t.nodes, node{text: text, line: int32(line)})
		t.table[s] = n
		t.link(n, parent, t.nodes[parent].last)
	}
	return t.table[s]
}

// link makes a node a child, behind a sibling or, behind none, the first.
func (t *Tree) link(n, parent, after int32) {
	next := t.nodes[parent].first
	if after != 0 {
		next = t.nodes[after].next
		t.nodes[after].next = n
	} else {
		t.nodes[parent].first = n
	}
	if next != 0 {
		t.nodes[next].prev = n
	} else {
		t.nodes[parent].last = n
	}
	c := &t.nodes[n]
	c.parent, c.prev, c.next = parent, after, next
	t.nodes[parent].size++
}

// unlink takes a child out of its parent's; it must be linked again or dropped.
func (t *Tree) unlink(n int32) {
	c := &t.nodes[n]
	if c.prev != 0 {
		t.nodes[c.prev].next = c.next
	} else {
		t.nodes[c.parent].first = c.next
	}
	if c.next != 0 {
		t.nodes[c.next].prev = c.prev
	} else {
		t.nodes[c.parent].last = c.prev
	}
	t.nodes[c.parent].size--
}

// drop removes a node with all that is below. What stays behind in the table is never found again.
func (t *Tree) drop(n int32) {
	t.unlink(n)
	t.bury(n)
}

func (t *Tree) bury(n int32) {
	for c := t.nodes[n].first; c != 0; c = t.nodes[c].next {
		t.bury(c)
	}
	t.nodes[n].parent = -1
}

// Put adds a line within its blocks, unless it is there: Put("interface Ethernet1", "shutdown"). In style Flat the
// arguments are the words of a statement, any number of them in each. What cannot be a line, because it is empty or
// would be read as something else, is not added, and Err says so.
func (t *Tree) Put(path ...string) {
	if err := t.enter(path, 0); err != nil && t.err == nil {
		t.err = fmt.Errorf("%q: %w", strings.Join(path, " / "), err)
	}
}

// Err returns what the first line had that Put could not add. Nothing can be said of such a tree: a patch from it or
// to it is empty.
func (t *Tree) Err() error { return t.err }

var errDepth = errors.New("nested too deeply")

// enter adds the nodes of one statement.
func (t *Tree) enter(path []string, line int) error {
	at, depth := int32(0), 0
	for _, text := range path {
		for rest := text; ; {
			var err error
			word := text
			switch t.g.Style {
			case Indented:
				rest = ""
				err = t.g.checkLine(text, depth)
			case Braced:
				rest = ""
				word, err = canonical(text)
			case Flat:
				word, rest, err = nextWord(rest)
			}
			switch {
			case err != nil:
				return err
			case depth == maxDepth:
				return errDepth
			}
			at = t.step(at, depth, word, line)
			if depth++; rest == "" {
				break
			}
		}
	}
	if depth == 0 {
		return errEmpty
	}
	t.path = t.path[:depth]
	return nil
}

// step goes down to a child at that depth, which it adds if there is none. Most lines begin like the one before.
func (t *Tree) step(parent int32, depth int, text string, line int) int32 {
	if depth < len(t.path) {
		if n := t.path[depth]; t.nodes[n].parent == parent && t.nodes[n].text == text {
			return n
		}
		t.path = t.path[:depth]
	}
	n := t.put(parent, text, line)
	t.path = append(t.path, n)
	return n
}

// Root returns the node that holds everything.
func (t *Tree) Root() Node { return Node{t: t} }

// A Node is a line (Indented), a statement (Braced) or a word of a statement (Flat), with what it holds.
type Node struct {
	t *Tree
	n int32
}

// Valid reports whether there is such a node; Child returns one that is not if there is none.
func (n Node) Valid() bool { return n.t != nil }

// Text returns the line, statement or word as it is in canonical text. A word that was quoted still is, unless it
// does not need to be; see [Unquote].
func (n Node) Text() string {
	if !n.Valid() {
		return ""
	}
	return n.t.nodes[n.n].text
}

// Line returns the number of the line the node was first seen in, 0 for one that was not parsed.
func (n Node) Line() int {
	if !n.Valid() {
		return 0
	}
	return int(n.t.nodes[n.n].line)
}

// Len returns how many children there are.
func (n Node) Len() int {
	if !n.Valid() {
		return 0
	}
	return int(n.t.nodes[n.n].size)
}

// Inactive reports whether the node is one that Junos keeps without effect.
func (n Node) Inactive() bool { return n.Valid() && n.t.nodes[n.n].inactive }

// Children returns what the node holds, in the order of the text.
func (n Node) Children() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if !n.Valid() {
			return
		}
		for c := n.t.nodes[n.n].first; c != 0 && yield(Node{n.t, c}); c = n.t.nodes[c].next {
		}
	}
}

// Child returns the child with that text.
func (n Node) Child(text string) Node {
	if n.Valid() {
		if c := n.t.child(n.n, text); c != 0 {
			return Node{n.t, c}
		}
	}
	return Node{}
}
