package eos

import "github.com/ixagent/ixagent/models/clitext"

// dialect says how EOS writes what the agent writes, and in which order it is to be changed: what others refer to comes
// before them and goes after them, and what two want is let go of before it is taken.
func dialect() *clitext.Dialect {
	const (
		policers = iota + 1
		filters
		services
		tunnels
		groups
		ports
		circuits
		patches
	)
	line := []string{"no {line}"}
	return &clitext.Dialect{
		Style: clitext.Indented, End: "end", Remark: "!!", NoRemark: "no comment",
		Rules: []clitext.Rule{
			{Path: "policy-map type quality-of-service *", Rank: policers, When: clitext.Late, Whole: true},
			{Path: "policy-map type quality-of-service * / class *", Whole: true},
			// Others may have given its entries other numbers, so it is written as one.
			{Path: "mac access-list *", Rank: filters, When: clitext.Late, Whole: true, Anew: true},
			{Path: "vlan *", Rank: services, When: clitext.Late, Whole: true},
			{Path: "vlan * / name ..."},

			// The block of the tunnels is the operator's and is never taken away.
			{Path: "interface " + tunnelInterface, Rank: tunnels, Whole: true},
			{Path: "interface " + tunnelInterface + " / vxlan vlan * vni ?", When: clitext.Early, Remove: line},
			{Path: "interface " + tunnelInterface + " / vxlan vlan * flood vtep ...", Remove: line},

			{Path: "interface *.*", Rank: circuits, Whole: true},
			{Path: "interface Port-Channel*", Rank: groups, When: clitext.Late, Whole: true},
			{Path: "interface Ethernet*", Rank: ports, Whole: true, Remove: []string{"default {line}"}, Left: []string{"shutdown"}},
			{Path: "interface * / description ..."},
			{Path: "interface * / l2 mtu ?"},
			{Path: "interface * / storm-control all level pps ?", Remove: []string{"no storm-control all"}},
			{Path: "interface * / switchport dot1q ethertype ?"},
			// A trunk without a list carries every VLAN, so it ceases to be one before it loses its list.
			{Path: "interface * / switchport mode ?", When: clitext.Early},
			{Path: "interface * / switchport access vlan ?"},
			{Path: "interface * / switchport trunk native vlan ?"},
			{
				Path: "interface * / switchport trunk allowed vlan ?",
				Add:  trunkVLANs + "add {set}", Cut: trunkVLANs + "remove {set}",
			},
			{Path: "interface * / switchport vlan translation * *", When: clitext.Early, Remove: line},
			// The mode of a group can be changed only while it has no members.
			{Path: "interface * / channel-group ...", When: clitext.Early},
			{Path: "interface * / lacp timer ?"},
			{Path: "interface * / lacp system-id ?"},
			{Path: "interface * / port-channel min-links ?"},
			{Path: "interface * / vlan id ?"},
			{Path: "interface * / encapsulation vlan", Whole: true},
			{Path: "interface * / encapsulation vlan / client ...", When: clitext.Early, Remove: line},
			{Path: "interface * / mac access-group ? in", Remove: line},
			{Path: "interface * / service-policy type qos input ?", Remove: line},
			{Path: "interface * / shape rate ? kbps", Remove: []string{"no shape rate"}},

			{Path: "patch panel", Rank: patches, Whole: true},
			// Others may have given its connectors other names, so it is written as one.
			{Path: "patch panel / patch *", Whole: true, Anew: true},
		},
	}
}
