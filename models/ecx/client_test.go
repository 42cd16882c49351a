package ecx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ixagent/ixagent/models/rest"
	"github.com/ixagent/ixagent/models/secret"
)

// server is an exchange with connections and ports, each list of which is answered by pages of at most most.
type server struct {
	t       *testing.T
	uuids   []string
	most    int
	answers int
	edit    func(answer int, page map[string]any) // changes an answer, counted from 1
	now     func(answer int) []string             // the list as of an answer; nil for uuids
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	offset, limit := 0, 0
	switch r.Method + " " + r.URL.Path {
	case "POST /fabric/v4/connections/search", "POST /fabric/v4/networks/search", "POST /fabric/v4/exchangeServices/search":
		var body struct {
			Pagination struct{ Offset, Limit int }
			Sort       []struct{ Property, Direction string }
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Sort) != 1 || body.Sort[0].Property != "/uuid" {
			s.t.Errorf("%s: %+v, %v", r.URL.Path, body, err)
		}
		offset, limit = body.Pagination.Offset, body.Pagination.Limit
	case "GET /fabric/v4/ports", "GET /fabric/v4/serviceProfiles":
		offset, _ = strconv.Atoi(r.URL.Query().Get("offset"))
		limit, _ = strconv.Atoi(r.URL.Query().Get("limit"))
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `[{"errorCode":"EQ-1","errorMessage":"no such thing"}]`)
		return
	}
	s.answers++
	uuids := s.uuids
	if s.now != nil {
		uuids = s.now(s.answers)
	}
	limit = min(limit, s.most)
	data := []any{}
	for _, uuid := range uuids[min(offset, len(uuids)):min(offset+limit, len(uuids))] {
		data = append(data, map[string]string{"uuid": uuid})
	}
	page := map[string]any{"pagination": map[string]any{"offset": offset, "limit": limit, "total": len(uuids)}, "data": data}
	if s.edit != nil {
		s.edit(s.answers, page)
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(page); err != nil {
		s.t.Error(err)
	}
}

// pipe is a transport that calls a handler.
type pipe struct{ http.Handler }

func (p pipe) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result(), nil
}

