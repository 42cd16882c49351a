package dataplane_test

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
)

const (
	here     = "10.0.0.1"
	stranger = "10.0.0.9"
)

var (
	jacks   = []string{"a", "b", "c", "d", "spare"} // spare is in no configuration
	remotes = []string{"10.0.0.2", "10.0.0.3"}
)

// trial is a plane beside the model of it.
type trial struct {
	*bench
	*model
	ether *ether
	far   map[string]*endpoint
	conf  *dataplane.Config
	drops int // how many the plane remembers
}

// newTrial must be called in a bubble, and the trial must be closed there.
func newTrial(t testing.TB) *trial {
	e := &ether{all: map[netip.Addr]*endpoint{}}
	tr := &trial{ether: e, far: map[string]*endpoint{}}
	tr.bench = newBench(t, dataplane.Options{Tunnel: netip.MustParseAddr(here), Tunnels: e.open(here)}, jacks...)
	for _, r := range append([]string{stranger}, remotes...) {
		tr.far[r] = e.open(r)
	}
	up := map[string]bool{}
	for _, p := range jacks {
		up[p] = true
	}
	tr.model = newModel(up, func(name string) dataplane.LAGState {
		s, _ := tr.LAGState(name)
		return s
	})
	return tr
}

// follow configures both.
func (tr *trial) follow(c *dataplane.Config) {
	tr.conf = c
	tr.bench.configure(c)
	synctest.Wait()
	tr.model.configure(c)
	tr.collect()
}

// wait lets time pass.
func (tr *trial) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
	tr.forget()
	tr.collect()
}

func (tr *trial) flip(port string) {
	tr.link[port] = !tr.link[port]
	tr.Link(port, tr.link[port])
	synctest.Wait()
	tr.forget()
	tr.collect()
}

// arrive lets a frame in at a port and returns how the plane differs from the model.
func (tr *trial) arrive(port string, f []byte) string {
	want := tr.model.arrive(port, f)
	tr.bench.ports[port].in <- f
	synctest.Wait()
	return differ(want, tr.collect())
}

// hear lets a datagram in from another switch and returns how the plane differs from the model.
func (tr *trial) hear(remote string, d []byte) string {
	want := tr.model.hear(remote, d)
	if _, err := tr.far[remote].WriteTo(d, udpAddr(netip.MustParseAddr(here))); err != nil {
		return err.Error()
	}
	synctest.Wait()
	return differ(want, tr.collect())
}

func differ(want, got outcome) string {
	return gocmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.SortSlices(func(a, b sent) bool {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Frame, b.Frame)) < 0
	}), cmpopts.SortSlices(func(a, b lost) bool { return fmt.Sprint(a) < fmt.Sprint(b) }))
}

// collect returns what has come out of the plane and what it has dropped since it was asked last, but for what its
// LAGs say by themselves.
func (tr *trial) collect() (o outcome) {
	for name, c := range tr.bench.ports {
		for _, f := range c.take() {
			if slow(f) && [5]byte(f[6:]) == [5]byte{2, 0, 0, 0, 9} {
				continue
			}
			o.Out = append(o.Out, sent{tr.leftBy(name), hex.EncodeToString(f)})
		}
	}
	for remote, e := range tr.far {
		for len(e.in) > 0 {
			o.Out = append(o.Out, sent{remote, hex.EncodeToString((<-e.in).b)})
		}
	}
	all := tr.bench.Drops()
	for _, d := range all[tr.drops:] {
		o.Drops = append(o.Drops, lost{d.Port, d.Circuit, d.Reason.String(), d.Out})
	}
	tr.drops = len(all)
	return o
}

// leftBy names the LAG of a port that distributes.
func (tr *trial) leftBy(port string) string {
	for _, l := range tr.conf.LAGs {
		if slices.Contains(l.Members, port) && slices.Contains(tr.lag(l.Name).Distributing, port) {
			return l.Name
		}
	}
	return port
}

// counts returns how the counters of circuits differ from the model's.
func (tr *trial) counts() string {
	type counts struct{ In, Out dataplane.Count }
	want, got := map[string]counts{}, map[string]counts{}
	for _, s := range tr.CircuitStates() {
		n := fmt.Sprintf("%s.%d", s.Parent, s.Unit)
		got[n], want[n] = counts{s.In, s.Out}, counts{tr.in[n], tr.out[n]}
	}
	return gocmp.Diff(want, got)
}

