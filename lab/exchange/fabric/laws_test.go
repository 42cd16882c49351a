package fabric

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// next are the states that a connection may come to from another.
func next() map[string][]string {
	return map[string][]string{
		"":               {"PENDING", "PROVISIONING"},
		"PENDING":        {"PROVISIONING", "CANCELLED"},
		"PROVISIONING":   {"ACTIVE", "FAILED", "DEPROVISIONING"},
		"ACTIVE":         {"REPROVISIONING", "DEPROVISIONING"},
		"REPROVISIONING": {"ACTIVE", "FAILED", "DEPROVISIONING"},
		"FAILED":         {"PROVISIONING", "DEPROVISIONING"},
		"DEPROVISIONING": {"DEPROVISIONED"},
	}
}

// lawful returns what is wrong with the records: a VLAN that a port has twice, more bandwidth than it has, a port that a
// connection consumes before it is approved or after it has ended, an interface that two ports have.
func lawful(d *desk) error {
	at := d.h.store.Now()
	var faults []error
	for id, list := range uses(at, "") {
		p, err := load[port](at, ports, id)
		if err != nil || p == nil {
			return fmt.Errorf("%s is used, and gone: %w", id, err)
		}
		if sum := held(list); sum > p.Bandwidth {
			faults = append(faults, fmt.Errorf("%s has %d, and %d is sold of it", p.Name, p.Bandwidth, sum))
		}
		for i, u := range list {
			if u.link.Type != p.Encapsulation.Type {
				faults = append(faults, fmt.Errorf("%s is %s and carries %v", p.Name, p.Encapsulation.Type, u.link))
			}
			for _, other := range list[:i] {
				if u.link.clashes(other, "") {
					faults = append(faults, fmt.Errorf("%s has %v and %v", p.Name, u.link, other.link))
				}
			}
		}
	}
	for _, r := range at.List(connections) {
		k, err := parse[connection](r)
		if err != nil {
			return err
		}
		if early := k.State == "PENDING" || ended(k.State); early == k.Inside.Consumes {
			faults = append(faults, fmt.Errorf("%s is %s, and consumes: %v", r.ID, k.State, k.Inside.Consumes))
		}
	}
	has := map[string]string{}
	for _, r := range at.List(ports) {
		p, err := parse[port](r)
		if err != nil {
			return err
		}
		for _, m := range p.PhysicalPorts {
			if other, taken := has[m.UUID]; taken {
				faults = append(faults, fmt.Errorf("%s and %s are the same interface", other, p.Name))
			}
			has[m.UUID] = p.Name
		}
	}
	return errors.Join(faults...)
}

// Whatever is ordered, approved, changed, reported and deleted, in whatever order: the laws hold after each step.
func TestLawsHoldWhateverIsDone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := open(t, Options{Reported: rapid.Bool().Draw(t, "reported")})
		var ids []string
		states := map[string]string{}
		pick := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
		links := func(name string) string {
			vlan := rapid.IntRange(2, 4).Draw(t, name+" vlan")
			return pick(name, dot1q(vlan), dot1q(vlan), qinq(vlan, 0), qinq(vlan, 5), `{"type":"UNTAGGED"}`)
		}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			user := pick("user", "buyer", "buyer", "seller", "operator", "reseller")
			id := "none"
			if len(ids) > 0 {
				id = rapid.SampledFrom(ids).Draw(t, "connection")
			}
			switch pick("step", "order", "order", "act", "act", "patch", "delete", "report", "report", "encapsulation") {
			case "order":
				b := bid{
					kind: pick("kind", "EVPL_VC", "EVPL_VC", "EPL_VC"), from: pick("from", "buyer-lag", "buyer-dot1q", "buyer-qinq", "buyer-epl-1", "reseller-lag"),
					to: pick("to", "profile/express", "profile/cloud", "profile/backup", "buyer-dot1q", "buyer-qinq", "buyer-epl-2"), a: links("a"), z: links("z"),
					bandwidth: rapid.SampledFrom([]int{50, 1000, 6000, 10000}).Draw(t, "bandwidth"), more: `,"authenticationKey":"k"`, rest: tenant,
				}
				w := d.send(d.login(user), http.MethodPost, BasePath+"/connections", b.String())
				var k object
				if err := json.Unmarshal(w.Body.Bytes(), &k); err == nil && w.Code == http.StatusCreated {
					ids = append(ids, k.uuid())
				}
			case "act":
				kind := pick("action", "CONNECTION_CREATION_ACCEPTANCE", "CONNECTION_CREATION_ACCEPTANCE", "CONNECTION_CREATION_REJECTION", "CONNECTION_UPDATE_ACCEPTANCE",
					"CONNECTION_UPDATE_REJECTION", "CONNECTION_DELETION_ACCEPTANCE", "CONNECTION_CREATION_RETRY", "CONNECTION_REJECTION_ACCEPTANCE")
				body := fmt.Sprintf(`{"type":%q}`, kind)
				if rapid.Bool().Draw(t, "named") {
					body = fmt.Sprintf(`{"type":%q,"data":{"zSide":{"accessPoint":{"port":{"uuid":%q},"linkProtocol":%s}}}}`, kind, ID("port/"+pick("port", "seller-dot1q", "seller-qinq-1")), links("named"))
				}
				d.send(d.login(user), http.MethodPost, BasePath+"/connections/"+id+"/actions", body)
			case "patch":
				path := pick("path", "/bandwidth", "/aSide/accessPoint/linkProtocol/vlanTag", "/zSide/accessPoint/linkProtocol/vlanTag", "/aSide/accessPoint/linkProtocol/vlanSTag")
				d.send(d.login(user), http.MethodPatch, BasePath+"/connections/"+id, fmt.Sprintf(`[{"op":"replace","path":%q,"value":%d}]`, path, rapid.SampledFrom([]int{2, 3, 4, 500, 9000}).Draw(t, "value")))
			case "delete":
				d.send(d.login(user), http.MethodDelete, BasePath+"/connections/"+id, "")
			case "report":
				if err := d.h.Report("network-service-configs", id+pick("side", "-a", "-z"), pick("state", "provisioned", "provisioned", "rejected", "failed", "removed"), []string{"so"}); err != nil {
					t.Fatal(err)
				}
			case "encapsulation":
				d.send(d.login("buyer"), http.MethodPatch, BasePath+"/ports/"+ID("port/"+pick("port", "buyer-lag", "buyer-qinq")),
					fmt.Sprintf(`[{"op":"replace","path":"/encapsulation","value":{"type":%q}}]`, pick("type", "DOT1Q", "QINQ")))
			}
			if err := lawful(d); err != nil {
				t.Fatal(err)
			}
			for _, r := range d.h.store.Now().List(connections) {
				was, is := states[r.ID], r.State()
				if was != is && !slices.Contains(reach(was, d.h.options.Reported), is) {
					t.Fatalf("%s goes from %q to %q", r.ID, was, is)
				}
				states[r.ID] = is
			}
		}
	})
}

