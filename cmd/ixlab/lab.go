package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/all"
	"github.com/ixagent/ixagent/lab/exchange"
	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
	"github.com/ixagent/ixagent/testdata"
)

const loopback = "127.0.0.1"

// lab is the exchange of a data set with all its switches, in this process and on the loopback interface, and the
// configuration of an agent for them in a folder.
type lab struct {
	path     string // of the configuration
	config   *config.Config
	drivers  drivers.Registry
	exchange *exchange.Server
	switches map[string]*switchd.Switch
	faults   map[string]*switchd.Faults
}

// newLab starts the lab of a data set and writes what an agent needs for it to dir. Close must be called.
func newLab(ctx context.Context, set, dir string, log *slog.Logger) (*lab, error) {
	l := &lab{
		path: filepath.Join(dir, "ixagent.yaml"), drivers: all.Registry(),
		switches: make(map[string]*switchd.Switch), faults: make(map[string]*switchd.Faults),
	}
	if err := l.start(ctx, set, dir, log); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *lab) start(ctx context.Context, set, dir string, log *slog.Logger) error {
	text, err := testdata.Config(set)
	if err != nil {
		return err
	}
	draft, err := config.Parse(l.path, text, nil, l.drivers)
	if err != nil {
		return err
	}
	ca, err := switchd.NewAuthority()
	if err != nil {
		return err
	}
	cert, err := ca.Issue(loopback)
	if err != nil {
		return err
	}
	server := &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: ca.Pool()}
	api := exchange.Credential{Key: "lab", Secret: rand.Text()}
	if err := writeSecrets(dir, ca, api); err != nil {
		return err
	}
	records, err := testdata.Exchange(set)
	if err != nil {
		return err
	}
	if l.exchange, err = exchange.New(exchange.Options{Data: records, Credentials: []exchange.Credential{api}, TLS: server, Logger: log}); err != nil {
		return err
	}
	if err := l.exchange.Start(); err != nil {
		return err
	}
	moved := []string{draft.Sources[0].URL, l.exchange.URL()}
	for _, d := range draft.Inventory.Devices {
		s, err := l.startSwitch(ctx, draft, d, server, log)
		if err != nil {
			return err
		}
		moved = append(moved, d.Address.String(), s.Addr().String())
	}
	if err := os.WriteFile(l.path, []byte(strings.NewReplacer(moved...).Replace(string(text))), 0o600); err != nil {
		return err
	}
	l.config, err = config.Load(l.path, l.drivers)
	return err
}

// startSwitch starts the switch that d describes: it asks its clients for what the agent will show.
func (l *lab) startSwitch(ctx context.Context, c *config.Config, d *config.Device, server *tls.Config, log *slog.Logger) (*switchd.Switch, error) {
	session, err := c.Session(d)
	if err != nil {
		return nil, err
	}
	o := switchd.Options{
		Name: d.Name, Listen: loopback + ":0", Ports: portNames(switchPorts), TLS: server.Clone(), Faults: new(switchd.Faults), Logger: log,
	}
	if session.Username != "" {
		o.Users = map[string]string{session.Username: session.Password.Reveal()}
	}
	if len(session.TLS.Certificates) == 0 {
		o.TLS.ClientCAs = nil
	}
	s, err := switchd.New(o)
	if err != nil {
		return nil, err
	}
	l.switches[d.Name], l.faults[d.Name] = s, o.Faults
	s.Start()
	session.Address = s.Addr().String()
	return s, furnish(ctx, l.drivers[d.Driver], session, handmade(&c.Inventory, d.Name))
}

// writeSecrets writes the files that the configurations of data sets name.
func writeSecrets(dir string, ca *switchd.Authority, api exchange.Credential) error {
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
		{"secrets/switch-password", []byte(rand.Text())},
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

// furnish creates objects on a switch as a person would, without the agent.
func furnish(ctx context.Context, spec drivers.Spec, device drivers.Device, objects []switchcfg.Object) error {
	if len(objects) == 0 {
		return nil
	}
	session, err := spec.Open(ctx, device)
	if err != nil {
		return err
	}
	defer session.Close()
	changes := make([]plan.Change, len(objects))
	for i, o := range objects {
		changes[i] = plan.Change{Verb: plan.Create, Key: o.Key(), After: o}
	}
	if _, err := session.Apply(ctx, changes); err != nil {
		return fmt.Errorf("configuring %s by hand: %w", device.Name, err)
	}
	return nil
}

// Close stops everything and waits for it.
func (l *lab) Close() error {
	for _, s := range l.switches {
		s.Close()
	}
	if l.exchange == nil {
		return nil
	}
	return l.exchange.Close()
}
