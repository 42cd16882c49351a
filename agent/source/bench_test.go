package source_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/lab/exchange"
	"github.com/ixagent/ixagent/models/ixapi"
)

// large starts an exchange with 10,000 configs on 1,000 connections, and a source that reads it.
func large(b *testing.B) (*exchange.Server, *source.Source) {
	b.Helper()
	list := func(n int, record func(i int) string) *fstest.MapFile {
		var text bytes.Buffer
		for i := range n {
			fmt.Fprintf(&text, "%c%s", "[,"[min(i, 1)], record(i))
		}
		return &fstest.MapFile{Data: append(text.Bytes(), ']')}
	}
	x, err := exchange.New(exchange.Options{Anonymous: true, PageSize: 1000, Data: fstest.MapFS{
		"network-services.json": list(1, func(int) string { return `{"id":"s0","type":"exchange_lan","state":"production"}` }),
		"ports.json": list(1000, func(i int) string {
			return fmt.Sprintf(`{"id":"p%d","state":"production","device":"d1","connection":"c%[1]d"}`, i)
		}),
		"connections.json": list(1000, func(i int) string {
			return fmt.Sprintf(`{"id":"c%d","state":"production","mode":"lag_lacp","ports":["p%[1]d"],"vlan_types":["dot1q"]}`, i)
		}),
		"network-service-configs.json": list(10_000, func(i int) string { return largeConfig(i, 100) }),
	}})
	if err != nil {
		b.Fatal(err)
	}
	if err := x.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { x.Close() })
	s, err := source.New(&config.Source{Name: "large", Type: config.SourceIXAPI, URL: x.URL(), Poll: time.Hour, MaxShrink: 10, ShrinkAllowance: 3}, source.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	return x, s
}

func largeConfig(i, capacity int) string {
	return fmt.Sprintf(`{"id":"n%d","type":"exchange_lan","state":"production","network_service":"s0","connection":"c%d","consuming_account":"a%d","asns":[64500],"capacity":%d,"vlan_config":{"vlan_type":"dot1q","vlan":%d}}`, i, i/10, i/10, capacity, 100+i%10)
}

// BenchmarkNudge is from a nudge that names a config to the snapshot with it and what differs, where a source reads
// an exchange with 10,000 configs over HTTP: once only what is named, and once everything.
func BenchmarkNudge(b *testing.B) {
	for name, named := range map[string]bool{"named": true, "everything": false} {
		b.Run(name, func(b *testing.B) {
			x, s := large(b)
			snapshots := make(chan *source.Snapshot)
			ctx, stop := context.WithCancel(b.Context())
			var running sync.WaitGroup
			running.Go(func() {
				s.Run(ctx, func(s *source.Snapshot) { snapshots <- s }, func(err error) { b.Error(err) })
			})
			defer running.Wait()
			defer stop()
			last := <-snapshots
			n := 0
			for b.Loop() {
				b.StopTimer()
				<-time.After(100 * time.Millisecond) // the least time between two reads
				id := fmt.Sprint("n", n*37%10_000)
				if err := x.Put("network-service-configs", []byte(largeConfig(n*37%10_000, 1000+n))); err != nil {
					b.Fatal(err)
				}
				n++
				b.StartTimer()
				if named {
					s.Nudge(source.Ref{Collection: ixapi.NetworkServiceConfigs, ID: id})
				} else {
					s.Nudge()
				}
				next := <-snapshots
				if d := source.Delta(last, next); len(d.Changed.NetworkServiceConfigs) != 1 || d.Changed.NetworkServiceConfigs[0].ID != id {
					b.Fatalf("changed %d configs", len(d.Changed.NetworkServiceConfigs))
				}
				last = next
			}
		})
	}
}
