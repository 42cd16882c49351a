package host_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/host"
	"github.com/ixagent/ixagent/lab/namespace"
	"github.com/ixagent/ixagent/lab/namespace/namespacetest"
)

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); !holds(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

// run runs a host in a namespace and returns a client of it and a function that ends it.
func run(t *testing.T, ns *namespace.Namespace, o host.Options, attachments ...string) (*host.Client, func()) {
	t.Helper()
	h, err := host.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range attachments {
		a, err := host.ParseAttachment(text)
		if err := errors.Join(err, h.Add(a)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- ns.Do(func() error { return host.Run(ctx, h) }) }()
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			h.Close()
		}
	}
	t.Cleanup(stop)
	c := host.NewClient(ns.Do)
	eventually(t, "the host answers", func() bool {
		_, err := c.State(t.Context())
		return err == nil
	})
	return c, stop
}

func lay(t *testing.T, a *namespace.Namespace, nameA string, b *namespace.Namespace, nameB string) {
	t.Helper()
	if err := namespace.Veth(a, nameA, b, nameB, 0); err != nil {
		t.Fatal(err)
	}
}

func working(t *testing.T, c *host.Client) func() bool {
	return func() bool {
		s, err := c.State(t.Context())
		return err == nil && s.Working && !slices.ContainsFunc(s.Links, func(l host.Link) bool { return !l.Distributing })
	}
}

func asks(addr string) host.Ping {
	return host.Ping{Addr: netip.MustParseAddr(addr), Count: 5, Interval: 10 * time.Millisecond, Size: 56, Timeout: 5 * time.Second}
}

// The kernel of this machine is the judge: it answers our ping, and its ping is answered.
func TestKernelAndHostPingEachOther(t *testing.T) {
	ours, theirs := namespacetest.New(t), namespacetest.New(t)
	c, _ := run(t, ours, options(1, lacp.Static), "lan=untagged,mac=02:00:00:00:00:01,ip=192.0.2.1/24,ip=2001:db8::1/64")
	if err := c.Configure(t.Context(), host.Group{Ports: []string{"eth1"}, LACP: host.Mode(lacp.Static)}); err != nil {
		t.Fatal(err)
	}
	lay(t, ours, "eth1", theirs, "peer")
	addrs := []string{"192.0.2.2"}
	if err := theirs.Do(func() error {
		link, err := netlink.LinkByName("peer")
		if err != nil {
			return err
		}
		if os.WriteFile("/proc/sys/net/ipv6/conf/peer/disable_ipv6", []byte("0"), 0) == nil {
			a, err := netlink.ParseAddr("2001:db8::2/64")
			if err != nil {
				return err
			}
			a.Flags = 0x02 // without duplicate address detection, which takes a second
			if err := netlink.AddrAdd(link, a); err == nil {
				addrs = append(addrs, "2001:db8::2")
			}
		}
		a, err := netlink.ParseAddr("192.0.2.2/24")
		if err != nil {
			return err
		}
		return netlink.AddrAdd(link, a)
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("the kernel has %v", addrs)
	eventually(t, "the link carries frames", working(t, c))
	for _, addr := range addrs {
		r, err := c.Ping(t.Context(), asks(addr))
		if err != nil || r.Received != 5 {
			t.Errorf("%+v %v", r, err)
		}
	}
	for i, addr := range []string{"192.0.2.1", "2001:db8::1"}[:len(addrs)] {
		if err := theirs.Do(func() error { return kernelPings(addr, i == 1) }); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// kernelPings has the kernel send an echo request and waits for the reply.
func kernelPings(addr string, six bool) error {
	network, request, reply := "ip4:icmp", []byte{8, 0, 0xf7, 0xfd, 0, 1, 0, 1}, byte(0)
	if six {
		network, request, reply = "ip6:ipv6-icmp", []byte{128, 0, 0, 0, 0, 1, 0, 1}, byte(129) // the kernel fills in the checksum
	}
	at, err := net.ResolveIPAddr(network[:3], addr)
	if err != nil {
		return err
	}
	c, err := net.DialIP(network, nil, at)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if _, err := c.Write(request); err != nil {
		return err
	}
	for b := make([]byte, 1500); ; {
		n, _, err := c.ReadFrom(b) // without the header of IPv4
		if err != nil || n >= 8 && b[0] == reply && [4]byte(b[4:]) == [4]byte{0, 1, 0, 1} {
			return err
		}
	}
}

// Two hosts speak LACP over veths that come late, in each of the tag stacks, lose a link, and get it back.
func TestHostsOverVeths(t *testing.T) {
	a, b := namespacetest.New(t), namespacetest.New(t)
	var at [2][]string
	for i, tags := range tagStacks() {
		for j := range at {
			at[j] = append(at[j], "at"+string(rune('a'+i))+"="+tags+",ip="+netip.AddrFrom4([4]byte{10, 0, byte(i), byte(j + 1)}).String()+"/24")
		}
	}
	// The stack with priorities has the VLANs of another.
	drop := func(all []string) []string {
		return slices.DeleteFunc(all, func(s string) bool { return s[:3] == "ath" })
	}
	o := options(1, lacp.Active)
	o.Ports, o.Fast = []string{"eth1", "eth2"}, true
	x, stop := run(t, a, o, drop(at[0])...)
	o = options(2, lacp.Passive)
	o.Ports, o.Fast = []string{"eth1", "eth2"}, true
	y, _ := run(t, b, o, drop(at[1])...)
	lay(t, a, "eth1", b, "eth1")
	lay(t, a, "eth2", b, "eth2")
	eventually(t, "both links carry frames at one end", working(t, x))
	eventually(t, "both links carry frames at the other end", working(t, y))
	for i, tags := range tagStacks() {
		if i == 7 {
			continue
		}
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i), 2}).String()
		if r, err := x.Ping(t.Context(), asks(addr)); err != nil || r.Received != 5 {
			t.Errorf("%s: %+v %v", tags, r, err)
		}
	}
	s, err := x.Send(t.Context(), host.Send{Kind: host.Stream, At: "atb", Count: 500, Rate: 2000})
	if err != nil || s.Sent != 500 {
		t.Fatalf("%+v %v", s, err)
	}
	eventually(t, "a stream arrives", func() bool {
		r, err := y.Received(t.Context(), s.Stream)
		return err == nil && r.Received == 500 && r.Lost+r.Duplicated+r.Reordered+r.Damaged == 0 && len(r.Variants) == 1 && r.Variants[0].Tags.String() == "0x8100:7"
	})
	if err := x.SetLink(t.Context(), "eth1", false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both ends see the carrier fall", func() bool {
		for _, h := range []*host.Client{x, y} {
			if s, err := h.State(t.Context()); err != nil || s.Links[0].Up || !s.Links[1].Distributing {
				return false
			}
		}
		return true
	})
	if r, err := x.Ping(t.Context(), asks("10.0.0.2")); err != nil || r.Received != 5 {
		t.Errorf("on one link: %+v %v", r, err)
	}
	if err := x.SetLink(t.Context(), "eth1", true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the link is back", working(t, x))
	if err := a.Do(func() error {
		link, err := netlink.LinkByName("eth2")
		if err != nil {
			return err
		}
		return netlink.LinkDel(link)
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the interface is gone", func() bool {
		s, err := y.State(t.Context())
		return err == nil && !s.Links[1].Present
	})
	lay(t, a, "eth2", b, "eth2")
	eventually(t, "the new interface is used", working(t, x))
	stop()
	if _, err := x.State(t.Context()); err == nil {
		t.Error("a host that has ended answers")
	}
}