func policers() *rapid.Generator[dataplane.Policer] {
	none := dataplane.Policer{}
	return even(none, none, none, none, dataplane.Policer{Rate: 640, Burst: 200}, dataplane.Policer{Rate: 64000}, dataplane.Policer{Rate: 8000, Burst: 90})
}

func mtus() *rapid.Generator[int] { return even(0, 0, 0, 0, 0, 0, 46, 60) }

func tpid() *rapid.Generator[uint16] { return even(append([]uint16{0}, tpids...)...) }

// even draws one of several values, all alike; rapid's own choices prefer the ends.
func even[T any](of ...T) *rapid.Generator[T] {
	return rapid.Custom(func(t *rapid.T) T {
		i := 0
		for range 8 {
			i *= 2
			if rapid.Bool().Draw(t, "bit") {
				i++
			}
		}
		return of[i*len(of)/256]
	})
}

// number draws 0 to n-1, all alike.
func number(n int) *rapid.Generator[int] {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return even(all...)
}

func often() *rapid.Generator[bool] {
	return even(true, true, true, true, true, true, true, true, true, true, true, false)
}

func masked() *rapid.Generator[[6]byte] {
	return even([6]byte{}, [6]byte{}, [6]byte{1}, [6]byte(broadcast), [6]byte{5: 1})
}

// configs draws configurations with a meaning.
func configs() *rapid.Generator[*dataplane.Config] {
	return rapid.Custom(func(t *rapid.T) *dataplane.Config {
		c := &dataplane.Config{System: [6]byte{2, 0, 0, 0, 0, 0xff}}
		for _, p := range jacks[:4] {
			c.Ports = append(c.Ports, dataplane.Port{
				Name: p, Enabled: often().Draw(t, "port enabled"), MTU: mtus().Draw(t, "port MTU"), TPID: tpid().Draw(t, "port TPID"),
				Storm: even[uint64](0, 0, 8000).Draw(t, "port storm"),
			})
		}
		parents := []string{"a", "b", "c", "d"}
		if rapid.Bool().Draw(t, "LAG") {
			parents = []string{"a", "b", "l"}
			c.LAGs = []dataplane.LAG{{
				Name: "l", Enabled: often().Draw(t, "LAG enabled"), MTU: mtus().Draw(t, "LAG MTU"), TPID: tpid().Draw(t, "LAG TPID"),
				Storm: even[uint64](0, 8000).Draw(t, "LAG storm"), Members: []string{"c", "d"},
				Mode: even(lacp.Static, lacp.Static, lacp.Static, lacp.Active).Draw(t, "mode"), MinLinks: number(3).Draw(t, "links"),
			}}
		}
		for i := range 2 {
			c.Filters = append(c.Filters, dataplane.Filter{Name: fmt.Sprintf("f%d", i), Rules: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) dataplane.Rule {
				return dataplane.Rule{
					Dst: stations().Draw(t, "dst"), DstMask: masked().Draw(t, "dst mask"),
					Src: stations().Draw(t, "src"), SrcMask: masked().Draw(t, "src mask"), Accept: often().Draw(t, "accept"),
				}
			}), 0, 3).Draw(t, "rules")})
		}
		ends := map[string]int{}
		for i := range 3 {
			s := dataplane.Service{
				Name: fmt.Sprintf("s%d", i), Kind: even(dataplane.LAN, dataplane.Tree, dataplane.Line).Draw(t, "kind"),
				MTU: mtus().Draw(t, "service MTU"), MACLimit: even(0, 0, 2, 3).Draw(t, "service limit"),
			}
			if rapid.Bool().Draw(t, "far") {
				s.VNI = uint32(5 + i)
				for _, r := range remotes {
					if rapid.Bool().Draw(t, "remote") {
						s.Remotes = append(s.Remotes, netip.MustParseAddr(r))
					}
				}
			}
			ends[s.Name] = len(s.Remotes)
			c.Services = append(c.Services, s)
		}
		for i := range even(20, 20, 20, 12, 12, 6, 2, 0).Draw(t, "circuits") {
			add(c, ends, dataplane.Circuit{
				Parent: even(parents...).Draw(t, "parent"), Unit: uint32(i), Enabled: often().Draw(t, "enabled"), Tags: number(3).Draw(t, "tags"),
				TPID:    even[uint16](0, 0, 0, frame.CTag, frame.STag, frame.QTag).Draw(t, "circuit TPID"),
				Through: even(false, false, true).Draw(t, "through"),
				Outer:   even[uint16](1, 2, 3).Draw(t, "outer"), Inner: even[uint16](1, 2).Draw(t, "inner"),
				Service: even("s0", "s0", "s0", "s0", "s0", "s0", "s1", "s1", "s1", "s1", "s2", "").Draw(t, "service"), Leaf: rapid.Bool().Draw(t, "leaf"),
				Filter: even("", "", "", "", "", "", "f0", "f1").Draw(t, "filter"),
				In:     policers().Draw(t, "in"), Out: policers().Draw(t, "out"), MACLimit: even(0, 0, 0, 1).Draw(t, "limit"),
			})
		}
		return c
	})
}

