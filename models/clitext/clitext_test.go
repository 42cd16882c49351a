package clitext

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestTextThatNoDevicePrintsIsRefusedWithItsLine(t *testing.T) {
	deep := strings.Repeat("a {\n", 100) + strings.Repeat("}\n", 100)
	for _, c := range []struct {
		name, text, want string
		dialect          *Dialect
	}{
		{"cut off", "vlan 1\n", `line 1: the text ends without "end": it is not whole`, eos()},
		{"nothing", "", `line 0: the text ends without "end": it is not whole`, eos()},
		{"end within a block", "vlan 1\n   end\n", `line 2: the text ends without "end": it is not whole`, eos()},
		{"text behind the end", "end\n\nvlan 1\n", `line 3: text after "end"`, eos()},
		{"dedent to nowhere", "vlan 1\n   name x\n  state active\nend\n", "line 3: the indentation fits no block", eos()},
		{"indented first", "  vlan 1\nend\n", "line 1: indented under nothing that can hold it", eos()},
		{"under a remark", "vlan 1\n   !! x\n      name y\nend\n", "line 3: indented under nothing that can hold it", eos()},
		{"tab", "vlan 1\n\tname x\nend\n", "line 2: a control character", eos()},
		{"carriage return", "vlan 1\r\nend\r\n", "line 1: a control character", eos()},
		{"escape", "vlan 1\n   name \x1b[0m\nend\n", "line 2: a control character", eos()},
		{"banner cut off", "banner login\nend\n", `line 2: the text ends without "EOF"`, eos()},
		{"prompt", "set a b\nuser@mx> \n", `line 2: neither set nor deactivate: "user@mx>"`, junos(Flat)},
		{"open quote", "set a \"b\n", "line 1: a quote that does not end", junos(Flat)},
		{"escaped quote", `set a "b\"`, "line 1: a quote that does not end", junos(Flat)},
		{"behind a quote", `set a "b"c`, "line 1: something right behind a quote", junos(Flat)},
		{"quote within", `set a b"c"`, "line 1: a quote within a word", junos(Flat)},
		{"tab in a word", "set a b\tc", "line 1: a control character", junos(Flat)},
		{"bare set", "set", "line 1: a line without words", junos(Flat)},
		{"deactivated nothing", "set a b\ndeactivate a c\n", "line 2: nothing to deactivate", junos(Flat)},
		{"long", "set" + strings.Repeat(" a", 65), "line 1: nested too deeply", junos(Flat)},
		{"open block", "a {\n    b;\n", "line 3: the text ends within a block: it is not whole", junos(Braced)},
		{"open statement", "a {\n    b\n}\n", "line 3: a statement that does not end", junos(Braced)},
		{"brace too many", "a;\n}\n", "line 2: a closing brace too many", junos(Braced)},
		{"open list", "a [ b;\n", "line 1: a list that does not end", junos(Braced)},
		{"empty list", "a [ ];\n", "line 1: a bracket that closes nothing", junos(Braced)},
		{"open comment", "a;\n/* b\n", "line 2: a comment that does not end", junos(Braced)},
		{"empty statement", "a;\n;\n", "line 2: a line without words", junos(Braced)},
		{"deep", deep, "line 64: nested too deeply", junos(Braced)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if tree, err := Parse(c.dialect, []byte(c.text)); err == nil {
				t.Errorf("it parses as\n%s", tree.AppendText(nil))
			} else if err.Error() != c.want {
				t.Errorf("got %q, want %q", err, c.want)
			}
		})
	}
}

