package fabric

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Option 1: the reseller orders on its own port with the key that the seller knows its customer by. The customer sees its
// connection, and nothing of the reseller's port or order; the seller is told of the customer when that is disclosed.
func TestAResellerOrdersForACustomerByItsKey(t *testing.T) {
	d := strict(t, Options{})
	order := bid{
		from: "reseller-lag", to: "profile/cloud", a: dot1q(100), more: `,"authenticationKey":"birkenfunk-key"`,
		rest: tenant + `,"endCustomer":{"isDisclosed":false,"name":"Birkenfunk"}`,
	}
	id := d.order("reseller", order).uuid()
	if k := d.get("reseller", id); k.at("aSide.accessPoint.port.uuid") == "" || k.at("endCustomer.name") != "Birkenfunk" {
		t.Errorf("to the reseller: %v", k)
	}
	k := d.act("seller", id, "CONNECTION_CREATION_ACCEPTANCE", "")
	if k.at("endCustomer") != "" || k.at("zSide.accessPoint.authenticationKey") != "birkenfunk-key" || k.at("account.accountName") != "Wacholder Wholesale" || k.at("aSide.accessPoint.port") != "" {
		t.Errorf("to the seller: %v", k)
	}
	k = d.get("customer", id)
	if k.at("aSide.accessPoint.port") != "" || k.at("aSide.accessPoint.linkProtocol") != "" || k.at("zSide.accessPoint.port") != "" || k.at("order") != "" ||
		k.at("account.accountNumber") != "" || k.at("state") != "ACTIVE" {
		t.Errorf("to the customer: %v", k)
	}
	for _, try := range [][3]string{
		{http.MethodDelete, "/connections/" + id, ""},
		{http.MethodPost, "/connections/" + id + "/actions", `{"type":"CONNECTION_CREATION_ACCEPTANCE"}`},
		{http.MethodPatch, "/connections/" + id, `[{"op":"replace","path":"/name","value":"mine"}]`},
	} {
		d.refused("customer", try[0], try[1], try[2], 403)
	}
	d.refused("customer", http.MethodGet, "/ports/"+ID("port/reseller-lag"), "", 404)
	d.refused("buyer", http.MethodGet, "/connections/"+id, "", 404)

	order.a, order.rest = dot1q(101), tenant+`,"endCustomer":{"isDisclosed":true,"name":"Birkenfunk"}`
	if k := d.get("seller", d.order("reseller", order).uuid()); k.at("endCustomer.name") != "Birkenfunk" {
		t.Errorf("disclosed, to the seller: %v", k)
	}
}

// A seller whose API is asked knows its customers' keys; no other key is one.
func TestAKeyThatTheSellerDoesNotKnowIsRefused(t *testing.T) {
	d := strict(t, Options{})
	d.told("seller", http.MethodPatch, "/serviceProfiles/"+ID("profile/cloud"), `[{"op":"add","path":"/accessPointTypeConfigs/0/apiConfig","value":{"apiAvailable":true,"integrationId":"cloud-1"}}]`, 200)
	if got := d.refused("buyer", http.MethodPost, "/connections", cloud("buyer-lag", 100, 50).String(), 400); got != codeKey+" /zSide/accessPoint/authenticationKey" {
		t.Errorf("%s", got)
	}
	known := cloud("reseller-lag", 100, 50)
	known.more = `,"authenticationKey":"birkenfunk-key"`
	d.order("reseller", known)
}

