package clitext

import (
	"cmp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// increasing marks the longest run of positions that increase; negative ones are none.
func increasing(positions []int) []bool {
	var tails []int // tails[k] is the index of the least end of a run of k+1
	before := make([]int, len(positions))
	for i, p := range positions {
		if p < 0 {
			continue
		}
		k := sort.Search(len(tails), func(k int) bool { return positions[tails[k]] >= p })
		if before[i] = -1; k > 0 {
			before[i] = tails[k-1]
		}
		if k == len(tails) {
			tails = append(tails, i)
		} else {
			tails[k] = i
		}
	}
	marks := make([]bool, len(positions))
	if len(tails) > 0 {
		for i := tails[len(tails)-1]; i >= 0; i = before[i] {
			marks[i] = true
		}
	}
	return marks
}

// order compares two lists in styles Braced and Flat. As few entries as possible are moved.
func (p *patch) order(x, y int32) {
	a, b := p.a, p.b
	gone, fresh := len(p.gone), len(p.fresh)
	place := make(map[int32]int) // of the entries of a
	for c := a.nodes[x].first; c != 0; c = a.nodes[c].next {
		switch {
		case !p.isEntry(a.nodes[c].text):
			if b.child(y, a.nodes[c].text) == 0 {
				p.gone = append(p.gone, c)
			}
		case b.child(y, a.nodes[c].text) == 0:
			r := a.rule(c, p.g)
			p.add(opRemove, p.phase(r), true, c, p.rank(true, c, r))
		default:
			place[c] = len(place)
		}
	}
	var entries []int32
	var positions []int
	for c := b.nodes[y].first; c != 0; c = b.nodes[c].next {
		other := a.child(x, b.nodes[c].text)
		switch position, common := place[other]; {
		case !p.isEntry(b.nodes[c].text):
			if other == 0 {
				p.fresh = append(p.fresh, c)
			} else {
				p.pair(other, c)
			}
			continue
		case common:
			positions = append(positions, position)
		default:
			positions = append(positions, -1)
		}
		entries = append(entries, c)
	}
	p.settle(x, y, p.gone[gone:], p.fresh[fresh:])
	p.gone, p.fresh = p.gone[:gone], p.fresh[:fresh]

	stays := increasing(positions)
	last := -1 // entry that stays
	for i := range stays {
		if stays[i] {
			last = i
		}
	}
	for i, c := range entries {
		if positions[i] >= 0 {
			p.pair(a.child(x, b.nodes[c].text), c)
		} else {
			p.set(c)
		}
		switch {
		case stays[i] || positions[i] < 0 && i > last:
		case i > 0:
			p.insert(c, " after ", entries[i-1])
		default:
			if first := slices.Index(stays, true); first >= 0 {
				p.insert(c, " before ", entries[first])
			}
		}
	}
}

// isEntry reports whether a child of an ordered block is an entry: in style Braced it has a name ("term rest").
func (p *patch) isEntry(text string) bool {
	_, name := cutWord(text, true)
	return p.g.Style == Flat || name != ""
}

func (p *patch) insert(n int32, where string, other int32) {
	b := p.b
	to := b.nodes[other].text
	if block := b.nodes[n].parent; p.g.Style == Flat {
		to = b.nodes[block].text + " " + to
	}
	p.command(inTurn, false, 0, p.rank(false, n, b.rule(n, p.g)), "insert "+string(b.appendPath(nil, n))+where+to)
}

// entry is a line of a list whose order its numbers say.
type entry struct {
	node   int32
	number int
	text   string // without the number
}

// cutNumber cuts the number off an entry.
func cutNumber(text string) (number int, rest string, ok bool) {
	first, rest, _ := strings.Cut(text, " ")
	n, err := strconv.ParseUint(first, 10, 31)
	return int(n), rest, err == nil && n > 0 && rest != ""
}

// entries returns the entries of a block in the order of their numbers.
func (t *Tree) entries(block int32) []entry {
	var all []entry
	for c := t.nodes[block].first; c != 0; c = t.nodes[c].next {
		if n, text, ok := cutNumber(t.nodes[c].text); ok {
			all = append(all, entry{c, n, text})
		}
	}
	slices.SortStableFunc(all, func(x, y entry) int { return cmp.Compare(x.number, y.number) })
	return all
}

// entries compares two lists of numbered entries. As many entries as possible stay as they are; new ones get numbers
// between those and come before what goes, unless it is the same entry at another place.
func (p *patch) entries(x, y int32) {
	p.unnumbered(x, y)
	old, wanted := p.a.entries(x), p.b.entries(y)
	at := make(map[string][]int)
	for i, e := range old {
		at[e.text] = append(at[e.text], i)
	}
	positions := make([]int, len(wanted))
	for i, e := range wanted {
		positions[i] = -1
		if places := at[e.text]; len(places) > 0 {
			positions[i], at[e.text] = places[0], places[1:]
		}
	}
	kept := increasing(positions)
	taken := make(map[int]bool, len(old)) // numbers of old
	for _, e := range old {
		taken[e.number] = true
	}
	var commands []string
	added := make(map[string]bool)
	stays := make([]bool, len(old))
	low := 0
	for i := 0; i < len(wanted); {
		if kept[i] {
			stays[positions[i]] = true
			low = old[positions[i]].number
			i++
			continue
		}
		end := i
		var free []int
		for free == nil {
			for end < len(wanted) && !kept[end] {
				end++
			}
			high := 1 << 31
			if end < len(wanted) {
				high = old[positions[end]].number
			}
			if free = between(wanted[i:end], low, high, taken); free == nil {
				kept[end] = false // no room: it is entered anew, behind
			}
		}
		for k, n := range free {
			commands = append(commands, strconv.Itoa(n)+" "+wanted[i+k].text)
			added[wanted[i+k].text] = true
			low = n
		}
		i = end
	}
	rank := p.blockRank(false, y)
	remove := func(again bool) {
		for i, e := range old {
			if !stays[i] && added[e.text] == again {
				p.command(inTurn, false, y, rank, "no "+strconv.Itoa(e.number))
			}
		}
	}
	remove(true)
	for _, c := range commands {
		p.command(inTurn, false, y, rank, c)
	}
	remove(false)
}

// unnumbered compares the other lines of such a block.
func (p *patch) unnumbered(x, y int32) {
	gone, fresh := len(p.gone), len(p.fresh)
	for c := p.a.nodes[x].first; c != 0; c = p.a.nodes[c].next {
		if _, _, ok := cutNumber(p.a.nodes[c].text); ok {
			continue
		}
		if other := p.b.child(y, p.a.nodes[c].text); other != 0 {
			p.pair(c, other)
		} else {
			p.gone = append(p.gone, c)
		}
	}
	for c := p.b.nodes[y].first; c != 0; c = p.b.nodes[c].next {
		if _, _, ok := cutNumber(p.b.nodes[c].text); !ok && p.a.child(x, p.b.nodes[c].text) == 0 {
			p.fresh = append(p.fresh, c)
		}
	}
	p.settle(x, y, p.gone[gone:], p.fresh[fresh:])
	p.gone, p.fresh = p.gone[:gone], p.fresh[:fresh]
}

// between returns numbers for new entries that are above low, below high and not taken: their own if they fit, else
// spread over the room. It returns nil if there is no room.
func between(added []entry, low, high int, taken map[int]bool) []int {
	numbers := make([]int, len(added))
	last := low
	for i, e := range added {
		if e.number <= last || e.number >= high || taken[e.number] {
			last = -1
			break
		}
		numbers[i], last = e.number, e.number
	}
	if last >= 0 {
		return numbers
	}
	if high == 1<<31 { // behind the last one
		for i := range numbers {
			low = low/10*10 + 10
			for taken[low] {
				low += 10
			}
			numbers[i] = low
		}
		return numbers
	}
	var free []int
	for n := low + 1; n < high && len(free) < 20*len(added); n++ {
		if !taken[n] {
			free = append(free, n)
		}
	}
	if len(free) < len(added) {
		return nil
	}
	for i := range numbers {
		numbers[i] = free[(2*i+1)*len(free)/(2*len(added))]
	}
	return numbers
}

// TakeNumbers gives the entries of numbered lists the numbers that they have on a device, where its lists are the
// same but for them. A configuration that was not read from the device must take them before it is compared with
// another, since a patch names entries by their numbers.
func (t *Tree) TakeNumbers(device *Tree) {
	if t.g.Style == Indented {
		t.takeNumbers(device, 0, 0)
	}
}

func (t *Tree) takeNumbers(device *Tree, block, other int32) {
	for c := t.nodes[block].first; c != 0; c = t.nodes[c].next {
		o := device.child(other, t.nodes[c].text)
		if o == 0 || t.nodes[c].first == 0 {
			continue
		}
		t.takeNumbers(device, c, o)
		if r := t.rule(c, t.g); r == nil || !r.Ordered {
			continue
		}
		ours, theirs := t.entries(c), device.entries(o)
		if !slices.EqualFunc(ours, theirs, func(x, y entry) bool { return x.text == y.text }) {
			continue
		}
		for _, e := range ours {
			t.drop(e.node)
		}
		for _, e := range theirs {
			t.put(c, device.nodes[e.node].text, 0)
		}
	}
	t.path = nil
}
