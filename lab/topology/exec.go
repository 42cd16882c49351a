package topology

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Exec runs a command of this machine in a node's network, IPC and host name, or in those of [HostNode], with the
// caller's files, input and output. It returns the command's exit status, 128 and the signal's number when a signal
// ended it. Signals to this process are passed on. The command ends with the lab and with this process.
func (l *Lab) Exec(ctx context.Context, node string, argv []string) (int, error) {
	if len(argv) == 0 {
		return 0, errors.New("no command to run")
	}
	nsenter, err := exec.LookPath("nsenter")
	if err != nil {
		return 0, errors.New("nsenter is missing; it is part of util-linux")
	}
	pid, err := l.PID(ctx, node)
	if err != nil {
		return 0, err
	}
	lab, err := l.hold(ctx)
	if err != nil {
		return 0, fmt.Errorf("lab %s: %w", l.Name, err)
	}
	defer unix.Close(lab)
	args := []string{"--target", strconv.Itoa(pid), "--net", "--uts", "--ipc"}
	own, err := sameUser(pid)
	if err != nil {
		return 0, err
	}
	if own {
		args = append(args, "--")
	} else {
		// Entering another user's namespace makes the kernel forget that the command ends with this process.
		setpriv, err := exec.LookPath("setpriv")
		if err != nil {
			return 0, errors.New("setpriv is missing; it is part of util-linux")
		}
		args = append(args, "--user", "--preserve-credentials", "--", setpriv, "--pdeathsig", "KILL", "--")
	}
	cmd := exec.Command(nsenter, append(args, argv...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	return follow(cmd, signals, lab)
}

// follow runs a command until it ends. It must be called with what the command is to be told, and a pidfd of whom it
// must not survive.
func follow(cmd *exec.Cmd, signals <-chan os.Signal, lab int) (int, error) {
	started := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// The kernel ends the command with the thread that started it, so this thread stays until the command ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return 0, err
	}
	gone := make(chan struct{})
	watch, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(gone)
		if waitEnd(watch, lab) == nil {
			cmd.Process.Kill()
		}
	}()
	defer func() {
		cancel()
		<-gone
	}()
	for {
		select {
		case s := <-signals:
			if !typed(s) {
				cmd.Process.Signal(s)
			}
		case <-ended:
			if w, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && w.Signaled() {
				return 128 + int(w.Signal()), nil
			}
			return cmd.ProcessState.ExitCode(), nil
		}
	}
}

// typed reports whether a signal is one that a terminal has sent to all of the process group, the command included.
func typed(s os.Signal) bool {
	if s != syscall.SIGINT && s != syscall.SIGQUIT {
		return false
	}
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// sameUser reports whether a process is in the caller's user namespace.
func sameUser(pid int) (bool, error) {
	mine, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		return false, err
	}
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", pid))
	return mine == theirs, err
}
