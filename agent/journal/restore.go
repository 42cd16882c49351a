package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

// RestoreOptions say how a journal is restored.
type RestoreOptions struct {
	// Force lets the copy take the place of a journal that has what the copy lacks.
	Force bool
	// Agree is asked once the copy is found good and before anything is changed. Its error ends the attempt. Nobody
	// can use the journal until it returns. nil agrees.
	Agree func(Restored) error

	step func(string) error // as in [Journal]
}

// Restored is what a restored journal is, and what of the one before it is not in it.
type Restored struct {
	Stats Stats  `json:"stats"`
	Aside string `json:"aside,omitempty"` // where the file is that had its place; "" if there was none
	Lost  []Loss `json:"lost"`
}

// LossError says that a journal was not replaced because the copy lacks what it has.
type LossError struct{ Lost []Loss }

func (e *LossError) Error() string {
	const most = 10
	var b strings.Builder
	fmt.Fprintf(&b, "the copy lacks %d of what the journal has, or has it otherwise:", len(e.Lost))
	for i, l := range e.Lost {
		if i == most {
			fmt.Fprintf(&b, "\n  and %d more", len(e.Lost)-i)
			break
		}
		fmt.Fprintf(&b, "\n  %s", l)
	}
	return b.String()
}

// Hint says what a person can do about it.
func (e *LossError) Hint() string {
	return "use --force if the present journal is the wrong one; switches may carry what is lost, and such numbers may be given again"
}

// Restore puts a copy that [Journal.Backup] made into the place of a folder's journal, once every page and entry of
// it is found good. It fails with [ErrBusy] while a process acts on what the journal told, as the daemon does and
// whoever applies a plan. The copy must have all that the present journal has, or the error is a [LossError],
// unless the present one is damaged or its loss is forced; what the exchange tells anew does not count. The file that
// had the place stays beside it. Whenever it stops, the old journal is there or the new one.
func Restore(dir string, r io.Reader, o RestoreOptions) (Restored, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return Restored{}, &Error{dir, noSpace(err)}
	}
	use, err := lockFolder(dir, syscall.LOCK_EX)
	if err != nil {
		return Restored{}, err
	}
	defer use.Close()
	like, err := use.Stat()
	if err != nil {
		return Restored{}, &Error{dir, err}
	}
	// What a process left that was killed is written over: only who has the folder writes there.
	name := filepath.Join(dir, fileName+".restore")
	defer os.Remove(name) // unless it has the other name by then
	if err := store(name, r); err != nil {
		return Restored{}, &Error{name, noSpace(err)}
	}
	j := &Journal{path: filepath.Join(dir, fileName), timeout: lockTimeout, step: o.step}
	copied := &Journal{path: name, timeout: lockTimeout}
	out := Restored{Lost: []Loss{}}
	err = copied.view(func(tx *bolt.Tx) error {
		if err := whole(tx); err != nil {
			return err
		}
		out.Stats, err = statsOf(tx, time.Now())
		return err
	})
	if err != nil {
		return Restored{}, fmt.Errorf("the copy cannot be used: %w", plainly(err))
	}
	// Whoever only reads the present journal keeps it until it is done.
	swap := func() error {
		if len(out.Lost) > 0 && !o.Force {
			return &LossError{out.Lost}
		}
		if o.Agree != nil {
			if err := o.Agree(out); err != nil {
				return err
			}
		}
		if out.Aside != "" {
			if info, err := os.Stat(j.path); err == nil {
				like = info
			}
			if err := j.at("link"); err != nil {
				return err
			}
			if err := os.Link(j.path, out.Aside); err != nil {
				return err
			}
		}
		return j.replace(name, like)
	}
	_, err = os.Stat(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return out, wrap(j.path, swap())
	}
	if out.Aside, err = besides(dir, time.Now()); err != nil {
		return Restored{}, &Error{dir, err}
	}
	var failure error
	err = j.view(func(had *bolt.Tx) error {
		var sequences map[string]uint64
		if out.Lost, sequences, err = missing(had, copied); err != nil {
			return err
		}
		if failure = copied.advance(sequences); failure == nil {
			failure = swap()
		}
		return nil
	})
	newer := errors.Is(err, ErrNewer)
	switch {
	case err == nil:
		return out, wrap(j.path, failure)
	case newer && o.Force, errors.Is(err, ErrCorrupt):
		return out, wrap(j.path, swap())
	case newer:
		return Restored{}, fmt.Errorf("it would be lost: %w", err)
	}
	return Restored{}, err
}

// wrap says of an error of the file whose it is; others are complete as they are.
func wrap(path string, err error) error {
	var pathError *fs.PathError
	var linkError *os.LinkError
	if errors.As(err, &pathError) || errors.As(err, &linkError) {
		return &Error{path, noSpace(err)}
	}
	return err
}

// plainly returns an error without the path of the file that nobody knows of, and without the hint for a journal in use.
func plainly(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// store writes a new file for its owner alone.
func store(name string, r io.Reader) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// besides returns a name that is free, with the time in it.
func besides(dir string, now time.Time) (string, error) {
	base := filepath.Join(dir, "journal-"+now.UTC().Format("20060102T150405Z"))
	name := base + ".db"
	for n := 2; ; n++ {
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", err
		}
		name = fmt.Sprintf("%s-%d.db", base, n)
	}
}

// missing returns what a journal has that a copy lacks, and how far the numbers of each bucket have come in it.
func missing(had *bolt.Tx, copied *Journal) (lost []Loss, sequences map[string]uint64, err error) {
	sequences = make(map[string]uint64)
	err = copied.view(func(has *bolt.Tx) error {
		lost, err = differ(had, has)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	lost = slices.DeleteFunc(lost, func(l Loss) bool {
		return slices.Contains([]string{bucketMeta, bucketBaselines, bucketCosts, bucketSettled, bucketOutbox, bucketReported}, l.Bucket)
	})
	return lost, sequences, had.ForEach(func(name []byte, b *bolt.Bucket) error {
		sequences[string(name)] = b.Sequence()
		return nil
	})
}

// advance lets the numbers of each bucket go on where another journal ends, so that none stands for two things.
func (j *Journal) advance(sequences map[string]uint64) error {
	return j.update(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			if n := sequences[string(name)]; n > b.Sequence() {
				return b.SetSequence(n)
			}
			return nil
		})
	})
}
