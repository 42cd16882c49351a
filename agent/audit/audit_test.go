package audit

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers/all"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
	"github.com/ixagent/ixagent/testdata"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// lists are the records of an exchange as JSON has them.
type lists map[ixapi.Collection][]map[string]any

// metro returns the configuration of the sandbox metro, edited by pairs of old and new text, and a function that returns its records anew.
func metro(t testing.TB, edit ...string) (*config.Config, func() lists) {
	t.Helper()
	text, err := testdata.Config("metro")
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.NewReplacer(edit...).Replace(string(text)))
	c, err := config.Parse("metro.yaml", text, nil, all.Registry())
	if err != nil {
		t.Fatal(err)
	}
	folder, err := testdata.Exchange("metro")
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(folder, "*.json")
	if err != nil {
		t.Fatal(err)
	}
	texts := make(map[ixapi.Collection][]byte)
	for _, name := range files {
		if texts[ixapi.Collection(strings.TrimSuffix(name, ".json"))], err = fs.ReadFile(folder, name); err != nil {
			t.Fatal(err)
		}
	}
	return c, func() lists {
		out := make(lists)
		for collection, text := range texts {
			var records []map[string]any
			if err := json.Unmarshal(text, &records); err != nil {
				t.Fatal(err)
			}
			out[collection] = records
		}
		return out
	}
}

// side returns records as those of a source.
func (l lists) side(t fataler, s *config.Source) Side { return read(t, s, l.raw(t)) }

// raw returns the records as they are received.
func (l lists) raw(t fataler) map[ixapi.Collection]ixapi.Raw {
	raw := make(map[ixapi.Collection]ixapi.Raw)
	for _, c := range ixapi.Collections() {
		if records, ok := l[c]; ok {
			text, err := json.Marshal(records)
			if err != nil {
				t.Fatalf("%v", err)
			}
			raw[c] = ixapi.Raw{text}
		}
	}
	return raw
}

func read(t fataler, s *config.Source, raw map[ixapi.Collection]ixapi.Raw) Side {
	records, faults, err := ixapi.Decode(raw)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return Side{Source: s, Version: "of " + s.Name, Records: records, Faults: faults}
}

// fataler is a test, or an attempt of rapid's.
type fataler interface{ Fatalf(string, ...any) }

// get returns the record of that id.
func (l lists) get(t fataler, id string) map[string]any {
	for _, c := range ixapi.Collections() {
		for _, r := range l[c] {
			if r["id"] == id {
				return r
			}
		}
	}
	t.Fatalf("there is no record %s", id)
	return nil
}

// set replaces fields of the record of that id, or with nil takes it away.
func (l lists) set(t fataler, id string, fields map[string]any) {
	r := l.get(t, id)
	if maps.Copy(r, fields); fields != nil {
		return
	}
	for c := range l {
		l[c] = slices.DeleteFunc(l[c], func(r map[string]any) bool { return r["id"] == id })
	}
}

// renamed returns a value with ids in it replaced.
func renamed(v any, names map[string]string) any {
	switch v := v.(type) {
	case string:
		if to, ok := names[v]; ok {
			return to
		}
	case []any:
		for i := range v {
			v[i] = renamed(v[i], names)
		}
	case map[string]any:
		for k := range v {
			v[k] = renamed(v[k], names)
		}
	}
	return v
}

func TestSourceAgreesWithItselfWhateverItsIDs(t *testing.T) {
	c, records := metro(t)
	agreesWithItself(t, c, records, 161)
}

func TestNumbersThatRunOutAreNoDisagreement(t *testing.T) {
	c, records := metro(t, "range: 100-199", "range: 100-102", "vni: [20000-29999]", "vni: [20000-20019]")
	agreesWithItself(t, c, records, 50)
}

