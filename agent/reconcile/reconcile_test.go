package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const inventory = `
sources: [{name: x, type: file, path: .}]
credentials: {none: {username: x, password: "env:X"}}
inventory:
  devices:
    - {name: sw1, driver: memory, address: 192.0.2.1, credentials: none, mode: enforce, lags: {prefix: lag, range: 1-9},
       ports: [{id: p1, interface: Ethernet1}, {id: p2, interface: Ethernet2}]}
`

func device(t testing.TB, mode config.Mode) *config.Device {
	t.Helper()
	c, err := config.Parse("test.yaml", []byte(strings.Replace(inventory, "enforce", string(mode), 1)), nil, drivers.Registry{"memory": memory.Spec()})
	if err != nil {
		t.Fatal(err)
	}
	return c.Inventory.Devices[0]
}

func mark(kind, id string) string { return switchcfg.NewTag(kind, id, "acct").String() }

// intent has the LAN and one circuit of VLAN v on Ethernet1.
func intent(v switchcfg.VLANID) *plan.Intent {
	s := make(switchcfg.State)
	s.Put(
		&switchcfg.Filter{Name: "ix-control", AnySource: true},
		&switchcfg.Service{Name: "ix-lan", Description: mark("ns", "lan"), Type: switchcfg.ServiceLAN},
		&switchcfg.Interface{Name: "Ethernet1", Description: mark("conn", "c1"), TPID: switchcfg.TPIDCustomer},
		&switchcfg.Circuit{Parent: "Ethernet1", Unit: 1, Description: mark("nsc", "n1"), Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, v), Service: "ix-lan", Filter: "ix-control"},
	)
	return &plan.Intent{State: s}
}

// spoiled does something to the switch right after a change was applied: somebody else types.
type spoiled struct {
	drivers.Driver
	after func()
}

func (s *spoiled) Unwrap() drivers.Driver { return nil }

func (s *spoiled) Apply(ctx context.Context, c []plan.Change) (drivers.Result, error) {
	r, err := s.Driver.Apply(ctx, c)
	s.after()
	return r, err
}

type spoiledConfirmer struct {
	spoiled
	drivers.Confirmer
}

func (s *spoiledConfirmer) ApplyConfirmed(ctx context.Context, id string, w time.Duration, c []plan.Change) (drivers.Result, error) {
	r, err := s.Confirmer.ApplyConfirmed(ctx, id, w, c)
	s.after()
	return r, err
}

func build(t testing.TB, sw *memory.Switch, in *plan.Intent) plan.Plan {
	t.Helper()
	p := Build(device(t, config.Enforce), nil, sw.State(), in, noGuard)
	if len(p.Changes) == 0 || len(p.Withheld) > 0 {
		t.Fatalf("%s", p.AppendText(nil))
	}
	return p
}

// apply has one switch make p real.
func apply(t testing.TB, tx Transaction, d drivers.Driver, p plan.Plan) (Outcome, error) {
	t.Helper()
	part := &Part{Driver: d, Scope: device(t, config.Enforce).Scope(), Plan: p}
	err := tx.Apply(t.Context(), part)
	return part.Outcome, err
}

func names(out Outcome) string {
	var all []string
	for _, p := range out.Phases {
		all = append(all, p.Name)
	}
	return strings.Join(all, " ")
}

