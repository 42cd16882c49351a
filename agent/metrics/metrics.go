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

	"github.com/ixagent/ixagent/agent/audit"
	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// The names.
const (
	nameBuildInfo     = "ixagent_build_info"
	nameReady         = "ixagent_ready"
	nameConfigGood    = "ixagent_config_last_reload_successful"
	nameConfigSuccess = "ixagent_config_last_reload_success_timestamp_seconds"

	nameSourceReads     = "ixagent_source_reads_total"
	nameSourceSuccess   = "ixagent_source_last_success_timestamp_seconds"
	nameSnapshotTime    = "ixagent_snapshot_timestamp_seconds"
	nameSnapshotRefused = "ixagent_snapshot_refused"
	nameSnapshotRecords = "ixagent_snapshot_records"
	nameSnapshotFaults  = "ixagent_snapshot_faults"
	nameCompileDuration = "ixagent_compile_duration_seconds"
	nameTrialDuration   = "ixagent_trial_duration_seconds"
	nameRejections      = "ixagent_rejections"
	nameAudit           = "ixagent_audit_disagreements"
	nameEvents          = "ixagent_events_total"
	nameOutbox          = "ixagent_outbox_messages"
	nameOutboxOldest    = "ixagent_outbox_oldest_timestamp_seconds"
	nameDeliveries      = "ixagent_webhook_deliveries_total"

	nameDeviceInfo        = "ixagent_device_info"
	nameDeviceUp          = "ixagent_device_up"
	nameDeviceSuccess     = "ixagent_device_last_success_timestamp_seconds"
	namePasses            = "ixagent_passes_total"
	namePassDuration      = "ixagent_pass_duration_seconds"
	namePhaseDuration     = "ixagent_phase_duration_seconds"
	nameOperationDuration = "ixagent_operation_duration_seconds"
	nameFaults            = "ixagent_faults_total"
	nameLACP              = "ixagent_lacp_members"

	nameTransactions        = "ixagent_transactions_total"
	nameTransactionDuration = "ixagent_transaction_duration_seconds"
	nameApplied             = "ixagent_changes_applied_total"
	nameReverts             = "ixagent_reverts_total"

	namePending            = "ixagent_changes_pending"
	nameWithheld           = "ixagent_changes_withheld"
	nameHeld               = "ixagent_plan_held"
	nameDrift              = "ixagent_drift_objects"
	nameDrifted            = "ixagent_drifted_objects_total"
	nameInvariantsViolated = "ixagent_invariants_violated"
	nameViolations         = "ixagent_invariant_violations_total"
	nameFreezes            = "ixagent_freezes"
	nameWindows            = "ixagent_maintenance_windows"
	nameApprovalsOpen      = "ixagent_approvals_open"
	nameApprovals          = "ixagent_approvals_total"

	namePoolSize       = "ixagent_allocation_pool_size"
	nameAllocations    = "ixagent_allocations"
	nameJournalUp      = "ixagent_journal_up"
	nameJournalSize    = "ixagent_journal_size_bytes"
	nameJournalEntries = "ixagent_journal_entries"
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

// Event is what became of an event that the exchange sent.
type Event string

// What becomes of events.
const (
	EventAccepted  Event = "accepted"  // and a source is read for it
	EventDuplicate Event = "duplicate" // it was there before
	EventRefused   Event = "refused"   // it is malformed, or from nobody who is known
)

// Delivery is what became of an attempt to deliver a report to the webhook.
type Delivery string

// What becomes of deliveries.
const (
	Delivered Delivery = "delivered"
	Retried   Delivery = "retried" // it did not arrive and is tried again
)

// Trial is the answer to somebody who asked what would become of an order.
type Trial string

// The answers.
const (
	TrialPossible    Trial = "possible"
	TrialRefused     Trial = "refused"
	TrialInvalid     Trial = "invalid"     // it was no order
	TrialUnavailable Trial = "unavailable" // there was nothing to try it on, or who asked did not wait
)

// Approval is what became of a person's wish to approve a plan.
type Approval string

// What becomes of approvals.
const (
	ApprovalAccepted Approval = "accepted"
	ApprovalRefused  Approval = "refused" // there is no such plan, or not any more
)

// results are those that a transaction can have.
func results() []journal.Result {
	return []journal.Result{
		journal.Confirmed, journal.Applied, journal.Reverted, journal.Refused, journal.Failed, journal.Unknown, journal.Interrupted,
	}
}

// Metrics are the metrics of one agent. Its methods may be called concurrently, and on nil, where they do nothing.
type Metrics struct {
	build    *prometheus.GaugeVec
	sources  *sources
	states   *states
	reads    *prometheus.CounterVec
	compile  prometheus.Histogram
	rejected *tally
	audit    *tally
	trials   *prometheus.HistogramVec

	events     *prometheus.CounterVec
	deliveries *prometheus.CounterVec
	approvals  *prometheus.CounterVec

	device    *prometheus.GaugeVec
	up        *prometheus.GaugeVec
	success   *prometheus.GaugeVec
	passes    *prometheus.CounterVec
	pass      prometheus.Histogram
	phase     *prometheus.HistogramVec
	operation *prometheus.HistogramVec
	faults    *prometheus.CounterVec
	lacp      *tally

	transactions *prometheus.CounterVec
	transaction  prometheus.Histogram
	applied      *prometheus.CounterVec
	reverts      *prometheus.CounterVec

	pending    *tally
	withheld   *tally
	held       *prometheus.GaugeVec
	drift      *tally
	invariants *tally
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
	tallied := func(name, help string, labels ...string) *tally {
		return newTally(gauge(name, help, labels...), len(labels))
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
		states:   newStates(),
		reads:    counter(nameSourceReads, "Reads of the exchange by result: changed, unchanged, refused (it lost too much), failed.", "source", "result"),
		compile:  f.NewHistogram(duration(nameCompileDuration, "Time from a snapshot to what each switch should carry.")),
		trials:   f.NewHistogramVec(duration(nameTrialDuration, "Time until somebody who asked what would become of an order was told, by result: possible, refused, invalid (it was no order), unavailable."), []string{"result"}),
		rejected: tallied(nameRejections, "Records the exchange asks for that are not provisioned as asked, by tag and syslog severity.", "tag", "severity"),
		audit:    tallied(nameAudit, "Where a witness disagrees with the source that provisions about what switches should carry, by kind.", "source", "kind"),

		events:     counter(nameEvents, "Events from the exchange by result: accepted, duplicate, refused.", "result"),
		deliveries: counter(nameDeliveries, "Attempts to deliver a report to the webhook by result: delivered, retried.", "result"),
		approvals:  counter(nameApprovals, "Approvals of plans by result: accepted, refused (there is no such plan, or not any more).", "result"),

		device:    gauge(nameDeviceInfo, "The devices of the inventory; always 1.", "device", "driver", "mode"),
		up:        gauge(nameDeviceUp, "Whether the device has a session: 1 or 0.", "device"),
		success:   gauge(nameDeviceSuccess, "When a pass over the device last ended without an error or a revert.", "device"),
		passes:    counter(namePasses, "Passes over the device by result: converged, pending, applied, reverted, failed.", "device", "result"),
		pass:      f.NewHistogram(duration(namePassDuration, "Time of a pass over a device.")),
		phase:     f.NewHistogramVec(duration(namePhaseDuration, "Time of each phase of a pass over a device, and of a transaction on it."), []string{"phase"}),
		operation: f.NewHistogramVec(duration(nameOperationDuration, "Time of each operation on a device."), []string{"driver", "op"}),
		faults:    counter(nameFaults, "Failed operations on the device by operation and fault.", "device", "op", "fault"),
		lacp:      tallied(nameLACP, "Members of the device's LAGs that LACP has in sync and out of sync; none while it has no session.", "device", "state"),

		transactions: counter(nameTransactions, "Transactions on the device by result: confirmed, applied, reverted, refused, failed, unknown, interrupted.", "device", "result"),
		transaction:  f.NewHistogram(duration(nameTransactionDuration, "Time of a transaction on a device.")),
		applied:      counter(nameApplied, "Objects changed on the device.", "device", "kind", "verb"),
		reverts:      counter(nameReverts, "Transactions on the device that were taken back.", "device"),

		pending:  tallied(namePending, "Objects on the device that the latest plan changes and that are not changed yet.", "device", "verb"),
		withheld: tallied(nameWithheld, "Objects on the device that need a change that is withheld.", "device", "reason"),
		held:     gauge(nameHeld, "Whether the device's plan waits because it harmed somebody when it was tried: 1 or 0.", "device"),
		drift: tallied(nameDrift, "Objects of the agent on the device that are not as the agent left them.", "device").
			rising(counter(nameDrifted, "Objects of the agent on the device that others were found to have changed.", "device")),
		invariants: tallied(nameInvariantsViolated, "Violations of an invariant of the exchange on the device now; anything but 0 is an alarm.", "device", "invariant").
			rising(counter(nameViolations, "Violations of an invariant of the exchange that were found on the device.", "device", "invariant")),
	}
	if reg != nil {
		reg.MustRegister(m.sources, m.states)
	}
	for _, r := range []Event{EventAccepted, EventDuplicate, EventRefused} {
		m.events.WithLabelValues(string(r))
	}
	for _, r := range []Delivery{Delivered, Retried} {
		m.deliveries.WithLabelValues(string(r))
	}
	for _, r := range []Trial{TrialPossible, TrialRefused, TrialInvalid, TrialUnavailable} {
		m.trials.WithLabelValues(string(r))
	}
	for _, r := range []Approval{ApprovalAccepted, ApprovalRefused} {
		m.approvals.WithLabelValues(string(r))
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

// State makes the metrics tell what the agent has at hand, which they ask for when they are gathered. A later call
// replaces it; nil ends it and removes its series.
func (m *Metrics) State(ask func() State) {
	if m == nil {
		return
	}
	m.states.set(ask)
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

// Tried tells of an answer to somebody who asked what would become of an order, and how long it took.
func (m *Metrics) Tried(t Trial, took time.Duration) {
	if m == nil {
		return
	}
	m.trials.WithLabelValues(string(t)).Observe(took.Seconds())
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

// Audited tells of all disagreements there are now between a witness and the source that provisions.
func (m *Metrics) Audited(witness string, counts map[audit.Kind]int) {
	if m == nil {
		return
	}
	now := make(map[[2]string]int, len(counts))
	for kind, n := range counts {
		now[[2]string{witness, string(kind)}] = n
	}
	m.audit.set(witness, now)
}

// Event counts an event from the exchange.
func (m *Metrics) Event(e Event) {
	if m == nil {
		return
	}
	m.events.WithLabelValues(string(e)).Inc()
}

// Delivery counts an attempt to deliver a report to the webhook.
func (m *Metrics) Delivery(d Delivery) {
	if m == nil {
		return
	}
	m.deliveries.WithLabelValues(string(d)).Inc()
}

// Approval counts a person's wish to approve a plan.
func (m *Metrics) Approval(a Approval) {
	if m == nil {
		return
	}
	m.approvals.WithLabelValues(string(a)).Inc()
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
	m.held.WithLabelValues(device)
	m.Drift(device, 0)
	for _, r := range results() {
		m.transactions.WithLabelValues(device, string(r))
	}
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
	}{m.device, m.up, m.success, m.passes, m.faults, m.transactions, m.applied, m.reverts, m.held} {
		v.DeletePartialMatch(labels)
	}
	for _, t := range []*tally{m.lacp, m.pending, m.withheld, m.drift, m.invariants} {
		t.forget(device)
	}
}

// Up tells whether the device has a session. Without one nothing is known of its LACP.
func (m *Metrics) Up(device string, up bool) {
	if m == nil {
		return
	}
	m.up.WithLabelValues(device).Set(truth(up))
	if !up {
		m.lacp.set(device, nil)
	}
}

// LACP tells how many members of the device's LAGs are in sync and how many are not.
func (m *Metrics) LACP(device string, in, out int) {
	if m == nil {
		return
	}
	m.lacp.set(device, map[[2]string]int{{device, "in_sync"}: in, {device, "out_of_sync"}: out})
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

// Phase tells how long a phase took: "observe" and "plan" of a pass; "check", "apply", "verify", "confirm" and
// "revert" of a transaction.
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

// Transaction counts a transaction on a device, whatever became of it. It took 0 if nobody knows how long.
func (m *Metrics) Transaction(device string, r journal.Result, took time.Duration) {
	if m == nil {
		return
	}
	m.transactions.WithLabelValues(device, string(r)).Inc()
	if took > 0 {
		m.transaction.Observe(took.Seconds())
	}
}

// Held tells whether the plan of a device waits because it harmed somebody when it was tried.
func (m *Metrics) Held(device string, held bool) {
	if m == nil {
		return
	}
	m.held.WithLabelValues(device).Set(truth(held))
}

// Drift tells how many objects of a device are not as the agent left them. It must also be told when they are again.
func (m *Metrics) Drift(device string, objects int) {
	if m == nil {
		return
	}
	m.drift.set(device, map[[2]string]int{{device}: objects})
}

// Invariants tells how often each invariant of the exchange is violated on a device now. It names all that were
// looked at, those that hold with 0. A number that rises is counted by as much.
func (m *Metrics) Invariants(device string, violated map[string]int) {
	if m == nil {
		return
	}
	now := make(map[[2]string]int, len(violated))
	for name, n := range violated {
		now[[2]string{device, name}] = n
	}
	m.invariants.set(device, now)
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

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
