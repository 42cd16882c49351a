package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/host"
)

func newHost() *cobra.Command {
	c := &cobra.Command{
		Use:   "host",
		Short: "Run a member's router, or have the one of this network namespace do something",
		Long: `Run a member's router, or have the one that runs in this network namespace do something. It answers ARP, Neighbour
Discovery and ping inside exactly the tags of its attachments, and speaks LACP if it is told to.

An attachment is written NAME=TAGS[,mac=MAC][,ip=ADDRESS/LENGTH]... where the tags are untagged, or ETHERTYPE:VLAN,
several joined by slashes, the outermost first: lan=0x88a8:100/0x8100:7,ip=192.0.2.1/24`,
		Example: `  ixlab exec --lab pair m1 -- ixlab host show
  ixlab exec --lab pair m1 -- ixlab host at lan=0x8100:101,ip=198.51.100.1/24
  ixlab exec --lab pair m1 -- ixlab host send --at lan --count 10`,
	}
	c.AddCommand(newHostRun(), newHostPing(), newHostSend(), newHostReceived(), newHostAt(), newHostGroup(), newHostLink(), newHostShow())
	return c
}

// here is the client of the host in this network namespace.
func here() *host.Client { return host.NewClient(nil) }

func groupFlags(c *cobra.Command, g *host.Group) {
	g.LACP = host.Mode(lacp.Static)
	c.Flags().StringArrayVar(&g.Ports, "port", nil, "`interface` of a port; may be repeated")
	c.Flags().TextVar(&g.LACP, "lacp", g.LACP, "`mode` of the group: active, passive, or static for none")
	c.Flags().BoolVar(&g.Fast, "fast", false, "ask the LACP partner for a PDU every second")
	c.Flags().IntVar(&g.MinLinks, "min-links", 0, "links without which the group carries nothing")
}

func newHostRun() *cobra.Command {
	var g host.Group
	var system host.MAC
	var at []string
	c := &cobra.Command{
		Use:   "run",
		Short: "Run a member's router until it is interrupted",
		Long: `Run a member's router on interfaces of this network namespace until it is interrupted. It waits for interfaces that are
not there yet, and follows those that go and come back. Several ports without LACP are a static group.`,
		Example: `  ixlab host run --port eth1 --at lan=untagged,ip=192.0.2.1/24
  ixlab host run --port eth1 --port eth2 --lacp active --fast --at lan=0x88a8:100/0x8100:7,ip=192.0.2.1/24`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			var attachments []host.Attachment
			for _, text := range at {
				a, fault := host.ParseAttachment(text)
				attachments, err = append(attachments, a), errors.Join(err, fault)
			}
			if err != nil {
				return err
			}
			h, err := host.New(host.Options{
				System: system, Ports: g.Ports, Mode: lacp.Mode(g.LACP), Fast: g.Fast, MinLinks: g.MinLinks, Logger: logger(c),
			})
			if err != nil {
				return err
			}
			defer h.Close()
			for _, a := range attachments {
				if err := h.Add(a); err != nil {
					return err
				}
			}
			return host.Run(c.Context(), h)
		},
	}
	groupFlags(c, &g)
	c.Flags().TextVar(&system, "system-mac", host.MAC{}, "`MAC` that identifies the router and that attachments without one have; zero for one made up")
	c.Flags().StringArrayVar(&at, "at", nil, "`attachment`; may be repeated")
	return c
}

