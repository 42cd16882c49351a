package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/journal"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/all"
	"github.com/ixagent/ixagent/lab/sandbox"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

var (
	soakSeeds    = flag.Uint64("soak.seeds", 50, "how many schedules of faults are run")
	soakLines    = flag.Uint64("soak.lines", 12, "how many of them with command lines")
	soakFirst    = flag.Uint64("soak.first", 1, "seed of the first of them")
	soakSeed     = flag.Uint64("soak.seed", 0, "run the schedule of this seed alone, and say all that happens")
	soakParallel = flag.Int("soak.parallel", 12, "how many schedules run at a time")
	soakPatience = flag.Duration("soak.patience", 60*time.Second, "how long an agent may take to make everything right once all is calm")
	soakWindows  = flag.Bool("soak.windows", true, "let the clock jump over the windows in which addresses are valid")
	soakTogether = flag.Bool("soak.together", true, "hold that a line between two switches is on both or on none whenever the agent is at rest")
)

// confirmWindow is how long a switch waits for a confirmation. Where it counts in minutes, one takes as long.
const confirmWindow = 10 * time.Second

// attention is how long an agent has to make right what it can know of without a look.
const attention = 15 * time.Second

// trial is one run of a schedule: an exchange, its switches and an agent, each of which misbehaves.
type trial struct {
	schedule
	dir    string
	start  time.Time
	world  *world
	box    *sandbox.Sandbox
	config *config.Config
	on     map[string]*observer
	agent  *soakSupervisor
	steady map[string]bool // see observer
	macs   map[string][]switchcfg.MAC
	lines  map[string][]string // see halves
	whole  map[string][]string // those of them with no end that was ever in error
	cuts   []*time.Timer       // of sessions, that are to come
	took   time.Duration       // from calm until everything was right

	mu    sync.Mutex
	notes strings.Builder
	fault []error // what was found while it ran
}

// note remembers what happened.
func (t *trial) note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(&t.notes, "%8v  %s\n", time.Since(t.start).Round(time.Millisecond), fmt.Sprintf(format, args...))
}

func (t *trial) found(err error) {
	if err == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fault = append(t.fault, err)
}

// halves is law 8 after an agent was killed, and no switch waits any more. One that had written down its decision and
// was killed between two confirmations leaves the rest to the next agent.
func (t *trial) halves(lines map[string][]string) error {
	err := halves(lines, t.on)
	if err == nil {
		return nil
	}
	j, failed := journal.Existing(t.stateDir())
	if failed != nil {
		return errors.Join(err, failed)
	}
	all, failed := j.History(journal.Filter{})
	if slices.ContainsFunc(all, func(e journal.Entry) bool { return e.Decided && e.Result == journal.Begun }) {
		t.note("an agent was killed between two confirmations: %v", err)
		return nil
	}
	return errors.Join(err, failed)
}

// newTrial starts the exchange and the switches, on which there is only what people have configured.
func newTrial(s schedule, dir string) (*trial, error) {
	t := &trial{schedule: s, dir: dir, start: time.Now(), world: newWorld(), on: make(map[string]*observer)}
	t.steady = t.world.steady()
	t.macs, t.lines = t.world.macs(), t.world.lines()
	t.whole = t.lines
	if err := t.setUp(); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t *trial) setUp() error {
	files, err := t.world.files()
	if err != nil {
		return err
	}
	if t.box, err = sandbox.Start(sandbox.Options{Dir: t.dir, Records: files, Minute: confirmWindow}); err != nil {
		return err
	}
	addresses := make(map[string]string)
	for k := 1; k <= trialSwitches; k++ {
		if addresses[switchName(k)], err = t.vendors[k-1].add(t.box, switchName(k)); err != nil {
			return err
		}
	}
	file := filepath.Join(t.dir, "ixagent.yaml")
	if err := os.WriteFile(file, []byte(trialConfig(t.box.Exchange.URL(), t.vendors, addresses)), 0o600); err != nil {
		return err
	}
	if t.config, err = config.Load(file, all.Registry()); err != nil {
		return err
	}
	for _, d := range t.config.Inventory.Devices {
		o := observe(d, t.box.Switches[d.Name], t.vendors[numberOf(d.Name)-1], t.start)
		t.on[d.Name] = o
		o.serve(t.steady, t.macs)
		var management switchcfg.VLANID
		if d.Capabilities().ServiceVLAN {
			management = 50
		}
		if err := t.byHand(d.Name, func(switchcfg.State) (all []plan.Change) {
			for _, x := range o.vendor.byHand(management) {
				all = append(all, plan.Change{Verb: plan.Create, Key: x.Key(), After: x})
			}
			return all
		}); err != nil {
			return err
		}
	}
	return nil
}

