package fabric

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// A desk is an exchange with the metro, at which a test orders. Every answer is held against the schema where there is one.
type desk struct {
	tester
	h   *Handler
	doc *openapi3.T

	mu  sync.Mutex
	now time.Time
}

// A tester is a test, be it of go test or of rapid.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

// schema reads the published schema of the API.
func schema(tb testing.TB) *openapi3.T {
	tb.Helper()
	const file = "../../../../shared/reference/fabricv4.json"
	if _, err := os.Stat(file); err != nil {
		if os.Getenv("IXAGENT_REQUIRE") == "all" {
			tb.Fatal(err)
		}
		tb.Skipf("SKIPPED, answers are not checked against the official schema: %v", err)
	}
	doc, err := openapi3.NewLoader().LoadFromFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	return doc
}

// open returns a desk whose answers are not checked.
func open(tb tester, o Options) *desk {
	tb.Helper()
	d := &desk{tester: tb, now: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)}
	if o.Store == nil {
		var err error
		if o.Store, err = store.Open(store.Options{Index: Index(), Identity: Identity}); err != nil {
			tb.Fatal(err)
		}
	}
	set, err := Metro()
	if err != nil {
		tb.Fatal(err)
	}
	if err := set.Put(o.Store); err != nil {
		tb.Fatal(err)
	}
	o.Users = append(o.Users, set.Users...)
	o.Clock = d.clock
	if d.h, err = New(o); err != nil {
		tb.Fatal(err)
	}
	return d
}

// strict returns a desk whose answers are checked.
func strict(tb testing.TB, o Options) *desk {
	d := open(tb, o)
	d.doc = schema(tb)
	return d
}

func (d *desk) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(time.Millisecond)
	return d.now
}

func (d *desk) pass(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(by)
}

// send sends a request with a token.
func (d *desk) send(token, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://exchange.example"+path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, r)
	return w
}

// login returns a token of a user.
func (d *desk) login(user string) string {
	d.Helper()
	w := d.send("", http.MethodPost, TokenPath, fmt.Sprintf(`{"grant_type":"client_credentials","client_id":%q,"client_secret":%q}`, user, user+"-secret"))
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK || answer.Token == "" {
		d.Fatalf("login of %s: %d %s", user, w.Code, w.Body)
	}
	return answer.Token
}

// ask has a user ask for something below the base path, and checks the answer.
func (d *desk) ask(user, method, path, body string) *httptest.ResponseRecorder {
	d.Helper()
	full := path
	if !strings.HasPrefix(path, OfficePath) {
		full = BasePath + path
	}
	w := d.send(d.login(user), method, full, body)
	d.hold(method, full, w)
	return w
}

// hold checks an answer against the schema.
func (d *desk) hold(method, path string, w *httptest.ResponseRecorder) {
	d.Helper()
	if d.doc == nil || strings.HasPrefix(path, OfficePath) {
		return
	}
	of := d.doc.Components.Schemas["ErrorList"]
	if w.Code < 300 {
		path, _, _ = strings.Cut(path, "?")
		item := d.doc.Paths.Find(template(path))
		if item == nil || item.GetOperation(method) == nil {
			d.Errorf("%s %s answers %d, and is not in the schema", method, path, w.Code)
			return
		}
		answer := item.GetOperation(method).Responses.Status(w.Code)
		if answer == nil {
			d.Errorf("%s %s: the schema knows no status %d", method, path, w.Code)
			return
		}
		for _, media := range answer.Value.Content { // there is one
			of = media.Schema
		}
	}
	var v any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		d.Fatal(err)
	}
	if err := of.Value.VisitJSON(v, openapi3.MultiErrors(), openapi3.EnableFormatValidation()); err != nil {
		d.Errorf("%s %s: %d %s: %.2000v", method, path, w.Code, w.Body, err)
	}
}

// template returns a path as the schema writes it.
func template(path string) string {
	parts := strings.Split(path, "/")
	ids := map[string]string{"ports": "{portId}", "connections": "{connectionId}", "serviceProfiles": "{serviceProfileId}", "networks": "{networkId}"}
	if len(parts) > 4 && parts[4] != "search" {
		parts[4] = ids[parts[3]]
		if len(parts) > 5 && parts[5] == "linkProtocols" {
			parts[4] = "{portUuid}"
		}
	}
	return strings.Join(parts, "/")
}

