package ovs

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// difference is what brings a switch from one configuration to another.
type difference struct {
	db       []string // arguments of ovs-vsctl, quoted for the shell
	netdevs  []string // physical interfaces that are new
	add      []string // flows
	gone     []string
	meters   map[uint32]meter // to be set
	unmeters []uint32
}

// compare returns the difference from what there is to a target. Of what there is and is not in the target, it removes rows that are in
// ours, and flows if loose is not set or they are in ours.
func compare(have, ours, target *config, loose bool) difference {
	d := difference{meters: make(map[uint32]meter)}
	removed := func(k rowKey) bool { return have.rows[k] != nil && ours.rows[k] != nil && target.rows[k] == nil }
	elsewhere := func(k rowKey) bool { // the row has to be made anew
		h, t := have.rows[k], target.rows[k]
		return h != nil && t != nil && h.in != t.in
	}
	anew := func(k rowKey) bool { return have.rows[k] == nil || elsewhere(k) }
	leaving := d.remove(have, removed, elsewhere)
	d.put(have, target, anew)
	d.leave(leaving)
	for f := range target.flows {
		if _, ok := have.flows[f]; !ok {
			d.add = append(d.add, f)
		}
	}
	for f := range have.flows {
		_, known := ours.flows[f]
		if _, ok := target.flows[f]; !ok && (!loose || known) {
			d.gone = append(d.gone, f)
		}
	}
	for id, m := range target.meters {
		if have.meters[id] != m {
			d.meters[id] = m
		}
	}
	for id := range have.meters {
		if _, ok := target.meters[id]; !ok {
			d.unmeters = append(d.unmeters, id)
		}
	}
	slices.Sort(d.add)
	slices.Sort(d.gone)
	slices.Sort(d.unmeters)
	return d
}

func (d *difference) say(words ...string) {
	d.db = append(d.db, "--")
	for _, w := range words {
		d.db = append(d.db, command(w))
	}
}

// remove takes away rows. What is in a row that goes, goes with it. Interfaces of ports that stay are only named, for
// leave, as long as there is one row of their name.
func (d *difference) remove(have *config, removed, elsewhere func(rowKey) bool) (leaving []*row) {
	goes := func(k rowKey) bool { return removed(k) || elsewhere(k) }
	for _, r := range have.sorted(tableInterface) {
		port := rowKey{tablePort, r.in}
		if bridge := have.rows[port]; goes(r.rowKey) && bridge != nil && !goes(port) && !removed(rowKey{tableBridge, bridge.in}) {
			d.say("--id="+leaver(len(leaving)), "get", tableInterface, r.name)
			leaving = append(leaving, r)
		}
	}
	for _, r := range have.sorted(tablePort) {
		if goes(r.rowKey) && !removed(rowKey{tableBridge, r.in}) {
			d.say("--if-exists", "del-port", r.in, r.name)
		}
	}
	for _, r := range have.sorted(tableBridge) {
		if removed(r.rowKey) {
			d.say("--if-exists", "del-br", r.name)
		}
	}
	return leaving
}

func leaver(n int) string { return fmt.Sprintf("@l%d", n) }

// leave takes interfaces out of ports, which by then have others: a port is never without one.
func (d *difference) leave(leaving []*row) {
	for n, r := range leaving {
		d.say("remove", tablePort, r.in, "interfaces", leaver(n))
	}
}

// put makes rows, or has them be as they should.
func (d *difference) put(have, target *config, anew func(rowKey) bool) {
	for _, table := range []string{tableSwitch, tableBridge} {
		for _, r := range target.sorted(table) {
			was := have.rows[r.rowKey]
			if table == tableBridge && was == nil {
				d.say("add-br", r.name)
			}
			d.set(r, was)
		}
	}
	inside := make(map[string][]*row)
	for _, r := range target.sorted(tableInterface) {
		inside[r.in] = append(inside[r.in], r)
	}
	n := 0
	for _, p := range target.sorted(tablePort) {
		var ids []string
		for _, r := range inside[p.name] {
			if !anew(r.rowKey) && !anew(p.rowKey) {
				d.set(r, have.rows[r.rowKey])
				continue
			}
			n++
			id := fmt.Sprintf("@i%d", n)
			ids = append(ids, id)
			d.say(append([]string{"--id=" + id, "create", tableInterface, "name=" + quoted(r.name)}, r.assignments(nil)...)...)
			if r.columns["type"] == "" {
				d.netdevs = append(d.netdevs, r.name)
			}
		}
		if !anew(p.rowKey) {
			if len(ids) > 0 {
				d.say("add", tablePort, p.name, "interfaces", strings.Join(ids, ","))
			}
			d.set(p, have.rows[p.rowKey])
			continue
		}
		n++
		id := fmt.Sprintf("@p%d", n)
		d.say(append([]string{"--id=" + id, "create", tablePort, "name=" + quoted(p.name), "interfaces=" + strings.Join(ids, ",")}, p.assignments(nil)...)...)
		d.say("add", tableBridge, p.in, "ports", id)
	}
}

