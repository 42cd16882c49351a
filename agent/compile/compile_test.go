package compile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/invariant"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// registry has one driver whose profiles differ in what matters to compilation.
func registry() drivers.Registry {
	all := drivers.Capabilities{
		Forms: []switchcfg.Form{switchcfg.Untagged, switchcfg.Single, switchcfg.Double, switchcfg.Stacked, switchcfg.Whole}, TPIDs: switchcfg.TPIDs(), TPIDScope: drivers.PortScope,
		Services: []switchcfg.ServiceType{switchcfg.ServiceLAN, switchcfg.ServiceLine, switchcfg.ServiceTree},
		LACP:     true, VLANTags: true, ServiceMTU: true, VXLAN: true, Filters: true, RateIn: true, RateOut: true, StormControl: true,
	}
	small := all
	small.Forms, small.TPIDs = small.Forms[:2], small.TPIDs[:1]
	small.Services, small.LACP, small.Filters, small.RateOut, small.StormControl, small.ServiceMTU = small.Services[:1], false, false, false, false, false
	circuit := all
	circuit.Forms = all.Forms[:3]
	circuit.TPIDScope, circuit.Limits = drivers.CircuitScope, drivers.Limits{MaxUnit: 4100, LAGMembers: 2, FilterMACs: 1}
	vlans := all
	vlans.Forms, vlans.SinglePasses = all.Forms[:3], true
	vlans.TPIDScope, vlans.ServiceVLAN, vlans.UntaggedUnit = drivers.CircuitScope, true, 4095
	wide := vlans
	wide.Forms, wide.TPIDScope, wide.TPIDDefault = wide.Forms[:2], drivers.PortScope, true
	wide.LineVLAN, wide.PortVLANs = true, true
	return drivers.Registry{"test": {Name: "test", Transport: "gnmi", DefaultPort: 9339, Profiles: []drivers.Profile{{Name: "all", Capabilities: all}, {Name: "small", Capabilities: small}, {Name: "circuit", Capabilities: circuit}, {Name: "vlans", Capabilities: vlans}, {Name: "wide", Capabilities: wide}}}}
}

