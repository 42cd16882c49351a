package exchange

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

const (
	maxASN   = 1<<32 - 1
	maxSpeed = 1 << 31 // Mbit/s
	lanMACs  = 8       // addresses that a config may have on a LAN
)

// configResources returns what can be ordered of network service configs, and what belongs to them.
func configResources() map[string]*resource {
	return map[string]*resource{
		"network-service-configs": {
			prefix: "nsc",
			fields: together(stateful("requested"), cancelable(), ownable(), invoiceable(), contactable(), []field{
				{name: "network_service", is: reference("network-services"), required: true, fixed: true},
				{name: "connection", is: reference("connections"), null: true},
				{name: "routing_function", is: reference("routing-functions"), null: true},
				{name: "l3_config", is: some(l3Fields()...), null: true},
				{name: "vlan_config", is: vlanConfig},
				{name: "network_feature_configs", ours: true, fallback: []any{}},
				{name: "product_offering", is: reference("product-offerings"), null: true},
			}),
			variants: map[string][]field{
				"exchange_lan": {
					capacity(), macs(), addresses(), zone(),
					{name: "asns", is: each(between(1, maxASN)), required: true},
					{name: "listed", is: boolean, fallback: false},
					{name: "consumer_side_ready", is: boolean, null: true},
					{name: "shared_statistics", is: some(sharing()...), null: true},
				},
				"p2p_vc":   {capacity(), macs()},
				"p2mp_vc":  {capacity(), macs(), {name: "role", is: choice("root", "leaf"), fallback: "leaf"}},
				"mp2mp_vc": {capacity(), macs(), addresses(), {name: "asns", is: each(between(1, maxASN)), fallback: []any{}}},
				"cloud_vc": {
					{name: "handover", is: between(1, 1000), required: true},
					{name: "cloud_vlan", is: between(1, maxVLAN), null: true},
					{name: "cloud_config", is: some(cloudFields()...), null: true},
					zone(),
				},
			},
			create: orderConfig, update: changeConfig, updated: http.StatusAccepted, remove: decommission, removed: http.StatusAccepted,
			ended: releaseAddresses, actions: map[string]action{"cancellation-policy": cancellation()},
		},
		"macs": macResource(),
		"ips":  ipResource(),
	}
}

func capacity() field  { return field{name: "capacity", is: between(1, maxSpeed), null: true} }
func macs() field      { return field{name: "macs", is: references("macs"), fallback: []any{}} }
func addresses() field { return field{name: "ips", ours: true, fallback: []any{}} }
func zone() field {
	return field{name: "availability_zone", is: reference("availability-zones"), null: true}
}

// l3Fields are those of IX-API's L3Config.
func l3Fields() (all []field) {
	for _, name := range []string{
		"bgp_password", "bgp_neighbor_address", "bgp_neighbor_address_primary", "bgp_neighbor_address_secondary", "bgp_address_family",
		"local_address", "local_address_primary", "local_address_secondary",
	} {
		all = append(all, field{name: name, is: text(128)})
	}
	return append(all, field{name: "bgp_neighbor_asn", is: between(1, maxASN)}, field{name: "local_asn", is: between(1, maxASN)}, field{name: "bfd", is: boolean})
}

func cloudFields() []field {
	return append(l3Fields(), field{name: "vlan", is: between(1, maxVLAN)}, field{name: "peering_type", is: text(80)})
}

// sharing are the fields of IX-API's SharedStatistics.
func sharing() []field {
	return []field{
		{name: "policy", is: choice("allow", "deny")},
		{name: "accounts_denied", is: references("accounts")},
		{name: "accounts_allowed", is: references("accounts")},
		{name: "nsc_available_capacity", is: boolean},
	}
}

// some is an object of which every field may be null or not be there. It is kept as it was sent.
func some(fields ...field) kind {
	return func(o *order, path string, value any) any {
		given, ok := value.(map[string]any)
		if !ok {
			o.fault(path, "is not an object")
			return value
		}
		out := map[string]any{}
		for _, f := range fields {
			v, sent := given[f.name]
			if v != nil {
				v = f.is(o, path+"."+f.name, v)
			}
			if sent {
				out[f.name] = v
			}
		}
		return out
	}
}

// orderConfig makes a config.
func orderConfig(o *order) *problem {
	if p := o.checkConfig(); p != nil {
		return p
	}
	return o.giveAddresses()
}

// changeConfig changes a config. One that carries traffic is in its change until the switches carry the new values, and
// one that could not be brought about is tried again.
func changeConfig(o *order) *problem {
	state, _ := o.old.Text("state")
	switch state {
	case "decommission_requested", "decommissioned", "archived", "cancelled":
		return new(unable("a config in state %s cannot change", state))
	}
	if !o.sent["product_offering"] {
		o.new["product_offering"] = o.old["product_offering"]
	}
	if p := o.checkConfig(); p != nil {
		return p
	}
	if p := o.handOver(); p != nil {
		return p
	}
	switch {
	case state == "error" && !begun(o.old):
		return o.advance(o.collection, o.id, "testing")
	case state == "error", state == "production" && o.fresh(switched()...):
		return o.advance(o.collection, o.id, "production_change_pending")
	}
	return nil
}

