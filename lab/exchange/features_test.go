package exchange

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// routed is the metro with a route server that wants something of its peers, and a config that has an address of each
// family and no session with it.
func routed(tb testing.TB) *Server {
	tb.Helper()
	s := stocked(tb)
	feature := func(id, families string, required bool) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"type":"route_server","id":%q,"name":%[1]q,"required":%[2]t,"network_service":"service:lan-peering","nfc_required_contact_roles":["role:noc"],`+
			`"flags":[{"name":"rpki","description":"drop what is invalid","mandatory":true},{"name":"rtbh","description":"blackholes","mandatory":false}],"asn":64511,`+
			`"fqdn":"rs.example.net","address_families":%[3]s,"session_mode":"public","available_bgp_session_types":["passive"],"ip_v4":"198.51.100.9","ip_v6":"2001:db8:100::9"}`,
			id, required, families))
	}
	err := s.PutAll(map[string][]json.RawMessage{
		"network-features": {
			feature("both", `["af_inet","af_inet6"]`, true), feature("v4", `["af_inet"]`, false), feature("v6", `["af_inet6"]`, false),
		},
		"ips": {json.RawMessage(`{"id":"foreign","managing_account":"account:1006","consuming_account":"account:1006","version":4,"address":"198.51.100.77","prefix_length":24}`)},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// session is an order of a session of nsc:40001, with fields that replace others.
func session(replaced map[string]any) string {
	order := map[string]any{
		"type": "route_server", "managing_account": "account:1005", "consuming_account": "account:1005", "billing_account": "account:1005",
		"role_assignments": []string{"c-noc:1005"}, "network_feature": "both", "network_service_config": "nsc:40001", "asn": 64500,
		"as_set_v4": "AS64500:AS-CUST@RIPE", "session_mode": "public", "bgp_session_type": "passive", "ip": "ip:70001",
		"flags": []any{map[string]any{"name": "rpki", "enabled": true}},
	}
	for name, v := range replaced {
		if v == nil {
			delete(order, name)
			continue
		}
		order[name] = v
	}
	text, err := json.Marshal(order)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestASessionIsOrderedAndEnds(t *testing.T) {
	doc := schema(t)
	s := routed(t)
	got := told(t, s, http.MethodPost, "/network-feature-configs", session(map[string]any{"max_prefix_v4": 100, "password": "secret"}), http.StatusCreated)
	if got["state"] != "production" || got["insert_ixp_asn"] != true || got["max_prefix_v6"] != nil || got["as_set_v6"] != nil {
		t.Errorf("%v", got)
	}
	conforms(t, doc, "/network-feature-configs", http.MethodPost, http.StatusCreated, got)
	listed := func() string {
		return fmt.Sprint(told(t, s, http.MethodGet, "/network-service-configs/nsc:40001", "", http.StatusOK)["network_feature_configs"])
	}
	if want := fmt.Sprint([]any{got["id"]}); listed() != want {
		t.Errorf("the config lists %s, want %s", listed(), want)
	}
	six := told(t, s, http.MethodPost, "/network-feature-configs", session(map[string]any{"ip": "ip:70002", "as_set_v4": nil, "as_set_v6": "AS-CUST@RIPE"}), http.StatusCreated)
	path := "/network-feature-configs/" + got["id"].(string)
	if changed := told(t, s, http.MethodPatch, path, `{"max_prefix_v4":null,"insert_ixp_asn":false}`, http.StatusAccepted); changed["max_prefix_v4"] != nil || changed["insert_ixp_asn"] != false {
		t.Errorf("%v", changed)
	}
	told(t, s, http.MethodPut, path, session(nil), http.StatusAccepted)
	conforms(t, doc, "/network-feature-configs/{id}", http.MethodDelete, http.StatusAccepted, told(t, s, http.MethodDelete, path, "{}", http.StatusAccepted))
	if got := told(t, s, http.MethodGet, path, "", http.StatusOK); got["state"] != "decommissioned" {
		t.Errorf("it is %v", got["state"])
	}
	refused(t, ask(s, http.MethodPatch, path, "{}"), unableToFulfill, "decommissioned")
	if want := fmt.Sprint([]any{six["id"]}); listed() != want {
		t.Errorf("the config lists %s, want %s", listed(), want)
	}
	// The last one is needed, for as long as the config is there.
	refused(t, ask(s, http.MethodDelete, "/network-feature-configs/"+six["id"].(string), ""), unableToFulfill, "nsc:40001 needs it")
}

func TestSessionsThatCannotBeAreRefused(t *testing.T) {
	s := routed(t)
	told(t, s, http.MethodPost, "/network-feature-configs", session(nil), http.StatusCreated)
	flag := func(name string, enabled bool) any { return map[string]any{"name": name, "enabled": enabled} }
	for why, replaced := range map[string]map[string]any{
		"type is not one of route_server":                           {"type": "firewall"},
		"ip has a session already: nfc-1":                           {},
		"ip is not an address of the config":                        {"ip": "foreign"},
		"ip there is no such record":                                {"ip": "none"},
		"ip is not of a family of the feature: af_inet":             {"network_feature": "v4", "ip": "ip:70002"},
		"ip is not of a family of the feature: af_inet6":            {"network_feature": "v6"},
		"as_set_v4 is required where there is no as_set_v6":         {"as_set_v4": nil, "ip": "ip:70002"},
		"as_set_v4 is required":                                     {"as_set_v4": nil, "network_feature": "v4", "as_set_v6": "AS-X@RIPE"},
		"as_set_v6 is required":                                     {"network_feature": "v6", "ip": "ip:70002"},
		"as_set_v4 is not an AS-SET":                                {"as_set_v4": "AS-CUST"},
		"as_set_v6 is not an AS-SET":                                {"as_set_v6": "AS CUST@RIPE"},
		"asn is not between 1 and 4294967295":                       {"asn": 0},
		"asn is required":                                           {"asn": nil},
		"password has more than 128":                                {"password": strings.Repeat("x", 129)},
		"max_prefix_v4 is not between":                              {"max_prefix_v4": -1},
		"insert_ixp_asn is neither":                                 {"insert_ixp_asn": 1},
		"session_mode is not public, that of the feature":           {"session_mode": "collector"},
		"bgp_session_type is not one of passive":                    {"bgp_session_type": "active"},
		"network_feature is of another network service":             {"network_service_config": "nsc:40080"},
		"network_feature there is no such record":                   {"network_feature": "none"},
		"flags rpki is mandatory":                                   {"flags": []any{flag("rpki", false)}},
		"flags.0.name is no flag of the feature; flags rpki is man": {"flags": []any{flag("other", true)}},
		"flags.1.name is there twice":                               {"flags": []any{flag("rpki", true), flag("rpki", true)}},
		"flags.0.enabled is required":                               {"flags": []any{map[string]any{"name": "rpki"}}},
		"role_assignments no contact has the role noc":              {"role_assignments": []string{"c-impl:1005"}},
	} {
		refused(t, ask(s, http.MethodPost, "/network-feature-configs", session(replaced)), validationError, why)
	}
}

func TestAConfigTakesItsRequiredSessionsAlong(t *testing.T) {
	s := routed(t)
	s.resources["network-service-configs"] = &resource{remove: decommission, removed: http.StatusAccepted}
	got := told(t, s, http.MethodPost, "/network-feature-configs", session(nil), http.StatusCreated)
	told(t, s, http.MethodDelete, "/network-service-configs/nsc:40001", "", http.StatusAccepted)
	if got = told(t, s, http.MethodGet, "/network-feature-configs/"+got["id"].(string), "", http.StatusOK); got["state"] != "decommissioned" {
		t.Errorf("it is %v", got["state"])
	}
}

func TestFeaturesAreTheExchanges(t *testing.T) {
	s := anonymous(t)
	for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodDelete} {
		wantProblem(t, ask(s, method, "/network-features/feature:lan-peering-rs1", "{}"), http.StatusMethodNotAllowed, noSpecificType)
	}
}

func TestThePasswordOfASessionIsForItsManager(t *testing.T) {
	s := market(t, Options{})
	err := s.Put("network-feature-configs", json.RawMessage(`{"id":"session","type":"route_server","state":"production","managing_account":"r","consuming_account":"c",
		"billing_account":"r","network_service_config":"nsc-c","network_feature":"rs","password":"secret"}`))
	if err != nil {
		t.Fatal(err)
	}
	const path = "/network-feature-configs/session"
	for who, want := range map[string]string{"r": "secret", "": "secret", "c": ""} {
		if got := s.as(t, who).told(http.MethodGet, path, "", http.StatusOK); got["password"] != want {
			t.Errorf("%q sees %q", who, got["password"])
		}
	}
	s.as(t, "d").refused(http.MethodGet, path, "", http.StatusNotFound, notFound)
}

func FuzzASSets(f *testing.F) {
	f.Add("AS-EXAMPLE@RIPE")
	f.Add("@")
	f.Fuzz(func(t *testing.T, text string) {
		o := &order{}
		if asSet(o, "as_set_v4", text); len(o.faults) == 0 && (strings.Count(text, "@") != 1 || strings.ContainsAny(text, " \n\t;") || len(text) > 100) {
			t.Errorf("%q is taken for an AS-SET", text)
		}
	})
}

func TestAConfigWaitsForTheFeaturesThatAreRequired(t *testing.T) {
	s := lively(t, &clock{at: day(t, "2026-06-05")}, false)
	config := told(t, s, http.MethodPost, "/network-service-configs", with(orders()["exchange_lan"], nil), http.StatusCreated)
	id := config["id"].(string)
	if status := fmt.Sprint(config["status"]); config["state"] != "requested" || !strings.Contains(status, "network_feature_missing") {
		t.Errorf("%v %v", config["state"], status)
	}
	told(t, s, http.MethodPost, "/network-feature-configs", with(fields{
		"type": "route_server", "managing_account": "238189294", "consuming_account": "2381982", "billing_account": "238189294",
		"role_assignments": []string{}, "network_feature": "needed", "network_service_config": id, "asn": 64496, "as_set_v4": "AS64496@RIPE",
		"session_mode": "public", "bgp_session_type": "active", "ip": config["ips"].([]any)[0],
	}, nil), http.StatusCreated)
	if config = told(t, s, http.MethodGet, "/network-service-configs/"+id, "", http.StatusOK); config["state"] != "production" || fmt.Sprint(config["status"]) != "[]" {
		t.Errorf("%v %v", config["state"], config["status"])
	}
}