func testInventory(t testing.TB) *config.Config {
	t.Helper()
	c, err := config.Load(filepath.Join("testdata", "inventory.yaml"), registry())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type records map[ixapi.Collection][]map[string]any

// exchange is a small exchange in good order: a LAG and a single port on sw1 and a port on sw2, each in the LAN.
func exchange() records {
	r := records{
		ixapi.NetworkServices: {
			{"id": "lan", "type": "exchange_lan", "state": "production", "name": "Peering"},
			{"id": "lan-open", "type": "exchange_lan", "state": "production", "name": "Second"},
			{"id": "line", "type": "p2p_vc", "state": "production"},
			{"id": "tree", "type": "p2mp_vc", "state": "production"},
			{"id": "group", "type": "mp2mp_vc", "state": "production"},
			{"id": "guarded", "type": "mp2mp_vc", "state": "production", "mac_acl_protection": true},
			{"id": "cloud", "type": "cloud_vc", "state": "production", "diversity": 2, "capacity": 500, "product_offering": "po-cloud"},
			{"id": "cloud2", "type": "cloud_vc", "state": "production", "diversity": 1, "product_offering": "po-cloud"},
		},
		ixapi.ProductOfferings: {{"id": "po-cloud", "type": "cloud_vc", "service_provider": "Nimbus", "bandwidth_max": 400}, {"id": "po-1g", "type": "exchange_lan", "bandwidth_max": 1000}},
		ixapi.MACs:             {{"id": "m1", "address": "02:00:00:00:00:01"}, {"id": "m2", "address": "02:00:00:00:00:02"}, {"id": "m3", "address": "02:00:00:00:00:03"}},
	}
	for _, p := range strings.Fields("a1 a2 a3 a5 a6 a7 a8 a9 b1 b2 b3 s1 s2 s3 c1 c2 c3 v1 v2 v3 w1 w2 w3") {
		device := map[byte]string{'a': "sw1", 'b': "sw2", 's': "small", 'c': "percircuit", 'v': "vlans", 'w': "wide"}[p[0]]
		r.add(ixapi.Ports, map[string]any{"id": p, "name": strings.ToUpper(p), "device": device, "state": "production"})
	}
	r.add(ixapi.Ports, map[string]any{"id": "port four", "name": "FRA 4", "device": "sw1", "state": "production"})
	r.connection("c1", "lag_lacp", "a1", "a2")
	r.connection("c2", "standalone", "a3")
	r.connection("c3", "standalone", "b1")
	r.lan("n1", "c1", dot1q(100), "m1")
	r.lan("n2", "c2", portTag(), "m2")
	r.lan("n3", "c3", dot1q(100), "m3")
	return r
}

func (r records) add(c ixapi.Collection, record map[string]any) { r[c] = append(r[c], record) }

func (r records) connection(id, mode string, ports ...string) map[string]any {
	c := map[string]any{
		"id": id, "state": "production", "mode": mode, "ports": ports, "consuming_account": "acct-" + id,
		"vlan_types": []string{"port", "dot1q", "qinq"}, "outer_vlan_ethertypes": []string{"0x8100", "0x88a8", "0x9100"},
	}
	if mode == "lag_lacp" {
		c["lacp_timeout"] = "slow"
	}
	r.add(ixapi.Connections, c)
	return c
}

func (r records) config(id, typ, service, connection string, vlan map[string]any) map[string]any {
	n := map[string]any{"id": id, "type": typ, "state": "production", "network_service": service, "connection": connection, "vlan_config": vlan, "consuming_account": "acct-" + connection}
	r.add(ixapi.NetworkServiceConfigs, n)
	return n
}

func (r records) lan(id, connection string, vlan map[string]any, macs ...string) map[string]any {
	n := r.config(id, "exchange_lan", "lan", connection, vlan)
	n["macs"] = macs
	return n
}

func (r records) get(c ixapi.Collection, id string) map[string]any {
	for _, x := range r[c] {
		if x["id"] == id {
			return x
		}
	}
	panic("no " + id)
}

func dot1q(v int, ethertype ...string) map[string]any {
	return map[string]any{"vlan_type": "dot1q", "vlan": v, "vlan_ethertype": cmp.Or(strings.Join(ethertype, ""), "0x8100")}
}

func qinq(outer, inner int, ethertype string) map[string]any {
	return map[string]any{"vlan_type": "qinq", "outer_vlan": outer, "inner_vlan": inner, "outer_vlan_ethertype": ethertype}
}

func portTag() map[string]any { return map[string]any{"vlan_type": "port"} }

// passing lets further tags of a config's frames pass.
func passing(vlan map[string]any) map[string]any {
	vlan["transparent"] = true
	return vlan
}

func (r records) decode(t testing.TB) (*ixapi.Records, []ixapi.RecordFault) {
	t.Helper()
	raw := make(map[ixapi.Collection]ixapi.Raw)
	for _, c := range ixapi.Collections() {
		raw[c] = ixapi.Raw{[]byte("[]")}
	}
	for c, list := range r {
		b, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		raw[c] = ixapi.Raw{b}
	}
	out, faults, err := ixapi.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	return out, faults
}

// story is one rule: what it says, and how the exchange in good order is changed for it.
type story struct {
	name, text string
	edit       func(r records, c *config.Config)
}

func stories() []story {
	const conns, configs, services, macs = ixapi.Connections, ixapi.NetworkServiceConfigs, ixapi.NetworkServices, ixapi.MACs
	out := []story{
		{"good-order", "a LAG, a single port and a port on another switch in one LAN", func(records, *config.Config) {}},
		{"mode-lag-static", "a static LAG has no LACP", func(r records, _ *config.Config) { r.get(conns, "c1")["mode"] = "lag_static" }},
		{"mode-lacp-fast", "lacp_timeout fast", func(r records, _ *config.Config) { r.get(conns, "c1")["lacp_timeout"] = "fast" }},
		{"mode-lacp-timeout-null", "no lacp_timeout is slow", func(r records, _ *config.Config) { r.get(conns, "c1")["lacp_timeout"] = nil }},
		{"mode-lacp-timeout-unknown", "an lacp_timeout of another kind", func(r records, _ *config.Config) { r.get(conns, "c1")["lacp_timeout"] = "glacial" }},
		{"mode-flex", "flex_ethernet is refused with a status, and what stands stays", func(r records, _ *config.Config) { r.get(conns, "c1")["mode"] = "flex_ethernet" }},
		{"mode-unknown", "a mode nobody knows", func(r records, _ *config.Config) { r.get(conns, "c1")["mode"] = "lag_quantum" }},
		{"mode-no-lacp", "LACP on a switch without it", func(r records, _ *config.Config) { r.connection("c9", "lag_lacp", "s1", "s2") }},
		{"ports-none", "a connection without ports", func(r records, _ *config.Config) { r.get(conns, "c1")["ports"] = []string{} }},
		{"ports-unlisted", "a port that the exchange does not list", func(r records, _ *config.Config) { r.get(conns, "c1")["ports"] = []string{"a1", "nowhere"} }},
		{"ports-unmapped", "a port of our switch that is not in the inventory", func(r records, _ *config.Config) {
			r.add(ixapi.Ports, map[string]any{"id": "a99", "name": "A99", "device": "sw1"})
			r.get(conns, "c1")["ports"] = []string{"a1", "a99"}
		}},
		{"ports-apart", "ports on two switches", func(r records, _ *config.Config) { r.get(conns, "c1")["ports"] = []string{"a1", "b2"} }},
		{"ports-elsewhere", "a connection on somebody else's switch is none of our business", func(r records, _ *config.Config) {
			r.add(ixapi.Ports, map[string]any{"id": "x1", "device": "other"})
			r.connection("c9", "standalone", "x1")
			r.lan("n9", "c9", dot1q(9), "m1")
		}},
		{"ports-shared", "one port in two connections", func(r records, _ *config.Config) { r.connection("c9", "standalone", "a3") }},
		{"ports-moved", "the exchange has the port on another device than the inventory", func(r records, _ *config.Config) { r.get(ixapi.Ports, "a3")["device"] = "sw2" }},
		{"ports-by-name", "a port is found by its name where the inventory has no id", func(r records, _ *config.Config) { r.connection("c9", "standalone", "port four") }},
		{"ports-two-standalone", "standalone is exactly one port", func(r records, _ *config.Config) { r.get(conns, "c2")["ports"] = []string{"a3", "a5"} }},
		{"lag-too-large", "more members than the switch allows", func(r records, _ *config.Config) {
			r.connection("c9", "lag_static", "c1", "c2", "c3")
		}},
		{"lag-numbers", "the range of LAG numbers is used up", func(r records, _ *config.Config) {
			for i, p := range []string{"a5", "a6", "a7"} {
				r.connection(fmt.Sprint("c", 7+i), "lag_static", p)
			}
		}},
		{"vlan-dot1q-88a8", "dot1q with the service ethertype", func(r records, _ *config.Config) { r.get(configs, "n1")["vlan_config"] = dot1q(100, "0x88a8") }},
		{"vlan-qinq-88a8", "QinQ 0x88a8", func(r records, _ *config.Config) { r.get(configs, "n1")["vlan_config"] = qinq(100, 7, "0x88a8") }},
		{"vlan-qinq-9100", "QinQ 0x9100", func(r records, _ *config.Config) { r.get(configs, "n1")["vlan_config"] = qinq(100, 7, "0x9100") }},
		{"vlan-qinq-8100", "QinQ 0x8100", func(r records, _ *config.Config) { r.get(configs, "n1")["vlan_config"] = qinq(4094, 4094, "0x8100") }},
		{"vlan-null-config", "vlan_config: null", func(r records, _ *config.Config) { r.get(configs, "n1")["vlan_config"] = nil }},
		{"vlan-null-vlan", "the exchange has not chosen a VLAN", func(r records, _ *config.Config) {
			r.get(configs, "n1")["vlan_config"] = map[string]any{"vlan_type": "dot1q", "vlan": nil}
		}},
		{"vlan-out-of-range", "VLAN 5000 makes the record unreadable", func(r records, _ *config.Config) { r.get(configs, "n1")["vlan_config"] = dot1q(5000) }},
		{"vlan-type-unknown", "a vlan_type nobody knows", func(r records, _ *config.Config) {
			r.get(configs, "n1")["vlan_config"] = map[string]any{"vlan_type": "mpls"}
		}},
		{"vlan-type-not-offered", "a vlan_type the connection does not offer", func(r records, _ *config.Config) { r.get(conns, "c1")["vlan_types"] = []string{"qinq"} }},
		{"vlan-type-unsupported", "QinQ on a switch without it", func(r records, _ *config.Config) {
			r.connection("c9", "standalone", "s1")
			r.config("n9", "mp2mp_vc", "group", "c9", qinq(1, 2, "0x8100"))
		}},
		{"ethertype-not-offered", "an ethertype the connection does not offer", func(r records, _ *config.Config) { r.get(conns, "c1")["outer_vlan_ethertypes"] = []string{"0x9100"} }},
		{"ethertype-unsupported", "an ethertype the switch does not know", func(r records, _ *config.Config) {
			r.connection("c9", "standalone", "s1")
			r.config("n9", "mp2mp_vc", "group", "c9", dot1q(1, "0x88a8"))
		}},
		{"ethertype-unknown", "an ethertype that is none", func(r records, _ *config.Config) { r.get(configs, "n1")["vlan_config"] = dot1q(100, "0x0800") }},
		{"ethertype-mixed", "two ethertypes on a port that knows one: the connection's first wins", func(r records, _ *config.Config) {
			r.config("n9", "mp2mp_vc", "group", "c1", dot1q(200, "0x88a8"))
		}},
		{"ethertype-per-circuit", "two ethertypes, the same VLAN, on a switch that knows them per circuit; double tags get a number it can count to", func(r records, _ *config.Config) {
			r.connection("c9", "standalone", "c1")
			r.lan("n8", "c9", dot1q(200), "m1")
			r.config("n9", "mp2mp_vc", "group", "c9", dot1q(200, "0x88a8"))
			r.config("n99", "p2p_vc", "line", "c9", qinq(300, 1, "0x8100"))
		}},
		{"collision-dot1q", "two configs of one VLAN: both refused, both named, the third goes on", func(r records, _ *config.Config) {
			r.lan("n8", "c1", dot1q(200), "m2")
			r.config("n9", "mp2mp_vc", "group", "c1", dot1q(200))
		}},
		{"collision-qinq", "the same pair of tags twice", func(r records, _ *config.Config) {
			r.lan("n8", "c1", qinq(200, 1, "0x8100"), "m2")
			r.config("n9", "mp2mp_vc", "group", "c1", qinq(200, 1, "0x8100"))
			r.config("n99", "p2p_vc", "line", "c1", qinq(200, 2, "0x8100"))
		}},
		{"collision-outer", "a dot1q VLAN that is a QinQ outer VLAN", func(r records, _ *config.Config) {
			r.config("n9", "mp2mp_vc", "group", "c1", qinq(100, 1, "0x8100"))
		}},
		{"collision-port", "a whole-port config is not alone: it is refused, the others go on", func(r records, _ *config.Config) {
			r.config("n9", "mp2mp_vc", "group", "c1", portTag())
		}},
		{"collision-dormant", "a config that is only requested harms nobody", func(r records, _ *config.Config) {
			r.config("n9", "mp2mp_vc", "group", "c1", dot1q(100))["state"] = "requested"
		}},
		{"loop-line", "both ends of a line on one connection", func(r records, _ *config.Config) {
			r.config("n8", "p2p_vc", "line", "c1", dot1q(201))
			r.config("n9", "p2p_vc", "line", "c1", dot1q(202))
		}},
		{"loop-lan", "two unfiltered circuits of one connection in one LAN", func(r records, _ *config.Config) {
			r.config("n8", "mp2mp_vc", "group", "c1", dot1q(201))
			r.config("n9", "mp2mp_vc", "group", "c1", dot1q(202))
		}},
		{"reseller", "several filtered circuits of one connection in one LAN are a reseller's customers", func(r records, _ *config.Config) {
			r.lan("n9", "c1", dot1q(202), "m2")["consuming_account"] = "customer"
		}},
		{"leaves", "two leaves of one connection do not reach each other", func(r records, _ *config.Config) {
			r.config("n8", "p2mp_vc", "tree", "c1", dot1q(201))["role"] = "leaf"
			r.config("n9", "p2mp_vc", "tree", "c1", dot1q(202))
			r.config("n99", "p2mp_vc", "tree", "c3", dot1q(202))["role"] = "root"
		}},
		{"role-unknown", "a role nobody knows", func(r records, _ *config.Config) {
			r.config("n9", "p2mp_vc", "tree", "c1", dot1q(201))["role"] = "branch"
		}},
		{"line-local", "a line within a switch needs no fabric", func(r records, _ *config.Config) {
			r.config("n8", "p2p_vc", "line", "c1", dot1q(201))
			r.connection("c9", "standalone", "a5")
			r.config("n9", "p2p_vc", "line", "c9", portTag())
		}},
		{"line-across", "a line between switches crosses the fabric", func(r records, _ *config.Config) {
			r.config("n8", "p2p_vc", "line", "c1", dot1q(201))
			r.config("n9", "p2p_vc", "line", "c3", qinq(5, 6, "0x8100"))
		}},
		{"line-vlan-fabric", "the same over a VLAN fabric", func(r records, c *config.Config) {
			c.Inventory.Fabric.Type = config.FabricVLAN
			r.config("n8", "p2p_vc", "line", "c1", dot1q(201))
			r.config("n9", "p2p_vc", "line", "c3", dot1q(202))
		}},
		{"transparent", "a line of frames with an S-tag, whatever is behind it", func(r records, _ *config.Config) {
			r.config("n8", "p2p_vc", "line", "c1", passing(dot1q(201, "0x8100")))
			r.connection("c9", "standalone", "a5")
			r.config("n9", "p2p_vc", "line", "c9", passing(dot1q(201, "0x88a8")))
		}},
		{"transparent-port", "a line of whatever comes by two ports", func(r records, _ *config.Config) {
			r.connection("c8", "standalone", "a5")
			r.config("n8", "p2p_vc", "line", "c8", passing(portTag()))
			r.connection("c9", "standalone", "b3")
			r.config("n9", "p2p_vc", "line", "c9", passing(portTag()))
		}},
		{"transparent-port-not-alone", "what takes whatever comes by a port is alone there", func(r records, _ *config.Config) {
			r.connection("c8", "standalone", "a5")
			r.config("n7", "p2p_vc", "line", "c8", portTag())
			r.config("n8", "p2p_vc", "line", "c8", passing(portTag()))
			r.config("n9", "mp2mp_vc", "group", "c8", dot1q(100))
		}},
		{"transparent-collision", "an S-tag is one circuit's, whatever is behind it", func(r records, _ *config.Config) {
			r.config("n8", "p2p_vc", "line", "c1", passing(dot1q(201)))
			r.config("n9", "mp2mp_vc", "group", "c1", qinq(201, 7, "0x8100"))
		}},
		{"transparent-half", "a line that lets tags pass at one end only", func(r records, _ *config.Config) {
			r.config("n8", "p2p_vc", "line", "c1", passing(dot1q(201)))
			r.config("n9", "p2p_vc", "line", "c3", dot1q(202))
		}},
		{"transparent-lan", "a LAN lets no tags pass", func(r records, _ *config.Config) {
			r.config("n8", "mp2mp_vc", "group", "c1", passing(dot1q(201)))
		}},
		{"transparent-qinq", "nor does a config of two tags", func(r records, _ *config.Config) {
			r.config("n8", "p2p_vc", "line", "c1", passing(qinq(201, 7, "0x8100")))
		}},
		{"transparent-unsupported", "a switch that looks at all tags", func(r records, _ *config.Config) {
			r.connection("c8", "standalone", "c1")
			r.config("n8", "p2p_vc", "line", "c8", passing(dot1q(201)))
			r.connection("c9", "standalone", "c2")
			r.config("n9", "p2p_vc", "line", "c9", passing(portTag()))
		}},
		{"transparent-single", "a switch whose circuits of one tag do not look behind it", func(r records, _ *config.Config) {
			r.connection("c9", "standalone", "v1")
			r.config("n9", "p2p_vc", "line", "c9", passing(dot1q(201)))
		}},
		{"line-no-fabric", "and without one", func(r records, c *config.Config) {
			c.Inventory.Fabric.Type = config.FabricNone
			r.config("n8", "p2p_vc", "line", "c1", dot1q(201))
			r.config("n9", "p2p_vc", "line", "c3", dot1q(202))
		}},
		{"line-three-ends", "a line with three ends", func(r records, _ *config.Config) {
			r.config("n7", "p2p_vc", "line", "c1", dot1q(201))
			r.config("n8", "p2p_vc", "line", "c3", dot1q(202))
			r.connection("c9", "standalone", "a5")
			r.config("n9", "p2p_vc", "line", "c9", portTag())
		}},
		{"line-one-sided", "a line whose other end is not ordered is made, with a remark", func(r records, _ *config.Config) { r.config("n8", "p2p_vc", "line", "c1", dot1q(201)) }},
		{"line-frozen-end", "a line whose other end is in state error still reaches it", func(r records, _ *config.Config) {
			r.config("n8", "p2p_vc", "line", "c1", dot1q(201))
			r.config("n9", "p2p_vc", "line", "c3", dot1q(202))["state"] = "error"
		}},
		{"group-numbers", "the pool of VNIs is used up", func(r records, c *config.Config) {
			c.Inventory.Pools.VNI = nil
			r.config("n8", "mp2mp_vc", "group", "c1", dot1q(201))
			r.config("n9", "mp2mp_vc", "group", "c3", dot1q(202))
		}},
		{"group-guarded", "a group with mac_acl_protection admits its MACs only", func(r records, _ *config.Config) {
			r.config("n8", "mp2mp_vc", "guarded", "c1", dot1q(201))["macs"] = []string{"m1", "m2"}
			r.config("n9", "mp2mp_vc", "guarded", "c2", dot1q(202))
		}},
		{"service-unsupported", "a tree on a switch without trees", func(r records, _ *config.Config) {
			r.connection("c9", "standalone", "s1")
			r.config("n9", "p2mp_vc", "tree", "c9", dot1q(1))
		}},
		{"services-are-vlans", "a switch whose services are VLANs: a LAN has one, and a line that crosses, and no line within it", func(r records, _ *config.Config) {
			r.add(ixapi.NetworkServices, map[string]any{"id": "line2", "type": "p2p_vc", "state": "production"})
			r.connection("c8", "standalone", "v1")
			r.connection("c9", "standalone", "v2")
			r.connection("c10", "standalone", "v3")
			r.lan("n4", "c8", portTag(), "m1")
			r.config("n5", "mp2mp_vc", "group", "c9", dot1q(200))
			r.config("n6", "p2p_vc", "line", "c9", dot1q(201))
			r.config("n7", "p2p_vc", "line", "c3", dot1q(201))
			r.config("n8", "p2p_vc", "line2", "c9", dot1q(202))
			r.config("n9", "p2p_vc", "line2", "c10", dot1q(202))
		}},
		{"services-are-vlans-and-none-is-left", "and the pool of VLANs is used up", func(r records, c *config.Config) {
			c.Inventory.Pools.VLAN = nil
			r.connection("c9", "standalone", "v2")
			r.config("n5", "mp2mp_vc", "group", "c9", dot1q(200))
		}},
		{"port-vlans", "a switch whose circuits are VLANs of their ports: a line within it is a VLAN, and circuits of one filter share a port", func(r records, _ *config.Config) {
			r.connection("c8", "standalone", "w1")
			r.connection("c9", "standalone", "w2")
			r.config("n6", "mp2mp_vc", "group", "c8", dot1q(200))
			r.config("n7", "p2p_vc", "line", "c8", dot1q(201))
			r.config("n8", "p2p_vc", "line", "c9", portTag())
		}},
		{"port-vlans-filter", "on it, a filter is that of the whole port", func(r records, _ *config.Config) {
			r.connection("c9", "standalone", "w2")
			r.lan("n8", "c9", dot1q(100), "m1")
			r.config("n9", "mp2mp_vc", "group", "c9", dot1q(200))
		}},
		{"port-vlans-rate", "on it, a rate is that of the whole port, and a circuit that has it for itself may have one", func(r records, _ *config.Config) {
			r.connection("c8", "standalone", "w1")
			r.connection("c9", "standalone", "w2")
			r.config("n7", "mp2mp_vc", "group", "c8", dot1q(200))["capacity"] = 100
			r.config("n8", "mp2mp_vc", "group", "c9", dot1q(200))
			r.config("n9", "p2p_vc", "line", "c9", dot1q(201))["capacity"] = 100
		}},
		{"port-vlans-joined", "on it, a port joins a service once, whoever its circuits are of", func(r records, _ *config.Config) {
			r.connection("c9", "standalone", "w2")
			r.lan("n8", "c9", dot1q(100), "m1")
			r.lan("n9", "c9", dot1q(202), "m2")["consuming_account"] = "customer"
		}},
		{"port-vlans-frozen", "on it, what is beside a config that is left as it is stays as well", func(r records, _ *config.Config) {
			r.connection("c9", "standalone", "w2")
			r.config("n8", "mp2mp_vc", "group", "c9", dot1q(200))["state"] = "error"
			r.config("n9", "p2p_vc", "line", "c9", dot1q(201))
		}},
		{"port-vlans-untagged", "on it, a circuit that takes the whole port is refused, and so is what is beside it", func(r records, _ *config.Config) {
			r.connection("c9", "standalone", "w2")
			r.config("n8", "mp2mp_vc", "group", "c9", portTag())
			r.config("n9", "p2p_vc", "line", "c9", dot1q(201))
		}},
		{"port-vlans-allocated", "on it, a circuit cannot be shut by itself, and is not made before its time", func(r records, c *config.Config) {
			c.Policy.PrestageAllocated = true
			r.connection("c9", "standalone", "w2")
			r.config("n8", "mp2mp_vc", "group", "c9", dot1q(200))
			r.config("n9", "p2p_vc", "line", "c9", dot1q(201))["state"] = "allocated"
		}},
		{"cloud", "a cloud service is a line from the member to the provider's NNI, within the offering's bandwidth", func(r records, _ *config.Config) {
			n := r.config("n9", "cloud_vc", "cloud", "c1", dot1q(201))
			n["handover"], n["cloud_vlan"] = 1, 77
		}},
		{"cloud-config", "the provider's VLAN of IX-API 2.7, and an NNI found by its provider", func(r records, _ *config.Config) {
			n := r.config("n9", "cloud_vc", "cloud2", "c3", dot1q(201))
			n["handover"], n["cloud_config"] = 1, map[string]any{"vlan": 78}
		}},
		{"cloud-no-nni", "a handover without an NNI in the inventory", func(r records, _ *config.Config) {
			n := r.config("n9", "cloud_vc", "cloud", "c1", dot1q(201))
			n["handover"], n["cloud_vlan"] = 2, 77
		}},
		{"cloud-handover", "a handover the service does not have", func(r records, _ *config.Config) {
			n := r.config("n9", "cloud_vc", "cloud", "c1", dot1q(201))
			n["handover"], n["cloud_vlan"] = 3, 77
		}},
		{"cloud-no-vlan", "the provider has not chosen a VLAN", func(r records, _ *config.Config) {
			r.config("n9", "cloud_vc", "cloud", "c1", dot1q(201))["handover"] = 1
		}},
		{"cloud-collision", "two services ask for one VLAN on the NNI", func(r records, _ *config.Config) {
			r.add(services, map[string]any{"id": "cloud3", "type": "cloud_vc", "state": "production", "product_offering": "po-cloud"})
			for i, s := range []string{"cloud2", "cloud3"} {
				n := r.config(fmt.Sprint("n", 8+i), "cloud_vc", s, "c1", dot1q(201+i))
				n["handover"], n["cloud_vlan"] = 1, 77
			}
		}},
		{"service-unknown", "a service the exchange does not list", func(r records, _ *config.Config) { r.get(configs, "n1")["network_service"] = "nowhere" }},
		{"service-type-unknown", "a service type nobody knows", func(r records, _ *config.Config) { r.get(configs, "n1")["type"] = "vpls_vc" }},
		{"service-type-differs", "a config of another type than its service", func(r records, _ *config.Config) { r.get(configs, "n1")["network_service"] = "group" }},
		{"service-gone", "a config in production on a service that is decommissioned", func(r records, _ *config.Config) { r.get(services, "lan")["state"] = "decommissioned" }},
		{"config-error-said", "the exchange says why a config is in state error", func(r records, _ *config.Config) {
			r.get(configs, "n1")["state"] = "error"
			r.get(configs, "n1")["status"] = []map[string]any{{"severity": 3, "tag": "broken", "message": "the \"port\" is dark", "attrs": map[string]any{}, "timestamp": "2026-11-22T12:00:00Z"}}
		}},
		{"service-error", "a service in state error", func(r records, _ *config.Config) { r.get(services, "lan")["state"] = "error" }},
		{"service-testing", "a service that is tested can be joined", func(r records, _ *config.Config) { r.get(services, "lan")["state"] = "testing" }},
		{"service-unmapped", "an exchange LAN that the inventory does not have", func(r records, _ *config.Config) {
			r.add(services, map[string]any{"id": "lan9", "type": "exchange_lan", "name": "Third"})
			r.get(configs, "n1")["network_service"] = "lan9"
		}},
		{"connection-unknown", "a connection the exchange does not list", func(r records, _ *config.Config) { r.get(configs, "n1")["connection"] = "nowhere" }},
		{"connection-null", "a config on a routing function", func(r records, _ *config.Config) {
			n := r.get(configs, "n1")
			n["connection"], n["routing_function"] = nil, "rf1"
			delete(n, "vlan_config")
		}},
		{"capacity", "a capacity limits both ways", func(r records, _ *config.Config) { r.get(configs, "n1")["capacity"] = 500 }},
		{"capacity-offering", "the offering's bandwidth goes before a greater capacity", func(r records, _ *config.Config) {
			n := r.get(configs, "n1")
			n["capacity"], n["product_offering"] = 5000, "po-1g"
		}},
		{"capacity-limit", "a capacity above what the connection may carry", func(r records, _ *config.Config) {
			r.get(configs, "n1")["capacity"] = 500
			r.get(conns, "c1")["capacity_allocation_limit"] = 100
		}},
		{"capacity-rule", "a joining rule's maximum goes before the config's capacity", func(r records, _ *config.Config) {
			r.config("n9", "mp2mp_vc", "group", "c1", dot1q(201))["capacity"] = 500
			r.add(ixapi.MemberJoiningRules, map[string]any{"id": "r1", "type": "allow", "network_service": "group", "consuming_account": "acct-c1", "capacity_max": 200})
		}},
		{"capacity-rule-min", "a capacity below a joining rule's minimum", func(r records, _ *config.Config) {
			r.config("n9", "mp2mp_vc", "group", "c1", dot1q(201))["capacity"] = 5
			r.add(ixapi.MemberJoiningRules, map[string]any{"id": "r1", "type": "allow", "network_service": "group", "consuming_account": "acct-c1", "capacity_min": 10})
		}},
		{"capacity-unenforced", "a limit on a switch that cannot enforce it", func(r records, _ *config.Config) {
			r.connection("c9", "standalone", "s1")
			r.config("n9", "mp2mp_vc", "group", "c9", dot1q(1))["capacity"] = 10
		}},
		{"joining-denied", "a joining rule keeps the account out", func(r records, _ *config.Config) {
			r.config("n9", "mp2mp_vc", "group", "c1", dot1q(201))
			r.add(ixapi.MemberJoiningRules, map[string]any{"id": "r1", "type": "deny", "network_service": "group", "consuming_account": "acct-c1"})
		}},
		{"macs-none", "a peering config without a MAC", func(r records, _ *config.Config) { r.get(configs, "n1")["macs"] = []string{} }},
		{"macs-unlisted", "a MAC the exchange does not list", func(r records, _ *config.Config) { r.get(configs, "n1")["macs"] = []string{"m1", "m9"} }},
		{"macs-multicast", "a MAC no station can have", func(r records, _ *config.Config) { r.get(macs, "m1")["address"] = "01:00:00:00:00:01" }},
		{"macs-windows", "only MACs whose window is open", func(r records, _ *config.Config) {
			r.get(configs, "n1")["macs"] = []string{"m1", "m2", "m3"}
			r.get(macs, "m1")["valid_not_after"] = "2026-11-21T00:00:00Z"
			r.get(macs, "m2")["valid_not_before"] = "2026-11-23T00:00:00Z"
			r.get(macs, "m3")["valid_not_before"] = "2026-11-21T00:00:00Z"
		}},
		{"macs-expired", "no MAC is valid now: nothing is let in", func(r records, _ *config.Config) { r.get(macs, "m1")["valid_not_after"] = "2026-11-21T00:00:00Z" }},
		{"macs-too-many", "more MACs than a filter holds", func(r records, _ *config.Config) {
			r.connection("c9", "standalone", "c1")
			r.lan("n9", "c9", dot1q(9), "m1", "m2")
		}},
		{"macs-no-filters", "a peering LAN on a switch without MAC filters", func(r records, _ *config.Config) {
			r.connection("c9", "standalone", "s1")
			r.lan("n9", "c9", dot1q(9), "m1")
		}},
		{"testing-no-quarantine", "testing on a LAN without quarantine", func(r records, c *config.Config) {
			c.Inventory.ExchangeLANs[1].Quarantine = nil
			n := r.get(configs, "n1")
			n["state"], n["network_service"] = "testing", "lan-open"
		}},
		{"testing-policy", "testing by policy in production, or not at all", func(r records, c *config.Config) {
			c.Policy.Testing = config.Testing{ExchangeLAN: config.TestProduction, Other: config.TestNothing}
			r.get(configs, "n1")["state"] = "testing"
			r.config("n9", "mp2mp_vc", "group", "c1", dot1q(201))["state"] = "testing"
		}},
		{"prestage", "allocated, pre-staged shut", func(r records, c *config.Config) {
			c.Policy.PrestageAllocated = true
			r.get(conns, "c1")["state"] = "allocated"
			r.get(configs, "n1")["state"] = "allocated"
		}},
		{"ids", "ids with slashes, spaces and more bytes than a description holds", func(r records, _ *config.Config) {
			r.connection("conn/with spaces/and many more bytes than fit", "standalone", "a5")
			n := r.config("QWNjb3VudDo0Mg==", "p2p_vc", "line", "conn/with spaces/and many more bytes than fit", dot1q(5))
			n["consuming_account"] = "an account\nwith a line break"
		}},
		{"ports-redacted", "a connection that no longer shows its ports still has its end on the switch: its neighbours keep their tunnel to it", func(r records, _ *config.Config) {
			delete(r.get(conns, "c3"), "ports")
			r.get(ixapi.Ports, "b1")["connection"] = "c3"
		}},
		{"unreadable", "a record of wrong types is left as it is, the others go on", func(r records, _ *config.Config) {
			r.get(ixapi.Ports, "b1")["connection"] = "c3"
			r.get(configs, "n1")["capacity"] = "lots"
			r.get(conns, "c3")["ports"] = "b1"
		}},
	}
	for _, s := range []ixapi.State{"requested", "scheduled", "allocated", "testing", "production", "production_change_pending", "decommission_requested", "decommissioned", "archived", "cancelled", "error", "operator", "hibernating", ""} {
		name := cmp.Or(string(s), "redacted")
		set := func(x map[string]any) {
			if x["state"] = string(s); s == "" {
				delete(x, "state")
			}
		}
		out = append(out,
			story{"state-config-" + name, "a config in state " + name, func(r records, _ *config.Config) { set(r.get(configs, "n1")) }},
			story{"state-connection-" + name, "a connection in state " + name, func(r records, _ *config.Config) { set(r.get(conns, "c1")) }})
	}
	return out
}

// text prints everything compiled: per device its state as a difference to that of good order, what is frozen, and
// the rejections.
func text(c *Compiler, base map[string]switchcfg.State) string {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(c.devices)) {
		in := c.Intent(name)
		if base == nil && len(in.State)+len(in.Frozen) > 0 {
			fmt.Fprintf(&b, "device %s\n", name)
			for _, l := range strings.Split(strings.TrimSpace(string(in.State.AppendText(nil))), "\n") {
				fmt.Fprintf(&b, "  %s\n", l)
			}
		}
		if base != nil {
			d, _ := c.inv.Device(name)
			if p := plan.Build(plan.Input{Device: name, Observed: base[name], Intent: *in, Scope: d.Scope()}); !p.Empty() {
				b.Write(p.AppendText(nil))
			}
		}
		for _, f := range in.Frozen {
			where := f.Record
			if f.Key.Kind != 0 {
				where = f.Key.String()
			}
			if f.Under {
				where += " and its circuits"
			}
			fmt.Fprintf(&b, "%s frozen %s\n      %s\n", name, where, f.Why)
		}
	}
	for _, r := range c.Rejections() {
		attrs, _ := json.Marshal(r.Attrs)
		fmt.Fprintf(&b, "severity %d %s %s %s device=%q account=%q\n      %s\n      %s\n", r.Severity, r.Tag, r.Collection, r.ID, r.Device, r.Account, r.Message, attrs)
	}
	return b.String()
}

