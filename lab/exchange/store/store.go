// Package store keeps JSON records in collections. They are changed in transactions, one after the other, each of which
// is on disk before anybody sees it, and read as snapshots that never change.
package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// ErrNoCollection and ErrNoRecord tell what was not found.
var (
	ErrNoCollection = errors.New("no such collection")
	ErrNoRecord     = errors.New("no such record")
)

// MaxPast bounds the snapshots of before the last writes that are kept.
const MaxPast = 64

// openTime is how long another process may hold the file.
const openTime = 2 * time.Second

// The buckets of the file. Records lie under the order in which they were made, in a bucket of their collection.
const (
	recordsBucket   = "records"
	sequencesBucket = "sequences"
	blobsBucket     = "blobs"
)

// Options say what a store is.
type Options struct {
	// Path is the file; without one everything is in memory only.
	Path string
	// Index names the fields that [Record.Text], [Record.List], [Record.Int] and [Record.Value] find.
	Index map[string]bool
	// Identity names the field that is a record's id in a collection; "id" where it returns "" or is nil.
	Identity func(collection string) string
}

// Store is a store that is open. Its methods may be called concurrently.
type Store struct {
	options Options
	db      *bolt.DB // nil in memory

	writing sync.Mutex // held during a transaction

	mu        sync.Mutex // guards what follows, which changes at the end of a transaction
	current   *Snapshot
	past      []*Snapshot // of before each write, oldest first
	sequences map[string]uint64
	blobs     map[string][]byte
	places    map[string]map[string]uint64 // keys in the file, by collection and id
	watch     []func(Change)
}

// A Change names a record that a transaction put or removed.
type Change struct{ Collection, ID string }

// Open opens a store. A file that does not exist is made; empty reports that nothing is in it.
func Open(o Options) (s *Store, err error) {
	s = &Store{options: o, current: empty(), sequences: map[string]uint64{}, blobs: map[string][]byte{}, places: map[string]map[string]uint64{}}
	if o.Path == "" {
		return s, nil
	}
	if s.db, err = bolt.Open(o.Path, 0o600, &bolt.Options{Timeout: openTime, FreelistType: bolt.FreelistMapType}); err != nil {
		if errors.Is(err, bolterrors.ErrTimeout) {
			err = errors.New("another process has it")
		}
		return nil, fmt.Errorf("%s: %w", o.Path, err)
	}
	if err := s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", o.Path, err), s.db.Close())
	}
	return s, nil
}

// load reads the file.
func (s *Store) load() error {
	err := s.db.Update(func(tx *bolt.Tx) error {
		for _, name := range []string{recordsBucket, sequencesBucket, blobsBucket} {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	d := s.current.draft()
	err = s.db.View(func(tx *bolt.Tx) error {
		records := tx.Bucket([]byte(recordsBucket))
		err := records.ForEachBucket(func(name []byte) error {
			collection := string(name)
			s.places[collection] = make(map[string]uint64)
			return records.Bucket(name).ForEach(func(key, value []byte) error {
				r, err := s.parse(collection, value)
				if err != nil {
					return fmt.Errorf("%s: %w", collection, err)
				}
				s.places[collection][r.ID] = binary.BigEndian.Uint64(key)
				d.put(collection, r)
				return nil
			})
		})
		if err != nil {
			return err
		}
		err = tx.Bucket([]byte(sequencesBucket)).ForEach(func(key, value []byte) error {
			s.sequences[string(key)] = binary.BigEndian.Uint64(value)
			return nil
		})
		if err != nil {
			return err
		}
		return tx.Bucket([]byte(blobsBucket)).ForEach(func(key, value []byte) error {
			s.blobs[string(key)] = bytes.Clone(value)
			return nil
		})
	})
	s.current = d.Snapshot
	return err
}

// Parse returns a value as the record that a transaction would store.
func (s *Store) Parse(collection string, value any) (*Record, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	r, err := s.parse(collection, text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", collection, err)
	}
	return r, nil
}

func (s *Store) parse(collection string, text []byte) (*Record, error) {
	id := ""
	if s.options.Identity != nil {
		id = s.options.Identity(collection)
	}
	if id == "" {
		id = "id"
	}
	return parse(text, id, s.options.Index)
}

// Close closes the file.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.db == nil {
		return nil
	}
	return s.db.Close()
}

// Empty reports whether nothing was ever stored.
func (s *Store) Empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.current.lists) == 0 && len(s.sequences) == 0 && len(s.blobs) == 0
}

// Now returns the records as they are.
func (s *Store) Now() *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// Before returns the records as they were so many writes ago, or as far back as is known.
func (s *Store) Before(writes int) *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if writes <= 0 || len(s.past) == 0 {
		return s.current
	}
	return s.past[max(0, len(s.past)-writes)]
}

// Blob returns bytes that a transaction put, or nil. They must not be changed.
func (s *Store) Blob(key string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blobs[key]
}

// Watch has f called for each record that changes, in order, from now on. F must return at once.
func (s *Store) Watch(f func(Change)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch = append(s.watch, f)
}

