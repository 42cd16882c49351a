package exchange

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestAnAccountSeesWhatItManagesOrConsumes(t *testing.T) {
	s := market(t, Options{})
	for who, want := range map[string]map[string]string{
		"":  {"accounts": "x r s1 s2 c d n", "connections": "conn-r conn-s1 conn-d", "network-service-configs": "nsc-s1 nsc-s2 nsc-c", "network-services": "lan line open closed"},
		"x": {"accounts": "x r s1 s2 c d n", "connections": "conn-r conn-s1 conn-d", "network-service-configs": "nsc-s1 nsc-s2 nsc-c"},
		"r": {
			"accounts": "x r s1 s2 d", "connections": "conn-r conn-s1", "ports": "port-r", "port-reservations": "res-r res-s1", "network-service-configs": "nsc-s1 nsc-s2 nsc-c",
			"network-services": "lan open", "macs": "mac-s1 mac-s2", "contacts": "contact-r contact-s1", "role-assignments": "ra-r ra-s1", "member-joining-rules": "rule-s1 rule-no",
		},
		"s1": {
			"accounts": "x r s1 d", "connections": "conn-s1", "ports": "", "port-reservations": "res-s1", "network-service-configs": "nsc-s1", "network-services": "lan open",
			"network-features": "rs", "macs": "mac-s1", "contacts": "contact-s1", "role-assignments": "ra-s1", "member-joining-rules": "rule-s1 rule-no", "roles": "noc peering",
		},
		"s2": {"accounts": "x r s2 d", "connections": "", "network-service-configs": "nsc-s2", "macs": "mac-s2", "contacts": "", "member-joining-rules": ""},
		"c": {
			"accounts": "x c d", "connections": "", "network-service-configs": "nsc-c", "network-services": "lan line open closed", "network-features": "rs rs-closed",
			"member-joining-rules": "rule-c", "contacts": "contact-c",
		},
		"n": {"accounts": "x d n", "network-services": "lan open", "network-service-configs": ""},
	} {
		p := s.as(t, who)
		for collection, ids := range want {
			if got := p.ids("/" + collection); got != ids {
				t.Errorf("%q lists %s %q, want %q", who, collection, got, ids)
			}
			for _, r := range s.store.Now().List(collection) {
				status := http.StatusNotFound
				if slices.Contains(strings.Fields(ids), r.ID) {
					status = http.StatusOK
				}
				if w := p.ask(http.MethodGet, "/"+collection+"/"+r.ID, ""); w.Code != status {
					t.Errorf("%q gets %s of %s: %d", who, r.ID, collection, w.Code)
				}
			}
		}
	}
}

func TestWhatIsNotSeenIsUnknown(t *testing.T) {
	s := market(t, Options{})
	c := s.as(t, "c")
	for collection, id := range map[string]string{
		"accounts": "s1", "connections": "conn-r", "ports": "port-r", "port-reservations": "res-r", "contacts": "contact-r", "role-assignments": "ra-r",
		"macs": "mac-s1", "network-service-configs": "nsc-s1", "member-joining-rules": "rule-no",
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodPost, "BREW"} {
			for _, below := range []string{"", "/statistics", "/cancellation-policy", "/credentials", "/loa", "/x"} {
				answer := func(id string) string {
					w := c.ask(method, "/"+collection+"/"+id+below, "{}")
					return fmt.Sprint(w.Code, strings.ReplaceAll(w.Body.String(), id, "ID"))
				}
				if foreign, unknown := answer(id), answer("no-such-id"); foreign != unknown || !strings.HasPrefix(foreign, "404") {
					t.Errorf("%s %s%s: %s, and of what is unknown %s", method, collection, below, foreign, unknown)
				}
			}
		}
		// Nor can it be named by what one orders.
	}
	foreign := c.ask(http.MethodPost, "/role-assignments", `{"role":"noc","contact":"contact-r"}`)
	unknown := c.ask(http.MethodPost, "/role-assignments", `{"role":"noc","contact":"contact-?"}`)
	if foreign.Code != http.StatusBadRequest || foreign.Body.String() != unknown.Body.String() {
		t.Errorf("%s, and of what is unknown %s", foreign.Body, unknown.Body)
	}
}

