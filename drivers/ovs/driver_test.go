package ovs

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/drivertest"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/judge"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// asTold returns a switch that is just as it was told.
func asTold(s switchcfg.State) *found {
	numbers, taken := make(map[string]int), make(map[int]bool)
	c, _ := render(s, numbers, taken)
	return &found{config: c, numbers: numbers, taken: taken}
}

// carriable draws a state that can be carried.
func carriable(t *rapid.T) switchcfg.State {
	caps := capabilities()
	return drivertest.Carried(options().State(t, "state"), &caps)
}

func TestParsingWhatIsRenderedGivesTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := carriable(t)
		if got := asTold(want).state(); !got.Equal(want) {
			t.Fatal(cmp.Diff(string(want.AppendText(nil)), string(got.AppendText(nil))))
		}
	})
}

// Whatever flow or row is lost, something is observed that differs from what was ordered, and nothing is open that was not.
func TestWhateverIsLostIsNoticed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := carriable(t)
		f := asTold(want)
		if len(f.rows) == 0 {
			return
		}
		var flows []string
		for line := range f.flows {
			// The last flow of a filter only counts what it drops, which would be dropped without it.
			if !strings.Contains(line, "table=5, priority=50,") {
				flows = append(flows, line)
			}
		}
		open := 0
		for _, o := range want {
			if c, ok := o.(*switchcfg.Circuit); ok && !c.Shutdown {
				open++
			}
		}
		lost := rapid.SampledFrom(flows).Draw(t, "flow")
		shared := len(f.flows[lost]) == 0
		delete(f.flows, lost)
		if got := f.state(); got.Equal(want) && !(shared && open == 0) {
			if !strings.Contains(lost, "table=5") || !strings.Contains(lost, "drop") {
				t.Fatalf("nobody notices that %s is lost", lost)
			}
		}
	})
}

func TestAnswerCutAnywhereIsAnError(t *testing.T) {
	t.Parallel()
	l := newLab(t, "Ethernet1")
	d := l.open(t)
	s := make(switchcfg.State)
	s.Put(&switchcfg.Interface{Name: "Ethernet1", Description: "ixagent port:1"}, &switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceLAN},
		&switchcfg.Circuit{Parent: "Ethernet1", Service: "ix-1"})
	if _, err := d.Apply(t.Context(), plan.Diff(nil, s)); err != nil {
		t.Fatal(err)
	}
	text := l.Ofctl("--no-names", "--no-stats", "dump-flows", hub) + "meters\n" + l.Ofctl("dump-meters", hub) + "end\n"
	for n := range headless(text) {
		if err := asTold(nil).openflow(headless(text)[:n]); err == nil {
			t.Fatalf("cut after %d octets it is believed:\n%s", n, text[:n])
		}
	}
	if err := asTold(nil).openflow(headless(text)); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "[]", "null", `[{"rows":[]}]`, `[{"rows":[{}]},{"rows":[]},{"rows":[]}]`, `[{"error":"no such table","details":"x"},{},{},{}]`} {
		if _, err := database([]byte(bad)); err == nil {
			t.Errorf("%q is taken for a database", bad)
		}
	}
}

// lan is a state of two ports with an untagged circuit each in one LAN.
func lan(filter string, more ...switchcfg.Object) []switchcfg.Object {
	return append([]switchcfg.Object{
		&switchcfg.Service{Name: "ix-1", Description: "ixagent ns:1", Type: switchcfg.ServiceLAN},
		&switchcfg.Interface{Name: "Ethernet1", Description: "ixagent port:1"},
		&switchcfg.Interface{Name: "Ethernet2", Description: "ixagent port:2"},
		&switchcfg.Circuit{Parent: "Ethernet1", Description: "ixagent nsc:1", Service: "ix-1", Filter: filter},
		&switchcfg.Circuit{Parent: "Ethernet2", Description: "ixagent nsc:2", Service: "ix-1"},
	}, more...)
}

