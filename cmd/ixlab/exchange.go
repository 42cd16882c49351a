package main

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/lab/exchange"
	"github.com/ixagent/ixagent/testdata"
)

func newExchange() *cobra.Command {
	var set, data, cert, certKey string
	var o exchange.Options
	var api exchange.Credential
	c := &cobra.Command{
		Use:   "exchange",
		Short: "Serve a folder of records as an IX-API v2 exchange",
		Long: `Serve a folder of records as an IX-API v2 exchange, until it is interrupted. The folder has a JSON array for each
collection, named as its API path: connections.json. The address is printed once it answers.

Without --key everybody is let in. Without --tls-cert it speaks plain HTTP.`,
		Example: `  ixlab exchange --set metro --listen 127.0.0.1:0
  ixlab exchange --data records --listen 127.0.0.1:0 --key operator --secret moon`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			folder, err := records(set, data)
			if err != nil {
				return err
			}
			if cert != "" {
				pair, err := tls.LoadX509KeyPair(cert, certKey)
				if err != nil {
					return err
				}
				o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
			}
			o.Data, o.Logger, o.Anonymous = folder, logger(c), api.Key == ""
			if !o.Anonymous {
				o.Credentials = []exchange.Credential{api}
			}
			s, err := exchange.New(o)
			if err != nil {
				return err
			}
			if err := s.Start(); err != nil {
				return err
			}
			if _, err := fmt.Fprintf(c.OutOrStdout(), "exchange serves %s\n", s.URL()); err != nil {
				return err
			}
			<-c.Context().Done()
			return s.Close()
		},
	}
	f := c.Flags()
	f.StringVar(&set, "set", "metro", "serve a data set that comes with ixlab, metro or guide")
	f.StringVar(&data, "data", "", "serve the records in this folder")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:8443", "TCP `address`; port 0 takes a free one")
	f.StringVar(&api.Key, "key", "", "API key that may log in")
	f.StringVar(&api.Secret, "secret", "", "its secret")
	f.StringVar(&cert, "tls-cert", "", "PEM `file` of the certificate, for https")
	f.StringVar(&certKey, "tls-key", "", "PEM `file` of its key")
	c.MarkFlagsMutuallyExclusive("set", "data")
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
