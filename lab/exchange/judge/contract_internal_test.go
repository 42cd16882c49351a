package judge

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestProxyReportsWhatTheSchemaDoesNotAllow(t *testing.T) {
	const role = `{"id":"r","name":"noc","required_fields":[]}`
	config := func(vlans string) string {
		return `{"type":"p2p_vc","id":"n","state":"production","status":[],"managing_account":"a","consuming_account":"a","billing_account":"a",` +
			`"role_assignments":[],"network_service":"s","connection":"c","network_feature_configs":[],"vlan_config":` + vlans + `}`
	}
	var status int
	var answer string
	exchange := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(exchange.Close)
	c := NewContract(t, exchange.URL+"/api/v2")
	for _, test := range []struct {
		method, path string
		status       int
		answer, want string // part of what is reported; "-" where the schema has no such operation
	}{
		{"GET", "/roles", 200, "[" + role + "]", ""},
		{"GET", "/roles", 200, `[{"id":1}]`, "id must be string"},
		{"GET", "/roles", 206, "[]", "status code"},
		{"GET", "/facilities/f", 200, "[]", "must be object"},
		{"GET", "/network-service-configs/n", 200, config(`{"vlan_type":"dot1q","vlan":7}`), ""},
		{"GET", "/network-service-configs/n", 200, config(`{"vlan_type":"qinq","vlan":7}`), "outer_vlan"},
		{"POST", "/roles", 201, role, "-"},
		{"GET", "/port-reservations", 200, `[{"id":1}]`, "-"},
	} {
		status, answer = test.status, test.answer
		r, err := http.NewRequest(test.method, c.URL()+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer token")
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(got.Body)
		if err != nil || got.Body.Close() != nil || got.StatusCode != test.status || string(body) != test.answer {
			t.Errorf("%s %s: %d %s, %v", test.method, test.path, got.StatusCode, body, err)
		}
		requests, violations := c.take()
		said := strings.Join(violations, "\n")
		if judged := requests == 1; judged != (test.want != "-") || judged && (said == "") != (test.want == "") || judged && !strings.Contains(said, test.want) {
			t.Errorf("%s %s, %d %s: %q, want %q", test.method, test.path, test.status, test.answer, said, test.want)
		}
	}
}
