package exchange

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// small is a folder in which every filter can tell one record from another.
func small() map[string]string {
	return map[string]string{
		"accounts": `[
			{"id":"x","state":"production","managing_account":null,"name":"Exchange","billing_information":{"name":"X"},"asns":[65551]},
			{"id":"a","state":"production","managing_account":"x","name":"Alder","external_ref":"ref-a","asns":[64496,64497]},
			{"id":"z","state":"archived","managing_account":"x","name":"Gone"}]`,
		"availability-zones":  `[{"id":"1","name":"red"},{"id":"2","name":"blue"}]`,
		"metro-areas":         `[{"id":"fra"},{"id":"ber"}]`,
		"metro-area-networks": `[{"id":"man-fra","name":"FRA","metro_area":"fra","service_provider":"X"},{"id":"man-ber","name":"BER","metro_area":"ber","service_provider":"Y"}]`,
		"facilities": `[
			{"id":"f1","metro_area":"fra","organisation_name":"Colo","address_country":"DE","address_locality":"Frankfurt","postal_code":"60314","pops":["p1"]},
			{"id":"f2","metro_area":"ber","organisation_name":"Halls","address_country":"NL","address_locality":"Berlin","postal_code":"10115","pops":["p2"]}]`,
		"pops":    `[{"id":"p1","facility":"f1","metro_area_network":"man-fra","devices":["d1"]},{"id":"p2","facility":"f2","metro_area_network":"man-ber","devices":["d2","lost"]}]`,
		"devices": `[{"id":"d1","name":"sw1","facility":"f1","pop":"p1","capabilities":[{"media_type":"10GBASE-LR","speed":10000}]},{"id":"d2","name":"sw2","facility":"f2","pop":"p2","capabilities":[{"media_type":"100GBASE-LR4","speed":100000}]}]`,
		"ports": `[
			{"id":"1","state":"production","managing_account":"x","consuming_account":"a","external_ref":"r","media_type":"10GBASE-LR","pop":"p1","name":"Ethernet1","device":"d1","speed":10000,"connection":"c1"},
			{"id":"2","state":"allocated","managing_account":"y","consuming_account":"b","external_ref":null,"media_type":"100GBASE-LR4","pop":"p2","name":null,"device":"d2","speed":100000,"connection":null}]`,
		"port-reservations": `[{"id":"1","state":"requested","external_ref":"r","connection":"c1","port":"1"},{"id":"2","state":"production","connection":"c2","port":"2"}]`,
		"connections": `[
			{"id":"c1","state":"production","managing_account":"x","consuming_account":"a","external_ref":"r","mode":"lag_lacp","name":"one","metro_area":"fra","metro_area_network":"man-fra","pop":"p1","role_assignments":["ra1"]},
			{"id":"c2","state":"error","managing_account":"y","consuming_account":"b","mode":"standalone","name":"two","metro_area":"ber","metro_area_network":"man-ber","pop":"p2","role_assignments":["ra2","ra3"]},
			{"id":"c3","state":"archived"},
			{"id":"c4"}]`,
		"network-services": `[
			{"id":"s1","type":"exchange_lan","state":"production","managing_account":"x","consuming_account":"x","external_ref":"r","metro_area_network":"man-fra","product_offering":"o1"},
			{"id":"s2","type":"cloud_vc","state":"testing","managing_account":"a","consuming_account":"a","product_offering":"o2","cloud_key":"key"}]`,
		"network-service-configs": `[
			{"id":"n1","type":"exchange_lan","state":"production","managing_account":"x","consuming_account":"a","external_ref":"r","network_service":"s1","connection":"c1","product_offering":"o1","capacity":100,"vlan_config":{"vlan_type":"qinq","outer_vlan":7,"inner_vlan":8},"role_assignments":["ra1"],"macs":["m1"],"ips":["i1"]},
			{"id":"n2","type":"cloud_vc","state":"operator","managing_account":"y","consuming_account":"b","network_service":"s2","connection":null,"vlan_config":null,"role_assignments":["ra2"]}]`,
		"network-features": `[{"id":"nf1","type":"route_server","required":true,"network_service":"s1","name":"rs1"},{"id":"nf2","type":"other","required":false,"network_service":"s2","name":"rs2"}]`,
		"network-feature-configs": `[
			{"id":"nc1","type":"route_server","state":"production","managing_account":"x","consuming_account":"a","external_ref":"r","network_service_config":"n1","network_feature":"nf1","role_assignments":["ra1"],"ip":"i1"},
			{"id":"nc2","type":"other","state":"error","managing_account":"y","consuming_account":"b","network_service_config":"n2","network_feature":"nf2","role_assignments":["ra2"],"ip":"i2"}]`,
		"macs": `[
			{"id":"m1","managing_account":"x","consuming_account":"a","external_ref":"r","address":"02:00:00:00:00:0a","valid_not_before":"2026-01-01T00:00:00Z","valid_not_after":"2026-12-31T00:00:00Z"},
			{"id":"m2","managing_account":"y","consuming_account":"b","address":"02:00:00:00:00:0b","valid_not_before":"2027-01-01T00:00:00Z","valid_not_after":null}]`,
		"ips": `[
			{"id":"i1","managing_account":"x","consuming_account":"a","external_ref":"r","version":4,"prefix_length":24,"fqdn":"a.example.net","valid_not_before":"2026-01-01T00:00:00Z","valid_not_after":"2026-12-31T00:00:00Z"},
			{"id":"i2","managing_account":"y","consuming_account":"b","version":6,"prefix_length":64}]`,
		"product-offerings": `[
			{"id":"o1","type":"exchange_lan","resource_type":"network_service_config","name":"peering","handover_metro_area":"fra","handover_metro_area_network":"man-fra","handover_pop":"p1","service_metro_area":"fra","service_metro_area_network":"man-fra","service_provider":"X","physical_port_speed":10000,"downgrade_allowed":true,"upgrade_allowed":false,"bandwidth_min":null,"bandwidth_max":1000,"contract_initial_period":"P1Y","contract_initial_notice_period":"P1M","contract_renewal_period":"P1Y","contract_renewal_notice_period":"P1M"},
			{"id":"o2","type":"cloud_vc","resource_type":"network_service","name":"cloud","handover_metro_area":"ber","handover_metro_area_network":"man-ber","service_metro_area":"ber","service_metro_area_network":"man-ber","service_provider":"Y","downgrade_allowed":false,"upgrade_allowed":true,"bandwidth_min":2000,"bandwidth_max":null,"service_provider_region":"eu","service_provider_pop":"FRA1","service_provider_workflow":"provider_first","delivery_method":"shared"},
			{"id":"o3","type":"cloud_vc","name":"other cloud","bandwidth_min":5000,"bandwidth_max":6000,"service_provider_workflow":"provider_first","delivery_method":"dedicated"}]`,
		"member-joining-rules": `[{"id":"1","managing_account":"x","consuming_account":"a","external_ref":"r","network_service":"s1"},{"id":"2","managing_account":"y","consuming_account":"b","network_service":"s2"}]`,
		"routing-functions":    `[{"id":"1","state":"production","managing_account":"x","consuming_account":"a","external_ref":"r","asn":64496},{"id":"2","state":"error","managing_account":"y","consuming_account":"b","asn":64497}]`,
		"roles":                `[{"id":"noc","name":"noc"},{"id":"impl","name":"implementation"}]`,
		"role-assignments":     `[{"id":"ra1","contact":"k1","role":"noc"},{"id":"ra2","contact":"k2","role":"impl"},{"id":"ra3","contact":"k1","role":"noc"}]`,
		"contacts":             `[{"id":"k1","managing_account":"x","consuming_account":"a","external_ref":"r"},{"id":"k2","managing_account":"y","consuming_account":"b"}]`,
	}
}

