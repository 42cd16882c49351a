package gnmi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
	"unicode"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/ixagent/ixagent/drivers"
)

// effect says whether an RPC may have changed the device.
type effect bool

const (
	read  effect = false
	write effect = true
)

// rpcError returns what an error of grpc means for a device.
func (s *Session) rpcError(op string, e effect, err error) error {
	if errors.Is(err, io.EOF) {
		return s.fail(op, drivers.Transient, errors.New("the device ended the stream"))
	}
	st := status.Convert(err)
	said := errors.New(printable(spoken(st.Message())))
	switch st.Code() {
	case codes.Unavailable:
		if denied := s.denial(); denied != nil {
			return s.fail(op, drivers.Denied, denied)
		}
	case codes.Canceled:
		said = context.Canceled
	case codes.DeadlineExceeded:
		said = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	case codes.Unauthenticated, codes.PermissionDenied:
		return s.fail(op, drivers.Denied, said)
	case codes.Unimplemented:
		return s.fail(op, drivers.Unsupported, said)
	case codes.ResourceExhausted:
		if e == read {
			return s.fail(op, drivers.Incomplete, fmt.Errorf("the answer is too large: %w", said))
		}
		return s.fail(op, drivers.Rejected, said)
	case codes.InvalidArgument, codes.FailedPrecondition, codes.NotFound, codes.Aborted, codes.AlreadyExists, codes.OutOfRange:
		return s.fail(op, drivers.Rejected, &Refusal{Code: st.Code(), Message: said.Error()})
	}
	if e == write {
		return s.fail(op, drivers.Unknown, said)
	}
	return s.fail(op, drivers.Transient, said)
}

// spoken returns the end of grpc's messages about connections, which is the part that says something.
func spoken(message string) string {
	for _, before := range []string{"Error while dialing: ", "authentication handshake failed: "} {
		if _, after, ok := strings.Cut(message, before); ok {
			return strings.TrimSuffix(after, `"`)
		}
	}
	return message
}

// Refusal is a device's no to a request that it understood.
type Refusal struct {
	Code    codes.Code
	Message string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Code.String() + ": " + r.Message }

// refused reports whether err is a refusal with the code.
func refused(err error, c codes.Code) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Code == c
}

// printable returns the words of a device without control characters, of bounded length.
func printable(s string) string {
	const most = 2000
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + " ..."
	}
	return strings.TrimSpace(s)
}

// watchedCreds remembers why TLS failed last: grpc keeps only a text, and not always the right one.
type watchedCreds struct {
	credentials.TransportCredentials

	mu   sync.Mutex
	last error
}

func (c *watchedCreds) remember(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = err
}

// ClientHandshake implements [credentials.TransportCredentials].
func (c *watchedCreds) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ClientHandshake(ctx, authority, raw)
	c.remember(err)
	if err != nil {
		return nil, nil, err
	}
	return &watchedConn{conn, c}, info, nil
}

// Clone implements [credentials.TransportCredentials]; clones remember together.
func (c *watchedCreds) Clone() credentials.TransportCredentials { return c }

// watchedConn looks for the device's refusal of our certificate, which with TLS 1.3 arrives after the handshake.
type watchedConn struct {
	net.Conn
	creds *watchedCreds
}

// Read implements [net.Conn].
func (c *watchedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if alert(err) != "" {
		c.creds.remember(err)
	}
	return n, err
}

// Write implements [net.Conn]. A device that refuses us closes the connection, so that writing may fail before its
// alert is read.
func (c *watchedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err != nil && c.SetReadDeadline(time.Now().Add(time.Second)) == nil {
		if _, why := c.Read(make([]byte, 1)); alert(why) != "" {
			return n, why
		}
	}
	return n, err
}

// alert returns the words of a TLS alert that the other side sent, or "".
func alert(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return strings.TrimPrefix(op.Err.Error(), "tls: ")
	}
	return ""
}

// denial returns why TLS failed if credentials are at fault, in an operator's words, or nil.
func (s *Session) denial() error {
	if s.creds == nil {
		return nil
	}
	s.creds.mu.Lock()
	defer s.creds.mu.Unlock()
	switch a := alert(s.creds.last); {
	case strings.Contains(a, "certificate") || a == "access denied":
		return fmt.Errorf("the device does not accept our certificate: %s", a)
	case a != "":
		return fmt.Errorf("the device refuses TLS with us: %s", a)
	}
	return explain(s.creds.last)
}

// explain returns what is wrong with the certificate of a device, or nil if that is not what err is about.
func explain(err error) error {
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var verify *tls.CertificateVerificationError
	const day = "2006-01-02 15:04 MST"
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		// The reason covers certificates that are not valid yet.
		return fmt.Errorf("the certificate of the device (%s) is valid from %s to %s, and not now", subject(invalid.Cert),
			invalid.Cert.NotBefore.UTC().Format(day), invalid.Cert.NotAfter.UTC().Format(day))
	case errors.As(err, &invalid):
		return fmt.Errorf("the certificate of the device (%s) is not valid: %w", subject(invalid.Cert), invalid)
	case errors.As(err, &name):
		return fmt.Errorf("the certificate of the device is for %s, not for %q", names(name.Certificate), name.Host)
	case errors.As(err, &unknown):
		return fmt.Errorf("the certificate of the device (%s) is signed by %s, which is not among the trusted authorities",
			subject(unknown.Cert), issuer(unknown.Cert))
	case errors.As(err, &verify):
		return fmt.Errorf("the certificate of the device is not accepted: %w", verify.Err)
	}
	return nil
}

func subject(c *x509.Certificate) string { return named(c, false) }
func issuer(c *x509.Certificate) string  { return named(c, true) }

func named(c *x509.Certificate, issuer bool) string {
	if c == nil {
		return "unknown"
	}
	name := c.Subject
	if issuer {
		name = c.Issuer
	}
	if s := printable(name.String()); s != "" {
		return s
	}
	return "without a name"
}

func names(c *x509.Certificate) string {
	all := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no host at all (" + subject(c) + ")"
	}
	return printable(strings.Join(all, ", "))
}
