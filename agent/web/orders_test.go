package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// taken are the orders that were taken, and what is answered to them.
type taken struct {
	all []string
	err error
}

var _ Orders = (*taken)(nil)

func (t *taken) Freezes() ([]guard.Freeze, error) {
	return []guard.Freeze{{
		Scope: guard.ScopeChange, Name: "7", Device: "sw1", Why: "y", Who: "x", Since: time.Unix(1, 0), Until: time.Unix(2, 0),
		Keys: []switchcfg.Key{{Kind: switchcfg.KindLAG, Name: "lag1"}},
	}, {Scope: guard.ScopeAll, Why: "y", Who: "x"}}, t.err
}

func (t *taken) Freeze(_ context.Context, f guard.Freeze, lasts time.Duration) (guard.Freeze, error) {
	t.all = append(t.all, f.Who+" freezes "+f.String()+" for "+lasts.String()+": "+f.Why)
	return f, t.err
}

func (t *taken) Thaw(_ context.Context, who string, scope guard.Scope, name string) (bool, error) {
	t.all = append(t.all, who+" thaws "+guard.Freeze{Scope: scope, Name: name}.String())
	return name != "nothing", t.err
}

func (t *taken) Approve(_ context.Context, who, digest string) (guard.Approval, error) {
	t.all = append(t.all, who+" approves "+digest)
	return guard.Approval{Device: "sw1", Digest: digest, Who: who}, t.err
}

// withUsers returns options whose web configuration has a user noc, or what else it says.
func withUsers(t *testing.T, config string) (Options, *taken) {
	t.Helper()
	o, orders := options(t), new(taken)
	o.Orders, o.WebConfig = orders, filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(o.WebConfig, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return o, orders
}

const users = "basic_auth_users: {noc: " + word + "}\n"

func TestOrdersAreAnsweredAsDescribed(t *testing.T) {
	doc := described(t)
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	wrong := &guard.OrderError{What: "it is wrong"}
	broken := errors.New("no space for the journal")
	for _, c := range []struct {
		path, body string
		err        error
		code       int
		order      string // as it is taken; "" if it is not
		says       string
	}{
		{"freeze", `{"scope": "site", "name": "fra1", "why": "power works", "for": "90m"}`, nil, 200, "noc freezes site fra1 for 1h30m0s: power works", `"scope":"site"`},
		{"freeze", `{"scope": "all", "why": "y"}`, nil, 200, "noc freezes all for 0s: y", `"who":"noc"`},
		{"freeze", `{"scope": "all", "why": "y"}`, wrong, 400, "noc freezes all for 0s: y", "it is wrong"},
		{"freeze", `{"scope": "all", "why": "y"}`, broken, 500, "noc freezes all for 0s: y", "no space for the journal"},
		{"freeze", `{"scope": "all", "why": "y", "for": "-4h"}`, nil, 400, "", `"-4h" is not a duration such as 90m or 4h`},
		{"freeze", `{"scope": "all", "why": "y", "for": "soon"}`, nil, 400, "", `"soon" is not a duration such as 90m or 4h`},
		{"freeze", `{"scope": "all", "why": "y", "who": "somebody else"}`, nil, 400, "", `the order cannot be read: json: unknown field "who"`},
		{"freeze", `{"scope": "all", "why": "` + strings.Repeat("x", maxOrder) + `"}`, nil, 400, "", "request body too large"},
		{"freeze", ``, nil, 400, "", "the order cannot be read: EOF"},
		{"freeze", `{} {}`, nil, 400, "", "it is more than one JSON value"},
		{"thaw", `{"scope": "member", "name": "account:1"}`, nil, 200, "noc thaws member account:1", `"name":"account:1"`},
		{"thaw", `{"scope": "site", "name": "nothing"}`, nil, 404, "noc thaws site nothing", "site nothing is not frozen"},
		{"thaw", `{"scope": "all"}`, broken, 500, "noc thaws all", "no space"},
		{"approve", `{"digest": "3f2a9c10"}`, nil, 200, "noc approves 3f2a9c10", `"digest":"3f2a9c10"`},
		{"approve", `{"digest": "3f2a9c10"}`, wrong, 409, "noc approves 3f2a9c10", "it is wrong"},
		{"approve", `{"digest": "3f2a9c10"}`, broken, 500, "noc approves 3f2a9c10", "no space"},
		{"freezes", "", nil, 200, "", `"keys":["lag lag1"]`},
		{"freezes", "", broken, 500, "", "no space"},
	} {
		o, orders := withUsers(t, users)
		orders.err = c.err
		method := "POST"
		if c.path == "freezes" {
			method = "GET"
		}
		req := httptest.NewRequest(method, "/api/v1/"+c.path, strings.NewReader(c.body))
		req.SetBasicAuth("noc", "test")
		at, params, err := router.FindRoute(req)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		Handler(o).ServeHTTP(w, req)
		if got := strings.Join(orders.all, "; "); w.Code != c.code || got != c.order || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %.80s: %d %s, and %q was taken", c.path, c.body, w.Code, w.Body, got)
		}
		answer := &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: at},
			Status:                 w.Code, Header: w.Header(), Body: io.NopCloser(bytes.NewReader(w.Body.Bytes())),
			Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
		}
		if err := openapi3filter.ValidateResponse(t.Context(), answer); err != nil {
			t.Errorf("%s %s: %d %s: %v", c.path, c.body, w.Code, w.Body, err)
		}
		if c.code != 200 || method == "GET" {
			continue
		}
		// What is taken is described, too.
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(c.body)), int64(len(c.body))
		req.Header.Set("Content-Type", "application/json")
		asked := &openapi3filter.RequestValidationInput{
			Request: req, PathParams: params, Route: at,
			Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
		}
		if err := openapi3filter.ValidateRequest(t.Context(), asked); err != nil {
			t.Errorf("%s %s: %v", c.path, c.body, err)
		}
	}
}

