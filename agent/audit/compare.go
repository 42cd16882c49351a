package audit

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// say notes a difference, or what is not comparable if there is a matter that one side cannot say.
func (x *comparison) say(p *pair, e *ends, kind Kind, matter config.Matter, a, b string) {
	d := Difference{Device: p.device, Interfaces: p.any().Interfaces, Kind: kind, Matter: matter}
	if e != nil {
		d.match = e.any().Match
		d.Match = d.match.String()
	}
	for i, text := range []string{a, b} {
		d.Says[i] = Saying{Source: x.sides[i].Source.Name, Text: text}
		switch c := p.of[i]; {
		case e != nil && e.of[i] != nil:
			n := e.of[i].Config
			d.Says[i].Record, d.Says[i].Account = string(ixapi.NetworkServiceConfigs)+"/"+n.ID, n.ConsumingAccount
		case e == nil && c != nil:
			d.Says[i].Record, d.Says[i].Account = string(ixapi.Connections)+"/"+c.Connection.ID, c.Connection.ConsumingAccount
		}
	}
	if matter != "" {
		x.incomparable = append(x.incomparable, d)
	} else {
		x.differences = append(x.differences, d)
	}
}

// silent returns the matter unless both sides have words for it.
func (x *comparison) silent(m config.Matter) config.Matter {
	if x.canSay(m) {
		return ""
	}
	return m
}

// alone returns the side that has what the other has not.
func alone[T any](of [2]*T) (side int, is bool) {
	if of[0] == nil {
		return 1, true
	}
	return 0, of[1] == nil
}

// compare compares a connection.
func (x *comparison) compare(p *pair) {
	a, b := p.of[0], p.of[1]
	if side, is := alone(p.of); is {
		x.connection(p, side)
		return
	}
	if numberless(a.Standing) || numberless(b.Standing) {
		return
	}
	if a.Made != b.Made || a.Shut != b.Shut {
		x.say(p, nil, KindState, "", standing(a.Standing, "it in service"), standing(b.Standing, "it in service"))
	}
	if !a.Made || !b.Made {
		return
	}
	if !slices.Equal(a.Interfaces, b.Interfaces) {
		x.say(p, nil, KindMembers, "", "has it on "+list(a.Interfaces), "has it on "+list(b.Interfaces))
	}
	if m, n := mode(a.LAG), mode(b.LAG); m != n {
		var matter config.Matter
		if m != "" && n != "" {
			matter = x.silent(config.MatterStatic)
		}
		x.say(p, nil, KindLAG, matter, lag(a.LAG), lag(b.LAG))
	} else if m == switchcfg.ModeLACP && a.LAG.Rate != b.LAG.Rate {
		x.say(p, nil, KindLACP, x.silent(config.MatterLACP), "has LACP "+string(a.LAG.Rate), "has LACP "+string(b.LAG.Rate))
	}
	for i := range p.ends {
		x.end(p, &p.ends[i])
	}
	x.retagged(p)
}

// connection compares a connection that one side has.
func (x *comparison) connection(p *pair, side int) {
	c := p.of[side]
	other := x.sides[1-side].Source
	var matter config.Matter
	switch {
	case !c.Made && (!c.Frozen || !other.Type.ListsAll()):
		return // neither touches anything
	case mode(c.LAG) == switchcfg.ModeStatic && !other.CanSay(config.MatterStatic):
		matter = config.MatterStatic
	case c.Made:
		matter = x.silence(c, 1-side)
	}
	said := [2]string{"has nothing there", "has nothing there"}
	if said[side] = standing(c.Standing, "it"); c.Made {
		said[side] = "has a connection with " + x.ends(c)
	}
	x.say(p, nil, KindConnection, matter, said[0], said[1])
}

// silence returns what of a connection that is made a side cannot say, so that it does not have it at all.
func (x *comparison) silence(c *compile.Connected, side int) (matter config.Matter) {
	idle := true
	for i := range c.Ends {
		if e := &c.Ends[i]; e.Made {
			idle = false
			m := x.beyond(e, side)
			if m == "" {
				return ""
			}
			matter = cmp.Or(matter, m)
		}
	}
	if idle && !x.sides[side].Source.CanSay(config.MatterIdle) {
		matter = config.MatterIdle
	}
	return matter
}

