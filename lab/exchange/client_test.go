package exchange

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ixagent/ixagent/models/ixapi"
)

func connect(t *testing.T, s *Server, o ixapi.Options) *ixapi.Client {
	t.Helper()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	o.BaseURL, o.RetryFor = s.URL(), -1
	c, err := ixapi.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// What the client reads over HTTP, in pages, is what it reads from the files; the archived records and no others stay
// behind.
func TestClientReadsTheWholeMetro(t *testing.T) {
	c := connect(t, serve(t, Options{Anonymous: true, PageSize: 30}), ixapi.Options{})
	served, files := map[ixapi.Collection]ixapi.Raw{}, map[ixapi.Collection]ixapi.Raw{}
	for _, collection := range ixapi.Collections() {
		var err error
		if served[collection], err = c.List(t.Context(), collection, nil); err != nil {
			t.Fatal(err)
		}
		text, err := fs.ReadFile(metro(t), string(collection)+".json")
		if err != nil {
			t.Fatal(err)
		}
		files[collection] = ixapi.Raw{text}
	}
	got, _, err := ixapi.Decode(served)
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := ixapi.Decode(files)
	if err != nil {
		t.Fatal(err)
	}
	if g, w := len(got.NetworkServiceConfigs), len(want.NetworkServiceConfigs)-2; g != w {
		t.Errorf("%d configs, want %d", g, w)
	}
	if g, w := len(got.Connections), len(want.Connections)-1; g != w {
		t.Errorf("%d connections, want %d", g, w)
	}
	if diff := cmp.Diff(len(want.Ports), len(got.Ports)); diff != "" {
		t.Error(diff)
	}
}

func TestClientNoticesWhatTheExchangeDoesToIt(t *testing.T) {
	s := serve(t, Options{Anonymous: true})
	c := connect(t, s, ixapi.Options{PageSize: 20, MaxList: 4 << 20, Timeout: 30 * time.Second})
	for name, test := range map[string]struct {
		fault Fault
		want  error
	}{
		"pages that shift":   {Fault{Kind: Shifting}, ixapi.ErrIncomplete},
		"pages without end":  {Fault{Kind: Endless}, ixapi.ErrTooLarge},
		"an answer too huge": {Fault{Kind: Huge}, ixapi.ErrTooLarge},
		"JSON cut in half":   {Fault{Kind: Truncated}, nil},
		"a lost connection":  {Fault{Kind: Interrupted}, nil},
		"a reset":            {Fault{Kind: Reset}, nil},
		"a failure":          {Fault{Kind: Failing, Status: http.StatusServiceUnavailable}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s.Inject(test.fault)
			defer s.ClearFaults()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			list, err := c.List(ctx, ixapi.NetworkServiceConfigs, nil)
			if err == nil {
				_, _, err = ixapi.Decode(map[ixapi.Collection]ixapi.Raw{ixapi.NetworkServiceConfigs: list})
			}
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
	if list, err := c.List(t.Context(), ixapi.NetworkServiceConfigs, nil); err != nil || len(list) != 10 {
		t.Errorf("afterwards: %d pages, %v", len(list), err)
	}
}
