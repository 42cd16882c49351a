package source_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/rest"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// manager is an IXP Manager with switches of so many members each, which can misbehave.
type manager struct {
	switches, members int

	mu    sync.Mutex
	spoil func(path string, w http.ResponseWriter, answer []byte) bool // reports whether it has answered
	texts map[string][]byte
}

const managerKey = "an-api-key"

func newManager(switches, members int) *manager {
	m := &manager{switches: switches, members: members, texts: make(map[string][]byte)}
	var list []any
	put := func(path, name string, list any) {
		text, _ := json.Marshal(map[string]any{name: list}) // of maps and numbers
		m.texts[path] = text
	}
	for s := range switches {
		name := fmt.Sprintf("sw%d", s+1)
		list = append(list, map[string]any{"name": name, "id": s + 1, "infrastructure": 1, "active": 1})
		put("/provisioner/vlans/switch-name/"+name+".json", "vlans", []any{
			map[string]any{"name": "Peering LAN", "tag": 10, "private": false, "config_name": "peering"},
			map[string]any{"name": "Private", "tag": 666, "private": true, "config_name": "private"},
		})
		var interfaces []any
		for i := range members {
			interfaces = append(interfaces, m.iface(s, i, 0))
		}
		put("/provisioner/layer2interfaces/switch-name/"+name+".json", "layer2interfaces", interfaces)
	}
	put("/provisioner/switch/list.json", "switches", list)
	return m
}

// iface is an interface of a member as it is listed. The router is the one in use.
func (m *manager) iface(s, i, router int) any {
	v := s*m.members + i + 1
	return map[string]any{
		"type": "edge", "description": fmt.Sprint("member", v), "dot1q": i%2 == 1, "virtualinterfaceid": v, "lagframing": false,
		"vlans": []any{map[string]any{
			"number": 10, "vlaninterfaceid": v, "macaddresses": []string{fmt.Sprintf("00:53:00:%02x:%02x:%02x", router, v>>8, v&255)},
			"ipaddresses": map[string]any{"ipv4": "192.0.2.1"},
		}},
		"name": fmt.Sprintf("Ethernet%d", i+1), "shutdown": false, "status": "connected", "speed": 10000, "rate_limit": nil, "autoneg": true,
	}
}

func (m *manager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-IXP-Manager-API-Key") != managerKey {
		http.Error(w, "Unauthorised", http.StatusUnauthorized)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	text, ok := m.texts[r.URL.Path]
	switch {
	case !ok:
		http.NotFound(w, r)
	case m.spoil == nil || !m.spoil(r.URL.Path, w, text):
		_, _ = w.Write(text)
	}
}

func (m *manager) misbehave(spoil func(path string, w http.ResponseWriter, answer []byte) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spoil = spoil
}

