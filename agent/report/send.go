package report

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// batch is how many deliveries may have to be made again because the process was killed before they were noted.
const batch = 256

// Run posts results until ctx is done: in order for each record, at least once, over restarts. What the receiver
// refuses holds up no other record. While nobody answers all wait, longer each time, up to a minute.
//
// Where more than 10,000 notices wait, those go to which there is a later one of their record. A notice that is
// refused goes, too, once there is a later one; otherwise it is tried again for ever, at most every five minutes.
func (r *Reporter) Run(ctx context.Context) {
	if r.Webhook == nil {
		return
	}
	defer r.Webhook.client.CloseIdleConnections()
	s := sender{Reporter: r, ended: make(chan outcome, parallel)}
	for ctx.Err() == nil {
		s.store(time.Now())
		s.send(ctx)
		s.count()
		s.wait(ctx)
	}
	for s.busy > 0 {
		s.end(ctx, <-s.ended)
	}
	s.full = halt{}
	s.store(time.Now())
}

// sender is what Run remembers.
type sender struct {
	*Reporter
	ended  chan outcome
	busy   int      // deliveries under way
	gone   []uint64 // notices to be taken from the store
	silent halt     // nobody answers
	full   halt     // the store cannot be written
}

// outcome is how a delivery ended.
type outcome struct {
	line *line
	err  error
}

// halt is a time in which something is not tried, longer each time.
type halt struct {
	until time.Time
	retry *backoff.ExponentialBackOff
}

func (h *halt) over(now time.Time) bool { return !now.Before(h.until) }

// begin reports whether it is the first.
func (h *halt) begin(now time.Time) (first bool) {
	if first = h.retry == nil; first {
		h.retry = newRetry(time.Minute)
	}
	if h.over(now) {
		h.until = now.Add(h.retry.NextBackOff())
	}
	return first
}

// store keeps what is new, and takes away what is delivered.
func (s *sender) store(now time.Time) {
	if !s.full.over(now) {
		return
	}
	s.mu.Lock()
	posted := s.posted
	s.posted = nil
	s.mu.Unlock()
	if len(posted) == 0 && (len(s.gone) == 0 || s.busy > 0 && len(s.gone) < batch) {
		return
	}
	if s.queue.waiting+len(posted) > maxWaiting {
		posted = latest(posted)
		s.gone = append(s.gone, s.queue.supersede()...)
	}
	if err := s.Store.Post(posted, s.gone); err != nil {
		if s.full.begin(now) {
			s.Log.Error("results are not stored, and are not sent before they are", "err", err)
		}
		s.mu.Lock()
		s.posted = append(posted, s.posted...)
		s.mu.Unlock()
		return
	}
	s.full, s.gone = halt{}, nil
	s.queue.add(posted)
}

// count notes what is not delivered.
func (s *sender) count() {
	oldest := s.queue.oldest()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting, s.oldest = s.queue.waiting, oldest
}

// send begins deliveries.
func (s *sender) send(ctx context.Context) {
	for s.busy < parallel && s.silent.over(time.Now()) {
		l, ok := s.queue.next(time.Now())
		if !ok {
			return
		}
		s.busy++
		n := l.notices[0]
		go func() { s.ended <- outcome{l, s.Webhook.deliver(ctx, n, s.Source)} }()
	}
}

// wait waits until there is something to do.
func (s *sender) wait(ctx context.Context) {
	var at time.Time
	earlier := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	now := time.Now()
	earlier(s.queue.due())
	if !s.silent.over(now) {
		at = s.silent.until
	}
	if !s.full.over(now) {
		earlier(s.full.until)
	}
	var timer <-chan time.Time
	if !at.IsZero() {
		t := time.NewTimer(at.Sub(now))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-ctx.Done():
	case <-s.wake:
	case o := <-s.ended:
		s.end(ctx, o)
	case <-timer:
	}
}

// end takes note of the end of a delivery.
func (s *sender) end(ctx context.Context, o outcome) {
	s.busy--
	now := time.Now()
	n := o.line.notices[0]
	var no *refusal
	if s.Told != nil {
		s.Told(o.err == nil)
	}
	switch refused := errors.As(o.err, &no) && no.ofEvent(); {
	case o.err == nil:
		s.silent = halt{}
		s.gone = append(s.gone, n.Seq)
		s.queue.done(o.line)
	case refused:
		s.silent = halt{}
		if o.line.retry == nil {
			s.Log.Warn("result is refused by the webhook", "record", n.Result.Record(), "err", o.err)
		}
		s.gone = append(s.gone, s.queue.failed(o.line, true, now)...)
	default:
		s.queue.failed(o.line, false, now)
		if ctx.Err() == nil && s.silent.begin(now) {
			s.Log.Warn("results are not delivered to the webhook, and wait", "err", o.err)
		}
	}
}