// switched are the fields that a switch can see.
func switched() []string {
	return []string{"connection", "vlan_config", "capacity", "product_offering", "macs", "role", "handover", "cloud_vlan", "cloud_config"}
}

// checkConfig finds what is wrong with a config.
func (o *order) checkConfig() *problem {
	kind, _ := o.new.Text("type")
	id, _ := o.new.Text("network_service")
	service := o.Get("network-services", id)
	if service == nil {
		o.fault("network_service", "there is no such record in network-services")
		return o.wrong()
	}
	if of, _ := service.Text("type"); of != kind {
		o.fault("network_service", "is of another type: %s", of)
	}
	if !inService(service) {
		o.fault("network_service", "has ended")
	}
	connection := o.checkPlace()
	offering := o.checkOffering(kind, service, connection)
	if p := o.wrong(); p != nil {
		return p
	}
	lan, err := service.Object()
	if err != nil {
		return new(generic(http.StatusInternalServerError, err.Error()))
	}
	if o.fresh("role_assignments") {
		o.checkRoles(lan)
	}
	if o.fresh("macs", "consuming_account") {
		o.checkMACs(service)
	}
	switch kind {
	case "exchange_lan":
		if len(o.new.List("asns")) == 0 {
			o.fault("asns", "is empty")
		}
	case "p2p_vc":
		o.checkEnd(lan)
	case "cloud_vc":
		o.checkCloud(lan, offering)
	}
	if p := o.wrong(); p != nil {
		return p
	}
	if o.fresh("vlan_config", "connection") {
		return o.chooseVLAN(connection)
	}
	return nil
}

// fresh reports whether one of the fields is another one than it was, so that it has to be looked at. What was ordered
// under other rules stays.
func (o *order) fresh(fields ...string) bool {
	return o.old == nil || slices.ContainsFunc(fields, o.changed)
}

// checkPlace finds what is wrong with where a config is: on a connection with tags, or at a routing function.
func (o *order) checkPlace() *store.Record {
	id, on := o.new.Text("connection")
	_, routed := o.new.Text("routing_function")
	switch {
	case on && routed:
		o.fault("routing_function", "cannot be there together with a connection")
	case !on && !routed:
		o.fault("connection", "is required without a routing_function")
	case !on && o.new["vlan_config"] != nil:
		o.fault("vlan_config", "is of a connection, and there is none")
	case on && o.new["vlan_config"] == nil:
		o.fault("vlan_config", "is required with a connection")
	}
	connection := o.Get("connections", id)
	if connection == nil {
		return nil
	}
	if !inService(connection) && o.fresh("connection") {
		o.fault("connection", "has ended")
	}
	return connection
}

// checkOffering finds what is wrong with the offering of a config, and returns that which holds for it: its own, or
// its service's.
func (o *order) checkOffering(kind string, service, connection *store.Record) store.Object {
	id, own := o.new.Text("product_offering")
	if !own {
		if kind == "exchange_lan" {
			o.fault("product_offering", "is required")
			return nil
		}
		id, _ = service.Text("product_offering")
	}
	record := o.Get("product-offerings", id)
	if record == nil {
		return nil
	}
	offering, err := record.Object()
	if err != nil {
		return nil
	}
	of, _ := offering.Text("type")
	switch lan, _ := offering.Text("exchange_lan_network_service"); {
	case of != kind:
		o.fault("product_offering", "is of another type: %s", of)
	case kind == "exchange_lan" && lan != service.ID:
		o.fault("product_offering", "is of another exchange LAN")
	case kind != "exchange_lan" && own && !o.offers(service, id):
		o.fault("product_offering", "is none of this network service")
	}
	if o.fresh("connection", "product_offering") {
		o.checkReach(kind, offering, connection)
	}
	if o.fresh("capacity", "product_offering") {
		o.checkBandwidth(offering)
	}
	return offering
}

// offers reports whether a service has an offering for its configs.
func (o *order) offers(service *store.Record, offering string) bool {
	all, err := service.Object()
	if err != nil {
		return false
	}
	own, _ := all.Text("product_offering")
	return own == offering || slices.Contains(all.List("nsc_product_offerings"), offering)
}

// checkReach finds a connection where the exchange does not hand over what is offered.
func (o *order) checkReach(kind string, offering store.Object, connection *store.Record) {
	if connection == nil {
		return
	}
	at, known := connection.Text("metro_area_network")
	there := []string{"handover_metro_area_network"}
	if kind == "p2p_vc" {
		there = append(there, "service_metro_area_network") // of its other end
	}
	reached := !known
	for _, name := range there {
		network, set := offering.Text(name)
		reached = reached || !set || network == at
	}
	if !reached {
		o.fault("connection", "is in another metro area network than what is offered")
	}
}

