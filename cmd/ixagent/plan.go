package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/agent"
	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
)

// document is the JSON form of what plan shows and apply reads. Fields are only added.
type document struct {
	Snapshot   string              `json:"snapshot"` // version of what the exchange said
	Plans      []plan.Plan         `json:"plans"`
	Rejections []compile.Rejection `json:"rejections"`
	Errors     []deviceError       `json:"errors,omitempty"` // switches without a plan
	Waiting    []waiting           `json:"waiting,omitempty"`

	whole []plan.Plan // what ixagent approve is for
}

// waiting is what the daemon would not do by itself on a switch, and would if a person approved it.
type waiting struct {
	Device   string          `json:"device"`
	Digest   string          `json:"digest"` // of the plan with it, for ixagent approve
	Withheld []plan.Withheld `json:"withheld"`
}

// waits returns what waits on a switch that the daemon may change.
func waits(mode config.Mode, all agent.Plans) (w waiting, any bool, err error) {
	if mode == config.Observe || len(all.Whole.Changes) == 0 {
		return w, false, nil
	}
	w.Device = all.Whole.Device
	for _, x := range all.Alone.Withheld {
		if !slices.ContainsFunc(all.Whole.Withheld, func(o plan.Withheld) bool { return o.Key == x.Key }) {
			w.Withheld = append(w.Withheld, x)
		}
	}
	w.Digest, err = all.Whole.Digest()
	return w, len(w.Withheld) > 0, err
}

// append says why how much of it waits, and what a person can do.
func (w waiting) append(b []byte) []byte {
	var reasons []plan.Reason
	why, number := make(map[plan.Reason]string), make(map[plan.Reason]int)
	for _, x := range w.Withheld {
		if number[x.Reason]++; number[x.Reason] == 1 {
			reasons, why[x.Reason] = append(reasons, x.Reason), x.Detail
		}
	}
	b = fmt.Appendf(b, "  the daemon does not do by itself:\n")
	for _, r := range reasons {
		b = fmt.Appendf(b, "      %s: %s: %s\n", count(number[r], "change", "changes"), r, why[r])
	}
	return fmt.Appendf(b, "      to have it do all of this plan at once: ixagent approve %.16s\n", w.Digest)
}

type deviceError struct {
	Device string `json:"device"`
	Error  string `json:"error"`

	err error
}

func (d *document) changes() (n int) {
	for _, p := range d.Plans {
		n += len(p.Changes)
	}
	return n
}

func (d *document) withheld() (n int) {
	for _, p := range d.Plans {
		n += len(p.Withheld)
	}
	return n
}

func (a *app) planCmd() *cobra.Command {
	var c choice
	var member, out string
	var native, shown, asJSON, exit bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what would change on the switches",
		Long: `Read the exchange and the switches, and show for each switch what would change, what is withheld and why, and
which records are not provisioned and why. What the daemon would not do without a person is said with the command
that approves it. Nothing is changed.`,
		Example: `  ixagent plan
  ixagent plan --device fra1-sw1 --native
  ixagent plan --device fra1-sw2 --device-diff
  ixagent plan --member account:1001
  ixagent plan --out change.json --exit-code`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if member != "" && (out != "" || native || shown) {
				return errors.New("--member chooses what is shown, and does not go with --out, --native or --device-diff")
			}
			p, err := a.pass(cmd.Context(), c)
			if err != nil {
				return err
			}
			defer p.Close()
			d, err := plans(cmd.Context(), p, c.devices)
			if err != nil {
				return err
			}
			if member != "" && !d.knows(p, member) {
				return fmt.Errorf("the exchange has no account %q", member)
			}
			if out != "" {
				if err := save(out, d); err != nil {
					return err
				}
			}
			switch {
			case asJSON:
				err = printJSON(a.out, d.of(member))
			case native:
				err = d.each(a.out, func(pl plan.Plan) ([]byte, error) { return p.Native(cmd.Context(), pl) })
			case shown:
				err = d.each(a.out, func(pl plan.Plan) ([]byte, error) { return p.Preview(cmd.Context(), pl) })
			default:
				_, err = a.out.Write(d.of(member).text())
			}
			if err != nil {
				return err
			}
			for _, e := range d.Errors {
				report(a.err, e.err)
			}
			switch {
			case len(d.Errors) > 0:
				return exitPartial
			case exit && d.changes() > 0:
				return exitChanges
			case exit && d.withheld() > 0:
				return exitPartial
			}
			return nil
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if strings.HasSuffix(err.Error(), "needs an argument: --device") {
			return advised{err, "name a switch; what the switches themselves would show is --device-diff"}
		}
		return err
	})
	f := cmd.Flags()
	c.flags(cmd)
	f.StringVarP(&member, "member", "m", "", "show only what concerns this account")
	f.StringVarP(&out, "out", "o", "", "also write the plans to a file for ixagent apply")
	f.BoolVar(&native, "native", false, "show exactly what would be sent to the switches")
	f.BoolVar(&shown, "device-diff", false, "have the switches show what they would change, where they can without changing it")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	f.BoolVar(&exit, "exit-code", false, "exit with 2 if something would change, 3 if something is withheld")
	cmd.MarkFlagsMutuallyExclusive("native", "device-diff", "json")
	return cmd
}

