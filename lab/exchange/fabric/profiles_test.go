package fabric

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// offerBody is what a seller says of a new profile.
func offerBody(more string) string {
	return fmt.Sprintf(`{"type":"L2_PROFILE","name":"Offer","description":"what is offered","ports":[{"type":"XF_PORT","uuid":%q,"sellerRegion":"north"}]%s}`, ID("port/seller-dot1q"), more)
}

func TestAProfileIsPublishedToWhomItsSellerWants(t *testing.T) {
	d := strict(t, Options{})
	p := d.told("seller", http.MethodPost, "/serviceProfiles", offerBody(`,"allowedEmails":["Customer@Fabric.example"],"marketingInfo":{"promotion":true},"tags":["cloud"],
		"notifications":[{"type":"CONNECTION_APPROVAL","emails":["noc@wolkenbruch.example"]}]`), 201)
	path := "/serviceProfiles/" + p.uuid()
	if p.at("visibility") != "PRIVATE" || p.at("state") != "ACTIVE" || p.at("metros.0.code") != "FR" || p.at("metros.0.sellerRegions.north") != "north" || p.at("selfProfile") != "true" {
		t.Errorf("%v", p)
	}
	order := func(region string) string {
		b := bid{from: "buyer-lag", to: "profile/offer", a: dot1q(9), more: `,"sellerRegion":"` + region + `"`}
		return strings.ReplaceAll(b.String(), ID("profile/offer"), p.uuid())
	}
	d.refused("buyer", http.MethodGet, path, "", 404)
	if got := d.refused("buyer", http.MethodPost, "/connections", order("north"), 400); got != codeNoProfile+" /zSide/accessPoint/profile/uuid" {
		t.Errorf("ordered by who is not invited: %s", got)
	}
	seen := d.told("customer", http.MethodGet, path, "", 200)
	if seen.at("ports") != "" || seen.at("allowedEmails") != "" || seen.at("notifications") != "" || seen.at("account.accountNumber") != "" || seen.at("selfProfile") != "false" {
		t.Errorf("an invited customer sees %v", seen)
	}
	d.refused("customer", http.MethodPatch, path, `[{"op":"replace","path":"/visibility","value":"PUBLIC"}]`, 403)
	if p := d.told("seller", http.MethodPatch, path, `[{"op":"replace","path":"/visibility","value":"PUBLIC"},{"op":"remove","path":"/allowedEmails"},{"op":"add","path":"/tags/-","value":"new"}]`, 200); p.at("tags.1") != "new" || p.at("allowedEmails") != "" {
		t.Errorf("%v", p)
	}
	d.told("buyer", http.MethodGet, path, "", 200)
	k := d.told("buyer", http.MethodPost, "/connections", order("north"), 201)
	if got := d.refused("seller", http.MethodDelete, path, "", 400); !strings.HasPrefix(got, codeProfile) {
		t.Errorf("deleted with connections: %s", got)
	}
	d.act("seller", k.uuid(), "CONNECTION_CREATION_REJECTION", "")
	if p := d.told("seller", http.MethodPut, path, offerBody(`,"visibility":"PUBLIC","customFields":[{"label":"Floor","dataType":"LIST","isRequired":true,"options":["1","2"]}]`), 202); p.at("customFields.0.required") != "true" || p.at("tags") != "" {
		t.Errorf("%v", p)
	}
	for value, want := range map[string]int{"1": 201, "3": 400} {
		body := strings.TrimSuffix(strings.Replace(order("north"), `"vlanTag":9`, `"vlanTag":1`+value, 1), "}") + `,"additionalInfo":[{"key":"Floor","value":"` + value + `"}]}`
		if w := d.ask("buyer", http.MethodPost, "/connections", body); w.Code != want {
			t.Errorf("floor %s: %d %s", value, w.Code, w.Body)
		}
	}
	list := d.told("buyer", http.MethodPost, "/serviceProfiles/search", `{"filter":{"property":"/metros/code","operator":"=","values":["FR"]},"sort":[{"property":"/name","direction":"ASC"}]}`, 200)
	if list.at("pagination.total") != "4" || list.at("data.0.name") != "Offer" {
		t.Errorf("%v", list)
	}
	if m := d.told("buyer", http.MethodGet, path+"/metros", "", 200); m.at("data.0.code") != "FR" {
		t.Errorf("%v", m)
	}
	if list := d.told("seller", http.MethodGet, "/serviceProfiles?viewPoint=zSide", "", 200); list.at("pagination.total") != "4" || list.at("data.0.ports.0.uuid") == "" {
		t.Errorf("%v", list)
	}
}

