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
	"github.com/ixagent/ixagent/models/switchcfg"
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
			d.Waiting = nil // it is a person who does it
			if !yes {
				if err := a.ask(d, "Apply this?", "nothing was applied"); err != nil {
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

// ask shows the plans and waits for a yes. Without one its error says what was not done.
func (a *app) ask(d *document, question, not string) error { return a.confirm(d.text(), question, not) }

// confirm shows a text and waits for a yes; its error says what was not done otherwise.
func (a *app) confirm(text []byte, question, otherwise string) error {
	f, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return errors.New("nobody can be asked, because there is no terminal: use --yes")
	}
	if _, err := a.err.Write(text); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "%s Type yes: ", question)
	answer, err := bufio.NewReader(f).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != "yes" {
		return errors.New(otherwise)
	}
	return nil
}

// apply makes plans real and tells of each. Those that change a service together are one transaction. When a switch of
// it fails, the others are tried without it, but for those at the other end of a line of that switch.
func (a *app) apply(ctx context.Context, p *agent.Pass, d *document) (results []applied, failed int) {
	results = []applied{}
	left := slices.DeleteFunc(slices.Clone(d.Plans), func(p plan.Plan) bool { return len(p.Changes) == 0 })
	for len(left) > 0 && ctx.Err() == nil {
		var again []plan.Plan
		for _, plans := range joint(left) {
			var culprits []plan.Plan
			outs := p.Apply(ctx, plans...)
			for i, out := range outs {
				if out.Err != nil && !errors.Is(out.Err, reconcile.ErrTogether) {
					culprits = append(culprits, plans[i])
				}
			}
			for i, out := range outs {
				linked := slices.ContainsFunc(culprits, func(c plan.Plan) bool { return share(c, plans[i], true) })
				if errors.Is(out.Err, reconcile.ErrTogether) && !linked {
					again = append(again, plans[i])
					continue
				}
				if out.Err != nil {
					failed++
				}
				results = append(results, a.tell(out))
			}
		}
		left = again
	}
	at := func(r applied) int {
		return slices.IndexFunc(d.Plans, func(p plan.Plan) bool { return p.Device == r.Device })
	}
	slices.SortFunc(results, func(x, y applied) int { return at(x) - at(y) })
	return results, failed
}

// tell says what became of a plan.
func (a *app) tell(out agent.Applied) applied {
	if err := out.Err; err != nil {
		report(a.err, err)
		switch {
		case errors.Is(err, reconcile.ErrTogether):
			fmt.Fprintln(a.err, "ixagent: hint: they are the two ends of a line; --device applies the plan of one switch alone")
		case drivers.FaultOf(err) == drivers.Stale:
			fmt.Fprintln(a.err, "ixagent: hint: make a new plan: ixagent plan")
		}
		return applied{out.Outcome, err.Error()}
	}
	how := "applied and verified, but the switch would not have taken it back by itself,"
	if out.Confirmed {
		how = "applied, verified and confirmed"
	}
	fmt.Fprintf(a.err, "%s: %s: %s in %v (%s)\n", out.Device, count(out.Changes, "change", "changes"), how, out.Took.Round(time.Millisecond), phases(out.Outcome))
	for _, w := range out.Warnings {
		fmt.Fprintf(a.err, "%s: the switch remarks: %s\n", out.Device, w)
	}
	return applied{Outcome: out.Outcome}
}

// joint returns plans in groups, those of one group linked by services that they all change.
func joint(plans []plan.Plan) [][]plan.Plan {
	var groups [][]plan.Plan
	for _, p := range plans {
		group := []plan.Plan{p}
		groups = slices.DeleteFunc(groups, func(o []plan.Plan) bool {
			linked := slices.ContainsFunc(o, func(q plan.Plan) bool { return share(p, q, false) })
			if linked {
				group = append(o, group...)
			}
			return linked
		})
		groups = append(groups, group)
	}
	return groups
}

// share reports whether two plans change a service together, or, if so asked, a line.
func share(p, q plan.Plan, line bool) bool {
	spans := make(map[string]bool) // to whether it is a line
	for _, c := range p.Changes {
		if c.Span != "" {
			spans[c.Span] = spans[c.Span] || ofLine(c)
		}
	}
	return slices.ContainsFunc(q.Changes, func(c plan.Change) bool {
		isLine, shared := spans[c.Span]
		return shared && (!line || isLine || ofLine(c))
	})
}

// ofLine reports whether a change is of a line that crosses switches.
func ofLine(c plan.Change) bool {
	for _, o := range []switchcfg.Object{c.Before, c.After} {
		if svc, ok := o.(*switchcfg.Service); ok && svc.Type == switchcfg.ServiceLine {
			return true
		}
	}
	return c.Span != "" && c.Key.Kind == switchcfg.KindCircuit
}

func phases(out reconcile.Outcome) string {
	var parts []string
	for _, p := range out.Phases {
		parts = append(parts, fmt.Sprintf("%s %v", p.Name, p.Took.Round(time.Millisecond)))
	}
	return strings.Join(parts, ", ")
}
