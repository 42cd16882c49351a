package agent

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/agent/reconcile"
	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Pass is one look at the exchange and its switches. Its methods may be called concurrently for different devices.
type Pass struct {
	*parts
	slots   *semaphore.Weighted
	limits  plan.Guard // of what a person has applied
	freezes []guard.Freeze
	spent   guard.Cost // in the hour before
}

// NewPass reads the exchange once and compiles it. Numbers that are given in doing so are kept in the journal, so
// that a plan that is shown is the plan that is applied. A loss of records that is accepted is accepted for the
// daemon, too. Options.Registerer and Options.Listener are not used.
func NewPass(ctx context.Context, o Options) (*Pass, error) {
	p, err := Offline(o)
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
		p.source.Close()
		return nil, err
	}
	return p, nil
}

// Offline returns a Pass that has not asked the exchange, and so knows no intent of any switch. What needs none can
// be done while the exchange does not answer.
func Offline(o Options) (*Pass, error) {
	o.Registerer = nil
	a, err := assemble(o)
	if err != nil {
		return nil, err
	}
	p := &Pass{parts: a, slots: semaphore.NewWeighted(int64(o.Config.Limits.Parallel)), limits: guard.Limits(o.Config.Limits)}
	if p.freezes, err = p.journal.Freezes(); err == nil {
		p.spent, err = p.journal.Spent(p.Now().Add(-time.Hour))
	}
	if err != nil {
		p.source.Close()
		return nil, err
	}
	return p, nil
}

// Close ends idle connections to the exchange.
func (p *Pass) Close() error {
	p.source.Close()
	return nil
}

// AllowDeletes lets plans of each switch delete up to n objects, whatever the limits say: a person has seen them.
func (p *Pass) AllowDeletes(n int) { p.limits = guard.Approved(n) }

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

// Plans are what would be done on one switch, by whoever has it done.
type Plans struct {
	Here  plan.Plan // by a person at this shell: within freezes, and the limits of a pass or what [Pass.AllowDeletes] says
	Whole plan.Plan // by the daemon, once a person has approved it: within freezes; see [guard.Situation]
	Alone plan.Plan // by the daemon by itself
}

// Plan observes a switch and returns the plan that brings it to its intent, as a person at a shell may have it.
func (p *Pass) Plan(ctx context.Context, device string) (plan.Plan, error) {
	all, err := p.Plans(ctx, device)
	return all.Here, err
}

// Plans observes a switch and returns the plans that bring it to its intent. Where a plan takes down a tunnel, the
// switch at its far end is looked at too.
func (p *Pass) Plans(ctx context.Context, device string) (all Plans, err error) {
	observed, err := p.Observe(ctx, device)
	if err != nil {
		return all, err
	}
	d, _ := p.Config.Inventory.Device(device)
	s := p.situation(ctx, d)
	intent := p.compiler.Intent(device)
	all.Here = build(d, observed, intent, guard.All(s.Hard(), p.limits))
	all.Whole = build(d, observed, intent, s.Hard())
	all.Alone = build(d, observed, intent, s.Soft())
	return all, nil
}

func build(d *config.Device, observed switchcfg.State, intent *plan.Intent, g plan.Guard) plan.Plan {
	w := reconcile.Worker{Device: d, Guard: g}
	return w.Plan(observed, intent)
}

// situation returns what decides about the changes of a switch. Whether something is drift is not known here.
func (p *Pass) situation(ctx context.Context, d *config.Device) guard.Situation {
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
	return guard.Situation{Config: p.Config, Device: d, Freezes: p.freezes, Spent: p.spent, Now: p.Now(), Remains: remains}
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

// Apply makes a plan real, or leaves the switch as it was; see [reconcile.Transaction]. It works in every mode: a
// person asked for it. What is frozen by now is refused.
func (p *Pass) Apply(ctx context.Context, pl plan.Plan) (out reconcile.Outcome, err error) {
	d, ok := p.Config.Inventory.Device(pl.Device)
	if !ok {
		return out, fmt.Errorf("the inventory has no device %q", pl.Device)
	}
	freezes, err := p.journal.Freezes()
	if err != nil {
		return out, err
	}
	holds := guard.Freezes(d, freezes, p.Now())(pl.Changes, nil)
	for _, c := range pl.Changes {
		if h, held := holds[c.Key]; held {
			return out, &drivers.Error{Device: d.Name, Op: "apply", Fault: drivers.Denied, Err: fmt.Errorf("%s %s: %s", c.Verb, c.Key, h.Detail)}
		}
	}
	return p.apply(ctx, d, pl)
}

func (p *Pass) apply(ctx context.Context, d *config.Device, pl plan.Plan) (out reconcile.Outcome, err error) {
	byPerson := *d
	byPerson.Mode = config.Enforce
	s, err := p.open(&byPerson, p.slots)(ctx)
	if err != nil {
		return out, err
	}
	defer s.Close()
	t := reconcile.Transaction{
		Driver: s, Scope: d.Scope(), Window: max(p.Config.Limits.ConfirmWindow, 10*time.Second), Journal: p.journal, Metrics: p.metrics,
		By: reconcile.By{Who: p.Who, Command: p.Command, Redact: p.redact(d)}, Step: p.Step,
	}
	return t.Apply(ctx, pl)
}

// Has returns an error that lists the switches if the inventory has none of that name.
func (p *Pass) Has(device string) error {
	if _, ok := p.Config.Inventory.Device(device); !ok {
		return fmt.Errorf("the inventory has no device %q; it has %s", device, strings.Join(p.Devices(), ", "))
	}
	return nil
}