func TestEveryFilterChooses(t *testing.T) {
	s := serve(t, Options{Anonymous: true, Data: folder(small())})
	owned := map[string]string{"managing_account=x": "0", "consuming_account=b": "1", "external_ref=r": "0", "external_ref=": ""}
	capable := map[string]string{
		"capability_media_type=10GBASE-LR": "0", "capability_speed=100000": "1",
		"capability_speed_lt=100000": "0", "capability_speed_lte=10000": "0", "capability_speed_gt=10000": "1", "capability_speed_gte=100000": "1",
		"capability_speed__lt=10000": "", "capability_speed__lte=100000": "01", "capability_speed__gt=9999": "01", "capability_speed__gte=10001": "1",
	}
	// The wanted records are named by their place in the folder.
	wanted := map[string][]map[string]string{
		"accounts": {{
			"": "01", "state=archived": "2", "state=production,archived": "012", "state__is_not=production": "", "managing_account=x": "1",
			"external_ref=ref-a": "1", "name=Alder": "1", "billable=1": "0", "billable=0": "1", "asn=64497": "1", "id=a": "1", "id=x,a,none": "01", "id=a&id=x": "01",
		}},
		"availability-zones":  {{"name=blue": "1"}},
		"metro-areas":         {{"": "01", "id=ber": "1"}},
		"metro-area-networks": {{"name=FRA": "0", "metro_area=ber": "1", "service_provider=Y": "1"}},
		"facilities": {capable, {
			"organisation_name=Colo": "0", "metro_area=ber": "1", "metro_area_network=man-fra": "0", "address_country=NL": "1",
			"address_locality=Frankfurt": "0", "postal_code=10115": "1",
		}},
		"pops":              {capable, {"facility=f1": "0", "metro_area_network=man-ber": "1"}},
		"devices":           {capable, {"name=sw2": "1", "facility=f1": "0", "pop=p2": "1", "metro_area_network=man-fra": "0"}},
		"ports":             {owned, {"state=allocated": "1", "state__is_not=allocated": "0", "media_type=10GBASE-LR": "0", "pop=p2": "1", "name=Ethernet1": "0", "device=d2": "1", "speed=10000": "0", "connection=c1": "0"}},
		"port-reservations": {{"state=requested": "0", "state__is_not=requested": "1", "external_ref=r": "0", "connection=c2": "1", "port=1": "0"}},
		"connections": {owned, {
			"": "013", "state=archived": "2", "state=error": "1", "state__is_not=error": "03", "mode=lag_lacp": "0", "mode=lag_lacp,standalone": "01",
			"mode__is_not=lag_lacp": "13", "name=two": "1", "metro_area=fra": "0", "metro_area_network=man-ber": "1", "pop=p1": "0", "facility=f2": "1",
			"role_assignments=ra3,ra9": "1", "contacts=k1": "01", "contacts=k2": "1", "supported_network_service=s1": "0", "supported_network_service=s2": "1",
			"supported_network_service=none": "", "id=c3": "", "id=c3&state=archived": "2", "mode=lag_lacp&pop=p2": "", "unheard=of": "013",
		}},
		"network-services": {{
			"type=cloud_vc": "1", "state=testing": "1", "state__is_not=testing": "0", "managing_account=x": "0", "consuming_account=a": "1", "external_ref=r": "0",
			"product_offering=o2": "1", "pop=p1": "0", "pop=p2": "1", "pop=none": "",
		}},
		"network-service-configs": {owned, {
			"type=cloud_vc": "1", "state=operator": "1", "state__is_not=operator": "0", "inner_vlan=8": "0", "outer_vlan=7": "0", "outer_vlan=8": "", "capacity=100": "0",
			"network_service=s2": "1", "connection=c1": "0", "product_offering=o1": "0", "role_assignments=ra2": "1", "contacts=k1": "0",
		}},
		"network-features": {{"type=route_server": "0", "required=true": "0", "required=0": "1", "network_service=s2": "1", "name=rs1": "0"}},
		"network-feature-configs": {owned, {
			"type=route_server": "0", "state=error": "1", "state__is_not=error": "0", "network_service_config=n2": "1", "service_config=n1": "0", "network_feature=nf2": "1",
			"role_assignments=ra1": "0", "contacts=k2": "1",
		}},
		"macs": {owned, {
			"address=02:00:00:00:00:0A": "0", "network_service_config=n1": "0", "network_service_config=n2": "", "valid_not_before=2027-01-01T01:00:00%2B01:00": "1",
			"valid_not_after=2026-12-31T00:00:00Z": "0", "assigned_at=2026-07-01T00:00:00Z": "0", "assigned_at=2040-01-01T00:00:00Z": "1",
		}},
		"ips": {owned, {
			"network_service=s1": "0", "network_service_config=n1": "0", "network_feature=nf2": "1", "network_feature_config=nc1": "0", "version=6": "1",
			"fqdn=a.example.net": "0", "prefix_length=64": "1", "valid_not_before=2026-01-01T00:00:00Z": "0", "valid_not_after=2026-12-31T00:00:00Z": "0",
		}},
		"product-offerings": {{
			"type=cloud_vc": "12", "resource_type=network_service": "1", "name=cloud": "1", "handover_metro_area=fra": "0", "handover_metro_area_network=man-ber": "1",
			"handover_pop=p1": "0", "service_metro_area=ber": "1", "service_metro_area_network=man-fra": "0", "service_provider=Y": "1", "service_provider_region=eu": "1",
			"service_provider_pop=FRA1": "1", "downgrade_allowed=true": "0", "upgrade_allowed=true": "1", "physical_port_speed=10000": "0", "delivery_method=shared": "1",
			"bandwidth=500": "0", "bandwidth=3000": "1", "cloud_key=key": "1", "contract_initial_period=P1Y": "0", "contract_initial_notice_period=P1M": "0",
			"contract_renewal_period=P1Y": "0", "contract_renewal_notice_period=P1M": "0",
		}},
		"member-joining-rules": {owned, {"network_service=s2": "1"}},
		"routing-functions":    {owned, {"state=error": "1", "state__is_not=error": "0", "asn=64497": "1"}},
		"roles":                {{"name=noc": "0", "contact=k2": "1"}},
		"role-assignments":     {{"contact=k1": "02", "role=impl": "1"}},
		"contacts":             {owned},
	}
	tried := map[string]bool{}
	for collection, groups := range wanted {
		all := idsOf(t, []byte(small()[collection]))
		for _, group := range groups {
			for query, places := range group {
				want := []string{}
				for _, place := range places {
					want = append(want, all[place-'0'])
				}
				w := get(s, "/"+collection+"?"+query)
				if diff := cmp.Diff(want, idsOf(t, w.Body.Bytes())); w.Code != http.StatusOK || diff != "" {
					t.Errorf("%s?%s: %d (-want +got)\n%s", collection, query, w.Code, diff)
				}
				for _, parameter := range strings.Split(query, "&") {
					name, _, _ := strings.Cut(parameter, "=")
					tried[collection+"?"+name] = true
				}
			}
		}
	}
	for name, c := range s.collections {
		for parameter := range c.filters {
			if parameter != "id" && !tried[name+"?"+parameter] {
				t.Errorf("%s?%s was not tried", name, parameter)
			}
		}
	}
}

