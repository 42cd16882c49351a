package config

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// maxValues bounds the values of a configuration, which aliases could multiply.
const maxValues = 4 << 20

// decoder fills Go values from YAML nodes by the tags of their types. It goes on after a fault.
type decoder struct {
	faults Faults
	marks  map[any]mark // where a value came from, by pointer to it
	fields map[reflect.Type][]field
	values int
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

func (d *decoder) faultNode(doc *document, n ast.Node, hint, format string, args ...any) {
	m := mark{doc.file, n}
	d.fault(Fault{m.position(), m.path(), fmt.Sprintf(format, args...), hint})
}

// forget lets the value that ptr points to be set again.
func (d *decoder) forget(ptr any) { delete(d.marks, ptr) }

// decode fills the value that ptr points to from a document.
func (d *decoder) decode(doc *document, ptr any) {
	d.value(doc, doc.root, reflect.ValueOf(ptr).Elem(), rule{})
}

// value decodes n into v, which is addressable.
func (d *decoder) value(doc *document, n ast.Node, v reflect.Value, r rule) {
	if n = d.resolve(doc, n); n == nil {
		return
	}
	ptr := v.Addr().Interface()
	if first, again := d.marks[ptr]; again {
		if !grows(v.Type()) {
			d.faultNode(doc, n, "", "is already set at %s", first.position())
			return
		}
	} else {
		d.marks[ptr] = mark{doc.file, n}
	}
	if d.values++; d.values > maxValues {
		if d.values == maxValues+1 {
			d.faultNode(doc, n, "", "the configuration has more than %d values", maxValues)
		}
		return
	}
	if _, null := n.(*ast.NullNode); null {
		d.faultNode(doc, n, "remove the key or give it a value", "has no value")
		return
	}
	if inv, ok := ptr.(*Inventory); ok && !isMapping(n) {
		d.value(doc, n, reflect.ValueOf(&inv.Include).Elem(), rule{})
		return
	}
	if scalar(v.Type()) {
		d.scalar(doc, n, v, r)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.value(doc, n, p.Elem(), r)
		v.Set(p)
	case reflect.Struct:
		d.mapping(doc, n, v)
	case reflect.Map:
		d.named(doc, n, v)
	case reflect.Slice:
		d.list(doc, n, v, r)
	}
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

// resolve follows anchors and aliases, and refuses tags.
func (d *decoder) resolve(doc *document, n ast.Node) ast.Node {
	for range maxDepth {
		switch x := n.(type) {
		case *ast.AnchorNode:
			n = x.Value
		case *ast.AliasNode:
			name := x.Value.GetToken().Value
			a, ok := doc.anchors[name]
			if !ok || a.Start.Position.Offset >= x.Start.Position.Offset {
				d.faultNode(doc, n, "", "no anchor %q is defined before", name)
				return nil
			}
			n = a.Value
		case *ast.TagNode:
			d.faultNode(doc, n, "remove "+x.Start.Value, "YAML tags have no meaning here")
			return nil
		default:
			return n
		}
	}
	d.faultNode(doc, n, "", "aliases refer to each other")
	return nil
}

type entry struct {
	key   string
	node  ast.Node
	value ast.Node
}

// entries returns the keys of a mapping, merged ones last. It reports those that occur twice.
func (d *decoder) entries(doc *document, n ast.Node) ([]entry, bool) {
	m, ok := n.(ast.MapNode)
	if !ok {
		d.faultNode(doc, n, "write key: value", "%s where a mapping is expected", kindOf(n))
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
		if d.values++; d.values > maxValues {
			return nil, false
		}
		if first, again := seen[key]; again {
			d.fault(Fault{position(doc.file, start(it.Key())), join(mark{doc.file, n}.path(), key), "is already set at " + position(doc.file, start(first)).String(), ""})
			continue
		}
		seen[key] = it.Key()
		own = append(own, entry{key, it.Key(), it.Value()})
	}
	for len(merged) > 0 {
		n := d.resolve(doc, merged[0])
		merged = merged[1:]
		if s, ok := n.(*ast.SequenceNode); ok {
			merged = append(slices.Clone(s.Values), merged...)
			continue
		}
		if n == nil {
			continue
		}
		if d.values++; d.values > maxValues {
			return nil, false
		}
		others, _ := d.entries(doc, n)
		for _, e := range others {
			if _, set := seen[e.key]; !set {
				seen[e.key] = e.node
				own = append(own, e)
			}
		}
	}
	return own, true
}

func (d *decoder) mapping(doc *document, n ast.Node, v reflect.Value) {
	entries, _ := d.entries(doc, n)
	fields := d.fieldsOf(v.Type())
	for _, e := range entries {
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == e.key })
		if i < 0 {
			keys := make([]string, len(fields))
			for i, f := range fields {
				keys[i] = f.key
			}
			d.fault(Fault{position(doc.file, start(e.node)), join(mark{doc.file, n}.path(), e.key), "unknown key", suggest(e.key, keys)})
			continue
		}
		d.value(doc, e.value, v.Field(fields[i].index), fields[i].rule)
	}
}

// named decodes a mapping whose keys are names of the operator's.
func (d *decoder) named(doc *document, n ast.Node, v reflect.Value) {
	entries, _ := d.entries(doc, n)
	v.Set(reflect.MakeMapWithSize(v.Type(), len(entries)))
	for _, e := range entries {
		p := reflect.New(v.Type().Elem())
		d.value(doc, e.value, p.Elem(), rule{})
		if !p.Elem().IsNil() {
			v.SetMapIndex(reflect.ValueOf(e.key), p.Elem())
		}
	}
}

