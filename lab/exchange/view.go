package exchange

import (
	"encoding/json"
	"net/http"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// A principal is who asks: an account, or the operator of the exchange.
type principal struct {
	account  string // "" for the operator
	operator bool
	key      string // of the credential
	// customer is the account whose authorization key came with the request; it may be ordered for.
	customer string
	// grants are what those above the account allow it, the nearest first.
	grants []grant
	// joined are the services that rules and configs open to the account, where they have been looked up already.
	joined map[string]bool
}

// A sight is how much of a record a party sees.
type sight int

const (
	hidden sight = iota
	named        // that it is there, and what everybody may know of it
	shared       // what it is
	paid         // and what it costs
	full         // and what it is to the one who manages it
)

// maxLevels bounds how deep accounts manage accounts.
const maxLevels = 16

// within reports whether an account is another one, or managed by it, or by one that it manages.
func within(at *store.Snapshot, id, account string) bool {
	for range maxLevels {
		if id == account {
			return true
		}
		r := at.Get("accounts", id)
		if r == nil {
			return false
		}
		above, managed := r.Text("managing_account")
		if !managed {
			return false
		}
		id = above
	}
	return false
}

// holds reports whether a field of a record names the account of a party, or one that it manages.
func (by principal) holds(at *store.Snapshot, r *store.Record, field string) bool {
	id, ok := r.Text(field)
	return ok && within(at, id, by.account)
}

// sees returns how much of a record a party sees.
func (s *Server) sees(by principal, at *store.Snapshot, collection string, r *store.Record) sight {
	switch {
	case by.operator:
		return full
	case catalogue(collection):
		return full
	case !by.granted(collection, "read"):
		return hidden
	}
	switch collection {
	case "accounts":
		return by.seesAccount(at, r)
	case "network-features":
		if s.seesVia(by, at, r, "network_service", "network-services") == hidden {
			return hidden
		}
		return full
	case "role-assignments":
		return s.seesVia(by, at, r, "contact", "contacts")
	case "port-reservations":
		if seen := s.seesVia(by, at, r, "connection", "connections"); seen > named {
			return seen
		}
		return hidden
	}
	switch {
	case by.holds(at, r, "managing_account"):
		return full
	case by.holds(at, r, "consuming_account"):
		if by.holds(at, r, "billing_account") {
			return paid
		}
		return shared
	case collection == "connections" && by.assigned(at, r):
		return named
	case collection == "network-services":
		return by.seesService(at, r)
	}
	return hidden
}

// seesVia returns how much a party sees of the record that a reference leads to.
func (s *Server) seesVia(by principal, at *store.Snapshot, r *store.Record, reference, collection string) sight {
	id, _ := r.Text(reference)
	if of := at.Get(collection, id); of != nil {
		return s.sees(by, at, collection, of)
	}
	return hidden
}

// catalogue says which collections everybody sees: where the exchange is, and what it sells.
func catalogue(collection string) bool {
	switch collection {
	case "facilities", "pops", "devices", "metro-areas", "metro-area-networks", "availability-zones", "product-offerings", "roles":
		return true
	}
	return false
}

func (by principal) seesAccount(at *store.Snapshot, r *store.Record) sight {
	if r.ID == by.account || by.holds(at, r, "managing_account") {
		return full
	}
	if r.ID == by.customer || r.Value("discoverable") == true && consumes(r) {
		return named
	}
	if own := at.Get("accounts", by.account); own != nil {
		if above, _ := own.Text("managing_account"); above == r.ID {
			return named
		}
	}
	return hidden
}

// seesService returns how much a party sees of a service of another one: of all LANs and of public services that they
// are there, and of those that it may join.
func (by principal) seesService(at *store.Snapshot, r *store.Record) sight {
	if kind, _ := r.Text("type"); kind == "exchange_lan" || r.Value("public") == true {
		return named
	}
	if by.holds(at, r, "joining_member_account") {
		return shared
	}
	joined := by.joined
	if joined == nil {
		joined = by.joins(at)
	}
	if joined[r.ID] {
		return named
	}
	return hidden
}

// joins returns the services that rules let a party join, and those that it has a config of.
func (by principal) joins(at *store.Snapshot) map[string]bool {
	services, denied := map[string]bool{}, map[string]bool{}
	for _, rule := range at.List("member-joining-rules") {
		if by.holds(at, rule, "consuming_account") {
			service, _ := rule.Text("network_service")
			kind, _ := rule.Text("type")
			services[service] = true
			denied[service] = denied[service] || kind == "deny"
		}
	}
	for service := range denied {
		if denied[service] {
			delete(services, service)
		}
	}
	for _, c := range at.List("network-service-configs") {
		if inService(c) && (by.holds(at, c, "consuming_account") || by.holds(at, c, "managing_account")) {
			service, _ := c.Text("network_service")
			services[service] = true
		}
	}
	return services
}

// visible reports whether a party sees a record.
func (s *Server) visible(by principal, at *store.Snapshot, collection string, r *store.Record) bool {
	return s.sees(by, at, collection, r) != hidden
}

// reaches reports whether there is anything below a record for a party: a LAN is everybody's, but else it takes more than
// to know that a record is there.
func (s *Server) reaches(by principal, at *store.Snapshot, collection string, r *store.Record) bool {
	if kind, _ := r.Text("type"); collection == "network-services" && kind == "exchange_lan" {
		return true
	}
	return s.sees(by, at, collection, r) > named
}

// view returns what a party sees of a record; ok is false when it does not see it.
func (s *Server) view(by principal, at *store.Snapshot, collection string, r *store.Record) (text []byte, ok bool) {
	seen := s.look(by, at, collection, r)
	if seen == nil {
		return nil, false
	}
	return seen.Raw, true
}

// look returns a record as a party sees it, or nil.
func (s *Server) look(by principal, at *store.Snapshot, collection string, r *store.Record) *store.Record {
	seen := s.sees(by, at, collection, r)
	own := collection == "accounts" && !by.operator && r.ID == by.account
	switch {
	case seen == hidden:
		return nil
	case seen == full && !own:
		return r
	}
	var values map[string]json.RawMessage
	switch {
	case own:
		values = map[string]json.RawMessage{"managing_account": json.RawMessage("null")} // it is the one without (IX-API, accounts)
	case collection == "accounts":
		values = namesOnly(r)
	default:
		values = redaction(r, seen)
	}
	with, err := r.With(values)
	if err != nil {
		return nil
	}
	return with
}

// namesOnly leaves of an account what others see of it when it can be discovered (IX-API, account.discoverable). The state
// stays because schemas before 2.2 require it.
func namesOnly(account *store.Record) map[string]json.RawMessage {
	record, _ := account.Object()
	values := map[string]json.RawMessage{}
	for field := range record {
		switch field {
		case "id", "name", "state", "metro_area_network_presence":
		default:
			values[field] = nil
		}
	}
	return values
}

// A sensitive is a field that only those see who see enough of a record.
type sensitive struct {
	field   string
	from    sight
	instead string // JSON in its place; it is left out when this is empty
}

// sensitives are the sensitive fields of what an account orders. In their place is what schemas before 2.3, which know of
// no redaction, take for a field that says nothing.
func sensitives() []sensitive {
	return []sensitive{
		{"external_ref", full, "null"},
		{"purchase_order", paid, `""`},
		{"contract_ref", paid, "null"},
		{"charged_until", paid, ""},
		{"current_billing_start_date", paid, ""},
		{"role_assignments", full, "[]"},
		{"status", shared, "[]"},
		{"decommission_at", shared, ""},
		{"member_joining_rules", shared, "[]"},
		{"capacity", shared, "null"},
		{"capacity_allocated", shared, ""},
		{"capacity_allocation_limit", shared, ""},
		{"cloud_key", shared, `""`},
		{"password", full, `""`},
		{"provider_ref", shared, "null"},
		{"ports", shared, "[]"},
		{"port_reservations", shared, "[]"},
		{"subscriber_side_demarcs", shared, "[]"},
	}
}

// redaction returns what stands in place of the fields that a party does not see. Who pays is told where it is one of the
// two parties that the record names anyhow.
func redaction(r *store.Record, seen sight) map[string]json.RawMessage {
	values := map[string]json.RawMessage{}
	for _, s := range sensitives() {
		if seen >= s.from {
			continue
		}
		values[s.field] = nil
		if s.instead != "" {
			values[s.field] = json.RawMessage(s.instead)
		}
	}
	billed, _ := r.Text("billing_account")
	if !refersTo(r, "managing_account", billed) && !refersTo(r, "consuming_account", billed) {
		values["billing_account"] = nil
	}
	return values
}

// operationOf names what a method does to a record.
func operationOf(method string) string {
	switch method {
	case http.MethodPost:
		return "create"
	case http.MethodDelete:
		return "remove"
	case http.MethodGet, http.MethodHead:
		return "read"
	}
	return "update"
}

// permit returns why a party must not do something to a record that it sees, or make one where r is nil; or nil.
func (s *Server) permit(by principal, at *store.Snapshot, collection string, r *store.Record, operation string) *problem {
	if by.operator || operation == "read" {
		return nil
	}
	if !by.granted(collection, operation) {
		return new(forbidden("account %s is not allowed to %s anything in %s", by.account, operation, collection))
	}
	if r == nil || s.manages(by, at, collection, r) {
		return nil
	}
	return new(forbidden("account %s does not manage this", by.account))
}

// manages reports whether a party manages a record.
func (s *Server) manages(by principal, at *store.Snapshot, collection string, r *store.Record) bool {
	via := func(reference, of string) bool {
		id, _ := r.Text(reference)
		owner := at.Get(of, id)
		return owner != nil && by.holds(at, owner, "managing_account")
	}
	switch collection {
	case "accounts":
		return within(at, r.ID, by.account)
	case "role-assignments":
		return via("contact", "contacts")
	case "port-reservations":
		return via("connection", "connections")
	}
	return by.holds(at, r, "managing_account")
}
