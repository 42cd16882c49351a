package metrics

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ixagent/ixagent/agent/audit"
	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

func change(v plan.Verb, kind switchcfg.Kind, unit uint32) plan.Change {
	return plan.Change{Verb: v, Key: switchcfg.Key{Kind: kind, Name: "lag1", Unit: unit}, Cause: plan.Cause{Account: "member-7"}, Members: []string{"member-7"}}
}

func samplePlan() plan.Plan {
	return plan.Plan{
		Changes: []plan.Change{
			change(plan.Delete, switchcfg.KindCircuit, 1), // taken down,
			change(plan.Create, switchcfg.KindCircuit, 2),
			change(plan.Create, switchcfg.KindCircuit, 1), // and put back
			change(plan.Create, switchcfg.KindCircuit, 3),
			change(plan.Update, switchcfg.KindLAG, 0),
			change(plan.Delete, switchcfg.KindFilter, 0),
		},
		Withheld: []plan.Withheld{{Reason: plan.Limited}, {Reason: plan.Limited}, {Reason: plan.Frozen}},
	}
}

func sampleState() State {
	return State{
		Ready: true, Configured: time.Now(), Refused: true,
		Pools:   []compile.Pool{{Name: "vni", Size: 1000, Used: 40, Cooling: 2}, {Name: "lag", Device: "sw1", Size: 10, Used: 9}},
		Journal: &Journal{Up: true, Size: 65536, Entries: 12},
		Outbox:  &Outbox{Messages: 3, Oldest: time.Now().Add(-time.Minute)},
		Freezes: map[string]int{"all": 0, "member": 2}, Windows: &Windows{Open: 1, Closed: 2}, Approvals: 1,
	}
}

// everything tells m of one of each; two switches, one source.
func everything(m *Metrics) {
	m.State(sampleState)
	m.Event(EventAccepted)
	m.Delivery(Retried)
	m.Approval(ApprovalRefused)
	m.Tried(TrialPossible, time.Millisecond)
	m.Build("1.2.3", "0123456789ab")
	status := source.Status{
		Read: time.Now(), Tried: time.Now(),
		Snapshot: &source.Snapshot{
			Source: "metro", Read: time.Now().Add(-time.Minute),
			Counts: map[ixapi.Collection]int{ixapi.Connections: 40, ixapi.MACs: 7},
			Faults: []ixapi.RecordFault{{Collection: ixapi.MACs, ID: "02:00:00:00:00:01"}},
		},
	}
	m.Source("metro", func() source.Status { return status })
	m.Read("metro", true, nil)
	m.Read("metro", false, nil)
	m.Read("metro", false, nil)
	m.Read("metro", false, errors.New("no route to host"))
	m.Read("metro", false, fmt.Errorf("source metro: %w", &source.ShrinkError{}))
	m.Compiled(20 * time.Millisecond)
	m.Rejections([]compile.Rejection{
		{Tag: compile.TagCollision, Severity: 3, Account: "member-7"},
		{Tag: compile.TagCollision, Severity: 3, Account: "member-8"},
		{Tag: compile.TagMACUnknown, Severity: 5, Account: "member-7"},
	})
	m.Audited("manager", map[audit.Kind]int{audit.KindMACs: 2, audit.KindRate: 0})
	for _, device := range []string{"sw1", "sw2"} {
		m.Device(device, "openconfig", "enforce")
		m.Up(device, true)
		m.Observed(device, samplePlan())
		m.LACP(device, 7, 1)
		m.Transaction(device, journal.Confirmed, time.Second)
		m.Transaction(device, journal.Interrupted, 0)
		m.Held(device, true)
		m.Invariants(device, map[string]int{"slow_protocols": 1, "loop": 0})
		m.Drift(device, 2)
		m.Phase("apply", 200*time.Millisecond)
		observe := m.Observer(device, "openconfig")
		observe("apply", time.Second, "")
		observe("confirm", time.Second, drivers.Rejected)
		m.Fault(device, "dial", drivers.Transient)
		m.Pass(device, Converged, time.Second)
		m.Pass(device, Pending, time.Second)
		m.Pass(device, Applied, time.Second)
	}
	m.Applied("sw1", samplePlan())
}