func TestSensitiveFieldsAreForThoseWhoManageOrPay(t *testing.T) {
	s := market(t, Options{})
	for _, c := range []struct{ who, path, want string }{
		{"r", "/connections/conn-s1", `"managing_account":"r" "billing_account":"r" "external_ref":"ref-of-r" "purchase_order":"po-of-r" "contract_ref":"price-of-r" "role_assignments":["ra-r"]`},
		{"s1", "/connections/conn-s1", `"managing_account":"r" "billing_account":"r" "external_ref":null "purchase_order":"" "contract_ref":null "role_assignments":[]`},
		{"c", "/network-service-configs/nsc-c", `"managing_account":"r" "billing_account":"r" "external_ref":null "purchase_order":"" "contract_ref":null "role_assignments":[]`},
		{"n", "/network-services/open", `"managing_account":"d" "billing_account":"d" "external_ref":null "purchase_order":"" "contract_ref":null "role_assignments":[] "member_joining_rules":[]`},
		{"c", "/network-services/line", `"joining_member_account":"c" "contract_ref":null`},
		{"s2", "/network-service-configs/nsc-s2", `"billing_account":"r" "contract_ref":"price-of-s2" "purchase_order":"po-of-s2"`},
		{"r", "/accounts/s1", `"managing_account":"r" "legal_name":"legal-of-s1" "external_ref":"ref-of-s1"`},
		{"s1", "/accounts/s1", `"managing_account":null "legal_name":"legal-of-s1" "external_ref":"ref-of-s1"`},
		{"s1", "/account", `"managing_account":null "legal_name":"legal-of-s1"`},
	} {
		var record map[string]json.RawMessage
		if err := json.Unmarshal(s.as(t, c.who).ask(http.MethodGet, c.path, "").Body.Bytes(), &record); err != nil {
			t.Fatal(err)
		}
		for _, field := range strings.Fields(c.want) {
			name, value, _ := strings.Cut(field, ":")
			if got := string(record[strings.Trim(name, `"`)]); got != value {
				t.Errorf("%s sees of %s %s:%s, want %s", c.who, c.path, name, got, value)
			}
		}
	}
	if got := s.as(t, "c").ask(http.MethodGet, "/accounts/d", "").Body.String(); got != `{"id":"d","state":"production","name":"name-of-d","metro_area_network_presence":[]}`+"\n" {
		t.Errorf("of an account that can be discovered others see %s", got)
	}
}

func TestFiltersTellNothingThatIsNotSeen(t *testing.T) {
	s := market(t, Options{})
	for path, want := range map[string]string{
		"/accounts?external_ref=ref-of-d": "", "/accounts?managing_account=x": "", "/accounts?billable=1": "c", "/accounts?external_ref=ref-of-c": "c",
		"/network-service-configs?role_assignments=ra-r": "", "/network-service-configs?external_ref=ref-of-r": "", "/network-service-configs?contacts=contact-r": "",
		"/macs?network_service_config=nsc-s1": "", "/connections?supported_network_service=closed": "", "/network-service-configs?consuming_account=c": "nsc-c",
		"/network-service-configs?state__is_not=testing": "nsc-c", "/roles?contact=contact-r": "", "/roles?contact=contact-c": "noc",
	} {
		if got := s.as(t, "c").ids(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if got := s.as(t, "").ids("/network-service-configs?external_ref=ref-of-r"); got != "nsc-c" {
		t.Errorf("the operator: %q", got)
	}
}

func TestOnlyWhoManagesChanges(t *testing.T) {
	s := market(t, Options{})
	for _, c := range []struct{ who, method, path string }{
		{"s2", http.MethodDelete, "/macs/mac-s2"},
		{"c", http.MethodPatch, "/network-service-configs/nsc-c"},
		{"c", http.MethodDelete, "/network-service-configs/nsc-c"},
		{"c", http.MethodPatch, "/accounts/d"},
		{"s1", http.MethodDelete, "/accounts/r"},
		{"r", http.MethodPost, "/accounts/s1/authorization-key"},
	} {
		s.as(t, c.who).refused(c.method, c.path, "{}", http.StatusForbidden, permissionDenied)
	}
	for _, path := range []string{"/accounts/r/permissions", "/accounts/r/credentials", "/accounts/r/authorization-key", "/network-services/open/statistics", "/network-services/open/cancellation-policy"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			s.as(t, "s1").refused(method, path, "{}", http.StatusNotFound, notFound)
		}
	}
	s.as(t, "r").told(http.MethodDelete, "/macs/mac-s2", "", http.StatusOK)
	s.as(t, "x").told(http.MethodPatch, "/network-service-configs/nsc-c", `{"purchase_order":"1"}`, http.StatusAccepted)
}

// An exchange of 10,000 configs, all of one member of the exchange, is listed well within a second by everybody.
func BenchmarkList(b *testing.B) {
	var configs []json.RawMessage
	for i := range 10_000 {
		configs = append(configs, json.RawMessage(fmt.Sprintf(`{"id":"many-%d","type":"exchange_lan","state":"production","status":[],"managing_account":"d","consuming_account":"c",
			"billing_account":"d","external_ref":null,"purchase_order":"","contract_ref":null,"role_assignments":["ra-c"],"network_service":"lan","connection":"conn-d",
			"vlan_config":{"vlan_type":"dot1q","vlan":%d,"vlan_ethertype":"0x8100"},"macs":[],"ips":[],"asns":[65000],"listed":true,"capacity":1000}`, i, 1+i%4000)))
	}
	s := market(b, Options{})
	if err := s.PutAll(map[string][]json.RawMessage{"network-service-configs": configs}); err != nil {
		b.Fatal(err)
	}
	for _, who := range []string{"", "d", "c", "s1"} {
		p := s.as(b, who)
		b.Run(map[string]string{"": "operator", "d": "manager", "c": "consumer", "s1": "stranger"}[who], func(b *testing.B) {
			for b.Loop() {
				if w := p.ask(http.MethodGet, "/network-service-configs", ""); w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
