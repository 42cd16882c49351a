package exchange

import (
	"fmt"
	"slices"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// transitions are the states that a record may go to from each state (IX-API, state).
func transitions() map[string][]string {
	active := []string{"testing", "production", "production_change_pending", "decommission_requested", "decommissioned", "cancelled", "error", "operator"}
	return map[string][]string{
		"requested":                 {"scheduled", "allocated", "testing", "production", "cancelled", "error", "operator"},
		"scheduled":                 {"allocated", "testing", "production", "cancelled", "error", "operator"},
		"allocated":                 {"scheduled", "testing", "production", "cancelled", "error", "operator"},
		"testing":                   {"production", "cancelled", "error", "operator"},
		"production":                {"production_change_pending", "decommission_requested", "decommissioned", "error", "operator"},
		"production_change_pending": {"production", "decommission_requested", "decommissioned", "error", "operator"},
		"decommission_requested":    {"decommissioned", "error", "operator"},
		"decommissioned":            {"archived"},
		"cancelled":                 {"archived"},
		"archived":                  {},
		"error":                     append([]string{"requested", "scheduled", "allocated"}, active...),
		"operator":                  append([]string{"requested", "scheduled", "allocated"}, active...),
	}
}

// advance moves a record on to a state, and makes the status messages all that it has. Where no agent reports what it
// carries, testing and changing are over at once. What hangs on the record follows: the configs of a connection or a
// service that waited for it, and the addresses of a config that ends.
func (o *order) advance(collection, id, state string, status ...map[string]any) *problem {
	record, p := o.latest(collection, id)
	if p != nil {
		return p
	}
	if !o.server.options.Reported && (state == "testing" || state == "production_change_pending") {
		state = "production"
	}
	was, _ := record.Text("state")
	if was != state && !slices.Contains(transitions()[was], state) {
		p := unable("what is in state %s cannot go to state %s", was, state)
		return &p
	}
	messages := []any{}
	for _, m := range status {
		messages = append(messages, m)
	}
	record["state"], record["status"] = state, messages
	if since, bills := record["current_billing_start_date"]; bills && since == nil && state == "production" {
		record["current_billing_start_date"] = o.today()
	}
	if o.Get(collection, id) == nil {
		return nil // it is stored at the end of its order
	}
	if p := o.keep(collection, record); p != nil {
		return p
	}
	return o.follow(collection, record)
}

// latest returns a record to be changed: the one that is ordered, or a copy of one that is stored.
func (o *order) latest(collection, id string) (store.Object, *problem) {
	if collection == o.collection && id == o.id && o.new != nil {
		return o.new, nil
	}
	r := o.Get(collection, id)
	if r == nil {
		p := missing(fmt.Sprintf("there is no such record in %s", collection))
		return nil, &p
	}
	record, err := r.Object()
	if err != nil {
		p := missing(err.Error())
		return nil, &p
	}
	return record, nil
}

// follow does what the state of a record entails for others.
func (o *order) follow(collection string, record store.Object) *problem {
	id, _ := record.Text("id")
	state, _ := record.Text("state")
	switch field := map[string]string{"connections": "connection", "network-services": "network_service"}[collection]; {
	case field != "":
		return o.settleAll(field, id)
	case collection == "network-service-configs" && (state == "decommissioned" || state == "archived" || state == "cancelled"):
		return o.release(record)
	}
	return nil
}

// settleAll settles the configs that wait, by what a field of theirs refers to.
func (o *order) settleAll(field, id string) *problem {
	var waiting []string
	for _, c := range o.List("network-service-configs") {
		if of, _ := c.Text(field); of == id && c.State() == "requested" {
			waiting = append(waiting, c.ID)
		}
	}
	for _, config := range waiting {
		if p := o.move(config); p != nil {
			return p
		}
	}
	return nil
}

// settle moves a stored config on as far as it can go by itself, and the other end of a line with it.
func (o *order) settle(id string) *problem {
	config, p := o.latest("network-service-configs", id)
	if p != nil {
		return p
	}
	if kind, _ := config.Text("type"); kind == "p2p_vc" {
		service, _ := config.Text("network_service")
		return o.settleAll("network_service", service)
	}
	return o.move(id)
}

// move moves a config that is requested on to testing, or has its status say what it waits for.
func (o *order) move(id string) *problem {
	config, p := o.latest("network-service-configs", id)
	if p != nil {
		return p
	}
	if state, _ := config.Text("state"); state != "requested" {
		return nil
	}
	waits := o.waits(id, config)
	if waits == nil {
		return o.advance("network-service-configs", id, "testing")
	}
	if slices.Equal(tagsOf(config), tagsOf(store.Object{"status": waits})) {
		return nil
	}
	config["status"] = waits
	return o.keep("network-service-configs", config)
}

// tagsOf returns the messages of a record without their times.
func tagsOf(record store.Object) (all []string) {
	list, _ := record["status"].([]any)
	for _, m := range list {
		if message, ok := m.(map[string]any); ok {
			all = append(all, fmt.Sprint(message["tag"], " ", message["message"]))
		}
	}
	return all
}

// waits returns messages that say what keeps a config out of production; nil for nothing.
func (o *order) waits(id string, config store.Object) (all []any) {
	say := func(tag, format string, args ...any) {
		all = append(all, o.status(5, tag, fmt.Sprintf(format, args...), nil))
	}
	carries := func(collection, field string) bool {
		id, refers := config.Text(field)
		r := o.Get(collection, id)
		return !refers || r != nil && slices.Contains([]string{"testing", "production", "production_change_pending", "decommission_requested"}, r.State())
	}
	if !carries("connections", "connection") {
		say("connection_not_ready", "the connection is not in service yet")
	}
	if !carries("network-services", "network_service") {
		say("network_service_not_ready", "the network service is not in service yet")
	}
	if config["consumer_side_ready"] == false {
		say("consumer_side_not_ready", "the consumer has yet to say consumer_side_ready")
	}
	service, _ := config.Text("network_service")
	for _, f := range o.List("network-features") {
		if of, _ := f.Text("network_service"); of != service {
			continue
		}
		if required, _ := f.Text("required"); required == "true" && !o.hasFeature(id, f.ID) {
			all = append(all, o.status(4, "network_feature_missing", fmt.Sprintf("network feature %s is required, and has no config", o.called("network-features", f.ID)),
				map[string]any{"network_feature": f.ID}))
		}
	}
	if kind, _ := config.Text("type"); kind == "p2p_vc" && !o.hasOtherEnd(id, service) {
		say("other_end_missing", "the other end of the line is not ordered yet")
	}
	return all
}

// hasFeature reports whether a config has one for a network feature.
func (o *order) hasFeature(config, feature string) bool {
	return slices.ContainsFunc(o.List("network-feature-configs"), func(c *store.Record) bool {
		of, _ := c.Text("network_feature")
		on, _ := c.Text("network_service_config")
		return of == feature && on == config && inService(c)
	})
}

// hasOtherEnd reports whether there is another config of a line.
func (o *order) hasOtherEnd(config, service string) bool {
	return slices.ContainsFunc(o.List("network-service-configs"), func(c *store.Record) bool {
		of, _ := c.Text("network_service")
		return of == service && c.ID != config && inService(c)
	})
}
