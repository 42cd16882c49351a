package oc_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/openconfig/ygot/ygot"

	"github.com/ixagent/ixagent/models/oc"
	"github.com/ixagent/ixagent/models/oc/octest"
)

func TestGeneratedFileIsWhatTheModelsSay(t *testing.T) {
	octest.Models(t)
	out := filepath.Join(t.TempDir(), "oc.go")
	cmd := exec.Command("go", "run", "./gen", out)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("generate: %v\n%s", err, msg)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("oc.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("oc.go is not what ./gen writes; run go generate ./models/oc")
	}
}

func TestModulesNameTheNamespaceNotTheGrouping(t *testing.T) {
	modules := oc.Modules()
	for path, want := range map[string]string{
		"/interfaces":                                                               "openconfig-interfaces",
		"/interfaces/interface/name":                                                "openconfig-interfaces",
		"/interfaces/interface/config/tpid":                                         "openconfig-vlan",
		"/interfaces/interface/state/tpid":                                          "openconfig-vlan",
		"/interfaces/interface/ethernet/config/aggregate-id":                        "openconfig-if-aggregate",
		"/interfaces/interface/config/storm-control-kbps":                           "ixagent-openconfig-ext",
		"/interfaces/interface/subinterfaces/subinterface/config/tpid":              "ixagent-openconfig-ext",
		"/acl/acl-sets/acl-set/acl-entries/acl-entry/l2/config/source-mac":          "openconfig-acl",
		"/network-instances/network-instance/fdb/mac-table/entries/entry/state/age": "openconfig-network-instance",
		"/lacp/interfaces/interface/members/member/state/counters/lacp-in-pkts":     "openconfig-lacp",
	} {
		if got := modules[path]; got != want {
			t.Errorf("%s: module %q, want %q", path, got, want)
		}
	}
}

func TestIdentitiesKnowTheirModule(t *testing.T) {
	for path, want := range map[string][2]string{
		"/interfaces/interface/config/type":                            {"ieee8023adLag", "iana-if-type"},
		"/interfaces/interface/config/tpid":                            {"TPID_0X9100", "openconfig-vlan-types"},
		"/interfaces/interface/subinterfaces/subinterface/config/tpid": {"TPID_0X88A8", "openconfig-vlan-types"},
		"/network-instances/network-instance/config/type":              {"L2VSI", "openconfig-network-instance-types"},
	} {
		if got := oc.Identities(path)[want[0]]; got != want[1] {
			t.Errorf("%s: %s is of module %q, want %q", path, want[0], got, want[1])
		}
	}
	if got := oc.Identities("/interfaces/interface/config/name"); got != nil {
		t.Errorf("a string leaf has identities %v", got)
	}
}

func TestTypedTreeIsValidOpenConfig(t *testing.T) {
	var d oc.Device
	lag := d.GetOrCreateInterface("ae1")
	lag.Type = oc.IETFInterfaces_InterfaceType_ieee8023adLag
	lag.Tpid = oc.VlanTypes_TPID_TYPES_TPID_0X88A8
	lag.StormControlKbps = ygot.Uint64(10_000)
	lag.GetOrCreateAggregation().LagType = oc.IfAggregate_AggregationType_LACP
	sub := lag.GetOrCreateSubinterface(100)
	sub.MacLimit = ygot.Uint32(1)
	sub.Transparent = ygot.Bool(true)
	sub.Tpid = oc.VlanTypes_TPID_TYPES_TPID_0X9100
	match := sub.GetOrCreateVlan().GetOrCreateMatch().GetOrCreateDoubleTagged()
	match.OuterVlanId, match.InnerVlanId = ygot.Uint16(100), ygot.Uint16(7)
	port := d.GetOrCreateInterface("eth1")
	port.Type = oc.IETFInterfaces_InterfaceType_ethernetCsmacd
	port.GetOrCreateEthernet().AggregateId = ygot.String("ae1")
	lacp := d.GetOrCreateLacp().GetOrCreateInterface("ae1")
	lacp.Interval = oc.Lacp_LacpPeriodType_SLOW
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	text, err := ygot.EmitJSON(&d, &ygot.EmitJSONConfig{
		Format:        ygot.RFC7951,
		RFC7951Config: &ygot.RFC7951JSONConfig{AppendModuleName: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	octest.Validate(t, []byte(text), "config")
	if _, err := oc.Root(); err != nil {
		t.Fatal(err)
	}
}
