package main

import (
	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/agent"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

func (a *app) showCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Show what a switch should carry, what it carries, where the two differ, a change of the past, or what is frozen",
		Example: "  ixagent show intent fra1-sw1\n  ixagent show observed fra1-sw1 --json\n  ixagent show drift fra1-sw1\n  ixagent show change 1\n  ixagent show freezes",
	}
	type view struct {
		use, short string
		show       func(cmd *cobra.Command, p *agent.Pass, device string) (any, []byte, error)
	}
	state := func(s switchcfg.State) (any, []byte, error) { return s, s.AppendText(nil), nil }
	for _, v := range []view{
		{"intent DEVICE", "Show what a switch should carry", func(_ *cobra.Command, p *agent.Pass, device string) (any, []byte, error) {
			return state(p.Intent(device).State)
		}},
		{"observed DEVICE", "Show everything understood of what a switch carries, whoever made it", func(cmd *cobra.Command, p *agent.Pass, device string) (any, []byte, error) {
			s, err := p.Observe(cmd.Context(), device)
			if err != nil {
				return nil, nil, err
			}
			return state(s)
		}},
		{"drift DEVICE", "Show where a switch differs from what it should carry, limits and freezes left aside", func(cmd *cobra.Command, p *agent.Pass, device string) (any, []byte, error) {
			s, err := p.Observe(cmd.Context(), device)
			if err != nil {
				return nil, nil, err
			}
			d, _ := p.Config.Inventory.Device(device)
			pl := plan.Plan{Device: device, Changes: plan.Diff(d.Scope().Owned(s), p.Intent(device).State)}
			return pl.Changes, pl.AppendText(nil), nil
		}},
	} {
		var asJSON bool
		sub := &cobra.Command{
			Use: v.use, Short: v.short, Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				p, err := a.pass(cmd.Context(), choice{deletes: -1})
				if err != nil {
					return err
				}
				defer p.Close()
				if err := p.Has(args[0]); err != nil {
					return err
				}
				value, text, err := v.show(cmd, p, args[0])
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(a.out, value)
				}
				_, err = a.out.Write(text)
				return err
			},
		}
		sub.Flags().BoolVar(&asJSON, "json", false, "print JSON")
		cmd.AddCommand(sub)
	}
	cmd.AddCommand(a.showChangeCmd(), a.showFreezesCmd())
	return cmd
}
