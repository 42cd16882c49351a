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

// few is how many children are looked through; where there are more, the table finds one.
const few = 8

// A Tree is a configuration. All of it lives in one slice: a node knows its place by numbers, texts are pieces of
// what was parsed, and one table finds the child of a node that has many.
type Tree struct {
	g     *grammar
	nodes []node   // the first is the root, whose number also stands for none
	table []uint64 // open addressing, by parent and text: half a hash, half a node
	used  int      // places of the table
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
	return &Tree{g: g, seed: maphash.MakeSeed(), nodes: make([]node, 1, size+1), table: make([]uint64, 64)}
}

func (t *Tree) clone() *Tree {
	c := *t
	c.nodes, c.table, c.path = slices.Clone(t.nodes), slices.Clone(t.table), nil
	return &c
}

// slot returns where in the table a child of many is, or is to be, and what it is found by.
func (t *Tree) slot(parent int32, text string) (at int, hash uint32) {
	h := (maphash.String(t.seed, text) ^ uint64(parent)) * 0x9e3779b97f4a7c15
	hash = uint32(h >> 32)
	for at = int(hash) & (len(t.table) - 1); t.table[at] != 0; at = (at + 1) & (len(t.table) - 1) {
		if uint32(t.table[at]>>32) == hash {
			if n := &t.nodes[uint32(t.table[at])]; n.parent == parent && n.text == text {
				break
			}
		}
	}
	return at, hash
}

// note puts a child of many into the table, which is at most half full.
func (t *Tree) note(n int32) {
	if 2*t.used >= len(t.table) {
		old := t.table
		t.table = make([]uint64, 2*len(old))
		for _, e := range old {
			if e != 0 {
				at := int(e>>32) & (len(t.table) - 1)
				for t.table[at] != 0 {
					at = (at + 1) & (len(t.table) - 1)
				}
				t.table[at] = e
			}
		}
	}
	at, hash := t.slot(t.nodes[n].parent, t.nodes[n].text)
	if t.table[at] == 0 {
		t.used++
	}
	t.table[at] = uint64(hash)<<32 | uint64(n)
}

// child returns the child with that text, 0 for none.
func (t *Tree) child(parent int32, text string) int32 {
	if t.nodes[parent].size > few {
		at, _ := t.slot(parent, text)
		return int32(uint32(t.table[at]))
	}
	c := t.nodes[parent].first
	for c != 0 && t.nodes[c].text != text {
		c = t.nodes[c].next
	}
	return c
}

// put returns the child with that text, which it adds at the end if there is none.
func (t *Tree) put(parent int32, text string, line int) int32 {
	if c := t.child(parent, text); c != 0 {
		return c
	}
	n := int32(len(t.nodes))
	t.nodes = append(t.nodes, node{text: text, line: int32(line)})
	t.link(n, parent, t.nodes[parent].last)
	switch size := t.nodes[parent].size; {
	case size == few+1:
		for c := t.nodes[parent].first; c != 0; c = t.nodes[c].next {
			t.note(c)
		}
	case size > few:
		t.note(n)
	}
	return n
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
// would be read as something else, is not added, and Err says so. A remark may have several lines.
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
