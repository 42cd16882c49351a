// Package guard decides what one pass may do to a switch by itself, and what has to wait for a person.
//
// Guards are pure. They bound how many members one mistake can reach, whoever made it: the exchange, the inventory,
// or the agent.
package guard

import (
	"fmt"
	"strings"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// SmallPass is the number of deletions at which the limit in percent begins to count above: those of one connection,
// which are a LAG, two ports and a circuit. Without it no member could ever leave a small switch.
const SmallPass = 4

// Limits returns the guard that holds all deletions of a pass if there are more than l.MaxDeletes of them, or more
// than [SmallPass] and more than l.MaxDeletePercent of the objects that the agent made on that switch.
//
// What counts, as deletion and as object, is what a member feels: interfaces, LAGs, circuits and services. Filters
// and policers follow their circuits. An object that is taken down and put back within the plan is not deleted.
func Limits(l config.Limits) plan.Guard {
	return func(changes []plan.Change, observed switchcfg.State) map[switchcfg.Key]plan.Hold {
		d := deletions(changes)
		if len(d) > l.MaxDeletes {
			return d.hold(fmt.Sprintf("a pass may delete %d by itself (limits.max_deletes)", l.MaxDeletes))
		}
		if len(d) <= SmallPass {
			return nil
		}
		if made := made(observed); len(d)*100 > int(l.MaxDeletePercent)*made {
			return d.hold(fmt.Sprintf("a pass may delete %s of the agent's %d objects on the switch by itself (limits.max_delete_percent)", l.MaxDeletePercent, made))
		}
		return nil
	}
}

// Approved returns the guard for a pass of which a person has seen the deletions and let n of them pass. If there are
// more by now, all are held. What counts is as in [Limits].
func Approved(n int) plan.Guard {
	return func(changes []plan.Change, _ switchcfg.State) map[switchcfg.Key]plan.Hold {
		if d := deletions(changes); len(d) > n {
			return d.hold(fmt.Sprintf("%d were approved", n))
		}
		return nil
	}
}

// deleted are the keys that are gone after a pass and that members feel.
type deleted map[switchcfg.Key]struct{}

func deletions(changes []plan.Change) deleted {
	d := make(deleted)
	for _, c := range changes {
		switch {
		case c.Verb == plan.Delete && felt(c.Key.Kind):
			d[c.Key] = struct{}{}
		case c.Verb == plan.Create:
			delete(d, c.Key)
		}
	}
	return d
}

func felt(k switchcfg.Kind) bool {
	return k != switchcfg.KindFilter && k != switchcfg.KindPolicer
}

// made counts the objects of the agent that members feel.
func made(observed switchcfg.State) int {
	n := 0
	for k, o := range observed {
		if felt(k.Kind) && switchcfg.Made(o) {
			n++
		}
	}
	return n
}

// hold holds every deletion for the limit that is said in a clause.
func (d deleted) hold(limit string) map[switchcfg.Key]plan.Hold {
	h := plan.Hold{Reason: plan.Limited, Detail: fmt.Sprintf("%s would be deleted, and %s; to approve it, run ixagent apply --max-deletes %d", d, limit, len(d))}
	out := make(map[switchcfg.Key]plan.Hold, len(d))
	for k := range d {
		out[k] = h
	}
	return out
}

// String returns "12 objects (2 services, 1 interface, 9 circuits)".
func (d deleted) String() string {
	count := make(map[switchcfg.Kind]int)
	for k := range d {
		count[k.Kind]++
	}
	var parts []string
	for k := switchcfg.KindPolicer; k <= switchcfg.KindCircuit; k++ {
		if n := count[k]; n > 0 {
			parts = append(parts, plural(n, k.String()))
		}
	}
	return fmt.Sprintf("%s (%s)", plural(len(d), "object"), strings.Join(parts, ", "))
}

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprint(n, " ", noun)
}
