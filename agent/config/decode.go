package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// maxAliased bounds the values that aliases stand for, as aliases of aliases multiply.
const maxAliased = 1 << 18

// decoder fills Go values from YAML nodes by the tags of their types. It goes on after a fault.
type decoder struct {
	faults  Faults
	marks   map[any]mark // where a value came from, by pointer to it
	fields  map[reflect.Type][]field
	aliased int // values that aliases stand for
}

// mark is the origin of a value.
type mark struct {
	file string
	node ast.Node
}

func (m mark) position() Position {
	if m.node == nil {
		return Position{File: m.file}
	}
	return position(m.file, start(m.node))
}

// path returns the keys that lead to the value, "inventory.devices[2].driver".
func (m mark) path() string {
	if m.node == nil {
		return ""
	}
	return strings.TrimPrefix(strings.TrimPrefix(m.node.GetPath(), "$"), ".")
}

// where is the way that led to a node.
type where struct {
	*document
	alias  ast.Node // through which it is reached, if any: its position is that of all the alias stands for
	within *within
}

// within lists the anchors that a node is part of, the innermost first.
type within struct {
	anchor *ast.AnchorNode
	outer  *within
}

func (w *within) has(a *ast.AnchorNode) bool {
	for ; w != nil; w = w.outer {
		if w.anchor == a {
			return true
		}
	}
	return false
}

// mark returns the origin of what n says.
func (w where) mark(n ast.Node) mark {
	if w.alias != nil {
		n = w.alias
	}
	return mark{w.file, n}
}

// placer is a scalar that depends on where it is written.
type placer interface {
	place(at Position, text string) error
}

func newDecoder() *decoder {
	return &decoder{marks: make(map[any]mark), fields: make(map[reflect.Type][]field)}
}

func (d *decoder) fault(f Fault) { d.faults = append(d.faults, f) }

// faultAt reports a fault of the value that ptr points to.
func (d *decoder) faultAt(ptr any, hint, format string, args ...any) {
	m := d.marks[ptr]
	d.fault(Fault{m.position(), m.path(), fmt.Sprintf(format, args...), hint})
}

func (d *decoder) faultNode(w where, n ast.Node, hint, format string, args ...any) {
	m := mark{w.file, n}
	d.fault(Fault{m.position(), m.path(), fmt.Sprintf(format, args...), hint})
}

// forget lets the value that ptr points to be set again.
func (d *decoder) forget(ptr any) { delete(d.marks, ptr) }

// decode fills the value that ptr points to from a document, and reports whether the document is of its kind.
func (d *decoder) decode(doc *document, ptr any) bool {
	return d.value(where{document: doc}, doc.root, reflect.ValueOf(ptr).Elem(), rule{})
}

// value decodes n into v, which is addressable, and reports whether there is something to decode.
func (d *decoder) value(w where, n ast.Node, v reflect.Value, r rule) bool {
	w, n = d.resolve(w, n)
	if n == nil {
		return false
	}
	ptr := v.Addr().Interface()
	if first, again := d.marks[ptr]; !again {
		d.marks[ptr] = w.mark(n)
	} else if !grows(v.Type()) {
		d.faultNode(w, n, "", "is already set at %s", first.position())
		return false
	}
	if d.exhausted(w) {
		return false
	}
	if _, null := n.(*ast.NullNode); null {
		d.faultNode(w, n, "remove the key or give it a value", "has no value")
		return false
	}
	if inv, ok := ptr.(*Inventory); ok && !isMapping(n) {
		return d.value(w, n, reflect.ValueOf(&inv.Include).Elem(), rule{})
	}
	if scalar(v.Type()) {
		d.scalar(w, n, v, r)
		return true
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		if !d.value(w, n, p.Elem(), r) {
			return false
		}
		v.Set(p)
	case reflect.Struct:
		return d.mapping(w, n, v)
	case reflect.Map:
		d.named(w, n, v)
	case reflect.Slice:
		d.list(w, n, v, r)
	}
	return true
}

// exhausted counts a value, and reports whether aliases stand for too many.
func (d *decoder) exhausted(w where) bool {
	if w.alias == nil || d.aliased > maxAliased {
		return w.alias != nil
	}
	if d.aliased++; d.aliased > maxAliased {
		d.faultNode(w, w.alias, "", "aliases stand for more than %d values", maxAliased)
	}
	return d.aliased > maxAliased
}

