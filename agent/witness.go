package agent

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ixagent/ixagent/agent/audit"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/source"
)

// Audit reads two sources once, and says where they disagree. Each is named by its name in the configuration, or is a
// folder of records after "file:". One name stands for that source and the one that provisions; none for the latter and
// the only witness. No switch is asked and nothing is remembered.
func Audit(ctx context.Context, o Options, names ...string) (*audit.Report, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	chosen, err := choose(o.Config, names)
	if err != nil {
		return nil, err
	}
	var sides [2]audit.Side
	var errs [2]error
	var reading sync.WaitGroup
	for i, c := range chosen {
		reading.Go(func() {
			var s *source.Source
			if s, errs[i] = source.New(c, source.Options{Logger: o.Log, VirtualInterfaces: o.Config.Inventory.VirtualInterfaces}); errs[i] != nil {
				return
			}
			defer s.Close()
			var read *source.Snapshot
			if read, _, errs[i] = s.Read(ctx); errs[i] == nil {
				sides[i] = side(c, read)
			}
		})
	}
	reading.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return audit.Compare(o.Config, sides[0], sides[1], o.Now()), nil
}

func side(c *config.Source, s *source.Snapshot) audit.Side {
	return audit.Side{Source: c, Version: s.Version, Records: s.Records, Faults: s.Faults}
}

// choose returns the two sources that are named.
func choose(c *config.Config, names []string) (out [2]*config.Source, err error) {
	switch {
	case len(names) > 2:
		return out, fmt.Errorf("an audit compares two sources, and not %d", len(names))
	case len(names) == 0 && len(c.Sources) != 2:
		return out, fmt.Errorf("which two sources are to be compared must be said: %s", strings.Join(known(c), ", "))
	case len(names) == 0:
		return [2]*config.Source(c.Sources), nil
	case len(names) == 1:
		names = []string{c.Sources[0].Name, names[0]}
	}
	for i, name := range names {
		if folder, is := strings.CutPrefix(name, "file:"); is {
			out[i] = config.Folder(folder)
			continue
		}
		k := slices.IndexFunc(c.Sources, func(s *config.Source) bool { return s.Name == name })
		if k < 0 {
			return out, fmt.Errorf("the configuration has no source %q; it has %s", name, strings.Join(known(c), ", "))
		}
		out[i] = c.Sources[k]
	}
	return out, nil
}

func known(c *config.Config) []string {
	var names []string
	for _, s := range c.Sources {
		names = append(names, s.Name)
	}
	return names
}

// witness is a source that provisions nothing. What it says is compared with what provisions.
type witness struct {
	*parts
	of     *config.Source
	source *source.Source
	new    chan struct{} // holds something if it said something new

	compared [2]*source.Snapshot // latest
	next     time.Time           // when the same snapshots may compare in another way
	found    int                 // disagreements
	failure  string              // why the latest read was not accepted, as last told
}

// witnesses returns those of the configuration.
func (p *parts) witnesses() ([]*witness, error) {
	var out []*witness
	for _, c := range p.Config.Sources[1:] {
		told := func(changed bool, err error) { p.metrics.Read(c.Name, changed, err) }
		s, err := source.New(c, source.Options{Logger: p.Log, Told: told, VirtualInterfaces: p.Config.Inventory.VirtualInterfaces})
		if err != nil {
			return nil, err
		}
		out = append(out, &witness{parts: p, of: c, source: s, new: make(chan struct{}, 1)})
	}
	return out, nil
}

// run reads the witness at its own pace, and compares it whenever either source says something new, until ctx ends.
func (w *witness) run(ctx context.Context) {
	defer w.source.Close()
	var reading sync.WaitGroup
	defer reading.Wait()
	reading.Go(func() {
		w.source.Run(ctx, func(*source.Snapshot) {
			w.failure = ""
			select {
			case w.new <- struct{}{}:
			default:
			}
		}, w.failed)
	})
	tick := time.NewTicker(w.of.Poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.new:
		case <-tick.C:
		}
		w.compare()
	}
}

// failed tells of a read that was not accepted, once for as long as the reason is the same.
func (w *witness) failed(err error) {
	if w.failure != err.Error() {
		w.failure = err.Error()
		w.Log.Error("witness was not read, and what it said last is compared", "source", w.of.Name, "err", err)
	}
}

// compare counts the disagreements, if there may be others than before.
func (w *witness) compare() {
	snapshots, now := [2]*source.Snapshot{w.parts.source.Status().Snapshot, w.source.Status().Snapshot}, w.Now()
	if snapshots[0] == nil || snapshots[1] == nil || snapshots == w.compared && (w.next.IsZero() || now.Before(w.next)) {
		return
	}
	r := audit.Compare(w.Config, side(w.Config.Sources[0], snapshots[0]), side(w.of, snapshots[1]), now)
	w.metrics.Audited(w.of.Name, r.Counts())
	log := w.Log.With("source", w.Config.Sources[0].Name, "witness", w.of.Name)
	switch n := len(r.Differences); {
	case n == w.found:
	case n == 0:
		log.Info("sources agree again")
	default:
		log.Warn("sources disagree", "disagreements", n)
	}
	w.compared, w.next, w.found = snapshots, r.Next, len(r.Differences)
}
