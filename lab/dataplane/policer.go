package dataplane

import (
	"sync"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane/wire"
)

// defaultBurst is how long a bucket that nobody gave a size lets frames pass faster than its rate.
const defaultBurst = 50 * time.Millisecond

// bucket is a token bucket: it admits no more octets in any time than its size and what its rate adds, and any
// frame within that.
type bucket struct {
	Policer
	rate float64 // octets in a second
	size float64 // octets

	mu     sync.Mutex
	tokens float64 // octets
	filled time.Time
}

// bucketFor returns a bucket for b, or nil if b is no bound. It is old if that has the same bound, because a
// bucket that is filled anew lets a burst pass.
func bucketFor(b Policer, old *bucket) *bucket {
	switch {
	case b.Rate == 0:
		return nil
	case old != nil && old.Policer == b:
		return old
	}
	n := &bucket{Policer: b, rate: float64(b.Rate) / 8, size: float64(b.Burst)}
	if b.Burst == 0 {
		n.size = max(n.rate*defaultBurst.Seconds(), 2*wire.MaxFrame)
	}
	n.tokens = n.size
	return n
}

// admit takes the tokens for a frame and reports whether there were enough. A bucket that is nil admits all.
func (b *bucket) admit(now time.Time, octets int) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.filled.IsZero() {
		b.filled = now
	}
	if d := now.Sub(b.filled); d > 0 {
		b.tokens = min(b.tokens+d.Seconds()*b.rate, b.size)
		b.filled = now
	}
	if b.tokens < float64(octets) {
		return false
	}
	b.tokens -= float64(octets)
	return true
}
