package junos

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/switchcfg"
)

func tag(record, account string) string {
	return switchcfg.Tag{Record: record, Account: account}.String()
}

// sample has every kind of object, with every attribute in use somewhere.
func sample() switchcfg.State {
	s := make(switchcfg.State)
	s.Put(
		&switchcfg.Policer{Rate: 100_000},
		&switchcfg.Policer{Rate: 10_000_000},
		&switchcfg.Filter{Name: "ix-control", AnySource: true},
		&switchcfg.Filter{Name: "ix-ae10.100", Sources: []switchcfg.MAC{{2, 0, 0, 0x12, 0x34, 0x56}, {2, 1, 0, 0x12, 0x34, 0x56}}},
		&switchcfg.Filter{Name: "ix-nobody"},
		&switchcfg.Service{Name: "ix-lan", Description: tag("ns:1", ""), Type: switchcfg.ServiceLAN, VLAN: 600, VNI: 10600, Peers: []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::3")}},
		&switchcfg.Service{Name: "ix-line", Description: tag("ns:2", "5"), Type: switchcfg.ServiceLine},
		&switchcfg.Service{Name: "ix-tree", Description: tag("ns:3", "5"), Type: switchcfg.ServiceTree},
		&switchcfg.Interface{Name: "xe-0/0/1", Description: tag("port:5", ""), MTU: 9000},
		&switchcfg.Interface{Name: "xe-0/0/2", Description: tag("port:23", ""), MTU: 9000},
		&switchcfg.Interface{Name: "xe-0/0/3", Description: tag("conn:9", "7"), Shutdown: true, MTU: 9000, StormControl: 10_000},
		&switchcfg.Interface{Name: "et-0/1/0:2", Description: tag("conn:11", "8")},
		&switchcfg.LAG{Name: "ae10", Description: tag("conn:10", "7"), Members: []string{"xe-0/0/1", "xe-0/0/2"}, Mode: switchcfg.ModeLACP, Rate: switchcfg.RateFast, Passive: true, MinLinks: 2, SystemID: switchcfg.MAC{2, 0, 0, 0, 0, 10}, MTU: 9000, StormControl: 20_000},
		&switchcfg.Circuit{Parent: "et-0/1/0:2", Unit: 0, Description: tag("nsc:6", "7"), Service: "ix-tree", Role: switchcfg.RoleLeaf, Filter: "ix-control"},
		&switchcfg.Circuit{Parent: "ae10", Unit: 100, Description: tag("nsc:7", "7"), Match: switchcfg.MatchSingle(switchcfg.TPIDStacked, 100), Service: "ix-lan", Filter: "ix-ae10.100", RateIn: 100_000, RateOut: 10_000_000, MACLimit: 2},
		&switchcfg.Circuit{Parent: "ae10", Unit: 200, Description: tag("nsc:9", "7"), Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, 200), Service: "ix-tree", Role: switchcfg.RoleRoot},
		&switchcfg.Circuit{Parent: "xe-0/0/3", Unit: 7, Description: tag("nsc:8", "7"), Shutdown: true, Match: switchcfg.MatchDouble(switchcfg.TPIDService, 200, 7), Service: "ix-line"},
	)
	return s
}

// edited returns a copy of a state after an edit.
func edited(s switchcfg.State, edit func(switchcfg.State)) switchcfg.State {
	out := make(switchcfg.State, len(s))
	for k, o := range s {
		out[k] = o
	}
	edit(out)
	return out
}

// with puts a changed copy of an object into a state.
func with[T any, P interface {
	*T
	switchcfg.Object
}](s switchcfg.State, key string, change func(P)) {
	k, err := switchcfg.ParseKey(key)
	if err != nil {
		panic(err)
	}
	o := *s[k].(P)
	change(&o)
	delete(s, k)
	s.Put(P(&o))
}

func without(s switchcfg.State, keys ...string) {
	for _, key := range keys {
		k, err := switchcfg.ParseKey(key)
		if err != nil || s[k] == nil {
			panic(key)
		}
		delete(s, k)
	}
}

// transition is one step of a switch from state to state.
type transition struct {
	name          string
	before, after switchcfg.State
}