// reach returns the states that a connection may be in after one step from another: where nobody reports, a transition
// ends in the same step.
func reach(from string, reported bool) []string {
	out := slices.Clone(next()[from])
	if !reported {
		for _, s := range next()[from] {
			out = append(out, next()[s]...)
		}
	}
	return out
}

// A hundred buyers order at once: none is given what another has.
func TestAHundredBuyersAtOnce(t *testing.T) {
	d := open(t, Options{})
	tokens := []string{d.login("buyer"), d.login("customer"), d.login("reseller")}
	from := []string{"buyer-lag", "customer-dot1q", "reseller-lag"}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		given = map[int]int{}
	)
	for i := range 100 {
		wg.Go(func() {
			who := i % len(tokens)
			for n := range 4 { // the same VLANs are wanted by many
				b := bid{from: from[who], to: "profile/express", a: dot1q(2 + (i*3+n)%40), bandwidth: 100}
				w := d.send(tokens[who], http.MethodPost, BasePath+"/connections", b.String())
				mu.Lock()
				given[w.Code]++
				mu.Unlock()
				if n == 3 {
					d.send(tokens[who], http.MethodPost, BasePath+"/ports", portBody([]int64{buyerAccount, customerAccount, resellerAccount}[who], `,"encapsulation":{"type":"DOT1Q"}`))
					d.send(tokens[who], http.MethodPost, BasePath+"/connections/search", "{}")
				}
			}
		})
	}
	wg.Wait()
	if err := lawful(d); err != nil {
		t.Error(err)
	}
	if given[201]+given[400] != 400 || given[201] == 0 || given[400] == 0 {
		t.Errorf("answers by status: %v", given)
	}
}