// beyond returns what of an end a side cannot say.
func (x *comparison) beyond(e *compile.End, side int) config.Matter {
	s := x.sides[side].Source
	tag, known := x.tags[side][x.lan(e.Service).Name]
	switch m := e.Match; {
	case !e.Service.Fixed && !s.CanSay(config.MatterServices):
		return config.MatterServices
	case m.Form == switchcfg.Double && !s.CanSay(config.MatterQinQ):
		return config.MatterQinQ
	case m.Form != switchcfg.Untagged && m.TPID != switchcfg.TPIDCustomer && !s.CanSay(config.MatterEthertype):
		return config.MatterEthertype
	case m.Form == switchcfg.Single && known && m.Outer != tag && !s.CanSay(config.MatterVLAN):
		return config.MatterVLAN
	}
	return ""
}

// end compares a config that both have, or that one has and the other cannot say. What else one has is for retagged.
func (x *comparison) end(p *pair, e *ends) {
	a, b := e.of[0], e.of[1]
	if side, is := alone(e.of); is {
		if matter := x.beyond(e.of[side], 1-side); matter != "" && e.of[side].Made {
			x.circuit(p, e, side, matter)
		}
		return
	}
	if numberless(a.Standing) || numberless(b.Standing) {
		return
	}
	if e.matter != "" && a.Made && b.Made {
		x.say(p, e, KindTagging, e.matter, "has "+a.Match.String(), "has "+b.Match.String())
	}
	made := [2]bool{a.Made, b.Made}
	if may := [2]bool{a.Made || x.unfiltered(a, 0), b.Made || x.unfiltered(b, 1)}; may[0] && may[1] {
		made = may
	}
	quarantined := x.lan(a.Service) == x.lan(b.Service) && a.Service != b.Service && made[0] && made[1]
	if made[0] != made[1] || made[0] && (a.Shut != b.Shut || quarantined) {
		x.say(p, e, KindState, "", standing(a.Standing, "it"+x.in(a, " ")), standing(b.Standing, "it"+x.in(b, " ")))
	}
	if !made[0] || !made[1] {
		return
	}
	if !quarantined && !x.alike(a.Service, b.Service) {
		x.say(p, e, KindService, "", "has it"+x.in(a, " "), "has it"+x.in(b, " "))
	}
	if !a.Made || !b.Made {
		if a.Made || b.Made {
			x.say(p, e, KindMACs, config.MatterMACs, standing(a.Standing, "it"), standing(b.Standing, "it"))
		}
		return
	}
	if a.Circuit.Role != b.Circuit.Role {
		x.say(p, e, KindRole, "", role(a), role(b))
	}
	if (a.Filter == nil) != (b.Filter == nil) || a.Filter != nil && !slices.Equal(a.Filter.Sources, b.Filter.Sources) {
		m, n := addresses(a, b)
		x.say(p, e, KindMACs, x.silent(config.MatterMACs), m, n)
	}
	if a.Circuit.RateIn != b.Circuit.RateIn || a.Circuit.RateOut != b.Circuit.RateOut {
		x.say(p, e, KindRate, x.silent(config.MatterRate), rate(a), rate(b))
	}
}

// unfiltered reports whether an end is not made for nothing but the MAC addresses that its side cannot say.
func (x *comparison) unfiltered(e *compile.End, side int) bool {
	return e.Tag == compile.TagMACsMissing && !x.sides[side].Source.CanSay(config.MatterMACs)
}

// retagged compares the configs that only one side has: those of one service are one with other frames.
func (x *comparison) retagged(p *pair) {
	var left [2][]*ends
	for i := range p.ends {
		e := &p.ends[i]
		side, is := alone(e.of)
		if !is || e.of[side].Made && x.beyond(e.of[side], 1-side) != "" {
			continue
		}
		left[side] = append(left[side], e)
	}
	done := make(map[*ends]bool)
	joins := func(e *ends, of [2][]*ends, to compile.Joined, side int) []*ends {
		return slices.DeleteFunc(slices.Clone(of[1-side]), func(o *ends) bool {
			j := o.of[1-side]
			at := [2]compile.Joined{}
			at[side], at[1-side] = to, j.Service
			return done[o] || !j.Made || !e.of[side].Made || !x.alike(at[0], at[1])
		})
	}
	for _, e := range left[0] {
		others := joins(e, left, e.of[0].Service, 0)
		if len(others) != 1 {
			continue
		}
		other := others[0]
		if back := joins(other, left, other.of[1].Service, 1); len(back) != 1 {
			continue
		}
		done[e], done[other] = true, true
		both := &ends{of: [2]*compile.End{e.of[0], other.of[1]}}
		x.say(p, both, KindTagging, "", "has "+e.of[0].Match.String()+x.in(e.of[0], " "), "has "+other.of[1].Match.String()+x.in(other.of[1], " "))
		x.end(p, both)
	}
	for side := range left {
		for _, e := range left[side] {
			if end := e.of[side]; !done[e] && (end.Made || end.Frozen && x.sides[1-side].Source.Type.ListsAll()) {
				x.circuit(p, e, side, "")
			}
		}
	}
}