func TestFilterAdmitsItsSourcesOnlyAndCounts(t *testing.T) {
	t.Parallel()
	b := newBench(t, "Ethernet1", "Ethernet2")
	m1, m2 := b.station("Ethernet1"), b.station("Ethernet2")
	b.apply(lan("ix-f", &switchcfg.Filter{Name: "ix-f", Sources: []switchcfg.MAC{switchcfg.MAC(alice(1))}})...)
	control := frame.MAC{0x01, 0x80, 0xc2, 0, 0, 0x0e}
	for _, bad := range [][]byte{letter(everybody, bob(1), 1), letter(control, alice(1), 2), letter(frame.MAC{0x01, 0x80, 0xc2}, alice(1), 3)} {
		m1.send(bad)
	}
	mark := letter(everybody, alice(1), 4)
	m1.send(mark)
	m2.expect("what is registered", mark)
	var f drivers.FilterState
	judge.Poll(t, "three are counted as dropped", func() bool {
		o, err := b.driver.Operational(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f = o.Filters["ix-f"]
		return f == drivers.FilterState{Permitted: 1, Dropped: 3}
	}, func() string { return cmp.Diff(drivers.FilterState{}, f) })
	b.apply(lan("ix-f", &switchcfg.Filter{Name: "ix-f", Sources: []switchcfg.MAC{switchcfg.MAC(bob(1))}})...)
	m1.send(letter(everybody, alice(1), 5))
	mark = letter(everybody, bob(1), 6)
	m1.send(mark)
	m2.expect("what is registered now", mark)
}

// Flows are in no database. Without them nothing passes, which is observed, and the next plan brings them back.
func TestLostFlowsCloseCircuitsUntilTheNextPlan(t *testing.T) {
	t.Parallel()
	b := newBench(t, "Ethernet1", "Ethernet2")
	m1, m2 := b.station("Ethernet1"), b.station("Ethernet2")
	filter := &switchcfg.Filter{Name: "ix-f", Sources: []switchcfg.MAC{switchcfg.MAC(alice(1)), switchcfg.MAC(bob(1))}}
	b.apply(lan("ix-f", filter)...)
	n := uint32(0)
	passes := func() {
		n++
		m1.send(letter(everybody, alice(1), n))
		m2.expect("a frame", letter(everybody, alice(1), n))
	}
	passes()
	for what, lose := range map[string]func(){
		"all":       func() { b.Ofctl("del-flows", hub) },
		"of a MAC":  func() { b.Ofctl("del-flows", hub, "table=5,dl_src="+switchcfg.MAC(alice(1)).String()) },
		"restarted": b.Restart,
		"of a port": func() { b.Ofctl("del-flows", hub, "table=1") },
	} {
		lose()
		b.Appctl("revalidator/wait")
		n++
		m1.send(letter(everybody, alice(1), n))
		now := observed(t, b.driver)
		heal := plan.Diff(now, b.state)
		if len(heal) == 0 {
			t.Fatalf("%s: nobody notices", what)
		}
		if _, err := b.driver.Apply(t.Context(), heal); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got := observed(t, b.driver); !got.Equal(b.state) {
			t.Fatalf("%s: %s", what, cmp.Diff(string(b.state.AppendText(nil)), string(got.AppendText(nil))))
		}
		passes()
	}
}

// The database takes an interface that does not exist, and ovs-vsctl is content.
func TestInterfaceThatDoesNotExistIsRefusedAndNothingStays(t *testing.T) {
	t.Parallel()
	b := newBench(t, "Ethernet1", "Ethernet2")
	m1, m2 := b.station("Ethernet1"), b.station("Ethernet2")
	b.apply(lan("")...)
	flows := func() []string { return slices.Sorted(strings.Lines(b.Ofctl("--no-stats", "dump-flows", hub))) }
	was := flows()
	next := maps.Clone(b.state)
	next.Put(&switchcfg.Interface{Name: "nosuch", Description: "ixagent port:3"}, &switchcfg.Service{Name: "ix-2", Type: switchcfg.ServiceLAN},
		&switchcfg.Circuit{Parent: "Ethernet1", Description: "ixagent nsc:1", Service: "ix-2"})
	_, err := b.driver.Apply(t.Context(), plan.Diff(b.state, next))
	if drivers.FaultOf(err) != drivers.Rejected || !strings.Contains(err.Error(), "could not open network device nosuch") {
		t.Fatal(err)
	}
	if got := observed(t, b.driver); !got.Equal(b.state) {
		t.Fatal(cmp.Diff(string(b.state.AppendText(nil)), string(got.AppendText(nil))))
	}
	if now := flows(); !slices.Equal(now, was) {
		t.Fatal(cmp.Diff(was, now))
	}
	f := letter(everybody, alice(1), 1)
	m1.send(f)
	m2.expect("as before", f)
}

func TestSwitchThatDoesNothingEndsEveryOperationInTime(t *testing.T) {
	t.Parallel()
	l := newLab(t, "Ethernet1", "Ethernet2")
	d := l.open(t)
	d.timeout = 6 * time.Second
	s := make(switchcfg.State)
	s.Put(lan("")...)
	within := func(what string, f func(context.Context) error, faults ...drivers.Fault) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		start := time.Now()
		err := f(ctx)
		if took := time.Since(start); took > 12*time.Second {
			t.Errorf("%s took %v", what, took)
		}
		for _, fault := range faults {
			if drivers.FaultOf(err) == fault {
				return
			}
		}
		t.Errorf("%s: %v, want one of the faults %v", what, err, faults)
	}
	resume := l.Stall()
	within("the first plan", func(ctx context.Context) error {
		_, err := d.Apply(ctx, plan.Diff(nil, s))
		return err
	}, drivers.Unknown, drivers.Rejected)
	resume()
	now := observed(t, d)
	if _, err := d.Apply(t.Context(), plan.Diff(now, s)); err != nil {
		t.Fatal(err)
	}
	resume = l.Stall()
	within("observing", func(ctx context.Context) error { _, err := d.Observe(ctx); return err }, drivers.Transient)
	within("asking what it does", func(ctx context.Context) error { _, err := d.Operational(ctx); return err }, drivers.Transient)
	within("a plan", func(ctx context.Context) error { _, err := d.Apply(ctx, plan.Diff(s, nil)); return err }, drivers.Transient)
	resume()
	if got := observed(t, d); !got.Equal(s) {
		t.Error(cmp.Diff(string(s.AppendText(nil)), string(got.AppendText(nil))))
	}
}

