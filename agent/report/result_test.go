package report

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/secret"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// world is an exchange with connection 1, a LAG of ports 11 and 12 on sw1, and config 2 on it, with a filter.
type world struct {
	*Reporter
	compiled Compiled
	intent   *plan.Intent
	passes   int
}

func lag() *switchcfg.LAG {
	return &switchcfg.LAG{Name: "lag1", Description: "ixagent conn:1 acct:17", Mode: switchcfg.ModeLACP, Members: []string{"e1", "e2"}}
}

func circuit(id string, vlan switchcfg.VLANID) *switchcfg.Circuit {
	return &switchcfg.Circuit{
		Parent: "lag1", Unit: uint32(vlan), Description: "ixagent nsc:" + id + " acct:17", Service: "peering", Filter: switchcfg.Prefix + switchcfg.CircuitName("lag1", uint32(vlan)),
		Match: switchcfg.Match{Form: switchcfg.Single, TPID: 0x8100, Outer: vlan},
	}
}

func intent(objects ...switchcfg.Object) *plan.Intent {
	in := &plan.Intent{State: make(switchcfg.State)}
	in.State.Put(objects...)
	return in
}

func whole() *plan.Intent {
	c := circuit("2", 100)
	return intent(
		&switchcfg.Interface{Name: "e1", Description: "ixagent port:11 acct:17"}, &switchcfg.Interface{Name: "e2", Description: "ixagent port:12 acct:17"},
		lag(), c, &switchcfg.Filter{Name: c.Filter},
	)
}

func records(connection, config ixapi.State) *ixapi.Records {
	return &ixapi.Records{
		Connections:           []ixapi.Connection{{ID: "1", State: connection, ConsumingAccount: "17", Ports: []ixapi.ID{"11", "12"}}},
		NetworkServiceConfigs: []ixapi.NetworkServiceConfig{{ID: "2", State: config, ConsumingAccount: "17", Connection: "1"}},
	}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	r, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Reporter: r, intent: whole()}
	w.compiled = Compiled{Records: records(ixapi.StateProduction, ixapi.StateProduction), Intents: map[string]*plan.Intent{"sw1": w.intent}}
	return w
}

// compile tells of what edit changes.
func (w *world) compile(edit func(*Compiled)) {
	w.compiled.Intents = map[string]*plan.Intent{"sw1": w.intent}
	if edit != nil {
		edit(&w.compiled)
	}
	w.intent = w.compiled.Intents["sw1"]
	w.Compiled(w.compiled)
}

func (w *world) pass(edit func(*Device)) {
	w.passes++
	d := Device{Intent: w.intent, Time: time.Unix(int64(w.passes), 0)}
	if edit != nil {
		edit(&d)
	}
	w.Device("sw1", d)
}

// is returns "state tag, state tag" of connection 1 and config 2.
func (w *world) is() string {
	var out []string
	for _, x := range []Result{must(w.Result(ixapi.Connections, "1")), must(w.Result(ixapi.NetworkServiceConfigs, "2"))} {
		if x.State == "" {
			out = append(out, "unknown")
			continue
		}
		out = append(out, fmt.Sprint(x.State, " ", x.Status[0].Tag))
	}
	return strings.Join(out, ", ")
}

func must(r Result, _ bool) Result { return r }

func refuse(c *Compiled) {
	c.Rejections = []compile.Rejection{{Collection: ixapi.NetworkServiceConfigs, ID: "2", Severity: 4, Tag: compile.TagCollision, Message: "config 2 collides"}}
	c.Intents["sw1"] = intent(slices.DeleteFunc(slices.Collect(maps.Values(whole().State)), func(o switchcfg.Object) bool { return o.Key().Kind >= switchcfg.KindCircuit })...)
}

func left(verb plan.Verb, o switchcfg.Object) plan.Plan {
	c := plan.Change{Verb: verb, Key: o.Key(), After: o}
	if verb == plan.Delete {
		c.Before, c.After = o, nil
	}
	return plan.Plan{Device: "sw1", Changes: []plan.Change{c}}
}