func transitions() []transition {
	s := sample()
	out := []transition{{"full", nil, s}, {"nothing", s, nil}}
	step := func(name string, edit func(switchcfg.State)) {
		out = append(out, transition{name, s, edited(s, edit)})
	}
	// What tools for configuration get wrong.
	step("filter-grows", func(s switchcfg.State) {
		with(s, "filter ix-ae10.100", func(f *switchcfg.Filter) {
			f.Sources = []switchcfg.MAC{{2, 0, 0, 0x12, 0x34, 0x56}, {2, 0, 0, 0x12, 0x34, 0x57}, {2, 1, 0, 0x12, 0x34, 0x56}}
		})
		with(s, "filter ix-nobody", func(f *switchcfg.Filter) { f.Sources = []switchcfg.MAC{{2, 0, 0, 0, 0, 1}} })
	})
	two := edited(s, func(s switchcfg.State) {
		s.Put(&switchcfg.Circuit{Parent: "ae10", Unit: 300, Description: tag("nsc:12", "7"), Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, 300), Service: "ix-lan", Filter: "ix-control"})
	})
	out = append(out, transition{"vlans-swap", two, edited(two, func(s switchcfg.State) {
		with(s, "circuit ae10.200", func(c *switchcfg.Circuit) { c.Match.Outer = 300 })
		with(s, "circuit ae10.300", func(c *switchcfg.Circuit) { c.Match.Outer = 200 })
	})})
	trunk := func(first, last switchcfg.VLANID) switchcfg.State {
		return edited(s, func(s switchcfg.State) {
			for v := first; v <= last; v++ {
				s.Put(&switchcfg.Service{Name: "ix-lan-" + string(rune('a'+v-30)), Description: tag("ns:1", ""), Type: switchcfg.ServiceLAN, VLAN: v},
					&switchcfg.Circuit{Parent: "ae10", Unit: uint32(v), Description: tag("nsc:1", "7"), Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, v), Service: "ix-lan-" + string(rune('a'+v-30)), Filter: "ix-control"})
			}
		})
	}
	out = append(out, transition{"trunk-range-moves", trunk(30, 40), trunk(31, 41)})
	step("lag-renumbered", func(s switchcfg.State) {
		for _, key := range []string{"circuit ae10.100", "circuit ae10.200"} {
			k, _ := switchcfg.ParseKey(key)
			c := *s[k].(*switchcfg.Circuit)
			c.Parent = "ae20"
			delete(s, k)
			s.Put(&c)
		}
		k, _ := switchcfg.ParseKey("lag ae10")
		l := *s[k].(*switchcfg.LAG)
		l.Name = "ae20"
		delete(s, k)
		s.Put(&l)
	})
	// One attribute after the other.
	step("single-to-double", func(s switchcfg.State) {
		with(s, "circuit ae10.200", func(c *switchcfg.Circuit) { c.Match = switchcfg.MatchDouble(switchcfg.TPIDService, 200, 8) })
	})
	step("tagged-to-untagged", func(s switchcfg.State) {
		without(s, "circuit xe-0/0/3.7")
		s.Put(&switchcfg.Circuit{Parent: "xe-0/0/3", Description: tag("nsc:8", "7"), Service: "ix-line"})
	})
	step("other-service", func(s switchcfg.State) {
		with(s, "circuit ae10.100", func(c *switchcfg.Circuit) { c.Service = "ix-line" })
	})
	step("bare-circuit", func(s switchcfg.State) {
		with(s, "circuit ae10.100", func(c *switchcfg.Circuit) {
			c.Filter, c.RateIn, c.RateOut, c.MACLimit, c.Description = "", 0, 0, 0, ""
		})
	})
	step("root-to-leaf", func(s switchcfg.State) {
		with(s, "circuit ae10.200", func(c *switchcfg.Circuit) { c.Role = switchcfg.RoleLeaf })
	})
	step("lacp-to-static", func(s switchcfg.State) {
		with(s, "lag ae10", func(l *switchcfg.LAG) {
			l.Mode, l.Rate, l.Passive, l.SystemID, l.MinLinks = switchcfg.ModeStatic, "", false, switchcfg.MAC{}, 0
		})
	})
	step("active-and-slow", func(s switchcfg.State) {
		with(s, "lag ae10", func(l *switchcfg.LAG) { l.Rate, l.Passive = switchcfg.RateSlow, false })
	})
	step("member-leaves", func(s switchcfg.State) {
		without(s, "interface xe-0/0/2")
		with(s, "lag ae10", func(l *switchcfg.LAG) { l.Members, l.MinLinks = []string{"xe-0/0/1"}, 1 })
	})
	step("local-line", func(s switchcfg.State) {
		with(s, "service ix-lan", func(v *switchcfg.Service) { v.Type, v.VLAN, v.VNI, v.Peers = switchcfg.ServiceLine, 0, 0, nil })
	})
	step("any-source", func(s switchcfg.State) {
		with(s, "filter ix-ae10.100", func(f *switchcfg.Filter) { f.AnySource, f.Sources = true, nil })
	})
	return out
}

