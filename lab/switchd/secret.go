package switchd

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base32"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// SecretVariable is the environment variable that holds the [Secret] of a lab.
const SecretVariable = "IXLAB_SECRET"

// SecretUser is the user whose password a [Secret] gives.
const SecretUser = "ixagent"

// Secret is what all switches and clients of one lab know. Everything with
// which they prove themselves to each other is derived from it, so that
// switches started apart fit together. It does not print itself.
type Secret string

// Format implements [fmt.Formatter] and hides the secret.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("(hidden)")) }

// MarshalText implements [encoding.TextMarshaler] and hides the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte("(hidden)"), nil }

// Authority returns the certificate authority of the lab, the same one,
// octet by octet, for everybody who knows the secret. An empty secret is an
// error.
func (s Secret) Authority() (*Authority, error) {
	if s == "" {
		return nil, errors.New("authority: the secret is empty")
	}
	return selfSigned(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ixagent lab authority"},
		NotBefore: time.Unix(0, 0),
		NotAfter:  time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // no end, RFC 5280 4.1.2.5
	}, ed25519.NewKeyFromSeed(s.derive("authority")))
}

// Password returns the password of [SecretUser].
func (s Secret) Password() string {
	return base32.StdEncoding.EncodeToString(s.derive("password")[:20])
}

// HostKey returns the key by which the command line of the switch with a name proves itself over SSH.
func (s Secret) HostKey(name string) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(s.derive("host key of " + name))
}

// derive returns 32 octets that are only for one use.
func (s Secret) derive(use string) []byte {
	h := hmac.New(sha256.New, []byte(s))
	h.Write([]byte("ixagent lab " + use))
	return h.Sum(nil)
}
