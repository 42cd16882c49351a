package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// maxOrder bounds the body of a request and of an answer, in octets.
const maxOrder = 1 << 22

// control serves what [Client] asks.
type control struct {
	host  *Host
	links *links
}

func (c control) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, do func(r *http.Request, body *json.Decoder) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			// Read to its end, so that the server notices when the client goes away.
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOrder))
			var answer any
			if err == nil {
				d := json.NewDecoder(bytes.NewReader(body))
				d.DisallowUnknownFields()
				answer, err = do(r, d)
			}
			text, fault := json.Marshal(answer)
			if err = errors.Join(err, fault); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(append(text, '\n'))
		})
	}
	handle("GET /state", func(*http.Request, *json.Decoder) (any, error) { return c.host.State(), nil })
	handle("POST /ping", func(r *http.Request, body *json.Decoder) (any, error) {
		var p Ping
		if err := body.Decode(&p); err != nil {
			return nil, err
		}
		return c.host.Ping(r.Context(), p)
	})
	handle("POST /send", func(r *http.Request, body *json.Decoder) (any, error) {
		var s Send
		if err := body.Decode(&s); err != nil {
			return nil, err
		}
		return c.host.Send(r.Context(), s)
	})
	handle("GET /streams", func(*http.Request, *json.Decoder) (any, error) { return c.host.Streams(), nil })
	handle("DELETE /streams", func(*http.Request, *json.Decoder) (any, error) {
		c.host.Forget()
		return nil, nil
	})
	handle("GET /streams/{id}", func(r *http.Request, _ *json.Decoder) (any, error) {
		var id StreamID
		if err := id.UnmarshalText([]byte(r.PathValue("id"))); err != nil {
			return nil, err
		}
		return c.host.Received(id), nil
	})
	handle("PUT /attachments", func(_ *http.Request, body *json.Decoder) (any, error) {
		var a Attachment
		if err := body.Decode(&a); err != nil {
			return nil, err
		}
		return nil, c.host.Add(a)
	})
	handle("DELETE /attachments/{name}", func(r *http.Request, _ *json.Decoder) (any, error) {
		return nil, c.host.Remove(r.PathValue("name"))
	})
	handle("PUT /group", func(_ *http.Request, body *json.Decoder) (any, error) {
		var g Group
		if err := body.Decode(&g); err != nil {
			return nil, err
		}
		return nil, c.links.configure(g)
	})
	handle("PUT /links/{name}", func(r *http.Request, body *json.Decoder) (any, error) {
		var up bool
		if err := body.Decode(&up); err != nil {
			return nil, err
		}
		return nil, c.links.set(r.PathValue("name"), up)
	})
	return mux
}

// Client asks a running host, over its [Socket].
type Client struct{ http *http.Client }

// NewClient returns a client of the host in a network namespace. Enter runs a function inside the namespace; nil
// stands for the namespace of the process.
func NewClient(enter func(func() error) error) *Client {
	return &Client{DialSocket(Socket, enter)}
}

// DialSocket returns an HTTP client that speaks, whatever host a URL names, to an abstract Unix socket in the network
// namespace inside which enter runs a function; nil stands for that of the process.
func DialSocket(socket string, enter func(func() error) error) *http.Client {
	if enter == nil {
		enter = func(f func() error) error { return f() }
	}
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (conn net.Conn, err error) {
			err = enter(func() (err error) {
				conn, err = new(net.Dialer).DialContext(ctx, "unix", socket)
				return err
			})
			return conn, err
		},
	}}
}

// ask sends a request and decodes the answer into to, unless that is nil.
func (c *Client) ask(ctx context.Context, method, path string, order, to any) error {
	body, err := json.Marshal(order)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://host"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		if opErr := (*net.OpError)(nil); errors.As(err, &opErr) && opErr.Op == "dial" {
			return fmt.Errorf("no host runs in this network namespace: %w", opErr)
		}
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxOrder))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(text)))
	}
	if to == nil {
		return nil
	}
	return json.Unmarshal(text, to)
}

// State returns what the host knows.
func (c *Client) State(ctx context.Context) (s State, err error) {
	err = c.ask(ctx, http.MethodGet, "/state", nil, &s)
	return s, err
}

// Ping has the host do [Host.Ping].
func (c *Client) Ping(ctx context.Context, p Ping) (r Pinged, err error) {
	err = c.ask(ctx, http.MethodPost, "/ping", p, &r)
	return r, err
}

// Send has the host do [Host.Send].
func (c *Client) Send(ctx context.Context, s Send) (r Sent, err error) {
	err = c.ask(ctx, http.MethodPost, "/send", s, &r)
	return r, err
}

// Streams returns what arrived of each stream.
func (c *Client) Streams(ctx context.Context) (r []Received, err error) {
	err = c.ask(ctx, http.MethodGet, "/streams", nil, &r)
	return r, err
}

// Received returns what arrived of a stream.
func (c *Client) Received(ctx context.Context, id StreamID) (r Received, err error) {
	err = c.ask(ctx, http.MethodGet, "/streams/"+id.String(), nil, &r)
	return r, err
}

// Forget drops what is known of all streams.
func (c *Client) Forget(ctx context.Context) error {
	return c.ask(ctx, http.MethodDelete, "/streams", nil, nil)
}

// Add adds an attachment or replaces the one of its name.
func (c *Client) Add(ctx context.Context, a Attachment) error {
	return c.ask(ctx, http.MethodPut, "/attachments", a, nil)
}

// Remove takes an attachment away.
func (c *Client) Remove(ctx context.Context, name string) error {
	return c.ask(ctx, http.MethodDelete, "/attachments/"+url.PathEscape(name), nil, nil)
}

// Configure replaces the ports of the host and how they are bundled.
func (c *Client) Configure(ctx context.Context, g Group) error {
	return c.ask(ctx, http.MethodPut, "/group", g, nil)
}

// SetLink takes the interface of a port up or down.
func (c *Client) SetLink(ctx context.Context, port string, up bool) error {
	return c.ask(ctx, http.MethodPut, "/links/"+url.PathEscape(port), up, nil)
}
