package audit

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Kind is what two sources disagree about.
type Kind string

// The kinds.
const (
	KindConnection Kind = "connection" // one has a connection where the other has none
	KindMembers    Kind = "members"    // the ports of a connection
	KindLAG        Kind = "lag"        // whether it is a LAG, and whether with LACP
	KindLACP       Kind = "lacp"       // how often LACP speaks
	KindCircuit    Kind = "circuit"    // one has a circuit where the other has none
	KindTagging    Kind = "tagging"    // the frames of a circuit
	KindService    Kind = "service"    // what it joins
	KindRole       Kind = "role"       // and as what
	KindMACs       Kind = "macs"       // who may speak on it
	KindRate       Kind = "rate"       // how much it may carry
	KindState      Kind = "state"      // in service, in quarantine, shut, left as it is, or out
)

// Kinds returns all of them.
func Kinds() []Kind {
	return []Kind{
		KindConnection, KindMembers, KindLAG, KindLACP, KindCircuit, KindTagging, KindService, KindRole, KindMACs, KindRate, KindState,
	}
}

// Side is one of two sources.
type Side struct {
	Source  *config.Source
	Version string // of the records
	Records *ixapi.Records
	Faults  []ixapi.RecordFault
}

// Compare compiles the records of two sources as they are at the time now, and says where they disagree. The records
// are not changed.
func Compare(c *config.Config, a, b Side, now time.Time) *Report {
	x := &comparison{
		sides: [2]Side{a, b}, quarantines: make(map[string]string), meetings: make(map[[2]compile.Joined]*meeting),
		differences: []Difference{}, incomparable: []Difference{},
	}
	for _, lan := range c.Inventory.ExchangeLANs {
		if lan.Quarantine != nil {
			x.quarantines[lan.Quarantine.Name] = lan.Name
		}
	}
	r := &Report{Unplaced: []Unplaced{}}
	all := make([][2][]compile.Connected, len(c.Inventory.Devices))
	for i, s := range x.sides {
		// Numbers are not compared, and so none is remembered.
		of := compile.New(c.Inventory.As(s.Source), c.Policy, compile.NewAllocations(nil, compile.Cooling))
		of.Set(s.Records, s.Faults, now)
		r.Sources[i] = Source{Name: s.Source.Name, Version: s.Version}
		for k, d := range c.Inventory.Devices {
			all[k][i] = of.Connected(d.Name)
			slices.SortFunc(all[k][i], compareConnected)
			r.Sources[i].count(all[k][i])
			x.size(i, all[k][i])
		}
		for _, rej := range of.Rejections() {
			if rej.Device == "" && rej.Refused() {
				r.Unplaced = append(r.Unplaced, Unplaced{s.Source.Name, string(rej.Collection) + "/" + rej.ID, rej.Message})
			}
		}
		x.tags[i] = x.ownTags(all, i)
		r.next(of.Next())
	}
	for k, d := range c.Inventory.Devices {
		x.device(d.Name, all[k])
	}
	x.match()
	for i := range x.pairs {
		n, m := len(x.differences), len(x.incomparable)
		x.compare(&x.pairs[i])
		slices.SortStableFunc(x.differences[n:], compareDifferences)
		slices.SortStableFunc(x.incomparable[m:], compareDifferences)
	}
	r.Differences, r.Incomparable = x.differences, x.incomparable
	return r
}

// comparison is a comparison under way. Of pairs, the first is of the first side.
type comparison struct {
	sides       [2]Side
	quarantines map[string]string                 // LANs by the names of their quarantines
	tags        [2]map[string]switchcfg.VLANID    // that all of a peering LAN have, by its name
	pairs       []pair                            // in the order of devices and ports
	sizes       [2]map[compile.Joined]int         // ends of services made per order
	meetings    map[[2]compile.Joined]*meeting    // of them
	same        map[compile.Joined]compile.Joined // the second side's of the first's

	differences, incomparable []Difference
}

// pair is a connection as both have it; nil where one has none.
type pair struct {
	device string
	of     [2]*compile.Connected
	ends   []ends
}

// ends is a config as both have it; nil where one has none.
type ends struct {
	of     [2]*compile.End
	matter config.Matter // what one of them cannot say, where the frames differ for that reason
}

// meeting is where two services made per order meet.
type meeting struct {
	services    [2]compile.Joined
	times, rank int // rank is the order in which they met first
}

