package exchange

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"testing"

	"github.com/ixagent/ixagent/testdata"
)

// moon returns an exchange with the records of the guide, whose connection carries dot1q VLAN 23 and qinq 42.5, and
// whose LAN is 198.51.100.0/24.
func moon(tb testing.TB, o Options) *Server {
	tb.Helper()
	data, err := testdata.Exchange("guide")
	if err != nil {
		tb.Fatal(err)
	}
	o.Data, o.Anonymous = data, true
	return serve(tb, o)
}

// with returns fields, some of them others; those that are absent are left out.
func with(fields map[string]any, more map[string]any) string {
	all := maps.Clone(fields)
	maps.Copy(all, more)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == absent })
	text, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(text)
}

const absent = "absent"

type fields = map[string]any

// peering is an order for a config on the LAN of the guide.
func peering() fields {
	return fields{
		"type": "exchange_lan", "managing_account": "238189294", "consuming_account": "2381982", "billing_account": "238189294",
		"role_assignments": []string{"c-noc:331"}, "network_service": "service:lan", "connection": "connection:1", "product_offering": "po:peering",
		"vlan_config": fields{"vlan_type": "dot1q", "vlan": nil}, "asns": []int{64496}, "macs": []string{"mac:1"}, "listed": true, "capacity": 1000,
	}
}

func order201(tb testing.TB, s *Server, body string) map[string]any {
	tb.Helper()
	return told(tb, s, http.MethodPost, "/network-service-configs", body, http.StatusCreated)
}

func TestAPeeringIsOrderedAndGoesToProduction(t *testing.T) {
	s := moon(t, Options{})
	got := order201(t, s, with(peering(), nil))
	vlan, _ := got["vlan_config"].(map[string]any)
	if got["state"] != "production" || fmt.Sprint(vlan) != "map[vlan:2 vlan_ethertype:0x8100 vlan_type:dot1q]" || len(got["ips"].([]any)) != 2 {
		t.Errorf("%v", got)
	}
	again := told(t, s, http.MethodGet, "/network-service-configs/"+got["id"].(string), "", http.StatusOK)
	if fmt.Sprint(again) != fmt.Sprint(got) {
		t.Errorf("%v is not %v", again, got)
	}
	list := idsOf(t, get(s, "/ips?network_service_config="+got["id"].(string)).Body.Bytes())
	if len(list) != 2 {
		t.Errorf("addresses %v", list)
	}
}
