package gnmi_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/gnmi"
	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/models/secret"
)

func TestMain(m *testing.M) {
	// ygot imports glog, whose init starts a goroutine for ever.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

// lab is a lab switch, and a device that reaches it.
type lab struct {
	*switchd.Switch
	ca     *switchd.Authority
	faults *switchd.Faults
	drivers.Device
}

func newLab(t *testing.T, more ...func(*lab, *switchd.Options)) *lab {
	t.Helper()
	ca, err := switchd.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{ca: ca, faults: new(switchd.Faults)}
	o := switchd.Options{
		Name: "sw1", Listen: "127.0.0.1:0", Ports: []string{"eth1"}, Faults: l.faults,
		TLS: &tls.Config{Certificates: []tls.Certificate{l.issue(t, "127.0.0.1")}}, Users: map[string]string{"agent": "secret"},
	}
	for _, f := range more {
		f(l, &o)
	}
	if l.Switch, err = switchd.New(o); err != nil {
		t.Fatal(err)
	}
	l.Start()
	t.Cleanup(l.Switch.Close)
	l.Device = drivers.Device{
		Name: "sw1", Address: l.Addr().String(), Username: "agent", Password: secret.New("secret"),
		TLS: &tls.Config{RootCAs: ca.Pool()}, Timeout: 10 * time.Second,
	}
	return l
}

func (l *lab) issue(t *testing.T, names ...string) tls.Certificate {
	t.Helper()
	c, err := l.ca.Issue(names...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (l *lab) dial(t *testing.T) *gnmi.Session {
	t.Helper()
	s, err := gnmi.Dial(t.Context(), l.Device)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func wantFault(t *testing.T, err error, fault drivers.Fault, words ...string) {
	t.Helper()
	if got := drivers.FaultOf(err); got != fault {
		t.Errorf("fault %q, want %q: %v", got, fault, err)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func path(names ...string) *gpb.Path {
	p := &gpb.Path{}
	for _, n := range names {
		p.Elem = append(p.Elem, &gpb.PathElem{Name: n})
	}
	return p
}

func eth1(leaf string) *gpb.Path {
	p := path("interfaces", "interface", "config", leaf)
	p.Elem[1].Key = map[string]string{"name": "eth1"}
	return p
}

// describe returns a request that describes eth1.
func describe(text string) *gpb.SetRequest {
	return &gpb.SetRequest{Update: []*gpb.Update{{
		Path: eth1("description"), Val: &gpb.TypedValue{Value: &gpb.TypedValue_JsonIetfVal{JsonIetfVal: fmt.Appendf(nil, "%q", text)}},
	}}}
}

func description(t *testing.T, s *gnmi.Session) string {
	t.Helper()
	v, err := s.Get(t.Context(), "observe", gpb.GetRequest_CONFIG, path("interfaces"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(v[0]), `"description":"`)
	text, _, _ := strings.Cut(after, `"`)
	return text
}

func TestCapabilitiesAreRead(t *testing.T) {
	s := newLab(t).dial(t)
	c, err := s.Capabilities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !c.Encoding(gpb.Encoding_JSON_IETF) || c.Encoding(gpb.Encoding_ASCII) || c.Models["openconfig-interfaces"] == "" || c.Version == "" {
		t.Errorf("%+v", c)
	}
}

func TestPasswordIsNotSentInTheClear(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	_, err = gnmi.Dial(t.Context(), drivers.Device{Name: "sw1", Address: lis.Addr().String(), Username: "agent", Password: secret.New("secret")})
	wantFault(t, err, drivers.Denied, "without TLS")
}

func TestPlainSessionIsLoud(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	gpb.RegisterGNMIServer(server, gpb.UnimplementedGNMIServer{})
	done := make(chan error)
	go func() { done <- server.Serve(lis) }()
	defer func() { server.Stop(); <-done }()
	var log bytes.Buffer
	_, err = gnmi.Dial(t.Context(), drivers.Device{Name: "sw1", Address: lis.Addr().String(), Log: slog.New(slog.NewTextHandler(&log, nil))})
	wantFault(t, err, drivers.Unsupported)
	if !strings.Contains(log.String(), "level=WARN") {
		t.Errorf("the log is %q", &log)
	}
}

func TestRefusedCredentialsAreDenied(t *testing.T) {
	l := newLab(t)
	l.Password = secret.New("wrong")
	_, err := gnmi.Dial(t.Context(), l.Device)
	wantFault(t, err, drivers.Denied, "wrong password")
	if strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestClientCertificateIsAskedFor(t *testing.T) {
	l := newLab(t, func(l *lab, o *switchd.Options) { o.TLS.ClientCAs = l.ca.Pool() })
	_, err := gnmi.Dial(t.Context(), l.Device)
	wantFault(t, err, drivers.Denied, "our certificate")
	l.TLS.Certificates = []tls.Certificate{l.issue(t, "agent")}
	l.dial(t)
}

// selfMade returns a server certificate of its own making.
func selfMade(t *testing.T, from, to time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "old switch"}, NotBefore: from, NotAfter: to,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestCertificateFaultsAreExplained(t *testing.T) {
	t.Run("expired", func(t *testing.T) {
		end := time.Now().Add(-48 * time.Hour).UTC()
		cert, pool := selfMade(t, end.Add(-24*time.Hour), end)
		l := newLab(t, func(_ *lab, o *switchd.Options) { o.TLS.Certificates = []tls.Certificate{cert} })
		l.TLS.RootCAs = pool
		_, err := gnmi.Dial(t.Context(), l.Device)
		wantFault(t, err, drivers.Denied, "old switch", "to "+end.Format("2006-01-02 15:04"))
	})
	t.Run("unknown authority", func(t *testing.T) {
		l := newLab(t)
		l.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
		_, err := gnmi.Dial(t.Context(), l.Device)
		wantFault(t, err, drivers.Denied, "signed by CN=ixagent lab authority", "not among the trusted")
	})
	t.Run("wrong name", func(t *testing.T) {
		l := newLab(t, func(l *lab, o *switchd.Options) {
			o.TLS.Certificates = []tls.Certificate{l.issue(t, "sw2.example.net", "192.0.2.7")}
		})
		_, err := gnmi.Dial(t.Context(), l.Device)
		wantFault(t, err, drivers.Denied, "is for sw2.example.net, 192.0.2.7", `not for "127.0.0.1"`)
	})
	t.Run("unverified on request", func(t *testing.T) {
		var log bytes.Buffer
		l := newLab(t)
		l.TLS, l.Device.Log = &tls.Config{InsecureSkipVerify: true}, slog.New(slog.NewTextHandler(&log, nil))
		l.dial(t)
		if !strings.Contains(log.String(), "level=WARN") {
			t.Errorf("the log is %q", &log)
		}
	})
}

func TestUnreachableIsTransient(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lis.Close()
	_, err = gnmi.Dial(t.Context(), drivers.Device{Name: "sw1", Address: lis.Addr().String(), TLS: &tls.Config{}})
	wantFault(t, err, drivers.Transient, "sw1: dial: transient: dial tcp "+lis.Addr().String()+": connect: connection refused")
}

func TestSilentDeviceEndsWithTheTimeout(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	start := time.Now()
	_, err = gnmi.Dial(t.Context(), drivers.Device{Name: "sw1", Address: lis.Addr().String(), TLS: &tls.Config{}, Timeout: 100 * time.Millisecond})
	wantFault(t, err, drivers.Transient)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestAnswerIsBounded(t *testing.T) {
	l := newLab(t)
	l.MaxMessage = 900 // enough for capabilities
	s := l.dial(t)
	if err := s.Set(t.Context(), "apply", describe(strings.Repeat("x", 200))); err != nil {
		t.Fatal(err)
	}
	var many []*gpb.Path
	for range 10 {
		many = append(many, path("interfaces"))
	}
	_, err := s.Get(t.Context(), "observe", gpb.GetRequest_CONFIG, many...)
	wantFault(t, err, drivers.Incomplete, "too large")
}

func TestGetAnswersEveryPathInOrder(t *testing.T) {
	s := newLab(t).dial(t)
	v, err := s.Get(t.Context(), "observe", gpb.GetRequest_CONFIG, eth1("name"), path("interfaces"))
	if err != nil {
		t.Fatal(err)
	}
	if len(v) != 2 || string(v[0]) != `"eth1"` || !bytes.Contains(v[1], []byte("eth1")) {
		t.Errorf("%q", v)
	}
	_, err = s.Get(t.Context(), "observe", gpb.GetRequest_CONFIG, path("lacp"))
	wantFault(t, err, drivers.Rejected, "NotFound")
	_, err = s.Get(t.Context(), "observe", gpb.GetRequest_CONFIG, path("nonsense"))
	wantFault(t, err, drivers.Rejected, "InvalidArgument")
}

func TestRefusalChangesNothing(t *testing.T) {
	l := newLab(t)
	s := l.dial(t)
	for code, fault := range map[codes.Code]drivers.Fault{
		codes.InvalidArgument: drivers.Rejected, codes.FailedPrecondition: drivers.Rejected, codes.Aborted: drivers.Rejected,
		codes.PermissionDenied: drivers.Denied, codes.Unauthenticated: drivers.Denied, codes.Unimplemented: drivers.Unsupported,
		codes.Unavailable: drivers.Unknown, codes.Internal: drivers.Unknown, codes.Unknown: drivers.Unknown,
	} {
		l.faults.RefuseSets(1, code)
		wantFault(t, s.Set(t.Context(), "apply", describe("a")), fault)
	}
	if got := description(t, s); got != "" {
		t.Errorf("the description is %q", got)
	}
}

func TestOutcomeOfACutSetIsUnknownAndTheSessionGoesOn(t *testing.T) {
	l := newLab(t)
	s := l.dial(t)
	l.faults.DropBeforeCommit(1)
	wantFault(t, s.Set(t.Context(), "apply", describe("a")), drivers.Unknown)
	if got := eventually(t, s); got != "" {
		t.Errorf("the description is %q", got)
	}
	l.faults.DropAfterCommit(1)
	wantFault(t, s.Set(t.Context(), "apply", describe("b")), drivers.Unknown)
	if got := eventually(t, s); got != "b" {
		t.Errorf("the description is %q", got)
	}
}

// eventually returns the description of eth1 once the session has reconnected.
func eventually(t *testing.T, s *gnmi.Session) string {
	t.Helper()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for range 500 {
		if _, err := s.Capabilities(t.Context()); err == nil {
			return description(t, s)
		}
		<-poll.C
	}
	t.Fatal("the session does not reconnect")
	return ""
}

func TestStalledSetEndsWithTheTimeout(t *testing.T) {
	l := newLab(t)
	l.Timeout = 200 * time.Millisecond
	s := l.dial(t)
	l.faults.StallSets(0)
	wantFault(t, s.Set(t.Context(), "apply", describe("a")), drivers.Unknown, "no answer in time")
	l.faults.Release()
}

func TestConfirmedCommit(t *testing.T) {
	l := newLab(t)
	s := l.dial(t)
	if err := s.SetConfirmed(t.Context(), "one", time.Minute, describe("a")); err != nil {
		t.Fatal(err)
	}
	wantFault(t, s.Set(t.Context(), "apply", describe("b")), drivers.Rejected, "FailedPrecondition")
	wantFault(t, s.SetConfirmed(t.Context(), "two", time.Minute, describe("b")), drivers.Rejected)
	wantFault(t, s.Confirm(t.Context(), "two"), drivers.Rejected)
	if err := s.Confirm(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if err := s.SetConfirmed(t.Context(), "three", time.Minute, describe("c")); err != nil {
		t.Fatal(err)
	}
	other := l.dial(t)
	wantFault(t, other.SetConfirmed(t.Context(), "four", time.Minute, describe("d")), drivers.Rejected, "another commit is pending")
	if err := other.Cancel(t.Context(), "three"); err != nil {
		t.Fatal(err)
	}
	if got := description(t, s); got != "a" {
		t.Errorf("the description is %q", got)
	}
}

func TestDeviceThatIgnoresTheExtensionIsFoundOutBefore(t *testing.T) {
	l := newLab(t)
	l.faults.IgnoreCommitExtension(true)
	s := l.dial(t)
	wantFault(t, s.SetConfirmed(t.Context(), "one", time.Minute, describe("a")), drivers.Unsupported)
	if got := description(t, s); got != "" {
		t.Errorf("the description is %q", got)
	}
}

func TestDeviceThatForgetsTheExtensionIsFoundOutAfter(t *testing.T) {
	l := newLab(t)
	s := l.dial(t)
	if err := s.SetConfirmed(t.Context(), "one", time.Minute, describe("a")); err != nil {
		t.Fatal(err)
	}
	if err := s.Cancel(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	l.faults.IgnoreCommitExtension(true)
	wantFault(t, s.SetConfirmed(t.Context(), "two", time.Minute, describe("b")), drivers.Unknown, "no commit is pending")
	wantFault(t, s.SetConfirmed(t.Context(), "three", time.Minute, describe("c")), drivers.Unsupported)
	if got := description(t, s); got != "b" {
		t.Errorf("the description is %q", got)
	}
}

func TestWatchEndsWithTheContextAndTheDevice(t *testing.T) {
	l := newLab(t)
	s := l.dial(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Watch(ctx, func() {}, path("interfaces")) }()
	cancel()
	wantFault(t, <-done, drivers.Transient)
	go func() { done <- s.Watch(t.Context(), func() {}, path("nonsense")) }()
	wantFault(t, <-done, drivers.Rejected)
	synced := make(chan struct{}, 1)
	go func() {
		done <- s.Watch(t.Context(), func() {
			select {
			case synced <- struct{}{}:
			default:
			}
		}, path("interfaces"))
	}()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for i, noticed := 0, false; !noticed; i++ {
		if err := s.Set(t.Context(), "apply", describe(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		select {
		case <-synced:
			noticed = true
		case <-poll.C:
		}
	}
	l.Switch.Close()
	wantFault(t, <-done, drivers.Transient)
}

// scripted is a server that answers Get with what it is told.
type scripted struct {
	gpb.UnimplementedGNMIServer
	get *gpb.GetResponse
}

func (scripted) Capabilities(context.Context, *gpb.CapabilityRequest) (*gpb.CapabilityResponse, error) {
	return &gpb.CapabilityResponse{}, nil
}

func (s *scripted) Get(context.Context, *gpb.GetRequest) (*gpb.GetResponse, error) { return s.get, nil }

func serve(t *testing.T, srv gpb.GNMIServer, opts ...grpc.ServerOption) drivers.Device {
	t.Helper()
	ca, err := switchd.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(append(opts, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{cert}})))...)
	gpb.RegisterGNMIServer(server, srv)
	done := make(chan error)
	go func() { done <- server.Serve(lis) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return drivers.Device{Name: "sw1", Address: lis.Addr().String(), TLS: &tls.Config{RootCAs: ca.Pool()}, Timeout: 10 * time.Second}
}

func TestAnswerThatIsNotWholeIsIncomplete(t *testing.T) {
	value := func(p *gpb.Path, v *gpb.TypedValue) *gpb.Notification {
		return &gpb.Notification{Update: []*gpb.Update{{Path: p, Val: v}}}
	}
	text := &gpb.TypedValue{Value: &gpb.TypedValue_JsonIetfVal{JsonIetfVal: []byte(`{}`)}}
	srv := new(scripted)
	d := serve(t, srv)
	s, err := gnmi.Dial(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, resp := range map[string]*gpb.GetResponse{
		"no notification": {},
		//lint:ignore SA1019 old servers still send it
		"error inside":      {Error: &gpb.Error{Message: "disk full"}, Notification: []*gpb.Notification{value(path("interfaces"), text)}},
		"two notifications": {Notification: []*gpb.Notification{value(path("interfaces"), text), value(path("interfaces"), text)}},
		"other path":        {Notification: []*gpb.Notification{value(path("lacp"), text)}},
		"other encoding":    {Notification: []*gpb.Notification{value(path("interfaces"), &gpb.TypedValue{Value: &gpb.TypedValue_StringVal{StringVal: "{}"}})}},
		"in parts":          {Notification: []*gpb.Notification{{Update: []*gpb.Update{{Path: path("interfaces"), Val: text}, {Path: path("interfaces"), Val: text}}}}},
	} {
		srv.get = resp
		v, err := s.Get(t.Context(), "observe", gpb.GetRequest_CONFIG, path("interfaces"))
		if v != nil {
			t.Errorf("%s: %q", name, v)
		}
		wantFault(t, err, drivers.Incomplete)
	}
	srv.get = &gpb.GetResponse{Notification: []*gpb.Notification{value(path("openconfig-interfaces:interfaces"), text)}}
	if v, err := s.Get(t.Context(), "observe", gpb.GetRequest_CONFIG, path("interfaces")); err != nil || string(v[0]) != "{}" {
		t.Errorf("with modules in the path: %q, %v", v, err)
	}
	srv.get = &gpb.GetResponse{Notification: []*gpb.Notification{{}}}
	if v, err := s.Get(t.Context(), "observe", gpb.GetRequest_CONFIG, path("interfaces")); err != nil || len(v) != 1 || v[0] != nil {
		t.Errorf("nothing there: %q, %v", v, err)
	}
}

func TestSessionOutlivesGoAway(t *testing.T) {
	srv := &scripted{get: &gpb.GetResponse{Notification: []*gpb.Notification{{}}}}
	d := serve(t, srv, grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 50 * time.Millisecond, MaxConnectionAgeGrace: time.Second}))
	s, err := gnmi.Dial(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for start := time.Now(); time.Since(start) < 400*time.Millisecond; {
		if _, err := s.Get(t.Context(), "observe", gpb.GetRequest_CONFIG, path("interfaces")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPathsArePrintedByTheConventions(t *testing.T) {
	p := path("acl", "acl-sets", "acl-set")
	p.Elem[2].Key = map[string]string{"type": "ACL_L2", "name": `a]b\c`}
	if got, want := gnmi.PathString(p), `/acl/acl-sets/acl-set[name=a\]b\\c][type=ACL_L2]`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := gnmi.PathString(nil); got != "/" {
		t.Errorf("the root is %q", got)
	}
}
