package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// exchange is some switches under one coordinator, in a bubble of its own time.
type exchange struct {
	t        *testing.T
	names    []string
	switches map[string]*memory.Switch
	workers  map[string]*Worker
	spans    *Spans
	log      *strings.Builder
	logging  sync.Mutex
	stop     func()
	journal  *journal.Journal

	mu   sync.Mutex
	down map[string]bool // switches that cannot be reached
}

// Write implements [io.Writer].
func (x *exchange) Write(b []byte) (int, error) {
	x.logging.Lock()
	defer x.logging.Unlock()
	return x.log.Write(b)
}

func (x *exchange) said() string {
	x.logging.Lock()
	defer x.logging.Unlock()
	return x.log.String()
}

func newExchange(t *testing.T, n int) *exchange {
	x := &exchange{t: t, switches: make(map[string]*memory.Switch), down: make(map[string]bool), log: new(strings.Builder)}
	for i := range n {
		name := fmt.Sprintf("sw%d", i+1)
		x.names = append(x.names, name)
		x.switches[name] = memory.New(memory.Capabilities(), nil)
	}
	x.start(nil)
	t.Cleanup(func() { x.stop() })
	return x
}

// start begins with workers that know nothing yet.
func (x *exchange) start(change func(*Worker)) {
	ctx, cancel := context.WithCancel(x.t.Context())
	x.workers = make(map[string]*Worker)
	x.spans = &Spans{Workers: x.workers, Parallel: 2}
	var done sync.WaitGroup
	for _, name := range x.names {
		text := strings.Replace(inventory, "sw1", name, 1)
		c, err := config.Parse("test.yaml", []byte(text), nil, drivers.Registry{"memory": memory.Spec()})
		if err != nil {
			x.t.Fatal(err)
		}
		c.Inventory.Devices[0].TunnelAddress = address(name)
		w := &Worker{
			Device: c.Inventory.Devices[0], Window: time.Minute, Spans: x.spans, Log: slog.New(slog.NewTextHandler(x, nil)), Journal: x.journal,
			Open: func(context.Context) (drivers.Driver, error) {
				x.mu.Lock()
				defer x.mu.Unlock()
				if x.down[name] {
					return nil, &drivers.Error{Device: name, Op: "dial", Fault: drivers.Transient, Err: errors.New("no route to host")}
				}
				return x.switches[name].Open(name), nil
			},
		}
		if change != nil {
			change(w)
		}
		x.workers[name] = w
	}
	for _, w := range x.workers {
		done.Go(func() { w.Run(ctx) })
	}
	done.Go(func() { x.spans.Run(ctx) })
	x.stop = func() { cancel(); done.Wait() }
}

func (x *exchange) setDown(name string, down bool) {
	x.mu.Lock()
	x.down[name] = down
	x.mu.Unlock()
	f := memory.Faults{}
	if down {
		f.Observe = &drivers.Error{Device: name, Op: "observe", Fault: drivers.Transient, Err: errors.New("no route to host")}
	}
	x.switches[name].SetFaults(f)
}

// want gives all switches what the services of each device make of it: a line with an end on each of two, or a LAN.
func (x *exchange) want(services ...service) {
	intents := make(map[string]*plan.Intent)
	for _, name := range x.names {
		intents[name] = &plan.Intent{State: make(switchcfg.State)}
	}
	for _, s := range services {
		s.put(intents)
	}
	x.spans.Want(intents)
}

// service has an end on each of some switches, at port Ethernet1 with the VLAN.
type service struct {
	name    string
	typ     switchcfg.ServiceType
	vlan    switchcfg.VLANID
	devices []string
}

func line(name string, vlan switchcfg.VLANID, devices ...string) service {
	return service{"ix-" + name, switchcfg.ServiceLine, vlan, devices}
}

func lan(name string, vlan switchcfg.VLANID, devices ...string) service {
	return service{"ix-" + name, switchcfg.ServiceLAN, vlan, devices}
}

