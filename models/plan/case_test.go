package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/ixagent/ixagent/models/switchcfg"
	"github.com/ixagent/ixagent/models/switchcfg/switchcfgtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func mark(kind, id, account string) string { return switchcfg.NewTag(kind, id, account).String() }

func state(objects ...switchcfg.Object) switchcfg.State {
	s := make(switchcfg.State)
	s.Put(objects...)
	return s
}

func port(name string) *switchcfg.Interface {
	return &switchcfg.Interface{Name: name, Description: mark("port", name, "")}
}

func lag(name, conn string, members ...string) *switchcfg.LAG {
	return &switchcfg.LAG{Name: name, Description: mark("conn", conn, "acct-"+conn), Mode: switchcfg.ModeLACP, Rate: switchcfg.RateSlow, Members: members, MinLinks: 1}
}

func circuit(parent string, unit uint32, nsc string, m switchcfg.Match, service, filter string) *switchcfg.Circuit {
	return &switchcfg.Circuit{Parent: parent, Unit: unit, Description: mark("nsc", nsc, "acct-"+nsc), Match: m, Service: service, Filter: filter}
}

func lan(name string) *switchcfg.Service {
	return &switchcfg.Service{Name: switchcfg.Prefix + name, Description: mark("ns", name, ""), Type: switchcfg.ServiceLAN}
}

func single(v switchcfg.VLANID) switchcfg.Match {
	return switchcfg.MatchSingle(switchcfg.TPIDCustomer, v)
}

func filter(name string, macs ...byte) *switchcfg.Filter {
	f := &switchcfg.Filter{Name: switchcfg.Prefix + name}
	for _, m := range macs {
		f.Sources = append(f.Sources, switchcfg.MAC{2, 0, 0, 0, 0, m})
	}
	return f
}

