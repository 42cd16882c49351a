package switchd_test

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/openconfig/gnmi/proto/gnmi_ext"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
	"github.com/ixagent/ixagent/lab/switchd"
)

// line is a wire in memory.
type line struct {
	in, out chan []byte
	closed  chan struct{}
}

func newLine() *line {
	return &line{in: make(chan []byte, 16), out: make(chan []byte, 16), closed: make(chan struct{})}
}

func (l *line) Read(fs []wire.Frame) (int, error) {
	select {
	case b := <-l.in:
		fs[0].Start = wire.Headroom
		fs[0].End = wire.Headroom + copy(fs[0].Buf[wire.Headroom:], b)
		return 1, nil
	case <-l.closed:
		return 0, net.ErrClosed
	}
}

func (l *line) Write(fs [][]byte) (int, error) {
	for _, f := range fs {
		select {
		case l.out <- append([]byte(nil), f...):
		default:
		}
	}
	return len(fs), nil
}

// plugged is a switch whose ports eth1 and eth2 have wires.
func plugged(t *testing.T) (b *bench, p *dataplane.Plane, one, two *line) {
	t.Helper()
	var sw atomic.Pointer[switchd.Switch]
	p = dataplane.New(dataplane.Options{Changed: func() {
		if s := sw.Load(); s != nil {
			s.Refresh()
		}
	}})
	one, two = newLine(), newLine()
	b = newBench(t, func(o *switchd.Options) { o.Plane = p })
	sw.Store(b.sw)
	t.Cleanup(func() {
		b.sw.Close()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		close(one.closed)
		close(two.closed)
	})
	for name, l := range map[string]*line{"eth1": one, "eth2": two} {
		p.Attach(name, l, [6]byte{2, 0, 0, 0, 0, name[3]})
		p.Link(name, true)
	}
	b.sw.Refresh()
	return b, p, one, two
}

const untaggedLAN = `{
 "openconfig-interfaces:interfaces": {"interface": [
  {"name": "eth1", "subinterfaces": {"subinterface": [{"index": 0, "config": {"index": 0}}]}},
  {"name": "eth2", "subinterfaces": {"subinterface": [{"index": 0, "config": {"index": 0}}]}}]},
 "openconfig-network-instance:network-instances": {"network-instance": [
  {"name": "lan", "config": {"name": "lan", "type": "openconfig-network-instance-types:L2VSI"}, "connection-points": {"connection-point": [
   {"connection-point-id": "a", "config": {"connection-point-id": "a"}, "endpoints": {"endpoint": [
    {"endpoint-id": "a", "config": {"endpoint-id": "a", "precedence": 0, "type": "openconfig-network-instance-types:LOCAL"}, "local": {"config": {"interface": "eth1", "subinterface": 0}}}]}},
   {"connection-point-id": "b", "config": {"connection-point-id": "b"}, "endpoints": {"endpoint": [
    {"endpoint-id": "b", "config": {"endpoint-id": "b", "precedence": 0, "type": "openconfig-network-instance-types:LOCAL"}, "local": {"config": {"interface": "eth2", "subinterface": 0}}}]}}]}}]}
}`

func broadcast() []byte {
	f := make([]byte, 64)
	copy(f, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 1, 1, 0x08, 0x00})
	return f
}

// passes sends a frame and reports whether it comes out.
func passes(t *testing.T, p *dataplane.Plane, from, to *line) bool {
	t.Helper()
	before, _ := p.PortState("eth1")
	dropped := len(p.Drops())
	from.in <- broadcast()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-to.out:
			return true
		case <-tick.C:
			if now, _ := p.PortState("eth1"); now.In.Frames > before.In.Frames && len(p.Drops()) > dropped {
				return false
			}
		case <-limit.C:
			t.Fatal("the frame neither passed nor was dropped")
		}
	}
}

func TestFramesPassAsSoonAsTheSetIsAnswered(t *testing.T) {
	b, p, one, two := plugged(t)
	if passes(t, p, one, two) {
		t.Error("an empty configuration forwards")
	}
	if err := b.update(t, "/", untaggedLAN); err != nil {
		t.Fatal(err)
	}
	if !passes(t, p, one, two) {
		t.Error("a member of the LAN does not reach the other")
	}
	if err := b.delete(t, "/network-instances"); err != nil {
		t.Fatal(err)
	}
	if passes(t, p, one, two) {
		t.Error("circuits without a service forward")
	}
}

