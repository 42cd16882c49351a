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
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/ixagent/ixagent/lab/exchange/store"
	"github.com/ixagent/ixagent/lab/exchange/token"
)

// basePath is where IX-API v2 is mounted.
const basePath = "/api/v2"

// maxRequest bounds the body of a request, in bytes.
const maxRequest = 64 << 10

// maxPinned bounds the snapshots kept for pages still to be read.
const maxPinned = 64

// Options say what a Server serves and to whom.
type Options struct {
	// Data is a folder of records: one JSON array per collection, named as its API path (connections.json). It is what
	// the exchange begins with, where its store is empty.
	Data fs.FS
	// Store keeps the records; they are in memory only when it is nil. It must have been opened with [Index].
	Store *store.Store
	// Listen is the TCP address to listen on; a free port of the loopback interface when it is empty.
	Listen string
	// TLS lets the server speak TLS; plain HTTP when it is nil.
	TLS *tls.Config
	// Credentials may log in; Tokens are bearer tokens of the operator that never expire.
	Credentials []Credential
	Tokens      []string
	// Anonymous takes everybody for the operator. Without it there must be credentials or tokens.
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
	// AcceptTerms accepts the terms of the exchange for each account that is made, for clients that cannot do what its
	// status asks for.
	AcceptTerms bool
	// RequestRate is how many requests a second a credential may make, and RequestBurst how many at once before that
	// counts, 10 when it is 0. There is no limit when the rate is 0.
	RequestRate  float64
	RequestBurst int
	// MaxRequests bounds the requests that are answered at the same time. There is no limit when it is 0.
	MaxRequests int
	// Hardware is what the ports of a device carry, by its name; everything that IX-API has when it is not listed.
	Hardware map[string]Hardware
	// PatchedByHand has a port reservation stay allocated until the operator has patched it and says so, by its state
	// production. Without it that is done as soon as there is a port.
	PatchedByHand bool
	// FirstOfferings are product offerings that an account has to order before it is in production.
	FirstOfferings []string
	// Reported says that an agent posts to /results what became of records. Without it what is ordered is in production as
	// soon as the exchange has all it needs.
	Reported bool
	// AddressRest is how long an address of a LAN that was given up is given to no other account, 30 days when it is 0.
	AddressRest time.Duration
	// Counters are asked for statistics; without them nothing was measured.
	Counters Counters
	// Clock tells the time, time.Now when it is nil.
	Clock func() time.Time
	// Logger is told of requests, at level debug; nobody is when it is nil.
	Logger *slog.Logger
}

// A Server is a sandbox exchange. Once it is made, the records and the faults may be changed concurrently with all else.
type Server struct {
	options     Options
	collections map[string]collection
	resources   map[string]*resource
	store       *store.Store
	signer      token.Signer
	life        string // tells the page tokens of this server from those of an earlier one
	faults      faults
	limits      *limits

	mounted map[string]http.Handler // by the beginning of their paths
	hears   func(event.Event) error // of results; nil for nobody

	mu     sync.Mutex
	pinned []pin // oldest first

	subscribed []chan store.Change // of subscribers
	announced  map[string]bool     // collections beside those of the API
	taken      []event.Event       // results that were posted

	meters meters

	settledAt uint64 // version of the store and
	settledOn string // day for which settle has nothing to do

	http     *http.Server
	listener net.Listener
	stop     context.CancelFunc
	served   chan error
	beside   func(func(context.Context)) // starts what runs until stop
	running  sync.WaitGroup              // and counts it
}

// A pin keeps a snapshot for the pages still to be read from it.
type pin struct {
	at    *store.Snapshot
	until time.Time
}

