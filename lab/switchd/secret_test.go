package switchd_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ixagent/ixagent/lab/switchd"
)

func TestSecretGivesEverybodyTheSameAuthority(t *testing.T) {
	one, err := switchd.Secret("between us").Authority()
	if err != nil {
		t.Fatal(err)
	}
	two, err := switchd.Secret("between us").Authority()
	if err != nil {
		t.Fatal(err)
	}
	other, err := switchd.Secret("something else").Authority()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.PEM(), two.PEM()) || bytes.Equal(one.PEM(), other.PEM()) {
		t.Error("the authority is not that of the secret")
	}
	if switchd.Secret("between us").Password() == switchd.Secret("something else").Password() {
		t.Error("the password is not that of the secret")
	}
	if _, err := switchd.Secret("").Authority(); err == nil {
		t.Error("an empty secret makes an authority")
	}
	cert, err := one.Issue("sw1")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		who  *switchd.Authority
		good bool
	}{{two, true}, {other, false}} {
		leaf, err := x509.ParseCertificate(cert.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: tc.who.Pool(), DNSName: "sw1"}); (err == nil) != tc.good {
			t.Errorf("verification: %v", err)
		}
	}
}

func TestSecretDoesNotPrintItself(t *testing.T) {
	s := switchd.Secret("between us")
	text, err := json.Marshal(struct{ S switchd.Secret }{s})
	if err != nil {
		t.Fatal(err)
	}
	all := string(text) + fmt.Sprintf("%v %s %q %x %#v %+v", s, s, s, s, s, struct{ S switchd.Secret }{s})
	if strings.Contains(all, "between") || strings.Contains(all, fmt.Sprintf("%x", "between")) {
		t.Error(all)
	}
}
