package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// ErrHarmed says that a change took down what it does not touch, and that it came back with the change taken back. The
// same plan would do so again.
var ErrHarmed = errors.New("the change took down what it does not touch")

// errDown says that something a plan does not touch went down while it was applied.
var errDown = errors.New("went down with a change that does not touch it")

// settle is how long what goes down with a change may take to come back.
const settle = 3 * time.Second

// bystanders are the ports, LAGs and members of LAGs that work and that a plan does not touch. The zero value is those
// of a switch that does not tell how they fare.
type bystanders struct {
	driver  drivers.Operational
	settle  time.Duration
	ports   []string          // that are up, LAGs among them
	members map[string]string // members of LAGs that send frames, and their LAG
}

// bystanders looks at the switch before the plan is applied.
func (p *Part) bystanders(ctx context.Context, window time.Duration) (bystanders, error) {
	driver, ok := drivers.As[drivers.Operational](p.Driver)
	if !ok {
		return bystanders{}, nil
	}
	now, err := driver.Operational(ctx)
	if err != nil {
		return bystanders{}, err
	}
	touched := make(map[string]bool)
	for _, c := range p.Plan.Changes {
		for _, o := range []switchcfg.Object{c.Before, c.After} {
			switch o := o.(type) {
			case *switchcfg.Interface:
				touched[o.Name] = true
			case *switchcfg.LAG:
				touched[o.Name] = true
				for _, m := range o.Members {
					touched[m] = true
				}
			}
		}
	}
	b := bystanders{driver: driver, settle: min(settle, window/3), members: make(map[string]string)}
	for name, port := range now.Ports {
		if port.Up && !touched[name] {
			b.ports = append(b.ports, name)
		}
	}
	slices.SortFunc(b.ports, switchcfg.CompareNames)
	for name, m := range now.LACP {
		if m.Distributing && !touched[name] && !touched[m.LAG] {
			b.members[name] = m.LAG
		}
	}
	return b, nil
}

// down returns in words who does not work any more.
func (b *bystanders) down(ctx context.Context) ([]string, error) {
	if b.driver == nil {
		return nil, nil
	}
	now, err := b.driver.Operational(ctx)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, name := range b.ports {
		if !now.Ports[name].Up {
			all = append(all, name)
		}
	}
	for _, name := range slices.SortedFunc(maps.Keys(b.members), switchcfg.CompareNames) {
		// A LAG that is down as a whole is named above.
		if lag := b.members[name]; !now.LACP[name].Distributing && now.Ports[lag].Up {
			all = append(all, name+" of "+lag)
		}
	}
	return all, nil
}

// well waits until all of them work and it is so late, or fails with [errDown].
func (b *bystanders) well(ctx context.Context, until time.Time) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var since time.Time // of somebody being down
	for {
		all, err := b.down(ctx)
		now := time.Now()
		switch {
		case err != nil:
			return err
		case len(all) == 0:
			if since = (time.Time{}); !now.Before(until) {
				return nil
			}
		case since.IsZero():
			since = now
		case now.Sub(since) >= b.settle:
			return fmt.Errorf("%s %w", strings.Join(all, ", "), errDown)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// blame is the error of a change that was taken back because of failure. It was the change if everybody works again
// without it.
func (b *bystanders) blame(ctx context.Context, failure error) error {
	if !errors.Is(failure, errDown) {
		return failure
	}
	switch err := b.well(ctx, time.Time{}); {
	case err == nil:
		return fmt.Errorf("%w: %w", ErrHarmed, failure)
	case errors.Is(err, errDown):
		return fmt.Errorf("%w, and is still down without it", failure)
	default:
		return errors.Join(failure, err)
	}
}
