package journal

import (
	"slices"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// group is the changes that wait to be stored. Those that come while the disk writes are stored together after that, for
// the same price as one.
type group struct {
	mu      sync.Mutex
	waiting []*change
}

// change is what one caller wants stored. Who holds [Journal.mu] may read and write it.
type change struct {
	f    func(*bolt.Tx) error
	done bool
	err  error
}

func (g *group) add(c *change) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, c)
}

func (g *group) take() []*change {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.waiting
	g.waiting = nil
	return all
}

// update stores what f does in one transaction, perhaps with what others do, and returns when it is on disk. If f fails,
// nothing of what it did is stored. f may be called again after all it did to the transaction was undone.
func (j *Journal) update(f func(*bolt.Tx) error) error {
	c := &change{f: f}
	j.group.add(c)
	j.mu.Lock()
	defer j.mu.Unlock()
	if !c.done { // otherwise whoever had the lock before has stored it
		j.store(j.group.take())
	}
	return c.err
}

// store stores changes together, without those that fail by themselves.
func (j *Journal) store(all []*change) {
	for len(all) > 0 {
		failed := -1
		err := j.with(false, func(db *bolt.DB) error {
			return db.Update(func(tx *bolt.Tx) error {
				for i, c := range all {
					failed = i
					if err := c.f(tx); err != nil {
						return err
					}
				}
				failed = -1
				return nil
			})
		})
		if failed >= 0 && len(all) > 1 {
			all[failed].err, all[failed].done = err, true
			all = slices.Delete(all, failed, failed+1)
			continue
		}
		for _, c := range all {
			c.err, c.done = err, true
		}
		return
	}
}
