package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/ixagent/ixagent/lab/exchange/store"
	"github.com/ixagent/ixagent/testdata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// metro is the metro data set.
func metro(tb testing.TB) fs.FS {
	tb.Helper()
	data, err := testdata.Exchange("metro")
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func folder(files map[string]string) fs.FS {
	data := fstest.MapFS{}
	for name, text := range files {
		data[name+".json"] = &fstest.MapFile{Data: []byte(text)}
	}
	return data
}

func serve(tb testing.TB, o Options) *Server {
	tb.Helper()
	if o.Data == nil {
		o.Data = metro(tb)
	}
	s, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func anonymous(tb testing.TB) *Server {
	tb.Helper()
	return serve(tb, Options{Anonymous: true})
}

// ask sends a request below the base path to the handler.
func ask(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, basePath+path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	return ask(h, http.MethodGet, path, "")
}

// idsOf reads the ids of a list.
func idsOf(tb testing.TB, body []byte) []string {
	tb.Helper()
	var records []struct{ ID string }
	if err := json.Unmarshal(body, &records); err != nil {
		tb.Fatalf("%v in %.200s", err, body)
	}
	ids := []string{}
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}

// wantProblem checks an answer against a problem type.
func wantProblem(tb testing.TB, w *httptest.ResponseRecorder, status int, kind string) problem {
	tb.Helper()
	var p problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		tb.Fatalf("%v in %.200s", err, w.Body)
	}
	if w.Code != status || p.Status != status || p.Type != kind || w.Header().Get("Content-Type") != problemMediaType {
		tb.Fatalf("%d %s %+v, want %d %s", w.Code, w.Header().Get("Content-Type"), p, status, kind)
	}
	return p
}

func TestNobodyIsLetInByMistake(t *testing.T) {
	for _, o := range []Options{
		{}, {Credentials: []Credential{{Key: "k"}}}, {Tokens: []string{""}}, {Anonymous: true, PageSize: -1},
	} {
		o.Data = folder(nil)
		if _, err := New(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestFaultyFoldersAreRefusedWithTheirPlace(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"cut in half":     {"ports", "[\n{\"id\":\"1\"},\n{\"id\":", "ports.json: line 3"},
		"not an array":    {"ports", `{"id":"1"}`, "not a JSON array"},
		"not an object":   {"ports", `[1]`, "ports.json: line 1"},
		"no id":           {"ports", `[{"name":"x"}]`, "needs an id"},
		"id of a number":  {"ports", `[{"id":1}]`, "needs an id"},
		"id twice":        {"ports", `[{"id":"1"},{"id":"1"}]`, `"1" is there twice`},
		"text behind":     {"ports", `[] []`, "text after the array"},
		"unended":         {"ports", `[`, "unexpected EOF"},
		"empty":           {"ports", ``, "unexpected EOF"},
		"unknown as such": {"prots", `[]`, "prots.json: no such collection"},
	} {
		_, err := New(Options{Anonymous: true, Data: folder(map[string]string{c.file: c.text})})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want it to say %q", name, err, c.want)
		}
	}
}

func TestEveryRecordIsServedAsItWasGiven(t *testing.T) {
	s := anonymous(t)
	names, err := fs.Glob(metro(t), "*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(metro(t), name)
		if err != nil {
			t.Fatal(err)
		}
		var records []json.RawMessage
		if err := json.Unmarshal(text, &records); err != nil {
			t.Fatal(err)
		}
		collection := strings.TrimSuffix(name, ".json")
		for i, id := range idsOf(t, text) {
			w := get(s, "/"+collection+"/"+url.PathEscape(id))
			if w.Code != http.StatusOK || !bytes.Equal(bytes.TrimSpace(w.Body.Bytes()), records[i]) {
				t.Fatalf("%s %q: %d %s, want %s", collection, id, w.Code, w.Body, records[i])
			}
		}
	}
}

func TestIDsMayContainAnything(t *testing.T) {
	s := anonymous(t)
	for path, want := range map[string]string{
		"/network-service-configs/nsc%2Ffra1%20sw1%2F4%202":     "nsc/fra1 sw1/4 2",
		"/network-service-configs/nsc/fra1%20sw1/4%202":         "nsc/fra1 sw1/4 2",
		"/network-service-configs/bnNjPz4%2FOj8%2BP340Mg%3D%3D": "bnNjPz4/Oj8+P340Mg==",
		"/network-service-configs/bnNjPz4/Oj8+P340Mg==":         "bnNjPz4/Oj8+P340Mg==",
		"/network-service-configs/nsc:40001/":                   "nsc:40001",
		"//network-service-configs/nsc:40001":                   "nsc:40001",
	} {
		w := get(s, path)
		var r struct{ ID string }
		if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil || r.ID != want {
			t.Errorf("%s: %d %s, want %q", path, w.Code, w.Body, want)
		}
	}
	for _, path := range []string{
		"/network-service-configs/..%2F..%2Faccounts", "/network-service-configs/../accounts", "/networks", "/", "/ports/%2e%2e",
		"/ports/port:fra1-sw1:1/photographs",
	} {
		wantProblem(t, get(s, path), http.StatusNotFound, notFound)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v3/ports", nil))
	wantProblem(t, w, http.StatusNotFound, notFound)
}

func TestOnlyReadingIsPossible(t *testing.T) {
	s := anonymous(t)
	for _, path := range []string{"/ports", "/ports/port:fra1-sw1:1", "/account", "/health"} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
			w := ask(s, method, path, "{}")
			wantProblem(t, w, http.StatusMethodNotAllowed, noSpecificType)
			if allow := w.Header().Get("Allow"); allow != "GET, HEAD" {
				t.Errorf("%s %s: Allow %q", method, path, allow)
			}
		}
	}
	w := get(s, "/auth/token")
	wantProblem(t, w, http.StatusMethodNotAllowed, noSpecificType)
	if allow := w.Header().Get("Allow"); allow != "POST" {
		t.Errorf("Allow %q", allow)
	}
}

func TestOwnAccountIsTheOneNobodyManages(t *testing.T) {
	var a struct{ ID string }
	if err := json.Unmarshal(get(anonymous(t), "/account").Body.Bytes(), &a); err != nil || a.ID != "account:1000" {
		t.Errorf("%q, %v", a.ID, err)
	}
	empty := serve(t, Options{Anonymous: true, Data: folder(nil)})
	wantProblem(t, get(empty, "/account"), http.StatusNotFound, notFound)
}

func TestMetaIsPublic(t *testing.T) {
	s := serve(t, Options{Tokens: []string{"t"}})
	var health struct{ Status, Version string }
	if err := json.Unmarshal(get(s, "/health").Body.Bytes(), &health); err != nil || health.Status != "pass" || health.Version != "2" {
		t.Errorf("%+v, %v", health, err)
	}
	var impl implementation
	if err := json.Unmarshal(get(s, "/implementation").Body.Bytes(), &impl); err != nil || impl.SchemaVersion != "2.7.1" || !impl.Features.Pagination {
		t.Errorf("%+v, %v", impl, err)
	}
	if body := get(s, "/extensions").Body.String(); body != "[]\n" {
		t.Errorf("extensions: %s", body)
	}
}

func TestRecordsChangeWhileItRuns(t *testing.T) {
	s := anonymous(t)
	before, err := s.Get("ports", "port:fra1-sw1:1")
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(before, []byte(`"up"`), []byte(`"down"`), 1)
	if err := s.Put("ports", changed); err != nil {
		t.Fatal(err)
	}
	if after := get(s, "/ports/port:fra1-sw1:1").Body.Bytes(); !bytes.Equal(bytes.TrimSpace(after), changed) {
		t.Errorf("it is still %s", after)
	}
	if err := s.Put("ports", json.RawMessage(`{"id":"new","unheard":[1]}`)); err != nil {
		t.Fatal(err)
	}
	if got := idsOf(t, get(s, "/ports?id=new").Body.Bytes()); len(got) != 1 {
		t.Errorf("the new record is not there: %v", got)
	}
	if err := s.Delete("ports", "new"); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, get(s, "/ports/new"), http.StatusNotFound, notFound)

	if err := s.Delete("ports", "new"); !errors.Is(err, store.ErrNoRecord) {
		t.Errorf("Delete: %v", err)
	}
	if _, err := s.Get("ports", "new"); !errors.Is(err, store.ErrNoRecord) {
		t.Errorf("Get: %v", err)
	}
	for _, err := range []error{s.Put("prots", nil), s.Delete("prots", ""), func() error { _, err := s.Get("prots", ""); return err }()} {
		if !errors.Is(err, store.ErrNoCollection) {
			t.Errorf("%v", err)
		}
	}
	for _, text := range []string{"", "{", "[]", `{"id":7}`, `{}`} {
		if err := s.Put("ports", json.RawMessage(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestRecordsOfOneWriteAppearTogetherOrNotAtAll(t *testing.T) {
	s := serve(t, Options{Data: folder(map[string]string{"macs": `[{"id": "m"}]`}), Anonymous: true})
	raw := func(texts ...string) (out []json.RawMessage) {
		for _, text := range texts {
			out = append(out, json.RawMessage(text))
		}
		return out
	}
	before := s.store.Now()
	for _, bad := range []map[string][]json.RawMessage{
		{"macs": raw(`{"id": "new"}`), "moons": raw(`{"id": "x"}`)},
		{"macs": raw(`{"id": "new"}`, `{"id": 7}`)},
	} {
		if err := s.PutAll(bad); err == nil || s.store.Now() != before {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if err := s.PutAll(map[string][]json.RawMessage{"macs": raw(`{"id": "m", "address": "a"}`, `{"id": "n"}`), "ports": raw(`{"id": "p"}`)}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/macs": `[{"id":"m","address":"a"},{"id":"n"}]`, "/ports": `[{"id":"p"}]`} {
		if w := get(s, path); strings.TrimSpace(w.Body.String()) != want {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
	s.Inject(Fault{Kind: Stale})
	if w := get(s, "/macs"); strings.TrimSpace(w.Body.String()) != `[{"id":"m"}]` {
		t.Errorf("one write before: %s", w.Body)
	}
}

func TestReadersAndWritersMeet(t *testing.T) {
	s := anonymous(t)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 20 {
				if err := s.Put("macs", json.RawMessage(fmt.Sprintf(`{"id":"m%d-%d","address":"02:00:00:00:00:01"}`, i, j))); err != nil {
					t.Error(err)
				}
				if j%2 == 0 {
					if err := s.Delete("macs", fmt.Sprintf("m%d-%d", i, j)); err != nil {
						t.Error(err)
					}
				}
			}
		})
		all.Go(func() {
			for range 20 {
				if w := get(s, "/macs?page_limit=7&address=02:00:00:00:00:01"); w.Code != http.StatusPartialContent {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
		})
	}
	all.Wait()
	if got := len(idsOf(t, get(s, "/macs?address=02:00:00:00:00:01").Body.Bytes())); got != 40 {
		t.Errorf("%d records, want 40", got)
	}
}

func TestServerRunsAndEnds(t *testing.T) {
	s := anonymous(t)
	if s.URL() != "" || s.TokenURL() != "" {
		t.Errorf("an address before it listens: %s, %s", s.URL(), s.TokenURL())
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close before Start: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(s.URL() + "/health")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if err := s.Start(); err == nil {
		t.Error("it started twice")
	}
	http.DefaultClient.CloseIdleConnections()
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Errorf("Close: %v", err)
	}

	other := anonymous(t)
	go func() { done <- other.Run(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := serve(t, Options{Anonymous: true, Listen: "256.0.0.1:0"}).Run(t.Context()); err == nil {
		t.Error("it listened on an address that is none")
	}
}

func TestServerSpeaksTLS(t *testing.T) {
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	defer certified.Close()
	s := serve(t, Options{Anonymous: true, TLS: certified.TLS.Clone()})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	client := certified.Client()
	res, err := client.Get(s.URL() + "/health")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if !strings.HasPrefix(s.URL(), "https://") || res.StatusCode != http.StatusOK {
		t.Errorf("%s: %d", s.URL(), res.StatusCode)
	}
	s.Inject(Fault{Kind: Reset})
	if res, err := client.Get(s.URL() + "/ports"); err == nil {
		res.Body.Close()
		t.Errorf("instead of a reset: %d", res.StatusCode)
	}
	client.CloseIdleConnections()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseDoesNotWaitForAFault(t *testing.T) {
	s := anonymous(t)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	s.Inject(Fault{Kind: Slow, Delay: time.Hour, Times: 1})
	failed := make(chan error, 1)
	go func() {
		res, err := http.Get(s.URL() + "/ports")
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		failed <- err
	}()
	for !s.faultless() { // until the request has met it
		runtime.Gosched()
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	<-failed
	http.DefaultClient.CloseIdleConnections()
}

func (s *Server) faultless() bool {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	return len(s.faults.all) == 0
}
