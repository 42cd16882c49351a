package ixapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestOneMalformedRecordDoesNotCostTheRest(t *testing.T) {
	const list = `[
	{"id": "a", "type": "p2p_vc", "state": "production", "vlan_config": {"vlan_type": "dot1q", "vlan": "7"}, "connection": "c1"},
	{"id": "b", "type": "p2p_vc", "state": "production", "vlan_config": {"vlan_type": "dot1q", "vlan": 5000}},
	{"id": "c", "type": "p2p_vc", "state": "production", "vlan_config": {"vlan_type": "qinq", "outer_vlan": 4, "inner_vlan": -1}},
	{"id": 4, "type": "p2p_vc"},
	17,
	null,
	{"id": "d", "type": "quantum_vc", "state": "resting", "vlan_config": null, "connection": null},
	{"id": "e", "type": "p2p_vc", "vlan_config": {"vlan_type": "qinq", "outer_vlan": 9, "outer_vlan_ethertype": "0x88a8", "inner_vlan": 8}},
	{"id": "e"}
]`
	got, faults, err := DecodeList[NetworkServiceConfig](NetworkServiceConfigs, Raw{[]byte(list)})
	if err != nil {
		t.Fatal(err)
	}
	want := []NetworkServiceConfig{
		{ID: "a", Type: "p2p_vc", State: "production", Connection: "c1", VLANConfig: &VLANConfig{Type: "dot1q"}, Faulty: true},
		{ID: "b", Type: "p2p_vc", State: "production", VLANConfig: &VLANConfig{Type: "dot1q", VLAN: 5000}, Faulty: true},
		{ID: "c", Type: "p2p_vc", State: "production", VLANConfig: &VLANConfig{Type: "qinq", OuterVLAN: 4}, Faulty: true},
		{Type: "p2p_vc", Faulty: true},
		{Faulty: true},
		{Faulty: true},
		{ID: "d", Type: "quantum_vc", State: "resting"},
		{ID: "e", Type: "p2p_vc", VLANConfig: &VLANConfig{Type: "qinq", Ethertype: "0x88a8", OuterVLAN: 9, InnerVLAN: 8}, Faulty: true},
		{ID: "e", Faulty: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	wantFaults := []string{
		`network-service-configs "a" /vlan_config/vlan: string where an integer from 0 to 65535 is expected`,
		`network-service-configs "b" /vlan_config/vlan: vlan 5000 is not within 1 to 4094`,
		`network-service-configs "c" /vlan_config/inner_vlan: number -1 where an integer from 0 to 65535 is expected`,
		`network-service-configs[3] /id: number where a string is expected`,
		`network-service-configs[3] /id: id is missing`,
		`network-service-configs[4]: number where an object is expected`,
		`network-service-configs[4] /id: id is missing`,
		`network-service-configs[5] /id: id is missing`,
		`network-service-configs "d" /type: unknown value "quantum_vc"`,
		`network-service-configs "d" /state: unknown value "resting"`,
		`network-service-configs "e": duplicate id: the records at 7 and 8`,
	}
	var texts []string
	for _, f := range faults {
		texts = append(texts, f.Error())
	}
	if diff := cmp.Diff(wantFaults, texts); diff != "" {
		t.Error(diff)
	}
}

func TestCutListYieldsNoRecords(t *testing.T) {
	const whole = "[\n  {\"id\": \"a\"},\n  {\"id\": \"b\"}\n]\n"
	for n := range len(whole) - 2 {
		records, faults, err := DecodeList[Port](Ports, Raw{[]byte(whole[:n])})
		var list *ListError
		if !errors.As(err, &list) || records != nil || len(faults) != 0 {
			t.Fatalf("cut at %d: records %v, faults %v, error %v", n, records, faults, err)
		}
		if list.Offset != int64(n) || list.Line != 1+strings.Count(whole[:n], "\n") {
			t.Errorf("cut at %d: reported at byte %d, line %d", n, list.Offset, list.Line)
		}
	}
}

// fixture reads the testdata of a collection.
func fixture(t testing.TB, c Collection) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", string(c)+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func fixtures(t testing.TB) map[Collection]Raw {
	lists := make(map[Collection]Raw)
	for _, c := range Collections() {
		lists[c] = Raw{fixture(t, c)}
	}
	return lists
}

// encode is the inverse of Decode.
func encode(t testing.TB, r *Records) map[Collection]Raw {
	t.Helper()
	lists := make(map[Collection]Raw)
	for c, list := range map[Collection]any{
		Accounts: r.Accounts, Facilities: r.Facilities, PoPs: r.PoPs, Devices: r.Devices,
		Ports: r.Ports, Connections: r.Connections, NetworkServices: r.NetworkServices,
		NetworkServiceConfigs: r.NetworkServiceConfigs, MACs: r.MACs, IPs: r.IPs,
		ProductOfferings: r.ProductOfferings, NetworkFeatures: r.NetworkFeatures,
		NetworkFeatureConfigs: r.NetworkFeatureConfigs, MemberJoiningRules: r.MemberJoiningRules,
	} {
		body, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		lists[c] = Raw{body}
	}
	return lists
}

// ignoreFaulty compares what was read of records, not how well.
var ignoreFaulty = cmp.FilterPath(func(p cmp.Path) bool {
	field, ok := p.Last().(cmp.StructField)
	return ok && field.Name() == "Faulty"
}, cmp.Ignore())

func TestFixturesAreReadWithoutFault(t *testing.T) {
	r, faults, err := Decode(fixtures(t))
	if err != nil || len(faults) != 0 {
		t.Fatal(err, faults)
	}
	again, faults, err := Decode(encode(t, r))
	if err != nil || len(faults) != 0 {
		t.Fatal(err, faults)
	}
	if diff := cmp.Diff(r, again); diff != "" {
		t.Error(diff)
	}

	config := r.NetworkServiceConfigs[2]
	want := NetworkServiceConfig{
		ID: "nsc-p2p", Type: ServiceP2P, State: StateProduction, Status: []StatusMessage{},
		ManagingAccount: "acc-ix", ConsumingAccount: "acc-north", NetworkService: "ns-p2p",
		Connection: "conn/1 a", Capacity: new(500),
		VLANConfig: &VLANConfig{Type: VLANTypeQinQ, Ethertype: Ethertype88A8, OuterVLAN: 7, InnerVLAN: 4094},
	}
	if diff := cmp.Diff(want, config); diff != "" {
		t.Error(diff)
	}
	cloud := r.NetworkServiceConfigs[6]
	if cloud.CloudVLAN != 0 || cloud.EffectiveCloudVLAN() != 55 || cloud.Handover != 2 {
		t.Errorf("%+v", cloud)
	}
	cloud.CloudConfig = nil
	if cloud.CloudVLAN = 66; cloud.EffectiveCloudVLAN() != 66 {
		t.Error("the older cloud_vlan is not used")
	}
	if from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); !r.MACs[0].ValidNotBefore.Equal(from) || !r.MACs[0].ValidNotAfter.IsZero() {
		t.Errorf("%+v", r.MACs[0])
	}
	status := r.Accounts[1].Status
	wantStatus := []StatusMessage{{
		Severity: 6, Tag: "loa_received", Message: "Letter of authorisation received",
		Attrs:     map[string]any{"document": "LOA-7", "pages": json.Number("2")},
		Timestamp: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
	}}
	if diff := cmp.Diff(wantStatus, status); diff != "" {
		t.Error(diff)
	}
}

