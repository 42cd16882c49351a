package ovs

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// answered returns what a switch that has a LAG and a circuit answers.
func answered(f *testing.F) (rows, flows, oper string) {
	l := newLab(f, "Ethernet1", "Ethernet2", "Ethernet3")
	d := l.open(f)
	s := make(switchcfg.State)
	s.Put(aggregated(switchcfg.LAG{Mode: switchcfg.ModeLACP, Rate: switchcfg.RateFast, Members: []string{"Ethernet1", "Ethernet2"}})...)
	s.Put(&switchcfg.Filter{Name: "ix-f", Sources: []switchcfg.MAC{{2, 0, 0, 0, 0, 1}}})
	if _, err := d.Apply(f.Context(), plan.Diff(nil, s)); err != nil {
		f.Fatal(err)
	}
	rows, err := d.ask(f.Context(), "observe", "ovsdb-client transact "+shell(tables()))
	if err != nil {
		f.Fatal(err)
	}
	flows = l.Ofctl("--no-names", "--no-stats", "dump-flows", hub) + "meters\n" + l.Ofctl("dump-meters", hub) + "end\n"
	oper = l.Ofctl("--no-names", "dump-flows", hub) + "meters\nend\nlacp\n" + l.Appctl("lacp/show") + "bridge " + serviceBridge("ix-1") + "\n" + l.Appctl("fdb/show", serviceBridge("ix-1")) + "done\n"
	return rows, flows, oper
}

func FuzzParse(f *testing.F) {
	rows, flows, text := answered(f)
	f.Add(rows, flows, text)
	f.Fuzz(func(t *testing.T, rows, flows, text string) {
		all, err := database([]byte(rows))
		if err != nil {
			return
		}
		states := make([]switchcfg.State, 2)
		for i := range states {
			x, err := read(all)
			if err != nil {
				return
			}
			if x.openflow(headless(flows)) != nil {
				return
			}
			states[i] = x.state()
			// Whatever was found, nothing is made of it that could not be said.
			target, _ := render(states[i], x.numbers, x.taken)
			w := &writer{seconds: 1}
			w.script(x, target, newConfig(), nil)
			if !bytes.HasSuffix([]byte(w.text.String()), []byte("\nixagent </dev/null\n")) {
				t.Fatal(w.text.String())
			}
			_ = newOper(x).read(text, all) // any answer may be wrong
		}
		if !states[0].Equal(states[1]) {
			t.Fatal(cmp.Diff(string(states[0].AppendText(nil)), string(states[1].AppendText(nil))))
		}
	})
}
