package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/lab/exchange"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/testdata"
)

// start returns a sandbox exchange with the metro, and a source that reads it.
func start(t *testing.T) (*exchange.Server, *source.Source) {
	t.Helper()
	data, err := testdata.Exchange("metro")
	if err != nil {
		t.Fatal(err)
	}
	x, err := exchange.New(exchange.Options{Data: data, Anonymous: true, PageSize: 50})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := source.New(&config.Source{
		Name: "metro", Type: config.SourceIXAPI, URL: x.URL(),
		Poll: time.Hour, MaxShrink: 10, ShrinkAllowance: 3,
	}, source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return x, s
}

func TestExchangeIsReadWhole(t *testing.T) {
	_, s := start(t)
	snapshot, changed, err := s.Read(t.Context())
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	if n := snapshot.Counts[ixapi.NetworkServiceConfigs]; n < 150 || n != len(snapshot.Records.NetworkServiceConfigs) {
		t.Errorf("%d configs", n)
	}
	if again, changed, err := s.Read(t.Context()); again != snapshot || changed || err != nil {
		t.Error(changed, err)
	}
}

func TestMisbehavingExchangeNeverTakesRecordsAway(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault exchange.Fault
		says  string
	}{
		{"list cut in half", exchange.Fault{Kind: exchange.Truncated, Collection: "connections"}, "connections"},
		{"pages change under way", exchange.Fault{Kind: exchange.Shifting, Collection: "network-service-configs"}, "network-service-configs: list is incomplete at page 2"},
		{"huge answer", exchange.Fault{Kind: exchange.Huge, Collection: "ports"}, "answer is too large"},
		{"empty list", exchange.Fault{Kind: exchange.Empty, Collection: "connections"}, "are gone, at most 4 may be"},
		{"everything is empty", exchange.Fault{Kind: exchange.Empty}, "are gone"},
		{"shrunk list", exchange.Fault{Kind: exchange.Shrunk, Collection: "network-service-configs", Percent: 30}, "network-service-configs: "},
		{"expired token", exchange.Fault{Kind: exchange.Failing, Status: 401}, "401 Unauthorized"},
		{"no permission", exchange.Fault{Kind: exchange.Failing, Collection: "ports", Status: 403}, "GET /ports: 403 Forbidden"},
		{"a decisive list is missing", exchange.Fault{Kind: exchange.Failing, Collection: "macs", Status: 404}, "GET /macs: 404 Not Found"},
		{"internal error", exchange.Fault{Kind: exchange.Failing, Collection: "devices", Status: 500}, "GET /devices: 500"},
		{"overload", exchange.Fault{Kind: exchange.Failing, Collection: "ports", Status: 503, RetryAfter: time.Minute}, "503 Service Unavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x, s := start(t)
			before, _, err := s.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			x.Inject(c.fault)
			snapshot, _, err := s.Read(t.Context())
			if err == nil || snapshot != nil {
				t.Fatal("the answer was accepted")
			}
			if !strings.HasPrefix(err.Error(), "source metro: ") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error is %q, without %q", err, c.says)
			}
			if s.Status().Snapshot != before {
				t.Error("the snapshot is gone")
			}
			x.ClearFaults()
			if after, changed, err := s.Read(t.Context()); err != nil || changed || after != before {
				t.Errorf("no recovery: changed %v, %v", changed, err)
			}
		})
	}
}

