// This program is a client of IX-API v2 in three parts: the types and requests that oapi-codegen makes of the official
// schema, which are put beside this file when it is built, what reads every collection with them, and what lives with
// tokens that expire.
//
// It ends with 1 and says why on its standard error as soon as the exchange does not do what the schema promises.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

// patience bounds everything that one run does.
const patience = time.Minute

func main() {
	var e exchange
	flag.StringVar(&e.url, "url", "", "base `URL` of the API")
	flag.StringVar(&e.key, "key", "", "API key")
	flag.StringVar(&e.secret, "secret", "", "its secret")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := e.run(ctx, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

// exchange is one that this program has logged in to.
type exchange struct {
	url, key, secret string
	api              *ClientWithResponses
	tokens           AuthToken
}

func (e *exchange) run(ctx context.Context, args []string) error {
	var err error
	if e.api, err = NewClientWithResponses(e.url, WithRequestEditorFn(e.authorize)); err != nil {
		return err
	}
	if err := e.login(ctx); err != nil {
		return err
	}
	if err := e.health(ctx); err != nil {
		return err
	}
	switch {
	case len(args) == 1 && args[0] == "read":
		return e.read(ctx)
	case len(args) == 1 && args[0] == "refresh":
		return e.refresh(ctx)
	}
	return fmt.Errorf("%q is none of: read, refresh", args)
}

// authorize gives a request the token it needs, a fresh one where the last is about to expire.
func (e *exchange) authorize(ctx context.Context, r *http.Request) error {
	switch {
	case strings.HasSuffix(r.URL.Path, "/auth/token"):
		return nil
	case strings.HasSuffix(r.URL.Path, "/auth/refresh"):
		r.Header.Set("Authorization", "Bearer "+e.tokens.RefreshToken)
		return nil
	}
	expires, err := expiry(e.tokens.AccessToken)
	if err == nil && time.Until(expires) < time.Second {
		err = e.renew(ctx)
	}
	r.Header.Set("Authorization", "Bearer "+e.tokens.AccessToken)
	return err
}

func (e *exchange) login(ctx context.Context) error {
	got, err := e.api.AuthTokenCreateWithResponse(ctx, AuthTokenCreateJSONRequestBody{ApiKey: e.key, ApiSecret: e.secret})
	if err != nil {
		return err
	}
	if got.JSON201 == nil {
		return fmt.Errorf("login: %s: %s", got.Status(), got.Body)
	}
	e.tokens = *got.JSON201
	return nil
}

func (e *exchange) renew(ctx context.Context) error {
	got, err := e.api.AuthTokenRefreshWithResponse(ctx, AuthTokenRefreshJSONRequestBody{RefreshToken: e.tokens.RefreshToken})
	if err != nil {
		return err
	}
	if got.JSON201 == nil {
		return fmt.Errorf("refresh: %s: %s", got.Status(), got.Body)
	}
	e.tokens = *got.JSON201
	return nil
}

// refresh lets the access token expire, sees that it is refused for that reason, and goes on with a fresh one.
func (e *exchange) refresh(ctx context.Context) error {
	old := e.tokens.AccessToken
	expires, err := expiry(old)
	if err != nil {
		return err
	}
	if later, err := expiry(e.tokens.RefreshToken); err != nil || !later.After(expires) {
		return fmt.Errorf("the refresh token expires at %v, the access token at %v, %w", later, expires, err)
	}
	select {
	case <-time.After(time.Until(expires) + 100*time.Millisecond):
	case <-ctx.Done():
		return ctx.Err()
	}
	late, err := e.api.RolesListWithResponse(ctx, nil, func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+old)
		return nil
	})
	if err != nil {
		return err
	}
	if late.JSON401 == nil || !strings.Contains(string(late.JSON401.Type), "signature-expired") {
		return fmt.Errorf("an expired token: %s: %s", late.Status(), late.Body)
	}
	if got, err := e.api.RolesListWithResponse(ctx, nil); err != nil || got.JSON200 == nil {
		return fmt.Errorf("a fresh token: %w", err)
	}
	if e.tokens.AccessToken == old {
		return errors.New("no token was refreshed")
	}
	fmt.Println("a token expired and was refreshed")
	return nil
}

// health sees that the exchange is well and of version 2, which some clients want as a number.
func (e *exchange) health(ctx context.Context) error {
	got, err := e.api.ApiHealthReadWithResponse(ctx)
	if err != nil {
		return err
	}
	if got.JSON200 == nil || got.JSON200.Status != "pass" || got.JSON200.Version == nil || *got.JSON200.Version != "2" {
		return fmt.Errorf("health: %s: %s", got.Status(), got.Body)
	}
	made, err := e.api.ApiImplementationReadWithResponse(ctx)
	if err != nil {
		return err
	}
	if made.JSON200 == nil {
		return fmt.Errorf("implementation: %s: %s", made.Status(), made.Body)
	}
	return nil
}

// expiry is when a JSON web token says that it expires.
func expiry(token string) (time.Time, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, fmt.Errorf("a token of %d parts", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}, err
	}
	var claims struct {
		Expires int64 `json:"exp"`
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return time.Time{}, err
	}
	return time.Unix(claims.Expires, 0), nil
}