func held(verb plan.Verb, k switchcfg.Key, record string, reason plan.Reason) plan.Plan {
	return plan.Plan{Device: "sw1", Withheld: []plan.Withheld{{Verb: verb, Key: k, Reason: reason, Detail: "12 would be deleted", Cause: plan.Cause{Record: record}}}}
}

func TestResultSaysWhatBecameOfTheRecord(t *testing.T) {
	transient := &drivers.Error{Device: "sw1", Op: "dial", Fault: drivers.Transient, Err: errors.New("no route to host")}
	refused := &drivers.Error{Device: "sw1", Op: "apply", Fault: drivers.Rejected, Err: errors.New("no resources")}
	c := circuit("2", 100)
	for name, x := range map[string]struct {
		steps func(w *world)
		want  string
	}{
		"compiled":  {func(w *world) {}, "pending configuring, pending configuring"},
		"converged": {func(w *world) { w.pass(nil) }, "provisioned provisioned, provisioned provisioned"},
		"mode":      {func(w *world) { w.pass(func(d *Device) { d.Plan, d.Waits = left(plan.Create, c), "mode observe" }) }, "provisioned provisioned, pending waiting"},
		"filter waits": {func(w *world) {
			w.pass(func(d *Device) {
				d.Plan, d.Waits = left(plan.Create, &switchcfg.Filter{Name: c.Filter}), "mode observe"
			})
		}, "provisioned provisioned, pending waiting"},
		"member waits": {func(w *world) {
			w.pass(func(d *Device) {
				d.Plan, d.Waits = left(plan.Update, &switchcfg.Interface{Name: "e2", Description: "ixagent port:12"}), "window"
			})
		}, "pending waiting, provisioned provisioned"},
		"limit":       {func(w *world) { w.pass(func(d *Device) { d.Plan = held(plan.Create, c.Key(), "nsc:2", plan.Limited) }) }, "provisioned provisioned, pending withheld_limit"},
		"unreachable": {func(w *world) { w.pass(func(d *Device) { d.Err = transient }) }, "failed switch_unreachable, failed switch_unreachable"},
		"refused":     {func(w *world) { w.pass(nil); w.pass(func(d *Device) { d.Err, d.Plan = refused, left(plan.Create, c) }) }, "provisioned provisioned, failed switch_refused"},
		"recovered":   {func(w *world) { w.pass(func(d *Device) { d.Err = transient }); w.pass(nil) }, "provisioned provisioned, provisioned provisioned"},
		"down later":  {func(w *world) { w.pass(nil); w.pass(func(d *Device) { d.Err = transient }) }, "provisioned provisioned, provisioned provisioned"},
		"old intent": {func(w *world) {
			old := w.intent
			w.compile(func(c *Compiled) { c.Intents["sw1"] = whole() })
			w.pass(func(d *Device) { d.Intent = old })
		}, "pending configuring, pending configuring"},
		"rejected":       {func(w *world) { w.pass(nil); w.compile(refuse) }, "provisioned provisioned, rejected vlan_collision"},
		"of others":      {func(w *world) { w.compile(func(c *Compiled) { c.Intents["sw1"] = intent() }); w.pass(nil) }, "inactive inactive, inactive inactive"},
		"another device": {func(w *world) { w.pass(nil); w.Device("sw2", Device{Intent: intent(), Err: transient}) }, "provisioned provisioned, provisioned provisioned"},
		"changed, and down": {func(w *world) {
			w.pass(nil)
			w.compile(func(x *Compiled) {
				next := whole()
				changed := circuit("2", 100)
				changed.RateIn = 1000
				next.State.Put(changed)
				x.Intents["sw1"] = next
			})
			w.pass(func(d *Device) { d.Err = transient })
		}, "provisioned provisioned, failed switch_unreachable"},
		"ended": {func(w *world) {
			w.pass(nil)
			w.compile(func(x *Compiled) {
				refuse(x)
				x.Rejections, x.Records = nil, records(ixapi.StateProduction, ixapi.StateDecommissioned)
			})
		}, "provisioned provisioned, pending configuring"},
		"ended, and held": {func(w *world) {
			w.pass(nil)
			w.compile(func(x *Compiled) {
				refuse(x)
				x.Rejections, x.Records = nil, records(ixapi.StateProduction, ixapi.StateDecommissioned)
			})
			w.pass(func(d *Device) { d.Plan = held(plan.Delete, c.Key(), "nsc:2", plan.Limited) })
		}, "provisioned provisioned, pending withheld_limit"},
		"removed": {func(w *world) {
			w.pass(nil)
			w.compile(func(x *Compiled) {
				refuse(x)
				x.Rejections, x.Records = nil, records(ixapi.StateProduction, ixapi.StateArchived)
			})
			w.pass(nil)
		}, "provisioned provisioned, removed removed"},
		"gone": {func(w *world) {
			w.pass(nil)
			w.compile(func(x *Compiled) {
				refuse(x)
				x.Rejections, x.Records = nil, &ixapi.Records{Connections: x.Records.Connections}
			})
			w.pass(nil)
		}, "provisioned provisioned, unknown"},
		"requested again, and kept": {func(w *world) {
			w.pass(nil)
			w.compile(func(x *Compiled) {
				refuse(x)
				x.Rejections, x.Records = nil, records(ixapi.StateProduction, ixapi.StateRequested)
			})
			w.pass(func(d *Device) { d.Plan = held(plan.Delete, c.Key(), "nsc:2", plan.Frozen) })
		}, "provisioned provisioned, inactive inactive"},
	} {
		w := newWorld(t)
		w.compile(nil)
		x.steps(w)
		if got := w.is(); got != x.want {
			t.Errorf("%s: %s, want %s", name, got, x.want)
		}
	}
}

