package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ixagent/ixagent/lab/exchange"
	"github.com/ixagent/ixagent/lab/switchd/tree"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// converged starts a trial in which nothing is left to do and no agent runs.
func converged(t *testing.T) (*trial, error) {
	x, err := newTrial(schedule{seed: 1, outages: []time.Duration{time.Millisecond}}, t.TempDir())
	if err != nil {
		return nil, err
	}
	if err := x.settle(); err != nil {
		return nil, errors.Join(err, x.close())
	}
	return x, nil
}

// running returns the configuration of every switch.
func (t *trial) running() map[string]tree.Node {
	out := make(map[string]tree.Node)
	for name, o := range t.on {
		out[name] = o.Running().Root()
	}
	return out
}

// pending returns the switches that wait for a confirmation.
func (t *trial) pending() []string {
	var out []string
	for k := 1; k <= trialSwitches; k++ {
		if t.on[switchName(k)].Pending() {
			out = append(out, switchName(k))
		}
	}
	return out
}

// death is what an agent left behind that killed itself before a step of the transactions that an order led to.
type death struct {
	at      string   // the device and the step
	pending []string // switches that waited for a confirmation
	made    []string // switches that were not as before, once no switch waited any more
	healed  time.Duration
}

// dieAt lets an agent work on an order until it kills itself before the n-th step, and another one after it: at once, or
// when no switch waits for a confirmation any more. The death has no place if there are fewer steps.
func dieAt(t *testing.T, n int, atOnce bool, order func(*trial) error) (d death, err error) {
	x, err := converged(t)
	if err != nil {
		return d, err
	}
	defer func() {
		err = errors.Join(err, x.close())
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, x.story())
		}
	}()
	before := x.running()
	if err := order(x); err != nil {
		return d, err
	}
	first, err := startAgent(x.dir, n)
	if err != nil {
		return d, err
	}
	defer func() { _ = first.signal(syscall.SIGKILL) }()
	if err := eventuallyNil(*soakPatience, func() error {
		select {
		case <-first.done:
			return nil
		default:
			return x.right()
		}
	}); err != nil {
		return d, err
	}
	// What is right may not be written down yet, and the last step not be taken.
	if err := eventuallyNil(patience, func() error {
		select {
		case <-first.done:
			return nil
		default:
		}
		if device, step := first.lastStep(); step != "end" {
			return fmt.Errorf("the last step is %s of %s", step, device)
		}
		return nil
	}); err != nil {
		return d, err
	}
	select {
	case <-first.done:
	case <-time.After(100 * time.Millisecond):
		if err := first.signal(syscall.SIGTERM); err != nil {
			return d, err
		}
		<-first.done
	}
	if first.killed() {
		device, step := first.lastStep()
		d.at = device + " " + step
	}
	d.pending = x.pending()
	dead := x.running()
	if !atOnce {
		if err := eventuallyNil(*soakPatience, func() error {
			if p := x.pending(); p != nil {
				return fmt.Errorf("%v still wait for a confirmation", p)
			}
			return nil
		}); err != nil {
			return d, err
		}
		if *soakTogether {
			if err := x.halves(x.lines); err != nil {
				return d, err
			}
		}
	}
	later := x.running()
	start := time.Now()
	x.agent = &soakSupervisor{dir: x.dir, ended: x.rest, note: x.note, stopped: make(chan struct{})}
	go x.agent.run()
	if err := x.becomesRight(); err != nil {
		return d, err
	}
	d.healed = time.Since(start)
	if err := errors.Join(x.agent.up(), x.agent.stop(syscall.SIGTERM), x.right(), x.laws(), x.nothingIsPlanned()); err != nil {
		return d, err
	}
	for k := 1; k <= trialSwitches; k++ {
		name := switchName(k)
		planned, err := x.sameAs(name, later[name])
		if err != nil {
			return d, err
		}
		switch was := later[name].Same(before[name]); {
		case !was && !planned:
			return d, fmt.Errorf("%s is neither as before nor as planned", name)
		case !was:
			d.made = append(d.made, name)
		}
		if planned, err = x.sameAs(name, dead[name]); err != nil || !planned && !dead[name].Same(before[name]) {
			return d, errors.Join(err, fmt.Errorf("%s was neither as before nor as planned when the agent died", name))
		}
	}
	return d, nil
}

