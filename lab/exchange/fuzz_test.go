package exchange

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ixagent/ixagent/lab/exchange/store"
	"github.com/ixagent/ixagent/lab/exchange/token"
	"github.com/ixagent/ixagent/testdata"
)

// mark is in the names, and ids, of all that only the account c may see.
const mark = "Zq7xHiddenOfC"

// secrets are records of c with the mark everywhere.
func secrets() map[string][]json.RawMessage {
	const owned = `"managing_account":"c","consuming_account":"c","external_ref":"Zq7xHiddenOfC","state":"production","status":[],"billing_account":"c","purchase_order":"Zq7xHiddenOfC",
		"contract_ref":"Zq7xHiddenOfC","role_assignments":["ra-Zq7xHiddenOfC"],"name":"Zq7xHiddenOfC"`
	record := func(text string) json.RawMessage { return json.RawMessage(text) }
	return map[string][]json.RawMessage{
		"contacts":         {record(`{"id":"contact-Zq7xHiddenOfC","managing_account":"c","consuming_account":"c","external_ref":null,"name":"Zq7xHiddenOfC","telephone":"+493","email":"a@Zq7xHiddenOfC.net"}`)},
		"role-assignments": {record(`{"id":"ra-Zq7xHiddenOfC","role":"noc","contact":"contact-Zq7xHiddenOfC"}`)},
		"connections":      {record(`{"id":"conn-Zq7xHiddenOfC","ports":["port-Zq7xHiddenOfC"],` + owned + `}`)},
		"ports":            {record(`{"id":"port-Zq7xHiddenOfC","connection":"conn-Zq7xHiddenOfC",` + owned + `}`)},
		"network-services": {
			record(`{"id":"closed-Zq7xHiddenOfC","type":"mp2mp_vc","display_name":"Zq7xHiddenOfC",` + owned + `}`),
			// Everybody may see that this one is there.
			record(`{"id":"open-of-c","type":"p2mp_vc","public":true,"managing_account":"c","consuming_account":"c","external_ref":"Zq7xHiddenOfC","state":"production",
				"status":[{"message":"Zq7xHiddenOfC"}],"billing_account":"c","purchase_order":"Zq7xHiddenOfC","contract_ref":"Zq7xHiddenOfC","member_joining_rules":["rule-Zq7xHiddenOfC"]}`),
		},
		"member-joining-rules":    {record(`{"id":"rule-Zq7xHiddenOfC","type":"allow","network_service":"closed-Zq7xHiddenOfC",` + owned + `}`)},
		"network-service-configs": {record(`{"id":"nsc-Zq7xHiddenOfC","type":"exchange_lan","network_service":"lan","connection":"conn-r","macs":["mac-Zq7xHiddenOfC"],` + owned + `}`)},
		"macs":                    {record(`{"id":"mac-Zq7xHiddenOfC","managing_account":"c","consuming_account":"c","external_ref":"Zq7xHiddenOfC","address":"02:00:00:00:00:cc"}`)},
	}
}

