package report

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Options are what a reporter is made of. The zero Options are good for results that are only served.
type Options struct {
	Webhook *Webhook // nil: nothing is posted
	Store   Store    // of what is posted; needed with a webhook
	Source  string   // of the events, a URI reference
	Log     *slog.Logger
	Now     func() time.Time     // tells the time of day; nil for [time.Now]
	Told    func(delivered bool) // is called after each attempt to deliver; nil for nobody
}

// Reporter knows the result of each record. Its methods may be called concurrently.
//
// What changes on one switch costs what is on that switch, and a pass that changes nothing costs nothing.
type Reporter struct {
	Options

	mu         sync.Mutex
	conns      []ixapi.Connection           // as last compiled
	configs    []ixapi.NetworkServiceConfig // the same
	records    map[mark]*record
	portOf     map[mark]mark // connections by their ports
	rejections map[mark][]compile.Rejection
	devices    map[string]*device
	where      map[mark][]*device // devices that may have to do with a record
	results    map[mark]Result
	reported   map[mark]Result // as last posted
	posted     []Notice        // not stored yet
	waiting    int             // notices that are not delivered, as last counted
	oldest     time.Time       // of them; zero if there are none

	wake  chan struct{} // holds something if there is something in posted
	queue queue         // only of Run
}

// record is what the exchange says of a record.
type record struct {
	collection ixapi.Collection
	id         ixapi.ID
	account    ixapi.ID
	state      ixapi.State
	over       bool // decommissioned, archived, cancelled or no longer listed
	listed     bool
	ports      []mark // of a connection
}

// device is what is known of a switch.
type device struct {
	name    string
	target  *plan.Intent
	carried map[mark]share // by target
	settled *plan.Intent   // for which a pass succeeded last; nil for none
	open    map[mark]bool  // records by which target differs from settled
	fault   *trouble       // of the latest pass
	left    map[mark]trouble
}

// share is what a record has on a switch.
type share struct {
	objects int
	sum     switchcfg.Sum
}

// trouble is why a record is not on a switch as it should be. Text ends the sentence that begins with the record.
type trouble struct {
	state    State
	severity int
	tag      string
	text     string
	attrs    map[string]any
}

// worse orders troubles: a failure is worse than what waits, and that than what is about to be done.
func (t trouble) worse(o trouble) bool { return t.rank() > o.rank() }

func (t trouble) rank() int {
	switch {
	case t.state == Failed:
		return 3
	case t.tag == TagConfiguring:
		return 1
	case t.state == Pending:
		return 2
	}
	return 0
}

// New returns a reporter that has yet to hear of records. With a webhook it knows from the store what was reported
// before, and what of that is not delivered.
func New(o Options) (*Reporter, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Reporter{
		Options: o,
		records: make(map[mark]*record), portOf: make(map[mark]mark), devices: make(map[string]*device), where: make(map[mark][]*device),
		results: make(map[mark]Result), reported: make(map[mark]Result), wake: make(chan struct{}, 1),
	}
	if o.Webhook == nil {
		return r, nil
	}
	reported, waiting, err := o.Store.Reported()
	if err != nil {
		return nil, err
	}
	for _, x := range reported {
		r.reported[markOf(x.Collection, x.ID)] = x
	}
	r.queue.add(waiting)
	return r, nil
}

// Result returns the result of a record, if it is known.
func (r *Reporter) Result(collection ixapi.Collection, id ixapi.ID) (Result, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x, ok := r.results[markOf(collection, id)]
	if ok && (x.Collection != collection || x.ID != id) {
		return Result{}, false
	}
	return x, ok
}

// Compiled takes note of what the exchange asks for. It must be called before the workers hear of the intents.
func (r *Reporter) Compiled(c Compiled) {
	r.mu.Lock()
	defer r.mu.Unlock()
	affected := make(map[mark]bool)
	r.list(c.Records, affected)
	r.reject(c.Rejections, affected)
	for name, in := range c.Intents {
		d := r.devices[name]
		if d == nil {
			d = &device{name: name, carried: make(map[mark]share), open: make(map[mark]bool)}
			r.devices[name] = d
		}
		for m := range d.retarget(in) {
			r.involve(m, d)
			affected[m] = true
		}
	}
	r.evaluate(affected, r.Now())
}

