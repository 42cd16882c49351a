package ixapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"github.com/ixagent/ixagent/models/rest"
)

// maxPages ends a list that does not end by itself.
const maxPages = 10_000

// List reads a whole list and returns its pages as received, undecoded, so that
// they can be compared with an earlier read first. The query filters the list.
//
// A list that is not provably whole is an *IncompleteError, and there is no Raw.
// It is whole when the exchange sends it in one answer (200), or in pages (206)
// that add up to the announced total, or end with a page without a successor, or
// with an empty one; and when no page repeats, overlaps or contradicts another.
// An exchange that gives no pagination token does not promise that its pages are
// of one moment: such a list is read twice and must be the same both times.
func (c *Client) List(ctx context.Context, collection Collection, query url.Values) (Raw, error) {
	size, err := c.negotiate(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", collection, err)
	}
	query = maps.Clone(query)
	if query == nil {
		query = url.Values{}
	}
	if size > 0 {
		query.Set("page_limit", strconv.Itoa(size))
	}
	first := pager{client: c, collection: collection, query: query}
	if err := first.read(ctx); err != nil {
		return nil, err
	}
	if first.paginated && first.token == "" {
		again := pager{client: c, collection: collection, query: query, earlier: first.pages}
		if err := again.read(ctx); err != nil {
			return nil, err
		}
		if len(again.pages) != len(first.pages) {
			return nil, again.incomplete(rest.PageChanged, "there are now %d pages, not %d", len(again.pages), len(first.pages))
		}
	}
	return first.pages, nil
}

// negotiate returns the page_limit to send, 0 for none.
func (c *Client) negotiate(ctx context.Context) (int, error) {
	c.pages.Lock()
	size, asked := c.pageSize, c.asked
	c.pages.Unlock()
	if asked {
		return size, nil
	}
	impl, err := c.Implementation(ctx)
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrPermission):
	case err != nil:
		return 0, err
	case impl.SupportedFeatures.Pagination:
		size = DefaultPageSize
	}
	c.pages.Lock()
	defer c.pages.Unlock()
	c.pageSize, c.asked = size, true
	return size, nil
}

// pager reads the pages of one list in order.
type pager struct {
	client     *Client
	collection Collection
	query      url.Values
	earlier    Raw // pages of an earlier read that these must equal

	pages     Raw
	paginated bool
	token     string
	total     int // -1 while unannounced
	received  int
	size      int64
	chained   bool // an earlier page announced a next one
	seen      map[ID]int
}

func (p *pager) incomplete(reason IncompleteReason, format string, args ...any) error {
	return &IncompleteError{
		Collection: string(p.collection),
		Page:       max(1, len(p.pages)),
		Reason:     reason,
		Detail:     fmt.Sprintf(format, args...),
	}
}

// read reads from the first page to the provable end.
func (p *pager) read(ctx context.Context) error {
	p.total, p.seen = -1, make(map[ID]int)
	path := "/" + string(p.collection)
	for len(p.pages) < maxPages {
		limit := min(p.client.maxBody, p.client.maxList-p.size)
		res, err := p.client.get(ctx, path, p.query, limit)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return err
		case errors.Is(err, ErrTooLarge):
			return fmt.Errorf("%s: after %d bytes on %d pages: %w", p.collection, p.size, len(p.pages), err)
		case len(p.pages) > 0:
			return &IncompleteError{Collection: string(p.collection), Page: len(p.pages) + 1, Reason: rest.PageMissing, Err: err}
		default:
			return err
		}
		p.size += int64(len(res.Body))
		p.pages = append(p.pages, res.Body)
		p.paginated = p.paginated || res.Status == http.StatusPartialContent
		if n := len(p.pages); p.earlier != nil && (n > len(p.earlier) || !bytes.Equal(res.Body, p.earlier[n-1])) {
			return p.incomplete(rest.PageChanged, "a second read differs")
		}
		if !p.paginated && res.Header.Get("X-Pagination-Items") == "" {
			return nil
		}
		if end, err := p.page(res); end || err != nil {
			return err
		}
		p.query = maps.Clone(p.query)
		p.query.Set("page_offset", strconv.Itoa(p.received))
		if p.token != "" {
			p.query.Set("page_token", p.token)
		}
	}
	return p.incomplete(rest.NoEnd, "gave up")
}

