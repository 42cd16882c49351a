package ixapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
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
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// The defaults of Options.
const (
	DefaultMaxBody  = 64 << 20
	DefaultMaxList  = 1 << 30
	DefaultTimeout  = time.Minute
	DefaultRetryFor = 2 * time.Minute
	DefaultPageSize = 1000
)

// Options configures a Client. Only BaseURL is required.
type Options struct {
	// BaseURL is where the collections are, such as
	// https://ixapi.example.net/api/v2.
	BaseURL string

	// Auth is nil for an exchange that asks for no authentication.
	Auth Auth

	TLS TLSOptions

	// AllowPlaintext permits credentials to be sent over plain HTTP to a host
	// other than this one.
	AllowPlaintext bool

	// HTTPClient replaces the client's own transport, and TLS with it.
	HTTPClient *http.Client

	// MaxBody bounds one answer after decompression, MaxList all pages of a
	// list, in bytes.
	MaxBody, MaxList int64

	// PageSize is the page_limit to ask for. 0 asks for DefaultPageSize where
	// /implementation says that pagination is supported, and otherwise, like a
	// negative PageSize, for none; a list that is paginated nevertheless is
	// read to its end.
	PageSize int

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

// Client reads from one exchange. It may be used concurrently. It starts no
// goroutines but those of net/http, which Close ends.
type Client struct {
	base           string
	http           *http.Client
	session        *session
	allowPlaintext bool
	maxBody        int64
	maxList        int64
	timeout        time.Duration
	retryFor       time.Duration
	userAgent      string
	log            *slog.Logger

	pages    sync.Mutex
	pageSize int
	asked    bool // pageSize is settled
}

// New returns a client that has not yet spoken to the exchange.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("base url: %w", err)
	}
	c := &Client{
		base:           strings.TrimRight(o.BaseURL, "/"),
		allowPlaintext: o.AllowPlaintext,
		maxBody:        cmp.Or(o.MaxBody, DefaultMaxBody),
		maxList:        cmp.Or(o.MaxList, DefaultMaxList),
		timeout:        cmp.Or(o.Timeout, DefaultTimeout),
		retryFor:       cmp.Or(o.RetryFor, DefaultRetryFor),
		userAgent:      cmp.Or(o.UserAgent, "ixagent"),
		log:            o.Logger,
		pageSize:       max(0, o.PageSize),
		asked:          o.PageSize != 0,
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
		return nil, fmt.Errorf("base url: not an http or https url: %q", clip(o.BaseURL))
	}
	if c.http, err = c.newHTTP(o); err != nil {
		return nil, err
	}
	if o.Auth != nil {
		if err := c.secure(base); err != nil {
			return nil, fmt.Errorf("base url: %w", err)
		}
		if c.session, err = o.Auth.session(c); err != nil {
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
	client.CheckRedirect = checkRedirect
	return &client, nil
}

var errRedirect = errors.New("redirect refused")

// checkRedirect lets an exchange move its records, but never its credentials: a
// request with a body stays on its origin, another goes on without its token,
// and nothing leaves TLS.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case len(via) >= 5:
		return fmt.Errorf("%w: more than 5", errRedirect)
	case first.URL.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("%w: from https to %q", errRedirect, req.URL.Scheme)
	case req.URL.Scheme == first.URL.Scheme && req.URL.Host == first.URL.Host:
		return nil
	case first.Method != http.MethodGet:
		return fmt.Errorf("%w: credentials are not sent on to %q", errRedirect, req.URL.Host)
	}
	req.Header.Del("Authorization")
	return nil
}