// scrape returns what is gathered, a line a sample, without histograms.
func scrape(t *testing.T, reg prometheus.Gatherer) string {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range families {
		for _, m := range f.Metric {
			if m.Histogram != nil {
				continue
			}
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			lines = append(lines, fmt.Sprintf("%s{%s} %v", f.GetName(), strings.Join(labels, ","), m.GetGauge().GetValue()+m.GetCounter().GetValue()))
		}
	}
	return strings.Join(lines, "\n")
}

func TestWhatIsToldIsScraped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewPedanticRegistry()
		m := New(reg)
		everything(m) // at 2000-01-01 00:00:00 UTC, which is 946684800
		time.Sleep(time.Minute)
		m.Pass("sw2", Reverted, time.Second)
		m.Pass("sw2", Failed, time.Second)
		m.Up("sw2", false)
		m.Drift("sw2", 0)
		m.Drift("sw2", 3)
		m.Invariants("sw2", map[string]int{"slow_protocols": 0, "loop": 2})
		want := `
# HELP ixagent_allocation_pool_size Numbers in a pool. LAG numbers are the device's own.
# TYPE ixagent_allocation_pool_size gauge
ixagent_allocation_pool_size{device="",pool="vni"} 1000
ixagent_allocation_pool_size{device="sw1",pool="lag"} 10
# HELP ixagent_allocations Numbers of a pool that are used, or cool until they are given again.
# TYPE ixagent_allocations gauge
ixagent_allocations{device="",pool="vni",state="cooling"} 2
ixagent_allocations{device="",pool="vni",state="used"} 40
ixagent_allocations{device="sw1",pool="lag",state="cooling"} 0
ixagent_allocations{device="sw1",pool="lag",state="used"} 9
# HELP ixagent_approvals_open Approvals of plans that are not applied yet.
# TYPE ixagent_approvals_open gauge
ixagent_approvals_open 1
# HELP ixagent_approvals_total Approvals of plans by result: accepted, refused (there is no such plan, or not any more).
# TYPE ixagent_approvals_total counter
ixagent_approvals_total{result="accepted"} 0
ixagent_approvals_total{result="refused"} 1
# HELP ixagent_audit_disagreements Where a witness disagrees with the source that provisions about what switches should carry, by kind.
# TYPE ixagent_audit_disagreements gauge
ixagent_audit_disagreements{kind="macs",source="manager"} 2
ixagent_audit_disagreements{kind="rate",source="manager"} 0
# HELP ixagent_changes_applied_total Objects changed on the device.
# TYPE ixagent_changes_applied_total counter
ixagent_changes_applied_total{device="sw1",kind="circuit",verb="create"} 2
ixagent_changes_applied_total{device="sw1",kind="circuit",verb="replace"} 1
ixagent_changes_applied_total{device="sw1",kind="filter",verb="delete"} 1
ixagent_changes_applied_total{device="sw1",kind="lag",verb="update"} 1
# HELP ixagent_changes_pending Objects on the device that the latest plan changes and that are not changed yet.
# TYPE ixagent_changes_pending gauge
ixagent_changes_pending{device="sw1",verb="create"} 0
ixagent_changes_pending{device="sw1",verb="delete"} 0
ixagent_changes_pending{device="sw1",verb="replace"} 0
ixagent_changes_pending{device="sw1",verb="update"} 0
ixagent_changes_pending{device="sw2",verb="create"} 2
ixagent_changes_pending{device="sw2",verb="delete"} 1
ixagent_changes_pending{device="sw2",verb="replace"} 1
ixagent_changes_pending{device="sw2",verb="update"} 1
# HELP ixagent_changes_withheld Objects on the device that need a change that is withheld.
# TYPE ixagent_changes_withheld gauge
ixagent_changes_withheld{device="sw1",reason="frozen"} 1
ixagent_changes_withheld{device="sw1",reason="limit"} 2
ixagent_changes_withheld{device="sw2",reason="frozen"} 1
ixagent_changes_withheld{device="sw2",reason="limit"} 2
# HELP ixagent_config_last_reload_success_timestamp_seconds When the configuration in force was read.
# TYPE ixagent_config_last_reload_success_timestamp_seconds gauge
ixagent_config_last_reload_success_timestamp_seconds 9.4668486e+08
# HELP ixagent_config_last_reload_successful Whether the configuration that was read last is the one in force: 1 or 0.
# TYPE ixagent_config_last_reload_successful gauge
ixagent_config_last_reload_successful 0
# HELP ixagent_device_info The devices of the inventory; always 1.
# TYPE ixagent_device_info gauge
ixagent_device_info{device="sw1",driver="openconfig",mode="enforce"} 1
ixagent_device_info{device="sw2",driver="openconfig",mode="enforce"} 1
# HELP ixagent_device_last_success_timestamp_seconds When a pass over the device last ended without an error or a revert.
# TYPE ixagent_device_last_success_timestamp_seconds gauge
ixagent_device_last_success_timestamp_seconds{device="sw1"} 9.466848e+08
ixagent_device_last_success_timestamp_seconds{device="sw2"} 9.466848e+08
# HELP ixagent_device_up Whether the device has a session: 1 or 0.
# TYPE ixagent_device_up gauge
ixagent_device_up{device="sw1"} 1
ixagent_device_up{device="sw2"} 0
# HELP ixagent_drift_objects Objects of the agent on the device that are not as the agent left them.
# TYPE ixagent_drift_objects gauge
ixagent_drift_objects{device="sw1"} 2
ixagent_drift_objects{device="sw2"} 3
# HELP ixagent_drifted_objects_total Objects of the agent on the device that others were found to have changed.
# TYPE ixagent_drifted_objects_total counter
ixagent_drifted_objects_total{device="sw1"} 2
ixagent_drifted_objects_total{device="sw2"} 5
# HELP ixagent_events_total Events from the exchange by result: accepted, duplicate, refused.
# TYPE ixagent_events_total counter
ixagent_events_total{result="accepted"} 1
ixagent_events_total{result="duplicate"} 0
ixagent_events_total{result="refused"} 0
# HELP ixagent_faults_total Failed operations on the device by operation and fault.
# TYPE ixagent_faults_total counter
ixagent_faults_total{device="sw1",fault="rejected",op="confirm"} 1
ixagent_faults_total{device="sw1",fault="transient",op="dial"} 1
ixagent_faults_total{device="sw2",fault="rejected",op="confirm"} 1
ixagent_faults_total{device="sw2",fault="transient",op="dial"} 1
# HELP ixagent_freezes Freezes in force by scope: all, site, device, member, change.
# TYPE ixagent_freezes gauge
ixagent_freezes{scope="all"} 0
ixagent_freezes{scope="member"} 2
# HELP ixagent_invariant_violations_total Violations of an invariant of the exchange that were found on the device.
# TYPE ixagent_invariant_violations_total counter
ixagent_invariant_violations_total{device="sw1",invariant="loop"} 0
ixagent_invariant_violations_total{device="sw1",invariant="slow_protocols"} 1
ixagent_invariant_violations_total{device="sw2",invariant="loop"} 2
ixagent_invariant_violations_total{device="sw2",invariant="slow_protocols"} 1
# HELP ixagent_invariants_violated Violations of an invariant of the exchange on the device now; anything but 0 is an alarm.
# TYPE ixagent_invariants_violated gauge
ixagent_invariants_violated{device="sw1",invariant="loop"} 0
ixagent_invariants_violated{device="sw1",invariant="slow_protocols"} 1
ixagent_invariants_violated{device="sw2",invariant="loop"} 2
ixagent_invariants_violated{device="sw2",invariant="slow_protocols"} 0
# HELP ixagent_journal_entries Transactions in the journal's history.
# TYPE ixagent_journal_entries gauge
ixagent_journal_entries 12
# HELP ixagent_journal_size_bytes Size of the journal's file.
# TYPE ixagent_journal_size_bytes gauge
ixagent_journal_size_bytes 65536
# HELP ixagent_journal_up Whether the journal can be written: 1 or 0. While it cannot, nothing is changed on any device.
# TYPE ixagent_journal_up gauge
ixagent_journal_up 1
# HELP ixagent_lacp_members Members of the device's LAGs that LACP has in sync and out of sync; none while it has no session.
# TYPE ixagent_lacp_members gauge
ixagent_lacp_members{device="sw1",state="in_sync"} 7
ixagent_lacp_members{device="sw1",state="out_of_sync"} 1
# HELP ixagent_maintenance_windows Maintenance windows by state: open, closed.
# TYPE ixagent_maintenance_windows gauge
ixagent_maintenance_windows{state="closed"} 2
ixagent_maintenance_windows{state="open"} 1
# HELP ixagent_outbox_messages Reports that wait to be delivered to the webhook.
# TYPE ixagent_outbox_messages gauge
ixagent_outbox_messages 3
# HELP ixagent_outbox_oldest_timestamp_seconds When the report that waits longest was made; absent while none waits.
# TYPE ixagent_outbox_oldest_timestamp_seconds gauge
ixagent_outbox_oldest_timestamp_seconds 9.466848e+08
# HELP ixagent_passes_total Passes over the device by result: converged, pending, applied, reverted, failed.
# TYPE ixagent_passes_total counter
ixagent_passes_total{device="sw1",result="applied"} 1
ixagent_passes_total{device="sw1",result="converged"} 1
ixagent_passes_total{device="sw1",result="failed"} 0
ixagent_passes_total{device="sw1",result="pending"} 1
ixagent_passes_total{device="sw1",result="reverted"} 0
ixagent_passes_total{device="sw2",result="applied"} 1
ixagent_passes_total{device="sw2",result="converged"} 1
ixagent_passes_total{device="sw2",result="failed"} 1
ixagent_passes_total{device="sw2",result="pending"} 1
ixagent_passes_total{device="sw2",result="reverted"} 1
# HELP ixagent_plan_held Whether the device's plan waits because it harmed somebody when it was tried: 1 or 0.
# TYPE ixagent_plan_held gauge
ixagent_plan_held{device="sw1"} 1
ixagent_plan_held{device="sw2"} 1
# HELP ixagent_ready Whether the agent does its work, as /-/ready has it: 1 or 0.
# TYPE ixagent_ready gauge
ixagent_ready 1
# HELP ixagent_rejections Records the exchange asks for that are not provisioned as asked, by tag and syslog severity.
# TYPE ixagent_rejections gauge
ixagent_rejections{severity="3",tag="vlan_collision"} 2
ixagent_rejections{severity="5",tag="mac_unknown"} 1
# HELP ixagent_reverts_total Transactions on the device that were taken back.
# TYPE ixagent_reverts_total counter
ixagent_reverts_total{device="sw1"} 0
ixagent_reverts_total{device="sw2"} 1
# HELP ixagent_snapshot_faults Faults of single records in force by collection.
# TYPE ixagent_snapshot_faults gauge
ixagent_snapshot_faults{collection="connections",source="metro"} 0
ixagent_snapshot_faults{collection="macs",source="metro"} 1
# HELP ixagent_snapshot_records Records in force by collection.
# TYPE ixagent_snapshot_records gauge
ixagent_snapshot_records{collection="connections",source="metro"} 40
ixagent_snapshot_records{collection="macs",source="metro"} 7
# HELP ixagent_snapshot_refused Whether the latest read is refused because it lost too much: 1 or 0.
# TYPE ixagent_snapshot_refused gauge
ixagent_snapshot_refused{source="metro"} 0
# HELP ixagent_snapshot_timestamp_seconds When the records in force were first read.
# TYPE ixagent_snapshot_timestamp_seconds gauge
ixagent_snapshot_timestamp_seconds{source="metro"} 9.4668474e+08
# HELP ixagent_source_last_success_timestamp_seconds When the exchange was last read whole and accepted, whether or not it said something new.
# TYPE ixagent_source_last_success_timestamp_seconds gauge
ixagent_source_last_success_timestamp_seconds{source="metro"} 9.466848e+08
# HELP ixagent_source_reads_total Reads of the exchange by result: changed, unchanged, refused (it lost too much), failed.
# TYPE ixagent_source_reads_total counter
ixagent_source_reads_total{result="changed",source="metro"} 1
ixagent_source_reads_total{result="failed",source="metro"} 1
ixagent_source_reads_total{result="refused",source="metro"} 1
ixagent_source_reads_total{result="unchanged",source="metro"} 2
# HELP ixagent_transactions_total Transactions on the device by result: confirmed, applied, reverted, refused, failed, unknown, interrupted.
# TYPE ixagent_transactions_total counter
ixagent_transactions_total{device="sw1",result="applied"} 0
ixagent_transactions_total{device="sw1",result="confirmed"} 1
ixagent_transactions_total{device="sw1",result="failed"} 0
ixagent_transactions_total{device="sw1",result="interrupted"} 1
ixagent_transactions_total{device="sw1",result="refused"} 0
ixagent_transactions_total{device="sw1",result="reverted"} 0
ixagent_transactions_total{device="sw1",result="unknown"} 0
ixagent_transactions_total{device="sw2",result="applied"} 0
ixagent_transactions_total{device="sw2",result="confirmed"} 1
ixagent_transactions_total{device="sw2",result="failed"} 0
ixagent_transactions_total{device="sw2",result="interrupted"} 1
ixagent_transactions_total{device="sw2",result="refused"} 0
ixagent_transactions_total{device="sw2",result="reverted"} 0
ixagent_transactions_total{device="sw2",result="unknown"} 0
# HELP ixagent_webhook_deliveries_total Attempts to deliver a report to the webhook by result: delivered, retried.
# TYPE ixagent_webhook_deliveries_total counter
ixagent_webhook_deliveries_total{result="delivered"} 0
ixagent_webhook_deliveries_total{result="retried"} 1
`
		durations := []string{nameTransactionDuration, nameCompileDuration, nameTrialDuration, namePassDuration, namePhaseDuration, nameOperationDuration}
		var rest []string
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if name := f.GetName(); !slices.Contains(durations, name) && name != nameBuildInfo {
				rest = append(rest, name)
			}
		}
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), rest...); err != nil {
			t.Error(err)
		}
		for name, samples := range map[string]uint64{nameCompileDuration: 1, nameTrialDuration: 1, namePassDuration: 8, namePhaseDuration: 2, nameOperationDuration: 4, nameTransactionDuration: 2} {
			var got uint64
			for _, f := range families {
				if f.GetName() == name {
					for _, m := range f.Metric {
						got += m.Histogram.GetSampleCount()
					}
				}
			}
			if got != samples {
				t.Errorf("%s has %d samples, want %d", name, got, samples)
			}
		}
	})
}

