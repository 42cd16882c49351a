package switchd_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/openconfig/gnmi/proto/gnmi_ext"
	"github.com/openconfig/ygot/ygot"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/lab/switchd/switchdtest"
	"github.com/ixagent/ixagent/lab/switchd/tree"
	"github.com/ixagent/ixagent/models/oc/octest"
)

func TestMain(m *testing.M) {
	// ygot imports glog, whose init starts a goroutine for ever.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

// bench is a switch with ports eth1 to eth48 and a client of it.
type bench struct {
	gpb.GNMIClient
	sw     *switchd.Switch
	faults *switchd.Faults
	ca     *switchd.Authority
	ctx    context.Context
}

func newBench(t testing.TB, more ...func(*switchd.Options)) *bench {
	t.Helper()
	ca, err := switchd.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue("127.0.0.1", "localhost")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{ca: ca, faults: new(switchd.Faults)}
	o := switchd.Options{
		Name: "sw1", Listen: "127.0.0.1:0", Faults: b.faults,
		TLS:   &tls.Config{Certificates: []tls.Certificate{cert}},
		Users: map[string]string{"admin": "secret"},
	}
	for i := range 48 {
		o.Ports = append(o.Ports, fmt.Sprintf("eth%d", i+1))
	}
	for _, f := range more {
		f(&o)
	}
	if b.sw, err = switchd.New(o); err != nil {
		t.Fatal(err)
	}
	b.sw.Start()
	t.Cleanup(b.sw.Close)
	b.ctx = metadata.AppendToOutgoingContext(t.Context(), "username", "admin", "password", "secret")
	b.GNMIClient = b.dial(t)
	return b
}

func (b *bench) dial(t testing.TB, certs ...tls.Certificate) gpb.GNMIClient {
	t.Helper()
	conn, err := grpc.NewClient(b.sw.Addr().String(),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: b.ca.Pool(), Certificates: certs})),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return gpb.NewGNMIClient(conn)
}

