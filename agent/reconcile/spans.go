package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

const (
	// patience is how long a LAN or tree waits for a switch that is being looked at. A line waits until it is.
	patience = 10 * time.Second

	// again is how often what waits for other switches is looked at without any other reason.
	again = time.Second

	// breath is the time in which proposals gather that come one after another.
	breath = 2 * time.Millisecond

	// longest is the longest window of a transaction.
	longest = time.Hour
)

// Spans brings switches together that must change a service with each other.
//
// A line has its two ends on both switches or on none: it waits until both can be changed. A LAN or a tree exists
// without one of its switches: those that can be changed now are changed together, and none waits for the others.
//
// Each switch makes a proposal after it was looked at: the spans its plan changes, and those that it cannot change now,
// with the reason. A switch that cannot be reached proposes what it would need, as far as it was ever seen.
type Spans struct {
	Workers  map[string]*Worker
	Parallel int // switches worked on at once

	mu        sync.Mutex
	proposals map[string]*proposal       // by device
	by        map[string]map[string]bool // devices by the spans they propose
	engaged   map[string]bool            // devices in a transaction
	woken     chan struct{}
	made      sync.Once
}

// proposal is what one switch has to change together with others.
type proposal struct {
	in      *plan.Intent
	seen    switchcfg.State     // what the switch had when it was last looked at
	looking time.Time           // since when the switch is looked at; zero if it was
	spans   map[string]proposed // by service
	held    map[string]bool     // spans that the switch was last told to leave to all together

	refused string    // why the last attempt did not succeed because of this switch
	until   time.Time // when it is tried again
	retry   *backoff.ExponentialBackOff
}

// proposed is a span on one switch.
type proposed struct {
	line bool
	why  string // it cannot be changed now; "" if it can
}

func (s *Spans) wake() chan struct{} {
	s.made.Do(func() {
		s.woken = make(chan struct{}, 1)
		s.proposals, s.engaged, s.by = make(map[string]*proposal), make(map[string]bool), make(map[string]map[string]bool)
	})
	return s.woken
}

func (s *Spans) nudge() {
	select {
	case s.wake() <- struct{}{}:
	default:
	}
}

// Want tells switches, by name, what they should carry, all of them before any of them judges what it has to change with
// others: the far end of a new line may be told last.
func (s *Spans) Want(intents map[string]*plan.Intent) {
	s.wake()
	s.mu.Lock()
	for name, in := range intents {
		s.Workers[name].setIntent(in)
	}
	s.mu.Unlock()
	for name := range intents {
		s.Workers[name].Trigger()
	}
}

