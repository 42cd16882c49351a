package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/host"
)

func newSwitchShow() *cobra.Command {
	var asJSON, drops bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Show what the switch of this network namespace forwards",
		Example: `  ixlab exec --lab wires sw1 -- ixlab switch show
  ixlab exec --lab wires sw1 -- ixlab switch show --drops --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			what := "state"
			if drops {
				what = "drops"
			}
			body, err := askSwitch(c.Context(), nil, http.MethodGet, what)
			if err != nil {
				return err
			}
			defer body.Close()
			text, err := io.ReadAll(body)
			if err != nil {
				return err
			}
			if asJSON {
				_, err := c.OutOrStdout().Write(text)
				return err
			}
			if drops {
				return showDrops(c.OutOrStdout(), text)
			}
			return showState(c.OutOrStdout(), text)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&drops, "drops", false, "show the last frames that were dropped")
	return c
}

func newSwitchHarm() *cobra.Command {
	return &cobra.Command{
		Use:   "harm [PORT]",
		Short: "Make changes of the switch of this network namespace hurt a port or LAG",
		Long: `Make changes of the switch of this network namespace hurt a port or LAG, whatever they are about. From the next change
on it is down and passes no frames, for as long as the switch has another configuration than now. Taking the change back
ends it, and the change after that hurts again.

Without a port nothing is hurt any more.`,
		Example: `  ixlab exec --lab wires sw1 -- ixlab switch harm Ethernet1`,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			body, err := askSwitch(c.Context(), nil, http.MethodPut, "harm/"+url.PathEscape(strings.Join(args, "")))
			if err != nil {
				return err
			}
			return body.Close()
		},
	}
}

// askSwitch returns what the switch of a network namespace answers. Enter runs a function inside of it; nil stands for
// that of the process.
func askSwitch(ctx context.Context, enter func(func() error) error, method, what string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://switch/"+what, nil)
	if err != nil {
		return nil, err
	}
	resp, err := host.DialSocket(switchControl, enter).Do(req)
	if err != nil {
		return nil, fmt.Errorf("no switch with wires in this network namespace: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxOrder))
		return nil, errors.Join(errors.New(strings.TrimSpace(string(text))), err)
	}
	return resp.Body, nil
}

func showState(w io.Writer, text []byte) error {
	var s planeState
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(cells ...any) { fmt.Fprintf(t, strings.Repeat("%v\t", len(cells))+"\n", cells...) }
	row("PORT", "ENABLED", "LINK", "IN", "OUT", "DROPPED")
	for _, p := range s.Ports {
		if p.Link || p.In.Frames+p.Out.Frames > 0 {
			row(p.Name, p.Enabled, p.Link, p.In.Frames, p.Out.Frames, reasons(p.Drops))
		}
	}
	row()
	row("LAG", "ENABLED", "UP", "COLLECTING", "DISTRIBUTING", "PARTNER")
	for _, l := range s.LAGs {
		row(l.Name, l.Enabled, l.Operational, strings.Join(l.Collecting, ","), strings.Join(l.Distributing, ","), l.PartnerSystem)
	}
	row()
	row("CIRCUIT", "SERVICE", "UP", "STATIONS", "IN", "OUT", "DROPPED")
	for _, x := range s.Circuits {
		row(fmt.Sprintf("%s.%d", x.Parent, x.Unit), x.Service, x.Operational, x.Stations, x.In.Frames, x.Out.Frames, reasons(x.Drops))
	}
	return t.Flush()
}

func reasons(d dataplane.Drops) string {
	var all []string
	for _, r := range slices.Sorted(maps.Keys(d)) {
		all = append(all, fmt.Sprintf("%s %d", r, d[r]))
	}
	return strings.Join(all, ", ")
}

func showDrops(w io.Writer, text []byte) error {
	var drops []dataplane.Drop
	if err := json.Unmarshal(text, &drops); err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TIME\tPORT\tCIRCUIT\tREASON\tLENGTH\tFRAME")
	for _, d := range drops {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%x\n", d.Time.Format("15:04:05.000"), d.Port, d.Circuit, d.Reason, d.Length, []byte(d.Octets[:min(len(d.Octets), 22)]))
	}
	return t.Flush()
}
