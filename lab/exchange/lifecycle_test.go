package exchange

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// report posts what an agent says of a record.
func report(tb testing.TB, s *Server, config string, sequence int, at time.Time, state, of, messages string, header ...string) *httptest.ResponseRecorder {
	tb.Helper()
	collection, id, _ := strings.Cut(config, "/")
	body := fmt.Sprintf(`{"specversion":"1.0","id":"e%d","type":%q,"source":"ixagent/a","subject":%q,"sequence":"%020d","time":%q,"datacontenttype":"application/json",`+
		`"data":{"collection":%q,"id":%q,"state":%q,"record_state":%q,"since":%[5]q,"devices":[],"status":[%[10]s]}}`,
		sequence, resultType, config, sequence, at.Format(time.RFC3339Nano), collection, id, state, of, messages)
	r := httptest.NewRequest(http.MethodPost, "/results", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/cloudevents+json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func message(severity int, tag string) string {
	return fmt.Sprintf(`{"severity":%d,"tag":%q,"message":"it is %[2]s","attrs":{"device":"sw1"},"timestamp":"2026-05-01T12:00:00Z"}`, severity, tag)
}

func TestAConfigIsInProductionWhenTheSwitchCarriesIt(t *testing.T) {
	c := &clock{at: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	s := moon(t, Options{Reported: true, Clock: c.now})
	config := "network-service-configs/" + told(t, s, http.MethodPost, configsPath, with(orders()["exchange_lan"], nil), http.StatusCreated)["id"].(string)
	sequence := 0
	now := func() string {
		got := told(t, s, http.MethodGet, "/"+config, "", http.StatusOK)
		out := got["state"].(string)
		for _, m := range got["status"].([]any) {
			out += " " + m.(fields)["tag"].(string)
		}
		return out
	}
	for i, step := range []struct{ do, of, what, want string }{
		{"report", "", "", "testing"},
		{"pending", "testing", message(5, "waiting"), "testing waiting"},
		{"failed", "testing", message(3, "switch_unreachable"), "testing switch_unreachable"},
		{"rejected", "testing", message(4, "connection_not_in_service"), "testing connection_not_in_service"},
		{"provisioned", "requested", "", "testing connection_not_in_service"}, // about an earlier state
		{"provisioned", "testing", message(6, "provisioned"), "production"},
		{"provisioned", "production", message(6, "provisioned"), "production"},
		{"PATCH", "", `{"external_ref":"mine"}`, "production"},
		{"PATCH", "", `{"capacity":500}`, "production_change_pending"},
		{"provisioned", "production", "", "production_change_pending"}, // about the values before
		{"provisioned", "production_change_pending", "", "production"},
		{"rejected", "production", message(3, "vlan_collision"), "error vlan_collision"},
		{"provisioned", "error", "", "error vlan_collision"},
		{"rejected", "error", message(4, "state_error"), "error vlan_collision"},
		{"PATCH", "", `{"vlan_config":{"vlan_type":"dot1q","vlan":77}}`, "production_change_pending"},
		{"provisioned", "", "", "production"}, // of an agent that does not say of which state
		{"DELETE", "", `{"decommission_at":"2026-05-03"}`, "decommission_requested"},
		{"provisioned", "decommission_requested", "", "decommission_requested"},
		{"removed", "decommission_requested", message(6, "removed"), "decommission_requested"},
		{"time", "", "", "decommissioned"},
		{"removed", "decommissioned", message(6, "removed"), "decommissioned removed"},
		{"DELETE", "", "", "archived removed"},
		{"provisioned", "archived", "", "archived removed"},
	} {
		c.at = c.at.Add(time.Second)
		switch step.do {
		case "report":
		case "time":
			c.at = c.at.AddDate(0, 0, 3)
		case http.MethodPatch, http.MethodDelete:
			told(t, s, step.do, "/"+config, step.what, http.StatusAccepted)
		default:
			sequence++
			if w := report(t, s, config, sequence, c.at, step.do, step.of, step.what); w.Code != http.StatusAccepted {
				t.Fatal(w.Body)
			}
		}
		if got := now(); got != step.want {
			t.Errorf("step %d, %s: %s, want %s", i, step.do, got, step.want)
		}
	}
}

func TestAConfigThatNeverWorkedIsTestedAgainAfterAChange(t *testing.T) {
	s := moon(t, Options{Reported: true})
	id := told(t, s, http.MethodPost, configsPath, with(orders()["exchange_lan"], nil), http.StatusCreated)["id"].(string)
	report(t, s, "network-service-configs/"+id, 1, time.Now(), "rejected", "testing", message(3, "vlan_type_unsupported"))
	got := told(t, s, http.MethodGet, configsPath+"/"+id, "", http.StatusOK)
	if m, _ := got["status"].([]any); got["state"] != "error" || len(m) != 1 || m[0].(fields)["message"] != "it is vlan_type_unsupported" {
		t.Fatalf("%v", got)
	}
	if got := told(t, s, http.MethodPatch, configsPath+"/"+id, `{"capacity":10}`, http.StatusAccepted); got["state"] != "testing" || len(got["status"].([]any)) != 0 {
		t.Errorf("%v", got)
	}
}

func TestWhatIsNoNewsChangesNothing(t *testing.T) {
	s := moon(t, Options{Reported: true})
	id := "network-service-configs/" + told(t, s, http.MethodPost, configsPath, with(orders()["exchange_lan"], nil), http.StatusCreated)["id"].(string)
	at := time.Now().Truncate(time.Second)
	pending := func(sequence int, at time.Time, tag string) {
		report(t, s, id, sequence, at, "pending", "testing", message(5, tag))
	}
	pending(5, at, "fifth")
	for name, late := range map[string]func(){
		"again":                func() { pending(5, at, "again") },
		"an older one":         func() { pending(4, at.Add(-time.Minute), "older") },
		"an older one, longer": func() { pending(4, at, "older") },
		"unknown records":      func() { report(t, s, "network-service-configs/none", 9, at, "provisioned", "", "") },
		"other collections":    func() { report(t, s, "accounts/2381982", 9, at, "provisioned", "", "") },
		"no collection":        func() { report(t, s, "nothing/2381982", 9, at, "provisioned", "", "") },
	} {
		before := contents(t, s)
		late()
		if contents(t, s) != before {
			t.Errorf("%s: something has changed", name)
		}
	}
	for i, step := range []struct {
		sequence int
		at       time.Time
	}{{6, at.Add(-time.Hour)}, {1, at.Add(time.Minute)}} { // of an agent that has begun anew, too
		pending(step.sequence, step.at, fmt.Sprint("news", i))
		if got := fmt.Sprint(told(t, s, http.MethodGet, "/"+id, "", http.StatusOK)["status"]); !strings.Contains(got, fmt.Sprint("news", i)) {
			t.Errorf("step %d: %s", i, got)
		}
	}
}

func TestResultsAreOnlyRecordedWhereNobodyIsSaidToReport(t *testing.T) {
	s := moon(t, Options{})
	before := contents(t, s)
	report(t, s, "network-service-configs/nsc:1", 1, time.Now(), "rejected", "production", message(3, "vlan_collision"))
	if contents(t, s) != before || len(s.Results()) != 1 {
		t.Error("a result was not only recorded")
	}
}

func TestOnlyTheOperatorPostsResults(t *testing.T) {
	s := serve(t, Options{Reported: true, Tokens: []string{"night"}, Credentials: []Credential{{Key: "member", Secret: "s", Account: "account:1004"}}})
	member := pairOf(t, ask(s, http.MethodPost, "/auth/token", `{"api_key":"member","api_secret":"s"}`)).Access
	before := contents(t, s)
	for token, want := range map[string]int{"": http.StatusUnauthorized, "Bearer " + member: http.StatusForbidden, "Bearer x": http.StatusUnauthorized} {
		header := []string{"Authorization", token}
		if w := report(t, s, "network-service-configs/nsc:40004", 1, time.Now(), "rejected", "production", message(3, "x"), header...); w.Code != want {
			t.Errorf("%q: %d, want %d", token, w.Code, want)
		}
	}
	if contents(t, s) != before || len(s.Results()) != 0 {
		t.Error("a result of somebody was taken")
	}
	report(t, s, "network-service-configs/nsc:40004", 1, time.Now(), "rejected", "production", message(3, "x"), "Authorization", "Bearer night")
	if r := s.store.Now().Get("network-service-configs", "nsc:40004"); r.State() != "error" {
		t.Error(r.State())
	}
}

// The arrows of the reference, and those from and to the states in which a person is needed.
func TestTransitionsAreThoseOfTheReference(t *testing.T) {
	text, err := os.ReadFile("../../../shared/reference/ixapi.md")
	if err != nil {
		if os.Getenv("IXAGENT_REQUIRE") == "all" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED, transitions are not held against the reference: %v", err)
	}
	all := transitions()
	_, section, _ := strings.Cut(string(text), "## 2. Lifecycle")
	named := regexp.MustCompile("`state` values [^:]*: ([a-z_, ]+)").FindStringSubmatch(section)
	if named == nil {
		t.Fatal("the reference names no states")
	}
	states := strings.Split(named[1], ", ")
	for _, s := range states {
		if all[s] == nil {
			t.Errorf("nothing is known of state %s", s)
		}
		if ended := []string{"decommissioned", "archived", "cancelled"}; !slices.Contains(ended, s) {
			for _, person := range []string{"error", "operator"} {
				if s != person && !slices.Contains(all[s], person) {
					t.Errorf("%s cannot go to %s", s, person)
				}
			}
		}
	}
	if len(all) != len(states) {
		t.Errorf("%d states, want %d", len(all), len(states))
	}
	for _, chain := range []string{
		"requested allocated testing production production_change_pending production", "requested scheduled allocated", "scheduled testing", "requested cancelled",
		"production decommission_requested decommissioned archived", "production_change_pending decommission_requested",
	} {
		steps := strings.Fields(chain)
		for i := range len(steps) - 1 {
			if !slices.Contains(all[steps[i]], steps[i+1]) {
				t.Errorf("%s cannot go to %s", steps[i], steps[i+1])
			}
		}
	}
}

func TestNoRecordTakesAnotherWayThanTheTable(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := moon(t, Options{Reported: true})
		id := told(t, s, http.MethodPost, configsPath, with(orders()["exchange_lan"], nil), http.StatusCreated)["id"].(string)
		read := func() string {
			return told(t, s, http.MethodGet, configsPath+"/"+id, "", http.StatusOK)["state"].(string)
		}
		states := []string{"", "testing", "production", "production_change_pending", "decommission_requested", "decommissioned", "error"}
		for i := range rapid.IntRange(1, 20).Draw(rt, "steps") {
			was := read()
			switch rapid.IntRange(0, 3).Draw(rt, "what") {
			case 0:
				ask(s, http.MethodPatch, configsPath+"/"+id, with(nil, fields{"capacity": rapid.IntRange(1, 3).Draw(rt, "capacity")}))
			case 1:
				if rapid.IntRange(0, 4).Draw(rt, "end") == 0 {
					ask(s, http.MethodDelete, configsPath+"/"+id, "")
				}
			default:
				state := rapid.SampledFrom([]string{"provisioned", "pending", "rejected", "failed", "removed", "inactive", "nonsense"}).Draw(rt, "state")
				report(t, s, "network-service-configs/"+id, i+1, time.Now(), state, rapid.SampledFrom(states).Draw(rt, "of"), message(rapid.IntRange(0, 7).Draw(rt, "severity"), "x"))
			}
			if is := read(); is != was && !slices.Contains(transitions()[was], is) {
				rt.Fatalf("it went from %s to %s", was, is)
			}
		}
	})
}