func TestNamesAndLabelsFollowTheConventions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewPedanticRegistry()
		everything(New(reg))
		problems, err := testutil.GatherAndLint(reg)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
		labels := []string{"device", "driver", "mode", "kind", "verb", "op", "fault", "phase", "result", "source", "collection", "tag", "severity", "reason", "state", "scope", "pool", "invariant", "version", "revision", "goversion"}
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if !strings.HasPrefix(f.GetName(), "ixagent_") || f.GetHelp() == "" {
				t.Errorf("%s: %s", f.GetName(), f.GetHelp())
			}
			for _, m := range f.Metric {
				for _, l := range m.Label {
					if !slices.Contains(labels, l.GetName()) || strings.Contains(l.GetValue(), "member-") || strings.Contains(l.GetValue(), "02:00") {
						t.Errorf("%s has label %s=%q", f.GetName(), l.GetName(), l.GetValue())
					}
				}
			}
		}
	})
}

func TestDeviceThatLeavesTheInventoryLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewPedanticRegistry()
		m := New(reg)
		everything(m)
		m.Forget("sw2")
		if text := scrape(t, reg); strings.Contains(text, "sw2") || !strings.Contains(text, "sw1") {
			t.Error(text)
		}
		m.Forget("sw1")
		m.Source("metro", nil)
		m.Audited("manager", nil)
		m.Rejections(nil)
		m.State(nil)
		ofTheAgent := []string{nameBuildInfo, nameEvents, nameDeliveries, nameApprovals}
		for line := range strings.Lines(scrape(t, reg)) {
			if name, _, _ := strings.Cut(line, "{"); !slices.Contains(ofTheAgent, name) {
				t.Error(line)
			}
		}
	})
}

