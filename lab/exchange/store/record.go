package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// A Record is one JSON object of a collection, as it was given, and the part of it that is looked at often. It is never
// changed.
type Record struct {
	ID  string
	Raw json.RawMessage

	fields map[string]any
}

// parse reads a JSON object with a string in the field that is its id.
func parse(text []byte, id string, indexed map[string]bool) (*Record, error) {
	var raw bytes.Buffer
	if err := json.Compact(&raw, text); err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw.Bytes(), &fields); err != nil {
		return nil, err
	}
	r := &Record{Raw: raw.Bytes(), fields: map[string]any{}}
	if err := json.Unmarshal(fields[id], &r.ID); err != nil || r.ID == "" {
		return nil, fmt.Errorf("a record needs an %s, which is a string", id)
	}
	for name, value := range fields {
		if !indexed[name] {
			continue
		}
		v, err := decode(value)
		if err != nil {
			return nil, err
		}
		r.fields[name] = v
	}
	return r, nil
}

// decode reads a JSON value; its numbers are of type [json.Number].
func decode(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}

// Object returns a copy of the whole record. Its numbers are of type [json.Number].
func (r *Record) Object() (Object, error) {
	v, err := decode(r.Raw)
	if err != nil {
		return nil, err
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("not a JSON object")
	}
	return o, nil
}

// With returns a record with other values in place of some fields that it has; a value that is nil leaves its field out.
func (r *Record) With(values map[string]json.RawMessage) (*Record, error) {
	with := &Record{ID: r.ID, fields: maps.Clone(r.fields), Raw: append(make([]byte, 0, len(r.Raw)), '{')}
	for at := 1; r.Raw[at] != '}'; {
		keyEnd := valueEnd(r.Raw, at)
		end := valueEnd(r.Raw, keyEnd+1)
		key, value := r.Raw[at:keyEnd], r.Raw[keyEnd+1:end]
		if at = end; r.Raw[at] == ',' {
			at++
		}
		var name string
		if err := json.Unmarshal(key, &name); err != nil {
			return nil, err
		}
		if other, given := values[name]; given {
			if value = other; other == nil {
				delete(with.fields, name)
				continue
			}
			if _, indexed := r.fields[name]; indexed {
				v, err := decode(other)
				if err != nil {
					return nil, err
				}
				with.fields[name] = v
			}
		}
		if len(with.Raw) > 1 {
			with.Raw = append(with.Raw, ',')
		}
		with.Raw = append(append(append(with.Raw, key...), ':'), value...)
	}
	with.Raw = append(with.Raw, '}')
	return with, nil
}

// valueEnd returns where the value ends that begins at a place of a JSON text without white space.
func valueEnd(text []byte, at int) int {
	depth, quoted := 0, false
	for ; ; at++ {
		switch c := text[at]; {
		case quoted && c == '\\':
			at++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case (c == '}' || c == ']' || c == ',' || c == ':') && depth == 0:
			return at
		case c == '}' || c == ']':
			depth--
		}
	}
}

// Text returns a scalar of an indexed field as it would stand in a query; a dot leads into an object. ok is false for
// null, for lists and objects and when there is no such field.
func (r *Record) Text(field string) (value string, ok bool) { return Object(r.fields).Text(field) }

// List returns the scalars of an indexed array.
func (r *Record) List(field string) []string { return Object(r.fields).List(field) }

// Int returns an indexed integer; ok is false when it is none.
func (r *Record) Int(field string) (n int64, ok bool) { return Object(r.fields).Int(field) }

// values returns the scalars that are in a field, none for a record that is nil.
func (r *Record) values(field string) []string {
	if r == nil {
		return nil
	}
	if v, ok := r.Text(field); ok {
		return []string{v}
	}
	return r.List(field)
}

// Value returns an indexed field as it was decoded. It must not be changed.
func (r *Record) Value(field string) any { return r.fields[field] }

// State returns the field state.
func (r *Record) State() string {
	s, _ := r.Text("state")
	return s
}

// An Object is a decoded JSON object.
type Object map[string]any

// at returns the value that a path of names with dots leads to.
func (o Object) at(path string) any {
	name, rest, nested := strings.Cut(path, ".")
	v := o[name]
	if !nested {
		return v
	}
	switch inner := v.(type) {
	case map[string]any:
		return Object(inner).at(rest)
	case Object:
		return inner.at(rest)
	}
	return nil
}

// Text returns a scalar as it would stand in a query; a dot leads into an object. ok is false for null, for lists and
// objects and when there is no such field.
func (o Object) Text(path string) (value string, ok bool) { return scalar(o.at(path)) }

func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool, int, int64, uint64:
		return fmt.Sprint(v), true
	}
	return "", false
}

// Int returns an integer; ok is false when it is none.
func (o Object) Int(path string) (n int64, ok bool) {
	text, _ := o.Text(path)
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// Bool returns whether a field is true.
func (o Object) Bool(path string) bool { return o.at(path) == true }

// List returns the scalars of an array.
func (o Object) List(path string) []string {
	var out []string
	switch values := o.at(path).(type) {
	case []string:
		return values
	case []any:
		for _, v := range values {
			if text, ok := scalar(v); ok {
				out = append(out, text)
			}
		}
	}
	return out
}

// Object returns an object within, or nil.
func (o Object) Object(path string) Object {
	switch v := o.at(path).(type) {
	case map[string]any:
		return v
	case Object:
		return v
	}
	return nil
}
