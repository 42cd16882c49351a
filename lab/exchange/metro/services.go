package metro

import (
	"fmt"
	"net/netip"
)

// config files a network service config of m on c. Its capacity counts against the connection.
func (b *builder) config(kind, service string, c *connection, m *member, vlan any, capacity int) *config {
	k := &config{
		Type: kind, ID: fmt.Sprintf("nsc:%d", 40001+len(b.configs)), stateful: live(), ownable: m.own(), invoiceable: m.pays(),
		RoleAssignments: m.roles(), NetworkService: service, Connection: ref(c.ID), VLANConfig: vlan, FeatureConfigs: []string{},
	}
	if capacity > 0 {
		k.Capacity = ref(capacity)
		c.CapacityAllocated += capacity
	}
	b.configs = append(b.configs, k)
	return k
}

// A lan is an exchange LAN and the addresses it has given away.
type lan struct {
	*exchangeLAN
	v4, v6   netip.Prefix
	offering string
	given    int
}

func (b *builder) exchangeLANs() {
	b.peering = b.exchangeLAN("service:lan-peering", "FRA Peering", "po:peering", "198.51.100.0/24", "2001:db8:100::/64", 2)
	b.media = b.exchangeLAN("service:lan-media", "FRA Media", "po:media", "203.0.113.0/24", "2001:db8:200::/64", 1)

	for i := range 3 {
		b.join(b.whole[i], b.whole[i].owner, b.peering, "port", 0)
	}
	for i, c := range b.trunks {
		kind := []string{"dot1q", "qinq"}[i%2]
		b.join(c, c.owner, b.peering, kind, []int{0, 1000, 2000}[i%3])
		if i%2 == 0 && c.State == "production" {
			b.join(c, c.owner, b.media, "qinq", 500)
		}
	}
	for i, m := range b.members[27:35] {
		b.join(b.trunks[[]int{0, 14, 1, 10}[i%2+2*(i/4)]], m, b.peering, []string{"dot1q", "qinq"}[i/2%2], 200)
		if i%4 == 0 {
			b.join(b.trunks[[]int{0, 1}[i/4]], m, b.media, "dot1q", 100)
		}
	}
	for i := range 3 {
		k := b.join(b.trunks[3+i], b.trunks[3+i].owner, b.peering, "dot1q", 0)
		k.State, k.ExternalRef, k.Ready = "testing", ref("case:state-testing"), ref(false)
	}
	b.windows()
}

func (b *builder) exchangeLAN(id, name, offering, v4, v6 string, servers int) *lan {
	l := &lan{
		exchangeLAN: &exchangeLAN{
			Type: "exchange_lan", ID: id, stateful: live(), ownable: b.members[0].own(), RequiredRoles: []string{"role:noc"},
			Name: name, MetroAreaNetwork: network, Features: []string{}, SubnetV4: v4, SubnetV6: v6, ProductOffering: offering,
		},
		v4: netip.MustParsePrefix(v4), v6: netip.MustParsePrefix(v6), offering: offering,
	}
	b.services = append(b.services, l.exchangeLAN)
	for i := range servers {
		a4, a6 := l.v4.Addr(), l.v6.Addr()
		for range i + 1 {
			a4, a6 = a4.Next(), a6.Next()
		}
		f := &feature{
			Type: "route_server", ID: fmt.Sprintf("feature:%s-rs%d", id[len("service:"):], i+1), Name: fmt.Sprintf("rs%d", i+1),
			NetworkService: id, RequiredRoles: []string{"role:peering"},
			Flags: []flag{{Name: "rtbh", Description: "accept blackhole routes"}}, ASN: 64511,
			FQDN: fmt.Sprintf("rs%d.%s.example.net", i+1, id[len("service:"):]), AddressFamilies: []string{"af_inet", "af_inet6"},
			SessionMode: "public", SessionTypes: []string{"active", "passive"}, IPv4: a4.String(), IPv6: a6.String(),
		}
		b.features = append(b.features, f)
		l.Features = append(l.Features, f.ID)
	}
	return l
}

// join puts a member on an exchange LAN with one registered MAC and an address of each family; every other member of
// the peering LAN speaks with the first route server.
func (b *builder) join(c *connection, m *member, l *lan, kind string, capacity int) *config {
	return b.joinAs(c, m, l, c.tag(kind), capacity)
}