// tryByHand reports whether a change was made, or there was none to make.
func (t *trial) tryByHand(ctx context.Context, name string, device drivers.Device, change func(switchcfg.State) []plan.Change) (bool, error) {
	session, err := all.Registry()[t.on[name].vendor.driver()].Open(ctx, device)
	if err != nil {
		return false, err
	}
	defer session.Close()
	state, err := session.Observe(ctx)
	if err != nil {
		return false, err
	}
	changes := change(state)
	if len(changes) == 0 {
		return true, nil
	}
	wrote := &switchcfg.Interface{Name: t.on[name].vendor.uplink(), Description: fmt.Sprintf("uplink configured %d times", time.Since(t.start))}
	written := plan.Change{Verb: plan.Create, Key: wrote.Key(), After: wrote}
	if was, ok := state[wrote.Key()]; ok {
		written.Verb, written.Before = plan.Update, was
	}
	if _, err := session.Apply(ctx, append(changes, written)); err != nil {
		return false, err
	}
	for _, c := range changes {
		t.note("%s: by hand: %s %s", name, c.Verb, c.Key)
	}
	return true, nil
}

// revision is a change of a record; without fields the record is new.
type revision struct {
	collection ixapi.Collection
	id         string
	change     fields
}

// order makes changes at the exchange, all in one write.
func (t *trial) order(edits ...revision) error {
	changed := make(map[ixapi.Collection][]fields)
	for _, e := range edits {
		changed[e.collection] = append(changed[e.collection], t.world.edit(e.collection, e.id, e.change))
		if e.change["state"] == "error" {
			// What stands for it is left as it is, there or not, and so may be one end of a line.
			t.whole = maps.Clone(t.whole)
			maps.DeleteFunc(t.whole, func(_ string, ends []string) bool {
				return slices.ContainsFunc(ends, func(id string) bool { return t.world.get(ixapi.NetworkServiceConfigs, id)["connection"] == e.id })
			})
		}
		if _, ok := e.change["macs"]; ok {
			t.macs = maps.Clone(t.macs)
			delete(t.macs, configMark(e.id))
		}
	}
	// What has ended or changed is known before anybody can read it.
	now := t.world.steady()
	t.steady = maps.Clone(t.steady)
	maps.DeleteFunc(t.steady, func(mark string, _ bool) bool { return !now[mark] })
	for _, o := range t.on {
		o.serve(t.steady, t.macs)
	}
	return write(t.box.Exchange, changed)
}

