package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// order sends a request to the control socket of a lab and returns the answer, and whether it was done.
func order(t *testing.T, socket, method, path, body string) (string, bool) {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://lab"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), resp.StatusCode == http.StatusOK
}

func TestSandboxIsChangedAndBrokenOverItsSocket(t *testing.T) {
	dir := t.TempDir()
	l, err := newLab(t.Context(), "guide", dir, nil, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	socket := filepath.Join(dir, "control")
	ln, err := listenPrivately(socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: control{l}.handler()}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	defer func() {
		server.Close()
		<-served
	}()
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	const strange = `{"id": "a/b c", "address": "02:1a:00:00:00:09"}`
	for _, step := range []struct {
		method, path, body, want string
		ok                       bool
	}{
		{"PATCH", "/records/connections/connection:1", `{"lacp_timeout": "fast"}`, "", true},
		{"GET", "/records/connections/connection:1", "", `"lacp_timeout":"fast"`, true},
		{"PUT", "/records/macs", strange, "", true},
		{"GET", "/records/macs/a%2Fb%20c", "", "02:1a:00:00:00:09", true},
		{"DELETE", "/records/macs/a%2Fb%20c", "", "", true},
		{"GET", "/records/macs/a%2Fb%20c", "", "no such record", false},
		{"PATCH", "/records/connections/connection:1", `[]`, "", false},
		{"PUT", "/records/moons", strange, "moons", false},
		{"POST", "/faults", `{"on": "mars", "kind": "down"}`, `there is no switch "mars"`, false},
		{"POST", "/faults", `{"on": "exchange", "kind": "down"}`, `an exchange has no fault "down"`, false},
		{"POST", "/faults", `{"on": "edge2.moon", "kind": "page"}`, `edge2.moon has no fault "page"`, false},
		{"POST", "/faults", `{"on": "edge2.moon", "kind": "harm", "port": "Ethernet1"}`, "", true},
		{"POST", "/faults", `{"on": "edge2.moon", "kind": "harm", "port": "Ethernet99"}`, `there is no port or LAG "Ethernet99"`, false},
		{"POST", "/faults", `{"on": "exchange", "kind": "slow", "delay": "soon"}`, "soon", false},
		{"POST", "/faults", `{"on": "exchange", "kind": "slow", "colection": "ports"}`, "colection", false},
		{"DELETE", "/faults", "", "", true},
		{"POST", "/subscribers", `{"url": "moon"}`, `cannot be at "moon"`, false},
		{"POST", "/subscribers", `{"url": "http://127.0.0.1:1/", "topic": "x"}`, "topic", false},
		{"POST", "/subscribers", `{"url": "http://127.0.0.1:1/", "token": "moonlight"}`, "", true},
		{"GET", "/results", "", "", true},
	} {
		got, ok := order(t, socket, step.method, step.path, step.body)
		if ok != step.ok || !strings.Contains(got, step.want) {
			t.Errorf("%s %s %s: %t %s", step.method, step.path, step.body, ok, got)
		}
	}
	for kind := range exchangeFaults() {
		if got, ok := order(t, socket, "POST", "/faults", `{"on": "exchange", "kind": "`+kind+`"}`); !ok {
			t.Errorf("%s: %s", kind, got)
		}
	}
	for kind := range switchFaults() {
		if got, ok := order(t, socket, "POST", "/faults", `{"on": "edge2.moon", "kind": "`+kind+`", "times": 1}`); !ok {
			t.Errorf("%s: %s", kind, got)
		}
	}
}
