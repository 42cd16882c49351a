package drivers

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// Retry returns d with observations repeated, up to tries times in all, while they end with fault [Transient].
// The waits grow exponentially from first and are jittered. Nothing that changes a device is ever repeated.
func Retry(d Driver, tries uint, first time.Duration) Driver { return &retry{d, tries, first} }

type retry struct {
	Driver
	tries uint
	first time.Duration
}

// Unwrap returns the driver behind.
func (r *retry) Unwrap() Driver { return r.Driver }

// Observe implements [Driver].
func (r *retry) Observe(ctx context.Context) (switchcfg.State, error) {
	var last error // what the device said, which tells more than the end of ctx during a wait
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = r.first
	s, err := backoff.Retry(ctx, func() (switchcfg.State, error) {
		var s switchcfg.State
		if s, last = r.Driver.Observe(ctx); last != nil && FaultOf(last) != Transient {
			return nil, backoff.Permanent(last)
		}
		return s, last
	}, backoff.WithBackOff(wait), backoff.WithMaxTries(max(1, r.tries)))
	if err != nil {
		return nil, last
	}
	return s, nil
}
