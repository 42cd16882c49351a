package exchange

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ixagent/ixagent/lab/exchange/store"
	"github.com/ixagent/ixagent/lab/exchange/token"
)

// A Credential is an API key with its secret. It logs in at /auth/token, and as client id and client secret at
// /oauth2/token. It is that of an account, or of the operator of the exchange where Account is empty.
type Credential struct{ Key, Secret, Account string }

var (
	errGone     = errors.New("whoever the token was given to is no longer known")
	errReplayed = errors.New("the token was used already")
)

// allowed says whether the credential is one the server knows. It takes as long for an unknown key as for a wrong secret.
func (s *Server) allowed(given Credential) bool {
	ok := 0
	for _, c := range s.options.Credentials {
		key := subtle.ConstantTimeCompare([]byte(digest(c.Key)), []byte(digest(given.Key)))
		secret := subtle.ConstantTimeCompare([]byte(digest(c.Secret)), []byte(digest(given.Secret)))
		ok |= key & secret
	}
	secret := "" // the digest of nothing
	if r := s.store.Now().Get(credentials, given.Key); r != nil {
		_, secret = credentialOf(r)
	}
	if match(given.Secret, secret) {
		ok = 1
	}
	if ok == 0 {
		return false
	}
	_, known := s.principalOf(given.Key)
	return known
}

// principalOf returns who has a credential; ok is false when it is known no longer, or its account is gone.
func (s *Server) principalOf(key string) (by principal, ok bool) {
	at := s.store.Now()
	i := slices.IndexFunc(s.options.Credentials, func(c Credential) bool { return c.Key == key })
	if i >= 0 {
		by = principal{key: key, account: s.options.Credentials[i].Account}
	} else if r := at.Get(credentials, key); r != nil {
		by = principal{key: key}
		by.account, _ = credentialOf(r)
		ok = by.account != ""
	}
	switch {
	case i >= 0 && by.account == "":
		by.operator = true
		return by, true
	case i < 0 && !ok, at.Get("accounts", by.account) == nil:
		return principal{}, false
	}
	by.grants = grantsOf(at, by.account)
	return by, true
}

func (s *Server) issue(subject, use string, lifetime time.Duration) (string, error) {
	return s.signer.Issue(subject, use, s.options.Clock(), lifetime)
}

// authenticate checks the bearer token of a request, how often its credential asks, and whose authorization key comes
// with it. It returns who asks, or what is wrong.
func (s *Server) authenticate(r *http.Request) (principal, *problem) {
	by, p := s.bearer(r)
	if p == nil {
		p = s.limits.take(by.key, s.options.Clock())
	}
	if p == nil && r.Header.Get(keyHeader) != "" {
		if by.customer = customerOf(s.store.Now(), r.Header.Get(keyHeader)); by.customer == "" {
			wrong := forbidden("the authorization key is that of no account")
			p = &wrong
		}
	}
	if p != nil {
		return principal{}, p
	}
	return by, nil
}

// bearer returns who has the bearer token of a request.
func (s *Server) bearer(r *http.Request) (principal, *problem) {
	operator := principal{operator: true}
	if s.options.Anonymous {
		return operator, nil
	}
	reject := func(kind, title, detail string) (principal, *problem) {
		p := unauthorized(kind, title, detail)
		return principal{}, &p
	}
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	bearer = strings.TrimSpace(bearer)
	switch {
	case scheme == "" || bearer == "":
		return reject(notAuthenticated, "Authentication required", "the request carries no bearer token")
	case !strings.EqualFold(scheme, "Bearer"):
		return reject(authenticationError, "Authentication credentials invalid", "the authorization is not a bearer token")
	case s.faults.take("", ExpiredTokens) != nil:
		return reject(signatureExpired, "Signature expired", token.ErrExpired.Error())
	}
	for _, t := range s.options.Tokens {
		if subtle.ConstantTimeCompare([]byte(digest(t)), []byte(digest(bearer))) == 1 {
			return operator, nil
		}
	}
	c, err := s.signer.Verify(bearer, "access", s.options.Clock())
	switch {
	case errors.Is(err, token.ErrExpired):
		return reject(signatureExpired, "Signature expired", err.Error())
	case err != nil:
		return reject(authenticationError, "Authentication credentials invalid", err.Error())
	}
	by, known := s.principalOf(c.Subject)
	if !known {
		return reject(authenticationError, "Authentication credentials invalid", errGone.Error())
	}
	return by, nil
}

type tokenPair struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// login answers POST /auth/token.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	var login struct {
		Key    string `json:"api_key"`
		Secret string `json:"api_secret"`
	}
	if p := decode(r, &login); p != nil {
		p.write(w, r)
		return
	}
	var empty []property
	if login.Key == "" {
		empty = append(empty, property{Name: "api_key", Reason: "is required"})
	}
	if login.Secret == "" {
		empty = append(empty, property{Name: "api_secret", Reason: "is required"})
	}
	switch {
	case empty != nil:
		invalid(empty...).write(w, r)
	case !s.allowed(Credential{Key: login.Key, Secret: login.Secret}):
		unauthorized(authenticationError, "Authentication credentials invalid", "the api key and the api secret do not match").write(w, r)
	default:
		s.pair(w, r, login.Key)
	}
}

