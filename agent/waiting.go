package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/agent/metrics"
	"github.com/ixagent/ixagent/agent/web"
)

// journalRetry is how often a journal that cannot be used is tried again.
const journalRetry = 10 * time.Second

// errJournalLost ends an agent whose journal can no longer be believed.
var errJournalLost = errors.New("the journal is lost")

// waiting is an agent without a journal that it can use. It gives no numbers, makes no plans and opens no session,
// and says why.
type waiting struct {
	Options
	metrics *prometheus.Registry
	listen  string

	mu  sync.Mutex
	err error
}

// await puts the parts together as soon as the journal can be used, and until then serves on ln what it waits for.
// Where there was a journal it makes no new one, since that would give every number anew. The parts are nil without
// an error when ctx ended.
func await(ctx context.Context, o Options, ln net.Listener, was bool) (*parts, error) {
	p, err := attempt(o, was)
	if !waits(err) {
		return p, err
	}
	was = was || exists(o)
	w := &waiting{Options: o, metrics: prometheus.NewRegistry(), listen: ln.Addr().String()}
	w.describe()
	own, lnErr := again(ln)
	if lnErr != nil {
		return nil, lnErr
	}
	ctx, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- web.Serve(ctx, own, w.handler()) }()
	ended := false
	defer func() {
		if stop(); !ended {
			<-served
		}
	}()
	w.tell(err)
	if o.Started != nil {
		o.Started()
	}
	tick := time.NewTicker(o.journalRetry)
	defer tick.Stop()
	beat, stopBeat := o.beats()
	defer stopBeat()
	for {
		select {
		case <-ctx.Done():
			return nil, nil
		case err := <-served:
			ended = true
			return nil, err
		case <-beat:
			_ = w.ready()
			o.Alive()
			continue
		case <-tick.C:
		}
		was = was || exists(o)
		p, err := attempt(o, was)
		if !waits(err) {
			if err == nil && o.Log != nil {
				o.Log.Info("journal can be used, and the agent goes on", "path", p.journal.Path())
			}
			return p, err
		}
		w.tell(err)
	}
}

// exists reports whether a journal is seen, good or bad.
func exists(o Options) bool {
	_, err := journal.Existing(o.Config.StateDir.String())
	var e *journal.Error
	if errors.As(err, &e) {
		_, err = os.Lstat(e.Path)
	}
	return err == nil
}

// attempt puts the parts together if everything in the journal is as it should be, and gives back what its file does
// not need.
func attempt(o Options, was bool) (*parts, error) {
	dir := o.Config.StateDir.String()
	if was {
		if _, err := journal.Existing(dir); err != nil {
			return nil, err
		}
	}
	j, err := journal.Open(dir)
	if err != nil {
		return nil, err
	}
	defer j.Close()
	if err := j.Check(); err != nil {
		return nil, err
	}
	c, did, err := j.CompactIfSparse()
	switch {
	case o.Log == nil:
	case err != nil:
		o.Log.Warn("journal cannot be compacted", "err", err)
	case did:
		o.Log.Info("journal is compacted", "before", c.Before, "after", c.After)
	}
	return assemble(o)
}

// waits reports whether an error is one of the journal, which a person can do something about meanwhile.
func waits(err error) bool {
	var e *journal.Error
	return errors.As(err, &e)
}

// hinted returns an error of the journal with a line that says what can be done about it.
func hinted(err error) error {
	if hint := hintOf(err); hint != "" {
		return errors.Join(err, errors.New("hint: "+hint))
	}
	return err
}

func hintOf(err error) string {
	var e *journal.Error
	if errors.As(err, &e) {
		return e.Hint()
	}
	return ""
}

// again returns a listener at the same socket, so that one can be closed and no connection is refused before the next
// one is used.
func again(ln net.Listener) (net.Listener, error) {
	socket, ok := ln.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, fmt.Errorf("listen: %T cannot be handed on", ln)
	}
	f, err := socket.File()
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	defer f.Close()
	own, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return own, nil
}

// beats ticks as often as somebody wants to hear that the agent is alive, and never if nobody does.
func (o Options) beats() (<-chan time.Time, func()) {
	if o.Beat <= 0 || o.Alive == nil {
		return nil, func() {}
	}
	t := time.NewTicker(o.Beat)
	return t.C, t.Stop
}

// describe registers what can be measured without a journal.
func (w *waiting) describe() {
	m := metrics.New(w.metrics)
	m.Build(w.Version, revision())
	for _, d := range w.Config.Inventory.Devices {
		m.Device(d.Name, d.Driver, string(d.Mode))
	}
	w.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

// tell says why it waits, in the log when that is new.
func (w *waiting) tell(err error) {
	w.mu.Lock()
	known := w.err != nil && w.err.Error() == err.Error()
	w.err = err
	w.mu.Unlock()
	if !known && w.Log != nil {
		w.Log.Error("journal cannot be used: no number is given, no plan is made and no switch is changed", "listen", w.listen, "err", err, "hint", hintOf(err))
	}
}

func (w *waiting) ready() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return hinted(w.err)
}

func (w *waiting) status() web.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := web.Status{Version: w.Version, Source: web.Source{Name: w.Config.Sources[0].Name}, JournalError: w.err.Error()}
	for _, d := range w.Config.Inventory.Devices {
		out.Devices = append(out.Devices, web.Device{Name: d.Name, Driver: d.Driver, Mode: d.Mode})
	}
	return out
}

func (w *waiting) handler() web.Options {
	gatherers := prometheus.Gatherers{w.metrics}
	if w.Registerer != nil {
		gatherers = append(gatherers, w.Registerer)
	}
	return web.Options{
		Gatherer: gatherers, Ready: w.ready, Status: w.status, Reload: w.Reload,
		WebConfig: w.Config.WebConfig.String(), Log: w.Log,
	}
}

// watchJournal tries a journal that could not be written again and again, and lets the switches be looked at once it
// can. It ends the agent with [errJournalLost] when the journal is damaged.
func (d *daemon) watchJournal(ctx context.Context) error {
	tick := time.NewTicker(d.journalRetry)
	defer tick.Stop()
	told := false
	for err := d.journal.Probe(); ; err = d.journal.Trouble() {
		if err != nil && !told {
			d.Log.Error("journal cannot be written, and no switch is changed", "err", err, "hint", hintOf(err))
			told = true
		}
		if err != nil && !errors.Is(err, journal.ErrCorrupt) {
			err = d.journal.Probe()
		}
		switch {
		case errors.Is(err, journal.ErrCorrupt), errors.Is(err, journal.ErrNewer):
			return fmt.Errorf("%w: %w", errJournalLost, err)
		case err == nil && told:
			told = false
			d.Log.Info("journal can be written again")
			for _, w := range d.workers {
				w.Trigger()
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
