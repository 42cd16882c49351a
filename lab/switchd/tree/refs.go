package tree

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// reference is a leafref that names a list entry outside of its own list
// entry's keys. Its target is a path made from list steps.
type reference struct {
	leaf  *schemaNode
	steps []refStep
}

// refStep is one list on the way to the target. For each key it says where the
// value comes from.
type refStep struct {
	entry *schemaNode
	from  []keySource
}

type keySource struct {
	self    bool   // the value of the leaf itself
	sibling string // the value of a leaf beside it
	own     int    // 1 + index of the key, of the same list among the leaf's ancestors
}

func (k keySource) any() bool { return !k.self && k.sibling == "" && k.own == 0 }

// linkLeafref understands the leafrefs OpenConfig uses: a path, absolute or
// relative, to a key of a list or to the leaf in config that equals it, with
// predicates [key=current()/../sibling].
func (s *Schema) linkLeafref(l leafref) error {
	target, steps, err := s.walkLeafref(l)
	if err != nil {
		return err
	}
	l.typ.target = target.typ
	n := l.node
	if n.readOnly || len(steps) == 0 || n.parent.kind == entry {
		return nil // a key, which is checked against its config leaf, or state
	}
	ref := reference{leaf: n, steps: steps}
	n.parent.refs = append(n.parent.refs, ref)
	steps[len(steps)-1].entry.targeted = true
	return nil
}

func (s *Schema) walkLeafref(l leafref) (*schemaNode, []refStep, error) {
	at := l.node
	rest := l.path
	relative := !strings.HasPrefix(rest, "/")
	if !relative {
		at, rest = s.root, rest[1:]
	}
	var steps []refStep
	shared := false
	for step := range splitSteps(rest) {
		if step == ".." {
			at = at.parent
			if at.kind == list {
				at = at.parent // entry and list are one XPath step
			}
			continue
		}
		if relative && !shared {
			// What is above here is the leaf's own path.
			shared = true
			for up := at; up != nil; up = up.parent {
				if up.kind == entry {
					steps = append(steps, refStep{entry: up, from: ownKeys(up)})
				}
			}
			slices.Reverse(steps)
		}
		name, predicates, _ := strings.Cut(step, "[")
		if at = at.child(plainName(name)); at == nil {
			return nil, nil, fmt.Errorf("no node %s", name)
		}
		if at.kind != list {
			continue
		}
		one := at.children[0]
		from := make([]keySource, len(one.keys))
		for p := range strings.SplitSeq(predicates, "[") {
			if p == "" {
				continue
			}
			key, source, ok := strings.Cut(strings.TrimSuffix(p, "]"), "=current()/../")
			i := slices.IndexFunc(one.keys, func(k *schemaNode) bool { return k.name == plainName(key) })
			if !ok || i < 0 {
				return nil, nil, fmt.Errorf("unsupported predicate [%s", p)
			}
			from[i].sibling = source
		}
		steps = append(steps, refStep{entry: one, from: from})
		at = one
	}
	if len(steps) == 0 || at.kind != leaf {
		return at, nil, nil
	}
	last := steps[len(steps)-1]
	i := slices.IndexFunc(last.entry.keys, func(k *schemaNode) bool { return k == at })
	if i < 0 {
		i = slices.Index(last.entry.config, at)
	}
	if at.readOnly || l.node.readOnly || l.node.parent.kind == entry {
		return at, nil, nil
	}
	if i < 0 {
		return nil, nil, errors.New("names a leaf that is no key")
	}
	last.from[i] = keySource{self: true}
	return at, steps, nil
}

func ownKeys(one *schemaNode) []keySource {
	from := make([]keySource, len(one.keys))
	for i := range from {
		from[i].own = i + 1
	}
	return from
}

// splitSteps splits a path at slashes outside of predicates.
func splitSteps(path string) func(func(string) bool) {
	return func(yield func(string) bool) {
		depth, start := 0, 0
		for i := range len(path) {
			switch path[i] {
			case '[':
				depth++
			case ']':
				depth--
			case '/':
				if depth == 0 {
					if !yield(path[start:i]) {
						return
					}
					start = i + 1
				}
			}
		}
		yield(path[start:])
	}
}

func plainName(name string) string {
	if _, plain, ok := strings.Cut(name, ":"); ok {
		return plain
	}
	return name
}

