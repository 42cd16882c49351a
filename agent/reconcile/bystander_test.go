package reconcile

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// cabled is a switch whose ports have members behind them: how they fare follows from whether a change is on the switch,
// and for how long.
type cabled struct {
	drivers.Driver
	drivers.Confirmer
	applied time.Time // when the change was made; zero while it is not
	tries   int
	oper    func(since time.Duration, changed bool) drivers.OperState
}

func (c *cabled) Unwrap() drivers.Driver { return nil }

func (c *cabled) ApplyConfirmed(ctx context.Context, id string, w time.Duration, changes []plan.Change) (drivers.Result, error) {
	c.applied, c.tries = time.Now(), c.tries+1
	return c.Confirmer.ApplyConfirmed(ctx, id, w, changes)
}

func (c *cabled) Revert(ctx context.Context, id string) error {
	c.applied = time.Time{}
	return c.Confirmer.Revert(ctx, id)
}

func (c *cabled) Operational(context.Context) (drivers.OperState, error) {
	return c.oper(time.Since(c.applied), !c.applied.IsZero()), nil
}

func cable(sw *memory.Switch, oper func(since time.Duration, changed bool) drivers.OperState) *cabled {
	d := sw.Open("sw1")
	confirmer, _ := drivers.As[drivers.Confirmer](d)
	return &cabled{Driver: d, Confirmer: confirmer, oper: oper}
}

// ports are up, but for those named.
func ports(down ...string) drivers.OperState {
	s := drivers.OperState{
		Ports: map[string]drivers.PortState{"Ethernet1": {Up: true}, "Ethernet8": {Up: true}, "Ethernet9": {Up: true}, "Ethernet10": {Up: true}, "lag9": {Up: true}},
		LACP:  map[string]drivers.LACPState{"Ethernet8": {LAG: "lag9", Distributing: true}, "Ethernet9": {LAG: "lag9", Distributing: true}},
	}
	for _, name := range down {
		if m, ok := s.LACP[name]; ok {
			m.Distributing = false
			s.LACP[name] = m
		} else {
			s.Ports[name] = drivers.PortState{}
		}
	}
	return s
}

// The plan touches Ethernet1 and nothing else.
func TestWhoeverWorkedBeforeWorksAfterOrTheChangeIsTakenBack(t *testing.T) {
	for name, c := range map[string]struct {
		oper   func(since time.Duration, changed bool) drivers.OperState
		made   bool
		harmed bool
		says   string
	}{
		"nobody goes down": {func(time.Duration, bool) drivers.OperState { return ports() }, true, false, ""},
		"a port goes down with the change": {func(_ time.Duration, changed bool) drivers.OperState {
			if changed {
				return ports("Ethernet10")
			}
			return ports()
		}, false, true, "Ethernet10 went down"},
		"a member leaves its LAG": {func(_ time.Duration, changed bool) drivers.OperState {
			if changed {
				return ports("Ethernet9")
			}
			return ports()
		}, false, true, "Ethernet9 of lag9 went down"},
		"a LAG goes down as a whole": {func(_ time.Duration, changed bool) drivers.OperState {
			if changed {
				return ports("lag9", "Ethernet8", "Ethernet9")
			}
			return ports()
		}, false, true, "lag9 went down"},
		"it comes back in time": {func(since time.Duration, changed bool) drivers.OperState {
			if changed && since < 2*time.Second {
				return ports("Ethernet10")
			}
			return ports()
		}, true, false, ""},
		"it was down before": {func(time.Duration, bool) drivers.OperState { return ports("Ethernet10", "Ethernet8") }, true, false, ""},
		"what the plan touches may go down": {func(_ time.Duration, changed bool) drivers.OperState {
			if changed {
				return ports("Ethernet1")
			}
			return ports()
		}, true, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sw := memory.New(memory.Capabilities(), nil)
				p, before := build(t, sw, intent(10)), sw.State()
				out, err := apply(t, Transaction{Window: time.Minute}, cable(sw, c.oper), p)
				if (err == nil) != c.made || errors.Is(err, ErrHarmed) != c.harmed || err != nil && !strings.Contains(err.Error(), c.says) {
					t.Errorf("error %v", err)
				}
				if out.Reverted == c.made || c.made && sw.State().Digest() != p.Target || !c.made && !sw.State().Equal(before) {
					t.Errorf("reverted %v, and the switch has\n%s", out.Reverted, sw.State().AppendText(nil))
				}
			})
		})
	}
}

