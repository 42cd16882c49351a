package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ixagent/ixagent/agent"
)

// What a test tells the program that TestMain calls ixagent-soak: the step of transactions, counted from 1, before which
// the process kills itself, and a file with the nanoseconds by which its clock is wrong.
const (
	killVariable  = "IXAGENT_SOAK_KILL"
	clockVariable = "IXAGENT_SOAK_CLOCK"
)

// soakMain is ixagent, but that it kills itself when it is told to, its clock is wrong, and it writes every step of a
// transaction to its standard output before it is taken.
func soakMain() {
	last, _ := strconv.ParseInt(os.Getenv(killVariable), 10, 64)
	clock := os.Getenv(clockVariable)
	var steps atomic.Int64
	os.Exit(run(os.Args[1:], func(o *agent.Options) {
		o.Now = func() time.Time {
			text, _ := os.ReadFile(clock) // without a file it is right
			wrong, _ := strconv.ParseInt(string(text), 10, 64)
			return time.Now().Add(time.Duration(wrong))
		}
		o.Step = func(device, step string) {
			n := steps.Add(1)
			fmt.Printf("%d %s %s\n", n, device, step)
			if n == last {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}))
}

// setClock makes the clock of a trial's agents wrong by d.
func setClock(dir string, d time.Duration) error {
	name := filepath.Join(dir, "clock")
	if err := os.WriteFile(name+".new", strconv.AppendInt(nil, int64(d), 10), 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// runner is one process of an agent.
type runner struct {
	cmd  *exec.Cmd
	kill int           // the step before which it kills itself; 0 for none
	done chan struct{} // closed when it has ended

	mu    sync.Mutex
	said  bytes.Buffer
	steps []string
}

// Write implements [io.Writer] for what the agent logs.
func (r *runner) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said.Write(b)
}

// String returns what the agent logged.
func (r *runner) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said.String()
}

// stepWriter takes the steps of a runner.
type stepWriter struct{ *runner }

// Write implements [io.Writer].
func (w stepWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = append(w.steps, strings.Fields(string(b))...)
	return len(b), nil
}

// lastStep returns the device and name of the last step that was taken, or nothing.
func (r *runner) lastStep() (device, step string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.steps) - len(r.steps)%3
	if n == 0 {
		return "", ""
	}
	return r.steps[n-2], r.steps[n-1]
}

// startAgent starts an agent that kills itself before a step, or never if it is 0.
func startAgent(dir string, kill int) (*runner, error) {
	r := &runner{cmd: exec.Command("ixagent-soak", "run", "--config", filepath.Join(dir, "ixagent.yaml")), kill: kill, done: make(chan struct{})}
	r.cmd.Env = append(os.Environ(), killVariable+"="+strconv.Itoa(kill), clockVariable+"="+filepath.Join(dir, "clock"))
	r.cmd.Stderr, r.cmd.Stdout = r, stepWriter{r}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = r.cmd.Wait()
		close(r.done)
	}()
	return r, nil
}

func (r *runner) signal(s syscall.Signal) error {
	if err := r.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// killed reports whether it was ended by SIGKILL.
func (r *runner) killed() bool {
	status, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// fillDisk lets no file of the agent grow, or lets them grow again.
func (r *runner) fillDisk(full bool) error {
	limit := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if full {
		limit.Cur = 0
	}
	if err := unix.Prlimit(r.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// soakSupervisor keeps an agent running, as a service manager does, unless it is told to rest.
type soakSupervisor struct {
	dir   string
	kills []int                  // of the processes in turn, see startAgent; none of those that follow
	ended func(n int, r *runner) // called when the n-th process, counted from 0, has ended by itself or by force
	note  func(format string, args ...any)

	mu       sync.Mutex
	current  *runner
	all      []*runner
	full     bool // the disk
	tame     bool // no process kills itself any more
	stopping bool
	err      error
	stopped  chan struct{}
}

func (s *soakSupervisor) run() {
	defer close(s.stopped)
	for n := 0; ; n++ {
		s.mu.Lock()
		if s.stopping {
			s.mu.Unlock()
			return
		}
		kill := 0
		if n < len(s.kills) && !s.tame {
			kill = s.kills[n]
		}
		r, err := startAgent(s.dir, kill)
		if err == nil && s.full {
			err = r.fillDisk(true)
		}
		if err != nil {
			s.err = err
			s.mu.Unlock()
			return
		}
		s.current, s.all = r, append(s.all, r)
		s.mu.Unlock()
		s.note("agent %d runs, pid %d, kills itself before step %d", n, r.cmd.Process.Pid, kill)
		<-r.done
		device, step := r.lastStep()
		s.note("agent %d ended: %v; last step %s %s", n, r.cmd.ProcessState, device, step)
		s.mu.Lock()
		stopping := s.stopping
		s.mu.Unlock()
		if !stopping {
			s.ended(n, r)
		}
	}
}

// kill ends the process that runs.
func (s *soakSupervisor) kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return nil
	}
	return s.current.signal(syscall.SIGKILL)
}

func (s *soakSupervisor) fillDisk(full bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = full
	if s.current == nil {
		return nil
	}
	return s.current.fillDisk(full)
}

// calm lets processes that are started from now on live.
func (s *soakSupervisor) calm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tame = true
}

// up waits until the process that runs can be told to stop.
func (s *soakSupervisor) up() error {
	return eventuallyNil(patience, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.err != nil {
			return s.err
		}
		if s.current != nil {
			select {
			case <-s.current.done:
			default:
				if strings.Contains(s.current.String(), `msg="agent runs"`) {
					return nil
				}
			}
		}
		return errors.New("no agent runs")
	})
}

// reload has the process that runs begin anew, as its operator may.
func (s *soakSupervisor) reload() error {
	if err := s.up(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current.signal(syscall.SIGHUP)
}

// stop ends the process that runs with a signal, and waits for it.
func (s *soakSupervisor) stop(with syscall.Signal) error {
	s.mu.Lock()
	s.stopping = true
	r := s.current
	s.mu.Unlock()
	if r != nil {
		if err := r.signal(with); err != nil {
			return err
		}
	}
	select {
	case <-s.stopped:
	case <-time.After(patience):
		_ = s.kill()
		<-s.stopped
		return fmt.Errorf("the agent did not end within %v of signal %v", patience, with)
	}
	return s.err
}

// logs returns what all processes logged.
func (s *soakSupervisor) logs() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for n, r := range s.all {
		fmt.Fprintf(&b, "--- agent %d\n%s", n, r)
	}
	return b.String()
}