// add gives c another circuit if it has room for that.
func add(c *dataplane.Config, ends map[string]int, n dataplane.Circuit) {
	if n.Tags == 0 {
		n.TPID = 0
	}
	n.Through = n.Through && n.Tags < 2
	for _, o := range c.Circuits {
		if overlap(c, o, n) {
			return
		}
	}
	for _, s := range c.Services {
		if s.Name == n.Service && s.Kind == dataplane.Line && ends[n.Service] == 2 {
			return
		}
	}
	ends[n.Service]++
	c.Circuits = append(c.Circuits, n)
}

// overlap reports whether two circuits of c want the same frames.
func overlap(c *dataplane.Config, a, b dataplane.Circuit) bool {
	whole := func(c dataplane.Circuit) bool { return c.Through && c.Tags == 0 }
	switch {
	case a.Parent != b.Parent:
		return false
	case whole(a) || whole(b):
		return true
	case min(a.Tags, 1) != min(b.Tags, 1):
		return false
	}
	id := outerOf(c, a.Parent)
	return a.Tags == 0 || cmp.Or(a.TPID, id) == cmp.Or(b.TPID, id) && a.Outer == b.Outer && (a.Tags != b.Tags || a.Tags == 1 || a.Inner == b.Inner)
}

// outerOf is the outer ethertype of a port or LAG.
func outerOf(c *dataplane.Config, parent string) uint16 {
	for _, p := range c.Ports {
		if p.Name == parent {
			return cmp.Or(p.TPID, frame.CTag)
		}
	}
	for _, l := range c.LAGs {
		if l.Name == parent {
			return cmp.Or(l.TPID, frame.CTag)
		}
	}
	return frame.CTag
}

func stations() *rapid.Generator[[6]byte] {
	return rapid.Custom(func(t *rapid.T) [6]byte { return station(even[byte](1, 2, 3, 4).Draw(t, "station")) })
}

func destinations() *rapid.Generator[[6]byte] {
	return rapid.Custom(func(t *rapid.T) [6]byte {
		if rapid.Bool().Draw(t, "station") {
			return stations().Draw(t, "which")
		}
		return even([6]byte(broadcast), [6]byte{1, 0, 0x5e, 0, 0, 1}, [6]byte{1, 0x80, 0xc2}, lacp.Address(), [6]byte{}).Draw(t, "other")
	})
}

