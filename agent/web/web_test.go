package web

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/events"
	"github.com/ixagent/ixagent/agent/report"
	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options(t *testing.T) Options {
	reg := prometheus.NewRegistry()
	up := prometheus.NewGauge(prometheus.GaugeOpts{Name: "ixagent_test", Help: "A test."})
	if err := reg.Register(up); err != nil {
		t.Fatal(err)
	}
	return Options{
		Gatherer: reg,
		Ready:    func() error { return nil },
		Status:   func() Status { return Status{Version: "1.2.3"} },
		Orders:   new(taken),
		Record:   func(string, string) []report.Result { return nil },
		Events: events.Handler(events.Options{
			Nudge: func(...source.Ref) {}, AsksWho: func() (bool, error) { return false, nil },
		}),
	}
}

func do(t *testing.T, o Options, method, path string, header ...string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler(o).ServeHTTP(w, r)
	return w.Result(), w.Body.String()
}

func TestOnlyReadingIsAllowed(t *testing.T) {
	o := options(t)
	for _, path := range []string{"/metrics", "/-/healthy", "/-/ready", "/api/v1/status", "/api/v1/freezes", "/api/v1/openapi.json"} {
		for method, want := range map[string]int{
			"GET": 200, "HEAD": 200, "POST": 405, "PUT": 405, "PATCH": 405, "DELETE": 405, "OPTIONS": 405, "TRACE": 405,
		} {
			res, body := do(t, o, method, path)
			if res.StatusCode != want {
				t.Errorf("%s %s: %s", method, path, res.Status)
			}
			if want == 405 && res.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: Allow is %q", method, path, res.Header.Get("Allow"))
			}
			if method == "GET" && body == "" {
				t.Errorf("%s: nothing is answered", path)
			}
		}
	}
	for _, path := range []string{"/", "/-/", "/api/", "/api/v1/", "/metrics/", "/etc/passwd", "/debug/pprof/"} {
		if res, _ := do(t, o, "GET", path); res.StatusCode != 404 {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}

func TestBrowsersAreHeldShort(t *testing.T) {
	for _, path := range []string{"/metrics", "/-/healthy", "/api/v1/status", "/nothing"} {
		res, _ := do(t, options(t), "GET", path)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
			"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
			"Access-Control-Allow-Origin": "",
		} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
}

func TestMetricsComeInTheFormAskedFor(t *testing.T) {
	for accept, want := range map[string]string{
		"": "text/plain; version=0.0.4",
		"application/openmetrics-text;version=1.0.0": "application/openmetrics-text; version=1.0.0",
	} {
		res, body := do(t, options(t), "GET", "/metrics", "Accept", accept)
		if got := res.Header.Get("Content-Type"); !strings.HasPrefix(got, want) {
			t.Errorf("%q: content type %q", accept, got)
		}
		if !strings.Contains(body, "ixagent_test 0") {
			t.Errorf("%q: %s", accept, body)
		}
		if eof := strings.HasSuffix(body, "# EOF\n"); eof != (accept != "") {
			t.Errorf("%q: %s", accept, body)
		}
	}
}

type broken struct{ prometheus.Collector }

func (b broken) Describe(out chan<- *prometheus.Desc) {
	out <- prometheus.NewDesc("ixagent_broken", "It is broken.", nil, nil)
}

func (b broken) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.NewInvalidMetric(prometheus.NewDesc("ixagent_broken", "It is broken.", nil, nil), errors.New("it is broken"))
}

func TestOneBrokenMetricHidesNoOther(t *testing.T) {
	o := options(t)
	var log strings.Builder
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	if err := o.Gatherer.(*prometheus.Registry).Register(broken{}); err != nil {
		t.Fatal(err)
	}
	res, body := do(t, o, "GET", "/metrics")
	if res.StatusCode != 200 || !strings.Contains(body, "ixagent_test 0") {
		t.Errorf("%s: %s", res.Status, body)
	}
	if !strings.Contains(log.String(), "it is broken") {
		t.Errorf("the log says %q", log.String())
	}
}