func TestRevertedCommitForwardsNoMore(t *testing.T) {
	b, p, one, two := plugged(t)
	if _, err := b.Set(b.ctx, &gpb.SetRequest{
		Update:    []*gpb.Update{{Path: path(t, "/"), Val: ietf(untaggedLAN)}},
		Extension: commit("c", time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	if !passes(t, p, one, two) {
		t.Error("an unconfirmed commit does not forward")
	}
	b.sw.Reboot() // loses it
	if passes(t, p, one, two) {
		t.Error("what was reverted still forwards")
	}
}

// eventually waits until f reports true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatal("never: " + what)
		}
	}
}

func TestCommitThatNobodyConfirmsForwardsNoMore(t *testing.T) {
	b, p, one, two := plugged(t)
	if _, err := b.Set(b.ctx, &gpb.SetRequest{
		Update:    []*gpb.Update{{Path: path(t, "/"), Val: ietf(untaggedLAN)}},
		Extension: commit("c", time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	if !passes(t, p, one, two) {
		t.Error("a commit that waits for its confirmation does not forward")
	}
	if _, err := b.Set(b.ctx, &gpb.SetRequest{Extension: extension(&gnmi_ext.Commit{Id: "c", Action: &gnmi_ext.Commit_SetRollbackDuration{
		SetRollbackDuration: &gnmi_ext.CommitSetRollbackDuration{RollbackDuration: durationpb.New(time.Millisecond)},
	}})}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the commit is taken back", func() bool { return !passes(t, p, one, two) })
	if b.sw.Running().At("network-instances").Exists() {
		t.Error("the plane is ahead of the configuration")
	}
}

func TestCommitThatThePlaneCannotFollowIsRefused(t *testing.T) {
	b, p, one, two := plugged(t)
	if err := b.update(t, "/", untaggedLAN); err != nil {
		t.Fatal(err)
	}
	err := b.update(t, "/network-instances/network-instance[name=lan]/connection-points/connection-point[connection-point-id=r]",
		`{"config":{"connection-point-id":"r"},"endpoints":{"endpoint":[{"endpoint-id":"x","config":{"endpoint-id":"x","precedence":0,"type":"openconfig-network-instance-types:REMOTE"},"remote":{"config":{"remote-system":"192.0.2.2"}}}]}}`)
	wantCode(t, err, codes.InvalidArgument, "VNI")
	if !passes(t, p, one, two) {
		t.Error("a refused commit changed something")
	}
	if err := b.update(t, "/interfaces/interface[name=eth3]/config/mtu", "9000"); err != nil {
		t.Errorf("after a refusal: %v", err)
	}
}

func TestCountersAreThoseOfTheMoment(t *testing.T) {
	b, p, one, two := plugged(t)
	if err := b.update(t, "/", untaggedLAN); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if !passes(t, p, one, two) {
			t.Fatal("does not pass")
		}
	}
	for at, want := range map[string]string{
		"/interfaces/interface[name=eth1]/state/counters/in-pkts":                                      `"3"`,
		"/interfaces/interface[name=eth1]/state/counters/in-octets":                                    `"192"`,
		"/interfaces/interface[name=eth1]/subinterfaces/subinterface[index=0]/state/counters/in-pkts":  `"3"`,
		"/interfaces/interface[name=eth2]/subinterfaces/subinterface[index=0]/state/counters/out-pkts": `"3"`,
	} {
		if got := b.get(t, at, gpb.GetRequest_STATE); got != want {
			t.Errorf("%s is %s, want %s", at, got, want)
		}
	}
}

func TestEntriesOfAFilterTellWhatTheyMatched(t *testing.T) {
	b, p, one, two := plugged(t)
	if err := b.update(t, "/", untaggedLAN); err != nil {
		t.Fatal(err)
	}
	if err := b.update(t, "/acl", `{
	 "acl-sets": {"acl-set": [{"name": "f", "type": "ACL_L2", "config": {"name": "f", "type": "ACL_L2"}, "acl-entries": {"acl-entry": [
	  {"sequence-id": 9, "config": {"sequence-id": 9}, "l2": {"config": {"source-mac": "02:00:00:00:01:02"}}, "actions": {"config": {"forwarding-action": "DROP"}}},
	  {"sequence-id": 10, "config": {"sequence-id": 10}, "l2": {"config": {"source-mac": "02:00:00:00:01:01"}}, "actions": {"config": {"forwarding-action": "ACCEPT"}}}]}}]},
	 "interfaces": {"interface": [{"id": "eth1.0", "config": {"id": "eth1.0"}, "interface-ref": {"config": {"interface": "eth1", "subinterface": 0}},
	  "ingress-acl-sets": {"ingress-acl-set": [{"set-name": "f", "type": "ACL_L2", "config": {"set-name": "f", "type": "ACL_L2"}}]}}]}}`); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if !passes(t, p, one, two) {
			t.Fatal("a source that the filter accepts does not pass")
		}
	}
	const entries = "/acl/acl-sets/acl-set[name=f][type=ACL_L2]/acl-entries/"
	for at, want := range map[string]string{
		entries + "acl-entry[sequence-id=9]/state/matched-packets":  `"0"`,
		entries + "acl-entry[sequence-id=10]/state/matched-packets": `"2"`,
		entries + "acl-entry[sequence-id=10]/state/matched-octets":  `"128"`,
		entries + "acl-entry[sequence-id=9]/actions/state":          `{"openconfig-acl:forwarding-action":"openconfig-acl:DROP"}`,
		"/acl/state/counter-capability":                             `"openconfig-acl:AGGREGATE_ONLY"`,
	} {
		if got := b.get(t, at, gpb.GetRequest_STATE); got != want {
			t.Errorf("%s is %s, want %s", at, got, want)
		}
	}
}

func TestHarmedPortForwardsNothingWhileTheChangeIsThere(t *testing.T) {
	b, p, one, two := plugged(t)
	if err := b.update(t, "/", untaggedLAN); err != nil {
		t.Fatal(err)
	}
	if err := b.sw.Harm("eth2"); err != nil {
		t.Fatal(err)
	}
	if !passes(t, p, one, two) {
		t.Error("it is harmed before anything has changed")
	}
	if _, err := b.Set(b.ctx, &gpb.SetRequest{
		Update:    []*gpb.Update{{Path: path(t, "/interfaces/interface[name=eth3]/config/mtu"), Val: ietf("9000")}},
		Extension: commit("c", time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	if passes(t, p, one, two) {
		t.Error("a frame leaves by a harmed port")
	}
	if got := b.get(t, "/interfaces/interface[name=eth2]/state/oper-status", gpb.GetRequest_STATE); got != `"DOWN"` {
		t.Errorf("a harmed port is %s", got)
	}
	b.sw.Reboot() // loses the change
	if !passes(t, p, one, two) {
		t.Error("it is harmed without the change")
	}
}

func TestServicesTellWhomTheyLearned(t *testing.T) {
	b, p, one, two := plugged(t)
	if err := b.update(t, "/", untaggedLAN); err != nil {
		t.Fatal(err)
	}
	const lan = "/network-instances/network-instance[name=lan]"
	if got := b.get(t, lan+"/fdb", gpb.GetRequest_STATE); got != `{"openconfig-network-instance:state":{"mac-learning":true}}` {
		t.Errorf("before anybody spoke: %s", got)
	}
	if !passes(t, p, one, two) {
		t.Fatal("does not pass")
	}
	entry := func(vlan string) string {
		return lan + "/fdb/mac-table/entries/entry[mac-address=02:00:00:00:01:01][vlan=" + vlan + "]"
	}
	for leaf, want := range map[string]string{
		"state/entry-type": `"DYNAMIC"`, "interface/interface-ref/state/interface": `"eth1"`, "interface/interface-ref/state/subinterface": "0",
	} {
		if got := b.get(t, entry("1")+"/"+leaf, gpb.GetRequest_STATE); got != want {
			t.Errorf("%s is %s, want %s", leaf, got, want)
		}
	}
	if err := b.update(t, lan+"/vlans/vlan[vlan-id=7]", `{"config":{"vlan-id":7}}`); err != nil {
		t.Fatal(err)
	}
	b.get(t, entry("7"), gpb.GetRequest_STATE)
}

func TestStateIsThatOfThePlane(t *testing.T) {
	b, p, _, _ := plugged(t)
	if got := b.get(t, "/interfaces/interface[name=eth1]/state/oper-status", gpb.GetRequest_STATE); got != `"UP"` {
		t.Errorf("port with a link is %s", got)
	}
	if got := b.get(t, "/interfaces/interface[name=eth3]/state/oper-status", gpb.GetRequest_STATE); got != `"DOWN"` {
		t.Errorf("port without a wire is %s", got)
	}
	p.Link("eth1", false)
	b.sw.Refresh()
	if got := b.get(t, "/interfaces/interface[name=eth1]/state/oper-status", gpb.GetRequest_STATE); got != `"DOWN"` {
		t.Errorf("port that lost its link is %s", got)
	}
}

func TestMembersOfALAGTellWhatTheyHeard(t *testing.T) {
	b, _, _, _ := plugged(t)
	if err := b.update(t, "/", lagAndCircuits); err != nil {
		t.Fatal(err)
	}
	const member = "/lacp/interfaces/interface[name=ae1]/members/member[interface=eth1]/state"
	for leaf, want := range map[string]string{"counters/lacp-in-pkts": `"0"`, "activity": `"ACTIVE"`, "distributing": "false"} {
		if got := b.get(t, member+"/"+leaf, gpb.GetRequest_STATE); got != want {
			t.Errorf("%s is %s, want %s", leaf, got, want)
		}
	}
}

// partner is another plane at the far ends of two lines, whose LAG asks for a PDU every second.
func partner(t *testing.T, one, two *line) *dataplane.Plane {
	t.Helper()
	far := dataplane.New(dataplane.Options{})
	ends := map[string]*line{"a": {in: one.out, out: one.in, closed: make(chan struct{})}, "b": {in: two.out, out: two.in, closed: make(chan struct{})}}
	t.Cleanup(func() {
		if err := far.Close(); err != nil {
			t.Error(err)
		}
		for _, l := range ends {
			close(l.closed)
		}
	})
	if err := far.Configure(&dataplane.Config{
		Ports: []dataplane.Port{{Name: "a", Enabled: true}, {Name: "b", Enabled: true}},
		LAGs: []dataplane.LAG{{
			Name: "lag", Enabled: true, Members: []string{"a", "b"}, Mode: lacp.Active, Fast: true, System: [6]byte{2, 0, 0, 0, 7, 7},
		}},
	}); err != nil {
		t.Fatal(err)
	}
	for name, l := range ends {
		far.Attach(name, l, [6]byte{2, 0, 0, 0, 7, name[0]})
		far.Link(name, true)
	}
	return far
}

func TestMembersOfALAGTellTheirPartner(t *testing.T) {
	b, _, one, two := plugged(t)
	if err := b.update(t, "/", lagAndCircuits); err != nil {
		t.Fatal(err)
	}
	if err := b.update(t, "/lacp/interfaces/interface[name=ae1]/config/interval", `"FAST"`); err != nil {
		t.Fatal(err)
	}
	const lag = "/interfaces/interface[name=ae1]/state/oper-status"
	if got := b.get(t, lag, gpb.GetRequest_STATE); got != `"DOWN"` {
		t.Errorf("LAG without a partner is %s", got)
	}
	far := partner(t, one, two)
	eventually(t, "the LAG is up", func() bool { return b.get(t, lag, gpb.GetRequest_STATE) == `"UP"` })
	agree := func(member string, want map[string]string) {
		t.Helper()
		for leaf, want := range want {
			at := "/lacp/interfaces/interface[name=ae1]/members/member[interface=" + member + "]/state/" + leaf
			eventually(t, member+" has "+leaf+" "+want, func() bool { return b.get(t, at, gpb.GetRequest_STATE) == want })
		}
	}
	up := map[string]string{
		"partner-id": `"02:00:00:00:07:07"`, "synchronization": `"IN_SYNC"`, "collecting": "true", "distributing": "true",
		"aggregatable": "true", "timeout": `"SHORT"`, "partner-key": "1",
	}
	agree("eth1", up)
	agree("eth2", up)
	far.Link("b", false) // it says no more, and min-links is 2
	agree("eth2", map[string]string{"synchronization": `"OUT_SYNC"`, "collecting": "false", "distributing": "false"})
	eventually(t, "the LAG is below its minimum", func() bool { return b.get(t, lag, gpb.GetRequest_STATE) == `"DOWN"` })
}
