package junos_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/ixagent/ixagent/lab/cli/junos"
	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
	"github.com/ixagent/ixagent/lab/switchd"
)

// cable is a wire in memory.
type cable struct {
	in, out chan []byte
	closed  chan struct{}
}

func (l *cable) Read(fs []wire.Frame) (int, error) {
	select {
	case b := <-l.in:
		fs[0].Start = wire.Headroom
		fs[0].End = wire.Headroom + copy(fs[0].Buf[wire.Headroom:], b)
		return 1, nil
	case <-l.closed:
		return 0, net.ErrClosed
	}
}

func (l *cable) Write(fs [][]byte) (int, error) {
	for _, f := range fs {
		select {
		case l.out <- append([]byte(nil), f...):
		default:
		}
	}
	return len(fs), nil
}

// cabled is a bench whose ports all have cables.
type cabled struct {
	*bench
	x      *terminal
	cables map[string]*cable
}

func newCabled(t *testing.T) *cabled {
	t.Helper()
	p := dataplane.New(dataplane.Options{})
	c := &cabled{cables: make(map[string]*cable)}
	c.bench = newBench(t, func(o *junos.Options, so *switchd.Options) { so.Plane = p })
	t.Cleanup(func() {
		c.server.Close()
		c.sw.Close()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		for _, l := range c.cables {
			close(l.closed)
		}
	})
	for i, name := range junos.Ports(4) {
		l := &cable{in: make(chan []byte, 16), out: make(chan []byte, 16), closed: make(chan struct{})}
		c.cables[name] = l
		p.Attach(name, l, [6]byte{2, 0, 0, 0, 1, byte(i)})
		p.Link(name, true)
	}
	c.sw.Refresh()
	c.x = c.open(t, "lab")
	c.x.run("configure")
	return c
}

// commit makes lines run.
func (c *cabled) commit(text string) {
	c.x.t.Helper()
	for _, l := range lines(strings.TrimSpace(text)) {
		c.x.must(l)
	}
	c.x.want("commit", "commit complete")
}

// frame is a broadcast of a station with tags, such as "88a8.400 8100.7", and a number to know it by.
func frame(station byte, tags string, number uint32) []byte {
	f := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, station}
	for _, tag := range strings.Fields(tags) {
		var tpid, vlan uint16
		fmt.Sscanf(tag, "%04x.%d", &tpid, &vlan)
		f = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(f, tpid), vlan)
	}
	f = binary.BigEndian.AppendUint32(append(f, 0x88, 0xb5), number)
	return append(f, make([]byte, 46)...)
}

// received is what comes out of a port for a frame with a number, as tags; "-" for nothing.
func received(l *cable, number uint32) string {
	limit := time.After(100 * time.Millisecond)
	for {
		select {
		case f := <-l.out:
			var tags []string
			at := 12
			for at+4 <= len(f) && binary.BigEndian.Uint16(f[at:]) != 0x88b5 {
				tags = append(tags, fmt.Sprintf("%04x.%d", binary.BigEndian.Uint16(f[at:]), binary.BigEndian.Uint16(f[at+2:])&0xfff))
				at += 4
			}
			if at+6 <= len(f) && binary.BigEndian.Uint32(f[at+2:]) == number {
				return strings.Join(tags, " ")
			}
		case <-limit:
			return "-"
		}
	}
}

func (c *cabled) sends(number uint32, station byte, from int, tags string, to int) string {
	ports := junos.Ports(4)
	c.cables[ports[from]].in <- frame(station, tags, number)
	return received(c.cables[ports[to]], number)
}

const peering = `
set interfaces xe-0/0/0 encapsulation ethernet-bridge unit 0 family bridge
set interfaces xe-0/0/1 gigether-options 802.3ad ae1
set interfaces ae1 flexible-vlan-tagging encapsulation flexible-ethernet-services
set interfaces ae1 aggregated-ether-options ethernet-switch-profile tag-protocol-id [ 0x8100 0x88a8 ]
set interfaces ae1 unit 300 encapsulation vlan-bridge vlan-id 300 family bridge
set interfaces xe-0/0/2 flexible-vlan-tagging encapsulation flexible-ethernet-services
set interfaces xe-0/0/2 gigether-options ethernet-switch-profile tag-protocol-id 0x88a8
set interfaces xe-0/0/2 unit 407 encapsulation vlan-bridge vlan-tags outer 0x88a8.400 inner 0x8100.7
set interfaces xe-0/0/2 unit 407 family bridge
set bridge-domains lan vlan-id none interface xe-0/0/0.0
set bridge-domains lan interface ae1.300
set bridge-domains lan interface xe-0/0/2.407
`

