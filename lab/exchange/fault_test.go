package exchange

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

func TestFailuresLastAsLongAsTheyShould(t *testing.T) {
	s := anonymous(t)
	s.Inject(Fault{Kind: Failing, Collection: "ports", Status: http.StatusServiceUnavailable, RetryAfter: 7 * time.Second, Times: 2})
	for range 2 {
		w := get(s, "/ports")
		wantProblem(t, w, http.StatusServiceUnavailable, noSpecificType)
		if w.Header().Get("Retry-After") != "7" {
			t.Errorf("Retry-After: %q", w.Header().Get("Retry-After"))
		}
		if w := get(s, "/macs"); w.Code != http.StatusOK {
			t.Errorf("another collection fails: %d", w.Code)
		}
	}
	if w := get(s, "/ports"); w.Code != http.StatusOK {
		t.Errorf("it still fails: %d", w.Code)
	}
	s.Inject(Fault{Kind: Failing})
	for range 3 {
		wantProblem(t, get(s, "/macs"), http.StatusInternalServerError, noSpecificType)
	}
	s.ClearFaults()
	if w := get(s, "/macs"); w.Code != http.StatusOK {
		t.Errorf("it fails after all: %d", w.Code)
	}
}

func TestPageStandsInPlaceOfAnAnswer(t *testing.T) {
	s := anonymous(t)
	s.Inject(Fault{Kind: Page, Times: 1})
	if w := get(s, "/ports"); w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := get(s, "/ports"); !json.Valid(w.Body.Bytes()) {
		t.Errorf("%s", w.Body)
	}
}

func TestExpiredTokensAreRefusedUntilANewLogin(t *testing.T) {
	s, _ := guarded(t)
	pair := login(t, s)
	s.Inject(Fault{Kind: ExpiredTokens, Times: 1})
	wantProblem(t, bearing(s, pair.Access), http.StatusUnauthorized, signatureExpired)
	if w := bearing(s, login(t, s).Access); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestListsAreSpoilt(t *testing.T) {
	count := func(s *Server, query string) int { return len(idsOf(t, get(s, "/ports"+query).Body.Bytes())) }
	s := anonymous(t)
	s.Inject(Fault{Kind: Empty, Times: 1})
	if n := count(s, ""); n != 0 {
		t.Errorf("empty: %d", n)
	}
	s.Inject(Fault{Kind: Shrunk, Percent: 50, Times: 1})
	if n := count(s, ""); n != 41 {
		t.Errorf("shrunk by half: %d of 83", n)
	}
	if n := count(s, ""); n != 83 {
		t.Errorf("%d", n)
	}
	s.Inject(Fault{Kind: Truncated, Times: 1})
	if w := get(s, "/ports"); json.Valid(w.Body.Bytes()) || w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
		t.Errorf("truncated: %d bytes, %s announced", w.Body.Len(), w.Header().Get("Content-Length"))
	}
	s.Inject(Fault{Kind: Shifting})
	first, second := get(s, "/ports?page_limit=10"), get(s, "/ports?page_limit=10&page_offset=10")
	if first.Header().Get("X-Pagination-Items") != "83" || second.Header().Get("X-Pagination-Items") != "82" {
		t.Errorf("shifting: %v, %v", first.Header(), second.Header())
	}
	s.ClearFaults()

	s.Inject(Fault{Kind: Endless})
	seen := map[string]bool{}
	offset := 0
	for range 20 {
		w := get(s, "/ports?page_limit=10&page_offset="+strconv.Itoa(offset))
		for _, id := range idsOf(t, w.Body.Bytes()) {
			if seen[id] {
				t.Fatalf("%s comes again", id)
			}
			seen[id] = true
		}
		next, err := strconv.Atoi(w.Header().Get("X-Pagination-Next"))
		if err != nil || next != offset+10 || w.Header().Get("X-Pagination-Items") != "" {
			t.Fatalf("endless: %v", w.Header())
		}
		offset = next
	}
	if len(seen) != 200 {
		t.Errorf("%d records on 20 pages of 10", len(seen))
	}
}

func TestStaleAnswersAreThoseOfBeforeTheLastWrites(t *testing.T) {
	s := serve(t, Options{Data: folder(map[string]string{"macs": `[{"id": "m", "address": "a"}]`}), Anonymous: true})
	reads := func(want string) {
		t.Helper()
		for _, path := range []string{"/macs", "/macs?page_limit=1", "/macs/m"} {
			if w := get(s, path); !strings.Contains(w.Body.String(), `"address":"`+want+`"`) {
				t.Errorf("%s: %s, want %s", path, w.Body, want)
			}
		}
	}
	s.Inject(Fault{Kind: Stale})
	reads("a") // there is nothing older
	for _, address := range []string{"b", "c", "d"} {
		if err := s.Put("macs", json.RawMessage(`{"id": "m", "address": "`+address+`"}`)); err != nil {
			t.Fatal(err)
		}
	}
	reads("c")
	s.ClearFaults()
	reads("d")
	s.Inject(Fault{Kind: Stale, Collection: "macs", Versions: 3})
	reads("a")
	s.ClearFaults()
	s.Inject(Fault{Kind: Stale, Collection: "ports"})
	reads("d")
	s.ClearFaults()
	s.Inject(Fault{Kind: Stale, Versions: 1000})
	reads("a")
	for i := range 2 * store.MaxPast {
		if err := s.Put("macs", json.RawMessage(`{"id": "m", "address": "`+strconv.Itoa(i)+`"}`)); err != nil {
			t.Fatal(err)
		}
	}
	reads(strconv.Itoa(store.MaxPast - 1))
}

func TestSlowAnswersTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := anonymous(t)
		s.Inject(Fault{Kind: Slow, Delay: time.Minute, Times: 1})
		begin := time.Now()
		if w := get(s, "/ports"); w.Code != http.StatusOK || time.Since(begin) != time.Minute {
			t.Errorf("%d after %s", w.Code, time.Since(begin))
		}
	})
}

func TestFaultsOfTheConnectionReachTheClient(t *testing.T) {
	s := anonymous(t)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	read := func() (int64, error) {
		res, err := client.Get(s.URL() + "/ports")
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		return io.Copy(io.Discard, res.Body)
	}
	s.Inject(Fault{Kind: Reset, Times: 1})
	if _, err := read(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset: %v", err)
	}
	s.Inject(Fault{Kind: Interrupted, Times: 1})
	if _, err := read(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("interrupted: %v", err)
	}
	s.Inject(Fault{Kind: Huge, Bytes: 5 << 20, Times: 1})
	if n, err := read(); n < 5<<20 || n > 6<<20 || err != nil {
		t.Errorf("huge: %d bytes, %v", n, err)
	}
	if n, err := read(); n == 0 || err != nil {
		t.Errorf("at last: %d bytes, %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestHugeAnswersAreJSON(t *testing.T) {
	s := anonymous(t)
	s.Inject(Fault{Kind: Huge, Bytes: 1 << 20})
	if w := get(s, "/ports"); len(idsOf(t, w.Body.Bytes())) == 0 {
		t.Error("no records")
	}
}
