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
// as the exchange asks with Retry-After; nudges do not shorten the latter.
//
// Deliver is called with each new snapshot, failed with the error of each read that was not accepted; both in
// turn, from the calling goroutine. Run returns when all it started has ended.
func (s *Source) Run(ctx context.Context, deliver func(*Snapshot), failed func(error)) {
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() {
		if err := s.feed.watch(ctx, s.Nudge); err != nil {
			s.log.Warn("source is not watched and only polled", "err", err)
		}
	})
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval = time.Second
	retry.MaxInterval = max(s.poll, time.Minute)
	for {
		select {
		case <-s.nudge: // this read does for it
		default:
		}
		snapshot, changed, err := s.Read(ctx)
		if ctx.Err() != nil {
			return
		}
		var refusal *ShrinkError
		least, wait := gap, s.poll+rand.N(s.poll/10+1)
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
		if !s.rest(ctx, least, wait) {
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

// rest lets least pass, then waits for a nudge until wait has passed in all. It reports false when ctx is done.
func (s *Source) rest(ctx context.Context, least, wait time.Duration) bool {
	timer := time.NewTimer(least)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	}
	if wait <= least {
		return true
	}
	timer.Reset(wait - least)
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-s.nudge:
	}
	return true
}