func compiled(t testing.TB, s story) *Compiler {
	r, conf := exchange(), testInventory(t)
	s.edit(r, conf)
	list, faults := r.decode(t)
	c := New(&conf.Inventory, conf.Policy, NewAllocations(nil, time.Hour))
	c.Set(list, faults, now)
	return c
}

func states(c *Compiler) map[string]switchcfg.State {
	out := make(map[string]switchcfg.State)
	for name := range c.devices {
		out[name] = c.Intent(name).State
	}
	return out
}

func TestRules(t *testing.T) {
	var got txtar.Archive
	var base map[string]switchcfg.State
	all := stories()
	slices.SortStableFunc(all[1:], func(a, b story) int { return strings.Compare(a.name, b.name) })
	for _, s := range all {
		c := compiled(t, s)
		got.Files = append(got.Files, txtar.File{Name: s.name, Data: []byte("# " + s.text + "\n" + text(c, base))})
		if base == nil {
			base = states(c)
		}
	}
	path := filepath.Join("testdata", "rules.txtar")
	b := txtar.Format(&got)
	if *update {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, want) {
		t.Errorf("%s", diff.Diff("want", want, "got", b))
	}
}

// What is compiled is legal on every switch, whatever the records say.
func TestEveryIntentIsLegalAndKeepsTheInvariants(t *testing.T) {
	for _, s := range stories() {
		c := compiled(t, s)
		for name := range c.devices {
			state := maps.Clone(c.Intent(name).State)
			// The NNIs are made by hand.
			for _, port := range []string{"Ethernet48"} {
				state.Put(&switchcfg.Interface{Name: port})
			}
			for _, v := range switchcfg.Check(state) {
				t.Errorf("%s: %s: %v", s.name, name, v)
			}
			d, _ := c.inv.Device(name)
			for _, v := range invariant.New(c.inv, d).Configured(state) {
				t.Errorf("%s: %s: %+v", s.name, name, v)
			}
			for _, o := range state {
				caps := d.Capabilities()
				if err := caps.Carry(o); err != nil {
					t.Errorf("%s: %s: %s: %v", s.name, name, o.Key(), err)
				}
				if svc, ok := o.(*switchcfg.Service); ok && (svc.VNI != 0) != (len(svc.Peers) > 0) {
					t.Errorf("%s: %s: %s has VNI %d and %d peers", s.name, name, o.Key(), svc.VNI, len(svc.Peers))
				}
			}
		}
	}
}

