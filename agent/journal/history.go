package journal

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/ixagent/ixagent/agent/guard"
)

// Result is what became of a plan.
type Result string

// The results.
const (
	Begun       Result = "begun"       // and not ended yet
	Confirmed   Result = "confirmed"   // verified on the device and confirmed
	Applied     Result = "applied"     // and verified on a device that would not have taken it back by itself
	Reverted    Result = "reverted"    // applied and taken back
	Refused     Result = "refused"     // by a check or by the device, which is as it was
	Failed      Result = "failed"      // before anything was changed
	Unknown     Result = "unknown"     // it is not known what the device has
	Interrupted Result = "interrupted" // begun by a process that is gone
)

// How much of the history is kept. What is older, or more, goes when an entry is added.
const (
	KeepEntries = 10_000
	KeepAge     = 400 * 24 * time.Hour
)

// Entry is a plan that was applied to a device, or was to be.
type Entry struct {
	ID      uint64          `json:"id"` // given by [Journal.Begin], greater than all before it
	Device  string          `json:"device"`
	Begun   time.Time       `json:"begun"`
	Ended   time.Time       `json:"ended,omitzero"`
	Who     string          `json:"who"`               // "daemon", or who was at the shell
	Command string          `json:"command,omitempty"` // what was typed there
	Digest  string          `json:"digest"`            // of the plan
	Members []string        `json:"members,omitempty"` // accounts behind the changes or disturbed by them, in order
	Plan    json.RawMessage `json:"plan"`
	Native  string          `json:"native,omitempty"` // SHA-256 of what was sent to the device
	Result  Result          `json:"result"`
	Error   string          `json:"error,omitempty"`
	Phases  []Phase         `json:"phases,omitempty"`
	With    []string        `json:"with,omitempty"`    // other devices of the same transaction
	Decided bool            `json:"decided,omitempty"` // all devices of the transaction keep it
	Cost    guard.Cost      `json:"cost,omitzero"`     // what members feel of it

	// Budget bounds what plans cost that begin within an hour, this one included; nil for one that a person wants. It
	// is not stored.
	Budget *guard.Budget `json:"-"`
}

// Commit is the name of the plan's confirmed commit on its device.
func (e Entry) Commit() string { return e.Digest[:min(32, len(e.Digest))] }

// Phase is one part of a transaction.
type Phase struct {
	Name string        `json:"name"` // check, apply, verify, confirm, revert
	Took time.Duration `json:"took"` // in nanoseconds
}

func entryKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// begunKey is where the first bucket has that an entry is begun.
func begunKey(id uint64) []byte { return binary.BigEndian.AppendUint64([]byte(keyBegun), id) }

// ErrApplying says that another process applies a plan to the same device at this moment.
var ErrApplying = errors.New("another process is applying a plan to the device")

// Begin adds entries whose plans are about to be applied, all of them or none, and gives them their ids. When it
// returns, they are on disk; if it fails, nothing may be sent to a device. Each ends with [Journal.End], or with the
// process: then [Journal.Recover] finds it. It fails with [ErrApplying] while somebody else's entry for one of the
// devices is begun, and with [ErrBudget] if one exceeds its budget.
func (j *Journal) Begin(entries ...Entry) error {
	var held []*os.File
	err := j.update(func(tx *bolt.Tx) error {
		release(held...) // of an attempt before this
		held = nil
		bucket, meta := tx.Bucket([]byte(bucketHistory)), tx.Bucket([]byte(bucketMeta))
		if err := j.free(tx, entries); err != nil {
			return err
		}
		for i := range entries {
			if err := affordable(tx, entries[i]); err != nil {
				return err
			}
			id, err := bucket.NextSequence()
			if err != nil {
				return err
			}
			entries[i].ID = id
			e := entries[i]
			e.Result = Begun
			if err := prune(bucket, meta, e); err != nil {
				return err
			}
			if err := errors.Join(j.record(bucket, e), meta.Put(begunKey(id), []byte(e.Device)), spend(tx, e)); err != nil {
				return err
			}
			f, err := hold(j.holder(id))
			if err != nil {
				return err
			}
			held = append(held, f)
		}
		return nil
	})
	if err != nil {
		release(held...)
		var no *refusal
		if errors.As(err, &no) {
			return no.error // nothing is wrong with the journal
		}
		return err
	}
	for i, f := range held {
		j.held.Store(entries[i].ID, f)
	}
	return nil
}