func TestTransaction(t *testing.T) {
	// On an object of the agent, and on one that is none of its business.
	by := &switchcfg.Interface{Name: "Ethernet2", Description: mark("conn", "c2")}
	aside := &switchcfg.Interface{Name: "Ethernet9", Description: "by hand"}
	for name, c := range map[string]struct {
		faults memory.Faults
		spoil  switchcfg.Object // that somebody else puts there between apply and verify
		plain  bool             // the switch has no confirmed commits
		stale  bool
		phases string
		fault  drivers.Fault // of the error; "" for none
		made   bool          // the switch has what was planned at the end
		result journal.Result
	}{
		"confirms what it verified":                      {phases: "check apply verify confirm", made: true, result: journal.Confirmed},
		"without confirmed commits it only verifies":     {faults: memory.Faults{Permanent: true}, phases: "check apply verify", made: true, result: journal.Applied},
		"a stale plan is refused before anything":        {stale: true, phases: "check", fault: drivers.Stale, result: journal.Refused},
		"a refused change leaves the switch as it was":   {faults: memory.Faults{Apply: &drivers.Error{Device: "sw1", Op: "apply", Fault: drivers.Rejected, Err: errors.New("no")}}, phases: "check apply", fault: drivers.Rejected, result: journal.Refused},
		"an accepted change that is not made is noticed": {faults: memory.Faults{Ignored: true}, phases: "check apply verify revert", fault: drivers.Rejected, result: journal.Reverted},
		"what is not as planned is taken back":           {spoil: by, phases: "check apply verify revert", fault: drivers.Rejected, result: journal.Reverted},
		"and by the inverse where the switch cannot":     {spoil: by, plain: true, phases: "check apply verify revert", fault: drivers.Rejected, result: journal.Reverted},
		"what others do elsewhere is their affair":       {spoil: aside, phases: "check apply verify confirm", made: true, result: journal.Confirmed},
		"also where it is the switch's word alone":       {spoil: aside, plain: true, phases: "check apply verify", made: true, result: journal.Applied},
		"a lost answer is resolved by looking":           {faults: memory.Faults{Lost: true}, phases: "check apply verify confirm", made: true, result: journal.Confirmed},
	} {
		t.Run(name, func(t *testing.T) {
			sw := memory.New(memory.Capabilities(), nil)
			p := build(t, sw, intent(10))
			if c.stale {
				sw.Put(aside)
			}
			before := sw.State()
			d := sw.Open("sw1")
			confirmer, _ := drivers.As[drivers.Confirmer](d)
			after := func() {
				if c.spoil != nil {
					sw.Put(c.spoil)
				}
			}
			var driver drivers.Driver = &spoiledConfirmer{spoiled{d, after}, confirmer}
			if c.plain {
				driver = &spoiled{d, after}
			}
			if c.faults.Apply != nil || c.faults.Ignored || c.faults.Lost || c.faults.Permanent {
				sw.SetFaults(c.faults)
			}
			j, err := journal.Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			out, err := apply(t, Transaction{Window: time.Minute, Journal: j}, driver, p)
			if (err != nil) != (c.fault != "") || c.fault != "" && drivers.FaultOf(err) != c.fault {
				t.Errorf("error %v, want fault %q", err, c.fault)
			}
			if got := names(out); got != c.phases {
				t.Errorf("phases %q, want %q", got, c.phases)
			}
			sw.SetFaults(memory.Faults{})
			now := sw.State()
			if c.spoil != nil {
				sw.Remove(c.spoil.Key())
				now = sw.State()
			}
			if want := before; !c.made && !now.Equal(want) {
				t.Errorf("the switch is not as it was:\n%s", now.AppendText(nil))
			}
			if c.made && now.Digest() != p.Target {
				t.Errorf("the switch is not as planned:\n%s", now.AppendText(nil))
			}
			history, err := j.History(journal.Filter{})
			if err != nil || len(history) != 1 || history[0].Result != c.result {
				t.Errorf("history %+v, %v; want one entry, %s", history, err, c.result)
			}
		})
	}
}

// A plan that was tampered with, or made for another inventory, touches nothing that is not the agent's.
func TestForeignChangeIsDenied(t *testing.T) {
	uplink := &switchcfg.Interface{Name: "Ethernet9", Description: "uplink"}
	sw := memory.New(memory.Capabilities(), nil)
	sw.Put(uplink)
	before := sw.State()
	p := plan.Plan{Device: "sw1", Basis: before.Digest(), Atomic: true, Changes: []plan.Change{{Verb: plan.Delete, Key: uplink.Key(), Before: uplink}}}
	if _, err := apply(t, Transaction{Window: time.Minute}, sw.Open("sw1"), p); drivers.FaultOf(err) != drivers.Denied {
		t.Errorf("%v", err)
	}
	if !sw.State().Equal(before) {
		t.Error("the uplink is gone")
	}
}

// A transaction that has begun is brought to its end when the agent is told to stop.
func TestStoppingFinishesTheTransactionInHand(t *testing.T) {
	sw := memory.New(memory.Capabilities(), nil)
	p := build(t, sw, intent(10))
	ctx, cancel := context.WithCancel(t.Context())
	d := sw.Open("sw1")
	confirmer, _ := drivers.As[drivers.Confirmer](d)
	part := &Part{Driver: &spoiledConfirmer{spoiled{d, cancel}, confirmer}, Scope: device(t, config.Enforce).Scope(), Plan: p}
	tx := Transaction{Window: time.Minute}
	if err := tx.Apply(ctx, part); err != nil || names(part.Outcome) != "check apply verify confirm" {
		t.Fatalf("%v, phases %q", err, names(part.Outcome))
	}
	if sw.State().Digest() != p.Target {
		t.Error("the switch is not as planned")
	}
}

