package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
	"github.com/ixagent/ixagent/models/switchcfg/switchcfgtest"
)

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

func TestFreezeIsCheckedAgainstTheInventory(t *testing.T) {
	inv := &config.Inventory{Devices: []*config.Device{{Name: "sw10", Site: "muc"}, {Name: "sw2", Site: "fra"}, {Name: "sw3"}}}
	good := Freeze{Scope: ScopeAll, Why: "fibre works", Who: "noc", Since: noon}
	for _, c := range []struct {
		edit func(*Freeze)
		want string // "" if it is good
	}{
		{func(*Freeze) {}, ""},
		{func(f *Freeze) { f.Name = "x" }, `a freeze of all has no name, and not "x"`},
		{func(f *Freeze) { f.Scope = ScopeSite }, "a freeze of a site needs its name"},
		{func(f *Freeze) { f.Scope, f.Name = ScopeSite, "fra" }, ""},
		{func(f *Freeze) { f.Scope, f.Name = ScopeSite, "ber" }, `the inventory has no site "ber"; it has fra, muc`},
		{func(f *Freeze) { f.Scope, f.Name = ScopeDevice, "sw2" }, ""},
		{func(f *Freeze) { f.Scope, f.Name = ScopeDevice, "fra" }, `the inventory has no device "fra"; it has sw2, sw3, sw10`},
		{func(f *Freeze) { f.Scope, f.Name = ScopeMember, "account:1" }, ""},
		{func(f *Freeze) { f.Scope, f.Name = ScopeMember, "a\n" }, `"a\n" is not the id of an account: it has a character that cannot be printed at 1`},
		{func(f *Freeze) { f.Scope, f.Name = ScopeChange, "7" }, "a change is frozen when it is rolled back, and not before: ixagent rollback 7"},
		{func(f *Freeze) {
			f.Scope, f.Name, f.Device, f.Keys = ScopeChange, "x", "sw1", []switchcfg.Key{{Kind: switchcfg.KindLAG, Name: "lag1"}}
		}, `change "x" cannot be frozen: it is not one of the history`},
		{func(f *Freeze) { f.Scope, f.Name = "port", "x" }, `"port" cannot be frozen: it is none of all, site, device and member`},
		{func(f *Freeze) { f.Why = " " }, "a freeze needs a reason, which is shown with all that it holds"},
		{func(f *Freeze) { f.Why = "a\nb" }, "the reason of a freeze is one line of at most 200 characters"},
		{func(f *Freeze) { f.Why = strings.Repeat("x", 201) }, "the reason of a freeze is one line of at most 200 characters"},
		{func(f *Freeze) { f.Who = "" }, "it is not known who orders the freeze"},
		{func(f *Freeze) { f.Until = noon }, "the freeze would end before it begins"},
	} {
		f := good
		c.edit(&f)
		err := f.Check(inv)
		var order *OrderError
		if got := fmt.Sprint(err); c.want == "" && err != nil || c.want != "" && (got != c.want || !errors.As(err, &order)) {
			t.Errorf("%+v: %v, want %s", f, err, c.want)
		}
	}
}