// secure reports whether credentials may be sent to u.
func (c *Client) secure(u *url.URL) error {
	host := u.Hostname()
	addr, err := netip.ParseAddr(host)
	switch {
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http" || host == "":
		return fmt.Errorf("not an http or https url: %q", clip(u.Redacted()))
	case c.allowPlaintext || host == "localhost" || err == nil && addr.IsLoopback():
		return nil
	}
	return errors.New("credentials are not sent over plain http")
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Path returns the path of a record, with an id of any characters.
func Path(c Collection, id ID) string {
	escaped := url.PathEscape(id)
	if id == "." || id == ".." {
		escaped = strings.ReplaceAll(id, ".", "%2E")
	}
	return "/" + string(c) + "/" + escaped
}

// Get returns one record, as JSON.
func (c *Client) Get(ctx context.Context, collection Collection, id ID) ([]byte, error) {
	if id == "" {
		return nil, fmt.Errorf("%s: %w: the id is empty", collection, ErrNotFound)
	}
	res, err := c.get(ctx, Path(collection, id), nil, c.maxBody)
	if err != nil {
		return nil, err
	}
	return res.body, nil
}

// Health is what an exchange says about its API. Status is pass, warn or fail.
type Health struct {
	Status      string   `json:"status"`
	Version     string   `json:"version"`
	ReleaseID   string   `json:"releaseId"`
	ServiceID   string   `json:"serviceId"`
	Description string   `json:"description"`
	Output      string   `json:"output"`
	Notes       []string `json:"notes"`
}

// Health asks for /health.
func (c *Client) Health(ctx context.Context) (Health, error) {
	return document[Health](ctx, c, "/health")
}

// Implementation is what an exchange says it supports of IX-API.
type Implementation struct {
	SchemaVersion                      string   `json:"schema_version"`
	ServiceVersion                     string   `json:"service_version"`
	SupportedNetworkServiceTypes       []string `json:"supported_network_service_types"`
	SupportedNetworkServiceConfigTypes []string `json:"supported_network_service_config_types"`
	SupportedNetworkFeatureTypes       []string `json:"supported_network_feature_types"`
	SupportedNetworkFeatureConfigTypes []string `json:"supported_network_feature_config_types"`
	SupportedOperations                []string `json:"supported_operations"`
	SupportedFeatures                  struct {
		Pagination bool `json:"pagination"`
	} `json:"supported_features"`
}

// Implementation asks for /implementation.
func (c *Client) Implementation(ctx context.Context) (Implementation, error) {
	return document[Implementation](ctx, c, "/implementation")
}

// document reads a JSON object. Fields of a wrong type are left zero.
func document[T any](ctx context.Context, c *Client, path string) (T, error) {
	var doc T
	res, err := c.get(ctx, path, nil, c.maxBody)
	if err != nil {
		return doc, err
	}
	if err := json.Unmarshal(res.body, &doc); err != nil && !wrongType(err) {
		return doc, fmt.Errorf("GET %s: %w", path, err)
	}
	return doc, nil
}

// response is a success answer, read whole.
type response struct {
	status int
	header http.Header
	body   []byte
}

// patience waits as long as the exchange asks, and longer each time.
type patience struct {
	*backoff.ExponentialBackOff
	asked time.Duration
}

func (p *patience) NextBackOff() time.Duration {
	return max(p.asked, p.ExponentialBackOff.NextBackOff())
}

// get asks until there is an answer that another attempt would not change.
func (c *Client) get(ctx context.Context, path string, query url.Values, limit int64) (*response, error) {
	wait := &patience{ExponentialBackOff: backoff.NewExponentialBackOff()}
	renewed := false
	attempt := func() (*response, error) {
		res, token, err := c.authorized(ctx, path, query, limit)
		if errors.Is(err, ErrUnauthenticated) && token != "" && !renewed {
			renewed = true
			if c.session.refused(ctx, token, err) {
				res, _, err = c.authorized(ctx, path, query, limit)
			}
		}
		if err == nil {
			return res, nil
		}
		var problem *ProblemError
		var transport *transportError
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
			c.log.Warn("exchange request is repeated", "path", path, "err", err, "after", after)
		}),
	}
	if c.retryFor < 0 {
		options = append(options, backoff.WithMaxTries(1))
	}
	return backoff.Retry(ctx, attempt, options...)
}

// authorized makes one attempt with a token, which it returns when it was sent.
func (c *Client) authorized(ctx context.Context, path string, query url.Values, limit int64) (*response, string, error) {
	var token string
	if c.session != nil {
		var err error
		if token, err = c.session.token(ctx); err != nil {
			return nil, "", err
		}
	}
	res, err := c.once(ctx, http.MethodGet, path, query, token, nil, limit)
	return res, token, err
}

// once makes one request and reads its answer, which may have up to limit bytes.
// It is a success with a status of 200, 201 or 206.
func (c *Client) once(ctx context.Context, method, path string, query url.Values, bearer string, body []byte, limit int64) (*response, error) {
	attempt, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	target := c.base + path
	if len(query) != 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(attempt, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Accept", "application/json, application/problem+json")
	req.Header.Set("User-Agent", c.userAgent)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	start := time.Now()
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.interrupted(attempt, ctx, method, path, err)
	}
	defer res.Body.Close()
	success := res.StatusCode == http.StatusOK || res.StatusCode == http.StatusCreated || res.StatusCode == http.StatusPartialContent
	if !success {
		// The rest of a longer error body is of no use, nor is an error in it.
		text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
		return nil, newProblem(method, path, res.StatusCode, res.Header, text, time.Now())
	}
	text, err := readAll(res, limit)
	if err != nil && !errors.Is(err, ErrTooLarge) {
		return nil, c.interrupted(attempt, ctx, method, path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	c.log.Debug("exchange answered", "method", method, "path", path,
		"status", res.StatusCode, "bytes", len(text), "duration", time.Since(start))
	return &response{status: res.StatusCode, header: res.Header, body: text}, nil
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
	return &transportError{method, path, err}
}

// transportError is an attempt that brought no answer.
type transportError struct {
	method, path string
	err          error
}

func (e *transportError) Error() string { return e.method + " " + e.path + ": " + e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

// passing reports whether another attempt may fare better.
func (e *transportError) passing() bool {
	var certificate *tls.CertificateVerificationError
	var lookup *net.DNSError
	switch {
	case errors.As(e.err, &certificate), errors.Is(e.err, errRedirect):
		return false
	case errors.As(e.err, &lookup):
		return !lookup.IsNotFound
	}
	return true
}