func TestNotReadySaysWhyLineByLine(t *testing.T) {
	o := options(t)
	o.Ready = func() error {
		return errors.Join(errors.New("source metro is not read yet"), errors.New("device sw1 was not looked at yet"))
	}
	res, body := do(t, o, "GET", "/-/ready")
	if res.StatusCode != 503 || body != "source metro is not read yet\ndevice sw1 was not looked at yet\n" {
		t.Errorf("%s: %q", res.Status, body)
	}
	if res, body := do(t, o, "GET", "/-/healthy"); res.StatusCode != 200 || body != "healthy\n" {
		t.Errorf("%s: %q", res.Status, body)
	}
	o.Ready = func() error { return nil }
	if res, body := do(t, o, "GET", "/-/ready"); res.StatusCode != 200 || body != "ready\n" {
		t.Errorf("%s: %q", res.Status, body)
	}
}

func TestStatusHasStableFields(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	sw1 := Device{Name: "sw1", Driver: "openconfig", Mode: config.Enforce, LastPass: at, Drift: true}
	circuit := &switchcfg.Circuit{Parent: "lag1", Unit: 1, Service: "ix-a"}
	p := plan.Plan{
		Device: "sw1", Basis: "00",
		Changes:  []plan.Change{{Verb: plan.Create, Key: circuit.Key(), After: circuit}},
		Withheld: []plan.Withheld{{Verb: plan.Delete, Key: circuit.Key(), Reason: plan.Limited, Detail: "too many"}},
	}
	if err := sw1.SetPlan(p); err != nil {
		t.Fatal(err)
	}
	digest, err := p.Digest()
	if err != nil {
		t.Fatal(err)
	}
	status := Status{
		Version: "1.2.3",
		Source: SourceOf("metro", source.Status{
			Snapshot: &source.Snapshot{Version: "abc", Read: at}, Read: at.Add(time.Minute), Tried: at.Add(time.Hour), Err: errors.New("no route to host"),
		}),
		Devices:    []Device{sw1, {Name: "sw2", Driver: "memory", Mode: config.Observe, Error: "sw2: dial: transient: refused"}},
		Rejections: []compile.Rejection{{Collection: ixapi.MACs, ID: "m1", Severity: 3, Tag: compile.TagMACInvalid, Message: "it is none"}},
	}
	o := options(t)
	o.Status = func() Status { return status }
	res, body := do(t, o, "GET", "/api/v1/status")
	if got := res.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
	want := `{"version":"1.2.3",` +
		`"source":{"name":"metro","snapshot":"abc","since":"2026-03-01T12:00:00Z","read":"2026-03-01T12:01:00Z","tried":"2026-03-01T13:00:00Z","error":"no route to host"},` +
		`"devices":[{"name":"sw1","driver":"openconfig","mode":"enforce","last_pass":"2026-03-01T12:00:00Z","drift":true,"plan":{"create":1,"update":0,"delete":0},"plan_digest":"` + digest + `",` +
		`"withheld":[{"verb":"delete","key":"circuit lag1.1","reason":"limit","detail":"too many"}]},` +
		`{"name":"sw2","driver":"memory","mode":"observe","error":"sw2: dial: transient: refused","plan":{"create":0,"update":0,"delete":0},"withheld":[]}],` +
		`"rejections":[{"collection":"macs","id":"m1","severity":3,"tag":"mac_invalid","message":"it is none"}]}` + "\n"
	if d := cmp.Diff(want, body); d != "" {
		t.Error(d)
	}
	if status.Devices[1].Withheld != nil {
		t.Error("telling the status changed it")
	}
	if err := sw1.SetPlan(plan.Plan{Device: "sw1"}); err != nil || sw1.PlanDigest != "" || sw1.Plan != (Plan{}) || sw1.Withheld != nil {
		t.Errorf("after an empty plan: %+v, %v", sw1, err)
	}
}

func TestEmptyStatusHasLists(t *testing.T) {
	o := options(t)
	o.Status = func() Status { return Status{} }
	if _, body := do(t, o, "GET", "/api/v1/status"); body != `{"version":"","source":{"name":""},"devices":[],"rejections":[]}`+"\n" {
		t.Error(body)
	}
}

func TestStatusThatCannotBeToldIsAnError(t *testing.T) {
	o := options(t)
	o.Status = func() Status {
		return Status{Rejections: []compile.Rejection{{Attrs: map[string]any{"secret": make(chan int)}}}}
	}
	res, body := do(t, o, "GET", "/api/v1/status")
	if res.StatusCode != 500 || strings.Contains(body, "chan") || !json.Valid([]byte(`"`+strings.TrimSpace(body)+`"`)) {
		t.Errorf("%s: %s", res.Status, body)
	}
}

