package journal

import (
	"encoding/binary"
	"encoding/json"
	"errors"

	bolt "go.etcd.io/bbolt"

	"github.com/ixagent/ixagent/agent/report"
)

// The buckets of what is told of records. They are made when they are first written to.
const (
	bucketOutbox   = "outbox"   // sequence(8, big endian) -> JSON
	bucketReported = "reported" // collection "/" id -> JSON
)

var _ report.Store = (*Journal)(nil)

// Reported implements [report.Store].
func (j *Journal) Reported() (results []report.Result, waiting []report.Notice, err error) {
	err = j.view(func(tx *bolt.Tx) error {
		results, waiting = nil, nil
		if bucket := tx.Bucket([]byte(bucketReported)); bucket != nil {
			err := bucket.ForEach(func(_, value []byte) error {
				var r report.Result
				err := decode(value, &r)
				results = append(results, r)
				return err
			})
			if err != nil {
				return err
			}
		}
		bucket := tx.Bucket([]byte(bucketOutbox))
		if bucket == nil {
			return nil
		}
		return bucket.ForEach(func(key, value []byte) error {
			var n report.Notice
			if len(key) != 8 {
				return ErrCorrupt
			}
			err := decode(value, &n)
			n.Seq = binary.BigEndian.Uint64(key)
			waiting = append(waiting, n)
			return err
		})
	})
	if err != nil {
		return nil, nil, err
	}
	return results, waiting, nil
}

// Post implements [report.Store].
func (j *Journal) Post(notices []report.Notice, gone []uint64) error {
	return j.update(func(tx *bolt.Tx) error {
		outbox, err := tx.CreateBucketIfNotExists([]byte(bucketOutbox))
		if err != nil {
			return err
		}
		reported, err := tx.CreateBucketIfNotExists([]byte(bucketReported))
		if err != nil {
			return err
		}
		for _, seq := range gone {
			if err := outbox.Delete(binary.BigEndian.AppendUint64(nil, seq)); err != nil {
				return err
			}
		}
		for i := range notices {
			n := &notices[i]
			if n.Seq, err = outbox.NextSequence(); err != nil {
				return err
			}
			if err := errors.Join(post(outbox, n), remember(reported, n)); err != nil {
				return err
			}
		}
		return nil
	})
}

func post(outbox *bolt.Bucket, n *report.Notice) error {
	value, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return outbox.Put(binary.BigEndian.AppendUint64(nil, n.Seq), value)
}

func remember(reported *bolt.Bucket, n *report.Notice) error {
	key := []byte(n.Result.Record())
	if n.Last {
		return reported.Delete(key)
	}
	value, err := json.Marshal(n.Result)
	if err != nil {
		return err
	}
	return reported.Put(key, value)
}
