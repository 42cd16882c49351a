package lacp

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// How long the Aggregator stays attached to a partner that does not get into synchronisation while there are
// others. The two ends of a link wait for different times, so that one follows the other.
const (
	patienceBetter = 8 * time.Second // for the end with the better system identifier
	patienceWorse  = 4 * time.Second
)

// lag is the partner's half of a LAG ID (6.3.6); the other half is the Aggregator's own.
type lag struct {
	system System
	key    uint16
}

func (p *port) lag() lag { return lag{p.partner.System, p.partner.Key} }

// aggregatable reports whether the link of p may join the Aggregator if it is bound to p's partner (6.4.14.1).
func (m *Machine) aggregatable(p *port) bool {
	looped := p.partner.System == m.conf.System && p.partner.Key == m.conf.Key
	return p.actor.Key == m.conf.Key && !looped &&
		p.actor.State.Has(Aggregation) && p.partner.State.Has(Aggregation) &&
		(m.conf.Mode == Static || !p.actor.State.Has(Defaulted))
}

// live reports whether the partner of p is known to be there now.
func (p *port) live() bool { return p.receive == RxCurrent || p.receive == RxLACPDisabled }

// selection is the Selection logic (6.4.14). It reports whether a verdict changed.
func (m *Machine) selection() bool {
	m.bind()
	members := make([]*port, 0, len(m.ports))
	changed := false
	for _, p := range m.ports {
		switch {
		case m.bound && m.aggregatable(p) && p.lag() == m.lag && (p.live() || p.selected != Unselected):
			members = append(members, p)
		case p.selected != Unselected:
			p.selected = Unselected
			changed = true
		}
	}
	slices.SortFunc(members, m.compare)
	for i, p := range members {
		want := Selected
		if m.conf.MaxLinks > 0 && i >= m.conf.MaxLinks {
			want = Standby
		}
		// A port that was unselected is selected again only after its Mux machine has detached it.
		if p.selected != want && (p.selected != Unselected || p.mux == MuxDetached) {
			p.selected = want
			changed = true
		}
	}
	return changed
}

// compare orders members, the one to select first: those that are heard, then by the port identifiers of the
// better system (6.7.1), so that both ends choose the same links.
func (m *Machine) compare(a, b *port) int {
	heard := func(p *port) int {
		if p.live() {
			return 0
		}
		return 1
	}
	id := func(p *port) Info {
		if m.conf.System.Compare(p.partner.System) <= 0 || m.conf.Mode == Static {
			return p.actor
		}
		return p.partner
	}
	return cmp.Or(
		cmp.Compare(heard(a), heard(b)),
		cmp.Compare(id(a).PortPriority, id(b).PortPriority),
		cmp.Compare(id(a).Port, id(b).Port),
	)
}

// candidate is a partner that the Aggregator could be bound to.
type candidate struct {
	lag           lag
	synced, links int
	given         time.Duration // when it was given up for lack of synchronisation, 0 for not
}

// better reports whether to try c rather than d: more links in synchronisation, given up longer ago or not at
// all, more links.
func (c candidate) better(d candidate) bool {
	return cmp.Or(cmp.Compare(c.synced, d.synced), cmp.Compare(d.given, c.given), cmp.Compare(c.links, d.links)) > 0
}

// candidates returns the partners that are heard, the one behind the port of best priority first.
func (m *Machine) candidates() []candidate {
	ports := slices.DeleteFunc(slices.Clone(m.ports), func(p *port) bool { return !p.live() || !m.aggregatable(p) })
	slices.SortStableFunc(ports, func(a, b *port) int { return cmp.Compare(a.Priority, b.Priority) })
	var cs []candidate
	for _, p := range ports {
		i := slices.IndexFunc(cs, func(c candidate) bool { return c.lag == p.lag() })
		if i < 0 {
			i = len(cs)
			cs = append(cs, candidate{lag: p.lag(), given: m.given[p.lag()]})
		}
		cs[i].links++
		if p.partner.State.Has(Synchronization) {
			cs[i].synced++
		}
	}
	return cs
}

// bind chooses the partner of the Aggregator.
func (m *Machine) bind() {
	m.rebind = 0
	furthest := MuxDetached
	member := false
	for _, p := range m.ports {
		if p.selected != Unselected {
			member = true
			furthest = max(furthest, p.mux)
		}
	}
	if furthest >= MuxCollecting {
		m.boundAt = m.clock
		return
	}
	cs := m.candidates()
	maps.DeleteFunc(m.given, func(l lag, _ time.Duration) bool {
		return !slices.ContainsFunc(cs, func(c candidate) bool { return c.lag == l })
	})
	at := slices.IndexFunc(cs, func(c candidate) bool { return m.bound && c.lag == m.lag })
	switch {
	case len(cs) == 0:
		if !member {
			m.bound, m.lag = false, lag{}
		}
		return
	case at < 0: // unbound, or the partner is not heard any more
		m.bound, m.lag, m.boundAt = true, best(cs).lag, m.clock
		return
	case len(cs) == 1:
		return
	case m.clock < m.boundAt+m.patience():
		m.rebind = m.boundAt + m.patience()
		if furthest == MuxAttached {
			return
		}
	case cs[at].synced == 0:
		cs[at].given = m.clock
		m.given[m.lag] = m.clock
	}
	if c := best(cs); c.better(cs[at]) {
		m.lag, m.boundAt, m.rebind = c.lag, m.clock, m.clock+m.patience()
	}
}

// best returns the best of at least one candidate, the first of equals.
func best(cs []candidate) candidate {
	b := cs[0]
	for _, c := range cs[1:] {
		if c.better(b) {
			b = c
		}
	}
	return b
}

func (m *Machine) patience() time.Duration {
	if m.conf.System.Compare(m.lag.system) < 0 {
		return patienceBetter
	}
	return patienceWorse
}