// sameAs reports whether a switch carries now what it carried in another configuration.
func (t *trial) sameAs(name string, then tree.Node) (bool, error) {
	now, _ := t.on[name].Running().Root().AppendJSON(nil, tree.Config)
	text, ok := then.AppendJSON(nil, tree.Config)
	if !ok {
		return false, fmt.Errorf("%s had no configuration", name)
	}
	return string(now) == string(text), nil
}

// Killed before any step of a transaction, an agent leaves a switch as it was or as it was planned, and the next one ends
// with nothing left to do.
func TestAgentKilledAtAnyStepLeavesNothingHalfDone(t *testing.T) {
	t.Parallel()
	member := func(x *trial) error {
		return x.order(
			revision{ixapi.NetworkServiceConfigs, configID("lan", "trunk", 1), fields{"vlan_config": dot1q(150)}},
			revision{ixapi.Connections, connID(1, "late"), fields{"state": "production"}},
			revision{ixapi.NetworkServiceConfigs, configID("lan", "late", 1), fields{"state": "production"}},
		)
	}
	line := func(x *trial) error {
		var all []revision
		for _, id := range x.lines[lineID(5)] {
			all = append(all, revision{ixapi.NetworkServiceConfigs, id, fields{"state": "production"}})
		}
		return x.order(all...)
	}
	for _, c := range []struct {
		name   string
		order  func(*trial) error
		atOnce bool
	}{
		{"one switch, and the next agent comes at once", member, true},
		{"one switch, and the next agent comes when no switch waits any more", member, false},
		{"two switches, and the next agent comes at once", line, true},
		{"two switches, and the next agent comes when no switch waits any more", line, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			steps, err := countSteps(t, c.order)
			if err != nil {
				t.Fatal(err)
			}
			if steps < 6 || steps > 100 {
				t.Fatalf("there are %d steps", steps)
			}
			var g errgroup.Group
			g.SetLimit(*soakParallel)
			deaths := make([]death, steps)
			for n := range deaths {
				g.Go(func() (err error) {
					if deaths[n], err = dieAt(t, n+1, c.atOnce, c.order); err != nil {
						return fmt.Errorf("before step %d, %s: %w", n+1, deaths[n].at, err)
					}
					return nil
				})
			}
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			t.Logf("%-12s  %-12s %-24s %-24s %s", "killed before", "step", "waited for confirmation", "had it when none waited", "right after")
			waited := false
			for n, d := range deaths {
				if d.at == "" {
					t.Errorf("nobody died before step %d", n+1)
				}
				waited = waited || d.pending != nil
				t.Logf("%12d  %-12s %-24s %-24s %v", n+1, d.at, strings.Join(d.pending, " "), strings.Join(d.made, " "), d.healed.Round(time.Millisecond))
			}
			if !waited {
				t.Error("no switch waited for a confirmation at any step: the transactions are not confirmed")
			}
		})
	}
}

// countSteps returns how many steps an order leads to.
func countSteps(t *testing.T, order func(*trial) error) (int, error) {
	x, err := converged(t)
	if err != nil {
		return 0, err
	}
	defer x.close()
	if err := order(x); err != nil {
		return 0, err
	}
	x.agent = &soakSupervisor{dir: x.dir, ended: x.rest, note: x.note, stopped: make(chan struct{})}
	go x.agent.run()
	if err := errors.Join(x.becomesRight(), x.agent.up(), x.agent.stop(syscall.SIGTERM)); err != nil {
		return 0, fmt.Errorf("%w\n%s", err, x.story())
	}
	return len(x.agent.current.steps) / 3, nil
}

// watching is a trial in which nothing is left to do and an agent runs.
type watching struct {
	*trial
	t       *testing.T
	address string // of the agent's HTTP server
}

