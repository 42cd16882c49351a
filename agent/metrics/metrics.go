// Package metrics holds every Prometheus metric of the agent.
//
// No label ever holds a member, an order or a MAC address: what is counted grows with the switches of an exchange and
// not with its customers.
package metrics

import (
	"errors"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// The names.
const (
	nameBuildInfo         = "ixagent_build_info"
	nameSourceReads       = "ixagent_source_reads_total"
	nameSourceSuccess     = "ixagent_source_last_success_timestamp_seconds"
	nameSnapshotTime      = "ixagent_snapshot_timestamp_seconds"
	nameSnapshotRecords   = "ixagent_snapshot_records"
	nameSnapshotFaults    = "ixagent_snapshot_faults"
	nameCompileDuration   = "ixagent_compile_duration_seconds"
	nameRejections        = "ixagent_rejections"
	nameDeviceInfo        = "ixagent_device_info"
	nameDeviceUp          = "ixagent_device_up"
	nameDeviceSuccess     = "ixagent_device_last_success_timestamp_seconds"
	namePasses            = "ixagent_passes_total"
	namePassDuration      = "ixagent_pass_duration_seconds"
	namePhaseDuration     = "ixagent_phase_duration_seconds"
	nameOperationDuration = "ixagent_operation_duration_seconds"
	nameFaults            = "ixagent_faults_total"
	namePending           = "ixagent_changes_pending"
	nameWithheld          = "ixagent_changes_withheld"
	nameApplied           = "ixagent_changes_applied_total"
	nameReverts           = "ixagent_reverts_total"
	nameDrift             = "ixagent_drift_objects"
)

// Result is how a pass over a device ended.
type Result string

// The results.
const (
	Converged Result = "converged" // there was nothing to change
	Pending   Result = "pending"   // changes wait for a person
	Applied   Result = "applied"   // and verified on the device
	Reverted  Result = "reverted"  // applied and taken back
	Failed    Result = "failed"    // an error ended it
)

// Metrics are the metrics of one agent. Its methods may be called concurrently, and on nil, where they do nothing.
type Metrics struct {
	build    *prometheus.GaugeVec
	sources  *sources
	reads    *prometheus.CounterVec
	compile  prometheus.Histogram
	rejected *tally

	device    *prometheus.GaugeVec
	up        *prometheus.GaugeVec
	success   *prometheus.GaugeVec
	passes    *prometheus.CounterVec
	pass      prometheus.Histogram
	phase     *prometheus.HistogramVec
	operation *prometheus.HistogramVec
	faults    *prometheus.CounterVec
	pending   *tally
	withheld  *tally
	applied   *prometheus.CounterVec
	reverts   *prometheus.CounterVec
	drift     *prometheus.GaugeVec
}

// New returns metrics registered with reg. A registry holds the metrics of one agent; to register those of a second
// with it is an error of the program, as [promauto.With] has it.
func New(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return f.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	duration := func(name, help string) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{
			Name: name, Help: help,
			Buckets:                        []float64{.001, .005, .025, .1, .5, 1, 2.5, 5, 10, 30, 60, 300},
			NativeHistogramBucketFactor:    1.1,
			NativeHistogramMaxBucketNumber: 160,
		}
	}
	m := &Metrics{
		build:    gauge(nameBuildInfo, "The program; always 1.", "version", "revision", "goversion"),
		sources:  newSources(),
		reads:    counter(nameSourceReads, "Reads of the exchange by result: changed, unchanged, refused (it lost too much), failed.", "source", "result"),
		compile:  f.NewHistogram(duration(nameCompileDuration, "Time from a snapshot to what each switch should carry.")),
		rejected: newTally(gauge(nameRejections, "Records the exchange asks for that are not provisioned as asked, by tag and syslog severity.", "tag", "severity")),

		device:    gauge(nameDeviceInfo, "The devices of the inventory; always 1.", "device", "driver", "mode"),
		up:        gauge(nameDeviceUp, "Whether the device has a session: 1 or 0.", "device"),
		success:   gauge(nameDeviceSuccess, "When a pass over the device last ended without an error or a revert.", "device"),
		passes:    counter(namePasses, "Passes over the device by result: converged, pending, applied, reverted, failed.", "device", "result"),
		pass:      f.NewHistogram(duration(namePassDuration, "Time of a pass over a device.")),
		phase:     f.NewHistogramVec(duration(namePhaseDuration, "Time of each phase of a pass over a device."), []string{"phase"}),
		operation: f.NewHistogramVec(duration(nameOperationDuration, "Time of each operation on a device."), []string{"driver", "op"}),
		faults:    counter(nameFaults, "Failed operations on the device by operation and fault.", "device", "op", "fault"),
		pending:   newTally(gauge(namePending, "Objects on the device that the latest plan changes and that are not changed yet.", "device", "verb")),
		withheld:  newTally(gauge(nameWithheld, "Objects on the device that need a change that is withheld.", "device", "reason")),
		applied:   counter(nameApplied, "Objects changed on the device.", "device", "kind", "verb"),
		reverts:   counter(nameReverts, "Transactions on the device that were taken back.", "device"),
		drift:     gauge(nameDrift, "Objects of the agent on the device that are not as the agent left them.", "device"),
	}
	if reg != nil {
		reg.MustRegister(m.sources)
	}
	return m
}

// Build says which program this is.
func (m *Metrics) Build(version, revision string) {
	if m == nil {
		return
	}
	m.build.WithLabelValues(version, revision, runtime.Version()).Set(1)
}

// Source makes the metrics tell how a source fares, which they ask for when they are gathered. A later call with the
// same name replaces it; a nil status ends it and removes the source's series.
func (m *Metrics) Source(name string, status func() source.Status) {
	if m == nil {
		return
	}
	m.sources.set(name, status)
	if status == nil {
		m.reads.DeletePartialMatch(prometheus.Labels{"source": name})
	}
}

