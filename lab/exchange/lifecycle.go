package exchange

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

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
	if state == "production" && record["current_billing_start_date"] == nil && slices.Contains(cancelables(), collection) {
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
		return nil, new(missing("there is no such record in " + collection))
	}
	record, err := r.Object()
	if err != nil {
		return nil, new(generic(http.StatusInternalServerError, err.Error()))
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
		for _, c := range o.Where("network-service-configs", "state", "requested") {
			if of, _ := c.Text(field); of == id {
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
	for _, m := range objectsOf(record["status"]) {
		all = append(all, fmt.Sprint(m["tag"], " ", m["message"]))
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
	if unchosen(config) {
		say("vlan_not_chosen", "the VLAN is yet to be chosen")
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
	return slices.ContainsFunc(o.Where("network-feature-configs", "network_service_config", config), func(c *store.Record) bool {
		of, _ := c.Text("network_feature")
		return of == feature && inService(c)
	})
}

// hasOtherEnd reports whether there is another config of a line.
func (o *order) hasOtherEnd(config, service string) bool {
	return slices.ContainsFunc(o.Where("network-service-configs", "network_service", service), func(c *store.Record) bool {
		return c.ID != config && inService(c)
	})
}

// resultType is the type of the events with which an agent says what became of a record.
const resultType = "net.ixagent.provisioning.result.v1"

const (
	maxMessages  = 20            // of a result, that a record takes
	leastError   = 3             // the greatest severity of a message that makes a rejection an error (RFC 5424 6.2.1)
	reportedAttr = "reported_by" // attribute of the messages of an agent, by which they are known
)

// A result is what became of a record on the switches, as an agent reports it.
type result struct {
	Collection string           `json:"collection"`
	ID         string           `json:"id"`
	State      string           `json:"state"`
	Of         string           `json:"record_state"` // state of the record that it is about, "" where the agent does not say
	Status     []map[string]any `json:"status"`
}

// A heard is the latest event of a source about a record.
type heard struct {
	Sequence string    `json:"sequence"`
	Time     time.Time `json:"time"`
}

// learn moves a record on by what an agent has reported of it. Nothing follows from events that are no news, and from
// those of records that the exchange does not have.
func (o *order) learn(e event.Event) *problem {
	var r result
	if e.Type() != resultType || e.DataAs(&r) != nil || e.Subject() != r.Collection+"/"+r.ID {
		return nil
	}
	record := o.Get(r.Collection, r.ID)
	if record == nil || r.Collection != "connections" && r.Collection != "network-service-configs" || !o.news(e) {
		return nil
	}
	all, err := record.Object()
	if err != nil {
		return new(generic(http.StatusInternalServerError, err.Error()))
	}
	state := record.State()
	next, told := outcome(state, r)
	if !told {
		return nil
	}
	var messages []map[string]any
	for _, m := range objectsOf(all["status"]) {
		if attrs, _ := m["attrs"].(map[string]any); attrs[reportedAttr] == nil {
			messages = append(messages, m)
		}
	}
	if r.State != "provisioned" {
		for _, m := range r.Status[:min(len(r.Status), maxMessages)] {
			messages = append(messages, o.reported(m, e.Source()))
		}
	}
	return o.advance(r.Collection, r.ID, next, messages...)
}

// outcome returns the state that a record has after a result, and whether the result says anything of a record in its
// state. What a person has to look at, an agent does not move.
func outcome(state string, r result) (next string, told bool) {
	failed := slices.ContainsFunc(r.Status, func(m map[string]any) bool {
		severity, err := strconv.Atoi(fmt.Sprint(m["severity"]))
		return err == nil && severity <= leastError
	})
	for _, t := range []struct {
		states, results []string
		next            string // "": the state stays
		holds           bool
	}{
		{[]string{"testing", "production_change_pending"}, []string{"provisioned"}, "production", r.Of == "" || r.Of == state},
		{[]string{"testing", "production", "production_change_pending"}, []string{"rejected"}, "error", failed},
		{[]string{"testing", "production", "production_change_pending"}, []string{"rejected", "pending", "failed"}, "", true},
		{[]string{"production"}, []string{"provisioned"}, "", true},
		{[]string{"decommission_requested"}, []string{"provisioned", "rejected", "pending", "failed"}, "", true},
		{[]string{"decommissioned", "cancelled"}, []string{"removed", "rejected", "pending", "failed"}, "", true},
	} {
		if t.holds && slices.Contains(t.states, state) && slices.Contains(t.results, r.State) {
			if t.next == "" {
				return state, true
			}
			return t.next, true
		}
	}
	return state, false
}

// reported returns a message of an agent as one of a record.
func (o *order) reported(m map[string]any, by string) map[string]any {
	attrs := map[string]any{}
	if given, ok := m["attrs"].(map[string]any); ok {
		maps.Copy(attrs, given)
	}
	attrs[reportedAttr] = by
	severity, err := strconv.Atoi(fmt.Sprint(m["severity"]))
	if err != nil {
		severity = leastError
	}
	tag, _ := m["tag"].(string)
	text, _ := m["message"].(string)
	message := o.status(severity, tag, text, attrs)
	if at, ok := m["timestamp"].(string); ok && !timeOf(at).IsZero() {
		message["timestamp"] = at
	}
	return message
}

// news reports whether an event is later than those heard from its source about its record, and remembers it. One with
// a smaller sequence is later if its time is: the source has begun anew.
func (o *order) news(e event.Event) bool {
	key := "heard " + e.Source() + " " + e.Subject()
	var last heard
	known := json.Unmarshal(o.server.store.Blob(key), &last) == nil
	sequence, _ := e.Extensions()["sequence"].(string)
	if known && !e.Time().After(last.Time) && !later(sequence, last.Sequence) {
		return false
	}
	if e.Time().After(last.Time) {
		last.Time = e.Time()
	}
	last.Sequence = sequence
	text, err := json.Marshal(last)
	if err != nil {
		return false
	}
	o.PutBlob(key, text)
	return true
}

// later compares sequences, which are decimal numbers of any length.
func later(a, b string) bool {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return len(a) > len(b) || len(a) == len(b) && a > b
}

// objectsOf returns the objects of a list.
func objectsOf(value any) (all []map[string]any) {
	list, _ := value.([]any)
	for _, v := range list {
		if m, ok := v.(map[string]any); ok {
			all = append(all, m)
		}
	}
	return all
}