// refusal is an error of who asks, and not of the journal.
type refusal struct{ error }

// Unwrap returns what it is.
func (r *refusal) Unwrap() error { return r.error }

// free reports whether nobody applies anything to the devices of entries.
func (j *Journal) free(tx *bolt.Tx, entries []Entry) error {
	for _, key := range idsBegun(tx) {
		device := string(tx.Bucket([]byte(bucketMeta)).Get(append([]byte(keyBegun), key...)))
		if device != "" && !slices.ContainsFunc(entries, func(e Entry) bool { return e.Device == device }) {
			continue
		}
		var begun Entry
		if err := decode(tx.Bucket([]byte(bucketHistory)).Get(key), &begun); err != nil {
			return err
		}
		if !slices.ContainsFunc(entries, func(e Entry) bool { return e.Device == begun.Device }) {
			continue
		}
		if alive, err := isHeld(j.holder(begun.ID)); err != nil {
			return err
		} else if alive {
			return &refusal{fmt.Errorf("%w: change %d of %s, by %s", ErrApplying, begun.ID, begun.Device, begun.Who)}
		}
	}
	return nil
}

// Decide notes of entries that are begun that all their devices keep the change. When it returns, that is on disk.
func (j *Journal) Decide(entries ...Entry) error {
	return j.update(func(tx *bolt.Tx) error {
		for _, e := range entries {
			e.Result, e.Decided = Begun, true
			if err := j.record(tx.Bucket([]byte(bucketHistory)), e); err != nil {
				return err
			}
		}
		return nil
	})
}

// End completes entries that [Journal.Begin] has added. When it returns, that is on disk. If it fails, they stay as
// they were begun. An entry without a plan keeps the one it was begun with, so that a large plan need not be kept in
// memory until then; so it is with Decide.
func (j *Journal) End(entries ...Entry) error {
	for _, e := range entries {
		if held, ok := j.held.LoadAndDelete(e.ID); ok {
			defer release(held.(*os.File))
		}
	}
	return j.update(func(tx *bolt.Tx) error {
		for _, e := range entries {
			unspend(tx, e)
			if err := errors.Join(j.record(tx.Bucket([]byte(bucketHistory)), e), tx.Bucket([]byte(bucketMeta)).Delete(begunKey(e.ID))); err != nil {
				return err
			}
		}
		return nil
	})
}

// packed is an entry as it is stored: its plan, which says much again and again, is compressed.
type packed struct {
	Entry
	Plan   json.RawMessage `json:"plan,omitempty"` // of an entry that an earlier release stored
	Packed []byte          `json:"packed,omitempty"`
}

// maxPlan bounds a plan in bytes, so that a damaged file cannot ask for more memory than there is.
const maxPlan = 256 << 20

// record stores an entry. One without a plan keeps the one that is there.
func (j *Journal) record(history *bolt.Bucket, e Entry) error {
	stored := packed{Entry: e}
	if was := history.Get(entryKey(e.ID)); e.Plan == nil && was != nil {
		var begun packed
		if err := decode(was, &begun); err != nil {
			return err
		}
		stored.Plan, stored.Packed = begun.Plan, begun.Packed
	} else {
		w, ok := j.zip.Get().(*gzip.Writer) // one needs a megabyte
		if !ok {
			w = gzip.NewWriter(nil)
		}
		defer j.zip.Put(w)
		var b bytes.Buffer
		w.Reset(&b)
		if _, err := w.Write(e.Plan); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		stored.Packed = b.Bytes()
	}
	value, err := json.Marshal(stored)
	if err != nil {
		return err
	}
	return history.Put(entryKey(e.ID), value)
}

// entry reads what record stored.
func entry(value []byte) (Entry, error) {
	var stored packed
	if err := decode(value, &stored); err != nil {
		return Entry{}, err
	}
	e := stored.Entry
	e.Plan = stored.Plan
	if stored.Packed == nil {
		return e, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(stored.Packed))
	if err != nil {
		return e, fmt.Errorf("%w: plan of change %d: %w", ErrCorrupt, e.ID, err)
	}
	if e.Plan, err = io.ReadAll(io.LimitReader(r, maxPlan)); err != nil {
		return e, fmt.Errorf("%w: plan of change %d: %w", ErrCorrupt, e.ID, err)
	}
	return e, nil
}

