// Package gnmi is one session with the gNMI service (0.10) of a switch: dial, Capabilities, Get, Set, Subscribe
// and the commit-confirmed extension. Its errors are those of package drivers.
package gnmi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/ixagent/ixagent/drivers"
)

// The defaults of a session.
const (
	DefaultTimeout    = time.Minute
	DefaultMaxMessage = 64 << 20
)

// bufferSize is that of the buffers of a connection in octets. What is larger passes them by.
const bufferSize = 4 << 10

// Session is one session. It reconnects by itself after a lost connection or a GOAWAY; what was under way at
// that moment fails. Its methods may be called concurrently.
type Session struct {
	device  string
	timeout time.Duration
	conn    *grpc.ClientConn
	client  gpb.GNMIClient
	creds   *watchedCreds // nil without TLS
	log     *slog.Logger

	commits support
}

// Dial opens a session and makes sure that the device answers. Certificates are verified unless d.TLS says
// otherwise, and TLS is at least 1.2. A password is never sent without TLS.
func Dial(ctx context.Context, d drivers.Device) (*Session, error) {
	s := &Session{device: d.Name, timeout: d.Timeout, log: d.Log}
	if s.timeout <= 0 {
		s.timeout = DefaultTimeout
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	maxMessage := d.MaxMessage
	if maxMessage <= 0 {
		maxMessage = DefaultMaxMessage
	}
	opts := []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		// Pings find a dead connection under an idle subscription. A server that has not been set otherwise cuts
		// clients that ping more often than every five minutes, with whatever else is under way. Where something
		// is sent, the timeout (as TCP_USER_TIMEOUT) finds it sooner.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 6 * time.Minute, Timeout: 20 * time.Second}),
		// A switch that comes back must not go unseen for grpc's two minutes.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
			MinConnectTimeout: 10 * time.Second,
		}),
		// An agent has many sessions and most of them rest: they need not each keep buffers for large messages.
		grpc.WithReadBufferSize(bufferSize),
		grpc.WithWriteBufferSize(bufferSize),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
	}
	switch {
	case d.TLS != nil:
		config := d.TLS.Clone()
		config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
		if config.InsecureSkipVerify && config.VerifyConnection == nil && config.VerifyPeerCertificate == nil {
			s.log.WarnContext(ctx, "certificate of device is not verified")
		}
		s.creds = &watchedCreds{TransportCredentials: credentials.NewTLS(config)}
		opts = append(opts, grpc.WithTransportCredentials(s.creds))
	case !d.Password.Empty():
		return nil, s.fail("dial", drivers.Denied, errors.New("a password is not sent over a session without TLS"))
	default:
		s.log.WarnContext(ctx, "session with device is neither encrypted nor authenticated")
		opts = append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))
	}
	if d.Username != "" && d.TLS != nil {
		opts = append(opts, grpc.WithPerRPCCredentials(login{d.Username, d.Password.Reveal}))
	}
	conn, err := grpc.NewClient("passthrough:///"+d.Address, opts...)
	if err != nil {
		return nil, s.fail("dial", drivers.Unsupported, err)
	}
	s.conn, s.client = conn, gpb.NewGNMIClient(conn)
	if _, err := s.capabilities(ctx, "dial"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

// login is the metadata by which gNMI servers know a user.
type login struct {
	username string
	password func() string
}

// GetRequestMetadata implements [credentials.PerRPCCredentials].
func (l login) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"username": l.username, "password": l.password()}, nil
}

// RequireTransportSecurity implements [credentials.PerRPCCredentials].
func (login) RequireTransportSecurity() bool { return true }

// Close ends the session.
func (s *Session) Close() error { return s.conn.Close() }

// Device returns the name of the device.
func (s *Session) Device() string { return s.device }

// Capabilities are what a gNMI server says of itself.
type Capabilities struct {
	Version   string            // of gNMI
	Encodings []gpb.Encoding    //
	Models    map[string]string // YANG modules to their versions
}

// Encoding reports whether the server knows e.
func (c Capabilities) Encoding(e gpb.Encoding) bool { return slices.Contains(c.Encodings, e) }

// Capabilities asks the server for its capabilities.
func (s *Session) Capabilities(ctx context.Context) (Capabilities, error) {
	return s.capabilities(ctx, "capabilities")
}

func (s *Session) capabilities(ctx context.Context, op string) (Capabilities, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	resp, err := s.client.Capabilities(ctx, &gpb.CapabilityRequest{})
	if err != nil {
		return Capabilities{}, s.rpcError(op, read, err)
	}
	c := Capabilities{Version: resp.GetGNMIVersion(), Encodings: resp.GetSupportedEncodings(), Models: make(map[string]string)}
	for _, m := range resp.GetSupportedModels() {
		c.Models[m.GetName()] = m.GetVersion()
	}
	return c, nil
}