func TestPassingFaultIsRiddenOut(t *testing.T) {
	for name, fault := range map[string]exchange.Fault{
		"reset":       {Kind: exchange.Reset, Collection: "ports", Times: 1},
		"interrupted": {Kind: exchange.Interrupted, Collection: "ports", Times: 1},
		"overload":    {Kind: exchange.Failing, Collection: "ports", Status: 503, RetryAfter: time.Second, Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, s := start(t)
			x.Inject(fault)
			if _, _, err := s.Read(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestInformativeListMayBeAbsent(t *testing.T) {
	x, s := start(t)
	x.Inject(exchange.Fault{Kind: exchange.Failing, Collection: "network-features", Status: 404})
	snapshot, _, err := s.Read(t.Context())
	if err != nil || len(snapshot.Records.NetworkFeatures) != 0 {
		t.Error(err)
	}
}

func TestLongRetryAfterReachesTheLoop(t *testing.T) {
	x, s := start(t)
	x.Inject(exchange.Fault{Kind: exchange.Failing, Collection: "ports", Status: 503, RetryAfter: time.Minute})
	_, _, err := s.Read(t.Context())
	var problem *ixapi.ProblemError
	if !errors.As(err, &problem) || problem.RetryAfter != time.Minute {
		t.Errorf("%v", err)
	}
}

func TestExpiredTokenIsRenewed(t *testing.T) {
	data, err := testdata.Exchange("guide")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	now := time.Now()
	x, err := exchange.New(exchange.Options{
		Data: data, Credentials: []exchange.Credential{{Key: "key", Secret: "secret"}},
		Clock: func() time.Time { mu.Lock(); defer mu.Unlock(); return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Start(); err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	t.Setenv("IX_KEY", "key")
	t.Setenv("IX_SECRET", "secret")
	t.Setenv("SWITCH", "x")
	conf, err := config.Parse("ixagent.yaml", fmt.Appendf(nil, `
sources:
  - {name: guide, type: ixapi, url: %q, auth: {type: token, key: env:IX_KEY, secret: env:IX_SECRET}}
credentials:
  lab: {username: admin, password: env:SWITCH}
inventory:
  devices:
    - {name: sw1, driver: memory, address: 192.0.2.1, credentials: lab}
`, x.URL()), os.ReadFile, drivers.Registry{"memory": memory.Spec()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := source.New(conf.Sources[0], source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	now = now.Add(48 * time.Hour)
	mu.Unlock()
	if _, changed, err := s.Read(t.Context()); err != nil || changed {
		t.Errorf("changed %v, %v", changed, err)
	}
}

func TestChangeAtTheExchangeIsDelivered(t *testing.T) {
	x, s := start(t)
	snapshots := make(chan *source.Snapshot, 10)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		s.Run(ctx, func(s *source.Snapshot) { snapshots <- s }, func(err error) { t.Error(err) })
	})
	defer running.Wait()
	defer stop()
	first := <-snapshots

	id := first.Records.NetworkServiceConfigs[7].ID
	text, err := x.Get("network-service-configs", id)
	if err != nil {
		t.Fatal(err)
	}
	var record map[string]any
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatal(err)
	}
	record["capacity"] = 4321
	if text, err = json.Marshal(record); err != nil {
		t.Fatal(err)
	}
	if err := x.Put("network-service-configs", text); err != nil {
		t.Fatal(err)
	}
	s.Nudge()
	d := source.Delta(first, <-snapshots)
	if len(d.Changed.NetworkServiceConfigs) != 1 || d.Changed.NetworkServiceConfigs[0].ID != id || len(d.Removed) != 0 {
		t.Errorf("changed %d configs, removed %v", len(d.Changed.NetworkServiceConfigs), d.Removed)
	}
}

func ExampleShrinkError() {
	err := &source.ShrinkError{Digest: "1f0c5e7a90b3d244", Losses: []source.Loss{
		{Collection: ixapi.Connections, Before: 48, Lost: 30, Limit: 4, Examples: []ixapi.ID{"conn:1"}},
	}}
	fmt.Println(err)
	fmt.Println(err.Hint())
	// Output:
	// snapshot is not accepted: connections: 30 of 48 are gone, at most 4 may be (such as "conn:1"); digest of the loss 1f0c5e7a90b3d244
	// if this is what happened at the exchange, accept it: ixagent plan --accept-loss 1f0c5e7a90b3d244
}
