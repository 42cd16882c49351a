package ecx

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/ixagent/ixagent/models/ecx"
	"github.com/ixagent/ixagent/models/ixapi"
)

// FuzzMap holds that any record becomes records of IX-API that can be read, and takes nothing from others.
func FuzzMap(f *testing.F) {
	_, lists := table(f)
	for _, c := range ecx.Collections() {
		for _, text := range lists[c] {
			f.Add([]byte(text))
		}
	}
	_, _, whole, _ := mapped(f, lists)
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		more := make(ecx.Lists)
		for c, list := range lists {
			more[c] = append(slices.Clone(list), text)
		}
		_, _, records, _ := mapped(t, more)
		if len(records.Connections) != len(whole.Connections)+1 {
			t.Errorf("%d connections", len(records.Connections))
		}
		known := make(map[ixapi.ID]bool)
		for i := range records.NetworkServiceConfigs {
			known[records.NetworkServiceConfigs[i].ID] = true
		}
		for i := range whole.NetworkServiceConfigs {
			if id := whole.NetworkServiceConfigs[i].ID; !known[id] {
				t.Errorf("config %s is gone", id)
			}
		}
	})
}
