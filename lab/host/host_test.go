package host_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
	"github.com/ixagent/ixagent/lab/host"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cable is a wire in memory, one end of two. What does not fit is lost. Change, if set, replaces each frame that is
// sent by those it returns.
type cable struct {
	in     chan []byte
	peer   *cable
	ended  chan struct{}
	once   sync.Once
	mu     sync.Mutex
	cut    bool
	change func(f []byte) [][]byte
	sent   [][]byte
}

func cables() (*cable, *cable) {
	a := &cable{in: make(chan []byte, 4096), ended: make(chan struct{})}
	b := &cable{in: make(chan []byte, 4096), ended: make(chan struct{}), peer: a}
	a.peer = b
	return a, b
}

func (c *cable) Read(fs []wire.Frame) (int, error) {
	select {
	case f := <-c.in:
		for n := 0; ; n++ {
			fs[n].Start = wire.Headroom
			fs[n].End = wire.Headroom + copy(fs[n].Buf[wire.Headroom:], f)
			if n+1 == len(fs) || len(c.in) == 0 {
				return n + 1, nil
			}
			f = <-c.in
		}
	case <-c.ended:
		return 0, net.ErrClosed
	}
}

func (c *cable) Write(fs [][]byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return 0, nil
	}
	for _, f := range fs {
		f = slices.Clone(f)
		c.sent = append(c.sent, f)
		arrive := [][]byte{f}
		if c.change != nil {
			arrive = c.change(f)
		}
		for _, f := range arrive {
			select {
			case c.peer.in <- f:
			default:
			}
		}
	}
	return len(fs), nil
}

func (c *cable) set(cut bool, change func([]byte) [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut, c.change = cut, change
}

// frames returns what was sent from this end since it was last asked, as digits.
func (c *cable) frames() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for _, f := range c.sent {
		all = append(all, hex.EncodeToString(f))
	}
	c.sent = nil
	return all
}

func (c *cable) close() { c.once.Do(func() { close(c.ended) }) }

