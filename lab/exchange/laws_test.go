package exchange

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// lively is the exchange of the guide with two members, each with a connection, lines to order, and contracts that can
// be ended within five days.
func lively(tb testing.TB, c *clock, reported bool) *Server {
	tb.Helper()
	s := moon(tb, Options{Clock: c.now, Reported: reported})
	for _, kind := range []string{"p2p_vc", "p2mp_vc", "cloud_vc"} {
		copied(tb, s, "network-services", "service:"+kind, "service:"+kind, fields{"member_joining_rules": []any{}})
	}
	copied(tb, s, "connections", "connection:1", "connection:2", fields{"consuming_account": marsAccount, "ports": []any{}})
	copied(tb, s, "product-offerings", "po:p2p_vc", "line", fields{
		"bandwidth_min": 10, "bandwidth_max": 100, "contract_initial_notice_period": "P5D", "contract_renewal_period": "P1M",
	})
	copied(tb, s, "product-offerings", "po:p2p_vc", "faster", fields{"bandwidth_min": 100, "bandwidth_max": 500})
	copied(tb, s, "network-features", "feature:rs1", "needed", fields{"required": true})
	return s
}

// customer orders at random.
type customer struct {
	*rapid.T
	s     *Server
	clock *clock
}

// one draws one of the records in some state of a collection; "" where there are none.
func (c customer) one(collection string, fits func(*store.Record) bool) string {
	var ids []string
	for _, r := range c.s.store.Now().List(collection) {
		if fits(r) {
			ids = append(ids, r.ID)
		}
	}
	if ids == nil {
		return "none"
	}
	return rapid.SampledFrom(ids).Draw(c.T, collection)
}

func (c customer) pick(name string, of ...string) string {
	return rapid.SampledFrom(of).Draw(c.T, name)
}

// order sends an order of member with fields.
func (c customer) order(method, path, member, fields string) {
	body := ""
	if method != http.MethodDelete {
		body = "{" + strings.TrimPrefix(fields, ",") + "}"
	} else if fields != "" {
		body = "{" + fields + "}"
	}
	if member != "" {
		body = fmt.Sprintf(`{"managing_account":"238189294","billing_account":"238189294","consuming_account":%q%s}`, member, fields)
	}
	if w := ask(c.s, method, path, body); w.Code >= http.StatusInternalServerError {
		c.Fatalf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
	}
}

// act orders something.
func (c customer) act() {
	member := c.pick("member", moonAccount, marsAccount)
	connection := map[string]string{moonAccount: "connection:1", marsAccount: "connection:2"}[member]
	capacity := c.pick("capacity", "null", "50", "100", "500")
	service := c.one("network-services", inService)
	all := func(*store.Record) bool { return true }
	switch c.pick("act", "service", "rule", "no rule", "config", "capacity", "change", "no change", "session", "end", "end", "end", "time") {
	case "service":
		kind := c.pick("kind", `,"type":"p2p_vc","product_offering":"line","joining_member_account":"mars"`, `,"type":"mp2mp_vc","product_offering":"po:group","name":"G"`,
			`,"type":"mp2mp_vc","product_offering":"po:group","name":"P","public":true`)
		c.order(http.MethodPost, "/network-services", moonAccount, kind)
	case "rule":
		c.order(http.MethodPost, "/member-joining-rules", member, fmt.Sprintf(`,"type":%q,"network_service":%q`, c.pick("rule", "allow", "deny"), service))
	case "no rule":
		c.order(http.MethodDelete, "/member-joining-rules/"+c.one("member-joining-rules", all), "", "")
	case "config":
		kind := "exchange_lan"
		if r := c.s.store.Now().Get("network-services", service); r != nil {
			kind, _ = r.Text("type")
		}
		c.order(http.MethodPost, "/network-service-configs", member, fmt.Sprintf(`,"type":%q,"network_service":%q,"connection":%q,"capacity":%s,"asns":[64496],`+
			`"product_offering":%s,"vlan_config":{"vlan_type":"dot1q","vlan":null},"role_assignments":["c-noc:331","c-impl:123"]`,
			kind, service, connection, capacity, map[bool]string{true: `"po:peering"`, false: "null"}[kind == "exchange_lan"]))
	case "capacity":
		c.order(http.MethodPatch, "/network-service-configs/"+c.one("network-service-configs", all), "", `"capacity":`+capacity)
	case "change":
		c.order(http.MethodPost, "/network-services/"+service+"/change-request", "", `"product_offering":"faster","capacity":`+capacity)
	case "no change":
		c.order(http.MethodDelete, "/network-services/"+service+"/change-request", "", "")
	case "session":
		config := c.one("network-service-configs", func(r *store.Record) bool { return len(r.List("ips")) > 0 })
		ip := "none"
		if r := c.s.store.Now().Get("network-service-configs", config); r != nil {
			ip = r.List("ips")[0]
		}
		c.order(http.MethodPost, "/network-feature-configs", member, fmt.Sprintf(`,"type":"route_server","network_feature":%q,"network_service_config":%q,"asn":64496,`+
			`"as_set_v4":"AS-X@RIPE","session_mode":"public","bgp_session_type":"active","ip":%q,"role_assignments":[]`, c.pick("feature", "needed", "feature:rs1"), config, ip))
	case "end":
		collection := c.pick("what", cancelables()...)
		day := ""
		if rapid.Bool().Draw(c.T, "on a day") {
			day = fmt.Sprintf(`"decommission_at":%q`, c.clock.at.AddDate(0, 0, rapid.IntRange(0, 30).Draw(c.T, "in")).Format(time.DateOnly))
		}
		c.order(http.MethodDelete, "/"+collection+"/"+c.one(collection, all), "", day)
	case "time":
		c.clock.at = c.clock.at.AddDate(0, 0, rapid.IntRange(1, 30).Draw(c.T, "days"))
	}
}

