package clitext

// eos is a dialect like that of EOS, as far as tests need it.
func eos() *Dialect {
	const sub = "interface * / "
	return &Dialect{
		Style: Indented, End: "end", Remark: "!!", NoRemark: "no comment",
		Rules: []Rule{
			{Path: "interface Ethernet*", Rank: 30, Left: []string{"shutdown"}, Whole: true, Remove: []string{"default {line}"}},
			{Path: "interface Vxlan1", Rank: 60},
			{Path: "interface Vxlan1 / vxlan vlan * vni ?", When: Early},
			{Path: "interface Vxlan1 / vxlan vlan * flood vtep ...", When: Early},
			{Path: "interface *.*", Rank: 50, Whole: true},
			{Path: "interface *", Rank: 20, Whole: true},
			{Path: sub + "description ..."},
			{Path: sub + "l2 mtu ?"},
			{Path: sub + "channel-group ? mode ?", When: Early, Rank: 40},
			{Path: sub + "switchport trunk allowed vlan ...", Add: "switchport trunk allowed vlan add {set}", Cut: "switchport trunk allowed vlan remove {set}"},
			{Path: sub + "vlan id ?"},
			{Path: sub + "mac access-group ? in", Remove: []string{"no {line}"}},
			{Path: sub + "encapsulation vlan", Whole: true},
			{Path: sub + "encapsulation vlan / client ...", When: Contested, Remove: []string{"no {line}"}},
			{Path: "mac access-list *", Rank: 10, When: Late, Ordered: true, Whole: true},
			{Path: "vlan *", Rank: 10, When: Late, Whole: true},
			{Path: "vlan * / name ?"},
			{Path: "patch panel"},
			{Path: "patch panel / patch *", Rank: 70, Whole: true},
			{Path: "patch panel / patch * / connector * interface ?", When: Early, Remove: []string{"no connector {1}"}},
			{Path: "banner *", Until: "EOF"},
		},
	}
}

// junos is a dialect like that of Junos, in either of its styles.
func junos(style Style) *Dialect {
	d := &Dialect{Style: style}
	for _, r := range []struct {
		flat, braced string
		rule         Rule
	}{
		{"interfaces xe-*", "interfaces / xe-*", Rule{Whole: true, Left: []string{"disable"}, Rank: 20}},
		{"interfaces *", "interfaces / *", Rule{Whole: true, Rank: 20}},
		{"interfaces * description ?", "interfaces / * / description ?", Rule{}},
		{"interfaces * gigether-options 802.3ad ?", "interfaces / * / gigether-options / 802.3ad ?", Rule{}},
		{"interfaces * unit *", "interfaces / * / unit *", Rule{Whole: true, Rank: 30}},
		{"interfaces * unit * description ?", "interfaces / * / unit * / description ?", Rule{}},
		{"interfaces * unit * vlan-id ?", "interfaces / * / unit * / vlan-id ?", Rule{}},
		{"interfaces * unit * vlan-tags outer ?", "interfaces / * / unit * / vlan-tags / outer ?", Rule{}},
		{"interfaces * unit * vlan-tags inner ?", "interfaces / * / unit * / vlan-tags / inner ?", Rule{}},
		{"interfaces * unit * family bridge filter input ?", "interfaces / * / unit * / family bridge / filter / input ?", Rule{}},
		{"interfaces * unit * family ethernet-switching vlan members ?", "interfaces / * / unit * / family ethernet-switching / vlan / members ?", Rule{}},
		{"bridge-domains *", "bridge-domains / *", Rule{Whole: true, Rank: 40}},
		{"bridge-domains * description ?", "bridge-domains / * / description ?", Rule{}},
		{"bridge-domains * vlan-id ?", "bridge-domains / * / vlan-id ?", Rule{}},
		{"firewall family bridge filter *", "firewall / family bridge / filter *", Rule{Whole: true, Rank: 10, Ordered: style == Braced}},
		{"firewall family bridge filter * term", "", Rule{Ordered: true}},
		{"firewall family bridge filter * term * from source-mac-address *", "firewall / family bridge / filter * / term * / from / source-mac-address *", Rule{}},
		{"firewall family bridge filter * term *", "firewall / family bridge / filter * / term *", Rule{Whole: true}},
	} {
		r.rule.Path = r.flat
		if style == Braced {
			r.rule.Path = r.braced
		}
		if r.rule.Path != "" {
			d.Rules = append(d.Rules, r.rule)
		}
	}
	return d
}
