package ixapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/ixagent/ixagent/models/secret"
)

// Auth is a way to prove who asks: TokenLogin, ClientCredentials or StaticToken.
type Auth interface {
	session(*Client) (*session, error)
}

// TokenLogin exchanges an API key for tokens at /auth/token and renews them at
// /auth/refresh before they expire.
type TokenLogin struct {
	Key    string
	Secret secret.Text
}

// ClientCredentials obtains tokens by the OAuth2 client credentials grant (RFC
// 6749 4.4). No Scopes means "ix-api".
type ClientCredentials struct {
	TokenURL string
	ID       string
	Secret   secret.Text
	Scopes   []string
}

// StaticToken is a bearer token obtained elsewhere.
type StaticToken struct{ Token secret.Text }

// session holds the tokens of a client. Who has taken its turn may use the rest.
type session struct {
	turn    chan struct{}
	access  string
	refresh string
	renewAt time.Time // zero when the tokens do not say
	// obtain returns new tokens, from a refresh token when there is one. It is
	// nil when there is nothing to renew.
	obtain func(ctx context.Context, refresh string) (grant, error)
}

// grant is what an authorisation server hands out.
type grant struct {
	access, refresh string
	lifetime        time.Duration // 0 when unknown
}

func newSession(obtain func(context.Context, string) (grant, error)) *session {
	return &session{turn: make(chan struct{}, 1), obtain: obtain}
}

func (s *session) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *session) release() { <-s.turn }

// token returns an access token that has not expired. Callers that come while
// one is being obtained wait for it.
func (s *session) token(ctx context.Context) (string, error) {
	if err := s.take(ctx); err != nil {
		return "", err
	}
	defer s.release()
	if s.access != "" && (s.renewAt.IsZero() || time.Now().Before(s.renewAt)) {
		return s.access, nil
	}
	if s.obtain == nil {
		return s.access, nil
	}
	g, err := s.obtain(ctx, s.refresh)
	if err != nil {
		return "", err
	}
	s.access, s.refresh, s.renewAt = g.access, g.refresh, time.Time{}
	if g.lifetime > 0 {
		s.renewAt = time.Now().Add(g.lifetime - min(30*time.Second, g.lifetime/5))
	}
	return s.access, nil
}

// refused drops the access token the exchange refused, and unless it merely
// expired the refresh token with it. It reports whether another can be had.
func (s *session) refused(ctx context.Context, token string, why error) bool {
	if s.obtain == nil || s.take(ctx) != nil {
		return false
	}
	defer s.release()
	if s.access == token {
		s.access = ""
		if !errors.Is(why, ErrSignatureExpired) {
			s.refresh = ""
		}
	}
	return true
}

func (a StaticToken) session(*Client) (*session, error) {
	if a.Token.Reveal() == "" {
		return nil, errors.New("static token is empty")
	}
	s := newSession(nil)
	s.access = a.Token.Reveal()
	return s, nil
}

func (a TokenLogin) session(c *Client) (*session, error) {
	if a.Key == "" || a.Secret.Reveal() == "" {
		return nil, errors.New("api key or api secret is empty")
	}
	login := map[string]string{"api_key": a.Key, "api_secret": a.Secret.Reveal()}
	return newSession(func(ctx context.Context, refresh string) (grant, error) {
		if refresh != "" {
			g, err := c.authenticate(ctx, "/auth/refresh", refresh, map[string]string{"refresh_token": refresh})
			var transport *transportError
			if err == nil || errors.As(err, &transport) || errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
				return g, err
			}
			c.log.Debug("exchange refused to refresh the token", "err", err)
		}
		return c.authenticate(ctx, "/auth/token", "", login)
	}), nil
}

// authenticate posts to one of the exchange's own token endpoints.
func (c *Client) authenticate(ctx context.Context, path, bearer string, request map[string]string) (grant, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return grant{}, err
	}
	const limit = 1 << 20
	res, err := c.once(ctx, http.MethodPost, path, nil, bearer, body, limit)
	if err != nil {
		return grant{}, err
	}
	var answer struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.Unmarshal(res.body, &answer); err != nil || answer.AccessToken == "" {
		// The body may hold a token, so the error does not quote it.
		return grant{}, fmt.Errorf("POST %s: %w: the answer holds no access token", path, ErrUnauthenticated)
	}
	return grant{
		access:   answer.AccessToken,
		refresh:  answer.RefreshToken,
		lifetime: lifetime(answer.AccessToken, time.Now()),
	}, nil
}

// lifetime reads from a JWT's claims how long it is good for (RFC 7519 4.1.4).
// With an iat claim beside exp, the clocks of both sides need not agree. It is 0
// when token is no JWT or does not say; an expired one has a lifetime of 1 ns.
func lifetime(token string, now time.Time) time.Duration {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return 0
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return 0
	}
	var claims struct{ Exp, Iat float64 }
	if json.Unmarshal(text, &claims) != nil || claims.Exp <= 0 {
		return 0
	}
	from := claims.Iat
	if from <= 0 {
		from = float64(now.UnixNano()) / 1e9
	}
	const longest = 365 * 24 * 3600
	seconds := min(claims.Exp-from, longest)
	return max(1, time.Duration(seconds*float64(time.Second)))
}

func (a ClientCredentials) session(c *Client) (*session, error) {
	if a.ID == "" || a.Secret.Reveal() == "" {
		return nil, errors.New("oauth2 client id or client secret is empty")
	}
	endpoint, err := url.Parse(a.TokenURL)
	if err != nil {
		return nil, fmt.Errorf("oauth2 token url: %w", err)
	}
	if err := c.secure(endpoint); err != nil {
		return nil, fmt.Errorf("oauth2 token url: %w", err)
	}
	config := &clientcredentials.Config{
		ClientID:     a.ID,
		ClientSecret: a.Secret.Reveal(),
		TokenURL:     a.TokenURL,
		Scopes:       a.Scopes,
	}
	if len(config.Scopes) == 0 {
		config.Scopes = []string{"ix-api"}
	}
	return newSession(func(ctx context.Context, _ string) (grant, error) {
		attempt, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		token, err := config.Token(context.WithValue(attempt, oauth2.HTTPClient, c.http))
		if err != nil {
			return grant{}, oauth2Error(ctx, endpoint, err)
		}
		g := grant{access: token.AccessToken}
		if !token.Expiry.IsZero() {
			g.lifetime = max(1, time.Until(token.Expiry))
		}
		return g, nil
	}), nil
}

// oauth2Error turns an error of the token endpoint into one of this package's.
func oauth2Error(ctx context.Context, endpoint *url.URL, err error) error {
	var refused *oauth2.RetrieveError
	var transport *url.Error
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &refused):
		status, now := refused.Response.StatusCode, time.Now()
		if status >= 200 && status < 300 {
			status = http.StatusUnauthorized
		}
		problem := newProblem(http.MethodPost, endpoint.Path, status, refused.Response.Header, nil, now)
		problem.Title, problem.Detail = refused.ErrorCode, refused.ErrorDescription
		if status == http.StatusBadRequest || status == http.StatusUnauthorized {
			return fmt.Errorf("oauth2: %w: %w", ErrUnauthenticated, problem)
		}
		return fmt.Errorf("oauth2: %w", problem)
	case errors.As(err, &transport):
		return &transportError{http.MethodPost, endpoint.Path, transport.Err}
	}
	// Other errors concern an answer that may hold a token.
	return fmt.Errorf("oauth2: POST %s: %w: the answer holds no access token", endpoint.Path, ErrUnauthenticated)
}
