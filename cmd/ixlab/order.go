package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/agent"
	"github.com/ixagent/ixagent/lab/exchange"
	"github.com/ixagent/ixagent/lab/exchange/store"
	"github.com/ixagent/ixagent/lab/host"
	"github.com/ixagent/ixagent/lab/topology"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// walk is a way through an exchange's orders.
type walk struct {
	name, short string
	set         string // data set
	orders      func(*walker, context.Context) error
}

func walks() []walk {
	return []walk{
		{"ix-api", "account, contact, roles, connection, peering LAN: the getting started of IX-API", "market", (*walker).gettingStarted},
		{"services", "line with two tags, tree, group and cloud over IX-API", "market", (*walker).services},
		{"ecx-seller", "a service profile of ECX: made, looked at and published", "ecx", (*walker).sells},
		{"ecx-buyer", "connections of ECX: ordered, approved by the seller, and given up; one between QinQ ports", "ecx", (*walker).buys},
		{"ecx-reseller", "connections of ECX by way of a reseller, both options", "ecx", (*walker).resells},
	}
}

func newOrder() *cobra.Command {
	var in string
	var wires bool
	c := &cobra.Command{
		Use:   "order WALK",
		Short: "Order at a sandbox exchange, step by step, and see the switches follow",
		Long: `Order at a sandbox exchange, step by step, and see the switches follow. A sandbox exchange that has sold nothing yet runs
on this machine, with its switches and the agent. Each request is shown with its answer, and what the agent makes of it on
the switches. Nothing is left behind. The walks:

` + walkList() + `
Where the machine lets it make network namespaces, members' routers are cabled to the switches, and frames between them
show what was ordered.`,
		Example: `  ixlab order ix-api
  ixlab order services
  ixlab order ecx-seller
  ixlab order ecx-buyer
  ixlab order ecx-reseller`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			i := slices.IndexFunc(walks(), func(w walk) bool { return w.name == args[0] })
			if i < 0 {
				return fmt.Errorf("there is no walk %q; there are\n%s", args[0], strings.TrimRight(walkList(), "\n"))
			}
			it := walks()[i]
			d := &demo{set: it.set, in: in, log: logger(c), page: newPage(c.OutOrStdout())}
			return d.somewhere(c.Context(), wires, func(ctx context.Context) error { return take(ctx, d, it) }, "order", it.name)
		},
	}
	wiresFlags(c, &wires, &in)
	return c
}

func walkList() string {
	var b strings.Builder
	for _, w := range walks() {
		fmt.Fprintf(&b, "  %-13s %s\n", w.name, w.short)
	}
	return b.String()
}

// walker goes a walk. It ends with the first thing that is not as it should be.
type walker struct {
	*demo
	url    string // of the agent
	client *http.Client
	carry  map[string]switchcfg.State // what the switches carried when they were last shown
	probes *probing                   // of the lab with wires; nil without
}

// take goes a walk from the beginning to the end.
func take(ctx context.Context, d *demo, it walk) (err error) {
	start := time.Now()
	if d.lab, err = newLab(ctx, it.set, d.dir, d.wires, d.in, d.log); err != nil {
		return fmt.Errorf("the lab did not start: %w", err)
	}
	defer func() { err = errors.Join(err, d.lab.Close()) }()
	w := &walker{demo: d, carry: make(map[string]switchcfg.State)}
	trust, err := d.lab.config.Sources[0].TLS.Config()
	if err != nil {
		return err
	}
	transport := &http.Transport{TLSClientConfig: trust}
	defer transport.CloseIdleConnections()
	w.client = &http.Client{Transport: transport, Timeout: patience}
	d.introduce(start)
	if d.pass, err = agent.NewPass(ctx, d.options()); err != nil {
		return fmt.Errorf("the exchange was not read: %w", err)
	}
	defer func() { err = errors.Join(err, d.pass.Close()) }()
	if d.wires != nil {
		l, err := topology.Find(ctx, d.in)
		if err != nil {
			return err
		}
		if w.probes, err = newProbing(ctx, l); err != nil {
			return err
		}
		defer w.probes.close()
	}
	return daemon(ctx, d.options(), func(ctx context.Context, url string) error {
		w.url = url
		if err := d.lab.Exchange.Subscribe(exchange.Subscriber{URL: url + "/api/v1/events", Token: d.lab.Token}); err != nil {
			return err
		}
		for _, device := range d.pass.Devices() {
			if w.carry[device], err = d.pass.Observe(ctx, device); err != nil {
				return err
			}
		}
		if err := it.orders(w, ctx); err != nil {
			return err
		}
		d.page.heading("Done in %v", round(time.Since(start)))
		return d.page.err
	})
}

// party is somebody who asks an exchange.
type party struct {
	*walker
	base  string // of the API's URL
	token string
}

// ask sends a request and returns the answer, which must be a JSON object. Both are shown, of the answer the fields named
// in shown.
func (p *party) ask(ctx context.Context, method, path string, body store.Object, shown ...string) (store.Object, error) {
	return p.askShowing(ctx, method, path, body, true, shown...)
}

