package dataplane_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
)

func station(i byte) frame.MAC { return frame.MAC{2, 0, 0, 0, 1, i} }

// lan configures three untagged ports in one LAN, after change had its way.
func lan(t *testing.T, change func(*dataplane.Config)) *bench {
	b := newBench(t, dataplane.Options{}, "a", "b", "c")
	c := &dataplane.Config{Services: []dataplane.Service{{Name: "s"}}}
	for _, p := range []string{"a", "b", "c"} {
		c.Ports = append(c.Ports, dataplane.Port{Name: p, Enabled: true})
		c.Circuits = append(c.Circuits, circuit(p, 0, "s", false))
	}
	change(c)
	b.configure(c)
	return b
}

func drops(b *bench, circuit int, why dataplane.Reason) uint64 {
	return b.CircuitStates()[circuit].Drops[why]
}

func TestStationIsFoundWhereItSentLastUntilItIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lan(t, func(*dataplane.Config) {})
		defer b.close()
		reaches := func(want ...string) {
			t.Helper()
			out := b.send("c", build(station(1), station(9), nil, 46))
			for _, p := range want {
				if len(out[p]) != 1 || len(out) != len(want) {
					t.Errorf("came out at %v, want %v", out, want)
				}
			}
		}
		reaches("a", "b")
		b.send("a", build(broadcast, station(1), nil, 46))
		reaches("a")
		b.send("b", build(broadcast, station(1), nil, 46))
		reaches("b")
		time.Sleep(dataplane.AgeingTime - time.Nanosecond)
		reaches("b")
		time.Sleep(time.Nanosecond)
		reaches("a", "b")
	})
}

func TestFurtherStationIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lan(t, func(c *dataplane.Config) { c.Circuits[0].MACLimit = 1; c.Services[0].MACLimit = 2 })
		defer b.close()
		b.send("a", build(broadcast, station(1), nil, 46))
		if out := b.send("a", build(broadcast, station(2), nil, 46)); len(out) != 0 || drops(b, 0, dataplane.MACLimit) != 1 {
			t.Errorf("second station of the circuit: %v", out)
		}
		b.send("b", build(broadcast, station(3), nil, 46))
		if out := b.send("c", build(broadcast, station(4), nil, 46)); len(out) != 0 || drops(b, 2, dataplane.MACLimit) != 1 {
			t.Errorf("third station of the service: %v", out)
		}
		time.Sleep(dataplane.AgeingTime)
		if out := b.send("a", build(broadcast, station(2), nil, 46)); len(out) != 2 {
			t.Errorf("once the first is forgotten: %v", out)
		}
	})
}

func TestRatesAndSizesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lan(t, func(c *dataplane.Config) {
			c.Ports[0].MTU = 1500
			c.Circuits[1].In = dataplane.Policer{Rate: 8 * 1000, Burst: 1000}
			c.Ports[2].Storm = 8 * 1000
		})
		defer b.close()
		for size, want := range map[int]int{1500: 2, 1501: 0} {
			if out := b.send("a", build(broadcast, station(1), nil, size)); len(out) != want {
				t.Errorf("payload of %d octets came out at %d ports", size, len(out))
			}
		}
		passed := 0
		for range 1000 {
			passed += len(b.send("b", build(broadcast, station(2), nil, 86))["a"])
			time.Sleep(10 * time.Millisecond)
		}
		if passed < 109 || passed > 110 || drops(b, 1, dataplane.Policed) != uint64(1000-passed) {
			t.Errorf("%d frames of 100 octets passed in 10 s at 1000 octets/s", passed)
		}
		for range 1000 {
			b.send("c", build(broadcast, station(3), nil, 86))
		}
		if n := drops(b, 2, dataplane.Storm); n != 1000-192 {
			t.Errorf("%d frames of a storm were dropped", n)
		}
		if out := b.send("c", build(station(1), station(3), nil, 86)); len(out["a"]) != 1 {
			t.Errorf("frame to a known station after a storm: %v", out)
		}
	})
}