func worker(t testing.TB, sw *memory.Switch, mode config.Mode) (w *Worker, log *strings.Builder) {
	log = new(strings.Builder)
	open := func(context.Context) (drivers.Driver, error) { return sw.Open("sw1"), nil }
	return &Worker{Device: device(t, mode), Open: open, Window: time.Minute, Log: slog.New(slog.NewTextHandler(log, nil))}, log
}

// holding returns guards of which the soft one withholds drift, or all else.
func holding(drifted bool, reason plan.Reason) Guards {
	return func(_ *config.Device, _ *plan.Intent, drift func(plan.Change) bool) (hard, soft plan.Guard) {
		return noGuard, func(changes []plan.Change, _ switchcfg.State) map[switchcfg.Key]plan.Hold {
			out := make(map[switchcfg.Key]plan.Hold)
			for _, c := range changes {
				if drift(c) == drifted {
					out[c.Key] = plan.Hold{Reason: reason}
				}
			}
			return out
		}
	}
}

// running runs a worker in a bubble of its own time and stops it.
func running(t *testing.T, f func(t *testing.T, start func(*Worker))) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var done []chan struct{}
		f(t, func(w *Worker) {
			ended := make(chan struct{})
			done = append(done, ended)
			go func() { defer close(ended); w.Run(ctx) }()
		})
		cancel()
		for _, d := range done {
			<-d
		}
	})
}

func TestWorkerConvergesAndThenRests(t *testing.T) {
	running(t, func(t *testing.T, start func(*Worker)) {
		sw := memory.New(memory.Capabilities(), nil)
		w, log := worker(t, sw, config.Enforce)
		start(w)
		w.SetIntent(intent(10))
		synctest.Wait()
		if got := sw.State(); !got.Equal(intent(10).State) {
			t.Fatalf("%s", got.AppendText(nil))
		}
		if st := w.Status(); st.Err != nil || !st.Plan.Empty() || st.Outcome == nil || !st.Outcome.Confirmed {
			t.Errorf("%+v", st)
		}
		quiet := log.Len()
		time.Sleep(time.Hour)
		synctest.Wait()
		if log.Len() != quiet {
			t.Errorf("a quiet network logs: %s", log.String()[quiet:])
		}
		w.SetIntent(intent(11))
		synctest.Wait()
		if got := sw.State(); !got.Equal(intent(11).State) {
			t.Fatalf("%s", got.AppendText(nil))
		}
	})
}

func TestModesThatDoNotApplyOnlyTell(t *testing.T) {
	for _, mode := range []config.Mode{config.Observe, config.Approve} {
		running(t, func(t *testing.T, start func(*Worker)) {
			sw := memory.New(memory.Capabilities(), nil)
			w, log := worker(t, sw, mode)
			w.Guards = holding(false, "approval")
			start(w)
			w.SetIntent(intent(10))
			time.Sleep(time.Hour)
			synctest.Wait()
			if len(sw.State()) > 0 {
				t.Errorf("mode %s changed the switch", mode)
			}
			st := w.Status()
			if mode == config.Observe && (len(st.Plan.Changes) != 4 || st.Waits != "mode observe" || st.Approve != "") {
				t.Errorf("%+v", st)
			}
			if mode == config.Approve && (len(st.Plan.Withheld) != 4 || st.Approve == "") {
				t.Errorf("%+v", st)
			}
			if n := strings.Count(log.String(), "not everything is as it should be"); n != 1 {
				t.Errorf("mode %s told %d times of one plan:\n%s", mode, n, log)
			}
		})
	}
}

// approving is a person who approved one plan.
type approving struct{ digest, used string }

func (a *approving) Approved(_ string, digest func() string) bool { return digest() == a.digest }
func (a *approving) Used(_, digest string)                        { a.used = digest }

func TestWhatAPersonApprovedIsDoneAndNothingElse(t *testing.T) {
	running(t, func(t *testing.T, start func(*Worker)) {
		sw := memory.New(memory.Capabilities(), nil)
		w, _ := worker(t, sw, config.Approve)
		w.Guards = holding(false, "approval")
		orders := &approving{digest: "of another plan"}
		w.Orders = orders
		start(w)
		w.SetIntent(intent(10))
		synctest.Wait()
		seen := w.Status().Approve
		w.SetIntent(intent(11))
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, digest := range []string{seen, w.Status().Approve} {
			if len(sw.State()) > 0 {
				t.Fatal("a plan is made that nobody approved")
			}
			orders.digest = digest
			w.Trigger()
			synctest.Wait()
		}
		if !sw.State().Equal(intent(11).State) || orders.used != orders.digest {
			t.Errorf("the approved plan is not made, or can be made again:\n%s", sw.State().AppendText(nil))
		}
	})
}

