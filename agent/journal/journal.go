// Package journal is the agent's durable record: the numbers it gave away, what the exchange last listed, and the
// plans it applied.
//
// The daemon and the command line may use it at the same time: the file is opened and locked for one transaction
// at a time. A transaction is stored whole or not at all, whenever the machine stops. A file that is damaged, or
// written by a later release, is never written to. Another file may take its place at any time, compacted or
// restored; each is whole when it gets its name.
package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/source"
)

// What an error of this package is one of.
var (
	ErrBusy    = errors.New("journal is in use by another process")
	ErrCorrupt = errors.New("journal is damaged")
	ErrNewer   = errors.New("journal was written by a later release")
	ErrFull    = errors.New("no space for the journal")
)

// Error is what went wrong with a journal's file.
type Error struct {
	Path string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("journal %s: %v", e.Path, e.Err) }

// Unwrap returns what went wrong.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what a person can do about it, or "".
func (e *Error) Hint() string {
	switch {
	case errors.Is(e.Err, ErrCorrupt):
		return "put the latest copy in its place: ixagent journal restore FILE; a new one would give numbers anew"
	case errors.Is(e.Err, ErrNewer):
		return "use the release that wrote it, or a later one"
	case errors.Is(e.Err, ErrBusy):
		return "stop ixagent, or see who has it open: fuser -v " + e.Path
	case errors.Is(e.Err, ErrFull):
		return "make room on its disk; until then no change is sent to a switch; ixagent journal compact gives back what it does not need"
	case errors.Is(e.Err, fs.ErrNotExist):
		return "put the latest copy in its place: stop ixagent, then ixagent journal restore FILE"
	case errors.Is(e.Err, fs.ErrPermission):
		return "read it as the user ixagent runs as"
	}
	return ""
}

// noSpace makes an error one of [ErrFull] if the disk, a quota or a limit was the cause.
func noSpace(err error) error {
	if err == nil {
		return nil
	}
	for _, cause := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		// bbolt keeps only the text of some errors.
		if errors.Is(err, cause) || strings.HasSuffix(err.Error(), ": "+cause.Error()) {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
	}
	return err
}

const (
	fileName = "journal.db"

	// schema is the version of the layout of buckets, keys and values, and schemaFree that of a file which releases
	// may write to that know of no freezes.
	schema, schemaFree = 2, 1

	// lockTimeout is how long another process is waited for.
	lockTimeout = 5 * time.Second
)

var _ source.Memory = (*Journal)(nil)

// Journal is the record in one folder. Its methods may be called concurrently, and by several processes.
type Journal struct {
	path    string
	timeout time.Duration
	use     *os.File // the folder, locked against [Restore]; nil for one that is only read
	group   group
	zip     sync.Pool                   // of *gzip.Writer
	mu      sync.RWMutex                // the file's lock is polled for; within a process there is no need to
	sound   atomic.Pointer[fs.FileInfo] // the file whose pages were followed
	damaged atomic.Pointer[damage]
	trouble atomic.Pointer[error]
	held    sync.Map           // entries that this process has begun, and the file that it keeps locked for each
	step    func(string) error // called before each step of upkeep; nil but in tests
}

// damage is why a file is not opened again, unless it changed since.
type damage struct {
	file fs.FileInfo
	why  string
}

func (d *damage) of(file fs.FileInfo) bool {
	return d != nil && d.file != nil && os.SameFile(d.file, file) && d.file.Size() == file.Size() && d.file.ModTime().Equal(file.ModTime())
}

// Open returns the journal of a folder, which it makes if it is not there. The folder is accessible to its owner
// and group, the file in it to the owner alone. Until it is closed, no other may be restored in its place.
func Open(dir string) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, &Error{dir, noSpace(err)}
	}
	use, err := lockFolder(dir, syscall.LOCK_SH)
	if err != nil {
		return nil, err
	}
	j := &Journal{path: filepath.Join(dir, fileName), timeout: lockTimeout, use: use}
	if _, missing := os.Stat(j.path); errors.Is(missing, fs.ErrNotExist) {
		if err = j.create(dir); err != nil {
			err = &Error{j.path, noSpace(err)}
		}
	}
	if err == nil {
		err = j.view(func(*bolt.Tx) error { return nil })
	}
	if err != nil {
		j.Close()
		return nil, err
	}
	return j, nil
}

// lockFolder locks a folder: shared by those who act on what they know of its journal, exclusive to put another in
// its place.
func lockFolder(dir string, how int) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, &Error{dir, err}
	}
	if err = syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrBusy
		}
		return nil, &Error{dir, err}
	}
	return f, nil
}

// Close says that nobody acts any more on what this journal told.
func (j *Journal) Close() error {
	if j.use == nil {
		return nil
	}
	return j.use.Close()
}

