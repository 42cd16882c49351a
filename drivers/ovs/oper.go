package ovs

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Operational implements [drivers.Operational]. Frames are counted by circuit before its filter has decided on them. A line
// learns no stations.
func (d *driver) Operational(ctx context.Context) (drivers.OperState, error) {
	const op = "operational"
	appctl := func(words ...string) string {
		return command(append([]string{"ovs-appctl", fmt.Sprintf("--timeout=%d", d.seconds(ctx))}, words...)...)
	}
	all, f, text, err := d.survey(ctx, op, d.ofctl(ctx, "--no-names", "dump-flows", hub), "echo meters", "echo end", "echo lacp", appctl("lacp/show"),
		fmt.Sprintf("for b in $(ovs-vsctl --timeout=%d list-br); do case $b in ixs*) echo bridge $b; %s $b || return; esac; done", d.seconds(ctx), appctl("fdb/show")),
		"echo done")
	if err != nil {
		return drivers.OperState{}, err
	}
	o := newOper(f)
	if !f.has(tableBridge, hub) {
		return o.OperState, nil
	}
	if err := o.read(text, all); err != nil {
		return drivers.OperState{}, d.fail(op, drivers.Incomplete, err)
	}
	return o.OperState, nil
}

// oper reads operational state.
type oper struct {
	*found
	drivers.OperState
	frames map[string]uint64 // by flow
}

func newOper(f *found) *oper {
	return &oper{found: f, OperState: drivers.OperState{
		Ports: make(map[string]drivers.PortState), LACP: make(map[string]drivers.LACPState), Circuits: make(map[switchcfg.Key]drivers.CircuitState),
		Stations: make(map[drivers.Station]switchcfg.Key), Filters: make(map[string]drivers.FilterState),
	}}
}

var counters = regexp.MustCompile(`(table=0, )?(duration|n_packets|n_bytes|idle_age|hard_age|idle_timeout|hard_timeout)=[^ ]+, |table=0, `)

var frames = regexp.MustCompile(`n_packets=([0-9]+)`)

func (o *oper) read(text string, all []answer) error {
	flows, rest, ok := strings.Cut(text, "meters\nend\nlacp\n")
	rest, whole := strings.CutSuffix(rest, "done\n")
	if !ok || !whole {
		return fmt.Errorf("the answer is not complete")
	}
	o.frames = make(map[string]uint64)
	var bare strings.Builder
	for line := range strings.Lines(headless(flows)) {
		n := frames.FindStringSubmatch(line)
		line = strings.TrimSpace(counters.ReplaceAllString(line, ""))
		if n != nil {
			o.frames[line], _ = strconv.ParseUint(n[1], 10, 64)
		}
		bare.WriteString(line + "\n")
	}
	if err := o.openflow(bare.String() + "meters\n\nend\n"); err != nil {
		return err
	}
	interfaces, err := all[3].records()
	if err != nil {
		return err
	}
	lacp, tables, _ := strings.Cut(rest, "bridge ")
	o.lacp(lacp)
	s := o.state()
	o.ports(s, interfaces)
	o.circuits(s)
	o.stations(s, tables, interfaces)
	return nil
}

// lacp reads what ovs-appctl lacp/show says of members.
func (o *oper) lacp(text string) {
	var lag, member string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "---- "); ok {
			lag = strings.TrimSuffix(name, " ----")
			member = ""
			continue
		}
		key, value, _ := strings.Cut(line, ": ")
		value = strings.TrimSpace(value)
		if key == "member" {
			member, _, _ = strings.Cut(value, ":")
			if member != idle(lag) {
				o.LACP[member] = drivers.LACPState{LAG: lag}
			}
			continue
		}
		m, ok := o.LACP[member]
		if !ok {
			continue
		}
		switch key {
		case "actor state":
			flags := strings.Fields(value)
			live := !slices.Contains(flags, "expired") && !slices.Contains(flags, "defaulted")
			m.InSync = live && slices.Contains(flags, "synchronized")
			m.Collecting = live && slices.Contains(flags, "collecting")
			m.Distributing = live && slices.Contains(flags, "distributing")
		case "partner sys_id":
			m.Partner, _ = switchcfg.ParseMAC(value) // zero where none was heard
		case "partner state":
			if !slices.Contains(strings.Fields(value), "synchronized") {
				m.InSync, m.Collecting, m.Distributing = false, false, false
			}
		}
		o.LACP[member] = m
	}
}