func start(t testing.TB, o host.Options, wires []*cable, attachments ...string) *host.Host {
	t.Helper()
	for i := range wires {
		o.Ports = append(o.Ports, fmt.Sprintf("eth%d", i+1))
	}
	h, err := host.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, w := range wires {
			w.close()
		}
		h.Close()
	})
	for i, w := range wires {
		if err := h.Attach(o.Ports[i], w, host.MAC{2, 0, 0, 0, o.System[5], byte(i + 1)}); err != nil {
			t.Fatal(err)
		}
		h.Link(o.Ports[i], true)
	}
	for _, text := range attachments {
		a, err := host.ParseAttachment(text)
		if err == nil {
			err = h.Add(a)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// options are those of the i-th host of a test.
func options(i byte, mode lacp.Mode) host.Options {
	return host.Options{System: host.MAC{2, 0, 0, 0, 0, i}, Mode: mode}
}

// pair returns two hosts with one wire between them.
func pair(t testing.TB, a, b string) (x, y *host.Host, xw, yw *cable) {
	t.Helper()
	xw, yw = cables()
	return start(t, options(1, lacp.Static), []*cable{xw}, a), start(t, options(2, lacp.Static), []*cable{yw}, b), xw, yw
}

// bundle returns two hosts with so many wires between them.
func bundle(t testing.TB, a, b host.Options, links int) (x, y *host.Host, xw, yw []*cable) {
	t.Helper()
	for range links {
		v, w := cables()
		xw, yw = append(xw, v), append(yw, w)
	}
	return start(t, a, xw, "lan=untagged,ip=192.0.2.1/24"), start(t, b, yw, "lan=untagged,ip=192.0.2.2/24"), xw, yw
}

func ping(t testing.TB, h *host.Host, addr string, count int) host.Pinged {
	t.Helper()
	r, err := h.Ping(t.Context(), host.Ping{
		Addr: netip.MustParseAddr(addr), Count: count, Interval: 10 * time.Millisecond, Size: 56, Timeout: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func send(t testing.TB, h *host.Host, s host.Send) host.Sent {
	t.Helper()
	if s.Kind == "" {
		s.Kind = host.Stream
	}
	r, err := h.Send(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tagStacks() []string {
	return []string{
		"untagged", "0x8100:7", "0x88a8:7", "0x9100:7", "0x8100:100/0x8100:7", "0x88a8:100/0x8100:7", "0x9100:100/0x8100:7",
		"0x88a8:100:5:dei/0x8100:7:3", "0x9100:1/0x88a8:2/0x8100:3", "0xbeef:1",
	}
}

func TestPingPassesInsideTheSameTags(t *testing.T) {
	for _, tags := range tagStacks() {
		synctest.Test(t, func(t *testing.T) {
			x, y, _, _ := pair(t, "lan="+tags+",ip=192.0.2.1/24,ip=2001:db8::1/64", "lan="+tags+",ip=192.0.2.2/24,ip=2001:db8::2/64")
			for _, addr := range []string{"192.0.2.2", "2001:db8::2"} {
				r := ping(t, x, addr, 5)
				if r.Sent != 5 || r.Received != 5 || r.Duplicated != 0 || r.MAC != (host.MAC{2, 0, 0, 0, 0, 2}) || r.At != "lan" {
					t.Errorf("%s: %+v", tags, r)
				}
			}
			if r := ping(t, y, "192.0.2.1", 1); r.Received != 1 {
				t.Errorf("%s: %+v", tags, r)
			}
			for _, a := range x.State().Attachments {
				if len(a.Neighbours) != 2 || a.Conflicts != 0 {
					t.Errorf("%s: %+v", tags, a)
				}
			}
		})
	}
}

func TestOtherTagsAreNotAnswered(t *testing.T) {
	for _, a := range tagStacks() {
		for _, b := range tagStacks() {
			if a == b || strings.ContainsAny(b, "d") && strings.HasPrefix(a, "0x88a8:100/") || strings.HasPrefix(b, "0x88a8:100/") {
				continue // priorities do not tell attachments apart
			}
			synctest.Test(t, func(t *testing.T) {
				x, y, _, _ := pair(t, "lan="+a+",ip=192.0.2.1/24,ip=2001:db8::1/64", "lan="+b+",ip=192.0.2.2/24,ip=2001:db8::2/64")
				for _, addr := range []string{"192.0.2.2", "2001:db8::2"} {
					if r := ping(t, x, addr, 3); r.Sent != 0 || r.Received != 0 || !strings.Contains(r.Trouble, addr+" does not answer") {
						t.Errorf("%s to %s: %+v", a, b, r)
					}
				}
				if s := y.State(); s.Unmatched == 0 || s.Attachments[0].In != 0 {
					t.Errorf("%s to %s: %+v", a, b, s)
				}
			})
		}
	}
}

func TestLACPComesUpUnlessBothArePassive(t *testing.T) {
	for _, modes := range [][2]lacp.Mode{{lacp.Active, lacp.Active}, {lacp.Active, lacp.Passive}, {lacp.Passive, lacp.Passive}} {
		synctest.Test(t, func(t *testing.T) {
			a, b := options(1, modes[0]), options(2, modes[1])
			a.Fast = true
			x, y, _, _ := bundle(t, a, b, 2)
			time.Sleep(5 * time.Second)
			want := modes[0] == lacp.Active
			for _, h := range []*host.Host{x, y} {
				s := h.State()
				if s.Working != want || s.Links[0].Distributing != want || s.Links[1].Collecting != want {
					t.Errorf("%v: %+v", modes, s)
				}
			}
			if s := x.State(); want && (s.PartnerID != host.MAC{2, 0, 0, 0, 0, 2} || s.Links[0].Partner.System != s.PartnerID || s.Links[0].Mux != "DISTRIBUTING") {
				t.Errorf("%v: %+v", modes, s)
			}
			if r := ping(t, x, "192.0.2.2", 3); r.Received != 3 && want || r.Received != 0 && !want {
				t.Errorf("%v: %+v", modes, r)
			}
		})
	}
}

func TestGroupSurvivesTheLossOfALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := options(1, lacp.Active), options(2, lacp.Active)
		a.MinLinks = 1
		x, y, _, _ := bundle(t, a, b, 2)
		time.Sleep(5 * time.Second)
		for _, lost := range []string{"eth1", "eth2"} {
			x.Link(lost, false)
			y.Link(lost, false)
			if r := ping(t, x, "192.0.2.2", 10); r.Received != 10 {
				t.Errorf("without %s: %+v", lost, r)
			}
			x.Link(lost, true)
			y.Link(lost, true)
			time.Sleep(5 * time.Second)
			if s := x.State(); !s.Links[0].Distributing || !s.Links[1].Distributing {
				t.Errorf("%s does not come back: %+v", lost, s)
			}
		}
	})
}

func TestFewerLinksThanAskedForCarryNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, mode := range []lacp.Mode{lacp.Active, lacp.Static} {
			a, b := options(1, mode), options(2, mode)
			a.MinLinks = 2
			x, _, _, _ := bundle(t, a, b, 2)
			time.Sleep(5 * time.Second)
			if !x.State().Working {
				t.Errorf("%v: two links do not carry", mode)
			}
			x.Link("eth2", false)
			if x.State().Working {
				t.Errorf("%v: one link carries", mode)
			}
		}
	})
}

// A port that is not in the group takes nothing but LACP, whatever the other end sends there.
func TestPortOutsideTheGroupTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y, _, _ := bundle(t, options(1, lacp.Static), options(2, lacp.Active), 1)
		time.Sleep(5 * time.Second)
		s := send(t, x, host.Send{Count: 10, Rate: 100})
		if s.Sent != 10 {
			t.Errorf("%+v", s)
		}
		synctest.Wait()
		if l := y.State().Links[0]; len(y.Streams()) != 0 || l.Refused < 10 {
			t.Errorf("%+v", l)
		}
		r := send(t, y, host.Send{Count: 10, Rate: 100})
		if r.Sent != 0 || r.Failed != 10 {
			t.Errorf("%+v", r)
		}
		r = send(t, y, host.Send{Port: "eth1", Count: 10, Rate: 100})
		synctest.Wait()
		if r.Sent != 10 || x.Received(r.Stream).Received != 10 {
			t.Errorf("a port that is named sends: %+v", r)
		}
	})
}

func TestNeighbourThatMovesIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y, _, _ := pair(t, "lan=untagged,ip=192.0.2.1/24,ip=2001:db8::1/64", "lan=untagged,ip=192.0.2.2/24,ip=2001:db8::2/64")
		for _, addr := range []string{"192.0.2.2", "2001:db8::2"} {
			ping(t, x, addr, 1)
		}
		a, err := host.ParseAttachment("lan=untagged,mac=02:00:00:00:00:99,ip=192.0.2.2/24,ip=2001:db8::2/64")
		if err != nil {
			t.Fatal(err)
		}
		if err := y.Add(a); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, addr := range []string{"192.0.2.2", "2001:db8::2"} {
			if r := ping(t, x, addr, 1); r.Received != 1 || r.MAC != a.MAC {
				t.Errorf("%+v", r)
			}
		}
	})
}

func TestNeighbourIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, _, xw, _ := pair(t, "lan=untagged,ip=192.0.2.1/24", "lan=untagged,ip=192.0.2.2/24")
		synctest.Wait()
		lost := 0
		xw.set(false, func(f []byte) [][]byte {
			if f[12] == 8 && f[13] == 6 && lost < 2 {
				lost++
				return nil
			}
			return [][]byte{f}
		})
		began := time.Now()
		if r := ping(t, x, "192.0.2.2", 1); r.Received != 1 || time.Since(began) != 500*time.Millisecond {
			t.Errorf("%+v after %v", r, time.Since(began))
		}
		xw.set(true, nil)
		if r := ping(t, x, "192.0.2.2", 2); r.Sent != 2 || r.Received != 0 {
			t.Errorf("%+v", r)
		}
		if r := ping(t, x, "192.0.2.2", 2); r.Sent != 0 || r.Trouble == "" {
			t.Errorf("a neighbour that answered nothing is believed: %+v", r)
		}
	})
}

