package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/agent"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/models/plan"
)

// leastDigits is how much of a digest a person has to type.
const leastDigits = 8

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
hold it like any other.`, leastDigits, guard.ApprovalLasts),
		Example: `  ixagent approve 3f2a9c10d4e5b6a7
  ixagent approve 3f2a9c10 --device fra1-sw1 --yes`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := strconv.ParseUint(args[0][:min(leastDigits, len(args[0]))], 16, 64); err != nil || len(args[0]) < leastDigits {
				return &guard.OrderError{What: fmt.Sprintf("%q is not a digest, or less than %d digits of one", args[0], leastDigits), Todo: "see what waits for a person: ixagent plan"}
			}
			p, err := a.pass(cmd.Context(), choice{deletes: -1})
			if err != nil {
				return err
			}
			defer p.Close()
			whole, digest, err := a.find(cmd.Context(), p, strings.ToLower(args[0]), devices)
			if err != nil {
				return err
			}
			if d, _ := p.Config.Inventory.Device(whole.Device); d.Mode == config.Observe {
				return &guard.OrderError{
					What: fmt.Sprintf("%s is in mode observe, in which the daemon applies nothing", d.Name),
					Todo: "apply it from here: ixagent apply --device " + d.Name,
				}
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

// find returns the whole plan whose digest begins so.
func (a *app) find(ctx context.Context, p *agent.Pass, prefix string, devices []string) (found plan.Plan, digest string, err error) {
	d, err := plans(ctx, p, devices)
	if err != nil {
		return found, "", err
	}
	for _, e := range d.Errors {
		report(a.err, e.err)
	}
	for _, pl := range d.whole {
		switch have, err := pl.Digest(); {
		case err != nil:
			return found, "", err
		case len(pl.Changes) == 0 || !strings.HasPrefix(have, prefix):
		case digest != "":
			return found, "", &guard.OrderError{What: fmt.Sprintf("the plans of %s and %s both begin with %s: type more digits", found.Device, pl.Device, prefix)}
		default:
			found, digest = pl, have
		}
	}
	if digest == "" {
		return found, "", &guard.OrderError{
			What: fmt.Sprintf("no switch has a plan %s now: the exchange, the switch or what is frozen has changed since, or it is applied", prefix),
			Todo: "see the plans of now: ixagent plan",
		}
	}
	return found, digest, nil
}