// told asks for something and returns the answer, which has a status.
func (d *desk) told(user, method, path, body string, status int) object {
	d.Helper()
	w := d.ask(user, method, path, body)
	if w.Code != status {
		d.Fatalf("%s: %s %s %s: %d, want %d: %s", user, method, path, body, w.Code, status, w.Body)
	}
	out := object{}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		d.Fatal(err)
	}
	return out
}

// refused asks for something that is refused, and returns the codes of the faults.
func (d *desk) refused(user, method, path, body string, status int) string {
	d.Helper()
	w := d.ask(user, method, path, body)
	var list []fault
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != status || len(list) == 0 {
		d.Fatalf("%s: %s %s %s: %d, want %d: %s", user, method, path, body, w.Code, status, w.Body)
	}
	var out []string
	for _, f := range list {
		text := f.Code
		for _, p := range f.Info {
			text += " " + p.Property
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// An object is a decoded JSON object.
type object map[string]any

// at returns what a path leads to, as text; "" where it leads nowhere.
func (o object) at(path string) string {
	var v any = map[string]any(o)
	for name := range strings.SplitSeq(path, ".") {
		switch is := v.(type) {
		case map[string]any:
			v = is[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(is) {
				return ""
			}
			v = is[i]
		default:
			return ""
		}
	}
	switch v := v.(type) {
	case nil:
		return ""
	case float64, string, bool:
		return fmt.Sprint(v)
	}
	return "..."
}

func (o object) uuid() string { return o.at("uuid") }

// state is how far a connection is.
func (o object) state() string {
	return strings.Join([]string{o.at("state"), o.at("operation.equinixStatus"), o.at("operation.providerStatus"), o.at("change.type"), o.at("change.status")}, " ")
}

// A bid is what a test orders.
type bid struct {
	kind, from, to string
	a, z           string // link protocols, as JSON
	bandwidth      int
	more           string // of zSide's access point
	rest           string // of the connection
}

// String is the body of the order.
func (b bid) String() string {
	if b.kind == "" {
		b.kind = "EVPL_VC"
	}
	if b.bandwidth == 0 {
		b.bandwidth = 50
	}
	point := fmt.Sprintf(`"type":"COLO","port":{"uuid":%q}`, ID("port/"+b.to))
	if what, name, ok := strings.Cut(b.to, "/"); ok {
		point = fmt.Sprintf(`"type":"SP","profile":{"uuid":%q}`, ID("profile/"+name))
		if what == "network" {
			point = fmt.Sprintf(`"type":"NETWORK","network":{"uuid":%q}`, name)
		}
	}
	if b.z != "" {
		point += `,"linkProtocol":` + b.z
	}
	if b.a == "" {
		b.a = `{"type":"UNTAGGED"}`
	}
	return fmt.Sprintf(`{"type":%q,"name":"test","bandwidth":%d,"notifications":[{"type":"ALL","emails":["noc@example.com"]}],
		"order":{"purchaseOrderNumber":"PO-1"},"aSide":{"accessPoint":{"type":"COLO","port":{"uuid":%q},"linkProtocol":%s}},"zSide":{"accessPoint":{%s%s}}%s}`,
		b.kind, b.bandwidth, ID("port/"+b.from), b.a, point, b.more, b.rest)
}

func dot1q(vlan int) string { return fmt.Sprintf(`{"type":"DOT1Q","vlanTag":%d}`, vlan) }

func qinq(s, c int) string {
	if c == 0 {
		return fmt.Sprintf(`{"type":"QINQ","vlanSTag":%d}`, s)
	}
	return fmt.Sprintf(`{"type":"QINQ","vlanSTag":%d,"vlanCTag":%d}`, s, c)
}

// tenant is what the profile cloud wants to know of a buyer.
const tenant = `,"additionalInfo":[{"key":"Tenant","value":"aldersee"}]`

// cloud orders at the profile that approves by hand.
func cloud(from string, vlan, bandwidth int) bid {
	return bid{from: from, to: "profile/cloud", a: dot1q(vlan), bandwidth: bandwidth, more: `,"authenticationKey":"k-1"`, rest: tenant}
}

func (d *desk) order(user string, b bid) object {
	d.Helper()
	return d.told(user, http.MethodPost, "/connections", b.String(), http.StatusCreated)
}

func (d *desk) get(user, id string) object {
	d.Helper()
	return d.told(user, http.MethodGet, "/connections/"+id, "", http.StatusOK)
}

func (d *desk) port(user, name string) object {
	d.Helper()
	return d.told(user, http.MethodGet, "/ports/"+ID("port/"+name), "", http.StatusOK)
}

// act says something of a connection.
func (d *desk) act(user, id, kind, data string) object {
	d.Helper()
	if data != "" {
		data = `,"data":{"zSide":{"accessPoint":` + data + `}}`
	}
	d.told(user, http.MethodPost, "/connections/"+id+"/actions", `{"type":"`+kind+`","description":"because"`+data+`}`, http.StatusAccepted)
	return d.get(user, id)
}

// report has an agent report of both sides of a connection.
func (d *desk) report(id, state string, messages ...string) {
	d.Helper()
	for _, side := range []string{"-a", "-z"} {
		if err := d.h.Report("network-service-configs", id+side, state, messages); err != nil {
			d.Fatal(err)
		}
	}
}

func TestNobodyIsLetInWithoutAToken(t *testing.T) {
	d := strict(t, Options{})
	for _, token := range []string{"", "x", "x.y", strings.Repeat("a", 10_000)} {
		w := d.send(token, http.MethodGet, BasePath+"/ports", "")
		d.hold(http.MethodGet, BasePath+"/ports", w)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%.20q: %d %s", token, w.Code, w.Body)
		}
	}
	token := d.login("buyer")
	if w := d.send(token, http.MethodGet, BasePath+"/ports", ""); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	payload, mac, _ := strings.Cut(token, ".")
	if w := d.send(payload+"x."+mac, http.MethodGet, BasePath+"/ports", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("a token that was changed: %d", w.Code)
	}
	d.pass(time.Hour)
	if w := d.send(token, http.MethodGet, BasePath+"/ports", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("an old token: %d", w.Code)
	}
	for body, want := range map[string]int{
		`{"grant_type":"client_credentials","client_id":"buyer","client_secret":"wrong"}`: 401, `{"grant_type":"password"}`: 400, `[]`: 400, ``: 400,
		`{"grant_type":"client_credentials","client_id":1}`: 400,
	} {
		if w := d.send("", http.MethodPost, TokenPath, body); w.Code != want {
			t.Errorf("%s: %d, want %d", body, w.Code, want)
		}
	}
}

func TestTokensOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	var token, id string
	for i := range 2 {
		s, err := store.Open(store.Options{Path: path, Index: Index(), Identity: Identity})
		if err != nil {
			t.Fatal(err)
		}
		d := open(t, Options{Store: s})
		if i == 0 {
			token, id = d.login("buyer"), d.order("buyer", cloud("buyer-lag", 100, 50)).uuid()
		}
		if w := d.send(token, http.MethodGet, BasePath+"/connections/"+id, ""); w.Code != http.StatusOK {
			t.Errorf("%d: %d %s", i, w.Code, w.Body)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheSeedIsTheSameEachTimeAndIsPrinted(t *testing.T) {
	var a, b bytes.Buffer
	for _, w := range []*bytes.Buffer{&a, &b} {
		s, err := Metro()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Print(w); err != nil {
			t.Fatal(err)
		}
	}
	if a.String() != b.String() {
		t.Errorf("%s\nand then\n%s", &a, &b)
	}
	for _, want := range []string{"buyer-secret", ID("port/buyer-lag"), "Ethernet6 Ethernet7 Ethernet8", ID("profile/cloud")} {
		if !strings.Contains(a.String(), want) {
			t.Errorf("%q is not in\n%s", want, &a)
		}
	}
}

func TestWhatIsSeededIsOfTheSchema(t *testing.T) {
	d := strict(t, Options{})
	for _, user := range []string{"operator", "buyer", "seller", "reseller", "sub", "customer"} {
		d.told(user, http.MethodGet, "/ports?limit=100", "", http.StatusOK)
		d.told(user, http.MethodGet, "/serviceProfiles", "", http.StatusOK)
		d.told(user, http.MethodGet, "/serviceProfiles?viewPoint=zSide", "", http.StatusOK)
	}
}
