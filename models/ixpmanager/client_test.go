package ixpmanager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ixagent/ixagent/models/rest"
	"github.com/ixagent/ixagent/models/secret"
)

const key = "an-api-key-of-a-superuser"

// answers are what an exchange says, by path below the root of the API.
type answers map[string]func(w http.ResponseWriter, r *http.Request)

func text(body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
}

const (
	listPath  = "/provisioner/switch/list.json"
	vlansOf1  = "/provisioner/vlans/switch-name/sw1.json"
	layer2Of1 = "/provisioner/layer2interfaces/switch-name/sw1.json"
	layer2Of2 = "/provisioner/layer2interfaces/switch-name/sw2.json"
)

// two is an exchange with two switches.
func two() answers {
	a := answers{listPath: text(`{"switches":[{"name":"sw1","id":1,"active":1,"lastpolled":"now","snmpcommunity":"hunter2"},{"name":"sw2","id":2,"active":1}]}`)}
	for _, name := range []string{"sw1", "sw2"} {
		a["/provisioner/vlans/switch-name/"+name+".json"] = text(`{"vlans":[{"name":"Peering","tag":10,"private":0,"config_name":"peering"}]}`)
		a["/provisioner/layer2interfaces/switch-name/"+name+".json"] = text(`{"layer2interfaces":[{"type":"edge","name":"Ethernet1","snmpcommunity":"hunter2"}]}`)
	}
	return a
}

// readFrom reads an exchange that gives these answers, and returns what was logged.
func readFrom(t *testing.T, a answers, o Options) (*Records, []RecordFault, string, error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(KeyHeader) != key || r.Header.Get("Authorization") != "" || r.Method != http.MethodGet {
			http.Error(w, "who?", http.StatusForbidden)
			return
		}
		if answer := a[r.URL.Path]; answer != nil {
			answer(w, r)
			return
		}
		http.NotFound(w, r)
	}))
	defer server.Close()
	var log bytes.Buffer
	o.BaseURL, o.Key, o.RetryFor = server.URL+"/", secret.New(key), -1
	o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, faults, err := c.Read(t.Context())
	return r, faults, log.String(), err
}

func TestExchangeIsReadWholeAndKeepsNoSecret(t *testing.T) {
	r, faults, log, err := readFrom(t, two(), Options{})
	if err != nil || len(faults) > 0 {
		t.Fatal(err, faults)
	}
	if len(r.Switches) != 2 || len(r.Interfaces["sw2"]) != 1 || len(r.VLANs["sw1"]) != 1 {
		t.Errorf("%+v", r)
	}
	if kept := fmt.Sprintf("%+v", r) + log; strings.Contains(kept, "hunter2") || strings.Contains(kept, key) {
		t.Errorf("a secret is kept: %s", kept)
	}
}

func TestBareListsAreRead(t *testing.T) {
	a := two()
	a[listPath] = text(`[{"name":"sw1"}]`)
	a[vlansOf1] = text(` []`)
	a[layer2Of1] = text(`[{"name":"Ethernet1"},{"name":"Ethernet2"}]`)
	r, _, _, err := readFrom(t, a, Options{})
	if err != nil || len(r.Interfaces["sw1"]) != 2 {
		t.Fatal(err, r)
	}
}

