package adopt

import (
	"maps"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// Switch is what a switch says of itself.
type Switch struct {
	State switchcfg.State
	Ports []string // all its ports and LAGs, where it tells
}

// found is a switch, by what is looked for in it.
type found struct {
	Switch
	names   []string                   // of its ports that are no LAGs, sorted
	parents map[string]*parent         // ports and LAGs that carry circuits or a description, by name
	inLAG   map[string]string          // the LAG that a port is a member of
	sources map[switchcfg.MAC][]string // parents whose filters admit it
}

// parent is a port or LAG.
type parent struct {
	name     string
	lag      *switchcfg.LAG // nil for a port, and for a LAG that is not understood
	isLAG    bool
	text     []string // descriptions of it and its circuits
	circuits []*switchcfg.Circuit
	odd      []uint32 // numbers of its circuits that are not understood
}

func look(s Switch) *found {
	f := &found{Switch: s, parents: make(map[string]*parent), inLAG: make(map[string]string), sources: make(map[switchcfg.MAC][]string)}
	at := func(name string) *parent {
		if f.parents[name] == nil {
			f.parents[name] = &parent{name: name}
		}
		return f.parents[name]
	}
	ports := make(map[string]bool)
	for _, name := range s.Ports {
		ports[name] = true
	}
	for _, k := range s.State.Keys() {
		switch k.Kind {
		case switchcfg.KindInterface:
			ports[k.Name] = true
			at(k.Name).describe(s.State[k])
		case switchcfg.KindLAG:
			p := at(k.Name)
			p.isLAG = true
			p.describe(s.State[k])
			if l, ok := s.State[k].(*switchcfg.LAG); ok {
				p.lag = l
				for _, m := range l.Members {
					f.inLAG[m], ports[m] = l.Name, true
				}
			}
		case switchcfg.KindCircuit:
			p := at(k.Name)
			p.describe(s.State[k])
			if c, ok := s.State[k].(*switchcfg.Circuit); ok {
				p.circuits = append(p.circuits, c)
				f.admit(c)
			} else {
				p.odd = append(p.odd, k.Unit)
			}
		}
	}
	for name, p := range f.parents {
		if p.isLAG {
			delete(ports, name)
		}
	}
	f.names = slices.SortedFunc(maps.Keys(ports), switchcfg.CompareNames)
	return f
}

func (p *parent) describe(o switchcfg.Object) {
	if d := switchcfg.Description(o); d != "" {
		p.text = append(p.text, d)
	}
}

// admit notes whom the filter of a circuit lets in.
func (f *found) admit(c *switchcfg.Circuit) {
	filter, ok := f.State[switchcfg.Key{Kind: switchcfg.KindFilter, Name: c.Filter}].(*switchcfg.Filter)
	if !ok {
		return
	}
	for _, m := range filter.Sources {
		if !slices.Contains(f.sources[m], c.Parent) {
			f.sources[m] = append(f.sources[m], c.Parent)
		}
	}
}

// has reports whether the switch has a port of that name.
func (f *found) has(port string) bool {
	_, ok := slices.BinarySearchFunc(f.names, port, switchcfg.CompareNames)
	return ok
}

// marked returns the records in the agent's marks on a port or LAG and its circuits.
func (p *parent) marked() map[string]bool {
	out := make(map[string]bool)
	for _, d := range p.text {
		if t, ok := switchcfg.ParseTag(d); ok {
			out[t.Record] = true
		}
	}
	return out
}

// mentions reports whether a text holds a word that is an id.
func mentions(text, id string) bool {
	text, id = strings.ToLower(text), strings.ToLower(id)
	inWord := func(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 0x80 }
	for from := 0; ; {
		i := strings.Index(text[from:], id)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(id)
		if (i == 0 || !inWord(text[i-1])) && (end == len(text) || !inWord(text[end])) {
			return true
		}
		from = i + 1
	}
}

// telling reports whether an id is so much its own that a description in which it occurs means it: not a short number or
// a common word.
func telling(id string) bool {
	digits := strings.ContainsAny(id, "0123456789")
	return digits && len(id) >= 4 && (len(id) >= 6 || strings.Trim(id, "0123456789") != "")
}

// sameName reports whether two names are of one port, one of them with its first word shortened: Et1 is Ethernet1.
func sameName(a, b string) bool {
	a, b = strings.ToLower(strings.ReplaceAll(a, " ", "")), strings.ToLower(strings.ReplaceAll(b, " ", ""))
	i, j := strings.IndexAny(a, "0123456789"), strings.IndexAny(b, "0123456789")
	if i < 2 || j < 2 || a[i:] != b[j:] {
		return false
	}
	return strings.HasPrefix(a[:i], b[:j]) || strings.HasPrefix(b[:j], a[:i])
}
