package exchange

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// The problem types of IX-API v2.
const (
	problemPrefix        = "https://errors.ix-api.net/v2/"
	authenticationError  = problemPrefix + "authentication-error.html"
	notAuthenticated     = problemPrefix + "not-authenticated.html"
	signatureExpired     = problemPrefix + "signature-expired.html"
	notFound             = problemPrefix + "not-found.html"
	validationError      = problemPrefix + "validation-error.html"
	permissionDenied     = problemPrefix + "permission-denied.html"
	unableToFulfill      = problemPrefix + "unable-to-fulfill.html"
	cancellationPolicy   = problemPrefix + "cancellation-policy-error.html"
	noSpecificType       = "about:blank" // RFC 9457 4.2.1
	problemMediaType     = "application/problem+json"
	recordMediaType      = "application/json"
	validationErrorTitle = "Some fields did not validate."
)

type property struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// A problem is an answer of RFC 9457 with the extensions of IX-API.
type problem struct {
	Type       string     `json:"type"`
	Title      string     `json:"title"`
	Status     int        `json:"status"`
	Detail     string     `json:"detail,omitempty"`
	Instance   string     `json:"instance,omitempty"`
	Properties []property `json:"properties,omitempty"`
	Conflicts  []conflict `json:"conflicts,omitempty"`
	// The first day on which something can end, and until when it is paid for then (cancellation-policy-error).
	DecommissionAt string `json:"decommission_at,omitempty"`
	ChargedUntil   string `json:"charged_until,omitempty"`

	retryAfter int // seconds, in the header; 0 for none
}

// A conflict names a record that stands in the way of what was asked for.
type conflict struct {
	Type       string `json:"resource_type"`
	ID         string `json:"resource_id"`
	RemoteType string `json:"remote_resource_type"`
	RemoteID   string `json:"remote_resource_id"`
}

func generic(status int, detail string) problem {
	return problem{Type: noSpecificType, Title: http.StatusText(status), Status: status, Detail: detail}
}

func missing(detail string) problem {
	return problem{Type: notFound, Title: "Not found", Status: http.StatusNotFound, Detail: detail}
}

func invalid(properties ...property) problem {
	return problem{Type: validationError, Title: validationErrorTitle, Status: http.StatusBadRequest, Properties: properties}
}

// unable says why what is asked for cannot be done although it is asked for in the right way.
func unable(format string, args ...any) problem {
	return problem{Type: unableToFulfill, Title: "Unable to fulfill", Status: http.StatusBadRequest, Detail: fmt.Sprintf(format, args...)}
}

// tooEarly says that something cannot end before the day of a policy.
func tooEarly(first policy) problem {
	return problem{
		Type: cancellationPolicy, Title: "Requested cancellation date outside of notice period.", Status: http.StatusBadRequest,
		Detail:         "the first day on which this can end is " + first.DecommissionAt,
		DecommissionAt: first.DecommissionAt, ChargedUntil: first.ChargedUntil,
	}
}

// forbidden says what a party must not do with what it sees.
func forbidden(format string, args ...any) problem {
	return problem{Type: permissionDenied, Title: "Permission denied", Status: http.StatusForbidden, Detail: fmt.Sprintf(format, args...)}
}

func unauthorized(kind, title, detail string) problem {
	return problem{Type: kind, Title: title, Status: http.StatusUnauthorized, Detail: detail}
}

func (p problem) write(w http.ResponseWriter, r *http.Request) {
	p.Instance = r.URL.EscapedPath()
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="ix-api"`)
	}
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	answer(w, p.Status, problemMediaType, p)
}

// answer writes a value as JSON. Whether the client still listens is its own matter.
func answer(w http.ResponseWriter, status int, mediaType string, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
