package fabric

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

func TestConnectionsAreFoundByWhatIsSeenOfThem(t *testing.T) {
	d := strict(t, Options{Reported: true})
	var ids []string
	for i := range 5 {
		b := cloud("buyer-lag", 100+i, []int{50, 100, 200, 500, 1000}[i])
		ids = append(ids, d.told("buyer", http.MethodPost, "/connections", strings.Replace(b.String(), `"name":"test"`, fmt.Sprintf(`"name":"Line %d"`, i), 1), 201).uuid())
	}
	d.act("seller", ids[0], "CONNECTION_CREATION_ACCEPTANCE", "")
	one := func(property, operator string, values ...string) string {
		for i, v := range values {
			values[i] = strconv.Quote(v)
		}
		return fmt.Sprintf(`{"property":%q,"operator":%q,"values":[%s]}`, property, operator, strings.Join(values, ","))
	}
	for _, c := range []struct {
		user, filter, want string
	}{
		{"buyer", one("/bandwidth", ">=", "200"), "2 3 4"},
		{"buyer", one("/bandwidth", "<", "100"), "0"},
		{"buyer", one("/bandwidth", "BETWEEN", "100", "200"), "1 2"},
		{"buyer", one("/name", "LIKE", "%3"), "3"},
		{"buyer", one("/name", "ILIKE", "line%"), "0 1 2 3 4"},
		{"buyer", one("/name", "NOT LIKE", "%3"), "0 1 2 4"},
		{"buyer", one("/name", "IN", "Line 1", "Line 2"), "1 2"},
		{"buyer", one("/name", "!=", "Line 1"), "0 2 3 4"},
		{"buyer", one("/state", "=", "PROVISIONING"), "0"},
		{"buyer", one("/aSide/accessPoint/linkProtocol/vlanTag", "=", "103"), "3"},
		{"seller", one("/aSide/accessPoint/linkProtocol/vlanTag", "=", "103"), ""},
		{"seller", one("/aSide/accessPoint/port/uuid", "=", ID("port/buyer-lag")), ""},
		{"seller", one("/zSide/accessPoint/port/uuid", "IS NOT NULL"), "0"},
		{"buyer", one("/zSide/accessPoint/port/uuid", "IS NOT NULL"), ""},
		{"buyer", one("/zSide/accessPoint/port/uuid", "IS NULL"), "0 1 2 3 4"},
		{"buyer", `{"and":[` + one("/bandwidth", ">", "50") + `,{"or":[` + one("/name", "=", "Line 0") + `,` + one("/name", "=", "Line 4") + `]}]}`, "4"},
		{"customer", one("/bandwidth", ">", "0"), ""},
	} {
		list := d.told(c.user, http.MethodPost, "/connections/search", `{"filter":`+c.filter+`,"sort":[{"property":"/bandwidth","direction":"ASC"}]}`, 200)
		var got []string
		for i := range 5 {
			for n, id := range ids {
				if list.at(fmt.Sprintf("data.%d.uuid", i)) == id {
					got = append(got, strconv.Itoa(n))
				}
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s finds %q, want %q", c.user, c.filter, strings.Join(got, " "), c.want)
		}
	}
	for _, body := range []string{
		`[]`, `{"filter":7}`, `{"filter":{"property":"/secret","operator":"=","values":["x"]}}`, `{"filter":{"property":"/name","operator":"~","values":["x"]}}`,
		`{"filter":{"property":"/name","operator":"=","values":[]}}`, `{"filter":{"property":"/name","operator":"=","values":[7]}}`,
		`{"filter":{"property":"/bandwidth","operator":"BETWEEN","values":["7"]}}`, `{"filter":{"and":[],"property":"/name"}}`,
		`{"filter":` + strings.Repeat(`{"and":[`, 20) + one("/name", "=", "x") + strings.Repeat(`]}`, 20) + `}`,
		`{"sort":[{"property":"/inside"}]}`, `{"sort":[{"property":"/name","direction":"UP"}]}`, `{"pagination":{"limit":0}}`, `{"pagination":{"offset":-1}}`,
	} {
		d.refused("buyer", http.MethodPost, "/connections/search", body, 400)
	}
}

func TestPagesAddUp(t *testing.T) {
	d := strict(t, Options{})
	for i := range 7 {
		d.order("buyer", bid{from: "buyer-lag", to: "buyer-dot1q", a: dot1q(100 + i), z: dot1q(200 + i)})
	}
	seen := map[string]bool{}
	for offset := 0; offset < 7; offset += 3 {
		list := d.told("buyer", http.MethodPost, "/connections/search", fmt.Sprintf(`{"pagination":{"offset":%d,"limit":3},"sort":[{"property":"/uuid","direction":"ASC"}]}`, offset), 200)
		if list.at("pagination.total") != "7" || (list.at("pagination.next") == "") != (offset == 6) || (list.at("pagination.previous") == "") != (offset == 0) {
			t.Errorf("%v", list["pagination"])
		}
		for i := range 3 {
			if id := list.at(fmt.Sprintf("data.%d.uuid", i)); id != "" {
				seen[id] = true
			}
		}
	}
	if len(seen) != 7 {
		t.Errorf("%d of 7 connections", len(seen))
	}
	list := d.told("buyer", http.MethodGet, "/ports?limit=2&offset=2", "", 200)
	if list.at("pagination.next") != "/fabric/v4/ports?limit=2&offset=4" || list.at("pagination.previous") != "/fabric/v4/ports?limit=2&offset=0" || list.at("data.1.uuid") == "" {
		t.Errorf("%v", list)
	}
	if list := d.told("buyer", http.MethodGet, "/ports?offset=99", "", 200); list.at("data.0") != "" || list.at("pagination.total") != "6" {
		t.Errorf("%v", list)
	}
	for _, query := range []string{"limit=x", "limit=0", "offset=-1", "limit=99999999999999999999"} {
		d.refused("buyer", http.MethodGet, "/ports?"+query, "", 400)
	}
	if list := d.told("buyer", http.MethodGet, "/ports?name=buyer-lag", "", 200); list.at("pagination.total") != "1" {
		t.Errorf("%v", list)
	}
	list = d.told("buyer", http.MethodPost, "/ports/search", `{"filter":{"and":[{"property":"/physicalPorts/interface/name","operator":"=","values":["Ethernet7"]}]}}`, 200)
	if list.at("pagination.total") != "1" || list.at("data.0.name") != "buyer-lag" {
		t.Errorf("%v", list)
	}
}
