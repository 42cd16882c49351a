package metro

import "slices"

var ordered = []string{
	"requested", "allocated", "scheduled", "testing", "production_change_pending", "decommission_requested", "decommissioned",
	"archived", "cancelled", "error", "operator",
}

// lifecycle builds, for every state but production, a peering config in that state on a healthy trunk, and for the
// states no trunk is in, a connection of one port with its config in the same state. Connections that are not yet or
// no longer there have no ports.
func (b *builder) lifecycle() {
	for i, state := range ordered {
		c := b.trunks[i%6]
		b.inState(b.join(c, c.owner, b.peering, "dot1q", 0), state)
	}
	for i, state := range ordered {
		if state == "production_change_pending" || state == "decommission_requested" {
			continue
		}
		w := bundle{
			owner: 5 + i, device: i % 4, mode: "standalone", ports: 1, speed: 10000, types: []string{"dot1q", "qinq"},
			ethertype: []string{ctag}, state: state,
		}
		if slices.Contains([]string{"requested", "scheduled", "decommissioned", "archived", "cancelled"}, state) {
			w.ports = 0
		}
		c := b.connect(w)
		c.ExternalRef = ref("case:state-" + state)
		c.Status = statusOf(state)
		if state == "decommissioned" || state == "archived" {
			c.DecommissionAt, c.ChargedUntil = "2026-01-31", "2026-01-31"
		}
		b.inState(b.join(c, c.owner, b.peering, "dot1q", 0), state)
	}
}

func (b *builder) inState(k *config, state string) {
	k.State, k.ExternalRef, k.Status, k.Ready = state, ref("case:state-"+state), statusOf(state), nil
	switch state {
	case "decommission_requested":
		k.DecommissionAt, k.ChargedUntil = "2027-03-31", "2027-03-31"
	case "decommissioned", "archived":
		k.DecommissionAt, k.ChargedUntil = "2026-01-31", "2026-01-31"
	}
}

func statusOf(state string) []message {
	switch state {
	case "error":
		return note(3, "provisioning_failed", "the last attempt to provision this failed")
	case "operator":
		return note(4, "operator_needed", "a person at the exchange looks into this")
	}
	return []message{}
}

