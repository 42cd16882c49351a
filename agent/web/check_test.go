package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

func TestQuestionsAboutOrdersAreAnsweredAsDescribed(t *testing.T) {
	doc := described(t)
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	circuit := &switchcfg.Circuit{Parent: "lag1", Unit: 1, Service: "ix-a"}
	possible := &compile.Trial{
		Possible: true, Status: []ixapi.StatusMessage{}, Others: []compile.Rejection{},
		Plans: []plan.Plan{{Device: "sw1", Changes: []plan.Change{
			{Verb: plan.Create, Key: circuit.Key(), After: circuit}, {Verb: plan.Update, Key: circuit.Key(), Before: circuit, After: circuit},
		}}},
	}
	no := &compile.Trial{
		Status: []ixapi.StatusMessage{{Severity: 3, Tag: "vlan_collision", Message: "it is taken", Attrs: map[string]any{"other": "1"}, Timestamp: time.Unix(1, 0).UTC()}},
		Others: []compile.Rejection{{Collection: ixapi.NetworkServiceConfigs, ID: "1", Severity: 3, Tag: compile.TagCollision, Message: "it is taken"}},
		Plans:  []plan.Plan{},
	}
	wrong := &compile.OrderError{What: "it is wrong", Properties: []ixapi.ProblemProperty{{Name: "vlan_config/vlan", Reason: "it is 5000"}}}
	const order, problem = `{"type": "p2p_vc"}`, "application/problem+json"
	for _, c := range []struct {
		name, body string
		trial      *compile.Trial
		err        error
		edit       func(*Options)
		code       int
		typ, says  string
	}{
		{"possible", order, possible, nil, nil, 200, "application/json", `{"possible":true,"status":[],"others":[],"plans":[{"device":"sw1","changes":[{"verb":"create","key":"circuit lag1.1",`},
		{"refused", order, no, nil, nil, 200, "application/json", `{"possible":false,"status":[{"severity":3,"tag":"vlan_collision"`},
		{"several", `{"connections": [{"id": "1", "lacp_timeout": "fast"}]}`, possible, nil, nil, 200, "application/json", `"possible":true`},
		{"wrong", order, nil, wrong, nil, 400, problem, `{"type":"https://errors.ix-api.net/v2/validation-error.html","title":"Some fields have validation errors.","status":400,"detail":"it is wrong","properties":[{"name":"vlan_config/vlan","reason":"it is 5000"}]}`},
		{"nothing", "", nil, &compile.OrderError{What: "it is nothing"}, nil, 400, problem, `"status":400,"detail":"it is nothing"}`},
		{"too large", strings.Repeat(" ", maxOrder) + order, possible, nil, nil, 400, problem, `"detail":"http: request body too large"`},
		{"not yet", order, nil, errors.New("nothing is known"), nil, 503, problem, `{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"nothing is known"}`},
		{"nothing to try it on", order, possible, nil, func(o *Options) { o.Try = nil }, 503, problem, "see /-/ready"},
		{"without users", order, possible, nil, func(o *Options) { o.WebConfig = "" }, 403, problem, `{"type":"https://errors.ix-api.net/v2/permission-denied.html","title":"Permission denied.","status":403,`},
		{"unreadable users", order, possible, nil, func(o *Options) { o.WebConfig += ".gone" }, 500, problem, `"detail":"the web configuration cannot be read"`},
	} {
		asked := ""
		o, orders := withUsers(t, users)
		o.Try = func(_ context.Context, order []byte) (*compile.Trial, error) {
			asked = string(order)
			return c.trial, c.err
		}
		if c.edit != nil {
			c.edit(&o)
		}
		req := httptest.NewRequest("POST", "/api/v1/check", strings.NewReader(c.body))
		req.SetBasicAuth("noc", "test")
		at, params, err := router.FindRoute(req)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		Handler(o).ServeHTTP(w, req)
		if w.Code != c.code || w.Header().Get("Content-Type") != c.typ || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d %s %s", c.name, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
		if answered := c.trial != nil && c.code == 200; answered && asked != c.body || len(orders.all) > 0 {
			t.Errorf("%s: asked was %q, ordered %v", c.name, asked, orders.all)
		}
		request := &openapi3filter.RequestValidationInput{
			Request: req, PathParams: params, Route: at,
			Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
		}
		answer := &openapi3filter.ResponseValidationInput{
			RequestValidationInput: request, Status: w.Code, Header: w.Header(), Body: io.NopCloser(bytes.NewReader(w.Body.Bytes())),
			Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
		}
		if err := openapi3filter.ValidateResponse(t.Context(), answer); err != nil {
			t.Errorf("%s: %d %s: %v", c.name, w.Code, w.Body, err)
		}
		if c.code != 200 {
			continue
		}
		// What is taken is described, too.
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(c.body)), int64(len(c.body))
		req.Header.Set("Content-Type", "application/json")
		if err := openapi3filter.ValidateRequest(t.Context(), request); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	o, _ := withUsers(t, users)
	if res, _ := do(t, o, "POST", "/api/v1/check", "Sec-Fetch-Site", "cross-site"); res.StatusCode != 403 {
		t.Errorf("a page of another site: %s", res.Status)
	}
	if res, _ := do(t, o, "POST", "/api/v1/check"); res.StatusCode != 403 {
		t.Errorf("nobody: %s", res.Status)
	}
}
