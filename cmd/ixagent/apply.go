package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ixagent/ixagent/agent"
	"github.com/ixagent/ixagent/agent/reconcile"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
)

// applied is the JSON form of what apply did on one switch.
type applied struct {
	reconcile.Outcome
	Error string `json:"error,omitempty"`
}

func (a *app) applyCmd() *cobra.Command {
	var c choice
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use:   "apply [FILE]",
		Short: "Make a plan real",
		Long: `Make the plans in FILE real, which ixagent plan --out wrote, or without FILE those of this moment. What will
happen is shown and asked for first. A plan for a switch that has changed since it was made is refused. Each
switch takes its change back by itself unless it is verified and confirmed in time, where the switch can do that.`,
		Example: `  ixagent apply
  ixagent apply change.json
  ixagent apply --device fra1-sw1 --yes`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.command = typed(cmd, args)
			p, err := a.pass(cmd.Context(), c)
			if err != nil {
				return err
			}
			defer p.Close()
			var d *document
			if len(args) == 1 {
				d, err = load(p, args[0], c.devices)
			} else {
				d, err = plans(cmd.Context(), p, c.devices)
			}
			if err != nil {
				return err
			}
			for _, e := range d.Errors {
				report(a.err, e.err)
			}
			if d.changes() == 0 {
				_, err := a.err.Write(d.appendSummary(nil))
				if err == nil && asJSON {
					err = printJSON(a.out, []applied{})
				}
				if err == nil && len(d.Errors)+d.withheld() > 0 {
					err = exitPartial
				}
				return err
			}
			if !yes {
				if err := a.ask(d); err != nil {
					return err
				}
			}
			results, failed := a.apply(cmd.Context(), p, d)
			if asJSON {
				if err := printJSON(a.out, results); err != nil {
					return err
				}
			}
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			if failed > 0 || len(d.Errors) > 0 || d.withheld() > 0 {
				return exitPartial
			}
			return nil
		},
	}
	f := cmd.Flags()
	c.flags(cmd)
	f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	f.BoolVar(&asJSON, "json", false, "print what was done as JSON")
	return cmd
}

// load reads the plans for the named switches, or for all, from a file.
func load(p *agent.Pass, path string, devices []string) (*document, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := new(document)
	if err = json.Unmarshal(b, d); err == nil && d.Snapshot == "" {
		err = errors.New("it does not say what it was made from")
	}
	if err != nil {
		return nil, fmt.Errorf("%s is no plan: %w", path, err)
	}
	for i := range d.Errors {
		d.Errors[i].err = errors.New(d.Errors[i].Error)
	}
	return d, d.limit(p, devices)
}

// ask shows the plans and waits for a yes.
func (a *app) ask(d *document) error {
	f, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return errors.New("nobody can be asked, because there is no terminal: use --yes")
	}
	if _, err := a.err.Write(d.text()); err != nil {
		return err
	}
	fmt.Fprint(a.err, "Apply this? Type yes: ")
	answer, err := bufio.NewReader(f).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != "yes" {
		return errors.New("nothing was applied")
	}
	return nil
}

// apply makes plans real and tells of each. Those that change a service together are one transaction; a switch that
// fails holds up no other.
func (a *app) apply(ctx context.Context, p *agent.Pass, d *document) (results []applied, failed int) {
	results = []applied{}
	for _, plans := range joint(d.Plans) {
		if ctx.Err() != nil {
			break
		}
		for _, out := range p.Apply(ctx, plans...) {
			r := applied{Outcome: out.Outcome}
			if out.Err != nil {
				failed++
				r.Error = out.Err.Error()
				report(a.err, out.Err)
				if drivers.FaultOf(out.Err) == drivers.Stale {
					fmt.Fprintln(a.err, "ixagent: hint: make a new plan: ixagent plan")
				}
			} else {
				a.sayApplied(out.Outcome)
			}
			results = append(results, r)
		}
	}
	return results, failed
}

func (a *app) sayApplied(out reconcile.Outcome) {
	how := "applied and verified, but the switch would not have taken it back by itself,"
	if out.Confirmed {
		how = "applied, verified and confirmed"
	}
	fmt.Fprintf(a.err, "%s: %s: %s in %v (%s)\n", out.Device, count(out.Changes, "change", "changes"), how, out.Took.Round(time.Millisecond), phases(out))
	for _, w := range out.Warnings {
		fmt.Fprintf(a.err, "%s: the switch remarks: %s\n", out.Device, w)
	}
}

// joint returns plans in groups, those of one group linked by services that they all change.
func joint(plans []plan.Plan) [][]plan.Plan {
	var groups [][]plan.Plan
	for _, p := range plans {
		if len(p.Changes) == 0 {
			continue
		}
		group := []plan.Plan{p}
		groups = slices.DeleteFunc(groups, func(o []plan.Plan) bool {
			linked := slices.ContainsFunc(o, func(q plan.Plan) bool { return share(p, q) })
			if linked {
				group = append(o, group...)
			}
			return linked
		})
		groups = append(groups, group)
	}
	return groups
}

// share reports whether two plans change a service together.
func share(p, q plan.Plan) bool {
	return slices.ContainsFunc(p.Changes, func(c plan.Change) bool {
		return c.Span != "" && slices.ContainsFunc(q.Changes, func(o plan.Change) bool { return o.Span == c.Span })
	})
}

func phases(out reconcile.Outcome) string {
	var parts []string
	for _, p := range out.Phases {
		parts = append(parts, fmt.Sprintf("%s %v", p.Name, p.Took.Round(time.Millisecond)))
	}
	return strings.Join(parts, ", ")
}
