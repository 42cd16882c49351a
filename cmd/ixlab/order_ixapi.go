package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// reseller is the customer of the market that orders, for customers of its own.
const reseller = "acc-alpha"

// customer is a customer of the reseller's, with what it has ordered.
type customer struct {
	*party
	node       string // of its router in the lab
	account    string
	roles      []string // role assignments
	connection string
	mac        string
}

// owned are the fields of what a member has, with those of o.
func (m *customer) owned(o store.Object) store.Object {
	own := store.Object{
		"managing_account": reseller, "consuming_account": m.account, "billing_account": reseller, "role_assignments": m.roles,
	}
	for name, v := range o {
		own[name] = v
	}
	return own
}

// reseller logs in at the exchange.
func (w *walker) login(ctx context.Context) (*party, error) {
	p := &party{walker: w, base: w.lab.Exchange.URL()}
	c := w.lab.Customer
	w.page.heading("A reseller logs in, and looks at its account")
	tokens, err := p.ask(ctx, http.MethodPost, "/auth/token", store.Object{"api_key": c.Key, "api_secret": c.Secret})
	if err != nil {
		return nil, err
	}
	p.token, _ = tokens.Text("access_token")
	_, err = p.ask(ctx, http.MethodGet, "/account", nil, "id", "name", "state")
	return p, err
}

// join makes a member: an account whose terms are accepted, a contact and its roles. It is shown unless it is quiet.
func (p *party) join(ctx context.Context, node, name string, quiet bool) (*customer, error) {
	m := &customer{party: p, node: node}
	say := func(format string, args ...any) {
		if !quiet {
			p.page.heading(format, args...)
		}
	}
	ask := func(path string, body store.Object, shown ...string) (store.Object, error) {
		return p.askShowing(ctx, http.MethodPost, path, body, !quiet, shown...)
	}
	say("It makes an account for a customer")
	account, err := ask("/accounts", store.Object{
		"managing_account": reseller, "name": name, "legal_name": name + " GmbH",
		"address": store.Object{"country": "DE", "locality": "Musterhafen", "postal_code": "20457", "street_address": "Kaispeicher 9"},
	}, "id", "state", "status")
	if err != nil {
		return nil, err
	}
	m.account, _ = account.Text("id")
	if err := p.accept(ctx, account, quiet); err != nil {
		return nil, err
	}
	say("A contact for it, in the roles that the exchange knows")
	contact, err := ask("/contacts", store.Object{
		"managing_account": reseller, "consuming_account": m.account, "name": name + " NOC", "telephone": "+4940555099", "email": "noc@" + node + ".example.net",
	}, "id")
	if err != nil {
		return nil, err
	}
	shown := []string{"id", "name", "required_fields"}
	if quiet {
		shown = nil
	}
	roles, err := p.list(ctx, "/roles", shown...)
	if err != nil {
		return nil, err
	}
	for _, role := range roles {
		a, err := ask("/role-assignments", store.Object{"role": role["id"], "contact": contact["id"]}, "id")
		if err != nil {
			return nil, err
		}
		id, _ := a.Text("id")
		m.roles = append(m.roles, id)
	}
	return m, nil
}

// accept does what the status of a new account asks for.
func (p *party) accept(ctx context.Context, account store.Object, quiet bool) error {
	id, _ := account.Text("id")
	statuses, _ := account["status"].([]any)
	for _, v := range statuses {
		message, _ := v.(map[string]any)
		link, ok := store.Object(message).Text("attrs.url")
		if !ok {
			continue
		}
		if !quiet {
			p.page.line("POST %s", link)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, link, nil)
		if err != nil {
			return err
		}
		res, err := p.client.Do(req)
		if err != nil {
			return err
		}
		if err := res.Body.Close(); err != nil {
			return err
		}
		if res.StatusCode/100 != 2 {
			return fmt.Errorf("%s: %s", link, res.Status)
		}
	}
	return p.reaches(ctx, "/accounts/"+id, "production")
}

// reaches waits until a record has a state.
func (p *party) reaches(ctx context.Context, path, state string) error {
	var fault error
	err := await(ctx, path+" is not in "+state, func() (ok bool) {
		ok, fault = p.is(ctx, path, state)
		return ok || fault != nil
	})
	if fault != nil {
		return fault
	}
	return err
}

