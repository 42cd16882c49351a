package rest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// The defaults of Options.
const (
	DefaultTimeout  = time.Minute
	DefaultRetryFor = 2 * time.Minute
)

// Options configures a Client. Only BaseURL is required.
type Options struct {
	// BaseURL is what paths are appended to.
	BaseURL string

	// Auth returns what a client proves itself with. It is nil for a server that asks for no authentication.
	Auth func(*Client) (*Session, error)

	TLS TLSOptions

	// AllowPlaintext permits credentials to be sent over plain HTTP to a host
	// other than this one.
	AllowPlaintext bool

	// HTTPClient replaces the client's own transport, and TLS with it.
	HTTPClient *http.Client

	// Timeout bounds one attempt of one request, RetryFor all attempts of it.
	// A negative RetryFor means a single attempt.
	Timeout, RetryFor time.Duration

	UserAgent string
	Logger    *slog.Logger
}

// TLSOptions says how the exchange proves itself and how the client does. The
// files are PEM. Files and MinVersion (default TLS 1.2) come on top of Config.
type TLSOptions struct {
	Config            *tls.Config
	CAFile            string // replaces the system's roots
	CertFile, KeyFile string // client certificate
	MinVersion        uint16
}

func (o TLSOptions) build() (*tls.Config, error) {
	config := o.Config.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	config.MinVersion = cmp.Or(o.MinVersion, config.MinVersion, tls.VersionTLS12)
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("certificate authorities: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("certificate authorities: no certificate in %s", o.CAFile)
		}
	}
	if o.CertFile != "" || o.KeyFile != "" {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// Client asks one server. It may be used concurrently. It starts no goroutines but those of net/http, which Close ends.
type Client struct {
	base           string
	http           *http.Client
	session        *Session
	allowPlaintext bool
	timeout        time.Duration
	retryFor       time.Duration
	userAgent      string
	log            *slog.Logger
}

// New returns a client that has not yet spoken to the server.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("base url: %w", err)
	}
	c := &Client{
		base:           strings.TrimRight(o.BaseURL, "/"),
		allowPlaintext: o.AllowPlaintext,
		timeout:        cmp.Or(o.Timeout, DefaultTimeout),
		retryFor:       cmp.Or(o.RetryFor, DefaultRetryFor),
		userAgent:      cmp.Or(o.UserAgent, "ixagent"),
		log:            o.Logger,
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	switch {
	case base.User != nil:
		return nil, errors.New("base url: credentials do not belong there")
	case base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("base url: neither query nor fragment belong there")
	case base.Host == "" || base.Scheme != "https" && base.Scheme != "http":
		return nil, fmt.Errorf("base url: not an http or https url: %q", Clip(o.BaseURL))
	}
	if c.http, err = c.newHTTP(o); err != nil {
		return nil, err
	}
	if o.Auth != nil {
		if err := c.Secure(base); err != nil {
			return nil, fmt.Errorf("base url: %w", err)
		}
		if c.session, err = o.Auth(c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Client) newHTTP(o Options) (*http.Client, error) {
	var client http.Client
	if o.HTTPClient != nil {
		client = *o.HTTPClient
	} else {
		config, err := o.TLS.build()
		if err != nil {
			return nil, err
		}
		if config.InsecureSkipVerify {
			c.log.Warn("exchange is not authenticated: certificate verification is off")
		}
		client.Transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        config,
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    4,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 1 << 20,
		}
	}
	client.CheckRedirect = c.checkRedirect
	return &client, nil
}

// checkRedirect lets an exchange move its records, but never its credentials: a
// request with a body stays on its origin, another goes on without its token,
// and nothing leaves TLS.
func (c *Client) checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case len(via) >= 5:
		return fmt.Errorf("%w: more than 5", ErrRedirect)
	case first.URL.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("%w: from https to %q", ErrRedirect, req.URL.Scheme)
	case req.URL.Scheme == first.URL.Scheme && req.URL.Host == first.URL.Host:
		return nil
	case first.Method != http.MethodGet:
		return fmt.Errorf("%w: credentials are not sent on to %q", ErrRedirect, req.URL.Host)
	}
	c.session.drop(req.Header)
	return nil
}

// Secure reports whether credentials may be sent to u.
func (c *Client) Secure(u *url.URL) error {
	host := u.Hostname()
	addr, err := netip.ParseAddr(host)
	switch {
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http" || host == "":
		return fmt.Errorf("not an http or https url: %q", Clip(u.Redacted()))
	case c.allowPlaintext || host == "localhost" || err == nil && addr.IsLoopback():
		return nil
	}
	return errors.New("credentials are not sent over plain http")
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// HTTP returns the HTTP client that requests are made with.
func (c *Client) HTTP() *http.Client { return c.http }

// Log returns the logger that requests are logged with.
func (c *Client) Log() *slog.Logger { return c.log }

// Attempt returns a context for one attempt of a request.
func (c *Client) Attempt(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.timeout)
}

// Request is what a server is asked. It is repeated, so it must not change anything there.
type Request struct {
	Method string // GET if it is empty
	Path   string // escaped
	Query  url.Values
	Body   []byte // JSON; nil for none
	Limit  int64  // bytes of the answer, after decompression
}