// lawful checks what holds of all records after an order, and how they came there from what was before.
func (c customer) lawful(was, is *store.Snapshot) {
	for _, collection := range cancelables() {
		for _, r := range is.List(collection) {
			from := was.Get(collection, r.ID)
			if from == nil || from.State() == r.State() {
				continue
			}
			if next := transitions()[from.State()]; !slices.Contains(next, r.State()) {
				c.Fatalf("%s %s went from %s to %s", collection, r.ID, from.State(), r.State())
			}
		}
	}
	ends := map[string]int{}
	for _, r := range is.List("network-service-configs") {
		if !inService(r) {
			continue
		}
		for field, collection := range map[string]string{"network_service": "network-services", "connection": "connections"} {
			id, _ := r.Text(field)
			if to := is.Get(collection, id); to == nil || !inService(to) {
				c.Fatalf("config %s is %s without its %s %s", r.ID, r.State(), field, id)
			}
		}
		service, _ := r.Text("network_service")
		account, _ := r.Text("consuming_account")
		if kind, _ := r.Text("type"); kind == "p2p_vc" {
			if ends[service+" "+account]++; ends[service+" "+account] > 1 {
				c.Fatalf("account %s has two configs of line %s", account, service)
			}
		}
		config, err := r.Object()
		if err != nil {
			c.Fatal(err)
		}
		var sessions []string
		for _, f := range inServiceOf(is, "network-feature-configs", "network_service_config", r.ID) {
			sessions = append(sessions, f.ID)
		}
		if listed := config.List("network_feature_configs"); !slices.Equal(slices.Sorted(slices.Values(listed)), slices.Sorted(slices.Values(sessions))) {
			c.Fatalf("config %s lists %v and has %v", r.ID, listed, sessions)
		}
		has := func(f *store.Record) bool { id, _ := f.Text("network_feature"); return id == "needed" }
		carried := r.State() == "testing" || r.State() == "production" || r.State() == "production_change_pending"
		if service == "service:lan" && carried && r.ID != "nsc:1" && !slices.ContainsFunc(inServiceOf(is, "network-feature-configs", "network_service_config", r.ID), has) {
			c.Fatalf("config %s is in %s without a required feature", r.ID, r.State())
		}
	}
	for _, r := range is.List("network-services") {
		service, err := r.Object()
		if err != nil {
			c.Fatal(err)
		}
		var rules []string
		for _, rule := range is.List("member-joining-rules") {
			if of, _ := rule.Text("network_service"); of == r.ID {
				rules = append(rules, rule.ID)
			}
		}
		if listed := service.List("member_joining_rules"); !slices.Equal(slices.Sorted(slices.Values(listed)), slices.Sorted(slices.Values(rules))) {
			c.Fatalf("service %s lists the rules %v and has %v", r.ID, listed, rules)
		}
	}
}

func TestLawsOfOrders(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := customer{T: r, clock: &clock{at: day(t, "2026-06-05")}}
		c.s = lively(t, c.clock, rapid.Bool().Draw(r, "reported"))
		for range rapid.IntRange(5, 30).Draw(r, "orders") {
			before := c.s.store.Now()
			c.act()
			between := c.s.store.Now()
			c.lawful(before, between)
			get(c.s, "/health")
			c.lawful(between, c.s.store.Now())
		}
	})
}