func (r record) count(key string) uint64 {
	n, _ := strconv.ParseUint(r.entry("statistics", key), 10, 64)
	return n
}

func (o *oper) ports(s switchcfg.State, interfaces []record) {
	physical := make(map[string]drivers.PortState)
	for _, i := range interfaces {
		if t := i.text("type"); t == "" || t == "system" {
			up := i.text("link_state") == "up" && i.text("admin_state") == "up"
			physical[i.text("name")] = drivers.PortState{AdminUp: true, Up: up, InFrames: i.count("rx_packets"), OutFrames: i.count("tx_packets")}
		}
	}
	for k, obj := range s {
		switch x := obj.(type) {
		case *switchcfg.Interface:
			p := physical[k.Name]
			p.AdminUp = !x.Shutdown
			p.Up = p.Up && p.AdminUp
			o.Ports[k.Name] = p
		case *switchcfg.LAG:
			p := drivers.PortState{AdminUp: !x.Shutdown}
			for _, m := range x.Members {
				of := physical[m]
				p.InFrames, p.OutFrames = p.InFrames+of.InFrames, p.OutFrames+of.OutFrames
				if p.AdminUp && of.Up && (x.Mode == switchcfg.ModeStatic || o.LACP[m].Distributing) {
					p.Members = append(p.Members, m)
				}
				if x.Mode == switchcfg.ModeLACP && o.LACP[m].LAG == "" {
					o.LACP[m] = drivers.LACPState{LAG: k.Name} // the group is shut
				}
			}
			p.Up = len(p.Members) > 0
			o.Ports[k.Name] = p
		case *switchcfg.Opaque:
			if p, ok := physical[k.Name]; ok && k.Kind == switchcfg.KindInterface {
				o.Ports[k.Name] = p
			}
		}
	}
}

func (o *oper) circuits(s switchcfg.State) {
	entered, left := make(map[int]uint64), make(map[int]uint64)
	for line, n := range o.frames {
		m := usesNumber.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if port, err := strconv.Atoi(m[1]); err == nil {
			left[port] = n
		} else if reg, err := strconv.ParseUint(m[2], 16, 32); err == nil {
			entered[int(reg)] = n
		}
	}
	for k, obj := range s {
		switch x := obj.(type) {
		case *switchcfg.Circuit:
			near, _ := circuitPatch(k)
			n := o.numbers[near]
			up := !x.Shutdown && o.Ports[x.Parent].Up
			o.Circuits[k] = drivers.CircuitState{AdminUp: !x.Shutdown, Up: up, Counted: true, InFrames: entered[n], OutFrames: left[n]}
		case *switchcfg.Filter:
			var c drivers.FilterState
			for _, line := range filterFlows(x) {
				if strings.HasSuffix(line, "drop") {
					c.Dropped += o.frames[line]
				} else {
					c.Permitted += o.frames[line]
				}
			}
			o.Filters[k.Name] = c
		}
	}
}

var learned = regexp.MustCompile(`^ *([0-9]+) +[0-9]+ +([0-9a-f:]{17}) `)

// stations reads what ovs-appctl fdb/show says of the bridges of services, each after its name.
func (o *oper) stations(s switchcfg.State, text string, interfaces []record) {
	type port struct {
		bridge string
		number int
	}
	names := make(map[port]string)
	for _, i := range interfaces {
		r := o.rows[rowKey{tableInterface, i.text("name")}]
		if n, ok := i.number("ofport"); ok && r != nil {
			if p := o.rows[rowKey{tablePort, r.in}]; p != nil {
				names[port{p.in, n}] = r.name
			}
		}
	}
	behind, services := make(map[string]switchcfg.Key), make(map[string]string)
	for k := range s {
		switch k.Kind {
		case switchcfg.KindCircuit:
			_, far := circuitPatch(k)
			behind[far] = k
		case switchcfg.KindService:
			services[serviceBridge(k.Name)] = k.Name
		}
	}
	for _, table := range strings.Split(text, "bridge ") {
		bridge, table, _ := strings.Cut(table, "\n")
		service, ok := services[bridge]
		if !ok {
			continue
		}
		for line := range strings.Lines(table) {
			m := learned.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			n, _ := strconv.Atoi(m[1])
			name, known := names[port{bridge, n}]
			mac, err := switchcfg.ParseMAC(m[2])
			k, circuit := behind[name]
			if err == nil && known && (circuit || strings.HasPrefix(name, "ixv")) {
				o.Stations[drivers.Station{Service: service, MAC: mac}] = k
			}
		}
	}
}
