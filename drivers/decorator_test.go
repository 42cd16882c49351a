package drivers_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

func somePort() []plan.Change {
	p := &switchcfg.Interface{Name: "Ethernet1", Description: "ixagent port:1"}
	return []plan.Change{{Verb: plan.Create, Key: p.Key(), After: p}}
}

// flaky fails its first observations and applications.
type flaky struct {
	drivers.Driver
	fault    drivers.Fault
	failures int
	observed int
	applied  int
}

func (f *flaky) err(op string) error {
	return &drivers.Error{Device: "sw1", Op: op, Fault: f.fault, Err: errors.New("no answer")}
}

func (f *flaky) Observe(ctx context.Context) (switchcfg.State, error) {
	if f.observed++; f.observed <= f.failures {
		return nil, f.err("observe")
	}
	return f.Driver.Observe(ctx)
}

func (f *flaky) Apply(context.Context, []plan.Change) (drivers.Result, error) {
	f.applied++
	return drivers.Result{}, f.err("apply")
}

func TestOnlyTransientObservationsAreRepeated(t *testing.T) {
	for _, c := range []struct {
		fault           drivers.Fault
		failures, tries int
		want            drivers.Fault
	}{
		{drivers.Transient, 2, 3, ""},
		{drivers.Transient, 3, 3, drivers.Transient},
		{drivers.Incomplete, 1, 1, drivers.Incomplete},
		{drivers.Denied, 1, 1, drivers.Denied},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &flaky{Driver: memory.New(memory.Capabilities(), nil).Open("sw1"), fault: c.fault, failures: c.failures}
			_, err := drivers.Retry(f, 3, time.Second).Observe(t.Context())
			if got := drivers.FaultOf(err); got != c.want || f.observed != c.tries {
				t.Errorf("%s failing %d times: fault %q after %d tries, want %q after %d", c.fault, c.failures, got, f.observed, c.want, c.tries)
			}
			var e *drivers.Error
			if err != nil && !errors.As(err, &e) {
				t.Errorf("%v is no *drivers.Error", err)
			}
		})
	}
}

func TestApplyIsNeverRepeated(t *testing.T) {
	f := &flaky{fault: drivers.Transient}
	if _, err := drivers.Retry(f, 3, time.Second).Apply(t.Context(), nil); err == nil || f.applied != 1 {
		t.Fatalf("%d applications, %v", f.applied, err)
	}
}

func TestWaitBetweenTriesEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		f := &flaky{fault: drivers.Transient, failures: 100}
		_, err := drivers.Retry(f, 100, 2*time.Second).Observe(ctx)
		if took := time.Since(start); took > 3*time.Second || !strings.Contains(err.Error(), "no answer") {
			t.Fatalf("%v after %v", err, took)
		}
	})
}

func TestReadOnlyCannotBeReachedAround(t *testing.T) {
	sw := memory.New(memory.Capabilities(), nil)
	for _, d := range []drivers.Driver{
		drivers.ReadOnly(sw.Open("sw1"), "sw1"),
		drivers.Observed(drivers.Retry(drivers.ReadOnly(sw.Open("sw1"), "sw1"), 3, time.Second), slog.New(slog.DiscardHandler), nil),
		drivers.ReadOnly(drivers.Limit(sw.Open("sw1"), "sw1", semaphore.NewWeighted(1)), "sw1"),
	} {
		refused := func(err error) {
			t.Helper()
			if drivers.FaultOf(err) != drivers.Unsupported || !errors.Is(err, drivers.ErrReadOnly) {
				t.Error(err)
			}
		}
		_, err := d.Apply(t.Context(), somePort())
		refused(err)
		c, ok := drivers.As[drivers.Confirmer](d)
		if !ok {
			t.Fatal("confirmer is hidden")
		}
		_, err = c.ApplyConfirmed(t.Context(), "a", time.Minute, somePort())
		refused(err)
		refused(c.Confirm(t.Context(), "a"))
		if _, ok := drivers.As[drivers.Operational](d); !ok {
			t.Error("what only reads is hidden")
		}
	}
	if len(sw.State()) != 0 {
		t.Error("the switch changed")
	}
}

// plain hides what more a driver can do.
type plain struct{ drivers.Driver }

func TestDecoratorsDoNotInventConfirmation(t *testing.T) {
	d := plain{memory.New(memory.Capabilities(), nil).Open("sw1")}
	for _, d := range []drivers.Driver{
		drivers.ReadOnly(d, "sw1"), drivers.Limit(d, "sw1", semaphore.NewWeighted(1)),
		drivers.Observed(d, slog.New(slog.DiscardHandler), nil), drivers.Retry(d, 1, time.Second),
	} {
		if _, ok := drivers.As[drivers.Confirmer](d); ok {
			t.Errorf("%T says it can confirm", d)
		}
	}
}

func TestLimitHoldsBackWorkButNotConfirmation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := semaphore.NewWeighted(1)
		d := drivers.Limit(memory.New(memory.Capabilities(), nil).Open("sw1"), "sw1", slots)
		c, _ := drivers.As[drivers.Confirmer](d)
		if _, err := c.ApplyConfirmed(t.Context(), "a", time.Hour, somePort()); err != nil {
			t.Fatal(err)
		}
		if err := slots.Acquire(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := d.Observe(ctx); drivers.FaultOf(err) != drivers.Transient {
			t.Errorf("observe without a slot: %v", err)
		}
		if err := c.Confirm(t.Context(), "a"); err != nil {
			t.Errorf("confirm without a slot: %v", err)
		}
		slots.Release(1)
		if s, err := d.Observe(t.Context()); err != nil || len(s) != 1 {
			t.Errorf("%d objects, %v", len(s), err)
		}
	})
}

func TestEveryOperationIsObserved(t *testing.T) {
	var log bytes.Buffer
	var got []string
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: drivers.LevelTrace}))
	d := drivers.Observed(memory.New(memory.Capabilities(), nil).Open("sw1"), logger, func(op string, _ time.Duration, fault drivers.Fault) {
		got = append(got, strings.TrimSpace(op+" "+string(fault)))
	})
	c, _ := drivers.As[drivers.Confirmer](d)
	ctx := t.Context()
	_, _ = d.Observe(ctx)
	_, _ = c.ApplyConfirmed(ctx, "a", time.Minute, somePort())
	_ = c.Confirm(ctx, "b")
	_ = c.Revert(ctx, "a")
	_, _ = d.Apply(ctx, somePort())
	_, _ = d.Apply(ctx, somePort())
	want := []string{"observe", "apply", "confirm rejected", "revert", "apply", "apply stale"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, s := range []string{"device operation", "fault=stale", "create interface Ethernet1"} {
		if !strings.Contains(log.String(), s) {
			t.Errorf("the log lacks %q:\n%s", s, &log)
		}
	}
}
