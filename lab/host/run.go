package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
	"github.com/ixagent/ixagent/lab/namespace"
)

// Socket is the abstract Unix socket at which a host listens for control, one in each network namespace.
const Socket = "@ixlab-host"

// Run gives a host the interfaces of the network namespace it is called in that have the names of its ports, as they
// come, go and come back, and serves control at [Socket] there, until ctx is done. The wires are closed when it
// returns, so that the host can be.
func Run(ctx context.Context, h *Host) error {
	ns, err := namespace.Current()
	if err != nil {
		return err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "unix", Socket)
	if err != nil {
		return errors.Join(fmt.Errorf("another host runs in this network namespace: %w", err), ns.Close())
	}
	l := &links{host: h, ns: ns, seen: make(map[string]wire.Link), open: make(map[string]opened)}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := &http.Server{
		Handler:     control{h, l}.handler(),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	var served error
	var wg sync.WaitGroup
	wg.Go(func() {
		if served = server.Serve(ln); errors.Is(served, http.ErrServerClosed) {
			served = nil
		}
		cancel()
	})
	watched := wire.Watch(ctx, l.changed)
	if ctx.Err() != nil && errors.Is(watched, ctx.Err()) {
		watched = nil
	}
	closed := server.Close()
	wg.Wait()
	return errors.Join(watched, served, closed, l.close(), ns.Close())
}

// links keeps the wires of a host's ports open.
type links struct {
	host *Host
	ns   *namespace.Namespace

	mu   sync.Mutex
	seen map[string]wire.Link
	open map[string]opened
	done bool
}

type opened struct {
	wire  *wire.Wire
	index int
}

// changed follows an interface that is new, gone or different.
func (l *links) changed(link wire.Link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if link.Present {
		l.seen[link.Name] = link
	} else {
		delete(l.seen, link.Name)
	}
	l.follow(link.Name)
}

// configure replaces the ports of the host and how they are bundled.
func (l *links) configure(g Group) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.host.Configure(Options{Ports: g.Ports, Mode: lacp.Mode(g.LACP), Fast: g.Fast, MinLinks: g.MinLinks}); err != nil {
		return err
	}
	for name := range l.open {
		l.follow(name)
	}
	for name := range l.seen {
		l.follow(name)
	}
	return nil
}

// follow makes the wire of an interface be what the interface is now.
func (l *links) follow(name string) {
	link, present := l.seen[name]
	was, open := l.open[name]
	wanted := present && !l.done && l.host.has(name)
	if open && (!wanted || was.index != link.Index) {
		l.host.Detach(name)
		delete(l.open, name)
		if err := was.wire.Close(); err != nil {
			l.host.log.Error("closing a wire", "port", name, "err", err)
		}
		open = false
	}
	if !wanted {
		return
	}
	if !open {
		var w *wire.Wire
		err := l.ns.Do(func() (err error) {
			w, err = wire.Open(name)
			return err
		})
		if err != nil {
			// It is gone again, which the next change says, or it cannot be used.
			l.host.log.Error("opening a wire", "port", name, "err", err)
			return
		}
		if err := l.host.Attach(name, w, link.MAC); err != nil {
			l.host.log.Error("attaching a wire", "port", name, "err", errors.Join(err, w.Close()))
			return
		}
		l.open[name] = opened{w, link.Index}
	}
	l.host.Link(name, link.Up)
}

// set takes the interface of a port up or down; its peer sees the carrier come or go.
func (l *links) set(name string, up bool) error {
	if !l.host.has(name) {
		return fmt.Errorf("there is no port %s", name)
	}
	return l.ns.Do(func() error { return wire.SetUp(name, up) })
}

func (l *links) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = true
	var faults []error
	for name, o := range l.open {
		l.host.Detach(name)
		faults = append(faults, o.wire.Close())
	}
	clear(l.open)
	return errors.Join(faults...)
}