// Get reads the subtrees at the paths in JSON_IETF (RFC 7951), all in one request, and returns one value for each
// path in their order; a path at which the device has nothing has a nil value. An answer that leaves it open
// whether it is whole is an error of fault [drivers.Incomplete].
func (s *Session) Get(ctx context.Context, op string, of gpb.GetRequest_DataType, paths ...*gpb.Path) ([][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	resp, err := s.client.Get(ctx, &gpb.GetRequest{Path: paths, Type: of, Encoding: gpb.Encoding_JSON_IETF})
	if err != nil {
		return nil, s.rpcError(op, read, err)
	}
	incomplete := func(format string, args ...any) ([][]byte, error) {
		return nil, s.fail(op, drivers.Incomplete, fmt.Errorf(format, args...))
	}
	//lint:ignore SA1019 old servers still send it
	if e := resp.GetError(); e != nil {
		return incomplete("the answer carries an error: %s", printable(e.GetMessage()))
	}
	if n := len(resp.GetNotification()); n != len(paths) {
		return incomplete("%d paths were asked for and %d answered", len(paths), n)
	}
	out := make([][]byte, len(paths))
	for i, n := range resp.GetNotification() {
		switch u := n.GetUpdate(); {
		case len(n.GetDelete()) > 0 || len(u) > 1:
			return incomplete("the answer for %s is in %d parts", PathString(paths[i]), len(u)+len(n.GetDelete()))
		case len(u) == 0:
		default:
			got := PathString(&gpb.Path{Elem: slices.Concat(n.GetPrefix().GetElem(), u[0].GetPath().GetElem())})
			if want := PathString(paths[i]); got != want {
				return incomplete("%s was asked for and %s answered", want, printable(got))
			}
			v, ok := u[0].GetVal().GetValue().(*gpb.TypedValue_JsonIetfVal)
			if !ok {
				return incomplete("the value of %s is not in JSON_IETF", PathString(paths[i]))
			}
			out[i] = v.JsonIetfVal
		}
	}
	return out, nil
}

// Set sends the request. A failure that leaves it open whether the request was carried out has fault
// [drivers.Unknown].
func (s *Session) Set(ctx context.Context, op string, req *gpb.SetRequest) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	resp, err := s.client.Set(ctx, req)
	if err != nil {
		return s.rpcError(op, write, err)
	}
	//lint:ignore SA1019 old servers still send it
	if e := resp.GetMessage(); e != nil {
		return s.fail(op, drivers.Rejected, errors.New(printable(e.GetMessage())))
	}
	return nil
}

// Watch subscribes to the paths with ON_CHANGE and calls changed for every notification after the first
// picture is complete, until ctx ends or the session breaks. It never returns nil.
func (s *Session) Watch(ctx context.Context, changed func(), paths ...*gpb.Path) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, gpb.GNMI_Subscribe_FullMethodName, grpc.ForceCodecV2(glancing{}))
	if err != nil {
		return s.rpcError("watch", read, err)
	}
	list := &gpb.SubscriptionList{Mode: gpb.SubscriptionList_STREAM, Encoding: gpb.Encoding_JSON_IETF, UpdatesOnly: true}
	for _, p := range paths {
		list.Subscription = append(list.Subscription, &gpb.Subscription{Path: p, Mode: gpb.SubscriptionMode_ON_CHANGE})
	}
	// An error of sending is io.EOF; receiving has the reason.
	_ = stream.SendMsg(&gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Subscribe{Subscribe: list}})
	var told glance
	for synced := false; ; {
		if err := stream.RecvMsg(&told); err != nil {
			return s.rpcError("watch", read, err)
		}
		if told.sync {
			synced = true
			changed()
		} else if synced && told.update {
			changed()
		}
	}
}

func (s *Session) fail(op string, f drivers.Fault, err error) error {
	return &drivers.Error{Device: s.device, Op: op, Fault: f, Err: err}
}

// PathString returns p in the form of gNMI's path conventions, /interfaces/interface[name=eth1], without origin and
// the modules that some devices put before names.
func PathString(p *gpb.Path) string {
	if len(p.GetElem()) == 0 {
		return "/"
	}
	var b strings.Builder
	for _, e := range p.GetElem() {
		b.WriteByte('/')
		b.WriteString(e.GetName()[strings.IndexByte(e.GetName(), ':')+1:])
		keys := make([]string, 0, len(e.GetKey()))
		for k := range e.GetKey() {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			b.WriteByte('[')
			b.WriteString(k)
			b.WriteByte('=')
			b.WriteString(strings.ReplaceAll(strings.ReplaceAll(e.GetKey()[k], `\`, `\\`), `]`, `\]`))
			b.WriteByte(']')
		}
	}
	return b.String()
}
