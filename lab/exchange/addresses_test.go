package exchange

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// addressesOn returns the addresses of a config, with a space between.
func addressesOn(tb testing.TB, s *Server, config string) string {
	tb.Helper()
	var out []string
	for _, id := range idsOf(tb, get(s, "/ips?network_service_config="+config).Body.Bytes()) {
		out = append(out, told(tb, s, http.MethodGet, "/ips/"+id, "", http.StatusOK)["address"].(string))
	}
	return strings.Join(out, " ")
}

func TestAConfigGetsTheFirstAddressesThatAreNobodys(t *testing.T) {
	s := moon(t, Options{})
	// The route server has the first of each, a config the 23rd.
	for i, want := range []string{"198.51.100.2 2001:db8:23::2", "198.51.100.3 2001:db8:23::3"} {
		got := told(t, s, http.MethodPost, configsPath, with(orders()["exchange_lan"], nil), http.StatusCreated)
		if is := addressesOn(t, s, got["id"].(string)); is != want {
			t.Errorf("config %d has %s, want %s", i, is, want)
		}
		ip := told(t, s, http.MethodGet, "/ips/"+got["ips"].([]any)[0].(string), "", http.StatusOK)
		if ip["prefix_length"] != 24.0 || ip["version"] != 4.0 || ip["consuming_account"] != moonAccount || ip["managing_account"] != exchangeAccount {
			t.Errorf("%v", ip)
		}
		conforms(t, schema(t), "/ips/{id}", http.MethodGet, http.StatusOK, ip)
	}
}

func TestALANHasNoMoreAddressesThanHosts(t *testing.T) {
	s := moon(t, Options{})
	copied(t, s, "network-services", "service:lan", "service:lan", fields{"subnet_v4": "192.0.2.0/29", "subnet_v6": nil})
	copied(t, s, "network-features", "feature:rs1", "feature:rs1", fields{"ip_v4": "192.0.2.6"})
	order := with(orders()["exchange_lan"], fields{"capacity": nil})
	for i := range 5 {
		got := told(t, s, http.MethodPost, configsPath, order, http.StatusCreated)
		if is, want := addressesOn(t, s, got["id"].(string)), fmt.Sprintf("192.0.2.%d", i+1); is != want {
			t.Errorf("%s, want %s", is, want)
		}
	}
	before := contents(t, s)
	if out := told(t, s, http.MethodPost, configsPath, order, http.StatusBadRequest); out["type"] != unableToFulfill {
		t.Errorf("%v", out)
	}
	if contents(t, s) != before {
		t.Error("what was refused has changed something")
	}
}

