package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/switchcfg"
)

func (a *app) driversCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "drivers",
		Short:   "List the kinds of switch that can be driven, and what each can carry",
		Example: "  ixagent drivers\n  ixagent drivers --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			names := slices.Sorted(maps.Keys(a.drivers))
			if asJSON {
				type entry struct {
					Name      string            `json:"name"`
					Summary   string            `json:"summary"`
					Transport string            `json:"transport"`
					Port      uint16            `json:"port"`
					Profiles  []drivers.Profile `json:"profiles"`
				}
				all := []entry{}
				for _, n := range names {
					s := a.drivers[n]
					all = append(all, entry{s.Name, s.Summary, s.Transport, s.DefaultPort, s.Profiles})
				}
				return printJSON(a.out, all)
			}
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "DRIVER\tPROFILE\tTRANSPORT\tCIRCUITS\tETHERTYPES\tSERVICES\tLACP\tFILTERS\tRATES")
			for _, n := range names {
				s := a.drivers[n]
				for _, p := range s.Profiles {
					c := p.Capabilities
					name := p.Name
					if p.Experimental {
						name += " (experimental)"
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, name, s.Transport, forms(c), join(c.TPIDs), join(c.Services), mark(c.LACP), mark(c.Filters), mark(c.RateIn && c.RateOut))
				}
			}
			return w.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func forms(c drivers.Capabilities) string {
	names := [...]config.Encapsulation{
		switchcfg.Untagged: config.EncapPort, switchcfg.Single: config.EncapDot1Q, switchcfg.Double: config.EncapQinQ,
		switchcfg.Stacked: config.EncapSTag, switchcfg.Whole: config.EncapWhole,
	}
	var out []config.Encapsulation
	for _, f := range c.Forms {
		out = append(out, names[f])
	}
	if c.SinglePasses {
		out = append(out, config.EncapSTag)
	}
	return join(out)
}

func join[T any](list []T) string {
	if len(list) == 0 {
		return "-"
	}
	var parts []string
	for _, x := range list {
		parts = append(parts, fmt.Sprint(x))
	}
	return strings.Join(parts, ",")
}

func mark(yes bool) string {
	if yes {
		return "yes"
	}
	return "-"
}