// Whatever is sent, the answer is JSON, a refusal is a list of faults, and the exchange does not break.
func FuzzRequests(f *testing.F) {
	f.Add(uint8(1), "POST", "/connections", cloud("buyer-lag", 5, 50).String())
	f.Add(uint8(1), "POST", "/connections", bid{kind: "EPL_VC", from: "buyer-epl-1", to: "buyer-epl-2"}.String())
	f.Add(uint8(1), "POST", "/connections", `{"aSide":{"accessPoint":null},"zSide":{"accessPoint":{"type":"SP"}},"redundancy":{},"notifications":[{}]}`)
	f.Add(uint8(2), "POST", "/serviceProfiles", offerBody(`,"accessPointTypeConfigs":[{}],"customFields":[{}]`))
	f.Add(uint8(2), "PATCH", "/serviceProfiles/"+ID("profile/cloud"), `[{"op":"remove","path":"/accessPointTypeConfigs"},{"op":"add","path":"/ports/-/x","value":{}}]`)
	f.Add(uint8(0), "POST", "/ports", portBody(buyerAccount, `,"encapsulation":{"type":"QINQ","tagProtocolId":1e99}`))
	f.Add(uint8(0), "PATCH", "/ports/"+ID("port/buyer-lag"), `[{"op":"replace","path":"/account/accountNumber","value":270004}]`)
	f.Add(uint8(1), "POST", "/connections/search", `{"filter":{"and":[{"property":"/name","operator":"LIKE","values":["%%"]}]},"pagination":{"offset":1,"limit":9}}`)
	f.Add(uint8(1), "POST", "/networks", `{"type":"EVPLAN","name":"n","scope":"LOCAL","account":{},"notifications":[{"type":"ALL","emails":["a@b.example"]}]}`)
	f.Add(uint8(0), "PATCH", "/../../lab/fabric/connections/%2e%2e", `{}`)
	f.Add(uint8(3), "GET", "/ports/%00/../x?offset=-1&limit=;", "")
	d := open(f, Options{})
	seed := d.order("buyer", bid{from: "buyer-lag", to: "profile/express", a: dot1q(4000)}).uuid()
	f.Add(uint8(1), "POST", "/connections/"+seed+"/actions", `{"type":"CONNECTION_UPDATE_ACCEPTANCE","data":{"zSide":null}}`)
	f.Add(uint8(1), "PATCH", "/connections/"+seed, `[{"op":"replace","path":"/aSide/accessPoint/linkProtocol","value":null}]`)
	f.Add(uint8(1), "PATCH", "/connections/"+seed, `[{"op":"replace","path":"/bandwidth","value":null},{"op":"add","path":"/order/purchaseOrderNumber","value":{}}]`)
	var tokens []string
	for _, user := range []string{"operator", "buyer", "seller", "reseller", "sub"} {
		tokens = append(tokens, d.login(user))
	}
	f.Fuzz(func(t *testing.T, who uint8, method, path, body string) {
		r, err := http.NewRequest(method, "http://exchange.example"+BasePath+path, strings.NewReader(body))
		if err != nil {
			t.Skip() // no request can be so
		}
		r.Header.Set("Authorization", "Bearer "+tokens[int(who)%len(tokens)])
		w := httptest.NewRecorder()
		d.h.ServeHTTP(w, r)
		var v any
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
			t.Fatalf("%s %s %s: %d: %v", method, path, body, w.Code, err)
		}
		if list, ok := v.([]any); w.Code >= 500 || w.Code >= 400 && (!ok || len(list) == 0) {
			t.Fatalf("%s %s %s: %d %v", method, path, body, w.Code, v)
		}
	})
}

func TestWhatCannotBeAskedIsRefused(t *testing.T) {
	d := strict(t, Options{})
	token := d.login("buyer")
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/nothing", "", 404},
		{"GET", "/ports/" + ID("port/seller-dot1q"), "", 404},
		{"GET", "/ports/..%2f..%2fetc", "", 404},
		{"PUT", "/ports", "{}", 405},
		{"DELETE", "/connections", "", 405},
		{"POST", "/connections", strings.Repeat("[", 100_000), 400},
		{"POST", "/connections", `{"name":"` + strings.Repeat("x", maxRequest) + `"}`, 400},
		{"POST", "/connections", "null", 400},
		{"POST", "/connections", `{"bandwidth":1e400}`, 400},
		{"POST", "/connections", `{"aSide":[]}`, 400},
	} {
		w := d.send(token, c.method, BasePath+c.path, c.body)
		d.hold(c.method, BasePath+c.path, w)
		if w.Code == http.StatusMethodNotAllowed && w.Header().Get("Allow") == "" {
			t.Errorf("%s %s: nothing is allowed", c.method, c.path)
		}
		if w.Code != c.want {
			t.Errorf("%s %s: %d, want %d: %s", c.method, c.path, w.Code, c.want, w.Body)
		}
	}
	d.refused("buyer", http.MethodPatch, OfficePath+"/ports/"+ID("port/buyer-lag"), `{"state":"FAILED"}`, 403)
	d.refused("operator", http.MethodPatch, OfficePath+"/users/x", `{}`, 404)
	d.refused("operator", http.MethodPatch, OfficePath+"/ports/x", `{}`, 404)
}

func BenchmarkListTenThousandConnections(b *testing.B) {
	d := open(b, Options{})
	id := d.order("buyer", bid{from: "buyer-lag", to: "profile/express", a: dot1q(4000)}).uuid()
	k, err := load[connection](d.h.store.Now(), connections, id)
	if err != nil {
		b.Fatal(err)
	}
	k.Inside.Consumes = false
	err = d.h.store.Update(func(tx *store.Tx) error {
		for range 10_000 {
			k.UUID = mint()
			if _, err := tx.Put(connections, k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	token := d.login("operator")
	for b.Loop() {
		for offset := 0; offset < 10_000; offset += 1000 {
			body := fmt.Sprintf(`{"pagination":{"offset":%d,"limit":1000},"sort":[{"property":"/uuid","direction":"ASC"}]}`, offset)
			if w := d.send(token, http.MethodPost, BasePath+"/connections/search", body); w.Code != http.StatusOK || w.Body.Len() < 1000*500 {
				b.Fatalf("%d: %d bytes", w.Code, w.Body.Len())
			}
		}
	}
}
