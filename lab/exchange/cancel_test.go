package exchange

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

func day(tb testing.TB, text string) time.Time {
	tb.Helper()
	d, err := time.Parse(time.DateOnly, text)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func TestDurationsAreThoseOfISO8601(t *testing.T) {
	for text, want := range map[string]duration{
		"P1M": {1, 0}, "P2W": {0, 14}, "P1Y6M": {18, 0}, "P1Y2M3W4D": {14, 25}, "P5D": {0, 5}, "P0D": {},
		"": {}, "P": {}, "1M": {}, "P1": {}, "PM": {}, "P1D1M": {}, "P1M1M": {}, "P1000Y": {}, "PT24H": {}, "P-1D": {}, "P1X": {}, "P1M ": {},
	} {
		if got := parseDuration(text); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

func FuzzDurations(f *testing.F) {
	f.Add("P1Y2M3W4D")
	f.Add("P12M")
	f.Fuzz(func(t *testing.T, text string) {
		d := parseDuration(text)
		if today := day(t, "2026-01-31"); d.after(today).Before(today) || d.after(today).Year() > 4100 {
			t.Errorf("%q leads to %v", text, d.after(today))
		}
	})
}

func TestAMonthEndsWithItsLastDay(t *testing.T) {
	for from, want := range map[string]string{"2026-01-31": "2026-02-28", "2028-01-31": "2028-02-29", "2026-11-30": "2026-12-30", "2026-12-15": "2027-01-15"} {
		if got := parseDuration("P1M").after(day(t, from)).Format(time.DateOnly); got != want {
			t.Errorf("a month after %s is %s, want %s", from, got, want)
		}
	}
}

// The contract is the example of IX-API's product offerings: two weeks at first, cancelable within five days, and then six
// months again and again, cancelable a month before.
func TestAContractIsPaidToTheEndOfItsPeriod(t *testing.T) {
	c := terms{parseDuration("P2W"), parseDuration("P5D"), parseDuration("P6M"), parseDuration("P1M")}
	start := day(t, "2026-01-01")
	for today, want := range map[string][2]string{
		"2026-01-03": {"2026-01-08", "2026-01-15"},
		"2026-01-12": {"2026-01-17", "2026-07-15"},
		"2026-01-15": {"2026-02-15", "2026-07-15"},
		"2026-06-15": {"2026-07-15", "2026-07-15"},
		"2026-06-16": {"2026-07-16", "2027-01-15"},
	} {
		first := c.first(start, day(t, today))
		if got := [2]string{first.Format(time.DateOnly), c.charged(start, first).Format(time.DateOnly)}; got != want {
			t.Errorf("cancelled on %s: %v, want %v", today, got, want)
		}
	}
}

func TestADayFarAwayIsFound(t *testing.T) {
	c := terms{renewal: parseDuration("P1D")}
	if got := c.charged(day(t, "2026-01-01"), day(t, "9999-12-31")); got != day(t, "9999-12-31") {
		t.Errorf("%v", got)
	}
}

func TestNobodyIsChargedForLessThanItIsServed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := func(name string) duration {
			return duration{months: rapid.IntRange(0, 24).Draw(t, name+" months"), days: rapid.IntRange(0, 40).Draw(t, name+" days")}
		}
		c := terms{some("initial"), some("initial notice"), some("renewal"), some("renewal notice")}
		start := time.Date(2020, 1, rapid.IntRange(1, 3000).Draw(t, "start"), 0, 0, 0, 0, time.UTC)
		today := start.AddDate(0, 0, rapid.IntRange(0, 2000).Draw(t, "today"))
		first := c.first(start, today)
		if first.Before(today) {
			t.Fatalf("ends on %v, before it is cancelled on %v", first, today)
		}
		want := c.initial.after(start)
		for n := 1; want.Before(first); n++ {
			if want = first; c.renewal != (duration{}) {
				want = c.renewal.times(n).after(c.initial.after(start))
			}
		}
		if charged := c.charged(start, first); charged != want || charged.Before(first) {
			t.Fatalf("ends on %v and is charged until %v, want %v", first, charged, want)
		}
	})
}