// circuit says that one side has a circuit where the other has none.
func (x *comparison) circuit(p *pair, e *ends, side int, matter config.Matter) {
	said := [2]string{"has nothing there", "has nothing there"}
	if said[side] = standing(e.of[side].Standing, "it"); e.of[side].Made {
		said[side] = "has " + x.circuitText(e.of[side])
	}
	x.say(p, e, KindCircuit, matter, said[0], said[1])
}

// numberless reports whether something is not made for want of a number. Whom a pool leaves without one depends on the
// ids of the others and says nothing about the records.
func numberless(s compile.Standing) bool {
	switch s.Tag {
	case compile.TagLAGNumbers, compile.TagFabricNumbers, compile.TagUnits:
		return true
	}
	return false
}

// mode returns the mode of a LAG, or "" for none.
func mode(l *switchcfg.LAG) switchcfg.LAGMode {
	if l == nil {
		return ""
	}
	return l.Mode
}

func lag(l *switchcfg.LAG) string {
	switch mode(l) {
	case "":
		return "has a port without a LAG"
	case switchcfg.ModeLACP:
		return "has a LAG with LACP"
	}
	return "has a LAG without LACP"
}

// standing says whether something is on its switch.
func standing(s compile.Standing, what string) string {
	switch {
	case s.Made && s.Shut:
		return "has " + what + ", shut"
	case s.Made:
		return "has " + what
	case s.Frozen:
		return "leaves it alone: " + s.Why
	}
	return "does not have it yet: " + s.Why
}

// in says what an end joins.
func (x *comparison) in(e *compile.End, before string) string {
	j := e.Service
	if lan, is := x.quarantines[j.Name]; is && j.Fixed {
		return fmt.Sprintf("%sin quarantine of %s", before, lan)
	}
	switch {
	case j.Fixed:
		return before + "in " + j.Name
	case j.NNI != nil:
		return fmt.Sprintf("%sin cloud service %s, VLAN %d on %s of %s", before, j.Name, j.VLAN, j.NNI.Interface, j.NNI.Device)
	}
	return fmt.Sprintf("%sin %s %s", before, word(j.Type), j.Name)
}

func word(t ixapi.ServiceType) string {
	switch t {
	case ixapi.ServiceP2P:
		return "line"
	case ixapi.ServiceP2MP:
		return "tree"
	case ixapi.ServiceMP2MP:
		return "group"
	}
	return cmp.Or(string(t), "service")
}

func (x *comparison) circuitText(e *compile.End) string {
	text := e.Match.String() + x.in(e, " ")
	if e.Filter != nil {
		text += " with " + macs(len(e.Filter.Sources))
	}
	return text
}

// ends says what is on a connection.
func (x *comparison) ends(c *compile.Connected) string {
	var out []string
	for i := range c.Ends {
		if c.Ends[i].Made {
			out = append(out, x.circuitText(&c.Ends[i]))
		}
	}
	return list(out)
}

// list joins words, or says that there are none. Of many it names the first.
func list(words []string) string {
	const most = 4
	switch n := len(words); {
	case n == 0:
		return "nothing on it"
	case n > most:
		return fmt.Sprintf("%s and %d more", list(words[:most-1]), n-most+1)
	}
	text := words[0]
	for _, w := range words[1:] {
		text += ", " + w
	}
	return text
}

func macs(n int) string {
	if n == 1 {
		return "1 MAC address"
	}
	return fmt.Sprintf("%d MAC addresses", n)
}

func role(e *compile.End) string {
	return "has it as " + cmp.Or(string(e.Circuit.Role), "no part of a tree")
}

func rate(e *compile.End) string {
	if e.Circuit.RateIn == 0 && e.Circuit.RateOut == 0 {
		return "has no limit of its rate"
	}
	return "limits it to " + e.Circuit.RateIn.String()
}

// addresses says which addresses one admits and the other does not.
func addresses(a, b *compile.End) (string, string) {
	one := func(e, o *compile.End) string {
		if e.Filter == nil {
			return "admits every MAC address"
		}
		var only []string
		for _, m := range e.Filter.Sources {
			if o.Filter == nil || !slices.Contains(o.Filter.Sources, m) {
				only = append(only, m.String())
			}
		}
		if len(only) == 0 {
			return "admits " + macs(len(e.Filter.Sources))
		}
		return "admits " + macs(len(e.Filter.Sources)) + ", among them " + list(only)
	}
	return one(a, b), one(b, a)
}
