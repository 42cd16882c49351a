package main

import (
	"crypto/rand"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/crypto/ssh"

	"github.com/ixagent/ixagent/lab/cli"
	"github.com/ixagent/ixagent/lab/sandbox"
	"github.com/ixagent/ixagent/lab/switchd"
)

// commandLine is the command line of a lab switch, if it has one.
type commandLine struct {
	nos, listen, keys, hosts string

	device cli.Device
	server *cli.Server
}

func (l *commandLine) flags(f *pflag.FlagSet) {
	f.StringVar(&l.nos, "cli", "", "network operating `system` whose command line configures the switch: eos or junos")
	f.StringVar(&l.listen, "ssh", "", "TCP `address` of the command line; port 0 takes a free one")
	f.StringVar(&l.keys, "authorized-keys", "", "`file` of public keys with which all users may log in at the command line too")
	f.StringVar(&l.hosts, "known-hosts", "", "write the host key of the command line to this `file`, as ssh reads it")
}

// make makes the command line of a switch with the options, which it completes. The secret gives it its host key, a
// fresh one if it is empty.
func (l *commandLine) make(o *switchd.Options, secret switchd.Secret) error {
	if l.nos == "" {
		return nil
	}
	var err error
	if l.device, err = sandbox.NewDevice(l.nos, o.Name, o.Ports, 0, func() { l.server.Cut() }); err != nil {
		return err
	}
	if secret == "" {
		secret = switchd.Secret(rand.Text())
	}
	conf := cli.Options{Name: o.Name, Listen: l.listen, NOS: l.device, Users: o.Users, Logger: o.Logger}
	if conf.HostKey, err = ssh.NewSignerFromKey(secret.HostKey(o.Name)); err != nil {
		return err
	}
	if l.keys != "" {
		keys, err := publicKeys(l.keys)
		if err != nil {
			return err
		}
		conf.Keys = make(map[string][]ssh.PublicKey)
		for user := range o.Users {
			conf.Keys[user] = keys
		}
	}
	o.Native = l.device.Native()
	l.server, err = cli.New(conf)
	return err
}

// start lets users log in at the command line of a switch.
func (l *commandLine) start(c *cobra.Command, sw *switchd.Switch) error {
	if l.server == nil {
		return nil
	}
	if err := l.device.Attach(sw); err != nil {
		return err
	}
	if l.hosts != "" {
		if err := os.WriteFile(l.hosts, []byte(l.server.KnownHost()), 0o644); err != nil {
			return err
		}
	}
	l.server.Start()
	_, err := fmt.Fprintf(c.OutOrStdout(), "the command line of %s is at %s\n", l.nos, l.server.Addr())
	return err
}

func (l *commandLine) close() {
	if l.server != nil {
		l.server.Close()
	}
}

func publicKeys(file string) ([]ssh.PublicKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []ssh.PublicKey
	for len(text) > 0 {
		key, _, _, rest, err := ssh.ParseAuthorizedKey(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all, text = append(all, key), rest
	}
	return all, nil
}