// contracted is an exchange of one service with contract terms, its configs, and what belongs to them.
func contracted(tb testing.TB, c *clock, state string) *Server {
	tb.Helper()
	record := func(id, fields string) string {
		return fmt.Sprintf(`{"id":%q,"state":%q,"status":[],"decommission_at":null,"charged_until":null,"current_billing_start_date":"2026-01-01",`+
			`"managing_account":"a","consuming_account":"a","billing_account":"a",%s}`, id, state, fields)
	}
	s := serve(tb, Options{Anonymous: true, Clock: c.now, Data: folder(map[string]string{
		"accounts": `[{"id":"a","state":"production","name":"A","managing_account":null,"billing_information":{"name":"A"}}]`,
		"product-offerings": `[{"id":"po","type":"mp2mp_vc","name":"po","contract_initial_period":"P1M","contract_initial_notice_period":"P5D",
			"contract_renewal_period":"P1M","contract_renewal_notice_period":"P10D"}]`,
		"network-services":        "[" + record("ns", `"type":"mp2mp_vc","product_offering":"po","member_joining_rules":[],"network_features":["nf"],"name":""`) + "]",
		"network-features":        `[{"id":"nf","type":"route_server","name":"rs","required":false,"network_service":"ns"}]`,
		"network-service-configs": "[" + record("nsc", `"type":"mp2mp_vc","network_service":"ns","connection":"c","network_feature_configs":["nfc"]`) + "]",
		"network-feature-configs": "[" + record("nfc", `"type":"route_server","network_feature":"nf","network_service_config":"nsc"`) + "]",
		"connections":             "[" + record("c", `"name":"c","ports":[]`) + "]",
		"port-reservations":       "[" + record("pr", `"connection":"c"`) + "]",
	})})
	for _, collection := range cancelables() {
		if s.resources[collection] == nil {
			s.resources[collection] = &resource{}
		}
		res := s.resources[collection]
		res.remove, res.removed, res.actions = decommission, http.StatusAccepted, map[string]action{"cancellation-policy": cancellation()}
	}
	return s
}

// state reads the state and the end of a record.
func state(tb testing.TB, s *Server, path string) string {
	tb.Helper()
	r := told(tb, s, http.MethodGet, path, "", http.StatusOK)
	return fmt.Sprint(r["state"], " ", r["decommission_at"], " ", r["charged_until"])
}

