package tree

import (
	"slices"
	"strconv"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
)

// Edit makes a new tree from an old one. After an error it must be thrown
// away. It is not for concurrent use; the trees are.
type Edit struct {
	schema *Schema
	owner  *owner
	root   *node
	state  bool
	err    error  // of branches
	spare  []node // for branches
}

// Edit starts an edit of the configuration: state cannot be written.
func (t *Tree) Edit() *Edit {
	return &Edit{schema: t.schema, owner: new(owner), root: t.root}
}

// EditState starts an edit that may also write state.
func (t *Tree) EditState() *Edit {
	e := t.Edit()
	e.state = true
	return e
}

// Tree ends the edit.
func (e *Edit) Tree() *Tree {
	e.owner = new(owner)
	return &Tree{schema: e.schema, root: e.root}
}

// own returns n itself when this edit made it, else a copy it may change.
func (e *Edit) own(n *node) *node {
	if n.owner == e.owner {
		return n
	}
	kids := append(make([]*node, 0, len(n.kids)+1), n.kids...) // it is often about to get another
	return &node{schema: n.schema, owner: e.owner, text: n.text, kids: kids}
}

// put sets a kid of an owned container or entry.
func put(n, kid *node) {
	i, ok := slices.BinarySearchFunc(n.kids, kid.schema.index, func(k *node, index int) int { return k.schema.index - index })
	if ok {
		n.kids[i] = kid
		return
	}
	n.kids = slices.Insert(n.kids, i, kid)
}

// Delete removes everything a path names; wildcards are allowed, and so is
// naming nothing that exists.
func (e *Edit) Delete(p *gpb.Path) error {
	pat, err := e.schema.Pattern(p)
	if err != nil {
		return err
	}
	if err := e.writable(pat); err != nil {
		return err
	}
	if len(pat.steps) == 0 {
		e.root = &node{schema: e.schema.root, owner: e.owner}
		return nil
	}
	e.root = e.cut(e.root, pat.steps)
	if e.root == nil {
		e.root = &node{schema: e.schema.root, owner: e.owner}
	}
	return nil
}

// cut returns n without what steps name below it: n itself when that is
// nothing, nil when nothing is left of a container or list.
func (e *Edit) cut(n *node, steps []patternStep) *node {
	step := &steps[0]
	kids := make([]*node, 0, len(n.kids))
	changed := false
	for _, kid := range n.kids {
		left := kid
		switch {
		case !slices.Contains(step.schemas, kid.schema):
		case kid.schema.kind == list:
			left = e.cutEntries(kid, step, steps[1:])
		case len(steps) == 1:
			left = nil
		default:
			left = e.cut(kid, steps[1:])
		}
		changed = changed || left != kid
		if left != nil {
			kids = append(kids, left)
		}
	}
	switch {
	case !changed:
		return n
	case len(kids) == 0 && n.schema.kind != entry:
		return nil
	}
	return &node{schema: n.schema, owner: e.owner, text: n.text, kids: kids}
}

func (e *Edit) cutEntries(n *node, step *patternStep, rest []patternStep) *node {
	lo, hi := 0, len(n.kids)
	if !slices.Contains(step.keys, anyKey) {
		i, ok := n.find(joinKeys(step.keys))
		if !ok {
			return n
		}
		lo, hi = i, i+1
	}
	var kids []*node
	changed := false
	for _, kid := range n.kids[lo:hi] {
		left := kid
		if step.fits(kid) {
			left = nil
			if len(rest) > 0 {
				left = e.cut(kid, rest)
			}
		}
		changed = changed || left != kid
		if left != nil {
			kids = append(kids, left)
		}
	}
	if !changed {
		return n
	}
	if len(kids) == 0 && hi-lo == len(n.kids) {
		return nil
	}
	if n.owner == e.owner {
		n.kids = slices.Replace(n.kids, lo, hi, kids...)
		return n
	}
	return &node{schema: n.schema, owner: e.owner, kids: slices.Concat(n.kids[:lo], kids, n.kids[hi:])}
}

func (e *Edit) writable(p *Pattern) error {
	if len(p.steps) == 0 {
		return nil
	}
	last := p.steps[len(p.steps)-1]
	for _, s := range last.schemas {
		if s.readOnly && !e.state {
			return &Error{p.text, "is state and cannot be written"}
		}
		if s.parent.kind == entry && slices.Contains(s.parent.keys, s) {
			return &Error{p.text, "is a key and cannot be written"}
		}
	}
	return nil
}

