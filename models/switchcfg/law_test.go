package switchcfg_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/models/switchcfg"
	"github.com/ixagent/ixagent/models/switchcfg/switchcfgtest"
)

func TestEqualAgreesWithTheText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := switchcfgtest.Default()
		a, b := o.State(t, "a"), o.State(t, "b")
		for k, x := range a {
			y, ok := b[k]
			if !ok {
				continue
			}
			same := bytes.Equal(switchcfg.AppendText(nil, x), switchcfg.AppendText(nil, y))
			if switchcfg.Equal(x, y) != same {
				t.Fatalf("Equal is %v for\n%s%s", !same, switchcfg.AppendText(nil, x), switchcfg.AppendText(nil, y))
			}
		}
		if (a.Digest() == b.Digest()) != a.Equal(b) {
			t.Fatal("digests and Equal disagree")
		}
	})
}

func TestGeneratedStatesAreLegal(t *testing.T) {
	circuits := 0
	rapid.Check(t, func(t *rapid.T) {
		s := switchcfgtest.Default().State(t, "s")
		if faults := switchcfg.Check(s); len(faults) > 0 {
			t.Fatal(faults)
		}
		for k := range s {
			if k.Kind == switchcfg.KindCircuit {
				circuits++
			}
		}
	})
	if circuits < 100 {
		t.Fatalf("only %d circuits in all generated states: the laws would say little", circuits)
	}
}

func TestStateSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := switchcfgtest.Default().State(t, "s")
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back switchcfg.State
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		if !back.Equal(s) {
			t.Fatalf("got %s\nwant %s", back.AppendText(nil), s.AppendText(nil))
		}
	})
}

