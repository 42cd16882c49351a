package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
)

// first finds a record: the first that is listed with all filters and has no other value where it has such a field.
func (e *exchange) first(ctx context.Context, collection string, where record) (record, error) {
	query := url.Values{}
	for key, value := range where {
		if value != nil { // which no filter is for
			query.Set(key, fmt.Sprint(value))
		}
	}
	a, err := e.plainly(ctx, collection+"?"+query.Encode(), "List", "", nil)
	if err == nil {
		err = a.success()
	}
	if err != nil {
		return nil, err
	}
	list, err := a.records()
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		fields := maps.Clone(where)
		maps.DeleteFunc(fields, func(key string, _ any) bool { _, ok := r[key]; return !ok })
		if differs(fields, r) == "" {
			return r, nil
		}
	}
	return nil, fmt.Errorf("no record of %s is as %v", collection, where)
}

// errGone is what the exchange knows no longer.
var errGone = errors.New("the exchange does not know it")

// send orders something about a record, or reads it, and returns what is answered.
func (e *exchange) send(ctx context.Context, collection, verb, id string, body record) (record, error) {
	a, err := e.ask(ctx, collection, verb, id, body)
	switch {
	case err != nil:
	case a.status == http.StatusNotFound:
		err = errGone
	default:
		err = a.success()
	}
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", verb, collection, err)
	}
	return a.record()
}

// ask calls what was generated for an operation. Where the schema has none, because it is newer, it asks by itself, in
// the same way.
func (e *exchange) ask(ctx context.Context, collection, verb, id string, body record) (answer, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return answer{}, err
	}
	o, ok := e.find(collection, verb)
	if !ok || e.plain {
		return e.plainly(ctx, collection, verb, id, text)
	}
	var args []reflect.Value
	if id != "" {
		args = append(args, reflect.ValueOf(id))
	}
	if takes := o.takes(len(args)); body != nil && takes != nil {
		typed := reflect.New(takes)
		if err := json.Unmarshal(text, typed.Interface()); err != nil {
			return answer{}, err
		}
		args = append(args, typed.Elem())
	}
	return o.call(ctx, args...)
}

// plainly asks without anything generated. A DELETE has null for a body, as many clients send it.
func (e *exchange) plainly(ctx context.Context, collection, verb, id string, body []byte) (answer, error) {
	method := map[string]string{"Create": http.MethodPost, "Update": http.MethodPut, "PartialUpdate": http.MethodPatch, "Destroy": http.MethodDelete}[verb]
	if method == "" {
		method, body = http.MethodGet, nil
	}
	path := e.url + "/" + collection
	if id != "" {
		path += "/" + url.PathEscape(id)
	}
	r, err := http.NewRequestWithContext(ctx, method, path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	if err := e.authorize(ctx, r); err != nil {
		return answer{}, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	a := answer{status: response.StatusCode}
	if a.body, err = io.ReadAll(response.Body); err != nil {
		return answer{}, err
	}
	return a, nil
}