// Nothing that is refused leads to a removal: compiled from the exchange in good order to any story, a switch
// loses only what a record says has ended.
func TestRejectionNeverRemoves(t *testing.T) {
	for _, s := range stories() {
		before := compiled(t, stories()[0])
		after := compiled(t, s)
		refused := make(map[string]bool)
		for _, r := range after.Rejections() {
			if r.Refused() {
				refused[r.ID] = true
			}
		}
		for name := range before.devices {
			d, _ := before.inv.Device(name)
			p := plan.Build(plan.Input{Device: name, Observed: before.Intent(name).State, Intent: *after.Intent(name), Scope: d.Scope()})
			for _, c := range p.Changes {
				_, id, _ := strings.Cut(c.Cause.Record, ":")
				if c.Key.Kind != switchcfg.KindFilter && refused[id] {
					t.Errorf("%s: %s %s %s, and %s is refused", s.name, name, c.Verb, c.Key, c.Cause.Record)
				}
			}
			if err := plan.Prove(before.Intent(name).State, p); err != nil {
				t.Errorf("%s: %s: %v", s.name, name, err)
			}
		}
	}
}

// A change of records, compiled incrementally, gives what compiling anew gives.
func TestIncrementEqualsAnew(t *testing.T) {
	all := stories()
	for i, from := range all {
		for _, to := range []story{all[0], all[(i+1)%len(all)], all[(i*7+3)%len(all)]} {
			a, conf := exchange(), testInventory(t)
			from.edit(a, conf)
			b, conf2 := exchange(), testInventory(t)
			to.edit(b, conf2)
			if conf.Inventory.Fabric != conf2.Inventory.Fabric || conf.Policy != conf2.Policy || conf.Inventory.ExchangeLANs[1].Quarantine == nil || conf2.Inventory.ExchangeLANs[1].Quarantine == nil || len(conf.Inventory.Pools.VNI) != len(conf2.Inventory.Pools.VNI) {
				continue
			}
			recordsA, faultsA := a.decode(t)
			alloc := NewAllocations(nil, time.Hour)
			step := New(&conf.Inventory, conf.Policy, alloc)
			step.Set(recordsA, faultsA, now)
			before := states(step)
			changed := step.Update(deltaOf(t, a, b), now)

			recordsB, faultsB := b.decode(t)
			anew := New(&conf.Inventory, conf.Policy, alloc)
			anew.Set(recordsB, faultsB, now)
			if got, want := text(step, nil), text(anew, nil); got != want {
				t.Fatalf("%s to %s:\n%s", from.name, to.name, diff.Diff("anew", []byte(want), "increment", []byte(got)))
			}
			for name, s := range states(step) {
				if !s.Equal(before[name]) && !slices.Contains(changed, name) {
					t.Errorf("%s to %s: %s changed and is not among %v", from.name, to.name, name, changed)
				}
			}
		}
	}
}

