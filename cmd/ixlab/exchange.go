package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/lab/exchange"
	"github.com/ixagent/ixagent/lab/exchange/fabric"
	"github.com/ixagent/ixagent/testdata"
)

func newExchange() *cobra.Command {
	var set, folder, data, customers, cert, certKey string
	var o exchange.Options
	var api exchange.Credential
	c := &cobra.Command{
		Use:   "exchange",
		Short: "Run an exchange that takes orders, over IX-API v2 or ECX",
		Long: `Run an exchange that takes orders over IX-API v2 or ECX, until it is interrupted. The address is printed once it answers.

It begins with a data set, or with a folder of records that has a JSON array for each collection, named as its API path:
connections.json. With --data what is ordered is on disk before it is acknowledged, and still there at the next start,
which then begins with nothing else.

The set ecx has nothing of IX-API: it serves ECX, Equinix Fabric v4, and says who may log in there and what there is.

Without --key everybody is let in as the exchange's operator of IX-API. The file of --customers has a line for each customer: key,
secret and account, with spaces between them. Without --tls-cert it speaks plain HTTP.`,
		Example: `  ixlab exchange --set market --listen 127.0.0.1:0 --data exchange
  ixlab exchange --set market --listen 127.0.0.1:0 --customers customers --key operator --secret moon --accept-terms
  ixlab exchange --set ecx --listen 127.0.0.1:0
  ixlab exchange --records records --listen 127.0.0.1:0 --key operator --secret moon`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if o.Data, err = records(set, folder); err != nil {
				return err
			}
			if data != "" {
				if err := os.MkdirAll(data, 0o700); err != nil {
					return err
				}
				data = filepath.Join(data, "exchange.db")
			}
			if o.Store, err = fabric.Open(data); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, o.Store.Close()) }()
			if customers != "" {
				if o.Credentials, err = readCustomers(customers); err != nil {
					return err
				}
			}
			if cert != "" {
				pair, err := tls.LoadX509KeyPair(cert, certKey)
				if err != nil {
					return err
				}
				o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
			}
			o.Logger, o.Anonymous = logger(c), api.Key == ""
			if !o.Anonymous {
				o.Credentials = append(o.Credentials, api)
			}
			s, err := exchange.New(o)
			if err != nil {
				return err
			}
			var seed *fabric.Set
			if set == "ecx" {
				if seed, err = fabric.Metro(); err == nil {
					err = errors.Join(seed.Put(o.Store), fabric.Attach(s, fabric.Options{Users: seed.Users, Logger: o.Logger}))
				}
				if err != nil {
					return err
				}
			}
			if err := s.Start(); err != nil {
				return err
			}
			if _, err := fmt.Fprintf(c.OutOrStdout(), "exchange serves %s\n", s.URL()); err != nil {
				return err
			}
			if seed != nil {
				if _, err := fmt.Fprintf(c.OutOrStdout(), "exchange serves %s\n\n", origin(s.URL())+fabric.BasePath); err != nil {
					return err
				}
				if err := seed.Print(c.OutOrStdout()); err != nil {
					return err
				}
			}
			<-c.Context().Done()
			return s.Close()
		},
	}
	f := c.Flags()
	f.StringVar(&set, "set", "metro", "data set that comes with ixlab: metro, guide, market, which has sold nothing yet, or ecx")
	f.StringVar(&folder, "records", "", "`folder` of records instead")
	f.StringVar(&data, "data", "", "`folder` that keeps what is ordered")
	f.StringVar(&customers, "customers", "", "`file` of the keys of customers")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:8443", "TCP `address`; port 0 takes a free one")
	f.StringVar(&api.Key, "key", "", "API key that may log in")
	f.StringVar(&api.Secret, "secret", "", "its secret")
	f.BoolVar(&o.AcceptTerms, "accept-terms", false, "accept the terms for each account that is made, as their page would")
	f.BoolVar(&o.Reported, "reported", false, "wait for what an agent posts to /results before what is ordered is in production")
	f.BoolVar(&o.PatchedByHand, "patched-by-hand", false, "wait for the operator before a cross connect is there")
	f.Float64Var(&o.RequestRate, "rate", 0, "requests a `second` that a key may make; 0 for any")
	f.StringVar(&cert, "tls-cert", "", "PEM `file` of the certificate, for https")
	f.StringVar(&certKey, "tls-key", "", "PEM `file` of its key")
	c.MarkFlagsMutuallyExclusive("set", "records")
	c.MarkFlagsRequiredTogether("key", "secret")
	c.MarkFlagsRequiredTogether("tls-cert", "tls-key")
	return c
}

// records returns the folder that is asked for: the data set of that name, or a folder on disk where one is given.
func records(set, data string) (fs.FS, error) {
	if data == "" {
		return testdata.Exchange(set)
	}
	if _, err := os.ReadDir(data); err != nil {
		return nil, err
	}
	return os.DirFS(data), nil
}

// readCustomers reads the credentials of customers: a line each of key, secret and account.
func readCustomers(file string) ([]exchange.Credential, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []exchange.Credential
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case len(words) != 3:
			return nil, fmt.Errorf("%s:%d: a customer has a key, a secret and an account", file, n)
		default:
			all = append(all, exchange.Credential{Key: words[0], Secret: words[1], Account: words[2]})
		}
	}
	return all, nil
}
