package ixapi

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/models/rest"
)

// page is a scripted answer to one request of a list.
type page struct {
	status  int
	headers string // "Items=3 Token=a", without the prefix
	ids     string // "a b c"
	body    string // instead of ids
}

func (p page) write(w http.ResponseWriter) {
	for header := range strings.FieldsSeq(p.headers) {
		name, value, _ := strings.Cut(header, "=")
		w.Header().Set("X-Pagination-"+name, value)
	}
	if p.status == 404 {
		problem(w, p.status, "not-found")
		return
	}
	w.WriteHeader(p.status)
	if p.body != "" {
		fmt.Fprint(w, p.body)
		return
	}
	var records []string
	for id := range strings.FieldsSeq(p.ids) {
		records = append(records, fmt.Sprintf(`{"id":%q}`, id))
	}
	fmt.Fprint(w, "["+strings.Join(records, ",")+"]")
}

func TestListIsReadToItsProvableEnd(t *testing.T) {
	for name, test := range map[string]struct {
		pages []page
		want  string // ids
		err   IncompleteReason
	}{
		"one answer":                      {pages: []page{{200, "", "a b", ""}}, want: "a b"},
		"one answer with its total":       {pages: []page{{200, "Items=2", "a b", ""}}, want: "a b"},
		"one answer short of its total":   {pages: []page{{200, "Items=3", "a b", ""}}, err: rest.ItemsMismatch},
		"empty":                           {pages: []page{{200, "", "", ""}}, want: ""},
		"empty page":                      {pages: []page{{206, "Items=0 Token=t", "", ""}}, want: ""},
		"total":                           {pages: []page{{206, "Items=3 Token=t Offset=0", "a b", ""}, {206, "Items=3 Token=t Offset=2", "c", ""}}, want: "a b c"},
		"total and 200 at the end":        {pages: []page{{206, "Items=3 Token=t", "a b", ""}, {200, "", "c", ""}}, want: "a b c"},
		"next":                            {pages: []page{{206, "Next=x Token=t", "a", ""}, {206, "Next=y", "b", ""}, {206, "", "c", ""}}, want: "a b c"},
		"empty page at the end":           {pages: []page{{206, "Token=t", "a", ""}, {206, "Token=t", "b", ""}, {206, "Token=t", "", ""}}, want: "a b"},
		"no token, read twice":            {pages: []page{{206, "Items=3", "a b", ""}, {206, "Items=3", "c", ""}, {206, "Items=3", "a b", ""}, {206, "Items=3", "c", ""}}, want: "a b c"},
		"no header at all":                {pages: []page{{206, "", "a", ""}, {206, "", "", ""}, {206, "", "a", ""}, {206, "", "", ""}}, want: "a"},
		"no token, changed between":       {pages: []page{{206, "Items=3", "a b", ""}, {206, "Items=3", "d", ""}, {206, "Items=3", "a c", ""}}, err: rest.PageChanged},
		"no token, grown between":         {pages: []page{{206, "", "a", ""}, {206, "", "", ""}, {206, "", "a", ""}, {206, "", "b", ""}}, err: rest.PageChanged},
		"total changed":                   {pages: []page{{206, "Items=3 Token=t", "a b", ""}, {206, "Items=2 Token=t", "c", ""}}, err: rest.TotalChanged},
		"snapshot changed":                {pages: []page{{206, "Items=3 Token=t", "a b", ""}, {206, "Items=3 Token=u", "c", ""}}, err: rest.SnapshotChanged},
		"page repeated":                   {pages: []page{{206, "Items=4 Token=t", "a b", ""}, {206, "Items=4 Token=t", "a b", ""}}, err: rest.PageRepeated},
		"earlier page by its offset":      {pages: []page{{206, "Items=4 Token=t Offset=0", "a b", ""}, {206, "Items=4 Token=t Offset=0", "c d", ""}}, err: rest.PageRepeated},
		"later page by its offset":        {pages: []page{{206, "Items=4 Token=t Offset=0", "a b", ""}, {206, "Items=4 Token=t Offset=3", "d", ""}}, err: rest.PageMissing},
		"record on two pages":             {pages: []page{{206, "Items=4 Token=t", "a b", ""}, {206, "Items=4 Token=t", "b c", ""}}, err: rest.DuplicateRecord},
		"page missing":                    {pages: []page{{206, "Items=4 Token=t", "a b", ""}, {206, "Items=4 Token=t", "", ""}}, err: rest.PageMissing},
		"page not found":                  {pages: []page{{206, "Items=4 Token=t", "a b", ""}, {404, "", "", ""}}, err: rest.PageMissing},
		"empty page that is not the last": {pages: []page{{206, "Next=1 Token=t", "a b", ""}, {206, "Next=2 Token=t", "", ""}}, err: rest.PageMissing},
		"more than the total":             {pages: []page{{206, "Items=3 Token=t", "a b", ""}, {206, "Items=3 Token=t", "c d", ""}}, err: rest.ItemsMismatch},
		"unreadable total":                {pages: []page{{206, "Items=many Token=t", "a b", ""}}, err: rest.ItemsMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			requests, received := 0, 0
			c, _ := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
				if requests == len(test.pages) {
					t.Fatalf("request too many: %s", r.URL)
				}
				q := r.URL.Query()
				if q.Get("state") != "production" || q.Get("page_limit") != "" {
					t.Errorf("query %s", r.URL.RawQuery)
				}
				if offset := q.Get("page_offset"); offset != "" && test.err == "" && strings.Contains(test.pages[0].headers, "Token=t") {
					if offset != strconv.Itoa(received) || q.Get("page_token") != "t" {
						t.Errorf("query %s after %d records", r.URL.RawQuery, received)
					}
				}
				received += len(strings.Fields(test.pages[requests].ids))
				test.pages[requests].write(w)
				requests++
			}, Options{PageSize: -1})
			raw, err := c.List(t.Context(), Ports, url.Values{"state": {"production"}})
			if test.err != "" {
				var incomplete *IncompleteError
				if !errors.As(err, &incomplete) || !errors.Is(err, ErrIncomplete) || incomplete.Reason != test.err || raw != nil {
					t.Fatalf("%d pages, error %v", len(raw), err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			ports, faults, err := DecodeList[Port](Ports, raw)
			if err != nil || len(faults) != 0 {
				t.Fatal(err, faults)
			}
			var ids []string
			for _, p := range ports {
				ids = append(ids, p.ID)
			}
			if got := strings.Join(ids, " "); got != test.want {
				t.Errorf("got %q", got)
			}
			if requests != len(test.pages) {
				t.Errorf("%d requests", requests)
			}
		})
	}
}