// Response is a success answer, read whole: one with a status of 200, 201 or 206.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// patience waits as long as the exchange asks, and longer each time.
type patience struct {
	*backoff.ExponentialBackOff
	asked time.Duration
}

func (p *patience) NextBackOff() time.Duration {
	return max(p.asked, p.ExponentialBackOff.NextBackOff())
}

// Do asks until there is an answer that another attempt would not change.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	wait := &patience{ExponentialBackOff: backoff.NewExponentialBackOff()}
	renewed := false
	attempt := func() (*Response, error) {
		res, token, err := c.authorized(ctx, r)
		if errors.Is(err, ErrUnauthenticated) && token != "" && !renewed {
			renewed = true
			if c.session.refused(ctx, token, err) {
				res, _, err = c.authorized(ctx, r)
			}
		}
		if err == nil {
			return res, nil
		}
		var problem *ProblemError
		var transport *TransportError
		wait.asked = 0
		switch {
		case ctx.Err() != nil:
			return nil, backoff.Permanent(context.Cause(ctx))
		case errors.As(err, &problem) && retryable(problem.Status):
			wait.asked = problem.RetryAfter
			return nil, err
		case errors.As(err, &transport) && transport.passing():
			return nil, err
		}
		return nil, backoff.Permanent(err)
	}
	options := []backoff.RetryOption{
		backoff.WithBackOff(wait),
		backoff.WithMaxElapsedTime(c.retryFor),
		backoff.WithNotify(func(err error, after time.Duration) {
			c.log.Warn("exchange request is repeated", "path", r.Path, "err", err, "after", after)
		}),
	}
	if c.retryFor < 0 {
		options = append(options, backoff.WithMaxTries(1))
	}
	return backoff.Retry(ctx, attempt, options...)
}

// authorized makes one attempt with a token, which it returns when it was sent.
func (c *Client) authorized(ctx context.Context, r Request) (*Response, string, error) {
	var token string
	if c.session != nil {
		var err error
		if token, err = c.session.token(ctx); err != nil {
			return nil, "", err
		}
	}
	res, err := c.Once(ctx, r, token)
	return res, token, err
}

// Once makes one attempt, with a token unless that is empty.
func (c *Client) Once(ctx context.Context, r Request, token string) (*Response, error) {
	attempt, cancel := c.Attempt(ctx)
	defer cancel()
	method := cmp.Or(r.Method, http.MethodGet)
	target := c.base + r.Path
	if len(r.Query) != 0 {
		target += "?" + r.Query.Encode()
	}
	req, err := http.NewRequestWithContext(attempt, method, target, bytes.NewReader(r.Body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, r.Path, err)
	}
	req.Header.Set("Accept", "application/json, application/problem+json")
	req.Header.Set("User-Agent", c.userAgent)
	if r.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		c.session.carry(req.Header, token)
	}
	start := time.Now()
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.interrupted(attempt, ctx, method, r.Path, err)
	}
	defer res.Body.Close()
	success := res.StatusCode == http.StatusOK || res.StatusCode == http.StatusCreated || res.StatusCode == http.StatusPartialContent
	if !success {
		// The rest of a longer error body is of no use, nor is an error in it.
		text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
		return nil, NewProblem(method, r.Path, res.StatusCode, res.Header, text, time.Now())
	}
	text, err := readAll(res, r.Limit)
	if err != nil && !errors.Is(err, ErrTooLarge) {
		return nil, c.interrupted(attempt, ctx, method, r.Path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, r.Path, err)
	}
	c.log.Debug("exchange answered", "method", method, "path", r.Path,
		"status", res.StatusCode, "bytes", len(text), "duration", time.Since(start))
	return &Response{Status: res.StatusCode, Header: res.Header, Body: text}, nil
}

// readAll reads a body of up to limit bytes, after decompression.
func readAll(res *http.Response, limit int64) ([]byte, error) {
	if res.ContentLength > limit {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are accepted", ErrTooLarge, res.ContentLength, limit)
	}
	var buf bytes.Buffer
	if res.ContentLength > 0 {
		buf.Grow(int(res.ContentLength) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(res.Body, limit+1))
	if n > limit {
		return nil, fmt.Errorf("%w: more than the %d bytes accepted", ErrTooLarge, limit)
	}
	return buf.Bytes(), err
}

// interrupted says what ended an attempt: the caller, the timeout or the network.
func (c *Client) interrupted(attempt, ctx context.Context, method, path string, err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err // what it adds is the query, with the page token in it
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case attempt.Err() != nil:
		err = fmt.Errorf("no complete answer within %v: %w", c.timeout, err)
	}
	return &TransportError{method, path, err}
}

// TransportError is an attempt that brought no answer.
type TransportError struct {
	Method, Path string
	Err          error
}

func (e *TransportError) Error() string { return e.Method + " " + e.Path + ": " + e.Err.Error() }
func (e *TransportError) Unwrap() error { return e.Err }

// passing reports whether another attempt may fare better.
func (e *TransportError) passing() bool {
	var certificate *tls.CertificateVerificationError
	var lookup *net.DNSError
	switch {
	case errors.As(e.Err, &certificate), errors.Is(e.Err, ErrRedirect):
		return false
	case errors.As(e.Err, &lookup):
		return !lookup.IsNotFound
	}
	return true
}
