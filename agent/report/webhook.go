package report

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/ixagent/ixagent/models/secret"
)

// EventType is the type attribute of the events that carry results.
const EventType = "net.ixagent.provisioning.result.v1"

const (
	parallel  = 4        // deliveries at once
	maxAnswer = 64 << 10 // bytes of an answer that are read
)

// Webhook receives results, each as a CloudEvent 1.0 in the structured mode of the HTTP binding:
//
//	type             [EventType]
//	subject          the record, as in [Result.Record]
//	id               the same each time the event is delivered
//	time             since when the result holds
//	sequence         ascending; what came late has a smaller one
//	data             a [Result]
type Webhook struct {
	url     string
	token   secret.Text
	timeout time.Duration
	client  *http.Client
}

// NewWebhook returns a webhook at a URL, which is https unless it is on this machine. The token may be empty.
func NewWebhook(address string, token secret.Text, config *tls.Config, timeout time.Duration) (*Webhook, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("webhook: its url cannot be read")
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "localhost" && (err != nil || !addr.IsLoopback())) {
		return nil, fmt.Errorf("webhook: results are sent over https, or to this machine, not to %s", u.Redacted())
	}
	return &Webhook{address, token, timeout, &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: timeout}).DialContext,
			TLSClientConfig:        config,
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    parallel,
			MaxConnsPerHost:        parallel,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxAnswer,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// refusal is an answer that says no.
type refusal struct{ status int }

func (e *refusal) Error() string {
	return fmt.Sprintf("the webhook answered %d %s", e.status, http.StatusText(e.status))
}

// ofEvent reports whether it is this event that the receiver does not want, and not all of them, or none for now.
func (e *refusal) ofEvent() bool {
	switch e.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired,
		http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return e.status >= 400 && e.status < 500
}

// envelope returns a notice as an event in JSON.
func envelope(n Notice, source string) ([]byte, error) {
	e := event.New()
	e.SetID(n.ID)
	e.SetType(EventType)
	e.SetSource(source)
	e.SetSubject(n.Result.Record())
	e.SetTime(n.Result.Since)
	e.SetExtension("sequence", fmt.Sprintf("%020d", n.Seq))
	if err := e.SetData(event.ApplicationJSON, n.Result); err != nil {
		return nil, err
	}
	return json.Marshal(e)
}

// deliver posts a notice once.
func (w *Webhook) deliver(ctx context.Context, n Notice, source string) error {
	body, err := envelope(n, source)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", event.ApplicationCloudEventsJSON)
	req.Header.Set("User-Agent", "ixagent")
	if !w.token.Empty() {
		req.Header.Set("Authorization", "Bearer "+w.token.Reveal())
	}
	res, err := w.client.Do(req)
	if outer := (*url.Error)(nil); errors.As(err, &outer) {
		err = outer.Err // what it adds is the URL
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer)) // so that the connection can be used again
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return &refusal{res.StatusCode}
	}
	return nil
}
