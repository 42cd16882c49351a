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
		o.lacksRole(lan.List("nsc_required_contact_roles"), o.new.List("role_assignments"))
	}
	if o.fresh("macs", "consuming_account") {
		o.checkMACs(service)
	}
	o.checkCapacity(connection)
	switch kind {
	case "exchange_lan":
		if len(o.new.List("asns")) == 0 {
			o.fault("asns", "is empty")
		}
	case "cloud_vc":
		o.checkCloud(offering)
	}
	if p := o.wrong(); p != nil {
		return p
	}
	account, _ := o.new.Text("consuming_account")
	var capacity *int64
	if n, limited := o.new.Int("capacity"); limited {
		capacity = &n
	}
	if p := o.mayJoin(service, account, capacity); p != nil {
		return p
	}
	if o.fresh("vlan_config", "connection") || unchosen(o.new) {
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
	case on && o.new["vlan_config"] == nil && o.fresh("connection", "vlan_config"):
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
	_, own := o.new.Text("product_offering")
	var record *store.Record
	switch of, _ := service.Text("product_offering"); {
	case own:
		record = o.offering("product_offering", kind)
	case kind == "exchange_lan":
		o.fault("product_offering", "is required")
	default:
		record = o.Get("product-offerings", of)
	}
	if record == nil {
		return nil
	}
	offering, err := record.Object()
	if err != nil {
		return nil
	}
	if own && !o.offers(service, offering) {
		o.fault("product_offering", "is none of this network service")
	}
	if o.fresh("connection", "product_offering") {
		o.checkReach(kind, offering, connection)
	}
	if o.fresh("capacity", "product_offering") {
		o.withinBandwidth("capacity", record)
	}
	return offering
}

// offers reports whether an offering is one for the configs of a service.
func (o *order) offers(service *store.Record, offering store.Object) bool {
	id, _ := offering.Text("id")
	if lan, is := offering.Text("exchange_lan_network_service"); is {
		return lan == service.ID
	}
	all, err := service.Object()
	if err != nil {
		return false
	}
	own, _ := all.Text("product_offering")
	return own == id || slices.Contains(all.List("nsc_product_offerings"), id)
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

// checkCapacity finds a config that takes more of its connection than is left. One without a capacity has whatever the
// others leave.
func (o *order) checkCapacity(connection *store.Record) {
	if connection == nil || !o.fresh("capacity", "connection") {
		return
	}
	allocated, limit, limited := o.capacityOf(connection)
	wants := o.takes(o.new)
	if at, _ := o.old.Text("connection"); at == connection.ID {
		allocated -= o.takes(o.old)
	}
	if limited && wants > 0 && allocated+wants > limit {
		o.fault("capacity", "is more than the %d Mbit/s that are left on the connection", max(0, limit-allocated))
	}
}

// takes returns the capacity of a config, which in a cloud is that of its service.
func (o *order) takes(config store.Object) int64 {
	capacity, _ := config.Int("capacity")
	if kind, _ := config.Text("type"); kind == "cloud_vc" {
		id, _ := config.Text("network_service")
		if service := o.Get("network-services", id); service != nil {
			capacity, _ = service.Int("capacity")
		}
	}
	return capacity
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

// checkCloud finds what is wrong with the side of a config where the cloud is.
func (o *order) checkCloud(offering store.Object) {
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
	return slices.ContainsFunc(o.Where("macs", "address", address), func(m *store.Record) bool {
		return m.ID != mac.ID && slices.ContainsFunc(o.configsOf("macs", m.ID), func(c *store.Record) bool {
			other, _ := c.Text("consuming_account")
			on, _ := c.Text("network_service")
			return other != account && on == service
		})
	})
}

// configsOf returns the configs that have not ended, but for the one that is ordered, by what is in a field of theirs.
func (o *order) configsOf(field, id string) []*store.Record {
	return slices.DeleteFunc(o.Where("network-service-configs", field, id), func(c *store.Record) bool { return c.ID == o.id || !inService(c) })
}
