package fabric

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// portBody is the body of an order of a port.
func portBody(account int64, more string) string {
	return fmt.Sprintf(`{"type":"XF_PORT","physicalPortsSpeed":10000,"physicalPortsType":"10GBASE_LR","connectivitySourceType":"COLO","project":{"projectId":"p-1"},
		"account":{"accountNumber":%d},"location":{"metroCode":"FR"}%s}`, account, more)
}

func TestAPortIsProvisionedWhenItsCrossConnectIsThere(t *testing.T) {
	d := strict(t, Options{})
	p := d.told("buyer", http.MethodPost, "/ports", portBody(buyerAccount, `,"encapsulation":{"type":"QINQ","tagProtocolId":37120},"lagEnabled":true,"physicalPortsCount":2,"demarcationPointIbx":"FRA2"`), 202)
	path := "/ports/" + p.uuid()
	if p.at("state") != "PENDING_CROSS_CONNECT" || p.at("encapsulation.tagProtocolId") != "37120" || p.at("bandwidth") != "20000" || p.at("lag.enabled") != "true" ||
		p.at("location.ibx") != "FRA2" || p.at("physicalPorts.1.uuid") == "" || p.at("physicalPorts.0.uuid") != ID(p.at("device.name")+"/"+p.at("physicalPorts.0.interface.name")) {
		t.Errorf("%v", p)
	}
	order := strings.ReplaceAll(bid{from: "new", to: "buyer-lag", a: qinq(5, 0), z: dot1q(5)}.String(), ID("port/new"), p.uuid())
	if got := d.refused("buyer", http.MethodPost, "/connections", order, 400); got != codeInput+" /aSide/accessPoint/port/uuid" {
		t.Errorf("before: %s", got)
	}
	d.refused("buyer", http.MethodPost, OfficePath+path+"/crossConnect", "", 403)
	p = d.told("operator", http.MethodPost, OfficePath+path+"/crossConnect", `{"crossConnectId":"XC-9"}`, 200)
	if p.at("state") != "PROVISIONED" || p.at("physicalPorts.0.tether.crossConnectId") != "XC-9" || p.at("operation.operationalStatus") != "UP" || p.at("physicalPorts.1.state") != "ADDED" {
		t.Errorf("%v", p)
	}
	d.refused("operator", http.MethodPost, OfficePath+path+"/crossConnect", "", 400)
	k := d.told("buyer", http.MethodPost, "/connections", order, 201)

	d.told("buyer", http.MethodPost, path+"/physicalPorts/bulk", `{"data":[{"type":"XF_PHYSICAL_PORT"}]}`, 200)
	if p := d.told("buyer", http.MethodGet, path, "", 200); p.at("state") != "PROVISIONED" || p.at("bandwidth") != "20000" || p.at("physicalPorts.2.state") != "TO_BE_ADDED" {
		t.Errorf("a member that has no cross connect yet: %v", p)
	}
	if p := d.told("operator", http.MethodPost, OfficePath+path+"/crossConnect", "", 200); p.at("bandwidth") != "30000" || p.at("physicalPorts.2.state") != "ADDED" {
		t.Errorf("%v", p)
	}
	if got := d.refused("buyer", http.MethodDelete, path, "", 400); got != codePortUsed+" /uuid" {
		t.Errorf("deleted in use: %s", got)
	}
	d.told("buyer", http.MethodDelete, "/connections/"+k.uuid(), "", 200)
	at := p.at("physicalPorts.0.uuid")
	if p := d.told("buyer", http.MethodDelete, path, "", 202); p.at("state") != "DEPROVISIONED" || p.at("physicalPorts.0.uuid") != "" {
		t.Errorf("%v", p)
	}
	if i, err := load[place](d.h.store.Now(), interfaces, at); err != nil || i.Port != "" {
		t.Errorf("%v is not free again: %v", i, err)
	}
}

