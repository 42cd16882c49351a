package fabric

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// What a seller approves is consumed then, and not before; what it is told of the buyer's port is nothing.
func TestAConnectionIsApprovedByItsSeller(t *testing.T) {
	d := strict(t, Options{Reported: true})
	k := d.order("buyer", cloud("buyer-lag", 100, 200))
	id := k.uuid()
	if k.state() != "PENDING PENDING_APPROVAL PENDING_APPROVAL CONNECTION_CREATION SUBMITTED_FOR_APPROVAL" || k.at("direction") != "OUTGOING" {
		t.Errorf("ordered: %v", k)
	}
	if p := d.port("buyer", "buyer-lag"); p.at("usedBandwidth") != "0" || p.at("connectionsCount") != "0" || p.at("availableBandwidth") != "30000" {
		t.Errorf("before approval the port is used: %v", p)
	}
	if got := d.refused("buyer", http.MethodPost, "/connections/"+id+"/actions", `{"type":"CONNECTION_CREATION_ACCEPTANCE"}`, 403); got != codeNotAllowed {
		t.Errorf("the buyer approves: %s", got)
	}
	k = d.act("seller", id, "CONNECTION_CREATION_ACCEPTANCE", "")
	if k.state() != "PROVISIONING PROVISIONING PROVISIONING CONNECTION_CREATION APPROVED" || k.at("zSide.accessPoint.port.uuid") != ID("port/seller-dot1q") ||
		k.at("zSide.accessPoint.linkProtocol.vlanTag") != "2" || k.at("direction") != "INCOMING" {
		t.Errorf("approved, to the seller: %v", k)
	}
	if k.at("aSide.accessPoint.port") != "" || k.at("aSide.accessPoint.linkProtocol") != "" || k.at("order") != "" || k.at("notifications") != "" ||
		k.at("account.accountNumber") != "" || k.at("aSide.accessPoint.account.accountNumber") != "" || k.at("aSide.accessPoint.location.ibx") != "" {
		t.Errorf("the seller sees of the buyer: %v", k)
	}
	k = d.get("buyer", id)
	if k.at("zSide.accessPoint.port") != "" || k.at("zSide.accessPoint.linkProtocol") != "" || k.at("aSide.accessPoint.port.name") != "buyer-lag" ||
		k.at("aSide.accessPoint.linkProtocol.vlanTag") != "100" || k.at("order.purchaseOrderNumber") != "PO-1" || k.at("zSide.accessPoint.account.accountName") != "Wolkenbruch Cloud" {
		t.Errorf("to the buyer: %v", k)
	}
	if k := d.get("operator", id); k.at("aSide.accessPoint.port.uuid") == "" || k.at("zSide.accessPoint.port.uuid") == "" || k.at("direction") != "INTERNAL" {
		t.Errorf("to the operator: %v", k)
	}
	for _, user := range []string{"customer", "reseller", "sub"} {
		d.refused(user, http.MethodGet, "/connections/"+id, "", 404)
		if list := d.told(user, http.MethodPost, "/connections/search", "{}", 200); list.at("pagination.total") != "0" {
			t.Errorf("%s sees %v", user, list)
		}
	}
	if p := d.port("buyer", "buyer-lag"); p.at("usedBandwidth") != "200" || p.at("connectionsCount") != "1" || p.at("availableBandwidth") != "29800" {
		t.Errorf("after approval the port is not used: %v", p)
	}
	links := d.told("buyer", http.MethodGet, "/ports/"+ID("port/buyer-lag")+"/linkProtocols", "", 200)
	if links.at("data.0.vlanTag") != "100" || links.at("data.0.asset.uuid") != id {
		t.Errorf("%v", links)
	}
	if err := d.h.Report("network-service-configs", id+"-a", "provisioned", nil); err != nil {
		t.Fatal(err)
	}
	if k := d.get("buyer", id); k.at("state") != "PROVISIONING" {
		t.Errorf("with one side of two: %s", k.state())
	}
	d.report(id, "provisioned")
	if k := d.get("buyer", id); k.state() != "ACTIVE PROVISIONED AVAILABLE CONNECTION_CREATION COMPLETED" || k.at("operation.operationalStatus") != "UP" {
		t.Errorf("provisioned: %s", k.state())
	}
	d.told("buyer", http.MethodDelete, "/connections/"+id, "", 200)
	if k := d.get("buyer", id); k.state() != "ACTIVE PENDING_DELETE PENDING DELETE CONNECTION_DELETION SUBMITTED_FOR_APPROVAL" {
		t.Errorf("deleted by the buyer: %s", k.state())
	}
	if p := d.port("buyer", "buyer-lag"); p.at("usedBandwidth") != "200" {
		t.Errorf("what is still in service is not used: %v", p)
	}
	if k := d.act("seller", id, "CONNECTION_DELETION_ACCEPTANCE", ""); k.at("state") != "DEPROVISIONING" {
		t.Errorf("the seller agrees: %s", k.state())
	}
	d.report(id, "removed")
	if k := d.get("buyer", id); k.state() != "DEPROVISIONED DEPROVISIONED DEPROVISIONED CONNECTION_DELETION COMPLETED" {
		t.Errorf("removed: %s", k.state())
	}
	if p := d.port("buyer", "buyer-lag"); p.at("usedBandwidth") != "0" {
		t.Errorf("what is over is used: %v", p)
	}
	if got := d.refused("buyer", http.MethodDelete, "/connections/"+id, "", 400); !strings.HasPrefix(got, codeDeleted) {
		t.Errorf("deleted again: %s", got)
	}
}