func TestCheckFindsEveryFault(t *testing.T) {
	port := func(name string) *switchcfg.Interface { return &switchcfg.Interface{Name: name} }
	lan := func(name string) *switchcfg.Service {
		return &switchcfg.Service{Name: name, Type: switchcfg.ServiceLAN}
	}
	single := func(v switchcfg.VLANID) switchcfg.Match { return switchcfg.MatchSingle(switchcfg.TPIDCustomer, v) }
	circuit := func(parent string, unit uint32, m switchcfg.Match, service string) *switchcfg.Circuit {
		return &switchcfg.Circuit{Parent: parent, Unit: unit, Match: m, Service: service}
	}
	lag := func(name string, members ...string) *switchcfg.LAG {
		return &switchcfg.LAG{Name: name, Mode: switchcfg.ModeStatic, Members: members}
	}
	base := []switchcfg.Object{port("p1"), port("p2"), lan("a"), lan("b")}
	service := func(name string, edit func(*switchcfg.Service)) *switchcfg.Service {
		s := lan(name)
		edit(s)
		return s
	}
	for name, c := range map[string]struct {
		add  []switchcfg.Object
		want switchcfg.Rule // "" for legal
	}{
		"legal":                       {[]switchcfg.Object{circuit("p1", 1, single(10), "a"), circuit("p2", 1, single(10), "a")}, ""},
		"same vlan, other ethertype":  {[]switchcfg.Object{circuit("p1", 1, single(10), "a"), circuit("p1", 2, switchcfg.MatchSingle(switchcfg.TPIDService, 10), "b")}, ""},
		"same outer, other inner":     {[]switchcfg.Object{circuit("p1", 1, switchcfg.MatchDouble(switchcfg.TPIDService, 10, 1), "a"), circuit("p1", 2, switchcfg.MatchDouble(switchcfg.TPIDService, 10, 2), "b")}, ""},
		"untagged beside tagged":      {[]switchcfg.Object{circuit("p1", 0, switchcfg.MatchUntagged(), "a"), circuit("p1", 2, single(10), "b")}, ""},
		"no parent":                   {[]switchcfg.Object{circuit("p3", 1, single(10), "a")}, switchcfg.RuleReference},
		"no service":                  {[]switchcfg.Object{circuit("p1", 1, single(10), "c")}, switchcfg.RuleReference},
		"no filter":                   {[]switchcfg.Object{&switchcfg.Circuit{Parent: "p1", Service: "a", Filter: "f"}}, switchcfg.RuleReference},
		"no policer":                  {[]switchcfg.Object{&switchcfg.Circuit{Parent: "p1", Service: "a", RateIn: 1000}}, switchcfg.RuleReference},
		"no member port":              {[]switchcfg.Object{lag("l1", "p9")}, switchcfg.RuleReference},
		"vlan twice":                  {[]switchcfg.Object{circuit("p1", 1, single(10), "a"), circuit("p1", 2, single(10), "b")}, switchcfg.RuleExclusive},
		"dot1q is a qinq outer":       {[]switchcfg.Object{circuit("p1", 1, single(10), "a"), circuit("p1", 2, switchcfg.MatchDouble(switchcfg.TPIDCustomer, 10, 7), "b")}, switchcfg.RuleExclusive},
		"qinq twice":                  {[]switchcfg.Object{circuit("p1", 1, switchcfg.MatchDouble(switchcfg.TPIDService, 10, 7), "a"), circuit("p1", 2, switchcfg.MatchDouble(switchcfg.TPIDService, 10, 7), "b")}, switchcfg.RuleExclusive},
		"s-tag twice":                 {[]switchcfg.Object{circuit("p1", 1, switchcfg.MatchStacked(switchcfg.TPIDService, 10), "a"), circuit("p1", 2, switchcfg.MatchStacked(switchcfg.TPIDService, 10), "b")}, switchcfg.RuleExclusive},
		"s-tag is a single one":       {[]switchcfg.Object{circuit("p1", 1, single(10), "a"), circuit("p1", 2, switchcfg.MatchStacked(switchcfg.TPIDCustomer, 10), "b")}, switchcfg.RuleExclusive},
		"s-tag is a qinq outer":       {[]switchcfg.Object{circuit("p1", 1, switchcfg.MatchDouble(switchcfg.TPIDService, 10, 7), "a"), circuit("p1", 2, switchcfg.MatchStacked(switchcfg.TPIDService, 10), "b")}, switchcfg.RuleExclusive},
		"s-tag beside others":         {[]switchcfg.Object{circuit("p1", 0, switchcfg.MatchUntagged(), "a"), circuit("p1", 1, single(11), "a"), circuit("p1", 2, switchcfg.MatchStacked(switchcfg.TPIDCustomer, 10), "b")}, ""},
		"s-tag with an inner vlan":    {[]switchcfg.Object{circuit("p1", 1, switchcfg.Match{Form: switchcfg.Stacked, TPID: switchcfg.TPIDService, Outer: 10, Inner: 7}, "a")}, switchcfg.RuleValue},
		"s-tag of another ethertype":  {[]switchcfg.Object{&switchcfg.Interface{Name: "p1", TPID: switchcfg.TPIDService}, circuit("p1", 1, switchcfg.MatchStacked(switchcfg.TPIDCustomer, 10), "a")}, switchcfg.RuleTPID},
		"whole port":                  {[]switchcfg.Object{&switchcfg.Interface{Name: "p1", TPID: switchcfg.TPIDService}, circuit("p1", 0, switchcfg.MatchWhole(), "a")}, ""},
		"whole port beside tagged":    {[]switchcfg.Object{circuit("p1", 0, switchcfg.MatchWhole(), "a"), circuit("p1", 1, single(10), "b")}, switchcfg.RuleMember},
		"whole port beside untagged":  {[]switchcfg.Object{circuit("p1", 1, switchcfg.MatchWhole(), "a"), circuit("p1", 0, switchcfg.MatchUntagged(), "b")}, switchcfg.RuleMember},
		"whole port with a vlan":      {[]switchcfg.Object{circuit("p1", 0, switchcfg.Match{Form: switchcfg.Whole, Outer: 10}, "a")}, switchcfg.RuleValue},
		"untagged twice":              {[]switchcfg.Object{circuit("p1", 1, switchcfg.MatchUntagged(), "a"), circuit("p1", 2, switchcfg.MatchUntagged(), "b")}, switchcfg.RuleExclusive},
		"port in two lags":            {[]switchcfg.Object{lag("l1", "p1"), lag("l2", "p1")}, switchcfg.RuleMember},
		"circuit on a member":         {[]switchcfg.Object{lag("l1", "p1"), circuit("p1", 1, single(10), "a")}, switchcfg.RuleMember},
		"two in one lan":              {[]switchcfg.Object{circuit("p1", 1, single(10), "a"), circuit("p1", 2, single(20), "a")}, ""},
		"bridged to itself":           {[]switchcfg.Object{service("a", func(s *switchcfg.Service) { s.Type = switchcfg.ServiceLine }), circuit("p1", 1, single(10), "a"), circuit("p1", 2, single(20), "a")}, switchcfg.RuleSelfLoop},
		"ethertype of another":        {[]switchcfg.Object{&switchcfg.Interface{Name: "p1", TPID: switchcfg.TPIDService}, circuit("p1", 1, single(10), "a")}, switchcfg.RuleTPID},
		"third end":                   {[]switchcfg.Object{service("a", func(s *switchcfg.Service) { s.Type = switchcfg.ServiceLine }), port("p3"), circuit("p1", 1, single(1), "a"), circuit("p2", 1, single(1), "a"), circuit("p3", 1, single(1), "a")}, switchcfg.RuleLineEnds},
		"leaf in a lan":               {[]switchcfg.Object{&switchcfg.Circuit{Parent: "p1", Service: "a", Role: switchcfg.RoleLeaf}}, switchcfg.RuleRole},
		"no role in a tree":           {[]switchcfg.Object{service("a", func(s *switchcfg.Service) { s.Type = switchcfg.ServiceTree }), circuit("p1", 1, single(10), "a")}, switchcfg.RuleRole},
		"two services in a vlan":      {[]switchcfg.Object{service("a", func(s *switchcfg.Service) { s.VLAN = 5 }), service("b", func(s *switchcfg.Service) { s.VLAN = 5 })}, switchcfg.RuleExclusive},
		"two services in a vni":       {[]switchcfg.Object{service("a", func(s *switchcfg.Service) { s.VNI = 5 }), service("b", func(s *switchcfg.Service) { s.VNI = 5 })}, switchcfg.RuleExclusive},
		"below minimum":               {[]switchcfg.Object{&switchcfg.LAG{Name: "l1", Mode: switchcfg.ModeStatic, Members: []string{"p1"}, MinLinks: 2}}, switchcfg.RuleValue},
		"vlan 0":                      {[]switchcfg.Object{circuit("p1", 1, switchcfg.Match{Form: switchcfg.Single, TPID: switchcfg.TPIDCustomer}, "a")}, switchcfg.RuleValue},
		"vlan 4095":                   {[]switchcfg.Object{circuit("p1", 1, single(4095), "a")}, switchcfg.RuleValue},
		"unknown ethertype":           {[]switchcfg.Object{circuit("p1", 1, switchcfg.MatchSingle(0x9200, 10), "a")}, switchcfg.RuleValue},
		"multicast source":            {[]switchcfg.Object{&switchcfg.Filter{Name: "f", Sources: []switchcfg.MAC{{1}}}}, switchcfg.RuleValue},
		"lacp attributes on a static": {[]switchcfg.Object{&switchcfg.LAG{Name: "l1", Mode: switchcfg.ModeStatic, Rate: switchcfg.RateFast, Members: []string{"p1"}}}, switchcfg.RuleValue},
		"lacp without a rate":         {[]switchcfg.Object{&switchcfg.LAG{Name: "l1", Mode: switchcfg.ModeLACP, Members: []string{"p1"}}}, switchcfg.RuleValue},
	} {
		s := make(switchcfg.State)
		s.Put(base...)
		s.Put(c.add...)
		faults := switchcfg.Check(s)
		if c.want == "" {
			if len(faults) > 0 {
				t.Errorf("%s: %v", name, faults)
			}
			continue
		}
		if !slices.ContainsFunc(faults, func(v switchcfg.Violation) bool { return v.Rule == c.want && v.Text != "" }) {
			t.Errorf("%s: got %v, want rule %q", name, faults, c.want)
		}
	}
}