// Existing returns the journal of a folder for reading and upkeep, and never makes one: without one the error is
// [fs.ErrNotExist].
func Existing(dir string) (*Journal, error) {
	j := &Journal{path: filepath.Join(dir, fileName), timeout: lockTimeout}
	if err := j.view(func(*bolt.Tx) error { return nil }); err != nil {
		return nil, err
	}
	return j, nil
}

// Path returns the path of the file.
func (j *Journal) Path() string { return j.path }

// create makes an empty journal aside and gives it its name when it is complete, unless another process was faster.
func (j *Journal) create(dir string) error {
	temp, err := os.MkdirTemp(dir, ".new-journal-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	name := filepath.Join(temp, fileName)
	db, err := bolt.Open(name, 0o600, &bolt.Options{NoStatistics: true})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range []string{bucketMeta, bucketAllocations, bucketBaselines, bucketHistory} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return tx.Bucket([]byte(bucketMeta)).Put([]byte(keySchema), []byte(strconv.Itoa(schemaFree)))
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	if err := os.Link(name, j.path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(dir)
}

// The buckets, and the keys of the first.
const (
	bucketMeta        = "meta"
	bucketAllocations = "allocations" // scope 0x00 number(4, big endian) -> JSON
	bucketBaselines   = "baselines"   // source -> JSON
	bucketHistory     = "history"     // id(8, big endian) -> JSON

	keySchema = "schema"
	keyBegun  = "begun " // id(8, big endian) -> device
)

func (j *Journal) view(f func(*bolt.Tx) error) error {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.with(true, func(db *bolt.DB) error { return db.View(f) })
}

// errReplaced says that another file took the place of the one whose lock was waited for.
var errReplaced = errors.New("another file took its place")

// with opens the file, checks that it is a journal of this release, and closes it after f.
func (j *Journal) with(readOnly bool, f func(*bolt.DB) error) error {
	if !readOnly {
		// A file that must not be written is not opened for writing, since that may already repair something.
		if err := j.with(true, func(*bolt.DB) error { return nil }); err != nil {
			j.trouble.Store(&err)
			return err
		}
	}
	err := errReplaced
	for errors.Is(err, errReplaced) {
		err = j.once(readOnly, f)
	}
	if err != nil {
		err = &Error{j.path, noSpace(err)}
	}
	var conflict *ConflictError
	var no *refusal
	switch {
	case err != nil && (errors.As(err, &conflict) || errors.As(err, &no)):
	case err != nil && (!readOnly || errors.Is(err, ErrCorrupt)):
		j.trouble.Store(&err)
	case err == nil && !readOnly:
		j.trouble.Store(nil)
	}
	return err
}

// Trouble returns why the journal could not be written when that was tried last, or that damage was found since; nil
// if all is well.
func (j *Journal) Trouble() error {
	if err := j.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// once does what with does, unless another file takes the place of the one it has opened before it has the lock.
func (j *Journal) once(readOnly bool, f func(*bolt.DB) error) (err error) {
	info, err := os.Stat(j.path)
	switch why := j.damaged.Load(); {
	case err != nil:
		return err
	case info.Size() == 0:
		return fmt.Errorf("%w: it is empty", ErrCorrupt)
	case why.of(info):
		return fmt.Errorf("%w: %s", ErrCorrupt, why.why)
	}
	// The file is read as memory, and pages of it that are not what they should be end in a panic, or, if they
	// are beyond its end, in a fault. Either leaves a mapping behind that cannot be undone and would keep the
	// lock, so the lock is given up by itself, and the file is not opened again.
	var file *os.File
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			d := &damage{why: fmt.Sprint(r)}
			if file != nil {
				d.file, _ = file.Stat()
				_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
				file.Close()
			}
			j.damaged.Store(d)
			err = fmt.Errorf("%w: %s", ErrCorrupt, d.why)
		}
	}()
	db, err := bolt.Open(j.path, 0o600, &bolt.Options{
		ReadOnly:     readOnly,
		Timeout:      j.timeout,
		NoStatistics: true,
		FreelistType: bolt.FreelistMapType,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			var err error
			file, err = os.OpenFile(name, flag&^os.O_CREATE, mode)
			return file, err
		},
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%w: no access within %v", ErrBusy, j.timeout)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	case err != nil:
		return err
	}
	// The lock was perhaps waited for while another process put a new file in the place of this one.
	info, err = file.Stat()
	if now, gone := os.Stat(j.path); err == nil && (gone != nil || !os.SameFile(now, info)) {
		err = errReplaced
	}
	if known := j.sound.Load(); err == nil && (known == nil || !os.SameFile(*known, info)) {
		if _, err = walk(file); err == nil {
			j.sound.Store(&info)
		}
	}
	if err == nil {
		err = db.View(func(tx *bolt.Tx) error { return check(tx, file) })
	}
	if err == nil {
		err = f(db)
	}
	return errors.Join(err, db.Close())
}

// check reports whether a file is whole and of this release.
func check(tx *bolt.Tx, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < tx.Size() {
		return fmt.Errorf("%w: it has %d bytes, %d belong to it", ErrCorrupt, info.Size(), tx.Size())
	}
	meta := tx.Bucket([]byte(bucketMeta))
	if meta == nil {
		return fmt.Errorf("%w: it is not a journal", ErrCorrupt)
	}
	version, err := strconv.Atoi(string(meta.Get([]byte(keySchema))))
	switch {
	case err != nil:
		return fmt.Errorf("%w: its version is %q", ErrCorrupt, meta.Get([]byte(keySchema)))
	case version > schema:
		return fmt.Errorf("%w: its version is %d, this release knows %d", ErrNewer, version, schema)
	}
	for _, name := range []string{bucketAllocations, bucketBaselines, bucketHistory} {
		if tx.Bucket([]byte(name)) == nil {
			return fmt.Errorf("%w: it has no %s", ErrCorrupt, name)
		}
	}
	return nil
}

func decode(value []byte, v any) error {
	if err := json.Unmarshal(value, v); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return nil
}

// ConflictError says that a number cannot be stored as given because another process gave it to another owner
// meanwhile, or another number to its owner. The allocations have to be read again.
type ConflictError struct{ Stored, Given compile.Allocation }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s %d cannot be given to %s: %s has %d since", e.Given.Scope, e.Given.Number, e.Given.Owner, e.Stored.Owner, e.Stored.Number)
}

