package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ixagent/ixagent/models/ixapi"
)

// runner runs a source in a synctest bubble. Its notes are those of the time that until was last told.
type runner struct {
	*Source
	feed  *script
	start time.Time
	notes

	mu   sync.Mutex
	live notes
}

type notes struct {
	reads     []time.Duration // when, since the start
	delivered []*Snapshot
	failures  []error
}

func (r *runner) note(f func(*notes)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.live)
}

func run(t *testing.T, steps ...any) *runner {
	t.Helper()
	s, f := scripted(steps...)
	return runWith(t, s, f, func() {})
}

// runWith calls read in the middle of each read.
func runWith(t *testing.T, s *Source, f *script, read func()) *runner {
	t.Helper()
	r := &runner{Source: s, feed: f, start: time.Now()}
	f.read = func() {
		r.note(func(n *notes) { n.reads = append(n.reads, time.Since(r.start)) })
		read()
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Run(ctx,
			func(s *Snapshot) { r.note(func(n *notes) { n.delivered = append(n.delivered, s) }) },
			func(err error) { r.note(func(n *notes) { n.failures = append(n.failures, err) }) })
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return r
}

// until lets time pass until d after the start, and all that happens at that time happen.
func (r *runner) until(d time.Duration) {
	<-time.After(time.Until(r.start.Add(d)))
	synctest.Wait()
	r.note(func(n *notes) { r.notes = *n })
}

func TestPollingIsJittered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, metro(2))
		r.until(time.Hour)
		gaps := make(map[time.Duration]bool)
		for i := 1; i < len(r.reads); i++ {
			gap := r.reads[i] - r.reads[i-1]
			if gap < 30*time.Second || gap > 33*time.Second {
				t.Errorf("polled after %v", gap)
			}
			gaps[gap] = true
		}
		if len(r.reads) < 109 || len(gaps) < 50 {
			t.Errorf("%d reads in an hour, %d different gaps", len(r.reads), len(gaps))
		}
		if len(r.delivered) != 1 || len(r.failures) != 0 {
			t.Errorf("delivered %d, failures %v", len(r.delivered), r.failures)
		}
	})
}

func TestNudgeReadsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, metro(2), metro(3))
		r.until(10 * time.Second)
		r.Nudge()
		r.until(10 * time.Second)
		if want := []time.Duration{0, 10 * time.Second}; !slices.Equal(r.reads, want) || len(r.delivered) != 2 {
			t.Errorf("reads at %v, %d delivered", r.reads, len(r.delivered))
		}
	})
}

func TestNudgesCoalesce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, metro(2))
		r.until(10 * time.Second)
		for range 1000 {
			r.Nudge()
		}
		r.until(11 * time.Second)
		// Those that come once the read has begun amount to one more.
		if n := len(r.reads); n < 2 || n > 3 {
			t.Errorf("reads at %v", r.reads)
		}
	})
}

func TestFloodOfNudgesIsNoneForTheExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, metro(2))
		for i := range 2000 {
			r.until(time.Duration(i) * time.Millisecond)
			r.Nudge()
		}
		r.until(3 * time.Second)
		if n := len(r.reads); n < 20 || n > 22 {
			t.Errorf("%d reads within two seconds", n)
		}
	})
}

func TestNudgeDuringAReadIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := scripted(metro(2), metro(3))
		r := runWith(t, s, f, func() { <-time.After(5 * time.Second) })
		r.until(10 * time.Second)
		r.Nudge()
		r.until(12 * time.Second)
		r.Nudge() // while the second read is under way
		r.until(19 * time.Second)
		if len(r.reads) != 3 {
			t.Errorf("reads at %v", r.reads)
		}
	})
}

func TestFailingExchangeIsAskedLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, errors.New("no route"))
		r.until(10 * time.Minute)
		if n := len(r.reads); n < 12 || n > 40 {
			t.Errorf("%d reads in ten minutes: %v", n, r.reads)
		}
		if r.reads[1] > 2*time.Second {
			t.Errorf("the second read comes after %v", r.reads[1])
		}
		if len(r.failures) != len(r.reads) || len(r.delivered) != 0 {
			t.Errorf("%d failures, %d delivered", len(r.failures), len(r.delivered))
		}
		r.feed.now(metro(2))
		r.until(12 * time.Minute)
		if len(r.delivered) != 1 || r.Status().Err != nil {
			t.Errorf("no recovery: %d delivered, %v", len(r.delivered), r.Status().Err)
		}
	})
}

func TestRetryAfterIsHonouredWhateverNudges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := fmt.Errorf("ports: %w", &ixapi.ProblemError{Status: 503, RetryAfter: 2 * time.Minute})
		r := run(t, busy, metro(2))
		for i := range 115 {
			r.until(time.Duration(i) * time.Second)
			r.Nudge()
		}
		if len(r.reads) != 1 {
			t.Errorf("reads at %v", r.reads)
		}
		r.until(3 * time.Minute)
		if len(r.reads) < 2 || r.reads[1] != 2*time.Minute || len(r.delivered) != 1 {
			t.Errorf("reads at %v", r.reads)
		}
	})
}

func TestRetryAfterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, &ixapi.ProblemError{Status: 503, RetryAfter: 1 << 62}, metro(2))
		r.until(2 * time.Hour)
		if len(r.reads) < 2 || r.reads[1] != maxRetryAfter {
			t.Errorf("reads at %v", r.reads)
		}
	})
}

func TestRefusedSnapshotIsPolledAndAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, metro(40), metro(10))
		r.until(5 * time.Minute)
		if n := len(r.reads); n < 9 || n > 11 || len(r.failures) != n-1 {
			t.Errorf("%d reads, %d failures", n, len(r.failures))
		}
		var shrink *ShrinkError
		if !errors.As(r.Status().Err, &shrink) {
			t.Fatal(r.Status().Err)
		}
		r.Accept(shrink.Digest)
		r.until(5*time.Minute + gap)
		if len(r.delivered) != 2 || r.Status().Err != nil {
			t.Errorf("%d delivered, %v", len(r.delivered), r.Status().Err)
		}
	})
}

func TestRunEndsInTheMiddleOfARead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := scripted(errors.New("context canceled"))
		ctx, stop := context.WithCancel(t.Context())
		f.read = stop
		s.Run(ctx, func(*Snapshot) { t.Error("delivered") }, func(err error) { t.Error(err) })
	})
}
