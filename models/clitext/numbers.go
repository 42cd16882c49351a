package clitext

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// span is the numbers from the first to the last.
type span struct{ first, last int }

// numbers is a set of numbers, as spans in order that do not touch.
type numbers []span

// parseNumbers reads "30-40,50".
func parseNumbers(s string) (numbers, bool) {
	var n numbers
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, err := strconv.ParseUint(first, 10, 31)
		b, err2 := strconv.ParseUint(last, 10, 31)
		if err != nil || err2 != nil || b < a {
			return nil, false
		}
		n = append(n, span{int(a), int(b)})
	}
	return n.normal(), true
}

func (n numbers) normal() numbers {
	slices.SortFunc(n, func(x, y span) int { return cmp.Compare(x.first, y.first) })
	out := n[:0]
	for _, s := range n {
		if k := len(out); k > 0 && s.first <= out[k-1].last+1 {
			out[k-1].last = max(out[k-1].last, s.last)
			continue
		}
		out = append(out, s)
	}
	return out
}

// minus returns the numbers of n that are not in m.
func (n numbers) minus(m numbers) numbers {
	var out numbers
	for _, s := range n {
		for _, c := range m {
			if c.last < s.first || c.first > s.last {
				continue
			}
			if c.first > s.first {
				out = append(out, span{s.first, c.first - 1})
			}
			s.first = c.last + 1
		}
		if s.first <= s.last {
			out = append(out, s)
		}
	}
	return out
}

func (n numbers) String() string {
	var b []byte
	for i, s := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(s.first), 10)
		if s.last > s.first {
			b = strconv.AppendInt(append(b, '-'), int64(s.last), 10)
		}
	}
	return string(b)
}

// united returns the numbers of all lines of a block that share a slot.
func (t *Tree) united(block int32, s slotKey, g *grammar) (n numbers, ok bool) {
	for c := t.nodes[block].first; c != 0; c = t.nodes[c].next {
		text := t.nodes[c].text
		if t.rule(c, g) != s.rule || g.key(s.rule, text) != s.key {
			continue
		}
		value := strings.TrimPrefix(text[len(s.key):], " ")
		part, valid := parseNumbers(strings.TrimPrefix(value, "add "))
		if !valid {
			return nil, false
		}
		n, ok = append(n, part...), true
	}
	return n.normal(), ok
}

// numbers changes a set by its difference, if both sides are sets. The lines of the set are then no longer fresh.
func (p *patch) numbers(x, y int32, s slotKey, fresh []int32) bool {
	a, okA := p.a.united(x, s, p.g)
	b, okB := p.b.united(y, s, p.g)
	if !okA || !okB {
		return false
	}
	block := p.blockRank(false, y)
	if s.rule.Rank != 0 {
		block = int32(s.rule.Rank)
	}
	if add := b.minus(a); len(add) > 0 {
		p.command(inTurn, false, y, block, strings.ReplaceAll(s.rule.Add, "{set}", add.String()))
	}
	if cut := a.minus(b); len(cut) > 0 {
		p.command(inTurn, false, y, block, strings.ReplaceAll(s.rule.Cut, "{set}", cut.String()))
	}
	for i, n := range fresh {
		if n != 0 && p.b.rule(n, p.g) == s.rule && p.g.key(s.rule, p.b.nodes[n].text) == s.key {
			fresh[i] = 0
		}
	}
	return true
}
