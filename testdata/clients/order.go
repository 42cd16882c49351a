package main

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
)

// declared is what is ordered, in the order in which one refers to another, as of version 2.1 and of version 2.4.
//
//go:embed declared-*.json
var declared embed.FS

// A declaration is a record that must be found, and is taken over if it is to be changed, or one that is ordered and wanted
// to be as declared until it is given up, or an order that must be refused.
// In values, $name is the id of an earlier record, and $name.field.field one of its fields.
type declaration struct {
	Name   string   `json:"name"`
	Find   string   `json:"find"`   // the collection, the first record of which that is so is taken
	Where  record   `json:"where"`  // filters
	Order  string   `json:"order"`  // the collection
	As     record   `json:"as"`     // what is ordered
	Change record   `json:"change"` // what is changed later
	Until  []string `json:"until"`  // states, one of which must come before anything refers to the record
	// Refused is part of the answer that an order gets which must not be taken.
	Refused string `json:"refused"`

	taken bool // over, so that it is not given up
}

// out are the states of what is no longer in service or, by its date, will not be.
var out = []string{"decommission_requested", "decommissioned", "cancelled", "archived"}

// order makes everything declared, changes it, and gives it up again. After each step everything is read, and must be as
// it is declared: a second plan is empty. What is newer than the schema is asked for without what was generated.
func (e *exchange) order(ctx context.Context, version string) error {
	text, err := declared.ReadFile("declared-" + version + ".json")
	if err != nil {
		return err
	}
	e.plain = version != "2.1"
	var all []*declaration
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	known := make(map[string]record)
	for _, d := range all {
		err := d.make(ctx, e, known)
		if err == nil {
			err = plan(ctx, e, all, known)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
		fmt.Printf("%s: %s %v %v\n", d.Name, cmp.Or(d.Find, d.Order), known[d.Name]["id"], known[d.Name]["state"])
	}
	for _, d := range all {
		if len(d.Change) == 0 {
			continue
		}
		err := d.change(ctx, e, known)
		if err == nil {
			err = plan(ctx, e, all, known)
		}
		if err != nil {
			return fmt.Errorf("change of %s: %w", d.Name, err)
		}
		fmt.Printf("%s is changed\n", d.Name)
	}
	for i, d := range slices.Backward(all) {
		if d.Order == "" || d.Refused != "" || d.taken {
			continue
		}
		err := d.giveUp(ctx, e, known)
		if err == nil {
			err = plan(ctx, e, all[:i], known)
		}
		if err != nil {
			return fmt.Errorf("end of %s: %w", d.Name, err)
		}
		fmt.Printf("%s is given up\n", d.Name)
	}
	return nil
}

// plan reads what is ordered and returns an error if something is not as declared.
func plan(ctx context.Context, e *exchange, all []*declaration, known map[string]record) error {
	for _, d := range all {
		if d.Order == "" || known[d.Name] == nil {
			continue
		}
		r, err := e.send(ctx, d.Order, "Read", known[d.Name]["id"].(string), nil)
		if err != nil {
			return err
		}
		if why := differs(d.As, r); why != "" {
			return fmt.Errorf("the plan is not empty: %s %s: %s", d.Order, d.Name, why)
		}
		if was, is := known[d.Name]["vlan_config"], r["vlan_config"]; !reflect.DeepEqual(was, is) {
			return fmt.Errorf("%s %s had %v and has %v", d.Order, d.Name, was, is)
		}
	}
	return nil
}

func (d *declaration) make(ctx context.Context, e *exchange, known map[string]record) error {
	if d.Find != "" {
		r, err := e.first(ctx, d.Find, filled(d.Where, known).(record))
		if known[d.Name] = r; d.Change != nil {
			d.Order, d.As, d.taken = d.Find, filled(d.Where, known).(record), true
		}
		return err
	}
	d.As = filled(d.As, known).(record)
	if d.Refused != "" {
		a, err := e.ask(ctx, d.Order, "Create", "", d.As)
		if err == nil && (a.status != http.StatusBadRequest || !strings.Contains(string(a.body), d.Refused)) {
			err = fmt.Errorf("not refused for %s: %d: %s", d.Refused, a.status, a.said())
		}
		return err
	}
	made, err := e.send(ctx, d.Order, "Create", "", d.As)
	if err != nil {
		return err
	}
	id, _ := made["id"].(string)
	if id == "" || id != url.PathEscape(id) {
		return fmt.Errorf("the id %q is not one that every client can ask for", id)
	}
	deadline := time.Now().Add(wait)
	for {
		r, err := e.send(ctx, d.Order, "Read", id, nil)
		if err != nil {
			return err
		}
		known[d.Name] = r
		state, _ := r["state"].(string)
		if len(d.Until) == 0 || slices.Contains(d.Until, state) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it is %s and not %v: %v", state, d.Until, r["status"])
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// change sends what is to be changed alone, and then the whole.
func (d *declaration) change(ctx context.Context, e *exchange, known map[string]record) error {
	id := known[d.Name]["id"].(string)
	patch := filled(d.Change, known).(record)
	if kind, ok := d.As["type"]; ok {
		patch["type"] = kind
	}
	changed, err := e.send(ctx, d.Order, "PartialUpdate", id, patch)
	if err != nil {
		return err
	}
	known[d.Name] = changed
	maps.Copy(d.As, patch)
	if err := plan(ctx, e, []*declaration{d}, known); err != nil {
		return err
	}
	_, err = e.send(ctx, d.Order, "Update", id, d.As)
	return err
}

func (d *declaration) giveUp(ctx context.Context, e *exchange, known map[string]record) error {
	id := known[d.Name]["id"].(string)
	if _, err := e.send(ctx, d.Order, "Destroy", id, nil); err != nil {
		return err
	}
	r, err := e.send(ctx, d.Order, "Read", id, nil)
	if errors.Is(err, errGone) {
		return nil
	}
	if state, _ := r["state"].(string); err == nil && !slices.Contains(out, state) {
		err = fmt.Errorf("it is still %s", state)
	}
	return err
}

// filled returns a value with what it names in place of the names.
func filled(v any, known map[string]record) any {
	switch v := v.(type) {
	case record:
		return record(filled(map[string]any(v), known).(map[string]any))
	case map[string]any:
		all := make(map[string]any, len(v))
		for key, of := range v {
			all[key] = filled(of, known)
		}
		return all
	case []any:
		all := make([]any, len(v))
		for i, of := range v {
			all[i] = filled(of, known)
		}
		return all
	case string:
		if name, ok := strings.CutPrefix(v, "$"); ok {
			name, path, ok := strings.Cut(name, ".")
			if !ok {
				path = "id"
			}
			var of any = map[string]any(known[name])
			for field := range strings.SplitSeq(path, ".") {
				of = of.(map[string]any)[field]
			}
			return of
		}
	}
	return v
}

// differs says in what a record is not as it is wanted. What is wanted to be null may be empty, too, but a VLAN that is
// wanted to be null must have been chosen.
func differs(want, got record) string {
	for key, value := range want {
		has := got[key]
		inner, nested := value.(map[string]any)
		switch {
		case nested:
			of, _ := has.(map[string]any)
			if why := differs(inner, of); why != "" {
				return key + "." + why
			}
		case value == nil && (key == "vlan" || key == "outer_vlan"):
			if _, chosen := has.(float64); !chosen {
				return key + " was not chosen"
			}
		case value == nil || value == "":
			if list, _ := has.([]any); has != nil && has != "" && (list == nil || len(list) > 0) {
				return fmt.Sprintf("%s is %v, not null", key, has)
			}
		case !reflect.DeepEqual(value, has):
			return fmt.Sprintf("%s is %v, not %v", key, has, value)
		}
	}
	return ""
}
