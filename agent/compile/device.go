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

// draft is an intent in the making, with the memory for its services and their texts.
type draft struct {
	plan.Intent
	services []switchcfg.Service
	text     strings.Builder
}

func newDraft(objects, services int) *draft {
	d := &draft{Intent: plan.Intent{State: make(switchcfg.State, objects)}, services: make([]switchcfg.Service, 0, services)}
	d.text.Grow(services * switchcfg.MaxDescription / 2)
	return d
}

func (d *draft) put(o switchcfg.Object) { d.State[o.Key()] = o }

// keep returns b as a string that lies with others in one piece of memory.
func keep(text *strings.Builder, b []byte) string {
	start := text.Len()
	text.Write(b)
	return text.String()[start:]
}

func (d *device) intent() *plan.Intent {
	const shared = 8 // policers and the control filter, a few
	size := shared + len(d.groups)
	for _, u := range d.units {
		size += len(u.objects) + len(u.circuits)
		for i := range u.attachments {
			if u.attachments[i].filter != nil {
				size++
			}
		}
	}
	in := newDraft(size, len(d.groups))
	for _, u := range d.units {
		u.contribute(in)
	}
	for _, g := range d.groups {
		g.contribute(in, d)
	}
	return &in.Intent
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
func (u *unit) contribute(in *draft) {
	for _, o := range u.objects {
		in.put(o)
	}
	var last switchcfg.Kbps
	for i := range u.attachments {
		a := &u.attachments[i]
		if a.circuit == nil || a.group.refusal != nil {
			continue
		}
		in.put(a.circuit)
		if a.filter != nil {
			in.put(a.filter)
		} else if a.circuit.Filter != "" {
			in.put(sharedControl)
		}
		for _, r := range [...]switchcfg.Kbps{a.circuit.RateIn, a.circuit.RateOut} {
			if r != 0 && r != last {
				in.put(&switchcfg.Policer{Rate: r})
				last = r
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

// carried returns what a unit contributes.
func (u *unit) carried() *plan.Intent {
	in := newDraft(len(u.objects)+3*len(u.attachments), 0)
	u.contribute(in)
	return &in.Intent
}

func sameIntent(a, b *plan.Intent) bool {
	return a.State.Equal(b.State) && slices.Equal(a.Frozen, b.Frozen) && maps.Equal(a.Names, b.Names)
}