// agreesWithItself compares the records with the same under other ids and in another order. Switches carry so many
// circuits at least.
func agreesWithItself(t *testing.T, c *config.Config, records func() lists, circuits int) {
	a := records().side(t, c.Sources[0])
	rapid.Check(t, func(t *rapid.T) {
		other := records()
		names := make(map[string]string)
		for _, collection := range ixapi.Collections() {
			order := rapid.Permutation(other[collection]).Draw(t, string(collection))
			for i, r := range order {
				names[r["id"].(string)] = fmt.Sprintf("%s-%d", collection, i)
			}
			other[collection] = order
		}
		witness := &config.Source{Name: "other", Type: config.SourceFile, Witness: true, IDs: config.IDs{
			Devices: make(map[string]string), Ports: make(map[string]string), ExchangeLANs: make(map[string]string),
		}}
		for _, d := range c.Inventory.Devices {
			witness.IDs.Devices[d.Name] = names[d.ID]
			for _, p := range d.Ports {
				witness.IDs.Ports[d.Name+"/"+p.Interface] = names[p.ID]
			}
		}
		for _, lan := range c.Inventory.ExchangeLANs {
			witness.IDs.ExchangeLANs[lan.Name] = names[lan.NetworkService]
		}
		for _, collection := range ixapi.Collections() {
			for _, r := range other[collection] {
				renamed(r, names)
			}
		}
		r := Compare(c, a, other.side(t, witness), now)
		if len(r.Differences)+len(r.Incomparable) > 0 {
			t.Fatalf("%s", r.AppendText(nil))
		}
		if r.Sources[0].Circuits < circuits || r.Sources[1].Circuits < circuits || r.Sources[0].Connections != r.Sources[1].Connections {
			t.Fatalf("compared %+v", r.Sources)
		}
	})
}

// edited is a difference that is put into one source, and the only thing that is found.
type edited struct {
	name   string
	record string
	fields map[string]any // nil takes the record away
	want   string         // kind and place
}

func TestEverySingleDifferenceIsFoundAndNothingElse(t *testing.T) {
	c, records := metro(t)
	a := records().side(t, c.Sources[0])
	for _, e := range edits() {
		t.Run(e.name, func(t *testing.T) {
			other := records()
			other.set(t, e.record, e.fields)
			b := other.side(t, config.Folder("b"))
			for i, r := range []*Report{Compare(c, a, b, now), Compare(c, b, a, now)} {
				if len(r.Differences) != 1 || len(r.Incomparable) > 0 {
					t.Fatalf("%s", r.AppendText(nil))
				}
				d := &r.Differences[0]
				if got := string(d.Kind) + " " + d.Place(); got != e.want && i == 0 {
					t.Errorf("%s, not %s: %s", got, e.want, d)
				}
				if n := r.Counts()[d.Kind]; n != 1 || d.Says[0].Text == d.Says[1].Text || d.Says[0].Text == "" || d.Says[1].Text == "" {
					t.Errorf("counted %d of %s", n, d)
				}
			}
		})
	}
}