func TestListsAreReadTogetherOrNotAtAll(t *testing.T) {
	lists := fixtures(t)
	lists[Ports] = Raw{[]byte(`[{"id":"a"}`)}
	lists[MACs] = Raw{[]byte(`{"type":"about:blank"}`)}
	lists[IPs] = nil
	lists["unicorns"] = Raw{[]byte(`[]`)}
	r, _, err := Decode(lists)
	if r != nil || err == nil {
		t.Fatal(r, err)
	}
	const want = `ports: page 1, line 1, column 12 (byte 11): the list is cut short
macs: page 1, line 1, column 2 (byte 1): not a JSON array
ips: page 1, line 1, column 1 (byte 0): the list is cut short
1 of 15 lists are of collections unknown to IX-API`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestListErrorSaysWhere(t *testing.T) {
	for _, test := range []struct {
		list string
		want string
	}{
		{"[\n  {\"id\": \"a\"},\n  {\"id\": @}\n]", "ports: page 2, line 3, column 11 (byte 27): invalid character '@' looking for beginning of value"},
		{"[\n  {\"id\": \"a\"} {}]", "ports: page 2, line 2, column 16 (byte 17): invalid character '{' after array element"},
		{"[] []", "ports: page 2, line 1, column 5 (byte 4): text after the end of the list"},
		{"<html>", "ports: page 2, line 1, column 2 (byte 1): invalid character '<' looking for beginning of value"},
		{"", "ports: page 2, line 1, column 1 (byte 0): the list is cut short"},
		{strings.Repeat("[", 20_000), "ports: page 2, line 1, column 10002 (byte 10001): invalid character '[' exceeded max depth"},
	} {
		records, _, err := DecodeList[Port](Ports, Raw{[]byte(`[{"id":"z"}]`), []byte(test.list)})
		if records != nil || err == nil || err.Error() != test.want {
			t.Errorf("%.40q:\ngot  %v\nwant %s", test.list, err, test.want)
		}
	}
}

func TestListOfNothingButFaultsIsRefused(t *testing.T) {
	list := "[" + strings.Repeat("0,", maxFaults+10) + "0]"
	records, _, err := DecodeList[Port](Ports, Raw{[]byte(list)})
	if records != nil || err == nil || !strings.Contains(err.Error(), "more than 10000 faults") {
		t.Error(err)
	}
}

func TestFaultsPointIntoTheRecord(t *testing.T) {
	for _, test := range []struct {
		collection Collection
		record     string
		want       string
	}{
		{MACs, `"valid_not_before":"yesterday"`, `macs "a" /valid_not_before: not a date-time of RFC 3339: "yesterday"`},
		{MACs, `"valid_not_after":7`, `macs "a" /valid_not_after: number where a string is expected`},
		{MACs, `"address":{}`, `macs "a" /address: object where a string is expected`},
		{IPs, `"prefix_length":"24"`, `ips "a" /prefix_length: string where an integer is expected`},
		{IPs, `"valid_not_after":"2026-13-01T00:00:00Z"`, `ips "a" /valid_not_after: not a date-time of RFC 3339: "2026-13-01T00:00:00Z"`},
		{Connections, `"mode":"bundle"`, `connections "a" /mode: unknown value "bundle"`},
		{Connections, `"lacp_timeout":"glacial"`, `connections "a" /lacp_timeout: unknown value "glacial"`},
		{Connections, `"vlan_types":["port","triple"]`, `connections "a" /vlan_types/1: unknown value "triple"`},
		{Connections, `"outer_vlan_ethertypes":["8100"]`, `connections "a" /outer_vlan_ethertypes/0: unknown value "8100"`},
		{Connections, `"speed":-1`, `connections "a" /speed: -1 is negative`},
		{Connections, `"ports":"p1"`, `connections "a" /ports: string where an array is expected`},
		{NetworkServiceConfigs, `"asns":[-1]`, `network-service-configs "a" /asns: number -1 where an integer from 0 to 4294967295 is expected`},
		{NetworkServiceConfigs, `"listed":"yes"`, `network-service-configs "a" /listed: string where a boolean is expected`},
		{NetworkServiceConfigs, `"role":"trunk"`, `network-service-configs "a" /role: unknown value "trunk"`},
		{NetworkServiceConfigs, `"vlan_config":[]`, `network-service-configs "a" /vlan_config: array where an object is expected`},
		{NetworkServiceConfigs, `"vlan_config":{"vlan_type":"mpls"}`, `network-service-configs "a" /vlan_config/vlan_type: unknown value "mpls"`},
		{NetworkServiceConfigs, `"vlan_config":{"vlan_type":"dot1q","vlan_ethertype":"0x86dd"}`, `network-service-configs "a" /vlan_config/vlan_ethertype: unknown value "0x86dd"`},
		{NetworkServiceConfigs, `"vlan_config":{"vlan_type":"qinq","outer_vlan_ethertype":"x"}`, `network-service-configs "a" /vlan_config/outer_vlan_ethertype: unknown value "x"`},
		{NetworkServiceConfigs, `"vlan_config":{"inner_vlan":4095}`, `network-service-configs "a" /vlan_config/inner_vlan: vlan 4095 is not within 1 to 4094`},
		{NetworkServiceConfigs, `"cloud_config":{"vlan":4095}`, `network-service-configs "a" /cloud_config/vlan: vlan 4095 is not within 1 to 4094`},
		{NetworkServices, `"type":"p2x_vc"`, `network-services "a" /type: unknown value "p2x_vc"`},
		{ProductOfferings, `"type":"connection","bandwidth_max":-5`, `product-offerings "a" /bandwidth_max: -5 is negative`},
		{NetworkFeatures, `"type":"time_machine"`, `network-features "a" /type: unknown value "time_machine"`},
		{NetworkFeatureConfigs, `"state":"gone"`, `network-feature-configs "a" /state: unknown value "gone"`},
		{MemberJoiningRules, `"type":"maybe"`, `member-joining-rules "a" /type: unknown value "maybe"`},
		{Facilities, `"latitude":"52"`, `facilities "a" /latitude: string where a number is expected`},
		{Accounts, `"status":[7,"x",{"severity":"high","message":"m","timestamp":"then"}],"state":"odd"`, `accounts "a" /state: unknown value "odd"`},
	} {
		// The id comes last: what is wrong before must not hide it.
		list := Raw{[]byte(`[{` + test.record + `,"id":"a"}]`)}
		_, faults, err := Decode(map[Collection]Raw{test.collection: list})
		if err != nil || len(faults) != 1 || faults[0].Error() != test.want {
			t.Errorf("%s:\ngot  %v %v\nwant %s", test.record, faults, err, test.want)
		}
	}
}

func TestUnknownValueDoesNotMakeARecordFaulty(t *testing.T) {
	list := Raw{[]byte(`[{"id":"a","state":"resting"},{"id":"b","speed":[]}]`)}
	ports, faults, err := DecodeList[Port](Ports, list)
	if err != nil || len(faults) != 2 || !errors.Is(faults[0], ErrUnknownValue) || errors.Is(faults[1], ErrUnknownValue) {
		t.Fatal(faults, err)
	}
	if ports[0].Faulty || ports[0].State != "resting" || ports[0].State.Known() || !ports[1].Faulty {
		t.Errorf("%+v", ports)
	}
}

func TestDuplicateAcrossPagesNamesBoth(t *testing.T) {
	ports, faults, err := DecodeList[Port](Ports, Raw{[]byte(`[{"id":"a"},{"id":"b"}]`), []byte(`[{"id":"a"}]`)})
	if err != nil || len(faults) != 1 || !errors.Is(faults[0], ErrDuplicateID) ||
		faults[0].Error() != `ports "a": duplicate id: the records at 0 and 2` {
		t.Fatal(faults, err)
	}
	if !ports[0].Faulty || ports[1].Faulty || !ports[2].Faulty {
		t.Errorf("%+v", ports)
	}
}

func TestTPID(t *testing.T) {
	for text, want := range map[Ethertype]uint16{
		"": 0x8100, "0x8100": 0x8100, "0x88a8": 0x88a8, "0x88A8": 0x88a8, "0X9100": 0x9100,
		"34984": 0x88a8, "33024": 0x8100, "37120": 0x9100, "0x9200": 0x9200,
		"8100": 0, "88a8": 0, "0x": 0, "0x0800": 0, "x": 0, "-33024": 0, "0x18100": 0, " 0x8100": 0,
	} {
		got, err := VLANConfig{Ethertype: text}.TPID()
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("TPID of %q is %#x, %v; want %#x", text, got, err, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"00:00:5e:00:53:01": "00005e005301", "00-00-5E-00-53-01": "00005e005301", "0000.5e00.5301": "00005e005301",
		"": "", "01:00:5e:00:00:01": "", "ff:ff:ff:ff:ff:ff": "", "00:00:00:00:00:00": "", "00:00:5e:00:53:01:02:03": "", "x": "",
	} {
		hw, err := (&MAC{ID: "m", Address: text}).HardwareAddr()
		if got := fmt.Sprintf("%x", hw); err == nil && got != want || (err != nil) != (want == "") {
			t.Errorf("address of %q is %s, %v", text, got, err)
		}
	}
	for _, test := range []struct {
		address string
		length  int
		want    string
	}{
		{"192.0.2.17", 24, "192.0.2.17/24"},
		{"2001:db8::1", 64, "2001:db8::1/64"},
		{"192.0.2.17", 33, ""},
		{"192.0.2.17", -1, ""},
		{"fe80::1%eth0", 64, ""},
		{"x", 1, ""},
	} {
		prefix, err := (&IP{ID: "i", Address: test.address, PrefixLength: test.length}).Prefix()
		if err == nil && prefix.String() != test.want || (err != nil) != (test.want == "") {
			t.Errorf("%s/%d is %s, %v", test.address, test.length, prefix, err)
		}
	}
}

func TestValidityWindow(t *testing.T) {
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	until := from.Add(time.Hour)
	for _, test := range []struct {
		mac   MAC
		at    time.Time
		valid bool
	}{
		{MAC{}, from, true},
		{MAC{ValidNotBefore: from}, from.Add(-1), false},
		{MAC{ValidNotBefore: from}, from, true},
		{MAC{ValidNotAfter: until}, until, true},
		{MAC{ValidNotAfter: until}, until.Add(1), false},
		{MAC{ValidNotBefore: from, ValidNotAfter: until}, from.Add(time.Minute), true},
	} {
		ip := IP{ValidNotBefore: test.mac.ValidNotBefore, ValidNotAfter: test.mac.ValidNotAfter}
		if test.mac.Valid(test.at) != test.valid || ip.Valid(test.at) != test.valid {
			t.Errorf("%+v at %v", test.mac, test.at)
		}
	}
}

func TestEveryStateOfTheSpecificationIsKnown(t *testing.T) {
	for s := range strings.FieldsSeq("requested allocated testing production production_change_pending decommission_requested decommissioned archived error operator scheduled cancelled") {
		if !State(s).Known() {
			t.Errorf("%s is not known", s)
		}
	}
	if State("").Known() || State("Production").Known() || Mode("").Known() || VLANType("").Known() || ServiceType("connection").Known() || !OfferingType("connection").Known() || !OfferingType("p2p_vc").Known() {
		t.Error("a value that is not of the specification is known, or the reverse")
	}
}

// anyConfig draws a record a decoder can produce.
func anyConfig(t *rapid.T, id string) NetworkServiceConfig {
	text := rapid.SampledFrom([]string{"", "a", "b/c d", "\x00é\u2028", "0x88a8"})
	ids := rapid.Map(rapid.SliceOfN(text, 0, 3), func(s []string) []string {
		if len(s) == 0 {
			return nil
		}
		return s
	})
	c := NetworkServiceConfig{
		ID:                id,
		Type:              ServiceType(rapid.SampledFrom([]string{"", "exchange_lan", "p2p_vc", "odd"}).Draw(t, "type")),
		State:             State(rapid.SampledFrom([]string{"", "production", "odd"}).Draw(t, "state")),
		DecommissionAt:    text.Draw(t, "decommission_at"),
		ManagingAccount:   text.Draw(t, "managing"),
		ConsumingAccount:  text.Draw(t, "consuming"),
		ExternalRef:       text.Draw(t, "external_ref"),
		NetworkService:    text.Draw(t, "service"),
		Connection:        text.Draw(t, "connection"),
		RoutingFunction:   text.Draw(t, "routing_function"),
		ProductOffering:   text.Draw(t, "offering"),
		Capacity:          rapid.Ptr(rapid.Int(), true).Draw(t, "capacity"),
		MACs:              ids.Draw(t, "macs"),
		IPs:               ids.Draw(t, "ips"),
		ASNs:              rapid.SampledFrom([][]uint32{nil, {}, {0, 1<<32 - 1}}).Draw(t, "asns"),
		ConsumerSideReady: rapid.Ptr(rapid.Bool(), true).Draw(t, "ready"),
		Role:              Role(text.Draw(t, "role")),
		Handover:          rapid.Uint16().Draw(t, "handover"),
		CloudVLAN:         rapid.Uint16().Draw(t, "cloud_vlan"),
		Listed:            rapid.Bool().Draw(t, "listed"),
	}
	if rapid.Bool().Draw(t, "has vlan_config") {
		c.VLANConfig = &VLANConfig{
			Type:      VLANType(rapid.SampledFrom([]string{"", "port", "dot1q", "qinq", "odd"}).Draw(t, "vlan_type")),
			Ethertype: Ethertype(text.Draw(t, "ethertype")),
			VLAN:      rapid.Uint16().Draw(t, "vlan"),
			OuterVLAN: rapid.Uint16().Draw(t, "outer"),
			InnerVLAN: rapid.Uint16().Draw(t, "inner"),

			Transparent: rapid.Bool().Draw(t, "transparent"),
		}
	}
	if rapid.Bool().Draw(t, "has cloud_config") {
		c.CloudConfig = &CloudConfig{VLAN: rapid.Uint16().Draw(t, "cloud vlan"), PeeringType: text.Draw(t, "peering")}
	}
	if rapid.Bool().Draw(t, "has status") {
		c.Status = []StatusMessage{{
			Severity:  rapid.IntRange(0, 7).Draw(t, "severity"),
			Message:   text.Draw(t, "message"),
			Timestamp: time.Unix(rapid.Int64Range(-1<<33, 1<<37).Draw(t, "timestamp"), 0),
		}}
	}
	return c
}

func TestConfigsSurviveEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []NetworkServiceConfig
		for i := range rapid.IntRange(0, 4).Draw(t, "records") {
			want = append(want, anyConfig(t, fmt.Sprint(i)))
		}
		body, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			body = []byte("[]")
			want = []NetworkServiceConfig{}
		}
		got, _, err := DecodeList[NetworkServiceConfig](NetworkServiceConfigs, Raw{body})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, ignoreFaulty); diff != "" {
			t.Error(diff)
		}
		var plain []NetworkServiceConfig
		if err := json.Unmarshal(body, &plain); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, plain, ignoreFaulty); diff != "" {
			t.Error(diff)
		}
		for _, c := range want {
			body, err := json.Marshal(c.VLANConfig)
			if err != nil {
				t.Fatal(err)
			}
			var got *VLANConfig
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.VLANConfig, got); diff != "" {
				t.Error(diff)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	for i, c := range Collections() {
		f.Add(uint8(i), fixture(f, c))
	}
	f.Add(uint8(12), []byte(`[{"id":"a","vlan_config":{"vlan":"x","outer_vlan":5000},"status":[1,{"timestamp":"9999-12-31T23:59:59-23:59"}],"macs":[null]}]`))
	f.Add(uint8(10), []byte(`[{"id":"a","valid_not_before":"0000-01-01T00:00:00+23:59"},null,7]`))
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		c := Collections()[int(which)%len(Collections())]
		r, faults, err := Decode(map[Collection]Raw{c: {body}})
		if err != nil {
			if r != nil {
				t.Fatal("a broken list has records")
			}
			return
		}
		for _, f := range faults {
			_ = f.Error()
		}
		lists := encode(t, r)
		again, _, err := Decode(map[Collection]Raw{c: lists[c]})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, again, ignoreFaulty); diff != "" {
			t.Error(diff)
		}
	})
}