// refresh answers POST /auth/refresh.
func (s *Server) refresh(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Token string `json:"refresh_token"`
	}
	if p := decode(r, &request); p != nil {
		p.write(w, r)
		return
	}
	if request.Token == "" {
		invalid(property{Name: "refresh_token", Reason: "is required"}).write(w, r)
		return
	}
	c, err := s.signer.Verify(request.Token, "refresh", s.options.Clock())
	if _, known := s.principalOf(c.Subject); err == nil && !known {
		err = errGone
	}
	if err == nil {
		err = s.spend(c)
	}
	switch {
	case errors.Is(err, token.ErrExpired):
		unauthorized(signatureExpired, "Signature expired", err.Error()).write(w, r)
	case errors.Is(err, token.ErrForeign), errors.Is(err, errGone), errors.Is(err, errReplayed):
		unauthorized(authenticationError, "Authentication credentials invalid", err.Error()).write(w, r)
	case err != nil:
		s.options.Logger.Error("a token could not be stored", "err", err)
		generic(http.StatusServiceUnavailable, "the exchange cannot store anything now").write(w, r)
	default:
		s.pair(w, r, c.Subject)
	}
}

// spent are the refresh tokens that were used and would be taken still.
const spent = "spent-tokens"

// spend uses up a refresh token, and forgets those that have expired.
func (s *Server) spend(c token.Claims) error {
	return s.store.Update(func(tx *store.Tx) error {
		if tx.Get(spent, c.ID) != nil {
			return errReplayed
		}
		now := s.options.Clock().Unix()
		for _, r := range slices.Clone(tx.List(spent)) {
			if o, err := r.Object(); err == nil {
				if expires, ok := o.Int("expires"); !ok || expires <= now {
					tx.Remove(spent, r.ID)
				}
			}
		}
		_, err := tx.Put(spent, store.Object{"id": c.ID, "expires": c.Expires})
		return err
	})
}

func (s *Server) pair(w http.ResponseWriter, r *http.Request, subject string) {
	access, err := s.issue(subject, "access", s.options.TokenLifetime)
	if err == nil {
		var refresh string
		if refresh, err = s.issue(subject, "refresh", s.options.RefreshLifetime); err == nil {
			w.Header().Set("Cache-Control", "no-store")
			answer(w, http.StatusCreated, recordMediaType, tokenPair{Access: access, Refresh: refresh})
			return
		}
	}
	generic(http.StatusInternalServerError, err.Error()).write(w, r)
}

// clientCredentials answers POST /oauth2/token: the grant of RFC 6749 4.4, with the client's credentials in the
// Authorization header or in the form (2.3.1). Its errors are those of 5.2.
func (s *Server) clientCredentials(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	fail := func(status int, code, description string) {
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="ix-api"`)
		}
		answer(w, status, recordMediaType, map[string]string{"error": code, "error_description": description})
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		fail(http.StatusBadRequest, "invalid_request", "the request is not a form")
		return
	}
	if err := r.ParseForm(); err != nil {
		fail(http.StatusBadRequest, "invalid_request", "the form does not parse")
		return
	}
	given := Credential{Key: r.PostForm.Get("client_id"), Secret: r.PostForm.Get("client_secret")}
	if user, password, ok := r.BasicAuth(); ok {
		// Both are form encoded inside of the header.
		key, keyErr := url.QueryUnescape(user)
		secret, secretErr := url.QueryUnescape(password)
		if keyErr != nil || secretErr != nil {
			fail(http.StatusUnauthorized, "invalid_client", "the client's credentials do not parse")
			return
		}
		given = Credential{Key: key, Secret: secret}
	}
	switch {
	case r.PostForm.Get("grant_type") != "client_credentials":
		fail(http.StatusBadRequest, "unsupported_grant_type", "the grant type is not client_credentials")
		return
	case !s.allowed(given):
		fail(http.StatusUnauthorized, "invalid_client", "the client is unknown or its secret is wrong")
		return
	}
	if scopes := strings.Fields(r.PostForm.Get("scope")); slices.ContainsFunc(scopes, func(v string) bool { return v != "ix-api" }) {
		fail(http.StatusBadRequest, "invalid_scope", "the only scope is ix-api")
		return
	}
	access, err := s.issue(given.Key, "access", s.options.TokenLifetime)
	if err != nil {
		fail(http.StatusInternalServerError, "server_error", err.Error())
		return
	}
	answer(w, http.StatusOK, recordMediaType, map[string]any{
		"access_token": access, "token_type": "Bearer", "expires_in": int(s.options.TokenLifetime.Seconds()), "scope": "ix-api",
	})
}

// decode reads a JSON object from the body of a request.
func decode(r *http.Request, into any) *problem {
	text, err := io.ReadAll(r.Body)
	if p := unreadable(err); p != nil {
		return p
	}
	if err := json.Unmarshal(text, into); err != nil {
		p := problem{Type: validationError, Title: validationErrorTitle, Status: http.StatusBadRequest, Detail: "the body is not the JSON object it should be"}
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field != "" {
			p.Properties = []property{{Name: wrong.Field, Reason: "is not a " + wrong.Type.String()}}
		}
		return &p
	}
	return nil
}
