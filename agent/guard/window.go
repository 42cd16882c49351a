package guard

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/plan"
)

// Windows returns the guard that holds what disrupts a device while its maintenance windows are shut. A change waits
// for the windows whose class of disruption it reaches, until one of them opens; if none of those that apply to the
// device asks that of it, it does not wait.
func Windows(d *config.Device, all []*config.Window, now time.Time) plan.Guard {
	var here []*config.Window
	for _, w := range all {
		if w.AppliesTo(d) {
			here = append(here, w)
		}
	}
	waits := make(map[plan.Disruption]string)
	for class := plan.DisruptsNone; len(here) > 0 && class <= plan.DisruptsSwitch; class++ {
		waits[class] = shut(here, class, now)
	}
	return each(func(c plan.Change) (plan.Hold, bool) {
		why := waits[c.Disruption]
		return plan.Hold{Reason: plan.Window, Detail: why}, why != ""
	})
}

// shut says what a change of that class waits for, or "" if it need not.
func shut(windows []*config.Window, class plan.Disruption, now time.Time) string {
	var names []string
	var first time.Time
	for _, w := range windows {
		if class < w.Disruption {
			continue
		}
		at := next(w, now)
		if at.Equal(now) {
			return ""
		}
		names = append(names, w.Name)
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("what disrupts so much waits for a maintenance window (%s); the next one opens at %s (%s)",
		strings.Join(names, ", "), first.Format("Mon 2006-01-02 15:04 MST"), first.Location())
}

// Open reports whether a clock in the zone of w shows a time of w.
func Open(w *config.Window, t time.Time) bool {
	t = t.In(w.TimeZone.Location())
	at := timeOfDay(t)
	on := func(d time.Weekday) bool { return len(w.Days) == 0 || slices.Contains(w.Days, config.Day(d)) }
	today, before := on(t.Weekday()), on((t.Weekday()+6)%7)
	if w.From < w.To {
		return today && at >= w.From && at < w.To
	}
	return today && at >= w.From || before && at < w.To
}

// next returns the first moment from t on at which w is open, in the zone of w; t itself if it is open already.
func next(w *config.Window, t time.Time) time.Time {
	const day = 24 * 60
	for t = t.In(w.TimeZone.Location()); !Open(w, t); {
		// Until the zone's clocks are changed they show w.From once a day. A change may make them show a later time
		// of w at once.
		minutes := (int(w.From) - int(timeOfDay(t)) + day) % day
		if minutes == 0 {
			minutes = day // it is another day's
		}
		from := t.Truncate(time.Minute).Add(time.Duration(minutes) * time.Minute)
		if _, changed := t.ZoneBounds(); !changed.IsZero() && changed.Before(from) {
			from = changed
		}
		t = from
	}
	return t
}

func timeOfDay(t time.Time) config.TimeOfDay { return config.TimeOfDay(t.Hour()*60 + t.Minute()) }
