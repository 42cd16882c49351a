// Package token makes and checks the tokens that an exchange hands out: JSON web tokens signed with HMAC SHA-256 (RFC 7515,
// RFC 7518 3.2).
package token

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// Claims are those of RFC 7519 4.1 that tokens carry. Use tells what a token is for.
type Claims struct {
	Subject string `json:"sub"`
	Use     string `json:"use"`
	Issued  int64  `json:"iat"`
	Expires int64  `json:"exp"`
	ID      string `json:"jti"`
}

// What is wrong with a token.
var (
	ErrForeign = errors.New("the token is not one of ours")
	ErrExpired = errors.New("the token has expired")
)

// Signer makes and checks tokens. It accepts no header but its own, so that a token cannot choose its algorithm.
type Signer struct{ key []byte }

// NewSigner returns a signer with a key of its own.
func NewSigner() Signer {
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails
	return Signer{key}
}

// Stored returns the signer whose key a store has under a name, so that its tokens outlive the process.
func Stored(s *store.Store, name string) (Signer, error) {
	if s.Blob(name) == nil {
		if err := s.Update(func(tx *store.Tx) error { tx.PutBlob(name, NewSigner().key); return nil }); err != nil {
			return Signer{}, err
		}
	}
	return Signer{s.Blob(name)}, nil
}

// MAC returns a code that nobody else can make of a text.
func (s Signer) MAC(text string) string {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// Header returns that of all tokens, encoded.
func Header() string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))
}

// Sign returns a token with these claims.
func (s Signer) Sign(c Claims) (string, error) {
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	signed := Header() + "." + base64.RawURLEncoding.EncodeToString(payload)
	return signed + "." + s.MAC(signed), nil
}

// Issue returns a new token for a subject, that is good for some time.
func (s Signer) Issue(subject, use string, now time.Time, lifetime time.Duration) (string, error) {
	return s.Sign(Claims{Subject: subject, Use: use, Issued: now.Unix(), Expires: now.Add(lifetime).Unix(), ID: rand.Text()})
}

// Verify returns what a token says. The error is ErrForeign or ErrExpired.
func (s Signer) Verify(token, use string, now time.Time) (Claims, error) {
	var c Claims
	i := strings.LastIndexByte(token, '.')
	if i < 0 || !hmac.Equal([]byte(s.MAC(token[:i])), []byte(token[i+1:])) {
		return c, ErrForeign
	}
	encoded, ok := strings.CutPrefix(token[:i], Header()+".")
	if !ok {
		return c, ErrForeign
	}
	payload, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return c, ErrForeign
	}
	if err := json.Unmarshal(payload, &c); err != nil || c.Use != use {
		return c, ErrForeign
	}
	if now.Unix() >= c.Expires {
		return c, ErrExpired
	}
	return c, nil
}
