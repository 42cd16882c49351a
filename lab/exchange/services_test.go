package exchange

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// stocked is the metro with some more that can be ordered.
func stocked(tb testing.TB) *Server {
	tb.Helper()
	s := anonymous(tb)
	offering := func(id, kind, fields string) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"id":%q,"type":%q,"name":%[1]q,"display_name":%[1]q,"resource_type":"network_service","service_provider":"Wolkenbruch Cloud",`+
			`"downgrade_allowed":false,"upgrade_allowed":true,"contract_terms":null,"handover_metro_area_network":"man:fra","handover_metro_area":"metro:FRA",`+
			`"physical_port_speed":null,"provider_vlans":"single","service_metro_area_network":"man:fra","service_metro_area":"metro:FRA",%[3]s}`, id, kind, fields))
	}
	err := s.PutAll(map[string][]json.RawMessage{"product-offerings": {
		offering("line-100", "p2p_vc", `"bandwidth_min":10,"bandwidth_max":100`),
		offering("line-1000", "p2p_vc", `"bandwidth_min":100,"bandwidth_max":1000`),
		offering("line-elsewhere", "p2p_vc", `"bandwidth_min":100,"bandwidth_max":1000,"service_metro_area":"metro:BER"`),
		offering("line-config", "p2p_vc", `"bandwidth_min":null,"bandwidth_max":null,"resource_type":"network_service_config"`),
		offering("line-over", "p2p_vc", `"bandwidth_min":null,"bandwidth_max":null,"orderable_not_after":"2020-01-01T00:00:00Z"`),
		offering("cloud-first", "cloud_vc", `"bandwidth_min":10,"bandwidth_max":500,"service_provider_workflow":"provider_first","delivery_method":"shared","diversity":1`),
		offering("router", "routing_function", `"bandwidth_min":10,"bandwidth_max":500`),
	}, "accounts": {
		json.RawMessage(`{"id":"account:new","state":"requested","status":[],"managing_account":"account:1000","name":"New","discoverable":true,"asns":[]}`),
	}})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// of merges the fields of an order of account:1004 with more.
func of(fields string) string {
	return `{"managing_account":"account:1004","consuming_account":"account:1004","billing_account":"account:1004",` + fields + `}`
}

// refused checks that a request is refused with a problem of a type, and why: the reasons of its properties, or its
// detail.
func refused(tb testing.TB, w *httptest.ResponseRecorder, kind, why string) {
	tb.Helper()
	status := http.StatusBadRequest
	switch kind {
	case permissionDenied:
		status = http.StatusForbidden
	case notFound:
		status = http.StatusNotFound
	}
	p := wantProblem(tb, w, status, kind)
	got := []string{}
	for _, q := range p.Properties {
		got = append(got, q.Name+" "+q.Reason)
	}
	if p.Properties == nil {
		got = append(got, p.Detail)
	}
	if !strings.Contains(strings.Join(got, "; "), why) {
		tb.Errorf("%s, want %q", strings.Join(got, "; "), why)
	}
}

// conforms checks an answer against the official schema of a resource.
func conforms(t *testing.T, doc *openapi3.T, path, method string, status int, record map[string]any) {
	t.Helper()
	operation := doc.Paths.Value(path).GetOperation(method)
	// The state came after 2.1.0.
	if record = maps.Clone(record); record["state"] == "cancelled" {
		record["state"] = "archived"
	}
	of := operation.Responses.Status(status).Value.Content["application/json"].Schema.Value
	if err := of.VisitJSON(record, openapi3.MultiErrors(), openapi3.EnableFormatValidation()); err != nil {
		t.Errorf("%s %s: %v", method, path, err)
	}
}

func TestServicesOfAllTypesAreOrdered(t *testing.T) {
	doc := schema(t)
	s := stocked(t)
	for name, test := range map[string]struct {
		order string
		want  map[string]any
	}{
		"p2p_vc": {
			of(`"type":"p2p_vc","product_offering":"line-100","joining_member_account":"account:1005","display_name":"A line"`),
			map[string]any{"display_name": "A line", "capacity": 100.0, "nsc_product_offerings": []any{"line-config"}, "availability_zones": []any{}},
		},
		"p2mp_vc": {
			of(`"type":"p2mp_vc","product_offering":"po:tree","display_name":"A tree"`),
			map[string]any{"name": "A tree", "public": false, "member_joining_rules": []any{}, "network_features": []any{}, "nsc_product_offerings": []any{"po:tree"}},
		},
		"mp2mp_vc": {
			of(`"type":"mp2mp_vc","product_offering":"po:group","name":"A group","public":true,"subnet_v4":"203.0.113.0/24","subnet_v6":null`),
			map[string]any{"display_name": "A group", "public": true, "subnet_v4": "203.0.113.0/24", "subnet_v6": nil, "mac_acl_protection": false},
		},
		"cloud_vc": {
			of(`"type":"cloud_vc","product_offering":"po:cloud","cloud_key":"subscription-1","capacity":500`),
			map[string]any{"capacity": 500.0, "diversity": 2.0, "provider_ref": "provider-ref-1", "availability_zones": []any{}, "network_features": []any{}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := told(t, s, http.MethodPost, "/network-services", test.order, http.StatusCreated)
			for field, want := range test.want {
				if fmt.Sprint(got[field]) != fmt.Sprint(want) {
					t.Errorf("%s is %v, want %v", field, got[field], want)
				}
			}
			if roles := fmt.Sprint(got["nsc_required_contact_roles"]); got["state"] != "production" || roles != "[role:implementation]" {
				t.Errorf("state %v, roles %v", got["state"], roles)
			}
			for _, field := range []string{"status", "current_billing_start_date", "external_ref", "purchase_order", "contract_ref"} {
				if _, there := got[field]; !there {
					t.Errorf("no %s", field)
				}
			}
			conforms(t, doc, "/network-services", http.MethodPost, http.StatusCreated, got)
			path := "/network-services/" + got["id"].(string)
			changed := told(t, s, http.MethodPatch, path, `{"purchase_order":"4711","external_ref":"mine"}`, http.StatusAccepted)
			if changed["purchase_order"] != "4711" || changed["product_offering"] != got["product_offering"] {
				t.Errorf("%v", changed)
			}
			put := told(t, s, http.MethodPut, path, test.order, http.StatusAccepted)
			delete(put, "current_billing_start_date")
			delete(got, "current_billing_start_date")
			if fmt.Sprint(put) != fmt.Sprint(got) {
				t.Errorf("PUT of the order makes\n%v of\n%v", put, got)
			}
			conforms(t, doc, "/network-services/{id}", http.MethodDelete, http.StatusAccepted, told(t, s, http.MethodDelete, path, "null", http.StatusAccepted))
			if got := told(t, s, http.MethodGet, path, "", http.StatusOK); got["state"] != "decommissioned" {
				t.Errorf("it is %v", got["state"])
			}
			refused(t, ask(s, http.MethodPatch, path, "{}"), unableToFulfill, "decommissioned")
		})
	}
}

func TestServicesThatCannotBeAreRefused(t *testing.T) {
	s := stocked(t)
	line := `"type":"p2p_vc","product_offering":"line-100","joining_member_account":"account:1005"`
	taken := `"type":"cloud_vc","product_offering":"cloud-first","cloud_key":"pairing-key"`
	told(t, s, http.MethodPost, "/network-services", of(taken), http.StatusCreated)
	for order, why := range map[string]string{
		`{"type":"exchange_lan"}`: "type is not one of cloud_vc, mp2mp_vc, p2mp_vc, p2p_vc",
		`{}`:                      "type is not one of",
		of(`"type":"p2p_vc","product_offering":"line-100"`):                                          "joining_member_account is required",
		of(`"type":"p2p_vc","product_offering":"line-100","joining_member_account":"account:9999"`):  "joining_member_account there is no such record",
		of(`"type":"p2p_vc","product_offering":"line-100","joining_member_account":"account:new"`):   "joining_member_account account account:new cannot consume",
		of(`"type":"p2p_vc","product_offering":"po:tree","joining_member_account":"account:1005"`):   "product_offering is of type p2mp_vc",
		of(`"type":"p2p_vc","product_offering":"line-over","joining_member_account":"account:1005"`): "product_offering could not be ordered after",
		of(`"type":"p2p_vc","product_offering":"nothing","joining_member_account":"account:1005"`):   "product_offering there is no such record",
		of(line + `,"display_name":"` + strings.Repeat("x", 257) + `"`):                              "display_name has more than 256",
		of(line + `,"availability_zones":["none"]`):                                                  "availability_zones.0 there is no such record",
		of(`"type":"p2mp_vc","product_offering":"po:tree","name":"` + strings.Repeat("x", 41) + `"`): "name has more than 40",
		of(`"type":"p2mp_vc","product_offering":"po:tree","public":"yes"`):                           "public is neither true nor false",
		of(`"type":"mp2mp_vc","product_offering":"po:group","subnet_v4":"203.0.113.1/24"`):           "subnet_v4 is not a prefix",
		of(`"type":"mp2mp_vc","product_offering":"po:group","subnet_v4":"2001:db8::/32"`):            "subnet_v4 is not a prefix",
		of(`"type":"mp2mp_vc","product_offering":"po:group","subnet_v6":"203.0.113.0/24"`):           "subnet_v6 is not a prefix",
		of(`"type":"cloud_vc","product_offering":"po:cloud"`):                                        "cloud_key is required",
		of(`"type":"cloud_vc","product_offering":"po:cloud","cloud_key":""`):                         "cloud_key is empty",
		of(`"type":"cloud_vc","product_offering":"po:cloud","cloud_key":"k","capacity":5001`):        "capacity is more than the 5000 Mbit/s",
		of(`"type":"cloud_vc","product_offering":"cloud-first","cloud_key":"k","capacity":9`):        "capacity is less than the 10 Mbit/s",
		of(`"type":"cloud_vc","product_offering":"cloud-first","cloud_key":"k","capacity":1.5`):      "capacity is not an integer",
		of(taken): "cloud_key is used by another network service",
	} {
		refused(t, ask(s, http.MethodPost, "/network-services", order), validationError, why)
	}
}

func TestTheLANsOfTheExchangeAreItsOwn(t *testing.T) {
	s := stocked(t)
	refused(t, ask(s, http.MethodPatch, "/network-services/service:lan-peering", "{}"), permissionDenied, "the exchange's own")
	refused(t, ask(s, http.MethodDelete, "/network-services/service:lan-peering", ""), permissionDenied, "the exchange's own")
	refused(t, ask(s, http.MethodPost, "/network-services/service:lan-peering/change-request", `{"product_offering":"po:peering"}`), permissionDenied, "the exchange's own")
}

func TestWhoHasJoinedALineStaysAtItsEnd(t *testing.T) {
	s := stocked(t)
	refused(t, ask(s, http.MethodPatch, "/network-services/service:20007", `{"joining_member_account":"account:1005"}`), unableToFulfill, "account:1024 has joined with nsc:")
	refused(t, ask(s, http.MethodPatch, "/network-services/service:20007", `{"product_offering":"line-100"}`), validationError, "product_offering cannot change")
	line := told(t, s, http.MethodPost, "/network-services", of(`"type":"p2p_vc","product_offering":"line-100","joining_member_account":"account:1005"`), http.StatusCreated)
	told(t, s, http.MethodPatch, "/network-services/"+line["id"].(string), `{"joining_member_account":"account:1006"}`, http.StatusAccepted)
}

// line orders a line with configs at both ends, and returns its path.
func line(t *testing.T, s *Server, offering string, capacities ...string) string {
	t.Helper()
	path := "/network-services/" + told(t, s, http.MethodPost, "/network-services",
		of(`"type":"p2p_vc","product_offering":"`+offering+`","joining_member_account":"account:1005"`), http.StatusCreated)["id"].(string)
	for i, capacity := range capacities {
		err := s.Put("network-service-configs", json.RawMessage(fmt.Sprintf(`{"id":"end-%d","type":"p2p_vc","state":"production","network_service":%q,`+
			`"consuming_account":"account:%d","capacity":%s}`, i, strings.TrimPrefix(path, "/network-services/"), 1004+i, capacity)))
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestALineChangesWhenBothEndsHave(t *testing.T) {
	doc := schema(t)
	s := stocked(t)
	path := line(t, s, "line-100", "100", "100")
	refused(t, ask(s, http.MethodGet, path+"/change-request", ""), notFound, "no change request")
	refused(t, ask(s, http.MethodDelete, path+"/change-request", ""), notFound, "no change request")
	asked := told(t, s, http.MethodPost, path+"/change-request", `{"product_offering":"line-1000","capacity":500}`, http.StatusAccepted)
	conforms(t, doc, "/network-services/{id}/change-request", http.MethodPost, http.StatusAccepted, asked)
	if seen := told(t, s, http.MethodGet, path+"/change-request", "", http.StatusAccepted); fmt.Sprint(seen) != fmt.Sprint(asked) || seen["capacity"] != 500.0 {
		t.Errorf("%v, asked for %v", seen, asked)
	}
	refused(t, ask(s, http.MethodPost, path+"/change-request", `{"product_offering":"line-1000"}`), unableToFulfill, "one change at a time")
	is := func(state string, capacity float64, offering string) {
		t.Helper()
		got := told(t, s, http.MethodGet, path, "", http.StatusOK)
		if got["state"] != state || got["capacity"] != capacity || got["product_offering"] != offering {
			t.Errorf("%v %v %v, want %s %v %s", got["state"], got["capacity"], got["product_offering"], state, capacity, offering)
		}
	}
	configured := func(id string) {
		t.Helper()
		r, err := s.store.Now().Get("network-service-configs", id).Object()
		if err != nil {
			t.Fatal(err)
		}
		r["capacity"] = 500
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Put("network-service-configs", text); err != nil {
			t.Fatal(err)
		}
	}
	is("production_change_pending", 100, "line-100")
	configured("end-0")
	is("production_change_pending", 100, "line-100")
	configured("end-1")
	is("production", 500, "line-1000")
	refused(t, ask(s, http.MethodGet, path+"/change-request", ""), notFound, "no change request")
}

func TestATreeChangesAtOnceWithItsOfferingsForConfigs(t *testing.T) {
	s := stocked(t)
	for _, id := range []string{"tree-old", "tree-new"} {
		if err := s.Put("product-offerings", json.RawMessage(fmt.Sprintf(`{"id":%q,"type":"p2mp_vc","resource_type":"network_service","service_provider":"P"}`, id))); err != nil {
			t.Fatal(err)
		}
	}
	path := "/network-services/" + told(t, s, http.MethodPost, "/network-services", of(`"type":"p2mp_vc","product_offering":"tree-old","name":"T"`), http.StatusCreated)["id"].(string)
	told(t, s, http.MethodPost, path+"/change-request", `{"product_offering":"tree-new"}`, http.StatusAccepted)
	got := told(t, s, http.MethodGet, path, "", http.StatusOK)
	if got["state"] != "production" || got["product_offering"] != "tree-new" || fmt.Sprint(got["nsc_product_offerings"]) != "[tree-new]" {
		t.Errorf("%v", got)
	}
}

func TestAChangeCanBeRetracted(t *testing.T) {
	s := stocked(t)
	path := line(t, s, "line-100", "100")
	told(t, s, http.MethodPost, path+"/change-request", `{"product_offering":"line-1000"}`, http.StatusAccepted)
	if asked := told(t, s, http.MethodDelete, path+"/change-request", "", http.StatusAccepted); asked["product_offering"] != "line-1000" || asked["capacity"] != nil {
		t.Errorf("%v", asked)
	}
	if got := told(t, s, http.MethodGet, path, "", http.StatusOK); got["state"] != "production" || got["capacity"] != 100.0 {
		t.Errorf("%v", got)
	}
}

func TestAServiceThatEndsChangesNoMore(t *testing.T) {
	s := stocked(t)
	path := line(t, s, "line-100", "100")
	told(t, s, http.MethodPost, path+"/change-request", `{"product_offering":"line-1000"}`, http.StatusAccepted)
	told(t, s, http.MethodDelete, path, `{"decommission_at":"2999-01-01"}`, http.StatusAccepted)
	if got := told(t, s, http.MethodGet, path, "", http.StatusOK); got["state"] != "decommission_requested" {
		t.Errorf("it is %v", got["state"])
	}
	refused(t, ask(s, http.MethodGet, path+"/change-request", ""), notFound, "no change request")
	refused(t, ask(s, http.MethodPost, path+"/change-request", `{"product_offering":"line-1000"}`), unableToFulfill, "decommission_requested")
}

func TestAnOfferingChangesInItsBandwidthOnly(t *testing.T) {
	s := stocked(t)
	path := line(t, s, "line-1000", "1000")
	for body, why := range map[string]string{
		`{}`:                                                 "product_offering is required",
		`{"product_offering":"nothing"}`:                     "product_offering there is no such record",
		`{"product_offering":"line-100"}`:                    "does not allow a downgrade",
		`{"product_offering":"po:tree"}`:                     "is of type p2mp_vc",
		`{"product_offering":"line-over"}`:                   "could not be ordered after",
		`{"product_offering":"line-elsewhere"}`:              `differs in more than its bandwidth: service_metro_area is "metro:BER"`,
		`{"product_offering":"line-1000","capacity":1001}`:   "capacity is more than the 1000",
		`{"product_offering":"line-1000","capacity":99}`:     "capacity is less than the 100",
		`{"product_offering":"line-1000","capacity":500}`:    "does not allow a downgrade",
		`{"product_offering":"line-1000","capacity":"fast"}`: "capacity is not an integer",
	} {
		refused(t, ask(s, http.MethodPost, path+"/change-request", body), validationError, why)
	}
	refused(t, ask(s, http.MethodPost, "/network-services/service:20001/change-request", `{"product_offering":"po:tree","capacity":5}`), validationError, "capacity is not a matter")
}

func TestRoutingFunctionsAreKept(t *testing.T) {
	s := stocked(t)
	got := told(t, s, http.MethodPost, "/routing-functions", of(`"product_offering":"router","asn":64500,"capacity":100`), http.StatusCreated)
	path := "/routing-functions/" + got["id"].(string)
	if got = told(t, s, http.MethodPatch, path, `{"capacity":200}`, http.StatusOK); got["capacity"] != 200.0 || got["state"] != "production" {
		t.Errorf("%v", got)
	}
	refused(t, ask(s, http.MethodPatch, path, `{"capacity":501}`), validationError, "capacity is more than")
	refused(t, ask(s, http.MethodPost, "/routing-functions", of(`"product_offering":"line-100","asn":0`)), validationError, "asn is not between")
	if err := s.Put("network-service-configs", json.RawMessage(`{"id":"routed","state":"production","routing_function":"`+got["id"].(string)+`"}`)); err != nil {
		t.Fatal(err)
	}
	refused(t, ask(s, http.MethodDelete, path, ""), unableToFulfill, "routed")
	if err := s.Delete("network-service-configs", "routed"); err != nil {
		t.Fatal(err)
	}
	told(t, s, http.MethodDelete, path, "", http.StatusAccepted)
	if got = told(t, s, http.MethodGet, path, "", http.StatusOK); got["state"] != "decommissioned" {
		t.Errorf("%v", got)
	}
}

// join asks whether an account may have a config of a service.
func join(s *Server, service, account string, capacity int64, handover int) *problem {
	return s.transact(principal{operator: true}, func(o *order) *problem {
		o.collection, o.id, o.new = "network-service-configs", "new", store.Object{"handover": handover}
		asked := &capacity
		if capacity == 0 {
			asked = nil
		}
		return o.mayJoin(o.Get("network-services", service), account, asked)
	})
}

func TestWhoMayJoinAService(t *testing.T) {
	s := stocked(t)
	line := told(t, s, http.MethodPost, "/network-services", of(`"type":"p2p_vc","product_offering":"line-100","joining_member_account":"account:1005"`), http.StatusCreated)
	group := told(t, s, http.MethodPost, "/network-services", of(`"type":"mp2mp_vc","product_offering":"po:group","name":"G"`), http.StatusCreated)
	open := told(t, s, http.MethodPost, "/network-services", of(`"type":"p2mp_vc","product_offering":"po:tree","name":"T","public":true`), http.StatusCreated)
	cloud := told(t, s, http.MethodPost, "/network-services", of(`"type":"cloud_vc","product_offering":"po:cloud","cloud_key":"k"`), http.StatusCreated)
	ended := told(t, s, http.MethodPost, "/network-services", of(`"type":"p2mp_vc","product_offering":"po:tree","name":"E"`), http.StatusCreated)
	told(t, s, http.MethodDelete, "/network-services/"+ended["id"].(string), "", http.StatusAccepted)
	rule := func(kind string, service map[string]any, account, more string) {
		t.Helper()
		told(t, s, http.MethodPost, "/member-joining-rules", fmt.Sprintf(`{"type":%q,"managing_account":"account:1004","consuming_account":%q,"network_service":%q%s}`,
			kind, account, service["id"], more), http.StatusCreated)
	}
	rule("allow", group, "account:1005", `,"capacity_min":100,"capacity_max":200`)
	rule("deny", group, "account:1006", "")
	rule("deny", open, "account:1006", "")
	for i, config := range []string{
		fmt.Sprintf(`"network_service":%q,"consuming_account":"account:1005"`, line["id"]),
		fmt.Sprintf(`"network_service":%q,"consuming_account":"account:1004","handover":1`, cloud["id"]),
	} {
		if err := s.Put("network-service-configs", json.RawMessage(fmt.Sprintf(`{"id":"c%d","state":"production",%s}`, i, config))); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		service   any
		account   string
		capacity  int64
		handover  int
		kind, why string
	}{
		{"service:lan-peering", "account:1033", 0, 0, "", ""},
		{line["id"], "account:1004", 0, 0, "", ""},
		{line["id"], "account:1005", 0, 0, validationError, "has this end already: c0"},
		{line["id"], "account:1006", 0, 0, permissionDenied, "at neither end"},
		{group["id"], "account:1004", 0, 0, "", ""},
		{group["id"], "account:1005", 0, 0, "", ""},
		{group["id"], "account:1005", 100, 0, "", ""},
		{group["id"], "account:1005", 10_000, 0, "", ""}, // the rule's greatest capacity comes before the config's
		{group["id"], "account:1005", 99, 0, validationError, "is less than the 100 Mbit/s"},
		{group["id"], "account:1006", 0, 0, permissionDenied, "is denied"},
		{group["id"], "account:1007", 0, 0, permissionDenied, "no rule allows"},
		{open["id"], "account:1007", 0, 0, "", ""},
		{open["id"], "account:1006", 0, 0, permissionDenied, "is denied"},
		{cloud["id"], "account:1004", 0, 2, "", ""},
		{cloud["id"], "account:1004", 0, 1, validationError, "has a config already"},
		{cloud["id"], "account:1004", 0, 3, validationError, "is not between 1 and 2"},
		{cloud["id"], "account:1005", 0, 2, permissionDenied, "is of another account"},
		{ended["id"], "account:1004", 0, 0, validationError, "is in state decommission"},
	} {
		p := join(s, test.service.(string), test.account, test.capacity, test.handover)
		if test.kind == "" && p != nil || test.kind != "" && (p == nil || p.Type != test.kind || !strings.Contains(fmt.Sprint(p.Detail, p.Properties), test.why)) {
			t.Errorf("%v joins %v with %d, %d: %+v, want %s %s", test.account, test.service, test.capacity, test.handover, p, test.kind, test.why)
		}
	}
}

func TestEveryConfigOfTheMetroMayBeWhereItIs(t *testing.T) {
	s := anonymous(t)
	for _, c := range s.store.Now().List("network-service-configs") {
		config, err := c.Object()
		if err != nil {
			t.Fatal(err)
		}
		id, _ := config.Text("network_service")
		account, _ := config.Text("consuming_account")
		kind, _ := config.Text("type")
		if kind == "vpls_vc" || account == "" || !inService(c) {
			continue
		}
		var old store.Object
		if kind == "cloud_vc" { // accounts share some of these
			old = config
		}
		if p := s.transact(principal{operator: true}, func(o *order) *problem {
			o.collection, o.id, o.old, o.new = "network-service-configs", c.ID, old, config
			return o.mayJoin(o.Get("network-services", id), account, nil)
		}); p != nil {
			t.Errorf("%s: %+v", c.ID, p)
		}
	}
}

func TestJoiningRulesAreTheManagersOne(t *testing.T) {
	doc := schema(t)
	s := stocked(t)
	const tree = "service:20001"
	order := func(kind, account, more string) string {
		return fmt.Sprintf(`{"type":%q,"managing_account":"account:1004","consuming_account":%q,"network_service":%q%s}`, kind, account, tree, more)
	}
	rule := told(t, s, http.MethodPost, "/member-joining-rules", order("allow", "account:1030", `,"capacity_max":100`), http.StatusCreated)
	conforms(t, doc, "/member-joining-rules", http.MethodPost, http.StatusCreated, rule)
	listed := func() bool {
		list, _ := told(t, s, http.MethodGet, "/network-services/"+tree, "", http.StatusOK)["member_joining_rules"].([]any)
		return slices.Contains(list, rule["id"])
	}
	if !listed() {
		t.Error("the service does not list the rule")
	}
	for body, why := range map[string]string{
		order("permit", "account:1031", ""):                                           "type is not one of allow, deny",
		order("allow", "account:1030", ""):                                            "consuming_account has rule " + rule["id"].(string),
		order("deny", "account:1030", ""):                                             "consuming_account has rule",
		order("allow", "account:1031", `,"capacity_min":0`):                           "capacity_min is not between",
		order("allow", "account:1031", `,"capacity_min":9,"capacity_max":8`):          "capacity_max is less than capacity_min",
		strings.ReplaceAll(order("allow", "account:1031", ""), tree, "service:20007"): "network_service is of type p2p_vc",
		strings.ReplaceAll(order("allow", "account:1031", ""), tree, "nothing"):       "network_service there is no such record",
	} {
		refused(t, ask(s, http.MethodPost, "/member-joining-rules", body), validationError, why)
	}
	refused(t, ask(s, http.MethodPost, "/member-joining-rules", strings.Replace(order("allow", "account:1031", ""), "account:1004", "account:1006", 1)),
		permissionDenied, "managed by another account")
	path := "/member-joining-rules/" + rule["id"].(string)
	if got := told(t, s, http.MethodPatch, path, `{"capacity_min":50}`, http.StatusOK); got["capacity_min"] != 50.0 || got["capacity_max"] != 100.0 {
		t.Errorf("%v", got)
	}
	refused(t, ask(s, http.MethodPatch, path, `{"type":"deny"}`), validationError, "type cannot change")
	refused(t, ask(s, http.MethodPatch, path, `{"network_service":"service:20004"}`), validationError, "network_service cannot change")
	told(t, s, http.MethodDelete, path, "", http.StatusOK)
	if listed() {
		t.Error("the service still lists the rule")
	}
	refused(t, ask(s, http.MethodGet, path, ""), notFound, "no such record")
}

func TestARuleStaysWhileSomebodyReliesOnIt(t *testing.T) {
	s := stocked(t)
	var rule, config string
	for _, r := range s.store.Now().List("member-joining-rules") {
		service, _ := r.Text("network_service")
		account, _ := r.Text("consuming_account")
		for _, c := range inServiceOf(s.store.Now(), "network-service-configs", "network_service", service) {
			if of, _ := c.Text("consuming_account"); of == account && !owns(s.store.Now().Get("network-services", service), account) {
				rule, config = r.ID, c.ID
			}
		}
	}
	refused(t, ask(s, http.MethodDelete, "/member-joining-rules/"+rule, ""), unableToFulfill, config)
	refused(t, ask(s, http.MethodPatch, "/member-joining-rules/"+rule, `{"consuming_account":"account:1033"}`), unableToFulfill, config)
	told(t, s, http.MethodPatch, "/member-joining-rules/"+rule, `{"external_ref":"mine"}`, http.StatusOK)
}

func TestTheMemberAtTheOtherEndTakesPartInAChange(t *testing.T) {
	s := market(t, Options{})
	for id, most := range map[string]int{"slow": 100, "fast": 1000} {
		err := s.Put("product-offerings", json.RawMessage(fmt.Sprintf(`{"id":%q,"type":"p2p_vc","resource_type":"network_service","upgrade_allowed":true,"bandwidth_max":%d}`, id, most)))
		if err != nil {
			t.Fatal(err)
		}
	}
	owner, member, stranger := s.as(t, "c"), s.as(t, "d"), s.as(t, "r")
	path := "/network-services/" + owner.told(http.MethodPost, "/network-services", `{"type":"p2p_vc","managing_account":"c","consuming_account":"c","billing_account":"c",
		"product_offering":"slow","joining_member_account":"d"}`, http.StatusCreated)["id"].(string)
	change := path + "/change-request"
	member.told(http.MethodPost, change, `{"product_offering":"fast"}`, http.StatusAccepted)
	owner.told(http.MethodGet, path, "", http.StatusOK) // nobody has a config: it is over
	member.refused(http.MethodGet, change, "", http.StatusNotFound, notFound)
	if got := owner.told(http.MethodGet, path, "", http.StatusOK); got["product_offering"] != "fast" || got["capacity"] != 1000.0 {
		t.Errorf("%v", got)
	}
	// That is all that it may do.
	member.refused(http.MethodPatch, path, `{}`, http.StatusForbidden, permissionDenied)
	member.refused(http.MethodDelete, path, "", http.StatusForbidden, permissionDenied)
	member.refused(http.MethodGet, path+"/cancellation-policy", "", http.StatusForbidden, permissionDenied)
	owner.told(http.MethodGet, path+"/cancellation-policy", "", http.StatusOK)
	for _, below := range []string{"", "/change-request", "/cancellation-policy"} {
		stranger.refused(http.MethodGet, path+below, "", http.StatusNotFound, notFound)
	}
	stranger.refused(http.MethodPost, change, `{"product_offering":"slow"}`, http.StatusNotFound, notFound)
}

func TestOnlyItsManagerSaysWhoJoinsAService(t *testing.T) {
	s := market(t, Options{})
	rule := `{"type":"allow","managing_account":%q,"consuming_account":"x","network_service":"closed"}`
	s.as(t, "c").refused(http.MethodPost, "/member-joining-rules", fmt.Sprintf(rule, "c"), http.StatusForbidden, permissionDenied)
	s.as(t, "c").refused(http.MethodPost, "/member-joining-rules", fmt.Sprintf(rule, "d"), http.StatusForbidden, permissionDenied)
	s.as(t, "c").refused(http.MethodDelete, "/member-joining-rules/rule-c", "", http.StatusForbidden, permissionDenied)
	s.as(t, "r").refused(http.MethodPost, "/member-joining-rules", fmt.Sprintf(rule, "r"), http.StatusBadRequest, validationError)
	s.as(t, "d").told(http.MethodPost, "/member-joining-rules", fmt.Sprintf(rule, "d"), http.StatusCreated)
}

func TestProblemsNameNothingThatIsNotSeen(t *testing.T) {
	s := market(t, Options{})
	got := s.as(t, "r").refused(http.MethodDelete, "/connections/conn-r", "", http.StatusBadRequest, unableToFulfill)
	if !strings.Contains(got.Detail, "nsc-s1, nsc-s2, nsc-c") {
		t.Errorf("%s", got.Detail)
	}
	err := s.Put("network-service-configs", json.RawMessage(`{"id":"hidden-of-d","state":"production","managing_account":"d","consuming_account":"d","network_service":"lan","connection":"conn-r"}`))
	if err != nil {
		t.Fatal(err)
	}
	got = s.as(t, "r").refused(http.MethodDelete, "/connections/conn-r", "", http.StatusBadRequest, unableToFulfill)
	if !strings.Contains(got.Detail, "and 1 of others") || strings.Contains(got.Detail, "hidden") {
		t.Errorf("%s", got.Detail)
	}
}
