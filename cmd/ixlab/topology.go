package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/lab/topology"
)

// exitStatus is the status of a command that ran in a lab, which becomes the program's own.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func newUp() *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "up FILE",
		Short: "Bring up the lab of a containerlab file",
		Long: `Bring up the switches and hosts of a file in containerlab's format, with namespaces and veths of this machine, with or
without root. It returns when every program runs and every link is there; nothing is written to disk, and nothing is
left after ixlab down, or when the lab's processes are killed.

What of the format only containerlab can do is refused by its name. The management namespace of the lab is reached
with ixlab exec host.`,
		Example: `  ixlab up lab/topology/two.clab.yml
  ixlab up --name mine lab/topology/two.clab.yml`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			t, err := topology.Parse(args[0], text)
			if err != nil {
				return err
			}
			l, err := topology.Up(c.Context(), topology.Options{Topology: t, Name: name})
			if err != nil {
				return err
			}
			st, err := l.Status(c.Context())
			if err != nil {
				return err
			}
			for _, n := range st.Nodes {
				for _, w := range n.Warnings {
					fmt.Fprintf(c.ErrOrStderr(), "ixlab: warning: node %s: %s\n", n.Name, w)
				}
			}
			return printLab(c.OutOrStdout(), st)
		},
	}
	c.Flags().StringVar(&name, "name", "", "call the lab `NAME` instead of what the file calls it")
	return c
}

func newDown() *cobra.Command {
	return &cobra.Command{
		Use:     "down [NAME]",
		Short:   "Take a lab down",
		Long:    "Take a lab down. The name is needed where several labs are up.",
		Example: `  ixlab down two`,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			l, err := topology.Find(c.Context(), strings.Join(args, ""))
			if err != nil {
				return err
			}
			return l.Down(c.Context())
		},
	}
}

func newExec() *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "exec NODE -- COMMAND [ARGUMENT...]",
		Short: "Run a command of this machine in a node's network",
		Long: `Run a command of this machine in the network of a node, or of the lab's management namespace, which is called host. The
command sees the files of this machine, not those of the node. Its exit status is passed on.`,
		Example: `  ixlab exec --lab two sw1 -- ip -brief link
  ixlab exec --lab two host -- ip -brief address`,
		Args: func(c *cobra.Command, args []string) error {
			switch at := c.ArgsLenAtDash(); {
			case at == 1 && len(args) > 1:
				return nil
			case at < 0 && len(args) > 1:
				return errors.New("write -- between the node and the command")
			}
			return errors.New("a node and a command are needed: ixlab exec NODE -- COMMAND")
		},
		RunE: func(c *cobra.Command, args []string) error {
			// Signals are the command's; only the time before it runs ends with the context.
			l, err := topology.Find(c.Context(), name)
			if err != nil {
				return err
			}
			status, err := l.Exec(c.Context(), args[0], args[1:])
			if err != nil {
				return err
			}
			if status != 0 {
				return exitStatus(status)
			}
			return nil
		},
	}
	c.Flags().StringVar(&name, "lab", "", "`NAME` of the lab; needed where several are up")
	return c
}

func newInspect() *cobra.Command {
	var asJSON bool
	var logs string
	c := &cobra.Command{
		Use:   "inspect [NAME]",
		Short: "Show the nodes of a lab, or of all labs",
		Long: `Show what is up: each node's process, management address, links and state, and of an ended program how it ended and
what it printed last. With --logs it prints what a node's program has printed, the last 64 KiB of it.`,
		Example: `  ixlab inspect
  ixlab inspect two --json
  ixlab inspect two --logs sw1`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			name := strings.Join(args, "")
			if logs != "" {
				l, err := topology.Find(c.Context(), name)
				if err != nil {
					return err
				}
				text, err := l.Logs(c.Context(), logs)
				if err != nil {
					return err
				}
				_, err = c.OutOrStdout().Write(text)
				return err
			}
			all, err := inspected(c.Context(), name)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(c.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(all)
			}
			for i, st := range all {
				if i > 0 {
					fmt.Fprintln(c.OutOrStdout())
				}
				if err := printLab(c.OutOrStdout(), st); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a list of labs as JSON")
	c.Flags().StringVar(&logs, "logs", "", "print what the program of `NODE` has printed")
	c.MarkFlagsMutuallyExclusive("json", "logs")
	return c
}

// inspected returns the lab of that name, or all labs.
func inspected(ctx context.Context, name string) ([]*topology.Status, error) {
	var labs []*topology.Lab
	var err error
	if name == "" {
		labs, err = topology.List(ctx)
	} else {
		var l *topology.Lab
		l, err = topology.Find(ctx, name)
		labs = append(labs, l)
	}
	if err != nil {
		return nil, err
	}
	all := make([]*topology.Status, 0, len(labs))
	for _, l := range labs {
		st, err := l.Status(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, st)
	}
	return all, nil
}

func printLab(out io.Writer, st *topology.Status) error {
	with := ""
	if st.Rootless {
		with = ", without root"
	}
	fmt.Fprintf(out, "lab %s, up since %s%s; management %s, host %s\n", st.Name, st.Since.Format(time.RFC3339), with, st.Mgmt.IPv4, st.Mgmt.Gateway())
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tSTATE\tPID\tMANAGEMENT\tLINKS")
	for _, n := range st.Nodes {
		mgmt := "-"
		if n.MgmtIPv4.IsValid() {
			mgmt = n.MgmtIPv4.String()
		}
		links := make([]string, len(n.Interfaces))
		for i, x := range n.Interfaces {
			links[i] = x.Name + "=" + x.Peer
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", n.Name, n.State, n.PID, mgmt, strings.Join(links, " "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, n := range st.Nodes {
		if n.State != topology.Exited {
			continue
		}
		fmt.Fprintf(out, "%s has ended: %s\n", n.Name, n.Exit)
		for _, line := range n.LastLines {
			fmt.Fprintf(out, "  %s\n", line)
		}
	}
	return nil
}
