package config

import (
	"strings"
	"testing"
)

const hand = `
sources: [{name: a, type: ixpmanager, url: "https://ixp.example.net/api/v4", auth: {type: static, secret: "env:KEY"}}]
inventory:
  include: [gone.yaml]
  virtual_interfaces: [{id: 7, ethertype: "0x88a8"}]
  devices: [{name: sw1, driver: openconfig, address: 192.0.2.1, credentials: lab}]
credentials: {lab: {username: a, password: "env:PASSWORD"}}
`

func TestAdoptedInventoryTakesThePlaceOfWhatItSays(t *testing.T) {
	c, err := Adopted("ixagent.yaml", []byte(hand), []byte(`
fabric: {type: none}
devices: [{name: sw2, driver: openconfig, address: 192.0.2.2, credentials: lab, ports: [{id: 1, interface: Ethernet1}]}]
`), testDrivers())
	if err != nil {
		t.Fatal(err)
	}
	inv := &c.Inventory
	if len(inv.Devices) != 1 || inv.Devices[0].Name != "sw2" || len(inv.Devices[0].Ports) != 1 || len(inv.VirtualInterfaces) != 1 || c.Sources[0].Name != "a" {
		t.Errorf("%+v", inv)
	}
}

func TestAdoptedInventoryIsCheckedAsAny(t *testing.T) {
	for _, bad := range []struct{ inventory, fault string }{
		{"devices: [{name: sw2}]", "driver: is missing"},
		{"devices: [", "not YAML"},
		{"fabric: {type: none}", "devices: is missing"},
	} {
		text := strings.Replace(hand, "  devices: [{name: sw1, driver: openconfig, address: 192.0.2.1, credentials: lab}]\n", "", 1)
		if _, err := Adopted("ixagent.yaml", []byte(text), []byte(bad.inventory), testDrivers()); err == nil || !strings.Contains(err.Error(), bad.fault) {
			t.Errorf("%s: %v", bad.inventory, err)
		}
	}
}
