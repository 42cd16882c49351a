package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	slots   *semaphore.Weighted
	limits  plan.Guard // of what a person has applied
	freezes []guard.Freeze
	spent   guard.Cost // in the hour before

	mu   sync.Mutex
	gone []journal.Entry // changes of processes that died
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
		p.close()
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
		p.close()
		return nil, err
	}
	return p, nil
}

// Close ends idle connections to the exchange, and lets go of the journal.
func (p *Pass) Close() error {
	p.close()
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

// Try finds out what would become of an order that is not made yet; see [compile.Compiler.Try]. The exchange and the
// switches are not asked.
func (p *Pass) Try(order []byte) (*compile.Trial, error) { return p.compiler.Try(order, p.Now()) }

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
	Here  plan.Plan // by a person at this shell: within freezes, [guard.Unlisted], and the limits of a pass or what [Pass.AllowDeletes] says
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
	intent := p.compiler.Intent(device)
	var observed switchcfg.State
	var ports plan.Guard
	err = p.with(ctx, device, func(d *config.Device, s drivers.Driver) error {
		observed, err = s.Observe(ctx)
		if err == nil {
			ports = guard.Ports(device, reconcile.Ports(ctx, d, s, p.slots, observed, intent))
		}
		return err
	})
	if err != nil {
		return all, err
	}
	d, _ := p.Config.Inventory.Device(device)
	s := p.situation(ctx, d)
	s.Intent = intent
	all.Here = p.build(d, observed, intent, guard.All(ports, s.Hard(), s.Unlisted(), p.limits))
	all.Whole = p.build(d, observed, intent, guard.All(ports, s.Hard()))
	all.Alone = p.build(d, observed, intent, guard.All(ports, s.Soft()))
	return all, nil
}

func (p *Pass) build(d *config.Device, observed switchcfg.State, intent *plan.Intent, g plan.Guard) plan.Plan {
	return reconcile.Build(d, invariant.New(&p.Config.Inventory, d), observed, intent, g)
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
func (p *Pass) Native(ctx context.Context, pl plan.Plan) (text []byte, err error) {
	err = p.with(ctx, pl.Device, func(d *config.Device, s drivers.Driver) error {
		r, ok := drivers.As[drivers.Renderer](s)
		if !ok {
			return fmt.Errorf("%s: driver %s has no native form", d.Name, d.Driver)
		}
		if _, err := s.Observe(ctx); err != nil {
			return err
		}
		text, err = r.Render(pl.Changes)
		return err
	})
	return text, err
}

// Preview has the switch itself say what a plan would change, and leaves it as it is.
func (p *Pass) Preview(ctx context.Context, pl plan.Plan) (text []byte, err error) {
	err = p.with(ctx, pl.Device, func(d *config.Device, s drivers.Driver) error {
		v, ok := drivers.As[drivers.Previewer](s)
		if !ok {
			return fmt.Errorf("%s: a device of driver %s cannot show what would change without changing it", d.Name, d.Driver)
		}
		shown, err := v.Preview(ctx, pl.Changes)
		text = []byte(shown)
		return err
	})
	return text, err
}

// Apply makes plans real, all of them or none: each switch that cannot be brought there is left as it was; see
// [reconcile.Transaction]. It works in every mode: a person asked for it. What is frozen by now is refused. The results
// are in the order of the plans.
func (p *Pass) Apply(ctx context.Context, plans ...plan.Plan) []Applied {
	return p.apply(ctx, p.thawed, plans...)
}

// thawed returns an error if something of a plan is frozen by now.
func (p *Pass) thawed(pl plan.Plan) error {
	d, ok := p.Config.Inventory.Device(pl.Device)
	if !ok {
		return fmt.Errorf("the inventory has no device %q", pl.Device)
	}
	freezes, err := p.journal.Freezes()
	if err != nil {
		return err
	}
	holds := guard.Freezes(d, freezes, p.Now())(pl.Changes, nil)
	for _, c := range pl.Changes {
		if h, held := holds[c.Key]; held {
			return &drivers.Error{Device: d.Name, Op: "apply", Fault: drivers.Denied, Err: fmt.Errorf("%s %s: %s", c.Verb, c.Key, h.Detail)}
		}
	}
	return nil
}

// apply applies plans that may be applied.
func (p *Pass) apply(ctx context.Context, may func(plan.Plan) error, plans ...plan.Plan) []Applied {
	out := make([]Applied, len(plans))
	parts := make([]*reconcile.Part, len(plans))
	failed := p.recover()
	for i, pl := range plans {
		out[i].Device = pl.Device
		if out[i].Err = failed; failed == nil {
			out[i].Err = may(pl)
		}
	}
	if ready(out) {
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
	}
	if !ready(out) {
		return out
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

// ready reports whether no plan has failed. If one has, the others cannot be applied with it.
func ready(all []Applied) bool {
	i := slices.IndexFunc(all, func(a Applied) bool { return a.Err != nil })
	for j := range all {
		if i >= 0 && all[j].Err == nil {
			all[j].Err = fmt.Errorf("%s: %w: %s", all[j].Device, reconcile.ErrTogether, all[i].Device)
		}
	}
	return i < 0
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
	if _, ok := p.Config.Inventory.Device(device); !ok {
		return fmt.Errorf("the inventory has no device %q; it has %s", device, strings.Join(p.Devices(), ", "))
	}
	return nil
}
