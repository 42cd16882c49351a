package ixapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ixagent/ixagent/models/rest"
	"github.com/ixagent/ixagent/models/secret"
)

// tokenServer is the authentication of an exchange that counts what it grants.
type tokenServer struct {
	t                *testing.T
	lifetime         time.Duration
	refuseRefresh    int // status, 0 to allow
	logins, renewals int
	current          string
	list             int // requests of a list
	alwaysExpired    bool
	unavailable      time.Time // until when refreshing is
}

func (s *tokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	grant := func(name string) {
		s.current = jwt(name, time.Now(), s.lifetime)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"access_token":%q,"refresh_token":"refresh-of-%s"}`, s.current, name)
	}
	switch r.URL.Path {
	case "/api/v2/auth/token":
		if got := body(s.t, r); got != `{"api_key":"key-1","api_secret":"secret-1"}` {
			problem(w, http.StatusUnauthorized, "authentication-error")
			return
		}
		s.logins++
		grant(fmt.Sprintf("login%d", s.logins))
	case "/api/v2/auth/refresh":
		var request struct {
			RefreshToken string `json:"refresh_token"`
		}
		if err := json.Unmarshal([]byte(body(s.t, r)), &request); err != nil ||
			r.Header.Get("Authorization") != "Bearer "+request.RefreshToken {
			s.t.Errorf("refresh token %q, header %q", request.RefreshToken, r.Header.Get("Authorization"))
		}
		if time.Now().Before(s.unavailable) {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if s.refuseRefresh != 0 {
			problem(w, s.refuseRefresh, "authentication-error")
			return
		}
		s.renewals++
		grant(fmt.Sprintf("renewal%d", s.renewals))
	default:
		s.list++
		if s.alwaysExpired || r.Header.Get("Authorization") != "Bearer "+s.current {
			problem(w, http.StatusUnauthorized, "signature-expired")
			return
		}
		fmt.Fprint(w, "[]")
	}
}

var testLogin = TokenLogin{Key: "key-1", Secret: secret.New("secret-1")}

func TestTokenIsRenewedBeforeItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &tokenServer{t: t, lifetime: 10 * time.Minute}
		c, log := newTestClient(t, s.ServeHTTP, Options{Auth: testLogin, PageSize: -1})
		for range 40 {
			if _, err := c.List(t.Context(), Ports, nil); err != nil {
				t.Fatal(err)
			}
			after(time.Minute)
		}
		if s.logins != 1 || s.renewals != 3 || s.list != 40 {
			t.Errorf("%d logins, %d renewals, %d lists", s.logins, s.renewals, s.list)
		}
		noSecrets(t, log.String(), "secret-1", "refresh-of", s.current)
	})
}

func TestRefusedRefreshLogsInAgain(t *testing.T) {
	for _, status := range []int{400, 401, 403, 500} {
		synctest.Test(t, func(t *testing.T) {
			s := &tokenServer{t: t, lifetime: 10 * time.Minute, refuseRefresh: status}
			c, _ := newTestClient(t, s.ServeHTTP, Options{Auth: testLogin, PageSize: -1})
			for range 2 {
				if _, err := c.List(t.Context(), Ports, nil); err != nil {
					t.Fatal(err)
				}
				after(time.Hour)
			}
			if s.logins != 2 {
				t.Errorf("refresh refused with %d: %d logins", status, s.logins)
			}
		})
	}
}

func TestUnavailableRefreshIsRepeatedAndNotALogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &tokenServer{t: t, lifetime: 10 * time.Minute}
		c, _ := newTestClient(t, s.ServeHTTP, Options{Auth: testLogin, PageSize: -1})
		if _, err := c.List(t.Context(), Ports, nil); err != nil {
			t.Fatal(err)
		}
		after(time.Hour)
		s.unavailable = time.Now().Add(5 * time.Second)
		if _, err := c.List(t.Context(), Ports, nil); err != nil {
			t.Fatal(err)
		}
		if s.logins != 1 || s.renewals != 1 {
			t.Errorf("%d logins, %d renewals", s.logins, s.renewals)
		}
	})
}

func TestTokenRefusedAsExpiredIsRenewedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &tokenServer{t: t, lifetime: 10 * time.Minute}
		c, _ := newTestClient(t, s.ServeHTTP, Options{Auth: testLogin, PageSize: -1})
		if _, err := c.List(t.Context(), Ports, nil); err != nil {
			t.Fatal(err)
		}
		s.current = "revoked"
		if _, err := c.List(t.Context(), Ports, nil); err != nil {
			t.Fatal(err)
		}
		if s.logins != 1 || s.renewals != 1 || s.list != 3 {
			t.Errorf("%d logins, %d renewals, %d lists", s.logins, s.renewals, s.list)
		}
		s.alwaysExpired = true
		_, err := c.List(t.Context(), Ports, nil)
		if !errors.Is(err, ErrSignatureExpired) || !errors.Is(err, ErrUnauthenticated) || s.list != 5 {
			t.Errorf("after %d lists: %v", s.list, err)
		}
	})
}

func TestWrongCredentialsAreNotRepeated(t *testing.T) {
	s := &tokenServer{t: t, lifetime: time.Hour}
	c, log := newTestClient(t, s.ServeHTTP, Options{Auth: TokenLogin{Key: "key-1", Secret: secret.New("wrong-secret")}, PageSize: -1})
	_, err := c.List(t.Context(), Ports, nil)
	if !errors.Is(err, ErrUnauthenticated) || s.list != 0 {
		t.Errorf("after %d lists: %v", s.list, err)
	}
	noSecrets(t, log.String()+err.Error(), "wrong-secret")
}

func TestClientCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		grants := 0
		c, log := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/oauth/token" {
				id, secret, _ := r.BasicAuth()
				if err := r.ParseForm(); err != nil || id != "agent" || secret != "s3cret" || r.Form.Get("scope") != "ix-api" || r.Form.Get("grant_type") != "client_credentials" {
					t.Errorf("%v %s %s %v", err, id, secret, r.Form)
				}
				grants++
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":600}`, grants)
				return
			}
			if want := fmt.Sprintf("Bearer token-%d", grants); r.Header.Get("Authorization") != want {
				t.Errorf("authorization %q, want %q", r.Header.Get("Authorization"), want)
			}
			fmt.Fprint(w, "[]")
		}, Options{PageSize: -1, Auth: ClientCredentials{TokenURL: "https://login.example/oauth/token", ID: "agent", Secret: secret.New("s3cret")}})
		for range 20 {
			if _, err := c.List(t.Context(), Ports, nil); err != nil {
				t.Fatal(err)
			}
			after(time.Minute)
		}
		if grants != 2 {
			t.Errorf("%d grants", grants)
		}
		noSecrets(t, log.String(), "s3cret", "token-1")
	})
}

