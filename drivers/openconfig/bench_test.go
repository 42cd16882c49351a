package openconfig

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/openconfig/ygot/ygot"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/oc"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// big returns a switch of 48 ports in 24 LAGs that carry double-tagged circuits, each with a service, a filter and
// policers. Of the circuits, changed ones have another rate.
func big(circuits, changed int) switchcfg.State {
	s := make(switchcfg.State)
	s.Put(&switchcfg.Filter{Name: "ix-control", AnySource: true})
	for i := range 3 {
		s.Put(&switchcfg.Policer{Rate: switchcfg.Mbps(100 * (i + 1))})
	}
	for i := range 250 {
		s.Put(&switchcfg.Service{Name: fmt.Sprintf("ix-ns-%d", i), Description: fmt.Sprintf("ixagent ns:%d", i), Type: switchcfg.ServiceLAN, VLAN: switchcfg.VLANID(100 + i)})
	}
	for i := range 24 {
		l := &switchcfg.LAG{Name: fmt.Sprintf("lag%d", i+1), Description: fmt.Sprintf("ixagent conn:%d acct:%d", i, i), Mode: switchcfg.ModeLACP, Rate: switchcfg.RateSlow, TPID: switchcfg.TPIDService, MTU: 9000}
		for m := range 2 {
			port := &switchcfg.Interface{Name: fmt.Sprintf("eth%d", 2*i+m+1), Description: fmt.Sprintf("ixagent port:%d", 2*i+m)}
			l.Members = append(l.Members, port.Name)
			s.Put(port)
		}
		s.Put(l)
	}
	for i := range circuits {
		lag, n := i%24, i/24
		c := &switchcfg.Circuit{
			Parent: fmt.Sprintf("lag%d", lag+1), Unit: uint32(n + 1), Description: fmt.Sprintf("ixagent nsc:%d acct:%d", i, lag),
			Match:   switchcfg.MatchDouble(switchcfg.TPIDService, switchcfg.VLANID(1+n/100), switchcfg.VLANID(1+n%100)),
			Service: fmt.Sprintf("ix-ns-%d", n%250), Filter: "ix-control", RateIn: switchcfg.Mbps(100), RateOut: switchcfg.Mbps(200),
		}
		if i < changed {
			c.RateIn = switchcfg.Mbps(300)
		}
		s.Put(c)
	}
	return s
}

// BenchmarkObserve10k reads the answer of a device into a state.
func BenchmarkObserve10k(b *testing.B) {
	caps := profile(b, "ixlab")
	want := big(10_000, 0)
	_, a := made(b, &caps, want)
	b.SetBytes(int64(len(a.document())))
	b.ReportAllocs()
	for b.Loop() {
		s, _, err := parse(a, &caps)
		if err != nil || len(s) != len(want) {
			b.Fatal(len(s), err)
		}
	}
}

// BenchmarkObserveSession10k is the same with a lab switch that answers over TLS in this process.
func BenchmarkObserveSession10k(b *testing.B) {
	caps := profile(b, "ixlab")
	var ports []string
	for i := range 48 {
		ports = append(ports, fmt.Sprintf("eth%d", i+1))
	}
	d := newLab(b, caps, ports...).open(b)
	want := big(10_000, 0)
	apply(b, d, plan.Diff(nil, want))
	b.ReportAllocs()
	for b.Loop() {
		if got := observed(b, d); len(got) != len(want) {
			b.Fatal(len(got))
		}
	}
}