// advised is an error with something to do about it.
type advised struct {
	error
	hint string
}

// Hint returns what can be done.
func (a advised) Hint() string { return a.hint }

// plans makes the plans of the named switches, or of all, side by side. A switch that cannot be read is an entry
// of Errors and holds up no other.
func plans(ctx context.Context, p *agent.Pass, devices []string) (*document, error) {
	for _, d := range devices {
		if err := p.Has(d); err != nil {
			return nil, err
		}
	}
	d := &document{Snapshot: p.Snapshot().Version, Plans: []plan.Plan{}, Rejections: p.Rejections()}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, name := range p.Devices() {
		if len(devices) > 0 && !slices.Contains(devices, name) {
			continue
		}
		wg.Go(func() {
			all, err := p.Plans(ctx, name)
			var w waiting
			var any bool
			if err == nil {
				device, _ := p.Config.Inventory.Device(name)
				w, any, err = waits(device.Mode, all)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				d.Errors = append(d.Errors, deviceError{name, err.Error(), err})
				return
			}
			d.Plans, d.whole = append(d.Plans, all.Here), append(d.whole, all.Whole)
			if any {
				d.Waiting = append(d.Waiting, w)
			}
		})
	}
	wg.Wait()
	order := func(a, b string) int {
		return cmp.Compare(slices.Index(p.Devices(), a), slices.Index(p.Devices(), b))
	}
	slices.SortFunc(d.Plans, func(a, b plan.Plan) int { return order(a.Device, b.Device) })
	slices.SortFunc(d.Errors, func(a, b deviceError) int { return order(a.Device, b.Device) })
	slices.SortFunc(d.Waiting, func(a, b waiting) int { return order(a.Device, b.Device) })
	return d, cmp.Or(d.limit(p, devices), ctx.Err())
}

// limit leaves what concerns the named switches, or everything if there are none.
func (d *document) limit(p *agent.Pass, devices []string) error {
	if len(devices) == 0 {
		return nil
	}
	for _, name := range devices {
		if err := p.Has(name); err != nil {
			return err
		}
	}
	others := func(device string) bool { return !slices.Contains(devices, device) }
	d.Plans = slices.DeleteFunc(d.Plans, func(p plan.Plan) bool { return others(p.Device) })
	d.Errors = slices.DeleteFunc(d.Errors, func(e deviceError) bool { return others(e.Device) })
	d.Waiting = slices.DeleteFunc(d.Waiting, func(w waiting) bool { return others(w.Device) })
	d.Rejections = slices.DeleteFunc(d.Rejections, func(r compile.Rejection) bool { return r.Device != "" && others(r.Device) })
	return nil
}

