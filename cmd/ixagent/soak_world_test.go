package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing/fstest"

	"github.com/ixagent/ixagent/lab/exchange"
	"github.com/ixagent/ixagent/lab/sandbox"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// The switches of a trial. On each the first eight ports are customers', the next is an uplink that nobody but people
// configures, and the last two are a LAG made by hand.
const (
	trialSwitches = 3
	trialPorts    = 11
)

// vendor is what a switch is: "" for one that takes OpenConfig over gNMI, or the name of a network operating system with a
// command line, which is its driver's too.
type vendor string

// driver returns the name of the driver.
func (v vendor) driver() string { return cmp.Or(string(v), "openconfig") }

// port returns the name of a port, counted from 1.
func (v vendor) port(p int) string { return sandbox.DevicePorts(string(v), trialPorts)[p-1] }

// spare is a customer port that is never sold.
func (v vendor) spare() string { return v.port(8) }

func (v vendor) uplink() string { return v.port(9) }

// lag returns the name of a LAG; the first is made by hand.
func (v vendor) lag(n int) string {
	if v == "junos" {
		return fmt.Sprint("ae", n)
	}
	return fmt.Sprint("Port-Channel", n)
}

// byHand is what people have configured on every switch.
func (v vendor) byHand(management switchcfg.VLANID) []switchcfg.Object {
	return []switchcfg.Object{
		&switchcfg.Service{Name: "management", Type: switchcfg.ServiceLAN, VLAN: management},
		&switchcfg.Interface{Name: v.spare(), Description: "lent to a friend"},
		v.interconnect(""),
	}
}

// interconnect is the LAG that is made by hand.
func (v vendor) interconnect(more string) *switchcfg.LAG {
	return &switchcfg.LAG{
		Name: v.lag(1), Description: "interconnect" + more, Members: []string{v.port(10), v.port(11)},
		Mode: switchcfg.ModeLACP, Rate: switchcfg.RateFast, MinLinks: 1,
	}
}

// add starts a switch in a sandbox and returns its address.
func (v vendor) add(box *sandbox.Sandbox, name string) (string, error) {
	if v == "" {
		s, err := box.AddSwitch(name, sandbox.PortNames(trialPorts), sandbox.Client{Password: true, Certificate: true})
		if err != nil {
			return "", err
		}
		return s.Addr().String(), nil
	}
	s, err := box.AddCommandLine(name, sandbox.DevicePorts(string(v), trialPorts), string(v))
	if err != nil {
		return "", err
	}
	return s.SSH.Addr().String(), nil
}

func switchName(k int) string { return fmt.Sprint("sw", k) }

// fields are a record of the exchange, or those of its fields that change.
type fields = map[string]any

// world is what the exchange truly says, whatever its faults make of it. Every connection of the same name is there once
// on every switch: trunk is a LAG with LACP, stacked a port with double tags, static a LAG without LACP, plain a port
// without tags, and late a port that is not in service yet. Each is in the peering LAN; trunk is there again in test. The
// first five lines are in service, the others ordered. Each static has an address that is valid until the middle of 2030, and
// one from then on.
type world struct {
	records map[ixapi.Collection]map[string]fields
	order   map[ixapi.Collection][]string
}

func newWorld() *world {
	w := &world{records: make(map[ixapi.Collection]map[string]fields), order: make(map[ixapi.Collection][]string)}
	w.service("lan", "exchange_lan")
	for k := 1; k <= trialSwitches; k++ {
		w.add(ixapi.Devices, fields{"id": "device:" + switchName(k), "name": switchName(k)})
		for p := 1; p <= 8; p++ {
			w.add(ixapi.Ports, fields{"id": portID(k, p), "device": "device:" + switchName(k), "name": fmt.Sprint("Ethernet", p), "state": "production"})
		}
		w.connection(k, "trunk", "lag_lacp", "0x8100", 1, 2)
		w.connection(k, "stacked", "standalone", "0x88a8", 3)
		w.connection(k, "static", "lag_static", "0x8100", 4, 5)
		w.connection(k, "plain", "standalone", "0x8100", 6)
		w.connection(k, "late", "standalone", "0x8100", 7)["state"] = "requested"
		for _, name := range []string{"trunk", "stacked", "static", "plain", "late", "test"} {
			mac := w.mac(fmt.Sprintf("02:00:00:00:%02x:%02x", k, len(w.order[ixapi.MACs])))
			on, vlan := name, dot1q(101)
			switch name {
			case "stacked":
				vlan = qinq(201, 11)
			case "plain":
				vlan = fields{"vlan_type": "port"}
			case "test":
				on, vlan = "trunk", dot1q(102)
			}
			c := w.config("lan", k, on, name, vlan)
			c["macs"] = []string{mac}
			switch name {
			case "late":
				c["state"] = "requested"
			case "test":
				c["state"] = "testing"
			case "static":
				c["capacity"] = 1000
				c["macs"] = []string{mac, w.mac("02:00:00:01:00:00"), w.mac("02:00:00:02:00:00")}
				for i, window := range []string{"valid_not_after", "valid_not_before"} {
					w.get(ixapi.MACs, c["macs"].([]string)[1+i])[window] = "2030-06-30T12:00:00Z"
				}
			}
		}
	}
	for i, ends := range [][2]string{
		{"1 trunk", "2 stacked"},
		{"2 trunk", "3 stacked"},
		{"3 trunk", "1 stacked"},
		{"1 static", "2 static"},
		{"1 trunk", "1 stacked"},
		{"2 static", "3 static"},
		{"1 stacked", "3 trunk"},
		{"2 stacked", "3 static"},
	} {
		id, state := lineID(i), "production"
		if i >= 5 {
			state = "requested"
		}
		w.service(id, "p2p_vc")
		for _, end := range ends {
			k, on := int(end[0]-'0'), end[2:]
			vlan := dot1q(300 + i)
			if on == "stacked" {
				vlan = qinq(300+i, 20)
			}
			c := w.config(id, k, on, on, vlan)
			c["state"], c["type"], c["capacity"] = state, "p2p_vc", 100*(i+1)
		}
	}
	w.service("tree", "p2mp_vc")
	for k := 1; k <= trialSwitches; k++ {
		c := w.config("tree", k, "trunk", "trunk", dot1q(401))
		c["type"], c["role"] = "p2mp_vc", "leaf"
		if k == 1 {
			c["role"] = "root"
		}
	}
	w.service("group", "mp2mp_vc")
	for k := 1; k <= trialSwitches; k++ {
		w.config("group", k, "static", "static", dot1q(402))["type"] = "mp2mp_vc"
	}
	return w
}