func TestPingCountsDuplicatesAndLosses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, _, xw, _ := pair(t, "lan=untagged,ip=192.0.2.1/24", "lan=untagged,ip=192.0.2.2/24")
		n := 0
		xw.set(false, func(f []byte) [][]byte {
			if f[12] != 8 || f[13] != 0 {
				return [][]byte{f}
			}
			n++
			return [][][]byte{{f}, {f, f}, {}}[n%3]
		})
		r := ping(t, x, "192.0.2.2", 30)
		if r.Sent != 30 || r.Received != 20 || r.Duplicated != 10 {
			t.Errorf("%+v", r)
		}
	})
}

func TestPingThatMakesNoSenseIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, _, _, _ := pair(t, "lan=untagged,ip=192.0.2.1/24", "lan=untagged")
		good := host.Ping{Addr: netip.MustParseAddr("192.0.2.2"), Count: 1, Interval: time.Second, Size: 56}
		for want, change := range map[string]func(*host.Ping){
			"no address of a station": func(p *host.Ping) { p.Addr = netip.MustParseAddr("224.0.0.1") },
			"invalid IP is no":        func(p *host.Ping) { p.Addr = netip.Addr{} },
			"0 requests":              func(p *host.Ping) { p.Count = 0 },
			"interval of 1ns":         func(p *host.Ping) { p.Interval = 1 },
			"15 octets":               func(p *host.Ping) { p.Size = 15 },
			"no attachment has":       func(p *host.Ping) { p.Addr = netip.MustParseAddr("198.51.100.1") },
			"no attachment wan":       func(p *host.Ping) { p.At = "wan" },
			"lan has no address":      func(p *host.Ping) { p.At, p.Addr = "lan", netip.MustParseAddr("198.51.100.1") },
		} {
			p := good
			change(&p)
			if r, err := x.Ping(t.Context(), p); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %+v %v", want, r, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := x.Ping(ctx, good); err != context.Canceled {
			t.Errorf("a ping that is interrupted: %v", err)
		}
	})
}

