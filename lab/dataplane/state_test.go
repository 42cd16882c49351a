package dataplane_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
)

func TestStatesAreShownInWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lan(t, func(c *dataplane.Config) { c.Ports[0].MTU = 50 })
		defer b.close()
		b.reaches("a", build(broadcast, station(1), nil, 51))
		port, _ := b.PortState("a")
		for what, want := range map[any]string{
			&port:              `"mac":"02:00:00:00:09:00","in":{"frames":1,"octets":65},"out":{"frames":0,"octets":0},"drops":{"mtu":1}`,
			&[1]any{b.Drops()}: `"port":"a","circuit":"a.1","reason":"mtu","length":65,"octets":"ffffffffffff02000000010188b5aaaa`,
		} {
			text, err := json.Marshal(what)
			if err != nil || !strings.Contains(string(text), want) {
				t.Errorf("shown as %s, %v, want %s", text, err, want)
			}
		}
		text, err := json.Marshal(b.Drops())
		if err != nil {
			t.Fatal(err)
		}
		var again []dataplane.Drop
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatal(err)
		}
		for i := range again {
			again[i].Time = b.Drops()[i].Time
		}
		if diff := cmp.Diff(b.Drops(), again); diff != "" {
			t.Errorf("read as (-was +is):\n%s", diff)
		}
		if err := json.Unmarshal([]byte(`"boredom"`), new(dataplane.Reason)); err == nil {
			t.Error("boredom is a reason to drop a frame")
		}
	})
}

func TestNobodyHasAStateThatDoesNotExist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lan(t, func(*dataplane.Config) {})
		defer b.close()
		if s, ok := b.PortState("z"); ok {
			t.Errorf("port: %+v", s)
		}
		if s, ok := b.PortState(dataplane.TunnelPort); ok {
			t.Errorf("tunnels: %+v", s)
		}
		if s, ok := b.LAGState("z"); ok {
			t.Errorf("LAG: %+v", s)
		}
		if s, ok := b.LACP("z", "a"); ok {
			t.Errorf("member: %+v", s)
		}
	})
}

func TestStationsAreWhereTheyWereHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{all: map[netip.Addr]*endpoint{}}
		b := newBench(t, dataplane.Options{Tunnels: e.open(here), Tunnel: netip.MustParseAddr(here)}, "p")
		defer b.close()
		far := e.open(remotes[0])
		conf := dataplane.Config{
			Ports:    []dataplane.Port{{Name: "p", Enabled: true}},
			Services: []dataplane.Service{{Name: "s", VNI: 5, Remotes: []netip.Addr{far.addr}}},
			Circuits: []dataplane.Circuit{circuit("p", 0, "s", false)},
		}
		b.configure(&conf)
		d := append([]byte{8, 0, 0, 0, 0, 0, 5, 0}, build(broadcast, station(2), nil, 46)...)
		if _, err := far.WriteTo(d, udpAddr(netip.MustParseAddr(here))); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := b.ports["p"].take(); len(got) != 1 {
			t.Fatalf("%d frames came out of the tunnel", len(got))
		}
		b.reaches("p", build(broadcast, station(1), nil, 46))
		b.reaches("p", build(broadcast, station(3), nil, 46))
		expect := func(want ...dataplane.StationState) {
			t.Helper()
			if diff := cmp.Diff(want, b.StationStates(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		}
		one := dataplane.StationState{MAC: dataplane.MAC(station(1)), Service: "s", Parent: "p", Unit: 1}
		two := dataplane.StationState{MAC: dataplane.MAC(station(2)), Service: "s", Remote: far.addr}
		three := dataplane.StationState{MAC: dataplane.MAC(station(3)), Service: "s", Parent: "p", Unit: 1}
		expect(one, two, three)
		time.Sleep(dataplane.AgeingTime - time.Second)
		b.reaches("p", build(broadcast, station(3), nil, 46))
		time.Sleep(time.Second)
		expect(three)
		conf.Circuits = nil
		b.configure(&conf)
		expect()
	})
}

func TestDatagramLongerThanAnyFrameIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{all: map[netip.Addr]*endpoint{}}
		b := newBench(t, dataplane.Options{Tunnels: e.open(here), Tunnel: netip.MustParseAddr(here)}, "p")
		defer b.close()
		far := e.open(remotes[0])
		b.configure(&dataplane.Config{
			Ports:    []dataplane.Port{{Name: "p", Enabled: true}},
			Services: []dataplane.Service{{Name: "s", VNI: 5, Remotes: []netip.Addr{far.addr}}},
			Circuits: []dataplane.Circuit{circuit("p", 0, "s", false)},
		})
		for more := range 3 {
			d := append([]byte{8, 0, 0, 0, 0, 0, 5, 0}, build(broadcast, alice, nil, wire.MaxFrame-14+more)...)
			if _, err := far.WriteTo(d, udpAddr(netip.MustParseAddr(here))); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := b.ports["p"].take(); (len(got) == 1) != (more == 0) {
				t.Errorf("%d octets too long: %d frames came out", more, len(got))
			}
		}
		if s, _ := b.PortState(dataplane.TunnelPort); s.Drops[dataplane.Malformed] != 2 {
			t.Errorf("dropped as %v", s.Drops)
		}
	})
}
