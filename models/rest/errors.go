package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// What a ProblemError, or another error of the client, is one of.
var (
	ErrUnauthenticated  = errors.New("not authenticated")
	ErrSignatureExpired = errors.New("token has expired")
	ErrPermission       = errors.New("permission denied")
	ErrNotFound         = errors.New("not found")
	ErrValidation       = errors.New("request is not valid")
	ErrUnfulfillable    = errors.New("request cannot be fulfilled")
	ErrConflict         = errors.New("request conflicts with other records")
	ErrUnavailable      = errors.New("exchange is not available")

	// ErrTooLarge says that an answer exceeds its bound.
	ErrTooLarge = errors.New("answer is too large")

	// ErrIncomplete says that a list could not be read to its provable end.
	ErrIncomplete = errors.New("list is incomplete")

	// ErrRedirect says that a server sent a request elsewhere where it must not go.
	ErrRedirect = errors.New("redirect refused")
)

// ProblemError is an answer of the exchange other than success: a problem
// document of RFC 7807, or the first of a list of errors as Fabric v4 has them,
// as far as the exchange sent one. Status is that of the HTTP answer, whatever
// the document claims. When the body was something else, its beginning is the
// Detail.
type ProblemError struct {
	Method, Path string
	Type         string
	Title        string
	Status       int
	Detail       string
	Instance     string
	Properties   []ProblemProperty
	RetryAfter   time.Duration // 0 when the exchange did not say
}

// ProblemProperty is one field the exchange found invalid.
type ProblemProperty struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

func (e *ProblemError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %d %s", e.Method, e.Path, e.Status, http.StatusText(e.Status))
	if kind := e.kind(); kind != "" {
		fmt.Fprintf(&b, " (%s)", strings.Trim(strconv.Quote(Clip(kind)), `"`))
	}
	for _, text := range []string{e.Title, e.Detail} {
		if text != "" {
			fmt.Fprintf(&b, ": %q", Clip(text))
		}
	}
	for i, p := range e.Properties {
		if i == 8 {
			fmt.Fprintf(&b, "; %d more", len(e.Properties)-i)
			break
		}
		fmt.Fprintf(&b, "; %q: %q", Clip(p.Name), Clip(p.Reason))
	}
	return b.String()
}

// kind is the last element of the problem's type, without its extension.
func (e *ProblemError) kind() string {
	if e.Type == "" || e.Type == "about:blank" {
		return ""
	}
	return strings.TrimSuffix(path.Base(e.Type), ".html")
}

// Is reports whether e is of the kind target names. The problem's type decides,
// and the HTTP status where the type says nothing.
func (e *ProblemError) Is(target error) bool {
	kind := e.kind()
	switch target {
	case ErrUnauthenticated:
		return e.Status == http.StatusUnauthorized
	case ErrSignatureExpired:
		return e.Status == http.StatusUnauthorized && kind == "signature-expired"
	case ErrPermission:
		return e.Status == http.StatusForbidden
	case ErrNotFound:
		return e.Status == http.StatusNotFound
	case ErrUnfulfillable:
		return kind == "unable-to-fulfill"
	case ErrValidation:
		return kind == "validation-error" || kind == "" &&
			(e.Status == http.StatusBadRequest || e.Status == http.StatusUnprocessableEntity)
	case ErrConflict:
		return e.Status == http.StatusConflict
	case ErrUnavailable:
		return retryable(e.Status)
	}
	return false
}

func retryable(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// NewProblem reads an error answer. A problem document counts as such whatever
// its media type, since exchanges declare several.
func NewProblem(method, path string, status int, header http.Header, body []byte, now time.Time) *ProblemError {
	e := &ProblemError{Method: method, Path: path, Status: status, RetryAfter: retryAfter(header, now)}
	var list []struct{ ErrorCode, ErrorMessage, Details string }
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		e.Type, e.Title, e.Detail = list[0].ErrorCode, list[0].ErrorMessage, list[0].Details
		return e
	}
	var doc struct {
		Type, Title, Detail, Instance string
		Properties                    []ProblemProperty
	}
	var wrong *json.UnmarshalTypeError
	if err := json.Unmarshal(body, &doc); err != nil && !errors.As(err, &wrong) {
		e.Detail = Clip(strings.ToValidUTF8(strings.TrimSpace(string(body)), "\uFFFD"))
		return e
	}
	e.Type, e.Title, e.Detail, e.Instance, e.Properties = doc.Type, doc.Title, doc.Detail, doc.Instance, doc.Properties
	return e
}

// retryAfter reads the Retry-After header (RFC 9110 10.2.3), in seconds or as a
// date; 0 when there is none, or it is in the past or unreadable.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// IncompleteReason says how a list showed that it is not whole.
type IncompleteReason string

// The ways in which a list is not whole.
const (
	TotalChanged    IncompleteReason = "total changed between pages"
	SnapshotChanged IncompleteReason = "pagination token changed between pages"
	PageChanged     IncompleteReason = "page changed while the list was read"
	PageRepeated    IncompleteReason = "page is repeated"
	PageMissing     IncompleteReason = "page is missing"
	PageShort       IncompleteReason = "page is short"
	ItemsMismatch   IncompleteReason = "records do not add up to the total"
	DuplicateRecord IncompleteReason = "record is on two pages"
	NoEnd           IncompleteReason = "end was not reached"
)

// IncompleteError is an ErrIncomplete: the list of Collection failed for Reason
// at Page, counted from 1. Err is its cause where there is one.
type IncompleteError struct {
	Collection string
	Page       int
	Reason     IncompleteReason
	Detail     string
	Err        error
}

func (e *IncompleteError) Error() string {
	text := fmt.Sprintf("%s: %v at page %d: %s", e.Collection, ErrIncomplete, e.Page, e.Reason)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Is reports whether target is ErrIncomplete.
func (e *IncompleteError) Is(target error) bool { return target == ErrIncomplete }

func (e *IncompleteError) Unwrap() error { return e.Err }

// Clip shortens foreign text for a message.
func Clip(s string) string {
	const limit = 120
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}