// looking notes that a switch is being looked at with a new intent.
func (s *Spans) looking(w *Worker, in *plan.Intent) {
	if s == nil {
		return
	}
	s.wake()
	s.mu.Lock()
	was := s.proposals[w.Device.Name]
	s.mu.Unlock()
	if was != nil && was.in == in {
		return
	}
	// Until it was looked at, what it had before says best what it needs.
	var spans map[string]proposed
	if w.observed == nil {
		spans = spansIn(in)
	} else {
		spans = spansOf(w.decide(w.observed, in))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.proposal(w.Device.Name)
	p.in, p.seen, p.looking = in, w.observed, time.Now()
	s.enter(w.Device.Name, p, spans)
}

// proposal returns that of a device. The caller holds mu.
func (s *Spans) proposal(device string) *proposal {
	p := s.proposals[device]
	if p == nil {
		p = &proposal{retry: backoff.NewExponentialBackOff(), held: make(map[string]bool)}
		p.retry.InitialInterval, p.retry.MaxInterval = time.Second, 5*time.Minute
		s.proposals[device] = p
	}
	return p
}

// enter makes spans those that a device proposes. The caller holds mu.
func (s *Spans) enter(device string, p *proposal, spans map[string]proposed) {
	for name := range p.spans {
		if delete(s.by[name], device); len(s.by[name]) == 0 {
			delete(s.by, name)
		}
	}
	for name := range spans {
		if s.by[name] == nil {
			s.by[name] = make(map[string]bool)
		}
		s.by[name][device] = true
	}
	p.spans = spans
}

// spansOf returns the spans that a decision changes or would change.
func spansOf(d *decision) map[string]proposed {
	out := make(map[string]proposed)
	add := func(span, why string) {
		if span == "" {
			return
		}
		p, known := out[span]
		if !known {
			p.line = d.line(span)
		}
		if p.why == "" {
			p.why = why
		}
		out[span] = p
	}
	for _, c := range d.plan.Changes {
		add(c.Span, d.waits)
	}
	for _, x := range d.plan.Withheld {
		if x.Reason != plan.Frozen { // what is frozen is not to change
			add(x.Span, string(x.Reason)+": "+x.Detail)
		}
	}
	return out
}

// spansIn returns the spans of a switch of which nothing is known: all that it is to have.
func spansIn(in *plan.Intent) map[string]proposed {
	out := make(map[string]proposed)
	for _, o := range in.State {
		if svc, ok := o.(*switchcfg.Service); ok && svc.Crosses() {
			out[svc.Name] = proposed{line: svc.Type == switchcfg.ServiceLine}
		}
	}
	return out
}

// line reports whether a service is a line.
func (d *decision) line(name string) bool {
	key := switchcfg.Key{Kind: switchcfg.KindService, Name: name}
	for _, state := range []switchcfg.State{d.in.State, d.observed} {
		if svc, ok := state[key].(*switchcfg.Service); ok {
			return svc.Type == switchcfg.ServiceLine
		}
	}
	return false
}

// propose notes what a switch has to change, and returns the spans that it must not change by itself now, each with
// the reason. Failed says why the switch could not be looked at; then d is what it would need as it was last seen.
func (s *Spans) propose(w *Worker, d *decision, failed error) map[string]string {
	if s == nil {
		return nil
	}
	s.wake()
	spans := spansOf(d)
	if failed != nil {
		for name, p := range spans {
			p.why = "it cannot be worked with: " + string(cmp.Or(drivers.FaultOf(failed), drivers.Unknown))
			spans[name] = p
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.proposal(w.Device.Name)
	p.in, p.seen, p.looking = d.in, d.observed, time.Time{}
	s.enter(w.Device.Name, p, spans)
	clear(p.held)
	hold := make(map[string]string)
	if failed == nil {
		unsettled := s.unsettled()
		for name, sp := range spans {
			if sp.why != "" {
				continue
			}
			if v := s.judge(w.Device.Name, name, unsettled); v.how != alone {
				hold[name], p.held[name] = v.why, true
			}
		}
	}
	s.nudge()
	return hold
}

// verdict says how a switch changes a span.
type verdict struct {
	how  manner
	why  string   // of waiting, and of being together
	with []string // devices that change it together, sorted
}

type manner uint8

const (
	alone    manner = iota // nobody else has to change it
	together               // with others, which can
	waiting                // with others, which cannot now
)

// unsettled returns the devices whose proposals may not be what they need now. The caller holds mu.
func (s *Spans) unsettled() map[string]bool {
	out := make(map[string]bool)
	for name, w := range s.Workers {
		if p := s.proposals[name]; p == nil || p.seen == nil || !p.looking.IsZero() || p.in != w.Intent() {
			out[name] = true
		}
	}
	return out
}

// judge says how a device changes a span that it could change by itself. The caller holds mu.
func (s *Spans) judge(device, span string, unsettled map[string]bool) verdict {
	now := time.Now()
	me := s.proposals[device]
	line := me.spans[span].line
	if now.Before(me.until) {
		return verdict{how: waiting, why: me.refused + ", and is tried again at " + me.until.Format(time.TimeOnly)}
	}
	ready, blocker, why := []string{device}, "", ""
	wait := func(other, reason string) {
		if blocker == "" || other < blocker {
			blocker, why = other, reason
		}
	}
	for other := range unsettled {
		if reason := s.unknown(other, me, span, line, now); other != device && reason != "" {
			wait(other, reason)
		}
	}
	for other := range s.by[span] {
		p := s.proposals[other]
		if other == device || unsettled[other] {
			continue
		}
		reason := p.spans[span].why
		if reason == "" && now.Before(p.until) {
			reason = p.refused + "; it is tried again at " + p.until.Format(time.TimeOnly)
		}
		switch {
		case reason == "":
			ready = append(ready, other)
		case line:
			wait(other, "must change it too: "+reason)
		}
	}
	switch {
	case blocker != "":
		return verdict{how: waiting, why: fmt.Sprintf("%s crosses switches, and %s %s", span, blocker, why)}
	case len(ready) == 1:
		return verdict{how: alone}
	}
	slices.Sort(ready)
	return verdict{how: together, why: fmt.Sprintf("%s crosses switches, and is changed on all of them together: %s", span, some(ready)), with: ready}
}

// unknown says why a span has to wait for a device whose proposal may not be what it needs, or "" if it need not.
func (s *Spans) unknown(other string, me *proposal, span string, line bool, now time.Time) string {
	p, known := s.proposals[other], s.Workers[other].Intent()
	switch {
	case line && (p == nil || p.seen == nil) && !wants(known, span):
		if !mayEnd(me.seen, span, s.Workers[other].Device) {
			return ""
		}
		return "was not seen yet, and may have the other end"
	case p == nil || p.in != known:
		if concerns(known, p, span) {
			return "was not looked at yet"
		}
	case !p.looking.IsZero():
		if _, needs := p.spans[span]; needs && (line || now.Sub(p.looking) <= patience) {
			return "is being looked at"
		}
	default: // it was never seen
		if sp, needs := p.spans[span]; needs && line {
			return "must change it too: " + sp.why
		}
	}
	return ""
}

// some names a few of many.
func some(names []string) string {
	const few = 4
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d others", strings.Join(names[:few], ", "), len(names)-few)
}

// concerns reports whether a span is a matter of a switch whose proposal is not up to date.
func concerns(in *plan.Intent, p *proposal, span string) bool {
	if in == nil {
		return true // nothing is known
	}
	if wants(in, span) || p == nil {
		return wants(in, span)
	}
	_, there := p.seen[switchcfg.Key{Kind: switchcfg.KindService, Name: span}]
	return there
}

// wants reports whether a switch is to have a service.
func wants(in *plan.Intent, span string) bool {
	if in == nil {
		return false
	}
	_, wanted := in.State[switchcfg.Key{Kind: switchcfg.KindService, Name: span}]
	return wanted
}

// mayEnd reports whether a line that is on one switch, which carries seen, may end on a device of which nothing is known.
func mayEnd(seen switchcfg.State, span string, d *config.Device) bool {
	svc, ok := seen[switchcfg.Key{Kind: switchcfg.KindService, Name: span}].(*switchcfg.Service)
	return ok && (len(svc.Peers) == 0 || slices.Contains(svc.Peers, d.TunnelAddress))
}

// group are switches that change spans together.
type group struct {
	devices []string
	spans   map[string]bool
}

// Run changes what is to be changed together until ctx is done. Transactions that have begun by then are brought to
// their end.
func (s *Spans) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	tick := time.NewTicker(again)
	defer tick.Stop()
	wake := s.wake()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
			select {
			case <-time.After(breath):
			case <-ctx.Done():
				return
			}
		case <-tick.C:
		}
		for _, g := range s.ready() {
			running.Go(func() {
				s.together(ctx, g)
				s.release(g)
			})
		}
	}
}