func (d *decoder) list(doc *document, n ast.Node, v reflect.Value, r rule) {
	items := []ast.Node{n}
	if s, ok := n.(*ast.SequenceNode); ok {
		items = s.Values
	} else if v.Type() != reflect.TypeFor[Paths]() || isMapping(n) {
		d.faultNode(doc, n, "begin every item with -", "%s where a list is expected", kindOf(n))
		return
	}
	if r.minItems > len(items) {
		d.faultNode(doc, n, "", "has %d items where at least %d are needed", len(items), r.minItems)
	}
	if r.maxItems > 0 && r.maxItems < len(items) {
		d.faultNode(doc, n, "", "has %d items where at most %d are possible", len(items), r.maxItems)
	}
	s := reflect.MakeSlice(v.Type(), len(items), len(items))
	r.minItems, r.maxItems = 0, 0
	for i, item := range items {
		d.value(doc, item, s.Index(i), r)
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
func (d *decoder) scalar(doc *document, n ast.Node, v reflect.Value, r rule) {
	var text string
	switch x := n.(type) {
	case *ast.BoolNode:
		if v.Kind() == reflect.Bool {
			v.SetBool(x.Value)
			return
		}
		d.faultNode(doc, n, fmt.Sprintf("put it in quotes: %q", x.GetToken().Value), "%s is true or false", x.GetToken().Value)
		return
	case *ast.LiteralNode:
		text = x.Value.Value
	case *ast.StringNode:
		text = x.Value
	case *ast.IntegerNode, *ast.FloatNode:
		text = n.GetToken().Value
	default:
		d.faultNode(doc, n, "", "%s where a single value is expected", kindOf(n))
		return
	}
	if err := r.set(v, mark{doc.file, n}.position(), text); err != nil {
		hint := ""
		switch e := err.(type) {
		case *choiceError:
			hint = suggest(text, e.choice)
		default:
			if err == errLiteral {
				hint = "write env:NAME, file:/path or credential:NAME"
			}
		}
		d.faultNode(doc, n, hint, "%v", err)
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

// field is a field of a struct as its tags describe it.
type field struct {
	index int
	key   string
	rule
}

// rule is what a jsonschema tag asks of a value. The same tag makes the JSON Schema.
type rule struct {
	required           bool
	standard           string // default
	enum               []string
	pattern            *regexp.Regexp
	min, max           *uint64
	minItems, maxItems int
	maxLength          int
}

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

func parseRule(tag string) rule {
	var r rule
	for word := range strings.SplitSeq(tag, ",") {
		name, text, _ := strings.Cut(word, "=")
		n, _ := strconv.ParseUint(text, 10, 64)
		switch name {
		case "required":
			r.required = true
		case "default":
			r.standard = text
		case "enum":
			r.enum = append(r.enum, text)
		case "pattern":
			r.pattern = regexp.MustCompile(text)
		case "minimum":
			r.min = &n
		case "maximum":
			r.max = &n
		case "minItems":
			r.minItems = int(n)
		case "maxItems":
			r.maxItems = int(n)
		case "maxLength":
			r.maxLength = int(n)
		}
	}
	return r
}

// choiceError is a word that is none of those possible.
type choiceError struct {
	text   string
	choice []string
}

func (e *choiceError) Error() string {
	return fmt.Sprintf("%q is not one of %s", e.text, strings.Join(e.choice, ", "))
}

// set gives v the value that text stands for.
func (r rule) set(v reflect.Value, at Position, text string) error {
	switch {
	case text == "":
		return fmt.Errorf("is empty")
	case r.enum != nil && !slices.Contains(r.enum, text):
		return &choiceError{text, r.enum}
	case r.pattern != nil && !r.pattern.MatchString(text):
		return fmt.Errorf("%q does not match %s", text, r.pattern)
	case r.maxLength > 0 && len(text) > r.maxLength:
		return fmt.Errorf("%q is longer than %d characters", text, r.maxLength)
	}
	switch p := v.Addr().Interface().(type) {
	case placer:
		return p.place(at, text)
	case *time.Duration:
		t, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 30s or 2m", text)
		}
		*p = t
		return nil
	case *netip.Addr:
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return fmt.Errorf("%q is not an IP address", text)
		}
		*p = a
		return nil
	case *netip.AddrPort:
		a, err := netip.ParseAddrPort(text)
		if err != nil {
			return fmt.Errorf("%q is not an IP address and port such as 127.0.0.1:9809", text)
		}
		*p = a
		return nil
	case *switchcfg.TPID:
		t, err := switchcfg.ParseTPID(text)
		*p = t
		return err
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
			return fmt.Errorf("%q holds a control character", text)
		}
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil || text != "true" && text != "false" {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(b)
	default:
		return r.number(v, text)
	}
	return nil
}

// number sets v, which is of an integer type.
func (r rule) number(v reflect.Value, text string) error {
	bits := v.Type().Bits()
	least, most := uint64(0), uint64(1)<<bits-1
	if v.CanInt() {
		most >>= 1
	}
	if r.min != nil {
		least = *r.min
	}
	if r.max != nil {
		most = *r.max
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < least || n > most {
		return fmt.Errorf("%q is not a whole number between %d and %d", text, least, most)
	}
	if v.CanInt() {
		v.SetInt(int64(n))
	} else {
		v.SetUint(n)
	}
	return nil
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
		if f.standard != "" {
			// The defaults are constants of this package, which a test reads.
			_ = f.set(v, Position{}, f.standard)
		}
	}
	d.complete(v, above)
}
