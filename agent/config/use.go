package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/exporter-toolkit/web"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/ecx"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/rest"
	"github.com/ixagent/ixagent/models/secret"
)

// Config reads the files that t names. A nil TLS gives a configuration that trusts the system's roots. The error
// is a [Fault].
func (t *TLS) Config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t == nil {
		return c, nil
	}
	c.ServerName = t.ServerName
	c.InsecureSkipVerify = t.InsecureSkipVerify
	if !t.CA.IsZero() {
		pem, err := os.ReadFile(t.CA.name)
		if err != nil {
			return nil, t.CA.fault(plain(err))
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, t.CA.fault(errors.New("the file holds no PEM certificate"))
		}
	}
	if !t.Cert.IsZero() {
		cert, err := os.ReadFile(t.Cert.name)
		if err != nil {
			return nil, t.Cert.fault(plain(err))
		}
		key, err := readSecret(t.Key.name)
		if err != nil {
			return nil, t.Key.fault(err)
		}
		pair, err := tls.X509KeyPair(cert, []byte(key))
		if err != nil {
			return nil, t.Cert.fault(err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func (p Path) fault(err error) Fault {
	f := Fault{Position: p.at, Message: fmt.Sprintf("%s: %v", p.name, err)}
	if errors.Is(err, errExposed) {
		f.Hint = "chmod 600 " + p.name
	}
	return f
}

// Client returns what an ixapi source is read with, its secrets fetched. The error is a [Fault] or [Faults].
func (s *Source) Client() (ixapi.Options, error) {
	o := ixapi.Options{BaseURL: s.URL}
	config, key, word, err := s.trust()
	o.TLS.Config = config
	switch s.authType() {
	case AuthToken:
		o.Auth = ixapi.TokenLogin{Key: key.Reveal(), Secret: word}
	case AuthOAuth2:
		o.Auth = ixapi.ClientCredentials{TokenURL: s.Auth.TokenURL, ID: key.Reveal(), Secret: word, Scopes: s.Auth.Scopes}
	case AuthStatic:
		o.Auth = ixapi.StaticToken{Token: word}
	}
	return o, err
}

// trust returns how the server of a source is verified, and the key and the secret that the agent proves itself with. The
// error is a [Fault] or [Faults].
func (s *Source) trust() (config *tls.Config, key, word secret.Text, err error) {
	var faults Faults
	config, err = s.TLS.Config()
	faults.add(err)
	if s.Auth != nil {
		key, err = s.Auth.Key.Resolve()
		faults.add(err)
		word, err = s.Auth.Secret.Resolve()
		faults.add(err)
	}
	return config, key, word, faults.err()
}

// authType returns how the agent proves itself to a source, "" if it does not.
func (s *Source) authType() AuthType {
	if s.Auth == nil {
		return ""
	}
	return s.Auth.Type
}

// Fabric returns what an ecx source is read with, its secrets fetched. The error is a [Fault] or [Faults].
func (s *Source) Fabric() (ecx.Options, error) {
	o := ecx.Options{Options: rest.Options{BaseURL: s.URL}}
	config, key, word, err := s.trust()
	o.TLS.Config = config
	switch s.authType() {
	case AuthOAuth2:
		o.Auth = ecx.ClientCredentials(key.Reveal(), word)
	case AuthStatic:
		o.Auth = rest.StaticToken(word)
	}
	return o, err
}

// Session returns what a session with d is opened with, its password fetched and its TLS files read. The error
// is a [Fault] or [Faults].
func (c *Config) Session(d *Device) (drivers.Device, error) {
	s := drivers.Device{Name: d.Name, Address: d.Address.String(), Capabilities: d.Capabilities(), Timeout: d.Timeout}
	cred := c.Credentials[d.Credentials]
	var faults Faults
	var err error
	s.Username = cred.Username
	s.Password, err = cred.Password.Resolve()
	faults.add(err)
	switch d.derived.transport {
	case "gnmi":
		s.TLS, err = cred.TLS.Config()
		faults.add(err)
	case "ssh":
		s.SSH, err = c.ssh(cred.SSH)
		faults.add(err)
	}
	return s, faults.err()
}

// ssh reads the files that s names, and those of its jump host. The error is a [Fault] or [Faults].
func (c *Config) ssh(s *SSH) (*drivers.SSH, error) {
	if s == nil {
		return nil, nil
	}
	out := &drivers.SSH{HostKeys: s.HostKeys, AnyHostKey: s.InsecureIgnoreHostKey, Agent: s.Agent.name}
	var faults Faults
	if !s.KnownHosts.IsZero() {
		text, err := os.ReadFile(s.KnownHosts.name)
		if err != nil {
			faults.add(s.KnownHosts.fault(plain(err)))
		}
		out.KnownHosts = text
	}
	if !s.Key.IsZero() {
		key, err := readSecret(s.Key.name)
		if err != nil {
			faults.add(s.Key.fault(err))
		}
		out.Key = secret.New(key)
	}
	var err error
	out.Passphrase, err = s.Passphrase.Resolve()
	faults.add(err)
	if s.Jump != nil {
		cred := c.Credentials[s.Jump.Credentials]
		out.Jump = &drivers.Jump{Address: s.Jump.Address.String(), Username: cred.Username}
		out.Jump.Password, err = cred.Password.Resolve()
		faults.add(err)
		way, err := c.ssh(cred.SSH)
		faults.add(err)
		if way != nil {
			out.Jump.SSH = *way
		}
	}
	return out, faults.err()
}

// CheckWeb reads the file that web_config names, if there is one, and the TLS files named in it. Beyond loopback it
// must ask everybody who they are. The error is a [Fault].
func (c *Config) CheckWeb() error {
	if c.WebConfig.IsZero() {
		return nil
	}
	if err := c.checkWeb(); err != nil {
		// Errors of YAML have a line each. A fault is one line.
		return c.WebConfig.fault(errors.New(strings.Join(strings.Fields(plain(err).Error()), " ")))
	}
	return nil
}

func (c *Config) checkWeb() error {
	if err := web.Validate(c.WebConfig.name); err != nil || c.Listen.Addr().IsLoopback() {
		return err
	}
	w, err := readWeb(c.WebConfig.name)
	if err != nil {
		return err
	}
	if len(w.Users) == 0 && w.TLS.Client != "RequireAndVerifyClientCert" {
		return fmt.Errorf("anybody who reaches %s could read all and reload the agent, for it has neither basic_auth_users nor client_auth_type: RequireAndVerifyClientCert", c.Listen.Addr())
	}
	return nil
}

// webConfig is what the agent has to know of a web configuration.
type webConfig struct {
	Users map[string]any `yaml:"basic_auth_users"`
	TLS   struct {
		Client string `yaml:"client_auth_type"`
	} `yaml:"tls_server_config"`
}

func readWeb(path string) (w webConfig, err error) {
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, &w)
	}
	return w, err
}

// WebUser reports whether the web configuration in a file has a user of that name, and so asks everybody for the
// name and password of one.
func WebUser(path, name string) (bool, error) {
	w, err := readWeb(path)
	_, is := w.Users[name]
	return is, err
}

// CheckFiles fetches every secret and reads every TLS file and source folder that c names, and forgets them. The
// error is [Faults].
func (c *Config) CheckFiles() error {
	var faults Faults
	faults.add(c.CheckWeb())
	for _, s := range c.Sources {
		switch s.Type {
		case SourceIXAPI:
			_, err := s.Client()
			faults.add(err)
		case SourceECX:
			_, err := s.Fabric()
			faults.add(err)
		case SourceIXPManager:
			_, err := s.IXPManager()
			faults.add(err)
		case SourceFile:
			if info, err := os.Stat(s.Path.name); err != nil {
				faults.add(s.Path.fault(plain(err)))
			} else if !info.IsDir() {
				faults.add(s.Path.fault(errors.New("not a folder")))
			}
		}
	}
	_, err := c.Events.Token.Resolve()
	faults.add(err)
	if w := c.Report.Webhook; w != nil {
		_, err := w.Token.Resolve()
		faults.add(err)
		_, err = w.TLS.Config()
		faults.add(err)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Credentials)) {
		_, err := c.Credentials[name].Password.Resolve()
		faults.add(err)
		_, err = c.Credentials[name].TLS.Config()
		faults.add(err)
		_, err = c.ssh(c.Credentials[name].SSH)
		faults.add(err)
	}
	return faults.err()
}

// AsksWho reports whether the web configuration asks everybody for the name and password of a user, or for a
// certificate. It is read anew.
func (c *Config) AsksWho() (bool, error) {
	if c.WebConfig.IsZero() {
		return false, nil
	}
	w, err := readWeb(c.WebConfig.name)
	return len(w.Users) > 0 || w.TLS.Client == "RequireAndVerifyClientCert", err
}