// What the host sends was taken apart by hand against RFC 826, RFC 4861 4.3 and 4.4, RFC 792 and RFC 2710.
func TestPacketsAreThoseOfTheStandards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, peer := cables()
		h := start(t, options(1, lacp.Static), []*cable{w}, "lan=0x88a8:100/0x8100:7,ip=192.0.2.1/24,ip=2001:db8::1/64")
		synctest.Wait()
		tags := "88a80064" + "81000007"
		zeros := func(n int) string { return strings.Repeat("00", n) }
		own4, own6 := "c0000201", "20010db8000000000000000000000001"
		want := []string{
			// An ARP announcement.
			"ffffffffffff" + "020000000001" + tags + "0806" + "0001080006040001" + "020000000001" + own4 + "000000000000" + own4 + zeros(10),
			// A report that it listens to the solicited-node group of its address.
			"3333ff000001" + "020000000001" + tags + "86dd" + "600000000020" + "0001" + "fe8000000000000000" + "0000fffe000001" +
				"ff0200000000000000000001ff000001" + "3a00050200000100" + "8300" + "831f" + "00000000" + "ff0200000000000000000001ff000001",
			// An advertisement that nobody asked for.
			"333300000001" + "020000000001" + tags + "86dd" + "600000000020" + "3aff" + own6 + "ff020000000000000000000000000001" +
				"8800" + "792a" + "a0000000" + own6 + "0201" + "020000000001",
		}
		if d := cmp.Diff(want, w.frames()); d != "" {
			t.Error(d)
		}
		for _, step := range []struct{ name, in, out string }{
			{
				"ARP request", "ffffffffffff" + "020000000009" + tags + "0806" + "0001080006040001" + "020000000009" + "c0000209" + "000000000000" + own4,
				"020000000009" + "020000000001" + tags + "0806" + "0001080006040002" + "020000000001" + own4 + "020000000009" + "c0000209" + zeros(10),
			},
			{
				"ARP probe", "ffffffffffff" + "020000000009" + tags + "0806" + "0001080006040001" + "020000000009" + "00000000" + "000000000000" + own4,
				"020000000009" + "020000000001" + tags + "0806" + "0001080006040002" + "020000000001" + own4 + "020000000009" + "00000000" + zeros(10),
			},
			{"ARP request for another", "ffffffffffff" + "020000000009" + tags + "0806" + "0001080006040001" + "020000000009" + "c0000209" + "000000000000" + "c0000202", ""},
			{"ARP request cut short", "ffffffffffff" + "020000000009" + tags + "0806" + "0001080006040001" + "020000000009" + "c0000209" + "000000000000" + "c00002", ""},
			{"ARP request with other tags", "ffffffffffff" + "020000000009" + "88a80064" + "81000008" + "0806" + "0001080006040001" + "020000000009" + "c0000209" + "000000000000" + own4, ""},
			{
				"echo request", "020000000001" + "020000000009" + tags + "0800" + "4500001e000000004001" + "f6d4" + "c0000209" + own4 + "0800" + "e385" + "12345678" + "abcd" + zeros(16),
				"020000000009" + "020000000001" + tags + "0800" + "4500001e000040004001" + "b6d4" + own4 + "c0000209" + "0000" + "eb85" + "12345678" + "abcd" + zeros(8),
			},
			{"echo request with a wrong checksum", "020000000001" + "020000000009" + tags + "0800" + "4500001e000000004001" + "f6d4" + "c0000209" + own4 + "0800" + "e386" + "12345678" + "abcd" + zeros(16), ""},
			{"echo request with a wrong header checksum", "020000000001" + "020000000009" + tags + "0800" + "4500001e000000004001" + "f6d5" + "c0000209" + own4 + "0800" + "e385" + "12345678" + "abcd" + zeros(16), ""},
			{"echo request to another", "020000000002" + "020000000009" + tags + "0800" + "4500001e000000004001" + "f6d4" + "c0000209" + own4 + "0800" + "e385" + "12345678" + "abcd" + zeros(16), ""},
			{
				"neighbour solicitation",
				"3333ff000001" + "020000000009" + tags + "86dd" + "600000000020" + "3aff" + "20010db8000000000000000000000009" + "ff0200000000000000000001ff000001" +
					"8700" + "1c19" + "00000000" + own6 + "0101" + "020000000009",
				"020000000009" + "020000000001" + tags + "86dd" + "600000000020" + "3aff" + own6 + "20010db8000000000000000000000009" +
					"8800" + "0a6c" + "e0000000" + own6 + "0201" + "020000000001",
			},
			{
				"neighbour solicitation through a router",
				"3333ff000001" + "020000000009" + tags + "86dd" + "600000000020" + "3afe" + "20010db8000000000000000000000009" + "ff0200000000000000000001ff000001" +
					"8700" + "1c19" + "00000000" + own6 + "0101" + "020000000009", "",
			},
		} {
			f, err := host.ParseFrame(step.in)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := peer.Write([][]byte{f}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if d := cmp.Diff(step.out, strings.Join(w.frames(), " ")); d != "" {
				t.Errorf("%s: %s", step.name, d)
			}
		}
		if s := h.State(); len(s.Attachments[0].Neighbours) != 2 || s.Links[0].In != 11 {
			t.Errorf("%+v", s)
		}
	})
}

func TestClaimToAnOwnAddressIsAConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y, _, _ := pair(t, "lan=untagged,ip=192.0.2.1/24,ip=2001:db8::1/64", "lan=untagged,ip=192.0.2.1/24,ip=2001:db8::1/64")
		synctest.Wait()
		if a, b := x.State().Attachments[0].Conflicts, y.State().Attachments[0].Conflicts; a+b < 2 {
			t.Errorf("%d and %d conflicts", a, b)
		}
	})
}
