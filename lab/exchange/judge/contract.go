package judge

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Contract stands between clients and an exchange. It hands on requests and answers as they are, those that the schema
// has an operation for by way of prism, and remembers what prism says about each.
type Contract struct {
	front *httptest.Server

	mu         sync.Mutex
	requests   int // that prism saw
	violations []string
}

// NewContract starts prism between the returned contract and the exchange at that base URL.
func NewContract(t testing.TB, api string) *Contract {
	t.Helper()
	const program = "bin/clients/node_modules/.bin/prism"
	prism := filepath.Join(root(t), program)
	if _, err := os.Stat(prism); err != nil {
		lacks(t, fmt.Sprintf("%s, which `make clients` installs: %v", program, err))
	}
	doc := schema(t)
	spellOut(doc)
	base, err := url.Parse(api)
	if err != nil {
		t.Fatal(err)
	}
	judged, err := url.Parse(start(t, prism, write(t, doc), api))
	if err != nil {
		t.Fatal(err)
	}
	c := &Contract{}
	routes := http.NewServeMux()
	routes.Handle("/", httputil.NewSingleHostReverseProxy(base)) // newer than the schema
	for path, item := range doc["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			routes.Handle(strings.ToUpper(method)+" "+path, &httputil.ReverseProxy{
				Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(judged) },
				ModifyResponse: c.note,
			})
		}
	}
	c.front = httptest.NewServer(http.StripPrefix(base.Path, routes))
	c.front.URL += base.Path
	t.Cleanup(c.front.Close)
	return c
}

// URL is the base URL for clients.
func (c *Contract) URL() string { return c.front.URL }

// Check fails the test for each violation since the last call, and if there was nothing to judge since then.
func (c *Contract) Check(t testing.TB) {
	t.Helper()
	requests, violations := c.take()
	for _, v := range violations {
		t.Error(v)
	}
	if requests == 0 {
		t.Error("no request was one of the schema")
	}
	t.Logf("%d requests and answers are held against the schema", requests)
}

// take returns what was judged since the last call.
func (c *Contract) take() (requests int, violations []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	requests, violations = c.requests, c.violations
	c.requests, c.violations = 0, nil
	return requests, violations
}

// note takes what prism says about a request and its answer out of the answer.
func (c *Contract) note(r *http.Response) error {
	const header = "Sl-Violations"
	text := r.Header.Get(header)
	r.Header.Del(header)
	// Of many violations, some follow this.
	_, list, many := strings.Cut(text, "Too many violations! ")
	if !many {
		list = text
	}
	var said []struct {
		Location []string `json:"location"`
		Message  string   `json:"message"`
	}
	if list != "" {
		if err := json.Unmarshal([]byte(list), &said); err != nil {
			return fmt.Errorf("prism: %w in %s", err, text)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range said {
		why := fmt.Sprintf("%s %s, %d: %s: %s", r.Request.Method, r.Request.URL.RequestURI(), r.StatusCode,
			strings.Join(v.Location, "."), v.Message)
		if !slices.Contains(c.violations, why) { // each alternative of a union is tried
			c.violations = append(c.violations, why)
		}
	}
	c.requests++
	return nil
}

// start starts prism in front of an API and returns where it listens. It has read the schema then.
func start(t testing.TB, prism, contract, api string) string {
	t.Helper()
	cmd := exec.Command(prism, "proxy", "--host", "127.0.0.1", "--port", "0", "--cors=false", contract, api)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening, done := make(chan string, 1), make(chan struct{})
	var said strings.Builder
	go func() {
		defer close(done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if _, at, ok := strings.Cut(lines.Text(), "Prism is listening on "); ok {
				listening <- strings.TrimSpace(at)
				break
			}
			said.WriteString(lines.Text() + "\n")
		}
		_, _ = io.Copy(io.Discard, out) // what it says is in the answers, too
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-done
		_ = cmd.Wait() // it was killed
	})
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case at := <-listening:
		return at
	case <-done:
	case <-late.C:
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-done
	}
	t.Fatalf("prism does not listen:\n%s", said.String())
	return ""
}

// spellOut writes out what discriminators in a schema say: an alternative of a union is only for the values that are
// mapped to it. Prism does not heed discriminators, and without them most unions of IX-API are ambiguous: a VLAN
// configuration of 802.1Q has all that one of a port must have.
func spellOut(v any) {
	switch v := v.(type) {
	case []any:
		for _, of := range v {
			spellOut(of)
		}
	case map[string]any:
		for _, of := range v {
			spellOut(of)
		}
		union, _ := v["oneOf"].([]any)
		discriminator, _ := v["discriminator"].(map[string]any)
		mapping, _ := discriminator["mapping"].(map[string]any)
		property, _ := discriminator["propertyName"].(string)
		for i, of := range union {
			values := []any{}
			for value, to := range mapping {
				if ref, _ := of.(map[string]any); ref["$ref"] == to {
					values = append(values, value)
				}
			}
			if len(values) > 0 {
				union[i] = map[string]any{"allOf": []any{of, map[string]any{
					"type": "object", "required": []any{property}, "properties": map[string]any{property: map[string]any{"enum": values}},
				}}}
			}
		}
	}
}
