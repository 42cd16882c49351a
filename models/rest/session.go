package rest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/ixagent/ixagent/models/secret"
)

// Session holds the tokens of a client. Who has taken its turn may use the rest.
type Session struct {
	turn    chan struct{}
	header  string // that carries the access token by itself; "" for Authorization, where it is a bearer token
	access  string
	refresh string
	renewAt time.Time // zero when the tokens do not say
	obtain  func(ctx context.Context, refresh string) (Grant, error)
}

// Grant is what an authorisation server hands out.
type Grant struct {
	Access, Refresh string
	Lifetime        time.Duration // 0 when unknown
}

// NewSession returns a session that has no token yet. Obtain returns new tokens, from a refresh token when there is one.
func NewSession(obtain func(context.Context, string) (Grant, error)) *Session {
	return &Session{turn: make(chan struct{}, 1), obtain: obtain}
}

// StaticToken authenticates with a bearer token that was obtained elsewhere and is never renewed.
func StaticToken(token secret.Text) func(*Client) (*Session, error) {
	return func(*Client) (*Session, error) {
		if token.Empty() {
			return nil, errors.New("static token is empty")
		}
		s := NewSession(nil)
		s.access = token.Reveal()
		return s, nil
	}
}

// FixedHeader authenticates with a token that is never renewed and that goes in a header of its own name.
func FixedHeader(name string, token secret.Text) func(*Client) (*Session, error) {
	return func(c *Client) (*Session, error) {
		s, err := StaticToken(token)(c)
		if err == nil {
			s.header = name
		}
		return s, err
	}
}

// carry puts a token into a request's header. A nil session carries bearer tokens.
func (s *Session) carry(h http.Header, token string) {
	if s != nil && s.header != "" {
		h.Set(s.header, token)
		return
	}
	h.Set("Authorization", "Bearer "+token)
}

// drop takes the token out again.
func (s *Session) drop(h http.Header) {
	h.Del("Authorization")
	if s != nil {
		h.Del(s.header)
	}
}

func (s *Session) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Session) release() { <-s.turn }

// token returns an access token that has not expired. Callers that come while
// one is being obtained wait for it.
func (s *Session) token(ctx context.Context) (string, error) {
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
	s.access, s.refresh, s.renewAt = g.Access, g.Refresh, time.Time{}
	if g.Lifetime > 0 {
		s.renewAt = time.Now().Add(g.Lifetime - min(30*time.Second, g.Lifetime/5))
	}
	return s.access, nil
}

// refused drops the access token the exchange refused, and unless it merely
// expired the refresh token with it. It reports whether another can be had.
func (s *Session) refused(ctx context.Context, token string, why error) bool {
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

// Lifetime reads from a JWT's claims how long it is good for (RFC 7519 4.1.4).
// With an iat claim beside exp, the clocks of both sides need not agree. It is 0
// when token is no JWT or does not say; an expired one has a lifetime of 1 ns.
func Lifetime(token string, now time.Time) time.Duration {
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