func edits() []edited {
	type fields = map[string]any
	tagged := func(ethertype string, vlan int) fields {
		return fields{"vlan_config": fields{"vlan_type": "dot1q", "vlan_ethertype": ethertype, "vlan": vlan}}
	}
	return []edited{
		{"a connection less", "conn:30005", nil, "connection fra1-sw1 Ethernet2"},
		{"a connection that has ended", "conn:30005", fields{"state": "decommissioned"}, "connection fra1-sw1 Ethernet2"},
		{"a connection in error", "conn:30016", fields{"state": "error"}, "state fra1-sw1 Ethernet6+Ethernet7+Ethernet8"},
		{"a connection not in use yet", "conn:30016", fields{"state": "allocated"}, "state fra1-sw1 Ethernet6+Ethernet7+Ethernet8"},
		{"a port less", "conn:30007", fields{"ports": []string{"port:fra2-sw1:2"}}, "members fra2-sw1 Ethernet2+Ethernet3"},
		{"without LACP", "conn:30016", fields{"mode": "lag_static"}, "lag fra1-sw1 Ethernet6+Ethernet7+Ethernet8"},
		{"faster LACP", "conn:30016", fields{"lacp_timeout": "fast"}, "lacp fra1-sw1 Ethernet6+Ethernet7+Ethernet8"},
		{"a circuit less", "nsc:40013", nil, "circuit fra2-sw1 Ethernet8 dot1q 0x8100 101"},
		{"an end of a line less", "nsc:40110", nil, "circuit fra2-sw1 Ethernet8 dot1q 0x8100 103"},
		{"another VLAN", "nsc:40013", tagged("0x8100", 1101), "tagging fra2-sw1 Ethernet8 dot1q 0x8100 101"},
		{"another VLAN of a line", "nsc:40110", tagged("0x8100", 1103), "tagging fra2-sw1 Ethernet8 dot1q 0x8100 103"},
		{"a second tag", "nsc:40013", fields{"vlan_config": fields{
			"vlan_type": "qinq", "outer_vlan": 101, "inner_vlan": 7, "outer_vlan_ethertype": "0x8100",
		}}, "tagging fra2-sw1 Ethernet8 dot1q 0x8100 101"},
		{"another LAN", "nsc:40001", fields{"network_service": "service:lan-media"}, "service fra1-sw1 Ethernet1 untagged"},
		{"another line", "nsc:40096", fields{"network_service": "service:20044"}, "service fra1-sw2 Ethernet3 untagged"},
		{"another tree", "nsc:40044", fields{"network_service": "service:20003"}, "service fra2-sw1 Ethernet2+Ethernet3 untagged"},
		{"another role", "nsc:40044", fields{"role": "leaf"}, "role fra2-sw1 Ethernet2+Ethernet3 untagged"},
		{"another address", "mac:60001", fields{"address": "02:00:00:00:00:77"}, "macs fra1-sw1 Ethernet1 untagged"},
		{"an address more", "nsc:40001", fields{"macs": []string{"mac:60001", "mac:60002"}}, "macs fra1-sw1 Ethernet1 untagged"},
		{"a limit", "nsc:40001", fields{"capacity": 500}, "rate fra1-sw1 Ethernet1 untagged"},
		{"another limit", "nsc:40090", fields{"capacity": 300}, "rate fra1-sw1 Ethernet2 untagged"},
		{"in quarantine", "nsc:40001", fields{"state": "testing"}, "state fra1-sw1 Ethernet1 untagged"},
		{"in error", "nsc:40001", fields{"state": "error"}, "state fra1-sw1 Ethernet1 untagged"},
		{"not wanted yet", "nsc:40001", fields{"state": "allocated"}, "state fra1-sw1 Ethernet1 untagged"},
		{"another VLAN at the provider", "nsc:40138", fields{"cloud_vlan": 77}, "service fra1-sw1 Ethernet5 untagged"},
	}
}

func TestWhatASourceCannotSayIsNoDisagreement(t *testing.T) {
	c, records := metro(t)
	a := records().side(t, c.Sources[0])
	type fields = map[string]any
	for _, e := range []struct {
		matter config.Matter
		edited
	}{
		{config.MatterStatic, edited{"LACP", "conn:30004", fields{"mode": "lag_lacp", "lacp_timeout": "slow"}, "lag fra2-sw2 Ethernet1+Ethernet2"}},
		{config.MatterStatic, edited{"not listed", "conn:30004", nil, "connection fra2-sw2 Ethernet1+Ethernet2"}},
		{config.MatterLACP, edited{"faster LACP", "conn:30016", fields{"lacp_timeout": "fast"}, "lacp fra1-sw1 Ethernet6+Ethernet7+Ethernet8"}},
		{config.MatterQinQ, edited{"one tag", "nsc:40113", fields{"vlan_config": fields{"vlan_type": "dot1q", "vlan": 2004, "vlan_ethertype": "0x8100"}}, "tagging fra2-sw1 Ethernet8 qinq 0x8100 2004.14"}},
		{config.MatterQinQ, edited{"not listed", "nsc:40113", nil, "circuit fra2-sw1 Ethernet8 qinq 0x8100 2004.14"}},
		{config.MatterEthertype, edited{"not listed", "nsc:40083", nil, "circuit fra2-sw2 Ethernet10+Ethernet11 dot1q 0x88a8 103"}},
		{config.MatterVLAN, edited{"the LAN's", "nsc:40032", fields{"vlan_config": fields{"vlan_type": "dot1q", "vlan": 101, "vlan_ethertype": "0x8100"}}, "tagging fra1-sw2 Ethernet7+Ethernet8 dot1q 0x8100 102"}},
		{config.MatterVLAN, edited{"not listed", "nsc:40032", nil, "circuit fra1-sw2 Ethernet7+Ethernet8 dot1q 0x8100 102"}},
		{config.MatterServices, edited{"not listed", "nsc:40110", nil, "circuit fra2-sw1 Ethernet8 dot1q 0x8100 103"}},
		{config.MatterServices, edited{"a port of its own", "conn:30005", nil, "connection fra1-sw1 Ethernet2"}},
		{config.MatterIdle, edited{"not listed", "conn:30048", nil, "connection fra1-sw2 Ethernet18"}},
		{config.MatterMACs, edited{"others", "nsc:40001", fields{"macs": []string{"mac:60002"}}, "macs fra1-sw1 Ethernet1 untagged"}},
		{config.MatterMACs, edited{"none", "nsc:40001", fields{"macs": []string{}}, "macs fra1-sw1 Ethernet1 untagged"}},
		{config.MatterRate, edited{"a limit", "nsc:40001", fields{"capacity": 500}, "rate fra1-sw1 Ethernet1 untagged"}},
	} {
		t.Run(string(e.matter)+" "+e.name, func(t *testing.T) {
			other := records()
			other.set(t, e.record, e.fields)
			knows, silent := config.Folder("b"), config.Folder("b")
			silent.CannotSay = []config.Matter{e.matter}
			if r := Compare(c, a, other.side(t, knows), now); len(r.Differences) != 1 || len(r.Incomparable) > 0 {
				t.Errorf("of a source that can say it: %s", r.AppendText(nil))
			}
			r := Compare(c, a, other.side(t, silent), now)
			if len(r.Differences) > 0 || len(r.Incomparable) != 1 {
				t.Fatalf("%s", r.AppendText(nil))
			}
			d := &r.Incomparable[0]
			if got := string(d.Kind) + " " + d.Place(); got != e.want || d.Matter != e.matter {
				t.Errorf("%s: %s, not %s: %s", d.Matter, got, e.want, d)
			}
		})
	}
}

