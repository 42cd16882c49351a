package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/agent"
	"github.com/ixagent/ixagent/agent/audit"
)

func (a *app) auditCmd() *cobra.Command {
	var sources []string
	var junit string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Say where two sources of the exchange disagree",
		Long: `Read two sources of the exchange, and say where they disagree about what switches should carry: ports and LAGs, LACP,
frames, services, MAC addresses, rates and states, in the words of both. Both are compiled with the same inventory, so
that a disagreement is a difference that a switch would notice; ids and numbers mean nothing. What one of them has no
words for is listed apart and is no disagreement. Switches are not asked, and nothing is remembered.

A source is named by its name in the configuration, or is a folder of records as file:FOLDER. With one, or none, the
source that provisions and the only witness are filled in.`,
		Example: `  ixagent audit
  ixagent audit --source sandbox --source file:books
  ixagent audit --source file:books --json
  ixagent audit --source file:books --junit audit.xml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := a.quiet()
			if err != nil {
				return err
			}
			r, err := agent.Audit(cmd.Context(), o, sources...)
			if err != nil {
				return err
			}
			if junit != "" {
				if err := writeJUnit(junit, r); err != nil {
					return err
				}
			}
			if asJSON {
				err = printJSON(a.out, r)
			} else {
				_, err = a.out.Write(r.AppendText(nil))
			}
			if err == nil && len(r.Differences) > 0 {
				err = exitChanges
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&sources, "source", "s", nil, "one of the two sources: its name, or file:FOLDER")
	f.StringVar(&junit, "junit", "", "also write the report to a file, in the form of JUnit")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func writeJUnit(path string, r *audit.Report) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := r.WriteJUnit(f); err != nil {
		return err
	}
	return f.Close()
}