// golden compares a text with a file of testdata, or writes it.
func golden(t *testing.T, name string, files ...txtar.File) {
	t.Helper()
	file := filepath.Join("testdata", name+".txtar")
	got := txtar.Format(&txtar.Archive{Files: files})
	if *rewrite {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", file, d)
	}
}

func TestCommandsAreExactlyTheDifference(t *testing.T) {
	for _, tr := range transitions() {
		t.Run(tr.name, func(t *testing.T) {
			for _, p := range profiles() {
				if p.Name == "ex" {
					continue // the words are those of qfx
				}
				before, after := carried(&p.Capabilities, tr.before), carried(&p.Capabilities, tr.after)
				r := rest{devices: 16, tunnels: true}
				if err := sayable(&p.Capabilities, before, after, r); err != nil {
					t.Fatal(err)
				}
				w := speech(&p.Capabilities)
				golden(t, tr.name+"-"+p.Name, txtar.File{Name: "commands", Data: native(commands(w, before, after, r))})
			}
		})
	}
}

// carried returns what a device can carry of a state.
func carried(c *drivers.Capabilities, s switchcfg.State) switchcfg.State {
	return edited(s, func(s switchcfg.State) {
		for _, k := range s.Keys() {
			switch o := s[k].(type) {
			case *switchcfg.Circuit:
				x := *o
				if !c.RateIn {
					x.RateIn, x.RateOut = 0, 0
				}
				s[k] = &x
			case *switchcfg.Interface:
				x := *o
				if !c.StormControl {
					x.StormControl = 0
				}
				s[k] = &x
			case *switchcfg.LAG:
				x := *o
				if !c.StormControl {
					x.StormControl = 0
				}
				s[k] = &x
			}
			refs := true
			switchcfg.Refs(s[k], func(ref switchcfg.Key) bool { refs = refs && s.Resolves(ref); return true })
			if v, ok := s[k].(*switchcfg.Service); ok && c.ServiceVLAN && v.VLAN == 0 {
				refs = refs && v.Type == switchcfg.ServiceLine
			}
			if c.Carry(s[k]) != nil || !refs {
				delete(s, k)
			}
		}
	})
}

func TestForeignStatementsBecomeWhatTheyAre(t *testing.T) {
	c := profile(t, "mx")
	files, err := filepath.Glob(filepath.Join("testdata", "foreign", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(a.Files) != 2 || a.Files[0].Name != "configuration" || a.Files[1].Name != "state" {
				t.Fatal("want configuration and state")
			}
			got, _, err := parse(&c, append([]byte(base), a.Files[0].Data...))
			if err != nil {
				t.Fatal(err)
			}
			text := got.AppendText(nil)
			if *rewrite {
				a.Files[1].Data = text
				if err := os.WriteFile(file, txtar.Format(a), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(a.Files[1].Data), string(text)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestWhatIsNotUnderstoodIsNeverTakenAway(t *testing.T) {
	c := profile(t, "mx")
	w := speech(&c)
	text := base + `set interfaces xe-0/0/0 gigether-options 802.3ad ae10
set interfaces ae10 description "by hand"
set interfaces ae10 flexible-vlan-tagging
set interfaces ae10 encapsulation flexible-ethernet-services
set interfaces ae10 native-vlan-id 5
set interfaces ae10 unit 100 encapsulation vlan-bridge
set interfaces ae10 unit 100 vlan-id 100
set interfaces ae10 unit 100 family bridge
set bridge-domains core vlan-id 5
set bridge-domains core routing-interface irb.5
set bridge-domains core interface ae10.100
`
	before, r, err := parse(&c, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	after := edited(before, func(s switchcfg.State) { without(s, "circuit ae10.100") })
	if err := sayable(&c, before, after, r); err != nil {
		t.Fatal(err)
	}
	want := "delete bridge-domains core interface ae10.100\ndelete interfaces ae10 unit 100\n"
	if got := native(commands(w, before, after, r)); string(got) != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for _, key := range []string{"lag ae10", "service core"} {
		if err := sayable(&c, before, edited(before, func(s switchcfg.State) { without(s, key) }), r); err == nil {
			t.Errorf("%s goes though it is not understood", key)
		}
	}
	guests := base + "set bridge-domains lan vlan-id 5\nset bridge-domains lan interface vt-0/0/0.7\nset interfaces xe-0/0/1 description mine\n" +
		"set interfaces xe-0/0/1 encapsulation ethernet-bridge\nset interfaces xe-0/0/1 unit 0 family bridge interface-mode access\n"
	if before, r, err = parse(&c, []byte(guests)); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"interface xe-0/0/1", "service lan"} {
		if err := sayable(&c, before, edited(before, func(s switchcfg.State) { without(s, key) }), r); err == nil {
			t.Errorf("%s goes with what is on it", key)
		}
	}
}
