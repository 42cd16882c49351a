package metro_test

import (
	"encoding/json"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ixagent/ixagent/lab/exchange/metro"
	"github.com/ixagent/ixagent/testdata"
)

func TestCommittedFilesAreWhatTheGeneratorWrites(t *testing.T) {
	files, err := metro.Files()
	if err != nil {
		t.Fatal(err)
	}
	data, err := testdata.Exchange("metro")
	if err != nil {
		t.Fatal(err)
	}
	committed := map[string][]byte{}
	names, err := fs.Glob(data, "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if committed[name], err = fs.ReadFile(data, name); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(committed, files); diff != "" {
		t.Errorf("run go generate ./lab/exchange/metro (-committed +generated):\n%s", diff)
	}
}

// A record is what these tests read of any record.
type record struct {
	ID           string
	Type         string
	State        *string
	ExternalRef  string `json:"external_ref"`
	Mode         string
	LACPTimeout  string `json:"lacp_timeout"`
	Ports        []string
	VLANTypes    []string `json:"vlan_types"`
	Ethertypes   []string `json:"outer_vlan_ethertypes"`
	Capacity     *int
	Device       string
	Name         *string
	Facility     string
	Connection   *string
	Service      string `json:"network_service"`
	Role         string
	Handover     int
	MACACL       bool     `json:"mac_acl_protection"`
	BandwidthMax *int     `json:"bandwidth_max"`
	MACs         []string `json:"macs"`
	VLAN         *struct {
		Type           string `json:"vlan_type"`
		VLAN           *int
		Ethertype      string `json:"vlan_ethertype"`
		Outer          int    `json:"outer_vlan"`
		OuterEthertype string `json:"outer_vlan_ethertype"`
	} `json:"vlan_config"`
}

func (r *record) state() string {
	if r.State == nil {
		return "redacted"
	}
	return *r.State
}

func (r *record) oddity() string { return strings.TrimPrefix(r.ExternalRef, "case:") }

func (r *record) ethertype(c *record) string {
	switch {
	case r.VLAN.Ethertype != "":
		return r.VLAN.Ethertype
	case r.VLAN.OuterEthertype != "":
		return r.VLAN.OuterEthertype
	}
	return c.Ethertypes[0]
}

type collection map[string]*record

