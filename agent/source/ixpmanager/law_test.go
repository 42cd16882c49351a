package ixpmanager

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/ixpmanager"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// build returns what the agent would do by itself on a switch where other switches have what they had.
func build(c *config.Config, d *config.Device, observed switchcfg.State, in *plan.Intent) plan.Plan {
	s := guard.Situation{Config: c, Device: d, Intent: in, Now: now, Remains: func(string, string) bool { return true }}
	return plan.Build(plan.Input{
		Observed: observed, Intent: *in, Device: d.Name, Scope: d.Scope(), Traits: memory.Capabilities().Traits,
		Guard: guard.All(s.Hard(), s.Unlisted()),
	})
}

// states returns what every switch carries once the intents are real.
func states(c *config.Config, compiled *compile.Compiler) map[string]switchcfg.State {
	out := make(map[string]switchcfg.State)
	for _, d := range c.Inventory.Devices {
		out[d.Name] = compiled.Intent(d.Name).State
	}
	return out
}

// member is a virtual interface of a made-up exchange.
type member struct {
	device string
	ports  []string
	lag    bool
	fast   bool
	dot1q  bool
	vlans  []int
	status string
}

// interfaces returns how IXP Manager lists a member.
func (m member) interfaces(v int) (out []ixpmanager.Interface) {
	yes, no := ixpmanager.Flag(true), ixpmanager.Flag(false)
	flag := func(b bool) *ixpmanager.Flag {
		if b {
			return &yes
		}
		return &no
	}
	base := ixpmanager.Interface{
		Type: ixpmanager.Edge, Description: fmt.Sprint("member", v), Dot1Q: flag(m.dot1q), VirtualInterface: ixpmanager.Number(v),
		LAGFraming: flag(m.lag), FastLACP: flag(m.fast), Status: m.status, Shutdown: flag(!inUse(m.status)),
	}
	for _, n := range m.vlans {
		base.VLANs = append(base.VLANs, ixpmanager.InterfaceVLAN{
			Number: ixpmanager.Number(n), VLANInterface: ixpmanager.Number(v*1000 + n), MACs: []string{fmt.Sprintf("00:53:00:00:00:%02x", v)},
		})
	}
	if m.lag {
		lag := base
		lag.Name, lag.LAGMaster, lag.LAGMembers = fmt.Sprint("Port-Channel", v), &yes, m.ports
		out = append(out, lag)
	}
	for _, p := range m.ports {
		port := base
		port.Name = p
		out = append(out, port)
	}
	return out
}

// draw draws a member on ports of a switch that nobody has, or none if there are too few.
func draw(t *rapid.T, label string, free map[string][]string) (m member, ok bool) {
	m.device = rapid.SampledFrom([]string{"sw1", "sw1", "sw2"}).Draw(t, label+" device")
	m.lag = rapid.Bool().Draw(t, label+" lag")
	n := 1
	if m.lag {
		n = rapid.IntRange(1, 3).Draw(t, label+" ports")
	}
	if len(free[m.device]) < n {
		return m, false
	}
	ports := rapid.Permutation(free[m.device]).Draw(t, label+" of")
	m.ports, free[m.device] = slices.Sorted(slices.Values(ports[:n])), ports[n:]
	m.fast = rapid.Bool().Draw(t, label+" fast")
	m.dot1q = rapid.Bool().Draw(t, label+" dot1q")
	m.vlans = []int{10}
	if m.device == "sw1" && m.dot1q {
		m.vlans = rapid.SampledFrom([][]int{{10}, {20}, {10, 20}}).Draw(t, label+" vlans")
	}
	m.status = rapid.SampledFrom([]string{"connected", "connected", "connected", "quarantine", "disabled"}).Draw(t, label+" status")
	return m, true
}