func watched(t *testing.T) *watching {
	t.Helper()
	x, err := converged(t)
	if err != nil {
		t.Fatal(err)
	}
	x.agent = &soakSupervisor{dir: x.dir, ended: x.rest, note: x.note, stopped: make(chan struct{})}
	go x.agent.run()
	t.Cleanup(func() {
		if err := x.close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(x.story())
		}
	})
	if err := x.agent.up(); err != nil {
		t.Fatal(err)
	}
	w := &watching{x, t, regexp.MustCompile(`msg="agent runs" listen=(\S+)`).FindStringSubmatch(x.agent.current.String())[1]}
	w.until("every switch was looked at", func() bool {
		for name := range x.on {
			if w.metric(`ixagent_passes_total{device="`+name+`",result="converged"} `) == "0" {
				return false
			}
		}
		return true
	})
	return w
}

// until waits for something.
func (w *watching) until(what string, f func() bool) {
	w.t.Helper()
	if err := eventuallyNil(patience, func() error {
		if !f() {
			return errors.New("not within " + patience.String() + ": " + what)
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}

// metric returns the value of a metric, or "" if there is none.
func (w *watching) metric(name string) string {
	w.t.Helper()
	resp, err := http.Get("http://" + w.address + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "\n"+name)
	value, _, _ := strings.Cut(after, "\n")
	return value
}

// A switch is watched again after its sessions were cut, whether or not anything failed because of that.
func TestDriftIsHealedAfterASessionWasCut(t *testing.T) {
	t.Parallel()
	x := watched(t)
	const passes = `ixagent_passes_total{device="sw1",result="converged"} `
	had := x.metric(passes)
	x.box.Switches["sw1"].Reboot()
	x.until("the agent noticed", func() bool { return x.metric(passes) != had })
	if err := x.byHand("sw1", func(s switchcfg.State) []plan.Change {
		for _, k := range s.Keys() {
			if c, ok := s[k].(*switchcfg.Circuit); ok && mine(c) && c.Service == "peering" {
				return []plan.Change{{Verb: plan.Delete, Key: k, Before: c}}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := x.right(); err == nil {
		t.Error("nothing was changed by hand")
	}
	if err := x.becomesRight(); err != nil {
		t.Error(err)
	}
}

// An exchange that lists nothing any more, or a third less, deletes nothing, and says so in the log, in a metric and to
// whoever asks for a plan.
func TestListThatShrinksIsToldAndDeletesNothing(t *testing.T) {
	t.Parallel()
	x := watched(t)
	const refusals = `ixagent_source_reads_total{result="refused",source="sandbox"} `
	refused := func() string { return x.metric(refusals) }
	until := x.until
	before := x.running()
	for _, c := range []struct {
		fault exchange.Fault
		says  string
	}{
		{exchange.Fault{Kind: exchange.Empty, Collection: "connections"}, "connections: 15 of 15 are gone, at most 3 may be"},
		{exchange.Fault{Kind: exchange.Shrunk, Percent: 30, Collection: "network-service-configs"}, "network-service-configs: 12 of 40 are gone, at most 4 may be"},
		{exchange.Fault{Kind: exchange.Shrunk, Percent: 30, Collection: "ports"}, "ports: 8 of 24 are gone, at most 3 may be"},
		{exchange.Fault{Kind: exchange.Empty}, "connections: 15 of 15 are gone, at most 3 may be"},
	} {
		had, logged := refused(), len(x.agent.current.String())
		x.box.Exchange.Inject(c.fault)
		until("the log says "+c.says, func() bool {
			for line := range strings.Lines(x.agent.current.String()[logged:]) {
				if strings.Contains(line, "level=ERROR") && strings.Contains(line, "snapshot is not accepted") && strings.Contains(line, c.says) {
					return true
				}
			}
			return false
		})
		until("the metric counts it", func() bool { return refused() != had })
		said, err := exec.Command("ixagent-soak", "plan", "--config", filepath.Join(x.dir, "ixagent.yaml")).CombinedOutput()
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(said), c.says) || !strings.Contains(string(said), "ixagent: hint: ") {
			t.Errorf("ixagent plan: %v\n%s", err, said)
		}
		for name, was := range before {
			if !was.Same(x.on[name].Running().Root()) {
				t.Errorf("%s was changed", name)
			}
		}
		x.box.ClearFaults()
		until("nothing is left to do", func() bool { return x.nothingIsPlanned() == nil })
	}
}
