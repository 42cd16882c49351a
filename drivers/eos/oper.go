package eos

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Operational implements [drivers.Operational]. Stations are those of VLANs: a patch learns none. Ports that
// have no subinterfaces do not count by circuits.
func (d *driver) Operational(ctx context.Context) (drivers.OperState, error) {
	const op = "operational"
	if err := d.begin(ctx, op); err != nil {
		return drivers.OperState{}, err
	}
	if d.last == nil {
		if _, err := d.observe(ctx, op); err != nil {
			return drivers.OperState{}, err
		}
	}
	var a answer
	for command, into := range map[string]any{
		"show interfaces":        &a.interfaces,
		"show lacp neighbor":     &a.lacp,
		"show mac address-table": &a.stations,
	} {
		text, err := d.run(ctx, op, command+" | json")
		if err != nil {
			return drivers.OperState{}, err
		}
		if err := json.Unmarshal([]byte(text), into); err != nil {
			return drivers.OperState{}, d.fail(op, drivers.Incomplete, fmt.Errorf("%s: %w", command, err))
		}
	}
	return a.state(d.last.state), nil
}

// answer is what a device says of what it does.
type answer struct {
	interfaces struct {
		Interfaces map[string]struct {
			Status   string                     `json:"interfaceStatus"`
			Protocol string                     `json:"lineProtocolStatus"`
			Counters *counters                  `json:"interfaceCounters"`
			Members  map[string]json.RawMessage `json:"memberInterfaces"`
		} `json:"interfaces"`
	}
	lacp struct {
		Groups map[string]struct {
			Members map[string]struct {
				Status  string `json:"actorPortStatus"`
				System  string `json:"partnerSystemId"`
				Partner struct {
					InSync       bool `json:"synchronization"`
					Collecting   bool `json:"collecting"`
					Distributing bool `json:"distributing"`
				} `json:"partnerPortState"`
			} `json:"interfaces"`
		} `json:"portChannels"`
	}
	stations struct {
		Table struct {
			Entries []struct {
				MAC       switchcfg.MAC    `json:"macAddress"`
				VLAN      switchcfg.VLANID `json:"vlanId"`
				Interface string           `json:"interface"`
			} `json:"tableEntries"`
		} `json:"unicastTable"`
	}
}

type counters struct {
	InUnicast    uint64 `json:"inUcastPkts"`
	InMulticast  uint64 `json:"inMulticastPkts"`
	InBroadcast  uint64 `json:"inBroadcastPkts"`
	OutUnicast   uint64 `json:"outUcastPkts"`
	OutMulticast uint64 `json:"outMulticastPkts"`
	OutBroadcast uint64 `json:"outBroadcastPkts"`
	InDiscards   uint64 `json:"inDiscards"`
	OutDiscards  uint64 `json:"outDiscards"`
}

func (c *counters) in() uint64  { return c.InUnicast + c.InMulticast + c.InBroadcast }
func (c *counters) out() uint64 { return c.OutUnicast + c.OutMulticast + c.OutBroadcast }

// state returns the operational state of a switch with that configuration.
func (a *answer) state(config switchcfg.State) drivers.OperState {
	s := drivers.OperState{
		Ports: make(map[string]drivers.PortState), LACP: make(map[string]drivers.LACPState),
		Stations: make(map[drivers.Station]switchcfg.Key),
	}
	for name, i := range a.interfaces.Interfaces {
		admin, up := i.Status != "disabled", i.Protocol == "up"
		n := i.Counters
		if n == nil {
			n = new(counters)
		}
		if k, ok := subName(name); ok {
			if config[k] == nil {
				continue
			}
			if s.Circuits == nil {
				s.Circuits = make(map[switchcfg.Key]drivers.CircuitState)
			}
			s.Circuits[k] = drivers.CircuitState{
				AdminUp: admin, Up: up, Counted: i.Counters != nil,
				InFrames: n.in(), OutFrames: n.out(), Dropped: n.InDiscards + n.OutDiscards,
			}
		} else if portName(name) {
			p := drivers.PortState{AdminUp: admin, Up: up, InFrames: n.in(), OutFrames: n.out()}
			for m := range i.Members {
				p.Members = append(p.Members, m)
			}
			slices.SortFunc(p.Members, switchcfg.CompareNames)
			s.Ports[name] = p
		}
	}
	for group, g := range a.lacp.Groups {
		for name, m := range g.Members {
			bundled := m.Status == "bundled"
			l := drivers.LACPState{
				LAG: group, InSync: bundled && m.Partner.InSync,
				Collecting: bundled && m.Partner.Collecting, Distributing: bundled && m.Partner.Distributing,
			}
			_, system, _ := strings.Cut(m.System, ",")
			if partner, err := switchcfg.ParseMAC(system); err == nil {
				l.Partner = partner
			}
			s.LACP[name] = l
		}
	}
	names := make(map[switchcfg.VLANID]string)
	type end struct{ port, service string }
	ends := make(map[end]switchcfg.Key) // by which a port joins a service, at most one unless they are subinterfaces
	for k, o := range config {
		switch o := o.(type) {
		case *switchcfg.Service:
			if o.VLAN != 0 {
				names[o.VLAN] = o.Name
			}
		case *switchcfg.Circuit:
			ends[end{o.Parent, o.Service}] = k
		}
	}
	for _, e := range a.stations.Table.Entries {
		service, ok := names[e.VLAN]
		k, sub := subName(e.Interface)
		if !sub {
			k, sub = ends[end{e.Interface, service}]
		}
		if ok && (sub && config[k] != nil || e.Interface == tunnelInterface) {
			s.Stations[drivers.Station{Service: service, MAC: e.MAC}] = k
		}
	}
	return s
}
