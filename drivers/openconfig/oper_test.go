package openconfig

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// operational is what a switch with a LAG and two circuits says.
func operational() answer {
	return answer{
		interfaces: []byte(`{"openconfig-interfaces:interface":[
			{"name":"eth1","state":{"admin-status":"UP","oper-status":"UP","counters":{"in-pkts":"7","out-pkts":"18446744073709551615"}}},
			{"subinterfaces":{"subinterface":[
				{"index":100,"state":{"index":100,"admin-status":"UP","oper-status":"UP","counters":{"in-pkts":"5","out-pkts":"6","in-discards":"2","out-discards":"1"}}},
				{"index":200,"state":{"admin-status":"UP","oper-status":"DOWN"}}]},
			 "name":"lag1","state":{"oper-status":"UP"},"openconfig-if-aggregate:aggregation":{"state":{"member":["eth1"]}}}]}`),
		lacp: []byte(`{"interfaces":{"interface":[{"name":"lag1","members":{"member":[
			{"interface":"eth1","state":{"synchronization":"IN_SYNC","collecting":true,"distributing":true,"partner-id":"02:00:00:00:07:07"}}]}}]}}`),
		instances: []byte(`{"network-instance":[
			{"name":"ix-1","fdb":{"state":{"mac-learning":true},"mac-table":{"entries":{"entry":[
				{"mac-address":"02:1a:00:00:00:01","vlan":5,"state":{"entry-type":"DYNAMIC"},"interface":{"interface-ref":{"state":{"interface":"lag1","subinterface":100}}}},
				{"mac-address":"02:1A:00:00:00:02","vlan":5,"state":{"age":"7"}}]}}}},
			{"name":"ix-2","fdb":{"state":{"mac-learning":false}}}]}`),
		acl: []byte(`{"state":{"counter-capability":"openconfig-acl:AGGREGATE_ONLY"},"acl-sets":{"acl-set":[
			{"name":"ix-f","type":"ACL_L2","acl-entries":{"acl-entry":[
				{"sequence-id":10,"state":{"matched-packets":"1"},"actions":{"state":{"forwarding-action":"openconfig-acl:DROP"}}},
				{"sequence-id":1000,"state":{"matched-packets":"40"},"actions":{"state":{"forwarding-action":"ACCEPT"}}},
				{"sequence-id":1001,"state":{"matched-packets":"2"},"actions":{"state":{"forwarding-action":"ACCEPT"}}},
				{"sequence-id":20000000,"state":{"matched-packets":"3"},"actions":{"state":{"forwarding-action":"REJECT"}}}]}}]}}`),
	}
}

