package exchange

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/testdata"
)

type fields = map[string]any

// moon returns an exchange with the records of the guide: the LAN 198.51.100.0/24, and a connection that carries dot1q
// VLAN 23 and qinq 42.5. Beside them there is a line, a tree and a cloud, and a second account.
func moon(tb testing.TB, o Options) *Server {
	tb.Helper()
	data, err := testdata.Exchange("guide")
	if err != nil {
		tb.Fatal(err)
	}
	o.Data, o.Anonymous = data, true
	s := serve(tb, o)
	sell(tb, s)
	return s
}

const exchangeAccount, moonAccount, marsAccount = "238189294", "2381982", "mars"

func sell(tb testing.TB, s *Server) {
	tb.Helper()
	copied(tb, s, "accounts", moonAccount, marsAccount, fields{"name": "Mars Base Networks"})
	copied(tb, s, "macs", "mac:1", "mac:mars", fields{"consuming_account": marsAccount})
	copied(tb, s, "connections", "connection:1", "connection:2", fields{"capacity_allocation_limit": nil, "outer_vlan_ethertypes": []string{"0x8100", "0x88a8"}})
	for _, kind := range []string{"p2p_vc", "p2mp_vc", "cloud_vc"} {
		copied(tb, s, "product-offerings", "po:group", "po:"+kind, fields{"type": kind, "bandwidth_min": 10, "bandwidth_max": 5000})
		copied(tb, s, "network-services", "service:group", "service:"+kind, fields{
			"type": kind, "consuming_account": moonAccount, "joining_member_account": marsAccount,
			"product_offering": "po:" + kind, "nsc_product_offerings": []string{}, "diversity": 2, "capacity": 500,
		})
	}
	for _, r := range []struct{ collection, text string }{
		{"roles", `{"id":"role:peering","name":"peering","required_fields":[]}`},
		{"metro-area-networks", `{"id":"man:far","name":"FAR","metro_area":"met:29381993","service_provider":"Far","pops":[]}`},
	} {
		if err := s.Put(r.collection, []byte(r.text)); err != nil {
			tb.Fatal(err)
		}
	}
}

// copied puts a record that is another one with other fields.
func copied(tb testing.TB, s *Server, collection, from, id string, more fields) {
	tb.Helper()
	text, err := s.Get(collection, from)
	var record fields
	if err == nil {
		err = json.Unmarshal(text, &record)
	}
	if err == nil {
		more["id"] = id
		err = s.Put(collection, []byte(with(record, more)))
	}
	if err != nil {
		tb.Fatal(err)
	}
}

const absent = "absent"

// with returns fields, some of them others, as JSON; those that are absent are left out.
func with(all, more fields) string {
	all = maps.Collect(maps.All(all))
	maps.Copy(all, more)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == absent })
	text, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func vlan(number any) fields { return fields{"vlan_type": "dot1q", "vlan": number} }

// orders are orders for a config of each type.
func orders() map[string]fields {
	common := fields{
		"managing_account": exchangeAccount, "consuming_account": moonAccount, "billing_account": exchangeAccount,
		"role_assignments": []string{"c-noc:331"}, "connection": "connection:1", "vlan_config": vlan(nil),
	}
	all := map[string]fields{
		"exchange_lan": {"network_service": "service:lan", "product_offering": "po:peering", "asns": []int{64496}, "macs": []string{"mac:1"}, "capacity": 1000},
		"p2p_vc":       {"network_service": "service:p2p_vc"},
		"p2mp_vc":      {"network_service": "service:p2mp_vc", "role": "root"},
		"mp2mp_vc":     {"network_service": "service:group"},
		"cloud_vc":     {"network_service": "service:cloud_vc", "handover": 1},
	}
	for kind, own := range all {
		own["type"] = kind
		maps.Copy(own, common)
	}
	return all
}

const configsPath = "/network-service-configs"

