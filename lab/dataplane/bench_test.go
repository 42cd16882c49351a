package dataplane_test

import (
	"fmt"
	"testing"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
)

// BenchmarkConfigure changes one of 10,000 circuits.
func BenchmarkConfigure(b *testing.B) {
	const circuits = 10_000
	for _, parents := range []int{1, 50} {
		b.Run(fmt.Sprintf("10000 circuits on %d ports", parents), func(b *testing.B) {
			var both [2]*dataplane.Config
			for i := range both {
				both[i] = large(parents, circuits)
			}
			both[1].Circuits[circuits/2].MACLimit = 7
			p := dataplane.New(dataplane.Options{})
			defer p.Close()
			if err := p.Configure(both[1]); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := p.Configure(both[i%2]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// large returns a configuration with circuits on some ports, half of them with two tags, ten in each service.
func large(ports, circuits int) *dataplane.Config {
	c := &dataplane.Config{}
	for i := range ports {
		c.Ports = append(c.Ports, dataplane.Port{Name: fmt.Sprintf("ethernet-1/%d", i+1), Enabled: true, TPID: frame.STag})
	}
	for i := range circuits / 10 {
		c.Services = append(c.Services, dataplane.Service{Name: fmt.Sprintf("service-%d", i)})
	}
	for i := range circuits {
		at := i / ports // among those of the port
		n := dataplane.Circuit{
			Parent: c.Ports[i%ports].Name, Unit: uint32(at), Enabled: true, Tags: 1, Outer: uint16(1 + at), Service: c.Services[i/10].Name,
			In: dataplane.Policer{Rate: 1e9}, Out: dataplane.Policer{Rate: 1e9}, MACLimit: 5,
		}
		if at%2 == 1 || at >= 4000 {
			n.Tags, n.Outer, n.Inner = 2, uint16(4002+at%90), uint16(1+at/90)
		}
		c.Circuits = append(c.Circuits, n)
	}
	return c
}