// assignments returns the columns of r that differ from those of was, as arguments.
func (r *row) assignments(was *row) []string {
	var out []string
	for _, c := range slices.Sorted(maps.Keys(r.columns)) {
		if was == nil || was.columns[c] != r.columns[c] {
			out = append(out, c+"="+r.columns[c])
		}
	}
	return out
}

// set has a row that is there, or has just been made, be as r.
func (d *difference) set(r, was *row) {
	if was != nil {
		for _, c := range slices.Sorted(maps.Keys(was.columns)) {
			if _, ok := r.columns[c]; ok {
				continue
			}
			column, key, isMap := strings.Cut(c, ":")
			switch {
			case isMap:
				d.say("remove", r.table, r.name, column, key)
			case c == "protected": // this and the next always have a value
				d.say("set", r.table, r.name, c+"=false")
			case c == "type" || c == "datapath_type":
				d.say("set", r.table, r.name, c+"="+quoted(""))
			default:
				d.say("clear", r.table, r.name, column)
			}
		}
	}
	if a := r.assignments(was); len(a) > 0 {
		d.say(append([]string{"set", r.table, r.name}, a...)...)
	}
}

// closing returns the flows of circuits whose patches change or go, by which frames enter and leave them.
func closing(have, was, target *config) []string {
	moves := make(map[switchcfg.Key]bool)
	bare := func(r *row) row {
		x := *r
		x.columns = maps.Clone(r.columns)
		delete(x.columns, note)
		return x
	}
	for k, r := range was.rows {
		t, h := target.rows[k], have.rows[k]
		if r.owner.Kind != switchcfg.KindCircuit {
			continue
		}
		if t == nil || h == nil {
			moves[r.owner] = true
		} else if a, b := bare(h), bare(t); !a.same(&b) {
			moves[r.owner] = true
		}
	}
	var out []string
	for f, owners := range was.flows {
		if _, ok := have.flows[f]; ok && len(owners) > 0 && !slices.ContainsFunc(owners, func(k switchcfg.Key) bool { return !moves[k] }) {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return out
}

// writer writes a script.
type writer struct {
	seconds int
	text    strings.Builder
}

func (w *writer) line(words ...string) {
	w.text.WriteString(strings.Join(words, " "))
	w.text.WriteByte('\n')
}

// script writes what brings a switch from what was found to the target, or has it be as it was. The former may remove what was rendered from the state.
//
// Circuits whose patches change are closed first and opened last, so that there is no moment in which frames enter a
// service by the flows for another. All other flows change at once, in one bundle.
func (w *writer) script(f *found, was, target *config, p *pending) {
	have := f.config
	closed := closing(have, was, target)
	forward := compare(have, was, target, f.opaque)
	// What there is when all is made: rows that are not ours to remove are still there.
	made := newConfig()
	for k, r := range have.rows {
		if was.rows[k] == nil || target.rows[k] != nil {
			made.rows[k] = r
		}
	}
	maps.Copy(made.rows, target.rows)
	maps.Copy(made.flows, target.flows)
	maps.Copy(made.meters, target.meters)
	inverse := compare(made, target, have, true)
	for _, c := range closed {
		if _, stays := target.flows[c]; stays {
			forward.add = append(forward.add, c)
		}
		if !slices.Contains(inverse.add, c) {
			inverse.add = append(inverse.add, c)
		}
	}
	slices.Sort(forward.add)
	slices.Sort(inverse.add)

	w.line("forth() {")
	w.line("at=flows")
	w.bundle(closed, nil)
	if len(forward.db) > 0 {
		w.line("at=database")
		w.vsctl(forward.db)
		w.line("s=$?")
		w.line("if [ $s -ne 0 ]; then")
		w.line("[ $s -ge 128 ] || at=flows") // by a signal, that of the clock, the database may have changed
		w.line("return 1")
		w.line("fi")
		w.opened(forward.netdevs)
	}
	if target.has(tableBridge, hub) {
		w.flows(forward)
	}
	w.line("return 0")
	w.line("}")
	w.line("back() {")
	if len(inverse.db) > 0 {
		w.line("if [ $at = database ]; then")
		w.vsctl(inverse.db)
		w.line("[ $? -eq 0 ] || return 1")
		w.line("fi")
	}
	if have.has(tableBridge, hub) {
		w.flows(inverse)
	}
	w.line("return 0")
	w.line("}")
	w.commit(p)
}

// vsctl writes a transaction.
func (w *writer) vsctl(args []string) {
	w.line(fmt.Sprintf("ovs-vsctl --timeout=%d", w.seconds), strings.Join(args, " "))
}

// opened writes a check that interfaces could be opened: the transaction takes those that do not exist.
func (w *writer) opened(names []string) {
	if len(names) == 0 {
		return
	}
	words := []string{"ovs-vsctl", fmt.Sprintf("--timeout=%d", w.seconds)}
	for _, n := range names {
		words = append(words, "--", "get", tableInterface, n, "error")
	}
	w.line("e=$(" + command(words...) + ") || return 1")
	w.line(`case $e in *\"*) echo "$e" >&2; return 1;; esac`)
}

func (w *writer) ofctl(args ...string) string {
	return command(append([]string{"ovs-ofctl", fmt.Sprintf("--timeout=%d", w.seconds), "--protocols=OpenFlow15"}, args...)...)
}

// flows writes the changes of meters and flows. A flow needs its meter, and goes with it.
func (w *writer) flows(d difference) {
	for _, id := range slices.Sorted(maps.Keys(d.meters)) {
		m := d.meters[id]
		text := fmt.Sprintf("meter=%d,kbps,burst,bands=type=drop,rate=%d,burst_size=%d", id, m.rate, m.burst)
		w.line(w.ofctl("add-meter", hub, text), "2>/dev/null ||", w.ofctl("mod-meter", hub, text), "|| return 1")
	}
	if len(d.add) > 0 {
		w.line(w.ofctl("--may-create", "mod-group", hub, fmt.Sprintf("group_id=%d,type=select,selection_method=dp_hash,bucket=actions=resubmit(,%d)", again, tableInner)), "|| return 1")
	}
	w.bundle(d.gone, d.add)
	for _, id := range d.unmeters {
		w.line(w.ofctl("del-meter", hub, fmt.Sprintf("meter=%d", id)), "|| return 1")
	}
}

// bundle writes a change of flows that is made as a whole. The datapath goes by what it has cached until it has been
// compared with the flows, which is waited for: no frame passes by what is gone, and none is sent to the number of a port
// that the next transaction gives to another. A comparison that is under way may not have seen the change, so the one
// after it counts. A switch with two kinds of datapath cannot be asked, and is given a second.
func (w *writer) bundle(gone, add []string) {
	if len(gone)+len(add) == 0 {
		return
	}
	w.line(`printf '%s\n' \`)
	for _, f := range gone {
		match, _, _ := strings.Cut(strings.TrimPrefix(f, cookie), " actions=")
		w.line(shell("flow delete_strict "+strings.ReplaceAll(match, ", ", ",")), `\`)
	}
	for _, f := range add {
		w.line(shell("flow add "+strings.Replace(strings.ReplaceAll(f, ", ", ","), " actions=", ",actions=", 1)), `\`)
	}
	w.line("|", w.ofctl("bundle", hub, "-"), "|| return 1")
	compared := fmt.Sprintf("ovs-appctl --timeout=%d revalidator/wait", w.seconds)
	w.line("{", compared, "&&", compared+"; } >/dev/null 2>&1 || sleep 1")
}

// commit writes the function that does all, and its call. A pending commit is noted in the database, where any session
// finds it, and taken back by a process that waits for its time, or for the note to change.
func (w *writer) commit(p *pending) {
	w.busy()
	w.line("ixagent() {")
	w.line("trap '' HUP PIPE")
	w.line("ulimit -s unlimited 2>/dev/null") // for long commands
	w.line("busy && return", fmt.Sprint(statusOther))
	if p != nil {
		w.line("{", w.begin(p)+"; } || return", fmt.Sprint(statusUndone))
	}
	w.line("if forth >/dev/null; then")
	if p != nil {
		w.line("(")
		w.line(fmt.Sprintf("ovs-vsctl --no-wait --timeout=%d wait-until Open_vSwitch . %s", p.seconds(), shell(noteCommit+"!="+waiting)))
		w.line("at=database")
		w.line("{", w.move(p.id, waiting, reverting), "||", w.move(p.id, asked, reverting)+"; } || exit")
		w.line("s=" + failed)
		w.line("back && s=" + reverted)
		w.line(strings.ReplaceAll(w.move(p.id, reverting, "STATE"), `"STATE"`, `"'"$s"'"`))
		w.line(") >/dev/null 2>&1 &")
	}
	w.line("return 0")
	w.line("fi")
	w.line("back >/dev/null || return", fmt.Sprint(statusHalf))
	if p != nil {
		w.line(w.move(p.id, waiting, reverted))
	}
	w.line("return", fmt.Sprint(statusUndone))
	w.line("}")
	w.line("ixagent </dev/null")
}
