package junos

import (
	"strconv"

	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// bridgeDomains writes the services.
func (t *translator) bridgeDomains() {
	vlans, vnis := make(map[string]string), make(map[string]string)
	for d := range t.root.get("bridge-domains").each("domain") {
		t.domain(d)
		path := []string{"bridge-domains", d.text}
		if v := d.value("vlan-id"); v != "" && v != "none" {
			if other, ok := vlans[v]; ok {
				t.fail("vlan-id "+v, "vlan-id is used by bridge domain "+other, path...)
			}
			vlans[v] = d.text
		}
		if v := d.value("vxlan", "vni"); v != "" {
			if other, ok := vnis[v]; ok {
				t.fail("vni "+v, "vni is used by bridge domain "+other, append(path, "vxlan")...)
			}
			vnis[v] = d.text
		}
	}
}

func (t *translator) domain(d *node) {
	path := []string{"bridge-domains", d.text}
	options := d.get("bridge-options")
	line, isTree := options.get("no-mac-learning") != nil, d.get("no-local-switching") != nil
	instance := t.e.Branch("network-instances", "network-instance").Entry(d.text)
	config := instance.At("config")
	config.Set("name", d.text)
	config.Set("type", "L2VSI")
	switch {
	case line && isTree:
		t.fail("no-local-switching", "no-local-switching without mac learning is not supported", path...)
	case line:
		config.Set("type", "L2P2P")
	case isTree:
		config.Set("etree", "true")
	}
	if text := d.value("description"); text != "" {
		config.Set("description", text)
	}
	if d.get("routing-interface") != nil {
		t.fail("routing-interface", "routing interfaces are not supported", path...)
	}
	ends := 0
	for i := range d.each("interface") {
		if t.member(d, i, instance, isTree) {
			ends++
		}
	}
	switch v := d.value("vlan-id"); {
	case v == "all":
		t.fail("vlan-id all", "vlan-id all is not supported", path...)
	case v == "" && ends > 0:
		t.fail("interface", "without vlan-id the tags of frames are kept, which is not supported: vlan-id none or a number is needed", path...)
	}
	ends += t.vxlan(d, instance)
	if line && ends > 2 {
		t.fail("bridge-options", "no-mac-learning with more than two ends is not supported", path...)
	}
	t.limits(d, options, instance)
}

// member joins an interface to a domain and reports whether it could.
func (t *translator) member(d, i *node, instance tree.Branch, isTree bool) bool {
	path := []string{"bridge-domains", d.text}
	u := t.units[i.text]
	statement := "interface " + i.text
	switch {
	case u == nil && !t.there(i.text):
		return false
	case u == nil:
		t.fail(statement, "Interface "+i.text+" is not configured", path...)
		return false
	case !u.bridged:
		t.fail(statement, "Interface "+i.text+" is not configured for bridging: its encapsulation is none for a bridge domain", path...)
		return false
	case t.domains[i.text] != "":
		t.fail(statement, "Interface "+i.text+" is a member of bridge domain "+t.domains[i.text], path...)
		return false
	}
	t.domains[i.text] = d.text
	point := instance.At("connection-points", "connection-point").Entry(i.text)
	point.At("config").Set("connection-point-id", i.text)
	if isTree {
		role := "LEAF"
		if u.root {
			role = "ROOT"
		}
		point.At("config").Set("etree-role", role)
	}
	end := point.At("endpoints", "endpoint").Entry(i.text)
	end.At("config").Set("endpoint-id", i.text)
	end.At("config").Set("precedence", "0")
	end.At("config").Set("type", "LOCAL")
	end.At("local", "config").Set("interface", u.parent)
	end.At("local", "config").Set("subinterface", u.number)
	return true
}

// there reports whether an interface that was not translated is missing, rather than one of a device that does not exist.
func (t *translator) there(name string) bool {
	parent, unit := cutUnit(name)
	if _, ae := aeNumber(parent); !ae || t.exists(parent) {
		return true
	}
	return t.root.get("interfaces").entry("interface", parent).entry("unit", unit) == nil
}

// vxlan writes the tunnels of a domain and returns how many there are.
func (t *translator) vxlan(d *node, instance tree.Branch) int {
	path := []string{"bridge-domains", d.text, "vxlan"}
	vx := d.get("vxlan")
	if vx == nil {
		return 0
	}
	vni := vx.value("vni")
	source := t.root.value("switch-options", "vtep-source-interface", "interface-name")
	parent, number := cutUnit(source)
	switch {
	case vni == "" || vni == "0":
		t.fail("vni", "a vni must be specified", path...)
	case source == "":
		t.fail("vni "+vni, "vtep-source-interface must be configured under switch-options", path...)
	case !t.root.get("interfaces").entry("interface", parent).entry("unit", number).get("family", "inet").has("address"):
		t.fail("vtep-source-interface", "interface "+source+" has no address", "switch-options")
	}
	n := 0
	for peer := range vx.each("static-remote-vtep-list") {
		point := instance.At("connection-points", "connection-point").Entry("remote")
		point.At("config").Set("connection-point-id", "remote")
		end := point.At("endpoints", "endpoint").Entry(peer.text)
		end.At("config").Set("endpoint-id", peer.text)
		end.At("config").Set("precedence", strconv.Itoa(n))
		end.At("config").Set("type", "REMOTE")
		end.At("remote", "config").Set("remote-system", peer.text)
		end.At("remote", "config").Set("virtual-circuit-identifier", vni)
		n++
	}
	return n
}

// limits writes how many addresses are learned. What exceeds a limit can only be dropped.
func (t *translator) limits(d, options *node, instance tree.Branch) {
	path := []string{"bridge-domains", d.text, "bridge-options"}
	limit := func(n *node, path []string) string {
		switch {
		case n == nil:
			return ""
		case n.value("limit") == "":
			t.fail(n.schema.name, "a limit must be specified", path...)
		case n.value("packet-action") != "drop":
			t.fail(n.schema.name, "the only packet-action that is supported is drop", path...)
		}
		return n.value("limit")
	}
	if n := limit(options.get("mac-table-size"), path); n != "" {
		instance.At("fdb", "config").Set("maximum-entries", n)
	}
	all := limit(options.get("interface-mac-limit"), path)
	for i := range d.each("interface") {
		if u := t.units[i.text]; u != nil && u.bridged && all != "" && t.domains[i.text] == d.text {
			u.circuit.At("config").Set("mac-limit", all)
		}
	}
	for i := range options.each("interface") {
		at := append(path, "interface", i.text)
		if i.get("no-mac-learning") != nil {
			t.fail("no-mac-learning", "no-mac-learning of one interface is not supported", at...)
		}
		n := limit(i.get("interface-mac-limit"), at)
		u := t.units[i.text]
		switch {
		case d.entry("interface", i.text) == nil:
			t.fail("interface "+i.text, "Interface "+i.text+" is not a member of the bridge domain", path...)
		case u != nil && u.bridged && n != "":
			u.circuit.At("config").Set("mac-limit", n)
		}
	}
}
