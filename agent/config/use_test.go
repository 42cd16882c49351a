package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/switchcfg"
)

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, dir string) *Config {
	t.Helper()
	c, err := Load(filepath.Join(dir, "ixagent.yaml"), testDrivers())
	if err != nil {
		t.Fatal(report(err))
	}
	return c
}

func TestSecretsAreFetchedWhenUsed(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"file", "exposed", "empty", "long"} {
		mode, text := os.FileMode(0o640), "word\n"
		switch name {
		case "exposed":
			mode = 0o644
		case "empty":
			text = "\n"
		case "long":
			text = strings.Repeat("x", maxSecret+1)
		}
		write(t, filepath.Join(dir, "secrets", name), text, mode)
	}
	t.Setenv("IXAGENT_TEST_SECRET", "word")
	at := Position{filepath.Join(dir, "c.yaml"), 7, 3}
	for ref, want := range map[string]string{
		"env:IXAGENT_TEST_SECRET": "",
		"file:secrets/file":       "",
		"env:IXAGENT_TEST_NONE":   "the environment variable is not set",
		"file:secrets/exposed":    "everybody on this machine can read or write the file",
		"file:secrets/empty":      "the secret is empty",
		"file:secrets/long":       "larger than 65536 bytes",
		"file:secrets":            "not a regular file",
		"file:secrets/gone":       "no such file or directory",
		"credential:file":         "$CREDENTIALS_DIRECTORY is not set",
	} {
		var r SecretRef
		if err := r.place(at, ref); err != nil {
			t.Fatal(err)
		}
		text, err := r.Resolve()
		if want == "" {
			if err != nil || text.Reveal() != "word" {
				t.Errorf("%s: %q, %v", ref, text.Reveal(), err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), at.String()) {
			t.Errorf("%s: %v, want %s", ref, err, want)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", filepath.Join(dir, "secrets"))
	r := SecretRef{scheme: schemeCredential, name: "file"}
	if text, err := r.Resolve(); err != nil || text.Reveal() != "word" {
		t.Errorf("credential: %v", err)
	}
}

func TestPathsAreRelativeToTheirFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ixagent.yaml"), `
sources: [{name: exchange, type: file, path: ../records}]
state_dir: state
credentials: {lab: {username: ixagent, password: "file:secret"}}
inventory: sites/all.yaml
`, 0o644)
	write(t, filepath.Join(dir, "sites/all.yaml"), "include: fra/sw1.yaml\n", 0o644)
	write(t, filepath.Join(dir, "sites/fra/sw1.yaml"), "devices: [{name: sw1, driver: openconfig, address: sw1, credentials: lab}]\n", 0o644)
	c := load(t, dir)
	if got, want := c.Sources[0].Path.String(), filepath.Join(filepath.Dir(dir), "records"); got != want {
		t.Errorf("source is at %s, want %s", got, want)
	}
	if got, want := c.StateDir.String(), filepath.Join(dir, "state"); got != want {
		t.Errorf("state is at %s, want %s", got, want)
	}
	if len(c.Inventory.Devices) != 1 || len(c.Inventory.Include) != 2 {
		t.Errorf("inventory is %+v", c.Inventory)
	}
}

func TestFileThatIsNotThereIsAFault(t *testing.T) {
	_, err := Load("gone.yaml", testDrivers())
	if got := report(err); got != "gone.yaml: no such file or directory\n\thint: name the configuration with --config; ixagent check config --example prints one\n" {
		t.Error(got)
	}
}

// selfSigned writes a certificate and its key.
func selfSigned(t *testing.T, cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	write(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o644)
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), 0o600)
}

func TestSessionOverSSHHasWhatTheFileRefersTo(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ixagent.yaml"), `
sources: [{name: exchange, type: file, path: records}]
credentials:
  cli:
    username: ixagent
    ssh:
      known_hosts: known_hosts
      host_keys: ["SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"]
      key: id
      passphrase: file:phrase
      agent: agent.sock
      jump: {address: bastion, credentials: bastion}
  bastion: {username: guest, password: "file:word", ssh: {insecure_ignore_host_key: true}}
inventory:
  devices: [{name: sw1, driver: srlinux, address: "2001:db8::1", credentials: cli, timeout: 20s}]
`, 0o644)
	for name, text := range map[string]string{"known_hosts": "sw1 ssh-ed25519 AAAA\n", "id": "a key\n", "phrase": "open\n", "word": "sesame\n"} {
		write(t, filepath.Join(dir, name), text, 0o600)
	}
	c := load(t, dir)
	d, _ := c.Inventory.Device("sw1")
	s, err := c.Session(d)
	if err != nil {
		t.Fatal(report(err))
	}
	h := s.SSH
	if s.TLS != nil || s.Timeout != 20*time.Second || s.Address != "[2001:db8::1]:22" || s.Username != "ixagent" || string(h.KnownHosts) != "sw1 ssh-ed25519 AAAA\n" || len(h.HostKeys) != 1 ||
		h.Key.Reveal() != "a key" || h.Passphrase.Reveal() != "open" || h.Agent != filepath.Join(dir, "agent.sock") || h.AnyHostKey {
		t.Errorf("session: %+v", s)
	}
	if j := h.Jump; j.Address != "bastion:22" || j.Username != "guest" || j.Password.Reveal() != "sesame" || !j.SSH.AnyHostKey || j.SSH.Jump != nil {
		t.Errorf("jump host: %+v", j)
	}
	if err := os.Chmod(filepath.Join(dir, "id"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Session(d); err == nil || !strings.Contains(report(err), "chmod 600 "+filepath.Join(dir, "id")) {
		t.Errorf("a key that everybody can read: %s", report(err))
	}
}

func TestSessionsAndClientsHaveWhatTheFileRefersTo(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ixagent.yaml"), strings.NewReplacer("credential:", "file:secret/", "192.0.2.11:9339", "192.0.2.11").Replace(string(Example())), 0o644)
	c := load(t, dir)
	if err := c.CheckFiles(); err == nil || len(err.(Faults)) != 13 {
		t.Errorf("files that are missing: %v", err)
	}
	for _, name := range []string{"ixapi-key", "ixapi-secret", "ixpmanager-key", "switch-password", "cli-password", "events-token", "webhook-token"} {
		write(t, filepath.Join(dir, "secret", name), name+"\n", 0o600)
	}
	write(t, filepath.Join(dir, "ssh/known_hosts"), "", 0o644)
	write(t, filepath.Join(dir, "ssh/ixagent"), "key\n", 0o600)
	selfSigned(t, filepath.Join(dir, "tls/ixagent.pem"), filepath.Join(dir, "tls/ixagent-key.pem"))
	selfSigned(t, filepath.Join(dir, "tls/exchange-ca.pem"), filepath.Join(dir, "tls/k1"))
	selfSigned(t, filepath.Join(dir, "tls/backoffice-ca.pem"), filepath.Join(dir, "tls/k3"))
	selfSigned(t, filepath.Join(dir, "tls/switches-ca.pem"), filepath.Join(dir, "tls/k2"))
	if err := c.CheckFiles(); err != nil {
		t.Fatal(report(err))
	}
	d, _ := c.Inventory.Device("fra1-sw1")
	s, err := c.Session(d)
	if err != nil {
		t.Fatal(err)
	}
	if s.Address != "192.0.2.11:9339" || s.Username != "ixagent" || s.Password.Reveal() != "switch-password" ||
		len(s.TLS.Certificates) != 1 || s.TLS.RootCAs == nil || s.TLS.InsecureSkipVerify || !s.Capabilities.VXLAN {
		t.Errorf("session: %+v", s)
	}
	o, err := c.Sources[0].Client()
	if err != nil {
		t.Fatal(err)
	}
	login, ok := o.Auth.(ixapi.TokenLogin)
	if !ok || login.Key != "ixapi-key" || login.Secret.Reveal() != "ixapi-secret" || o.TLS.Config.RootCAs == nil {
		t.Errorf("client: %+v", o)
	}
	if text := fmt.Sprintf("%+v", s) + slog.AnyValue(o).String(); strings.Contains(text, "switch-password") || strings.Contains(text, "ixapi-secret") {
		t.Errorf("a secret shows in %s", text)
	}
	write(t, filepath.Join(dir, "tls/ixagent-key.pem"), "", 0o644)
	write(t, filepath.Join(dir, "tls/exchange-ca.pem"), "no certificate", 0o644)
	if err := c.CheckFiles(); err == nil || len(err.(Faults)) != 2 {
		t.Errorf("files that are not what they should be: %v", err)
	}
}

func TestInventoryFindsWhatTheExchangeNames(t *testing.T) {
	c, err := Parse("c.yaml", Example(), nil, testDrivers())
	if err != nil {
		t.Fatal(report(err))
	}
	inv := &c.Inventory
	for _, p := range []struct {
		port ixapi.Port
		want string
	}{
		{ixapi.Port{ID: "port-23", Device: "dev-9", Name: "FRA1-SW1 3"}, "fra1-sw1 Ethernet1"},
		{ixapi.Port{ID: "port-99", Device: "dev-1", Name: "FRA1-SW1 3"}, "fra1-sw1 Ethernet3"},
		{ixapi.Port{ID: "port-99", Device: "dev-2", Name: "FRA1-SW1 3"}, ""},
		{ixapi.Port{ID: "port-5"}, "fra2-sw1 Ethernet1"},
		{ixapi.Port{}, ""},
	} {
		got := ""
		if a, ok := inv.Attachment(&p.port); ok {
			got = a.Device.Name + " " + a.Port.Interface
		}
		if got != p.want {
			t.Errorf("%+v is at %q, want %q", p.port, got, p.want)
		}
	}
	if d, ok := inv.DeviceByID("dev-2"); !ok || d.Name != "fra2-sw1" {
		t.Error("dev-2 is not found")
	}
	if l, ok := inv.ExchangeLAN("ns-peering"); !ok || l.Quarantine.VLAN != 999 {
		t.Error("ns-peering is not found")
	}
	if _, ok := inv.NNI(&ixapi.NetworkService{ID: "ns-2"}, nil, 1); ok {
		t.Error("a service without a provider has an NNI")
	}
	n, ok := inv.NNI(&ixapi.NetworkService{ID: "ns-cloud-1"}, nil, 2)
	if !ok || n.Device != "fra2-sw1" || n.Ethertype != switchcfg.TPIDService {
		t.Errorf("NNI: %+v", n)
	}
	d, _ := inv.Device("fra1-sw1")
	for k, want := range map[switchcfg.Key]bool{
		{Kind: switchcfg.KindInterface, Name: "Ethernet1"}:          true,
		{Kind: switchcfg.KindInterface, Name: "Ethernet49"}:         false,
		{Kind: switchcfg.KindCircuit, Name: "Ethernet48", Unit: 1}:  true,
		{Kind: switchcfg.KindLAG, Name: "Port-Channel100"}:          true,
		{Kind: switchcfg.KindLAG, Name: "Port-Channel200"}:          false,
		{Kind: switchcfg.KindService, Name: "quarantine"}:           true,
		{Kind: switchcfg.KindService, Name: "default"}:              false,
		{Kind: switchcfg.KindService, Name: switchcfg.Prefix + "1"}: true,
	} {
		if d.Scope().Covers(k) != want {
			t.Errorf("scope covers %s: %t", k, !want)
		}
	}
}

func TestOverridesReplacePartsOfTheProfile(t *testing.T) {
	text := strings.Replace(minimal, "credentials: lab}", "credentials: lab, capabilities: {encapsulations: [port, qinq, stag, whole], tpids: [0x88a8], tpid_scope: circuit, services: [lan], lacp: false, mac_limit: true, max_filter_macs: 4}}", 1)
	c, err := Parse("c.yaml", []byte(text), nil, testDrivers())
	if err != nil {
		t.Fatal(report(err))
	}
	caps := c.Inventory.Devices[0].Capabilities()
	if caps.Form(switchcfg.Single) || !caps.Form(switchcfg.Double) || !caps.Form(switchcfg.Stacked) || !caps.Form(switchcfg.Whole) || caps.TPID(switchcfg.TPIDCustomer) || caps.TPIDScope != "circuit" ||
		caps.Service(switchcfg.ServiceTree) || caps.LACP || !caps.MACLimit || caps.Limits.FilterMACs != 4 || !caps.Filters {
		t.Errorf("capabilities: %+v", caps)
	}
}

// BenchmarkLoad loads an inventory of 1,000 devices with 96 ports each.
func BenchmarkLoad(b *testing.B) {
	var text strings.Builder
	text.WriteString(minimal[:strings.Index(minimal, "inventory:")])
	text.WriteString("inventory:\n  devices:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "    - name: sw%d\n      driver: openconfig\n      address: 10.0.%d.%d\n      credentials: lab\n      ports:\n", i, i/250, i%250)
		for j := range 96 {
			fmt.Fprintf(&text, "        - {id: port-%d-%d, interface: Ethernet%d}\n", i, j, j+1)
		}
	}
	known := testDrivers()
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		c, err := Parse("c.yaml", []byte(text.String()), nil, known)
		if err != nil || len(c.Inventory.Devices) != 1000 {
			b.Fatal(err)
		}
	}
}

func TestWebConfigurationIsCheckedBeforeUse(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ixagent.yaml"), "listen: 0.0.0.0:9809\nweb_config: web.yaml\n"+minimal, 0o644)
	c := load(t, dir)
	at := filepath.Join(dir, "ixagent.yaml:2:13") + ": " + filepath.Join(dir, "web.yaml") + ": "
	if err := c.CheckWeb(); err == nil || err.Error() != at+"no such file or directory" {
		t.Errorf("no file: %v", err)
	}
	for text, want := range map[string]string{
		"basic_auth_users: {noc: $2y$05$XFNWGQy9VG8V5qJGbmAzOeBwdSyqkNmGCqhnIrwqIrmYyXyeVzgi6}\n": "",
		"basic_auth_users: {}\n":                         "anybody who reaches 0.0.0.0 could",
		"basic_auth_users: {noc: plain}\n":               "too short to be a bcrypted password",
		"basic_auth_user: {}\n":                          "field basic_auth_user not found",
		"tls_server_config: {cert_file: c, key_file: k}": "no such file",
	} {
		write(t, filepath.Join(dir, "web.yaml"), text, 0o600)
		switch err := c.CheckWeb(); {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (err == nil || !strings.HasPrefix(err.Error(), at) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%s: %v, want %s... %s", text, err, at, want)
		}
	}
}

func TestWebConfigurationSaysWhetherItAsksWhoComes(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ixagent.yaml"), minimal+"\nweb_config: web.yaml\n", 0o644)
	c := load(t, dir)
	for text, want := range map[string]bool{
		"":                                   false,
		"basic_auth_users: {moon: $2y$10$x}": true,
		"basic_auth_users: {}":               false,
		"tls_server_config: {client_auth_type: RequireAndVerifyClientCert}": true,
		"tls_server_config: {client_auth_type: RequestClientCert}":          false,
	} {
		write(t, filepath.Join(dir, "web.yaml"), text, 0o644)
		if got, err := c.AsksWho(); got != want || err != nil {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "web.yaml")); err != nil {
		t.Fatal(err)
	}
	if got, err := c.AsksWho(); got || err == nil {
		t.Error("without the file nobody is asked, and no error says so")
	}
}