// start serves o and returns its address and a function that stops it and returns what Serve did.
func start(t *testing.T, o Options) (address string, stop func() error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, ln, o) }()
	return ln.Addr().String(), func() error { cancel(); return <-served }
}

func TestAnswerUnderWayIsFinished(t *testing.T) {
	o := options(t)
	asked, answer := make(chan struct{}), make(chan struct{})
	o.Ready = func() error { close(asked); <-answer; return nil }
	address, stop := start(t, o)
	got := make(chan string, 1)
	go func() {
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		res, err := (&http.Client{Transport: transport}).Get("http://" + address + "/-/ready")
		if err != nil {
			got <- err.Error()
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		got <- fmt.Sprint(string(body), err)
	}()
	<-asked
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for { // until nobody listens any more
		c, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		c.Close()
	}
	close(answer)
	if text := <-got; text != "ready\n<nil>" {
		t.Errorf("got %q", text)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestServeReportsABrokenListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := Serve(t.Context(), ln, options(t)); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// pipe is a listener in memory, so that time can be that of the test.
type pipe struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Close() error   { close(p.closed); return nil }
func (p *pipe) Addr() net.Addr { return &net.TCPAddr{} }

func TestSlowClientsAreCutOff(t *testing.T) {
	for _, c := range []struct {
		name, send string
		after      time.Duration
	}{
		{"no request", "", readTimeout},
		{"half a header", "GET /-/healthy HTTP/1.1\r\nHost: x", readTimeout},
		{"no second request", "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n", idleTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := &pipe{make(chan net.Conn), make(chan struct{})}
				ctx, cancel := context.WithCancel(t.Context())
				served := make(chan error, 1)
				go func() { served <- Serve(ctx, ln, options(t)) }()
				client, server := net.Pipe()
				begun := time.Now()
				ln.conns <- server
				go io.WriteString(client, c.send)
				if _, err := io.Copy(io.Discard, client); err != nil {
					t.Error(err)
				}
				if took := time.Since(begun); took != c.after {
					t.Errorf("cut off after %v, want %v", took, c.after)
				}
				client.Close()
				cancel()
				if err := <-served; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestStopWaitsNoLongerThanItsGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(t)
		asked, answer := make(chan struct{}), make(chan struct{})
		o.Ready = func() error { close(asked); <-answer; return nil }
		ln := &pipe{make(chan net.Conn), make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- Serve(ctx, ln, o) }()
		client, server := net.Pipe()
		ln.conns <- server
		go io.WriteString(client, "GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n")
		<-asked
		begun := time.Now()
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took < grace || took > grace+time.Second {
			t.Errorf("stopped after %v, want %v", took, grace)
		}
		if _, err := http.ReadResponse(bufio.NewReader(client), nil); err == nil {
			t.Error("the connection was not cut")
		}
		close(answer)
	})
}

func TestRecordIsFoundByItsListOrByItsIDAlone(t *testing.T) {
	known := []report.Result{
		{Collection: ixapi.Connections, ID: "1", State: report.Provisioned},
		{Collection: ixapi.NetworkServiceConfigs, ID: "1", State: report.Pending},
		{Collection: ixapi.NetworkServiceConfigs, ID: "IX:7/8", State: report.Failed},
	}
	o := options(t)
	o.Record = func(collection, id string) (found []report.Result) {
		for _, r := range known {
			if id == string(r.ID) && (collection == "" || collection == string(r.Collection)) {
				found = append(found, r)
			}
		}
		return found
	}
	for path, want := range map[string]string{
		"connections/1":                    `200 "state":"provisioned"`,
		"network-service-configs/1":        `200 "state":"pending"`,
		"network-service-configs/IX:7%2F8": `200 "state":"failed"`,
		"IX:7%2F8":                         `200 "id":"IX:7/8"`,
		"1":                                "404 there are connections/1 and network-service-configs/1: say which\n",
		"2":                                "404 nothing is known of such a record\n",
		"ports/1":                          "404 nothing is known of such a record\n",
		"":                                 "404 404 page not found\n",
		"connections/":                     "404 404 page not found\n",
		"network-service-configs/IX:7/8":   "404 404 page not found\n",
	} {
		res, body := do(t, o, "GET", "/api/v1/status/"+path)
		code, text, _ := strings.Cut(want, " ")
		if fmt.Sprint(res.StatusCode) != code || !strings.Contains(body, text) {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
}