// grows reports whether values of type t can come from several files: lists of records and structs do.
func grows(t reflect.Type) bool {
	return !scalar(t) && (t.Kind() == reflect.Struct || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Pointer)
}

// scalar reports whether values of type t are written as a YAML scalar.
func scalar(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	if p.Implements(reflect.TypeFor[placer]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return true
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Pointer:
		return false
	}
	return true
}

func isMapping(n ast.Node) bool {
	_, ok := n.(ast.MapNode)
	return ok
}

// resolve follows anchors and aliases, and refuses tags. It returns nil after a fault.
func (d *decoder) resolve(w where, n ast.Node) (where, ast.Node) {
	for {
		switch x := n.(type) {
		case *ast.AnchorNode:
			w.within, n = &within{x, w.within}, x.Value
		case *ast.AliasNode:
			name := x.Value.GetToken().Value
			a, ok := w.anchors[name]
			switch {
			case !ok || a.Start.Position.Offset >= x.Start.Position.Offset:
				d.faultNode(w, n, "", "no anchor %q is defined before", name)
				return w, nil
			case w.within.has(a):
				d.faultNode(w, n, "", "anchor %q contains itself", name)
				return w, nil
			}
			if w.alias == nil {
				w.alias = x
			}
			n = a
		case *ast.TagNode:
			d.faultNode(w, n, "remove "+x.Start.Value, "YAML tags have no meaning here")
			return w, nil
		default:
			return w, n
		}
	}
}

// entry is a key of a mapping.
type entry struct {
	where
	key   string
	node  ast.Node // the key itself
	value ast.Node
}

// entries returns the keys of a mapping, merged ones last. It reports those that occur twice.
func (d *decoder) entries(w where, n ast.Node) ([]entry, bool) {
	m, ok := n.(ast.MapNode)
	if !ok {
		d.faultNode(w, n, "write key: value", "%s where a mapping is expected", kindOf(n))
		return nil, false
	}
	var own []entry
	var merged []ast.Node
	seen := make(map[string]ast.Node)
	for it := m.MapRange(); it.Next(); {
		if it.Key().IsMergeKey() {
			merged = append(merged, it.Value())
			continue
		}
		key := it.Key().GetToken().Value
		if d.exhausted(w) {
			return nil, false
		}
		if first, again := seen[key]; again {
			d.fault(Fault{position(w.file, start(it.Key())), join(mark{w.file, n}.path(), key), "is already set at " + position(w.file, start(first)).String(), ""})
			continue
		}
		seen[key] = it.Key()
		own = append(own, entry{w, key, it.Key(), it.Value()})
	}
	for len(merged) > 0 {
		w, n := d.resolve(w, merged[0])
		merged = merged[1:]
		if s, ok := n.(*ast.SequenceNode); ok {
			merged = append(slices.Clone(s.Values), merged...)
			continue
		}
		if n == nil {
			continue
		}
		others, _ := d.entries(w, n)
		for _, e := range others {
			if _, set := seen[e.key]; !set {
				seen[e.key] = e.node
				own = append(own, e)
			}
		}
	}
	return own, true
}

func (d *decoder) mapping(w where, n ast.Node, v reflect.Value) bool {
	entries, ok := d.entries(w, n)
	fields := d.fieldsOf(v.Type())
	for _, e := range entries {
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == e.key })
		if i < 0 {
			keys := make([]string, len(fields))
			for i, f := range fields {
				keys[i] = f.key
			}
			d.fault(Fault{position(w.file, start(e.node)), join(mark{w.file, n}.path(), e.key), "unknown key", suggest(e.key, keys)})
			continue
		}
		d.value(e.where, e.value, v.Field(fields[i].index), fields[i].rule)
	}
	return ok
}

// named decodes a mapping whose keys are names of the operator's.
func (d *decoder) named(w where, n ast.Node, v reflect.Value) {
	entries, _ := d.entries(w, n)
	v.Set(reflect.MakeMapWithSize(v.Type(), len(entries)))
	for _, e := range entries {
		p := reflect.New(v.Type().Elem())
		if d.value(e.where, e.value, p.Elem(), rule{}) {
			v.SetMapIndex(reflect.ValueOf(e.key), p.Elem())
		}
	}
}

