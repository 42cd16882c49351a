package tree_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/lab/switchd/tree"
)

func TestBranchWritesWhatJSONWrites(t *testing.T) {
	s := schema(t)
	before, _, err := load(s, `{"openconfig-interfaces:interfaces":{"interface":[
		{"name":"eth1","config":{"name":"eth1","type":"iana-if-type:ethernetCsmacd"},"subinterfaces":{"subinterface":[{"index":7,"config":{"index":7}}]}}]}}`)
	if err != nil {
		t.Fatal(err)
	}
	text := func(t *tree.Tree) string {
		b, _ := t.Root().AppendJSON(nil, tree.All)
		return string(b)
	}
	was := text(before)
	written := before.EditState()
	if err := written.Update(path(t, "/"), ietf(`{
		"openconfig-interfaces:interfaces":{"interface":[{"name":"eth1","state":{"oper-status":"UP"},
			"subinterfaces":{"subinterface":[{"index":7,"state":{"counters":{"in-pkts":"18446744073709551615"}}},{"index":10,"state":{"enabled":true}}]}}]},
		"openconfig-network-instance:network-instances":{"network-instance":[{"name":"lan","fdb":{"mac-table":{"entries":{"entry":[
			{"mac-address":"02:00:00:00:00:01","vlan":5,"state":{"entry-type":"DYNAMIC"}}]}}}}]}}`)); err != nil {
		t.Fatal(err)
	}
	e := before.EditState()
	port := e.Branch("interfaces", "interface").Entry("eth1")
	subs := port.At("subinterfaces", "subinterface")
	subs.Entry("10").At("state").Set("enabled", "true")
	subs.Entry("7").At("state", "counters").Set("in-pkts", "5")
	subs.Entry("7").At("state", "counters").Set("in-pkts", "18446744073709551615")
	e.Branch("network-instances", "network-instance").Entry("lan").At("fdb", "mac-table", "entries", "entry").
		Entry("02:00:00:00:00:01", "5").At("state").Set("entry-type", "DYNAMIC")
	port.At("state").Set("oper-status", "UP")
	if e.Err() != nil {
		t.Fatal(e.Err())
	}
	if got, want := text(e.Tree()), text(written.Tree()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if text(before) != was {
		t.Error("the tree it started from has changed")
	}
}

func TestBranchKeepsToTheSchema(t *testing.T) {
	for want, write := range map[string]func(e *tree.Edit){
		"/interfaces/interfase: is not in the schema here": func(e *tree.Edit) { e.Branch("interfaces", "interfase").Entry("eth1") },
		"name: is not in the schema here":                  func(e *tree.Edit) { e.Branch("interfaces", "interface").Set("name", "eth1") },
		"is no list of 1 keys":                             func(e *tree.Edit) { e.Branch("interfaces").Entry("eth1") },
		"is no list of 2 keys":                             func(e *tree.Edit) { e.Branch("interfaces", "interface").Entry("eth1", "7") },
		`index: value "seven" is not an unsigned integer`: func(e *tree.Edit) {
			e.Branch("interfaces", "interface").Entry("eth1").At("subinterfaces", "subinterface").Entry("seven")
		},
		`oper-status: value "UPSIDE" is not a name`: func(e *tree.Edit) {
			e.Branch("interfaces", "interface").Entry("eth1").At("state").Set("oper-status", "UPSIDE")
		},
	} {
		e := tree.New(schema(t)).EditState()
		write(e)
		if e.Err() == nil || !strings.Contains(e.Err().Error(), want) {
			t.Errorf("%v, want %s", e.Err(), want)
		}
	}
	e := tree.New(schema(t)).Edit()
	e.Branch("interfaces", "interface").Entry("eth1").At("state").Set("oper-status", "UP")
	if e.Err() == nil || !strings.Contains(e.Err().Error(), "is state") {
		t.Errorf("state in an edit of configuration: %v", e.Err())
	}
}

func TestWhatIsWrittenAnewAndEqualIsShared(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		// write draws a tree.
		write := func(name string) *tree.Edit {
			e := tree.New(schema(t)).Edit()
			e.Branch()
			for range rapid.IntRange(0, 6).Draw(rt, name) {
				port := e.Branch("interfaces", "interface").Entry(rapid.SampledFrom([]string{"eth1", "eth2", "eth10"}).Draw(rt, "port"))
				port.At("config").Set("mtu", rapid.SampledFrom([]string{"1500", "9000"}).Draw(rt, "mtu"))
				index := rapid.SampledFrom([]string{"2", "7", "10"}).Draw(rt, "index")
				port.At("subinterfaces", "subinterface").Entry(index).At("config").Set("index", index)
			}
			return e
		}
		text := func(t *tree.Tree) string {
			b, _ := t.Root().AppendJSON(nil, tree.All)
			return string(b)
		}
		before, e := write("before").Tree(), write("after")
		was := text(before)
		peeked, _ := e.Peek().AppendJSON(nil, tree.All)
		want := string(peeked)
		e.Share(before)
		after := e.Tree()
		if got := text(after); got != want {
			rt.Fatalf("sharing made of\n%s\nthe tree\n%s", want, got)
		}
		if text(before) != was {
			rt.Fatal("the tree that is shared has changed")
		}
		if same := after.Root().Same(before.Root()); same != (want == was) {
			rt.Fatalf("same: %v, of\n%s\nand\n%s", same, was, want)
		}
		for a, b := range tree.Pairs(before.At("interfaces", "interface"), after.At("interfaces", "interface")) {
			if !a.Exists() || !b.Exists() {
				continue
			}
			x, _ := a.AppendJSON(nil, tree.All)
			y, _ := b.AppendJSON(nil, tree.All)
			if a.Same(b) != (string(x) == string(y)) {
				rt.Fatalf("same: %v, of\n%s\nand\n%s", a.Same(b), x, y)
			}
		}
	})
}