// cases builds the records that are odd. The connections among them are of their own; the configs sit on healthy
// trunks, where they must not disturb the others.
func (b *builder) cases() {
	odd := func(name string, w bundle) *connection {
		w.state, w.speed = "production", 10000
		c := b.connect(w)
		c.ExternalRef = ref("case:" + name)
		return c
	}
	on := func(name string, c *connection, vlan any) *config {
		k := b.joinAs(c, c.owner, b.media, vlan, 0)
		k.ExternalRef = ref("case:" + name)
		return k
	}
	tagged := []string{"dot1q", "qinq"}

	flex := odd("flex-ethernet", bundle{owner: 16, device: 0, mode: "flex_ethernet", ports: 2, types: tagged, ethertype: []string{ctag}})
	on("flex-ethernet", flex, flex.tag("dot1q"))

	split := odd("two-devices", bundle{owner: 17, device: 0, mode: "lag_lacp", timeout: "slow", ports: 1, types: tagged, ethertype: []string{ctag}})
	b.plug(split, b.devices[1], 10000)
	split.PortQuantity, split.Speed = 2, ref(20000)
	on("two-devices", split, split.tag("dot1q"))

	bare := odd("no-ports", bundle{owner: 18, device: 1, mode: "lag_lacp", timeout: "slow", types: tagged, ethertype: []string{ctag}})
	on("no-ports", bare, bare.tag("dot1q"))

	mixed := odd("mixed-ethertypes", bundle{
		owner: 19, device: 2, mode: "lag_lacp", timeout: "fast", ports: 2, types: tagged, ethertype: []string{ctag, stag},
	})
	for range 2 {
		on("mixed-ethertypes", mixed, mixed.tag("dot1q"))
		mixed.tags++
		on("mixed-ethertypes", mixed, qinq{VLANType: "qinq", Outer: 2000 + mixed.tags, Ethertype: stag, Inner: 10})
	}

	crowded := odd("port-not-alone", bundle{owner: 9, device: 3, mode: "standalone", ports: 1, types: []string{"port", "dot1q"}, ethertype: []string{ctag}})
	on("port-not-alone", crowded, untagged{VLANType: "port"})
	on("port-not-alone", crowded, crowded.tag("dot1q"))

	hidden := odd("redacted-connection", bundle{owner: 10, device: 3, mode: "standalone", ports: 1, types: tagged, ethertype: []string{ctag}})
	on("redacted-connection", hidden, hidden.tag("dot1q"))
	hidden.stateful = stateful{}

	strange := odd("unknown-connection-state", bundle{owner: 11, device: 2, mode: "standalone", ports: 1, types: tagged, ethertype: []string{ctag}})
	on("unknown-connection-state", strange, strange.tag("dot1q"))
	strange.State = "hibernating"

	small := odd("capacity-above-limit", bundle{owner: 12, device: 1, mode: "standalone", ports: 1, types: []string{"dot1q"}, ethertype: []string{ctag}})
	small.CapacityLimit = ref(1000)
	over := on("capacity-above-limit", small, small.tag("dot1q"))
	over.Capacity, small.CapacityAllocated = ref(5000), 5000

	t := b.trunks[:8]
	on("redacted-config", t[2], t[2].tag("dot1q")).stateful = stateful{}
	on("unknown-state", t[3], t[3].tag("dot1q")).State = "hibernating"
	on("vlan-config-null", t[4], nil)
	on("vlan-null", t[5], dot1q{VLANType: "dot1q", Ethertype: ctag}).State = "requested"

	for range 2 {
		on("vlan-collision", t[2], dot1q{VLANType: "dot1q", VLAN: ref(3900), Ethertype: ctag})
	}
	on("qinq-outer-equals-dot1q", t[3], dot1q{VLANType: "dot1q", VLAN: ref(3901), Ethertype: ctag})
	on("qinq-outer-equals-dot1q", t[3], qinq{VLANType: "qinq", Outer: 3901, Ethertype: ctag, Inner: 12})

	on("vlan-type-not-allowed", small, qinq{VLANType: "qinq", Outer: 3902, Ethertype: ctag, Inner: 12})
	on("ethertype-not-allowed", t[4], dot1q{VLANType: "dot1q", VLAN: ref(3903), Ethertype: legacy})
	on("no-macs", t[5], t[5].tag("dot1q")).MACs = []string{}
	on("unknown-connection", t[3], dot1q{VLANType: "dot1q", VLAN: ref(3904), Ethertype: ctag}).Connection = ref("conn:39999")
	on("id-slashes-spaces", t[0], t[0].tag("dot1q")).ID = "nsc/fra1 sw1/4 2"
	on("id-base64", t[1], t[1].tag("qinq")).ID = "bnNjPz4/Oj8+P340Mg=="

	routed := on("routing-function", t[0], nil)
	routed.Connection, routed.RoutingFunction = nil, ref("rf:90001")
	routed.L3Config = &l3Config{NeighborASN: 64499, NeighborAddress: "198.51.100.250", LocalASN: 65551, LocalAddress: "198.51.100.249"}

	novel := b.order("vpls_vc", "po:group", "A service of a later version", t[2].owner)
	novel.ExternalRef = ref("case:unknown-service-type")
	b.config("vpls_vc", novel.ID, t[2], t[2].owner, t[2].tag("dot1q"), 0).ExternalRef = ref("case:unknown-service-type")

	half := b.order("p2p_vc", "po:line", "A line without its other end", t[3].owner)
	half.ExternalRef, half.JoiningMember = ref("case:line-one-sided"), t[4].owner.id
	b.config("p2p_vc", half.ID, t[3], t[3].owner, t[3].tag("dot1q"), 100).ExternalRef = ref("case:line-one-sided")
}
