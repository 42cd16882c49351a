package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/guard"
)

// maxOrder bounds the body of an order in bytes.
const maxOrder = 64 << 10

// Orders are what persons can have the agent do. An error that is a [guard.OrderError] says what is wrong with the
// order, any other why it could not be followed. All methods may be called concurrently.
type Orders interface {
	// Freezes returns what is frozen now.
	Freezes() ([]guard.Freeze, error)
	// Freeze stores a freeze, from now on and for so long, or for good if that is 0, and returns it.
	Freeze(ctx context.Context, f guard.Freeze, lasts time.Duration) (guard.Freeze, error)
	// Thaw ends a freeze and reports whether there was one.
	Thaw(ctx context.Context, who string, scope guard.Scope, name string) (bool, error)
	// Approve approves the plan whose digest begins so.
	Approve(ctx context.Context, who, digest string) (guard.Approval, error)
}

// errNoOrders is the answer of an agent that takes none.
var errNoOrders = errors.New("this agent takes no orders")

// What is posted.
type (
	freezeOrder struct {
		Scope guard.Scope `json:"scope"`
		Name  string      `json:"name"`
		Why   string      `json:"why"`
		For   string      `json:"for"` // a duration
	}
	thawOrder struct {
		Scope guard.Scope `json:"scope"`
		Name  string      `json:"name,omitempty"`
	}
	approveOrder struct {
		Digest string `json:"digest"`
	}
)

// problem is an answer other than 200, and what it says.
type problem struct {
	code int
	err  error
}

func (p *problem) Error() string { return p.err.Error() }

// refused is the answer to an order that is wrong.
func refused(code int, err error) error {
	var order *guard.OrderError
	if errors.As(err, &order) {
		return &problem{code, err}
	}
	return err
}

// orderRoutes returns what is answered to persons who order something. All but reading asks for a user.
func (o Options) orderRoutes() []route {
	freezes := func(w http.ResponseWriter, _ *http.Request) {
		if o.Orders == nil {
			tell(w, nil, errNoOrders)
			return
		}
		all, err := o.Orders.Freezes()
		tell(w, append([]guard.Freeze{}, all...), err)
	}
	freeze := ordered(o, func(ctx context.Context, who string, in freezeOrder) (any, error) {
		var lasts time.Duration
		if in.For != "" {
			var err error
			if lasts, err = time.ParseDuration(in.For); err != nil || lasts <= 0 {
				return nil, &problem{http.StatusBadRequest, fmt.Errorf("%q is not a duration such as 90m or 4h", in.For)}
			}
		}
		f, err := o.Orders.Freeze(ctx, guard.Freeze{Scope: in.Scope, Name: in.Name, Why: in.Why, Who: who}, lasts)
		return f, refused(http.StatusBadRequest, err)
	})
	thaw := ordered(o, func(ctx context.Context, who string, in thawOrder) (any, error) {
		f := guard.Freeze{Scope: in.Scope, Name: in.Name}
		found, err := o.Orders.Thaw(ctx, who, f.Scope, f.Name)
		if err == nil && !found {
			err = &problem{http.StatusNotFound, fmt.Errorf("%s is not frozen", f)}
		}
		return in, err
	})
	approve := ordered(o, func(ctx context.Context, who string, in approveOrder) (any, error) {
		a, err := o.Orders.Approve(ctx, who, in.Digest)
		return a, refused(http.StatusConflict, err)
	})
	return []route{
		{"GET", "/api/v1/freezes", http.HandlerFunc(freezes)},
		{"POST", "/api/v1/freeze", freeze},
		{"POST", "/api/v1/thaw", thaw},
		{"POST", "/api/v1/approve", approve},
	}
}

// ordered answers an order with what f returns for who gave it and for its body.
func ordered[T any](o Options, f func(ctx context.Context, who string, in T) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := o.who(r)
		if err != nil {
			tell(w, nil, err)
			return
		}
		var in T
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
		d.DisallowUnknownFields()
		if err = d.Decode(&in); err == nil {
			if _, more := d.Token(); more != io.EOF {
				err = errors.New("it is more than one JSON value")
			}
		}
		if err != nil {
			tell(w, nil, &problem{http.StatusBadRequest, fmt.Errorf("the order cannot be read: %w", err)})
			return
		}
		out, err := f(r.Context(), who, in)
		tell(w, out, err)
	})
}

// tell answers with a value as JSON, or with an error.
func tell(w http.ResponseWriter, v any, err error) {
	var p *problem
	switch {
	case errors.As(err, &p):
		plain(w, p.code, p.Error())
		return
	case err != nil:
		plain(w, http.StatusInternalServerError, err.Error())
		return
	}
	body, err := json.Marshal(v)
	if err != nil {
		plain(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(body, '\n'))
}

// who returns the user that an order is from.
func (o Options) who(r *http.Request) (string, error) {
	if o.Orders == nil {
		return "", errNoOrders
	}
	return o.user(r)
}

// user returns the user that a request is from. Its name and password were asked for before the request got here, if
// the web configuration has users. Without users the name in a request is only what it says.
func (o Options) user(r *http.Request) (string, error) {
	if o.WebConfig == "" {
		return "", &problem{http.StatusForbidden, errors.New("orders need to come from somebody: name a file with basic_auth_users as web_config")}
	}
	name, _, _ := r.BasicAuth()
	known, err := config.WebUser(o.WebConfig, name)
	if err != nil {
		return "", errors.New("the web configuration cannot be read") // why may hold parts of it
	}
	if !known {
		return "", &problem{http.StatusForbidden, errors.New("orders need to come from somebody: the web configuration has no basic_auth_users")}
	}
	return name, nil
}