func TestEachRuleOfAConfigHasItsProblem(t *testing.T) {
	many := make([]string, lanMACs+1)
	for i := range many {
		many[i] = fmt.Sprintf("mac-%d", i+1)
	}
	s := moon(t, Options{})
	odd(t, s)
	for name, test := range map[string]struct {
		kind string
		more fields
		want string // type and properties
	}{
		"nothing":                 {"", fields{"type": absent}, "validation-error type"},
		"no service":              {"exchange_lan", fields{"network_service": absent}, "validation-error network_service"},
		"an unknown service":      {"exchange_lan", fields{"network_service": "x"}, "validation-error network_service"},
		"a service of a type":     {"p2mp_vc", fields{"network_service": "service:group"}, "validation-error network_service"},
		"a service that ended":    {"p2mp_vc", fields{"network_service": "service:over"}, "validation-error network_service"},
		"no connection":           {"p2mp_vc", fields{"connection": absent, "vlan_config": absent}, "validation-error connection"},
		"an unknown connection":   {"p2mp_vc", fields{"connection": "x"}, "validation-error connection"},
		"a connection that ended": {"p2mp_vc", fields{"connection": "connection:over"}, "validation-error connection"},
		"one that is far away":    {"p2mp_vc", fields{"connection": "connection:far"}, "validation-error connection"},
		"a routing function, too": {"p2mp_vc", fields{"routing_function": "rf:1"}, "validation-error routing_function"},
		"an unknown account":      {"p2mp_vc", fields{"consuming_account": "x", "billing_account": "y"}, "validation-error consuming_account billing_account"},
		"no tags":                 {"p2mp_vc", fields{"vlan_config": absent}, "validation-error vlan_config"},
		"tags that are null":      {"p2mp_vc", fields{"vlan_config": nil}, "validation-error vlan_config"},
		"tags of no type":         {"p2mp_vc", fields{"vlan_config": fields{"vlan": 5}}, "validation-error vlan_config.vlan_type"},
		"a VLAN too great":        {"p2mp_vc", fields{"vlan_config": vlan(4095)}, "validation-error vlan_config.vlan"},
		"no inner VLAN":           {"p2mp_vc", fields{"vlan_config": fields{"vlan_type": "qinq"}}, "validation-error vlan_config.inner_vlan"},
		"a VLAN type not offered": {"p2mp_vc", fields{"connection": "connection:plain", "vlan_config": fields{"vlan_type": "qinq", "inner_vlan": 5}}, "validation-error vlan_config.vlan_type"},
		"an ethertype of none":    {"p2mp_vc", fields{"vlan_config": fields{"vlan_type": "dot1q", "vlan_ethertype": "0x9200"}}, "validation-error vlan_config.vlan_ethertype"},
		"one not offered":         {"p2mp_vc", fields{"vlan_config": fields{"vlan_type": "qinq", "outer_vlan_ethertype": "0x9100", "inner_vlan": 5}}, "validation-error vlan_config.outer_vlan_ethertype"},
		"a VLAN that is taken":    {"p2mp_vc", fields{"vlan_config": vlan(23)}, "validation-error vlan_config.vlan"},
		"one taken as outer":      {"p2mp_vc", fields{"vlan_config": vlan(42)}, "validation-error vlan_config.vlan"},
		"an outer one taken":      {"p2mp_vc", fields{"vlan_config": fields{"vlan_type": "qinq", "outer_vlan": 23, "inner_vlan": 1}}, "validation-error vlan_config.outer_vlan"},
		"a pair taken":            {"p2mp_vc", fields{"vlan_config": fields{"vlan_type": "qinq", "outer_vlan": 42, "inner_vlan": 5}}, "validation-error vlan_config.outer_vlan"},
		"the port of others":      {"p2mp_vc", fields{"vlan_config": fields{"vlan_type": "port"}}, "validation-error vlan_config.vlan_type"},
		"a whole port's":          {"p2mp_vc", fields{"connection": "connection:plain"}, "validation-error vlan_config.vlan_type"},
		"no VLAN is left":         {"p2mp_vc", fields{"connection": "connection:full"}, "unable-to-fulfill"},
		"no capacity":             {"p2mp_vc", fields{"capacity": 0}, "validation-error capacity"},
		"less than is offered":    {"p2mp_vc", fields{"capacity": 9}, "validation-error capacity"},
		"more than is offered":    {"p2mp_vc", fields{"capacity": 5001}, "validation-error capacity"},
		"more than is left":       {"exchange_lan", fields{"capacity": 23001}, "validation-error capacity"},
		"an offering of a type":   {"exchange_lan", fields{"product_offering": "po:group"}, "validation-error product_offering"},
		"of another LAN":          {"exchange_lan", fields{"product_offering": "po:elsewhere"}, "validation-error product_offering"},
		"of another service":      {"p2mp_vc", fields{"product_offering": "po:other"}, "validation-error product_offering"},
		"no offering":             {"exchange_lan", fields{"product_offering": absent}, "validation-error product_offering"},
		"nobody in a role":        {"exchange_lan", fields{"role_assignments": []string{"c-impl:123"}}, "validation-error role_assignments"},
		"no ASN":                  {"exchange_lan", fields{"asns": []int{}}, "validation-error asns"},
		"an ASN too great":        {"exchange_lan", fields{"asns": []int{1 << 32}}, "validation-error asns.0"},
		"an unknown MAC":          {"exchange_lan", fields{"macs": []string{"mac:1", "x"}}, "validation-error macs.1"},
		"another account's MAC":   {"exchange_lan", fields{"macs": []string{"mac:mars"}}, "validation-error macs.0"},
		"a MAC in use":            {"exchange_lan", fields{"macs": []string{"mac:mars"}, "consuming_account": marsAccount}, "validation-error macs.0"},
		"too many MACs":           {"exchange_lan", fields{"macs": many}, "validation-error macs"},
		"a role of none":          {"p2mp_vc", fields{"role": "branch"}, "validation-error role"},
		"a line of others":        {"p2p_vc", fields{"consuming_account": exchangeAccount}, "permission-denied"},
		"a group that is closed":  {"mp2mp_vc", fields{"consuming_account": marsAccount}, "permission-denied"},
		"no handover":             {"cloud_vc", fields{"handover": absent}, "validation-error handover"},
		"more than is diverse":    {"cloud_vc", fields{"handover": 3}, "validation-error handover"},
		"a VLAN of a single":      {"cloud_vc", fields{"cloud_vlan": 5, "cloud_config": fields{"vlan": 5}}, "validation-error cloud_vlan cloud_config.vlan"},
		"a cloud config, wrong":   {"cloud_vc", fields{"cloud_config": fields{"bgp_neighbor_asn": "x", "bfd": 1}}, "validation-error cloud_config.bgp_neighbor_asn cloud_config.bfd"},
		"a layer 3, wrong":        {"p2mp_vc", fields{"l3_config": []int{}}, "validation-error l3_config"},
	} {
		t.Run(name, func(t *testing.T) {
			before, version := contents(t, s), s.store.Now().Version
			status := http.StatusBadRequest
			if test.want == "permission-denied" {
				status = http.StatusForbidden
			}
			out := told(t, s, http.MethodPost, configsPath, with(orders()[test.kind], test.more), status)
			got := strings.TrimSuffix(strings.TrimPrefix(out["type"].(string), problemPrefix), ".html")
			list, _ := out["properties"].([]any)
			for _, p := range list {
				got += " " + p.(fields)["name"].(string)
			}
			if got != test.want {
				t.Errorf("%s, want %s: %v", got, test.want, out)
			}
			if contents(t, s) != before || s.store.Now().Version != version {
				t.Error("what was refused has changed something")
			}
		})
	}
}

