package eos

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/drivertest"
	"github.com/ixagent/ixagent/drivers/ssh"
	"github.com/ixagent/ixagent/models/clitext"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
	"github.com/ixagent/ixagent/models/switchcfg/switchcfgtest"
)

func profile(t testing.TB, name string) drivers.Capabilities {
	t.Helper()
	p, ok := Spec().Profile(name)
	if !ok {
		t.Fatalf("no profile %q", name)
	}
	return p.Capabilities
}

func eachProfile(t *testing.T, f func(t *testing.T, c drivers.Capabilities)) {
	for _, p := range Spec().Profiles {
		t.Run(p.Name, func(t *testing.T) { f(t, p.Capabilities) })
	}
}

// options are of states that most of can be carried.
func options(c drivers.Capabilities) switchcfgtest.Options {
	o := switchcfgtest.Default()
	o.LAGPrefix = portChannel
	o.PortTPID = c.TPIDScope == drivers.PortScope
	o.ServiceVLAN, o.UntaggedUnit, o.NoMACLimit, o.NoServiceMTU = true, c.UntaggedUnit, true, true
	o.LineVLAN, o.PortVLANs, o.PortAlone = c.LineVLAN, c.PortVLANs, c.PortVLANs
	return o
}

// draw returns a legal state of what a device can carry.
func draw(t *rapid.T, c drivers.Capabilities, label string) switchcfg.State {
	return drivertest.Carried(options(c).State(t, label), &c)
}

// some returns a fixed state with at least n objects.
func some(c drivers.Capabilities, seed, n int) switchcfg.State {
	return rapid.Custom(func(t *rapid.T) switchcfg.State { return draw(t, c, "state") }).
		Filter(func(s switchcfg.State) bool { return len(s) >= n }).Example(seed)
}

// bare is what a lab switch has besides what it is told.
func bare(c drivers.Capabilities) site { return site{tunnels: true, bridged: c.PortVLANs} }

// text returns the whole of what is understood.
func (r *running) text() string {
	all := make(map[switchcfg.Key]bool)
	for k := range r.state {
		all[k] = true
	}
	return string(r.render(r.state, all).AppendText(nil))
}

func text(c drivers.Capabilities, s switchcfg.State) string {
	r := running{state: s, site: bare(c)}
	return r.text()
}

// withPort adds a port to the text of a state that may have none: a switch without ports is not believed.
func withPort(text string) string {
	return strings.TrimSuffix(text, "end\n") + "interface Ethernet99\n!\nend\n"
}

// tb is what the tests need of a *testing.T or *rapid.T.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func same(t tb, got, want switchcfg.State, context string) {
	t.Helper()
	if !got.Equal(want) {
		t.Fatalf("(-want +got):\n%s\n%s", cmp.Diff(string(want.AppendText(nil)), string(got.AppendText(nil))), context)
	}
}

func TestParsingWhatIsRenderedGivesTheSame(t *testing.T) {
	eachProfile(t, func(t *testing.T, c drivers.Capabilities) {
		rapid.Check(t, func(t *rapid.T) {
			want := draw(t, c, "state")
			native := withPort(text(c, want))
			got, err := Parse([]byte(native), &c)
			if err != nil {
				t.Fatalf("%v\n%s", err, native)
			}
			same(t, got, want, native)
		})
	})
}

// become returns what a device that is as before makes of the commands for target.
func become(t tb, c drivers.Capabilities, before string, target switchcfg.State) (string, []string) {
	now, err := read(&c, before)
	if err != nil {
		t.Fatal(err)
	}
	commands, err := now.commands(&c, target, plan.Diff(now.state, target))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := clitext.Parse(dialect(), []byte(before))
	if err != nil {
		t.Fatal(err)
	}
	after, err := clitext.Apply(tree, commands)
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(commands, "\n"))
	}
	return string(after.AppendText(nil)), commands
}

func TestCommandsLeadFromAnyStateToAnyOther(t *testing.T) {
	eachProfile(t, func(t *testing.T, c drivers.Capabilities) {
		rapid.Check(t, func(t *rapid.T) {
			native := foreign
			for step := range 3 {
				target := draw(t, c, fmt.Sprint("state ", step))
				before := native
				var commands []string
				native, commands = become(t, c, before, target)
				context := before + "----\n" + strings.Join(commands, "\n") + "\n----\n" + native
				got, err := Parse([]byte(native), &c)
				if err != nil {
					t.Fatalf("%v\n%s", err, context)
				}
				same(t, got, target, context)
				if _, again := become(t, c, native, target); len(again) > 0 {
					t.Fatalf("there is more to do: %q\n%s", again, context)
				}
				for line := range strings.Lines(foreign) {
					if !strings.Contains(native, line) {
						t.Fatalf("%q is gone\n%s", line, context)
					}
				}
			}
		})
	})
}

