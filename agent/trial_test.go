package agent

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ixagent/ixagent/agent/compile"
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
func (e *exchange) try(order map[string]any) *compile.Trial {
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
	return t
}

func TestTrialTellsWhatOrderingDoes(t *testing.T) {
	e := newExchange(t)
	all := e.orders()
	order := all[0]

	// What is there already changes nothing.
	trial := e.try(order)
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
	trial = e.try(twin)
	if trial.Possible || len(trial.Plans) > 0 || len(trial.Status) == 0 || trial.Rejections[0].ID != "order" ||
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
	trial = e.try(order)
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
		after, err := plan.Apply(without.Intent(p.Device).State, p.Changes)
		if err != nil || !after.Equal(with.Intent(p.Device).State) {
			t.Errorf("%s: the changes that were foreseen do not lead there: %v", p.Device, err)
		}
	}
}

// The daemon answers as a pass does, and nothing comes of it.
func TestDaemonTriesOrdersAndDoesNothing(t *testing.T) {
	e := newExchange(t)
	order := e.orders()[0]
	delete(order, "id")
	want := e.try(order)
	text, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(e.dir, "web.yaml")
	if err := os.WriteFile(users, []byte("basic_auth_users: {noc: $2b$05$abcdefghijklmnopqrstuuMceFj4VbmHOj8C7PetMxzZkwre/z.Ri}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := e.options("listen: ", "web_config: "+users+"\nlisten: ")
	ask := func(url, user string, order []byte) (int, string) {
		req, err := http.NewRequest("POST", strings.Replace(url, "//", "//"+user+"@", 1)+"/api/v1/check", bytes.NewReader(order))
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, string(body)
	}

	// Nobody knows while the exchange has not been read.
	records := filepath.Join(e.dir, "records")
	if err := os.Rename(records, records+".gone"); err != nil {
		t.Fatal(err)
	}
	url := e.run(o)
	if code, body := ask(url, "noc:test", text); code != http.StatusServiceUnavailable || !strings.Contains(body, `"status":503`) {
		t.Errorf("%d %s", code, body)
	}
	if err := os.Rename(records+".gone", records); err != nil {
		t.Fatal(err)
	}
	noc := strings.Replace(url, "//", "//noc:test@", 1)
	eventually(t, "ready", func() bool { code, _ := get(t, noc+"/-/ready"); return code == http.StatusOK })
	eventually(t, "the LAG", func() bool { return lagOf(e.sw("sw1").State()) != nil })
	state := e.sw("sw1").State()
	_, status := get(t, noc+"/api/v1/status")

	if code, body := ask(url, "noc:wrong", text); code != http.StatusUnauthorized {
		t.Errorf("with a wrong password: %d %s", code, body)
	}
	if code, body := ask(url, "noc:test", []byte("[]")); code != http.StatusBadRequest || !strings.Contains(body, "not a JSON object") {
		t.Errorf("no order: %d %s", code, body)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			code, body := ask(url, "noc:test", text)
			var got compile.Trial
			if err := json.Unmarshal([]byte(body), &got); err != nil || code != http.StatusOK {
				t.Errorf("%d %s: %v", code, body, err)
				return
			}
			for i := range got.Status {
				got.Status[i].Timestamp = want.Status[i].Timestamp
			}
			again, err := json.Marshal(got)
			wanted, failed := json.Marshal(want)
			if err != nil || failed != nil || !bytes.Equal(again, wanted) {
				t.Errorf("%s, want %s (%v, %v)", again, wanted, err, failed)
			}
		})
	}
	all.Wait()
	if _, after := get(t, noc+"/api/v1/status"); after != status || !e.sw("sw1").State().Equal(state) {
		t.Errorf("something came of it:\n%s\n%s", status, after)
	}
	_, scraped := get(t, noc+"/metrics")
	for _, line := range []string{
		`ixagent_trial_duration_seconds_count{result="refused"} 8`, `ixagent_trial_duration_seconds_count{result="invalid"} 1`,
		`ixagent_trial_duration_seconds_count{result="unavailable"} 1`, `ixagent_trial_duration_seconds_count{result="possible"} 0`,
	} {
		if !strings.Contains(scraped, line+"\n") {
			t.Errorf("%s is not told", line)
		}
	}
}
