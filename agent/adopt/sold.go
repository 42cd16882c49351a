package adopt

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// sale is a connection as far as it ends on a switch of the configuration.
type sale struct {
	conn     *ixapi.Connection
	device   string
	ports    []*ixapi.Port
	circuits []soldCircuit
}

func (s *sale) isLAG() bool {
	return s.conn.Mode == ixapi.ModeLAGLACP || s.conn.Mode == ixapi.ModeLAGStatic
}

// soldCircuit is a network service config as the compiler makes it.
type soldCircuit struct {
	config  *ixapi.NetworkServiceConfig
	circuit *switchcfg.Circuit
	sources []switchcfg.MAC // registered, of a LAN that admits no other
	service *soldService
}

// soldService is a service that circuits join: a peering LAN, its quarantine, or one made per order.
type soldService struct {
	of         *ixapi.NetworkService
	quarantine bool
	handover   uint16 // of cloud_vc
	name       string // in the compiler's world
}

// sold is what the records ask of the switches of the configuration.
type sold struct {
	ids      map[string]ixapi.ID                    // of the devices at the exchange, by name
	why      map[string]string                      // evidence of them
	sales    map[string][]*sale                     // by device, in the order of connections
	services map[string]*soldService                // by their names in the compiler's world
	free     map[string][]*ixapi.Port               // of no connection, by device
	configs  map[string]*ixapi.NetworkServiceConfig // by record, as in a [switchcfg.Tag]
}

// sell compiles the records for switches of which nothing is known but what they can do.
func sell(in Input) (*sold, error) {
	s := &sold{
		sales: make(map[string][]*sale), services: make(map[string]*soldService), free: make(map[string][]*ixapi.Port),
		configs: make(map[string]*ixapi.NetworkServiceConfig),
	}
	s.identify(in)
	text, places := s.world(in)
	c, err := config.Parse("records", text, nil, in.Drivers)
	if err != nil {
		return nil, fmt.Errorf("the records cannot be compiled by themselves: %w", err)
	}
	for i := range in.Records.NetworkServiceConfigs {
		n := &in.Records.NetworkServiceConfigs[i]
		s.configs[switchcfg.NewTag("nsc", n.ID, "").Record] = n
	}
	compiler := compile.New(&c.Inventory, in.Config.Policy, compile.NewAllocations(nil, compile.Cooling))
	compiler.Set(in.Records, in.Faults, in.Now)
	byParent := make(map[string]map[string][]soldCircuit)
	for _, d := range c.Inventory.Devices {
		byParent[d.Name] = s.circuits(compiler.Intent(d.Name).State)
	}
	s.connect(in, places, byParent)
	return s, nil
}

// identify finds the devices at the exchange: by the id that the configuration gives, or by their names.
func (s *sold) identify(in Input) {
	s.ids, s.why = make(map[string]ixapi.ID), make(map[string]string)
	known := make(map[ixapi.ID]bool)
	names := make(map[string][]ixapi.ID)
	for _, d := range in.Records.Devices {
		known[d.ID] = true
		names[d.Name] = append(names[d.Name], d.ID)
	}
	for _, p := range in.Records.Ports {
		known[p.Device] = true
	}
	for _, d := range in.Config.Inventory.Devices {
		s.ids[d.Name] = d.ID
		if ids := names[d.Name]; !known[d.ID] && len(ids) == 1 && writable(ids[0]) {
			s.ids[d.Name], s.why[d.Name] = ids[0], "the exchange has one device of that name"
		}
	}
}

// places are where ports are in the compiler's world.
type places map[string]map[string]*ixapi.Port // by device and interface

// world returns a configuration in which every port and service of the records has a place.
func (s *sold) world(in Input) ([]byte, places) {
	var y yaml
	at := make(places)
	y.line(0, "sources: [{name: records, type: file, path: records}]")
	y.line(0, "credentials: {none: {username: none, password: \"env:NONE\", ssh: {insecure_ignore_host_key: true}}}")
	y.key(0, "inventory")
	lans, made := s.split(in.Records)
	first := 2*len(lans) + 1
	y.line(1, "fabric: {type: vxlan}")
	y.line(1, "pools: {vlan: [%d-4094], vni: [1-16000000]}", min(first, 4094))
	y.key(1, "exchange_lans")
	for i, n := range lans {
		name := fmt.Sprintf("lan-%d", i)
		s.services[name] = &soldService{of: n, name: name}
		s.services[name+"-q"] = &soldService{of: n, name: name + "-q", quarantine: true}
		y.line(2, "- {network_service: %s, name: %s, vlan: %d, vni: %d, quarantine: {name: %s-q, vlan: %d, vni: %d}}",
			quote(n.ID), name, 2*i+1, 16000001+2*i, name, 2*i+2, 16000002+2*i)
	}
	y.key(1, "services")
	for i, n := range made {
		name := fmt.Sprintf("service-%d", i)
		n.name, s.services[name] = name, n
		y.line(2, "- {network_service: %s, %sname: %s}", quote(n.of.ID), handoverKey(n.handover), name)
	}
	y.key(1, "devices")
	address := netip.AddrFrom4([4]byte{10, 0, 0, 0})
	for i, d := range in.Config.Inventory.Devices {
		address = address.Next()
		y.line(2, "- name: %s", quote(d.Name))
		y.line(3, "id: %s", quote(s.ids[d.Name]))
		y.line(3, "driver: %s", d.Driver)
		y.line(3, "profile: %s", quote(d.Profile))
		y.line(3, "address: device-%d", i)
		y.line(3, "credentials: none")
		y.line(3, "tunnel_address: %s", address)
		y.line(3, "lags: {prefix: lag, range: 1-65535}")
		can := true
		override := d.Override
		override.VXLAN = &can
		y.override(3, override)
		at[d.Name] = make(map[string]*ixapi.Port)
		y.key(3, "ports")
		for k := range in.Records.Ports {
			if p := &in.Records.Ports[k]; p.Device == s.ids[d.Name] && writable(p.ID) {
				name := fmt.Sprintf("port%d", k)
				at[d.Name][name] = p
				y.line(4, "- {id: %s, interface: %s}", quote(p.ID), name)
			}
		}
	}
	y.key(1, "nnis")
	for i, n := range made {
		if n.handover != 0 {
			y.line(2, "- {service: %s, handover: %d, device: %s, interface: nni%d}", quote(n.of.ID), n.handover, quote(in.Config.Inventory.Devices[0].Name), i)
		}
	}
	return y.bytes(), at
}

