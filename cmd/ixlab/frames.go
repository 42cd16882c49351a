package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/ixagent/ixagent/lab/host"
	"github.com/ixagent/ixagent/lab/topology"
)

// onWires runs a command of this program in a lab whose switches have wires, with --in and the name of the lab besides.
// It is not run where there are no wires for the data set, or none to be had, which the reason says.
func onWires(ctx context.Context, set string, args ...string) (ran bool, reason, err error) {
	t, err := topology.Builtin(set)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil, nil
	}
	if err != nil {
		return false, nil, err
	}
	program, reason := os.Executable()
	if reason != nil {
		return false, reason, nil
	}
	l, reason := topology.Up(ctx, topology.Options{Topology: t, Name: fmt.Sprintf("%s-%d", args[0], os.Getpid()), Attached: true})
	if reason != nil {
		return false, reason, ctx.Err()
	}
	defer func() { err = errors.Join(err, l.Down(context.WithoutCancel(ctx))) }()
	status, err := l.Exec(ctx, topology.HostNode, append(append([]string{program}, args...), "--in", l.Name))
	if err == nil && status != 0 {
		err = exitStatus(status)
	}
	return true, nil, err
}

// showing is what two attachments of members' routers should have to do with each other.
type showing struct {
	what   string
	a, b   string // NODE/ATTACHMENT
	passes bool
}

// showings returns what is shown on the wires of the metro before its records change.
func showings() []showing {
	return []showing{
		{"peering LAN", "m30001/lan", "m30031/lan", true},
		{"peering LAN, a LAG with LACP", "m30016/lan", "m30025/lan", true},
		{"line across two switches", "m30016/line", "m30019/line", true},
		{"tree, leaf and root", "m30018/tree", "m30016/tree", true},
		{"tree, leaf and leaf", "m30018/tree", "m30028/tree", false},
		{"in test, so in quarantine", "m30019/test", "m30002/lan", false},
	}
}

// changedShowings returns what is shown after that.
func changedShowings() []showing {
	return []showing{{"passed its tests, so in the LAN", "m30019/test", "m30002/lan", true}}
}

// frameReport is what became of a showing.
type frameReport struct {
	What    string `json:"what"`
	A       string `json:"a"` // NODE/ATTACHMENT
	B       string `json:"b"`
	TagsA   string `json:"tags_a"`
	TagsB   string `json:"tags_b"`
	Passes  bool   `json:"passes"`  // every frame, both ways
	Sent    int    `json:"sent"`    // frames, both ways
	Arrived uint64 `json:"arrived"` // of them, where they should
}

// frames shows on the wires what the switches have made of the records.
func (d *demo) frames(ctx context.Context, all []showing) error {
	if d.wires == nil || len(all) == 0 {
		return nil
	}
	l, err := topology.Find(ctx, d.in)
	if err != nil {
		return err
	}
	p, err := newProbing(ctx, l)
	if err != nil {
		return err
	}
	defer p.close()
	if err := await(ctx, "the members' routers are not connected", func() bool { return p.working(ctx, all) }); err != nil {
		return err
	}
	reports := make([]frameReport, len(all))
	group, ctx := errgroup.WithContext(ctx)
	for i, s := range all {
		group.Go(func() (err error) {
			reports[i], err = p.show(ctx, s)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, r := range reports {
		d.report.Frames = append(d.report.Frames, r)
		word := "pass"
		if r.Arrived == 0 {
			word = "isolated"
		}
		d.page.line("%-8s  %-31s  %-33s  %s", word, r.What, tail(r.A, r.TagsA), tail(r.B, r.TagsB))
		if s := all[i]; r.Passes != s.passes || !s.passes && r.Arrived > 0 {
			return fmt.Errorf("%s: %d of %d frames between %s and %s arrived", s.what, r.Arrived, r.Sent, s.a, s.b)
		}
	}
	return nil
}

func tail(point, tags string) string { return nodeOf(point) + " " + tags }

func nodeOf(point string) string {
	node, _, _ := strings.Cut(point, "/")
	return node
}

// working reports whether every host that has something to show can send.
func (p *probing) working(ctx context.Context, all []showing) bool {
	for node, ns := range p.spaces {
		if !slices.ContainsFunc(all, func(s showing) bool { return nodeOf(s.a) == node || nodeOf(s.b) == node }) {
			continue
		}
		if s, err := host.NewClient(ns.Do).State(ctx); err == nil && !s.Working {
			return false
		}
	}
	return true
}

// show sends frames both ways.
func (p *probing) show(ctx context.Context, s showing) (frameReport, error) {
	legs, err := p.run(ctx, s.a, s.b)
	if err != nil {
		return frameReport{}, err
	}
	r := frameReport{What: s.what, A: s.a, B: s.b, Passes: !slices.ContainsFunc(legs, func(l leg) bool { return !l.Passed })}
	for _, l := range legs {
		r.Sent, r.Arrived = r.Sent+l.Sent, r.Arrived+l.Received
		switch l.From {
		case s.a:
			r.TagsA = l.Tags.String()
		case s.b:
			r.TagsB = l.Tags.String()
		}
	}
	return r, nil
}