func TestWhatOthersMadeIsSeenAndNotTouched(t *testing.T) {
	t.Parallel()
	b := newBench(t, "Ethernet1", "Ethernet2", "Ethernet3", "Ethernet4")
	b.Vsctl("add-br", "core", "--", "set", "bridge", "core", "datapath_type=netdev", "--", "add-port", "core", "Ethernet3", "tag=5", "--", "set", "Open_vSwitch", ".", "external_ids:a=b")
	b.beside(t, lan("")...)
	b.Vsctl("add-port", serviceBridge("ix-1"), "Ethernet4")
	b.Ofctl("add-flow", hub, "table=9,priority=7,actions=drop")
	now := observed(t, b.driver)
	for _, k := range []switchcfg.Key{
		{Kind: switchcfg.KindInterface, Name: "Ethernet3"}, {Kind: switchcfg.KindInterface, Name: "Ethernet4"}, {Kind: switchcfg.KindFilter, Name: "openflow"},
	} {
		if _, ok := now[k].(*switchcfg.Opaque); !ok {
			t.Errorf("%s is %v", k, now[k])
		}
	}
	all := maps.Clone(now)
	for k, o := range now {
		if _, odd := o.(*switchcfg.Opaque); !odd {
			delete(all, k)
		}
	}
	if _, err := b.driver.Apply(t.Context(), plan.Diff(now, all)); drivers.FaultOf(err) != drivers.Unsupported || !strings.Contains(err.Error(), "Ethernet4") {
		t.Errorf("a bridge with the port of somebody else is removed: %v", err)
	}
	b.Vsctl("del-port", "Ethernet4")
	b.Ofctl("del-flows", hub, "table=9")
	now = observed(t, b.driver)
	delete(all, switchcfg.Key{Kind: switchcfg.KindInterface, Name: "Ethernet4"})
	delete(all, switchcfg.Key{Kind: switchcfg.KindFilter, Name: "openflow"})
	if _, err := b.driver.Apply(t.Context(), plan.Diff(now, all)); err != nil {
		t.Fatal(err)
	}
	if got := b.Vsctl("list-br") + b.Vsctl("list-ports", "core") + b.Vsctl("get", "port", "Ethernet3", "tag") + b.Vsctl("get", "Open_vSwitch", ".", "external_ids:a"); got != "core\nEthernet3\n5\nb\n" {
		t.Errorf("what is left: %q", got)
	}
}