// configs returns a list of n network service configs, as an exchange sends it.
func configs(n int) []byte {
	var b bytes.Buffer
	b.WriteString("[")
	for i := range n {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, `{"id":"IX:Config:%d","type":"exchange_lan","state":"production","status":[],"managing_account":"IX:Account:1",`+
			`"consuming_account":"IX:Account:%d","external_ref":null,"billing_account":"IX:Account:%[2]d","purchase_order":"","contract_ref":null,`+
			`"role_assignments":["IX:Role:%[2]d","IX:Role:7"],"network_service":"IX:Service:%d","connection":"IX:Connection:%d","routing_function":null,`+
			`"vlan_config":{"vlan_type":"qinq","outer_vlan":%d,"outer_vlan_ethertype":"0x88a8","inner_vlan":%d},"network_feature_configs":[],`+
			`"product_offering":"IX:Offering:%d","capacity":1000,"asns":[%d],"macs":["IX:MAC:%[1]d"],"ips":["IX:IP:%[1]d"],"listed":true,`+
			`"decommission_at":null,"charged_until":null,"current_billing_start_date":"2026-01-01"}`,
			i, i/20, i%300, i/5, 1+i%4094, 1+i/3%4094, i%40, 64512+i)
	}
	b.WriteString("]")
	return b.Bytes()
}

func BenchmarkDecodeNetworkServiceConfigs(b *testing.B) {
	raw := Raw{configs(10_000)}
	b.SetBytes(int64(raw.Size()))
	b.ReportAllocs()
	for b.Loop() {
		records, faults, err := DecodeList[NetworkServiceConfig](NetworkServiceConfigs, raw)
		if err != nil || len(faults) != 0 || len(records) != 10_000 {
			b.Fatal(err, faults)
		}
	}
}

func BenchmarkCompareUnchangedList(b *testing.B) {
	raw, same := Raw{configs(10_000)}, Raw{configs(10_000)}
	b.SetBytes(int64(raw.Size()))
	for b.Loop() {
		if !raw.Equal(same) {
			b.Fatal("equal lists differ")
		}
	}
}
