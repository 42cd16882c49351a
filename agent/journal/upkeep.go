package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/source"
)

// When [Journal.CompactIfSparse] finds it worth while.
const (
	sparseSize  = 16 << 20 // bytes of a file below which it is left alone
	sparseShare = 2        // the part of the file that must hold nothing: one half
)

// probeSize is how many bytes [Journal.Probe] finds room for.
const probeSize = 64 << 10

// Stats sums up what a journal holds.
type Stats struct {
	Schema      int            `json:"schema"`
	Bytes       int64          `json:"bytes"`        // of the file
	FreeBytes   int64          `json:"free_bytes"`   // of them that hold nothing
	Entries     int            `json:"entries"`      // of the history
	Begun       int            `json:"begun"`        // entries that have not ended
	Allocations []Usage        `json:"allocations"`  // by scope, in order
	Baselines   []BaselineInfo `json:"baselines"`    // by source, in order
	Buckets     map[string]int `json:"keys_by_name"` // how much is in each part, whoever wrote it
}

// Usage counts the numbers of a scope, such as "vlan" or "lag/DEVICE", or of all scopes of a kind.
type Usage struct {
	Scope   string `json:"scope"`
	InUse   int    `json:"in_use"`
	Cooling int    `json:"cooling"` // released, and not to be given again yet
}

// BaselineInfo is what was last accepted of a source.
type BaselineInfo struct {
	Source  string    `json:"source"`
	Version string    `json:"version"`
	Read    time.Time `json:"read"`
}

// ByKind returns the usage by what numbers are for: lag, unit, vlan, vni.
func (s Stats) ByKind() []Usage {
	kinds := make(map[string]Usage)
	for _, u := range s.Allocations {
		kind, _, _ := strings.Cut(u.Scope, "/")
		sum := kinds[kind]
		kinds[kind] = Usage{kind, sum.InUse + u.InUse, sum.Cooling + u.Cooling}
	}
	var all []Usage
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		all = append(all, kinds[kind])
	}
	return all
}

// Stats sums the journal up. It reads every allocation and no entry of the history.
func (j *Journal) Stats() (s Stats, err error) {
	err = j.view(func(tx *bolt.Tx) error {
		s, err = statsOf(tx, time.Now())
		return err
	})
	return s, err
}

