package exchange

import (
	"maps"
	"net/http"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// A resource is a collection whose records can be ordered.
type resource struct {
	prefix   string             // of the ids it hands out
	fields   []field            // of all records
	variants map[string][]field // and of those of a type; nil when there is no field type

	// What is done beside checking fields; a method without its rule is not possible. A rule sees the record as it will
	// be in order.new, may change it and other records, and reports what is wrong with the request by order.fault, or
	// returns the problem. Remove decides what becomes of the record: it stores order.new, or removes it.
	create, update, remove rule
	// ended releases what a record held, once its service is over: it was cancelled or is decommissioned.
	ended func(o *order, record store.Object) *problem

	updated, removed int // status of a PUT or PATCH, and of a DELETE, when all is well

	// actions are what can be done below a record, by path: cancellation-policy.
	actions map[string]action
}

// A rule is what an exchange does with an order.
type rule func(*order) *problem

// An action answers requests to a path below a record, by method.
type action map[string]func(*call)

// A call is a request to a path below a record that the caller sees.
type call struct {
	server *Server
	w      http.ResponseWriter
	r      *http.Request
	by     principal
	// collection is that of the record.
	collection string
	record     *store.Record
	action     string // its name in the path
	// rest is what follows the name of the action in the path.
	rest []string
}

// refuse answers with a problem.
func (c *call) refuse(p problem) { p.write(c.w, c.r) }

// answer answers with a value as JSON.
func (c *call) answer(status int, value any) { answer(c.w, status, recordMediaType, value) }

// update runs a transaction for the caller, and answers with its problem if it has one, and reports whether it had none.
func (c *call) update(f func(*order) *problem) bool {
	p := c.server.transact(c.by, f)
	if p != nil {
		c.refuse(*p)
	}
	return p == nil
}

// A field of a record, as it is ordered.
type field struct {
	name     string
	is       kind
	required bool // when a record is made
	null     bool // may be null, and is when nothing else is said
	fallback any  // what it is when nothing is said; nil leaves it out unless it may be null
	fixed    bool // cannot change once the record is made
	ours     bool // set by the exchange; what a client says of it is not looked at
}

// resources returns all that can be ordered, by collection.
func resources() map[string]*resource {
	all := map[string]*resource{}
	for _, part := range []map[string]*resource{partyResources(), connectionResources(), serviceResources(), configResources()} {
		for name, r := range part {
			all[name] = r
		}
	}
	for name, actions := range measurements() {
		if all[name] == nil {
			all[name] = &resource{}
		}
		if all[name].actions == nil {
			all[name].actions = map[string]action{}
		}
		maps.Copy(all[name].actions, actions)
	}
	return all
}

// The mixins of IX-API.

// stateful are the fields of a record with a life.
func stateful(state string) []field {
	return []field{{name: "state", ours: true, fallback: state}, {name: "status", ours: true, fallback: []any{}}}
}

// cancelable are those of one that is ordered for a time. The days of its end are not there before they are known (IX-API
// 2.1.0 has no null for them).
func cancelable() []field {
	return []field{
		{name: "decommission_at", is: date, ours: true},
		{name: "charged_until", is: date, ours: true},
		{name: "current_billing_start_date", is: date, ours: true, null: true},
	}
}

// ownable are those of one that belongs to somebody.
func ownable() []field {
	return []field{
		{name: "managing_account", is: reference("accounts"), required: true},
		{name: "consuming_account", is: reference("accounts"), required: true},
		{name: "external_ref", is: text(128), null: true},
	}
}

// invoiceable are those of one that somebody pays.
func invoiceable() []field {
	return []field{
		{name: "billing_account", is: reference("accounts"), required: true},
		{name: "purchase_order", is: text(80), fallback: ""},
		{name: "contract_ref", is: text(128), null: true},
	}
}

// contactable is that of one with contacts.
func contactable() []field {
	return []field{{name: "role_assignments", is: references("role-assignments"), fallback: []any{}}}
}

// together joins lists of fields.
func together(parts ...[]field) (all []field) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
