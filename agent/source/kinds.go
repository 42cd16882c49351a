package source

import (
	"cmp"
	"slices"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/models/ixapi"
)

// kind is what is done with the records of one collection.
type kind interface {
	collection() ixapi.Collection
	// take gives to the list of from.
	take(to, from *ixapi.Records)
	count(*ixapi.Records) int
	// each calls f with the id of every record.
	each(r *ixapi.Records, f func(ixapi.ID))
	patch(w written, m memo, then, records *ixapi.Records) ([]ixapi.RecordFault, bool)
	// census counts the records of a decisive collection; it reports false for another.
	census(*ixapi.Records) (Census, bool)
	// delta adds to d how now differs from then. Records with an id in touched have changed whatever they say.
	delta(d *compile.Delta, then, now *ixapi.Records, touched map[Ref]bool)
	// splice puts the one record of part into the list of records, in place of the one with its id or at its end.
	splice(records, part *ixapi.Records) spliced
	// extract gives to a list of the record of from at a place.
	extract(to, from *ixapi.Records, at int)
	// lists reports whether a record of that id is in the list.
	lists(*ixapi.Records, ixapi.ID) bool
	// lost returns up to limit ids of live records of then that are not within listed, in their order.
	lost(then *ixapi.Records, listed Hashes, limit int) []ixapi.ID
}

// Ref names a record.
type Ref struct {
	Collection ixapi.Collection
	ID         ixapi.ID
}

// kinds returns all, in the order of [ixapi.Collections].
//
// Seven collections are decisive: what a switch carries is computed from their records, so a loss there may cut
// members off. The others say who and where, and nothing is removed for want of them.
func kinds() []kind {
	return []kind{
		informative(ixapi.Accounts, func(r *ixapi.Records) *[]ixapi.Account { return &r.Accounts },
			func(a *ixapi.Account) ixapi.ID { return a.ID }, (*ixapi.Account).Equal),
		informative(ixapi.Facilities, func(r *ixapi.Records) *[]ixapi.Facility { return &r.Facilities },
			func(f *ixapi.Facility) ixapi.ID { return f.ID }, (*ixapi.Facility).Equal),
		informative(ixapi.PoPs, func(r *ixapi.Records) *[]ixapi.PointOfPresence { return &r.PoPs },
			func(p *ixapi.PointOfPresence) ixapi.ID { return p.ID }, (*ixapi.PointOfPresence).Equal),
		informative(ixapi.Devices, func(r *ixapi.Records) *[]ixapi.Device { return &r.Devices },
			func(d *ixapi.Device) ixapi.ID { return d.ID }, (*ixapi.Device).Equal),
		list[ixapi.ProductOffering]{
			ixapi.ProductOfferings,
			func(r *ixapi.Records) *[]ixapi.ProductOffering { return &r.ProductOfferings },
			func(o *ixapi.ProductOffering) ixapi.ID { return o.ID }, (*ixapi.ProductOffering).Equal,
			func(o *ixapi.ProductOffering) life { return stateless(o.Type == "" || o.Faulty) },
		},
		list[ixapi.NetworkService]{
			ixapi.NetworkServices,
			func(r *ixapi.Records) *[]ixapi.NetworkService { return &r.NetworkServices },
			func(s *ixapi.NetworkService) ixapi.ID { return s.ID }, (*ixapi.NetworkService).Equal,
			func(s *ixapi.NetworkService) life { return stateful(s.State, s.Type == "" || s.Faulty) },
		},
		list[ixapi.MemberJoiningRule]{
			ixapi.MemberJoiningRules,
			func(r *ixapi.Records) *[]ixapi.MemberJoiningRule { return &r.MemberJoiningRules },
			func(r *ixapi.MemberJoiningRule) ixapi.ID { return r.ID }, (*ixapi.MemberJoiningRule).Equal,
			func(r *ixapi.MemberJoiningRule) life {
				return stateless(r.Type == "" || r.NetworkService == "" || r.Faulty)
			},
		},
		informative(ixapi.NetworkFeatures, func(r *ixapi.Records) *[]ixapi.NetworkFeature { return &r.NetworkFeatures },
			func(f *ixapi.NetworkFeature) ixapi.ID { return f.ID }, (*ixapi.NetworkFeature).Equal),
		list[ixapi.Port]{
			ixapi.Ports,
			func(r *ixapi.Records) *[]ixapi.Port { return &r.Ports },
			func(p *ixapi.Port) ixapi.ID { return p.ID }, (*ixapi.Port).Equal,
			func(p *ixapi.Port) life { return stateful(p.State, p.Device == "" || p.Faulty) },
		},
		list[ixapi.Connection]{
			ixapi.Connections,
			func(r *ixapi.Records) *[]ixapi.Connection { return &r.Connections },
			func(c *ixapi.Connection) ixapi.ID { return c.ID }, (*ixapi.Connection).Equal,
			func(c *ixapi.Connection) life { return stateful(c.State, c.Mode == "" || c.Ports == nil || c.Faulty) },
		},
		list[ixapi.MAC]{
			ixapi.MACs,
			func(r *ixapi.Records) *[]ixapi.MAC { return &r.MACs },
			func(m *ixapi.MAC) ixapi.ID { return m.ID }, (*ixapi.MAC).Equal,
			func(m *ixapi.MAC) life { return stateless(m.Address == "" || m.Faulty) },
		},
		informative(ixapi.IPs, func(r *ixapi.Records) *[]ixapi.IP { return &r.IPs },
			func(ip *ixapi.IP) ixapi.ID { return ip.ID }, (*ixapi.IP).Equal),
		list[ixapi.NetworkServiceConfig]{
			ixapi.NetworkServiceConfigs,
			func(r *ixapi.Records) *[]ixapi.NetworkServiceConfig { return &r.NetworkServiceConfigs },
			func(c *ixapi.NetworkServiceConfig) ixapi.ID { return c.ID }, (*ixapi.NetworkServiceConfig).Equal,
			func(c *ixapi.NetworkServiceConfig) life {
				return stateful(c.State, c.Type == "" || c.NetworkService == "" || c.Faulty ||
					c.RoutingFunction == "" && (c.Connection == "" || c.VLANConfig == nil))
			},
		},
		informative(ixapi.NetworkFeatureConfigs,
			func(r *ixapi.Records) *[]ixapi.NetworkFeatureConfig { return &r.NetworkFeatureConfigs },
			func(c *ixapi.NetworkFeatureConfig) ixapi.ID { return c.ID }, (*ixapi.NetworkFeatureConfig).Equal),
	}
}