// contents is all that is stored, as text.
func contents(tb testing.TB, s *Server) string {
	tb.Helper()
	var out strings.Builder
	for _, collection := range slices.Sorted(maps.Keys(s.collections)) {
		for _, r := range s.store.Now().List(collection) {
			fmt.Fprintf(&out, "%s %s\n", collection, r.Raw)
		}
	}
	return out.String()
}

// odd adds records that cannot be ordered from: an ended service, a connection in another network, one that is full...
func odd(tb testing.TB, s *Server) {
	tb.Helper()
	copied(tb, s, "network-services", "service:p2mp_vc", "service:over", fields{"state": "decommissioned"})
	copied(tb, s, "connections", "connection:1", "connection:over", fields{"state": "archived"})
	copied(tb, s, "connections", "connection:1", "connection:far", fields{"metro_area_network": "man:far"})
	copied(tb, s, "connections", "connection:1", "connection:plain", fields{"vlan_types": []string{"port", "dot1q"}})
	copied(tb, s, "connections", "connection:1", "connection:full", fields{})
	copied(tb, s, "network-service-configs", "nsc:1", "nsc:port", fields{"connection": "connection:plain", "vlan_config": fields{"vlan_type": "port"}})
	copied(tb, s, "product-offerings", "po:peering", "po:elsewhere", fields{"exchange_lan_network_service": "service:other"})
	copied(tb, s, "product-offerings", "po:p2mp_vc", "po:other", fields{})
	if err := s.Put("routing-functions", []byte(`{"id":"rf:1","state":"production"}`)); err != nil {
		tb.Fatal(err)
	}
	var full []json.RawMessage
	for v := firstVLAN; v <= maxVLAN; v++ {
		full = append(full, json.RawMessage(fmt.Sprintf(`{"id":"full:%d","connection":"connection:full","state":"production","vlan_config":{"vlan_type":"dot1q","vlan":%d,"vlan_ethertype":"0x8100"}}`, v, v)))
	}
	macs := []json.RawMessage{}
	for i := range lanMACs + 1 {
		macs = append(macs, json.RawMessage(fmt.Sprintf(`{"id":"mac-%d","consuming_account":"2381982","address":"02:00:00:00:00:%02x"}`, i+1, i)))
	}
	if err := s.PutAll(map[string][]json.RawMessage{"network-service-configs": full, "macs": macs}); err != nil {
		tb.Fatal(err)
	}
}