func TestWhatOthersSetInOurRowsIsTakenBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, "Ethernet1", "Ethernet2")
	b.apply(lan("")...)
	for _, change := range []string{
		"Port Ethernet1 protected=true", "Port Ethernet1 tag=5", "Port Ethernet1 trunks=5,6", "Port Ethernet1 vlan_mode=access", "Port Ethernet1 lacp=active",
		"Port Ethernet1 bond_mode=balance-slb", "Port Ethernet1 other_config:lacp-time=fast", "Interface Ethernet1 type=tap", "Interface Ethernet1 mtu_request=1400",
		"Interface Ethernet1 options:a=b", "Interface Ethernet1 ofport_request=77", "Bridge ixagent fail_mode=standalone", "Bridge ixagent flood_vlans=7",
		"Bridge ixagent other_config:forward-bpdu=true", "Open_vSwitch . other_config:vlan-limit=2",
	} {
		b.Vsctl(append([]string{"set"}, strings.Fields(change)...)...)
		now := observed(t, b.driver)
		if now.Equal(b.state) {
			t.Errorf("nobody notices that %s", change)
		}
		next := maps.Clone(b.state)
		for _, o := range now { // flows that the switch has by itself when it is standalone, which go with that
			if odd, ok := o.(*switchcfg.Opaque); ok {
				next.Put(odd)
			}
		}
		if _, err := b.driver.Apply(t.Context(), plan.Diff(now, next)); err != nil {
			t.Fatalf("%s: %v", change, err)
		}
		if got := observed(t, b.driver); !got.Equal(b.state) {
			t.Fatalf("%s: %s", change, cmp.Diff(string(b.state.AppendText(nil)), string(got.AppendText(nil))))
		}
	}
}

func TestRoleOfACircuitMayChange(t *testing.T) {
	t.Parallel()
	b := newBench(t, "Ethernet1")
	for _, role := range []switchcfg.Role{switchcfg.RoleLeaf, switchcfg.RoleRoot, switchcfg.RoleLeaf} {
		b.apply(&switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceTree}, &switchcfg.Interface{Name: "Ethernet1", Description: "ixagent port:1"},
			&switchcfg.Circuit{Parent: "Ethernet1", Service: "ix-1", Role: role})
	}
}

// beside has the driver make objects beside what is there already.
func (b *bench) beside(t *testing.T, objects ...switchcfg.Object) {
	t.Helper()
	now := observed(t, b.driver)
	next := maps.Clone(now)
	next.Put(objects...)
	if _, err := b.driver.Apply(t.Context(), plan.Diff(now, next)); err != nil {
		t.Fatal(err)
	}
}

