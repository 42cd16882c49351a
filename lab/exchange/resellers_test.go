package exchange

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

const forC = `{"managing_account":"r","consuming_account":"c","billing_account":"c","network_service":"lan","connection":"conn-r","purchase_order":"margin","contract_ref":"price","external_ref":"customer 17"}`

func TestAResellerOrdersForWhomeverGaveItTheKey(t *testing.T) {
	s := market(t, Options{})
	r, c := s.as(t, "r"), s.as(t, "c")
	r.faulty(http.MethodPost, "/network-service-configs", forC, "consuming_account", "billing_account") // c cannot even be discovered
	key := c.told(http.MethodPost, "/accounts/c/authorization-key", "", http.StatusCreated)["authorization_key"].(string)
	r.key = key + "x"
	r.refused(http.MethodPost, "/network-service-configs", forC, http.StatusForbidden, permissionDenied)
	r.refused(http.MethodGet, "/accounts", "", http.StatusForbidden, permissionDenied)
	r.key = key
	made := r.told(http.MethodPost, "/network-service-configs", forC, http.StatusCreated)
	path := "/network-service-configs/" + made["id"].(string)
	if made["contract_ref"] != "price" || made["billing_account"] != "c" {
		t.Errorf("%v", made)
	}
	// The key opens nothing else of the customer's.
	if got := r.told(http.MethodGet, "/accounts/c", "", http.StatusOK); len(got) != 4 || got["name"] != "name-of-c" {
		t.Errorf("%v", got)
	}
	for collection, foreign := range map[string]string{"contacts": "contact-c", "role-assignments": "ra-c", "member-joining-rules": "rule-c", "network-services": "line"} {
		if got := r.ids("/" + collection); slices.Contains(strings.Fields(got), foreign) {
			t.Errorf("the reseller sees %s", got)
		}
	}
	r.refused(http.MethodPatch, "/accounts/c", "{}", http.StatusForbidden, permissionDenied)
	r.refused(http.MethodPost, "/macs", `{"managing_account":"c","consuming_account":"c","address":"02:00:00:00:01:00"}`, http.StatusForbidden, permissionDenied)

	// The customer sees what was ordered for it, but not what it is to the reseller, nor anything else of the reseller's.
	got := c.told(http.MethodGet, path, "", http.StatusOK)
	if got["external_ref"] != nil || got["managing_account"] != "r" || got["billing_account"] != "c" {
		t.Errorf("%v", got)
	}
	if got := c.ids("/network-service-configs"); got != "nsc-c "+made["id"].(string) {
		t.Errorf("the customer sees %q", got)
	}
	if got := c.ids("/connections") + c.ids("/ports") + c.ids("/macs"); got != "" {
		t.Errorf("the customer sees %q of the reseller", got)
	}
	c.refused(http.MethodPatch, path, "{}", http.StatusForbidden, permissionDenied)

	// A key that was renewed or ended is worth nothing. What was ordered with it stays managed by the reseller.
	again := c.told(http.MethodPost, "/accounts/c/authorization-key", "", http.StatusCreated)["authorization_key"].(string)
	r.refused(http.MethodPost, "/network-service-configs", forC, http.StatusForbidden, permissionDenied)
	r.key = ""
	r.told(http.MethodPatch, path, `{"purchase_order":"more margin"}`, http.StatusAccepted)
	r.key = again
	r.told(http.MethodPost, "/network-service-configs", forC, http.StatusCreated)
	c.told(http.MethodDelete, "/accounts/c/authorization-key", "", http.StatusOK)
	r.refused(http.MethodPost, "/network-service-configs", forC, http.StatusForbidden, permissionDenied)
}

func TestWhoPaysSeesWhatItCosts(t *testing.T) {
	s := market(t, Options{})
	c := s.as(t, "c")
	r := s.as(t, "r")
	r.key = c.told(http.MethodPost, "/accounts/c/authorization-key", "", http.StatusCreated)["authorization_key"].(string)
	for payer, want := range map[string]any{"c": "price", "r": nil} {
		made := r.told(http.MethodPost, "/network-service-configs", strings.Replace(forC, `"billing_account":"c"`, `"billing_account":"`+payer+`"`, 1), http.StatusCreated)
		if got := c.told(http.MethodGet, "/network-service-configs/"+made["id"].(string), "", http.StatusOK); got["contract_ref"] != want {
			t.Errorf("paid by %s: %v", payer, got)
		}
	}
}