func TestConfigsOfAllTypesAreOrderedAsTheSchemaHasThem(t *testing.T) {
	s := moon(t, Options{})
	doc := schema(t)
	for _, kind := range serviceTypes() {
		order := orders()[kind]
		got := told(t, s, http.MethodPost, configsPath, with(order, nil), http.StatusCreated)
		path := configsPath + "/" + got["id"].(string)
		if again := told(t, s, http.MethodGet, path, "", http.StatusOK); fmt.Sprint(again) != fmt.Sprint(got) {
			t.Errorf("%s: %v is not %v", kind, again, got)
		}
		for _, name := range []string{
			"state", "status", "current_billing_start_date", "managing_account", "consuming_account", "external_ref",
			"billing_account", "purchase_order", "contract_ref", "role_assignments", "network_service", "connection", "routing_function", "l3_config",
			"vlan_config", "network_feature_configs", "product_offering",
		} {
			if _, there := got[name]; !there {
				t.Errorf("%s has no %s", kind, name)
			}
		}
		conforms(t, doc, configsPath, http.MethodPost, http.StatusCreated, got)
		// What is sent again, as it was or as it was answered, changes nothing.
		for _, sent := range []string{with(order, nil), with(got, nil)} {
			for _, method := range []string{http.MethodPut, http.MethodPatch} {
				before := contents(t, s)
				told(t, s, method, path, sent, http.StatusAccepted)
				if after := contents(t, s); after != before {
					t.Errorf("%s of %s has changed something:\n%s\n%s", method, sent, before, after)
				}
			}
		}
	}
}