// forwarding is a lab switch in this process that forwards, with circuits behind each of which a station was heard, and
// what it says of its state.
func forwarding(b *testing.B, circuits int) (drivers.Operational, answer) {
	b.Helper()
	caps := profile(b, "ixlab")
	var ports []string
	for i := range 48 {
		ports = append(ports, fmt.Sprintf("eth%d", i+1))
	}
	l, cables := cabled(b, caps, ports...)
	d := l.open(b)
	s := big(circuits, 0)
	for _, o := range s {
		if lag, ok := o.(*switchcfg.LAG); ok {
			lag.Mode, lag.Rate = switchcfg.ModeStatic, "" // nobody is there to speak LACP with
		}
	}
	apply(b, d, plan.Diff(nil, s))
	for i := range circuits {
		lag, n := i%24, i/24
		match := switchcfg.MatchDouble(switchcfg.TPIDService, switchcfg.VLANID(1+n/100), switchcfg.VLANID(1+n%100))
		cables[ports[2*lag]].in <- frameFrom(switchcfg.MAC{2, 0x1a, 0, 0, byte(i >> 8), byte(i)}, tags(match)...)
	}
	o := d.(drivers.Operational)
	for {
		got, err := o.Operational(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if len(got.Stations) == circuits {
			break
		}
	}
	values, err := d.(*driver).get(b.Context(), "operational", gpb.GetRequest_STATE, "interfaces", "network-instances", "acl")
	if err != nil {
		b.Fatal(err)
	}
	return o, answer{interfaces: values[0], instances: values[1], acl: values[2]}
}

// BenchmarkOperational10k reads the operational state of a device with 10,000 circuits and stations.
func BenchmarkOperational10k(b *testing.B) {
	_, a := forwarding(b, 10_000)
	b.SetBytes(int64(len(a.document())))
	b.ReportAllocs()
	for b.Loop() {
		if s, err := parseOper(a); err != nil || len(s.Circuits) != 10_000 || len(s.Stations) != 10_000 {
			b.Fatal(err)
		}
	}
}

// BenchmarkOperationalSession asks a lab switch in this process, over TLS.
func BenchmarkOperationalSession(b *testing.B) {
	for _, circuits := range []int{200, 2000, 10_000} {
		b.Run(fmt.Sprint(circuits), func(b *testing.B) {
			o, _ := forwarding(b, circuits)
			var took []time.Duration
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				if s, err := o.Operational(b.Context()); err != nil || len(s.Circuits) != circuits {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2])/1e6, "p50-ms")
		})
	}
}

// BenchmarkBaselineOperational compares reading operational state here and with generated code.
func BenchmarkBaselineOperational(b *testing.B) {
	_, a := forwarding(b, *baseline)
	doc := a.document()
	b.Run("here", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := parseOper(a); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ygot", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		b.ReportAllocs()
		for b.Loop() {
			if err := oc.Unmarshal(doc, new(oc.Device)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRender10k renders the request that makes a whole switch.
func BenchmarkRender10k(b *testing.B) {
	caps := profile(b, "ixlab")
	changes := plan.Diff(nil, big(10_000, 0))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := render(&caps, changes); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRenderOnePercentOf10k renders what a day's changes come to, from two states.
func BenchmarkRenderOnePercentOf10k(b *testing.B) {
	caps := profile(b, "ixlab")
	before, after := big(10_000, 0), big(10_000, 100)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := render(&caps, plan.Diff(before, after)); err != nil {
			b.Fatal(err)
		}
	}
}

// The baseline takes a minute and more at 10,000 circuits, and grows a little faster than they do.
var baseline = flag.Int("baseline", 1000, "circuits in the baseline benchmarks")

func ygotTree(b *testing.B, changed int) (answer, []byte, *oc.Device) {
	b.Helper()
	caps := profile(b, "ixlab")
	_, a := made(b, &caps, big(*baseline, changed))
	doc, d := a.document(), new(oc.Device)
	if err := oc.Unmarshal(doc, d); err != nil {
		b.Fatal(err)
	}
	return a, doc, d
}

// BenchmarkBaselineUnmarshal compares reading an answer here and with generated code.
func BenchmarkBaselineUnmarshal(b *testing.B) {
	caps := profile(b, "ixlab")
	a, doc, _ := ygotTree(b, 0)
	b.Run("here", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := parse(a, &caps); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ygot", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		b.ReportAllocs()
		for b.Loop() {
			if err := oc.Unmarshal(doc, new(oc.Device)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkBaselineDiff compares finding and rendering the difference between two switches here and with
// generated code.
func BenchmarkBaselineDiff(b *testing.B) {
	caps := profile(b, "ixlab")
	changed := *baseline / 100
	b.Run("here", func(b *testing.B) {
		before, after := big(*baseline, 0), big(*baseline, changed)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := render(&caps, plan.Diff(before, after)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ygot", func(b *testing.B) {
		_, _, before := ygotTree(b, 0)
		_, _, after := ygotTree(b, changed)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ygot.Diff(before, after); err != nil {
				b.Fatal(err)
			}
		}
	})
}