// checkBandwidth finds a capacity outside the limits of an offering.
func (o *order) checkBandwidth(offering store.Object) {
	capacity, given := o.new.Int("capacity")
	if !given {
		return
	}
	if least, set := offering.Int("bandwidth_min"); set && capacity < least {
		o.fault("capacity", "is less than the %d Mbit/s that are the least of the product offering", least)
	}
	if most, set := offering.Int("bandwidth_max"); set && capacity > most {
		o.fault("capacity", "is more than the %d Mbit/s that are the most of the product offering", most)
	}
}

// checkRoles finds contact roles that a service wants and nobody has.
func (o *order) checkRoles(service store.Object) {
	has := map[string]bool{}
	for _, id := range o.new.List("role_assignments") {
		if assigned := o.Get("role-assignments", id); assigned != nil {
			role, _ := assigned.Text("role")
			has[role] = true
		}
	}
	for _, role := range service.List("nsc_required_contact_roles") {
		if !has[role] {
			o.fault("role_assignments", "nobody has role %s, which the network service requires", o.called("roles", role))
		}
	}
}

// called returns the name of a record, or its id.
func (o *order) called(collection, id string) string {
	if r := o.Get(collection, id); r != nil {
		if name, ok := r.Text("name"); ok {
			return name
		}
	}
	return id
}

// checkEnd finds a config that is no end of a line: each of the two accounts has one.
func (o *order) checkEnd(service store.Object) {
	account, _ := o.new.Text("consuming_account")
	a, _ := service.Text("consuming_account")
	b, _ := service.Text("joining_member_account")
	id, _ := service.Text("id")
	if account != a && account != b {
		o.fault("consuming_account", "is neither end of this network service")
		return
	}
	ends := map[string]int{a: 1}
	ends[b]++
	for _, c := range o.configsOf("network_service", id) {
		other, _ := c.Text("consuming_account")
		ends[other]--
	}
	if ends[account] <= 0 {
		o.fault("network_service", "has this end already")
	}
}

// checkCloud finds what is wrong with the side of a config where the cloud is.
func (o *order) checkCloud(service, offering store.Object) {
	if diversity, set := service.Int("diversity"); set {
		if handover, _ := o.new.Int("handover"); handover > diversity {
			o.fault("handover", "is not between 1 and %d, the diversity of the network service", diversity)
		}
	}
	config := o.new.Object("cloud_config")
	if vlans, _ := offering.Text("provider_vlans"); vlans == "single" {
		if o.new["cloud_vlan"] != nil {
			o.fault("cloud_vlan", "must be null where the product offering has a single provider VLAN")
		}
		if config["vlan"] != nil {
			o.fault("cloud_config.vlan", "must be null where the product offering has a single provider VLAN")
		}
	}
	for _, name := range offering.List("nsc_required_cloud_config_fields") {
		if config[name] == nil {
			o.fault("cloud_config."+name, "is required by the product offering")
		}
	}
	if supported := offering.List("nsc_supported_cloud_config_fields"); offering["nsc_supported_cloud_config_fields"] != nil {
		for _, f := range cloudFields() {
			if config[f.name] != nil && !slices.Contains(supported, f.name) {
				o.fault("cloud_config."+f.name, "is not supported by the product offering")
			}
		}
	}
	types := offering.List("nsc_supported_cloud_config_peering_types")
	if peering, given := config.Text("peering_type"); given && types != nil && !slices.Contains(types, peering) {
		o.fault("cloud_config.peering_type", "is not supported by the product offering")
	}
}

// checkMACs finds addresses that are not the consumer's to use on this service.
func (o *order) checkMACs(service *store.Record) {
	ids := o.new.List("macs")
	if kind, _ := o.new.Text("type"); kind == "exchange_lan" && len(ids) > lanMACs {
		o.fault("macs", "has more than the %d addresses that a config may have on this LAN", lanMACs)
	}
	account, _ := o.new.Text("consuming_account")
	for i, id := range ids {
		mac := o.Get("macs", id)
		if mac == nil {
			continue
		}
		at := fmt.Sprintf("macs.%d", i)
		if of, _ := mac.Text("consuming_account"); of != account {
			o.fault(at, "is of another account than the consumer")
		} else if o.speaks(mac, service.ID, account) {
			o.fault(at, "is in use on this network service")
		}
	}
}

// speaks reports whether the address of a MAC is that of another account on a service.
func (o *order) speaks(mac *store.Record, service, account string) bool {
	address, _ := mac.Text("address")
	same := map[string]bool{}
	for _, m := range o.List("macs") {
		if a, _ := m.Text("address"); a == address && m.ID != mac.ID {
			same[m.ID] = true
		}
	}
	if len(same) == 0 {
		return false
	}
	return slices.ContainsFunc(o.configsOf("network_service", service), func(c *store.Record) bool {
		other, _ := c.Text("consuming_account")
		return other != account && slices.ContainsFunc(c.List("macs"), func(id string) bool { return same[id] })
	})
}

// configsOf returns the configs that have not ended, but for the one that is ordered, by what a field of theirs refers to.
func (o *order) configsOf(field, id string) (all []*store.Record) {
	for _, c := range o.List("network-service-configs") {
		if of, _ := c.Text(field); of == id && c.ID != o.id && inService(c) {
			all = append(all, c)
		}
	}
	return all
}
