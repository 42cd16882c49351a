package reconcile

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// deciding is a switch whose answers to confirmations are the test's.
type deciding struct {
	drivers.Driver
	drivers.Confirmer
	confirm func(ask func() error) error
}

func (d *deciding) Unwrap() drivers.Driver { return nil }

func (d *deciding) Confirm(ctx context.Context, id string) error {
	return d.confirm(func() error { return d.Confirmer.Confirm(ctx, id) })
}

// pair are two switches with a plan each.
type pair struct {
	switches [2]*memory.Switch
	parts    []*Part
	journal  *journal.Journal
}

func newPair(t *testing.T, confirm func(sw *memory.Switch, ask func() error) error) *pair {
	t.Helper()
	j, err := journal.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{journal: j}
	for i := range p.switches {
		sw := memory.New(memory.Capabilities(), nil)
		p.switches[i] = sw
		pl := build(t, sw, intent(10))
		pl.Device = []string{"sw1", "sw2"}[i]
		d := sw.Open(pl.Device)
		confirmer, _ := drivers.As[drivers.Confirmer](d)
		ask := func(ask func() error) error { return ask() }
		if i == 1 && confirm != nil {
			ask = func(ask func() error) error { return confirm(sw, ask) }
		}
		p.parts = append(p.parts, &Part{Driver: &deciding{d, confirmer, ask}, Scope: device(t, config.Enforce).Scope(), Plan: pl})
	}
	return p
}

func (p *pair) results(t *testing.T) (out []journal.Result) {
	t.Helper()
	found, err := p.journal.History(journal.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range slices.Backward(found) {
		out = append(out, e.Result)
	}
	return out
}

func lost(fault drivers.Fault) error {
	return &drivers.Error{Device: "sw2", Op: "confirm", Fault: fault, Err: errors.New("session lost")}
}

func TestDecisionIsWrittenDownBeforeTheFirstConfirmation(t *testing.T) {
	p := newPair(t, nil)
	var mu sync.Mutex
	seen := 0
	tx := Transaction{Window: time.Minute, Journal: p.journal, Step: func(_, step string) {
		if step != "confirm" {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		seen++
		found, err := p.journal.History(journal.Filter{})
		if err != nil || len(found) != 2 || !found[0].Decided || !found[1].Decided || found[0].Result != journal.Begun {
			t.Errorf("%d entries, %v: not decided", len(found), err)
		}
	}}
	if err := tx.Apply(t.Context(), p.parts...); err != nil || seen != 2 {
		t.Fatalf("%v, %d confirmations", err, seen)
	}
	if got := p.results(t); !slices.Equal(got, []journal.Result{journal.Confirmed, journal.Confirmed}) {
		t.Errorf("%v", got)
	}
}

func TestConfirmationIsAskedForUntilItIsKnown(t *testing.T) {
	for name, c := range map[string]struct {
		confirm func(sw *memory.Switch, ask func() error) error
		have    [2]bool // whether each switch has the change at the end
		results []journal.Result
		faults  [2]drivers.Fault
	}{
		"answers get lost for a while": {
			confirm: func() func(*memory.Switch, func() error) error {
				n := 0
				return func(_ *memory.Switch, ask func() error) error {
					if n++; n < 5 {
						return lost(drivers.Transient)
					}
					return ask()
				}
			}(),
			have: [2]bool{true, true}, results: []journal.Result{journal.Confirmed, journal.Confirmed},
		},
		"it is made and the answer is lost": {
			confirm: func(_ *memory.Switch, ask func() error) error {
				if err := ask(); err != nil {
					return err
				}
				return lost(drivers.Unknown)
			},
			have: [2]bool{true, true}, results: []journal.Result{journal.Confirmed, journal.Confirmed},
		},
		"the switch was faster": {
			confirm: func(sw *memory.Switch, _ func() error) error {
				sw.Remove(intent(10).State.Keys()...) // as its timer does
				return lost(drivers.Rejected)
			},
			have: [2]bool{false, false}, results: []journal.Result{journal.Reverted, journal.Reverted},
			faults: [2]drivers.Fault{"", drivers.Rejected},
		},
		"nothing is heard of it any more": {
			confirm: func(*memory.Switch, func() error) error { return lost(drivers.Transient) },
			have:    [2]bool{true, false}, results: []journal.Result{journal.Confirmed, journal.Unknown},
			faults: [2]drivers.Fault{"", drivers.Unknown},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, c.confirm)
				tx := Transaction{Window: time.Minute, Journal: p.journal}
				_ = tx.Apply(t.Context(), p.parts...)
				time.Sleep(2 * time.Minute) // beyond the window
				synctest.Wait()
				for i, sw := range p.switches {
					key := switchcfg.Key{Kind: switchcfg.KindCircuit, Name: "Ethernet1", Unit: 1}
					if _, has := sw.State()[key]; has != c.have[i] {
						t.Errorf("%s has the change: %v", p.parts[i].Plan.Device, has)
					}
					if got := drivers.FaultOf(p.parts[i].Err); got != c.faults[i] {
						t.Errorf("%s: fault %q, want %q: %v", p.parts[i].Plan.Device, got, c.faults[i], p.parts[i].Err)
					}
				}
				if got := p.results(t); !slices.Equal(got, c.results) {
					t.Errorf("%v, want %v", got, c.results)
				}
			})
		})
	}
}

func TestTransactionThatTookTooLongIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, nil)
		slow := func(_, step string) {
			if step == "verify" {
				time.Sleep(55 * time.Second)
			}
		}
		tx := Transaction{Window: time.Minute, Journal: p.journal, Step: slow}
		if err := tx.Apply(t.Context(), p.parts...); !errors.Is(err, errLate) {
			t.Fatal(err)
		}
		for i, sw := range p.switches {
			if len(sw.State()) > 0 || !p.parts[i].Outcome.Reverted {
				t.Errorf("%s keeps it", p.parts[i].Plan.Device)
			}
		}
	})
}