// records returns the records of members, as they are in IX-API.
func records(t *rapid.T, members map[int]member, leaveOut func(v int, name string) bool) (*ixapi.Records, []ixapi.RecordFault, *ixpmanager.Records, []Fault) {
	r := &ixpmanager.Records{
		Switches: []ixpmanager.Switch{{Name: "sw1"}, {Name: "sw2"}},
		VLANs: map[string][]ixpmanager.VLAN{
			"sw1": {{Name: "Peering LAN", Tag: 10, ConfigName: "peering"}, {Name: "Media LAN A", Tag: 20, ConfigName: "media-a"}},
			"sw2": {{Name: "Peering LAN", Tag: 10, ConfigName: "peering"}, {Name: "Media LAN B", Tag: 20, ConfigName: "media-b"}},
		},
		Interfaces: make(map[string][]ixpmanager.Interface),
	}
	for _, v := range slices.Sorted(maps.Keys(members)) {
		for _, i := range members[v].interfaces(v) {
			if !leaveOut(v, i.Name) {
				r.Interfaces[members[v].device] = append(r.Interfaces[members[v].device], i)
			}
		}
	}
	lists, said, err := Map(r, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, faults, err := ixapi.Decode(lists)
	if err != nil {
		t.Fatal(err)
	}
	if err := covered(r, out, said); err != nil {
		t.Fatal(err)
	}
	return out, faults, r, said
}

// free returns the ports of the inventory that no member has.
func free(c *config.Config, members map[int]member) map[string][]string {
	out := make(map[string][]string)
	for _, d := range c.Inventory.Devices {
		for _, p := range d.Ports[:min(len(d.Ports), 10)] {
			taken := false
			for _, m := range members {
				taken = taken || m.device == d.Name && slices.Contains(m.ports, p.Interface)
			}
			if !taken {
				out[d.Name] = append(out[d.Name], p.Interface)
			}
		}
	}
	return out
}

// known returns the records that can stand in marks on switches.
func known(r *ixapi.Records) map[string]bool {
	out := make(map[string]bool)
	add := func(kind, id string) { out[switchcfg.NewTag(kind, id, "").Record] = true }
	for i := range r.Connections {
		add("conn", r.Connections[i].ID)
	}
	for i := range r.Ports {
		add("port", r.Ports[i].ID)
	}
	for i := range r.NetworkServiceConfigs {
		add("nsc", r.NetworkServiceConfigs[i].ID)
	}
	return out
}

// Whatever an exchange says, and whatever it leaves out: what was made for records that it does not list any more stays
// as it is, and nobody is disrupted who is not listed.
func TestWhatIsNotListedIsNotTouched(t *testing.T) {
	conf := loaded(t)
	absent, held := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		members := make(map[int]member)
		for v := range rapid.IntRange(1, 8).Draw(t, "members") {
			if m, ok := draw(t, fmt.Sprint("member ", v+1), free(conf, members)); ok {
				members[v+1] = m
			}
		}
		first, faults, _, _ := records(t, members, func(int, string) bool { return false })
		c := compiler(conf, first, faults)
		observed := states(conf, c)

		later := maps.Clone(members)
		for _, v := range slices.Sorted(maps.Keys(members)) {
			m := members[v]
			switch rapid.SampledFrom([]string{"stays", "is left out", "is in other VLANs", "has fewer ports"}).Draw(t, fmt.Sprintf("member %d", v)) {
			case "is left out":
				delete(later, v)
			case "is in other VLANs":
				m.fast = !m.fast
				if m.dot1q = rapid.Bool().Draw(t, fmt.Sprintf("member %d is tagged", v)); m.device == "sw1" && m.dot1q {
					m.vlans = rapid.SampledFrom([][]int{{10}, {20}, {10, 20}}).Draw(t, fmt.Sprintf("VLANs of %d", v))
				}
				later[v] = m
			case "has fewer ports":
				m.ports = m.ports[:1]
				later[v] = m
			}
		}
		for v := 1; v <= 10; v++ {
			if _, there := later[v]; !there && rapid.Bool().Draw(t, fmt.Sprintf("member %d again", v)) {
				if m, ok := draw(t, fmt.Sprintf("then member %d", v), free(conf, later)); ok {
					later[v] = m
				}
			}
		}
		second, faults, listed, _ := records(t, later, func(v int, name string) bool {
			return rapid.IntRange(0, 19).Draw(t, fmt.Sprintf("%s of %d", name, v)) == 0
		})
		c.Set(second, faults, now)
		there := known(second)
		accounts := make(map[string]bool)
		for _, list := range listed.Interfaces {
			for _, i := range list {
				accounts[i.Description] = true
			}
		}
		for _, d := range conf.Inventory.Devices {
			p := build(conf, d, observed[d.Name], c.Intent(d.Name))
			after, err := plan.Apply(observed[d.Name], p.Changes)
			if err != nil {
				t.Fatal(err)
			}
			fail := func(format string, args ...any) {
				t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), p.AppendText(nil))
			}
			for _, change := range p.Changes {
				for _, m := range change.Members {
					if !accounts[m] {
						fail("%s %s disrupts %s, who is not listed", change.Verb, change.Key, m)
					}
				}
			}
			absentees := make(map[string]bool) // LAGs and ports with something on them that is not listed
			for _, o := range observed[d.Name] {
				tag, _ := switchcfg.ParseTag(switchcfg.Description(o))
				if tag.Record == "" || strings.HasPrefix(tag.Record, "lan:") || there[tag.Record] {
					continue
				}
				switch o := o.(type) {
				case *switchcfg.Circuit:
					absentees[o.Parent] = true
				case *switchcfg.LAG:
					for _, m := range o.Members {
						k := switchcfg.Key{Kind: switchcfg.KindInterface, Name: m}
						if absentees[m] = true; after[k] == nil || !switchcfg.Equal(observed[d.Name][k], after[k]) {
							fail("%s is a member of %s, which is not listed", k, o.Name)
						}
					}
				}
			}
			for _, change := range p.Changes {
				carrier := change.Key.Kind == switchcfg.KindInterface || change.Key.Kind == switchcfg.KindLAG
				if carrier && absentees[change.Key.Name] && change.Disruption != plan.DisruptsNone {
					fail("%s %s disrupts what is on it and not listed", change.Verb, change.Key)
				}
			}
			for k, o := range observed[d.Name] {
				tag, _ := switchcfg.ParseTag(switchcfg.Description(o))
				if circuit, own := switchcfg.FilterCircuit(k.Name); own && k.Kind == switchcfg.KindFilter {
					tag, _ = switchcfg.ParseTag(switchcfg.Description(observed[d.Name][circuit]))
				}
				if tag.Record == "" || strings.HasPrefix(tag.Record, "lan:") || there[tag.Record] {
					continue
				}
				absent++
				if now, still := after[k]; !still || !switchcfg.Equal(o, now) {
					fail("%s of %s is not as it was, and is not listed", k, tag.Record)
				}
				if k.Kind != switchcfg.KindInterface {
					continue
				}
				for lk, lo := range observed[d.Name] {
					if lag, ok := lo.(*switchcfg.LAG); ok && slices.Contains(lag.Members, k.Name) {
						if now, _ := after[lk].(*switchcfg.LAG); now == nil || !slices.Contains(now.Members, k.Name) {
							fail("%s left %s, and is not listed", k, lk)
						}
					}
				}
			}
			for _, w := range p.Withheld {
				if w.Reason == plan.Unlisted {
					held++
				}
			}
			// A person who approves the whole plan gets what the exchange says.
			whole := plan.Build(plan.Input{
				Observed: observed[d.Name], Intent: *c.Intent(d.Name), Device: d.Name, Scope: d.Scope(), Traits: memory.Capabilities().Traits,
			})
			for _, w := range whole.Withheld {
				if w.Reason == plan.Unlisted {
					fail("a person cannot approve %s", w.Key)
				}
			}
		}
	})
	if absent < 100 || held < 100 {
		t.Errorf("%d objects of records that are not listed, %d changes held: the law says little", absent, held)
	}
}

