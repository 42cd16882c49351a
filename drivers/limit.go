package drivers

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Limit returns d with its observations and applications each holding one unit of slots, which many drivers
// share. Confirmations and reversions pass at once: they must not wait while a device's timer runs.
func Limit(d Driver, device string, slots *semaphore.Weighted) Driver {
	l := &limit{d, device, slots}
	if c, ok := As[Confirmer](d); ok {
		return &limitConfirmer{l, c}
	}
	return l
}

type limit struct {
	Driver
	device string
	slots  *semaphore.Weighted
}

// Unwrap returns the driver behind.
func (l *limit) Unwrap() Driver { return l.Driver }

func (l *limit) acquire(ctx context.Context, op string) error {
	if err := l.slots.Acquire(ctx, 1); err != nil {
		return &Error{Device: l.device, Op: op, Fault: Transient, Err: err}
	}
	return nil
}

// Observe implements [Driver].
func (l *limit) Observe(ctx context.Context) (switchcfg.State, error) {
	if err := l.acquire(ctx, "observe"); err != nil {
		return nil, err
	}
	defer l.slots.Release(1)
	return l.Driver.Observe(ctx)
}

// Apply implements [Driver].
func (l *limit) Apply(ctx context.Context, changes []plan.Change) (Result, error) {
	if err := l.acquire(ctx, "apply"); err != nil {
		return Result{}, err
	}
	defer l.slots.Release(1)
	return l.Driver.Apply(ctx, changes)
}

type limitConfirmer struct {
	*limit
	Confirmer
}

// ApplyConfirmed implements [Confirmer].
func (l *limitConfirmer) ApplyConfirmed(ctx context.Context, id string, window time.Duration, changes []plan.Change) (Result, error) {
	if err := l.acquire(ctx, "apply"); err != nil {
		return Result{}, err
	}
	defer l.slots.Release(1)
	return l.Confirmer.ApplyConfirmed(ctx, id, window, changes)
}