// Replace sets what one path names to a value and nothing else.
func (e *Edit) Replace(p *gpb.Path, v *gpb.TypedValue) error { return e.write(p, v, true) }

// Update merges a value into what one path names.
func (e *Edit) Update(p *gpb.Path, v *gpb.TypedValue) error { return e.write(p, v, false) }

func (e *Edit) write(p *gpb.Path, v *gpb.TypedValue, replace bool) error {
	pat, err := e.schema.Pattern(p)
	if err != nil {
		return err
	}
	if !pat.single {
		return &Error{pat.text, "must name one node to be written: it has wildcards or lacks the keys of a list"}
	}
	if err := e.writable(pat); err != nil {
		return err
	}
	target := e.schema.root
	for _, s := range pat.steps {
		target = s.schemas[0].inner()
	}
	fresh, err := e.decode(target, pat, v)
	if err != nil {
		return err
	}
	if replace {
		if err := e.Delete(p); err != nil {
			return err
		}
	}
	if fresh == nil {
		return nil
	}
	// Wrap the value in the containers and entries on the way to it, then merge.
	for i := len(pat.steps) - 1; i >= 0; i-- {
		step := &pat.steps[i]
		s := step.schemas[0]
		if s.kind == list {
			if fresh, err = e.keyed(fresh, step, pat); err != nil {
				return err
			}
			fresh = &node{schema: s, owner: e.owner, kids: []*node{fresh}}
		}
		up := e.schema.root
		if i > 0 {
			up = pat.steps[i-1].schemas[0].inner()
		}
		fresh = &node{schema: up, owner: e.owner, kids: []*node{fresh}}
	}
	e.root = e.merge(e.root, fresh)
	return nil
}

// keyed gives an entry the keys of the path and the leaves that repeat them.
func (e *Edit) keyed(n *node, step *patternStep, pat *Pattern) (*node, error) {
	key := joinKeys(step.keys)
	if n.text != "" && n.text != key {
		return nil, &Error{pat.text, "the value has the key " + strconv.Quote(n.text) + ", the path another"}
	}
	n.text = key
	for i, k := range n.schema.keys {
		text, err := k.typ.canonical(scalar{text: step.keys[i]}, fromKey)
		if err != nil {
			return nil, &Error{pat.text, "key " + k.name + ": " + err.Error()}
		}
		if have := n.child(k); have != nil && have.text != text {
			return nil, &Error{pat.text, "the value has the key " + have.text + ", the path another"}
		}
		put(n, &node{schema: k, owner: e.owner, text: text})
	}
	return n, nil
}

// merge lays src, which belongs to this edit, over dst and returns the result.
func (e *Edit) merge(dst, src *node) *node {
	switch src.schema.kind {
	case leaf, leafList:
		if dst.text == src.text {
			return dst
		}
		return src
	case list:
		// Untouched until something differs, so that rewriting what is there
		// already changes nothing.
		out := dst
		for _, kid := range src.kids {
			i, ok := out.find(kid.text)
			if !ok {
				out = e.own(out)
				out.kids = slices.Insert(out.kids, i, kid)
				continue
			}
			if merged := e.merge(out.kids[i], kid); merged != out.kids[i] {
				out = e.own(out)
				out.kids[i] = merged
			}
		}
		return out
	}
	out := dst
	for _, kid := range src.kids {
		have := out.child(kid.schema)
		merged := kid
		if have != nil {
			merged = e.merge(have, kid)
		}
		if merged != have {
			out = e.own(out)
			put(out, merged)
		}
	}
	return out
}

// decode reads a value for a node of the schema. nil without an error is an
// empty container.
func (e *Edit) decode(s *schemaNode, pat *Pattern, v *gpb.TypedValue) (*node, error) {
	var text []byte
	switch v := v.GetValue().(type) {
	case *gpb.TypedValue_JsonIetfVal:
		text = v.JsonIetfVal
	case *gpb.TypedValue_JsonVal:
		text = v.JsonVal
	default:
		return e.decodeTyped(s, pat, v)
	}
	n, err := parse(s, pat.text, text, e.owner, e.state)
	if n == nil && err == nil && s.kind == entry {
		n = &node{schema: s, owner: e.owner}
	}
	return n, err
}

