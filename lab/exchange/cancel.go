package exchange

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// A duration is a period of ISO 8601 that is made of whole days: P1Y2M3W4D.
type duration struct{ months, days int }

// parseDuration reads a duration. What does not parse is none at all.
func parseDuration(text string) (d duration) {
	units := "YMWD"
	rest, ok := strings.CutPrefix(text, "P")
	for ok && rest != "" {
		digits := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if digits < 1 || digits > 3 {
			return duration{}
		}
		n, _ := strconv.Atoi(rest[:digits]) // up to three digits
		unit := strings.IndexByte(units, rest[digits])
		if unit < 0 {
			return duration{}
		}
		switch rest[digits] {
		case 'Y':
			d.months += 12 * n
		case 'M':
			d.months += n
		case 'W':
			d.days += 7 * n
		case 'D':
			d.days += n
		}
		units, rest = units[unit+1:], rest[digits+1:]
	}
	return d
}

// times returns so many of a duration.
func (d duration) times(n int) duration { return duration{months: n * d.months, days: n * d.days} }

// after returns the day that is a duration after another one. A month after the last of January is the last of February.
func (d duration) after(day time.Time) time.Time {
	first := time.Date(day.Year(), day.Month()+time.Month(d.months), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(day.Day(), last)-1+d.days)
}

// Terms are those of a contract: it runs for an initial period and is then renewed again and again. One who wants to end
// it has to say so before.
type terms struct{ initial, initialNotice, renewal, renewalNotice duration }

// charged returns the end of the period of a contract in which a day lies. A contract that is not renewed is open: it
// ends on any day after its initial period.
func (t terms) charged(start, day time.Time) time.Time {
	end := t.initial.after(start)
	if !end.Before(day) {
		return end
	}
	if t.renewal == (duration{}) {
		return day
	}
	// No period is longer than its months had 31 days.
	longest, days := 31*t.renewal.months+t.renewal.days, int(day.Unix()-end.Unix())/(24*60*60)
	for n := max(1, days/longest); ; n++ {
		if until := t.renewal.times(n).after(end); !until.Before(day) {
			return until
		}
	}
}

// first returns the first day on which a contract can be ended, when its end is asked for on a day.
func (t terms) first(start, today time.Time) time.Time {
	if t.renewalNotice != (duration{}) && !t.initial.after(start).After(today) {
		return t.renewalNotice.after(today)
	}
	return t.initialNotice.after(today)
}

// A policy says when something ends, and until when it is paid for (IX-API, CancellationPolicy).
type policy struct {
	DecommissionAt string `json:"decommission_at"`
	ChargedUntil   string `json:"charged_until"`
}

// dayOf returns a day of a record.
func dayOf(record store.Object, field string) (day time.Time, ok bool) {
	text, _ := record.Text(field)
	day, err := time.Parse(time.DateOnly, text)
	return day, err == nil
}

// termsOf returns the terms of the product offering of a record.
func termsOf(at *store.Snapshot, record store.Object) terms {
	id, _ := record.Text("product_offering")
	offering := at.Get("product-offerings", id)
	if offering == nil {
		return terms{}
	}
	read := func(field string) duration {
		text, _ := offering.Text(field)
		return parseDuration(text)
	}
	return terms{
		initial: read("contract_initial_period"), initialNotice: read("contract_initial_notice_period"),
		renewal: read("contract_renewal_period"), renewalNotice: read("contract_renewal_notice_period"),
	}
}

// begun reports whether a record has been in service. What waits for somebody has if it is paid for.
func begun(record store.Object) bool {
	switch state, _ := record.Text("state"); state {
	case "requested", "allocated", "scheduled", "testing":
		return false
	case "error", "operator":
		_, paid := dayOf(record, "current_billing_start_date")
		return paid
	}
	return true
}

// hasEnded reports whether the service of a record is over.
func hasEnded(record store.Object) bool {
	state, _ := record.Text("state")
	return state == "decommissioned" || state == "archived" || state == "cancelled"
}

// policyOf works out when a record can end, if that is asked for now: on the given day or, without one, on the first
// that is possible. A connection does not end before the configs on it that end, too.
func policyOf(at *store.Snapshot, now time.Time, collection string, record store.Object, asked string) policy {
	today := now.UTC().Truncate(24 * time.Hour)
	if !begun(record) {
		return policy{today.Format(time.DateOnly), today.Format(time.DateOnly)}
	}
	t := termsOf(at, record)
	start, ok := dayOf(record, "current_billing_start_date")
	if !ok || start.After(today) {
		start = today
	}
	first := t.first(start, today)
	if collection == "connections" {
		id, _ := record.Text("id")
		for _, c := range configsOn(at, id) {
			if until, ok := c.Text("decommission_at"); ok && until > first.Format(time.DateOnly) {
				if day, err := time.Parse(time.DateOnly, until); err == nil {
					first = day
				}
			}
		}
	}
	if day, err := time.Parse(time.DateOnly, asked); err == nil && day.After(first) {
		first = day
	}
	return policy{first.Format(time.DateOnly), t.charged(start, first).Format(time.DateOnly)}
}

