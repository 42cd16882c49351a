package fabric

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/ixagent/ixagent/lab/exchange/store"
	"github.com/ixagent/ixagent/lab/exchange/token"
)

// Where the exchange serves what, beside TokenPath.
const (
	BasePath   = "/fabric/v4"
	OfficePath = "/lab/fabric"
)

// maxRequest bounds the body of a request, in bytes.
const maxRequest = 64 << 10

// The collections of the store.
const (
	prefix      = "fabric/"
	accounts    = prefix + "accounts"
	interfaces  = prefix + "interfaces"
	ports       = prefix + "ports"
	profiles    = prefix + "serviceProfiles"
	connections = prefix + "connections"
	networks    = prefix + "networks"
)

// Index names the fields that [store.Options.Index] of the store needs.
func Index() map[string]bool {
	return map[string]bool{"aSide": true, "zSide": true, "bandwidth": true, "redundancy": true, "inside": true, "state": true, "name": true, "port": true, "metroCode": true}
}

// Identity returns the field that is the id of a record, for [store.Options.Identity]. It is "" for collections that are
// not of this package.
func Identity(collection string) string {
	if strings.HasPrefix(collection, prefix) {
		return "uuid"
	}
	return ""
}

// A User may log in. It is one of an account, or of the operator of the exchange where Account is 0, who sees and may do
// everything.
type User struct {
	ClientID, ClientSecret string
	Email                  string // what private profiles are opened to
	Account                int64
}

// Options say what a Handler serves and to whom.
type Options struct {
	// Store keeps the records. It must have been opened with [Index] and [Identity].
	Store *store.Store
	// Users may log in.
	Users []User
	// TokenLifetime is that of an access token, an hour when it is 0.
	TokenLifetime time.Duration
	// Reported says that an agent reports what became of connections: see [Handler.Report]. Without it whatever is to be
	// provisioned or taken off is so at once.
	Reported bool
	// Clock tells the time, time.Now when it is nil.
	Clock func() time.Time
	// Logger is told what could not be stored; nobody is when it is nil.
	Logger *slog.Logger
}

// A Handler answers requests to all paths that begin with [BasePath], [TokenPath] and [OfficePath].
type Handler struct {
	options Options
	store   *store.Store
	signer  token.Signer
	routes  map[string]map[string]route
}

// A route answers requests of a method to a path.
type route struct {
	run    func(*call) (status int, answer any, err error)
	writes bool
	dry    int // status of an answer that only tells what would be; 0 where that cannot be asked for
}

// signerKey is where the store keeps the key that tokens are signed with.
const signerKey = "fabric token key"

// New returns a handler.
func New(o Options) (*Handler, error) {
	if o.Store == nil {
		return nil, errors.New("fabric: no store")
	}
	for _, u := range o.Users {
		if u.ClientID == "" || u.ClientSecret == "" {
			return nil, errors.New("fabric: a user has no client id or no client secret")
		}
	}
	if o.TokenLifetime == 0 {
		o.TokenLifetime = time.Hour
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Handler{options: o, store: o.Store}
	var err error
	if h.signer, err = token.Stored(o.Store, signerKey); err != nil {
		return nil, fmt.Errorf("fabric: %w", err)
	}
	read := func(run func(*call) (int, any, error)) route { return route{run: run} }
	write := func(run func(*call) (int, any, error)) route { return route{run: run, writes: true} }
	trial := func(run func(*call) (int, any, error), status int) route {
		return route{run: run, writes: true, dry: status}
	}
	// A star stands for an id.
	h.routes = map[string]map[string]route{
		"ports":                      {"GET": read(listPorts), "POST": trial(orderPort, http.StatusOK)},
		"ports/search":               {"POST": read(searchPorts)},
		"ports/*":                    {"GET": read(getPort), "PATCH": trial(patchPort, http.StatusOK), "DELETE": trial(deletePort, http.StatusOK)},
		"ports/*/linkProtocols":      {"GET": read(portLinks)},
		"ports/*/physicalPorts/bulk": {"POST": write(addToLAG)},

		"serviceProfiles":          {"GET": read(listProfiles), "POST": write(createProfile)},
		"serviceProfiles/search":   {"POST": read(searchProfiles)},
		"serviceProfiles/*":        {"GET": read(getProfile), "PUT": write(putProfile), "PATCH": write(patchProfile), "DELETE": write(deleteProfile)},
		"serviceProfiles/*/metros": {"GET": read(profileMetros)},

		"connections":           {"POST": trial(orderConnection, http.StatusOK)},
		"connections/search":    {"POST": read(searchConnections)},
		"connections/*":         {"GET": read(getConnection), "PATCH": trial(patchConnection, http.StatusOK), "DELETE": write(deleteConnection)},
		"connections/*/actions": {"POST": write(actOnConnection)},

		"networks":               {"POST": trial(createNetwork, http.StatusAccepted)},
		"networks/search":        {"POST": read(searchNetworks)},
		"networks/*":             {"GET": read(getNetwork), "PATCH": write(patchNetwork), "DELETE": write(deleteNetwork)},
		"networks/*/connections": {"GET": read(networkConnections)},
	}
	return h, nil
}

// A call is a request of a party.
type call struct {
	h    *Handler
	r    *http.Request
	by   party
	at   *store.Snapshot // the records, as the call has made them
	tx   *store.Tx       // nil when it is not to change any
	id   string          // the star of the path
	body []byte
	now  time.Time
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest)); err != nil {
			answer(w, http.StatusBadRequest, refuse(codeInput, "", "the body is too large, or could not be read").faults)
			return
		}
	}
	path := strings.TrimRight(r.URL.EscapedPath(), "/")
	if path == TokenPath {
		h.login(w, r, body)
		return
	}
	by, err := h.authenticate(r)
	if err != nil {
		fail(w, err)
		return
	}
	c := &call{h: h, r: r, by: by, body: body, now: h.options.Clock()}
	if rest, ok := strings.CutPrefix(path, OfficePath+"/"); ok {
		c.serve(w, h.office(c, rest))
		return
	}
	rest, ok := strings.CutPrefix(path, BasePath+"/")
	if !ok {
		fail(w, missing("the API is at "+BasePath))
		return
	}
	methods := h.routes[rest]
	if parts := strings.Split(rest, "/"); methods == nil && len(parts) > 1 {
		if c.id, err = url.PathUnescape(parts[1]); err == nil {
			parts[1] = "*"
			methods = h.routes[strings.Join(parts, "/")]
		}
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	switch at, ok := methods[method]; {
	case methods == nil:
		fail(w, missing("there is no such resource"))
	case !ok:
		w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(methods)), ", "))
		fail(w, &refusal{http.StatusMethodNotAllowed, []fault{{Code: codeMethod, Message: "this method is not possible here", Details: "Method:" + r.Method}}})
	default:
		c.serve(w, at)
	}
}