// Somebody else's cable that is pulled at that moment takes the change back, and does not condemn it.
func TestCoincidenceIsNoHarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw := memory.New(memory.Capabilities(), nil)
		p, gone := build(t, sw, intent(10)), false
		d := cable(sw, func(_ time.Duration, changed bool) drivers.OperState {
			if gone = gone || changed; gone {
				return ports("Ethernet10")
			}
			return ports()
		})
		out, err := apply(t, Transaction{Window: time.Minute}, d, p)
		if err == nil || errors.Is(err, ErrHarmed) || !out.Reverted || !strings.Contains(err.Error(), "it is so without it too") {
			t.Fatalf("%v, reverted %v", err, out.Reverted)
		}
		if _, err := apply(t, Transaction{Window: time.Minute}, d, p); err != nil {
			t.Errorf("the second time it was down before: %v", err)
		}
	})
}

// A plan that harmed somebody is not tried again until it is another.
func TestHarmfulPlanWaits(t *testing.T) {
	running(t, func(t *testing.T, start func(*Worker)) {
		sw := memory.New(memory.Capabilities(), nil)
		d := cable(sw, func(_ time.Duration, changed bool) drivers.OperState {
			if changed {
				return ports("Ethernet10")
			}
			return ports()
		})
		w, log := worker(t, sw, config.Enforce)
		w.Open = func(context.Context) (drivers.Driver, error) { return d, nil }
		start(w)
		w.SetIntent(intent(10))
		time.Sleep(time.Hour)
		synctest.Wait()
		if d.tries != 1 || len(sw.State()) != 0 {
			t.Errorf("tried %d times, and the switch has\n%s", d.tries, sw.State().AppendText(nil))
		}
		if !strings.Contains(log.String(), "Ethernet10 went down") || !strings.Contains(log.String(), waitsHarmful) {
			t.Error(log)
		}
		d.oper = func(time.Duration, bool) drivers.OperState { return ports() }
		w.SetIntent(intent(11))
		synctest.Wait()
		if got := sw.State(); d.tries != 2 || !got.Equal(intent(11).State) {
			t.Errorf("tried %d times, and the switch has\n%s", d.tries, got.AppendText(nil))
		}
	})
}