func client(t *testing.T, h http.Handler, edit ...func(*Options)) *Client {
	t.Helper()
	o := Options{Options: rest.Options{BaseURL: "https://fabric.example", HTTPClient: &http.Client{Transport: pipe{h}}, RetryFor: -1}}
	for _, f := range edit {
		f(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func uuids(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("u%03d", i))
	}
	return out
}

func TestListIsReadToItsEnd(t *testing.T) {
	for _, c := range Collections() {
		for _, n := range []int{0, 1, 9, 10, 11, 100} {
			s := &server{t: t, uuids: uuids(n), most: 10}
			records, err := client(t, s).List(t.Context(), c)
			if err != nil || len(records) != n {
				t.Errorf("%s: %d of %d records, %v", c, len(records), n, err)
			}
			for i, text := range records {
				if identify(text) != s.uuids[i] {
					t.Errorf("%s: record %d is %s", c, i, text)
				}
			}
		}
	}
}

func TestListThatIsNotProvablyWholeIsIncomplete(t *testing.T) {
	pagination := func(page map[string]any) map[string]any { return page["pagination"].(map[string]any) }
	for name, c := range map[string]struct {
		edit   func(answer int, page map[string]any)
		now    func(answer int) []string
		reason rest.IncompleteReason
	}{
		"total grows":   {edit: func(n int, p map[string]any) { pagination(p)["total"] = 24 + n }, reason: rest.TotalChanged},
		"total shrinks": {edit: func(n int, p map[string]any) { pagination(p)["total"] = 26 - n }, reason: rest.TotalChanged},
		"short page":    {edit: func(_ int, p map[string]any) { p["data"] = p["data"].([]any)[:4] }, reason: rest.PageShort},
		"short last page": {edit: func(_ int, p map[string]any) {
			if data := p["data"].([]any); len(data) == 5 {
				p["data"] = data[:4]
			}
		}, reason: rest.PageShort},
		"empty page":            {edit: func(_ int, p map[string]any) { p["data"] = []any{} }, reason: rest.PageShort},
		"limit of nothing":      {edit: func(_ int, p map[string]any) { p["data"], pagination(p)["limit"] = []any{}, 0 }, reason: rest.PageShort},
		"more than the total":   {edit: func(_ int, p map[string]any) { pagination(p)["total"] = 3 }, reason: rest.ItemsMismatch},
		"negative total":        {edit: func(_ int, p map[string]any) { pagination(p)["total"] = -1 }, reason: rest.ItemsMismatch},
		"no pagination":         {edit: func(_ int, p map[string]any) { delete(p, "pagination") }, reason: rest.NoEnd},
		"no total":              {edit: func(_ int, p map[string]any) { delete(pagination(p), "total") }, reason: rest.NoEnd},
		"no data":               {edit: func(_ int, p map[string]any) { delete(p, "data") }, reason: rest.NoEnd},
		"null data":             {edit: func(_ int, p map[string]any) { p["data"] = nil }, reason: rest.NoEnd},
		"the same page again":   {edit: func(_ int, p map[string]any) { pagination(p)["offset"] = 0 }, reason: rest.PageRepeated},
		"a page is skipped":     {edit: func(n int, p map[string]any) { pagination(p)["offset"] = 20 * (n - 1) }, reason: rest.PageMissing},
		"one of two pages":      {now: func(n int) []string { return slices.Concat(uuids(25)[n-1:], uuids(n-1)) }, reason: rest.DuplicateRecord},
		"others in their place": {now: func(n int) []string { return slices.Concat(uuids(24), []string{fmt.Sprint(n)}) }, reason: rest.PageChanged},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{t: t, uuids: uuids(25), most: 10, edit: c.edit, now: c.now}
			records, err := client(t, s).List(t.Context(), Connections)
			var incomplete *rest.IncompleteError
			if !errors.As(err, &incomplete) || incomplete.Reason != c.reason || records != nil {
				t.Errorf("%d records, %v", len(records), err)
			}
		})
	}
}

func TestAnswerThatIsNoListIsRefused(t *testing.T) {
	for _, body := range []string{"", "[]", "null", `{"data":[{}`, `{"data":{},"pagination":{"total":0,"limit":1}}`, `{"data":[],"pagination":{"total":"0","limit":1}}`, "<html>"} {
		c := client(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		if records, err := c.List(t.Context(), Ports); err == nil {
			t.Errorf("%q: %d records", body, len(records))
		}
	}
}

func TestFailureOnALaterPageIsNoEnd(t *testing.T) {
	s := &server{t: t, uuids: uuids(25), most: 10}
	c := client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.answers == 2 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		s.ServeHTTP(w, r)
	}))
	if _, err := c.List(t.Context(), Ports); !errors.Is(err, rest.ErrIncomplete) {
		t.Error(err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	for name, edit := range map[string]func(*Options){
		"one": func(o *Options) { o.MaxBody = 100 },
		"all": func(o *Options) { o.MaxList = 1000 },
	} {
		s := &server{t: t, uuids: uuids(100), most: 10}
		if _, err := client(t, s, edit).List(t.Context(), Connections); !errors.Is(err, rest.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRecordsAreReadByTheirUUID(t *testing.T) {
	var path string
	c := client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.EscapedPath()
		fmt.Fprint(w, `{"uuid":"x"}`)
	}))
	for uuid, want := range map[string]string{"a-1": "a-1", "../ports": "..%2Fports", "..": "%2E%2E", "a?b": "a%3Fb"} {
		if _, err := c.Get(t.Context(), Ports, uuid); err != nil || path != "/fabric/v4/ports/"+want {
			t.Errorf("%s: asked for %s, %v", uuid, path, err)
		}
	}
	if _, err := c.Get(t.Context(), Ports, ""); !errors.Is(err, rest.ErrNotFound) {
		t.Error(err)
	}
}

// tokens is a server that wants a token, of which it says how long it is good for.
type tokens struct {
	t      *testing.T
	answer string // with a verb for the number of the token
	given  atomic.Int64
	refuse bool // refuse every token but the latest two
	list   http.Handler
}

func (s *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/oauth2/v1/token" {
		text, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || string(text) != `{"client_id":"me","client_secret":"hunter2","grant_type":"client_credentials"}` || r.Header.Get("Authorization") != "" {
			s.t.Errorf("%s %s", r.Method, text)
		}
		fmt.Fprintf(w, s.answer, s.given.Add(1))
		return
	}
	if r.Header.Get("Authorization") != fmt.Sprintf("Bearer t%d", s.given.Load()) || s.refuse && s.given.Load() < 2 {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `[{"errorCode":"EQ-401","errorMessage":"token is not valid"}]`)
		return
	}
	s.list.ServeHTTP(w, r)
}

