package exchange

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// EventType is the type of the events that say which record changed.
const EventType = "lab.exchange.record.changed.v1"

const (
	backlog    = 1024             // events that wait for a subscriber; what comes on top is lost
	notifyTime = 10 * time.Second // for a subscriber to take an event
	maxResults = 10_000           // results that are kept
)

// A Subscriber is told of each record that changes, by a CloudEvent in the structured mode whose subject is
// "COLLECTION/ID". What it does not take is lost, as a subscriber has to expect.
type Subscriber struct {
	URL   string
	Token string      // bearer token; none is sent when it is empty
	TLS   *tls.Config // the system's roots are trusted when it is nil
}

// Subscribe tells a subscriber of all changes from now on, until Close. The server must have been started.
func (s *Server) Subscribe(sub Subscriber) error {
	if s.http == nil {
		return errors.New("exchange: not started")
	}
	if _, err := http.NewRequest(http.MethodPost, sub.URL, nil); err != nil || !strings.HasPrefix(sub.URL, "http") {
		return fmt.Errorf("exchange: a subscriber cannot be at %q", sub.URL)
	}
	changes := make(chan store.Change, backlog)
	s.mu.Lock()
	s.subscribed = append(s.subscribed, changes)
	s.mu.Unlock()
	s.beside(func(ctx context.Context) { s.notify(ctx, sub, changes) })
	return nil
}

// Announce has subscribers told of records in collections that IX-API does not have, too.
func (s *Server) Announce(collections ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range collections {
		s.announced[c] = true
	}
}

// changed tells subscribers of a record.
func (s *Server) changed(change store.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, listed := s.collections[change.Collection]; !listed && !s.announced[change.Collection] {
		return
	}
	for _, c := range s.subscribed {
		select {
		case c <- change:
		default:
		}
	}
}

func (s *Server) notify(ctx context.Context, sub Subscriber, changes <-chan store.Change) {
	transport := &http.Transport{TLSClientConfig: sub.TLS, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: notifyTime}
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-changes:
			if err := s.tell(ctx, client, sub, c); err != nil {
				s.options.Logger.Debug("subscriber was not told", "url", sub.URL, "err", err)
			}
		}
	}
}

func (s *Server) tell(ctx context.Context, client *http.Client, sub Subscriber, c store.Change) error {
	e := event.New()
	e.SetID(rand.Text())
	e.SetType(EventType)
	e.SetSource(s.URL())
	e.SetSubject(c.Collection + "/" + c.ID)
	e.SetTime(s.options.Clock())
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, sub.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", event.ApplicationCloudEventsJSON)
	if sub.Token != "" {
		req.Header.Set("Authorization", "Bearer "+sub.Token)
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxRequest))
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", res.Status, bytes.TrimSpace(text))
	}
	return err
}

// results takes what an agent posts of records: CloudEvents in the structured mode, and nothing else. It is the
// operator's, so that nobody moves the states of what it has ordered.
func (s *Server) results(w http.ResponseWriter, r *http.Request) {
	by, p := s.authenticate(r)
	if p == nil && !by.operator {
		p = new(forbidden("only the operator of the exchange says what its switches carry"))
	}
	if p != nil {
		p.write(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	var e event.Event
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if err == nil {
		err = e.Validate()
	}
	if err != nil || r.Header.Get("Content-Type") != event.ApplicationCloudEventsJSON {
		generic(http.StatusBadRequest, "not a CloudEvent").write(w, r)
		return
	}
	if s.options.Reported {
		if p := s.transact(by, func(o *order) *problem { return o.learn(e) }); p != nil {
			p.write(w, r)
			return
		}
	}
	if s.hears != nil {
		if err := s.hears(e); err != nil {
			s.options.Logger.Error("a result was not taken", "subject", e.Subject(), "err", err)
			generic(http.StatusServiceUnavailable, "the exchange cannot take it now").write(w, r)
			return
		}
	}
	s.mu.Lock()
	s.taken = append(s.taken, e)
	s.taken = s.taken[max(0, len(s.taken)-maxResults):]
	s.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}

// ResultsURL is where an agent can post what became of records. It is empty before Start.
func (s *Server) ResultsURL() string {
	if s.listener == nil {
		return ""
	}
	return s.origin() + "/results"
}

// Hear has f told of each result that is posted there. One that it cannot take is not taken. It must be called before
// Start.
func (s *Server) Hear(f func(event.Event) error) { s.hears = f }

// Results returns what was posted there, in the order in which it came, the latest 10,000 of it.
func (s *Server) Results() []event.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.taken)
}
