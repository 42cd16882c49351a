package exchange

import (
	"net/http"
	"slices"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// reservations returns what can be ordered of port reservations.
func reservations() *resource {
	return &resource{
		prefix: "pr",
		fields: together(stateful("requested"), cancelable(), []field{
			{name: "purchase_order", is: text(80), fallback: ""},
			{name: "contract_ref", is: text(128), null: true},
			{name: "external_ref", is: text(128), null: true},
			{name: "connection", is: reference("connections"), fixed: true},
			{name: "subscriber_side_demarc", is: text(256), null: true},
			{name: "connecting_party", is: text(128), null: true},
			{name: "cross_connect_id", is: text(128), null: true},
			{name: "exchange_side_demarc", ours: true, null: true},
			{name: "port", ours: true, null: true},
		}),
		create: orderReservation, update: changeReservation, remove: endReservation,
		updated: http.StatusAccepted, removed: http.StatusAccepted,
		actions: map[string]action{"cancellation-policy": cancellation(), "loa": letters()},
	}
}

// reserve stores a port reservation of what is given, and returns its id.
func (o *order) reserve(given store.Object) (string, *problem) {
	id := o.name("pr")
	r := store.Object{
		"id": id, "state": "requested", "status": []any{}, "current_billing_start_date": nil,
		"purchase_order": "", "contract_ref": nil, "external_ref": nil, "subscriber_side_demarc": nil, "connecting_party": nil,
		"cross_connect_id": nil, "exchange_side_demarc": nil, "port": nil,
	}
	for f, v := range given {
		r[f] = v
	}
	return id, o.keep("port-reservations", r)
}

// orderReservation adds a port to a connection.
func orderReservation(o *order) *problem {
	id, given := o.new.Text("connection")
	if !given {
		o.fault("connection", "is required")
		return nil
	}
	c := o.find("connections", id)
	if c == nil {
		o.fault("connection", "there is no such record in connections")
		return nil
	}
	if p := o.server.permit(o.by, o.Tx.Now(), "connections", c, "update"); p != nil {
		return p
	}
	if p := o.changeable(c.State()); p != nil {
		return p
	}
	quantity := portsOf(c)
	if mode, _ := c.Text("mode"); mode == "standalone" && quantity > 0 {
		return new(unable("a standalone connection has one port"))
	}
	offered, _ := c.Text("product_offering")
	offering := o.Get("product-offerings", offered)
	if offering == nil {
		return new(unable("the product offering of connection %s is gone", id))
	}
	if most, limited := offering.Int("maximum_port_quantity"); limited && quantity >= most {
		return new(unable("connection %s has %d ports, the most that %s has", id, quantity, offering.ID))
	}
	if by, _ := offering.Text("cross_connect_initiator"); by == "exchange" && o.new["subscriber_side_demarc"] == nil {
		o.fault("subscriber_side_demarc", "is required, because the exchange orders the cross connect")
		return nil
	}
	ids := append(slices.Clone(c.List("port_reservations")), o.id)
	return o.edit("connections", id, store.Object{"port_reservations": ids})
}

// changeReservation changes what is said of a port reservation.
func changeReservation(o *order) *problem {
	o.new["connection"] = o.old["connection"] // a PUT does not have it
	state, _ := o.old.Text("state")
	return o.changeable(state)
}

// endReservation takes a port from a connection, but not the last one from configs that need it.
func endReservation(o *order) *problem {
	id, _ := o.old.Text("connection")
	c := o.Get("connections", id)
	port, given := o.old.Text("port")
	if c == nil || !given || hasEnded(o.old) {
		return decommission(o)
	}
	ending := map[string]bool{port: true}
	for _, r := range o.ofConnection(id) {
		if r.State() == "decommission_requested" {
			port, _ := r.Text("port")
			ending[port] = true
		}
	}
	if !slices.ContainsFunc(c.List("ports"), func(port string) bool { return !ending[port] }) {
		left := slices.DeleteFunc(configsOn(o.Now(), id), func(c *store.Record) bool { return c.State() == "decommission_requested" })
		if len(left) > 0 {
			return new(unable("it is the last port of connection %s, which these need: %s", id, o.tell("network-service-configs", left)))
		}
	}
	return decommission(o)
}
