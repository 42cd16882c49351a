package ixapi

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inMemory answers requests with a handler, without a network.
type inMemory struct{ http.Handler }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	res := w.Result()
	res.Request = r
	return res, nil
}

// newTestClient returns a client of h and what it logs.
func newTestClient(t *testing.T, h http.HandlerFunc, o Options) (*Client, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	if o.BaseURL == "" {
		o.BaseURL = "https://ix.example/api/v2/"
	}
	if h != nil {
		o.HTTPClient = &http.Client{Transport: inMemory{h}}
	}
	o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, &log
}

// jwt returns a token that is good for lifetime from issued on.
func jwt(name string, issued time.Time, lifetime time.Duration) string {
	claims := fmt.Sprintf(`{"sub":%q,"iat":%d,"exp":%d}`, name, issued.Unix(), issued.Add(lifetime).Unix())
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte("signature of "+name))
}

func problem(w http.ResponseWriter, status int, kind string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"type":"https://errors.ix-api.net/v2/%s.html","title":"no","status":200,"detail":"see title"}`, kind)
}

func body(t *testing.T, r *http.Request) string {
	t.Helper()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// after lets d pass, in a synctest bubble.
func after(d time.Duration) { <-time.After(d) }

// noSecrets fails when one of the secrets shows in text.
func noSecrets(t *testing.T, text string, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if strings.Contains(text, s) {
			t.Errorf("%q shows in %s", s, text)
		}
	}
}
