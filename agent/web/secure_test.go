package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// keyPair writes a certificate of 127.0.0.1 and its key.
func keyPair(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	return pool
}

// word is the hash of "test".
const word = "$2b$05$abcdefghijklmnopqrstuuMceFj4VbmHOj8C7PetMxzZkwre/z.Ri"

func TestWebConfigurationGuardsEverythingAndIsReadAnew(t *testing.T) {
	dir := t.TempDir()
	pool := keyPair(t, dir)
	o := options(t)
	o.WebConfig = filepath.Join(dir, "web.yaml")
	configure := func(user string) {
		t.Helper()
		text := fmt.Sprintf("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {%s: %s}\n", user, word)
		if err := os.WriteFile(o.WebConfig, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure("noc")
	address, stop := start(t, o)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	client := &http.Client{Transport: transport}
	ask := func(method, path, user, password string) int {
		t.Helper()
		req, err := http.NewRequest(method, "https://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			req.SetBasicAuth(user, password)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	for _, r := range append(routes(o), route{method: "GET", path: "/nothing"}) {
		if got := ask(r.method, r.path, "", ""); got != 401 {
			t.Errorf("%s %s as nobody: %d", r.method, r.path, got)
		}
		if got := ask(r.method, r.path, "noc", "guess"); got != 401 {
			t.Errorf("%s %s with a wrong password: %d", r.method, r.path, got)
		}
	}
	if got := ask("GET", "/-/healthy", "noc", "test"); got != 200 {
		t.Errorf("with the password: %d", got)
	}
	configure("other")
	if got := ask("GET", "/-/healthy", "noc", "test"); got != 401 {
		t.Errorf("a user who is gone: %d", got)
	}
	if got := ask("GET", "/-/healthy", "other", "test"); got != 200 {
		t.Errorf("a user who is new: %d", got)
	}
	plainly := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := plainly.Get("http://" + address + "/-/healthy")
	if err == nil {
		res.Body.Close()
		if res.StatusCode != 400 {
			t.Errorf("without TLS: %s", res.Status)
		}
	}
	transport.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestBadWebConfigurationServesNothing(t *testing.T) {
	o := options(t)
	o.WebConfig = filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(o.WebConfig, []byte("basic_auth_users: {noc: plain}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := Serve(t.Context(), ln, o); err == nil || !strings.Contains(err.Error(), "bcrypt") {
		t.Errorf("Serve: %v", err)
	}
	if c, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		c.Close()
		t.Error("the listener is still open")
	}
}