// of returns what concerns one account, or everything for "".
func (d *document) of(member string) *document {
	if member == "" {
		return d
	}
	out := &document{Snapshot: d.Snapshot, Errors: d.Errors}
	theirs := func(all []plan.Withheld) []plan.Withheld {
		return slices.DeleteFunc(slices.Clone(all), func(w plan.Withheld) bool {
			return w.Cause.Account != member && !slices.Contains(w.Members, member)
		})
	}
	for _, p := range d.Plans {
		p.Changes = slices.DeleteFunc(slices.Clone(p.Changes), func(c plan.Change) bool {
			return c.Cause.Account != member && !slices.Contains(c.Members, member)
		})
		p.Withheld = theirs(p.Withheld)
		out.Plans = append(out.Plans, p)
	}
	for _, w := range d.Waiting {
		if w.Withheld = theirs(w.Withheld); len(w.Withheld) > 0 {
			out.Waiting = append(out.Waiting, w)
		}
	}
	for _, r := range d.Rejections {
		if r.Account == member {
			out.Rejections = append(out.Rejections, r)
		}
	}
	return out
}

// knows reports whether the exchange lists an account, or something in the document is its.
func (d *document) knows(p *agent.Pass, account string) bool {
	listed := p.Snapshot().Records.Accounts
	return slices.ContainsFunc(listed, func(a ixapi.Account) bool { return a.ID == account }) ||
		d.of(account).changes()+d.of(account).withheld()+len(d.of(account).Rejections) > 0
}

// text returns the document as a person reads it.
func (d *document) text() []byte {
	var b []byte
	for _, p := range d.Plans {
		b = p.AppendText(b)
		for _, w := range d.Waiting {
			if w.Device == p.Device {
				b = w.append(b)
			}
		}
		b = append(b, '\n')
	}
	for i, r := range d.Rejections {
		if i == 0 {
			b = append(b, "Records that are not provisioned, or only with a remark:\n"...)
		}
		b = appendRejection(b, "", r)
		if i == len(d.Rejections)-1 {
			b = append(b, '\n')
		}
	}
	return d.appendSummary(b)
}

// appendRejection appends a line with what a rejection is of before it.
func appendRejection(b []byte, of string, r compile.Rejection) []byte {
	sign := "!"
	if !r.Refused() {
		sign = "·"
	}
	return fmt.Appendf(b, "  %s %s%s: %s\n", sign, of, r.Tag, r.Message)
}

func (d *document) appendSummary(b []byte) []byte {
	var create, update, remove, refused int
	for _, p := range d.Plans {
		c, u, r := p.Counts()
		create, update, remove = create+c, update+u, remove+r
	}
	for _, r := range d.Rejections {
		if r.Refused() {
			refused++
		}
	}
	b = fmt.Appendf(b, "%s: %d to create, %d to update, %d to delete; %d withheld; %s not provisioned",
		count(len(d.Plans), "switch", "switches"), create, update, remove, d.withheld(), count(refused, "record", "records"))
	if n := len(d.Errors); n > 0 {
		b = fmt.Appendf(b, "; %s without a plan", count(n, "switch", "switches"))
	}
	return append(b, ".\n"...)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// each writes what f returns for each plan in which something changes. Where it fails the switch is an entry of Errors.
func (d *document) each(w io.Writer, f func(plan.Plan) ([]byte, error)) error {
	for _, pl := range d.Plans {
		if len(pl.Changes) == 0 {
			continue
		}
		text, err := f(pl)
		if err != nil {
			d.Errors = append(d.Errors, deviceError{pl.Device, err.Error(), err})
			continue
		}
		if _, err := fmt.Fprintf(w, "# %s\n%s\n", pl.Device, text); err != nil {
			return err
		}
	}
	return nil
}

// save writes the document so that a reader finds the old file or the new one, whole.
func save(path string, d *document) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".plan-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(printJSON(f, d), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
