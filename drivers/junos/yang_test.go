package junos

import (
	"bytes"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/models/clitext"
	"github.com/ixagent/ixagent/models/oc/octest"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// lint asks yanglint whether configurations are ones of the vendor's modules, and returns what it has against them.
func lint(t testing.TB, trees ...*clitext.Tree) string {
	t.Helper()
	dir := filepath.Join(octest.Models(t), "junos")
	tool, err := exec.LookPath("yanglint")
	if err != nil {
		if os.Getenv("IXAGENT_REQUIRE") == "all" {
			t.Fatal("required and missing: yanglint (Debian package libyang2-tools)")
		}
		t.Skip("SKIPPED, missing: yanglint (Debian package libyang2-tools)")
	}
	args := []string{"-p", dir, "-f", "xml", "-t", "config"}
	for _, m := range []string{"root", "chassis", "interfaces", "bridge-domains", "firewall", "forwarding-options"} {
		args = append(args, filepath.Join(dir, "junos-conf-"+m+"@2024-01-01.yang"))
	}
	folder := t.TempDir()
	for i, tree := range trees {
		file := filepath.Join(folder, strconv.Itoa(i)+".xml")
		if err := os.WriteFile(file, document(tree), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	var out bytes.Buffer
	cmd := exec.Command(tool, args...)
	cmd.Stderr = &out
	if err := cmd.Run(); err != nil {
		return err.Error() + "\n" + out.String()
	}
	return ""
}

// document returns the configuration as XML of the vendor's modules.
func document(tree *clitext.Tree) []byte {
	d := &xmlWriter{}
	d.WriteString(`<configuration xmlns="http://yang.juniper.net/junos/conf/root">`)
	for n := range tree.Root().Children() {
		d.WriteString("<" + n.Text() + ` xmlns="http://yang.juniper.net/junos/conf/` + n.Text() + `">`)
		d.children(n, []string{n.Text()})
		d.WriteString("</" + n.Text() + ">")
	}
	d.WriteString("</configuration>")
	return d.Bytes()
}

type xmlWriter struct{ bytes.Buffer }

// entries are the lists: the path in words, and what an entry is called in XML.
var entries = []struct {
	path    string
	element string
}{
	{"interfaces *", "interface"},
	{"interfaces * unit *", "unit"},
	{"bridge-domains *", "domain"},
	{"bridge-domains * interface *", "interface"},
	{"bridge-domains * bridge-options interface *", "interface"},
	{"firewall policer *", "policer"},
	{"firewall family bridge filter *", "filter"},
	{"firewall family bridge filter * term *", "term"},
	{"firewall family bridge filter * term * from destination-mac-address *", "destination-mac-address"},
	{"firewall family bridge filter * term * from source-mac-address *", "source-mac-address"},
	{"forwarding-options storm-control-profiles *", "storm-control-profiles"},
}

// hosted are values that have no name in the statement, and how XML calls them.
var hosted = map[string]string{
	"802.3ad": "bundle", "storm-control": "profile-name", "input": "filter-name", "interface-mac-limit": "limit",
}

// valued are the statements of one value or a list of values.
var valued = strings.Fields("description mtu encapsulation vlan-id outer inner minimum-links periodic system-id device-count tag-protocol-id " +
	"input-policer output-policer vni static-remote-vtep-list packet-action bandwidth-limit burst-size-limit bandwidth-level count")

func (d *xmlWriter) children(n clitext.Node, path []string) {
	for c := range n.Children() {
		d.statement(n, c, append(slices.Clone(path), c.Text()))
	}
}

func (d *xmlWriter) text(element, value string) {
	d.WriteString("<" + element + ">")
	if err := xml.EscapeText(d, []byte(clitext.Unquote(value))); err != nil {
		panic(err)
	}
	d.WriteString("</" + element + ">")
}

func (d *xmlWriter) statement(parent, n clitext.Node, path []string) {
	word := n.Text()
	if is(append(slices.Clone(path), "*")) { // the list's name alone
		for c := range n.Children() {
			at := append(slices.Clone(path), c.Text())
			element := listed(at)
			d.WriteString("<" + element + ">")
			d.text("name", c.Text())
			d.children(c, at)
			d.WriteString("</" + element + ">")
		}
		return
	}
	if is(path) { // an entry of a list without a name of its own
		element := listed(path)
		d.WriteString("<" + element + ">")
		d.text("name", word)
		d.children(n, path)
		d.WriteString("</" + element + ">")
		return
	}
	if slices.Contains(valued, word) {
		for c := range n.Children() {
			d.text(word, c.Text())
		}
		return
	}
	element := word
	if word == "802.3ad" {
		element = "ieee-802.3ad"
	}
	d.WriteString("<" + element + ">")
	for c := range n.Children() {
		if name, ok := hosted[word]; ok && c.Len() == 0 {
			d.text(name, c.Text())
		} else {
			d.statement(n, c, append(slices.Clone(path), c.Text()))
		}
	}
	d.WriteString("</" + element + ">")
}

// listed returns what an entry of a list at a path is called, "" for none.
func listed(path []string) string {
	for _, e := range entries {
		want := strings.Fields(e.path)
		if slices.EqualFunc(want, path, func(w, p string) bool { return w == "*" || w == p }) {
			return e.element
		}
	}
	return ""
}

func is(path []string) bool { return listed(path) != "" }

func TestConfigurationIsOneOfTheVendorsModules(t *testing.T) {
	c := profile(t, "mx")
	var states []switchcfg.State
	for _, tr := range transitions() {
		states = append(states, tr.before, tr.after)
	}
	generate := rapid.Custom(func(t *rapid.T) switchcfg.State { return draw(t, &c, "state") }).Filter(func(s switchcfg.State) bool { return len(s) > 25 })
	for seed := range 8 {
		states = append(states, generate.Example(seed))
	}
	var trees []*clitext.Tree
	for _, s := range states {
		trees = append(trees, render(speech(&c), s, rest{devices: 16, down: map[string]bool{"xe-0/0/7": true}}))
	}
	if msg := lint(t, trees...); msg != "" {
		t.Errorf("yanglint refuses it:\n%s", msg)
	}
}

func TestJudgeOfConfigurationsRefusesWhatIsWrong(t *testing.T) {
	c := profile(t, "mx")
	for _, statement := range []string{
		"bridge-domains a vxlan vni 16777215", "interfaces xe-0/0/1 gigether-options ethernet-switch-profile storm-control a",
	} {
		tree := clitext.New(dialect(speech(&c)))
		tree.Put(statement)
		if lint(t, tree) == "" {
			t.Errorf("%s is taken for a statement of Junos", statement)
		}
	}
}