func TestLostPageTellsWhy(t *testing.T) {
	requests := 0
	c, _ := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests++; requests == 1 {
			page{206, "Items=4 Token=t", "a b", ""}.write(w)
			return
		}
		problem(w, http.StatusNotFound, "not-found")
	}, Options{PageSize: -1})
	_, err := c.List(t.Context(), Ports, nil)
	const want = `ports: list is incomplete at page 2: page is missing: GET /ports: 404 Not Found (not-found): "no": "see title"`
	if !errors.Is(err, ErrIncomplete) || !errors.Is(err, ErrNotFound) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestPageThatIsNoListIsNotAnAnswer(t *testing.T) {
	c, _ := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
		page{206, "Items=2", "", `[{"id":"a"},{"id":`}.write(w)
	}, Options{PageSize: -1})
	raw, err := c.List(t.Context(), Ports, nil)
	var list *ListError
	if !errors.As(err, &list) || raw != nil || list.Column != 19 {
		t.Error(raw, err)
	}
}

// pagedExchange serves a list in pages of what a client asks for, up to a limit.
type pagedExchange struct {
	ids       []string
	max       int
	supported bool
	token     bool
	total     bool
	change    func(*pagedExchange) // before each request but the first
	requests  int
}

func (e *pagedExchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/implementation") {
		fmt.Fprintf(w, `{"schema_version":"2.7.1","supported_features":{"pagination":%t}}`, e.supported)
		return
	}
	if e.requests++; e.requests > 1 && e.change != nil {
		e.change(e)
	}
	q := r.URL.Query()
	offset, _ := strconv.Atoi(q.Get("page_offset"))
	limit, err := strconv.Atoi(q.Get("page_limit"))
	if err != nil || limit > e.max {
		limit = e.max
	}
	start := min(offset, len(e.ids))
	end := min(start+limit, len(e.ids))
	var headers []string
	if e.token {
		headers = append(headers, "Token=t")
	}
	if e.total {
		headers = append(headers, fmt.Sprintf("Items=%d", len(e.ids)))
	}
	page{206, strings.Join(headers, " "), strings.Join(e.ids[start:end], " "), ""}.write(w)
}

