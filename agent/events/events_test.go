package events

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/secret"
)

const (
	structured = "application/cloudevents+json"
	batched    = "application/cloudevents-batch+json"
)

// nudges are what a source was told; an empty one stands for everything.
type nudges [][]source.Ref

func taking(edit func(*Options)) (http.Handler, *nudges) {
	var told nudges
	o := Options{
		Nudge:   func(named ...source.Ref) { told = append(told, named) },
		Token:   secret.New("moonlight"),
		AsksWho: func() (bool, error) { return false, nil },
	}
	if edit != nil {
		edit(&o)
	}
	return Handler(o), &told
}

func post(h http.Handler, body string, header ...string) (int, string) {
	r := httptest.NewRequest("POST", "/api/v1/events", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer moonlight")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func one(id, more string) string {
	return fmt.Sprintf(`{"specversion":"1.0","type":"x","source":"/ix","id":%q%s}`, id, more)
}

func nsc(id string) source.Ref { return source.Ref{Collection: ixapi.NetworkServiceConfigs, ID: id} }

func TestEventNudgesWhatItNames(t *testing.T) {
	binary := []string{"Ce-Specversion", "1.0", "Ce-Type", "x", "Ce-Source", "/ix", "Ce-Id", "1", "Content-Type", "application/json"}
	for name, c := range map[string]struct {
		body   string
		header []string
		want   []source.Ref
	}{
		"structured, by subject": {one("1", `,"subject":"network-service-configs/IX:7/8"`), []string{"Content-Type", structured}, []source.Ref{nsc("IX:7/8")}},
		"with a charset":         {one("1", `,"subject":"network-service-configs/7"`), []string{"Content-Type", structured + "; charset=utf-8"}, []source.Ref{nsc("7")}},
		"structured, by data":    {one("1", `,"data":{"collection":"network-service-configs","id":"7"}`), []string{"Content-Type", structured}, []source.Ref{nsc("7")}},
		"binary, by subject":     {"", append([]string{"Ce-Subject", "network-service-configs/7"}, binary...), []source.Ref{nsc("7")}},
		"binary, by data":        {`{"collection":"network-service-configs","id":"7"}`, binary, []source.Ref{nsc("7")}},
		"of nothing":             {"", binary, nil},
		"of a list":              {`{"collection":"network-service-configs"}`, binary, nil},
		"of what is not read":    {one("1", `,"subject":"port-reservations/7"`), []string{"Content-Type", structured}, nil},
		"with other data":        {`[1, 2]`, binary, nil},
		"batched": {
			"[" + one("1", `,"subject":"network-service-configs/7"`) + "," + one("2", `,"subject":"network-service-configs/8"`) + "]",
			[]string{"Content-Type", batched},
			[]source.Ref{nsc("7"), nsc("8")},
		},
		"batched, one of them of everything": {"[" + one("1", `,"subject":"network-service-configs/7"`) + "," + one("2", "") + "]", []string{"Content-Type", batched}, nil},
	} {
		h, told := taking(nil)
		if code, text := post(h, c.body, c.header...); code != 202 {
			t.Errorf("%s: %d %s", name, code, text)
		} else if want := (nudges{c.want}); !reflect.DeepEqual(*told, want) {
			t.Errorf("%s: told %v", name, *told)
		}
	}
}

func TestMalformedEventIsRefusedWithTheReason(t *testing.T) {
	for body, header := range map[string][]string{
		"":                        {"Content-Type", structured},
		"{":                       {"Content-Type", structured},
		one("1", "") + "x":        {"Content-Type", structured},
		"[" + one("1", "") + "":   {"Content-Type", batched},
		`{"id":"1"}`:              {"Content-Type", "application/json"},
		`{"specversion":"1.0"}`:   {"Content-Type", structured},
		one("", ""):               {"Content-Type", structured},
		one("1", `,"subject":7`):  {"Content-Type", structured},
		"[" + one("", "") + "]":   {"Content-Type", batched},
		"binary without an id":    {"Ce-Specversion", "1.0", "Ce-Type", "x", "Ce-Source", "/ix"},
		"header without a name":   {"Ce-", "x", "Ce-Specversion", "1.0", "Ce-Type", "x", "Ce-Source", "/ix", "Ce-Id", "1"},
		"version that is unknown": {"Ce-Specversion", "9.9", "Ce-Type", "x", "Ce-Source", "/ix", "Ce-Id", "1"},
		one("1", `,"subject":"network-service-configs/"`): {"Content-Type", structured},
	} {
		h, told := taking(nil)
		if code, text := post(h, body, header...); code != 400 || len(text) < len("not a CloudEvent: x") || strings.Contains(text, "\n") {
			t.Errorf("%q: %d %q", body, code, text)
		}
		if len(*told) != 0 {
			t.Errorf("%q leads to a read", body)
		}
	}
	h, told := taking(nil)
	if code, text := post(h, one("1", `,"data":"`+strings.Repeat("x", maxBody)+`"`), "Content-Type", structured); code != 413 || len(*told) != 0 {
		t.Errorf("too large: %d %s", code, text)
	}
}

func TestOnlyThoseWhoMaySendEvents(t *testing.T) {
	asks := func(yes bool, err error) func() (bool, error) { return func() (bool, error) { return yes, err } }
	for name, c := range map[string]struct {
		token, header string
		asks          func() (bool, error)
		want          int
	}{
		"token":                        {"moonlight", "Bearer moonlight", asks(false, nil), 202},
		"another token":                {"moonlight", "Bearer moonligh", asks(false, nil), 401},
		"no token":                     {"moonlight", "", asks(false, nil), 401},
		"empty token":                  {"moonlight", "Bearer ", asks(false, nil), 401},
		"token as a password":          {"moonlight", "Basic bW9vbjptb29ubGlnaHQ=", asks(false, nil), 401},
		"nothing configured":           {"", "Bearer moonlight", asks(false, nil), 403},
		"empty token, none configured": {"", "Bearer ", asks(false, nil), 403},
		"user":                         {"", "Basic bW9vbjptb29ubGlnaHQ=", asks(true, nil), 202},
		"users, and nobody came":       {"", "", asks(true, nil), 401},
		"user beside a token":          {"moonlight", "Basic bW9vbjptb29ubGlnaHQ=", asks(true, nil), 202},
		"web configuration is gone":    {"moonlight", "Bearer moonlight", asks(false, errors.New("gone")), 500},
	} {
		h, told := taking(func(o *Options) { o.Token, o.AsksWho = secret.New(c.token), c.asks })
		code, text := post(h, one("1", ""), "Content-Type", structured, "Authorization", c.header)
		if code != c.want || (code == 202) != (len(*told) == 1) || strings.Contains(text, "moonlight") {
			t.Errorf("%s: %d %s, told %v", name, code, text, *told)
		}
	}
	h, told := taking(func(o *Options) { o.AsksWho = asks(true, nil) })
	r := httptest.NewRequest("POST", "/", strings.NewReader(one("1", "")))
	r.Header.Set("Content-Type", structured)
	r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{}}}
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 202 || len(*told) != 1 {
		t.Errorf("certificate: %d %s", w.Code, w.Body)
	}
}

