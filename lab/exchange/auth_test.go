package exchange

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ixagent/ixagent/lab/exchange/store"
	"github.com/ixagent/ixagent/lab/exchange/token"
)

const key, secret = "metro", "s3cret/+="

// A clock stands still until it is set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func guarded(t *testing.T) (*Server, *clock) {
	c := &clock{at: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}
	return serve(t, Options{
		Credentials: []Credential{{Key: "other", Secret: "else"}, {Key: key, Secret: secret}}, Tokens: []string{"static"},
		Clock: c.now, TokenLifetime: time.Minute, RefreshLifetime: time.Hour,
	}), c
}

func login(t *testing.T, s *Server) tokenPair {
	t.Helper()
	body, err := json.Marshal(map[string]string{"api_key": key, "api_secret": secret})
	if err != nil {
		t.Fatal(err)
	}
	return pairOf(t, ask(s, http.MethodPost, "/auth/token", string(body)))
}

func pairOf(t *testing.T, w *httptest.ResponseRecorder) tokenPair {
	t.Helper()
	var pair tokenPair
	if err := json.Unmarshal(w.Body.Bytes(), &pair); err != nil || w.Code != http.StatusCreated || pair.Access == "" || pair.Refresh == "" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Error("a token may be cached")
	}
	return pair
}

func bearing(s *Server, token string) *httptest.ResponseRecorder {
	return ask(s, http.MethodGet, "/pops", "", "Authorization", "Bearer "+token)
}

func TestTokensLetInUntilTheyExpire(t *testing.T) {
	s, c := guarded(t)
	first := login(t, s)
	if w := bearing(s, first.Access); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	c.at = c.at.Add(time.Minute)
	wantProblem(t, bearing(s, first.Access), http.StatusUnauthorized, signatureExpired)

	second := pairOf(t, ask(s, http.MethodPost, "/auth/refresh", `{"refresh_token":"`+first.Refresh+`"}`))
	if w := bearing(s, second.Access); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	c.at = c.at.Add(time.Hour)
	wantProblem(t, ask(s, http.MethodPost, "/auth/refresh", `{"refresh_token":"`+second.Refresh+`"}`), http.StatusUnauthorized, signatureExpired)
	if w := bearing(s, "static"); w.Code != http.StatusOK {
		t.Errorf("the static token: %d %s", w.Code, w.Body)
	}
}

