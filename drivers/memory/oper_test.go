package memory_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// exchanging is a switch with two members on a LAN, the second of whom has a filter.
func exchanging() (sw *memory.Switch, first, second switchcfg.Key) {
	a := &switchcfg.Circuit{Parent: "Ethernet1", Match: switchcfg.MatchUntagged(), Service: "ix-1"}
	b := &switchcfg.Circuit{Parent: "Ethernet2", Match: switchcfg.MatchUntagged(), Service: "ix-1", Filter: "ix-f"}
	s := make(switchcfg.State)
	s.Put(port("Ethernet1"), port("Ethernet2"), &switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceLAN}, &switchcfg.Filter{Name: "ix-f", AnySource: true}, a, b)
	return memory.New(memory.Capabilities(), s), a.Key(), b.Key()
}

func operational(t *testing.T, sw *memory.Switch) drivers.OperState {
	t.Helper()
	o, ok := drivers.As[drivers.Operational](sw.Open("sw1"))
	if !ok {
		t.Fatal("no operational state")
	}
	s, err := o.Operational(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTrafficIsCountedAndLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw, first, second := exchanging()
		here, remote := drivers.Station{Service: "ix-1", MAC: switchcfg.MAC{2, 0, 0, 0, 0, 1}}, drivers.Station{Service: "ix-1", MAC: switchcfg.MAC{2, 0, 0, 0, 0, 2}}
		sw.SetTraffic(memory.Traffic{
			Circuits: map[switchcfg.Key]memory.Flow{first: {In: 10, Out: 20}, second: {In: 20, Out: 10, Refused: 1}},
			Stations: map[drivers.Station]switchcfg.Key{
				here: second, remote: {}, {Service: "ix-2", MAC: here.MAC}: second, {Service: "ix-2", MAC: remote.MAC}: {},
			},
		})
		time.Sleep(3500 * time.Millisecond)
		got := operational(t, sw)
		if d := cmp.Diff(map[switchcfg.Key]drivers.CircuitState{
			first:  {AdminUp: true, Up: true, Counted: true, InFrames: 35, OutFrames: 70},
			second: {AdminUp: true, Up: true, Counted: true, InFrames: 70, OutFrames: 35, Dropped: 3},
		}, got.Circuits); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(map[drivers.Station]switchcfg.Key{here: second, remote: {}}, got.Stations); d != "" {
			t.Error(d)
		}
		if want := (drivers.FilterState{Permitted: 70, Dropped: 3}); got.Filters["ix-f"] != want {
			t.Errorf("%+v", got.Filters)
		}
		sw.SetFaults(memory.Faults{Down: []string{"Ethernet2"}})
		time.Sleep(time.Second)
		if got := operational(t, sw); got.Circuits[second].Up || got.Circuits[second].InFrames != 70 || got.Circuits[first].InFrames != 45 || len(got.Stations) != 1 {
			t.Errorf("behind a port that is down: %+v", got)
		}
	})
}

func TestFaultsOfWhatIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw, _, second := exchanging()
		sw.SetTraffic(memory.Traffic{Circuits: map[switchcfg.Key]memory.Flow{second: {In: 5, Refused: 5}}})
		sw.SetFaults(memory.Faults{Idle: []string{"ix-f"}})
		time.Sleep(time.Second)
		if got := operational(t, sw); got.Circuits[second].InFrames != 5 || got.Filters["ix-f"] != (drivers.FilterState{}) {
			t.Errorf("a filter that matches nothing: %+v", got)
		}
		sw.SetFaults(memory.Faults{Terse: true})
		if got := operational(t, sw); got.Circuits != nil || got.Stations != nil || got.Filters != nil || len(got.Ports) != 2 {
			t.Errorf("a switch that says little: %+v", got)
		}
	})
}

func TestHarmLastsAsLongAsTheChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw, first, second := exchanging()
		third := port("Ethernet3")
		sw.SetTraffic(memory.Traffic{Circuits: map[switchcfg.Key]memory.Flow{first: {In: 1}, second: {In: 1}}})
		sw.SetFaults(memory.Faults{Harms: map[switchcfg.Key]memory.Harm{
			third.Key(): {Down: []switchcfg.Key{{Kind: switchcfg.KindInterface, Name: "Ethernet1"}}, Silent: []switchcfg.Key{second}},
		}})
		fares := func(up bool, frames uint64) {
			t.Helper()
			time.Sleep(time.Second)
			got := operational(t, sw)
			if got.Ports["Ethernet1"].Up != up || got.Circuits[first].Up != up || !got.Circuits[second].Up {
				t.Errorf("%+v", got)
			}
			if got.Circuits[first].InFrames != frames || got.Circuits[second].InFrames != frames {
				t.Errorf("%d and %d frames, want %d", got.Circuits[first].InFrames, got.Circuits[second].InFrames, frames)
			}
		}
		fares(true, 1)
		c, _ := drivers.As[drivers.Confirmer](sw.Open("sw1"))
		if _, err := c.ApplyConfirmed(t.Context(), "a", time.Minute, create(port("Ethernet4"))); err != nil {
			t.Fatal(err)
		}
		fares(true, 2)
		if err := c.Confirm(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.ApplyConfirmed(t.Context(), "b", time.Minute, create(third)); err != nil {
			t.Fatal(err)
		}
		fares(false, 2)
		if err := c.Revert(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		fares(true, 3)
	})
}