func TestDriftIsHealedOrLeft(t *testing.T) {
	for _, heal := range []bool{true, false} {
		running(t, func(t *testing.T, start func(*Worker)) {
			sw := memory.New(memory.Capabilities(), nil)
			w, log := worker(t, sw, config.Enforce)
			if !heal {
				w.Guards = holding(true, "drift")
			}
			start(w)
			w.SetIntent(intent(10))
			synctest.Wait()
			key := switchcfg.Key{Kind: switchcfg.KindCircuit, Name: "Ethernet1", Unit: 1}
			typed := intent(99).State[key]
			sw.Put(typed)
			time.Sleep(time.Second) // the switch announces it
			synctest.Wait()
			healed := sw.State().Equal(intent(10).State)
			if healed != heal {
				t.Errorf("heal %v: healed %v", heal, healed)
			}
			if st := w.Status(); st.Drift > 0 == heal || !strings.Contains(log.String(), "somebody else changed what the agent made") || !strings.Contains(log.String(), key.String()) {
				t.Errorf("heal %v: not seen as drift: %+v\n%s", heal, st, log)
			}
			// New intent is applied whether or not drift is healed.
			w.SetIntent(intent(12))
			time.Sleep(time.Second)
			synctest.Wait()
			if !sw.State().Equal(intent(12).State) {
				t.Errorf("heal %v: new intent is not applied:\n%s", heal, sw.State().AppendText(nil))
			}
		})
	}
}

// A restart does not turn drift that is not to be healed into new intent.
func TestDriftIsDriftAfterARestart(t *testing.T) {
	for _, known := range []bool{true, false} {
		running(t, func(t *testing.T, start func(*Worker)) {
			sw := memory.New(memory.Capabilities(), nil)
			w, _ := worker(t, sw, config.Enforce)
			var settled string
			w.Settle = func(digest string) { settled = digest }
			start(w)
			w.SetIntent(intent(10))
			synctest.Wait()
			if settled != intent(10).State.Digest() {
				t.Fatalf("settled is %q", settled)
			}
			again, _ := worker(t, sw, config.Enforce)
			again.Guards = holding(true, "drift")
			if known {
				again.Settled = settled
			}
			w.Guards = holding(true, "drift") // the first one leaves it alone, too
			sw.Put(intent(99).State[switchcfg.Key{Kind: switchcfg.KindCircuit, Name: "Ethernet1", Unit: 1}])
			synctest.Wait()
			start(again)
			again.SetIntent(intent(10))
			synctest.Wait()
			if left := !sw.State().Equal(intent(10).State); left != known {
				t.Errorf("known %v, left alone %v", known, left)
			}
		})
	}
}

func TestUnreachableSwitchIsTriedLessAndLessOften(t *testing.T) {
	running(t, func(t *testing.T, start func(*Worker)) {
		sw := memory.New(memory.Capabilities(), nil)
		w, _ := worker(t, sw, config.Enforce)
		var dials atomic.Int32
		var up atomic.Bool
		open := w.Open
		w.Open = func(ctx context.Context) (drivers.Driver, error) {
			dials.Add(1)
			if !up.Load() {
				return nil, &drivers.Error{Device: "sw1", Op: "dial", Fault: drivers.Transient, Err: errors.New("connection refused")}
			}
			return open(ctx)
		}
		start(w)
		w.SetIntent(intent(10))
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := dials.Load(); n < 10 || n > 60 {
			t.Errorf("%d attempts in an hour", n)
		}
		if st := w.Status(); drivers.FaultOf(st.Err) != drivers.Transient {
			t.Errorf("%+v", st)
		}
		up.Store(true)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if !sw.State().Equal(intent(10).State) {
			t.Error("not converged after the switch came back")
		}
	})
}

// A read that is cut short never changes a switch.
func TestTruncatedReadNeverChangesASwitch(t *testing.T) {
	running(t, func(t *testing.T, start func(*Worker)) {
		sw := memory.New(memory.Capabilities(), intent(10).State)
		sw.SetFaults(memory.Faults{Truncated: true})
		w, _ := worker(t, sw, config.Enforce)
		start(w)
		w.SetIntent(intent(11))
		time.Sleep(time.Hour)
		synctest.Wait()
		if !sw.State().Equal(intent(10).State) {
			t.Errorf("%s", sw.State().AppendText(nil))
		}
		if st := w.Status(); drivers.FaultOf(st.Err) != drivers.Incomplete {
			t.Errorf("%+v", st)
		}
	})
}

