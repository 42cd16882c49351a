package junos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Operational implements [drivers.Operational]. It speaks of what the last Observe has found: a device has
// subinterfaces of its own beside those that are configured.
func (d *driver) Operational(ctx context.Context) (drivers.OperState, error) {
	const op = "operational"
	if err := d.begin(ctx, op); err != nil {
		return drivers.OperState{}, err
	}
	if d.observed == nil {
		if _, err := d.Observe(ctx); err != nil {
			return drivers.OperState{}, err
		}
	}
	var a answers
	for _, q := range []struct {
		command string
		into    any
		needed  bool
	}{
		{"show interfaces extensive", &a.interfaces, true},
		{"show lacp interfaces", &a.lacp, false},
		{"show firewall", &a.firewall, false},
	} {
		out, err := d.session.Exec(ctx, op, q.command+" | display json | no-more", nil)
		switch {
		case err != nil:
			return drivers.OperState{}, err
		case out.Status != 0 && !q.needed:
			continue // it does not know the command, or nothing of the matter
		case out.Status != 0:
			err = fmt.Errorf("%q ended with status %d: %.200s", q.command, out.Status, out.Stderr)
		default:
			err = json.Unmarshal(out.Stdout, q.into)
		}
		if err == nil && q.needed && len(a.interfaces.all()) == 0 {
			err = errors.New("the answer has no interfaces")
		}
		if err != nil {
			return drivers.OperState{}, d.session.Fail(op, drivers.Incomplete, err)
		}
	}
	return a.state(d.observed), nil
}

// text is a value as Junos writes it in JSON: [{"data": "up"}].
type text string

// UnmarshalJSON implements [json.Unmarshaler].
func (w *text) UnmarshalJSON(b []byte) error {
	var v []struct {
		Data string `json:"data"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	if len(v) > 0 {
		*w = text(v[0].Data)
	}
	return nil
}

// counter is a text that is a number.
type counter uint64

// UnmarshalJSON implements [json.Unmarshaler].
func (c *counter) UnmarshalJSON(b []byte) error {
	var w text
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	n, err := strconv.ParseUint(string(w), 10, 64)
	*c = counter(n)
	return err
}

type traffic []struct {
	In  counter `json:"input-packets"`
	Out counter `json:"output-packets"`
}

type (
	interfaces struct {
		Information []struct {
			Physical []physicalInterface `json:"physical-interface"`
		} `json:"interface-information"`
	}
	physicalInterface struct {
		Name    text               `json:"name"`
		Admin   text               `json:"admin-status"`
		Oper    text               `json:"oper-status"`
		Traffic traffic            `json:"traffic-statistics"`
		Logical []logicalInterface `json:"logical-interface"`
	}
	logicalInterface struct {
		Name    text                         `json:"name"`
		Flags   []map[string]json.RawMessage `json:"if-config-flags"`
		Traffic traffic                      `json:"traffic-statistics"`
	}
	lacpInterfaces struct {
		List []struct {
			Groups []struct {
				Header []struct {
					Name text `json:"aggregate-name"`
				} `json:"lag-lacp-header"`
				State []struct {
					Name         text `json:"name"`
					Role         text `json:"lacp-role"`
					Sync         text `json:"lacp-synchronization"`
					Collecting   text `json:"lacp-collecting"`
					Distributing text `json:"lacp-distributing"`
				} `json:"lag-lacp-state"`
			} `json:"lacp-interface-information"`
		} `json:"lacp-interface-information-list"`
	}
	firewall struct {
		Information []struct {
			Filters []struct {
				Name     text `json:"filter-name"`
				Counters []struct {
					Name    text    `json:"counter-name"`
					Packets counter `json:"packet-count"`
				} `json:"counter"`
			} `json:"filter-information"`
		} `json:"firewall-information"`
	}
)

func (i *interfaces) all() []physicalInterface {
	if len(i.Information) == 0 {
		return nil
	}
	return i.Information[0].Physical
}

// answers are those of a device; what it did not answer is nil.
type answers struct {
	interfaces interfaces
	lacp       *lacpInterfaces
	firewall   *firewall
}

// state returns what the answers say of the objects of s.
func (a *answers) state(s switchcfg.State) drivers.OperState {
	o := drivers.OperState{Ports: make(map[string]drivers.PortState), Circuits: make(map[switchcfg.Key]drivers.CircuitState)}
	for _, p := range a.interfaces.all() {
		name := string(p.Name)
		if _, lag := aggregate(name); !lag && !physical(name) {
			continue
		}
		port := drivers.PortState{AdminUp: p.Admin == "up", Up: p.Oper == "up"}
		if len(p.Traffic) > 0 {
			port.InFrames, port.OutFrames = uint64(p.Traffic[0].In), uint64(p.Traffic[0].Out)
		}
		o.Ports[name] = port
		for _, l := range p.Logical {
			k, err := switchcfg.ParseKey("circuit " + string(l.Name))
			if _, ok := s[k].(*switchcfg.Circuit); err != nil || !ok || len(l.Flags) == 0 {
				continue
			}
			has := func(flag string) bool { _, ok := l.Flags[0][flag]; return ok }
			c := drivers.CircuitState{AdminUp: has("iff-up")}
			c.Up = c.AdminUp && port.Up && !has("iff-device-down") && !has("iff-hardware-down")
			if c.Counted = len(l.Traffic) > 0; c.Counted {
				c.InFrames, c.OutFrames = uint64(l.Traffic[0].In), uint64(l.Traffic[0].Out)
			}
			o.Circuits[k] = c
		}
	}
	if a.lacp != nil {
		o.LACP = a.lacp.members()
	}
	if a.firewall != nil {
		o.Filters = a.firewall.filters(s)
	}
	for _, obj := range s {
		l, ok := obj.(*switchcfg.LAG)
		if !ok {
			continue
		}
		port, known := o.Ports[l.Name]
		if !known {
			continue
		}
		for _, m := range l.Members {
			if o.Ports[m].Up && (l.Mode == switchcfg.ModeStatic || o.LACP[m].Distributing) {
				port.Members = append(port.Members, m)
			}
		}
		o.Ports[l.Name] = port
	}
	return o
}

func (l *lacpInterfaces) members() map[string]drivers.LACPState {
	out := make(map[string]drivers.LACPState)
	for _, list := range l.List {
		for _, g := range list.Groups {
			for _, m := range g.State {
				if m.Role != "Actor" || len(g.Header) == 0 {
					continue
				}
				out[string(m.Name)] = drivers.LACPState{
					LAG: string(g.Header[0].Name), InSync: m.Sync == "Yes", Collecting: m.Collecting == "Yes", Distributing: m.Distributing == "Yes",
				}
			}
		}
	}
	return out
}

func (f *firewall) filters(s switchcfg.State) map[string]drivers.FilterState {
	out := make(map[string]drivers.FilterState)
	for _, i := range f.Information {
		for _, filter := range i.Filters {
			if _, ok := s[switchcfg.Key{Kind: switchcfg.KindFilter, Name: string(filter.Name)}].(*switchcfg.Filter); !ok {
				continue
			}
			var state drivers.FilterState
			for _, c := range filter.Counters {
				switch c.Name {
				case "members", "any":
					state.Permitted += uint64(c.Packets)
				case "control", "rest":
					state.Dropped += uint64(c.Packets)
				}
			}
			out[string(filter.Name)] = state
		}
	}
	return out
}