func TestWhatIsInServiceEndsOnADay(t *testing.T) {
	c := &clock{at: day(t, "2026-06-05").Add(13 * time.Hour)}
	s := contracted(t, c, "production")
	policy := told(t, s, http.MethodGet, "/network-services/ns/cancellation-policy", "", http.StatusOK)
	if policy["decommission_at"] != "2026-06-15" || policy["charged_until"] != "2026-07-01" {
		t.Errorf("%v", policy)
	}
	later := told(t, s, http.MethodGet, "/network-services/ns/cancellation-policy?decommission_at=2026-07-02", "", http.StatusOK)
	if later["decommission_at"] != "2026-07-02" || later["charged_until"] != "2026-08-01" {
		t.Errorf("%v", later)
	}
	p := wantProblem(t, ask(s, http.MethodDelete, "/network-services/ns", `{"decommission_at":"2026-06-14"}`), http.StatusBadRequest, cancellationPolicy)
	if p.DecommissionAt != "2026-06-15" || p.ChargedUntil != "2026-07-01" {
		t.Errorf("%+v", p)
	}
	told(t, s, http.MethodDelete, "/network-services/ns", "", http.StatusAccepted)
	requested := "decommission_requested 2026-06-15 2026-07-01"
	for path, want := range map[string]string{
		"/network-services/ns": requested, "/network-service-configs/nsc": "decommission_requested 2026-06-15 2026-06-15",
		"/network-feature-configs/nfc": "decommission_requested 2026-06-15 2026-06-15", "/connections/c": "production <nil> <nil>",
	} {
		if got := state(t, s, path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	c.at = day(t, "2026-06-14").Add(23 * time.Hour)
	if got := state(t, s, "/network-services/ns"); got != requested {
		t.Errorf("the day before it is %s", got)
	}
	c.at = day(t, "2026-06-15")
	for _, path := range []string{"/network-services/ns", "/network-service-configs/nsc", "/network-feature-configs/nfc"} {
		if got := state(t, s, path); !strings.HasPrefix(got, "decommissioned 2026-06-15") {
			t.Errorf("on the day %s is %s", path, got)
		}
	}
	told(t, s, http.MethodDelete, "/network-services/ns", "null", http.StatusAccepted)
	if got := state(t, s, "/network-services/ns"); got != "archived 2026-06-15 2026-07-01" {
		t.Errorf("archived, it is %s", got)
	}
	if ids := idsOf(t, get(s, "/network-services").Body.Bytes()); len(ids) != 0 {
		t.Errorf("archived, it is listed: %v", ids)
	}
	wantProblem(t, ask(s, http.MethodDelete, "/network-services/ns", "{}"), http.StatusBadRequest, unableToFulfill)
}

func TestWhatIsNotInServiceYetIsCancelled(t *testing.T) {
	for _, from := range []string{"requested", "allocated", "scheduled", "testing"} {
		s := contracted(t, &clock{at: day(t, "2026-06-05")}, from)
		told(t, s, http.MethodDelete, "/network-services/ns", "{}", http.StatusAccepted)
		for _, path := range []string{"/network-services/ns", "/network-service-configs/nsc", "/network-feature-configs/nfc"} {
			if got := state(t, s, path); got != "cancelled <nil> <nil>" {
				t.Errorf("%s: %s is %s", from, path, got)
			}
		}
	}
}

func TestAConnectionEndsAfterItsConfigs(t *testing.T) {
	c := &clock{at: day(t, "2026-06-05")}
	s := contracted(t, c, "production")
	p := wantProblem(t, ask(s, http.MethodDelete, "/connections/c", ""), http.StatusBadRequest, unableToFulfill)
	if !strings.Contains(p.Detail, "nsc") {
		t.Errorf("%s", p.Detail)
	}
	told(t, s, http.MethodDelete, "/network-service-configs/nsc", `{"decommission_at":"2026-06-20"}`, http.StatusAccepted)
	wantProblem(t, ask(s, http.MethodDelete, "/connections/c", `{"decommission_at":"2026-06-19"}`), http.StatusBadRequest, cancellationPolicy)
	told(t, s, http.MethodDelete, "/connections/c", "", http.StatusAccepted)
	if got := state(t, s, "/port-reservations/pr"); got != "decommission_requested 2026-06-20 2026-06-20" {
		t.Errorf("its port reservation is %s", got)
	}
	p = wantProblem(t, ask(s, http.MethodDelete, "/network-service-configs/nsc", `{"decommission_at":"2026-06-21"}`), http.StatusBadRequest, unableToFulfill)
	if !strings.Contains(p.Detail, "connection c ends on 2026-06-20") {
		t.Errorf("%s", p.Detail)
	}
	c.at = day(t, "2026-06-20")
	for _, path := range []string{"/network-service-configs/nsc", "/connections/c", "/port-reservations/pr"} {
		if got := state(t, s, path); got != "decommissioned 2026-06-20 2026-06-20" {
			t.Errorf("%s is %s", path, got)
		}
	}
}

func TestWhatIsNoDateCancelsNothing(t *testing.T) {
	s := contracted(t, &clock{at: day(t, "2026-06-05")}, "production")
	for _, body := range []string{`{"decommission_at":"soon"}`, `{"decommission_at":1}`, `{"decommission_at":"2026-02-30"}`} {
		p := wantProblem(t, ask(s, http.MethodDelete, "/network-services/ns", body), http.StatusBadRequest, validationError)
		if len(p.Properties) != 1 || p.Properties[0].Name != "decommission_at" {
			t.Errorf("%s: %+v", body, p)
		}
	}
	wantProblem(t, ask(s, http.MethodGet, "/network-services/ns/cancellation-policy?decommission_at=x", ""), http.StatusBadRequest, validationError)
	if got := state(t, s, "/network-services/ns"); got != "production <nil> <nil>" {
		t.Errorf("it is %s", got)
	}
}

func TestSubscribersAreToldThatTheDayHasCome(t *testing.T) {
	c := &clock{at: day(t, "2026-06-05")}
	s := contracted(t, c, "production")
	told(t, s, http.MethodDelete, "/network-services/ns", "", http.StatusAccepted)
	c.at = day(t, "2026-06-15")
	before := s.store.Now().Version
	var changes []string
	s.store.Watch(func(c store.Change) { changes = append(changes, c.Collection+"/"+c.ID) })
	get(s, "/health")
	get(s, "/health")
	if want := "network-feature-configs/nfc network-service-configs/nsc network-services/ns"; strings.Join(changes, " ") != want || s.store.Now().Version != before+1 {
		t.Errorf("%v in %d writes", changes, s.store.Now().Version-before)
	}
}

// lifecycle are the changes of state that DELETE and time may bring about (IX-API, states).
func lifecycle() map[string][]string {
	never := []string{"cancelled"}
	return map[string][]string{
		"requested": never, "allocated": never, "scheduled": never, "testing": never,
		"production": {"decommission_requested", "decommissioned"}, "production_change_pending": {"decommission_requested", "decommissioned"},
		"error": {"decommission_requested", "decommissioned"}, "operator": {"decommission_requested", "decommissioned"},
		"decommission_requested": {"decommissioned"}, "decommissioned": {"archived"}, "cancelled": {"archived"},
	}
}

func TestLawsOfEnding(t *testing.T) {
	paths := []string{
		"/network-services/ns", "/network-service-configs/nsc", "/network-feature-configs/nfc", "/connections/c", "/port-reservations/pr",
	}
	rapid.Check(t, func(r *rapid.T) {
		states := []string{"requested", "testing", "production", "production_change_pending", "error", "operator", "decommission_requested"}
		c := &clock{at: day(t, "2026-06-05")}
		s := contracted(t, c, rapid.SampledFrom(states).Draw(r, "state"))
		read := func() map[string]map[string]any {
			out := map[string]map[string]any{}
			for _, path := range paths {
				var record map[string]any
				if err := json.Unmarshal(get(s, path).Body.Bytes(), &record); err != nil {
					r.Fatal(err)
				}
				out[path] = record
			}
			return out
		}
		was := read()
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			deleted := ""
			if rapid.Bool().Draw(r, "time passes") {
				c.at = c.at.AddDate(0, 0, rapid.IntRange(0, 40).Draw(r, "days"))
			} else {
				deleted = rapid.SampledFrom(paths).Draw(r, "delete")
				body := ""
				if rapid.Bool().Draw(r, "on a day") {
					body = fmt.Sprintf(`{"decommission_at":%q}`, c.at.AddDate(0, 0, rapid.IntRange(-1, 60).Draw(r, "in")).Format(time.DateOnly))
				}
				if w := ask(s, http.MethodDelete, deleted, body); w.Code != http.StatusAccepted && w.Code != http.StatusBadRequest {
					r.Fatalf("DELETE %s %s: %d %s", deleted, body, w.Code, w.Body)
				}
			}
			is := read()
			for _, path := range paths {
				from, to := fmt.Sprint(was[path]["state"]), fmt.Sprint(is[path]["state"])
				if from != to && !slices.Contains(lifecycle()[from], to) {
					r.Fatalf("%s went from %s to %s", path, from, to)
				}
				if to == "decommissioned" && from != to && fmt.Sprint(is[path]["decommission_at"]) > c.at.Format(time.DateOnly) {
					r.Fatalf("%s is over before %v", path, is[path]["decommission_at"])
				}
				if until, ok := is[path]["charged_until"].(string); ok && until < is[path]["decommission_at"].(string) {
					r.Fatalf("%s is charged until %s and ends on %v", path, until, is[path]["decommission_at"])
				}
			}
			for inner, outer := range map[string]string{
				"/network-service-configs/nsc": "/network-services/ns", "/network-feature-configs/nfc": "/network-service-configs/nsc",
			} {
				if !hasEnded(is[inner]) && hasEnded(is[outer]) {
					r.Fatalf("%s is %v and %s is %v", inner, is[inner]["state"], outer, is[outer]["state"])
				}
			}
			if !hasEnded(is["/network-service-configs/nsc"]) && hasEnded(is["/connections/c"]) {
				r.Fatalf("a config is %v without its connection", is["/network-service-configs/nsc"]["state"])
			}
			was = is
		}
	})
}
