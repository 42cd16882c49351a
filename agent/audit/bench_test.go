package audit

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers/all"
	"github.com/ixagent/ixagent/models/ixapi"
)

const (
	switches = 200
	members  = 50 // of each
)

// large returns the configuration of an exchange, and a function that returns its records under other ids. Each member
// has a LAG of two ports, is in the peering LAN with two addresses, and has a line to one on the next switch.
func large(t testing.TB) (*config.Config, func(ids string) lists) {
	text := []byte(`
sources: [{name: exchange, type: file, path: .}, {name: manager, type: file, path: ., witness: true, ids: {exchange_lans: {peering: manager-lan}}}]
credentials: {lab: {username: x, password: "env:X"}}
inventory:
  fabric: {type: vxlan}
  pools: {vni: [20000-2000000]}
  exchange_lans: [{network_service: exchange-lan, name: peering, vni: 100, quarantine: {name: quarantine, vni: 101}}]
  devices:
`)
	for s := range switches {
		text = fmt.Appendf(text, "    - {name: sw%d, driver: openconfig, profile: ixlab, address: 10.1.0.%d, credentials: lab, tunnel_address: 10.0.0.%d, lags: {prefix: Port-Channel, range: 1-100}, ports: [", s, s, s+1)
		for p := range 2 * members {
			text = fmt.Appendf(text, "{name: Ethernet%d, interface: Ethernet%d},", p, p)
		}
		text = append(text, "]}\n"...)
	}
	c, err := config.Parse("large.yaml", text, nil, all.Registry())
	if err != nil {
		t.Fatal(err)
	}
	return c, func(ids string) lists {
		id := func(kind string, numbers ...int) string { return fmt.Sprint(ids, "-", kind, numbers) }
		out := lists{ixapi.NetworkServices: {{"id": ids + "-lan", "type": "exchange_lan", "state": "production"}}}
		add := func(c ixapi.Collection, r map[string]any) { out[c] = append(out[c], r) }
		for s := range switches {
			for m := range members {
				var ports, macs []string
				for n := range 2 {
					ports, macs = append(ports, id("port", s, m, n)), append(macs, id("mac", s, m, n))
					add(ixapi.Ports, map[string]any{"id": ports[n], "state": "production", "device": fmt.Sprint("sw", s), "name": fmt.Sprint("Ethernet", 2*m+n)})
					add(ixapi.MACs, map[string]any{"id": macs[n], "address": fmt.Sprintf("02:00:00:%02x:%02x:%02x", s, m, n)})
				}
				connection := id("connection", s, m)
				add(ixapi.Connections, map[string]any{
					"id": connection, "state": "production", "mode": "lag_lacp", "lacp_timeout": "slow", "ports": ports,
					"consuming_account": id("account", m), "vlan_types": []string{"dot1q"}, "outer_vlan_ethertypes": []string{"0x8100"},
				})
				config := func(kind, typ, service string, vlan int) map[string]any {
					r := map[string]any{
						"id": id(kind, s, m), "type": typ, "state": "production", "connection": connection, "network_service": service,
						"consuming_account": id("account", m), "vlan_config": map[string]any{"vlan_type": "dot1q", "vlan": vlan, "vlan_ethertype": "0x8100"},
					}
					add(ixapi.NetworkServiceConfigs, r)
					return r
				}
				config("lan", "exchange_lan", ids+"-lan", 100)["macs"] = macs
				config("line", "p2p_vc", id("service", s/2, m), 200)
				if s%2 == 0 {
					add(ixapi.NetworkServices, map[string]any{"id": id("service", s/2, m), "type": "p2p_vc", "state": "production"})
				}
			}
		}
		return out
	}
}

// BenchmarkAudit compares two sources of an exchange of 200 switches with 50 members each, 20,000 circuits, of which
// the second has a hundred addresses otherwise; once as they are decoded, and once as they are received. cpu-s is the
// time of all processors.
func BenchmarkAudit(b *testing.B) {
	c, records := large(b)
	other := records("manager")
	for i := range 100 {
		other[ixapi.MACs][i*200]["address"] = fmt.Sprintf("02:ff:00:00:00:%02x", i)
	}
	here, there := records("exchange").raw(b), other.raw(b)
	run := func(name string, sides func() (x, y Side)) {
		b.Run(name+"/200x50", func(b *testing.B) {
			b.ReportAllocs()
			start := processor(b)
			for b.Loop() {
				x, y := sides()
				if r := Compare(c, x, y, now); len(r.Differences) != 100 || r.Sources[1].Circuits != 2*switches*members {
					b.Fatalf("%s", r.AppendText(nil))
				}
			}
			b.ReportMetric((processor(b)-start).Seconds()/float64(b.N), "cpu-s/op")
		})
	}
	x, y := read(b, c.Sources[0], here), read(b, c.Sources[1], there)
	run("compare", func() (Side, Side) { return x, y })
	run("decode+compare", func() (Side, Side) { return read(b, c.Sources[0], here), read(b, c.Sources[1], there) })
}

// processor returns the time that the process has had of all processors.
func processor(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