// is reports whether a record has a state. One that is in error never gets there.
func (p *party) is(ctx context.Context, path, state string) (bool, error) {
	record, err := p.quietly(ctx, http.MethodGet, path, nil)
	if err != nil {
		return false, err
	}
	now, _ := record.Text("state")
	if now == "error" && state != now {
		return false, fmt.Errorf("%s is in error: %v", path, record["status"])
	}
	return now == state, nil
}

// connect orders a connection with so many ports at a site, and waits until the switch has it.
func (m *customer) connect(ctx context.Context, site string, ports int, quiet bool) error {
	mode, timeout := "standalone", any(nil)
	if ports > 1 {
		mode, timeout = "lag_lacp", "fast"
	}
	if !quiet {
		m.page.heading("It orders a connection")
		if _, err := m.list(ctx, "/product-offerings?type=connection&physical_port_speed=10000", "id", "display_name", "handover_pop"); err != nil {
			return err
		}
	}
	c, err := m.askShowing(ctx, http.MethodPost, "/connections", m.owned(store.Object{
		"product_offering": "po-connection-" + site, "mode": mode, "lacp_timeout": timeout, "port_quantity": ports,
		"subscriber_side_demarcs": demarcs(ports),
	}), !quiet, "id", "state", "ports", "vlan_types", "outer_vlan_ethertypes", "capacity_allocation_limit")
	if err != nil {
		return err
	}
	m.connection, _ = c.Text("id")
	if quiet {
		return m.reaches(ctx, "/connections/"+m.connection, "production")
	}
	return m.follows(ctx, m.connection+" is in production", func() (bool, error) { return m.is(ctx, "/connections/"+m.connection, "production") })
}

// demarcs says where the cross connects of so many ports end on the member's side.
func demarcs(ports int) (out []string) {
	for i := range ports {
		out = append(out, fmt.Sprintf("rack 7, panel 2, position %d", i+1))
	}
	return out
}

// register registers the address of the member's router.
func (m *customer) register(ctx context.Context, mac string, quiet bool) error {
	if !quiet {
		m.page.heading("It registers the address of its router")
	}
	record, err := m.askShowing(ctx, http.MethodPost, "/macs", store.Object{
		"managing_account": reseller, "consuming_account": m.account, "address": mac,
	}, !quiet, "id", "address")
	if err != nil {
		return err
	}
	m.mac, _ = record.Text("id")
	return nil
}

// config orders a network service config and returns it as it was ordered.
func (m *customer) config(ctx context.Context, quiet bool, o store.Object) (store.Object, error) {
	o["connection"] = m.connection
	return m.askShowing(ctx, http.MethodPost, "/network-service-configs", m.owned(o), !quiet, "id", "state", "vlan_config", "status")
}

// order does what config does, and waits until it is in production.
func (m *customer) order(ctx context.Context, quiet bool, o store.Object) (store.Object, error) {
	nsc, err := m.config(ctx, quiet, o)
	if err != nil {
		return nil, err
	}
	id, _ := nsc.Text("id")
	path := "/network-service-configs/" + id
	if quiet {
		return nsc, m.reaches(ctx, path, "production")
	}
	return nsc, m.follows(ctx, id+" is in production", func() (bool, error) { return m.is(ctx, path, "production") })
}

