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
	"time"

	"golang.org/x/crypto/ssh"
	"google.golang.org/grpc/codes"

	"github.com/ixagent/ixagent/lab/cli"
	"github.com/ixagent/ixagent/lab/exchange"
	"github.com/ixagent/ixagent/lab/exchange/fabric"
	"github.com/ixagent/ixagent/lab/exchange/ixpmanager"
	"github.com/ixagent/ixagent/lab/switchd"
)

// Loopback is the address that the exchange and the switches listen on.
const Loopback = "127.0.0.1"

// Options say what a sandbox is made of.
type Options struct {
	// Dir receives the secrets: tls/ca.pem, which has signed the certificates of the exchange and the switches,
	// tls/ixagent.pem and tls/ixagent-key.pem, secrets/exchange-key, secrets/exchange-secret, secrets/exchange-token,
	// secrets/ixpmanager-key, secrets/switch-password, and ssh/known_hosts with the switches that have a command line. With
	// a customer it receives secrets/customer-key and secrets/customer-secret, too, and with Fabric secrets/fabric-USER, the
	// secret of each user, and secrets/fabric-client, the operator's name.
	Dir      string
	Secret   switchd.Secret    // of the switches; a fresh one when it is empty
	Records  fs.FS             // of the exchange, see [exchange.Options]
	Customer string            // account at the exchange that may order; "" for none
	Fabric   *fabric.Set       // what the exchange has beside Records, as Fabric has it; nil for nothing
	Counters exchange.Counters // of the switches, for the exchange's statistics; nil for none
	Minute   time.Duration     // of switches that count in minutes, see [NewDevice]
	Logger   *slog.Logger      // nobody is told anything when it is nil
}

// Sandbox is an exchange and switches that run.
type Sandbox struct {
	Exchange *exchange.Server
	Customer exchange.Credential // of the account that may order
	Users    []fabric.User       // who may log in at Fabric
	Token    string              // of the exchange's operator, that the agent posts results with, and takes events with
	Switches map[string]*Switch

	server *tls.Config
	secret switchd.Secret
	minute time.Duration
	hosts  string // file of known hosts
	log    *slog.Logger
}

// Switch is a lab switch and how it misbehaves.
type Switch struct {
	*switchd.Switch
	Faults *switchd.Faults

	// Of one with a command line:
	Device cli.Device
	SSH    *cli.Server
	Lines  *cli.Faults
}

// Close ends all sessions and waits for them.
func (s *Switch) Close() {
	s.Switch.Close()
	if s.SSH != nil {
		s.SSH.Close()
	}
}

// Reboot loses what is not confirmed, and cuts all sessions.
func (s *Switch) Reboot() {
	if s.Device != nil {
		s.Device.Reboot()
		return
	}
	s.Switch.Reboot()
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
	s := &Sandbox{
		Token:    rand.Text(),
		Switches: make(map[string]*Switch), server: &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: ca.Pool()},
		secret: secret, minute: o.Minute, hosts: filepath.Join(o.Dir, "ssh", "known_hosts"), log: o.Logger,
	}
	manager := rand.Text()
	credentials := []exchange.Credential{api}
	files := map[string]string{"exchange-key": api.Key, "exchange-secret": api.Secret, "exchange-token": s.Token, "ixpmanager-key": manager, "switch-password": secret.Password()}
	if o.Customer != "" {
		s.Customer = exchange.Credential{Key: "customer", Secret: rand.Text(), Account: o.Customer}
		credentials = append(credentials, s.Customer)
		files["customer-key"], files["customer-secret"] = s.Customer.Key, s.Customer.Secret
	}
	if o.Fabric != nil {
		for _, u := range o.Fabric.Users {
			u.ClientSecret = rand.Text()
			s.Users = append(s.Users, u)
			files["fabric-"+u.ClientID] = u.ClientSecret
			if u.Account == 0 {
				files["fabric-client"] = u.ClientID
			}
		}
	}
	if err := writeSecrets(o.Dir, ca, files); err != nil {
		return nil, err
	}
	records, err := fabric.Open("")
	if err != nil {
		return nil, err
	}
	s.Exchange, err = exchange.New(exchange.Options{
		Data: o.Records, Store: records, Credentials: credentials, Tokens: []string{s.Token}, TLS: s.server, Logger: o.Logger, Reported: o.Customer != "",
		Counters: o.Counters,
	})
	if err != nil {
		return nil, err
	}
	s.Exchange.Mount(ixpmanager.Prefix, ixpmanager.Handler(s.Exchange.Store(), manager))
	if o.Fabric != nil {
		if err := errors.Join(o.Fabric.Put(records), fabric.Attach(s.Exchange, fabric.Options{Users: s.Users, Reported: true, Logger: o.Logger})); err != nil {
			return nil, err
		}
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
		o.Users = map[string]string{switchd.SecretUser: s.secret.Password()}
	}
	if !client.Certificate {
		o.TLS.ClientCAs = nil
	}
	sw, err := switchd.New(o)
	if err != nil {
		return nil, err
	}
	sw.Start()
	s.Switches[name] = &Switch{Switch: sw, Faults: o.Faults}
	return s.Switches[name], nil
}

// AddCommandLine starts a switch that is configured by the command line of a network operating system, as [NewDevice]
// knows them. Its user is [switchd.SecretUser] with the password of the secret.
func (s *Sandbox) AddCommandLine(name string, ports []string, nos string) (*Switch, error) {
	sw := &Switch{Faults: new(switchd.Faults), Lines: new(cli.Faults)}
	var err error
	if sw.Device, err = NewDevice(nos, name, ports, s.minute, func() { sw.SSH.Cut() }); err != nil {
		return nil, err
	}
	users := map[string]string{switchd.SecretUser: s.secret.Password()}
	sw.Switch, err = switchd.New(switchd.Options{
		Name: name, Listen: Loopback + ":0", Ports: ports, TLS: s.server.Clone(), Users: users, Faults: sw.Faults, Logger: s.log,
		Native: sw.Device.Native(),
	})
	if err != nil {
		return nil, err
	}
	key, err := ssh.NewSignerFromKey(s.secret.HostKey(name))
	if err == nil {
		sw.SSH, err = cli.New(cli.Options{
			Name: name, Listen: Loopback + ":0", NOS: sw.Device, HostKey: key, Users: users, Faults: sw.Lines, Logger: s.log,
		})
	}
	if err == nil {
		err = sw.Device.Attach(sw.Switch)
	}
	if err == nil {
		err = s.know(sw.SSH.KnownHost())
	}
	if err != nil {
		sw.Close()
		return nil, err
	}
	sw.Start()
	sw.SSH.Start()
	s.Switches[name] = sw
	return sw, nil
}

// know adds a line to the file of known hosts.
func (s *Sandbox) know(line string) (err error) {
	if err := os.MkdirAll(filepath.Dir(s.hosts), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(s.hosts, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.WriteString(line)
	return err
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
		if sw.Lines != nil {
			sw.Lines.Clear()
		}
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

// writeSecrets writes what an agent needs to know, and others must not: its certificate, and secrets by name.
func writeSecrets(dir string, ca *switchd.Authority, secrets map[string]string) error {
	client, err := ca.Issue("ixagent")
	if err != nil {
		return err
	}
	cert, key, err := switchd.EncodePEM(client)
	if err != nil {
		return err
	}
	files := map[string][]byte{"tls/ca.pem": ca.PEM(), "tls/ixagent.pem": cert, "tls/ixagent-key.pem": key}
	for name, text := range secrets {
		files["secrets/"+name] = []byte(text)
	}
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
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
