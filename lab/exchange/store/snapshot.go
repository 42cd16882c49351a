package store

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

// Snapshot is everything that is stored at one moment. It is never changed: a write makes a new one that shares what
// the write did not touch.
type Snapshot struct {
	Version uint64

	lists  map[string][]*Record
	places map[string]map[string]int // of a record in its list
}

func empty() *Snapshot {
	return &Snapshot{lists: make(map[string][]*Record), places: make(map[string]map[string]int)}
}

// Get returns a record, or nil.
func (s *Snapshot) Get(collection, id string) *Record {
	if i, ok := s.places[collection][id]; ok {
		return s.lists[collection][i]
	}
	return nil
}

// List returns the records of a collection in the order in which they were made. It must not be changed.
func (s *Snapshot) List(collection string) []*Record { return s.lists[collection] }

// Follow returns a field of the record that a reference leads to.
func (s *Snapshot) Follow(r *Record, reference, collection, field string) string {
	id, _ := r.Text(reference)
	if target := s.Get(collection, id); target != nil {
		v, _ := target.Text(field)
		return v
	}
	return ""
}

// draft is a snapshot that is being made: what is its own may be changed.
type draft struct {
	*Snapshot
	own map[string]bool // lists and places of these collections
}

func (s *Snapshot) draft() *draft {
	next := &Snapshot{Version: s.Version + 1, lists: maps.Clone(s.lists), places: maps.Clone(s.places)}
	return &draft{Snapshot: next, own: make(map[string]bool)}
}

// take makes the list of a collection the draft's own.
func (d *draft) take(collection string) {
	if !d.own[collection] {
		d.own[collection] = true
		d.lists[collection] = slices.Clone(d.lists[collection])
	}
}

// takePlaces does the same for places.
func (d *draft) takePlaces(collection string) {
	d.take(collection)
	if key := collection + "\x00places"; !d.own[key] {
		d.own[key] = true
		if d.places[collection] = maps.Clone(d.places[collection]); d.places[collection] == nil {
			d.places[collection] = make(map[string]int)
		}
	}
}

func (d *draft) put(collection string, r *Record) {
	if i, known := d.places[collection][r.ID]; known {
		d.take(collection)
		d.lists[collection][i] = r
		return
	}
	d.takePlaces(collection)
	d.places[collection][r.ID] = len(d.lists[collection])
	d.lists[collection] = append(d.lists[collection], r)
}

func (d *draft) remove(collection, id string) bool {
	i, known := d.places[collection][id]
	if !known {
		return false
	}
	d.takePlaces(collection)
	list := slices.Delete(d.lists[collection], i, i+1)
	d.lists[collection] = list
	delete(d.places[collection], id)
	for ; i < len(list); i++ {
		d.places[collection][list[i].ID] = i
	}
	return true
}

// Seed reads a folder with one JSON array per collection, in a file named as the collection: connections.json. A
// collection without a file is empty; a file that is no known collection is a mistake.
func Seed(data fs.FS, known func(collection string) bool) (map[string][]json.RawMessage, error) {
	names, err := fs.Glob(data, "*.json")
	if err != nil {
		return nil, err
	}
	seed := make(map[string][]json.RawMessage)
	var faults []error
	for _, name := range names {
		collection := strings.TrimSuffix(name, ".json")
		if !known(collection) {
			faults = append(faults, fmt.Errorf("%s: %w", name, ErrNoCollection))
			continue
		}
		list, err := readList(data, name)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
			continue
		}
		seed[collection] = list
	}
	return seed, errors.Join(faults...)
}

func readList(data fs.FS, name string) ([]json.RawMessage, error) {
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
	list, seen := []json.RawMessage{}, map[string]bool{}
	for dec.More() {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, at(err)
		}
		r, err := parse(raw, "id", nil)
		if err != nil {
			return nil, at(err)
		}
		if seen[r.ID] {
			return nil, at(fmt.Errorf("id %q is there twice", r.ID))
		}
		seen[r.ID] = true
		list = append(list, r.Raw)
	}
	if _, err := dec.Token(); err != nil {
		return nil, at(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, at(errors.New("text after the array"))
	}
	return list, nil
}