// A freeze that holds on every switch reaches every switch at once: what it protects may be on any of them.
func TestFreezeOfUnknownPlaceReachesEverySwitch(t *testing.T) {
	from, to := exchange(), exchange()
	for _, r := range []records{from, to} {
		r.lan("lost", "nowhere", dot1q(9), "m1")["state"] = "decommissioned"
	}
	to.get(ixapi.NetworkServiceConfigs, "lost")["state"] = "error"
	conf := testInventory(t)
	c := New(&conf.Inventory, conf.Policy, NewAllocations(nil, time.Hour))
	list, faults := from.decode(t)
	c.Set(list, faults, now)
	if got := c.Update(deltaOf(t, from, to), now); len(got) != len(conf.Inventory.Devices) {
		t.Errorf("told %v", got)
	}
	for _, d := range conf.Inventory.Devices {
		if in := c.Intent(d.Name); !slices.ContainsFunc(in.Frozen, func(f plan.Freeze) bool { return f.Record == "nsc:lost" }) {
			t.Errorf("%s does not know of it", d.Name)
		}
	}
	if got := c.Update(deltaOf(t, to, to), now); len(got) != 0 {
		t.Errorf("told %v of nothing", got)
	}
}

// deltaOf compares records by their JSON.
func deltaOf(t testing.TB, from, to records) Delta {
	d := Delta{Removed: make(map[ixapi.Collection][]ixapi.ID)}
	part := make(records)
	for _, c := range ixapi.Collections() {
		old := make(map[any]string)
		for _, x := range from[c] {
			b, _ := json.Marshal(x)
			old[x["id"]] = string(b)
		}
		for _, x := range to[c] {
			b, _ := json.Marshal(x)
			if old[x["id"]] != string(b) {
				part.add(c, x)
			}
			delete(old, x["id"])
		}
		for id := range old {
			d.Removed[c] = append(d.Removed[c], id.(string))
		}
	}
	list, faults := part.decode(t)
	d.Changed, d.Faults = *list, faults
	return d
}