const trialLines = 8

func lineID(i int) string                   { return fmt.Sprint("line", i) }
func portID(k, p int) string                { return fmt.Sprintf("port:%s:%d", switchName(k), p) }
func connID(k int, name string) string      { return fmt.Sprintf("conn:%d:%s", k, name) }
func configID(s, name string, k int) string { return fmt.Sprintf("nsc:%s:%d:%s", s, k, name) }

func dot1q(vlan int) fields {
	return fields{"vlan_type": "dot1q", "vlan": vlan, "vlan_ethertype": "0x8100"}
}

func qinq(outer, inner int) fields {
	return fields{"vlan_type": "qinq", "outer_vlan": outer, "inner_vlan": inner, "outer_vlan_ethertype": "0x88a8"}
}

func (w *world) add(c ixapi.Collection, r fields) fields {
	id := r["id"].(string)
	if w.records[c] == nil {
		w.records[c] = make(map[string]fields)
	}
	if w.records[c][id] == nil {
		w.order[c] = append(w.order[c], id)
	}
	w.records[c][id] = r
	return r
}

func (w *world) service(id, kind string) {
	w.add(ixapi.NetworkServices, fields{"id": id, "type": kind, "state": "production", "name": id})
}

func (w *world) connection(k int, name, mode, ethertype string, ports ...int) fields {
	var ids []string
	for _, p := range ports {
		ids = append(ids, portID(k, p))
	}
	c := fields{
		"id": connID(k, name), "state": "production", "mode": mode, "ports": ids, "consuming_account": "acct-" + name,
		"vlan_types": []string{"port", "dot1q", "qinq"}, "outer_vlan_ethertypes": []string{ethertype},
	}
	if mode == "lag_lacp" {
		c["lacp_timeout"] = "slow"
	}
	return w.add(ixapi.Connections, c)
}

func (w *world) config(service string, k int, on, name string, vlan fields) fields {
	return w.add(ixapi.NetworkServiceConfigs, fields{
		"id": configID(service, name, k), "type": "exchange_lan", "state": "production", "network_service": service,
		"connection": connID(k, on), "vlan_config": vlan, "consuming_account": "acct-" + name,
	})
}

func (w *world) mac(address string) string {
	id := fmt.Sprint("mac:", len(w.order[ixapi.MACs]))
	w.add(ixapi.MACs, fields{"id": id, "address": address})
	return id
}

// get returns a record to read.
func (w *world) get(c ixapi.Collection, id string) fields { return w.records[c][id] }

// edit changes fields of a record and returns the whole of it.
func (w *world) edit(c ixapi.Collection, id string, change fields) fields {
	r := maps.Clone(w.records[c][id])
	maps.Copy(r, change)
	w.records[c][id] = r
	return r
}

// files returns the records as a sandbox exchange takes them.
func (w *world) files() (fs.FS, error) {
	out := make(fstest.MapFS)
	for c := range w.records {
		text, err := w.list(c)
		if err != nil {
			return nil, err
		}
		out[string(c)+".json"] = &fstest.MapFile{Data: text}
	}
	return out, nil
}

func (w *world) list(c ixapi.Collection) ([]byte, error) {
	all := make([]fields, 0, len(w.order[c]))
	for _, id := range w.order[c] {
		all = append(all, w.records[c][id])
	}
	return json.Marshal(all)
}

// decode returns the records as an agent reads them if nothing goes wrong.
func (w *world) decode() (*ixapi.Records, []ixapi.RecordFault, error) {
	raw := make(map[ixapi.Collection]ixapi.Raw)
	for _, c := range ixapi.Collections() {
		text, err := w.list(c)
		if err != nil {
			return nil, nil, err
		}
		raw[c] = ixapi.Raw{text}
	}
	return ixapi.Decode(raw)
}

