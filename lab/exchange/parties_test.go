package exchange

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const address = `{"country":"DE","locality":"Frankfurt","postal_code":"60314","street_address":"Musterkai 1"}`

func TestAnAccountConsumesOnceItsTermsAreAccepted(t *testing.T) {
	s := market(t, Options{})
	r := s.as(t, "r")
	made := r.told(http.MethodPost, "/accounts", `{"name":"New <b>","address":`+address+`,"managing_account":"r","external_ref":"new"}`, http.StatusCreated)
	status := made["status"].([]any)[0].(map[string]any)
	link := status["attrs"].(map[string]any)["url"].(string)
	if made["state"] != "requested" || status["severity"] != 2.0 || status["tag"] != "toc_required" {
		t.Fatalf("%v", made)
	}
	id := made["id"].(string)
	order := `{"managing_account":"r","consuming_account":"` + id + `","billing_account":"r","network_service":"lan"}`
	r.faulty(http.MethodPost, "/network-service-configs", order, "consuming_account")
	contact := r.told(http.MethodPost, "/contacts", `{"managing_account":"r","consuming_account":"`+id+`","name":"N"}`, http.StatusCreated)
	if contact["consuming_account"] != id {
		t.Errorf("%v", contact)
	}

	visit := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w
	}
	if w := visit(http.MethodGet, link); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "New &lt;b&gt;") || !strings.Contains(w.Body.String(), "<form") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, wrong := range []string{link + "x", strings.Replace(link, url.PathEscape(id), "n", 1), termsPath + "/n", termsPath + "/%zz/x"} {
		r, err := http.NewRequest(http.MethodPost, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = &url.URL{Path: wrong}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		wantProblem(t, w, http.StatusNotFound, notFound)
	}
	if got := r.told(http.MethodGet, "/accounts/"+id, "", http.StatusOK); got["state"] != "requested" {
		t.Errorf("looking at the terms accepted them: %v", got["state"])
	}
	for range 2 {
		if w := visit(http.MethodPost, link); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "<form") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if got := r.told(http.MethodGet, "/accounts/"+id, "", http.StatusOK); got["state"] != "production" || len(got["status"].([]any)) != 0 {
		t.Errorf("%v", got)
	}
	r.told(http.MethodPost, "/network-service-configs", order, http.StatusCreated)
}

func TestTermsAreAcceptedForClientsThatCannot(t *testing.T) {
	s := market(t, Options{AcceptTerms: true})
	if got := s.as(t, "r").told(http.MethodPost, "/accounts", `{"name":"New","address":`+address+`}`, http.StatusCreated); got["state"] != "production" || got["managing_account"] != "r" {
		t.Errorf("%v", got)
	}
}

func TestAnAccountIsCheckedFieldByField(t *testing.T) {
	s := market(t, Options{})
	r := s.as(t, "r")
	r.faulty(http.MethodPost, "/accounts", `{}`, "name", "address")
	r.faulty(http.MethodPost, "/accounts", `{"name":"`+strings.Repeat("x", 81)+`","legal_name":1,"discoverable":"yes","metro_area_network_presence":["man","nowhere"],"managing_account":"s9",
		"external_ref":"`+strings.Repeat("x", 81)+`","billing_information":{"name":"","vat_number":"`+strings.Repeat("1", 21)+`"},
		"address":{"country":"Germany","locality":"`+strings.Repeat("x", 41)+`","region":2,"postal_code":"`+strings.Repeat("1", 25)+`","post_office_box_number":[]}}`,
		"managing_account", "name", "legal_name", "billing_information.name", "billing_information.address", "billing_information.vat_number", "external_ref", "discoverable",
		"metro_area_network_presence.1", "address.country", "address.locality", "address.region", "address.postal_code", "address.street_address", "address.post_office_box_number")
	got := r.told(http.MethodPost, "/accounts", `{"id":"mine","state":"production","asns":[1],"name":"New","address":`+address+`,"billing_information":null,"discoverable":true,
		"metro_area_network_presence":["man"]}`, http.StatusCreated)
	_, billing := got["billing_information"]
	if got["id"] == "mine" || got["state"] != "requested" || len(got["asns"].([]any)) != 0 || billing || got["discoverable"] != true {
		t.Errorf("%v", got)
	}
	path := "/accounts/" + got["id"].(string)
	got = r.told(http.MethodPatch, path, `{"billing_information":{"name":"B","address":`+address+`},"legal_name":"L"}`, http.StatusAccepted)
	if got["legal_name"] != "L" || got["name"] != "New" || got["billing_information"].(map[string]any)["name"] != "B" {
		t.Errorf("%v", got)
	}
	got = r.told(http.MethodPut, path, `{"name":"Newer","address":`+address+`,"metro_area_network_presence":[]}`, http.StatusAccepted)
	_, billing = got["billing_information"]
	if got["name"] != "Newer" || got["legal_name"] != nil || billing || got["managing_account"] != "r" {
		t.Errorf("%v", got)
	}
}

