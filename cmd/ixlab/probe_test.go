package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
	"github.com/ixagent/ixagent/lab/host"
	"github.com/ixagent/ixagent/lab/namespace"
	"github.com/ixagent/ixagent/lab/namespace/namespacetest"
)

// member runs a host in a namespace of its own until the test ends.
func member(t *testing.T, attachment string) *namespace.Namespace {
	t.Helper()
	ns := namespacetest.New(t)
	h, err := host.New(host.Options{Ports: []string{"eth1"}, Mode: lacp.Static})
	if err != nil {
		t.Fatal(err)
	}
	a, err := host.ParseAttachment(attachment)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Add(a); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- ns.Do(func() error { return host.Run(ctx, h) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		h.Close()
	})
	return ns
}

// bridge runs a plane with a port for each member, and tells what it drops as a switch does.
func bridge(t *testing.T, config *dataplane.Config, members ...*namespace.Namespace) *namespace.Namespace {
	t.Helper()
	ns := namespacetest.New(t)
	p := dataplane.New(dataplane.Options{})
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	for i, m := range members {
		port := config.Ports[i].Name
		if err := namespace.Veth(ns, port, m, "eth1", 0); err != nil {
			t.Fatal(err)
		}
		if err := ns.Do(func() error {
			w, err := wire.Open(port)
			if err != nil {
				return err
			}
			t.Cleanup(func() { w.Close() })
			p.Attach(port, w, w.MAC())
			p.Link(port, true)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Configure(config); err != nil {
		t.Fatal(err)
	}
	var lis net.Listener
	if err := ns.Do(func() (err error) {
		lis, err = net.Listen("unix", switchControl)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(p.Drops())
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	return ns
}

func TestProbeTellsWhatPassesAndWhyNot(t *testing.T) {
	a := member(t, "lan=0x88a8:100/0x8100:7,mac=02:00:00:00:00:01")
	b := member(t, "lan=untagged,mac=02:00:00:00:00:02")
	c := member(t, "lan=0x8100:7,mac=02:00:00:00:00:03")
	sw := bridge(t, &dataplane.Config{
		System: [6]byte{2, 0, 0, 0, 0, 9},
		Ports: []dataplane.Port{
			{Name: "a1", Enabled: true, TPID: 0x88a8}, {Name: "b1", Enabled: true, MTU: 1400}, {Name: "c1", Enabled: true, TPID: 0x9100},
		},
		Circuits: []dataplane.Circuit{
			{Parent: "a1", Unit: 1000007, Enabled: true, Tags: 2, Outer: 100, Inner: 7, Service: "lan"},
			{Parent: "b1", Unit: 0, Enabled: true, Service: "lan"},
			{Parent: "c1", Unit: 7, Enabled: true, Tags: 1, Outer: 7, Service: "lan"},
		},
		Services: []dataplane.Service{{Name: "lan", Kind: dataplane.LAN}},
	}, a, b, c)
	p := &probing{nodes: []string{"a", "b", "c", "sw"}, spaces: map[string]*namespace.Namespace{"a": a, "b": b, "c": c, "sw": sw}}
	ready := func(node string) bool {
		s, err := host.NewClient(p.spaces[node].Do).State(t.Context())
		return err == nil && s.Working
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); !ready("a") || !ready("b") || !ready("c"); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the hosts are not up")
		}
	}
	probe := func(x, y string) string {
		legs, err := p.run(t.Context(), x, y)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		printLegs(&b, legs)
		return b.String()
	}
	if d := cmp.Diff(`a/lan -> b/lan
  broadcast  passes: 64 octets, sent with 0x88a8:100/0x8100:7, arrives with untagged
  unicast    passes: 64 octets, sent with 0x88a8:100/0x8100:7, arrives with untagged
  large      does not pass: 1522 octets, 3 sent with 0x88a8:100/0x8100:7, 0 arrived
             sw a1: dropped at egress of circuit b1.0: 1522 octets are longer than the MTU of the port, the LAG or the service
b/lan -> a/lan
  broadcast  passes: 64 octets, sent with untagged, arrives with 0x88a8:100/0x8100:7
  unicast    passes: 64 octets, sent with untagged, arrives with 0x88a8:100/0x8100:7
  large      does not pass: 1514 octets, 3 sent with untagged, 0 arrived
             sw b1: dropped at ingress of circuit b1.0: 1514 octets are longer than the MTU of the port, the LAG or the service
`, probe("a", "b")); d != "" {
		t.Error(d)
	}
	if got, want := probe("c/lan", "a"), "sw c1: dropped at ingress: outer ethertype 0x8100 is not the one of the port"; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, point := range []string{"d", "a/wan", "sw"} {
		if _, err := p.run(t.Context(), "a", point); err == nil || !strings.Contains(err.Error(), strings.Split(point, "/")[0]) {
			t.Errorf("%s: %v", point, err)
		}
	}
}