func TestRefusedClientCredentials(t *testing.T) {
	for _, answer := range []struct {
		status int
		body   string
		want   error
	}{
		{400, `{"error":"invalid_client","error_description":"unknown"}`, ErrUnauthenticated},
		{401, `<html>s3cret</html>`, ErrUnauthenticated},
		{200, `{"token_type":"s3cret"}`, ErrUnauthenticated},
		{200, `s3cret`, ErrUnauthenticated},
		{403, `{}`, ErrPermission},
	} {
		c, log := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(answer.status)
			fmt.Fprint(w, answer.body)
		}, Options{PageSize: -1, Auth: ClientCredentials{TokenURL: "https://login.example/oauth/token", ID: "agent", Secret: secret.New("s3cret")}})
		_, err := c.List(t.Context(), Ports, nil)
		if !errors.Is(err, answer.want) {
			t.Errorf("%d %s: %v", answer.status, answer.body, err)
			continue
		}
		noSecrets(t, log.String()+err.Error(), "s3cret")
	}
}

func TestUnavailableTokenEndpointIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		c, _ := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/oauth/token" {
				fmt.Fprint(w, "[]")
				return
			}
			if attempts++; attempts < 4 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"access_token":"a","token_type":"Bearer"}`)
		}, Options{PageSize: -1, Auth: ClientCredentials{TokenURL: "https://login.example/oauth/token", ID: "agent", Secret: secret.New("s3cret")}})
		if _, err := c.List(t.Context(), Ports, nil); err != nil {
			t.Error(err)
		}
	})
}

func TestStaticTokenIsSentAsItIs(t *testing.T) {
	requests := 0
	c, log := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		if r.Header.Get("Authorization") != "Bearer fixed-token" {
			t.Errorf("authorization %q", r.Header.Get("Authorization"))
		}
		problem(w, http.StatusUnauthorized, "signature-expired")
	}, Options{PageSize: -1, Auth: StaticToken{secret.New("fixed-token")}})
	_, err := c.List(t.Context(), Ports, nil)
	if !errors.Is(err, ErrSignatureExpired) || requests != 1 {
		t.Errorf("after %d requests: %v", requests, err)
	}
	noSecrets(t, log.String()+err.Error(), "fixed-token")
}

func TestConcurrentReadersShareOneLogin(t *testing.T) {
	logins := make(chan struct{}, 100)
	c, _ := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v2/auth/token" {
			logins <- struct{}{}
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"access_token":"a","refresh_token":"b"}`)
			return
		}
		fmt.Fprint(w, "[]")
	}, Options{Auth: testLogin, PageSize: -1})
	errs := make(chan error)
	for range 20 {
		go func() {
			_, err := c.List(t.Context(), Ports, nil)
			errs <- err
		}()
	}
	for range 20 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if len(logins) != 1 {
		t.Errorf("%d logins", len(logins))
	}
}

