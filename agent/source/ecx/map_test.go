package ecx

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
	"github.com/ixagent/ixagent/models/ecx"
	"github.com/ixagent/ixagent/models/ixapi"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const tableFile = "testdata/table.txtar"

// table returns the golden file, and the records of Fabric in it.
func table(t testing.TB) (*txtar.Archive, ecx.Lists) {
	t.Helper()
	archive, err := txtar.ParseFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	lists := make(ecx.Lists)
	for _, c := range ecx.Collections() {
		for _, f := range archive.Files {
			if f.Name == string(c) {
				for line := range bytes.Lines(f.Data) {
					lists[c] = append(lists[c], bytes.TrimSpace(line))
				}
			}
		}
		if len(lists[c]) == 0 {
			t.Fatalf("no %s", c)
		}
	}
	return archive, lists
}

// mapped returns what Map makes of lists, and that decoded.
func mapped(t testing.TB, lists ecx.Lists) (map[ixapi.Collection]ixapi.Raw, []Fault, *ixapi.Records, []ixapi.RecordFault) {
	t.Helper()
	out, faults, err := Map(ecx.Decode(lists))
	if err != nil {
		t.Fatal(err)
	}
	records, unreadable, err := ixapi.Decode(out)
	if err != nil {
		t.Fatal(err)
	}
	return out, faults, records, unreadable
}

func loaded() (*config.Config, error) {
	return config.Load(filepath.Join("testdata", "inventory.yaml"), drivers.Registry{"memory": memory.Spec()})
}

func compiler(t testing.TB, records *ixapi.Records, faults []ixapi.RecordFault) *compile.Compiler {
	t.Helper()
	conf, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	c := compile.New(&conf.Inventory, conf.Policy, compile.NewAllocations(nil, time.Hour))
	c.Set(records, faults, time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC))
	return c
}

func TestEveryRecordBecomesWhatTheTableSays(t *testing.T) {
	archive, lists := table(t)
	out, faults, records, unreadable := mapped(t, lists)
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
	c := compiler(t, records, unreadable)
	for _, name := range []string{"sw1", "sw2"} {
		sections["switch/"+name] = string(c.Intent(name).State.AppendText(nil))
	}
	for _, r := range c.Rejections() {
		add("rejections", fmt.Sprintf("%s %s: %d %s: %s", r.Collection, r.ID, r.Severity, r.Tag, r.Message))
	}
	got := &txtar.Archive{Comment: archive.Comment}
	for _, f := range archive.Files {
		if slices.Contains(ecx.Collections(), ecx.Collection(f.Name)) {
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
	_, lists := table(t)
	lists[ecx.Connections] = append(lists[ecx.Connections], lists[ecx.Connections][3], []byte(`{"uuid":"c0000000-0000-4000-8000-000000000004","type":"IP_VC"}`))
	lists[ecx.Ports] = append(lists[ecx.Ports], lists[ecx.Ports][3], []byte(`{"uuid":"a0000000-0000-4000-8000-000000000001","account":{"accountNumber":1001,"accountName":"Aardvark"}}`))
	want, faults, _, _ := mapped(t, lists)
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		for _, list := range lists {
			random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		}
		got, gotFaults, _, _ := mapped(t, lists)
		for c, raw := range want {
			if !raw.Equal(got[c]) {
				t.Fatalf("%s", diff.Diff("want", raw[0], "got", got[c][0]))
			}
		}
		if fmt.Sprint(faults) != fmt.Sprint(gotFaults) {
			t.Fatalf("faults %v, then %v", faults, gotFaults)
		}
	}
}

// results returns the ids of what became of a record.
func results(c ecx.Collection, uuid string, r *ixapi.Records) (found []string) {
	switch c {
	case ecx.Ports:
		for i := range r.Connections {
			if r.Connections[i].ID == uuid {
				found = append(found, "connection")
			}
		}
	case ecx.Networks, ecx.ServiceProfiles:
		for i := range r.NetworkServices {
			if r.NetworkServices[i].ID == uuid {
				found = append(found, "service")
			}
		}
		for i := range r.ProductOfferings {
			if r.ProductOfferings[i].ID == uuid {
				found = append(found, "offering")
			}
		}
	case ecx.ExchangeServices:
		for i := range r.MACs {
			if r.MACs[i].ID == uuid {
				found = append(found, "mac")
			}
		}
	case ecx.Connections:
		for i := range r.NetworkServiceConfigs {
			if strings.HasPrefix(r.NetworkServiceConfigs[i].ID, uuid) {
				found = append(found, "config")
			}
		}
	}
	return found
}

func TestNoRecordIsDroppedInSilence(t *testing.T) {
	_, lists := table(t)
	_, _, records, _ := mapped(t, lists)
	for c, list := range lists {
		for _, text := range list {
			var is struct{ UUID string }
			if err := json.Unmarshal(text, &is); err != nil {
				t.Fatal(err)
			}
			if found := results(c, is.UUID, records); len(found) == 0 {
				t.Errorf("nothing became of %s", text)
			}
		}
	}
}
