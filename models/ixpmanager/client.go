package ixpmanager

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/ixagent/ixagent/models/rest"
	"github.com/ixagent/ixagent/models/secret"
)

// KeyHeader is the header that carries the API key.
const KeyHeader = "X-IXP-Manager-API-Key"

// DefaultMaxBody bounds one answer, in bytes.
const DefaultMaxBody = 64 << 20

// parallel bounds the switches that are read at a time.
const parallel = 4

// Options configures a Client. Of the embedded ones only BaseURL is required, which is the root of the API, as in
// https://ixp.example.net/api/v4; Auth is not used.
type Options struct {
	rest.Options
	Key     secret.Text // API key of a superuser
	MaxBody int64       // of one answer after decompression, in bytes
}

// Client reads from one IXP Manager. It may be used concurrently.
type Client struct {
	rest    *rest.Client
	maxBody int64
}

// New returns a client that has not yet spoken to the exchange.
func New(o Options) (*Client, error) {
	o.Auth = rest.FixedHeader(KeyHeader, o.Key)
	r, err := rest.New(o.Options)
	if err != nil {
		return nil, err
	}
	return &Client{rest: r, maxBody: cmp.Or(o.MaxBody, DefaultMaxBody)}, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.rest.Close() }

// ErrChanged says that the list of switches was another one after all switches had been read.
var ErrChanged = errors.New("the list of switches has changed while it was read")

// Read reads all switches and what they have, whole, or returns an error. Of what was received nothing is kept but the
// records.
func (c *Client) Read(ctx context.Context) (*Records, []RecordFault, error) {
	switches, err := c.switches(ctx)
	if err != nil {
		return nil, nil, err
	}
	a := Answers{VLANs: make(map[string][]json.RawMessage), Interfaces: make(map[string][]json.RawMessage)}
	var mu sync.Mutex
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, s := range switches {
		g.Go(func() error {
			vlans, err := c.list(within, "/provisioner/vlans/switch-name/"+url.PathEscape(s.Name)+".json", "vlans")
			if err != nil {
				return err
			}
			interfaces, err := c.list(within, "/provisioner/layer2interfaces/switch-name/"+url.PathEscape(s.Name)+".json", "layer2interfaces")
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			a.VLANs[s.Name], a.Interfaces[s.Name] = vlans, interfaces
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	after, err := c.switches(ctx)
	if err != nil {
		return nil, nil, err
	}
	if !slices.Equal(names(switches), names(after)) {
		return nil, nil, ErrChanged
	}
	r, faults := decodeOf(switches, a)
	return r, faults, nil
}

// switches reads the list of switches, of which nothing may be wrong: what they have is asked for by their names.
func (c *Client) switches(ctx context.Context) ([]Switch, error) {
	const path = "/provisioner/switch/list.json"
	list, err := c.list(ctx, path, "switches")
	if err != nil {
		return nil, err
	}
	r, faults := Decode(Answers{Switches: list})
	if len(faults) > 0 {
		return nil, fmt.Errorf("GET %s: %w", path, faults[0])
	}
	return r.Switches, nil
}

func names(switches []Switch) []string {
	out := make([]string, len(switches))
	for i := range switches {
		out[i] = switches[i].Name
	}
	slices.Sort(out)
	return out
}

// list reads the list that an answer has under a name. An answer that is the bare list will do.
func (c *Client) list(ctx context.Context, path, name string) ([]json.RawMessage, error) {
	res, err := c.rest.Do(ctx, rest.Request{Path: path, Limit: c.maxBody})
	if err != nil {
		return nil, err
	}
	text := bytes.TrimSpace(res.Body)
	if len(text) > 0 && text[0] == '{' {
		var answer map[string]json.RawMessage
		if err := json.Unmarshal(text, &answer); err != nil {
			return nil, fmt.Errorf("GET %s: the answer is cut short or not JSON: %w", path, err)
		}
		found := false
		if text, found = answer[name]; !found {
			return nil, fmt.Errorf("GET %s: the answer has no %s", path, name)
		}
	}
	var list []json.RawMessage
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("GET %s: %s is cut short or not a list: %w", path, name, err)
	}
	if list == nil {
		return nil, fmt.Errorf("GET %s: %s is null and not a list", path, name)
	}
	return list, nil
}