func address(device string) netip.Addr {
	var n uint8
	fmt.Sscanf(device, "sw%d", &n)
	return netip.AddrFrom4([4]byte{198, 51, 100, n})
}

func (s service) circuit() *switchcfg.Circuit {
	return &switchcfg.Circuit{
		Parent: "Ethernet1", Unit: uint32(s.vlan), Description: mark("nsc", s.name),
		Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, s.vlan), Service: s.name, Filter: "ix-control",
	}
}

func (s service) put(intents map[string]*plan.Intent) {
	for _, d := range s.devices {
		svc := &switchcfg.Service{Name: s.name, Description: mark("ns", s.name), Type: s.typ}
		for _, o := range s.devices {
			if o != d {
				svc.Peers, svc.VNI = append(svc.Peers, address(o)), uint32(s.vlan)
			}
		}
		intents[d].State.Put(
			&switchcfg.Filter{Name: "ix-control", AnySource: true},
			&switchcfg.Interface{Name: "Ethernet1", Description: mark("conn", "c"), TPID: switchcfg.TPIDCustomer},
			svc, s.circuit(),
		)
	}
}

// on returns the switches that have the service with its circuit.
func (x *exchange) on(s service) (names []string) {
	for _, name := range x.names {
		state := x.switches[name].State()
		_, svc := state[switchcfg.Key{Kind: switchcfg.KindService, Name: s.name}]
		_, circuit := state[s.circuit().Key()]
		if svc != circuit {
			x.t.Errorf("%s has a part of %s", name, s.name)
		}
		if svc {
			names = append(names, name)
		}
	}
	return names
}

func (x *exchange) settle(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (x *exchange) expect(s service, want ...string) {
	x.t.Helper()
	if got := x.on(s); !slices.Equal(got, want) {
		var st strings.Builder
		for _, name := range x.names {
			fmt.Fprintf(&st, "%s: %+v\n", name, x.workers[name].Status())
		}
		x.t.Errorf("%s is on %v, want %v\n%s%s", s.name, got, want, x.said(), st.String())
	}
}

func TestServicesThatCrossSwitchesAreMadeAndRemovedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, 3)
		defer x.stop()
		a, l := line("a", 10, "sw1", "sw2"), lan("lan", 20, "sw1", "sw2", "sw3")
		x.want(a, l)
		x.settle(5 * time.Second)
		x.expect(a, "sw1", "sw2")
		x.expect(l, "sw1", "sw2", "sw3")
		if out := x.workers["sw3"].Status().Outcome; out == nil || !slices.Equal(out.With, []string{"sw1", "sw2"}) || !out.Confirmed {
			t.Errorf("sw3 was not changed together with the others: %+v", out)
		}
		x.want(l)
		x.settle(5 * time.Second)
		x.expect(a)
		x.want()
		x.settle(5 * time.Second)
		x.expect(l)
		for name, w := range x.workers {
			if st := w.Status(); st.Err != nil || !st.Plan.Empty() {
				t.Errorf("%s: %v\n%s", name, st.Err, st.Plan.AppendText(nil))
			}
		}
	})
}

func TestSwitchThatIsDownHoldsOnlyTheServicesThatNeedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, 4)
		defer x.stop()
		x.setDown("sw3", true)
		near, far, l := line("near", 10, "sw1", "sw2"), line("far", 11, "sw1", "sw3"), lan("lan", 20, x.names...)
		local := lan("local", 30, "sw1")
		x.want(near, far, l, local)
		x.settle(30 * time.Second)
		x.expect(near, "sw1", "sw2")
		x.expect(far)
		x.expect(l, "sw1", "sw2", "sw4") // a LAN is there without one of its switches
		x.expect(local, "sw1")
		if p := x.workers["sw1"].Status().Plan; len(p.Withheld) == 0 || p.Withheld[0].Reason != plan.Spans || !strings.Contains(p.Withheld[0].Detail, "sw3 must change it too: it cannot be worked with: transient") {
			t.Errorf("why is not said:\n%s", p.AppendText(nil))
		}
		x.setDown("sw3", false)
		x.settle(10 * time.Minute)
		x.expect(far, "sw1", "sw3")
		x.expect(l, x.names...)

		// What is there stays on both when one end cannot be reached.
		x.setDown("sw3", true)
		x.settle(2 * time.Minute)
		x.want(near, l, local)
		x.settle(30 * time.Second)
		x.expect(far, "sw1", "sw3")
		x.want(near, far, l, local)
		x.settle(30 * time.Second)
		x.setDown("sw3", false)
		x.want(near, l, local)
		x.settle(10 * time.Minute)
		x.expect(far)
	})
}

