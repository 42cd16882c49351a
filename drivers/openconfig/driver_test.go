package openconfig

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/drivertest"
	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

func observed(t testing.TB, d drivers.Driver) switchcfg.State {
	t.Helper()
	s, err := d.Observe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func apply(t testing.TB, d drivers.Driver, changes []plan.Change) {
	t.Helper()
	if _, err := d.Apply(context.Background(), changes); err != nil {
		t.Fatal(err)
	}
}

// What is not the agent's stays as it is to the last leaf, whatever the agent's part goes through.
func TestWhatIsForeignIsNeverTouched(t *testing.T) {
	caps := profile(t, "ixlab")
	o := options(caps)
	l := newLab(t, caps, append(slices.Clone(o.Ports), "Ethernet90", "Ethernet91")...)
	d := l.open(t)
	foreign := make(switchcfg.State)
	foreign.Put(
		&switchcfg.Filter{Name: "core-filter", AnySource: true},
		&switchcfg.Service{Name: "core", Description: "backbone", Type: switchcfg.ServiceLAN, VLAN: 4000},
		&switchcfg.Interface{Name: "Ethernet90", Description: "uplink", TPID: switchcfg.TPIDCustomer},
		&switchcfg.Interface{Name: "Ethernet91", Description: "member of uplink"},
		&switchcfg.LAG{Name: "lag900", Description: "uplink", Members: []string{"Ethernet91"}, Mode: switchcfg.ModeLACP, Rate: switchcfg.RateFast},
		&switchcfg.Circuit{Parent: "Ethernet90", Unit: 4000, Description: "uplink", Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, 4000), Service: "core", Filter: "core-filter"},
	)
	apply(t, d, plan.Diff(nil, foreign))
	// A leaf this driver knows nothing of, in an object that the agent changes.
	session := d.(*driver).session
	speed := interfacePath(o.Ports[0]).to("ethernet", "config", "port-speed")
	if err := session.Set(t.Context(), "apply", &gpb.SetRequest{Update: []*gpb.Update{{
		Path: &gpb.Path{Elem: speed}, Val: &gpb.TypedValue{Value: &gpb.TypedValue_JsonIetfVal{JsonIetfVal: []byte(`"openconfig-if-ethernet:SPEED_10GB"`)}},
	}}}); err != nil {
		t.Fatal(err)
	}
	words := func(t *rapid.T) (out []string) {
		for _, p := range []path{
			interfacePath("Ethernet90"), interfacePath("Ethernet91"), interfacePath("lag900"), lacpPath("lag900"),
			instancePath("core"), setPath("core-filter"), filteredPath("Ethernet90.4000"), speed,
		} {
			v, err := session.Get(context.Background(), "observe", gpb.GetRequest_CONFIG, &gpb.Path{Elem: p})
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, string(v[0]))
		}
		return out
	}
	var before []string
	rapid.Check(t, func(t *rapid.T) {
		if before == nil {
			before = words(t)
		}
		desired := o.State(t, "desired")
		now, err := d.Observe(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		p := plan.Build(plan.Input{Observed: now, Intent: plan.Intent{State: desired}, Scope: drivertest.Scope(o), Traits: caps.Traits})
		for _, w := range p.Withheld {
			t.Fatalf("withheld: %+v", w)
		}
		if _, err := d.Apply(context.Background(), p.Changes); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(before, words(t)); d != "" {
			t.Fatal(d)
		}
	})
}

func TestLostAnswerIsUnknown(t *testing.T) {
	caps := profile(t, "ixlab")
	l := newLab(t, caps, "eth1")
	d := l.open(t)
	port := &switchcfg.Interface{Name: "eth1", Description: "ixagent port:1", TPID: switchcfg.TPIDCustomer}
	l.faults.DropAfterCommit(1)
	if _, err := d.Apply(t.Context(), change(nil, port)); drivers.FaultOf(err) != drivers.Unknown {
		t.Fatal(err)
	}
	s, err := drivers.Retry(d, 20, 1e7).Observe(t.Context())
	if err != nil || !s.Equal(switchcfg.State{port.Key(): port}) {
		t.Fatalf("%v\n%s", err, s.AppendText(nil))
	}
}

func TestCircuitOfAnotherEthertypeIsRefused(t *testing.T) {
	caps := profile(t, "ixlab")
	l := newLab(t, caps, "eth1")
	d := l.open(t)
	s := make(switchcfg.State)
	s.Put(&switchcfg.Interface{Name: "eth1", Description: "ixagent port:1", TPID: switchcfg.TPIDCustomer},
		&switchcfg.Service{Name: "ix-1", Description: "ixagent ns:1", Type: switchcfg.ServiceLAN})
	apply(t, d, plan.Diff(nil, s))
	c := &switchcfg.Circuit{Parent: "eth1", Unit: 1, Description: "ixagent nsc:1", Match: switchcfg.MatchSingle(switchcfg.TPIDService, 5), Service: "ix-1"}
	if _, err := d.Apply(t.Context(), change(nil, c)); drivers.FaultOf(err) != drivers.Unsupported || !strings.Contains(err.Error(), "0x88a8") {
		t.Fatal(err)
	}
	if got := observed(t, d); !got.Equal(s) {
		t.Fatalf("%s", got.AppendText(nil))
	}
}

