package exchange

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// page is the part of a list that is asked for.
type page struct {
	limit, offset int
	paginated     bool            // some page_* parameter was sent: the answer is 206
	at            *store.Snapshot // the records as the token remembers them
}

// pageOf reads the page_* parameters. A token pins the records for a while, so that the pages of one list are of one
// moment.
func (s *Server) pageOf(name string, query url.Values) (page, []property) {
	p := page{limit: s.options.PageSize}
	if s.options.Unpaginated {
		p.at = s.seen(name)
		return p, nil
	}
	var faults []property
	read := func(name string, least int, into *int) {
		if !query.Has(name) {
			return
		}
		p.paginated = true
		n, err := strconv.Atoi(query.Get(name))
		if err != nil || n < least {
			faults = append(faults, property{Name: name, Reason: fmt.Sprintf("%q is not an integer of at least %d", query.Get(name), least)})
			return
		}
		*into = n
	}
	read("page_limit", 1, &p.limit)
	read("page_offset", 0, &p.offset)
	p.limit = min(p.limit, s.options.PageSize)
	if query.Has("page_token") {
		p.paginated = true
		at, err := s.recall(query.Get("page_token"))
		if err != nil {
			faults = append(faults, property{Name: "page_token", Reason: err.Error()})
		}
		p.at = at
	} else {
		p.at = s.seen(name)
	}
	return p, faults
}

// list answers GET of a collection.
func (s *Server) list(w http.ResponseWriter, r *http.Request, by principal, name string) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		p := invalid()
		p.Detail = "the query does not parse"
		p.write(w, r)
		return
	}
	p, faults := s.pageOf(name, query)
	if faults != nil {
		invalid(faults...).write(w, r)
		return
	}
	records, faults := s.choose(by, p.at, name, query)
	if faults != nil {
		invalid(faults...).write(w, r)
		return
	}
	records = s.spoil(name, records, p.offset > 0)
	bodies := make([]json.RawMessage, 0, len(records))
	for _, r := range records {
		bodies = append(bodies, r.Raw)
	}
	if fields := query["fields"]; fields != nil && name == "product-offerings" {
		if bodies, err = project(bodies, strings.Split(strings.Join(fields, ","), ",")); err != nil {
			generic(http.StatusInternalServerError, err.Error()).write(w, r)
			return
		}
	}
	if !p.paginated {
		s.send(w, name, http.StatusOK, array(bodies))
		return
	}
	h, total := w.Header(), len(bodies)
	first := min(p.offset, total)
	last := min(first+p.limit, total)
	h.Set("X-Pagination-Limit", strconv.Itoa(p.limit))
	h.Set("X-Pagination-Offset", strconv.Itoa(p.offset))
	if s.faults.take(name, Endless) != nil {
		body, err := invented(records, p.offset, p.limit)
		if err != nil {
			generic(http.StatusInternalServerError, err.Error()).write(w, r)
			return
		}
		h.Set("X-Pagination-Next", strconv.Itoa(p.offset+p.limit))
		s.send(w, name, http.StatusPartialContent, array(body))
		return
	}
	h.Set("X-Pagination-Items", strconv.Itoa(total))
	h.Set("X-Pagination-Pages", strconv.Itoa((total+p.limit-1)/p.limit))
	h.Set("X-Pagination-Page", strconv.Itoa(p.offset/p.limit+1))
	h.Set("X-Pagination-Token", s.remember(p.at))
	if last < total {
		h.Set("X-Pagination-Next", strconv.Itoa(last))
	}
	s.send(w, name, http.StatusPartialContent, array(bodies[first:last]))
}

// choose returns the records, as a party sees them, that pass every filter of the query: what it does not see, no filter
// tells it either. Archived ones are left out unless the state is asked for.
func (s *Server) choose(by principal, at *store.Snapshot, name string, query url.Values) ([]*store.Record, []property) {
	tests := []test{}
	var faults []property
	for parameter, values := range query {
		f, known := s.collections[name].filters[parameter]
		if !known {
			continue
		}
		if of := leadsTo(parameter); of != "" && !s.seesAll(by, at, of, values) {
			return nil, nil
		}
		t, err := f(at, values)
		if err != nil {
			faults = append(faults, property{Name: parameter, Reason: err.Error()})
			continue
		}
		tests = append(tests, t)
	}
	if faults != nil {
		slices.SortFunc(faults, func(a, b property) int { return strings.Compare(a.Name, b.Name) })
		return nil, faults
	}
	if _, stateful := s.collections[name].filters["state"]; stateful && !query.Has("state") {
		tests = append(tests, func(r *store.Record) bool { return r.State() != "archived" })
	}
	if by.operator && len(tests) == 0 {
		return at.List(name), nil
	}
	if name == "network-services" || name == "network-features" {
		by.joined = by.joins(at)
	}
	var chosen []*store.Record
	for _, r := range at.List(name) {
		seen := s.look(by, at, name, r)
		if seen != nil && !slices.ContainsFunc(tests, func(t test) bool { return !t(seen) }) {
			chosen = append(chosen, seen)
		}
	}
	return chosen, nil
}

// leadsTo returns the collection whose records a parameter names, where the filter looks at what is in them.
func leadsTo(parameter string) string {
	switch parameter {
	case "supported_network_service":
		return "network-services"
	case "network_service_config":
		return "network-service-configs"
	case "network_feature_config":
		return "network-feature-configs"
	case "contact", "contacts":
		return "contacts"
	}
	return ""
}

// seesAll reports whether a party sees all records that are named.
func (s *Server) seesAll(by principal, at *store.Snapshot, collection string, values []string) bool {
	return by.operator || !slices.ContainsFunc(strings.Split(strings.Join(values, ","), ","), func(id string) bool {
		r := at.Get(collection, id)
		return r == nil || !s.visible(by, at, collection, r)
	})
}

func array(records []json.RawMessage) []byte {
	size := 3
	for _, r := range records {
		size += len(r) + 1
	}
	body := bytes.NewBuffer(make([]byte, 0, size))
	body.WriteByte('[')
	for i, r := range records {
		if i > 0 {
			body.WriteByte(',')
		}
		body.Write(r)
	}
	body.WriteString("]\n")
	return body.Bytes()
}

// project keeps the named fields of the records, and their type, and leaves out repetitions.
func project(records []json.RawMessage, names []string) ([]json.RawMessage, error) {
	var out []json.RawMessage
	seen := map[string]bool{}
	for _, r := range records {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(r, &fields); err != nil {
			return nil, err
		}
		for name := range fields {
			if name != "type" && !slices.Contains(names, name) {
				delete(fields, name)
			}
		}
		raw, err := json.Marshal(fields)
		if err != nil {
			return nil, err
		}
		if !seen[string(raw)] {
			seen[string(raw)] = true
			out = append(out, raw)
		}
	}
	return out, nil
}
