package ixpmanager_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/ixagent/ixagent/lab/exchange"
	"github.com/ixagent/ixagent/lab/exchange/ixpmanager"
	"github.com/ixagent/ixagent/testdata"
)

// serve serves the metro, and returns the exchange and the root of the API.
func serve(t *testing.T) (*exchange.Server, string) {
	t.Helper()
	data, err := testdata.Exchange("metro")
	if err != nil {
		t.Fatal(err)
	}
	x, err := exchange.New(exchange.Options{Data: data, Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(ixpmanager.Handler(x.Store(), "key"))
	t.Cleanup(s.Close)
	return x, s.URL + ixpmanager.Prefix
}

func ask(t *testing.T, url, key string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set(ixpmanager.KeyHeader, key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, text
}

// iface is what is looked at of an interface.
type iface struct {
	Type, Description, Name, Status       string
	Dot1Q, LAGFraming, Shutdown, FastLACP bool
	LAGMaster                             *bool
	LAGMembers                            []string
	VirtualInterfaceID                    int
	RateLimit                             *int `json:"rate_limit"`
	VLANs                                 []struct {
		Number, VLANInterfaceID int
		MACAddresses            []string
		IPAddresses             json.RawMessage
	}
}

// interfaces returns those of a switch.
func interfaces(t *testing.T, root, device string) []iface {
	t.Helper()
	status, text := ask(t, root+"provisioner/layer2interfaces/switch-name/"+device+".json", "key")
	var answer map[string][]iface
	if err := json.Unmarshal(text, &answer); err != nil || status != http.StatusOK {
		t.Fatal(status, err)
	}
	return answer["layer2interfaces"]
}

func of(list []iface, v int) (out []iface) {
	for _, i := range list {
		if i.VirtualInterfaceID == v {
			out = append(out, i)
		}
	}
	return out
}

func TestWhoHasNoKeyIsToldNothing(t *testing.T) {
	_, root := serve(t)
	for key, want := range map[string]int{"": 401, "another": 403, "key": 200} {
		if status, text := ask(t, root+"provisioner/switch/list.json", key); status != want || want != 200 && strings.Contains(string(text), "fra1") {
			t.Errorf("with key %q: %d %s", key, status, text)
		}
	}
	for _, path := range []string{"switch-name/nobody.json", "switch-name/fra1-sw1.yaml", "switch/99.json", "else/fra1-sw1.json"} {
		if status, _ := ask(t, root+"provisioner/vlans/"+path, "key"); status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestSwitchesAndVLANsAreListed(t *testing.T) {
	_, root := serve(t)
	_, text := ask(t, root+"provisioner/switch/list.json", "key")
	var switches struct {
		Switches []struct {
			Name string
			ID   int
		}
	}
	if err := json.Unmarshal(text, &switches); err != nil || len(switches.Switches) != 4 || switches.Switches[0].Name != "fra1-sw1" {
		t.Fatal(err, string(text))
	}
	_, byName := ask(t, root+"provisioner/vlans/switch-name/fra1-sw1.json", "key")
	_, byID := ask(t, root+"provisioner/vlans/switch/1.json", "key")
	if string(byName) != string(byID) {
		t.Errorf("%s, and %s", byName, byID)
	}
	var vlans struct {
		VLANs []struct {
			Name, ConfigName string
			Tag              int
		}
	}
	if err := json.Unmarshal(byName, &vlans); err != nil || len(vlans.VLANs) != 2 || vlans.VLANs[0].Tag != 101 || vlans.VLANs[0].Tag == vlans.VLANs[1].Tag {
		t.Fatal(err, string(byName))
	}
}

func TestOnlyWhatIXPManagerCanSayIsListed(t *testing.T) {
	x, root := serve(t)
	seen := 0
	for _, device := range []string{"fra1-sw1", "fra1-sw2", "fra2-sw1", "fra2-sw2"} {
		for _, i := range interfaces(t, root, device) {
			seen++
			text, err := x.Get("connections", fmt.Sprint("conn:", i.VirtualInterfaceID))
			if err != nil {
				t.Fatal(err)
			}
			var c struct {
				Mode  string
				Ports []string
			}
			if err := json.Unmarshal(text, &c); err != nil {
				t.Fatal(err)
			}
			lag := c.Mode == "lag_lacp"
			if i.Type != "edge" || i.Description == "" || i.Shutdown || len(i.VLANs) == 0 || i.LAGFraming != lag || (i.LAGMaster != nil) != lag {
				t.Errorf("%s: %+v", device, i)
			}
			if !lag && c.Mode != "standalone" || lag && *i.LAGMaster && len(i.LAGMembers) != len(c.Ports) {
				t.Errorf("%s of mode %s with ports %v: %+v", device, c.Mode, c.Ports, i)
			}
			for _, v := range i.VLANs {
				text, err := x.Get("network-service-configs", fmt.Sprint("nsc:", v.VLANInterfaceID))
				if err != nil {
					t.Fatal(err)
				}
				var n struct {
					State, Type string
					VLANConfig  struct {
						Type      string `json:"vlan_type"`
						VLAN      int
						Ethertype string `json:"vlan_ethertype"`
					} `json:"vlan_config"`
					MACs     []string
					Capacity *int
				}
				if err := json.Unmarshal(text, &n); err != nil {
					t.Fatal(err)
				}
				if n.Type != "exchange_lan" || (i.Status == "quarantine") != (n.State == "testing") || len(v.MACAddresses) != len(n.MACs) {
					t.Errorf("%s is shown as %+v of %s", text, v, i.Status)
				}
				if i.Dot1Q && (n.VLANConfig.VLAN != v.Number || n.VLANConfig.Ethertype != "0x8100") || !i.Dot1Q && n.VLANConfig.Type != "port" {
					t.Errorf("%s is shown as %+v", text, v)
				}
				if (n.Capacity == nil) != (i.RateLimit == nil) {
					t.Errorf("%s is limited to %v", text, i.RateLimit)
				}
			}
		}
	}
	if seen < 15 {
		t.Errorf("%d interfaces", seen)
	}
}

func TestInterfaceFollowsTheRecords(t *testing.T) {
	x, root := serve(t)
	list := interfaces(t, root, "fra1-sw1")
	i := slices.IndexFunc(list, func(i iface) bool { return !i.LAGFraming && i.Status == "connected" && len(i.VLANs) == 1 })
	v := list[i].VirtualInterfaceID
	config, connection := fmt.Sprint("nsc:", list[i].VLANs[0].VLANInterfaceID), fmt.Sprint("conn:", v)
	patch := func(collection, id, field string, value any) []iface {
		t.Helper()
		text, err := x.Get(collection, id)
		if err != nil {
			t.Fatal(err)
		}
		var record map[string]any
		if err := json.Unmarshal(text, &record); err != nil {
			t.Fatal(err)
		}
		record[field] = value
		if text, err = json.Marshal(record); err != nil {
			t.Fatal(err)
		}
		if err := x.Put(collection, text); err != nil {
			t.Fatal(err)
		}
		return of(interfaces(t, root, "fra1-sw1"), v)
	}
	if now := patch("network-service-configs", config, "capacity", 700); len(now) != 1 || *now[0].RateLimit != 700 {
		t.Errorf("limited: %+v", now)
	}
	if now := patch("network-service-configs", config, "state", "testing"); len(now) != 1 || now[0].Status != "quarantine" {
		t.Errorf("in test: %+v", now)
	}
	if now := patch("network-service-configs", config, "state", "decommissioned"); len(now) != 0 {
		t.Errorf("in no VLAN: %+v", now)
	}
	patch("network-service-configs", config, "state", "production")
	if now := patch("connections", connection, "state", "allocated"); len(now) != 0 {
		t.Errorf("awaiting its cross connect: %+v", now)
	}
	if now := patch("connections", connection, "state", "production"); len(now) != 1 {
		t.Errorf("in production: %+v", now)
	}
	patch("connections", connection, "mode", "lag_lacp")
	now := patch("connections", connection, "lacp_timeout", "fast")
	if len(now) != 2 || !*now[0].LAGMaster || *now[1].LAGMaster || !now[0].FastLACP || now[0].LAGMembers[0] != now[1].Name {
		t.Errorf("a LAG: %+v", now)
	}
	if now := patch("connections", connection, "mode", "lag_static"); len(now) != 0 {
		t.Errorf("static: %+v", now)
	}
}
