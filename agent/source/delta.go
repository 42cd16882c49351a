package source

import (
	"errors"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/models/ixapi"
)

// Delta returns what must be told to a compiler that knows then so that it knows now. A nil then stands for no
// records at all. The slices of Changed are new, or those of now.
//
// A record has changed when it says something else, or when something else is wrong with it.
func Delta(then, now *Snapshot) compile.Delta {
	if then == nil {
		return compile.Delta{Changed: *now.Records, Faults: now.Faults}
	}
	d := compile.Delta{Removed: make(map[ixapi.Collection][]ixapi.ID)}
	if then == now {
		return d
	}
	touched := touched(then.Faults, now.Faults)
	for _, k := range kinds() {
		k.delta(&d, then.Records, now.Records, touched)
	}
	if len(now.Faults) == 0 {
		return d
	}
	changed := make(map[ref]bool)
	for _, k := range kinds() {
		k.each(&d.Changed, func(id ixapi.ID) { changed[ref{k.collection(), id}] = true })
	}
	for _, f := range now.Faults {
		if changed[ref{f.Collection, f.ID}] {
			d.Faults = append(d.Faults, f)
		}
	}
	return d
}

// touched returns the records whose faults differ, and those that share their id with another.
func touched(then, now []ixapi.RecordFault) map[ref]bool {
	if len(then) == 0 && len(now) == 0 {
		return nil
	}
	out := make(map[ref]bool)
	text := func(faults []ixapi.RecordFault) map[ref]string {
		all := make(map[ref]string, len(faults))
		for _, f := range faults {
			r := ref{f.Collection, f.ID}
			if errors.Is(f.Err, ixapi.ErrDuplicateID) {
				out[r] = true
			}
			all[r] += f.Pointer + ": " + f.Err.Error() + "\n"
		}
		return all
	}
	before, after := text(then), text(now)
	for r, t := range before {
		if after[r] != t {
			out[r] = true
		}
	}
	for r, t := range after {
		if before[r] != t {
			out[r] = true
		}
	}
	return out
}

// dangling returns the records that others refer to and that are not listed, as far as a switch depends on them.
func dangling(r *ixapi.Records) map[ref]bool {
	missing := make(map[ref]bool)
	connections := make(map[ixapi.ID]bool, len(r.Connections))
	ports := make(map[ixapi.ID]bool, len(r.Ports))
	services := make(map[ixapi.ID]bool, len(r.NetworkServices))
	macs := make(map[ixapi.ID]bool, len(r.MACs))
	for i := range r.Connections {
		connections[r.Connections[i].ID] = true
	}
	for i := range r.Ports {
		ports[r.Ports[i].ID] = true
	}
	for i := range r.NetworkServices {
		services[r.NetworkServices[i].ID] = true
	}
	for i := range r.MACs {
		macs[r.MACs[i].ID] = true
	}
	refer := func(c ixapi.Collection, listed map[ixapi.ID]bool, id ixapi.ID) {
		if id != "" && !listed[id] {
			missing[ref{c, id}] = true
		}
	}
	for i := range r.Connections {
		for _, p := range r.Connections[i].Ports {
			refer(ixapi.Ports, ports, p)
		}
	}
	for i := range r.NetworkServiceConfigs {
		c := &r.NetworkServiceConfigs[i]
		refer(ixapi.Connections, connections, c.Connection)
		refer(ixapi.NetworkServices, services, c.NetworkService)
		for _, m := range c.MACs {
			refer(ixapi.MACs, macs, m)
		}
	}
	return missing
}
