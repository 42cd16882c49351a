package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// An order is a request to change something, within its transaction.
type order struct {
	*store.Tx
	server     *Server
	by         principal
	now        time.Time
	collection string
	resource   *resource
	id         string
	old        store.Object    // the record as it was; nil when it is made
	new        store.Object    // the record as it will be; nil when it is removed
	sent       map[string]bool // fields that the client gave
	body       store.Object    // what the client gave
	query      url.Values

	faults []property
}

// fault reports what is wrong with a field.
func (o *order) fault(path, format string, args ...any) {
	o.faults = append(o.faults, property{Name: path, Reason: fmt.Sprintf(format, args...)})
}

// wrong returns the faults as a problem, or nil.
func (o *order) wrong() *problem {
	if len(o.faults) == 0 {
		return nil
	}
	return new(invalid(o.faults...))
}

// find returns a record that the caller sees, or nil.
func (o *order) find(collection, id string) *store.Record {
	r := o.Get(collection, id)
	if r == nil || !o.server.visible(o.by, o.Tx.Now(), collection, r) {
		return nil
	}
	return r
}

// changed reports whether a field is another one now than it was.
func (o *order) changed(name string) bool {
	was, _ := json.Marshal(o.old[name])
	is, _ := json.Marshal(o.new[name])
	return string(was) != string(is)
}

// name hands out an id.
func (o *order) name(prefix string) string { return fmt.Sprintf("%s-%d", prefix, o.Next(prefix)) }

// keep stores a record of a collection; that it cannot be is a problem.
func (o *order) keep(collection string, record store.Object) *problem {
	if _, err := o.Put(collection, record); err != nil {
		return new(generic(http.StatusInternalServerError, err.Error()))
	}
	return nil
}

// edit changes fields of a record of a collection.
func (o *order) edit(collection, id string, fields store.Object) *problem {
	r := o.Get(collection, id)
	if r == nil {
		return new(generic(http.StatusInternalServerError, fmt.Sprintf("%s %q is gone", collection, id)))
	}
	record, err := r.Object()
	if err != nil {
		return new(generic(http.StatusInternalServerError, err.Error()))
	}
	for name, v := range fields {
		record[name] = v
	}
	return o.keep(collection, record)
}

// status returns a status message (IX-API, status).
func (o *order) status(severity int, tag, message string, attrs map[string]any) map[string]any {
	if attrs == nil {
		attrs = map[string]any{}
	}
	return map[string]any{"severity": severity, "tag": tag, "message": message, "attrs": attrs, "timestamp": o.now.UTC().Format(time.RFC3339)}
}

// inService reports whether a record of a stateful collection has not ended.
func inService(r *store.Record) bool {
	switch r.State() {
	case "decommissioned", "archived", "cancelled":
		return false
	}
	return true
}

// today is the day, as dates are written.
func (o *order) today() string { return o.now.UTC().Format(time.DateOnly) }

// fill sets a field of out from what was given. Whole says that a field that is not given is what it is by default;
// otherwise it stays.
func (o *order) fill(out store.Object, f field, path string, given map[string]any, whole bool) {
	value, sent := given[f.name]
	if f.ours {
		sent = false
		if _, set := out[f.name]; set {
			return
		}
		whole = true
	}
	switch {
	case !sent && !whole:
	case !sent && f.required:
		o.fault(path, "is required")
	case !sent && (f.fallback != nil || f.null):
		out[f.name] = f.fallback
	case !sent:
		delete(out, f.name)
	case value == nil && !f.null:
		o.fault(path, "cannot be null")
	case value == nil:
		out[f.name] = nil
	default:
		before := len(o.faults)
		if value = f.is(o, path, value); len(o.faults) == before {
			out[f.name] = value
		}
	}
}

// fieldsOf returns the fields of a record of a type.
func (r *resource) fieldsOf(kind string) []field {
	return slices.Concat(r.fields, r.variants[kind])
}