func TestFreezeHoldsWhatItCovers(t *testing.T) {
	d := &config.Device{Name: "sw1", Site: "fra"}
	long := strings.Repeat("account-", 9)
	lag := switchcfg.Key{Kind: switchcfg.KindLAG, Name: "lag1"}
	of := func(account string, members ...string) plan.Change {
		return plan.Change{Key: lag, Verb: plan.Update, Cause: plan.Cause{Account: account}, Members: members}
	}
	for _, c := range []struct {
		f      Freeze
		change plan.Change
		want   bool
	}{
		{Freeze{Scope: ScopeAll}, of("a"), true},
		{Freeze{Scope: ScopeAll, Until: noon}, of("a"), false},
		{Freeze{Scope: ScopeAll, Until: noon.Add(1)}, of("a"), true},
		{Freeze{Scope: ScopeSite, Name: "fra"}, of("a"), true},
		{Freeze{Scope: ScopeSite, Name: "muc"}, of("a"), false},
		{Freeze{Scope: ScopeDevice, Name: "sw1"}, of("a"), true},
		{Freeze{Scope: ScopeDevice, Name: "fra"}, of("a"), false},
		{Freeze{Scope: ScopeMember, Name: "a"}, of("a"), true},
		{Freeze{Scope: ScopeMember, Name: "a"}, of("b", "a", "c"), true},
		{Freeze{Scope: ScopeMember, Name: "a"}, of("b", "c"), false},
		{Freeze{Scope: ScopeMember, Name: long}, of(switchcfg.NewTag("conn", "1", long).Account), true},
		{Freeze{Scope: ScopeChange, Name: "7", Device: "sw1", Keys: []switchcfg.Key{lag}}, of("a"), true},
		{Freeze{Scope: ScopeChange, Name: "7", Device: "sw2", Keys: []switchcfg.Key{lag}}, of("a"), false},
		{Freeze{Scope: ScopeChange, Name: "7", Device: "sw1", Keys: []switchcfg.Key{{Kind: switchcfg.KindLAG, Name: "lag2"}}}, of("a"), false},
	} {
		if _, held := Freezes(d, []Freeze{c.f}, noon)([]plan.Change{c.change}, nil)[lag]; held != c.want {
			t.Errorf("%+v holds %+v: %v", c.f, c.change, held)
		}
	}
	all := []Freeze{{Scope: ScopeMember, Name: "a", Who: "x", Why: "y"}, {Scope: ScopeSite, Name: "fra", Who: "noc", Why: "fibre works", Until: noon.Add(time.Hour)}}
	want := plan.Hold{Reason: plan.Held, Detail: "site fra is frozen by noc until 2026-01-05T13:00:00Z: fibre works; to end that, run ixagent thaw site fra"}
	if got := Freezes(d, all, noon)([]plan.Change{of("a")}, nil)[lag]; got != want {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestFreezeSurvivesJSON(t *testing.T) {
	f := Freeze{
		Scope: ScopeChange, Name: "7", Device: "sw1", Why: "y", Who: "x", Since: noon, Until: noon.Add(time.Hour),
		Keys: []switchcfg.Key{{Kind: switchcfg.KindCircuit, Name: "lag1", Unit: 7}, {Kind: switchcfg.KindService, Name: "ix-a"}},
	}
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var back Freeze
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(f, back); d != "" {
		t.Errorf("%s\n%s", b, d)
	}
}

func TestProtectedMemberWaitsForAPerson(t *testing.T) {
	long := strings.Repeat("account-", 9)
	g := Protected([]string{"a", long})
	key := switchcfg.Key{Kind: switchcfg.KindLAG, Name: "lag1"}
	for _, c := range []struct {
		change plan.Change
		want   string
	}{
		{plan.Change{Verb: plan.Create, Cause: plan.Cause{Account: "a"}}, ""},
		{plan.Change{Verb: plan.Update, Cause: plan.Cause{Account: "a"}}, "it belongs to a, which is protected (guard.protected)"},
		{plan.Change{Verb: plan.Delete, Cause: plan.Cause{Account: accountOf(long)}}, "it belongs to " + accountOf(long) + ", which is protected (guard.protected)"},
		{plan.Change{Verb: plan.Update, Cause: plan.Cause{Account: "b"}}, ""},
		{plan.Change{Verb: plan.Create, Members: []string{"b", "a"}}, "it disrupts a, which is protected (guard.protected)"},
	} {
		c.change.Key = key
		h, held := g([]plan.Change{c.change}, nil)[key]
		if held != (c.want != "") || held && h != (plan.Hold{Reason: plan.Protected, Detail: c.want}) {
			t.Errorf("%+v: %v, want %q", c.change, h, c.want)
		}
	}
}

func TestDriftIsWhatWasWantedBefore(t *testing.T) {
	service := func(name string, vni uint32) *switchcfg.Service {
		return &switchcfg.Service{Name: name, Type: switchcfg.ServiceLAN, VNI: vni}
	}
	intent := func(objects ...switchcfg.Object) *plan.Intent {
		s := make(switchcfg.State)
		s.Put(objects...)
		return &plan.Intent{State: s}
	}
	settled, now := intent(service("same", 1), service("other", 1), service("gone", 1)), intent(service("same", 1), service("other", 2), service("new", 1))
	for name, want := range map[string]bool{"same": true, "other": false, "gone": false, "new": false, "nobody's": true} {
		c := plan.Change{Key: service(name, 1).Key()}
		if got := Drift(settled, now)(c); got != want {
			t.Errorf("%s: %v", name, got)
		}
		if Drift(nil, now)(c) {
			t.Errorf("%s: is drift, and nothing is known of before", name)
		}
		if !Drift(now, now)(c) {
			t.Errorf("%s: is new, and nothing is", name)
		}
	}
}

// What is taken down and put back for something else is neither drift nor new: it goes with that.
func TestBystanderOfAReplacementIsNotHeldByItself(t *testing.T) {
	tag := switchcfg.NewTag("conn", "1", "a").String()
	old := &switchcfg.LAG{Name: "lag1", Description: tag, Mode: switchcfg.ModeLACP, Rate: switchcfg.RateSlow, Members: []string{"Ethernet1"}, MinLinks: 1}
	made := *old
	made.Mode, made.Rate = switchcfg.ModeStatic, ""
	port := &switchcfg.Interface{Name: "Ethernet1", Description: tag}
	lan := &switchcfg.Service{Name: "ix-a", Description: tag, Type: switchcfg.ServiceLAN, VNI: 7}
	circuit := &switchcfg.Circuit{Parent: "lag1", Unit: 5, Description: tag, Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, 5), Service: "ix-a"}
	observed, wanted := make(switchcfg.State), make(switchcfg.State)
	observed.Put(old, port, lan, circuit)
	wanted.Put(&made, port, lan, circuit)
	in := plan.Input{
		Device: "sw1", Observed: observed, Intent: plan.Intent{State: wanted}, Traits: plan.Traits{LAGModeReplaces: true},
		Scope: &plan.Scope{Ports: map[string]bool{"Ethernet1": true}, LAGPrefix: "lag", LAGFirst: 1, LAGLast: 9},
	}
	settled := &plan.Intent{State: observed}
	in.Guard = HoldDrift(Drift(settled, &in.Intent))
	if p := plan.Build(in); len(p.Withheld) > 0 || len(p.Changes) != 3 {
		t.Errorf("healing is off, and what is new is held:\n%s", p.AppendText(nil))
	}
	in.Guard = HoldIntent(Drift(settled, &in.Intent))
	if p := plan.Build(in); len(p.Changes) > 0 || len(p.Withheld) != 1 || p.Withheld[0].Reason != plan.Approval {
		t.Errorf("what is new is not held alone:\n%s", p.AppendText(nil))
	}
}

func TestHourBoundsWhatTheAgentDoes(t *testing.T) {
	b := Budget{Deletes: 10, Members: 3}
	for _, c := range []struct {
		spent, cost Cost
		want        string
	}{
		{Cost{10, []string{"a", "b", "c"}}, Cost{}, ""},
		{Cost{99, []string{"a", "b", "c", "d"}}, Cost{0, []string{"a"}}, ""},
		{Cost{4, nil}, Cost{6, nil}, ""},
		{Cost{5, nil}, Cost{6, nil}, "6 objects would be deleted, 5 were in the last hour, and 10 may be (limits.max_deletes_per_hour)"},
		{Cost{0, []string{"a", "b"}}, Cost{0, []string{"b", "c"}}, ""},
		{Cost{0, []string{"a", "b"}}, Cost{0, []string{"c", "d"}}, "2 members more would be disrupted, 2 were in the last hour, and 3 may be (limits.max_members_per_hour)"},
	} {
		err := b.Exceeded(c.spent, c.cost)
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
			t.Errorf("%v and %v: %v", c.spent, c.cost, err)
		}
	}
}

