// Package switchd is a lab switch: an OpenConfig configuration behind a real
// gNMI server, as strict about what it accepts as a real switch.
package switchd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"sync"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/switchd/tree"
)

const (
	// maxMessage bounds a request. A full configuration of 10,000 circuits
	// has about 6 MB.
	maxMessage = 64 << 20
	// slowSubscriber is how long one message to a subscriber may take.
	slowSubscriber = 30 * time.Second
)

// Options describe a lab switch.
type Options struct {
	Name   string
	Listen string // address of the gNMI server, such as "127.0.0.1:0"

	// TLS holds the server's certificate. With ClientCAs, clients must show a
	// certificate of one of them.
	TLS *tls.Config
	// Users are names and passwords, one of which a client must send in the
	// metadata "username" and "password". Without ClientCAs there must be one.
	Users map[string]string

	Ports       []string    // names of the physical interfaces
	Faults      *Faults     // nil: a healthy switch
	Operational Operational // nil: every link up, every LACP partner in agreement
	Logger      *slog.Logger

	// Native is what a switch begins with that is configured by its command
	// line, see [Switch.Install]. Its gNMI refuses Sets and answers the rest.
	// nil: the switch is configured by gNMI.
	Native any

	// Plane forwards as the running configuration says, from the one at the
	// start on: it follows a commit before the client has its answer, and a
	// commit that it cannot follow is refused. It takes the place of
	// Operational. Its Changed should call Refresh. It is its owner's to close,
	// after the switch.
	Plane *dataplane.Plane

	// SlowSubscriber is how long sending one message to a subscriber may take
	// before its stream is ended. Zero: 30 s.
	SlowSubscriber time.Duration
}

// Switch is a lab switch.
type Switch struct {
	name   string
	log    *slog.Logger
	store  *store
	faults *Faults
	audit  audit
	slow   time.Duration
	shell  bool // configured by its command line
	lis    *listener
	server *grpc.Server
	serve  sync.Once
	stop   sync.Once
	closed chan struct{}
	done   sync.WaitGroup
}

// service is the gNMI side of a Switch.
type service struct {
	gpb.UnimplementedGNMIServer
	*Switch
}

// New makes a switch that listens and does not serve yet. Close must be
// called.
func New(o Options) (*Switch, error) {
	if o.TLS == nil || len(o.TLS.Certificates) == 0 && o.TLS.GetCertificate == nil {
		return nil, errors.New("lab switch: TLS needs a certificate")
	}
	if o.TLS.ClientCAs == nil && len(o.Users) == 0 {
		return nil, errors.New("lab switch: needs users, a client authority, or both")
	}
	conf := o.TLS.Clone()
	conf.MinVersion = max(conf.MinVersion, tls.VersionTLS12)
	if conf.ClientCAs != nil {
		conf.ClientAuth = tls.RequireAndVerifyClientCert
	}
	oper := o.Operational
	if oper == nil {
		oper = cabled{}
	}
	var follow func(*tree.Tree, []string) error
	var counters func(*tree.Tree) (*tree.Tree, error)
	if o.Plane != nil {
		if o.Operational != nil {
			return nil, fmt.Errorf("lab switch %s: %w", o.Name, errTwoPlanes)
		}
		f, err := newForwarder(o.Name, o.Plane)
		if err != nil {
			return nil, fmt.Errorf("lab switch %s: %w", o.Name, err)
		}
		oper, follow, counters = f, f.follow, f.counters
	}
	st, err := newStore(o.Ports, o.Native, oper, follow)
	if err != nil {
		return nil, fmt.Errorf("lab switch %s: %w", o.Name, err)
	}
	st.counters = counters
	lis, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("lab switch %s: %w", o.Name, err)
	}
	s := &Switch{
		name: o.Name, log: o.Logger, store: st, faults: o.Faults, slow: o.SlowSubscriber,
		shell: o.Native != nil,
		lis:   &listener{Listener: lis, conns: make(map[string]net.Conn)}, closed: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.faults == nil {
		s.faults = new(Faults)
	}
	if s.slow <= 0 {
		s.slow = slowSubscriber
	}
	users := userTable(maps.Clone(o.Users))
	s.server = grpc.NewServer(
		grpc.Creds(credentials.NewTLS(conf)),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.UnaryInterceptor(users.unary),
		grpc.StreamInterceptor(users.stream),
		grpc.WaitForHandlers(true),
	)
	gpb.RegisterGNMIServer(s.server, service{Switch: s})
	return s, nil
}

// Start begins to serve and returns.
func (s *Switch) Start() {
	s.serve.Do(func() {
		s.done.Go(func() {
			if err := s.server.Serve(s.lis); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
				s.log.Error("lab switch stopped serving", "device", s.name, "err", err)
			}
		})
	})
}

// Run serves until ctx is done, then closes the switch.
func (s *Switch) Run(ctx context.Context) error {
	s.Start()
	<-ctx.Done()
	s.Close()
	return nil
}

// Addr is the address of the gNMI server.
func (s *Switch) Addr() net.Addr { return s.lis.Addr() }

// Close ends all sessions and waits for them. It may be called twice.
func (s *Switch) Close() {
	s.stop.Do(func() {
		close(s.closed)
		s.faults.Release()
		s.server.Stop()
		s.lis.Close()
		s.store.stop()
	})
	s.done.Wait()
}

// Running returns the running configuration: an immutable snapshot without
// state.
func (s *Switch) Running() *tree.Tree {
	return s.store.snapshot().tree
}

// Pending reports whether a commit waits for its confirmation.
func (s *Switch) Pending() bool {
	_, _, ok := s.store.unconfirmed()
	return ok
}

// Unconfirmed returns the id of the commit that waits for its confirmation, and
// how much time it has left; ok is false if none does.
func (s *Switch) Unconfirmed() (id string, left time.Duration, ok bool) { return s.store.unconfirmed() }

// OnCommit has f called after every change of the running configuration, and
// of what that was made from, reverts included, in their order and before the client has its answer. f must
// be quick and must not change the switch. cancel ends it.
func (s *Switch) OnCommit(f func(before, after *tree.Tree)) (cancel func()) {
	return s.store.onCommit(f)
}

// Refresh tells the switch that its Operational would answer differently now.
// It may be called from an OnCommit function.
func (s *Switch) Refresh() { s.store.refresh() }

// Log returns the last Sets, oldest first.
func (s *Switch) Log() []Record { return s.audit.list() }

// Reboot loses an unconfirmed commit and cuts all sessions, as a power cycle
// does. The saved configuration comes back at once.
func (s *Switch) Reboot() {
	s.store.abandon()
	s.lis.cutAll()
}

// listener remembers its connections, so that faults can cut them.
type listener struct {
	net.Listener
	mu    sync.Mutex
	conns map[string]net.Conn // by remote address
}

type trackedConn struct {
	net.Conn
	lis *listener
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c.RemoteAddr().String()] = c
	return &trackedConn{c, l}, nil
}

func (c *trackedConn) Close() error {
	c.lis.mu.Lock()
	delete(c.lis.conns, c.RemoteAddr().String())
	c.lis.mu.Unlock()
	return c.Conn.Close()
}

// cut closes one connection without a farewell.
func (l *listener) cut(remote string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.conns[remote]; c != nil {
		c.Close()
	}
}

func (l *listener) cutAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.Close()
	}
}