// types returns the types of a resource, sorted.
func (r *resource) types() []string {
	var out []string
	for t := range r.variants {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}

// take takes what the client gave into the new record.
func (o *order) take(whole bool) {
	kind, _ := o.old.Text("type")
	if o.resource.variants != nil {
		given, sent := o.body["type"]
		switch {
		case o.old == nil:
			kind, _ = given.(string)
			if o.resource.variants[kind] == nil {
				o.fault("type", "is not one of %s", strings.Join(o.resource.types(), ", "))
				return
			}
			o.new["type"] = kind
		case sent && given != kind:
			o.fault("type", "cannot change")
		}
	}
	for _, f := range o.resource.fieldsOf(kind) {
		if _, sent := o.body[f.name]; sent {
			o.sent[f.name] = true
		}
		o.fill(o.new, f, f.name, o.body, whole && (!f.fixed || o.old == nil))
		if f.fixed && o.old != nil && o.sent[f.name] && o.changed(f.name) {
			o.fault(f.name, "cannot change")
		}
	}
}

// transact runs f as a transaction of a party. Nothing of it is left when it has a problem.
func (s *Server) transact(by principal, f func(*order) *problem) *problem {
	var p *problem
	refused := errors.New("refused")
	err := s.store.Update(func(tx *store.Tx) error {
		o := &order{Tx: tx, server: s, by: by, now: s.options.Clock(), sent: map[string]bool{}}
		if p = f(o); p == nil {
			p = o.follow()
		}
		if p == nil {
			p = o.moveOn()
		}
		if p != nil {
			return refused
		}
		return nil
	})
	if err != nil && p == nil {
		failed := generic(http.StatusServiceUnavailable, "the exchange cannot store anything now")
		s.options.Logger.Error("an order could not be stored", "err", err)
		p = &failed
	}
	return p
}

// bodyOf reads the body of a request: an object, or nothing where null, an empty object and no body at all are the same.
func bodyOf(r *http.Request, optional bool) (store.Object, *problem) {
	text, err := io.ReadAll(r.Body)
	if p := unreadable(err); p != nil {
		return nil, p
	}
	if optional && len(strings.TrimSpace(string(text))) == 0 {
		return nil, nil
	}
	var body any
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber()
	err = dec.Decode(&body)
	if err == nil {
		if _, end := dec.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("something comes after the object")
		}
	}
	if object, ok := body.(map[string]any); ok && err == nil {
		return object, nil
	}
	if optional && body == nil && err == nil {
		return nil, nil
	}
	p := invalid()
	p.Detail = "the body is not the JSON object it should be"
	if err != nil {
		p.Detail += ": " + err.Error()
	}
	return nil, &p
}

// change answers POST of a collection, and PUT, PATCH and DELETE of a record.
func (s *Server) change(w http.ResponseWriter, r *http.Request, by principal, collection, id string) {
	body, p := bodyOf(r, r.Method == http.MethodDelete)
	if p != nil {
		p.write(w, r)
		return
	}
	res := s.resources[collection]
	status := http.StatusCreated
	var made *order
	p = s.transact(by, func(o *order) *problem {
		made = o
		o.collection, o.resource, o.id, o.body, o.query = collection, res, id, body, r.URL.Query()
		o.new = store.Object{}
		rule := res.create
		var record *store.Record
		if r.Method != http.MethodPost {
			if record = o.find(collection, id); record == nil {
				return new(missing("there is no such record"))
			}
		}
		if p := s.permit(by, o.Tx.Now(), collection, record, operationOf(r.Method)); p != nil {
			return p
		}
		if record != nil {
			for _, into := range []*store.Object{&o.old, &o.new} {
				object, err := record.Object()
				if err != nil {
					return new(generic(http.StatusInternalServerError, err.Error()))
				}
				*into = object
			}
			status, rule = res.updated, res.update
		}
		if r.Method == http.MethodDelete {
			status, rule = res.removed, res.remove
		} else {
			o.take(r.Method != http.MethodPatch)
			if p := o.wrong(); p != nil {
				return p
			}
			if p := o.parties(); p != nil {
				return p
			}
			if o.old == nil {
				o.id = o.name(res.prefix)
				o.new["id"] = o.id
			}
		}
		p := rule(o)
		if p == nil {
			p = o.wrong()
		}
		if p == nil && r.Method != http.MethodDelete {
			p = o.keep(collection, o.new)
		}
		return p
	})
	if p != nil {
		p.write(w, r)
		return
	}
	answer := made.new
	if answer == nil {
		answer = made.old
	}
	record, err := s.store.Parse(collection, answer)
	if err != nil {
		generic(http.StatusInternalServerError, err.Error()).write(w, r)
		return
	}
	if text, ok := s.view(by, s.store.Now(), collection, record); ok {
		s.send(w, collection, status, append(slices.Clip(text), '\n'))
		return
	}
	s.send(w, collection, status, []byte("{}\n")) // it gave away what it no longer sees
}

// unreadable says what is wrong with a body that could not be read.
func unreadable(err error) *problem {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return new(generic(http.StatusRequestEntityTooLarge, err.Error()))
	case err != nil:
		return new(generic(http.StatusBadRequest, "the body could not be read"))
	}
	return nil
}
