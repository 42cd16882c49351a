package config

import (
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/ixagent/ixagent/models/ixapi"
)

const witnessed = `
sources:
  - {name: exchange, type: file, path: records}
  - {name: manager, type: ixpmanager, url: "https://ixp.example.net/api/v4", auth: {type: static, secret: env:K}, witness: true,
     ids: {devices: {sw2: Switch Two}, ports: {sw2/Ethernet2: a-port}, exchange_lans: {media: vlan-7}}}
  - {name: books, type: file, path: books, witness: true, cannot_say: [macs]}
credentials: {lab: {username: ixagent, password: env:PW}}
policy: {testing: {exchange_lan: production}}
inventory:
  exchange_lans: [{network_service: peering-id, name: peering, vlan: 100}, {network_service: media-id, name: media, vlan: 200}]
  devices:
    - {name: sw1, id: one, driver: openconfig, address: 192.0.2.1, credentials: lab, ports: [{id: p1, interface: Ethernet1}, {name: Port 2, interface: Ethernet2}]}
    - {name: sw2, id: two, driver: openconfig, address: 192.0.2.2, credentials: lab, ports: [{id: p3, interface: Ethernet1}, {id: p4, interface: Ethernet2}]}
`

func TestWitnessHasItsOwnIDs(t *testing.T) {
	c, err := parseFiles([]txtar.File{{Name: "c.yaml", Data: []byte(witnessed)}})
	if err != nil {
		t.Fatal(report(err))
	}
	own, books := c.Inventory.As(c.Sources[1]), c.Inventory.As(c.Sources[2])
	if c.Inventory.As(c.Sources[0]) != &c.Inventory {
		t.Error("the source that provisions has other ids than the inventory")
	}
	for _, x := range []struct {
		inv  *Inventory
		port ixapi.Port
		at   string // "" for nowhere
	}{
		{own, ixapi.Port{ID: "p1"}, "sw1/Ethernet1"},
		{own, ixapi.Port{ID: "sw1/Ethernet2", Device: "sw1", Name: "Ethernet2"}, "sw1/Ethernet2"},
		{own, ixapi.Port{ID: "x", Device: "one", Name: "Port 2"}, "sw1/Ethernet2"},
		{own, ixapi.Port{ID: "x", Device: "Switch Two", Name: "Ethernet1"}, "sw2/Ethernet1"},
		{own, ixapi.Port{ID: "a-port"}, "sw2/Ethernet2"},
		{own, ixapi.Port{ID: "x", Device: "sw3", Name: "Ethernet1"}, ""},
		{books, ixapi.Port{ID: "a-port"}, ""},
		{&c.Inventory, ixapi.Port{ID: "x", Device: "sw1", Name: "Ethernet2"}, ""},
	} {
		at, ok := x.inv.Attachment(&x.port)
		got := ""
		if ok {
			got = at.Device.Name + "/" + at.Port.Interface
			if d, known := x.inv.DeviceByID(x.port.Device); x.port.Device != "" && (!known || d != at.Device) {
				t.Errorf("%+v: its device is not known", x.port)
			}
		}
		if got != x.at {
			t.Errorf("%+v is at %q, not %q", x.port, got, x.at)
		}
	}
	for id, name := range map[ixapi.ID]string{"peering-id": "peering", "vlan-100": "peering", "vlan-7": "media", "vlan-200": "media"} {
		if lan, ok := own.ExchangeLAN(id); !ok || lan.Name != name {
			t.Errorf("%s is %+v, not %s", id, lan, name)
		}
	}
	if _, ok := books.ExchangeLAN("vlan-100"); ok {
		t.Error("a LAN has the id that an IXP Manager has for it")
	}
	if m := c.Sources[1]; m.CanSay(MatterQinQ) || !m.CanSay(MatterMACs) || c.Sources[2].CanSay(MatterMACs) || !c.Sources[0].CanSay(MatterQinQ) {
		t.Error("what sources have no words for is not what the configuration says")
	}
}
