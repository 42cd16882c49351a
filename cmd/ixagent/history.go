package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/models/plan"
)

// who returns the name of the user at the shell.
func who() string {
	u, err := user.Current()
	if err != nil {
		return "unknown"
	}
	return u.Username
}

// typed returns the command with its arguments and the flags that were set.
func typed(cmd *cobra.Command, args []string) string {
	words := []string{cmd.CommandPath()}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		words = append(words, "--"+f.Name+"="+strings.Trim(f.Value.String(), "[]"))
	})
	return strings.Join(append(words, args...), " ")
}

// history returns what the journal of the configuration has. It can be read while the daemon runs.
func (a *app) history(f journal.Filter) ([]journal.Entry, *config.Config, error) {
	o, err := a.options()
	if err != nil {
		return nil, nil, err
	}
	j, err := journal.Existing(o.Config.StateDir.String())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, o.Config, nil // nothing was ever applied
	}
	if err != nil {
		return nil, nil, err
	}
	found, err := j.History(f)
	return found, o.Config, err
}

func (a *app) historyCmd() *cobra.Command {
	var f journal.Filter
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "history [DEVICE]",
		Short: "List the changes that were made to the switches",
		Long: fmt.Sprintf(`List the changes that were made to all switches or to one, the latest first: by the daemon and at a shell, with
what became of each. It asks no switch and may be used while the daemon runs.

Results: begun and not ended yet, confirmed, applied (verified on a switch that would not have taken it back by
itself), reverted, refused (by a check or by the switch, which is as it was), failed (before anything was changed),
unknown (what the switch has), interrupted (whoever applied it was killed).

The last %d changes of %d days are kept.`, journal.KeepEntries, journal.KeepAge/(24*time.Hour)),
		Example: `  ixagent history
  ixagent history fra1-sw1 -n 1
  ixagent history --member account:1001 --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if f.Limit < 0 {
				return errors.New("-n is less than 0")
			}
			if len(args) == 1 {
				f.Device = args[0]
			}
			found, c, err := a.history(f)
			if err != nil {
				return err
			}
			if _, known := c.Inventory.Device(f.Device); f.Device != "" && !known && len(found) == 0 {
				return fmt.Errorf("neither the inventory nor the history has a device %q", f.Device)
			}
			if asJSON {
				return printJSON(a.out, append([]journal.Entry{}, found...))
			}
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			for i, e := range found {
				if i == 0 {
					fmt.Fprintln(w, "ID\tBEGUN\tDEVICE\tRESULT\tTOOK\tWHO\tCHANGES")
				}
				var p plan.Plan
				if err := json.Unmarshal(e.Plan, &p); err != nil {
					return fmt.Errorf("change %d: %w", e.ID, err)
				}
				fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", e.ID, e.Begun.Format(time.RFC3339), e.Device, e.Result, took(e), e.Who, p.Summary())
			}
			return w.Flush()
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.Member, "member", "m", "", "only what concerns this account")
	fl.IntVarP(&f.Limit, "number", "n", 20, "at most so many; 0 for all")
	fl.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func took(e journal.Entry) string {
	if e.Ended.IsZero() {
		return "-"
	}
	return e.Ended.Sub(e.Begun).Round(time.Millisecond).String()
}

func (a *app) showChangeCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "change ID",
		Short: "Show a change of the past: the whole plan, who made it and what became of it",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			id, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil || id == 0 {
				return fmt.Errorf("%q is no id: ixagent history lists them", args[0])
			}
			found, _, err := a.history(journal.Filter{ID: id})
			if err != nil {
				return err
			}
			if len(found) == 0 {
				return fmt.Errorf("the history has no change %d", id)
			}
			if asJSON {
				return printJSON(a.out, found[0])
			}
			text, err := changeText(found[0])
			if err != nil {
				return err
			}
			_, err = a.out.Write(text)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// changeText returns an entry as a person reads it.
func changeText(e journal.Entry) ([]byte, error) {
	var p plan.Plan
	if err := json.Unmarshal(e.Plan, &p); err != nil {
		return nil, fmt.Errorf("change %d: %w", e.ID, err)
	}
	by := e.Who
	if e.Command != "" {
		by += ", " + e.Command
	}
	b := fmt.Appendf(nil, "change %d of %s: %s\n", e.ID, e.Device, e.Result)
	line := func(name, value string) {
		if value != "" {
			b = fmt.Appendf(b, "  %-8s %s\n", name, value)
		}
	}
	line("by", by)
	line("begun", e.Begun.Format(time.RFC3339Nano))
	if !e.Ended.IsZero() {
		line("ended", e.Ended.Format(time.RFC3339Nano))
	}
	var parts []string
	for _, p := range e.Phases {
		parts = append(parts, fmt.Sprintf("%s %v", p.Name, p.Took.Round(time.Millisecond)))
	}
	line("phases", strings.Join(parts, ", "))
	line("members", strings.Join(e.Members, ", "))
	line("plan", e.Digest)
	line("native", e.Native)
	line("error", e.Error)
	return p.AppendText(append(b, '\n')), nil
}
