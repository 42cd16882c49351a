package compile

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// sizes of the large exchange: each switch has 40 connections of 25 configs.
const (
	switches    = 1000
	connections = 40
	configs     = 25
)

// largeExchange returns an exchange of 1,000 switches with 1,000 circuits each: three in ten in the peering LAN with
// a MAC address, the rest lines between neighbouring switches, a fifth of all double-tagged.
func largeExchange(t testing.TB, switches int) (*config.Config, *ixapi.Records) {
	yaml := []byte(`sources: [{name: x, type: file, path: .}]
credentials: {lab: {username: x, password: "env:X"}}
inventory:
  fabric: {type: vxlan}
  pools: {vni: [20000-2000000]}
  exchange_lans: [{network_service: lan, name: peering, vni: 100, quarantine: {name: quarantine, vni: 101}}]
  devices:
`)
	r := &ixapi.Records{NetworkServices: []ixapi.NetworkService{{ID: "lan", Type: ixapi.ServiceExchangeLAN, State: ixapi.StateProduction}}}
	r.Connections = make([]ixapi.Connection, 0, switches*connections)
	r.Ports = make([]ixapi.Port, 0, switches*connections*2)
	r.NetworkServiceConfigs = make([]ixapi.NetworkServiceConfig, 0, switches*connections*configs)
	capacity := 1000
	for s := range switches {
		name := fmt.Sprintf("sw%d", s)
		yaml = fmt.Appendf(yaml, "    - {name: %s, driver: test, address: 10.1.%d.%d, credentials: lab, tunnel_address: 10.0.%d.%d, lags: {prefix: lag, range: 1-100}, ports: [", name, s/256, s%256, s/256, s%256)
		for c := range connections {
			id := fmt.Sprintf("conn-%d-%d", s, c)
			account := fmt.Sprintf("acct-%d", c)
			conn := ixapi.Connection{ID: id, State: ixapi.StateProduction, Mode: ixapi.ModeLAGLACP, ConsumingAccount: account}
			for p := range 2 {
				port := fmt.Sprintf("port-%d-%d-%d", s, c, p)
				yaml = fmt.Appendf(yaml, "{id: %s, interface: Ethernet%d},", port, 2*c+p)
				conn.Ports = append(conn.Ports, port)
				r.Ports = append(r.Ports, ixapi.Port{ID: port, Device: name, State: ixapi.StateProduction, Connection: id})
			}
			r.Connections = append(r.Connections, conn)
			for n := range configs {
				k := ixapi.NetworkServiceConfig{ID: fmt.Sprintf("nsc-%d-%d-%d", s, c, n), State: ixapi.StateProduction, Connection: id, ConsumingAccount: account, Type: ixapi.ServiceP2P, Capacity: &capacity}
				k.VLANConfig = &ixapi.VLANConfig{Type: ixapi.VLANTypeDot1Q, VLAN: uint16(100 + n)}
				if n%5 == 0 {
					k.VLANConfig = &ixapi.VLANConfig{Type: ixapi.VLANTypeQinQ, OuterVLAN: uint16(2000 + n), InnerVLAN: 7}
				}
				if n < configs*3/10 {
					mac := ixapi.MAC{ID: fmt.Sprintf("mac-%d-%d-%d", s, c, n), Address: fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", s/256, s%256, c, n)}
					r.MACs = append(r.MACs, mac)
					k.Type, k.NetworkService, k.MACs = ixapi.ServiceExchangeLAN, "lan", []ixapi.ID{mac.ID}
				} else {
					k.NetworkService = fmt.Sprintf("line-%d-%d-%d", s/2, c, n)
				}
				r.NetworkServiceConfigs = append(r.NetworkServiceConfigs, k)
				if k.Type == ixapi.ServiceP2P && s%2 == 0 {
					r.NetworkServices = append(r.NetworkServices, ixapi.NetworkService{ID: k.NetworkService, Type: ixapi.ServiceP2P, State: ixapi.StateProduction})
				}
			}
		}
		yaml = append(yaml, "]}\n"...)
	}
	c, err := config.Parse("bench.yaml", yaml, nil, registry())
	if err != nil {
		t.Fatal(err)
	}
	return c, r
}

// BenchmarkExchange compiles an exchange of 1,000 switches with 1,000 circuits each and compares every switch with
// one that lacks a hundredth of its circuits. What is observed of a switch is made when it is compared and dropped
// after it. MiB-records is what the records and the inventory take, MiB-compiled what the compiler takes beside
// them, MiB-peak the most that the process took, records and all, which GOMEMLIMIT bounds; cpu-s is the time of all
// processors, the garbage collector's included.
func BenchmarkExchange(b *testing.B) {
	conf, records := largeExchange(b, switches)
	compileAll := func() *Compiler {
		c := New(&conf.Inventory, conf.Policy, NewAllocations(nil, time.Hour))
		c.Set(records, nil, now)
		return c
	}
	inputs := heap()

	b.Run("compile+diff/1000x1000", func(b *testing.B) {
		resetPeak(b)
		b.ReportAllocs()
		var c *Compiler
		free := sync.Pool{New: func() any { return &reading{state: make(switchcfg.State)} }}
		start := processor()
		for b.Loop() {
			c = nil
			c = compileAll()
			devices := conf.Inventory.Devices
			changes := make([]int, len(devices))
			parallel(len(devices), func(i int) {
				desired := c.Intent(devices[i].Name).State
				observed := free.Get().(*reading)
				changes[i] = len(plan.Diff(observed.of(desired, 100), desired))
				free.Put(observed)
			})
			total := 0
			for _, n := range changes {
				total += n
			}
			if total != switches*connections*configs/100 {
				b.Fatalf("%d changes", total)
			}
		}
		b.ReportMetric((processor()-start).Seconds()/float64(b.N), "cpu-s/op")
		b.ReportMetric(peak(b), "MiB-peak")
		if r := c.Rejections(); len(r) > 0 {
			b.Fatalf("%d rejections, the first %+v", len(r), r[0])
		}
		b.ReportMetric(inputs, "MiB-records")
		b.ReportMetric(heap()-inputs, "MiB-compiled")
		runtime.KeepAlive(c)
	})

	b.Run("one-record-to-plan/1000x1000", func(b *testing.B) {
		c := compileAll()
		d := conf.Inventory.Devices[switches/2]
		state := (&reading{state: make(switchcfg.State)}).of(c.Intent(d.Name).State, 0)
		in := plan.Input{Device: d.Name, Observed: state, Basis: state.Sum(), Scope: d.Scope(), Traits: plan.Traits{Atomic: true}}
		changed := records.NetworkServiceConfigs[switches/2*connections*configs+1]
		runtime.GC()
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			i++
			capacity := 1000 + i%2*1000
			record := changed
			record.Capacity = &capacity
			names := c.Update(Delta{Changed: ixapi.Records{NetworkServiceConfigs: []ixapi.NetworkServiceConfig{record}}}, now)
			if i > 1 && len(names) != 1 {
				b.Fatalf("%v changed", names)
			}
			in.Intent = *c.Intent(d.Name)
			if p := plan.Build(in); len(p.Changes) != i%2*2 {
				b.Fatalf("%s", p.AppendText(nil))
			}
		}
	})
}