// A session that is gone, and with it the agent, does not keep the device from taking a commit back, nor another session from
// confirming it.
func TestPendingCommitBelongsToTheDevice(t *testing.T) {
	t.Parallel()
	l := newLab(t, "Ethernet1", "Ethernet2")
	s := make(switchcfg.State)
	s.Put(lan("")...)
	begin := func(id string) {
		d, err := Spec().Open(t.Context(), l.device())
		if err != nil {
			t.Fatal(err)
		}
		c, _ := drivers.As[drivers.Confirmer](d)
		if _, err := c.ApplyConfirmed(t.Context(), id, 3*time.Second, plan.Diff(observed(t, d), s)); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	begin("first's \"one\"")
	other := l.open(t)
	if got := observed(t, other); !got.Equal(s) {
		t.Fatalf("it is not made:\n%s", got.AppendText(nil))
	}
	if _, err := other.Apply(t.Context(), nil); drivers.FaultOf(err) != drivers.Rejected {
		t.Errorf("a plan beside a pending commit: %v", err)
	}
	judge.Poll(t, "it is taken back", func() bool {
		s, err := other.Observe(t.Context()) // which may come in the middle of it
		if f := drivers.FaultOf(err); err != nil && f != drivers.Transient && f != drivers.Incomplete {
			t.Fatal(err)
		}
		return err == nil && len(s) == 0
	}, func() string { return l.Vsctl("list", "Open_vSwitch") })
	if err := other.Confirm(t.Context(), "first's \"one\""); drivers.FaultOf(err) != drivers.Rejected {
		t.Errorf("confirmed after that: %v", err)
	}
	begin("second")
	if err := other.Confirm(t.Context(), "second"); err != nil {
		t.Fatal(err)
	}
	end := time.NewTimer(4 * time.Second)
	<-end.C
	if got := observed(t, other); !got.Equal(s) {
		t.Fatalf("it is not kept:\n%s", got.AppendText(nil))
	}
}

func TestReservedAddressesPassNoService(t *testing.T) {
	t.Parallel()
	b := newBench(t, "Ethernet1", "Ethernet2")
	m1, m2 := b.station("Ethernet1"), b.station("Ethernet2")
	b.apply(lan("")...)
	m1.send(letter(frame.MAC{0x01, 0x80, 0xc2}, alice(1), 1))
	mark := letter(everybody, alice(1), 2)
	m1.send(mark)
	m2.expect("after a BPDU", mark)
}

func TestWhatCannotBeCarriedIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, "Ethernet1")
	port := &switchcfg.Interface{Name: "Ethernet1", Description: "ixagent port:1"}
	shut := &switchcfg.Interface{Name: "Ethernet1", Description: "ixagent port:1", Shutdown: true}
	service := &switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceLAN}
	for want, objects := range map[string][]switchcfg.Object{
		"ethertype":     {port, service, &switchcfg.Circuit{Parent: "Ethernet1", Unit: 1, Match: switchcfg.MatchSingle(switchcfg.TPIDService, 5), Service: "ix-1"}},
		"0x9100":        {&switchcfg.Interface{Name: "Ethernet1", TPID: switchcfg.TPIDStacked}},
		"minimum":       {port, &switchcfg.LAG{Name: "lag1", Mode: switchcfg.ModeStatic, MinLinks: 2, Members: []string{"Ethernet1"}}},
		"by itself":     {shut, &switchcfg.LAG{Name: "lag1", Mode: switchcfg.ModeStatic, Members: []string{"Ethernet1"}}},
		"fabric":        {&switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceTree, VNI: 7}},
		"addresses":     {&switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceLAN, MACLimit: 7}},
		"this name":     {&switchcfg.Interface{Name: "Ethernet1/1/1/1/1"}},
		"storm control": {&switchcfg.Interface{Name: "Ethernet1", StormControl: 7}},
	} {
		s := make(switchcfg.State)
		s.Put(objects...)
		if _, err := b.driver.Apply(t.Context(), plan.Diff(nil, s)); drivers.FaultOf(err) != drivers.Unsupported || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if s := observed(t, b.driver); len(s) != 0 {
		t.Errorf("%s", s.AppendText(nil))
	}
}
