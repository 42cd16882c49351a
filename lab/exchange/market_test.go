package exchange

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// market is an exchange x with a reseller r, its sub-accounts s1 and s2, the independent members c and d, of whom d can be
// discovered, and n, which has not accepted the terms. What only one party may know has its name in it: "of-s2".
func market(tb testing.TB, o Options) *Server {
	tb.Helper()
	filled := func(template string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(template) }
	account := func(id, above, state string, more string) string {
		if above != "" {
			above = `"` + above + `"`
		}
		return filled(`{"id":"{id}","state":"{state}","status":[],"managing_account":{above},"name":"name-of-{id}","legal_name":"legal-of-{id}",
			"external_ref":"ref-of-{id}","metro_area_network_presence":[],"asns":[],
			"address":{"country":"DE","locality":"L","postal_code":"1","street_address":"street-of-{id}"}{more}}`,
			"{id}", id, "{state}", state, "{above}", orDefault(above, "null"), "{more}", more)
	}
	const pays = `,"billing_information":{"name":"B","address":{"country":"DE","locality":"L","postal_code":"1","street_address":"S"}}`
	const found = `,"discoverable":true`
	owned := func(id, manager, consumer, payer, more string) string {
		return filled(`{"id":"{id}","state":"production","status":[],"managing_account":"{manager}","consuming_account":"{consumer}","billing_account":"{payer}",
			"external_ref":"ref-of-{manager}","purchase_order":"po-of-{manager}","contract_ref":"price-of-{manager}","role_assignments":["ra-{manager}"]{more}}`,
			"{id}", id, "{manager}", manager, "{consumer}", consumer, "{payer}", payer, "{more}", more)
	}
	plain := func(id, manager, consumer, more string) string {
		return filled(`{"id":"{id}","managing_account":"{manager}","consuming_account":"{consumer}","external_ref":"ref-of-{manager}"{more}}`,
			"{id}", id, "{manager}", manager, "{consumer}", consumer, "{more}", more)
	}
	list := func(records ...string) string { return "[" + strings.Join(records, ",") + "]" }
	o.Data = folder(map[string]string{
		"accounts": list(account("x", "", "production", pays+found), account("r", "x", "production", pays), account("s1", "r", "production", ""),
			account("s2", "r", "production", ""), account("c", "x", "production", pays), account("d", "x", "production", pays+found), account("n", "x", "requested", pays+found)),
		"roles":               `[{"id":"noc","name":"noc","required_fields":["name","telephone"]},{"id":"peering","name":"peering","required_fields":["email"]}]`,
		"metro-area-networks": `[{"id":"man","name":"MAN"}]`, "metro-areas": `[{"id":"metro"}]`,
		"contacts": list(plain("contact-r", "r", "r", `,"name":"N","telephone":"+491","email":"noc@of-r.example.net"`), plain("contact-c", "c", "c", `,"name":"N","telephone":"+492","email":"a@of-c.example.net"`),
			plain("contact-s1", "s1", "s1", `,"name":"N","telephone":null,"email":"a@of-s1.example.net"`)),
		"role-assignments":  `[{"id":"ra-r","role":"noc","contact":"contact-r"},{"id":"ra-c","role":"noc","contact":"contact-c"},{"id":"ra-s1","role":"peering","contact":"contact-s1"}]`,
		"connections":       list(owned("conn-r", "r", "r", "r", `,"ports":["port-r"],"port_reservations":["res-r"],"capacity_allocated":7,"name":"conn-name-of-r"`), owned("conn-s1", "r", "s1", "r", ""), owned("conn-d", "d", "d", "d", "")),
		"ports":             list(owned("port-r", "r", "r", "r", `,"connection":"conn-r"`)),
		"port-reservations": `[{"id":"res-r","state":"production","connection":"conn-r"},{"id":"res-s1","state":"production","connection":"conn-s1"}]`,
		"network-services": list(
			plain("lan", "x", "x", `,"type":"exchange_lan","state":"production","status":[]`),
			owned("line", "d", "d", "d", `,"type":"p2p_vc","joining_member_account":"c"`),
			owned("open", "d", "d", "d", `,"type":"p2mp_vc","public":true,"member_joining_rules":["rule-c","rule-s1"]`),
			owned("closed", "d", "d", "d", `,"type":"p2mp_vc","member_joining_rules":["rule-c","rule-s1"]`),
		),
		"member-joining-rules": list(plain("rule-c", "d", "c", `,"type":"allow","network_service":"closed"`), plain("rule-s1", "d", "s1", `,"type":"allow","network_service":"closed"`),
			plain("rule-no", "d", "s1", `,"type":"deny","network_service":"closed"`)),
		"network-features": `[{"id":"rs","type":"route_server","network_service":"lan"},{"id":"rs-closed","type":"route_server","network_service":"closed"}]`,
		"network-service-configs": list(owned("nsc-s1", "s1", "s1", "s1", `,"type":"exchange_lan","network_service":"lan","connection":"conn-r","macs":["mac-s1"]`),
			owned("nsc-s2", "s2", "s2", "r", `,"type":"exchange_lan","network_service":"lan","connection":"conn-r","macs":[]`),
			owned("nsc-c", "r", "c", "r", `,"type":"exchange_lan","network_service":"lan","connection":"conn-r","macs":[]`)),
		"macs": list(plain("mac-s1", "s1", "s1", `,"address":"02:00:00:00:00:01"`), plain("mac-s2", "r", "s2", `,"address":"02:00:00:00:00:02"`)),
	})
	for _, who := range []string{"", "x", "r", "s1", "s2", "c", "d", "n"} {
		o.Credentials = append(o.Credentials, Credential{Key: "key-" + who, Secret: "secret-" + who, Account: who})
	}
	s := serve(tb, o)
	s.resources["network-service-configs"] = simpleConfigs()
	return s
}

