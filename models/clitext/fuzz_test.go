package clitext

import (
	"bytes"
	"strings"
	"testing"
)

// fuzz holds the laws against text of a style: what parses prints as text that parses to the same, does not differ
// from itself, and a patch from one text to another leads there.
func fuzz(f *testing.F, d *Dialect, seeds ...string) {
	for i, s := range seeds {
		f.Add([]byte(s), []byte(seeds[(i+1)%len(seeds)]))
	}
	f.Fuzz(func(t *testing.T, textA, textB []byte) {
		a, err := Parse(d, textA)
		if err != nil {
			return
		}
		printed := a.AppendText(nil)
		again, err := Parse(d, printed)
		if err != nil {
			t.Fatalf("what was printed does not parse: %v in\n%s", err, printed)
		}
		if text := again.AppendText(nil); !bytes.Equal(text, printed) {
			t.Fatalf("printed\n%s\nthen\n%s", printed, text)
		}
		if p := Patch(a, again); len(p) > 0 {
			t.Fatalf("a text differs from itself by\n%s", strings.Join(p, "\n"))
		}
		b, err := Parse(d, textB)
		if err != nil {
			return
		}
		known := *d
		known.Rules = append(blocks(a, blocks(b, nil)), d.Rules...)
		a, b = parse(t, &known, textA), parse(t, &known, textB)
		if plain(a) && plain(b) {
			applied(t, applied(t, a, Patch(a, b), b), Patch(b, a), a)
		}
	})
}

// plain reports whether the commands for a configuration can mean only one thing: no line looks like one that takes
// another away or like a number of an entry, no statement like one in a block, and no value is there twice.
func plain(t *Tree) bool {
	type place struct {
		parent int32
		slotKey
	}
	taken := make(map[place]bool)
	for i := int32(1); int(i) < len(t.nodes); i++ {
		text := t.nodes[i].text
		if t.nodes[i].parent < 0 {
			continue
		}
		if r := t.rule(i, t.g); r.valued() {
			at := place{t.nodes[i].parent, slotKey{r, t.g.key(r, text)}}
			if taken[at] {
				return false
			}
			taken[at] = true
		}
		switch {
		case t.g.Style == Flat:
		case strings.ContainsAny(text, "*?\n") || strings.Contains(text, "...") || strings.Contains(text, " / ") ||
			strings.Contains(text, "  ") || strings.HasPrefix(text, "no ") || strings.HasPrefix(text, "default ") ||
			strings.Contains(text, "trunk") || strings.HasPrefix(text, "disable ") || text == "shutdown" && t.nodes[i].first != 0 || text == exit || text[0] >= '0' && text[0] <= '9':
			return false
		case t.g.Style == Braced:
			var path [maxDepth]string
			depth := t.texts(i, &path)
			if depth > 1 {
				above := path[depth-2]
				first, _ := cutWord(text, true)
				if path[depth-2] += " " + first; t.g.holds(path[:depth-1]) {
					return false
				}
				path[depth-2] = above
			}
			for at := range len(text) {
				if path[depth-1] = text[:at]; text[at] == ' ' && (t.g.holds(path[:depth]) || t.child(t.nodes[i].parent, text[:at]) != 0) {
					return false
				}
			}
		}
	}
	return true
}

// blocks adds a rule for every block that no rule of the dialect names, so that a command is known to open it.
func blocks(t *Tree, rules []Rule) []Rule {
	for i := int32(1); int(i) < len(t.nodes); i++ {
		if t.nodes[i].parent < 0 || t.nodes[i].first == 0 || t.g.Style == Flat {
			continue
		}
		var path [maxDepth]string
		if texts := path[:t.texts(i, &path)]; !t.g.holds(texts) {
			rules = append(rules, Rule{Path: strings.Join(texts, " / "), Whole: true})
		}
	}
	return rules
}

func FuzzParseIndented(f *testing.F) {
	fuzz(f, eos(),
		"! Command: show running-config\nhostname sw1\n!\nvlan 600\n   !! ixagent ns:1\n   !! more\n   name ix-a\n!\nend\n",
		"interface Ethernet1\n   shutdown\n   channel-group 10 mode on\n!\ninterface Port-Channel10.1\n   encapsulation vlan\n      client dot1q 1\nend\n",
		"banner login\ninterface Ethernet1\n   shutdown\nEOF\nvlan 1\n!\nend\n",
		"mac access-list ix-1\n   10 permit any any\n   20 deny any any \n!\ninterface Vxlan1\n   vxlan vlan 1 vni 2\nend\n",
		"patch panel\n   patch ix-1\n      connector 1 interface Ethernet1\n      !! x\nend",
	)
}

func FuzzParseBraced(f *testing.F) {
	fuzz(f, junos(Braced),
		"## Last changed: 2026-01-01\nversion 24.4R1;\nsystem {\n    host-name sw1;\n    login {\n        message \"a \\\"b\\\" {\"; ## SECRET-DATA\n    }\n}\n",
		"interfaces {\n    /* two\n lines */\n    inactive: xe-0/0/0 {\n        disable;\n        vlan-id-list [ 1 2-3 \"4 5\" ];\n    }\n}\n",
		"firewall { family bridge { filter x { term a { then accept; } term b { then discard; } } } }",
		"firewall { family bridge { filter x { term b { then accept; } interface-specific; inactive: term a { then discard; } } } }",
	)
}

func FuzzParseFlat(f *testing.F) {
	fuzz(f, junos(Flat),
		"set version 24.4R1\nset interfaces xe-0/0/0 description \"a \\\"b\\\" c\"\nset interfaces xe-0/0/0 disable\n",
		"set interfaces ae10 unit 1 vlan-id 7\nset interfaces ae10 unit 2 vlan-tags outer 0x88a8.4\ndeactivate interfaces ae10 unit 1\n",
		"set firewall family bridge filter x term a then accept\nset firewall family bridge filter x term b then discard\n",
		"set firewall family bridge filter x term b then accept\nset firewall family bridge filter x term a then $x\ndeactivate firewall family bridge filter x term a\n",
	)
}
