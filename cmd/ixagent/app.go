package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/agent"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
)

// The exit codes beside 0 (done) and 1 (error).
const (
	exitChanges exitCode = 2 // plan --exit-code found something to do, or two sources disagree
	exitPartial exitCode = 3 // a switch failed, or something is withheld
)

// exitCode ends the program without a message: everything is said.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// app is what every command has.
type app struct {
	drivers  drivers.Registry
	version  string
	in       io.Reader
	out, err io.Writer
	adjust   func(*agent.Options) // nil for nothing

	config    string
	logLevel  slog.Level
	logFormat string
}

func (a *app) root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ixagent",
		Short: "Keep an exchange's switches equal to what the exchange has sold",
		Long: `ixagent reads the connections and services an Internet exchange has sold, computes what every switch must
carry, shows the difference, and brings the switches there in confirmed transactions.

Exit codes: 0 done, 1 error, 2 plan --exit-code found something to do or audit a disagreement, 3 a switch
failed or something is withheld, 130 interrupted.`,
		SilenceUsage: true, SilenceErrors: true,
	}
	file := os.Getenv("IXAGENT_CONFIG")
	if file == "" {
		file = "/etc/ixagent/ixagent.yaml"
	}
	f := cmd.PersistentFlags()
	f.StringVarP(&a.config, "config", "c", file, "configuration file (or $IXAGENT_CONFIG)")
	f.TextVar(&a.logLevel, "log-level", slog.LevelInfo, "least level that is logged: debug, info, warn or error")
	f.StringVar(&a.logFormat, "log-format", "text", "text or json")
	cmd.AddCommand(a.runCmd(), a.planCmd(), a.auditCmd(), a.applyCmd(), a.approveCmd(), a.freezeCmd(), a.thawCmd(), a.rollbackCmd(), a.showCmd(), a.historyCmd(), a.journalCmd(), a.checkCmd(), a.adoptCmd(), a.driversCmd(), a.metricsCmd(), a.versionCmd())
	return cmd
}

func (a *app) log() (*slog.Logger, error) {
	o := &slog.HandlerOptions{Level: a.logLevel}
	switch a.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(a.err, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(a.err, o)), nil
	}
	return nil, fmt.Errorf("--log-format is %q, not text or json", a.logFormat)
}

// options loads the configuration.
func (a *app) options() (agent.Options, error) {
	log, err := a.log()
	if err != nil {
		return agent.Options{}, err
	}
	c, err := config.Load(a.config, a.drivers)
	if err != nil {
		return agent.Options{}, err
	}
	o := agent.Options{Config: c, Drivers: a.drivers, Log: log, Version: a.version}
	if a.adjust != nil {
		a.adjust(&o)
	}
	return o, nil
}

// quiet loads the configuration for a command that prints its answer: only warnings are logged beside that.
func (a *app) quiet() (agent.Options, error) {
	a.logLevel = max(a.logLevel, slog.LevelWarn)
	return a.options()
}

// choice is what a person says of the plans to make.
type choice struct {
	devices []string // all if there are none
	losses  []string // digests
	deletes int      // below 0: the configured limits
	command string   // for the journal
}

func (c *choice) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVarP(&c.devices, "device", "d", nil, "only this switch (may be repeated)")
	f.IntVar(&c.deletes, "max-deletes", -1, "let up to so many objects be deleted on each switch, instead of the configured limits")
	f.StringSliceVar(&c.losses, "accept-loss", nil, "believe the exchange that these records are gone: a digest that it was refused with")
}

// pass looks at the exchange for a command that prints its answer.
func (a *app) pass(ctx context.Context, c choice) (*agent.Pass, error) {
	return a.passBy(c, func(o agent.Options) (*agent.Pass, error) { return agent.NewPass(ctx, o) })
}

// offline does not look at the exchange, and is otherwise as pass.
func (a *app) offline(c choice) (*agent.Pass, error) { return a.passBy(c, agent.Offline) }

// passBy makes a pass for a command.
func (a *app) passBy(c choice, begin func(agent.Options) (*agent.Pass, error)) (*agent.Pass, error) {
	o, err := a.quiet()
	if err != nil {
		return nil, err
	}
	o.Accept, o.Who, o.Command = c.losses, who(), c.command
	p, err := begin(o)
	if err == nil && c.deletes >= 0 {
		p.AllowDeletes(c.deletes)
	}
	return p, err
}

// report writes an error with its hints, each fault of a configuration on a line of its own.
func report(w io.Writer, err error) {
	var faults config.Faults
	var fault config.Fault
	switch {
	case errors.As(err, &faults):
	case errors.As(err, &fault):
		faults = config.Faults{fault}
	default:
		fmt.Fprintf(w, "ixagent: error: %v\n", err)
		var hinted interface{ Hint() string }
		if errors.As(err, &hinted) && hinted.Hint() != "" {
			fmt.Fprintf(w, "ixagent: hint: %s\n", hinted.Hint())
		}
		return
	}
	for _, f := range faults {
		fmt.Fprintf(w, "ixagent: error: %v\n", f)
		if f.Hint != "" {
			fmt.Fprintf(w, "ixagent: hint: %s\n", f.Hint)
		}
	}
}