// Read counts a read of a source, as [source.Source.Read] reports it.
func (m *Metrics) Read(name string, changed bool, err error) {
	if m == nil {
		return
	}
	var shrunken *source.ShrinkError
	result := "unchanged"
	switch {
	case errors.As(err, &shrunken):
		result = "refused"
	case err != nil:
		result = "failed"
	case changed:
		result = "changed"
	}
	m.reads.WithLabelValues(name, result).Inc()
}

// Compiled tells how long it took to compile a snapshot, or what changed of it.
func (m *Metrics) Compiled(took time.Duration) {
	if m == nil {
		return
	}
	m.compile.Observe(took.Seconds())
}

// Rejections tells of all rejections there are now.
func (m *Metrics) Rejections(all []compile.Rejection) {
	if m == nil {
		return
	}
	now := make(map[[2]string]int)
	for _, r := range all {
		now[[2]string{string(r.Tag), strconv.Itoa(r.Severity)}]++
	}
	m.rejected.set("", now)
}

// Device tells of a device of the inventory, which gains its series. Its mode or driver may have changed.
func (m *Metrics) Device(device, driver, mode string) {
	if m == nil {
		return
	}
	m.device.DeletePartialMatch(prometheus.Labels{"device": device})
	m.device.WithLabelValues(device, driver, mode).Set(1)
	m.up.WithLabelValues(device)
	m.reverts.WithLabelValues(device)
	m.drift.WithLabelValues(device)
	for _, r := range []Result{Converged, Pending, Applied, Reverted, Failed} {
		m.passes.WithLabelValues(device, string(r))
	}
}

// Forget removes all series of a device that is no longer in the inventory. Nothing may be told of it after that.
func (m *Metrics) Forget(device string) {
	if m == nil {
		return
	}
	labels := prometheus.Labels{"device": device}
	for _, v := range []interface {
		DeletePartialMatch(prometheus.Labels) int
	}{m.device, m.up, m.success, m.passes, m.faults, m.applied, m.reverts, m.drift} {
		v.DeletePartialMatch(labels)
	}
	m.pending.set(device, nil)
	m.withheld.set(device, nil)
}

// Up tells whether the device has a session.
func (m *Metrics) Up(device string, up bool) {
	if m == nil {
		return
	}
	v := 0.0
	if up {
		v = 1
	}
	m.up.WithLabelValues(device).Set(v)
}

// Pass tells that a pass over a device ended now.
func (m *Metrics) Pass(device string, r Result, took time.Duration) {
	if m == nil {
		return
	}
	m.passes.WithLabelValues(device, string(r)).Inc()
	m.pass.Observe(took.Seconds())
	switch r {
	case Reverted:
		m.reverts.WithLabelValues(device).Inc()
	case Converged, Pending, Applied:
		m.success.WithLabelValues(device).Set(seconds(time.Now()))
	}
}

// Phase tells how long a phase of a pass took: "observe", "plan", "apply", "verify", "confirm".
func (m *Metrics) Phase(phase string, took time.Duration) {
	if m == nil {
		return
	}
	m.phase.WithLabelValues(phase).Observe(took.Seconds())
}

// Observer returns what [drivers.Observed] tells of operations on a device. It counts their faults.
func (m *Metrics) Observer(device, driver string) drivers.Observer {
	if m == nil {
		return nil
	}
	return func(op string, took time.Duration, f drivers.Fault) {
		m.operation.WithLabelValues(driver, op).Observe(took.Seconds())
		if f != "" {
			m.Fault(device, op, f)
		}
	}
}

// Fault counts a failed operation that [Metrics.Observer] is not told of, such as a dial.
func (m *Metrics) Fault(device, op string, f drivers.Fault) {
	if m == nil {
		return
	}
	m.faults.WithLabelValues(device, op, string(f)).Inc()
}

// Observed tells what the latest plan for a device has still to do and what it withholds. An empty plan says that
// nothing is left.
func (m *Metrics) Observed(device string, p plan.Plan) {
	if m == nil {
		return
	}
	pending, withheld := make(map[[2]string]int), make(map[[2]string]int)
	for _, v := range []plan.Verb{plan.Create, plan.Update, plan.Replace, plan.Delete} {
		pending[[2]string{device, string(v)}] = 0
	}
	for _, v := range objects(p.Changes) {
		pending[[2]string{device, string(v)}]++
	}
	for _, w := range p.Withheld {
		withheld[[2]string{device, string(w.Reason)}]++
	}
	m.pending.set(device, pending)
	m.withheld.set(device, withheld)
}

// Applied counts the changes of a plan that was applied, and that nothing of it is left to do.
func (m *Metrics) Applied(device string, p plan.Plan) {
	if m == nil {
		return
	}
	for k, v := range objects(p.Changes) {
		m.applied.WithLabelValues(device, k.Kind.String(), string(v)).Inc()
	}
	m.Observed(device, plan.Plan{Withheld: p.Withheld})
}

// Drift tells how many objects of a device are not as the agent left them.
func (m *Metrics) Drift(device string, objects int) {
	if m == nil {
		return
	}
	m.drift.WithLabelValues(device).Set(float64(objects))
}

// objects returns what becomes of each object. One that is taken down and put back is replaced.
func objects(changes []plan.Change) map[switchcfg.Key]plan.Verb {
	out := make(map[switchcfg.Key]plan.Verb, len(changes))
	for _, c := range changes {
		if _, again := out[c.Key]; again {
			c.Verb = plan.Replace
		}
		out[c.Key] = c.Verb
	}
	return out
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