// Allocations returns every number that was stored, by scope and number.
func (j *Journal) Allocations() ([]compile.Allocation, error) {
	var all []compile.Allocation
	err := j.view(func(tx *bolt.Tx) error {
		all = nil
		return tx.Bucket([]byte(bucketAllocations)).ForEach(func(_, value []byte) error {
			var a compile.Allocation
			if err := decode(value, &a); err != nil {
				return err
			}
			all = append(all, a)
			return nil
		})
	})
	return all, err
}

// StoreAllocations stores what was given or released, all of it or none. A released number that was given again
// is its new owner's. The error is a [ConflictError] when another process was faster.
func (j *Journal) StoreAllocations(changed []compile.Allocation) error {
	if len(changed) == 0 {
		return nil
	}
	return j.update(func(tx *bolt.Tx) error {
		bucket := tx.Bucket([]byte(bucketAllocations))
		scopes := make(map[string]map[string]compile.Allocation)
		for _, a := range changed {
			if scopes[a.Scope] == nil {
				owners, err := ownersOf(bucket, a.Scope)
				if err != nil {
					return err
				}
				scopes[a.Scope] = owners
			}
			if err := vacate(bucket, a, scopes[a.Scope]); err != nil {
				return err
			}
		}
		for _, a := range changed {
			if had, ok := scopes[a.Scope][a.Owner]; ok && had.Number != a.Number {
				return &ConflictError{had, a}
			}
			value, err := json.Marshal(a)
			if err != nil {
				return err
			}
			if err := bucket.Put(allocationKey(a), value); err != nil {
				return err
			}
		}
		return nil
	})
}

func allocationKey(a compile.Allocation) []byte {
	return binary.BigEndian.AppendUint32(append([]byte(a.Scope), 0), a.Number)
}

func ownersOf(bucket *bolt.Bucket, scope string) (map[string]compile.Allocation, error) {
	if strings.ContainsRune(scope, 0) {
		return nil, fmt.Errorf("allocation scope %q: not a text", scope)
	}
	owners := make(map[string]compile.Allocation)
	prefix := append([]byte(scope), 0)
	c := bucket.Cursor()
	for key, value := c.Seek(prefix); bytes.HasPrefix(key, prefix); key, value = c.Next() {
		var a compile.Allocation
		if err := decode(value, &a); err != nil {
			return nil, err
		}
		owners[a.Owner] = a
	}
	return owners, nil
}

// vacate takes the number of a from an earlier owner that ended.
func vacate(bucket *bolt.Bucket, a compile.Allocation, owners map[string]compile.Allocation) error {
	value := bucket.Get(allocationKey(a))
	if value == nil {
		return nil
	}
	var had compile.Allocation
	if err := decode(value, &had); err != nil {
		return err
	}
	switch {
	case had.Owner == a.Owner:
		return nil
	case had.Released.IsZero():
		return &ConflictError{had, a}
	}
	delete(owners, had.Owner)
	return bucket.Delete(allocationKey(a))
}

// Baseline returns what a source listed when a snapshot of it was last accepted, nil when none was.
func (j *Journal) Baseline(name string) (*source.Baseline, error) {
	var b *source.Baseline
	err := j.view(func(tx *bolt.Tx) error {
		value := tx.Bucket([]byte(bucketBaselines)).Get([]byte(name))
		if value == nil {
			return nil
		}
		b = new(source.Baseline)
		return decode(value, b)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// StoreBaseline replaces the baseline of a source.
func (j *Journal) StoreBaseline(name string, b *source.Baseline) error {
	value, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return j.update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(bucketBaselines)).Put([]byte(name), value)
	})
}