// Device takes note of how a pass over a switch ended. A pass for another intent than that compiled last says nothing.
func (r *Reporter) Device(name string, x Device) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.devices[name]
	if d == nil || x.Intent == nil || x.Intent != d.target {
		return
	}
	if x.Err == nil && x.Plan.Empty() && d.settled == d.target && d.fault == nil && len(d.left) == 0 {
		return
	}
	affected := make(map[mark]bool)
	for _, marks := range []map[mark]bool{d.open, keys(d.left)} {
		for m := range marks {
			affected[m] = true
		}
	}
	if d.settled == nil {
		for m := range d.carried {
			affected[m] = true
		}
		for m, last := range r.reported { // those that have ended since
			if slices.Contains(last.Devices, name) {
				affected[m] = true
			}
		}
	}
	d.passed(x)
	for m := range d.left {
		r.involve(m, d)
		affected[m] = true
	}
	r.evaluate(affected, x.Time)
}

func keys[V any](m map[mark]V) map[mark]bool {
	out := make(map[mark]bool, len(m))
	for k := range m {
		out[k] = true
	}
	return out
}

// list compares the records with those before, and adds to affected those of which something changed.
func (r *Reporter) list(records *ixapi.Records, affected map[mark]bool) {
	first := r.conns == nil && r.configs == nil
	compare(r.conns, records.Connections, func(c *ixapi.Connection) ixapi.ID { return c.ID }, func(a, b *ixapi.Connection) bool {
		return a.State == b.State && a.ConsumingAccount == b.ConsumingAccount && slices.Equal(a.Ports, b.Ports)
	}, func(c *ixapi.Connection, listed bool) {
		x := r.note(ixapi.Connections, c.ID, c.ConsumingAccount, c.State, listed, affected)
		m := markOf(ixapi.Connections, c.ID)
		r.unplug(m)
		for _, id := range c.Ports {
			p := portMark(id)
			x.ports = append(x.ports, p)
			if _, taken := r.portOf[p]; listed || !taken {
				r.portOf[p] = m
			}
		}
	})
	compare(r.configs, records.NetworkServiceConfigs, func(c *ixapi.NetworkServiceConfig) ixapi.ID { return c.ID }, func(a, b *ixapi.NetworkServiceConfig) bool {
		return a.State == b.State && a.ConsumingAccount == b.ConsumingAccount
	}, func(c *ixapi.NetworkServiceConfig, listed bool) {
		r.note(ixapi.NetworkServiceConfigs, c.ID, c.ConsumingAccount, c.State, listed, affected)
	})
	r.conns, r.configs = records.Connections, records.NetworkServiceConfigs
	if !first {
		return
	}
	for m, x := range r.reported { // those that went while nobody looked
		if r.records[m] == nil {
			r.records[m] = &record{collection: x.Collection, id: x.ID, account: x.Account, over: true}
			affected[m] = true
		}
	}
}

// unplug forgets the ports of a connection.
func (r *Reporter) unplug(m mark) {
	x := r.records[m]
	for _, p := range x.ports {
		if r.portOf[p] == m {
			delete(r.portOf, p)
		}
	}
	x.ports = nil
}

func (r *Reporter) note(c ixapi.Collection, id, account ixapi.ID, s ixapi.State, listed bool, affected map[mark]bool) *record {
	m := markOf(c, id)
	x := r.records[m]
	if x == nil {
		x = new(record)
		r.records[m] = x
	}
	x.collection, x.id, x.account, x.state, x.listed = c, id, account, s, listed
	x.over = !listed || s == ixapi.StateDecommissioned || s == ixapi.StateArchived || s == ixapi.StateCancelled
	affected[m] = true
	return x
}