// Circuits and stations that a change does not touch go on as before, or the change is taken back.
func TestTrafficOfOthersGoesOnOrTheChangeIsTakenBack(t *testing.T) {
	begin := time.Now()
	key := func(unit uint32) switchcfg.Key {
		return switchcfg.Key{Kind: switchcfg.KindCircuit, Name: "Ethernet2", Unit: unit}
	}
	touched := switchcfg.Key{Kind: switchcfg.KindCircuit, Name: "Ethernet1", Unit: 1}
	mac := switchcfg.MAC{2, 0, 0, 0, 0, 9}
	// Three members send a hundred frames a second each, until change says otherwise.
	state := func(change func(s *drivers.OperState)) drivers.OperState {
		s := ports()
		s.Ports["Ethernet2"] = drivers.PortState{AdminUp: true, Up: true}
		s.Circuits = make(map[switchcfg.Key]drivers.CircuitState)
		for unit := range uint32(3) {
			s.Circuits[key(unit)] = drivers.CircuitState{Up: true, Counted: true, InFrames: uint64(time.Since(begin) / (10 * time.Millisecond))}
		}
		s.Stations = map[drivers.Station]switchcfg.Key{{Service: "ix-lan", MAC: mac}: key(0)}
		if change != nil {
			change(&s)
		}
		return s
	}
	silent := func(s *drivers.OperState) {
		s.Circuits[key(1)] = drivers.CircuitState{Up: true, Counted: true, InFrames: 1}
	}
	for name, c := range map[string]struct {
		harm func(*drivers.OperState)
		both int // circuits of the service that the change is about, beside it
		says string
	}{
		"everybody goes on":     {nil, 3, ""},
		"a member falls silent": {silent, 3, "circuit Ethernet2.1 fell silent with a change that does not touch it"},
		"the other end of a line stops when nobody answers": {func(s *drivers.OperState) {
			for unit := range uint32(3) {
				s.Circuits[key(unit)] = drivers.CircuitState{Up: true, Counted: true, InFrames: 1}
			}
		}, 1, ""},
		"a circuit goes down": {func(s *drivers.OperState) {
			s.Circuits[key(2)] = drivers.CircuitState{Counted: true}
		}, 3, "circuit Ethernet2.2 went down with"},
		"a station moves to what was changed": {func(s *drivers.OperState) {
			s.Stations = map[drivers.Station]switchcfg.Key{{Service: "ix-lan", MAC: mac}: touched}
		}, 3, "the station of circuit Ethernet2.0 moved to circuit Ethernet1.1"},
		"a station ages": {func(s *drivers.OperState) { clear(s.Stations) }, 3, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin = time.Now()
				sw := memory.New(memory.Capabilities(), nil)
				port := &switchcfg.Interface{Name: "Ethernet2", Description: "others"}
				sw.Put(port, &switchcfg.Service{Name: "ix-lan", Description: mark("ns", "lan"), Type: switchcfg.ServiceLAN})
				for unit := range uint32(c.both) {
					sw.Put(&switchcfg.Circuit{Parent: "Ethernet2", Unit: unit, Description: "others", Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, switchcfg.VLANID(unit+1)), Service: "ix-lan"})
				}
				p := build(t, sw, intent(10))
				d := cable(sw, func(_ time.Duration, changed bool) drivers.OperState {
					if changed {
						return state(c.harm)
					}
					return state(nil)
				})
				part := &Part{Driver: d, Scope: device(t, config.Enforce).Scope(), Plan: p, Earlier: Sample{time.Now(), state(nil)}}
				time.Sleep(10 * time.Second)
				tx := Transaction{Window: time.Minute}
				err := tx.Apply(t.Context(), part)
				if (err == nil) != (c.says == "") || err != nil && (!errors.Is(err, ErrHarmed) || !strings.Contains(err.Error(), c.says)) {
					t.Errorf("error %v", err)
				}
				if part.Outcome.Reverted != (c.says != "") {
					t.Errorf("reverted %v", part.Outcome.Reverted)
				}
			})
		})
	}
}

// A change is confirmed once everybody was well for the time it is soaked.
func TestChangeIsWatchedBeforeItIsConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, soak := range []time.Duration{30 * time.Second, 0} {
			sw := memory.New(memory.Capabilities(), nil)
			p := build(t, sw, intent(10))
			// Slow LACP notices only after a while.
			d := cable(sw, func(since time.Duration, changed bool) drivers.OperState {
				if changed && since > 20*time.Second {
					return ports("Ethernet10")
				}
				return ports()
			})
			begin := time.Now()
			out, err := apply(t, Transaction{Window: 5 * time.Minute, Soak: soak}, d, p)
			took := time.Since(begin)
			if soak == 0 && (err != nil || took > time.Second) || soak > 0 && (!errors.Is(err, ErrHarmed) || !out.Reverted) {
				t.Errorf("soak %v: %v after %v", soak, err, took)
			}
		}
	})
}