func TestFramesGoAsTheConfigurationSays(t *testing.T) {
	c := newCabled(t)
	c.commit(peering)
	check := func(number uint32, from int, tags string, to int, want string) {
		t.Helper()
		if got := c.sends(number, 1, from, tags, to); got != want {
			t.Errorf("%q from port %d leaves port %d as %q, want %q", tags, from, to, got, want)
		}
	}
	check(1, 0, "", 1, "8100.300")
	check(2, 0, "", 2, "88a8.400 8100.7")
	check(3, 2, "88a8.400 8100.7", 0, "")
	check(4, 1, "8100.300", 2, "88a8.400 8100.7")
	check(5, 1, "88a8.300", 0, "-")
	check(6, 2, "8100.400 8100.7", 0, "-")
	check(7, 1, "8100.301", 0, "-")
	check(8, 1, "", 0, "-")

	c.commit("deactivate interfaces xe-0/0/2 unit 407\ndeactivate bridge-domains lan interface xe-0/0/2.407")
	check(9, 0, "", 2, "-")
	check(10, 0, "", 1, "8100.300")
	c.commit("activate interfaces xe-0/0/2 unit 407\nactivate bridge-domains lan interface xe-0/0/2.407")
	check(11, 0, "", 2, "88a8.400 8100.7")

	c.commit("delete interfaces ae1 unit 300 vlan-id\nset interfaces ae1 unit 300 vlan-tags outer 0x88a8.300")
	check(12, 0, "", 1, "88a8.300")
	check(13, 1, "8100.300", 0, "-")

	// At or above the count there is no such interface, whatever is configured.
	c.commit("set chassis aggregated-devices ethernet device-count 1")
	check(14, 0, "", 1, "-")
	c.x.want("run show interfaces ae1", "error: device ae1 not found")
	c.commit("set chassis aggregated-devices ethernet device-count 2")
	check(15, 0, "", 1, "88a8.300")

	c.commit("set interfaces ae1 unit 300 disable")
	check(16, 0, "", 1, "-")
}

func TestFilterDecidesInTheOrderOfItsTerms(t *testing.T) {
	c := newCabled(t)
	c.commit(peering + `
set firewall family bridge filter ix-f term members from source-mac-address 02:00:00:00:00:01/48
set firewall family bridge filter ix-f term members then count members
set firewall family bridge filter ix-f term members then accept
set firewall family bridge filter ix-f term rest then count rest
set firewall family bridge filter ix-f term rest then discard
set interfaces xe-0/0/0 unit 0 family bridge filter input ix-f
`)
	if got := c.sends(1, 1, 0, "", 1); got != "8100.300" {
		t.Errorf("a member's frame: %s", got)
	}
	if got := c.sends(2, 9, 0, "", 1); got != "-" {
		t.Errorf("a stranger's frame: %s", got)
	}
	c.x.want("run show firewall filter ix-f | match members", "members                                                      64              1")
	c.commit("insert firewall family bridge filter ix-f term rest before term members")
	if got := c.sends(3, 1, 0, "", 1); got != "-" {
		t.Errorf("a member's frame behind the last term: %s", got)
	}
	// Without a condition a term is true of everything.
	c.commit("insert firewall family bridge filter ix-f term rest after term members\ndelete firewall family bridge filter ix-f term members from source-mac-address 02:00:00:00:00:01/48")
	if got := c.sends(4, 9, 0, "", 1); got != "8100.300" {
		t.Errorf("a stranger's frame where nothing is asked: %s", got)
	}
}

// forwarding writes what a configuration makes the plane do.
func forwarding(c *dataplane.Config) string {
	var b strings.Builder
	for _, p := range c.Ports {
		fmt.Fprintf(&b, "port %+v\n", p)
	}
	for _, l := range c.LAGs {
		fmt.Fprintf(&b, "lag %+v\n", l)
	}
	for _, s := range c.Services {
		fmt.Fprintf(&b, "service %+v\n", s)
	}
	for _, f := range c.Filters {
		fmt.Fprintf(&b, "filter %s\n", f.Name)
		for _, r := range f.Rules {
			fmt.Fprintf(&b, "  dst %x/%x src %x/%x accept %t\n", r.Dst, r.DstMask, r.Src, r.SrcMask, r.Accept)
		}
	}
	for _, x := range c.Circuits {
		fmt.Fprintf(&b, "circuit %+v\n", x)
	}
	return b.String()
}

func TestForwardingOfAConfiguration(t *testing.T) {
	file := filepath.Join("testdata", "forwarding.txtar")
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, func(o *junos.Options, _ *switchd.Options) {
		o.Ports, o.Configuration = junos.Ports(4), string(a.Files[0].Data)
	})
	got := forwarding(switchd.Forwarding(b.sw.Running()))
	if *golden {
		a.Files[1].Data = []byte(got)
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(a.Files[1].Data), got); diff != "" {
		t.Error(diff)
	}
}

// TestWhatTheSwitchCannotDoIsRefused reads files of a name that is a rule, with lines that are committed after the first
// file's, and what must be said.
func TestWhatTheSwitchCannotDoIsRefused(t *testing.T) {
	a, err := txtar.ParseFile(filepath.Join("testdata", "refused.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	x := b.open(t, "lab")
	x.run("configure private")
	x.must(lines(strings.TrimSpace(string(a.Files[0].Data)))...)
	x.want("commit", "commit complete")
	for _, f := range a.Files[1:] {
		commands, want, ok := strings.Cut(strings.TrimSpace(string(f.Data)), "\n=>\n")
		if !ok {
			t.Fatalf("%s: nothing is expected", f.Name)
		}
		x.must(lines(commands)...)
		out := x.run("commit")
		if !strings.Contains(out, want) || !strings.HasSuffix(out, "error: configuration check-out failed") {
			t.Errorf("%s: %s", f.Name, out)
		}
		if check := x.run("commit check"); check != out {
			t.Errorf("%s: commit check says %s", f.Name, check)
		}
		x.want("rollback 0", "load complete")
	}
}