// frames draws frames, most of which some circuit of c takes that come in at a port, or out of the tunnels by "".
func frames(c *dataplane.Config, port string) *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		var tags []frame.Tag
		var right [][]frame.Tag
		p := port
		for _, l := range c.LAGs {
			if slices.Contains(l.Members, port) {
				p = l.Name
			}
		}
		for _, o := range c.Circuits {
			if o.Parent == p {
				id := cmp.Or(o.TPID, outerOf(c, p))
				own := []frame.Tag{{TPID: id, TCI: o.Outer}, {TPID: frame.CTag, TCI: o.Inner}}[:o.Tags]
				right = append(right, own)
				if o.Through {
					right = append(right, append(slices.Clip(own), even(inside...).Draw(t, "inside")...))
				}
			}
		}
		if len(right) > 0 && often().Draw(t, "right") {
			tags = slices.Clone(even(right...).Draw(t, "tags"))
			for i := range tags {
				tags[i].TCI |= uint16(number(16).Draw(t, "priority")) << 12
			}
		} else {
			tags = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) frame.Tag {
				return frame.Tag{TPID: even(tpids...).Draw(t, "TPID"), TCI: even[uint16](0, 1, 2, 3).Draw(t, "TCI")}
			}), 0, 3).Draw(t, "any tags")
			if port == "" && len(tags) > 0 && often().Draw(t, "priority tag") {
				tags = []frame.Tag{{TPID: frame.CTag, TCI: 5 << 13}}
			}
		}
		src := stations().Draw(t, "src")
		if !often().Draw(t, "individual") {
			src[0] |= even[byte](0, 1).Draw(t, "group")
		}
		f := build(destinations().Draw(t, "dst"), src, tags, even(0, 1, 46, 46, 46, 46, 46, 47, 60, 61, 1500).Draw(t, "payload"))
		switch number(40).Draw(t, "damage") {
		case 20:
			f = f[:rapid.IntRange(0, len(f)).Draw(t, "cut")]
		case 19:
			if at := 12 + 4*len(tags); len(f) >= at+2 {
				f[at], f[at+1] = 0x88, 0x09
			}
		case 18:
			f[rapid.IntRange(0, min(len(f)-1, 30)).Draw(t, "at")] ^= rapid.Byte().Draw(t, "octet")
		}
		return f
	})
}

// inside are tags that frames have of their own.
var inside = [][]frame.Tag{{{TPID: frame.CTag, TCI: 7}}, {{TPID: frame.CTag}}, {{TPID: frame.STag, TCI: 1}}, {{TPID: frame.CTag, TCI: 1}, {TPID: frame.CTag, TCI: 2}}, {{TPID: frame.QTag, TCI: 3}, {TPID: frame.CTag, TCI: 4}}}

// change draws another configuration that is nearly c.
func change(t *rapid.T, c *dataplane.Config) *dataplane.Config {
	n := *c
	n.Ports, n.Services, n.Circuits = slices.Clone(c.Ports), slices.Clone(c.Services), slices.Clone(c.Circuits)
	n.Filters = slices.Clone(c.Filters)
	p, s := number(len(c.Ports)).Draw(t, "which port"), number(len(c.Services)).Draw(t, "which service")
	what := number(14).Draw(t, "what")
	switch what {
	case 11:
		n.Ports[p].Enabled = !n.Ports[p].Enabled
	case 1:
		n.Ports[p].TPID = tpid().Draw(t, "port TPID")
		if clash(&n) {
			return c
		}
	case 2:
		n.Services[s].MTU = mtus().Draw(t, "service MTU")
	case 3:
		if n.Services[s].VNI != 0 {
			n.Services[s].VNI += 10
		}
	case 4:
		n.Services[s].Remotes = n.Services[s].Remotes[:len(n.Services[s].Remotes)/2]
	case 5:
		n.Filters[0].Rules = n.Filters[0].Rules[:len(n.Filters[0].Rules)/2]
	}
	if len(n.Circuits) == 0 {
		return &n
	}
	i := number(len(n.Circuits)).Draw(t, "which circuit")
	switch what {
	case 6:
		n.Circuits[i].Enabled = !n.Circuits[i].Enabled
	case 7:
		n.Circuits = slices.Delete(n.Circuits, i, i+1)
	case 8:
		n.Circuits[i].In = policers().Draw(t, "in")
	case 9:
		n.Circuits[i].Leaf = !n.Circuits[i].Leaf
	case 10:
		n.Circuits[i].Filter = even("", "f0", "f1").Draw(t, "filter")
	case 0:
		n.Circuits[i].Service = ""
	case 13:
		n.Circuits[i].Through = n.Circuits[i].Tags < 2 && !n.Circuits[i].Through
		if clash(&n) {
			return c
		}
	case 12:
		if n.Circuits[i].Tags > 0 {
			n.Circuits[i].TPID = tpid().Draw(t, "circuit TPID")
		}
		if clash(&n) {
			return c
		}
	}
	return &n
}

