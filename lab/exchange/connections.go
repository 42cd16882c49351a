package exchange

import (
	"net/http"
	"slices"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// Hardware is what the ports of a device can carry, in IX-API's words.
type Hardware struct {
	VLANTypes  []string // port, dot1q, qinq
	Ethertypes []string // 0x8100, 0x88a8, 0x9100
}

// everything is what a device carries of which nothing else is said.
func everything() Hardware {
	return Hardware{VLANTypes: []string{"port", "dot1q", "qinq"}, Ethertypes: []string{"0x8100", "0x88a8", "0x9100"}}
}

// hardware returns what a device carries.
func (s *Server) hardware(device string) Hardware {
	if h, ok := s.options.Hardware[device]; ok {
		return h
	}
	return everything()
}

// maxPorts bounds the ports of a connection.
const maxPorts = 64

// connectionResources returns what can be ordered of connections.
func connectionResources() map[string]*resource {
	return map[string]*resource{
		"connections": {
			prefix: "conn",
			fields: together(stateful("requested"), cancelable(), ownable(), invoiceable(), contactable(), []field{
				{name: "mode", is: choice("lag_lacp", "lag_static", "flex_ethernet", "standalone"), required: true},
				{name: "lacp_timeout", is: choice("slow", "fast"), null: true},
				{name: "product_offering", is: reference("product-offerings"), required: true},
				{name: "port_quantity", is: between(1, maxPorts), fixed: true},
				{name: "subscriber_side_demarcs", is: each(filled(256)), fallback: []any{}, fixed: true},
				{name: "connecting_party", is: text(128), null: true},
				{name: "name", ours: true, fallback: ""},
				{name: "ports", ours: true, fallback: []any{}},
				{name: "port_reservations", ours: true, fallback: []any{}},
				{name: "pop", ours: true, null: true},
				{name: "metro_area", ours: true, null: true},
				{name: "metro_area_network", ours: true, null: true},
				{name: "speed", ours: true, null: true},
				{name: "capacity_allocated", ours: true, fallback: 0},
				{name: "capacity_allocation_limit", ours: true, null: true},
				{name: "vlan_types", ours: true, fallback: []any{}},
				{name: "outer_vlan_ethertypes", ours: true, fallback: []any{}},
			}),
			create: orderConnection, update: changeConnection, remove: decommission,
			updated: http.StatusAccepted, removed: http.StatusAccepted,
			actions: map[string]action{"cancellation-policy": cancellation(), "loa": letters()},
		},
		"port-reservations": reservations(),
	}
}

// orderConnection makes a connection with its port reservations.
func orderConnection(o *order) *problem {
	offering := o.offering("product_offering", "connection")
	o.bundle()
	quantity, given := o.new.Int("port_quantity")
	if !given {
		o.fault("port_quantity", "is required")
	}
	if offering == nil {
		return nil
	}
	o.lacksRole(offering.List("required_contact_roles"), o.new.List("role_assignments"))
	if most, limited := offering.Int("maximum_port_quantity"); limited && quantity > most {
		o.fault("port_quantity", "is more than %d, the most that %s has", most, offering.ID)
	}
	demarcs := o.new.List("subscriber_side_demarcs")
	if by, _ := offering.Text("cross_connect_initiator"); by == "exchange" && len(demarcs) == 0 {
		o.fault("subscriber_side_demarcs", "is empty, but the exchange orders the cross connects")
	}
	if len(demarcs) > int(quantity) {
		o.fault("subscriber_side_demarcs", "has more than port_quantity items")
	}
	if p := o.wrong(); p != nil {
		return p
	}
	if p := o.buildable(offering, quantity); p != nil {
		return p
	}
	o.new["name"] = o.id
	for _, f := range []string{"metro_area", "metro_area_network", "pop"} {
		if at, ok := offering.Text("handover_" + f); ok {
			o.new[f] = at
		}
	}
	all := everything()
	o.new["vlan_types"], o.new["outer_vlan_ethertypes"] = all.VLANTypes, all.Ethertypes
	if speed, ok := offering.Int("physical_port_speed"); ok {
		o.new["capacity_allocation_limit"] = speed * quantity
	}
	party := o.new["connecting_party"]
	delete(o.new, "connecting_party")
	ids := []string{}
	for i := range quantity {
		r := store.Object{"connection": o.id, "connecting_party": party}
		for _, f := range []string{"purchase_order", "contract_ref", "external_ref"} {
			r[f] = o.new[f]
		}
		if int(i) < len(demarcs) {
			r["subscriber_side_demarc"] = demarcs[i]
		}
		id, p := o.reserve(r)
		if p != nil {
			return p
		}
		ids = append(ids, id)
	}
	o.new["port_reservations"] = ids
	return nil
}

// bundle reports a mode and a timer of LACP that do not go together, and fills in the timer.
func (o *order) bundle() {
	mode, _ := o.new.Text("mode")
	_, timed := o.new.Text("lacp_timeout")
	switch {
	case mode == "lag_lacp" && !timed:
		o.new["lacp_timeout"] = "slow"
	case mode != "lag_lacp" && timed && o.sent["lacp_timeout"]:
		o.fault("lacp_timeout", "is for the mode lag_lacp only")
	case mode != "lag_lacp":
		o.new["lacp_timeout"] = nil
	}
	quantity, path := portsOf(o.old), "mode"
	if o.old == nil {
		quantity, _ = o.new.Int("port_quantity")
		path = "port_quantity"
	}
	if mode == "standalone" && quantity > 1 {
		o.fault(path, "a standalone connection has one port, not %d", quantity)
	}
}

// buildable returns why a connection of so many ports can never be built, or nil.
func (o *order) buildable(offering *store.Record, quantity int64) *problem {
	if mode, _ := o.new.Text("mode"); mode == "flex_ethernet" {
		return new(unable("no device of this exchange can build a FlexEthernet group"))
	}
	for _, s := range o.slots(o.stock(), offering) {
		if (quantity == 1 || quantity <= s.maxLAG) && quantity <= s.all {
			return nil
		}
	}
	return new(unable("no device has %d ports for %s", quantity, offering.ID))
}

// changeConnection changes a connection.
func changeConnection(o *order) *problem {
	for _, f := range []string{"port_quantity", "subscriber_side_demarcs"} { // a PUT does not have them
		if was, ok := o.old[f]; ok && !o.sent[f] {
			o.new[f] = was
		}
	}
	delete(o.new, "connecting_party")
	state, _ := o.old.Text("state")
	if p := o.changeable(state); p != nil {
		return p
	}
	o.bundle()
	if o.changed("product_offering") {
		o.moveConnection()
	}
	if id, _ := o.new.Text("product_offering"); o.changed("role_assignments") {
		if offering := o.Get("product-offerings", id); offering != nil {
			o.lacksRole(offering.List("required_contact_roles"), o.new.List("role_assignments"))
		}
	}
	if p := o.wrong(); p != nil {
		return p
	}
	if mode, _ := o.new.Text("mode"); mode == "flex_ethernet" && o.changed("mode") {
		return new(unable("no device of this exchange can build a FlexEthernet group"))
	}
	built := slices.ContainsFunc([]string{"mode", "lacp_timeout", "product_offering"}, o.changed)
	o.again(built)
	for _, id := range o.new.List("ports") {
		if p := o.own(id, o.new); p != nil {
			return p
		}
	}
	return nil
}

// changeable returns why a record of a state cannot be changed, or nil.
func (o *order) changeable(state string) *problem {
	switch state {
	case "decommission_requested", "decommissioned", "archived", "cancelled":
		return new(unable("it cannot be changed any more: it is %s", state))
	}
	return nil
}

// again moves a record on that its customer has changed: built says that this is something for the switches.
func (o *order) again(built bool) {
	state, _ := o.old.Text("state")
	_, served := o.old.Text("current_billing_start_date")
	switch {
	case state == "error" && !served:
		o.new["state"], o.new["status"] = "testing", []any{}
	case state == "error" || state == "production" && built:
		o.new["state"], o.new["status"] = "production_change_pending", []any{}
	default:
		return
	}
	if !o.server.options.Reported {
		o.new["state"] = "production"
	}
}

// moveConnection reports what speaks against another offering for a connection that is there.
func (o *order) moveConnection() {
	const field = "product_offering"
	to := o.offering(field, "connection")
	if to == nil {
		return
	}
	if most, limited := to.Int("maximum_port_quantity"); limited {
		if portsOf(o.old) > most {
			o.fault(field, "has at most %d ports", most)
		}
	}
	if pop, at := to.Text("handover_pop"); at {
		if here, known := o.old.Text("pop"); known && here != pop {
			o.fault(field, "is at %s", pop)
		}
	}
	speed, fast := to.Int("physical_port_speed")
	for _, id := range o.old.List("ports") {
		if p := o.Get("ports", id); p != nil && fast {
			if is, _ := p.Int("speed"); is != speed {
				o.fault(field, "is for ports of %d Mbit/s, and %s has %d Mbit/s: another connection is to be ordered", speed, id, is)
			}
		}
	}
	if fast && o.wrong() == nil {
		o.new["capacity_allocation_limit"] = speed * portsOf(o.old)
	}
}

// portsOf returns how many ports a connection has, or waits for. Its port_quantity stays what it was ordered with.
func portsOf(connection interface{ List(string) []string }) int64 {
	return int64(max(len(connection.List("port_reservations")), len(connection.List("ports"))))
}

// capacityOf returns what the configs of a connection take of it together, and what they may take, in Mbit/s. Limited is
// false when there is no limit.
func (o *order) capacityOf(connection *store.Record) (allocated, limit int64, limited bool) {
	for _, c := range o.Where("network-service-configs", "connection", connection.ID) {
		if !inService(c) {
			continue
		}
		n, given := c.Int("capacity")
		if kind, _ := c.Text("type"); kind == "cloud_vc" && !given { // its service has the capacity
			service, _ := c.Text("network_service")
			if s := o.Get("network-services", service); s != nil {
				n, _ = s.Int("capacity")
			}
		}
		allocated += n
	}
	limit, limited = connection.Int("capacity_allocation_limit")
	return allocated, limit, limited
}