// configured returns the configuration of an agent for an IXP Manager.
func (m *manager) configured(t testing.TB, url string) *config.Config {
	t.Helper()
	t.Setenv("IXPM_KEY", managerKey)
	t.Setenv("SWITCH", "x")
	var b strings.Builder
	fmt.Fprintf(&b, `
sources:
  - {name: exchange, type: ixpmanager, url: %q, auth: {type: static, secret: env:IXPM_KEY}}
credentials:
  lab: {username: admin, password: env:SWITCH}
inventory:
  exchange_lans:
    - {network_service: vlan-10, name: peering, quarantine: {name: quarantine}}
  virtual_interfaces:
    - {id: 2, inner: [{vlan: 10, inner: 7}]}
  devices:
`, url)
	for s := range m.switches {
		fmt.Fprintf(&b, "    - {name: sw%d, driver: memory, address: 192.0.%d.%d, credentials: lab, ports: [", s+1, s/250, s%250+1)
		for i := range m.members {
			fmt.Fprintf(&b, "{id: sw%d/Ethernet%d, interface: Ethernet%[2]d}, ", s+1, i+1)
		}
		b.WriteString("]}\n")
	}
	c, err := config.Parse("ixagent.yaml", []byte(b.String()), os.ReadFile, drivers.Registry{"memory": memory.Spec()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// managed returns an IXP Manager, and a source that reads it.
func managed(t testing.TB, switches, members int) (*manager, *config.Config, *source.Source) {
	t.Helper()
	m := newManager(switches, members)
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	c := m.configured(t, server.URL)
	s, err := source.New(c.Sources[0], source.Options{VirtualInterfaces: c.Inventory.VirtualInterfaces})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return m, c, s
}

func TestIXPManagerIsReadAsRecordsOfIXAPI(t *testing.T) {
	_, _, s := managed(t, 2, 10)
	snapshot, changed, err := s.Read(t.Context())
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	if snapshot.Counts[ixapi.Connections] != 20 || snapshot.Counts[ixapi.NetworkServiceConfigs] != 20 || len(snapshot.Faults) > 0 {
		t.Errorf("%v, %v", snapshot.Counts, snapshot.Faults)
	}
	for i := range snapshot.Records.NetworkServiceConfigs {
		if n := &snapshot.Records.NetworkServiceConfigs[i]; (n.VLANConfig.Type == ixapi.VLANTypeQinQ) != (n.Connection == "vi-2") {
			t.Errorf("%s is %+v", n.ID, n.VLANConfig)
		}
	}
	if again, changed, err := s.Read(t.Context()); again != snapshot || changed || err != nil {
		t.Error(changed, err)
	}
}

func TestMisbehavingIXPManagerNeverTakesRecordsAway(t *testing.T) {
	const listPath, of2 = "/provisioner/switch/list.json", "/provisioner/layer2interfaces/switch-name/sw2.json"
	on := func(path string, f func(w http.ResponseWriter, answer []byte)) func(string, http.ResponseWriter, []byte) bool {
		return func(p string, w http.ResponseWriter, answer []byte) bool {
			if p == path {
				f(w, answer)
			}
			return p == path
		}
	}
	status := func(code int) func(http.ResponseWriter, []byte) {
		return func(w http.ResponseWriter, _ []byte) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(code)
		}
	}
	text := func(text string) func(http.ResponseWriter, []byte) {
		return func(w http.ResponseWriter, _ []byte) { _, _ = w.Write([]byte(text)) }
	}
	for _, c := range []struct {
		name  string
		spoil func(string, http.ResponseWriter, []byte) bool
		says  string
	}{
		{"cut in half", on(of2, func(w http.ResponseWriter, answer []byte) { _, _ = w.Write(answer[:len(answer)/2]) }), "cut short"},
		{"one switch has nothing", on(of2, text(`{"layer2interfaces":[]}`)), "connections: 10 of 20 are gone, at most 3 may be"},
		{"no switches", on(listPath, text(`{"switches":[]}`)), "connections: 20 of 20 are gone"},
		{"null", on(of2, text(`{"layer2interfaces":null}`)), "is null and not a list"},
		{"unreadable", on(of2, func(w http.ResponseWriter, answer []byte) {
			_, _ = w.Write([]byte(strings.ReplaceAll(string(answer), `"virtualinterfaceid":`, `"vi":`)))
		}), "10 of 20 are gone"},
		{"a log-in page", on(of2, text(`<html>`)), "not a list"},
		{"not this key", on(of2, status(401)), "401 Unauthorized"},
		{"no superuser", on(listPath, status(403)), "403 Forbidden"},
		{"a switch is unknown", on(of2, status(404)), "404 Not Found"},
		{"fails", on(of2, status(500)), "500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, _, s := managed(t, 2, 10)
			before, _, err := s.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			m.misbehave(c.spoil)
			snapshot, _, err := s.Read(t.Context())
			if err == nil || snapshot != nil {
				t.Fatal("the answer was accepted")
			}
			if !strings.HasPrefix(err.Error(), "source exchange: ") || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), managerKey) {
				t.Errorf("error is %q, without %q", err, c.says)
			}
			if s.Status().Snapshot != before {
				t.Error("the snapshot is gone")
			}
			m.misbehave(nil)
			if after, changed, err := s.Read(t.Context()); err != nil || changed || after != before {
				t.Errorf("no recovery: changed %v, %v", changed, err)
			}
		})
	}
}