// lan orders a place in the peering LAN, on a VLAN that the exchange chooses, or on the whole port, and tells the member's
// router.
func (m *customer) lan(ctx context.Context, vlan store.Object, mac string, quiet bool) (store.Object, error) {
	if err := m.register(ctx, mac, quiet); err != nil {
		return nil, err
	}
	if !quiet {
		m.page.heading("It orders a place in the peering LAN")
		if _, err := m.list(ctx, "/product-offerings?type=exchange_lan", "id", "display_name", "exchange_lan_network_service"); err != nil {
			return nil, err
		}
	}
	nsc, err := m.order(ctx, quiet, store.Object{
		"type": "exchange_lan", "network_service": "lan-peering", "product_offering": "po-peering", "asns": []int{64496}, "macs": []string{m.mac},
		"listed": true, "consumer_side_ready": true, "capacity": 1000, "vlan_config": vlan,
	})
	if err != nil {
		return nil, err
	}
	id, _ := nsc.Text("id")
	shown := []string{"address", "prefix_length", "version"}
	if quiet {
		shown = nil
	}
	ips, err := m.list(ctx, "/ips?network_service_config="+url.QueryEscape(id), shown...)
	if err != nil {
		return nil, err
	}
	attachment := "lan=" + tags(nsc) + ",mac=" + mac
	for _, ip := range ips {
		address, _ := ip.Text("address")
		length, _ := ip.Text("prefix_length")
		attachment += ",ip=" + address + "/" + length
	}
	return nsc, m.configure(ctx, m.node, attachment)
}

// tags returns the tags of a config, as routers are told them.
func tags(nsc store.Object) string {
	c := nsc.Object("vlan_config")
	text := func(name string) string { v, _ := c.Text(name); return v }
	switch text("vlan_type") {
	case "dot1q":
		return text("vlan_ethertype") + ":" + text("vlan")
	case "qinq":
		return text("outer_vlan_ethertype") + ":" + text("outer_vlan") + "/0x8100:" + text("inner_vlan")
	}
	return "untagged"
}

// dot1q, qinq and whole are the VLAN configs that the walks order. A VLAN of 0 is left to the exchange.
func dot1q(vlan int, ethertype string) store.Object {
	c := store.Object{"vlan_type": "dot1q", "vlan": nil, "vlan_ethertype": ethertype}
	if vlan != 0 {
		c["vlan"] = vlan
	}
	return c
}

func qinq(outer, inner int, ethertype string) store.Object {
	c := store.Object{"vlan_type": "qinq", "outer_vlan": nil, "outer_vlan_ethertype": ethertype, "inner_vlan": inner}
	if outer != 0 {
		c["outer_vlan"] = outer
	}
	return c
}

func whole() store.Object { return store.Object{"vlan_type": "port"} }

// gettingStarted goes the way of the guide: from an account to frames on the peering LAN, and out again.
func (w *walker) gettingStarted(ctx context.Context) error {
	p, err := w.login(ctx)
	if err != nil {
		return err
	}
	moon, err := p.join(ctx, "alpha", "Moonrise Media", false)
	if err != nil {
		return err
	}
	if err := moon.connect(ctx, "nord", 2, false); err != nil {
		return err
	}
	nsc, err := moon.lan(ctx, dot1q(0, "0x8100"), "02:1a:00:00:00:0a", false)
	if err != nil {
		return err
	}
	w.page.heading("Another customer does the same on the whole of a port at the other site")
	mars, err := p.join(ctx, "beta", "Mars Metro", true)
	if err != nil {
		return err
	}
	if err := mars.connect(ctx, "sued", 1, true); err != nil {
		return err
	}
	if _, err := mars.lan(ctx, whole(), "02:1a:00:00:00:0b", true); err != nil {
		return err
	}
	id, _ := nsc.Text("id")
	path := "/network-service-configs/" + id
	if _, err := p.quietly(ctx, http.MethodGet, path+"/statistics", nil); err != nil { // from here on it is measured
		return err
	}
	if err := w.shown(ctx, showing{"peering LAN", "alpha/lan", "beta/lan", true}); err != nil {
		return err
	}
	if w.probes != nil {
		w.page.heading("What the switch has counted of it")
		counted, err := p.ask(ctx, http.MethodGet, path+"/statistics", nil, "aggregates.PT5M.accuracy", "aggregates.PT5M.maximum_pps_in", "aggregates.PT5M.maximum_ops_in")
		if err != nil {
			return err
		}
		if most, ok := counted.Text("aggregates.PT5M.maximum_pps_in"); !ok || most == "0" {
			return fmt.Errorf("the exchange has counted no frames of %s", id)
		}
	}
	w.page.heading("The first one leaves the peering LAN")
	if _, err := p.ask(ctx, http.MethodGet, path+"/cancellation-policy", nil, "decommission_at", "charged_until"); err != nil {
		return err
	}
	if _, err := p.ask(ctx, http.MethodDelete, path, nil, "state", "decommission_at"); err != nil {
		return err
	}
	if err := w.follows(ctx, id+" is decommissioned, and off the switch", func() (bool, error) {
		record, err := p.quietly(ctx, http.MethodGet, path, nil)
		if err != nil {
			return false, err
		}
		state, _ := record.Text("state")
		gone, _ := record["status"].([]any)
		return state == "decommissioned" && slices.ContainsFunc(gone, func(v any) bool {
			m, _ := v.(map[string]any)
			return m["tag"] == "removed"
		}), nil
	}); err != nil {
		return err
	}
	return w.shown(ctx, showing{"decommissioned", "alpha/lan", "beta/lan", false})
}

