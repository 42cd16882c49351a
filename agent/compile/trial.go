package compile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
)

// Trial is what would become of an order.
type Trial struct {
	Possible bool                  `json:"possible"` // it would be on the switches, and nobody else less than now
	Status   []ixapi.StatusMessage `json:"status"`   // why not, and remarks, as IX-API status messages of what is ordered
	Others   []Rejection           `json:"others"`   // what would be refused to others because of it
	Plans    []plan.Plan           `json:"plans"`    // of an order that is possible: what would be wanted of switches beside what is wanted now

	Rejections []Rejection `json:"-"` // what Status is made of
}

// OrderError says that something is no order.
type OrderError struct {
	What       string
	Properties []ixapi.ProblemProperty // the fields that are wrong, as in a problem of IX-API; none if it is the whole
}

func (e *OrderError) Error() string { return e.What }

// orderID is the id of a record of an order that has none, and the beginning of the others' ids.
const orderID = "order"

// ordered are the records that an order can be of.
func ordered() []ixapi.Collection {
	return []ixapi.Collection{ixapi.Connections, ixapi.NetworkServices, ixapi.NetworkServiceConfigs, ixapi.MACs}
}

// Try finds out what would become of an order that is not made yet, and leaves everything as it is: no number is given,
// and a second trial has the same answer. An order is a network service config as it is sent to the exchange (IX-API,
// network-service-configs), or an object with lists of what is ordered together, under the names that the collections
// have in paths: connections, network-services, network-service-configs, macs. A record with the id of one that is there
// takes its place; of a connection that is there, only what changes has to be said. All are taken to be in production,
// whatever their state. The error is an [OrderError].
func (c *Compiler) Try(order []byte, now time.Time) (*Trial, error) {
	records, err := c.read(order)
	if err != nil {
		return nil, err
	}
	unsold := c.unsold(records)
	x, undo := c.attempt(records, now)
	said := append(c.rejectionsOf(x), unsold()...)
	states := c.parts(x)
	undo()
	known := make(map[string]bool)
	for _, r := range c.rejectionsOf(x) {
		known[r.text()] = true
	}

	own := make(map[[2]string]bool)
	each(records, func(collection ixapi.Collection, id ixapi.ID) { own[[2]string{string(collection), id}] = true })
	t := &Trial{Possible: true, Status: []ixapi.StatusMessage{}, Others: []Rejection{}, Plans: []plan.Plan{}}
	for _, r := range sortRejections(said) {
		switch {
		case own[[2]string{string(r.Collection), r.ID}]:
			t.Rejections = append(t.Rejections, r)
			t.Status = append(t.Status, r.Status(now.UTC().Truncate(time.Second)))
		case known[r.text()] || !r.Refused():
			continue
		default:
			t.Others = append(t.Others, r)
		}
		t.Possible = t.Possible && !r.Refused()
	}
	if !t.Possible {
		return t, nil // what is refused leaves everything as it is
	}
	before, units := c.parts(x), x.units(c)
	for _, d := range x.devices {
		changes := slices.DeleteFunc(plan.Diff(before[d], states[d]), func(ch plan.Change) bool { return c.elsewhere(x, units, c.devices[d], cmp.Or(ch.Before, ch.After)) })
		if len(changes) > 0 {
			t.Plans = append(t.Plans, plan.Plan{Device: d, Changes: changes})
		}
	}
	return t, nil
}

// text tells a rejection from others.
func (r *Rejection) text() string {
	return fmt.Sprintf("%s %q %s %s", r.Collection, r.ID, r.Tag, r.Message)
}

// each calls f with each record of an order.
func each(r *ixapi.Records, f func(ixapi.Collection, ixapi.ID)) {
	for i := range r.Connections {
		f(ixapi.Connections, r.Connections[i].ID)
	}
	for i := range r.NetworkServices {
		f(ixapi.NetworkServices, r.NetworkServices[i].ID)
	}
	for i := range r.NetworkServiceConfigs {
		f(ixapi.NetworkServiceConfigs, r.NetworkServiceConfigs[i].ID)
	}
	for i := range r.MACs {
		f(ixapi.MACs, r.MACs[i].ID)
	}
}

