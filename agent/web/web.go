// Package web is what the agent answers over HTTP.
//
//	/metrics              Prometheus, in its text form or OpenMetrics as asked
//	/-/healthy            200 while the process runs
//	/-/ready              200 when the agent does its work; else 503, one reason a line
//	/-/reload             with POST or PUT, reads the configuration again; 500 says why it is refused
//	/api/v1/status        a [Status] as JSON
//	/api/v1/status/ID     what became of one record, as a [report.Result]; ID is connections/1042, or 1042 where only
//	                      one record has that id
//	/api/v1/check         with POST, says what would become of an order at the exchange, as a [compile.Trial]
//	/api/v1/events        with POST, takes CloudEvents that say what changed at the exchange
//	/api/v1/freezes       what is frozen, as JSON
//	/api/v1/freeze        with POST, freezes something
//	/api/v1/thaw          with POST, ends that
//	/api/v1/approve       with POST, approves a plan by its digest
//	/api/v1/openapi.json  what is served, in OpenAPI 3.0
//
// What is not said to be posted is read with GET or HEAD and changes nothing. Pages of other sites cannot make a
// browser reload the agent or order anything. TLS and users are those of a web configuration as Prometheus exporters
// have it; orders are taken from users alone, and only they may ask what would become of one.
package web

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	toolkit "github.com/prometheus/exporter-toolkit/web"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/report"
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
	// Record returns what became of the records of that id, in one list or, if it is "", in any; nil while that is not
	// known of any.
	Record func(collection, id string) []report.Result
	// Try finds out what would become of an order, as [compile.Compiler.Try] does, and nothing comes of it. An error that
	// is a [compile.OrderError] says what is wrong with the order, any other why nobody can know now. It is nil while
	// nothing is known.
	Try    func(ctx context.Context, order []byte) (*compile.Trial, error)
	Events http.Handler // see [events.Handler]; nil while none are taken
	// Reload reads the configuration again. Its error says why the agent goes on with the one it has. Without it
	// there is nothing to reload, and /-/reload says so.
	Reload func(context.Context) error
	// WebConfig names a file with TLS and users, which is read anew for each connection and request. Without it
	// everybody who reaches the listener is answered, in the clear, and orders are taken from nobody.
	WebConfig string
	Log       *slog.Logger // nil for none
	Orders    Orders       // from persons, who are users of the web configuration; nil: none are taken
}

//go:embed openapi.json
var description []byte

// errNoReload is the answer of an agent that nobody can tell to reload.
var errNoReload = errors.New("this agent does not read its configuration again")

// Serve answers on ln, which it closes, until ctx ends. Answers under way then have 5 seconds. The error is that of
// the listener or the web configuration; it is nil if ctx ended.
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
	go func() {
		if o.WebConfig == "" {
			served <- server.Serve(ln)
			return
		}
		served <- toolkit.Serve(ln, server, &toolkit.FlagConfig{WebConfigFile: &o.WebConfig}, slog.New(loud{log.Handler()}))
	}()
	var err error
	select {
	case err = <-served:
		ln.Close() // a bad web configuration leaves it open
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

// loud is a log without what is only news.
type loud struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (l loud) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && l.Handler.Enabled(ctx, level)
}

// route is what is answered to a method at a path. GET includes HEAD.
type route struct {
	method, path string
	answer       http.Handler
}

// Handler returns what [Serve] serves, without TLS and users.
func Handler(o Options) http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes(o) {
		mux.Handle(r.method+" "+r.path, r.answer)
	}
	return secured(http.NewCrossOriginProtection().Handler(mux))
}

func routes(o Options) []route {
	log := o.logger()
	metrics := promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
		EnableOpenMetrics:   true,
	})
	healthy := func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "healthy") }
	ready := func(w http.ResponseWriter, _ *http.Request) {
		if err := o.Ready(); err != nil {
			plain(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		plain(w, http.StatusOK, "ready")
	}
	reload := func(w http.ResponseWriter, r *http.Request) {
		err := errNoReload
		if o.Reload != nil {
			err = o.Reload(r.Context())
		}
		if err != nil {
			plain(w, http.StatusInternalServerError, err.Error())
			return
		}
		plain(w, http.StatusOK, "reloaded")
	}
	status := func(w http.ResponseWriter, _ *http.Request) {
		body, err := json.Marshal(o.Status().listed())
		if err != nil {
			log.Error("status cannot be told", "err", err)
			plain(w, http.StatusInternalServerError, "status cannot be told: see the log")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(append(body, '\n'))
	}
	record := func(w http.ResponseWriter, r *http.Request) {
		if o.Record == nil {
			plain(w, http.StatusServiceUnavailable, "what became of records is not known yet: see /-/ready")
			return
		}
		found := o.Record(r.PathValue("collection"), r.PathValue("id"))
		switch {
		case len(found) == 0:
			plain(w, http.StatusNotFound, "nothing is known of such a record")
			return
		case len(found) > 1:
			plain(w, http.StatusNotFound, "there are "+found[0].Record()+" and "+found[1].Record()+": say which")
			return
		}
		body, err := json.Marshal(found[0])
		if err != nil {
			log.Error("status of a record cannot be told", "record", found[0].Record(), "err", err)
			plain(w, http.StatusInternalServerError, "the status cannot be told: see the log")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(append(body, '\n'))
	}
	notices := o.Events
	if notices == nil {
		notices = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			plain(w, http.StatusServiceUnavailable, "no events are taken now: see /-/ready")
		})
	}
	openapi := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(description)
	}
	return append(o.orderRoutes(), []route{
		{"GET", "/metrics", metrics},
		{"GET", "/-/healthy", http.HandlerFunc(healthy)},
		{"GET", "/-/ready", http.HandlerFunc(ready)},
		{"POST", "/-/reload", http.HandlerFunc(reload)},
		{"PUT", "/-/reload", http.HandlerFunc(reload)},
		{"GET", "/api/v1/status", http.HandlerFunc(status)},
		{"GET", "/api/v1/status/{id}", http.HandlerFunc(record)},
		{"GET", "/api/v1/status/{collection}/{id}", http.HandlerFunc(record)},
		{"POST", "/api/v1/check", http.HandlerFunc(o.check)},
		{"POST", "/api/v1/events", notices},
		{"GET", "/api/v1/openapi.json", http.HandlerFunc(openapi)},
	}...)
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
