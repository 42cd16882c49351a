package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/ixagent/ixagent/lab/exchange/fabric"
	"github.com/ixagent/ixagent/lab/exchange/store"
)

// user logs in at Fabric.
func (w *walker) user(ctx context.Context, name string) (*party, error) {
	i := slices.IndexFunc(w.lab.Users, func(u fabric.User) bool { return u.ClientID == name })
	if i < 0 {
		return nil, fmt.Errorf("nobody is called %s", name)
	}
	p := &party{walker: w, base: origin(w.lab.Exchange.URL())}
	tokens, err := p.quietly(ctx, http.MethodPost, fabric.TokenPath, store.Object{
		"grant_type": "client_credentials", "client_id": name, "client_secret": w.lab.Users[i].ClientSecret,
	})
	if err != nil {
		return nil, err
	}
	p.token, _ = tokens.Text("access_token")
	return p, nil
}

// on returns the end of a connection at a port of the seed, with one tag; any that the exchange finds if that is 0.
func on(port string, vlan int) store.Object {
	link := store.Object{"type": "DOT1Q"}
	if vlan != 0 {
		link["vlanTag"] = vlan
	}
	return store.Object{"accessPoint": store.Object{"type": "COLO", "port": store.Object{"uuid": fabric.ID("port/" + port)}, "linkProtocol": link}}
}

// behind returns the end of a connection at a QinQ port of the seed, with an S-tag.
func behind(port string, vlan int) store.Object {
	return store.Object{"accessPoint": store.Object{
		"type": "COLO", "port": store.Object{"uuid": fabric.ID("port/" + port)}, "linkProtocol": store.Object{"type": "QINQ", "vlanSTag": vlan},
	}}
}

// atProfile returns the end of a connection at a service profile, with the key that its seller knows a customer by.
func atProfile(profile, key string) store.Object {
	point := store.Object{"type": "SP", "profile": store.Object{"uuid": profile}}
	if key != "" {
		point["authenticationKey"] = key
	}
	return store.Object{"accessPoint": point}
}

// virtual returns the order of a connection.
func virtual(name string, bandwidth int, a, z store.Object, more store.Object) store.Object {
	o := store.Object{
		"type": "EVPL_VC", "name": name, "bandwidth": bandwidth, "aSide": a, "zSide": z,
		"notifications": []store.Object{{"type": "ALL", "emails": []string{"noc@fabric.example"}}},
	}
	for field, v := range more {
		o[field] = v
	}
	return o
}

// The fields of a connection that are shown.
func stateOf() []string { return []string{"uuid", "state", "operation"} }

// connect orders a connection and returns its uuid.
func (p *party) connect(ctx context.Context, o store.Object) (string, error) {
	c, err := p.ask(ctx, http.MethodPost, fabric.BasePath+"/connections", o, stateOf()...)
	id, _ := c.Text("uuid")
	return id, err
}

// approve says yes to what was asked of a connection.
func (p *party) approve(ctx context.Context, connection, what string, more store.Object) error {
	body := store.Object{"type": what, "description": "as agreed"}
	if more != nil {
		body["data"] = store.Object{"zSide": more}
	}
	_, err := p.ask(ctx, http.MethodPost, fabric.BasePath+"/connections/"+connection+"/actions", body, "type", "status")
	return err
}

// becomes waits until a connection has a state, as its own party sees it, and shows what the switches make of it.
func (p *party) becomes(ctx context.Context, connection, state string) error {
	return p.follows(ctx, "the connection is "+state, func() (bool, error) {
		c, err := p.quietly(ctx, http.MethodGet, fabric.BasePath+"/connections/"+connection, nil)
		now, _ := c.Text("state")
		if now == "FAILED" && state != now {
			err = fmt.Errorf("connection %s has failed: %v", connection, c["operation"])
		}
		return now == state, err
	})
}