// read returns the records of an order, with ids and in state production.
func (c *Compiler) read(order []byte) (*ixapi.Records, error) {
	lists, single, err := split(order)
	if err != nil {
		return nil, err
	}
	raw := make(map[ixapi.Collection]ixapi.Raw)
	for _, collection := range ordered() {
		list, given := lists[collection]
		if !given {
			continue
		}
		fresh := 0
		for i, fields := range list {
			var id ixapi.ID
			if given, ok := fields["id"]; ok && json.Unmarshal(given, &id) != nil {
				return nil, wrong("the order has an id that is none", property(single, collection, i, "/id", "it is not a string"))
			}
			if id == "" {
				if fresh++; fresh == 1 {
					id = orderID
				} else {
					id = orderID + "-" + strconv.Itoa(fresh)
				}
				fields["id"] = strconv.AppendQuote(nil, id)
			}
			if old := c.records.connections[id]; old != nil && collection == ixapi.Connections {
				if err := complete(fields, old); err != nil {
					return nil, err
				}
			}
		}
		text, err := json.Marshal(list)
		if err != nil {
			return nil, err
		}
		raw[collection] = ixapi.Raw{text}
	}
	r, faults, err := ixapi.Decode(raw)
	if err != nil {
		return nil, &OrderError{What: err.Error()}
	}
	var properties []ixapi.ProblemProperty
	for _, f := range faults {
		if !errors.Is(f.Err, ixapi.ErrUnknownValue) {
			properties = append(properties, property(single, f.Collection, f.Index, f.Pointer, f.Err.Error()))
		}
	}
	if len(properties) > 0 {
		return nil, wrong("the order has fields that are wrong", properties...)
	}
	for i := range r.Connections {
		r.Connections[i].State = ixapi.StateProduction
	}
	for i := range r.NetworkServices {
		r.NetworkServices[i].State = ixapi.StateProduction
	}
	for i := range r.NetworkServiceConfigs {
		r.NetworkServiceConfigs[i].State = ixapi.StateProduction
	}
	return r, nil
}

// record is a JSON object.
type record = map[string]json.RawMessage

// split returns the records of an order as they are given, and whether it is a single config.
func split(order []byte) (lists map[ixapi.Collection][]record, single bool, err error) {
	d := json.NewDecoder(bytes.NewReader(order))
	var fields record
	if err := d.Decode(&fields); err != nil {
		return nil, false, wrong("the order is not a JSON object: " + err.Error())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, false, wrong("the order is not one JSON object: something comes after it")
	}
	if fields == nil {
		return nil, false, wrong("the order is not a JSON object")
	}
	// A config has macs, too.
	listed := func(name ixapi.Collection) bool { _, ok := fields[string(name)]; return ok && name != ixapi.MACs }
	if !slices.ContainsFunc(ordered(), listed) {
		return map[ixapi.Collection][]record{ixapi.NetworkServiceConfigs: {fields}}, true, nil
	}
	lists = make(map[ixapi.Collection][]record)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(ordered(), ixapi.Collection(name)) {
			return nil, false, wrong("the order has records of a kind that cannot be tried", ixapi.ProblemProperty{Name: name, Reason: fmt.Sprintf("it is none of %v", ordered())})
		}
		var list []record
		if err := json.Unmarshal(fields[name], &list); err != nil || slices.ContainsFunc(list, func(r record) bool { return r == nil }) {
			return nil, false, wrong("the order has a list that is none", ixapi.ProblemProperty{Name: name, Reason: "it is not a list of objects"})
		}
		lists[ixapi.Collection(name)] = list
	}
	return lists, false, nil
}

// complete adds what fields does not say of a connection that is there.
func complete(fields record, old *ixapi.Connection) error {
	text, err := json.Marshal(old)
	if err != nil {
		return err
	}
	var known record
	if err := json.Unmarshal(text, &known); err != nil {
		return err
	}
	for name, value := range known {
		if _, said := fields[name]; !said {
			fields[name] = value
		}
	}
	return nil
}

// wrong returns an error that names what is wrong with an order.
func wrong(what string, properties ...ixapi.ProblemProperty) *OrderError {
	var said []string
	for _, p := range properties {
		said = append(said, p.Name+": "+p.Reason)
	}
	if len(said) > 0 {
		what += ": " + strings.Join(said, "; ")
	}
	return &OrderError{What: what, Properties: properties}
}

// property names a field of a record of an order.
func property(single bool, c ixapi.Collection, index int, pointer, reason string) ixapi.ProblemProperty {
	if !single {
		pointer = fmt.Sprintf("/%s/%d%s", c, index, pointer)
	}
	return ixapi.ProblemProperty{Name: strings.TrimPrefix(pointer, "/"), Reason: reason}
}