// simpleConfigs are configs of which only the parties matter.
func simpleConfigs() *resource {
	nothing := func(*order) *problem { return nil }
	return &resource{
		prefix: "made", updated: http.StatusAccepted, removed: http.StatusAccepted, create: nothing, update: nothing,
		remove: func(o *order) *problem {
			return o.edit(o.collection, o.id, map[string]any{"state": "decommissioned"})
		},
		fields: together(stateful("testing"), ownable(), invoiceable(), contactable(), []field{
			{name: "connection", is: reference("connections"), null: true}, {name: "network_service", is: reference("network-services")},
		}),
	}
}

// A party asks a server with its own token.
type party struct {
	tb    testing.TB
	s     *Server
	token string
	key   string // the authorization key of a customer
}

func (s *Server) as(tb testing.TB, who string) party {
	tb.Helper()
	w := ask(s, http.MethodPost, "/auth/token", fmt.Sprintf(`{"api_key":"key-%s","api_secret":"secret-%[1]s"}`, who))
	return party{tb: tb, s: s, token: pairAny(tb, w).Access}
}

func pairAny(tb testing.TB, w *httptest.ResponseRecorder) (pair tokenPair) {
	tb.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &pair); err != nil || w.Code != http.StatusCreated {
		tb.Fatalf("%d %s", w.Code, w.Body)
	}
	return pair
}

func (p party) ask(method, path, body string) *httptest.ResponseRecorder {
	header := []string{"Authorization", "Bearer " + p.token}
	if p.key != "" {
		header = append(header, keyHeader, p.key)
	}
	return ask(p.s, method, path, body, header...)
}

// told asks for something and returns the answer decoded.
func (p party) told(method, path, body string, status int) map[string]any {
	p.tb.Helper()
	w := p.ask(method, path, body)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != status {
		p.tb.Fatalf("%s %s %s: %d, want %d: %s (%v)", method, path, body, w.Code, status, w.Body, err)
	}
	return out
}

// refused asks for something and wants a problem.
func (p party) refused(method, path, body string, status int, kind string) problem {
	p.tb.Helper()
	return wantProblem(p.tb, p.ask(method, path, body), status, kind)
}

// faulty asks for something and wants faults of these fields.
func (p party) faulty(method, path, body string, fields ...string) {
	p.tb.Helper()
	var got []string
	for _, property := range p.refused(method, path, body, http.StatusBadRequest, validationError).Properties {
		got = append(got, property.Name)
	}
	if strings.Join(got, " ") != strings.Join(fields, " ") {
		p.tb.Errorf("%s %s %s: faults of %v, want %v", method, path, body, got, fields)
	}
}

// ids lists a collection.
func (p party) ids(path string) string {
	p.tb.Helper()
	w := p.ask(http.MethodGet, path, "")
	if w.Code != http.StatusOK {
		p.tb.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return strings.Join(idsOf(p.tb, w.Body.Bytes()), " ")
}
