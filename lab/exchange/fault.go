package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// A FaultKind is a way in which an exchange misbehaves.
type FaultKind int

// The ways to misbehave.
const (
	// Failing answers with Status, and with Retry-After when it is given.
	Failing FaultKind = iota + 1
	// Slow lets Delay pass before it answers.
	Slow
	// Reset resets the TCP connection instead of answering.
	Reset
	// Truncated answers with JSON cut in half, in an HTTP answer that is whole.
	Truncated
	// Interrupted closes the connection after half of the announced body.
	Interrupted
	// Empty answers with an empty list.
	Empty
	// Shrunk leaves Percent of the records out of a list, from its end.
	Shrunk
	// Shifting loses the first record of a list between its first page and the others.
	Shifting
	// Endless announces another page after each, for ever, and has records for all of them.
	Endless
	// Huge answers with a list of Bytes bytes.
	Huge
	// Page answers with an HTML page, as a portal in front of an exchange does.
	Page
	// ExpiredTokens lets every token be expired; Collection does not matter.
	ExpiredTokens
	// Stale answers from the records as they were Versions writes ago, as a replica does that lags behind.
	Stale
)

// A Fault is one way to misbehave at one place.
type Fault struct {
	Kind FaultKind
	// Collection is the first part of the path below /api/v2, as in "ports" or "auth"; all of them when it is empty.
	Collection string
	// Times is the number of answers the fault spoils; all until it is cleared when it is 0.
	Times int

	Status     int           // for Failing, 500 when it is 0
	RetryAfter time.Duration // for Failing
	Delay      time.Duration // for Slow
	Percent    int           // for Shrunk, 0 to 100
	Bytes      int64         // for Huge, 300 MB when it is 0
	Versions   int           // for Stale, 1 when it is 0, at most those remembered
}

// faults are those in force.
type faults struct {
	mu  sync.Mutex
	all []*Fault
}

// Inject lets the exchange misbehave from now on, beside the faults injected before.
func (s *Server) Inject(f Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.all = append(s.faults.all, &f)
}

// ClearFaults lets the exchange behave again.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.all = nil
}

// take returns the first fault of one of the kinds at a collection and counts its use; nil when there is none.
func (f *faults) take(collection string, kinds ...FaultKind) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.all {
		if collection != "" && fault.Collection != "" && fault.Collection != collection {
			continue
		}
		for _, k := range kinds {
			if fault.Kind != k {
				continue
			}
			if fault.Times > 0 {
				if fault.Times--; fault.Times == 0 {
					f.all = append(f.all[:i:i], f.all[i+1:]...)
				}
			}
			found := *fault
			return &found
		}
	}
	return nil
}

// disturb plays the faults that come before any answer, and says whether it was one that takes its place.
func (s *Server) disturb(w http.ResponseWriter, r *http.Request, collection string) bool {
	if f := s.faults.take(collection, Slow); f != nil && !sleep(r.Context(), f.Delay) {
		return true
	}
	f := s.faults.take(collection, Failing, Reset, Huge, Page)
	switch {
	case f == nil:
		return false
	case f.Kind == Failing:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Round(time.Second).Seconds())))
		}
		status := f.Status
		if status == 0 {
			status = http.StatusInternalServerError
		}
		generic(status, "the exchange was told to fail").write(w, r)
	case f.Kind == Reset:
		reset(w)
	case f.Kind == Huge:
		huge(w, r, f.Bytes)
	case f.Kind == Page:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!DOCTYPE html><title>Please log in</title>\n")
	}
	return true
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// reset closes the connection so that the peer receives a TCP reset (RFC 9293 3.10.4).
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	raw := conn
	if t, ok := raw.(interface{ NetConn() net.Conn }); ok {
		raw = t.NetConn()
	}
	if t, ok := raw.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
}

// huge streams a list of well-formed records until it is size bytes long or nobody listens.
func huge(w http.ResponseWriter, r *http.Request, size int64) {
	if size == 0 {
		size = 300 << 20
	}
	w.Header().Set("Content-Type", recordMediaType)
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	padding := bytes.Repeat([]byte("x"), 64<<10)
	sent := int64(0)
	for n := 0; sent < size && r.Context().Err() == nil; n++ {
		lead := ","
		if n == 0 {
			lead = "["
		}
		k, err := fmt.Fprintf(w, `%s{"id":"huge-%d","padding":"%s"}`, lead, n, padding)
		if sent += int64(k); err != nil {
			return
		}
	}
	_, _ = w.Write([]byte("]"))
}

// spoil applies to a list the faults that change its records.
func (s *Server) spoil(collection string, list []*store.Record, laterPage bool) []*store.Record {
	if s.faults.take(collection, Empty) != nil {
		return nil
	}
	if f := s.faults.take(collection, Shrunk); f != nil {
		list = list[:len(list)*(100-min(max(f.Percent, 0), 100))/100]
	}
	if laterPage && len(list) > 0 && s.faults.take(collection, Shifting) != nil {
		list = list[1:]
	}
	return list
}

// invented returns records for a page that goes on for ever: those of the list first, then copies of its first one
// under other ids.
func invented(list []*store.Record, offset, limit int) ([]json.RawMessage, error) {
	var out []json.RawMessage
	for i := offset; i < offset+limit; i++ {
		if i < len(list) {
			out = append(out, list[i].Raw)
			continue
		}
		fields := map[string]json.RawMessage{}
		if len(list) > 0 {
			if err := json.Unmarshal(list[0].Raw, &fields); err != nil {
				return nil, err
			}
		}
		fields["id"] = json.RawMessage(strconv.Quote(fmt.Sprintf("endless-%d", i)))
		raw, err := json.Marshal(fields)
		if err != nil {
			return nil, err
		}
		out = append(out, raw)
	}
	return out, nil
}

// send writes a body as it is, or as the faults leave it.
func (s *Server) send(w http.ResponseWriter, collection string, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", recordMediaType)
	announced := len(body)
	switch f := s.faults.take(collection, Truncated, Interrupted); {
	case f == nil:
	case f.Kind == Truncated:
		body = body[:len(body)/2]
		announced = len(body)
	case f.Kind == Interrupted:
		body = body[:len(body)/2]
	}
	h.Set("Content-Length", strconv.Itoa(announced))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