// Whatever is asked for, by nobody, by an account or by a sub-account: the exchange does not fail, says what is wrong as a
// problem, and tells nothing that only another account may see.
func FuzzRequest(f *testing.F) {
	s := market(f, Options{Clock: func() time.Time { return time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC) }})
	if err := s.PutAll(secrets()); err != nil {
		f.Fatal(err)
	}
	rules := resources()
	s.resources = rules
	r, s1 := s.as(f, "r"), s.as(f, "s1")
	sold, roles := catalogueAndConnection(f, s, r)
	r.told(http.MethodPut, "/accounts/s1/permissions", `{"connections":["conn-r","`+sold+`"],"billing":true}`, http.StatusOK)
	subRole := s1.told(http.MethodPost, "/role-assignments", `{"role":"role-noc","contact":"contact-s1"}`, http.StatusCreated)["id"].(string)
	who := []string{"", "Bearer " + r.token, "Bearer " + s1.token, "Bearer " + s.as(f, "n").token}

	parties := `{"managing_account":"r","consuming_account":"r","billing_account":"r","role_assignments":["` + roles + `"],"connection":"` + sold + `"`
	for _, vlan := range []string{`{"vlan_type":"dot1q","vlan":100}`, `{"vlan_type":"dot1q","vlan":null}`, `{"vlan_type":"qinq","outer_vlan":100,"inner_vlan":5}`, `{"vlan_type":"port"}`} {
		config := parties + `,"type":"exchange_lan","network_service":"lan-peering","product_offering":"po-peering","asns":[64500],"macs":[],"listed":true,"capacity":9900,"vlan_config":` + vlan + `}`
		f.Add(http.MethodPost, basePath+"/network-service-configs", "", config, uint8(1), "")
		f.Add(http.MethodPost, basePath+"/network-service-configs", "", strings.NewReplacer(`"billing_account":"r"`, `"billing_account":"r"`, `"r"`, `"s1"`, roles, subRole).Replace(config), uint8(2), "")
		f.Add(http.MethodPatch, basePath+"/network-service-configs/nsc-1", "", `{"vlan_config":`+vlan+`}`, uint8(1), "")
		f.Add(http.MethodPatch, basePath+"/network-service-configs/nsc-s1", "", `{"connection":"`+sold+`","vlan_config":`+vlan+`}`, uint8(2), "")
	}
	for _, service := range []string{
		`"type":"p2p_vc","product_offering":"po-line","joining_member_account":"d"`, `"type":"p2mp_vc","product_offering":"po-tree","public":true`, `"type":"mp2mp_vc","product_offering":"po-group"`,
		`"type":"cloud_vc","product_offering":"po-cloud","cloud_key":"k","capacity":100`,
	} {
		f.Add(http.MethodPost, basePath+"/network-services", "", parties+","+service+"}", uint8(1), "")
	}
	f.Add(http.MethodPost, basePath+"/port-reservations", "", `{"connection":"`+sold+`","subscriber_side_demarc":"x"}`, uint8(1), "")
	f.Add(http.MethodDelete, basePath+"/connections/"+sold, "decommission_at=2026-07-02", `{"decommission_at":"2026-08-01"}`, uint8(1), "")
	f.Add(http.MethodGet, basePath+"/connections/"+sold, "", "", uint8(2), "")

	own := `{"managing_account":"r","consuming_account":"r","billing_account":"r","role_assignments":["ra-r"],"connection":"conn-r","network_service":"lan","type":"exchange_lan","product_offering":"po",
		"role":"noc","contact":"contact-r","address":"02:00:00:00:00:0a","name":"N","vlan_config":{"vlan_type":"dot1q","vlan":null},"macs":["mac-s1"],"asns":[1],"listed":true,"capacity":5}`
	for name := range s.collections {
		for i, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete} {
			f.Add(method, basePath+"/"+name, "page_limit=1", own, uint8(1+i%3), "")
			for _, record := range s.store.Now().List(name) {
				if !strings.Contains(record.ID, mark) {
					f.Add(method, basePath+"/"+name+"/"+record.ID, "state__is_not=archived", `{}`, uint8(1+i%3), "")
				}
			}
		}
	}
	for _, path := range []string{
		"/account", "/health", "/implementation", "/extensions", "/auth/token", "/auth/refresh", "/", "/macs/../connections", "/macs/..%2f..%2fconnections/conn-d", "/macs/%2e%2e/%2e%2e",
		"/macs/%252e%252e%252fconnections", "/macs/%00", "/macs/mac-s1%00", "//macs//mac-s1//", "/accounts/r/permissions", "/accounts/r/credentials", "/accounts/s1/credentials/x", "/accounts/r/authorization-key",
		"/connections/conn-r/statistics", "/connections/conn-r/cancellation-policy", "/connections/conn-r/loa", "/network-services/lan/change-request", "/network-services/open-of-c/change-request",
		"/network-service-configs/nsc-s1/cancellation-policy", "/network-service-configs/nsc-s1/statistics",
	} {
		for i, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			f.Add(method, basePath+path, "start=x&end=2026-01-01", `{"operations":null,"connections":[],"billing":true}`, uint8(1+i%3), "")
		}
	}
	for _, path := range []string{"/oauth2/token", "/results", "/lab/records/accounts/r", "/terms/r/x", "/terms/..%2f/%00", "/"} {
		f.Add(http.MethodPost, path, "", `{"data":1}`, uint8(0), "Basic bWU6bWU=")
		f.Add(http.MethodGet, path, "", "", uint8(1), "")
	}
	for _, token := range []string{"Bearer ", "Bearer x.y.z", "bearer " + token.Header() + ".e30.", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJrZXktIn0.", "Basic x", "\x00"} {
		f.Add(http.MethodGet, basePath+"/accounts", "", "", uint8(0), token)
	}
	for _, body := range []string{"", "null", "[]", "{", `{"managing_account":{}}`, `{"type":[]}`, strings.Repeat("[", 5000), `{"macs":[[["x"]]],"vlan_config":7,"capacity":1e400,"status":null}`} {
		for name := range rules {
			f.Add(http.MethodPost, basePath+"/"+name, "", body, uint8(1), "")
		}
	}

	f.Fuzz(func(t *testing.T, method, path, query, body string, by uint8, authorization string) {
		target, err := url.ParseRequestURI(path)
		if err != nil || strings.ContainsAny(method, " \t\r\n") || method == "" {
			return // no request that HTTP can carry
		}
		target.RawQuery = query
		req, err := http.NewRequest(method, "/", strings.NewReader(body))
		if err != nil {
			return
		}
		req.URL, req.RequestURI = target, target.RequestURI()
		req.Header.Set("Content-Type", "application/json")
		if token := who[int(by)%len(who)]; token != "" {
			req.Header.Set("Authorization", token)
		} else {
			req.Header.Set("Authorization", authorization)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)

		if w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if w.Code >= 400 && !strings.HasPrefix(target.EscapedPath(), "/oauth2/token") {
			var p problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || p.Type == "" || w.Header().Get("Content-Type") != problemMediaType {
				t.Errorf("%d %s: %s", w.Code, w.Header(), w.Body)
			}
		}
		if strings.Contains(w.Body.String(), mark) && !strings.Contains(target.String()+target.Path+body, mark) {
			t.Errorf("told of what c only may see: %s", w.Body)
		}
	})
}

