package junos

import (
	"flag"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/switchcfg"
	"github.com/ixagent/ixagent/models/switchcfg/switchcfgtest"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files")

func profile(t testing.TB, name string) drivers.Capabilities {
	t.Helper()
	p, ok := Spec().Profile(name)
	if !ok {
		t.Fatalf("no profile %q", name)
	}
	return p.Capabilities
}

func eachProfile(t *testing.T, f func(t *testing.T, c drivers.Capabilities)) {
	for _, p := range profiles() {
		t.Run(p.Name, func(t *testing.T) { f(t, p.Capabilities) })
	}
}

// options are those of the states that a kind of device is asked to be in.
func options(c *drivers.Capabilities) switchcfgtest.Options {
	o := switchcfgtest.Options{
		LAGPrefix: "ae", NoStorm: !c.StormControl, NoMACLimit: !c.MACLimit, NoServiceMTU: true, NoPeers: !c.VXLAN,
		ServiceVLAN: c.ServiceVLAN, PortAlone: true, UntaggedUnit: c.UntaggedUnit,
	}
	for i := range 8 {
		o.Ports = append(o.Ports, fmt.Sprintf("xe-0/0/%d", i))
	}
	return o
}

// draw returns a state that the device can carry.
func draw(t *rapid.T, c *drivers.Capabilities, label string) switchcfg.State {
	s := options(c).State(t, label)
	for k, o := range s {
		if x, ok := o.(*switchcfg.Circuit); ok && !c.RateIn {
			x.RateIn, x.RateOut = 0, 0 // else hardly a circuit is left
		}
		if c.Carry(o) != nil {
			delete(s, k)
		}
	}
	for {
		faults := switchcfg.Check(s)
		if len(faults) == 0 {
			return s
		}
		for _, f := range faults {
			delete(s, f.Key)
		}
	}
}

// base is what the configuration says besides, before and behind ours.
const base = "set version 24.4R1.9\nset system host-name sw1\nset chassis aggregated-devices ethernet device-count 16\n" +
	"set interfaces fxp0 unit 0 family inet address 192.0.2.10/24\nset interfaces lo0 unit 0 family inet address 10.0.0.1/32\n" +
	"set switch-options vtep-source-interface lo0.0\n"

// on returns the answer of a switch in state s.
func on(c *drivers.Capabilities, s switchcfg.State, r rest) []byte {
	return render(speech(c), s, r).AppendText([]byte(base))
}

func TestParsingWhatIsRenderedGivesTheSame(t *testing.T) {
	eachProfile(t, func(t *testing.T, c drivers.Capabilities) {
		circuits := 0
		rapid.Check(t, func(t *rapid.T) {
			want := draw(t, &c, "state")
			text := on(&c, want, rest{devices: 16})
			got, r, err := parse(&c, text)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if !got.Equal(want) {
				t.Fatalf("%s\n%s", cmp.Diff(string(want.AppendText(nil)), string(got.AppendText(nil))), text)
			}
			if r.devices != 16 || !r.tunnels || len(r.down) > 0 || len(r.guests) > 0 {
				t.Fatalf("%+v\n%s", r, text)
			}
			for k := range got {
				if k.Kind == switchcfg.KindCircuit {
					circuits++
				}
			}
		})
		if circuits < 100 {
			t.Fatalf("only %d circuits in all states", circuits)
		}
	})
}