// run runs the schedule, and returns how the laws were broken.
func (t *trial) run() error {
	if !t.fresh {
		if err := t.settle(); err != nil {
			return err
		}
	}
	t.agent = &soakSupervisor{dir: t.dir, kills: t.kills, ended: t.rest, note: t.note, stopped: make(chan struct{})}
	go t.agent.run()
	began := time.Now()
	for _, a := range t.actions {
		pause(a.at - time.Since(began))
		t.note("%s", a.what)
		if err := a.do(t); err != nil {
			return fmt.Errorf("%s: %w", a.what, err)
		}
	}
	pause(span - time.Since(began))
	if err := t.calm(); err != nil {
		return err
	}
	if err := t.becomesRight(); err != nil {
		return err
	}
	if err := t.agent.up(); err != nil {
		return err
	}
	if err := t.agent.stop(syscall.SIGTERM); err != nil {
		return err
	}
	if r := t.agent.current; r.cmd.ProcessState.ExitCode() != 0 && !(r.killed() && r.kill > 0) {
		t.found(fmt.Errorf("the agent was told to stop, and ended with %v", r.cmd.ProcessState))
	}
	t.found(t.right())
	t.found(t.laws())
	if t.seed%8 == 0 {
		t.found(t.nothingIsPlanned())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Join(t.fault...)
}

// settle makes the switches what they should be before anything goes wrong.
func (t *trial) settle() error {
	// On a machine that is busy a switch may be faster than its confirmation.
	if err := eventuallyNil(*soakPatience, func() error {
		said, err := exec.Command("ixagent-soak", "apply", "--yes", "--config", filepath.Join(t.dir, "ixagent.yaml")).CombinedOutput()
		if err == nil {
			err = t.right()
		}
		if err != nil {
			return fmt.Errorf("before anything went wrong: %w\n%s", err, said)
		}
		return nil
	}); err != nil {
		return err
	}
	t.note("the switches are as they should be")
	return nil
}

// calm ends all faults.
func (t *trial) calm() error {
	t.note("all is calm")
	t.agent.calm()
	err := t.box.ClearFaults()
	for _, c := range t.cuts {
		if c.Stop() {
			c.Reset(0) // what hangs ends now, and nothing later
		}
	}
	for _, o := range t.on {
		o.afterNextCommit(nil)
		err = errors.Join(err, t.tidy(o))
	}
	var edits []revision
	for _, id := range t.world.order[ixapi.Connections] {
		if t.world.get(ixapi.Connections, id)["state"] == "error" {
			edits = append(edits, revision{ixapi.Connections, id, fields{"state": "production"}})
		}
	}
	return errors.Join(err, t.order(edits...), t.agent.fillDisk(false), setClock(t.dir, 0))
}

// rest is what happens after the end of an agent, before there is another one.
func (t *trial) rest(n int, r *runner) {
	if !r.killed() && r.cmd.ProcessState.ExitCode() == 2 {
		t.found(fmt.Errorf("agent %d panicked:\n%s", n, r)) // the runtime's exit code
	}
	outage := t.outages[n%len(t.outages)]
	if outage > 0 {
		pause(outage)
		return
	}
	err := eventuallyNil(*soakPatience, func() error {
		for name, o := range t.on {
			if o.Pending() {
				return fmt.Errorf("%s still waits for a confirmation, and nobody will give it", name)
			}
		}
		return nil
	})
	t.note("nobody waits for a confirmation")
	if err == nil && *soakTogether {
		err = t.halves(t.whole)
	}
	if err != nil {
		t.found(fmt.Errorf("after agent %d had ended: %w", n, err))
	}
}

// eventuallyNil waits until f returns nil, and returns what it returned last if that takes too long.
func eventuallyNil(patience time.Duration, f func() error) error {
	deadline := time.After(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return err
		}
	}
}

// pause lets the time of a schedule pass.
func pause(d time.Duration) { <-time.After(d) }

// becomesRight waits until every switch is as it should be.
func (t *trial) becomesRight() error {
	start := time.Now()
	err := eventuallyNil(attention, t.right)
	if err != nil && t.vendors != [trialSwitches]vendor{} {
		// What is changed by hand on a switch that nobody can watch is found at the next look, which comes at a reload.
		t.note("the agent is reloaded: %v", err)
		if err := t.agent.reload(); err != nil {
			return err
		}
	}
	if err := eventuallyNil(*soakPatience, t.right); err != nil {
		return fmt.Errorf("not within %v: %w", *soakPatience, err)
	}
	t.took = time.Since(start)
	t.note("everything is right, %v after it was calm", t.took.Round(time.Millisecond))
	return nil
}

// right returns how the switches are not what the records of the exchange make of them, or nil.
func (t *trial) right() error {
	intents, err := t.intents()
	if err != nil {
		return err
	}
	var faults []error
	for k := 1; k <= trialSwitches; k++ {
		faults = append(faults, t.on[switchName(k)].differs(intents[switchName(k)]))
	}
	return errors.Join(append(faults, halves(t.lines, t.on))...)
}

