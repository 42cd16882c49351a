package ovs

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/judge"
	"github.com/ixagent/ixagent/lab/namespace"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// underlay gives a switch an address in the fabric, behind one of its interfaces.
func underlay(t *testing.T, o *judge.OVS, ns *namespace.Namespace, port, address string) {
	t.Helper()
	o.Vsctl("add-br", "phy", "--", "set", "bridge", "phy", "datapath_type=netdev", "--", "add-port", "phy", port)
	if err := ns.Do(func() error {
		link, err := netlink.LinkByName("phy")
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(address + "/24")
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(link, a); err != nil {
			return err
		}
		return netlink.LinkSetUp(link)
	}); err != nil {
		t.Fatal(err)
	}
}

func TestServiceCrossesTheFabricInVXLAN(t *testing.T) {
	t.Parallel()
	b := newBench(t, "Ethernet1", "Ethernet2")
	m1 := b.station("Ethernet1")
	peer := judge.NewOVS(t, b.members)
	underlay(t, b.OVS, b.inside, "Ethernet2", "192.0.2.1")
	underlay(t, peer, b.members, "Ethernet2", "192.0.2.2")
	peer.Vsctl("add-port", "br0", "vx", "--", "set", "interface", "vx", "type=vxlan", "options:remote_ip=192.0.2.1", "options:key=1042",
		"--", "add-port", "br0", "host", "--", "set", "interface", "host", "type=internal")
	_, right := stack(switchcfg.TPIDService, 1)
	b.beside(t,
		&switchcfg.Service{Name: "ix-1", Description: "ixagent ns:1", Type: switchcfg.ServiceLAN, VNI: 1042, Peers: []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")}},
		&switchcfg.Interface{Name: "Ethernet1", Description: "ixagent port:1", TPID: switchcfg.TPIDService},
		&switchcfg.Circuit{Parent: "Ethernet1", Unit: 1, Description: "ixagent nsc:1", Match: switchcfg.MatchSingle(switchcfg.TPIDService, 100), Service: "ix-1"})
	there := letter(everybody, bob(1), 1)
	judge.Poll(t, "a frame comes from the other switch", func() bool {
		peer.Ofctl("packet-out", "br0", fmt.Sprintf("in_port=host,packet=%x,actions=NORMAL", there))
		select {
		case got := <-m1.in:
			if want := letter(everybody, bob(1), 1, right...); !bytes.Equal(got, want) {
				t.Fatalf("got\n%x, want\n%x", got, want)
			}
			return true
		default:
			return false
		}
	}, func() string {
		return b.Appctl("ovs/route/show") + b.Appctl("tnl/ports/show") + peer.Appctl("tnl/neigh/show")
	})
	judge.Poll(t, "a frame reaches the other switch", func() bool {
		m1.send(letter(everybody, alice(1), 2, right...))
		return bytes.Contains([]byte(peer.Appctl("fdb/show", "br0")), []byte(switchcfg.MAC(alice(1)).String()))
	}, func() string { return b.Appctl("tnl/neigh/show") + peer.Appctl("fdb/show", "br0") })
	judge.Poll(t, "where stations are is known", func() bool {
		o, err := b.driver.Operational(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		here, near := o.Stations[drivers.Station{Service: "ix-1", MAC: switchcfg.MAC(alice(1))}]
		tunnel, far := o.Stations[drivers.Station{Service: "ix-1", MAC: switchcfg.MAC(bob(1))}]
		return near && here.Name == "Ethernet1" && far && tunnel == (switchcfg.Key{})
	}, func() string { return b.Appctl("fdb/show", serviceBridge("ix-1")) })
}

func TestTagsOfOnesOwnCrossTheFabric(t *testing.T) {
	t.Parallel()
	b := newBench(t, "Ethernet1", "Ethernet2")
	m1 := b.station("Ethernet1")
	peer := judge.NewOVS(t, b.members)
	underlay(t, b.OVS, b.inside, "Ethernet2", "192.0.2.1")
	underlay(t, peer, b.members, "Ethernet2", "192.0.2.2")
	peer.Vsctl("add-port", "br0", "vx", "--", "set", "interface", "vx", "type=vxlan", "options:remote_ip=192.0.2.1", "options:key=1042",
		"--", "add-port", "br0", "host", "--", "set", "interface", "host", "type=internal")
	b.beside(t,
		&switchcfg.Service{Name: "ix-1", Description: "ixagent ns:1", Type: switchcfg.ServiceLine, VNI: 1042, Peers: []netip.Addr{netip.MustParseAddr("192.0.2.2")}},
		&switchcfg.Interface{Name: "Ethernet1", Description: "ixagent port:1", TPID: switchcfg.TPIDService},
		&switchcfg.Circuit{Parent: "Ethernet1", Unit: 1, Description: "ixagent nsc:1", Match: switchcfg.MatchStacked(switchcfg.TPIDService, 100), Service: "ix-1"})
	inside := frame.Tag{TPID: frame.CTag, TCI: 7}
	stag := frame.Tag{TPID: frame.STag, TCI: 100}
	there := letter(everybody, bob(1), 1, inside)
	judge.Poll(t, "a frame comes from the other switch", func() bool {
		peer.Ofctl("packet-out", "br0", fmt.Sprintf("in_port=host,packet=%x,actions=NORMAL", there))
		select {
		case got := <-m1.in:
			if want := letter(everybody, bob(1), 1, stag, inside); !bytes.Equal(got, want) {
				t.Fatalf("got\n%x, want\n%x", got, want)
			}
			return true
		default:
			return false
		}
	}, func() string { return peer.Appctl("tnl/neigh/show") })
	judge.Poll(t, "a frame reaches the other switch", func() bool {
		m1.send(letter(everybody, alice(1), 2, stag, inside))
		return regexp.MustCompile(`\s7\s+` + switchcfg.MAC(alice(1)).String()).MatchString(peer.Appctl("fdb/show", "br0"))
	}, func() string { return b.Appctl("tnl/neigh/show") + peer.Appctl("fdb/show", "br0") })
}