func path(t testing.TB, text string) *gpb.Path {
	t.Helper()
	p, err := ygot.StringToStructuredPath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ietf(text string) *gpb.TypedValue { return tree.JSONValue([]byte(text), gpb.Encoding_JSON_IETF) }

func (b *bench) update(t testing.TB, p, value string) error {
	t.Helper()
	_, err := b.Set(b.ctx, &gpb.SetRequest{Update: []*gpb.Update{{Path: path(t, p), Val: ietf(value)}}})
	return err
}

func (b *bench) delete(t testing.TB, paths ...string) error {
	t.Helper()
	req := &gpb.SetRequest{}
	for _, p := range paths {
		req.Delete = append(req.Delete, path(t, p))
	}
	_, err := b.Set(b.ctx, req)
	return err
}

// get returns the JSON_IETF text at a path.
func (b *bench) get(t testing.TB, p string, typ gpb.GetRequest_DataType) string {
	t.Helper()
	resp, err := b.Get(b.ctx, &gpb.GetRequest{Path: []*gpb.Path{path(t, p)}, Type: typ, Encoding: gpb.Encoding_JSON_IETF})
	if err != nil {
		t.Fatalf("get %s: %v", p, err)
	}
	var out []string
	for _, u := range resp.GetNotification()[0].GetUpdate() {
		out = append(out, string(u.GetVal().GetJsonIetfVal()))
	}
	return strings.Join(out, "\n")
}

func wantCode(t testing.TB, err error, code codes.Code, text string) {
	t.Helper()
	if st := status.Convert(err); st.Code() != code || !strings.Contains(st.Message(), text) {
		t.Errorf("got %v %q, want %v with %q", st.Code(), st.Message(), code, text)
	}
}

const lagAndCircuits = `{
 "openconfig-interfaces:interfaces": {"interface": [
  {"name": "eth1", "config": {"name": "eth1", "type": "iana-if-type:ethernetCsmacd"}, "openconfig-if-ethernet:ethernet": {"config": {"openconfig-if-aggregate:aggregate-id": "ae1"}}},
  {"name": "eth2", "config": {"name": "eth2", "type": "iana-if-type:ethernetCsmacd"}, "openconfig-if-ethernet:ethernet": {"config": {"openconfig-if-aggregate:aggregate-id": "ae1"}}},
  {"name": "ae1", "config": {"name": "ae1", "type": "iana-if-type:ieee8023adLag"}, "openconfig-if-aggregate:aggregation": {"config": {"lag-type": "LACP", "min-links": 2}},
   "subinterfaces": {"subinterface": [
    {"index": 100, "config": {"index": 100}, "openconfig-vlan:vlan": {"match": {"single-tagged": {"config": {"vlan-id": 100}}}}},
    {"index": 200, "config": {"index": 200}, "openconfig-vlan:vlan": {"match": {"double-tagged": {"config": {"outer-vlan-id": 200, "inner-vlan-id": 7}}}}}]}}]},
 "openconfig-lacp:lacp": {"interfaces": {"interface": [{"name": "ae1", "config": {"name": "ae1", "interval": "SLOW"}}]}},
 "openconfig-network-instance:network-instances": {"network-instance": [
  {"name": "lan", "config": {"name": "lan", "type": "openconfig-network-instance-types:L2VSI"}, "connection-points": {"connection-point": [
   {"connection-point-id": "ae1.100", "config": {"connection-point-id": "ae1.100"}, "endpoints": {"endpoint": [
    {"endpoint-id": "ae1.100", "config": {"endpoint-id": "ae1.100", "type": "openconfig-network-instance-types:LOCAL"}, "local": {"config": {"interface": "ae1", "subinterface": 100}}}]}}]}}]},
 "openconfig-acl:acl": {
  "acl-sets": {"acl-set": [{"name": "f", "type": "ACL_L2", "config": {"name": "f", "type": "ACL_L2"}}]},
  "interfaces": {"interface": [{"id": "ae1.100", "config": {"id": "ae1.100"}, "interface-ref": {"config": {"interface": "ae1", "subinterface": 100}},
   "ingress-acl-sets": {"ingress-acl-set": [{"set-name": "f", "type": "ACL_L2", "config": {"set-name": "f", "type": "ACL_L2"}}]}}]}},
 "openconfig-qos:qos": {
  "scheduler-policies": {"scheduler-policy": [{"name": "p", "config": {"name": "p"}}]},
  "interfaces": {"interface": [{"interface-id": "ae1.100", "config": {"interface-id": "ae1.100"}, "interface-ref": {"config": {"interface": "ae1", "subinterface": 100}}, "input": {"scheduler-policy": {"config": {"name": "p"}}}}]}}
}`

func TestCapabilitiesSayWhatIsServed(t *testing.T) {
	b := newBench(t)
	resp, err := b.Capabilities(b.ctx, &gpb.CapabilityRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if resp.GetGNMIVersion() != "0.10.0" || resp.GetSupportedEncodings()[0] != gpb.Encoding_JSON_IETF || len(resp.GetSupportedModels()) == 0 {
		t.Errorf("capabilities: %v", resp)
	}
}

func TestPortsAreThereAndStay(t *testing.T) {
	b := newBench(t)
	const want = `{"openconfig-interfaces:config":{"name":"eth1","type":"iana-if-type:ethernetCsmacd"},"openconfig-interfaces:name":"eth1"}`
	if got := b.get(t, "/interfaces/interface[name=eth1]", gpb.GetRequest_CONFIG); got != want {
		t.Errorf("fresh port: %s", got)
	}
	if err := b.update(t, "/interfaces/interface[name=eth1]/config/mtu", "9000"); err != nil {
		t.Fatal(err)
	}
	if err := b.delete(t, "/interfaces/interface[name=eth1]"); err != nil {
		t.Fatal(err)
	}
	if got := b.get(t, "/interfaces/interface[name=eth1]", gpb.GetRequest_CONFIG); got != want {
		t.Errorf("deleted port: %s", got)
	}
	if err := b.delete(t, "/"); err != nil {
		t.Fatal(err)
	}
	if got := b.sw.Running().At("interfaces", "interface").Len(); got != 48 {
		t.Errorf("%d ports after everything was deleted", got)
	}
}

func TestConfigurationIsReadBackAndValid(t *testing.T) {
	b := newBench(t)
	if err := b.update(t, "/", lagAndCircuits); err != nil {
		t.Fatal(err)
	}
	octest.Validate(t, []byte(b.get(t, "/", gpb.GetRequest_CONFIG)), "config")
	for p, want := range map[string]string{
		"/interfaces/interface[name=ae1]/aggregation/config/min-links":                                       "2",
		"/interfaces/interface[name=*]/ethernet/config/aggregate-id":                                         "\"ae1\"\n\"ae1\"",
		"/interfaces/interface[name=ae1]/subinterfaces/subinterface[index=200]/vlan/match/double-tagged":     `{"openconfig-vlan:config":{"inner-vlan-id":7,"outer-vlan-id":200}}`,
		"/acl/acl-sets/acl-set[name=f][type=ACL_L2]/config/type":                                             `"openconfig-acl:ACL_L2"`,
		"/acl/acl-sets/acl-set[name=f][type=openconfig-acl:ACL_L2]/config/name":                              `"f"`,
		"/interfaces/interface[name=nope]/config/mtu[name=x]":                                                "",
		"/network-instances/network-instance/connection-points/connection-point/endpoints/endpoint/*/config": "",
	} {
		resp, err := b.Get(b.ctx, &gpb.GetRequest{Path: []*gpb.Path{path(t, p)}, Type: gpb.GetRequest_CONFIG, Encoding: gpb.Encoding_JSON_IETF})
		if strings.Contains(p, "mtu[") {
			wantCode(t, err, codes.InvalidArgument, "not a list")
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		if want == "" {
			continue
		}
		if got := b.get(t, p, gpb.GetRequest_CONFIG); got != want {
			t.Errorf("%s: got %s, want %s", p, got, want)
		}
		_ = resp
	}
	_, err := b.Get(b.ctx, &gpb.GetRequest{Path: []*gpb.Path{path(t, "/interfaces/interface[name=ae9]")}, Encoding: gpb.Encoding_JSON_IETF})
	wantCode(t, err, codes.NotFound, "ae9")
	_, err = b.Get(b.ctx, &gpb.GetRequest{Path: []*gpb.Path{path(t, "/interfaces/switch")}, Encoding: gpb.Encoding_JSON_IETF})
	wantCode(t, err, codes.InvalidArgument, "switch")
	resp, err := b.Get(b.ctx, &gpb.GetRequest{
		Prefix: path(t, "/interfaces"), Path: []*gpb.Path{path(t, "/interface[name=ae1]/aggregation/config")}, Encoding: gpb.Encoding_PROTO,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.GetNotification()[0].GetUpdate()[1].GetVal().GetUintVal(); got != 2 {
		t.Errorf("PROTO min-links is %d", got)
	}
}

func TestStateFollowsConfiguration(t *testing.T) {
	b := newBench(t)
	if err := b.update(t, "/", lagAndCircuits); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]string{
		"/interfaces/interface[name=eth1]/state/oper-status":                                        `"UP"`,
		"/interfaces/interface[name=ae1]/state/oper-status":                                         `"UP"`,
		"/interfaces/interface[name=ae1]/aggregation/state/member":                                  `["eth1","eth2"]`,
		"/interfaces/interface[name=ae1]/subinterfaces/subinterface[index=100]/state/oper-status":   `"UP"`,
		"/lacp/interfaces/interface[name=ae1]/members/member[interface=eth2]/state/synchronization": `"IN_SYNC"`,
	} {
		if got := b.get(t, p, gpb.GetRequest_STATE); got != want {
			t.Errorf("%s: got %s, want %s", p, got, want)
		}
	}
	if err := b.update(t, "/interfaces/interface[name=eth2]/config/enabled", "false"); err != nil {
		t.Fatal(err)
	}
	if got := b.get(t, "/interfaces/interface[name=ae1]/state/oper-status", gpb.GetRequest_ALL); got != `"DOWN"` {
		t.Errorf("LAG below its minimum of links is %s", got)
	}
	if got := b.get(t, "/interfaces/interface[name=ae1]", gpb.GetRequest_STATE); strings.Contains(got, `"config"`) {
		t.Errorf("STATE shows configuration: %s", got)
	}
}

// plane is a forwarding plane whose links and LACP can be changed.
type plane struct {
	mu   sync.Mutex
	down map[string]bool
	out  map[string]bool
}

func (p *plane) LinkUp(port string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.down[port]
}

func (p *plane) LACP(_, port string) (switchd.LACPState, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	good := !p.out[port]
	return switchd.LACPState{
		Active: true, InSync: good, Aggregatable: true, Collecting: good, Distributing: good,
		SystemID: "02:00:00:00:00:01", PartnerID: "02:00:00:00:00:02", OperKey: 7, Port: 1,
	}, true
}

func TestStateFollowsTheForwardingPlane(t *testing.T) {
	p := &plane{down: make(map[string]bool), out: make(map[string]bool)}
	b := newBench(t, func(o *switchd.Options) { o.Operational = p })
	if err := b.update(t, "/", lagAndCircuits); err != nil {
		t.Fatal(err)
	}
	const member = "/lacp/interfaces/interface[name=ae1]/members/member[interface=eth2]/state"
	sub := b.subscribe(t, &gpb.SubscriptionList{UpdatesOnly: true, Subscription: []*gpb.Subscription{{Path: path(t, "/interfaces/interface[name=ae1]/state")}, {Path: path(t, member)}}})
	told(t, sub)
	p.mu.Lock()
	p.out["eth2"] = true
	p.mu.Unlock()
	b.sw.Refresh()
	m, err := sub.Recv()
	if err != nil {
		t.Fatal(err)
	}
	updates := make(map[string]string)
	note(m, updates, new([]string))
	want := map[string]string{
		"/interfaces/interface[name=ae1]/state/oper-status": `"DOWN"`,
		member + "/synchronization":                         `"OUT_SYNC"`,
		member + "/collecting":                              "false",
		member + "/distributing":                            "false",
	}
	if diff := cmp.Diff(want, updates); diff != "" {
		t.Error(diff)
	}
	if got := b.get(t, member+"/partner-id", gpb.GetRequest_ALL); got != `"02:00:00:00:00:02"` {
		t.Errorf("partner-id %s", got)
	}
	p.mu.Lock()
	p.down["eth5"] = true
	p.mu.Unlock()
	b.sw.Refresh()
	if got := b.get(t, "/interfaces/interface[name=eth5]/state/oper-status", gpb.GetRequest_STATE); got != `"DOWN"` {
		t.Errorf("port without a link is %s", got)
	}
}

// Each change is refused, names the place, and leaves the switch as it was.
func TestSwitchRefusals(t *testing.T) {
	b := newBench(t)
	if err := b.update(t, "/", lagAndCircuits); err != nil {
		t.Fatal(err)
	}
	const sub = "/interfaces/interface[name=ae1]/subinterfaces/subinterface"
	const cps = "/network-instances/network-instance[name=lan]/connection-points/connection-point"
	single := func(index, vid int) string {
		return fmt.Sprintf(`{"config":{"index":%d},"openconfig-vlan:vlan":{"match":{"single-tagged":{"config":{"vlan-id":%d}}}}}`, index, vid)
	}
	own := func(index, vid int, tpid string) string {
		return fmt.Sprintf(`{"config":{"index":%d,"ixagent-openconfig-ext:tpid":"openconfig-vlan-types:TPID_0X%s"},"openconfig-vlan:vlan":{"match":{"single-tagged":{"config":{"vlan-id":%d}}}}}`, index, tpid, vid)
	}
	join := func(id, name string, index int) string {
		return fmt.Sprintf(`{"config":{"connection-point-id":%q},"endpoints":{"endpoint":[{"endpoint-id":%[1]q,"config":{"endpoint-id":%[1]q,"type":"openconfig-network-instance-types:LOCAL"},"local":{"config":{"interface":%q,"subinterface":%d}}}]}}`, id, name, index)
	}
	remote := func(peer string) string {
		return fmt.Sprintf(`{"endpoint-id":%q,"config":{"endpoint-id":%[1]q,"type":"openconfig-network-instance-types:REMOTE"},"remote":{"config":{"remote-system":%[1]q}}}`, peer)
	}
	running := b.sw.Running()
	for _, tc := range []struct{ name, path, value, want string }{
		{"unknown path", "/interfaces/interface[name=ae1]/config/colour", `"red"`, "colour"},
		{"vlan 5000", sub + "[index=5]", single(5, 5000), "subinterface[index=5]/vlan/match/single-tagged/config/vlan-id"},
		{"unknown tpid", "/interfaces/interface[name=ae1]/config/tpid", `"openconfig-vlan-types:TPID_0X1111"`, "/interfaces/interface[name=ae1]/config/tpid"},
		{"dangling aggregate", "/interfaces/interface[name=eth3]/ethernet/config/aggregate-id", `"ae9"`, "aggregate-id"},
		{"member of what is no LAG", "/interfaces/interface[name=eth3]/ethernet/config/aggregate-id", `"eth4"`, "not a LAG"},
		{"dangling endpoint", cps + "[connection-point-id=x]", join("x", "ae1", 999), "names nothing"},
		{"index is not config/index", sub + "[index=5]", single(6, 5), "not its key"},
		{"subinterface on a member", "/interfaces/interface[name=eth1]/subinterfaces/subinterface[index=0]", `{"config":{"index":0}}`, "member of LAG ae1"},
		{"same match", sub + "[index=5]", single(5, 100), "overlaps subinterface"},
		{"same match, said with the ethertype of the LAG", sub + "[index=5]", own(5, 100, "8100"), "overlaps subinterface"},
		{"ethertype without a tag", sub + "[index=5]", `{"config":{"index":5,"ixagent-openconfig-ext:tpid":"openconfig-vlan-types:TPID_0X88A8"}}`, "config/tpid"},
		{"further tags behind two", sub + "[index=200]/config/transparent", `true`, "behind two"},
		{"all frames beside a circuit", sub + "[index=5]", `{"config":{"index":5,"ixagent-openconfig-ext:transparent":true}}`, "other subinterfaces"},
		{"unknown ethertype of a tag", sub + "[index=5]", own(5, 5, "1111"), "config/tpid"},
		{"dot1q over qinq", sub + "[index=5]", single(5, 200), "overlaps subinterface"},
		{"unknown port", "/interfaces/interface[name=eth99]", `{"config":{"name":"eth99","type":"iana-if-type:ethernetCsmacd"}}`, "no physical port"},
		{"port as LAG", "/interfaces/interface[name=eth5]/config/type", `"iana-if-type:ieee8023adLag"`, "physical port"},
		{"circuit in two services", "/network-instances/network-instance[name=two]", `{"config":{"name":"two","type":"openconfig-network-instance-types:L2P2P"},"connection-points":{"connection-point":[` + strings.Replace(join("a", "ae1", 100), `{"config"`, `{"connection-point-id":"a","config"`, 1) + `]}}`, "another service"},
		{"writing state", "/interfaces/interface[name=eth1]/state/oper-status", `"DOWN"`, "is state"},
		{"filter on a member", "/acl/interfaces/interface[id=eth1]", `{"config":{"id":"eth1"},"interface-ref":{"config":{"interface":"eth1"}}}`, "member of LAG"},
		{"second filter of a binding", "/acl", `{"acl-sets":{"acl-set":[{"name":"g","type":"ACL_L2","config":{"name":"g","type":"ACL_L2"}}]},"interfaces":{"interface":[{"id":"ae1.100","ingress-acl-sets":{"ingress-acl-set":[{"set-name":"g","type":"ACL_L2","config":{"set-name":"g","type":"ACL_L2"}}]}}]}}`, "one filter at most"},
		{"second binding of a filter", "/acl/interfaces/interface[id=other]", `{"config":{"id":"other"},"interface-ref":{"config":{"interface":"ae1","subinterface":100}},"ingress-acl-sets":{"ingress-acl-set":[{"set-name":"f","type":"ACL_L2","config":{"set-name":"f","type":"ACL_L2"}}]}}`, "ae1.100 is bound twice"},
		{"second binding of a policer", "/qos/interfaces/interface[interface-id=other]", `{"config":{"interface-id":"other"},"interface-ref":{"config":{"interface":"ae1","subinterface":100}}}`, "ae1.100 is bound twice"},
		{"filter of a whole LAG", "/acl/interfaces/interface[id=ae1]", `{"config":{"id":"ae1"},"interface-ref":{"config":{"interface":"ae1"}}}`, "an interface and a subinterface"},
		{"filter by addresses of layer 3", "/acl", `{"acl-sets":{"acl-set":[{"name":"g","type":"ACL_IPV4","config":{"name":"g","type":"ACL_IPV4"}}]},"interfaces":{"interface":[{"id":"ae1.200","config":{"id":"ae1.200"},"interface-ref":{"config":{"interface":"ae1","subinterface":200}},"ingress-acl-sets":{"ingress-acl-set":[{"set-name":"g","type":"ACL_IPV4","config":{"set-name":"g","type":"ACL_IPV4"}}]}}]}}`, "ACL_IPV4 is not supported"},
		{"filter on egress", "/acl/interfaces/interface[id=ae1.100]/egress-acl-sets/egress-acl-set[set-name=f][type=ACL_L2]", `{"config":{"set-name":"f","type":"ACL_L2"}}`, "on egress"},
		{"filter by ethertype", "/acl/acl-sets/acl-set[name=f][type=ACL_L2]/acl-entries/acl-entry[sequence-id=1]", `{"config":{"sequence-id":1},"l2":{"config":{"ethertype":2048}},"actions":{"config":{"forwarding-action":"DROP"}}}`, "by ethertype"},
		{"two schedulers", "/qos/scheduler-policies/scheduler-policy[name=p]/schedulers", `{"scheduler":[{"sequence":1,"config":{"sequence":1},"one-rate-two-color":{"config":{"cir":"8000"},"exceed-action":{"config":{"drop":true}}}},{"sequence":2,"config":{"sequence":2},"one-rate-two-color":{"config":{"cir":"8000"},"exceed-action":{"config":{"drop":true}}}}]}`, "one scheduler at most"},
		{"scheduler that does not drop", "/qos/scheduler-policies/scheduler-policy[name=p]/schedulers/scheduler[sequence=1]", `{"config":{"sequence":1},"one-rate-two-color":{"config":{"cir":"8000"}}}`, "must drop what exceeds"},
		{"shaper", "/qos/scheduler-policies/scheduler-policy[name=p]/schedulers/scheduler[sequence=1]", `{"config":{"sequence":1},"one-rate-two-color":{"config":{"cir":"8000","queuing-behavior":"SHAPE"},"exceed-action":{"config":{"drop":true}}}}`, "cannot shape"},
		{"third end of a line", "/network-instances/network-instance[name=two]", `{"config":{"name":"two","type":"openconfig-network-instance-types:L2P2P"},"connection-points":{"connection-point":[{"connection-point-id":"r","config":{"connection-point-id":"r"},"endpoints":{"endpoint":[` + remote("192.0.2.1") + "," + remote("192.0.2.2") + "," + remote("192.0.2.3") + `]}}]}}`, "at most two endpoints"},
		{"local end without a circuit", cps + "[connection-point-id=x]", `{"config":{"connection-point-id":"x"},"endpoints":{"endpoint":[{"endpoint-id":"x","config":{"endpoint-id":"x","type":"openconfig-network-instance-types:LOCAL"},"local":{"config":{"interface":"ae1"}}}]}}`, "a subinterface"},
		{"half a double tag", sub + "[index=5]", `{"config":{"index":5},"openconfig-vlan:vlan":{"match":{"double-tagged":{"config":{"outer-vlan-id":9}}}}}`, "both an outer and an inner"},
		{"LACP on a port", "/lacp/interfaces/interface[name=eth5]", `{"config":{"name":"eth5"}}`, "not a LAG"},
		{"write to many", "/interfaces/interface[name=*]/config/mtu", `9000`, "one node"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			wantCode(t, b.update(t, tc.path, tc.value), codes.InvalidArgument, tc.want)
		})
	}
	for _, p := range []string{
		sub + "[index=100]", "/interfaces/interface[name=ae1]", "/acl/acl-sets/acl-set[name=f][type=ACL_L2]", "/qos/scheduler-policies",
		"/interfaces/interface[name=ae1]/config/name",
	} {
		wantCode(t, b.delete(t, p), codes.InvalidArgument, "/")
	}
	if b.sw.Running() != running {
		t.Error("a refused Set changed the configuration")
	}
	if err := b.delete(t, "/acl", "/qos", cps+"[connection-point-id=ae1.100]", sub+"[index=100]"); err != nil {
		t.Errorf("circuit with everything that names it: %v", err)
	}
}

func TestSameVLANsBehindOtherEthertypesAreOtherCircuits(t *testing.T) {
	b := newBench(t)
	at := "/interfaces/interface[name=eth1]"
	tagged := func(index int, tpid, match string) string {
		return fmt.Sprintf(`{"index":%d,"config":{"index":%[1]d%s},"openconfig-vlan:vlan":{"match":%s}}`, index, tpid, match)
	}
	own := func(tpid string) string {
		return `,"ixagent-openconfig-ext:tpid":"openconfig-vlan-types:TPID_0X` + tpid + `"`
	}
	const single, double = `{"single-tagged":{"config":{"vlan-id":100}}}`, `{"double-tagged":{"config":{"outer-vlan-id":100,"inner-vlan-id":7}}}`
	if err := b.update(t, at, `{"subinterfaces":{"subinterface":[`+strings.Join([]string{
		tagged(1, "", single), tagged(2, own("88A8"), double), tagged(3, own("9100"), single),
	}, ",")+`]}}`); err != nil {
		t.Fatal(err)
	}
	for _, tpid := range []string{"88A8", "9100"} {
		wantCode(t, b.update(t, at+"/config/tpid", `"openconfig-vlan-types:TPID_0X`+tpid+`"`), codes.InvalidArgument, "subinterface")
		if got := b.sw.Running().At("interfaces", "interface").Entry("eth1").Text("config", "tpid"); got != "" {
			t.Errorf("the port has %s, and two subinterfaces the same match", got)
		}
	}
	var tpids []uint16
	for _, c := range switchd.Forwarding(b.sw.Running()).Circuits {
		tpids = append(tpids, c.TPID)
	}
	if diff := cmp.Diff([]uint16{0, 0x88a8, 0x9100}, tpids); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(b.get(t, at+"/subinterfaces/subinterface[index=2]/config", gpb.GetRequest_CONFIG), `"ixagent-openconfig-ext:tpid":"openconfig-vlan-types:TPID_0X88A8"`) {
		t.Error("the ethertype is not read back")
	}
}

func TestSetOrderAndAtomicity(t *testing.T) {
	b := newBench(t)
	_, err := b.Set(b.ctx, &gpb.SetRequest{
		Prefix:  path(t, "/interfaces"),
		Delete:  []*gpb.Path{path(t, "/interface[name=eth1]")},
		Replace: []*gpb.Update{{Path: path(t, "/interface[name=eth1]/config"), Val: ietf(`{"name":"eth1","type":"iana-if-type:ethernetCsmacd","mtu":1500}`)}},
		Update: []*gpb.Update{
			{Path: path(t, "/interface[name=eth1]/config/mtu"), Val: &gpb.TypedValue{Value: &gpb.TypedValue_UintVal{UintVal: 9100}}},
			{Path: path(t, "/interface[name=eth1]/config/description"), Val: &gpb.TypedValue{Value: &gpb.TypedValue_StringVal{StringVal: "a"}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	eth1 := b.sw.Running().At("interfaces", "interface").Entry("eth1")
	if eth1.Text("config", "mtu") != "9100" || eth1.Text("config", "description") != "a" {
		t.Error(b.get(t, "/interfaces/interface[name=eth1]", gpb.GetRequest_CONFIG))
	}
	running := b.sw.Running()
	_, err = b.Set(b.ctx, &gpb.SetRequest{Update: []*gpb.Update{
		{Path: path(t, "/interfaces/interface[name=eth2]/config/mtu"), Val: ietf("9000")},
		{Path: path(t, "/interfaces/interface[name=eth2]/config/mtu"), Val: ietf("90000")},
	}})
	wantCode(t, err, codes.InvalidArgument, "mtu")
	if b.sw.Running() != running {
		t.Error("half of a Set was applied")
	}
	_, err = b.Set(b.ctx, &gpb.SetRequest{UnionReplace: []*gpb.Update{{Path: &gpb.Path{Origin: "openconfig"}, Val: ietf(lagAndCircuits)}}})
	if err != nil {
		t.Fatal(err)
	}
	if b.sw.Running().At("interfaces", "interface").Entry("eth1").Text("config", "mtu") != "" {
		t.Error("union_replace kept what it does not hold")
	}
	_, err = b.Set(b.ctx, &gpb.SetRequest{UnionReplace: []*gpb.Update{{Path: &gpb.Path{Origin: "cli"}, Val: ietf(`{}`)}}})
	wantCode(t, err, codes.InvalidArgument, "origin")
}

func commit(id string, d time.Duration) []*gnmi_ext.Extension {
	return extension(&gnmi_ext.Commit{Id: id, Action: &gnmi_ext.Commit_Commit{Commit: &gnmi_ext.CommitRequest{RollbackDuration: durationpb.New(d)}}})
}

func extension(c *gnmi_ext.Commit) []*gnmi_ext.Extension {
	return []*gnmi_ext.Extension{{Ext: &gnmi_ext.Extension_Commit{Commit: c}}}
}

func TestCommitConfirmedOverTheWire(t *testing.T) {
	b := newBench(t)
	confirm := extension(&gnmi_ext.Commit{Id: "a", Action: &gnmi_ext.Commit_Confirm{Confirm: &gnmi_ext.CommitConfirm{}}})
	_, err := b.Set(b.ctx, &gpb.SetRequest{Extension: confirm})
	wantCode(t, err, codes.FailedPrecondition, "no commit")

	mtu := []*gpb.Update{{Path: path(t, "/interfaces/interface[name=eth1]/config/mtu"), Val: ietf("9000")}}
	reverted := make(chan *tree.Tree, 8)
	defer b.sw.OnCommit(func(_, after *tree.Tree) { reverted <- after })()
	if _, err := b.Set(b.ctx, &gpb.SetRequest{Update: mtu, Extension: commit("a", 50*time.Millisecond)}); err != nil {
		t.Fatal(err)
	}
	<-reverted
	if got := (<-reverted).At("interfaces", "interface").Entry("eth1").Text("config", "mtu"); got != "" {
		t.Errorf("not reverted: mtu %s", got)
	}
	if _, err := b.Set(b.ctx, &gpb.SetRequest{Update: mtu, Extension: commit("a", time.Hour)}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, b.update(t, "/interfaces/interface[name=eth1]/config/mtu", "1"), codes.FailedPrecondition, "waits")
	if _, err := b.Set(b.ctx, &gpb.SetRequest{Extension: confirm}); err != nil {
		t.Fatal(err)
	}
	if err := b.update(t, "/interfaces/interface[name=eth1]/config/mtu", "1500"); err != nil {
		t.Fatal(err)
	}
}

func TestAuthentication(t *testing.T) {
	b := newBench(t)
	_, err := b.Capabilities(t.Context(), &gpb.CapabilityRequest{})
	wantCode(t, err, codes.Unauthenticated, "")
	wrong := metadata.AppendToOutgoingContext(t.Context(), "username", "admin", "password", "guess")
	_, err = b.Capabilities(wrong, &gpb.CapabilityRequest{})
	wantCode(t, err, codes.Unauthenticated, "")
	sub, err := b.Subscribe(wrong)
	if err != nil {
		t.Fatal(err)
	}
	_, err = sub.Recv()
	wantCode(t, err, codes.Unauthenticated, "")

	ca, err := switchd.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	mtls := newBench(t, func(o *switchd.Options) { o.TLS.ClientCAs, o.Users = ca.Pool(), nil })
	_, err = mtls.Capabilities(t.Context(), &gpb.CapabilityRequest{})
	wantCode(t, err, codes.Unavailable, "")
	cert, err := ca.Issue("agent")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mtls.dial(t, cert).Capabilities(t.Context(), &gpb.CapabilityRequest{}); err != nil {
		t.Errorf("client certificate: %v", err)
	}
	stranger, err := mtls.ca.Issue("agent")
	if err != nil {
		t.Fatal(err)
	}
	_, err = mtls.dial(t, stranger).Capabilities(t.Context(), &gpb.CapabilityRequest{})
	wantCode(t, err, codes.Unavailable, "")
	if _, err := switchd.New(switchd.Options{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}}); err == nil {
		t.Error("a switch open to everybody was made")
	}
}

// told collects what a subscription says until its sync, or n messages.
func told(t testing.TB, sub gpb.GNMI_SubscribeClient) (updates map[string]string, deletes []string) {
	t.Helper()
	updates = make(map[string]string)
	for {
		m, err := sub.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if m.GetSyncResponse() {
			return updates, deletes
		}
		note(m, updates, &deletes)
	}
}

func note(m *gpb.SubscribeResponse, updates map[string]string, deletes *[]string) {
	for _, u := range m.GetUpdate().GetUpdate() {
		updates[tree.PathString(u.GetPath())] = string(u.GetVal().GetJsonIetfVal())
	}
	for _, d := range m.GetUpdate().GetDelete() {
		*deletes = append(*deletes, tree.PathString(d))
	}
}

func (b *bench) subscribe(t testing.TB, list *gpb.SubscriptionList) gpb.GNMI_SubscribeClient {
	t.Helper()
	sub, err := b.Subscribe(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	list.Encoding = gpb.Encoding_JSON_IETF
	if err := sub.Send(&gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Subscribe{Subscribe: list}}); err != nil {
		t.Fatal(err)
	}
	return sub
}

func TestSubscribeOnceAndPoll(t *testing.T) {
	b := newBench(t)
	list := func(mode gpb.SubscriptionList_Mode) *gpb.SubscriptionList {
		return &gpb.SubscriptionList{Mode: mode, Subscription: []*gpb.Subscription{{Path: path(t, "/interfaces/interface[name=eth1]/config")}}}
	}
	want := map[string]string{
		"/interfaces/interface[name=eth1]/config/name": `"eth1"`,
		"/interfaces/interface[name=eth1]/config/type": `"iana-if-type:ethernetCsmacd"`,
	}
	got, _ := told(t, b.subscribe(t, list(gpb.SubscriptionList_ONCE)))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	sub := b.subscribe(t, list(gpb.SubscriptionList_POLL))
	for range 3 {
		got, _ := told(t, sub)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if err := sub.Send(&gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Poll{Poll: &gpb.Poll{}}}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSubscribeOnChangeTellsWhatChangedOnly(t *testing.T) {
	b := newBench(t)
	sub := b.subscribe(t, &gpb.SubscriptionList{UpdatesOnly: true, Subscription: []*gpb.Subscription{
		{Path: path(t, "/interfaces/interface[name=*]/subinterfaces"), Mode: gpb.SubscriptionMode_ON_CHANGE},
		{Path: path(t, "/interfaces/interface[name=*]/state/oper-status"), Mode: gpb.SubscriptionMode_TARGET_DEFINED},
	}})
	if got, _ := told(t, sub); len(got) != 0 {
		t.Errorf("updates_only began with %v", got)
	}
	next := func() (map[string]string, []string) {
		updates, deletes := make(map[string]string), []string(nil)
		m, err := sub.Recv()
		if err != nil {
			t.Fatal(err)
		}
		note(m, updates, &deletes)
		return updates, deletes
	}
	if err := b.update(t, "/interfaces/interface[name=eth1]/subinterfaces/subinterface[index=3]", `{"config":{"index":3}}`); err != nil {
		t.Fatal(err)
	}
	const at = "/interfaces/interface[name=eth1]/subinterfaces/subinterface[index=3]"
	updates, _ := next()
	want := map[string]string{
		at + "/config/index": "3", at + "/state/index": "3", at + "/state/enabled": "true",
		at + "/state/admin-status": `"UP"`, at + "/state/oper-status": `"UP"`,
	}
	if diff := cmp.Diff(want, updates); diff != "" {
		t.Error(diff)
	}
	if err := b.update(t, "/interfaces/interface[name=eth2]/config/enabled", "false"); err != nil {
		t.Fatal(err)
	}
	updates, _ = next()
	if diff := cmp.Diff(map[string]string{"/interfaces/interface[name=eth2]/state/oper-status": `"DOWN"`}, updates); diff != "" {
		t.Error(diff)
	}
	if err := b.delete(t, at); err != nil {
		t.Fatal(err)
	}
	if _, deletes := next(); !cmp.Equal(deletes, []string{"/interfaces/interface[name=eth1]/subinterfaces"}) {
		t.Errorf("deletes %v", deletes)
	}
}

func TestSubscribeSampleRepeats(t *testing.T) {
	b := newBench(t)
	sub := b.subscribe(t, &gpb.SubscriptionList{Subscription: []*gpb.Subscription{
		{Path: path(t, "/interfaces/interface[name=eth1]/state/oper-status"), Mode: gpb.SubscriptionMode_SAMPLE, SampleInterval: uint64(time.Millisecond)},
	}})
	told(t, sub)
	for range 2 {
		m, err := sub.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if len(m.GetUpdate().GetUpdate()) != 1 {
			t.Errorf("sample %v", m)
		}
	}
}

func TestHarmLastsAsLongAsTheConfigurationIsAnother(t *testing.T) {
	b := newBench(t)
	if err := b.update(t, "/", lagAndCircuits); err != nil {
		t.Fatal(err)
	}
	if err := b.sw.Harm("eth77"); err == nil {
		t.Error("what is not there is harmed")
	}
	if err := b.sw.Harm("ae1"); err != nil {
		t.Fatal(err)
	}
	const mtu = "/interfaces/interface[name=eth3]/config/mtu"
	are := func(when, want string) {
		t.Helper()
		for at, want := range map[string]string{
			"/interfaces/interface[name=ae1]/state/oper-status": want, "/interfaces/interface[name=eth1]/state/oper-status": want,
			"/interfaces/interface[name=eth3]/state/oper-status":                                     `"UP"`,
			"/lacp/interfaces/interface[name=ae1]/members/member[interface=eth2]/state/distributing": map[string]string{`"UP"`: "true", `"DOWN"`: "false"}[want],
		} {
			if got := b.get(t, at, gpb.GetRequest_STATE); got != want {
				t.Errorf("%s %s is %s, want %s", when, at, got, want)
			}
		}
	}
	are("before", `"UP"`)
	for range 2 {
		if err := b.update(t, mtu, "9000"); err != nil {
			t.Fatal(err)
		}
		are("with a change", `"DOWN"`)
		if err := b.delete(t, mtu); err != nil {
			t.Fatal(err)
		}
		are("after the change was taken back", `"UP"`)
	}
	if err := b.update(t, mtu, "9000"); err != nil {
		t.Fatal(err)
	}
	if err := b.sw.Harm(""); err != nil {
		t.Fatal(err)
	}
	are("without harm", `"UP"`)
}

func TestFaults(t *testing.T) {
	b := newBench(t)
	const mtu = "/interfaces/interface[name=eth1]/config/mtu"
	value := func() string { return b.sw.Running().At("interfaces", "interface").Entry("eth1").Text("config", "mtu") }

	b.faults.RefuseSets(1, codes.ResourceExhausted)
	wantCode(t, b.update(t, mtu, "1000"), codes.ResourceExhausted, "")
	b.faults.DropBeforeCommit(1)
	wantCode(t, b.update(t, mtu, "1001"), codes.Unavailable, "")
	if value() != "" {
		t.Error("changed before the cut")
	}
	b.faults.DropAfterCommit(1)
	wantCode(t, b.update(t, mtu, "1002"), codes.Unavailable, "")
	if value() != "1002" {
		t.Error("not changed before the cut")
	}
	b.faults.UndoSets(1)
	if err := b.update(t, mtu, "1003"); err != nil || value() != "1002" {
		t.Errorf("undo: %v, mtu %s", err, value())
	}
	b.faults.TruncateGets(1)
	if got := b.get(t, "/interfaces", gpb.GetRequest_CONFIG); json.Valid([]byte(got)) {
		t.Error("Get was not truncated")
	}
	b.faults.StallSets(0)
	ctx, cancel := context.WithTimeout(b.ctx, 50*time.Millisecond)
	defer cancel()
	_, err := b.Set(ctx, &gpb.SetRequest{Update: []*gpb.Update{{Path: path(t, mtu), Val: ietf("1004")}}})
	wantCode(t, err, codes.DeadlineExceeded, "")
	b.faults.Release()
	if err := b.update(t, mtu, "1005"); err != nil {
		t.Fatal(err)
	}
	b.faults.IgnoreCommitExtension(true)
	if _, err := b.Set(b.ctx, &gpb.SetRequest{Extension: extension(&gnmi_ext.Commit{Id: "x", Action: &gnmi_ext.Commit_Confirm{Confirm: &gnmi_ext.CommitConfirm{}}})}); err != nil {
		t.Errorf("a server without the extension ignores it: %v", err)
	}
	b.faults.IgnoreCommitExtension(false)
	if _, err := b.Set(b.ctx, &gpb.SetRequest{Update: []*gpb.Update{{Path: path(t, mtu), Val: ietf("1006")}}, Extension: commit("r", time.Hour)}); err != nil {
		t.Fatal(err)
	}
	b.sw.Reboot()
	if value() != "1005" {
		t.Errorf("mtu %s after a reboot that loses the unconfirmed commit", value())
	}
	for {
		// The cut connection may be noticed by the first call only.
		if err := b.update(t, mtu, "1007"); status.Code(err) != codes.Unavailable {
			if err != nil {
				t.Error(err)
			}
			break
		}
	}
	log := b.sw.Log()
	if last := log[len(log)-1]; last.Code != codes.OK || last.User != "admin" || len(last.Request.GetUpdate()) != 1 {
		t.Errorf("audit: %+v", last)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.sw.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

// The client is built from the gNMI project's own source.
func TestIndependentClient(t *testing.T) {
	bin := switchdtest.GNMIClient(t)
	clients, err := switchd.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, func(o *switchd.Options) { o.TLS.ClientCAs, o.Users = clients.Pool(), nil })
	issued, err := clients.Issue("operator")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := switchd.EncodePEM(issued)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string][]byte{"ca.pem": b.ca.PEM(), "cert.pem": cert, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cli := func(args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, bin, append([]string{
			"-address", b.sw.Addr().String(), "-ca_crt", filepath.Join(dir, "ca.pem"),
			"-client_crt", filepath.Join(dir, "cert.pem"), "-client_key", filepath.Join(dir, "key.pem"),
		}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("gnmi_cli %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if got := cli("-capabilities"); !strings.Contains(got, "openconfig-interfaces") {
		t.Errorf("capabilities: %s", got)
	}
	cli("-set", "-proto", `update: {path: {elem: {name: "interfaces"} elem: {name: "interface" key: {key: "name" value: "eth1"}} elem: {name: "config"} elem: {name: "mtu"}} val: {json_ietf_val: "9000"}}`)
	if got := cli("-get", "-proto", `path: {elem: {name: "interfaces"} elem: {name: "interface" key: {key: "name" value: "eth1"}}} encoding: JSON_IETF`); !strings.Contains(got, "mtu") {
		t.Errorf("get: %s", got)
	}
}

// exchange is the JSON of a switch with that many circuits on 48 ports and 24
// LAGs, each in a service of its own, with a filter and a policer.
func exchange(circuits int) string {
	const ports, lags = 48, 24
	var ifs, nis, lacp, acls, binds, qos []string
	for i := range ports {
		ifs = append(ifs, fmt.Sprintf(`{"name":"eth%d","config":{"name":"eth%[1]d","type":"iana-if-type:ethernetCsmacd"},"openconfig-if-ethernet:ethernet":{"config":{"openconfig-if-aggregate:aggregate-id":"ae%d"}}}`, i+1, i%lags+1))
	}
	for l := range lags {
		var subs []string
		for c := l; c < circuits; c += lags {
			index := c/lags + 1
			id := fmt.Sprintf("ae%d.%d", l+1, index)
			ref := fmt.Sprintf(`"interface-ref":{"config":{"interface":"ae%d","subinterface":%d}}`, l+1, index)
			subs = append(subs, fmt.Sprintf(`{"index":%d,"config":{"index":%[1]d,"description":"nsc-%d","enabled":true},"openconfig-vlan:vlan":{"match":{"double-tagged":{"config":{"outer-vlan-id":%d,"inner-vlan-id":%d}}}}}`, index, c, index%4094+1, index/4094+1))
			nis = append(nis, fmt.Sprintf(`{"name":"s%d","config":{"name":"s%[1]d","type":"openconfig-network-instance-types:L2VSI"},"connection-points":{"connection-point":[{"connection-point-id":%q,"config":{"connection-point-id":%[2]q},"endpoints":{"endpoint":[{"endpoint-id":%[2]q,"config":{"endpoint-id":%[2]q,"precedence":0,"type":"openconfig-network-instance-types:LOCAL"},"local":{"config":{"interface":"ae%d","subinterface":%d}}}]}}]}}`, c, id, l+1, index))
			acls = append(acls, fmt.Sprintf(`{"name":"f%d","type":"ACL_L2","config":{"name":"f%[1]d","type":"ACL_L2"},"acl-entries":{"acl-entry":[{"sequence-id":10,"config":{"sequence-id":10},"l2":{"config":{"source-mac":"02:00:00:00:%02x:%02x"}},"actions":{"config":{"forwarding-action":"ACCEPT"}}}]}}`, c, c>>8, c&255))
			binds = append(binds, fmt.Sprintf(`{"id":%q,"config":{"id":%[1]q},%s,"ingress-acl-sets":{"ingress-acl-set":[{"set-name":"f%d","type":"ACL_L2","config":{"set-name":"f%[3]d","type":"ACL_L2"}}]}}`, id, ref, c))
			qos = append(qos, fmt.Sprintf(`{"interface-id":%q,"config":{"interface-id":%[1]q},%s,"input":{"scheduler-policy":{"config":{"name":"p"}}},"output":{"scheduler-policy":{"config":{"name":"p"}}}}`, id, ref))
		}
		ifs = append(ifs, fmt.Sprintf(`{"name":"ae%d","config":{"name":"ae%[1]d","type":"iana-if-type:ieee8023adLag"},"openconfig-if-aggregate:aggregation":{"config":{"lag-type":"LACP"}},"subinterfaces":{"subinterface":[%s]}}`, l+1, strings.Join(subs, ",")))
		lacp = append(lacp, fmt.Sprintf(`{"name":"ae%d","config":{"name":"ae%[1]d","interval":"SLOW"}}`, l+1))
	}
	list := func(entries []string) string { return strings.Join(entries, ",") }
	return fmt.Sprintf(`{"openconfig-interfaces:interfaces":{"interface":[%s]},"openconfig-lacp:lacp":{"interfaces":{"interface":[%s]}},
"openconfig-network-instance:network-instances":{"network-instance":[%s]},
"openconfig-acl:acl":{"acl-sets":{"acl-set":[%s]},"interfaces":{"interface":[%s]}},
"openconfig-qos:qos":{"scheduler-policies":{"scheduler-policy":[{"name":"p","config":{"name":"p"}}]},"interfaces":{"interface":[%s]}}}`,
		list(ifs), list(lacp), list(nis), list(acls), list(binds), list(qos))
}

func BenchmarkSetAll10000(b *testing.B) {
	sw := newBench(b)
	req := &gpb.SetRequest{Replace: []*gpb.Update{{Path: &gpb.Path{}, Val: ietf(exchange(10_000))}}}
	for b.Loop() {
		if _, err := sw.Set(sw.ctx, req); err != nil {
			b.Fatal(err)
		}
		if err := sw.delete(b, "/"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSetDelta10000(b *testing.B) {
	b.Run("alone", func(b *testing.B) { setDelta(b, newBench(b)) })
	b.Run("with a plane", func(b *testing.B) {
		p := dataplane.New(dataplane.Options{})
		defer p.Close()
		setDelta(b, newBench(b, func(o *switchd.Options) { o.Plane = p }))
	})
}

func setDelta(b *testing.B, sw *bench) {
	b.ReportAllocs()
	if _, err := sw.Set(sw.ctx, &gpb.SetRequest{Replace: []*gpb.Update{{Path: &gpb.Path{}, Val: ietf(exchange(10_000))}}}); err != nil {
		b.Fatal(err)
	}
	p := path(b, "/interfaces/interface[name=ae7]/subinterfaces/subinterface[index=9999]")
	for i := 0; b.Loop(); i++ {
		req := &gpb.SetRequest{Replace: []*gpb.Update{{Path: p, Val: ietf(`{"config":{"index":9999},"openconfig-vlan:vlan":{"match":{"single-tagged":{"config":{"vlan-id":4000}}}}}`)}}}
		if i%2 == 1 {
			req = &gpb.SetRequest{Delete: []*gpb.Path{p}}
		}
		if _, err := sw.Set(sw.ctx, req); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetAll10000(b *testing.B) {
	b.Run("alone", func(b *testing.B) { getAll(b, newBench(b)) })
	b.Run("with a plane", func(b *testing.B) {
		p := dataplane.New(dataplane.Options{})
		defer p.Close()
		getAll(b, newBench(b, func(o *switchd.Options) { o.Plane = p }))
	})
}

func getAll(b *testing.B, sw *bench) {
	if _, err := sw.Set(sw.ctx, &gpb.SetRequest{Replace: []*gpb.Update{{Path: &gpb.Path{}, Val: ietf(exchange(10_000))}}}); err != nil {
		b.Fatal(err)
	}
	for _, typ := range []gpb.GetRequest_DataType{gpb.GetRequest_CONFIG, gpb.GetRequest_ALL} {
		b.Run(typ.String(), func(b *testing.B) {
			for b.Loop() {
				resp, err := sw.Get(sw.ctx, &gpb.GetRequest{Type: typ, Encoding: gpb.Encoding_JSON_IETF})
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(resp.GetNotification()[0].GetUpdate()[0].GetVal().GetJsonIetfVal())))
			}
		})
	}
}
