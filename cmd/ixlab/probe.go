package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/host"
	"github.com/ixagent/ixagent/lab/namespace"
	"github.com/ixagent/ixagent/lab/topology"
)

func newProbe() *cobra.Command {
	var lab string
	var asJSON bool
	c := &cobra.Command{
		Use:   "probe A B",
		Short: "Tell what passes between two attachments, and why not",
		Long: `Tell what passes between two attachments of hosts in a lab, and why not. A and B are NODE, or NODE/ATTACHMENT where the
host has several. Each sends the other a broadcast, a unicast and a large frame, and for what does not arrive all
switches are asked whether they dropped it, where and why.

The exit status is 0 if all of it passes both ways, and 1 otherwise.`,
		Example: "  ixlab probe --lab pair m1 m2",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			l, err := topology.Find(c.Context(), lab)
			if err != nil {
				return err
			}
			switch inside, err := entered(c.Context(), l); {
			case err != nil:
				return err
			case !inside:
				return again(c.Context(), l)
			}
			p, err := newProbing(c.Context(), l)
			if err != nil {
				return err
			}
			defer p.close()
			legs, err := p.run(c.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			if err := answer(c.OutOrStdout(), asJSON, legs, func(w io.Writer) { printLegs(w, legs) }); err != nil {
				return err
			}
			if slices.ContainsFunc(legs, func(l leg) bool { return !l.Passed }) {
				return exitStatus(exitError)
			}
			return nil
		},
	}
	c.Flags().StringVar(&lab, "lab", "", "`NAME` of the lab; needed where several are up")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// entered reports whether this process may enter the namespaces of a lab: it is root, perhaps of the user namespace of
// a lab that was brought up without root.
func entered(ctx context.Context, l *topology.Lab) (bool, error) {
	pid, err := l.PID(ctx, topology.HostNode)
	if err != nil {
		return false, err
	}
	ours, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		return false, err
	}
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", pid))
	return os.Geteuid() == 0 || ours == theirs, err
}

// again runs this command once more, inside the user namespace of the lab.
func again(ctx context.Context, l *topology.Lab) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	status, err := l.Exec(ctx, topology.HostNode, append([]string{program}, os.Args[1:]...))
	if err == nil && status != 0 {
		err = exitStatus(status)
	}
	return err
}

// What a probe sends of each kind, and how long it waits for it.
const (
	probeFrames = 3
	probeRate   = 100
	probeWait   = time.Second
	largeFrame  = 1514 // octets of the longest frame without tags that every Ethernet carries
)

// leg is one kind of frame one way.
type leg struct {
	From     string         `json:"from"` // NODE/ATTACHMENT
	To       string         `json:"to"`
	Kind     string         `json:"kind"` // broadcast, unicast or large
	Size     int            `json:"size"` // octets of a frame
	Tags     host.Stack     `json:"tags"` // that it was sent with
	Sent     int            `json:"sent"`
	Received uint64         `json:"received"` // with the tags of the attachment it is for
	Passed   bool           `json:"passed"`
	Arrived  []host.Variant `json:"arrived,omitempty"`
	Why      []string       `json:"why,omitempty"` // of what did not arrive

	stream host.StreamID
}

// probing is a probe under way, and the nodes it can ask.
type probing struct {
	nodes  []string
	spaces map[string]*namespace.Namespace
}

func newProbing(ctx context.Context, l *topology.Lab) (*probing, error) {
	all, err := l.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	p := &probing{spaces: make(map[string]*namespace.Namespace)}
	for _, n := range all {
		if n.State != topology.Running {
			continue
		}
		ns, err := l.Namespace(ctx, n.Name)
		if err != nil {
			p.close()
			return nil, err
		}
		p.nodes = append(p.nodes, n.Name)
		p.spaces[n.Name] = ns
	}
	return p, nil
}

func (p *probing) close() {
	for _, ns := range p.spaces {
		ns.Close()
	}
}

// point is an attachment of a host.
type point struct {
	name    string // NODE/ATTACHMENT
	host    *host.Client
	at      host.AttachmentState
	carrier bool
}

