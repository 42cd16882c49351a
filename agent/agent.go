// Package agent puts the parts together: it reads the exchange, compiles what each switch should carry and keeps
// the switches there. [Run] is the daemon; a [Pass] is one look at everything, for a person at a shell.
package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/agent/invariant"
	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/agent/metrics"
	"github.com/ixagent/ixagent/agent/reconcile"
	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/agent/web"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Options are what an agent is made of.
type Options struct {
	Config     *config.Config
	Drivers    drivers.Registry
	Log        *slog.Logger
	Registerer *prometheus.Registry // metrics are registered with it and served from it; nil for one of its own.
	Version    string
	Accept     []string     // losses of records that [NewPass] accepts, by the digests that their refusal told
	Who        string       // has plans of a [Pass] applied, as the journal says: the name of a user
	Command    string       // what Who typed
	Listener   net.Listener // serves HTTP instead of one at Config.Listen; closed by Run

	// Reload is what /-/reload does; see [web.Options]. It may be called concurrently.
	Reload func(context.Context) error
	// Refused reports whether a configuration that was read since is refused; nil for never. It may be called
	// concurrently.
	Refused func() bool
	// Started is called once everything runs, whether or not the exchange and the switches answer.
	Started func()
	// Alive is called every Beat by the loop that carries what the exchange says to the switches, once it has asked
	// each of them how it fares, and so not while the loop or one of the locks is stuck. It must return at once.
	Alive func()
	Beat  time.Duration // 0 for none

	// Now tells the time of day; nil for [time.Now]. Nothing that is awaited depends on it.
	Now func() time.Time
	// Step is called before each step of a transaction on a device, as in [reconcile.Transaction]; nil for nobody.
	// Tests stop the process there.
	Step func(device, step string)

	journalRetry time.Duration // how often a journal that cannot be used is tried again; 0 for 10 s
}

// parts are what a daemon and a pass have in common.
type parts struct {
	Options
	journal  *journal.Journal
	source   *source.Source
	metrics  *metrics.Metrics
	compiler *compile.Compiler
	alloc    *compile.Allocations
	last     *source.Snapshot
}

func assemble(o Options) (*parts, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	j, err := journal.Open(o.Config.StateDir.String())
	if err != nil {
		return nil, err
	}
	p := &parts{Options: o, journal: j}
	told := func(changed bool, err error) { p.metrics.Read(p.source.Name(), changed, err) }
	from := source.Options{Memory: j, Logger: o.Log, Told: told, VirtualInterfaces: o.Config.Inventory.VirtualInterfaces}
	if p.source, err = source.New(o.Config.Sources[0], from); err != nil {
		j.Close()
		return nil, err
	}
	if err := p.renew(); err != nil {
		p.close()
		return nil, err
	}
	p.metrics = metrics.New(o.Registerer)
	return p, nil
}

// close ends idle connections to the exchange, and lets go of the journal.
func (p *parts) close() {
	p.source.Close()
	p.journal.Close()
}

// renew begins compilation anew from the numbers in the journal.
func (p *parts) renew() error {
	known, err := p.journal.Allocations()
	if err != nil {
		return err
	}
	p.alloc = compile.NewAllocations(known, compile.Cooling)
	p.compiler = compile.New(&p.Config.Inventory, p.Config.Policy, p.alloc)
	p.last = nil
	return nil
}

// compile compiles a snapshot, or without one what the clock has changed, and stores the numbers that were given
// before anybody acts on them. It returns the devices whose intent is another one now. If another process gave the
// same numbers meanwhile, it begins anew from what that one stored.
func (p *parts) compile(s *source.Snapshot) ([]string, error) {
	const tries = 5
	start := time.Now()
	for try := 1; ; try++ {
		if p.alloc == nil {
			if err := p.renew(); err != nil {
				return nil, err
			}
		}
		var changed []string
		switch {
		case s == p.last:
			changed = p.compiler.Advance(p.Now())
		case p.last == nil:
			p.compiler.Set(s.Records, s.Faults, p.Now())
			for _, d := range p.Config.Inventory.Devices {
				changed = append(changed, d.Name)
			}
		default:
			changed = p.compiler.Update(source.Delta(p.last, s), p.Now())
		}
		err := p.journal.StoreAllocations(p.alloc.Dirty())
		if err == nil {
			p.last = s
			p.metrics.Compiled(time.Since(start))
			p.metrics.Rejections(p.compiler.Rejections())
			return changed, nil
		}
		// What was given is not stored: it is forgotten, and the next attempt compiles everything.
		p.alloc = nil
		var conflict *journal.ConflictError
		if renewed := p.renew(); renewed != nil || !errors.As(err, &conflict) || try == tries {
			return nil, errors.Join(err, renewed)
		}
	}
}

// open returns a function that opens sessions with a device.
func (p *parts) open(d *config.Device, slots *semaphore.Weighted) func(context.Context) (drivers.Driver, error) {
	spec := p.Drivers[d.Driver]
	return func(ctx context.Context) (drivers.Driver, error) {
		device, err := p.Config.Session(d)
		if err != nil {
			return nil, &drivers.Error{Device: d.Name, Op: "dial", Fault: drivers.Denied, Err: err}
		}
		device.Log = p.Log
		s, err := spec.Open(ctx, device)
		if err != nil {
			p.metrics.Fault(d.Name, "dial", drivers.FaultOf(err))
			return nil, err
		}
		s = drivers.Observed(s, p.Log.With("device", d.Name, "driver", d.Driver), p.metrics.Observer(d.Name, d.Driver))
		s = drivers.Limit(s, d.Name, slots)
		if d.Mode == config.Observe {
			s = drivers.ReadOnly(s, d.Name)
		}
		return s, nil
	}
}

