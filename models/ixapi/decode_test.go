package ixapi

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