// wire tells the routers at both ends of a connection their tags: what its operator sees of it.
func (w *walker) wire(ctx context.Context, connection, name, subnet string, nodes ...string) error {
	operator, err := w.user(ctx, "operator")
	if err != nil {
		return err
	}
	c, err := operator.quietly(ctx, http.MethodGet, fabric.BasePath+"/connections/"+connection, nil)
	if err != nil {
		return err
	}
	for i, side := range []string{"aSide", "zSide"} {
		link := c.Object(side + ".accessPoint.linkProtocol")
		vlan, _ := link.Text("vlanTag")
		if err := w.configure(ctx, nodes[i], fmt.Sprintf("%s=0x8100:%s,ip=%s.%d/24", name, vlan, subnet, i+1)); err != nil {
			return err
		}
	}
	return nil
}

// sells goes the way of a seller: a profile that is made, looked at, and opened to all.
func (w *walker) sells(ctx context.Context) error {
	w.page.heading("A seller looks for a port to sell at")
	seller, err := w.user(ctx, "seller")
	if err != nil {
		return err
	}
	if _, err := seller.ask(ctx, http.MethodGet, fabric.BasePath+"/ports/"+fabric.ID("port/seller-dot1q"), nil, "uuid", "state", "encapsulation", "availableBandwidth"); err != nil {
		return err
	}
	id, err := seller.offer(ctx)
	if err != nil {
		return err
	}
	path := fabric.BasePath + "/serviceProfiles/" + id
	w.page.heading("A buyer does not see it before it is published")
	buyer, err := w.user(ctx, "buyer")
	if err != nil {
		return err
	}
	if _, err := buyer.quietly(ctx, http.MethodGet, path, nil); err == nil {
		return fmt.Errorf("the buyer sees a profile that is private")
	}
	w.page.line("GET %s: not found", path)
	if err := seller.patch(ctx, path, "/visibility", "PUBLIC"); err != nil {
		return err
	}
	_, err = buyer.ask(ctx, http.MethodGet, path, nil, "name", "visibility", "state", "customFields")
	return err
}

// offer makes a private profile.
func (p *party) offer(ctx context.Context) (string, error) {
	p.page.heading("It makes a profile: what buyers must say, the bandwidths, and the port")
	made, err := p.ask(ctx, http.MethodPost, fabric.BasePath+"/serviceProfiles", store.Object{
		"type": "L2_PROFILE", "name": "Wolkenbruch Archive", "description": "What is to be kept for long", "visibility": "PRIVATE",
		"ports":        []store.Object{{"type": "XF_PORT", "uuid": fabric.ID("port/seller-dot1q")}},
		"customFields": []store.Object{{"label": "Shelf", "description": "where it goes", "required": true, "dataType": "STRING"}},
		"accessPointTypeConfigs": []store.Object{{
			"type": "COLO", "supportedBandwidths": []int{50, 100, 500}, "allowRemoteConnections": true, "allowCustomBandwidth": false,
			"connectionRedundancyRequired": false, "authenticationKey": store.Object{"required": true, "label": "Archive key"},
		}},
	}, "uuid", "state", "visibility")
	id, _ := made.Text("uuid")
	return id, err
}

// patch replaces a field (JSON patch, RFC 6902).
func (p *party) patch(ctx context.Context, path, field string, value any) error {
	_, err := p.send(ctx, http.MethodPatch, path, []store.Object{{"op": "replace", "path": field, "value": value}}, true)
	return err
}