// New reads the records and returns a server that does not listen yet.
func New(o Options) (*Server, error) {
	if o.Data == nil && o.Store == nil {
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
	if o.RequestRate < 0 || o.RequestBurst < 0 || o.MaxRequests < 0 {
		return nil, errors.New("exchange: a limit is negative")
	}
	o.AddressRest = orDefault(o.AddressRest, 30*24*time.Hour)
	if o.PageSize < 0 || o.TokenLifetime < 0 || o.RefreshLifetime < 0 || o.PageLifetime < 0 || o.AddressRest < 0 {
		return nil, errors.New("exchange: a size or a lifetime is negative")
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: o, collections: collections(), resources: resources(), store: o.Store, mounted: map[string]http.Handler{}, announced: map[string]bool{}, life: rand.Text()}
	s.limits = newLimits(o)
	if s.store == nil {
		var err error
		if s.store, err = store.Open(store.Options{Index: Index()}); err != nil {
			return nil, fmt.Errorf("exchange: %w", err)
		}
	}
	if err := s.begin(); err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	s.store.Watch(s.changed)
	return s, nil
}

// signerKey is where the store keeps the key that tokens are signed with.
const signerKey = "token key"

// begin fills a store that is empty, and makes sure of the key for tokens.
func (s *Server) begin() error {
	fresh := s.store.Empty()
	var err error
	if s.signer, err = token.Stored(s.store, signerKey); err != nil {
		return err
	}
	if !fresh || s.options.Data == nil {
		return nil
	}
	seed, err := store.Seed(s.options.Data, func(name string) bool { _, known := s.collections[name]; return known })
	if err != nil {
		return err
	}
	return s.PutAll(seed)
}

func orDefault[T comparable](value, other T) T {
	var zero T
	if value == zero {
		return other
	}
	return value
}

// Mount has a handler answer all paths that begin with a prefix, which has no end in common with the API's. It must be
// called before Start.
func (s *Server) Mount(prefix string, h http.Handler) { s.mounted[prefix] = h }

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
	if s.options.Counters != nil {
		s.beside(s.sample)
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

// Store returns the records of the exchange.
func (s *Server) Store() *store.Store { return s.store }

// seen returns the records that a request for a collection sees: as they are, or as they were where the exchange lags
// behind.
func (s *Server) seen(collection string) *store.Snapshot {
	f := s.faults.take(collection, Stale)
	if f == nil {
		return s.store.Now()
	}
	return s.store.Before(max(1, f.Versions))
}

// Get returns a record as JSON.
func (s *Server) Get(collection, id string) (json.RawMessage, error) {
	if _, known := s.collections[collection]; !known {
		return nil, fmt.Errorf("%q: %w", collection, store.ErrNoCollection)
	}
	r := s.store.Now().Get(collection, id)
	if r == nil {
		return nil, fmt.Errorf("%s %q: %w", collection, id, store.ErrNoRecord)
	}
	return slices.Clone(r.Raw), nil
}

// Put adds a record, a JSON object with an id, or replaces the one that has this id.
func (s *Server) Put(collection string, text json.RawMessage) error {
	return s.PutAll(map[string][]json.RawMessage{collection: {text}})
}

// PutAll does for records of several collections what Put does for one, in one write: a reader sees all of them or none.
func (s *Server) PutAll(records map[string][]json.RawMessage) error {
	return s.store.Update(func(tx *store.Tx) error {
		for _, collection := range slices.Sorted(maps.Keys(records)) {
			if _, known := s.collections[collection]; !known {
				return fmt.Errorf("%q: %w", collection, store.ErrNoCollection)
			}
			for _, text := range records[collection] {
				if _, err := tx.Put(collection, text); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Delete removes a record.
func (s *Server) Delete(collection, id string) error {
	if _, known := s.collections[collection]; !known {
		return fmt.Errorf("%q: %w", collection, store.ErrNoCollection)
	}
	return s.store.Update(func(tx *store.Tx) error {
		if !tx.Remove(collection, id) {
			return fmt.Errorf("%s %q: %w", collection, id, store.ErrNoRecord)
		}
		return nil
	})
}

// remember pins a snapshot and returns the token to it.
func (s *Server) remember(at *store.Snapshot) string {
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
	return fmt.Sprintf("%s-%d", s.life, at.Version)
}

// recall returns the snapshot of a token.
func (s *Server) recall(token string) (*store.Snapshot, error) {
	now := s.options.Clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(now)
	for _, p := range s.pinned {
		if token == fmt.Sprintf("%s-%d", s.life, p.at.Version) {
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
	if !s.limits.enter() {
		tooMany("more requests are being answered than the exchange takes at the same time", time.Second).write(w, r)
		return
	}
	defer s.limits.leave()
	if r.Body != nil {
		most := int64(maxRequest)
		if strings.HasSuffix(r.URL.Path, "/loa") {
			most = maxLetter
		}
		r.Body = http.MaxBytesReader(w, r.Body, most)
	}
	s.settle()
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
	for prefix, h := range s.mounted {
		if strings.HasPrefix(escaped, prefix) {
			h.ServeHTTP(w, r)
			return
		}
	}
	if path, ok := strings.CutPrefix(escaped, termsPath+"/"); ok {
		only(func(w http.ResponseWriter, r *http.Request) { s.terms(w, r, path) }, http.MethodGet, http.MethodHead, http.MethodPost)(w, r)
		return
	}
	if path, ok := strings.CutPrefix(escaped, officePath+"/"); ok {
		s.office(w, r, path)
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
	name, rest, one := strings.Cut(path, "/")
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
	by, p := s.authenticate(r)
	if p != nil {
		p.write(w, r)
		return
	}
	_, known := s.collections[name]
	switch {
	case path == "account":
		only(func(w http.ResponseWriter, r *http.Request) { s.ownAccount(w, r, by) }, http.MethodGet, http.MethodHead)(w, r)
	case known && !one:
		s.collection(w, r, by, name)
	case known:
		s.below(w, r, by, name, rest)
	default:
		missing("there is no such resource").write(w, r)
	}
}

// collection answers requests to a collection.
func (s *Server) collection(w http.ResponseWriter, r *http.Request, by principal, name string) {
	methods := []string{http.MethodGet, http.MethodHead}
	if res := s.resources[name]; res != nil && res.create != nil {
		methods = append(methods, http.MethodPost)
	}
	only(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			s.change(w, r, by, name, "")
			return
		}
		s.list(w, r, by, name)
	}, methods...)(w, r)
}

// below answers requests to a record, and to the paths below it. The id is as much of the path as names a record.
func (s *Server) below(w http.ResponseWriter, r *http.Request, by principal, collection, path string) {
	at := s.seen(collection)
	parts := strings.Split(path, "/")
	for n := len(parts); n > 0; n-- {
		id, err := url.PathUnescape(strings.Join(parts[:n], "/"))
		if err != nil {
			continue
		}
		record := at.Get(collection, id)
		if record == nil || !s.visible(by, at, collection, record) {
			continue
		}
		if n == len(parts) {
			s.one(w, r, by, at, collection, record)
			return
		}
		if res := s.resources[collection]; res != nil && res.actions[parts[n]] != nil && s.reaches(by, at, collection, record) {
			s.act(res.actions[parts[n]], &call{
				server: s, w: w, r: r, by: by, collection: collection, record: record, action: parts[n], rest: parts[n+1:],
			})
			return
		}
		break
	}
	missing("there is no such record").write(w, r)
}

// act answers a request to a path below a record.
func (s *Server) act(a action, c *call) {
	methods := slices.Sorted(maps.Keys(a))
	if a[http.MethodGet] != nil {
		methods = append(methods, http.MethodHead)
	}
	only(func(http.ResponseWriter, *http.Request) {
		method := c.r.Method
		operation := "update"
		if method == http.MethodGet || method == http.MethodHead {
			operation = "read"
		}
		if p := s.permit(c.by, s.store.Now(), c.collection, c.record, operation); p != nil && !c.takesPart() {
			c.refuse(*p)
			return
		}
		if method == http.MethodHead {
			method = http.MethodGet
		}
		a[method](c)
	}, methods...)(c.w, c.r)
}

// one answers requests to a record, archived or not.
func (s *Server) one(w http.ResponseWriter, r *http.Request, by principal, at *store.Snapshot, collection string, record *store.Record) {
	methods := []string{http.MethodGet, http.MethodHead}
	if res := s.resources[collection]; res != nil {
		if res.update != nil {
			methods = append(methods, http.MethodPut, http.MethodPatch)
		}
		if res.remove != nil {
			methods = append(methods, http.MethodDelete)
		}
	}
	only(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			s.change(w, r, by, collection, record.ID)
			return
		}
		text, ok := s.view(by, at, collection, record)
		if !ok {
			missing("there is no such record").write(w, r)
			return
		}
		s.send(w, collection, http.StatusOK, append(slices.Clip(text), '\n'))
	}, methods...)(w, r)
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

// ownAccount answers GET /account: that of the caller, or of the exchange, which nobody manages.
func (s *Server) ownAccount(w http.ResponseWriter, r *http.Request, by principal) {
	at := s.store.Now()
	for _, a := range at.List("accounts") {
		_, managed := a.Text("managing_account")
		if by.operator && managed || !by.operator && a.ID != by.account {
			continue
		}
		if text, ok := s.view(by, at, "accounts", a); ok {
			s.send(w, "account", http.StatusOK, append(slices.Clip(text), '\n'))
			return
		}
	}
	missing("no account is your own").write(w, r)
}
