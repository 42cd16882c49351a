package source

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/ixagent/ixagent/models/ixapi"
)

const (
	// gap is the least time between two reads, so that a flood of nudges is none for the exchange.
	gap = 100 * time.Millisecond

	// maxRetryAfter bounds how long an exchange can ask to be left alone.
	maxRetryAfter = time.Hour
)

// Run reads at once, then once in the configured time, to which up to a tenth is added at random, and when it is
// nudged, until ctx is done. After a read that failed it waits a second, longer each time, and at least as long
// as the exchange asks with Retry-After; nudges do not shorten the latter. Reading named records puts nothing off, and
// where that does not do, everything is read.
//
// Deliver is called with each new snapshot, failed with the error of each read that was not accepted; both in
// turn, from the calling goroutine. Run returns when all it started has ended.
func (s *Source) Run(ctx context.Context, deliver func(*Snapshot), failed func(error)) {
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() {
		if err := s.feed.watch(ctx, func() { s.Nudge() }); err != nil {
			s.log.Warn("source is not watched and only polled", "err", err)
		}
	})
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval = time.Second
	retry.MaxInterval = max(s.poll, time.Minute)
	due := time.Now() // when everything is read at the latest
	for {
		least := gap
		if named := s.take(); len(named) > 0 && time.Now().Before(due) {
			snapshot, changed, err := s.Reread(ctx, named...)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				s.log.Debug("everything is read, since the named records do not do", "err", err)
				least = max(gap, askedFor(err))
				due = time.Now().Add(least)
			case changed:
				deliver(snapshot)
			}
		} else {
			snapshot, changed, err := s.Read(ctx)
			if ctx.Err() != nil {
				return
			}
			wait := s.poll + rand.N(s.poll/10+1)
			var refusal *ShrinkError
			switch {
			case err == nil:
				retry.Reset()
				if changed {
					deliver(snapshot)
				}
			case errors.As(err, &refusal):
				retry.Reset() // the exchange is well, another attempt will not change what it says
				failed(err)
			default:
				failed(err)
				least, wait = max(gap, askedFor(err)), retry.NextBackOff()
			}
			due = time.Now().Add(max(least, wait))
		}
		if !s.rest(ctx, least, due) {
			return
		}
	}
}

// askedFor returns how long the exchange wants to be left alone.
func askedFor(err error) time.Duration {
	var problem *ixapi.ProblemError
	if !errors.As(err, &problem) {
		return 0
	}
	return min(problem.RetryAfter, maxRetryAfter)
}

// rest lets least pass, then waits for a nudge until due. It reports false when ctx is done.
func (s *Source) rest(ctx context.Context, least time.Duration, due time.Time) bool {
	timer := time.NewTimer(least)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	}
	timer.Reset(time.Until(due))
	for !s.pending() {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-s.wake:
		}
	}
	return true
}
