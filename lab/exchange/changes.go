package exchange

import (
	"net/http"
	"slices"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// changesCollection keeps change requests, by the ids of their services. It is not a list of the API.
const changesCollection = "change-requests"

// changeRequest is a network service's change of product offering and capacity (IX-API, NetworkServiceChangeRequest):
// GET, POST and DELETE, all of them answered with 202.
func changeRequest() action {
	return action{
		http.MethodGet: func(c *call) {
			at := c.server.store.Now()
			r := at.Get(changesCollection, c.record.ID)
			if r == nil || c.server.sees(c.by, at, c.collection, c.record) < shared {
				c.refuse(missing("there is no change request"))
				return
			}
			c.showChange(r.Object())
		},
		http.MethodPost: func(c *call) {
			body, p := bodyOf(c.r, false)
			if p != nil {
				c.refuse(*p)
				return
			}
			var asked store.Object
			if c.ofService(func(o *order) *problem { o.body = body; asked, p = o.askChange(); return p }) {
				c.showChange(asked, nil)
			}
		},
		http.MethodDelete: func(c *call) {
			var asked store.Object
			var err error
			if c.ofService(func(o *order) *problem {
				r := o.Get(changesCollection, o.id)
				if r == nil {
					return new(missing("there is no change request"))
				}
				asked, err = r.Object()
				o.Remove(changesCollection, o.id)
				if state, _ := o.new.Text("state"); state == "production_change_pending" {
					return o.edit(o.collection, o.id, store.Object{"state": "production"})
				}
				return nil
			}) {
				c.showChange(asked, err)
			}
		},
	}
}

// showChange answers with a change request.
func (c *call) showChange(asked store.Object, err error) {
	if err != nil {
		c.refuse(generic(http.StatusInternalServerError, err.Error()))
		return
	}
	c.answer(http.StatusAccepted, map[string]any{"product_offering": asked["product_offering"], "capacity": asked["capacity"]})
}

// takesPart reports whether a call is about the change of a line by the member at its other end, who may ask for one as
// its manager may.
func (c *call) takesPart() bool {
	return c.action == "change-request" && c.by.granted(c.collection, "update") && c.by.holds(c.server.store.Now(), c.record, "joining_member_account")
}

// ofService runs a transaction on the network service of a call.
func (c *call) ofService(f func(*order) *problem) bool {
	return c.update(func(o *order) *problem {
		r := o.find(c.collection, c.record.ID)
		if r == nil {
			return new(missing("there is no such record"))
		}
		o.collection, o.id = c.collection, r.ID
		var err error
		if o.old, err = r.Object(); err == nil {
			o.new, err = r.Object()
		}
		if err != nil {
			return new(generic(http.StatusInternalServerError, err.Error()))
		}
		if p := ofCustomers(o); p != nil {
			return p
		}
		return f(o)
	})
}

// askChange takes up a change request. A line changes when the configs at both of its ends have; others do at once.
func (o *order) askChange() (asked store.Object, p *problem) {
	asked = store.Object{"id": o.id}
	for _, f := range []field{
		{name: "product_offering", is: reference("product-offerings"), required: true},
		{name: "capacity", is: between(1, maxSpeed), null: true},
	} {
		o.fill(asked, f, f.name, o.body, true)
	}
	if p := o.wrong(); p != nil {
		return nil, p
	}
	if state, _ := o.old.Text("state"); state != "production" {
		return nil, new(unable("network service %s is in state %s: only one in production changes, and one change at a time", o.id, state))
	}
	kind, _ := o.old.Text("type")
	o.new["product_offering"], o.new["capacity"] = asked["product_offering"], asked["capacity"]
	if kind != "p2p_vc" && kind != "cloud_vc" && asked["capacity"] != nil {
		o.fault("capacity", "is not a matter of a service of type %s", kind)
	}
	if offering := o.offering("product_offering", kind); offering != nil {
		o.sameButBandwidth(offering)
		o.withinBandwidth("capacity", offering)
	}
	if p := o.wrong(); p != nil {
		return nil, p
	}
	if p := o.keep(changesCollection, asked); p != nil {
		return nil, p
	}
	return asked, o.edit(o.collection, o.id, store.Object{"state": "production_change_pending"})
}

// sameButBandwidth reports an offering that is another service than the one that there is.
func (o *order) sameButBandwidth(offering *store.Record) {
	id, _ := o.old.Text("product_offering")
	was := o.Get("product-offerings", id)
	if was == nil {
		return
	}
	for _, field := range []string{
		"service_provider", "handover_metro_area_network", "handover_metro_area", "service_metro_area_network", "service_metro_area",
		"service_provider_region", "service_provider_pop", "service_provider_workflow", "delivery_method", "diversity",
	} {
		before, _ := was.Text(field)
		if after, _ := offering.Text(field); after != before {
			o.fault("product_offering", "differs in more than its bandwidth: %s is %q, and was %q", field, after, before)
		}
	}
}

// settledChanges returns the services whose change is over, or void because the service ends.
func settledChanges(at *store.Snapshot) (out []string) {
	for _, r := range at.List(changesCollection) {
		service := at.Get("network-services", r.ID)
		if service == nil || service.State() != "production_change_pending" || changedBySides(at, service, r) {
			out = append(out, r.ID)
		}
	}
	return out
}

// changedBySides reports whether all configs of a line have the capacity that was asked for.
func changedBySides(at *store.Snapshot, service, asked *store.Record) bool {
	if kind, _ := service.Text("type"); kind != "p2p_vc" {
		return true
	}
	wanted, limited := wantedCapacity(at, asked)
	return !slices.ContainsFunc(inServiceOf(at, "network-service-configs", "network_service", service.ID), func(c *store.Record) bool {
		capacity, set := c.Int("capacity")
		return set != limited || capacity != wanted
	})
}

// wantedCapacity returns the capacity of a change request: its own, or the greatest of its offering.
func wantedCapacity(at *store.Snapshot, asked *store.Record) (capacity int64, limited bool) {
	if n, ok := asked.Int("capacity"); ok {
		return n, true
	}
	id, _ := asked.Text("product_offering")
	if offering := at.Get("product-offerings", id); offering != nil {
		return offering.Int("bandwidth_max")
	}
	return 0, false
}

// finishChanges has services be as was asked for, where that is settled.
func (o *order) finishChanges() *problem {
	for _, id := range settledChanges(o.Now()) {
		asked, service := o.Get(changesCollection, id), o.Get("network-services", id)
		o.Remove(changesCollection, id)
		if service == nil || service.State() != "production_change_pending" {
			continue
		}
		fields := store.Object{"state": "production", "product_offering": asked.Value("product_offering")}
		switch kind, _ := service.Text("type"); kind {
		case "p2p_vc":
			fields["capacity"] = nil
			if n, limited := wantedCapacity(o.Now(), asked); limited {
				fields["capacity"] = n
			}
		case "cloud_vc":
			fields["capacity"] = asked.Value("capacity")
		}
		if p := o.edit("network-services", id, fields); p != nil {
			return p
		}
	}
	return nil
}