func TestAnAddressRestsBeforeAnotherAccountGetsIt(t *testing.T) {
	c := &clock{at: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	s := moon(t, Options{Clock: c.now})
	order := func(account string) (config, addresses string) {
		got := told(t, s, http.MethodPost, configsPath, with(orders()["exchange_lan"], fields{"consuming_account": account, "macs": absent}), http.StatusCreated)
		return got["id"].(string), addressesOn(t, s, got["id"].(string))
	}
	first, second, third := "198.51.100.2 2001:db8:23::2", "198.51.100.3 2001:db8:23::3", "198.51.100.4 2001:db8:23::4"
	expect := func(account, want string) string {
		t.Helper()
		config, is := order(account)
		if is != want {
			t.Errorf("%s, want %s", is, want)
		}
		return config
	}
	config := expect(moonAccount, first)
	told(t, s, http.MethodDelete, configsPath+"/"+config, "", http.StatusAccepted)
	expect(marsAccount, second) // the day of the end is still to come
	c.at = c.at.AddDate(0, 0, 1)
	expect(marsAccount, third)
	config = expect(moonAccount, first) // its own again
	told(t, s, http.MethodDelete, configsPath+"/"+config, "", http.StatusAccepted)
	c.at = c.at.AddDate(0, 0, 1)
	get(s, "/ips")
	c.at = c.at.AddDate(0, 0, 31)
	expect(marsAccount, first)
}

func TestAddressesFollowAConfigToAnotherAccount(t *testing.T) {
	s := moon(t, Options{})
	got := told(t, s, http.MethodPost, configsPath, with(orders()["exchange_lan"], fields{"macs": absent}), http.StatusCreated)
	told(t, s, http.MethodPatch, configsPath+"/"+got["id"].(string), with(nil, fields{"consuming_account": marsAccount}), http.StatusAccepted)
	for _, id := range got["ips"].([]any) {
		if ip := told(t, s, http.MethodGet, "/ips/"+id.(string), "", http.StatusOK); ip["consuming_account"] != marsAccount {
			t.Errorf("%v", ip)
		}
	}
}

func TestMembersServicesMayHaveTheSamePrefixes(t *testing.T) {
	s := moon(t, Options{})
	for _, id := range []string{"service:g1", "service:g2"} {
		copied(t, s, "network-services", "service:group", id, fields{"subnet_v4": "10.0.0.0/24"})
		for i := range 2 {
			got := told(t, s, http.MethodPost, configsPath, with(orders()["mp2mp_vc"], fields{"network_service": id}), http.StatusCreated)
			if is, want := addressesOn(t, s, got["id"].(string)), fmt.Sprintf("10.0.0.%d", i+1); is != want {
				t.Errorf("%s of %s, want %s", is, id, want)
			}
		}
	}
}

func TestAddressesOfAClientsOwnNetworks(t *testing.T) {
	c := &clock{at: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	s := moon(t, Options{Clock: c.now})
	common := fields{"managing_account": exchangeAccount, "consuming_account": moonAccount, "version": 4, "address": "192.0.2.1", "prefix_length": 24}
	made := told(t, s, http.MethodPost, "/ips", with(common, nil), http.StatusCreated)
	path := "/ips/" + made["id"].(string)
	if got := told(t, s, http.MethodPatch, path, `{"fqdn":"r1.moon.example.net"}`, http.StatusOK); got["fqdn"] != "r1.moon.example.net" || got["address"] != "192.0.2.1" {
		t.Errorf("%v", got)
	}
	if got := told(t, s, http.MethodPut, path, with(common, fields{"address": "192.0.2.9"}), http.StatusOK); got["fqdn"] != nil || got["address"] != "192.0.2.9" {
		t.Errorf("%v", got)
	}
	told(t, s, http.MethodDelete, path, "", http.StatusMethodNotAllowed)
	six := told(t, s, http.MethodPost, "/ips", with(common, fields{"version": 6, "address": "2001:DB8:0::1", "prefix_length": 64}), http.StatusCreated)
	if six["address"] != "2001:db8::1" {
		t.Errorf("%v", six)
	}
	for body, want := range map[string]string{
		with(common, fields{"address": "192.0.2.9"}):     "address",
		with(common, fields{"address": "2001:db8::77"}):  "address",
		with(common, fields{"address": "192.0.2.300"}):   "address",
		with(common, fields{"address": "fe80::1%eth0"}):  "address",
		with(common, fields{"version": 5}):               "version",
		with(common, fields{"prefix_length": 33}):        "prefix_length",
		with(common, fields{"fqdn": 1}):                  "fqdn",
		with(common, fields{"consuming_account": "who"}): "consuming_account",
		with(common, fields{"address": "192.0.2.7", "valid_not_before": "2026-06-01T00:00:00Z", "valid_not_after": "2026-05-20T00:00:00Z"}): "valid_not_after",
	} {
		out := told(t, s, http.MethodPost, "/ips", body, http.StatusBadRequest)
		if list := out["properties"].([]any); len(list) != 1 || list[0].(fields)["name"] != want {
			t.Errorf("%s: %v, want %s", body, list, want)
		}
	}
}

// A customer names no addresses of a LAN.
func TestNobodyButTheExchangeAssignsAddressesOfItsLAN(t *testing.T) {
	s := moon(t, Options{})
	for body, old := range map[string]map[string]any{
		"198.51.100.99": nil,
		"192.0.2.1":     {"address": "198.51.100.23"},
	} {
		p := s.transact(principal{account: moonAccount}, func(o *order) *problem {
			o.old, o.new = old, map[string]any{"version": 4, "address": body, "prefix_length": 24}
			return orderIP(o)
		})
		if p == nil || len(p.Properties) != 1 || p.Properties[0].Name != "address" {
			t.Errorf("%s: %v", body, p)
		}
	}
}

func TestAnAddressIsRegisteredOnceByEachAccount(t *testing.T) {
	c := &clock{at: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	s := moon(t, Options{Clock: c.now})
	mac := fields{"managing_account": exchangeAccount, "consuming_account": moonAccount, "address": "02:00:5e:00:53:01", "valid_not_after": "2026-06-01T00:00:00Z"}
	made := told(t, s, http.MethodPost, "/macs", with(mac, nil), http.StatusCreated)
	refused := func(more fields, want string) {
		t.Helper()
		out := told(t, s, http.MethodPost, "/macs", with(mac, more), http.StatusBadRequest)
		if list := out["properties"].([]any); len(list) != 1 || list[0].(fields)["name"] != want {
			t.Errorf("%v, want %s", list, want)
		}
	}
	refused(nil, "address")
	refused(fields{"address": "02:00:5e:00:53:02", "valid_not_after": "2026-04-01T00:00:00Z"}, "valid_not_after")
	refused(fields{"address": "02:00:5e:00:53:02", "valid_not_before": "2026-06-01T00:00:00Z"}, "valid_not_after")
	told(t, s, http.MethodPost, "/macs", with(mac, fields{"consuming_account": marsAccount}), http.StatusCreated)
	config := told(t, s, http.MethodPost, configsPath, with(orders()["exchange_lan"], fields{"macs": []any{made["id"]}}), http.StatusCreated)
	told(t, s, http.MethodDelete, "/macs/"+made["id"].(string), "", http.StatusBadRequest)
	c.at = c.at.AddDate(0, 2, 0)
	told(t, s, http.MethodPost, "/macs", with(mac, fields{"valid_not_after": nil}), http.StatusCreated) // the other is over
	told(t, s, http.MethodDelete, configsPath+"/"+config["id"].(string), "", http.StatusAccepted)
	c.at = c.at.AddDate(0, 0, 1)
	told(t, s, http.MethodDelete, "/macs/"+made["id"].(string), "", http.StatusOK)
}
