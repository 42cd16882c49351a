package ixapi

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/ixagent/ixagent/models/secret"

	"github.com/ixagent/ixagent/models/rest"
)

func TestRetryAfterIsHonoured(t *testing.T) {
	for name, test := range map[string]struct {
		status   int
		header   func() string
		min, max time.Duration
	}{
		"seconds":       {429, func() string { return "7" }, 7 * time.Second, 8 * time.Second},
		"date":          {503, func() string { return time.Now().Add(30 * time.Second).UTC().Format(http.TimeFormat) }, 29 * time.Second, 31 * time.Second},
		"past":          {503, func() string { return "Fri, 01 Jan 1999 00:00:00 GMT" }, 200 * time.Millisecond, time.Second},
		"zero":          {502, func() string { return "0" }, 200 * time.Millisecond, time.Second},
		"unreadable":    {504, func() string { return "soon" }, 200 * time.Millisecond, time.Second},
		"not mentioned": {503, func() string { return "" }, 200 * time.Millisecond, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				c, log := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
					if requests++; requests == 1 {
						w.Header().Set("Retry-After", test.header())
						w.WriteHeader(test.status)
						return
					}
					fmt.Fprint(w, "[]")
				}, Options{PageSize: -1})
				start := time.Now()
				if _, err := c.List(t.Context(), Ports, nil); err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(start); waited < test.min || waited > test.max {
					t.Errorf("waited %v", waited)
				}
				if !strings.Contains(log.String(), "exchange request is repeated") {
					t.Errorf("log: %s", log)
				}
			})
		})
	}
}

func TestRetryingIsBounded(t *testing.T) {
	for _, wait := range []string{"", "0", "1", "3600"} {
		synctest.Test(t, func(t *testing.T) {
			requests := 0
			c, _ := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
				requests++
				w.Header().Set("Retry-After", wait)
				w.WriteHeader(http.StatusServiceUnavailable)
			}, Options{PageSize: -1})
			start := time.Now()
			_, err := c.List(t.Context(), Ports, nil)
			var problem *ProblemError
			if !errors.As(err, &problem) || !errors.Is(err, ErrUnavailable) || time.Since(start) > DefaultRetryFor || requests > 40 {
				t.Errorf("Retry-After %q: %d requests in %v: %v", wait, requests, time.Since(start), err)
			}
			if wait == "3600" && (requests != 1 || problem.RetryAfter != time.Hour) {
				t.Errorf("%d requests, retry after %v", requests, problem.RetryAfter)
			}
		})
	}
}

func TestClientErrorsAreNotRepeated(t *testing.T) {
	for status, want := range map[int]error{
		400: ErrValidation, 401: ErrUnauthenticated, 403: ErrPermission, 404: ErrNotFound, 409: ErrConflict, 422: ErrValidation, 500: nil, 304: nil, 204: nil,
	} {
		requests := 0
		c, _ := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
			requests++
			w.WriteHeader(status)
		}, Options{PageSize: -1})
		_, err := c.List(t.Context(), Ports, nil)
		var problem *ProblemError
		if !errors.As(err, &problem) || problem.Status != status || requests != 1 {
			t.Errorf("%d: %d requests, %v", status, requests, err)
		}
		if want != nil && !errors.Is(err, want) {
			t.Errorf("%d is not %v: %v", status, want, err)
		}
	}
}