func TestTheExchangeChoosesWhatCollidesWithNothing(t *testing.T) {
	s := moon(t, Options{})
	order := orders()["p2mp_vc"]
	for _, test := range []struct {
		vlans fields
		want  string
	}{
		{vlan(nil), "map[vlan:2 vlan_ethertype:0x8100 vlan_type:dot1q]"},
		{fields{"vlan_type": "dot1q"}, "map[vlan:3 vlan_ethertype:0x8100 vlan_type:dot1q]"},
		{vlan(5), "map[vlan:5 vlan_ethertype:0x8100 vlan_type:dot1q]"},
		{fields{"vlan_type": "qinq", "outer_vlan": nil, "inner_vlan": 7}, "map[inner_vlan:7 outer_vlan:4 outer_vlan_ethertype:0x8100 vlan_type:qinq]"},
		{fields{"vlan_type": "qinq", "outer_vlan": nil, "inner_vlan": 7}, "map[inner_vlan:7 outer_vlan:6 outer_vlan_ethertype:0x8100 vlan_type:qinq]"},
	} {
		got := told(t, s, http.MethodPost, configsPath, with(order, fields{"vlan_config": test.vlans}), http.StatusCreated)
		if fmt.Sprint(got["vlan_config"]) != test.want {
			t.Errorf("%v, want %s", got["vlan_config"], test.want)
		}
	}
}

func TestAVLANThatNobodyHasChosenIsChosenAtTheNextChange(t *testing.T) {
	s := serve(t, Options{Anonymous: true})
	const path = configsPath + "/nsc:40187" // case:vlan-null
	got := told(t, s, http.MethodPatch, path, `{"external_ref":"mine"}`, http.StatusAccepted)
	if vlan, _ := got["vlan_config"].(fields); vlan["vlan"] == nil || got["state"] != "production" {
		t.Errorf("%v", got)
	}
}