// shown shows on the wires, where there are any, what was ordered.
func (w *walker) shown(ctx context.Context, all ...showing) error {
	if w.probes == nil {
		return nil
	}
	w.page.heading("Frames between members' routers: broadcast, unicast and %d octets, both ways", largeFrame)
	if err := w.frames(ctx, all); err != nil {
		return err
	}
	// The agent holds what it changes next against how much members sent before.
	select {
	case <-time.After(calm):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// calm is how long nobody sends before something else is ordered.
const calm = time.Second

// services orders one network service of each other type, with two members and a cloud provider.
func (w *walker) services(ctx context.Context) error {
	p, err := w.login(ctx)
	if err != nil {
		return err
	}
	w.page.heading("Four customers of it have a connection each")
	var all []*customer
	for _, m := range []struct {
		node, name, site string
		ports            int
	}{{"alpha", "Moonrise Media", "nord", 2}, {"gamma", "Gamma Ray Networks", "nord", 1}, {"beta", "Mars Metro", "sued", 1}, {"delta", "Delta Vega Hosting", "sued", 1}} {
		made, err := p.join(ctx, m.node, m.name, true)
		if err != nil {
			return err
		}
		if err := made.connect(ctx, m.site, m.ports, true); err != nil {
			return err
		}
		w.page.line("%s: %s, %s at %s", m.name, made.account, made.connection, m.site)
		all = append(all, made)
	}
	alpha, gamma, beta, delta := all[0], all[1], all[2], all[3]
	if err := w.follows(ctx, "all are in production", func() (bool, error) { return true, nil }); err != nil {
		return err
	}
	for _, order := range []func(context.Context, *party, ...*customer) error{w.line, w.tree, w.group, w.cloud} {
		if err := order(ctx, p, alpha, beta, gamma, delta); err != nil {
			return err
		}
	}
	return nil
}

// service orders a network service of a member's.
func (m *customer) service(ctx context.Context, what string, o store.Object) (string, error) {
	m.page.heading("%s", what)
	body := m.owned(o)
	delete(body, "role_assignments")
	s, err := m.ask(ctx, http.MethodPost, "/network-services", body, "id", "state", "nsc_required_contact_roles")
	if err != nil {
		return "", err
	}
	id, _ := s.Text("id")
	return id, nil
}

// attach orders a config of a service, and tells the member's router.
func (m *customer) attach(ctx context.Context, name, ip string, o store.Object) error {
	nsc, err := m.order(ctx, false, o)
	if err != nil {
		return err
	}
	return m.configure(ctx, m.node, name+"="+tags(nsc)+",ip="+ip)
}

func (w *walker) line(ctx context.Context, _ *party, m ...*customer) error {
	alpha, beta := m[0], m[1]
	service, err := alpha.service(ctx, "A private line, with two tags of 0x88a8 and 0x8100", store.Object{
		"type": "p2p_vc", "product_offering": "po-line-1g", "display_name": "Moon to Mars", "joining_member_account": beta.account,
	})
	if err != nil {
		return err
	}
	// Neither end is on a switch before the other is ordered.
	var ends []string
	for i, m := range m[:2] {
		nsc, err := m.config(ctx, false, store.Object{
			"type": "p2p_vc", "network_service": service, "capacity": 500, "vlan_config": qinq(0, 7, "0x88a8"),
		})
		if err != nil {
			return err
		}
		if err := m.configure(ctx, m.node, fmt.Sprintf("line=%s,ip=10.0.1.%d/24", tags(nsc), i+1)); err != nil {
			return err
		}
		id, _ := nsc.Text("id")
		ends = append(ends, "/network-service-configs/"+id)
	}
	if err := w.follows(ctx, "both ends are in production", func() (bool, error) {
		for _, path := range ends {
			if is, err := alpha.is(ctx, path, "production"); !is {
				return false, err
			}
		}
		return true, nil
	}); err != nil {
		return err
	}
	return w.shown(ctx, showing{"line with two tags", "alpha/line", "beta/line", true})
}

func (w *walker) tree(ctx context.Context, p *party, m ...*customer) error {
	alpha := m[0]
	service, err := alpha.service(ctx, "A tree: leaves reach the root, and not each other", store.Object{
		"type": "p2mp_vc", "product_offering": "po-tree", "display_name": "Moon pictures", "public": false,
	})
	if err != nil {
		return err
	}
	for i, m := range m[:3] {
		role := "leaf"
		if m == alpha {
			role = "root"
		} else if _, err := p.ask(ctx, http.MethodPost, "/member-joining-rules", store.Object{
			"type": "allow", "managing_account": reseller, "consuming_account": m.account, "network_service": service, "capacity_max": 1000,
		}, "id"); err != nil {
			return err
		}
		err := m.attach(ctx, "tree", fmt.Sprintf("10.0.2.%d/24", i+1), store.Object{
			"type": "p2mp_vc", "network_service": service, "capacity": 100, "role": role, "vlan_config": dot1q(0, "0x88a8"),
		})
		if err != nil {
			return err
		}
	}
	return w.shown(ctx, showing{"tree, leaf and root", "beta/tree", "alpha/tree", true}, showing{"tree, leaf and leaf", "beta/tree", "gamma/tree", false})
}

func (w *walker) group(ctx context.Context, _ *party, m ...*customer) error {
	alpha, delta := m[0], m[3]
	service, err := alpha.service(ctx, "A closed user group, which one member joins with the whole of its port", store.Object{
		"type": "mp2mp_vc", "product_offering": "po-group", "display_name": "Moon clearing", "public": true,
	})
	if err != nil {
		return err
	}
	for i, m := range []*customer{alpha, delta} {
		vlan := dot1q(0, "0x88a8")
		if m == delta {
			vlan = whole()
		}
		if err := m.register(ctx, fmt.Sprintf("02:1a:00:00:00:%02x", 0x1a+i), true); err != nil {
			return err
		}
		nsc, err := m.order(ctx, false, store.Object{
			"type": "mp2mp_vc", "network_service": service, "capacity": 100, "macs": []string{m.mac}, "vlan_config": vlan,
		})
		if err != nil {
			return err
		}
		if err := m.configure(ctx, m.node, fmt.Sprintf("group=%s,mac=02:1a:00:00:00:%02x,ip=10.0.3.%d/24", tags(nsc), 0x1a+i, i+1)); err != nil {
			return err
		}
	}
	return w.shown(ctx, showing{"group, tagged and untagged", "alpha/group", "delta/group", true})
}

func (w *walker) cloud(ctx context.Context, _ *party, m ...*customer) error {
	alpha := m[0]
	service, err := alpha.service(ctx, "An access to a cloud, on the VLAN that its provider has given", store.Object{
		"type": "cloud_vc", "product_offering": "po-cloud", "cloud_key": "nimbus-4711", "capacity": 500,
	})
	if err != nil {
		return err
	}
	const vlan = 1034
	err = alpha.attach(ctx, "cloud", "10.0.4.1/24", store.Object{
		"type": "cloud_vc", "network_service": service, "handover": 1, "cloud_vlan": vlan, "vlan_config": dot1q(0, "0x88a8"),
	})
	if err != nil {
		return err
	}
	if err := w.configure(ctx, "nimbus", fmt.Sprintf("cloud=0x8100:%d,ip=10.0.4.2/24", vlan)); err != nil {
		return err
	}
	return w.shown(ctx, showing{"cloud", "alpha/cloud", "nimbus/cloud", true})
}