func TestAnythingShortOfWholeIsRefused(t *testing.T) {
	status := func(code int, retryAfter string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", retryAfter)
			http.Error(w, "no", code)
		}
	}
	for _, c := range []struct {
		name, path string
		answer     func(http.ResponseWriter, *http.Request)
		is         error
		says       string
	}{
		{"not this key", layer2Of2, status(401, ""), rest.ErrUnauthenticated, "401"},
		{"no superuser", layer2Of2, status(403, ""), rest.ErrPermission, "403"},
		{"one switch is not known", layer2Of2, status(404, ""), rest.ErrNotFound, "sw2.json: 404"},
		{"too many requests", vlansOf1, status(429, "7"), rest.ErrUnavailable, "429"},
		{"one switch fails", layer2Of2, status(500, ""), nil, "500"},
		{"in maintenance", listPath, status(503, "7"), rest.ErrUnavailable, "503"},
		{"cut short", layer2Of1, text(`{"layer2interfaces":[{"name":"Ethernet1"},{"na`), nil, "cut short or not JSON"},
		{"a bare list cut short", layer2Of1, text(`[{"name":"Ethernet1"},{"na`), nil, "cut short or not a list"},
		{"the end is missing", layer2Of1, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"layer2interfaces":[]}`)
		}, nil, "unexpected EOF"},
		{"empty", layer2Of1, text(``), nil, "cut short"},
		{"a page to log in", layer2Of1, text(`<!doctype html><html>log in</html>`), nil, "not a list"},
		{"null", layer2Of1, text(`{"layer2interfaces":null}`), nil, "is null and not a list"},
		{"bare null", layer2Of1, text(`null`), nil, "is null and not a list"},
		{"an object", layer2Of1, text(`{"layer2interfaces":{}}`), nil, "not a list"},
		{"another answer", layer2Of1, text(`{"vlans":[]}`), nil, "the answer has no layer2interfaces"},
		{"huge", layer2Of1, func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte(`{"layer2interfaces":[`))
			w.Write(bytes.Repeat([]byte(" "), 1<<17))
			w.Write([]byte(`]}`))
		}, rest.ErrTooLarge, ""},
		{"a switch without a name", listPath, text(`{"switches":[{"id":1}]}`), nil, "it has no name"},
		{"a switch twice", listPath, text(`{"switches":[{"name":"sw1"},{"name":"sw1"}]}`), ErrTwice, ""},
		{"elsewhere", layer2Of1, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "ftp://other.example.net/", http.StatusFound)
		}, nil, "ftp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := two()
			a[c.path] = c.answer
			r, _, _, err := readFrom(t, a, Options{MaxBody: 1 << 16})
			if err == nil || r != nil {
				t.Fatal("it was accepted")
			}
			if c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, without %s", err, c.says)
			}
			var problem *rest.ProblemError
			if errors.As(err, &problem) && (problem.Status == 429 || problem.Status == 503) && problem.RetryAfter != 7*time.Second {
				t.Errorf("it asked to be left alone for %v", problem.RetryAfter)
			}
		})
	}
}

func TestListThatChangesWhileSwitchesAreReadIsRefused(t *testing.T) {
	for name, second := range map[string]string{
		"a switch more": `{"switches":[{"name":"sw1"},{"name":"sw2"},{"name":"sw3"}]}`,
		"a switch less": `{"switches":[{"name":"sw1"}]}`,
		"a new name":    `{"switches":[{"name":"sw1"},{"name":"sw9"}]}`,
	} {
		a, reads := two(), 0
		first := a[listPath]
		a[listPath] = func(w http.ResponseWriter, r *http.Request) {
			if reads++; reads > 1 {
				first = text(second)
			}
			first(w, r)
		}
		if _, _, _, err := readFrom(t, a, Options{}); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	a, reads := two(), 0
	a[listPath] = func(w http.ResponseWriter, _ *http.Request) {
		reads++
		fmt.Fprintf(w, `{"switches":[{"name":"sw2","lastpolled":%d},{"name":"sw1","lastpolled":%[1]d}]}`, reads)
	}
	if _, _, _, err := readFrom(t, a, Options{}); err != nil {
		t.Errorf("the exchange has polled its switches meanwhile, and that is no change: %v", err)
	}
}

func TestNameOfASwitchIsEscaped(t *testing.T) {
	a := two()
	a[listPath] = text(`{"switches":[{"name":"a/../b?c"}]}`)
	a["/provisioner/vlans/switch-name/a/../b?c.json"] = text(`[]`)
	a["/provisioner/layer2interfaces/switch-name/a/../b?c.json"] = text(`[{"name":"Ethernet1"}]`)
	r, _, _, err := readFrom(t, a, Options{})
	if err != nil || len(r.Interfaces["a/../b?c"]) != 1 {
		t.Error(err)
	}
}

func TestKeyGoesToNoOtherServer(t *testing.T) {
	var mu sync.Mutex
	var seen http.Header
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = r.Header.Clone()
		fmt.Fprint(w, `{"layer2interfaces":[]}`)
	}))
	defer other.Close()
	a := two()
	a[layer2Of1] = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) }
	moved := a[layer2Of2]
	a[layer2Of2] = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/moved", http.StatusFound) }
	a["/moved"] = moved
	r, _, _, err := readFrom(t, a, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Interfaces["sw2"]) != 1 {
		t.Error("a redirect within the exchange lost the key")
	}
	mu.Lock()
	defer mu.Unlock()
	if seen == nil || strings.Contains(fmt.Sprint(seen), key) {
		t.Errorf("another server was sent %v", seen)
	}
}

func TestClientNeedsAKeyAndASafeWay(t *testing.T) {
	if _, err := New(Options{Options: rest.Options{BaseURL: "https://ixp.example.net/api/v4"}}); err == nil {
		t.Error("no key")
	}
	if _, err := New(Options{Options: rest.Options{BaseURL: "http://ixp.example.net/api/v4"}, Key: secret.New(key)}); err == nil || strings.Contains(err.Error(), key) {
		t.Errorf("in the clear: %v", err)
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel(why)
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(hang)
	c, err := New(Options{Options: rest.Options{BaseURL: server.URL}, Key: secret.New(key)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, _, err := c.Read(ctx); !errors.Is(err, why) {
		t.Error(err)
	}
}
