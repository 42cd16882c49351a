package junos

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// samples are values of every type.
func samples() []string {
	return []string{
		"1", "5", "64", "300", "1500", "4789", "65000", "10m", "64k", "0x88a8", "0x9100", "0x8100.7", "none", "all", "02:00:00:00:00:0A", "01:80:c2:00:00:00/44",
		"192.0.2.1", "192.0.2.0/24", "2001:db8::1", "xe-0/0/0", "xe-0/0/1", "ae1", "xe-0/0/0.300", "ae1.5", "lan", "ix-f", "p", `a "b" \c`, "x y", "#", "",
	}
}

// keys are values that make what is set refer to each other.
func keys(s *schema) []string {
	switch s.parent.name + " " + s.name {
	case "interfaces interface":
		return []string{"xe-0/0/0", "xe-0/0/1", "ae1", "fxp0"}
	case "interface unit":
		return []string{"0", "5", "300"}
	case "domain interface", "bridge-options interface":
		return []string{"xe-0/0/0.300", "xe-0/0/1.5", "ae1.5", "ae1.300"}
	case "interface encapsulation":
		return []string{"ethernet-bridge", "flexible-ethernet-services", "flexible-ethernet-services", "ethernet-ccc"}
	case "unit encapsulation":
		return []string{"vlan-bridge"}
	case "ethernet device-count":
		return []string{"1", "5"}
	}
	switch s.name {
	case "filter", "filter-name":
		return []string{"ix-f", "other"}
	case "policer", "input-policer", "output-policer":
		return []string{"p", "other"}
	case "802.3ad", "bundle":
		return []string{"ae1"}
	}
	return nil
}

// value draws a value that a type takes, or now and then one that it does not.
func value(t *rapid.T, s *schema) string {
	fit := keys(s)
	if rapid.IntRange(0, 30).Draw(t, "odd") == 0 {
		fit = samples()
	}
	for _, w := range append(samples(), strings.FieldsFunc(grammar, func(r rune) bool { return strings.ContainsRune(" \n|[]", r) })...) {
		if len(keys(s)) > 0 || len(fit) > 4 {
			break
		}
		if _, err := s.typ(w); err == nil {
			fit = append(fit, w)
		}
	}
	return rapid.SampledFrom(fit).Draw(t, s.name)
}

// statement draws a path of words, down to a statement that may be set.
func statement(t *rapid.T, root *schema) (path []string, last *schema) {
	s := root
	for {
		kids := s.kids
		if s == root { // mostly where it matters
			kids = nil
			for _, name := range []string{"interfaces", "interfaces", "firewall", "bridge-domains", "bridge-domains", "chassis", "forwarding-options", "protocols", "system"} {
				kids = append(kids, root.kid(name))
			}
		}
		if unit := s.kid("unit"); unit != nil && rapid.Bool().Draw(t, "unit") {
			kids = []*schema{unit}
		}
		s = rapid.SampledFrom(kids).Draw(t, "statement")
		if !s.bare {
			path = append(path, s.name)
		}
		if s.kind != container && s.kind != empty {
			path = append(path, quote(value(t, s)))
		}
		if len(s.kids) == 0 || s.present && rapid.IntRange(0, 5).Draw(t, "stop") == 0 {
			return path, s
		}
	}
}

// edition draws a line that changes a candidate.
func edition(t *rapid.T, root *schema) string {
	if rapid.IntRange(0, 7).Draw(t, "list") == 0 {
		term := rapid.SampledFrom([]string{"control", "members", "rest", "new"})
		return rapid.SampledFrom([]string{
			"insert firewall family bridge filter f term " + term.Draw(t, "term") + " before term " + term.Draw(t, "other"),
			"insert firewall family bridge filter f term " + term.Draw(t, "term") + " after term " + term.Draw(t, "other"),
			"rename firewall family bridge filter f term " + term.Draw(t, "term") + " to term " + term.Draw(t, "other"),
			"copy firewall family bridge filter f term " + term.Draw(t, "term") + " to term " + term.Draw(t, "other"),
			"copy interfaces ae10 unit 300 to unit 302", "rename interfaces ae10 to ae9", "rename bridge-domains lan to wan", "copy firewall family bridge filter f to f2",
			"set interfaces ae10 aggregated-ether-options ethernet-switch-profile tag-protocol-id [ 0x88a8 0x9100 ]",
			"set interfaces ae10 unit 300 vlan-id 301 description x", "delete bridge-domains lan vxlan static-remote-vtep-list 198.51.100.3",
		}).Draw(t, "line")
	}
	path, last := statement(t, root)
	text := strings.Join(path, " ")
	switch rapid.IntRange(0, 11).Draw(t, "verb") {
	case 0:
		return "delete " + text
	case 1:
		return "delete " + strings.Join(path[:rapid.IntRange(1, len(path)).Draw(t, "depth")], " ")
	case 2:
		return "deactivate " + text
	case 3:
		return "activate " + text
	case 4:
		if last.kind == list {
			return "insert " + text + " before " + path[max(0, len(path)-2)] + " " + quote(value(t, last))
		}
		return "set " + text
	case 5:
		if last.kind == list {
			return rapid.SampledFrom([]string{"rename ", "copy "}).Draw(t, "how") + text + " to " + path[max(0, len(path)-2)] + " " + quote(value(t, last))
		}
		return "set " + text
	}
	return "set " + text
}

