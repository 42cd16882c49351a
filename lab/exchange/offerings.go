package exchange

import (
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// offering returns the product offering that a field of the new record names. What speaks against it is reported, and
// nil is returned: that it is of another type, that it is not sold at this time, that the account must not order it
// yet, or that the step from the offering before is not allowed.
func (o *order) offering(field, kind string) *store.Record {
	id, _ := o.new.Text(field)
	to := o.find("product-offerings", id)
	if to == nil {
		o.fault(field, "there is no such record in product-offerings")
		return nil
	}
	if t, _ := to.Text("type"); t != kind {
		o.fault(field, "is of type %s, not %s", t, kind)
		return nil
	}
	if o.old != nil && !o.changed(field) {
		return to
	}
	before := len(o.faults)
	if from, ok := instantOf(to, "orderable_not_before"); ok && o.now.Before(from) {
		o.fault(field, "cannot be ordered before %s", from.UTC().Format(time.RFC3339))
	}
	if until, ok := instantOf(to, "orderable_not_after"); ok && o.now.After(until) {
		o.fault(field, "could not be ordered after %s", until.UTC().Format(time.RFC3339))
	}
	if was, _ := o.old.Text(field); was != "" {
		if from := o.Get("product-offerings", was); from != nil {
			o.step(field, from, bandwidthOf(from), bandwidthOf(to))
		}
	}
	if len(o.faults) > before {
		return nil
	}
	return to
}

// step reports a change of bandwidth that the offering one comes from does not allow.
func (o *order) step(field string, from *store.Record, was, is int64) {
	if allowed, _ := from.Text("upgrade_allowed"); is > was && allowed != "true" {
		o.fault(field, "%s does not allow an upgrade", from.ID)
	}
	if allowed, _ := from.Text("downgrade_allowed"); is < was && allowed != "true" {
		o.fault(field, "%s does not allow a downgrade", from.ID)
	}
}

// bandwidthOf is what an offering is compared by, in Mbit/s: the speed of ports or the greatest capacity.
func bandwidthOf(offering *store.Record) int64 {
	for _, field := range []string{"physical_port_speed", "bandwidth_max"} {
		if n, ok := offering.Int(field); ok {
			return n
		}
	}
	return math.MaxInt64
}

// withinBandwidth reports a capacity of the new record, in Mbit/s, that its offering does not have, or that must not be
// changed to. Null is the greatest that there is.
func (o *order) withinBandwidth(field string, offering *store.Record) {
	capacity, limited := o.new.Int(field)
	least, low := offering.Int("bandwidth_min")
	most, high := offering.Int("bandwidth_max")
	switch {
	case limited && low && capacity < least:
		o.fault(field, "is less than the %d Mbit/s that %s begins with", least, offering.ID)
	case limited && high && capacity > most:
		o.fault(field, "is more than the %d Mbit/s that %s ends with", most, offering.ID)
	case o.old != nil && o.changed(field) && !o.changed("product_offering"):
		was, _ := o.old.Int(field)
		if was == 0 {
			was = bandwidthOf(offering)
		}
		if !limited {
			capacity = bandwidthOf(offering)
		}
		o.step(field, offering, was, capacity)
	}
}

// ordersFirst reports whether an account that is not in production orders what is first required of it.
func (o *order) ordersFirst(account *store.Record) bool {
	offering, _ := o.new.Text("product_offering")
	object, err := account.Object()
	return err == nil && tagged(object, firstService) && slices.Contains(o.lacking(account.ID), offering)
}

// lacking returns the offerings of Options.FirstOfferings that an account has not ordered yet. As long as there is one,
// the account does not reach production.
func (o *order) lacking(account string) []string {
	ordered := map[string]bool{}
	for _, collection := range []string{"connections", "network-services", "network-service-configs"} {
		for _, r := range o.List(collection) {
			if by, _ := r.Text("consuming_account"); by == account && inService(r) {
				offering, _ := r.Text("product_offering")
				ordered[offering] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(o.server.options.FirstOfferings), func(id string) bool { return ordered[id] })
}

// firstService is the tag of the status of an account that has yet to order something.
const firstService = "service_required"

// welcome moves an account to production once it has ordered what was first required of it. Its status says what is.
func (o *order) welcome(account string) *problem {
	a := o.Get("accounts", account)
	if a == nil || consumes(a) {
		return nil
	}
	object, err := a.Object()
	if err != nil {
		return new(generic(http.StatusInternalServerError, err.Error()))
	}
	messages, _ := object["status"].([]any)
	waits := func(m any) bool { status, _ := m.(map[string]any); return status["tag"] == firstService }
	i := slices.IndexFunc(messages, waits)
	if i < 0 {
		return nil
	}
	lacking := o.lacking(account)
	if len(lacking) == 0 {
		return o.edit("accounts", account, store.Object{"state": "production", "status": slices.DeleteFunc(messages, waits)})
	}
	messages[i] = o.firstServices(lacking)
	return o.edit("accounts", account, store.Object{"status": messages})
}

// accepted returns the state of an account that has accepted the terms, and what it is told.
func (o *order) accepted(account string) (state string, status []any) {
	if lacking := o.lacking(account); len(lacking) > 0 {
		return "requested", []any{o.firstServices(lacking)}
	}
	return "production", []any{}
}

// firstServices is the status of an account that has to order something before it reaches production.
func (o *order) firstServices(lacking []string) map[string]any {
	return o.status(5, firstService, "before anything else, one of each of these is to be ordered: "+strings.Join(lacking, ", "),
		map[string]any{"product_offerings": lacking})
}
