package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
)

func (a *app) checkCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "check", Short: "Check what the agent is given", Example: "  ixagent check config ixagent.yaml"}
	var example, schema, files bool
	sub := &cobra.Command{
		Use:   "config [FILE]",
		Short: "Check a configuration and its inventory, and report every fault with its place",
		Example: `  ixagent check config ixagent.yaml
  ixagent check config --files
  ixagent check config --example > ixagent.yaml
  ixagent check config --schema > ixagent.schema.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case example:
				_, err := a.out.Write(config.Example())
				return err
			case schema:
				b, err := config.Schema()
				if err == nil {
					_, err = a.out.Write(b)
				}
				return err
			}
			if len(args) == 1 {
				a.config = args[0]
			}
			c, err := config.Load(a.config, a.drivers)
			if err == nil && files {
				err = c.CheckFiles()
			}
			if err != nil {
				return err
			}
			ports := 0
			for _, d := range c.Inventory.Devices {
				ports += len(d.Ports)
			}
			_, err = fmt.Fprintf(a.out, "%s: good: %s, %s\n", a.config, count(len(c.Inventory.Devices), "switch", "switches"), count(ports, "port", "ports"))
			return err
		},
	}
	f := sub.Flags()
	f.BoolVar(&files, "files", false, "also fetch the secrets and read the certificates it names")
	f.BoolVar(&example, "example", false, "print a commented example")
	f.BoolVar(&schema, "schema", false, "print the JSON Schema for editors")
	sub.MarkFlagsMutuallyExclusive("example", "schema", "files")
	cmd.AddCommand(sub, a.checkOrderCmd())
	return cmd
}

func (a *app) checkOrderCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "order FILE",
		Short: "Say whether what is not ordered yet could be provisioned",
		Long: `Read the exchange, and say whether a network service config in a file, as it would be sent to the exchange, could be
provisioned: its port, encapsulation, ethertype, capacity and collisions with what others have, and what the switches
would carry for it. One with the id of a config that exists is a change of that one. Records that belong together are
in lists, as in {"connections": [], "network-services": [], "network-service-configs": [], "macs": []}; of a connection
that exists, only its id and what changes have to be there. Nothing is ordered or changed, and the switches are not
asked. FILE is - for standard input. A daemon answers the same to POST /api/v1/check, without reading the exchange anew.`,
		Example: `  ixagent check order order.json
  ixagent check order --json order.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			order, err := readOrder(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			p, err := a.pass(cmd.Context(), choice{deletes: -1})
			if err != nil {
				return err
			}
			defer p.Close()
			t, err := p.Try(order)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if asJSON {
				err = printJSON(a.out, t)
			} else {
				_, err = a.out.Write(trialText(t))
			}
			if err == nil && !t.Possible {
				err = exitPartial
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with IX-API status messages")
	return cmd
}

// readOrder reads a file, or in for "-".
func readOrder(in io.Reader, name string) ([]byte, error) {
	const most = 1 << 20
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	if err == nil && len(text) > most {
		err = fmt.Errorf("%s: an order has at most %d octets", name, most)
	}
	return text, err
}

// trialText returns what would become of an order as a person reads it.
func trialText(t *compile.Trial) []byte {
	var b []byte
	if t.Possible {
		b = append(b, "The order can be provisioned.\n"...)
	} else {
		b = append(b, "The order cannot be provisioned as it is.\n"...)
	}
	for _, r := range t.Rejections {
		b = appendRejection(b, "", r)
	}
	for _, r := range t.Others {
		b = appendRejection(b, "refused to others: ", r)
	}
	for _, p := range t.Plans {
		b = p.AppendText(append(b, '\n'))
	}
	return b
}
