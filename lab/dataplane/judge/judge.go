// Package judge starts programs that nobody here wrote, for tests that hold the lab's forwarding against them: Open
// vSwitch, also behind OpenSSH, a Linux kernel with its bonding driver, and tshark.
//
// Each runs in a network namespace that the test made, belongs to the test process and ends with the test. Where a
// program is not installed the test is skipped, or fails if IXAGENT_REQUIRE is all.
package judge

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ixagent/ixagent/lab/namespace"
)

// patience is how long a program may take to start, to answer and to end, on a machine that is busy.
const patience = 30 * time.Second

// need returns without more ado if the programs are installed and the device files may be used.
func need(t testing.TB, pkg string, files ...string) {
	t.Helper()
	for _, f := range files {
		var err error
		if strings.HasPrefix(f, "/") {
			err = unix.Access(f, unix.R_OK)
		} else {
			_, err = exec.LookPath(f)
		}
		if err == nil {
			continue
		}
		lacks(t, fmt.Sprintf("%s, of Debian's %s: %v", f, pkg, err))
	}
}

// lacks ends the test for want of something.
func lacks(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("IXAGENT_REQUIRE") == "all" {
		t.Fatalf("it needs %s", what)
	}
	t.Skipf("SKIPPED, it needs %s", what)
}

// Poll calls done now and then until it reports true. After 30 seconds it fails the test with what explain returns.
func Poll(t testing.TB, what string, done func() bool, explain func() string) {
	t.Helper()
	end := time.NewTimer(patience)
	defer end.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("%s: not within %v\n%s", what, patience, explain())
		}
	}
}

// text collects what a program writes.
type text struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (x *text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.buf.Write(p)
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.buf.String()
}

// process is a child in a namespace.
type process struct {
	cmd  *exec.Cmd
	said text // what it wrote to its standard error
	done chan struct{}
}

// start runs a program in the namespace, in a process group of its own. It is ended with the test, together with what
// it started, if it has not ended by then.
//
// What before does to the calling thread holds for the program as well, and for nothing else.
func start(t testing.TB, ns *namespace.Namespace, cmd *exec.Cmd, before ...func() error) *process {
	t.Helper()
	p := &process{cmd: cmd, done: make(chan struct{})}
	cmd.Stderr = &p.said
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, syscall.SIGKILL
	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		// The thread that starts the program must outlive it, because its end would be the program's.
		if err := ns.Do(func() error {
			for _, f := range before {
				runtime.LockOSThread() // for good, so that nothing else gets the thread
				if err := f(); err != nil {
					return err
				}
			}
			if err := cmd.Start(); err != nil {
				return err
			}
			started <- nil
			_ = cmd.Wait() // programs that are told to end say so in different ways
			return nil
		}); err != nil {
			started <- err
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("%s: %v", cmd.Path, err)
	}
	t.Cleanup(func() { p.end(syscall.SIGTERM) })
	return p
}

// end tells the process to end, and does not leave it the choice for long.
func (p *process) end(how syscall.Signal) {
	if p.ended() {
		return
	}
	_ = p.cmd.Process.Signal(how) // it may have ended meanwhile
	grace := time.NewTimer(5 * time.Second)
	defer grace.Stop()
	select {
	case <-p.done:
	case <-grace.C:
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	}
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// run runs a program in the namespace to its end and returns what it wrote to its standard output.
func run(t testing.TB, ns *namespace.Namespace, name string, args ...string) string {
	t.Helper()
	var out, said bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := ns.Do(cmd.Run); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, said.String())
	}
	return out.String()
}
