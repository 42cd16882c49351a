package reconcile

import (
	"context"
	"time"

	"github.com/ixagent/ixagent/drivers"
)

// Sample is what a switch did at one time.
type Sample struct {
	Time time.Time
	drivers.OperState
}

// probe looks at what the switch does, as far as it tells. What it cannot tell is no fault of the pass.
func (w *Worker) probe(ctx context.Context) {
	driver, ok := drivers.As[drivers.Operational](w.driver)
	if !ok {
		return
	}
	state, err := driver.Operational(ctx)
	if err != nil {
		w.Log.Debug("operational state was not read", "device", w.Device.Name, "err", err)
		return
	}
	w.sample = Sample{time.Now(), state}
	in, out := 0, 0
	for _, m := range state.LACP {
		if m.InSync {
			in++
		} else {
			out++
		}
	}
	w.Metrics.LACP(w.Device.Name, in, out)
}
