package journal

import (
	"encoding/binary"
	"encoding/json"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Result is what became of a plan.
type Result string

// The results.
const (
	Applied  Result = "applied"  // and verified on the device
	Reverted Result = "reverted" // applied and taken back
	Failed   Result = "failed"   // not applied, or it is not known
)

// Entry is a plan that was applied to a device, or was to be.
type Entry struct {
	ID     uint64          `json:"id"` // given when it is appended, greater than all before it
	Time   time.Time       `json:"time"`
	Device string          `json:"device"`
	Plan   json.RawMessage `json:"plan"`
	Native string          `json:"native,omitempty"` // digest of what was sent to the device
	Result Result          `json:"result"`
	Error  string          `json:"error,omitempty"`
	Took   time.Duration   `json:"took"` // in nanoseconds
}

// Append adds an entry to the history and returns its id. When it returns, the entry is on disk.
func (j *Journal) Append(e Entry) (uint64, error) {
	err := j.update(func(tx *bolt.Tx) error {
		bucket := tx.Bucket([]byte(bucketHistory))
		id, err := bucket.NextSequence()
		if err != nil {
			return err
		}
		e.ID = id
		value, err := json.Marshal(e)
		if err != nil {
			return err
		}
		return bucket.Put(binary.BigEndian.AppendUint64(nil, id), value)
	})
	if err != nil {
		return 0, err
	}
	return e.ID, nil
}

// Filter chooses entries. Its zero fields choose all.
type Filter struct {
	ID           uint64
	Device       string
	Since, Until time.Time // both included
	Limit        int       // the latest so many
}

func (f Filter) matches(e Entry) bool {
	return (f.ID == 0 || e.ID == f.ID) && (f.Device == "" || e.Device == f.Device) &&
		(f.Since.IsZero() || !e.Time.Before(f.Since)) && (f.Until.IsZero() || !e.Time.After(f.Until))
}

// History returns the entries that f chooses, the latest first.
func (j *Journal) History(f Filter) ([]Entry, error) {
	var found []Entry
	err := j.view(func(tx *bolt.Tx) error {
		c := tx.Bucket([]byte(bucketHistory)).Cursor()
		for key, value := c.Last(); key != nil && (f.Limit <= 0 || len(found) < f.Limit); key, value = c.Prev() {
			var e Entry
			if err := decode(value, &e); err != nil {
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