// catalogueAndConnection has the exchange sell what the data set market has in its catalogue, and r buy a connection, on
// which c has VLAN 100. It returns the connection, and a role assignment of r that all that is sold on it needs.
func catalogueAndConnection(f *testing.F, s *Server, r party) (connection, role string) {
	data, err := testdata.Exchange("market")
	if err != nil {
		f.Fatal(err)
	}
	seed, err := store.Seed(data, func(string) bool { return true })
	if err != nil {
		f.Fatal(err)
	}
	if err := s.PutAll(seed); err != nil {
		f.Fatal(err)
	}
	assign := func(role string) string {
		return r.told(http.MethodPost, "/role-assignments", `{"role":"`+role+`","contact":"contact-r"}`, http.StatusCreated)["id"].(string)
	}
	role = assign("role-noc")
	connection = r.told(http.MethodPost, "/connections", `{"managing_account":"r","consuming_account":"r","billing_account":"r","mode":"standalone","product_offering":"po-connection-nord",
		"port_quantity":1,"subscriber_side_demarcs":["rack 7"],"role_assignments":["`+role+`","`+assign("role-implementation")+`"]}`, http.StatusCreated)["id"].(string)
	hidden := `{"id":"vlan-Zq7xHiddenOfC","type":"exchange_lan","state":"production","status":[],"managing_account":"c","consuming_account":"c","billing_account":"c","network_service":"lan-peering",
		"connection":"` + connection + `","vlan_config":{"vlan_type":"dot1q","vlan":100,"vlan_ethertype":"0x8100"},"capacity":100,"macs":[],"ips":[],"role_assignments":[]}`
	if err := s.Put("network-service-configs", json.RawMessage(hidden)); err != nil {
		f.Fatal(err)
	}
	return connection, role
}