// drawn is a situation, and what a switch carries and should carry in it.
type drawn struct {
	Situation
	in      plan.Input
	settled *plan.Intent
}

func draw(t *rapid.T) drawn {
	o := switchcfgtest.Default()
	scope := &plan.Scope{Ports: make(map[string]bool), LAGPrefix: o.LAGPrefix, LAGFirst: 1, LAGLast: 99}
	for _, p := range o.Ports {
		scope.Ports[p] = true
	}
	x := drawn{in: plan.Input{
		Device: "sw1", Scope: scope, Observed: o.State(t, "observed"), Intent: plan.Intent{State: o.State(t, "desired")},
		Traits: plan.Traits{
			Atomic: rapid.Bool().Draw(t, "atomic"), MatchReplaces: rapid.Bool().Draw(t, "match replaces"),
			LAGModeReplaces: rapid.Bool().Draw(t, "mode replaces"), ServiceIsNotMove: rapid.Bool().Draw(t, "service is not move"),
		},
	}}
	if rapid.Bool().Draw(t, "settled") {
		x.settled = &plan.Intent{State: make(switchcfg.State)}
		for k, want := range x.in.Intent.State {
			if rapid.Bool().Draw(t, "settled "+k.String()) {
				x.settled.State[k] = want
			}
		}
	}
	var accounts []string
	var keys []switchcfg.Key
	for _, c := range plan.Build(x.in).Changes {
		if c.Cause.Account != "" && !slices.Contains(accounts, c.Cause.Account) {
			accounts = append(accounts, c.Cause.Account)
		}
		keys = append(keys, c.Key)
	}
	account := func(label string) string {
		return rapid.SampledFrom(append([]string{"nobody"}, accounts...)).Draw(t, label)
	}
	device := &config.Device{Name: "sw1", Site: "fra", Mode: rapid.SampledFrom([]config.Mode{config.Approve, config.Enforce}).Draw(t, "mode")}
	if rapid.Bool().Draw(t, "drift is not healed") {
		device.HealDrift = new(bool)
	}
	w := window(t, nil, rapid.SampledFrom([]string{"11:00", "22:00"}).Draw(t, "window"), "23:00", "UTC")
	w.Disruption = plan.Disruption(rapid.IntRange(0, 4).Draw(t, "class"))
	x.Situation = Situation{
		Device: device, Now: noon, Drift: Drift(x.settled, &x.in.Intent), Spent: Cost{rapid.IntRange(0, 9).Draw(t, "deleted"), []string{account("disrupted")}},
		Remains: func(string, string) bool { return true },
		Config: &config.Config{
			Limits: config.Limits{
				MaxDeletes: rapid.IntRange(0, 30).Draw(t, "deletes"), MaxDeletePercent: 100,
				DeletesPerHour: rapid.IntRange(0, 30).Draw(t, "deletes an hour"), MembersPerHour: rapid.IntRange(0, 9).Draw(t, "members an hour"),
			},
			Policy:    config.Policy{HealDrift: true},
			Inventory: config.Inventory{Devices: []*config.Device{device, {Name: "sw2", TunnelAddress: netip.MustParseAddr("192.0.2.2")}}},
		},
	}
	if rapid.Bool().Draw(t, "windows") {
		x.Config.Guard.Windows = []*config.Window{w}
	}
	if rapid.Bool().Draw(t, "protected") {
		x.Config.Guard.Protected = []string{account("protected member")}
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "freezes") {
		f := Freeze{Scope: ScopeMember, Name: account(fmt.Sprint("frozen member ", i))}
		if len(keys) > 0 && rapid.Bool().Draw(t, "of a change") {
			f = Freeze{Scope: ScopeChange, Name: "7", Device: "sw1", Keys: rapid.SliceOfN(rapid.SampledFrom(keys), 1, 3).Draw(t, "keys")}
		}
		x.Freezes = append(x.Freezes, f)
	}
	return x
}

