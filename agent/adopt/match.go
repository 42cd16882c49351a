package adopt

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// evidence says what speaks for a place: each bit is one reason.
type evidence uint16

// The reasons, the strongest first.
const (
	given     evidence = 1 << iota // the configuration says so
	marked                         // the agent's mark
	stations                       // its filters admit the addresses that are registered, and no other's do
	named                          // the record's name or id is the port's
	described                      // a description names the record
	members                        // the ports of a LAG
	circuits                       // it carries what is sold, and nothing else does
	carries                        // it carries some of what is sold
	last                           // nothing else is left
)

// sure are the reasons beside which others do not count.
const sure = given | marked

// choice is where something is, or may be.
type choice struct {
	place string              // "" if that is not known
	why   evidence            //
	among map[string]evidence // what to choose from where a person has to
	guess string              // a place that fits, without evidence
	note  string              // why a person has to
}

func (c *choice) open(note string) {
	if c.place != "" {
		c.among = map[string]evidence{c.place: c.why}
	}
	c.place, c.why, c.note = "", 0, note
}

// choose takes the place for which everything speaks that speaks for any other, and more.
func choose(all map[string]evidence) choice {
	for place, e := range all {
		if e&sure != 0 {
			for other, o := range all {
				if other != place && o&sure != 0 {
					return choice{among: all, note: "several have it for sure"}
				}
			}
			return choice{place: place, why: e}
		}
	}
	best := func(place string, e evidence) bool {
		for other, o := range all {
			if other == place {
				continue
			}
			// What looks like it counts less than what is called so and carries it.
			if o&^(circuits|carries) == 0 && e&(stations|named|described) != 0 && e&carries != 0 {
				continue
			}
			if o&^e != 0 || o == e {
				return false
			}
		}
		return e&^carries != 0
	}
	for place, e := range all {
		if best(place, e) {
			return choice{place: place, why: e}
		}
	}
	if len(all) == 0 {
		return choice{}
	}
	return choice{among: all, note: "the evidence is not of one mind"}
}

// matcher finds where the ports and connections of one device are on the switch.
type matcher struct {
	device string
	on     *found
	sales  []*sale
	free   []*ixapi.Port
	fixed  map[ixapi.ID]string // ports, and LAGs of connections, that the configuration maps

	ports    map[ixapi.ID]*choice // interfaces
	lags     map[*sale]*choice
	register map[switchcfg.MAC]*sale // whose address it is; nil where it is several connections'
	shapes   map[string][]*sale      // by the encapsulations they are sold
}

func (m *matcher) match() {
	m.ports, m.lags = make(map[ixapi.ID]*choice), make(map[*sale]*choice)
	m.register, m.shapes = make(map[switchcfg.MAC]*sale), make(map[string][]*sale)
	for _, s := range m.sales {
		var matches []switchcfg.Match
		for _, c := range s.circuits {
			matches = append(matches, c.circuit.Match)
			for _, mac := range c.sources {
				if other, twice := m.register[mac]; twice && other != s {
					m.register[mac] = nil
				} else {
					m.register[mac] = s
				}
			}
		}
		if shape := shapeOf(matches); shape != "" {
			m.shapes[shape] = append(m.shapes[shape], s)
		}
	}
	for _, p := range m.free {
		c := choose(m.direct(p, nil))
		m.ports[p.ID] = &c
	}
	for _, s := range m.sales {
		if s.isLAG() {
			m.lag(s)
		} else {
			m.single(s)
		}
	}
	m.exclude()
	for _, s := range m.sales {
		if s.isLAG() {
			m.complete(s)
		}
	}
}