// cases are pairs of states that tools get wrong: each is a story of one line.
func cases() map[string]struct {
	story            string
	observed, wanted switchcfg.State
	edit             func(*Input)
} {
	type c = struct {
		story            string
		observed, wanted switchcfg.State
		edit             func(*Input)
	}
	two := func(a, b switchcfg.Match) switchcfg.State {
		return state(port("Ethernet1"), lag("lag1", "c1", "Ethernet1"), lan("a"), lan("b"), filter("f"),
			circuit("lag1", 1, "n1", a, "ix-a", "ix-f"), circuit("lag1", 2, "n2", b, "ix-b", "ix-f"))
	}
	shifted := func(from switchcfg.VLANID) switchcfg.State {
		s := state(port("Ethernet1"), lag("lag1", "c1", "Ethernet1"), filter("f"))
		for i := range switchcfg.VLANID(4) {
			name := string('a' + rune(i))
			s.Put(lan(name), circuit("lag1", uint32(i)+1, "n"+name, single(from+i), "ix-"+name, "ix-f"))
		}
		return s
	}
	renumbered := func(name string) switchcfg.State {
		return state(port("Ethernet1"), port("Ethernet2"), lag(name, "c1", "Ethernet1", "Ethernet2"), lan("a"), lan("b"), filter("f"),
			circuit(name, 100, "n1", single(100), "ix-a", "ix-f"), circuit(name, 200, "n2", single(200), "ix-b", "ix-f"))
	}
	filtered := func(f *switchcfg.Filter) switchcfg.State {
		return state(port("Ethernet1"), lan("a"), f, circuit("Ethernet1", 0, "n1", switchcfg.MatchUntagged(), "ix-a", f.Name))
	}
	ethertype := func(t switchcfg.TPID) switchcfg.State {
		p := port("Ethernet1")
		p.TPID = t
		return state(p, lan("a"), filter("f"), circuit("Ethernet1", 1, "n1", switchcfg.MatchDouble(t, 10, 20), "ix-a", "ix-f"))
	}
	line := func(ends ...string) switchcfg.State {
		svc := lan("l")
		svc.Type = switchcfg.ServiceLine
		s := state(svc, filter("f"))
		for _, e := range ends {
			s.Put(port(e), circuit(e, 0, "n-"+e, switchcfg.MatchUntagged(), "ix-l", "ix-f"))
		}
		return s
	}
	typed := func(t switchcfg.ServiceType) switchcfg.State {
		s := line("Ethernet1", "Ethernet2")
		svc := lan("l")
		svc.Type = t
		s.Put(svc)
		return s
	}
	across := func(peer string) switchcfg.State {
		svc := lan("l")
		svc.Type, svc.VNI, svc.Peers = switchcfg.ServiceLine, 5000, []netip.Addr{netip.MustParseAddr(peer)}
		return state(svc, filter("f"), port("Ethernet1"), circuit("Ethernet1", 0, "n1", switchcfg.MatchUntagged(), "ix-l", "ix-f"))
	}
	moved := func(members ...[]string) switchcfg.State {
		s := state()
		for _, n := range []string{"Ethernet1", "Ethernet2", "Ethernet3"} {
			s.Put(port(n))
		}
		for i, m := range members {
			s.Put(lag("lag"+string('1'+rune(i)), "c"+string('1'+rune(i)), m...))
		}
		return s
	}
	byHand := func(o switchcfg.Object) switchcfg.Object { return foreign(o) }
	without := func(s switchcfg.State, keys ...switchcfg.Key) switchcfg.State {
		for _, k := range keys {
			delete(s, k)
		}
		return s
	}
	lagKey := switchcfg.Key{Kind: switchcfg.KindLAG, Name: "lag1"}
	return map[string]c{
		"swap-vlans":         {"two circuits of one LAG swap their VLANs", two(single(100), single(200)), two(single(200), single(100)), nil},
		"swap-vlans-atomic":  {"the same on a device that makes all changes at once", two(single(100), single(200)), two(single(200), single(100)), func(in *Input) { in.Traits.Atomic = true }},
		"dot1q-to-qinq":      {"a dot1q VLAN becomes the outer VLAN of another circuit", two(single(100), single(200)), two(single(300), switchcfg.MatchDouble(switchcfg.TPIDCustomer, 100, 7)), nil},
		"range-moved-by-one": {"VLANs 30 to 33 become 31 to 34", shifted(30), shifted(31), nil},
		"lag-renumbered":     {"a LAG gets another number under its circuits", renumbered("lag10"), renumbered("lag11"), nil},
		"filter-renumbered":  {"a MAC filter gets another name: never an unfiltered moment", filtered(filter("f1", 1, 2)), filtered(filter("f2", 1, 2)), nil},
		"mac-replaced":       {"a member's MAC address changes", filtered(filter("f1", 1, 2)), filtered(filter("f1", 1, 3)), nil},
		"ethertype-changes":  {"the outer ethertype of a port changes: its circuits make way", ethertype(switchcfg.TPIDCustomer), ethertype(switchcfg.TPIDService), nil},
		"line-end-moves":     {"one end of a line moves to another port: never three ends", line("Ethernet1", "Ethernet2"), line("Ethernet1", "Ethernet3"), nil},
		"line-goes-remote":   {"a local line becomes one to another switch", line("Ethernet1", "Ethernet2"), across("192.0.2.2"), nil},
		"service-type":       {"a line becomes a LAN: it is made anew with its circuits", typed(switchcfg.ServiceLine), typed(switchcfg.ServiceLAN), nil},
		"member-moves":       {"a port moves from one LAG to another", moved([]string{"Ethernet1", "Ethernet2"}, []string{"Ethernet3"}), moved([]string{"Ethernet1"}, []string{"Ethernet2", "Ethernet3"}), nil},
		"members-swap":       {"two LAGs of one member each swap them", moved([]string{"Ethernet1"}, []string{"Ethernet2"}), moved([]string{"Ethernet2"}, []string{"Ethernet1"}), nil},
		"standalone-to-lag":  {"a port with a circuit becomes a LAG", line("Ethernet1"), func() switchcfg.State { s := renumbered("lag10"); return s }(), nil},
		"foreign-circuit": {"somebody else's subinterface holds the VLAN: a conflict, and others go on", func() switchcfg.State {
			s := two(single(100), single(200))
			s.Put(byHand(circuit("lag1", 9, "x", single(300), "ix-a", "")).(*switchcfg.Circuit))
			return without(s, switchcfg.Key{Kind: switchcfg.KindCircuit, Name: "lag1", Unit: 2})
		}(), two(single(101), single(300)), nil},
		"foreign-lag": {"the LAG number is taken by somebody else: it and its circuits wait", func() switchcfg.State { s := state(); s.Put(byHand(lag("lag10", "x", "Ethernet9"))); return s }(), renumbered("lag10"), nil},
		"foreign-lag-adopted": {"the same, where the inventory allows adoption", func() switchcfg.State {
			s := state(port("Ethernet9"))
			s.Put(byHand(lag("lag10", "x", "Ethernet9")))
			return s
		}(), renumbered("lag10"), func(in *Input) { in.Scope.Adopt = true }},
		"nobody-else-removed": {"what somebody else made is not removed", state(byHand(lan("a")), port("Ethernet1")), state(port("Ethernet1")), nil},
		"used-by-foreigner": {"a LAG that a foreign circuit stands on is not removed", func() switchcfg.State {
			s := renumbered("lag10")
			s.Put(byHand(circuit("lag10", 7, "x", single(7), "ix-a", "")))
			return s
		}(), state(), nil},
		"frozen-connection": {"a connection in an unknown state keeps everything on it", renumbered("lag1"), state(), func(in *Input) {
			in.Intent.Frozen = []Freeze{{Key: lagKey, Under: true, Why: "connection c1 is in unknown state \"limbo\"", Cause: Cause{Record: "connection c1", Account: "acct-c1"}}}
		}},
		"frozen-record": {"a config in state error keeps the circuit it made", two(single(100), single(200)), two(single(100), single(300)), func(in *Input) {
			in.Intent.Frozen = []Freeze{{Record: "nsc:n2", Why: "network-service-config n2 is in state error"}}
		}},
		"guard-limit": {"a guard holds all deletions", renumbered("lag1"), state(port("Ethernet1")), func(in *Input) {
			in.Guard = func(changes []Change, _ switchcfg.State) map[switchcfg.Key]Hold {
				out := make(map[switchcfg.Key]Hold)
				for _, c := range changes {
					if c.Verb == Delete {
						out[c.Key] = Hold{Limited, "7 deletions, at most 2 a pass"}
					}
				}
				return out
			}
		}},
		"guard-bystander": {"a guard holds what is only taken down for another: that waits, too", renumbered("lag1"), func() switchcfg.State {
			s := renumbered("lag1")
			l := lag("lag1", "c1", "Ethernet1", "Ethernet2")
			l.Mode, l.Rate = switchcfg.ModeStatic, ""
			s.Put(l)
			return s
		}(), func(in *Input) {
			in.Traits.LAGModeReplaces = true
			in.Guard = func(changes []Change, _ switchcfg.State) map[switchcfg.Key]Hold {
				out := make(map[switchcfg.Key]Hold)
				for _, c := range changes {
					if c.Key.Kind == switchcfg.KindCircuit {
						out[c.Key] = Hold{Held, "frozen by noc"}
					}
				}
				return out
			}
		}},
		"move-to-a-taken-vlan": {
			"a circuit moves to a VLAN that somebody else holds: it stays where it is", state(port("Ethernet1"), lan("a"), filter("f"),
				circuit("Ethernet1", 100, "n1", single(100), "ix-a", "ix-f"), byHand(circuit("Ethernet1", 7, "x", single(200), "ix-a", ""))),
			state(port("Ethernet1"), lan("a"), filter("f"), circuit("Ethernet1", 200, "n1", single(200), "ix-a", "ix-f")), nil,
		},
		"handed-on-circuit-waits": {
			"a circuit becomes another member's and cannot join its service: its filter stays the first one's", state(port("Ethernet1"), lan("a"), filter("Ethernet1.100", 1),
				circuit("Ethernet1", 100, "n1", single(100), "ix-a", "ix-Ethernet1.100"), byHand(lan("b"))),
			state(port("Ethernet1"), lan("a"), lan("b"), filter("Ethernet1.100", 2), circuit("Ethernet1", 100, "n2", single(100), "ix-b", "ix-Ethernet1.100")), nil,
		},
		"moves-to-a-frozen-circuit": {
			"a config is to have the circuit of another one, which is frozen: it keeps its own", state(port("Ethernet1"), lan("a"), filter("f"),
				circuit("Ethernet1", 100, "n1", single(100), "ix-a", "ix-f"), circuit("Ethernet1", 200, "n2", single(200), "ix-a", "ix-f")),
			state(port("Ethernet1"), lan("a"), filter("f"), circuit("Ethernet1", 100, "n2", single(100), "ix-a", "ix-f")), func(in *Input) {
				in.Intent.Frozen = []Freeze{{Record: "nsc:n1", Why: "network-service-config n1 has a MAC that the exchange does not list"}}
			},
		},
		"half-of-a-swap": {
			"two configs swap circuits, and one of these is held: neither moves", state(port("Ethernet1"), lan("a"), filter("f"),
				circuit("Ethernet1", 100, "n1", single(100), "ix-a", "ix-f"), circuit("Ethernet1", 200, "n2", single(200), "ix-a", "ix-f")),
			state(port("Ethernet1"), lan("a"), filter("f"), circuit("Ethernet1", 100, "n2", single(100), "ix-a", "ix-f"),
				circuit("Ethernet1", 200, "n1", single(200), "ix-a", "ix-f")), func(in *Input) {
				in.Guard = func([]Change, switchcfg.State) map[switchcfg.Key]Hold {
					return map[switchcfg.Key]Hold{{Kind: switchcfg.KindCircuit, Name: "Ethernet1", Unit: 100}: {Limited, "too many"}}
				}
			},
		},
		"opaque": {"what the model cannot express is in the way", state(port("Ethernet1"), &switchcfg.Opaque{At: switchcfg.Key{Kind: switchcfg.KindCircuit, Name: "Ethernet1", Unit: 100}, Why: "it matches a range of VLANs", Text: []string{"single-tagged-range 100..200"}}), state(port("Ethernet1"), lan("a"), filter("f"), circuit("Ethernet1", 100, "n1", single(100), "ix-a", "ix-f")), nil},
		"lag-mode": {"static becomes LACP where the device must make the LAG anew", renumbered("lag1"), func() switchcfg.State {
			s := renumbered("lag1")
			l := lag("lag1", "c1", "Ethernet1", "Ethernet2")
			l.Mode, l.Rate = switchcfg.ModeStatic, ""
			s.Put(l)
			return s
		}(), func(in *Input) { in.Traits.LAGModeReplaces = true }},
		"services-swap-vlan": {"two services swap the VLANs in which they cross the fabric", vlans(100, 200), vlans(200, 100), nil},
	}
}