func TestTokenLifetime(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for token, want := range map[string]time.Duration{
		"":                                  0,
		"opaque":                            0,
		"a.b.c":                             0,
		"a.e30.c":                           0,
		jwt("x", now, time.Hour):            time.Hour,
		jwt("x", now.Add(-8e12), time.Hour): time.Hour, // a clock behind
		jwt("x", now, -time.Hour):           1,
		"a.eyJleHAiOjE4MDAwMDAwNjB9.c":      time.Minute, // no iat
		"a.eyJleHAiOjFlMzAwfQ.c":            365 * 24 * time.Hour,
	} {
		if got := rest.Lifetime(token, now); got != want {
			t.Errorf("lifetime(%q) = %v, want %v", token, got, want)
		}
	}
}

func TestSecretNeverShows(t *testing.T) {
	options := Options{Auth: TokenLogin{Key: "k", Secret: secret.New("hunter2")}}
	type hidden struct{ inner secret.Text }
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("login", "secret", secret.New("hunter2"), "options", options)
	text, err := json.Marshal(options.Auth)
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + string(text)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%U", "%p"} {
		all += fmt.Sprintf(verb, secret.New("hunter2")) + fmt.Sprintf(verb, options) + fmt.Sprintf(verb, hidden{secret.New("hunter2")})
	}
	noSecrets(t, all, "hunter2", "68756e74657232", "68756E74657232")
	if secret.New("hunter2").Reveal() != "hunter2" || (secret.Text{}).Reveal() != "" {
		t.Error("a secret does not reveal what it holds")
	}
}

func TestCredentialsNeedTLS(t *testing.T) {
	for base, fine := range map[string]bool{
		"https://ix.example/api/v2":        true,
		"http://ix.example/api/v2":         false,
		"http://127.0.0.1:8080/api/v2":     true,
		"http://[::1]/api/v2":              true,
		"http://localhost/api/v2":          true,
		"http://127.0.0.1.example/api/v2":  false,
		"https://user:pw@ix.example/":      false,
		"https://ix.example/?token=abcdef": false,
		"ftp://ix.example/":                false,
		"ix.example":                       false,
		"https://ix example/":              false,
	} {
		_, err := New(Options{BaseURL: base, Auth: testLogin})
		if (err == nil) != fine {
			t.Errorf("%s: %v", base, err)
		}
		if err != nil {
			noSecrets(t, err.Error(), ":pw", "abcdef")
		}
	}
	if _, err := New(Options{BaseURL: "http://ix.example/api/v2"}); err != nil {
		t.Errorf("without credentials: %v", err)
	}
	if _, err := New(Options{BaseURL: "http://ix.example/api/v2", Auth: testLogin, AllowPlaintext: true}); err != nil {
		t.Errorf("when permitted: %v", err)
	}
	if _, err := New(Options{BaseURL: "https://ix.example", Auth: ClientCredentials{TokenURL: "http://login.example", ID: "a", Secret: secret.New("b")}}); err == nil {
		t.Error("client credentials would be sent over plain http")
	}
}
