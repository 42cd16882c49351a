// Package events takes notices from the exchange: CloudEvents 1.0 that say which of its records changed.
//
// An event changes nothing by itself. It makes the agent read at once what it names, and what is read counts. So
// events that come twice, late, out of order or from somebody who replays them do no harm, and one that is lost is
// made up for by the next poll.
package events

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/secret"
)

const (
	maxBody = 256 << 10 // bytes of a request
	maxSeen = 4096      // events that are known again
)

// Options say who may send events, and what they lead to.
type Options struct {
	// Nudge is called with the records that events name, or without any for everything. It must return at once.
	Nudge func(named ...source.Ref)
	// Token is the bearer token of those who may send events; the empty one is nobody's.
	Token secret.Text
	// AsksWho reports whether whoever gets here has shown a user's name and password or a certificate.
	AsksWho func() (bool, error)
	// Told is called after each request with how many of its events were new and were there before, or with none of
	// either when it was refused; nil for nobody.
	Told func(fresh, known int)
}

// Handler returns what takes events: one in the binary or the structured mode of the HTTP binding, or a batch of
// them. It answers 202 to what it has seen before, too.
//
// An event names a record by its subject, "network-service-configs/ID", or by the members collection and id of its
// data. One that names none, or a list that the agent does not read, stands for everything.
func Handler(o Options) http.Handler {
	return &taker{Options: o, token: sha256.Sum256([]byte(o.Token.Reveal())), seen: seen{seed: maphash.MakeSeed()}}
}

type taker struct {
	Options
	token [sha256.Size]byte
	seen  seen
}

// ServeHTTP implements [http.Handler].
func (t *taker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	code, answer, fresh, known := t.take(w, r)
	if t.Told != nil {
		t.Told(fresh, known)
	}
	if code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	io.WriteString(w, answer+"\n")
}

// take answers a request, and counts the events of one that is not refused.
func (t *taker) take(w http.ResponseWriter, r *http.Request) (code int, answer string, fresh, known int) {
	if code, answer = t.admit(r); code != 0 {
		return code, answer, 0, 0
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("events of more than %d bytes are not taken", maxBody), 0, 0
	}
	var notices []notice
	if err == nil {
		notices, err = parse(r.Header, body)
	}
	if err != nil {
		return http.StatusBadRequest, "not a CloudEvent: " + strings.Join(strings.Fields(err.Error()), " "), 0, 0
	}
	var named []source.Ref
	everything := false
	for _, n := range notices {
		if t.seen.before(n.source, n.id) {
			known++
			continue
		}
		fresh++
		everything = everything || n.named == source.Ref{}
		named = append(named, n.named)
	}
	switch {
	case everything:
		t.Nudge()
	case fresh > 0:
		t.Nudge(named...)
	}
	return http.StatusAccepted, "accepted", fresh, known
}

// admit returns why a request is not taken, or 0.
func (t *taker) admit(r *http.Request) (code int, answer string) {
	asks, err := t.AsksWho()
	if err != nil {
		return http.StatusInternalServerError, "the web configuration cannot be read"
	}
	if _, _, user := r.BasicAuth(); asks && (user || r.TLS != nil && len(r.TLS.VerifiedChains) > 0) {
		return 0, ""
	}
	if t.Token.Empty() {
		if asks {
			return http.StatusUnauthorized, "events are taken from users of the web configuration"
		}
		return http.StatusForbidden, "no events are taken: the configuration has neither events.token nor a web_config with users"
	}
	shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	sum := sha256.Sum256([]byte(shown))
	if !ok || subtle.ConstantTimeCompare(sum[:], t.token[:]) != 1 {
		return http.StatusUnauthorized, "events are taken with the bearer token of the configuration"
	}
	return 0, ""
}

// notice is what counts of an event.
type notice struct {
	source, id string
	named      source.Ref // zero for everything
}

// parse reads the events of a request.
func parse(header http.Header, body []byte) ([]notice, error) {
	if _, nameless := header["Ce-"]; nameless {
		return nil, errors.New("a header ce- without a name")
	}
	mode, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	// The SDK reads the first value of a body and lets pass what follows it.
	if strings.HasPrefix(mode, "application/cloudevents") && !json.Valid(body) {
		return nil, errors.New("the body is not JSON")
	}
	var all []event.Event
	if mode == event.ApplicationCloudEventsBatchJSON {
		if err := json.Unmarshal(body, &all); err != nil {
			return nil, err
		}
	} else {
		one, err := cehttp.NewEventFromHTTPRequest(&http.Request{Header: header, Body: io.NopCloser(bytes.NewReader(body))})
		if err != nil {
			return nil, err
		}
		all = []event.Event{*one}
	}
	notices := make([]notice, 0, len(all))
	for _, e := range all {
		if err := e.Validate(); err != nil {
			return nil, err
		}
		named, err := subject(e)
		if err != nil {
			return nil, err
		}
		notices = append(notices, notice{e.Source(), e.ID(), named})
	}
	return notices, nil
}

// subject returns the record that an event names.
func subject(e event.Event) (source.Ref, error) {
	collection, id, ok := strings.Cut(e.Subject(), "/")
	if ok && id == "" {
		return source.Ref{}, fmt.Errorf("subject %q: the id is missing", e.Subject())
	}
	if !ok && len(e.Data()) > 0 && json.Valid(e.Data()) {
		var data struct {
			Collection string `json:"collection"`
			ID         string `json:"id"`
		}
		// What is of another form names no record.
		if json.Unmarshal(e.Data(), &data) == nil && data.ID != "" {
			collection, id = data.Collection, data.ID
		}
	}
	r := source.Ref{Collection: ixapi.Collection(collection), ID: id}
	if id == "" || !slices.Contains(ixapi.Collections(), r.Collection) {
		return source.Ref{}, nil
	}
	return r, nil
}

// seen knows the latest events again, by a hash that nobody outside can aim at.
type seen struct {
	seed maphash.Seed

	mu    sync.Mutex
	known map[uint64]struct{}
	order []uint64 // as they came, from next on and then around
	next  int
}

// before reports whether an event was seen, and remembers it.
func (s *seen) before(source, id string) bool {
	h := maphash.Comparable(s.seed, [2]string{source, id})
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.known[h]; ok {
		return true
	}
	if s.known == nil {
		s.known = make(map[uint64]struct{})
	}
	s.known[h] = struct{}{}
	if len(s.order) < maxSeen {
		s.order = append(s.order, h)
		return false
	}
	delete(s.known, s.order[s.next])
	s.order[s.next] = h
	s.next = (s.next + 1) % maxSeen
	return false
}