func TestWhatIsNoLongerSoIsNoLongerScraped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewPedanticRegistry()
		m := New(reg)
		everything(m)
		m.Observed("sw2", plan.Plan{Withheld: []plan.Withheld{{Reason: plan.Conflict}}})
		m.Rejections([]compile.Rejection{{Tag: compile.TagMACUnknown, Severity: 5}})
		m.Device("sw2", "memory", "observe")
		text := scrape(t, reg)
		for _, gone := range []string{
			nameWithheld + `{device="sw2",reason="limit"}`, nameWithheld + `{device="sw2",reason="frozen"}`,
			nameRejections + `{severity="3",tag="vlan_collision"}`, nameDeviceInfo + `{device="sw2",driver="openconfig"`,
		} {
			if strings.Contains(text, gone) {
				t.Errorf("%s is still there", gone)
			}
		}
		for _, there := range []string{
			nameWithheld + `{device="sw1",reason="limit"} 2`, nameWithheld + `{device="sw2",reason="conflict"} 1`,
			namePending + `{device="sw2",verb="delete"} 0`, nameRejections + `{severity="5",tag="mac_unknown"} 1`,
			nameDeviceInfo + `{device="sw2",driver="memory",mode="observe"} 1`, namePasses + `{device="sw2",result="applied"} 1`,
		} {
			if !strings.Contains(text, there) {
				t.Errorf("%s is missing in\n%s", there, text)
			}
		}
	})
}