func TestTokensSayWhenTheyExpire(t *testing.T) {
	s, c := guarded(t)
	parts := strings.Split(login(t, s).Access, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var got token.Claims
	if err := json.Unmarshal(payload, &got); err != nil || got.Expires != c.at.Add(time.Minute).Unix() || got.Subject != key {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestForgedTokensAreRefused(t *testing.T) {
	s, _ := guarded(t)
	pair := login(t, s)
	parts := strings.Split(pair.Access, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
	other, err := token.NewSigner().Sign(token.Claims{Subject: key, Use: "access", Expires: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"a refresh token":        pair.Refresh,
		"no signature":           parts[0] + "." + parts[1] + ".",
		"another algorithm":      none + "." + parts[1] + ".",
		"algorithm signed by us": none + "." + parts[1] + "." + s.signer.MAC(none+"."+parts[1]),
		"another key":            other,
		"another payload":        parts[0] + "." + parts[1] + "A." + parts[2],
		"no token at all":        "x",
		"three dots":             "...",
	} {
		if w := bearing(s, token); w.Code != http.StatusUnauthorized {
			t.Errorf("%s was let in: %d", name, w.Code)
		} else {
			wantProblem(t, w, http.StatusUnauthorized, authenticationError)
		}
	}
	wantProblem(t, ask(s, http.MethodPost, "/auth/refresh", `{"refresh_token":"`+pair.Access+`"}`), http.StatusUnauthorized, authenticationError)
	wantProblem(t, get(s, "/pops"), http.StatusUnauthorized, notAuthenticated)
	wantProblem(t, get(s, "/no-such-thing"), http.StatusUnauthorized, notAuthenticated)
	wantProblem(t, ask(s, http.MethodGet, "/pops", "", "Authorization", "Basic bWU6bWU="), http.StatusUnauthorized, authenticationError)
}

func TestFaultyLoginsGetTheirReason(t *testing.T) {
	s, _ := guarded(t)
	for body, want := range map[string]string{
		`{}`:                               "api_key api_secret",
		`{"api_key":"metro"}`:              "api_secret",
		`{"api_key":1,"api_secret":"x"}`:   "api_key",
		``:                                 "",
		`{"api_key":"metro","api_secret":`: "",
		`[]`:                               "",
	} {
		p := wantProblem(t, ask(s, http.MethodPost, "/auth/token", body), http.StatusBadRequest, validationError)
		var names []string
		for _, property := range p.Properties {
			names = append(names, property.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s names %q, want %q", body, got, want)
		}
	}
	wantProblem(t, ask(s, http.MethodPost, "/auth/refresh", `{}`), http.StatusBadRequest, validationError)
	wantProblem(t, ask(s, http.MethodPost, "/auth/token", `{"api_key":"metro","api_secret":"else"}`), http.StatusUnauthorized, authenticationError)
	wantProblem(t, ask(s, http.MethodPost, "/auth/token", `{"api_key":"`+strings.Repeat("x", maxRequest)+`"}`), http.StatusRequestEntityTooLarge, noSpecificType)
}

func TestClientCredentialsGrant(t *testing.T) {
	s, _ := guarded(t)
	const form = "application/x-www-form-urlencoded"
	post := func(values url.Values, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader(values.Encode()))
		r.Header.Set("Content-Type", form)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	grant := func(more ...string) url.Values {
		v := url.Values{"grant_type": {"client_credentials"}}
		for i := 0; i < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(key)+":"+url.QueryEscape(secret)))
	for name, w := range map[string]*httptest.ResponseRecorder{
		"in the header": post(grant("scope", "ix-api"), "Authorization", basic),
		"in the form":   post(grant("client_id", key, "client_secret", secret)),
	} {
		var token struct {
			Access  string `json:"access_token"`
			Type    string `json:"token_type"`
			Expires int    `json:"expires_in"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &token); err != nil || w.Code != http.StatusOK || token.Type != "Bearer" || token.Expires != 60 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if w := bearing(s, token.Access); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for want, w := range map[string]*httptest.ResponseRecorder{
		"400 unsupported_grant_type": post(url.Values{"grant_type": {"password"}}, "Authorization", basic),
		"401 invalid_client":         post(grant("client_id", key, "client_secret", "no")),
		"400 invalid_scope":          post(grant("scope", "ix-api admin"), "Authorization", basic),
		"400 invalid_request":        post(grant(), "Content-Type", "application/json"),
	} {
		var p struct{ Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || fmt.Sprintf("%d %s", w.Code, p.Error) != want {
			t.Errorf("%d %s, want %s", w.Code, w.Body, want)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/oauth2/token", nil)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	wantProblem(t, w, http.StatusMethodNotAllowed, noSpecificType)
}

func TestARefreshTokenIsTakenOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "exchange.db")
	c := &clock{at: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}
	start := func() *Server {
		st, err := store.Open(store.Options{Path: path, Index: Index()})
		if err != nil {
			t.Fatal(err)
		}
		return serve(t, Options{Store: st, Credentials: []Credential{{Key: key, Secret: secret}}, Clock: c.now, RefreshLifetime: time.Hour})
	}
	s := start()
	first := login(t, s)
	body := `{"refresh_token":"` + first.Refresh + `"}`
	second := pairOf(t, ask(s, http.MethodPost, "/auth/refresh", body))
	wantProblem(t, ask(s, http.MethodPost, "/auth/refresh", body), http.StatusUnauthorized, authenticationError)

	// Nor is it after the exchange was started again; what is good still is.
	if err := s.Store().Close(); err != nil {
		t.Fatal(err)
	}
	s = start()
	defer s.Store().Close()
	wantProblem(t, ask(s, http.MethodPost, "/auth/refresh", body), http.StatusUnauthorized, authenticationError)
	if w := bearing(s, second.Access); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	third := pairOf(t, ask(s, http.MethodPost, "/auth/refresh", `{"refresh_token":"`+second.Refresh+`"}`))
	c.at = c.at.Add(59 * time.Minute)
	pairOf(t, ask(s, http.MethodPost, "/auth/refresh", `{"refresh_token":"`+third.Refresh+`"}`))
	c.at = c.at.Add(time.Minute)
	fourth := login(t, s)
	pairOf(t, ask(s, http.MethodPost, "/auth/refresh", `{"refresh_token":"`+fourth.Refresh+`"}`))
	if n := len(s.Store().Now().List(spent)); n != 1 {
		t.Errorf("%d spent tokens are kept, of which all but one have expired", n)
	}
}

func TestOneOfManyRefreshesWins(t *testing.T) {
	s, _ := guarded(t)
	body := `{"refresh_token":"` + login(t, s).Refresh + `"}`
	var won atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if ask(s, http.MethodPost, "/auth/refresh", body).Code == http.StatusCreated {
				won.Add(1)
			}
		})
	}
	if all.Wait(); won.Load() != 1 {
		t.Errorf("%d were given tokens", won.Load())
	}
}

func TestTokensOfACredentialThatIsGoneAreRefused(t *testing.T) {
	s := market(t, Options{})
	d := s.as(t, "d")
	d.told(http.MethodGet, "/account", "", http.StatusOK)
	if err := s.Delete("accounts", "d"); err != nil {
		t.Fatal(err)
	}
	d.refused(http.MethodGet, "/account", "", http.StatusUnauthorized, authenticationError)
	wantProblem(t, ask(s, http.MethodPost, "/auth/token", `{"api_key":"key-d","api_secret":"secret-d"}`), http.StatusUnauthorized, authenticationError)

	s, _ = guarded(t)
	pair := login(t, s)
	s.options.Credentials = s.options.Credentials[:1]
	wantProblem(t, bearing(s, pair.Access), http.StatusUnauthorized, authenticationError)
	wantProblem(t, ask(s, http.MethodPost, "/auth/refresh", `{"refresh_token":"`+pair.Refresh+`"}`), http.StatusUnauthorized, authenticationError)
}