// page takes account of the latest page and reports whether it is the last.
func (p *pager) page(res *rest.Response) (end bool, err error) {
	n := len(p.pages)
	if n > 1 && len(bytes.TrimSpace(res.Body)) > len("[]") && bytes.Equal(res.Body, p.pages[n-2]) {
		return false, p.incomplete(rest.PageRepeated, "it equals the page before")
	}
	ids, count, err := identities(p.collection, n-1, res.Body)
	if err != nil {
		return false, err
	}
	token := res.Header.Get("X-Pagination-Token")
	if n == 1 {
		p.token = token
	} else if token != "" && token != p.token {
		return false, p.incomplete(rest.SnapshotChanged, "the exchange started another snapshot")
	}
	offset, err := p.number(res.Header, "X-Pagination-Offset")
	if err != nil {
		return false, err
	}
	if offset >= 0 && offset != p.received {
		reason := rest.PageMissing
		if offset < p.received {
			reason = rest.PageRepeated
		}
		return false, p.incomplete(reason, "it starts at record %d, record %d was asked for", offset, p.received)
	}
	for _, id := range ids {
		if other, twice := p.seen[id]; twice && other != n {
			return false, p.incomplete(rest.DuplicateRecord, "%q is also on page %d", rest.Clip(id), other)
		}
		p.seen[id] = n
	}
	p.received += count
	total, err := p.number(res.Header, "X-Pagination-Items")
	if err != nil {
		return false, err
	}
	if total >= 0 && p.total >= 0 && total != p.total {
		return false, p.incomplete(rest.TotalChanged, "%d records were announced, now %d", p.total, total)
	}
	p.total = max(p.total, total)
	return p.ended(res, count)
}

// ended reports whether the list has provably ended with the latest page.
func (p *pager) ended(res *rest.Response, count int) (bool, error) {
	next := res.Header.Get("X-Pagination-Next") != ""
	chained := p.chained
	p.chained = chained || next
	switch {
	case p.total >= 0 && p.received > p.total:
		return false, p.incomplete(rest.ItemsMismatch, "%d records of %d announced", p.received, p.total)
	case p.total >= 0 && p.received == p.total:
		return true, nil
	case p.total >= 0 && count == 0:
		return false, p.incomplete(rest.PageMissing, "it is empty after %d records of %d announced", p.received, p.total)
	case p.total >= 0 && !p.paginated:
		return false, p.incomplete(rest.ItemsMismatch, "%d records of %d announced", p.received, p.total)
	case p.total >= 0:
		return false, nil
	case count == 0 && next:
		return false, p.incomplete(rest.PageMissing, "it is empty, but another is announced")
	}
	return count == 0 || chained && !next, nil
}

// number reads a header of the pagination; -1 when it is absent.
func (p *pager) number(header http.Header, name string) (int, error) {
	text := header.Get(name)
	if text == "" {
		return -1, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, p.incomplete(rest.ItemsMismatch, "%s is %q", name, rest.Clip(text))
	}
	return int(n), nil
}

// identities returns the ids on a page, and the number of records, which is
// greater when some have no readable id.
func identities(c Collection, page int, body []byte) (ids []ID, count int, err error) {
	var all []struct {
		ID ID `json:"id"`
	}
	// Nearly every page is as it should be, and read faster as a whole. What is not is looked at record by record.
	if json.Unmarshal(body, &all) == nil && all != nil {
		ids = make([]ID, 0, len(all))
		for _, record := range all {
			if record.ID != "" {
				ids = append(ids, record.ID)
			}
		}
		return ids, len(all), nil
	}
	return identitiesOneByOne(c, page, body)
}

// identitiesOneByOne does so whatever is wrong with the records, and says where a page is no list of records.
func identitiesOneByOne(c Collection, page int, body []byte) (ids []ID, count int, err error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	fail := func(err error) ([]ID, int, error) { return nil, 0, listError(c, page, body, dec, err) }
	if err := openList(dec); err != nil {
		return fail(err)
	}
	for dec.More() {
		var record struct {
			ID ID `json:"id"`
		}
		if err := dec.Decode(&record); err != nil && !wrongType(err) {
			return fail(err)
		}
		if record.ID != "" {
			ids = append(ids, record.ID)
		}
		count++
	}
	if err := closeList(dec); err != nil {
		return fail(err)
	}
	return ids, count, nil
}
