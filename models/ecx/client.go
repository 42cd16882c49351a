package ecx

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ixagent/ixagent/models/rest"
	"github.com/ixagent/ixagent/models/secret"
)

// The defaults of Options.
const (
	DefaultMaxBody  = 64 << 20
	DefaultMaxList  = 1 << 30
	DefaultPageSize = 1000
)

// Options configures a Client. Of the embedded ones only BaseURL is required: it is the root of the API, as in
// https://api.example.net. Auth is what [ClientCredentials] returns, or nil.
type Options struct {
	rest.Options

	// MaxBody bounds one answer after decompression, MaxList all pages of a list, in bytes.
	MaxBody, MaxList int64

	// PageSize is the number of records to ask for at a time. A server may send fewer.
	PageSize int
}

// Client reads from one exchange. It may be used concurrently.
type Client struct {
	rest             *rest.Client
	maxBody, maxList int64
	pageSize         int
}

// New returns a client that has not yet spoken to the exchange.
func New(o Options) (*Client, error) {
	r, err := rest.New(o.Options)
	if err != nil {
		return nil, err
	}
	return &Client{
		rest:     r,
		maxBody:  cmp.Or(o.MaxBody, DefaultMaxBody),
		maxList:  cmp.Or(o.MaxList, DefaultMaxList),
		pageSize: cmp.Or(max(0, o.PageSize), DefaultPageSize),
	}, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.rest.Close() }

// ClientCredentials obtains tokens by the OAuth 2 client credentials grant, as a JSON object at /oauth2/v1/token.
func ClientCredentials(id string, word secret.Text) func(*rest.Client) (*rest.Session, error) {
	return func(c *rest.Client) (*rest.Session, error) {
		if id == "" || word.Empty() {
			return nil, errors.New("client id or client secret is empty")
		}
		body, err := json.Marshal(map[string]string{
			"grant_type": "client_credentials", "client_id": id, "client_secret": word.Reveal(),
		})
		if err != nil {
			return nil, err
		}
		return rest.NewSession(func(ctx context.Context, _ string) (rest.Grant, error) {
			return obtain(ctx, c, body)
		}), nil
	}
}

func obtain(ctx context.Context, c *rest.Client, body []byte) (rest.Grant, error) {
	const path, limit = "/oauth2/v1/token", 1 << 20
	res, err := c.Once(ctx, rest.Request{Method: http.MethodPost, Path: path, Body: body, Limit: limit}, "")
	if err != nil {
		return rest.Grant{}, err
	}
	var answer struct {
		AccessToken  string      `json:"access_token"`
		TokenTimeout json.Number `json:"token_timeout"`
		ExpiresIn    json.Number `json:"expires_in"`
	}
	if err := json.Unmarshal(res.Body, &answer); err != nil || answer.AccessToken == "" {
		// The body may hold a token, so the error does not quote it.
		return rest.Grant{}, fmt.Errorf("POST %s: %w: the answer holds no access token", path, rest.ErrUnauthenticated)
	}
	g := rest.Grant{Access: answer.AccessToken, Lifetime: rest.Lifetime(answer.AccessToken, time.Now())}
	const longest = 365 * 24 * 3600
	if seconds, err := cmp.Or(answer.TokenTimeout, answer.ExpiresIn).Int64(); err == nil && seconds > 0 {
		g.Lifetime = time.Duration(min(seconds, longest)) * time.Second
	}
	return g, nil
}