// foreign is a configuration of which nothing is the agent's, as a device without members has it.
const foreign = `hostname sw1
spanning-tree mode mstp
interface Ethernet99
   load-interval 30
interface Loopback0
   ip address 192.0.2.250/32
interface Management1
   ip address 198.51.100.7/24
interface Vxlan1
   vxlan source-interface Loopback0
   vxlan udp-port 4789
ip routing
router bgp 64500
   neighbor 192.0.2.1 remote-as 64500
management ssh
   idle-timeout 30
end
`

func TestTextCutAnywhereIsAnError(t *testing.T) {
	c := profile(t, profileFlexible)
	whole := withPort(text(c, some(c, 1, 20)))
	for n := range len(whole) - 1 {
		if got, err := Parse([]byte(whole[:n]), &c); err == nil {
			t.Fatalf("cut after %d of %d bytes it gives %d objects", n, len(whole), len(got))
		}
	}
}

func FuzzParse(f *testing.F) {
	for i, p := range Spec().Profiles {
		f.Add(foreign, uint8(i))
		for seed := range 3 {
			f.Add(withPort(text(p.Capabilities, some(p.Capabilities, seed, 15))), uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, native string, which uint8) {
		c := Spec().Profiles[int(which)%len(Spec().Profiles)].Capabilities
		r, err := read(&c, native)
		if err != nil {
			return
		}
		again := withPort(r.text())
		got, err := Parse([]byte(again), &c)
		if err != nil {
			t.Fatalf("%v\n%s", err, again)
		}
		opaque := func(o switchcfg.Object) bool { _, is := o.(*switchcfg.Opaque); return is }
		for k, o := range r.state {
			if c, ok := o.(*switchcfg.Circuit); ok && opaque(r.state[serviceKey(c.Service)]) {
				continue // that it joins it is not rendered
			}
			if !opaque(o) && !switchcfg.Equal(got[k], o) {
				t.Errorf("%s\n%s\nbecomes\n%s", native, switchcfg.AppendText(nil, o), again)
			}
		}
	})
}

var rewrite = flag.Bool("update", false, "rewrite the golden files")

// TestGolden leads a switch from one configuration to what another says. Where there is no other, it only reads.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		c := profile(t, profileFlexible)
		if strings.HasPrefix(name, "switchport") {
			c = profile(t, profileBridged)
		}
		t.Run(name, func(t *testing.T) {
			in, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out := &txtar.Archive{Comment: in.Comment}
			section := func(name string) string {
				for _, f := range in.Files {
					if f.Name == name {
						return string(f.Data)
					}
				}
				return ""
			}
			put := func(name, text string) {
				out.Files = append(out.Files, txtar.File{Name: name, Data: []byte(text)})
			}
			before, after := section("before"), section("after")
			now, err := read(&c, before)
			if err != nil {
				t.Fatal(err)
			}
			put("before", before)
			if after == "" {
				put("observed", string(now.state.AppendText(nil)))
			} else {
				wanted, err := read(&c, after)
				if err != nil {
					t.Fatal(err)
				}
				put("after", after)
				native, commands := become(t, c, before, wanted.state)
				put("commands", string(lines(commands)))
				got, err := read(&c, native)
				if err != nil {
					t.Fatal(err)
				}
				same(t, got.state, wanted.state, native)
				put("running", native)
				_, commands = become(t, c, native, now.state)
				put("back", string(lines(commands)))
			}
			if text := txtar.Format(out); *rewrite {
				if err := os.WriteFile(file, text, 0o666); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(string(txtar.Format(in)), string(text)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHostileTextIsRefusedBeforeAnythingIsSent(t *testing.T) {
	c := profile(t, profileFlexible)
	d := &driver{session: new(ssh.Session), device: drivers.Device{Capabilities: c}}
	var err error
	if d.last, err = read(&c, foreign); err != nil {
		t.Fatal(err)
	}
	for _, hostile := range drivertest.Hostile() {
		for place, objects := range map[string][]switchcfg.Object{
			"description": {&switchcfg.Interface{Name: "Ethernet1", Description: hostile}},
			"comment":     {&switchcfg.Service{Name: "ix-1", Description: hostile, Type: switchcfg.ServiceLAN, VLAN: 600}},
			"name":        {&switchcfg.Service{Name: hostile, Description: "x", Type: switchcfg.ServiceLAN, VLAN: 600}},
			"patch":       {&switchcfg.Service{Name: hostile, Description: "x", Type: switchcfg.ServiceLine}},
			"filter":      {&switchcfg.Filter{Name: hostile, AnySource: true}},
			"port":        {&switchcfg.Interface{Name: hostile, Description: "x"}},
			"parent":      {&switchcfg.Circuit{Parent: hostile, Unit: 1, Service: "ix-1"}},
			"member":      {&switchcfg.LAG{Name: "Port-Channel1", Mode: switchcfg.ModeStatic, Members: []string{hostile}}},
		} {
			target := maps.Clone(d.last.state)
			target.Put(objects...)
			commands, err := d.commands("apply", plan.Diff(d.last.state, target))
			if err != nil {
				if drivers.FaultOf(err) != drivers.Unsupported {
					t.Errorf("%.40q as %s: %v", hostile, place, err)
				}
				continue
			}
			if !drivers.Plain(hostile) || strings.ContainsFunc(string(lines(commands)), func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) {
				t.Errorf("%.40q as %s is sent as %q", hostile, place, commands)
			}
		}
	}
}

func TestWhatEOSHasNoWordsForIsRefused(t *testing.T) {
	flexible, tpid, bridged := profile(t, profileFlexible), profile(t, profileTPID), profile(t, profileBridged)
	declared := flexible
	declared.TPIDs = switchcfg.TPIDs()
	port := &switchcfg.Interface{Name: "Ethernet1", Description: "x"}
	lan := &switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceLAN, VLAN: 600}
	circuit := func(m switchcfg.Match) *switchcfg.Circuit {
		return &switchcfg.Circuit{Parent: "Ethernet1", Unit: 1, Match: m, Service: "ix-1"}
	}
	plain := &switchcfg.Interface{Name: "Ethernet1", Description: "x", TPID: switchcfg.TPIDCustomer}
	other := &switchcfg.Service{Name: "ix-2", Type: switchcfg.ServiceLine, VLAN: 601}
	one, two := switchcfg.MatchSingle(switchcfg.TPIDCustomer, 1), switchcfg.MatchSingle(switchcfg.TPIDCustomer, 2)
	beside := func(m switchcfg.Match, f func(*switchcfg.Circuit)) *switchcfg.Circuit {
		c := &switchcfg.Circuit{Parent: "Ethernet1", Unit: 2, Match: m, Service: "ix-2"}
		if f != nil {
			f(c)
		}
		return c
	}
	for _, x := range []struct {
		caps    drivers.Capabilities
		site    site
		why     string
		objects []switchcfg.Object
	}{
		{flexible, bare(flexible), "a name such as", []switchcfg.Object{&switchcfg.Interface{Name: "Management1", Description: "x"}}},
		{flexible, bare(flexible), "a name such as", []switchcfg.Object{&switchcfg.Interface{Name: "Ethernet01", Description: "x"}}},
		{flexible, bare(flexible), "a name such as", []switchcfg.Object{port, &switchcfg.LAG{Name: "lag1", Mode: switchcfg.ModeStatic, Members: []string{"Ethernet1"}}}},
		{flexible, bare(flexible), "it has none", []switchcfg.Object{&switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceLAN}}},
		{flexible, bare(flexible), "it has none", []switchcfg.Object{&switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceLine, VNI: 7}}},
		{flexible, site{}, "no interface Vxlan1", []switchcfg.Object{&switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceLAN, VLAN: 600, VNI: 7}}},
		{flexible, site{tunnels: true, floods: true}, "no peers", []switchcfg.Object{&switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceLAN, VLAN: 600, VNI: 7}}},
		{declared, bare(flexible), "0x9100", []switchcfg.Object{port, lan, circuit(switchcfg.MatchSingle(switchcfg.TPIDStacked, 7))}},
		{flexible, bare(flexible), "not understood", []switchcfg.Object{port, circuit(switchcfg.MatchUntagged())}},
		{flexible, bare(flexible), "a name such as", []switchcfg.Object{port, lan, &switchcfg.Circuit{Parent: "Ethernet1", Service: "ix-1"}}},
		{tpid, bare(tpid), "0x8100", []switchcfg.Object{port}},
		{tpid, bare(flexible), "0x88a8", []switchcfg.Object{
			&switchcfg.Interface{Name: "Ethernet1", Description: "x", TPID: switchcfg.TPIDStacked}, lan, circuit(switchcfg.MatchSingle(switchcfg.TPIDService, 7)),
		}},
		{bridged, bare(bridged), "it has none", []switchcfg.Object{&switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceLine}}},
		{bridged, bare(bridged), "is not understood", []switchcfg.Object{plain, circuit(one)}},
		{bridged, bare(bridged), "is not understood", []switchcfg.Object{lan, circuit(one)}},
		{bridged, bare(bridged), "without a tag", []switchcfg.Object{plain, lan, other, circuit(one), beside(switchcfg.MatchUntagged(), nil)}},
		{bridged, bare(bridged), "MAC filter", []switchcfg.Object{plain, lan, other, circuit(one), beside(two, func(c *switchcfg.Circuit) { c.Filter = "ix-f" })}},
		{bridged, bare(bridged), "rate", []switchcfg.Object{plain, lan, other, circuit(one), beside(two, func(c *switchcfg.Circuit) { c.RateOut = 1000 })}},
		{bridged, bare(bridged), "once", []switchcfg.Object{plain, lan, circuit(one), beside(two, func(c *switchcfg.Circuit) { c.Service = lan.Name })}},
	} {
		target := make(switchcfg.State)
		target.Put(x.objects...)
		r := running{state: make(switchcfg.State), site: x.site}
		commands, err := r.commands(&x.caps, target, plan.Diff(nil, target))
		if err == nil || !strings.Contains(err.Error(), x.why) {
			t.Errorf("%s%v, %q, want %q", target.AppendText(nil), err, commands, x.why)
		}
	}
}
