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
	if now.reread != nil && now.reread.from == then.Version {
		return now.reread.delta
	}
	touched := touched(then.Faults, now.Faults)
	for _, k := range kinds() {
		k.delta(&d, then.Records, now.Records, touched)
	}
	if len(now.Faults) == 0 {
		return d
	}
	changed := make(map[Ref]bool)
	for _, k := range kinds() {
		k.each(&d.Changed, func(id ixapi.ID) { changed[Ref{k.collection(), id}] = true })
	}
	for _, f := range now.Faults {
		if changed[Ref{f.Collection, f.ID}] {
			d.Faults = append(d.Faults, f)
		}
	}
	return d
}

// touched returns the records whose faults differ, and those that share their id with another.
func touched(then, now []ixapi.RecordFault) map[Ref]bool {
	if len(then) == 0 && len(now) == 0 {
		return nil
	}
	out := make(map[Ref]bool)
	text := func(faults []ixapi.RecordFault) map[Ref]string {
		all := make(map[Ref]string, len(faults))
		for _, f := range faults {
			r := Ref{f.Collection, f.ID}
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
func dangling(r *ixapi.Records) map[Ref]bool {
	missing := make(map[Ref]bool)
	listed := make(map[ixapi.Collection]map[ixapi.ID]bool)
	for _, k := range kinds() {
		switch c := k.collection(); c {
		case ixapi.Connections, ixapi.Ports, ixapi.NetworkServices, ixapi.MACs:
			ids := make(map[ixapi.ID]bool, k.count(r))
			k.each(r, func(id ixapi.ID) { ids[id] = true })
			listed[c] = ids
		}
	}
	references(r, func(to Ref) {
		if !listed[to.Collection][to.ID] {
			missing[to] = true
		}
	})
	return missing
}

// references calls f with each record that a switch depends on and that one of r refers to.
func references(r *ixapi.Records, f func(to Ref)) {
	refer := func(c ixapi.Collection, id ixapi.ID) {
		if id != "" {
			f(Ref{c, id})
		}
	}
	for i := range r.Connections {
		for _, p := range r.Connections[i].Ports {
			refer(ixapi.Ports, p)
		}
	}
	for i := range r.NetworkServiceConfigs {
		c := &r.NetworkServiceConfigs[i]
		refer(ixapi.Connections, c.Connection)
		refer(ixapi.NetworkServices, c.NetworkService)
		for _, m := range c.MACs {
			refer(ixapi.MACs, m)
		}
	}
}