func TestASellerNamesPortAndVLANOrRejects(t *testing.T) {
	d := strict(t, Options{Reported: true})
	id := d.order("buyer", cloud("buyer-lag", 100, 50)).uuid()
	path := "/connections/" + id + "/actions"
	accept := func(port, link string) string {
		return fmt.Sprintf(`{"type":"CONNECTION_CREATION_ACCEPTANCE","data":{"zSide":{"accessPoint":{"port":{"uuid":%q},"linkProtocol":%s}}}}`, ID("port/"+port), link)
	}
	for body, want := range map[string]string{
		accept("buyer-dot1q", dot1q(7)):             codeAccessPoint,
		accept("nowhere", dot1q(7)):                 codeAccessPoint,
		accept("seller-dot1q", qinq(7, 0)):          codeEncapsulation,
		accept("seller-dot1q", dot1q(4093)):         codeInput,
		accept("seller-qinq-1", qinq(1, 10)):        codeInput,
		`{"type":"MIGRATION_EVPL_VC"}`:              codeInput,
		`{"type":"CONNECTION_UPDATE_ACCEPTANCE"}`:   codeTransient,
		`{"type":"CONNECTION_DELETION_ACCEPTANCE"}`: codeTransient,
		`{"type":7}`: codeSyntax,
	} {
		if got := d.refused("seller", http.MethodPost, path, body, 400); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	k := d.act("seller", id, "CONNECTION_CREATION_ACCEPTANCE", fmt.Sprintf(`{"port":{"uuid":%q},"linkProtocol":%s,"providerConnectionId":"vnet-7"}`, ID("port/seller-qinq-1"), qinq(700, 7)))
	if k.at("zSide.accessPoint.linkProtocol.vlanSTag") != "700" || k.at("zSide.accessPoint.linkProtocol.vlanCTag") != "7" || k.at("zSide.accessPoint.providerConnectionId") != "vnet-7" {
		t.Errorf("%v", k)
	}
	if got := d.refused("seller", http.MethodPost, path, `{"type":"CONNECTION_CREATION_ACCEPTANCE"}`, 400); !strings.HasPrefix(got, codeTransient) {
		t.Errorf("approved twice: %s", got)
	}

	id = d.order("buyer", cloud("buyer-lag", 101, 50)).uuid()
	if k := d.act("seller", id, "CONNECTION_CREATION_REJECTION", ""); k.state() != "CANCELLED REJECTED REJECTED CONNECTION_CREATION REJECTED" || k.at("change.information") != "because" {
		t.Errorf("rejected: %v", k)
	}
	if k := d.act("buyer", id, "CONNECTION_REJECTION_ACCEPTANCE", ""); k.at("operation.equinixStatus") != "REJECTED_ACK" {
		t.Errorf("acknowledged: %s", k.state())
	}

	id = d.order("buyer", cloud("buyer-lag", 102, 50)).uuid()
	if k := d.told("buyer", http.MethodDelete, "/connections/"+id, "", 200); k.state() != "CANCELLED CANCELLED NOT_AVAILABLE CONNECTION_DELETION COMPLETED" {
		t.Errorf("withdrawn: %s", k.state())
	}
	if got := d.refused("seller", http.MethodPost, "/connections/"+id+"/actions", `{"type":"CONNECTION_CREATION_ACCEPTANCE"}`, 400); !strings.HasPrefix(got, codeTransient) {
		t.Errorf("approved after it was withdrawn: %s", got)
	}
}

// Two that wait may want the same VLAN: whichever is approved first has it.
func TestWhatWaitsIsCheckedAgainWhenItIsApproved(t *testing.T) {
	d := strict(t, Options{Reported: true})
	one, two := d.order("buyer", cloud("buyer-lag", 100, 50)).uuid(), d.order("buyer", cloud("buyer-lag", 100, 50)).uuid()
	d.act("seller", two, "CONNECTION_CREATION_ACCEPTANCE", "")
	got := d.refused("seller", http.MethodPost, "/connections/"+one+"/actions", `{"type":"CONNECTION_CREATION_ACCEPTANCE"}`, 400)
	if got != codeInput+" /aSide/accessPoint" {
		t.Errorf("the VLAN is taken: %s", got)
	}
	if k := d.get("buyer", one); k.at("state") != "PENDING" {
		t.Errorf("%s", k.state())
	}
	d.told("buyer", http.MethodPatch, "/connections/"+one, `[{"op":"replace","path":"/aSide/accessPoint/linkProtocol/vlanTag","value":101}]`, 202)
	if k := d.act("seller", one, "CONNECTION_CREATION_ACCEPTANCE", ""); k.at("zSide.accessPoint.linkProtocol.vlanTag") != "3" {
		t.Errorf("%v", k)
	}
}

func TestOrdersThatAreWrongSayWhere(t *testing.T) {
	d := strict(t, Options{})
	d.order("buyer", bid{from: "buyer-lag", to: "buyer-dot1q", a: dot1q(100), z: dot1q(100), bandwidth: 9000})
	d.order("buyer", bid{from: "buyer-qinq", to: "buyer-dot1q", a: qinq(100, 5), z: dot1q(101)})
	a, z := "/aSide/accessPoint", "/zSide/accessPoint"
	for name, c := range map[string]struct {
		bid  string
		want string
	}{
		"a VLAN that is taken":      {bid{from: "buyer-lag", to: "buyer-qinq", a: dot1q(100), z: qinq(7, 0)}.String(), codeVLANTaken + " " + a + "/linkProtocol"},
		"an outer tag that is":      {bid{from: "buyer-qinq", to: "buyer-lag", a: qinq(100, 6), z: dot1q(7)}.String(), codeVLANTaken + " " + a + "/linkProtocol"},
		"one at the other end":      {bid{from: "buyer-lag", to: "buyer-dot1q", a: dot1q(7), z: dot1q(101)}.String(), codeVLANTaken + " " + z + "/linkProtocol"},
		"too low a VLAN":            {bid{from: "buyer-lag", to: "buyer-qinq", a: dot1q(1), z: qinq(7, 0)}.String(), codeInput + " " + a + "/linkProtocol/vlanTag"},
		"too high an outer tag":     {bid{from: "buyer-lag", to: "buyer-qinq", a: dot1q(7), z: qinq(4093, 0)}.String(), codeInput + " " + z + "/linkProtocol/vlanSTag"},
		"no VLAN":                   {bid{from: "buyer-lag", to: "buyer-qinq", a: `{"type":"DOT1Q"}`, z: qinq(7, 0)}.String(), codeInput + " " + a + "/linkProtocol/vlanTag"},
		"QinQ on a DOT1Q port":      {bid{from: "buyer-lag", to: "buyer-qinq", a: qinq(7, 0), z: qinq(7, 0)}.String(), codeEncapsulation + " " + a + "/linkProtocol/type"},
		"DOT1Q on a QinQ port":      {bid{from: "buyer-lag", to: "buyer-qinq", a: dot1q(7), z: dot1q(7)}.String(), codeEncapsulation + " " + z + "/linkProtocol/type"},
		"a tag of another protocol": {bid{from: "buyer-lag", to: "buyer-qinq", a: `{"type":"DOT1Q","vlanTag":7,"vlanCTag":8}`, z: qinq(7, 0)}.String(), codeEncapsulation + " " + a + "/linkProtocol/vlanCTag"},
		"EVPL from an EPL port":     {bid{from: "buyer-epl-1", to: "buyer-qinq", z: qinq(7, 0)}.String(), codeEncapsulation + " " + a + "/port/uuid"},
		"EPL from a tagged port":    {bid{kind: "EPL_VC", from: "buyer-lag", to: "buyer-epl-2", a: dot1q(7)}.String(), codeEncapsulation + " " + a + "/port/uuid"},
		"EPL to a tagged port":      {bid{kind: "EPL_VC", from: "buyer-epl-1", to: "buyer-lag", z: dot1q(7)}.String(), codeEncapsulation + " " + z + "/port/uuid"},
		"more than there is":        {bid{from: "buyer-lag", to: "buyer-dot1q", a: dot1q(7), z: dot1q(7), bandwidth: 1001}.String(), codeBandwidth + " /bandwidth"},
		"no bandwidth":              {bid{from: "buyer-lag", to: "buyer-dot1q", a: dot1q(7), z: dot1q(7), bandwidth: -1}.String(), codeBandwidth + " /bandwidth"},
		"an unknown port":           {bid{from: "nowhere", to: "buyer-dot1q", a: dot1q(7), z: dot1q(7)}.String(), codeInput + " " + a + "/port/uuid"},
		"another's port":            {bid{from: "customer-dot1q", to: "buyer-dot1q", a: dot1q(7), z: dot1q(7)}.String(), codeInput + " " + a + "/port/uuid"},
		"to another's port":         {bid{from: "buyer-lag", to: "seller-dot1q", a: dot1q(7), z: dot1q(7)}.String(), codeInput + " " + z + "/port/uuid"},
		"a port without a cable":    {bid{from: "buyer-ordered", to: "buyer-dot1q", a: dot1q(7), z: dot1q(7)}.String(), codeInput + " " + a + "/port/uuid"},
		"to itself":                 {bid{from: "buyer-lag", to: "buyer-lag", a: dot1q(7), z: dot1q(8)}.String(), codeInput + " " + z + "/port/uuid"},
		"an unknown profile":        {bid{from: "buyer-lag", to: "profile/nothing", a: dot1q(7)}.String(), codeNoProfile + " " + z + "/profile/uuid"},
		"no key":                    {bid{from: "buyer-lag", to: "profile/cloud", a: dot1q(7), rest: tenant}.String(), codeKey + " " + z + "/authenticationKey"},
		"no custom field":           {bid{from: "buyer-lag", to: "profile/cloud", a: dot1q(7), more: `,"authenticationKey":"k"`}.String(), codeMetadata + " /additionalInfo"},
		"no speed band":             {cloud("buyer-lag", 7, 51).String(), codeSpeedBand + " /bandwidth"},
		"another metro":             {bid{from: "buyer-lag", to: "profile/express", a: dot1q(7), more: `,"location":{"metroCode":"SV"}`}.String(), codeMetro + " " + z + "/location/metroCode"},
		"a region":                  {bid{from: "buyer-lag", to: "profile/express", a: dot1q(7), more: `,"sellerRegion":"north"`}.String(), codeMetro + " " + z + "/sellerRegion"},
		"no inner tag":              {bid{from: "buyer-qinq", to: "profile/backup", a: qinq(7, 0)}.String(), codeInput + " " + a + "/linkProtocol/vlanCTag"},
		"peering as a cloud":        {bid{kind: "IX_VC", from: "buyer-lag", to: "profile/cloud", a: dot1q(7), more: `,"authenticationKey":"k"`, rest: tenant}.String(), codeInput + " /type"},
		"an unknown type":           {bid{kind: "IP_VC", from: "buyer-lag", to: "buyer-dot1q", a: dot1q(7), z: dot1q(7)}.String(), codeInput + " /type"},
		"an unknown network":        {bid{kind: "EVPLAN_VC", from: "buyer-lag", to: "network/x", a: dot1q(7)}.String(), codeInput + " " + z + "/network/uuid"},
		"a network without one":     {bid{kind: "EVPLAN_VC", from: "buyer-lag", to: "buyer-dot1q", a: dot1q(7), z: dot1q(7)}.String(), codeInput + " " + z + "/type"},
		"a second without a group":  {bid{from: "buyer-lag", to: "profile/express", a: dot1q(7), rest: `,"redundancy":{"priority":"SECONDARY"}`}.String(), codeNoGroup + " /redundancy/group"},
		"an unknown group":          {bid{from: "buyer-lag", to: "profile/express", a: dot1q(7), rest: `,"redundancy":{"priority":"SECONDARY","group":"x"}`}.String(), codeGroup + " /redundancy/group"},
		"a third":                   {bid{from: "buyer-lag", to: "profile/express", a: dot1q(7), rest: `,"redundancy":{"priority":"TERTIARY"}`}.String(), codeRedundancy + " /redundancy/priority"},
		"nobody to tell":            {strings.Replace(bid{from: "buyer-lag", to: "buyer-dot1q", a: dot1q(7), z: dot1q(7)}.String(), "noc@example.com", "noc", 1), codeInput + " /notifications/0/emails/0"},
		"a name without letters":    {strings.Replace(bid{from: "buyer-lag", to: "buyer-dot1q", a: dot1q(7), z: dot1q(7)}.String(), `"name":"test"`, `"name":" "`, 1), codeInput + " /name"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := d.refused("buyer", http.MethodPost, "/connections", c.bid, 400); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestEPLTakesAWholePort(t *testing.T) {
	d := strict(t, Options{})
	k := d.order("buyer", bid{kind: "EPL_VC", from: "buyer-epl-1", to: "buyer-epl-2"})
	if k.state() != "ACTIVE PROVISIONED AVAILABLE CONNECTION_CREATION COMPLETED" || k.at("direction") != "INTERNAL" {
		t.Errorf("%v", k)
	}
	if got := d.refused("buyer", http.MethodPost, "/connections", bid{kind: "EPL_VC", from: "buyer-epl-1", to: "buyer-epl-2"}.String(), 400); !strings.HasPrefix(got, codeVLANTaken) {
		t.Errorf("another: %s", got)
	}
	if k := d.told("buyer", http.MethodDelete, "/connections/"+k.uuid(), "", 200); k.at("state") != "DEPROVISIONED" {
		t.Errorf("%s", k.state())
	}
}

func TestPairsAreOfTwoPorts(t *testing.T) {
	d := strict(t, Options{Reported: true})
	profile := d.told("seller", http.MethodPost, "/serviceProfiles", fmt.Sprintf(`{"type":"L2_PROFILE","name":"Pairs","description":"two of everything","visibility":"PUBLIC",
		"accessPointTypeConfigs":[{"type":"COLO","allowCustomBandwidth":true,"connectionRedundancyRequired":true,"apiConfig":{"equinixManagedPort":true,"equinixManagedVlan":true}}],
		"ports":[{"type":"XF_PORT","uuid":%q},{"type":"XF_PORT","uuid":%q}]}`, ID("port/seller-qinq-1"), ID("port/seller-qinq-2")), 201)
	order := func(from string, vlan int, rest string) string {
		return strings.Replace(bid{from: from, to: "profile/pairs", a: dot1q(vlan), rest: rest}.String(), ID("profile/pairs"), profile.uuid(), 1)
	}
	if got := d.refused("buyer", http.MethodPost, "/connections", order("buyer-lag", 5, ""), 400); got != codeRedundancy+" /redundancy/priority" {
		t.Errorf("%s", got)
	}
	first := d.told("buyer", http.MethodPost, "/connections", order("buyer-lag", 5, `,"redundancy":{"priority":"PRIMARY"}`), 201)
	second := fmt.Sprintf(`,"redundancy":{"priority":"SECONDARY","group":%q}`, first.at("redundancy.group"))
	if got := d.refused("buyer", http.MethodPost, "/connections", order("buyer-lag", 6, second), 400); got != codeGroup+" /aSide/accessPoint/port/uuid" {
		t.Errorf("from the same port: %s", got)
	}
	if got := d.refused("customer", http.MethodPost, "/connections", order("customer-dot1q", 6, second), 400); got != codeGroup+" /redundancy/group" {
		t.Errorf("into the pair of another: %s", got)
	}
	other := d.told("buyer", http.MethodPost, "/connections", order("buyer-dot1q", 6, second), 201)
	if got := d.refused("buyer", http.MethodPost, "/connections", order("buyer-dot1q", 7, second), 400); got != codeGroup+" /redundancy/group" {
		t.Errorf("a third: %s", got)
	}
	a, z := d.get("seller", first.uuid()).at("zSide.accessPoint.port.uuid"), d.get("seller", other.uuid()).at("zSide.accessPoint.port.uuid")
	if a == z || a == "" || z == "" {
		t.Errorf("the pair ends at %s and %s", a, z)
	}
}

func TestBandwidthIsChangedWithApproval(t *testing.T) {
	d := strict(t, Options{Reported: true})
	id := d.order("buyer", cloud("buyer-lag", 100, 200)).uuid()
	d.act("seller", id, "CONNECTION_CREATION_ACCEPTANCE", "")
	path, to := "/connections/"+id, func(n int) string { return fmt.Sprintf(`[{"op":"replace","path":"/bandwidth","value":%d}]`, n) }
	if got := d.refused("buyer", http.MethodPatch, path, to(500), 400); !strings.HasPrefix(got, codeTransient) {
		t.Errorf("while it is provisioned: %s", got)
	}
	d.report(id, "provisioned")
	if got := d.refused("buyer", http.MethodPatch, path, to(501), 400); !strings.HasPrefix(got, codeSpeedBand) {
		t.Errorf("no speed band: %s", got)
	}
	d.refused("seller", http.MethodPatch, path, to(500), 403)
	k := d.told("buyer", http.MethodPatch, path, to(500), 202)
	if k.at("bandwidth") != "200" || k.state() != "ACTIVE PROVISIONED PENDING_APPROVAL CONNECTION_UPDATE SUBMITTED_FOR_APPROVAL" || k.at("change.data.value") != "500" {
		t.Errorf("asked for: %v", k)
	}
	if p := d.port("buyer", "buyer-lag"); p.at("usedBandwidth") != "200" {
		t.Errorf("before approval: %v", p)
	}
	if got := d.refused("buyer", http.MethodPatch, path, to(1000), 400); !strings.HasPrefix(got, codeTransient) {
		t.Errorf("while another waits: %s", got)
	}
	if k := d.act("seller", id, "CONNECTION_UPDATE_REJECTION", ""); k.state() != "ACTIVE PROVISIONED AVAILABLE CONNECTION_UPDATE REJECTED" || k.at("bandwidth") != "200" {
		t.Errorf("rejected: %v", k)
	}
	d.told("buyer", http.MethodPatch, path, to(500), 202)
	if k := d.act("seller", id, "CONNECTION_UPDATE_ACCEPTANCE", ""); k.state() != "REPROVISIONING PROVISIONING PROVISIONING CONNECTION_UPDATE APPROVED" || k.at("bandwidth") != "500" {
		t.Errorf("approved: %v", k)
	}
	d.report(id, "provisioned")
	if k := d.get("buyer", id); k.state() != "ACTIVE PROVISIONED AVAILABLE CONNECTION_UPDATE COMPLETED" {
		t.Errorf("provisioned: %s", k.state())
	}
}

func TestWhatNeedsNoApprovalIsChangedAtOnce(t *testing.T) {
	d := strict(t, Options{})
	id := d.order("buyer", bid{from: "buyer-lag", to: "profile/express", a: dot1q(100)}).uuid()
	k := d.told("buyer", http.MethodPatch, "/connections/"+id, `[{"op":"replace","path":"/name","value":"renamed"},{"op":"replace","path":"/bandwidth","value":700},
		{"op":"replace","path":"/aSide/accessPoint/linkProtocol/vlanTag","value":200},{"op":"replace","path":"/notifications","value":[{"type":"ALL","emails":["a@b.example"]}]},
		{"op":"add","path":"/order/customerReferenceNumber","value":"R-1"}]`, 202)
	if k.at("state") != "ACTIVE" || k.at("name") != "renamed" || k.at("bandwidth") != "700" || k.at("aSide.accessPoint.linkProtocol.vlanTag") != "200" ||
		k.at("notifications.0.emails.0") != "a@b.example" || k.at("order.customerReferenceNumber") != "R-1" || k.at("order.purchaseOrderNumber") != "PO-1" {
		t.Errorf("%v", k)
	}
	if k := d.get("seller", id); k.at("change.data") != "" || k.at("zSide.accessPoint.linkProtocol.vlanTag") != "2" {
		t.Errorf("the seller sees %v", k)
	}
	for body, want := range map[string]string{
		`[]`: codeInput, `{}`: codeSyntax, `[{"op":"remove","path":"/name"}]`: codeInput, `[{"op":"replace","path":"/uuid","value":"x"}]`: codeInput,
		`[{"op":"replace","path":"/name","value":7}]`: codeInput, `[{"op":"replace","path":"/bandwidth","value":"x"}]`: codeInput,
		`[{"op":"replace","path":"/aSide/accessPoint/linkProtocol/vlanTag","value":4095}]`: codeInput,
		`[{"op":"replace","path":"/aSide/accessPoint/linkProtocol/what","value":5}]`:       codeInput,
		`[{"op":"replace","path":"/bandwidth","value":0}]`:                                 codeBandwidth,
	} {
		if got := d.refused("buyer", http.MethodPatch, "/connections/"+id, body, 400); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	d.refused("buyer", http.MethodPatch, "/connections/"+id, `[{"op":"replace","path":"/zSide/accessPoint/linkProtocol/vlanTag","value":5}]`, 403)
	d.told("seller", http.MethodPatch, "/connections/"+id, `[{"op":"replace","path":"/zSide/accessPoint/linkProtocol/vlanTag","value":5}]`, 202)
}

func TestWhatAgentsRejectFailsUntilItIsTriedAgain(t *testing.T) {
	d := strict(t, Options{Reported: true})
	id := d.order("buyer", bid{from: "buyer-lag", to: "profile/express", a: dot1q(100)}).uuid()
	d.report(id, "pending", "another switch is slow")
	if k := d.get("buyer", id); k.at("state") != "PROVISIONING" || k.at("operation.errors.0.errorMessage") != "another switch is slow" {
		t.Errorf("pending: %v", k)
	}
	if err := d.h.Report("network-service-configs", id+"-z", "rejected", []string{"no such ethertype"}); err != nil {
		t.Fatal(err)
	}
	k := d.get("seller", id)
	if k.state() != "FAILED NOT_PROVISIONED FAILED CONNECTION_CREATION FAILED" || k.at("operation.errors.0.errorMessage") != "no such ethertype" {
		t.Errorf("rejected: %v", k)
	}
	if k := d.get("buyer", id); k.at("operation.errors.0.errorMessage") != "another switch is slow" || k.at("operation.errors.1") != "" {
		t.Errorf("the buyer sees what is wrong at the seller's: %v", k)
	}
	d.refused("seller", http.MethodPost, "/connections/"+id+"/actions", `{"type":"CONNECTION_CREATION_RETRY"}`, 403)
	if k := d.act("buyer", id, "CONNECTION_CREATION_RETRY", ""); k.at("state") != "PROVISIONING" || k.at("operation.errors.0") != "" {
		t.Errorf("tried again: %v", k)
	}
	d.report(id, "failed", "the switch is away")
	if k := d.get("buyer", id); k.at("state") != "PROVISIONING" || k.at("operation.errors.0.errorMessage") != "the switch is away" {
		t.Errorf("failed: %v", k)
	}
	d.report(id, "provisioned")
	if k := d.get("buyer", id); k.at("state") != "ACTIVE" || k.at("operation.errors.0") != "" {
		t.Errorf("provisioned: %v", k)
	}
	for _, other := range [][2]string{{"network-service-configs", "x"}, {"network-service-configs", id}, {"connections", id + "-a"}, {"network-service-configs", id + "-b"}, {"network-service-configs", ""}} {
		if err := d.h.Report(other[0], other[1], "rejected", []string{"no"}); err != nil {
			t.Error(err)
		}
	}
	if k := d.get("buyer", id); k.at("state") != "ACTIVE" {
		t.Errorf("a result of something else: %v", k)
	}
	if k := d.told("operator", http.MethodDelete, "/connections/"+id, "", 200); k.at("state") != "DEPROVISIONING" {
		t.Errorf("%s", k.state())
	}
	if k := d.told("operator", http.MethodPost, OfficePath+"/connections/"+id+"/result", `{"state":"removed"}`, 200); k.at("state") != "DEPROVISIONED" {
		t.Errorf("%s", k.state())
	}
	d.refused("buyer", http.MethodPost, OfficePath+"/connections/"+id+"/result", `{"state":"removed"}`, 403)
}

func TestAPeeringLANIsOrderedAsAnIXProfile(t *testing.T) {
	d := strict(t, Options{Reported: true})
	k := d.order("buyer", bid{kind: "IX_VC", from: "buyer-lag", to: "profile/peering", a: dot1q(100)})
	if k.at("state") != "PROVISIONING" || k.at("zSide.accessPoint.profile.type") != "IX_PROFILE" {
		t.Errorf("%v", k)
	}
	d.report(k.uuid(), "provisioned")
	if k := d.get("buyer", k.uuid()); k.at("state") != "ACTIVE" {
		t.Errorf("%v", k)
	}
}

func TestNetworksAreJoined(t *testing.T) {
	d := strict(t, Options{Reported: true})
	make := func(kind string) object {
		return d.told("buyer", http.MethodPost, "/networks", `{"type":"`+kind+`","name":"net","scope":"LOCAL","notifications":[{"type":"ALL","emails":["a@b.example"]}]}`, 201)
	}
	lan, tree := make("EVPLAN"), make("EVPTREE")
	join := func(kind, from, link string, n object, role string) bid {
		return bid{kind: kind, from: from, to: "network/" + n.uuid(), a: link, more: role}
	}
	k := d.order("buyer", join("EVPLAN_VC", "buyer-lag", dot1q(5), lan, ""))
	if k.at("state") != "PROVISIONING" {
		t.Errorf("%v", k)
	}
	if err := d.h.Report("network-service-configs", k.uuid()+"-a", "provisioned", nil); err != nil {
		t.Fatal(err)
	}
	if k := d.get("buyer", k.uuid()); k.at("state") != "ACTIVE" || k.at("zSide.accessPoint.network.name") != "net" {
		t.Errorf("%v", k)
	}
	if k := d.order("buyer", join("EVPTREE_VC", "buyer-lag", dot1q(6), tree, `,"role":"ROOT"`)); k.at("zSide.accessPoint.role") != "ROOT" {
		t.Errorf("%v", k)
	}
	if k := d.order("buyer", join("EVPTREE_VC", "buyer-qinq", qinq(6, 0), tree, "")); k.at("zSide.accessPoint.role") != "LEAF" {
		t.Errorf("%v", k)
	}
	for want, b := range map[string]bid{
		codeInput + " /type":                               join("EVPLAN_VC", "buyer-lag", dot1q(7), tree, ""),
		codeInput + " /zSide/accessPoint/role":             join("EVPLAN_VC", "buyer-lag", dot1q(7), lan, `,"role":"ROOT"`),
		codeVLANTaken + " /aSide/accessPoint/linkProtocol": join("EVPLAN_VC", "buyer-lag", dot1q(6), lan, ""),
	} {
		if got := d.refused("buyer", http.MethodPost, "/connections", b.String(), 400); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := d.refused("customer", http.MethodPost, "/connections", join("EVPLAN_VC", "customer-dot1q", dot1q(7), lan, "").String(), 400); got != codeInput+" /zSide/accessPoint/network/uuid" {
		t.Errorf("into the network of another: %s", got)
	}
	d.refused("customer", http.MethodGet, "/networks/"+lan.uuid(), "", 404)
	if n := d.told("buyer", http.MethodGet, "/networks/"+tree.uuid(), "", 200); n.at("connectionsCount") != "2" {
		t.Errorf("%v", n)
	}
	if list := d.told("buyer", http.MethodGet, "/networks/"+tree.uuid()+"/connections", "", 200); list.at("pagination.total") != "2" {
		t.Errorf("%v", list)
	}
	if got := d.refused("buyer", http.MethodDelete, "/networks/"+lan.uuid(), "", 400); !strings.HasPrefix(got, codeInput) {
		t.Errorf("%s", got)
	}
	if n := d.told("buyer", http.MethodPatch, "/networks/"+lan.uuid(), `[{"op":"replace","path":"/name","value":"other"}]`, 200); n.at("name") != "other" {
		t.Errorf("%v", n)
	}
	d.told("buyer", http.MethodDelete, "/connections/"+k.uuid(), "", 200)
	d.report(k.uuid(), "removed")
	if n := d.told("buyer", http.MethodDelete, "/networks/"+lan.uuid(), "", 202); n.at("state") != "DELETED" {
		t.Errorf("%v", n)
	}
	if list := d.told("buyer", http.MethodPost, "/networks/search", `{"filter":{"and":[{"property":"/state","operator":"=","values":["ACTIVE"]}]}}`, 200); list.at("pagination.total") != "1" {
		t.Errorf("%v", list)
	}
}
