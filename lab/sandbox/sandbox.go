// Package sandbox is an exchange with its switches on the loopback interface, and the secrets that an agent needs for
// them in a folder.
package sandbox

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"

	"google.golang.org/grpc/codes"

	"github.com/ixagent/ixagent/lab/exchange"
	"github.com/ixagent/ixagent/lab/switchd"
)

// Loopback is the address that the exchange and the switches listen on.
const Loopback = "127.0.0.1"

// Options say what a sandbox is made of.
type Options struct {
	// Dir receives the secrets: tls/ca.pem, which has signed the certificates of the exchange and the switches,
	// tls/ixagent.pem and tls/ixagent-key.pem, secrets/exchange-key, secrets/exchange-secret and
	// secrets/switch-password.
	Dir     string
	Secret  switchd.Secret // of the switches; a fresh one when it is empty
	Records fs.FS          // of the exchange, see [exchange.Options]
	Logger  *slog.Logger   // nobody is told anything when it is nil
}

// Sandbox is an exchange and switches that run.
type Sandbox struct {
	Exchange *exchange.Server
	Switches map[string]*Switch

	server   *tls.Config
	password string
	log      *slog.Logger
}

// Switch is a lab switch and how it misbehaves.
type Switch struct {
	*switchd.Switch
	Faults *switchd.Faults
}

// Client is how a switch wants its clients to prove who they are: by one of these at least.
type Client struct {
	Password    bool // as [switchd.SecretUser]
	Certificate bool
}

// Start starts the exchange. Close must be called.
func Start(o Options) (*Sandbox, error) {
	secret := o.Secret
	if secret == "" {
		secret = switchd.Secret(rand.Text())
	}
	ca, err := secret.Authority()
	if err != nil {
		return nil, err
	}
	cert, err := ca.Issue(Loopback)
	if err != nil {
		return nil, err
	}
	api := exchange.Credential{Key: "lab", Secret: rand.Text()}
	if err := writeSecrets(o.Dir, ca, secret.Password(), api); err != nil {
		return nil, err
	}
	s := &Sandbox{
		Switches: make(map[string]*Switch), server: &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: ca.Pool()},
		password: secret.Password(), log: o.Logger,
	}
	s.Exchange, err = exchange.New(exchange.Options{Data: o.Records, Credentials: []exchange.Credential{api}, TLS: s.server, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	if err := s.Exchange.Start(); err != nil {
		return nil, err
	}
	return s, nil
}

// AddSwitch starts a switch.
func (s *Sandbox) AddSwitch(name string, ports []string, client Client) (*Switch, error) {
	o := switchd.Options{Name: name, Listen: Loopback + ":0", Ports: ports, TLS: s.server.Clone(), Faults: new(switchd.Faults), Logger: s.log}
	if client.Password {
		o.Users = map[string]string{switchd.SecretUser: s.password}
	}
	if !client.Certificate {
		o.TLS.ClientCAs = nil
	}
	sw, err := switchd.New(o)
	if err != nil {
		return nil, err
	}
	sw.Start()
	s.Switches[name] = &Switch{sw, o.Faults}
	return s.Switches[name], nil
}

// Patch replaces fields of a record at the exchange.
func (s *Sandbox) Patch(collection, id string, fields map[string]any) error {
	text, err := s.Exchange.Get(collection, id)
	if err != nil {
		return err
	}
	var record map[string]any
	if err := json.Unmarshal(text, &record); err != nil {
		return err
	}
	maps.Copy(record, fields)
	if text, err = json.Marshal(record); err != nil {
		return err
	}
	return s.Exchange.Put(collection, text)
}

// ClearFaults lets everything behave again.
func (s *Sandbox) ClearFaults() error {
	s.Exchange.ClearFaults()
	var errs []error
	for _, sw := range s.Switches {
		sw.Faults.RefuseSets(0, codes.OK)
		sw.Faults.Release()
		sw.Faults.DropBeforeCommit(0)
		sw.Faults.DropAfterCommit(0)
		sw.Faults.TruncateGets(0)
		sw.Faults.UndoSets(0)
		sw.Faults.IgnoreCommitExtension(false)
		errs = append(errs, sw.Harm(""))
	}
	return errors.Join(errs...)
}

// Close stops everything and waits for it.
func (s *Sandbox) Close() error {
	for _, sw := range s.Switches {
		sw.Close()
	}
	return s.Exchange.Close()
}

func writeSecrets(dir string, ca *switchd.Authority, password string, api exchange.Credential) error {
	client, err := ca.Issue("ixagent")
	if err != nil {
		return err
	}
	cert, key, err := switchd.EncodePEM(client)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		text []byte
	}{
		{"tls/ca.pem", ca.PEM()},
		{"tls/ixagent.pem", cert},
		{"tls/ixagent-key.pem", key},
		{"secrets/exchange-key", []byte(api.Key)},
		{"secrets/exchange-secret", []byte(api.Secret)},
		{"secrets/switch-password", []byte(password)},
	} {
		path := filepath.Join(dir, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// PortNames returns Ethernet1 to Ethernet<n>.
func PortNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("Ethernet%d", i+1)
	}
	return names
}
