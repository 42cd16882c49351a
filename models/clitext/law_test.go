package clitext

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawEOS draws a configuration of the dialect: ports, port channels, circuits, lists, VLANs, patches, trunks.
func drawEOS(t *rapid.T, name string) *Tree {
	tree := New(eos())
	draw := func(n int, what string) int { return rapid.IntRange(0, n).Draw(t, name+" "+what) }
	put := func(chance string, path ...string) {
		if draw(2, chance) > 0 {
			tree.Put(path...)
		}
	}
	for i := range draw(3, "ports") {
		port := fmt.Sprint("interface Ethernet", i+1)
		put("description", port, fmt.Sprint("description ixagent port:", draw(2, "port")))
		put("shutdown", port, "shutdown")
		if draw(1, "member") > 0 {
			tree.Put(port, fmt.Sprintf("channel-group %d mode %s", 10+draw(1, "group"), []string{"active", "on"}[draw(1, "mode")]))
			put("fast", port, "lacp timer fast")
		}
		if draw(1, "trunk") > 0 {
			low := 30 + draw(3, "low")
			tree.Put(port, fmt.Sprintf("switchport trunk allowed vlan %d-%d,50", low, low+draw(9, "high")))
			put("more", port, "switchport trunk allowed vlan add 60")
		}
	}
	for i := range draw(2, "lags") {
		lag := fmt.Sprint("interface Port-Channel", 10+i)
		tree.Put(lag, "no switchport")
		put("mtu", lag, fmt.Sprint("l2 mtu ", 1500+draw(1, "mtu")))
	}
	for i := range draw(3, "circuits") {
		sub := fmt.Sprintf("interface Port-Channel10.%d", 100+i)
		tree.Put(sub)
		put("vlan", sub, fmt.Sprint("vlan id ", 600+draw(2, "service")))
		put("client", sub, "encapsulation vlan", fmt.Sprint("client dot1q ", 100+draw(2, "client")))
		put("filter", sub, fmt.Sprintf("mac access-group ix-%d in", draw(1, "filter")))
	}
	for i := range draw(2, "lists") {
		list := fmt.Sprint("mac access-list ix-", i)
		number := 0
		for range draw(6, "entries") {
			number += 1 + draw(9, "step")
			tree.Put(list, fmt.Sprintf("%d permit 0200.0000.000%d 0000.0000.0000 any", number, draw(4, "source")))
		}
		put("counters", list, "counters per-entry")
	}
	for i := range draw(3, "vlans") {
		vlan := fmt.Sprint("vlan ", 600+i)
		put("remark", vlan, fmt.Sprint("!! ixagent ns:", draw(2, "ns")))
		put("name", vlan, fmt.Sprint("name ix-", draw(2, "name")))
		put("learning", vlan, "no mac address learning")
		put("vni", "interface Vxlan1", fmt.Sprintf("vxlan vlan %d vni %d", 600+i, 10600+draw(2, "vni")))
	}
	for i := range draw(2, "patches") {
		patch := fmt.Sprint("patch ix-", i)
		tree.Put("patch panel", patch)
		put("one", "patch panel", patch, fmt.Sprintf("connector 1 interface Port-Channel10.%d", 100+draw(2, "first")))
		put("two", "patch panel", patch, fmt.Sprintf("connector 2 interface Ethernet%d", draw(2, "second")))
	}
	return tree
}

// drawJunos draws a configuration of one of the dialects, in one order or another.
func drawJunos(t *rapid.T, style Style, name string) *Tree {
	var all [][]string
	draw := func(n int, what string) int { return rapid.IntRange(0, n).Draw(t, name+" "+what) }
	put := func(chance string, path ...string) {
		if draw(2, chance) > 0 {
			all = append(all, path)
		}
	}
	for i := range draw(3, "ports") {
		port := fmt.Sprint("xe-0/0/", i)
		put("description", "interfaces", port, "description "+Quote(fmt.Sprint("ixagent port:", draw(2, "port"))))
		put("disable", "interfaces", port, "disable")
		put("member", "interfaces", port, "gigether-options", fmt.Sprint("802.3ad ae", 10+draw(1, "lag")))
	}
	for i := range draw(3, "units") {
		unit := fmt.Sprint("unit ", 100+i)
		put("unit", "interfaces", "ae10", unit)
		put("vlan", "interfaces", "ae10", unit, fmt.Sprint("vlan-id ", 100+draw(2, "tag")))
		put("outer", "interfaces", "ae10", unit, "vlan-tags", fmt.Sprint("outer 0x88a8.", draw(2, "outer")))
		put("inner", "interfaces", "ae10", unit, "vlan-tags", fmt.Sprint("inner 0x8100.", draw(2, "inner")))
		put("filter", "interfaces", "ae10", unit, "family bridge", "filter", fmt.Sprint("input ix-", draw(1, "filter")))
		domain := fmt.Sprint("ix-", draw(2, "domain"))
		put("joined", "bridge-domains", domain, fmt.Sprint("interface ae10.", 100+i))
		put("vlan", "bridge-domains", domain, "vlan-id none")
	}
	if draw(1, "list") > 0 {
		for range draw(5, "terms") {
			term := fmt.Sprint("term t", draw(5, "term"))
			from := fmt.Sprintf("source-mac-address 02:00:00:00:00:0%d/48", draw(2, "source"))
			put("from", "firewall", "family bridge", "filter ix-0", term, "from", from)
			put("then", "firewall", "family bridge", "filter ix-0", term, []string{"then accept", "then discard"}[draw(1, "verb")])
			put("specific", "firewall", "family bridge", "filter ix-0", "interface-specific")
		}
	}
	tree := New(junos(style))
	for _, path := range all {
		tree.Put(path...)
	}
	for n := int32(1); int(n) < len(tree.nodes); n++ {
		if r := tree.rule(n, tree.g); r != nil && r.Whole && r.Left == nil {
			tree.nodes[n].inactive = draw(3, "inactive") == 0
		}
	}
	return tree
}