func (x drawn) build(g plan.Guard) plan.Plan {
	x.in.Guard = g
	return plan.Build(x.in)
}

// What is frozen never changes, whoever wants it to, and what a guard lets pass it would let pass again.
func TestWhatIsFrozenNeverChanges(t *testing.T) {
	held := 0
	rapid.Check(t, func(t *rapid.T) {
		x := draw(t)
		for name, g := range map[string]plan.Guard{"hard": x.Hard(), "soft": x.Soft()} {
			p := x.build(g)
			if err := plan.Prove(x.in.Observed, p); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, p.AppendText(nil))
			}
			if again := g(p.Changes, x.in.Observed); len(again) > 0 {
				t.Fatalf("%s: let pass, and held when asked again: %v\n%s", name, again, p.AppendText(nil))
			}
			for _, c := range p.Changes {
				for _, f := range x.Freezes {
					if f.Scope == ScopeMember && (c.Cause.Account == f.Name || slices.Contains(c.Members, f.Name)) || slices.Contains(f.Keys, c.Key) {
						t.Fatalf("%s: %s is frozen by %s\n%s", name, c.Key, f, p.AppendText(nil))
					}
				}
			}
			if slices.ContainsFunc(p.Withheld, func(w plan.Withheld) bool { return w.Reason == plan.Held }) {
				held++
			}
		}
	})
	if held < 10 {
		t.Errorf("only %d plans held something that is frozen", held)
	}
}

