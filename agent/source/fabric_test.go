package source_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/models/ixapi"
)

// fabric is a server of Fabric v4 with the records of the table of agent/source/ecx, by the last part of their path.
type fabric struct {
	*httptest.Server
	t      *testing.T
	token  string
	grants int

	mu      sync.Mutex
	records map[string][]map[string]any
	answer  func(collection string, offset int, page map[string]any) int // changes an answer and returns its status
	asked   func(*http.Request)
}

func newFabric(t *testing.T) *fabric {
	t.Helper()
	archive, err := txtar.ParseFile("ecx/testdata/table.txtar")
	if err != nil {
		t.Fatal(err)
	}
	f := &fabric{t: t, records: make(map[string][]map[string]any)}
	for _, file := range archive.Files {
		if file.Name == "faults" {
			break
		}
		for line := range bytes.Lines(file.Data) {
			var record map[string]any
			if err := json.Unmarshal(line, &record); err != nil {
				t.Fatal(err)
			}
			f.records[file.Name] = append(f.records[file.Name], record)
		}
	}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// change lets f see or change the records, by collection.
func (f *fabric) change(edit func(map[string][]map[string]any)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	edit(f.records)
}

// answers changes all answers from now on.
func (f *fabric) answers(edit func(collection string, offset int, page map[string]any) int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = edit
}

const fabricPage = 10

func (f *fabric) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if f.asked != nil {
		f.asked(r)
	}
	if r.URL.Path == "/oauth2/v1/token" {
		f.grants++
		f.token = fmt.Sprint("token-", f.grants)
		fmt.Fprintf(w, `{"access_token":%q,"token_timeout":"3600"}`, f.token)
		return
	}
	if f.token != "" && r.Header.Get("Authorization") != "Bearer "+f.token {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `[{"errorCode":"EQ-401","errorMessage":"no such token"}]`)
		return
	}
	var offset, limit int
	path := strings.TrimPrefix(r.URL.Path, "/fabric/v4/")
	collection, search := strings.CutSuffix(path, "/search")
	if search {
		var body struct {
			Pagination struct{ Offset, Limit int }
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			f.t.Error(err)
		}
		offset, limit = body.Pagination.Offset, body.Pagination.Limit
	} else {
		offset, _ = strconv.Atoi(r.URL.Query().Get("offset"))
		limit, _ = strconv.Atoi(r.URL.Query().Get("limit"))
	}
	listed, known := f.records[collection]
	if !known || search == (collection == "ports" || collection == "serviceProfiles") {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `[{"errorCode":"EQ-404","errorMessage":"no such list"}]`)
		return
	}
	limit = min(limit, fabricPage)
	page := map[string]any{
		"pagination": map[string]any{"offset": offset, "limit": limit, "total": len(listed)},
		"data":       listed[min(offset, len(listed)):min(offset+limit, len(listed))],
	}
	if f.answer != nil {
		if status := f.answer(collection, offset, page); status != http.StatusOK {
			w.WriteHeader(status)
			fmt.Fprint(w, `[{"errorCode":"EQ-500","errorMessage":"it does not work"}]`)
			return
		}
	}
	if err := json.NewEncoder(w).Encode(page); err != nil {
		f.t.Error(err)
	}
}