// ready returns the groups that can begin, which are engaged from then on, and triggers the switches that were told to
// wait and need not any more.
func (s *Spans) ready() []group {
	s.mu.Lock()
	defer s.mu.Unlock()
	unsettled, now := s.unsettled(), time.Now()
	joint := make(map[string][]string) // devices by span
	for span, devices := range s.by {
		for device := range devices {
			p := s.proposals[device]
			if !p.held[span] || s.engaged[device] || now.Before(p.until) {
				continue
			}
			// What holds for one that could change it holds for all.
			switch v := s.judge(device, span, unsettled); v.how {
			case alone:
				delete(p.held, span)
				s.Workers[device].Trigger()
			case together:
				joint[span] = v.with
			}
			break
		}
	}
	leads := make(map[string]string) // devices to another one of their group
	var lead func(device string) string
	lead = func(device string) string {
		if to, led := leads[device]; led && to != device {
			leads[device] = lead(to)
			return leads[device]
		}
		return device
	}
	for _, devices := range joint {
		for _, d := range devices {
			if a, b := lead(devices[0]), lead(d); a != b {
				leads[b] = a
			}
		}
	}
	groups := make(map[string]*group) // by their leading device
	for span, devices := range joint {
		first := lead(devices[0])
		g := groups[first]
		if g == nil {
			g = &group{spans: make(map[string]bool)}
			groups[first] = g
		}
		g.spans[span] = true
		g.devices = append(g.devices, devices...)
	}
	var out []group
	for _, g := range groups {
		slices.Sort(g.devices)
		g.devices = slices.Compact(g.devices)
		if slices.ContainsFunc(g.devices, func(d string) bool { return s.engaged[d] }) {
			continue
		}
		for _, d := range g.devices {
			s.engaged[d] = true
		}
		out = append(out, *g)
	}
	return out
}

func (s *Spans) release(g group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range g.devices {
		delete(s.engaged, d)
	}
	s.nudge()
}

// member is a switch of a group at work.
type member struct {
	*Worker
	start    time.Time
	decision *decision
	part     *Part
	err      error
}