func (b *builder) joinAs(c *connection, m *member, l *lan, vlan any, capacity int) *config {
	k := b.config("exchange_lan", l.ID, c, m, vlan, capacity)
	k.ProductOffering, k.Listed, k.Ready = ref(l.offering), ref(m.number%4 != 0), ref(true)
	k.ASNs = []uint32{m.asn}
	if m.asn == 0 {
		k.ASNs = []uint32{m.reseller.asn}
	}
	k.MACs = []string{b.mac(m).ID}
	l.given++
	a4, a6 := l.v4.Addr(), l.v6.Addr()
	for range 9 + l.given {
		a4, a6 = a4.Next(), a6.Next()
	}
	k.IPs = []string{b.ip(m, a4, l.v4.Bits()), b.ip(m, a6, l.v6.Bits())}
	if l == b.peering && l.given%2 == 0 {
		n := &featureConfig{
			Type: "route_server", ID: fmt.Sprintf("nfc:%d", 50001+len(b.featureConfigs)), stateful: live(), ownable: m.own(),
			invoiceable: m.pays(), RoleAssignments: m.roles(), NetworkFeature: l.Features[0], Config: k.ID, ASN: k.ASNs[0],
			ASSetV4: ref(fmt.Sprintf("AS%d:AS-CUST@EXAMPLE", k.ASNs[0])), ASSetV6: ref(fmt.Sprintf("AS%d:AS-CUST@EXAMPLE", k.ASNs[0])),
			MaxPrefixV4: ref(500), MaxPrefixV6: ref(100), InsertIXPASN: false, SessionMode: "public", SessionType: "passive",
			IP: k.IPs[0], Flags: []flagValue{{Name: "rtbh", Enabled: true}},
		}
		b.featureConfigs = append(b.featureConfigs, n)
		k.FeatureConfigs = append(k.FeatureConfigs, n.ID)
	}
	return k
}

func (b *builder) mac(m *member) *mac {
	n := len(b.macs) + 1
	a := &mac{ID: fmt.Sprintf("mac:%d", 60000+n), ownable: m.own(), Address: fmt.Sprintf("02:1a:00:%02x:%02x:%02x", n>>16, n>>8&0xff, n&0xff)}
	b.macs = append(b.macs, a)
	return a
}

func (b *builder) ip(m *member, a netip.Addr, bits int) string {
	x := &ip{
		ID: fmt.Sprintf("ip:%d", 70001+len(b.ips)), ownable: m.own(), Version: 6, Address: a.String(), PrefixLength: bits,
		FQDN: ref(fmt.Sprintf("as%d.fra.example.net", m.asn)),
	}
	if a.Is4() {
		x.Version = 4
	}
	if m.asn == 0 {
		x.FQDN = nil
	}
	b.ips = append(b.ips, x)
	return x.ID
}

// windows gives the member of the first trunk, beside its plain MAC on each LAN, MACs of every kind of validity.
func (b *builder) windows() {
	m := b.trunks[0].owner
	for _, k := range b.configs[3:5] {
		for _, w := range []struct{ name, from, to string }{
			{"past", "2024-01-01T00:00:00Z", "2025-06-30T23:59:59Z"},
			{"present", "2025-06-30T00:00:00Z", "2045-12-31T23:59:59Z"},
			{"future", "2045-12-31T00:00:00Z", ""},
			{"open-start", "", "2045-12-31T23:59:59Z"},
		} {
			a := b.mac(m)
			a.ExternalRef = ref("case:mac-" + w.name)
			if w.from != "" {
				a.ValidNotBefore = ref(w.from)
			}
			if w.to != "" {
				a.ValidNotAfter = ref(w.to)
			}
			k.MACs = append(k.MACs, a.ID)
		}
	}
}

// order files a service bought by m under the next number.
func (b *builder) order(kind, offering, name string, m *member) *service {
	b.orders++
	s := &service{
		Type: kind, ID: fmt.Sprintf("service:%d", 20000+b.orders), stateful: live(), ownable: m.own(), invoiceable: m.pays(),
		RequiredRoles: []string{"role:implementation"}, ProductOffering: offering, DisplayName: name,
	}
	if kind == "p2mp_vc" || kind == "mp2mp_vc" {
		s.Name = name
		s.Offerings = []string{offering}
		s.multipoint = &multipoint{MemberJoiningRules: []string{}, NetworkFeatures: []string{}}
	}
	b.services = append(b.services, s)
	return s
}

// invite writes the rule that lets a member onto a service which is not public.
func (b *builder) invite(s *service, m *member, kind string) {
	for _, r := range b.rules {
		if r.NetworkService == s.ID && r.ConsumingAccount == m.id {
			return
		}
	}
	r := &joiningRule{
		Type: kind, ID: fmt.Sprintf("rule:%d", 80001+len(b.rules)), NetworkService: s.ID,
		ownable: ownable{ManagingAccount: s.ManagingAccount, ConsumingAccount: m.id},
	}
	if kind == "allow" && len(b.rules)%3 == 0 {
		r.CapacityMin, r.CapacityMax = ref(10), ref(1000)
	}
	b.rules = append(b.rules, r)
	s.MemberJoiningRules = append(s.MemberJoiningRules, r.ID)
}

