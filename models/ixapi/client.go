package ixapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ixagent/ixagent/models/rest"
)

// The defaults of Options.
const (
	DefaultMaxBody  = 64 << 20
	DefaultMaxList  = 1 << 30
	DefaultTimeout  = rest.DefaultTimeout
	DefaultRetryFor = rest.DefaultRetryFor
	DefaultPageSize = 1000
)

// Options configures a Client. Only BaseURL is required.
type Options struct {
	// BaseURL is where the collections are, such as
	// https://ixapi.example.net/api/v2.
	BaseURL string

	// Auth is nil for an exchange that asks for no authentication.
	Auth Auth

	TLS TLSOptions

	// AllowPlaintext permits credentials to be sent over plain HTTP to a host
	// other than this one.
	AllowPlaintext bool

	// HTTPClient replaces the client's own transport, and TLS with it.
	HTTPClient *http.Client

	// MaxBody bounds one answer after decompression, MaxList all pages of a
	// list, in bytes.
	MaxBody, MaxList int64

	// PageSize is the page_limit to ask for. 0 asks for DefaultPageSize where
	// /implementation says that pagination is supported, and otherwise, like a
	// negative PageSize, for none; a list that is paginated nevertheless is
	// read to its end.
	PageSize int

	// Timeout bounds one attempt of one request, RetryFor all attempts of it.
	// A negative RetryFor means a single attempt.
	Timeout, RetryFor time.Duration

	UserAgent string
	Logger    *slog.Logger
}

// TLSOptions says how the exchange proves itself and how the client does.
type TLSOptions = rest.TLSOptions

// Client reads from one exchange. It may be used concurrently. It starts no
// goroutines but those of net/http, which Close ends.
type Client struct {
	rest    *rest.Client
	maxBody int64
	maxList int64

	pages    sync.Mutex
	pageSize int
	asked    bool // pageSize is settled
}

// New returns a client that has not yet spoken to the exchange.
func New(o Options) (*Client, error) {
	c := &Client{
		maxBody:  cmp.Or(o.MaxBody, DefaultMaxBody),
		maxList:  cmp.Or(o.MaxList, DefaultMaxList),
		pageSize: max(0, o.PageSize),
		asked:    o.PageSize != 0,
	}
	options := rest.Options{
		BaseURL: o.BaseURL, TLS: o.TLS, AllowPlaintext: o.AllowPlaintext, HTTPClient: o.HTTPClient,
		Timeout: o.Timeout, RetryFor: o.RetryFor, UserAgent: o.UserAgent, Logger: o.Logger,
	}
	if o.Auth != nil {
		options.Auth = o.Auth.session
	}
	var err error
	if c.rest, err = rest.New(options); err != nil {
		return nil, err
	}
	return c, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.rest.Close() }

// Path returns the path of a record, with an id of any characters.
func Path(c Collection, id ID) string {
	escaped := url.PathEscape(id)
	if id == "." || id == ".." {
		escaped = strings.ReplaceAll(id, ".", "%2E")
	}
	return "/" + string(c) + "/" + escaped
}

// Get returns one record, as JSON.
func (c *Client) Get(ctx context.Context, collection Collection, id ID) ([]byte, error) {
	if id == "" {
		return nil, fmt.Errorf("%s: %w: the id is empty", collection, ErrNotFound)
	}
	res, err := c.get(ctx, Path(collection, id), nil, c.maxBody)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// Health is what an exchange says about its API. Status is pass, warn or fail.
type Health struct {
	Status      string   `json:"status"`
	Version     string   `json:"version"`
	ReleaseID   string   `json:"releaseId"`
	ServiceID   string   `json:"serviceId"`
	Description string   `json:"description"`
	Output      string   `json:"output"`
	Notes       []string `json:"notes"`
}

// Health asks for /health.
func (c *Client) Health(ctx context.Context) (Health, error) {
	return document[Health](ctx, c, "/health")
}

// Implementation is what an exchange says it supports of IX-API.
type Implementation struct {
	SchemaVersion                      string   `json:"schema_version"`
	ServiceVersion                     string   `json:"service_version"`
	SupportedNetworkServiceTypes       []string `json:"supported_network_service_types"`
	SupportedNetworkServiceConfigTypes []string `json:"supported_network_service_config_types"`
	SupportedNetworkFeatureTypes       []string `json:"supported_network_feature_types"`
	SupportedNetworkFeatureConfigTypes []string `json:"supported_network_feature_config_types"`
	SupportedOperations                []string `json:"supported_operations"`
	SupportedFeatures                  struct {
		Pagination bool `json:"pagination"`
	} `json:"supported_features"`
}

// Implementation asks for /implementation.
func (c *Client) Implementation(ctx context.Context) (Implementation, error) {
	return document[Implementation](ctx, c, "/implementation")
}

// document reads a JSON object. Fields of a wrong type are left zero.
func document[T any](ctx context.Context, c *Client, path string) (T, error) {
	var doc T
	res, err := c.get(ctx, path, nil, c.maxBody)
	if err != nil {
		return doc, err
	}
	if err := json.Unmarshal(res.Body, &doc); err != nil && !wrongType(err) {
		return doc, fmt.Errorf("GET %s: %w", path, err)
	}
	return doc, nil
}

// get asks for a path, and accepts an answer of up to limit bytes.
func (c *Client) get(ctx context.Context, path string, query url.Values, limit int64) (*rest.Response, error) {
	return c.rest.Do(ctx, rest.Request{Path: path, Query: query, Limit: limit})
}