func TestAddressWindowsOpenAndClose(t *testing.T) {
	c := compiled(t, story{edit: func(r records, _ *config.Config) {
		r.get(ixapi.MACs, "m1")["valid_not_after"] = now.Add(time.Hour).Format(time.RFC3339)
		r.get(ixapi.MACs, "m2")["valid_not_before"] = now.Add(time.Minute).Format(time.RFC3339)
		r.get(ixapi.NetworkServiceConfigs, "n1")["macs"] = []string{"m1", "m2"}
	}})
	sources := func() int {
		f := c.Intent("sw1").State[switchcfg.Key{Kind: switchcfg.KindFilter, Name: "ix-lag10.100"}].(*switchcfg.Filter)
		return len(f.Sources)
	}
	if got := c.Next(); !got.Equal(now.Add(time.Minute)) {
		t.Fatalf("next instant %v", got)
	}
	for _, step := range []struct {
		after   time.Duration
		changed []string
		sources int
	}{{0, nil, 1}, {time.Minute, []string{"sw1"}, 2}, {time.Hour, nil, 2}, {time.Hour + 1, []string{"sw1"}, 1}} {
		if got := c.Advance(now.Add(step.after)); !slices.Equal(got, step.changed) {
			t.Errorf("after %v: changed %v, want %v", step.after, got, step.changed)
		}
		if got := sources(); got != step.sources {
			t.Errorf("after %v: %d sources, want %d", step.after, got, step.sources)
		}
	}
}