func statsOf(tx *bolt.Tx, now time.Time) (s Stats, err error) {
	l, size, err := layoutOf(tx)
	if err != nil {
		return s, err
	}
	version, err := strconv.Atoi(string(tx.Bucket([]byte(bucketMeta)).Get([]byte(keySchema))))
	if err != nil {
		return s, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	s = Stats{Schema: version, Bytes: size, FreeBytes: l.unused(size), Begun: len(idsBegun(tx)), Allocations: []Usage{}, Baselines: []BaselineInfo{}, Buckets: make(map[string]int)}
	if err := tx.ForEach(func(name []byte, b *bolt.Bucket) error {
		s.Buckets[string(name)] = b.Stats().KeyN
		return nil
	}); err != nil {
		return s, err
	}
	s.Entries = s.Buckets[bucketHistory]
	err = tx.Bucket([]byte(bucketAllocations)).ForEach(func(_, value []byte) error {
		var a compile.Allocation
		if err := decode(value, &a); err != nil {
			return err
		}
		if n := len(s.Allocations); n == 0 || s.Allocations[n-1].Scope != a.Scope {
			s.Allocations = append(s.Allocations, Usage{Scope: a.Scope})
		}
		switch u := &s.Allocations[len(s.Allocations)-1]; {
		case a.Released.IsZero():
			u.InUse++
		case now.Sub(a.Released) < compile.Cooling:
			u.Cooling++
		}
		return nil
	})
	if err != nil {
		return s, err
	}
	return s, tx.Bucket([]byte(bucketBaselines)).ForEach(func(name, value []byte) error {
		var b source.Baseline
		if err := decode(value, &b); err != nil {
			return err
		}
		s.Baselines = append(s.Baselines, BaselineInfo{string(name), b.Version, b.Read})
		return nil
	})
}

// layoutOf returns the layout of the file of a transaction without following its pages, and the file's size.
func layoutOf(tx *bolt.Tx) (*layout, int64, error) {
	f, err := os.Open(tx.DB().Path())
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	l := &layout{r: f}
	if err = l.open(info.Size()); err == nil {
		l.seen = make([]bool, l.pages)
		err = l.readFreelist()
	}
	return l, info.Size(), err
}

// Check looks at every page and every entry. Its error is one of [ErrCorrupt] and says in one line what is wrong.
func (j *Journal) Check() error {
	j.sound.Store(nil)
	return j.view(whole)
}

// whole returns what is wrong in a file whose pages were followed.
func whole(tx *bolt.Tx) error {
	const most = 10
	var faults []string
	more := 0
	fault := func(err error) {
		if len(faults) < most {
			faults = append(faults, err.Error())
		} else {
			more++
		}
	}
	for err := range tx.Check() {
		fault(err)
	}
	if len(faults) == 0 {
		for name, valid := range entries() {
			bucket := tx.Bucket([]byte(name))
			if err := bucket.ForEach(func(key, value []byte) error {
				if err := valid(bucket, key, value); err != nil {
					fault(fmt.Errorf("%s %q: %w", name, key, err))
				}
				return nil
			}); err != nil {
				return err
			}
		}
	}
	if more > 0 {
		faults = append(faults, fmt.Sprintf("and %d faults more", more))
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w: %s", ErrCorrupt, strings.Join(faults, "; "))
	}
	return nil
}

// entries returns what holds for the entries of each bucket that every journal has.
func entries() map[string]func(bucket *bolt.Bucket, key, value []byte) error {
	return map[string]func(*bolt.Bucket, []byte, []byte) error{
		bucketAllocations: func(_ *bolt.Bucket, key, value []byte) error {
			var a compile.Allocation
			if err := json.Unmarshal(value, &a); err != nil {
				return err
			}
			if a.Owner == "" || !bytes.Equal(key, allocationKey(a)) {
				return fmt.Errorf("it is %s %d of %q", a.Scope, a.Number, a.Owner)
			}
			return nil
		},
		bucketBaselines: func(_ *bolt.Bucket, _, value []byte) error {
			return json.Unmarshal(value, new(source.Baseline))
		},
		bucketHistory: func(bucket *bolt.Bucket, key, value []byte) error {
			e, err := entry(value)
			if err != nil {
				return err
			}
			if !bytes.Equal(key, entryKey(e.ID)) || e.ID > bucket.Sequence() {
				return fmt.Errorf("it is change %d of %d", e.ID, bucket.Sequence())
			}
			return nil
		},
	}
}

// at reports that upkeep has come to a step, and fails where a test wants it to.
func (j *Journal) at(step string) error {
	if j.step == nil {
		return nil
	}
	return j.step(step)
}

// Compaction is how many bytes the file had and has.
type Compaction struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// Compact writes the journal anew without what holds nothing. The new file takes the name of the old one when it
// is complete and on disk; whoever waits for the old one then opens the new one. It needs room for a copy.
func (j *Journal) Compact() (c Compaction, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	err = j.with(false, func(db *bolt.DB) error {
		c, err = j.compact(db)
		return err
	})
	return c, err
}

// CompactIfSparse compacts a file of more than 16 MiB of which more than half holds nothing, and reports whether it
// did.
func (j *Journal) CompactIfSparse() (c Compaction, did bool, err error) {
	err = j.view(func(tx *bolt.Tx) error {
		l, size, err := layoutOf(tx)
		did = err == nil && size > sparseSize && l.unused(size) > size/sparseShare
		return err
	})
	if err != nil || !did {
		return c, false, err
	}
	c, err = j.Compact()
	return c, err == nil, err
}

// compact puts a compact copy into the place of the file, which is locked.
func (j *Journal) compact(db *bolt.DB) (c Compaction, err error) {
	old, err := os.Stat(j.path)
	if err != nil {
		return c, err
	}
	// The name is always the same, since only who has the lock writes there; what a process left that was killed is
	// written over.
	aside := j.path + ".compact"
	if err := os.Remove(aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	defer os.Remove(aside) // unless it has the other name by then
	if err := j.at("copy"); err != nil {
		return c, err
	}
	const transaction = 1 << 20 // bytes
	to, err := bolt.Open(aside, 0o600, &bolt.Options{NoStatistics: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return c, err
	}
	if err = errors.Join(bolt.Compact(to, db, transaction), to.Close()); err != nil {
		return c, err
	}
	if err := j.at("check"); err != nil {
		return c, err
	}
	copied := &Journal{path: aside, timeout: j.timeout}
	err = copied.view(func(has *bolt.Tx) error {
		if err := whole(has); err != nil {
			return err
		}
		return db.View(func(had *bolt.Tx) error {
			if gone, err := differ(had, has); err != nil || len(gone) > 0 {
				return errors.Join(err, fmt.Errorf("the copy lacks %d of what it was made of", len(gone)))
			}
			return nil
		})
	})
	if err != nil {
		return c, err
	}
	if err := j.replace(aside, old); err != nil {
		return c, err
	}
	now, err := os.Stat(j.path)
	if err != nil {
		return c, err
	}
	return Compaction{old.Size(), now.Size()}, nil
}

// replace gives a file the name of the journal, once it is on disk and belongs to whom like belongs to.
func (j *Journal) replace(aside string, like fs.FileInfo) error {
	if err := j.at("sync"); err != nil {
		return err
	}
	f, err := os.OpenFile(aside, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = belong(f, like)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := j.at("rename"); err != nil {
		return err
	}
	if err := os.Rename(aside, j.path); err != nil {
		return err
	}
	if err := j.at("renamed"); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(j.path))
}

// belong gives a file to whom another belongs: a journal that root looked after is still the agent's.
func belong(f *os.File, like fs.FileInfo) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	has, ok1 := info.Sys().(*syscall.Stat_t)
	want, ok2 := like.Sys().(*syscall.Stat_t)
	if !ok1 || !ok2 || has.Uid == want.Uid && has.Gid == want.Gid {
		return nil
	}
	return f.Chown(int(want.Uid), int(want.Gid))
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Backup writes the journal as it is at one moment, once every page and entry of it was found good. What it writes is
// a journal: [Restore] takes it, and so does [Open] under the right name. Others may use the journal meanwhile; they
// wait while it is copied to memory, and not for w.
func (j *Journal) Backup(w io.Writer) (int64, error) {
	var text bytes.Buffer
	j.sound.Store(nil)
	err := j.view(func(tx *bolt.Tx) error {
		if err := whole(tx); err != nil {
			return err
		}
		text.Grow(int(tx.Size()))
		_, err := tx.WriteTo(&text)
		return err
	})
	if err != nil {
		return 0, err
	}
	return text.WriteTo(w)
}

// Probe writes something and takes it away again, and so finds out whether the journal can be written.
func (j *Journal) Probe() error {
	const key = "probe"
	err := j.update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(bucketMeta)).Put([]byte(key), make([]byte, probeSize))
	})
	if err != nil {
		return err
	}
	return j.update(func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketMeta)).Delete([]byte(key)) })
}

