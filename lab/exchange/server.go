package exchange

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

// basePath is where IX-API v2 is mounted.
const basePath = "/api/v2"

// maxRequest bounds the body of a request, in bytes.
const maxRequest = 64 << 10

// maxPinned bounds the snapshots kept for pages still to be read, maxPast those of before the last writes.
const (
	maxPinned = 64
	maxPast   = 64
)

// Options say what a Server serves and to whom.
type Options struct {
	// Data is a folder of records: one JSON array per collection, named as its API path (connections.json).
	Data fs.FS
	// Listen is the TCP address to listen on; a free port of the loopback interface when it is empty.
	Listen string
	// TLS lets the server speak TLS; plain HTTP when it is nil.
	TLS *tls.Config
	// Credentials may log in; Tokens are bearer tokens that never expire.
	Credentials []Credential
	Tokens      []string
	// Anonymous lets everybody in. Without it there must be credentials or tokens.
	Anonymous bool
	// TokenLifetime is that of an access token, 15 minutes when it is 0; RefreshLifetime that of a refresh token, a day
	// when it is 0.
	TokenLifetime, RefreshLifetime time.Duration
	// PageSize is the greatest page, and the one given when a client does not choose, 100 when it is 0.
	PageSize int
	// PageLifetime is how long a page token pins the records it was given for, 5 minutes when it is 0.
	PageLifetime time.Duration
	// Unpaginated makes it an exchange without the optional pagination, which ignores the page_* parameters.
	Unpaginated bool
	// Clock tells the time, time.Now when it is nil.
	Clock func() time.Time
	// Logger is told of requests, at level debug; nobody is when it is nil.
	Logger *slog.Logger
}

// A Server is a sandbox exchange. Once it is made, the records and the faults may be changed concurrently with all else.
type Server struct {
	options     Options
	collections map[string]collection
	indexed     map[string]bool
	signer      signer
	life        string // tells the page tokens of this server from those of an earlier one
	faults      faults

	mu      sync.Mutex
	current *snapshot
	past    []*snapshot // of before each write, oldest first
	pinned  []pin       // oldest first

	subscribed []chan change // of subscribers
	taken      []event.Event // results that were posted

	http     *http.Server
	listener net.Listener
	stop     context.CancelFunc
	served   chan error
	beside   func(func(context.Context)) // starts what runs until stop
	running  sync.WaitGroup              // and counts it
}

// A pin keeps a snapshot for the pages still to be read from it.
type pin struct {
	at    *snapshot
	until time.Time
}

// New reads the records and returns a server that does not listen yet.
func New(o Options) (*Server, error) {
	if o.Data == nil {
		return nil, errors.New("exchange: no data")
	}
	if !o.Anonymous && len(o.Credentials) == 0 && len(o.Tokens) == 0 {
		return nil, errors.New("exchange: nobody may log in: neither credentials nor tokens, and not anonymous")
	}
	for _, c := range o.Credentials {
		if c.Key == "" || c.Secret == "" {
			return nil, errors.New("exchange: a credential has no key or no secret")
		}
	}
	if slices.Contains(o.Tokens, "") {
		return nil, errors.New("exchange: a token is empty")
	}
	o.Listen = orDefault(o.Listen, "127.0.0.1:0")
	o.TokenLifetime = orDefault(o.TokenLifetime, 15*time.Minute)
	o.RefreshLifetime = orDefault(o.RefreshLifetime, 24*time.Hour)
	o.PageSize = orDefault(o.PageSize, 100)
	o.PageLifetime = orDefault(o.PageLifetime, 5*time.Minute)
	if o.PageSize < 0 || o.TokenLifetime < 0 || o.RefreshLifetime < 0 || o.PageLifetime < 0 {
		return nil, errors.New("exchange: a size or a lifetime is negative")
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: o, collections: collections(), signer: newSigner(), life: rand.Text()}
	s.indexed = indexedFields(s.collections)
	var err error
	if s.current, err = load(o.Data, s.collections, s.indexed); err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	return s, nil
}

func orDefault[T comparable](value, other T) T {
	var zero T
	if value == zero {
		return other
	}
	return value
}

