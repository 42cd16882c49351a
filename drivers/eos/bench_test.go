package eos

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// big returns a switch of 40 LAGs that carry circuits, one in five double-tagged, each with a filter of its own and
// policed. Of the circuits, changed ones have another rate.
func big(circuits, changed int) switchcfg.State {
	const lags = 40
	s := make(switchcfg.State)
	for i := range 3 {
		s.Put(&switchcfg.Policer{Rate: switchcfg.Mbps(100 * (i + 1))})
	}
	for i := range 250 {
		s.Put(&switchcfg.Service{
			Name: fmt.Sprintf("ix-ns-%d", i), Description: fmt.Sprintf("ixagent ns:%d", i), Type: switchcfg.ServiceLAN, VLAN: switchcfg.VLANID(1000 + i),
		})
	}
	for i := range lags {
		l := &switchcfg.LAG{
			Name: fmt.Sprintf("Port-Channel%d", i+1), Description: fmt.Sprintf("ixagent conn:%d acct:%d", i, i),
			Mode: switchcfg.ModeLACP, Rate: switchcfg.RateSlow, MTU: 9000, MinLinks: 1, StormControl: switchcfg.Mbps(10),
		}
		for m := range 2 {
			port := &switchcfg.Interface{Name: fmt.Sprintf("Ethernet%d", 2*i+m+1), Description: fmt.Sprintf("ixagent port:%d", 2*i+m)}
			l.Members = append(l.Members, port.Name)
			s.Put(port)
		}
		s.Put(l)
	}
	for i := range circuits {
		lag, n := i%lags, i/lags
		c := &switchcfg.Circuit{
			Parent: fmt.Sprintf("Port-Channel%d", lag+1), Unit: uint32(n + 1), Description: fmt.Sprintf("ixagent nsc:%d acct:%d", i, lag),
			Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, switchcfg.VLANID(100+n)), Service: fmt.Sprintf("ix-ns-%d", n%250),
			RateIn: switchcfg.Mbps(100), RateOut: switchcfg.Mbps(200),
		}
		if n%5 == 0 {
			c.Match = switchcfg.MatchDouble(switchcfg.TPIDService, switchcfg.VLANID(1+n/100), switchcfg.VLANID(1+n%100))
		}
		c.Filter = switchcfg.Prefix + switchcfg.CircuitName(c.Parent, c.Unit)
		if i < changed {
			c.RateIn = switchcfg.Mbps(300)
		}
		s.Put(c, &switchcfg.Filter{Name: c.Filter, Sources: []switchcfg.MAC{{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}}})
	}
	return s
}

// BenchmarkObserve reads the text of a device into a state.
func BenchmarkObserve(b *testing.B) {
	c := profile(b, profileFlexible)
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			want := big(n, 0)
			native := text(c, want)
			b.SetBytes(int64(len(native)))
			b.ReportAllocs()
			for b.Loop() {
				if got, err := Parse([]byte(native), &c); err != nil || len(got) != len(want) {
					b.Fatal(len(got), err)
				}
			}
		})
	}
}

// BenchmarkCommands makes the commands of a plan for 10,000 circuits, of which so many change.
func BenchmarkCommands(b *testing.B) {
	c := profile(b, profileFlexible)
	r := &running{state: big(10_000, 0), site: bare(c)}
	for _, n := range []int{1, 100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			target := big(10_000, n)
			changes := plan.Diff(r.state, target)
			b.ReportAllocs()
			for b.Loop() {
				commands, err := r.commands(&c, target, changes)
				if err != nil || !slices.Contains(commands, "service-policy type qos input ix-rate-300000k") {
					b.Fatal(len(commands), err)
				}
			}
		})
	}
}
