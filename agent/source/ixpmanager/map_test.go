package ixpmanager

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/ixpmanager"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const tableFile = "testdata/table.txtar"

var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// table returns the golden file, and the answers of IXP Manager in it.
func table(t testing.TB) (*txtar.Archive, ixpmanager.Answers) {
	t.Helper()
	archive, err := txtar.ParseFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	a := ixpmanager.Answers{VLANs: make(map[string][]json.RawMessage), Interfaces: make(map[string][]json.RawMessage)}
	for _, f := range archive.Files {
		var list []json.RawMessage
		for line := range bytes.Lines(f.Data) {
			list = append(list, bytes.TrimSpace(line))
		}
		switch kind, device, _ := strings.Cut(f.Name, " "); kind {
		case "switches":
			a.Switches = list
		case "vlans":
			a.VLANs[device] = list
		case "layer2interfaces":
			a.Interfaces[device] = list
		}
	}
	if len(a.Switches) == 0 || len(a.Interfaces) != len(a.Switches) || len(a.VLANs) != len(a.Switches) {
		t.Fatal("there are switches of which nothing is said")
	}
	return archive, a
}

// added is what the inventory adds.
func added() []Extra {
	return []Extra{
		{
			VirtualInterface: 16, Ethertype: ixapi.Ethertype88A8, Inner: map[int]int{10: 7},
			Services: []Service{{ID: "line-1", Type: ixapi.ServiceP2P, VLAN: 200, Capacity: 500}},
		},
		{VirtualInterface: 41, Services: []Service{{ID: "line-1", Type: ixapi.ServiceP2P, VLAN: 201}}},
		{VirtualInterface: 404},
	}
}

// mapped returns what Map makes of answers, and that decoded.
func mapped(t testing.TB, a ixpmanager.Answers) (map[ixapi.Collection]ixapi.Raw, []Fault, *ixapi.Records, []ixapi.RecordFault) {
	t.Helper()
	read, unread := ixpmanager.Decode(a)
	out, faults, err := Map(read, unread, added())
	if err != nil {
		t.Fatal(err)
	}
	records, unreadable, err := ixapi.Decode(out)
	if err != nil {
		t.Fatal(err)
	}
	return out, faults, records, unreadable
}

func loaded(t testing.TB) *config.Config {
	t.Helper()
	c, err := config.Load(filepath.Join("testdata", "inventory.yaml"), drivers.Registry{"memory": memory.Spec()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func compiler(c *config.Config, records *ixapi.Records, faults []ixapi.RecordFault) *compile.Compiler {
	out := compile.New(&c.Inventory, c.Policy, compile.NewAllocations(nil, time.Hour))
	out.Set(records, faults, now)
	return out
}

func TestEveryRecordBecomesWhatTheTableSays(t *testing.T) {
	archive, answers := table(t)
	out, faults, records, unreadable := mapped(t, answers)
	sections := make(map[string]string)
	for c, raw := range out {
		if len(raw[0]) > len("[]") {
			sections["ixapi/"+string(c)] = string(raw[0]) + "\n"
		}
	}
	add := func(name string, line any) { sections[name] += fmt.Sprintln(line) }
	for _, f := range faults {
		add("faults", f)
	}
	for _, f := range unreadable {
		add("ixapi-faults", f)
	}
	c := compiler(loaded(t), records, unreadable)
	for _, name := range []string{"sw1", "sw2"} {
		sections["switch/"+name] = string(c.Intent(name).State.AppendText(nil))
	}
	for _, r := range c.Rejections() {
		add("rejections", fmt.Sprintf("%s %s: %d %s: %s", r.Collection, r.ID, r.Severity, r.Tag, r.Message))
	}
	got := &txtar.Archive{Comment: archive.Comment}
	for _, f := range archive.Files {
		switch kind, _, _ := strings.Cut(f.Name, " "); kind {
		case "switches", "vlans", "layer2interfaces":
			got.Files = append(got.Files, f)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		got.Files = append(got.Files, txtar.File{Name: name, Data: []byte(sections[name])})
	}
	text := txtar.Format(got)
	if *update {
		if err := os.WriteFile(tableFile, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, want) {
		t.Errorf("%s", diff.Diff("want", want, "got", text))
	}
}

func TestOrderOfRecordsDoesNotMatter(t *testing.T) {
	_, a := table(t)
	a.Interfaces["sw1"] = append(a.Interfaces["sw1"], a.Interfaces["sw1"][3], []byte(`{"type":"edge","name":"Ethernet1","virtualinterfaceid":1}`))
	a.VLANs["sw2"] = append(a.VLANs["sw2"], []byte(`{"name":"Peering again","tag":10,"private":true}`), []byte(`{"name":"Quarantine","tag":999,"config_name":"q"}`))
	want, faults, _, _ := mapped(t, a)
	random := rand.New(rand.NewPCG(1, 2))
	shuffle := func(list []json.RawMessage) {
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	for range 30 {
		shuffle(a.Switches)
		for _, s := range []string{"sw1", "sw2"} {
			shuffle(a.VLANs[s])
			shuffle(a.Interfaces[s])
		}
		got, gotFaults, _, _ := mapped(t, a)
		for c, raw := range want {
			if !raw.Equal(got[c]) {
				t.Fatalf("%s", diff.Diff("want", raw[0], "got", got[c][0]))
			}
		}
		if fmt.Sprint(faults) != fmt.Sprint(gotFaults) {
			t.Fatalf("faults\n%v, then\n%v", faults, gotFaults)
		}
	}
}

// covered returns an error if an interface is neither a port of a sound connection nor of one with a fault.
func covered(r *ixpmanager.Records, out *ixapi.Records, faults []Fault) error {
	connections := make(map[ixapi.ID]*ixapi.Connection)
	for i := range out.Connections {
		connections[out.Connections[i].ID] = &out.Connections[i]
	}
	said := make(map[string]bool)
	for _, f := range faults {
		said[f.Record] = true
	}
	for _, s := range r.Switches {
		for i := range r.Interfaces[s.Name] {
			p := place{s.Name, &r.Interfaces[s.Name][i]}
			c := connections[p.connection()]
			switch {
			case p.Type == ixpmanager.Core:
				if c != nil {
					return fmt.Errorf("core interface %s of %s is mapped", p.Name, s.Name)
				}
			case c == nil:
				return fmt.Errorf("%s of %s is dropped", p.Name, s.Name)
			case c.State == ixapi.StateProduction && p.Faulty:
				return fmt.Errorf("%s of %s is faulty, and its connection is not", p.Name, s.Name)
			case c.State != ixapi.StateProduction && len(c.Status) == 0:
				return fmt.Errorf("%s is in state %s, and nothing is said of it", c.ID, c.State)
			case !p.LAGMaster.Is() && !slices.Contains(c.Ports, portID(s.Name, p.Name)) && !said["connections/"+c.ID]:
				return fmt.Errorf("%s of %s is not a port of %s, and nothing is said of it", p.Name, s.Name, c.ID)
			}
		}
	}
	return nil
}

func TestNoInterfaceIsDroppedInSilence(t *testing.T) {
	_, a := table(t)
	_, faults, records, _ := mapped(t, a)
	read, _ := ixpmanager.Decode(a)
	if err := covered(read, records, faults); err != nil {
		t.Error(err)
	}
}