// compare calls f with each record that is another one in now than in then, and with those that are no longer listed.
func compare[T any](then, now []T, id func(*T) ixapi.ID, same func(a, b *T) bool, f func(x *T, listed bool)) {
	if len(then) == len(now) && (len(now) == 0 || &then[0] == &now[0]) {
		return
	}
	moved := len(then) != len(now)
	for i := range now {
		if i < len(then) && id(&then[i]) == id(&now[i]) {
			if !same(&then[i], &now[i]) {
				f(&now[i], true)
			}
			continue
		}
		moved = true
		f(&now[i], true)
	}
	if !moved {
		return
	}
	listed := make(map[ixapi.ID]bool, len(now))
	for i := range now {
		listed[id(&now[i])] = true
	}
	for i := range then {
		if !listed[id(&then[i])] {
			f(&then[i], false)
		}
	}
}

func (r *Reporter) reject(all []compile.Rejection, affected map[mark]bool) {
	now := make(map[mark][]compile.Rejection)
	for _, x := range all {
		if x.Collection == ixapi.Connections || x.Collection == ixapi.NetworkServiceConfigs {
			m := markOf(x.Collection, x.ID)
			now[m] = append(now[m], x)
		}
	}
	alike := func(a, b compile.Rejection) bool {
		return a.Tag == b.Tag && a.Severity == b.Severity && a.Message == b.Message && a.Device == b.Device
	}
	for m, was := range r.rejections {
		if !slices.EqualFunc(was, now[m], alike) {
			affected[m] = true
		}
	}
	for m := range now {
		if r.rejections[m] == nil {
			affected[m] = true
		}
	}
	r.rejections = now
}

// involve remembers that a switch may have to do with a record.
func (r *Reporter) involve(m mark, d *device) {
	if !slices.Contains(r.where[m], d) {
		r.where[m] = append(r.where[m], d)
	}
}

// retarget takes note of another intent and returns the records for which it is another one.
func (d *device) retarget(in *plan.Intent) map[mark]bool {
	changed := make(map[mark]bool)
	was := d.target
	d.target = in
	var before switchcfg.State
	if was != nil {
		before = was.State
	}
	edit := func(in *plan.Intent, k switchcfg.Key, f func(*share, switchcfg.Object)) {
		o := objectAt(in, k)
		m := objectMark(k, o, in)
		if o == nil || m == "" {
			return
		}
		s := d.carried[m]
		f(&s, o)
		if s.objects == 0 {
			delete(d.carried, m)
		} else {
			d.carried[m] = s
		}
		changed[m] = true
		delete(d.left, m) // what was left of it was left of something else
		if d.settled != nil {
			d.open[m] = true
		}
	}
	for k := range withFilters(plan.Diff(before, in.State)) {
		edit(was, k, func(s *share, o switchcfg.Object) { s.objects--; s.sum.Remove(o) })
		edit(in, k, func(s *share, o switchcfg.Object) { s.objects++; s.sum.Add(o) })
	}
	return changed
}

func objectAt(in *plan.Intent, k switchcfg.Key) switchcfg.Object {
	if in == nil {
		return nil
	}
	return in.State[k]
}

// withFilters returns what changes, and with each circuit its filter, which is of the same record.
func withFilters(changes []plan.Change) map[switchcfg.Key]bool {
	out := make(map[switchcfg.Key]bool, len(changes))
	for _, c := range changes {
		out[c.Key] = true
		if c.Key.Kind == switchcfg.KindCircuit {
			out[switchcfg.Key{Kind: switchcfg.KindFilter, Name: switchcfg.Prefix + switchcfg.CircuitName(c.Key.Name, c.Key.Unit)}] = true
		}
	}
	return out
}