func TestADeletedProfileIsNoLongerOffered(t *testing.T) {
	d := strict(t, Options{})
	path := "/serviceProfiles/" + ID("profile/cloud")
	if p := d.told("seller", http.MethodDelete, path, "", 200); p.at("state") != "DELETED" {
		t.Errorf("%v", p)
	}
	d.refused("buyer", http.MethodGet, path, "", 404)
	if got := d.refused("seller", http.MethodPut, path, offerBody(""), 400); !strings.HasPrefix(got, codeDeleted) {
		t.Errorf("%s", got)
	}
	if got := d.refused("buyer", http.MethodPost, "/connections", cloud("buyer-lag", 9, 50).String(), 400); got != codeNoProfile+" /zSide/accessPoint/profile/uuid" {
		t.Errorf("%s", got)
	}
}

func TestProfilesThatAreWrongSayWhere(t *testing.T) {
	d := strict(t, Options{})
	config := func(more string) string { return offerBody(`,"accessPointTypeConfigs":[{"type":"COLO"` + more + `}]`) }
	for body, want := range map[string]string{
		`{}`:                                codeProfile + " /name; " + codeProfile + " /description; " + codeProfile + " /type",
		offerBody(`,"visibility":"SECRET"`): codeProfile + " /visibility",
		offerBody(`,"allowedEmails":["x"]`): codeInput + " /allowedEmails/0",
		offerBody(`,"notifications":[{}]`):  codeInput + " /notifications/0/type",
		offerBody(`,"customFields":[{"label":"a","dataType":"DATE"}]`):                                     codeCustomField + " /customFields/0/dataType",
		offerBody(`,"customFields":[{"label":"a","dataType":"LIST"}]`):                                     codeCustomField + " /customFields/0/options",
		offerBody(`,"customFields":[{"label":"a","dataType":"STRING"},{"label":"a","dataType":"STRING"}]`): codeCustomField + " /customFields/1/label",
		config(``):                               codeSpeedBand + " /accessPointTypeConfigs/0/supportedBandwidths",
		config(`,"supportedBandwidths":[10001]`): codeSpeedBand + " /accessPointTypeConfigs/0/supportedBandwidths",
		config(`,"allowCustomBandwidth":true,"linkProtocolConfig":{"encapsulationStrategy":"ALL"}`):                                     codeProfile + " /accessPointTypeConfigs/0/linkProtocolConfig/encapsulationStrategy",
		config(`,"allowCustomBandwidth":true,"linkProtocolConfig":{"encapsulationStrategy":"NAMED"}`):                                   codeProfile + " /accessPointTypeConfigs/0/linkProtocolConfig/namedTags",
		config(`,"allowCustomBandwidth":true,"apiConfig":{"overSubscriptionLimit":21}`):                                                 codeProfile + " /accessPointTypeConfigs/0/apiConfig/overSubscriptionLimit",
		config(`,"allowCustomBandwidth":true,"apiConfig":{"apiAvailable":true}`):                                                        codeProfile + " /accessPointTypeConfigs/0/apiConfig/integrationId",
		offerBody(`,"accessPointTypeConfigs":[{"type":"VD","allowCustomBandwidth":true}]`):                                              codeProfile + " /accessPointTypeConfigs/0/type",
		strings.Replace(offerBody(""), ID("port/seller-dot1q"), ID("port/buyer-lag"), 1):                                                codeAccessPoint + " /ports/0/uuid",
		strings.Replace(offerBody(""), "L2_PROFILE", "IX_PROFILE", 1):                                                                   codeProfile + " /type",
		strings.Replace(offerBody(""), `"ports":[`, fmt.Sprintf(`"ports":[{"type":"XF_PORT","uuid":%q},`, ID("port/seller-qinq-1")), 1): codeAccessPoint + " /ports/1/uuid",
	} {
		if got := d.refused("seller", http.MethodPost, "/serviceProfiles", body, 400); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	path := "/serviceProfiles/" + ID("profile/cloud")
	for _, body := range []string{
		`{}`, `[{"op":"move","path":"/name"}]`, `[{"op":"replace","path":"name","value":"x"}]`, `[{"op":"replace","path":"/name"}]`, `[{"op":"add","path":"/a/b/c","value":1}]`,
		`[{"op":"remove","path":"/ports/7"}]`, `[{"op":"remove","path":"/ports/-1"}]`, `[{"op":"replace","path":"/accessPointTypeConfigs","value":7}]`,
		`[{"op":"replace","path":"/ports/1","value":{}}]`, `[{"op":"add","path":"/ports/1/uuid","value":"x"}]`,
	} {
		d.refused("seller", http.MethodPatch, path, body, 400)
	}
}

// A seller may sell its ports several times over, but no more often than it says.
func TestASellerSellsItsPortsAsOftenAsItSays(t *testing.T) {
	d := strict(t, Options{})
	small := d.told("seller", http.MethodPost, "/ports", portBody(sellerAccount, `,"encapsulation":{"type":"DOT1Q"}`), 202)
	d.told("operator", http.MethodPost, OfficePath+"/ports/"+small.uuid()+"/crossConnect", "", 200)
	body := func(limit int) string {
		return strings.Replace(offerBody(fmt.Sprintf(`,"visibility":"PUBLIC","accessPointTypeConfigs":[{"type":"COLO","allowCustomBandwidth":true,
			"apiConfig":{"equinixManagedPort":true,"equinixManagedVlan":true,"allowOverSubscription":true,"overSubscriptionLimit":%d}}]`, limit)), ID("port/seller-dot1q"), small.uuid(), 1)
	}
	p := d.told("seller", http.MethodPost, "/serviceProfiles", body(2), 201)
	order := func(vlan int) object {
		b := bid{from: "buyer-lag", to: "profile/p", a: dot1q(vlan), bandwidth: 10_000}
		return d.told("buyer", http.MethodPost, "/connections", strings.ReplaceAll(b.String(), ID("profile/p"), p.uuid()), 201)
	}
	var k object
	for vlan, want := range []string{"ACTIVE", "ACTIVE", "PENDING"} {
		if k = order(100 + vlan); k.at("state") != want {
			t.Errorf("%d: %s, want %s", vlan, k.state(), want)
		}
	}
	if k.at("operation.equinixStatus") != "AUTO_APPROVAL_FAILED" {
		t.Errorf("%s", k.state())
	}
	if p := d.told("seller", http.MethodGet, "/ports/"+small.uuid(), "", 200); p.at("usedBandwidth") != "20000" || p.at("availableBandwidth") != "0" {
		t.Errorf("%v", p)
	}
	if k := d.act("seller", k.uuid(), "CONNECTION_CREATION_ACCEPTANCE", fmt.Sprintf(`{"port":{"uuid":%q}}`, ID("port/seller-dot1q"))); k.at("state") != "ACTIVE" {
		t.Errorf("approved by hand at another port: %s", k.state())
	}
}

// Further connections of a customer are put onto the outer tag that its first was given, with inner tags of their own.
func TestAnOuterTagIsReusedForOneCustomer(t *testing.T) {
	d := strict(t, Options{})
	p := d.told("seller", http.MethodPost, "/serviceProfiles", strings.Replace(offerBody(`,"visibility":"PUBLIC","accessPointTypeConfigs":[{"type":"COLO","allowCustomBandwidth":true,
		"linkProtocolConfig":{"encapsulationStrategy":"CTAGED","reuseVlanSTag":true}}]`), ID("port/seller-dot1q"), ID("port/seller-qinq-1"), 1), 201)
	if p.at("accessPointTypeConfigs.0.linkProtocolConfig.encapsulation") != "QINQ" {
		t.Errorf("%v", p)
	}
	order := func(user, from string, vlan int, key string) object {
		b := bid{from: from, to: "profile/p", a: dot1q(vlan), more: `,"authenticationKey":"` + key + `"`}
		return d.told(user, http.MethodPost, "/connections", strings.ReplaceAll(b.String(), ID("profile/p"), p.uuid()), 201)
	}
	first := order("buyer", "buyer-lag", 100, "one")
	if first.at("state") != "PENDING" {
		t.Errorf("%s", first.state())
	}
	d.act("seller", first.uuid(), "CONNECTION_CREATION_ACCEPTANCE", "")
	second := order("buyer", "buyer-lag", 101, "one")
	other := order("customer", "customer-dot1q", 100, "two")
	d.act("seller", other.uuid(), "CONNECTION_CREATION_ACCEPTANCE", "")
	tags := func(k object) string {
		k = d.get("seller", k.uuid())
		return k.at("zSide.accessPoint.linkProtocol.vlanSTag") + " " + k.at("zSide.accessPoint.linkProtocol.vlanCTag")
	}
	if got := []string{tags(first), tags(second), tags(other)}; got[0] != "2 100" || got[1] != "2 101" || got[2] != "3 100" {
		t.Errorf("%q", got)
	}
	same := order("buyer", "buyer-dot1q", 101, "one")
	if same.at("operation.equinixStatus") != "AUTO_APPROVAL_FAILED" {
		t.Errorf("the inner tag is taken: %s", same.state())
	}
}

func TestNamedTagsAreChosenByTheBuyer(t *testing.T) {
	d := strict(t, Options{})
	p := d.told("seller", http.MethodPost, "/serviceProfiles", offerBody(`,"visibility":"PUBLIC","accessPointTypeConfigs":[{"type":"COLO","allowCustomBandwidth":true,
		"linkProtocolConfig":{"encapsulationStrategy":"NAMED","namedTags":["Private","Microsoft"]}}]`), 201)
	for kind, want := range map[string]int{"PRIVATE": 201, "PUBLIC": 400, "": 400} {
		b := bid{from: "buyer-lag", to: "profile/p", a: dot1q(9), more: `,"peeringType":"` + kind + `"`}
		if w := d.ask("buyer", http.MethodPost, "/connections", strings.ReplaceAll(b.String(), ID("profile/p"), p.uuid())); w.Code != want {
			t.Errorf("%q: %d %s", kind, w.Code, w.Body)
		}
	}
}