func newHostPing() *cobra.Command {
	var p host.Ping
	var asJSON bool
	c := &cobra.Command{
		Use:     "ping ADDRESS",
		Short:   "Have the host ping a neighbour",
		Long:    "Have the host ping a neighbour, after asking for its MAC. The exit status is 1 if nothing comes back.",
		Example: "  ixlab host ping 192.0.2.2 -c 100 --interval 5ms",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if p.Addr, err = netip.ParseAddr(args[0]); err != nil {
				return err
			}
			r, err := here().Ping(c.Context(), p)
			if err != nil {
				return err
			}
			if err := answer(c.OutOrStdout(), asJSON, r, func(w io.Writer) { printPinged(w, r) }); err != nil {
				return err
			}
			if r.Received == 0 {
				return exitStatus(exitError)
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&p.At, "at", "", "`name` of the attachment; by default the first that has the address in a prefix")
	f.IntVarP(&p.Count, "count", "c", 5, "requests to send")
	f.DurationVar(&p.Interval, "interval", 10*time.Millisecond, "time between requests")
	f.IntVar(&p.Size, "size", 56, "octets of a request after its ICMP header")
	f.DurationVar(&p.Timeout, "timeout", time.Second, "how long to wait for answers after the last request")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printPinged(w io.Writer, r host.Pinged) {
	if r.Trouble != "" {
		fmt.Fprintln(w, r.Trouble)
		return
	}
	loss := 100 * float64(r.Sent-r.Received) / float64(max(r.Sent, 1))
	fmt.Fprintf(w, "%s (%s) from %s: %d sent, %d received, %d duplicated, %.4g%% loss\n", r.Addr, r.MAC, r.At, r.Sent, r.Received, r.Duplicated, loss)
	if r.Received > 0 {
		ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
		fmt.Fprintf(w, "round trip min/avg/max %.3f/%.3f/%.3f ms\n", ms(r.Min), ms(r.Avg), ms(r.Max))
	}
}

// answer prints JSON or what text prints.
func answer(w io.Writer, asJSON bool, v any, text func(w io.Writer)) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	var b strings.Builder
	text(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func newHostSend() *cobra.Command {
	s := host.Send{Dst: host.Broadcast()}
	var to, digits string
	var src host.MAC
	var tags host.Stack
	var asJSON bool
	c := &cobra.Command{
		Use:   "send",
		Short: "Have the host send frames",
		Long: `Have the host send the numbered frames of a stream, which every other host that they reach counts, whatever tags they
arrive with; or frames that a member should not send. The stream is printed: ixlab host received --stream shows what
arrived of it.`,
		Example: `  ixlab host send --to 192.0.2.2 --count 10000 --rate 5000
  ixlab host send --tags 0x9100:100/0x8100:7 --dst 02:00:5e:10:00:01 --size 1522
  ixlab host send --kind lacp --port eth1
  ixlab host send --hex 'ffffffffffff 02005e100001 88cc 0000'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if to != "" {
				if s.To, err = netip.ParseAddr(to); err != nil {
					return err
				}
			}
			if c.Flags().Changed("src") {
				s.Src = &src
			}
			if c.Flags().Changed("tags") {
				s.Tags = &tags
			}
			if digits != "" {
				s.Kind = host.Raw
				if s.Frame, err = host.ParseFrame(digits); err != nil {
					return err
				}
			}
			r, err := here().Send(c.Context(), s)
			if err != nil {
				return err
			}
			if err := answer(c.OutOrStdout(), asJSON, r, func(w io.Writer) {
				if s.Kind == host.Stream {
					fmt.Fprintf(w, "stream %s: ", r.Stream)
				}
				fmt.Fprintf(w, "%d frames of %d octets sent in %v, %d failed\n", r.Sent, r.Size, r.Took.Round(time.Millisecond), r.Failed)
			}); err != nil {
				return err
			}
			if r.Failed > 0 {
				return exitStatus(exitError)
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar((*string)(&s.Kind), "kind", string(host.Stream), "`kind` of frames: stream, lacp or bpdu")
	f.StringVar(&s.At, "at", "", "`name` of the attachment whose MAC and tags the frames have; needed if there are several")
	f.StringVar(&s.Port, "port", "", "send from this `port`, whatever LACP says of it")
	f.StringVar(&to, "to", "", "send to this neighbour, by its IP `address`")
	f.TextVar(&s.Dst, "dst", host.Broadcast(), "destination `MAC`")
	f.TextVar(&src, "src", host.MAC{}, "source `MAC` instead of the attachment's")
	f.TextVar(&tags, "tags", host.Stack(nil), "`tags` instead of the attachment's: untagged, or such as 0x88a8:100/0x8100:7:5:dei")
	f.IntVar(&s.Size, "size", 0, "octets of a frame without its check sequence; 0 for 64, or as many as the tags need")
	f.IntVar(&s.Count, "count", 1, "frames to send")
	f.Float64Var(&s.Rate, "rate", 1000, "frames a second")
	f.TextVar(&s.Stream, "stream", host.StreamID(0), "`number` of the stream in hexadecimal digits; 0 for one made up")
	f.StringVar(&digits, "hex", "", "send this frame, as hexadecimal `digits`, as it is")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	c.MarkFlagsMutuallyExclusive("to", "dst")
	c.MarkFlagsMutuallyExclusive("hex", "kind")
	return c
}

func newHostReceived() *cobra.Command {
	var id host.StreamID
	var asJSON, forget bool
	c := &cobra.Command{
		Use:     "received",
		Short:   "Show what arrived of the streams that others sent",
		Example: "  ixlab host received --stream 5ca1ab1e",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if forget {
				return here().Forget(c.Context())
			}
			var all []host.Received
			var err error
			if c.Flags().Changed("stream") {
				all = make([]host.Received, 1)
				all[0], err = here().Received(c.Context(), id)
			} else {
				all, err = here().Streams(c.Context())
			}
			if err != nil {
				return err
			}
			return answer(c.OutOrStdout(), asJSON, all, func(w io.Writer) {
				for _, r := range all {
					printReceived(w, r)
				}
			})
		},
	}
	c.Flags().TextVar(&id, "stream", host.StreamID(0), "only this `stream`")
	c.Flags().BoolVar(&forget, "forget", false, "forget all that has arrived instead")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printReceived(w io.Writer, r host.Received) {
	fmt.Fprintf(w, "stream %s: %d received, %d lost, %d duplicated, %d reordered, %d late, %d damaged\n",
		r.Stream, r.Received, r.Lost, r.Duplicated, r.Reordered, r.Late, r.Damaged)
	for _, v := range r.Variants {
		fmt.Fprintf(w, "  %d with %s from %s to %s\n", v.Frames, v.Tags, v.Src, v.Dst)
	}
	if r.Others > 0 {
		fmt.Fprintf(w, "  %d with other tags or addresses\n", r.Others)
	}
}

func newHostAt() *cobra.Command {
	var remove []string
	c := &cobra.Command{
		Use:   "at [ATTACHMENT...]",
		Short: "Give the host attachments, or take them away",
		Long:  "Give the host attachments, each in the place of one of the same name, or take them away.",
		Example: `  ixlab host at lan=0x88a8:100/0x8100:7,mac=02:00:5e:10:00:01,ip=192.0.2.1/24
  ixlab host at --remove lan`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && len(remove) == 0 {
				return errors.New("nothing to add or remove; ixlab host show lists the attachments")
			}
			var attachments []host.Attachment
			var faults error
			for _, text := range args {
				a, err := host.ParseAttachment(text)
				attachments, faults = append(attachments, a), errors.Join(faults, err)
			}
			if faults != nil {
				return faults
			}
			for _, name := range remove {
				if err := here().Remove(c.Context(), name); err != nil {
					return err
				}
			}
			for _, a := range attachments {
				if err := here().Add(c.Context(), a); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringArrayVar(&remove, "remove", nil, "`name` of an attachment to take away; may be repeated")
	return c
}

func newHostGroup() *cobra.Command {
	var g host.Group
	c := &cobra.Command{
		Use:     "group",
		Short:   "Give the host other ports, or bundle them in another way",
		Example: "  ixlab host group --port eth1 --port eth2 --lacp passive",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return here().Configure(c.Context(), g) },
	}
	groupFlags(c, &g)
	return c
}

func newHostLink() *cobra.Command {
	return &cobra.Command{
		Use:     "link PORT up|down",
		Short:   "Take a link of the host down or up, as if its cable were pulled",
		Example: "  ixlab host link eth1 down",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if args[1] != "up" && args[1] != "down" {
				return fmt.Errorf("a link goes up or down, not %s", args[1])
			}
			return here().SetLink(c.Context(), args[0], args[1] == "up")
		},
	}
}

func newHostShow() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "show",
		Short:   "Show the host's links, LACP, attachments, neighbours and counters",
		Example: "  ixlab host show --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := here().State(c.Context())
			if err != nil {
				return err
			}
			return answer(c.OutOrStdout(), asJSON, s, func(w io.Writer) { printState(w, s) })
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printState(w io.Writer, s host.State) {
	fmt.Fprintf(w, "system %s, LACP %s", s.System, s.LACP)
	if s.PartnerID != (host.MAC{}) {
		fmt.Fprintf(w, ", partner %s key %d", s.PartnerID, s.PartnerKey)
	}
	working := "carries frames"
	if !s.Working {
		working = "carries nothing"
	}
	fmt.Fprintf(w, ", %s; %d unmatched, %d not sent, %d streams\n\n", working, s.Unmatched, s.NotSent, s.Streams)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PORT\tLINK\tMUX\tPARTNER\tIN\tOUT\tFAILED\tREFUSED")
	for _, l := range s.Links {
		link := "up"
		switch {
		case !l.Present:
			link = "missing"
		case !l.Up:
			link = "down"
		}
		partner := "-"
		if l.Partner.System != (host.MAC{}) {
			partner = fmt.Sprintf("%s port %d (%s)", l.Partner.System, l.Partner.Port, l.Partner.State)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\n", l.Port, link, strings.ToLower(l.Mux), partner, l.In, l.Out, l.Failed, l.Refused)
	}
	fmt.Fprintln(t, "\nATTACHMENT\tTAGS\tMAC\tIN\tOUT\tADDRESSES")
	for _, a := range s.Attachments {
		ips := make([]string, len(a.Prefixes))
		for i, p := range a.Prefixes {
			ips[i] = p.String()
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%s\n", a.Name, a.Tags, a.MAC, a.In, a.Out, strings.Join(ips, " "))
	}
	fmt.Fprintln(t, "\nNEIGHBOUR\tAT\tMAC\tSEEN")
	for _, a := range s.Attachments {
		for _, n := range a.Neighbours {
			fmt.Fprintf(t, "%s\t%s\t%s\t%v ago\n", n.Addr, a.Name, n.MAC, time.Since(n.Seen).Round(time.Second))
		}
	}
	t.Flush()
}
