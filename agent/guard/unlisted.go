package guard

import (
	"slices"
	"strings"
	"sync"

	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Unlisted returns the guard for an exchange that does not list all that it has sold, so that nothing follows from what
// it does not say. It holds what would take away, change or disrupt what the agent made for a connection, port or config
// for which the intent has nothing on that switch. Frozen records have nothing there either, and are held before.
func Unlisted(intent *plan.Intent) plan.Guard {
	a := absence{wanted: intent.State}
	a.records = sync.OnceValue(a.listed)
	return func(changes []plan.Change, observed switchcfg.State) map[switchcfg.Key]plan.Hold {
		if !slices.ContainsFunc(changes, func(c plan.Change) bool { return c.Before != nil }) {
			return nil
		}
		on := a.on(observed)
		return each(func(c plan.Change) (plan.Hold, bool) {
			what, unlisted := on.behind(c)
			return plan.Hold{
				Reason: plan.Unlisted,
				Detail: what + " is not listed for this switch any more: it may wait for a cross connect, be in no VLAN or move; if it is over, " +
					"have a person approve the plan (ixagent plan shows how)",
			}, unlisted
		})(changes, observed)
	}
}

// absence tells what the intent of a switch has nothing for.
type absence struct {
	wanted  switchcfg.State
	records func() map[string]bool // behind what is wanted
}

func (a *absence) listed() map[string]bool {
	records := make(map[string]bool, len(a.wanted))
	for _, o := range a.wanted {
		if t, ok := switchcfg.ParseTag(switchcfg.Description(o)); ok {
			records[t.Record] = true
		}
	}
	return records
}

// missing returns the record in an object's mark, and whether the intent has nothing for it.
func (a *absence) missing(o switchcfg.Object) (string, bool) {
	if o == nil || o.Key().Kind == switchcfg.KindService {
		return "", false
	}
	t, ok := switchcfg.ParseTag(switchcfg.Description(o))
	if !ok || a.records()[t.Record] {
		return "", false
	}
	// A port that carries a connection by itself is wanted under the name of the connection.
	if _, wanted := a.wanted[o.Key()]; wanted && strings.HasPrefix(t.Record, "port:") {
		return "", false
	}
	return t.Record, true
}

// scene is what is on a switch for records that are not listed.
type scene struct {
	*absence
	observed switchcfg.State
	circuits map[string]string // records of circuits, by what carries them
	lags     map[string]*switchcfg.LAG
}

func (a *absence) on(observed switchcfg.State) scene {
	s := scene{absence: a, observed: observed, circuits: make(map[string]string), lags: make(map[string]*switchcfg.LAG)}
	for _, o := range observed {
		switch o := o.(type) {
		case *switchcfg.Circuit:
			if record, missing := a.missing(o); missing && (s.circuits[o.Parent] == "" || record < s.circuits[o.Parent]) {
				s.circuits[o.Parent] = record
			}
		case *switchcfg.LAG:
			for _, m := range o.Members {
				s.lags[m] = o
			}
		}
	}
	return s
}

// behind returns a record that is not listed and that a change would touch.
func (s scene) behind(c plan.Change) (string, bool) {
	if c.Key.Kind == switchcfg.KindService {
		return "another end of " + c.Cause.Record, retreats(c)
	}
	if circuit, own := switchcfg.FilterCircuit(c.Key.Name); own && c.Key.Kind == switchcfg.KindFilter {
		return s.missing(s.observed[circuit])
	}
	if record, missing := s.missing(c.Before); missing {
		return record, true
	}
	if record, leaves := s.leaves(c); leaves {
		return record, true
	}
	carrier := c.Key.Kind == switchcfg.KindInterface || c.Key.Kind == switchcfg.KindLAG
	if c.Before == nil || !carrier {
		return "", false
	}
	parents := []string{c.Key.Name}
	if lag := s.lags[c.Key.Name]; lag != nil && c.Key.Kind == switchcfg.KindInterface {
		if record, missing := s.missing(lag); missing {
			return record, true
		}
		parents = append(parents, lag.Name)
	}
	for _, p := range parents {
		if record := s.circuits[p]; record != "" && c.Disruption != plan.DisruptsNone {
			return record, true
		}
	}
	return "", false
}

// leaves returns a port that is not listed and that a change takes out of its LAG.
func (s scene) leaves(c plan.Change) (string, bool) {
	before, _ := c.Before.(*switchcfg.LAG)
	if before == nil {
		return "", false
	}
	after, _ := c.After.(*switchcfg.LAG)
	for _, m := range before.Members {
		if after != nil && slices.Contains(after.Members, m) {
			continue
		}
		if record, missing := s.missing(s.observed[switchcfg.Key{Kind: switchcfg.KindInterface, Name: m}]); missing {
			return record, true
		}
	}
	return "", false
}

// retreats reports whether a service is no longer to cross the fabric, because it has no other switch: what is on the
// others may not be listed either. A tunnel that goes is looked at by [Tunnels].
func retreats(c plan.Change) bool {
	before, _ := c.Before.(*switchcfg.Service)
	after, _ := c.After.(*switchcfg.Service)
	return before != nil && after != nil && (before.VLAN != 0 && after.VLAN == 0 || before.VNI != 0 && after.VNI == 0)
}
