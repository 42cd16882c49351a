package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("ixagent.json", doc); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("ixagent.json")
}

// asJSON returns a YAML text as the values that a JSON Schema validator knows.
func asJSON(t *testing.T, text []byte) any {
	t.Helper()
	b, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSchemaAcceptsWhatTheLoaderAccepts(t *testing.T) {
	valid, err := txtar.ParseFile("testdata/faults/valid.txtar")
	if err != nil {
		t.Fatal(err)
	}
	manager, err := txtar.ParseFile("testdata/faults/valid_ixpmanager.txtar")
	if err != nil {
		t.Fatal(err)
	}
	s := compiledSchema(t)
	for _, text := range [][]byte{Example(), valid.Files[0].Data, manager.Files[0].Data, bytes.ReplaceAll(Example(), []byte(`"0x88a8"`), []byte("0x88a8"))} {
		if err := s.Validate(asJSON(t, text)); err != nil {
			t.Error(err)
		}
	}
}

func TestSchemaRefusesWrongTypesAndUnknownKeys(t *testing.T) {
	s := compiledSchema(t)
	for _, c := range [][2]string{
		{"listen: 127.0.0.1:9809", "listn: 127.0.0.1:9809"},
		{"mode: observe", "mode: enforced"},
		{"vlan: 100", "vlan: 4095"},
		{"max_shrink: 10%", "max_shrink: ten"},
		{"password: credential:switch-password", "password: hunter2"},
		{"      driver: openconfig", "      drivers: openconfig"},
		{`ethertype: "0x88a8"`, `ethertype: "0x88a9"`},
		{"range: 100-199", "range: some"},
		{"[mon, tue,", "[mo, tue,"},
		{`to: "04:00"`, `to: "24:00"`},
		{"disruption: circuit", "disruption: most"},
	} {
		text := strings.Replace(string(Example()), c[0], c[1], 1)
		if text == string(Example()) {
			t.Fatalf("the example has no %q", c[0])
		}
		if s.Validate(asJSON(t, []byte(text))) == nil {
			t.Errorf("%q is accepted", c[1])
		}
	}
}

// structs returns every struct type of the file that can be reached from t.
func structs(t reflect.Type, seen map[reflect.Type]bool) {
	switch {
	case scalar(t):
	case t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map:
		structs(t.Elem(), seen)
	case t.Kind() == reflect.Struct && !seen[t]:
		seen[t] = true
		for i := range t.NumField() {
			if t.Field(i).IsExported() {
				structs(t.Field(i).Type, seen)
			}
		}
	}
}

func TestSchemaDescribesEveryKey(t *testing.T) {
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	type object struct {
		Properties map[string]struct{ Description string }
		Required   []string
		Closed     *bool `json:"additionalProperties"`
	}
	var schema struct {
		object
		Defs map[string]object `json:"$defs"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	types := make(map[reflect.Type]bool)
	structs(reflect.TypeFor[Config](), types)
	if len(types) < 10 {
		t.Fatalf("only %d types", len(types))
	}
	for typ := range types {
		got := schema.Defs[typ.Name()]
		if typ == reflect.TypeFor[Config]() {
			got = schema.object
		}
		if got.Closed == nil || *got.Closed {
			t.Errorf("%s accepts unknown keys", typ.Name())
		}
		fields := newDecoder().fieldsOf(typ)
		if len(fields) != len(got.Properties) {
			t.Errorf("%s has %d keys, its schema %d", typ.Name(), len(fields), len(got.Properties))
		}
		for _, f := range fields {
			p, ok := got.Properties[f.key]
			if !ok || strings.TrimSpace(p.Description) == "" {
				t.Errorf("%s.%s is not described: %+v", typ.Name(), f.key, p)
			}
			if f.required != slices.Contains(got.Required, f.key) {
				t.Errorf("%s.%s: required is %t in the type", typ.Name(), f.key, f.required)
			}
		}
	}
}

func TestDefaultsKeepTheirOwnRules(t *testing.T) {
	types := make(map[reflect.Type]bool)
	structs(reflect.TypeFor[Config](), types)
	for typ := range types {
		for _, f := range newDecoder().fieldsOf(typ) {
			if f.standard == "" {
				continue
			}
			if err := f.set(reflect.New(typ.Field(f.index).Type).Elem(), Position{}, f.standard); err != nil {
				t.Errorf("%s.%s: %v", typ.Name(), f.key, err)
			}
		}
	}
	c, err := parseFiles([]txtar.File{{Name: "c.yaml", Data: []byte(minimal)}})
	if err != nil {
		t.Fatal(report(err))
	}
	s := c.Sources[0]
	if s.Poll != 30*time.Second || s.MaxShrink != 10 || c.Limits.MaxDeletes != 10 || c.Limits.DeletesPerHour != 50 || c.Limits.MembersPerHour != 100 || c.Limits.ConfirmWindow != 2*time.Minute ||
		!c.Policy.HealDrift || c.Policy.Testing.ExchangeLAN != TestQuarantine || c.Listen.Port() != 9809 ||
		c.StateDir.String() != "/var/lib/ixagent" || c.Inventory.Devices[0].Mode != Observe || c.Inventory.Fabric.Type != FabricNone {
		t.Errorf("defaults: %+v", c)
	}
}

const minimal = `
sources: [{name: exchange, type: file, path: records}]
credentials: {lab: {username: ixagent, password: env:PW}}
inventory: {devices: [{name: sw1, driver: openconfig, address: 192.0.2.1, credentials: lab}]}
`
