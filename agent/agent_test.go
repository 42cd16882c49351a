package agent

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/web"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/memory"
	"github.com/ixagent/ixagent/models/switchcfg"
	"github.com/ixagent/ixagent/testdata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const conf = `
sources: [{name: folder, type: file, path: records, poll: 1s}]
state_dir: state
listen: 127.0.0.1:1
limits: {confirm_window: 10s, max_deletes: 2}
credentials: {none: {username: x, password: "env:X"}}
inventory:
  fabric: {type: vxlan}
  pools: {vni: [1000-1999]}
  exchange_lans: [{network_service: "service:1", name: peering, vni: 100, quarantine: {name: quarantine, vni: 101}}]
  devices:
    - {name: sw1, id: "device:29139871", driver: memory, address: 192.0.2.1, credentials: none, mode: enforce, tunnel_address: 198.51.100.1,
       lags: {prefix: lag, range: 10-19}, ports: [{id: "23", interface: Ethernet23}, {id: "42", interface: Ethernet42}, {id: "5", interface: Ethernet5}]}
`

// exchange is a folder with the guide's records and an agent's configuration for it.
type exchange struct {
	t        testing.TB
	dir      string
	switches *sync.Map // *memory.Switch by device
	log      *logged
}

// logged is a log that may be read while it is written.
type logged struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newExchange(t testing.TB) *exchange {
	t.Helper()
	e := &exchange{t, t.TempDir(), new(sync.Map), new(logged)}
	records, err := testdata.Exchange("guide")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(e.dir, "records"), records); err != nil {
		t.Fatal(err)
	}
	return e
}

// edit changes the records of one list.
func (e *exchange) edit(collection string, f func(all []map[string]any) []map[string]any) {
	e.t.Helper()
	path := filepath.Join(e.dir, "records", collection+".json")
	b, err := os.ReadFile(path)
	if err != nil {
		e.t.Fatal(err)
	}
	var all []map[string]any
	if err := json.Unmarshal(b, &all); err != nil {
		e.t.Fatal(err)
	}
	if b, err = json.Marshal(f(all)); err != nil {
		e.t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", b, 0o644); err != nil {
		e.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		e.t.Fatal(err)
	}
}

// options loads the configuration, edited by pairs of old and new text.
func (e *exchange) options(edit ...string) Options {
	e.t.Helper()
	service := "service:1"
	all := readIDs(e.t, filepath.Join(e.dir, "records", "network-services.json"), "exchange_lan")
	if len(all) > 0 {
		service = all[0]
	}
	device := readIDs(e.t, filepath.Join(e.dir, "records", "devices.json"), "")[0]
	text := strings.NewReplacer("service:1", service, "device:29139871", device).Replace(conf)
	text = strings.NewReplacer(edit...).Replace(text)
	spec := memory.Spec()
	spec.Open = func(_ context.Context, d drivers.Device) (drivers.Driver, error) {
		return e.sw(d.Name).Open(d.Name), nil
	}
	registry := drivers.Registry{"memory": spec}
	c, err := config.Parse(filepath.Join(e.dir, "ixagent.yaml"), []byte(text), nil, registry)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Setenv("X", "password")
	return Options{Config: c, Drivers: registry, Log: slog.New(slog.NewTextHandler(e.log, nil)), Version: "test"}
}

func readIDs(t testing.TB, path, typ string) (ids []string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []struct{ ID, Type string }
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	for _, x := range all {
		if x.Type == typ {
			ids = append(ids, x.ID)
		}
	}
	return ids
}

func (e *exchange) sw(device string) *memory.Switch {
	s, _ := e.switches.LoadOrStore(device, memory.New(memory.Capabilities(), nil))
	return s.(*memory.Switch)
}

// eventually waits for something that happens on real sockets and files.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline:
			t.Fatalf("not within 20 s: %s", what)
		case <-tick.C:
		}
	}
}

// run runs the daemon until the test ends, and returns the URL of its pages.
func (e *exchange) run(o Options) (url string) {
	e.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		e.t.Fatal(err)
	}
	o.Listener = ln
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, o) }()
	e.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			e.t.Errorf("Run: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return "http://" + ln.Addr().String()
}

func get(t testing.TB, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func lagOf(s switchcfg.State) *switchcfg.LAG {
	for _, o := range s {
		if l, ok := o.(*switchcfg.LAG); ok {
			return l
		}
	}
	return nil
}

// The example connection of the IX-API guide is one slow LACP LAG of three ports on the switch, a change of a record
// follows, and what the pages say is true.
func TestDaemonBringsTheGuidesConnectionToTheSwitch(t *testing.T) {
	e := newExchange(t)
	url := e.run(e.options())
	eventually(t, "ready", func() bool { code, _ := get(t, url+"/-/ready"); return code == http.StatusOK })
	eventually(t, "the LAG", func() bool { return lagOf(e.sw("sw1").State()) != nil })
	lag := lagOf(e.sw("sw1").State())
	if lag.Mode != switchcfg.ModeLACP || lag.Rate != switchcfg.RateSlow || strings.Join(lag.Members, " ") != "Ethernet5 Ethernet23 Ethernet42" {
		t.Errorf("%s", switchcfg.AppendText(nil, lag))
	}
	e.edit("connections", func(all []map[string]any) []map[string]any {
		all[0]["lacp_timeout"] = "fast"
		return all
	})
	eventually(t, "the fast LAG", func() bool { return lagOf(e.sw("sw1").State()).Rate == switchcfg.RateFast })
	if code, _ := get(t, url+"/-/healthy"); code != http.StatusOK {
		t.Errorf("healthy: %d", code)
	}
	var status web.Status
	eventually(t, "nothing left to do", func() bool {
		_, body := get(t, url+"/api/v1/status")
		if err := json.Unmarshal([]byte(body), &status); err != nil {
			t.Fatal(err)
		}
		return len(status.Devices) == 1 && status.Devices[0].PlanDigest == "" && status.Devices[0].Error == ""
	})
	_, text := get(t, url+"/metrics")
	for _, want := range []string{"ixagent_build_info{", `ixagent_device_up{device="sw1"} 1`, `ixagent_changes_applied_total{device="sw1",kind="lag",verb="create"} 1`} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
}

// An exchange whose lists are cut short, shrink or vanish takes nothing away, and says so.
func TestBadReadNeverDeletes(t *testing.T) {
	e := newExchange(t)
	url := e.run(e.options())
	eventually(t, "the LAG", func() bool { return lagOf(e.sw("sw1").State()) != nil })
	eventually(t, "ready", func() bool { code, _ := get(t, url+"/-/ready"); return code == http.StatusOK })
	want := e.sw("sw1").State()
	for name, spoil := range map[string]func(string) error{
		"cut in half": func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, b[:len(b)/2], 0o644)
		},
		"not JSON": func(path string) error { return os.WriteFile(path, []byte("<html>502</html>"), 0o644) },
		"gone":     os.Remove,
	} {
		for _, list := range []string{"connections", "network-service-configs", "ports"} {
			path := filepath.Join(e.dir, "records", list+".json")
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			before := len(e.log.String())
			if err := spoil(path); err != nil {
				t.Fatal(err)
			}
			eventually(t, list+" "+name+" is told", func() bool { return strings.Contains(e.log.String()[before:], "exchange was not read") })
			if err := os.WriteFile(path, good, 0o644); err != nil {
				t.Fatal(err)
			}
			eventually(t, "recovery", func() bool {
				var status web.Status
				_, body := get(t, url+"/api/v1/status")
				return json.Unmarshal([]byte(body), &status) == nil && status.Source.Error == ""
			})
			if got := e.sw("sw1").State(); !got.Equal(want) {
				t.Fatalf("%s %s changed the switch:\n%s", list, name, got.AppendText(nil))
			}
		}
	}
}

// A decommission larger than the limit waits for a person, who can apply it.
func TestLimitHoldsUntilAPersonApplies(t *testing.T) {
	e := newExchange(t)
	ctx := t.Context()
	p, err := NewPass(ctx, e.options())
	if err != nil {
		t.Fatal(err)
	}
	pl, err := p.Plan(ctx, "sw1")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Apply(ctx, pl)[0].Err; err != nil {
		t.Fatal(err)
	}
	if pl, err = p.Plan(ctx, "sw1"); err != nil || !pl.Empty() {
		t.Fatalf("second plan: %v\n%s", err, pl.AppendText(nil))
	}
	p.Close()

	for _, list := range []string{"connections", "network-service-configs"} {
		e.edit(list, func(all []map[string]any) []map[string]any {
			for _, x := range all {
				x["state"] = "decommissioned"
			}
			return all
		})
	}
	p, err = NewPass(ctx, e.options())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if pl, err = p.Plan(ctx, "sw1"); err != nil {
		t.Fatal(err)
	}
	if len(pl.Changes) > 0 || len(pl.Withheld) == 0 || pl.Withheld[0].Reason == "" {
		t.Fatalf("%s", pl.AppendText(nil))
	}
	p.AllowDeletes(100)
	if pl, err = p.Plan(ctx, "sw1"); err != nil || len(pl.Withheld) > 0 {
		t.Fatalf("%v\n%s", err, pl.AppendText(nil))
	}
	if err := p.Apply(ctx, pl)[0].Err; err != nil {
		t.Fatal(err)
	}
	if left := e.sw("sw1").State(); len(left) > 0 {
		t.Errorf("left on the switch:\n%s", left.AppendText(nil))
	}
}

// secondSwitch puts a switch sw2 into the exchange, with one member on the peering LAN, and returns what makes the
// configuration know it.
func (e *exchange) secondSwitch() (edit []string) {
	first := func(list string, change map[string]any) {
		e.edit(list, func(all []map[string]any) []map[string]any {
			x := map[string]any{}
			for k, v := range all[0] {
				x[k] = v
			}
			for k, v := range change {
				x[k] = v
			}
			return append(all, x)
		})
	}
	first("devices", map[string]any{"id": "dev2", "name": "sw2"})
	first("ports", map[string]any{"id": "far", "device": "dev2", "connection": "far", "name": "far"})
	first("connections", map[string]any{"id": "far", "mode": "standalone", "lacp_timeout": nil, "ports": []string{"far"}})
	first("network-service-configs", map[string]any{"id": "far", "connection": "far"})
	const last = `{id: "5", interface: Ethernet5}]}`
	return []string{last, last + `
    - {name: sw2, id: dev2, driver: memory, address: 192.0.2.2, credentials: none, mode: enforce, tunnel_address: 198.51.100.2,
       lags: {prefix: lag, range: 10-19}, ports: [{id: far, interface: Ethernet1}]}`}
}

func (e *exchange) peers(device string) int {
	s, _ := e.sw(device).State()[switchcfg.Key{Kind: switchcfg.KindService, Name: "peering"}].(*switchcfg.Service)
	if s == nil {
		return 0
	}
	return len(s.Peers)
}

// A switch whose deletions wait for a person is not cut off from the others meanwhile, and once they are made the
// tunnel to it goes.
func TestSwitchThatWaitsIsNotCutOff(t *testing.T) {
	e := newExchange(t)
	edit := e.secondSwitch()
	pass := func(deletes int) {
		t.Helper()
		p, err := NewPass(t.Context(), e.options(edit...))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if deletes > 0 {
			p.AllowDeletes(deletes)
		}
		for _, d := range p.Devices() {
			pl, err := p.Plan(t.Context(), d)
			if err == nil {
				err = p.Apply(t.Context(), pl)[0].Err
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, pl.AppendText(nil))
			}
		}
	}
	want := func(when string, near, far int) {
		t.Helper()
		if n, f := e.peers("sw1"), e.peers("sw2"); n != near || f != far {
			t.Errorf("%s: sw1 has %d tunnels and sw2 %d, want %d and %d", when, n, f, near, far)
		}
	}
	pass(0)
	want("at first", 1, 1)
	for _, list := range []string{"connections", "network-service-configs"} {
		e.edit(list, func(all []map[string]any) []map[string]any {
			all[len(all)-1]["state"] = "decommissioned"
			return all
		})
	}
	pass(0)
	want("while sw2 waits", 1, 1)
	pass(10)
	want("when sw2 was let go on", 1, 0)
	pass(0)
	want("after that", 0, 0)
}

// The daemon does the same by itself where nothing has to wait.
func TestTunnelGoesAfterTheLastCircuitAtItsFarEnd(t *testing.T) {
	e := newExchange(t)
	edit := append(e.secondSwitch(), "max_deletes: 2", "max_deletes: 10")
	e.run(e.options(edit...))
	eventually(t, "a tunnel between the two", func() bool { return e.peers("sw1") == 1 && e.peers("sw2") == 1 })
	for _, list := range []string{"connections", "network-service-configs"} {
		e.edit(list, func(all []map[string]any) []map[string]any {
			all[len(all)-1]["state"] = "decommissioned"
			return all
		})
	}
	eventually(t, "none", func() bool { return e.peers("sw1") == 0 && len(e.sw("sw2").State()) == 0 })
}

// A number that was shown in a plan is the number that is applied, also by another process after a restart.
func TestNumbersSurviveARestart(t *testing.T) {
	e := newExchange(t)
	number := func() string {
		p, err := NewPass(t.Context(), e.options())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		return lagOf(p.Intent("sw1").State).Name
	}
	first := number()
	e.edit("connections", func(all []map[string]any) []map[string]any {
		other := map[string]any{}
		for k, v := range all[0] {
			other[k] = v
		}
		other["id"], other["ports"] = "0-sorts-first", []string{}
		return append([]map[string]any{other}, all...)
	})
	if again := number(); again != first {
		t.Errorf("%s became %s", first, again)
	}
}

// One switch that cannot be reached holds up no other.
func TestOneSwitchDownHoldsUpNoOther(t *testing.T) {
	e := newExchange(t)
	o := e.options("ports: [{id: \"23\"", "ports: [{id: \"x\", interface: Ethernet1}]}\n    - {name: sw2, id: other, driver: memory, address: 192.0.2.2, credentials: none, mode: enforce, tunnel_address: 198.51.100.2, lags: {prefix: lag, range: 10-19}, ports: [{id: \"23\"")
	// The guide's device is sw2 here, and sw1, which has no customers, is down.
	o.Config.Inventory.Devices[0].ID, o.Config.Inventory.Devices[1].ID = o.Config.Inventory.Devices[1].ID, o.Config.Inventory.Devices[0].ID
	spec := o.Drivers["memory"]
	open := spec.Open
	spec.Open = func(ctx context.Context, d drivers.Device) (drivers.Driver, error) {
		if d.Name == "sw1" {
			<-ctx.Done()
			return nil, &drivers.Error{Device: d.Name, Op: "dial", Fault: drivers.Transient, Err: ctx.Err()}
		}
		return open(ctx, d)
	}
	o.Drivers["memory"] = spec
	url := e.run(o)
	eventually(t, "answering", func() bool { code, _ := get(t, url+"/-/healthy"); return code == http.StatusOK })
	var status web.Status
	eventually(t, "a pass over sw2", func() bool {
		_, body := get(t, url+"/api/v1/status")
		return json.Unmarshal([]byte(body), &status) == nil && !status.Devices[1].LastPass.IsZero()
	})
	if !status.Devices[0].LastPass.IsZero() {
		t.Error("sw1 had a pass")
	}
	if code, reason := get(t, url+"/-/ready"); code != http.StatusServiceUnavailable || !strings.Contains(reason, "sw1") {
		t.Errorf("ready: %d %s", code, reason)
	}
}

// The daemon runs twice in one process, with metrics of its own each time.
func TestRunsTwice(t *testing.T) {
	for range 2 {
		e := newExchange(t)
		url := e.run(e.options())
		eventually(t, "ready", func() bool { code, _ := get(t, url+"/-/ready"); return code == http.StatusOK })
	}
}