func (p *probing) point(ctx context.Context, text string) (point, error) {
	node, at, named := strings.Cut(text, "/")
	ns := p.spaces[node]
	if ns == nil {
		return point{}, fmt.Errorf("no node %s runs in the lab; there are %s", node, strings.Join(p.nodes, ", "))
	}
	c := host.NewClient(ns.Do)
	s, err := c.State(ctx)
	if err != nil {
		return point{}, fmt.Errorf("node %s: %w", node, err)
	}
	var names []string
	for _, a := range s.Attachments {
		if names = append(names, a.Name); a.Name == at || !named && len(s.Attachments) == 1 {
			return point{node + "/" + a.Name, c, a, s.Working}, nil
		}
	}
	if named {
		return point{}, fmt.Errorf("node %s has no attachment %s; there are %s", node, at, strings.Join(names, ", "))
	}
	return point{}, fmt.Errorf("node %s has %d attachments, name one as %s/NAME: %s", node, len(names), node, strings.Join(names, ", "))
}

// run probes both ways.
func (p *probing) run(ctx context.Context, a, b string) ([]leg, error) {
	from, err := p.point(ctx, a)
	if err != nil {
		return nil, err
	}
	to, err := p.point(ctx, b)
	if err != nil {
		return nil, err
	}
	ways, kinds := [][2]point{{from, to}, {to, from}}, []string{"broadcast", "unicast", "large"}
	legs := make([]leg, len(ways)*len(kinds))
	group, trying := errgroup.WithContext(ctx)
	for i := range legs {
		ends, kind := ways[i/len(kinds)], kinds[i%len(kinds)]
		group.Go(func() (err error) {
			legs[i], err = try(trying, ends[0], ends[1], kind)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return legs, p.explain(ctx, legs)
}

// try sends one kind of frame one way and waits for it.
func try(ctx context.Context, from, to point, kind string) (leg, error) {
	s := host.Send{Kind: host.Stream, At: from.at.Name, Count: probeFrames, Rate: probeRate, Dst: to.at.MAC, Stream: host.StreamID(rand.Uint64() | 1)}
	switch kind {
	case "broadcast":
		s.Dst = host.Broadcast()
	case "large":
		s.Size = largeFrame + 4*len(from.at.Tags)
	}
	sent, err := from.host.Send(ctx, s)
	if err != nil {
		return leg{}, err
	}
	l := leg{From: from.name, To: to.name, Kind: kind, Size: sent.Size, Tags: from.at.Tags, Sent: sent.Sent, stream: s.Stream}
	if sent.Failed > 0 {
		why := "does not take the frame"
		if !from.carrier {
			why = "has no port that carries frames; ixlab host show tells more"
		}
		l.Why = append(l.Why, fmt.Sprintf("%s: the host %s", from.name, why))
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for over := time.After(probeWait); ; {
		r, err := to.host.Received(ctx, s.Stream)
		if err != nil {
			return leg{}, err
		}
		l.Arrived, l.Received = r.Variants, 0
		for _, v := range r.Variants {
			if v.Tags.Equal(to.at.Tags) {
				l.Received += v.Frames
			}
		}
		// A host may be in a service more than once, and then gets a broadcast with the tags of its other circuits too.
		if l.Passed = l.Received == probeFrames; l.Passed {
			return l, nil
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
			return leg{}, ctx.Err()
		case <-over:
		}
		if l.Received > probeFrames {
			l.Why = append(l.Why, fmt.Sprintf("%s: %d frames arrived more than once", to.name, l.Received-probeFrames))
		}
		for _, v := range r.Variants {
			if !v.Tags.Equal(to.at.Tags) {
				l.Why = append(l.Why, fmt.Sprintf("%s: arrived with tags %s, and the host expects %s", to.name, v.Tags, to.at.Tags))
			}
		}
		return l, nil
	}
}

// explain asks all switches what they dropped of what did not arrive.
func (p *probing) explain(ctx context.Context, legs []leg) error {
	if !slices.ContainsFunc(legs, func(l leg) bool { return !l.Passed }) {
		return nil
	}
	switches := 0
	for _, node := range p.nodes {
		drops, is, err := dropsOf(ctx, p.spaces[node])
		if err != nil {
			return fmt.Errorf("node %s: %w", node, err)
		}
		if is {
			switches++
		}
		for _, d := range drops {
			stream, tags, ok := host.FindStream(d.Octets)
			i := slices.IndexFunc(legs, func(l leg) bool { return l.stream == stream && !l.Passed })
			if !ok || i < 0 {
				continue
			}
			if why := node + " " + reason(d, tags); !slices.Contains(legs[i].Why, why) {
				legs[i].Why = append(legs[i].Why, why)
			}
		}
	}
	for i := range legs {
		if l := &legs[i]; !l.Passed && len(l.Why) == 0 {
			l.Why = []string{fmt.Sprintf("none of the %d switches says that it dropped the frame: is there a link from %s to a switch, and does a service join the two?", switches, l.From)}
		}
	}
	return nil
}

// dropsOf returns what the switch in a namespace dropped last, and whether there is a switch.
func dropsOf(ctx context.Context, ns *namespace.Namespace) ([]dataplane.Drop, bool, error) {
	body, err := askSwitch(ctx, ns.Do, http.MethodGet, "drops")
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
		return nil, false, ctx.Err()
	}
	if err != nil {
		return nil, false, err
	}
	defer body.Close()
	var drops []dataplane.Drop
	err = json.NewDecoder(io.LimitReader(body, 1<<22)).Decode(&drops)
	return drops, true, err
}

// reason says why a switch dropped a frame with these tags, so that somebody knows what to look at.
func reason(d dataplane.Drop, tags host.Stack) string {
	where := d.Port + ": dropped at ingress"
	if d.Out {
		where = d.Port + ": dropped at egress"
	}
	if d.Circuit != "" {
		where += " of circuit " + d.Circuit
	}
	return where + ": " + cause(d, tags)
}

func cause(d dataplane.Drop, tags host.Stack) string {
	switch d.Reason {
	case dataplane.AdminDown:
		return "the port, LAG or circuit is disabled, or not configured"
	case dataplane.NotCollecting:
		return "the port is not in its LAG; see LACP at both ends"
	case dataplane.NoCircuit:
		return "the port or LAG has no circuit"
	case dataplane.Untagged:
		return "no circuit takes untagged frames"
	case dataplane.NoService:
		return "the circuit is in no service"
	case dataplane.Filtered:
		return "the MAC filter does not let the addresses pass"
	case dataplane.Storm:
		return "too much broadcast, multicast and unknown unicast for the storm control"
	case dataplane.Policed:
		return "above the rate of the circuit"
	case dataplane.MACLimit:
		return "one source address more than the circuit may have"
	case dataplane.MTU:
		return fmt.Sprintf("%d octets are longer than the MTU of the port, the LAG or the service", d.Length)
	case dataplane.Leaf:
		return "a leaf does not reach a leaf"
	case dataplane.SameCircuit:
		return "the station is behind the circuit that the frame came from"
	case dataplane.NoDestination:
		return "the service has nobody else to send it to"
	case dataplane.LinkDown:
		return "the port it would leave by has no link"
	case dataplane.NoMember:
		return "no member of the LAG it would leave by carries frames; see LACP at both ends"
	}
	if len(tags) == 0 {
		return d.Reason.String() + ", the frame is untagged"
	}
	switch d.Reason {
	case dataplane.Ethertype:
		return fmt.Sprintf("outer ethertype %#04x is not the one of the port", tags[0].TPID)
	case dataplane.OuterVLAN:
		return fmt.Sprintf("no circuit has outer VLAN %d", tags[0].VID())
	case dataplane.InnerVLAN:
		if len(tags) > 1 {
			return fmt.Sprintf("no circuit has inner VLAN %d (%#04x) behind outer VLAN %d", tags[1].VID(), tags[1].TPID, tags[0].VID())
		}
		return fmt.Sprintf("no circuit has outer VLAN %d without an inner one", tags[0].VID())
	case dataplane.ExtraTag:
		return fmt.Sprintf("a tag more than the circuit has: %s", tags)
	}
	return fmt.Sprintf("%s, the frame has the tags %s", d.Reason, tags)
}

func printLegs(w io.Writer, legs []leg) {
	for i, l := range legs {
		if i == 0 || l.From != legs[i-1].From {
			fmt.Fprintf(w, "%s -> %s\n", l.From, l.To)
		}
		if l.Passed {
			fmt.Fprintf(w, "  %-9s  passes: %d octets, sent with %s, arrives with %s\n", l.Kind, l.Size, l.Tags, l.Arrived[0].Tags)
			continue
		}
		fmt.Fprintf(w, "  %-9s  does not pass: %d octets, %d sent with %s, %d arrived\n", l.Kind, l.Size, l.Sent, l.Tags, l.Received)
		for _, why := range l.Why {
			fmt.Fprintf(w, "             %s\n", why)
		}
	}
}
