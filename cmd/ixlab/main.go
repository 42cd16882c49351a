// Command ixlab is the lab of ixagent: lab switches and a sandbox exchange, one by one or together in a demonstration
// that needs neither root nor containers.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/lab/topology"
)

var version = "devel" // set by the linker

// The exit codes.
const (
	exitError       = 1
	exitInterrupted = 130
)

func main() {
	// A process of a lab that is up does its part of it and knows no commands.
	if part, err := topology.Enter(os.Args); part {
		if err != nil {
			fmt.Fprintln(os.Stderr, "ixlab: error:", err)
			os.Exit(exitError)
		}
		return
	}
	// What is temporary goes away also when the terminal does, or whoever reads the output.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := root().ExecuteContext(ctx)
	interrupted := ctx.Err() != nil
	stop()
	var status exitStatus
	switch {
	case err == nil:
	case errors.As(err, &status):
		os.Exit(int(status))
	case interrupted && errors.Is(err, context.Canceled):
		os.Exit(exitInterrupted)
	default:
		fmt.Fprintln(os.Stderr, "ixlab: error:", err)
		os.Exit(exitError)
	}
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use:           "ixlab",
		Short:         "Lab switches and a sandbox exchange for ixagent",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	c.PersistentFlags().BoolP("verbose", "v", false, "log to stderr what is done, not only what fails")
	c.AddCommand(newUp(), newDown(), newExec(), newInspect(), newHost(), newProbe())
	c.AddCommand(newDemo(), newOrder(), newSandbox(), newExchange(), newSwitch(), newSize(), newVersion())
	return c
}

// logger returns the log of a command, on its stderr.
func logger(c *cobra.Command) *slog.Logger {
	level := slog.LevelError
	if f := c.Flag("verbose"); f != nil && f.Changed {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
}
