package topology

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ixagent/ixagent/lab/namespace"
)

// Options say what to bring up.
type Options struct {
	Topology *Topology
	Name     string // instead of the topology's own; may be empty
	// Program is the path of ixlab, or of another program that calls [Enter] first. Every node runs it. Empty: the
	// program that is running.
	Program string
	// Attached labs end with the process that brought them up.
	Attached bool
}

// Lab is a lab that runs.
type Lab struct {
	Name  string
	Owner int // user id of whoever brought it up

	pid      int           // of the supervisor
	lifeline *os.File      // of an attached lab: the lab ends when it is closed
	reaped   chan struct{} // closed when the supervisor is gone, where it is a child of this process
}

// Up brings a lab up, and returns when every node's program runs and every link is there. Where this process may not
// make namespaces, the lab gets a user namespace of its own, in which the caller is root. When one program ends at
// once, or ctx does before all of it is there, nothing of the lab remains.
func Up(ctx context.Context, o Options) (*Lab, error) {
	t := *o.Topology
	if o.Name != "" {
		if err := CheckName(o.Name); err != nil {
			return nil, err
		}
		t.Name = o.Name
	}
	l, err := up(ctx, &t, o)
	if err != nil {
		return nil, fmt.Errorf("lab %s: %w", t.Name, err)
	}
	return l, nil
}

func up(ctx context.Context, t *Topology, o Options) (*Lab, error) {
	if o.Program == "" {
		var err error
		if o.Program, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	if err := standsAlone(o.Program); err != nil {
		return nil, err
	}
	l := &Lab{Name: t.Name, Owner: os.Getuid(), reaped: make(chan struct{})}
	socket, err := reserve(socketName(l.Owner, l.Name))
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	orders, order, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() {
		if order != nil {
			order.Close()
		}
	}()
	reports, report, err := os.Pipe()
	if err != nil {
		orders.Close()
		return nil, err
	}
	defer reports.Close()

	rootless := !mayMakeNamespaces()
	var crash bytes.Buffer
	cmd := exec.Command(o.Program, superviseWord)
	cmd.Dir = "/"
	cmd.Stderr = &crash
	cmd.ExtraFiles = []*os.File{orders, report, socket, proc}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
	}
	if rootless {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	err = cmd.Start()
	orders.Close()
	report.Close()
	if err != nil {
		if rootless {
			err = fmt.Errorf("%w (a lab without root needs user namespaces, see user.max_user_namespaces)", err)
		}
		return nil, err
	}
	l.pid = cmd.Process.Pid
	go func() {
		cmd.Wait()
		close(l.reaped)
	}()
	abandon := func(err error) (*Lab, error) {
		cmd.Process.Kill()
		<-l.reaped
		return nil, err
	}
	// A context that ends ends the supervisor, and so the waiting for its report.
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	if err := json.NewEncoder(order).Encode(supOrders{t, o.Program, socketName(l.Owner, l.Name), l.Owner, rootless}); err != nil {
		stop()
		return abandon(errors.Join(err, ctx.Err()))
	}
	var r supReports
	err = json.NewDecoder(reports).Decode(&r)
	if !stop() {
		return abandon(ctx.Err())
	}
	if err != nil {
		<-l.reaped
		return nil, fmt.Errorf("its supervisor has ended: %s: %s", ending(cmd.ProcessState), strings.TrimSpace(crash.String()))
	}
	if r.Error != "" {
		return abandon(errors.New(r.Error))
	}
	if o.Attached {
		l.lifeline, order = order, nil
		return l, nil
	}
	if _, err := order.WriteString("\n"); err != nil {
		return abandon(err)
	}
	return l, nil
}

// standsAlone refuses a program that needs libraries, which a node has not, as the image has none.
func standsAlone(program string) error {
	f, err := elf.Open(program)
	if err != nil {
		return fmt.Errorf("program of the nodes: %w", err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s needs libraries, which nodes do not have; build it with CGO_ENABLED=0, as make build does", program)
		}
	}
	return nil
}

// reserve binds a socket that does not listen yet: the name is taken, and nobody is answered.
func reserve(name string) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: name})
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, unix.EADDRINUSE):
		err = errors.New("it is up already; ixlab down ends it")
	default:
		err = fmt.Errorf("control socket: %w", err)
	}
	f.Close()
	return nil, err
}

