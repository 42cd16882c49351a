package config

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

//go:embed testdata/example.yaml
var example []byte

//go:embed config.go
var source []byte

// Example returns a complete configuration with comments for operators.
func Example() []byte { return append([]byte(nil), example...) }

// Schema returns the JSON Schema (draft 2020-12) of a configuration, made from the types of this package, their
// tags and their comments.
func Schema() ([]byte, error) {
	words, err := comments()
	if err != nil {
		return nil, fmt.Errorf("comments of the configuration's types: %w", err)
	}
	r := jsonschema.Reflector{
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		ExpandedStruct:             true,
		Anonymous:                  true,
		Mapper:                     scalarSchema,
		LookupComment:              words.of,
	}
	s := r.Reflect(new(Config))
	s.Title = "ixagent configuration"
	if inv, ok := s.Properties.Get("inventory"); ok {
		whole := *inv
		inv.Ref, inv.AnyOf = "", append([]*jsonschema.Schema{{Ref: whole.Ref}}, pathsSchema().AnyOf...)
	}
	return json.MarshalIndent(s, "", "  ")
}

// scalarSchema describes the types that read their own text; others describe themselves.
func scalarSchema(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[Path](), reflect.TypeFor[netip.Addr](), reflect.TypeFor[netip.AddrPort](), reflect.TypeFor[Address]():
		return &jsonschema.Schema{Type: "string"}
	case reflect.TypeFor[Paths]():
		return pathsSchema()
	case reflect.TypeFor[Socket]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "boolean"}, {Type: "string"}}}
	case reflect.TypeFor[SecretRef]():
		return &jsonschema.Schema{Type: "string", Pattern: "^(env|file|credential):."}
	case reflect.TypeFor[time.Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$`}
	case reflect.TypeFor[Range]():
		return numberOr(&jsonschema.Schema{Type: "string", Pattern: "^[0-9]+( *- *[0-9]+)?$"}, "1", "")
	case reflect.TypeFor[Day](), reflect.TypeFor[plan.Disruption](), reflect.TypeFor[TimeZone]():
		return &jsonschema.Schema{Type: "string"}
	case reflect.TypeFor[TimeOfDay]():
		return &jsonschema.Schema{Type: "string", Pattern: "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
	case reflect.TypeFor[Percent]():
		return numberOr(&jsonschema.Schema{Type: "string", Pattern: "^[0-9]+ *%?$"}, "0", "100")
	case reflect.TypeFor[switchcfg.TPID]():
		var texts, numbers []any
		for _, t := range switchcfg.TPIDs() {
			texts, numbers = append(texts, t.String()), append(numbers, uint16(t))
		}
		return &jsonschema.Schema{Enum: append(texts, numbers...)}
	}
	return nil
}

// numberOr describes what is a number within bounds or a text.
func numberOr(text *jsonschema.Schema, least, most json.Number) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "integer", Minimum: least, Maximum: most}, text}}
}

func pathsSchema() *jsonschema.Schema {
	path := &jsonschema.Schema{Type: "string"}
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{path, {Type: "array", Items: path}}}
}

// remarks are the comments of the fields of config.go by "Type.Field".
type remarks map[string]string

// of returns the description of a field: its comment and its default.
func (r remarks) of(t reflect.Type, name string) string {
	if t.Kind() != reflect.Struct || name == "" {
		return ""
	}
	word := r[t.Name()+"."+name]
	if f, ok := t.FieldByName(name); ok {
		if standard := parseRule(f.Tag.Get("jsonschema")).standard; standard != "" {
			word += "; default " + standard
		}
	}
	return word
}

func comments() (remarks, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	words := make(remarks)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if s, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				for _, name := range f.Names {
					words[spec.Name.Name+"."+name.Name] = strings.TrimSpace(f.Comment.Text())
				}
			}
		}
		return false
	})
	return words, nil
}