func (e *Edit) decodeTyped(s *schemaNode, pat *Pattern, v any) (*node, error) {
	if s.kind != leaf && s.kind != leafList {
		return nil, &Error{pat.text, "needs a JSON_IETF value: it is not a leaf"}
	}
	var values []scalar
	array := false
	if l, ok := v.(*gpb.TypedValue_LeaflistVal); ok {
		array = true
		for _, item := range l.LeaflistVal.GetElement() {
			one, ok := typedScalar(item.GetValue())
			if !ok {
				return nil, &Error{pat.text, "has an array of values of no supported kind"}
			}
			values = append(values, one)
		}
	} else {
		one, ok := typedScalar(v)
		if !ok {
			return nil, &Error{pat.text, "has no value of a supported kind"}
		}
		values = append(values, one)
	}
	if array != (s.kind == leafList) {
		return nil, &Error{pat.text, "must be an array if, and only if, it is a leaf-list"}
	}
	var texts []string
	for _, one := range values {
		text, err := s.typ.canonical(one, fromTyped)
		if err != nil {
			return nil, &Error{pat.text, "value " + one.String() + " " + err.Error()}
		}
		if slices.Contains(texts, text) {
			return nil, &Error{pat.text, "has the value " + text + " twice"}
		}
		texts = append(texts, text)
	}
	if !array {
		return &node{schema: s, owner: e.owner, text: texts[0]}, nil
	}
	if len(texts) == 0 {
		return nil, nil
	}
	b := []byte{'['}
	for i, text := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, text...)
	}
	return &node{schema: s, owner: e.owner, text: string(append(b, ']'))}, nil
}

func typedScalar(v any) (scalar, bool) {
	switch v := v.(type) {
	case *gpb.TypedValue_StringVal:
		return scalar{text: v.StringVal}, true
	case *gpb.TypedValue_UintVal:
		return scalar{text: strconv.FormatUint(v.UintVal, 10), number: true}, true
	case *gpb.TypedValue_IntVal:
		return scalar{text: strconv.FormatInt(v.IntVal, 10), number: true}, true
	case *gpb.TypedValue_BoolVal:
		return scalar{text: strconv.FormatBool(v.BoolVal), truth: true}, true
	}
	return scalar{}, false
}

// Adopt puts an entry of another tree of the same schema into the list with the
// given names below the root, in the place of the entry with its key. It does
// nothing where there is no such list.
func (e *Edit) Adopt(n Node, names ...string) {
	e.root = e.own(e.root)
	at := e.root
	for _, name := range names {
		kid := at.childByName(name)
		if kid == nil {
			return
		}
		kid = e.own(kid)
		put(at, kid)
		at = kid
	}
	if !n.Exists() || at.schema.kind != list || n.n.schema.parent != at.schema {
		return
	}
	if i, ok := at.find(n.n.text); ok {
		at.kids[i] = n.n
	} else {
		at.kids = slices.Insert(at.kids, i, n.n)
	}
}

// Peek returns the root as the edit has it so far. It is valid until the next
// write.
func (e *Edit) Peek() Node { return Node{e.root} }

// Share puts what another tree of the schema holds in the place of what the edit wrote equal to it, so that what was
// written anew and is no other is the same in memory.
func (e *Edit) Share(with *Tree) { e.root = e.share(with.root, e.root) }

func (e *Edit) share(old, n *node) *node {
	switch {
	case n == old || n.owner != e.owner:
		return n
	case n.schema.kind == leaf || n.schema.kind == leafList:
		if n.text == old.text {
			return old
		}
		return n
	}
	same := len(n.kids) == len(old.kids)
	rest := old.kids
	for i, kid := range n.kids {
		for len(rest) > 0 && n.schema.order(rest[0], kid) < 0 {
			rest = rest[1:]
		}
		if len(rest) == 0 || n.schema.order(rest[0], kid) > 0 {
			same = false
			continue
		}
		n.kids[i] = e.share(rest[0], kid)
		same = same && n.kids[i] == rest[0]
	}
	if same {
		return old
	}
	return n
}
