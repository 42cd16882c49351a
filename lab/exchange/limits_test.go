package exchange

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestACredentialIsToldToComeAgainLater(t *testing.T) {
	c := &clock{at: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}
	s := market(t, Options{RequestRate: 0.5, RequestBurst: 3, Clock: c.now})
	r, d := s.as(t, "r"), s.as(t, "d")
	for range 3 {
		r.told(http.MethodGet, "/account", "", http.StatusOK)
	}
	for range 2 { // who is refused is not made to wait longer for it
		w := r.ask(http.MethodGet, "/account", "")
		if wantProblem(t, w, http.StatusTooManyRequests, noSpecificType); w.Header().Get("Retry-After") != "2" {
			t.Errorf("Retry-After: %q", w.Header().Get("Retry-After"))
		}
	}
	d.told(http.MethodGet, "/account", "", http.StatusOK)
	c.at = c.at.Add(2 * time.Second)
	r.told(http.MethodGet, "/account", "", http.StatusOK)
	r.refused(http.MethodGet, "/account", "", http.StatusTooManyRequests, noSpecificType)
}

func TestRequestsAreAnsweredSoManyAtATime(t *testing.T) {
	s := serve(t, Options{Anonymous: true, MaxRequests: 1})
	inside, out := make(chan struct{}), make(chan struct{})
	s.Mount("/wait", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(inside); <-out }))
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/wait", nil))
	}()
	<-inside
	if w := get(s, "/pops"); w.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After: %q", w.Header().Get("Retry-After"))
	} else {
		wantProblem(t, w, http.StatusTooManyRequests, noSpecificType)
	}
	close(out)
	<-done
	if w := get(s, "/pops"); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
