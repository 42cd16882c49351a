package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/models/plan"
)

func (a *app) approveCmd() *cobra.Command {
	var devices []string
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use:   "approve DIGEST",
		Short: "Have the daemon do what it does not do by itself",
		Long: fmt.Sprintf(`Have the daemon apply a plan that waits for a person: one that is new on a switch in mode approve, exceeds a limit,
disrupts outside of a maintenance window, concerns a protected member, or undoes what somebody did by hand where that
is left. The digest, or its first %d digits or more, is that which ixagent plan shows. The plan is shown and asked for first.

The daemon applies exactly that plan, if the exchange and the switch are still as they were, and within %v. Freezes
hold it like any other.`, guard.LeastDigits, guard.ApprovalLasts),
		Example: `  ixagent approve 3f2a9c10d4e5b6a7
  ixagent approve 3f2a9c10 --device fra1-sw1 --yes`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.pass(cmd.Context(), choice{deletes: -1})
			if err != nil {
				return err
			}
			defer p.Close()
			d, err := plans(cmd.Context(), p, devices)
			if err != nil {
				return err
			}
			for _, e := range d.Errors {
				report(a.err, e.err)
			}
			whole, digest, err := guard.Match(d.whole, args[0])
			if err != nil {
				return err
			}
			device, _ := p.Config.Inventory.Device(whole.Device)
			if err := guard.Approvable(device); err != nil {
				return err
			}
			if !yes {
				if err := a.ask(&document{Plans: []plan.Plan{whole}}, "Approve this?", "nothing was approved"); err != nil {
					return err
				}
			}
			approval, err := p.Approve(whole.Device, digest)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.err, "%s: %s approved, which the daemon makes if nothing has changed since; to see it: ixagent history %s\n",
				whole.Device, count(len(whole.Changes), "change", "changes"), whole.Device)
			if asJSON {
				return printJSON(a.out, approval)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringSliceVarP(&devices, "device", "d", nil, "look only at this switch (may be repeated)")
	f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	f.BoolVar(&asJSON, "json", false, "print the approval as JSON")
	return cmd
}
