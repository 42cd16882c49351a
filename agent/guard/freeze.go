package guard

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Scope says what a freeze is of.
type Scope string

// The scopes. That of a change is given by the agent, when the change is rolled back.
const (
	ScopeAll    Scope = "all"    // every switch
	ScopeSite   Scope = "site"   // the switches of a site of the inventory
	ScopeDevice Scope = "device" // one switch
	ScopeMember Scope = "member" // what belongs to an account, or disrupts it, on every switch
	ScopeChange Scope = "change" // the objects that a change of the history touched
)

// Scopes returns all of them, the widest first.
func Scopes() []Scope { return []Scope{ScopeAll, ScopeSite, ScopeDevice, ScopeMember, ScopeChange} }

// maxWhy bounds the reason of a freeze in bytes: it is shown with everything that the freeze holds.
const maxWhy = 200

// Freeze is a person's order that nothing changes. Its JSON form is stable: fields are only added.
type Freeze struct {
	Scope  Scope           `json:"scope"`
	Name   string          `json:"name,omitempty"`   // of the site or device, the account, or the id of the change
	Device string          `json:"device,omitempty"` // of a change
	Keys   []switchcfg.Key `json:"keys,omitempty"`   // that a change touched
	Why    string          `json:"why"`              // one line
	Who    string          `json:"who"`
	Since  time.Time       `json:"since"`
	Until  time.Time       `json:"until,omitzero"` // when it ends by itself; never, if zero
}

// String returns the words for it after freeze and thaw: "site fra1", or "all".
func (f Freeze) String() string { return strings.TrimSuffix(string(f.Scope)+" "+f.Name, " ") }

// InForce reports whether it holds at a moment.
func (f Freeze) InForce(now time.Time) bool { return f.Until.IsZero() || now.Before(f.Until) }

// Compare orders freezes, the widest first.
func (f Freeze) Compare(o Freeze) int {
	rank := func(s Scope) int { return slices.Index(Scopes(), s) }
	return cmp.Or(cmp.Compare(rank(f.Scope), rank(o.Scope)), switchcfg.CompareNames(f.Name, o.Name))
}

// OrderError says what is wrong with what a person ordered.
type OrderError struct {
	What string
	Todo string // what the person can do about it, or ""
}

func (e *OrderError) Error() string { return e.What }

// Hint returns what the person can do about it, or "".
func (e *OrderError) Hint() string { return e.Todo }

func wrong(format string, args ...any) error { return &OrderError{What: fmt.Sprintf(format, args...)} }

// Check reports what is wrong with a freeze, given the inventory: a freeze of what there is not would hold nothing,
// and nobody would know. The error is an [OrderError].
func (f Freeze) Check(inv *config.Inventory) error {
	switch {
	case !slices.Contains(Scopes(), f.Scope):
		return wrong("%q cannot be frozen: it is none of all, site, device and member", f.Scope)
	case f.Scope == ScopeAll && f.Name != "":
		return wrong("a freeze of all has no name, and not %q", f.Name)
	case f.Scope == ScopeChange && (f.Device == "" || len(f.Keys) == 0):
		return wrong("a change is frozen when it is rolled back, and not before: ixagent rollback %s", f.Name)
	case f.Scope != ScopeAll && f.Name == "":
		return wrong("a freeze of a %s needs its name", f.Scope)
	case strings.TrimSpace(f.Why) == "":
		return wrong("a freeze needs a reason, which is shown with all that it holds")
	case len(f.Why) > maxWhy || printable(f.Why) != nil:
		return wrong("the reason of a freeze is one line of at most %d characters", maxWhy)
	case f.Who == "":
		return wrong("it is not known who orders the freeze")
	case !f.Until.IsZero() && !f.Until.After(f.Since):
		return wrong("the freeze would end before it begins")
	}
	switch f.Scope {
	case ScopeSite:
		var sites []string
		for _, d := range inv.Devices {
			sites = append(sites, d.Site)
		}
		return known("site", f.Name, sites)
	case ScopeDevice:
		var names []string
		for _, d := range inv.Devices {
			names = append(names, d.Name)
		}
		return known("device", f.Name, names)
	case ScopeMember:
		if err := printable(f.Name); err != nil {
			return wrong("%q is not the id of an account: %v", f.Name, err)
		}
	case ScopeChange:
		if _, err := strconv.ParseUint(f.Name, 10, 64); err != nil {
			return wrong("change %q cannot be frozen: it is not one of the history", f.Name)
		}
	}
	return nil
}

func printable(s string) error {
	if i := strings.IndexFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }); i >= 0 {
		return fmt.Errorf("it has a character that cannot be printed at %d", i)
	}
	return nil
}

func known(what, name string, names []string) error {
	if slices.Contains(names, name) {
		return nil
	}
	slices.SortFunc(names, switchcfg.CompareNames)
	names = slices.DeleteFunc(slices.Compact(names), func(s string) bool { return s == "" })
	return wrong("the inventory has no %s %q; it has %s", what, name, cmp.Or(strings.Join(names, ", "), "none"))
}

// hold is what is said of a change that f covers.
func (f Freeze) hold() plan.Hold {
	until := ""
	if !f.Until.IsZero() {
		until = " until " + f.Until.Format(time.RFC3339)
	}
	return plan.Hold{Reason: plan.Held, Detail: fmt.Sprintf("%s is frozen by %s%s: %s; to end that, run ixagent thaw %s", f, f.Who, until, f.Why, f)}
}

// Freezes returns the guard that holds every change which a freeze in force covers. The widest says why.
func Freezes(d *config.Device, all []Freeze, now time.Time) plan.Guard {
	var whole []Freeze // of which each covers all of the switch
	var members, changes []Freeze
	for _, f := range slices.SortedFunc(slices.Values(all), Freeze.Compare) {
		switch {
		case !f.InForce(now):
		case f.Scope == ScopeAll, f.Scope == ScopeSite && f.Name == d.Site, f.Scope == ScopeDevice && f.Name == d.Name:
			whole = append(whole, f)
		case f.Scope == ScopeMember:
			members = append(members, f)
		case f.Scope == ScopeChange && f.Device == d.Name:
			changes = append(changes, f)
		}
	}
	covers := func(c plan.Change) (Freeze, bool) {
		if len(whole) > 0 {
			return whole[0], true
		}
		for _, f := range members {
			if account := accountOf(f.Name); concerns(c, account) {
				return f, true
			}
		}
		for _, f := range changes {
			if slices.Contains(f.Keys, c.Key) {
				return f, true
			}
		}
		return Freeze{}, false
	}
	return each(func(c plan.Change) (plan.Hold, bool) {
		f, ok := covers(c)
		return f.hold(), ok
	})
}

// each returns the guard that holds the changes for which f returns a hold.
func each(f func(plan.Change) (plan.Hold, bool)) plan.Guard {
	return func(changes []plan.Change, _ switchcfg.State) map[switchcfg.Key]plan.Hold {
		holds := make(map[switchcfg.Key]plan.Hold)
		for _, c := range changes {
			if h, ok := f(c); ok {
				holds[c.Key] = h
			}
		}
		return holds
	}
}

// accountOf returns an account's id as the marks on switches and the plans have it, which is shortened if it is long.
func accountOf(id string) string { return switchcfg.NewTag("", "", id).Account }

// concerns reports whether a change is of something that belongs to an account, or disrupts it.
func concerns(c plan.Change, account string) bool {
	return c.Cause.Account == account || slices.Contains(c.Members, account)
}