// TestReadListIsOneThatWasThere checks the law of List on a list that changes at
// any moment: what is returned is the whole list as it was at some moment.
func TestReadListIsOneThatWasThere(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		next := rapid.IntRange(0, 12).Draw(rt, "records")
		e := &pagedExchange{max: rapid.IntRange(1, 5).Draw(rt, "page"), total: rapid.Bool().Draw(rt, "total")}
		for i := range next {
			e.ids = append(e.ids, strconv.Itoa(i))
		}
		seen := [][]string{slices.Clone(e.ids)}
		changes := rapid.IntRange(0, 3).Draw(rt, "changes")
		e.change = func(e *pagedExchange) {
			if changes == 0 || !rapid.Bool().Draw(rt, "now") {
				return
			}
			changes--
			if at := rapid.IntRange(0, len(e.ids)).Draw(rt, "at"); rapid.Bool().Draw(rt, "insert") || at == len(e.ids) {
				e.ids = slices.Insert(e.ids, at, strconv.Itoa(next))
				next++
			} else {
				e.ids = slices.Delete(e.ids, at, at+1)
			}
			seen = append(seen, slices.Clone(e.ids))
		}
		c, _ := newTestClient(t, e.ServeHTTP, Options{PageSize: -1})
		raw, err := c.List(t.Context(), Ports, nil)
		if err != nil {
			if !errors.Is(err, ErrIncomplete) || len(seen) == 1 {
				rt.Fatal(err)
			}
			return
		}
		ports, _, err := DecodeList[Port](Ports, raw)
		if err != nil {
			rt.Fatal(err)
		}
		ids := []string{}
		for _, p := range ports {
			ids = append(ids, p.ID)
		}
		if !slices.ContainsFunc(seen, func(s []string) bool { return slices.Equal(s, ids) }) {
			rt.Fatalf("read %v, there were %v", ids, seen)
		}
	})
}

func TestPagesAreAskedForWhereSupported(t *testing.T) {
	for _, test := range []struct {
		supported bool
		size      int
		want      string
	}{
		{true, 0, strconv.Itoa(DefaultPageSize)},
		{false, 0, ""},
		{false, 50, "50"},
		{true, -1, ""},
	} {
		var got, asked []string
		c, _ := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/implementation") {
				asked = append(asked, "implementation")
				fmt.Fprintf(w, `{"schema_version":2,"supported_features":{"pagination":%t}}`, test.supported)
				return
			}
			got = append(got, r.URL.Query().Get("page_limit"))
			fmt.Fprint(w, "[]")
		}, Options{PageSize: test.size})
		for range 2 {
			if _, err := c.List(t.Context(), Ports, nil); err != nil {
				t.Fatal(err)
			}
		}
		if want := []string{test.want, test.want}; !slices.Equal(got, want) || len(asked) > 1 {
			t.Errorf("%+v: page_limit %q, asked %q", test, got, asked)
		}
	}
}

func TestExchangeWithoutImplementationIsNotPaginated(t *testing.T) {
	c, _ := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/implementation") {
			problem(w, http.StatusNotFound, "not-found")
			return
		}
		fmt.Fprint(w, `[]`)
	}, Options{})
	if raw, err := c.List(t.Context(), Ports, nil); err != nil || raw.Size() != 2 {
		t.Error(raw, err)
	}
}

func TestListThatNeverEndsIsRefused(t *testing.T) {
	for _, test := range []struct {
		most int64
		want error
	}{{4096, ErrTooLarge}, {0, ErrIncomplete}} {
		n := 0
		c, _ := newTestClient(t, func(w http.ResponseWriter, _ *http.Request) {
			n++
			page{206, "Next=next", strconv.Itoa(n), ""}.write(w)
		}, Options{PageSize: -1, MaxList: test.most})
		if raw, err := c.List(t.Context(), Ports, nil); !errors.Is(err, test.want) || raw != nil {
			t.Error(err)
		}
	}
}

func TestPageIsRepeatedWithinAList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &pagedExchange{ids: strings.Fields("a b c d e"), max: 2, supported: true, token: true, total: true}
		requests := 0
		c, _ := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
			if requests++; requests%2 == 0 {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			e.ServeHTTP(w, r)
		}, Options{})
		raw, err := c.List(t.Context(), Ports, nil)
		if err != nil || len(raw) != 3 {
			t.Error(len(raw), err)
		}
		if !raw.Equal(Raw{bytes.Clone(raw[0]), raw[1], raw[2]}) || raw.Equal(raw[:2]) || raw.Equal(Raw{raw[1], raw[0], raw[2]}) {
			t.Error("Equal does not compare pages")
		}
	})
}