func TestOneSwitchThatRefusesTakesTheOthersBack(t *testing.T) {
	for name, fault := range map[string]memory.Faults{
		"refuses":      {Apply: &drivers.Error{Device: "sw2", Op: "apply", Fault: drivers.Rejected, Err: errors.New("no")}},
		"does nothing": {Ignored: true},
	} {
		for _, plain := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, confirmed commits %v", name, !plain), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					x := newExchange(t, 3)
					defer x.stop()
					x.switches["sw1"].SetFaults(memory.Faults{Permanent: plain})
					x.switches["sw2"].SetFaults(fault)
					a, b := line("a", 10, "sw1", "sw2"), line("b", 11, "sw1", "sw3")
					x.want(a, b)
					x.settle(time.Second)
					x.expect(a)
					x.settle(time.Minute)
					x.expect(a)
					x.expect(b, "sw1", "sw3") // is not held up for long
					x.switches["sw2"].SetFaults(memory.Faults{})
					x.settle(10 * time.Minute)
					x.expect(a, "sw1", "sw2")
				})
			})
		}
	}
}

// An end that must not be changed keeps the other end from being changed.
func TestLineWaitsForAnEndThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, 2)
		defer func() { x.stop() }()
		x.stop()
		x.start(func(w *Worker) {
			if w.Device.Name == "sw2" {
				w.Device.Mode = config.Observe
			}
		})
		a, l := line("a", 10, "sw1", "sw2"), lan("lan", 20, "sw1", "sw2")
		x.want(a, l)
		x.settle(time.Minute)
		x.expect(a)
		x.expect(l, "sw1") // and a LAN does not
		if p := x.workers["sw1"].Status().Plan; len(p.Withheld) == 0 || !strings.Contains(p.Withheld[0].Detail, "sw2 must change it too: mode observe") {
			t.Errorf("%s", p.AppendText(nil))
		}
	})
}

// Drift on one switch is no matter of the others.
func TestDriftOfOneEndIsHealedThereAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, 2)
		defer x.stop()
		a := line("a", 10, "sw1", "sw2")
		x.want(a)
		x.settle(5 * time.Second)
		x.switches["sw1"].Remove(a.circuit().Key())
		x.settle(5 * time.Second)
		x.expect(a, "sw1", "sw2")
		if out := x.workers["sw1"].Status().Outcome; len(out.With) > 0 {
			t.Errorf("changed together with %v", out.With)
		}
	})
}