const bySub = `{"managing_account":"s1","consuming_account":"s1","billing_account":"r","network_service":"lan","connection":"conn-r"}`

func TestASubAccountOrdersWhatItsResellerAllows(t *testing.T) {
	s := market(t, Options{})
	r, s1, s2 := s.as(t, "r"), s.as(t, "s1"), s.as(t, "s2")
	s1.faulty(http.MethodPost, "/network-service-configs", bySub, "connection")
	r.told(http.MethodPut, "/accounts/s1/permissions", `{"connections":["conn-r"]}`, http.StatusOK)
	s1.refused(http.MethodPost, "/network-service-configs", bySub, http.StatusForbidden, permissionDenied) // the reseller does not pay
	r.told(http.MethodPut, "/accounts/s1/permissions", `{"connections":["conn-r"],"billing":true}`, http.StatusOK)
	made := s1.told(http.MethodPost, "/network-service-configs", bySub, http.StatusCreated)
	path := "/network-service-configs/" + made["id"].(string)

	// Of the connection it sees that it is there; nothing of the others on it.
	got := s1.told(http.MethodGet, "/connections/conn-r", "", http.StatusOK)
	if got["name"] != "conn-name-of-r" || got["contract_ref"] != nil || got["capacity_allocated"] != nil || len(got["ports"].([]any)) != 0 || len(got["port_reservations"].([]any)) != 0 {
		t.Errorf("%v", got)
	}
	if got := s1.ids("/network-service-configs?connection=conn-r"); got != "nsc-s1 "+made["id"].(string) {
		t.Errorf("on the connection it sees %q", got)
	}
	if got := s1.ids("/ports") + s1.ids("/port-reservations"); got != "res-s1" {
		t.Errorf("of the connection it sees %q", got)
	}
	s1.refused(http.MethodGet, "/accounts/s2", "", http.StatusNotFound, notFound)
	s1.refused(http.MethodPost, "/connections/conn-r/loa", "", http.StatusForbidden, permissionDenied)
	for _, other := range []party{s2, s.as(t, "c")} {
		other.refused(http.MethodGet, path, "", http.StatusNotFound, notFound)
		other.refused(http.MethodGet, "/connections/conn-r", "", http.StatusNotFound, notFound)
	}
	r.told(http.MethodGet, path, "", http.StatusOK)

	// It may do no more than it is allowed, and not see more either.
	r.told(http.MethodPut, "/accounts/s1/permissions", `{"connections":["conn-r"],"billing":true,"operations":{"network-service-configs":["read","update"],"macs":["create"]}}`, http.StatusOK)
	s1.refused(http.MethodPost, "/network-service-configs", bySub, http.StatusForbidden, permissionDenied)
	s1.refused(http.MethodDelete, path, "", http.StatusForbidden, permissionDenied)
	s1.told(http.MethodPatch, path, `{"purchase_order":"3"}`, http.StatusAccepted)
	if got := s1.ids("/macs") + s1.ids("/contacts") + s1.ids("/connections"); got != "" {
		t.Errorf("it sees %q", got)
	}
	if got := s1.told(http.MethodPost, "/macs", `{"managing_account":"s1","consuming_account":"s1","address":"02:00:00:00:01:00"}`, http.StatusCreated); len(got) != 0 {
		t.Errorf("it sees %v", got)
	}
	s1.refused(http.MethodPut, "/accounts/s1/permissions", `{}`, http.StatusForbidden, permissionDenied)
	if got := s1.ask(http.MethodGet, "/accounts/s1/permissions", "").Body.String(); !strings.Contains(got, `"billing":true`) {
		t.Errorf("it is told %s", got)
	}
	s1.refused(http.MethodPost, "/accounts", `{"name":"N","address":`+address+`}`, http.StatusForbidden, permissionDenied)
}

