package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ixagent/ixagent/agent/invariant"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// ErrHarmed says that a change took down what it does not touch, and that it came back with the change taken back. The
// same plan would do so again.
var ErrHarmed = errors.New("the change took down what it does not touch")

// errDown says that something a plan does not touch suffered while it was applied.
var errDown = errors.New("with a change that does not touch it")

const (
	// settle is how long what goes down with a change may take to come back.
	settle = 3 * time.Second

	// busy is the rate in frames a second from which a circuit's silence says something: far more than one in [settle].
	busy = 10

	// few is the number of circuits of a service from which the silence of one may be the answer to the change of
	// another: the two ends of a line, or two members who only spoke to each other.
	few = 2
)

// bystanders are what works on a switch and a plan does not touch: ports, LAGs and their members, circuits, stations.
// The zero value is that of a switch that does not tell how they fare.
type bystanders struct {
	driver   *operational
	settle   time.Duration
	before   drivers.OperState
	ports    []string          // that are up, LAGs among them
	members  map[string]string // members of LAGs that send frames, and their LAG
	circuits []switchcfg.Key   // that are up
	moving   []switchcfg.Key   // circuits whose member sends at a rate
	learned  map[drivers.Station]switchcfg.Key
	touched  map[switchcfg.Key]bool // circuits

	rules    *invariant.Rules // may be nil
	state    switchcfg.State  // that the plan leads to
	stale    map[drivers.Station]bool
	violated map[invariant.Violation]bool // before the change
}

// bystanders looks at the switch before the plan is applied.
func (p *Part) bystanders(ctx context.Context, window time.Duration) (bystanders, error) {
	driver, ok := operationalOf(p.Driver, p.Slots)
	if !ok {
		return bystanders{}, nil
	}
	now, err := driver.ask(ctx)
	if err != nil {
		return bystanders{}, err
	}
	b := bystanders{
		driver: driver, settle: min(settle, window/3), before: now, members: make(map[string]string),
		learned: make(map[drivers.Station]switchcfg.Key), rules: p.Rules,
	}
	ports, services := b.touch(p.before, p.Plan.Changes)
	for name, port := range now.Ports {
		if port.Up && !ports[name] {
			b.ports = append(b.ports, name)
		}
	}
	slices.SortFunc(b.ports, switchcfg.CompareNames)
	for name, m := range now.LACP {
		if m.Distributing && !ports[name] && !ports[m.LAG] {
			b.members[name] = m.LAG
		}
	}
	for k, is := range now.Circuits {
		c, ok := p.before[k].(*switchcfg.Circuit)
		if !ok || !is.Up || b.touched[k] || ports[k.Name] {
			continue
		}
		b.circuits = append(b.circuits, k)
		if n := services[c.Service]; (n == 0 || n > few) && sends(p.Earlier, k, is) {
			b.moving = append(b.moving, k)
		}
	}
	slices.SortFunc(b.circuits, switchcfg.Key.Compare)
	for st, k := range now.Stations {
		if k == (switchcfg.Key{}) || ports[k.Name] {
			continue
		}
		if !b.touched[k] {
			b.learned[st] = k
		}
	}
	b.judge(p, now)
	return b, nil
}

// touch finds what the changes touch: the names of ports and LAGs, and the services in which they change circuits, with
// the number of circuits each has.
func (b *bystanders) touch(before switchcfg.State, changes []plan.Change) (ports map[string]bool, services map[string]int) {
	ports, services, b.touched = make(map[string]bool), make(map[string]int), make(map[switchcfg.Key]bool)
	moved := make(map[string]bool) // services that are made anew, or disturbed as a whole
	for _, c := range changes {
		for _, o := range []switchcfg.Object{c.Before, c.After} {
			switch o := o.(type) {
			case *switchcfg.Interface:
				ports[o.Name] = true
			case *switchcfg.LAG:
				ports[o.Name] = true
				for _, m := range o.Members {
					ports[m] = true
				}
			case *switchcfg.Circuit:
				b.touched[c.Key] = true
				services[o.Service] = 0
			case *switchcfg.Filter:
				if k, own := switchcfg.FilterCircuit(o.Name); own {
					b.touched[k] = true
				}
			case *switchcfg.Service:
				if c.Disruption != plan.DisruptsNone {
					moved[o.Name] = true
				}
			}
		}
	}
	for k, o := range before {
		if c, ok := o.(*switchcfg.Circuit); ok {
			if moved[c.Service] {
				b.touched[k] = true
			}
			if _, known := services[c.Service]; known {
				services[c.Service]++
			}
		}
	}
	return ports, services
}

