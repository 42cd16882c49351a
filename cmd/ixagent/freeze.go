package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/agent/journal"
)

// frozen reads the words that freeze and thaw have in common.
func frozen(args []string) (guard.Scope, string) {
	if len(args) == 1 {
		return guard.Scope(args[0]), ""
	}
	return guard.Scope(args[0]), args[1]
}

func (a *app) freezeCmd() *cobra.Command {
	var f guard.Freeze
	var last time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "freeze all|site NAME|device NAME|member ACCOUNT --why TEXT",
		Short: "Have nothing changed, on all switches or some, or for one member",
		Long: `Have nothing changed: on all switches, on those of a site, on one, or of what belongs to a member or disrupts it.
It holds from now on, for the daemon and at every shell, until it is thawed or its time is over, also after a
restart. What it holds is shown by ixagent plan. A transaction in hand is brought to its end.`,
		Example: `  ixagent freeze all --why 'fibre works'
  ixagent freeze site fra1 --why 'power works' --for 4h
  ixagent freeze member account:1001 --why 'their own migration'`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.Scope, f.Name = frozen(args)
			o, err := a.options()
			if err != nil {
				return err
			}
			f.Who, f.Since = who(), time.Now().UTC().Truncate(time.Second)
			if cmd.Flags().Changed("for") {
				f.Until = f.Since.Add(last)
			}
			if err := f.Check(&o.Config.Inventory); err != nil {
				return err
			}
			j, err := journal.Open(o.Config.StateDir.String())
			if err == nil {
				err = j.Freeze(f)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(a.err, "%s is frozen; to end that: ixagent thaw %s\n", f, f)
			if asJSON {
				return printJSON(a.out, f)
			}
			return nil
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.Why, "why", "", "the reason, which is shown with everything that is held")
	fl.DurationVar(&last, "for", 0, "how long, 90m or 4h; without it until it is thawed")
	fl.BoolVar(&asJSON, "json", false, "print the freeze as JSON")
	return cmd
}

func (a *app) thawCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "thaw all|site NAME|device NAME|member ACCOUNT|change ID",
		Short: "End a freeze",
		Long: `End a freeze, so that what it held is done if nothing else holds it. A change is frozen when it is rolled back, and
thawing it lets the daemon make it again.`,
		Example: `  ixagent thaw all
  ixagent thaw site fra1
  ixagent thaw change 1`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			f := guard.Freeze{}
			f.Scope, f.Name = frozen(args)
			o, err := a.options()
			if err != nil {
				return err
			}
			j, err := journal.Existing(o.Config.StateDir.String())
			found := false
			if err == nil {
				found, err = j.Thaw(f.Scope, f.Name)
			}
			switch {
			case err != nil && !errors.Is(err, fs.ErrNotExist):
				return err
			case !found:
				return &guard.OrderError{What: fmt.Sprintf("%s is not frozen", f), Todo: "see what is: ixagent show freezes"}
			}
			fmt.Fprintf(a.err, "%s is frozen no longer\n", f)
			return nil
		},
	}
}

func (a *app) showFreezesCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "freezes",
		Short: "Show what is frozen, by whom and why",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			o, err := a.options()
			if err != nil {
				return err
			}
			all := []guard.Freeze{}
			j, err := journal.Existing(o.Config.StateDir.String())
			if err == nil {
				all, err = j.Freezes()
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			now := time.Now()
			all = slices.DeleteFunc(append([]guard.Freeze{}, all...), func(f guard.Freeze) bool { return !f.InForce(now) })
			if asJSON {
				return printJSON(a.out, all)
			}
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			for i, f := range all {
				if i == 0 {
					fmt.Fprintln(w, "FROZEN\tSINCE\tUNTIL\tWHO\tWHY")
				}
				until := "-"
				if !f.Until.IsZero() {
					until = f.Until.Format(time.RFC3339)
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", f, f.Since.Format(time.RFC3339), until, f.Who, f.Why)
			}
			return w.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