func TestReplayedEventIsAcceptedAndLeadsToNothing(t *testing.T) {
	h, told := taking(nil)
	for range 1000 {
		if code, text := post(h, one("1", `,"subject":"network-service-configs/7"`), "Content-Type", structured); code != 202 {
			t.Fatal(code, text)
		}
	}
	if len(*told) != 1 {
		t.Errorf("told %d times", len(*told))
	}
	other := strings.Replace(one("1", ""), "/ix", "/other", 1)
	if post(h, other, "Content-Type", structured); len(*told) != 2 {
		t.Error("the same id of another source is taken for a replay")
	}
}

func TestFloodIsForgotten(t *testing.T) {
	s := seen{}
	for i := range 3 * maxSeen {
		if s.before("/ix", fmt.Sprint(i)) {
			t.Fatalf("event %d is new", i)
		}
		if i >= 10 && !s.before("/ix", fmt.Sprint(i-10)) {
			t.Fatalf("event %d came a moment ago", i-10)
		}
	}
	if len(s.known) != maxSeen || len(s.order) != maxSeen {
		t.Errorf("%d and %d are remembered", len(s.known), len(s.order))
	}
}

// Whatever comes, it is refused with a reason or names records of lists that are read.
func FuzzParse(f *testing.F) {
	f.Add(structured, "", "", "", "", one("1", `,"subject":"connections/7"`))
	f.Add(batched, "", "", "", "", "["+one("1", `,"data":{"collection":"macs","id":"7"}`)+"]")
	f.Add("application/json", "1.0", "x", "1", "connections/7", `{"collection":"macs","id":"7"}`)
	f.Add("application/json", "0.3", "x", "1", "connections/7", "")
	f.Add(structured, "", "", "", "", one("1", `,"data_base64":"eyJpZCI6IjcifQ=="`))
	f.Fuzz(func(t *testing.T, mode, version, typ, id, subject, body string) {
		header := http.Header{"Content-Type": {mode}}
		for name, value := range map[string]string{"Ce-Specversion": version, "Ce-Type": typ, "Ce-Id": id, "Ce-Subject": subject, "Ce-Source": "/ix", "Ce-" + typ: id} {
			if value != "" {
				header[name] = []string{value}
			}
		}
		notices, err := parse(header, []byte(body))
		if err != nil {
			if err.Error() == "" || notices != nil {
				t.Error("refused without a reason")
			}
			return
		}
		for _, n := range notices {
			if n.id == "" || n.source == "" {
				t.Errorf("cannot be told from others: %+v", n)
			}
			if n.named != (source.Ref{}) && (n.named.ID == "" || !slices.Contains(ixapi.Collections(), n.named.Collection)) {
				t.Errorf("names %+v", n.named)
			}
		}
	})
}