// A name that nobody asked a password for is not believed.
func TestOrdersAreTakenFromUsersAlone(t *testing.T) {
	order := func(o Options, user string, header ...string) (int, string) {
		req := httptest.NewRequest("POST", "/api/v1/freeze", strings.NewReader(`{"scope": "all", "why": "y"}`))
		if user != "" {
			req.SetBasicAuth(user, "test")
		}
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		Handler(o).ServeHTTP(w, req)
		return w.Code, w.Body.String()
	}
	for _, c := range []struct {
		name, config, user string
		code               int
		says               string
	}{
		{"a user", users, "noc", 200, "noc"},
		{"no users, and a name", "http_server_config: {http2: true}\n", "noc", 403, "the web configuration has no basic_auth_users"},
		{"certificates alone", "tls_server_config: {client_auth_type: RequireAndVerifyClientCert}\n", "noc", 403, "the web configuration has no basic_auth_users"},
		{"a name that is none", users, "other", 403, "orders need to come from somebody"},
		{"no name", users, "", 403, "orders need to come from somebody"},
		{"a file that cannot be read", "basic_auth_users: {noc: [secret", "noc", 500, "the web configuration cannot be read\n"},
	} {
		o, orders := withUsers(t, c.config)
		if code, says := order(o, c.user); code != c.code || !strings.Contains(says, c.says) || (len(orders.all) > 0) != (code == 200) {
			t.Errorf("%s: %d %s, taken %q", c.name, code, says, orders.all)
		}
	}
	o, orders := withUsers(t, users)
	if code, says := order(o, "noc", "Sec-Fetch-Site", "cross-site"); code != 403 || len(orders.all) > 0 {
		t.Errorf("a page of another site: %d %s", code, says)
	}
	o.WebConfig = ""
	if code, says := order(o, "noc"); code != 403 || !strings.Contains(says, "web_config") {
		t.Errorf("no web configuration: %d %s", code, says)
	}
	o.Orders = nil
	if code, says := order(o, "noc"); code != 500 || says != errNoOrders.Error()+"\n" {
		t.Errorf("an agent that takes none: %d %s", code, says)
	}
	if res, _ := do(t, o, "GET", "/api/v1/freeze"); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("reading orders: %s", res.Status)
	}
}
