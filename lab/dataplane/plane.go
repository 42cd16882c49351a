package dataplane

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
)

// Wire is where a port's frames go out and come in; *[wire.Wire] is one. Read blocks for at least one frame and
// returns [net.ErrClosed] once the wire is closed. Write returns how many frames it took, and does not wait for a
// queue that is full. It is not called by two goroutines at a time, but beside Read.
type Wire interface {
	Read([]wire.Frame) (int, error)
	Write([][]byte) (int, error)
}

// Options are what a plane is given for life.
type Options struct {
	Tunnel  netip.Addr     // this switch's tunnel endpoint
	Tunnels net.PacketConn // UDP, bound to Tunnel and TunnelPort; nil for a switch that is alone
	Changed func()         // links or LACP are different now; called by one goroutine, not for each change; may be nil
	Logger  *slog.Logger   // nil for none
}

// Plane is a forwarding plane. Its methods may be called by several goroutines at once, but not from within a
// [Wire].
type Plane struct {
	opt    Options
	tunnel *tunnel // nil without one
	table  atomic.Pointer[table]
	drops  ring

	changed atomic.Bool   // since Options.Changed was called
	due     chan struct{} // of size 1: a LAG has something to do before its time
	done    chan struct{} // closed to end the plane's own goroutines
	running sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	ports   map[string]*port // all that were ever named, because their numbers must not change
	lags    map[string]*lag
	readers map[*reader]bool
}

// port is a physical port.
type port struct {
	counters
	name   string
	number uint16  // not 0; also the LACP port number
	storm  *bucket // of the latest table

	up     atomic.Bool
	lost   atomic.Bool // it has lost its link, and the stations behind it are still to be forgotten
	socket atomic.Pointer[socket]
	sender sync.Mutex // held while frames are written
}

// socket is the wire of a port.
type socket struct {
	Wire
	mac [6]byte
}

// New returns a plane that forwards nothing until it is told to.
func New(o Options) *Plane {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Plane{
		opt: o, due: make(chan struct{}, 1), done: make(chan struct{}),
		ports: map[string]*port{}, lags: map[string]*lag{}, readers: map[*reader]bool{},
	}
	p.table.Store(&table{config: &Config{}})
	p.running.Go(p.keepTime)
	if o.Tunnels != nil {
		p.tunnel = newTunnel(o.Tunnels)
		r := p.newReader(&p.tunnel.port)
		p.readers[r] = true
		p.running.Go(func() { p.readTunnels(r) })
	}
	return p
}

// Close ends LACP and the tunnels, and stops forwarding. It returns when what the plane does by itself has ended;
// the reader of a port ends when its wire, which is its owner's to close, is closed.
func (p *Plane) Close() error {
	p.mu.Lock()
	closed := p.closed
	p.closed = true
	for _, pt := range p.ports {
		pt.socket.Store(nil)
	}
	p.mu.Unlock()
	if closed {
		return nil
	}
	close(p.done)
	var err error
	if p.tunnel != nil {
		err = p.tunnel.conn.SetReadDeadline(time.Unix(1, 0)) // the connection is its owner's to close
	}
	p.running.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// port returns the port of a name. The caller holds p.mu.
func (p *Plane) port(name string) *port {
	pt := p.ports[name]
	if pt == nil {
		pt = &port{name: name, number: uint16(len(p.ports) + 1)}
		p.ports[name] = pt
	}
	return pt
}

// lag returns the LAG of a name. The caller holds p.mu.
func (p *Plane) lag(name string) *lag {
	l := p.lags[name]
	if l == nil {
		taken := map[uint16]bool{}
		for _, other := range p.lags {
			taken[other.key] = true
		}
		key := uint16(1)
		for taken[key] {
			key++
		}
		l = newLAG(name, key)
		p.lags[name] = l
	}
	return l
}

func (p *Plane) newReader(pt *port) *reader {
	return &reader{plane: p, port: pt, arena: make([]byte, 0, arenaSize)}
}

// Attach gives a port its wire, and the address that LACPDUs are sent from. A reader of the wire runs until the
// wire is closed, or until after the first frame that comes when the port has another wire. The port has no link
// until [Plane.Link] says so.
func (p *Plane) Attach(name string, w Wire, mac [6]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	pt := p.port(name)
	s := &socket{w, mac}
	pt.socket.Store(s)
	r := p.newReader(pt)
	p.readers[r] = true
	go p.read(r, s)
}

// Detach takes a port's wire away.
func (p *Plane) Detach(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.port(name).socket.Store(nil)
}

func (p *Plane) read(r *reader, s *socket) {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.readers, r)
	}()
	frames := wire.NewFrames(batch)
	for {
		n, err := s.Read(frames)
		if r.port.socket.Load() != s {
			return
		}
		if n > 0 {
			r.forward(frames[:n])
		}
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				p.opt.Logger.Error("port is not read any more", "port", r.port.name, "err", err)
			}
			return
		}
	}
}