func (d *decoder) list(w where, n ast.Node, v reflect.Value, r rule) {
	items := []ast.Node{n}
	if s, ok := n.(*ast.SequenceNode); ok {
		items = s.Values
	} else if v.Type() != reflect.TypeFor[Paths]() || isMapping(n) {
		d.faultNode(w, n, "begin every item with -", "%s where a list is expected", kindOf(n))
		return
	}
	if r.minItems > len(items) {
		d.faultNode(w, n, "", "has %d items where at least %d are needed", len(items), r.minItems)
	}
	if r.maxItems > 0 && r.maxItems < len(items) {
		d.faultNode(w, n, "", "has %d items where at most %d are possible", len(items), r.maxItems)
	}
	s := reflect.MakeSlice(v.Type(), len(items), len(items))
	r.minItems, r.maxItems = 0, 0
	for i, item := range items {
		d.value(w, item, s.Index(i), r)
	}
	if s.Type().Elem().Kind() == reflect.Pointer {
		for i := range s.Len() {
			if !s.Index(i).IsNil() {
				v.Set(reflect.Append(v, s.Index(i)))
			}
		}
		return
	}
	v.Set(s)
}

// scalar decodes a YAML scalar as it is written, so that 0123 stays 0123.
func (d *decoder) scalar(w where, n ast.Node, v reflect.Value, r rule) {
	var text string
	switch x := n.(type) {
	case *ast.BoolNode:
		if v.Kind() == reflect.Bool {
			v.SetBool(x.Value)
			return
		}
		if p, ok := v.Addr().Interface().(*Socket); ok {
			_ = p.place(mark{w.file, n}.position(), strconv.FormatBool(x.Value)) // it takes both
			return
		}
		d.faultNode(w, n, fmt.Sprintf("if it is a text, put it in quotes: %q", x.GetToken().Value), "%s is a truth value", x.GetToken().Value)
		return
	case *ast.LiteralNode:
		text = x.Value.Value
	case *ast.StringNode:
		text = x.Value
	case *ast.IntegerNode, *ast.FloatNode:
		text = n.GetToken().Value
	default:
		d.faultNode(w, n, "", "%s where a single value is expected", kindOf(n))
		return
	}
	if err := r.set(v, mark{w.file, n}.position(), text); err != nil {
		hint := ""
		switch e := err.(type) {
		case *choiceError:
			hint = suggest(text, e.choice)
		default:
			if err == errLiteral {
				hint = "write env:NAME, file:/path or credential:NAME"
			}
		}
		d.faultNode(w, n, hint, "%v", err)
		r.reset(v)
	}
}

// kindOf says what a node is.
func kindOf(n ast.Node) string {
	switch n.(type) {
	case ast.MapNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	}
	return "a single value"
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// finish gives what is not set its default, and reports what has to be.
func (d *decoder) finish(ptr any) { d.complete(reflect.ValueOf(ptr).Elem(), d.marks[ptr]) }

// complete finishes v, which stands at or below the value that above marks.
func (d *decoder) complete(v reflect.Value, above mark) {
	if scalar(v.Type()) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			d.complete(v.Elem(), above)
		}
	case reflect.Slice:
		for i := range v.Len() {
			d.complete(v.Index(i), above)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			d.complete(it.Value(), above)
		}
	case reflect.Struct:
		if m, ok := d.marks[v.Addr().Interface()]; ok {
			above = m
		}
		for _, f := range d.fieldsOf(v.Type()) {
			d.completeField(v.Field(f.index), f, above)
		}
	}
}

func (d *decoder) completeField(v reflect.Value, f field, above mark) {
	if _, set := d.marks[v.Addr().Interface()]; !set {
		if f.required {
			d.fault(Fault{above.position(), join(above.path(), f.key), "is missing", ""})
		}
		f.reset(v)
	}
	d.complete(v, above)
}

// fieldsOf returns the fields of a struct type that are keys of the file.
func (d *decoder) fieldsOf(t reflect.Type) []field {
	if fields, ok := d.fields[t]; ok {
		return fields
	}
	var fields []field
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if key == "" {
			continue
		}
		fields = append(fields, field{i, key, parseRule(t.Field(i).Tag.Get("jsonschema"))})
	}
	d.fields[t] = fields
	return fields
}
