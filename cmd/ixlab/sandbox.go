package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/lab/exchange/fabric"
	"github.com/ixagent/ixagent/lab/topology"
)

func newSandbox() *cobra.Command {
	var set, dir, file string
	c := &cobra.Command{
		Use:   "sandbox",
		Short: "Run an exchange with all its switches, to try ixagent on",
		Long: `Run an exchange with all its switches on the loopback interface, until it is interrupted. The folder of --dir, which
is made and must have been empty, receives the configuration of an agent for them, with its secrets and certificates.

The records can be changed and everything made to misbehave over the socket "control" in that folder, which is its
owner's alone. All bodies are JSON.

  GET, PATCH, DELETE /records/COLLECTION/ID   one record; PATCH replaces the fields that are given
  PUT                /records/COLLECTION      a new record, or the whole of one that is there
  POST               /subscribers             {"url": "http://127.0.0.1:9809/api/v1/events", "token": "TOKEN"} is sent
                                              a CloudEvent for each record that changes
  GET                /results                 what an agent posted to /results of the exchange, an event a line; the
                                              faults of the exchange with the collection "results" are of that
  POST               /faults                  {"on": "exchange", or a switch, "kind": KIND, "times": 3, "delay": "1s"}
  DELETE             /faults                  everything behaves again

Without times a fault lasts until it is taken away. Kinds of the exchange, for one "collection" or for all:
` + kindsOf(exchangeFaults()) + `
Kinds of a switch in this process:
` + kindsOf(switchFaults()) + `and of one with a command line, of commands that begin with "command":
` + kindsOf(lineFaults()) + `  ` + noise + `, which is no fault: small pieces, each up to "delay" apart, control sequences and "text" as a banner
and of each
  ` + harm + `, of a "port" or LAG, which is down for as long as the switch has another configuration than now

With --topology the switches are those of a lab with wires, which "ixlab up" or containerlab has laid out from the same
file, and the command must run where their management addresses can be reached.`,
		Example: `  ixlab sandbox --set metro --dir sandbox
  ixlab exec --lab metro host -- ixlab sandbox --topology lab/topology/metro.clab.yml --dir metro`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if err := emptyFolder(dir); err != nil {
				return err
			}
			wires, err := readTopology(file)
			if err != nil {
				return err
			}
			l, err := newLab(c.Context(), set, dir, wires, nameOf(wires), logger(c))
			if err != nil {
				return fmt.Errorf("the lab did not start: %w", err)
			}
			defer func() { err = errors.Join(err, l.Close()) }()
			server := &http.Server{Handler: control{l}.handler(), ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
			socket := filepath.Join(dir, "control")
			ln, err := listenPrivately(socket)
			if err != nil {
				return err
			}
			served := make(chan error, 1)
			go func() { served <- server.Serve(ln) }()
			defer func() {
				err = errors.Join(err, server.Close())
				if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
					err = errors.Join(err, ended)
				}
			}()
			if err := introduce(c.OutOrStdout(), l, wires, socket); err != nil {
				return err
			}
			<-c.Context().Done()
			return nil
		},
	}
	c.Flags().StringVar(&set, "set", "metro", setUsage)
	c.Flags().StringVar(&file, "topology", "", "containerlab `file` of the lab that has the switches")
	c.Flags().StringVar(&dir, "dir", "sandbox", "`folder` for what an agent needs")
	return c
}

// readTopology reads a topology; without a file there is none.
func readTopology(file string) (*topology.Topology, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return topology.Parse(file, text)
}

// nameOf returns the name of a topology's lab, or nothing without one.
func nameOf(t *topology.Topology) string {
	if t == nil {
		return ""
	}
	return t.Name
}

// emptyFolder makes a folder for its owner alone, or makes sure that there is nothing in it yet.
func emptyFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	there, err := os.ReadDir(dir)
	if err == nil && len(there) > 0 {
		err = fmt.Errorf("%s is not empty, and what is in it would be overwritten", dir)
	}
	return err
}

// listenPrivately listens on a Unix socket that only its owner can connect to.
func listenPrivately(path string) (net.Listener, error) {
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

// introduce says what is there and what can be done with it.
func introduce(w io.Writer, l *lab, wires *topology.Topology, socket string) error {
	dir, err := filepath.Abs(filepath.Dir(l.path))
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	text := fmt.Appendf(nil, "exchange  %s\n", l.Exchange.URL())
	for _, d := range l.config.Inventory.Devices {
		text = fmt.Appendf(text, "switch    %s %s\n", d.Name, d.Address)
	}
	if l.Customer.Key != "" {
		text = fmt.Appendf(text, "customer  %s; its key and secret are secrets/customer-key and secrets/customer-secret\n", l.Customer.Account)
	}
	if len(l.Users) > 0 {
		text = fmt.Appendf(text, "ECX       %s; the secret of each user is secrets/fabric-USER\n", origin(l.Exchange.URL())+fabric.BasePath)
		for _, u := range l.Users {
			text = fmt.Appendf(text, "user      %s\n", u.ClientID)
		}
	}
	text = fmt.Appendf(text, "\nIn another shell:\n\n")
	if wires != nil {
		text = fmt.Appendf(text, "  %s exec --lab %s host -- bash\n\nand in that shell:\n\n", program, wires.Name)
	}
	text = fmt.Appendf(text, `  export PATH=%s:$PATH
  export IXAGENT_CONFIG=%s
  ixagent plan
  ixagent apply
  ixagent run
  curl --unix-socket %s http://lab/faults -d '{"on": "exchange", "kind": "truncated", "collection": "ports", "times": 1}'
`, filepath.Dir(program), filepath.Join(dir, filepath.Base(l.path)), filepath.Join(dir, filepath.Base(socket)))
	if hosts := hosts(wires); len(hosts) > 1 {
		text = fmt.Appendf(text, `  ixlab probe --lab %[1]s %[2]s %[3]s
  ixlab exec --lab %[1]s %[2]s -- ixlab host show
  ixlab exec --lab %[1]s %[2]s -- tshark -i eth1
`, wires.Name, hosts[0], hosts[1])
	}
	text = fmt.Appendf(text, "\nIt runs until it is interrupted.\n")
	_, err = w.Write(text)
	return err
}

// hosts returns the nodes of a topology that are not switches; there are none without one.
func hosts(t *topology.Topology) []string {
	if t == nil {
		return nil
	}
	var names []string
	for _, n := range t.Nodes {
		if len(n.Args) > 0 && n.Args[0] == "host" {
			names = append(names, n.Name)
		}
	}
	return names
}
