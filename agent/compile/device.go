package compile

import (
	"maps"
	"slices"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// contribution is what one unit or group puts on one switch.
type contribution struct {
	objects []switchcfg.Object
	freezes []plan.Freeze
	names   map[string]string
}

// circuit adds a circuit with the filter of its own, and what it shares with others.
func (p *contribution) circuit(c *switchcfg.Circuit, own *switchcfg.Filter) {
	p.objects = append(p.objects, c)
	switch {
	case own != nil:
		p.objects = append(p.objects, own)
	case c.Filter != "":
		p.objects = append(p.objects, sharedControl)
	}
	if c.RateIn != 0 {
		p.objects = append(p.objects, &switchcfg.Policer{Rate: c.RateIn})
	}
	if c.RateOut != 0 && c.RateOut != c.RateIn {
		p.objects = append(p.objects, &switchcfg.Policer{Rate: c.RateOut})
	}
}

// sharedControl admits every source; as any filter it drops control protocols.
var sharedControl = &switchcfg.Filter{Name: controlFilter, AnySource: true}

// device gathers the contributions to one switch. Its state is replaced, not changed, once it was handed out.
type device struct {
	conf   *config.Device
	parts  map[string]*contribution
	state  switchcfg.State
	users  map[switchcfg.Key]int // of filters and policers, which several contributions share
	shared bool                  // the state was handed out
}

func newDevice(d *config.Device) *device {
	return &device{conf: d, parts: make(map[string]*contribution), state: make(switchcfg.State), users: make(map[switchcfg.Key]int)}
}

func shareable(k switchcfg.Key) bool {
	return k.Kind == switchcfg.KindPolicer || k.Kind == switchcfg.KindFilter
}

// set replaces the contribution of that name and reports whether the device's intent is another one now.
func (d *device) set(name string, now *contribution) bool {
	before := d.parts[name]
	if before == nil && now == nil || before != nil && now != nil && before.equal(now) {
		return false
	}
	if d.shared {
		d.state, d.shared = maps.Clone(d.state), false
	}
	if before != nil {
		for _, o := range before.objects {
			k := o.Key()
			if shareable(k) {
				if d.users[k]--; d.users[k] > 0 {
					continue
				}
				delete(d.users, k)
			}
			delete(d.state, k)
		}
		delete(d.parts, name)
	}
	if now != nil {
		for _, o := range now.objects {
			k := o.Key()
			if shareable(k) {
				d.users[k]++
			}
			d.state[k] = o
		}
		d.parts[name] = now
	}
	return true
}

func (p *contribution) equal(o *contribution) bool {
	return slices.EqualFunc(p.objects, o.objects, switchcfg.Equal) && slices.Equal(p.freezes, o.freezes) && maps.Equal(p.names, o.names)
}

func (d *device) intent() *plan.Intent {
	d.shared = true
	in := &plan.Intent{State: d.state}
	for _, p := range d.parts {
		in.Frozen = append(in.Frozen, p.freezes...)
		if len(p.names) > 0 {
			if in.Names == nil {
				in.Names = make(map[string]string)
			}
			maps.Copy(in.Names, p.names)
		}
	}
	return in
}