// shapeOf returns the encapsulations of a port as one text; "" for none.
func shapeOf(matches []switchcfg.Match) string {
	var all []string
	for _, x := range matches {
		all = append(all, x.String())
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

// direct returns what speaks for the interfaces of the switch to be a port, by what it is called.
func (m *matcher) direct(p *ixapi.Port, conn *ixapi.Connection) map[string]evidence {
	all := make(map[string]evidence)
	if name, ok := m.fixed[p.ID]; ok {
		all[name] = given
		return all
	}
	mark := switchcfg.NewTag("port", p.ID, "").Record
	for name, at := range m.on.parents {
		if at.isLAG {
			continue
		}
		if tags := at.marked(); tags[mark] || conn != nil && conn.Mode == ixapi.ModeStandalone && tags[switchcfg.NewTag("conn", conn.ID, "").Record] {
			all[name] |= marked
		}
	}
	m.describe(all, false, p.ID, p.Name)
	tail := p.ID
	for _, sep := range []string{"/", ":"} {
		if rest, ok := strings.CutPrefix(p.ID, m.device+sep); ok {
			tail = rest
		}
	}
	for _, id := range []string{p.Name, tail} {
		if m.on.has(id) {
			all[id] |= named
			continue
		}
		var alike []string
		for _, name := range m.on.names {
			if sameName(name, id) {
				alike = append(alike, name)
			}
		}
		if len(alike) == 1 {
			all[alike[0]] |= named
		}
	}
	return all
}

// describe notes the one port or LAG whose description names one of ids. What several name, none does.
func (m *matcher) describe(all map[string]evidence, lags bool, ids ...string) {
	for _, id := range ids {
		if !telling(id) || m.on.has(id) {
			continue
		}
		var by []string
		for name, at := range m.on.parents {
			if at.isLAG == lags && slices.ContainsFunc(at.text, func(text string) bool { return mentions(text, id) }) {
				by = append(by, name)
			}
		}
		if len(by) == 1 {
			all[by[0]] |= described
		}
	}
}

// content adds what speaks for the ports, or the LAGs, of the switch by what they carry.
func (m *matcher) content(all map[string]evidence, s *sale, lags bool) {
	ids := []string{s.conn.ID}
	var sold []switchcfg.Match
	for _, c := range s.circuits {
		ids = append(ids, c.config.ID)
		sold = append(sold, c.circuit.Match)
		for _, mac := range c.sources {
			if by := m.on.sources[mac]; m.register[mac] == s && len(by) == 1 && m.on.parents[by[0]].isLAG == lags {
				all[by[0]] |= stations
			}
		}
	}
	m.describe(all, lags, ids...)
	mark := switchcfg.NewTag("conn", s.conn.ID, "").Record
	shape := shapeOf(sold)
	var alike []string
	for name, at := range m.on.parents {
		if at.isLAG != lags {
			continue
		}
		if at.marked()[mark] {
			all[name] |= marked
		}
		var have []switchcfg.Match
		for _, c := range at.circuits {
			have = append(have, c.Match)
			if all[name] != 0 && slices.Contains(sold, c.Match) {
				all[name] |= carries
			}
		}
		if shape != "" && shapeOf(have) == shape {
			alike = append(alike, name)
		}
	}
	if len(alike) == 1 && len(m.shapes[shape]) == 1 {
		all[alike[0]] |= circuits | carries
	}
}

// elsewhere returns the places of the other kind that carry a connection: a LAG where a single port is sold, or a port
// where a LAG is.
func (m *matcher) elsewhere(s *sale) map[string]evidence {
	all := make(map[string]evidence)
	m.content(all, s, !s.isLAG())
	maps.DeleteFunc(all, func(name string, e evidence) bool {
		return e&(stations|marked) == 0 || m.on.parents[name].isLAG == s.isLAG()
	})
	return all
}

// single finds the port of a connection without a LAG.
func (m *matcher) single(s *sale) {
	for _, p := range s.ports {
		all := m.direct(p, s.conn)
		if len(s.ports) == 1 {
			m.content(all, s, false)
		}
		c := choose(all)
		if other := m.elsewhere(s); len(other) > 0 && c.why&sure == 0 {
			maps.Copy(all, other)
			c = choice{among: all, note: "a LAG carries what is sold as a single port"}
		}
		switch lag := m.on.inLAG[c.place]; {
		case c.why&sure != 0:
		case lag != "":
			c.open("it is a member of " + lag + ", and sold as a single port")
		case c.why&(stations|described) == 0 && m.carriesOther(c.place, s):
			c.open("it is called so, and carries what is not sold there")
		}
		m.ports[p.ID] = &c
	}
}

// lag finds the LAG of a connection, and those of its ports that something speaks for by itself.
func (m *matcher) lag(s *sale) {
	all := make(map[string]evidence)
	count := make(map[string]int)
	for _, p := range s.ports {
		c := choose(m.direct(p, s.conn))
		m.ports[p.ID] = &c
		if lag := m.on.inLAG[c.place]; lag != "" {
			count[lag]++
		}
	}
	most := 0
	for _, n := range count {
		most = max(most, n)
	}
	for lag, n := range count {
		if n == most {
			all[lag] |= members
		}
	}
	m.content(all, s, true)
	if name, ok := m.fixed[lagOf(s.conn.ID)]; ok {
		all[name] |= given
	}
	c := choose(all)
	if other := m.elsewhere(s); len(other) > 0 && c.why&sure == 0 {
		maps.Copy(all, other)
		c = choice{among: all, note: "a single port carries what is sold as a LAG"}
	}
	m.lags[s] = &c
	if c.place == "" {
		if len(c.among) > 0 {
			m.openPorts(s, c.note)
		}
		return
	}
	placed := 0
	for _, p := range s.ports {
		if m.ports[p.ID].place != "" {
			placed++
		}
	}
	note := ""
	switch at := m.on.parents[c.place]; {
	case c.why&sure != 0 || at == nil:
	case placed > 0 && count[c.place] == 0:
		note = "none of the ports that are called so is in the LAG that carries what is sold"
	case c.why != members:
	case m.carriesOther(c.place, s):
		note = "ports that are called so are in a LAG that carries what is not sold there"
	case at.lag != nil && count[c.place] < len(at.lag.Members):
		note = "ports that are called so are in a LAG with others, and nothing else speaks for it"
	}
	if note != "" {
		c.open(note)
		m.openPorts(s, note)
	}
}

// carriesOther reports whether a port or LAG carries something, and nothing of what a connection is sold.
func (m *matcher) carriesOther(place string, s *sale) bool {
	at := m.on.parents[place]
	return at != nil && len(at.circuits) > 0 && len(s.circuits) > 0 && !slices.ContainsFunc(at.circuits, func(o *switchcfg.Circuit) bool {
		return slices.ContainsFunc(s.circuits, func(c soldCircuit) bool { return c.circuit.Match == o.Match })
	})
}

// lagOf is the key of a connection among what is fixed.
func lagOf(connection ixapi.ID) string { return "lag\x00" + connection }

// openPorts leaves the ports of a connection to a person.
func (m *matcher) openPorts(s *sale, note string) {
	for _, p := range s.ports {
		if c := m.ports[p.ID]; c.why&sure == 0 {
			c.open(note)
		}
	}
}

// exclude leaves to a person what two ports or two connections are said to be.
func (m *matcher) exclude() {
	for again := true; again; {
		again = false
		claims := make(map[string][]*choice)
		note := func(c *choice) {
			if c.place != "" {
				claims[c.place] = append(claims[c.place], c)
			}
			for place := range c.among {
				claims[place] = append(claims[place], c)
			}
		}
		for _, c := range m.ports {
			note(c)
		}
		for _, c := range m.lags {
			note(c)
		}
		var lost []*choice
		for place, by := range claims {
			for _, c := range by {
				if c.place == place && m.contested(c, by) {
					lost = append(lost, c)
				}
			}
		}
		for _, c := range lost {
			c.open(c.place + " is taken for another's, too")
			again = true
		}
	}
	for _, s := range m.sales {
		if s.isLAG() && m.lags[s].place == "" && len(m.lags[s].among) > 0 {
			m.openPorts(s, m.lags[s].note)
		}
	}
}

// contested reports whether a choice does not hold against the others that are made, or may be, for the same place: what is
// sure holds against all, addresses against all but what is sure and other addresses, and the rest against none.
func (m *matcher) contested(c *choice, by []*choice) bool {
	return c.why&sure == 0 && slices.ContainsFunc(by, func(o *choice) bool {
		e := o.among[c.place]
		if o.place == c.place {
			e = o.why
		}
		return o != c && e != 0 && (c.why&stations == 0 || e&(sure|stations) != 0)
	})
}

// complete finds the ports of a LAG that nothing speaks for but that others are taken.
func (m *matcher) complete(s *sale) {
	at := m.on.parents[m.lags[s].place]
	if at == nil || at.lag == nil {
		return
	}
	taken := make(map[string]bool)
	for _, c := range m.ports {
		taken[c.place] = true
		for place := range c.among {
			taken[place] = true
		}
	}
	var left []string
	for _, name := range at.lag.Members {
		if !taken[name] {
			left = append(left, name)
		}
	}
	var open []*choice
	for _, p := range s.ports {
		if c := m.ports[p.ID]; c.place == "" && len(c.among) == 0 {
			open = append(open, c)
		}
	}
	switch {
	case len(open) == 1 && len(left) == 1:
		open[0].place, open[0].why = left[0], last
	case len(open) == len(left):
		for i, c := range open {
			c.guess = left[i]
			c.note = fmt.Sprintf("it is one of the %d ports of %s of which nothing tells which is which", len(left), at.name)
		}
	}
}
