// Package web is what the agent answers over HTTP.
//
//	/metrics        Prometheus, in its text form or OpenMetrics as asked
//	/-/healthy      200 while the process runs
//	/-/ready        200 when the agent does its work; else 503, one reason a line
//	/api/v1/status  a [Status] as JSON
//
// All of it is read with GET or HEAD, and nothing is changed by it. There is no authentication yet, so it is served on
// loopback unless the configuration says otherwise.
package web

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	readTimeout  = 10 * time.Second // of a request, its body included
	writeTimeout = 30 * time.Second // of an answer
	idleTimeout  = 2 * time.Minute  // of a connection between two requests
	grace        = 5 * time.Second  // for answers under way when the agent stops
	maxHeader    = 16 << 10         // bytes
	maxScrapes   = 8                // of /metrics at once
)

// Options are what is served. All functions may be called concurrently.
type Options struct {
	Gatherer prometheus.Gatherer
	// Ready returns nil when the agent does its work, else why not: errors of one line each, joined.
	Ready  func() error
	Status func() Status
	Log    *slog.Logger // nil for none
}

// Serve answers on ln, which it closes, until ctx ends. Answers under way then have 5 seconds. The error is that of
// the listener; it is nil if ctx ended.
func Serve(ctx context.Context, ln net.Listener, o Options) error {
	log := o.logger()
	server := &http.Server{
		Handler:           Handler(o),
		ReadTimeout:       readTimeout,
		ReadHeaderTimeout: readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	var err error
	select {
	case err = <-served:
		err = fmt.Errorf("http server on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
		defer func() { <-served }()
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if server.Shutdown(last) != nil {
		server.Close()
	}
	return err
}

// Handler returns what [Serve] serves.
func Handler(o Options) http.Handler {
	log := o.logger()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
		EnableOpenMetrics:   true,
	}))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		plain(w, http.StatusOK, "healthy")
	})
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := o.Ready(); err != nil {
			plain(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		plain(w, http.StatusOK, "ready")
	})
	mux.HandleFunc("GET /api/v1/status", func(w http.ResponseWriter, _ *http.Request) {
		body, err := json.Marshal(o.Status().listed())
		if err != nil {
			log.Error("status cannot be told", "err", err)
			plain(w, http.StatusInternalServerError, "status cannot be told: see the log")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(append(body, '\n'))
	})
	return secured(mux)
}

func (o Options) logger() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	io.WriteString(w, text+"\n")
}

// secured keeps browsers from guessing, framing, caching and passing on what they get.
func secured(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-store")
		h.ServeHTTP(w, r)
	})
}