// stripped returns a state without what only names records.
func stripped(s switchcfg.State) switchcfg.State {
	out := make(switchcfg.State, len(s))
	for k, o := range s {
		switch o := o.(type) {
		case *switchcfg.Interface:
			x := *o
			x.Description = ""
			out[k] = &x
		case *switchcfg.LAG:
			x := *o
			x.Description = ""
			out[k] = &x
		case *switchcfg.Circuit:
			x := *o
			x.Description = ""
			out[k] = &x
		default:
			out[k] = o
		}
	}
	return out
}

// intents compiles a side for all switches.
func intents(c *config.Config, s Side) map[string]*plan.Intent {
	of := compile.New(c.Inventory.As(s.Source), c.Policy, compile.NewAllocations(nil, compile.Cooling))
	of.Set(s.Records, s.Faults, now)
	out := make(map[string]*plan.Intent)
	for _, d := range c.Inventory.Devices {
		out[d.Name] = of.Intent(d.Name)
	}
	return out
}

func TestWhatASwitchWouldNoticeIsFound(t *testing.T) {
	c, records := metro(t)
	a := records().side(t, c.Sources[0])
	was := intents(c, a)
	rapid.Check(t, func(t *rapid.T) {
		other := records()
		for range rapid.IntRange(1, 3).Draw(t, "edits") {
			drawEdit(t, other)
		}
		b := other.side(t, config.Folder("b"))
		is := intents(c, b)
		states, freezes := false, false
		for name := range was {
			states = states || !stripped(was[name].State).Equal(stripped(is[name].State))
			freezes = freezes || !slices.EqualFunc(was[name].Frozen, is[name].Frozen, func(x, y plan.Freeze) bool { return x.Record == y.Record && x.Key == y.Key })
		}
		r := Compare(c, a, b, now)
		switch found := len(r.Differences) > 0; {
		case states && !found:
			for name := range was {
				for _, ch := range plan.Diff(stripped(was[name].State), stripped(is[name].State)) {
					t.Logf("%s: %s %s", name, ch.Verb, ch.Key)
				}
			}
			t.Fatal("a switch would notice, and nothing is found")
		case found && !states && !freezes:
			t.Fatalf("no switch would notice:\n%s", r.AppendText(nil))
		}
	})
}

