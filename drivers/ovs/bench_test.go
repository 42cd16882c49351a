package ovs

import (
	"fmt"
	"testing"
	"time"

	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// big returns a switch of 8 ports with circuits in 20 services, of which some have another rate.
func big(circuits, changed int) switchcfg.State {
	s := make(switchcfg.State)
	s.Put(&switchcfg.Filter{Name: "ix-control", AnySource: true})
	for i := range 20 {
		s.Put(&switchcfg.Service{Name: fmt.Sprintf("ix-ns-%d", i), Description: fmt.Sprintf("ixagent ns:%d", i), Type: switchcfg.ServiceLAN})
	}
	for _, p := range options().Ports {
		s.Put(&switchcfg.Interface{Name: p, Description: "ixagent port:" + p, TPID: switchcfg.TPIDService})
	}
	for i := range circuits {
		port, n := i%8, i/8
		c := &switchcfg.Circuit{
			Parent: options().Ports[port], Unit: uint32(n + 1), Description: fmt.Sprintf("ixagent nsc:%d acct:%d", i, port),
			Match:   switchcfg.MatchDouble(switchcfg.TPIDService, switchcfg.VLANID(1+n/100), switchcfg.VLANID(1+n%100)),
			Service: fmt.Sprintf("ix-ns-%d", n%20), Filter: "ix-control",
		}
		if i < changed {
			c.Description += " changed"
		}
		s.Put(c)
	}
	return s
}

// BenchmarkState10k reads what a switch with 10,000 circuits holds.
func BenchmarkState10k(b *testing.B) {
	f := asTold(big(10_000, 0))
	b.ReportAllocs()
	for b.Loop() {
		if s := f.state(); len(s) < 10_000 {
			b.Fatal(len(s))
		}
	}
}

// BenchmarkSwitch has Open vSwitch behind OpenSSH take circuits, and change one percent of them.
func BenchmarkSwitch(b *testing.B) {
	for _, circuits := range []int{100, 1000} {
		l := newLab(b, options().Ports...)
		l.Vsctl("remove", "Open_vSwitch", ".", "other_config", "max-revalidator")
		device := l.device()
		device.Timeout = 5 * time.Minute
		opened, err := Spec().Open(b.Context(), device)
		if err != nil {
			b.Fatal(err)
		}
		d := opened.(*driver)
		apply := func(changes []plan.Change) {
			b.Helper()
			if _, err := d.Apply(b.Context(), changes); err != nil {
				b.Fatal(err)
			}
		}
		all := big(circuits, 0)
		b.Run(fmt.Sprintf("all %d", circuits), func(b *testing.B) {
			for b.Loop() {
				apply(plan.Diff(nil, all))
				b.StopTimer()
				apply(plan.Diff(all, nil))
				b.StartTimer()
			}
		})
		apply(plan.Diff(nil, all))
		some := big(circuits, circuits/100)
		b.Run(fmt.Sprintf("1%% of %d", circuits), func(b *testing.B) {
			for b.Loop() {
				apply(plan.Diff(all, some))
				all, some = some, all
			}
		})
		b.Run(fmt.Sprintf("observe %d", circuits), func(b *testing.B) {
			for b.Loop() {
				observed(b, d)
			}
		})
	}
}