// Whatever fails at whatever step, a line is on both switches or on none, and in the end as it should be.
func TestLineIsOnBothSwitchesOrOnNone(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		script := rapid.SliceOfN(rapid.IntRange(0, 5), 1, 8).Draw(rt, "script")
		synctest.Test(t, func(t *testing.T) {
			x := newExchange(t, 3)
			defer func() { x.stop() }()
			lines := []service{line("a", 10, "sw1", "sw2"), line("b", 11, "sw2", "sw3"), line("c", 12, "sw1", "sw3")}
			wanted := map[int]bool{}
			order := func() {
				var all []service
				for i, l := range lines {
					if wanted[i] {
						all = append(all, l)
					}
				}
				x.want(all...)
			}
			for i, step := range script {
				name := x.names[i%len(x.names)]
				switch step {
				case 0:
					x.setDown(name, true)
				case 1:
					x.switches[name].SetFaults(memory.Faults{Apply: &drivers.Error{Device: name, Op: "apply", Fault: drivers.Rejected, Err: errors.New("no")}})
				case 2:
					x.switches[name].SetFaults(memory.Faults{Lost: true})
				case 3:
					x.switches[name].SetFaults(memory.Faults{Ignored: true})
				default:
					wanted[i%len(lines)] = !wanted[i%len(lines)]
					order()
				}
				x.settle(20 * time.Second)
				for _, l := range lines {
					if on := x.on(l); len(on) == 1 {
						t.Errorf("%s is on %v alone\n%s", l.name, on, x.said())
					}
				}
			}
			for _, name := range x.names {
				x.setDown(name, false)
			}
			order()
			x.settle(15 * time.Minute)
			for i, l := range lines {
				if wanted[i] {
					x.expect(l, l.devices...)
				} else {
					x.expect(l)
				}
			}
		})
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// After a process died, the next one confirms what was decided and takes back what was not.
func TestNextProcessEndsWhatADeadOneLeftPending(t *testing.T) {
	for _, decided := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			x := newExchange(t, 2)
			x.stop()
			a := line("a", 10, "sw1", "sw2")
			intents := map[string]*plan.Intent{"sw1": {State: make(switchcfg.State)}, "sw2": {State: make(switchcfg.State)}}
			a.put(intents)
			left := make(map[string]journal.Entry)
			for _, name := range x.names {
				p := Build(x.workers[name].Device, nil, nil, intents[name], noGuard)
				digest, err := p.Digest()
				if err != nil {
					t.Fatal(err)
				}
				e := journal.Entry{Device: name, Digest: digest, Decided: decided}
				c, _ := drivers.As[drivers.Confirmer](x.switches[name].Open(name))
				if _, err := c.ApplyConfirmed(t.Context(), e.Commit(), time.Hour, p.Changes); err != nil {
					t.Fatal(err)
				}
				left[name] = e
			}
			x.start(func(w *Worker) { w.Interrupted(left[w.Device.Name]) })
			defer x.stop()
			if decided {
				x.want(a)
			} else {
				x.want()
			}
			x.settle(5 * time.Second)
			if decided {
				x.expect(a, "sw1", "sw2")
			} else {
				x.expect(a)
			}
			x.settle(2 * time.Hour)
			if got := len(x.on(a)) == 2; got != decided {
				t.Errorf("decided %v, and after the window it is there: %v", decided, got)
			}
			if want := fmt.Sprintf("confirmed=%v", decided); !strings.Contains(x.said(), "pending commit of an interrupted change is ended") || !strings.Contains(x.said(), want) {
				t.Error(x.said())
			}
		})
	}
}

// An agent that has just begun removes no end of a line before it has seen the switch at the other end.
func TestNewAgentWaitsForTheOtherEndOfALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t, 3)
		a, b := line("a", 10, "sw1", "sw2"), line("b", 11, "sw1", "sw3")
		x.want(a, b)
		x.settle(5 * time.Second)
		x.stop()
		x.setDown("sw2", true)
		x.start(nil)
		defer func() { x.stop() }()
		x.want()
		x.settle(time.Minute)
		x.expect(a, "sw1", "sw2")
		x.expect(b) // whose ends have nothing to do with sw2
		if text := string(x.workers["sw1"].Status().Plan.AppendText(nil)); !strings.Contains(text, "sw2 was not seen yet, and may have the other end") {
			t.Error(text)
		}
		x.setDown("sw2", false)
		x.settle(10 * time.Minute)
		x.expect(a)
	})
}

func TestManySwitchesHaveALongWindow(t *testing.T) {
	s := &Spans{Parallel: 16}
	if got := s.window(time.Second, 16); got != 8*time.Second {
		t.Errorf("16 switches: %v", got)
	}
	if got := s.window(time.Second, 160); got != 80*time.Second {
		t.Errorf("160 switches: %v", got)
	}
	if got := s.window(time.Hour, 160); got != longest {
		t.Errorf("without an end: %v", got)
	}
}