// decisive reports whether records of c decide what a switch carries.
func decisive(c ixapi.Collection) bool {
	switch c {
	case ixapi.ProductOfferings, ixapi.NetworkServices, ixapi.MemberJoiningRules, ixapi.Ports,
		ixapi.Connections, ixapi.MACs, ixapi.NetworkServiceConfigs:
		return true
	}
	return false
}

// life is what a record says about itself.
type life uint8

const (
	over     life = iota // decommissioned, archived or cancelled: nothing on a switch stands for it
	sound                // says what it is for
	redacted             // does not: its state or what matters of it is missing or unreadable
)

func stateful(s ixapi.State, lacking bool) life {
	switch s {
	case ixapi.StateDecommissioned, ixapi.StateArchived, ixapi.StateCancelled:
		return over
	case "":
		return redacted
	}
	return stateless(lacking)
}

func stateless(lacking bool) life {
	if lacking {
		return redacted
	}
	return sound
}

// list is the kind of the records T.
type list[T any] struct {
	name  ixapi.Collection
	of    func(*ixapi.Records) *[]T
	id    func(*T) ixapi.ID
	equal func(a, b *T) bool
	life  func(*T) life // nil unless the collection is decisive
}

func informative[T any](name ixapi.Collection, of func(*ixapi.Records) *[]T, id func(*T) ixapi.ID, equal func(a, b *T) bool) kind {
	return list[T]{name: name, of: of, id: id, equal: equal}
}

func (l list[T]) collection() ixapi.Collection { return l.name }
func (l list[T]) count(r *ixapi.Records) int   { return len(*l.of(r)) }
func (l list[T]) take(to, from *ixapi.Records) { *l.of(to) = *l.of(from) }

func (l list[T]) each(r *ixapi.Records, f func(ixapi.ID)) {
	records := *l.of(r)
	for i := range records {
		f(l.id(&records[i]))
	}
}

