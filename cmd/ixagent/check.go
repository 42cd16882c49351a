package main

import (
	"fmt"

	"github.com/spf13/cobra"

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
	cmd.AddCommand(sub)
	return cmd
}