// Start listens and serves until Close.
func (s *Server) Start() error {
	if s.http != nil {
		return errors.New("exchange: started already")
	}
	l, err := net.Listen("tcp", s.options.Listen)
	if err != nil {
		return fmt.Errorf("exchange: %w", err)
	}
	s.listener = l
	if s.options.TLS != nil {
		l = tls.NewListener(l, s.options.TLS)
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.beside = func(f func(context.Context)) { s.running.Go(func() { f(ctx) }) }
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelDebug),
	}
	s.served = make(chan error, 1)
	go func() { s.served <- s.http.Serve(l) }()
	return nil
}

// URL is the address of the API, base path included. It is empty before Start.
func (s *Server) URL() string {
	if s.listener == nil {
		return ""
	}
	return s.origin() + basePath
}

// TokenURL is the address of the OAuth2 token endpoint. It is empty before Start.
func (s *Server) TokenURL() string {
	if s.listener == nil {
		return ""
	}
	return s.origin() + "/oauth2/token"
}

func (s *Server) origin() string {
	scheme := "http"
	if s.options.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + s.listener.Addr().String()
}

// Close lets the answers under way end, for a few seconds, and stops the server. Answers that wait for nothing but a
// fault end at once.
func (s *Server) Close() error {
	if s.http == nil {
		return nil
	}
	s.stop()
	s.running.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	s.served <- http.ErrServerClosed // for another Close
	return err
}

// Run starts the server and serves until ctx is done or it can serve no longer.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Start(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case err := <-s.served:
		s.served <- err
	}
	return s.Close()
}

// now returns the records as they are.
func (s *Server) now() *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// seen returns the records that a request for a collection sees: as they are, or as they were where the exchange lags
// behind.
func (s *Server) seen(collection string) *snapshot {
	f := s.faults.take(collection, Stale)
	s.mu.Lock()
	defer s.mu.Unlock()
	if f == nil || len(s.past) == 0 {
		return s.current
	}
	return s.past[max(0, len(s.past)-max(1, f.Versions))]
}

// replace makes a write the records as they are. The caller holds mu.
func (s *Server) replace(next *snapshot) {
	if s.past = append(s.past, s.current); len(s.past) > maxPast {
		s.past = slices.Delete(s.past, 0, 1)
	}
	s.current = next
}

// Get returns a record as JSON.
func (s *Server) Get(collection, id string) (json.RawMessage, error) {
	if _, known := s.collections[collection]; !known {
		return nil, fmt.Errorf("%q: %w", collection, ErrNoCollection)
	}
	r := s.now().get(collection, id)
	if r == nil {
		return nil, fmt.Errorf("%s %q: %w", collection, id, ErrNoRecord)
	}
	return slices.Clone(r.raw), nil
}

// Put adds a record, a JSON object with an id, or replaces the one that has this id.
func (s *Server) Put(collection string, text json.RawMessage) error {
	return s.PutAll(map[string][]json.RawMessage{collection: {text}})
}