func TestTriggersAmountToOne(t *testing.T) {
	running(t, func(t *testing.T, start func(*Worker)) {
		sw := memory.New(memory.Capabilities(), intent(10).State)
		w, _ := worker(t, sw, config.Enforce)
		var passes atomic.Int32
		open := w.Open
		w.Open = func(ctx context.Context) (drivers.Driver, error) {
			d, err := open(ctx)
			return drivers.Observed(d, slog.New(slog.DiscardHandler), func(op string, _ time.Duration, _ drivers.Fault) {
				if op == "observe" {
					passes.Add(1)
				}
			}), err
		}
		w.SetIntent(intent(10))
		for range 1000 {
			w.Trigger()
		}
		start(w)
		synctest.Wait()
		if n := passes.Load(); n != 1 {
			t.Errorf("%d passes", n)
		}
	})
}

// untouched fails the test when the switch is asked anything.
type untouched struct{ t *testing.T }

func (u untouched) Observe(context.Context) (switchcfg.State, error) {
	u.t.Error("the switch was read")
	return nil, nil
}

func (u untouched) Apply(context.Context, []plan.Change) (drivers.Result, error) {
	u.t.Error("the switch was changed")
	return drivers.Result{}, nil
}

func (u untouched) Close() error { return nil }

func TestWhatCannotBeWrittenDownIsNotDone(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "journal.db"), []byte(strings.Repeat("broken", 10000)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = apply(t, Transaction{Window: time.Minute, Journal: j}, untouched{t}, build(t, memory.New(memory.Capabilities(), nil), intent(10)))
	if !errors.Is(err, journal.ErrCorrupt) || !strings.Contains(err.Error(), "nothing was sent to sw1: journal "+j.Path()) {
		t.Errorf("%v", err)
	}
}

// watching looks into the journal at the moment of the change.
type watching struct {
	drivers.Driver
	look func()
}

func (w *watching) Unwrap() drivers.Driver { return nil }

func (w *watching) Apply(ctx context.Context, c []plan.Change) (drivers.Result, error) {
	w.look()
	return w.Driver.Apply(ctx, c)
}

func TestHistoryHasTheChangeBeforeTheSwitch(t *testing.T) {
	j, err := journal.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	only := func() journal.Entry {
		found, err := j.History(journal.Filter{})
		if err != nil || len(found) != 1 {
			t.Fatalf("%d entries, %v", len(found), err)
		}
		return found[0]
	}
	sw := memory.New(memory.Capabilities(), nil)
	p := build(t, sw, intent(10))
	driver := &watching{sw.Open("sw1"), func() {
		if e := only(); e.Result != journal.Begun || len(e.Plan) == 0 || !e.Ended.IsZero() {
			t.Errorf("%+v", e)
		}
	}}
	out, err := apply(t, Transaction{Window: time.Minute, Journal: j, Who: "ann", Command: "ixagent apply"}, driver, p)
	if err != nil {
		t.Fatal(err)
	}
	e := only()
	if e.Result != journal.Applied || e.Who != "ann" || e.Command != "ixagent apply" || e.Digest != out.Digest || e.Ended.Before(e.Begun) || len(e.Phases) != len(out.Phases) {
		t.Errorf("%+v", e)
	}
	var kept plan.Plan
	if err := json.Unmarshal(e.Plan, &kept); err != nil || string(kept.AppendText(nil)) != string(p.AppendText(nil)) {
		t.Errorf("%v: the plan is another one:\n%s", err, kept.AppendText(nil))
	}
}

func TestHistoryHasNoSecret(t *testing.T) {
	j, err := journal.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sw := memory.New(memory.Capabilities(), nil)
	p := build(t, sw, intent(10))
	sw.SetFaults(memory.Faults{Apply: &drivers.Error{Device: "sw1", Op: "apply", Fault: drivers.Rejected, Err: errors.New("bad line: password hunter2")}})
	part := &Part{Driver: sw.Open("sw1"), Scope: device(t, config.Enforce).Scope(), Plan: p, Redact: strings.NewReplacer("hunter2", "(secret)").Replace}
	tx := Transaction{Window: time.Minute, Journal: j}
	if err := tx.Apply(t.Context(), part); err == nil {
		t.Fatal("it was applied")
	}
	text, err := os.ReadFile(j.Path())
	if err != nil || strings.Contains(string(text), "hunter2") || !strings.Contains(string(text), "password (secret)") {
		t.Errorf("the secret is in the journal, or the error is not: %v", err)
	}
}