func load(t *testing.T, name string) collection {
	t.Helper()
	data, err := testdata.Exchange("metro")
	if err != nil {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(data, name+".json")
	if err != nil {
		t.Fatal(err)
	}
	var records []*record
	if err := json.Unmarshal(text, &records); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	byID := collection{}
	for _, r := range records {
		if byID[r.ID] != nil {
			t.Errorf("%s: id %q twice", name, r.ID)
		}
		byID[r.ID] = r
	}
	return byID
}

// expect reports every wanted name that was not seen.
func expect(t *testing.T, what string, seen map[string]bool, want ...string) {
	t.Helper()
	for _, name := range want {
		if !seen[name] {
			t.Errorf("no %s shows %s", what, name)
		}
	}
}

var states = []string{
	"requested", "allocated", "testing", "production", "production_change_pending", "decommission_requested", "decommissioned",
	"archived", "error", "operator", "scheduled", "cancelled",
}

func TestSizeIsThatOfAMetro(t *testing.T) {
	for name, want := range map[string]int{
		"facilities": 2, "pops": 2, "devices": 4, "connections": 48, "network-service-configs": 200,
	} {
		if got := len(load(t, name)); got != want {
			t.Errorf("%d %s, want %d", got, name, want)
		}
	}
	odd := 0
	for _, k := range load(t, "network-service-configs") {
		if k.ExternalRef != "" && !strings.HasPrefix(k.oddity(), "state-") {
			odd++
		}
	}
	if odd > 30 {
		t.Errorf("%d odd configs, which are to be a minority of at most 30", odd)
	}
}

func TestEveryStateModeAndOddityIsShown(t *testing.T) {
	modes, connStates, connCases := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, c := range load(t, "connections") {
		modes[strings.TrimSuffix(c.Mode+" "+c.LACPTimeout, " ")] = true
		connStates[c.state()] = true
		connCases[c.oddity()] = true
	}
	expect(t, "connection", modes, "lag_lacp slow", "lag_lacp fast", "lag_static", "standalone", "flex_ethernet")
	expect(t, "connection", connStates, append(states, "redacted", "hibernating")...)
	expect(t, "connection", connCases,
		"flex-ethernet", "two-devices", "no-ports", "mixed-ethertypes", "port-not-alone", "redacted-connection",
		"unknown-connection-state", "capacity-above-limit")

	configStates, configCases := map[string]bool{}, map[string]bool{}
	for _, k := range load(t, "network-service-configs") {
		configStates[k.state()] = true
		configCases[k.oddity()] = true
	}
	expect(t, "config", configStates, append(states, "redacted", "hibernating")...)
	expect(t, "config", configCases,
		"redacted-config", "unknown-state", "unknown-service-type", "vlan-config-null", "vlan-null", "routing-function",
		"id-slashes-spaces", "id-base64", "vlan-collision", "qinq-outer-equals-dot1q", "vlan-type-not-allowed",
		"ethertype-not-allowed", "no-macs", "unknown-connection", "line-one-sided", "capacity-above-limit")

	macCases := map[string]bool{}
	for _, m := range load(t, "macs") {
		macCases[m.oddity()] = true
	}
	expect(t, "MAC", macCases, "", "mac-past", "mac-present", "mac-future", "mac-open-start")
}

// An untagged config has no ethertype of its own: the one of its connection counts.
func TestEveryVLANTypeEthertypeAndServiceTypeIsInProduction(t *testing.T) {
	conns, services := load(t, "connections"), load(t, "network-services")
	seen, variants := map[string]bool{}, map[string]bool{}
	for _, k := range load(t, "network-service-configs") {
		if k.state() != "production" || k.ExternalRef != "" {
			continue
		}
		c := conns[*k.Connection]
		variant := k.Type
		switch k.Type {
		case "p2mp_vc":
			variant += "/" + k.Role
		case "mp2mp_vc":
			variant += map[bool]string{true: "/acl", false: "/open"}[services[k.Service].MACACL]
		case "cloud_vc":
			variant += "/" + string(rune('0'+k.Handover))
		}
		seen[strings.Join([]string{k.VLAN.Type, k.ethertype(c), k.Type}, " ")] = true
		seen[strings.Join([]string{k.VLAN.Type, k.ethertype(c), variant}, " ")] = true
		variants[k.VLAN.Type+" "+variant] = true
	}
	for _, et := range []string{"0x8100", "0x88a8", "0x9100"} {
		for _, kind := range []string{"exchange_lan", "p2p_vc", "p2mp_vc", "mp2mp_vc", "cloud_vc"} {
			expect(t, "config", seen, "port "+et+" "+kind)
		}
		for _, v := range []string{
			"exchange_lan", "p2p_vc", "p2mp_vc/root", "p2mp_vc/leaf", "mp2mp_vc/acl", "mp2mp_vc/open", "cloud_vc/1", "cloud_vc/2",
		} {
			expect(t, "config", seen, "dot1q "+et+" "+v, "qinq "+et+" "+v)
			expect(t, "config", variants, "port "+v)
		}
	}
}

func TestPlainConfigsAreWithoutFault(t *testing.T) {
	conns, services, ports := load(t, "connections"), load(t, "network-services"), load(t, "ports")
	type tag struct {
		connection string
		vlan       int
	}
	taken := map[tag]string{}
	for id, k := range load(t, "network-service-configs") {
		if k.ExternalRef != "" && !strings.HasPrefix(k.oddity(), "state-") {
			continue
		}
		c := conns[*k.Connection]
		switch {
		case services[k.Service] == nil:
			t.Errorf("%s: no service %s", id, k.Service)
		case !slices.Contains(c.VLANTypes, k.VLAN.Type):
			t.Errorf("%s: %s is not allowed on %s", id, k.VLAN.Type, c.ID)
		case !slices.Contains(c.Ethertypes, k.ethertype(c)):
			t.Errorf("%s: %s is not allowed on %s", id, k.ethertype(c), c.ID)
		}
		key := tag{connection: c.ID}
		switch k.VLAN.Type {
		case "dot1q":
			key.vlan = *k.VLAN.VLAN
		case "qinq":
			key.vlan = k.VLAN.Outer
		}
		if other := taken[key]; other != "" {
			t.Errorf("%s and %s are both %d on %s", id, other, key.vlan, c.ID)
		}
		taken[key] = id
	}
	for id, c := range conns {
		if c.ExternalRef != "" {
			continue
		}
		devices := map[string]bool{}
		for _, p := range c.Ports {
			devices[ports[p].Device] = true
			if got := ports[p].Connection; got == nil || *got != id {
				t.Errorf("%s: %s does not name it", id, p)
			}
		}
		if len(devices) != 1 || len(c.Ethertypes) != 1 {
			t.Errorf("%s: %d devices and %d ethertypes, want one of each", id, len(devices), len(c.Ethertypes))
		}
		if (c.Mode == "standalone") != (len(c.Ports) == 1) {
			t.Errorf("%s: %s of %d ports", id, c.Mode, len(c.Ports))
		}
	}
}

func TestServicesReachAcrossTheMetro(t *testing.T) {
	conns, ports, devices := load(t, "connections"), load(t, "ports"), load(t, "devices")
	reach, ends := map[string]map[string]bool{}, map[string]int{}
	for _, k := range load(t, "network-service-configs") {
		if k.ExternalRef != "" {
			continue
		}
		if reach[k.Service] == nil {
			reach[k.Service] = map[string]bool{}
		}
		ends[k.Service]++
		reach[k.Service][ports[conns[*k.Connection].Ports[0]].Device] = true
	}
	seen := map[string]bool{}
	lans := 0
	for id, s := range load(t, "network-services") {
		facilities := map[string]bool{}
		for d := range reach[id] {
			facilities[devices[d].Facility] = true
		}
		switch {
		case s.ExternalRef != "":
		case s.Type == "exchange_lan":
			lans++
		case s.Type == "p2p_vc" && ends[id] != 2:
			t.Errorf("%s: a line of %d ends", id, ends[id])
		case s.Type == "p2p_vc" && len(reach[id]) == 1:
			seen["line inside a switch"] = true
		case s.Type == "p2p_vc" && len(facilities) == 1:
			seen["line inside a site"] = true
		case s.Type == "p2p_vc":
			seen["line between sites"] = true
		case s.Type == "p2mp_vc" && len(reach[id]) >= 3:
			seen["tree over three switches"] = true
		case s.Type == "mp2mp_vc" && len(reach[id]) == 4:
			seen["group over four switches"] = true
		}
	}
	if lans != 2 {
		t.Errorf("%d exchange LANs, want 2", lans)
	}
	expect(t, "service", seen,
		"line inside a switch", "line inside a site", "line between sites", "tree over three switches", "group over four switches")
}

func TestCatalogueIsComplete(t *testing.T) {
	kinds, limited := map[string]bool{}, map[string]bool{}
	for _, o := range load(t, "product-offerings") {
		kinds[o.Type] = true
		limited[o.Type] = limited[o.Type] || o.BandwidthMax != nil
	}
	expect(t, "offering", kinds, "connection", "exchange_lan", "p2p_vc", "p2mp_vc", "mp2mp_vc", "cloud_vc")
	expect(t, "offering with a bandwidth_max", limited, "exchange_lan", "p2p_vc", "cloud_vc")

	rules := map[string]bool{}
	for _, r := range load(t, "member-joining-rules") {
		rules[r.Type] = true
	}
	expect(t, "rule", rules, "allow", "deny")

	features, byFeature := load(t, "network-features"), map[string]bool{}
	for _, n := range load(t, "network-feature-configs") {
		byFeature[n.Type] = true
	}
	expect(t, "feature config", byFeature, "route_server")
	if len(features) != 3 {
		t.Errorf("%d network features, want 3", len(features))
	}

	free, nameless := map[string]bool{}, false
	for _, p := range load(t, "ports") {
		nameless = nameless || p.Name == nil
		if p.Connection == nil {
			free[p.Device] = true
		}
	}
	if len(free) != 4 || !nameless {
		t.Errorf("free ports on %d devices and a nameless port %t, want 4 and true", len(free), nameless)
	}

	capacity := false
	for _, k := range load(t, "network-service-configs") {
		capacity = capacity || k.Type == "exchange_lan" && k.ExternalRef == "" && k.Capacity != nil
	}
	if !capacity {
		t.Error("no plain exchange_lan config has a capacity")
	}
}
