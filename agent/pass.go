package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/agent/invariant"
	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/agent/reconcile"
	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Pass is one look at the exchange and its switches. Its methods may be called concurrently for different devices.
type Pass struct {
	*parts
	slots *semaphore.Weighted
	guard plan.Guard

	mu   sync.Mutex
	gone []journal.Entry // changes of processes that died
}

// NewPass reads the exchange once and compiles it. Numbers that are given in doing so are kept in the journal, so
// that a plan that is shown is the plan that is applied. A loss of records that is accepted is accepted for the
// daemon, too. Options.Registerer and Options.Listener are not used.
func NewPass(ctx context.Context, o Options) (*Pass, error) {
	o.Registerer = nil
	p, err := assemble(o)
	if err != nil {
		return nil, err
	}
	for _, digest := range o.Accept {
		p.source.Accept(digest)
	}
	s, _, err := p.source.Read(ctx)
	if err == nil {
		_, err = p.compile(s)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return &Pass{parts: p, slots: semaphore.NewWeighted(int64(o.Config.Limits.Parallel)), guard: guard.Limits(o.Config.Limits)}, nil
}

// Close ends idle connections to the exchange, and lets go of the journal.
func (p *Pass) Close() error {
	p.close()
	return nil
}

// AllowDeletes lets plans of each switch delete up to n objects, whatever the limits say: a person has seen them.
func (p *Pass) AllowDeletes(n int) { p.guard = guard.Approved(n) }

// Snapshot returns what the exchange said.
func (p *Pass) Snapshot() *source.Snapshot { return p.last }

// Rejections returns what is not provisioned and why, and remarks on what is.
func (p *Pass) Rejections() []compile.Rejection { return p.compiler.Rejections() }

// Devices returns the names of the switches in the order of the inventory.
func (p *Pass) Devices() []string {
	var names []string
	for _, d := range p.Config.Inventory.Devices {
		names = append(names, d.Name)
	}
	return names
}

// Intent returns what a switch should carry, or nil if the inventory has none of that name.
func (p *Pass) Intent(device string) *plan.Intent { return p.compiler.Intent(device) }

// with opens a session for one use of it.
func (p *Pass) with(ctx context.Context, device string, f func(*config.Device, drivers.Driver) error) error {
	d, ok := p.Config.Inventory.Device(device)
	if !ok {
		return fmt.Errorf("the inventory has no device %q", device)
	}
	s, err := p.open(d, p.slots)(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	return f(d, s)
}

// Observe returns everything understood of a switch, owned or not.
func (p *Pass) Observe(ctx context.Context, device string) (state switchcfg.State, err error) {
	err = p.with(ctx, device, func(_ *config.Device, s drivers.Driver) error {
		state, err = s.Observe(ctx)
		return err
	})
	return state, err
}

// Plan observes a switch and returns the plan that brings it to its intent. Where the plan takes down a tunnel, the
// switch at its far end is looked at too.
func (p *Pass) Plan(ctx context.Context, device string) (plan.Plan, error) {
	observed, err := p.Observe(ctx, device)
	if err != nil {
		return plan.Plan{}, err
	}
	far := make(map[string]map[string]bool) // services joined, by device; nil for one that could not be observed
	remains := func(device, service string) bool {
		joined, known := far[device]
		if !known {
			if state, err := p.Observe(ctx, device); err == nil {
				joined = guard.Joined(state)
			}
			far[device] = joined
		}
		return joined == nil || joined[service]
	}
	d, _ := p.Config.Inventory.Device(device)
	guards := func(*config.Device, func(plan.Change) bool) (hard, soft plan.Guard) {
		return guard.All(p.guard, guard.Tunnels(&p.Config.Inventory, remains)), nil
	}
	w := reconcile.Worker{Device: d, Guards: guards, Rules: invariant.New(&p.Config.Inventory, d)}
	return w.Plan(observed, p.compiler.Intent(device)), nil
}

// Native returns what would be sent to the switch for a plan, exactly, as text.
func (p *Pass) Native(pl plan.Plan) ([]byte, error) {
	d, ok := p.Config.Inventory.Device(pl.Device)
	if !ok {
		return nil, fmt.Errorf("the inventory has no device %q", pl.Device)
	}
	render := p.Drivers[d.Driver].Render
	if render == nil {
		return nil, fmt.Errorf("driver %s has no native form", d.Driver)
	}
	return render(d.Capabilities(), pl.Changes)
}

// Apply makes plans real, all of them or none: each switch that cannot be brought there is left as it was; see
// [reconcile.Transaction]. It works in every mode: a person asked for it. The results are in the order of the plans.
func (p *Pass) Apply(ctx context.Context, plans ...plan.Plan) []Applied {
	out := make([]Applied, len(plans))
	if err := p.recover(); err != nil {
		for i := range out {
			out[i] = Applied{reconcile.Outcome{Device: plans[i].Device}, err}
		}
		return out
	}
	parts := make([]*reconcile.Part, len(plans))
	var opening sync.WaitGroup
	for i, pl := range plans {
		opening.Go(func() { parts[i], out[i].Err = p.part(ctx, pl) })
	}
	opening.Wait()
	defer func() {
		for _, part := range parts {
			if part != nil {
				part.Driver.Close()
			}
		}
	}()
	for i := range plans {
		if out[i].Err != nil {
			for j := range out {
				out[j].Device = plans[j].Device
				if out[j].Err == nil {
					out[j].Err = fmt.Errorf("%s: %w: %s", plans[j].Device, reconcile.ErrTogether, plans[i].Device)
				}
			}
			return out
		}
	}
	t := reconcile.Transaction{
		Window: max(p.Config.Limits.ConfirmWindow, 10*time.Second), Soak: p.Config.Limits.Soak, Journal: p.journal, Metrics: p.metrics,
		Who: p.Who, Command: p.Command, Step: p.Step,
	}
	_ = t.Apply(ctx, parts...) // each part has its own
	for i, part := range parts {
		out[i] = Applied{part.Outcome, part.Err}
	}
	return out
}

// recover finds the changes of processes that died.
func (p *Pass) recover() error {
	gone, err := p.journal.Recover()
	for _, e := range gone {
		p.Log.Warn("change was interrupted", "device", e.Device, "change", e.ID, "begun", e.Begun.Format(time.RFC3339), "who", e.Who)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = append(p.gone, gone...)
	return err
}

// Applied is what became of a plan.
type Applied struct {
	reconcile.Outcome
	Err error `json:"-"`
}

func (p *Pass) part(ctx context.Context, pl plan.Plan) (*reconcile.Part, error) {
	d, ok := p.Config.Inventory.Device(pl.Device)
	if !ok {
		return nil, fmt.Errorf("the inventory has no device %q", pl.Device)
	}
	byPerson := *d
	byPerson.Mode = config.Enforce
	s, err := p.open(&byPerson, p.slots)(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	gone := p.gone
	p.mu.Unlock()
	for _, e := range gone {
		if e.Device != pl.Device {
			continue
		}
		if _, err := reconcile.Finish(ctx, s, e); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return &reconcile.Part{Driver: s, Scope: d.Scope(), Plan: pl, Rules: invariant.New(&p.Config.Inventory, d), Redact: p.redact(d)}, nil
}

// Has returns an error that lists the switches if the inventory has none of that name.
func (p *Pass) Has(device string) error {
	if p.Intent(device) == nil {
		return fmt.Errorf("the inventory has no device %q; it has %s", device, strings.Join(p.Devices(), ", "))
	}
	return nil
}
