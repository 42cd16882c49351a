package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/models/ixapi"
)

// document is a problem as IX-API has it (RFC 7807).
type document struct {
	Type       string                  `json:"type"`
	Title      string                  `json:"title"`
	Status     int                     `json:"status"`
	Detail     string                  `json:"detail"`
	Properties []ixapi.ProblemProperty `json:"properties,omitempty"`
}

// check answers who asks what would become of an order.
func (o Options) check(w http.ResponseWriter, r *http.Request) {
	if _, err := o.user(r); err != nil {
		var p *problem
		code := http.StatusInternalServerError
		if errors.As(err, &p) {
			code = p.code
		}
		failed(w, code, err)
		return
	}
	order, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOrder))
	if err != nil {
		failed(w, http.StatusBadRequest, err)
		return
	}
	if o.Try == nil {
		failed(w, http.StatusServiceUnavailable, errors.New("what the switches should carry is not known yet: see /-/ready"))
		return
	}
	t, err := o.Try(r.Context(), order)
	var wrong *compile.OrderError
	switch {
	case errors.As(err, &wrong):
		failed(w, http.StatusBadRequest, err)
	case err != nil:
		failed(w, http.StatusServiceUnavailable, err)
	default:
		tell(w, t, nil)
	}
}

// failed answers with a problem of IX-API.
func failed(w http.ResponseWriter, code int, err error) {
	d := document{Type: "about:blank", Title: http.StatusText(code), Status: code, Detail: err.Error()}
	switch code {
	case http.StatusBadRequest:
		d.Type, d.Title = "https://errors.ix-api.net/v2/validation-error.html", "Some fields have validation errors."
	case http.StatusForbidden:
		d.Type, d.Title = "https://errors.ix-api.net/v2/permission-denied.html", "Permission denied."
	}
	var wrong *compile.OrderError
	if errors.As(err, &wrong) {
		d.Properties = wrong.Properties
	}
	body, err := json.Marshal(d)
	if err != nil {
		plain(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(code)
	w.Write(append(body, '\n'))
}
