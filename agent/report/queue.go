package report

import (
	"crypto/rand"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// maxWaiting is how many notices wait to be delivered before those give way to which there is a later one.
const maxWaiting = 10_000

// Notice is a result on its way to the webhook.
type Notice struct {
	Seq    uint64 `json:"-"`              // given by the store, ascending
	ID     string `json:"id"`             // unique, and the same each time it is delivered
	Last   bool   `json:"last,omitempty"` // the record is gone, and this is all that was left to say
	Result Result `json:"result"`
}

func newID() string { return rand.Text() }

// Store keeps what was reported and what is not delivered. It is implemented by the journal.
type Store interface {
	// Reported returns the result last posted of each record, unless it was its last, and the notices that are not
	// delivered, in the order of Seq.
	Reported() ([]Result, []Notice, error)
	// Post adds notices, giving each its Seq, and takes away those of the numbers in gone; all of it or nothing.
	Post(notices []Notice, gone []uint64) error
}

// queue is what is not delivered yet, in order for each record. Records do not wait for each other.
type queue struct {
	lines   map[string]*line // by record
	ready   []*line          // to be delivered now, those first that came first
	resting []*line          // to be tried again later
	waiting int              // notices
}

// line is what is not delivered of one record.
type line struct {
	notices []Notice
	busy    bool // the first of them is under way
	retry   *backoff.ExponentialBackOff
	due     time.Time // when the first is tried again
}

// add puts notices at the end.
func (q *queue) add(notices []Notice) {
	if q.lines == nil {
		q.lines = make(map[string]*line)
	}
	for _, n := range notices {
		key := n.Result.Record()
		l := q.lines[key]
		if l == nil {
			l = new(line)
			q.lines[key] = l
			q.ready = append(q.ready, l)
		}
		l.notices = append(l.notices, n)
		q.waiting++
	}
}

// supersede makes room: of each record only the latest notice stays, besides one that is under
// way. It returns the numbers of those that went.
func (q *queue) supersede() (gone []uint64) {
	for _, l := range q.lines {
		gone = append(gone, q.shorten(l)...)
	}
	return gone
}

func (q *queue) shorten(l *line) (gone []uint64) {
	first, last := 0, len(l.notices)-1
	if l.busy {
		first = 1
	}
	if last <= first {
		return nil
	}
	for _, n := range l.notices[first:last] {
		gone = append(gone, n.Seq)
	}
	l.notices = append(l.notices[:first:first], l.notices[last])
	q.waiting -= len(gone)
	return gone
}

// oldest returns since when what waits longest has been so, of what is next and what is put off; zero if nothing waits.
func (q *queue) oldest() (t time.Time) {
	look := q.resting
	if len(q.ready) > 0 {
		look = append(q.ready[:1:1], look...)
	}
	for _, l := range look {
		if at := l.notices[0].Result.Since; t.IsZero() || at.Before(t) {
			t = at
		}
	}
	return t
}

// next returns the notice to be delivered now, if there is one. It is under way until done or failed is called.
func (q *queue) next(now time.Time) (*line, bool) {
	still := q.resting[:0]
	for _, l := range q.resting {
		if now.Before(l.due) {
			still = append(still, l)
		} else {
			q.ready = append(q.ready, l)
		}
	}
	clear(q.resting[len(still):])
	q.resting = still
	if len(q.ready) == 0 {
		return nil, false
	}
	l := q.ready[0]
	q.ready = q.ready[1:]
	l.busy = true
	return l, true
}

// due returns when the next notice can be tried again, or the zero time.
func (q *queue) due() (at time.Time) {
	for _, l := range q.resting {
		if at.IsZero() || l.due.Before(at) {
			at = l.due
		}
	}
	return at
}

// done takes away what was delivered.
func (q *queue) done(l *line) {
	key := l.notices[0].Result.Record()
	l.notices, l.busy, l.retry = l.notices[1:], false, nil
	q.waiting--
	if len(l.notices) == 0 {
		delete(q.lines, key)
		return
	}
	q.ready = append(q.ready, l)
}

// failed puts off what was not delivered. Where the receiver refused it and there is a later one of its record, it
// gives way to that; the number of it is returned.
func (q *queue) failed(l *line, refused bool, now time.Time) (gone []uint64) {
	if refused && len(l.notices) > 1 {
		gone = append(gone, l.notices[0].Seq)
		q.done(l)
		return gone
	}
	l.busy = false
	if l.retry == nil {
		l.retry = newRetry(5 * time.Minute)
	}
	l.due = now.Add(l.retry.NextBackOff())
	q.resting = append(q.resting, l)
	return nil
}

// latest returns notices without those to which there is a later one of their record.
func latest(notices []Notice) []Notice {
	seen := make(map[string]bool)
	var out []Notice
	for _, n := range slices.Backward(notices) {
		if key := n.Result.Record(); !seen[key] {
			seen[key] = true
			out = append(out, n)
		}
	}
	slices.Reverse(out)
	return out
}

func newRetry(most time.Duration) *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = time.Second, most
	return b
}