func login(o *Options) { o.Auth = ClientCredentials("me", secret.New("hunter2")) }

func TestTokenIsRenewedBeforeItExpires(t *testing.T) {
	for _, answer := range []string{
		`{"access_token":"t%d","token_timeout":"3600","token_type":"Bearer"}`,
		`{"access_token":"t%d","token_timeout":3600}`,
		`{"access_token":"t%d","expires_in":3600}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &tokens{t: t, answer: answer, list: &server{t: t, most: 10}}
			c := client(t, s, login)
			for i, want := range []int64{1, 1, 2} {
				if _, err := c.List(t.Context(), Ports); err != nil || s.given.Load() != want {
					t.Errorf("%s, read %d: %d tokens, %v", answer, i, s.given.Load(), err)
				}
				time.Sleep(50 * time.Minute)
			}
		})
	}
}

func TestTokenThatIsRefusedIsRenewedOnce(t *testing.T) {
	s := &tokens{t: t, answer: `{"access_token":"t%d"}`, refuse: true, list: &server{t: t, most: 10}}
	if _, err := client(t, s, login).List(t.Context(), Ports); err != nil || s.given.Load() != 2 {
		t.Errorf("%d tokens, %v", s.given.Load(), err)
	}
	s = &tokens{t: t, answer: `{"access_token":"other%d"}`, list: &server{t: t, most: 10}}
	_, err := client(t, s, login).List(t.Context(), Ports)
	if !errors.Is(err, rest.ErrUnauthenticated) || s.given.Load() != 2 {
		t.Errorf("%d tokens, %v", s.given.Load(), err)
	}
}

func TestSecretsAreNotSaid(t *testing.T) {
	var o Options
	login(&o)
	said := fmt.Sprintf("%v %+v %#v", o, o, o)
	for _, answer := range []string{`{"token":"t1"}`, `"t1"`, "t1", `{"access_token":7,"x":"t1"}`} {
		c := client(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }), login)
		_, err := c.List(t.Context(), Ports)
		if !errors.Is(err, rest.ErrUnauthenticated) {
			t.Errorf("%s: %v", answer, err)
		}
		said += fmt.Sprint(err)
	}
	if strings.Contains(said, "hunter2") || strings.Contains(said, "t1") {
		t.Error(said)
	}
	for _, o := range []Options{
		{Options: rest.Options{BaseURL: "http://fabric.example", Auth: ClientCredentials("me", secret.New("hunter2"))}},
		{Options: rest.Options{BaseURL: "https://fabric.example", Auth: ClientCredentials("", secret.New("hunter2"))}},
		{Options: rest.Options{BaseURL: "https://fabric.example", Auth: ClientCredentials("me", secret.Text{})}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s was accepted", o.BaseURL)
		}
	}
}
