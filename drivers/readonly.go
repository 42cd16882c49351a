package drivers

import (
	"context"
	"errors"
	"time"

	"github.com/ixagent/ixagent/models/plan"
)

// ErrReadOnly is the cause of the refusals of a [ReadOnly] driver.
var ErrReadOnly = errors.New("the device is in observe mode")

// ReadOnly returns d with every change refused with fault [Unsupported]. A pending commit can still be
// reverted, because that takes a change away, but not confirmed.
func ReadOnly(d Driver, device string) Driver {
	r := &readOnly{d, device}
	if c, ok := As[Confirmer](d); ok {
		return &readOnlyConfirmer{r, c}
	}
	return r
}

type readOnly struct {
	Driver
	device string
}

// Unwrap returns the driver behind.
func (r *readOnly) Unwrap() Driver { return r.Driver }

func (r *readOnly) refuse(op string) error {
	return &Error{Device: r.device, Op: op, Fault: Unsupported, Err: ErrReadOnly}
}

// Apply implements [Driver]: it refuses.
func (r *readOnly) Apply(context.Context, []plan.Change) (Result, error) {
	return Result{}, r.refuse("apply")
}

type readOnlyConfirmer struct {
	*readOnly
	confirmer Confirmer
}

// ApplyConfirmed implements [Confirmer]: it refuses.
func (r *readOnlyConfirmer) ApplyConfirmed(context.Context, string, time.Duration, []plan.Change) (Result, error) {
	return Result{}, r.refuse("apply")
}

// Confirm implements [Confirmer]: it refuses.
func (r *readOnlyConfirmer) Confirm(context.Context, string) error { return r.refuse("confirm") }

// Revert implements [Confirmer].
func (r *readOnlyConfirmer) Revert(ctx context.Context, id string) error {
	return r.confirmer.Revert(ctx, id)
}