func TestWhatHasNoPlaceInOpenConfigIsRefused(t *testing.T) {
	caps := profile(t, "ixlab")
	for _, o := range []switchcfg.Object{
		&switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceLAN, MACLimit: 70_000},
		&switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceLAN, VNI: 5},
		&switchcfg.Interface{Name: "eth1", Description: "two\nlines"},
		&switchcfg.Interface{Name: "eth1", Description: "not utf-8 \xff"},
	} {
		if _, err := render(&caps, change(nil, o)); err == nil {
			t.Errorf("%s is rendered", o.Lines())
		}
	}
}

func TestWhatIsNotUnderstoodIsNeverChanged(t *testing.T) {
	filter := &switchcfg.Filter{Name: "ix-f", AnySource: true}
	odd := &switchcfg.Opaque{At: filter.Key(), Why: "it permits the rest"}
	caps := profile(t, "ixlab")
	for _, changes := range [][]plan.Change{change(odd, nil), change(odd, filter)} {
		if _, err := render(&caps, changes); err == nil || !strings.Contains(err.Error(), odd.Why) {
			t.Errorf("%v", err)
		}
	}
}

func TestPortsThatVanishAreBelievedAtTheSecondLook(t *testing.T) {
	d := new(driver)
	look := func(ports ...string) error { return d.vanished(ports) }
	if err := look("eth1", "eth2"); err != nil {
		t.Fatal(err)
	}
	if err := look("eth1"); err == nil || !strings.Contains(err.Error(), "eth2") {
		t.Fatal(err)
	}
	if err := look("eth1"); err != nil {
		t.Fatal(err)
	}
	if err := look("eth1", "eth2"); err != nil {
		t.Fatal(err)
	}
	if err := look("eth1"); err == nil {
		t.Fatal("believed at once")
	}
}

func TestProfilesRefuseWhatTheirDevicesLack(t *testing.T) {
	circuit := &switchcfg.Circuit{Parent: "lag1", Unit: 1, Match: switchcfg.MatchDouble(switchcfg.TPIDCustomer, 5, 6), Service: "ix-1"}
	stacked := &switchcfg.LAG{Name: "lag1", Members: []string{"eth1"}, Mode: switchcfg.ModeStatic, TPID: switchcfg.TPIDStacked}
	storm := &switchcfg.Interface{Name: "eth1", StormControl: 1}
	for name, can := range map[string][3]bool{ // circuit, stacked, storm
		"ixlab": {true, true, true}, "openconfig": {true, true, false}, "eos-4.36": {false, true, false}, "srlinux-25.3": {false, false, false},
		"junos-24.4": {true, false, false}, "iosxr-26.2": {true, false, false}, "nxos-10.6": {true, true, false}, "sonic": {false, false, false},
	} {
		caps := profile(t, name)
		for i, o := range []switchcfg.Object{circuit, stacked, storm} {
			if err := caps.Carry(o); (err == nil) != can[i] {
				t.Errorf("%s, %s: %v", name, o.Key(), err)
			}
		}
	}
	for _, p := range Spec().Profiles {
		if p.Experimental == (p.Name == "ixlab" || p.Name == "openconfig") {
			t.Errorf("%s: experimental is %t", p.Name, p.Experimental)
		}
	}
}

// announcing is a device that says what it can and does nothing.
type announcing struct {
	gpb.UnimplementedGNMIServer
	*gpb.CapabilityResponse
}

func (a announcing) Capabilities(context.Context, *gpb.CapabilityRequest) (*gpb.CapabilityResponse, error) {
	return a.CapabilityResponse, nil
}

func TestDeviceThatLacksAModelIsNotOpened(t *testing.T) {
	ca, err := switchd.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	models := []string{"openconfig-interfaces", "openconfig-lacp", "openconfig-network-instance", "ixagent-openconfig-ext"}
	for missing, want := range []string{"openconfig-interfaces", "openconfig-lacp", "openconfig-network-instance", "ixagent-openconfig-ext", "JSON_IETF", ""} {
		says := &gpb.CapabilityResponse{}
		for i, m := range models {
			if i != missing {
				says.SupportedModels = append(says.SupportedModels, &gpb.ModelData{Name: m})
			}
		}
		if want != "JSON_IETF" {
			says.SupportedEncodings = []gpb.Encoding{gpb.Encoding_JSON_IETF}
		}
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{cert}})))
		gpb.RegisterGNMIServer(server, announcing{CapabilityResponse: says})
		done := make(chan error)
		go func() { done <- server.Serve(lis) }()
		d, err := Spec().Open(t.Context(), drivers.Device{
			Name: "sw1", Address: lis.Addr().String(), TLS: &tls.Config{RootCAs: ca.Pool()}, Capabilities: profile(t, "ixlab"),
		})
		switch {
		case want == "" && err == nil:
			_ = d.Close()
		case drivers.FaultOf(err) != drivers.Unsupported || !strings.Contains(err.Error(), want):
			t.Errorf("without %s: %v", want, err)
		}
		server.Stop()
		<-done
	}
}
