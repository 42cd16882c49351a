package guard

import (
	"fmt"
	"strings"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// ApprovalLasts is how long an approval waits to be used.
const ApprovalLasts = 24 * time.Hour

// Approval lets the agent apply one plan that is held by nothing but soft guards; see [Situation]. It ends when it
// is used, and with any change of the plan or the switch, since the plan then has another digest.
type Approval struct {
	Device string    `json:"device"`
	Digest string    `json:"digest"` // of the whole plan; see [Situation]
	Who    string    `json:"who"`
	At     time.Time `json:"at"`
}

// InForce reports whether it can be used at a moment.
func (a Approval) InForce(now time.Time) bool { return now.Before(a.At.Add(ApprovalLasts)) }

// LeastDigits is how much of a digest a person has to give.
const LeastDigits = 8

// Match returns the plan whose digest begins with prefix, and its digest. The error is an [OrderError] if prefix is
// too short or no part of a digest, or if there is no such plan that changes anything, or more than one.
func Match(plans []plan.Plan, prefix string) (found plan.Plan, digest string, err error) {
	prefix = strings.ToLower(prefix)
	if len(prefix) < LeastDigits || strings.Trim(prefix, "0123456789abcdef") != "" {
		return found, "", &OrderError{fmt.Sprintf("%q is not a digest, or less than %d digits of one", prefix, LeastDigits), "see what waits for a person: ixagent plan"}
	}
	for _, p := range plans {
		have, err := p.Digest()
		switch {
		case err != nil:
			return plan.Plan{}, "", err
		case len(p.Changes) == 0 || !strings.HasPrefix(have, prefix):
		case digest != "":
			return plan.Plan{}, "", &OrderError{fmt.Sprintf("the plans of %s and %s both begin with %s", found.Device, p.Device, prefix), "give more of its digits"}
		default:
			found, digest = p, have
		}
	}
	if digest == "" {
		return found, "", &OrderError{
			fmt.Sprintf("no switch has a plan %s now: the exchange, the switch or what is frozen has changed since, or it is applied", prefix),
			"see the plans of now: ixagent plan",
		}
	}
	return found, digest, nil
}

// Approvable returns an [OrderError] if the agent would not use an approval on a device.
func Approvable(d *config.Device) error {
	if d.Mode == config.Observe {
		return &OrderError{d.Name + " is in mode observe, in which the daemon applies nothing", "apply it from a shell: ixagent apply --device " + d.Name}
	}
	return nil
}

// Protected returns the guard that holds what disrupts one of the accounts, or changes or deletes what is theirs.
func Protected(accounts []string) plan.Guard {
	protected := make(map[string]bool, len(accounts))
	for _, id := range accounts {
		protected[accountOf(id)] = true
	}
	return each(func(c plan.Change) (plan.Hold, bool) {
		for _, m := range c.Members {
			if protected[m] {
				return plan.Hold{Reason: plan.Protected, Detail: "it disrupts " + m + ", which is protected (guard.protected)"}, true
			}
		}
		theirs := c.Verb != plan.Create && protected[c.Cause.Account]
		return plan.Hold{Reason: plan.Protected, Detail: "it belongs to " + c.Cause.Account + ", which is protected (guard.protected)"}, theirs
	})
}

// Drift tells whether a change undoes what somebody did on the switch, rather than bring it something new: whether
// the object that is wanted there is the one that was wanted when the switch was last brought to its intent. If that
// is not known, and settled nil, nothing is drift.
func Drift(settled, intent *plan.Intent) func(plan.Change) bool {
	return func(c plan.Change) bool {
		if settled == nil || settled == intent {
			return settled != nil
		}
		then, was := settled.State[c.Key]
		now, is := intent.State[c.Key]
		return was == is && (!is || switchcfg.Equal(then, now))
	}
}

// HoldDrift returns the guard that holds changes which are drift, for switches where it is not healed.
func HoldDrift(isDrift func(plan.Change) bool) plan.Guard {
	return differing(plan.Hold{Reason: plan.Drift, Detail: "it was changed on the switch, and that is not undone there (heal_drift)"}, isDrift)
}

// HoldIntent returns the guard that holds changes which are not drift, for switches in mode approve.
func HoldIntent(isDrift func(plan.Change) bool) plan.Guard {
	return differing(plan.Hold{Reason: plan.Approval, Detail: "it is new, and a person approves that (mode approve)"}, func(c plan.Change) bool { return !isDrift(c) })
}

// differing returns the guard that holds the objects that differ in the end and for which f reports true. What is
// only taken down and put back for others waits with them.
func differing(h plan.Hold, f func(plan.Change) bool) plan.Guard {
	return func(changes []plan.Change, observed switchcfg.State) map[switchcfg.Key]plan.Hold {
		after := make(map[switchcfg.Key]switchcfg.Object)
		for _, c := range changes {
			after[c.Key] = c.After
		}
		holds := make(map[switchcfg.Key]plan.Hold)
		for _, c := range changes {
			before, last := observed[c.Key], after[c.Key]
			if before != nil && last != nil && switchcfg.Equal(before, last) {
				continue
			}
			if f(c) {
				holds[c.Key] = h
			}
		}
		return holds
	}
}

// Situation is what decides about the changes of one pass over one switch, apart from the changes. There are two
// answers. The whole plan is what may be done once a person wants it: it is what [Situation.Hard] lets pass, and what
// an [Approval] is for. What the agent does by itself is what [Situation.Soft] lets pass.
type Situation struct {
	Config  *config.Config
	Device  *config.Device
	Intent  *plan.Intent // what the switch should carry; see [Unlisted]
	Freezes []Freeze
	Spent   Cost // in the last hour, on all switches
	Now     time.Time

	Remains func(device, service string) bool // see [Tunnels]
	Drift   func(plan.Change) bool            // see the function [Drift]; nil: nothing is
}

// Hard returns the guard that holds whoever wants the changes: freezes, and tunnels that others depend on.
func (s Situation) Hard() plan.Guard {
	return All(Freezes(s.Device, s.Freezes, s.Now), Tunnels(&s.Config.Inventory, s.Remains))
}

// Unlisted returns the guard of that name where the source that provisions does not list all that it has sold, and
// otherwise one that holds nothing.
func (s Situation) Unlisted() plan.Guard {
	if s.Intent == nil || s.Config.Sources[0].Type.ListsAll() {
		return All()
	}
	return Unlisted(s.Intent)
}

// Soft returns the guard that holds what the agent may not do by itself.
func (s Situation) Soft() plan.Guard {
	drift := s.Drift
	if drift == nil {
		drift = Drift(nil, nil)
	}
	guards := []plan.Guard{
		s.Hard(), s.Unlisted(), Limits(s.Config.Limits), Hourly(s.Config.Limits, s.Spent),
		Protected(s.Config.Guard.Protected), Windows(s.Device, s.Config.Guard.Windows, s.Now),
	}
	if !s.Config.HealsDrift(s.Device) {
		guards = append(guards, HoldDrift(drift))
	}
	if s.Device.Mode == config.Approve {
		guards = append(guards, HoldIntent(drift))
	}
	return All(guards...)
}