// without calls f with the record short of each one of its fields, at whatever depth, and with the place of that.
func without(record any, at string, f func(at string)) {
	switch r := record.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(r)) {
			value := r[name]
			delete(r, name)
			f(at + "/" + name)
			for _, wrong := range []any{nil, "?", []any{}} {
				r[name] = wrong
				f(fmt.Sprintf("%s/%s %#v", at, name, wrong))
			}
			r[name] = value
			without(value, at+"/"+name, f)
		}
	case []any:
		for i, value := range r {
			without(value, fmt.Sprint(at, "/", i), f)
		}
	}
}

func TestRedactedRecordTakesNothingOffASwitch(t *testing.T) {
	_, answers := table(t)
	_, _, whole, unreadable := mapped(t, answers)
	conf := loaded(t)
	c := compiler(conf, whole, unreadable)
	observed := states(conf, c)
	cases, seen := 0, make(map[string]bool)
	redact := func(what string, list []json.RawMessage) {
		for i, text := range list {
			var record map[string]any
			if err := json.Unmarshal(text, &record); err != nil {
				t.Fatal(err)
			}
			without(record, "", func(at string) {
				short, err := json.Marshal(record)
				if err != nil {
					t.Fatal(err)
				}
				list[i] = short
				out, _, records, faults := mapped(t, answers)
				list[i] = text
				if text := fmt.Sprintf("%s", out); seen[text] {
					return
				} else {
					seen[text] = true
				}
				cases++
				c.Set(records, faults, now)
				for _, d := range conf.Inventory.Devices {
					for _, change := range build(conf, d, observed[d.Name], c.Intent(d.Name)).Changes {
						deliberate := strings.Contains(at, "/macaddresses") || strings.Contains(at, "/rate_limit") || strings.Contains(at, "/fastlacp")
						policer := change.Key.Kind == switchcfg.KindPolicer // that no circuit uses
						if change.Verb == plan.Delete && !policer || change.Disruption != plan.DisruptsNone && !deliberate {
							t.Errorf("%s without %s: %s %s on %s (%s)", what, at, change.Verb, change.Key, d.Name, text)
						}
					}
				}
			})
		}
	}
	for _, s := range []string{"sw1", "sw2"} {
		redact("VLAN of "+s, answers.VLANs[s])
		redact("interface of "+s, answers.Interfaces[s])
	}
	if cases < 300 {
		t.Errorf("%d cases", cases)
	}
}
