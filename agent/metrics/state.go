package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ixagent/ixagent/agent/compile"
)

// State is what an agent has at hand when its metrics are gathered. What is nil has no series.
type State struct {
	Ready      bool      // it does its work, as /-/ready has it
	Configured time.Time // when the configuration in force was read
	Refused    bool      // a later one was read and refused

	Pools   []compile.Pool // nil before the first snapshot is compiled
	Journal *Journal
	Outbox  *Outbox

	Freezes   map[string]int // in force, by scope: all, site, device, member, change
	Windows   *Windows
	Approvals int // of plans that are not applied yet
}

// Journal is how the journal fares.
type Journal struct {
	Up      bool  // it can be written
	Size    int64 // of its file in bytes
	Entries int   // of its history
}

// Outbox is what waits to be delivered to the webhook.
type Outbox struct {
	Messages int
	Oldest   time.Time // when the first of them was put there; zero without any
}

// Windows counts the maintenance windows by whether changes may be made in them now.
type Windows struct {
	Open, Closed int
}

// states asks the agent what it has at hand whenever metrics are gathered.
type states struct {
	ready, good, configured                *prometheus.Desc
	size, allocations                      *prometheus.Desc
	journalUp, journalSize, journalEntries *prometheus.Desc
	outbox, oldest                         *prometheus.Desc
	freezes, windows, approvals            *prometheus.Desc

	mu  sync.Mutex
	ask func() State
}

func newStates() *states {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &states{
		ready:          desc(nameReady, "Whether the agent does its work, as /-/ready has it: 1 or 0."),
		good:           desc(nameConfigGood, "Whether the configuration that was read last is the one in force: 1 or 0."),
		configured:     desc(nameConfigSuccess, "When the configuration in force was read."),
		size:           desc(namePoolSize, "Numbers in a pool. LAG numbers are the device's own.", "pool", "device"),
		allocations:    desc(nameAllocations, "Numbers of a pool that are used, or cool until they are given again.", "pool", "device", "state"),
		journalUp:      desc(nameJournalUp, "Whether the journal can be written: 1 or 0. While it cannot, nothing is changed on any device."),
		journalSize:    desc(nameJournalSize, "Size of the journal's file."),
		journalEntries: desc(nameJournalEntries, "Transactions in the journal's history."),
		outbox:         desc(nameOutbox, "Reports that wait to be delivered to the webhook."),
		oldest:         desc(nameOutboxOldest, "When the report that waits longest was made; absent while none waits."),
		freezes:        desc(nameFreezes, "Freezes in force by scope: all, site, device, member, change.", "scope"),
		windows:        desc(nameWindows, "Maintenance windows by state: open, closed.", "state"),
		approvals:      desc(nameApprovalsOpen, "Approvals of plans that are not applied yet."),
	}
}

func (s *states) set(ask func() State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ask = ask
}

// Describe implements [prometheus.Collector].
func (s *states) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		s.ready, s.good, s.configured, s.size, s.allocations, s.journalUp, s.journalSize, s.journalEntries,
		s.outbox, s.oldest, s.freezes, s.windows, s.approvals,
	} {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (s *states) Collect(out chan<- prometheus.Metric) {
	s.mu.Lock()
	ask := s.ask
	s.mu.Unlock()
	if ask == nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	now := ask()
	gauge(s.ready, truth(now.Ready))
	gauge(s.good, truth(!now.Refused))
	gauge(s.configured, seconds(now.Configured))
	for _, p := range now.Pools {
		gauge(s.size, float64(p.Size), p.Name, p.Device)
		gauge(s.allocations, float64(p.Used), p.Name, p.Device, "used")
		gauge(s.allocations, float64(p.Cooling), p.Name, p.Device, "cooling")
	}
	if j := now.Journal; j != nil {
		gauge(s.journalUp, truth(j.Up))
		gauge(s.journalSize, float64(j.Size))
		gauge(s.journalEntries, float64(j.Entries))
	}
	if o := now.Outbox; o != nil {
		gauge(s.outbox, float64(o.Messages))
		if !o.Oldest.IsZero() {
			gauge(s.oldest, seconds(o.Oldest))
		}
	}
	for scope, n := range now.Freezes {
		gauge(s.freezes, float64(n), scope)
	}
	if w := now.Windows; w != nil {
		gauge(s.windows, float64(w.Open), "open")
		gauge(s.windows, float64(w.Closed), "closed")
	}
	gauge(s.approvals, float64(now.Approvals))
}
