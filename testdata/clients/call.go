package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
)

// collections are those of the schema.
var collections = [...]string{
	"accounts", "connections", "contacts", "devices", "facilities", "ips", "macs", "member-joining-rules", "metro-area-networks",
	"metro-areas", "network-feature-configs", "network-features", "network-service-configs", "network-services", "pops", "ports",
	"product-offerings", "role-assignments", "roles",
}

// operation is a function of the generated client, which all have the same form: a context, what the path, query and body
// want, and a pointer to what was answered.
type operation struct {
	name string
	of   reflect.Value
}

// find returns the operation on a collection: List, Read, Create, Update, PartialUpdate or Destroy.
func (e *exchange) find(collection, verb string) (operation, bool) {
	var name strings.Builder
	for word := range strings.SplitSeq(collection, "-") {
		name.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	name.WriteString(verb)
	for _, form := range []string{"WithApplicationMergePatchPlusJSONBodyWithResponse", "WithResponse"} {
		if of := reflect.ValueOf(e.api).MethodByName(name.String() + form); of.IsValid() {
			return operation{name.String(), of}, true
		}
	}
	return operation{}, false
}

// takes is the type of an argument after the context, or nil where there is none.
func (o operation) takes(i int) reflect.Type {
	if t := o.of.Type(); i+1 < t.NumIn()-1 { // the last are editors of the request
		return t.In(i + 1)
	}
	return nil
}

// answer is what an exchange answered, and what the generated types make of it.
type answer struct {
	status int
	body   []byte
	value  reflect.Value // of the only success that the schema has; invalid where this was none
}

// said is the beginning of the answer, for a person.
func (a answer) said() string { return fmt.Sprintf("%.1000s", a.body) }

// call calls an operation; what it wants and is not given is zero. An answer that the schema has no type for is an error.
func (o operation) call(ctx context.Context, args ...reflect.Value) (answer, error) {
	in := []reflect.Value{reflect.ValueOf(ctx)}
	for i := 0; o.takes(i) != nil; i++ {
		if i < len(args) {
			in = append(in, args[i])
		} else {
			in = append(in, reflect.Zero(o.takes(i)))
		}
	}
	out := o.of.Call(in)
	if err, _ := out[1].Interface().(error); err != nil {
		return answer{}, fmt.Errorf("%s: %w", o.name, err)
	}
	got := out[0].Elem()
	response := got.FieldByName("HTTPResponse").Interface().(*http.Response)
	a := answer{status: response.StatusCode, body: got.FieldByName("Body").Bytes()}
	typed := got.FieldByName(fmt.Sprintf("JSON%d", a.status))
	if !typed.IsValid() || typed.IsNil() {
		return a, fmt.Errorf("%s: the schema has no such answer: %s of %s: %s", o.name, response.Status,
			response.Header.Get("Content-Type"), a.said())
	}
	if a.status < 300 {
		a.value = typed.Elem()
		if err := resolve(a.value); err != nil {
			return a, fmt.Errorf("%s: %w in %s", o.name, err, a.said())
		}
	}
	return a, nil
}

// must is call where nothing but success will do.
func (o operation) must(ctx context.Context, args ...reflect.Value) (answer, error) {
	a, err := o.call(ctx, args...)
	if err == nil && a.status >= 300 {
		err = fmt.Errorf("%s: %d: %s", o.name, a.status, a.said())
	}
	return a, err
}

// resolve goes through a value and finds out of what type each union in it is, as whoever uses it must.
func resolve(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return resolve(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := resolve(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Struct:
		if union := v.MethodByName("ValueByDiscriminator"); union.IsValid() {
			out := union.Call(nil)
			if err, _ := out[1].Interface().(error); err != nil {
				return err
			}
			return resolve(out[0])
		}
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				continue
			}
			if err := resolve(v.Field(i)); err != nil {
				return fmt.Errorf("%s: %w", v.Type().Field(i).Name, err)
			}
		}
	}
	return nil
}

// record is one as it is on the wire.
type record map[string]any

func (a answer) record() (record, error) {
	var r record
	return r, json.Unmarshal(a.body, &r)
}

func (a answer) records() ([]record, error) {
	var list []record
	return list, json.Unmarshal(a.body, &list)
}