// Tx is a transaction. It sees what it has done. It must not be used after the function that got it has returned.
type Tx struct {
	store     *Store
	draft     *draft
	changes   []Change // each once, in the order of the first
	known     map[Change]bool
	sequences map[string]uint64
	blobs     map[string][]byte // nil for one that was removed
}

// Update has f change records. What it does is stored whole and then seen by all, or not at all when f or the disk
// fails. Only one f runs at a time.
func (s *Store) Update(f func(*Tx) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	tx := &Tx{store: s, draft: s.Now().draft(), known: map[Change]bool{}, sequences: map[string]uint64{}, blobs: map[string][]byte{}}
	if err := f(tx); err != nil {
		return err
	}
	if len(tx.changes) == 0 && len(tx.sequences) == 0 && len(tx.blobs) == 0 {
		return nil
	}
	if err := tx.save(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.sequences, tx.sequences)
	maps.Copy(s.blobs, tx.blobs)
	maps.DeleteFunc(s.blobs, func(_ string, b []byte) bool { return b == nil })
	if len(tx.changes) == 0 {
		return nil
	}
	if len(s.current.lists) > 0 { // before the first there was nothing
		s.past = append(s.past, s.current)
		s.past = slices.Delete(s.past, 0, max(0, len(s.past)-MaxPast))
	}
	s.current = tx.draft.Snapshot
	for _, c := range tx.changes {
		for _, f := range s.watch {
			f(c)
		}
	}
	return nil
}

// Now returns the records as the transaction sees them, which is until it changes them again.
func (tx *Tx) Now() *Snapshot { return tx.draft.Snapshot }

// Get returns a record, or nil.
func (tx *Tx) Get(collection, id string) *Record { return tx.draft.Get(collection, id) }

// List returns the records of a collection, until the transaction changes it.
func (tx *Tx) List(collection string) []*Record { return tx.draft.List(collection) }

// Put adds a record, or replaces the one with its id. Value is anything that marshals to an object with an id.
func (tx *Tx) Put(collection string, value any) (*Record, error) {
	r, err := tx.store.Parse(collection, value)
	if err != nil {
		return nil, err
	}
	tx.draft.put(collection, r)
	tx.changed(collection, r.ID)
	return r, nil
}

// Changes returns what the transaction has changed so far, each record once.
func (tx *Tx) Changes() []Change { return slices.Clone(tx.changes) }

func (tx *Tx) changed(collection, id string) {
	if c := (Change{collection, id}); !tx.known[c] {
		tx.known[c] = true
		tx.changes = append(tx.changes, c)
	}
}

// Remove removes a record and reports whether there was one.
func (tx *Tx) Remove(collection, id string) bool {
	if !tx.draft.remove(collection, id) {
		return false
	}
	tx.changed(collection, id)
	return true
}

// Next returns the next number of a sequence: 1 at first, and none twice.
func (tx *Tx) Next(sequence string) uint64 {
	n, ok := tx.sequences[sequence]
	if !ok {
		tx.store.mu.Lock()
		n = tx.store.sequences[sequence]
		tx.store.mu.Unlock()
	}
	tx.sequences[sequence] = n + 1
	return n + 1
}

// PutBlob stores bytes under a key; nil removes them.
func (tx *Tx) PutBlob(key string, b []byte) { tx.blobs[key] = b }

// save writes the transaction to the file.
func (tx *Tx) save() error {
	s := tx.store
	if s.db == nil {
		return nil
	}
	moved := make(map[Change]uint64) // keys of records that are new; 0 for those that are gone
	err := s.db.Update(func(file *bolt.Tx) error {
		records := file.Bucket([]byte(recordsBucket))
		for _, c := range tx.changes {
			b, err := records.CreateBucketIfNotExists([]byte(c.Collection))
			if err != nil {
				return err
			}
			at := s.places[c.Collection][c.ID]
			r := tx.Get(c.Collection, c.ID)
			switch {
			case r == nil && at == 0:
				continue
			case r == nil:
				if err := b.Delete(binary.BigEndian.AppendUint64(nil, at)); err != nil {
					return err
				}
				moved[c] = 0
				continue
			case at == 0:
				if at, err = b.NextSequence(); err != nil {
					return err
				}
				moved[c] = at
			}
			if err := b.Put(binary.BigEndian.AppendUint64(nil, at), r.Raw); err != nil {
				return err
			}
		}
		for name, n := range tx.sequences {
			if err := file.Bucket([]byte(sequencesBucket)).Put([]byte(name), binary.BigEndian.AppendUint64(nil, n)); err != nil {
				return err
			}
		}
		for key, b := range tx.blobs {
			bucket := file.Bucket([]byte(blobsBucket))
			if b == nil {
				if err := bucket.Delete([]byte(key)); err != nil {
					return err
				}
			} else if err := bucket.Put([]byte(key), b); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotStored, err)
	}
	for c, key := range moved {
		if s.places[c.Collection] == nil {
			s.places[c.Collection] = make(map[string]uint64)
		}
		if key == 0 {
			delete(s.places[c.Collection], c.ID)
		} else {
			s.places[c.Collection][c.ID] = key
		}
	}
	return nil
}

// ErrNotStored says that the disk did not take a transaction.
var ErrNotStored = errors.New("could not be stored")