// inService reports whether a record in this state must never be taken off a switch.
func inService(state any) bool {
	switch state {
	case "testing", "production", "production_change_pending", "decommission_requested", "error", "operator":
		return true
	}
	return false
}

// steady returns the marks of the records that are in service.
func (w *world) steady() map[string]bool {
	out := make(map[string]bool)
	for id, c := range w.records[ixapi.Connections] {
		if !inService(c["state"]) {
			continue
		}
		out[switchcfg.NewTag("conn", id, "").Record] = true
		for _, p := range c["ports"].([]string) {
			out[switchcfg.NewTag("port", p, "").Record] = true
		}
	}
	for id, c := range w.records[ixapi.NetworkServiceConfigs] {
		conn := w.get(ixapi.Connections, c["connection"].(string))
		if inService(c["state"]) && inService(conn["state"]) {
			out[configMark(id)] = true
		}
	}
	return out
}

// macs returns the addresses, for ever valid, of every config by its mark.
func (w *world) macs() map[string][]switchcfg.MAC {
	out := make(map[string][]switchcfg.MAC)
	for id, c := range w.records[ixapi.NetworkServiceConfigs] {
		list, _ := c["macs"].([]string)
		for _, m := range list {
			r := w.get(ixapi.MACs, m)
			if a, err := switchcfg.ParseMAC(r["address"].(string)); err == nil && r["valid_not_after"] == nil && r["valid_not_before"] == nil {
				out[configMark(id)] = append(out[configMark(id)], a)
			}
		}
	}
	return out
}

func configMark(id string) string { return switchcfg.NewTag("nsc", id, "").Record }

// lines returns the ids of the two configs of every line between two switches.
func (w *world) lines() map[string][]string {
	out := make(map[string][]string)
	for i := range trialLines {
		ids := slices.DeleteFunc(slices.Clone(w.order[ixapi.NetworkServiceConfigs]), func(id string) bool {
			return w.get(ixapi.NetworkServiceConfigs, id)["network_service"] != lineID(i)
		})
		if switchOf(ids[0]) != switchOf(ids[1]) {
			out[lineID(i)] = ids
		}
	}
	return out
}

// switchOf returns the switch that a config is on, which its id tells.
func switchOf(config string) string { return "sw" + strings.Split(config, ":")[2] }

// write makes records what the exchange says, in one write.
func write(to *exchange.Server, changed map[ixapi.Collection][]fields) error {
	texts := make(map[string][]json.RawMessage)
	for c, list := range changed {
		for _, r := range list {
			text, err := json.Marshal(r)
			if err != nil {
				return err
			}
			texts[string(c)] = append(texts[string(c)], text)
		}
	}
	return to.PutAll(texts)
}

// trialConfig returns the configuration of an agent for a world.
func trialConfig(url string, vendors [trialSwitches]vendor, addresses map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
sources:
  - {name: sandbox, type: ixapi, url: %q, auth: {type: token, key: file:secrets/exchange-key, secret: file:secrets/exchange-secret}, tls: {ca: tls/ca.pem}, poll: 1s}
state_dir: state
listen: 127.0.0.1:0
limits: {confirm_window: %v, max_deletes: 1000, max_delete_percent: 100}
credentials:
  lab: {username: ixagent, password: file:secrets/switch-password, tls: {ca: tls/ca.pem, cert: tls/ixagent.pem, key: tls/ixagent-key.pem}}
  cli: {username: ixagent, password: file:secrets/switch-password, ssh: {known_hosts: ssh/known_hosts}}
inventory:
  fabric: {type: vxlan}
  pools: {vni: [20000-29999], vlan: [2000-2999]}
  exchange_lans:
    - {network_service: lan, name: peering, vlan: 100, vni: 10100, mtu: 1500, quarantine: {name: peering-quarantine, vlan: 999, vni: 10999}}
  storm_control: 10000
  devices:
`, url, confirmWindow)
	for k := 1; k <= trialSwitches; k++ {
		name, v := switchName(k), vendors[k-1]
		profile, credentials, lags := "ixlab", "lab", "prefix: Port-Channel, range: 100-199"
		switch v {
		case "eos":
			profile, credentials = "eos", "cli"
		case "junos":
			profile, credentials, lags = "mx", "cli", "prefix: ae, range: 10-19"
		}
		fmt.Fprintf(&b, `    - name: %[1]s
      id: device:%[1]s
      driver: %[4]s
      profile: %[5]s
      address: %[2]s
      credentials: %[6]s
      mode: enforce
      tunnel_address: 10.255.0.%[3]d
      lags: {%[7]s}
      mtu: 9100
      ports:
`, name, addresses[name], k, v.driver(), profile, credentials, lags)
		for p := 1; p <= 8; p++ {
			fmt.Fprintf(&b, "        - {id: %q, interface: %s}\n", portID(k, p), v.port(p))
		}
	}
	return b.String()
}