// together makes one transaction of what the switches of a group have to change of its spans.
func (s *Spans) together(ctx context.Context, g group) {
	members := make([]*member, len(g.devices))
	for i, name := range g.devices {
		m := &member{Worker: s.Workers[name], start: time.Now()}
		m.busy.Lock()
		defer m.busy.Unlock()
		members[i] = m
	}
	each(members, func(m *member) { s.prepare(ctx, m, g) })
	// What has changed since the proposals were made is proposed anew, and then judged again.
	whole := true
	for _, m := range members {
		whole = whole && m.err == nil && m.part != nil
	}
	if ctx.Err() != nil {
		return
	}
	if !whole {
		for _, m := range members {
			switch {
			case m.err != nil:
				m.ended(m.Status(), nil, m.err, time.Since(m.start))
			case m.part == nil:
				s.refuse(m.Device.Name, "it has something else to change by now")
			}
			m.Trigger()
		}
		return
	}
	approved := !slices.ContainsFunc(members, func(m *member) bool { return !m.decision.approved })
	t := members[0].transaction(approved)
	parts := make([]*Part, len(members))
	for i, m := range members {
		parts[i] = m.part
		t.Window = max(t.Window, s.window(m.slowest, len(members)))
	}
	_ = t.Apply(ctx, parts...) // each part has its own
	each(members, func(m *member) { s.finish(ctx, m) })
}

// window returns one that is long enough for a switch of many that takes so long for an operation.
func (s *Spans) window(slowest time.Duration, many int) time.Duration {
	const operations = 8 // of a transaction on one switch
	turns := (many + max(1, s.Parallel) - 1) / max(1, s.Parallel)
	return min(operations*slowest*time.Duration(turns), longest)
}

// prepare looks at a switch and makes its part, unless it cannot change now what it was to change.
func (s *Spans) prepare(ctx context.Context, m *member, g group) {
	in := m.Intent()
	observed, err := m.look(ctx)
	if err != nil {
		m.err = err
		s.propose(m.Worker, m.decide(m.observed, in), err)
		return
	}
	d := m.decide(observed, in)
	m.decision = d
	spans := spansOf(d)
	others := make(map[string]string)
	for name, p := range spans {
		switch {
		case !g.spans[name]:
			others[name] = name + " is changed at another time"
		case p.why != "" && p.line:
			return // proposed anew by the pass that is triggered
		}
	}
	p := m.without(d, others)
	if len(p.Changes) > 0 && d.waits == "" && !m.harms(p) {
		m.part = m.Worker.part(p)
	}
}

// finish takes note of what became of a switch's part.
func (s *Spans) finish(ctx context.Context, m *member) {
	name, status, out := m.Device.Name, m.Status(), &m.part.Outcome
	err := m.applied(m.decision, m.part)
	switch {
	case errors.Is(err, ErrTogether):
		status.Outcome = out
		m.setStatus(status)
		m.Trigger()
		return
	case err != nil:
		s.refuse(name, "could not be changed: "+err.Error())
	default:
		s.accept(name)
		d := m.decide(m.observed, m.decision.in)
		left := m.without(d, s.propose(m.Worker, d, nil))
		m.fares(&status, d, left)
		m.probe(ctx, &status)
		if len(left.Changes) > 0 {
			m.Trigger()
		}
	}
	m.ended(status, out, err, time.Since(m.start))
}

// refuse lets nothing be changed together with a device for a while.
func (s *Spans) refuse(device, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.proposal(device)
	p.refused, p.until = why, time.Now().Add(p.retry.NextBackOff())
}

func (s *Spans) accept(device string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proposal(device).retry.Reset()
}

// each calls f for all members, side by side.
func each(members []*member, f func(*member)) {
	var wg sync.WaitGroup
	for _, m := range members {
		wg.Go(func() { f(m) })
	}
	wg.Wait()
}

// holdSpans returns the guard that leaves spans alone, each for its reason, and what would be made for them alone.
func holdSpans(spans map[string]string) plan.Guard {
	return func(changes []plan.Change, _ switchcfg.State) map[switchcfg.Key]plan.Hold {
		out := make(map[switchcfg.Key]plan.Hold)
		users := make(map[switchcfg.Key][]switchcfg.Key) // changed objects by what they will refer to
		for _, c := range changes {
			if why, ok := spans[c.Span]; ok {
				out[c.Key] = plan.Hold{Reason: plan.Spans, Detail: why}
			}
			if c.After == nil {
				continue
			}
			switchcfg.Refs(c.After, func(ref switchcfg.Key) bool {
				users[ref] = append(users[ref], c.Key)
				if ref.Kind == switchcfg.KindLAG { // or the port of that name
					ref.Kind = switchcfg.KindInterface
					users[ref] = append(users[ref], c.Key)
				}
				return true
			})
		}
		// Users come after what they refer to.
		for _, c := range slices.Backward(changes) {
			if _, held := out[c.Key]; held || c.Verb != plan.Create || len(users[c.Key]) == 0 {
				continue
			}
			h, held := out[users[c.Key][0]]
			for _, k := range users[c.Key] {
				_, too := out[k]
				held = held && too
			}
			if held {
				out[c.Key] = h
			}
		}
		return out
	}
}

// first returns the reason of the first span.
func first(spans map[string]string) string {
	return spans[slices.Min(slices.Collect(maps.Keys(spans)))]
}
