package tree

import (
	"iter"
	"strconv"
	"strings"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
)

// diff visits what differs between two places, parents first: f gets nil for
// what is missing on one side, and says whether to go on below. Subtrees that
// are the same in memory are skipped.
func diff(a, b *place, f func(a, b *place) bool) {
	some := b
	if some == nil {
		some = a
	}
	s := some.node.schema
	if a != nil && b != nil {
		if a.node == b.node {
			return
		}
		if (s.kind == leaf || s.kind == leafList) && a.node.text == b.node.text {
			return
		}
	}
	if !f(a, b) {
		return
	}
	var as, bs []*node
	if a != nil {
		as = a.node.kids
	}
	if b != nil {
		bs = b.node.kids
	}
	for len(as) > 0 || len(bs) > 0 {
		order := 0
		switch {
		case len(as) == 0:
			order = 1
		case len(bs) == 0:
			order = -1
		default:
			order = s.order(as[0], bs[0])
		}
		var pa, pb *place
		if order <= 0 {
			pa = &place{a, as[0]}
			as = as[1:]
		}
		if order >= 0 {
			pb = &place{b, bs[0]}
			bs = bs[1:]
		}
		diff(pa, pb, f)
	}
}

// Diff reports what differs between two trees under any of the patterns: gone
// for the topmost node of everything removed, set for every leaf that is new or
// has a new value. Key leaves are not reported, their value is in the path.
func Diff(before, after *Tree, patterns []*Pattern, gone func(*gpb.Path), set func(*gpb.Path, Node)) {
	diff(&place{node: before.root}, &place{node: after.root}, func(a, b *place) bool {
		some := b
		if some == nil {
			some = a
		}
		s := some.node.schema
		if s.kind == list {
			return true
		}
		how := apart
		way := some.way()
		for _, p := range patterns {
			how = max(how, p.relate(way))
		}
		switch {
		case how == apart:
			return false
		case how == above:
			return true
		case b == nil:
			gone(a.path())
			return false
		case s.kind == leaf || s.kind == leafList:
			if !s.isKey() {
				set(b.path(), Node{b.node})
			}
		}
		return true
	})
}

// order compares the places of two kids of a node.
func (n *schemaNode) order(a, b *node) int {
	if n.kind == list {
		return compareKeys(n.children[0].numeric, a.text, b.text)
	}
	return a.schema.index - b.schema.index
}

func (n *schemaNode) isKey() bool {
	if n.parent == nil || n.parent.kind != entry {
		return false
	}
	for _, k := range n.parent.keys {
		if k == n {
			return true
		}
	}
	return false
}

// TypedValue is the value of a leaf as gNMI carries it: JSON_IETF text, or a
// scalar for PROTO.
func (n Node) TypedValue(enc gpb.Encoding) *gpb.TypedValue {
	if n.n == nil {
		return nil
	}
	if enc == gpb.Encoding_PROTO && n.n.schema.kind == leaf {
		return protoValue(n.n.schema.typ, n.n.text)
	}
	return JSONValue([]byte(n.n.text), enc)
}

// JSONValue wraps JSON text for the encoding, JSON_IETF unless it is JSON.
func JSONValue(text []byte, enc gpb.Encoding) *gpb.TypedValue {
	if enc == gpb.Encoding_JSON {
		return &gpb.TypedValue{Value: &gpb.TypedValue_JsonVal{JsonVal: text}}
	}
	return &gpb.TypedValue{Value: &gpb.TypedValue_JsonIetfVal{JsonIetfVal: text}}
}

func protoValue(typ *valueType, text string) *gpb.TypedValue {
	if text == "true" || text == "false" {
		return &gpb.TypedValue{Value: &gpb.TypedValue_BoolVal{BoolVal: text == "true"}}
	}
	plain := unquote(text)
	if text[0] != '"' || typ.integer() {
		if strings.HasPrefix(plain, "-") {
			if x, err := strconv.ParseInt(plain, 10, 64); err == nil {
				return &gpb.TypedValue{Value: &gpb.TypedValue_IntVal{IntVal: x}}
			}
		}
		if x, err := strconv.ParseUint(plain, 10, 64); err == nil {
			return &gpb.TypedValue{Value: &gpb.TypedValue_UintVal{UintVal: x}}
		}
	}
	return &gpb.TypedValue{Value: &gpb.TypedValue_StringVal{StringVal: plain}}
}

// Pairs goes through two versions of a list in the order of its keys. It yields
// each entry as it was and as it is, with the zero Node where there is none.
// Entries that nobody wrote to are the same Node on both sides.
func Pairs(before, after Node) iter.Seq2[Node, Node] {
	return func(yield func(was, is Node) bool) {
		as, bs := before.entries(), after.entries()
		for len(as) > 0 || len(bs) > 0 {
			order := 0
			switch {
			case len(as) == 0:
				order = 1
			case len(bs) == 0:
				order = -1
			case as[0] != bs[0]:
				order = compareKeys(as[0].schema.numeric, as[0].text, bs[0].text)
			}
			var was, is Node
			if order <= 0 {
				was, as = Node{as[0]}, as[1:]
			}
			if order >= 0 {
				is, bs = Node{bs[0]}, bs[1:]
			}
			if !yield(was, is) {
				return
			}
		}
	}
}

func (n Node) entries() []*node {
	if n.n == nil || n.n.schema.kind != list {
		return nil
	}
	return n.n.kids
}
