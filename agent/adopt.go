package agent

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/ixagent/ixagent/agent/adopt"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/metrics"
	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Adopt reads the exchange and all switches once, and describes what it finds as an inventory; see [adopt.Find]. The text
// is that of o.Config, which came from path. Nothing is written: not to a switch, and not to the journal. Where
// switches cannot be read the error is an [UnreadError].
func Adopt(ctx context.Context, o Options, path string, text []byte, guesses bool) (*adopt.Adoption, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	exchange, err := source.New(o.Config.Sources[0], source.Options{Logger: o.Log, VirtualInterfaces: o.Config.Inventory.VirtualInterfaces})
	if err != nil {
		return nil, err
	}
	defer exchange.Close()
	s, _, err := exchange.Read(ctx)
	if err != nil {
		return nil, err
	}
	p := &parts{Options: o, metrics: metrics.New(prometheus.NewRegistry())}
	switches, err := p.look(ctx)
	if err != nil {
		return nil, err
	}
	return adopt.Find(adopt.Input{
		Config: o.Config, Path: path, Text: text, Drivers: o.Drivers, Records: s.Records, Faults: s.Faults, Switches: switches,
		Guesses: guesses, Now: o.Now(),
	})
}

// UnreadError says why switches could not be read, one error for each.
type UnreadError struct{ Switches []error }

func (e *UnreadError) Error() string { return errors.Join(e.Switches...).Error() }

// look reads all switches side by side.
func (p *parts) look(ctx context.Context) (map[string]adopt.Switch, error) {
	slots := semaphore.NewWeighted(int64(p.Config.Limits.Parallel))
	devices := p.Config.Inventory.Devices
	out, errs := make([]adopt.Switch, len(devices)), make([]error, len(devices))
	var wg sync.WaitGroup
	for i, d := range devices {
		wg.Go(func() { out[i], errs[i] = p.lookAt(ctx, d, slots) })
	}
	wg.Wait()
	switches := make(map[string]adopt.Switch, len(devices))
	for i, d := range devices {
		switches[d.Name] = out[i]
	}
	if errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil }); len(errs) > 0 {
		return nil, &UnreadError{errs}
	}
	return switches, nil
}

// lookAt reads one switch, in a session that could change nothing.
func (p *parts) lookAt(ctx context.Context, d *config.Device, slots *semaphore.Weighted) (s adopt.Switch, err error) {
	reader := *d
	reader.Mode = config.Observe
	session, err := p.open(&reader, slots)(ctx)
	if err != nil {
		return s, err
	}
	defer session.Close()
	if s.State, err = session.Observe(ctx); err != nil {
		return s, err
	}
	if o, ok := drivers.As[drivers.Operational](session); ok {
		oper, err := o.Operational(ctx)
		if err != nil {
			return s, err
		}
		s.Ports = slices.SortedFunc(maps.Keys(oper.Ports), switchcfg.CompareNames)
	}
	return s, nil
}