func TestAPortThatAProfileIsOfferedOnStays(t *testing.T) {
	d := strict(t, Options{})
	if got := d.refused("seller", http.MethodDelete, "/ports/"+ID("port/seller-qinq-1"), "", 400); got != codePortUsed+" /uuid" {
		t.Errorf("%s", got)
	}
}

func TestAPortWaitsForFreeInterfaces(t *testing.T) {
	d := strict(t, Options{})
	order := portBody(buyerAccount, `,"encapsulation":{"type":"DOT1Q"},"lagEnabled":true,"physicalPortsCount":8`)
	var p object
	for range 20 {
		if p = d.told("buyer", http.MethodPost, "/ports", order, 202); p.at("state") == "PENDING" {
			break
		}
	}
	if p.at("state") != "PENDING" || p.at("physicalPorts.0") != "" {
		t.Fatalf("%v", p)
	}
	d.refused("operator", http.MethodPost, OfficePath+"/ports/"+p.uuid()+"/crossConnect", "", 400)
	d.told("operator", http.MethodPatch, OfficePath+"/ports/"+p.uuid(), `{"state":"FAILED"}`, 200)
	if p := d.told("buyer", http.MethodGet, "/ports/"+p.uuid(), "", 200); p.at("state") != "FAILED" {
		t.Errorf("%v", p)
	}
	for _, body := range []string{`{"account":null}`, `{"encapsulation":7}`, `[]`} {
		d.refused("operator", http.MethodPatch, OfficePath+"/ports/"+p.uuid(), body, 400)
	}
}

