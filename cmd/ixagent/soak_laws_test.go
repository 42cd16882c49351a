package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/eos"
	"github.com/ixagent/ixagent/drivers/junos"
	"github.com/ixagent/ixagent/drivers/openconfig"
	"github.com/ixagent/ixagent/lab/sandbox"
	"github.com/ixagent/ixagent/lab/switchd/tree"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// image is a configuration that a switch had.
type image struct {
	*tree.Tree
	text string // of a command line
}

// is returns what tells an image from others.
func (v image) is() any {
	if v.text != "" {
		return v.text
	}
	return v.Root()
}

// commit is a change of a switch's configuration.
type commit struct {
	at            time.Duration // since the trial began
	before, after image
	steady        map[string]bool            // marks of the records in service until then, see observer
	macs          map[string][]switchcfg.MAC // their addresses, of those for which they never changed
}

// observer remembers every commit of a switch.
type observer struct {
	device *config.Device
	*sandbox.Switch
	vendor    vendor
	start     time.Time
	forgetful atomic.Bool // it was one that does not know confirmed commits

	mu      sync.Mutex
	commits []commit
	steady  map[string]bool
	macs    map[string][]switchcfg.MAC
	arm     func()                  // called in its own time after the next commit that is not made by hand
	parsed  map[any]switchcfg.State // by what it is
	last    image
}

func observe(d *config.Device, s *sandbox.Switch, v vendor, start time.Time) *observer {
	o := &observer{device: d, Switch: s, vendor: v, start: start, parsed: make(map[any]switchcfg.State)}
	o.last = o.now()
	s.OnCommit(func(_, _ *tree.Tree) {
		now := o.now()
		o.mu.Lock()
		defer o.mu.Unlock()
		before := o.last
		o.last = now
		o.commits = append(o.commits, commit{time.Since(o.start), before, now, o.steady, o.macs})
		if o.arm != nil && o.hand(before) == o.hand(now) {
			go o.arm()
			o.arm = nil
		}
	})
	return o
}

// now returns what runs.
func (o *observer) now() image {
	v := image{Tree: o.Running()}
	if o.vendor != "" {
		v.text = string(o.Device.Show(o.Native()))
	}
	return v
}

// serve says which records are in service, and in service with the same addresses, since the trial began.
func (o *observer) serve(steady map[string]bool, macs map[string][]switchcfg.MAC) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.steady, o.macs = steady, macs
}

func (o *observer) afterNextCommit(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.arm = f
}

// hand returns what whoever configures a switch by hand writes down with every change: the description of the uplink.
func (o *observer) hand(v image) string {
	return v.At("interfaces", "interface").Entry(o.vendor.uplink()).Text("config", "description")
}

// state returns what a configuration stands for.
func (o *observer) state(v image) (switchcfg.State, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s, ok := o.parsed[v.is()]; ok {
		return s, nil
	}
	caps := o.device.Capabilities()
	var s switchcfg.State
	var err error
	switch o.vendor {
	case "eos":
		s, err = eos.Parse([]byte(v.text), &caps)
	case "junos":
		s, err = junos.Parse([]byte(v.text), &caps)
	default:
		s, err = stateOf(v.Tree, &caps)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: its configuration cannot be read: %w", o.device.Name, err)
	}
	o.parsed[v.is()] = s
	return s, nil
}

// stateOf returns what a tree stands for.
func stateOf(t *tree.Tree, caps *drivers.Capabilities) (switchcfg.State, error) {
	text, _ := t.Root().AppendJSON(nil, tree.Config)
	return openconfig.Parse(text, caps)
}

// check holds everything that was committed against the laws. Began are the plans that the journal has for the switch.
func (o *observer) check(began []begun) error {
	o.mu.Lock()
	commits := slices.Clone(o.commits)
	o.mu.Unlock()
	var faults []error
	earlier := make(map[any]bool) // configurations that were left
	hands := make(map[string]bool)
	for i, c := range commits {
		earlier[c.before.is()], hands[o.hand(c.before)] = true, true
		if earlier[c.after.is()] {
			continue // taken back
		}
		if hand := o.hand(c.after); hand != o.hand(c.before) {
			if hands[hand] {
				faults = append(faults, fmt.Errorf("law 4: %s, commit %d at %v: what was made by hand is undone", o.device.Name, i, c.at.Round(time.Millisecond)))
			}
			continue // made by hand
		}
		if i > 0 {
			undone, err := o.undone(commits[i-1], c, began)
			if err != nil {
				return err
			}
			if undone {
				continue // taken back by the inverse plan
			}
		}
		takenBack := i+1 < len(commits) && commits[i+1].after.is() == c.before.is()
		looked := c.before // what the agent may have seen last
		if i > 0 {
			looked = commits[i-1].before
		}
		if err := o.forward(c, looked, began, takenBack); err != nil {
			faults = append(faults, fmt.Errorf("%s, commit %d at %v: %w", o.device.Name, i, c.at.Round(time.Millisecond), err))
		}
	}
	return errors.Join(faults...)
}