func TestBadValuesAreNamed(t *testing.T) {
	s := anonymous(t)
	for query, want := range map[string]string{
		"connections?state=gone":                          "state",
		"connections?state=":                              "state",
		"connections?state__is_not=production,gone":       "state__is_not",
		"connections?mode=lag&state=gone":                 "mode state",
		"network-services?type=vpls":                      "type",
		"network-service-configs?outer_vlan=x":            "outer_vlan",
		"network-features?required=perhaps":               "required",
		"accounts?billable=2":                             "billable",
		"accounts?asn=AS64496":                            "asn",
		"devices?capability_speed_lt=fast":                "capability_speed_lt",
		"macs?valid_not_before=yesterday":                 "valid_not_before",
		"macs?assigned_at=2026-01-01":                     "assigned_at",
		"product-offerings?bandwidth=1G":                  "bandwidth",
		"ports?page_limit=0":                              "page_limit",
		"ports?page_limit=-1&page_offset=-1":              "page_limit page_offset",
		"ports?page_offset=99999999999999999999":          "page_offset",
		"ports?page_token=made-up":                        "page_token",
		"ports?page_token=":                               "page_token",
		"ports?name=%zz":                                  "",
		"ports?page_limit=" + strings.Repeat("9", 10_000): "page_limit",
	} {
		p := wantProblem(t, get(s, "/"+query), http.StatusBadRequest, validationError)
		var names []string
		for _, property := range p.Properties {
			names = append(names, property.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%.60s names %q, want %q", query, got, want)
		}
	}
}

func TestOfferingsAreProjectedAndDeduplicated(t *testing.T) {
	s := anonymous(t)
	var got []map[string]any
	if err := json.Unmarshal(get(s, "/product-offerings?fields=resource_type,downgrade_allowed&type=exchange_lan").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{{"type": "exchange_lan", "resource_type": "network_service_config", "downgrade_allowed": true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPagesComeOnlyWhenAsked(t *testing.T) {
	s := anonymous(t)
	w := get(s, "/ports")
	if w.Code != http.StatusOK || w.Header().Get("X-Pagination-Items") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	w = get(s, "/ports?page_limit=10&page_offset=80")
	want := map[string]string{"Limit": "10", "Offset": "80", "Items": "83", "Pages": "9", "Page": "9", "Next": ""}
	for name, value := range want {
		if got := w.Header().Get("X-Pagination-" + name); got != value {
			t.Errorf("X-Pagination-%s: %q, want %q", name, got, value)
		}
	}
	if got := len(idsOf(t, w.Body.Bytes())); w.Code != http.StatusPartialContent || got != 3 {
		t.Errorf("%d with %d records", w.Code, got)
	}
	if w := get(s, "/ports?page_offset=5000"); w.Code != http.StatusPartialContent || w.Body.String() != "[]\n" {
		t.Errorf("beyond the end: %d %s", w.Code, w.Body)
	}
	plain := serve(t, Options{Anonymous: true, Unpaginated: true})
	if w := get(plain, "/ports?page_limit=1"); w.Code != http.StatusOK || len(idsOf(t, w.Body.Bytes())) != 83 {
		t.Errorf("without pagination: %d", w.Code)
	}
	if ask(s, http.MethodHead, "/ports?page_limit=10", "").Header().Get("X-Pagination-Items") != "83" {
		t.Error("HEAD does not tell the number of records")
	}
}

// readPages follows the pages of a list to its end, and calls between them.
func readPages(t interface{ Fatalf(string, ...any) }, s *Server, path string, query url.Values, between func()) []byte {
	var all []json.RawMessage
	for {
		w := get(s, path+"?"+query.Encode())
		if w.Code != http.StatusPartialContent {
			t.Fatalf("%s?%s: %d %s", path, query.Encode(), w.Code, w.Body)
		}
		var records []json.RawMessage
		if err := json.Unmarshal(w.Body.Bytes(), &records); err != nil {
			t.Fatalf("%v", err)
		}
		all = append(all, records...)
		next := w.Header().Get("X-Pagination-Next")
		if next == "" {
			if items := w.Header().Get("X-Pagination-Items"); items != strconv.Itoa(len(all)) {
				t.Fatalf("%d records, %s announced", len(all), items)
			}
			return array(all)
		}
		query.Set("page_offset", next)
		query.Set("page_token", w.Header().Get("X-Pagination-Token"))
		between()
	}
}

func TestPagesAddUpToTheListWhateverChangesMeanwhile(t *testing.T) {
	s := anonymous(t)
	paths := []string{"/network-service-configs", "/connections", "/ports", "/macs", "/metro-areas"}
	rapid.Check(t, func(rt *rapid.T) {
		path := rapid.SampledFrom(paths).Draw(rt, "path")
		query := url.Values{"page_limit": {strconv.Itoa(rapid.IntRange(1, 120).Draw(rt, "limit"))}}
		if rapid.Bool().Draw(rt, "filtered") {
			query.Set("consuming_account", fmt.Sprintf("account:%d", rapid.IntRange(1001, 1010).Draw(rt, "account")))
		}
		plain := url.Values{}
		if query.Has("consuming_account") {
			plain.Set("consuming_account", query.Get("consuming_account"))
		}
		whole := get(s, path+"?"+plain.Encode()).Body.Bytes()
		n := 0
		pages := readPages(rt, s, path, query, func() {
			n++
			id := fmt.Sprintf("between-%d", n)
			if err := s.Put(path[1:], json.RawMessage(`{"id":"`+id+`","consuming_account":"account:1001"}`)); err != nil {
				rt.Fatal(err)
			}
		})
		if !bytes.Equal(pages, whole) {
			rt.Fatalf("pages are not the list:\n%s\n%s", pages, whole)
		}
		for ; n > 0; n-- {
			if err := s.Delete(path[1:], fmt.Sprintf("between-%d", n)); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

func TestPageTokensExpire(t *testing.T) {
	c := &clock{at: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}
	s := serve(t, Options{Anonymous: true, Clock: c.now, PageLifetime: time.Minute})
	token := get(s, "/ports?page_limit=10").Header().Get("X-Pagination-Token")
	second := "/ports?page_limit=10&page_offset=10&page_token=" + token
	c.at = c.at.Add(59 * time.Second)
	if w := get(s, second); w.Code != http.StatusPartialContent {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	c.at = c.at.Add(time.Minute)
	p := wantProblem(t, get(s, second), http.StatusBadRequest, validationError)
	if len(p.Properties) != 1 || p.Properties[0].Name != "page_token" {
		t.Errorf("%+v", p)
	}
	wantProblem(t, get(anonymous(t), second), http.StatusBadRequest, validationError)
}

func TestPinnedSnapshotsAreBounded(t *testing.T) {
	s := anonymous(t)
	for i := range 2 * maxPinned {
		if err := s.Put("ports", json.RawMessage(fmt.Sprintf(`{"id":"p%d"}`, i))); err != nil {
			t.Fatal(err)
		}
		get(s, "/ports?page_limit=1")
	}
	if len(s.pinned) != maxPinned {
		t.Errorf("%d snapshots are kept, want %d", len(s.pinned), maxPinned)
	}
}

// Whatever the query, a list is a list of known records, or one of the problems a client knows.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{
		"", "state=production&mode=lag_lacp", "page_limit=3&page_offset=2", "id=a,b,%2C", "page_token=x", "fields=id,,type", "%zz", "a;b", "state=%00",
		"page_limit=9223372036854775808", "outer_vlan=-1&inner_vlan=1e3", "assigned_at=2026-01-01T00:00:00%2B01:00",
	} {
		f.Add("connections", q)
		f.Add("product-offerings", q)
		f.Add("macs", q)
	}
	s := serve(f, Options{Anonymous: true, Data: folder(small())})
	f.Fuzz(func(t *testing.T, path, query string) {
		r, err := http.NewRequest(http.MethodGet, "http://exchange.example"+basePath+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Path, r.URL.RawQuery = basePath+"/"+path, query
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusOK, http.StatusPartialContent:
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("not JSON: %s", w.Body)
			}
			if w.Code == http.StatusPartialContent && len(idsOf(t, w.Body.Bytes())) > s.options.PageSize {
				t.Error("the page is too large")
			}
		case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed:
			var p problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || !slices.Contains([]string{validationError, notFound, noSpecificType}, p.Type) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		default:
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

func BenchmarkListOfTenThousandConfigs(b *testing.B) {
	var text strings.Builder
	text.WriteByte('[')
	for i := range 10_000 {
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, `{"id":"nsc:%d","type":"p2p_vc","state":"production","connection":"conn:%d","network_service":"s","vlan_config":{"vlan_type":"dot1q","vlan":%d}}`, i, i%100, i%4094+1)
	}
	text.WriteByte(']')
	s := serve(b, Options{Anonymous: true, Data: folder(map[string]string{"network-service-configs": text.String()})})
	for b.Loop() {
		get(s, "/network-service-configs?state=production")
	}
}
