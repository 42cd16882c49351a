package exchange

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

func TestSubscribersAreToldOfEachChange(t *testing.T) {
	type told struct {
		token string
		event event.Event
	}
	got := make(chan told, 10)
	subscriber := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		x := told{token: r.Header.Get("Authorization")}
		if err == nil {
			err = x.event.UnmarshalJSON(body)
		}
		if err != nil {
			t.Error(err)
		}
		got <- x
		w.WriteHeader(http.StatusAccepted)
	}))
	defer subscriber.Close()
	s := anonymous(t)
	if err := s.Subscribe(Subscriber{URL: subscriber.URL}); err == nil {
		t.Error("a server that was not started has a subscriber")
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Subscribe(Subscriber{URL: "http://127.0.0.1:1/"}); err != nil { // nobody is there
		t.Fatal(err)
	}
	if err := s.Subscribe(Subscriber{URL: subscriber.URL, Token: "moonlight"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Put("macs", []byte(`{"id": "a/b", "address": "02:1a:00:00:00:09"}`)); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete("macs", "a/b"); err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]bool)
	for range 2 {
		select {
		case x := <-got:
			if x.token != "Bearer moonlight" || x.event.Subject() != "macs/a/b" || x.event.Source() != s.URL() || x.event.Validate() != nil {
				t.Errorf("told %q, %v", x.token, x.event)
			}
			ids[x.event.ID()] = true
		case <-time.After(10 * time.Second):
			t.Fatal("nobody was told")
		}
	}
	if len(ids) != 2 {
		t.Error("two events have one id")
	}
}

func TestPostedResultsAreShown(t *testing.T) {
	s := anonymous(t)
	post := func(kind, text string) int {
		r := httptest.NewRequest("POST", "/results", strings.NewReader(text))
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Code
	}
	const good = `{"specversion":"1.0","id":"1","type":"x","source":"/agent","subject":"connections/1"}`
	if code := post("application/cloudevents+json", good); code != 202 {
		t.Error(code)
	}
	for _, text := range []string{"", "{}", strings.Replace(good, `"1.0"`, `"9"`, 1)} {
		if code := post("application/cloudevents+json", text); code != 400 {
			t.Errorf("%s: %d", text, code)
		}
	}
	if code := post("application/json", good); code != 400 {
		t.Error(code)
	}
	s.Inject(Fault{Kind: Failing, Collection: "results", Status: 503, Times: 1})
	if code := post("application/cloudevents+json", good); code != 503 {
		t.Error(code)
	}
	if got := s.Results(); len(got) != 1 || got[0].Subject() != "connections/1" || bytes.Contains(got[0].Data(), []byte("x")) {
		t.Errorf("%v", got)
	}
}
