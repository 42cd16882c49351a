package plan

import (
	"fmt"
	"testing"

	"github.com/ixagent/ixagent/models/switchcfg"
	"github.com/ixagent/ixagent/models/switchcfg/switchcfgtest"
)

// large returns a switch of 24 LAGs over 48 ports with n circuits in 100 LANs, a fifth of them double-tagged,
// a third of them with a MAC filter of their own. Every nth circuit differs where nth is not 0.
func large(n, nth int) switchcfg.State {
	s := make(switchcfg.State, 3*n)
	for i := range 48 {
		s.Put(port(fmt.Sprint("Ethernet", i+1)))
	}
	for i := range 24 {
		s.Put(lag(fmt.Sprint("lag", i+1), fmt.Sprint(i), fmt.Sprint("Ethernet", 2*i+1), fmt.Sprint("Ethernet", 2*i+2)))
	}
	for i := range max(100, n/20) {
		s.Put(lan(fmt.Sprint(i)))
	}
	s.Put(&switchcfg.Filter{Name: switchcfg.Prefix + "control", AnySource: true})
	s.Put(&switchcfg.Policer{Rate: switchcfg.Mbps(1000)}, &switchcfg.Policer{Rate: switchcfg.Mbps(2000)})
	for i := range n {
		m := switchcfg.MatchSingle(switchcfg.TPIDCustomer, switchcfg.VLANID(2+i/24))
		if i%5 == 0 {
			m = switchcfg.MatchDouble(switchcfg.TPIDCustomer, switchcfg.VLANID(3000+i/24%1000), switchcfg.VLANID(1+i/24))
		}
		name := "control"
		if i%3 == 0 {
			name = fmt.Sprint("circuit-", i)
		}
		c := circuit(fmt.Sprint("lag", 1+i%24), uint32(i), fmt.Sprint(i), m, fmt.Sprint(switchcfg.Prefix, i/24%max(100, n/20)), switchcfg.Prefix+name)
		c.RateIn, c.RateOut = switchcfg.Mbps(1000), switchcfg.Mbps(1000)
		switch {
		case nth == 0 || i%nth != 0:
		case i%(3*nth) == 0:
			c.Match.Outer++
		case i%(2*nth) == 0:
			c.Description = mark("nsc", fmt.Sprint(i), "moved")
		default:
			c.RateIn = switchcfg.Mbps(2000)
		}
		if s.Put(c); name != "control" {
			s.Put(filter(name, byte(i)))
		}
	}
	return s
}

func BenchmarkDiff(b *testing.B) {
	for _, changed := range []struct {
		name string
		nth  int
	}{{"unchanged", 0}, {"1percent", 100}, {"10percent", 10}} {
		b.Run("10000circuits/"+changed.name, func(b *testing.B) {
			observed, desired := large(10_000, 0), large(10_000, changed.nth)
			b.ReportAllocs()
			for b.Loop() {
				Diff(observed, desired)
			}
		})
	}
}

// BenchmarkBuild measures Diff, withholding, ordering, disruption and members together, and the proof apart.
func BenchmarkBuild(b *testing.B) {
	observed, desired := large(10_000, 0), large(10_000, 100)
	in := Input{Device: "sw1", Observed: observed, Intent: Intent{State: desired}, Scope: testScope(switchcfgtest.Default())}
	in.Scope.Ports = map[string]bool{}
	for i := range 48 {
		in.Scope.Ports[fmt.Sprint("Ethernet", i+1)] = true
	}
	p := Build(in)
	if len(p.Withheld) > 0 || len(p.Changes) == 0 {
		b.Fatalf("%s", p.AppendText(nil))
	}
	b.Run("order/10000circuits/1percent", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			bl := newBuilder(in)
			bl.collect()
			bl.changes()
		}
	})
	b.Run("digest/10000circuits", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			observed.Digest()
		}
	})
	b.Run("prove/10000circuits/1percent", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := Prove(observed, p); err != nil {
				b.Fatal(err)
			}
		}
	})
}