func TestAddressWindowsFollowAClockThatIsPutBack(t *testing.T) {
	r := exchange()
	r.get(ixapi.MACs, "m1")["valid_not_after"] = now.Add(time.Hour).Format(time.RFC3339)
	r.get(ixapi.MACs, "m3")["valid_not_before"] = now.Add(time.Hour).Format(time.RFC3339)
	conf := testInventory(t)
	c := New(&conf.Inventory, conf.Policy, NewAllocations(nil, 0))
	list, faults := r.decode(t)
	c.Set(list, faults, now.AddDate(10, 0, 0))
	sources := func(want1, want3 int) {
		t.Helper()
		for _, f := range []struct {
			device, name string
			want         int
		}{{"sw1", "ix-lag10.100", want1}, {"sw2", "ix-Ethernet1.100", want3}} {
			got := c.Intent(f.device).State[switchcfg.Key{Kind: switchcfg.KindFilter, Name: f.name}].(*switchcfg.Filter)
			if len(got.Sources) != f.want {
				t.Errorf("%s lets %d in, want %d", f.name, len(got.Sources), f.want)
			}
		}
	}
	sources(0, 1)
	// Meanwhile something changes that has no window.
	r.get(ixapi.MACs, "m2")["address"] = "02:00:00:00:00:22"
	part := records{ixapi.MACs: {r.get(ixapi.MACs, "m2")}}
	changed, _ := part.decode(t)
	c.Update(Delta{Changed: *changed}, now)
	if got := c.Advance(now); !slices.Equal(got, []string{"sw1", "sw2"}) {
		t.Errorf("changed %v", got)
	}
	sources(1, 0)
	if got := c.Next(); !got.Equal(now.Add(time.Hour)) {
		t.Errorf("next instant %v", got)
	}
	if got := c.Advance(now); len(got) != 0 {
		t.Errorf("changed again: %v", got)
	}
}

