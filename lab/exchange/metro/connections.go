package metro

import (
	"fmt"
	"slices"
)

// A bundle says how the ports of one member come together in a connection.
type bundle struct {
	owner     int // member number, 1 for the first
	device    int // 0 to 3
	mode      string
	timeout   string
	ports     int
	speed     int // of each port, Mbit/s
	types     []string
	ethertype []string
	state     string
}

func (b *builder) connect(w bundle) *connection {
	m, d := b.members[w.owner], b.devices[w.device]
	c := &connection{
		ID: fmt.Sprintf("conn:%d", 30001+len(b.conns)), stateful: stateful{State: w.state, Status: []message{}}, ownable: m.own(),
		invoiceable: m.pays(), RoleAssignments: m.roles(), Name: fmt.Sprintf("%s-%d", d.Name, 1+len(b.conns)), Mode: w.mode,
		ProductOffering: fmt.Sprintf("po:connection-%dg", w.speed/1000), Ports: []string{}, PortReservations: []string{}, Pop: d.Pop,
		Speed: ref(w.ports * w.speed), VLANTypes: w.types, Ethertypes: w.ethertype, PortQuantity: max(w.ports, 1),
		SubscriberDemarcs: []string{}, MetroArea: area, MetroAreaNetworkID: network, owner: m,
	}
	if w.timeout != "" {
		c.LACPTimeout = ref(w.timeout)
	}
	if len(b.conns)%2 == 0 {
		c.CapacityLimit = ref(max(w.ports, 1) * w.speed)
	}
	b.conns = append(b.conns, c)
	for range w.ports {
		b.plug(c, d, w.speed)
	}
	return c
}

// plug gives a connection the next port of a device.
func (b *builder) plug(c *connection, d *device, speed int) {
	p := b.port(d, speed)
	p.ownable, p.invoiceable, p.RoleAssignments = c.ownable, c.invoiceable, c.RoleAssignments
	p.ExternalRef = nil
	p.Connection = ref(c.ID)
	p.OperationalState = "up"
	p.State = "production"
	c.Ports = append(c.Ports, p.ID)
}

// port is Ethernet<n> of its device; every ninth record leaves the name out, as exchanges do.
func (b *builder) port(d *device, speed int) *port {
	d.used++
	x := b.members[0]
	p := &port{
		ID: fmt.Sprintf("port:%s:%d", d.Name, d.used), stateful: stateful{State: "allocated", Status: []message{}}, ownable: x.own(),
		invoiceable: x.pays(), RoleAssignments: x.roles(), Name: ref(fmt.Sprintf("Ethernet%d", d.used)), Speed: speed,
		MediaType: "10GBASE-LR", OperationalState: "down", Device: d.ID, Pop: d.Pop,
	}
	if speed == 100000 {
		p.MediaType = "100GBASE-LR4"
	}
	if d.used%9 == 0 {
		p.Name = nil
	}
	b.ports = append(b.ports, p)
	return p
}

// freePorts leaves four unsold ports on every device, which are what its capabilities offer.
func (b *builder) freePorts() {
	for _, d := range b.devices {
		for i := range 4 {
			b.port(d, []int{10000, 10000, 10000, 100000}[i])
		}
		d.Capabilities = []capability{
			{MediaType: "10GBASE-LR", Speed: 10000, MaxLAG: 8, Availability: 3},
			{MediaType: "100GBASE-LR4", Speed: 100000, MaxLAG: 8, Availability: 1},
		}
	}
}

var ethertypes = []string{ctag, stag, legacy}

// connections builds the healthy ones: fifteen that carry one untagged config each, and sixteen trunks, eight of
// 0x8100 and four of each other ethertype, of which every switch has its share.
func (b *builder) connections() {
	for i := range 15 {
		w := bundle{
			owner: 5 + i, device: i % 4, mode: "standalone", ports: 1, speed: 10000, types: []string{"port"},
			ethertype: []string{ethertypes[i%3]}, state: "production",
		}
		switch i % 5 {
		case 1:
			w.mode, w.timeout, w.ports = "lag_lacp", "slow", 2
		case 3:
			w.mode, w.ports = "lag_static", 2
		}
		b.whole = append(b.whole, b.connect(w))
	}
	owners := []int{dreistrom, wacholder, 1, 2, 3, 20, 21, 22, 24, 25, wacholder, 26, 8, 14, dreistrom, 17}
	for i, owner := range owners {
		w := bundle{
			owner: owner, device: i % 4, ports: 2, speed: 10000, types: []string{"dot1q", "qinq"},
			ethertype: []string{ethertypes[max(0, i/4-1)]}, state: "production",
		}
		switch (i + i/4) % 4 {
		case 0:
			w.mode, w.timeout, w.ports = "lag_lacp", "slow", 3
		case 1:
			w.mode, w.timeout = "lag_lacp", "fast"
		case 2:
			w.mode = "lag_static"
		case 3:
			w.mode, w.ports, w.speed = "standalone", 1, 100000
		}
		c := b.connect(w)
		switch i {
		case 6:
			c.State, c.ExternalRef = "production_change_pending", ref("case:state-production_change_pending")
			c.Status = note(5, "upgrade_pending", "another port is being patched")
		case 7:
			c.State, c.ExternalRef = "decommission_requested", ref("case:state-decommission_requested")
			c.DecommissionAt, c.ChargedUntil = "2027-06-30", "2027-06-30"
		}
		b.trunks = append(b.trunks, c)
	}
}

func note(severity int, tag, text string) []message {
	return []message{{Severity: severity, Tag: tag, Message: text, Attrs: map[string]string{}, Timestamp: stamp}}
}

// trunksOf returns the healthy trunks of one ethertype.
func (b *builder) trunksOf(ethertype string) []*connection {
	var out []*connection
	for _, c := range b.trunks {
		if slices.Contains(c.Ethertypes, ethertype) {
			out = append(out, c)
		}
	}
	return out
}

// tag hands out the next free tag of a connection: single tags between 101 and 999, outer tags from 2001 upwards, so
// that the two never meet.
func (c *connection) tag(kind string) any {
	if kind == "port" {
		return untagged{VLANType: "port"}
	}
	c.tags++
	switch kind {
	case "dot1q":
		return dot1q{VLANType: kind, VLAN: ref(100 + c.tags), Ethertype: c.Ethertypes[0]}
	default:
		return qinq{VLANType: kind, Outer: 2000 + c.tags, Ethertype: c.Ethertypes[0], Inner: 10 + c.tags}
	}
}