// send writes frames to the port's wire. It reports whether all were taken, and counts those that were not.
func (pt *port) send(fs [][]byte) bool {
	sent := 0
	if s := pt.socket.Load(); s != nil {
		pt.sender.Lock()
		sent, _ = s.Write(fs) // the count says what an error would
		pt.sender.Unlock()
	}
	for _, f := range fs[:sent] { // a wire does not say which it took
		pt.out.add(len(f))
	}
	pt.drops[Unsent].Add(uint64(len(fs) - sent))
	return sent == len(fs)
}

func (pt *port) mac() [6]byte {
	if s := pt.socket.Load(); s != nil {
		return s.mac
	}
	return [6]byte{}
}

// Link tells whether a port has a link.
func (p *Plane) Link(name string, up bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pt := p.port(name)
	if pt.up.Swap(up) == up {
		return
	}
	if e := p.table.Load().ports[pt]; e != nil && e.parent.lag != nil {
		e.parent.lag.setLink(time.Now(), pt, e.usable(pt))
	}
	pt.lost.Store(!up)
	p.forgetLost()
	p.changed.Store(true)
	p.wake()
}

// forgetLost removes the stations behind ports and LAGs that have lost their last link, so that frames to them are
// flooded: they may come back elsewhere. The caller holds p.mu.
func (p *Plane) forgetLost() {
	t := p.table.Load()
	lost := map[*parent]bool{}
	for pt, e := range t.ports {
		if l := e.parent.lag; pt.lost.Swap(false) && l == nil || l != nil && l.lost.Swap(false) {
			lost[e.parent] = true
		}
	}
	if len(lost) == 0 {
		return
	}
	p.settle()
	for _, s := range t.services {
		s.prune(func(at place) bool {
			c := s.of[at.circuit]
			return c == nil || !lost[c.parent]
		})
	}
}

// settle waits until the batches have ended that are under way. The caller holds p.mu.
func (p *Plane) settle() {
	for r := range p.readers {
		r.settle()
	}
}

// usable reports whether a member of a LAG has a link that the LAG may use.
func (e *entrance) usable(pt *port) bool { return e.enabled && e.parent.enabled && pt.up.Load() }

// Configure makes c what the plane does, for every frame that is read after it has returned. What c does not
// change goes on as before. The error joins all faults of c, and nothing has changed then.
func (p *Plane) Configure(c *Config) error {
	if err := c.validate(); err != nil {
		return fmt.Errorf("configuration of the plane: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.table.Load()
	t := p.compile(c, old)
	if err := p.aggregate(t); err != nil {
		return err
	}
	p.table.Store(t)
	p.settle() // nobody forwards by the old one any more
	t.forget()
	for name := range p.lags {
		if t.lag(name) == nil {
			delete(p.lags, name)
		}
	}
	p.wake()
	return nil
}

// aggregate makes the machines of the LAGs follow t, which is about to be published.
func (p *Plane) aggregate(t *table) error {
	now := time.Now()
	for i, l := range t.lags {
		conf := &t.config.LAGs[i]
		c := lacp.Config{
			System: lacp.System{Priority: priority, ID: conf.system(t.config)}, Key: l.key,
			Mode: conf.Mode, Fast: conf.Fast, MinLinks: conf.MinLinks,
		}
		var members []*port
		for _, m := range conf.Members {
			pt := p.port(m)
			members = append(members, pt)
			c.Ports = append(c.Ports, lacp.PortConfig{Number: pt.number, Priority: priority})
		}
		changed, err := l.configure(now, c, members, func(pt *port) bool { return t.ports[pt].usable(pt) })
		if err != nil {
			return err
		}
		if changed {
			p.changed.Store(true)
		}
	}
	return nil
}

func (t *table) lag(name string) *lag {
	for _, l := range t.lags {
		if l.name == name {
			return l
		}
	}
	return nil
}

// wake makes the LAGs do what is due now.
func (p *Plane) wake() {
	select {
	case p.due <- struct{}{}:
	default:
	}
}

// keepTime drives the machines of all LAGs, and tells of changes.
func (p *Plane) keepTime() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-p.due:
		case <-timer.C:
		}
		var first time.Time
		for _, l := range p.table.Load().lags {
			next, changed := l.tick(time.Now())
			if !next.IsZero() && (first.IsZero() || next.Before(first)) {
				first = next
			}
			if changed {
				p.changed.Store(true)
			}
		}
		p.mu.Lock()
		p.forgetLost()
		p.mu.Unlock()
		if p.changed.Swap(false) && p.opt.Changed != nil {
			p.opt.Changed()
		}
		timer.Stop()
		if !first.IsZero() {
			timer.Reset(time.Until(first))
		}
	}
}