// mayMakeNamespaces reports whether this process has CAP_SYS_ADMIN, and so needs no user namespace.
func mayMakeNamespaces() bool {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&head, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// List returns the caller's labs by their names, and all labs if the caller is root. Those that are still coming up
// are left out.
func List(ctx context.Context) ([]*Lab, error) {
	all, err := sockets()
	if err != nil {
		return nil, err
	}
	var up []*Lab
	for i := range all {
		l := &all[i]
		c, cred, err := l.dial(ctx)
		if err != nil {
			continue // another user's, coming up, or going down
		}
		c.Close()
		l.pid = int(cred.Pid)
		up = append(up, l)
	}
	return up, ctx.Err()
}

// Find returns the lab of that name, or where the name is empty the only one.
func Find(ctx context.Context, name string) (*Lab, error) {
	all, err := List(ctx)
	if err != nil {
		return nil, err
	}
	var found []*Lab
	var names []string
	for _, l := range all {
		if name == "" || l.Name == name {
			found = append(found, l)
		}
		names = append(names, l.Name)
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1 && name == "":
		return nil, fmt.Errorf("several labs are up, name one of them: %s", strings.Join(names, ", "))
	case len(found) > 1:
		// Only root sees labs of the same name, of several users.
		for _, l := range found {
			if l.Owner == os.Getuid() {
				return l, nil
			}
		}
		return nil, fmt.Errorf("several users have a lab %s", name)
	case name == "":
		return nil, errors.New("no lab is up; ixlab up FILE brings one up")
	}
	return nil, fmt.Errorf("lab %s is not up", name)
}

// Status asks the lab what it is now.
func (l *Lab) Status(ctx context.Context) (*Status, error) {
	text, err := l.ask(ctx, "/status", nil)
	if err != nil {
		return nil, err
	}
	st := new(Status)
	if err := json.Unmarshal(text, st); err != nil {
		return nil, fmt.Errorf("lab %s: %w", l.Name, err)
	}
	if st.PID != l.pid {
		return nil, fmt.Errorf("lab %s was brought up in another PID namespace", l.Name)
	}
	return st, nil
}

// Nodes returns the nodes as they are now, in the order of the file.
func (l *Lab) Nodes(ctx context.Context) ([]NodeStatus, error) {
	st, err := l.Status(ctx)
	if err != nil {
		return nil, err
	}
	return st.Nodes, nil
}

// Logs returns what a node's program printed, the last 64 KiB of it.
func (l *Lab) Logs(ctx context.Context, node string) ([]byte, error) {
	st, err := l.Status(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := st.Node(node); err != nil {
		return nil, err
	}
	return l.ask(ctx, "/logs", url.Values{"node": {node}})
}

// PID returns the process of a node's program, or of the supervisor for [HostNode].
func (l *Lab) PID(ctx context.Context, node string) (int, error) {
	if node == HostNode {
		return l.pid, nil
	}
	st, err := l.Status(ctx)
	if err != nil {
		return 0, err
	}
	n, err := st.Node(node)
	if err != nil {
		return 0, err
	}
	if n.State != Running {
		return 0, fmt.Errorf("node %s of lab %s does not run: %s", node, l.Name, n.Exit)
	}
	return n.PID, nil
}

// Namespace opens the network namespace of a node, or of [HostNode]. To enter it the caller must be root, also in a lab
// that was brought up without root.
func (l *Lab) Namespace(ctx context.Context, node string) (*namespace.Namespace, error) {
	pid, err := l.PID(ctx, node)
	if err != nil {
		return nil, err
	}
	return namespace.Of(pid)
}

// Down ends the lab. Nothing of it is left when Down returns.
func (l *Lab) Down(ctx context.Context) error {
	fd, err := l.hold(ctx)
	if err == nil {
		defer unix.Close(fd)
		err = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
	if errors.Is(err, unix.ESRCH) {
		err = nil // it has ended already
	}
	if err != nil {
		return fmt.Errorf("lab %s: %w", l.Name, err)
	}
	if l.lifeline != nil {
		l.lifeline.Close()
	}
	if l.reaped != nil {
		select {
		case <-l.reaped:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return waitEnd(ctx, fd)
}

// hold returns a file descriptor of the supervisor, which does not become another process's when it ends.
func (l *Lab) hold(ctx context.Context) (int, error) {
	if l.reaped != nil {
		select {
		case <-l.reaped:
			return -1, unix.ESRCH
		default:
		}
	}
	fd, err := unix.PidfdOpen(l.pid, 0)
	if err != nil {
		return -1, err
	}
	if l.reaped != nil {
		return fd, nil // it was not reaped yet, so the number is still its own
	}
	c, cred, err := l.dial(ctx)
	if err == nil {
		c.Close()
		if int(cred.Pid) == l.pid {
			return fd, nil
		}
		err = errors.New("another one has taken its name")
	}
	unix.Close(fd)
	return -1, err
}

// waitEnd waits until the process behind a pidfd has ended.
func waitEnd(ctx context.Context, fd int) error {
	done, end, err := os.Pipe()
	if err != nil {
		return err
	}
	defer done.Close()
	stop := context.AfterFunc(ctx, func() { end.Close() })
	defer func() {
		if stop() {
			end.Close()
		}
	}()
	for fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(done.Fd()), Events: unix.POLLIN}}; ; {
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return fmt.Errorf("wait for a process: %w", err)
		}
		switch {
		case fds[0].Revents != 0:
			return nil
		case fds[1].Revents != 0:
			return ctx.Err()
		}
	}
}
