package wire

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Link is what is known of a network interface.
type Link struct {
	Name    string
	Index   int
	Present bool // false when it has gone, or has another name now
	Up      bool // it is set up and has carrier
	MAC     [6]byte
}

// Watch calls f for every interface of the calling thread's network namespace, then for every change of one, in order,
// until ctx is done. Which interface has carrier is known within milliseconds; the operational state that others look at
// may lag by a second.
func Watch(ctx context.Context, f func(Link)) error {
	updates, done := make(chan netlink.LinkUpdate, 64), make(chan struct{})
	var said atomic.Pointer[error] // last by the subscription
	err := netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{
		ListExisting: true, ReceiveBufferSize: 1 << 20,
		ErrorCallback: func(err error) { said.Store(&err) },
	})
	if err != nil {
		return fmt.Errorf("watching interfaces: %w", err)
	}
	defer func() {
		close(done)
		for range updates { // until the subscription has ended
		}
	}()
	known := make(map[int]string)
	for {
		select {
		case <-ctx.Done():
			return nil
		case u, more := <-updates:
			if !more {
				if err := said.Load(); err != nil {
					return fmt.Errorf("watching interfaces: %w", *err)
				}
				return errors.New("watching interfaces: the kernel tells no more")
			}
			tell(known, u, f)
		}
	}
}

// tell calls f for an update, and before that for the name that the interface no longer has.
func tell(known map[int]string, u netlink.LinkUpdate, f func(Link)) {
	if u.Family == unix.AF_BRIDGE {
		return // of its place in a bridge, not of the interface
	}
	a := u.Attrs()
	l := Link{Name: a.Name, Index: a.Index, Present: u.Header.Type == unix.RTM_NEWLINK}
	if was, ok := known[a.Index]; ok && was != a.Name {
		f(Link{Name: was, Index: a.Index})
	}
	if l.Present {
		known[a.Index] = a.Name
		l.Up = a.RawFlags&unix.IFF_UP != 0 && a.RawFlags&unix.IFF_LOWER_UP != 0
		copy(l.MAC[:], a.HardwareAddr)
	} else {
		delete(known, a.Index)
	}
	f(l)
}

// SetUp sets an interface of the calling thread's network namespace up or down. Who is at the other end of a veth sees
// its carrier come or go.
func SetUp(name string, up bool) error {
	link, err := netlink.LinkByName(name)
	if err == nil {
		if up {
			err = netlink.LinkSetUp(link)
		} else {
			err = netlink.LinkSetDown(link)
		}
	}
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	return nil
}
