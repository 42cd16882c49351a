package eos

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/switchcfg"
)

func TestWhatASwitchDoesIsRead(t *testing.T) {
	var a answer
	for text, into := range map[string]any{
		`{"interfaces":{
			"Ethernet1":{"name":"Ethernet1","interfaceStatus":"connected","lineProtocolStatus":"up","interfaceCounters":{
				"inUcastPkts":5,"inMulticastPkts":1,"inBroadcastPkts":1,"outUcastPkts":18446744073709551613,"outMulticastPkts":2}},
			"Ethernet2":{"interfaceStatus":"disabled","lineProtocolStatus":"down"},
			"Management1":{"interfaceStatus":"connected","lineProtocolStatus":"up"},
			"Port-Channel10":{"interfaceStatus":"connected","lineProtocolStatus":"up","memberInterfaces":{"Ethernet10":{},"Ethernet9":{"bandwidth":1}}},
			"Port-Channel10.100":{"interfaceStatus":"connected","lineProtocolStatus":"up","interfaceCounters":{"inUcastPkts":5,"outUcastPkts":6,"inDiscards":2,"outDiscards":1}},
			"Port-Channel10.200":{"interfaceStatus":"notconnect","lineProtocolStatus":"lowerlayerdown"},
			"Port-Channel10.300":{"interfaceStatus":"connected","lineProtocolStatus":"up"}}}`: &a.interfaces,
		`{"portChannels":{"Port-Channel10":{"interfaces":{
			"Ethernet9":{"actorPortStatus":"bundled","partnerSystemId":"8000,02-00-00-00-07-07","partnerPortState":{"synchronization":true,"collecting":true,"distributing":true}},
			"Ethernet10":{"actorPortStatus":"noAgg","partnerSystemId":"0000,00-00-00-00-00-00","partnerPortState":{"synchronization":true}}}}}}`: &a.lacp,
		`{"unicastTable":{"tableEntries":[
			{"macAddress":"02:1a:00:00:00:01","vlanId":600,"interface":"Port-Channel10.100","entryType":"dynamic"},
			{"macAddress":"02:1a:00:00:00:02","vlanId":600,"interface":"Vxlan1"},
			{"macAddress":"02:1a:00:00:00:03","vlanId":600,"interface":"Ethernet5"},
			{"macAddress":"02:1a:00:00:00:04","vlanId":1,"interface":"Port-Channel10.100"}]}}`: &a.stations,
	} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	one := switchcfg.Key{Kind: switchcfg.KindCircuit, Name: "Port-Channel10", Unit: 100}
	two := switchcfg.Key{Kind: switchcfg.KindCircuit, Name: "Port-Channel10", Unit: 200}
	config := make(switchcfg.State)
	config.Put(&switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceLAN, VLAN: 600},
		&switchcfg.Circuit{Parent: one.Name, Unit: one.Unit, Service: "ix-1"}, &switchcfg.Opaque{At: two})
	want := drivers.OperState{
		Ports: map[string]drivers.PortState{
			"Ethernet1":      {AdminUp: true, Up: true, InFrames: 7, OutFrames: 1<<64 - 1},
			"Ethernet2":      {},
			"Port-Channel10": {AdminUp: true, Up: true, Members: []string{"Ethernet9", "Ethernet10"}},
		},
		LACP: map[string]drivers.LACPState{
			"Ethernet9":  {LAG: "Port-Channel10", InSync: true, Collecting: true, Distributing: true, Partner: switchcfg.MAC{2, 0, 0, 0, 7, 7}},
			"Ethernet10": {LAG: "Port-Channel10"},
		},
		Circuits: map[switchcfg.Key]drivers.CircuitState{
			one: {AdminUp: true, Up: true, Counted: true, InFrames: 5, OutFrames: 6, Dropped: 3},
			two: {AdminUp: true},
		},
		Stations: map[drivers.Station]switchcfg.Key{
			{Service: "ix-1", MAC: switchcfg.MAC{2, 0x1a, 0, 0, 0, 1}}: one,
			{Service: "ix-1", MAC: switchcfg.MAC{2, 0x1a, 0, 0, 0, 2}}: {},
		},
	}
	if diff := cmp.Diff(want, a.state(config)); diff != "" {
		t.Error(diff)
	}
	if s := new(answer).state(config); s.Circuits != nil || s.Filters != nil {
		t.Errorf("a device that says nothing of circuits and filters has %v, %v", s.Circuits, s.Filters)
	}
}

func TestStationBehindAPortIsBehindTheCircuitOfItsVLAN(t *testing.T) {
	var a answer
	text := `{"unicastTable":{"tableEntries":[
		{"macAddress":"02:1a:00:00:00:01","vlanId":600,"interface":"Ethernet5","entryType":"dynamic"},
		{"macAddress":"02:1a:00:00:00:02","vlanId":600,"interface":"Ethernet6"}]}}`
	if err := json.Unmarshal([]byte(text), &a.stations); err != nil {
		t.Fatal(err)
	}
	config := make(switchcfg.State)
	c := &switchcfg.Circuit{Parent: "Ethernet5", Unit: 7, Service: "ix-1"}
	config.Put(&switchcfg.Service{Name: "ix-1", Type: switchcfg.ServiceLAN, VLAN: 600}, c, &switchcfg.Circuit{Parent: "Ethernet6", Unit: 8, Service: "ix-2"})
	want := map[drivers.Station]switchcfg.Key{{Service: "ix-1", MAC: switchcfg.MAC{2, 0x1a, 0, 0, 0, 1}}: c.Key()}
	if diff := cmp.Diff(want, a.state(config).Stations); diff != "" {
		t.Error(diff)
	}
}
