package guard

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Cost is what members feel of plans.
type Cost struct {
	Deletes int      `json:"deletes,omitempty"` // objects deleted; what counts is as in [Limits]
	Members []string `json:"members,omitempty"` // accounts whose traffic is disrupted, in order
}

// CostOf returns the cost of a plan's changes.
func CostOf(changes []plan.Change) Cost {
	c := Cost{Deletes: len(deletions(changes))}
	for _, x := range changes {
		c.Members = append(c.Members, x.Members...)
	}
	slices.Sort(c.Members)
	c.Members = slices.Compact(c.Members)
	return c
}

// IsZero reports whether nobody feels anything.
func (c Cost) IsZero() bool { return c.Deletes == 0 && len(c.Members) == 0 }

// Add returns what both cost together. An account that both disrupt is one.
func (c Cost) Add(o Cost) Cost {
	c.Deletes += o.Deletes
	c.Members = slices.Concat(c.Members, o.Members)
	slices.Sort(c.Members)
	c.Members = slices.Compact(c.Members)
	return c
}

// Budget bounds the cost of what the agent does by itself in an hour, on all switches together. What persons apply
// in that hour counts, but is not bounded.
type Budget struct {
	Deletes int // objects deleted
	Members int // accounts disrupted
}

// BudgetOf returns the configured bounds.
func BudgetOf(l config.Limits) Budget {
	return Budget{Deletes: l.DeletesPerHour, Members: l.MembersPerHour}
}

// Exceeded returns an error that says why a cost cannot be added to what was spent. What costs nothing always can.
func (b Budget) Exceeded(spent, cost Cost) error {
	return cmp.Or(b.deletes(spent, cost.Deletes), b.members(spent, cost))
}

func (b Budget) deletes(spent Cost, n int) error {
	if n == 0 || spent.Deletes+n <= b.Deletes {
		return nil
	}
	return fmt.Errorf("%s would be deleted, %d were in the last hour, and %d may be (limits.max_deletes_per_hour)", plural(n, "object"), spent.Deletes, b.Deletes)
}

func (b Budget) members(spent, cost Cost) error {
	n := len(spent.Add(cost).Members) - len(spent.Members)
	if n == 0 || len(spent.Members)+n <= b.Members {
		return nil
	}
	return fmt.Errorf("%s more would be disrupted, %d were in the last hour, and %d may be (limits.max_members_per_hour)", plural(n, "member"), len(spent.Members), b.Members)
}

// Hourly returns the guard that holds the deletions of a pass if they are too many for the hour, given what was spent
// of it, and what disrupts others than those already disrupted in it if they are.
func Hourly(l config.Limits, spent Cost) plan.Guard {
	b := BudgetOf(l)
	return func(changes []plan.Change, _ switchcfg.State) map[switchcfg.Key]plan.Hold {
		holds := make(map[switchcfg.Key]plan.Hold)
		d := deletions(changes)
		if err := b.deletes(spent, len(d)); err != nil {
			for k := range d {
				holds[k] = plan.Hold{Reason: plan.Limited, Detail: err.Error()}
			}
		}
		if err := b.members(spent, CostOf(changes)); err != nil {
			for _, c := range changes {
				if _, held := holds[c.Key]; !held && slices.ContainsFunc(c.Members, func(m string) bool { return !slices.Contains(spent.Members, m) }) {
					holds[c.Key] = plan.Hold{Reason: plan.Limited, Detail: err.Error()}
				}
			}
		}
		return holds
	}
}