func TestWhatASwitchDoesIsRead(t *testing.T) {
	got, err := parseOper(operational())
	if err != nil {
		t.Fatal(err)
	}
	partner := switchcfg.MAC{2, 0, 0, 0, 7, 7}
	want := drivers.OperState{
		Ports: map[string]drivers.PortState{
			"eth1": {AdminUp: true, Up: true, InFrames: 7, OutFrames: 1<<64 - 1},
			"lag1": {Up: true, Members: []string{"eth1"}},
		},
		LACP: map[string]drivers.LACPState{"eth1": {LAG: "lag1", InSync: true, Collecting: true, Distributing: true, Partner: partner}},
		Circuits: map[switchcfg.Key]drivers.CircuitState{
			circuitKey("lag1", 100): {AdminUp: true, Up: true, Counted: true, InFrames: 5, OutFrames: 6, Dropped: 3},
			circuitKey("lag1", 200): {AdminUp: true},
		},
		Stations: map[drivers.Station]switchcfg.Key{
			{Service: "ix-1", MAC: switchcfg.MAC{2, 0x1a, 0, 0, 0, 1}}: circuitKey("lag1", 100),
			{Service: "ix-1", MAC: switchcfg.MAC{2, 0x1a, 0, 0, 0, 2}}: {},
		},
		Filters: map[string]drivers.FilterState{"ix-f": {Permitted: 42, Dropped: 4}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestOperationalStateIsRead(t *testing.T) {
	caps := profile(t, "ixlab")
	l := newLab(t, caps, "eth1", "eth2", "eth3")
	d := l.open(t)
	s := make(switchcfg.State)
	for _, p := range []string{"eth1", "eth2"} {
		s.Put(&switchcfg.Interface{Name: p, Description: "ixagent port:" + p})
	}
	s.Put(&switchcfg.Interface{Name: "eth3", Description: "ixagent port:3", Shutdown: true, TPID: switchcfg.TPIDCustomer},
		&switchcfg.LAG{Name: "lag1", Description: "ixagent conn:1", Members: []string{"eth1", "eth2"}, Mode: switchcfg.ModeLACP, Rate: switchcfg.RateSlow, TPID: switchcfg.TPIDCustomer})
	apply(t, d, plan.Diff(nil, s))
	op, ok := drivers.As[drivers.Operational](d)
	if !ok {
		t.Fatal("no operational state")
	}
	got, err := op.Operational(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if lag := got.Ports["lag1"]; !lag.Up || !lag.AdminUp || !slices.Equal(lag.Members, []string{"eth1", "eth2"}) {
		t.Errorf("lag1 is %+v", lag)
	}
	if p := got.Ports["eth3"]; p.Up || p.AdminUp {
		t.Errorf("eth3 is %+v", p)
	}
	if m := got.LACP["eth1"]; m.LAG != "lag1" || !m.InSync || !m.Collecting || !m.Distributing {
		t.Errorf("eth1 is %+v", m)
	}
}

// cable is a wire in memory: what is put into it comes in at its port, and what leaves by the port is gone.
type cable struct {
	in     chan []byte
	closed chan struct{}
}

// Read implements [dataplane.Wire].
func (c *cable) Read(fs []wire.Frame) (int, error) {
	select {
	case b := <-c.in:
		fs[0].Start = wire.Headroom
		fs[0].End = wire.Headroom + copy(fs[0].Buf[wire.Headroom:], b)
		return 1, nil
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

// Write implements [dataplane.Wire].
func (c *cable) Write(fs [][]byte) (int, error) { return len(fs), nil }

// cabled is a lab switch that forwards, all of whose ports have a cable.
func cabled(t testing.TB, caps drivers.Capabilities, ports ...string) (*lab, map[string]*cable) {
	t.Helper()
	plane := dataplane.New(dataplane.Options{})
	t.Cleanup(func() {
		if err := plane.Close(); err != nil {
			t.Error(err)
		}
	})
	cables := make(map[string]*cable)
	for i, name := range ports {
		c := &cable{make(chan []byte, 16), make(chan struct{})}
		cables[name] = c
		plane.Attach(name, c, [6]byte{2, 0, 0, 0, 9, byte(i)})
		plane.Link(name, true)
		t.Cleanup(func() { close(c.closed) })
	}
	return newLabOn(t, caps, plane, ports...), cables
}

// frameFrom returns a broadcast with the given tags, four octets each.
func frameFrom(m switchcfg.MAC, tags ...[4]byte) []byte {
	f := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, m[:]...)
	for _, tag := range tags {
		f = append(f, tag[:]...)
	}
	return append(append(f, 0x88, 0xb5), make([]byte, 50)...)
}

// tags returns those of the frames that match.
func tags(m switchcfg.Match) [][4]byte {
	tag := func(tpid switchcfg.TPID, vlan switchcfg.VLANID) [4]byte {
		return [4]byte{byte(tpid >> 8), byte(tpid), byte(vlan >> 8), byte(vlan)}
	}
	switch m.Form {
	case switchcfg.Single:
		return [][4]byte{tag(m.TPID, m.Outer)}
	case switchcfg.Double:
		return [][4]byte{tag(m.TPID, m.Outer), tag(switchcfg.TPIDCustomer, m.Inner)}
	case switchcfg.Stacked:
		return [][4]byte{tag(m.TPID, m.Outer), tag(switchcfg.TPIDCustomer, 7)}
	case switchcfg.Whole:
		return [][4]byte{tag(switchcfg.TPIDCustomer, 7)}
	}
	return nil
}

func TestDriverTellsWhatFramesDid(t *testing.T) {
	caps := profile(t, "ixlab")
	l, cables := cabled(t, caps, "eth1", "eth2")
	d := l.open(t)
	known, stranger := switchcfg.MAC{2, 0x1a, 0, 0, 0, 1}, switchcfg.MAC{2, 0x1a, 0, 0, 0, 2}
	s := make(switchcfg.State)
	s.Put(&switchcfg.Interface{Name: "eth1", Description: "ixagent port:1", TPID: switchcfg.TPIDCustomer}, &switchcfg.Interface{Name: "eth2", Description: "ixagent port:2", TPID: switchcfg.TPIDCustomer},
		&switchcfg.Service{Name: "ix-1", Description: "ixagent ns:1", Type: switchcfg.ServiceLAN},
		&switchcfg.Filter{Name: "ix-f", Sources: []switchcfg.MAC{known}},
		&switchcfg.Circuit{Parent: "eth1", Description: "ixagent nsc:1", Match: switchcfg.MatchUntagged(), Service: "ix-1", Filter: "ix-f"},
		&switchcfg.Circuit{Parent: "eth2", Description: "ixagent nsc:2", Match: switchcfg.MatchUntagged(), Service: "ix-1"})
	apply(t, d, plan.Diff(nil, s))
	for _, m := range []switchcfg.MAC{known, stranger, known, known} {
		cables["eth1"].in <- frameFrom(m)
	}
	first, second := circuitKey("eth1", 0), circuitKey("eth2", 0)
	var got drivers.OperState
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for over := time.After(20 * time.Second); got.Circuits[first].InFrames < 3; {
		var err error
		if got, err = d.(drivers.Operational).Operational(t.Context()); err != nil {
			t.Fatal(err)
		}
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("the frames did not come in: %+v", got)
		}
	}
	want := drivers.OperState{
		Ports: map[string]drivers.PortState{"eth1": {AdminUp: true, Up: true, InFrames: 4}, "eth2": {AdminUp: true, Up: true, OutFrames: 3}},
		LACP:  map[string]drivers.LACPState{},
		Circuits: map[switchcfg.Key]drivers.CircuitState{
			first:  {AdminUp: true, Up: true, Counted: true, InFrames: 3, Dropped: 1},
			second: {AdminUp: true, Up: true, Counted: true, OutFrames: 3},
		},
		Stations: map[drivers.Station]switchcfg.Key{{Service: "ix-1", MAC: known}: first},
		Filters:  map[string]drivers.FilterState{"ix-f": {Permitted: 3, Dropped: 1}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestSwitchThatForwardsNothingClaimsNothing(t *testing.T) {
	caps := profile(t, "ixlab")
	d := newLab(t, caps, "eth1").open(t)
	s := make(switchcfg.State)
	s.Put(&switchcfg.Interface{Name: "eth1", Description: "ixagent port:1", TPID: switchcfg.TPIDCustomer},
		&switchcfg.Service{Name: "ix-1", Description: "ixagent ns:1", Type: switchcfg.ServiceLAN}, &switchcfg.Filter{Name: "ix-f", AnySource: true},
		&switchcfg.Circuit{Parent: "eth1", Description: "ixagent nsc:1", Match: switchcfg.MatchUntagged(), Service: "ix-1", Filter: "ix-f"})
	apply(t, d, plan.Diff(nil, s))
	got, err := d.(drivers.Operational).Operational(t.Context())
	if err != nil || got.Stations != nil || got.Filters != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if want := (drivers.CircuitState{AdminUp: true, Up: true}); got.Circuits[circuitKey("eth1", 0)] != want {
		t.Errorf("%+v", got.Circuits)
	}
}

func TestWhatADeviceDoesNotSayIsNotZero(t *testing.T) {
	port := []byte(`{"interface":[{"name":"eth1","state":{"oper-status":"UP"}}]}`)
	for name, c := range map[string]struct {
		a    answer
		want drivers.OperState
	}{
		"nothing": {a: answer{interfaces: port}},
		"filters without counters": {a: answer{interfaces: port, acl: []byte(`{"acl-sets":{"acl-set":[{"name":"ix-f","type":"ACL_L2","acl-entries":{"acl-entry":[
			{"sequence-id":10,"actions":{"state":{"forwarding-action":"DROP"}}}]}}]}}`)}},
		"filters of which not all is counted": {a: answer{interfaces: port, acl: []byte(`{"acl-sets":{"acl-set":[{"name":"ix-f","type":"ACL_L2","acl-entries":{"acl-entry":[
			{"sequence-id":10,"state":{"matched-packets":"1"},"actions":{"state":{"forwarding-action":"DROP"}}},{"sequence-id":11,"actions":{"state":{"forwarding-action":"DROP"}}}]}}]}}`)}},
		"filters that do nobody knows what": {a: answer{interfaces: port, acl: []byte(`{"acl-sets":{"acl-set":[{"name":"ix-f","type":"ACL_L2","acl-entries":{"acl-entry":[
			{"sequence-id":10,"state":{"matched-packets":"1"}}]}}]}}`)}},
		"filters of another layer": {a: answer{interfaces: port, acl: []byte(`{"acl-sets":{"acl-set":[{"name":"ix-f","type":"ACL_IPV4","acl-entries":{"acl-entry":[
			{"sequence-id":10,"state":{"matched-packets":"1"},"actions":{"state":{"forwarding-action":"DROP"}}}]}}]}}`)}},
		"services without a MAC table": {a: answer{interfaces: port, instances: []byte(`{"network-instance":[{"name":"ix-1","state":{"name":"ix-1"}}]}`)}},
		"an empty MAC table": {
			a:    answer{interfaces: port, instances: []byte(`{"network-instance":[{"name":"ix-1","fdb":{"state":{"mac-learning":true}}}]}`)},
			want: drivers.OperState{Stations: map[drivers.Station]switchcfg.Key{}},
		},
		"circuits without counters": {
			a:    answer{interfaces: []byte(`{"interface":[{"name":"eth1","subinterfaces":{"subinterface":[{"index":7,"state":{"oper-status":"UP","counters":{"carrier-transitions":"1"}}}]}}]}`)},
			want: drivers.OperState{Circuits: map[switchcfg.Key]drivers.CircuitState{circuitKey("eth1", 7): {Up: true}}},
		},
	} {
		got, err := parseOper(c.a)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got.Ports, got.LACP = nil, nil
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestFilterIsCountedWhereItIsBound(t *testing.T) {
	bound := func(port, in10, in20 string) string {
		return fmt.Sprintf(`{"id":"%s.0","ingress-acl-sets":{"ingress-acl-set":[{"set-name":"ix-f","type":"ACL_L2","acl-entries":{"acl-entry":[
			{"sequence-id":10,"state":{"matched-packets":"%s"}},{"sequence-id":20,"state":{"matched-packets":"%s"}}]}}]}}`, port, in10, in20)
	}
	got, err := parseOper(answer{
		interfaces: []byte(`{"interface":[{"name":"eth1"}]}`),
		acl: []byte(`{"interfaces":{"interface":[` + bound("eth1", "1", "20") + `,` + bound("eth2", "3", "400") + `]},
			"acl-sets":{"acl-set":[{"name":"ix-f","type":"ACL_L2","acl-entries":{"acl-entry":[
				{"sequence-id":10,"actions":{"state":{"forwarding-action":"DROP"}}},{"sequence-id":20,"actions":{"state":{"forwarding-action":"ACCEPT"}}}]}}]}}`),
	})
	if want := (drivers.FilterState{Permitted: 420, Dropped: 4}); err != nil || got.Filters["ix-f"] != want {
		t.Errorf("%+v, %v", got.Filters, err)
	}
}

func TestOperationalAnswerCutAnywhereIsAnError(t *testing.T) {
	for _, path := range []string{"/interfaces", "/lacp", "/network-instances", "/acl"} {
		whole := operational()
		for n := range *whole.at(path) {
			cut := whole
			*cut.at(path) = (*whole.at(path))[:n]
			if got, err := parseOper(cut); err == nil || got.Ports != nil {
				t.Fatalf("%s cut after %d bytes gives %+v", path, n, got)
			}
		}
	}
}

func TestOperationalAnswerThatIsHalfIsAnError(t *testing.T) {
	ports := operational().interfaces
	for _, a := range []answer{
		{},
		{interfaces: []byte(`{"interface":[{"state":{"oper-status":"UP"}}]}`)},
		{interfaces: []byte(`{"interface":[{"name":"eth1"},{"name":"eth1"}]}`)},
		{interfaces: []byte(`{"interface":[{"name":"eth1","subinterfaces":{"subinterface":[{"state":{"oper-status":"UP"}}]}}]}`)},
		{interfaces: []byte(`{"interface":[{"name":"eth1","subinterfaces":{"subinterface":[{"index":1},{"index":1}]}}]}`)},
		{interfaces: ports, instances: []byte(`{"network-instance":[{"fdb":{"mac-table":{"entries":{"entry":[{"mac-address":"02:00:00:00:00:01"}]}}}}]}`)},
		{interfaces: ports, instances: []byte(`{"network-instance":[{"name":"ix-1","fdb":{"mac-table":{"entries":{"entry":[{"vlan":5}]}}}}]}`)},
		{interfaces: ports, instances: []byte(`{"network-instance":[{"name":"ix-1","fdb":{"mac-table":{"entries":{"entry":[{"mac-address":"x"}]}}}}]}`)},
		{interfaces: ports, acl: []byte(`{"acl-sets":{"acl-set":[{"type":"ACL_L2"}]}}`)},
		{interfaces: ports, acl: []byte(`{"acl-sets":{"acl-set":[{"name":"f","type":"ACL_L2"},{"name":"f","type":"ACL_L2"}]}}`)},
	} {
		if got, err := parseOper(a); err == nil {
			t.Errorf("%s%s%s gives %+v", a.interfaces, a.instances, a.acl, got)
		}
	}
}

func TestCountersAreReadInEitherForm(t *testing.T) {
	s, err := parseOper(answer{interfaces: []byte(`{"interface":[
		{"name":"eth1","state":{"oper-status":"UP"}},
		{"name":"eth2","state":{"oper-status":"LOWER_LAYER_DOWN","counters":{"in-unicast-pkts":"1","in-broadcast-pkts":2,"in-multicast-pkts":"4"}}},
		{"name":"lag1","state":{"oper-status":"UP"},"openconfig-if-aggregate:aggregation":{"state":{"member":["eth1","eth2"]}}}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	if s.Ports["eth2"].InFrames != 7 || s.Ports["eth2"].Up {
		t.Errorf("%+v", s.Ports)
	}
	if m := s.Ports["lag1"].Members; !slices.Equal(m, []string{"eth1"}) {
		t.Errorf("a static LAG has members %v", m)
	}
}