func TestTextIsMadeCanonical(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		dialect          *Dialect
	}{
		{
			"blanks, comments and another indent", "! Command: show running-config\n\nvlan 1  \n !! ixagent ns:1 \n !! more\n ! no remark\n name x\nip routing\nend\n \n",
			"vlan 1\n   !! ixagent ns:1\n   !! more\n   name x\n!\nip routing\nend\n", eos(),
		},
		{
			"a block in two places", "vlan 1\n   name x\nvlan 2\nvlan 1\n   no mac address learning\nend\n",
			"vlan 1\n   name x\n   no mac address learning\n!\nvlan 2\nend\n", eos(),
		},
		{
			"a banner that looks like configuration", "banner login\ninterface Ethernet1\n   shutdown\n\t\x1b[7mend\nend\n EOF\nEOF\nvlan 1\nend\n",
			"banner login\ninterface Ethernet1\n   shutdown\n\t\x1b[7mend\nend\n EOF\nEOF\nvlan 1\nend\n", eos(),
		},
		{
			"quotes where they must be", "## Last changed: today\nset a \"b\"  \"c d\" <*>\nset a b \"c\\\"\" \\\n",
			"set a b \"c d\" \"<*>\"\nset a b \"c\\\"\" \"\\\\\"\n", junos(Flat),
		},
		{
			"statements of one block together", "set a b 1\nset c\nset a b 2\nset a e\ndeactivate a b\n",
			"set a b 1\nset a b 2\ndeactivate a b\nset a e\nset c\n", junos(Flat),
		},
		{
			"lists, comments and marks", "## Last commit: today\na { b   [ 1 \"2\" \"x y\" \"/*5\" ]; /* c\n; */ inactive: d { e \"f\"; ## SECRET-DATA\n} }\n",
			"a {\n    b 1;\n    b 2;\n    b \"x y\";\n    b \"/*5\";\n    inactive: d {\n        e f;\n    }\n}\n", junos(Braced),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := parse(t, c.dialect, []byte(c.text))
			if got := string(tree.AppendText(nil)); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestPatternsMatchWholeWords(t *testing.T) {
	for _, c := range []struct {
		pattern, text, key string // key is what comes before the first value; the text does not match without one
	}{
		{"shutdown", "shutdown", "shutdown"},
		{"shutdown", "shutdown now", ""},
		{"shutdown", "shut", ""},
		{"interface Po*", "interface Po1", "interface Po1"},
		{"interface Po*", "interface Et1", ""},
		{"interface *.*", "interface Po1.2", "interface Po1.2"},
		{"interface *.*", "interface Po1", ""},
		{"interface *.*.x", "interface 1.2.x", "interface 1.2.x"},
		{"interface *", "interface Po1 x", ""},
		{"channel-group ? mode ?", "channel-group 1 mode on", "channel-group"},
		{"channel-group ? mode ?", "channel-group 1 modes on", ""},
		{"channel-group ? mode ?", "channel-group 1 mode", ""},
		{"vxlan vlan * vni ?", "vxlan vlan 1 vni 2", "vxlan vlan 1 vni"},
		{"description ...", "description a b", "description"},
		{"description ...", "description", ""},
		{"description ...", "descriptions a", ""},
	} {
		d := eos()
		d.Rules = []Rule{{Path: c.pattern}}
		tree := New(d)
		tree.Put(c.text)
		key := ""
		if r := tree.rule(1, tree.g); r != nil {
			key = tree.g.key(r, c.text)
		}
		if key != c.key {
			t.Errorf("%q of %q: %q, want %q", c.pattern, c.text, key, c.key)
		}
	}
}

func TestNodesAreFoundWithTheirLines(t *testing.T) {
	tree := parse(t, eos(), []byte("!\nvlan 1\n   name x\n!\nvlan 2\nend\n"))
	n := tree.Root().Child("vlan 1").Child("name x")
	if !n.Valid() || n.Line() != 3 || n.Text() != "name x" || n.Len() != 0 || tree.Root().Len() != 2 {
		t.Errorf("%q in line %d", n.Text(), n.Line())
	}
	if none := n.Child("x").Child("y"); none.Valid() || none.Text() != "" || none.Line() != 0 || none.Len() != 0 {
		t.Error("there is what is not there")
	}
	for range n.Child("x").Children() {
		t.Error("nothing has a child")
	}
	var many []string
	for i := range 3 * few {
		many = append(many, "unit "+strings.Repeat("1", i+1))
	}
	tree = New(junos(Braced))
	for _, text := range many {
		tree.Put("interfaces", text)
	}
	for c := range tree.Root().Child("interfaces").Children() {
		if i := slices.Index(many, c.Text()); i < 0 || !tree.Root().Child("interfaces").Child(many[i]).Valid() {
			t.Errorf("%q is lost", c.Text())
		}
	}
}

func TestLineThatWouldBeReadAsAnotherIsNotPut(t *testing.T) {
	for _, path := range [][]string{
		{"vlan 1\nno vlan 2"},
		{"vlan 1", "name x\ry"},
		{""},
		{"vlan 1", ""},
		{"! x"},
		{"end"},
		{"vlan 1", "exit"},
		{" vlan 1"},
		{"vlan 1 "},
		{"vlan 1", "name \x7f"},
		{},
	} {
		tree := New(eos())
		tree.Put("vlan 9")
		if tree.Put(path...); tree.Err() == nil {
			t.Errorf("%q was put", path)
		}
		if p := Patch(New(eos()), tree); len(p) > 0 {
			t.Errorf("a patch to a tree without %q", path)
		}
	}
	for _, words := range []string{"", "a \"b", "a\nset b", "a b\"c"} {
		for _, style := range []Style{Flat, Braced} {
			tree := New(junos(style))
			if tree.Put(words); tree.Err() == nil {
				t.Errorf("%q was put", words)
			}
		}
	}
}

func TestRemarkOfSeveralLinesIsOneValue(t *testing.T) {
	d := &Dialect{Style: Indented, Remark: "!!", NoRemark: "no comment", Rules: []Rule{{Path: "interface *", Whole: true}}}
	tree := func(remark string) *Tree {
		t := New(d)
		t.Put("interface e1", remark)
		return t
	}
	before, after := tree("!! a\n!! b"), tree("!! a\n!! c")
	if err := errors.Join(before.Err(), after.Err()); err != nil {
		t.Fatal(err)
	}
	if again, err := Parse(d, before.AppendText(nil)); err != nil || !Equal(again, before) {
		t.Errorf("%v\n%s", err, before.AppendText(nil))
	}
	want := []string{"interface e1", "no comment", "!! a", "!! c", "exit"}
	if got := Patch(before, after); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, bad := range []string{"!! a\nshutdown", "!! a\n!! b\nshutdown", "!! a\n", "!! a \n!! b", "shutdown\n!! a"} {
		if tree(bad).Err() == nil {
			t.Errorf("%q is put", bad)
		}
	}
}

func TestQuotedValueIsOneWordAndComesBack(t *testing.T) {
	for _, value := range []string{"", "x", "a b", `a"b\`, "x; y", "{", "a # b", "/*5", "$x|y", `\`, `"`, "ü"} {
		tree := New(junos(Flat))
		tree.Put("system host-name", Quote(value))
		n := tree.Root().Child("system").Child("host-name")
		for c := range n.Children() {
			if got := Unquote(c.Text()); got != value || n.Len() != 1 {
				t.Errorf("%q comes back as %q", value, got)
			}
		}
		if err := tree.Err(); err != nil {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func TestPatchSaysWhatRulesSay(t *testing.T) {
	late := func(r Rule) *Dialect {
		d := eos()
		d.Rules = append([]Rule{r}, d.Rules...)
		return d
	}
	for _, c := range []struct {
		name, before, after string
		dialect             *Dialect
		want                []string
	}{
		{"a port that is given back is reset and shut", "interface Ethernet1\n   description x\nend", "end", eos(), []string{"default interface Ethernet1", "interface Ethernet1", "shutdown", "exit"}},
		{"a port that is set up is opened", "end", "interface Ethernet1\n   description x\nend", eos(), []string{"interface Ethernet1", "description x", "no shutdown", "exit"}},
		{"a port that is shut is as good as none", "interface Ethernet1\n   shutdown\nend", "end", eos(), nil},
		{"an empty block that is not ours is as good as none", "interface Vxlan1\nend", "end", eos(), nil},
		{"what is ours in another's block goes alone", "interface Vxlan1\n   vxlan vlan 1 vni 2\nend", "end", eos(), []string{"interface Vxlan1", "no vxlan vlan 1 vni", "exit"}},
		{"a value replaces another", "interface Port-Channel1\n   l2 mtu 1500\nend", "interface Port-Channel1\n   l2 mtu 9000\nend", eos(), []string{"interface Port-Channel1", "l2 mtu 9000", "exit"}},
		{"a remark is taken away before another is entered", "vlan 1\n   !! a\n   !! b\nend", "vlan 1\n   !! c\n   !! d\nend", eos(), []string{"vlan 1", "no comment", "!! c", "!! d", "exit"}},
		{"an empty block is left", "end", "vlan 1\nvlan 2\nend", eos(), []string{"vlan 1", "exit", "vlan 2", "exit"}},
		{"the negation of a negation", "vlan 1\n   no mac address learning\nend", "vlan 1\nend", eos(), []string{"vlan 1", "mac address learning", "exit"}},
		{
			"a value that nobody wants is replaced in its place", "interface Port-Channel1.1\n   encapsulation vlan\n      client dot1q 1\nend", "interface Port-Channel1.1\n   encapsulation vlan\n      client dot1q 2\nend", eos(),
			[]string{"interface Port-Channel1.1", "encapsulation vlan", "client dot1q 2", "exit", "exit"},
		},
		{
			"a value that a new circuit takes is let go first", "interface Port-Channel1.2\n   encapsulation vlan\n      client dot1q 1\nend",
			"interface Port-Channel1.1\n   encapsulation vlan\n      client dot1q 1\ninterface Port-Channel1.2\n   encapsulation vlan\n      client dot1q 2\nend", eos(),
			[]string{"interface Port-Channel1.2", "encapsulation vlan", "no client dot1q 1", "client dot1q 2", "exit", "exit", "interface Port-Channel1.1", "encapsulation vlan", "client dot1q 1", "exit", "exit"},
		},
		{
			"a mode changes when no member is left", "interface Ethernet1\n   channel-group 1 mode on\ninterface Ethernet2\n   channel-group 1 mode on\nend",
			"interface Ethernet1\n   channel-group 1 mode active\ninterface Ethernet2\n   channel-group 1 mode active\nend", eos(),
			[]string{"interface Ethernet1", "no channel-group", "exit", "interface Ethernet2", "no channel-group", "exit", "interface Ethernet1", "channel-group 1 mode active", "exit", "interface Ethernet2", "channel-group 1 mode active", "exit"},
		},
		{
			"what is referred to is made first and goes last", "mac access-list ix-a\n   10 deny any any\ninterface Port-Channel1.1\n   mac access-group ix-a in\nend",
			"interface Port-Channel1.1\n   mac access-group ix-b in\nmac access-list ix-b\n   10 deny any any\nend", eos(),
			[]string{"mac access-list ix-b", "10 deny any any", "exit", "interface Port-Channel1.1", "mac access-group ix-b in", "exit", "no mac access-list ix-a"},
		},
		{
			"a list without room between its entries", "mac access-list ix-a\n   1 permit a\n   2 permit b\n   3 deny c\nend", "mac access-list ix-a\n   1 permit a\n   2 permit x\n   3 permit b\n   4 deny c\nend", eos(),
			[]string{"mac access-list ix-a", "no 2", "no 3", "10 permit x", "20 permit b", "30 deny c", "exit"},
		},
		{
			"a list that is written anew", "mac access-list ix-a\n   10 permit a\nend", "mac access-list ix-a\n   10 permit b\nend", late(Rule{Path: "mac access-list *", Anew: true}),
			[]string{"no mac access-list ix-a", "mac access-list ix-a", "10 permit b", "exit"},
		},
		{"VLANs that share a line", "vlan 1,69,381\nend", "vlan 1,381-382\nend", late(Rule{Path: "vlan ?", Add: "vlan {set}", Cut: "no vlan {set}"}), []string{"vlan 382", "no vlan 69"}},
		{
			"a trunk that had no list", "interface Ethernet1\n   description x\nend", "interface Ethernet1\n   description x\n   switchport trunk allowed vlan 1-2\nend", eos(),
			[]string{"interface Ethernet1", "switchport trunk allowed vlan 1-2", "exit"},
		},
		{"a banner", "banner login\nhello\nEOF\nend", "banner login\nhello\n  shutdown\nEOF\nend", late(Rule{Path: "banner *", Until: "EOF", Renew: true}), []string{"no banner login", "banner login", "hello", "  shutdown", "EOF"}},
		{"a port of Junos is given back", "set interfaces xe-0/0/0 description x", "", junos(Flat), []string{"delete interfaces xe-0/0/0", "set interfaces xe-0/0/0 disable"}},
		{"a port of Junos is set up", "", "set interfaces xe-0/0/0 description \"a b\"", junos(Flat), []string{"set interfaces xe-0/0/0 description \"a b\"", "delete interfaces xe-0/0/0 disable"}},
		{
			"a value is deleted by its statement", "set interfaces ae1 unit 1 vlan-id 1\nset interfaces ae1 unit 1 description x", "set interfaces ae1 unit 1 description y", junos(Flat),
			[]string{"delete interfaces ae1 unit 1 vlan-id", "set interfaces ae1 unit 1 description y"},
		},
		{
			"statements are deleted before others are set", "set interfaces ae1 unit 1 vlan-id 1\nset bridge-domains a interface ae1.1", "set interfaces ae1 unit 1 vlan-tags outer 1\nset bridge-domains b interface ae1.1", junos(Flat),
			[]string{"delete bridge-domains a", "delete interfaces ae1 unit 1 vlan-id", "set interfaces ae1 unit 1 vlan-tags outer 1", "set bridge-domains b interface ae1.1"},
		},
		{"what has no effect is given one", "set interfaces ae1 unit 1 vlan-id 1\ndeactivate interfaces ae1 unit 1", "set interfaces ae1 unit 1 vlan-id 1", junos(Flat), []string{"activate interfaces ae1 unit 1"}},
		{"a value of a statement in braces", "interfaces { ae1 { unit 1 { vlan-id 1; } } }", "interfaces { ae1 { unit 1; } }", junos(Braced), []string{"delete interfaces ae1 unit 1 vlan-id"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, after := parse(t, c.dialect, []byte(c.before)), parse(t, c.dialect, []byte(c.after))
			if got := Patch(before, after); !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			got := applied(t, before, Patch(before, after), after)
			after.TakeNumbers(got)
			applied(t, got, Patch(after, before), before)
		})
	}
}

func TestPatchNamesEntriesByTheNumbersOfTheDevice(t *testing.T) {
	device := parse(t, eos(), []byte("mac access-list ix-a\n   counters per-entry\n   5 permit a\n   7 permit b\nend"))
	ours := parse(t, eos(), []byte("mac access-list ix-a\n   counters per-entry\n   10 permit a\n   20 permit b\nmac access-list ix-b\n   10 permit a\nend"))
	after := parse(t, eos(), []byte("mac access-list ix-a\n   counters per-entry\n   10 permit b\nmac access-list ix-b\n   10 permit a\nend"))
	ours.TakeNumbers(device)
	if got, want := Patch(ours, after), []string{"mac access-list ix-a", "no 5", "exit"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCommandThatADeviceWouldRefuseIsRefused(t *testing.T) {
	for _, c := range []struct {
		dialect  *Dialect
		commands []string
	}{
		{eos(), []string{"exit"}},
		{eos(), []string{"vlan 1", "exit", "exit"}},
		{eos(), []string{"name x\ny"}},
		{eos(), []string{"banner login", "x"}},
		{junos(Flat), []string{"set"}},
		{junos(Flat), []string{"delete a"}},
		{junos(Flat), []string{"set a b", "delete a c"}},
		{junos(Flat), []string{"set a b", "insert a b"}},
		{junos(Flat), []string{"set a b", "insert a b after a c"}},
		{junos(Flat), []string{"activate a"}},
		{junos(Flat), []string{"commit"}},
		{junos(Braced), []string{"delete" + strings.Repeat(" a", 100)}},
		{junos(Flat), []string{"set" + strings.Repeat(" a", 100)}},
	} {
		if tree, err := Apply(New(c.dialect), c.commands); err == nil {
			t.Errorf("%q leads to\n%s", c.commands, tree.AppendText(nil))
		}
	}
}
