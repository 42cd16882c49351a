package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/agent"
	"github.com/ixagent/ixagent/agent/web"
	"github.com/ixagent/ixagent/lab/sandbox"
)

func newSize() *cobra.Command {
	var set, program, dir string
	var rest, patience time.Duration
	var asJSON bool
	c := &cobra.Command{
		Use:   "size",
		Short: "Measure what an agent needs for an exchange of some size",
		Long: `Measure what an agent needs for an exchange of some size. A sandbox exchange and its switches run in this process, and
"ixagent run" beside it as one of its own, from switches without any configuration until every switch is as it should
be and nothing is left to do, and then at rest. Its figures are those of its process.

The switches of the sandbox share the machine, and take processor time that those of an exchange do not: it is told
too. With a data set made to size the agent is set as it is by default, and so polls the exchange every 30 s.`,
		Example: `  ixlab size --set 4x10 --rest 1s
  ixlab size --set 4x10 --rest 1s --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			path, err := exec.LookPath(program)
			if err != nil {
				return err
			}
			if dir == "" {
				if dir, err = os.MkdirTemp("", "ixlab-"); err != nil {
					return err
				}
				defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
			} else if err := emptyFolder(dir); err != nil {
				return err
			}
			l, err := newLab(c.Context(), set, dir, nil, "", logger(c))
			if err != nil {
				return fmt.Errorf("the lab did not start: %w", err)
			}
			defer func() { err = errors.Join(err, l.Close()) }()
			s, err := measure(c.Context(), l, path, patience, rest)
			if err != nil {
				return err
			}
			s.Set = set
			if asJSON {
				out := json.NewEncoder(c.OutOrStdout())
				out.SetIndent("", "  ")
				return out.Encode(s)
			}
			p := newPage(c.OutOrStdout())
			s.show(p)
			return p.err
		},
	}
	c.Flags().StringVar(&set, "set", "200x50", setUsage)
	c.Flags().StringVar(&program, "agent", "ixagent", "`program` of the agent")
	c.Flags().StringVar(&dir, "dir", "", "`folder` to make and keep, with the agent's log and records; without it they go")
	c.Flags().DurationVar(&rest, "rest", 2*time.Minute, "how long it is measured at rest")
	c.Flags().DurationVar(&patience, "patience", 5*time.Minute, "how long switches may take to become what they should be")
	c.Flags().BoolVar(&asJSON, "json", false, "print the figures as JSON")
	return c
}

// sizing is what was measured, for machines. Fields are only added. Memory is in bytes, time in seconds.
type sizing struct {
	Set        string  `json:"set"`
	Switches   int     `json:"switches"`
	Circuits   int     `json:"circuits"`
	Processors int     `json:"processors"` // that each program may use at once
	Rejections int     `json:"rejections"` // of records
	Converged  float64 `json:"converged"`  // from the start of the agent until nothing was left to do
	Work       float64 `json:"work"`       // processor time of the agent until then
	LabWork    float64 `json:"lab_work"`   // and of exchange and switches
	Others     float64 `json:"others"`     // and of everybody else on the machine
	Rest       float64 `json:"rest"`       // how long it rested
	RestWork   float64 `json:"rest_work"`  // processor time of the agent meanwhile
	RestLab    float64 `json:"rest_lab"`   // and of exchange and switches
	Peak       int64   `json:"peak"`       // memory of the agent, most
	Resident   int64   `json:"resident"`   // and at the end of the rest
	Threads    int     `json:"threads"`    // of the agent
	Journal    int64   `json:"journal"`    // its file
}

func (s *sizing) show(p *page) {
	const mib = 1 << 20
	p.heading("%d switches with %d circuits in all, %d records rejected, %d processors", s.Switches, s.Circuits, s.Rejections, s.Processors)
	p.line("converged  in %.1f s", s.Converged)
	p.line("           processor time %.1f s; exchange and switches %.1f s, others on this machine %.1f s", s.Work, s.LabWork, s.Others)
	p.line("at rest    %.2f %% of a processor over %.0f s; exchange and switches %.2f %%", 100*s.RestWork/s.Rest, s.Rest, 100*s.RestLab/s.Rest)
	p.line("memory     %.0f MiB at most, %.0f MiB at rest, %d threads", float64(s.Peak)/mib, float64(s.Resident)/mib, s.Threads)
	p.line("journal    %.1f MiB", float64(s.Journal)/mib)
}

// measure runs the agent of a lab until its switches are as they should be, and for the time of rest after that.
func measure(ctx context.Context, l *lab, program string, patience, rest time.Duration) (_ *sizing, err error) {
	a, err := startAgent(ctx, l, program)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.stop()) }()
	s := &sizing{Switches: len(l.Switches), Processors: runtime.GOMAXPROCS(0)}
	start := time.Now()
	lab, all, err := processorTime()
	if err != nil {
		return nil, err
	}
	for settled := false; !settled; {
		if time.Since(start) > patience {
			return nil, fmt.Errorf("not every switch was as it should be within %v", patience)
		}
		if err := a.runFor(ctx, 250*time.Millisecond); err != nil {
			return nil, err
		}
		st, err := a.status(ctx)
		if err != nil {
			continue // it does not answer yet
		}
		settled, s.Rejections = settledAll(st), len(st.Rejections)
	}
	s.Converged = time.Since(start).Seconds()
	before, err := a.process()
	if err != nil {
		return nil, err
	}
	labThen, allThen, err := processorTime()
	if err != nil {
		return nil, err
	}
	s.Work, s.LabWork = before.time.Seconds(), (labThen - lab).Seconds()
	s.Others = max(0, (allThen-all).Seconds()-s.Work-s.LabWork)
	if s.Circuits, err = l.verify(ctx); err != nil {
		return nil, err
	}
	return s, s.atRest(ctx, l, a, rest)
}

// atRest measures the agent for some time in which it has nothing to do.
func (s *sizing) atRest(ctx context.Context, l *lab, a *agentProcess, d time.Duration) error {
	start := time.Now()
	before, err := a.process()
	if err != nil {
		return err
	}
	lab, _, err := processorTime()
	if err != nil {
		return err
	}
	if err := a.runFor(ctx, d); err != nil {
		return err
	}
	after, err := a.process()
	if err != nil {
		return err
	}
	labThen, _, err := processorTime()
	if err != nil {
		return err
	}
	s.Rest, s.RestWork, s.RestLab = time.Since(start).Seconds(), (after.time - before.time).Seconds(), (labThen - lab).Seconds()
	s.Peak, s.Resident, s.Threads = after.peak, after.resident, after.threads
	journal, err := os.Stat(filepath.Join(l.config.StateDir.String(), "journal.db"))
	if err == nil {
		s.Journal = journal.Size()
	}
	return err
}

// settledAll reports whether every switch was looked at and nothing is left to do on any.
func settledAll(s web.Status) bool {
	for _, d := range s.Devices {
		if d.LastPass.IsZero() || d.Error != "" || d.PlanDigest != "" || len(d.Withheld) > 0 {
			return false
		}
	}
	return len(s.Devices) > 0
}

// verify looks at the switches as another agent does, makes sure that nothing is left to do there, and returns how many
// circuits they have.
func (l *lab) verify(ctx context.Context) (circuits int, err error) {
	pass, err := agent.NewPass(ctx, agent.Options{Config: l.config, Drivers: l.drivers, Version: version})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, pass.Close()) }()
	for _, name := range pass.Devices() {
		p, err := pass.Plan(ctx, name)
		if err != nil {
			return 0, err
		}
		if !p.Empty() {
			return 0, fmt.Errorf("the agent has nothing left to do, and the switch is not as it should be: %s", p.AppendText(nil))
		}
		for i := range l.Switches[name].Running().At("interfaces", "interface").Entries() {
			for range i.At("subinterfaces", "subinterface").Entries() {
				circuits++
			}
		}
	}
	return circuits, nil
}

// agentProcess is an agent that runs beside this process.
type agentProcess struct {
	cmd   *exec.Cmd
	log   string // path of what it writes
	ended chan struct{}
	err   error // how it ended
}

// startAgent starts the agent of a lab on a free port.
func startAgent(ctx context.Context, l *lab, program string) (*agentProcess, error) {
	text, err := os.ReadFile(l.path)
	if err != nil {
		return nil, err
	}
	text = bytes.Replace(text, []byte(l.config.Listen.String()), []byte(sandbox.Loopback+":0"), 1)
	if err := os.WriteFile(l.path, text, 0o600); err != nil {
		return nil, err
	}
	a := &agentProcess{log: filepath.Join(filepath.Dir(l.path), "agent.log"), ended: make(chan struct{})}
	log, err := os.OpenFile(a.log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // it has its own
	a.cmd = exec.CommandContext(context.WithoutCancel(ctx), program, "run", "--config", l.path)
	a.cmd.Stderr = log
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(a.ended)
		a.err = a.cmd.Wait()
	}()
	return a, nil
}

// runFor lets the agent run for some time; it must not end in it.
func (a *agentProcess) runFor(ctx context.Context, d time.Duration) error {
	select {
	case <-a.ended:
		text, _ := os.ReadFile(a.log)
		return fmt.Errorf("the agent ended by itself, and said:\n%s", text)
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// stop ends the agent in good order.
func (a *agentProcess) stop() error {
	select {
	case <-a.ended:
	default:
		if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		<-a.ended
	}
	return a.err
}

// status asks the agent how it fares. Its log says where.
func (a *agentProcess) status(ctx context.Context) (s web.Status, err error) {
	log, err := os.ReadFile(a.log)
	if err != nil {
		return s, err
	}
	_, after, ok := bytes.Cut(log, []byte(" listen="))
	if !ok {
		return s, errors.New("the agent does not say where it listens")
	}
	address, _, _ := bytes.Cut(after, []byte(" "))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/api/v1/status", address), nil)
	if err != nil {
		return s, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}

// process is what the kernel says of a process.
type process struct {
	time           time.Duration // of all processors
	peak, resident int64         // bytes
	threads        int
}

// tick is the unit of processor time in /proc (USER_HZ), the same for all programs.
const tick = time.Second / 100

// process asks the kernel about the agent (proc(5)).
func (a *agentProcess) process() (p process, err error) {
	folder := fmt.Sprintf("/proc/%d/", a.cmd.Process.Pid)
	stat, err := os.ReadFile(folder + "stat")
	if err != nil {
		return p, err
	}
	var user, system int64
	_, after, _ := bytes.Cut(stat, []byte(") "))
	fields := bytes.Fields(after)
	if _, err := fmt.Sscan(string(fields[11])+" "+string(fields[12]), &user, &system); err != nil {
		return p, err
	}
	p.time = time.Duration(user+system) * tick
	status, err := os.ReadFile(folder + "status")
	if err != nil {
		return p, err
	}
	for line := range bytes.Lines(status) {
		var n int64
		switch name, value, _ := bytes.Cut(line, []byte(":")); string(name) {
		case "VmHWM":
			_, err = fmt.Sscanf(string(value), "%d kB", &n)
			p.peak = n << 10
		case "VmRSS":
			_, err = fmt.Sscanf(string(value), "%d kB", &n)
			p.resident = n << 10
		case "Threads":
			_, err = fmt.Sscan(string(value), &p.threads)
		}
		if err != nil {
			return p, fmt.Errorf("%sstatus: %w", folder, err)
		}
	}
	return p, nil
}

// processorTime returns what this process and what all of the machine have taken of all processors.
func processorTime() (own, all time.Duration, err error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, 0, err
	}
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	var user, nice, system, idle, wait, irq, soft, steal int64
	if _, err := fmt.Sscanf(string(text), "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &soft, &steal); err != nil {
		return 0, 0, fmt.Errorf("/proc/stat: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), time.Duration(user+nice+system+irq+soft+steal) * tick, nil
}
