package agent

import (
	"context"
	"testing"
	"time"

	"github.com/ixagent/ixagent/agent/reconcile"
	"github.com/ixagent/ixagent/agent/source"
)

func TestDaemonIsAliveOnlyWhileItsLoopAndLocksAreFree(t *testing.T) {
	o := newExchange(t).options()
	beats := make(chan struct{}, 1)
	o.Beat = time.Millisecond
	o.Alive = func() {
		select {
		case beats <- struct{}{}:
		default:
		}
	}
	p, err := assemble(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.source.Close()
	w := &reconcile.Worker{Device: o.Config.Inventory.Devices[0]}
	d := &daemon{parts: p, workers: map[string]*reconcile.Worker{w.Device.Name: w}, snapshots: make(chan *source.Snapshot, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { d.compile(ctx); close(ended) }()
	for range 3 {
		<-beats
	}
	d.mu.Lock() // somebody never lets go
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	<-tick.C // a beat that was past the lock is counted by now, or else soon
	for n, late := 0, 0; n < 20; {
		select {
		case <-beats:
			if late++; late > 2 {
				t.Fatal("it is alive although nobody can ask how it fares")
			}
		case <-tick.C:
			n++
		}
	}
	d.mu.Unlock()
	<-beats
	cancel()
	<-ended
}
