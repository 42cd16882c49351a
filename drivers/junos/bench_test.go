package junos

import (
	"fmt"
	"testing"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// large is a switch with so many circuits, 250 on each LAG, a tenth of them with a filter of their own.
func large(circuits int) switchcfg.State {
	s := make(switchcfg.State)
	s.Put(&switchcfg.Filter{Name: "ix-control", AnySource: true}, &switchcfg.Policer{Rate: 100_000})
	const each = 250
	for i := range (circuits + each - 1) / each {
		p := fmt.Sprintf("xe-0/%d/%d", i/32, i%32)
		s.Put(&switchcfg.Interface{Name: p, Description: tag(fmt.Sprint("port:", i), "")},
			&switchcfg.LAG{Name: fmt.Sprint("ae", i), Description: tag(fmt.Sprint("conn:", i), fmt.Sprint(i)), Members: []string{p}, Mode: switchcfg.ModeLACP, Rate: switchcfg.RateSlow, MinLinks: 1})
	}
	for i := range circuits {
		c := &switchcfg.Circuit{
			Parent: fmt.Sprint("ae", i/each), Unit: uint32(1 + i%each), Description: tag(fmt.Sprint("nsc:", i), fmt.Sprint(i/each)),
			Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, switchcfg.VLANID(1+i%each)), Service: fmt.Sprint("ix-", i/100), Filter: "ix-control", RateIn: 100_000,
		}
		if i%100 == 0 {
			s.Put(&switchcfg.Service{Name: c.Service, Description: tag(fmt.Sprint("ns:", i), ""), Type: switchcfg.ServiceLAN})
		}
		if i%10 == 0 {
			c.Filter = "ix-" + switchcfg.CircuitName(c.Parent, c.Unit)
			s.Put(&switchcfg.Filter{Name: c.Filter, Sources: []switchcfg.MAC{{2, 0, 0, 1, byte(i >> 8), byte(i)}}})
		}
		s.Put(c)
	}
	return s
}

// BenchmarkParse10k reads what a switch with 10,000 circuits answers. The baseline only proves the form of its lines.
func BenchmarkParse10k(b *testing.B) {
	c := profile(b, "mx")
	text := on(&c, large(10_000), rest{devices: 64})
	b.Run("driver", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := parse(&c, text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("baseline", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := checked(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCommands10k makes the commands of plans for a switch with 10,000 circuits: one that changes one of them, and
// one that makes them all.
func BenchmarkCommands10k(b *testing.B) {
	c := profile(b, "mx")
	w, all, r := speech(&c), large(10_000), rest{devices: 64}
	one := edited(all, func(s switchcfg.State) {
		with(s, "circuit ae3.7", func(c *switchcfg.Circuit) { c.Match.Outer = 4000 })
	})
	for name, step := range map[string]struct {
		before, after switchcfg.State
		commands      int
	}{"one": {all, one, 1}, "all": {nil, all, 50_000}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := sayable(&c, step.before, step.after, r); err != nil {
					b.Fatal(err)
				}
				if n := len(commands(w, step.before, step.after, r)); n < step.commands {
					b.Fatalf("%d commands", n)
				}
			}
		})
	}
}
