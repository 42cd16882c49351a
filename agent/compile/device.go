package compile

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// device is a switch of the inventory, with what is compiled for it.
type device struct {
	*config.Device
	caps   drivers.Capabilities
	fabric config.FabricType
	rank   int          // in the order of tunnel addresses
	tunnel []netip.Addr // its tunnel address, if it has one: the peers of a service that it alone is the other end of
	units  []*unit      // on it
	groups []*group     // that have a site on it
}

func newDevice(d *config.Device, fabric config.FabricType) *device {
	out := &device{Device: d, caps: d.Capabilities(), fabric: fabric}
	if d.TunnelAddress.IsValid() {
		out.tunnel = []netip.Addr{d.TunnelAddress}
	}
	return out
}

func compareDevices(a, b *device) int {
	return cmp.Or(a.TunnelAddress.Compare(b.TunnelAddress), strings.Compare(a.Name, b.Name))
}

func (d *device) intent() *plan.Intent {
	size := len(d.groups)
	for _, u := range d.units {
		size += len(u.objects) + len(u.circuits)
		for i := range u.attachments {
			if u.attachments[i].filter != nil {
				size++
			}
		}
	}
	in := &plan.Intent{State: make(switchcfg.State, size+8)}
	for _, u := range d.units {
		u.contribute(in)
	}
	for _, g := range d.groups {
		g.contribute(in, d)
	}
	return in
}

// drop removes x from a list without an order.
func drop[T comparable](list []T, x T) []T {
	if i := slices.Index(list, x); i >= 0 {
		last := len(list) - 1
		list[i] = list[last]
		clear(list[last:])
		return list[:last]
	}
	return list
}

// contribute adds what a unit puts on its switch: its port, and the circuits whose service can be made.
func (u *unit) contribute(in *plan.Intent) {
	for _, o := range u.objects {
		in.State[o.Key()] = o
	}
	var last switchcfg.Kbps
	for i := range u.attachments {
		a := &u.attachments[i]
		if a.circuit == nil || a.group.refusal != nil {
			continue
		}
		in.State[a.circuit.Key()] = a.circuit
		if a.filter != nil {
			in.State[a.filter.Key()] = a.filter
		} else if a.circuit.Filter != "" {
			in.State[sharedControl.Key()] = sharedControl
		}
		for _, r := range [...]switchcfg.Kbps{a.circuit.RateIn, a.circuit.RateOut} {
			if r != 0 && r != last {
				p := &switchcfg.Policer{Rate: r}
				in.State[p.Key()], last = p, r
			}
		}
	}
	if !u.everywhere {
		in.Frozen = append(in.Frozen, u.freezes...)
	}
	if len(u.names) > 0 {
		if in.Names == nil {
			in.Names = make(map[string]string)
		}
		maps.Copy(in.Names, u.names)
	}
}

// sharedControl admits every source; as any filter it drops control protocols.
var sharedControl = &switchcfg.Filter{Name: controlFilter, AnySource: true}

// carried returns what a unit contributes alone.
func (u *unit) carried() *plan.Intent {
	in := &plan.Intent{State: make(switchcfg.State, 3*len(u.attachments))}
	if u != nil {
		u.contribute(in)
	}
	return in
}

func sameIntent(a, b *plan.Intent) bool {
	return a.State.Equal(b.State) && slices.Equal(a.Frozen, b.Frozen) && maps.Equal(a.Names, b.Names)
}