func vlans(a, b switchcfg.VLANID) switchcfg.State {
	x, y := lan("a"), lan("b")
	x.VLAN, y.VLAN = a, b
	return state(port("Ethernet1"), x, y, filter("f"), circuit("Ethernet1", 1, "n1", single(10), "ix-a", "ix-f"), circuit("Ethernet1", 2, "n2", single(20), "ix-b", "ix-f"))
}

func TestCasesThatToolsGetWrong(t *testing.T) {
	var got txtar.Archive
	all := cases()
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c := all[name]
		o := switchcfgtest.Default()
		in := Input{Device: "sw1", Observed: c.observed, Intent: Intent{State: c.wanted}, Scope: testScope(o)}
		if c.edit != nil {
			c.edit(&in)
		}
		p := Build(in)
		if err := Prove(in.Observed, p); err != nil {
			t.Errorf("%s: %v\n%s", name, err, p.AppendText(nil))
		}
		got.Files = append(got.Files, txtar.File{Name: name, Data: append([]byte("# "+c.story+"\n"), p.AppendText(nil)...)})
	}
	path := filepath.Join("testdata", "cases.txtar")
	text := txtar.Format(&got)
	if *update {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, want) {
		t.Errorf("the plans differ (-got +want):\n%s", diff.Diff("got", text, "want", want))
	}
}

