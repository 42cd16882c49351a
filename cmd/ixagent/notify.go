package main

import (
	"log/slog"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// What the service manager is told, as in sd_notify(3).
const (
	ready    = daemon.SdNotifyReady
	stopping = daemon.SdNotifyStopping
	watchdog = daemon.SdNotifyWatchdog
)

// notifier tells the service manager how the program fares, if there is one that listens.
type notifier struct {
	log  *slog.Logger
	beat time.Duration // half the time of the watchdog; 0 without one
}

func newSupervisor(a *app, log *slog.Logger) (*supervisor, error) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return nil, err
	}
	return &supervisor{
		app: a, notifier: notifier{log, limit / 2},
		hup: make(chan os.Signal, 1), reloads: make(chan chan<- error),
	}, nil
}

func (n *notifier) say(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.log.Warn("service manager cannot be told", "state", state, "err", err)
	}
}

// sayReloading says when the configuration is read again, by the clock that the service manager compares it with.
func (n *notifier) sayReloading() {
	n.say(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}