// configsOn returns the configs in service on a connection.
func configsOn(at *store.Snapshot, connection string) []*store.Record {
	return inServiceOf(at, "network-service-configs", "connection", connection)
}

// inServiceOf returns the records in service of a collection that refer to another one.
func inServiceOf(at *store.Snapshot, collection, field, id string) (out []*store.Record) {
	for _, r := range at.List(collection) {
		if of, _ := r.Text(field); of == id && inService(r) {
			out = append(out, r)
		}
	}
	return out
}

// tell lists records by their ids, but for those that the caller does not see, which it only counts.
func (o *order) tell(collection string, records []*store.Record) string {
	var ids []string
	for _, r := range records {
		if o.find(collection, r.ID) != nil {
			ids = append(ids, r.ID)
		}
	}
	list := strings.Join(ids, ", ")
	switch others := len(records) - len(ids); {
	case others > 0 && list != "":
		return fmt.Sprintf("%s, and %d of others", list, others)
	case others > 0:
		return fmt.Sprintf("%d of others", others)
	}
	return list
}

// cancellation are the actions below a record that can be cancelled: GET of its policy.
func cancellation() action {
	return action{http.MethodGet: func(c *call) {
		asked := c.r.URL.Query().Get("decommission_at")
		if _, err := time.Parse(time.DateOnly, asked); err != nil && asked != "" {
			c.refuse(invalid(property{Name: "decommission_at", Reason: "is not a date of the form 2006-01-02"}))
			return
		}
		at := c.server.store.Now()
		if c.server.sees(c.by, at, c.collection, c.record) < paid {
			c.refuse(forbidden("until when it is paid for is told to those who manage it or pay"))
			return
		}
		record, err := c.record.Object()
		if err != nil {
			c.refuse(generic(http.StatusInternalServerError, err.Error()))
			return
		}
		p := policyOf(at, c.server.options.Clock(), c.collection, record, asked)
		if set, ok := dayOf(record, "decommission_at"); ok && asked == "" {
			p.DecommissionAt = set.Format(time.DateOnly)
			if until, ok := dayOf(record, "charged_until"); ok {
				p.ChargedUntil = until.Format(time.DateOnly)
			}
		}
		c.answer(http.StatusOK, p)
	}}
}

// A part is a collection whose records end with what they belong to.
type part struct{ collection, field string }

// partsOf returns what ends with a record of a collection. A connection leaves its configs alone (IX-API 2.7.1,
// connections_destroy), which is why it cannot end before them.
func partsOf(collection string) []part {
	switch collection {
	case "network-services":
		return []part{{"network-service-configs", "network_service"}}
	case "network-service-configs":
		return []part{{"network-feature-configs", "network_service_config"}}
	case "connections":
		return []part{{"port-reservations", "connection"}}
	}
	return nil
}

// cancelables are the collections of what can be cancelled, what belongs to others first.
func cancelables() []string {
	return []string{
		"network-feature-configs", "network-service-configs", "network-services", "port-reservations", "connections", "routing-functions",
	}
}

// decommission is the rule for DELETE of all that is ordered for a time: what was not in service yet is cancelled, what
// is ends on a day, and what has ended is archived.
func decommission(o *order) *problem {
	asked := ""
	if given := o.body["decommission_at"]; given != nil {
		asked, _ = date(o, "decommission_at", given).(string)
	}
	if p := o.wrong(); p != nil {
		return p
	}
	state, _ := o.old.Text("state")
	_, ends := dayOf(o.old, "decommission_at")
	switch {
	case state == "archived":
		return new(unable("%s %s is archived already", o.collection, o.id))
	case hasEnded(o.old):
		o.new["state"] = "archived"
		return o.keep(o.collection, o.new)
	case state == "decommission_requested" && ends && asked == "":
		return o.keep(o.collection, o.new)
	}
	end := policyOf(o.Now(), o.now, o.collection, o.old, asked)
	if asked != "" && asked < end.DecommissionAt {
		return new(tooEarly(end))
	}
	if p := o.hindered(o.collection, o.old, end.DecommissionAt); p != nil {
		return p
	}
	next := "decommission_requested"
	if !begun(o.old) {
		next = "cancelled"
	}
	return o.end(o.collection, o.new, next, end)
}

// neededBy returns the config that needs a feature config on a day: the feature is required, and it has no other.
func (o *order) neededBy(session store.Object, day string) *store.Record {
	id, _ := session.Text("network_service_config")
	feature, _ := session.Text("network_feature")
	config, of := o.Get("network-service-configs", id), o.Get("network-features", feature)
	if config == nil || of == nil || !inService(config) || of.Value("required") != true {
		return nil
	}
	for _, other := range inServiceOf(o.Now(), "network-feature-configs", "network_service_config", id) {
		last, ends := other.Text("decommission_at")
		if same, _ := other.Text("network_feature"); same == feature && other.ID != session["id"] && (!ends || last > day) {
			return nil
		}
	}
	if last, ends := config.Text("decommission_at"); ends && last <= day {
		return nil
	}
	return config
}