// reader returns a source that reads f, with a log.
func (f *fabric) reader(t *testing.T) (*source.Source, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s, err := source.New(&config.Source{
		Name: "fabric", Type: config.SourceECX, URL: f.URL, Poll: time.Hour, MaxShrink: 10, ShrinkAllowance: 3,
	}, source.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, &log
}

func TestFabricIsReadWholeAndQuietly(t *testing.T) {
	f := newFabric(t)
	s, log := f.reader(t)
	snapshot, changed, err := s.Read(t.Context())
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	for c, n := range map[ixapi.Collection]int{ixapi.Connections: 20, ixapi.NetworkServices: 30, ixapi.NetworkServiceConfigs: 60, ixapi.MACs: 2} {
		if snapshot.Counts[c] < n {
			t.Errorf("%d %s", snapshot.Counts[c], c)
		}
	}
	if said := log.String(); !strings.Contains(said, "a network of type IPWAN is not on switches") || strings.Contains(said, "c0000000-") {
		t.Errorf("faults are not told: %s", said)
	}
	log.Reset()
	f.change(func(records map[string][]map[string]any) {
		records["connections"][0]["changeLog"] = map[string]any{"updatedDateTime": "2026-11-26T00:00:00Z"}
		records["ports"][0]["usedBandwidth"] = 7
		slices.Reverse(records["ports"])
	})
	if again, changed, err := s.Read(t.Context()); again != snapshot || changed || err != nil || log.Len() > 0 {
		t.Errorf("changed %v, %v: %s", changed, err, log)
	}
}

func TestMisbehavingFabricNeverTakesRecordsAway(t *testing.T) {
	only := func(of string, edit func(offset int, page map[string]any) int) func(string, int, map[string]any) int {
		return func(collection string, offset int, page map[string]any) int {
			if collection != of {
				return http.StatusOK
			}
			return edit(offset, page)
		}
	}
	records := func(page map[string]any) []map[string]any { return page["data"].([]map[string]any) }
	redacted := func(page map[string]any, names ...string) {
		short := make([]map[string]any, len(records(page)))
		for i, r := range records(page) {
			short[i] = maps.Clone(r)
			for _, name := range names {
				delete(short[i], name)
			}
		}
		page["data"] = short
	}
	for _, c := range []struct {
		name, says string
		edit       func(collection string, offset int, page map[string]any) int
	}{
		{"short page", "connections: list is incomplete", only("connections", func(_ int, p map[string]any) int {
			p["data"] = records(p)[:2]
			return http.StatusOK
		})},
		{"unstable total", "total changed between pages", only("connections", func(offset int, p map[string]any) int {
			p["pagination"].(map[string]any)["total"] = 43 + offset
			return http.StatusOK
		})},
		{"later page fails", "ports: list is incomplete at page 2", only("ports", func(offset int, _ map[string]any) int {
			return map[bool]int{true: http.StatusInternalServerError, false: http.StatusOK}[offset > 0]
		})},
		{"no permission", "403 Forbidden", only("serviceProfiles", func(int, map[string]any) int { return http.StatusForbidden })},
		{"a list is missing", "404 Not Found", only("networks", func(int, map[string]any) int { return http.StatusNotFound })},
		{"empty list", "are gone", only("connections", func(_ int, p map[string]any) int {
			p["data"], p["pagination"] = []map[string]any{}, map[string]any{"limit": 10, "total": 0}
			return http.StatusOK
		})},
		{"shrunk list", "are gone", only("connections", func(_ int, p map[string]any) int {
			p["pagination"].(map[string]any)["total"] = 10
			return http.StatusOK
		})},
		{"states redacted", "are redacted", only("connections", func(_ int, p map[string]any) int {
			redacted(p, "state", "operation")
			return http.StatusOK
		})},
		{"sides redacted", "are redacted", only("connections", func(_ int, p map[string]any) int {
			redacted(p, "aSide", "zSide")
			return http.StatusOK
		})},
		{"types redacted", "are redacted", only("connections", func(_ int, p map[string]any) int {
			redacted(p, "type")
			return http.StatusOK
		})},
		{"ids redacted", "cannot be told from missing ones", only("ports", func(_ int, p map[string]any) int {
			redacted(p, "uuid")
			return http.StatusOK
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFabric(t)
			s, _ := f.reader(t)
			before, _, err := s.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			f.answers(c.edit)
			snapshot, _, err := s.Read(t.Context())
			if err == nil || snapshot != nil {
				t.Fatal("the answer was accepted")
			}
			if !strings.HasPrefix(err.Error(), "source fabric: ") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error is %q, without %q", err, c.says)
			}
			if s.Status().Snapshot != before {
				t.Error("the snapshot is gone")
			}
			f.answers(nil)
			if after, changed, err := s.Read(t.Context()); err != nil || changed || after != before {
				t.Errorf("no recovery: changed %v, %v", changed, err)
			}
		})
	}
}

func TestFabricMayHaveNoPeeringLAN(t *testing.T) {
	f := newFabric(t)
	f.change(func(records map[string][]map[string]any) { delete(records, "exchangeServices") })
	s, _ := f.reader(t)
	if snapshot, _, err := s.Read(t.Context()); err != nil || snapshot.Counts[ixapi.MACs] != 0 {
		t.Error(err)
	}
}

func TestFabricIsReadWithItsCredentials(t *testing.T) {
	f := newFabric(t)
	f.token = "nobody's yet"
	t.Setenv("FABRIC_ID", "agent")
	t.Setenv("FABRIC_SECRET", "hunter2")
	t.Setenv("SWITCH", "x")
	conf, err := config.Parse("ixagent.yaml", fmt.Appendf(nil, `
sources:
  - {name: fabric, type: ecx, url: %q, auth: {type: oauth2, key: env:FABRIC_ID, secret: env:FABRIC_SECRET}}
credentials:
  lab: {username: admin, password: env:SWITCH}
inventory:
  devices:
    - {name: sw1, driver: memory, address: 192.0.2.1, credentials: lab}
`, f.URL), os.ReadFile, drivers.Registry{"memory": memory.Spec()})
	if err != nil {
		t.Fatal(err)
	}
	if err := conf.CheckFiles(); err != nil {
		t.Error(err)
	}
	s, err := source.New(conf.Sources[0], source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.Read(t.Context()); err != nil || f.grants != 1 {
		t.Errorf("%d tokens, %v", f.grants, err)
	}
	f.mu.Lock()
	f.token = "ended early"
	f.mu.Unlock()
	if _, changed, err := s.Read(t.Context()); err != nil || changed || f.grants != 2 {
		t.Errorf("%d tokens, changed %v, %v", f.grants, changed, err)
	}
}

func TestNamedRecordsOfFabricAreReadWithAll(t *testing.T) {
	f := newFabric(t)
	s, _ := f.reader(t)
	if _, _, err := s.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Reread(t.Context(), source.Ref{Collection: ixapi.Connections, ID: "a0000000-0000-4000-8000-000000000001"}); err == nil {
		t.Error("a record was read alone, without those that decide what it is")
	}
}

// irregularFabric are the records of the table that no answer of Fabric could hold.
var irregularFabric = []string{"in a state nobody knows", "of the wrong shape", "VLAN out of range"}

func TestAnswersThatAreReadAreThoseOfFabric(t *testing.T) {
	const file = "../../../shared/reference/fabricv4.json"
	if _, err := os.Stat(file); err != nil {
		if os.Getenv("IXAGENT_REQUIRE") == "all" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED, the answers of the tests are not checked against the schema of Fabric: %v", err)
	}
	doc, err := openapi3.NewLoader().LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]*openapi3.Operation{
		"ports":           doc.Paths.Value("/fabric/v4/ports").Get,
		"networks":        doc.Paths.Value("/fabric/v4/networks/search").Post,
		"serviceProfiles": doc.Paths.Value("/fabric/v4/serviceProfiles").Get,
		"connections":     doc.Paths.Value("/fabric/v4/connections/search").Post,
	}
	f := newFabric(t)
	checked := 0
	f.answers(func(collection string, _ int, page map[string]any) int {
		operation := answers[collection]
		if operation == nil {
			return http.StatusOK
		}
		for _, content := range operation.Responses.Status(http.StatusOK).Value.Content {
			for _, record := range page["data"].([]map[string]any) {
				if name, _ := record["name"].(string); slices.Contains(irregularFabric, name) {
					continue
				}
				one := map[string]any{"pagination": page["pagination"], "data": []any{regular(collection, record)}}
				text, err := json.Marshal(one)
				if err != nil {
					t.Error(err)
				}
				var plain any
				if err := json.Unmarshal(text, &plain); err != nil {
					t.Error(err)
				}
				checked++
				if err := content.Schema.Value.VisitJSON(plain, openapi3.MultiErrors()); err != nil {
					t.Errorf("%s %s: %v", collection, record["name"], err)
				}
			}
		}
		return http.StatusOK
	})
	f.asked = func(r *http.Request) {
		if r.Method != http.MethodPost || answers[strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/fabric/v4/"), "/search")] == nil {
			return
		}
		var copied bytes.Buffer
		if _, err := copied.ReadFrom(r.Body); err != nil {
			t.Error(err)
		}
		r.Body = http.NoBody
		var body any
		if err := json.Unmarshal(copied.Bytes(), &body); err != nil {
			t.Error(err)
		}
		schema := doc.Paths.Value(r.URL.Path).Post.RequestBody.Value.Content["application/json"].Schema.Value
		if err := schema.VisitJSON(body, openapi3.MultiErrors()); err != nil {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		r.Body = readCloser{&copied}
	}
	s, _ := f.reader(t)
	if _, _, err := s.Read(t.Context()); err != nil || checked < 60 {
		t.Errorf("%d records, %v", checked, err)
	}
}

type readCloser struct{ *bytes.Buffer }

func (readCloser) Close() error { return nil }

// regular adds to a record what Fabric never leaves out and nobody here reads.
func regular(collection string, record map[string]any) map[string]any {
	r := maps.Clone(record)
	if collection == "networks" {
		r["href"], r["changeLog"], r["notifications"] = "https://fabric.example.net/x", map[string]any{}, []any{}
	}
	return r
}