func compareConnected(a, b compile.Connected) int {
	return cmp.Or(
		slices.CompareFunc(a.Interfaces, b.Interfaces, switchcfg.CompareNames),
		-compareBool(a.Made, b.Made), compareBool(a.LAG != nil, b.LAG != nil), len(a.Ends)-len(b.Ends),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func compareMatch(a, b switchcfg.Match) int {
	return cmp.Or(cmp.Compare(a.Form, b.Form), cmp.Compare(a.TPID, b.TPID), cmp.Compare(a.Outer, b.Outer), cmp.Compare(a.Inner, b.Inner))
}

// compareDifferences orders those of one connection by their frames.
func compareDifferences(a, b Difference) int { return compareMatch(a.match, b.match) }

// ownTags returns the tag that most of the members of each peering LAN have at one side.
func (x *comparison) ownTags(all [][2][]compile.Connected, side int) map[string]switchcfg.VLANID {
	uses := make(map[string]map[switchcfg.VLANID]int)
	for i := range all {
		for _, c := range all[i][side] {
			for _, e := range c.Ends {
				if !e.Service.Fixed || e.Match.Form != switchcfg.Single {
					continue
				}
				lan := x.lan(e.Service).Name
				if uses[lan] == nil {
					uses[lan] = make(map[switchcfg.VLANID]int)
				}
				uses[lan][e.Match.Outer]++
			}
		}
	}
	out := make(map[string]switchcfg.VLANID, len(uses))
	for name, of := range uses {
		most := 0
		for tag, n := range of {
			if n > most || n == most && tag < out[name] {
				out[name], most = tag, n
			}
		}
	}
	return out
}

// device pairs what both have on a switch.
func (x *comparison) device(name string, of [2][]compile.Connected) {
	for _, p := range pairUp(of) {
		p.device = name
		if p.of[0] != nil && p.of[1] != nil && p.of[0].Made && p.of[1].Made {
			p.ends = x.pairEnds(p.of[0].Ends, p.of[1].Ends)
			for _, e := range p.ends {
				x.meet(e.of)
			}
		}
		x.pairs = append(x.pairs, p)
	}
}

// pairUp pairs connections that have ports in common, first those that have most in common.
func pairUp(of [2][]compile.Connected) []pair {
	type candidate struct{ i, k, common int }
	users := make(map[string][]int)
	for k := range of[1] {
		for _, name := range of[1][k].Interfaces {
			users[name] = append(users[name], k)
		}
	}
	var all []candidate
	for i := range of[0] {
		common := make(map[int]int)
		for _, name := range of[0][i].Interfaces {
			for _, k := range users[name] {
				common[k]++
			}
		}
		for k, n := range common {
			all = append(all, candidate{i, k, n})
		}
	}
	unlike := func(c candidate) (n int) {
		a, b := &of[0][c.i], &of[1][c.k]
		if a.Made != b.Made {
			n++
		}
		if len(a.Interfaces) != len(b.Interfaces) {
			n++
		}
		return n
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(b.common-a.common, unlike(a)-unlike(b), a.i-b.i, a.k-b.k)
	})
	partner, taken := make(map[int]int), make(map[int]bool)
	for _, c := range all {
		if _, has := partner[c.i]; !has && !taken[c.k] {
			partner[c.i], taken[c.k] = c.k, true
		}
	}
	var out []pair
	for i := range of[0] {
		p := pair{of: [2]*compile.Connected{&of[0][i], nil}}
		if k, has := partner[i]; has {
			p.of[1] = &of[1][k]
		}
		out = append(out, p)
	}
	for k := range of[1] {
		if !taken[k] {
			out = append(out, pair{of: [2]*compile.Connected{nil, &of[1][k]}})
		}
	}
	slices.SortStableFunc(out, func(a, b pair) int {
		return slices.CompareFunc(a.any().Interfaces, b.any().Interfaces, switchcfg.CompareNames)
	})
	return out
}

// any returns the connection of the side that has one.
func (p *pair) any() *compile.Connected { return cmp.Or(p.of[0], p.of[1]) }

// any returns the end of the side that has one.
func (e *ends) any() *compile.End { return cmp.Or(e.of[0], e.of[1]) }

// pairEnds pairs the ends of one connection: those of the same frames, then those whose frames differ only in what one
// side cannot say.
func (x *comparison) pairEnds(a, b []compile.End) []ends {
	var out []ends
	rest := [2][]*compile.End{sorted(a), sorted(b)}
	join := func(same func(a, b *compile.End) bool, matter func(a, b *compile.End) config.Matter) {
		for i := 0; i < len(rest[0]); i++ {
			k := slices.IndexFunc(rest[1], func(e *compile.End) bool { return same(rest[0][i], e) })
			if k < 0 {
				continue
			}
			out = append(out, ends{[2]*compile.End{rest[0][i], rest[1][k]}, matter(rest[0][i], rest[1][k])})
			rest[0], rest[1] = slices.Delete(rest[0], i, i+1), slices.Delete(rest[1], k, k+1)
			i--
		}
	}
	equal := func(_, _ *compile.End) config.Matter { return "" }
	join(func(a, b *compile.End) bool { return a.Match == b.Match }, equal)
	join(func(a, b *compile.End) bool { return a.Made && b.Made && x.unsaid(a, b) != "" }, x.unsaid)
	join(func(a, b *compile.End) bool { return x.unsaid(a, b) != "" }, x.unsaid)
	join(func(a, b *compile.End) bool {
		// What is left alone is so whatever its frames.
		return a.Frozen && b.Frozen && a.Service.Type == b.Service.Type && a.Service.Fixed == b.Service.Fixed && (!a.Service.Fixed || x.lan(a.Service) == x.lan(b.Service))
	}, equal)
	for side, left := range rest {
		for _, e := range left {
			var alone ends
			alone.of[side] = e
			out = append(out, alone)
		}
	}
	return out
}

// sorted returns ends in the order of their frames, first those that are made.
func sorted(list []compile.End) []*compile.End {
	out := make([]*compile.End, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	slices.SortStableFunc(out, func(a, b *compile.End) int {
		return cmp.Or(compareMatch(a.Match, b.Match), -compareBool(a.Made, b.Made), -compareBool(a.Frozen, b.Frozen))
	})
	return out
}

// unsaid returns what one of the sides cannot say, if it is the reason why the frames of two ends differ.
func (x *comparison) unsaid(a, b *compile.End) config.Matter {
	for _, m := range []config.Matter{config.MatterEthertype, config.MatterQinQ, config.MatterVLAN} {
		if x.canSay(m) {
			continue
		}
		p, q := a.Match, b.Match
		if !x.canSay(config.MatterEthertype) {
			p, q = plain(p), plain(q)
		}
		if !x.canSay(config.MatterQinQ) && m != config.MatterEthertype {
			p, q = outer(p), outer(q)
		}
		if p == q || m == config.MatterVLAN && p.Form == q.Form && a.Service.Fixed && x.lan(a.Service) == x.lan(b.Service) {
			return m
		}
	}
	return ""
}

// canSay reports whether both sides have words for something.
func (x *comparison) canSay(m config.Matter) bool {
	return x.sides[0].Source.CanSay(m) && x.sides[1].Source.CanSay(m)
}

// plain returns a match as a source has it that knows one ethertype.
func plain(m switchcfg.Match) switchcfg.Match {
	if m.Form != switchcfg.Untagged {
		m.TPID = switchcfg.TPIDCustomer
	}
	return m
}

// outer returns a match as a source has it that knows one tag.
func outer(m switchcfg.Match) switchcfg.Match {
	if m.Form == switchcfg.Double {
		m.Form, m.Inner = switchcfg.Single, 0
	}
	return m
}

// lan returns the peering LAN that a service is or is the quarantine of.
func (x *comparison) lan(j compile.Joined) compile.Joined {
	if lan, is := x.quarantines[j.Name]; is && j.Fixed {
		j.Name = lan
	}
	return j
}

// meet notes that services made per order are in the same place.
func (x *comparison) meet(of [2]*compile.End) {
	if of[0] == nil || of[1] == nil || !of[0].Made || !of[1].Made || !perOrder(of[0].Service) || !perOrder(of[1].Service) {
		return
	}
	at := [2]compile.Joined{of[0].Service, of[1].Service}
	if at[0].Type != at[1].Type {
		return
	}
	m := x.meetings[at]
	if m == nil {
		m = &meeting{services: at, rank: len(x.meetings)}
		x.meetings[at] = m
	}
	m.times++
}

// size counts the ends of services made per order.
func (x *comparison) size(side int, list []compile.Connected) {
	if x.sizes[side] == nil {
		x.sizes[side] = make(map[compile.Joined]int)
	}
	for i := range list {
		for _, e := range list[i].Ends {
			if e.Made && perOrder(e.Service) {
				x.sizes[side][e.Service]++
			}
		}
	}
}

// perOrder reports whether only its ends tell what a service is.
func perOrder(j compile.Joined) bool { return !j.Fixed && j.NNI == nil }

// match finds the services of both sides that are the same: those that have the largest part of their ends in common.
func (x *comparison) match() {
	all := slices.Collect(maps.Values(x.meetings))
	ends := func(m *meeting) int { return x.sizes[0][m.services[0]] + x.sizes[1][m.services[1]] }
	slices.SortFunc(all, func(a, b *meeting) int {
		return cmp.Or(b.times*ends(a)-a.times*ends(b), b.times-a.times, a.rank-b.rank)
	})
	x.same = make(map[compile.Joined]compile.Joined, len(all))
	taken := make(map[compile.Joined]bool, len(all))
	for _, m := range all {
		if _, has := x.same[m.services[0]]; !has && !taken[m.services[1]] {
			x.same[m.services[0]], taken[m.services[1]] = m.services[1], true
		}
	}
}

// alike reports whether two ends join the same service.
func (x *comparison) alike(a, b compile.Joined) bool {
	switch {
	case a.NNI != nil || b.NNI != nil:
		return a.NNI == b.NNI && a.VLAN == b.VLAN
	case a.Fixed || b.Fixed:
		return a == b
	}
	is, known := x.same[a]
	return known && is == b
}
