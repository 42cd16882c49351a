package journal

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/fsnotify/fsnotify"
	bolt "go.etcd.io/bbolt"

	"github.com/ixagent/ixagent/agent/guard"
)

// ErrBudget says that a plan would exceed what the agent may do by itself in an hour, so that it was not begun.
var ErrBudget = errors.New("the agent has done by itself what it may in an hour")

// The buckets of what persons order and of what members feel. They are made when they are first written to.
const (
	bucketFreezes   = "freezes"   // scope 0x00 name -> JSON
	bucketApprovals = "approvals" // device 0x00 digest -> JSON
	bucketSettled   = "settled"   // device -> JSON
	bucketCosts     = "costs"     // id(8, big endian) of an entry -> JSON
)

// ordersFile is made anew beside the journal when something was ordered. It tells other processes, and is empty.
const ordersFile = "orders"

// Freeze stores a freeze, in place of one of the same scope and name, and forgets those that have ended.
func (j *Journal) Freeze(f guard.Freeze) error {
	err := j.update(func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists([]byte(bucketFreezes))
		if err != nil {
			return err
		}
		return errors.Join(
			forget(bucket, func(old guard.Freeze) bool { return !old.InForce(f.Since) }),
			put(bucket, pair(string(f.Scope), f.Name), f),
			mark(tx),
		)
	})
	j.tell(err)
	return err
}

// Thaw ends a freeze and reports whether there was one.
func (j *Journal) Thaw(scope guard.Scope, name string) (found bool, err error) {
	err = j.update(func(tx *bolt.Tx) error {
		found = remove(tx, bucketFreezes, pair(string(scope), name))
		return mark(tx)
	})
	j.tell(err)
	return found && err == nil, err
}

// Freezes returns what is stored, the widest first. Some may have ended.
func (j *Journal) Freezes() ([]guard.Freeze, error) {
	all, err := stored[guard.Freeze](j, bucketFreezes)
	slices.SortFunc(all, guard.Freeze.Compare)
	return all, err
}

// Approve stores an approval, and forgets those that have ended.
func (j *Journal) Approve(a guard.Approval) error {
	err := j.update(func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists([]byte(bucketApprovals))
		if err != nil {
			return err
		}
		return errors.Join(
			forget(bucket, func(old guard.Approval) bool { return !old.InForce(a.At) }),
			put(bucket, pair(a.Device, a.Digest), a),
		)
	})
	j.tell(err)
	return err
}

// Approvals returns what is stored, by device and digest. Some may have ended.
func (j *Journal) Approvals() ([]guard.Approval, error) {
	return stored[guard.Approval](j, bucketApprovals)
}

// Used ends an approval and reports whether there was one. Of those who ask at the same time, one is told so.
func (j *Journal) Used(device, digest string) (found bool, err error) {
	err = j.update(func(tx *bolt.Tx) error {
		found = remove(tx, bucketApprovals, pair(device, digest))
		return nil
	})
	return found && err == nil, err
}

// Settle remembers the digest of the intent that a device was last seen to have.
func (j *Journal) Settle(device, digest string) error {
	return j.update(func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists([]byte(bucketSettled))
		if err != nil {
			return err
		}
		return put(bucket, []byte(device), digest)
	})
}

// Settled returns what [Journal.Settle] was last told of each device.
func (j *Journal) Settled() (map[string]string, error) {
	all := make(map[string]string)
	err := j.view(func(tx *bolt.Tx) error {
		return each(tx.Bucket([]byte(bucketSettled)), func(device []byte, digest string) error {
			all[string(device)] = digest
			return nil
		})
	})
	return all, err
}

// Spent returns what plans that were begun since then have cost, whoever had them applied. Those that were refused,
// or failed before anything was changed, cost nothing.
func (j *Journal) Spent(since time.Time) (spent guard.Cost, err error) {
	err = j.view(func(tx *bolt.Tx) error {
		spent, err = spentSince(tx, since)
		return err
	})
	return spent, err
}

// WatchOrders calls changed whenever a process has ordered something, and once at the beginning, until ctx ends. Its
// error says why it cannot go on. Of a folder that is not there any more it hears nothing.
func (j *Journal) WatchOrders(ctx context.Context, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer w.Close()
	name := filepath.Join(filepath.Dir(j.path), ordersFile)
	if err := w.Add(filepath.Dir(name)); err != nil {
		return err
	}
	changed() // what was ordered before was not seen
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.Events:
			if !ok {
				return errors.New("watching ended")
			}
			if e.Name == name && e.Has(fsnotify.Create) {
				changed()
			}
		case err := <-w.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return err
			}
			changed()
		}
	}
}