// quietly does what ask does, and shows nothing.
func (p *party) quietly(ctx context.Context, method, path string, body store.Object) (store.Object, error) {
	return p.askShowing(ctx, method, path, body, false)
}

func (p *party) askShowing(ctx context.Context, method, path string, body store.Object, show bool, shown ...string) (store.Object, error) {
	var sent any // nil without a body
	if body != nil {
		sent = body
	}
	text, err := p.send(ctx, method, path, sent, show)
	if err != nil {
		return nil, err
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	answer, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s %s was answered with something else than an object", method, path)
	}
	if show {
		p.answered(answer, shown)
	}
	return answer, nil
}

// list reads a list, and shows how many there are and the named fields of the first.
func (p *party) list(ctx context.Context, path string, shown ...string) ([]store.Object, error) {
	text, err := p.send(ctx, http.MethodGet, path, nil, len(shown) > 0)
	if err != nil {
		return nil, err
	}
	var all []store.Object
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&all); err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("GET %s: nothing is listed", path)
	}
	if len(shown) > 0 {
		p.page.line("  %d of them, such as", len(all))
		p.answered(all[0], shown)
	}
	return all, nil
}

func (p *party) send(ctx context.Context, method, path string, body any, show bool) ([]byte, error) {
	var sent []byte
	if body != nil {
		var err error
		if sent, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	if show {
		p.page.line("%s %s", method, path)
		if body != nil {
			p.page.json(">", secretless(sent))
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, bytes.NewReader(sent))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", mediaType(method, body))
	}
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, res.Status, bytes.TrimSpace(text))
	}
	return text, err
}

// mediaType returns that of a body: a list of operations is a JSON patch (RFC 6902).
func mediaType(method string, body any) string {
	if _, object := body.(store.Object); method == http.MethodPatch && !object {
		return "application/json-patch+json"
	}
	return "application/json"
}

// secretless hides the secrets in a JSON text.
func secretless(text []byte) []byte {
	return regexp.MustCompile(`("(?:api_secret|client_secret)":)"[^"]*"`).ReplaceAll(text, []byte(`$1"***"`))
}

// answered shows fields of an answer.
func (p *party) answered(answer store.Object, shown []string) {
	var parts []string
	for _, name := range shown {
		if text := field(answer, name); text != "" {
			parts = append(parts, name+" "+text)
		}
	}
	if len(parts) > 0 {
		p.page.json("<", []byte(strings.Join(parts, ", ")))
	}
}

// field returns what a person is told of a field: of status messages their tags and words, nothing where there are none.
func field(answer store.Object, name string) string {
	if text, ok := answer.Text(name); ok {
		return text
	}
	messages, _ := answer[name].([]any)
	var out []string
	for _, v := range messages {
		if m, ok := v.(map[string]any); ok && name == "status" {
			out = append(out, fmt.Sprintf("%v (%v)", m["tag"], m["message"]))
		}
	}
	if name == "status" {
		return strings.Join(out, ", ")
	}
	text, err := json.Marshal(answer[name])
	if err != nil {
		return ""
	}
	return string(text)
}

// follows waits until something holds, and shows what has changed on the switches since they were last shown.
func (w *walker) follows(ctx context.Context, what string, met func() (bool, error)) error {
	start := time.Now()
	var fault error
	err := await(ctx, "not so: "+what, func() (ok bool) {
		ok, fault = met()
		return ok || fault != nil
	})
	if err = errors.Join(err, fault); err != nil {
		return err
	}
	if err := await(ctx, "the switches do not have all of it", func() bool { return w.quiet(ctx) == nil }); err != nil {
		return err
	}
	w.page.line("%s, after %v; on the switches:", what, round(time.Since(start)))
	for _, device := range slices.Sorted(maps.Keys(w.carry)) {
		now, err := w.pass.Observe(ctx, device)
		if err != nil {
			return err
		}
		if changes := plan.Diff(w.carry[device], now); len(changes) > 0 {
			w.page.line("%s", device)
			w.page.changes(changes)
		}
		w.carry[device] = now
	}
	return nil
}

// quiet returns nil if the switches carry what the exchange says now.
func (w *walker) quiet(ctx context.Context) error {
	pass, err := agent.NewPass(ctx, w.options())
	if err != nil {
		return err
	}
	return errors.Join(w.settled(ctx, pass), pass.Close())
}

// configure tells a member's router its tags, where there are wires.
func (w *walker) configure(ctx context.Context, node, attachment string) error {
	if w.probes == nil {
		return nil
	}
	a, err := host.ParseAttachment(attachment)
	if err != nil {
		return err
	}
	ns := w.probes.spaces[node]
	if ns == nil {
		return fmt.Errorf("the lab has no node %s", node)
	}
	return host.NewClient(ns.Do).Add(ctx, a)
}
