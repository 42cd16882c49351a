package exchange

import (
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// partyResources returns what can be ordered of parties.
func partyResources() map[string]*resource {
	return map[string]*resource{
		"accounts": {
			prefix:  "account",
			fields:  together(stateful("requested"), accountFields()),
			create:  createAccount,
			update:  updateAccount,
			updated: http.StatusAccepted,
			remove:  removeAccount,
			removed: http.StatusOK,
			actions: map[string]action{
				"authorization-key": {http.MethodPost: renewKey, http.MethodDelete: endKey},
				"credentials":       {http.MethodGet: listCredentials, http.MethodPost: addCredential, http.MethodDelete: endCredential},
				"permissions":       {http.MethodGet: showGrant, http.MethodPut: putGrant},
			},
		},
		"contacts": {
			prefix: "contact",
			fields: together(ownable(), []field{
				{name: "name", is: text(128), null: true}, {name: "telephone", is: telephone, null: true}, {name: "email", is: email, null: true},
			}),
			create:  func(*order) *problem { return nil },
			update:  updateContact,
			updated: http.StatusOK,
			remove:  removeContact,
			removed: http.StatusOK,
		},
		"role-assignments": {
			prefix:  "assignment",
			fields:  []field{{name: "role", is: reference("roles"), required: true}, {name: "contact", is: reference("contacts"), required: true}},
			create:  assignRole,
			remove:  removeAssignment,
			removed: http.StatusOK,
		},
	}
}

func accountFields() []field {
	address := object(
		field{name: "country", is: country, required: true}, field{name: "locality", is: filled(40), required: true},
		field{name: "region", is: text(80), null: true}, field{name: "postal_code", is: filled(24), required: true},
		field{name: "street_address", is: filled(80), required: true}, field{name: "post_office_box_number", is: text(80), null: true},
	)
	billing := object(
		field{name: "name", is: filled(80), required: true}, field{name: "address", is: address, required: true},
		field{name: "vat_number", is: text(20), null: true},
	)
	return []field{
		{name: "managing_account", is: reference("accounts"), null: true},
		{name: "name", is: filled(80), required: true},
		{name: "legal_name", is: text(80), null: true},
		{name: "billing_information", is: billing, null: true},
		{name: "external_ref", is: text(80), null: true},
		{name: "discoverable", is: boolean, fallback: false},
		{name: "metro_area_network_presence", is: references("metro-area-networks"), fallback: []any{}},
		{name: "address", is: address, required: true},
		{name: "asns", ours: true, fallback: []any{}},
	}
}

// country is a code of ISO 3166-1 alpha-2.
func country(o *order, path string, value any) any {
	if s, _ := value.(string); !regexp.MustCompile(`^[A-Z]{2}$`).MatchString(s) {
		o.fault(path, "is not a country's code of two letters (ISO 3166-1)")
	}
	return value
}

// telephone is a number of ITU-T E.164; it may be written without its plus, and in groups.
func telephone(o *order, path string, value any) any {
	s, ok := value.(string)
	digits := strings.NewReplacer(" ", "", "-", "", ".", "", "(", "", ")", "").Replace(s)
	if !ok || len(s) > 40 || s != "" && !regexp.MustCompile(`^\+?[0-9]{3,15}$`).MatchString(digits) {
		o.fault(path, "is not a telephone number like +496955501000 (E.164)")
	}
	return value
}

// email is an address of RFC 5322, without a name before it.
func email(o *order, path string, value any) any {
	s, ok := value.(string)
	at, err := mail.ParseAddress(s)
	if !ok || len(s) > 80 || s != "" && (err != nil || at.Address != s) {
		o.fault(path, "is not an email address of at most 80 characters")
	}
	return value
}

// parties checks the accounts that an order names anew: who manages, consumes and pays.
func (o *order) parties() *problem {
	if o.collection == "accounts" {
		return nil
	}
	checks := []struct {
		field string
		may   func(string) *problem
	}{{"managing_account", o.mayManage}, {"consuming_account", o.mayConsume}, {"billing_account", o.mayBill}}
	for _, c := range checks {
		if _, named := o.new.Text(c.field); !named || !o.changed(c.field) {
			continue
		}
		if c.field == "consuming_account" && o.collection == "member-joining-rules" {
			continue // it is the one whom the rule is for
		}
		if p := c.may(c.field); p != nil {
			return p
		}
	}
	return o.wrong()
}

// mayManage returns the problem that the account in a field is neither the caller's nor managed by it, or nil.
func (o *order) mayManage(field string) *problem {
	id, _ := o.new.Text(field)
	if o.by.operator || within(o.Tx.Now(), id, o.by.account) {
		return nil
	}
	return new(forbidden("%s: account %s is neither your own nor managed by you", field, id))
}

// mayConsume returns the problem that nothing may be ordered for the account in a field, or nil. That it cannot consume
// a service yet, or any more, is a fault of the field.
func (o *order) mayConsume(field string) *problem {
	id, _ := o.new.Text(field)
	if !o.speaksFor(id) {
		return new(forbidden("%s: nothing may be ordered for account %s without its authorization key", field, id))
	}
	account := o.Get("accounts", id)
	if _, service := o.new["state"]; service && account != nil && !consumes(account) && !o.ordersFirst(account) {
		o.fault(field, "account %s cannot consume services while its state is %s", id, account.State())
	}
	return nil
}

// mayBill returns the problem that the account in a field does not pay for the caller, or nil. That it cannot be sent an
// invoice is a fault of the field.
func (o *order) mayBill(field string) *problem {
	id, _ := o.new.Text(field)
	if !o.speaksFor(id) && !o.paidBy(id) {
		return new(forbidden("%s: nothing may be billed to account %s without its authorization key", field, id))
	}
	if account := o.Get("accounts", id); account != nil && !billed(account) {
		o.fault(field, "account %s has no billing information", id)
	}
	return nil
}

// speaksFor reports whether the caller may order for an account: its own, one that it manages, or one whose
// authorization key it has.
func (o *order) speaksFor(id string) bool {
	return o.by.operator || id != "" && id == o.by.customer || within(o.Tx.Now(), id, o.by.account)
}

// paidBy reports whether an account above the caller pays for it. All between them must allow it.
func (o *order) paidBy(id string) bool {
	account := o.by.account
	for _, g := range o.by.grants {
		r := o.Get("accounts", account)
		if r == nil || !g.Billing {
			return false
		}
		if account, _ = r.Text("managing_account"); account == id {
			return true
		}
	}
	return false
}

// consumes reports whether an account may consume services (IX-API, account.state).
func consumes(account *store.Record) bool {
	return account.State() == "production" || account.State() == "production_change_pending"
}

// billed reports whether an account may be a billing account (IX-API, account.billing_information).
func billed(account *store.Record) bool {
	information, ok := account.Value("billing_information").(map[string]any)
	return ok && len(information) > 0
}

// lacksRole reports whether there is a role that no contact of the given role assignments has, and each of them as a
// fault of the field role_assignments.
func (o *order) lacksRole(roles, assignments []string) bool {
	var have []string
	for _, id := range assignments {
		if a := o.Get("role-assignments", id); a != nil {
			role, _ := a.Text("role")
			have = append(have, role)
		}
	}
	lacks := false
	for _, id := range roles {
		if slices.Contains(have, id) {
			continue
		}
		lacks = true
		name := id
		if r := o.Get("roles", id); r != nil {
			name, _ = r.Text("name")
		}
		o.fault("role_assignments", "no contact has the role %s (%s), which is required", name, id)
	}
	return lacks
}

// createAccount makes an account below the caller's, or below one that it manages. The operator makes any.
func createAccount(o *order) *problem {
	above, managed := o.new.Text("managing_account")
	switch {
	case !managed && !o.by.operator:
		above = o.by.account
		o.new["managing_account"] = above
	case managed:
		if p := o.mayManage("managing_account"); p != nil {
			return p
		}
	}
	if o.levels(above) >= maxLevels-1 {
		o.fault("managing_account", "account %s has too many accounts above it", above)
	}
	tidyBilling(o.new)
	if o.server.options.AcceptTerms {
		o.new["state"], o.new["status"] = o.accepted(o.id)
		return nil
	}
	o.new["status"] = []any{o.status(2, termsTag, "The terms of the exchange are not accepted yet.", map[string]any{"url": o.server.termsURL(o.id)})}
	return nil
}

// levels counts an account and those above it.
func (o *order) levels(id string) (n int) {
	for n = 0; n < maxLevels; n++ {
		r := o.Get("accounts", id)
		if r == nil {
			return n
		}
		id, _ = r.Text("managing_account")
	}
	return n
}

// tidyBilling leaves out what has no value: there is no null in the schema's place.
func tidyBilling(account store.Object) {
	if account["billing_information"] == nil {
		delete(account, "billing_information")
	}
}

// updateAccount changes an account. Only those above it move it elsewhere, and not out of their sight.
func updateAccount(o *order) *problem {
	was, managed := o.old.Text("managing_account")
	is, given := o.new.Text("managing_account")
	switch {
	case !given && o.sent["managing_account"] && managed && o.by.account != o.id:
		if !o.by.operator {
			o.fault("managing_account", "cannot be taken away")
		}
	case !given:
		o.new["managing_account"] = o.old["managing_account"]
	case is != was:
		if o.by.account == o.id {
			return new(forbidden("managing_account: an account does not choose who manages it"))
		}
		if p := o.mayManage("managing_account"); p != nil {
			return p
		}
		if within(o.Tx.Now(), is, o.id) {
			o.fault("managing_account", "account %s would manage itself", o.id)
		}
		if o.levels(is) >= maxLevels-1 {
			o.fault("managing_account", "account %s has too many accounts above it", is)
		}
	}
	tidyBilling(o.new)
	if o.new["billing_information"] == nil && o.old["billing_information"] != nil {
		if of := o.referring(inService, func(_ string, r *store.Record) bool { return refersTo(r, "billing_account", o.id) }); of != nil {
			o.fault("billing_information", "is needed while anything is billed to the account")
		}
	}
	return nil
}

// refersTo reports whether a field of a record is an id.
func refersTo(r *store.Record, field, id string) bool {
	v, ok := r.Text(field)
	return ok && v == id
}

// living are the collections of what is ordered and has a life.
func living() []string {
	return []string{
		"connections", "ports", "port-reservations", "network-services", "network-service-configs", "network-feature-configs", "routing-functions",
	}
}

// A link is a record of a collection that refers to another one.
type link struct {
	collection string
	record     *store.Record
}

// referring returns what is ordered, lives, and refers to something.
func (o *order) referring(lives func(*store.Record) bool, refers func(collection string, r *store.Record) bool) (found []link) {
	for _, collection := range living() {
		for _, r := range o.List(collection) {
			if lives(r) && refers(collection, r) {
				found = append(found, link{collection, r})
			}
		}
	}
	return found
}

// inUse reports whether a record needs what it refers to: it does not once its end has been ordered.
func inUse(r *store.Record) bool { return inService(r) && r.State() != "decommission_requested" }

// notEnded returns whether a record is in service on a day.
func notEnded(today string) func(*store.Record) bool {
	return func(r *store.Record) bool {
		if r.State() != "decommission_requested" {
			return inService(r)
		}
		record, err := r.Object()
		if err != nil {
			return true
		}
		end, ok := record.Text("decommission_at")
		return !ok || end > today
	}
}

// maxConflicts bounds the conflicts that one answer names.
const maxConflicts = 20

// needed says that the record cannot go, and names those of its users that the caller sees.
func (o *order) needed(by []link) *problem {
	p := unable("%s %s is in use", singular(o.collection), o.id)
	for _, l := range by {
		if len(p.Conflicts) == maxConflicts {
			break
		}
		if o.find(l.collection, l.record.ID) != nil {
			p.Conflicts = append(p.Conflicts, conflict{singular(o.collection), o.id, singular(l.collection), l.record.ID})
		}
	}
	return &p
}

// singular is the name of one record of a collection, as resource types are written.
func singular(collection string) string {
	return strings.TrimSuffix(strings.ReplaceAll(collection, "-", "_"), "s")
}

// removeAccount removes an account of which nothing is in service any more, with its contacts and their roles.
func removeAccount(o *order) *problem {
	uses := o.referring(notEnded(o.today()), func(_ string, r *store.Record) bool {
		return refersTo(r, "managing_account", o.id) || refersTo(r, "consuming_account", o.id) || refersTo(r, "billing_account", o.id) ||
			refersTo(r, "joining_member_account", o.id)
	})
	for _, collection := range []string{"accounts", "macs"} {
		for _, r := range o.List(collection) {
			if refersTo(r, "managing_account", o.id) || refersTo(r, "consuming_account", o.id) {
				uses = append(uses, link{collection, r})
			}
		}
	}
	contacts := map[string]bool{}
	for _, c := range o.List("contacts") {
		if refersTo(c, "managing_account", o.id) || refersTo(c, "consuming_account", o.id) {
			contacts[c.ID] = true
		}
	}
	assignments := o.assignmentsOf(contacts)
	for _, l := range o.usersOf(assignments) {
		if !slices.Contains(uses, l) {
			uses = append(uses, l)
		}
	}
	if len(uses) > 0 {
		return o.needed(uses)
	}
	for id := range assignments {
		o.Remove("role-assignments", id)
	}
	for id := range contacts {
		o.Remove("contacts", id)
	}
	for _, rule := range slices.Clone(o.List("member-joining-rules")) {
		if refersTo(rule, "managing_account", o.id) || refersTo(rule, "consuming_account", o.id) {
			o.Remove("member-joining-rules", rule.ID)
		}
	}
	for _, c := range slices.Clone(o.List(credentials)) {
		if account, _ := credentialOf(c); account == o.id {
			o.Remove(credentials, c.ID)
		}
	}
	o.Remove(keys, o.id)
	o.Remove(grants, o.id)
	o.Remove("accounts", o.id)
	o.new = nil
	return nil
}

// assignmentsOf returns the role assignments of contacts.
func (o *order) assignmentsOf(contacts map[string]bool) map[string]bool {
	all := map[string]bool{}
	for _, a := range o.List("role-assignments") {
		if contact, _ := a.Text("contact"); contacts[contact] {
			all[a.ID] = true
		}
	}
	return all
}

// usersOf returns what has one of the role assignments.
func (o *order) usersOf(assignments map[string]bool) []link {
	return o.referring(inUse, func(_ string, r *store.Record) bool {
		return slices.ContainsFunc(r.List("role_assignments"), func(id string) bool { return assignments[id] })
	})
}

// updateContact changes a contact, which must stay fit for its roles.
func updateContact(o *order) *problem {
	for _, a := range o.List("role-assignments") {
		if !refersTo(a, "contact", o.id) {
			continue
		}
		role, _ := a.Text("role")
		for _, field := range o.unfit(o.new, role) {
			o.fault(field, "is required by %s, a role of this contact", role)
		}
	}
	return nil
}

// unfit returns the fields that a contact lacks for a role (IX-API, role.required_fields).
func (o *order) unfit(contact store.Object, role string) (lacks []string) {
	r := o.Get("roles", role)
	if r == nil {
		return nil
	}
	record, err := r.Object()
	if err != nil {
		return nil
	}
	for _, field := range record.List("required_fields") {
		if v, _ := contact.Text(field); v == "" {
			lacks = append(lacks, field)
		}
	}
	return lacks
}

// removeContact removes a contact that nothing in service needs, with its roles.
func removeContact(o *order) *problem {
	assignments := o.assignmentsOf(map[string]bool{o.id: true})
	if uses := o.usersOf(assignments); len(uses) > 0 {
		return o.needed(uses)
	}
	for id := range assignments {
		o.Remove("role-assignments", id)
	}
	o.Remove("contacts", o.id)
	o.new = nil
	return nil
}

// assignRole gives a role to a contact of the caller that is fit for it.
func assignRole(o *order) *problem {
	id, _ := o.new.Text("contact")
	contact := o.Get("contacts", id)
	if contact == nil {
		return o.wrong()
	}
	if !o.by.operator && !o.server.manages(o.by, o.Tx.Now(), "contacts", contact) {
		return new(forbidden("contact %s is not managed by account %s", id, o.by.account))
	}
	fields, err := contact.Object()
	if err != nil {
		o.fault("contact", "cannot be read")
		return nil
	}
	role, _ := o.new.Text("role")
	if lacks := o.unfit(fields, role); len(lacks) > 0 {
		o.fault("contact", "has no %s, which %s requires", strings.Join(lacks, ", no "), role)
	}
	return nil
}

// removeAssignment takes a role from a contact where nothing in service needs it.
func removeAssignment(o *order) *problem {
	if uses := o.usersOf(map[string]bool{o.id: true}); len(uses) > 0 {
		return o.needed(uses)
	}
	o.Remove("role-assignments", o.id)
	o.new = nil
	return nil
}