// undone reports whether a commit takes back the one before it: on a switch that knows no confirmed commits, or because
// another switch has taken its part of a transaction back that was decided.
func (o *observer) undone(last, c commit, began []begun) (bool, error) {
	from, err := o.state(last.before)
	if err != nil {
		return false, err
	}
	made, err := o.state(c.before)
	if err != nil {
		return false, err
	}
	to, err := o.state(c.after)
	if err != nil || !to.Equal(from) {
		return false, err
	}
	return o.forgetful.Load() || slices.ContainsFunc(began, func(p begun) bool {
		return p.decided && p.Basis == from.Digest() && p.Target == made.Digest()
	}), nil
}

// forward checks a commit of an agent.
func (o *observer) forward(c commit, looked image, began []begun, takenBack bool) error {
	before, err := o.state(c.before)
	if err != nil {
		return err
	}
	seen, err := o.state(looked)
	if err != nil {
		return err
	}
	after, err := o.state(c.after)
	if err != nil {
		return err
	}
	return errors.Join(
		o.foreignIsUntouched(c, before, after), nobodyIsTakenDown(c, before, after), legal(before, after),
		o.writtenDown(seen, before, after, began, takenBack),
	)
}

// foreignIsUntouched is law 4, by the paths or lines that changed and by the objects behind them.
func (o *observer) foreignIsUntouched(c commit, before, after switchcfg.State) error {
	faults := []error{o.foreignTextIsUntouched(c.before, c.after)}
	for k, was := range before {
		if now, ok := after[k]; !mine(was) && (!ok || !switchcfg.Equal(was, now)) {
			faults = append(faults, fmt.Errorf("law 4: %s is not the agent's, and was changed or removed", k))
		}
	}
	return errors.Join(faults...)
}

func (o *observer) foreignTextIsUntouched(before, after image) error {
	if o.vendor != "" {
		return o.foreignLinesAreUntouched(before, after)
	}
	all, err := before.Schema().Pattern(&gpb.Path{})
	if err != nil {
		return err
	}
	var faults []error
	look := func(p *gpb.Path, _ tree.Node) {
		if !mayTouch(p) {
			faults = append(faults, fmt.Errorf("law 4: %s is not the agent's, and was changed", tree.PathString(p)))
		}
	}
	// What is gone is looked at leaf by leaf, too.
	tree.Diff(before.Tree, after.Tree, []*tree.Pattern{all}, func(*gpb.Path) {}, look)
	tree.Diff(after.Tree, before.Tree, []*tree.Pattern{all}, func(*gpb.Path) {}, look)
	return errors.Join(faults...)
}

// mine reports whether the agent made an object, as far as its marks tell.
func mine(o switchcfg.Object) bool {
	switch o := o.(type) {
	case *switchcfg.Policer:
		return true
	case *switchcfg.Filter:
		return strings.HasPrefix(o.Name, "ix-")
	}
	return strings.HasPrefix(switchcfg.Description(o), "ixagent ")
}

// owned returns the part of a switch's state that the agent made.
func owned(s switchcfg.State) switchcfg.State {
	s = maps.Clone(s)
	maps.DeleteFunc(s, func(_ switchcfg.Key, o switchcfg.Object) bool { return !mine(o) })
	return s
}

// What the inventory of a trial gives to the agent.
var (
	givenPorts    = regexp.MustCompile(`^(Ethernet[1-8]|Port-Channel1[0-9][0-9])(\.[0-9]+)?$`)
	givenServices = regexp.MustCompile(`^(ix-.*|peering|peering-quarantine)$`)
)

// mayTouch reports whether a path lies where the inventory lets the agent configure something.
func mayTouch(p *gpb.Path) bool {
	var names []string
	var key string
	for _, e := range p.GetElem() {
		names = append(names, e.GetName())
		for _, name := range []string{"name", "id", "interface-id"} {
			if v, ok := e.GetKey()[name]; ok && key == "" {
				key = v
			}
		}
	}
	switch names[0] {
	case "network-instances":
		return givenServices.MatchString(key)
	case "acl", "qos":
		if names[1] != "interfaces" {
			return strings.HasPrefix(key, "ix-")
		}
	}
	return givenPorts.MatchString(key)
}