func TestAccountsAreManagedFromAboveOnly(t *testing.T) {
	s := market(t, Options{})
	x, r, s1 := s.as(t, "x"), s.as(t, "r"), s.as(t, "s1")
	r.refused(http.MethodPost, "/accounts", `{"name":"N","address":`+address+`,"managing_account":"d"}`, http.StatusForbidden, permissionDenied)
	s1.refused(http.MethodPatch, "/accounts/s1", `{"managing_account":"d"}`, http.StatusForbidden, permissionDenied)
	r.refused(http.MethodPatch, "/accounts/s1", `{"managing_account":"x"}`, http.StatusForbidden, permissionDenied)
	x.faulty(http.MethodPatch, "/accounts/r", `{"managing_account":"s1"}`, "managing_account")
	x.faulty(http.MethodPatch, "/accounts/r", `{"managing_account":null}`, "managing_account")
	for _, body := range []string{`{"managing_account":null,"legal_name":"a"}`, `{"legal_name":"b"}`} {
		s1.told(http.MethodPatch, "/accounts/s1", body, http.StatusAccepted)
	}
	if got := r.told(http.MethodPatch, "/accounts/s1", `{"managing_account":"s2"}`, http.StatusAccepted); got["managing_account"] != "s2" {
		t.Errorf("%v", got)
	}
	if got := s.as(t, "s2").ids("/network-service-configs"); got != "nsc-s1 nsc-s2" {
		t.Errorf("who manages an account sees what is its own: %q", got)
	}
	above := "s1"
	for n := 0; ; n++ {
		w := x.ask(http.MethodPost, "/accounts", `{"name":"N","address":`+address+`,"managing_account":"`+above+`"}`)
		if w.Code != http.StatusCreated {
			if p := wantProblem(t, w, http.StatusBadRequest, validationError); n < 5 || n > maxLevels || p.Properties[0].Name != "managing_account" {
				t.Errorf("after %d levels %+v", n, p)
			}
			break
		}
		above = idsOf(t, []byte("["+w.Body.String()+"]"))[0]
		x.told(http.MethodGet, "/accounts/"+above, "", http.StatusOK)
	}
}

