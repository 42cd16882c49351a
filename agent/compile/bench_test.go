package compile

import (
	"fmt"
	"runtime"
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
// one that lacks a hundredth of its circuits.
func BenchmarkExchange(b *testing.B) {
	conf, records := largeExchange(b, switches)
	compileAll := func() *Compiler {
		c := New(&conf.Inventory, conf.Policy, NewAllocations(nil, time.Hour))
		c.Set(records, nil, now)
		return c
	}
	c := compileAll()
	if r := c.Rejections(); len(r) > 0 {
		b.Fatalf("%d rejections, the first %+v", len(r), r[0])
	}
	observed := make(map[string]switchcfg.State, switches)
	circuits := 0
	for _, d := range conf.Inventory.Devices {
		state := make(switchcfg.State)
		for k, o := range c.Intent(d.Name).State {
			if k.Kind == switchcfg.KindCircuit {
				if circuits++; circuits%100 == 0 {
					continue
				}
			}
			state[k] = o
		}
		observed[d.Name] = state
	}
	if circuits != switches*connections*configs {
		b.Fatalf("%d circuits", circuits)
	}
	c = nil

	b.Run("compile+diff/1000x1000", func(b *testing.B) {
		b.ReportAllocs()
		var peak uint64
		for b.Loop() {
			c := compileAll()
			devices := conf.Inventory.Devices
			changes := make([]int, len(devices))
			parallel(len(devices), func(i int) {
				changes[i] = len(plan.Diff(observed[devices[i].Name], c.Intent(devices[i].Name).State))
			})
			total := 0
			for _, n := range changes {
				total += n
			}
			if total != circuits/100 {
				b.Fatalf("%d changes", total)
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapSys-m.HeapReleased)
		}
		b.ReportMetric(float64(peak)/(1<<20), "MiB-heap")
	})

	b.Run("one-record-to-plan/1000x1000", func(b *testing.B) {
		c := compileAll()
		for i := range records.NetworkServiceConfigs {
			records.NetworkServiceConfigs[i].Status = nil
		}
		d := conf.Inventory.Devices[switches/2]
		state := c.Intent(d.Name).State
		changed := records.NetworkServiceConfigs[switches/2*connections*configs+1]
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
			p := plan.Build(plan.Input{Device: d.Name, Observed: state, Intent: *c.Intent(d.Name), Scope: d.Scope(), Traits: plan.Traits{Atomic: true}})
			if want := i % 2 * 2; len(p.Changes) != want {
				b.Fatalf("%s", p.AppendText(nil))
			}
		}
	})
}
