package ecx

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/models/ecx"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// without calls f with the record short of each one of its fields, at whatever depth, and with the place of that.
func without(record any, at string, f func(at string)) {
	switch r := record.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(r)) {
			value := r[name]
			delete(r, name)
			f(at + "/" + name)
			r[name] = value
			without(value, at+"/"+name, f)
		}
	case []any:
		for i, value := range r {
			without(value, fmt.Sprint(at, "/", i), f)
		}
	}
}

func TestRedactedRecordTakesNothingOffASwitch(t *testing.T) {
	_, lists := table(t)
	_, _, whole, _ := mapped(t, lists)
	carried := make(map[string]bool) // uuids of what is on a switch
	for i := range whole.NetworkServiceConfigs {
		n := &whole.NetworkServiceConfigs[i]
		on := live(n.State) || n.State == ixapi.StateTesting
		carried[n.ID[:len(n.ID)-len("-a")]] = carried[n.ID[:len(n.ID)-len("-a")]] || on
		carried[n.Connection] = carried[n.Connection] || on
	}
	for _, collection := range []ecx.Collection{ecx.Connections, ecx.Ports} {
		lists[collection] = slices.DeleteFunc(lists[collection], func(text json.RawMessage) bool {
			var is struct{ UUID string }
			return json.Unmarshal(text, &is) != nil || !carried[is.UUID]
		})
	}
	_, _, whole, unreadable := mapped(t, lists)
	c := compiler(t, whole, unreadable)
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	conf, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	observed := make(map[string]switchcfg.State)
	for _, d := range conf.Inventory.Devices {
		observed[d.Name] = c.Intent(d.Name).State
	}
	cases, seen := 0, make(map[[sha256.Size]byte]bool)
	for _, collection := range ecx.Collections() {
		for i, text := range lists[collection] {
			var record map[string]any
			if err := json.Unmarshal(text, &record); err != nil {
				t.Fatal(err)
			}
			without(record, "", func(at string) {
				short, err := json.Marshal(record)
				if err != nil {
					t.Fatal(err)
				}
				cases++
				lists[collection][i] = short
				out, _, records, faults := mapped(t, lists)
				lists[collection][i] = text
				h := sha256.New()
				for _, name := range ixapi.Collections() {
					h.Write(out[name][0])
				}
				sum := [sha256.Size]byte(h.Sum(nil))
				if seen[sum] {
					return
				}
				seen[sum] = true
				if slices.ContainsFunc(faults, func(f ixapi.RecordFault) bool { return f.ID == "" }) {
					return // the source refuses it
				}
				c.Set(records, faults, now)
				for _, d := range conf.Inventory.Devices {
					in := c.Intent(d.Name)
					p := plan.Build(plan.Input{
						Observed: observed[d.Name], Intent: *in, Device: d.Name, Scope: d.Scope(), Traits: memory.Capabilities().Traits,
					})
					for _, change := range p.Changes {
						// Tunnels to another switch are held by the agent's guard while anything of the service is there.
						tunnels := change.Verb == plan.Update && change.Key.Kind == switchcfg.KindService
						if !tunnels && (change.Verb == plan.Delete || change.Disruption != plan.DisruptsNone) {
							t.Errorf("%s without %s: %s %s on %s (%s)", collection, at, change.Verb, change.Key, d.Name, text)
						}
					}
				}
			})
		}
	}
	if cases < 500 || len(seen) < 250 {
		t.Errorf("%d cases, %d different", cases, len(seen))
	}
}
