package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/agent"
	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/lab/topology"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

func newDemo() *cobra.Command {
	var set, from, in string
	var asJSON, keep, wires bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show a whole pass on this machine, from the exchange's records to configured switches",
		Long: `Show a whole pass on this machine, from the exchange's records to configured switches.

A sandbox exchange runs on this machine, with lab switches. The agent plans, applies in transactions that undo themselves
unless confirmed, and plans again: then nothing may be left to do. Its daemon follows a change at the exchange. Nothing
is left behind; with --keep all of it goes on running until it is interrupted.

Where the machine lets it make network namespaces, with or without root, the switches of the metro are laid out with wires
and with the routers of some members, and frames between these show what was configured. Otherwise, and with
--wires=false, the switches run in one process and forward nothing.`,
		Example: `  ixlab demo
  ixlab demo --set guide
  ixlab demo --set guide --keep
  ixlab demo --wires=false
  ixlab demo --source ixpmanager
  ixlab demo --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if set, err = readFrom(set, from); err != nil {
				return err
			}
			d := &demo{set: set, in: in, log: logger(c), page: newPage(c.OutOrStdout())}
			if asJSON {
				d.page = newPage(io.Discard)
			}
			return d.somewhere(c.Context(), wires, func(ctx context.Context) error {
				return d.run(ctx, func(ctx context.Context) error {
					if asJSON {
						out := json.NewEncoder(c.OutOrStdout())
						out.SetIndent("", "  ")
						if err := out.Encode(d.report); err != nil {
							return err
						}
					}
					if keep {
						d.page.heading("All of it goes on until it is interrupted. In another shell:")
						d.page.line("%s", d.command("ixagent plan --config "+d.lab.path))
						<-ctx.Done()
					}
					return nil
				})
			}, "demo", "--set", set, fmt.Sprintf("--json=%v", asJSON), fmt.Sprintf("--keep=%v", keep))
		},
	}
	c.Flags().StringVar(&set, "set", "metro", "data set of the exchange: metro, or guide for the example connection of the IX-API guide")
	c.Flags().StringVar(&from, "source", "ixapi", "what the agent reads the exchange through: ixapi, or ixpmanager with set metro")
	c.Flags().BoolVar(&asJSON, "json", false, "print what happened as JSON")
	wiresFlags(c, &wires, &in)
	c.Flags().BoolVar(&keep, "keep", false, "let everything run until it is interrupted")
	return c
}

// wiresFlags are the flags of what is shown with wires where that is possible.
func wiresFlags(c *cobra.Command, wires *bool, in *string) {
	c.Flags().BoolVar(wires, "wires", true, "lay the switches out with wires and members' routers, where this machine allows it")
	c.Flags().StringVar(in, "in", "", "`NAME` of the lab that this process is in")
	_ = c.Flags().MarkHidden("in") // there is such a flag
}

// somewhere calls show in this process, with a folder of its own: with the wires of the lab that it is in, or without any.
// Where wires are wanted and can be had, the command runs in a lab with them instead.
func (d *demo) somewhere(ctx context.Context, wires bool, show func(context.Context) error, command ...string) (err error) {
	if d.in != "" {
		if d.wires, err = topology.Builtin(d.set); err != nil {
			return err
		}
	} else if wires {
		ran, reason, err := onWires(ctx, d.set, command...)
		if ran || err != nil {
			return err
		}
		if reason != nil {
			d.page.heading("No wires on this machine, so that no frames are shown")
			d.page.line("%v", reason)
		}
	}
	if d.dir, err = os.MkdirTemp("", "ixlab-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	return show(ctx)
}

// demo is one demonstration. It ends with the first thing that is not as it should be.
type demo struct {
	set, dir string
	wires    *topology.Topology // of the lab that has the switches; nil: they are in this process
	in       string             // name of that lab
	log      *slog.Logger
	page     *page
	report   report

	lab    *lab
	pass   *agent.Pass
	plans  []plan.Plan
	before map[string]switchcfg.State // what the switches carried at first
}

// run calls finished while everything still runs.
func (d *demo) run(ctx context.Context, finished func(context.Context) error) (err error) {
	start := time.Now()
	if d.lab, err = newLab(ctx, d.set, d.dir, d.wires, d.in, d.log); err != nil {
		return fmt.Errorf("the lab did not start: %w", err)
	}
	defer func() { err = errors.Join(err, d.lab.Close()) }()
	d.introduce(start)
	if d.pass, err = agent.NewPass(ctx, d.options()); err != nil {
		return fmt.Errorf("the exchange was not read: %w", err)
	}
	defer func() { err = errors.Join(err, d.pass.Close()) }()
	shown := func(ctx context.Context) error {
		if d.wires != nil {
			d.page.heading("Frames between members' routers: broadcast, unicast and %d octets, both ways", largeFrame)
		}
		return d.frames(ctx, showings())
	}
	for _, step := range []func(context.Context) error{d.plan, d.apply, d.verify, shown} {
		if err := step(ctx); err != nil {
			return err
		}
		if d.page.err != nil {
			return d.page.err
		}
	}
	return d.follow(ctx, func(ctx context.Context) error {
		if err := d.frames(ctx, changedShowings()); err != nil {
			return err
		}
		d.report.Seconds = time.Since(start).Seconds()
		d.page.heading("Done in %v: every switch is what the exchange has sold, and the last plans are empty.", round(time.Since(start)))
		return finished(ctx)
	})
}

// command returns what a person types in another shell.
func (d *demo) command(text string) string {
	if d.wires != nil {
		return "ixlab exec --lab " + d.in + " host -- " + text
	}
	return text
}

func (d *demo) options() agent.Options {
	return agent.Options{Config: d.lab.config, Drivers: d.lab.drivers, Log: d.log, Version: version}
}

func (d *demo) introduce(start time.Time) {
	inv := &d.lab.config.Inventory
	d.report = report{Set: d.set, Exchange: d.lab.Exchange.URL()}
	var switches, byHand []string
	for _, device := range inv.Devices {
		r := &deviceReport{Name: device.Name, Address: device.Address.String()}
		d.report.Devices = append(d.report.Devices, r)
		switches = append(switches, r.Name+" "+r.Address)
		var made []string
		for _, o := range handmade(inv, device.Name) {
			r.ByHand = append(r.ByHand, o.Key().String())
			if what := switchcfg.Description(o); what != "" {
				made = append(made, o.Key().Name+" ("+what+")")
			}
		}
		if len(made) > 0 {
			byHand = append(byHand, device.Name+": "+strings.Join(made, ", "))
		}
	}
	d.page.heading("A lab on this machine, started in %v", round(time.Since(start)))
	d.page.line("exchange  %s, records of set %s", d.report.Exchange, d.set)
	d.page.line("switches  %s", strings.Join(switches, "  "))
	for i, o := range byHand {
		d.page.line("%-9s %s", []string{"by hand", ""}[min(i, 1)], o)
	}
}

// plan looks at everything and changes nothing.
func (d *demo) plan(ctx context.Context) error {
	start := time.Now()
	d.before = make(map[string]switchcfg.State)
	for i, name := range d.pass.Devices() {
		observed, err := d.pass.Observe(ctx, name)
		if err != nil {
			return fmt.Errorf("no plan for %s: %w", name, err)
		}
		p, err := d.pass.Plan(ctx, name)
		if err != nil {
			return fmt.Errorf("no plan for %s: %w", name, err)
		}
		d.before[name] = observed
		d.plans = append(d.plans, p)
		d.report.Devices[i].Plan = count(p)
	}
	records := d.pass.Snapshot().Records
	d.page.heading("Plan, made in %v from %d connections and %d configs", round(time.Since(start)), len(records.Connections), len(records.NetworkServiceConfigs))
	for i, p := range d.plans {
		d.page.line("%s%s", p.Summary(), []string{", such as", ""}[min(i, 1)])
		if i == 0 {
			d.page.changes(sample(p))
		}
	}
	rejections := d.pass.Rejections()
	groups := groupRejections(rejections)
	d.report.Rejections = groups
	if len(groups) > 0 {
		d.page.heading("%d records are kept off the switches, or there with a remark; by reason, with an example each", len(rejections))
	}
	for _, g := range groups {
		d.page.line("%2d  %-28s  %s", g.Count, g.Tag, strings.ReplaceAll(g.Example, "network-service-config", "config"))
	}
	return nil
}

// sample picks a LAG with LACP out of a plan, and a double-tagged circuit on it.
func sample(p plan.Plan) []plan.Change {
	var lag *switchcfg.LAG
	var out []plan.Change
	for _, c := range p.Changes {
		switch o := c.After.(type) {
		case *switchcfg.LAG:
			if lag == nil && o.Mode == switchcfg.ModeLACP && o.TPID != 0 {
				lag, out = o, append(out, c)
			}
		case *switchcfg.Circuit:
			if lag != nil && o.Parent == lag.Name && o.Match.Form == switchcfg.Double {
				return append(out, c)
			}
		}
	}
	return out
}

// groupRejections counts by tag, the most frequent first.
func groupRejections(all []compile.Rejection) []rejectionGroup {
	byTag := make(map[compile.Tag]*rejectionGroup)
	for _, r := range all {
		if g := byTag[r.Tag]; g != nil {
			g.Count++
		} else {
			byTag[r.Tag] = &rejectionGroup{Tag: string(r.Tag), Count: 1, Example: r.Message}
		}
	}
	var out []rejectionGroup
	for _, g := range byTag {
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b rejectionGroup) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Tag, b.Tag))
	})
	return out
}

// apply makes the plans real.
func (d *demo) apply(ctx context.Context) error {
	d.page.heading("Apply: all switches together, and each takes its changes back by itself unless they are verified and confirmed")
	for i, out := range d.pass.Apply(ctx, d.plans...) {
		p := d.plans[i]
		if out.Err != nil {
			return fmt.Errorf("the plan for %s was not applied: %w", p.Device, out.Err)
		}
		if !out.Confirmed {
			return fmt.Errorf("%s was changed without a confirmed commit", p.Device)
		}
		d.report.Devices[i].Apply = &out.Outcome
		var phases []string
		for _, ph := range out.Phases {
			phases = append(phases, fmt.Sprintf("%s %v", ph.Name, round(ph.Took)))
		}
		d.page.line("%s: %d changes confirmed in %v: %s", p.Device, out.Changes, round(out.Took), strings.Join(phases, ", "))
	}
	return nil
}

// verify plans again, which must find nothing to do, and makes sure that nobody else's configuration has changed.
func (d *demo) verify(ctx context.Context) error {
	if err := d.settled(ctx, d.pass); err != nil {
		return err
	}
	kept := 0
	for i, name := range d.pass.Devices() {
		after, err := d.pass.Observe(ctx, name)
		if err != nil {
			return err
		}
		for k, o := range d.before[name] {
			if now, ok := after[k]; !ok || !switchcfg.Equal(o, now) {
				return fmt.Errorf("%s of %s was made by hand, and is not as it was", k, name)
			}
			kept++
		}
		for _, c := range sample(d.plans[i]) {
			if lag, ok := after[c.Key].(*switchcfg.LAG); ok && i == 0 {
				d.page.line("%s is there: %s", lag.Name, attributes(lag.Lines()))
			}
		}
	}
	d.page.line("second plan of every switch: nothing to do; what was made by hand, %d objects: unchanged", kept)
	return nil
}

// settled makes sure that a pass finds nothing to do.
func (d *demo) settled(ctx context.Context, pass *agent.Pass) error {
	for _, name := range pass.Devices() {
		p, err := pass.Plan(ctx, name)
		if err != nil {
			return fmt.Errorf("no plan for %s: %w", name, err)
		}
		if !p.Empty() {
			return fmt.Errorf("the plan after the changes is not empty: %s", p.AppendText(nil))
		}
	}
	return nil
}