// Results follow from what was compiled last and how the last passes ended, whatever came before.
func TestResultsFollowFromWhatIsSo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		names := []string{"sw1", "sw2"}
		now := Compiled{Records: &ixapi.Records{}, Intents: map[string]*plan.Intent{"sw1": intent(), "sw2": intent()}}
		r.Compiled(now)
		pass := func(name string) Device {
			d := Device{Intent: now.Intents[name], Waits: rapid.SampledFrom([]string{"", "mode observe"}).Draw(t, "waits")}
			unit := 100 + rapid.Uint32Range(0, 4).Draw(t, "left")
			if o, ok := d.Intent.State[switchcfg.Key{Kind: switchcfg.KindCircuit, Name: "lag1", Unit: unit}]; ok {
				d.Plan = left(plan.Create, o)
			}
			return d
		}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			name := rapid.SampledFrom(names).Draw(t, "device")
			if rapid.Bool().Draw(t, "compile") {
				now = Compiled{Records: &ixapi.Records{}, Intents: make(map[string]*plan.Intent)}
				objects := make(map[string][]switchcfg.Object)
				for i := range 5 {
					id := fmt.Sprint(i)
					s := rapid.SampledFrom([]ixapi.State{"", ixapi.StateProduction, ixapi.StateArchived}).Draw(t, "state")
					if s != "" {
						now.Records.NetworkServiceConfigs = append(now.Records.NetworkServiceConfigs, ixapi.NetworkServiceConfig{ID: id, State: s})
					}
					if s != ixapi.StateProduction {
						continue
					}
					on := rapid.SampledFrom([]string{"sw1", "sw2", "nowhere", "rejected"}).Draw(t, "on")
					if on == "rejected" {
						now.Rejections = append(now.Rejections, compile.Rejection{Collection: ixapi.NetworkServiceConfigs, ID: id, Severity: 4, Tag: "no"})
					}
					// Circuits are taken over by other records.
					c := circuit(id, switchcfg.VLANID(100+(i+rapid.IntRange(0, 1).Draw(t, "vlan"))%5))
					objects[on] = append(objects[on], c, &switchcfg.Filter{Name: c.Filter})
				}
				for _, name := range names {
					now.Intents[name] = intent(objects[name]...)
				}
				r.Compiled(now)
				continue
			}
			d := pass(name)
			if rapid.IntRange(0, 3).Draw(t, "down") == 0 {
				d.Err = errors.New("down")
			}
			r.Device(name, d)
		}
		passes := make(map[string]Device)
		for _, name := range names { // as it is in the end
			passes[name] = pass(name)
			r.Device(name, passes[name])
		}
		fresh, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		fresh.Compiled(now)
		for name, d := range passes {
			fresh.Device(name, d)
		}
		for i := range 5 {
			got, _ := r.Result(ixapi.NetworkServiceConfigs, fmt.Sprint(i))
			want, _ := fresh.Result(ixapi.NetworkServiceConfigs, fmt.Sprint(i))
			if d := cmp.Diff(want, got, cmpopts.IgnoreFields(Result{}, "Since"), cmpopts.IgnoreFields(ixapi.StatusMessage{}, "Timestamp"), cmpopts.IgnoreFields(Result{}, "Devices")); d != "" {
				t.Fatalf("config %d (-fresh +got)\n%s", i, d)
			}
		}
	})
}