func TestAVLANIsTakenUntilItsConfigIsDecommissioned(t *testing.T) {
	c := &clock{at: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	s := moon(t, Options{Clock: c.now})
	order := with(orders()["p2mp_vc"], fields{"vlan_config": vlan(100)})
	path := configsPath + "/" + told(t, s, http.MethodPost, configsPath, order, http.StatusCreated)["id"].(string)
	if got := told(t, s, http.MethodDelete, path, `{"decommission_at":"2026-05-20"}`, http.StatusAccepted); got["state"] != "decommission_requested" {
		t.Fatalf("%v", got)
	}
	told(t, s, http.MethodPost, configsPath, order, http.StatusBadRequest)
	told(t, s, http.MethodPatch, path, `{"capacity":100}`, http.StatusBadRequest)
	c.at = c.at.AddDate(0, 0, 30)
	told(t, s, http.MethodPost, configsPath, order, http.StatusCreated)
	if got := told(t, s, http.MethodGet, path, "", http.StatusOK); got["state"] != "decommissioned" || fmt.Sprint(got["vlan_config"]) != "map[vlan:100 vlan_ethertype:0x8100 vlan_type:dot1q]" {
		t.Errorf("%v", got)
	}
}

func TestALineHasTwoEndsThatWaitForEachOther(t *testing.T) {
	s := moon(t, Options{})
	order := orders()["p2p_vc"]
	a := told(t, s, http.MethodPost, configsPath, with(order, nil), http.StatusCreated)
	if a["state"] != "requested" || !strings.Contains(fmt.Sprint(a["status"]), "other_end_missing") {
		t.Fatalf("%v", a)
	}
	told(t, s, http.MethodPost, configsPath, with(order, nil), http.StatusBadRequest)
	b := told(t, s, http.MethodPost, configsPath, with(order, fields{"consuming_account": marsAccount, "connection": "connection:2"}), http.StatusCreated)
	a = told(t, s, http.MethodGet, configsPath+"/"+a["id"].(string), "", http.StatusOK)
	if a["state"] != "production" || b["state"] != "production" || len(a["status"].([]any)) != 0 {
		t.Errorf("%v, %v", a, b)
	}
}

func TestAConfigWaitsForWhatItNeeds(t *testing.T) {
	s := moon(t, Options{})
	patch := func(collection, id, body string) {
		t.Helper()
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPatch, officePath+"/"+collection+"/"+id, strings.NewReader(body)))
		if w.Code != http.StatusOK {
			t.Fatal(w.Body)
		}
	}
	patch("network-features", "feature:rs1", `{"required":true}`)
	patch("connections", "connection:2", `{"state":"allocated"}`)
	body := with(orders()["exchange_lan"], fields{"connection": "connection:2", "consumer_side_ready": false})
	got := told(t, s, http.MethodPost, configsPath, body, http.StatusCreated)
	path := configsPath + "/" + got["id"].(string)
	tags := func() (out []string) {
		got := told(t, s, http.MethodGet, path, "", http.StatusOK)
		for _, m := range got["status"].([]any) {
			out = append(out, m.(fields)["tag"].(string))
		}
		return append(out, got["state"].(string))
	}
	want := func(all ...string) {
		t.Helper()
		if got := tags(); !slices.Equal(got, all) {
			t.Errorf("%v, want %v", got, all)
		}
	}
	want("connection_not_ready", "consumer_side_not_ready", "network_feature_missing", "requested")
	if m := fmt.Sprint(got["status"]); !strings.Contains(m, "network feature rs1 is required") {
		t.Error(m)
	}
	patch("connections", "connection:2", `{"state":"production"}`)
	want("consumer_side_not_ready", "network_feature_missing", "requested")
	told(t, s, http.MethodPatch, path, `{"consumer_side_ready":true}`, http.StatusAccepted)
	want("network_feature_missing", "requested")
	if p := s.transact(principal{operator: true}, func(o *order) *problem {
		return o.keep("network-feature-configs", map[string]any{"id": "nfc:2", "state": "requested", "network_feature": "feature:rs1", "network_service_config": got["id"]})
	}); p != nil {
		t.Fatal(p)
	}
	want("production")
}

// drawOrder draws an order for tags on one of two connections.
func drawOrder(t *rapid.T) string {
	small := rapid.Custom(func(t *rapid.T) any {
		if n := rapid.IntRange(1, 5).Draw(t, "vlan"); n > 1 {
			return n
		}
		return nil
	})
	ethertype := rapid.SampledFrom([]string{"0x8100", "0x88a8"}).Draw(t, "ethertype")
	tags := rapid.SampledFrom([]fields{
		{"vlan_type": "port"},
		{"vlan_type": "dot1q", "vlan": small.Draw(t, "vlan"), "vlan_ethertype": ethertype},
		{"vlan_type": "dot1q", "vlan": small.Draw(t, "vlan"), "vlan_ethertype": ethertype},
		{"vlan_type": "qinq", "outer_vlan": small.Draw(t, "outer"), "inner_vlan": rapid.IntRange(1, 3).Draw(t, "inner"), "outer_vlan_ethertype": ethertype},
	}).Draw(t, "tags")
	return with(orders()["p2mp_vc"], fields{
		"vlan_config": tags, "connection": rapid.SampledFrom([]string{"connection:1", "connection:2"}).Draw(t, "connection"),
		"capacity": rapid.SampledFrom([]any{nil, 10, 5000}).Draw(t, "capacity"),
	})
}

