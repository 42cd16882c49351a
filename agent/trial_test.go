package agent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
)

// orders returns the configs of the exchange as they were ordered.
func (e *exchange) orders() (out []map[string]any) {
	e.t.Helper()
	b, err := os.ReadFile(filepath.Join(e.dir, "records", "network-service-configs.json"))
	if err != nil {
		e.t.Fatal(err)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		e.t.Fatal(err)
	}
	return out
}

// try has an order tried by a pass of its own.
func (e *exchange) try(order map[string]any) (*Trial, *Pass) {
	e.t.Helper()
	text, err := json.Marshal(order)
	if err != nil {
		e.t.Fatal(err)
	}
	p, err := NewPass(e.t.Context(), e.options())
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { p.Close() })
	t, err := p.Try(text)
	if err != nil {
		e.t.Fatal(err)
	}
	return t, p
}

func TestTrialTellsWhatOrderingDoes(t *testing.T) {
	e := newExchange(t)
	all := e.orders()
	order := all[0]

	// What is there already changes nothing.
	trial, _ := e.try(order)
	if !trial.Possible || len(trial.Plans) > 0 || len(trial.Others) > 0 {
		t.Fatalf("what is there: %+v", trial)
	}

	// Its twin takes the same frames, and both would be refused.
	twin := make(map[string]any)
	for k, v := range order {
		twin[k] = v
	}
	delete(twin, "id")
	twin["state"] = "requested"
	trial, _ = e.try(twin)
	if trial.Possible || len(trial.Plans) > 0 || len(trial.Status) == 0 || trial.Rejections[0].ID != trialID ||
		len(trial.Others) == 0 || trial.Others[0].ID != order["id"] {
		t.Fatalf("the same frames twice: %+v", trial)
	}

	// What is not there yet is wanted just as it is wanted after it was ordered.
	e.edit("network-service-configs", func([]map[string]any) []map[string]any { return all[1:] })
	without, err := NewPass(t.Context(), e.options())
	if err != nil {
		t.Fatal(err)
	}
	defer without.Close()
	trial, tried := e.try(order)
	if !trial.Possible || len(trial.Plans) == 0 {
		t.Fatalf("a new order: %+v", trial)
	}
	e.edit("network-service-configs", func([]map[string]any) []map[string]any { return all })
	with, err := NewPass(t.Context(), e.options())
	if err != nil {
		t.Fatal(err)
	}
	defer with.Close()
	for _, p := range trial.Plans {
		if len(plan.Diff(with.Intent(p.Device).State, tried.Intent(p.Device).State)) > 0 {
			t.Errorf("%s: what was foreseen is not what came", p.Device)
		}
		after, err := plan.Apply(without.Intent(p.Device).State, p.Changes)
		if err != nil || !after.Equal(with.Intent(p.Device).State) {
			t.Errorf("%s: the changes that were foreseen do not lead there: %v", p.Device, err)
		}
	}
}

func TestOrderThatIsNoneIsAnErrorOrRefused(t *testing.T) {
	e := newExchange(t)
	for text, why := range map[string]string{
		"": "not a JSON object", "null": "not a JSON object", "[]": "not a JSON object", "7": "not a JSON object", "{": "not a JSON object",
		"{} {}": "something comes after it", `{"id": {}}`: "the id",
	} {
		p, err := NewPass(t.Context(), e.options())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Try([]byte(text)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", text, err, why)
		}
		p.Close()
	}
	for _, order := range []map[string]any{{}, {"type": 7}, {"type": "exchange_lan"}, {"type": strings.Repeat("x", 100_000)}, {"vlan_config": []any{}}} {
		if trial, _ := e.try(order); trial.Possible || len(trial.Status) == 0 {
			t.Errorf("%.60v: %+v", order, trial)
		}
	}
}

func FuzzOrder(f *testing.F) {
	f.Add([]byte(`{"type": "p2p_vc", "id": "1"}`))
	f.Add([]byte(`{"id": 1}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, order []byte) {
		id, text, err := inProduction(order)
		if err != nil {
			return
		}
		var fields struct {
			ID    ixapi.ID
			State ixapi.State
		}
		var all map[string]json.RawMessage
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
		if json.Unmarshal(all["id"], &fields.ID) != nil || json.Unmarshal(all["state"], &fields.State) != nil ||
			fields.ID != id || id == "" || fields.State != ixapi.StateProduction {
			t.Fatalf("%s: %s", order, text)
		}
	})
}
