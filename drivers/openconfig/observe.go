package openconfig

import (
	"context"
	"errors"
	"fmt"
	"slices"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/gnmi"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Observe implements [drivers.Driver].
func (d *driver) Observe(ctx context.Context) (switchcfg.State, error) {
	return d.observe(ctx, "observe")
}

func (d *driver) observe(ctx context.Context, op string) (switchcfg.State, error) {
	var a answer
	containers := []struct {
		name  string
		value *[]byte
		wants bool
	}{
		{"interfaces", &a.interfaces, true},
		{"lacp", &a.lacp, d.caps.LACP},
		{"network-instances", &a.instances, len(d.caps.Services) > 0},
		{"acl", &a.acl, d.caps.Filters},
		{"qos", &a.qos, d.caps.RateIn || d.caps.RateOut},
	}
	var names []string
	var into []*[]byte
	for _, c := range containers {
		if c.wants {
			names, into = append(names, c.name), append(into, c.value)
		}
	}
	values, err := d.get(ctx, op, gpb.GetRequest_CONFIG, names...)
	if err != nil {
		return nil, err
	}
	for i, v := range values {
		*into[i] = v
	}
	state, ports, err := parse(a, &d.caps)
	if err != nil {
		return nil, d.fail(op, drivers.Incomplete, err)
	}
	if err := d.vanished(ports); err != nil {
		return nil, d.fail(op, drivers.Incomplete, err)
	}
	return state, nil
}

// get reads containers at the top of the tree in one request. Devices that have nothing in one of them may refuse
// the whole request, and are then asked for one after the other.
func (d *driver) get(ctx context.Context, op string, of gpb.GetRequest_DataType, names ...string) ([][]byte, error) {
	paths := make([]*gpb.Path, len(names))
	for i, n := range names {
		paths[i] = &gpb.Path{Elem: at(keyed(n))}
	}
	values, err := d.session.Get(ctx, op, of, paths...)
	if !nothingThere(err) {
		return values, err
	}
	values = make([][]byte, len(paths))
	for i, p := range paths {
		one, err := d.session.Get(ctx, op, of, p)
		if err == nil {
			values[i] = one[0]
		} else if !nothingThere(err) {
			return nil, err
		}
	}
	return values, nil
}

func nothingThere(err error) bool {
	var r *gnmi.Refusal
	return errors.As(err, &r) && r.Code == codes.NotFound
}

// vanished returns an error if a physical port that was there before is not among ports. A second answer
// without the same port is believed: line cards do get pulled.
func (d *driver) vanished(ports []string) error {
	now := make(map[string]bool, len(ports))
	for _, p := range ports {
		now[p] = true
	}
	var missing []string
	for p := range d.ports {
		if !now[p] {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		first := slices.MinFunc(missing, switchcfg.CompareNames)
		if first != d.missing {
			d.missing = first
			return fmt.Errorf("the answer lacks %d physical ports that were there before, the first is %s", len(missing), first)
		}
	}
	d.ports, d.missing = now, ""
	return nil
}

// watched returns the paths whose changes may be changes of configuration. They leave out counters, for which
// devices refuse ON_CHANGE.
func watched(c *drivers.Capabilities) []*gpb.Path {
	port := at(keyed("interfaces"), keyed("interface", "name", "*"))
	sub := port.to("subinterfaces").elem("subinterface", "index", "*")
	paths := []path{port.to("config"), port.to("ethernet", "config"), port.to("aggregation", "config"), sub.to("config"), sub.to("vlan")}
	if c.LACP {
		paths = append(paths, lacpPath("*").to("config"))
	}
	if len(c.Services) > 0 {
		n := instancePath("*")
		paths = append(paths, n.to("config"), n.to("vlans"), n.to("connection-points"))
	}
	if c.Filters {
		paths = append(paths, path{}.to("acl", "acl-sets"), path{}.to("acl", "interfaces"))
	}
	if c.RateIn || c.RateOut {
		paths = append(paths, path{}.to("qos", "scheduler-policies"), path{}.to("qos", "interfaces"))
	}
	out := make([]*gpb.Path, len(paths))
	for i, p := range paths {
		out[i] = &gpb.Path{Elem: p}
	}
	return out
}
