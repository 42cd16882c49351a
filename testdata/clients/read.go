package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// read lists every collection, whole and with every filter that the schema has for it, and reads every record.
func (e *exchange) read(ctx context.Context) error {
	for _, collection := range collections {
		list, ok := e.find(collection, "List")
		if !ok {
			return fmt.Errorf("%s: the schema has no list", collection)
		}
		all, err := list.must(ctx)
		if err != nil {
			return err
		}
		records, err := all.records()
		if err != nil {
			return err
		}
		if len(records) == 0 {
			return fmt.Errorf("%s: nothing is listed", collection)
		}
		filters := 0
		if list.takes(0) != nil {
			for field := range list.takes(0).Elem().Fields() {
				if err := filter(ctx, list, field, records); err != nil {
					return err
				}
				filters++
			}
		}
		fmt.Printf("%s: %d records, %d filters\n", collection, len(records), filters)
		one, _ := e.find(collection, "Read")
		for _, r := range records {
			got, err := one.must(ctx, reflect.ValueOf(r["id"]))
			if err != nil {
				return err
			}
			if read, err := got.record(); err != nil || !reflect.DeepEqual(read, r) {
				return fmt.Errorf("%s: listed %v, read %v, %w", collection, r, read, err)
			}
		}
		if collection == "roles" {
			continue // the schema has no answer for a role that is unknown
		}
		if got, err := one.call(ctx, reflect.ValueOf("nobody-has-this-id")); err != nil || got.status != 404 {
			return fmt.Errorf("%s: an unknown id is answered with %d %s, %w", collection, got.status, got.said(), err)
		}
	}
	return nil
}

// filter lists with one filter, with a value that some record has where it is about a field, and sees that those
// records come that should.
func filter(ctx context.Context, list operation, field reflect.StructField, records []record) error {
	name, _, _ := strings.Cut(field.Tag.Get("form"), ",")
	about, how, _ := strings.Cut(name, "__")
	value, known := any(nil), false
	for _, r := range records {
		if v := first(r[about]); v != nil {
			value, known = v, true
			break
		}
	}
	if !known {
		value = "nothing has this"
		switch of := field.Type.Elem(); {
		case of.Kind() == reflect.Int:
			value = 1
		case strings.HasPrefix(about, "valid_") || strings.HasSuffix(about, "_at"):
			value = "2026-01-01T00:00:00Z"
		}
	}
	params := reflect.New(list.takes(0).Elem())
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	to := params.Elem().FieldByIndex(field.Index)
	if number := text[0] != '"'; number && to.Type().Elem().Kind() == reflect.String {
		text = fmt.Appendf(nil, "%q", text)
	}
	if to.Type().Elem().Kind() == reflect.Slice {
		text = fmt.Appendf(nil, "[%s]", text)
	}
	if err := json.Unmarshal(text, to.Addr().Interface()); err != nil {
		return fmt.Errorf("%s: filter %s with %s: %w", list.name, name, text, err)
	}
	got, err := list.must(ctx, params)
	if err != nil {
		return fmt.Errorf("filter %s=%v: %w", name, value, err)
	}
	filtered, err := got.records()
	if err != nil {
		return err
	}
	if !known || how != "" && how != "is_not" {
		return nil
	}
	want := 0
	for _, r := range records {
		if has(r[about], value) == (how == "") {
			want++
		}
	}
	for _, r := range filtered {
		if has(r[about], value) != (how == "") {
			return fmt.Errorf("%s: %s=%v lists %v", list.name, name, value, r)
		}
	}
	if len(filtered) != want {
		return fmt.Errorf("%s: %s=%v lists %d records, %d have that", list.name, name, value, len(filtered), want)
	}
	return nil
}

// first is a value or the first of a list of them, nil where there is none or it is no plain one.
func first(v any) any {
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[0]
	}
	switch v.(type) {
	case string, float64, bool:
		return v
	}
	return nil
}

// has reports whether a field is or contains a value.
func has(field, value any) bool {
	list, ok := field.([]any)
	if !ok {
		return field == value
	}
	for _, v := range list {
		if v == value {
			return true
		}
	}
	return false
}