// What is allowed to an account bounds what it can allow.
func TestNobodyIsAllowedMoreThanThoseAboveIt(t *testing.T) {
	s := market(t, Options{})
	x, r := s.as(t, "x"), s.as(t, "r")
	x.told(http.MethodPut, "/accounts/r/permissions", `{"operations":{"network-service-configs":["read"],"accounts":["update"]}}`, http.StatusOK)
	r.told(http.MethodPut, "/accounts/s1/permissions", `{"operations":{"network-service-configs":["read","create"],"macs":["read"]}}`, http.StatusOK)
	s1 := s.as(t, "s1")
	s1.refused(http.MethodPost, "/network-service-configs", bySub, http.StatusForbidden, permissionDenied)
	if got := s1.ids("/macs") + " " + s1.ids("/network-service-configs"); got != " nsc-s1" {
		t.Errorf("it sees %q", got)
	}
}

func TestPermissionsAreChecked(t *testing.T) {
	s := market(t, Options{})
	r := s.as(t, "r")
	r.faulty(http.MethodPut, "/accounts/s1/permissions", `{"operations":{"macs":["destroy"],"contacts":"all"},"connections":["conn-d","conn-r"],"billing":"yes"}`,
		"operations.contacts", "operations.macs.0", "connections.0", "billing")
	r.refused(http.MethodPut, "/accounts/s1/permissions", `[]`, http.StatusBadRequest, validationError)
	// A connection that is lent is not one's own to lend on, nor is one that was given away.
	r.told(http.MethodPut, "/accounts/s1/permissions", `{"connections":["conn-r"]}`, http.StatusOK)
	s1 := s.as(t, "s1")
	sub := s1.told(http.MethodPost, "/accounts", `{"name":"N","address":`+address+`}`, http.StatusCreated)["id"].(string)
	s1.faulty(http.MethodPut, "/accounts/"+sub+"/permissions", `{"connections":["conn-r"]}`, "connections.0")
	if p := s.transact(principal{operator: true}, func(o *order) *problem {
		return o.edit("connections", "conn-r", map[string]any{"managing_account": "d"})
	}); p != nil {
		t.Fatal(p)
	}
	s1.refused(http.MethodGet, "/connections/conn-r", "", http.StatusNotFound, notFound)
}

func TestSubAccountsHaveCredentialsOfTheirOwn(t *testing.T) {
	s := market(t, Options{})
	r := s.as(t, "r")
	made := r.told(http.MethodPost, "/accounts/s2/credentials", "", http.StatusCreated)
	key, secret := made["api_key"].(string), made["api_secret"].(string)
	if len(key) < 16 || len(secret) < 86 {
		t.Errorf("%d and %d characters", len(key), len(secret))
	}
	if got := r.ask(http.MethodGet, "/accounts/s2/credentials", "").Body.String(); !strings.Contains(got, key) || strings.Contains(got, secret) {
		t.Errorf("%s", got)
	}
	body := `{"api_key":"` + key + `","api_secret":"` + secret + `"}`
	pair := pairOf(t, ask(s, http.MethodPost, "/auth/token", body))
	s2 := party{tb: t, s: s, token: pair.Access}
	if got := s2.told(http.MethodGet, "/account", "", http.StatusOK); got["id"] != "s2" {
		t.Errorf("%v", got)
	}
	wantProblem(t, ask(s, http.MethodPost, "/auth/token", `{"api_key":"`+key+`","api_secret":"`+secret[1:]+`"}`), http.StatusUnauthorized, authenticationError)
	r.refused(http.MethodDelete, "/accounts/s1/credentials/"+key, "", http.StatusNotFound, notFound)
	r.refused(http.MethodDelete, "/accounts/s2/credentials", "", http.StatusNotFound, notFound)
	r.told(http.MethodDelete, "/accounts/s2/credentials/"+key, "", http.StatusOK)
	s2.refused(http.MethodGet, "/account", "", http.StatusUnauthorized, authenticationError)
	wantProblem(t, ask(s, http.MethodPost, "/auth/token", body), http.StatusUnauthorized, authenticationError)
	wantProblem(t, ask(s, http.MethodPost, "/auth/refresh", `{"refresh_token":"`+pair.Refresh+`"}`), http.StatusUnauthorized, authenticationError)
}
