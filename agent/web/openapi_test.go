package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/events"
	"github.com/ixagent/ixagent/agent/report"
	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/secret"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// described reads the description that is served, and closes its objects, so that a field nobody described is found.
func described(t *testing.T) *openapi3.T {
	t.Helper()
	_, body := do(t, options(t), "GET", "/api/v1/openapi.json")
	doc, err := openapi3.NewLoader().LoadFromData([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	closed := false
	for _, s := range doc.Components.Schemas {
		s.Value.AdditionalProperties.Has = &closed
	}
	return doc
}

func TestEveryRouteIsDescribed(t *testing.T) {
	var listed, served []string
	for path, item := range described(t).Paths.Map() {
		for method := range item.Operations() {
			listed = append(listed, method+" "+path)
		}
	}
	for _, r := range routes(options(t)) {
		served = append(served, r.method+" "+r.path)
	}
	slices.Sort(listed)
	slices.Sort(served)
	if !slices.Equal(listed, served) {
		t.Errorf("described are\n%q\nserved are\n%q", listed, served)
	}
}

func TestEveryAnswerIsAsDescribed(t *testing.T) {
	doc := described(t)
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	full := Status{
		Version: "1.2.3",
		Source:  Source{"metro", "abc", at, at, at, "no route to host"},
		Devices: []Device{{
			Name: "sw1", Driver: "openconfig", Mode: config.Approve, LastPass: at, Error: "refused", Drift: true, Plan: Plan{1, 2, 3}, PlanDigest: "00",
			Withheld: []plan.Withheld{{
				Verb: plan.Delete, Key: switchcfg.Key{Kind: switchcfg.KindLAG, Name: "lag1"}, Reason: plan.Limited, Detail: "too many",
				Cause: plan.Cause{Record: "conn:1", Account: "account:1"}, Members: []string{"account:1"},
			}},
		}},
		Rejections: []compile.Rejection{{
			Collection: ixapi.MACs, ID: "m1", Account: "account:1", Device: "sw1", Severity: 3, Tag: compile.TagMACInvalid, Message: "it is none",
			Attrs: map[string]any{"address": "none"},
		}},
		JournalError: "no space for the journal",
	}
	good, bad := options(t), options(t)
	good.Orders, bad.Orders = new(taken), &taken{err: errors.New("no space for the journal")}
	good.Reload = func(context.Context) error { return nil }
	good.Status = func() Status { return full }
	good.Record = func(string, string) []report.Result {
		return []report.Result{{
			Collection: ixapi.Connections, ID: "1", Account: "17", State: report.Failed, Since: at, Devices: []string{"sw1"}, Revision: "00",
			Status: []ixapi.StatusMessage{{Severity: 3, Tag: report.TagUnreachable, Message: "it is down", Attrs: map[string]any{"device": "sw1"}, Timestamp: at}},
		}}
	}
	good.Events = events.Handler(events.Options{Token: secret.New("moonlight"), Nudge: func(...source.Ref) {}, AsksWho: func() (bool, error) { return false, nil }})
	bad.Events = events.Handler(events.Options{AsksWho: func() (bool, error) { return false, errors.New("no such file") }})
	bad.Record = func(string, string) []report.Result {
		return []report.Result{{Status: []ixapi.StatusMessage{{Attrs: map[string]any{"x": make(chan int)}}}}}
	}
	bad.Ready = func() error { return errors.New("source metro is not read yet") }
	bad.Reload = func(context.Context) error { return errors.New("ixagent.yaml:1:1: it is empty") }
	bad.Status = func() Status {
		return Status{Rejections: []compile.Rejection{{Attrs: map[string]any{"x": make(chan int)}}}}
	}
	waiting := options(t)
	waiting.Record, waiting.Events = nil, nil
	seen := make(map[int]bool)
	for name, o := range map[string]Options{"good": good, "bad": bad, "empty": options(t), "waiting": waiting} {
		for _, r := range routes(o) {
			for _, site := range []string{"same-origin", "cross-site"} {
				req := httptest.NewRequest(r.method, r.path, nil)
				req.Header.Set("Sec-Fetch-Site", site)
				at, params, err := router.FindRoute(req)
				if err != nil {
					t.Errorf("%s %s: %v", r.method, r.path, err)
					continue
				}
				w := httptest.NewRecorder()
				Handler(o).ServeHTTP(w, req)
				seen[w.Code] = true
				answer := &openapi3filter.ResponseValidationInput{
					RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: at},
					Status:                 w.Code, Header: w.Header(), Body: io.NopCloser(bytes.NewReader(w.Body.Bytes())),
					Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
				}
				if err := openapi3filter.ValidateResponse(t.Context(), answer); err != nil {
					t.Errorf("%s: %s %s: %d %s: %v", name, r.method, r.path, w.Code, w.Body, err)
				}
			}
		}
	}
	for _, code := range []int{200, 401, 403, 404, 500, 503} {
		if !seen[code] {
			t.Errorf("nothing was answered with %d", code)
		}
	}
}

func TestReloadIsAskedForByPostOrPut(t *testing.T) {
	o := options(t)
	if res, body := do(t, o, "POST", "/-/reload"); res.StatusCode != 500 || body != errNoReload.Error()+"\n" {
		t.Errorf("without anything to reload: %s: %s", res.Status, body)
	}
	var refused error
	asked := 0
	o.Reload = func(context.Context) error { asked++; return refused }
	for _, method := range []string{"POST", "PUT"} {
		refused = nil
		if res, body := do(t, o, method, "/-/reload"); res.StatusCode != 200 || body != "reloaded\n" {
			t.Errorf("%s: %s: %s", method, res.Status, body)
		}
		refused = errors.New("ixagent.yaml:1:1: it is empty")
		if res, body := do(t, o, method, "/-/reload"); res.StatusCode != 500 || body != "ixagent.yaml:1:1: it is empty\n" {
			t.Errorf("%s: %s: %s", method, res.Status, body)
		}
	}
	for _, method := range []string{"GET", "HEAD", "DELETE", "PATCH"} {
		if res, _ := do(t, o, method, "/-/reload"); res.StatusCode != 405 || res.Header.Get("Allow") != "POST, PUT" {
			t.Errorf("%s: %s, allowed are %s", method, res.Status, res.Header.Get("Allow"))
		}
	}
	if res, _ := do(t, o, "POST", "/-/reload", "Origin", "https://elsewhere.example"); res.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another site: %s", res.Status)
	}
	if asked != 4 {
		t.Errorf("reloaded %d times, want 4", asked)
	}
}

func TestDescriptionSpeaksOfUsers(t *testing.T) {
	if s := described(t).Components.SecuritySchemes["basic"]; s == nil || !strings.EqualFold(s.Value.Scheme, "basic") {
		t.Error("basic authentication is not described")
	}
}
