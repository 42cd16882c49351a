package ixapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/ixagent/ixagent/models/rest"
	"github.com/ixagent/ixagent/models/secret"
)

// Auth is a way to prove who asks: TokenLogin, ClientCredentials or StaticToken.
type Auth interface {
	session(*rest.Client) (*rest.Session, error)
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

func (a StaticToken) session(c *rest.Client) (*rest.Session, error) {
	return rest.StaticToken(a.Token)(c)
}

func (a TokenLogin) session(c *rest.Client) (*rest.Session, error) {
	if a.Key == "" || a.Secret.Reveal() == "" {
		return nil, errors.New("api key or api secret is empty")
	}
	login := map[string]string{"api_key": a.Key, "api_secret": a.Secret.Reveal()}
	return rest.NewSession(func(ctx context.Context, refresh string) (rest.Grant, error) {
		if refresh != "" {
			g, err := authenticate(ctx, c, "/auth/refresh", refresh, map[string]string{"refresh_token": refresh})
			var transport *rest.TransportError
			if err == nil || errors.As(err, &transport) || errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
				return g, err
			}
			c.Log().Debug("exchange refused to refresh the token", "err", err)
		}
		return authenticate(ctx, c, "/auth/token", "", login)
	}), nil
}

// authenticate posts to one of the exchange's own token endpoints.
func authenticate(ctx context.Context, c *rest.Client, path, bearer string, request map[string]string) (rest.Grant, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return rest.Grant{}, err
	}
	const limit = 1 << 20
	res, err := c.Once(ctx, rest.Request{Method: http.MethodPost, Path: path, Body: body, Limit: limit}, bearer)
	if err != nil {
		return rest.Grant{}, err
	}
	var answer struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.Unmarshal(res.Body, &answer); err != nil || answer.AccessToken == "" {
		// The body may hold a token, so the error does not quote it.
		return rest.Grant{}, fmt.Errorf("POST %s: %w: the answer holds no access token", path, ErrUnauthenticated)
	}
	return rest.Grant{
		Access:   answer.AccessToken,
		Refresh:  answer.RefreshToken,
		Lifetime: rest.Lifetime(answer.AccessToken, time.Now()),
	}, nil
}

func (a ClientCredentials) session(c *rest.Client) (*rest.Session, error) {
	if a.ID == "" || a.Secret.Reveal() == "" {
		return nil, errors.New("oauth2 client id or client secret is empty")
	}
	endpoint, err := url.Parse(a.TokenURL)
	if err != nil {
		return nil, fmt.Errorf("oauth2 token url: %w", err)
	}
	if err := c.Secure(endpoint); err != nil {
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
	return rest.NewSession(func(ctx context.Context, _ string) (rest.Grant, error) {
		attempt, cancel := c.Attempt(ctx)
		defer cancel()
		token, err := config.Token(context.WithValue(attempt, oauth2.HTTPClient, c.HTTP()))
		if err != nil {
			return rest.Grant{}, oauth2Error(ctx, endpoint, err)
		}
		g := rest.Grant{Access: token.AccessToken}
		if !token.Expiry.IsZero() {
			g.Lifetime = max(1, time.Until(token.Expiry))
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
		problem := rest.NewProblem(http.MethodPost, endpoint.Path, status, refused.Response.Header, nil, now)
		problem.Title, problem.Detail = refused.ErrorCode, refused.ErrorDescription
		if status == http.StatusBadRequest || status == http.StatusUnauthorized {
			return fmt.Errorf("oauth2: %w: %w", ErrUnauthenticated, problem)
		}
		return fmt.Errorf("oauth2: %w", problem)
	case errors.As(err, &transport):
		return &rest.TransportError{Method: http.MethodPost, Path: endpoint.Path, Err: transport.Err}
	}
	// Other errors concern an answer that may hold a token.
	return fmt.Errorf("oauth2: POST %s: %w: the answer holds no access token", endpoint.Path, ErrUnauthenticated)
}