// target resolves a reference of the leaf in box, at place, to the list entries
// it needs: one path per list on the way, where a "*" stands for any key. ok is
// false when a sibling it depends on is missing.
func (r *reference) target(place *place, value string) (target string, ok bool) {
	var b strings.Builder
	last := ""
	for _, step := range r.steps {
		rest := strings.TrimPrefix(step.entry.path, last)
		last = step.entry.path
		b.WriteString(rest)
		for i, from := range step.from {
			b.WriteByte('[')
			b.WriteString(step.entry.keys[i].name)
			b.WriteByte('=')
			switch {
			case from.self:
				b.WriteString(escapeKey(value))
			case from.sibling != "":
				sibling := place.node.leafByName(from.sibling)
				if sibling == nil {
					return b.String(), false
				}
				b.WriteString(escapeKey(sibling.schema.typ.keyText(sibling.text)))
			case from.own > 0:
				up := place.entryOf(step.entry)
				if up == nil {
					return b.String(), false
				}
				b.WriteString(escapeKey(up.keyValue(from.own - 1)))
			default:
				b.WriteByte('*')
			}
			b.WriteByte(']')
		}
	}
	return b.String(), true
}

// resolve reports whether the target of a reference exists.
func (r *reference) resolve(root *node, place *place, value string) bool {
	at := root
	for _, step := range r.steps {
		// Containers between two lists.
		var names []*schemaNode
		for up := step.entry.parent; up != nil && up.kind != entry && up.parent != nil; up = up.parent {
			names = append(names, up)
		}
		for _, s := range slices.Backward(names) {
			if at = at.child(s); at == nil {
				return false
			}
		}
		// at is the list now.
		keys := make([]string, len(step.from))
		open := 0
		for i, from := range step.from {
			switch {
			case from.self:
				keys[i] = value
			case from.sibling != "":
				sibling := place.node.leafByName(from.sibling)
				if sibling == nil {
					return false
				}
				keys[i] = sibling.schema.typ.keyText(sibling.text)
			case from.own > 0:
				up := place.entryOf(step.entry)
				if up == nil {
					return false
				}
				keys[i] = up.keyValue(from.own - 1)
			default:
				open++
			}
		}
		if open == 0 {
			if at = at.entry(joinKeys(keys)); at == nil {
				return false
			}
			continue
		}
		// The leading keys narrow the list down.
		prefix := ""
		for i, from := range step.from {
			if from.any() {
				break
			}
			prefix += keys[i] + keySeparator
		}
		candidates := at.under(prefix)
		found := slices.IndexFunc(candidates, func(e *node) bool {
			for i, from := range step.from {
				if !from.any() && e.keyValue(i) != keys[i] {
					return false
				}
			}
			return true
		})
		if found < 0 {
			return false
		}
		at = candidates[found]
	}
	return true
}

// condition is a YANG "when": the node may exist only if a leaf reached from
// its nearest common list entry has one of the values.
type condition struct {
	scope  *schemaNode // entry that holds both the leaf and the node
	leaf   []string    // path of the leaf below scope
	values []string    // identities by plain name
	text   string
}

// conditions are the when statements of the trimmed models. They are written
// out because the schema entries lose those of refined groupings.
var conditions = []struct{ path, scope, leaf, values string }{
	{"/interfaces/interface/aggregation", "/interfaces/interface", "config/type", "ieee8023adLag"},
	{"/interfaces/interface/ethernet", "/interfaces/interface", "config/type", "ethernetCsmacd ieee8023adLag"},
	{"/network-instances/network-instance/fdb", "/network-instances/network-instance", "config/type", "L2VSI L2P2P L2L3 DEFAULT_INSTANCE"},
	{"/network-instances/network-instance/connection-points/connection-point/endpoints", "/network-instances/network-instance", "config/type", "L2VSI L2P2P DEFAULT_INSTANCE"},
	{"/network-instances/network-instance/connection-points/connection-point/endpoints/endpoint/local", "/network-instances/network-instance/connection-points/connection-point/endpoints/endpoint", "config/type", "LOCAL"},
	{"/network-instances/network-instance/connection-points/connection-point/endpoints/endpoint/remote", "/network-instances/network-instance/connection-points/connection-point/endpoints/endpoint", "config/type", "REMOTE"},
	{"/acl/acl-sets/acl-set/acl-entries/acl-entry/l2", "/acl/acl-sets/acl-set", "config/type", "ACL_L2 ACL_MIXED"},
}

func (s *Schema) linkConditions() error {
	for _, c := range conditions {
		n, scope := s.lookup(c.path), s.lookup(c.scope)
		if n == nil || scope == nil || s.lookup(c.scope+"/"+c.leaf) == nil {
			return fmt.Errorf("schema: condition on %s does not fit the models", c.path)
		}
		n.when = &condition{
			scope: scope.children[0], leaf: strings.Split(c.leaf, "/"), values: strings.Fields(c.values),
			text: fmt.Sprintf("%s of %s is %s", c.leaf, scope.name, strings.Join(strings.Fields(c.values), " or ")),
		}
		scope.children[0].decider = n.when.leaf
	}
	return nil
}

func (c *condition) holds(scope *node) bool {
	at := scope
	for _, name := range c.leaf {
		if at = at.childByName(name); at == nil {
			return false
		}
	}
	return slices.Contains(c.values, at.schema.typ.keyText(at.text))
}
