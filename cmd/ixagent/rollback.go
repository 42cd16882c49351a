package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/models/plan"
)

func (a *app) rollbackCmd() *cobra.Command {
	var yes, force, asJSON bool
	var why string
	cmd := &cobra.Command{
		Use:   "rollback ID",
		Short: "Put back what a change replaced",
		Long: `Put back on a switch what a change of the history replaced: a new plan for the switch as it is now, for the objects
that the change touched and nothing else, as one transaction like any other. What will happen is shown and asked for
first. What is frozen, or has something else on the switch in its way, is withheld, and the rest is put back. As no more
is deleted than the change has made, limits do not count. The exchange is not asked.

The objects are then frozen, as the daemon would make the change again otherwise; ixagent thaw change ID lets it.
A change whose objects a later one has touched is not rolled back before that one, unless forced.`,
		Example: `  ixagent rollback 1
  ixagent rollback 1 --yes --why 'members lost their routes'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil || id == 0 {
				return fmt.Errorf("%q is no id: ixagent history lists them", args[0])
			}
			p, err := a.offline(choice{deletes: -1, command: typed(cmd, args)})
			if err != nil {
				return err
			}
			defer p.Close()
			e, err := p.Change(id)
			if err != nil {
				return err
			}
			pl, err := p.PlanRollback(cmd.Context(), e, force)
			if err != nil {
				return err
			}
			d := &document{Plans: []plan.Plan{pl}}
			results := []applied{}
			if len(pl.Changes) == 0 {
				if _, err := a.err.Write(pl.AppendText(nil)); err != nil {
					return err
				}
			} else {
				if !yes {
					if err := a.ask(d, "Apply this?", "nothing was applied"); err != nil {
						return err
					}
				}
				out := p.Rollback(cmd.Context(), e, pl, cmp.Or(why, fmt.Sprintf("change %d was rolled back", id)))
				results = append(results, a.tell(out))
				if err = out.Err; err == nil {
					if len(e.With) > 0 {
						fmt.Fprintf(a.err, "it was made together with changes of %s, which are not rolled back: ixagent history\n", strings.Join(e.With, ", "))
					}
					fmt.Fprintf(a.err, "change %d is rolled back, and frozen so that the daemon does not make it again; to let it: ixagent thaw change %d\n", id, id)
				}
			}
			if asJSON {
				if err := printJSON(a.out, results); err != nil {
					return err
				}
			}
			if ctxErr := cmd.Context().Err(); ctxErr != nil {
				return ctxErr
			}
			if err != nil || d.withheld() > 0 {
				return exitPartial
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	f.BoolVar(&force, "force", false, "put it back although later changes touched the same, and are undone with it")
	f.StringVar(&why, "why", "", "the reason, which is shown while the change is frozen")
	f.BoolVar(&asJSON, "json", false, "print what was done as JSON")
	return cmd
}