// Get returns one record, as JSON.
func (c *Client) Get(ctx context.Context, collection Collection, uuid string) (json.RawMessage, error) {
	if uuid == "" {
		return nil, fmt.Errorf("%s: %w: the uuid is empty", collection, rest.ErrNotFound)
	}
	escaped := url.PathEscape(uuid)
	if uuid == "." || uuid == ".." {
		escaped = strings.ReplaceAll(uuid, ".", "%2E")
	}
	res, err := c.rest.Do(ctx, rest.Request{Path: root + string(collection) + "/" + escaped, Limit: c.maxBody})
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// root is the path of the API.
const root = "/fabric/v4/"

// request asks for a part of a list. What is only listed by a search is asked for in the order of uuids, so that what
// changes meanwhile moves no other from page to page.
func (c *Client) request(collection Collection, offset int) (rest.Request, error) {
	switch collection {
	case Connections, Networks, ExchangeServices:
		type page struct {
			Offset int `json:"offset"`
			Limit  int `json:"limit"`
		}
		body, err := json.Marshal(map[string]any{
			"pagination": page{offset, c.pageSize},
			"sort":       []map[string]string{{"property": "/uuid", "direction": "ASC"}},
		})
		return rest.Request{Method: http.MethodPost, Path: root + string(collection) + "/search", Body: body}, err
	}
	query := url.Values{"offset": {strconv.Itoa(offset)}, "limit": {strconv.Itoa(c.pageSize)}}
	if collection == ServiceProfiles {
		query.Set("viewPoint", "zSide") // as their sellers see them, with their ports
	}
	return rest.Request{Path: root + string(collection), Query: query}, nil
}

// maxPages ends a list that does not end by itself.
const maxPages = 10_000

// List reads a whole list and returns its records as received.
//
// A list that is not provably whole is a [rest.IncompleteError], and there are no records. It is whole when its pages,
// each full but for the last, add up to a total that stays the same. The API does not promise that pages are of one
// moment: a list of several pages is read twice, and must name the same records in the same order both times.
func (c *Client) List(ctx context.Context, collection Collection) ([]json.RawMessage, error) {
	first := pager{client: c, collection: collection}
	if err := first.read(ctx); err != nil {
		return nil, err
	}
	if first.pages > 1 {
		again := pager{client: c, collection: collection}
		if err := again.read(ctx); err != nil {
			return nil, err
		}
		if !slices.Equal(first.uuids, again.uuids) {
			return nil, again.incomplete(rest.PageChanged, "a second read names other records")
		}
		return again.records, nil
	}
	return first.records, nil
}

// pager reads the pages of one list in order.
type pager struct {
	client     *Client
	collection Collection

	records []json.RawMessage
	uuids   []string
	pages   int
	total   int
	size    int64
	seen    map[string]int // page by uuid
}

func (p *pager) incomplete(reason rest.IncompleteReason, format string, args ...any) error {
	return &rest.IncompleteError{
		Collection: string(p.collection), Page: max(1, p.pages), Reason: reason, Detail: fmt.Sprintf(format, args...),
	}
}

// read reads from the first page to the provable end.
func (p *pager) read(ctx context.Context) error {
	p.seen = make(map[string]int)
	for p.pages < maxPages {
		r, err := p.client.request(p.collection, len(p.records))
		if err != nil {
			return err
		}
		r.Limit = min(p.client.maxBody, p.client.maxList-p.size)
		res, err := p.client.rest.Do(ctx, r)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return err
		case errors.Is(err, rest.ErrTooLarge):
			return fmt.Errorf("%s: after %d bytes on %d pages: %w", p.collection, p.size, p.pages, err)
		case p.pages > 0:
			return &rest.IncompleteError{Collection: string(p.collection), Page: p.pages + 1, Reason: rest.PageMissing, Err: err}
		default:
			return err
		}
		p.size += int64(len(res.Body))
		p.pages++
		if end, err := p.page(res.Body); end || err != nil {
			return err
		}
	}
	return p.incomplete(rest.NoEnd, "gave up")
}

// page takes account of the latest page and reports whether it is the last.
func (p *pager) page(body []byte) (end bool, err error) {
	var answer struct {
		Pagination struct{ Offset, Limit, Total *int }
		Data       []json.RawMessage
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return false, fmt.Errorf("%s: page %d is no list: %w", p.collection, p.pages, err)
	}
	is, count := answer.Pagination, len(answer.Data)
	switch received := len(p.records); {
	case answer.Data == nil || is.Total == nil || is.Limit == nil:
		return false, p.incomplete(rest.NoEnd, "the answer has no data, or no pagination with limit and total")
	case *is.Total < 0 || *is.Limit < 0:
		return false, p.incomplete(rest.ItemsMismatch, "limit is %d and total %d", *is.Limit, *is.Total)
	case is.Offset != nil && *is.Offset > received:
		return false, p.incomplete(rest.PageMissing, "it starts at record %d, record %d was asked for", *is.Offset, received)
	case is.Offset != nil && *is.Offset < received:
		return false, p.incomplete(rest.PageRepeated, "it starts at record %d, record %d was asked for", *is.Offset, received)
	case p.pages > 1 && *is.Total != p.total:
		return false, p.incomplete(rest.TotalChanged, "%d records were announced, now %d", p.total, *is.Total)
	case received+count > *is.Total:
		return false, p.incomplete(rest.ItemsMismatch, "%d records of %d announced", received+count, *is.Total)
	case count < min(*is.Limit, *is.Total-received) || count == 0 && received < *is.Total:
		return false, p.incomplete(rest.PageShort, "%d records where %d may be, after %d of %d announced", count, *is.Limit, received, *is.Total)
	}
	p.total = *is.Total
	for _, text := range answer.Data {
		uuid := identify(text) // what has none is a matter of Decode
		if other, twice := p.seen[uuid]; twice && other != p.pages && uuid != "" {
			return false, p.incomplete(rest.DuplicateRecord, "%q is also on page %d", rest.Clip(uuid), other)
		}
		p.seen[uuid] = p.pages
		p.uuids = append(p.uuids, uuid)
	}
	p.records = append(p.records, answer.Data...)
	return len(p.records) == p.total, nil
}