// dry reports whether the caller only wants to know what would be.
func (c *call) dry() bool { return c.r.URL.Query().Get("dryRun") == "true" }

// errDry ends a transaction whose effect was only asked for.
var errDry = errors.New("dry run")

// serve runs a route and answers with what comes of it. What changes records is a transaction: all of it is stored, or
// nothing when it is refused.
func (c *call) serve(w http.ResponseWriter, at route) {
	var (
		status int
		out    any
		err    error
	)
	if at.writes {
		dry := at.dry != 0 && c.dry()
		err = c.h.store.Update(func(tx *store.Tx) error {
			c.tx, c.at = tx, tx.Now()
			if status, out, err = at.run(c); err == nil && dry {
				return errDry
			}
			return err
		})
		if errors.Is(err, errDry) {
			status, err = at.dry, nil
		}
	} else {
		c.at = c.h.store.Now()
		status, out, err = at.run(c)
	}
	if err != nil {
		var refused *refusal
		if !errors.As(err, &refused) {
			c.h.options.Logger.Error("a request could not be carried out", "path", c.r.URL.EscapedPath(), "err", err)
		}
		fail(w, err)
		return
	}
	answer(w, status, out)
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, status int, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a client that is gone
}

// load reads a record of a collection; it is nil where there is none.
func load[T any](at *store.Snapshot, collection, id string) (*T, error) {
	r := at.Get(collection, id)
	if r == nil {
		return nil, nil
	}
	return parse[T](r)
}

// parse reads a record.
func parse[T any](r *store.Record) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(r.Raw, v); err != nil {
		return nil, fmt.Errorf("%s: %w", r.ID, err)
	}
	return v, nil
}

// keep stores a record.
func (c *call) keep(collection string, record any) error {
	_, err := c.tx.Put(collection, record)
	return err
}

// read reads the body of the request into a value.
func (c *call) read(into any) error {
	err := json.Unmarshal(c.body, into)
	if err == nil {
		return nil
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		return refuse(codeSyntax, "/"+strings.ReplaceAll(wrong.Field, ".", "/"), "a "+wrong.Value+" cannot stand here")
	}
	return refuse(codeSyntax, "", "the body is not the JSON it should be")
}

// stamp is the time as it is written in records.
func (c *call) stamp() string { return c.now.UTC().Format("2006-01-02T15:04:05.000Z") }

// href is the address of a record.
func (c *call) href(collection, id string) string {
	scheme := "http"
	if c.r.TLS != nil {
		scheme = "https"
	}
	at := url.URL{Scheme: scheme, Host: c.r.Host, Path: BasePath + "/" + strings.TrimPrefix(collection, prefix) + "/" + id}
	return at.String()
}

// mint returns an id that nothing has.
func mint() string { return uuid.NewString() }