func TestTextFormsRoundTrip(t *testing.T) {
	for _, k := range []switchcfg.Key{{Kind: switchcfg.KindLAG, Name: "Port-Channel10"}, {Kind: switchcfg.KindCircuit, Name: "ethernet-1/1.5", Unit: 4000007}, {Kind: switchcfg.KindService, Name: "peering lan"}} {
		got, err := switchcfg.ParseKey(k.String())
		if err != nil || got != k {
			t.Errorf("%v: got %v, %v", k, got, err)
		}
	}
	for _, m := range []switchcfg.Match{switchcfg.MatchUntagged(), switchcfg.MatchSingle(0x88a8, 1), switchcfg.MatchDouble(0x9100, 4094, 7), switchcfg.MatchStacked(0x88a8, 100), switchcfg.MatchWhole()} {
		var got switchcfg.Match
		if err := got.UnmarshalText([]byte(m.String())); err != nil || got != m {
			t.Errorf("%v: got %v, %v", m, got, err)
		}
	}
}

func TestNamesAreOrderedAsAPersonCounts(t *testing.T) {
	want := []string{"Ethernet1", "Ethernet1/2", "Ethernet2", "Ethernet9/1", "Ethernet010", "Ethernet10", "lag1", "xe-0/0/2", "xe-0/0/10"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, switchcfg.CompareNames)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMarkHoldsOnlySafeCharacters(t *testing.T) {
	seen := make(map[string]string)
	for _, id := range []string{"1042", "IX:Service:23042", "QWNjb3VudDo0Mg==", "a b/c", "a/b c", "a b/c ", "", "x\nreload now", strings.Repeat("é", 400), strings.Repeat("9", 80), strings.Repeat("9", 81), "ends in:", "42 acct:7"} {
		tag := switchcfg.NewTag("nsc", id, id)
		d := tag.String()
		if len(d) > switchcfg.MaxDescription {
			t.Errorf("%q: %d bytes", id, len(d))
		}
		for _, r := range d {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._:/@+=()-", r) {
				t.Errorf("%q: %q in %q", id, r, d)
			}
		}
		if strings.ContainsAny(d[len(d)-1:], "#>$%]:") && id != "" {
			t.Errorf("%q ends like a prompt", d)
		}
		if back, ok := switchcfg.ParseTag(d); !ok || back != tag {
			t.Errorf("%q: got %v, %v", d, back, ok)
		}
		if other, dup := seen[d]; dup {
			t.Errorf("%q and %q have one mark", id, other)
		}
		seen[d] = id
	}
	for _, d := range []string{"", "Customer ixagent nsc:1", "ixagent ", "ixagent a b c"} {
		if tag, ok := switchcfg.ParseTag(d); ok {
			t.Errorf("%q is a mark: %v", d, tag)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("untagged")
	f.Add("dot1q 0x8100 100")
	f.Add("qinq 0x88a8 100.7")
	f.Add("qinq 0x88a8 100.*")
	f.Add("port")
	f.Add("\x98 0X88A8 0")
	f.Fuzz(func(t *testing.T, s string) {
		var m switchcfg.Match
		if m.UnmarshalText([]byte(s)) == nil && m.String() != s {
			t.Fatalf("%q reads as %q", s, m)
		}
	})
}

func FuzzMAC(f *testing.F) {
	f.Add("02:00:00:00:00:01")
	f.Add("0200.0000.0001")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := switchcfg.ParseMAC(s)
		if err != nil {
			return
		}
		if again, err := switchcfg.ParseMAC(m.String()); err != nil || again != m {
			t.Fatalf("%q reads as %v, which reads as %v", s, m, again)
		}
	})
}

func FuzzObjectJSON(f *testing.F) {
	f.Add([]byte(`{"circuit":{"parent":"lag1","unit":1,"match":"dot1q 0x8100 100","service":"a"}}`))
	f.Add([]byte(`{"lag":{"name":"l","members":["b","a"],"mode":"lacp","rate":"slow","system_id":"02:00:00:00:00:01"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var a switchcfg.Any
		if json.Unmarshal(b, &a) != nil || a.Object == nil {
			return
		}
		_ = switchcfg.Validate(a.Object)
		out, err := json.Marshal(a)
		if err != nil {
			return // a value no text form exists for
		}
		var back switchcfg.Any
		if err := json.Unmarshal(out, &back); err != nil || !switchcfg.Equal(a.Object, back.Object) {
			t.Fatalf("%s: %v", out, err)
		}
	})
}