func TestOrdersOfPortsThatAreWrongSayWhere(t *testing.T) {
	d := strict(t, Options{})
	dot1q := `,"encapsulation":{"type":"DOT1Q"}`
	for body, want := range map[string]string{
		portBody(buyerAccount, ``): codeInput + " /encapsulation/type",
		portBody(buyerAccount, `,"encapsulation":{"type":"DOT1Q","tagProtocolId":"34984"}`):     codeInput + " /encapsulation/tagProtocolId",
		portBody(buyerAccount, `,"encapsulation":{"type":"QINQ","tagProtocolId":"0x88a8"}`):     codeSyntax,
		portBody(buyerAccount, `,"encapsulation":{"type":"UNTAGGED","tagProtocolId":"33024"}`):  codeInput + " /encapsulation/tagProtocolId",
		portBody(buyerAccount, dot1q+`,"serviceType":"EPL"`):                                    codeInput + " /serviceType",
		portBody(buyerAccount, dot1q+`,"physicalPortsCount":9,"lagEnabled":true`):               codeInput + " /physicalPortsCount",
		portBody(buyerAccount, dot1q+`,"physicalPortsCount":2`):                                 codeInput + " /lagEnabled",
		portBody(buyerAccount, dot1q+`,"package":{"code":"ALL"}`):                               codeInput + " /package/code",
		portBody(sellerAccount, dot1q):                                                          codeAccount + " /account/accountNumber",
		portBody(1, dot1q):                                                                      codeAccount + " /account/accountNumber",
		strings.Replace(portBody(buyerAccount, dot1q), `"FR"`, `"SV"`, 1):                       codeNoMetro + " /location/metroCode",
		strings.Replace(portBody(buyerAccount, dot1q), `10000`, `1000`, 1):                      codeInput + " /physicalPortsSpeed",
		strings.Replace(portBody(buyerAccount, dot1q), `"project":{"projectId":"p-1"},`, ``, 1): codeInput + " /project",
		`{"physicalPortsSpeed":"x"}`:                                                            codeSyntax + " /physicalPortsSpeed",
	} {
		if got := d.refused("buyer", http.MethodPost, "/ports", body, 400); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

func TestEncapsulationChangesWhileNothingUsesThePort(t *testing.T) {
	d := strict(t, Options{})
	path := "/ports/" + ID("port/buyer-lag")
	to := func(at, value string) string {
		return fmt.Sprintf(`[{"op":"replace","path":%q,"value":%s}]`, at, value)
	}
	waiting := d.order("buyer", cloud("buyer-lag", 100, 50)).uuid()
	if p := d.told("buyer", http.MethodPatch, path, to("/encapsulation", `{"type":"QINQ","tagProtocolId":37376}`), 202); p.at("encapsulation.tagProtocolId") != "37376" {
		t.Errorf("%v", p)
	}
	if got := d.refused("seller", http.MethodPost, "/connections/"+waiting+"/actions", `{"type":"CONNECTION_CREATION_ACCEPTANCE"}`, 400); got != codeInput+" /aSide/accessPoint" {
		t.Errorf("approved on a port that is another now: %s", got)
	}
	d.told("buyer", http.MethodPatch, path, to("/encapsulation/tagProtocolId", `"34984"`), 202)
	k := d.order("buyer", bid{from: "buyer-lag", to: "buyer-dot1q", a: qinq(5, 0), z: dot1q(5)})
	for at, value := range map[string]string{"/encapsulation": `{"type":"DOT1Q"}`, "/encapsulation/tagProtocolId": `"37120"`, "/encapsulation/type": `"DOT1Q"`} {
		if got := d.refused("buyer", http.MethodPatch, path, to(at, value), 400); !strings.HasPrefix(got, codePortUsed) {
			t.Errorf("%s: %s", at, got)
		}
	}
	d.told("buyer", http.MethodDelete, "/connections/"+k.uuid(), "", 200)
	if p := d.told("buyer", http.MethodPatch, path, to("/encapsulation/type", `"DOT1Q"`), 202); p.at("encapsulation.tagProtocolId") != "33024" {
		t.Errorf("%v", p)
	}
	if p := d.told("buyer", http.MethodPatch, path, to("/name", `"renamed"`), 202); p.at("name") != "renamed" {
		t.Errorf("%v", p)
	}
	for at, value := range map[string]string{"/encapsulation": `{"type":"UNTAGGED"}`, "/lagEnabled": "false", "/uuid": `"x"`, "/name": `""`, "/encapsulation/tagProtocolId": `true`} {
		if got := d.refused("buyer", http.MethodPatch, path, to(at, value), 400); !strings.HasPrefix(got, codeInput) {
			t.Errorf("%s: %s", at, got)
		}
	}
	d.refused("seller", http.MethodPatch, path, to("/name", `"mine"`), 404)
}

func TestADryRunChangesNothing(t *testing.T) {
	d := strict(t, Options{})
	before := d.h.store.Now().Version
	p := d.told("buyer", http.MethodPost, "/ports?dryRun=true", portBody(buyerAccount, `,"encapsulation":{"type":"DOT1Q"}`), 200)
	k := d.told("buyer", http.MethodPost, "/connections?dryRun=true", bid{from: "buyer-lag", to: "buyer-dot1q", a: dot1q(5), z: dot1q(5)}.String(), 200)
	d.refused("buyer", http.MethodGet, "/ports/"+p.uuid(), "", 404)
	d.refused("buyer", http.MethodGet, "/connections/"+k.uuid(), "", 404)
	lag := "/ports/" + ID("port/buyer-lag") + "?dryRun=true"
	if list := d.told("buyer", http.MethodPatch, lag, `[{"op":"replace","path":"/name","value":"other"}]`, 200); list.at("data.0.name") != "other" {
		t.Errorf("%v", list)
	}
	d.told("buyer", http.MethodDelete, lag, "", 200)
	d.told("buyer", http.MethodPost, "/networks?dryRun=true", `{"type":"EVPLAN","name":"net","scope":"LOCAL","notifications":[{"type":"ALL","emails":["a@b.example"]}]}`, 202)
	if d.h.store.Now().Version != before {
		t.Error("something was stored")
	}
}
