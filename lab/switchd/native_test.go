package switchd_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// newShell is a switch that is configured by its command line.
func newShell(t testing.TB, more ...func(*switchd.Options)) *bench {
	return newBench(t, append(more, func(o *switchd.Options) { o.Native = "empty" })...)
}

// mtu builds a configuration in which eth1 has an MTU.
func mtu(value string) func(*tree.Edit) error {
	return func(e *tree.Edit) error {
		e.Branch("interfaces", "interface").Entry("eth1").At("config").Set("mtu", value)
		return nil
	}
}

// runs is the MTU of eth1 and the native configuration.
func (b *bench) runs() string {
	return fmt.Sprintf("%s %v", b.sw.Running().At("interfaces", "interface").Entry("eth1").Text("config", "mtu"), b.sw.Native())
}

func (b *bench) wantRuns(t testing.TB, want string) {
	t.Helper()
	if got := b.runs(); got != want {
		t.Errorf("%q runs, want %q", got, want)
	}
}

func TestSwitchWithACommandLineIsOnlyReadOverGNMI(t *testing.T) {
	b := newShell(t)
	b.wantRuns(t, " empty")
	wantCode(t, b.update(t, "/interfaces/interface[name=eth1]/config/mtu", "9000"), codes.FailedPrecondition, "command line")
	if err := b.sw.Install("a", mtu("1500")); err != nil {
		t.Fatal(err)
	}
	b.wantRuns(t, "1500 a")
	if got := b.get(t, "/interfaces/interface[name=eth1]/config/mtu", gpb.GetRequest_CONFIG); got != "1500" {
		t.Errorf("mtu %s over gNMI", got)
	}
}

func TestWhatIsInstalledTakesThePlaceOfEverything(t *testing.T) {
	b := newShell(t)
	var seen int
	defer b.sw.OnCommit(func(_, _ *tree.Tree) { seen++ })()
	if err := b.sw.Install("a", mtu("1500")); err != nil {
		t.Fatal(err)
	}
	before := b.sw.Running()
	if err := b.sw.Install("the same, said otherwise", mtu("1500")); err != nil {
		t.Fatal(err)
	}
	b.wantRuns(t, "1500 the same, said otherwise")
	if !b.sw.Running().Root().Same(before.Root()) {
		t.Error("writing the same anew is a change of what is done")
	}
	if seen != 2 {
		t.Errorf("%d commits were told of, of one and one in other words", seen)
	}
	if err := b.sw.Install("nothing", func(*tree.Edit) error { return nil }); err != nil {
		t.Fatal(err)
	}
	b.wantRuns(t, " nothing")
	if n := b.sw.Running().At("interfaces", "interface").Len(); n != 48 {
		t.Errorf("%d ports are left", n)
	}
}

func TestRefusedInstallChangesNothing(t *testing.T) {
	b := newShell(t)
	if err := b.sw.Install("a", mtu("1500")); err != nil {
		t.Fatal(err)
	}
	for _, build := range []func(*tree.Edit) error{
		func(e *tree.Edit) error { return errors.New("no") },
		func(e *tree.Edit) error { // not of the schema
			e.Branch("interfaces", "interface").Entry("eth1").At("config").Set("colour", "red")
			return nil
		},
		func(e *tree.Edit) error { // against the rules
			config := e.Branch("interfaces", "interface").Entry("eth99").At("config")
			config.Set("name", "eth99")
			config.Set("type", "ethernetCsmacd")
			return nil
		},
	} {
		if b.sw.Check(build) == nil || b.sw.Install("bad", build) == nil || b.sw.InstallConfirmed("x", time.Hour, "bad", build) == nil {
			t.Error("accepted")
		}
		b.wantRuns(t, "1500 a")
	}
	if err := b.sw.Check(mtu("9000")); err != nil {
		t.Error(err)
	}
	b.wantRuns(t, "1500 a")
	if b.sw.Pending() {
		t.Error("something waits for a confirmation")
	}
}

