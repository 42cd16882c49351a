package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/drivertest"
	"github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
	"github.com/ixagent/ixagent/models/switchcfg/switchcfgtest"
)

func TestEveryProfileConforms(t *testing.T) {
	for _, profile := range memory.Spec().Profiles {
		t.Run(profile.Name, func(t *testing.T) {
			options := switchcfgtest.Default()
			options.PortTPID = profile.Capabilities.TPIDScope == drivers.PortScope
			drivertest.Run(t, drivertest.Harness{
				Caps: profile.Capabilities, Options: options, Scope: drivertest.Scope(options), Window: 50 * time.Millisecond,
				New: func(*testing.T) drivertest.Switch {
					sw := memory.New(profile.Capabilities, nil)
					flows := make(map[switchcfg.Key]memory.Flow)
					return drivertest.Switch{
						Send: func(c *switchcfg.Circuit) {
							flows[c.Key()] = memory.Flow{In: 1000}
							sw.SetTraffic(memory.Traffic{Circuits: flows})
						},
						Open:     func() drivers.Driver { return sw.Open("switch") },
						Truncate: func(on bool) { sw.SetFaults(memory.Faults{Truncated: on}) },
					}
				},
			})
		})
	}
}

func port(name string) *switchcfg.Interface {
	return &switchcfg.Interface{Name: name, Description: "ixagent port:1", TPID: switchcfg.TPIDCustomer}
}

func create(o switchcfg.Object) []plan.Change {
	return []plan.Change{{Verb: plan.Create, Key: o.Key(), After: o}}
}

func TestUnconfirmedCommitEndsWithItsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw := memory.New(memory.Capabilities(), nil)
		c, _ := drivers.As[drivers.Confirmer](sw.Open("sw1"))
		if _, err := c.ApplyConfirmed(t.Context(), "a", 10*time.Minute, create(port("Ethernet1"))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10*time.Minute - time.Second)
		if len(sw.State()) != 1 {
			t.Fatal("the commit was taken back early")
		}
		time.Sleep(2 * time.Second)
		if len(sw.State()) != 0 {
			t.Fatal("the commit is still there")
		}
	})
}

func TestStalledSwitchAnswersWhenTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw := memory.New(memory.Capabilities(), nil)
		sw.SetFaults(memory.Faults{Stall: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := sw.Open("sw1").Observe(ctx); drivers.FaultOf(err) != drivers.Transient {
			t.Fatal(err)
		}
	})
}

func TestLostAnswerLeavesTheChange(t *testing.T) {
	sw := memory.New(memory.Capabilities(), nil)
	sw.SetFaults(memory.Faults{Lost: true})
	if _, err := sw.Open("sw1").Apply(t.Context(), create(port("Ethernet1"))); drivers.FaultOf(err) != drivers.Unknown {
		t.Fatal(err)
	}
	if len(sw.State()) != 1 {
		t.Fatal("the change was not made")
	}
}

func TestIllegalPlanIsRefused(t *testing.T) {
	sw := memory.New(memory.Capabilities(), nil)
	orphan := &switchcfg.Circuit{Parent: "Ethernet1", Unit: 1, Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, 5), Service: "ix-1"}
	_, err := sw.Open("sw1").Apply(t.Context(), create(orphan))
	var v switchcfg.Violation
	if drivers.FaultOf(err) != drivers.Rejected || !errors.As(err, &v) || v.Rule != switchcfg.RuleReference {
		t.Fatal(err)
	}
}

func TestSessionsOfOneDeviceShareASwitch(t *testing.T) {
	spec := memory.Spec()
	device := drivers.Device{Name: "sw1", Capabilities: memory.Capabilities()}
	a, err := spec.Open(t.Context(), device)
	if err != nil {
		t.Fatal(err)
	}
	b, err := spec.Open(t.Context(), device)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Apply(t.Context(), create(port("Ethernet1"))); err != nil {
		t.Fatal(err)
	}
	if s, err := b.Observe(t.Context()); err != nil || len(s) != 1 {
		t.Fatalf("%v, %v", s, err)
	}
}