func TestStalePlanIsRefused(t *testing.T) {
	c := cases()["swap-vlans"]
	in := Input{Observed: c.observed, Intent: Intent{State: c.wanted}, Scope: testScope(switchcfgtest.Default())}
	p := Build(in)
	changed := state()
	for k, o := range c.observed {
		changed[k] = o
	}
	changed.Put(circuit("lag1", 1, "n1", single(111), "ix-a", "ix-f"))
	if err := Prove(changed, p); !errors.Is(err, ErrStale) {
		t.Errorf("Prove on another state: %v", err)
	}
	if _, err := Apply(changed, p.Changes); !errors.Is(err, ErrStale) {
		t.Errorf("Apply on another state: %v", err)
	}
	if changed.Digest() == p.Basis {
		t.Error("another state has the digest of the basis")
	}
}

func TestChangeOfWhatIsNotOursIsNotPermitted(t *testing.T) {
	scope := testScope(switchcfgtest.Default())
	mine, theirs := port("Ethernet1"), foreign(port("Ethernet1"))
	for _, c := range []struct {
		what   string
		change Change
		want   bool
	}{
		{"create", Change{Verb: Create, Key: mine.Key(), After: mine}, true},
		{"update", Change{Verb: Update, Key: mine.Key(), Before: mine, After: mine}, true},
		{"delete", Change{Verb: Delete, Key: mine.Key(), Before: mine}, true},
		{"create outside", Change{Verb: Create, Key: port("Ethernet99").Key(), After: port("Ethernet99")}, false},
		{"update foreign", Change{Verb: Update, Key: mine.Key(), Before: theirs, After: mine}, false},
		{"delete foreign", Change{Verb: Delete, Key: mine.Key(), Before: theirs}, false},
		{"update opaque", Change{Verb: Update, Key: mine.Key(), Before: &switchcfg.Opaque{At: mine.Key()}, After: mine}, false},
	} {
		if err := scope.Permit(c.change); (err == nil) != c.want {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	scope.Adopt = true
	if err := scope.Permit(Change{Verb: Update, Key: mine.Key(), Before: theirs, After: mine}); err != nil {
		t.Errorf("adoption: %v", err)
	}
	if err := scope.Permit(Change{Verb: Delete, Key: mine.Key(), Before: theirs}); err == nil {
		t.Error("adoption permits a removal")
	}
}

func TestProveRefusesAnUnsafeOrder(t *testing.T) {
	for name, c := range cases() {
		in := Input{Observed: c.observed, Intent: Intent{State: c.wanted}, Scope: testScope(switchcfgtest.Default())}
		p := Build(in)
		if !slices.Contains([]string{"range-moved-by-one", "lag-renumbered", "filter-renumbered", "line-end-moves", "ethertype-changes"}, name) {
			continue
		}
		slices.Reverse(p.Changes)
		if err := Prove(in.Observed, p); err == nil {
			t.Errorf("%s: the reverse of a plan is as good as the plan:\n%s", name, p.AppendText(nil))
		}
	}
}

func TestChangeOfWrongShapeIsRefused(t *testing.T) {
	for _, text := range []string{
		`{"verb":"explode","key":"lag lag1"}`,
		`{"verb":"create","key":"lag lag1"}`,
		`{"verb":"delete","key":"lag lag1","after":{"lag":{"name":"lag1","mode":"lacp","members":["a"]}}}`,
		`{"verb":"create","key":"lag lag2","after":{"lag":{"name":"lag1","mode":"lacp","members":["a"]}}}`,
		`{"verb":"create","key":"lag","after":{"lag":{"name":"lag1","mode":"lacp","members":["a"]}}}`,
		`{"verb":"create","key":"lag lag1","after":{"lag":{"name":"lag1","mode":"lacp","members":["a"],"evil":1}}}`,
		`{"verb":"create","key":"lag lag1","after":{}}`,
	} {
		var c Change
		if err := json.Unmarshal([]byte(text), &c); err == nil {
			t.Errorf("accepted %s", text)
		}
	}
}

func FuzzPlanJSON(f *testing.F) {
	for _, c := range cases() {
		p := Build(Input{Device: "sw1", Observed: c.observed, Intent: Intent{State: c.wanted}, Scope: testScope(switchcfgtest.Default())})
		b, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Plan
		if json.Unmarshal(b, &p) != nil {
			return
		}
		text := string(p.AppendText(nil))
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back Plan
		if err := json.Unmarshal(again, &back); err != nil {
			t.Fatal(err)
		}
		if got := string(back.AppendText(nil)); got != text {
			t.Fatalf("got %s\nwant %s", got, text)
		}
		_ = Prove(make(switchcfg.State), p)
		if strings.Count(text, "\n") == 0 {
			t.Fatal("no text")
		}
	})
}