// redact returns a function that takes the password of a device out of a text.
func (p *parts) redact(d *config.Device) func(string) string {
	return func(text string) string {
		password, err := p.Config.Credentials[d.Credentials].Password.Resolve()
		if err != nil {
			return "the error cannot be told, because the password in it is not known: " + err.Error()
		}
		if password.Empty() {
			return text
		}
		return strings.ReplaceAll(text, password.Reveal(), password.String())
	}
}

// Run is the daemon. It polls the exchange, keeps every switch equal to its intent as far as its mode allows, and
// serves metrics, health and status, until ctx ends. Transactions that have begun by then are brought to their
// end. While the journal cannot be used it only serves, and goes on by itself when it can; only if metrics
// are registered by Options.Registerer it ends when the journal is damaged meanwhile, since they cannot be twice. It
// returns nil when it was told to stop.
func Run(ctx context.Context, o Options) error {
	ln := o.Listener
	if ln == nil {
		var err error
		if ln, err = net.Listen("tcp", o.Config.Listen.String()); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
	}
	defer ln.Close()
	if o.Started != nil {
		o.Started = sync.OnceFunc(o.Started)
	}
	o.journalRetry = cmp.Or(o.journalRetry, journalRetry)
	for was := false; ; was = true {
		p, err := await(ctx, o, ln, was)
		if p == nil {
			return err
		}
		if err := p.run(ctx, ln); !errors.Is(err, errJournalLost) || o.Registerer != nil {
			return err
		}
	}
}

// run does the work of [Run] for as long as the journal is good.
func (p *parts) run(ctx context.Context, ln net.Listener) error {
	defer p.close()
	o := p.Options
	reporter, err := p.newReporter()
	if err != nil {
		return err
	}
	notices, err := p.events()
	if err != nil {
		return err
	}
	witnesses, err := p.witnesses()
	if err != nil {
		return err
	}
	own, err := again(ln)
	if err != nil {
		return err
	}
	slots := semaphore.NewWeighted(int64(o.Config.Limits.Parallel))
	workers := make(map[string]*reconcile.Worker, len(o.Config.Inventory.Devices))
	ordered := &ordered{parts: p, remains: func(device, service string) bool {
		joined := workers[device].Status().Joined
		return joined == nil || joined[service]
	}}
	ordered.refresh()
	budget := guard.BudgetOf(o.Config.Limits)
	applied := func() {
		for _, w := range workers {
			waits := func(x plan.Withheld) bool { return x.Reason == plan.Depends && x.Key.Kind == switchcfg.KindService }
			if slices.ContainsFunc(w.Status().Plan.Withheld, waits) {
				w.Trigger() // what it waits for may have happened
			}
		}
	}
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	settled, err := p.journal.Settled()
	if err != nil {
		return err
	}
	spans := &reconcile.Spans{Workers: workers, Parallel: o.Config.Limits.Parallel}
	g, ctx := errgroup.WithContext(ctx)
	for _, d := range o.Config.Inventory.Devices {
		workers[d.Name] = &reconcile.Worker{
			Device: d, Open: p.open(d, slots), Guards: ordered.guards, Orders: ordered, Spans: spans, Turns: turns, Slots: slots,
			Window: o.Config.Limits.ConfirmWindow, Soak: o.Config.Limits.Soak, Budget: &budget,
			Journal: p.journal, Metrics: p.metrics, Log: p.Log, Redact: p.redact(d), Applied: applied, Step: p.Step,
			Rules: invariant.New(&o.Config.Inventory, d),
		}
		if !o.Config.HealsDrift(d) || d.Mode == config.Approve {
			// Drift and new intent are told apart also after a restart.
			workers[d.Name].Settled = settled[d.Name]
			workers[d.Name].Settle = func(digest string) {
				if err := p.journal.Settle(d.Name, digest); err != nil {
					p.Log.Error("after a restart drift is taken for new intent", "device", d.Name, "err", err)
				}
			}
		}
		p.metrics.Device(d.Name, d.Driver, string(d.Mode))
	}
	d := &daemon{parts: p, workers: workers, spans: spans, ordered: ordered, reporter: reporter, notices: notices, snapshots: make(chan *source.Snapshot, 1), asked: make(chan func()), stopped: make(chan struct{}), started: time.Now()}
	g.Go(func() error { reporter.Run(ctx); return nil })
	g.Go(func() error { spans.Run(ctx); return nil })
	for name, w := range workers {
		w.Passed = func() { d.passed(name) }
		g.Go(func() error { w.Run(ctx); return nil })
	}
	o.Registerer.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	p.metrics.Build(o.Version, revision())
	p.metrics.Source(p.source.Name(), p.source.Status)
	p.metrics.State(d.state)
	g.Go(func() error { ordered.watch(ctx, workers); return nil })
	d.recover()
	g.Go(func() error { defer close(d.stopped); d.compile(ctx); return nil })
	g.Go(func() error {
		p.source.Run(ctx, d.deliver, d.failed)
		return nil
	})
	for _, w := range witnesses {
		p.metrics.Source(w.source.Name(), w.source.Status)
		g.Go(func() error { w.run(ctx); return nil })
	}
	g.Go(func() error { return web.Serve(ctx, own, d.handler()) })
	g.Go(func() error { return d.watchJournal(ctx) })
	p.Log.Info("agent runs", "listen", ln.Addr().String(), "source", p.source.Name(), "devices", len(workers))
	if o.Started != nil {
		o.Started()
	}
	err = g.Wait()
	p.Log.Info("agent stops")
	return err
}

// revision returns the commit the program was built from, as far as it knows.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