func TestAnAccountGoesOnceNothingOfItIsInService(t *testing.T) {
	now := &clock{at: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}
	s := market(t, Options{Clock: now.now})
	op, r := s.as(t, ""), s.as(t, "r")
	refused := func(want ...string) {
		t.Helper()
		p := r.refused(http.MethodDelete, "/accounts/s1", "", http.StatusBadRequest, unableToFulfill)
		var got []string
		for _, c := range p.Conflicts {
			got = append(got, c.RemoteType+" "+c.RemoteID)
			if c.Type != "account" || c.ID != "s1" {
				t.Errorf("%+v", c)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("conflicts with %q, want %q", got, want)
		}
	}
	end := func(path, state string) {
		t.Helper()
		w := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodPatch, officePath+path, strings.NewReader(state))
		req.Header.Set("Authorization", "Bearer "+op.token)
		if s.ServeHTTP(w, req); w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	refused("connection conn-s1", "network_service_config nsc-s1", "mac mac-s1")
	end("/connections/conn-s1", `{"state":"decommissioned"}`)
	end("/network-service-configs/nsc-s1", `{"state":"decommission_requested","decommission_at":"2026-07-02"}`)
	r.told(http.MethodDelete, "/macs/mac-s1", "", http.StatusBadRequest)
	end("/network-service-configs/nsc-s1", `{"macs":[]}`)
	r.told(http.MethodDelete, "/macs/mac-s1", "", http.StatusOK)
	refused("network_service_config nsc-s1")
	now.at = now.at.Add(24 * time.Hour)
	r = s.as(t, "r")
	key := r.told(http.MethodPost, "/accounts/s1/credentials", "", http.StatusCreated)["api_key"].(string)

	if gone := r.told(http.MethodDelete, "/accounts/s1", "null", http.StatusOK); gone["id"] != "s1" || gone["name"] != "name-of-s1" {
		t.Errorf("%v", gone)
	}
	for _, path := range []string{"/accounts/s1", "/contacts/contact-s1", "/role-assignments/ra-s1", "/member-joining-rules/rule-s1"} {
		r.refused(http.MethodGet, path, "", http.StatusNotFound, notFound)
		s.as(t, "").refused(http.MethodGet, path, "", http.StatusNotFound, notFound)
	}
	if s.store.Now().Get(credentials, key) != nil {
		t.Error("its credentials are still there")
	}
	s.as(t, "d").refused(http.MethodDelete, "/accounts/d", "", http.StatusBadRequest, unableToFulfill)
}

func TestConflictsNameOnlyWhatIsSeen(t *testing.T) {
	s := market(t, Options{})
	// What d manages for c is none of n's business, although n pays.
	if err := s.Put("connections", []byte(`{"id":"conn-hidden","state":"production","managing_account":"d","consuming_account":"c","billing_account":"n"}`)); err != nil {
		t.Fatal(err)
	}
	if p := s.as(t, "n").refused(http.MethodDelete, "/accounts/n", "", http.StatusBadRequest, unableToFulfill); len(p.Conflicts) != 0 {
		t.Errorf("%+v", p)
	}
	s.as(t, "n").faulty(http.MethodPatch, "/accounts/n", `{"billing_information":null}`, "billing_information")
}

func TestContactsAreFitForTheirRoles(t *testing.T) {
	s := market(t, Options{})
	c := s.as(t, "c")
	c.faulty(http.MethodPost, "/contacts", `{"managing_account":"c","consuming_account":"c","name":"`+strings.Repeat("x", 129)+`","telephone":"call me","email":"@"}`, "name", "telephone", "email")
	c.faulty(http.MethodPost, "/contacts", `{"managing_account":"c","consuming_account":"c","name":1,"telephone":2,"email":"Me <me@example.net>"}`, "name", "telephone", "email")
	made := c.told(http.MethodPost, "/contacts", `{"managing_account":"c","consuming_account":"c","name":"N","email":"n@example.net"}`, http.StatusCreated)
	id := made["id"].(string)
	if made["telephone"] != nil || made["external_ref"] != nil {
		t.Errorf("%v", made)
	}
	c.faulty(http.MethodPost, "/role-assignments", `{"role":"noc","contact":"`+id+`"}`, "contact")
	c.faulty(http.MethodPost, "/role-assignments", `{"role":"boss","contact":1}`, "role", "contact")
	c.told(http.MethodPatch, "/contacts/"+id, `{"telephone":"+49 (69) 555-01000"}`, http.StatusOK)
	role := c.told(http.MethodPost, "/role-assignments", `{"role":"noc","contact":"`+id+`"}`, http.StatusCreated)
	assignment := "/role-assignments/" + role["id"].(string)
	c.faulty(http.MethodPatch, "/contacts/"+id, `{"telephone":null,"email":null}`, "telephone")
	c.faulty(http.MethodPut, "/contacts/"+id, `{"managing_account":"c","consuming_account":"c","telephone":""}`, "name", "telephone")
	c.told(http.MethodPatch, "/contacts/"+id, `{"email":null}`, http.StatusOK)
	c.refused(http.MethodPatch, assignment, `{}`, http.StatusMethodNotAllowed, noSpecificType)
	c.refused(http.MethodPost, "/roles", `{}`, http.StatusMethodNotAllowed, noSpecificType)
	if got := c.told(http.MethodDelete, assignment, "{}", http.StatusOK); got["contact"] != id {
		t.Errorf("%v", got)
	}
	c.told(http.MethodPatch, "/contacts/"+id, `{"telephone":null}`, http.StatusOK)
	c.told(http.MethodDelete, "/contacts/"+id, "null", http.StatusOK)
	c.refused(http.MethodGet, "/contacts/"+id, "", http.StatusNotFound, notFound)
}

func TestContactsInUseStay(t *testing.T) {
	s := market(t, Options{})
	r := s.as(t, "r")
	for _, path := range []string{"/contacts/contact-r", "/role-assignments/ra-r"} {
		p := r.refused(http.MethodDelete, path, "", http.StatusBadRequest, unableToFulfill)
		if len(p.Conflicts) != 4 || p.Conflicts[0].RemoteID != "conn-r" {
			t.Errorf("%+v", p)
		}
	}
	for collection, ids := range map[string][]string{"connections": {"conn-r", "conn-s1"}, "ports": {"port-r"}, "network-service-configs": {"nsc-c"}} {
		for _, id := range ids {
			p := s.transact(principal{operator: true}, func(o *order) *problem {
				return o.edit(collection, id, map[string]any{"state": "decommission_requested"})
			})
			if p != nil {
				t.Fatal(p)
			}
		}
	}
	r.told(http.MethodDelete, "/contacts/contact-r", "", http.StatusOK)
	r.refused(http.MethodGet, "/role-assignments/ra-r", "", http.StatusNotFound, notFound)
}

func TestWhatIsOrderedNamesPartiesThatTheCallerSpeaksFor(t *testing.T) {
	s := market(t, Options{})
	for _, c := range []struct {
		who, manager, consumer, payer string
		want                          string
	}{
		{"r", "r", "r", "r", "201"},
		{"r", "r", "s1", "r", "201"},
		{"r", "s1", "s1", "r", "201"},
		{"", "d", "c", "r", "201"},
		{"x", "c", "c", "c", "201"},
		{"r", "d", "r", "r", "403"},
		{"r", "r", "d", "r", "403"},
		{"r", "r", "r", "d", "403"},
		{"s1", "r", "s1", "s1", "403"},
		{"s1", "s1", "r", "s1", "403"},
		{"s1", "s1", "s1", "r", "403"},
		{"r", "r", "c", "r", "400 consuming_account"},
		{"r", "c", "c", "c", "400 managing_account consuming_account billing_account"},
		{"r", "r", "r", "s1", "400 billing_account"},
		{"n", "n", "n", "n", "400 consuming_account"},
		{"", "n", "n", "s1", "400 consuming_account billing_account"},
	} {
		w := s.as(t, c.who).ask(http.MethodPost, "/network-service-configs",
			`{"managing_account":"`+c.manager+`","consuming_account":"`+c.consumer+`","billing_account":"`+c.payer+`","network_service":"lan"}`)
		got := []string{w.Result().Status[:3]}
		if w.Code == http.StatusBadRequest {
			for _, property := range wantProblem(t, w, http.StatusBadRequest, validationError).Properties {
				got = append(got, property.Name)
			}
		} else if w.Code == http.StatusForbidden {
			wantProblem(t, w, http.StatusForbidden, permissionDenied)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	// What it was is not asked again: an account may have lost what it had.
	s.as(t, "s1").told(http.MethodPatch, "/network-service-configs/nsc-s1", `{"purchase_order":"2","billing_account":"s1"}`, http.StatusAccepted)
	s.as(t, "r").refused(http.MethodPatch, "/network-service-configs/nsc-s1", `{"billing_account":"d"}`, http.StatusForbidden, permissionDenied)
	// A MAC address is no service.
	s.as(t, "n").told(http.MethodPost, "/macs", `{"managing_account":"n","consuming_account":"n","address":"02:00:00:00:01:00"}`, http.StatusCreated)
}

func TestRequiredRolesThatNoContactHasAreFaults(t *testing.T) {
	s := market(t, Options{})
	p := s.transact(principal{operator: true}, func(o *order) *problem {
		if o.lacksRole([]string{"noc"}, []string{"ra-r"}) || !o.lacksRole([]string{"noc", "peering", "gone"}, []string{"ra-c", "ra-gone"}) {
			t.Error("a role is there and is not, or the other way round")
		}
		return o.wrong()
	})
	if p == nil || len(p.Properties) != 2 || p.Properties[0].Name != "role_assignments" || !strings.Contains(p.Properties[0].Reason, "peering") || !strings.Contains(p.Properties[1].Reason, "gone") {
		t.Errorf("%+v", p)
	}
}
