package main

import (
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
	"github.com/ixagent/ixagent/lab/sandbox"
	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// trickle is a wire that frames come in by.
type trickle struct {
	in   chan []byte
	stop sync.Once
}

func (c *trickle) Read(fs []wire.Frame) (int, error) {
	b, ok := <-c.in
	if !ok {
		return 0, net.ErrClosed
	}
	fs[0].Start = wire.Headroom
	fs[0].End = fs[0].Start + copy(fs[0].Buf[wire.Headroom:], b)
	return 1, nil
}

func (c *trickle) Write(fs [][]byte) (int, error) { return len(fs), nil }

func (c *trickle) close() { c.stop.Do(func() { close(c.in) }) }

func TestCountersAreThoseOfPortsAndOfTheirCircuits(t *testing.T) {
	ca, err := switchd.Secret("test").Authority()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(sandbox.Loopback)
	if err != nil {
		t.Fatal(err)
	}
	plane := dataplane.New(dataplane.Options{})
	sw, err := switchd.New(switchd.Options{
		Name: "sw1", Listen: sandbox.Loopback + ":0", Ports: sandbox.PortNames(2), TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
		Users: map[string]string{"admin": "secret"}, Native: "none", Plane: plane,
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &trickle{in: make(chan []byte, 10)}
	defer func() {
		sw.Close()
		c.close()
		if err := plane.Close(); err != nil {
			t.Error(err)
		}
	}()
	plane.Attach("Ethernet1", c, [6]byte{2, 0, 0, 0, 9, 1})
	plane.Link("Ethernet1", true)
	err = sw.Install("some", func(e *tree.Edit) error {
		port := e.Branch("interfaces", "interface").Entry("Ethernet1")
		port.At("config").Set("enabled", "true")
		sub := port.At("subinterfaces", "subinterface").Entry("7")
		sub.At("config").Set("index", "7")
		sub.At("config").Set("enabled", "true")
		sub.At("vlan", "match", "single-tagged", "config").Set("vlan-id", "101")
		return e.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, 64)
	copy(frame, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 101, 0x08, 0})
	c.in <- frame
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.After(10 * time.Second); ; {
		port, counts := tellState(plane, sw).port("Ethernet1")
		circuit, ok := tellState(plane, sw).circuit("Ethernet1", 101, 0)
		if counts && ok && port.In.Packets == 1 && port.In.Octets >= 64 && circuit.In.Packets+circuit.In.Discards == 1 {
			break
		}
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("the port counts %v (%v), the circuit %v (%v)", port, counts, circuit, ok)
		}
	}
	for _, tags := range [][2]uint16{{}, {102, 0}, {101, 5}} {
		if got, ok := tellState(plane, sw).circuit("Ethernet1", tags[0], tags[1]); ok {
			t.Errorf("%v: %v", tags, got)
		}
	}
	counters := &planeCounts{probes: &probing{}}
	if got, ok := counters.Port("sw2", "Ethernet1"); ok {
		t.Errorf("an unknown switch counts %v", got)
	}
}