// What the agent does by itself keeps every rule that a person can make.
func TestAgentByItselfKeepsEveryRule(t *testing.T) {
	reasons := make(map[plan.Reason]int)
	rapid.Check(t, func(t *rapid.T) {
		x := draw(t)
		p := x.build(x.Soft())
		for _, w := range p.Withheld {
			reasons[w.Reason]++
		}
		if err := BudgetOf(x.Config.Limits).Exceeded(x.Spent, CostOf(p.Changes)); err != nil {
			t.Fatalf("%v\n%s", err, p.AppendText(nil))
		}
		after, err := plan.Apply(x.in.Observed, p.Changes)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range plan.Diff(x.in.Observed, after) {
			drift := x.settled != nil
			if drift {
				then, was := x.settled.State[d.Key]
				now, is := x.in.Intent.State[d.Key]
				drift = was == is && (!is || switchcfg.Equal(then, now))
			}
			if drift && x.Device.HealDrift != nil {
				t.Fatalf("%s is drift, and is healed\n%s", d.Key, p.AppendText(nil))
			}
			if !drift && x.Device.Mode == config.Approve {
				t.Fatalf("%s is new, and nobody approved it\n%s", d.Key, p.AppendText(nil))
			}
		}
		for _, c := range p.Changes {
			for _, w := range x.Config.Guard.Windows {
				if w.From > 12*60 && c.Disruption >= w.Disruption {
					t.Fatalf("%s disrupts %s, and the window is shut\n%s", c.Key, c.Disruption, p.AppendText(nil))
				}
			}
			for _, a := range x.Config.Guard.Protected {
				if slices.Contains(c.Members, a) {
					t.Fatalf("%s disrupts %s, which is protected\n%s", c.Key, a, p.AppendText(nil))
				}
			}
		}
	})
	for _, r := range []plan.Reason{plan.Held, plan.Window, plan.Protected, plan.Drift, plan.Approval, plan.Limited} {
		if reasons[r] < 10 {
			t.Errorf("only %d changes were withheld for %s: the law says little", reasons[r], r)
		}
	}
}

func TestApprovalEndsAfterADay(t *testing.T) {
	a := Approval{At: noon}
	if !a.InForce(noon) || !a.InForce(noon.Add(24*time.Hour-1)) || a.InForce(noon.Add(24*time.Hour)) {
		t.Error("it does not last a day")
	}
}