func testNOS(t testing.TB) *NOS {
	n, err := New(Options{Name: "sw1", Ports: Ports(4), Minute: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// start is what random commands change: what a box has at first, or what all kinds of statements are in.
func start(t *rapid.T, n *NOS, rich *node) *node {
	if rapid.Bool().Draw(t, "rich") {
		return rich
	}
	return n.first
}

func rich(t testing.TB, n *NOS) *node {
	a, err := txtar.ParseFile(filepath.Join("testdata", "forwarding.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	e := newEdit(&node{schema: n.schema})
	if faults := n.load(e, string(a.Files[0].Data)); faults != nil {
		t.Fatal(faults)
	}
	return e.snapshot()
}

func show(n *node) string { return string(appendSet(nil, n, nil)) }

// edited is a configuration after random commands.
func edited(t *rapid.T, n *NOS, from *node) *node {
	e := newEdit(from)
	for range rapid.IntRange(0, 30).Draw(t, "commands") {
		_ = n.loadLine(e, edition(t, n.schema)) // what is refused changes nothing
	}
	return e.snapshot()
}

func TestConfigurationIsWhatItsSetLinesMake(t *testing.T) {
	n := testNOS(t)
	all := rich(t, n)
	rapid.Check(t, func(t *rapid.T) {
		a := edited(t, n, start(t, n, all))
		e := newEdit(&node{schema: n.schema})
		if faults := n.load(e, show(a)); faults != nil {
			t.Fatalf("%s\n%s", faults, show(a))
		}
		if diff := cmp.Diff(show(a), show(e.root)); diff != "" || !same(a, e.root) {
			t.Fatal(diff)
		}
		if text := appendJSON(nil, a, nil); !json.Valid(text) {
			t.Fatalf("no JSON: %s", text)
		}
	})
}

func TestEditLeavesItsSnapshotsAsTheyAre(t *testing.T) {
	n := testNOS(t)
	all := rich(t, n)
	rapid.Check(t, func(t *rapid.T) {
		e := newEdit(start(t, n, all))
		var snapshots []*node
		var texts []string
		for range rapid.IntRange(0, 40).Draw(t, "commands") {
			before := show(e.root)
			if err := n.loadLine(e, edition(t, n.schema)); err != nil && show(e.root) != before {
				t.Fatalf("refused, and something was changed: %v", err)
			}
			if rapid.Bool().Draw(t, "snapshot") {
				snapshots = append(snapshots, e.snapshot())
				texts = append(texts, show(e.root))
			}
		}
		for i, s := range snapshots {
			if diff := cmp.Diff(texts[i], show(s)); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func TestComparisonIsEmptyOnlyOfEqualConfigurations(t *testing.T) {
	n := testNOS(t)
	all := rich(t, n)
	rapid.Check(t, func(t *rapid.T) {
		a := edited(t, n, start(t, n, all))
		b := edited(t, n, a)
		if got := compare(a, b, nil); (len(got) == 0) != same(a, b) {
			t.Fatalf("same: %v, but\n%s", same(a, b), got)
		}
	})
}

func TestMergeOfOnesOwnChangesIsWhatOneHas(t *testing.T) {
	n := testNOS(t)
	all := rich(t, n)
	rapid.Check(t, func(t *rapid.T) {
		a := edited(t, n, start(t, n, all))
		b := edited(t, n, a)
		e := newEdit(a)
		if err := merge(e, a, b, nil); err != nil {
			t.Fatal(err)
		}
		sorted := func(n *node) string {
			all := strings.Split(show(n), "\n")
			// The order of what others may have added to is not that of one's own.
			m := make(map[string]bool)
			for _, l := range all {
				m[l] = true
			}
			keys, _ := json.Marshal(m)
			return string(keys)
		}
		if diff := cmp.Diff(sorted(b), sorted(e.root)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestEveryConfigurationIsTranslatedOrRefused(t *testing.T) {
	n := testNOS(t)
	all := rich(t, n)
	schema, err := tree.OpenConfig()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		e := tree.New(schema).Edit()
		err := translate(edited(t, n, start(t, n, all)), Ports(4))(e)
		var r refusal
		if err != nil && !errors.As(err, &r) {
			t.Fatal(err)
		}
	})
}

// person is a terminal that answers every question alike.
type person struct {
	bytes.Buffer
	answer, text string
}

func (p *person) Ask(string, bool) (string, error) { return p.answer, nil }
func (p *person) ReadText() (string, error)        { return p.text, nil }
func (p *person) SetLength(int)                    {}
func (p *person) SetWidth(int)                     {}
func (p *person) Size() (int, int)                 { return 80, 24 }

func attached(t testing.TB) *NOS {
	n := testNOS(t)
	ca, err := switchd.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	sw, err := switchd.New(switchd.Options{
		Name: "sw1", Listen: "127.0.0.1:0", Users: map[string]string{"lab": "secret"}, Ports: Ports(4), Native: n.Native(),
		TLS: &tls.Config{Certificates: []tls.Certificate{pair}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sw.Close)
	if err := n.Attach(sw); err != nil {
		t.Fatal(err)
	}
	return n
}

func runs(n *NOS) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return show(n.running())
}

func TestWhatRunsIsOneOfWhatWasCommitted(t *testing.T) {
	n := attached(t)
	rapid.Check(t, func(t *rapid.T) {
		who := []*session{n.session("lab"), n.session("eve")}
		for _, s := range who {
			s.t = &person{answer: rapid.SampledFrom([]string{"yes", "no"}).Draw(t, "answer"), text: edition(t, n.schema)}
			defer s.Close()
		}
		for range rapid.IntRange(0, 60).Draw(t, "lines") {
			s := rapid.SampledFrom(who).Draw(t, "who")
			line := rapid.OneOf(
				rapid.SampledFrom([]string{
					"configure", "configure exclusive", "configure private", "commit", "commit", "commit check", "commit confirmed 5", "commit and-quit", "rollback 0",
					"rollback 1", "rollback 49", "exit", "top", "up", "edit interfaces xe-0/0/0", "edit bridge-domains", "show", "show | compare", "show | display set",
					"run show interfaces", "load set terminal", "status", "delete", "show interfaces | display json", "top show | compare rollback 1 | count", "show system commit",
				}),
				rapid.Custom(func(t *rapid.T) string { return edition(t, n.schema) }),
			).Draw(t, "line")
			before := runs(n)
			var out bytes.Buffer
			if err := s.enter(&out, line); err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			_ = s.Prompt()
			changed := before != runs(n)
			if changed && (s.mode != operational || line == "commit and-quit") != true || changed && !strings.HasPrefix(line, "commit") {
				t.Fatalf("%s changes what runs", line)
			}
			if strings.HasPrefix(line, "commit") && strings.Contains(out.String(), "error: ") && changed {
				t.Fatalf("a refused commit changes what runs: %s", out.String())
			}
			fresh := newEdit(&node{schema: n.schema})
			if faults := n.load(fresh, runs(n)); faults != nil {
				t.Fatal(faults)
			}
			if !same(fresh.root, n.history[0].root) {
				t.Fatal("what is shown is not what runs")
			}
		}
	})
}

func FuzzLine(f *testing.F) {
	for _, line := range []string{
		"set interfaces xe-0/0/0 unit 5 vlan-tags outer 0x88a8.5 inner 7", `set interfaces ae1 description "a \" b"`, "delete interfaces", "rename bridge-domains a to b",
		"insert firewall family bridge filter f term a before term b", "deactivate interfaces ae1 unit 5", "set bridge-domains a vxlan static-remote-vtep-list [ 192.0.2.1 192.0.2.2 ]",
		"copy interfaces xe-0/0/0 to xe-0/0/1", "show interfaces | display json | match x", "commit confirmed 5 comment x", "set [", "| count", "edit interfaces xe-0/0/0", `"`, "top set", "run show",
	} {
		f.Add(line)
	}
	n := attached(f)
	f.Fuzz(func(t *testing.T, line string) {
		s := n.session("lab")
		defer s.Close()
		s.t = &person{answer: "yes"}
		for _, l := range []string{line, "configure private", line} {
			var out bytes.Buffer
			_ = s.enter(&out, l)
			_ = s.Key(l, ' ')
			_ = s.Key(l, '?')
		}
		if s.mode != private {
			return
		}
		fresh := newEdit(&node{schema: n.schema})
		if faults := n.load(fresh, show(s.candidate.root)); faults != nil || !same(fresh.root, s.candidate.root) {
			t.Fatalf("%q: %s\n%s", line, faults, show(s.candidate.root))
		}
	})
}