// multipoints builds three distribution trees, each with roots and leaves of its own ethertype on both tag types and
// leaves elsewhere, and three closed user groups over all switches, two of them protected by a MAC filter.
func (b *builder) multipoints() {
	for i, et := range ethertypes {
		trunks := b.trunksOf(et)
		s := b.order("p2mp_vc", "po:tree", fmt.Sprintf("Distribution %d", i+1), trunks[0].owner)
		leg := func(c *connection, kind, role string) {
			b.invite(s, c.owner, "allow")
			b.config("p2mp_vc", s.ID, c, c.owner, c.tag(kind), 300).Role = role
		}
		leg(trunks[0], "dot1q", "root")
		leg(trunks[1], "qinq", "root")
		leg(trunks[2], "dot1q", "leaf")
		leg(trunks[3], "qinq", "leaf")
		leg(b.whole[6+i], "port", []string{"root", "leaf", "leaf"}[i])
		leg(b.trunksOf(ethertypes[(i+1)%3])[i], "dot1q", "leaf")
		leg(b.trunksOf(ethertypes[(i+2)%3])[i], "qinq", "leaf")
	}

	groups := []*service{
		b.order("mp2mp_vc", "po:group", "Clearing group", b.trunks[2].owner),
		b.order("mp2mp_vc", "po:group", "Research group", b.trunks[8].owner),
		b.order("mp2mp_vc", "po:group", "Voice group", b.trunks[5].owner),
	}
	seat := func(s *service, c *connection, kind string) {
		b.invite(s, c.owner, "allow")
		k := b.config("mp2mp_vc", s.ID, c, c.owner, c.tag(kind), 200)
		k.MACs = []string{}
		if *s.MACACLProtection {
			k.MACs = append(k.MACs, b.mac(c.owner).ID)
		}
	}
	for i, s := range groups {
		s.MACACLProtection = ref(i != 1)
		s.Public = i == 1
		if i == 2 {
			for _, c := range b.trunks[4:8] {
				seat(s, c, "dot1q")
			}
			continue
		}
		for j, et := range ethertypes {
			trunks := b.trunksOf(et)
			seat(s, trunks[j], "dot1q")
			seat(s, trunks[j+1], "qinq")
		}
	}
	seat(groups[0], b.whole[9], "port")
	seat(groups[1], b.whole[10], "port")
	seat(groups[2], b.whole[11], "port")
	b.invite(groups[0], b.members[34], "deny")
}

// line builds a private line between two members.
func (b *builder) line(x, y *connection, kindX, kindY string, capacity int) {
	offering := "po:line"
	if capacity == 0 {
		offering = "po:line-2g"
	}
	s := b.order("p2p_vc", offering, "", x.owner)
	s.DisplayName = fmt.Sprintf("%s to %s", x.Name, y.Name)
	s.JoiningMember = y.owner.id
	if capacity > 0 {
		s.Capacity = ref(capacity)
	}
	b.config("p2p_vc", s.ID, x, x.owner, x.tag(kindX), capacity)
	b.config("p2p_vc", s.ID, y, y.owner, y.tag(kindY), capacity)
}

func (b *builder) lines() {
	for i, et := range ethertypes {
		near, far := b.trunksOf(et), b.trunksOf(ethertypes[(i+1)%3])
		b.line(near[0], far[0], "dot1q", "qinq", 100) // two ports of one switch
		b.line(near[1], far[3], "qinq", "dot1q", 100)
		b.line(b.whole[3+i], near[2], "port", "dot1q", 400)
	}
	for i := range 18 {
		x, y := b.trunks[i%16], b.trunks[(i*5+3)%16]
		if x == y {
			y = b.trunks[(i+1)%16]
		}
		kind := []string{"dot1q", "qinq"}
		b.line(x, y, kind[i%2], kind[i/2%2], []int{50, 100, 0, 250}[i%4])
	}
}

// clouds builds for every ethertype a cloud service of each tag type, handed over twice, and three on untagged ports.
func (b *builder) clouds() {
	cloud := func(m *member, capacity int) *service {
		s := b.order("cloud_vc", "po:cloud", "", m)
		s.Capacity = ref(capacity)
		s.cloudService = &cloudService{CloudKey: fmt.Sprintf("wb-key-%04d", b.orders), Diversity: 2, ProviderRef: ref(fmt.Sprintf("wb-%06d", 7*b.orders))}
		return s
	}
	handover := func(s *service, c *connection, kind string, n int) {
		b.config("cloud_vc", s.ID, c, c.owner, c.tag(kind), 0).cloudPart = &cloudPart{Handover: n, CloudVLAN: ref(1000 + b.orders)}
	}
	for i, et := range ethertypes {
		trunks := b.trunksOf(et)
		for j, kind := range []string{"dot1q", "qinq"} {
			s := cloud(trunks[j].owner, 500)
			handover(s, trunks[j], kind, 1)
			handover(s, trunks[j+2], kind, 2)
		}
		s := cloud(b.whole[12+i].owner, 1000*(i+1))
		handover(s, b.whole[12+i], "port", 1+i%2)
		handover(s, trunks[1], "dot1q", 2-i%2)
	}
}
