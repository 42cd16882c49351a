package junos

import (
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/drivertest"
	"github.com/ixagent/ixagent/models/clitext"
	"github.com/ixagent/ixagent/models/switchcfg"
	"github.com/ixagent/ixagent/models/switchcfg/switchcfgtest"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files")

func profile(t testing.TB, name string) drivers.Capabilities {
	t.Helper()
	p, ok := Spec().Profile(name)
	if !ok {
		t.Fatalf("no profile %q", name)
	}
	return p.Capabilities
}

func eachProfile(t *testing.T, f func(t *testing.T, c drivers.Capabilities)) {
	for _, p := range profiles() {
		t.Run(p.Name, func(t *testing.T) { f(t, p.Capabilities) })
	}
}

// options are those of the states that a kind of device is asked to be in.
func options(c *drivers.Capabilities) switchcfgtest.Options {
	o := switchcfgtest.Options{
		LAGPrefix: "ae", NoStorm: !c.StormControl, NoMACLimit: !c.MACLimit, NoServiceMTU: true, NoPeers: !c.VXLAN,
		ServiceVLAN: c.ServiceVLAN, PortAlone: true, UntaggedUnit: c.UntaggedUnit, NoThrough: true,
	}
	for i := range 8 {
		o.Ports = append(o.Ports, fmt.Sprintf("xe-0/0/%d", i))
	}
	return o
}

// draw returns a state that the device can carry.
func draw(t *rapid.T, c *drivers.Capabilities, label string) switchcfg.State {
	s := options(c).State(t, label)
	for _, o := range s {
		if x, ok := o.(*switchcfg.Circuit); ok && !c.RateIn {
			x.RateIn, x.RateOut = 0, 0 // else hardly a circuit is left
		}
	}
	return drivertest.Carried(s, c)
}

// base is what the configuration says besides, before and behind ours.
const base = "set version 24.4R1.9\nset system host-name sw1\n" +
	"set interfaces fxp0 unit 0 family inet address 192.0.2.10/24\nset interfaces lo0 unit 0 family inet address 10.0.0.1/32\n" +
	"set switch-options vtep-source-interface lo0.0\n"

// on returns the answer of a switch in state s.
func on(c *drivers.Capabilities, s switchcfg.State, r rest) []byte {
	return render(speech(c), s, r).AppendText([]byte(base))
}

func TestParsingWhatIsRenderedGivesTheSame(t *testing.T) {
	eachProfile(t, func(t *testing.T, c drivers.Capabilities) {
		circuits := 0
		rapid.Check(t, func(t *rapid.T) {
			want := draw(t, &c, "state")
			text := on(&c, want, rest{devices: 16})
			got, r, err := parse(&c, text)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if !got.Equal(want) {
				t.Fatalf("%s\n%s", cmp.Diff(string(want.AppendText(nil)), string(got.AppendText(nil))), text)
			}
			if r.devices != 16 || !r.tunnels || len(r.down) > 0 || len(r.guests) > 0 {
				t.Fatalf("%+v\n%s", r, text)
			}
			for k := range got {
				if k.Kind == switchcfg.KindCircuit {
					circuits++
				}
			}
		})
		if circuits < 100 {
			t.Fatalf("only %d circuits in all states", circuits)
		}
	})
}

func TestCommandsLeadFromAnyStateToAnyOther(t *testing.T) {
	eachProfile(t, func(t *testing.T, c drivers.Capabilities) {
		w := speech(&c)
		rapid.Check(t, func(t *rapid.T) {
			before, after := draw(t, &c, "before"), draw(t, &c, "after")
			r := rest{devices: 2, tunnels: true, down: map[string]bool{"xe-0/0/0": true, "xe-0/0/7": true}}
			for name := range r.down {
				if before[switchcfg.Key{Kind: switchcfg.KindInterface, Name: name}] != nil {
					delete(r.down, name)
				}
			}
			then := r.after(before, after)
			if err := sayable(&c, before, after, r); err != nil {
				t.Fatal(err)
			}
			said := commands(w, before, after, r)
			whole := clitext.Patch(render(w, before, r), render(w, after, then))
			if d := cmp.Diff(slices.Sorted(slices.Values(whole)), slices.Sorted(slices.Values(said))); d != "" {
				t.Fatalf("the whole would be said otherwise (-whole +said):\n%s", d)
			}
			device, err := clitext.Parse(dialect(w), on(&c, before, r))
			if err != nil {
				t.Fatal(err)
			}
			device, err = clitext.Apply(device, said)
			if err != nil {
				t.Fatalf("%v\n%s", err, native(said))
			}
			text := device.AppendText(nil)
			got, now, err := parse(&c, text)
			if err != nil {
				t.Fatal(err)
			}
			if !got.Equal(after) {
				t.Fatalf("%s\n%s", cmp.Diff(string(after.AppendText(nil)), string(got.AppendText(nil))), native(said))
			}
			if d := cmp.Diff(then.down, now.down); d != "" {
				t.Fatalf("shut down (-want +got):\n%s\n%s", d, text)
			}
			if again := commands(w, got, after, now); len(again) > 0 {
				t.Fatalf("a second time:\n%s", native(again))
			}
			for line := range strings.Lines(base) {
				if !strings.Contains(string(text), line) {
					t.Fatalf("gone: %s%s", line, native(said))
				}
			}
		})
	})
}

func TestTextCutAnywhereIsAnErrorOrEndsWithALine(t *testing.T) {
	c := profile(t, "mx")
	text := on(&c, sample(), rest{devices: 16})
	for n := range len(text) {
		if _, _, err := parse(&c, text[:n]); err == nil && (n == 0 || text[n-1] != '\n') {
			t.Fatalf("%d octets are taken for a configuration, up to %.60q", n, text[max(0, n-60):n])
		}
	}
}

func TestLineThatIsNoStatementIsAnError(t *testing.T) {
	c := profile(t, "mx")
	for _, line := range []string{"", "set", "set ", "version 24.4R1;", "error: connection lost", "---(more)---", "agent@sw1> ", "delete interfaces xe-0/0/1", "set a\tb", "set interfaces \"xe", "activate interfaces"} {
		for _, text := range []string{base + line + "\n", line + "\n" + base} {
			if s, _, err := parse(&c, []byte(text)); err == nil {
				t.Errorf("%q is read over, with %d objects", line, len(s))
			}
		}
	}
}

// implied reports whether a statement may be rendered though it was not read: one that says what is so without it, or
// that Junos may show in another form.
func implied(line string) bool {
	for _, s := range []string{" lacp periodic fast", " lacp passive", " family bridge"} {
		if strings.HasSuffix(line, s) {
			return true
		}
	}
	if name, ok := strings.CutPrefix(line, "set interfaces "); ok {
		_, entry := aggregate(name)
		return entry
	}
	return strings.Contains(line, "-limit ") || strings.Contains(line, " bandwidth-level ")
}

func FuzzParse(f *testing.F) {
	c := profile(f, "mx")
	f.Add(on(&c, sample(), rest{devices: 16, down: map[string]bool{"xe-0/0/7": true}}))
	files, err := filepath.Glob(filepath.Join("testdata", "foreign", "*.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(base + string(a.Files[0].Data)))
	}
	w := speech(&c)
	f.Fuzz(func(t *testing.T, text []byte) {
		s, r, err := parse(&c, text)
		if err != nil {
			return
		}
		checked, err := checked(text)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := clitext.Parse(dialect(w), checked)
		if err != nil {
			t.Fatal(err)
		}
		all := string(tree.AppendText(nil))
		read := make(map[string]bool)
		for line := range strings.Lines(all) {
			read[line] = true
		}
		ours := render(w, s, r)
		for line := range strings.Lines(string(ours.AppendText(nil))) {
			entry := strings.TrimSuffix(line, "\n") + " "
			if !read[line] && !implied(strings.TrimSpace(line)) && !strings.Contains(all, entry) {
				t.Fatalf("not read, and yet rendered: %s", line)
			}
		}
		for _, o := range s {
			if _, opaque := o.(*switchcfg.Opaque); opaque {
				return
			}
		}
		again, _, err := parse(&c, append([]byte("set version 1\n"), ours.AppendText(nil)...))
		if err != nil || !again.Equal(s) {
			t.Fatalf("%v\n%s", err, cmp.Diff(string(s.AppendText(nil)), string(again.AppendText(nil))))
		}
	})
}

func TestHostileTextIsNeverSaid(t *testing.T) {
	c := profile(t, "mx")
	w, r := speech(&c), rest{devices: 16, tunnels: true}
	refused := 0
	for _, text := range drivertest.Hostile() {
		for place, edit := range map[string]func(switchcfg.State){
			"port":      func(s switchcfg.State) { s.Put(&switchcfg.Interface{Name: text, Description: "ixagent port:1"}) },
			"port text": func(s switchcfg.State) { s.Put(&switchcfg.Interface{Name: "xe-0/0/6", Description: text}) },
			"LAG": func(s switchcfg.State) {
				s.Put(&switchcfg.LAG{Name: text, Mode: switchcfg.ModeStatic, Members: []string{"xe-0/0/1"}})
			},
			"LAG text": func(s switchcfg.State) { with(s, "lag ae10", func(l *switchcfg.LAG) { l.Description = text }) },
			"service":  func(s switchcfg.State) { s.Put(&switchcfg.Service{Name: text, Type: switchcfg.ServiceLAN}) },
			"service text": func(s switchcfg.State) {
				with(s, "service ix-lan", func(v *switchcfg.Service) { v.Description = text })
			},
			"filter": func(s switchcfg.State) { s.Put(&switchcfg.Filter{Name: text, AnySource: true}) },
			"circuit text": func(s switchcfg.State) {
				with(s, "circuit ae10.100", func(x *switchcfg.Circuit) { x.Description = text })
			},
			"circuit joins":  func(s switchcfg.State) { with(s, "circuit ae10.100", func(x *switchcfg.Circuit) { x.Service = text }) },
			"circuit filter": func(s switchcfg.State) { with(s, "circuit ae10.100", func(x *switchcfg.Circuit) { x.Filter = text }) },
		} {
			before := sample()
			after := edited(before, edit)
			if sayable(&c, before, after, r) != nil {
				refused++
				continue
			}
			for _, command := range commands(w, before, after, r) {
				for i := range len(command) {
					if command[i] < ' ' || command[i] > '~' || strings.IndexByte("?;{}[]|#<>*!&$%^~`'\\", command[i]) >= 0 {
						t.Fatalf("%.60q as %s is said: %.200q", text, place, command)
					}
				}
			}
		}
	}
	if refused < 9*len(drivertest.Hostile()) {
		t.Errorf("only %d of them were refused", refused)
	}
}
