package exchange

import (
	"fmt"
	"maps"
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
// carries, testing and changing are over at once.
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
		return new(unable("what is in state %s cannot go to state %s", was, state))
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
	return o.keep(collection, record)
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

// moveOn moves configs on for which something has changed that they may have waited for.
func (o *order) moveOn() *problem {
	waiting := map[string]bool{}
	for _, change := range o.Changes() {
		r := o.Get(change.Collection, change.ID)
		field, id := "", change.ID
		switch change.Collection {
		case "connections":
			field = "connection"
		case "network-services":
			field = "network_service"
		case "network-feature-configs":
			if r != nil {
				id, _ = r.Text("network_service_config")
				waiting[id] = true
			}
		case "network-service-configs":
			waiting[id] = true
			if r == nil {
				continue
			}
			if kind, _ := r.Text("type"); kind == "p2p_vc" { // the other end may wait for this one
				field = "network_service"
				id, _ = r.Text(field)
			}
		}
		if field == "" {
			continue
		}
		for _, c := range o.List("network-service-configs") {
			if of, _ := c.Text(field); of == id && c.State() == "requested" {
				waiting[c.ID] = true
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(waiting)) {
		if p := o.moveConfig(id); p != nil {
			return p
		}
	}
	return nil
}

// moveConfig moves a config that is requested on to testing, or has its status say what it waits for.
func (o *order) moveConfig(id string) *problem {
	const configs = "network-service-configs"
	if r := o.Get(configs, id); r == nil || r.State() != "requested" {
		return nil
	}
	config, p := o.latest(configs, id)
	if p != nil {
		return p
	}
	waits := o.lacks(id, config)
	if waits == nil {
		return o.advance(configs, id, "testing")
	}
	if slices.Equal(tagsOf(config), tagsOf(store.Object{"status": waits})) {
		return nil
	}
	config["status"] = waits
	return o.keep(configs, config)
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

// lacks returns messages that say what keeps a config out of production; nil for nothing.
func (o *order) lacks(id string, config store.Object) (all []any) {
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