// clash is the definition of a collision (IX-API, vlan_config), said another way than the exchange does.
func clash(a, b fields) bool {
	x, y := a["vlan_config"].(fields), b["vlan_config"].(fields)
	if a["connection"] != b["connection"] {
		return false
	}
	if x["vlan_type"] == "port" || y["vlan_type"] == "port" {
		return true
	}
	first := func(v fields) string {
		if v["vlan_type"] == "dot1q" {
			return fmt.Sprint(v["vlan_ethertype"], v["vlan"])
		}
		return fmt.Sprint(v["outer_vlan_ethertype"], v["outer_vlan"])
	}
	return first(x) == first(y) && (x["vlan_type"] != y["vlan_type"] || x["vlan_type"] == "dot1q" || x["inner_vlan"] == y["inner_vlan"])
}

func TestWhatIsAcceptedNeverCollidesAndWhatIsRefusedChangesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := moon(t, Options{})
		var ids []string
		for range rapid.IntRange(1, 25).Draw(rt, "orders") {
			before := contents(t, s)
			method, path, body := http.MethodPost, configsPath, drawOrder(rt)
			if len(ids) > 0 {
				switch rapid.IntRange(0, 3).Draw(rt, "what") {
				case 0:
					method, path = http.MethodPatch, configsPath+"/"+rapid.SampledFrom(ids).Draw(rt, "id")
				case 1:
					method, path, body = http.MethodDelete, configsPath+"/"+rapid.SampledFrom(ids).Draw(rt, "id"), ""
				}
			}
			w := ask(s, method, path, body)
			if w.Code >= 300 {
				if after := contents(t, s); after != before {
					rt.Fatalf("%s %s %s was refused and has changed something", method, path, body)
				}
			} else if method == http.MethodPost {
				var made fields
				if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil {
					rt.Fatal(err)
				}
				ids = append(ids, made["id"].(string))
			}
			var all []fields
			if err := json.Unmarshal(get(s, configsPath).Body.Bytes(), &all); err != nil {
				rt.Fatal(err)
			}
			all = slices.DeleteFunc(all, func(c fields) bool {
				return slices.Contains([]any{"decommissioned", "cancelled", "archived"}, c["state"])
			})
			for i, a := range all {
				for _, b := range all[:i] {
					if clash(a, b) {
						rt.Fatalf("after %s %s: %v and %v", method, body, a, b)
					}
				}
			}
		}
	})
}

// Records that were not ordered here may be anything.
func TestNoStoredRecordBreaksARule(t *testing.T) {
	for _, reported := range []bool{false, true} {
		s := serve(t, Options{Anonymous: true, Reported: reported})
		sequence := 0
		for _, collection := range []string{"network-service-configs", "connections", "macs", "ips"} {
			for _, r := range s.store.Now().List(collection) {
				at := "/" + collection + "/" + url.PathEscape(r.ID)
				try := func(method, path, body string) {
					if w := ask(s, method, path, body); w.Code >= 500 {
						t.Errorf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
					}
				}
				try(http.MethodPatch, at, `{"external_ref":"mine"}`)
				if state := s.store.Now().Get(collection, r.ID).State(); state != r.State() && !slices.Contains([]string{"", "requested", "error"}, r.State()) {
					t.Errorf("%s is %s after a change of nothing, and was %s", r.ID, state, r.State())
				}
				for _, result := range []string{"provisioned", "pending", "failed", "rejected", "removed", "inactive"} {
					sequence++
					if w := report(t, s, collection+"/"+r.ID, sequence, time.Now(), result, "", message(3, "x")); w.Code != http.StatusAccepted {
						t.Errorf("%s %s: %d %s", result, r.ID, w.Code, w.Body)
					}
				}
				for _, body := range []string{string(r.Raw), "{}", `{"vlan_config":{"vlan_type":"dot1q"},"connection":null}`, `{"macs":[],"capacity":null}`} {
					try(http.MethodPatch, at, body)
					try(http.MethodPut, at, body)
					try(http.MethodPost, "/"+collection, body)
				}
				try(http.MethodDelete, at, "")
			}
		}
	}
}
