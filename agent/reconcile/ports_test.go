package reconcile

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// telling is a switch that tells which ports it has.
type telling struct {
	drivers.Driver
	ports []string
	err   error
	asked int
}

func (d *telling) Operational(context.Context) (drivers.OperState, error) {
	d.asked++
	s := drivers.OperState{Ports: make(map[string]drivers.PortState)}
	for _, p := range d.ports {
		s.Ports[p] = drivers.PortState{}
	}
	return s, d.err
}

// withAllPorts returns a device that tells of every port it has, or may not.
func withAllPorts(t *testing.T, all bool) *config.Device {
	t.Helper()
	spec := memory.Spec()
	for i := range spec.Profiles {
		spec.Profiles[i].Capabilities.AllPorts = all
	}
	c, err := config.Parse("test.yaml", []byte(inventory), nil, drivers.Registry{"memory": spec})
	if err != nil {
		t.Fatal(err)
	}
	return c.Inventory.Devices[0]
}

func TestSwitchIsAskedForItsPortsWhenOneIsNew(t *testing.T) {
	in := intent(100)
	for _, c := range []struct {
		name     string
		all      bool
		driver   drivers.Driver
		observed switchcfg.State
		in       *plan.Intent
		want     []string
	}{
		{"one is new", true, &telling{ports: []string{"Ethernet1", "Ethernet2"}}, nil, in, []string{"Ethernet1", "Ethernet2"}},
		{"all are there", true, &telling{ports: []string{"Ethernet1"}}, in.State, in, nil},
		{"it does not tell of all", false, &telling{ports: []string{"Ethernet1"}}, nil, in, nil},
		{"it tells nothing", true, &spoiled{Driver: memory.New(memory.Capabilities(), nil).Open("sw1")}, nil, in, nil},
		{"it has failed", true, &telling{ports: []string{"Ethernet1"}, err: errors.New("timeout")}, nil, in, nil},
		{"it has none", true, &telling{}, nil, in, nil},
		{"there is no intent", true, &telling{ports: []string{"Ethernet1"}}, nil, nil, nil},
	} {
		got := Ports(t.Context(), withAllPorts(t, c.all), c.driver, nil, c.observed, c.in)
		if !slices.Equal(slices.Sorted(maps.Keys(got)), c.want) {
			t.Errorf("%s: %v", c.name, got)
		}
		if d, ok := c.driver.(*telling); ok && c.want == nil && c.name == "all are there" && d.asked != 0 {
			t.Errorf("%s: it was asked", c.name)
		}
	}
}

func TestPortThatTheSwitchDoesNotHaveHoldsUpNobodyElse(t *testing.T) {
	sw := memory.New(memory.Capabilities(), nil)
	w, _ := worker(t, sw, config.Enforce)
	w.Device = withAllPorts(t, true)
	w.Open = func(context.Context) (drivers.Driver, error) {
		return &telling{Driver: sw.Open("sw1"), ports: []string{"Ethernet2"}}, nil
	}
	in := intent(100)
	w.SetIntent(in)
	if err := w.pass(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	reasons := make(map[switchcfg.Kind]plan.Reason)
	for _, h := range w.Status().Plan.Withheld {
		reasons[h.Key.Kind] = h.Reason
	}
	if reasons[switchcfg.KindInterface] != plan.NoPort || reasons[switchcfg.KindCircuit] != plan.Depends || len(reasons) != 2 {
		t.Errorf("%v", reasons)
	}
	if _, made := sw.State()[switchcfg.Key{Kind: switchcfg.KindService, Name: "ix-lan"}]; !made {
		t.Error("what does not need the port was not made")
	}
}
