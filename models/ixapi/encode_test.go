package ixapi

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatIsEncodedIsDecodedInOrder(t *testing.T) {
	speed := 10000
	r := &Records{
		Accounts: []Account{{ID: "b"}, {ID: "a", Name: "Aardvark", State: StateProduction}},
		Devices:  []Device{{ID: "sw1", Name: "sw1"}},
		Ports:    []Port{{ID: "sw1/Ethernet1", State: StateProduction, Device: "sw1", Name: "Ethernet1", Connection: "vi-7"}},
		Connections: []Connection{{
			ID: "vi-7", State: StateError, Mode: ModeStandalone, Ports: []ID{"sw1/Ethernet1"}, Speed: &speed,
			Status: []StatusMessage{{Severity: 3, Tag: "x", Message: "y", Attrs: map[string]any{}}},
		}},
		NetworkServices:       []NetworkService{{ID: "vlan-10", Type: ServiceExchangeLAN, State: StateProduction}},
		NetworkServiceConfigs: []NetworkServiceConfig{{ID: "vli-1", Type: ServiceExchangeLAN, State: StateProduction, NetworkService: "vlan-10", Connection: "vi-7", VLANConfig: &VLANConfig{Type: VLANTypeDot1Q, VLAN: 10}}},
		MACs:                  []MAC{{ID: "m", Address: "00:53:00:00:00:01"}},
	}
	lists, err := Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Collections() {
		if _, there := lists[c]; !there {
			t.Errorf("%s is missing", c)
		}
	}
	got, faults, err := Decode(lists)
	if err != nil || len(faults) > 0 {
		t.Fatal(err, faults)
	}
	slices.Reverse(r.Accounts)
	for _, both := range [][2]any{
		{r.Accounts, got.Accounts},
		{r.Devices, got.Devices},
		{r.Ports, got.Ports},
		{r.Connections, got.Connections},
		{r.NetworkServices, got.NetworkServices},
		{r.NetworkServiceConfigs, got.NetworkServiceConfigs},
		{r.MACs, got.MACs},
	} {
		if d := cmp.Diff(both[0], both[1]); d != "" {
			t.Error(d)
		}
	}
	slices.Reverse(r.Accounts)
	again, err := Encode(r)
	if err != nil || !again[Accounts].Equal(lists[Accounts]) {
		t.Errorf("another order: %s, %v", again[Accounts], err)
	}
}
