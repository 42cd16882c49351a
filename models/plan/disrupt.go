package plan

import (
	"slices"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// disruption returns the widest harm that making c does to traffic that flows now.
func disruption(c Change) Disruption {
	switch before := c.Before.(type) {
	case nil:
		return DisruptsNone
	case *switchcfg.Circuit:
		after, _ := c.After.(*switchcfg.Circuit)
		if after == nil || c.Verb == Replace {
			return DisruptsCircuit
		}
		if before.Shutdown {
			return DisruptsNone
		}
		// A rate or a limit changes under traffic; anything else moves the circuit.
		x := *before
		x.Description, x.RateIn, x.RateOut, x.MACLimit = after.Description, after.RateIn, after.RateOut, after.MACLimit
		if x != *after || tightens(before.RateIn, after.RateIn) || tightens(before.RateOut, after.RateOut) {
			return DisruptsCircuit
		}
	case *switchcfg.Interface:
		after, _ := c.After.(*switchcfg.Interface)
		if after == nil || c.Verb == Replace || after.Shutdown && !before.Shutdown || after.MTU != before.MTU || after.TPID != before.TPID {
			return DisruptsMember
		}
	case *switchcfg.LAG:
		after, _ := c.After.(*switchcfg.LAG)
		if after == nil || c.Verb == Replace || after.Shutdown && !before.Shutdown || after.MTU != before.MTU || after.TPID != before.TPID ||
			after.Mode != before.Mode || after.Passive != before.Passive || after.Rate != before.Rate || after.SystemID != before.SystemID ||
			max(after.MinLinks, 1) > max(before.MinLinks, 1) || !subset(before.Members, after.Members) {
			return DisruptsLAG
		}
	case *switchcfg.Filter:
		after, _ := c.After.(*switchcfg.Filter)
		if after != nil && (c.Verb == Replace || before.AnySource && !after.AnySource || !after.AnySource && !subset(before.Sources, after.Sources)) {
			return DisruptsCircuit
		}
	case *switchcfg.Service:
		after, _ := c.After.(*switchcfg.Service)
		if after != nil && (c.Verb == Replace || before.VLAN != 0 && after.VLAN != before.VLAN || before.VNI != 0 && after.VNI != before.VNI || after.MTU != before.MTU || !subset(before.Peers, after.Peers)) {
			return DisruptsSwitch
		}
	}
	return DisruptsNone
}

// refiltered returns a change as it is felt: where a circuit only gets another filter that admits all that the old one
// does, it keeps the one it has.
func (b *builder) refiltered(c Change) Change {
	before, ok := c.Before.(*switchcfg.Circuit)
	after, ok2 := c.After.(*switchcfg.Circuit)
	if !ok || !ok2 || c.Verb != Update || before.Filter == after.Filter {
		return c
	}
	from, ok := b.in.Observed[switchcfg.Key{Kind: switchcfg.KindFilter, Name: before.Filter}].(*switchcfg.Filter)
	to, ok2 := b.in.Intent.State[switchcfg.Key{Kind: switchcfg.KindFilter, Name: after.Filter}].(*switchcfg.Filter)
	if ok && ok2 && (to.AnySource || !from.AnySource && subset(from.Sources, to.Sources)) {
		x := *before
		x.Filter = after.Filter
		c.Before = &x
	}
	return c
}

func tightens(before, after switchcfg.Kbps) bool {
	return after != 0 && (before == 0 || after < before)
}

func subset[T comparable](part, whole []T) bool {
	return !slices.ContainsFunc(part, func(x T) bool { return !slices.Contains(whole, x) })
}

// touched finds the members behind an object of the observed state.
type touched struct {
	in    Input
	users map[switchcfg.Key][]string // accounts by port, service and filter; made when needed
}

func newTouched(in Input) *touched { return &touched{in: in} }

// members returns the accounts whose traffic the disruption of c touches, sorted.
func (t *touched) members(c Change) []string {
	if c.Disruption == DisruptsNone {
		return nil
	}
	if c.Key.Kind == switchcfg.KindCircuit {
		if c.Cause.Account == "" {
			return nil
		}
		return []string{c.Cause.Account}
	}
	if t.users == nil {
		t.users = make(map[switchcfg.Key][]string)
		for k, o := range t.in.Observed {
			circuit, ok := o.(*switchcfg.Circuit)
			if !ok {
				continue
			}
			account := t.in.Intent.cause(k, circuit).Account
			if account == "" {
				continue
			}
			switchcfg.Refs(circuit, func(ref switchcfg.Key) bool {
				t.users[node(ref)] = append(t.users[node(ref)], account)
				return true
			})
		}
	}
	all := slices.Clone(t.users[node(c.Key)])
	if c.Cause.Account != "" && c.Key.Kind != switchcfg.KindService {
		all = append(all, c.Cause.Account)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
