package exchange

import (
	"slices"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// maxVLAN is the greatest VLAN id (IEEE 802.1Q-2022 9.6).
const maxVLAN = 4094

// firstVLAN is the first that the exchange chooses: 1 is that of untagged frames on many a switch.
const firstVLAN = 2

// vlanConfig is a VLAN config of IX-API, whose fields go by its vlan_type.
func vlanConfig(o *order, path string, value any) any {
	given, ok := value.(map[string]any)
	if !ok {
		o.fault(path, "is not an object")
		return value
	}
	number, ethertype := between(1, maxVLAN), choice("0x8100", "0x88a8", "0x9100")
	fields := map[string][]field{
		"port":  {},
		"dot1q": {{name: "vlan", is: number, null: true}, {name: "vlan_ethertype", is: ethertype, fallback: "0x8100"}},
		"qinq": {
			{name: "outer_vlan", is: number, null: true},
			{name: "outer_vlan_ethertype", is: ethertype, fallback: "0x8100"},
			{name: "inner_vlan", is: number, required: true},
		},
	}
	kind, _ := given["vlan_type"].(string)
	if fields[kind] == nil {
		o.fault(path+".vlan_type", "is not one of port, dot1q, qinq")
		return value
	}
	return object(append(fields[kind], field{name: "vlan_type", is: text(5)})...)(o, path, value)
}

// A tag is what frames of a config carry on its connection. Outer is 0 as long as nobody has chosen it.
type tag struct {
	kind, ethertype string
	outer, inner    int64
}

// tagOf returns the tag of a config, if it has one that can be understood.
func tagOf(config store.Object) (t tag, ok bool) {
	t.kind, _ = config.Text("vlan_config.vlan_type")
	t.ethertype, _ = config.Text("vlan_config." + t.ethertypeField())
	t.outer, _ = config.Int("vlan_config." + t.outerField())
	t.inner, _ = config.Int("vlan_config.inner_vlan")
	return t, t.kind == "port" || t.kind == "dot1q" || t.kind == "qinq"
}

// unchosen reports whether a config waits for the exchange to choose its VLAN.
func unchosen(config store.Object) bool {
	t, ok := tagOf(config)
	return ok && t.kind != "port" && t.outer == 0
}

func (t tag) outerField() string {
	if t.kind == "qinq" {
		return "outer_vlan"
	}
	return "vlan"
}

func (t tag) ethertypeField() string { return t.outerField() + "_ethertype" }

// collides reports whether two configs cannot be on one connection: the tags of a frame must say whose it is.
func (t tag) collides(u tag) bool {
	switch {
	case t.kind == "port" || u.kind == "port":
		return true
	case t.ethertype != u.ethertype || t.outer != u.outer || t.outer == 0:
		return false
	}
	return t.kind == "dot1q" || u.kind == "dot1q" || t.inner == u.inner
}

// choose returns the tag with the least outer VLAN that collides with none of those taken.
func (t tag) choose(taken []tag) (tag, bool) {
	var not [maxVLAN + 1]bool
	for _, u := range taken {
		t.outer = u.outer
		if t.collides(u) {
			not[u.outer] = true
		}
	}
	for t.outer = firstVLAN; t.outer <= maxVLAN; t.outer++ {
		if !not[t.outer] {
			return t, true
		}
	}
	return t, false
}

// chooseVLAN finds what is wrong with the tags of a config on its connection, and chooses the VLAN where that is left to
// the exchange. What it has chosen once stays.
func (o *order) chooseVLAN(connection *store.Record) *problem {
	if connection == nil {
		return nil
	}
	t, ok := tagOf(o.new)
	if !ok {
		o.fault("vlan_config", "is none")
		return o.wrong()
	}
	if was, ok := tagOf(o.old); ok && t.outer == 0 && !o.changed("connection") && was.kind == t.kind && was.ethertype == t.ethertype && was.inner == t.inner {
		t.outer = was.outer
	}
	all, err := connection.Object()
	if err != nil {
		o.fault("connection", "cannot be read")
		return o.wrong()
	}
	if o.checkTag(all, t); len(o.faults) > 0 {
		return o.wrong()
	}
	var taken []tag
	for _, c := range o.configsOf("connection", connection.ID) {
		if u, ok := tagOf(store.Object{"vlan_config": c.Value("vlan_config")}); ok {
			taken = append(taken, u)
		}
	}
	for _, u := range taken {
		switch {
		case !t.collides(u):
			continue
		case t.kind == "port":
			o.fault("vlan_config.vlan_type", "the connection has other configs, and this one would take all of it")
		case u.kind == "port":
			o.fault("vlan_config.vlan_type", "a config takes all of this connection")
		default:
			o.fault("vlan_config."+t.outerField(), "is taken on this connection")
		}
		return o.wrong()
	}
	if t.kind == "port" {
		return nil
	}
	if t.outer == 0 {
		if t, ok = t.choose(taken); !ok {
			return new(unable("no VLAN is free on this connection"))
		}
	}
	config := o.new.Object("vlan_config")
	config[t.outerField()] = t.outer
	return nil
}

// checkTag finds tags that a connection does not offer.
func (o *order) checkTag(connection store.Object, t tag) {
	offers := func(field, value string) bool {
		list := connection.List(field)
		return list == nil || slices.Contains(list, value) // one that says nothing is a record of an older exchange
	}
	if !offers("vlan_types", t.kind) {
		o.fault("vlan_config.vlan_type", "the connection does not offer %s", t.kind)
	}
	if t.kind != "port" && !offers("outer_vlan_ethertypes", t.ethertype) {
		o.fault("vlan_config."+t.ethertypeField(), "the connection does not offer %s", t.ethertype)
	}
}
