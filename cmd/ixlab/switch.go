package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
	"github.com/ixagent/ixagent/lab/sandbox"
	"github.com/ixagent/ixagent/lab/switchd"
)

func newSwitch() *cobra.Command {
	var o switchd.Options
	var ports int
	var cert, certKey, clientCA, writeCA string
	var users, cores []string
	var wires bool
	var secret, tunnel string
	var line commandLine
	c := &cobra.Command{
		Use:   "switch",
		Short: "Run one lab switch",
		Long: `Run one lab switch, an OpenConfig configuration behind a gNMI server over TLS, until it is interrupted. The address
is printed once it answers.

Clients prove themselves by a name and password (--user), by a certificate (--client-ca), or by both. Without
--tls-cert the switch makes itself a certificate, and --write-ca writes what clients verify it with. In a lab a secret
takes the place of all of these: whoever knows it can make certificates that the lab's switches accept, and its password.

With --cli the switch is configured by the command line of a network operating system instead, over SSH at the address
--ssh, by the same users and passwords. Its gNMI server then only shows.

With --wires the switch forwards frames as it is configured, between the network interfaces of the namespace it runs in,
and over VXLAN to the switches behind its core interfaces. It needs CAP_NET_ADMIN and CAP_NET_RAW.`,
		Example: `  ixlab switch --name sw1 --listen 127.0.0.1:0 --ports 48 --user admin:admin --write-ca sw1-ca.pem
  ixlab switch --listen :9339 --wires --tunnel 10.255.0.1 --core core1=10.255.0.2 --user admin:admin
  ixlab switch --name sw1 --listen 127.0.0.1:0 --cli eos --ssh 127.0.0.1:0 --user admin:admin --known-hosts hosts
  ixlab switch --listen 127.0.0.1:0 --tls-cert sw1.pem --tls-key sw1-key.pem --client-ca ca.pem`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if o.Users, err = parseUsers(users); err != nil {
				return err
			}
			if o.Name == "" {
				if o.Name, err = os.Hostname(); err != nil {
					return err
				}
			}
			if secret == "" && len(users) == 0 && clientCA == "" {
				secret = os.Getenv(switchd.SecretVariable)
			}
			switch {
			case secret != "":
				lab := switchd.Secret(secret)
				o.Users = map[string]string{switchd.SecretUser: lab.Password()}
				o.TLS, err = secretTLS(lab, o.Name)
			case len(users) == 0 && clientCA == "":
				return errors.New("needs --user, --client-ca or a secret of the lab")
			default:
				o.TLS, err = serverTLS(o.Listen, cert, certKey, clientCA, writeCA)
			}
			if err != nil {
				return err
			}
			o.Ports, o.Logger = sandbox.DevicePorts(line.nos, ports), logger(c)
			if err := line.make(&o, switchd.Secret(secret)); err != nil {
				return err
			}
			defer line.close()
			if wires {
				return runWired(c, o, &line, tunnel, cores)
			}
			s, err := switchd.New(o)
			if err != nil {
				return err
			}
			defer s.Close()
			s.Start()
			if err := line.start(c, s); err != nil {
				return err
			}
			if _, err := fmt.Fprintf(c.OutOrStdout(), "%s serves gNMI at %s\n", o.Name, s.Addr()); err != nil {
				return err
			}
			<-c.Context().Done()
			return nil
		},
	}
	c.AddCommand(newSwitchShow(), newSwitchHarm())
	f := c.Flags()
	f.StringVar(&o.Name, "name", "", "name of the switch (default the name of the host)")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:9339", "TCP `address`; port 0 takes a free one")
	f.IntVar(&ports, "ports", switchPorts, "number of physical interfaces, Ethernet1 and up, of junos xe-0/0/0 and up")
	f.StringArrayVar(&users, "user", nil, "`name:password` that may log in; may be repeated")
	f.StringVar(&cert, "tls-cert", "", "PEM `file` of the switch's certificate")
	f.StringVar(&certKey, "tls-key", "", "PEM `file` of its key")
	f.StringVar(&clientCA, "client-ca", "", "PEM `file` of the authority whose certificates clients must show")
	f.StringVar(&writeCA, "write-ca", "", "write the authority of a certificate that the switch makes to this `file`")
	f.StringVar(&secret, "secret", "", "secret of the lab, instead of users and certificates (default $"+switchd.SecretVariable+")")
	line.flags(f)
	f.BoolVar(&wires, "wires", false, "forward frames: the port N, counted from 1, is the network interface eth<N>, as soon as it appears")
	f.StringVar(&tunnel, "tunnel", "", "`address` of this switch towards the other switches")
	f.StringArrayVar(&cores, "core", nil, "`interface=address,...`: tunnel addresses of switches behind a core interface; may be repeated")
	c.MarkFlagsRequiredTogether("tls-cert", "tls-key")
	c.MarkFlagsRequiredTogether("cli", "ssh")
	c.MarkFlagsMutuallyExclusive("tls-cert", "write-ca")
	c.MarkFlagsMutuallyExclusive("secret", "user")
	c.MarkFlagsMutuallyExclusive("secret", "client-ca")
	c.MarkFlagsMutuallyExclusive("secret", "tls-cert")
	c.MarkFlagsMutuallyExclusive("secret", "write-ca")
	return c
}

// runWired runs a switch whose ports are network interfaces, until it is interrupted.
func runWired(c *cobra.Command, o switchd.Options, line *commandLine, tunnel string, cores []string) (err error) {
	links, err := parseCores(cores)
	if err != nil {
		return err
	}
	var s atomic.Pointer[switchd.Switch]
	conf := dataplane.Options{Logger: o.Logger, Changed: func() {
		if s := s.Load(); s != nil {
			s.Refresh()
		}
	}}
	if tunnel != "" {
		if conf.Tunnel, err = netip.ParseAddr(tunnel); err != nil {
			return fmt.Errorf("--tunnel: %w", err)
		}
		end, err := tunnelEnd(conf.Tunnel)
		if err != nil {
			return err
		}
		defer end.Close()
		conf.Tunnels = end
	}
	o.Plane = dataplane.New(conf)
	defer func() { err = errors.Join(err, o.Plane.Close()) }()
	w := newWiring(o.Plane, o.Ports, conf.Tunnel, links, o.Logger)
	defer w.close()
	sw, err := switchd.New(o)
	if err != nil {
		return err
	}
	defer sw.Close()
	s.Store(sw)
	defer sw.OnCommit(w.commit)()
	sw.Start()
	if err := line.start(c, sw); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.OutOrStdout(), "%s serves gNMI at %s\n", o.Name, sw.Addr()); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(c.Context())
	group.Go(func() error { return wire.Watch(ctx, w.link) })
	group.Go(func() error { return serveControl(ctx, o.Plane, sw) })
	return group.Wait()
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
