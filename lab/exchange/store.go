package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// record is one object of a collection: its JSON as it was given, and the part of it that filters look at.
type record struct {
	id     string
	raw    json.RawMessage
	fields map[string]any
}

// ErrNoCollection and ErrNoRecord tell what was not found.
var (
	ErrNoCollection = errors.New("no such collection")
	ErrNoRecord     = errors.New("no such record")
)

// parseRecord reads a JSON object with a string id.
func parseRecord(text []byte, indexed map[string]bool) (*record, error) {
	var raw bytes.Buffer
	if err := json.Compact(&raw, text); err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw.Bytes(), &fields); err != nil {
		return nil, err
	}
	r := &record{raw: raw.Bytes(), fields: map[string]any{}}
	if err := json.Unmarshal(fields["id"], &r.id); err != nil || r.id == "" {
		return nil, errors.New("a record needs an id, which is a string")
	}
	for name, value := range fields {
		if !indexed[name] {
			continue
		}
		dec := json.NewDecoder(bytes.NewReader(value))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			return nil, err
		}
		r.fields[name] = v
	}
	return r, nil
}

// text returns a scalar field as it would stand in a query; a dot leads into an object. ok is false for null, for lists
// and objects and when there is no such field.
func (r *record) text(field string) (value string, ok bool) {
	name, inner, nested := strings.Cut(field, ".")
	v := r.fields[name]
	if nested {
		object, _ := v.(map[string]any)
		v = object[inner]
	}
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return fmt.Sprint(v), true
	}
	return "", false
}

// list returns the scalars of an array field.
func (r *record) list(field string) []string {
	values, _ := r.fields[field].([]any)
	out := make([]string, 0, len(values))
	for _, v := range values {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case json.Number:
			out = append(out, v.String())
		}
	}
	return out
}

func (r *record) state() string {
	s, _ := r.text("state")
	return s
}

// snapshot is everything the exchange knows at one moment. It is never changed: a write makes a new one that shares
// what the write did not touch.
type snapshot struct {
	version uint64
	lists   map[string][]*record
	places  map[string]map[string]int // of a record in its list
}

func (s *snapshot) get(collection, id string) *record {
	if i, ok := s.places[collection][id]; ok {
		return s.lists[collection][i]
	}
	return nil
}

func (s *snapshot) with(collection string, list []*record) *snapshot {
	places := make(map[string]int, len(list))
	for i, r := range list {
		places[r.id] = i
	}
	next := &snapshot{version: s.version + 1, lists: maps.Clone(s.lists), places: maps.Clone(s.places)}
	next.lists[collection], next.places[collection] = list, places
	return next
}

func (s *snapshot) put(collection string, r *record) *snapshot {
	i, known := s.places[collection][r.id]
	list := slices.Clone(s.lists[collection])
	if !known {
		return s.with(collection, append(list, r))
	}
	list[i] = r
	return &snapshot{version: s.version + 1, lists: mapWith(s.lists, collection, list), places: s.places}
}

func mapWith[V any](m map[string]V, key string, value V) map[string]V {
	m = maps.Clone(m)
	m[key] = value
	return m
}

func (s *snapshot) delete(collection, id string) (*snapshot, bool) {
	i, known := s.places[collection][id]
	if !known {
		return s, false
	}
	return s.with(collection, slices.Delete(slices.Clone(s.lists[collection]), i, i+1)), true
}

// load reads a folder with one JSON array per collection, in a file named as the collection. A collection without a
// file is empty; a file that is no collection is a mistake.
func load(data fs.FS, known map[string]collection, indexed map[string]bool) (*snapshot, error) {
	s := &snapshot{lists: map[string][]*record{}, places: map[string]map[string]int{}}
	names, err := fs.Glob(data, "*.json")
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, name := range names {
		collection := strings.TrimSuffix(name, ".json")
		if _, ok := known[collection]; !ok {
			faults = append(faults, fmt.Errorf("%s: %w", name, ErrNoCollection))
			continue
		}
		list, err := loadList(data, name, indexed)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
			continue
		}
		s = s.with(collection, list)
	}
	return s, errors.Join(faults...)
}

func loadList(data fs.FS, name string, indexed map[string]bool) ([]*record, error) {
	text, err := fs.ReadFile(data, name)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	at := func(err error) error {
		read := text[:dec.InputOffset()]
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			read, err = bytes.TrimSpace(text), io.ErrUnexpectedEOF
		}
		return fmt.Errorf("line %d: %w", 1+bytes.Count(read, []byte("\n")), err)
	}
	if t, err := dec.Token(); err != nil {
		return nil, at(err)
	} else if t != json.Delim('[') {
		return nil, at(errors.New("not a JSON array"))
	}
	list, seen := []*record{}, map[string]bool{}
	for dec.More() {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, at(err)
		}
		r, err := parseRecord(raw, indexed)
		if err != nil {
			return nil, at(err)
		}
		if seen[r.id] {
			return nil, at(fmt.Errorf("id %q is there twice", r.id))
		}
		seen[r.id] = true
		list = append(list, r)
	}
	if _, err := dec.Token(); err != nil {
		return nil, at(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, at(errors.New("text after the array"))
	}
	return list, nil
}