func TestNumbersStayWithTheirOwner(t *testing.T) {
	conf := testInventory(t)
	alloc := NewAllocations(nil, time.Hour)
	c := New(&conf.Inventory, conf.Policy, alloc)
	r := exchange()
	list, faults := r.decode(t)
	c.Set(list, faults, now)
	first := alloc.Dirty()
	if len(first) != 1 || first[0].Owner != "conn:c1" || first[0].Number != 10 {
		t.Fatalf("allocated %v", first)
	}
	r.connection("a-new-one", "lag_static", "a5")
	r.get(ixapi.Connections, "c1")["state"] = "decommissioned"
	r[ixapi.NetworkServiceConfigs] = r[ixapi.NetworkServiceConfigs][1:]
	list, faults = r.decode(t)
	c.Set(list, faults, now)
	if n, _ := alloc.Lookup("lag/sw1", "conn:a-new-one"); n != 11 {
		t.Errorf("a number was reused at once: %d", n)
	}
	restored := NewAllocations(append(first, alloc.Dirty()...), time.Hour)
	if n, _ := restored.Lookup("lag/sw1", "conn:a-new-one"); n != 11 {
		t.Errorf("after a restart: %d", n)
	}
	if n, ok := restored.Take("lag/sw1", "conn:late", []config.Range{{First: 10, Last: 11}}, 0, now.Add(2*time.Hour)); !ok || n != 10 {
		t.Errorf("after cooling: %d, %v", n, ok)
	}
	if _, ok := restored.Take("lag/sw1", "conn:later", []config.Range{{First: 10, Last: 11}}, 0, now.Add(2*time.Hour)); ok {
		t.Error("a number was given twice")
	}
}

func TestPoolsCountWhatLiesInThem(t *testing.T) {
	conf := testInventory(t)
	inv := &conf.Inventory
	inv.Pools = config.Pools{VNI: []config.Range{{First: 100, Last: 109}, {First: 200, Last: 200}}}
	inv.Devices = []*config.Device{
		{Name: "sw1", LAGs: config.LAGs{Range: config.Range{First: 10, Last: 11}}},
		{Name: "without-lags"},
	}
	alloc := NewAllocations([]Allocation{
		{Scope: "vni", Owner: "ns:a", Number: 100},
		{Scope: "vni", Owner: "ns:b", Number: 200},
		{Scope: "vni", Owner: "ns:of-a-former-pool", Number: 300},
		{Scope: "vni", Owner: "ns:ended", Number: 101, Released: now.Add(-time.Minute)},
		{Scope: "vni", Owner: "ns:ended-long-ago", Number: 102, Released: now.Add(-time.Hour)},
		{Scope: "lag/sw1", Owner: "conn:a", Number: 10},
		{Scope: "unit/sw1/Ethernet1", Owner: "nsc:a", Number: 11},
	}, time.Hour)
	want := []Pool{{Name: "vni", Size: 11, Used: 2, Cooling: 1}, {Name: "lag", Device: "sw1", Size: 2, Used: 1}}
	if got := alloc.Pools(inv, now); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	alloc.Take("vni", "ns:ended", inv.Pools.VNI, 0, now)
	alloc.Release("conn:a", now)
	want = []Pool{{Name: "vni", Size: 11, Used: 3}, {Name: "lag", Device: "sw1", Size: 2, Cooling: 1}}
	if got := alloc.Pools(inv, now); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestCooledNumberIsGivenAgain(t *testing.T) {
	alloc := NewAllocations(nil, time.Hour)
	pool := []config.Range{{First: 1, Last: 3}}
	take := func(owner string, after time.Duration) uint32 {
		n, _ := alloc.Take("vni", owner, pool, 0, now.Add(after))
		return n
	}
	if a, b := take("a", 0), take("b", 0); a != 1 || b != 2 {
		t.Fatalf("gave %d and %d", a, b)
	}
	alloc.Release("a", now)
	if n := take("c", time.Minute); n != 3 {
		t.Errorf("gave %d while 1 cools", n)
	}
	if n := take("d", time.Minute); n != 0 {
		t.Errorf("gave %d of a pool that is used up", n)
	}
	if n := take("d", time.Hour); n != 1 {
		t.Errorf("gave %d when 1 has cooled", n)
	}
}

func TestUnreadableRecordIsNamed(t *testing.T) {
	r := exchange()
	r.get(ixapi.NetworkServiceConfigs, "n1")["capacity"] = "lots"
	_, faults := r.decode(t)
	if len(faults) != 1 || errors.Is(faults[0].Err, ixapi.ErrUnknownValue) {
		t.Fatalf("faults %v", faults)
	}
}