// clash reports whether two circuits of c want the same frames.
func clash(c *dataplane.Config) bool {
	for i, a := range c.Circuits {
		for _, b := range c.Circuits[:i] {
			if overlap(c, a, b) {
				return true
			}
		}
	}
	return false
}

// TestPlaneDoesWhatItsConfigurationSays holds for any configuration and whatever happens that the plane sends, drops
// and counts what the model does, octet by octet and for the same reasons.
func TestPlaneDoesWhatItsConfigurationSays(t *testing.T) {
	forwarded := uint64(0)
	synctest.Test(t, func(st *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			tr := newTrial(st)
			defer tr.close()
			tr.follow(configs().Draw(t, "configuration"))
			tr.wait(5 * time.Second)
			for range even(40, 40, 20, 5, 1).Draw(t, "events") {
				var diff string
				switch what := number(14).Draw(t, "event"); what {
				case 13:
					tr.wait(even(time.Second/8, time.Second, dataplane.AgeingTime-time.Second, dataplane.AgeingTime).Draw(t, "wait"))
				case 12:
					tr.flip(even(jacks[:4]...).Draw(t, "link"))
				case 11:
					tr.follow(change(t, tr.conf))
				case 9, 10:
					h := []byte{even[byte](8, 8, 8, 8, 0x88, 0x88, 0x88, 0).Draw(t, "flags"), 0, 0, even[byte](0, 1).Draw(t, "group"), 0, 0, even[byte](4, 5, 5, 6, 6, 7, 7).Draw(t, "VNI"), 0}
					d := append(h, frames(tr.conf, "").Draw(t, "far frame")...)
					d = d[:len(d)-min(len(d), even(0, 0, 0, 0, 0, 60).Draw(t, "missing"))]
					diff = tr.hear(even(remotes[0], remotes[0], remotes[1], stranger).Draw(t, "remote"), d)
				default:
					port := even(append(slices.Repeat(jacks[:4], 8), jacks[4])...).Draw(t, "port")
					f := frames(tr.conf, port).Draw(t, "frame")
					diff = tr.arrive(port, f)
				}
				if diff != "" {
					t.Fatalf("model and plane differ (-model +plane):\n%s", diff)
				}
				if tr.drops > 200 {
					break // the plane remembers 256
				}
			}
			if diff := tr.counts(); diff != "" {
				t.Fatalf("counters differ (-model +plane):\n%s", diff)
			}
			for _, s := range tr.CircuitStates() {
				forwarded += s.Out.Frames
			}
		})
	})
	if forwarded == 0 {
		t.Error("no frame was forwarded")
	}
}

// FuzzForward holds for any frames that nothing comes out but what the model sends.
func FuzzForward(f *testing.F) {
	seed := 0
	for variant := range uint8(40) {
		c := configs().Example(int(variant))
		for port := range uint8(len(jacks)) {
			seed++
			f.Add(variant, port, frames(c, jacks[port]).Example(seed), port+1, frames(c, jacks[(port+1)%4]).Example(seed+1))
		}
		vxlan := []byte{8, 0, 0, 0, 0, 0, 5, 0}
		f.Add(variant, uint8(5), append(vxlan, frames(c, "").Example(seed)...), uint8(0), frames(c, "a").Example(seed))
	}
	f.Fuzz(func(t *testing.T, variant, port uint8, first []byte, then uint8, second []byte) {
		synctest.Test(t, func(t *testing.T) {
			tr := newTrial(t)
			defer tr.close()
			tr.follow(configs().Example(int(variant)))
			tr.wait(5 * time.Second)
			for _, in := range []struct {
				port  uint8
				frame []byte
			}{{port, first}, {then, second}, {port, first}} {
				b := in.frame[:min(len(in.frame), wire.MaxFrame)]
				diff := ""
				if i := int(in.port) % (len(jacks) + len(remotes)); i < len(jacks) {
					diff = tr.arrive(jacks[i], b)
				} else {
					diff = tr.hear(remotes[i-len(jacks)], b)
				}
				if diff != "" {
					t.Fatalf("model and plane differ (-model +plane):\n%s", diff)
				}
			}
		})
	})
}