func TestIXPManagerInMaintenanceIsLeftAlone(t *testing.T) {
	m, _, s := managed(t, 1, 1)
	m.misbehave(func(_ string, w http.ResponseWriter, _ []byte) bool {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	_, _, err := s.Read(t.Context())
	var problem *rest.ProblemError
	if !errors.As(err, &problem) || problem.RetryAfter != time.Minute {
		t.Errorf("%v", err)
	}
}

func TestSwitchesThatComeWhileTheyAreReadAreReadAgain(t *testing.T) {
	m, _, s := managed(t, 2, 3)
	reads := 0
	m.misbehave(func(path string, w http.ResponseWriter, _ []byte) bool {
		if path != "/provisioner/switch/list.json" {
			return false
		}
		if reads++; reads == 1 {
			_, _ = w.Write([]byte(`{"switches":[{"name":"sw1"}]}`))
		}
		return reads == 1
	})
	if snapshot, _, err := s.Read(t.Context()); err != nil || snapshot.Counts[ixapi.Connections] != 6 || reads != 4 {
		t.Error(reads, err)
	}
}

// compare plans for every switch, as the agent does by itself, and returns the changes of all.
func compare(c *config.Config, compiled *compile.Compiler, observed map[string]switchcfg.State) (changes int) {
	for _, d := range c.Inventory.Devices {
		in := compiled.Intent(d.Name)
		s := guard.Situation{Config: c, Device: d, Intent: in, Now: time.Now()}
		p := plan.Build(plan.Input{Device: d.Name, Observed: observed[d.Name], Intent: *in, Scope: d.Scope(), Traits: memory.Capabilities().Traits, Guard: s.Unlisted()})
		changes += len(p.Changes)
	}
	return changes
}

// pass reads an IXP Manager over HTTP, maps, compiles and compares.
func pass(t testing.TB, c *config.Config, s *source.Source, compiled *compile.Compiler, observed map[string]switchcfg.State) int {
	snapshot, _, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	compiled.Set(snapshot.Records, snapshot.Faults, time.Now())
	return compare(c, compiled, observed)
}

const manySwitches, manyMembers = 200, 50

func TestOneChangeInALargeExchangeIsOneChange(t *testing.T) {
	m, c, s := managed(t, manySwitches, manyMembers)
	compiled := compile.New(&c.Inventory, c.Policy, compile.NewAllocations(nil, time.Hour))
	if n := pass(t, c, s, compiled, nil); n < 3*manySwitches*manyMembers {
		t.Fatalf("%d changes", n)
	}
	observed := make(map[string]switchcfg.State)
	for _, d := range c.Inventory.Devices {
		observed[d.Name] = compiled.Intent(d.Name).State
	}
	m.mu.Lock()
	path := "/provisioner/layer2interfaces/switch-name/sw7.json"
	m.texts[path] = []byte(strings.Replace(string(m.texts[path]), "00:53:00:00:", "00:53:00:01:", 1))
	m.mu.Unlock()
	if n := pass(t, c, s, compiled, observed); n != 1 {
		t.Fatalf("%d changes", n)
	}
}

// BenchmarkIXPManager is a pass over an exchange of 200 switches with 50 members each, in which a member has changed
// something, next to what parsing the JSON of it alone takes.
func BenchmarkIXPManager(b *testing.B) {
	m, c, s := managed(b, manySwitches, manyMembers)
	compiled := compile.New(&c.Inventory, c.Policy, compile.NewAllocations(nil, time.Hour))
	pass(b, c, s, compiled, nil)
	observed := make(map[string]switchcfg.State)
	for _, d := range c.Inventory.Devices {
		observed[d.Name] = compiled.Intent(d.Name).State
	}
	b.Run("pass", func(b *testing.B) {
		const path = "/provisioner/layer2interfaces/switch-name/sw7.json"
		whole, n := string(m.texts[path]), 0
		for b.Loop() {
			n++
			m.mu.Lock()
			m.texts[path] = []byte(strings.Replace(whole, "00:53:00:", fmt.Sprintf("00:53:%02x:", n%255+1), 1))
			m.mu.Unlock()
			if changes := pass(b, c, s, compiled, observed); changes != 1 {
				b.Fatalf("%d changes", changes)
			}
		}
	})
	b.Run("json", func(b *testing.B) {
		for b.Loop() {
			for _, text := range m.texts {
				var v any
				if err := json.Unmarshal(text, &v); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