// Recover marks what was begun by processes that are gone as interrupted, and returns it, the earliest first.
func (j *Journal) Recover() ([]Entry, error) {
	var begun [][]byte
	err := j.view(func(tx *bolt.Tx) error {
		begun = idsBegun(tx)
		return nil
	})
	if err != nil || len(begun) == 0 {
		return nil, err
	}
	var gone []Entry
	var holders []string
	err = j.update(func(tx *bolt.Tx) error {
		gone, holders = nil, nil
		bucket := tx.Bucket([]byte(bucketHistory))
		for _, key := range idsBegun(tx) {
			holder := j.holder(binary.BigEndian.Uint64(key))
			alive, err := isHeld(holder)
			if err != nil {
				return err
			}
			if alive {
				continue
			}
			var e Entry
			if err := decode(bucket.Get(key), &e); err != nil {
				return err
			}
			e.Result = Interrupted
			if err := errors.Join(j.record(bucket, e), tx.Bucket([]byte(bucketMeta)).Delete(begunKey(e.ID))); err != nil {
				return err
			}
			gone, holders = append(gone, e), append(holders, holder)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, name := range holders {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return gone, fmt.Errorf("journal: %w", err)
		}
	}
	return gone, nil
}

// idsBegun returns the keys of the entries that are begun, the earliest first.
func idsBegun(tx *bolt.Tx) (keys [][]byte) {
	c := tx.Bucket([]byte(bucketMeta)).Cursor()
	prefix := []byte(keyBegun)
	for key, _ := c.Seek(prefix); bytes.HasPrefix(key, prefix) && len(key) == len(prefix)+8; key, _ = c.Next() {
		keys = append(keys, bytes.Clone(key[len(prefix):]))
	}
	return keys
}

// prune makes room for e. The ids that are kept have no gaps.
func prune(bucket, meta *bolt.Bucket, e Entry) error {
	var gone [][]byte
	c := bucket.Cursor()
	for key, value := c.First(); key != nil; key, value = c.Next() {
		// A damaged file may lead in circles, but not upwards for ever.
		if len(key) != 8 || len(gone) > 0 && bytes.Compare(key, gone[len(gone)-1]) <= 0 {
			return fmt.Errorf("%w: the keys of its history are out of order", ErrCorrupt)
		}
		id := binary.BigEndian.Uint64(key)
		if id >= e.ID {
			return fmt.Errorf("%w: its history has entry %d before it was made", ErrCorrupt, id)
		}
		if e.ID-id < KeepEntries {
			var old Entry
			if err := decode(value, &old); err != nil {
				return err
			}
			if e.Begun.Sub(old.Begun) <= KeepAge {
				break
			}
		}
		gone = append(gone, bytes.Clone(key))
	}
	for _, key := range gone {
		if err := errors.Join(bucket.Delete(key), meta.Delete(begunKey(binary.BigEndian.Uint64(key)))); err != nil {
			return err
		}
	}
	return nil
}

// holder is the file that the process which began an entry keeps locked until it has ended it.
func (j *Journal) holder(id uint64) string {
	return filepath.Join(filepath.Dir(j.path), "applying-"+strconv.FormatUint(id, 10))
}

func hold(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return f, nil
}

func release(files ...*os.File) {
	for _, f := range files {
		_ = os.Remove(f.Name()) // one that stays is found free
		f.Close()
	}
}

func isHeld(name string) (bool, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// Filter chooses entries. Its zero fields choose all.
type Filter struct {
	ID           uint64
	Device       string
	Member       string    // an account
	Since, Until time.Time // when it began, both included
	Limit        int       // the latest so many
}

func (f Filter) matches(e Entry) bool {
	return (f.ID == 0 || e.ID == f.ID) && (f.Device == "" || e.Device == f.Device) &&
		(f.Member == "" || slices.Contains(e.Members, f.Member)) &&
		(f.Since.IsZero() || !e.Begun.Before(f.Since)) && (f.Until.IsZero() || !e.Begun.After(f.Until))
}

// History returns the entries that f chooses, the latest first.
func (j *Journal) History(f Filter) ([]Entry, error) {
	var found []Entry
	err := j.view(func(tx *bolt.Tx) error {
		c := tx.Bucket([]byte(bucketHistory)).Cursor()
		for key, value := c.Last(); key != nil && (f.Limit <= 0 || len(found) < f.Limit); key, value = c.Prev() {
			e, err := entry(value)
			if err != nil {
				return err
			}
			if f.matches(e) {
				found = append(found, e)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}