// buys goes the way of a buyer: an order at a profile, its approval by the seller, and its end.
func (w *walker) buys(ctx context.Context) error {
	buyer, err := w.user(ctx, "buyer")
	if err != nil {
		return err
	}
	w.page.heading("A buyer orders at the profile of a seller, on its LAG")
	connection, err := buyer.connect(ctx, virtual("to the cloud", 200, on("buyer-lag", 100), atProfile(fabric.ID("profile/cloud"), "tenant-4711"), tenant()))
	if err != nil {
		return err
	}
	if err := w.follows(ctx, "nothing is provisioned before the seller approves", func() (bool, error) { return true, nil }); err != nil {
		return err
	}
	w.page.heading("The seller approves, and gives the VLAN on its own port")
	seller, err := w.user(ctx, "seller")
	if err != nil {
		return err
	}
	if err := seller.approve(ctx, connection, "CONNECTION_CREATION_ACCEPTANCE", on("seller-dot1q", 400)); err != nil {
		return err
	}
	if err := buyer.becomes(ctx, connection, "ACTIVE"); err != nil {
		return err
	}
	if err := w.wire(ctx, connection, "vc", "10.1.1", "buyer-lag", "seller-dot1q"); err != nil {
		return err
	}
	if err := w.shown(ctx, showing{"approved by the seller", "buyer-lag/vc", "seller-dot1q/vc", true}); err != nil {
		return err
	}
	w.page.heading("The buyer gives it up; it works until the seller agrees")
	if _, err := buyer.ask(ctx, http.MethodDelete, fabric.BasePath+"/connections/"+connection, nil, stateOf()...); err != nil {
		return err
	}
	if err := w.shown(ctx, showing{"to be deleted", "buyer-lag/vc", "seller-dot1q/vc", true}); err != nil {
		return err
	}
	if err := seller.approve(ctx, connection, "CONNECTION_DELETION_ACCEPTANCE", nil); err != nil {
		return err
	}
	if err := buyer.becomes(ctx, connection, "DEPROVISIONED"); err != nil {
		return err
	}
	if err := w.shown(ctx, showing{"deleted", "buyer-lag/vc", "seller-dot1q/vc", false}); err != nil {
		return err
	}
	return w.stacks(ctx, buyer, seller)
}

// stacks goes on between two QinQ ports, where only the S-tag is the connection's: the customer's own tags pass, whatever
// they are.
func (w *walker) stacks(ctx context.Context, buyer, seller *party) error {
	w.page.heading("A buyer orders between QinQ ports, where its own tags pass behind the S-tag")
	connection, err := buyer.connect(ctx, virtual("with tags of its own", 200, behind("buyer-qinq", 500), atProfile(fabric.ID("profile/cloud"), "tenant-4711"), tenant()))
	if err != nil {
		return err
	}
	if err := seller.approve(ctx, connection, "CONNECTION_CREATION_ACCEPTANCE", behind("seller-qinq-1", 600)); err != nil {
		return err
	}
	if err := buyer.becomes(ctx, connection, "ACTIVE"); err != nil {
		return err
	}
	near, far := "0x88a8:500", "0x9100:600" // the ports' own ethertypes
	for i, end := range []struct{ node, tag, wrong string }{{"buyer-qinq", near, "0x88a8:501"}, {"seller-qinq-1", far, "0x9100:601"}} {
		for j, at := range []string{"none=" + end.tag, "c-tag=" + end.tag + "/0x8100:77", "c-tags=" + end.tag + "/0x8100:77/0x8100:78", "other=" + end.wrong + "/0x8100:77"} {
			if err := w.configure(ctx, end.node, fmt.Sprintf("%s,ip=10.1.%d.%d/24", at, 4+j, 1+i)); err != nil {
				return err
			}
		}
	}
	err = w.shown(ctx,
		showing{"S-tag", "buyer-qinq/none", "seller-qinq-1/none", true},
		showing{"S-tag and C-tag", "buyer-qinq/c-tag", "seller-qinq-1/c-tag", true},
		showing{"S-tag and two C-tags", "buyer-qinq/c-tags", "seller-qinq-1/c-tags", true},
		showing{"another S-tag", "buyer-qinq/other", "seller-qinq-1/other", false})
	if err != nil {
		return err
	}
	return w.joins(ctx, buyer)
}

