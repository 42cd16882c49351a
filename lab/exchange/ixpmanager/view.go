package ixpmanager

import (
	"cmp"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// switchRecord, vlanRecord and interfaceRecord are as IXP Manager shows them.
type switchRecord struct {
	Name           string `json:"name"`
	ID             int    `json:"id"`
	Infrastructure int    `json:"infrastructure"`
	Active         int    `json:"active"`
}

type vlanRecord struct {
	Name       string `json:"name"`
	Tag        int    `json:"tag"`
	Private    bool   `json:"private"`
	ConfigName string `json:"config_name"`
}

type interfaceRecord struct {
	Type             string       `json:"type"`
	Description      string       `json:"description"`
	Dot1Q            bool         `json:"dot1q"`
	VirtualInterface int          `json:"virtualinterfaceid"`
	LAGFraming       bool         `json:"lagframing"`
	LAGIndex         int          `json:"lagindex,omitempty"`
	VLANs            []membership `json:"vlans"`
	Name             string       `json:"name"`
	LAGMaster        *bool        `json:"lagmaster,omitempty"`
	LAGMembers       []string     `json:"lagmembers,omitempty"`
	FastLACP         *bool        `json:"fastlacp,omitempty"`
	Shutdown         bool         `json:"shutdown"`
	Status           string       `json:"status"`
	Speed            int          `json:"speed,omitempty"`
	RateLimit        *int         `json:"rate_limit"`
}

type membership struct {
	Number        int      `json:"number"`
	VLANInterface int      `json:"vlaninterfaceid"`
	MACs          []string `json:"macaddresses"`
	IPs           any      `json:"ipaddresses"` // an object, or an empty list
}

// device is a switch, and the number that it has.
type device struct {
	*store.Record
	name   string
	number int
}

// lan is a peering LAN, and the tag that its members have.
type lan struct {
	*store.Record
	name string
	tag  int
}

// view is one moment of the exchange, as IXP Manager sees it.
type view struct {
	*store.Snapshot
	devices []device
	lans    []lan
	configs map[string][]store.Object // of LANs and in use, by connection
}

func newView(s *store.Snapshot) *view {
	v := &view{Snapshot: s, configs: make(map[string][]store.Object)}
	for i, r := range s.List("devices") {
		name, _ := object(r).Text("name")
		v.devices = append(v.devices, device{r, name, i + 1})
	}
	uses := make(map[string]map[int]int) // of tags, by LAN
	for _, r := range s.List("network-service-configs") {
		c := object(r)
		kind, _ := c.Text("type")
		connection, _ := c.Text("connection")
		if kind != "exchange_lan" || status(c) == "" {
			continue
		}
		v.configs[connection] = append(v.configs[connection], c)
		service, _ := c.Text("network_service")
		if tag, tagged := single(c); tagged {
			if uses[service] == nil {
				uses[service] = make(map[int]int)
			}
			uses[service][tag]++
		}
	}
	v.number(uses)
	return v
}

// number gives each LAN the tag that most of its members use and no LAN before it has.
func (v *view) number(uses map[string]map[int]int) {
	taken := make(map[int]bool)
	for _, r := range v.List("network-services") {
		s := object(r)
		if kind, _ := s.Text("type"); kind != "exchange_lan" {
			continue
		}
		of := uses[r.ID]
		tag := 2 // of a LAN that nobody has tagged
		for taken[tag] {
			tag++
		}
		for _, t := range slices.SortedFunc(maps.Keys(of), func(a, b int) int { return cmp.Or(cmp.Compare(of[b], of[a]), cmp.Compare(a, b)) }) {
			if !taken[t] {
				tag = t
				break
			}
		}
		taken[tag] = true
		name, _ := s.Text("name")
		v.lans = append(v.lans, lan{r, name, tag})
	}
}

// object returns a record decoded. What the store has is an object.
func object(r *store.Record) store.Object {
	o, _ := r.Object()
	return o
}

// status returns what a record's state is for an interface, or "" for a record that IXP Manager does not show.
func status(o store.Object) string {
	switch state, _ := o.Text("state"); state {
	case "production", "production_change_pending", "decommission_requested":
		return "connected"
	case "testing":
		return "quarantine"
	}
	return ""
}

// single returns the tag of a config whose frames have one, of ethertype 0x8100.
func single(c store.Object) (tag int, ok bool) {
	kind, _ := c.Text("vlan_config.vlan_type")
	ethertype, shown := c.Text("vlan_config.vlan_ethertype")
	n, isNumber := c.Int("vlan_config.vlan")
	return int(n), kind == "dot1q" && isNumber && (!shown || ethertype == "0x8100")
}

// device returns the switch of that name or number; by says which.
func (v *view) device(by, value string) *device {
	for i, d := range v.devices {
		if by == "switch-name" && d.name == value || by == "switch" && strconv.Itoa(d.number) == value {
			return &v.devices[i]
		}
	}
	return nil
}

func (v *view) switches() []switchRecord {
	out := make([]switchRecord, len(v.devices))
	for i, d := range v.devices {
		out[i] = switchRecord{d.name, d.number, 1, 1}
	}
	return out
}

func (v *view) vlans() []vlanRecord {
	out := make([]vlanRecord, len(v.lans))
	for i, l := range v.lans {
		out[i] = vlanRecord{Name: l.name, Tag: l.tag, ConfigName: strings.ToLower(strings.ReplaceAll(l.name, " ", "-"))}
	}
	return out
}

// interfaces returns the interfaces of members on a switch: of each connection the LAG and its ports, or its port.
func (v *view) interfaces(d *device) []interfaceRecord {
	out := []interfaceRecord{}
	for _, r := range v.List("connections") {
		out = append(out, v.connection(d, object(r))...)
	}
	return out
}

func (v *view) connection(d *device, c store.Object) []interfaceRecord {
	id, _ := c.Text("id")
	mode, _ := c.Text("mode")
	lag := mode == "lag_lacp"
	base := interfaceRecord{Type: "edge", VirtualInterface: number(id), LAGFraming: lag}
	if status(c) == "" || !lag && mode != "standalone" {
		return nil
	}
	ports, here := v.ports(d, c)
	if !here || !v.join(&base, id) {
		return nil
	}
	account, _ := c.Text("consuming_account")
	if a := v.Get("accounts", account); a != nil {
		base.Description, _ = object(a).Text("name")
	}
	if !lag {
		base.Name, base.Speed = ports[0].name, ports[0].speed
		return []interfaceRecord{base}
	}
	yes, no, fast := true, false, false
	if timeout, _ := c.Text("lacp_timeout"); timeout == "fast" {
		fast = true
	}
	base.LAGIndex, base.FastLACP = base.VirtualInterface%1000, &fast
	master := base
	master.Name, master.LAGMaster = "Port-Channel"+strconv.Itoa(base.LAGIndex), &yes
	out := []interfaceRecord{master}
	for _, p := range ports {
		out[0].LAGMembers = append(out[0].LAGMembers, p.name)
		member := base
		member.Name, member.Speed, member.LAGMaster = p.name, p.speed, &no
		out = append(out, member)
	}
	return out
}

// port is a port of a connection.
type port struct {
	name  string
	speed int
}

// ports returns the ports of a connection, and whether it has any, and any on a switch. IXP Manager shows all of them on
// each of its switches.
func (v *view) ports(d *device, c store.Object) (out []port, here bool) {
	for _, id := range c.List("ports") {
		r := v.Get("ports", id)
		if r == nil {
			return nil, false
		}
		o := object(r)
		name, named := o.Text("name")
		if !named {
			return nil, false
		}
		speed, _ := o.Int("speed")
		on, _ := o.Text("device")
		out, here = append(out, port{name, int(speed)}), here || on == d.ID
	}
	return out, here
}

// join adds the VLANs of a connection that go together with the first of them, and reports whether there are any.
func (v *view) join(i *interfaceRecord, connection string) bool {
	for _, c := range v.configs[connection] {
		service, _ := c.Text("network_service")
		at := slices.IndexFunc(v.lans, func(l lan) bool { return l.ID == service })
		kind, _ := c.Text("vlan_config.vlan_type")
		tag, tagged := single(c)
		if at < 0 || kind != "port" && (!tagged || tag != v.lans[at].tag) {
			continue
		}
		var rate *int
		if capacity, limited := c.Int("capacity"); limited {
			mbits := int(capacity)
			rate = &mbits
		}
		switch state := status(c); {
		case len(i.VLANs) == 0:
			i.Dot1Q, i.Status, i.RateLimit = tagged, state, rate
		case !tagged || !i.Dot1Q || state != i.Status || !equal(i.RateLimit, rate):
			continue // an interface is tagged or not, has one status, and one limit
		}
		id, _ := c.Text("id")
		i.VLANs = append(i.VLANs, membership{v.lans[at].tag, number(id), v.addresses(c), v.ips(c)})
	}
	return len(i.VLANs) > 0
}

func equal(a, b *int) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

func (v *view) addresses(c store.Object) []string {
	out := []string{}
	for _, id := range c.List("macs") {
		if r := v.Get("macs", id); r != nil {
			address, _ := object(r).Text("address")
			out = append(out, address)
		}
	}
	return out
}

func (v *view) ips(c store.Object) any {
	out := make(map[string]string)
	for _, id := range c.List("ips") {
		if r := v.Get("ips", id); r != nil {
			o := object(r)
			version, _ := o.Text("version")
			out["ipv"+version], _ = o.Text("address")
		}
	}
	if len(out) == 0 {
		return []string{}
	}
	return out
}

// number returns the number that an id ends in, or another that stands for it.
func number(id string) int {
	digits := id[len(strings.TrimRight(id, "0123456789")):]
	if n, err := strconv.ParseInt(digits, 10, 32); err == nil && n > 0 {
		return int(n)
	}
	h := fnv.New32a()
	h.Write([]byte(id))
	return int(h.Sum32()>>1) | 1
}