func TestSourceThatWasNeverReadHasNoTimestamps(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	New(reg).Source("metro", func() source.Status { return source.Status{Tried: time.Now(), Err: errors.New("no route to host")} })
	if text := scrape(t, reg); strings.Contains(text, "timestamp") {
		t.Error(text)
	}
}

func TestLossIsToldAlsoBeforeThereIsASnapshot(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	New(reg).Source("metro", func() source.Status { return source.Status{Err: fmt.Errorf("source metro: %w", &source.ShrinkError{})} })
	if text := scrape(t, reg); !strings.Contains(text, nameSnapshotRefused+`{source="metro"} 1`) {
		t.Error(text)
	}
}

func TestWhatThereIsNotHasNoSeries(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	New(reg).State(func() State { return State{Outbox: new(Outbox)} })
	text := scrape(t, reg)
	for _, name := range []string{namePoolSize, nameAllocations, nameJournalUp, nameJournalSize, nameFreezes, nameWindows, nameOutboxOldest} {
		if strings.Contains(text, name) {
			t.Errorf("%s in\n%s", name, text)
		}
	}
	if want := nameOutbox + "{} 0"; !strings.Contains(text, want) {
		t.Errorf("%s is missing in\n%s", want, text)
	}
}

func TestNilMetricsCountNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m *Metrics
		if observer := m.Observer("sw1", "openconfig"); observer != nil {
			t.Error("nil metrics observe")
		}
		m.Build("", "")
		m.Source("metro", nil)
		m.State(sampleState)
		m.Event(EventAccepted)
		m.Delivery(Retried)
		m.Approval(ApprovalRefused)
		m.Tried(TrialPossible, 0)
		m.Read("metro", true, nil)
		m.Compiled(0)
		m.Rejections(nil)
		m.Device("sw1", "openconfig", "observe")
		m.Up("sw1", true)
		m.Observed("sw1", samplePlan())
		m.Applied("sw1", samplePlan())
		m.Drift("sw1", 1)
		m.LACP("sw1", 1, 1)
		m.Transaction("sw1", journal.Applied, 0)
		m.Held("sw1", true)
		m.Invariants("sw1", map[string]int{"loop": 1})
		m.Phase("apply", 0)
		m.Fault("sw1", "dial", drivers.Transient)
		m.Pass("sw1", Applied, 0)
		m.Forget("sw1")
	})
}

func TestUnregisteredMetricsAreUsable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { everything(New(nil)) })
}

func TestScrapesAndPassesGoOnTogether(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := New(reg)
	var wg sync.WaitGroup
	for i := range 4 {
		device := fmt.Sprint("sw", i)
		wg.Go(func() {
			for range 50 {
				m.Device(device, "memory", "enforce")
				m.Observed(device, samplePlan())
				m.Applied(device, samplePlan())
				m.Rejections([]compile.Rejection{{Tag: compile.TagCollision}})
				m.Forget(device)
			}
		})
	}
	for range 20 {
		if _, err := reg.Gather(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	text := scrape(t, reg)
	if strings.Contains(text, "device=") || !strings.Contains(text, nameRejections+`{severity="0",tag="vlan_collision"} 1`) {
		t.Error(text)
	}
}
