package exchange

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
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
)

// A Credential is an API key with its secret. It logs in at /auth/token, and as client id and client secret at
// /oauth2/token. It is that of an account, or of the operator of the exchange where Account is empty.
type Credential struct{ Key, Secret, Account string }

// claims are those of RFC 7519 4.1 that the tokens carry. Use tells an access token from a refresh token.
type claims struct {
	Subject string `json:"sub"`
	Use     string `json:"use"`
	Issued  int64  `json:"iat"`
	Expires int64  `json:"exp"`
	ID      string `json:"jti"`
}

// signer makes and checks JSON web tokens signed with HMAC SHA-256 (RFC 7515, RFC 7518 3.2). It accepts no header but
// its own, so that a token cannot choose its algorithm.
type signer struct{ key []byte }

var (
	errSignature = errors.New("the token is not one of ours")
	errExpired   = errors.New("the token has expired")
	errGone      = errors.New("whoever the token was given to is no longer known")
	errReplayed  = errors.New("the token was used already")
)

func newKey() []byte {
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails
	return key
}

func (s signer) mac(signed string) string {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(signed))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func header() string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))
}

func (s signer) sign(c claims) (string, error) {
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	signed := header() + "." + base64.RawURLEncoding.EncodeToString(payload)
	return signed + "." + s.mac(signed), nil
}

func (s signer) verify(token, use string, now time.Time) (claims, error) {
	var c claims
	i := strings.LastIndexByte(token, '.')
	if i < 0 || !hmac.Equal([]byte(s.mac(token[:i])), []byte(token[i+1:])) {
		return c, errSignature
	}
	encoded, ok := strings.CutPrefix(token[:i], header()+".")
	if !ok {
		return c, errSignature
	}
	payload, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return c, errSignature
	}
	if err := json.Unmarshal(payload, &c); err != nil || c.Use != use {
		return c, errSignature
	}
	if now.Unix() >= c.Expires {
		return c, errExpired
	}
	return c, nil
}

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
	now := s.options.Clock()
	return s.signer.sign(claims{Subject: subject, Use: use, Issued: now.Unix(), Expires: now.Add(lifetime).Unix(), ID: rand.Text()})
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
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	switch {
	case scheme == "" || token == "":
		return reject(notAuthenticated, "Authentication required", "the request carries no bearer token")
	case !strings.EqualFold(scheme, "Bearer"):
		return reject(authenticationError, "Authentication credentials invalid", "the authorization is not a bearer token")
	case s.faults.take("", ExpiredTokens) != nil:
		return reject(signatureExpired, "Signature expired", errExpired.Error())
	}
	for _, t := range s.options.Tokens {
		if subtle.ConstantTimeCompare([]byte(digest(t)), []byte(digest(token))) == 1 {
			return operator, nil
		}
	}
	c, err := s.signer.verify(token, "access", s.options.Clock())
	switch {
	case errors.Is(err, errExpired):
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
	c, err := s.signer.verify(request.Token, "refresh", s.options.Clock())
	if _, known := s.principalOf(c.Subject); err == nil && !known {
		err = errGone
	}
	if err == nil {
		err = s.spend(c)
	}
	switch {
	case errors.Is(err, errExpired):
		unauthorized(signatureExpired, "Signature expired", err.Error()).write(w, r)
	case errors.Is(err, errSignature), errors.Is(err, errGone), errors.Is(err, errReplayed):
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
func (s *Server) spend(c claims) error {
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
