package metrics

import (
	"errors"
	"maps"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/models/ixapi"
)

// sources asks each source how it fares whenever metrics are gathered: a read that finds nothing new tells nobody,
// and yet it is a success.
type sources struct {
	success, snapshot, refused, records, faults *prometheus.Desc

	mu  sync.Mutex
	all map[string]func() source.Status
}

func newSources() *sources {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"source"}, labels...), nil)
	}
	return &sources{
		success:  desc(nameSourceSuccess, "When the exchange was last read whole and accepted, whether or not it said something new."),
		snapshot: desc(nameSnapshotTime, "When the records in force were first read."),
		refused:  desc(nameSnapshotRefused, "Whether the latest read is refused because it lost too much: 1 or 0."),
		records:  desc(nameSnapshotRecords, "Records in force by collection.", "collection"),
		faults:   desc(nameSnapshotFaults, "Faults of single records in force by collection.", "collection"),
		all:      make(map[string]func() source.Status),
	}
}

func (s *sources) set(name string, status func() source.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[name] = status; status == nil {
		delete(s.all, name)
	}
}

// Describe implements [prometheus.Collector].
func (s *sources) Describe(out chan<- *prometheus.Desc) {
	out <- s.success
	out <- s.snapshot
	out <- s.refused
	out <- s.records
	out <- s.faults
}

// Collect implements [prometheus.Collector].
func (s *sources) Collect(out chan<- prometheus.Metric) {
	s.mu.Lock()
	all := maps.Clone(s.all)
	s.mu.Unlock()
	for name, status := range all {
		gauge := func(d *prometheus.Desc, v float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{name}, labels...)...)
		}
		now := status()
		var shrunken *source.ShrinkError
		gauge(s.refused, truth(errors.As(now.Err, &shrunken)))
		if now.Snapshot == nil {
			continue
		}
		gauge(s.success, seconds(now.Read))
		gauge(s.snapshot, seconds(now.Snapshot.Read))
		faults := make(map[ixapi.Collection]int)
		for _, f := range now.Snapshot.Faults {
			faults[f.Collection]++
		}
		for c, n := range now.Snapshot.Counts {
			gauge(s.records, float64(n), string(c))
			gauge(s.faults, float64(faults[c]), string(c))
		}
	}
}