// intents compiles the records as they truly are, with the numbers that were given away.
func (t *trial) intents() (map[string]*plan.Intent, error) {
	j, err := journal.Existing(t.stateDir())
	if err != nil {
		return nil, err
	}
	known, err := j.Allocations()
	if err != nil {
		return nil, err
	}
	records, faults, err := t.world.decode()
	if err != nil {
		return nil, err
	}
	c := compile.New(&t.config.Inventory, t.config.Policy, compile.NewAllocations(known, 30*24*time.Hour))
	c.Set(records, faults, time.Now())
	out := make(map[string]*plan.Intent)
	for name := range t.on {
		out[name] = c.Intent(name)
	}
	return out, nil
}

func (t *trial) stateDir() string { return t.config.StateDir.String() }

// laws holds every commit of every switch against the laws.
func (t *trial) laws() error {
	began, err := written(t.stateDir())
	if err != nil {
		return err
	}
	var faults []error
	for name, o := range t.on {
		faults = append(faults, o.check(began[name]))
	}
	return errors.Join(faults...)
}

// nothingIsPlanned asks the program itself whether there is anything left to do.
func (t *trial) nothingIsPlanned() error {
	said, err := exec.Command("ixagent-soak", "plan", "--exit-code", "--config", filepath.Join(t.dir, "ixagent.yaml")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ixagent plan --exit-code: %w\n%s", err, said)
	}
	return nil
}

// close ends everything.
func (t *trial) close() error {
	var err error
	if t.agent != nil {
		_ = t.agent.stop(syscall.SIGKILL)
	}
	if t.box != nil {
		err = t.box.Close()
	}
	return err
}

// story returns all that is known of a trial.
func (t *trial) story() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := t.String() + "\n" + t.notes.String()
	if t.agent != nil {
		text += "\n" + t.agent.logs()
	}
	return text
}

// summary says in one line what a trial went through.
func (t *trial) summary() string {
	commits := 0
	for _, o := range t.on {
		commits += len(o.commits)
	}
	return fmt.Sprintf("%d agents, %d commits, right %v after it was calm", len(t.agent.all), commits, t.took.Round(time.Millisecond))
}

// soak runs a schedule.
func soak(t *testing.T, s schedule) {
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Error(err)
		return
	}
	seed := s.seed
	x, err := newTrial(s, dir)
	if err == nil {
		err = x.run()
		err = errors.Join(err, x.close())
	}
	if err != nil {
		t.Errorf("seed %d: %v\nrun it again with: go test ./cmd/ixagent -run '^%s$' -soak.seed %d\n%s", seed, err, t.Name(), seed, x.story())
	} else if *soakSeed != 0 {
		t.Logf("seed %d\n%s", seed, x.story())
	} else {
		t.Logf("seed %d: %s", seed, x.summary())
	}
}

// soaks runs the schedules of as many seeds, or of the one that was asked for.
func soaks(t *testing.T, seeds uint64, lines bool) {
	t.Parallel()
	if *soakSeed != 0 {
		soak(t, newSchedule(*soakSeed, lines))
		return
	}
	var g errgroup.Group
	g.SetLimit(*soakParallel)
	for seed := *soakFirst; seed < *soakFirst+seeds; seed++ {
		g.Go(func() error { soak(t, newSchedule(seed, lines)); return nil })
	}
	_ = g.Wait()
}

// Whatever the exchange, the switches, the disk, the clock and the process itself do: what is in service stays, what is
// not the agent's is not touched, every commit is legal and was written down before, and once all is calm the switches
// become what the records make of them, without anything left half done.
func TestNoScheduleOfFaultsBreaksALaw(t *testing.T) { soaks(t, *soakSeeds, false) }

// The same, where one switch has the command line of EOS and one that of Junos, which fail in ways of their own and at
// which somebody else types.
func TestNoScheduleOfFaultsBreaksALawOnCommandLines(t *testing.T) { soaks(t, *soakLines, true) }