// split returns the peering LANs, and what is made per order, in the order of the records.
func (s *sold) split(r *ixapi.Records) (lans []*ixapi.NetworkService, made []*soldService) {
	const most = 1000 // of either: more LANs than VLANs there cannot be
	handovers := make(map[ixapi.ID]map[uint16]bool)
	for i := range r.NetworkServiceConfigs {
		if n := &r.NetworkServiceConfigs[i]; n.Type == ixapi.ServiceCloud && n.Handover > 0 {
			if handovers[n.NetworkService] == nil {
				handovers[n.NetworkService] = make(map[uint16]bool)
			}
			handovers[n.NetworkService][n.Handover] = true
		}
	}
	seen := make(map[ixapi.ID]bool)
	for i := range r.NetworkServices {
		n := &r.NetworkServices[i]
		switch {
		case !writable(n.ID) || seen[n.ID]:
		case n.Type == ixapi.ServiceExchangeLAN && len(lans) < most:
			lans = append(lans, n)
		case n.Type == ixapi.ServiceCloud:
			for _, h := range slices.Sorted(maps.Keys(handovers[n.ID])) {
				made = append(made, &soldService{of: n, handover: h})
			}
		case n.Type != ixapi.ServiceExchangeLAN:
			made = append(made, &soldService{of: n})
		}
		seen[n.ID] = true
	}
	return lans, made
}

// circuits returns the circuits of a state by the ports that carry them; those of a LAG are by its first member.
func (s *sold) circuits(state switchcfg.State) map[string][]soldCircuit {
	out := make(map[string][]soldCircuit)
	for _, k := range state.Keys() {
		c, ok := state[k].(*switchcfg.Circuit)
		if !ok {
			continue
		}
		tag, _ := switchcfg.ParseTag(c.Description)
		n := s.configs[tag.Record]
		if n == nil {
			continue
		}
		one := soldCircuit{config: n, circuit: c, service: s.services[c.Service]}
		if f, ok := state[switchcfg.Key{Kind: switchcfg.KindFilter, Name: c.Filter}].(*switchcfg.Filter); ok {
			one.sources = f.Sources
		}
		on := c.Parent
		if l, ok := state[switchcfg.Key{Kind: switchcfg.KindLAG, Name: c.Parent}].(*switchcfg.LAG); ok {
			on = l.Members[0]
		}
		out[on] = append(out[on], one)
	}
	return out
}

// connect finds what each connection has on which device.
func (s *sold) connect(in Input, at places, circuits map[string]map[string][]soldCircuit) {
	ports := make(map[ixapi.ID]*ixapi.Port)
	names := make(map[ixapi.ID]string)
	devices := make(map[ixapi.ID]string)
	for _, d := range in.Config.Inventory.Devices {
		for name, p := range at[d.Name] {
			ports[p.ID], names[p.ID], devices[p.ID] = p, name, d.Name
		}
	}
	used := make(map[ixapi.ID]bool)
	for i := range in.Records.Connections {
		conn := &in.Records.Connections[i]
		on := make(map[string]*sale)
		for _, id := range conn.Ports {
			p := ports[id]
			if p == nil || used[id] {
				continue
			}
			used[id] = true
			d := devices[id]
			if on[d] == nil {
				on[d] = &sale{conn: conn, device: d}
				s.sales[d] = append(s.sales[d], on[d])
			}
			on[d].ports = append(on[d].ports, p)
			on[d].circuits = append(on[d].circuits, circuits[d][names[id]]...)
		}
	}
	for i := range in.Records.Ports {
		if p := &in.Records.Ports[i]; ports[p.ID] == p && !used[p.ID] {
			s.free[devices[p.ID]] = append(s.free[devices[p.ID]], p)
		}
	}
}