func TestUnconfirmedInstallGoesBackWithWhatItWasMadeFrom(t *testing.T) {
	b := newShell(t)
	if err := b.sw.Install("a", mtu("1500")); err != nil {
		t.Fatal(err)
	}
	install := func(d time.Duration) {
		t.Helper()
		if err := b.sw.InstallConfirmed("x", d, "b", mtu("9000")); err != nil {
			t.Fatal(err)
		}
	}
	install(time.Hour)
	b.wantRuns(t, "9000 b")
	if id, left, ok := b.sw.Unconfirmed(); id != "x" || left <= 59*time.Minute || left > time.Hour || !ok {
		t.Errorf("%s waits for %v: %v", id, left, ok)
	}
	for what, err := range map[string]error{
		"install":           b.sw.Install("c", mtu("1")),
		"install confirmed": b.sw.InstallConfirmed("y", time.Hour, "c", mtu("1")),
	} {
		if !errors.Is(err, switchd.ErrPending) {
			t.Errorf("%s meanwhile: %v", what, err)
		}
	}
	if err := b.sw.Cancel("y"); !errors.Is(err, switchd.ErrWrongID) {
		t.Errorf("cancel of another: %v", err)
	}
	if err := b.sw.Cancel("x"); err != nil {
		t.Fatal(err)
	}
	b.wantRuns(t, "1500 a")
	install(time.Hour)
	b.sw.Reboot()
	b.wantRuns(t, "1500 a")
	install(10 * time.Millisecond)
	eventually(t, "the commit has gone back", func() bool { return !b.sw.Pending() })
	b.wantRuns(t, "1500 a")
	if err := b.sw.Confirm("x"); !errors.Is(err, switchd.ErrNotPending) {
		t.Errorf("confirm after its time: %v", err)
	}
	install(time.Hour)
	if err := b.sw.Confirm("x"); err != nil {
		t.Fatal(err)
	}
	b.wantRuns(t, "9000 b")
	if _, _, ok := b.sw.Unconfirmed(); ok {
		t.Error("still waits for its confirmation")
	}
}

func TestFaultsStrikeACommandLine(t *testing.T) {
	b := newShell(t)
	b.faults.RefuseSets(1, codes.ResourceExhausted)
	if err := b.sw.Install("a", mtu("1500")); err == nil || err.Error() != "refused by a fault of the lab" {
		t.Error(err)
	}
	b.faults.DropBeforeCommit(1)
	if err := b.sw.Install("a", mtu("1500")); !errors.Is(err, switchd.ErrCut) {
		t.Error(err)
	}
	b.wantRuns(t, " empty")
	b.faults.DropAfterCommit(1)
	if err := b.sw.InstallConfirmed("x", time.Hour, "a", mtu("1500")); !errors.Is(err, switchd.ErrCut) {
		t.Error(err)
	}
	b.wantRuns(t, "1500 a")
	b.faults.DropBeforeCommit(1)
	if err := b.sw.Confirm("x"); !errors.Is(err, switchd.ErrCut) || !b.sw.Pending() {
		t.Error(err)
	}
	if err := b.sw.Confirm("x"); err != nil {
		t.Fatal(err)
	}
	b.faults.UndoSets(1)
	if err := b.sw.Install("b", mtu("9000")); err != nil {
		t.Fatal(err)
	}
	b.wantRuns(t, "1500 a")
	b.faults.StallSets(0)
	done := make(chan error)
	go func() { done <- b.sw.Install("b", mtu("9000")) }()
	select {
	case <-done:
		t.Fatal("not held back")
	case <-time.After(20 * time.Millisecond):
	}
	b.faults.Release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	b.wantRuns(t, "9000 b")
}

// write builds a LAG with that many circuits, each in a service of its own, the first of another MTU.
func write(circuits int, first string) func(*tree.Edit) error {
	return func(e *tree.Edit) error {
		interfaces := e.Branch("interfaces", "interface")
		interfaces.Entry("eth1").At("config").Set("mtu", first)
		lag := interfaces.Entry("ae1")
		lag.At("config").Set("name", "ae1")
		lag.At("config").Set("type", "ieee8023adLag")
		subs := lag.At("subinterfaces", "subinterface")
		instances := e.Branch("network-instances", "network-instance")
		for i := range circuits {
			unit := fmt.Sprint(i)
			sub := subs.Entry(unit)
			sub.At("config").Set("index", unit)
			tags := sub.At("vlan", "match", "double-tagged", "config")
			tags.Set("outer-vlan-id", fmt.Sprint(i%4000+1))
			tags.Set("inner-vlan-id", fmt.Sprint(i/4000+1))
			id := "ae1." + unit
			n := instances.Entry("s" + unit)
			n.At("config").Set("name", "s"+unit)
			n.At("config").Set("type", "L2VSI")
			point := n.At("connection-points", "connection-point").Entry(id)
			point.At("config").Set("connection-point-id", id)
			end := point.At("endpoints", "endpoint").Entry(id)
			end.At("config").Set("endpoint-id", id)
			end.At("config").Set("precedence", "0")
			end.At("config").Set("type", "LOCAL")
			end.At("local", "config").Set("interface", "ae1")
			end.At("local", "config").Set("subinterface", unit)
		}
		return nil
	}
}

func BenchmarkInstall10000(b *testing.B) {
	p := dataplane.New(dataplane.Options{})
	defer p.Close()
	sw := newShell(b, func(o *switchd.Options) { o.Plane = p })
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := sw.sw.Install(i, write(10_000, fmt.Sprint(1500+i%2))); err != nil {
			b.Fatal(err)
		}
	}
}
