package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/lab/switchd"
)

func newSwitch() *cobra.Command {
	var o switchd.Options
	var ports int
	var cert, certKey, clientCA, writeCA string
	var users []string
	c := &cobra.Command{
		Use:   "switch",
		Short: "Run one lab switch",
		Long: `Run one lab switch, an OpenConfig configuration behind a gNMI server over TLS, until it is interrupted. The address
is printed once it answers.

Clients prove themselves by a name and password (--user), by a certificate (--client-ca), or by both. Without
--tls-cert the switch makes itself a certificate, and --write-ca writes what clients verify it with.`,
		Example: `  ixlab switch --name sw1 --listen 127.0.0.1:0 --ports 48 --user admin:admin --write-ca sw1-ca.pem
  ixlab switch --listen 127.0.0.1:0 --tls-cert sw1.pem --tls-key sw1-key.pem --client-ca ca.pem`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if o.Users, err = parseUsers(users); err != nil {
				return err
			}
			if o.TLS, err = serverTLS(o.Listen, cert, certKey, clientCA, writeCA); err != nil {
				return err
			}
			o.Ports, o.Logger = portNames(ports), logger(c)
			s, err := switchd.New(o)
			if err != nil {
				return err
			}
			defer s.Close()
			s.Start()
			if _, err := fmt.Fprintf(c.OutOrStdout(), "%s serves gNMI at %s\n", o.Name, s.Addr()); err != nil {
				return err
			}
			<-c.Context().Done()
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&o.Name, "name", "sw1", "name of the switch")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:9339", "TCP `address`; port 0 takes a free one")
	f.IntVar(&ports, "ports", switchPorts, "number of physical interfaces, Ethernet1 and up")
	f.StringArrayVar(&users, "user", nil, "`name:password` that may log in; may be repeated")
	f.StringVar(&cert, "tls-cert", "", "PEM `file` of the switch's certificate")
	f.StringVar(&certKey, "tls-key", "", "PEM `file` of its key")
	f.StringVar(&clientCA, "client-ca", "", "PEM `file` of the authority whose certificates clients must show")
	f.StringVar(&writeCA, "write-ca", "", "write the authority of a certificate that the switch makes to this `file`")
	c.MarkFlagsRequiredTogether("tls-cert", "tls-key")
	c.MarkFlagsMutuallyExclusive("tls-cert", "write-ca")
	c.MarkFlagsOneRequired("user", "client-ca")
	return c
}

func parseUsers(pairs []string) (map[string]string, error) {
	users := make(map[string]string, len(pairs))
	for _, p := range pairs {
		name, password, ok := strings.Cut(p, ":")
		if !ok || name == "" || password == "" {
			return nil, errors.New("--user wants name:password")
		}
		users[name] = password
	}
	return users, nil
}

// serverTLS reads a certificate or makes one, good for localhost and the host of the address.
func serverTLS(listen, cert, key, clientCA, writeCA string) (*tls.Config, error) {
	conf := new(tls.Config)
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		conf.Certificates = []tls.Certificate{pair}
	} else {
		names := []string{"localhost", "127.0.0.1", "::1"}
		if host, _, err := net.SplitHostPort(listen); err == nil && host != "" {
			names = append(names, host)
		}
		ca, err := switchd.NewAuthority()
		if err != nil {
			return nil, err
		}
		pair, err := ca.Issue(names...)
		if err != nil {
			return nil, err
		}
		conf.Certificates = []tls.Certificate{pair}
		if writeCA != "" {
			if err := os.WriteFile(writeCA, ca.PEM(), 0o644); err != nil {
				return nil, err
			}
		}
	}
	if clientCA != "" {
		text, err := os.ReadFile(clientCA)
		if err != nil {
			return nil, err
		}
		conf.ClientCAs = x509.NewCertPool()
		if !conf.ClientCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s: the file holds no PEM certificate", clientCA)
		}
	}
	return conf, nil
}