// nobodyIsTakenDown is law 3: what stands for records in service stays, and lets their stations in.
func nobodyIsTakenDown(c commit, before, after switchcfg.State) error {
	type thing struct {
		kind switchcfg.Kind
		mark string
	}
	there := make(map[thing]switchcfg.Object)
	for k, x := range after {
		if tag, ok := switchcfg.ParseTag(switchcfg.Description(x)); ok {
			there[thing{k.Kind, tag.Record}] = x
		}
	}
	var faults []error
	for k, x := range before {
		tag, ok := switchcfg.ParseTag(switchcfg.Description(x))
		if !ok || !c.steady[tag.Record] {
			continue
		}
		now := there[thing{k.Kind, tag.Record}]
		if now == nil {
			faults = append(faults, fmt.Errorf("law 3: %s stood for %s, which is in service, and was removed", k, tag.Record))
			continue
		}
		was, ok := x.(*switchcfg.Circuit)
		if !ok {
			continue
		}
		circuit := now.(*switchcfg.Circuit)
		if was.Filter != "" && circuit.Filter == "" {
			faults = append(faults, fmt.Errorf("law 11: %s of %s is without a filter", circuit.Key(), tag.Record))
		}
		for _, m := range c.macs[tag.Record] {
			if lets(before, was, m) && !lets(after, circuit, m) {
				faults = append(faults, fmt.Errorf("law 3: %s of %s no longer lets %s in", circuit.Key(), tag.Record, m))
			}
		}
	}
	return errors.Join(faults...)
}

// lets reports whether the filter of a circuit lets a station in.
func lets(s switchcfg.State, c *switchcfg.Circuit, m switchcfg.MAC) bool {
	f, ok := s[switchcfg.Key{Kind: switchcfg.KindFilter, Name: c.Filter}].(*switchcfg.Filter)
	return ok && (f.AnySource || slices.Contains(f.Sources, m))
}

// legal is law 11: what was not at odds before is not afterwards.
func legal(before, after switchcfg.State) error {
	var faults []error
	known := switchcfg.Check(before)
	for _, v := range switchcfg.Check(after) {
		if !slices.Contains(known, v) {
			faults = append(faults, fmt.Errorf("law 11: %w", v))
		}
	}
	return errors.Join(faults...)
}

// writtenDown is law 6, and what the journal promises: the commit is that of a plan that was written down, which was made
// for what the switch was then and leads to what it is now. What changes on the switch between the agent's last look, when
// it was as seen, and the commit is noticed after the commit only: then the switch either is as planned all the same, or
// takes the commit back where it can. Junos has a lock, behind which nothing changes.
func (o *observer) writtenDown(seen, before, after switchcfg.State, began []begun, takenBack bool) error {
	from, to := before.Digest(), after.Digest()
	for _, p := range began {
		if p.Target == to && (p.Basis == from || o.vendor != "junos" && p.Basis == seen.Digest()) {
			return nil
		}
		if o.vendor != "junos" && (takenBack || o.forgetful.Load() || p.Basis == seen.Digest()) {
			if got, err := plan.Apply(before, p.Changes); err == nil && got.Digest() == to {
				return nil
			}
		}
	}
	return fmt.Errorf("law 6: the journal has no plan that leads from %.12s to %.12s", from, to)
}

// begun is a plan that was written down.
type begun struct {
	plan.Plan
	decided bool // all switches of its transaction were to keep it
}

// written returns the plans in a journal, by device.
func written(dir string) (map[string][]begun, error) {
	j, err := journal.Existing(dir)
	if err != nil {
		return nil, err
	}
	all, err := j.History(journal.Filter{})
	if err != nil {
		return nil, err
	}
	out := make(map[string][]begun)
	for _, e := range all {
		p := begun{decided: e.Decided}
		if err := json.Unmarshal(e.Plan, &p.Plan); err != nil {
			return nil, err
		}
		out[p.Device] = append(out[p.Device], p)
	}
	return out, nil
}

// differs returns how what the agent owns on a switch differs from what it should be, or nil.
func (o *observer) differs(intent *plan.Intent) error {
	if o.Pending() {
		return fmt.Errorf("%s waits for a confirmation", o.device.Name)
	}
	state, err := o.state(o.now())
	if err != nil {
		return err
	}
	if d := plan.Diff(owned(state), intent.State); len(d) > 0 {
		var text strings.Builder
		for _, c := range d {
			fmt.Fprintf(&text, "\n\t%s %s", c.Verb, c.Key)
		}
		return fmt.Errorf("law 7: %s is not what it should be; what is left to do:%s", o.device.Name, &text)
	}
	return nil
}

// halves returns an error that names the lines that are on one of their two switches only: law 8.
func halves(lines map[string][]string, on map[string]*observer) error {
	var faults []error
	for _, line := range slices.Sorted(maps.Keys(lines)) {
		var there, missing []string
		for _, config := range lines[line] {
			o := on[switchOf(config)]
			state, err := o.state(o.now())
			if err != nil {
				return err
			}
			found := false
			for k, x := range state {
				tag, ok := switchcfg.ParseTag(switchcfg.Description(x))
				found = found || ok && k.Kind == switchcfg.KindCircuit && tag.Record == configMark(config)
			}
			if found {
				there = append(there, config)
			} else {
				missing = append(missing, config)
			}
		}
		if len(there) > 0 && len(missing) > 0 {
			faults = append(faults, fmt.Errorf("law 8: %s is on a switch as %v, and not on another as %v", line, there, missing))
		}
	}
	return errors.Join(faults...)
}