// drawEdit changes something that a switch may notice.
func drawEdit(t *rapid.T, l lists) {
	one := func(c ixapi.Collection) map[string]any {
		return l[c][rapid.IntRange(0, len(l[c])-1).Draw(t, string(c))]
	}
	id := func(c ixapi.Collection) string { return one(c)["id"].(string) }
	state := rapid.SampledFrom([]string{"requested", "allocated", "testing", "production", "decommission_requested", "decommissioned", "error", "operator"})
	switch rapid.SampledFrom([]string{"config", "connection", "service", "mac", "gone"}).Draw(t, "what") {
	case "config":
		r := one(ixapi.NetworkServiceConfigs)
		v, _ := r["vlan_config"].(map[string]any)
		switch rapid.SampledFrom([]string{"state", "vlan", "ethertype", "untagged", "macs", "capacity", "service", "role", "connection", "cloud"}).Draw(t, "field") {
		case "state":
			r["state"] = state.Draw(t, "state")
		case "vlan":
			if v != nil {
				v[rapid.SampledFrom([]string{"vlan", "outer_vlan", "inner_vlan"}).Draw(t, "tag")] = rapid.IntRange(100, 120).Draw(t, "vlan")
			}
		case "ethertype":
			if v != nil {
				v["vlan_ethertype"], v["outer_vlan_ethertype"] = "0x9100", "0x88a8"
			}
		case "untagged":
			r["vlan_config"] = map[string]any{"vlan_type": "port"}
		case "macs":
			r["macs"] = []string{id(ixapi.MACs)}
		case "capacity":
			r["capacity"] = rapid.SampledFrom([]any{nil, 50, 100}).Draw(t, "capacity")
		case "service":
			s := one(ixapi.NetworkServices)
			r["network_service"] = s["id"]
		case "role":
			r["role"] = rapid.SampledFrom([]string{"root", "leaf"}).Draw(t, "role")
		case "connection":
			r["connection"] = id(ixapi.Connections)
		case "cloud":
			r["cloud_vlan"], r["handover"] = 77, rapid.IntRange(1, 2).Draw(t, "handover")
		}
	case "connection":
		r := one(ixapi.Connections)
		switch rapid.SampledFrom([]string{"state", "mode", "timeout", "ports", "moved"}).Draw(t, "field") {
		case "state":
			r["state"] = state.Draw(t, "state")
		case "mode":
			r["mode"] = rapid.SampledFrom([]string{"standalone", "lag_lacp", "lag_static", "flex_ethernet"}).Draw(t, "mode")
		case "timeout":
			r["lacp_timeout"] = rapid.SampledFrom([]string{"slow", "fast"}).Draw(t, "timeout")
		case "ports":
			if ports, _ := r["ports"].([]any); len(ports) > 0 {
				r["ports"] = ports[1:]
			}
		case "moved":
			r["ports"] = []any{id(ixapi.Ports)}
		}
	case "service":
		one(ixapi.NetworkServices)["state"] = state.Draw(t, "state")
	case "mac":
		one(ixapi.MACs)["address"] = "02:00:00:00:00:77"
	case "gone":
		c := rapid.SampledFrom([]ixapi.Collection{ixapi.Connections, ixapi.NetworkServiceConfigs, ixapi.NetworkServices, ixapi.MACs, ixapi.Ports}).Draw(t, "collection")
		l.set(t, id(c), nil)
	}
}

// TestReports compares the sandbox metro with itself after edits. The files are in testdata: edits are lines of an id
// and the fields to replace, as JSON, or null for a record that goes.
func TestReports(t *testing.T) {
	c, records := metro(t)
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			witness := config.Folder("")
			witness.Name = "manager"
			other := records()
			for line := range strings.Lines(string(archive.Files[0].Data)) {
				id, text, _ := strings.Cut(strings.TrimSpace(line), " ")
				if id == "type" {
					witness.Type = config.SourceType(text)
					continue
				}
				var fields map[string]any
				if err := json.Unmarshal([]byte(text), &fields); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				other.set(t, id, fields)
			}
			r := Compare(c, records().side(t, c.Sources[0]), other.side(t, witness), now)
			var junit bytes.Buffer
			if err := r.WriteJUnit(&junit); err != nil {
				t.Fatal(err)
			}
			var s suite
			if err := xml.Unmarshal(junit.Bytes(), &s); err != nil || s.Tests != len(s.Cases) || s.Failures != len(r.Differences) {
				t.Errorf("JUnit: %v\n%s", err, &junit)
			}
			got := r.AppendText(nil)
			if *update {
				archive.Files = append(archive.Files[:1], txtar.File{Name: "report", Data: got})
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := archive.Files[1].Data; !bytes.Equal(got, want) {
				t.Errorf("%s", diff.Diff("want", want, "got", got))
			}
		})
	}
}