// joins ends with two untagged ports of the buyer's own: what is between them needs nobody's approval, and everything passes.
func (w *walker) joins(ctx context.Context, buyer *party) error {
	w.page.heading("A buyer joins two ports of its own, with all that is on them")
	o := virtual("all of it", 1000, untaggedOn("buyer-epl-1"), untaggedOn("buyer-epl-2"), nil)
	o["type"] = "EPL_VC"
	connection, err := buyer.connect(ctx, o)
	if err != nil {
		return err
	}
	if err := buyer.becomes(ctx, connection, "ACTIVE"); err != nil {
		return err
	}
	for i, node := range []string{"buyer-epl-1", "buyer-epl-2"} {
		for j, at := range []string{"plain=untagged", "tag=0x8100:9", "tags=0x88a8:9/0x8100:10"} {
			if err := w.configure(ctx, node, fmt.Sprintf("%s,ip=10.1.%d.%d/24", at, 10+j, 1+i)); err != nil {
				return err
			}
		}
	}
	return w.shown(ctx,
		showing{"EPL, without a tag", "buyer-epl-1/plain", "buyer-epl-2/plain", true},
		showing{"EPL, one tag", "buyer-epl-1/tag", "buyer-epl-2/tag", true},
		showing{"EPL, two tags", "buyer-epl-1/tags", "buyer-epl-2/tags", true})
}

// untaggedOn returns the end of a connection that is all of a port.
func untaggedOn(port string) store.Object {
	return store.Object{"accessPoint": store.Object{
		"type": "COLO", "port": store.Object{"uuid": fabric.ID("port/" + port)}, "linkProtocol": store.Object{"type": "UNTAGGED"},
	}}
}

// tenant is what the seller's profile wants to know besides.
func tenant() store.Object {
	return store.Object{"additionalInfo": []store.Object{{"key": "Tenant", "value": "moonrise"}}}
}

// resells goes both ways of a reseller: it orders for a customer with the customer's key, and its sub-account orders for
// itself.
func (w *walker) resells(ctx context.Context) error {
	seller, err := w.user(ctx, "seller")
	if err != nil {
		return err
	}
	for _, option := range []struct {
		what, user, port, key, subnet string
		vlan                          int
	}{
		{"Option 1: a reseller orders on its own port, with the key that the seller knows its customer by", "reseller", "reseller-lag", "birkenfunk-key", "10.1.2", 200},
		{"Option 2: a sub-account orders for itself, on the port that its reseller assigned to it", "sub", "sub-dot1q", "xenoturm-key", "10.1.3", 300},
	} {
		w.page.heading("%s", option.what)
		p, err := w.user(ctx, option.user)
		if err != nil {
			return err
		}
		connection, err := p.connect(ctx, virtual("by way of a reseller", 100, on(option.port, option.vlan), atProfile(fabric.ID("profile/cloud"), option.key), tenant()))
		if err != nil {
			return err
		}
		if err := seller.approve(ctx, connection, "CONNECTION_CREATION_ACCEPTANCE", nil); err != nil {
			return err
		}
		if err := p.becomes(ctx, connection, "ACTIVE"); err != nil {
			return err
		}
		if err := w.wire(ctx, connection, option.user, option.subnet, option.port, "seller-dot1q"); err != nil {
			return err
		}
		if err := w.shown(ctx, showing{"ordered by " + option.user, option.port + "/" + option.user, "seller-dot1q/" + option.user, true}); err != nil {
			return err
		}
		if err := w.looksAt(ctx, connection, "reseller", "customer", "sub", "seller", "buyer"); err != nil {
			return err
		}
	}
	return nil
}

// looksAt shows what users see of a connection.
func (w *walker) looksAt(ctx context.Context, connection string, users ...string) error {
	w.page.line("What others see of it:")
	for _, name := range users {
		p, err := w.user(ctx, name)
		if err != nil {
			return err
		}
		c, err := p.quietly(ctx, http.MethodGet, fabric.BasePath+"/connections/"+connection, nil)
		if err != nil {
			w.page.line("  %-8s  nothing", name)
			continue
		}
		seen := "no port"
		for _, side := range []string{"aSide", "zSide"} {
			if c.Object(side+".accessPoint.port") != nil {
				seen = "the port of " + side
			}
		}
		w.page.line("  %-8s  it is %s, and %s", name, field(c, "state"), seen)
	}
	return nil
}