// hindered says what keeps a record from ending on a day, or nil.
func (o *order) hindered(collection string, record store.Object, day string) *problem {
	id, _ := record.Text("id")
	switch collection {
	case "connections":
		left := slices.DeleteFunc(configsOn(o.Now(), id), func(c *store.Record) bool {
			until, ends := c.Text("decommission_at")
			return ends && until <= day
		})
		if len(left) > 0 {
			return new(unable("in service on this connection on %s: %s", day, o.tell("network-service-configs", left)))
		}
	case "network-feature-configs":
		if config := o.neededBy(record, day); config != nil {
			return new(unable("network service config %s needs it: the feature is required", config.ID))
		}
	case "routing-functions":
		if left := inServiceOf(o.Now(), "network-service-configs", "routing_function", id); len(left) > 0 {
			return new(unable("in service at this routing function: %s", o.tell("network-service-configs", left)))
		}
	case "network-service-configs":
		for _, reference := range []struct{ collection, field string }{{"network-services", "network_service"}, {"connections", "connection"}} {
			to, _ := record.Text(reference.field)
			if r := o.Get(reference.collection, to); r != nil && inService(r) {
				if until, ends := r.Text("decommission_at"); ends && until < day {
					return new(unable("%s %s ends on %s", reference.field, to, until))
				}
			}
		}
	}
	return nil
}

// end has a record end on the day of a policy, by the state it gets, and with it what belongs to it and would not end
// by then. It stores them.
func (o *order) end(collection string, record store.Object, state string, on policy) *problem {
	record["state"] = state
	if state != "cancelled" {
		record["decommission_at"], record["charged_until"] = on.DecommissionAt, on.ChargedUntil
	}
	if p := o.keep(collection, record); p != nil {
		return p
	}
	if res := o.server.resources[collection]; res != nil && res.ended != nil && hasEnded(record) {
		if p := res.ended(o, record); p != nil {
			return p
		}
	}
	id, _ := record.Text("id")
	for _, part := range partsOf(collection) {
		for _, r := range inServiceOf(o.Now(), part.collection, part.field, id) {
			belonging, err := r.Object()
			if err != nil {
				return new(generic(http.StatusInternalServerError, err.Error()))
			}
			last, ends := belonging.Text("decommission_at")
			next := "decommission_requested"
			switch {
			case !begun(belonging):
				next = "cancelled"
			case hasEnded(record):
				next = "decommissioned"
			case ends && last <= on.DecommissionAt:
				continue
			}
			own := policyOf(o.Now(), o.now, part.collection, belonging, on.DecommissionAt)
			own.DecommissionAt = on.DecommissionAt
			if p := o.end(part.collection, belonging, next, own); p != nil {
				return p
			}
		}
	}
	return nil
}

// settle stores what has come about: services whose last day has come are decommissioned, and changes that all sides
// have made are over. It is called before anything is read or written, and does nothing where nothing can have changed
// since.
func (s *Server) settle() {
	now := s.options.Clock()
	day := now.UTC().Format(time.DateOnly)
	version := s.store.Now().Version
	s.mu.Lock()
	done := s.settledAt == version && s.settledOn == day
	s.mu.Unlock()
	if done {
		return
	}
	ending := slices.ContainsFunc(cancelables(), func(c string) bool { return len(s.store.Where(c, "state", "decommission_requested")) > 0 })
	if at := s.store.Now(); ending && len(ripe(at, day)) > 0 || len(settledChanges(at)) > 0 {
		if p := s.transact(principal{operator: true}, (*order).expire); p != nil {
			return
		}
		version = s.store.Now().Version
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settledAt, s.settledOn = version, day
}

// due names a record that has to move on.
type due struct{ collection, id string }

// ripe returns the records whose last day has come. A connection waits for the configs on it.
func ripe(at *store.Snapshot, day string) (out []due) {
	for _, collection := range cancelables() {
		for _, r := range at.List(collection) {
			if r.State() != "decommission_requested" {
				continue
			}
			until, ends := r.Text("decommission_at")
			if !ends || until > day {
				continue
			}
			if collection == "connections" && slices.ContainsFunc(configsOn(at, r.ID), func(c *store.Record) bool {
				last, ends := c.Text("decommission_at")
				return !ends || last > day || c.State() != "decommission_requested"
			}) {
				continue
			}
			out = append(out, due{collection, r.ID})
		}
	}
	return out
}

// expire has what is ripe be over, services and changes.
func (o *order) expire() *problem {
	for _, d := range ripe(o.Now(), o.today()) {
		record, err := o.Get(d.collection, d.id).Object()
		if err != nil {
			return new(generic(http.StatusInternalServerError, err.Error()))
		}
		if hasEnded(record) {
			continue
		}
		until, _ := record.Text("decommission_at")
		charged, ok := record.Text("charged_until")
		if !ok {
			charged = until
		}
		if p := o.end(d.collection, record, "decommissioned", policy{until, charged}); p != nil {
			return p
		}
	}
	return o.finishChanges()
}