// passed takes note of a pass for the target.
func (d *device) passed(x Device) {
	d.fault, d.left = nil, make(map[mark]trouble)
	leave := func(m mark, t trouble) {
		if had, ok := d.left[m]; m != "" && (!ok || t.worse(had)) {
			d.left[m] = t
		}
	}
	if x.Err != nil {
		d.fault = fault(d.name, x.Err)
	}
	for _, c := range x.Plan.Changes {
		t := waiting(d.name, x.Waits)
		if d.fault != nil {
			t = *d.fault
		}
		for _, o := range []switchcfg.Object{c.Before, c.After} {
			if o != nil {
				leave(objectMark(c.Key, o, d.target), t)
			}
		}
	}
	for _, w := range x.Plan.Withheld {
		m := objectMark(w.Key, d.target.State[w.Key], d.target)
		if m == "" {
			m = causeMark(w.Cause)
		}
		leave(m, withheld(d.name, w))
	}
	if x.Err == nil {
		d.settled = d.target
		clear(d.open)
	}
}

func fault(device string, err error) *trouble {
	t := &trouble{
		state: Failed, severity: severityError, tag: TagRefused,
		text:  fmt.Sprintf("cannot be brought about on %s: %v", device, err),
		attrs: map[string]any{"device": device, "error": err.Error()},
	}
	switch f := drivers.FaultOf(err); f {
	case drivers.Transient, drivers.Incomplete, drivers.Unknown:
		t.tag = TagUnreachable
	case drivers.Stale:
		t.state, t.severity, t.tag = Pending, severityNotice, TagConfiguring
	case "":
	default:
		t.attrs["fault"] = string(f)
	}
	return t
}

func waiting(device, why string) trouble {
	t := trouble{state: Pending, severity: severityNotice, tag: TagConfiguring, text: "is about to be configured on " + device, attrs: map[string]any{"device": device}}
	if why != "" {
		t.tag, t.text = TagWaiting, fmt.Sprintf("waits on %s: %s", device, why)
		t.attrs["reason"] = why
	}
	return t
}

func withheld(device string, w plan.Withheld) trouble {
	return trouble{
		state: Pending, severity: severityWarning, tag: TagWithheld + string(w.Reason),
		text:  fmt.Sprintf("waits on %s, where %s %s is withheld: %s", device, w.Verb, w.Key, w.Detail),
		attrs: map[string]any{"device": device, "object": w.Key.String(), "verb": string(w.Verb), "reason": string(w.Reason)},
	}
}

