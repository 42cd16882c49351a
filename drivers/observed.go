package drivers

import (
	"context"
	"log/slog"
	"time"

	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Observer is told of every operation on a device when it ends: its name as in [Error].Op, how long it took,
// and its fault, "" if it succeeded.
type Observer func(op string, took time.Duration, fault Fault)

// Observed returns d with every operation told to observer, which may be nil, and logged at debug level. A log
// at a level below debug also has what was sent.
func Observed(d Driver, log *slog.Logger, observer Observer) Driver {
	if observer == nil {
		observer = func(string, time.Duration, Fault) {}
	}
	o := &observed{d, log, observer}
	if c, ok := As[Confirmer](d); ok {
		return &observedConfirmer{o, c}
	}
	return o
}

// LevelTrace is the level below debug at which what is sent to a device is logged.
const LevelTrace = slog.LevelDebug - 4

type observed struct {
	Driver
	log      *slog.Logger
	observer Observer
}

// Unwrap returns the driver behind.
func (o *observed) Unwrap() Driver { return o.Driver }

func (o *observed) done(ctx context.Context, op string, start time.Time, err error, more ...any) {
	took := time.Since(start)
	fault := FaultOf(err)
	if err != nil && fault == "" {
		fault = Unknown
	}
	o.observer(op, took, fault)
	args := append([]any{"op", op, "duration", took}, more...)
	if err != nil {
		args = append(args, "fault", fault, "err", err)
	}
	o.log.DebugContext(ctx, "device operation", args...)
}

func (o *observed) sent(ctx context.Context, op string, res Result) {
	if len(res.Native) > 0 && o.log.Enabled(ctx, LevelTrace) {
		o.log.Log(ctx, LevelTrace, "sent to device", "op", op, "native", string(res.Native))
	}
}

// Observe implements [Driver].
func (o *observed) Observe(ctx context.Context) (switchcfg.State, error) {
	start := time.Now()
	s, err := o.Driver.Observe(ctx)
	o.done(ctx, "observe", start, err, "objects", len(s))
	return s, err
}

// Apply implements [Driver].
func (o *observed) Apply(ctx context.Context, changes []plan.Change) (Result, error) {
	start := time.Now()
	res, err := o.Driver.Apply(ctx, changes)
	o.done(ctx, "apply", start, err, "changes", len(changes))
	o.sent(ctx, "apply", res)
	return res, err
}

type observedConfirmer struct {
	*observed
	confirmer Confirmer
}

// ApplyConfirmed implements [Confirmer].
func (o *observedConfirmer) ApplyConfirmed(ctx context.Context, id string, window time.Duration, changes []plan.Change) (Result, error) {
	start := time.Now()
	res, err := o.confirmer.ApplyConfirmed(ctx, id, window, changes)
	o.done(ctx, "apply", start, err, "changes", len(changes), "commit", id)
	o.sent(ctx, "apply", res)
	return res, err
}

// Confirm implements [Confirmer].
func (o *observedConfirmer) Confirm(ctx context.Context, id string) error {
	start := time.Now()
	err := o.confirmer.Confirm(ctx, id)
	o.done(ctx, "confirm", start, err, "commit", id)
	return err
}

// Revert implements [Confirmer].
func (o *observedConfirmer) Revert(ctx context.Context, id string) error {
	start := time.Now()
	err := o.confirmer.Revert(ctx, id)
	o.done(ctx, "revert", start, err, "commit", id)
	return err
}
