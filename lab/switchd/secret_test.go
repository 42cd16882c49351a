package switchd_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
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
		a, b := net.Pipe()
		server := tls.Server(a, &tls.Config{Certificates: []tls.Certificate{cert}})
		done := make(chan error, 1)
		go func() { done <- server.Handshake() }()
		err := tls.Client(b, &tls.Config{RootCAs: tc.who.Pool(), ServerName: "sw1"}).Handshake()
		if (err == nil) != tc.good {
			t.Errorf("handshake: %v", err)
		}
		a.Close()
		b.Close()
		<-done
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