// PutAll does for records of several collections what Put does for one, in one write: a reader sees all of them or none.
func (s *Server) PutAll(records map[string][]json.RawMessage) error {
	parsed := make(map[string][]*record, len(records))
	for collection, texts := range records {
		if _, known := s.collections[collection]; !known {
			return fmt.Errorf("%q: %w", collection, ErrNoCollection)
		}
		for _, text := range texts {
			r, err := parseRecord(text, s.indexed)
			if err != nil {
				return fmt.Errorf("%s: %w", collection, err)
			}
			parsed[collection] = append(parsed[collection], r)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.current
	for collection, list := range parsed {
		for _, r := range list {
			next = next.put(collection, r)
		}
	}
	s.replace(next)
	for collection, list := range parsed {
		for _, r := range list {
			s.changed(collection, r.id)
		}
	}
	return nil
}

// Delete removes a record.
func (s *Server) Delete(collection, id string) error {
	if _, known := s.collections[collection]; !known {
		return fmt.Errorf("%q: %w", collection, ErrNoCollection)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next, known := s.current.delete(collection, id)
	if !known {
		return fmt.Errorf("%s %q: %w", collection, id, ErrNoRecord)
	}
	s.replace(next)
	s.changed(collection, id)
	return nil
}

// remember pins a snapshot and returns the token to it.
func (s *Server) remember(at *snapshot) string {
	now := s.options.Clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(now)
	i := slices.IndexFunc(s.pinned, func(p pin) bool { return p.at == at })
	if i >= 0 {
		s.pinned = slices.Delete(s.pinned, i, i+1)
	}
	if s.pinned = append(s.pinned, pin{at: at, until: now.Add(s.options.PageLifetime)}); len(s.pinned) > maxPinned {
		s.pinned = slices.Delete(s.pinned, 0, 1)
	}
	return fmt.Sprintf("%s-%d", s.life, at.version)
}

// recall returns the snapshot of a token.
func (s *Server) recall(token string) (*snapshot, error) {
	now := s.options.Clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(now)
	for _, p := range s.pinned {
		if token == fmt.Sprintf("%s-%d", s.life, p.at.version) {
			return p.at, nil
		}
	}
	return nil, errors.New("is unknown or has expired; read the list from its start")
}

// forget lets go of the snapshots whose time has come. The caller holds mu.
func (s *Server) forget(now time.Time) {
	s.pinned = slices.DeleteFunc(s.pinned, func(p pin) bool { return !now.Before(p.until) })
}

// ServeHTTP answers a request, with or without Start.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.options.Logger.Debug("request", "method", r.Method, "path", r.URL.EscapedPath(), "query", r.URL.RawQuery)
	if r.Body != nil {
		r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	}
	escaped := strings.TrimRight(r.URL.EscapedPath(), "/")
	if escaped == "/oauth2/token" {
		if !s.disturb(w, r, "oauth2") {
			only(s.clientCredentials, http.MethodPost)(w, r)
		}
		return
	}
	if escaped == "/results" {
		if !s.disturb(w, r, "results") {
			only(s.results, http.MethodPost)(w, r)
		}
		return
	}
	rest, ok := strings.CutPrefix(escaped, basePath+"/")
	if !ok {
		missing("the API is at "+basePath).write(w, r)
		return
	}
	s.route(w, r, strings.TrimLeft(rest, "/"))
}

// route answers what is below the base path. An id is unescaped after it has been cut off, so that it may contain
// anything; slashes that a client forgot to escape belong to it, too.
func (s *Server) route(w http.ResponseWriter, r *http.Request, path string) {
	name, escapedID, one := strings.Cut(path, "/")
	id, err := url.PathUnescape(escapedID)
	if err != nil {
		missing("the id is not escaped as it should be").write(w, r)
		return
	}
	if s.disturb(w, r, name) {
		return
	}
	switch {
	case path == "auth/token":
		only(s.login, http.MethodPost)(w, r)
		return
	case path == "auth/refresh":
		only(s.refresh, http.MethodPost)(w, r)
		return
	case path == "health", path == "implementation", path == "extensions":
		only(func(w http.ResponseWriter, r *http.Request) { s.meta(w, r, path) }, http.MethodGet, http.MethodHead)(w, r)
		return
	}
	if p := s.authenticate(r); p != nil {
		p.write(w, r)
		return
	}
	_, known := s.collections[name]
	var handler http.HandlerFunc
	switch {
	case path == "account":
		handler = s.ownAccount
	case known && !one:
		handler = func(w http.ResponseWriter, r *http.Request) { s.list(w, r, name) }
	case known:
		handler = func(w http.ResponseWriter, r *http.Request) { s.read(w, r, name, id) }
	default:
		missing("there is no such resource").write(w, r)
		return
	}
	only(handler, http.MethodGet, http.MethodHead)(w, r)
}

// only refuses all methods but the given ones.
func only(h http.HandlerFunc, methods ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			generic(http.StatusMethodNotAllowed, r.Method+" is not possible here").write(w, r)
			return
		}
		h(w, r)
	}
}

// read answers GET of one record, archived or not.
func (s *Server) read(w http.ResponseWriter, r *http.Request, collection, id string) {
	record := s.seen(collection).get(collection, id)
	if record == nil {
		missing("there is no such record").write(w, r)
		return
	}
	s.send(w, collection, http.StatusOK, append(slices.Clip(record.raw), '\n'))
}

// ownAccount answers GET /account: the account that nobody else manages.
func (s *Server) ownAccount(w http.ResponseWriter, r *http.Request) {
	for _, a := range s.now().lists["accounts"] {
		if _, managed := a.text("managing_account"); !managed {
			s.send(w, "account", http.StatusOK, append(slices.Clip(a.raw), '\n'))
			return
		}
	}
	missing("no account is your own").write(w, r)
}