func dialects() map[string]func(*rapid.T, string) *Tree {
	return map[string]func(*rapid.T, string) *Tree{
		"indented": drawEOS,
		"braced":   func(t *rapid.T, name string) *Tree { return drawJunos(t, Braced, name) },
		"flat":     func(t *rapid.T, name string) *Tree { return drawJunos(t, Flat, name) },
	}
}

// meaning is what a configuration says, worked out from its text alone: a line for each statement with its blocks,
// sorted where the order is no meaning, without the numbers of entries, sets written out, and without what is left
// of ports that nobody has.
func meaning(tree *Tree) string {
	var lines []string
	var walk func(n Node, path string, inactive bool)
	walk = func(n Node, path string, inactive bool) {
		entry := 0
		for c := range n.Children() {
			text, off := c.Text(), c.Inactive()
			switch first, rest, _ := strings.Cut(text, " "); {
			case strings.HasPrefix(text, "switchport trunk"):
				set, _ := parseNumbers(text[strings.LastIndexByte(text, ' ')+1:])
				for _, s := range set {
					for v := s.first; v <= s.last; v++ {
						lines = append(lines, fmt.Sprint(path, " / trunk ", v))
					}
				}
				continue
			case first != "" && first[0] >= '1' && first[0] <= '9' && strings.Contains(path, "access-list"):
				entry++
				text = fmt.Sprint("#", entry, " ", rest)
			case strings.HasPrefix(text, "term t") || strings.HasSuffix(path, "/ term"):
				entry++
				text = fmt.Sprint("#", entry, " ", text)
			}
			if c.Len() == 0 || off {
				lines = append(lines, fmt.Sprint(path, " / ", text, " ", off))
			}
			if port := strings.HasPrefix(text, "interface Ethernet") || strings.HasPrefix(text, "xe-"); port && c.Len() == 1 &&
				(c.Child("shutdown").Valid() || c.Child("disable").Valid()) && !off {
				continue
			}
			walk(c, path+" / "+text, false)
		}
	}
	walk(tree.Root(), "", false)
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n")
}

func TestAppliedPatchGivesTheOtherAndItsInverseLeadsBack(t *testing.T) {
	for style, draw := range dialects() {
		t.Run(style, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				a, b := draw(t, "a"), draw(t, "b")
				if err := a.Err(); err != nil {
					t.Fatal(err)
				}
				there := Patch(a, b)
				got, err := Apply(a, there)
				if err != nil {
					t.Fatalf("%v in\n%s", err, strings.Join(there, "\n"))
				}
				if got, want := meaning(got), meaning(b); got != want {
					t.Fatalf("from\n%s\nby\n%s\ngot\n%s\nwant\n%s", a.AppendText(nil), strings.Join(there, "\n"), got, want)
				}
				if rest := Patch(got, b); len(rest) > 0 {
					t.Fatalf("from\n%s\nby\n%s\nthere is left\n%s", a.AppendText(nil), strings.Join(there, "\n"), strings.Join(rest, "\n"))
				}
				b.TakeNumbers(got)
				back, err := Apply(got, Patch(b, a))
				if err != nil {
					t.Fatal(err)
				}
				if got, want := meaning(back), meaning(a); got != want {
					t.Fatalf("back from\n%s\nby\n%s\ngot\n%s\nwant\n%s", b.AppendText(nil), strings.Join(Patch(b, a), "\n"), got, want)
				}
			})
		})
	}
}

func TestNothingDiffersFromItself(t *testing.T) {
	for style, draw := range dialects() {
		t.Run(style, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				a := draw(t, "a")
				b, err := Parse(&a.g.Dialect, a.AppendText(nil))
				if err != nil {
					t.Fatal(err)
				}
				if p := Patch(a, b); len(p) > 0 || !Equal(b, a) {
					t.Fatalf("%s\ndiffers from itself by\n%s", a.AppendText(nil), strings.Join(p, "\n"))
				}
			})
		})
	}
}
