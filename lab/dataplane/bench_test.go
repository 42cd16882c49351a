package dataplane_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
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

// BenchmarkForward passes frames from one wire in memory through a plane to another. The baseline moves them there
// without looking at them.
func BenchmarkForward(b *testing.B) {
	b.Run("plane", func(b *testing.B) {
		p := newBench(b, dataplane.Options{}, "a", "b")
		p.configure(&dataplane.Config{
			Ports:    []dataplane.Port{{Name: "a", Enabled: true, TPID: frame.STag}, {Name: "b", Enabled: true}},
			Services: []dataplane.Service{{Name: "s"}},
			Circuits: []dataplane.Circuit{circuit("a", 2, "s", false), circuit("b", 1, "s", false)},
		})
		feed(b, p.ports["a"], p.ports["b"])
	})
	b.Run("baseline", func(b *testing.B) {
		from, to := newCable(), newCable()
		var moving sync.WaitGroup
		moving.Go(func() {
			fs, out := wire.NewFrames(64), make([][]byte, 0, 64)
			for {
				n, err := from.Read(fs)
				if err != nil {
					return
				}
				out = out[:0]
				for _, f := range fs[:n] {
					out = append(out, f.Bytes())
				}
				_, _ = to.Write(out)
			}
		})
		defer moving.Wait()
		defer from.close()
		feed(b, from, to)
	})
}

// feed puts b.N frames into a cable and waits until they have been written to another.
func feed(b *testing.B, from, to *cable) {
	f := build(broadcast, alice, tagged(frame.STag, 2, 0), 42)
	to.cut, to.lost = true, make(chan int, 4096)
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		for range b.N {
			from.in <- f
		}
	}()
	late := time.NewTimer(patience)
	defer late.Stop()
	for n := 0; n < b.N; {
		select {
		case more := <-to.lost:
			n += more
		case <-late.C:
			b.Fatalf("%d of %d frames came out", n, b.N)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
}
