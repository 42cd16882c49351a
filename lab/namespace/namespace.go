// Package namespace makes network namespaces, runs functions in them, and lays veths between them (network_namespaces(7),
// veth(4)).
package namespace

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Namespace is a network namespace, held open by a file descriptor: it lives at least until Close.
type Namespace struct{ file *os.File }

func hold(h netns.NsHandle, err error) (*Namespace, error) {
	if err != nil {
		return nil, fmt.Errorf("network namespace: %w", err)
	}
	return &Namespace{os.NewFile(uintptr(h), "network namespace")}, nil
}

// New makes a namespace in which lo is up. It needs CAP_SYS_ADMIN.
func New() (*Namespace, error) {
	var n *Namespace
	// The new namespace is made by a thread of its own, which goes there and comes back.
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making a network namespace: %w", err)
		}
		var err error
		if n, err = hold(netns.Get()); err != nil {
			return err
		}
		return loopback()
	})
	if err != nil && n != nil {
		err = errors.Join(err, n.Close())
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

func loopback() error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("setting lo up: %w", err)
	}
	return nil
}

// Of returns the namespace of a process. It needs to be allowed to trace it (ptrace(2)).
func Of(pid int) (*Namespace, error) { return hold(netns.GetFromPid(pid)) }

// Current returns the namespace of the calling thread.
func Current() (*Namespace, error) { return hold(netns.Get()) }

// Do runs f in the namespace, on a thread of its own. What f makes belongs to the namespace for good: sockets, netlink
// connections, and processes that it starts. Goroutines that f starts run outside. Entering another namespace than that
// of the process needs CAP_SYS_ADMIN.
func (n *Namespace) Do(f func() error) error {
	return onThread(func() error {
		if here, err := Current(); err != nil {
			return err
		} else if same := here.Handle().Equal(n.Handle()); here.Close() == nil && same {
			return f()
		}
		if err := netns.Set(n.Handle()); err != nil {
			return fmt.Errorf("entering a network namespace: %w", err)
		}
		return f()
	})
}

// onThread runs f on a thread that the runtime throws away if f has left it in another namespace.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errors.New("network namespace: the function did not return")
		defer func() { done <- err }()
		runtime.LockOSThread()
		here, failed := netns.Get()
		if failed != nil {
			err = fmt.Errorf("network namespace: %w", failed)
			return
		}
		defer here.Close()
		defer func() {
			if netns.Set(here) == nil {
				runtime.UnlockOSThread()
			}
		}()
		err = f()
	}()
	return <-done
}

// Handle returns the namespace for use with other packages. It is valid until Close.
func (n *Namespace) Handle() netns.NsHandle { return netns.NsHandle(n.FD()) }

// FD returns the file descriptor, valid until Close.
func (n *Namespace) FD() int { return int(n.file.Fd()) }

// Path returns a file by which other processes may enter the namespace as long as this one lives, as nsenter(1) does.
func (n *Namespace) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.FD()) }

// Close lets go of the namespace. It ends with its last process, socket and holder.
func (n *Namespace) Close() error { return n.file.Close() }
