package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/agent"
)

func (a *app) runCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the daemon: poll the exchange and keep the switches equal to it",
		Long: `Run the daemon. It polls the exchange, keeps every switch equal to what it should carry as far as the switch's
mode allows, and serves /metrics, /-/healthy, /-/ready and /api/v1/status.

SIGTERM and SIGINT end it after the transactions in hand. SIGHUP reads the configuration again: if it is good the
agent goes on with it, otherwise it says what is wrong and goes on as it was.`,
		Example: "  ixagent run --config ixagent.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := a.options()
			if err != nil {
				return err
			}
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			for o.Config != nil {
				if o, err = a.runUntilReload(cmd.Context(), o, hup); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// runUntilReload runs the agent until it is to go on with other options, which it returns, or is to end, which
// options without a configuration say.
func (a *app) runUntilReload(ctx context.Context, o agent.Options, hup <-chan os.Signal) (agent.Options, error) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- agent.Run(running, o) }()
	for {
		select {
		case err := <-done:
			return agent.Options{}, err
		case <-hup:
			next, err := a.options()
			if err != nil {
				o.Log.Error("configuration is not good, and the agent goes on with what it has", "err", err)
				continue
			}
			o.Log.Info("configuration is read again")
			stop()
			return next, <-done
		}
	}
}
