package main

import (
	"encoding/json"
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

	"github.com/google/go-cmp/cmp"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers/all"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/switchcfg"
	"github.com/ixagent/ixagent/testdata"
)

var update = flag.Bool("update", false, "write the golden files anew")

// at is an instant at which every MAC window of the metro is open, over or to come.
var at = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// described is a data set, and what its configuration makes of it.
type described struct {
	*compile.Compiler
	config  *config.Config
	records *ixapi.Records
	cases   map[ixapi.ID]string // of the records that are odd on purpose
}

func describe(t testing.TB, set string) *described {
	t.Helper()
	text, err := testdata.Config(set)
	if err != nil {
		t.Fatal(err)
	}
	d := &described{cases: make(map[ixapi.ID]string)}
	if d.config, err = config.Parse(set+".yaml", text, nil, all.Registry()); err != nil {
		t.Fatal(err)
	}
	folder, err := testdata.Exchange(set)
	if err != nil {
		t.Fatal(err)
	}
	lists := make(map[ixapi.Collection]ixapi.Raw)
	for _, c := range ixapi.Collections() {
		text, err := fs.ReadFile(folder, string(c)+".json")
		if err != nil {
			t.Fatal(err)
		}
		lists[c] = ixapi.Raw{text}
		var refs []struct {
			ID  ixapi.ID `json:"id"`
			Ref string   `json:"external_ref"`
		}
		if err := json.Unmarshal(text, &refs); err != nil {
			t.Fatal(err)
		}
		for _, r := range refs {
			if name, odd := strings.CutPrefix(r.Ref, "case:"); odd {
				d.cases[r.ID] = name
			}
		}
	}
	records, faults, err := ixapi.Decode(lists)
	if err != nil {
		t.Fatal(err)
	}
	d.records = records
	d.Compiler = compile.New(&d.config.Inventory, d.config.Policy, compile.NewAllocations(nil, time.Hour))
	d.Set(records, faults, at)
	return d
}

// places returns where something stands for each record, which is named as in [switchcfg.Tag]: devices, and for a
// circuit its service. It calls visit for every object.
func (d *described) places(t testing.TB, visit func(device string, o switchcfg.Object)) map[string][]string {
	t.Helper()
	places := make(map[string][]string)
	for _, device := range d.config.Inventory.Devices {
		intent := d.Intent(device.Name)
		whole := maps.Clone(intent.State)
		for _, o := range handmade(&d.config.Inventory, device.Name) {
			whole[o.Key()] = o
		}
		if faults := switchcfg.Check(whole); len(faults) > 0 {
			t.Errorf("%s would be illegal: %v", device.Name, faults)
		}
		for _, o := range intent.State {
			if tag, ok := switchcfg.ParseTag(switchcfg.Description(o)); ok {
				record := tag.Record
				if full := intent.Names[record]; full != "" {
					record = full
				}
				place := device.Name
				if c, ok := o.(*switchcfg.Circuit); ok {
					place += "/" + c.Service
				}
				if !slices.Contains(places[record], place) {
					places[record] = append(places[record], place)
				}
			}
			visit(device.Name, o)
		}
	}
	for _, devices := range places {
		slices.Sort(devices)
	}
	return places
}

func TestEveryPortIsMappedAndNoOther(t *testing.T) {
	for _, set := range []string{"metro", "guide"} {
		d := describe(t, set)
		listed := make(map[ixapi.ID]bool)
		for _, p := range d.records.Ports {
			listed[p.ID] = true
			switch at, ok := d.config.Inventory.Attachment(&p); {
			case !ok:
				t.Errorf("%s: port %s is not in the inventory", set, p.ID)
			case at.Device.ID != p.Device:
				t.Errorf("%s: port %s is on %s in the inventory and on %s at the exchange", set, p.ID, at.Device.ID, p.Device)
			case p.Name != "" && at.Port.Interface != p.Name:
				t.Errorf("%s: port %s is %s in the inventory and %s at the exchange", set, p.ID, at.Port.Interface, p.Name)
			}
		}
		for _, device := range d.config.Inventory.Devices {
			for _, p := range device.Ports {
				if !listed[p.ID] {
					t.Errorf("%s: %s has port %s, which the exchange does not list", set, device.Name, p.ID)
				}
			}
		}
	}
}

// The golden file has a line for every record that is odd on purpose: its case, what stands for it on switches, and
// why it is refused or remarked upon.
func TestOnlyOddRecordsAreRefused(t *testing.T) {
	for _, set := range []string{"metro", "guide"} {
		t.Run(set, func(t *testing.T) {
			d := describe(t, set)
			places := d.places(t, func(string, switchcfg.Object) {})
			tags := make(map[ixapi.ID][]string)
			for _, r := range d.Rejections() {
				tags[r.ID] = append(tags[r.ID], string(r.Tag))
				if d.cases[r.ID] == "" {
					t.Errorf("%s %s is not odd, and: %s", r.Collection, r.ID, r.Message)
				}
			}
			var lines []string
			odd := func(kind string, id ixapi.ID, state ixapi.State) {
				name, there := d.cases[id], places[kind+":"+id]
				if name == "" {
					if len(there) == 0 && state == ixapi.StateProduction {
						t.Errorf("%s %s is in order and on no switch", kind, id)
					}
					return
				}
				where := "nowhere"
				if len(there) > 0 {
					where = strings.Join(there, " ")
				}
				lines = append(lines, strings.TrimSpace(fmt.Sprintf("%-32s %-26s %-27s %s", name, kind+" "+id, where, strings.Join(tags[id], " "))))
			}
			for _, c := range d.records.Connections {
				odd("conn", c.ID, c.State)
			}
			for _, n := range d.records.NetworkServiceConfigs {
				odd("nsc", n.ID, n.State)
			}
			slices.Sort(lines)
			golden(t, filepath.Join("testdata", set+"-odd.txt"), strings.Join(append(lines, ""), "\n"))
		})
	}
}

func TestEveryKindOfCircuitIsOnTheSwitches(t *testing.T) {
	d := describe(t, "metro")
	types := make(map[string]ixapi.ServiceType)
	asked := make(map[string]bool)
	kind := func(typ ixapi.ServiceType, v ixapi.VLANType, ethertype string) string {
		if v == ixapi.VLANTypePort {
			ethertype = "any"
		}
		return fmt.Sprint(typ, " ", v, " ", ethertype)
	}
	for _, n := range d.records.NetworkServiceConfigs {
		types["nsc:"+n.ID] = n.Type
		if v := n.VLANConfig; v != nil && n.Type.Known() && n.State == ixapi.StateProduction {
			asked[kind(n.Type, v.Type, string(v.Ethertype))] = true
		}
	}
	if len(asked) != 35 {
		t.Errorf("the data set asks for %d kinds of circuit, not for 5 service types x (port, and dot1q and qinq in 3 ethertypes)", len(asked))
	}
	made := make(map[string]bool)
	d.places(t, func(_ string, o switchcfg.Object) {
		c, ok := o.(*switchcfg.Circuit)
		if !ok {
			return
		}
		tag, _ := switchcfg.ParseTag(c.Description)
		vlan := []ixapi.VLANType{ixapi.VLANTypePort, ixapi.VLANTypeDot1Q, ixapi.VLANTypeQinQ}[c.Match.Form]
		made[kind(types[tag.Record], vlan, c.Match.TPID.String())] = true
	})
	for _, k := range slices.Sorted(maps.Keys(asked)) {
		if !made[k] {
			t.Errorf("no circuit is %s", k)
		}
	}
}

// golden compares text with a file, or writes it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