func TestProblemDocumentIsTold(t *testing.T) {
	c, _ := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"type":"https://errors.ix-api.net/v2/validation-error.html","title":"Validation","status":"400","instance":"/x",
			"detail":"bad \u001b[31mfilter","properties":[{"name":"state","reason":"unknown"}],"surplus":[1]}`)
	}, Options{PageSize: -1})
	_, err := c.List(t.Context(), Ports, nil)
	const want = `GET /ports: 400 Bad Request (validation-error): "Validation": "bad \x1b[31mfilter"; "state": "unknown"`
	if !errors.Is(err, ErrValidation) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if errors.Is(err, ErrUnfulfillable) || errors.Is(err, ErrUnavailable) {
		t.Error("the problem is taken for another")
	}
}

func TestErrorPageIsQuotedSafely(t *testing.T) {
	c, _ := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, "<html>\r\n\x1b[2J\xff"+strings.Repeat("sorry ", 1<<16))
	}, Options{PageSize: -1})
	_, err := c.List(t.Context(), Ports, nil)
	if err == nil || len(err.Error()) > 300 || strings.ContainsAny(err.Error(), "\x1b\r\n") || !utf8.ValidString(err.Error()) || !strings.Contains(err.Error(), "<html>") {
		t.Errorf("%q", err)
	}
}

func TestPageWithSuccessThatIsNoListIsRefusedByDecode(t *testing.T) {
	c, _ := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<html>Please log in</html>")
	}, Options{PageSize: -1})
	raw, err := c.List(t.Context(), Ports, nil)
	if err != nil {
		t.Fatal(err)
	}
	if records, _, err := Decode(map[Collection]Raw{Ports: raw}); err == nil || records != nil {
		t.Error(records, err)
	}
}

// server answers over a real network.
func server(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestHugeAnswerIsRefusedUnread(t *testing.T) {
	const size = 300 << 20
	chunk := []byte(`{"id":"` + strings.Repeat("x", 1<<20) + `"},`)
	for name, declared := range map[string]bool{"declared": true, "streamed": false} {
		t.Run(name, func(t *testing.T) {
			base := server(t, func(w http.ResponseWriter, _ *http.Request) {
				if declared {
					w.Header().Set("Content-Length", fmt.Sprint(size))
				}
				fmt.Fprint(w, "[")
				for n := 0; n < size; n += len(chunk) {
					if _, err := w.Write(chunk); err != nil {
						return
					}
				}
			})
			c, _ := newTestClient(t, nil, Options{BaseURL: base, PageSize: -1, MaxBody: 8 << 20})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := c.List(t.Context(), Ports, nil)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "8388608") {
				t.Error(err)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > size/3 {
				t.Errorf("%d MiB were allocated", grown>>20)
			}
		})
	}
}

func TestDecompressedAnswerIsBounded(t *testing.T) {
	base := server(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Error("compression is not offered")
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		blank := make([]byte, 1<<20)
		for range 100 {
			if _, err := z.Write(blank); err != nil {
				return
			}
		}
	})
	c, _ := newTestClient(t, nil, Options{BaseURL: base, PageSize: -1, MaxBody: 1 << 20})
	if _, err := c.List(t.Context(), Ports, nil); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

func TestCutAnswerIsAskedForAgain(t *testing.T) {
	requests := 0
	base := server(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests++; requests == 1 {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "[")
			return
		}
		fmt.Fprint(w, "[]")
	})
	c, _ := newTestClient(t, nil, Options{BaseURL: base, PageSize: -1})
	raw, err := c.List(t.Context(), Ports, nil)
	if err != nil || requests != 2 || raw.Size() != 2 {
		t.Errorf("%d requests, %v", requests, err)
	}
}

func TestSilentExchangeTimesOut(t *testing.T) {
	release := make(chan struct{})
	base := server(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	c, _ := newTestClient(t, nil, Options{BaseURL: base, PageSize: -1, Timeout: 20 * time.Millisecond, RetryFor: -1})
	_, err := c.List(t.Context(), Ports, nil)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no complete answer within 20ms") {
		t.Error(err)
	}
}

func TestCancelledReadEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}, Options{PageSize: -1, Auth: StaticToken{secret.New("x")}})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := c.List(ctx, Ports, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestRedirectToAnotherHostDropsCredentials(t *testing.T) {
	for name, other := range map[string]struct {
		target string
		sent   bool
	}{
		"same host":    {"https://ix.example/v3/ports", true},
		"other host":   {"https://cdn.example/ports", false},
		"subdomain":    {"https://cdn.ix.example/ports", false},
		"another port": {"https://ix.example:8443/ports", false},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.String() != other.target {
					http.Redirect(w, r, other.target, http.StatusTemporaryRedirect)
					return
				}
				if sent := r.Header.Get("Authorization") != ""; sent != other.sent {
					t.Errorf("credentials sent: %t", sent)
				}
				fmt.Fprint(w, "[]")
			}, Options{PageSize: -1, Auth: StaticToken{secret.New("x")}})
			if _, err := c.List(t.Context(), Ports, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestUnsafeRedirectIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		auth   Auth
		target string
	}{
		"login to another host":   {testLogin, "https://evil.example/"},
		"grant to another host":   {ClientCredentials{TokenURL: "https://login.example/", ID: "a", Secret: secret.New("b")}, "https://evil.example/"},
		"list to plain http":      {StaticToken{secret.New("x")}, "http://ix.example/api/v2/ports"},
		"list round and round":    {StaticToken{secret.New("x")}, "https://ix.example/round"},
		"unauthenticated to http": {nil, "http://ix.example/api/v2/ports"},
	} {
		t.Run(name, func(t *testing.T) {
			requests := 0
			c, _ := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
				if requests++; strings.HasPrefix(r.URL.String(), test.target) && !strings.Contains(test.target, "round") {
					t.Errorf("followed to %s with %q", r.URL, body(t, r))
				}
				http.Redirect(w, r, test.target, http.StatusPermanentRedirect)
			}, Options{PageSize: -1, Auth: test.auth})
			_, err := c.List(t.Context(), Ports, nil)
			if !errors.Is(err, rest.ErrRedirect) || requests > 6 {
				t.Errorf("%d requests: %v", requests, err)
			}
		})
	}
}

func TestIDsOfAnyCharactersReachTheExchange(t *testing.T) {
	for _, id := range []string{"23", "a/b c", "../accounts", "QWNjb3VudDo0Mg==", "pop:127388:LD3", "a?b#c%2F", "é", "."} {
		c, _ := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
			escaped := strings.TrimPrefix(r.URL.EscapedPath(), "/api/v2/network-service-configs/")
			if strings.ContainsAny(escaped, "/?# ") || r.URL.Path != "/api/v2/network-service-configs/"+id || r.URL.RawQuery != "" {
				t.Errorf("%q became %s", id, r.URL)
			}
			fmt.Fprint(w, "{}")
		}, Options{})
		if _, err := c.Get(t.Context(), NetworkServiceConfigs, id); err != nil {
			t.Error(err)
		}
	}
	c, _ := newTestClient(t, nil, Options{})
	if _, err := c.Get(t.Context(), Ports, ""); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestHealthAndImplementation(t *testing.T) {
	c, _ := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("User-Agent") != "tester/1" {
			t.Errorf("user agent %q", r.Header.Get("User-Agent"))
		}
		switch r.URL.Path {
		case "/api/v2/health":
			fmt.Fprint(w, `{"status":"warn","version":2,"releaseId":"2.7.1","notes":["slow today"]}`)
		case "/api/v2/implementation":
			fmt.Fprint(w, `{"schema_version":"2.7.1","supported_network_service_types":["p2p_vc"],"supported_features":{"pagination":true,"other":1}}`)
		}
	}, Options{UserAgent: "tester/1"})
	health, err := c.Health(t.Context())
	if err != nil || health.Status != "warn" || health.ReleaseID != "2.7.1" || len(health.Notes) != 1 {
		t.Error(health, err)
	}
	impl, err := c.Implementation(t.Context())
	if err != nil || impl.SchemaVersion != "2.7.1" || !impl.SupportedFeatures.Pagination {
		t.Error(impl, err)
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 0 {
			w.WriteHeader(http.StatusForbidden)
		}
		fmt.Fprint(w, "[]")
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MaxVersion: tls.VersionTLS12}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	ca := write("ca.pem", "CERTIFICATE", s.Certificate().Raw)
	pair := s.TLS.Certificates[0]
	for name, test := range map[string]struct {
		options TLSOptions
		fine    bool
		want    string
	}{
		"unknown authority":     {TLSOptions{}, false, "certificate"},
		"authority from a file": {TLSOptions{CAFile: ca}, false, "403"},
		"client certificate":    {TLSOptions{CAFile: ca, Config: &tls.Config{Certificates: []tls.Certificate{pair}}}, true, ""},
		"version too low":       {TLSOptions{CAFile: ca, MinVersion: tls.VersionTLS13}, false, "version"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := newTestClient(t, nil, Options{BaseURL: s.URL, TLS: test.options, PageSize: -1, RetryFor: time.Second})
			_, err := c.List(t.Context(), Ports, nil)
			if (err == nil) != test.fine || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Error(err)
			}
		})
	}
	for _, options := range []TLSOptions{
		{CAFile: filepath.Join(dir, "missing")},
		{CAFile: write("key.pem", "PRIVATE KEY", []byte("x"))},
		{CertFile: ca},
		{CertFile: ca, KeyFile: ca},
	} {
		if _, err := New(Options{BaseURL: s.URL, TLS: options}); err == nil {
			t.Errorf("%+v is accepted", options)
		}
	}
	_, log := newTestClient(t, nil, Options{BaseURL: s.URL, TLS: TLSOptions{Config: &tls.Config{InsecureSkipVerify: true}}})
	if !strings.Contains(log.String(), "certificate verification is off") {
		t.Error("verification is turned off silently")
	}
}
