package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// tally is a gauge of counts by two labels. What is no longer counted loses its series, and what still is keeps its
// own, so that no scrape in between finds a gap.
type tally struct {
	gauge *prometheus.GaugeVec
	mu    sync.Mutex
	last  map[string]map[[2]string]int // by owner
}

func newTally(g *prometheus.GaugeVec) *tally {
	return &tally{gauge: g, last: make(map[string]map[[2]string]int)}
}

// set replaces the counts of an owner, by label values. Owners share no label values.
func (t *tally) set(owner string, now map[[2]string]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for values, n := range now {
		t.gauge.WithLabelValues(values[:]...).Set(float64(n))
	}
	for values := range t.last[owner] {
		if _, still := now[values]; !still {
			t.gauge.DeleteLabelValues(values[:]...)
		}
	}
	if t.last[owner] = now; now == nil {
		delete(t.last, owner)
	}
}