// evaluate computes the results of records anew, which hold as of now, and posts what is news.
func (r *Reporter) evaluate(affected map[mark]bool, now time.Time) {
	done := make(map[mark]bool, len(affected))
	for m := range affected {
		if of, ok := r.portOf[m]; ok {
			m = of
		}
		if x := r.records[m]; x != nil {
			done[m] = true
		}
	}
	marks := make([]mark, 0, len(done))
	for m := range done {
		marks = append(marks, m)
	}
	slices.Sort(marks)
	for _, m := range marks {
		r.settle(m, r.result(m, now))
	}
	if len(r.posted) > 0 {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// result returns what became of a record.
func (r *Reporter) result(m mark, now time.Time) Result {
	x := r.records[m]
	last, before := r.reported[m]
	out := Result{Collection: x.collection, ID: x.id, Account: x.account, RecordState: x.state, Since: now, Devices: []string{}}
	parts := append([]mark{m}, x.ports...)
	var sum switchcfg.Sum
	carried := false
	for _, part := range parts {
		for _, d := range r.where[part] {
			if s, on := d.carried[part]; on {
				carried = true
				out.Devices = append(out.Devices, d.name)
				for i := range sum {
					sum[i] += s.sum[i]
				}
			}
		}
	}
	if carried {
		out.Revision = sum.String()[:16]
	}
	// What was there when a switch was last seen is there until it is seen again.
	kept := before && last.State == Provisioned && last.Revision == out.Revision
	var worst trouble
	for _, part := range parts {
		for _, d := range r.where[part] {
			t, is := d.trouble(part, x.over, kept)
			if is && t.worse(worst) {
				worst = t
			}
			if is {
				out.Devices = append(out.Devices, d.name)
			}
		}
	}
	if x.over && worst.state == "" && before && slices.ContainsFunc(last.Devices, r.unseen) {
		out.Devices = last.Devices
		worst = trouble{state: Pending, severity: severityNotice, tag: TagConfiguring, text: "has ended, and its switches are yet to be looked at"}
	}
	slices.Sort(out.Devices)
	out.Devices = slices.Compact(out.Devices)
	refused := slices.ContainsFunc(r.rejections[m], compile.Rejection.Refused)
	switch {
	case refused:
		out.State = Rejected
	case worst.state != "":
		out.State = worst.state
		out.say(now, worst.severity, worst.tag, worst.text, worst.attrs)
	case x.over:
		out.State = Removed
		if before {
			out.Devices = last.Devices
		}
		out.say(now, severityInfo, TagRemoved, "has ended, and nothing stands for it on a switch", nil)
	case carried:
		out.State = Provisioned
		out.say(now, severityInfo, TagProvisioned, "is configured on "+strings.Join(out.Devices, " and "), map[string]any{"devices": out.Devices})
	default:
		out.State = Inactive
		out.say(now, severityInfo, TagInactive, "asks for nothing on a switch of the inventory", nil)
	}
	for _, rej := range r.rejections[m] {
		out.Status = append(out.Status, rej.Status(now))
	}
	return out
}

// unseen reports whether no pass over a switch has succeeded yet.
func (r *Reporter) unseen(name string) bool {
	d := r.devices[name]
	return d != nil && d.settled == nil
}

// trouble returns why a record is not on the switch as it should be, if so. Over says that it has ended, kept that it
// was there with what it asks for now, as far as is known.
func (d *device) trouble(m mark, over, kept bool) (trouble, bool) {
	_, on := d.carried[m]
	if t, ok := d.left[m]; ok {
		// Where nothing is asked for, what stands there stays.
		idle := !on && !over && t.tag == TagWithheld+string(plan.Frozen)
		return t, !idle
	}
	switch {
	case !d.open[m] && (d.settled != nil || !on):
		return trouble{}, false
	case d.fault == nil:
		return waiting(d.name, ""), true
	case d.settled == nil && kept:
		return trouble{}, false
	}
	return *d.fault, true
}

// say adds a status message, whose sentence begins with the record.
func (r *Result) say(at time.Time, severity int, tag, text string, attrs map[string]any) {
	if attrs == nil {
		attrs = map[string]any{}
	}
	what := strings.TrimSuffix(string(r.Collection), "s")
	r.Status = append(r.Status, ixapi.StatusMessage{Severity: severity, Tag: tag, Message: fmt.Sprintf("%s %s %s", what, r.ID, text), Attrs: attrs, Timestamp: at})
}

// settle makes a result that of its record, and posts it if it is news.
func (r *Reporter) settle(m mark, next Result) {
	last, before := r.reported[m]
	had, ok := r.results[m]
	if before && last.same(next) {
		had, ok = last, true
	}
	if ok && had.same(next) {
		next.Since = had.Since
		for i := range next.Status {
			next.Status[i].Timestamp = had.Status[i].Timestamp
		}
	}
	gone := next.State == Removed && !r.records[m].listed
	news := !next.passing() && !(before && last.same(next)) && (before || next.State != Removed && next.State != Inactive)
	if news && r.Webhook != nil {
		r.posted = append(r.posted, Notice{ID: newID(), Result: next, Last: gone})
	}
	r.results[m] = next
	if news {
		r.reported[m] = next
	}
	if gone {
		r.unplug(m)
		delete(r.records, m)
		delete(r.where, m)
		delete(r.results, m)
		delete(r.reported, m)
	}
}

// Waiting returns how many results are not delivered, and since when the oldest of them is so.
func (r *Reporter) Waiting() (results int, oldest time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting + len(r.posted), r.oldest
}
