package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openconfig/gnmi/proto/gnmi_ext"
	"google.golang.org/grpc/codes"

	"github.com/ixagent/ixagent/agent"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/lab/exchange"
	"github.com/ixagent/ixagent/lab/sandbox"
	"github.com/ixagent/ixagent/lab/switchd"
)

// BenchmarkEvent is from a change at the exchange, which tells the agent of it, to the change confirmed on a switch
// over gNMI, on the loopback interface: with the records and switches of the metro, and with polls far apart.
func BenchmarkEvent(b *testing.B) {
	const changes = 100
	l, err := newLab(b.Context(), "metro", b.TempDir(), nil, "", slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	text, err := os.ReadFile(l.path)
	if err != nil {
		b.Fatal(err)
	}
	b.Setenv("EVENTS", "moonlight")
	_, poll, _ := strings.Cut(string(text), "    poll: ")
	poll, _, _ = strings.Cut(poll, " ")
	changed := strings.Replace(string(text), "    poll: "+poll, "    poll: 10m", 1) + "\nevents: {token: env:EVENTS}\n"
	if err := os.WriteFile(l.path, []byte(changed), 0o600); err != nil {
		b.Fatal(err)
	}
	conf, err := config.Load(l.path, l.drivers)
	if err != nil {
		b.Fatal(err)
	}
	ln, err := net.Listen("tcp", sandbox.Loopback+":0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- agent.Run(ctx, agent.Options{Config: conf, Drivers: l.drivers, Listener: ln}) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}()
	if err := l.Exchange.Subscribe(exchange.Subscriber{URL: "http://" + ln.Addr().String() + "/api/v1/events", Token: "moonlight"}); err != nil {
		b.Fatal(err)
	}
	const connection, device = "conn:30016", "fra1-sw1"
	s := l.Switches[device].Switch
	for confirmed(s, time.Time{}).IsZero() {
		<-time.After(10 * time.Millisecond)
	}
	<-time.After(time.Second)
	b.ResetTimer()
	var took []time.Duration
	for i := range max(b.N, changes) {
		<-time.After(120 * time.Millisecond) // more than the least time between two reads
		start := time.Now()
		if err := l.Patch("connections", connection, map[string]any{"lacp_timeout": []string{"fast", "slow"}[i%2]}); err != nil {
			b.Fatal(err)
		}
		for {
			if at := confirmed(s, start); !at.IsZero() {
				took = append(took, at.Sub(start))
				break
			}
			if time.Since(start) > 10*time.Second {
				b.Fatal("no change is confirmed")
			}
			<-time.After(time.Millisecond)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// confirmed returns when a switch confirmed a change, the latest since some time; the zero time if it did not.
func confirmed(s *switchd.Switch, since time.Time) time.Time {
	for _, r := range slices.Backward(s.Log()) {
		if !r.Time.After(since) {
			break
		}
		for _, x := range r.Request.GetExtension() {
			if c, ok := x.GetExt().(*gnmi_ext.Extension_Commit); ok && c.Commit.GetConfirm() != nil && r.Code == codes.OK {
				return r.Time.Add(r.Took)
			}
		}
	}
	return time.Time{}
}