// Option 2: a sub-account orders for itself on the ports that its reseller assigned to it, as far as it is let.
func TestASubAccountServesItselfWithinWhatItsResellerAllows(t *testing.T) {
	d := strict(t, Options{})
	path := "/ports/" + ID("port/sub-dot1q")
	set := func(name, value string) {
		d.told("reseller", http.MethodPatch, path, fmt.Sprintf(`[{"op":"replace","path":%q,"value":%s}]`, name, value), 202)
	}
	if list := d.told("sub", http.MethodGet, "/ports", "", 200); list.at("pagination.total") != "1" || list.at("data.0.name") != "sub-dot1q" || list.at("data.0.account.resellerAccountNumber") == "" {
		t.Errorf("the sub-account sees %v", list)
	}
	d.refused("sub", http.MethodGet, "/ports/"+ID("port/reseller-lag"), "", 404)
	order := cloud("sub-dot1q", 100, 50)
	id := d.order("sub", order).uuid()
	if k := d.get("reseller", id); k.at("account.accountNumber") != fmt.Sprint(subAccount) || k.at("aSide.accessPoint.port.uuid") == "" {
		t.Errorf("the reseller sees %v", k)
	}
	if k := d.get("seller", id); k.at("account.resellerAccountName") != "" || k.at("account.accountName") != "Xenoturm Labs" {
		t.Errorf("the seller sees %v", k)
	}
	own := d.order("reseller", cloud("reseller-lag", 100, 50)).uuid()
	d.refused("sub", http.MethodGet, "/connections/"+own, "", 404)
	if got := d.refused("sub", http.MethodPost, "/connections", cloud("reseller-lag", 101, 50).String(), 400); got != codeInput+" /aSide/accessPoint/port/uuid" {
		t.Errorf("on the reseller's port: %s", got)
	}
	between := d.order("reseller", bid{from: "reseller-lag", to: "sub-dot1q", a: dot1q(7), z: dot1q(7)}).uuid()
	if k := d.get("sub", between); k.at("aSide.accessPoint.port") != "" || k.at("zSide.accessPoint.port.uuid") == "" || k.at("order") != "" || k.at("direction") != "INCOMING" {
		t.Errorf("the sub-account sees of the reseller: %v", k)
	}
	for _, try := range [][3]string{
		{http.MethodPatch, path, `[{"op":"replace","path":"/name","value":"mine"}]`},
		{http.MethodPatch, path, `[{"op":"replace","path":"/settings/placeVcOrderPermission","value":true}]`},
		{http.MethodDelete, path, ""},
		{http.MethodPost, "/ports", portBody(subAccount, `,"encapsulation":{"type":"DOT1Q"}`)},
		{http.MethodPost, "/serviceProfiles", `{"type":"L2_PROFILE","name":"x","description":"y"}`},
	} {
		d.refused("sub", try[0], try[1], try[2], 403)
	}
	set("/settings/placeVcOrderPermission", "false")
	d.refused("sub", http.MethodPost, "/connections", cloud("sub-dot1q", 102, 50).String(), 403)
	d.order("reseller", cloud("sub-dot1q", 103, 50))
	set("/settings/viewPortPermission", "false")
	d.refused("sub", http.MethodGet, path, "", 404)
	if k := d.get("sub", id); k.at("aSide.accessPoint.port") != "" || k.at("aSide.accessPoint.linkProtocol") != "" {
		t.Errorf("the sub-account sees the port in its connection: %v", k)
	}

	p := d.told("reseller", http.MethodPost, "/ports", portBody(subAccount, `,"encapsulation":{"type":"DOT1Q"}`), 202)
	if p := d.told("sub", http.MethodGet, "/ports/"+p.uuid(), "", 200); p.at("account.resellerAccountName") != "Wacholder Wholesale" {
		t.Errorf("ordered for the sub-account: %v", p)
	}
}

func TestAResellerAssignsItsPortsToItsSubAccountsOnly(t *testing.T) {
	d := strict(t, Options{})
	path := "/ports/" + ID("port/reseller-lag")
	to := func(number int64) string {
		return fmt.Sprintf(`[{"op":"replace","path":"/account/accountNumber","value":%d}]`, number)
	}
	for _, number := range []int64{buyerAccount, 0, 7, exchangeAccount} {
		if got := d.refused("reseller", http.MethodPatch, path, to(number), 400); !strings.HasPrefix(got, codeAccount) {
			t.Errorf("%d: %s", number, got)
		}
	}
	k := d.order("reseller", bid{from: "reseller-lag", to: "profile/express", a: dot1q(5)})
	if got := d.refused("reseller", http.MethodPatch, path, to(subAccount), 400); !strings.HasPrefix(got, codePortUsed) {
		t.Errorf("in use: %s", got)
	}
	d.told("reseller", http.MethodDelete, "/connections/"+k.uuid(), "", 200)
	waiting := d.order("reseller", cloud("reseller-lag", 6, 50)).uuid()
	d.told("reseller", http.MethodPatch, path, to(subAccount), 202)
	d.told("sub", http.MethodGet, path, "", 200)
	if got := d.refused("seller", http.MethodPost, "/connections/"+waiting+"/actions", `{"type":"CONNECTION_CREATION_ACCEPTANCE"}`, 400); got != codeInput+" /aSide/accessPoint" {
		t.Errorf("approved on a port that is another's now: %s", got)
	}
	d.refused("sub", http.MethodPatch, path, to(resellerAccount), 403)
	d.told("reseller", http.MethodPatch, path, to(resellerAccount), 202)
	d.refused("sub", http.MethodGet, path, "", 404)
}