func (l list[T]) census(r *ixapi.Records) (Census, bool) {
	if l.life == nil {
		return Census{}, false
	}
	records := *l.of(r)
	c := Census{Live: make(Hashes, 0, len(records)), listed: make(Hashes, 0, len(records))}
	for i := range records {
		id := hash(l.id(&records[i]))
		c.listed = append(c.listed, id)
		switch l.life(&records[i]) {
		case sound:
			c.Live = append(c.Live, id)
		case redacted:
			c.Live = append(c.Live, id)
			c.Redacted = append(c.Redacted, id)
		}
	}
	return Census{Live: c.Live.set(), Redacted: c.Redacted.set(), listed: c.listed.set()}, true
}

// spliced is how a record was put into a list.
type spliced struct {
	at      int  // its place
	new     bool // nobody had its id
	same    bool // it says what it said, and the list is left alone
	faded   bool // it no longer says what it is for
	counted bool // the census of the list is another one
}

func (l list[T]) splice(records, part *ixapi.Records) spliced {
	list, r := *l.of(records), &(*l.of(part))[0]
	at := l.find(list, l.id(r))
	if at < 0 {
		*l.of(records) = append(slices.Clip(list), *r)
		return spliced{at: len(list), new: true, counted: l.life != nil}
	}
	s := spliced{at: at, same: l.equal(&list[at], r)}
	if l.life != nil {
		was, is := l.life(&list[at]), l.life(r)
		s.faded, s.counted = was != redacted && is == redacted, was != is
	}
	if !s.same {
		list = slices.Clone(list)
		list[at] = *r
		*l.of(records) = list
	}
	return s
}

func (l list[T]) extract(to, from *ixapi.Records, at int) {
	*l.of(to) = append(*l.of(to), (*l.of(from))[at])
}

func (l list[T]) lists(r *ixapi.Records, id ixapi.ID) bool { return l.find(*l.of(r), id) >= 0 }

func (l list[T]) find(records []T, id ixapi.ID) int {
	for i := range records {
		if l.id(&records[i]) == id {
			return i
		}
	}
	return -1
}

func (l list[T]) lost(then *ixapi.Records, listed Hashes, limit int) []ixapi.ID {
	var ids []ixapi.ID
	records := *l.of(then)
	for i := range records {
		id := l.id(&records[i])
		if l.life(&records[i]) == over {
			continue
		}
		if _, there := slices.BinarySearch(listed, hash(id)); !there {
			if ids = append(ids, id); len(ids) == limit {
				break
			}
		}
	}
	return ids
}

func (l list[T]) delta(d *compile.Delta, then, now *ixapi.Records, touched map[Ref]bool) {
	old, new := *l.of(then), *l.of(now)
	if len(old) == len(new) && (len(old) == 0 || &old[0] == &new[0]) {
		return
	}
	var changed []T
	compare := func(a, b *T) {
		if !l.equal(a, b) || len(touched) != 0 && touched[Ref{l.name, l.id(b)}] {
			changed = append(changed, *b)
		}
	}
	// Lists mostly keep their order: only what lies between the first and the last insertion is looked up.
	head, short := 0, min(len(old), len(new))
	for head < short && l.id(&old[head]) == l.id(&new[head]) {
		compare(&old[head], &new[head])
		head++
	}
	tail := 0
	for tail < short-head && l.id(&old[len(old)-1-tail]) == l.id(&new[len(new)-1-tail]) {
		tail++
	}
	was, is := old[head:len(old)-tail], new[head:len(new)-tail]
	known := make(map[ixapi.ID]*T, len(was))
	for i := range was {
		known[l.id(&was[i])] = &was[i]
	}
	stays := make(map[ixapi.ID]bool, len(is))
	for i := range is {
		id := l.id(&is[i])
		stays[id] = true
		if a := known[id]; a != nil {
			compare(a, &is[i])
		} else {
			changed = append(changed, is[i])
		}
	}
	for i := range tail {
		compare(&old[len(old)-tail+i], &new[len(new)-tail+i])
	}
	*l.of(&d.Changed) = changed

	var removed []ixapi.ID
	for id := range known {
		if !stays[id] && !l.remains(id, new, touched) {
			removed = append(removed, id)
		}
	}
	if len(removed) > 0 {
		slices.SortFunc(removed, cmp.Compare[ixapi.ID])
		d.Removed[l.name] = removed
	}
}

// remains reports whether a record that had its id twice still has it once, elsewhere in the list.
func (l list[T]) remains(id ixapi.ID, records []T, touched map[Ref]bool) bool {
	return touched[Ref{l.name, id}] && slices.ContainsFunc(records, func(r T) bool { return l.id(&r) == id })
}