func TestResultHoldsSinceItBegan(t *testing.T) {
	w := newWorld(t)
	w.compile(nil)
	w.pass(func(d *Device) { d.Err = errors.New("dial tcp 127.0.0.1:40001") })
	first := must(w.Result(ixapi.Connections, "1"))
	w.pass(func(d *Device) { d.Err = errors.New("dial tcp 127.0.0.1:40002") })
	second := must(w.Result(ixapi.Connections, "1"))
	if !second.Since.Equal(first.Since) || !second.Status[0].Timestamp.Equal(first.Since) || !strings.Contains(second.Status[0].Message, "40002") {
		t.Errorf("%+v, then %+v", first, second)
	}
	w.pass(nil)
	if third := must(w.Result(ixapi.Connections, "1")); !third.Since.After(first.Since) {
		t.Errorf("%+v", third)
	}
}

// reporting is a world whose results are posted to a disk.
func reporting(t *testing.T, d *disk) *world {
	t.Helper()
	hook, err := NewWebhook("https://backoffice.example.net/", secret.Text{}, nil, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	if w.Reporter, err = New(Options{Webhook: hook, Store: &process{disk: d}}); err != nil {
		t.Fatal(err)
	}
	return w
}

// told stores what was posted, and returns it.
func (w *world) told(t *testing.T) (out []string) {
	t.Helper()
	for _, n := range w.posted {
		out = append(out, n.Result.Record()+" "+string(n.Result.State))
	}
	if err := w.Store.Post(w.posted, nil); err != nil {
		t.Fatal(err)
	}
	w.posted = nil
	return out
}

func TestOnlyNewsIsReported(t *testing.T) {
	d := newDisk()
	w := reporting(t, d)
	both := []string{"connections/1 provisioned", "network-service-configs/2 provisioned"}
	expect := func(what string, want ...string) {
		t.Helper()
		if got := w.told(t); !slices.Equal(got, want) {
			t.Errorf("%s: told %q, want %q", what, got, want)
		}
	}
	w.compile(nil)
	expect("compiled")
	w.pass(nil)
	expect("converged", both...)
	w.pass(nil)
	w.compile(nil)
	w.pass(nil)
	expect("nothing new")

	w = reporting(t, d)
	w.compile(nil)
	w.pass(func(d *Device) { d.Err = errors.New("down") })
	expect("begun anew while the switch is down")
	w.pass(nil)
	expect("begun anew")

	faster := func(x *Compiled) {
		next := whole()
		changed := circuit("2", 100)
		changed.RateIn = 1000
		next.State.Put(changed)
		x.Intents["sw1"] = next
	}
	w = reporting(t, d)
	w.compile(faster)
	w.pass(nil)
	expect("changed while nobody looked", both[1])
	w.compile(func(x *Compiled) { faster(x); refuse(x) })
	expect("rejected", "network-service-configs/2 rejected")
	w.pass(func(d *Device) { d.Plan = held(plan.Delete, circuit("2", 100).Key(), "nsc:2", plan.Frozen) })
	w.compile(func(x *Compiled) { faster(x); x.Rejections = nil })
	expect("no longer rejected")
	w.pass(nil)
	expect("and configured", "network-service-configs/2 provisioned")
	w.compile(refuse)
	expect("rejected again", "network-service-configs/2 rejected")

	w = reporting(t, d)
	w.compile(func(x *Compiled) {
		refuse(x)
		x.Rejections, x.Records = nil, &ixapi.Records{Connections: x.Records.Connections}
	})
	expect("gone while nobody looked")
	w.pass(nil)
	expect("and nothing stands for it", "network-service-configs/2 removed")
}

func BenchmarkPass(b *testing.B) {
	const circuits = 10_000
	objects := []switchcfg.Object{lag()}
	recs := records(ixapi.StateProduction, ixapi.StateProduction)
	recs.NetworkServiceConfigs = nil
	for i := range circuits {
		id := fmt.Sprint("nsc", i)
		recs.NetworkServiceConfigs = append(recs.NetworkServiceConfigs, ixapi.NetworkServiceConfig{ID: id, State: ixapi.StateProduction})
		c := circuit(id, switchcfg.VLANID(i%4094+1))
		c.Unit = uint32(i)
		objects = append(objects, c)
	}
	in := intent(objects...)
	other := &plan.Intent{State: maps.Clone(in.State)}
	changed := *objects[1].(*switchcfg.Circuit)
	changed.RateIn = 1000
	other.State.Put(&changed)
	begin := func() *Reporter {
		r, err := New(Options{})
		if err != nil {
			b.Fatal(err)
		}
		r.Compiled(Compiled{Records: recs, Intents: map[string]*plan.Intent{"sw1": in}})
		return r
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			begin().Device("sw1", Device{Intent: in})
		}
	})
	b.Run("unchanged", func(b *testing.B) {
		r := begin()
		r.Device("sw1", Device{Intent: in})
		for b.Loop() {
			r.Device("sw1", Device{Intent: in})
		}
	})
	b.Run("one changed", func(b *testing.B) {
		r := begin()
		r.Device("sw1", Device{Intent: in})
		for b.Loop() {
			r.Compiled(Compiled{Records: recs, Intents: map[string]*plan.Intent{"sw1": other}})
			r.Device("sw1", Device{Intent: other})
			in, other = other, in
		}
	})
	b.Run("all fail", func(b *testing.B) {
		r := begin()
		for b.Loop() {
			r.Device("sw1", Device{Intent: r.devices["sw1"].target, Err: errors.New("down")})
		}
	})
}

func TestThatItIsProvisionedIsNewsToAnExchangeThatWaits(t *testing.T) {
	w := newWorld(t)
	state := func(s ixapi.State) ixapi.State {
		w.compile(func(c *Compiled) { c.Records = records(ixapi.StateProduction, s) })
		w.pass(nil)
		if x := w.reported[markOf(ixapi.NetworkServiceConfigs, "2")]; x.State == Provisioned {
			return x.RecordState
		}
		return ""
	}
	for i, step := range []struct{ is, reported ixapi.State }{
		{ixapi.StateTesting, ixapi.StateTesting},
		{ixapi.StateProduction, ixapi.StateTesting},
		{ixapi.StateProductionChangePending, ixapi.StateProductionChangePending},
		{ixapi.StateProduction, ixapi.StateProductionChangePending},
	} {
		if got := state(step.is); got != step.reported {
			t.Errorf("step %d: the latest report is of a record in state %q, want %q", i, got, step.reported)
		}
	}
}