// Ordered returns when a process last ordered something; zero if that is not known.
func (j *Journal) Ordered() time.Time {
	info, err := os.Stat(filepath.Join(filepath.Dir(j.path), ordersFile))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// tell says to other processes that something was ordered, if it was. An order that they do not hear of is as good:
// they look for themselves, only later.
func (j *Journal) tell(failure error) {
	if failure != nil {
		return
	}
	name := filepath.Join(filepath.Dir(j.path), ordersFile)
	_ = os.Remove(name) // it may be another user's, who cannot be written to
	if f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL, 0o600); err == nil {
		f.Close()
	}
}

// mark gives the file the version that those who read it must know: an earlier release would overlook a freeze.
func mark(tx *bolt.Tx) error {
	version := schemaFree
	if bucket := tx.Bucket([]byte(bucketFreezes)); bucket != nil {
		if key, _ := bucket.Cursor().First(); key != nil {
			version = schema
		}
	}
	return tx.Bucket([]byte(bucketMeta)).Put([]byte(keySchema), []byte(strconv.Itoa(version)))
}

// spending is what one entry of the history costs.
type spending struct {
	Begun time.Time  `json:"begun"`
	Cost  guard.Cost `json:"cost"`
}

// spend keeps what e costs where the sum of an hour is found without reading the plans. It forgets what is a day off,
// whichever way: clocks jump.
func spend(tx *bolt.Tx, e Entry) error {
	if e.Cost.IsZero() {
		return nil
	}
	bucket, err := tx.CreateBucketIfNotExists([]byte(bucketCosts))
	if err != nil {
		return err
	}
	return errors.Join(
		forget(bucket, func(old spending) bool { return e.Begun.Sub(old.Begun).Abs() > 24*time.Hour }),
		put(bucket, binary.BigEndian.AppendUint64(nil, e.ID), spending{e.Begun, e.Cost}),
	)
}

// unspend takes back what e costs if it came to nothing.
func unspend(tx *bolt.Tx, e Entry) {
	if e.Result == Refused || e.Result == Failed {
		remove(tx, bucketCosts, binary.BigEndian.AppendUint64(nil, e.ID))
	}
}

// affordable returns an [ErrBudget] if e has a budget that does not bear its cost.
func affordable(tx *bolt.Tx, e Entry) error {
	if e.Budget == nil || e.Cost.IsZero() {
		return nil
	}
	spent, err := spentSince(tx, e.Begun.Add(-time.Hour))
	if err != nil {
		return err
	}
	if why := e.Budget.Exceeded(spent, e.Cost); why != nil {
		return &refusal{fmt.Errorf("%w: %w", ErrBudget, why)}
	}
	return nil
}

func spentSince(tx *bolt.Tx, since time.Time) (sum guard.Cost, err error) {
	err = each(tx.Bucket([]byte(bucketCosts)), func(_ []byte, s spending) error {
		if !s.Begun.Before(since) {
			sum = sum.Add(s.Cost)
		}
		return nil
	})
	return sum, err
}

// pair is the key of two names, of which the first has no NUL.
func pair(a, b string) []byte { return []byte(a + "\x00" + b) }

// each decodes the values of a bucket, which may be nil.
func each[T any](bucket *bolt.Bucket, f func(key []byte, v T) error) error {
	if bucket == nil {
		return nil
	}
	return bucket.ForEach(func(key, value []byte) error {
		var v T
		if err := decode(value, &v); err != nil {
			return err
		}
		return f(key, v)
	})
}

// stored returns the values of a bucket.
func stored[T any](j *Journal, name string) (all []T, err error) {
	err = j.view(func(tx *bolt.Tx) error {
		return each(tx.Bucket([]byte(name)), func(_ []byte, v T) error {
			all = append(all, v)
			return nil
		})
	})
	return all, err
}

// forget removes the values for which f reports true.
func forget[T any](bucket *bolt.Bucket, f func(T) bool) error {
	var gone [][]byte
	err := each(bucket, func(key []byte, v T) error {
		if f(v) {
			gone = append(gone, slices.Clone(key))
		}
		return nil
	})
	for _, key := range gone {
		err = errors.Join(err, bucket.Delete(key))
	}
	return err
}

// remove removes a value from a bucket, and reports whether it was there.
func remove(tx *bolt.Tx, name string, key []byte) bool {
	bucket := tx.Bucket([]byte(name))
	if bucket == nil || bucket.Get(key) == nil {
		return false
	}
	return bucket.Delete(key) == nil
}

func put(bucket *bolt.Bucket, key []byte, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return bucket.Put(key, value)
}
