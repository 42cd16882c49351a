package main

import (
	"context"
	_ "embed"
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/agent"
)

//go:embed ixagent.service
var unit []byte

func (a *app) runCmd() *cobra.Command {
	var printUnit bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon: poll the exchange and keep the switches equal to it",
		Long: `Run the daemon. It polls the exchange, keeps every switch equal to what it should carry as far as the switch's
mode allows, and serves /metrics, /-/healthy, /-/ready, /-/reload, /api/v1/status, /api/v1/events and
/api/v1/openapi.json. Users of the web configuration freeze, thaw and approve over HTTP, too.

SIGTERM and SIGINT end it after the transactions in hand. SIGHUP, and POST to /-/reload, read the configuration
again: if it is good the agent goes on with it, otherwise it says what is wrong and goes on as it was. Under systemd
it says when it is ready, reloads and stops, and feeds the watchdog as long as its work goes on.`,
		Example: "  ixagent run --config ixagent.yaml\n  ixagent run --print-unit",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if printUnit {
				_, err := a.out.Write(unit)
				return err
			}
			o, err := a.goodOptions()
			if err != nil {
				return err
			}
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(40) // with many switches a third less memory, for a tenth more time
			}
			s, err := newSupervisor(a, o.Log)
			if err != nil {
				return err
			}
			signal.Notify(s.hup, syscall.SIGHUP)
			defer signal.Stop(s.hup)
			for o.Config != nil {
				if o, err = s.runUntilReload(cmd.Context(), o); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&printUnit, "print-unit", false, "print a unit for systemd")
	return cmd
}

// goodOptions loads the configuration, and what is served with it is good too.
func (a *app) goodOptions() (agent.Options, error) {
	o, err := a.options()
	if err == nil {
		err = o.Config.CheckWeb()
	}
	return o, err
}

// supervisor runs agents one after another, each with the configuration that was read last.
type supervisor struct {
	*app
	notifier
	hup     chan os.Signal
	reloads chan chan<- error // requests to reload, and where their answer goes
}

// errReloading is the answer to those who ask while the agent ends, or begins anew.
var errReloading = errors.New("the agent stops, or goes over to another configuration already; ask again")

// reload asks for the configuration to be read again and waits for the answer.
func (s *supervisor) reload(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case s.reloads <- answer:
		return <-answer
	case <-ctx.Done():
		return ctx.Err()
	}
}

// runUntilReload runs the agent until it is to go on with other options, which it returns, or is to end, which
// options without a configuration say.
func (s *supervisor) runUntilReload(ctx context.Context, o agent.Options) (agent.Options, error) {
	started, alive := make(chan struct{}, 1), make(chan struct{}, 1)
	var refused atomic.Bool
	o.Reload, o.Refused, o.Beat = s.reload, refused.Load, s.beat
	o.Started = func() { started <- struct{}{} }
	o.Alive = func() {
		select {
		case alive <- struct{}{}:
		default:
		}
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	done := make(chan error, 1)
	go func() { done <- agent.Run(running, o) }()
	for {
		var answer chan<- error
		select {
		case err := <-done:
			return agent.Options{}, err
		case <-started:
			s.say(ready)
			continue
		case <-alive:
			s.say(watchdog)
			continue
		case <-ctx.Done():
			s.say(stopping)
			stop()
			return agent.Options{}, s.finish(done, o)
		case <-s.hup:
		case answer = <-s.reloads:
		}
		s.sayReloading()
		next, err := s.goodOptions()
		refused.Store(err != nil)
		if answer != nil {
			answer <- err
		}
		if err != nil {
			o.Log.Error("configuration is not good, and the agent goes on with what it has", "err", err)
			s.say(ready)
			continue
		}
		o.Log.Info("configuration is read again")
		stop()
		return next, s.finish(done, o)
	}
}

// finish waits for the end of an agent that was told to stop, which brings its transactions to their end before.
// They take no longer than switches keep unconfirmed changes, and so long it feeds the watchdog.
func (s *supervisor) finish(done <-chan error, o agent.Options) error {
	const slack = time.Minute // for the switches to answer
	patience := time.NewTimer(o.Config.Limits.ConfirmWindow + slack)
	defer patience.Stop()
	var beat <-chan time.Time
	if s.beat > 0 {
		t := time.NewTicker(s.beat)
		defer t.Stop()
		beat = t.C
	}
	for {
		select {
		case err := <-done:
			return err
		case answer := <-s.reloads:
			answer <- errReloading
		case <-patience.C:
			beat = nil
		case <-beat:
			s.say(watchdog)
		}
	}
}
