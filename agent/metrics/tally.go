package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// tally is a gauge of counts by one or two labels. What is no longer counted loses its series, and what still is keeps
// its own, so that no scrape in between finds a gap.
type tally struct {
	gauge  *prometheus.GaugeVec
	rises  *prometheus.CounterVec // by how much counts rose; nil if nobody asks
	labels int
	mu     sync.Mutex
	last   map[string]map[[2]string]int // by owner
}

func newTally(g *prometheus.GaugeVec, labels int) *tally {
	return &tally{gauge: g, labels: labels, last: make(map[string]map[[2]string]int)}
}

// rising makes c count by how much counts rise.
func (t *tally) rising(c *prometheus.CounterVec) *tally {
	t.rises = c
	return t
}

// set replaces the counts of an owner, by label values. Owners share no label values.
func (t *tally) set(owner string, now map[[2]string]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := t.last[owner]
	for key, n := range now {
		t.gauge.WithLabelValues(key[:t.labels]...).Set(float64(n))
		if t.rises != nil {
			t.rises.WithLabelValues(key[:t.labels]...).Add(float64(max(0, n-last[key])))
		}
	}
	for key := range last {
		if _, still := now[key]; !still {
			t.gauge.DeleteLabelValues(key[:t.labels]...)
		}
	}
	if t.last[owner] = now; now == nil {
		delete(t.last, owner)
	}
}

// forget removes all series of a device.
func (t *tally) forget(device string) {
	t.set(device, nil)
	if t.rises != nil {
		t.rises.DeletePartialMatch(prometheus.Labels{"device": device})
	}
}
