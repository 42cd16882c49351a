package config

import (
	"slices"

	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// pins are those of a device, by what they are asked for with.
type pins struct {
	lags      map[ixapi.ID]uint32
	lagOwners map[uint32]ixapi.ID
	pool      []Range // of LAG numbers, without those that are pinned
	units     map[unitOf]uint32
	owners    map[unitAt]ixapi.ID
}

type unitOf struct {
	config ixapi.ID
	parent string
}

type unitAt struct {
	parent string
	unit   uint32
}

// LAGNumber returns the number that the inventory pins for the LAG of a connection.
func (d *Device) LAGNumber(connection ixapi.ID) (uint32, bool) {
	n, ok := d.derived.pins.lags[connection]
	return n, ok
}

// LAGOwner returns the connection for whose LAG the inventory pins a number, or "".
func (d *Device) LAGOwner(number uint32) ixapi.ID { return d.derived.pins.lagOwners[number] }

// LAGPool returns the numbers that LAGs of other connections may have. It must not be changed.
func (d *Device) LAGPool() []Range { return d.derived.pins.pool }

// Unit returns the number that the inventory pins for the subinterface of a config on a port or LAG.
func (d *Device) Unit(config ixapi.ID, parent string) (uint32, bool) {
	n, ok := d.derived.pins.units[unitOf{config, parent}]
	return n, ok
}

// UnitOwner returns the config for whose subinterface of a port or LAG the inventory pins a number, or "".
func (d *Device) UnitOwner(parent string, unit uint32) ixapi.ID {
	return d.derived.pins.owners[unitAt{parent, unit}]
}

// UnitPool returns the numbers of r that the inventory does not pin on a port or LAG.
func (d *Device) UnitPool(parent string, r Range) []Range {
	var taken []uint32
	for at := range d.derived.pins.owners {
		if at.parent == parent {
			taken = append(taken, at.unit)
		}
	}
	return r.Without(taken)
}

// ServiceName returns what the inventory pins for a service made per order; handover is 0 but for cloud_vc.
func (inv *Inventory) ServiceName(networkService ixapi.ID, handover uint16) (*ServiceName, bool) {
	s, ok := inv.index.services[ordered{networkService, handover}]
	return s, ok
}

// ordered names a service made per order.
type ordered struct {
	service  ixapi.ID
	handover uint16
}

// Without returns the numbers of r but for those taken, ascending.
func (r Range) Without(taken []uint32) (out []Range) {
	slices.Sort(taken)
	for _, n := range taken {
		if !r.Contains(n) {
			continue
		}
		if n > r.First {
			out = append(out, Range{r.First, n - 1})
		}
		if n == r.Last {
			return out
		}
		r.First = n + 1
	}
	if r.Empty() {
		return out
	}
	return append(out, r)
}

// pinned checks the pins of a device, and indexes them.
func (k *checker) pinned(d *Device) {
	p := pins{
		lags: make(map[ixapi.ID]uint32), lagOwners: make(map[uint32]ixapi.ID),
		units: make(map[unitOf]uint32), owners: make(map[unitAt]ixapi.ID),
	}
	connections, numbers := make(map[ixapi.ID]any), make(map[string]any)
	scope := &d.derived.scope
	if len(d.LAGs.Numbers) > 0 {
		scope.LAGs = make(map[string]bool, len(d.LAGs.Numbers))
	}
	var taken []uint32
	for _, l := range d.LAGs.Numbers {
		name := d.LAGName(l.Number)
		if !unique(k, connections, l.Connection, &l.Connection, "connection") || !unique(k, numbers, name, &l.Number, "the LAG") {
			continue
		}
		p.lags[l.Connection], p.lagOwners[l.Number] = l.Number, l.Connection
		scope.LAGs[name] = true
		taken = append(taken, l.Number)
	}
	p.pool = d.LAGs.Range.Without(taken)
	configs, units := make(map[unitOf]any), make(map[unitAt]any)
	for _, u := range d.Units {
		of, at := unitOf{u.NetworkServiceConfig, u.Interface}, unitAt{u.Interface, u.Unit}
		if most := d.derived.caps.Limits.MaxUnit; most > 0 && u.Unit > most {
			k.faultAt(&u.Unit, "", "%d is more than %d, the greatest number of a subinterface of %s", u.Unit, most, d.Name)
		}
		if other, twice := configs[of]; twice {
			k.faultAt(&u.NetworkServiceConfig, "", "its number on %s is already pinned at %s", u.Interface, k.at(other))
			continue
		}
		if other, twice := units[at]; twice {
			k.faultAt(&u.Unit, "", "%s is already pinned at %s", switchcfg.CircuitName(u.Interface, u.Unit), k.at(other))
			continue
		}
		configs[of], units[at] = &u.NetworkServiceConfig, &u.Unit
		p.units[of], p.owners[at] = u.Unit, u.NetworkServiceConfig
	}
	d.derived.pins = p
}

// services checks the names and numbers of services made per order, and indexes them.
func (k *checker) services(seen numbers) {
	k.inv.index.services = make(map[ordered]*ServiceName)
	ids := make(map[ordered]any)
	for _, s := range k.inv.Services {
		of := ordered{s.NetworkService, s.Handover}
		if other, twice := ids[of]; twice {
			k.faultAt(&s.NetworkService, "", "its name is already pinned at %s", k.at(other))
			continue
		}
		ids[of], k.inv.index.services[of] = &s.NetworkService, s
		k.named(seen, &s.Name, &s.VLAN, &s.VNI)
	}
}