// Loss is something that a journal has, and another lacks or has otherwise.
type Loss struct {
	Bucket string `json:"bucket"` // allocations, history or another part
	What   string `json:"what"`
}

func (l Loss) String() string { return l.Bucket + ": " + l.What }

// differ returns what had has, and has lacks or has otherwise.
func differ(had, has *bolt.Tx) (all []Loss, err error) {
	err = had.ForEach(func(name []byte, b *bolt.Bucket) error {
		return differIn(string(name), b, has.Bucket(name), func(l Loss) { all = append(all, l) })
	})
	return all, err
}

func differIn(name string, had, has *bolt.Bucket, lost func(Loss)) error {
	return had.ForEach(func(key, value []byte) error {
		if value == nil { // a bucket
			var inner *bolt.Bucket
			if has != nil {
				inner = has.Bucket(key)
			}
			return differIn(fmt.Sprintf("%s/%s", name, key), had.Bucket(key), inner, lost)
		}
		if has != nil && bytes.Equal(has.Get(key), value) {
			return nil
		}
		what, err := describe(name, key, value)
		lost(Loss{name, what})
		return err
	})
}

// describe says what an entry is.
func describe(bucket string, key, value []byte) (string, error) {
	switch bucket {
	case bucketAllocations:
		var a compile.Allocation
		err := decode(value, &a)
		what := fmt.Sprintf("%s %d of %s", a.Scope, a.Number, a.Owner)
		if !a.Released.IsZero() {
			what += ", released " + a.Released.Format(time.RFC3339)
		}
		return what, err
	case bucketHistory:
		var e Entry
		err := decode(value, &e)
		return fmt.Sprintf("change %d of %s: %s", e.ID, e.Device, e.Result), err
	}
	if len(key) == 8 {
		return fmt.Sprint(binary.BigEndian.Uint64(key)), nil
	}
	return fmt.Sprintf("%q", key), nil
}