// reading is a state as it would be read from a switch. Its memory is used again.
type reading struct {
	state    switchcfg.State
	circuits []switchcfg.Circuit
	services []switchcfg.Service
	filters  []switchcfg.Filter
}

// of returns a copy of s that lacks every nth circuit. It is valid until the next call.
func (r *reading) of(s switchcfg.State, nth int) switchcfg.State {
	clear(r.state)
	r.circuits, r.services, r.filters = r.circuits[:0], r.services[:0], r.filters[:0]
	for k, o := range s {
		switch o := o.(type) {
		case *switchcfg.Circuit:
			if r.circuits = append(r.circuits, *o); nth == 0 || len(r.circuits)%nth != 0 {
				r.state[k] = &r.circuits[len(r.circuits)-1]
			}
		case *switchcfg.Service:
			r.services = append(r.services, *o)
			r.state[k] = &r.services[len(r.services)-1]
		case *switchcfg.Filter:
			r.filters = append(r.filters, *o)
			r.state[k] = &r.filters[len(r.filters)-1]
		default:
			r.state[k] = o
		}
	}
	return r.state
}

// heap returns the MiB that live on the heap.
func heap() float64 {
	runtime.GC()
	runtime.GC() // what pools and finalizers held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// processor returns the processor time that the process has taken.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resetPeak begins the measurement of peak anew, where the kernel can.
func resetPeak(b *testing.B) {
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Log(err)
	}
}

// peak returns the MiB that were resident at most.
func peak(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Log(err)
		return 0
	}
	for l := range strings.Lines(string(status)) {
		var kib float64
		if _, err := fmt.Sscanf(l, "VmHWM: %f kB", &kib); err == nil {
			return kib / 1024
		}
	}
	return 0
}

// BenchmarkTrial tries an order in an exchange of 10,000 configs, and beside it compiles all of them anew.
func BenchmarkTrial(b *testing.B) {
	conf, records := largeExchange(b, 10)
	c := New(&conf.Inventory, conf.Policy, NewAllocations(nil, time.Hour))
	c.Set(records, nil, now)
	for _, o := range []struct{ name, order, want string }{
		{"possible", `{"type": "p2p_vc", "network_service": "line-0-0-8", "connection": "conn-9-1", "id": "nsc-1-0-8", "capacity": 1000, "vlan_config": {"vlan_type": "dot1q", "vlan": 3000, "vlan_ethertype": "0x8100"}}`, "true sw0 sw1 sw9"},
		{"taken", `{"type": "p2p_vc", "network_service": "line-0-0-8", "connection": "conn-9-1", "capacity": 1000, "vlan_config": {"vlan_type": "dot1q", "vlan": 101, "vlan_ethertype": "0x8100"}}`, "false vlan_collision others:line_has_too_many_ends others:line_has_too_many_ends others:vlan_collision"},
	} {
		b.Run(o.name+"/10x1000", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				t, err := c.Try([]byte(o.order), now)
				if err != nil || t.tags() != o.want {
					b.Fatalf("%s, %v", t.tags(), err)
				}
			}
		})
	}
	b.Run("all-anew/10x1000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			New(&conf.Inventory, conf.Policy, NewAllocations(nil, time.Hour)).Set(records, nil, now)
		}
	})
}