// sends reports whether the member behind a circuit has sent so much that its silence would say something.
func sends(earlier Sample, k switchcfg.Key, now drivers.CircuitState) bool {
	was, known := earlier.Circuits[k]
	took := time.Since(earlier.Time).Seconds()
	return known && was.Counted && now.Counted && took >= 1 && now.InFrames > was.InFrames && float64(now.InFrames-was.InFrames) >= busy*took
}

// judge notes which invariants are violated before the change.
func (b *bystanders) judge(p *Part, now drivers.OperState) {
	if b.rules == nil {
		return
	}
	b.stale, b.violated = make(map[drivers.Station]bool), make(map[invariant.Violation]bool)
	for st, k := range now.Stations {
		if b.touched[k] {
			b.stale[st] = true
		}
	}
	for _, v := range b.rules.Seen(p.before, p.Earlier.OperState, now, p.Stale) {
		b.violated[v] = true
	}
	b.state = p.want
}

// down returns in words who does not work any more. First is what the switch did when it was first asked after the
// change.
func (b *bystanders) down(now, first drivers.OperState) []string {
	var all []string
	for _, name := range b.ports {
		if !now.Ports[name].Up {
			all = append(all, name+" went down")
		}
	}
	for name, lag := range b.members {
		// A LAG that is down as a whole is named above.
		if !now.LACP[name].Distributing && now.Ports[lag].Up {
			all = append(all, name+" of "+lag+" went down")
		}
	}
	for _, k := range b.circuits {
		if is, ok := now.Circuits[k]; (!ok || !is.Up) && now.Ports[k.Name].Up {
			all = append(all, k.String()+" went down")
		}
	}
	for _, k := range b.moving {
		if is := now.Circuits[k]; is.Up && is.InFrames <= first.Circuits[k].InFrames {
			all = append(all, k.String()+" fell silent")
		}
	}
	for st, k := range b.learned {
		if at, known := now.Stations[st]; known && at != k && b.touched[at] {
			all = append(all, fmt.Sprintf("the station of %s moved to %s", k, at))
		}
	}
	if b.rules != nil {
		for _, v := range b.rules.Seen(b.state, b.before, now, b.stale) {
			if !b.violated[v] {
				all = append(all, fmt.Sprintf("%s violates %s: %s", v.Key, v.Invariant, v.Text))
			}
		}
	}
	slices.Sort(all)
	return all
}

// well waits until all of them work and it is so late, or fails with [errDown].
func (b *bystanders) well(ctx context.Context, until time.Time) error {
	if b.driver == nil {
		return nil
	}
	first, err := b.driver.ask(ctx)
	if err != nil {
		return err
	}
	const patient = 50 * time.Millisecond
	wait := 5 * time.Millisecond
	var since time.Time // of somebody being down
	for now := first; ; {
		all, at := b.down(now, first), time.Now()
		switch {
		case len(all) == 0:
			if since = (time.Time{}); !at.Before(until) {
				return nil
			}
		case since.IsZero():
			since = at
		case at.Sub(since) >= b.settle:
			return fmt.Errorf("%s %w", strings.Join(all, ", "), errDown)
		}
		select {
		case <-time.After(wait):
			wait = min(2*wait, patient)
		case <-ctx.Done():
			return ctx.Err()
		}
		if now, err = b.driver.ask(ctx); err != nil {
			return err
		}
	}
}

// blame is the error of a change that was taken back because of failure. It was the change if everybody works again
// without it.
func (b *bystanders) blame(ctx context.Context, failure error) error {
	if !errors.Is(failure, errDown) {
		return failure
	}
	b.rules = nil // what was wrong with the change is not to be found without it
	switch err := b.well(ctx, time.Time{}); {
	case err == nil:
		return fmt.Errorf("%w: %w", ErrHarmed, failure)
	case errors.Is(err, errDown):
		return fmt.Errorf("%w, and it is so without it too", failure)
	default:
		return errors.Join(failure, err)
	}
}
